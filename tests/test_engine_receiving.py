"""What waits in the inboxes of a client engine, and in which, from connection to connection."""

import pytest

from engine_stage import Stage, staged
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import PubAck, Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import QoS
from mqttproto.engine.inbox import Inbox, InboxLimits
from mqttproto.engine.subscriptions import Subscriptions
from mqttproto.protocol.events import MessageReceived


def resuming(**options: object) -> Stage:
    """A client whose session lasts, and that has subscribed."""
    stage = staged(clean_start=False, client_id="c", **options)
    stage.subscribe("a/#", qos=2)
    return stage


def numbered(identifier: int) -> Properties:
    return Properties(subscription_identifiers=(identifier,))


def reconnect(stage: Stage) -> None:
    """Cut the connection, and let the client make another one."""
    stage.cut()
    stage.settle()
    while not stage.online:
        stage.pass_time(0.1)


def publish_all(stage: Stage, count: int, qos: int) -> list[str]:
    """Publish what comes back: the topics."""
    topics = [f"a/{number}" for number in range(count)]
    for topic in topics:
        stage.publish(topic, qos)
    return topics


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("qos", [1, 2])
def test_what_waits_for_a_reader_does_not_wait_twice(version: int, qos: int) -> None:
    with resuming(mqtt_version=version) as stage:
        topics = publish_all(stage, 5, qos)
        general = stage.engine.general
        for _ in range(4):
            assert len(general) == 5
            reconnect(stage)
        taken = [stage.take() for _ in range(5)]
        assert [each.topic for each in taken if each is not None] == topics
        assert stage.take() is None
        reconnect(stage)
        assert stage.take() is None


def test_nothing_of_what_waits_counts_twice() -> None:
    with resuming(inbox_limits=InboxLimits(10, 1_000)) as stage:
        general = stage.engine.general
        stage.publish("a/0", payload=bytes(100))
        before = general._bytes
        for _ in range(20):
            reconnect(stage)
        assert (len(general), general._bytes) == (1, before)
        assert stage.engine.wants_read
        assert stage.take_all() == ["a/0"]
        assert general._bytes == 0


def test_what_waits_for_several_readers_waits_once_for_each() -> None:
    with resuming() as stage:
        boxes = [stage.engine.open_inbox(None) for _ in range(2)]
        for box in boxes:
            stage.subscribe("a/b", inbox=box)
        stage.publish("a/b")
        reconnect(stage)
        stage.sent.clear()
        assert stage.take_all(boxes[0]) == ["a/b"]
        assert stage.packets(PubAck) == []
        assert stage.take_all(boxes[1]) == ["a/b"]
        stage.take_all()
        assert not stage.engine._shared
        reconnect(stage)
        assert [len(each) for each in boxes] == [0, 0]


def test_what_does_not_come_again_stays() -> None:
    with resuming() as stage:
        stage.say("a/0")
        stage.say("a/1")
        stage.publish("a/2", 2)
        reconnect(stage)
        assert stage.take_all() == ["a/0", "a/1", "a/2"]


def test_a_lost_session_takes_nothing_out_of_an_inbox() -> None:
    with resuming() as stage:
        topics = publish_all(stage, 3, 1)
        stage.lose_sessions()
        stage.pass_time(1)
        assert stage.online
        assert stage.take_all() == topics


def test_an_inbox_gives_back_what_comes_again() -> None:
    inbox = Inbox(InboxLimits())
    zero = MessageReceived(Publish("zero", b"0", 0))
    inbox.put(zero)
    assert inbox.take_repeated() == []
    assert inbox.take() is zero


def test_an_identifier_that_an_earlier_run_has_given_does_not_misroute() -> None:
    subscriptions = Subscriptions()
    first, second = Inbox(InboxLimits()), Inbox(InboxLimits())
    subscriptions.put([Subscription("b/#", QoS(1))], numbered(1), first)
    subscriptions.put([Subscription("a/#", QoS(1))], numbered(2), second)
    assert subscriptions.route(Publish("a/x", properties=numbered(1))) == [second]
    assert subscriptions.route(Publish("a/x", properties=numbered(9))) == [second]
    assert subscriptions.route(Publish("a/x", properties=EMPTY)) == [second]
    assert subscriptions.route(Publish("b/x", properties=numbered(1))) == [first]


def test_what_an_earlier_run_subscribed_to_reaches_the_filter_of_this_one() -> None:
    with staged(clean_start=False, client_id="c") as stage:
        other, own = (stage.engine.open_inbox(None) for _ in range(2))
        stage.subscribe("b", inbox=other)
        stage.subscribe("a", inbox=own)
        (number,) = stage.engine._subscriptions.again()[0][1].subscription_identifiers
        stage.say("a", properties=numbered(number))
        assert stage.take_all(own) == ["a"]
        assert stage.take_all(other) == []
        assert len(stage.engine.general) == 0
