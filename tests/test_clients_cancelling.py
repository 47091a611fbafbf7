"""Whatever a client waits for may be cancelled: it goes on, or is gone without a trace."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import Any

import pytest

from certificates import Certificates, make_certificates
from clients_stage import QUICK, Stage, on_every_loop
from mqttproto import Properties, ReasonCode, Will
from mqttproto.cli.hub import serve_hub
from mqttproto.engine.client import Client
from mqttproto.protocol import Qos0, QueueLimits
from mqttproto.tls import TLSOptions
from scripted_server import scripted_server


async def works(stage: Stage, client: Client, token: bytes) -> None:
    """See that a client can still do everything, and holds no subscription but its own."""
    await client.subscribe("check", qos=2)
    await client.publish("check", token, qos=2)
    async for message in client.messages():
        if message.payload == token:
            break
    assert await client.unsubscribe("check") == [0]
    await client.ping()
    assert await client.publish("held", b"", qos=1) is ReasonCode.NO_MATCHING_SUBSCRIBERS
    assert client.connected
    assert stage.server.connections <= 2


async def send_stream(stage: Stage, client: Client) -> None:
    async def draw() -> AsyncGenerator[tuple[str, bytes], None]:
        for _ in range(10):
            await stage.sleep(0)
            yield "a", b""

    async with aclosing(draw()) as stream:
        await client.publish_many(stream, qos=2, window=2)


async def send_when_congested(_: Stage, client: Client) -> None:
    client.publish_nowait("a", bytes(1 << 18))
    await client.publish("a", bytes(1 << 18))
    await client.publish_many([("a", bytes(1 << 17))] * 3)


async def send_when_full(_: Stage, client: Client) -> None:
    client.publish_nowait("a", b"", qos=1)
    await client.publish("a", b"", qos=1)
    await client.publish_many([("a", b"")] * 3, qos=1)


async def wait_for_handles(_: Stage, client: Client) -> None:
    for qos in (0, 1, 2):
        await client.publish_nowait("a", b"", qos=qos).wait()


async def hold(_: Stage, client: Client) -> None:
    async with client.subscription("held", qos=1) as messages:
        await client.publish("held", b"", qos=2)
        await anext(messages)


async def hold_two(_: Stage, client: Client) -> None:
    async with client.subscription("held", qos=1), client.subscription(["held", "b"], qos=2) as two:
        await client.publish("held", b"", qos=2)
        async for _message in two:
            break


async def hear(_: Stage, client: Client) -> None:
    await client.subscribe("a")
    client.publish_nowait("a", b"", qos=1)
    await anext(client.messages())


async def ask(_: Stage, client: Client) -> None:
    properties = Properties(content_type="x")
    await client.request("service", b"", properties=properties)


ACTIONS: dict[str, Callable[[Stage, Client], Awaitable[object]]] = {
    "publish 0": lambda _, client: client.publish("a", b"", qos=0),
    "publish 1": lambda _, client: client.publish("a", b"", qos=1),
    "publish 2": lambda _, client: client.publish("a", b"", qos=2),
    "publish_many": lambda _, client: client.publish_many([("a", b"")] * 9, qos=1, window=2),
    "publish_many, later": send_stream,
    "publish, congested": send_when_congested,
    "publish, full": send_when_full,
    "handle.wait": wait_for_handles,
    "subscribe": lambda _, client: client.subscribe(["a", "b"], qos=1),
    "unsubscribe": lambda _, client: client.unsubscribe("a"),
    "subscription": hold,
    "two subscriptions": hold_two,
    "messages": hear,
    "request": ask,
    "ping": lambda _, client: client.ping(),
}

every_action = pytest.mark.parametrize("name", ACTIONS)
tight: dict[str, Any] = {"max_in_flight": 1, "queue_limits": QueueLimits(1, qos_0=Qos0.QUEUE)}


async def serve(client: Client) -> None:
    """Answer requests."""
    async with client.subscription("service", qos=1) as requests:
        async for request in requests:
            topic = request.properties.response_topic
            assert topic is not None
            data = Properties(correlation_data=request.properties.correlation_data)
            client.publish_nowait(topic, b"", qos=1, properties=data)


@on_every_loop
@every_action
async def test_whatever_is_cancelled_the_client_goes_on(stage: Stage, name: str) -> None:
    options = tight if name == "publish, full" else {}
    async with (
        stage.connect(stage.url) as server,
        stage.beside(partial(serve, server)),
        stage.connect(stage.url, **options) as client,
    ):
        await stage.until(lambda: "service" in topics_of(stage))
        done, number = False, 0
        while not done:
            done = await stage.cancelled_at(number, partial(ACTIONS[name], stage, client))
            await works(stage, client, b"%d" % number)
            number += 1
        assert number > 1 or name == "publish 0", "it has waited for nothing"
    await stage.no_sockets_to(stage.server.port)


def topics_of(stage: Stage) -> set[str]:
    """What clients of the hub are subscribed to."""
    members = list(stage.server.hub._members.values())
    return {topic for each in members for topic in list(each.entries)}


@on_every_loop
@every_action
async def test_whatever_is_cancelled_offline_the_client_goes_on(stage: Stage, name: str) -> None:
    if name == "ping":
        return  # it says at once that there is no connection
    proxy = stage.proxy()
    options = tight if name == "publish, full" else {}
    async with stage.connect(f"mqtt://127.0.0.1:{proxy.port}", **options, **QUICK) as client:
        for number in range(2):
            stage.loop.call(setattr, proxy, "refusing", True)
            stage.loop.call(proxy.cut)
            await stage.until(lambda: not client.connected)
            assert not await stage.cancelled_at(number, partial(ACTIONS[name], stage, client))
            stage.loop.call(setattr, proxy, "refusing", False)
            await stage.until(lambda: client.connected)
            await works(stage, client, b"%d" % number)
            if name != "publish_many, later":
                break
    await stage.no_sockets_to(proxy.port)


# --- its whole life ----------------------------------------------------------------------------


async def live(stage: Stage, url: Any, **options: Any) -> None:
    """All that a client does, from the beginning to the end."""
    async with stage.connect(url, will=Will("will", b"", 1), **options) as client:
        await client.publish("a", b"", qos=1)
        for qos in (0, 1, 2):
            client.publish_nowait("a", b"", qos=qos)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@on_every_loop
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws", "wss"])
async def test_wherever_its_life_is_cancelled_nothing_is_left(
    stage: Stage, scheme: str, made: Certificates
) -> None:
    secure = scheme in ("mqtts", "wss")
    context = made.server.server_context() if secure else None
    server = stage.loop.enter(serve_hub(tls=context, websocket=scheme in ("ws", "wss")))
    url = f"{scheme}://127.0.0.1:{server.port}"
    tls = made.client_context() if secure else None
    done, number = False, 0
    while not done:
        done = await stage.cancelled_at(number, partial(live, stage, url, tls=tls))
        await stage.no_sockets_to(server.port)
        number += 1
    assert number > 3


@on_every_loop
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "wss"])
async def test_whenever_its_life_is_cancelled_nothing_is_left(
    stage: Stage, scheme: str, made: Certificates
) -> None:
    secure = scheme in ("mqtts", "wss")
    context = made.server.server_context() if secure else None
    server = stage.loop.enter(serve_hub(tls=context, websocket=scheme == "wss"))
    url = f"{scheme}://127.0.0.1:{server.port}"
    tls = TLSOptions(ca_file=made.ca) if secure else None
    turns = 0
    for each in count():
        # Each of the first turns, and then fewer and fewer: most are spent on waiting.
        done = await stage.cancelled_after(turns, partial(live, stage, url, tls=tls))
        await stage.no_sockets_to(server.port)
        if done:
            break
        turns = max(each, turns + turns // 8)


@on_every_loop
async def test_a_client_that_is_cancelled_says_goodbye(stage: Stage) -> None:
    async with stage.connect(stage.url) as watch:
        await watch.subscribe("will", qos=1)

        async def stay() -> None:
            async with stage.connect(stage.url, will=Will("will", b"", 1)):
                ready.append(1)
                await stage.sleep(1_000)

        ready: list[int] = []
        async with stage.beside(stay):
            await stage.until(lambda: ready)
        await stage.until(lambda: stage.server.connections == 1)
        await watch.ping()
        assert not len(watch.messages())


@on_every_loop
async def test_an_error_in_the_block_is_passed_on_and_goodbye_is_said(stage: Stage) -> None:
    class Broken(Exception):
        pass

    async with stage.connect(stage.url) as watch:
        await watch.subscribe("will", qos=1)
        for error in (Broken("a"), KeyboardInterrupt()):
            with pytest.raises(type(error)) as raised:  # noqa: PT012
                async with stage.connect(stage.url, will=Will("will", b"", 1)) as client:
                    stage.deafen()
                    handle = client.publish_nowait("a", b"", qos=1)
                    stage.hear()
                    raise error
            assert raised.value is error
            assert handle.done
        await stage.until(lambda: stage.server.connections == 1)
        await watch.ping()
        assert not len(watch.messages())


@on_every_loop
async def test_to_wait_for_what_is_under_way_may_be_cancelled(stage: Stage) -> None:
    async def leave() -> None:
        async with stage.connect(stage.url, drain_timeout=1_000) as client:
            stage.deafen()
            client.publish_nowait("a", b"", qos=1)

    async with stage.limit(30):
        assert await stage.takes_long(leave, 0.3)
        await stage.no_sockets_to(stage.server.port)
    stage.hear()


@on_every_loop
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws"])
async def test_to_connect_to_a_silent_server_may_be_cancelled(
    stage: Stage, scheme: str, made: Certificates
) -> None:
    async def connect() -> None:
        async with stage.connect(url, tls=TLSOptions(ca_file=made.ca)):
            raise AssertionError

    with scripted_server([]) as (port, _):
        url = f"{scheme}://127.0.0.1:{port}"
        async with stage.limit(30):
            assert await stage.takes_long(connect, 0.2)
            await stage.no_sockets_to(port)


@on_every_loop
async def test_to_leave_may_be_cancelled_while_there_is_no_connection(stage: Stage) -> None:
    proxy = stage.proxy()

    async def leave() -> None:
        url = f"mqtt://127.0.0.1:{proxy.port}"
        async with stage.connect(url, drain_timeout=1_000, **QUICK) as client:
            stage.loop.call(setattr, proxy, "refusing", True)
            stage.loop.call(proxy.cut)
            await stage.until(lambda: not client.connected)
            client.publish_nowait("a", b"", qos=1)

    async with stage.limit(30):
        assert await stage.takes_long(leave, 0.3)
        await stage.no_sockets_to(proxy.port)


@on_every_loop
async def test_to_ask_for_credentials_may_be_cancelled(stage: Stage) -> None:
    async def ask() -> tuple[str, str]:
        await stage.sleep(1_000)
        raise AssertionError

    async def connect() -> None:
        async with stage.connect(stage.url, credentials=ask):
            raise AssertionError

    async with stage.limit(30):
        assert await stage.takes_long(connect)
    assert not stage.server.connections


@on_every_loop
@pytest.mark.parametrize("slow", [False, True], ids=["", "slow credentials"])
async def test_a_stream_that_was_given_is_closed_wherever_that_is_cancelled(
    stage: Stage, slow: bool
) -> None:
    async def ask() -> tuple[str, str]:
        await stage.sleep(0.01 if slow else 0)
        return "a", "b"

    done, number = False, 0
    while not done:
        stream = await stage.open_stream("127.0.0.1", stage.server.port)
        action = partial(live, stage, stream, credentials=ask)
        done = await stage.cancelled_at(number, action)
        await stage.no_sockets_to(stage.server.port)
        number += 1
    assert number > 3
