"""What a server sends: messages to subscribers, their handshakes, the queue, and replay."""

import pytest

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import PingReq, PingResp
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription
from mqttproto.constants import QoS, ReasonCode
from mqttproto.errors import (
    InvalidValueError,
    LocalProtocolError,
    QueueFullError,
    Statement,
)
from mqttproto.protocol import (
    Delivery,
    Journal,
    Overflow,
    Qos0,
    QueueLimits,
    ServerConnection,
    Session,
)
from mqttproto.protocol.changes import MessageDropped
from mqttproto.protocol.delivery import deadline_of
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    CapacityAvailable,
    DropReason,
    PublishCompleted,
    PublishDropped,
    SubscribeReceived,
)
from server_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting, messages


def publish(stage: Stage, topic: str, qos: int, payload: bytes = b"") -> Delivery:
    """Publish at QoS 1 or 2."""
    delivery = stage.server.publish(topic, payload, qos, now=stage.now)
    assert delivery is not None
    return delivery


def waiting(session: Session, message: Publish, now: float = 0.0) -> Delivery:
    """Let a message wait in a session that has no connection, as a broker does."""
    delivery = Delivery(message, expires_at=deadline_of(message, now))
    assert session.enqueue(delivery) == []
    return delivery


# QoS 0.


@pytest.mark.spec("5.0", "MQTT-4.3.1-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.1-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_is_sent_once_and_nothing_follows(version: int) -> None:
    stage = connected(version)
    assert stage.server.publish("a", b"x", now=0.0) is None
    assert stage.sent() == [Publish("a", b"x", 0, False, False, None)]
    assert stage.server.take_events() == []
    assert stage.server.session.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-3.3.1-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-3", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_dup_and_identifier_of_a_message_that_is_forwarded_are_not_copied(
    version: int, qos: int
) -> None:
    stage = connected(version)
    message = Publish("a", b"x", qos, dup=True, packet_id=77)
    assert stage.server.send(message, now=0.0) is not None
    assert stage.sent() == [Publish("a", b"x", qos, False, False, 1)]
    assert message == Publish("a", b"x", qos, dup=True, packet_id=77)


def test_one_message_may_be_sent_to_many() -> None:
    message = Publish("a", b"x", 1, True)
    stages = [connected(version) for version in VERSIONS]
    for stage in stages:
        stage.server.publish("b", b"", 2, now=0.0)
        stage.server.send(message, now=0.0)
    for stage in stages:
        assert stage.sent()[1] == Publish("a", b"x", 1, True, False, 2)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_must_not_be_sent_changes_nothing(qos: int) -> None:
    stage = connected()
    for topic in ("", "a/+", "a\0"):
        with pytest.raises(InvalidValueError):
            stage.server.publish(topic, b"", qos, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.server.publish("a", b"", qos, properties=Properties(server_keep_alive=1), now=0.0)
    with pytest.raises(LocalProtocolError, match="Topic Alias is the connection's"):
        stage.server.publish("a", b"", qos, properties=Properties(topic_alias=1), now=0.0)
    assert stage.sent() == []
    assert stage.server.session.in_flight == 0
    stage.server.publish("a", b"", 1, now=0.0)
    assert stage.sent() == [Publish("a", b"", 1, packet_id=1)]


def test_a_subscription_identifier_may_be_sent() -> None:
    stage = connected()
    properties = Properties(subscription_identifiers=(1, 7))
    stage.server.publish("a", b"", 0, properties=properties, now=0.0)
    assert stage.sent() == [Publish("a", properties=properties)]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_server_has_announced_does_not_bind_itself(version: int) -> None:
    stage = connected(version, announce=Properties(maximum_qos=0, retain_available=False))
    stage.server.publish("a", b"", 2, True, now=0.0)
    assert stage.sent() == [Publish("a", b"", 2, True, False, 1)]


# QoS 1.


@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.2-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.2-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.2-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_1_holds_its_identifier_until_puback(version: int) -> None:
    stage = connected(version)
    first, second = publish(stage, "a", 1), publish(stage, "b", 1)
    assert stage.sent() == [
        Publish("a", b"", 1, False, False, 1),
        Publish("b", b"", 1, False, False, 2),
    ]
    assert (first.packet_id, second.packet_id) == (1, 2)
    assert stage.server.session.deliveries == [first, second]
    assert stage.receive(PubAck(1)) == [PublishCompleted(first)]
    assert stage.server.session.deliveries == [second]
    assert stage.server.in_flight == 1
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-4", role="server")
@pytest.mark.parametrize(("version", "qos"), [(4, 1), (5, 1), (5, 2)])
def test_no_identifier_is_used_while_it_is_in_flight(version: int, qos: int) -> None:
    stage = connected(version)
    held = publish(stage, "held", qos)
    seen = {held.packet_id}
    for _ in range(65_534):
        delivery = publish(stage, "a", qos)
        assert delivery.packet_id not in seen
        seen.add(delivery.packet_id)
    assert seen == set(range(1, 65_536))
    # What is beyond waits, and gets the one that becomes free.
    late = publish(stage, "late", qos)
    assert late.packet_id == 0
    stage.sent()
    stage.receive(PubAck(9) if qos == 1 else PubRec(9))
    stage.receive(*(() if qos == 1 else (PubComp(9),)))
    assert late.packet_id == 9
    assert stage.sent()[-1] == Publish("late", b"", qos, packet_id=9)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_identifiers_of_the_client_are_another_space(version: int) -> None:
    stage = connected(version)
    delivery = publish(stage, "a", 2)
    stage.sent()
    (event,) = stage.receive(Subscribe(1, [Subscription("a")]))
    assert isinstance(event, SubscribeReceived)
    stage.server.answer_subscribe(event.packet, [1], now=0.0)
    message = stage.message(Publish("b", b"", 2, packet_id=1))
    assert stage.receive(PubRec(1)) == []
    stage.acknowledge(message)
    assert stage.receive(PubRel(1), PubComp(1)) == [PublishCompleted(delivery)]
    assert stage.sent() == [SubAck(1, [QoS(1)]), PubRel(1), PubRec(1), PubComp(1)]


@pytest.mark.spec("5.0", "MQTT-4.4.0-2", role="server")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x97, 0x99])
def test_a_refused_qos_1_message_is_done_with_and_not_sent_again(code: int) -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    delivery = publish(stage, "a", 1)
    stage.sent()
    refusal = PubAck(1, ReasonCode(code), EXPLAINED)
    assert stage.receive(refusal) == [PublishCompleted(delivery, ReasonCode(code), EXPLAINED)]
    assert stage.server.in_flight == session.in_flight == 0
    stage.server.connection_lost(0.0)
    assert connected(5, lasting(5), session, resume=True).sent() == []


@pytest.mark.parametrize("packet", [PubAck(7), PubComp(7)])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_to_nothing_is_told_and_changes_nothing(
    version: int, packet: PubAck | PubComp
) -> None:
    stage = connected(version)
    delivery = publish(stage, "a", 1)
    stage.sent()
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    assert stage.sent() == []
    assert stage.server.session.deliveries == [delivery]


@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="server")
@pytest.mark.parametrize(
    ("qos", "packet"), [(1, PubRec(1)), (1, PubComp(1)), (2, PubAck(1)), (2, PubComp(1))]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_to_another_qos_ends_the_connection(
    version: int, qos: int, packet: PubAck | PubRec | PubComp
) -> None:
    stage = connected(version)
    publish(stage, "a", qos)
    failed = failure(stage.receive(packet))
    assert failed.statement == (
        Statement("5.0", "MQTT-2.2.1-5") if version == 5 else Statement("3.1.1", "MQTT-2.3.1-6")
    )


# QoS 2.


@pytest.mark.spec("5.0", "MQTT-4.3.3-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-3", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-4", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-5", role="server")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_2_goes_from_publish_by_pubrec_and_pubrel_to_pubcomp(version: int) -> None:
    stage = connected(version)
    other, delivery = publish(stage, "z", 2), publish(stage, "a", 2)
    assert stage.sent() == [Publish("z", b"", 2, packet_id=1), Publish("a", b"", 2, packet_id=2)]
    assert stage.receive(PubRec(2)) == []
    assert stage.sent() == [PubRel(2)]
    assert stage.server.session.deliveries == [other, delivery]
    assert stage.server.in_flight == 2
    assert stage.receive(PubComp(2)) == [PublishCompleted(delivery)]
    assert stage.server.session.deliveries == [other]
    assert stage.server.in_flight == 1
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-4.3.3-4", role="server")
def test_a_pubrec_that_explains_itself_is_a_success_like_any_other() -> None:
    stage = connected()
    publish(stage, "a", 2)
    stage.sent()
    assert stage.receive(PubRec(1, ReasonCode.SUCCESS, EXPLAINED)) == []
    assert stage.sent() == [PubRel(1)]


@pytest.mark.spec("5.0", "MQTT-4.4.0-2", role="server")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def test_a_refused_qos_2_message_is_not_released_nor_sent_again(code: int) -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    delivery = publish(stage, "a", 2)
    stage.sent()
    refusal = PubRec(1, ReasonCode(code), EXPLAINED)
    assert stage.receive(refusal) == [PublishCompleted(delivery, ReasonCode(code), EXPLAINED)]
    assert stage.sent() == []
    assert stage.server.in_flight == session.in_flight == 0
    stage.server.connection_lost(0.0)
    assert connected(5, lasting(5), session, resume=True).sent() == []


@pytest.mark.spec("5.0", "MQTT-4.3.3-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.4.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_that_was_released_comes_again_as_pubrel_only(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    delivery = publish(stage, "a", 2)
    stage.receive(PubRec(1))
    for _ in range(2):
        stage.server.connection_lost(0.0)
        stage = connected(version, lasting(version), session, resume=True)
        assert stage.sent() == [PubRel(1)]
    assert stage.receive(PubComp(1)) == [PublishCompleted(delivery)]


def test_pubrec_again_is_answered_with_pubrel_again() -> None:
    stage = connected()
    publish(stage, "a", 2)
    stage.receive(PubRec(1))
    stage.sent()
    assert stage.receive(PubRec(1)) == []
    assert stage.sent() == [PubRel(1)]
    assert stage.server.in_flight == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pubrec_for_an_unknown_identifier_is_released_and_takes_none(version: int) -> None:
    stage = connected(version)
    packet = PubRec(1)
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    code = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND if version == 5 else ReasonCode.SUCCESS
    assert stage.sent() == [PubRel(1, code)]
    assert publish(stage, "a", 2).packet_id == 1
    assert stage.server.in_flight == 1


def test_a_refusing_pubrec_for_an_unknown_identifier_is_ignored() -> None:
    stage = connected()
    packet = PubRec(1, ReasonCode.UNSPECIFIED_ERROR)
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.5.2-1", role="server")
@pytest.mark.spec("5.0", "MQTT-3.4.2-1", role="server")
@pytest.mark.parametrize("first", [0x40, 0x50])
def test_a_client_cannot_know_that_there_are_no_subscribers(first: int) -> None:
    stage = connected()
    publish(stage, "a", 1 if first == 0x40 else 2)
    failed = failure(stage.receive(bytes([first, 3, 0, 1, 0x10])))
    assert failed.statement.id == ("MQTT-3.4.2-1" if first == 0x40 else "MQTT-3.5.2-1")


@pytest.mark.parametrize("answer", [PubAck(1), PubRec(1, ReasonCode.UNSPECIFIED_ERROR)])
def test_a_message_that_was_released_cannot_be_refused_any_more(answer: PubAck | PubRec) -> None:
    stage = connected()
    publish(stage, "a", 2)
    stage.receive(PubRec(1))
    assert failure(stage.receive(answer)).statement == Statement("5.0", "MQTT-2.2.1-5")


# Resuming.


@pytest.mark.spec("5.0", "MQTT-3.3.1-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.3.1-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.4.0-1", role="server")
@pytest.mark.spec("5.0", "MQTT-4.6.0-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_unacknowledged_comes_again_with_dup_in_the_order_of_first_sending(
    version: int,
) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    deliveries = [publish(stage, topic, qos) for topic, qos in (("a", 1), ("b", 2), ("c", 1))]
    stage.receive(PubAck(1))
    deliveries.append(publish(stage, "d", 2))
    stage.sent()
    for _ in range(2):
        stage.server.connection_lost(0.0)
        stage = connected(version, lasting(version), session, resume=True)
        assert stage.events == []
        assert stage.sent() == [
            Publish("b", b"", 2, False, True, 2),
            Publish("c", b"", 1, False, True, 3),
            Publish("d", b"", 2, False, True, 4),
        ]
    assert stage.server.in_flight == 3
    assert session.deliveries == deliveries[1:]


@pytest.mark.spec("5.0", "MQTT-4.6.0-1", role="server")
def test_identifiers_that_were_used_again_do_not_change_the_order() -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    for number in range(65_535):
        publish(stage, str(number), 1)
        if number:
            stage.receive(PubAck(number + 1))
    publish(stage, "late", 1)
    stage.server.connection_lost(0.0)
    stage = connected(5, lasting(5), session, resume=True)
    sent = stage.sent()
    assert [each.topic for each in sent if isinstance(each, Publish)] == ["0", "late"]
    assert [each.packet_id for each in sent if isinstance(each, Publish)] == [1, 2]


@pytest.mark.spec("5.0", "MQTT-4.4.0-1", role="server")
def test_nothing_is_sent_again_on_the_same_connection() -> None:
    stage = connected(5, lasting(5, keep_alive=10))
    publish(stage, "a", 1)
    publish(stage, "b", 2)
    stage.sent()
    for now in range(1, 100):
        stage.now = float(now)
        stage.receive(PingReq())
        stage.server.handle_timeout(stage.now)
    assert set(map(type, stage.sent())) == {PingResp}


@pytest.mark.parametrize("version", VERSIONS)
def test_pubrels_come_again_in_the_order_of_the_pubrecs(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    for topic in "abc":
        publish(stage, topic, 2)
    stage.receive(PubRec(3), PubRec(1))
    stage.server.connection_lost(0.0)
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [PubRel(3), PubRel(1), Publish("b", b"", 2, False, True, 2)]


@pytest.mark.parametrize("version", VERSIONS)
def test_new_messages_wait_behind_those_that_come_again(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    publish(stage, "a", 1)
    publish(stage, "b", 2)
    stage.server.connection_lost(0.0)
    waiting(session, Publish("c", b"", 1))
    server = ServerConnection(now=0.0, max_in_flight=1)
    stage = connected(version, lasting(version), session, resume=True, server=server)
    publish(stage, "d", 1)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]
    stage.receive(PubAck(1))
    assert stage.sent() == [Publish("b", b"", 2, False, True, 2)]
    stage.receive(PubRec(2), PubComp(2))
    assert stage.sent() == [PubRel(2), Publish("c", b"", 1, packet_id=3)]
    stage.receive(PubAck(3))
    assert stage.sent() == [Publish("d", b"", 1, packet_id=4)]


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_may_come_before_their_message_was_sent_again(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    one, two, three = (publish(stage, "a", 1), publish(stage, "b", 1), publish(stage, "c", 2))
    stage.server.connection_lost(0.0)
    server = ServerConnection(now=0.0, max_in_flight=1)
    stage = connected(version, lasting(version), session, resume=True, server=server)
    assert stage.sent() == [Publish("a", b"", 1, False, True, 1)]
    # The client has answered the last time, and resumes with what it had to say then.
    assert stage.receive(PubAck(2)) == [PublishCompleted(two)]
    assert stage.receive(PubRec(3)) == []
    assert stage.sent() == [PubRel(3)]
    assert server.in_flight == 2
    assert stage.receive(PubAck(1), PubComp(3)) == [PublishCompleted(one), PublishCompleted(three)]
    assert server.in_flight == 0
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-4.3.3-7", role="server")
def test_a_qos_2_message_that_was_sent_does_not_expire_any_more() -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    properties = Properties(message_expiry_interval=5)
    delivery = stage.server.publish("a", b"", 2, properties=properties, now=0.0)
    assert delivery is not None
    stage.server.connection_lost(1.0)
    stage = connected(5, lasting(5), session, resume=True, now=50.0)
    left = Properties(message_expiry_interval=0)
    assert stage.sent() == [Publish("a", b"", 2, False, True, 1, left)]
    stage.receive(PubRec(1))
    assert stage.receive(PubComp(1)) == [PublishCompleted(delivery)]


# The queue.


@pytest.mark.parametrize("version", VERSIONS)
def test_what_has_waited_is_sent_behind_connack(version: int) -> None:
    session = Session("c", queue_limits=QueueLimits(qos_0=Qos0.QUEUE))
    connected(version, lasting(version), session).server.connection_lost(0.0)
    for qos in (1, 0, 2):
        waiting(session, Publish(f"q{qos}", b"", qos))
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.sent() == [
        Publish("q0"),
        Publish("q1", b"", 1, packet_id=1),
        Publish("q2", b"", 2, packet_id=2),
    ]
    assert stage.events == [PublishCompleted(Delivery(Publish("q0")))]


@pytest.mark.spec("5.0", "MQTT-3.3.2-5", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-6", role="server")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_has_waited_is_sent_with_what_is_left_of_its_life_or_dropped(qos: int) -> None:
    session = Session("c", queue_limits=QueueLimits(qos_0=Qos0.QUEUE))
    connected(5, lasting(5), session).server.connection_lost(0.0)
    short = waiting(session, Publish("a", b"", qos, properties=expiring(5)))
    waiting(session, Publish("b", b"", qos, properties=expiring(20)))
    stage = connected(5, lasting(5), session, resume=True, now=5.0)
    (sent,) = stage.sent()
    assert isinstance(sent, Publish)
    assert sent.topic == "b"
    assert sent.properties == expiring(15)
    assert stage.events[0] == PublishDropped(short, DropReason.EXPIRED)
    assert session.in_flight == (qos > 0)


def expiring(seconds: int) -> Properties:
    return Properties(message_expiry_interval=seconds, user_properties=[("a", "b"), ("a", "c")])


@pytest.mark.spec("5.0", "MQTT-3.3.2-6", role="server")
def test_a_message_that_is_sent_at_once_or_without_an_interval_keeps_it() -> None:
    stage = connected(5)
    stage.now = 1000.0
    stage.server.publish("a", b"", 1, properties=expiring(5), now=1000.0)
    stage.server.publish("a", b"", 1, properties=Properties(content_type="x"), now=1000.0)
    assert stage.sent() == [
        Publish("a", b"", 1, packet_id=1, properties=expiring(5)),
        Publish("a", b"", 1, packet_id=2, properties=Properties(content_type="x")),
    ]


def test_what_would_have_to_wait_is_checked_before_it_does() -> None:
    stage = connected(5, server=ServerConnection(now=0.0, max_in_flight=1))
    publish(stage, "a", 1)
    for properties in (Properties(topic_alias=1), Properties(server_keep_alive=1)):
        with pytest.raises((LocalProtocolError, InvalidValueError)):
            stage.server.publish("b", b"", 1, properties=properties, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.server.publish("b/#", b"", 1, now=0.0)
    assert len(stage.server.session.queue) == 0


def test_what_expires_while_it_waits_is_noted() -> None:
    session = Session("c", journal=Journal())
    connected(5, lasting(5), session).server.connection_lost(0.0)
    short = waiting(session, Publish("a", b"", 1, properties=expiring(5)))
    stage = Stage()
    stage.connect(lasting(5))
    # It is the time of the answer that counts, and the owner may take its time.
    stage.now = 9.0
    events = stage.accept(session, resume=True)
    assert events == [PublishDropped(short, DropReason.EXPIRED)]
    assert list(stage.server.take_changes())[-1] == MessageDropped("c", short.number)


def test_a_full_queue_refuses_and_tells_when_there_is_room() -> None:
    session = Session("c", queue_limits=QueueLimits(max_messages=1))
    server = ServerConnection(now=0.0, max_in_flight=1)
    stage = connected(5, None, session, server=server)
    publish(stage, "a", 1)
    second = publish(stage, "b", 1)
    with pytest.raises(QueueFullError):
        publish(stage, "c", 1)
    assert session.next_number == 3
    events = stage.receive(PubAck(1))
    assert [type(each) for each in events] == [PublishCompleted, CapacityAvailable]
    assert second.packet_id == 2


@pytest.mark.parametrize(
    ("overflow", "dropped", "left"),
    [(Overflow.DROP_OLDEST, "b", "c"), (Overflow.DROP_NEWEST, "c", "b")],
)
def test_a_full_queue_may_drop_instead(overflow: Overflow, dropped: str, left: str) -> None:
    session = Session("c", queue_limits=QueueLimits(max_messages=1, overflow=overflow))
    server = ServerConnection(now=0.0, max_in_flight=1)
    stage = connected(5, None, session, server=server)
    publish(stage, "a", 1)
    deliveries = {topic: publish(stage, topic, 1) for topic in "bc"}
    drop = PublishDropped(deliveries[dropped], DropReason.QUEUE_FULL)
    assert server.take_events() == [drop]
    assert CapacityAvailable() in stage.receive(PubAck(1))
    assert stage.sent()[1:] == [Publish(left, b"", 1, packet_id=2)]


def test_qos_0_does_not_wait_behind_a_full_window() -> None:
    stage = connected(5, server=ServerConnection(now=0.0, max_in_flight=1))
    publish(stage, "a", 1)
    publish(stage, "b", 1)
    stage.server.publish("c", now=0.0)
    assert stage.sent() == [Publish("a", b"", 1, packet_id=1), Publish("c")]


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_can_be_published_on_a_connection_that_is_over(version: int, qos: int) -> None:
    stage = connected(version, lasting(version))
    stage.server.connection_lost(0.0)
    with pytest.raises(LocalProtocolError, match="the connection is over"):
        stage.server.publish("a", b"", qos, now=0.0)
    assert len(stage.server.session.queue) == 0


# Changes before bytes.


def logged(version: int = 5) -> Stage:
    """A connection with a session that is stored, all of it committed."""
    return connected(version, lasting(version), Session("c", journal=Journal()))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_2_publish_and_its_pubrel_wait_until_they_are_stored(version: int) -> None:
    stage = logged(version)
    publish(stage, "a", 2)
    stage.server.publish("b", now=0.0)
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [Publish("a", b"", 2, packet_id=1), Publish("b")]
    stage.receive(PubRec(1))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRel(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_and_1_do_not_wait_but_for_what_the_owner_names(version: int) -> None:
    stage = logged(version)
    stage.server.publish("a", now=0.0)
    publish(stage, "b", 1)
    assert stage.sent() == [Publish("a"), Publish("b", b"", 1, packet_id=1)]
    number = stage.server.take_changes().last + 1
    stage.server.publish("c", now=0.0, after=number)
    stage.server.publish("d", b"", 1, now=0.0, after=number)
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [Publish("c"), Publish("d", b"", 1, packet_id=2)]


def test_what_waits_in_the_queue_remembers_what_it_waits_for() -> None:
    stage = logged()
    server = ServerConnection(now=0.0, max_in_flight=1)
    stage = connected(5, lasting(5), stage.server.session, resume=True, server=server)
    stage.store()
    publish(stage, "a", 1)
    number = stage.server.take_changes().last + 2
    server.publish("b", b"", 1, now=0.0, after=number)
    stage.receive(PubAck(1))
    assert stage.sent() == [Publish("a", b"", 1, packet_id=1)]
    stage.store()
    assert stage.sent() == [Publish("b", b"", 1, packet_id=2)]


@pytest.mark.parametrize("queued", [False, True])
def test_too_much_that_is_not_stored_refuses_more_of_it(queued: bool) -> None:
    session = Session("c", journal=Journal())
    server = ServerConnection(now=0.0, max_uncommitted=2, max_in_flight=1 if queued else 65_535)
    stage = connected(5, lasting(5), session, server=server)
    publish(stage, "a", 1)
    publish(stage, "b", 1)
    for qos in (1, 2):
        with pytest.raises(QueueFullError):
            publish(stage, "c", qos)
    server.publish("d", now=0.0)
    assert server.take_events() == []
    assert session.next_number == 3
    stage.store()
    assert server.take_events() == [CapacityAvailable()]
    publish(stage, "c", 1)
    stage.store()
    assert server.take_events() == []


def test_capacity_is_not_told_while_too_much_is_not_stored() -> None:
    session = Session("c", journal=Journal())
    stage = connected(5, lasting(5), session, server=ServerConnection(now=0.0, max_uncommitted=1))
    publish(stage, "a", 1)
    with pytest.raises(QueueFullError):
        publish(stage, "b", 1)
    # Its answer is one more change.
    assert [type(each) for each in stage.receive(PubAck(1))] == [PublishCompleted]
    stage.store()
    assert stage.server.take_events() == [CapacityAvailable()]


def test_an_acknowledgement_that_waits_does_not_hold_up_the_reader() -> None:
    stage = logged()
    message = stage.message(Publish("a", b"", 1, packet_id=1))
    publish(stage, "b", 2)
    stage.acknowledge(message)
    assert messages(stage.receive(Publish("c", b"", 0)))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [Publish("b", b"", 2, packet_id=1), PubAck(1)]


def test_properties_pass_unaltered_and_in_order() -> None:
    properties = Properties(
        payload_format_indicator=1,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"\0\1",
        user_properties=[("b", "1"), ("a", "2"), ("b", "3")],
    )
    incoming = connected(5).message(Publish("a", b"x", 0, properties=properties))
    stage = connected(5)
    stage.server.send(incoming.message, now=0.0)
    assert stage.sent() == [Publish("a", b"x", 0, properties=properties)]
    older = connected(4)
    older.server.send(incoming.message, now=0.0)
    assert older.sent() == [Publish("a", b"x")]
