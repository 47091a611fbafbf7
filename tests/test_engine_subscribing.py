"""What a client engine subscribes to, what comes in for it, and when that is acknowledged."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_stage import VERSIONS, Script, Stage, pending, staged
from mqttproto.cli.hub.hub import Hub
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import PubAck, Publish, PubRec
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import QoS, ReasonCode
from mqttproto.engine.events import MessageDropped, SessionLost, SubscriptionLost
from mqttproto.engine.inbox import Inbox, InboxLimits, InboxOverflow
from mqttproto.engine.requests import Replies
from mqttproto.engine.subscriptions import Subscriptions
from mqttproto.errors import (
    ClientClosedError,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    PacketIdsExhaustedError,
    PublishRefusedError,
    RequestTimeoutError,
    SubscribeRefusedError,
)
from mqttproto.protocol import ServerConnection
from mqttproto.protocol.events import Event, MessageReceived, SubscribeReceived, UnsubscribeReceived
from mqttproto.topics import matches


def received(topic: str, *identifiers: int, qos: int = 0, payload: bytes = b"") -> MessageReceived:
    properties = Properties(subscription_identifiers=identifiers) if identifiers else EMPTY
    packet_id = 1 if qos else None
    return MessageReceived(Publish(topic, payload, qos, False, False, packet_id, properties))


def wanted(*topic_filters: str) -> list[Subscription]:
    return [Subscription(each, QoS.AT_LEAST_ONCE) for each in topic_filters]


def numbered(identifier: int) -> Properties:
    return Properties(subscription_identifiers=(identifier,))


def inbox(*args: Any) -> Inbox:
    return Inbox(InboxLimits(*args))


def refusing(*topic_filters: str, code: ReasonCode = ReasonCode.NOT_AUTHORIZED) -> Script:
    """A server that refuses to subscribe to these."""

    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, SubscribeReceived):
            return False
        names = [each.topic_filter for each in event.packet.subscriptions]
        if not set(names) & set(topic_filters):
            return False
        codes = [code if each in topic_filters else ReasonCode.GRANTED_QOS_1 for each in names]
        server.answer_subscribe(event.packet, codes, now=now)
        return True

    return refuse


def deaf(_: ServerConnection, event: Event, __: float) -> bool:
    """A server that does not answer SUBSCRIBE and UNSUBSCRIBE."""
    return isinstance(event, (SubscribeReceived, UnsubscribeReceived))


# Inboxes by themselves.


@pytest.mark.parametrize(("messages", "size"), [(0, 1), (1, 0)])
def test_an_inbox_has_room_for_something(messages: int, size: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        InboxLimits(messages, size)


def test_messages_leave_an_inbox_in_order() -> None:
    box = inbox()
    arrival = box.arrival()
    first, second = received("a"), received("b")
    assert box.put(first) is None
    assert arrival.done
    assert box.put(second) is None
    assert len(box) == 2
    assert [box.take(), box.take(), box.take()] == [first, second, None]


def test_an_inbox_that_holds_drops_qos_0_alone() -> None:
    box = inbox(1)
    first, zero, one = received("a"), received("b"), received("c", qos=1)
    assert box.put(first) is None
    assert box.put(zero) == [zero]
    assert box.put(one) is None
    assert box.dropped == 1
    assert len(box) == 2


def test_an_inbox_drops_the_newest() -> None:
    box = inbox(1, 100, InboxOverflow.DROP_NEWEST)
    box.put(received("a"))
    one = received("b", qos=1)
    assert box.put(one) == [one]
    assert (box.dropped, len(box)) == (1, 1)


def test_an_inbox_drops_the_oldest_until_there_is_room() -> None:
    box = inbox(3, 10, InboxOverflow.DROP_OLDEST)
    old = [received("a", payload=bytes(2)) for _ in range(3)]
    for each in old:
        assert box.put(each) is None
    new = received("b", payload=bytes(6))
    assert box.put(new) == old[:2]
    huge = received("c", payload=bytes(50))
    assert box.put(huge) == [old[2], new]
    assert box.dropped == 4
    assert box.clear() == [huge]
    assert len(box) == 0
    assert box.put(old[0]) is None


@given(st.lists(st.tuples(st.sampled_from("pt"), st.integers(0, 30), st.integers(0, 1))), st.data())
def test_an_inbox_keeps_its_limits(steps: list[tuple[str, int, int]], data: st.DataObject) -> None:
    overflow = data.draw(st.sampled_from(InboxOverflow))
    box = inbox(3, 40, overflow)
    held: list[MessageReceived] = []
    lost = 0
    for what, size, qos in steps:
        if what == "t":
            assert box.take() is (held.pop(0) if held else None)
        else:
            message = received("a", qos=qos, payload=bytes(size))
            dropped = box.put(message) or []
            held.append(message)
            held = [each for each in held if not any(each is other for other in dropped)]
            lost += len(dropped)
        assert (len(box), box.dropped) == (len(held), lost)
        if overflow is not InboxOverflow.HOLD:
            assert len(box) <= 3
            assert sum(1 + len(each.payload) for each in held) <= 40


def test_a_closed_inbox_keeps_what_it_has() -> None:
    box = inbox()
    box.put(received("a"))
    arrival = box.arrival()
    wrong = ValueError()
    box.close(wrong)
    box.close()
    assert arrival.done
    assert box.closed
    assert box.error is wrong
    assert box.take() is not None


def test_an_inbox_is_crowded_before_it_is_full() -> None:
    box = inbox(4)
    for number in range(4):
        assert box.crowded == (number == 3)
        assert box.roomy == (number < 3)
        box.put(received("a"))
    assert not inbox(1, 9, InboxOverflow.DROP_NEWEST).crowded


# Routing by itself.


def test_without_inboxes_nothing_is_routed() -> None:
    subscriptions = Subscriptions()
    subscriptions.put(wanted("a"), EMPTY, None)
    assert not subscriptions.routes
    assert len(subscriptions) == 1
    assert "a" in subscriptions
    assert subscriptions.route(Publish("a")) is None


def test_filters_say_where_messages_go() -> None:
    subscriptions = Subscriptions()
    first, second, shared = inbox(), inbox(), inbox()
    subscriptions.put(wanted("a/#"), EMPTY, first)
    subscriptions.put(wanted("+/b", "a/b"), EMPTY, second)
    subscriptions.put(wanted("$share/group/c"), EMPTY, shared)
    assert subscriptions.routes
    assert subscriptions.route(Publish("a")) == [first]
    assert subscriptions.route(Publish("a/b")) == [first, second]
    assert subscriptions.route(Publish("c")) == [shared]
    assert subscriptions.route(Publish("$share/group/c")) is None
    assert subscriptions.route(Publish("d")) is None
    assert [each.subscription.topic_filter for each in subscriptions] == [
        "a/#",
        "+/b",
        "a/b",
        "$share/group/c",
    ]


def test_identifiers_say_where_messages_go() -> None:
    subscriptions = Subscriptions()
    first, second = inbox(), inbox()
    subscriptions.put(wanted("a/#"), numbered(1), first)
    subscriptions.put(wanted("a/b"), numbered(2), second)
    assert subscriptions.route(received("a/b", 1).message) == [first]
    assert subscriptions.route(received("a/b", 2).message) == [second]
    assert subscriptions.route(received("a/b", 1, 2).message) == [first, second]
    # One of an earlier run of the program, perhaps: the filters decide.
    assert subscriptions.route(received("a/b", 7).message) == [first, second]
    assert subscriptions.route(received("z", 1).message) is None
    assert subscriptions.route(Publish("a/b", properties=Properties(content_type="x"))) == [
        first,
        second,
    ]


def test_one_identifier_may_stand_for_several_subscribes() -> None:
    subscriptions = Subscriptions()
    first, second = inbox(), inbox()
    subscriptions.put(wanted("a"), numbered(5), first)
    subscriptions.put(wanted("b"), numbered(5), second)
    assert subscriptions.route(received("a", 5).message) == [first]
    assert subscriptions.route(received("b", 5).message) == [second]
    subscriptions.remove("a")
    assert subscriptions.route(received("a", 5).message) is None
    assert subscriptions.identifier_of(["b"]) == 5
    assert subscriptions.identifier_of(["c"]) == 6
    subscriptions.remove("b")
    assert subscriptions.identifier_of(["b"]) == 7


def test_the_same_filters_have_the_same_identifier() -> None:
    subscriptions = Subscriptions()
    first, second = inbox(), inbox()
    number = subscriptions.identifier_of(["a", "b"])
    subscriptions.put(wanted("a", "b"), numbered(number), first)
    assert subscriptions.identifier_of(["a", "b"]) == number
    assert subscriptions.identifier_of(["a"]) != number
    subscriptions.put(wanted("a", "b"), numbered(number), second)
    assert subscriptions.route(received("a", number).message) == [first, second]


def test_what_somebody_else_wants_is_not_left() -> None:
    subscriptions = Subscriptions()
    first, second = inbox(), inbox()
    subscriptions.put(wanted("a", "b"), EMPTY, first)
    subscriptions.put(wanted("a"), EMPTY, second)
    subscriptions.put(wanted("c"), EMPTY, first)
    subscriptions.put(wanted("c"), EMPTY, None)
    assert subscriptions.inboxes_of("a") == [first, second]
    assert subscriptions.inboxes_of("z") == []
    assert subscriptions.leave(["a", "b", "c", "z"], first) == ["b"]
    assert subscriptions.leave(["a"], first) == []
    assert subscriptions.leave(["a"], second) == ["a"]


def test_until_the_server_has_unsubscribed_messages_are_for_nobody() -> None:
    subscriptions = Subscriptions()
    box = inbox()
    subscriptions.put(wanted("a"), EMPTY, box)
    subscriptions.leave(["a"], box)
    assert subscriptions.route(Publish("a")) == []
    subscriptions.put(wanted("a"), EMPTY, None)
    assert subscriptions.route(Publish("a")) is None
    subscriptions.remove("z")


def test_what_comes_late_is_for_nobody() -> None:
    subscriptions = Subscriptions()
    box = inbox()
    subscriptions.put(wanted("a"), numbered(1), box)
    subscriptions.put(wanted("b"), EMPTY, box)
    subscriptions.leave(["a", "b"], box)
    subscriptions.remove("a")
    subscriptions.remove("b")
    # There may be subscriptions of which nothing is known here.
    assert subscriptions.route(Publish("a")) is None
    assert subscriptions.route(received("a", 2).message) is None
    assert subscriptions.route(received("a", 1).message) == []
    subscriptions.begin_anew()
    subscriptions.put(wanted("a", "b", "c"), EMPTY, box)
    subscriptions.leave(["a", "b"], box)
    subscriptions.remove("a")
    subscriptions.remove("b")
    subscriptions.remove("c")
    assert subscriptions.route(Publish("a")) == []
    assert subscriptions.route(Publish("b")) == []
    assert subscriptions.route(Publish("c")) is None
    subscriptions.put(wanted("a"), EMPTY, None)
    subscriptions.remove("a")
    assert subscriptions.route(Publish("a")) is None


def test_not_everything_that_was_left_is_remembered() -> None:
    subscriptions = Subscriptions()
    subscriptions.begin_anew()
    box = inbox()
    for number in range(1_001):
        subscriptions.put(wanted(f"{number}"), EMPTY, box)
        subscriptions.leave([f"{number}"], box)
        subscriptions.remove(f"{number}")
    assert subscriptions.route(Publish("0")) is None
    assert subscriptions.route(Publish("1")) == []


def test_a_later_subscribe_outlives_an_unsubscribe() -> None:
    subscriptions = Subscriptions()
    box = inbox()
    subscriptions.put(wanted("a", "b"), EMPTY, box)
    turn = subscriptions.turn
    subscriptions.put(wanted("a"), EMPTY, box)
    subscriptions.remove("a", turn)
    subscriptions.remove("b", turn)
    assert [each.subscription.topic_filter for each in subscriptions] == ["a"]


def test_what_was_put_together_is_made_anew_together() -> None:
    subscriptions = Subscriptions()
    box = inbox()
    subscriptions.put(wanted("a", "b"), numbered(1), box)
    subscriptions.put(wanted("c"), EMPTY, None)
    subscriptions.put(wanted(*[f"d/{number}" for number in range(150)]), EMPTY, None)
    groups = subscriptions.again()
    assert [len(each) for each, _ in groups] == [2, 100, 51]
    assert [properties for _, properties in groups] == [numbered(1), EMPTY, EMPTY]
    for each, properties in groups:
        subscriptions.put(each, properties, None, True)
    assert subscriptions.route(received("a", 1).message) == [box]
    assert subscriptions.leave(["a"], box) == ["a"]


def test_a_flood_of_topics_is_not_remembered() -> None:
    subscriptions = Subscriptions()
    box = inbox()
    subscriptions.put(wanted("a/#"), EMPTY, box)
    for number in range(10_002):
        assert subscriptions.route(Publish(f"a/{number}")) == [box]
    assert len(subscriptions._routes) == 2


@given(
    filters=st.lists(st.sampled_from(["a", "a/b", "a/#", "+/b", "#", "$share/g/a"]), max_size=6),
    topic=st.sampled_from(["a", "a/b", "c/b", "d"]),
    plain=st.sets(st.integers(0, 5)),
)
def test_routing_is_matching(filters: list[str], topic: str, plain: set[int]) -> None:
    subscriptions = Subscriptions()
    boxes: dict[str, list[Inbox]] = {}
    for number, each in enumerate(filters):
        box = None if number in plain else inbox()
        subscriptions.put(wanted(each), EMPTY, box)
        boxes.setdefault(each, [])
        if box is not None:
            boxes[each].append(box)
    matching = [each for each in boxes if matches(each.removeprefix("$share/g/"), topic)]
    expected = [box for each in matching for box in boxes[each]]
    found = subscriptions.route(Publish(topic))
    only_inboxes = not any(filters[each] in matching for each in plain if each < len(filters))
    if expected or (matching and only_inboxes):
        assert found == expected
    else:
        assert found is None


# Subscribing.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subscription_is_granted_and_messages_come(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        request = stage.subscribe("a", "b/#", qos=2)
        request.check()
        assert request.done
        assert request.reason_codes == [2, 2]
        assert request.topic_filters == ["a", "b/#"]
        for qos in (0, 1, 2):
            stage.publish("b/c", qos) if qos else stage.engine.publish(
                "b/c", b"", 0, False, EMPTY, stage.time
            )
        stage.settle()
        assert stage.take_all() == ["b/c"] * 3


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_asked_for_offline_waits_for_a_connection(version: int) -> None:
    stage = Stage(mqtt_version=version)
    first = stage.subscribe("a")
    with stage.start():
        assert first.done
        stage.down = {"one"}
        stage.cut()
        second = stage.subscribe("b")
        third = stage.engine.unsubscribe(["a"], EMPTY, stage.time)
        assert pending(second)
        stage.down = set()
        stage.pass_time(10)
        assert second.done
        assert third.done
        third.check()
        assert third.reason_codes == ([0] if version == 5 else [])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("lost", [False, True])
def test_what_was_not_answered_is_asked_again(version: int, lost: bool) -> None:
    with staged(mqtt_version=version) as stage:
        stage.script = deaf
        subscribed = stage.subscribe("a")
        unsubscribed = stage.engine.unsubscribe(["b"], EMPTY, stage.time)
        stage.settle()
        stage.script = None
        stage.lose_sessions() if lost else stage.cut()
        stage.pass_time(1)
        assert subscribed.done
        assert unsubscribed.done
        # Each once on each connection, and in their order.
        kinds = [type(each) for each in stage.sent if isinstance(each, (Subscribe, Unsubscribe))]
        assert kinds == [Subscribe, Unsubscribe] * 2


def test_what_the_specification_forbids_is_refused_at_once() -> None:
    with staged(mqtt_version=4) as stage:
        stage.sent.clear()
        for subscription in (
            Subscription("a/#/b"),
            Subscription("a", no_local=True),
        ):
            with pytest.raises(InvalidValueError):
                stage.engine.subscribe([subscription], EMPTY, None, stage.time)
        with pytest.raises(InvalidValueError):
            stage.engine.unsubscribe([""], EMPTY, stage.time)
        with pytest.raises(InvalidValueError):
            stage.engine.unsubscribe([], EMPTY, stage.time)
        stage.settle()
        assert stage.sent == []


def test_what_the_server_does_not_support_is_refused_at_once_or_later() -> None:
    stage = Stage()
    stage.hub = Hub(properties=Properties(wildcard_subscription_available=False))
    early = stage.subscribe("a/#")
    with stage.start():
        with pytest.raises(LimitError):
            early.check()
        with pytest.raises(LimitError):
            stage.subscribe("+")
        assert not len(stage.engine._subscriptions)


def test_a_refusal_names_what_was_refused() -> None:
    with staged() as stage:
        stage.script = refusing("b")
        request = stage.subscribe("a", "b")
        with pytest.raises(SubscribeRefusedError) as caught:
            request.check()
        assert caught.value.refused == {"b": ReasonCode.NOT_AUTHORIZED}
        assert "a" in stage.engine._subscriptions
        assert "b" not in stage.engine._subscriptions


def test_at_the_end_every_request_is_done() -> None:
    with staged() as stage:
        stage.script = deaf
        asked = stage.subscribe("a")
        stage.down = {"one"}
        stage.cut()
        unsent = stage.engine.unsubscribe(["b"], EMPTY, stage.time)
        stage.engine.close_now(stage.time)
        for request in (asked, unsent):
            assert request.done
            with pytest.raises(ClientClosedError):
                request.check()
        with pytest.raises(ClientClosedError):
            stage.subscribe("c")
        with pytest.raises(ClientClosedError):
            stage.engine.open_inbox(None)


def test_the_end_waits_for_answers() -> None:
    with staged() as stage:
        stage.script = deaf
        request = stage.subscribe("a")
        stage.engine.close(stage.time, 5)
        stage.script = None
        stage.cut()
        stage.pass_time(1)
        request.check()
        assert request.done
        assert stage.engine.stopped.done


def test_without_packet_identifiers_nothing_is_asked() -> None:
    with staged(max_in_flight=65_535) as stage:
        stage.hold()
        for _ in range(65_535):
            stage.engine.publish("a", b"", 1, False, EMPTY, stage.time)
        with pytest.raises(PacketIdsExhaustedError):
            stage.subscribe("a")


# Sessions that are lost.


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_granted_is_asked_for_again(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.subscribe("a")
        stage.subscribe("b", qos=2)
        stage.events()
        stage.sent.clear()
        stage.lose_sessions()
        stage.pass_time(1)
        assert [each.topic_filter for each in stage.event(SessionLost).subscriptions] == ["a", "b"]
        (packet,) = stage.packets(Subscribe)
        assert [(each.topic_filter, each.qos) for each in packet.subscriptions] == [
            ("a", 1),
            ("b", 2),
        ]
        stage.publish("b", 2)
        assert stage.take_all() == ["b"]


@pytest.mark.parametrize("version", [4, 5])
def test_a_session_that_is_resumed_has_its_subscriptions(version: int) -> None:
    with staged(mqtt_version=version, clean_start=False, client_id="c") as stage:
        stage.subscribe("a")
        stage.sent.clear()
        stage.events()
        stage.cut()
        stage.pass_time(1)
        assert stage.packets(Subscribe) == []
        assert SessionLost not in [type(each) for each in stage.events()]


def test_a_lost_session_without_subscriptions_is_told_too() -> None:
    with staged() as stage:
        stage.lose_sessions()
        stage.pass_time(1)
        assert stage.event(SessionLost).subscriptions == ()


def test_what_was_unsubscribed_is_not_asked_for_again() -> None:
    with staged() as stage:
        stage.subscribe("a", "b")
        stage.engine.unsubscribe(["a"], EMPTY, stage.time)
        stage.settle()
        stage.down = {"one"}
        stage.cut()
        unsubscribed = stage.engine.unsubscribe(["b"], EMPTY, stage.time)
        stage.hub = Hub()
        stage.down = set()
        stage.sent.clear()
        stage.pass_time(10)
        assert stage.packets(Subscribe) == []
        assert unsubscribed.done


def test_what_is_not_granted_again_is_told() -> None:
    with staged() as stage:
        box = stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=box)
        stage.subscribe("b")
        stage.script = refusing("a")
        stage.events()
        stage.lose_sessions()
        stage.pass_time(1)
        event = stage.event(SubscriptionLost)
        assert event.subscription.topic_filter == "a"
        assert event.reason_code == ReasonCode.NOT_AUTHORIZED
        assert box.closed
        assert isinstance(box.error, SubscribeRefusedError)
        assert "b" in stage.engine._subscriptions


@pytest.mark.parametrize(
    ("announced", "lost", "code"),
    [
        (
            Properties(wildcard_subscription_available=False),
            "b/#",
            ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
        ),
        (
            Properties(shared_subscription_available=False),
            "$share/g/c",
            ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
        ),
        (Properties(maximum_packet_size=60), "d" * 60, ReasonCode.PACKET_TOO_LARGE),
    ],
)
def test_what_the_next_server_does_not_support_is_lost_and_nothing_else(
    announced: Properties, lost: str, code: ReasonCode
) -> None:
    names = ["a", "b/#", "$share/g/c", "d" * 60]
    with staged() as stage:
        stage.subscribe(*names)
        stage.events()
        stage.lose_sessions()
        stage.hub = Hub(properties=announced)
        stage.pass_time(1)
        event = stage.event(SubscriptionLost)
        assert (event.subscription.topic_filter, event.reason_code) == (lost, code)
        assert {each.subscription.topic_filter for each in stage.engine._subscriptions} == {
            *names
        } - {lost}


def test_identifiers_are_left_out_where_the_next_server_knows_none() -> None:
    with staged() as stage:
        box = stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=box)
        (packet,) = stage.packets(Subscribe)
        assert packet.properties.subscription_identifiers == (1,)
        stage.lose_sessions()
        stage.hub = Hub(properties=Properties(subscription_identifier_available=False))
        stage.pass_time(1)
        (packet,) = stage.packets(Subscribe)
        assert packet.properties.subscription_identifiers == ()
        stage.publish("a")
        assert stage.take_all(box) == ["a"]
        other = stage.engine.open_inbox(None)
        stage.subscribe("b", inbox=other)
        (packet,) = stage.packets(Subscribe)
        assert packet.properties.subscription_identifiers == ()


def test_what_was_asked_for_again_and_not_answered_is_asked_for_once_more() -> None:
    with staged() as stage:
        box = stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=box)
        stage.script = deaf
        stage.lose_sessions()
        stage.pass_time(1)
        stage.script = None
        stage.cut()
        stage.pass_time(1)
        stage.publish("a")
        assert stage.take_all(box) == ["a"]


def test_an_identifier_of_the_application_is_kept() -> None:
    with staged() as stage:
        box = stage.engine.open_inbox(None)
        stage.engine.subscribe(wanted("a"), numbered(9), box, stage.time)
        stage.settle()
        (packet,) = stage.packets(Subscribe)
        assert packet.properties.subscription_identifiers == (9,)
        stage.publish("a")
        assert stage.take_all(box) == ["a"]


# Inboxes of subscriptions.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_goes_to_the_inboxes_of_its_subscriptions_or_else_to_the_general_one(
    version: int,
) -> None:
    with staged(mqtt_version=version) as stage:
        first, second = stage.engine.open_inbox(None), stage.engine.open_inbox(None)
        stage.subscribe("a/#", inbox=first)
        stage.subscribe("+/b", inbox=second)
        stage.subscribe("c")
        for topic in ("a", "a/b", "c", "x/b"):
            stage.publish(topic)
        assert stage.take_all(first) == ["a", "a/b"]
        assert stage.take_all(second) == ["a/b", "x/b"]
        assert stage.take_all() == ["c"]


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_is_acknowledged_when_its_last_inbox_has_handed_it_over(qos: int) -> None:
    with staged() as stage:
        boxes = [stage.engine.open_inbox(None) for _ in range(3)]
        for box, topic_filter in zip(boxes, ("a", "+", "#"), strict=True):
            stage.subscribe(topic_filter, inbox=box, qos=2)
        stage.say("a", b"", qos)
        stage.sent.clear()
        kind = PubAck if qos == 1 else PubRec
        assert stage.take(boxes[1]) is not None
        assert stage.packets(kind) == []
        stage.engine.close_inbox(boxes[0], ["a"], stage.time)
        stage.settle()
        assert stage.packets(kind) == []
        assert stage.take(boxes[2]) is not None
        assert len(stage.packets(kind)) == 1
        assert stage.engine._shared == {}


@pytest.mark.parametrize("qos", [1, 2])
def test_an_application_that_acknowledges_is_waited_for(qos: int) -> None:
    with staged(manual_acknowledgement=True) as stage:
        kind = PubAck if qos == 1 else PubRec
        stage.say("a", b"", qos)
        message = stage.take()
        assert message is not None
        assert stage.packets(kind) == []
        stage.engine.acknowledge(message, ReasonCode.QUOTA_EXCEEDED, now=stage.time)
        stage.settle()
        (answer,) = stage.packets(kind)
        assert answer.reason_code == ReasonCode.QUOTA_EXCEEDED
        with pytest.raises(LocalProtocolError):
            stage.engine.acknowledge(message, now=stage.time)


@pytest.mark.parametrize("handed_over", [False, True])
def test_what_the_application_has_is_not_acknowledged_for_it(handed_over: bool) -> None:
    with staged(manual_acknowledgement=True) as stage:
        boxes = [stage.engine.open_inbox(None) for _ in range(2)]
        stage.subscribe("a", inbox=boxes[0])
        stage.subscribe("#", inbox=boxes[1])
        stage.say("a", b"", 1)
        message = stage.take(boxes[0]) if handed_over else None
        # What is left in an inbox that is closed counts as received.
        stage.engine.close_inbox(boxes[0], ["a"], stage.time)
        stage.engine.close_inbox(boxes[1], ["#"], stage.time)
        stage.settle()
        assert len(stage.packets(PubAck)) == (not handed_over)
        if message is not None:
            stage.engine.acknowledge(message, now=stage.time)
            stage.settle()
            assert len(stage.packets(PubAck)) == 1
        assert stage.engine._shared == {}
        assert stage.engine._handed_over == set()


def test_a_message_that_both_inboxes_hand_over_is_acknowledged_once() -> None:
    with staged(manual_acknowledgement=True) as stage:
        boxes = [stage.engine.open_inbox(None) for _ in range(2)]
        stage.subscribe("a", inbox=boxes[0])
        stage.subscribe("#", inbox=boxes[1])
        stage.say("a", b"", 1)
        first, second = (stage.take(each) for each in boxes)
        assert first is second is not None
        assert stage.packets(PubAck) == []
        assert stage.engine._handed_over == set()


def test_what_is_dropped_is_told_and_counts_as_received() -> None:
    limits = InboxLimits(1, overflow=InboxOverflow.DROP_OLDEST)
    with staged(inbox_limits=limits) as stage:
        stage.events()
        stage.say("a", b"", 1)
        stage.say("b", b"", 1)
        assert stage.event(MessageDropped).message.topic == "a"
        assert len(stage.packets(PubAck)) == 1
        assert stage.take_all() == ["b"]


def test_what_two_inboxes_drop_is_acknowledged_once() -> None:
    limits = InboxLimits(1, overflow=InboxOverflow.DROP_NEWEST)
    with staged() as stage:
        boxes = [stage.engine.open_inbox(limits) for _ in range(2)]
        stage.subscribe("a", inbox=boxes[0])
        stage.subscribe("#", inbox=boxes[1])
        stage.sent.clear()
        stage.events()
        stage.say("a", b"1", 1)
        stage.say("a", b"2", 1)
        assert [type(each) for each in stage.events()] == [MessageDropped] * 2
        assert stage.packets(PubAck) == []
        for each in boxes:
            stage.take(each)
        assert len(stage.packets(PubAck)) == 2
        # The first is dropped by one, and taken out of the other.
        stage.say("a", b"3", 0)
        stage.take(boxes[0])
        stage.say("a", b"4", 1)
        stage.events()
        assert stage.take_all(boxes[0]) == ["a"]
        assert len(stage.packets(PubAck)) == 1


@pytest.mark.parametrize("qos", [1, 2])
def test_an_inbox_that_is_closed_full_does_not_eat_up_what_may_come(qos: int) -> None:
    with staged(receive_maximum=3) as stage:
        for _ in range(3):
            box = stage.engine.open_inbox(None)
            stage.subscribe("a", inbox=box, qos=2)
            for _ in range(5):
                stage.say("a", b"", qos)
            assert len(box) == 3
            ended = stage.engine.close_inbox(box, ["a"], stage.time)
            assert ended is not None
            stage.settle()
            assert ended.done
        # Nothing is left where nobody looks.
        assert len(stage.engine.general) == 0
        assert stage.connection.in_flight == 0


def test_what_comes_for_an_inbox_before_unsuback_is_for_nobody() -> None:
    with staged() as stage:
        box = stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=box)
        stage.script = deaf
        stage.engine.close_inbox(box, ["a"], stage.time)
        stage.settle()
        stage.say("a", b"", 0)
        stage.say("a", b"", 1)
        assert len(stage.engine.general) == len(box) == 0
        assert len(stage.packets(PubAck)) == 1
        # Closed twice, it asks for nothing more.
        assert stage.engine.close_inbox(box, [], stage.time) is None


def test_an_inbox_that_is_opened_while_another_one_is_closed_gets_its_messages() -> None:
    with staged() as stage:
        first, second = stage.engine.open_inbox(None), stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=first)
        # UNSUBSCRIBE and SUBSCRIBE leave together.
        stage.engine.close_inbox(first, ["a"], stage.time)
        request = stage.subscribe("a", inbox=second)
        assert request.done
        stage.publish("a")
        assert stage.take_all(second) == ["a"]


def test_an_inbox_that_was_opened_offline_survives_another_one_that_is_closed() -> None:
    with staged() as stage:
        first, second = stage.engine.open_inbox(None), stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=first)
        stage.cut()
        stage.subscribe("a", inbox=second)
        assert stage.engine.close_inbox(first, ["a"], stage.time) is None
        stage.pass_time(1)
        stage.publish("a")
        assert stage.take_all(second) == ["a"]


@pytest.mark.parametrize("asked", [False, True])
def test_an_inbox_that_is_closed_offline_is_not_subscribed_for_later(asked: bool) -> None:
    with staged() as stage:
        stage.script = deaf
        box = stage.engine.open_inbox(None)
        if not asked:
            stage.cut()
        request = stage.subscribe("a", inbox=box)
        if asked:
            stage.cut()
        assert pending(request)
        stage.engine.close_inbox(box, ["a"], stage.time)
        assert request.done
        stage.script = None
        stage.sent.clear()
        stage.pass_time(1)
        assert stage.packets(Subscribe) == []
        assert "a" not in stage.engine._subscriptions


def test_at_the_end_inboxes_are_closed_with_its_reason() -> None:
    for wrong in (None, ValueError("so")):
        with staged() as stage:
            box = stage.engine.open_inbox(None)
            stage.subscribe("a", inbox=box)
            stage.say("a", b"", 1)
            if wrong is None:
                stage.engine.close_now(stage.time)
            else:
                stage.engine.fail(wrong)
                stage.cut()
            stage.settle()
            for each in (box, stage.engine.general):
                assert each.closed
                assert (each.error is None) == (wrong is None)
            # What has come may still be taken, and the context be left.
            assert stage.take_all(box) == ["a"]
            assert stage.engine.close_inbox(box, ["a"], stage.time) is None


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("end", ["cut", "close"])
def test_a_message_may_be_acknowledged_behind_its_connection(qos: int, end: str) -> None:
    with staged(manual_acknowledgement=True) as stage:
        stage.say("a", b"", qos)
        message = stage.take()
        assert message is not None
        stage.cut() if end == "cut" else stage.engine.close_now(stage.time)
        stage.settle()
        stage.engine.acknowledge(message, now=stage.time)
        if end == "cut":
            stage.pass_time(1)
            # QoS 1 comes again, QoS 2 does not.
            assert len(stage.engine.general) == (qos == 1)


def test_a_flood_at_qos_0_is_held_back_for_a_moment() -> None:
    with staged(inbox_limits=InboxLimits(4)) as stage:
        for number in range(5):
            stage.connection.send(Publish(f"{number}"), now=stage.time)
            stage.settle()
        assert [stage.engine.wants_read, len(stage.engine.general)] == [False, 3]
        assert stage.take() is not None
        assert len(stage.engine.general) == 4
        assert stage.engine.general.dropped == 0
        stage.take_all()
        # Nobody takes them: after a second it goes on.
        for number in range(10):
            stage.connection.send(Publish(f"{number}"), now=stage.time)
            stage.settle()
        assert [stage.engine.wants_read] == [False]
        stage.pass_time(2)
        assert [stage.engine.wants_read] == [True]
        assert stage.engine.general.dropped > 0


def test_a_flood_for_an_inbox_that_is_closed_is_read_on() -> None:
    with staged() as stage:
        box = stage.engine.open_inbox(InboxLimits(4))
        stage.subscribe("a", inbox=box)
        for _ in range(10):
            stage.connection.send(Publish("a"), now=stage.time)
            stage.settle()
        assert not stage.engine.wants_read
        stage.engine.close_inbox(box, ["a"], stage.time)
        assert stage.engine.wants_read


# Requests and responses.


def test_a_response_goes_to_who_has_asked() -> None:
    replies = Replies("token")
    first_topic = replies.open(None)
    assert first_topic == replies.open("elsewhere") == "mqttproto/responses/token"
    one, other = replies.expect(), replies.expect()
    assert one.correlation_data != other.correlation_data

    def response(data: bytes | None, topic: str = first_topic) -> MessageReceived:
        return MessageReceived(Publish(topic, properties=Properties(correlation_data=data)))

    assert not replies.claim(response(one.correlation_data, "other"))
    message = response(other.correlation_data)
    assert replies.claim(message)
    assert other.message is message
    assert pending(one)
    # Late, unknown, and without a word of what it is for: none of them is for the application.
    assert replies.claim(response(other.correlation_data))
    assert replies.claim(response(b"?"))
    assert replies.claim(response(None))
    replies.give_up(one)
    assert replies.claim(response(one.correlation_data))
    assert pending(one)
    third = replies.expect()
    replies.fail(ValueError("so"))
    with pytest.raises(ValueError, match="so"):
        third.check()


def test_the_server_may_say_where_responses_go() -> None:
    assert Replies("token").open("for/you/") == "for/you/token"
    assert not Replies("token").claim(received(""))


def answering(stage: Stage, late: bool = False) -> Script:
    """Somebody who answers requests, with the request."""

    def answer(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, MessageReceived) or event.topic != "question":
            return False
        server.acknowledge(event, now=now)
        topic = event.properties.response_topic
        assert topic is not None
        data = event.properties.correlation_data
        answers.append(
            Publish(topic, event.payload, 1, properties=Properties(correlation_data=data))
        )
        if not late:
            server.send(answers[-1], now=now)
        return True

    answers: list[Publish] = []
    stage.script = answer
    return answer


def test_a_request_is_answered() -> None:
    with staged() as stage:
        answering(stage)
        for number in range(3):
            payload = b"%d" % number
            assert stage.run(stage.client.request("question", payload)).payload == payload
        assert len(stage.packets(Subscribe)) == 1
        assert len(stage.engine.general) == 0
        assert len(stage.packets(PubAck)) == 3


def test_requests_at_the_same_time_share_one_subscription() -> None:
    with staged() as stage:
        stage.cut()
        answering(stage)
        tasks = [stage.spawn(stage.client.request("question", b"%d" % n)) for n in range(3)]
        stage.pass_time(1)
        assert [each.result.payload for each in tasks] == [b"0", b"1", b"2"]
        assert len(stage.packets(Subscribe)) == 1


def test_a_request_that_is_not_answered_times_out() -> None:
    with staged() as stage:
        answering(stage, late=True)
        task = stage.spawn(stage.client.request("question", timeout=5))
        stage.pass_time(6)
        with pytest.raises(RequestTimeoutError):
            _ = task.result


def test_a_request_that_the_server_refuses_is_not_waited_for() -> None:
    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, MessageReceived):
            return False
        server.acknowledge(event, ReasonCode.NOT_AUTHORIZED, now=now)
        return True

    with staged() as stage:
        stage.script = refuse
        task = stage.spawn(stage.client.request("question"))
        with pytest.raises(PublishRefusedError):
            _ = task.result


def test_a_response_topic_that_is_refused_is_asked_for_again() -> None:
    with staged() as stage:
        topic = stage.engine._replies.open(None)
        stage.script = refusing(topic)
        with pytest.raises(SubscribeRefusedError):
            stage.run(stage.client.request("question"))
        answering(stage)
        assert stage.run(stage.client.request("question", b"x")).payload == b"x"


def test_a_response_topic_survives_the_loss_of_the_session() -> None:
    with staged() as stage:
        answering(stage)
        stage.run(stage.client.request("question"))
        stage.lose_sessions()
        stage.pass_time(1)
        assert stage.run(stage.client.request("question", b"x")).payload == b"x"


def test_a_request_ends_with_the_client() -> None:
    with staged() as stage:
        answering(stage, late=True)
        task = stage.spawn(stage.client.request("question"))
        stage.engine.close_now(stage.time)
        stage.settle()
        with pytest.raises(ClientClosedError):
            _ = task.result


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_are_no_requests(version: int) -> None:
    with staged(mqtt_version=version) as stage, pytest.raises(LimitError, match="requests need"):
        stage.run(stage.client.request("question"))


def test_a_request_waits_for_a_connection_no_longer_than_said() -> None:
    with staged() as stage:
        stage.down = {"one"}
        stage.cut()
        task = stage.spawn(stage.client.request("question", timeout=5))
        stage.pass_time(6)
        with pytest.raises(RequestTimeoutError):
            _ = task.result


# What is refused, closed or lost while something else is under way.


def test_a_refusal_leaves_what_was_granted_before() -> None:
    subscriptions = Subscriptions()
    first, second = inbox(), inbox()
    subscriptions.put(wanted("a"), EMPTY, first)
    subscriptions.put(wanted("a"), EMPTY, second)
    subscriptions.refuse("a", second)
    assert subscriptions.route(Publish("a")) == [first]
    subscriptions.put(wanted("a"), EMPTY, None)
    subscriptions.refuse("a", None)
    assert subscriptions.route(Publish("a")) == [first]
    subscriptions.refuse("a", first)
    assert "a" not in subscriptions
    subscriptions.refuse("a", first)


def test_an_inbox_whose_last_filter_is_unsubscribed_is_closed() -> None:
    with staged() as stage:
        first, second = stage.engine.open_inbox(None), stage.engine.open_inbox(None)
        stage.subscribe("a", inbox=first)
        stage.subscribe("a", "b", inbox=second)
        stage.engine.unsubscribe(["a"], EMPTY, stage.time)
        stage.settle()
        assert [first.closed, second.closed] == [True, False]
        stage.engine.unsubscribe(["b"], EMPTY, stage.time)
        stage.settle()
        assert [first.closed, second.closed] == [True, True]


def test_what_is_left_before_it_is_granted_is_not_asked_for_again() -> None:
    with staged() as stage:
        stage.script = deaf
        box = stage.engine.open_inbox(None)
        request = stage.subscribe("a", inbox=box)
        ended = stage.engine.close_inbox(box, ["a"], stage.time)
        assert request.done
        assert ended is not None
        stage.settle()
        stage.cut()
        # Whoever has left does not wait for the next connection.
        assert ended.done
        stage.script = None
        stage.sent.clear()
        stage.pass_time(1)
        assert stage.packets(Subscribe) == []
        assert len(stage.packets(Unsubscribe)) == 1
        assert "a" not in stage.engine._subscriptions


@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_not_taken_does_not_wait_twice(qos: int) -> None:
    with staged() as stage:
        boxes = [stage.engine.open_inbox(None) for _ in range(2)]
        stage.subscribe("a", inbox=boxes[0], qos=2)
        stage.subscribe("#", inbox=boxes[1], qos=2)
        stage.say("a", b"", qos)
        stage.cut()
        stage.pass_time(1)
        assert [len(each) for each in boxes] == [1, 1]
        for each in boxes:
            stage.take(each)
        assert stage.connection.in_flight == 0
        assert stage.engine._shared == {}
