"""What a client says while its connection lasts, and the answers: the same for every adapter."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from clients_stage import PATIENCE, QUICK, Stage, every_qos, every_version, on_every_loop
from mqttproto import (
    ClientClosedError,
    InvalidTopicError,
    InvalidValueError,
    LimitError,
    MessageDroppedError,
    Properties,
    ProtocolVersion,
    Publish,
    QueueFullError,
    ReasonCode,
    RequestTimeoutError,
    TransportError,
    Will,
)
from mqttproto.engine.client import Client
from mqttproto.engine.events import Offline, Online
from mqttproto.protocol import Qos0, QueueLimits

# --- publishing --------------------------------------------------------------------------------


@on_every_loop
@every_version
@every_qos
async def test_what_is_published_arrives(stage: Stage, version: int, qos: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        assert client.connected
        assert client.version is ProtocolVersion(version)
        assert await client.subscribe("plant/+/temp", qos=2) == [2]
        code = await client.publish("plant/7/temp", b"21.5", qos=qos)
        assert code is ReasonCode.SUCCESS
        [message] = await stage.take(client.messages(), 1)
        assert (message.topic, message.payload, message.qos) == ("plant/7/temp", b"21.5", qos)
    assert repr(client) == f"<Client {client.client_id!r}: closed>"


@on_every_loop
async def test_the_answer_of_the_server_is_returned(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        assert await client.publish("nobody", b"", qos=1) is ReasonCode.NO_MATCHING_SUBSCRIBERS
        assert await client.publish("nobody", b"", qos=2) is ReasonCode.NO_MATCHING_SUBSCRIBERS
        assert await client.publish("nobody", b"", qos=0) is ReasonCode.SUCCESS


@on_every_loop
async def test_text_and_properties_are_sent(stage: Stage) -> None:
    properties = Properties(content_type="text/plain", user_properties=[("a", "b")])
    async with stage.connect(stage.url) as client:
        await client.subscribe("a")
        await client.publish("a", "grüße", properties=properties)
        [message] = await stage.take(client.messages(), 1)
        assert message.payload == "grüße".encode()
        assert message.properties.content_type == "text/plain"
        assert message.properties.user_properties == (("a", "b"),)


@on_every_loop
@every_qos
async def test_a_handle_tells_what_becomes_of_a_message(stage: Stage, qos: int) -> None:
    async with stage.connect(stage.url) as client:
        handle = client.publish_nowait("a", b"x", qos=qos)
        assert handle.done == (qos == 0)
        code = await handle.wait()
        expected = ReasonCode.NO_MATCHING_SUBSCRIBERS if qos else ReasonCode.SUCCESS
        assert code is handle.reason_code is expected
        assert await handle.wait() is expected
        assert handle.error is None


@on_every_loop
async def test_messages_keep_their_order_whoever_sends_them(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        await client.subscribe("a", qos=2)

        async def send(qos: int) -> None:
            for number in range(50):
                await client.publish("a", f"{qos} {number}", qos=qos)

        await stage.together(*(partial(send, qos) for qos in (0, 1, 2)))
        texts = [each.payload.decode() for each in await stage.take(client.messages(), 150)]
        for qos in "012":
            own = [text for text in texts if text.startswith(qos)]
            assert own == [f"{qos} {number}" for number in range(50)]


@on_every_loop
@pytest.mark.parametrize("call", ["publish", "publish_nowait"])
async def test_what_must_not_be_sent_is_refused_at_once(stage: Stage, call: str) -> None:
    async def publish(*arguments: Any, **options: Any) -> None:
        answer = getattr(client, call)(*arguments, **options)
        if call == "publish":
            await answer

    async with stage.connect(stage.url, mqtt_version=4) as client:
        with pytest.raises(InvalidTopicError):
            await publish("a/#", b"")
        with pytest.raises(InvalidValueError):
            await publish("a", b"", properties=Properties(content_type="x"))
        with pytest.raises(ValueError, match="3"):
            await publish("a", b"", qos=3)
        assert await client.publish("a", b"", qos=1) == 0


@on_every_loop
async def test_nothing_is_asked_of_a_client_that_has_ended(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        messages = client.messages()
    for call in (
        partial(client.publish, "a"),
        partial(client.publish_many, [("a", b"")]),
        partial(client.subscribe, "a"),
        partial(client.unsubscribe, "a"),
        partial(client.request, "a"),
        client.ping,
    ):
        with pytest.raises(ClientClosedError):
            await call()
    with pytest.raises(ClientClosedError):
        client.publish_nowait("a")
    with pytest.raises(ClientClosedError):
        async with client.subscription("a"):
            raise AssertionError
    with pytest.raises(StopAsyncIteration):
        await anext(messages)
    await client.disconnect()


# --- streams of messages -----------------------------------------------------------------------


def pairs(count: int) -> Iterator[tuple[str, bytes]]:
    return (("a", b"%d" % number) for number in range(count))


async def later(stage: Stage, count: int) -> AsyncIterator[tuple[str, bytes]]:
    for pair in pairs(count):
        if pair[1].endswith(b"7"):
            await stage.sleep(0)
        yield pair


@on_every_loop
@every_version
@every_qos
async def test_many_are_published_in_their_order(stage: Stage, version: int, qos: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        await client.subscribe("a", qos=2)
        assert await client.publish_many(pairs(300), qos=qos, window=20) == 300
        messages = await stage.take(client.messages(), 300)
        assert [each.payload for each in messages] == [each for _, each in pairs(300)]
        assert {int(each.qos) for each in messages} == {qos}


@on_every_loop
@every_qos
@pytest.mark.parametrize("window", [1, 1_000])
async def test_many_may_come_with_time(stage: Stage, qos: int, window: int) -> None:
    async with stage.connect(stage.url) as client:
        await client.subscribe("a", qos=2)
        assert await client.publish_many(later(stage, 100), qos=qos, window=window) == 100
        messages = await stage.take(client.messages(), 100)
        assert [each.payload for each in messages] == [each for _, each in pairs(100)]


@on_every_loop
async def test_no_more_are_drawn_than_the_window_has_room_for(stage: Stage) -> None:
    drawn = acknowledged = 0
    most = 0

    def draw() -> Iterator[Publish]:
        nonlocal drawn, most
        for number in range(200):
            drawn += 1
            most = max(most, len(client.session.outbound))
            yield Publish("a", b"%d" % number, 1 + number % 2)

    async with stage.connect(stage.url) as client:
        acknowledged = await client.publish_many(draw(), window=5)
        assert drawn == acknowledged == 200
        assert most <= 5


@on_every_loop
async def test_the_first_of_many_that_fails_ends_them(stage: Stage) -> None:
    stream = iter([("a", b"1"), ("a", b"2"), ("no/#", b"3"), ("a", b"4")])
    async with stage.connect(stage.url) as client:
        await client.subscribe("a", qos=1)
        with pytest.raises(InvalidTopicError):
            await client.publish_many(stream, qos=1)
        assert list(stream) == [("a", b"4")]
        messages = await stage.take(client.messages(), 2)
        assert [each.payload for each in messages] == [b"1", b"2"]
        assert await client.publish_many([("a", b"5")], qos=1) == 1


@on_every_loop
async def test_what_a_stream_itself_raises_is_passed_on(stage: Stage) -> None:
    class Dry(Exception):
        pass

    def draw() -> Iterator[tuple[str, bytes]]:
        yield "a", b"1"
        raise Dry

    async def draw_later() -> AsyncIterator[tuple[str, bytes]]:
        yield "a", b"2"
        raise Dry

    async with stage.connect(stage.url) as client:
        await client.subscribe("a", qos=1)
        for stream in (draw(), draw_later()):
            with pytest.raises(Dry):
                await client.publish_many(stream, qos=1)
        messages = await stage.take(client.messages(), 2)
        assert [each.payload for each in messages] == [b"1", b"2"]


# --- when there is no room ---------------------------------------------------------------------


@on_every_loop
@pytest.mark.parametrize("qos", [1, 2])
async def test_whoever_publishes_waits_for_room_in_the_queue(stage: Stage, qos: int) -> None:
    options = {"max_in_flight": 1, "queue_limits": QueueLimits(2, qos_0=Qos0.QUEUE)}
    async with stage.connect(stage.url, **options) as client:
        handles = [client.publish_nowait("a", b"", qos=qos) for _ in range(3)]
        with pytest.raises(QueueFullError):
            client.publish_nowait("a", b"", qos=qos)
        await stage.together(*[partial(client.publish, "a", b"", qos=qos)] * 20)
        assert all(each.done for each in handles)
        assert await client.publish_many(pairs(20), qos=qos) == 20


@on_every_loop
async def test_a_message_that_is_too_old_is_dropped(stage: Stage) -> None:
    proxy = stage.proxy()
    async with stage.connect(f"mqtt://127.0.0.1:{proxy.port}", **QUICK) as client:
        stage.loop.call(setattr, proxy, "refusing", True)
        stage.loop.call(proxy.cut)
        await stage.until(lambda: not client.connected)
        soon = Properties(message_expiry_interval=1)
        handle = client.publish_nowait("a", b"", qos=1, properties=soon)
        await stage.sleep(1.1)
        stage.loop.call(setattr, proxy, "refusing", False)
        with pytest.raises(MessageDroppedError):
            await handle.wait()


@on_every_loop
@every_qos
async def test_a_server_that_stops_reading_stops_whoever_publishes(stage: Stage, qos: int) -> None:
    payload = bytes(1 << 14)
    sent = 0

    async def publish() -> None:
        nonlocal sent
        while True:
            await client.publish("a", payload, qos=qos)
            sent += 1

    async with stage.connect(stage.url, drain_timeout=0, max_in_flight=10) as client:
        await client.publish("a", payload, qos=qos)
        stage.deafen()
        async with stage.beside(publish):
            before = -1
            while sent > before:
                before = sent
                await stage.sleep(0.2)
            # What the systems hold between two ends is some MiB, what the client holds is less.
            assert sent * len(payload) < 1 << 26
            stage.hear()
            await stage.until(lambda: sent > before + 10)


# --- asking ------------------------------------------------------------------------------------


async def answer(client: Client, ready: list[str]) -> None:
    """Answer requests with themselves, twice."""
    async with client.subscription("service", qos=1) as requests:
        ready.append("service")
        async for request in requests:
            properties = request.properties
            assert properties.response_topic is not None
            await client.publish(
                properties.response_topic,
                request.payload * 2,
                qos=1,
                properties=Properties(correlation_data=properties.correlation_data),
            )


@on_every_loop
async def test_a_request_is_answered(stage: Stage) -> None:
    ready: list[str] = []
    async with (
        stage.connect(stage.url) as server,
        stage.connect(stage.url) as client,
        stage.beside(partial(answer, server, ready)),
    ):
        await stage.until(lambda: ready)

        async def ask(number: int) -> None:
            response = await client.request("service", b"%d." % number, qos=number % 3)
            assert response.payload == b"%d.%d." % (number, number)

        await stage.together(*(partial(ask, number) for number in range(30)))
        assert not len(client.messages())


@on_every_loop
async def test_a_request_that_nobody_answers_gives_up(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        with pytest.raises(RequestTimeoutError):
            await client.request("nobody", b"", timeout=0.05)
        assert issubclass(RequestTimeoutError, TimeoutError)
    async with stage.connect(stage.url, mqtt_version=4) as client:
        with pytest.raises(LimitError):
            await client.request("nobody", b"")


@on_every_loop
@every_version
async def test_a_ping_is_answered(stage: Stage, version: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        assert 0 <= await client.ping() < PATIENCE
        await stage.together(*[client.ping] * 5)


# --- what happens to it ------------------------------------------------------------------------


@on_every_loop
@every_version
async def test_events_tell_of_the_beginning_and_the_end(stage: Stage, version: int) -> None:
    async with stage.connect(stage.url, client_id="me", mqtt_version=version) as client:
        events = client.events()
        online = await anext(events)
        assert isinstance(online, Online)
        assert str(online.address) == stage.url
        assert (online.client_id, int(online.version)) == ("me", version)
        assert not online.session_present
        assert client.limits == online.limits
    assert await anext(events) == Offline(None)
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert client.limits is None


@on_every_loop
@every_version
async def test_a_will_is_published_unless_the_client_says_goodbye(
    stage: Stage, version: int
) -> None:
    proxy = stage.proxy()
    url = f"mqtt://127.0.0.1:{proxy.port}"
    options: dict[str, Any] = {"mqtt_version": version, "reconnect": False}
    async with stage.connect(stage.url) as watch:
        await watch.subscribe("end/#", qos=1)
        async with stage.connect(url, will=Will("end/left", b"", 1), **options):
            pass
        async with stage.connect(url, will=Will("end/cut", b"!", 1), **options) as client:
            stage.loop.call(proxy.cut)
            with pytest.raises(ClientClosedError):
                await anext(client.messages())
        [message] = await stage.take(watch.messages(), 1)
        assert (message.topic, message.payload) == ("end/cut", b"!")
        if version == 5:
            async with stage.connect(url, will=Will("end/said", b"", 1), **options) as client:
                await client.disconnect(ReasonCode.DISCONNECT_WITH_WILL_MESSAGE)
            [message] = await stage.take(watch.messages(), 1)
            assert message.topic == "end/said"


@on_every_loop
async def test_leaving_waits_for_what_is_under_way(stage: Stage) -> None:
    async with stage.connect(stage.url) as other:
        await other.subscribe("a", qos=2)
        async with stage.connect(stage.url) as client:
            handles = [client.publish_nowait("a", b"%d" % n, qos=n % 3) for n in range(300)]
        assert all(each.done and each.error is None for each in handles)
        assert len(await stage.take(other.messages(), 300)) == 300


@on_every_loop
async def test_several_clients_in_one_loop_are_strangers(stage: Stage) -> None:
    async def talk(name: str) -> None:
        async with stage.connect(stage.url, client_id=name) as client:
            await client.subscribe(name, qos=1)
            for number in range(10):
                await client.publish(name, b"%d" % number, qos=1)
            messages = await stage.take(client.messages(), 10)
            assert {each.topic for each in messages} == {name}

    await stage.together(*(partial(talk, f"client-{number}") for number in range(10)))
    await stage.until(lambda: not stage.server.connections)


@on_every_loop
async def test_a_ping_without_a_connection_says_so(stage: Stage) -> None:
    proxy = stage.proxy()
    async with stage.connect(f"mqtt://127.0.0.1:{proxy.port}", reconnect_min=30) as client:
        stage.loop.call(proxy.cut)
        await stage.until(lambda: not client.connected)
        with pytest.raises(TransportError):
            await client.ping()
