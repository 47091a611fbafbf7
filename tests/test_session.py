"""What outlives a connection: its life, its handshakes, its journal, and its export."""

import copy
import pickle
from math import inf
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mqttproto.codec.block import Properties
from mqttproto.codec.publish import Publish
from mqttproto.constants import PacketType
from mqttproto.errors import InvalidValueError, LocalProtocolError, QueueFullError
from mqttproto.protocol.changes import (
    Change,
    MessageCompleted,
    MessageDropped,
    MessageQueued,
    MessageReleased,
    MessageSent,
    ReceiptAccepted,
    ReceiptForgotten,
    SessionEnded,
    SessionResumed,
    SessionStarted,
    SessionSuspended,
)
from mqttproto.protocol.delivery import Delivery, Request, message_size
from mqttproto.protocol.export import apply
from mqttproto.protocol.handshakes import InboundState, OutboundState
from mqttproto.protocol.journal import Journal
from mqttproto.protocol.limits import NEVER
from mqttproto.protocol.message_queue import Overflow, Qos0, QueueLimits
from mqttproto.protocol.receipts import Receipt
from mqttproto.protocol.session import Session, SessionHolder

UNKNOWN = int(OutboundState.UNKNOWN)
PUBACK = int(OutboundState.AWAITS_PUBACK)
PUBREC = int(OutboundState.AWAITS_PUBREC)
PUBCOMP = int(OutboundState.AWAITS_PUBCOMP)


def journaled(interval: int = 60) -> tuple[Session, Journal]:
    """A session that has begun, and its journal, from which that was taken."""
    journal = Journal()
    session = Session("c", journal=journal)
    session.start(interval)
    journal.take()
    return session, journal


def send(session: Session, qos: int = 1, *, queued: Delivery | None = None) -> Delivery:
    """Put a message in flight, as a connection does."""
    delivery = queued or Delivery(Publish("t", b"x", qos), session.number())
    state = PUBACK if delivery.message.qos == 1 else PUBREC
    session.send(delivery, session.outbound.next(), state, queued is not None)
    return delivery


def enqueue(session: Session, qos: int = 1, expires_at: float = inf) -> Delivery:
    delivery = Delivery(Publish("t", b"x", qos), expires_at=expires_at)
    if qos:
        session.enqueue(delivery)
    else:
        session.queue.restore(delivery)
    return delivery


def noted(journal: Journal) -> list[Change]:
    return list(journal.take())


# --- its life --------------------------------------------------------------------------------


def test_a_new_session_has_nothing_in_it() -> None:
    session = Session()
    assert session.client_id == ""
    assert not session.established
    assert session.expiry_interval == 0
    assert session.suspended_at is None
    assert session.expires_at is None
    assert session.connection is None
    assert session.journal is None
    assert not session.logged
    assert session.last_change == 0
    assert session.deliveries == []
    assert session.in_flight == len(session.queue) == len(session.received) == 0
    assert session.next_number == 1
    assert not session.expired(1e9)
    assert session.queue.limits == QueueLimits()


def test_a_session_may_be_known_to_the_peer() -> None:
    assert Session("c", established=True).established


def test_a_session_shows_how_full_it_is() -> None:
    session = Session("c")
    session.start(0)
    send(session)
    enqueue(session)
    enqueue(session, 0)
    session.accept(1)
    assert repr(session) == "<Session 'c': 1 in flight, 2 queued, 1 receipts>"


def test_a_started_session_is_established() -> None:
    session = Session("c")
    session.suspended_at = 1.0
    assert session.start(30) == []
    assert session.established
    assert session.expiry_interval == 30
    assert session.suspended_at is None


def test_starting_anew_forgets_all_handshakes_and_keeps_what_waits() -> None:
    session = Session("c")
    session.start(0)
    one, two = send(session, 1), send(session, 2)
    session.outbound.take(Request(9, PacketType.SUBACK))
    waiting = enqueue(session)
    session.accept(1)
    session.expect_decision(Receipt(2, 2, 1))
    assert session.start(0) == [one, two]
    assert one.state == two.state == UNKNOWN
    assert session.deliveries == []
    assert len(session.outbound) == 0
    assert session.outbound.next() == 1
    assert session.received == {}
    assert session.undecided == {}
    assert list(session.queue) == [waiting]
    assert session.next_number == 4, "a number is never used twice"


def test_a_suspended_session_lives_on_without_its_requests() -> None:
    session = Session("c")
    session.start(60)
    one = send(session)
    session.outbound.take(Request(9, PacketType.SUBACK))
    assert session.suspend(10.0, 30) == []
    assert session.deliveries == [one]
    assert session.outbound.get(9) is None
    assert session.established
    assert (session.suspended_at, session.expiry_interval) == (10.0, 30)
    session.resume(90)
    assert (session.suspended_at, session.expiry_interval) == (None, 90)
    assert session.deliveries == [one]


def test_a_session_that_ends_with_its_connection_is_forgotten() -> None:
    session = Session("c")
    session.start(60)
    one = send(session)
    waiting = enqueue(session)
    session.accept(1)
    assert session.suspend(10.0, 0) == [one]
    assert not session.established
    assert session.suspended_at is None
    assert session.deliveries == []
    assert session.received == {}
    assert list(session.queue) == [waiting]


def test_the_end_of_a_session_leaves_what_waits_unless_it_is_told_otherwise() -> None:
    session = Session("c")
    session.start(30)
    in_flight, waiting = send(session), enqueue(session)
    assert session.end() == [in_flight]
    assert list(session.queue) == [waiting]
    assert session.end(keep_queue=False) == [waiting]
    assert len(session.queue) == 0


@pytest.mark.parametrize(
    ("interval", "ends"), [(1, 11.0), (30, 40.0), (NEVER - 1, 10.0 + NEVER - 1), (NEVER, None)]
)
def test_a_session_expires_when_its_interval_has_passed(interval: int, ends: float | None) -> None:
    session = Session("c")
    session.start(60)
    assert not session.expired(1e12)
    session.suspend(10.0, interval)
    assert session.expires_at == ends
    assert not session.expired(10.0)
    if ends is None:
        assert not session.expired(1e12)
    else:
        assert not session.expired(ends - 0.5)
        assert session.expired(ends)
    session.resume(interval)
    assert session.expires_at is None
    assert not session.expired(1e12)


def test_a_holder_must_say_how_it_lets_go() -> None:
    with pytest.raises(NotImplementedError):
        SessionHolder().detach(0.0)


# --- what it sends ---------------------------------------------------------------------------


def test_numbers_are_never_used_twice() -> None:
    session = Session()
    assert [session.number() for _ in range(3)] == [1, 2, 3]
    assert session.next_number == 4


def test_messages_stand_in_the_order_in_which_they_were_sent() -> None:
    session = Session("c")
    one, two, three = (send(session, qos) for qos in (2, 1, 2))
    assert [each.packet_id for each in (one, two, three)] == [1, 2, 3]
    assert [each.state for each in (one, two, three)] == [PUBREC, PUBACK, PUBREC]
    session.outbound.take(Request(9, PacketType.SUBACK))
    assert session.deliveries == [one, two, three]
    assert session.in_flight == 3


def test_released_messages_stand_in_the_order_of_their_pubrecs() -> None:
    session = Session("c")
    one, two, three = (send(session, 2) for _ in range(3))
    assert session.release(three) == 0
    session.release(one)
    assert one.state == three.state == PUBCOMP
    assert session.deliveries == [two, three, one]


def test_a_completed_message_frees_its_identifier() -> None:
    session = Session("c")
    one, two = send(session), send(session)
    session.complete(one)
    assert one.state == UNKNOWN
    assert session.deliveries == [two]
    assert session.outbound.get(1) is None


# --- what it receives ------------------------------------------------------------------------


def test_a_message_waits_for_its_owner_to_decide() -> None:
    session = Session("c")
    receipt = Receipt(5, 2, 1)
    session.expect_decision(receipt)
    assert session.received == {5: InboundState.UNDECIDED}
    assert session.undecided == {5: receipt}
    assert session.export()["received"] == []


def test_an_accepted_message_is_remembered_until_it_is_forgotten() -> None:
    session = Session("c")
    assert session.accept(5) == 0
    assert session.received == {5: InboundState.ACCEPTED}
    assert session.export()["received"] == [5]
    assert session.forget(5) == 0
    assert session.received == {}


def test_a_refused_message_is_forgotten_at_once() -> None:
    session = Session("c")
    session.expect_decision(Receipt(5, 2, 1))
    session.refuse(5)
    assert session.received == {}


# --- the journal -----------------------------------------------------------------------------


def test_the_life_of_a_session_is_noted() -> None:
    session, journal = journaled()
    assert session.journal is journal
    assert session.last_change == 1
    session.suspend(10.0, 30)
    session.resume(90)
    session.start(20)
    session.resume(0)
    session.suspend(20.0, 0)
    assert noted(journal) == [
        SessionSuspended("c", 10.0, 30),
        SessionResumed("c", 90),
        SessionStarted("c", 20),
        SessionResumed("c", 0),
        SessionEnded("c"),
    ]
    assert not session.logged
    assert session.last_change == 0


def test_a_session_that_ends_with_its_connection_notes_nothing() -> None:
    session, journal = journaled(0)
    assert not session.logged
    delivery = send(session, 2)
    session.release(delivery)
    session.complete(delivery)
    session.note_dropped(enqueue(session))
    session.accept(1)
    session.forget(1)
    session.resume(0)
    assert session.note(SessionEnded("c")) == 0
    assert session.last_change == 0
    session.suspend(1.0, 0)
    assert journal.last == 0


def test_without_a_journal_nothing_is_noted_however_long_it_lasts() -> None:
    session = Session("c")
    session.start(60)
    assert not session.logged
    session.suspend(1.0, 60)
    session.resume(90)
    assert not session.logged


def test_a_session_that_will_end_with_its_next_connection_ends_in_the_journal() -> None:
    session, journal = journaled()
    session.start(0)
    assert noted(journal) == [SessionEnded("c")]
    assert not session.logged


def test_handshakes_are_noted_with_their_numbers() -> None:
    session, journal = journaled()
    delivery = Delivery(Publish("t", b"x", 2), session.number(), expires_at=5.0)
    assert session.send(delivery, 7, PUBREC, False) == 2
    assert session.release(delivery) == 3
    session.complete(delivery)
    assert session.accept(4) == 5
    assert session.forget(4) == 6
    assert session.last_change == 6
    assert noted(journal) == [
        MessageSent("c", 1, 7, Publish("t", b"x", 2), 5.0),
        MessageReleased("c", 7),
        MessageCompleted("c", 7),
        ReceiptAccepted("c", 4),
        ReceiptForgotten("c", 4),
    ]


def test_what_its_owner_has_not_accepted_is_not_noted() -> None:
    session, journal = journaled()
    session.expect_decision(Receipt(5, 2, 1))
    session.refuse(5)
    assert noted(journal) == []


def test_the_queue_is_noted() -> None:
    session, journal = journaled()
    one = enqueue(session, expires_at=9.0)
    enqueue(session, 0)
    assert session.queue.pop() is one
    send(session, queued=one)
    two = enqueue(session)
    session.queue.pop()
    session.note_dropped(two)
    assert noted(journal) == [
        MessageQueued("c", 1, one.message, 9.0),
        MessageSent("c", 1, 1, None, 9.0),
        MessageQueued("c", 2, two.message, inf),
        MessageDropped("c", 2),
    ]


def test_what_gives_way_in_the_queue_is_noted() -> None:
    journal = Journal()
    limits = QueueLimits(1, overflow=Overflow.DROP_OLDEST)
    session = Session("c", journal=journal, queue_limits=limits)
    session.start(60)
    enqueue(session, 0)
    enqueue(session)
    enqueue(session)
    changes = noted(journal)[1:]
    assert [type(change) for change in changes] == [MessageQueued, MessageDropped, MessageQueued]
    assert changes[1] == MessageDropped("c", 1)


def test_the_number_of_a_message_that_gives_way_itself_is_used_up() -> None:
    journal = Journal()
    limits = QueueLimits(0, overflow=Overflow.DROP_NEWEST)
    session = Session("c", journal=journal, queue_limits=limits)
    session.start(60)
    dropped = enqueue(session)
    assert len(session.queue) == 0
    before, *changes = noted(journal)
    assert changes == [MessageQueued("c", 1, dropped.message, inf), MessageDropped("c", 1)]
    data = apply(None, before)
    for change in changes:
        data = apply(data, change)
    assert data == session.export()


def test_a_message_that_finds_no_room_changes_nothing() -> None:
    journal = Journal()
    session = Session("c", journal=journal, queue_limits=QueueLimits(0))
    session.start(60)
    journal.take()
    with pytest.raises(QueueFullError):
        session.enqueue(Delivery(Publish("t", qos=1)))
    assert noted(journal) == []


def test_what_has_a_connection_is_published_there() -> None:
    session = Session("c")
    session.connection = SessionHolder()
    with pytest.raises(LocalProtocolError, match="publish on that"):
        session.enqueue(Delivery(Publish("t", qos=1)))
    assert len(session.queue) == 0


def test_a_delivery_waits_once() -> None:
    session = Session("c")
    one = enqueue(session)
    with pytest.raises(LocalProtocolError, match="make a new one"):
        session.enqueue(one)
    assert list(session.queue) == [one]


@pytest.mark.parametrize(
    "message",
    [
        Publish("t/#", qos=1),
        Publish("", qos=1),
        Publish("t/#", qos=1, properties=Properties(content_type="t")),
        Publish("t", qos=1, properties=Properties(topic_alias=1)),
        Publish("t", qos=1, properties=Properties(session_expiry_interval=1)),
    ],
    ids=["wildcard", "none", "wildcard beside properties", "alias", "not of PUBLISH"],
)
def test_what_could_never_be_sent_does_not_wait(message: Publish) -> None:
    session = Session("c")
    with pytest.raises(InvalidValueError):
        session.enqueue(Delivery(message))
    assert len(session.queue) == 0
    assert session.next_number == 1


def test_qos_0_waits_if_it_is_to() -> None:
    message = Publish("t", properties=Properties(content_type="t"))
    with pytest.raises(LocalProtocolError, match="is not queued"):
        Session("c").enqueue(Delivery(message))
    delivery = Delivery(message)
    session = Session("c", queue_limits=QueueLimits(qos_0=Qos0.DROP))
    assert session.enqueue(delivery) == [delivery]
    assert len(session.queue) == 0
    session = Session("c", queue_limits=QueueLimits(qos_0=Qos0.QUEUE))
    assert session.enqueue(delivery) == []
    assert len(session.queue) == 1
    assert session.next_number == 1


def test_a_session_is_not_pickled_but_its_export_is() -> None:
    session = full_session()
    for make in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"pickle what export\(\) returns"):
            make(session)
    assert pickle.loads(pickle.dumps(session.export())) == session.export()


def test_what_waits_is_noted_when_a_session_begins() -> None:
    journal = Journal()
    session = Session("c", journal=journal)
    one = enqueue(session)
    enqueue(session, 0)
    assert noted(journal) == []
    session.start(60)
    assert noted(journal) == [
        SessionStarted("c", 60, 2),
        MessageQueued("c", 1, one.message, inf),
    ]


def test_all_is_noted_when_a_session_is_to_last_from_now_on() -> None:
    session, journal = journaled(0)
    released, sent = send(session, 2), send(session)
    session.release(released)
    waiting = enqueue(session)
    session.accept(8)
    session.expect_decision(Receipt(9, 2, 1))
    session.resume(60)
    assert session.logged
    changes = noted(journal)
    assert changes == [
        SessionStarted("c", 60, 4),
        MessageQueued("c", 3, waiting.message, inf),
        MessageSent("c", 2, 2, sent.message, inf),
        MessageSent("c", 1, 1, released.message, inf),
        MessageReleased("c", 1),
        ReceiptAccepted("c", 8),
    ]
    data = None
    for change in changes:
        data = apply(data, change)
    assert data == session.export()


def test_durable_work_is_refused_while_too_much_is_uncommitted() -> None:
    session, journal = journaled()
    session.accept(1)
    session.check_backlog(3)
    session.accept(2)
    with pytest.raises(QueueFullError, match="3 changes wait to be stored"):
        session.check_backlog(3)
    journal.take()
    journal.commit(1)
    session.check_backlog(3)


def test_without_a_journal_nothing_waits_to_be_stored() -> None:
    Session("c").check_backlog(0)
    session, _ = journaled(0)
    session.check_backlog(0)


# --- export and restore ----------------------------------------------------------------------


def full_session(journal: Journal | None = None) -> Session:
    """A session with something in every part of it."""
    session = Session("c", journal=journal)
    session.start(60)
    properties = Properties(message_expiry_interval=9, user_properties=(("k", "v"),))
    for number, qos in enumerate((1, 2, 2), start=1):
        message = Publish(f"t/{number}", bytes([number]), qos, number == 1, properties=properties)
        delivery = Delivery(message, session.number(), expires_at=9.0 + number)
        session.send(delivery, number * 10, PUBACK if qos == 1 else PUBREC, False)
    session.release(session.deliveries[1])
    enqueue(session)
    enqueue(session, 0)
    enqueue(session, 2, expires_at=50.0)
    session.outbound.take(Request(77, PacketType.SUBACK))
    for packet_id in (5, 3):
        session.accept(packet_id)
    session.expect_decision(Receipt(4, 2, 1))
    return session


def test_an_export_holds_what_a_crash_must_not_lose() -> None:
    data = full_session().export()
    flights = [(row["number"], row["packet_id"], row["released"]) for row in data["in_flight"]]
    assert flights == [(1, 10, False), (3, 30, False), (2, 20, True)]
    assert [row["number"] for row in data["queue"]] == [4, 5]
    assert data["received"] == [3, 5]
    assert {key: value for key, value in data.items() if not isinstance(value, list)} == {
        "format": 1,
        "client_id": "c",
        "expiry_interval": 60,
        "suspended_at": None,
        "next_number": 6,
    }


def test_a_message_that_was_given_up_is_not_told_of_again_after_a_crash() -> None:
    session = Session("c", journal=Journal())
    session.start(60)
    delivery = send(session, 2)
    delivery.abandoned = True
    session.release(delivery)
    journal = session.journal
    assert journal is not None
    data: dict[str, Any] | None = None
    for change in noted(journal):
        data = apply(data, change)
    assert data is not None
    assert data == session.export()
    (again,) = Session.restore(data).deliveries
    assert again.abandoned
    # Nor is it where noting begins later.
    late = Session("c", journal=Journal())
    late.start(0)
    delivery = send(late, 2)
    delivery.abandoned = True
    late.release(delivery)
    late.resume(60)
    assert late.journal is not None
    assert noted(late.journal)[-1] == MessageReleased("c", 1, True)


def test_what_has_expired_stays_if_it_does_not_make_room() -> None:
    session = Session("c", queue_limits=QueueLimits(max_bytes=200))
    enqueue(session, 1, expires_at=5.0)
    enqueue(session)
    before = session.export()
    with pytest.raises(QueueFullError):
        session.enqueue(Delivery(Publish("t", bytes(100), 1)), 5.0)
    assert session.export() == before
    session = Session("c", queue_limits=QueueLimits(2))
    for expires_at in (5.0, inf, inf):
        session.queue.restore(Delivery(Publish("t", b"x", 1), expires_at=expires_at))
    with pytest.raises(QueueFullError):
        session.enqueue(Delivery(Publish("t", b"", 1)), 5.0)
    assert len(session.queue) == 3


def test_a_store_hears_of_the_end_of_a_session_that_it_holds() -> None:
    data = full_session().export() | {"expiry_interval": 0}
    session = Session.restore(data, journal=Journal())
    assert not session.established
    session.start(0)
    assert session.journal is not None
    assert noted(session.journal) == [SessionEnded("c")]
    enqueue(session)
    assert noted(session.journal) == []


def test_what_has_expired_makes_room_for_a_new_message() -> None:
    session = Session("c", queue_limits=QueueLimits(2), journal=Journal())
    session.start(60)
    first = enqueue(session, 1, expires_at=5.0)
    enqueue(session)
    new = Delivery(Publish("t", b"x", 1))
    with pytest.raises(QueueFullError):
        session.enqueue(new, 4.9)
    with pytest.raises(QueueFullError):
        session.enqueue(new)
    assert session.enqueue(new, 5.0) == [first]
    assert new.number == 3
    assert session.journal is not None
    assert noted(session.journal)[-2:] == [
        MessageDropped("c", 1),
        MessageQueued("c", 3, new.message, inf),
    ]


def test_an_export_is_not_changed_by_what_happens_later() -> None:
    session = full_session()
    data = session.export()
    kept = copy.deepcopy(data)
    session.release(session.deliveries[1])
    session.complete(session.deliveries[0])
    session.queue.clear()
    session.forget(3)
    assert data == kept


def test_a_session_comes_back_as_it_was() -> None:
    session = full_session()
    session.suspend(20.0, 40)
    data = session.export()
    other = Session.restore(copy.deepcopy(data))
    assert other.export() == data
    assert other.established
    assert other.connection is None
    assert other.expires_at == 60.0
    assert other.next_number == 6
    assert other.deliveries == session.deliveries
    assert list(other.queue) == list(session.queue)
    assert other.received == {3: InboundState.ACCEPTED, 5: InboundState.ACCEPTED}
    assert other.outbound.next() == 21, "behind the one that stands last"


def test_the_times_of_a_restored_session_are_shifted() -> None:
    session = full_session()
    session.suspend(20.0, 40)
    other = Session.restore(session.export(), shift=-15.0)
    assert other.suspended_at == 5.0
    assert other.expires_at == 45.0
    assert [each.expires_at for each in other.deliveries] == [-5.0, -3.0, -4.0]
    assert [each.expires_at for each in other.queue] == [inf, 35.0]
    assert Session.restore(Session("d").export(), shift=5.0).suspended_at is None


def test_what_was_queued_is_restored_whatever_the_new_limits_say() -> None:
    other = Session.restore(full_session().export(), queue_limits=QueueLimits(0))
    assert len(other.queue) == 2
    with pytest.raises(QueueFullError):
        enqueue(other)


def test_a_restored_session_goes_on_with_its_journal() -> None:
    journal = Journal()
    other = Session.restore(full_session().export(), journal=journal)
    assert other.logged
    assert journal.last == 0, "a store holds what it was restored from"
    other.forget(3)
    assert noted(journal) == [ReceiptForgotten("c", 3)]
    other = Session.restore(Session("d").export(), journal=journal)
    assert other.logged
    assert not other.established


def test_without_a_journal_a_restored_session_notes_nothing() -> None:
    other = Session.restore(full_session().export())
    assert not other.logged
    assert other.journal is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 2),
        ("client_id", None),
        ("expiry_interval", "1"),
        ("in_flight", [1]),
        ("in_flight", [None]),
        ("in_flight", [{}]),
        ("queue", ["x"]),
        ("received", [0]),
        ("received", [65_536]),
        ("received", ["x"]),
    ],
)
def test_what_is_no_export_is_refused(name: str, value: object) -> None:
    data = full_session().export() | {name: value}
    with pytest.raises(ValueError, match=r"export|identifier"):
        Session.restore(data)


@pytest.mark.parametrize("name", ["client_id", "suspended_at", "in_flight", "queue", "received"])
def test_a_part_that_is_missing_is_refused(name: str) -> None:
    data = full_session().export()
    del data[name]
    with pytest.raises(ValueError, match="no export of a session"):
        Session.restore(data)


@pytest.mark.parametrize("packet_id", [0, 65_536, 10])
def test_an_identifier_that_cannot_be_in_flight_is_refused(packet_id: int) -> None:
    data = full_session().export()
    data["in_flight"][1]["packet_id"] = packet_id
    with pytest.raises(ValueError, match=f"packet identifier {packet_id} cannot be in flight"):
        Session.restore(data)


def test_what_is_in_flight_has_an_identifier() -> None:
    data = full_session().export()
    del data["in_flight"][0]["packet_id"]
    with pytest.raises(ValueError, match="identifier 0 cannot be in flight"):
        Session.restore(data)


def test_a_message_without_its_topic_is_refused() -> None:
    data = full_session().export()
    del data["queue"][0]["topic"]
    with pytest.raises(ValueError, match="no export of a session: topic is None"):
        Session.restore(data)


# --- any order of events ---------------------------------------------------------------------

intervals = st.sampled_from([0, 1, 60, NEVER])


class Sessions(RuleBasedStateMachine):
    """What connections do to a session; and a store that knows nothing but its changes."""

    @initialize(overflow=st.sampled_from(Overflow), room=st.integers(0, 4), interval=intervals)
    def begin(self, overflow: Overflow, room: int, interval: int) -> None:
        self.limits = QueueLimits(room, overflow=overflow, qos_0=Qos0.QUEUE)
        self.journal = Journal()
        self.session = Session("c", queue_limits=self.limits, journal=self.journal)
        self.stored: dict[str, Any] | None = None
        self.connected = False
        self.now = 0.0
        self.connect_anew(interval)

    def connect_anew(self, interval: int) -> None:
        self.session.start(interval)
        self.connected = True

    @rule(interval=intervals)
    def start(self, interval: int) -> None:
        self.connect_anew(interval)

    @precondition(lambda self: self.session.established)
    @rule(interval=intervals)
    def resume(self, interval: int) -> None:
        self.session.resume(interval)
        self.connected = True

    @precondition(lambda self: self.connected)
    @rule(interval=intervals)
    def suspend(self, interval: int) -> None:
        self.now += 1.5
        # An interval of 0 cannot be raised.
        self.session.suspend(self.now, min(interval, self.session.expiry_interval))
        self.connected = False

    @precondition(lambda self: not self.connected)
    @rule()
    def end(self) -> None:
        self.session.end()

    @rule(qos=st.integers(0, 2), expires_at=st.sampled_from([inf, 2.0, 5.0]))
    def enqueue(self, qos: int, expires_at: float) -> None:
        message = Publish("t", b"x", qos, properties=Properties(content_type="t"))
        delivery = Delivery(message, expires_at=expires_at)
        try:
            self.session.enqueue(delivery, self.now)
        except QueueFullError:
            assert not self.session.queue.has_room(message_size(message))
            assert delivery.number == 0

    @rule()
    def expire(self) -> None:
        self.session.drop_expired(self.now)

    @precondition(lambda self: self.connected)
    @rule(qos=st.integers(1, 2), retain=st.booleans())
    def send(self, qos: int, retain: bool) -> None:
        message = Publish("u", b"y", qos, retain)
        delivery = Delivery(message, self.session.number(), expires_at=self.now + 1.0)
        self.put_in_flight(delivery, queued=False)

    @precondition(lambda self: self.connected and self.session.queue.waiting)
    @rule()
    def send_queued(self) -> None:
        self.put_in_flight(self.session.queue.pop(), queued=True)

    def put_in_flight(self, delivery: Delivery, *, queued: bool) -> None:
        packet_id = self.session.outbound.next()
        state = PUBACK if delivery.message.qos == 1 else PUBREC
        self.session.send(delivery, packet_id, state, queued)

    @precondition(lambda self: self.connected)
    @rule()
    def subscribe(self) -> None:
        packet_id = self.session.outbound.next()
        self.session.outbound.take(Request(packet_id, PacketType.SUBACK))

    @precondition(lambda self: self.connected and self.session.deliveries)
    @rule(data=st.data(), refused=st.booleans())
    def answer(self, data: st.DataObject, refused: bool) -> None:
        delivery = data.draw(st.sampled_from(self.session.deliveries))
        if delivery.state == PUBREC and not refused:
            self.session.release(delivery)
        else:
            self.session.complete(delivery)

    @precondition(lambda self: self.connected)
    @rule(packet_id=st.integers(1, 4), manual=st.booleans())
    def receive(self, packet_id: int, manual: bool) -> None:
        if packet_id in self.session.received:
            return
        if manual:
            self.session.expect_decision(Receipt(packet_id, 2, 1))
        else:
            self.session.accept(packet_id)

    @precondition(lambda self: self.session.undecided)
    @rule(data=st.data(), refused=st.booleans())
    def decide(self, data: st.DataObject, refused: bool) -> None:
        packet_id = data.draw(st.sampled_from(list(self.session.undecided)))
        del self.session.undecided[packet_id]
        if refused:
            self.session.refuse(packet_id)
        else:
            self.session.accept(packet_id)

    @precondition(lambda self: self.connected)
    @rule(packet_id=st.integers(1, 4))
    def release(self, packet_id: int) -> None:
        if self.session.received.get(packet_id) == InboundState.ACCEPTED:
            self.session.forget(packet_id)

    @precondition(lambda self: self.stored is not None)
    @rule()
    def crash(self) -> None:
        """All that is left is what the store has."""
        assert self.stored is not None
        limits, journal = self.limits, self.journal
        session = Session.restore(self.stored, queue_limits=limits, journal=journal)
        assert session.export() == self.stored
        self.session = session
        self.connected = False

    @invariant()
    def the_changes_give_the_export(self) -> None:
        batch = self.journal.take()
        for change in batch:
            self.stored = apply(self.stored, change)
        self.journal.commit(batch.last)
        if self.session.logged:
            assert self.stored == self.session.export()
        else:
            assert not self.session.established or self.session.expiry_interval == 0
            assert self.stored is None or self.stored["expiry_interval"] == 0

    @invariant()
    def an_export_comes_back_as_it_was(self) -> None:
        data = self.session.export()
        assert Session.restore(data, queue_limits=self.limits).export() == data


TestSessions = Sessions.TestCase


@pytest.mark.parametrize("packet_id", [1, 65_535])
def test_every_packet_identifier_can_be_restored(packet_id: int) -> None:
    session = Session("c")
    session.start(60)
    delivery = Delivery(Publish("t", b"x", 2), session.number())
    session.send(delivery, packet_id, PUBREC, False)
    session.accept(packet_id)
    other = Session.restore(session.export())
    assert [each.packet_id for each in other.deliveries] == [packet_id]
    assert other.export()["received"] == [packet_id]


def test_a_session_that_has_expired_is_not_established() -> None:
    session = full_session()
    session.suspend(20.0, 40)
    lost = session.expire()
    assert len(lost) == 3
    assert not session.established
    assert len(session.queue) == 3


def test_a_session_of_one_second_is_established_when_it_comes_back() -> None:
    assert Session.restore(full_session().export() | {"expiry_interval": 1}).established
