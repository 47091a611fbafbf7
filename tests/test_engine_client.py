"""The client that a person uses, what it waits for, and its options, without an event loop."""

import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine_stage import VERSIONS, Cancelled, Stage, Task, pending, staged
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect, Disconnect
from mqttproto.codec.publish import PubAck, Publish
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ProtocolVersion, QoS, ReasonCode, RetainHandling
from mqttproto.engine.client import Messages
from mqttproto.engine.completion import Completion, Waiters
from mqttproto.engine.events import Offline, Online, Reconnecting
from mqttproto.engine.greeting import Greeting
from mqttproto.engine.inbox import InboxLimits
from mqttproto.engine.options import Options, with_options
from mqttproto.engine.running import keep, run
from mqttproto.errors import (
    ClientClosedError,
    InvalidValueError,
    LocalProtocolError,
    QueueFullError,
    SubscribeRefusedError,
    TransportError,
)
from mqttproto.protocol import QueueLimits, ServerConnection, Session
from mqttproto.protocol.events import Event, MessageReceived, SubscribeReceived
from mqttproto.transport.url import parse_url

# Completions.


def test_a_completion_calls_whoever_waits_once() -> None:
    completion = Completion()
    called: list[int] = []
    callbacks = [lambda number=number: called.append(number) for number in range(5)]
    for each in callbacks[:4]:
        completion.then(each)
    completion.forget(callbacks[0])
    completion.forget(callbacks[2])
    completion.forget(callbacks[4])
    completion.then(callbacks[4])
    completion.finish()
    completion.finish(ValueError())
    assert sorted(called) == [1, 3, 4]
    completion.check()
    completion.then(callbacks[0])
    assert called[-1] == 0


def test_a_completion_has_an_error_or_none() -> None:
    completion = Completion()
    completion.check()
    completion.forget(completion.finish)
    completion.finish(ValueError("so"))
    with pytest.raises(ValueError, match="so"):
        completion.check()


def test_waiters_are_woken_once_for_each_time() -> None:
    waiters = Waiters()
    waiters.wake()
    first = waiters.next()
    assert waiters.next() is first
    waiters.wake()
    assert first.done
    assert first.error is None
    assert waiters.next() is not first


# Options.


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"mqtt_version": 6}, "mqtt_version"),
        ({"mqtt_version": "5"}, "mqtt_version"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"ping_timeout": float("nan")}, "ping_timeout"),
        ({"drain_timeout": -1}, "drain_timeout"),
        ({"drain_timeout": float("nan")}, "drain_timeout"),
        ({"credentials": lambda: ("a", "b"), "user_name": "a"}, "credentials"),
        ({"credentials": lambda: ("a", "b"), "password": "b"}, "credentials"),
        ({"properties": Properties(authentication_method="m")}, "authenticator"),
        ({"properties": Properties(authentication_data=b"d")}, "authenticator"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidValueError, match=name):
        Options(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"keep_alive": 65_536},
        {"client_id": "\0"},
        {"receive_maximum": 0},
        {"session_expiry_interval": -1},
        {"max_in_flight": 0},
        {"max_packet_size": 0},
        {"reconnect_min": 0.0},
        {"user_name": "a\0"},
        {"mqtt_version": 4, "properties": Properties(receive_maximum=5)},
        {"mqtt_version": 3, "client_id": "more than 23 characters long"},
        {"mqtt_version": 4, "password": "without a name"},
    ],
)
def test_what_no_server_could_be_told_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Stage(**options)


def test_options_are_taken_by_their_keywords() -> None:
    @with_options(Options)
    def connect(target: str, options: Options) -> tuple[str, Options]:
        """Connect."""
        return target, options

    assert connect("x", client_id="c") == ("x", Options(client_id="c"))
    assert connect.__name__ == "connect"
    assert connect.__doc__ == "Connect."
    parameters = inspect.signature(connect).parameters
    assert list(parameters) == ["target", *inspect.signature(Options).parameters]
    assert parameters["keep_alive"].default == 60
    assert parameters["keep_alive"].kind is inspect.Parameter.KEYWORD_ONLY
    with pytest.raises(TypeError):
        connect("x", nonsense=1)  # type: ignore[call-arg]


# What CONNECT says.


def greeting(version: int, first: bool = True, known: bool = True, **options: Any) -> Connect:
    made = Greeting(Options(mqtt_version=version, **options), "token")
    return made.connect(ProtocolVersion(version), None, "c", (None, None), first, None, known)


SESSION = Session("c")


@pytest.mark.parametrize(
    ("version", "options", "first", "later", "interval"),
    [
        (3, {}, True, True, None),
        (4, {}, True, True, None),
        (4, {"clean_start": False}, False, False, None),
        (4, {"clean_start": True, "session": SESSION}, True, True, None),
        (4, {"session": SESSION}, False, False, None),
        (5, {}, True, False, 3_600),
        (5, {"clean_start": False}, False, False, 3_600),
        (5, {"session": SESSION}, False, False, 86_400),
        (5, {"session": SESSION, "clean_start": True}, True, False, 86_400),
        (5, {"session_expiry_interval": 7}, True, False, 7),
        (5, {"session_expiry_interval": 0}, True, True, None),
        (5, {"session_expiry_interval": 0, "clean_start": False}, False, True, None),
    ],
)
def test_the_first_connection_may_begin_anew_and_later_ones_resume(
    version: int, options: dict[str, Any], first: bool, later: bool, interval: int | None
) -> None:
    packet = greeting(version, **options)
    assert packet.clean_start == first
    assert packet.properties.session_expiry_interval == interval
    assert greeting(version, False, **options).clean_start == later


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_nobody_knows_is_not_resumed_in_5(version: int) -> None:
    assert greeting(version, known=False, session=SESSION).clean_start == (version == 5)
    assert not greeting(version, known=False, clean_start=False).clean_start


def test_connect_says_what_this_end_takes() -> None:
    packet = greeting(5, receive_maximum=7, properties=Properties(topic_alias_maximum=3))
    assert packet.properties == Properties(
        session_expiry_interval=3_600, receive_maximum=7, topic_alias_maximum=3
    )
    assert greeting(4, receive_maximum=7).properties == EMPTY


def test_credentials_of_the_url_are_used_where_there_are_no_others() -> None:
    with staged("mqtt://me:secret@one") as stage:
        (connect,) = stage.packets(Connect)
        assert (connect.user_name, connect.password) == ("me", b"secret")
    with staged("mqtt://me:secret@one", user_name="you") as stage:
        (connect,) = stage.packets(Connect)
        assert (connect.user_name, connect.password) == ("you", None)


# The client.


def test_a_client_shows_what_it_is() -> None:
    stage = Stage(client_id="c")
    client = stage.client
    assert repr(client) == "<Client 'c': offline>"
    with stage.start():
        assert repr(client) == "<Client 'c': online>"
        assert [client.connected] == [True]
        assert client.client_id == "c"
        assert client.version == 5
        assert client.limits == stage.engine.limits
        assert client.session is stage.engine.session
        stage.run(client.disconnect(ReasonCode.DISCONNECT_WITH_WILL_MESSAGE))
        assert repr(client) == "<Client 'c': closed>"
        (farewell,) = stage.packets(Disconnect)
        assert farewell.reason_code == ReasonCode.DISCONNECT_WITH_WILL_MESSAGE


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_publish_returns_what_the_server_says(version: int, qos: int) -> None:
    with staged(mqtt_version=version) as stage:
        code = stage.run(stage.client.publish("a", "x", qos))
        assert code == (ReasonCode.NO_MATCHING_SUBSCRIBERS if version == 5 and qos else 0)
        assert [(each.topic, each.payload, each.qos) for each in stage.received] == [
            ("a", b"x", qos)
        ]


def test_publish_waits_for_the_network() -> None:
    with staged() as stage:
        stage.engine.block()
        task = stage.spawn(stage.client.publish("a"))
        assert pending(task)
        stage.engine.unblock()
        stage.settle()
        assert task.result == 0


def test_publish_waits_for_room_in_the_queue() -> None:
    with staged(queue_limits=QueueLimits(1), max_in_flight=1) as stage:
        stage.hold()
        tasks = [stage.spawn(stage.client.publish(f"{number}", qos=1)) for number in range(6)]
        with pytest.raises(QueueFullError):
            stage.client.publish_nowait("x", qos=1)
        assert [each.topic for each in stage.received] == ["0"]
        stage.release()
        assert all(each.done for each in tasks)
        assert {each.topic for each in stage.received} == set("012345")


def test_whoever_waits_for_room_hears_of_the_end() -> None:
    with staged(queue_limits=QueueLimits(1), max_in_flight=1) as stage:
        stage.hold()
        tasks = [stage.spawn(stage.client.publish(f"{number}", qos=1)) for number in range(4)]
        stage.engine.close_now(stage.time)
        stage.settle()
        assert all(each.error is not None for each in tasks)
        with pytest.raises(ClientClosedError):
            _ = tasks[3].result


def test_publish_nowait_gives_a_handle_to_wait_with() -> None:
    with staged() as stage:
        zero = stage.client.publish_nowait("a")
        assert zero.done
        assert stage.run(zero.wait()) == 0
        stage.hold()
        one = stage.client.publish_nowait("a", qos=1)
        task = stage.spawn(one.wait())
        assert pending(task)
        stage.release()
        assert task.result == 0


def test_a_publish_that_is_cancelled_goes_its_way() -> None:
    with staged() as stage:
        stage.hold()
        task = stage.spawn(stage.client.publish("a", qos=1))
        task.cancel()
        with pytest.raises(Cancelled):
            _ = task.result
        stage.release()
        assert stage.engine.session.in_flight == 0
        assert stage.run(stage.client.publish("b", qos=1)) is not None


def test_publish_many_takes_messages_pairs_and_streams() -> None:
    async def stream() -> AsyncIterator[Publish | tuple[str, str]]:
        yield Publish("a", b"1", 2)
        yield "b", "2"

    with staged() as stage:
        assert stage.run(stage.client.publish_many(stream(), qos=1, retain=True)) == 2
        pairs: list[Publish | tuple[str, str | bytes]] = [Publish("c"), ("d", b"4"), ("e", "5")]
        assert stage.run(stage.client.publish_many(pairs, qos=1)) == 3
        assert [(each.topic, each.payload, each.qos, each.retain) for each in stage.received] == [
            ("a", b"1", 2, False),
            ("b", b"2", 1, True),
            ("c", b"", 0, False),
            ("d", b"4", 1, False),
            ("e", b"5", 1, False),
        ]


def test_a_stream_that_fails_is_not_drawn_further() -> None:
    drawn: list[int] = []

    async def stream() -> AsyncIterator[tuple[str, str]]:
        for number in range(10):
            drawn.append(number)
            yield f"t/{number}", ""

    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, MessageReceived) or event.topic != "t/2":
            return False
        server.acknowledge(event, ReasonCode.QUOTA_EXCEEDED, now=now)
        return True

    with staged() as stage:
        stage.script = refuse
        task = stage.spawn(stage.client.publish_many(stream(), qos=1, window=1))
        with pytest.raises(Exception, match="quota"):
            _ = task.result
        assert drawn == [0, 1, 2]


def test_subscribing_says_what_was_granted() -> None:
    with staged() as stage:
        client = stage.client
        assert stage.run(client.subscribe("a")) == [0]
        several: list[str | Subscription] = [Subscription("b", QoS.EXACTLY_ONCE), "c"]
        assert stage.run(client.subscribe(several, 1, retain_handling=2)) == [2, 1]
        first, second = stage.packets(Subscribe)
        assert first.subscriptions == [Subscription("a")]
        assert second.subscriptions[1].retain_handling is RetainHandling.DO_NOT_SEND
        assert stage.run(client.unsubscribe("a")) == [0]
        assert stage.run(client.unsubscribe(["b", "x"])) == [0, 0x11]


async def collect(messages: Messages, into: list[str]) -> None:
    """Take messages to the end."""
    async for each in messages:
        into += [each.topic]


def test_messages_come_as_long_as_the_client_lives() -> None:
    with staged() as stage:
        found: list[str] = []
        messages = stage.client.messages()
        stage.say("a", b"", 1)
        assert len(messages) == 1
        task = stage.spawn(collect(messages, found))
        stage.say("b")
        assert pending(task)
        assert found == ["a", "b"]
        stage.engine.close_now(stage.time)
        stage.settle()
        assert task.done
        assert task.error is None
        assert messages.dropped == 0


def test_messages_end_with_the_reason_of_the_client() -> None:
    with staged(reconnect=False) as stage:
        task = stage.spawn(collect(stage.client.messages(), []))
        stage.cut()
        stage.settle()
        with pytest.raises(ClientClosedError, match="without a word"):
            _ = task.result


def subscribed(stage: Stage, *filters: str, found: list[str], **options: Any) -> Task[None]:
    """Take one message of a subscription, and leave it."""

    async def one() -> None:
        async with stage.client.subscription(filters, 1, **options) as messages:
            async for message in messages:
                found.append(message.topic)
                break

    return stage.spawn(one())


def test_a_subscription_lasts_as_long_as_its_context() -> None:
    with staged() as stage:
        found: list[str] = []
        task = subscribed(stage, "a", "b", found=found, limits=InboxLimits(3))
        stage.publish("b")
        assert task.done
        assert task.error is None
        assert found == ["b"]
        (packet,) = stage.packets(Unsubscribe)
        assert packet.topic_filters == ["a", "b"]
        assert len(stage.engine._subscriptions) == 0
        assert stage.engine._inboxes == [stage.engine.general]


def test_a_subscription_may_be_left_offline() -> None:
    with staged() as stage:
        found: list[str] = []
        task = subscribed(stage, "a", found=found)
        stage.say("a")
        assert task.done
        task = subscribed(stage, "b", found=found)
        stage.connection.send(Publish("b"), now=stage.time)
        stage._carry()
        stage.cut()
        stage.settle()
        assert task.done


def test_a_subscription_that_is_refused_leaves_nothing() -> None:
    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, SubscribeReceived):
            return False
        codes = [ReasonCode.GRANTED_QOS_1, ReasonCode.NOT_AUTHORIZED]
        server.answer_subscribe(event.packet, codes, now=now)
        return True

    with staged() as stage:
        stage.script = refuse
        task = subscribed(stage, "a", "b", found=[])
        with pytest.raises(SubscribeRefusedError):
            _ = task.result
        assert [each.topic_filters for each in stage.packets(Unsubscribe)] == [["a"]]
        assert len(stage.engine._subscriptions) == 0


@pytest.mark.parametrize("online", [False, True])
def test_a_subscription_that_is_cancelled_leaves_nothing(online: bool) -> None:
    with staged() as stage:
        if not online:
            stage.cut()
        task = subscribed(stage, "a", found=[])
        assert pending(task)
        task.cancel()
        assert isinstance(task.error, Cancelled)
        stage.pass_time(1)
        assert len(stage.packets(Unsubscribe)) == online
        assert len(stage.engine._subscriptions) == 0
        assert len(stage.engine.session.outbound) == 0


def test_messages_are_acknowledged_as_the_application_says() -> None:
    with staged(manual_acknowledgement=True) as stage:
        stage.say("a", b"", 1)
        message = stage.take()
        assert message is not None
        stage.client.acknowledge(message)
        with pytest.raises(LocalProtocolError):
            stage.client.acknowledge(message)
        stage.settle()
        assert len(stage.packets(PubAck)) == 1


def test_a_ping_takes_its_time() -> None:
    with staged() as stage:
        assert stage.run(stage.client.ping()) == 0.0
        stage.cut()
        with pytest.raises(TransportError):
            stage.run(stage.client.ping())
        with pytest.raises(TransportError):
            stage.client.reauthenticate()


def test_events_are_told_from_the_beginning_to_the_end() -> None:
    with staged() as stage:
        found: list[type] = []
        note = found.append

        async def listen() -> None:
            async for each in stage.client.events():
                note(type(each))

        task = stage.spawn(listen())
        assert found == [Online]
        stage.cut()
        stage.pass_time(1)
        assert found == [Online, Offline, Reconnecting, Online]
        stage.engine.close_now(stage.time)
        stage.settle()
        assert task.done
        assert found[4:] == [Offline]


def test_not_all_events_are_kept() -> None:
    with staged(reconnect_max=0.5) as stage:
        for _ in range(500):
            stage.cut()
            stage.pass_time(1)
        assert len(stage.events()) == 1_000


# Running.


class Adapter:
    """An adapter of nothing: it takes what the engine asks for down, and never waits."""

    def __init__(self, wrong: BaseException | None = None) -> None:
        self.log: list[str] = []
        self.wrong = wrong
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    async def wait(self, completion: Completion, until: float | None = None) -> None:
        assert until is not None or completion.done
        self.log.append("wait")
        self.time = max(self.time, until or 0.0)

    async def in_thread(self, call: Any) -> Any:
        return call()

    async def dial(self, place: Any, timeout: float) -> None:
        self.log.append(f"dial {place} {timeout}")
        if self.wrong is not None:
            raise self.wrong

    async def carry(self) -> None:
        self.log.append("carry")


def finished(coroutine: Any) -> None:
    """Run what never waits."""
    task = Task[None](coroutine)
    assert task.turn(0.0)
    _ = task.result


def test_running_goes_on_until_the_client_has_ended() -> None:
    adapter = Adapter(TransportError("so"))
    engine = Stage(retry_first=True).engine
    wait = adapter.wait

    async def twice(completion: Completion, until: float | None = None) -> None:
        await wait(completion, until)
        if len(adapter.log) == 4:
            engine.close_now(0.0)

    adapter.wait = twice  # type: ignore[method-assign]
    finished(run(engine, adapter))
    assert adapter.log == ["dial mqtt://one:1883 30.0", "wait"] * 2
    finished(run(engine, adapter))
    assert len(adapter.log) == 4


def test_what_is_wrong_with_the_adapter_is_not_the_engines_business() -> None:
    with pytest.raises(ZeroDivisionError):
        finished(run(Stage().engine, Adapter(ZeroDivisionError())))


def test_a_connection_is_carried_to_its_end() -> None:
    adapter = Adapter()
    engine = Stage().engine
    carry = adapter.carry

    async def end() -> None:
        await carry()
        assert engine.data_to_send()[:1] == b"\x10"
        engine.connection_lost(adapter.time)

    adapter.carry = end  # type: ignore[method-assign]
    finished(run(engine, adapter))
    assert adapter.log == ["dial mqtt://one:1883 30.0", "carry"]
    assert engine.closed


def test_keeping_ends_with_the_client() -> None:
    class Shelf:
        def load(self, now: float, wall: float) -> None:
            raise NotImplementedError

        commit = load
        close = load

    engine = Stage(session=Shelf()).engine
    engine.close_now(0.0)
    assert engine.store is not None
    finished(keep(engine, Adapter(), engine.store))


def test_an_address_may_be_one_of_several() -> None:
    engine = Stage("mqtt://one", "mqtt://two").engine
    engine.dial_failed(OSError(), 0.0)
    step: Any = engine.next_step(0.0)
    assert step.place == parse_url("mqtt://two")
