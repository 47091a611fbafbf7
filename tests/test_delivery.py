"""What a packet identifier is in use for, and what a waiting message counts for."""

import copy
import pickle
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto.codec.block import Properties
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import PacketType, ReasonCode
from mqttproto.protocol.delivery import (
    NO_EXPIRY,
    Delivery,
    Exchange,
    Request,
    deadline_of,
    message_size,
)
from mqttproto.protocol.handshakes import OutboundState
from mqttproto.testing import strategies as mqtt


def delivery() -> Delivery:
    return Delivery(Publish("a/b", b"x", 2), 7, 9, int(OutboundState.AWAITS_PUBREC), 12.5, 3)


def request() -> Request:
    return Request(5, PacketType.SUBACK, (Subscription("a/#", 1),), ("b", "c"))


def test_a_new_delivery_waits() -> None:
    new = Delivery(Publish("a"))
    assert (new.number, new.packet_id, new.state, new.after) == (0, 0, OutboundState.UNKNOWN, 0)
    assert new.expires_at == NO_EXPIRY == inf
    assert new.reason_code is ReasonCode.SUCCESS
    assert not new.waiting
    assert not new.abandoned


def test_a_delivery_holds_what_it_was_given() -> None:
    held = delivery()
    assert held.message == Publish("a/b", b"x", 2)
    assert (held.number, held.packet_id, held.state) == (7, 9, 2)
    assert (held.expires_at, held.after) == (12.5, 3)
    assert isinstance(held, Exchange)


def test_deliveries_are_equal_if_all_that_they_show_is() -> None:
    assert delivery() == delivery()
    for name, value in (
        ("message", Publish("a/b", b"y", 2)),
        ("number", 8),
        ("packet_id", 1),
        ("state", 3),
        ("expires_at", inf),
    ):
        other = delivery()
        setattr(other, name, value)
        assert other != delivery()
    with pytest.raises(TypeError, match="unhashable"):
        hash(delivery())


def test_a_delivery_shows_what_it_is() -> None:
    assert repr(delivery()) == (
        f"Delivery(message={Publish('a/b', b'x', 2)!r}, number=7, packet_id=9, state=2,"
        " expires_at=12.5)"
    )


def test_a_request_awaits_its_answer() -> None:
    held = request()
    assert held.state == OutboundState.AWAITS_ANSWER
    assert held.packet_id == 5
    assert held.kind is PacketType.SUBACK
    assert held.subscriptions == (Subscription("a/#", 1),)
    assert held.topic_filters == ("b", "c")
    assert isinstance(held, Exchange)


def test_a_request_may_name_nothing() -> None:
    held = Request(1, PacketType.UNSUBACK)
    assert held.subscriptions == held.topic_filters == ()
    assert held != request()
    assert repr(held).startswith("Request(packet_id=1, kind=<PacketType.UNSUBACK: 11>")


@pytest.mark.parametrize("one", [delivery(), request()], ids=["delivery", "request"])
def test_exchanges_can_be_copied(one: Exchange) -> None:
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other == one
        assert other is not one


def test_a_copy_keeps_the_messages_of_a_delivery_apart() -> None:
    one = delivery()
    other = copy.deepcopy(one)
    assert other.message is not one.message


# --- when a message expires ------------------------------------------------------------------


def test_a_message_without_an_interval_does_not_expire() -> None:
    assert deadline_of(Publish("a"), 100.0) == NO_EXPIRY
    other = Properties(content_type="t", correlation_data=b"\x02\0\0\0\1")
    assert deadline_of(Publish("a", properties=other), 100.0) == NO_EXPIRY


def test_what_only_looks_like_an_interval_on_the_wire_is_none() -> None:
    sent = Publish("a", properties=Properties(correlation_data=b"\x02\0\0\0\1"))
    (message,) = Decoder(5).feed(sent.encode())
    assert isinstance(message, Publish)
    # Not decoded yet: so it cannot be told.
    assert message.properties.may_hold(0x02)
    assert deadline_of(message, 100.0) == NO_EXPIRY


@pytest.mark.parametrize("interval", [0, 1, 4_294_967_295])
def test_an_interval_counts_from_now(interval: int) -> None:
    properties = Properties(content_type="t", message_expiry_interval=interval)
    assert deadline_of(Publish("a", properties=properties), 100.5) == 100.5 + interval


# --- what a message counts for ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (Publish("a"), 65),
        (Publish("abc", b"12345"), 72),
        (Publish("äß", b"1"), 69),
        (Publish("\U0001f600/日"), 72),
        (Publish("a", properties=Properties(content_type="tt")), 70),
    ],
)
def test_a_message_counts_for_its_bytes_and_what_it_costs_beside_them(
    message: Publish, size: int
) -> None:
    assert message_size(message) == size


@given(message=mqtt.publishes())
def test_a_message_counts_for_at_least_what_is_sent(message: Publish) -> None:
    block = len(message.properties.block())
    content = len(message.topic.encode()) + len(message.payload) + block
    assert message_size(message) == content + 64
    assert message_size(message) >= len(message.encode())


@given(text=st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_topics_are_counted_in_bytes(text: str) -> None:
    assert message_size(Publish(text)) == 64 + len(text.encode())
