"""What a client subscribes to, and what comes of it: the same for every adapter."""

from collections.abc import Iterator
from functools import partial

import pytest

from clients_stage import Stage, every_version, on_every_loop
from mqttproto import (
    InvalidTopicError,
    InvalidValueError,
    LocalProtocolError,
    Properties,
    ReasonCode,
    RetainHandling,
    Subscription,
)
from mqttproto.engine.client import Client
from mqttproto.engine.events import MessageDropped
from mqttproto.engine.inbox import InboxLimits, InboxOverflow


def pairs(count: int) -> Iterator[tuple[str, bytes]]:
    return (("a", b"%d" % number) for number in range(count))


# --- subscribing -------------------------------------------------------------------------------


@on_every_loop
@every_version
async def test_one_filter_or_several_are_subscribed_to(stage: Stage, version: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        assert await client.subscribe("a") == [0]
        assert await client.subscribe(["b", Subscription("c", 2), "d"], qos=1) == [1, 2, 1]
        for topic in "abcd":
            await client.publish(topic, b"", qos=2)
        messages = await stage.take(client.messages(), 4)
        assert [(each.topic, int(each.qos)) for each in messages] == [
            ("a", 0),
            ("b", 1),
            ("c", 2),
            ("d", 1),
        ]
        answer = await client.unsubscribe(["a", "b", "never"])
        known = [ReasonCode.SUCCESS, ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED]
        assert answer == (known if version == 5 else [])
        assert await client.unsubscribe("c") == known[: len(answer[:1])]
        for topic in "abcd":
            await client.publish(topic, b"", qos=2)
        [message] = await stage.take(client.messages(), 1)
        assert message.topic == "d"
        assert not len(client.messages())


@on_every_loop
async def test_the_options_of_a_subscription_are_sent(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        await client.publish("a", b"kept", qos=1, retain=True)
        await client.subscribe(
            "a",
            qos=1,
            no_local=True,
            retain_as_published=True,
            retain_handling=RetainHandling.DO_NOT_SEND,
            properties=Properties(subscription_identifiers=[7]),
        )
        await client.publish("a", b"own", qos=1)
        async with stage.connect(stage.url) as other:
            await other.publish("a", b"other", qos=1, retain=True)
        [message] = await stage.take(client.messages(), 1)
        assert (message.payload, message.retain) == (b"other", True)
        assert message.properties.subscription_identifiers == (7,)


@on_every_loop
async def test_what_must_not_be_subscribed_to_is_refused_at_once(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        for wrong in ("a/#/b", "", "$share/x"):
            with pytest.raises(InvalidTopicError):
                await client.subscribe(wrong)
            with pytest.raises(InvalidTopicError):
                await client.unsubscribe(wrong)
        with pytest.raises(InvalidValueError):
            await client.subscribe([])
        assert await client.subscribe("a") == [0]


@on_every_loop
@every_version
async def test_a_retained_message_waits_for_whoever_subscribes(stage: Stage, version: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        await client.publish("state", b"on", qos=1, retain=True)
        async with client.subscription("state", qos=1) as messages:
            [message] = await stage.take(messages, 1)
            assert (message.payload, message.retain) == (b"on", True)
        await client.publish("state", b"", qos=1, retain=True)
        async with client.subscription("state", qos=1) as messages:
            await client.publish("state", b"new", qos=1)
            [message] = await stage.take(messages, 1)
            assert (message.payload, message.retain) == (b"new", False)


@on_every_loop
async def test_several_loops_share_the_messages(stage: Stage) -> None:
    taken: list[bytes] = []

    async def take() -> None:
        async for message in client.messages():
            taken.append(message.payload)  # noqa: PERF401

    async with stage.connect(stage.url) as client:
        await client.subscribe("a", qos=1)
        async with stage.beside(take, take, take):
            await client.publish_many(pairs(100), qos=1)
            await stage.until(lambda: len(taken) == 100)
    assert sorted(taken) == sorted(payload for _, payload in pairs(100))


@on_every_loop
async def test_the_messages_end_with_the_client(stage: Stage) -> None:
    taken: list[bytes] = []
    clients: list[Client] = []

    async def live() -> None:
        async with stage.connect(stage.url) as client:
            clients.append(client)
            await client.subscribe("a", qos=1)
            await client.publish("a", b"1", qos=1)
            await stage.until(lambda: taken)

    async def take() -> None:
        await stage.until(lambda: clients)
        async for message in clients[0].messages():
            taken.append(message.payload)  # noqa: PERF401

    await stage.together(live, take)
    assert taken == [b"1"]


# --- a subscription for a while ----------------------------------------------------------------


@on_every_loop
@every_version
async def test_a_subscription_has_its_own_messages(stage: Stage, version: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        await client.subscribe("rest/#", qos=1)
        async with (
            client.subscription("a/+", qos=1) as some,
            client.subscription(["b", "c/#"], qos=2) as others,
        ):
            for topic in ("a/1", "b", "rest/1", "c/2/3", "a/2"):
                await client.publish(topic, b"", qos=2)
            assert [each.topic for each in await stage.take(some, 2)] == ["a/1", "a/2"]
            assert [each.topic for each in await stage.take(others, 2)] == ["b", "c/2/3"]
        await client.publish("a/3", b"", qos=1)
        [message] = await stage.take(client.messages(), 1)
        assert message.topic == "rest/1"
        with pytest.raises(StopAsyncIteration):
            await anext(some)
        assert not len(client.messages())


@on_every_loop
@every_version
async def test_a_message_for_several_goes_to_each_of_them_once(stage: Stage, version: int) -> None:
    async with (
        stage.connect(stage.url, mqtt_version=version) as client,
        client.subscription("a/#", qos=1) as wide,
        client.subscription(["a/+", "a/1"], qos=1) as narrow,
    ):
        for number in range(3):
            await client.publish(f"a/{number}", b"", qos=1)
        for messages in (wide, narrow):
            topics = [each.topic for each in await stage.take(messages, 3)]
            assert topics == ["a/0", "a/1", "a/2"]
            assert not len(messages)
        assert not len(client.messages())
        # It was acknowledged by whoever took it last, and just once.
        await client.ping()


@on_every_loop
@every_version
async def test_two_may_subscribe_to_the_same(stage: Stage, version: int) -> None:
    async with stage.connect(stage.url, mqtt_version=version) as client:
        async with client.subscription("a", qos=1) as first:
            async with client.subscription("a", qos=1) as second:
                await client.publish("a", b"1", qos=1)
                for messages in (first, second):
                    assert (await stage.take(messages, 1))[0].payload == b"1"
            # The subscription lasts as long as somebody wants it.
            await client.publish("a", b"2", qos=1)
            assert (await stage.take(first, 1))[0].payload == b"2"
        codes = await client.unsubscribe("a")
        assert codes == ([ReasonCode.NO_SUBSCRIPTION_EXISTED] if version == 5 else [])


@on_every_loop
async def test_a_plain_subscription_outlives_one_for_a_while(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        await client.subscribe("a", qos=1)
        async with client.subscription("a", qos=1) as messages:
            await client.publish("a", b"1", qos=1)
            assert (await stage.take(messages, 1))[0].payload == b"1"
        await client.publish("a", b"2", qos=1)
        assert (await stage.take(client.messages(), 1))[0].payload == b"2"


@on_every_loop
async def test_a_shared_subscription_shares(stage: Stage) -> None:
    taken: dict[str, list[bytes]] = {"x": [], "y": []}

    async def take(name: str) -> None:
        async with (
            stage.connect(stage.url) as client,
            client.subscription("$share/group/a/+", qos=1) as messages,
        ):
            ready.append(name)
            async for message in messages:
                taken[name].append(message.payload)

    ready: list[str] = []
    async with (
        stage.connect(stage.url) as client,
        stage.beside(partial(take, "x"), partial(take, "y")),
    ):
        await stage.until(lambda: len(ready) == 2)
        await client.publish_many([("a/b", b"%d" % number) for number in range(40)], qos=1)
        await stage.until(lambda: len(taken["x"]) + len(taken["y"]) == 40)
    assert len(taken["x"]) == len(taken["y"]) == 20


@on_every_loop
async def test_to_break_out_of_the_loop_ends_the_subscription(stage: Stage) -> None:
    async with stage.connect(stage.url) as client:
        async with client.subscription("a", qos=1) as messages:
            await client.publish_many(pairs(10), qos=1)
            async for message in messages:
                if message.payload == b"3":
                    break
        assert await client.publish("a", b"", qos=1) is ReasonCode.NO_MATCHING_SUBSCRIBERS
        # What nobody has taken counts as received.
        await client.ping()
        assert not len(messages)


@on_every_loop
async def test_an_error_in_the_block_ends_the_subscription_too(stage: Stage) -> None:
    class Broken(Exception):
        pass

    async with stage.connect(stage.url) as client:
        with pytest.raises(Broken):
            async with client.subscription("a", qos=1):
                raise Broken
        await client.ping()
        assert await client.publish("a", b"", qos=1) is ReasonCode.NO_MATCHING_SUBSCRIBERS


# --- acknowledging -----------------------------------------------------------------------------


@on_every_loop
@every_version
@pytest.mark.parametrize("qos", [1, 2])
async def test_the_application_may_acknowledge(stage: Stage, version: int, qos: int) -> None:
    options = {"mqtt_version": version, "manual_acknowledgement": True}
    if version == 5:
        options["receive_maximum"] = 3
    async with stage.connect(stage.url) as other, stage.connect(stage.url, **options) as client:
        await client.subscribe("a", qos=qos)
        await other.publish_many(pairs(6), qos=qos)
        messages = await stage.take(client.messages(), 3)
        await client.ping()
        if version == 5:
            assert not len(client.messages())
        for message in reversed(messages):
            client.acknowledge(message)
            with pytest.raises(LocalProtocolError):
                client.acknowledge(message)
        more = await stage.take(client.messages(), 3)
        assert [each.payload for each in messages + more] == [each for _, each in pairs(6)]
        for message in more:
            client.acknowledge(message)
        await client.ping()


@on_every_loop
async def test_a_message_may_be_refused(stage: Stage) -> None:
    async with stage.connect(stage.url, manual_acknowledgement=True) as client:
        await client.subscribe("a", qos=2)
        for qos in (1, 2):
            await client.publish("a", b"", qos=qos)
            [message] = await stage.take(client.messages(), 1)
            client.acknowledge(message, ReasonCode.QUOTA_EXCEEDED, Properties(reason_string="no"))
        await client.ping()


# --- inboxes -----------------------------------------------------------------------------------


@on_every_loop
async def test_a_full_inbox_holds_the_sender(stage: Stage) -> None:
    options = {"receive_maximum": 5, "inbox_limits": InboxLimits(5)}
    async with stage.connect(stage.url) as other, stage.connect(stage.url, **options) as client:
        await client.subscribe("a", qos=1)
        assert await other.publish_many(pairs(50), qos=1) == 50
        messages = client.messages()
        await stage.until(lambda: len(messages) == 5)
        await client.ping()
        assert len(messages) == 5
        taken = await stage.take(messages, 50)
        assert [each.payload for each in taken] == [each for _, each in pairs(50)]
        assert messages.dropped == 0


@on_every_loop
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("overflow", [InboxOverflow.DROP_OLDEST, InboxOverflow.DROP_NEWEST])
async def test_what_does_not_fit_is_dropped_and_told(
    stage: Stage, overflow: InboxOverflow, qos: int
) -> None:
    limits = InboxLimits(5, overflow=overflow)
    async with stage.connect(stage.url) as client:
        async with client.subscription("a", qos=qos, limits=limits) as messages:
            await client.publish_many(pairs(20), qos=qos)
            await client.ping()
            payloads = [each for _, each in pairs(20)]
            kept = payloads[-5:] if overflow is InboxOverflow.DROP_OLDEST else payloads[:5]
            assert [each.payload for each in await stage.take(messages, 5)] == kept
            assert messages.dropped == 15
        dropped: list[bytes] = []
        async for event in client.events():
            if isinstance(event, MessageDropped):
                dropped.append(event.message.payload)
                if len(dropped) == 15:
                    break
        assert sorted(dropped + kept) == sorted(payloads)
