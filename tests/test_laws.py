"""The laws of delivery, through any number of cuts and crashes, on a simulated network."""

from math import inf
from typing import Final

import pytest
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
from mqttproto.errors import PacketTooLargeError
from mqttproto.protocol import ClientConnection, Overflow, Qos0, QueueLimits
from mqttproto.protocol.transitions import ConnectionState
from world import NEVER, Terms, World

TOPICS: Final = ("a", "plant/7", "plant/8/temperature")
Message = tuple[str, int, int, bool, int | None]
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


messages = st.lists(
    st.tuples(
        st.sampled_from(TOPICS),
        st.integers(0, 2).map(lambda each: 2 - each),
        st.sampled_from([0, 0, 80]),
        st.sampled_from([False, False, True]),
        st.sampled_from([None, None, 1, 60]),
    ),
    min_size=1,
    max_size=4,
)
delays = st.sampled_from([0.0, 0.1, inf])


class Laws(RuleBasedStateMachine):
    """Everything that can happen to a client and a server, and what holds all the same.

    Rules are chosen alike often: there are many for traffic and few for trouble, so that there is
    something to be broken.
    """

    world: World

    @initialize(
        version=st.sampled_from([5, 5, 4]),
        client_queue=queues,
        server_queue=queues,
        client_at_once=st.booleans(),
        server_at_once=st.booleans(),
        client_delay=delays,
        server_delay=delays,
        wanted=terms,
    )
    def begin(
        self,
        version: int,
        client_queue: QueueLimits,
        server_queue: QueueLimits,
        client_at_once: bool,
        server_at_once: bool,
        client_delay: float,
        server_delay: float,
        wanted: Terms,
    ) -> None:
        self.world = World(version, client_queue, server_queue, client_at_once, server_at_once)
        self.world.connect(wanted)
        self.world.network.run_until_quiet()
        self.world.client.store.delay = client_delay
        self.world.server.store.delay = server_delay

    # Traffic.

    @rule(messages=messages)
    def publish_from_client(self, messages: list[Message]) -> None:
        for message in messages:
            self.world.client.publish(*message)

    @rule(messages=messages)
    def publish_from_server(self, messages: list[Message]) -> None:
        for message in messages:
            self.world.server.publish(*message)

    @rule(from_client=messages, from_server=messages)
    def publish_from_both(self, from_client: list[Message], from_server: list[Message]) -> None:
        self.publish_from_client(from_client)
        self.publish_from_server(from_server)

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
        try:
            if what == "subscribe":
                connection.subscribe(Subscription("a/#", 1), now=now)
            elif what == "unsubscribe":
                connection.unsubscribe("a/#", now=now)
            else:
                connection.ping(now=now)
        except PacketTooLargeError:
            pass

    # Time.

    @rule(steps=st.integers(1, 6))
    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.world.network.step()

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 0.0, 60.0]))
    def run(self, seconds: float) -> None:
        self.world.network.run(seconds)

    @rule()
    def run_until_quiet(self) -> None:
        self.world.network.run_until_quiet()

    @rule(name=SIDES, delay=delays)
    def store(self, name: str, delay: float) -> None:
        store = self.world.sides[name].store
        store.delay = delay
        store.commit()

    # What goes wrong.

    @rule(wanted=terms, begin=st.integers(0, 5))
    def connect(self, wanted: Terms, begin: int) -> None:
        self.world.connect(wanted)
        if begin:
            self.world.network.run_until_quiet()

    @precondition(lambda self: not self.world.disturbed)
    @rule(
        to_server=st.integers(0, 40),
        to_client=st.integers(0, 40),
        server_notices=st.booleans(),
        again=terms,
    )
    def cut(self, to_server: int, to_client: int, server_notices: bool, again: Terms) -> None:
        link = self.world.link
        assert link is not None
        self.world.disturbed = True
        link.cut(to_server=to_server, to_client=to_client, server_notices=server_notices)
        self.connect(again, 1)

    @rule(name=SIDES, keep=st.booleans(), again=terms)
    def crash(self, name: str, keep: bool, again: Terms) -> None:
        self.world.crash(name, keep)
        self.connect(again, 1)

    @rule(
        what=st.sampled_from(["cut soon", "stall", "shut", "disconnect", "end session", "lose"]),
        name=SIDES,
        after=st.integers(1, 60),
    )
    def trouble(self, what: str, name: str, after: int) -> None:
        world = self.world
        link = world.link
        assert link is not None
        end = link.client if name == "client" else link.server
        world.disturbed = True
        if what == "cut soon":
            end.incoming.cut_after = after
        elif what == "stall":
            end.incoming.stalled = True
        elif what == "shut":
            end.shut()
        elif what == "lose":
            world.lose_session()
        elif isinstance(world.client.connection, ClientConnection):
            properties = Properties()
            if what == "end session" and world.version == 5:
                properties = Properties(session_expiry_interval=0)
            connection = world.client.connection
            link.client.tell(connection.disconnect(0, properties, now=world.network.now))

    # What holds.

    @invariant()
    def laws(self) -> None:
        if hasattr(self, "world"):
            self.world.network.settle()
            self.world.check()

    @rule(now=st.sampled_from([False, False, False, True]))
    def heal(self, now: bool) -> None:
        if now:
            self.world.heal()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.heal()


TestLaws = Laws.TestCase
# Three minutes in all in CI, which runs it at each speed; half an hour in "thorough".
TestLaws.settings = settings(stateful_step_count=40, max_examples=6 * settings().max_examples)


# What the machine has found, or would take long to find.


def test_a_new_session_is_stored_before_the_client_is_told_of_it() -> None:
    world = World()
    world.connect(Terms())
    world.network.run_until_quiet()
    assert world.link is not None
    world.link.to_client.stalled = True
    world.client.publish("a", 2, 0, False, None)
    world.network.run_until_quiet()
    assert world.server.stored["received"] == [1]
    world.server.store.delay = inf
    world.connect(Terms(clean_start=True))
    world.network.run_until_quiet()
    assert world.link.client.events == [], "CONNACK waits"
    assert world.client.connection is not None
    assert isinstance(world.client.connection, ClientConnection)
    world.crash("server", keep=False)
    world.heal()
    assert world.server.store.records.count(1) == 1


@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
def test_what_was_not_decided_on_an_earlier_connection_is_answered_first() -> None:
    world = World(client_at_once=False)
    world.connect(Terms(manual=True))
    world.network.run_until_quiet()
    world.server.publish("a", 2, 0, False, None)
    world.network.run_until_quiet()
    assert world.link is not None
    world.link.cut()
    # Now the connection acknowledges by itself, but not what was handed over before.
    world.connect(Terms(manual=False))
    world.network.run_until_quiet()
    world.server.publish("a", 2, 0, False, None)
    world.network.run_until_quiet()
    assert world.client.handed_now == {1: 1, 2: 1}
    assert [message.fate for message in world.messages.values()] == ["open", "open"]
    world.client.acknowledge(0, False)
    world.network.run_until_quiet()
    assert [message.fate for message in world.messages.values()] == ["done", "done"]
    world.heal()
