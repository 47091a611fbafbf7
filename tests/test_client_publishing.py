"""What a client publishes: handshakes, limits, the queue, and what must not be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_stage import (
    EXPLAINED,
    VERSIONS,
    Stage,
    connected,
    failure,
    lasting,
    messages,
    topics,
)
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect, PingReq
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import QoS, ReasonCode
from mqttproto.errors import (
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    PacketIdsExhaustedError,
    PacketTooLargeError,
    QueueFullError,
    Statement,
)
from mqttproto.protocol import ConnectionState, Overflow, Qos0, QueueLimits, Session
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    CapacityAvailable,
    DropReason,
    PublishCompleted,
    PublishDropped,
    Subscribed,
    Unsubscribed,
)


def nothing_has_changed(stage: Stage) -> None:
    """What was refused has left no trace."""
    session = stage.client.session
    assert stage.sent() == []
    assert stage.client.take_events() == []
    assert (len(session.queue), session.in_flight, stage.client.in_flight) == (0, 0, 0)
    assert session.next_number == 1


# By QoS.


@pytest.mark.spec("5.0", "MQTT-4.3.1-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.1-1", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-2", role="client")
@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_is_sent_once_and_nothing_follows(version: int, retain: bool) -> None:
    stage = connected(version)
    assert stage.client.publish("a", b"x", 0, retain, now=0.0) is None
    assert stage.sent() == [Publish("a", b"x", 0, retain, False, None)]
    assert stage.client.take_events() == []
    assert stage.client.session.in_flight == stage.client.in_flight == 0


@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.2-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_1_holds_its_identifier_until_puback(version: int) -> None:
    stage = connected(version)
    first, second = stage.publish("a"), stage.publish("b")
    assert stage.sent() == [
        Publish("a", b"", 1, False, False, 1),
        Publish("b", b"", 1, False, False, 2),
    ]
    assert (first.packet_id, second.packet_id) == (1, 2)
    assert (first.number, second.number) == (1, 2)
    assert stage.client.session.deliveries == [first, second]
    assert stage.receive(PubAck(1)) == [PublishCompleted(first)]
    assert stage.client.session.deliveries == [second]
    assert stage.client.in_flight == 1
    assert stage.receive(PubAck(2)) == [PublishCompleted(second)]
    assert stage.sent() == []
    # Its identifier is the last to be used again.
    assert stage.publish("c").packet_id == 3


@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-3", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-5", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_2_goes_from_publish_by_pubrec_and_pubrel_to_pubcomp(version: int) -> None:
    stage = connected(version)
    other, delivery = stage.publish("z", 2), stage.publish("a", 2)
    assert stage.sent() == [Publish("z", b"", 2, packet_id=1), Publish("a", b"", 2, packet_id=2)]
    assert stage.receive(PubRec(2)) == []
    assert stage.sent() == [PubRel(2)]
    assert stage.client.session.deliveries == [other, delivery]
    assert stage.client.in_flight == 2
    assert stage.receive(PubComp(2)) == [PublishCompleted(delivery)]
    assert stage.client.session.deliveries == [other]
    assert stage.client.in_flight == 1
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-4.6.0-4", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-4", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@given(order=st.permutations(range(1, 6)))
def test_pubrels_follow_the_order_of_the_pubrecs(version: int, order: list[int]) -> None:
    stage = connected(version)
    for _ in order:
        stage.publish("a", 2)
    stage.sent()
    assert stage.receive(*(PubRec(each) for each in order)) == []
    assert stage.sent() == [PubRel(each) for each in order]


@pytest.mark.spec("5.0", "MQTT-3.3.1-3", role="client")
@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_dup_and_identifier_of_a_message_that_exists_are_of_no_account(
    version: int, qos: int
) -> None:
    stage = connected(version)
    message = Publish("a", b"x", qos, True, True, 77)
    delivery = stage.client.send(message, now=0.0)
    assert delivery is not None
    assert delivery.message is message
    assert stage.sent() == [Publish("a", b"x", qos, True, False, 1)]
    assert message == Publish("a", b"x", qos, True, True, 77)


# Answers.


@pytest.mark.spec("5.0", "MQTT-4.4.0-2", role="client")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x97, 0x99])
def test_a_refused_qos_1_message_is_done_with_and_not_sent_again(code: int) -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    delivery = stage.publish("a")
    stage.sent()
    refusal = PubAck(1, ReasonCode(code), EXPLAINED)
    assert stage.receive(refusal) == [PublishCompleted(delivery, ReasonCode(code), EXPLAINED)]
    assert stage.client.in_flight == session.in_flight == 0
    stage.cut()
    assert connected(5, lasting(5), session, resume=True).sent() == []


@pytest.mark.spec("5.0", "MQTT-4.4.0-2", role="client")
@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def test_a_refused_qos_2_message_is_not_released_nor_sent_again(code: int) -> None:
    session = Session()
    stage = connected(5, lasting(5), session)
    delivery = stage.publish("a", 2)
    stage.sent()
    refusal = PubRec(1, ReasonCode(code), EXPLAINED)
    assert stage.receive(refusal) == [PublishCompleted(delivery, ReasonCode(code), EXPLAINED)]
    assert stage.sent() == []
    assert stage.client.in_flight == session.in_flight == 0
    # Its identifier is free.
    assert session.outbound.get(1) is None
    stage.cut()
    assert connected(5, lasting(5), session, resume=True).sent() == []


def test_an_accepting_answer_may_have_something_to_say() -> None:
    stage = connected()
    delivery = stage.publish("a")
    answer = PubAck(1, ReasonCode.NO_MATCHING_SUBSCRIBERS, EXPLAINED)
    assert stage.receive(answer) == [
        PublishCompleted(delivery, ReasonCode.NO_MATCHING_SUBSCRIBERS, EXPLAINED)
    ]


@pytest.mark.spec("5.0", "MQTT-4.3.3-4", role="client")
def test_a_message_without_subscribers_is_released_as_any_other() -> None:
    stage = connected()
    delivery = stage.publish("a", 2)
    stage.sent()
    assert stage.receive(PubRec(1, ReasonCode.NO_MATCHING_SUBSCRIBERS, EXPLAINED)) == []
    assert stage.sent() == [PubRel(1)]
    # What PUBREC said is what became of the message.
    (completed,) = stage.receive(PubComp(1, ReasonCode.SUCCESS, EXPLAINED))
    assert completed == PublishCompleted(delivery, ReasonCode.NO_MATCHING_SUBSCRIBERS, EXPLAINED)


def test_a_receiver_that_has_forgotten_the_release_has_the_message_all_the_same() -> None:
    stage = connected()
    delivery = stage.publish("a", 2)
    stage.receive(PubRec(1))
    unknown = PubComp(1, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
    assert stage.receive(unknown) == [PublishCompleted(delivery)]
    assert stage.client.in_flight == 0


def test_pubrec_again_is_answered_with_pubrel_again() -> None:
    stage = connected()
    stage.publish("a", 2)
    stage.receive(PubRec(1))
    stage.sent()
    assert stage.receive(PubRec(1)) == []
    assert stage.sent() == [PubRel(1)]
    assert stage.client.in_flight == 1


@pytest.mark.parametrize("packet", [PubAck(7), PubComp(7)])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_to_nothing_is_told_and_changes_nothing(
    version: int, packet: PubAck | PubComp
) -> None:
    stage = connected(version)
    delivery = stage.publish("a")
    stage.sent()
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    assert stage.sent() == []
    assert stage.client.session.deliveries == [delivery]
    assert stage.client.in_flight == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pubrec_for_an_unknown_identifier_is_released_and_takes_none(version: int) -> None:
    stage = connected(version)
    packet = PubRec(1)
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    code = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND if version == 5 else ReasonCode.SUCCESS
    assert stage.sent() == [PubRel(1, code)]
    assert stage.publish("a", 2).packet_id == 1
    assert stage.client.in_flight == 1


def test_a_refusing_pubrec_for_an_unknown_identifier_is_ignored() -> None:
    stage = connected()
    packet = PubRec(1, ReasonCode.UNSPECIFIED_ERROR)
    assert stage.receive(packet) == [AcknowledgementIgnored(packet)]
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="client")
@pytest.mark.parametrize(
    ("qos", "packet"), [(1, PubRec(1)), (1, PubComp(1)), (2, PubAck(1)), (2, PubComp(1))]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_to_another_qos_ends_the_connection(
    version: int, qos: int, packet: PubAck | PubRec | PubComp
) -> None:
    stage = connected(version)
    stage.publish("a", qos)
    failed = failure(stage.receive(packet))
    assert failed.statement == (
        Statement("5.0", "MQTT-2.2.1-5") if version == 5 else Statement("3.1.1", "MQTT-2.3.1-6")
    )


@pytest.mark.parametrize("packet", [PubAck(1), PubRec(1), PubComp(1)])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_is_not_answered_as_a_message_is(
    version: int, packet: PubAck | PubRec | PubComp
) -> None:
    stage = connected(version)
    assert stage.client.subscribe(Subscription("a"), now=0.0) == 1
    failed = failure(stage.receive(packet))
    # Right behind the CONNACK.
    assert failed.offset == (5 if version == 5 else 4)
    assert failed.statement.version == ("5.0" if version == 5 else "3.1.1")


@pytest.mark.parametrize("answer", [PubAck(1), PubRec(1, ReasonCode.UNSPECIFIED_ERROR)])
def test_a_message_that_was_released_cannot_be_refused_any_more(answer: PubAck | PubRec) -> None:
    stage = connected()
    stage.publish("a", 2)
    stage.receive(PubRec(1))
    assert failure(stage.receive(answer)).statement == Statement("5.0", "MQTT-2.2.1-5")


# Packet identifiers.


@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-3", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_messages_and_requests_share_the_identifiers(version: int) -> None:
    stage = connected(version)
    client = stage.client
    assert client.subscribe(Subscription("s"), now=0.0) == 1
    second = stage.publish("held", 2)
    for number in range(3, 65_535):
        assert stage.publish("a").packet_id == number
    assert client.unsubscribe("u", now=0.0) == 65_535
    # All are in use: a request is refused, a message waits.
    with pytest.raises(PacketIdsExhaustedError):
        client.subscribe(Subscription("x"), now=0.0)
    with pytest.raises(PacketIdsExhaustedError):
        client.unsubscribe("x", now=0.0)
    late = [stage.publish("late"), stage.publish("later", 2), stage.publish("last")]
    assert [each.packet_id for each in late] == [0, 0, 0]
    stage.sent()
    suback = SubAck(1, [QoS(0)])
    unsuback = UnsubAck(65_535, [ReasonCode.SUCCESS] if version == 5 else [])
    # Each that is freed goes to what waits longest, the used ones are left alone.
    (subscribed,) = stage.receive(suback)
    assert isinstance(subscribed, Subscribed)
    assert stage.sent() == [Publish("late", b"", 1, packet_id=1)]
    (unsubscribed,) = stage.receive(unsuback)
    assert isinstance(unsubscribed, Unsubscribed)
    assert stage.sent() == [Publish("later", b"", 2, packet_id=65_535)]
    stage.receive(PubRec(2))
    assert stage.sent() == [PubRel(2)]
    assert stage.receive(PubComp(2)) == [PublishCompleted(second)]
    assert stage.sent() == [Publish("last", b"", 1, packet_id=2)]


@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@given(
    steps=st.lists(
        st.one_of(st.sampled_from(["publish 1", "publish 2", "subscribe"]), st.integers(0, 9)),
        max_size=30,
    ),
)
def test_no_identifier_is_given_out_while_it_is_in_use(
    version: int, steps: list[str | int]
) -> None:
    stage = connected(version, max_in_flight=4)
    # What the server would answer, by identifier.
    held: dict[int, Packet] = {}
    for step in steps:
        if step == "subscribe":
            stage.client.subscribe(Subscription("a"), now=0.0)
        elif isinstance(step, str):
            stage.publish("a", int(step[-1]))
        elif held:
            stage.receive(held.pop(list(held)[step % len(held)]))
        for packet in stage.sent():
            if isinstance(packet, PubRel):
                assert packet.packet_id not in held
                held[packet.packet_id] = PubComp(packet.packet_id)
            elif isinstance(packet, Subscribe):
                assert packet.packet_id not in held
                held[packet.packet_id] = SubAck(packet.packet_id, [QoS(0)])
            else:
                assert isinstance(packet, Publish)
                assert packet.packet_id is not None
                assert 1 <= packet.packet_id <= 65_535
                assert packet.packet_id not in held
                answer = PubAck if packet.qos == 1 else PubRec
                held[packet.packet_id] = answer(packet.packet_id)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_identifiers_of_the_server_are_another_space(version: int) -> None:
    stage = connected(version)
    delivery = stage.publish("a", 2)
    stage.sent()
    assert len(messages(stage.receive(Publish("b", b"", 2, packet_id=1)))) == 1
    assert stage.receive(PubRec(1)) == []
    assert stage.receive(PubRel(1), PubComp(1)) == [PublishCompleted(delivery)]
    assert stage.sent() == [PubRec(1), PubRel(1), PubComp(1)]


# What must not be sent.


@pytest.mark.spec("5.0", "MQTT-3.3.2-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.2-2", role="client")
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_that_is_none_changes_nothing(version: int, qos: int) -> None:
    stage = connected(version)
    for topic in ("", "a/+", "#", "a\0", "\ud800"):
        with pytest.raises(InvalidValueError):
            stage.client.publish(topic, b"", qos, now=0.0)
    nothing_has_changed(stage)


@pytest.mark.parametrize("qos", [3, -1])
def test_a_qos_that_is_none_changes_nothing(qos: int) -> None:
    stage = connected()
    with pytest.raises(InvalidValueError):
        stage.client.publish("a", b"", qos, now=0.0)
    nothing_has_changed(stage)


@pytest.mark.parametrize("connecting", [False, True])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_properties_that_cannot_stand_in_publish_change_nothing(qos: int, connecting: bool) -> None:
    session = Session(queue_limits=QueueLimits(qos_0=Qos0.QUEUE))
    stage = Stage(5, session) if connecting else connected(5, None, session)
    with pytest.raises(InvalidValueError):
        stage.client.publish("a", b"", qos, properties=Properties(server_keep_alive=1), now=0.0)
    with pytest.raises(LocalProtocolError, match="Topic Alias is the connection's"):
        stage.client.publish("a", b"", qos, properties=Properties(topic_alias=1), now=0.0)
    nothing_has_changed(stage)


@pytest.mark.spec("5.0", "MQTT-3.3.4-6", role="client")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_client_publishes_no_subscription_identifier(qos: int) -> None:
    stage = connected()
    properties = Properties(subscription_identifiers=(1,))
    with pytest.raises(InvalidValueError) as refused:
        stage.client.publish("a", b"", qos, properties=properties, now=0.0)
    assert refused.value.statement == Statement("5.0", "MQTT-3.3.4-6")
    nothing_has_changed(stage)


@pytest.mark.parametrize("connecting", [False, True])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_are_no_properties(version: int, qos: int, connecting: bool) -> None:
    session = Session(queue_limits=QueueLimits(qos_0=Qos0.QUEUE))
    stage = Stage(version, session) if connecting else connected(version, None, session)
    with pytest.raises(InvalidValueError):
        stage.client.publish("a", b"", qos, properties=Properties(content_type="x"), now=0.0)
    nothing_has_changed(stage)


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_can_be_published_on_a_connection_that_is_over(version: int, qos: int) -> None:
    stage = connected(version, lasting(version))
    stage.cut()
    with pytest.raises(LocalProtocolError, match="the connection is over"):
        stage.client.publish("a", b"", qos, now=0.0)
    nothing_has_changed(stage)


@pytest.mark.spec("5.0", "MQTT-3.2.2-11", role="client")
@pytest.mark.parametrize("most", [0, 1])
def test_no_qos_above_the_servers_maximum_is_sent(most: int) -> None:
    stage = connected(announce=Properties(maximum_qos=most))
    for qos in range(most + 1, 3):
        with pytest.raises(LimitError, match=f"no QoS above {most}") as refused:
            stage.client.publish("a", b"", qos, now=0.0)
        assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-11")
    nothing_has_changed(stage)
    stage.client.publish("a", b"", most, now=0.0)
    assert topics(stage.sent()) == ["a"]


@pytest.mark.spec("5.0", "MQTT-3.2.2-14", role="client")
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_nothing_is_retained_where_the_server_keeps_nothing(qos: int) -> None:
    stage = connected(announce=Properties(retain_available=False))
    with pytest.raises(LimitError, match="keeps no messages") as refused:
        stage.client.publish("a", b"", qos, True, now=0.0)
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-14")
    nothing_has_changed(stage)
    stage.client.publish("a", b"", qos, now=0.0)
    assert topics(stage.sent()) == ["a"]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_that_is_too_large_is_refused_and_changes_nothing(qos: int, full: bool) -> None:
    window = 1 if full else 5
    stage = connected(announce=Properties(maximum_packet_size=20, receive_maximum=window))
    fits = b"x" * (20 - (6 if qos == 0 else 8))
    if full:
        stage.publish("held")
        stage.sent()
    with pytest.raises(PacketTooLargeError) as refused:
        stage.client.publish("a", fits + b"x", qos, now=0.0)
    assert refused.value.statement == Statement("5.0", "MQTT-3.2.2-15")
    assert "21 bytes" in str(refused.value)
    assert stage.client.in_flight == stage.client.session.in_flight == full
    assert stage.client.session.next_number == 1 + full
    assert len(stage.client.session.queue) == 0
    assert stage.sent() == []
    # One byte less is taken.
    stage.client.publish("a", fits, qos, now=0.0)
    if full:
        stage.receive(PubAck(1))
    assert len(stage.client.data_to_send()) == 20


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_a_message_of_any_size_is_sent(version: int) -> None:
    stage = connected(version)
    stage.client.publish("a", b"x" * 100_000, now=0.0)
    assert stage.sent() == [Publish("a", b"x" * 100_000)]


# The server's Receive Maximum.


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="client")
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("qos", [1, 2])
def test_no_more_is_unacknowledged_than_the_server_allows(size: int, qos: int) -> None:
    stage = connected(announce=Properties(receive_maximum=size))
    assert stage.client.limits is not None
    assert stage.client.limits.receive_maximum == size
    for number in range(size + 2):
        stage.publish(str(number), qos)
    assert topics(stage.sent()) == [str(number) for number in range(size)]
    assert stage.client.in_flight == size
    assert len(stage.client.session.queue) == 2
    stage.receive(PubAck(1) if qos == 1 else PubRec(1, ReasonCode.UNSPECIFIED_ERROR))
    assert topics(stage.sent()) == [str(size)]


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="client")
def test_where_the_server_says_nothing_65_535_may_be_unacknowledged() -> None:
    stage = connected()
    for _ in range(65_536):
        stage.publish("a")
    assert len(topics(stage.sent())) == stage.client.in_flight == 65_535
    stage.receive(PubAck(9))
    assert stage.sent() == [Publish("a", b"", 1, packet_id=9)]


@pytest.mark.spec("5.0", "MQTT-4.9.0-1", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_client_may_send_less_than_it_is_allowed(version: int) -> None:
    stage = connected(version, max_in_flight=2)
    for topic in "abc":
        stage.publish(topic)
    assert topics(stage.sent()) == ["a", "b"]


@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="client")
def test_a_good_pubrec_does_not_free_the_quota_and_pubcomp_does() -> None:
    stage = connected(announce=Properties(receive_maximum=1))
    stage.publish("a", 2)
    stage.publish("b")
    stage.sent()
    for _ in range(2):
        stage.receive(PubRec(1))
        assert stage.sent() == [PubRel(1)]
    stage.receive(PubComp(1))
    assert stage.sent() == [Publish("b", b"", 1, packet_id=2)]
    # An answer to nothing frees nothing.
    stage.publish("c")
    stage.receive(PubAck(9), PubComp(1), PubRec(8, ReasonCode.UNSPECIFIED_ERROR))
    assert stage.sent() == []


@pytest.mark.spec("5.0", "MQTT-3.3.4-8", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-3", role="client")
def test_a_quota_of_0_delays_nothing_but_messages_of_qos_1_and_2() -> None:
    stage = connected(announce=Properties(receive_maximum=1))
    stage.publish("a", 2)
    stage.publish("b")
    stage.sent()
    incoming = (Publish("x", b"", 1, packet_id=1), Publish("y", b"", 2, packet_id=2))
    assert len(messages(stage.receive(*incoming))) == 2
    stage.client.subscribe(Subscription("s"), now=0.0)
    stage.client.unsubscribe("u", now=0.0)
    stage.client.publish("z", now=0.0)
    stage.client.ping(now=0.0)
    stage.receive(PubRel(2), PubRec(1))
    assert stage.sent() == [
        PubAck(1),
        PubRec(2),
        Subscribe(2, [Subscription("s")]),
        Unsubscribe(3, ["u"]),
        Publish("z"),
        PingReq(),
        PubComp(2),
        PubRel(1),
    ]


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="client")
@pytest.mark.spec("5.0", "MQTT-4.9.0-2", role="client")
@given(
    sizes=st.lists(st.integers(1, 3), min_size=1),
    steps=st.lists(
        st.one_of(st.sampled_from(["publish 1", "publish 2", "reconnect"]), st.integers(0, 9)),
        max_size=30,
    ),
)
def test_the_quota_is_kept_whatever_happens(sizes: list[int], steps: list[str | int]) -> None:
    session = Session()
    size = sizes[0]
    stage = connected(5, lasting(5), session, announce=Properties(receive_maximum=size))
    # What the server has not acknowledged to its end, by what it would say next.
    held: dict[int, PubAck | PubRec | PubComp] = {}
    released = 0
    for count, step in enumerate(steps):
        if step == "reconnect":
            stage.cut()
            size = sizes[count % len(sizes)]
            announce = Properties(receive_maximum=size)
            stage = connected(5, lasting(5), session, resume=True, announce=announce)
            held = {}
            # These go on at once, however small the window.
            released = sum(each.state == 3 for each in session.deliveries)
        elif isinstance(step, str):
            stage.publish("a", int(step[-1]))
        elif held:
            stage.receive(held.pop(list(held)[step % len(held)]))
        for packet in stage.sent():
            if isinstance(packet, Publish):
                assert packet.packet_id is not None
                assert packet.packet_id not in held
                answer = PubAck if packet.qos == 1 else PubRec
                held[packet.packet_id] = answer(packet.packet_id)
                assert len(held) <= size
            elif isinstance(packet, PubRel):
                held[packet.packet_id] = PubComp(packet.packet_id)
        unsent = len(session.queue) + session.in_flight - len(held)
        assert len(held) == stage.client.in_flight <= max(size, released)
        assert unsent == 0 or len(held) >= size


# Topic aliases.


def aliases(stage: Stage) -> list[tuple[str, int | None]]:
    """Topic and alias of each message that was sent."""
    return [
        (each.topic, each.properties.topic_alias)
        for each in stage.sent()
        if isinstance(each, Publish)
    ]


def aliasing(theirs: int | None, ours: int) -> Stage:
    announce = EMPTY if theirs is None else Properties(topic_alias_maximum=theirs)
    return connected(announce=announce, max_topic_aliases=ours)


@pytest.mark.spec("5.0", "MQTT-3.2.2-17", role="client")
@pytest.mark.spec("5.0", "MQTT-3.3.2-9", role="client")
@pytest.mark.spec("5.0", "MQTT-3.3.2-8", role="client")
@pytest.mark.parametrize(("theirs", "ours", "most"), [(2, 9, 2), (9, 2, 2), (1, 1, 1)])
def test_no_alias_is_above_what_both_allow(theirs: int, ours: int, most: int) -> None:
    stage = aliasing(theirs, ours)
    for number in range(8):
        stage.client.publish(f"topic/{number % 4}", b"", number % 3, now=0.0)
    used = [alias for _, alias in aliases(stage)]
    assert set(used) == set(range(1, most + 1))


@pytest.mark.spec("5.0", "MQTT-3.2.2-18", role="client")
@pytest.mark.parametrize("theirs", [None, 0])
def test_a_server_that_allows_no_alias_gets_none(theirs: int | None) -> None:
    stage = aliasing(theirs, 9)
    for _ in range(3):
        stage.client.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", None)] * 3


def test_the_client_uses_no_alias_unless_it_is_asked_to() -> None:
    for stage in (aliasing(9, 0), connected(announce=Properties(topic_alias_maximum=9))):
        for _ in range(2):
            stage.client.publish("topic", now=0.0)
        assert aliases(stage) == [("topic", None)] * 2


@pytest.mark.spec("5.0", "MQTT-3.3.2-7", role="client")
@pytest.mark.parametrize("theirs", [None, 5])
def test_aliases_end_with_their_connection(theirs: int | None) -> None:
    session = Session()
    five = Properties(topic_alias_maximum=5)
    stage = connected(5, lasting(5), session, announce=five, max_topic_aliases=5)
    for _ in range(2):
        stage.publish("topic")
    assert aliases(stage) == [("topic", 1), ("", 1)]
    stage.cut()
    new = EMPTY if theirs is None else five
    stage = connected(5, lasting(5), session, resume=True, announce=new, max_topic_aliases=5)
    assert aliases(stage) == ([("topic", 1), ("", 1)] if theirs else [("topic", None)] * 2)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_that_was_refused_sets_no_alias(qos: int) -> None:
    announce = Properties(topic_alias_maximum=5, maximum_packet_size=20)
    stage = connected(announce=announce, max_topic_aliases=5)
    with pytest.raises(PacketTooLargeError):
        stage.client.publish("topic", b"x" * 20, qos, now=0.0)
    stage.client.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", 1)]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
def test_an_alias_is_left_out_where_it_makes_the_message_too_large() -> None:
    announce = Properties(topic_alias_maximum=5, maximum_packet_size=20)
    stage = connected(announce=announce, max_topic_aliases=5)
    for _ in range(2):
        stage.client.publish("topic", b"x" * 10, now=0.0)
    assert aliases(stage) == [("topic", None)] * 2


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_are_no_aliases(version: int) -> None:
    stage = connected(version, max_topic_aliases=9)
    for _ in range(2):
        stage.client.publish("topic", now=0.0)
    assert aliases(stage) == [("topic", None)] * 2


# Properties and expiry.


def test_properties_are_sent_unaltered_and_in_order() -> None:
    properties = Properties(
        payload_format_indicator=1,
        message_expiry_interval=9,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"\0\1",
        user_properties=[("b", "1"), ("a", "2"), ("b", "3")],
    )
    stage = connected()
    for qos in range(3):
        stage.client.publish("a", b"x", qos, properties=properties, now=0.0)
    assert stage.sent() == [
        Publish("a", b"x", 0, packet_id=None, properties=properties),
        Publish("a", b"x", 1, packet_id=1, properties=properties),
        Publish("a", b"x", 2, packet_id=2, properties=properties),
    ]


def expiring(seconds: int) -> Properties:
    return Properties(message_expiry_interval=seconds, user_properties=[("a", "b"), ("a", "c")])


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize(("waited", "left"), [(0.0, 20), (4.0, 16), (4.25, 16), (19.5, 1)])
def test_what_has_waited_is_sent_with_what_is_left_of_its_life(
    waited: float, left: int, qos: int
) -> None:
    stage = Stage(5, Session(queue_limits=QueueLimits(qos_0=Qos0.QUEUE)))
    stage.now = 100.0
    delivery = stage.publish("a", qos, properties=expiring(20))
    assert delivery.expires_at == 120.0
    stage.connect(lasting(5))
    stage.now += waited
    stage.accept()
    (sent,) = stage.sent()
    assert isinstance(sent, Publish)
    assert sent.properties == expiring(left)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_has_expired_is_not_sent(qos: int) -> None:
    stage = Stage(5, Session(queue_limits=QueueLimits(qos_0=Qos0.QUEUE)))
    short = stage.publish("a", qos, properties=expiring(5))
    stage.publish("b", qos, properties=expiring(6))
    stage.connect(lasting(5))
    stage.now = 5.0
    _, *events = stage.accept()
    assert events[0] == PublishDropped(short, DropReason.EXPIRED)
    assert topics(stage.sent()) == ["b"]
    assert stage.client.session.in_flight == (qos > 0)


def test_what_waits_for_the_quota_expires_too() -> None:
    stage = connected(max_in_flight=1)
    first = stage.publish("a")
    short = stage.publish("b", properties=expiring(5))
    third = stage.publish("c")
    stage.now = 5.0
    assert stage.receive(PubAck(1)) == [
        PublishCompleted(first),
        PublishDropped(short, DropReason.EXPIRED),
    ]
    assert topics(stage.sent()) == ["a", "c"]
    assert third.packet_id == 2


# The queue.


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_published_before_connack_is_sent_behind_connect(version: int) -> None:
    stage = Stage(version)
    first = stage.publish("a", 2)
    stage.connect(Connect("c", keep_alive=0))
    second = stage.publish("b")
    assert stage.sent() == []
    assert (first.packet_id, second.packet_id) == (0, 0)
    assert len(stage.client.session.queue) == 2
    stage.accept()
    assert stage.sent() == [Publish("a", b"", 2, packet_id=1), Publish("b", b"", 1, packet_id=2)]
    assert len(stage.client.session.queue) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_is_refused_without_a_connection(version: int) -> None:
    stage = Stage(version)
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match="no connection"):
            stage.client.publish("a", now=0.0)
        if stage.state() is ConnectionState.NEW:
            stage.connect(Connect("c"))
    nothing_has_changed(stage)


def test_qos_0_may_be_dropped_without_a_connection() -> None:
    stage = Stage(5, Session(queue_limits=QueueLimits(qos_0=Qos0.DROP)))
    delivery = stage.publish("a", 0)
    assert stage.client.take_events() == [PublishDropped(delivery, DropReason.NOT_CONNECTED)]
    nothing_has_changed(stage)
    # With one it is sent as ever.
    stage.connect(Connect("c"))
    stage.accept()
    assert stage.client.publish("a", now=0.0) is None
    assert topics(stage.sent()) == ["a"]


@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_may_wait_for_a_connection(version: int) -> None:
    stage = Stage(version, Session(queue_limits=QueueLimits(qos_0=Qos0.QUEUE)))
    deliveries = [stage.publish(f"q{qos}", qos) for qos in (1, 0, 2)]
    assert [each.number for each in deliveries] == [1, 0, 2]
    stage.connect(Connect("c"))
    _, completed = stage.accept()
    assert completed == PublishCompleted(deliveries[1])
    assert topics(stage.sent()) == ["q0", "q1", "q2"]


def test_qos_0_does_not_wait_behind_a_full_window() -> None:
    stage = connected(max_in_flight=1)
    stage.publish("a")
    stage.publish("b")
    stage.client.publish("c", now=0.0)
    assert topics(stage.sent()) == ["a", "c"]


@pytest.mark.parametrize("qos_0", [False, True])
def test_what_waits_and_is_not_supported_does_not_stop_the_rest(qos_0: bool) -> None:
    stage = Stage(5, Session(queue_limits=QueueLimits(qos_0=Qos0.QUEUE)))
    client = stage.client
    kept = client.publish("kept", b"", 0 if qos_0 else 1, True, now=0.0)
    assert kept is not None
    large = stage.publish("large", 0 if qos_0 else 1, b"x" * 30)
    high = stage.publish("high", 2)
    fine = stage.publish("fine")
    stage.connect(Connect("c"))
    announce = Properties(maximum_qos=1, retain_available=False, maximum_packet_size=30)
    _, *events = stage.accept(announce=announce)
    assert events == [
        PublishDropped(kept, DropReason.RETAIN_NOT_SUPPORTED),
        PublishDropped(large, DropReason.TOO_LARGE),
        PublishDropped(high, DropReason.QOS_NOT_SUPPORTED),
    ]
    assert stage.sent() == [Publish("fine", b"", 1, packet_id=1)]
    assert stage.client.session.deliveries == [fine]
    assert len(stage.client.session.queue) == 0


@pytest.mark.parametrize("bytes_too", [False, True])
def test_a_full_queue_refuses_and_tells_when_there_is_room(bytes_too: bool) -> None:
    limits = QueueLimits(max_bytes=65) if bytes_too else QueueLimits(max_messages=1)
    stage = connected(5, None, Session(queue_limits=limits), max_in_flight=1)
    first, second = stage.publish("a"), stage.publish("b")
    for _ in range(2):
        with pytest.raises(QueueFullError):
            stage.publish("c")
    assert stage.client.session.next_number == 3
    assert stage.receive(PubAck(1)) == [PublishCompleted(first), CapacityAvailable()]
    assert second.packet_id == 2
    assert topics(stage.sent()) == ["a", "b"]
    # It is told once.
    assert stage.receive(PubAck(2)) == [PublishCompleted(second)]


def test_a_queue_that_was_not_full_tells_nothing() -> None:
    stage = connected(max_in_flight=1)
    first, _ = stage.publish("a"), stage.publish("b")
    assert stage.receive(PubAck(1)) == [PublishCompleted(first)]


def test_a_queue_that_is_full_before_connecting_tells_behind_connack() -> None:
    stage = Stage(5, Session(queue_limits=QueueLimits(max_messages=1)))
    stage.publish("a")
    with pytest.raises(QueueFullError):
        stage.publish("b")
    stage.connect(Connect("c"))
    _, capacity = stage.accept()
    assert capacity == CapacityAvailable()


@pytest.mark.parametrize(
    ("overflow", "dropped", "left"),
    [(Overflow.DROP_OLDEST, "b", "c"), (Overflow.DROP_NEWEST, "c", "b")],
)
def test_a_full_queue_may_drop_instead(overflow: Overflow, dropped: str, left: str) -> None:
    session = Session(queue_limits=QueueLimits(max_messages=1, overflow=overflow))
    stage = connected(5, None, session, max_in_flight=1)
    stage.publish("a")
    deliveries = {topic: stage.publish(topic) for topic in "bc"}
    drop = PublishDropped(deliveries[dropped], DropReason.QUEUE_FULL)
    assert stage.client.take_events() == [drop]
    assert CapacityAvailable() in stage.receive(PubAck(1))
    assert stage.sent()[1:] == [Publish(left, b"", 1, packet_id=2)]


@pytest.mark.parametrize("overflow", [Overflow.DROP_OLDEST, Overflow.DROP_NEWEST])
def test_a_message_that_never_fits_is_itself_dropped(overflow: Overflow) -> None:
    session = Session(queue_limits=QueueLimits(max_bytes=100, overflow=overflow))
    stage = connected(5, None, session, max_in_flight=1)
    stage.publish("a")
    waits = stage.publish("b")
    big = stage.publish("c", 1, b"x" * 100)
    assert stage.client.take_events() == [PublishDropped(big, DropReason.QUEUE_FULL)]
    assert list(session.queue) == [waits]
