"""The scanner in Python: frame tables by example. That the C scanner returns the same is tested
with the scanner's contract.
"""

from typing import Final

import pytest

from mqttproto.codec.faults import Fault
from mqttproto.codec.pyscan import COLUMNS, scan
from mqttproto.constants import MAX_PACKET_SIZE

EITHER: Final = 0
CLIENT: Final = 1
SERVER: Final = 2

Row = tuple[int, int, int, int, int, int, int]


def table(
    text: str,
    version: int,
    *,
    start: int = 0,
    beyond: int = 0,
    sender: int = EITHER,
    limit: int = MAX_PACKET_SIZE,
    capacity: int = 256,
) -> list[Row]:
    """Scan the hexadecimal ``text``; the rows, of which the last is that of status."""
    cells = scan(bytes.fromhex(text), start, beyond, version, sender, limit, capacity)
    assert len(cells) % COLUMNS == 0
    rows: list[Row] = []
    for index in range(0, len(cells), COLUMNS):
        first, second, third, fourth, fifth, sixth, seventh = cells[index : index + COLUMNS]
        rows.append((first, second, third, fourth, fifth, sixth, seventh))
    return rows


def done(at: int) -> Row:
    """The status of a scan that ends at ``at``, where a packet does."""
    return (0, 0, 0, 0, 0, 0, at)


def more(needed: int, at: int = 0) -> Row:
    """The status of a scan that needs this many bytes of a packet that begins at ``at``."""
    return (0, 0, needed, 0, 0, 0, at)


def broken(fault: Fault, position: int, at: int = 0) -> Row:
    """The status of a scan that finds a fault in the packet that begins at ``at``."""
    return (fault, position, 0, 0, 0, 0, at)


every_version = pytest.mark.parametrize("version", [3, 4, 5])
before_5 = pytest.mark.parametrize("version", [3, 4])


# --- frames -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 3, 4, 5])
def test_nothing(version: int) -> None:
    assert table("", version) == [done(0)]
    assert table("10 00", version, start=2) == [done(2)]


@before_5
def test_publish_before_5(version: int) -> None:
    assert table("30 03 0001 61", version) == [(0x30, 4, 5, 0, 5, 5, 5), done(5)]
    assert table("31 05 0001 61 6869", version) == [(0x31, 4, 5, 0, 5, 5, 7), done(7)]
    assert table("3a 07 0003 612f62 0a0b", version) == [(0x3A, 4, 7, 0x0A0B, 9, 9, 9), done(9)]
    # a topic that is not ASCII, and a Remaining Length of two bytes
    text = "34 8201 0002 c3a9 0001" + "00" * 124
    assert table(text, version) == [(0x34, 5, 7, 1, 9, 9, 133), done(133)]


def test_publish_in_5() -> None:
    assert table("30 04 0001 61 00", 5) == [(0x30, 4, 5, 0, 6, 6, 6), done(6)]
    assert table("32 0b 0001 61 000a 00 68656c6c6f", 5) == [(0x32, 4, 5, 10, 8, 8, 13), done(13)]
    assert table("34 0a 0001 61 0001 02 0100 7b7d", 5) == [(0x34, 4, 5, 1, 8, 10, 12), done(12)]
    # no topic, but an alias
    assert table("30 06 0000 03 230001", 5) == [(0x30, 4, 4, 0, 5, 8, 8), done(8)]
    # a Property Length of two bytes
    text = "30 8801 0001 61 8301 26 0001 6b 007d" + "78" * 125
    assert table(text, 5) == [(0x30, 5, 6, 0, 8, 139, 139), done(139)]


@pytest.mark.parametrize("first", ["40", "50", "62", "70"])
def test_acknowledgements(first: str) -> None:
    number = int(first, 16)
    for version in (3, 4, 5):
        assert table(f"{first} 02 1234", version) == [(number, 0, 0, 0x1234, 4, 4, 4), done(4)]
    assert table(f"{first} 03 0001 00", 5) == [(number, 0, 0, 1, 5, 5, 5), done(5)]
    assert table(f"{first} 04 0001 00 00", 5) == [(number, 0, 0, 1, 6, 6, 6), done(6)]
    text = f"{first} 09 0001 00 05 1f 0002 6f6b"
    assert table(text, 5) == [(number, 0, 0, 1, 6, 11, 11), done(11)]


def test_reason_codes() -> None:
    assert table("40 03 0001 97", 5) == [(0x40, 0x97, 0, 1, 5, 5, 5), done(5)]
    assert table("50 03 0001 10", 5) == [(0x50, 0x10, 0, 1, 5, 5, 5), done(5)]
    assert table("62 03 0001 92", 5) == [(0x62, 0x92, 0, 1, 5, 5, 5), done(5)]
    assert table("70 04 0001 92 00", 5) == [(0x70, 0x92, 0, 1, 6, 6, 6), done(6)]


@every_version
def test_of_other_packets_only_the_fixed_header_counts(version: int) -> None:
    assert table("c0 00 d0 00", version) == [
        (0xC0, 2, 0, 0, 0, 0, 2),
        (0xD0, 2, 0, 0, 0, 0, 2),
        done(4),
    ]
    assert table("82 03 ffffff", version) == [(0x82, 2, 0, 0, 0, 0, 5), done(5)]
    assert table("90 8001" + "ff" * 128, version) == [(0x90, 3, 0, 0, 0, 0, 131), done(131)]
    assert table("10 00", version) == [(0x10, 2, 0, 0, 0, 0, 2), done(2)]


def test_positions_count_from_the_start_of_the_frame() -> None:
    text = "c000 32 07 0001 61 0001 6869 40 02 0001 30 03 0001 2b"
    frames = [(0x32, 4, 5, 1, 7, 7, 9), (0x40, 0, 0, 1, 4, 4, 4)]
    status = broken(Fault.TOPIC_WILDCARD, 19, at=15)
    assert table(text, 4) == [(0xC0, 2, 0, 0, 0, 0, 2), *frames, status]
    assert table(text, 4, start=2) == [*frames, status]
    assert table(text, 4, start=11) == [frames[1], status]


def test_a_table_that_is_full() -> None:
    ping = (0xC0, 2, 0, 0, 0, 0, 2)
    assert table("c000 c000 c000", 4, capacity=1) == [ping, done(2)]
    assert table("c000 c000 c000", 4, capacity=2) == [ping, ping, done(4)]
    assert table("c000 c000 c000", 4, capacity=3) == [ping, ping, ping, done(6)]
    assert table("c000 c000 00", 4, capacity=2) == [ping, ping, done(4)]


@pytest.mark.parametrize("version", [0, 3, 4, 5])
def test_a_connect_ends_the_scan(version: int) -> None:
    assert table("10 01 00 00 00", version) == [(0x10, 2, 0, 0, 0, 0, 3), done(3)]


# --- incomplete -------------------------------------------------------------------------------


@every_version
def test_how_many_bytes_are_needed(version: int) -> None:
    assert table("30", version) == [more(2)]
    assert table("30 80", version) == [more(3)]
    assert table("30 ffff", version) == [more(4)]
    assert table("30 ffffff", version) == [more(5)]
    assert table("30 ffffff7f 0001 61", version) == [more(MAX_PACKET_SIZE)]
    assert table("30 05", version) == [more(7)]
    assert table("30 05 0001 6100", version) == [more(7)]
    assert table("40 02 00", version) == [more(4)]
    assert table("82 07", version) == [more(9)]
    assert table("c000 d0", version, start=2) == [more(2, at=2)]


def test_nothing_is_judged_before_it_is_whole() -> None:
    """It would have to be judged again with each byte: the cost would not be linear."""
    assert table("30 07 0001 2b", 4) == [more(9)]
    assert table("40 02 00", 4) == [more(4)]


def test_a_payload_may_lie_beyond() -> None:
    frame = (0x30, 4, 5, 0, 5, 5, 7)
    assert table("30 05 0001 61", 4, beyond=2) == [frame, done(7)]
    assert table("30 05 0001 61 68", 4, beyond=1) == [frame, done(7)]
    assert table("30 05 0001 61 68", 4, beyond=9) == [frame, done(7)]
    assert table("30 05 0001 61", 4, beyond=1) == [more(7)]
    frame = (0x32, 4, 5, 1, 8, 10, 12)
    assert table("32 0a 0001 61 0001 02 0100", 5, beyond=2) == [frame, done(12)]


def test_nothing_else_may_lie_beyond() -> None:
    assert table("40 02 00", 4, beyond=1) == [more(4)]
    assert table("c0 80", 4, beyond=1) == [more(3)]
    assert table("82 05 0001 0000", 4, beyond=1) == [more(7)]
    # the topic's length, the topic, the packet identifier
    assert table("32 07 00", 4, beyond=6) == [more(9)]
    assert table("32 07 0002 61", 4, beyond=4) == [more(9)]
    assert table("32 07 0002 6162 00", 4, beyond=2) == [more(9)]
    # the Property Length, and what it announces
    assert table("30 07 0001 61", 5, beyond=4) == [more(9)]
    assert table("30 07 0001 61 80", 5, beyond=3) == [more(9)]
    assert table("30 07 0001 61 03 23", 5, beyond=2) == [more(9)]


def test_a_fault_is_one_even_if_there_is_more_beyond() -> None:
    assert table("30 07 0001 2b", 4, beyond=4) == [broken(Fault.TOPIC_WILDCARD, 4)]
    assert table("30 07 0001 61 04", 5, beyond=3) == [broken(Fault.PROPERTY_LENGTH, 5)]
    assert table("30 09 0001 61 02 0102", 5, beyond=3) == [broken(Fault.PROPERTY_NOT_0_OR_1, 7)]
    # the value ends with its block, not with the bytes at hand
    assert table("30 09 0001 61 02 2300", 5) == [more(11)]
    status = broken(Fault.TRUNCATED, 7)
    assert table("30 09 0001 61 02 2300 000000", 5) == [status]


# --- faults -----------------------------------------------------------------------------------


def test_faults_of_the_first_byte() -> None:
    assert table("00", 4) == [broken(Fault.PACKET_TYPE, 0)]
    assert table("f0", 4) == [broken(Fault.PACKET_TYPE, 0)]
    assert table("f1", 5) == [broken(Fault.FLAGS_AUTH, 0)]
    assert table("36", 4) == [broken(Fault.QOS, 0)]
    assert table("38", 4) == [broken(Fault.DUP_AT_QOS_0, 0)]
    assert table("c000 c1", 4, start=2) == [broken(Fault.FLAGS, 2, at=2)]
    assert table("6a", 3) == [more(2)]
    assert table("6a", 4) == [broken(Fault.FLAGS_PUBREL, 0)]
    assert table("30", 0) == [broken(Fault.FIRST_NOT_CONNECT, 0)]
    assert table("20", 5, sender=CLIENT) == [broken(Fault.SENDER, 0)]
    assert table("10", 5, sender=SERVER) == [broken(Fault.SENDER, 0)]


def test_faults_of_the_remaining_length() -> None:
    assert table("30 80808080", 4) == [broken(Fault.LENGTH_OVER_FOUR_BYTES, 1)]
    assert table("c000 30 ffffff80", 5) == [
        (0xC0, 2, 0, 0, 0, 0, 2),
        broken(Fault.LENGTH_OVER_FOUR_BYTES, 3, at=2),
    ]
    assert table("30 8000", 5) == [broken(Fault.LENGTH_NOT_MINIMAL, 1)]
    assert table("30 ff8000", 5) == [broken(Fault.LENGTH_NOT_MINIMAL, 1)]
    assert table("40 01", 5) == [broken(Fault.LENGTH_WRONG, 1)]
    assert table("c0 01", 5) == [broken(Fault.LENGTH_WRONG, 1)]
    assert table("40 03", 4) == [broken(Fault.LENGTH_WRONG, 1)]


@pytest.mark.parametrize("version", [0, 3, 4])
def test_a_length_may_be_longer_than_need_be_before_5(version: int) -> None:
    assert table("10 81808000 00", version) == [(0x10, 5, 0, 0, 0, 0, 6), done(6)]


def test_faults_of_the_size() -> None:
    assert table("30 03 0001 61", 4, limit=5) == [(0x30, 4, 5, 0, 5, 5, 5), done(5)]
    assert table("30 03 0001 61", 4, limit=4) == [broken(Fault.PACKET_TOO_LARGE, 0)]
    assert table("c000 30 03", 4, limit=4) == [
        (0xC0, 2, 0, 0, 0, 0, 2),
        broken(Fault.PACKET_TOO_LARGE, 2, at=2),
    ]
    assert table("30 ffffff7f", 5, limit=MAX_PACKET_SIZE - 1) == [broken(Fault.PACKET_TOO_LARGE, 0)]
    # not before the length is all there
    assert table("30 ffffff", 5, limit=1) == [more(5)]


# fmt: off
BODIES: Final = [
    (4, "30 01 00", Fault.TRUNCATED, 2),
    (4, "30 03 0002 61", Fault.TRUNCATED, 2),
    (4, "32 04 0001 61 00", Fault.TRUNCATED, 5),
    (4, "32 05 0001 61 0000", Fault.PACKET_ID, 5),
    (4, "30 02 0000", Fault.TOPIC_MISSING, 2),
    (4, "30 04 0002 c328", Fault.UTF8, 4),
    (4, "30 04 0002 6100", Fault.NULL_CHARACTER, 5),
    (4, "30 04 0002 6123", Fault.TOPIC_WILDCARD, 5),
    (5, "30 03 0001 61", Fault.TRUNCATED, 5),
    (5, "30 05 0001 61 8000", Fault.LENGTH_NOT_MINIMAL, 5),
    (5, "30 07 0001 61 80808080", Fault.LENGTH_OVER_FOUR_BYTES, 5),
    (5, "30 04 0001 61 01", Fault.PROPERTY_LENGTH, 5),
    (5, "30 05 0001 61 01 7f", Fault.PROPERTY_UNKNOWN, 6),
    (5, "30 03 0000 00", Fault.TOPIC_MISSING, 2),
    (5, "30 05 0000 02 0101", Fault.TOPIC_MISSING, 2),
    (4, "40 02 0000", Fault.PACKET_ID, 2),
    (5, "40 03 0001 01", Fault.PUBACK_REASON, 4),
    (5, "50 03 0001 92", Fault.PUBREC_REASON, 4),
    (5, "62 03 0001 10", Fault.PUBREL_REASON, 4),
    (5, "70 03 0001 ff", Fault.PUBCOMP_REASON, 4),
    (5, "40 04 0001 00 80", Fault.TRUNCATED, 5),
    (5, "40 04 0001 00 01", Fault.PROPERTY_LENGTH, 5),
    (5, "40 05 0001 00 01 01", Fault.PROPERTY_MISPLACED, 6),
    (5, "40 05 0001 00 00 00", Fault.TRAILING_BYTES, 6),
]
# fmt: on


@pytest.mark.parametrize(("version", "text", "fault", "position"), BODIES)
def test_faults_of_a_body(version: int, text: str, fault: Fault, position: int) -> None:
    assert table(text, version) == [broken(fault, position)]
    # the same behind another packet
    status = broken(fault, position + 2, at=2)
    assert table(f"c000 {text} ff", version) == [(0xC0, 2, 0, 0, 0, 0, 2), status]


def test_properties_of_the_wrong_sender() -> None:
    text = "30 06 0001 61 02 0b01"
    status = broken(Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT, 6)
    assert table(text, 5, sender=CLIENT) == [status]
    for sender in (EITHER, SERVER):
        assert table(text, 5, sender=sender) == [(0x30, 4, 5, 0, 6, 8, 8), done(8)]
