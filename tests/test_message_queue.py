"""The queue: how much waits, what gives way, QoS 0 apart, and what expires."""

import copy
import pickle
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mqttproto.codec.publish import Publish
from mqttproto.errors import QueueFullError
from mqttproto.protocol.delivery import Delivery, message_size
from mqttproto.protocol.message_queue import MessageQueue, Overflow, Qos0, QueueLimits

# What a message of message() counts for without payload.
SIZE = 65


def message(number: int, qos: int = 1, payload: int = 0, expires_at: float = inf) -> Delivery:
    """A message that is told from others by its number, also at QoS 0."""
    return Delivery(Publish("t", bytes(payload), qos), number, expires_at=expires_at)


def queue(
    overflow: Overflow = Overflow.REFUSE, max_messages: int = 2, max_bytes: int = 1 << 20
) -> MessageQueue:
    return MessageQueue(QueueLimits(max_messages, max_bytes, overflow))


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [each.number for each in deliveries]


def drained(messages: MessageQueue) -> tuple[list[int], list[int]]:
    """Take everything out: the numbers of QoS 0, and those of QoS 1 and 2."""
    qos_0 = []
    while (delivery := messages.pop_qos_0()) is not None:
        qos_0.append(delivery.number)
    others = []
    while messages.waiting:
        others.append(messages.pop().number)
    return qos_0, others


# --- limits ----------------------------------------------------------------------------------


def test_the_limits_by_default() -> None:
    limits = QueueLimits()
    assert limits.max_messages == 10_000
    assert limits.max_bytes == 16 * 1024 * 1024
    assert limits.overflow is Overflow.REFUSE
    assert limits.qos_0 is Qos0.REFUSE


@pytest.mark.parametrize("limits", [(-1, 0), (0, -1)])
def test_limits_are_not_negative(limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        QueueLimits(*limits)


def test_limits_are_equal_if_all_of_them_are() -> None:
    limits = QueueLimits(1, 2, Overflow.DROP_NEWEST, Qos0.QUEUE)
    assert limits == QueueLimits(1, 2, Overflow.DROP_NEWEST, Qos0.QUEUE)
    for other in (
        QueueLimits(2, 2, Overflow.DROP_NEWEST, Qos0.QUEUE),
        QueueLimits(1, 1, Overflow.DROP_NEWEST, Qos0.QUEUE),
        QueueLimits(1, 2, Overflow.DROP_OLDEST, Qos0.QUEUE),
        QueueLimits(1, 2, Overflow.DROP_NEWEST, Qos0.DROP),
    ):
        assert limits != other
    assert repr(limits) == (
        "QueueLimits(max_messages=1, max_bytes=2, overflow=<Overflow.DROP_NEWEST: 'drop newest'>,"
        " qos_0=<Qos0.QUEUE: 'queue'>)"
    )


def test_limits_can_be_copied() -> None:
    limits = QueueLimits(1, 2, Overflow.DROP_OLDEST, Qos0.DROP)
    for other in (copy.copy(limits), copy.deepcopy(limits), pickle.loads(pickle.dumps(limits))):
        assert other == limits


# --- order -----------------------------------------------------------------------------------


def test_an_empty_queue() -> None:
    messages = queue()
    assert len(messages) == messages.waiting == messages.size == 0
    assert list(messages) == []
    assert messages.first() is None
    assert messages.pop_qos_0() is None
    assert messages.clear() == []
    assert messages.remove_expired(1.0) == []


def test_messages_leave_in_the_order_in_which_they_came() -> None:
    messages = queue(max_messages=9)
    for number, qos in ((1, 1), (2, 2), (3, 1)):
        assert messages.add(message(number, qos)) == []
    assert numbers(list(messages)) == [1, 2, 3]
    first = messages.first()
    assert first is not None
    assert first.number == 1
    assert messages.waiting == 3
    assert drained(messages) == ([], [1, 2, 3])
    assert len(messages) == messages.size == 0


def test_qos_0_waits_apart() -> None:
    messages = queue(max_messages=9)
    for number, qos in ((1, 1), (2, 0), (3, 2), (4, 0)):
        messages.add(message(number, qos))
    assert len(messages) == 4
    assert messages.waiting == 2
    assert messages.size == 4 * SIZE
    assert numbers(list(messages)) == [1, 3]
    assert drained(messages) == ([2, 4], [1, 3])
    assert messages.size == 0


def test_a_walk_over_the_queue_does_not_mind_what_is_taken_out() -> None:
    messages = queue(max_messages=9)
    for number in (1, 2, 3):
        messages.add(message(number))
    assert [(each.number, messages.pop().number) for each in messages] == [(1, 1), (2, 2), (3, 3)]


def test_everything_can_be_taken_out() -> None:
    messages = queue(max_messages=9)
    for number, qos in ((1, 0), (2, 1), (3, 0), (4, 2)):
        messages.add(message(number, qos))
    assert numbers(messages.clear()) == [2, 4, 1, 3]
    assert len(messages) == messages.size == 0
    messages.add(message(5))
    assert drained(messages) == ([], [5])


# --- what gives way --------------------------------------------------------------------------


def test_the_caller_gives_way() -> None:
    messages = queue(Overflow.REFUSE)
    messages.add(message(1))
    messages.add(message(2, 0))
    assert not messages.has_room()
    with pytest.raises(QueueFullError, match="2 messages, 130 bytes of at most 2 and 1048576"):
        messages.check(SIZE)
    with pytest.raises(QueueFullError, match="publish less"):
        messages.add(message(3))
    assert len(messages) == 2
    assert drained(messages) == ([2], [1])
    assert messages.has_room()


def test_the_new_message_gives_way() -> None:
    messages = queue(Overflow.DROP_NEWEST)
    messages.add(message(1))
    messages.add(message(2))
    new = message(3)
    messages.check(SIZE)
    assert messages.add(new) == [new]
    assert numbers(list(messages)) == [1, 2]
    assert messages.size == 2 * SIZE


def test_the_oldest_message_gives_way() -> None:
    messages = queue(Overflow.DROP_OLDEST)
    messages.add(message(1))
    messages.add(message(2))
    messages.check(SIZE)
    assert numbers(messages.add(message(3))) == [1]
    assert numbers(list(messages)) == [2, 3]
    assert messages.size == 2 * SIZE


def test_qos_0_gives_way_first() -> None:
    messages = queue(Overflow.DROP_OLDEST)
    messages.add(message(1))
    messages.add(message(2, 0))
    assert numbers(messages.add(message(3))) == [2]
    assert numbers(messages.add(message(4, 0))) == [1]
    assert drained(messages) == ([4], [3])


def test_as_many_give_way_as_their_bytes_ask_for() -> None:
    messages = queue(Overflow.DROP_OLDEST, max_messages=9, max_bytes=4 * SIZE)
    for number in (1, 2, 3, 4):
        assert messages.add(message(number)) == []
    assert numbers(messages.add(message(5, payload=SIZE + 1))) == [1, 2, 3]
    assert numbers(list(messages)) == [4, 5]
    assert messages.size == 3 * SIZE + 1


def test_a_message_may_take_the_room_of_all_others() -> None:
    messages = queue(Overflow.DROP_OLDEST, max_messages=9, max_bytes=2 * SIZE)
    messages.add(message(1))
    messages.add(message(2))
    assert numbers(messages.add(message(3, payload=SIZE))) == [1, 2]
    assert numbers(list(messages)) == [3]
    assert messages.size == 2 * SIZE


@pytest.mark.parametrize("overflow", Overflow)
def test_a_message_that_can_never_fit_drops_no_other(overflow: Overflow) -> None:
    messages = queue(overflow, max_messages=9, max_bytes=2 * SIZE)
    messages.add(message(1))
    huge = message(2, payload=SIZE + 1)
    if overflow is Overflow.REFUSE:
        with pytest.raises(QueueFullError):
            messages.add(huge)
    else:
        assert messages.add(huge) == [huge]
    assert numbers(list(messages)) == [1]
    assert messages.size == SIZE


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, Overflow.DROP_OLDEST])
def test_a_queue_may_take_nothing(overflow: Overflow) -> None:
    messages = queue(overflow, max_messages=0)
    new = message(1)
    assert messages.add(new) == [new]
    assert len(messages) == messages.size == 0


@pytest.mark.parametrize("max_bytes", [2 * SIZE, 2 * SIZE - 1])
def test_room_is_counted_in_messages_and_bytes(max_bytes: int) -> None:
    messages = queue(max_messages=2, max_bytes=max_bytes)
    messages.add(message(1))
    assert messages.has_room()
    assert messages.has_room(SIZE) == (max_bytes == 2 * SIZE)
    messages.restore(message(2))
    assert not messages.has_room()


def test_what_is_restored_waits_whatever_the_limits_say() -> None:
    messages = queue(max_messages=1)
    for number, qos in ((1, 1), (2, 0), (3, 2)):
        messages.restore(message(number, qos))
    assert len(messages) == 3
    assert messages.size == 3 * SIZE
    with pytest.raises(QueueFullError):
        messages.add(message(4))
    assert drained(messages) == ([2], [1, 3])


def test_a_queue_that_was_restored_beyond_its_limits_shrinks_to_them() -> None:
    messages = queue(Overflow.DROP_OLDEST, max_messages=2)
    for number, qos in ((1, 1), (2, 0), (3, 2), (4, 1)):
        messages.restore(message(number, qos))
    assert numbers(messages.add(message(5))) == [2, 1, 3]
    assert numbers(list(messages)) == [4, 5]


# --- what expires ----------------------------------------------------------------------------


def test_what_has_expired_is_taken_out() -> None:
    messages = queue(max_messages=9)
    for number, qos, at in ((1, 1, 5.0), (2, 0, 5.0), (3, 2, inf), (4, 0, 6.0), (5, 1, 4.0)):
        messages.add(message(number, qos, expires_at=at))
    assert messages.remove_expired(3.9) == []
    assert len(messages) == 5
    assert numbers(messages.remove_expired(5.0)) == [1, 5, 2]
    assert messages.size == 2 * SIZE
    assert numbers(list(messages)) == [3]
    assert numbers(messages.remove_expired(1e9)) == [4]
    assert drained(messages) == ([], [3])


def test_a_queue_of_which_all_has_expired_is_as_new() -> None:
    messages = queue(max_messages=9)
    messages.add(message(1, 1, expires_at=1.0))
    messages.add(message(2, 0, expires_at=1.0))
    assert numbers(messages.remove_expired(1.0)) == [1, 2]
    assert len(messages) == messages.size == 0
    assert messages.first() is None
    assert messages.pop_qos_0() is None


def test_a_queue_is_not_looked_through_more_often_than_once_a_second() -> None:
    messages = queue(max_messages=9)
    for number, at in ((1, 5.0), (2, 5.5), (3, 9.0)):
        messages.add(message(number, 1, expires_at=at))
    assert numbers(messages.remove_expired(5.0)) == [1]
    assert messages.remove_expired(5.9) == []
    messages.add(message(4, 1, expires_at=5.9))
    assert messages.remove_expired(5.99) == []
    assert numbers(messages.remove_expired(6.0)) == [2, 4]
    # Nothing is due before the next one is.
    assert messages.remove_expired(8.9) == []
    assert numbers(messages.remove_expired(9.0)) == [3]


def test_a_message_that_never_fits_is_told_so() -> None:
    for limits in (QueueLimits(0), QueueLimits(max_bytes=SIZE - 1)):
        messages = MessageQueue(limits)
        with pytest.raises(QueueFullError, match="never fits into this queue, which takes at most"):
            messages.add(message(1))


# --- any order of events ---------------------------------------------------------------------


class Naive:
    """A queue that counts everything anew, each time."""

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits
        self.qos_0: list[Delivery] = []
        self.others: list[Delivery] = []

    def fits(self, delivery: Delivery) -> bool:
        everything = [*self.qos_0, *self.others, delivery]
        size = sum(message_size(each.message) for each in everything)
        return len(everything) <= self.limits.max_messages and size <= self.limits.max_bytes

    def put(self, delivery: Delivery) -> None:
        (self.others if delivery.message.qos else self.qos_0).append(delivery)

    def add(self, delivery: Delivery) -> list[Delivery] | None:
        """What is dropped, or None if the caller is refused."""
        before = self.qos_0[:], self.others[:]
        dropped: list[Delivery] = []
        while not self.fits(delivery):
            if self.limits.overflow is Overflow.REFUSE:
                return None
            if self.limits.overflow is Overflow.DROP_NEWEST or not (self.qos_0 or self.others):
                self.qos_0, self.others = before
                return [delivery]
            dropped.append((self.qos_0 or self.others).pop(0))
        self.put(delivery)
        return dropped

    def remove_expired(self, now: float) -> list[Delivery]:
        gone = [each for each in [*self.others, *self.qos_0] if each.expires_at <= now]
        self.others = [each for each in self.others if each.expires_at > now]
        self.qos_0 = [each for each in self.qos_0 if each.expires_at > now]
        return gone


messages_ = st.builds(
    lambda qos, payload, expires_at: (qos, payload, expires_at),
    st.integers(0, 2),
    st.integers(0, 200),
    st.just(inf) | st.floats(0, 10),
)


class Queues(RuleBasedStateMachine):
    """Any interleaving of what a session does with its queue, against the naive one."""

    number = 0
    now = 0.0

    @initialize(
        max_messages=st.integers(0, 6),
        max_bytes=st.integers(0, 1_000),
        overflow=st.sampled_from(Overflow),
    )
    def begin(self, max_messages: int, max_bytes: int, overflow: Overflow) -> None:
        limits = QueueLimits(max_messages, max_bytes, overflow)
        self.queue, self.naive = MessageQueue(limits), Naive(limits)

    def new(self, what: tuple[int, int, float]) -> Delivery:
        self.number += 1
        qos, payload, expires_at = what
        return message(self.number, qos, payload, expires_at)

    @rule(what=messages_)
    def add(self, what: tuple[int, int, float]) -> None:
        delivery = self.new(what)
        expected = self.naive.add(delivery)
        if expected is None:
            with pytest.raises(QueueFullError):
                self.queue.check(message_size(delivery.message))
            with pytest.raises(QueueFullError):
                self.queue.add(delivery)
        else:
            self.queue.check(message_size(delivery.message))
            assert self.queue.add(delivery) == expected

    @rule(what=messages_)
    def restore(self, what: tuple[int, int, float]) -> None:
        delivery = self.new(what)
        self.naive.put(delivery)
        self.queue.restore(delivery)

    @rule()
    def pop(self) -> None:
        expected = self.naive.others[0] if self.naive.others else None
        assert self.queue.first() == expected
        if expected is not None:
            assert self.queue.pop() is self.naive.others.pop(0)

    @rule()
    def pop_qos_0(self) -> None:
        expected = self.naive.qos_0.pop(0) if self.naive.qos_0 else None
        assert self.queue.pop_qos_0() is expected

    @rule(after=st.floats(1, 3))
    def remove_expired(self, after: float) -> None:
        self.now += after
        assert self.queue.remove_expired(self.now) == self.naive.remove_expired(self.now)

    @rule()
    def clear(self) -> None:
        assert self.queue.clear() == [*self.naive.others, *self.naive.qos_0]
        self.naive = Naive(self.naive.limits)

    @invariant()
    def all_is_as_in_the_naive_one(self) -> None:
        naive = self.naive
        everything = [*naive.others, *naive.qos_0]
        assert list(self.queue) == naive.others
        assert len(self.queue) == len(everything)
        assert self.queue.waiting == len(naive.others)
        assert self.queue.size == sum(message_size(each.message) for each in everything)
        assert self.queue.has_room(SIZE) == naive.fits(message(0))


TestQueues = Queues.TestCase


@given(
    limits=st.tuples(st.integers(0, 5), st.integers(0, 500)), sizes=st.lists(st.integers(0, 200))
)
@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, Overflow.DROP_OLDEST])
def test_what_is_added_never_exceeds_the_limits(
    overflow: Overflow, limits: tuple[int, int], sizes: list[int]
) -> None:
    messages = MessageQueue(QueueLimits(*limits, overflow))
    for number, size in enumerate(sizes):
        messages.add(message(number, number % 3, size))
        assert len(messages) <= limits[0]
        assert messages.size <= limits[1]
