"""Our two ends against programs of others: mosquitto, its tools, and paho.

The loop that joins them to the network is the one of the documentation, ``socket_loop.py``.
"""

import contextlib
import getpass
import queue
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from mqttproto import (
    ClientConnection,
    Connect,
    PacketTooLargeError,
    Properties,
    ProtocolVersion,
    ReasonCode,
    RetainHandling,
    ServerConnection,
    Session,
    Subscription,
    Will,
)
from mqttproto.protocol import Batch, Journal, Leniency
from mqttproto.protocol.events import (
    Connected,
    ConnectReceived,
    Disconnected,
    Event,
    Initiator,
    MessageReceived,
    PingAnswered,
    PublishCompleted,
    Subscribed,
    SubscribeReceived,
    UnsubscribeReceived,
)
from mqttproto.protocol.export import apply
from mqttproto.topics import matches
from recording import TIMEOUT
from recording_stage import end, free_port, listened_on, paho_properties, program
from socket_loop import SocketLoop

pytestmark = pytest.mark.peer

every_version = pytest.mark.parametrize("version", ProtocolVersion, ids=lambda each: each.name)
with_sessions = pytest.mark.parametrize("version", [4, 5], ids=["MQTT311", "MQTT5"])
"""The versions that tell a client whether its session is there."""

CONFIGURATION: Final = """\
listener {port} 127.0.0.1
user {user}
allow_anonymous true
persistence false
max_keepalive 600
max_packet_size 20000
"""

MOST_IN_FLIGHT: Final = 20
"""What mosquitto takes unless it is told otherwise."""

MOST_ALIASES: Final = 10

AnyEvent = TypeVar("AnyEvent", bound=Event)


def now() -> float:
    return time.monotonic()


def needed(name: str) -> str:
    """The path of a program; without it there is no test."""
    try:
        return program(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


# --- our client and mosquitto ----------------------------------------------------------------


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a mosquitto that knows nothing yet."""
    folder = tmp_path_factory.mktemp("mosquitto")
    configuration = folder / "mosquitto.conf"
    port = free_port()
    configuration.write_text(CONFIGURATION.format(port=port, user=getpass.getuser()))
    log = folder / "mosquitto.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [needed("mosquitto"), "-c", str(configuration)], stdout=file, stderr=file
        )
    try:
        give_up = now() + TIMEOUT
        while not listened_on(port):
            started = process.poll() is None and now() < give_up
            assert started, log.read_text()
            time.sleep(0.01)
        yield port
    finally:
        end(process)


class Disk:
    """Keeps the exports of sessions up to date with their changes."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any] | None] = {}

    def store(self, batch: Batch) -> None:
        for change in batch:
            before = self.sessions.get(change.client_id)
            self.sessions[change.client_id] = apply(before, change)


class Client:
    """A client of ours on a socket of its own, and all that it was told."""

    def __init__(
        self, port: int, connection: ClientConnection, store: Callable[[Batch], None] | None = None
    ) -> None:
        self.connection = connection
        self.events: list[Event] = []
        self._sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.loop = SocketLoop(connection, self._sock, store)

    def until(self, kind: type[AnyEvent], count: int = 1) -> list[AnyEvent]:
        """Wait for so many events of a kind, in all."""
        give_up = now() + TIMEOUT
        while len(found := self.told(kind)) < count:
            hope = now() < give_up and not self.loop.closed
            assert hope, self.events[-5:]
            self.events += self.loop.turn(0.1)
        return found

    def told(self, kind: type[AnyEvent]) -> list[AnyEvent]:
        """The events of a kind so far."""
        return [each for each in self.events if isinstance(each, kind)]

    def connect(self, client_id: str = "", **fields: Any) -> Connected:
        self.connection.connect(Connect(client_id, **fields), now=now())
        return self.until(Connected)[0]

    def subscribe(self, *subscriptions: Subscription, **properties: Any) -> list[ReasonCode]:
        self.connection.subscribe(subscriptions, Properties(**properties), now=now())
        return self.until(Subscribed, len(self.told(Subscribed)) + 1)[-1].reason_codes

    def send(self) -> None:
        """Send what is there, without listening longer than that takes."""
        self.events += self.loop.turn(0)

    def await_bytes(self) -> None:
        """Wait until there is something to read, and leave it there."""
        assert select.select([self._sock], [], [], TIMEOUT)[0]

    def leave(self) -> None:
        """Disconnect, and close when the server has."""
        self.events += self.connection.disconnect(now=now())
        while not self.loop.closed:
            self.events += self.loop.turn(TIMEOUT)

    def drop(self) -> None:
        """Close the socket, if it is open still."""
        self._sock.close()

    def cut(self) -> None:
        """End the network connection without a word, and with what is unread."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()
        self.events += self.connection.connection_lost(now())


@pytest.fixture
def client(broker: int) -> Iterator[Callable[..., Client]]:
    """A function that makes clients, of a session or none; whoever is left over at the end goes."""
    with ExitStack() as cleanup:

        def make(
            session: Session | None = None,
            *,
            store: Callable[[Batch], None] | None = None,
            **arguments: Any,
        ) -> Client:
            one = Client(broker, ClientConnection(session, **arguments), store)
            cleanup.callback(one.drop)
            return one

        yield make


def resumable(version: int) -> dict[str, Any]:
    """Fields of a CONNECT that asks for a session which outlives the connection."""
    lasting = Properties(session_expiry_interval=600) if version == 5 else Properties()
    return {"clean_start": False, "properties": lasting}


def payloads(client: Client) -> list[bytes]:
    return [each.payload for each in client.told(MessageReceived)]


@every_version
def test_messages_of_every_qos_go_to_mosquitto_and_back(
    version: int, client: Callable[..., Client]
) -> None:
    one = client(version=version)
    connected = one.connect(f"every-{version}")
    assert not connected.session_present
    assert one.subscribe(Subscription(f"every/{version}/#", 2)) == [2]
    for qos in (0, 1, 2):
        topic = f"every/{version}/{qos}"
        delivery = one.connection.publish(topic, b"to and fro", qos, now=now())
        assert (delivery is None) == (qos == 0)
    completed = one.until(PublishCompleted, 2)
    assert sorted(each.delivery.message.qos for each in completed) == [1, 2]
    received = one.until(MessageReceived, 3)
    assert sorted((each.topic, each.qos) for each in received) == [
        (f"every/{version}/{qos}", qos) for qos in (0, 1, 2)
    ]
    assert {each.payload for each in received} == {b"to and fro"}
    one.leave()
    (last,) = one.told(Disconnected)
    assert last is one.events[-1]
    assert last.by is Initiator.LOCAL


@every_version
def test_many_messages_come_through_the_window_of_mosquitto_in_order(
    version: int, client: Callable[..., Client]
) -> None:
    # Before 5.0 it cannot say what it takes; given more at once, 2.0.11 does not pass on the rest.
    one = client(version=version, max_in_flight=MOST_IN_FLIGHT)
    limits = one.connect(f"many-{version}").limits
    if version == 5:
        assert limits.receive_maximum == MOST_IN_FLIGHT
    one.subscribe(Subscription(f"many/{version}", 2))
    sent = [b"%d" % number for number in range(100)]
    for payload in sent:
        one.connection.publish(f"many/{version}", payload, 2, now=now())
    one.until(PublishCompleted, len(sent))
    one.until(MessageReceived, len(sent))
    assert payloads(one) == sent
    # The handshakes of what came last are still under way; a round trip is behind them.
    one.connection.ping(now=now())
    one.until(PingAnswered)
    assert one.connection.in_flight == one.connection.receiving == 0


@every_version
def test_mosquitto_publishes_the_will_of_a_client_that_is_cut_off(
    version: int, client: Callable[..., Client]
) -> None:
    heir = client(version=version)
    heir.connect(f"heir-{version}")
    heir.subscribe(Subscription(f"will/{version}/+", 2))
    for name in ("leaves", "cut"):
        testator = client(version=version)
        will = Will(f"will/{version}/{name}", b"gone", qos=2)
        testator.connect(f"testator-{version}", will=will)
        if name == "leaves":
            testator.leave()
        else:
            testator.cut()
    (received,) = heir.until(MessageReceived)
    # The goodbye came first: had it published a will, that one would be here.
    assert received.topic == f"will/{version}/cut"
    assert received.payload == b"gone"


def test_mosquitto_publishes_the_will_of_a_client_that_asks_for_it(
    client: Callable[..., Client],
) -> None:
    heir = client()
    heir.connect("heir")
    heir.subscribe(Subscription("will/asked", 1))
    testator = client()
    will = Will("will/asked", b"gone", qos=1, properties=Properties(content_type="text/plain"))
    testator.connect("testator", will=will)
    testator.connection.disconnect(ReasonCode.DISCONNECT_WITH_WILL_MESSAGE, now=now())
    testator.send()
    (received,) = heir.until(MessageReceived)
    assert received.payload == b"gone"
    assert received.properties.content_type == "text/plain"


# --- cuts, and what comes of them ------------------------------------------------------------


def before_publish(one: Client) -> None:
    """The PUBLISH is in the output, and is lost with it."""


def after_publish(one: Client) -> None:
    """The server has the PUBLISH: its PUBREC is here, and not read."""
    one.send()
    one.await_bytes()


def after_pubrec(one: Client) -> None:
    """PUBREC is read, and PUBREL is in the output."""
    after_publish(one)
    one.send()


def after_pubrel(one: Client) -> None:
    """The server has the PUBREL: its PUBCOMP is here, and not read."""
    after_pubrec(one)
    after_publish(one)


@pytest.mark.spec("5.0", "MQTT-4.3.3-6", role="client")
@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.4.0-1", role="client")
@pytest.mark.parametrize("memory", ["kept", "restored"])
@pytest.mark.parametrize("stage", [before_publish, after_publish, after_pubrec, after_pubrel])
@with_sessions
def test_a_qos_2_message_cut_off_on_its_way_out_arrives_exactly_once(
    version: int, stage: Callable[[Client], None], memory: str, client: Callable[..., Client]
) -> None:
    name = f"out-{version}-{stage.__name__}-{memory}"
    topic = f"out/{name}"
    observer = client(version=version)
    observer.connect(f"observer-{name}")
    observer.subscribe(Subscription(topic, 2))

    disk = Disk()
    session = Session(name, journal=Journal() if memory == "restored" else None)
    one = client(session, version=version, store=disk.store)
    one.connect(name, **resumable(version))
    one.connection.publish(topic, b"once", 2, now=now())
    stage(one)
    one.cut()
    assert not one.told(PublishCompleted)

    if memory == "restored":
        # What was not stored when the connection ended was never sent: nobody can miss it.
        disk.store(one.connection.take_changes())
        stored = disk.sessions[name]
        assert stored is not None
        session = Session.restore(stored, journal=Journal())
    one = client(session, version=version, store=disk.store)
    assert one.connect(name, **resumable(version)).session_present
    (completed,) = one.until(PublishCompleted)
    assert completed.reason_code == ReasonCode.SUCCESS
    assert completed.delivery.message.payload == b"once"
    one.connection.publish(topic, b"behind it", 2, now=now())
    one.until(PublishCompleted, 2)
    observer.until(MessageReceived, 2)
    assert payloads(observer) == [b"once", b"behind it"]
    assert session.in_flight == 0


def publish_waits(one: Client) -> None:
    """The server's PUBLISH is here, and not read."""
    one.await_bytes()


def pubrec_waits(one: Client) -> None:
    """PUBLISH is read and delivered, and PUBREC is in the output."""
    one.until(MessageReceived)


def pubrel_waits(one: Client) -> None:
    """The server has the PUBREC: its PUBREL is here, and not read."""
    pubrec_waits(one)
    one.send()
    one.await_bytes()


def pubcomp_waits(one: Client) -> None:
    """PUBREL is read, and PUBCOMP is in the output."""
    pubrel_waits(one)
    one.send()


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="client")
@pytest.mark.parametrize("memory", ["kept", "restored"])
@pytest.mark.parametrize("stage", [publish_waits, pubrec_waits, pubrel_waits, pubcomp_waits])
@with_sessions
def test_a_qos_2_message_cut_off_on_its_way_in_is_delivered_exactly_once(
    version: int, stage: Callable[[Client], None], memory: str, client: Callable[..., Client]
) -> None:
    name = f"in-{version}-{stage.__name__}-{memory}"
    topic = f"in/{name}"
    disk = Disk()
    session = Session(name, journal=Journal() if memory == "restored" else None)
    one = client(session, version=version, store=disk.store)
    one.connect(name, **resumable(version))
    one.subscribe(Subscription(topic, 2))
    publisher = client(version=version)
    publisher.connect(f"publisher-{name}")
    publisher.connection.publish(topic, b"once", 2, now=now())
    publisher.until(PublishCompleted)
    stage(one)
    one.cut()
    before = payloads(one)
    assert before == ([] if stage is publish_waits else [b"once"])

    if memory == "restored":
        disk.store(one.connection.take_changes())
        stored = disk.sessions[name]
        assert stored is not None
        session = Session.restore(stored, journal=Journal())
    one = client(session, version=version, store=disk.store)
    assert one.connect(name, **resumable(version)).session_present
    publisher.connection.publish(topic, b"behind it", 2, now=now())
    publisher.until(PublishCompleted, 2)
    one.until(MessageReceived, 2 - len(before))
    assert before + payloads(one) == [b"once", b"behind it"]


@with_sessions
def test_what_waits_in_the_queue_of_a_session_goes_to_the_next_connection(
    version: int, client: Callable[..., Client]
) -> None:
    session = Session(f"waits-{version}")
    one = client(session, version=version)
    for number in range(3):
        one.connection.publish(f"waits/{version}", b"%d" % number, 1, now=now())
    assert len(session.queue) == 3
    one.connect(f"waits-{version}", **resumable(version))
    one.until(PublishCompleted, 3)
    assert len(session.queue) == 0


@with_sessions
def test_an_idle_session_is_resumed(version: int, client: Callable[..., Client]) -> None:
    session = Session(f"idle-{version}")
    one = client(session, version=version)
    one.connect(f"idle-{version}", **resumable(version))
    one.subscribe(Subscription(f"idle/{version}", 1))
    one.leave()
    publisher = client(version=version)
    publisher.connect(f"idle-publisher-{version}")
    publisher.connection.publish(f"idle/{version}", b"meanwhile", 1, now=now())
    publisher.until(PublishCompleted)
    one = client(session, version=version)
    assert one.connect(f"idle-{version}", **resumable(version)).session_present
    one.until(MessageReceived)
    assert payloads(one) == [b"meanwhile"]
    one.leave()
    one = client(session, version=version)
    assert not one.connect(f"idle-{version}", clean_start=True).session_present


@every_version
def test_a_session_that_is_taken_over_ends_the_first_connection(
    version: int, client: Callable[..., Client]
) -> None:
    first = client(version=version)
    first.connect(f"twice-{version}")
    second = client(version=version)
    second.connect(f"twice-{version}")
    (last,) = first.until(Disconnected)
    # Some releases of mosquitto say why, in 5.0.
    said = version == 5 and last.reason_code == ReasonCode.SESSION_TAKEN_OVER
    assert last.by is (Initiator.PEER if said else Initiator.NETWORK)


# --- what mosquitto says it takes, and what it may be told ----------------------------------


@with_sessions
def test_pings_keep_a_connection_alive(version: int, client: Callable[..., Client]) -> None:
    one = client(version=version)
    one.connect(f"alive-{version}", keep_alive=1)
    (answer,) = one.until(PingAnswered)
    assert 0 <= answer.round_trip < TIMEOUT


def test_the_limits_are_those_that_mosquitto_has_announced(client: Callable[..., Client]) -> None:
    one = client()
    connected = one.connect("", keep_alive=1000)
    assert connected.client_id
    assert connected.client_id == one.connection.session.client_id
    assert connected.limits.keep_alive == 600
    assert connected.limits.maximum_packet_size == 20_000
    assert connected.limits.topic_alias_maximum == MOST_ALIASES
    with pytest.raises(PacketTooLargeError):
        one.connection.publish("large", bytes(20_000), 1, now=now())
    one.connection.publish("large", bytes(19_900), 1, now=now())
    one.until(PublishCompleted)


def test_subscription_options_are_understood(client: Callable[..., Client]) -> None:
    one = client()
    one.connect("options")
    for topic in ("old", "new"):
        one.connection.publish(f"options/{topic}", b"kept", 1, True, now=now())
        one.until(PublishCompleted, 1 if topic == "old" else 2)
    codes = one.subscribe(
        Subscription("options/old", 1, retain_handling=RetainHandling.DO_NOT_SEND),
        Subscription("options/new", 1),
        Subscription("options/own", 1, no_local=True),
        Subscription("options/flag", 1, retain_as_published=True),
        subscription_identifiers=[7],
    )
    assert codes == [1, 1, 1, 1]
    for topic in ("own", "flag"):
        one.connection.publish(f"options/{topic}", b"now", 1, topic == "flag", now=now())
    one.until(PublishCompleted, 4)
    one.until(MessageReceived, 2)
    found = {each.topic: each for each in one.told(MessageReceived)}
    assert sorted(found) == ["options/flag", "options/new"]
    assert found["options/flag"].retain
    assert found["options/new"].retain
    for each in found.values():
        assert list(each.properties.subscription_identifiers) == [7]
    for topic in ("old", "new", "flag"):
        one.connection.publish(f"options/{topic}", b"", 1, True, now=now())
    one.until(PublishCompleted, 7)


def test_the_lifetime_of_a_message_is_counted_down(client: Callable[..., Client]) -> None:
    session = Session("expiry")
    one = client(session)
    lifetime = Properties(message_expiry_interval=100, user_properties=[("a", "b")])
    # It waits for the connection since ten seconds ago.
    one.connection.publish("expiry", b"soon old", 1, True, lifetime, now=now() - 10)
    one.connect("expiry")
    one.until(PublishCompleted)
    reader = client()
    reader.connect("expiry-reader")
    reader.subscribe(Subscription("expiry", 1))
    (received,) = reader.until(MessageReceived)
    left = received.properties.message_expiry_interval
    assert left is not None
    assert 60 <= left <= 90
    assert received.properties.user_properties == (("a", "b"),)
    one.connection.publish("expiry", b"", 1, True, now=now())
    one.until(PublishCompleted, 2)


def test_topics_are_right_behind_their_aliases(client: Callable[..., Client]) -> None:
    aliased = client(max_topic_aliases=2)
    aliased.connect("aliased")
    reader = client()
    reader.connect("aliased-reader", properties=Properties(topic_alias_maximum=5))
    reader.subscribe(Subscription("aliased/#", 1))
    topics = [f"aliased/{name}" for name in "aababcaabbccc"]
    for number, topic in enumerate(topics):
        aliased.connection.publish(topic, b"%d" % number, 1, now=now())
    aliased.until(PublishCompleted, len(topics))
    received = reader.until(MessageReceived, len(topics))
    assert [(each.topic, each.payload) for each in received] == [
        (topic, b"%d" % number) for number, topic in enumerate(topics)
    ]


@pytest.mark.spec("5.0", "MQTT-4.6.0-2", role="client")
def test_mosquitto_waits_for_acknowledgements_and_takes_them_in_their_order(
    client: Callable[..., Client],
) -> None:
    # For each acknowledgement 2.0.11 sends two of the messages that wait.
    leniency = Leniency.RECEIVE_MAXIMUM_EXCEEDED
    one = client(manual_acknowledgement=True, leniency=leniency)
    one.connect("slow", properties=Properties(receive_maximum=2))
    one.subscribe(Subscription("slow", 1))
    for number in range(6):
        one.connection.publish("slow", b"%d" % number, 1, now=now())
    one.until(PublishCompleted, 6)
    # A round trip: had it sent more, that would be here.
    one.connection.ping(now=now())
    one.until(PingAnswered)
    assert payloads(one) == [b"0", b"1"]
    for seen in (2, 4, 6):
        # The later one first: the answers leave in the order of the messages.
        for each in reversed(one.until(MessageReceived, seen)[seen - 2 : seen]):
            one.connection.acknowledge(each, now=now())
    one.leave()
    assert payloads(one) == [b"%d" % number for number in range(6)]


def test_unsupported_things_are_refused_before_they_are_sent(client: Callable[..., Client]) -> None:
    one = client()
    limits = one.connect("supported").limits
    assert limits.shared_subscription_available
    codes = one.subscribe(Subscription("$share/us/supported", 1))
    assert codes == [1]


# --- foreign clients and our server ----------------------------------------------------------


class EchoServer:
    """Grants everything, and sends each message back if its publisher has subscribed to it.

    Each connection has a thread of its own. What is published with RETAIN is kept, and sent to
    later subscribers. Once for each client, a message to a topic below ``cut/`` has the connection
    cut when it is acknowledged, and its echo is in flight, and neither has been sent.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.subscriptions: dict[str, dict[str, int]] = {}
        self.retained: dict[str, MessageReceived] = {}
        self.told: queue.Queue[tuple[str, Event]] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[tuple[socket.socket, threading.Thread]] = []
        self._cut: set[str] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def until(self, client_id: str, kind: type[AnyEvent]) -> AnyEvent:
        """Wait for the next event of a kind that a client has caused."""
        while True:
            who, event = self.told.get(timeout=TIMEOUT)
            if who == client_id and isinstance(event, kind):
                return event

    def take(self, client_id: str, kind: type[AnyEvent], found: list[AnyEvent]) -> bool:
        """Take the next event of a kind that a client has caused, if it has come."""
        while not found and not self.told.empty():
            who, event = self.told.get()
            if who == client_id and isinstance(event, kind):
                found.append(event)
        return bool(found)

    def stop(self) -> None:
        self._stopping = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()
        for sock, thread in self._connections:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stopping:
                sock.close()
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._connections.append((sock, thread))
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        connection = ServerConnection(now=now())
        loop = SocketLoop(connection, sock)
        while not loop.closed:
            for event in loop.turn(TIMEOUT):
                self._handle(connection, event)

    def _handle(self, connection: ServerConnection, event: Event) -> None:
        if isinstance(event, ConnectReceived):
            for each in self._let_in(connection, event):
                self._handle(connection, each)
        elif isinstance(event, SubscribeReceived):
            self._subscribe(connection, event)
        elif isinstance(event, UnsubscribeReceived):
            mine = self.subscriptions[connection.session.client_id]
            codes = [
                ReasonCode.SUCCESS
                if mine.pop(each, None) is not None
                else ReasonCode.NO_SUBSCRIPTION_EXISTED
                for each in event.packet.topic_filters
            ]
            connection.answer_unsubscribe(event.packet, codes, now=now())
        elif isinstance(event, MessageReceived):
            self._echo(connection, event)
        self.told.put((connection.session.client_id, event))

    def _let_in(self, connection: ServerConnection, event: ConnectReceived) -> list[Event]:
        connect = event.connect
        client_id = connect.client_id
        properties = Properties()
        if not client_id and event.version == 5:
            client_id = f"assigned-{connection.number}"
            properties = Properties(assigned_client_identifier=client_id)
        session = self.sessions.get(client_id)
        present = session is not None and session.established and not connect.clean_start
        if session is None or not present:
            session = self.sessions[client_id] = Session(client_id)
            self.subscriptions[client_id] = {}
        return connection.accept(session, session_present=present, properties=properties, now=now())

    def _subscribe(self, connection: ServerConnection, event: SubscribeReceived) -> None:
        wanted = event.packet.subscriptions
        mine = self.subscriptions[connection.session.client_id]
        mine |= {each.topic_filter: int(each.qos) for each in wanted}
        connection.answer_subscribe(event.packet, [each.qos for each in wanted], now=now())
        for topic, kept in self.retained.items():
            for each in wanted:
                if matches(each.topic_filter, topic):
                    qos = min(each.qos, kept.qos)
                    connection.publish(topic, kept.payload, qos, True, kept.properties, now=now())

    def _echo(self, connection: ServerConnection, event: MessageReceived) -> None:
        if event.retain:
            self.retained[event.topic] = event
        connection.acknowledge(event, now=now())
        mine = self.subscriptions[connection.session.client_id]
        found = [qos for each, qos in mine.items() if matches(each, event.topic)]
        if found:
            qos = min(event.qos, max(found))
            properties = event.properties
            connection.publish(event.topic, event.payload, qos, False, properties, now=now())
        client_id = connection.session.client_id
        if event.topic.startswith("cut/") and client_id not in self._cut:
            self._cut.add(client_id)
            for each in connection.connection_lost(now()):
                self.told.put((client_id, each))


@pytest.fixture
def server() -> Iterator[EchoServer]:
    server = EchoServer()
    try:
        yield server
    finally:
        server.stop()


class PahoClient:
    """A paho client without a thread: it reads and answers only while its own methods wait."""

    def __init__(
        self, server: EchoServer, version: int, client_id: str, clean: bool = True
    ) -> None:
        client_module = pytest.importorskip("paho.mqtt.client")
        enums = pytest.importorskip("paho.mqtt.enums")
        self.messages: list[Any] = []
        self._server = server
        self._version = version
        self._client_id = client_id
        self._clean = clean
        self._told: list[str] = []
        self._session_present = False
        self.client = client_module.Client(
            enums.CallbackAPIVersion.VERSION2,
            client_id,
            None if version == 5 else clean,
            protocol=enums.MQTTProtocolVersion(version),
            reconnect_on_failure=False,
        )
        self.client.on_message = lambda *found: self.messages.append(found[2])
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *_: self._told.append("disconnect")
        self.client.on_subscribe = lambda *_: self._told.append("subscribe")

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, *_: Any) -> None:
        assert not reason.is_failure
        self._session_present = bool(flags.session_present)
        self._told.append("connect")

    def until(self, condition: Callable[[], object]) -> None:
        """Do what is due until something is so."""
        give_up = now() + TIMEOUT
        while not condition():
            assert now() < give_up
            self.client.loop(0.05)

    def caused(self, kind: type[AnyEvent]) -> AnyEvent:
        """Do what is due until the server has been told of an event of this kind; the next one."""
        found: list[AnyEvent] = []
        self.until(lambda: self._server.take(self._client_id, kind, found))
        return found[0]

    def hears(self, what: str) -> None:
        self.until(lambda: what in self._told)
        self._told.remove(what)

    def connect(self) -> bool:
        """Connect, and say whether the session was present."""
        more: dict[str, Any] = {}
        if self._version == 5:
            lasting = paho_properties("CONNECT", SessionExpiryInterval=600)
            more = {"clean_start": self._clean, "properties": lasting}
        self.client.connect("127.0.0.1", self._server.port, **more)
        self.hears("connect")
        return self._session_present

    def subscribe(self, topic_filter: str, qos: int) -> None:
        self.client.subscribe(topic_filter, qos)
        self.hears("subscribe")

    def publish(self, topic: str, payload: str, qos: int, **more: Any) -> None:
        """Publish, and wait for the end of it."""
        self.until(self.client.publish(topic, payload, qos, **more).is_published)

    def received(self) -> tuple[str, bytes, int, bool]:
        """The next message: its topic, payload, QoS, and DUP."""
        self.until(lambda: self.messages)
        message = self.messages.pop(0)
        return message.topic, message.payload, message.qos, bool(message.dup)

    def drop(self) -> None:
        """Close the socket, if it is open still."""
        if (sock := self.client.socket()) is not None:
            sock.close()

    def cut(self) -> None:
        """End the network connection without a word."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.hears("disconnect")

    def leave(self) -> None:
        self.client.disconnect()
        self.hears("disconnect")


@pytest.fixture
def paho(server: EchoServer) -> Iterator[Callable[..., PahoClient]]:
    """A function that makes paho clients, by version, client id and whether to begin anew."""
    with ExitStack() as cleanup:

        def make(version: int, client_id: str, clean: bool = True) -> PahoClient:
            one = PahoClient(server, version, client_id, clean)
            cleanup.callback(one.drop)
            return one

        yield make


@every_version
def test_messages_of_every_qos_come_from_paho_and_go_back(
    version: int, paho: Callable[..., PahoClient]
) -> None:
    one = paho(version, "echo")
    assert not one.connect()
    assert one.caused(ConnectReceived).version == version
    one.subscribe("echo/+", 2)
    for qos in (0, 1, 2):
        one.publish(f"echo/{qos}", "to and fro", qos)
        event = one.caused(MessageReceived)
        assert (event.topic, event.payload, event.qos) == (f"echo/{qos}", b"to and fro", qos)
        assert one.received() == (f"echo/{qos}", b"to and fro", qos, False)
        if qos:
            assert one.caused(PublishCompleted).reason_code == ReasonCode.SUCCESS
    one.client.unsubscribe("echo/+")
    one.caused(UnsubscribeReceived)
    one.leave()
    last = one.caused(Disconnected)
    assert last.by is Initiator.PEER
    assert last.reason_code == ReasonCode.NORMAL_DISCONNECTION


@every_version
def test_many_messages_come_from_paho_in_order(
    version: int, paho: Callable[..., PahoClient]
) -> None:
    one = paho(version, "many")
    one.connect()
    one.subscribe("many", 2)
    sent = [b"%d" % number for number in range(100)]
    for payload in sent:
        one.client.publish("many", payload, 2)
    assert [one.received() for _ in sent] == [("many", payload, 2, False) for payload in sent]
    one.leave()


@pytest.mark.parametrize("how", ["leaves", "cut"])
@every_version
def test_the_will_of_a_paho_client_is_due_when_it_is_cut_off(
    version: int, how: str, paho: Callable[..., PahoClient]
) -> None:
    one = paho(version, "testator")
    one.client.will_set("will", "gone", 2, True)
    one.connect()
    will = one.caused(ConnectReceived).connect.will
    assert will is not None
    assert (will.topic, will.payload, will.qos, will.retain) == ("will", b"gone", 2, True)
    if how == "cut":
        one.cut()
        last = one.caused(Disconnected)
        assert (last.by, last.publish_will) == (Initiator.NETWORK, True)
    else:
        one.leave()
        last = one.caused(Disconnected)
        assert (last.by, last.publish_will) == (Initiator.PEER, False)


@with_sessions
def test_paho_resumes_its_session(version: int, paho: Callable[..., PahoClient]) -> None:
    one = paho(version, "resumes", False)
    assert not one.connect()
    one.subscribe("idle", 1)
    one.cut()
    assert one.caused(Disconnected).by is Initiator.NETWORK
    assert one.connect()
    one.publish("idle", "again", 1)
    assert one.received() == ("idle", b"again", 1, False)
    one.leave()


@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.1-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.4.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-1", role="server")
@pytest.mark.parametrize("qos", [1, 2])
@with_sessions
def test_what_was_in_flight_is_sent_to_paho_again(
    version: int, qos: int, paho: Callable[..., PahoClient]
) -> None:
    one = paho(version, "again", False)
    one.connect()
    one.subscribe("cut/+", qos)
    one.client.publish("cut/echo", "once more", qos)
    one.hears("disconnect")
    one.caused(Disconnected)
    assert one.connect()
    assert one.received() == ("cut/echo", b"once more", qos, True)
    assert one.caused(PublishCompleted).delivery.message.payload == b"once more"


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="server")
@with_sessions
def test_what_paho_sends_again_at_qos_2_is_delivered_once(
    version: int, paho: Callable[..., PahoClient]
) -> None:
    one = paho(version, "sends-again", False)
    one.connect()
    handle = one.client.publish("cut/answer", "once", 2)
    assert one.caused(MessageReceived).payload == b"once"
    one.hears("disconnect")
    assert one.connect()
    one.until(handle.is_published)
    one.publish("next", "behind it", 2)
    # Had the message been delivered again, it would come first.
    assert one.caused(MessageReceived).payload == b"behind it"
    one.leave()


def test_properties_go_through_our_server_unaltered(paho: Callable[..., PahoClient]) -> None:
    one = paho(5, "properties")
    one.connect()
    one.subscribe("properties", 1)
    given = paho_properties(
        "PUBLISH",
        ContentType="text/plain",
        ResponseTopic="answers",
        CorrelationData=b"7",
        UserProperty=[("b", "1"), ("a", "2")],
    )
    one.publish("properties", "x", 1, properties=given)
    one.until(lambda: one.messages)
    found = one.messages[0].properties
    assert found.ContentType == "text/plain"
    assert found.ResponseTopic == "answers"
    assert found.CorrelationData == b"7"
    assert found.UserProperty == [("b", "1"), ("a", "2")]
    one.leave()


def test_a_paho_client_without_a_name_is_given_one(
    server: EchoServer, paho: Callable[..., PahoClient]
) -> None:
    one = paho(5, "")
    one.connect()
    (client_id,) = server.sessions
    assert client_id.startswith("assigned-")
    assert server.until(client_id, ConnectReceived).connect.client_id == ""
    one.leave()


TOOL_VERSIONS: Final = {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}


@every_version
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mosquittos_tools_publish_and_subscribe(
    version: int, qos: int, server: EchoServer, tmp_path: Path
) -> None:
    def run(tool: str, *arguments: str) -> str:
        # A tool reads options from a file of its user, if there is one: there is none here.
        home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        where = ["-h", "127.0.0.1", "-p", str(server.port), "-V", TOOL_VERSIONS[version]]
        command = [needed(tool), *where, "-i", tool, "-q", str(qos), "-t", "tools/1", *arguments]
        done = subprocess.run(
            command, env=home, capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
        return done.stdout

    run("mosquitto_pub", "-r", "-m", "from a tool")
    event = server.until("mosquitto_pub", MessageReceived)
    assert (event.payload, event.qos, event.retain) == (b"from a tool", qos, True)
    assert run("mosquitto_sub", "-C", "1", "-F", "%q %r %p") == f"{qos} 1 from a tool\n"
    if qos:
        server.until("mosquitto_sub", PublishCompleted)
    last = server.until("mosquitto_sub", Disconnected)
    assert last.by is Initiator.PEER
