"""Receiving messages, as far as both roles do it alike: quota, aliases, answers, their order."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import client_stage
import server_stage
from both_ends import CLIENT, EXPLAINED, ROLES, VERSIONS, Stage, cut, end_of, joined, publish
from client_stage import failure, lasting, messages
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import ConnAck
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.constants import ReasonCode, Sender
from mqttproto.errors import InvalidValueError, LocalProtocolError, Statement
from mqttproto.protocol import ConnectionState, Journal, Leniency, Session
from mqttproto.protocol.events import AcknowledgementIgnored, MessageReceived

every_role = pytest.mark.parametrize("role", ROLES)
every_version = pytest.mark.parametrize("version", VERSIONS)

IN_USE: Final = ReasonCode.PACKET_IDENTIFIER_IN_USE
UNKNOWN: Final = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
REFUSED: Final = ReasonCode.NOT_AUTHORIZED


def message(qos: int, packet_id: int = 1, topic: str = "a", *, dup: bool = False) -> Publish:
    return Publish(topic, b"x", qos, False, dup, packet_id)


def logged(role: Sender, version: int = 5, **options: Any) -> Stage:
    """A connection with a session that is stored, all of it committed."""
    return joined(role, version, Session("c", journal=Journal()), **options)


def resumed(role: Sender, session: Session) -> Stage:
    """A connection that goes on with a session, nothing stored since."""
    if role is CLIENT:
        client = client_stage.Stage(5, session, manual_acknowledgement=True)
        client.connect(lasting(5))
        client.accept(resume=True)
        return client
    server = server_stage.Stage()
    server.connect(lasting(5))
    server.accept(session, resume=True)
    assert server.sent() == [ConnAck(True)]
    return server


# What is delivered, and what is owed for it.


@every_version
@every_role
def test_an_event_holds_the_message_and_what_its_answer_needs(role: Sender, version: int) -> None:
    stage = joined(role, version)
    for qos in (1, 2):
        event = stage.message(Publish("a/b", b"x", qos, True, True, 512 + qos))
        assert event == MessageReceived(Publish("a/b", b"x", qos, True, True, 512 + qos))
        assert (event.topic, event.payload, event.qos) == ("a/b", b"x", qos)
        assert (event.retain, event.dup, event.properties) == (True, True, EMPTY)
        receipt = event.receipt
        assert receipt is not None
        assert (receipt.packet_id, receipt.qos) == (512 + qos, qos)
        assert receipt.connection == end_of(stage).number
        assert not receipt.decided
        stage.acknowledge(event)
        assert receipt.decided
    assert stage.sent() == [PubAck(513), PubRec(514)]


@every_version
@every_role
def test_every_identifier_may_come(role: Sender, version: int) -> None:
    stage = joined(role, version)
    for packet_id in (1, 255, 256, 65_535):
        for qos in (1, 2):
            stage.acknowledge(stage.message(message(qos, packet_id)))
            stage.receive(*([PubRel(packet_id)] if qos == 2 else []))
        assert stage.sent() == [PubAck(packet_id), PubRec(packet_id), PubComp(packet_id)]


@every_role
def test_a_message_without_a_receipt_cannot_be_acknowledged_above_qos_0(role: Sender) -> None:
    stage = joined(role)
    for qos in (1, 2):
        with pytest.raises(LocalProtocolError, match="manual"):
            stage.acknowledge(MessageReceived(message(qos)))
    stage.acknowledge(MessageReceived(Publish("a")))
    assert stage.sent() == []


@every_role
def test_a_number_may_stand_for_a_reason_code(role: Sender) -> None:
    stage = joined(role)
    for code, qos in ((0x87, 1), (ReasonCode.QUOTA_EXCEEDED, 2)):
        stage.acknowledge(stage.message(message(qos, qos)), code)
    with pytest.raises(InvalidValueError):
        stage.acknowledge(stage.message(message(1, 3)), 0x7F)
    assert stage.sent() == [PubAck(1, 0x87), PubRec(2, 0x97)]


@pytest.mark.spec("5.0", "MQTT-3.4.2-1", role="both")
@pytest.mark.spec("5.0", "MQTT-3.5.2-1", role="both")
@pytest.mark.parametrize("qos", [1, 2])
@every_role
def test_only_a_server_knows_that_there_are_no_subscribers(role: Sender, qos: int) -> None:
    stage = joined(role)
    event = stage.message(message(qos))
    nobody = ReasonCode.NO_MATCHING_SUBSCRIBERS
    if role is CLIENT:
        with pytest.raises(InvalidValueError) as refused:
            stage.acknowledge(event, nobody)
        id = "MQTT-3.4.2-1" if qos == 1 else "MQTT-3.5.2-1"
        assert refused.value.statement == Statement("5.0", id)
        assert stage.sent() == []
    else:
        stage.acknowledge(event, nobody)
        assert stage.sent() == [PubAck(1, nobody) if qos == 1 else PubRec(1, nobody)]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("version", [3, 4])
@every_role
def test_before_5_every_answer_is_the_plain_one(role: Sender, version: int, qos: int) -> None:
    stage = joined(role, version)
    end_of(stage).acknowledge(stage.message(message(qos)), REFUSED, EXPLAINED, now=0.0)
    assert end_of(stage).data_to_send() == (b"\x40\x02\0\1" if qos == 1 else b"\x50\x02\0\1")


@every_role
def test_an_answer_of_success_is_as_short_as_can_be(role: Sender) -> None:
    stage = joined(role)
    for qos in (1, 2):
        stage.acknowledge(stage.message(message(qos, qos)))
    stage.receive(PubRel(2))
    assert end_of(stage).data_to_send() == b"\x40\x02\0\1\x50\x02\0\2\x70\x02\0\2"


@pytest.mark.parametrize("qos", [1, 2])
@every_role
def test_an_answer_that_the_peer_cannot_take_whole_goes_without_its_explanation(
    role: Sender, qos: int
) -> None:
    stage = joined(role, peer=Properties(maximum_packet_size=20))
    end_of(stage).acknowledge(stage.message(message(qos)), REFUSED, EXPLAINED, now=0.0)
    assert stage.sent() == [PubAck(1, REFUSED) if qos == 1 else PubRec(1, REFUSED)]


# The handshake, against a model of it.


@pytest.mark.spec("5.0", "MQTT-4.3.3-9", role="both")
@pytest.mark.spec("5.0", "MQTT-4.3.3-10", role="both")
@pytest.mark.spec("5.0", "MQTT-4.3.3-11", role="both")
@pytest.mark.spec("5.0", "MQTT-4.3.3-12", role="both")
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["publish", "publish", "release", "accept", "refuse", "cut"]),
            st.integers(1, 3),
        ),
        max_size=25,
    )
)
@every_role
def test_a_qos_2_message_is_delivered_once_whatever_happens(
    role: Sender, steps: list[tuple[str, int]]
) -> None:
    session = Session("c")
    stage = joined(role, 5, session)
    # What a receiver knows, by identifier: what is delivered, and what is accepted too.
    undecided: dict[int, MessageReceived] = {}
    accepted: set[int] = set()
    # What the sender knows: which of its messages on this connection have had no answer, and of
    # which it has had a PUBREC. It does not release what it has had none of.
    unanswered: set[int] = set()
    recorded: set[int] = set()
    for step, packet_id in steps:
        known = packet_id in accepted
        open_one = undecided.get(packet_id)
        if step == "cut":
            cut(stage)
            stage = joined(role, 5, session, resume=True)
            unanswered.clear()
        elif step == "publish":
            events = messages(stage.receive(message(2, packet_id)))
            again = known or open_one or packet_id in unanswered
            assert len(events) == (0 if again else 1)
            unanswered.add(packet_id)
            if events:
                undecided[packet_id] = events[0]
        elif step == "release" and (packet_id in recorded or not (open_one or unanswered)):
            ignored = stage.receive(PubRel(packet_id))
            assert ignored == ([] if known else [AcknowledgementIgnored(PubRel(packet_id))])
            assert stage.sent()[-1] == PubComp(packet_id, 0 if known else UNKNOWN)
            accepted.discard(packet_id)
            recorded.discard(packet_id)
            unanswered.discard(packet_id)
        elif step in ("accept", "refuse") and open_one:
            del undecided[packet_id]
            stage.acknowledge(open_one, 0 if step == "accept" else REFUSED)
            if step == "accept":
                accepted.add(packet_id)
        for packet in stage.sent():
            assert isinstance(packet, PubRec)
            assert packet.packet_id in unanswered
            unanswered.discard(packet.packet_id)
            if packet.reason_code == 0:
                recorded.add(packet.packet_id)
        assert set(session.undecided) == set(undecided)
        assert set(session.received) == set(undecided) | accepted
        assert end_of(stage).state is ConnectionState.CONNECTED
    # Whoever waits for its turn is let go, and all is answered.
    for packet_id, event in undecided.items():
        stage.acknowledge(event)
        accepted.add(packet_id)
    for packet_id in sorted(accepted):
        assert stage.receive(PubRel(packet_id)) == []
    assert session.received == {}
    assert end_of(stage).receiving == 0


@pytest.mark.parametrize("released", [False, True])
@every_version
@every_role
def test_a_release_that_comes_too_soon_ends_the_connection(
    role: Sender, version: int, released: bool
) -> None:
    stage = joined(role, version)
    event = stage.message(message(2))
    if released:
        stage.acknowledge(event)
        assert stage.receive(PubRel(1)) == []
        stage.message(message(2))
    failed = failure(stage.receive(PubRel(1)))
    expected = ("5.0", "MQTT-4.3.3-4") if version == 5 else ("3.1.1", "MQTT-4.3.3-1")
    assert failed.statement == Statement(*expected)


@pytest.mark.parametrize("decided", [False, True])
@every_role
def test_qos_1_may_not_use_an_identifier_of_qos_2_in_5(role: Sender, decided: bool) -> None:
    stage = joined(role)
    event = stage.message(message(2))
    if decided:
        stage.acknowledge(event)
    assert stage.receive(message(1)) == []
    assert stage.sent() == [*([PubRec(1)] if decided else []), PubAck(1, IN_USE)]
    assert end_of(stage).receiving == 1
    # The exchange goes on.
    if not decided:
        stage.acknowledge(event)
        assert stage.sent() == [PubRec(1)]
    assert stage.receive(PubRel(1)) == []
    assert stage.sent() == [PubComp(1)]


@every_role
def test_a_refusal_because_of_the_identifier_waits_for_its_turn(role: Sender) -> None:
    stage = joined(role)
    first, undecided = stage.message(message(1, 2)), stage.message(message(2, 1))
    assert stage.receive(message(1, 1)) == []
    assert stage.sent() == []
    assert end_of(stage).receiving == 3
    stage.acknowledge(undecided)
    stage.acknowledge(first)
    assert stage.sent() == [PubRec(1), PubAck(2), PubAck(1, IN_USE)]
    assert end_of(stage).receiving == 1


@every_version
@every_role
def test_the_own_identifiers_are_another_space(role: Sender, version: int) -> None:
    stage = joined(role, version)
    publish(stage, "a", 2)
    event = stage.message(message(2, 1))
    assert stage.receive(PubRec(1)) == []
    stage.acknowledge(event)
    stage.receive(PubComp(1))
    assert end_of(stage).session.in_flight == 0
    assert list(end_of(stage).session.received) == [1]


# The quota.


@pytest.mark.spec("5.0", "MQTT-3.3.4-7", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.4-9", role="client")
@pytest.mark.parametrize("qos", [1, 2])
@every_role
def test_more_than_the_own_receive_maximum_ends_the_connection(role: Sender, qos: int) -> None:
    stage = joined(role, own=Properties(receive_maximum=3))
    for packet_id in (1, 2, 3):
        stage.message(message(1 + packet_id % 2, packet_id))
    # QoS 0 and what is no PUBLISH are free.
    stage.message(Publish("a"))
    stage.receive(PubRel(9))
    failed = failure(stage.receive(message(qos, 4)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
    assert failed.statement.id == ("MQTT-3.3.4-9" if role is CLIENT else "MQTT-3.3.4-7")


@every_role
def test_a_repetition_does_not_count_again(role: Sender) -> None:
    stage = joined(role, own=Properties(receive_maximum=1))
    event = stage.message(message(2))
    assert stage.receive(message(2, dup=True), message(2, dup=True)) == []
    stage.acknowledge(event)
    assert stage.receive(message(2, dup=True)) == []
    assert end_of(stage).receiving == 1
    stage.receive(PubRel(1))
    assert end_of(stage).receiving == 0
    stage.message(message(1))


@every_role
def test_an_identifier_that_is_in_use_counts_until_it_is_refused(role: Sender) -> None:
    stage = joined(role, own=Properties(receive_maximum=2))
    stage.acknowledge(stage.message(message(2)))
    for _ in range(3):
        assert stage.receive(message(1)) == []
    assert end_of(stage).receiving == 1
    stage.message(message(1, 2))
    failed = failure(stage.receive(message(1, 1)))
    assert failed.reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


@pytest.mark.parametrize("version", [3, 4])
@every_role
def test_before_5_there_is_no_quota(role: Sender, version: int) -> None:
    stage = joined(role, version)
    packets = [message(1, 1 + number % 65_535) for number in range(65_536)]
    assert len(messages(stage.receive(*packets))) == end_of(stage).receiving == 65_536
    assert end_of(stage).state is ConnectionState.CONNECTED


@every_role
def test_the_quota_may_be_waived(role: Sender) -> None:
    stage = joined(
        role, own=Properties(receive_maximum=1), leniency=Leniency.RECEIVE_MAXIMUM_EXCEEDED
    )
    packets = [message(1 + number % 2, number) for number in range(1, 9)]
    assert len(messages(stage.receive(*packets))) == end_of(stage).receiving == 8


# Aliases.


def aliased(topic: str, alias: int) -> Publish:
    return Publish(topic, properties=Properties(topic_alias=alias))


@pytest.mark.spec("5.0", "MQTT-3.3.2-7", role="both")
@every_role
def test_an_alias_is_resolved_stripped_and_gone_with_its_connection(role: Sender) -> None:
    session = Session("c")
    own = Properties(topic_alias_maximum=2)
    stage = joined(role, 5, session, own=own)
    events = messages(stage.receive(aliased("a", 1), aliased("b", 2), aliased("", 1)))
    assert [(each.topic, each.properties) for each in events] == [
        ("a", EMPTY),
        ("b", EMPTY),
        ("a", EMPTY),
    ]
    cut(stage)
    stage = joined(role, 5, session, own=own, resume=True)
    failed = failure(stage.receive(aliased("", 1)))
    assert failed.statement == Statement("5.0", "section 3.3.2.3.4")


@pytest.mark.parametrize("maximum", [None, 0, 2])
@every_role
def test_an_alias_above_the_own_maximum_ends_the_connection(
    role: Sender, maximum: int | None
) -> None:
    own = EMPTY if maximum is None else Properties(topic_alias_maximum=maximum)
    stage = joined(role, own=own)
    failed = failure(stage.receive(aliased("a", (maximum or 0) + 1)))
    assert failed.reason_code is ReasonCode.TOPIC_ALIAS_INVALID


@every_role
def test_what_only_looks_like_an_alias_is_left_alone(role: Sender) -> None:
    # The identifier of the property is the byte of "#".
    properties = Properties(user_properties=[("#", "#")])
    stage = joined(role)
    assert stage.message(Publish("a", properties=properties)).properties == properties


# Changes before bytes.


@every_version
@every_role
def test_pubrec_and_pubcomp_wait_until_they_are_stored(role: Sender, version: int) -> None:
    stage = logged(role, version)
    stage.acknowledge(stage.message(message(2)))
    assert stage.receive(message(2, dup=True)) == []
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRec(1), PubRec(1)]
    stage.receive(PubRel(1))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubComp(1)]


@every_role
def test_a_pubcomp_for_nothing_waits_for_what_made_it_nothing(role: Sender) -> None:
    stage = logged(role)
    stage.acknowledge(stage.message(message(2)))
    stage.store()
    stage.sent()
    # The second comes before the first one's change is stored.
    stage.receive(PubRel(1), PubRel(1))
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubComp(1), PubComp(1, UNKNOWN)]


@every_role
def test_answers_on_the_next_connection_wait_for_what_the_last_one_has_noted(role: Sender) -> None:
    stage = logged(role)
    session = end_of(stage).session
    stage.acknowledge(stage.message(message(2)))
    cut(stage)
    stage = resumed(role, session)
    assert stage.receive(message(2, dup=True)) == []
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRec(1)]
    stage.receive(PubRel(1))
    cut(stage)
    stage = resumed(role, session)
    assert stage.receive(PubRel(1)) == [AcknowledgementIgnored(PubRel(1))]
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubComp(1, UNKNOWN)]


@every_role
def test_a_refusing_pubrec_has_nothing_to_store(role: Sender) -> None:
    stage = logged(role)
    stage.acknowledge(stage.message(message(2)), REFUSED)
    assert stage.sent() == [PubRec(1, REFUSED)]
    assert not end_of(stage).take_changes()


@pytest.mark.parametrize("code", [0, REFUSED])
@pytest.mark.parametrize("qos", [1, 2])
@every_role
def test_every_answer_waits_for_the_change_that_its_owner_names(
    role: Sender, qos: int, code: int
) -> None:
    stage = logged(role)
    end = end_of(stage)
    event = stage.message(message(qos))
    number = end.take_changes().last + 2
    end.acknowledge(event, code, now=0.0, after=number)
    for _ in range(2):
        publish(stage, "b")
    assert stage.sent() == []
    stage.store()
    answer: Packet = PubAck(1, code) if qos == 1 else PubRec(1, code)
    assert stage.sent()[0] == answer


@every_role
def test_an_answer_that_waits_for_its_turn_waits_for_its_change_too(role: Sender) -> None:
    stage = logged(role)
    first, second = stage.message(message(2, 1)), stage.message(message(2, 2))
    stage.acknowledge(second)
    stage.store()
    assert stage.sent() == []
    stage.acknowledge(first)
    assert stage.sent() == []
    stage.store()
    assert stage.sent() == [PubRec(1), PubRec(2)]


# Later connections.


@every_version
@every_role
def test_a_handle_of_qos_1_is_void_on_a_later_connection(role: Sender, version: int) -> None:
    session = Session("c")
    old = joined(role, version, session)
    event = old.message(message(1))
    cut(old)
    new = joined(role, version, session, resume=True)
    for stage in (old, new):
        stage.acknowledge(event)
        assert stage.sent() == []
    assert event.receipt is not None
    assert not event.receipt.decided


@every_version
@every_role
def test_a_handle_of_qos_2_carries_over(role: Sender, version: int) -> None:
    session = Session("c")
    old = joined(role, version, session)
    event = old.message(message(2))
    cut(old)
    new = joined(role, version, session, resume=True)
    with pytest.raises(LocalProtocolError, match="another connection"):
        old.acknowledge(event)
    new.acknowledge(event)
    assert new.sent() == []
    assert new.receive(message(2, dup=True)) == []
    assert new.sent() == [PubRec(1)]


@every_role
def test_a_handle_is_void_when_its_session_is(role: Sender) -> None:
    session = Session("c")
    old = joined(role, 5, session)
    event = old.message(message(2))
    cut(old)
    # Not resumed: what was under way is forgotten.
    new = joined(role, 5, session)
    new.acknowledge(event)
    assert new.sent() == []
    assert session.received == {}
    again = new.message(message(2))
    new.acknowledge(again)
    assert new.sent() == [PubRec(1)]


@every_role
def test_one_answer_is_due_however_often_a_message_is_repeated(role: Sender) -> None:
    stage = joined(role, 5, Session("c"))
    first = stage.message(message(2, 1))
    stage.acknowledge(stage.message(message(2, 2)))
    refused = stage.message(message(2, 3))
    stage.acknowledge(refused, REFUSED)
    for packet_id in (1, 2, 3) * 100:
        assert stage.receive(message(2, packet_id)) == []
    assert end_of(stage).receiving == 3
    stage.acknowledge(first)
    assert stage.sent() == [PubRec(1), PubRec(2), PubRec(3, REFUSED)]


@every_role
def test_a_release_behind_a_repetition_takes_its_answer_back(role: Sender) -> None:
    stage = joined(role, 5, Session("c"))
    stage.acknowledge(stage.message(message(2, 2)))
    first = stage.message(message(2, 1))
    stage.receive(message(2, 2))
    stage.sent()
    assert stage.receive(PubRel(2)) == []
    assert stage.sent() == [PubComp(2)]
    stage.acknowledge(first)
    assert stage.sent() == [PubRec(1)]


@pytest.mark.spec("5.0", "MQTT-4.3.3-4", role="both")
@every_role
def test_a_release_ends_the_connection_if_the_pubrec_has_not_left(role: Sender) -> None:
    stage = joined(role, 5, Session("c"))
    stage.message(message(2, 1))
    stage.acknowledge(stage.message(message(2, 2)))
    assert failure(stage.receive(PubRel(2))).statement == Statement("5.0", "MQTT-4.3.3-4")


@every_version
@every_role
def test_a_sender_may_give_up_what_it_has_not_sent_again(role: Sender, version: int) -> None:
    session = Session("c")
    stage = joined(role, version, session)
    event = stage.message(message(2, 1))
    cut(stage)
    stage = joined(role, version, session, resume=True)
    assert stage.receive(PubRel(1)) == []
    assert stage.sent() == [PubComp(1, UNKNOWN if version == 5 else 0)]
    stage.acknowledge(event)
    assert stage.sent() == []
    assert len(stage.receive(message(2, 1))) == 1


@every_role
def test_reading_pauses_while_too_many_wait_for_their_owner(role: Sender) -> None:
    stage = joined(role, 4)
    events = messages(stage.receive(*[message(1, 1)] * 65_536))
    wanted = [end_of(stage).wants_read]
    stage.acknowledge(events[0])
    wanted.append(end_of(stage).wants_read)
    assert wanted == [False, True]


def test_a_word_on_the_wrong_connection_is_not_used_up() -> None:
    event = (stage := joined(Sender.SERVER, 5, Session("c"))).message(message(2, 1))
    joined(Sender.SERVER, 5).acknowledge(event)
    stage.acknowledge(event)
    assert stage.sent() == [PubRec(1)]
