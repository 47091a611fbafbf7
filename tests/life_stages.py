"""A connection of either role, brought into a state of its life by packets and calls."""

from collections.abc import Callable, Sequence
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Auth, ConnAck, Connect, Disconnect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import Publish, PubRec
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ConnectReturnCode, ReasonCode, Sender
from mqttproto.protocol import ClientConnection, ServerConnection
from mqttproto.protocol.events import (
    Event,
    MessageReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)

CLIENT: Final = Sender.CLIENT
SERVER: Final = Sender.SERVER

VERSIONS: Final = (3, 4, 5)
METHOD: Final = Properties(authentication_method="m")

OPEN: Final = (
    "new",
    "connecting",
    "auth",  # CONNECT named a method: it is the server's turn
    "turn",  # the same, and it is the client's turn
    "idle",
    "busy",  # connected, and something of everything is under way
    "authed",  # connected, by a method
    "again",  # connected, re-authentication has begun: it is the server's turn
)
"""What a connection can be in before it is over."""

ENDS: Final = ("own", "peer", "fault", "eof", "lost", "refused")
"""What can end it."""

Call = Callable[["Life"], object]
"""Something that the owner of a connection does."""

ONLY_IN_5: Final = ("auth", "turn", "authed", "again")

SUBSCRIBE: Final = Subscribe(4, [Subscription("a")])
UNSUBSCRIBE: Final = Unsubscribe(5, ["a"])


class Life:
    """One connection, seen from the network and by its owner."""

    def __init__(self, role: Sender, version: int, *, manual: bool = False) -> None:
        self.role = role
        self.version = version
        self.connection: ClientConnection | ServerConnection
        if role is CLIENT:
            self.connection = ClientConnection(version=version, manual_acknowledgement=manual)
        else:
            self.connection = ServerConnection(now=0.0)
        self.received = 0
        """How many bytes the peer has sent."""
        self.subscribe = SUBSCRIBE
        self.unsubscribe = UNSUBSCRIBE

    @property
    def client(self) -> ClientConnection:
        assert isinstance(self.connection, ClientConnection)
        return self.connection

    @property
    def server(self) -> ServerConnection:
        assert isinstance(self.connection, ServerConnection)
        return self.connection

    def feed(self, data: bytes) -> list[Event]:
        """Let bytes come from the peer."""
        self.received += len(data)
        return self.connection.receive_data(data, 0.0)

    def receive(self, *packets: Packet) -> list[Event]:
        """Let packets come from the peer in one piece."""
        return self.feed(b"".join(encode(packet, self.version) for packet in packets))

    def sent(self) -> list[Packet]:
        """The packets in the output, all of them legal."""
        return decoded(self.connection.data_to_send(), self.version, self.role)


def decoded(data: bytes, version: int, sender: Sender) -> list[Packet]:
    """The packets of a connection's output, which must be whole and legal."""
    decoder = Decoder(version, sender=sender)
    packets = decoder.feed(data)
    assert decoder.error is None
    assert decoder.buffered == 0
    return packets


def states_of(version: int) -> tuple[str, ...]:
    """The open states that a version has."""
    return OPEN if version == 5 else tuple(each for each in OPEN if each not in ONLY_IN_5)


def ends_of(role: Sender, version: int) -> tuple[str, ...]:
    """The ends that a connection can come to; before 5.0 a server sends no DISCONNECT."""
    return tuple(each for each in ENDS if role is SERVER or version == 5 or each != "peer")


def bring(role: Sender, version: int, state: str, *, manual: bool = False) -> Life:
    """A connection in a state, its events and its output so far taken out.

    Its session outlives it, so that its end drops nothing.
    """
    life = Life(role, version, manual=manual)
    if state in ENDS:
        _end(life, state)
    elif role is CLIENT:
        _client(life, state)
    else:
        _server(life, state)
    life.connection.take_events()
    life.connection.data_to_send()
    return life


def lasting(version: int, properties: Properties = EMPTY) -> Connect:
    """A CONNECT whose session outlives its connection, and that has no keep alive."""
    if version == 5:
        properties = properties.replace(session_expiry_interval=100)
    return Connect("c", False, 0, properties=properties)


def _client(life: Life, state: str) -> None:
    if state == "new":
        return
    with_method = state in ONLY_IN_5
    life.client.connect(lasting(life.version, METHOD if with_method else EMPTY), now=0.0)
    if state == "turn":
        life.receive(Auth(ReasonCode.CONTINUE_AUTHENTICATION, METHOD))
    if state in ("connecting", "auth", "turn"):
        return
    life.receive(ConnAck(properties=METHOD if with_method else EMPTY))
    if state == "again":
        life.client.reauthenticate(now=0.0)
    elif state == "busy":
        _publish(life)
        life.client.subscribe(Subscription("a"), now=0.0)
        life.client.unsubscribe("a", now=0.0)
        life.receive(Publish("a", b"", 2, packet_id=7))
        life.client.ping(now=0.0)


def _server(life: Life, state: str) -> None:
    if state == "new":
        return
    with_method = state in ONLY_IN_5
    life.receive(lasting(life.version, METHOD if with_method else EMPTY))
    if state == "turn":
        life.server.authenticate(now=0.0)
    if state in ("connecting", "auth", "turn"):
        return
    life.server.accept(now=0.0)
    if state == "again":
        life.receive(Auth(ReasonCode.RE_AUTHENTICATE, METHOD))
    elif state == "busy":
        _publish(life)
        asked, asked_to_end, message = life.receive(
            SUBSCRIBE, UNSUBSCRIBE, Publish("a", b"", 2, packet_id=7)
        )
        assert isinstance(asked, SubscribeReceived)
        assert isinstance(asked_to_end, UnsubscribeReceived)
        assert isinstance(message, MessageReceived)
        life.subscribe, life.unsubscribe = asked.packet, asked_to_end.packet
        life.server.acknowledge(message, now=0.0)


def _publish(life: Life) -> None:
    """Messages under way: 1 waits for PUBACK, 2 for PUBREC, 3 for PUBCOMP."""
    for qos in (1, 2, 2):
        life.connection.publish("a", b"", qos, now=0.0)
    life.receive(PubRec(3))


def _end(life: Life, how: str) -> None:
    """Bring a connection to its end."""
    client = life.role is CLIENT
    (_client if client else _server)(life, "connecting" if how == "refused" else "idle")
    connection = life.connection
    if how == "own":
        connection.disconnect(ReasonCode.NORMAL_DISCONNECTION, now=0.0)
    elif how == "peer":
        life.receive(Disconnect())
    elif how == "fault":
        life.receive(ConnAck() if client else Connect("c"))
    elif how == "eof":
        connection.receive_eof(0.0)
    elif how == "lost":
        connection.connection_lost(0.0)
    elif client:
        life.receive(refusal(life.version))
    else:
        life.server.refuse(ReasonCode.NOT_AUTHORIZED, now=0.0)


def refusal(version: int) -> ConnAck:
    """A CONNACK that refuses."""
    if version == 5:
        return ConnAck(False, ReasonCode.NOT_AUTHORIZED)
    return ConnAck(False, ConnectReturnCode.NOT_AUTHORIZED)


def cells(table: str) -> list[tuple[str, str, str]]:
    """The cells of a typed table, each with its row and its column."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    return [
        (row, column, entry)
        for row, *entries in rows
        for column, entry in zip(head[1:], entries, strict=True)
    ]


def names(items: Sequence[object]) -> list[str]:
    """The classes of events or packets."""
    return [type(each).__name__ for each in items]
