"""What a client does with its session on the next connection, and when it has none any more."""

import pytest

from client_stage import VERSIONS, Stage, connected, failure, lasting, messages, topics
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck, Connect, Disconnect
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscription
from mqttproto.constants import QoS, ReasonCode
from mqttproto.errors import Statement
from mqttproto.protocol import ConnectionState, Delivery, Journal, Session
from mqttproto.protocol.changes import (
    MessageQueued,
    MessageSent,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    SessionSuspended,
)
from mqttproto.protocol.events import (
    DropReason,
    PublishCompleted,
    PublishDropped,
    Subscribed,
)
from mqttproto.protocol.limits import NEVER


def expiring(seconds: int) -> Properties:
    return Properties(message_expiry_interval=seconds)


def busy(version: int, session: Session) -> tuple[Stage, list[Delivery]]:
    """A connection with a message in each state, and two of QoS 1."""
    stage = connected(version, lasting(version), session)
    deliveries = [
        stage.publish(topic, qos) for topic, qos in (("a", 1), ("b", 2), ("c", 2), ("d", 1))
    ]
    stage.receive(PubRec(2))
    stage.sent()
    return stage, deliveries


def again(stage: Stage, announce: Properties = EMPTY, *, window: int = 65_535) -> Stage:
    """The session resumed after a cut."""
    stage.cut()
    return connected(
        stage.version,
        lasting(stage.version),
        stage.client.session,
        resume=True,
        announce=announce,
        now=stage.now,
        max_in_flight=window,
    )


# What is sent again.


@pytest.mark.spec("5.0", "MQTT-3.3.1-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.4.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-3", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_unacknowledged_comes_again_with_dup_in_the_order_of_first_sending(
    version: int,
) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    deliveries = [stage.publish(topic, qos) for topic, qos in (("a", 1), ("b", 2), ("c", 1))]
    stage.receive(PubAck(1))
    deliveries.append(stage.publish("d", 2))
    for _ in range(2):
        stage = again(stage)
        assert stage.events == []
        assert stage.sent() == [
            Publish("b", b"", 2, False, True, 2),
            Publish("c", b"", 1, False, True, 3),
            Publish("d", b"", 2, False, True, 4),
        ]
    assert stage.client.in_flight == 3
    assert session.deliveries == deliveries[1:]
    assert stage.receive(PubAck(3)) == [PublishCompleted(deliveries[2])]


@pytest.mark.spec("5.0", "MQTT-4.6.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_order_is_not_that_of_the_identifiers(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    for number in range(65_535):
        stage.publish(str(number))
        if number != 1:
            stage.receive(PubAck(number + 1))
    stage.publish("late")
    assert stage.publish("held").packet_id == 3
    stage.sent()
    sent = again(stage).sent()
    assert topics(sent) == ["1", "late", "held"]
    assert [getattr(each, "packet_id", 0) for each in sent] == [2, 1, 3]


@pytest.mark.spec("5.0", "MQTT-4.3.3-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.4.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_that_was_released_comes_again_as_pubrel_only(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    delivery = stage.publish("a", 2)
    stage.receive(PubRec(1))
    for _ in range(2):
        stage = again(stage)
        assert stage.sent() == [PubRel(1)]
        assert stage.client.in_flight == 1
    # A receiver that has lost its memory says so with PUBREC: PUBREL is the answer to that too.
    assert stage.receive(PubRec(1)) == []
    assert stage.sent() == [PubRel(1)]
    assert stage.receive(PubComp(1)) == [PublishCompleted(delivery)]


@pytest.mark.spec("5.0", "MQTT-4.6.0-4", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-4", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_pubrels_come_again_in_the_order_of_the_pubrecs(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    for topic in "abc":
        stage.publish(topic, 2)
    stage.receive(PubRec(3), PubRec(1))
    for _ in range(2):
        stage = again(stage)
        assert stage.sent() == [PubRel(3), PubRel(1), Publish("b", b"", 2, False, True, 2)]


@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="client")
def test_nothing_is_sent_again_on_the_same_connection() -> None:
    stage, _ = busy(5, Session())
    for now in range(1, 100):
        stage.now = float(now)
        assert stage.client.handle_timeout(stage.now) == []
        stage.receive(Publish("x"))
    assert stage.sent() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_that_never_left_is_sent_for_the_first_time(version: int) -> None:
    stage = connected(version, lasting(version), Session(), max_in_flight=1)
    stage.publish("a")
    stage.publish("b")
    stage = again(stage)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1), Publish("b", b"", 1, packet_id=2)]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_put_out_but_not_sent_is_sent_again_all_the_same(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    stage.publish("a", 2)
    # It is still in the output when the connection is lost. Nobody can know what has left.
    stage.cut()
    assert stage.client.data_to_send() == b""
    assert again(stage).sent() == [Publish("a", b"", 2, False, True, 1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_new_messages_wait_behind_those_that_come_again(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    stage.publish("a")
    stage.publish("b", 2)
    stage.cut()
    session = stage.client.session
    stage = Stage(version, session, max_in_flight=1)
    stage.publish("c")
    stage.connect(lasting(version))
    stage.publish("d")
    stage.accept(resume=True)
    stage.publish("e")
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]
    stage.receive(PubAck(1))
    assert stage.sent() == [Publish("b", b"", 2, False, True, 2)]
    stage.receive(PubRec(2), PubComp(2))
    assert stage.sent() == [PubRel(2), Publish("c", b"", 1, packet_id=3)]
    stage.receive(PubAck(3))
    assert stage.sent() == [Publish("d", b"", 1, packet_id=4)]
    stage.receive(PubAck(4))
    assert stage.sent() == [Publish("e", b"", 1, packet_id=5)]


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_may_come_before_their_message_was_sent_again(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    one, two, three, four = (
        stage.publish("a"),
        stage.publish("b"),
        stage.publish("c", 2),
        stage.publish("d"),
    )
    stage = again(stage, window=1)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]
    # The server has answered the last time, and resumes with what it had to say then.
    assert stage.receive(PubAck(2)) == [PublishCompleted(two)]
    assert stage.client.in_flight == 1
    assert stage.receive(PubRec(3)) == []
    assert stage.sent() == [PubRel(3)]
    assert stage.client.in_flight == 2
    assert stage.receive(PubAck(1)) == [PublishCompleted(one)]
    assert stage.sent() == []
    assert stage.receive(PubComp(3)) == [PublishCompleted(three)]
    assert stage.sent() == [Publish("d", b"", 1, False, True, 4)]
    assert stage.receive(PubAck(4)) == [PublishCompleted(four)]
    assert stage.client.in_flight == stage.client.session.in_flight == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cut_in_the_middle_of_the_replay_loses_nothing(version: int) -> None:
    session = Session()
    stage, _ = busy(version, session)
    stage = again(stage, window=2)
    released, first = PubRel(2), Publish("a", b"", 1, False, True, 1)
    assert stage.sent() == [released, first]
    stage = again(stage)
    assert stage.sent() == [
        released,
        first,
        Publish("c", b"", 2, False, True, 3),
        Publish("d", b"", 1, False, True, 4),
    ]
    assert stage.client.in_flight == 4


@pytest.mark.parametrize("version", VERSIONS)
def test_a_connection_that_is_not_accepted_changes_nothing(version: int) -> None:
    session = Session()
    stage, deliveries = busy(version, session)
    stage.cut()
    before = session.export()
    for reply in (None, b"\x20\x02\x00\x03" if version != 5 else b"\x20\x03\x00\x88\x00"):
        stage = Stage(version, session)
        stage.connect(lasting(version))
        if reply is None:
            stage.cut()
        else:
            stage.receive(reply)
        assert stage.state() is ConnectionState.CLOSED
        assert session.export() == before
        assert session.connection is None
    assert len(session.deliveries) == len(deliveries)


@pytest.mark.spec("5.0", "MQTT-3.1.2-5", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_with_nothing_in_flight_is_resumed(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    stage = again(stage)
    assert stage.state() is ConnectionState.CONNECTED
    assert stage.events == []
    assert stage.sent() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_an_export_is_resumed_like_the_session_itself(version: int) -> None:
    session = Session()
    stage, _ = busy(version, session)
    stage.cut()
    restored = Session.restore(session.export())
    stage = connected(version, lasting(version), restored, resume=True)
    assert stage.sent() == [
        PubRel(2),
        Publish("a", b"", 1, False, True, 1),
        Publish("c", b"", 2, False, True, 3),
        Publish("d", b"", 1, False, True, 4),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_end_with_their_connection(version: int) -> None:
    stage = connected(version, lasting(version), Session())
    client = stage.client
    assert client.subscribe(Subscription("s"), now=0.0) == 1
    assert client.unsubscribe("u", now=0.0) == 2
    delivery = stage.publish("a")
    stage = again(stage)
    session = stage.client.session
    assert stage.sent() == [Publish("a", b"", 1, False, True, 3)]
    assert [session.outbound.get(each) is None for each in (1, 2)] == [True, True]
    assert session.deliveries == [delivery]
    # What has no request has no answer.
    failure(stage.receive(SubAck(1, [QoS(0)])))


def test_an_identifier_of_a_request_that_is_gone_is_used_again() -> None:
    stage = connected(5, lasting(5), Session())
    stage.client.subscribe(Subscription("s"), now=0.0)
    for _ in range(65_534):
        stage.publish("a")
    stage = again(stage)
    assert stage.client.subscribe(Subscription("s"), now=0.0) == 1
    (subscribed,) = stage.receive(SubAck(1, [QoS(0)]))
    assert isinstance(subscribed, Subscribed)


# Other limits than before.


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="client")
@pytest.mark.parametrize("own", [False, True])
def test_a_window_that_has_shrunk_holds_for_what_is_sent_again(own: bool) -> None:
    stage = connected(5, lasting(5), Session())
    for topic in "abcd":
        stage.publish(topic)
    stage.publish("e", 2)
    stage.receive(PubRec(5))
    stage = again(stage, EMPTY if own else Properties(receive_maximum=2), window=2 if own else 9)
    # The release goes on at once, and counts: its message is not acknowledged to its end.
    assert stage.sent() == [PubRel(5), Publish("a", b"", 1, False, True, 1)]
    stage.receive(PubAck(1))
    assert stage.sent() == [Publish("b", b"", 1, False, True, 2)]
    stage.receive(PubComp(5))
    assert stage.sent() == [Publish("c", b"", 1, False, True, 3)]
    assert stage.client.in_flight == 2


@pytest.mark.spec("5.0", "MQTT-4.9.0-3", role="client")
def test_releases_are_not_held_up_by_a_window_smaller_than_they_are_many() -> None:
    stage = connected(5, lasting(5), Session())
    for _ in range(3):
        stage.publish("a", 2)
    stage.publish("b")
    stage.receive(PubRec(1), PubRec(2), PubRec(3))
    stage = again(stage, Properties(receive_maximum=1))
    assert stage.sent() == [PubRel(1), PubRel(2), PubRel(3)]
    stage.receive(PubComp(1), PubComp(2))
    assert stage.sent() == []
    stage.receive(PubComp(3))
    assert stage.sent() == [Publish("b", b"", 1, False, True, 4)]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_what_has_become_too_large_does_not_stop_the_rest() -> None:
    session = Session()
    stage = connected(5, lasting(5), session, announce=Properties(receive_maximum=3))
    big = [stage.publish("a", qos, b"x" * 50) for qos in (1, 2, 2, 1)]
    last = stage.publish("b")
    stage.receive(PubRec(3))
    stage = again(stage, Properties(maximum_packet_size=30, receive_maximum=3))
    dropped = [PublishDropped(big[each], DropReason.TOO_LARGE) for each in (0, 1, 3)]
    assert stage.events == dropped
    # The server may have recorded the second: its identifier is freed by a release.
    assert stage.sent() == [PubRel(3), PubRel(2), Publish("b", b"", 1, packet_id=4)]
    (done, *rest) = stage.receive(PubComp(3), PubComp(2), PubAck(4))
    assert isinstance(done, PublishCompleted)
    assert rest == [PublishCompleted(last)]
    assert session.in_flight == stage.client.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-3.2.2-11", role="client")
@pytest.mark.spec("5.0", "MQTT-3.2.2-14", role="client")
def test_what_the_server_does_not_take_any_more_is_given_up() -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    high = stage.publish("high", 2)
    client = stage.client
    kept = [client.publish("kept", b"", qos, True, now=0.0) for qos in (1, 2)]
    fine = stage.publish("fine")
    stage = again(stage, Properties(maximum_qos=1, retain_available=False))
    assert kept[0] is not None
    assert kept[1] is not None
    assert stage.events == [
        PublishDropped(high, DropReason.QOS_NOT_SUPPORTED),
        PublishDropped(kept[0], DropReason.RETAIN_NOT_SUPPORTED),
        PublishDropped(kept[1], DropReason.QOS_NOT_SUPPORTED),
    ]
    assert stage.sent() == [PubRel(1), PubRel(3), Publish("fine", b"", 1, False, True, 4)]
    # The server has never seen it, or has: both ways it is over.
    unknown = PubComp(1, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
    assert stage.receive(unknown, PubComp(3), PubAck(4)) == [PublishCompleted(fine)]
    assert session.in_flight == stage.client.in_flight == 0


def test_what_was_given_up_is_not_told_twice() -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    stage.publish("a", 2)
    stage = again(stage, Properties(maximum_qos=1))
    assert [type(each) for each in stage.events] == [PublishDropped]
    stage = again(stage)
    assert stage.events == []
    assert stage.sent() == [PubRel(1)]
    over = stage.client.disconnect(properties=Properties(session_expiry_interval=0), now=0.0)
    assert [each for each in over if isinstance(each, PublishDropped)] == []


@pytest.mark.spec("5.0", "MQTT-4.3.3-7", role="client")
@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_sent_does_not_expire_any_more(qos: int) -> None:
    stage = connected(5, lasting(5), Session())
    delivery = stage.publish("a", qos, properties=expiring(5))
    stage.now = 2.0
    stage = again(stage)
    assert stage.sent() == [Publish("a", b"", qos, False, True, 1, expiring(3))]
    stage.now = 50.0
    stage = again(stage)
    assert stage.sent() == [Publish("a", b"", qos, False, True, 1, expiring(0))]
    answers = (PubAck(1),) if qos == 1 else (PubRec(1), PubComp(1))
    assert stage.receive(*answers) == [PublishCompleted(delivery)]


# A session that is lost.


@pytest.mark.spec("5.0", "MQTT-3.2.2-5", role="client")
@pytest.mark.parametrize("version", [4, 5])
def test_a_session_that_the_server_has_lost_is_dropped_and_told(version: int) -> None:
    session = Session()
    stage, deliveries = busy(version, session)
    stage.receive(Publish("x", b"", 2, packet_id=9))
    stage.cut()
    stage = connected(version, lasting(version), session)
    # In the order in which they were sent, behind one another those that were released.
    order = [deliveries[each] for each in (0, 2, 3, 1)]
    assert stage.events == [PublishDropped(each, DropReason.SESSION_ENDED) for each in order]
    assert stage.sent() == []
    assert session.in_flight == stage.client.in_flight == 0
    assert messages(stage.receive(Publish("x", b"", 2, packet_id=9)))
    # Identifiers are free again, and numbers are not.
    delivery = stage.publish("e")
    assert (delivery.packet_id, delivery.number) == (1, 5)


@pytest.mark.spec("5.0", "MQTT-3.1.2-4", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_asks_for_a_new_session_drops_the_old_one(version: int) -> None:
    session = Session()
    stage, deliveries = busy(version, session)
    stage.cut()
    stage = Stage(version, session)
    sent = stage.connect(Connect("c", True, 0))
    assert sent.clean_start
    # The server has it until it says that it has not.
    assert session.in_flight == 4
    _, *events = stage.accept()
    assert [type(each) for each in events] == [PublishDropped] * len(deliveries)
    assert session.in_flight == 0
    assert stage.sent() == []


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("version", [4, 5])
def test_what_waits_outlives_the_session(version: int, clean: bool) -> None:
    session = Session()
    stage = connected(version, lasting(version), session, max_in_flight=1)
    first, second = stage.publish("a"), stage.publish("b", 2)
    stage.cut()
    connect = Connect("c", True, 0) if clean else lasting(version)
    stage = connected(version, connect, session)
    assert stage.events == [PublishDropped(first, DropReason.SESSION_ENDED)]
    assert stage.sent() == [Publish("b", b"", 2, packet_id=1)]
    assert session.deliveries == [second]


def test_3_1_sends_again_what_it_has_because_it_is_not_told() -> None:
    session = Session()
    stage = connected(3, lasting(3), session)
    stage.publish("a")
    stage.cut()
    # The stage has no way to say it either.
    stage = connected(3, lasting(3), session, resume=False)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_a_session_with_clean_start_ends_with_its_connection(version: int) -> None:
    session = Session()
    stage = connected(version, Connect("c", True, 0), session)
    delivery = stage.publish("a")
    waits = Delivery(Publish("b", b"", 1))
    session.let_wait(waits)
    assert PublishDropped(delivery, DropReason.SESSION_ENDED) in stage.client.connection_lost(0.0)
    assert not session.established
    assert list(session.queue) == [waits]


@pytest.mark.spec("3.1.1", "MQTT-4.1.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.1.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-3.1.2-23", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_lasts_is_kept(version: int) -> None:
    session = Session()
    stage, deliveries = busy(version, session)
    stage.now = 3.0
    events = stage.client.connection_lost(3.0)
    assert not [each for each in events if isinstance(each, PublishDropped)]
    assert session.in_flight == len(deliveries)
    assert session.suspended_at == 3.0
    assert session.established
    assert session.expires_at == (103.0 if version == 5 else None)


# How long it lasts.


@pytest.mark.spec("5.0", "MQTT-4.1.0-2", role="client")
def test_a_session_without_an_expiry_interval_ends_with_its_connection() -> None:
    session = Session()
    stage = connected(5, Connect("c", False, 0), session)
    delivery = stage.publish("a", 2)
    stage.receive(Publish("x", b"", 2, packet_id=9))
    dropped, _ = stage.client.connection_lost(0.0)
    assert dropped == PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert not session.established
    assert (session.in_flight, session.received) == (0, {})
    # So the server must not have it either.
    stage = Stage(5, session)
    stage.connect(Connect("c", False, 0))
    failed = failure(stage.accept(resume=True))
    assert failed.statement == Statement("5.0", "MQTT-3.2.2-4")


@pytest.mark.spec("5.0", "MQTT-4.1.0-2", role="client")
@pytest.mark.parametrize("late", [False, True])
def test_a_session_whose_time_has_passed_is_over_when_it_is_to_be_resumed(late: bool) -> None:
    session = Session()
    stage, deliveries = busy(5, session)
    stage.client.connection_lost(10.0)
    stage = Stage(5, session)
    stage.now = 110.0 if late else 109.9
    stage.connect(lasting(5))
    events = stage.accept(resume=not late)
    dropped = [each for each in events if isinstance(each, PublishDropped)]
    assert len(dropped) == (len(deliveries) if late else 0)
    assert session.in_flight == (0 if late else len(deliveries))


def test_a_session_whose_time_has_passed_is_not_the_one_that_the_server_has() -> None:
    session = Session()
    connected(5, lasting(5), session).cut()
    stage = Stage(5, session)
    stage.now = 100.0
    # To the server it may not be over yet.
    assert stage.connect(lasting(5)).clean_start
    assert failure(stage.accept(resume=True)).statement == Statement("5.0", "MQTT-3.2.2-2")


def test_what_waits_in_a_session_whose_time_has_passed_is_kept_and_noted() -> None:
    session = Session(journal=Journal())
    stage = connected(5, lasting(5), session, announce=Properties(receive_maximum=1))
    lost, kept = stage.publish("a"), stage.publish("b")
    stage.client.connection_lost(0.0)
    stage = Stage(5, session)
    stage.client.take_changes()
    stage.now = 100.0
    stage.connect(lasting(5))
    assert not stage.client.take_changes()
    assert stage.client.take_events() == [PublishDropped(lost, DropReason.SESSION_ENDED)]
    stage.accept()
    noted = [each for each in stage.client.take_changes() if isinstance(each, MessageQueued)]
    assert [each.number for each in noted] == [kept.number]


def test_the_events_of_an_expired_session_come_with_the_next_call() -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    delivery = stage.publish("a")
    stage.client.connection_lost(0.0)
    stage = Stage(5, session)
    stage.now = 100.0
    stage.connect(lasting(5))
    dropped = PublishDropped(delivery, DropReason.SESSION_ENDED)
    assert stage.client.take_events() == [dropped]
    assert stage.client.take_events() == []


@pytest.mark.parametrize("interval", [NEVER, None])
def test_a_session_that_never_ends_is_resumed_at_any_time(interval: int | None) -> None:
    session = Session()
    version = 4 if interval is None else 5
    properties = EMPTY if interval is None else Properties(session_expiry_interval=interval)
    connect = Connect("c", False, 0, properties=properties)
    stage = connected(version, connect, session)
    stage.publish("a")
    stage.client.connection_lost(0.0)
    stage = connected(version, connect, session, resume=True, now=1e12)
    assert topics(stage.sent()) == ["a"]


@pytest.mark.parametrize(("announced", "kept"), [(0, False), (7, True)])
def test_the_servers_session_expiry_interval_is_the_last_word(announced: int, kept: bool) -> None:
    session = Session()
    announce = Properties(session_expiry_interval=announced)
    stage = connected(5, lasting(5), session, announce=announce)
    stage.publish("a")
    stage.cut()
    assert session.in_flight == kept
    assert session.expires_at == (7.0 if kept else None)
    assert session.established is kept


@pytest.mark.parametrize(("interval", "at"), [(0, None), (5, 6.0), (NEVER, None), (None, 101.0)])
def test_disconnect_may_change_how_long_it_lasts(interval: int | None, at: float | None) -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    stage.publish("a")
    stage.sent()
    properties = EMPTY if interval is None else Properties(session_expiry_interval=interval)
    stage.client.disconnect(properties=properties, now=1.0)
    assert stage.sent() == [Disconnect(properties=properties)]
    assert session.in_flight == (interval != 0)
    assert session.expires_at == at


def test_a_resumed_session_lasts_as_long_as_it_is_asked_for_anew() -> None:
    session = Session()
    connected(5, lasting(5), session).cut()
    short = Connect("c", False, 0, properties=Properties(session_expiry_interval=3))
    stage = connected(5, short, session, resume=True)
    stage.publish("a")
    stage.client.connection_lost(4.0)
    assert session.expires_at == 7.0


# From one version to another.


@pytest.mark.parametrize("version", [3, 4])
def test_a_session_of_5_is_resumed_in_an_older_version(version: int) -> None:
    session = Session()
    stage = connected(5, lasting(5), session, max_topic_aliases=5)
    full = Properties(content_type="x", message_expiry_interval=50)
    one = stage.publish("topic/1", 1, b"p", full)
    two = stage.publish("topic/2", 2, b"q", full)
    stage.receive(Publish("x", b"", 2, packet_id=9))
    stage.cut()
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [
        Publish("topic/1", b"p", 1, False, True, 1),
        Publish("topic/2", b"q", 2, False, True, 2),
    ]
    assert stage.receive(Publish("x", b"", 2, False, True, 9)) == []
    assert stage.receive(PubAck(1), PubRec(2), PubComp(2)) == [
        PublishCompleted(one),
        PublishCompleted(two),
    ]


@pytest.mark.parametrize("version", [3, 4])
def test_what_has_waited_since_5_waits_without_properties(version: int) -> None:
    session = Session()
    stage = connected(5, lasting(5), session, max_in_flight=1)
    stage.publish("a")
    expired = stage.publish("b", 1, properties=expiring(5))
    stage.publish("c", 1, properties=expiring(50))
    stage.cut()
    stage = connected(version, lasting(version), session, resume=True, now=10.0)
    assert stage.events == [PublishDropped(expired, DropReason.EXPIRED)]
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1), Publish("c", b"", 1, packet_id=2)]


@pytest.mark.parametrize("version", [3, 4])
def test_a_session_of_an_older_version_is_resumed_in_5(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    delivery = stage.publish("a", 2)
    stage.receive(PubRec(1))
    stage.cut()
    stage = connected(5, lasting(5), session, resume=True)
    assert stage.sent() == [PubRel(1)]
    assert stage.receive(PubComp(1)) == [PublishCompleted(delivery)]
    stage.client.connection_lost(1.0)
    assert session.expires_at == 101.0


# The journal.


@pytest.mark.parametrize("version", VERSIONS)
def test_what_comes_again_at_qos_2_waits_until_the_session_is_stored(version: int) -> None:
    session = Session(journal=Journal())
    stage = connected(version, lasting(version), session)
    stage.publish("a")
    stage.publish("b", 2)
    stage.publish("c", 2)
    stage.receive(PubRec(3))
    stage.store()
    stage.cut()
    stage = Stage(version, session)
    stage.connect(lasting(version))
    stage.accept(resume=True)
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [
        PubRel(3),
        Publish("a", b"", 1, False, True, 1),
        Publish("b", b"", 2, False, True, 2),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_journal_tells_how_the_session_lives(version: int) -> None:
    session = Session(journal=Journal())
    interval = 100 if version == 5 else NEVER
    stage = connected(version, lasting(version), session)
    delivery = stage.publish("a")
    message = delivery.message
    stage.client.connection_lost(3.0)
    assert list(stage.client.take_changes()) == [
        MessageSent("c", 1, 1, message, float("inf")),
        SessionSuspended("c", 3.0, interval),
    ]
    stage = Stage(version, session)
    stage.connect(lasting(version))
    assert not stage.client.take_changes()
    stage.accept(resume=True)
    assert list(stage.client.take_changes()) == [SessionResumed("c", interval)]
    stage.cut()
    stage = connected(version, Connect("c", True, 0), session)
    assert not session.logged


def test_a_session_that_is_lost_begins_anew_in_the_journal() -> None:
    session = Session(journal=Journal())
    stage = connected(5, lasting(5), session)
    stage.publish("a")
    stage.cut()
    stage.client.take_changes()
    stage = Stage(5, session)
    stage.connect(lasting(5))
    stage.accept()
    assert list(stage.client.take_changes()) == [SessionStarted("c", 100, 2)]
    stage.client.disconnect(properties=Properties(session_expiry_interval=0), now=0.0)
    assert list(stage.client.take_changes()) == [SessionEnded("c")]
    assert not session.logged


@pytest.mark.spec("5.0", "MQTT-3.2.2-4", role="client")
@pytest.mark.parametrize("how", ["lost", "eof", "late", "left"])
def test_a_session_whose_connack_was_lost_may_be_known_to_the_server(how: str) -> None:
    session = Session("c")
    stage = Stage(5, session)
    stage.connect(lasting(5))
    if how == "lost":
        stage.client.connection_lost(1.0)
    elif how == "eof":
        stage.client.receive_eof(1.0)
    elif how == "late":
        stage.client.handle_timeout(31.0)
    else:
        stage.client.disconnect(now=1.0)
    stage = connected(5, lasting(5), session, resume=True)
    assert stage.state() is ConnectionState.CONNECTED


@pytest.mark.spec("5.0", "MQTT-3.2.2-4", role="client")
@pytest.mark.parametrize("sent", [False, True])
def test_a_session_that_the_server_cannot_know_stays_unknown(sent: bool) -> None:
    session = Session("c")
    stage = Stage(5, session)
    if sent:
        stage.connect(lasting(5))
        stage.receive(ConnAck(False, ReasonCode.BANNED))
    stage.client.connection_lost(1.0)
    stage = Stage(5, session)
    stage.connect(lasting(5))
    assert failure(stage.accept(resume=True)).statement == Statement("5.0", "MQTT-3.2.2-4")
