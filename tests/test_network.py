"""The simulated network: time, bytes, cuts, crashes, and what a store remembers."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto import Connect, Properties, ReasonCode, Will
from mqttproto.protocol import ClientConnection, QueueLimits, ServerConnection, Session
from mqttproto.protocol.events import (
    Connected,
    ConnectionFailed,
    ConnectReceived,
    Disconnected,
    Initiator,
    MessageReceived,
    PingAnswered,
    PublishCompleted,
)
from mqttproto.testing.network import Endpoint, Link, Network, Path, RestlessError, Store


class Recorder:
    """An endpoint that writes down what happens to it, and says what it is told to say."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.log: list[tuple[float, str]] = []
        self.received = b""
        self.output = b""
        self.left: list[str] = []
        self.wants_read = True
        self.finished = False
        self.deadline: float | None = None
        self.commits: list[int] = []

    def _note(self, what: str, now: float) -> Sequence[str]:
        self.log.append((now, what))
        return [what]

    def receive_data(self, data: bytes, now: float) -> Sequence[str]:
        self.received += data
        return self._note(data.decode(), now)

    def receive_eof(self, now: float) -> Sequence[str]:
        return self._note("eof", now)

    def connection_lost(self, now: float) -> Sequence[str]:
        return self._note("lost", now)

    def take_events(self) -> Sequence[str]:
        left, self.left = self.left, []
        return left

    def data_to_send(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def close_expected(self) -> bool:
        return self.finished and not self.output

    def next_deadline(self) -> float | None:
        return self.deadline

    def handle_timeout(self, now: float) -> Sequence[str]:
        self.deadline = None
        return self._note("timeout", now)

    def committed(self, number: int) -> None:
        self.commits.append(number)


def joined(**options: Any) -> tuple[Network, Link, Recorder, Recorder]:
    network = Network()
    client, server = Recorder("client"), Recorder("server")
    return network, network.connect(client, server, **options), client, server


# --- time and bytes --------------------------------------------------------------------------


def test_recorders_and_connections_are_endpoints() -> None:
    endpoints: list[Endpoint] = [Recorder(), ClientConnection(), ServerConnection(now=0.0)]
    assert len(endpoints) == 3


def test_the_clock_stands_where_it_is_told_to() -> None:
    network = Network(now=7.5)
    assert network.now == 7.5
    network.run_until(9.0)
    assert network.now == 9.0
    network.run_until(8.0)
    assert network.now == 9.0, "time does not go back"
    network.run(0.25)
    assert network.now == 9.25
    assert network.next_time() == inf
    assert not network.step()
    with pytest.raises(ValueError, match="finite"):
        network.run_until(inf)


def test_bytes_take_the_latency() -> None:
    network, _, client, server = joined(latency=0.05)
    client.output = b"hello"
    assert network.next_time() == 0.05
    network.run_until(0.04)
    assert server.log == []
    network.run_until(0.05)
    assert server.log == [(0.05, "hello")]
    server.output = b"world"
    network.run_until_quiet()
    assert client.log == [(0.1, "world")]
    assert network.now == 0.1


def test_each_direction_may_have_a_latency_of_its_own() -> None:
    network, link, client, server = joined()
    link.to_server.latency = 0.25
    client.output = b"a"
    server.output = b"b"
    network.run_until_quiet()
    assert client.log == [(0.0, "b")]
    assert server.log == [(0.25, "a")]


def test_no_byte_overtakes_another() -> None:
    latencies = iter([0.5, 0.1, 0.0])
    network, _, client, server = joined(latency=lambda: next(latencies))
    for piece in (b"a", b"b"):
        client.output = piece
        network.settle()
    network.run_until_quiet()
    assert server.log == [(0.5, "ab")]


@pytest.mark.parametrize("latency", [-1.0, float("nan")])
def test_no_latency_is_negative(latency: float) -> None:
    network, _, client, _ = joined(latency=latency)
    client.output = b"a"
    with pytest.raises(ValueError, match="a latency is 0 seconds or more"):
        network.settle()


def test_what_has_arrived_is_handed_over_together_unless_it_is_cut() -> None:
    network, link, client, server = joined()
    for piece in (b"ab", b"cdef"):
        client.output = piece
        link.to_server.stalled = True
        network.settle()
    assert link.to_server.under_way == 6
    link.to_server.stalled = False
    network.run_until_quiet()
    assert [what for _, what in server.log] == ["abcdef"]
    link.to_server.chunk = lambda size: min(size, 4)
    client.output = b"abcdefghi"
    network.run_until_quiet()
    assert [what for _, what in server.log][1:] == ["abcd", "efgh", "i"]
    assert (link.to_server.sent, link.to_server.delivered) == (15, 15)
    assert link.to_server.under_way == 0
    assert repr(link.to_server) == "<Path: 15 bytes sent, 15 delivered>"


@given(data=st.data(), sent=st.lists(st.binary(min_size=1, max_size=20), max_size=8))
def test_bytes_arrive_once_and_in_order_however_they_are_cut(
    data: st.DataObject, sent: list[bytes]
) -> None:
    latencies = st.floats(0.0, 1.0)
    path = Path(
        latency=lambda: data.draw(latencies),
        chunk=lambda size: data.draw(st.integers(1, size)),
    )
    got, now = b"", 0.0
    for piece in sent:
        path.send(piece, now)
    while path.next_arrival(True) != inf:
        now = max(now, path.next_arrival(True))
        chunk = path.take(now)
        assert chunk
        got += chunk
    assert got == b"".join(sent)


@pytest.mark.parametrize("wanted", [0, 6])
def test_a_chunk_has_between_one_byte_and_all(wanted: int) -> None:
    network, _, client, _ = joined(chunk=lambda _: wanted)
    client.output = b"hello"
    with pytest.raises(ValueError, match=f"has 1 to 5 bytes, not {wanted}"):
        network.run_until_quiet()


def test_a_tap_hears_what_is_sent_when_it_is_sent() -> None:
    network, link, client, server = joined(latency=1.0)
    heard: list[bytes] = []
    link.to_server.tap = heard.append
    client.output = b"hello"
    network.settle()
    assert heard == [b"hello"]
    assert server.received == b""


def test_bytes_stay_on_their_way_while_they_are_not_wanted() -> None:
    network, _, client, server = joined()
    server.wants_read = False
    client.output = b"hello"
    network.run_until(5.0)
    assert server.log == []
    network.run_until_quiet()
    server.wants_read = True
    network.run_until_quiet()
    assert server.log == [(5.0, "hello")]


def test_what_is_stalled_does_not_arrive_and_nobody_is_told() -> None:
    network, link, client, server = joined(latency=0.5)
    link.to_server.stalled = True
    client.output = b"hello"
    network.run_until(9.0)
    assert server.log == client.log == []
    link.to_server.stalled = False
    network.run_until_quiet()
    assert server.log == [(9.0, "hello")]


def test_a_run_repeats_exactly() -> None:
    def run() -> list[tuple[float, str]]:
        chance = Random(17)
        network, link, client, server = joined(
            latency=lambda: chance.expovariate(10.0), chunk=lambda size: chance.randint(1, size)
        )
        for number in range(20):
            client.output = b"%d," % number * 5
            network.run(0.01)
        link.cut(to_server=7)
        return server.log

    assert run() == run()


# --- deadlines and events --------------------------------------------------------------------


def test_deadlines_are_kept() -> None:
    network, link, client, _ = joined()
    client.deadline = 3.0
    network.run_until(2.9)
    assert client.log == []
    assert network.next_time() == 3.0
    assert network.step()
    assert client.log == [(3.0, "timeout")]
    assert link.client.events == ["timeout"]


def test_bytes_that_arrive_at_a_deadline_come_first() -> None:
    network, _, client, server = joined(latency=1.0)
    client.output = b"hello"
    server.deadline = 1.0
    network.run_until(1.0)
    assert server.log == [(1.0, "hello"), (1.0, "timeout")]


def test_quiet_does_not_wait_for_deadlines() -> None:
    network, _, client, server = joined(latency=1.0)
    client.output = b"hello"
    server.deadline = 0.5
    client.deadline = 60.0
    network.run_until_quiet()
    assert server.log == [(0.5, "timeout"), (1.0, "hello")]
    assert client.log == []


def test_events_gather_and_are_told_at_once() -> None:
    network, link, client, server = joined()
    told: list[str] = []
    link.server.on_event = told.append
    client.output = b"hello"
    server.left = ["left"]
    network.run_until_quiet()
    assert link.server.events == told == ["left", "hello"]
    link.server.tell(["more"])
    assert link.server.events == told == ["left", "hello", "more"]


def test_what_an_event_causes_leaves_in_the_same_turn() -> None:
    network, link, client, server = joined()

    def answer(event: str) -> None:
        server.output += event.upper().encode()

    link.server.on_event = answer
    client.output = b"hello"
    network.step()
    assert client.received == b""
    network.step()
    assert client.received == b"HELLO"


def test_an_endless_conversation_is_an_error() -> None:
    network = Network(max_steps=100)
    client, server = Recorder(), Recorder()
    link = network.connect(client, server)

    def echo(end: Recorder) -> Callable[[str], None]:
        def say(event: str) -> None:
            end.output += event.encode()

        return say

    link.client.on_event, link.server.on_event = echo(client), echo(server)
    client.output = b"x"
    with pytest.raises(RestlessError, match="after 100 steps"):
        network.run_until(1.0)
    with pytest.raises(RestlessError, match="still something under way"):
        network.run_until_quiet()


def test_quiet_is_not_waited_for_longer_than_it_may_take() -> None:
    network, _, client, _ = joined(latency=10.0)
    client.output = b"x"
    with pytest.raises(RestlessError):
        network.run_until_quiet(limit=9.0)
    network.run_until_quiet(limit=10.0)


def test_a_turn_that_never_ends_is_an_error() -> None:
    network = Network(max_steps=10)
    client = Recorder()
    link = network.connect(client, Recorder())
    link.client.on_event = lambda event: client.left.append(event)
    client.left = ["x"]
    with pytest.raises(RestlessError, match="10 turns"):
        network.settle()


# --- the end of a connection -----------------------------------------------------------------


def test_an_end_that_is_finished_closes_behind_its_bytes() -> None:
    network, link, client, server = joined(latency=0.5)
    client.output = b"bye"
    client.finished = True
    network.run_until_quiet()
    assert server.log == [(0.5, "bye"), (0.5, "eof")]
    assert not link.client.open
    assert link.server.open
    assert network.links == [link]
    server.output = b"nobody is there"
    server.finished = True
    network.run_until_quiet()
    assert client.log == []
    assert not link.open
    assert network.links == []


def test_an_end_of_file_is_told_once() -> None:
    network, link, client, server = joined()
    link.client.shut()
    network.run_until_quiet()
    link.client.shut()
    network.run(10.0)
    assert server.log == [(0.0, "eof")]
    server.output = b"still here"
    network.run_until_quiet()
    assert client.received == b"still here", "the other direction goes on"
    client.output = b"too late"
    network.run_until_quiet()
    assert server.received == b""


def test_a_cut_loses_what_is_under_way() -> None:
    network, link, client, server = joined(latency=1.0)
    client.output = b"hello"
    server.output = b"world"
    network.run(0.5)
    link.cut()
    assert client.log == server.log == [(0.5, "lost")]
    assert link.client.events == link.server.events == ["lost"]
    assert not link.open
    network.run(10.0)
    assert client.log == server.log == [(0.5, "lost")]


@pytest.mark.parametrize("kept", range(6))
def test_a_cut_may_come_at_any_byte(kept: int) -> None:
    network, link, client, server = joined(latency=1.0)
    client.output = b"hello"
    server.output = b"world"
    network.run(0.5)
    link.cut(to_server=kept, to_client=5 - kept)
    assert server.received == b"hello"[:kept]
    assert client.received == b"world"[: 5 - kept]


def test_answers_to_what_still_arrives_are_cut_too() -> None:
    _, link, client, server = joined()

    def answer(event: str) -> None:
        server.output += event.upper().encode()

    link.server.on_event = answer
    client.output = b"hello"
    link.cut(to_server=3, to_client=2)
    assert server.received == b"hel"
    assert client.received == b"HE"


def test_a_cut_takes_bytes_that_were_just_put_out() -> None:
    _, link, client, server = joined()
    client.output = b"hello"
    link.cut(to_server=100)
    assert server.received == b"hello"


@pytest.mark.parametrize("after", [1, 4, 5, 6, 9])
def test_a_cut_may_be_planned(after: int) -> None:
    network, link, client, server = joined(chunk=lambda size: min(size, 3))
    link.to_server.cut_after = after
    for piece in (b"hello", b"abcd"):
        client.output = piece
        network.run(1.0)
    assert server.received == b"helloabcd"[:after]
    assert server.log[-1][1] == client.log[-1][1] == "lost"
    assert not link.open


def test_a_cut_that_is_not_noticed() -> None:
    network, link, client, server = joined()
    link.to_server.cut_after = 100
    server.deadline = 90.0
    link.cut(server_notices=False)
    assert client.log == [(0.0, "lost")]
    client.output = server.output = b"anybody there?"
    network.run_until(89.0)
    assert server.log == []
    assert link.open
    network.run_until(91.0)
    assert server.log == [(90.0, "timeout")]
    assert client.received == b""


# --- crashes ---------------------------------------------------------------------------------


def test_a_crash_ends_all_calls() -> None:
    network, link, client, server = joined(latency=1.0)
    server.output = b"last words"
    client.output = b"hello"
    network.settle()
    network.crash(link.server)
    server.deadline = 2.0
    server.output = b"a ghost"
    server.left = ["boo"]
    network.run_until(5.0)
    assert server.log == []
    assert link.server.events == []
    assert client.log == [(1.0, "last words"), (1.0, "eof")]
    link.cut()
    assert server.log == []
    assert link.server.events == []


def test_events_behind_a_crash_are_told_to_nobody() -> None:
    network, link, _, _ = joined()

    def crash(event: str) -> None:
        assert event == "one"
        network.crash(link.server)

    link.server.on_event = crash
    link.server.tell(["one", "two"])
    assert link.server.events == ["one"]


def test_a_store_takes_all_its_ends_down() -> None:
    network = Network()
    store = Store()
    links = [network.connect(Recorder(), Recorder(), server_store=store) for _ in range(3)]
    other = network.connect(Recorder(), Recorder(), server_store=Store())
    links[0].cut()
    network.crash(store)
    network.run_until_quiet()
    assert [link.server.open for link in links] == [False] * 3
    assert [link.client.open for link in links] == [False, True, True]
    assert other.server.open
    assert links[1].client.events == ["eof"]


def test_only_what_can_be_told_of_commits_has_a_store() -> None:
    class Plain:
        wants_read = True
        receive_data = receive_eof = connection_lost = take_events = data_to_send = None
        close_expected = next_deadline = handle_timeout = None

    endpoint: Any = Plain()
    with pytest.raises(TypeError, match="committed"):
        Network().connect(endpoint, Recorder(), client_store=Store())


# --- stores ----------------------------------------------------------------------------------


def test_records_are_stored_after_the_delay() -> None:
    store = Store(delay=0.5)
    network, _, client, _ = joined(client_store=store)
    number = store.note("one")
    assert (number, store.pending, store.records) == (1, 1, [])
    network.run_until(0.25)
    store.note("two")
    network.run_until(0.5)
    assert store.records == ["one"]
    assert store.expected() == ({}, ["one", "two"])
    assert client.commits == [1]
    network.run_until_quiet()
    assert network.now == 1.0, "one commit at a time"
    assert store.records == ["one", "two"]
    assert client.commits == [1, 2]
    assert store.pending == 0


def test_a_store_without_delay_stores_within_the_turn() -> None:
    store = Store()
    network, _, client, server = joined(client_store=store, server_store=store)
    store.note("one")
    network.settle()
    assert store.records == ["one"]
    assert client.commits == server.commits == [1]
    assert network.now == 0.0


def test_a_store_may_wait_for_a_word() -> None:
    store = Store(delay=inf)
    network, _, client, _ = joined(client_store=store)
    store.note("one")
    store.note("two")
    network.run_until(1_000.0)
    assert store.due == inf
    assert client.commits == []
    assert store.commit() == 2
    assert store.records == ["one", "two"]
    network.settle()
    assert client.commits == [2]
    assert store.commit() == 2


def test_no_delay_is_negative() -> None:
    store = Store(delay=lambda: -1.0)
    store.note("x")
    with pytest.raises(ValueError, match="a delay is 0 seconds or more"):
        store.turn(0.0)


@pytest.mark.parametrize("keep", [False, True])
def test_a_crash_loses_what_is_not_stored(keep: bool) -> None:
    store = Store()
    network, _, _, _ = joined(client_store=store)
    store.note("stored")
    network.settle()
    store.delay = 1.0
    store.note("under way")
    network.settle()
    store.note("behind")
    network.crash(store, keep=keep)
    assert store.records == (["stored", "under way"] if keep else ["stored"])
    assert store.pending == 0
    assert store.note("new") == 1, "a new life begins a new journal"
    network.run(2.0)
    assert store.records[-1] == "new"
    assert repr(store).endswith("records, at rest>")


def test_a_session_comes_back_from_its_store() -> None:
    store = Store()
    session = store.session("c", queue_limits=QueueLimits(5))
    assert session.client_id == "c"
    assert not session.established
    assert session.journal is store.journal
    session.start(60)
    session.suspend(2.0, 60)
    assert store.expected()[0]["c"] == session.export()
    assert store.sessions == {}
    store.turn(2.0)
    assert store.sessions["c"] == session.export()
    store.crash()
    again = store.session("c", queue_limits=QueueLimits(7))
    assert again is not session
    assert again.established
    assert again.export() == session.export()
    assert again.journal is store.journal is not session.journal
    assert again.queue.limits.max_messages == 7
    again.end()
    store.turn(3.0)
    assert store.sessions == {}


def test_a_store_shows_its_state() -> None:
    store = Store(delay=1.0)
    assert repr(store) == "<Store: 0 sessions, 0 records, at rest>"
    store.note("x")
    store.turn(0.0)
    assert repr(store) == "<Store: 0 sessions, 0 records, a commit under way>"


# --- with connections ------------------------------------------------------------------------


class Pair:
    """A client and a server of this library, whose application accepts everything."""

    def __init__(self, network: Network, **options: Any) -> None:
        self.network = network
        self.client = ClientConnection(options.pop("session", None))
        self.server = ServerConnection(now=network.now)
        self.session: Session | None = options.pop("server_session", None)
        self.resume: bool = options.pop("resume", False)
        self.messages: list[bytes] = []
        self.link = network.connect(self.client, self.server, **options)
        self.link.server.on_event = self._serve

    def _serve(self, event: object) -> None:
        now = self.network.now
        if isinstance(event, ConnectReceived):
            self.link.server.tell(
                self.server.accept(self.session, session_present=self.resume, now=now)
            )
        elif isinstance(event, MessageReceived):
            self.messages.append(event.payload)
            self.server.acknowledge(event, now=now)

    def connect(self, connect: Connect) -> None:
        self.client.connect(connect, now=self.network.now)
        self.network.run_until_quiet()


def test_a_message_takes_four_journeys_at_qos_2() -> None:
    network = Network()
    pair = Pair(network, latency=0.05)
    pair.connect(Connect("c"))
    assert network.now == pytest.approx(0.1)
    assert isinstance(pair.link.client.events[0], Connected)
    pair.client.publish("a/b", b"x", 2, now=network.now)
    network.run_until_quiet()
    assert network.now == pytest.approx(0.3)
    assert pair.messages == [b"x"]
    assert isinstance(pair.link.client.events[-1], PublishCompleted)


def test_pings_keep_a_connection_alive() -> None:
    network = Network()
    pair = Pair(network, latency=0.05)
    pair.connect(Connect("c", keep_alive=10))
    network.run_until(100.0)
    answers = [each for each in pair.link.client.events if isinstance(each, PingAnswered)]
    assert len(answers) == 9
    assert answers[0].round_trip == pytest.approx(0.1)


def test_a_server_gives_up_a_client_that_has_vanished() -> None:
    network = Network()
    pair = Pair(network)
    pair.connect(Connect("c", keep_alive=10, will=Will("w", b"gone")))
    pair.link.cut(server_notices=False)
    network.run_until(14.9)
    assert pair.link.server.open
    network.run_until(15.0)
    last = pair.link.server.events[-1]
    assert isinstance(last, ConnectionFailed)
    assert last.reason_code is ReasonCode.KEEP_ALIVE_TIMEOUT
    assert last.publish_will
    assert not pair.link.open


def test_a_disconnect_closes_both_ends() -> None:
    network = Network()
    pair = Pair(network, latency=0.05)
    pair.connect(Connect("c"))
    pair.link.client.tell(pair.client.disconnect(now=network.now))
    network.run_until_quiet()
    for end, by in ((pair.link.client, Initiator.LOCAL), (pair.link.server, Initiator.PEER)):
        assert isinstance(end.events[-1], Disconnected)
        assert end.events[-1].by is by
    assert network.links == []


@pytest.mark.parametrize("stored", [False, True])
def test_bytes_wait_for_the_commit_of_their_changes(stored: bool) -> None:
    network = Network()
    store = Store(delay=inf)
    properties = Properties(session_expiry_interval=60)
    pair = Pair(network, session=store.session("c"), client_store=store)
    pair.connect(Connect("c", properties=properties))
    sent = pair.link.to_server.sent
    pair.client.publish("a", b"x", 2, now=network.now)
    network.run_until_quiet()
    assert pair.link.to_server.sent == sent
    network.crash(store, keep=stored)
    network.run_until_quiet()
    assert pair.messages == []
    assert (store.sessions != {}) is stored


def test_a_crash_loses_no_message_in_flight() -> None:
    network = Network()
    ours, theirs = Store(), Store()
    properties = Properties(session_expiry_interval=60)
    first = Pair(
        network,
        session=ours.session("c"),
        server_session=theirs.session("c"),
        client_store=ours,
        server_store=theirs,
        latency=0.1,
    )
    first.connect(Connect("c", properties=properties))
    first.client.publish("a", b"x", 2, now=network.now)
    network.run(0.15)
    assert first.messages == [b"x"]
    network.crash(ours)
    network.crash(theirs)
    assert not first.link.open
    second = Pair(
        network,
        session=ours.session("c"),
        server_session=theirs.session("c"),
        client_store=ours,
        server_store=theirs,
        latency=0.1,
        resume=True,
    )
    second.connect(Connect("c", clean_start=False, properties=properties))
    assert second.messages == [], "the server had stored that it has it"
    assert isinstance(second.link.client.events[-1], PublishCompleted)
    assert ours.sessions["c"]["in_flight"] == []
    assert theirs.sessions["c"]["received"] == []
    assert repr(network) == f"<Network at {network.now} s, 1 links>"
    assert "open" in repr(second.link)


def test_importing_the_network_needs_no_hypothesis() -> None:
    program = "import sys, mqttproto.testing.network; print('hypothesis' in sys.modules)"
    command = [sys.executable, "-P", "-c", program]
    assert subprocess.run(command, check=True, capture_output=True).stdout.strip() == b"False"
