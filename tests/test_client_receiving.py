"""What a client receives: delivery, automatic and manual acknowledgement, and its own limits."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting, messages
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect, Disconnect, PingReq
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscription, UnsubAck
from mqttproto.constants import QoS, ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, Journal, Leniency, Session
from mqttproto.protocol.events import (
    AcknowledgementIgnored,
    Connected,
    ConnectionFailed,
    Disconnected,
    Event,
    Initiator,
    MessageReceived,
    PublishCompleted,
)


def qos_1(packet_id: int = 1, topic: str = "a", *, dup: bool = False) -> Publish:
    return Publish(topic, b"x", 1, False, dup, packet_id)


def qos_2(packet_id: int = 1, topic: str = "a", *, dup: bool = False) -> Publish:
    return Publish(topic, b"x", 2, False, dup, packet_id)


def manual(version: int = 5, session: Session | None = None, *, resume: bool = False) -> Stage:
    """A connection whose application acknowledges, and whose session lasts."""
    return connected(version, lasting(version), session, resume=resume, manual_acknowledgement=True)


def limited(properties: Properties, **options: Any) -> Stage:
    """A client that has set limits in its CONNECT."""
    return connected(5, lasting(5, properties), **options)


# By QoS, automatically.


@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="client")
@pytest.mark.parametrize("acknowledges", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_is_delivered_and_not_answered(version: int, acknowledges: bool) -> None:
    stage = connected(version, manual_acknowledgement=acknowledges)
    event = stage.message(Publish("a", b"x", 0, True))
    assert event == MessageReceived(Publish("a", b"x", 0, True))
    assert event.receipt is None
    stage.acknowledge(event)
    stage.acknowledge(event)
    assert stage.sent() == []
    assert stage.client.receiving == 0


@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.2-4", role="client")
@pytest.mark.spec("5.0", "MQTT-4.5.0-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.2-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.5.0-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_1_is_answered_with_puback_whatever_was_subscribed_to(version: int) -> None:
    stage = connected(version)
    event = stage.message(qos_1(513))
    assert (event.topic, event.payload, event.qos, event.dup) == ("a", b"x", 1, False)
    assert event.receipt is None
    assert stage.sent() == [PubAck(513)]
    assert stage.client.receiving == 0


@pytest.mark.spec("5.0", "MQTT-4.3.2-5", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.2-2", role="client")
@pytest.mark.parametrize("dup", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_after_puback_the_identifier_means_a_new_message(version: int, dup: bool) -> None:
    stage = connected(version)
    for _ in range(3):
        assert stage.message(qos_1(dup=dup)).dup is dup
        assert stage.sent() == [PubAck(1)]


@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-8", role="client")
@pytest.mark.spec("5.0", "MQTT-4.3.3-11", role="client")
@pytest.mark.spec("5.0", "MQTT-4.5.0-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="client")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.5.0-2", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_2_is_answered_with_pubrec_and_its_release_with_pubcomp(version: int) -> None:
    stage = connected(version)
    stage.message(qos_2(513))
    assert stage.sent() == [PubRec(513)]
    assert stage.client.receiving == 1
    assert stage.receive(PubRel(513)) == []
    assert stage.sent() == [PubComp(513)]
    assert stage.client.receiving == 0


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="client")
@pytest.mark.parametrize("dup", [False, True])
@pytest.mark.parametrize("acknowledges", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_2_message_that_comes_again_is_answered_again_and_not_delivered(
    version: int, acknowledges: bool, dup: bool
) -> None:
    stage = connected(version, manual_acknowledgement=acknowledges)
    event = stage.message(qos_2())
    if acknowledges:
        stage.acknowledge(event)
    assert stage.receive(qos_2(dup=dup), qos_2(dup=dup)) == []
    assert stage.sent() == [PubRec(1)] * 3
    assert stage.client.receiving == 1


@pytest.mark.spec("5.0", "MQTT-4.3.3-12", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="client")
@pytest.mark.parametrize("dup", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_after_pubcomp_the_identifier_means_a_new_message(version: int, dup: bool) -> None:
    stage = connected(version)
    for _ in range(3):
        stage.message(qos_2(dup=dup))
        assert stage.receive(PubRel(1)) == []
        assert stage.sent() == [PubRec(1), PubComp(1)]


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="client")
@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_2_message_is_known_on_the_next_connection(version: int, released: bool) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.message(qos_2())
    stage.cut()
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.client.receiving == 0
    if not released:
        assert stage.receive(qos_2(dup=True)) == []
        assert stage.client.receiving == 1
        assert stage.sent() == [PubRec(1)]
    assert stage.receive(PubRel(1)) == []
    assert stage.sent() == [PubComp(1)]
    assert stage.client.receiving == 0
    assert messages(stage.receive(qos_2()))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_2_message_is_not_known_in_another_session(version: int) -> None:
    session = Session()
    stage = connected(version, lasting(version), session)
    stage.message(qos_2())
    stage.cut()
    # 3.1 cannot tell that the session is lost, so it is the client that wants a new one.
    connect = lasting(version) if version != 3 else Connect("c")
    stage = connected(version, connect, session)
    assert messages(stage.receive(qos_2(dup=True)))


@pytest.mark.spec("5.0", "MQTT-4.3.3-11", role="client")
def test_an_unknown_release_is_answered_with_0x92_in_5() -> None:
    stage = connected()
    assert stage.receive(PubRel(7)) == [AcknowledgementIgnored(PubRel(7))]
    assert stage.sent() == [PubComp(7, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)]
    assert stage.client.receiving == 0


@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="client")
@pytest.mark.parametrize("version", [3, 4])
def test_an_unknown_release_is_answered_plainly_before_5(version: int) -> None:
    stage = connected(version)
    assert stage.receive(PubRel(7)) == [AcknowledgementIgnored(PubRel(7))]
    assert stage.sent() == [PubComp(7)]


def test_a_release_that_says_the_identifier_is_unknown_is_answered_as_any_other() -> None:
    stage = connected()
    stage.message(qos_2())
    assert stage.receive(PubRel(1, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)) == []
    assert stage.sent() == [PubRec(1), PubComp(1)]
    assert list(stage.client.session.received) == []


@pytest.mark.spec("5.0", "MQTT-4.3.3-13", role="client")
def test_an_exchange_is_finished_though_the_message_has_expired() -> None:
    stage = connected(5, manual_acknowledgement=True)
    message = Publish("a", b"", 2, packet_id=1, properties=Properties(message_expiry_interval=1))
    event = stage.message(message)
    stage.now = 50.0
    stage.acknowledge(event)
    stage.receive(message)
    stage.receive(PubRel(1))
    assert stage.sent() == [PubRec(1), PubRec(1), PubComp(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_before_connack_ends_the_connection(version: int) -> None:
    stage = Stage(version)
    stage.connect(lasting(version))
    assert [type(each) for each in stage.receive(qos_1())] == [ConnectionFailed]
    assert not [each for each in stage.sent() if isinstance(each, PubAck)]


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_may_come_in_one_piece_with_connack(version: int) -> None:
    stage = Stage(version)
    stage.connect(lasting(version))
    connack = b"\x20\x02\x00\x00" if version != 5 else b"\x20\x03\x00\x00\x00"
    first, *events = stage.receive(connack, qos_1(), Publish("b"))
    assert isinstance(first, Connected)
    assert [each.topic for each in messages(events)] == ["a", "b"]
    assert stage.sent() == [PubAck(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_before_suback_is_delivered(version: int) -> None:
    stage = connected(version)
    stage.client.subscribe(Subscription("a"), now=0.0)
    stage.message(Publish("a", b"x", 0, True))


@pytest.mark.parametrize("version", VERSIONS)
def test_events_before_a_fault_are_told_and_nothing_behind_it(version: int) -> None:
    stage = connected(version)
    first, failed = stage.receive(qos_1(), b"\x30\x00", qos_1(2))
    assert isinstance(first, MessageReceived)
    assert failed == failure([failed])
    assert [each for each in stage.sent() if not isinstance(each, Disconnect)] == [PubAck(1)]
    assert stage.receive(qos_1()) == []
    assert stage.sent() == []


# Refusing, and what cannot be said.


@pytest.mark.parametrize("code", [0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
@pytest.mark.parametrize("qos", [1, 2])
def test_the_application_chooses_the_reason_code(qos: int, code: int) -> None:
    stage = manual()
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    if code == 0x10:
        # Only a server knows its subscribers.
        with pytest.raises(InvalidValueError) as refused:
            stage.client.acknowledge(event, code, now=0.0)
        id = "MQTT-3.4.2-1" if qos == 1 else "MQTT-3.5.2-1"
        assert refused.value.statement == Statement("5.0", id)
        code = 0x00
    stage.client.acknowledge(event, code, EXPLAINED, now=0.0)
    answer = PubAck if qos == 1 else PubRec
    assert stage.sent() == [answer(4, ReasonCode(code), EXPLAINED)]
    assert stage.client.receiving == (qos == 2 and code < 0x80)


@pytest.mark.spec("5.0", "MQTT-4.3.3-9", role="client")
def test_after_a_refusing_pubrec_the_identifier_means_a_new_message() -> None:
    stage = manual()
    for _ in range(3):
        stage.acknowledge(stage.message(qos_2(dup=True)), ReasonCode.NOT_AUTHORIZED)
        assert stage.sent() == [PubRec(1, ReasonCode.NOT_AUTHORIZED)]
    assert stage.receive(PubRel(1)) == [AcknowledgementIgnored(PubRel(1))]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", [3, 4])
def test_a_message_cannot_be_refused_before_5(version: int, qos: int) -> None:
    stage = manual(version)
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    stage.client.acknowledge(event, ReasonCode.NOT_AUTHORIZED, EXPLAINED, now=0.0)
    assert stage.sent() == [PubAck(4) if qos == 1 else PubRec(4)]
    assert len(messages(stage.receive(Publish("a", b"x", 2, packet_id=4)))) == (qos == 1)


@pytest.mark.parametrize("code", [0x01, 0x11, 0x81, 0x92])
@pytest.mark.parametrize("qos", [1, 2])
def test_what_cannot_be_said_changes_nothing(qos: int, code: int) -> None:
    stage = manual()
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    with pytest.raises(InvalidValueError, match="of a client must not have"):
        stage.client.acknowledge(event, code, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.client.acknowledge(event, 0xFE, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.client.acknowledge(event, 0, Properties(topic_alias=1), now=0.0)
    assert stage.sent() == []
    stage.acknowledge(event)
    assert stage.sent() == [PubAck(4) if qos == 1 else PubRec(4)]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_acknowledges_twice(version: int, qos: int) -> None:
    stage = manual(version)
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    stage.acknowledge(event)
    with pytest.raises(LocalProtocolError, match="already"):
        stage.acknowledge(event)
    assert len(stage.sent()) == 1


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_acknowledges_itself_is_not_the_applications_to_acknowledge(
    version: int, qos: int
) -> None:
    stage = connected(version)
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    with pytest.raises(LocalProtocolError, match="manual"):
        stage.acknowledge(event)
    assert len(stage.sent()) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_release_before_its_pubrec_ends_the_connection(version: int) -> None:
    stage = manual(version)
    stage.message(qos_2())
    failed = failure(stage.receive(PubRel(1)))
    assert failed.statement.id == ("MQTT-4.3.3-4" if version == 5 else "MQTT-4.3.3-1")


@pytest.mark.parametrize("acknowledges", [False, True])
def test_an_identifier_that_is_in_use_at_qos_2_is_refused_at_qos_1_in_5(
    acknowledges: bool,
) -> None:
    stage = connected(5, manual_acknowledgement=acknowledges)
    event = stage.message(qos_2())
    if acknowledges:
        stage.acknowledge(event)
    assert stage.receive(qos_1()) == []
    assert stage.sent() == [PubRec(1), PubAck(1, ReasonCode.PACKET_IDENTIFIER_IN_USE)]
    assert stage.client.receiving == 1
    assert messages(stage.receive(qos_1(2)))


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_such_a_message_is_taken(version: int) -> None:
    stage = connected(version)
    assert len(messages(stage.receive(qos_2(), qos_1()))) == 2
    assert stage.sent() == [PubRec(1), PubAck(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_who_cannot_handle_a_message_closes_the_connection(version: int) -> None:
    stage = manual(version)
    stage.message(qos_1())
    code = ReasonCode.UNSPECIFIED_ERROR if version == 5 else ReasonCode.NORMAL_DISCONNECTION
    (over,) = stage.client.disconnect(code, now=0.0)
    assert over == Disconnected(Initiator.LOCAL, code)
    assert [type(each) for each in stage.sent()] == [Disconnect]
    assert stage.closed()
    assert stage.receive(qos_1(2)) == []


# The order of answers.


@pytest.mark.spec("5.0", "MQTT-4.6.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-3", role="client")
@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data(), levels=st.lists(st.sampled_from([1, 2]), min_size=1, max_size=8))
def test_answers_leave_in_the_order_of_receipt(
    version: int, data: st.DataObject, levels: list[int]
) -> None:
    stage = manual(version)
    packets = [
        Publish("a", b"", qos, packet_id=number) for number, qos in enumerate(levels, start=9)
    ]
    events = messages(stage.receive(*packets))
    assert len(events) == len(levels)
    sent: list[int] = []
    done: set[int] = set()
    for index in data.draw(st.permutations(range(len(levels)))):
        stage.acknowledge(events[index])
        done.add(index)
        for answer in stage.sent():
            assert isinstance(answer, (PubAck, PubRec))
            sent.append(answer.packet_id - 9)
            assert levels[sent[-1]] == (1 if isinstance(answer, PubAck) else 2)
        for qos in (1, 2):
            same = [each for each in range(len(levels)) if levels[each] == qos]
            due = 0
            while due < len(same) and same[due] in done:
                due += 1
            assert [each for each in sent if levels[each] == qos] == same[:due]
    assert len(sent) == len(levels)


@pytest.mark.spec("5.0", "MQTT-4.6.0-2", role="client")
@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-2", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-3", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_automatic_answers_leave_in_the_order_of_receipt_too(version: int) -> None:
    stage = connected(version)
    levels = [1, 2, 2, 1, 1, 2]
    packets = [Publish("a", b"", qos, packet_id=9 - index) for index, qos in enumerate(levels)]
    stage.receive(*packets)
    answers: list[Packet] = [
        (PubAck if qos == 1 else PubRec)(9 - index) for index, qos in enumerate(levels)
    ]
    assert stage.sent() == answers


@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
def test_the_answer_to_a_repetition_does_not_overtake() -> None:
    stage = manual()
    stage.acknowledge(stage.message(qos_2(1)))
    undecided = stage.message(qos_2(2))
    assert stage.receive(qos_2(1, dup=True)) == []
    assert stage.sent() == [PubRec(1)]
    stage.acknowledge(undecided)
    assert stage.sent() == [PubRec(2), PubRec(1)]


# Handles across connections.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_1_message_of_an_earlier_connection_is_left_alone(version: int) -> None:
    session = Session()
    old = manual(version, session)
    event = old.message(qos_1())
    old.cut()
    old.acknowledge(event)
    new = manual(version, session, resume=True)
    old.acknowledge(event)
    new.acknowledge(event)
    assert new.sent() == old.sent() == []
    assert new.client.receiving == 0
    new.acknowledge(new.message(qos_1(dup=True)))
    assert new.sent() == [PubAck(1)]


@pytest.mark.parametrize("when", ["before", "between", "behind"])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_accepted_qos_2_message_is_accepted_on_the_next_connection(
    version: int, when: str
) -> None:
    session = Session()
    old = manual(version, session)
    event = old.message(qos_2())
    old.cut()
    if when == "before":
        old.acknowledge(event)
    new = manual(version, session, resume=True)
    if when == "between":
        new.acknowledge(event)
    assert new.sent() == []
    assert new.receive(qos_2(dup=True)) == []
    if when == "behind":
        assert new.sent() == []
        with pytest.raises(LocalProtocolError, match="another connection"):
            old.acknowledge(event)
        new.acknowledge(event)
    assert new.sent() == [PubRec(1)]
    assert new.receive(PubRel(1)) == []
    assert new.sent() == [PubComp(1)]
    assert new.client.receiving == 0
    assert old.sent() == []


def test_a_qos_2_message_that_was_refused_without_a_connection_comes_as_a_new_one() -> None:
    session = Session()
    old = manual(5, session)
    event = old.message(qos_2())
    old.cut()
    old.acknowledge(event, ReasonCode.NOT_AUTHORIZED)
    new = manual(5, session, resume=True)
    assert new.sent() == []
    again = new.message(qos_2(dup=True))
    new.acknowledge(again, ReasonCode.NOT_AUTHORIZED)
    assert new.sent() == [PubRec(1, ReasonCode.NOT_AUTHORIZED)]


def test_a_refusal_answers_a_qos_2_message_that_has_come_again() -> None:
    session = Session()
    old = manual(5, session)
    event = old.message(qos_2())
    old.cut()
    new = manual(5, session, resume=True)
    assert new.receive(qos_2(dup=True)) == []
    new.acknowledge(event, ReasonCode.NOT_AUTHORIZED)
    assert new.sent() == [PubRec(1, ReasonCode.NOT_AUTHORIZED)]
    assert new.client.receiving == 0
    assert messages(new.receive(qos_2()))


@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_word_that_carries_over_has_its_place_among_the_new_ones(version: int) -> None:
    session = Session()
    old = manual(version, session)
    first = old.message(qos_2(1))
    old.cut()
    new = manual(version, session, resume=True)
    second = new.message(qos_2(2))
    assert new.receive(qos_2(1, dup=True)) == []
    third = new.message(qos_2(3))
    new.acknowledge(third)
    new.acknowledge(first)
    assert new.sent() == []
    new.acknowledge(second)
    assert new.sent() == [PubRec(2), PubRec(1), PubRec(3)]


def test_a_word_that_comes_after_the_session_was_discarded_changes_nothing() -> None:
    session = Session()
    old = manual(5, session)
    event = old.message(qos_2())
    old.cut()
    new = manual(5, session)
    new.acknowledge(event)
    assert new.sent() == []
    assert list(session.received) == []
    assert messages(new.receive(qos_2()))


def test_a_qos_2_message_that_was_not_accepted_is_not_known_after_a_crash() -> None:
    session = Session()
    stage = manual(5, session)
    stage.message(qos_2(1))
    stage.acknowledge(stage.message(qos_2(2)))
    stage = manual(5, Session.restore(session.export()), resume=True)
    assert [each.message.packet_id for each in messages(stage.receive(qos_2(1), qos_2(2)))] == [1]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_automatic_connection_takes_over_what_a_manual_one_has_left(version: int) -> None:
    session = Session()
    old = manual(version, session)
    event = old.message(qos_2())
    old.cut()
    new = connected(version, lasting(version), session, resume=True)
    # It was given to the application once, which still owes its word.
    assert new.receive(qos_2(dup=True)) == []
    assert new.sent() == []
    new.acknowledge(event)
    assert new.sent() == [PubRec(1)]


@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-3", role="client")
@pytest.mark.parametrize("version", VERSIONS)
def test_automatic_answers_do_not_overtake_one_that_waits_for_its_word(version: int) -> None:
    session = Session()
    old = manual(version, session)
    event = old.message(qos_2(1))
    old.cut()
    new = connected(version, lasting(version), session, resume=True)
    # What is new is delivered at once, and answered in its turn; QoS 1 has turns of its own.
    delivered = messages(new.receive(qos_2(1, dup=True), qos_2(2), qos_1(3)))
    assert [each.message.packet_id for each in delivered] == [2, 3]
    assert new.sent() == [PubAck(3)]
    new.acknowledge(event)
    assert new.sent() == [PubRec(1), PubRec(2)]
    assert new.receive(PubRel(1), PubRel(2)) == []
    assert new.client.receiving == 0
    # Nothing waits any more.
    new.message(qos_2(4))
    assert new.sent() == [PubComp(1), PubComp(2), PubRec(4)]


@pytest.mark.parametrize("qos", [1, 2])
def test_nothing_is_acknowledged_on_a_connection_that_is_over(qos: int) -> None:
    stage = manual()
    event = stage.message(Publish("a", b"", qos, packet_id=1))
    stage.client.disconnect(now=0.0)
    stage.sent()
    stage.acknowledge(event)
    assert stage.sent() == []
    assert stage.closed()


# The client's own Receive Maximum.


@pytest.mark.spec("5.0", "MQTT-3.3.4-9", role="client")
@pytest.mark.parametrize("qos", [1, 2])
def test_a_server_that_sends_more_than_it_may_is_disconnected(qos: int) -> None:
    stage = limited(Properties(receive_maximum=2), manual_acknowledgement=True)
    for packet_id in (1, 2):
        stage.message(Publish("a", b"", qos, packet_id=packet_id))
    stage.message(Publish("a"))
    failed = failure(stage.receive(Publish("a", b"", 3 - qos, packet_id=3)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
    assert failed.statement == Statement("5.0", "MQTT-3.3.4-9")
    (last,) = stage.sent()
    assert isinstance(last, Disconnect)
    assert last.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
    assert stage.closed()


@pytest.mark.spec("5.0", "MQTT-3.3.4-9", role="client")
def test_the_quota_of_the_server_frees_at_puback_pubcomp_and_a_refusing_pubrec() -> None:
    stage = limited(Properties(receive_maximum=1), manual_acknowledgement=True)
    stage.acknowledge(stage.message(qos_1(1)))
    stage.acknowledge(stage.message(qos_1(2)), ReasonCode.NOT_AUTHORIZED)
    stage.acknowledge(stage.message(qos_2(2)), ReasonCode.NOT_AUTHORIZED)
    stage.acknowledge(stage.message(qos_2(3)))
    # It may come again: it is counted already.
    assert stage.receive(qos_2(3, dup=True)) == []
    stage.receive(PubRel(3))
    stage.acknowledge(stage.message(qos_2(4)))
    assert stage.client.receiving == 1
    failed = failure(stage.receive(qos_1(5)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


def test_messages_that_are_acknowledged_at_once_never_exceed_it() -> None:
    stage = limited(Properties(receive_maximum=1))
    packets = [each for number in range(2, 100) for each in (qos_1(number), qos_2(), PubRel(1))]
    assert len(messages(stage.receive(*packets))) == 2 * 98
    assert stage.client.receiving == 0


def test_an_acknowledgement_that_waits_for_its_turn_frees_nothing() -> None:
    stage = limited(Properties(receive_maximum=2), manual_acknowledgement=True)
    first, second = messages(stage.receive(qos_1(1), qos_1(2)))
    stage.acknowledge(second)
    assert stage.client.receiving == 2
    stage.acknowledge(first)
    assert stage.client.receiving == 0


def test_the_default_is_65_535() -> None:
    stage = connected(5, manual_acknowledgement=True)
    events = stage.receive(*(qos_1(number) for number in range(1, 65_536)))
    assert len(messages(events)) == stage.client.receiving == 65_535
    failed = failure(stage.receive(qos_1(1)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_there_is_no_receive_maximum(version: int) -> None:
    stage = manual(version)
    events = stage.receive(*(qos_1(number) for number in range(1, 65_536)), qos_1(1))
    assert len(messages(events)) == 65_536


def test_the_receive_maximum_may_be_waived() -> None:
    stage = limited(
        Properties(receive_maximum=1),
        manual_acknowledgement=True,
        leniency=Leniency.RECEIVE_MAXIMUM_EXCEEDED,
    )
    packets = [Publish("a", b"", 1 + number % 2, packet_id=number) for number in range(1, 9)]
    assert len(messages(stage.receive(*packets))) == 8


def test_each_connection_has_its_own_receive_maximum() -> None:
    session = Session()
    wide = lasting(5, Properties(receive_maximum=9))
    stage = connected(5, wide, session, manual_acknowledgement=True)
    assert len(messages(stage.receive(*(qos_2(each) for each in range(1, 10))))) == 9
    stage.cut()
    narrow = lasting(5, Properties(receive_maximum=1))
    stage = connected(5, narrow, session, resume=True, manual_acknowledgement=True)
    assert stage.receive(qos_2(1, dup=True)) == []
    assert failure(stage.receive(qos_2(2, dup=True))).reason_code == 0x93


# Packet sizes.


@pytest.mark.spec("5.0", "MQTT-3.1.2-24", role="client")
def test_the_maximum_packet_size_of_the_client_is_held_to() -> None:
    stage = limited(Properties(maximum_packet_size=10))
    assert messages(stage.receive(Publish("a", b"1234")))
    failed = failure(stage.receive(Publish("a", b"1234567")))
    assert failed.reason_code is ReasonCode.PACKET_TOO_LARGE
    assert failed.statement == Statement("5.0", "MQTT-3.1.2-24")


@pytest.mark.spec("5.0", "MQTT-3.4.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.4.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.5.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.5.2-3", role="client")
@pytest.mark.parametrize("explained", [EXPLAINED, EXPLAINED.replace(reason_string=None)])
@pytest.mark.parametrize("code", [ReasonCode.SUCCESS, ReasonCode.NOT_AUTHORIZED])
@pytest.mark.parametrize(("size", "whole"), [(5, False), (17, False), (50, True)])
def test_puback_and_pubrec_leave_explanations_out_where_they_make_them_too_large(
    size: int, whole: bool, code: ReasonCode, explained: Properties
) -> None:
    announce = Properties(maximum_packet_size=size)
    stage = connected(5, announce=announce, manual_acknowledgement=True)
    for qos in (1, 2):
        event = stage.message(Publish("a", b"", qos, packet_id=qos))
        stage.client.acknowledge(event, code, explained, now=0.0)
    left = explained if whole else EMPTY
    assert stage.sent() == [PubAck(1, code, left), PubRec(2, code, left)]


@pytest.mark.spec("5.0", "MQTT-3.2.2-15", role="client")
@pytest.mark.spec("5.0", "MQTT-3.6.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.6.2-3", role="client")
@pytest.mark.spec("5.0", "MQTT-3.7.2-2", role="client")
@pytest.mark.spec("5.0", "MQTT-3.7.2-3", role="client")
def test_what_the_client_says_by_itself_fits_a_small_server() -> None:
    stage = connected(5, announce=Properties(maximum_packet_size=5))
    stage.receive(PubRec(7), PubRel(7), qos_2(8), qos_1(8), PubRel(8))
    unknown = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    assert stage.sent() == [
        PubRel(7, unknown),
        PubComp(7, unknown),
        PubRec(8),
        PubAck(8, ReasonCode.PACKET_IDENTIFIER_IN_USE),
        PubComp(8),
    ]


# Topic aliases.


def aliased(topic: str, alias: int, qos: int = 0, packet_id: int | None = None) -> Publish:
    return Publish(topic, b"", qos, packet_id=packet_id, properties=Properties(topic_alias=alias))


@pytest.mark.spec("5.0", "MQTT-3.3.2-10", role="client")
@pytest.mark.parametrize("maximum", [1, 2, 65_535])
def test_every_alias_up_to_the_own_maximum_is_taken(maximum: int) -> None:
    stage = limited(Properties(topic_alias_maximum=maximum))
    for alias in sorted({1, (maximum + 1) // 2, maximum}):
        events = messages(stage.receive(aliased(f"t{alias}", alias), aliased("", alias)))
        assert [each.topic for each in events] == [f"t{alias}"] * 2
        assert [each.properties for each in events] == [EMPTY] * 2


def test_an_alias_may_be_given_another_topic_and_takes_nothing_else_with_it() -> None:
    stage = limited(Properties(topic_alias_maximum=1))
    more = Properties(topic_alias=1, user_properties=[("k", "v")], content_type="x")
    packets = [aliased("a", 1), aliased("", 1), Publish("b", properties=more), aliased("", 1)]
    events = messages(stage.receive(*packets))
    assert [each.topic for each in events] == ["a", "a", "b", "b"]
    assert events[2].properties == more.replace(topic_alias=None)


@pytest.mark.parametrize("maximum", [None, 0, 2])
def test_an_alias_above_the_maximum_ends_the_connection(maximum: int | None) -> None:
    stage = limited(EMPTY if maximum is None else Properties(topic_alias_maximum=maximum))
    failed = failure(stage.receive(aliased("a", (maximum or 0) + 1)))
    assert failed.reason_code is ReasonCode.TOPIC_ALIAS_INVALID
    (disconnect,) = stage.sent()
    assert isinstance(disconnect, Disconnect)
    assert disconnect.reason_code is ReasonCode.TOPIC_ALIAS_INVALID


@pytest.mark.spec("5.0", "MQTT-3.3.2-7", role="client")
@pytest.mark.parametrize("again", [False, True])
def test_an_alias_that_stands_for_nothing_on_its_connection_ends_it(again: bool) -> None:
    session = Session()
    connect = lasting(5, Properties(topic_alias_maximum=2))
    stage = connected(5, connect, session)
    assert messages(stage.receive(aliased("a", 1)))
    if again:
        stage.cut()
        stage = connected(5, connect, session, resume=True)
    failed = failure(stage.receive(aliased("", 1 if again else 2)))
    assert failed.statement == Statement("5.0", "section 3.3.2.3.4")
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR


def test_an_alias_counts_even_if_its_message_is_refused_or_known() -> None:
    stage = limited(Properties(topic_alias_maximum=3), manual_acknowledgement=True)
    stage.acknowledge(stage.message(aliased("denied", 1, 1, 1)), ReasonCode.NOT_AUTHORIZED)
    stage.acknowledge(stage.message(aliased("known", 2, 2, 2)))
    assert stage.receive(aliased("again", 3, 2, 2)) == []
    events = messages(stage.receive(aliased("", 1), aliased("", 2), aliased("", 3)))
    assert [each.topic for each in events] == ["denied", "known", "again"]


def test_properties_are_delivered_unaltered_and_in_order() -> None:
    properties = Properties(
        payload_format_indicator=1,
        message_expiry_interval=9,
        content_type="text/plain",
        response_topic="r",
        correlation_data=b"\0\1",
        subscription_identifiers=(7, 1, 7),
        user_properties=[("b", "1"), ("a", "2"), ("b", "3")],
    )
    message = Publish("a", b"x", 0, properties=properties)
    assert connected().receive(message) == [MessageReceived(message)]


# Without problem information.

QUIET: Final = Properties(request_problem_information=False)


@pytest.mark.spec("5.0", "MQTT-3.1.2-29", role="client")
@pytest.mark.parametrize(
    "properties", [Properties(reason_string="r"), Properties(user_properties=[("k", "v")])]
)
@pytest.mark.parametrize("kind", ["puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback"])
def test_an_explanation_that_was_not_wanted_ends_the_connection(
    kind: str, properties: Properties
) -> None:
    stage = limited(QUIET)
    stage.publish("a", 1)
    stage.publish("a", 2)
    stage.publish("a", 2)
    stage.client.subscribe(Subscription("s"), now=0.0)
    stage.client.unsubscribe("u", now=0.0)
    stage.receive(PubRec(3), qos_2(9))
    stage.sent()
    packet = {
        "puback": PubAck(1, 0, properties),
        "pubrec": PubRec(2, 0, properties),
        "pubrel": PubRel(9, 0, properties),
        "pubcomp": PubComp(3, 0, properties),
        "suback": SubAck(4, [QoS(0)], properties),
        "unsuback": UnsubAck(5, [ReasonCode.SUCCESS], properties),
    }[kind]
    failed = failure(stage.receive(packet))
    assert failed.statement == Statement("5.0", "MQTT-3.1.2-29")
    assert failed.reason_code is ReasonCode.PROTOCOL_ERROR
    (last,) = stage.sent()
    assert isinstance(last, Disconnect)


def explanations(stage: Stage) -> list[Event]:
    """What a client is told by a server that explains itself in PUBLISH and DISCONNECT."""
    users = EXPLAINED.replace(reason_string=None)
    disconnect = Disconnect(ReasonCode.SERVER_SHUTTING_DOWN, EXPLAINED)
    return stage.receive(Publish("a", properties=users), disconnect)


def test_publish_connack_and_disconnect_may_explain_all_the_same() -> None:
    stage = connected(5, lasting(5, QUIET), announce=EXPLAINED)
    message, over = explanations(stage)
    assert isinstance(message, MessageReceived)
    assert message.properties == EXPLAINED.replace(reason_string=None)
    assert over == Disconnected(Initiator.PEER, ReasonCode.SERVER_SHUTTING_DOWN, EXPLAINED)


def test_what_explains_nothing_is_taken_without_problem_information() -> None:
    stage = limited(QUIET)
    one, two = stage.publish("a", 1), stage.publish("a", 2)
    stage.client.subscribe(Subscription("s"), now=0.0)
    assert stage.receive(PubAck(1, ReasonCode.NOT_AUTHORIZED), PubRec(2), PubComp(2)) == [
        PublishCompleted(one, ReasonCode.NOT_AUTHORIZED),
        PublishCompleted(two),
    ]
    assert len(stage.receive(SubAck(3, [QoS(0)]), qos_2(), PubRel(1))) == 2


@pytest.mark.parametrize("wanted", [None, True])
def test_with_problem_information_all_may_explain(wanted: bool | None) -> None:
    asked = EMPTY if wanted is None else Properties(request_problem_information=wanted)
    stage = limited(asked)
    delivery = stage.publish("a")
    answer = PubAck(1, 0x87, EXPLAINED)
    assert stage.receive(answer) == [
        PublishCompleted(delivery, ReasonCode.NOT_AUTHORIZED, EXPLAINED)
    ]


def test_the_client_may_explain_itself_whatever_it_wants_to_be_told() -> None:
    stage = limited(QUIET, manual_acknowledgement=True)
    event = stage.message(qos_1())
    stage.client.acknowledge(event, 0x87, EXPLAINED, now=0.0)
    assert stage.sent() == [PubAck(1, ReasonCode.NOT_AUTHORIZED, EXPLAINED)]


# Changes before bytes.


def logged(version: int = 5, *, acknowledges: bool = False) -> Stage:
    """A connection with a session that is stored, all of it committed."""
    session = Session(journal=Journal())
    return connected(version, lasting(version), session, manual_acknowledgement=acknowledges)


@pytest.mark.parametrize("acknowledges", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_pubrec_and_pubcomp_wait_until_what_they_say_is_stored(
    version: int, acknowledges: bool
) -> None:
    stage = logged(version, acknowledges=acknowledges)
    event = stage.message(qos_2())
    if acknowledges:
        stage.acknowledge(event)
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRec(1)]
    stage.receive(PubRel(1))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubComp(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_repeated_pubrec_waits_for_the_first_ones_change(version: int) -> None:
    stage = logged(version)
    stage.message(qos_2())
    stage.receive(qos_2(dup=True))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRec(1), PubRec(1)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_puback_has_no_change_of_its_own_and_keeps_its_place(version: int) -> None:
    stage = logged(version)
    stage.message(qos_1(1))
    assert stage.sent() == [PubAck(1)]
    stage.message(qos_2(2))
    stage.message(qos_1(3))
    stage.client.ping(now=0.0)
    # A sign of life acknowledges nothing, and overtakes.
    assert stage.sent() == [PingReq()]
    stage.store()
    assert stage.sent() == [PubRec(2), PubAck(3)]


@pytest.mark.parametrize("qos", [1, 2])
def test_an_answer_waits_for_the_changes_of_the_application(qos: int) -> None:
    stage = logged(acknowledges=True)
    event = stage.message(Publish("a", b"x", qos, packet_id=1))
    number = stage.client.take_changes().last + 2
    stage.client.acknowledge(event, now=0.0, after=number)
    # Two QoS 1 messages that go out are two changes, as the application's own would be.
    stage.publish("b")
    stage.publish("b")
    assert stage.sent() == []
    stage.store()
    assert stage.sent()[0] == (PubAck(1) if qos == 1 else PubRec(1))


def test_a_session_that_ends_with_its_connection_waits_for_nothing() -> None:
    stage = connected(5, None, Session(journal=Journal()))
    stage.message(qos_2())
    stage.receive(PubRel(1))
    assert stage.sent() == [PubRec(1), PubComp(1)]
    assert not stage.client.take_changes()


def test_what_is_wrong_in_a_message_is_not_answered() -> None:
    for data in ("32 05 0001 61 0000 00", "30 08 0001 61 04 08 0001 23"):
        stage = connected()
        failure(stage.receive(bytes.fromhex(data)))
        assert [type(each) for each in stage.sent()] == [Disconnect]
        assert stage.state() is ConnectionState.CLOSED
