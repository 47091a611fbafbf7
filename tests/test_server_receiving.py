"""What a server receives: messages of clients, and the order and form of the answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import Disconnect, PingReq, PingResp
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.constants import ReasonCode
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, Journal, ServerConnection, Session
from mqttproto.protocol.events import AcknowledgementIgnored, ConnectionFailed, MessageReceived
from server_stage import EXPLAINED, VERSIONS, Stage, connected, failure, lasting, messages


def qos_1(packet_id: int = 1, topic: str = "a", *, dup: bool = False) -> Publish:
    return Publish(topic, b"x", 1, False, dup, packet_id)


def qos_2(packet_id: int = 1, topic: str = "a", *, dup: bool = False) -> Publish:
    return Publish(topic, b"x", 2, False, dup, packet_id)


def logged(version: int = 5) -> Stage:
    """A connection with a session that is stored, all of it committed."""
    return connected(version, lasting(version), Session("c", journal=Journal()))


# By QoS.


@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_0_is_delivered_and_not_answered(version: int) -> None:
    stage = connected(version)
    event = stage.message(Publish("a", b"x", 0, True))
    assert event == MessageReceived(Publish("a", b"x", 0, True))
    assert event.receipt is None
    stage.acknowledge(event)
    assert stage.sent() == []
    assert stage.server.receiving == 0


@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="server")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.2-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.2-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_1_is_answered_with_puback_by_its_owner(version: int) -> None:
    stage = connected(version)
    event = stage.message(qos_1(513))
    assert (event.topic, event.payload, event.qos, event.dup) == ("a", b"x", 1, False)
    assert stage.sent() == []
    assert stage.server.receiving == 1
    stage.acknowledge(event)
    assert stage.sent() == [PubAck(513)]
    assert stage.server.receiving == 0


@pytest.mark.spec("5.0", "MQTT-4.3.2-5", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.2-2", role="server")
@pytest.mark.parametrize("dup", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_after_puback_the_identifier_means_a_new_message(version: int, dup: bool) -> None:
    stage = connected(version)
    for _ in range(3):
        event = stage.message(qos_1(dup=dup))
        assert event.dup is dup
        stage.acknowledge(event)
        assert stage.sent() == [PubAck(1)]


@pytest.mark.spec("5.0", "MQTT-3.3.4-1", role="server")
@pytest.mark.spec("5.0", "MQTT-2.2.1-5", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-8", role="server")
@pytest.mark.spec("5.0", "MQTT-4.3.3-11", role="server")
@pytest.mark.spec("3.1.1", "MQTT-3.3.4-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-6", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_qos_2_is_answered_with_pubrec_and_its_release_with_pubcomp(version: int) -> None:
    stage = connected(version)
    event = stage.message(qos_2(513))
    assert stage.sent() == []
    stage.acknowledge(event)
    assert stage.sent() == [PubRec(513)]
    assert stage.server.receiving == 1
    assert stage.receive(PubRel(513)) == []
    assert stage.sent() == [PubComp(513)]
    assert stage.server.receiving == 0


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("dup", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_2_message_that_comes_again_is_answered_again_and_not_delivered(
    version: int, dup: bool
) -> None:
    stage = connected(version)
    stage.acknowledge(stage.message(qos_2()))
    assert stage.receive(qos_2(dup=dup), qos_2(dup=dup)) == []
    assert stage.sent() == [PubRec(1)] * 3
    assert stage.server.receiving == 1


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_comes_again_before_its_owner_has_decided_waits_for_the_same_word(
    version: int,
) -> None:
    stage = connected(version)
    event = stage.message(qos_2())
    assert stage.receive(qos_2(dup=True)) == []
    assert stage.sent() == []
    stage.acknowledge(event)
    assert stage.sent() == [PubRec(1)]


@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_2_message_is_known_on_the_next_connection(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    stage.acknowledge(stage.message(qos_2()))
    stage.server.connection_lost(0.0)
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.receive(qos_2(dup=True)) == []
    assert stage.receive(PubRel(1)) == []
    assert stage.sent() == [PubRec(1), PubComp(1)]
    assert stage.server.receiving == 0


@pytest.mark.spec("5.0", "MQTT-4.3.3-12", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("dup", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_after_pubcomp_the_identifier_means_a_new_message(version: int, dup: bool) -> None:
    stage = connected(version)
    for _ in range(3):
        stage.acknowledge(stage.message(qos_2(dup=dup)))
        assert stage.receive(PubRel(1)) == []
        assert stage.sent() == [PubRec(1), PubComp(1)]


@pytest.mark.spec("5.0", "MQTT-4.3.3-13", role="server")
def test_an_exchange_is_finished_though_the_message_has_expired() -> None:
    stage = connected()
    message = Publish("a", b"", 2, packet_id=1, properties=Properties(message_expiry_interval=1))
    event = stage.message(message)
    stage.now = 50.0
    stage.acknowledge(event)
    stage.receive(message)
    stage.receive(PubRel(1))
    assert stage.sent() == [PubRec(1), PubRec(1), PubComp(1)]


@pytest.mark.spec("5.0", "MQTT-4.3.3-11", role="server")
def test_an_unknown_release_is_answered_with_0x92_in_5() -> None:
    stage = connected()
    assert stage.receive(PubRel(7)) == [AcknowledgementIgnored(PubRel(7))]
    assert stage.sent() == [PubComp(7, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)]


@pytest.mark.spec("3.1.1", "MQTT-4.3.3-2", role="server")
@pytest.mark.parametrize("version", [3, 4])
def test_an_unknown_release_is_answered_plainly_before_5(version: int) -> None:
    stage = connected(version)
    assert stage.receive(PubRel(7)) == [AcknowledgementIgnored(PubRel(7))]
    assert stage.sent() == [PubComp(7)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_release_before_its_pubrec_ends_the_connection(version: int) -> None:
    stage = connected(version)
    stage.message(qos_2())
    failed = failure(stage.receive(PubRel(1)))
    assert failed.statement.id == ("MQTT-4.3.3-4" if version == 5 else "MQTT-4.3.3-1")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_release_may_come_on_the_next_connection(version: int) -> None:
    session = Session("c")
    stage = connected(version, lasting(version), session)
    stage.acknowledge(stage.message(qos_2()))
    stage.server.connection_lost(0.0)
    stage = connected(version, lasting(version), session, resume=True)
    assert stage.receive(PubRel(1)) == []
    assert stage.sent() == [PubComp(1)]
    assert stage.server.receiving == 0
    assert messages(stage.receive(qos_2()))


# Refusing.


@pytest.mark.parametrize("code", [0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
@pytest.mark.parametrize("qos", [1, 2])
def test_the_owner_chooses_the_reason_code(qos: int, code: int) -> None:
    stage = connected()
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    stage.server.acknowledge(event, code, EXPLAINED, now=0.0)
    answer = PubAck if qos == 1 else PubRec
    assert stage.sent() == [answer(4, ReasonCode(code), EXPLAINED)]
    assert stage.server.receiving == (qos == 2 and code < 0x80)


@pytest.mark.spec("5.0", "MQTT-4.3.3-9", role="server")
def test_after_a_refusing_pubrec_the_identifier_means_a_new_message() -> None:
    stage = connected()
    for _ in range(3):
        stage.acknowledge(stage.message(qos_2(dup=True)), ReasonCode.NOT_AUTHORIZED)
        assert stage.sent() == [PubRec(1, ReasonCode.NOT_AUTHORIZED)]
    assert stage.receive(PubRel(1)) == [AcknowledgementIgnored(PubRel(1))]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", [3, 4])
def test_a_message_cannot_be_refused_before_5(version: int, qos: int) -> None:
    stage = connected(version)
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    stage.server.acknowledge(event, ReasonCode.NOT_AUTHORIZED, EXPLAINED, now=0.0)
    assert stage.sent() == [PubAck(4) if qos == 1 else PubRec(4)]
    assert messages(stage.receive(Publish("a", b"x", 2, packet_id=4))) == (
        [] if qos == 2 else [MessageReceived(qos_2(4))]
    )


@pytest.mark.parametrize("code", [0x01, 0x11, 0x81, 0x92])
@pytest.mark.parametrize("qos", [1, 2])
def test_a_reason_code_that_cannot_stand_there_changes_nothing(qos: int, code: int) -> None:
    stage = connected()
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    with pytest.raises(InvalidValueError) as refused:
        stage.server.acknowledge(event, code, now=0.0)
    id = "MQTT-3.4.2-1" if qos == 1 else "MQTT-3.5.2-1"
    assert refused.value.statement == Statement("5.0", id)
    with pytest.raises(InvalidValueError):
        stage.server.acknowledge(event, 0xFE, now=0.0)
    with pytest.raises(InvalidValueError):
        stage.server.acknowledge(event, 0, Properties(topic_alias=1), now=0.0)
    assert stage.sent() == []
    stage.acknowledge(event)
    assert stage.sent() == [PubAck(4) if qos == 1 else PubRec(4)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
def test_nobody_acknowledges_twice(version: int, qos: int) -> None:
    stage = connected(version)
    event = stage.message(Publish("a", b"x", qos, packet_id=4))
    stage.acknowledge(event)
    with pytest.raises(LocalProtocolError, match="already"):
        stage.acknowledge(event)
    assert len(stage.sent()) == 1


def test_a_message_that_has_no_receipt_cannot_be_acknowledged() -> None:
    stage = connected()
    with pytest.raises(LocalProtocolError):
        stage.acknowledge(MessageReceived(qos_1()))


def test_an_identifier_that_is_in_use_at_qos_2_is_refused_at_qos_1_in_5() -> None:
    stage = connected()
    stage.acknowledge(stage.message(qos_2()))
    assert stage.receive(qos_1()) == []
    assert stage.sent() == [PubRec(1), PubAck(1, ReasonCode.PACKET_IDENTIFIER_IN_USE)]
    assert stage.server.receiving == 1
    assert messages(stage.receive(qos_1(2)))


def test_a_refusal_because_of_the_identifier_waits_for_its_turn() -> None:
    stage = connected()
    first = stage.message(qos_1(2))
    undecided = stage.message(qos_2())
    assert stage.receive(qos_1()) == []
    assert stage.sent() == []
    assert stage.server.receiving == 3
    stage.acknowledge(undecided)
    stage.acknowledge(first)
    assert stage.sent() == [
        PubRec(1),
        PubAck(2),
        PubAck(1, ReasonCode.PACKET_IDENTIFIER_IN_USE),
    ]
    assert stage.server.receiving == 1


@pytest.mark.parametrize("version", [3, 4])
def test_before_5_such_a_message_is_taken(version: int) -> None:
    stage = connected(version)
    stage.acknowledge(stage.message(qos_2()))
    stage.acknowledge(stage.message(qos_1()))
    assert stage.sent() == [PubRec(1), PubAck(1)]


# The order of answers.


@pytest.mark.spec("5.0", "MQTT-4.6.0-2", role="server")
@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-2", role="server")
@pytest.mark.spec("3.1.1", "MQTT-4.6.0-3", role="server")
@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data(), levels=st.lists(st.sampled_from([1, 2]), min_size=1, max_size=8))
def test_answers_leave_in_the_order_of_receipt(
    version: int, data: st.DataObject, levels: list[int]
) -> None:
    stage = connected(version)
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


@pytest.mark.spec("5.0", "MQTT-4.6.0-3", role="server")
def test_the_answer_to_a_repetition_does_not_overtake() -> None:
    stage = connected()
    stage.acknowledge(stage.message(qos_2(1)))
    undecided = stage.message(qos_2(2))
    assert stage.receive(qos_2(1, dup=True)) == []
    assert stage.sent() == [PubRec(1)]
    stage.acknowledge(undecided)
    assert stage.sent() == [PubRec(2), PubRec(1)]


# Later connections.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_qos_1_message_of_an_earlier_connection_is_left_alone(version: int) -> None:
    session = Session("c")
    old = connected(version, lasting(version), session)
    event = old.message(qos_1())
    old.server.connection_lost(0.0)
    old.acknowledge(event)
    new = connected(version, lasting(version), session, resume=True)
    old.acknowledge(event)
    new.acknowledge(event)
    assert new.sent() == old.sent() == []
    again = new.message(qos_1(dup=True))
    new.acknowledge(again)
    assert new.sent() == [PubAck(1)]


@pytest.mark.parametrize("when", ["before", "between", "behind"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_word_about_a_qos_2_message_holds_on_the_next_connection(
    version: int, when: str
) -> None:
    session = Session("c")
    old = connected(version, lasting(version), session)
    event = old.message(qos_2())
    old.server.connection_lost(0.0)
    if when == "before":
        old.acknowledge(event)
    new = connected(version, lasting(version), session, resume=True)
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
    assert new.server.receiving == 0
    assert old.sent() == []


def test_a_word_that_comes_after_the_session_was_discarded_changes_nothing() -> None:
    session = Session("c")
    old = connected(5, lasting(5), session)
    event = old.message(qos_2())
    old.server.connection_lost(0.0)
    new = connected(5, lasting(5), session)
    new.acknowledge(event)
    assert new.sent() == []
    assert list(session.received) == []
    assert messages(new.receive(qos_2()))


def test_a_qos_2_message_that_was_not_accepted_is_not_known_after_a_crash() -> None:
    session = Session("c")
    stage = connected(5, lasting(5), session)
    stage.message(qos_2(1))
    stage.acknowledge(stage.message(qos_2(2)))
    restored = Session.restore(session.export())
    stage = connected(5, lasting(5), restored, resume=True)
    assert [each.message.packet_id for each in messages(stage.receive(qos_2(1), qos_2(2)))] == [1]


# Changes before bytes.


@pytest.mark.parametrize("version", VERSIONS)
def test_pubrec_and_pubcomp_wait_until_what_they_say_is_stored(version: int) -> None:
    stage = logged(version)
    stage.acknowledge(stage.message(qos_2()))
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
    stage.acknowledge(stage.message(qos_2()))
    stage.receive(qos_2(dup=True))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRec(1), PubRec(1)]


@pytest.mark.parametrize("qos", [1, 2])
def test_an_answer_waits_for_the_changes_of_its_owner(qos: int) -> None:
    stage = logged()
    event = stage.message(Publish("a", b"x", qos, packet_id=1))
    number = stage.server.take_changes().last + 2
    stage.server.acknowledge(event, now=0.0, after=number)
    # Two QoS 1 messages that go out are two changes, as a broker's own would be.
    stage.server.publish("b", b"", 1, now=0.0)
    stage.server.publish("b", b"", 1, now=0.0)
    stage.receive(PingReq())
    assert stage.sent() == [PingResp()]
    stage.store()
    assert stage.sent()[0] == (PubAck(1) if qos == 1 else PubRec(1))


def test_a_session_that_ends_with_its_connection_waits_for_nothing() -> None:
    stage = connected(5, None, Session("c", journal=Journal()))
    stage.acknowledge(stage.message(qos_2()))
    stage.receive(PubRel(1))
    assert stage.sent() == [PubRec(1), PubComp(1)]
    assert not stage.server.take_changes()


# Transient errors, and rules about the client.


@pytest.mark.spec("3.1.1", "MQTT-4.8.0-2", role="server")
@pytest.mark.parametrize("version", VERSIONS)
def test_an_owner_that_cannot_handle_a_packet_closes_its_connection(version: int) -> None:
    stage = connected(version)
    stage.message(qos_1())
    stage.server.disconnect(ReasonCode.UNSPECIFIED_ERROR, now=0.0)
    assert stage.sent() == ([Disconnect(ReasonCode.UNSPECIFIED_ERROR)] if version == 5 else [])
    assert stage.closed()
    assert stage.receive(qos_1()) == []


@pytest.mark.spec("5.0", "MQTT-3.3.4-6", role="server")
def test_a_client_must_not_send_a_subscription_identifier() -> None:
    stage = connected()
    data = bytes.fromhex("30 06 0001 61 02 0b 01")
    failed = failure(stage.receive(data))
    assert failed.statement == Statement("5.0", "MQTT-3.3.4-6")


@pytest.mark.spec("5.0", "MQTT-3.3.2-14", role="server")
def test_a_response_topic_has_no_wildcards() -> None:
    stage = connected()
    failed = failure(stage.receive(bytes.fromhex("30 08 0001 61 04 08 0001 23")))
    assert failed.statement == Statement("5.0", "MQTT-3.3.2-14")


def test_what_only_looks_like_an_alias_is_left_alone() -> None:
    stage = connected()
    properties = Properties(user_properties=[("#", "#")])
    message = Publish("a", properties=properties)
    assert stage.receive(message) == [MessageReceived(message)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_that_cannot_be_is_not_answered(version: int) -> None:
    stage = connected(version)
    (failed,) = stage.receive(b"\x32\x05\x00\x01a\x00\x00" + (b"\x00" if version == 5 else b""))
    assert isinstance(failed, ConnectionFailed)
    assert not [each for each in stage.sent() if not isinstance(each, Disconnect)]
    assert stage.state() is ConnectionState.CLOSED


def test_a_receive_window_of_the_server_is_full_by_default_at_65_535() -> None:
    stage = connected(5, server=ServerConnection(now=0.0))
    events = stage.receive(*(qos_1(number) for number in range(1, 65_536)))
    assert len(messages(events)) == stage.server.receiving == 65_535
    failed = failure(stage.receive(qos_1(1)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
