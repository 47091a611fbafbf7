"""The journal's vocabulary: plain values that can be compared, shown, copied and pickled."""

import copy
import pickle
import re
from collections.abc import Callable
from math import inf

import pytest

import docstrings
from mqttproto.codec.block import Properties
from mqttproto.codec.publish import Publish
from mqttproto.protocol import changes
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

MESSAGE = Publish("t", b"x", 1, properties=Properties(content_type="t"))

# A function for each: equality must not rest on identity.
CHANGES: list[tuple[Callable[[], Change], str]] = [
    (lambda: SessionStarted("c", 60, 4), "client_id='c', expiry_interval=60, next_number=4"),
    (lambda: SessionResumed("c", 60), "client_id='c', expiry_interval=60"),
    (
        lambda: SessionSuspended("c", 1.5, 60),
        "client_id='c', at=1.5, expiry_interval=60",
    ),
    (lambda: SessionEnded("c"), "client_id='c'"),
    (
        lambda: MessageQueued("c", 4, copy.copy(MESSAGE), inf),
        f"client_id='c', number=4, message={MESSAGE!r}, expires_at=inf",
    ),
    (lambda: MessageDropped("c", 4), "client_id='c', number=4"),
    (
        lambda: MessageSent("c", 4, 9, copy.copy(MESSAGE), 2.5),
        f"client_id='c', number=4, packet_id=9, message={MESSAGE!r}, expires_at=2.5",
    ),
    (lambda: MessageReleased("c", 9), "client_id='c', packet_id=9, abandoned=False"),
    (lambda: MessageCompleted("c", 9), "client_id='c', packet_id=9"),
    (lambda: ReceiptAccepted("c", 9), "client_id='c', packet_id=9"),
    (lambda: ReceiptForgotten("c", 9), "client_id='c', packet_id=9"),
]
OTHERS = {
    "client_id": "d",
    "expiry_interval": 61,
    "next_number": 5,
    "at": 2.0,
    "number": 5,
    "message": Publish("t", b"y", 1),
    "expires_at": 3.0,
    "packet_id": 10,
    "abandoned": True,
}

every_change = pytest.mark.parametrize(
    "make", [make for make, _ in CHANGES], ids=[type(make()).__name__ for make, _ in CHANGES]
)


def test_the_changes_are_all_that_there_are() -> None:
    classes = {type(make()).__name__ for make, _ in CHANGES}
    assert set(changes.__all__) == classes | {"Change"}
    assert len(classes) == len(CHANGES)


@every_change
def test_changes_are_equal_if_all_that_they_say_is(make: Callable[[], Change]) -> None:
    assert make() == make()
    assert isinstance(make(), Change)
    for name in make().FIELDS:
        other = make()
        setattr(other, name, OTHERS[name])
        assert other != make()


def test_changes_of_different_classes_are_different() -> None:
    made = [make() for make, _ in CHANGES]
    for index, one in enumerate(made):
        assert [one == other for other in made] == [index == each for each in range(len(made))]


@every_change
def test_a_change_cannot_be_hashed(make: Callable[[], Change]) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(make())


@pytest.mark.parametrize(("make", "shown"), CHANGES)
def test_a_change_shows_what_it_says(make: Callable[[], Change], shown: str) -> None:
    assert repr(make()) == f"{type(make()).__name__}({shown})"


@every_change
def test_a_change_can_be_copied(make: Callable[[], Change]) -> None:
    one = make()
    protocols = range(2, pickle.HIGHEST_PROTOCOL + 1)
    pickled = [pickle.loads(pickle.dumps(one, protocol)) for protocol in protocols]
    for other in [copy.copy(one), copy.deepcopy(one), *pickled]:
        assert type(other) is type(one)
        assert other == one
        assert other is not one


def test_a_message_sent_from_the_queue_is_not_said_again() -> None:
    change = MessageSent("c", 4, 9, None, inf)
    assert change.message is None
    assert pickle.loads(pickle.dumps(change)) == change


def test_a_session_begins_with_number_1() -> None:
    assert SessionStarted("c", 60).next_number == 1


def test_each_attribute_is_documented() -> None:
    texts = docstrings.of_classes("protocol.changes")
    for make, _ in CHANGES:
        name = type(make()).__name__
        documented = re.findall(r":ivar (\w+):", texts[name])
        assert ["client_id", *documented] == list(make().FIELDS), name
