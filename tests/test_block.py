"""Properties: every one by name, its bytes, its limits, and where a set of them may stand."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from mqttproto.codec.block import EMPTY, Properties, read_properties, received
from mqttproto.codec.faults import Fault
from mqttproto.codec.properties import PROPERTIES, WILL
from mqttproto.codec.values import PropertyValues
from mqttproto.codec.wire import FaultFound, Reader
from mqttproto.constants import PacketType, QoS
from mqttproto.errors import InvalidValueError, Statement

EITHER, CLIENT, SERVER = 0, 1, 2

PUBLISH = PacketType.PUBLISH

# Each property with a value, its bytes, and a packet that may have it; typed from section 3.
SAMPLES: dict[str, tuple[Any, bytes, int]] = {
    "payload_format_indicator": (1, b"\x01\x01", PUBLISH),
    "message_expiry_interval": (4_294_967_295, b"\x02\xff\xff\xff\xff", PUBLISH),
    "content_type": ("text/plain", b"\x03\x00\x0atext/plain", PUBLISH),
    "response_topic": ("answers/\u00e4", b"\x08\x00\x0aanswers/\xc3\xa4", PUBLISH),
    "correlation_data": (b"\x00\xff", b"\x09\x00\x02\x00\xff", PUBLISH),
    "subscription_identifiers": (
        (1, 268_435_455, 128),
        b"\x0b\x01\x0b\xff\xff\xff\x7f\x0b\x80\x01",
        PUBLISH,
    ),
    "session_expiry_interval": (10, b"\x11\x00\x00\x00\x0a", PacketType.CONNECT),
    "assigned_client_identifier": ("c-7", b"\x12\x00\x03c-7", PacketType.CONNACK),
    "server_keep_alive": (258, b"\x13\x01\x02", PacketType.CONNACK),
    "authentication_method": ("SCRAM", b"\x15\x00\x05SCRAM", PacketType.AUTH),
    "authentication_data": (b"n,,", b"\x16\x00\x03n,,", PacketType.AUTH),
    "request_problem_information": (False, b"\x17\x00", PacketType.CONNECT),
    "will_delay_interval": (65_536, b"\x18\x00\x01\x00\x00", WILL),
    "request_response_information": (True, b"\x19\x01", PacketType.CONNECT),
    "response_information": ("base/", b"\x1a\x00\x05base/", PacketType.CONNACK),
    "server_reference": ("b.example", b"\x1c\x00\x09b.example", PacketType.DISCONNECT),
    "reason_string": ("busy", b"\x1f\x00\x04busy", PacketType.PUBACK),
    "receive_maximum": (65_535, b"\x21\xff\xff", PacketType.CONNACK),
    "topic_alias_maximum": (0, b"\x22\x00\x00", PacketType.CONNECT),
    "topic_alias": (1, b"\x23\x00\x01", PUBLISH),
    "maximum_qos": (QoS.AT_LEAST_ONCE, b"\x24\x01", PacketType.CONNACK),
    "retain_available": (False, b"\x25\x00", PacketType.CONNACK),
    "user_properties": (
        (("b", "1"), ("b", "1"), ("a", "")),
        b"\x26\x00\x01b\x00\x011\x26\x00\x01b\x00\x011\x26\x00\x01a\x00\x00",
        PacketType.UNSUBSCRIBE,
    ),
    "maximum_packet_size": (1, b"\x27\x00\x00\x00\x01", PacketType.CONNECT),
    "wildcard_subscription_available": (True, b"\x28\x01", PacketType.CONNACK),
    "subscription_identifier_available": (False, b"\x29\x00", PacketType.CONNACK),
    "shared_subscription_available": (True, b"\x2a\x01", PacketType.CONNACK),
}

SEVERAL = {"subscription_identifiers", "user_properties"}

every_property = pytest.mark.parametrize("name", SAMPLES)
every_copy = pytest.mark.parametrize(
    "duplicate",
    [
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        *(
            pytest.param(
                lambda value, protocol=protocol: pickle.loads(pickle.dumps(value, protocol)),
                id=f"pickle {protocol}",
            )
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
)


def given(name: str, value: Any) -> Properties:
    """Properties with one argument, of whatever type."""
    arguments: dict[str, Any] = {name: value}
    return Properties(**arguments)


def sample(*names: str) -> Properties:
    """Properties with the values of SAMPLES, given in this order."""
    return Properties(**{name: SAMPLES[name][0] for name in names})


def from_wire(*names: str, packet: int = PUBLISH) -> Properties:
    """The same as they are received."""
    return received(b"".join(SAMPLES[name][1] for name in names), packet)


def refused(action: Callable[..., object], *arguments: object) -> InvalidValueError:
    with pytest.raises(InvalidValueError) as caught:
        action(*arguments)
    return caught.value


# --- one class, one table --------------------------------------------------------------------


def test_every_attribute_stands_in_the_table() -> None:
    attributes = {
        name
        for name, value in vars(Properties).items()
        if not name.startswith("_") and not callable(value)
    }
    assert attributes == {row.name for row in PROPERTIES}
    assert set(SAMPLES) == attributes


def test_the_constructor_has_the_order_of_the_table() -> None:
    assert list(PropertyValues.__annotations__) == [row.name for row in PROPERTIES]


# --- each property ---------------------------------------------------------------------------


@every_property
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_a_property_is_written(name: str) -> None:
    value, data, _ = SAMPLES[name]
    properties = sample(name)
    assert properties.block() == data
    assert getattr(properties, name) == value
    assert type(getattr(properties, name)) is type(value)
    assert dict(properties) == {name: value}
    assert repr(properties) == f"Properties({name}={value!r})"
    assert bool(properties)


@every_property
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_a_property_is_read(name: str) -> None:
    value, data, packet = SAMPLES[name]
    properties = received(data, packet)
    assert bool(properties)  # before and after they are decoded
    assert getattr(properties, name) == value
    assert type(getattr(properties, name)) is type(value)
    assert dict(properties) == {name: value}
    assert repr(properties) == f"Properties({name}={value!r})"
    assert bool(properties)
    assert properties.block() == data
    assert properties == sample(name)
    assert hash(properties) == hash(sample(name))


@every_property
def test_what_is_absent(name: str) -> None:
    absent = () if name in SEVERAL else None
    for others in (EMPTY, Properties(), sample(*(set(SAMPLES) - {name}))):
        assert getattr(others, name) == absent
        assert name not in dict(others)


@every_property
def test_giving_none_or_nothing_leaves_a_property_out(name: str) -> None:
    properties = given(name, () if name in SEVERAL else None)
    assert properties == EMPTY
    assert not properties


@every_property
def test_a_property_that_is_zero_or_empty_is_there(name: str) -> None:
    value = SAMPLES[name][0]
    least: dict[str, Any] = {
        "response_topic": "a",
        "subscription_identifiers": [1],
        "user_properties": [("", "")],
        "receive_maximum": 1,
        "topic_alias": 1,
        "maximum_qos": 0,
        "maximum_packet_size": 1,
    }
    smallest = least[name] if name in least else type(value)()
    properties = given(name, smallest)
    assert bool(properties)
    assert getattr(properties, name) is not None
    assert received(properties.block(), SAMPLES[name][2]) == properties


def test_no_properties() -> None:
    assert not EMPTY
    assert Properties() == EMPTY
    assert EMPTY.block() == b""
    assert dict(EMPTY) == {}
    assert repr(EMPTY) == "Properties()"
    assert received(b"", PUBLISH) is EMPTY


# --- values ----------------------------------------------------------------------------------

# A value that the specification forbids, and where it does so.
FORBIDDEN = [
    ("payload_format_indicator", 2, "section 2.2.2.2"),
    ("payload_format_indicator", -1, "section 2.2.2.2"),
    ("message_expiry_interval", -1, None),
    ("message_expiry_interval", 1 << 32, None),
    ("content_type", "a\0", "MQTT-1.5.4-2"),
    ("content_type", "\ud800", "MQTT-1.5.4-1"),
    ("content_type", "a" * 65_536, "section 1.5.4"),
    ("response_topic", "", "MQTT-4.7.3-1"),
    ("response_topic", "a/+", "MQTT-3.3.2-14"),
    ("response_topic", "#", "MQTT-3.3.2-14"),
    ("response_topic", "a\0", "MQTT-1.5.4-2"),
    ("correlation_data", bytes(65_536), "section 1.5.6"),
    ("subscription_identifiers", (7, 0), "section 3.8.2.1.2"),
    ("subscription_identifiers", [268_435_456], "section 3.8.2.1.2"),
    ("session_expiry_interval", 1 << 32, None),
    ("assigned_client_identifier", "\0", "MQTT-1.5.4-2"),
    ("server_keep_alive", 65_536, None),
    ("authentication_method", "\udfff", "MQTT-1.5.4-1"),
    ("authentication_data", bytes(65_536), "section 1.5.6"),
    ("will_delay_interval", -1, None),
    ("response_information", "\0", "MQTT-1.5.4-2"),
    ("server_reference", "\0", "MQTT-1.5.4-2"),
    ("reason_string", "\0", "MQTT-1.5.4-2"),
    ("receive_maximum", 0, "section 3.1.2.11.3"),
    ("receive_maximum", 65_536, "section 3.1.2.11.3"),
    ("topic_alias_maximum", 65_536, None),
    ("topic_alias", 0, "MQTT-3.3.2-8"),
    ("topic_alias", 65_536, "MQTT-3.3.2-8"),
    ("maximum_qos", 2, "section 2.2.2.2"),
    ("user_properties", [("a", "b"), ("a\0", "b")], "MQTT-1.5.4-2"),
    ("user_properties", [("a", "\ud800")], "MQTT-1.5.4-1"),
    ("user_properties", [("a", "b" * 65_536)], "section 1.5.4"),
    ("maximum_packet_size", 0, "section 3.1.2.11.4"),
    ("maximum_packet_size", 1 << 32, "section 3.1.2.11.4"),
]


@pytest.mark.parametrize(
    ("name", "value", "id"),
    FORBIDDEN,
    ids=[f"{name}-{value!r:.20}" for name, value, _ in FORBIDDEN],
)
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-1", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-2", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.7-1", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.2-8", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.2-14", role="both")
def test_a_forbidden_value_is_refused_at_once(name: str, value: Any, id: str | None) -> None:
    error = refused(given, name, value)
    assert error.field == f"Properties.{name}"
    if id is not None:
        assert error.statement == Statement("5.0", id)
    error = refused(lambda: EMPTY.replace(**{name: value}))
    assert error.field == f"Properties.{name}"


@every_property
def test_a_value_of_the_wrong_type_is_refused(name: str) -> None:
    for value in (object(), 1.0, type):
        with pytest.raises(TypeError):
            given(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_type", b"text/plain"),
        ("correlation_data", "text"),
        ("topic_alias", "1"),
        ("retain_available", "yes"),
        ("subscription_identifiers", ["1"]),
        ("subscription_identifiers", [None]),
        ("subscription_identifiers", 1),
        ("user_properties", [("a", 1)]),
        ("user_properties", [(b"a", "b")]),
        ("user_properties", 1),
        ("user_properties", "ab"),
        ("user_properties", ["ab"]),
        ("user_properties", {"ab": "c"}),
        ("user_properties", [("a",)]),
        ("user_properties", [("a", "b", "c")]),
    ],
)
def test_near_misses_in_type_are_refused(name: str, value: Any) -> None:
    with pytest.raises(TypeError):
        given(name, value)


def test_what_may_stand_more_than_once_comes_from_any_iterable() -> None:
    pairs = {"a": "1", "b": "2"}
    expected = (("a", "1"), ("b", "2"))
    for several in (pairs.items(), list(pairs.items()), iter(pairs.items())):
        assert Properties(user_properties=several).user_properties == expected
    for numbers in ((3, 1), [3, 1], iter([3, 1])):
        assert Properties(subscription_identifiers=numbers).subscription_identifiers == (3, 1)
    assert Properties(user_properties=[], subscription_identifiers=[]) == EMPTY
    assert Properties(user_properties=iter(()), subscription_identifiers=iter(())) == EMPTY


def test_maximum_qos_may_be_given_as_a_number() -> None:
    assert Properties(maximum_qos=0).maximum_qos is QoS.AT_MOST_ONCE


@pytest.mark.parametrize(
    "name", [name for name, (value, _, _) in SAMPLES.items() if isinstance(value, bool)]
)
def test_yes_and_no_may_be_given_as_numbers(name: str) -> None:
    assert getattr(given(name, 0), name) is False
    assert getattr(given(name, 1), name) is True
    assert given(name, 1) == given(name, True)


@pytest.mark.parametrize("name", ["correlation_data", "authentication_data"])
def test_every_buffer_of_bytes_is_taken(name: str) -> None:
    changeable = bytearray(b"ab")
    for buffer in (b"ab", changeable, memoryview(b"xaby")[1:3]):
        properties = given(name, buffer)
        changeable[0] ^= 0xFF  # what was taken is a copy
        assert getattr(properties, name) == b"ab"
        assert type(getattr(properties, name)) is bytes
        changeable[0] ^= 0xFF


def test_what_was_given_may_be_changed_afterwards() -> None:
    numbers = [1, 2]
    pairs = [("a", "1")]
    properties = Properties(subscription_identifiers=numbers, user_properties=pairs)
    numbers.clear()
    pairs.clear()
    assert properties.subscription_identifiers == (1, 2)
    assert properties.user_properties == (("a", "1"),)


# --- several together ------------------------------------------------------------------------


def test_properties_are_written_in_the_order_in_which_they_are_given() -> None:
    for names in (list(SAMPLES), list(reversed(SAMPLES))):
        assert sample(*names).block() == b"".join(SAMPLES[name][1] for name in names)
        assert [name for name, _ in sample(*names)] == names


@pytest.mark.spec("5.0", "MQTT-3.3.2-4", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-15", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-16", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-17", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-18", role="server")
@pytest.mark.spec("5.0", "MQTT-3.3.2-20", role="server")
def test_received_properties_pass_unaltered() -> None:
    names = ["user_properties", "content_type", "correlation_data", "response_topic"]
    names.append("payload_format_indicator")
    properties = from_wire(*names)
    data = b"".join(SAMPLES[name][1] for name in names)
    assert properties.block() == data
    assert [name for name, _ in properties] == names
    assert properties.block() == data
    assert properties.encoded("Publish", PUBLISH, 5) == bytes((len(data),)) + data


@pytest.mark.spec("5.0", "MQTT-3.3.2-18", role="server")
@pytest.mark.spec("5.0", "MQTT-3.1.3-10", role="server")
def test_user_properties_keep_order_and_duplicates() -> None:
    data = b"\x26\0\1b\0\0" + b"\x23\0\1" + b"\x26\0\1a\0\0" + b"\x26\0\1b\0\0"
    pairs = (("b", ""), ("a", ""), ("b", ""))
    assert received(data, PUBLISH).user_properties == pairs
    again = received(data, PUBLISH).replace(topic_alias=None)
    assert again.block() == b"\x26\0\1b\0\0\x26\0\1a\0\0\x26\0\1b\0\0"


def test_strings_of_more_than_255_bytes() -> None:
    long = Properties(
        content_type="c" * 258,
        correlation_data=b"d" * 259,
        user_properties=[("n" * 260, "v" * 261), ("\u20ac" * 100, "")],
        topic_alias=1,
    )
    assert received(long.block(), PUBLISH) == long
    assert received(long.block(), PUBLISH).user_properties[1] == ("\u20ac" * 100, "")


def test_equal_properties() -> None:
    one = sample("content_type", "topic_alias", "user_properties")
    assert one == from_wire("content_type", "topic_alias", "user_properties")
    assert one == from_wire("user_properties", "topic_alias", "content_type")
    assert from_wire("topic_alias", "content_type") == from_wire("content_type", "topic_alias")
    assert hash(one) == hash(from_wire("user_properties", "topic_alias", "content_type"))
    assert len({one, from_wire("user_properties", "topic_alias", "content_type")}) == 1


def test_unequal_properties() -> None:
    one = sample("content_type", "topic_alias", "user_properties")
    assert one != sample("content_type", "topic_alias")
    assert one != one.replace(topic_alias=2)
    assert one != one.replace(user_properties=reversed(one.user_properties))
    assert one != EMPTY
    for other in (None, {}, (), dict(one), one.block()):
        assert one != other
        assert other != EMPTY


def test_a_changed_copy() -> None:
    for one in (sample("content_type", "topic_alias"), from_wire("content_type", "topic_alias")):
        other = one.replace(topic_alias=None, correlation_data=b"7")
        assert other == Properties(content_type="text/plain", correlation_data=b"7")
        assert one == sample("content_type", "topic_alias")
        assert one.replace() == one
        assert one.replace(content_type=None, topic_alias=None) == EMPTY


def test_a_copy_of_what_may_stand_more_than_once() -> None:
    one = sample("user_properties", "subscription_identifiers")
    assert one.replace(user_properties=()) == sample("subscription_identifiers")
    assert one.replace(user_properties=None) == sample("subscription_identifiers")
    assert one.replace(subscription_identifiers=[]) == sample("user_properties")


def test_there_are_no_other_properties() -> None:
    untyped: Any = Properties
    with pytest.raises(TypeError):
        untyped(topic_allias=1)
    with pytest.raises(TypeError):
        EMPTY.replace(topic_allias=1)
    with pytest.raises(TypeError):
        EMPTY.replace(topic_allias=None)
    with pytest.raises(TypeError):
        untyped(1)


@every_property
def test_properties_cannot_be_set(name: str) -> None:
    for properties in (sample(name), received(SAMPLES[name][1], SAMPLES[name][2])):
        with pytest.raises((AttributeError, TypeError)):
            setattr(properties, name, SAMPLES[name][0])
        with pytest.raises((AttributeError, TypeError)):
            delattr(properties, name)
        with pytest.raises(AttributeError):
            setattr(properties, name + "s", 1)
        assert properties == sample(name)


@every_copy
def test_properties_can_be_copied(duplicate: Callable[[Properties], Properties]) -> None:
    one = sample(*SAMPLES)
    for properties in (EMPTY, one, received(one.block(), PUBLISH)):
        other = duplicate(properties)
        assert other == properties
        assert hash(other) == hash(properties)
        assert isinstance(other, Properties)
        # The order may differ, as it does among what is equal.
        assert len(other.block()) == len(properties.block())
    assert duplicate(one).block() == one.block()


# --- cheap copies ----------------------------------------------------------------------------

REASON = "reason_string"
NAMES = [
    ("message_expiry_interval",),
    ("topic_alias",),
    (REASON,),
    ("user_properties",),
    ("content_type", "message_expiry_interval", "topic_alias", "user_properties", REASON),
    ("user_properties", "subscription_identifiers", "topic_alias", "correlation_data"),
    ("topic_alias", "subscription_identifiers", "response_topic", "payload_format_indicator"),
    ("correlation_data",),
]
every_form = pytest.mark.parametrize("form", ["given", "encoded", "received", "read"])
every_names = pytest.mark.parametrize("names", NAMES, ids=",".join)


def in_form(form: str, names: tuple[str, ...]) -> Properties:
    """Properties of which the values, the block, or both are there."""
    if form in ("given", "encoded"):
        properties = sample(*names)
        if form == "encoded":
            properties.block()
        return properties
    properties = from_wire(*names)
    if form == "read":
        dict(properties)
    return properties


def check_copy(one: Properties, other: Properties, values: dict[str, Any]) -> None:
    """Check that ``other`` has these values in this order, and that ``one`` is as it was."""
    before = dict(one)
    expected = Properties(**values)
    assert other.block() == expected.block()
    assert list(other) == list(values.items())
    assert other == expected
    assert dict(one) == before
    for kind in range(16):
        assert other.allowed_in(kind) == expected.allowed_in(kind)


@every_form
@every_names
def test_a_copy_with_another_message_expiry(names: tuple[str, ...], form: str) -> None:
    for seconds in (0, 7, 4_294_967_295):
        one = in_form(form, names)
        other = one.with_message_expiry(seconds)
        check_copy(one, other, dict(sample(*names)) | {"message_expiry_interval": seconds})
        assert other.message_expiry_interval == seconds


@every_form
@every_names
def test_a_copy_without_topic_alias(names: tuple[str, ...], form: str) -> None:
    one = in_form(form, names)
    other = one.without_topic_alias()
    assert (other is one) == ("topic_alias" not in names)
    check_copy(one, other, dict(sample(*(name for name in names if name != "topic_alias"))))
    assert (other is EMPTY) == (names == ("topic_alias",))


@every_form
@every_names
def test_a_copy_without_problem_information(names: tuple[str, ...], form: str) -> None:
    one = in_form(form, names)
    other = one.without_problem_information()
    left = [name for name in names if name not in (REASON, "user_properties")]
    assert (other is one) == (len(left) == len(names))
    check_copy(one, other, dict(sample(*left)))
    assert (other is EMPTY) == (not left)


def test_cheap_copies_of_nothing() -> None:
    assert EMPTY.without_topic_alias() is EMPTY
    assert EMPTY.without_problem_information() is EMPTY
    assert EMPTY.with_message_expiry(1) == Properties(message_expiry_interval=1)
    assert EMPTY.replace(topic_alias=None) is EMPTY


@every_form
@pytest.mark.parametrize("seconds", [-1, 4_294_967_296])
def test_a_message_expiry_out_of_its_range(seconds: int, form: str) -> None:
    error = refused(in_form(form, ("topic_alias",)).with_message_expiry, seconds)
    assert error.field == "Properties.message_expiry_interval"
    untyped: Any = in_form(form, ("topic_alias",))
    with pytest.raises(TypeError):
        untyped.with_message_expiry("1")


@pytest.mark.parametrize("form", ["given", "encoded", "received", "read"])
def test_a_cheap_copy_may_stand_where_its_rest_may(form: str) -> None:
    """What kept the whole out of a packet may be gone."""
    one = in_form(form, ("topic_alias", "user_properties"))
    assert not one.allowed_in(PacketType.CONNACK)
    assert one.without_topic_alias().allowed_in(PacketType.CONNACK)
    assert not one.without_topic_alias().with_message_expiry(1).allowed_in(PacketType.CONNACK)
    assert one.without_topic_alias().with_message_expiry(1).allowed_in(WILL)


def test_authentication_data_alone_is_found_in_copies() -> None:
    one = sample("authentication_data", "user_properties")
    one.block()
    for properties in (one.without_problem_information(), one.replace(user_properties=None)):
        error = refused(properties.encoded, "Connect", PacketType.CONNECT, 5)
        assert error.field == "Connect.properties.authentication_data"


ONCE = st.sampled_from([name for name in SAMPLES if name not in SEVERAL])
PARTS = st.lists(ONCE, unique=True, max_size=5).flatmap(
    lambda names: st.permutations([*names, "user_properties", "subscription_identifiers"])
)


@over(names=PARTS, seconds=st.integers(0, 4_294_967_295), data=st.data())
def test_cheap_copies_are_those_of_replace(
    names: list[str], seconds: int, data: DataObject
) -> None:
    """Whatever stands around what is changed, and whatever the bytes in it look like."""
    pieces = [bytes([number]) for number in (0x02, 0x1F, 0x23, 0x26, 0x80, 0x0B)]
    noise = b"".join(data.draw(st.lists(st.sampled_from(pieces), max_size=6)))
    block = b"".join(
        SAMPLES[name][1] if name != "correlation_data" else b"\x09\0" + bytes([len(noise)]) + noise
        for name in names
    )
    one = received(block, PUBLISH)
    same = received(block, PUBLISH)
    dict(same)
    for properties in (one, same):
        for cheap, dear in (
            (
                properties.with_message_expiry(seconds),
                same.replace(message_expiry_interval=seconds),
            ),
            (properties.without_topic_alias(), same.replace(topic_alias=None)),
            (
                properties.without_problem_information(),
                same.replace(reason_string=None, user_properties=None),
            ),
        ):
            assert cheap == dear
            assert [name for name, _ in cheap] == [name for name, _ in dear]


def test_what_may_be_held() -> None:
    for form in ("given", "encoded", "received", "read"):
        properties = in_form(form, ("topic_alias", "content_type"))
        assert properties.may_hold(0x23)
        assert properties.may_hold(0x03)
        for absent in (0x26, 0x7F, 0xFF, 0x100, -1):
            assert not properties.may_hold(absent)
        assert properties.may_hold(ord("t")) == (form == "received")  # in text/plain
    assert not EMPTY.may_hold(0x23)


# --- which packet may have them --------------------------------------------------------------


@every_property
@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_where_a_property_may_stand(name: str) -> None:
    value, data, packet = SAMPLES[name]
    if name == "subscription_identifiers":
        value, data = (5,), b"\x0b\x05"  # of several, more below
    (row,) = (row for row in PROPERTIES if row.name == name)
    for properties in (given(name, value), received(data, packet)):
        for kind in range(16):
            allowed = row.packets >> kind & 1 == 1
            assert properties.allowed_in(kind) == allowed
            assert properties.allowed_in(kind) == allowed  # whatever was asked before
            if name == "authentication_data":
                continue  # needs another, see below
            if allowed:
                assert properties.encoded("Packet", kind, 5) == bytes((len(data),)) + data
            else:
                error = refused(properties.encoded, "Packet", kind, 5)
                assert error.field == f"Packet.properties.{name}"
                assert error.rule == "this packet must not have this property"
                assert error.statement == Statement("5.0", "section 2.2.2.2")


@pytest.mark.spec("5.0", "section 3.8.2.1.2", role="client")
def test_a_subscribe_has_one_subscription_identifier() -> None:
    several = Properties(subscription_identifiers=(1, 2), user_properties=[("a", "b")])
    for properties in (several, received(several.block(), PUBLISH)):
        assert properties.allowed_in(PUBLISH)
        assert not properties.allowed_in(PacketType.SUBSCRIBE)
        error = refused(properties.encoded, "Subscribe", PacketType.SUBSCRIBE, 5)
        assert error.field == "Subscribe.properties.subscription_identifiers"
        assert error.rule == "this property must not stand twice in this packet"


def test_received_properties_may_be_sent_in_another_packet() -> None:
    properties = from_wire("user_properties", packet=PacketType.CONNECT)
    block = properties.block()
    assert properties.encoded("Will", WILL, 5) == bytes((len(block),)) + block


def test_the_first_misplaced_property_is_named() -> None:
    properties = sample("content_type", "receive_maximum", "maximum_qos")
    error = refused(properties.encoded, "Publish", PUBLISH, 5)
    assert error.field == "Publish.properties.receive_maximum"


def test_no_properties_may_stand_anywhere() -> None:
    for kind in range(16):
        assert EMPTY.allowed_in(kind)
        assert EMPTY.encoded("Packet", kind, 5) == b"\0"


@pytest.mark.spec("5.0", "section 3.1.2.11.10", role="client")
def test_authentication_data_of_connect_needs_a_method() -> None:
    alone = sample("authentication_data")
    error = refused(alone.encoded, "Connect", PacketType.CONNECT, 5)
    assert error.field == "Connect.properties.authentication_data"
    assert error.rule == "the Authentication Data of a CONNECT needs an Authentication Method"
    both = sample("authentication_data", "authentication_method")
    for properties, packet in ((both, PacketType.CONNECT), (alone, PacketType.CONNACK)):
        block = properties.block()
        assert properties.encoded("Any", packet, 5) == bytes((len(block),)) + block


@pytest.mark.parametrize("version", [3, 4])
def test_there_are_none_before_5(version: int) -> None:
    assert EMPTY.encoded("Publish", PUBLISH, version) == b""
    assert Properties().encoded("Publish", PUBLISH, version) == b""
    for properties in (sample("content_type"), from_wire("content_type")):
        error = refused(properties.encoded, "Publish", PUBLISH, version)
        assert error.field == "Publish.properties"
        assert "does not exist in this version" in error.rule


@pytest.mark.spec("5.0", "section 2.2.2.1", role="both")
def test_the_property_length() -> None:
    for size, length in ((124, b"\x7f"), (125, b"\x80\x01"), (16_381, b"\x80\x80\x01")):
        properties = Properties(content_type="x" * size)
        block = properties.block()
        assert properties.encoded("Publish", PUBLISH, 5) == length + block


# --- reading a block -------------------------------------------------------------------------


def read(
    data: bytes, packet: int = PUBLISH, sender: int = EITHER
) -> tuple[Properties, int] | tuple[Fault, int]:
    """Properties and how many bytes they took, or the fault and its position."""
    reader = Reader(b"<<" + data + b"\0\0\0", 2, 2 + len(data))
    try:
        properties = read_properties(reader, packet, sender)
    except FaultFound as found:
        return Fault(found.fault), found.position - 2
    return properties, reader.position - 2


@pytest.mark.spec("5.0", "section 2.2.2.1", role="both")
def test_a_block_is_read_with_its_length() -> None:
    assert read(b"\0") == (EMPTY, 1)
    assert read(b"\0\x23\0\1") == (EMPTY, 1)
    assert read(b"\3\x23\0\1") == (Properties(topic_alias=1), 4)
    assert read(b"\3\x23\0\1payload") == (Properties(topic_alias=1), 4)
    long = Properties(content_type="x" * 200)
    assert read(b"\xcb\x01" + long.block()) == (long, 205)


@pytest.mark.spec("5.0", "section 2.2.2.1", role="both")
def test_a_block_does_not_go_beyond_its_packet() -> None:
    assert read(b"\1") == (Fault.PROPERTY_LENGTH, 0)
    assert read(b"\4\x23\0\1") == (Fault.PROPERTY_LENGTH, 0)
    assert read(b"") == (Fault.TRUNCATED, 0)
    assert read(b"\x80") == (Fault.TRUNCATED, 0)


@pytest.mark.spec("5.0", "MQTT-1.5.5-1", role="both")
def test_the_property_length_is_a_variable_byte_integer() -> None:
    assert read(b"\x83\0\x23\0\1") == (Fault.LENGTH_NOT_MINIMAL, 0)
    assert read(b"\x80\x80\x80\x80\1") == (Fault.LENGTH_OVER_FOUR_BYTES, 0)


@pytest.mark.spec("5.0", "section 2.2.2.2", role="both")
def test_what_is_read_is_checked() -> None:
    assert read(b"\2\x24\1") == (Fault.PROPERTY_MISPLACED, 1)
    assert read(b"\2\x24\2", PacketType.CONNACK) == (Fault.PROPERTY_NOT_0_OR_1, 2)
    assert read(b"\2\x23\0\1") == (Fault.TRUNCATED, 2)
    assert read(b"\2\x0b\1", PUBLISH, CLIENT) == (Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT, 1)
    assert read(b"\2\x0b\1", PUBLISH, SERVER) == (Properties(subscription_identifiers=[1]), 3)
    assert read(b"\5\x18\0\0\0\7", WILL) == (Properties(will_delay_interval=7), 6)


@pytest.mark.spec("5.0", "section 3.1.2.11.10", role="server")
def test_authentication_data_of_connect_is_read_with_a_method_only() -> None:
    alone = b"\4\x16\0\1d"
    assert read(alone, PacketType.CONNECT) == (Fault.AUTHENTICATION_DATA_ALONE, 0)
    assert read(alone, PacketType.CONNACK) == (Properties(authentication_data=b"d"), 5)
    both = Properties(authentication_method="m", authentication_data=b"d")
    assert read(b"\x08\x16\0\1d\x15\0\1m", PacketType.CONNECT) == (both, 9)


def test_a_name_is_in_the_properties_that_are_there() -> None:
    some = Properties(topic_alias=1, user_properties=[("a", "b")])
    assert "topic_alias" in some
    assert "user_properties" in some
    assert "content_type" not in some
    assert "no_such_property" not in some
    assert 0x23 not in some
