"""A server connection, and a client that is made of packets: all that goes in and out is bytes."""

from collections.abc import Sequence
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.protocol import ConnectionState, ServerConnection, Session
from mqttproto.protocol.events import ConnectionFailed, ConnectReceived, Event, MessageReceived

VERSIONS: Final = (3, 4, 5)

METHOD: Final = Properties(authentication_method="m")
EXPLAINED: Final = Properties(reason_string="because", user_properties=[("why", "because")])


class Stage:
    """One connection of a server, seen from the network."""

    def __init__(self, version: int = 5, server: ServerConnection | None = None) -> None:
        self.version = version
        self.server = ServerConnection(now=0.0) if server is None else server
        self.decoder = Decoder(version, sender="server")
        self.now = 0.0
        # What `connected` has found beside the CONNACK.
        self.events: list[Event] = []
        self.pending: list[Packet] = []

    def encoded(self, *packets: Packet | bytes) -> bytes:
        """What a client sends; bytes stand for themselves."""
        return b"".join(
            each if isinstance(each, bytes) else encode(each, self.version, "client")
            for each in packets
        )

    def receive(self, *packets: Packet | bytes) -> list[Event]:
        """Let packets come from the client in one piece."""
        return self.server.receive_data(self.encoded(*packets), self.now)

    def sent(self) -> list[Packet]:
        """The packets that the server has put out since the last call, all of them legal."""
        packets = self.pending + self.decoder.feed(self.server.data_to_send())
        self.pending = []
        assert self.decoder.error is None
        assert self.decoder.buffered == 0
        return packets

    def connect(self, connect: Connect) -> ConnectReceived:
        """Let CONNECT come."""
        (event,) = self.receive(connect)
        assert isinstance(event, ConnectReceived)
        return event

    def accept(
        self,
        session: Session | None = None,
        *,
        resume: bool = False,
        announce: Properties = EMPTY,
    ) -> list[Event]:
        """Accept the client."""
        return self.server.accept(
            session, session_present=resume, properties=announce, now=self.now
        )

    def message(self, *packets: Packet | bytes) -> MessageReceived:
        """Let packets come, and return the one message among them."""
        (event,) = messages(self.receive(*packets))
        return event

    def acknowledge(self, message: MessageReceived, reason_code: int = 0) -> None:
        """Acknowledge it as the owner of the connection."""
        self.server.acknowledge(message, reason_code, now=self.now)

    def store(self) -> None:
        """Do what a store does: take the changes, and say that they are stored."""
        self.server.committed(self.server.take_changes().last)

    def state(self) -> ConnectionState:
        """Where in its life the connection is."""
        return self.server.state

    def closed(self) -> bool:
        """Whether the network connection is to be closed, now that all was sent."""
        return self.server.close_expected() and not self.server.wants_read


def lasting(
    version: int,
    properties: Properties = EMPTY,
    *,
    client_id: str = "c",
    keep_alive: int = 0,
) -> Connect:
    """A CONNECT whose session outlives its connection."""
    if version == 5:
        properties = properties.replace(session_expiry_interval=100)
    return Connect(client_id, False, keep_alive, properties=properties)


def connected(
    version: int = 5,
    connect: Connect | None = None,
    session: Session | None = None,
    *,
    resume: bool = False,
    announce: Properties = EMPTY,
    server: ServerConnection | None = None,
    now: float = 0.0,
) -> Stage:
    """A connection that was accepted, all of it stored, its CONNACK taken off the wire.

    What accepting has told beside is in ``events``, what it has sent comes with ``sent()``.
    """
    stage = Stage(version, server)
    stage.now = now
    stage.connect(Connect("c", keep_alive=0) if connect is None else connect)
    stage.events = stage.accept(session, resume=resume, announce=announce)
    stage.store()
    connack, *stage.pending = stage.sent()
    assert isinstance(connack, ConnAck)
    return stage


def messages(events: Sequence[Event]) -> list[MessageReceived]:
    """The messages among events."""
    return [each for each in events if isinstance(each, MessageReceived)]


def failure(events: Sequence[Event]) -> ConnectionFailed:
    """The failure that ends them."""
    last = events[-1]
    assert isinstance(last, ConnectionFailed)
    return last
