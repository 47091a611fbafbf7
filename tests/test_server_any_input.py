"""A client never makes a call of a server raise, whatever it sends and however it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.constants import ReasonCode
from mqttproto.protocol import ConnectionState, Journal, ServerConnection, Session
from mqttproto.protocol.events import (
    AuthenticationReceived,
    ConnectionFailed,
    ConnectReceived,
    Disconnected,
    Event,
    MessageReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)
from mqttproto.testing import strategies as mqtt


class Owner:
    """Does what the owner of a connection has to do, and looks at what comes of it."""

    def __init__(self, server: ServerConnection, data: st.DataObject) -> None:
        self.server = server
        self.data = data
        self.events: list[Event] = []
        self.sent = bytearray()
        self.decoder: Decoder | None = None
        self.most = 0

    def deal_with(self, events: list[Event]) -> None:
        """Answer events until there are none."""
        while events:
            event = events.pop(0)
            self.events.append(event)
            events += self.answer(event)
            events += self.server.take_events()
        self.store()

    def answer(self, event: Event) -> list[Event]:
        server = self.server
        # A fault may have come in one call with what is to be answered.
        if server.state is ConnectionState.CLOSED:
            return []
        if isinstance(event, ConnectReceived):
            return self.answer_connect(event)
        if isinstance(event, MessageReceived):
            codes = [0, ReasonCode.NOT_AUTHORIZED]
            server.acknowledge(event, self.data.draw(st.sampled_from(codes)), now=0.0)
            server.send(event.message, now=0.0)
        elif isinstance(event, SubscribeReceived):
            server.answer_subscribe(event.packet, [1] * len(event.packet.subscriptions), now=0.0)
        elif isinstance(event, UnsubscribeReceived):
            server.answer_unsubscribe(event.packet, [0] * len(event.packet.topic_filters), now=0.0)
        elif isinstance(event, AuthenticationReceived):
            again = server.state is ConnectionState.CONNECTED
            if not again or self.data.draw(st.booleans()):
                server.authenticate(b"more", now=0.0)
            else:
                server.finish_reauthentication(b"done", now=0.0)
        return []

    def answer_connect(self, event: ConnectReceived) -> list[Event]:
        server = self.server
        connect = event.connect
        self.decoder = Decoder(event.version, sender="server")
        self.most = connect.properties.maximum_packet_size or 1 << 28
        if connect.properties.authentication_method and self.data.draw(st.booleans()):
            server.authenticate(b"more", now=0.0)
            return []
        choice = self.data.draw(st.sampled_from(["refuse", "disconnect", "accept", "accept"]))
        if choice == "refuse":
            server.refuse(ReasonCode.BANNED, now=0.0)
            return []
        if choice == "disconnect":
            return server.disconnect(ReasonCode.SERVER_SHUTTING_DOWN, now=0.0)
        announced = Properties(topic_alias_maximum=3, receive_maximum=5)
        if not connect.client_id:
            announced = announced.replace(assigned_client_identifier="assigned")
        journal = self.data.draw(st.sampled_from([None, Journal()]))
        session = Session(connect.client_id, journal=journal)
        return server.accept(session, properties=announced, now=0.0)

    def store(self) -> None:
        self.server.committed(self.server.take_changes().last)
        self.sent += self.server.data_to_send()

    def check(self) -> None:
        """Whatever happened: it is over or goes on, and all that was sent is legal."""
        ends = [each for each in self.events if isinstance(each, (ConnectionFailed, Disconnected))]
        assert len(ends) <= 1
        if ends:
            assert self.events[-1] is ends[0]
            assert self.server.state is ConnectionState.CLOSED
        if self.server.state is ConnectionState.CLOSED:
            assert self.server.close_expected()
            assert self.server.next_deadline() is None
        if self.decoder is not None:
            self.decoder.feed(bytes(self.sent))
            assert self.decoder.error is None
            assert self.decoder.buffered == 0
            starts = [*self.decoder.offsets, len(self.sent)]
            for start, end in pairwise(starts):
                assert end - start <= self.most


@given(data=st.data())
def test_no_legal_packets_make_a_call_raise(data: st.DataObject) -> None:
    version = data.draw(mqtt.versions())
    connect = data.draw(mqtt.connects(version))
    packets = data.draw(st.lists(mqtt.packets(version, "client"), max_size=8))
    stream = b"".join(encode(each, version, "client") for each in (connect, *packets))
    owner = Owner(ServerConnection(now=0.0, max_topic_aliases=2), data)
    for chunk in data.draw(mqtt.cuttings(stream)):
        owner.deal_with(owner.server.receive_data(chunk, 0.0))
    owner.check()


@given(data=st.data())
def test_no_broken_bytes_make_a_call_raise(data: st.DataObject) -> None:
    version = data.draw(mqtt.versions())
    owner = Owner(ServerConnection(now=0.0), data)
    broken = data.draw(mqtt.malformed(version=version, sender="client"))
    first = data.draw(st.sampled_from([b"", encode(Connect("c", properties=EMPTY), version)]))
    owner.deal_with(owner.server.receive_data(first + broken.data, 0.0))
    owner.deal_with(owner.server.receive_data(b"\0", 0.0))
    owner.check()


@given(data=st.data())
def test_no_bytes_that_were_changed_on_their_way_make_a_call_raise(data: st.DataObject) -> None:
    stream = data.draw(mqtt.wire_bytes(sender="client"))
    connect = encode(Connect("c", keep_alive=0), stream.version)
    changed = data.draw(mqtt.mutations(connect + stream.data))
    owner = Owner(ServerConnection(now=0.0), data)
    for chunk in data.draw(mqtt.cuttings(changed)):
        owner.deal_with(owner.server.receive_data(chunk, 0.0))
    owner.deal_with(owner.server.connection_lost(1.0))
    owner.check()


@given(data=st.data())
def test_how_a_stream_is_cut_does_not_matter(data: st.DataObject) -> None:
    version = data.draw(mqtt.versions())
    packets = data.draw(st.lists(mqtt.packets(version, "client"), max_size=8))
    stream = b"".join(encode(each, version, "client") for each in packets)
    whole, cut = (ServerConnection(now=0.0) for _ in range(2))
    for server in (whole, cut):
        server.receive_data(encode(Connect("c", keep_alive=0), version), 0.0)
        server.accept(now=0.0)
    expected = whole.receive_data(stream, 0.0)
    events: list[Event] = []
    for chunk in data.draw(mqtt.cuttings(stream)):
        events += cut.receive_data(chunk, 0.0)
    assert [type(each) for each in events] == [type(each) for each in expected]
    assert [str(each.error) for each in events if isinstance(each, ConnectionFailed)] == [
        str(each.error) for each in expected if isinstance(each, ConnectionFailed)
    ]
    assert cut.data_to_send() == whole.data_to_send()
