"""A client connection, and a server that is made of packets: all that goes in and out is bytes."""

from collections.abc import Sequence
from typing import Any, Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.encoder import encode
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import Publish
from mqttproto.protocol import ClientConnection, ConnectionState, Delivery, Session
from mqttproto.protocol.events import ConnectionFailed, Event, MessageReceived

VERSIONS: Final = (3, 4, 5)

EXPLAINED: Final = Properties(reason_string="because", user_properties=[("why", "because")])


class Stage:
    """One connection of a client, seen from the network.

    :param options: of ClientConnection.
    """

    def __init__(self, version: int = 5, session: Session | None = None, **options: Any) -> None:
        self.version = version
        self.client = ClientConnection(session, version=version, **options)
        self.decoder = Decoder(version, sender="client")
        self.now = 0.0
        # What `connected` has found beside the event Connected, and beside the CONNECT.
        self.events: list[Event] = []
        self.pending: list[Packet] = []

    def encoded(self, *packets: Packet | bytes) -> bytes:
        """What a server sends; bytes stand for themselves."""
        return b"".join(
            each if isinstance(each, bytes) else encode(each, self.version, "server")
            for each in packets
        )

    def receive(self, *packets: Packet | bytes) -> list[Event]:
        """Let packets come from the server in one piece."""
        return self.client.receive_data(self.encoded(*packets), self.now)

    def sent(self) -> list[Packet]:
        """The packets that the client has put out since the last call, all of them legal."""
        packets = self.pending + self.decoder.feed(self.client.data_to_send())
        self.pending = []
        assert self.decoder.error is None
        assert self.decoder.buffered == 0
        return packets

    def connect(self, connect: Connect) -> Connect:
        """Send CONNECT, and return it as the server has seen it."""
        self.client.connect(connect, now=self.now)
        *self.pending, sent = self.sent()
        assert isinstance(sent, Connect)
        return sent

    def accept(self, *, resume: bool = False, announce: Properties = EMPTY) -> list[Event]:
        """Let the CONNACK come that accepts; 3.1 has no word for a session that is resumed."""
        return self.receive(ConnAck(resume and self.version != 3, 0, announce))

    def publish(
        self, topic: str, qos: int = 1, payload: bytes = b"", properties: Properties = EMPTY
    ) -> Delivery:
        """Publish what has a handle: QoS 1 or 2, or what has to wait."""
        now = self.now
        delivery = self.client.publish(topic, payload, qos, properties=properties, now=now)
        assert delivery is not None
        return delivery

    def message(self, *packets: Packet | bytes) -> MessageReceived:
        """Let packets come, and return the one message among them."""
        (event,) = messages(self.receive(*packets))
        return event

    def acknowledge(self, message: MessageReceived, reason_code: int = 0) -> None:
        """Acknowledge it as the application."""
        self.client.acknowledge(message, reason_code, now=self.now)

    def store(self) -> None:
        """Do what a store does: take the changes, and say that they are stored."""
        self.client.committed(self.client.take_changes().last)

    def cut(self) -> None:
        """Lose the network connection."""
        self.client.connection_lost(self.now)

    def state(self) -> ConnectionState:
        """Where in its life the connection is."""
        return self.client.state

    def closed(self) -> bool:
        """Whether the network connection is to be closed, now that all was sent."""
        return self.client.close_expected() and not self.client.wants_read


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
    now: float = 0.0,
    **options: Any,
) -> Stage:
    """A connection that was accepted, all of it stored, its CONNECT taken off the wire.

    What CONNACK has told beside is in ``events``, what it has sent comes with ``sent()``.
    """
    stage = Stage(version, session, **options)
    stage.now = now
    stage.connect(Connect("c", keep_alive=0) if connect is None else connect)
    _, *stage.events = stage.accept(resume=resume, announce=announce)
    stage.store()
    return stage


def messages(events: Sequence[Event]) -> list[MessageReceived]:
    """The messages among events."""
    return [each for each in events if isinstance(each, MessageReceived)]


def topics(packets: Sequence[Packet]) -> list[str]:
    """The topics of the messages among packets."""
    return [each.topic for each in packets if isinstance(each, Publish)]


def failure(events: Sequence[Event]) -> ConnectionFailed:
    """The failure that ends them."""
    last = events[-1]
    assert isinstance(last, ConnectionFailed)
    return last
