"""Enhanced authentication, worked: SCRAM-SHA-256 between both ends, by a library that knows it.

What travels is bytes, and each end has an owner that does what docs/authentication.md shows.
"""

from typing import Final

import pytest
from scramp import ScramClient, ScramException, ScramMechanism

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import ReasonCode, Sender
from mqttproto.errors import LocalProtocolError, Statement
from mqttproto.protocol import ClientConnection, ConnectionState, ServerConnection, Session
from mqttproto.protocol.events import (
    AuthenticationReceived,
    Connected,
    ConnectionFailed,
    ConnectionRefused,
    ConnectReceived,
    Disconnected,
    Event,
    Initiator,
    MessageReceived,
    PublishCompleted,
    Subscribed,
    SubscribeReceived,
)

METHOD: Final = "SCRAM-SHA-256"
USER: Final = "user"
PASSWORD: Final = "pencil"
MECHANISM: Final = ScramMechanism(METHOD)
ACCOUNTS: Final = {USER: MECHANISM.make_auth_info(PASSWORD)}


def text(data: bytes | None) -> str:
    """Authentication Data as text, whatever it is."""
    return (data or b"").decode("utf-8", "replace")


class Applicant:
    """A client and its owner."""

    def __init__(self, password: str = PASSWORD, *, user: str = USER, method: str = METHOD) -> None:
        self.user = user
        self.password = password
        self.method = method
        self.connection = ClientConnection(Session("c"))
        self.events: list[Event] = []
        self.believes = False
        """Whether the server has shown that it knows the account."""

    def first(self) -> bytes:
        self.believes = False
        self.scram = ScramClient([METHOD], self.user, self.password)
        first: str = self.scram.get_client_first()
        return first.encode()

    def connect(self, *, clean_start: bool = True) -> None:
        properties = Properties(
            session_expiry_interval=100,
            authentication_method=self.method,
            authentication_data=self.first(),
        )
        connect = Connect("c", clean_start, 0, properties=properties)
        self.connection.connect(connect, now=0.0)

    def reauthenticate(self) -> None:
        self.connection.reauthenticate(self.first(), now=0.0)

    def take(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, AuthenticationReceived):
                if event.reason_code == ReasonCode.CONTINUE_AUTHENTICATION:
                    self.scram.set_server_first(text(event.data))
                    final: str = self.scram.get_client_final()
                    self.connection.authenticate(final.encode(), now=0.0)
                else:
                    self._check(event.data)
            elif isinstance(event, Connected):
                self._check(event.properties.authentication_data)

    def _check(self, data: bytes | None) -> None:
        try:
            self.scram.set_server_final(text(data))
        except ScramException:
            code = ReasonCode.PROTOCOL_ERROR
            self.events += self.connection.disconnect(code, now=0.0)
        else:
            self.believes = True


class Guard:
    """A server and its owner, who knows one account and one method."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session
        self.connection = ServerConnection(now=0.0)
        self.events: list[Event] = []
        self.forges = False
        """Whether it pretends to know an account."""

    def take(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, ConnectReceived):
                properties = event.connect.properties
                if properties.authentication_method == METHOD:
                    self._begin(properties.authentication_data)
                else:
                    code = ReasonCode.BAD_AUTHENTICATION_METHOD
                    self.connection.refuse(code, now=0.0)
            elif isinstance(event, AuthenticationReceived):
                if event.reason_code == ReasonCode.RE_AUTHENTICATE:
                    self._begin(event.data)
                else:
                    self._finish(event.data)

    def _begin(self, data: bytes | None) -> None:
        self.scram = MECHANISM.make_server(ACCOUNTS.__getitem__)
        try:
            self.scram.set_client_first(text(data))
        except (KeyError, ScramException):
            self._reject()
            return
        first: str = self.scram.get_server_first()
        self.connection.authenticate(first.encode(), now=0.0)

    def _finish(self, data: bytes | None) -> None:
        try:
            self.scram.set_client_final(text(data))
        except ScramException:
            self._reject()
            return
        final: str = self.scram.get_server_final()
        if self.forges:
            final = "v=" + "A" * 43 + "="
        self.accept(final.encode())

    def accept(self, final: bytes) -> None:
        if self.connection.state is ConnectionState.CONNECTED:
            self.connection.finish_reauthentication(final, now=0.0)
            return
        resumes = self.session is not None and self.session.established
        events = self.connection.accept(
            self.session,
            session_present=resumes,
            properties=Properties(authentication_data=final),
            now=0.0,
        )
        self.events += events

    def _reject(self) -> None:
        code = ReasonCode.NOT_AUTHORIZED
        if self.connection.state is ConnectionState.CONNECTED:
            self.events += self.connection.disconnect(code, now=0.0)
        else:
            self.connection.refuse(code, now=0.0)


class Wire:
    """What is between the two; it shows what has gone over it."""

    def __init__(self, client: Applicant, server: Guard, chunk: int = 0) -> None:
        self.client = client
        self.server = server
        self.chunk = chunk
        self.decoders = {
            Sender.CLIENT: Decoder(5, sender=Sender.CLIENT),
            Sender.SERVER: Decoder(5, sender=Sender.SERVER),
        }
        self.seen: list[tuple[Sender, Packet]] = []

    def to_server(self) -> bool:
        """Let the server have what the client has put out; False if there is nothing."""
        data = self.client.connection.data_to_send()
        for piece in self._pieces(Sender.CLIENT, data):
            self.server.take(self.server.connection.receive_data(piece, 0.0))
        return bool(data)

    def to_client(self) -> bool:
        """Let the client have what the server has put out; False if there is nothing."""
        data = self.server.connection.data_to_send()
        for piece in self._pieces(Sender.SERVER, data):
            self.client.take(self.client.connection.receive_data(piece, 0.0))
        return bool(data)

    def _pieces(self, sender: Sender, data: bytes) -> list[bytes]:
        decoder = self.decoders[sender]
        self.seen += [(sender, packet) for packet in decoder.feed(data)]
        assert decoder.error is None
        assert decoder.buffered == 0
        step = self.chunk or max(len(data), 1)
        return [data[start : start + step] for start in range(0, len(data), step)]

    def settle(self) -> None:
        """Let everything arrive that there is."""
        while self.to_server() | self.to_client():
            pass

    def flow(self) -> list[str]:
        """What was seen since the last call: who sent what, with which reason code."""
        lines = []
        for sender, packet in self.seen:
            code = f" {packet.reason_code:#04x}" if isinstance(packet, Auth | ConnAck) else ""
            lines.append(f"{sender.value} {packet.packet_type.name}{code}")
        self.seen = []
        return lines


def joined(password: str = PASSWORD, *, chunk: int = 0, **options: str) -> Wire:
    """A client that has sent its CONNECT, and all that came of it."""
    client = Applicant(password, **options)
    wire = Wire(client, Guard(), chunk)
    client.connect()
    wire.settle()
    return wire


def authenticated() -> Wire:
    """A client that has authenticated, all events taken."""
    wire = joined()
    assert wire.client.believes
    wire.client.events.clear()
    wire.server.events.clear()
    wire.flow()
    return wire


def auth(code: ReasonCode, method: str | None = METHOD) -> bytes:
    """An AUTH on the wire."""
    properties = EMPTY if method is None else Properties(authentication_method=method)
    return encode(Auth(code, properties))


CONTINUE: Final = ReasonCode.CONTINUE_AUTHENTICATION
SUCCESS: Final = ReasonCode.SUCCESS
AGAIN: Final = ReasonCode.RE_AUTHENTICATE


# Authentication.


@pytest.mark.spec("5.0", "MQTT-4.12.0-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.12.0-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="both")
@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_both_ends_prove_that_they_know_the_password(chunk: int) -> None:
    wire = joined(chunk=chunk)
    methods = {
        packet.properties.authentication_method
        for _, packet in wire.seen
        if isinstance(packet, Auth | Connect | ConnAck)
    }
    assert methods == {METHOD}
    assert wire.flow() == [
        "client CONNECT",
        "server AUTH 0x18",
        "client AUTH 0x18",
        "server CONNACK 0x00",
    ]
    assert wire.client.believes
    assert wire.client.connection.state is ConnectionState.CONNECTED
    assert wire.server.connection.state is ConnectionState.CONNECTED


def test_neither_the_password_nor_the_key_goes_over_the_wire() -> None:
    wire = joined()
    data = b"".join(encode(packet) for _, packet in wire.seen)
    assert PASSWORD.encode() not in data
    _, stored_key, server_key, _ = ACCOUNTS[USER]
    assert stored_key not in data
    assert server_key not in data


@pytest.mark.spec("5.0", "MQTT-4.12.0-4", role="server")
@pytest.mark.parametrize(
    ("password", "user", "steps"),
    [
        ("pencils", USER, ["server AUTH 0x18", "client AUTH 0x18"]),
        (PASSWORD, "nobody", []),
    ],
)
def test_a_wrong_password_or_user_is_refused(password: str, user: str, steps: list[str]) -> None:
    wire = joined(password, user=user)
    assert wire.flow() == ["client CONNECT", *steps, "server CONNACK 0x87"]
    assert wire.client.events[-1] == ConnectionRefused(ReasonCode.NOT_AUTHORIZED)
    assert not wire.client.believes
    assert wire.client.connection.close_expected()
    assert wire.server.connection.close_expected()


@pytest.mark.spec("5.0", "MQTT-4.12.0-1", role="server")
def test_a_method_that_the_server_does_not_know_is_refused() -> None:
    wire = joined(method="SCRAM-SHA-1")
    assert wire.flow() == ["client CONNECT", "server CONNACK 0x8c"]
    assert wire.client.events == [ConnectionRefused(ReasonCode.BAD_AUTHENTICATION_METHOD)]
    assert wire.server.connection.close_expected()


def test_a_server_that_does_not_know_the_account_is_not_believed() -> None:
    client, server = Applicant(), Guard()
    server.forges = True
    wire = Wire(client, server)
    client.connect()
    wire.settle()
    assert not client.believes
    assert wire.flow()[-2:] == ["server CONNACK 0x00", "client DISCONNECT"]
    last = server.events[-1]
    assert isinstance(last, Disconnected)
    assert last.by is Initiator.PEER
    assert last.reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.spec("5.0", "MQTT-4.12.0-4", role="server")
def test_a_server_may_refuse_in_the_middle() -> None:
    client, server = Applicant(), Guard()
    wire = Wire(client, server)
    client.connect()
    wire.to_server()
    wire.to_client()
    server.connection.refuse(ReasonCode.NOT_AUTHORIZED, now=0.0)
    wire.to_client()
    assert client.events[-1] == ConnectionRefused(ReasonCode.NOT_AUTHORIZED)
    # The AUTH that was under way is not read any more.
    assert wire.to_server()
    assert not any(isinstance(event, AuthenticationReceived) for event in server.events)
    assert server.connection.close_expected()


def test_data_that_is_no_scram_is_refused() -> None:
    for data in (None, b"", b"\xff\xfe", b"n,,n=user"):
        server = Guard()
        properties = Properties(authentication_method=METHOD, authentication_data=data)
        connect = encode(Connect("c", properties=properties))
        server.take(server.connection.receive_data(connect, 0.0))
        (connack,) = Decoder(5).feed(server.connection.data_to_send())
        assert isinstance(connack, ConnAck)
        assert connack.reason_code == ReasonCode.NOT_AUTHORIZED


def test_a_client_that_falls_silent_in_the_middle_is_cut_off() -> None:
    client, server = Applicant(), Guard()
    wire = Wire(client, server)
    client.connect()
    wire.to_server()
    deadline = server.connection.next_deadline()
    assert deadline == 10.0
    assert server.connection.handle_timeout(deadline - 0.1) == []
    (failed,) = server.connection.handle_timeout(deadline)
    assert isinstance(failed, ConnectionFailed)
    assert failed.reason_code is ReasonCode.MAXIMUM_CONNECT_TIME


def test_a_server_that_falls_silent_in_the_middle_is_given_up() -> None:
    client, server = Applicant(), Guard()
    wire = Wire(client, server)
    client.connect()
    wire.to_server()
    wire.to_client()
    deadline = client.connection.next_deadline()
    assert deadline == 30.0
    (failed,) = client.connection.handle_timeout(deadline)
    assert isinstance(failed, ConnectionFailed)
    assert failed.statement == Statement("5.0", "MQTT-3.1.4-5")


def test_a_session_that_is_resumed_authenticates_as_a_new_one_does() -> None:
    client, server = Applicant(), Guard(Session("c"))
    wire = Wire(client, server)
    client.connect(clean_start=False)
    wire.settle()
    session = client.connection.session
    client.connection.connection_lost(1.0)
    server.connection.connection_lost(1.0)
    client.connection = ClientConnection(session)
    server.connection = ServerConnection(now=2.0)
    wire = Wire(client, server)
    client.connect(clean_start=False)
    wire.settle()
    assert wire.flow()[1:] == ["server AUTH 0x18", "client AUTH 0x18", "server CONNACK 0x00"]
    assert client.believes
    last = client.events[-1]
    assert isinstance(last, Connected)
    assert last.session_present


# The wrong method.


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="server")
@pytest.mark.parametrize("code", [CONTINUE, AGAIN])
def test_a_client_that_changes_the_method_fails(code: ReasonCode) -> None:
    client, server = Applicant(), Guard()
    wire = Wire(client, server)
    client.connect()
    wire.to_server()
    wire.to_client()
    if code == AGAIN:
        wire.settle()
    server.connection.data_to_send()
    at = sum(len(encode(packet)) for sender, packet in wire.seen if sender is Sender.CLIENT)
    (failed,) = server.connection.receive_data(auth(code, "SCRAM-SHA-1"), 0.0)
    assert isinstance(failed, ConnectionFailed)
    assert failed.statement == Statement("5.0", "MQTT-4.12.0-5")
    assert failed.offset == at
    # Before the connection is accepted it is refused, later it is ended.
    (said,) = Decoder(5).feed(server.connection.data_to_send())
    assert isinstance(said, ConnAck if code == CONTINUE else Disconnect)
    assert said.reason_code == ReasonCode.PROTOCOL_ERROR
    assert server.connection.close_expected()


@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="client")
@pytest.mark.parametrize("again", [False, True])
def test_a_server_that_changes_the_method_fails(again: bool) -> None:
    client, server = Applicant(), Guard()
    wire = Wire(client, server)
    client.connect()
    if again:
        wire.settle()
        client.reauthenticate()
    client.connection.data_to_send()
    (failed,) = client.connection.receive_data(auth(CONTINUE, "SCRAM-SHA-1"), 0.0)
    assert isinstance(failed, ConnectionFailed)
    assert failed.statement == Statement("5.0", "MQTT-4.12.0-5")
    assert client.connection.data_to_send()[0] == 0xE0
    assert client.connection.close_expected()


# Out of turn.


def out_of_turn(events: list[Event]) -> bool:
    (failed,) = events
    assert isinstance(failed, ConnectionFailed)
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    return failed.statement == Statement("5.0", "section 4.12")


@pytest.mark.spec("5.0", "section 4.12", role="server")
def test_an_auth_of_the_client_that_is_out_of_turn_fails() -> None:
    # The server has not answered CONNECT.
    for code in (CONTINUE, AGAIN):
        client, server = Applicant(), Guard()
        client.connect()
        server.connection.receive_data(client.connection.data_to_send(), 0.0)
        assert out_of_turn(server.connection.receive_data(auth(code), 0.0))
    # It waits for AUTH 0x18.
    client, server = Applicant(), Guard()
    client.connect()
    Wire(client, server).to_server()
    assert out_of_turn(server.connection.receive_data(auth(AGAIN), 0.0))
    # Nothing is under way.
    wire = authenticated()
    assert out_of_turn(wire.server.connection.receive_data(auth(CONTINUE), 0.0))
    # The server has not answered the last AUTH.
    for code in (CONTINUE, AGAIN):
        server = authenticated().server
        assert len(server.connection.receive_data(auth(AGAIN), 0.0)) == 1
        assert out_of_turn(server.connection.receive_data(auth(code), 0.0))


@pytest.mark.spec("5.0", "section 4.12", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="client")
def test_an_auth_of_the_server_that_is_out_of_turn_fails() -> None:
    # Success of what is no re-authentication: that is for CONNACK to say.
    client = Applicant()
    client.connect()
    assert out_of_turn(client.connection.receive_data(auth(SUCCESS), 0.0))
    # The client has not answered the last AUTH.
    for data in (auth(CONTINUE), auth(SUCCESS), auth(SUCCESS, None)):
        client = Applicant()
        client.connect()
        assert len(client.connection.receive_data(auth(CONTINUE), 0.0)) == 1
        assert out_of_turn(client.connection.receive_data(data, 0.0))
    # Only the client may start again.
    for data in (auth(CONTINUE), auth(SUCCESS), auth(SUCCESS, None)):
        client = authenticated().client
        assert out_of_turn(client.connection.receive_data(data, 0.0))


@pytest.mark.spec("5.0", "section 4.12", role="client")
def test_a_connack_that_overtakes_the_client_fails() -> None:
    client = Applicant()
    client.connect()
    client.connection.receive_data(auth(CONTINUE), 0.0)
    connack = ConnAck(properties=Properties(authentication_method=METHOD))
    assert out_of_turn(client.connection.receive_data(encode(connack), 0.0))


@pytest.mark.spec("5.0", "section 4.12", role="both")
@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="both")
def test_neither_end_is_let_out_of_turn() -> None:
    client, server = Applicant(), Guard()
    wire = Wire(client, server)
    client.connect()
    for call in (client.connection.authenticate, client.connection.reauthenticate):
        with pytest.raises(LocalProtocolError, match="out of turn"):
            call(now=0.0)
    wire.to_server()
    for call in (server.connection.authenticate, server.connection.finish_reauthentication):
        with pytest.raises(LocalProtocolError, match="out of turn"):
            call(now=0.0)
    with pytest.raises(LocalProtocolError, match="turn"):
        server.connection.accept(now=0.0)
    wire.settle()
    # Once connected, the server may only answer.
    for call in (server.connection.authenticate, server.connection.finish_reauthentication):
        with pytest.raises(LocalProtocolError, match="out of turn"):
            call(now=0.0)
    with pytest.raises(LocalProtocolError, match="out of turn"):
        client.connection.authenticate(now=0.0)
    client.reauthenticate()
    for call in (client.connection.authenticate, client.connection.reauthenticate):
        with pytest.raises(LocalProtocolError, match="out of turn"):
            call(now=0.0)
    # All that was refused has left everything as it was.
    wire.settle()
    assert client.believes
    assert wire.flow()[-4:] == [
        "client AUTH 0x19",
        "server AUTH 0x18",
        "client AUTH 0x18",
        "server AUTH 0x00",
    ]


# Re-authentication.


@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.12.0-5", role="both")
def test_a_client_authenticates_again_as_often_as_it_likes() -> None:
    wire = authenticated()
    for _ in range(3):
        wire.client.reauthenticate()
        wire.settle()
        assert wire.client.believes
        assert wire.flow() == [
            "client AUTH 0x19",
            "server AUTH 0x18",
            "client AUTH 0x18",
            "server AUTH 0x00",
        ]
    assert wire.client.connection.state is ConnectionState.CONNECTED
    assert wire.server.connection.state is ConnectionState.CONNECTED


def test_success_may_come_without_a_body() -> None:
    wire = authenticated()
    wire.client.connection.reauthenticate(now=0.0)
    (event,) = wire.client.connection.receive_data(b"\xf0\x00", 0.0)
    assert event == AuthenticationReceived(ReasonCode.SUCCESS, EMPTY)


@pytest.mark.spec("5.0", "section 4.12.1", role="both")
def test_traffic_goes_on_during_re_authentication() -> None:
    wire = authenticated()
    client, server = wire.client.connection, wire.server.connection

    def traffic() -> None:
        """Everything there and back, with AUTH under way or not."""
        for qos in (0, 1, 2):
            client.publish("up", b"1", qos, now=0.0)
            server.publish("down", b"2", qos, now=0.0)
        client.subscribe(Subscription("down"), now=0.0)
        client.ping(now=0.0)

    client.reauthenticate(wire.client.first(), now=0.0)
    traffic()
    wire.to_server()
    traffic()
    wire.to_client()
    traffic()
    while True:
        for event in wire.server.events:
            if isinstance(event, MessageReceived):
                server.acknowledge(event, now=0.0)
            elif isinstance(event, SubscribeReceived):
                server.answer_subscribe(event.packet, [0], now=0.0)
        del wire.server.events[:]
        if not wire.to_server() | wire.to_client():
            break
    flow = wire.flow()
    assert [line for line in flow if "AUTH" in line] == [
        "client AUTH 0x19",
        "server AUTH 0x18",
        "client AUTH 0x18",
        "server AUTH 0x00",
    ]
    assert flow.count("client PUBLISH") == flow.count("server PUBLISH") == 9
    assert flow.count("client PUBCOMP") == flow.count("server PUBCOMP") == 3
    assert flow.count("server PINGRESP") == 3
    kinds = [type(event) for event in wire.client.events]
    assert kinds.count(MessageReceived) == 9
    assert kinds.count(PublishCompleted) == 6
    assert kinds.count(Subscribed) == 3
    assert client.in_flight == server.in_flight == 0
    assert wire.client.believes


@pytest.mark.spec("5.0", "MQTT-4.12.1-2", role="server")
def test_a_client_that_fails_to_authenticate_again_is_disconnected() -> None:
    wire = authenticated()
    wire.client.password = "pencils"
    wire.client.reauthenticate()
    wire.settle()
    assert wire.flow()[-1] == "server DISCONNECT"
    assert wire.client.events[-1] == Disconnected(Initiator.PEER, ReasonCode.NOT_AUTHORIZED)
    assert wire.server.events[-1] == Disconnected(Initiator.LOCAL, ReasonCode.NOT_AUTHORIZED)
    assert wire.client.connection.close_expected()
    assert wire.server.connection.close_expected()


@pytest.mark.spec("5.0", "MQTT-4.12.1-2", role="client")
def test_a_server_that_fails_to_authenticate_again_is_left() -> None:
    wire = authenticated()
    wire.server.forges = True
    wire.client.reauthenticate()
    wire.settle()
    assert wire.flow()[-1] == "client DISCONNECT"
    assert wire.client.connection.close_expected()
    assert wire.server.connection.close_expected()


@pytest.mark.spec("5.0", "MQTT-4.12.1-1", role="client")
def test_without_a_method_in_connect_there_is_no_re_authentication() -> None:
    client = ClientConnection()
    client.connect(Connect("c"), now=0.0)
    client.receive_data(encode(ConnAck()), 0.0)
    client.data_to_send()
    with pytest.raises(LocalProtocolError) as caught:
        client.reauthenticate(b"n,,", now=0.0)
    assert caught.value.statement == Statement("5.0", "MQTT-4.12.0-7")
    assert client.data_to_send() == b""


# What a small Maximum Packet Size leaves.


@pytest.mark.spec("5.0", "MQTT-3.15.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-3.15.2-3", role="server")
def test_explanations_are_left_out_of_an_auth_that_the_client_does_not_take() -> None:
    properties = Properties(authentication_method=METHOD, maximum_packet_size=50)
    server = ServerConnection(now=0.0)
    server.receive_data(encode(Connect("c", properties=properties)), 0.0)
    explained = Properties(reason_string="r" * 50, user_properties=[("k", "v" * 50)])
    server.authenticate(b"data", explained, now=0.0)
    (packet,) = Decoder(5, 50).feed(server.data_to_send())
    assert packet == Auth(
        CONTINUE, Properties(authentication_method=METHOD, authentication_data=b"data")
    )


@pytest.mark.spec("5.0", "MQTT-3.15.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.15.2-3", role="client")
def test_explanations_are_left_out_of_an_auth_that_the_server_does_not_take() -> None:
    client = ClientConnection()
    client.connect(Connect("c", properties=Properties(authentication_method=METHOD)), now=0.0)
    limits = Properties(authentication_method=METHOD, maximum_packet_size=50)
    client.receive_data(encode(ConnAck(properties=limits)), 0.0)
    client.data_to_send()
    explained = Properties(reason_string="r" * 50, user_properties=[("k", "v" * 50)])
    client.reauthenticate(b"data", explained, now=0.0)
    (packet,) = Decoder(5, 50).feed(client.data_to_send())
    assert packet == Auth(
        AGAIN, Properties(authentication_method=METHOD, authentication_data=b"data")
    )
