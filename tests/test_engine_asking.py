"""What a client engine has asked for: what is asked again, what is not, and who hears of it."""

from itertools import pairwise

import pytest

from engine_stage import Script, Stage, Task, pending, staged
from mqttproto.cli.hub.hub import Hub
from mqttproto.codec.block import EMPTY
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscribe, Unsubscribe
from mqttproto.constants import ReasonCode
from mqttproto.engine.life import Life
from mqttproto.engine.options import Options
from mqttproto.engine.verdicts import Verdict
from mqttproto.errors import (
    InvalidValueError,
    PublishRefusedError,
    RequestTimeoutError,
    SubscribeRefusedError,
)
from mqttproto.protocol import ServerConnection
from mqttproto.protocol.events import (
    Event,
    MessageReceived,
    SubscribeReceived,
    UnsubscribeReceived,
)
from mqttproto.transport.url import parse_url


class Reader:
    """Somebody who subscribes, and reads to the end."""

    def __init__(self, stage: Stage, *topic_filters: str) -> None:
        self.found: list[str] = []
        self.inside = False
        self._stage = stage
        self._filters = topic_filters
        self.task: Task[None] = stage.spawn(self._read())

    async def _read(self) -> None:
        async with self._stage.client.subscription(self._filters, 1) as messages:
            self.inside = True
            async for message in messages:
                self.found.append(message.topic)


def refusing() -> Script:
    """A server that refuses each SUBSCRIBE."""

    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, SubscribeReceived):
            return False
        codes = [ReasonCode.NOT_AUTHORIZED] * len(event.packet.subscriptions)
        server.answer_subscribe(event.packet, codes, now=now)
        return True

    return refuse


def deaf(_: ServerConnection, event: Event, __: float) -> bool:
    """A server that does not answer SUBSCRIBE and UNSUBSCRIBE."""
    return isinstance(event, (SubscribeReceived, UnsubscribeReceived))


def come_back(stage: Stage) -> None:
    """Let the servers be there again, and the client find them."""
    stage.down = set()
    while not stage.online:
        stage.pass_time(0.1)


# Subscriptions.


@pytest.mark.parametrize("version", [4, 5])
def test_whoever_gives_up_offline_takes_no_subscription_of_others_away(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        first = Reader(stage, "a/#")
        assert first.inside
        stage.down = {"one"}
        stage.lose_sessions()
        second = Reader(stage, "a/#")
        stage.pass_time(1)
        assert not second.inside
        second.task.cancel()
        stage.sent.clear()
        come_back(stage)
        (packet,) = stage.packets(Subscribe)
        assert [each.topic_filter for each in packet.subscriptions] == ["a/#"]
        assert stage.packets(Unsubscribe) == []
        stage.publish("a/1")
        assert first.found == ["a/1"]
        assert pending(first.task)


def test_a_second_subscribe_that_is_refused_leaves_the_first_in_force() -> None:
    with staged() as stage:
        first = Reader(stage, "a/#")
        stage.script = refusing()
        second = Reader(stage, "a/#")
        with pytest.raises(SubscribeRefusedError):
            _ = second.task.result
        stage.script = None
        assert stage.packets(Unsubscribe) == []
        stage.publish("a/1")
        assert first.found == ["a/1"]
        assert len(stage.engine.general) == 0


def test_a_subscribe_without_a_reader_that_is_refused_leaves_the_reader_alone() -> None:
    with staged() as stage:
        reader = Reader(stage, "a/#")
        stage.script = refusing()
        with pytest.raises(SubscribeRefusedError):
            stage.subscribe("a/#").check()
        stage.script = None
        stage.publish("a/1")
        assert reader.found == ["a/1"]
        assert len(stage.engine.general) == 0


def test_a_reader_who_is_refused_leaves_what_nobody_reads_in_force() -> None:
    with staged() as stage:
        stage.subscribe("a/#")
        stage.script = refusing()
        reader = Reader(stage, "a/#")
        with pytest.raises(SubscribeRefusedError):
            _ = reader.task.result
        stage.script = None
        assert stage.packets(Unsubscribe) == []
        stage.publish("a/1")
        assert stage.take_all() == ["a/1"]


def test_a_loop_ends_when_its_filter_is_unsubscribed() -> None:
    with staged() as stage:
        reader = Reader(stage, "a/#")
        other = Reader(stage, "b")
        stage.publish("a/1")
        stage.run(stage.client.unsubscribe("a/#"))
        assert reader.task.done
        assert reader.task.error is None
        assert reader.found == ["a/1"]
        assert pending(other.task)


def test_a_loop_ends_with_the_last_of_its_filters() -> None:
    with staged() as stage:
        reader = Reader(stage, "a", "b")
        stage.run(stage.client.unsubscribe("a"))
        assert pending(reader.task)
        stage.publish("b")
        stage.run(stage.client.unsubscribe("b"))
        assert reader.task.done
        assert reader.task.error is None
        assert reader.found == ["b"]


def test_a_loop_goes_on_when_its_filter_is_subscribed_to_again_meanwhile() -> None:
    with staged() as stage:
        reader = Reader(stage, "a")
        stage.engine.unsubscribe(["a"], EMPTY, stage.time)
        # It leaves together with UNSUBSCRIBE, before that is answered.
        stage.subscribe("a")
        assert len(stage.packets(Unsubscribe)) == 1
        stage.publish("a")
        assert pending(reader.task)
        assert reader.found == ["a"]


def test_to_leave_a_subscription_does_not_wait_for_the_next_connection() -> None:
    with staged(clean_start=False, client_id="c") as stage:

        async def one() -> None:
            async with stage.client.subscription("a", 1) as messages:
                await anext(messages)

        task = stage.spawn(one())
        stage.script = deaf
        stage.publish("a")
        assert len(stage.packets(Unsubscribe)) == 1
        assert pending(task)
        stage.down = {"one"}
        stage.cut()
        stage.settle()
        assert task.done
        assert task.error is None
        # The server hears of it all the same.
        stage.script = None
        stage.sent.clear()
        come_back(stage)
        (packet,) = stage.packets(Unsubscribe)
        assert packet.topic_filters == ["a"]
        assert stage.packets(Subscribe) == []


def test_whoever_unsubscribes_waits_for_the_next_connection() -> None:
    with staged(clean_start=False, client_id="c") as stage:
        stage.subscribe("a")
        stage.script = deaf
        task = stage.spawn(stage.client.unsubscribe("a"))
        stage.cut()
        stage.settle()
        assert pending(task)
        stage.script = None
        come_back(stage)
        assert task.done
        assert task.error is None


# The end.


def test_to_end_offline_does_not_wait_for_what_nobody_wants_any_more() -> None:
    with staged() as stage:
        stage.down = {"one"}
        stage.cut()
        reader = Reader(stage, "z/#")
        reader.task.cancel()
        stage.engine.close(stage.time, 30)
        stage.settle()
        assert stage.engine.stopped.done


def test_to_end_offline_waits_for_what_somebody_wants() -> None:
    with staged() as stage:
        stage.down = {"one"}
        stage.cut()
        task = stage.spawn(stage.client.subscribe("z/#"))
        stage.engine.close(stage.time, 30)
        stage.settle()
        assert pending(stage.engine.stopped)
        stage.down = set()
        stage.pass_time(25)
        assert task.done
        assert stage.engine.stopped.done


# Requests.


def test_a_request_that_is_refused_raises_at_once() -> None:
    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if isinstance(event, MessageReceived):
            server.acknowledge(event, ReasonCode.NOT_AUTHORIZED, now=now)
            return True
        return False

    with staged() as stage:
        stage.script = refuse
        before = stage.time
        for _ in range(2):
            with pytest.raises(PublishRefusedError):
                stage.run(stage.client.request("question", timeout=3))
        assert stage.time == before
        assert len(stage.packets(Publish)) == 2


def test_a_request_that_cannot_be_sent_leaves_nothing() -> None:
    with staged() as stage:
        with pytest.raises(InvalidValueError):
            stage.run(stage.client.request("no/#"))
        assert stage.packets(Publish) == []


@pytest.mark.parametrize("online", [True, False])
def test_a_response_topic_that_is_not_granted_in_time_is_not_waited_for(online: bool) -> None:
    with staged() as stage:
        stage.script = deaf
        if not online:
            stage.down = {"one"}
            stage.cut()
        task = stage.spawn(stage.client.request("question", timeout=3))
        stage.pass_time(2.9)
        assert pending(task)
        stage.pass_time(0.2)
        with pytest.raises(RequestTimeoutError):
            _ = task.result
        # Nobody would wait for the response.
        assert stage.packets(Publish) == []


# Connections that do not last.


def gaps(stage: Stage) -> list[float]:
    """The seconds between attempts to connect, since the last look."""
    times = [time for time, _ in stage.dialed]
    del stage.dialed[:-1]
    return [after - before for before, after in pairwise(times)]


def test_a_server_that_lets_in_and_drops_is_asked_ever_less_often() -> None:
    with staged(reconnect_min=1, reconnect_max=20) as stage:
        for _ in range(8):
            stage.cut()
            come_back(stage)
        assert gaps(stage) == pytest.approx([0.5, 1, 2, 4, 8, 10, 10, 10], abs=0.2)
        # One that lasts makes up for it.
        stage.pass_time(100)
        stage.dialed.clear()
        lost = stage.time
        stage.cut()
        come_back(stage)
        ((again, _),) = stage.dialed
        assert again - lost == pytest.approx(0.5)


def test_a_brief_connection_counts_as_a_failure() -> None:
    options = Options(reconnect_min=1, reconnect_max=1_000)
    life = Life([parse_url("mqtt://one")], options, lambda: 1.0)
    delays = []
    for number in range(8):
        life.up()
        assert life.settling == min(2.0**number, 64)
        assert life.down(Verdict.RETRY, brief=True)
        delays.append(life.delay)
    assert delays == [2.0**number for number in range(8)]
    life.up()
    assert life.down(Verdict.RETRY)
    assert life.delay == 1


@pytest.mark.parametrize("given", [[("Authorization", "Bearer x")], ()])
def test_headers_may_be_an_iterator(given: list[tuple[str, str]]) -> None:
    options = Options(websocket_headers=(each for each in given))
    for _ in range(2):
        assert list(options.websocket_headers) == list(given)


def test_a_session_that_is_lost_each_time_is_made_anew_each_time() -> None:
    with staged() as stage:
        reader = Reader(stage, "a")
        for number in range(3):
            stage.cut()
            stage.hub = Hub()
            come_back(stage)
            stage.publish("a", payload=b"%d" % number)
        assert reader.found == ["a"] * 3
