"""The laws of delivery, through any number of cuts and crashes, on a simulated network."""

from math import inf
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mqttproto import Properties, QoS, Subscription
from mqttproto.protocol import ClientConnection, Overflow, Qos0, QueueLimits
from mqttproto.protocol.transitions import ConnectionState
from world import NEVER, Terms, World

TOPICS: Final = ("a", "plant/7", "plant/8/temperature")
SIDES: Final = st.sampled_from(["client", "server"])
CHUNKS: Final = st.lists(st.integers(1, 9), max_size=3).map(tuple)

queues = st.builds(
    QueueLimits,
    max_messages=st.sampled_from([100, 0, 1, 3]),
    max_bytes=st.sampled_from([1 << 20, 150]),
    overflow=st.sampled_from(Overflow),
    qos_0=st.sampled_from(Qos0),
)
maxima = st.sampled_from([None, 1, 2, 5])
terms = st.builds(
    Terms,
    clean_start=st.sampled_from([False, False, False, True]),
    expiry=st.sampled_from([NEVER, NEVER, NEVER, 0]),
    client_maximum=maxima,
    server_maximum=maxima,
    client_size=st.sampled_from([None, None, 60]),
    server_size=st.sampled_from([None, None, 60]),
    client_aliases=st.integers(0, 2),
    server_aliases=st.integers(0, 2),
    maximum_qos=st.sampled_from([None, None, None, QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE]),
    retain_available=st.sampled_from([None, None, False]),
    keep_alive=st.sampled_from([0, 10]),
    manual=st.booleans(),
    max_in_flight=st.sampled_from([65_535, 1, 2]),
    max_uncommitted=st.sampled_from([10_000, 3]),
    max_held=st.sampled_from([1 << 20, 20]),
    latency=st.sampled_from([0.05, 0.0, 2.0]),
    chunks=CHUNKS,
)


class Laws(RuleBasedStateMachine):
    """Everything that can happen to a client and a server, and what holds all the same."""

    world: World

    @initialize(
        version=st.sampled_from([5, 5, 4]),
        client_queue=queues,
        server_queue=queues,
        client_at_once=st.booleans(),
        server_at_once=st.booleans(),
        wanted=terms,
    )
    def begin(
        self,
        version: int,
        client_queue: QueueLimits,
        server_queue: QueueLimits,
        client_at_once: bool,
        server_at_once: bool,
        wanted: Terms,
    ) -> None:
        self.world = World(version, client_queue, server_queue, client_at_once, server_at_once)
        self.world.connect(wanted)

    # Traffic.

    @rule(
        name=SIDES,
        topic=st.sampled_from(TOPICS),
        qos=st.integers(0, 2),
        count=st.integers(1, 4),
        size=st.sampled_from([0, 0, 80]),
        retain=st.sampled_from([False, False, True]),
        expiry=st.sampled_from([None, None, 1, 60]),
    )
    def publish(
        self,
        name: str,
        topic: str,
        qos: int,
        count: int,
        size: int,
        retain: bool,
        expiry: int | None,
    ) -> None:
        for _ in range(count):
            self.world.sides[name].publish(topic, qos, size, retain, expiry)

    @precondition(lambda self: any(side.undecided for side in self.world.sides.values()))
    @rule(name=SIDES, index=st.integers(0, 9), refuse=st.sampled_from([False, False, True]))
    def acknowledge(self, name: str, index: int, refuse: bool) -> None:
        side = self.world.sides[name]
        side = side if side.undecided else side.peer
        side.acknowledge(index, refuse)

    @rule(what=st.sampled_from(["subscribe", "unsubscribe", "ping"]))
    def request(self, what: str) -> None:
        connection = self.world.client.connection
        if connection is None or connection.state != ConnectionState.CONNECTED:
            return
        assert isinstance(connection, ClientConnection)
        now = self.world.network.now
        if what == "subscribe":
            connection.subscribe(Subscription("a/#", 1), now=now)
        elif what == "unsubscribe":
            connection.unsubscribe("a/#", now=now)
        else:
            connection.ping(now=now)

    # Time.

    @rule(steps=st.integers(1, 6))
    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.world.network.step()

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 5.0, 60.0]))
    def run(self, seconds: float) -> None:
        self.world.network.run(seconds)

    # What goes wrong.

    @rule(wanted=terms)
    def connect(self, wanted: Terms) -> None:
        self.world.connect(wanted)

    @rule(
        to_server=st.integers(0, 40),
        to_client=st.integers(0, 40),
        server_notices=st.booleans(),
    )
    def cut(self, to_server: int, to_client: int, server_notices: bool) -> None:
        link = self.world.link
        assert link is not None
        self.world.disturbed = True
        link.cut(to_server=to_server, to_client=to_client, server_notices=server_notices)

    @rule(to_server=st.booleans(), after=st.integers(1, 60))
    def cut_soon(self, to_server: bool, after: int) -> None:
        link = self.world.link
        assert link is not None
        path = link.to_server if to_server else link.to_client
        path.cut_after = after
        self.world.disturbed = True

    @rule(to_server=st.booleans())
    def stall(self, to_server: bool) -> None:
        link = self.world.link
        assert link is not None
        path = link.to_server if to_server else link.to_client
        path.stalled = not path.stalled
        self.world.disturbed = True

    @rule(name=SIDES)
    def shut(self, name: str) -> None:
        link = self.world.link
        assert link is not None
        (link.client if name == "client" else link.server).shut()
        self.world.disturbed = True

    @rule(end_session=st.booleans())
    def disconnect(self, end_session: bool) -> None:
        world = self.world
        connection = world.client.connection
        if connection is None or world.link is None:
            return
        properties = Properties()
        if end_session and world.version == 5:
            properties = Properties(session_expiry_interval=0)
        world.link.client.tell(connection.disconnect(0, properties, now=world.network.now))

    @rule(name=SIDES, keep=st.booleans())
    def crash(self, name: str, keep: bool) -> None:
        self.world.crash(name, keep)

    @rule()
    def lose_session(self) -> None:
        self.world.lose_session()

    @rule(name=SIDES, delay=st.sampled_from([0.0, 0.1, inf]))
    def slow_down(self, name: str, delay: float) -> None:
        self.world.sides[name].store.delay = delay

    @rule(name=SIDES)
    def commit(self, name: str) -> None:
        self.world.sides[name].store.commit()

    # What holds.

    @invariant()
    def laws(self) -> None:
        if hasattr(self, "world"):
            self.world.network.settle()
            self.world.check()

    @rule()
    def heal(self) -> None:
        self.world.heal()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.heal()


TestLaws = Laws.TestCase
TestLaws.settings = settings(stateful_step_count=40)
