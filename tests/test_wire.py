"""The data representations of section 1.5: every reader and writer, byte by byte."""

from collections.abc import Callable

import pytest

from mqttproto.codec import wire
from mqttproto.codec.faults import Fault
from mqttproto.codec.wire import (
    FaultFound,
    Reader,
    as_bytes,
    binary,
    check_topic,
    check_utf8,
    fixed_header,
    integer,
    utf8,
    utf8_size,
    varint,
    varint_size,
)
from mqttproto.constants import MAX_REMAINING_LENGTH
from mqttproto.errors import InvalidValueError, PacketTooLargeError, Statement


def found(read: Callable[..., object], *arguments: object) -> tuple[Fault, int]:
    """The fault that ``read`` must find, and its position."""
    with pytest.raises(FaultFound) as caught:
        read(*arguments)
    return Fault(caught.value.fault), caught.value.position


def reader(data: bytes, before: bytes = b"", behind: bytes = b"") -> Reader:
    """A reader of ``data`` in the middle of other bytes."""
    return Reader(before + data + behind, len(before), len(before) + len(data))


# --- strings ---------------------------------------------------------------------------------

WELL_FORMED = [
    "",
    "a",
    "garden/7",
    "\x01\x7f",
    "\x80\u07ff",
    "\u0800\ud7ff\ue000\uffff",
    "\U00010000\U0010ffff",
    "\ufeffmark",  # a byte order mark is a character like others
    "mark\ufeff",
    "\ufdd0\ufffe\U0001ffff",  # non-characters are characters
]

# The ill-formed string, and where in it the first ill-formed sequence begins.
ILL_FORMED = [
    (b"\x80", 0),  # continuation without a lead
    (b"ab\xbfc", 2),
    (b"\xc0\x80", 0),  # U+0000 in two bytes
    (b"\xc1\xbf", 0),  # U+007F in two bytes
    (b"a\xe0\x80\x80", 1),  # in three bytes what one can hold
    (b"\xe0\x9f\xbf", 0),  # U+07FF in three bytes
    (b"\xed\xa0\x80", 0),  # U+D800, the first surrogate
    (b"\xed\xaf\xbf", 0),
    (b"\xed\xb0\x80", 0),
    (b"\xed\xbf\xbf", 0),  # U+DFFF, the last surrogate
    (b"\xed\xa0\xbd\xed\xb8\x80", 0),  # a pair of them
    (b"\xf0\x80\x80\x80", 0),
    (b"\xf0\x8f\xbf\xbf", 0),  # U+FFFF in four bytes
    (b"\xf4\x90\x80\x80", 0),  # U+110000
    (b"\xf5\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"abc\xc3", 3),  # cut off
    (b"abc\xe2\x82", 3),
    (b"abc\xf0\x9f\x98", 3),
    (b"\xc3(", 0),  # no continuation
    (b"\xe2\x82(", 0),
    (b"\xe2(\xa1", 0),
    (b"\xf0\x9f\x98(", 0),
]


def sized(data: bytes) -> bytes:
    """The data behind its length of two bytes."""
    return len(data).to_bytes(2, "big") + data


@pytest.mark.parametrize("text", WELL_FORMED)
@pytest.mark.spec("3.1.1", "MQTT-1.5.3-1", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-1", role="both")
def test_well_formed_strings(text: str) -> None:
    data = text.encode()
    check_utf8(b"\xff" + data + b"\xff", 1, 1 + len(data))
    cursor = reader(sized(data), b"\xff", b"\xff")
    assert cursor.utf8() == text
    assert cursor.position == cursor.end
    assert utf8("Field", text) == sized(data)
    assert utf8_size(text) == len(sized(data))


@pytest.mark.parametrize(("data", "at"), ILL_FORMED)
@pytest.mark.spec("3.1.1", "MQTT-1.5.3-1", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-1", role="both")
def test_ill_formed_strings(data: bytes, at: int) -> None:
    assert found(check_utf8, data, 0, len(data)) == (Fault.UTF8, at)
    assert found(check_utf8, b"xyz" + data + b"z", 3, 3 + len(data)) == (Fault.UTF8, 3 + at)
    assert found(reader(sized(data), b"xyz").utf8) == (Fault.UTF8, 5 + at)


@pytest.mark.spec("3.1.1", "MQTT-1.5.3-3", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-3", role="both")
def test_a_byte_order_mark_is_kept() -> None:
    assert reader(b"\0\5\xef\xbb\xbfab").utf8() == "\ufeffab"
    assert reader(b"\0\5\xef\xbb\xbfab").topic_name(Fault.NAME_WILDCARD) == "\ufeffab"
    assert utf8("Field", "\ufeffab") == b"\0\5\xef\xbb\xbfab"


@pytest.mark.spec("3.1.1", "MQTT-1.5.3-2", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-2", role="both")
def test_the_null_character() -> None:
    assert found(check_utf8, b"\0", 0, 1) == (Fault.NULL_CHARACTER, 0)
    assert found(check_utf8, b"--ab\0c\0", 2, 7) == (Fault.NULL_CHARACTER, 4)
    assert found(reader(b"\0\4ab\0c").utf8) == (Fault.NULL_CHARACTER, 4)
    assert found(reader(b"\0\5\xc3\xa4\0cd").utf8) == (Fault.NULL_CHARACTER, 4)


@pytest.mark.parametrize(
    ("data", "fault", "at"),
    [
        (b"a\0\xff", Fault.NULL_CHARACTER, 1),
        (b"a\xff\0", Fault.UTF8, 1),
        (b"\xc3\0", Fault.UTF8, 0),
        (b"\xc3\xa4\0\xc3", Fault.NULL_CHARACTER, 2),
    ],
)
def test_of_two_faults_in_a_string_the_first_counts(data: bytes, fault: Fault, at: int) -> None:
    assert found(check_utf8, data, 0, len(data)) == (fault, at)
    assert found(check_topic, data, 0, len(data), Fault.NAME_WILDCARD) == (fault, at)


@pytest.mark.spec("3.1.1", "section 1.5.3", role="both")
@pytest.mark.spec("5.0", "section 1.5.4", role="both")
def test_the_length_of_a_string_counts_bytes() -> None:
    longest = "\u20ac" * 21_845
    assert utf8("Field", longest) == b"\xff\xff" + longest.encode()
    assert reader(b"\xff\xff" + longest.encode()).utf8() == longest
    with pytest.raises(InvalidValueError) as caught:
        utf8("Connect.client_id", longest + "a", 4)
    assert caught.value.field == "Connect.client_id"
    assert caught.value.statement == Statement("3.1.1", "section 1.5.3")
    assert caught.value.rule == "a string must not exceed 65,535 bytes of UTF-8; got 65536"


@pytest.mark.parametrize(
    ("text", "rule", "id311", "id5"),
    [
        pytest.param(
            "ab\ud800",
            "a string must be well-formed UTF-8 without surrogates; got a surrogate at character 2",
            "MQTT-1.5.3-1",
            "MQTT-1.5.4-1",
            id="surrogate",
        ),
        pytest.param(
            "ab\0", "a string must not contain U+0000", "MQTT-1.5.3-2", "MQTT-1.5.4-2", id="null"
        ),
    ],
)
@pytest.mark.spec("3.1.1", "MQTT-1.5.3-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-1.5.3-2", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-1", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.4-2", role="both")
def test_strings_that_are_not_written(text: str, rule: str, id311: str, id5: str) -> None:
    for arguments, expected in (
        ((), Statement("5.0", id5)),
        ((5,), Statement("5.0", id5)),
        ((4,), Statement("3.1.1", id311)),
        ((3,), Statement("3.1.1", id311)),
    ):
        with pytest.raises(InvalidValueError) as caught:
            utf8("Will.topic", text, *arguments)
        assert caught.value.field == "Will.topic"
        assert caught.value.rule == rule
        assert caught.value.statement == expected


@pytest.mark.parametrize("value", [b"bytes", 7, None])
def test_only_a_str_is_written_as_a_string(value: object) -> None:
    with pytest.raises(TypeError):
        utf8("Field", value)  # type: ignore[arg-type]


# --- topic names -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", [text for text in WELL_FORMED if text])
def test_topic_names(text: str) -> None:
    data = text.encode()
    check_topic(b"#" + data + b"+", 1, 1 + len(data), Fault.TOPIC_WILDCARD)
    assert reader(sized(data), b"#", b"+").topic_name(Fault.TOPIC_WILDCARD) == text


@pytest.mark.parametrize(
    ("data", "fault", "at"),
    [
        (b"+", Fault.TOPIC_WILDCARD, 0),
        (b"#", Fault.TOPIC_WILDCARD, 0),
        (b"+#", Fault.TOPIC_WILDCARD, 0),
        (b"#+", Fault.TOPIC_WILDCARD, 0),
        (b"a/+/#", Fault.TOPIC_WILDCARD, 2),
        (b"a/#/+", Fault.TOPIC_WILDCARD, 2),
        (b"garden#", Fault.TOPIC_WILDCARD, 6),
        (b"a+\0\xff", Fault.TOPIC_WILDCARD, 1),
        (b"a\0+", Fault.NULL_CHARACTER, 1),
        (b"a\0", Fault.NULL_CHARACTER, 1),
        (b"\xc3\xa4+", Fault.TOPIC_WILDCARD, 2),
        (b"a\xff+", Fault.UTF8, 1),
        (b"a\xc3+", Fault.UTF8, 1),
        (b"a\xc3#", Fault.UTF8, 1),
        (b"\xff", Fault.UTF8, 0),
    ],
)
@pytest.mark.spec("3.1.1", "MQTT-3.3.2-2", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.2-2", role="both")
def test_the_first_offending_byte_of_a_topic_name(data: bytes, fault: Fault, at: int) -> None:
    around = b"..." + data + b"..."
    assert found(check_topic, around, 3, 3 + len(data), Fault.TOPIC_WILDCARD) == (fault, 3 + at)
    assert found(reader(sized(data)).topic_name, Fault.TOPIC_WILDCARD) == (fault, 2 + at)


@pytest.mark.spec("3.1.1", "MQTT-4.7.1-1", role="both")
@pytest.mark.spec("5.0", "MQTT-3.3.2-14", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.0-1", role="both")
def test_the_fault_of_a_wildcard_depends_on_the_field() -> None:
    for fault in (Fault.NAME_WILDCARD, Fault.RESPONSE_TOPIC_WILDCARD):
        assert found(reader(b"\0\1#").topic_name, fault) == (fault, 2)


@pytest.mark.spec("3.1.1", "MQTT-4.7.3-1", role="both")
@pytest.mark.spec("5.0", "MQTT-4.7.3-1", role="both")
def test_a_topic_name_is_not_empty() -> None:
    cursor = reader(b"\0\0", b"before")
    assert found(cursor.topic_name, Fault.NAME_WILDCARD) == (Fault.NAME_EMPTY, 6)


# --- integers --------------------------------------------------------------------------------


@pytest.mark.spec("3.1.1", "section 1.5.2", role="both")
@pytest.mark.spec("5.0", "section 1.5.2", role="both")
@pytest.mark.spec("5.0", "section 1.5.3", role="both")
def test_integers_are_big_endian() -> None:
    cursor = reader(b"\x01\x23\x45\x67\x89\xab\xcd\xff", b"before", b"behind")
    assert (cursor.u8(), cursor.position) == (0x01, 7)
    assert (cursor.u16(), cursor.position) == (0x2345, 9)
    assert (cursor.u32(), cursor.position) == (0x6789ABCD, 13)
    assert cursor.u8() == 0xFF
    cursor.finish()


# Table 1-1 (2.4 in 3.1.1): the ranges of each size.
VARINTS = [
    (0, b"\x00"),
    (1, b"\x01"),
    (127, b"\x7f"),
    (128, b"\x80\x01"),
    (321, b"\xc1\x02"),
    (16_383, b"\xff\x7f"),
    (16_384, b"\x80\x80\x01"),
    (2_097_151, b"\xff\xff\x7f"),
    (2_097_152, b"\x80\x80\x80\x01"),
    (268_435_455, b"\xff\xff\xff\x7f"),
]


@pytest.mark.parametrize(("value", "data"), VARINTS)
@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 1.5.5", role="both")
@pytest.mark.spec("5.0", "MQTT-1.5.5-1", role="both")
def test_variable_byte_integers(value: int, data: bytes) -> None:
    cursor = reader(data, b"\xff", b"\xff")
    assert cursor.varint() == value
    assert cursor.position == 1 + len(data)
    assert varint(value) == data
    assert varint_size(value) == len(data)


@pytest.mark.parametrize(
    "data", [b"\x80\x00", b"\xff\x00", b"\x80\x80\x00", b"\x81\x80\x80\x00", b"\xff\xff\xff\x00"]
)
@pytest.mark.spec("5.0", "MQTT-1.5.5-1", role="both")
def test_a_variable_byte_integer_is_minimal(data: bytes) -> None:
    assert found(reader(data, b"--").varint) == (Fault.LENGTH_NOT_MINIMAL, 2)


@pytest.mark.parametrize("last", [b"", b"\x00", b"\x7f", b"\xff"])
@pytest.mark.spec("5.0", "section 1.5.5", role="both")
def test_a_variable_byte_integer_has_at_most_four_bytes(last: bytes) -> None:
    for four in (b"\x80\x80\x80\x80", b"\xff\xff\xff\xff"):
        assert found(reader(four + last, b"--").varint) == (Fault.LENGTH_OVER_FOUR_BYTES, 2)


@pytest.mark.spec("3.1.1", "MQTT-2.3.1-1", role="both")
@pytest.mark.spec("5.0", "MQTT-2.2.1-3", role="both")
def test_a_packet_identifier() -> None:
    for data, value in ((b"\0\1", 1), (b"\xff\xff", 65_535)):
        at = reader(data, b"?", b"?")
        assert at.packet_id() == value
        assert at.position == 3
    assert found(reader(b"\0\0", b"?").packet_id) == (Fault.PACKET_ID, 1)
    assert found(reader(b"\1", b"?", b"\1").packet_id) == (Fault.TRUNCATED, 1)


# --- fields that are cut off -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "whole"),
    [
        pytest.param(Reader.u8, b"\1", id="u8"),
        pytest.param(Reader.u16, b"\1\2", id="u16"),
        pytest.param(Reader.u32, b"\1\2\3\4", id="u32"),
        pytest.param(Reader.varint, b"\x80\x80\x80\1", id="varint"),
        pytest.param(Reader.binary, b"\0\3abc", id="binary"),
        pytest.param(Reader.utf8, b"\0\3abc", id="utf8"),
        pytest.param(
            lambda cursor: cursor.topic_name(Fault.NAME_WILDCARD), b"\0\3abc", id="topic name"
        ),
    ],
)
@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 2.1.4", role="both")
def test_a_cut_field_is_found_at_its_beginning(
    read: Callable[[Reader], object], whole: bytes
) -> None:
    for size in range(len(whole)):
        # What lies behind the end is of another packet, even if it would fit.
        cursor = reader(whole[:size], b"before", whole[size:])
        assert found(read, cursor) == (Fault.TRUNCATED, 6)
    cursor = reader(whole, b"before", b"behind")
    read(cursor)
    cursor.finish()


@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 2.1.4", role="both")
def test_nothing_may_be_left() -> None:
    cursor = reader(b"\1\2", b"before")
    cursor.u8()
    assert found(cursor.finish) == (Fault.TRAILING_BYTES, 7)


# --- binary data -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfe", bytes(65_535)], ids=len)
@pytest.mark.spec("5.0", "section 1.5.6", role="both")
def test_binary_data(data: bytes) -> None:
    assert binary("Field", data) == sized(data)
    assert reader(sized(data), b"-", b"-").binary() == data


@pytest.mark.spec("3.1.1", "section 3.1.3", role="both")
@pytest.mark.spec("5.0", "section 1.5.6", role="both")
def test_binary_data_has_at_most_65535_bytes() -> None:
    for version, expected in ((5, ("5.0", "section 1.5.6")), (4, ("3.1.1", "section 3.1.3"))):
        with pytest.raises(InvalidValueError) as caught:
            binary("Will.payload", bytes(65_536), version)
        assert caught.value.field == "Will.payload"
        assert caught.value.rule == "binary data must not exceed 65,535 bytes; got 65536"
        assert caught.value.statement == Statement(*expected)


@pytest.mark.parametrize("value", [b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]])
def test_every_buffer_of_bytes_is_taken(value: object) -> None:
    taken = as_bytes("Field", value)
    assert taken == b"abc"
    assert type(taken) is bytes


def test_bytes_are_taken_without_a_copy_and_others_with_one() -> None:
    data = b"abc"
    assert as_bytes("Field", data) is data
    changeable = bytearray(b"abc")
    taken = as_bytes("Field", changeable)
    changeable[0] = 0
    assert taken == b"abc"


@pytest.mark.parametrize("value", ["abc", 3, None, [1, 2], (b"a",)])
def test_nothing_else_is_taken_for_bytes(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^Publish\.payload: .* not {type(value).__name__}$"):
        as_bytes("Publish.payload", value)


def test_an_integer_in_a_range() -> None:
    assert integer("Connect.keep_alive", 0, 0, 65_535) == 0
    assert integer("Connect.keep_alive", 65_535, 0, 65_535) == 65_535
    for value in (-1, 65_536, 1 << 70):
        with pytest.raises(InvalidValueError) as caught:
            integer("Connect.keep_alive", value, 0, 65_535)
        assert str(caught.value) == f"Connect.keep_alive: must be 0 to 65535, not {value}"
    for wrong in ("60", 60.0, None):
        with pytest.raises(TypeError, match=r"^Connect\.keep_alive: "):
            integer("Connect.keep_alive", wrong, 0, 65_535)


# --- the fixed header ------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "data"), VARINTS)
@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 2.1.4", role="both")
def test_the_fixed_header(size: int, data: bytes) -> None:
    assert fixed_header(0x30, size, "Publish.payload", 5) == b"\x30" + data
    assert fixed_header(0x00, size, "Publish.payload", 4) == b"\x00" + data
    assert fixed_header(0xFF, size, "Publish.payload", 3) == b"\xff" + data


@pytest.mark.spec("3.1.1", "section 2.2.3", role="both")
@pytest.mark.spec("5.0", "section 1.5.5", role="both")
def test_the_largest_remaining_length() -> None:
    for version, expected in ((5, ("5.0", "section 1.5.5")), (4, ("3.1.1", "section 2.2.3"))):
        with pytest.raises(PacketTooLargeError) as caught:
            fixed_header(0x30, MAX_REMAINING_LENGTH + 1, "Publish.payload", version)
        assert caught.value.field == "Publish.payload"
        assert caught.value.rule.endswith("got 268435456")
        assert caught.value.statement == Statement(*expected)


# --- the rest --------------------------------------------------------------------------------


def test_a_fault_that_was_found_says_which_and_where() -> None:
    error = FaultFound(Fault.UTF8, 12)
    assert (error.fault, error.position) == (Fault.UTF8, 12)
    assert error.args == (Fault.UTF8, 12)


def test_everything_is_exported() -> None:
    assert all(hasattr(wire, name) for name in wire.__all__)
