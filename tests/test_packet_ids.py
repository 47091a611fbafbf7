"""The outbound packet identifiers: never one in use, round robin, in the order of their use."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mqttproto.constants import PacketType
from mqttproto.errors import PacketIdsExhaustedError, Statement
from mqttproto.protocol.delivery import Request
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS, PacketIds


def take(ids: PacketIds, packet_id: int | None = None) -> int:
    """Use an identifier, the next one if none is named."""
    used = ids.next() if packet_id is None else packet_id
    ids.take(Request(used, PacketType.SUBACK))
    return used


def in_use(ids: PacketIds) -> list[int]:
    return [exchange.packet_id for exchange in ids]


def filled(number: int = MOST_PACKET_IDS) -> PacketIds:
    ids = PacketIds()
    for _ in range(number):
        take(ids)
    return ids


def test_the_first_identifier_is_1() -> None:
    ids = PacketIds()
    assert ids.next() == 1
    assert len(ids) == 0
    assert list(ids) == []


def test_the_next_identifier_stays_free_until_it_is_taken() -> None:
    ids = PacketIds()
    assert ids.next() == ids.next() == 1
    assert ids.get(1) is None
    exchange = Request(1, PacketType.SUBACK)
    ids.take(exchange)
    assert ids.get(1) is exchange
    assert ids.next() == 2
    assert len(ids) == 1


def test_a_freed_identifier_is_used_again_only_after_all_others() -> None:
    ids = PacketIds()
    used = []
    for _ in range(MOST_PACKET_IDS + 2):
        used.append(take(ids))
        ids.free(used[-1])
        assert ids.get(used[-1]) is None
    assert used == [*range(1, MOST_PACKET_IDS + 1), 1, 2]


def test_after_the_last_identifier_comes_the_first_that_is_free() -> None:
    ids = PacketIds()
    take(ids, 1)
    take(ids, 2)
    take(ids, MOST_PACKET_IDS)
    assert take(ids) == 3


def test_all_identifiers_can_be_used_and_no_more() -> None:
    ids = filled()
    assert in_use(ids) == list(range(1, MOST_PACKET_IDS + 1))
    with pytest.raises(PacketIdsExhaustedError, match="all packet identifiers") as caught:
        ids.next()
    assert caught.value.statement == Statement("5.0", "MQTT-2.2.1-3")
    assert len(ids) == MOST_PACKET_IDS
    ids.free(40_000)
    assert take(ids) == 40_000
    with pytest.raises(PacketIdsExhaustedError):
        ids.next()


def test_the_only_free_identifier_may_be_just_before_the_last_one() -> None:
    ids = filled()
    for packet_id in (MOST_PACKET_IDS, 1, 2, 1, MOST_PACKET_IDS, 30_000, 29_999):
        ids.free(packet_id)
        assert ids.next() == packet_id
        take(ids)


def test_exchanges_stand_in_the_order_in_which_they_began() -> None:
    ids = PacketIds()
    for packet_id in (7, 3, 9, 1):
        take(ids, packet_id)
    assert in_use(ids) == [7, 3, 9, 1]
    ids.free(3)
    take(ids, 3)
    assert in_use(ids) == [7, 9, 1, 3]


def test_a_renewed_exchange_stands_behind_all_others() -> None:
    ids = PacketIds()
    for packet_id in (7, 3, 9):
        take(ids, packet_id)
    exchange = ids.get(7)
    ids.renew(7)
    assert in_use(ids) == [3, 9, 7]
    assert ids.get(7) is exchange
    assert ids.next() == 10, "what is renewed was not taken anew"
    ids.renew(7)
    assert in_use(ids) == [3, 9, 7]


def test_identifiers_may_be_freed_while_they_are_walked_over() -> None:
    ids = filled(10)
    for exchange in ids:
        ids.free(exchange.packet_id)
    assert len(ids) == 0


# --- the cost --------------------------------------------------------------------------------


@contextmanager
def counted_lines() -> Iterator[list[int]]:
    """Count the lines of Python that run; in compiled code there are none."""
    count = [0]

    def trace(_frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        count[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("number", [0, 10, 65_000, MOST_PACKET_IDS - 2])
def test_to_find_an_identifier_costs_the_same_however_many_are_in_use(number: int) -> None:
    ids = filled(number)
    # The next one that it tries is in use, and so is every other for a long way.
    take(ids, MOST_PACKET_IDS)
    with counted_lines() as count:
        packet_id = ids.next()
    assert packet_id == number + 1
    # Those of this block, of next() and of the search; not one for each that is in use. Few that
    # are in use may be tried one by one.
    assert count[0] < 60


def test_few_identifiers_in_a_row_are_tried_one_by_one() -> None:
    ids = filled(3)
    take(ids, MOST_PACKET_IDS)
    assert ids.next() == 4


@pytest.mark.parametrize("number", [1_000, 1_023, 1_024, 1_025, 1_026, 3_000])
def test_growing_and_shrinking_change_nothing_but_the_cost(number: int) -> None:
    ids = filled(number)
    for packet_id in range(1, number):
        ids.free(packet_id)
    assert in_use(ids) == [number]
    assert take(ids) == number + 1
    take(ids, MOST_PACKET_IDS)
    assert [take(ids) for _ in range(2)] == [1, 2]
    more = [take(ids) for _ in range(number)]
    free = [each for each in range(3, MOST_PACKET_IDS) if each not in (number, number + 1)]
    assert more == free[:number]


# --- any order of events ---------------------------------------------------------------------


def oracle(used: list[int], last: int) -> int:
    """The first free identifier behind the last one, found the slow way."""
    return next(
        each
        for each in chain(range(last + 1, MOST_PACKET_IDS + 1), range(1, last + 1))
        if each not in used
    )


class Identifiers(RuleBasedStateMachine):
    """Any interleaving of what a session does, against a list in the order of use."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = PacketIds()
        self.used: list[int] = []
        self.last = 0

    @rule()
    def take_next(self) -> None:
        packet_id = self.ids.next()
        assert packet_id not in self.used
        assert packet_id == oracle(self.used, self.last)
        self.take(packet_id)

    @rule(packet_id=st.integers(1, 8) | st.integers(65_528, 65_535))
    def take_from_export(self, packet_id: int) -> None:
        if packet_id not in self.used:
            self.take(packet_id)

    def take(self, packet_id: int) -> None:
        take(self.ids, packet_id)
        self.used.append(packet_id)
        self.last = packet_id

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(self.used))
        self.ids.free(packet_id)
        self.used.remove(packet_id)

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(self.used))
        self.ids.renew(packet_id)
        self.used.remove(packet_id)
        self.used.append(packet_id)

    @invariant()
    def all_is_as_in_the_list(self) -> None:
        assert in_use(self.ids) == self.used
        assert len(self.ids) == len(self.used)
        for packet_id in range(1, 9):
            assert (self.ids.get(packet_id) is not None) == (packet_id in self.used)


TestIdentifiers = Identifiers.TestCase


@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="client")
@pytest.mark.spec("5.0", "MQTT-2.2.1-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-2.3.1-2", role="client")
@settings(max_examples=20)  # each of them takes all identifiers
@given(
    freed=st.lists(st.integers(1, MOST_PACKET_IDS), min_size=1, max_size=20, unique=True),
    last=st.integers(1, MOST_PACKET_IDS),
)
def test_with_nearly_all_in_use_the_free_ones_are_found_in_turn(
    freed: list[int], last: int
) -> None:
    ids = PacketIds()
    for packet_id in [*range(last + 1, MOST_PACKET_IDS + 1), *range(1, last + 1)]:
        take(ids, packet_id)
    for packet_id in freed:
        ids.free(packet_id)
    found = [take(ids) for _ in freed]
    assert found == sorted(freed, key=lambda each: (each <= last, each))
    with pytest.raises(PacketIdsExhaustedError):
        ids.next()
