"""The journal: numbers without gaps, batches that follow one another, and what is committed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.protocol.changes import Change, MessageCompleted, SessionEnded
from mqttproto.protocol.journal import Batch, Journal


def test_a_new_journal_is_empty() -> None:
    journal = Journal()
    assert (journal.last, journal.committed, journal.uncommitted) == (0, 0, 0)
    batch = journal.take()
    assert not batch
    assert len(batch) == 0
    assert list(batch) == []
    assert (batch.first, batch.last) == (1, 0)


def test_changes_are_numbered_from_1() -> None:
    journal = Journal()
    assert [journal.append(SessionEnded("c")) for _ in range(3)] == [1, 2, 3]
    assert journal.last == 3
    assert journal.uncommitted == 3


def test_a_batch_has_what_came_since_the_last_one() -> None:
    journal = Journal()
    one, two, three = (MessageCompleted("c", number) for number in (1, 2, 3))
    journal.append(one)
    journal.append(two)
    batch = journal.take()
    assert (batch.first, batch.last) == (1, 2)
    assert batch.changes == [one, two]
    assert len(batch) == 2
    assert batch
    journal.append(three)
    assert list(batch) == [one, two], "a batch that was taken does not grow"
    batch = journal.take()
    assert (batch.first, batch.last) == (3, 3)
    assert list(batch) == [three]
    assert not journal.take()


def test_a_batch_shows_its_changes() -> None:
    assert repr(Batch(4, [SessionEnded("c")])) == "Batch(4, [SessionEnded(client_id='c')])"
    assert Batch(4, [SessionEnded("c"), SessionEnded("d")]).last == 5


def test_what_is_committed_is_no_more_uncommitted() -> None:
    journal = Journal()
    for _ in range(5):
        journal.append(SessionEnded("c"))
    journal.take()
    journal.commit(3)
    assert (journal.committed, journal.uncommitted) == (3, 2)
    journal.commit(1)
    assert journal.committed == 3, "what is committed already is no news"
    journal.commit(5)
    assert (journal.committed, journal.uncommitted) == (5, 0)
    journal.commit(0)
    assert journal.committed == 5


@pytest.mark.parametrize("number", [-1, 2, 3, 99])
def test_what_was_not_taken_cannot_be_committed(number: int) -> None:
    journal = Journal()
    journal.append(SessionEnded("c"))
    journal.take()
    journal.append(SessionEnded("c"))
    with pytest.raises(ValueError, match=f"change {number} was not taken yet: the last .* is 1"):
        journal.commit(number)
    assert journal.committed == 0
    journal.take()
    journal.commit(2)


@given(
    steps=st.lists(
        st.just("append") | st.just("take") | st.integers(-1, 30), min_size=1, max_size=50
    )
)
def test_any_interleaving_loses_and_repeats_nothing(steps: list[str | int]) -> None:
    journal = Journal()
    appended: list[Change] = []
    taken: list[Change] = []
    committed = 0
    for step in steps:
        if step == "append":
            appended.append(MessageCompleted("c", len(appended) + 1))
            assert journal.append(appended[-1]) == len(appended)
        elif step == "take":
            batch = journal.take()
            assert batch.first == len(taken) + 1
            taken += batch
            assert batch.last == len(taken)
        elif isinstance(step, int) and 0 <= step <= len(taken):
            journal.commit(step)
            committed = max(committed, step)
        elif isinstance(step, int):
            with pytest.raises(ValueError, match="not taken yet"):
                journal.commit(step)
        assert journal.last == len(appended)
        assert journal.committed == committed
        assert journal.uncommitted == len(appended) - committed
    taken += journal.take()
    assert taken == appended
