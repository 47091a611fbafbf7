"""What a client engine publishes: online, offline, and where sessions and connections are lost."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_stage import VERSIONS, Script, Stage, Task, pending, staged
from mqttproto.cli.hub.hub import Hub
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Disconnect
from mqttproto.codec.publish import Publish
from mqttproto.constants import QoS, ReasonCode
from mqttproto.engine.completion import Completion
from mqttproto.engine.publishing import Outgoing, PublishHandle, PublishStream
from mqttproto.errors import (
    ClientClosedError,
    DeliveryUncertainError,
    InvalidValueError,
    LimitError,
    MessageDroppedError,
    PacketTooLargeError,
    PublishRefusedError,
    QueueFullError,
)
from mqttproto.protocol import Overflow, Qos0, QueueLimits, ServerConnection, Session
from mqttproto.protocol.delivery import Delivery
from mqttproto.protocol.events import ConnectReceived, Event, MessageReceived, PublishCompleted


def topics(stage: Stage) -> list[str]:
    """The topics of what the servers have taken."""
    return [each.topic for each in stage.received]


def away(**options: object) -> Stage:
    """A client that was connected, and whose server cannot be reached now."""
    stage = staged(**options)
    stage.down = {"one"}
    stage.cut()
    stage.settle()
    return stage


def back(stage: Stage) -> None:
    """The server can be reached again."""
    stage.down = set()
    stage.pass_time(100)
    assert stage.online


# Handles and streams by themselves.


async def _never(_: Completion) -> None:
    raise AssertionError("there is nothing to wait for")


def test_a_handle_shows_what_became_of_it() -> None:
    handle = PublishHandle(_never)
    assert repr(handle) == "<PublishHandle: under way>"
    properties = Properties(reason_string="so")
    handle.completed(PublishCompleted(Delivery(Publish("a")), ReasonCode.SUCCESS, properties))
    assert handle.done
    assert handle.properties == properties
    assert repr(handle) == "<PublishHandle: <ReasonCode.SUCCESS: 0>>"


def test_a_refused_handle_raises_its_reason() -> None:
    handle = PublishHandle(_never)
    properties = Properties(reason_string="so")
    handle.completed(
        PublishCompleted(Delivery(Publish("a")), ReasonCode.NOT_AUTHORIZED, properties)
    )
    with pytest.raises(PublishRefusedError, match="so"):
        handle.check()
    assert "PublishRefusedError" in repr(handle)


def test_what_waits_for_messages_says_what_to_do_with_them() -> None:
    with pytest.raises(NotImplementedError):
        Outgoing().completed(PublishCompleted(Delivery(Publish("a"))))
    with pytest.raises(NotImplementedError):
        Outgoing().failed(ValueError())


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_is_at_least_1(window: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        PublishStream(window)


def test_a_stream_keeps_its_first_failure() -> None:
    stream = PublishStream(4)
    stream.pending = 4
    room = stream.room()
    first, second = ValueError("1"), ValueError("2")
    stream.failed(first)
    assert pending(room)
    stream.failed(second)
    assert room.done
    stream.completed(PublishCompleted(Delivery(Publish("a")), ReasonCode.NOT_AUTHORIZED))
    assert stream.failure is first
    assert stream.pending == 1


# One message.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
def test_a_handle_is_done_when_the_handshake_is(version: int, qos: int) -> None:
    with staged(mqtt_version=version) as stage:
        handle = stage.begin("a", qos, b"x")
        assert pending(handle)
        stage.settle()
        assert handle.done
        handle.check()
        (message,) = stage.received
        assert (message.topic, message.payload, message.qos) == ("a", b"x", qos)


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_has_no_handle_while_there_is_a_connection(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        assert stage.engine.publish("a", "\u00e9", 0, False, EMPTY, stage.time) is None
        stage.settle()
        assert [(each.topic, each.payload) for each in stage.received] == [("a", b"\xc3\xa9")]


def test_a_refusal_is_an_error() -> None:
    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, MessageReceived):
            return False
        server.acknowledge(event, ReasonCode.QUOTA_EXCEEDED, now=now)
        return True

    with staged() as stage:
        stage.script = refuse
        for qos in (1, 2):
            handle = stage.publish("a", qos)
            with pytest.raises(PublishRefusedError) as caught:
                handle.check()
            assert caught.value.reason_code is ReasonCode.QUOTA_EXCEEDED


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_before_the_first_connection_waits_for_it(version: int, qos: int) -> None:
    stage = Stage(mqtt_version=version)
    handle = stage.begin("a", qos)
    assert pending(handle)
    with stage.start():
        assert handle.done
        handle.check()
        assert handle.reason_code == ReasonCode.SUCCESS or qos
        assert topics(stage) == ["a"]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_between_connect_and_connack_waits(qos: int) -> None:
    stage = Stage(retry_first=True)
    stage.silent = True
    stage.start()
    handle = stage.publish("a", qos)
    assert pending(handle)
    stage.silent = False
    stage.cut()
    with stage:
        back(stage)
        assert handle.done
        assert topics(stage) == ["a"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_offline_waits_for_a_connection(version: int, qos: int) -> None:
    with away(mqtt_version=version) as stage:
        handle = stage.publish("a", qos)
        assert pending(handle)
        back(stage)
        handle.check()
        assert handle.done
        assert topics(stage) == ["a"]


def test_what_has_no_place_offline_is_refused_at_once() -> None:
    with away(queue_limits=QueueLimits(1)) as stage:
        stage.publish("a")
        with pytest.raises(QueueFullError):
            stage.publish("b")
        with pytest.raises(InvalidValueError):
            stage.publish("a/#")
        with pytest.raises(InvalidValueError, match="Subscription Identifier"):
            stage.publish("a", properties=Properties(subscription_identifiers=(1,)))


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_are_no_properties_offline_either(version: int) -> None:
    with away(mqtt_version=version) as stage:
        with pytest.raises(InvalidValueError, match="properties"):
            stage.publish("a", properties=Properties(content_type="x"))
        stage.publish("a", properties=Properties())
        assert len(stage.engine.session.queue) == 1


def test_properties_are_kept_offline() -> None:
    with away() as stage:
        stage.publish("a", properties=Properties(content_type="x"))
        back(stage)
        assert stage.received[0].properties.content_type == "x"


def test_what_gives_way_offline_is_told() -> None:
    limits = QueueLimits(1, overflow=Overflow.DROP_OLDEST, qos_0=Qos0.QUEUE)
    with away(queue_limits=limits) as stage:
        first = stage.publish("a")
        stage.publish("b")
        with pytest.raises(MessageDroppedError, match="gave way"):
            first.check()
        assert first.done
        back(stage)
        assert topics(stage) == ["b"]


def test_the_new_one_may_give_way() -> None:
    limits = QueueLimits(1, overflow=Overflow.DROP_NEWEST, qos_0=Qos0.QUEUE)
    with away(queue_limits=limits) as stage:
        stage.publish("a")
        second = stage.publish("b")
        with pytest.raises(MessageDroppedError, match="gave way"):
            second.check()


def test_what_has_expired_makes_room() -> None:
    with away(queue_limits=QueueLimits(1)) as stage:
        first = stage.publish("a", properties=Properties(message_expiry_interval=5))
        stage.pass_time(6)
        stage.publish("b")
        with pytest.raises(MessageDroppedError, match="Expiry"):
            first.check()


def test_qos_0_may_be_dropped_offline() -> None:
    with away(queue_limits=QueueLimits(qos_0=Qos0.DROP)) as stage:
        handle = stage.publish("a", 0)
        with pytest.raises(MessageDroppedError, match="no connection"):
            handle.check()


def test_what_has_expired_offline_is_told_when_it_is_its_turn() -> None:
    with away() as stage:
        first = stage.publish("a", properties=Properties(message_expiry_interval=5))
        zero = stage.publish("b", 0, properties=Properties(message_expiry_interval=5))
        stage.pass_time(6)
        back(stage)
        for handle in (first, zero):
            with pytest.raises(MessageDroppedError, match="Expiry"):
                handle.check()
        assert topics(stage) == []


def test_what_the_server_does_not_take_is_refused_at_once_or_told_later() -> None:
    with away() as stage:
        waiting = stage.publish("a", 2)
        stage.script = announcing(Properties(maximum_qos=QoS.AT_LEAST_ONCE, retain_available=False))
        back(stage)
        with pytest.raises(MessageDroppedError, match="QoS"):
            waiting.check()
        with pytest.raises(LimitError):
            stage.publish("a", 2)


def announcing(properties: Properties) -> Script:
    """A server that lets everybody in, and says this."""

    def accept(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, ConnectReceived):
            return False
        chosen = properties
        if not event.connect.client_id:
            chosen = chosen.replace(assigned_client_identifier="it")
        server.accept(properties=chosen, now=now)
        return True

    return accept


# Lost connections and lost sessions.


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_in_flight_is_sent_again(version: int, qos: int) -> None:
    with staged(mqtt_version=version, clean_start=False) as stage:
        stage.hold()
        handle = stage.publish("a", qos)
        stage.cut()
        stage.release()
        stage.pass_time(1)
        handle.check()
        assert handle.done
        assert topics(stage) == ["a"] * (3 - qos)


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_1_survives_the_loss_of_the_session(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.hold()
        handles = [stage.publish(each) for each in "abc"]
        stage.lose_sessions()
        stage.release()
        stage.pass_time(1)
        for handle in handles:
            handle.check()
            assert handle.done
        assert topics(stage) == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize("version", [4, 5])
def test_qos_2_is_uncertain_if_the_session_is_lost(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.hold()
        handle = stage.publish("a", 2)
        stage.lose_sessions()
        stage.release()
        stage.pass_time(1)
        with pytest.raises(DeliveryUncertainError, match="'a'"):
            handle.check()
        assert topics(stage) == ["a"]


@pytest.mark.parametrize("qos", [1, 2])
def test_a_session_of_0_seconds_is_lost_with_each_connection(qos: int) -> None:
    with staged(session_expiry_interval=0) as stage:
        stage.hold()
        handle = stage.publish("a", qos)
        stage.down = {"one"}
        stage.cut()
        stage.release()
        assert handle.done == (qos == 2)
        back(stage)
        assert handle.done
        assert (handle.error is None) == (qos == 1)


def test_a_lost_message_that_the_next_server_does_not_take_is_told() -> None:
    with staged() as stage:
        stage.hold()
        handle = stage.publish("a", 1)
        stage.script = announcing(Properties(maximum_qos=QoS.AT_MOST_ONCE))
        stage.lose_sessions()
        stage.pass_time(1)
        with pytest.raises(LimitError):
            handle.check()


def test_lost_messages_wait_where_the_next_server_takes_fewer() -> None:
    with staged() as stage:
        stage.hold()
        handles = [stage.publish(each) for each in "abc"]
        stage.lose_sessions()
        stage.hub = Hub(properties=Properties(receive_maximum=1))
        stage.release()
        stage.pass_time(1)
        assert all(each.done for each in handles)


def test_lost_messages_that_find_no_room_are_told() -> None:
    limits = QueueLimits(1, overflow=Overflow.DROP_OLDEST)
    with staged(queue_limits=limits) as stage:
        stage.hold()
        handles = [stage.publish(each) for each in "abc"]
        stage.lose_sessions()
        stage.hub = Hub(properties=Properties(receive_maximum=1))
        stage.pass_time(1)
        assert [each.done for each in handles] == [False, True, False]
        with pytest.raises(MessageDroppedError):
            handles[1].check()


def test_a_session_in_flight_from_before_is_finished_without_a_handle() -> None:
    session = Session("c")
    with staged(client_id="c", session=session) as stage:
        stage.hold()
        stage.publish("a", 1)
        stage.publish("b", 1)
    hub = stage.hub
    with Stage(client_id="c", session=session) as stage:
        stage.hub = hub
        stage.start()
        assert topics(stage) == ["a", "b"]
        assert session.in_flight == 0
        stage.received.clear()
        stage.hold()
        stage.publish("a", 2)
        stage.publish("b", 1)
    with Stage(client_id="c", session=session) as stage:
        # Another server, that knows nothing of it.
        stage.start()
        assert topics(stage) == ["b"]


# The end.


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_at_the_end_every_handle_is_done(qos: int) -> None:
    with away() as stage:
        handle = stage.publish("a", qos)
        stage.engine.close_now(stage.time)
        with pytest.raises(ClientClosedError, match="it was closed"):
            handle.check()
        assert handle.done
        with pytest.raises(ClientClosedError):
            stage.publish("a")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_in_flight_at_the_end_is_uncertain_or_closed(version: int, qos: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.hold()
        handle = stage.publish("a", qos)
        stage.engine.close_now(stage.time)
        assert handle.done
        with pytest.raises((ClientClosedError, DeliveryUncertainError)):
            handle.check()


def test_nothing_is_published_while_the_end_is_waited_for() -> None:
    with staged() as stage:
        stage.hold()
        stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.settle()
        with pytest.raises(ClientClosedError):
            stage.publish("b")
        with pytest.raises(ClientClosedError):
            stage.engine.publish_some(iter([]), PublishStream(1), stage.time)
        with pytest.raises(ClientClosedError):
            stage.engine.stream(1)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_end_waits_for_what_is_under_way_also_if_the_session_is_lost(version: int) -> None:
    with staged(mqtt_version=version) as stage:
        stage.hold()
        handle = stage.publish("a")
        stage.engine.close(stage.time, 5)
        stage.lose_sessions()
        stage.release()
        stage.pass_time(1)
        handle.check()
        assert handle.done
        assert stage.engine.stopped.done
        assert stage.packets(Disconnect)


# Congestion and capacity.


def test_who_publishes_waits_while_the_network_takes_no_more() -> None:
    with staged() as stage:
        engine = stage.engine
        engine.block()
        assert engine.congested
        room = engine.room()
        stage.publish("a")
        assert pending(room)
        engine.unblock()
        assert room.done
        assert not engine.congested


def test_who_publishes_waits_while_much_is_put_out() -> None:
    with staged() as stage:
        engine = stage.engine
        engine.publish("a", bytes(1 << 17), 0, False, EMPTY, stage.time)
        assert engine.congested
        room = engine.room()
        stage.settle()
        assert room.done
        assert not engine.congested


def test_a_lost_connection_holds_nobody_up() -> None:
    with staged() as stage:
        stage.engine.block()
        room = stage.engine.room()
        stage.cut()
        assert room.done
        assert not stage.engine.congested


def test_the_end_holds_nobody_up() -> None:
    with staged() as stage:
        engine = stage.engine
        engine.block()
        waiting = [engine.room(), engine.capacity(), engine.event_arrival(), engine.changed()]
        waiting += [engine.changes(), engine.general.arrival(), engine.ping(stage.time)]
        engine.fail(ValueError("so"))
        assert all(each.done for each in waiting)
        assert not engine.congested
        stage.cut()


def test_capacity_is_told_when_the_queue_has_room() -> None:
    limits = QueueLimits(1)
    with staged(queue_limits=limits, max_in_flight=1) as stage:
        stage.hold()
        stage.publish("a")
        stage.publish("b")
        with pytest.raises(QueueFullError):
            stage.publish("c")
        capacity = stage.engine.capacity()
        stage.settle()
        assert pending(capacity)
        stage.cut()
        stage.release()
        stage.pass_time(1)
        assert capacity.done
        assert stage.publish("c").done


# Streams.


def many(stage: Stage, count: int, window: int, qos: int = 1, size: int = 0) -> Task[int]:
    """Publish messages, as publish_many does."""
    messages = (Publish(f"t/{number}", bytes(size), qos) for number in range(count))
    return stage.spawn(stage.client.publish_many(messages, window=window))


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("window", [1, 3, 1_000])
def test_a_stream_is_published_in_order(qos: int, window: int) -> None:
    with staged() as stage:
        assert many(stage, 10, window, qos).result == 10
        assert topics(stage) == [f"t/{number}" for number in range(10)]


def test_a_stream_waits_for_its_window() -> None:
    with staged() as stage:
        stage.hold()
        task = many(stage, 10, 3)
        assert topics(stage) == ["t/0", "t/1", "t/2"]
        assert pending(task)
        stage.cut()
        stage.release()
        stage.pass_time(1)
        assert task.result == 10


def test_a_stream_waits_for_the_network() -> None:
    with staged() as stage:
        stage.engine.block()
        task = many(stage, 10, 100)
        assert topics(stage) == []
        stage.engine.unblock()
        stage.settle()
        assert task.result == 10


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_stream_waits_offline_for_room_in_the_queue(qos: int) -> None:
    limits = QueueLimits(3, qos_0=Qos0.QUEUE)
    with away(queue_limits=limits) as stage:
        task = many(stage, 10, 100, qos)
        assert len(stage.engine.session.queue) == 3
        back(stage)
        assert task.result == 10
        assert topics(stage) == [f"t/{number}" for number in range(10)]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_stream_ends_with_the_client(qos: int) -> None:
    with away() as stage:
        task = many(stage, 10, 5, qos)
        assert pending(task)
        stage.engine.close_now(stage.time)
        stage.settle()
        with pytest.raises(ClientClosedError):
            _ = task.result


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_whole_stream_that_waits_ends_with_the_client(qos: int) -> None:
    with away() as stage:
        task = many(stage, 3, 5, qos)
        assert pending(task)
        stage.engine.close_now(stage.time)
        stage.settle()
        with pytest.raises(ClientClosedError):
            _ = task.result


def test_a_stream_survives_the_loss_of_the_session() -> None:
    with staged() as stage:
        stage.hold()
        task = many(stage, 10, 4)
        stage.lose_sessions()
        stage.release()
        stage.pass_time(1)
        assert task.result == 10
        assert set(topics(stage)) == {f"t/{number}" for number in range(10)}


def test_a_stream_at_qos_2_raises_if_the_session_is_lost() -> None:
    with staged() as stage:
        stage.hold()
        task = many(stage, 10, 4, 2)
        stage.lose_sessions()
        stage.release()
        stage.pass_time(1)
        with pytest.raises(DeliveryUncertainError):
            _ = task.result


def test_a_stream_raises_if_a_lost_message_is_not_taken_by_the_next_server() -> None:
    with staged() as stage:
        stage.hold()
        task = many(stage, 10, 4)
        stage.script = announcing(Properties(maximum_qos=QoS.AT_MOST_ONCE))
        stage.lose_sessions()
        stage.pass_time(1)
        with pytest.raises(LimitError):
            _ = task.result


def test_a_stream_raises_what_is_wrong_with_a_message() -> None:
    with staged() as stage:
        drawn = []

        def messages() -> Iterator[Publish]:
            for topic in ("a", "b/#", "c"):
                drawn.append(topic)
                yield Publish(topic, qos=1)

        task = stage.spawn(stage.client.publish_many(messages()))
        with pytest.raises(InvalidValueError):
            _ = task.result
        assert drawn == ["a", "b/#"]


def test_a_stream_raises_what_is_too_large() -> None:
    with staged() as stage:
        stage.cut()
        stage.hub = Hub(properties=Properties(maximum_packet_size=100))
        stage.pass_time(1)
        with pytest.raises(PacketTooLargeError):
            _ = many(stage, 3, 4, size=200).result


def test_a_stream_raises_the_first_refusal_once_the_others_are_done() -> None:
    def refuse(server: ServerConnection, event: Event, now: float) -> bool:
        if not isinstance(event, MessageReceived) or event.topic != "t/1":
            return False
        server.acknowledge(event, ReasonCode.QUOTA_EXCEEDED, now=now)
        return True

    with staged() as stage:
        stage.script = refuse
        task = many(stage, 100, 4)
        with pytest.raises(PublishRefusedError):
            _ = task.result
        assert len(topics(stage)) < 100
        assert stage.engine.session.in_flight == 0


def test_a_stream_of_what_gives_way_raises() -> None:
    limits = QueueLimits(2, overflow=Overflow.DROP_OLDEST, qos_0=Qos0.QUEUE)
    with away(queue_limits=limits) as stage:
        task = many(stage, 3, 100)
        back(stage)
        with pytest.raises(MessageDroppedError):
            _ = task.result


@given(
    qos=st.sampled_from([0, 1, 2]),
    window=st.integers(1, 5),
    room=st.integers(1, 4),
    cuts=st.lists(st.sampled_from(["cut", "lose", "hold", "answer", "wait"]), max_size=12),
)
def test_a_stream_ends_whatever_happens(qos: int, window: int, room: int, cuts: list[str]) -> None:
    stage = staged(queue_limits=QueueLimits(room, qos_0=Qos0.QUEUE), max_in_flight=2)
    task = many(stage, 12, window, qos)
    for cut in cuts:
        if cut == "cut":
            stage.cut()
        elif cut == "lose":
            stage.lose_sessions()
        elif cut == "wait":
            stage.pass_time(1)
        else:
            stage.hold() if cut == "hold" else stage.release()
        stage.settle()
    stage.release()
    stage.cut()
    stage.pass_time(100)
    assert task.done
    if task.error is None:
        assert {f"t/{number}" for number in range(12)} <= {*topics(stage)}
    else:
        assert isinstance(task.error, DeliveryUncertainError)
        assert qos == 2
        assert "lose" in cuts
    assert stage.engine._handles == {}
    assert stage.engine._unnumbered == {}
    with stage:
        pass


# Messages that nobody waits for.


def in_flight(*qos: int) -> Session:
    """A session that an earlier run of the program has left."""
    session = Session("c")
    with staged(client_id="c", session=session) as stage:
        stage.hold()
        for each in qos:
            stage.publish(f"old/{each}", each)
    return session


def test_a_message_of_an_earlier_run_is_not_lost_with_its_session() -> None:
    stage = Stage(client_id="c", session=in_flight(1, 2), mqtt_version=4, clean_start=True)
    stage.hold()
    with stage.start():
        assert topics(stage) == ["old/1"]
        # Before 5.0 such a session ends with its connection.
        stage.cut()
        assert len(stage.engine.session.queue) == 1
        stage.release()
        stage.pass_time(1)
        assert topics(stage) == ["old/1"] * 2


def test_a_message_of_an_earlier_run_that_the_server_does_not_take_is_gone() -> None:
    stage = Stage(client_id="c", session=in_flight(1))
    stage.script = announcing(Properties(maximum_qos=QoS.AT_MOST_ONCE))
    with stage.start():
        assert topics(stage) == []
        assert stage.engine.session.in_flight == 0


def test_a_message_that_has_waited_since_an_earlier_run_may_be_dropped() -> None:
    session = Session("c")
    session.enqueue(Delivery(Publish("old/1", qos=1)))
    stage = Stage(client_id="c", session=session)
    stage.script = announcing(Properties(maximum_qos=QoS.AT_MOST_ONCE))
    with stage.start():
        assert topics(stage) == []
        assert len(session.queue) == 0


def test_publish_raises_what_is_known_at_once() -> None:
    limits = QueueLimits(qos_0=Qos0.DROP)
    with away(queue_limits=limits) as stage, pytest.raises(MessageDroppedError):
        stage.run(stage.client.publish("a"))
