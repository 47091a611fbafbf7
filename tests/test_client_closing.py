"""How a client's connection ends: DISCONNECT by either end, a fault, or the loss of the network."""

from collections.abc import Callable

import pytest

from client_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    Will,
)
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, Publish, PubRec, PubRel
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription
from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import (
    InvalidValueError,
    LocalProtocolError,
    MalformedPacketError,
    PacketTooLargeError,
    ProtocolViolationError,
    Statement,
)
from mqttproto.protocol import ConnectionState, Journal, Session
from mqttproto.protocol.events import (
    ConnectionFailed,
    Disconnected,
    DropReason,
    Initiator,
    MessageReceived,
    PublishDropped,
)
from mqttproto.protocol.limits import NEVER

NORMAL = ReasonCode.NORMAL_DISCONNECTION
OURS = sorted(REASON_CODES[PacketType.DISCONNECT, Sender.CLIENT])
THEIRS = sorted(REASON_CODES[PacketType.DISCONNECT, Sender.SERVER])


def connecting(version: int = 5) -> Stage:
    """A client that waits for CONNACK."""
    stage = Stage(version)
    stage.connect(lasting(version))
    return stage


def in_state(version: int, state: ConnectionState) -> Stage:
    """A connection in an open state."""
    if state is ConnectionState.NEW:
        return Stage(version)
    if state is ConnectionState.CONNECTING:
        return connecting(version)
    return connected(version, lasting(version))


def nothing_works_any_more(stage: Stage) -> None:
    """What a connection that is over does: nothing."""
    client = stage.client
    assert stage.state() is ConnectionState.CLOSED
    calls: list[Callable[[], object]] = [
        lambda: client.connect(Connect("c"), now=0.0),
        lambda: client.publish("a", now=0.0),
        lambda: client.publish("a", b"", 1, now=0.0),
        lambda: client.subscribe(Subscription("a"), now=0.0),
        lambda: client.unsubscribe("a", now=0.0),
        lambda: client.ping(now=0.0),
        lambda: client.authenticate(now=0.0),
        lambda: client.reauthenticate(now=0.0),
    ]
    for call in calls:
        with pytest.raises(LocalProtocolError):
            call()
    assert client.disconnect(0x04, now=0.0) == []
    assert stage.receive(Publish("a"), Publish("a", b"", 1, packet_id=1), b"\xff\xff") == []
    assert client.receive_eof(0.0) == []
    assert client.handle_timeout(1e9) == []
    assert client.next_deadline() is None
    assert client.take_events() == []
    assert stage.sent() == []
    assert stage.closed()


# By this end.


@pytest.mark.spec("5.0", "MQTT-3.14.4-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.4-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
@pytest.mark.parametrize("code", OURS)
def test_disconnect_says_why_and_is_the_last_packet(code: ReasonCode) -> None:
    stage = connected()
    assert stage.client.disconnect(code, EXPLAINED, now=0.0) == [
        Disconnected(Initiator.LOCAL, code, EXPLAINED)
    ]
    assert not stage.client.wants_read
    assert not stage.client.close_expected()
    assert stage.sent() == [Disconnect(code, EXPLAINED)]
    assert stage.client.close_expected()
    nothing_works_any_more(stage)


@pytest.mark.spec("3.1.1", "MQTT-3.14.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.14.4-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_disconnect_goes_behind_all_that_was_to_be_sent(version: int) -> None:
    stage = connected(version)
    stage.client.publish("a", now=0.0)
    stage.client.subscribe(Subscription("a"), now=0.0)
    stage.client.ping(now=0.0)
    assert stage.client.disconnect(now=0.0) == [Disconnected(Initiator.LOCAL, NORMAL)]
    assert stage.sent() == [
        Publish("a"),
        Subscribe(1, [Subscription("a")]),
        PingReq(),
        Disconnect(),
    ]
    nothing_works_any_more(stage)


@pytest.mark.parametrize("version", VERSIONS)
def test_before_connect_there_is_nothing_to_say(version: int) -> None:
    stage = Stage(version)
    assert stage.client.disconnect(now=0.0) == [Disconnected(Initiator.LOCAL, NORMAL)]
    assert stage.client.data_to_send() == b""
    nothing_works_any_more(stage)


@pytest.mark.spec("5.0", "MQTT-3.1.2-30", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_need_not_wait_for_connack(version: int) -> None:
    session = Session()
    stage = Stage(version, session)
    stage.client.connect(lasting(version), now=0.0)
    waits = stage.publish("a")
    assert stage.client.disconnect(now=0.0) == [Disconnected(Initiator.LOCAL, NORMAL)]
    assert stage.sent() == [lasting(version), Disconnect()]
    nothing_works_any_more(stage)
    # It had no connection, and so it has not ended with one; but the server may know it.
    assert list(session.queue) == [waits]
    assert session.established
    assert session.connection is None


@pytest.mark.spec("5.0", "MQTT-3.14.2-1", role="client")
@pytest.mark.parametrize("state", list(ConnectionState)[:3])
@pytest.mark.parametrize("code", sorted({*ReasonCode} - {*OURS}))
def test_what_is_the_servers_to_say_changes_nothing(
    code: ReasonCode, state: ConnectionState
) -> None:
    stage = in_state(5, state)
    with pytest.raises(InvalidValueError) as refused:
        stage.client.disconnect(code, now=0.0)
    assert refused.value.field == "Disconnect.reason_code"
    assert refused.value.statement == Statement("5.0", "MQTT-3.14.2-1")
    assert stage.state() is state
    assert stage.sent() == []


@pytest.mark.parametrize("code", [0x03, 0x100, -1])
def test_a_code_that_is_none_changes_nothing(code: int) -> None:
    stage = connected()
    with pytest.raises(InvalidValueError):
        stage.client.disconnect(code, now=0.0)
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.parametrize(
    "properties", [Properties(topic_alias=1), Properties(server_reference="x")], ids=repr
)
def test_properties_that_cannot_stand_in_disconnect_change_nothing(properties: Properties) -> None:
    stage = connected()
    with pytest.raises(InvalidValueError) as refused:
        stage.client.disconnect(properties=properties, now=0.0)
    assert refused.value.field.startswith("Disconnect.properties")
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.sent() == []


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(("code", "properties"), [(0x04, EMPTY), (0, EXPLAINED)])
def test_before_5_disconnect_is_just_that(version: int, code: int, properties: Properties) -> None:
    stage = connected(version)
    with pytest.raises(InvalidValueError):
        stage.client.disconnect(code, properties, now=0.0)
    assert stage.state() is ConnectionState.CONNECTED
    stage.client.disconnect(now=0.0)
    assert stage.client.data_to_send() == b"\xe0\0"


def test_before_connect_there_is_no_life_to_give() -> None:
    stage = Stage()
    with pytest.raises(LocalProtocolError):
        stage.client.disconnect(properties=Properties(session_expiry_interval=1), now=0.0)
    assert stage.state() is ConnectionState.NEW


def test_disconnect_may_give_more_life_to_a_session_of_a_second() -> None:
    asked = Properties(session_expiry_interval=1)
    stage = connected(5, Connect("c", False, 0, properties=asked))
    left = Properties(session_expiry_interval=50)
    stage.client.disconnect(properties=left, now=0.0)
    assert stage.sent() == [Disconnect(properties=left)]
    assert stage.client.session.expiry_interval == 50


@pytest.mark.spec("5.0", "section 3.14.2.2.2", role="client")
@pytest.mark.parametrize("asked", [None, 0])
@pytest.mark.parametrize("told", [None, 50])
def test_disconnect_gives_no_life_to_a_session_that_was_to_have_none(
    asked: int | None, told: int | None
) -> None:
    connect = Connect("c", False, 0, properties=Properties(session_expiry_interval=asked))
    stage = connected(5, connect, announce=Properties(session_expiry_interval=told))
    with pytest.raises(LocalProtocolError) as refused:
        stage.client.disconnect(properties=Properties(session_expiry_interval=1), now=0.0)
    assert refused.value.statement == Statement("5.0", "section 3.14.2.2.2")
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.sent() == []
    none = Properties(session_expiry_interval=0)
    stage.client.disconnect(properties=none, now=0.0)
    assert stage.sent() == [Disconnect(properties=none)]
    assert not stage.client.session.established


@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize("interval", [None, 0, 5, 500, NEVER])
def test_disconnect_may_change_how_long_the_session_lasts(interval: int | None) -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    delivery = stage.publish("a")
    stage.sent()
    properties = Properties(session_expiry_interval=interval)
    events = stage.client.disconnect(properties=properties, now=10.0)
    assert events[-1] == Disconnected(Initiator.LOCAL, NORMAL, properties)
    assert stage.sent() == [Disconnect(properties=properties)]
    if interval == 0:
        assert events[:-1] == [PublishDropped(delivery, DropReason.SESSION_ENDED)]
        assert not session.established
        return
    assert len(events) == 1
    assert session.in_flight == 1
    assert session.expiry_interval == (100 if interval is None else interval)
    at = None if interval == NEVER else 10.0 + session.expiry_interval
    assert session.expires_at == at


@pytest.mark.spec("3.1.1", "MQTT-4.1.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_ends_with_its_connection_drops_what_was_in_flight(version: int) -> None:
    stage = connected(version)
    session = stage.client.session
    one, two = stage.publish("a", 1), stage.publish("b", 2)
    stage.client.subscribe(Subscription("a"), now=0.0)
    assert stage.client.disconnect(now=0.0) == [
        PublishDropped(one, DropReason.SESSION_ENDED),
        PublishDropped(two, DropReason.SESSION_ENDED),
        Disconnected(Initiator.LOCAL, NORMAL),
    ]
    assert session.in_flight == 0
    assert list(session.outbound) == []
    assert session.connection is None


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.2-4", role="client")
def test_explanations_that_make_disconnect_too_large_are_left_out() -> None:
    whole = len(encode(Disconnect(0x04, EXPLAINED)))
    for limit, sent in ((whole, EXPLAINED), (whole - 1, EMPTY), (5, EMPTY)):
        stage = connected(announce=Properties(maximum_packet_size=limit))
        stage.client.disconnect(0x04, EXPLAINED, now=0.0)
        assert stage.sent() == [Disconnect(0x04, sent)]


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="client")
def test_an_expiry_interval_is_not_left_out_with_them() -> None:
    properties = EXPLAINED.replace(session_expiry_interval=5)
    stage = connected(5, lasting(5), announce=Properties(maximum_packet_size=9))
    stage.client.disconnect(0x04, properties, now=0.0)
    assert stage.sent() == [Disconnect(0x04, Properties(session_expiry_interval=5))]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_a_disconnect_that_is_too_large_however_plain_changes_nothing() -> None:
    stage = connected(5, lasting(5), announce=Properties(maximum_packet_size=8))
    with pytest.raises(PacketTooLargeError):
        stage.client.disconnect(properties=Properties(session_expiry_interval=5), now=0.0)
    assert stage.state() is ConnectionState.CONNECTED
    stage.client.disconnect(now=0.0)
    assert stage.sent() == [Disconnect()]


def test_disconnect_explains_itself_though_the_server_need_not() -> None:
    connect = Connect("c", properties=Properties(request_problem_information=False))
    stage = connected(5, connect)
    stage.client.disconnect(0x04, EXPLAINED, now=0.0)
    assert stage.sent() == [Disconnect(0x04, EXPLAINED)]


def test_disconnect_waits_behind_what_is_to_be_stored() -> None:
    session = Session("c", journal=Journal())
    stage = connected(5, lasting(5), session)
    stage.publish("a", 2)
    stage.client.disconnect(now=0.0)
    assert stage.sent() == []
    assert not stage.client.close_expected()
    stage.store()
    assert stage.sent() == [Publish("a", b"", 2, packet_id=1), Disconnect()]
    assert stage.closed()


def test_what_happened_before_is_told_with_the_end() -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    lost = stage.publish("a")
    stage.cut()
    stage = Stage(5, session)
    stage.now = 1_000.0
    stage.client.connect(lasting(5), now=1_000.0)
    assert stage.client.disconnect(now=1_000.0) == [
        PublishDropped(lost, DropReason.SESSION_ENDED),
        Disconnected(Initiator.LOCAL, NORMAL),
    ]


@pytest.mark.spec("3.1.1", "MQTT-4.8.0-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_that_cannot_be_handled_need_not_be_acknowledged(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session, manual_acknowledgement=True)
    event = stage.message(Publish("a", b"", 1, packet_id=1))
    stage.client.disconnect(now=0.0)
    assert stage.sent() == [Disconnect()]
    stage.acknowledge(event)
    assert stage.sent() == []
    # The server sends it again.
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.message(Publish("a", b"", 1, dup=True, packet_id=1)).dup


# By the server.


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.14.4-1", role="client")
@pytest.mark.parametrize("code", THEIRS)
def test_a_disconnect_by_the_server_is_told_and_not_answered(code: ReasonCode) -> None:
    stage = connected()
    why = EXPLAINED.replace(server_reference="other")
    assert stage.receive(Publish("a", b"", 1, packet_id=1), Disconnect(code, why))[1:] == [
        Disconnected(Initiator.PEER, code, why)
    ]
    assert not stage.client.wants_read
    # What was to be sent may still be.
    assert stage.sent() == [PubAck(1)]
    nothing_works_any_more(stage)


@pytest.mark.parametrize("data", [b"\xe0\0", b"\xe0\1\0", b"\xe0\2\0\0"])
def test_the_short_forms_of_disconnect_mean_a_normal_end(data: bytes) -> None:
    assert connected().receive(data) == [Disconnected(Initiator.PEER, NORMAL)]


@pytest.mark.parametrize("version", [5])
def test_a_disconnect_by_the_server_leaves_a_session_that_lasts(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.publish("a")
    stage.now = 10.0
    assert len(stage.receive(Disconnect(0x8E))) == 1
    assert (session.established, session.in_flight, session.expires_at) == (True, 1, 110.0)
    ends = connected()
    delivery = ends.publish("a")
    assert ends.receive(Disconnect(0x8B)) == [
        PublishDropped(delivery, DropReason.SESSION_ENDED),
        Disconnected(Initiator.PEER, ReasonCode.SERVER_SHUTTING_DOWN),
    ]


@pytest.mark.spec("5.0", "MQTT-3.14.1-1", role="client")
@pytest.mark.parametrize("flags", range(1, 16))
def test_reserved_bits_in_disconnect_are_answered_with_0x81(flags: int) -> None:
    stage = connected()
    failed = failure(stage.receive(bytes([0xE0 | flags])))
    assert failed.statement == Statement("5.0", "MQTT-3.14.1-1")
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.MALFORMED_PACKET
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.14.2-1", role="client")
@pytest.mark.parametrize("code", [0x01, 0x04, 0x18, 0x92, 0xFF])
def test_a_code_that_a_server_must_not_give_ends_the_connection(code: int) -> None:
    stage = connected()
    failed = failure(stage.receive(bytes([0xE0, 1, code])))
    assert failed.statement == Statement("5.0", "MQTT-3.14.2-1")
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "MQTT-3.14.2-2", role="client")
def test_a_server_does_not_say_how_long_the_session_lasts_at_the_end() -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    last = encode(Disconnect(properties=Properties(session_expiry_interval=0)))
    failed = failure(stage.receive(last))
    assert failed.statement == Statement("5.0", "MQTT-3.14.2-2")
    assert session.expiry_interval == 100


# A fault.


@pytest.mark.spec("5.0", "MQTT-4.13.2-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.8.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("data", "code", "error"),
    [
        (b"\x00", 0x81, MalformedPacketError),
        (b"\xd1", 0x81, MalformedPacketError),
        (b"\x36\x03\0\1a", 0x81, MalformedPacketError),
        (b"\x32\x05\0\1a\0\0", 0x82, ProtocolViolationError),
        (b"\x30\xff\xff\xff\xff", 0x81, MalformedPacketError),
        (b"\x20\x03\0\0\0", 0x82, ProtocolViolationError),
        (b"\x90\x04\0\1\0\0", 0x82, ProtocolViolationError),
    ],
    ids=["type", "flags", "qos", "identifier", "length", "connack", "suback"],
)
def test_a_fault_ends_the_connection_and_is_told_where_there_is_a_word_for_it(
    version: int, data: bytes, code: int, error: type[Exception]
) -> None:
    if version != 5:
        # Without the property block.
        data = {
            b"\x20\x03\0\0\0": b"\x20\x02\0\0",
            b"\x90\x04\0\1\0\0": b"\x90\x03\0\1\0",
        }.get(data, data)
    stage = connected(version, Connect("c", keep_alive=0, will=Will("w")))
    good = stage.encoded(Publish("a"), PingResp(), Publish("b", b"", 1, packet_id=1))
    events = stage.receive(good + data, Publish("late"))
    failed = failure(events)
    # What came before the fault counts.
    assert [type(each) for each in events[:-1]] == [MessageReceived, MessageReceived]
    assert isinstance(failed.error, error)
    assert failed.reason_code == code
    assert failed.publish_will is False
    behind = len(encode(ConnAck(), version)) + len(good)
    assert behind <= failed.offset < behind + len(data)
    assert not stage.client.wants_read
    # A client of 3.1.1 that said DISCONNECT would delete its will.
    farewell = Disconnect(code, Properties(reason_string=failed.error.rule))
    assert stage.sent() == [PubAck(1), *([farewell] if version == 5 else [])]
    nothing_works_any_more(stage)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_leaves_a_session_that_lasts(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.publish("a", 2)
    stage.now = 10.0
    failure(stage.receive(b"\0"))
    assert session.in_flight == 1
    assert session.connection is None
    assert session.suspended_at == 10.0
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [Publish("a", b"", 2, dup=True, packet_id=1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_is_the_last_event_behind_what_is_lost(version: int) -> None:
    stage = connected(version)
    delivery = stage.publish("a")
    dropped, failed = stage.receive(b"\0")
    assert dropped == PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert isinstance(failed, ConnectionFailed)


@pytest.mark.spec("5.0", "MQTT-3.14.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
@pytest.mark.parametrize("limit", [5, 20, 200])
def test_a_farewell_is_no_larger_than_the_server_takes(limit: int) -> None:
    stage = connected(announce=Properties(maximum_packet_size=limit))
    rule = failure(stage.receive(b"\0")).error.rule
    said = Properties(reason_string=rule) if limit == 200 else EMPTY
    assert stage.sent() == [Disconnect(0x81, said)]


def test_a_farewell_waits_behind_what_is_to_be_stored() -> None:
    session = Session("c", journal=Journal())
    stage = connected(5, lasting(5), session)
    failure(stage.receive(Publish("a", b"", 2, packet_id=1), b"\0"))
    assert stage.sent() == []
    assert not stage.client.close_expected()
    stage.store()
    received, disconnect = stage.sent()
    assert received == PubRec(1)
    assert isinstance(disconnect, Disconnect)
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_is_found_as_soon_as_its_bytes_are_there(version: int) -> None:
    stage = connected(version)
    # A SUBACK with flags that are not its own: its length is not waited for.
    assert failure(stage.receive(b"\x91")).reason_code is ReasonCode.MALFORMED_PACKET
    stage = connected(version)
    for byte in b"\x30\x80\x80\x80":
        assert stage.receive(bytes([byte])) == []
    failure(stage.receive(b"\x80"))


# The network.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("state", list(ConnectionState)[:3])
def test_the_end_of_the_stream_ends_the_connection(version: int, state: ConnectionState) -> None:
    stage = in_state(version, state)
    assert stage.client.receive_eof(0.0) == [
        Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    ]
    # Nobody is told: DISCONNECT would delete the will.
    assert stage.sent() == []
    nothing_works_any_more(stage)
    assert stage.client.connection_lost(0.0) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_to_be_sent_may_still_reach_a_server_that_says_no_more(version: int) -> None:
    stage = connected(version, lasting(version))
    stage.publish("a")
    stage.client.receive_eof(0.0)
    assert not stage.client.close_expected()
    assert stage.sent() == [Publish("a", b"", 1, packet_id=1)]
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_to_be_sent_is_lost_with_the_network(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.publish("a")
    assert stage.client.connection_lost(5.0) == [
        Disconnected(Initiator.NETWORK, ReasonCode.UNSPECIFIED_ERROR)
    ]
    assert stage.client.data_to_send() == b""
    assert stage.closed()
    assert session.suspended_at == 5.0
    # It is still in flight.
    assert session.in_flight == 1


def test_what_was_to_be_stored_first_is_lost_with_it_too() -> None:
    session = Session("c", journal=Journal())
    stage = connected(5, lasting(5), session)
    stage.publish("a", 2)
    stage.client.connection_lost(0.0)
    assert stage.client.close_expected()
    stage.store()
    assert stage.client.data_to_send() == b""
    # What was stored is sent by the next connection.
    stage = connected(5, lasting(5), session, resume=True)
    assert stage.sent() == [Publish("a", b"", 2, dup=True, packet_id=1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_network_may_go_after_the_end(version: int) -> None:
    stage = connected(version)
    stage.client.disconnect(now=0.0)
    assert stage.client.connection_lost(0.0) == []
    assert stage.client.data_to_send() == b""
    assert stage.closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_packet_that_broke_off_is_no_fault(version: int) -> None:
    stage = connected(version)
    assert stage.receive(encode(Publish("a", b"x"), version)[:-1]) == []
    (event,) = stage.client.receive_eof(0.0)
    assert isinstance(event, Disconnected)


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_end_with_their_connection(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.client.subscribe(Subscription("a"), now=0.0)
    stage.client.unsubscribe("a", now=0.0)
    assert len(list(session.outbound)) == 2
    stage.cut()
    assert list(session.outbound) == []
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == []
    failed = failure(stage.receive(SubAck(1, [0])))
    expected = ("5.0", "MQTT-2.2.1-6") if version == 5 else ("3.1.1", "MQTT-2.3.1-7")
    assert failed.statement == Statement(*expected)


@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.1.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_lasts_outlives_its_connection(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.publish("a")
    stage.publish("b", 2)
    stage.receive(Publish("m", b"", 2, packet_id=5), PubRec(2))
    stage.cut()
    assert session.connection is None
    assert session.established
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [PubRel(2), Publish("a", b"", 1, dup=True, packet_id=1)]
    assert stage.receive(Publish("m", b"", 2, dup=True, packet_id=5)) == []
    assert stage.sent() == [PubRec(5)]


# The bytes.


@pytest.mark.parametrize("version", VERSIONS)
def test_every_byte_is_given_out_once(version: int) -> None:
    stage = connected(version)
    decoder = Decoder(version, sender="client")
    packets: list[Packet] = []
    for topic in "abc":
        stage.client.publish(topic, now=0.0)
        packets += decoder.feed(stage.client.data_to_send())
        assert stage.client.data_to_send() == b""
    assert packets == [Publish(topic) for topic in "abc"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind_are_taken(kind: Callable[[bytes], bytes]) -> None:
    stage = connected()
    assert len(stage.client.receive_data(kind(encode(Publish("a"))), 0.0)) == 1
    assert stage.client.receive_data(kind(b""), 0.0) == []


def test_a_packet_of_5_is_none_of_an_older_version() -> None:
    failure(connected(4).receive(encode(Auth())))
