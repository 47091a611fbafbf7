"""Sessions as plain data, and the changes applied to them."""

import copy
import json
from math import inf
from typing import Any

import pytest
from hypothesis import assume, given

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
from mqttproto.protocol.delivery import Delivery
from mqttproto.protocol.export import (
    FORMAT,
    apply,
    check_form,
    flight_data,
    message_data,
    message_of,
)
from mqttproto.protocol.handshakes import OutboundState
from mqttproto.testing import strategies as mqtt

EXPIRY = Properties(message_expiry_interval=5)
MESSAGE = Publish("t/ä", b"\0\xff", 2, True, properties=EXPIRY)
BLOCK = b"\x02\0\0\0\5"

WAITING = {
    "number": 4,
    "topic": "t/ä",
    "payload": b"\0\xff",
    "qos": 2,
    "retain": True,
    "properties": BLOCK,
    "expires_at": 12.5,
}


def started(**changed: Any) -> dict[str, Any]:
    """The export of a new session, with some values changed."""
    data = {
        "format": 1,
        "client_id": "c",
        "expiry_interval": 60,
        "suspended_at": None,
        "next_number": 1,
        "in_flight": [],
        "queue": [],
        "received": [],
    }
    return data | changed


def row(number: int, **changed: Any) -> dict[str, Any]:
    return WAITING | {"number": number} | changed


def flight(
    number: int, packet_id: int, released: bool = False, abandoned: bool = False
) -> dict[str, Any]:
    return row(number, packet_id=packet_id, released=released, abandoned=abandoned)


# --- a message as plain data -----------------------------------------------------------------


def test_a_message_that_waits() -> None:
    assert message_data(Delivery(MESSAGE, 4, expires_at=12.5)) == WAITING
    data = message_data(Delivery(Publish("t", qos=1), 5))
    assert data == {
        "number": 5,
        "topic": "t",
        "payload": b"",
        "qos": 1,
        "retain": False,
        "properties": b"",
        "expires_at": None,
    }
    assert type(data["qos"]) is int


@pytest.mark.parametrize(
    ("qos", "state", "released"),
    [
        (1, OutboundState.AWAITS_PUBACK, False),
        (2, OutboundState.AWAITS_PUBREC, False),
        (2, OutboundState.AWAITS_PUBCOMP, True),
    ],
)
def test_a_message_in_flight(qos: int, state: OutboundState, released: bool) -> None:
    delivery = Delivery(Publish("t", b"x", qos), 5, 9, int(state), 2.5)
    data = flight_data(delivery)
    more = {"packet_id": 9, "released": released, "abandoned": False}
    assert data == message_data(delivery) | more
    assert message_of(data, 0.0) == delivery


@given(message=mqtt.publishes())
def test_a_message_comes_back_as_it_was(message: Publish) -> None:
    message.properties = message.properties.replace(topic_alias=None)
    message.topic = message.topic or "t"
    assume(message.qos)
    other = message_of(message_data(Delivery(message, 3, expires_at=7.0)), 0.0)
    expected = copy.copy(message)
    expected.dup, expected.packet_id = False, None
    assert other == Delivery(expected, 3, expires_at=7.0)


def test_the_times_of_a_message_are_shifted_to_another_clock() -> None:
    assert message_of(WAITING, 100.0).expires_at == 112.5
    assert message_of(WAITING, -10.0).expires_at == 2.5
    assert message_of(row(1, expires_at=None), 100.0).expires_at == inf
    assert message_of(row(1, expires_at=5), 0.5).expires_at == 5.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "4"),
        ("topic", b"t"),
        ("topic", ""),
        ("topic", "a/#"),
        ("topic", "a\0"),
        ("topic", "\ud800"),
        ("payload", "x"),
        ("payload", None),
        ("qos", 3),
        ("qos", 0),
        ("qos", "1"),
        ("retain", None),
        ("properties", ""),
        ("properties", b"\x02\0"),
        ("properties", b"\x7f"),
        ("properties", b"\x23\0\1"),
        ("expires_at", "soon"),
        ("packet_id", None),
        ("released", 1),
        ("abandoned", 0),
        ("abandoned", True),
    ],
)
def test_what_cannot_be_a_message_is_refused(name: str, value: object) -> None:
    good = flight(4, 9)
    message_of(good, 0.0)
    with pytest.raises(ValueError, match=r"."):
        message_of(good | {name: value}, 0.0)


def test_it_is_told_what_is_wrong_with_properties() -> None:
    with pytest.raises(ValueError, match=r"properties of a message are wrong: .*property"):
        message_of(flight(4, 9) | {"properties": b"\x7f"}, 0.0)


@pytest.mark.parametrize("name", [*WAITING, "released", "abandoned"])
def test_what_is_not_there_is_refused(name: str) -> None:
    data = flight(4, 9)
    del data[name]
    with pytest.raises((KeyError, ValueError)):
        message_of(data, 0.0)


def test_a_message_of_qos_1_cannot_be_released() -> None:
    with pytest.raises(ValueError, match="QoS 1 cannot be released"):
        message_of(flight(4, 9, released=True) | {"qos": 1}, 0.0)


# --- the form of an export -------------------------------------------------------------------


def test_an_export_has_a_version() -> None:
    assert FORMAT == 1
    check_form(started())
    for wrong in (0, 2, None, "one"):
        with pytest.raises(ValueError, match="no export of a session in format 1"):
            check_form(started(format=wrong))
    with pytest.raises(ValueError, match="no export"):
        check_form({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", None),
        ("client_id", b"c"),
        ("expiry_interval", "60"),
        ("expiry_interval", None),
        ("suspended_at", "now"),
        ("next_number", 1.0),
        ("in_flight", None),
        ("queue", {}),
        ("received", 7),
    ],
)
def test_the_parts_of_an_export_are_checked(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"no export of a session: {name} is"):
        check_form(started(**{name: value}))


# --- changes ---------------------------------------------------------------------------------

SENT = MessageSent("c", 4, 9, MESSAGE, 12.5)

# Before, what changes, and after.
STEPS: list[tuple[dict[str, Any] | None, Change, dict[str, Any] | None]] = [
    (None, SessionStarted("c", 60), started()),
    (
        started(queue=[row(4)], received=[1], next_number=5, suspended_at=2.0),
        SessionStarted("c", 7, 5),
        started(expiry_interval=7, next_number=5),
    ),
    (started(suspended_at=2.0), SessionResumed("c", 9), started(expiry_interval=9)),
    (
        started(),
        SessionSuspended("c", 2.0, 9),
        started(suspended_at=2.0, expiry_interval=9),
    ),
    (started(queue=[row(4)]), SessionEnded("c"), None),
    (
        started(queue=[row(1)], next_number=2),
        MessageQueued("c", 4, MESSAGE, 12.5),
        started(queue=[row(1), row(4)], next_number=5),
    ),
    (
        started(next_number=9),
        MessageQueued("c", 4, MESSAGE, inf),
        started(queue=[row(4, expires_at=None)], next_number=9),
    ),
    (
        started(queue=[row(1), row(2), row(3)], next_number=4),
        MessageDropped("c", 2),
        started(queue=[row(1), row(3)], next_number=4),
    ),
    (
        started(in_flight=[flight(2, 5)], next_number=3),
        SENT,
        started(in_flight=[flight(2, 5), flight(4, 9)], next_number=5),
    ),
    (
        started(in_flight=[flight(2, 5)], queue=[row(3), row(4)], next_number=8),
        MessageSent("c", 3, 9, None, inf),
        started(in_flight=[flight(2, 5), flight(3, 9)], queue=[row(4)], next_number=8),
    ),
    (
        started(in_flight=[flight(2, 5), flight(3, 6)]),
        MessageReleased("c", 5),
        started(in_flight=[flight(3, 6), flight(2, 5, True)]),
    ),
    (
        started(in_flight=[flight(2, 5)]),
        MessageReleased("c", 5, True),
        started(in_flight=[flight(2, 5, True, True)]),
    ),
    (
        started(in_flight=[flight(2, 5), flight(3, 6)]),
        MessageCompleted("c", 5),
        started(in_flight=[flight(3, 6)]),
    ),
    (started(received=[5]), ReceiptAccepted("c", 2), started(received=[2, 5])),
    (started(received=[2, 5, 7]), ReceiptForgotten("c", 5), started(received=[2, 7])),
]


@pytest.mark.parametrize(
    ("before", "change", "after"), STEPS, ids=[type(step[1]).__name__ for step in STEPS]
)
def test_what_a_change_makes_of_an_export(
    before: dict[str, Any] | None, change: Change, after: dict[str, Any] | None
) -> None:
    kept = copy.deepcopy(before)
    assert apply(before, change) == after
    assert before == kept, "the export before is left as it was"


def test_every_change_is_among_them() -> None:
    assert {type(change).__name__ for _, change, _ in STEPS} == set(changes.__all__) - {"Change"}


@pytest.mark.parametrize("change", [step[1] for step in STEPS[2:]])
def test_only_a_beginning_happens_to_no_session(change: Change) -> None:
    with pytest.raises(ValueError, match="there is no session 'c' to which"):
        apply(None, change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (MessageDropped("c", 7), "there is no message with number 7"),
        (MessageSent("c", 7, 9, None, inf), "there is no message with number 7"),
        (MessageReleased("c", 7), "there is no message with packet_id 7"),
        (MessageCompleted("c", 7), "there is no message with packet_id 7"),
        (ReceiptForgotten("c", 7), "there is no receipt with packet identifier 7"),
    ],
)
def test_a_change_that_cannot_follow_is_refused(change: Change, words: str) -> None:
    data = started(queue=[row(1)], in_flight=[flight(2, 5)], received=[3])
    with pytest.raises(ValueError, match=words):
        apply(data, change)


def test_what_is_no_change_of_a_session_is_refused() -> None:
    with pytest.raises(TypeError, match="is no change of a session"):
        apply(started(), Change("c"))


# --- plain -----------------------------------------------------------------------------------


def plain(value: object) -> bool:
    """Whether a value is made of nothing but plain types, exactly."""
    if type(value) is dict:
        return all(type(key) is str and plain(each) for key, each in value.items())
    if type(value) is list:
        return all(plain(each) for each in value)
    return type(value) in (str, bytes, int, float, bool, type(None))


@pytest.mark.parametrize("change", [SENT, MessageQueued("c", 4, MESSAGE, inf)])
def test_exports_are_plain_and_all_but_the_bytes_can_be_json(change: Change) -> None:
    data = apply(apply(started(), change), ReceiptAccepted("c", 3))
    assert plain(data)
    text = json.dumps(data, default=lambda value: {"hex": value.hex()}, allow_nan=False)

    def revive(item: dict[str, Any]) -> Any:
        return bytes.fromhex(item["hex"]) if "hex" in item else item

    assert json.loads(text, object_hook=revive) == data
