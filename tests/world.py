"""A client and a server on a simulated network, with applications, and the laws between them.

Each side publishes messages that nobody else has published, and stores what it has accepted in one
batch with the acceptance. So it can be said of every message, at any moment and after any cuts and
crashes, how often it was handed over, how often it is stored, and what its publisher was told.

One hole is MQTT's own: a server that has begun a new session cannot know whether the client has
understood so, and not forgotten. If that fails, each side goes on with another session. The server
here is told the truth, and begins anew until the client has stored that it has.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mqttproto import Connect, Properties, Publish, QoS, ReasonCode
from mqttproto.codec import Decoder
from mqttproto.codec.connect import ConnAck
from mqttproto.codec.faults import Fault
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, PubRec, PubRel
from mqttproto.codec.subscribe import Subscribe, Unsubscribe
from mqttproto.errors import (
    LimitError,
    LocalProtocolError,
    PacketTooLargeError,
    QueueFullError,
)
from mqttproto.protocol import ClientConnection, QueueLimits, ServerConnection, Session
from mqttproto.protocol.events import (
    Connected,
    ConnectionFailed,
    ConnectReceived,
    Event,
    MessageReceived,
    PublishCompleted,
    PublishDropped,
    SubscribeReceived,
    UnsubscribeReceived,
)
from mqttproto.protocol.transitions import ConnectionState
from mqttproto.testing.network import End, Link, Network, Store

NAME: Final = "the-client"
NEVER: Final = 0xFFFF_FFFF

TIMEOUTS: Final = {
    Fault.KEEP_ALIVE,
    Fault.PING_UNANSWERED,
    Fault.CONNACK_TIMEOUT,
    Fault.CONNECT_TIMEOUT,
}
"""How a connection between two ends that keep all rules may fail."""

Connection = ClientConnection | ServerConnection


@dataclass
class Message:
    """What is known of a message that was published.

    ``fate`` is ``open`` until its publisher is told ``done``, ``refused`` or ``dropped``; it is
    ``lost`` if the publisher has crashed before it was stored.
    """

    number: int
    topic: str
    qos: int
    expiry: int | None
    fate: str = "open"
    transmitted: bool = False


class Watch:
    """An endpoint that reads along what goes in and out of a connection, and holds it to rules."""

    def __init__(self, side: "Side", connection: Connection, version: int) -> None:
        self.side = side
        self.connection = connection
        self.version = version
        client = side.name == "client"
        self.outward = Decoder(version, sender="client" if client else "server")
        self.inward = Decoder(version, sender="server" if client else "client")
        # What this end has sent on this connection and is not acknowledged to its end.
        self.sent: dict[int, int] = {}
        # What it has received and not acknowledged, in order.
        self.unanswered: dict[int, deque[tuple[int, int]]] = {1: deque(), 2: deque()}
        self.receive_maximum = 65_535
        self.connected = False
        # What was in flight when this connection took the session over.
        self.resumed: set[int] = set()

    @property
    def outlived(self) -> bool:
        """Whether the session has another connection: what this one has left to say is history."""
        return self.side.connection is not self.connection

    def resume(self, session: Session) -> None:
        self.resumed = {uid_of(each.message) for each in session.deliveries}

    # The interface of an endpoint.

    @property
    def wants_read(self) -> bool:
        return self.connection.wants_read

    def receive_data(self, data: bytes, now: float) -> Sequence[Event]:
        for packet in self.inward.feed(data):
            self.hears(packet)
        assert self.inward.error is None, self.inward.error
        return self.connection.receive_data(data, now)

    def receive_eof(self, now: float) -> Sequence[Event]:
        return self.connection.receive_eof(now)

    def connection_lost(self, now: float) -> Sequence[Event]:
        return self.connection.connection_lost(now)

    def take_events(self) -> Sequence[Event]:
        return self.connection.take_events()

    def data_to_send(self) -> bytes:
        data = self.connection.data_to_send()
        for packet in self.outward.feed(data):
            self.says(packet)
        assert self.outward.error is None, self.outward.error
        return data

    def close_expected(self) -> bool:
        return self.connection.close_expected()

    def next_deadline(self) -> float | None:
        return self.connection.next_deadline()

    def handle_timeout(self, now: float) -> Sequence[Event]:
        return self.connection.handle_timeout(now)

    def committed(self, number: int) -> None:
        self.connection.committed(number)

    # What it sees.

    def hears(self, packet: Packet) -> None:
        """A packet comes in."""
        side = self.side
        if isinstance(packet, Publish):
            assert packet.packet_id is not None or packet.qos == 0
            if packet.qos:
                self.unanswered[packet.qos].append((packet.packet_id or 0, uid_of(packet)))
        elif isinstance(packet, (PubAck, PubComp)) or (
            isinstance(packet, PubRec) and packet.reason_code >= 0x80
        ):
            self.sent.pop(packet.packet_id, None)
            if self.outlived:
                return
            side.busy.pop(packet.packet_id, None)
            side.released.discard(packet.packet_id)
        elif isinstance(packet, (Connect, ConnAck)):
            self.receive_maximum = packet.properties.receive_maximum or 65_535

    def says(self, packet: Packet) -> None:
        """A packet goes out: nothing of it may be wrong."""
        side = self.side
        if side.name == "server":
            if isinstance(packet, ConnAck):
                self.connected = True
            assert self.connected, f"{packet!r} before CONNACK"
        if self.outlived:
            return
        if isinstance(packet, Publish):
            self.says_publish(packet)
        elif isinstance(packet, PubAck):
            self.answers(1, packet)
        elif isinstance(packet, PubRec):
            self.answers(2, packet)
            if side.logged and packet.reason_code < 0x80:
                assert packet.packet_id in side.stored["received"], f"{packet!r} too soon"
        elif isinstance(packet, PubComp):
            if side.logged:
                assert packet.packet_id not in side.stored["received"], f"{packet!r} too soon"
        elif isinstance(packet, PubRel):
            self.says_pubrel(packet)
        elif isinstance(packet, (Subscribe, Unsubscribe)):
            assert packet.packet_id not in side.busy, f"{packet!r} has an identifier in use"

    def says_publish(self, packet: Publish) -> None:
        side = self.side
        uid = uid_of(packet)
        message = side.world.messages[uid]
        if packet.qos == 0:
            assert not message.transmitted, "QoS 0 is sent once"
            message.transmitted = True
            return
        packet_id = packet.packet_id
        assert packet_id is not None
        assert packet_id not in self.sent, f"{packet!r}: sent twice, or its identifier is in use"
        assert side.busy.get(packet_id, uid) == uid, f"{packet!r} has an identifier in use"
        assert packet_id not in side.released, f"{packet!r} after PUBREL"
        self.sent[packet_id] = uid
        side.busy[packet_id] = uid
        if self.version == 5:
            assert len(self.sent) <= self.receive_maximum, "Receive Maximum"
        assert packet.dup == (uid in self.resumed), f"{packet!r}: DUP"
        assert packet.dup or uid not in side.transmitted, f"{packet!r}: DUP"
        side.transmitted.add(uid)
        if packet.qos == 2 and side.logged:
            rows = {each["packet_id"]: each for each in side.stored["in_flight"]}
            assert packet_id in rows, f"{packet!r} before its identifier is stored"
            assert rows[packet_id]["payload"] == packet.payload
            assert not rows[packet_id]["released"]

    def says_pubrel(self, packet: PubRel) -> None:
        side = self.side
        if packet.reason_code or packet.packet_id not in side.busy:
            return
        side.released.add(packet.packet_id)
        if side.logged:
            rows = {each["packet_id"]: each for each in side.stored["in_flight"]}
            assert rows[packet.packet_id]["released"], f"{packet!r} before it is stored"

    def answers(self, qos: int, packet: PubAck | PubRec) -> None:
        order = self.unanswered[qos]
        assert order, f"{packet!r} answers nothing"
        packet_id, uid = order.popleft()
        assert packet_id == packet.packet_id, f"{packet!r} is out of order"
        side = self.side
        if packet.reason_code < 0x80 and (side.manual or (qos == 2 and side.logged)):
            assert uid in side.store.records, f"{packet!r} before the message is stored"


def uid_of(packet: Publish) -> int:
    return int(packet.payload.split(b".")[0])


@dataclass
class Side:
    """The program at one end, through all its lives."""

    world: "World"
    name: str
    store: Store
    queue_limits: QueueLimits
    acknowledges_at_once: bool
    session: Session = field(init=False)
    connection: Connection | None = None
    manual: bool = True
    # Messages that are not acknowledged, with the connection that has brought them.
    undecided: list[tuple[MessageReceived, Connection]] = field(default_factory=list)
    # By message: how often it was handed over, in all and in this life, and whether it was refused.
    handed: Counter[int] = field(default_factory=Counter)
    handed_now: Counter[int] = field(default_factory=Counter)
    refused_now: set[int] = field(default_factory=set)
    # Those that were acknowledged at once for a session that ends with its connection, and of which
    # no promise is kept through a crash.
    volatile: set[int] = field(default_factory=set)
    # The last message that was handed over for the first time, by topic and QoS.
    newest: dict[tuple[str, int], int] = field(default_factory=dict)
    # What the wire has shown of its session: who has which identifier, and who was sent.
    busy: dict[int, int] = field(default_factory=dict)
    released: set[int] = field(default_factory=set)
    transmitted: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.session = self.store.session(NAME, queue_limits=self.queue_limits)

    @property
    def peer(self) -> "Side":
        return self.world.server if self.name == "client" else self.world.client

    @property
    def logged(self) -> bool:
        return self.session.logged

    @property
    def stored(self) -> dict[str, Any]:
        """Its session, as it is stored."""
        return self.store.sessions[NAME]

    def restart(self, keep: bool) -> None:
        """Crash, and begin the next life."""
        world = self.world
        world.network.crash(self.store, keep=keep)
        before = self.stored if NAME in self.store.sessions else None
        self.session = self.store.session(NAME, queue_limits=self.queue_limits)
        if before is not None:
            assert self.session.export() == before
        self.connection = None
        self.undecided = []
        self.handed_now = Counter()
        self.refused_now = set()
        held = self.session.export()
        in_flight = {int(each["payload"].split(b".")[0]): each for each in held["in_flight"]}
        there = {int(each["payload"].split(b".")[0]) for each in held["queue"]} | set(in_flight)
        self.busy = {each["packet_id"]: uid for uid, each in in_flight.items()}
        self.released = {each["packet_id"] for each in in_flight.values() if each["released"]}
        self.transmitted = set(in_flight)
        # What was given up was told, and only its identifier is still to be freed.
        there -= {uid for uid, each in in_flight.items() if each["abandoned"]}
        for uid, message in world.messages.items():
            if world.publishers[uid] is self:
                if uid in there:
                    # Whatever was told of it has not been stored.
                    message.fate = "open"
                elif message.fate == "open":
                    message.fate = "lost"

    def forget_exchanges(self) -> None:
        """Its session begins anew."""
        self.busy.clear()
        self.released.clear()
        self.transmitted.clear()

    # Its application.

    def publish(self, topic: str, qos: int, size: int, retain: bool, expiry: int | None) -> bool:
        """Publish a new message; returns whether it was taken."""
        connection = self.connection
        if connection is None or connection.state == ConnectionState.CLOSED:
            return False
        if self.name == "server" and connection.state != ConnectionState.CONNECTED:
            return False
        world = self.world
        uid = len(world.messages) + 1
        properties = Properties()
        if expiry is not None and world.version == 5:
            properties = Properties(message_expiry_interval=expiry)
        world.messages[uid] = Message(uid, topic, qos, expiry)
        world.publishers[uid] = self
        payload = f"{uid}.".encode() + bytes(size)
        before = self.session.export()
        try:
            delivery = connection.publish(
                topic, payload, qos, retain, properties, now=world.network.now
            )
        except (LimitError, QueueFullError, PacketTooLargeError):
            taken = False
        except LocalProtocolError:
            assert qos == 0
            assert connection.state != ConnectionState.CONNECTED
            taken = False
        else:
            taken = True
            if delivery is None:
                world.messages[uid].fate = "done"
        if not taken:
            assert self.session.export() == before
            del world.messages[uid]
            del world.publishers[uid]
        return taken

    def acknowledge(self, index: int, refuse: bool) -> None:
        """Decide about one of the messages that wait for it."""
        event, origin = self.undecided.pop(index % len(self.undecided))
        holder = self.session.connection
        connection = holder if isinstance(holder, (ClientConnection, ServerConnection)) else origin
        uid = uid_of(event.message)
        now = self.world.network.now
        if refuse and self.world.version == 5:
            self.refused_now.add(uid)
            connection.acknowledge(event, ReasonCode.QUOTA_EXCEEDED, now=now)
        else:
            after = self.store.note(uid)
            connection.acknowledge(event, now=now, after=after)

    def on_event(self, event: Event, connection: Connection) -> None:
        world = self.world
        if isinstance(event, MessageReceived):
            self.on_message(event, connection)
        elif isinstance(event, PublishCompleted):
            uid = uid_of(event.delivery.message)
            world.messages[uid].fate = "refused" if event.reason_code >= 0x80 else "done"
            if event.reason_code < 0x80 and event.delivery.message.qos:
                world.check_done(uid)
        elif isinstance(event, PublishDropped):
            message = event.delivery.message
            world.messages[uid_of(message)].fate = "dropped"
            if message.qos == 1:
                for packet_id in [k for k, v in self.busy.items() if v == uid_of(message)]:
                    del self.busy[packet_id]
        elif isinstance(event, ConnectionFailed):
            assert event.error.fault in TIMEOUTS, event.error

    def on_message(self, event: MessageReceived, connection: Connection) -> None:
        packet = event.message
        uid = uid_of(packet)
        message = self.world.messages[uid]
        assert self.world.publishers[uid] is self.peer
        assert (packet.topic, packet.qos) == (message.topic, message.qos)
        left = packet.properties.message_expiry_interval
        if self.world.version == 5 and message.expiry is not None:
            assert left is not None
            assert left <= message.expiry
        assert packet.properties.topic_alias is None
        if not self.handed[uid]:
            key = packet.topic, int(packet.qos)
            assert uid > self.newest.get(key, 0), "out of order"
            self.newest[key] = uid
        if packet.qos == 0:
            assert not self.handed[uid], "QoS 0 is delivered at most once"
        elif packet.qos == 2:
            assert not self.handed_now[uid] or uid in self.refused_now, "QoS 2 delivered twice"
            self.refused_now.discard(uid)
        self.handed[uid] += 1
        self.handed_now[uid] += 1
        if packet.qos == 0:
            return
        if event.receipt is None:
            self.store.note(uid)
            if not self.logged:
                self.volatile.add(uid)
            return
        self.undecided.append((event, connection))
        if self.acknowledges_at_once:
            self.acknowledge(len(self.undecided) - 1, False)


@dataclass
class Terms:
    """What a connection is made with."""

    clean_start: bool = False
    expiry: int = NEVER
    client_maximum: int | None = None
    server_maximum: int | None = None
    client_size: int | None = None
    server_size: int | None = None
    client_aliases: int = 0
    server_aliases: int = 0
    maximum_qos: QoS | None = None
    retain_available: bool | None = None
    keep_alive: int = 0
    manual: bool = False
    max_in_flight: int = 65_535
    max_uncommitted: int = 10_000
    max_held: int = 1 << 20
    latency: float = 0.05
    chunks: tuple[int, ...] = ()


class World:
    """Both sides, the network, and what has happened."""

    def __init__(
        self,
        version: int = 5,
        client_queue: QueueLimits | None = None,
        server_queue: QueueLimits | None = None,
        client_at_once: bool = True,
        server_at_once: bool = True,
    ) -> None:
        self.version = version
        self.network = Network(now=1_000.0)
        self.messages: dict[int, Message] = {}
        self.publishers: dict[int, Side] = {}
        self.client = Side(self, "client", Store(), client_queue or QueueLimits(), client_at_once)
        self.server = Side(self, "server", Store(), server_queue or QueueLimits(), server_at_once)
        self.sides = {"client": self.client, "server": self.server}
        self.link: Link | None = None
        self.terms = Terms()
        # Whether something was done to the link that may yet break it.
        self.disturbed = False
        # The sessions of the server have numbers. The client confirms one when it has stored it.
        self.generation = 0
        self.generations: list[int] = [0]
        self.accepted: dict[int, int] = {}
        self.confirmed: set[int] = set()
        self.unconfirmed: tuple[int, Any, int] | None = None

    # Connecting.

    def connect(self, terms: Terms) -> None:
        """Begin a new connection; an old one is cut if it is still there."""
        if self.client.connection is not None and self.link is not None and self.link.client.open:
            self.link.cut(server_notices=False)
        self.terms = terms
        self.disturbed = False
        five = self.version == 5
        if not five:
            terms.expiry = 0 if terms.clean_start else NEVER
        client_session = self.client.session
        known = self.unconfirmed is not None or self.generation in self.confirmed
        if not client_session.established and known:
            # It has ended its session, and cannot know whether the server has.
            terms.clean_start = True
            terms.expiry = terms.expiry if five else 0
        client = ClientConnection(
            client_session,
            version=self.version,
            manual_acknowledgement=terms.manual,
            max_in_flight=terms.max_in_flight,
            max_topic_aliases=terms.client_aliases,
            max_uncommitted=terms.max_uncommitted,
            max_held=terms.max_held,
        )
        server = ServerConnection(
            now=self.network.now,
            max_in_flight=terms.max_in_flight,
            max_topic_aliases=terms.server_aliases,
            max_uncommitted=terms.max_uncommitted,
            max_held=terms.max_held,
        )
        self.client.connection = client
        self.client.manual = terms.manual
        client_watch = Watch(self.client, client, self.version)
        client_watch.resume(client_session)
        server_watch = Watch(self.server, server, self.version)
        link = self.network.connect(
            client_watch,
            server_watch,
            latency=terms.latency,
            chunk=cutter(terms.chunks) if terms.chunks else None,
            client_store=self.client.store,
            server_store=self.server.store,
        )
        self.link = link
        link.client.on_event = lambda event: self.on_client_event(event, client, server.number)
        link.server.on_event = self.server_application(link.server, server_watch, server)
        properties = Properties()
        if five:
            properties = Properties(
                session_expiry_interval=terms.expiry,
                receive_maximum=terms.client_maximum,
                maximum_packet_size=terms.client_size,
                topic_alias_maximum=terms.server_aliases or None,
            )
        connect = Connect(
            NAME, terms.clean_start, keep_alive=terms.keep_alive, properties=properties
        )
        client.connect(connect, now=self.network.now)

    def on_client_event(self, event: Event, connection: ClientConnection, server: int) -> None:
        if isinstance(event, Connected):
            journal = self.client.store.journal
            self.unconfirmed = self.accepted[server], journal, journal.last
            if not event.session_present:
                self.client.forget_exchanges()
        self.client.on_event(event, connection)

    def server_application(
        self, end: End, watch: Watch, connection: ServerConnection
    ) -> Callable[[Event], None]:
        side = self.server
        terms = self.terms

        def serve(event: Event) -> None:
            now = self.network.now
            if isinstance(event, (SubscribeReceived, UnsubscribeReceived)) and (
                connection.state == ConnectionState.CLOSED
            ):
                return
            if isinstance(event, ConnectReceived):
                watch.resume(side.session)
                end.tell(self.accept(connection, event, terms))
            elif isinstance(event, SubscribeReceived):
                codes = [each.qos for each in event.packet.subscriptions]
                connection.answer_subscribe(event.packet, codes, now=now)
            elif isinstance(event, UnsubscribeReceived):
                connection.answer_unsubscribe(
                    event.packet, [0] * len(event.packet.topic_filters), now=now
                )
            else:
                side.on_event(event, connection)

        return serve

    def accept(
        self, connection: ServerConnection, event: ConnectReceived, terms: Terms
    ) -> list[Event]:
        side = self.server
        self.confirm()
        session = side.session
        present = (
            not event.connect.clean_start
            and session.established
            and session.expiry_interval != 0
            and self.generation in self.confirmed
        )
        if not present:
            self.generations.append(self.generations[-1] + 1)
            self.generation = self.generations[-1]
            side.store.note(-self.generation)
            side.forget_exchanges()
        properties = Properties()
        if self.version == 5:
            properties = Properties(
                receive_maximum=terms.server_maximum,
                maximum_packet_size=terms.server_size,
                topic_alias_maximum=terms.client_aliases or None,
                maximum_qos=terms.maximum_qos,
                retain_available=terms.retain_available,
            )
        side.connection = connection
        self.accepted[connection.number] = self.generation
        return connection.accept(
            session, session_present=present, properties=properties, now=self.network.now
        )

    def confirm(self) -> None:
        """Whether the client has stored that it knows the server's session."""
        if self.unconfirmed is not None:
            generation, journal, number = self.unconfirmed
            if journal is self.client.store.journal and journal.committed >= number:
                self.confirmed.add(generation)

    def crash(self, name: str, keep: bool) -> None:
        self.confirm()
        self.disturbed = True
        side = self.sides[name]
        side.restart(keep)
        if side is self.server:
            known = [-each for each in side.store.records if each < 0]
            self.generation = known[-1] if known else 0
        else:
            self.unconfirmed = None

    def lose_session(self) -> None:
        """The server crashes, and has lost its session for good."""
        self.crash("server", False)
        self.server.store.sessions.pop(NAME, None)
        for uid, message in self.messages.items():
            if self.publishers[uid] is self.server and message.fate == "open":
                message.fate = "lost"
        self.server.session = self.server.store.session(NAME, queue_limits=self.server.queue_limits)
        self.server.forget_exchanges()

    # The laws.

    def check_done(self, uid: int) -> None:
        """A publisher is told that a message is done: it must have arrived."""
        side = self.publishers[uid].peer
        message = self.messages[uid]
        if message.qos == 2 and uid not in side.volatile:
            assert side.store.records.count(uid) == 1, f"{message} is not stored once"
        elif side.name == "server":
            assert uid in side.store.records, f"{message} is not stored"
        else:
            assert side.handed[uid], f"{message} was not handed over"

    def check(self) -> None:
        """What holds at any moment."""
        self.confirm()
        for side in self.sides.values():
            sessions, records = side.store.expected()
            if side.logged:
                assert sessions[NAME] == side.session.export(), "the journal rebuilds the session"
            counts = Counter(records)
            for uid, message in self.messages.items():
                if message.qos == 2:
                    assert counts[uid] <= 1, f"{message} was stored twice"

    def heal(self) -> None:
        """Make everything well, and see that everything ends well."""
        for side in self.sides.values():
            side.acknowledges_at_once = True
            side.store.delay = 0.0
            side.store.commit()
        if not self.disturbed:
            self.network.run_until_quiet()
        # A CONNECT of a connection that is gone may arrive late, and take the session over.
        for _ in range(3):
            client = self.client.connection
            if not self.disturbed and client and client.state == ConnectionState.CONNECTED:
                break
            self.connect(Terms())
            self.network.run_until_quiet()
        for _ in range(3):
            self.network.run_until_quiet()
            self.check()
            for side in self.sides.values():
                while side.undecided:
                    side.acknowledge(0, False)
        self.network.run_until_quiet()
        self.check()
        assert self.client.connection is not None
        assert self.client.connection.state == ConnectionState.CONNECTED
        for side in self.sides.values():
            session = side.session
            assert session.in_flight == 0, f"{session!r} of the {side.name}"
            assert session.queue.waiting == 0, f"{session!r} of the {side.name}"
            assert not session.received, f"{session!r} of the {side.name}"
            assert session.export()["received"] == []
        for uid, message in self.messages.items():
            assert message.fate != "open", f"{message} is pending for ever"
            if message.fate == "done" and message.qos:
                self.check_done(uid)


def cutter(sizes: tuple[int, ...]) -> Callable[[int], int]:
    """Chunks of these sizes, again and again."""
    position = 0

    def cut(size: int) -> int:
        nonlocal position
        position = (position + 1) % len(sizes)
        return min(size, sizes[position])

    return cut
