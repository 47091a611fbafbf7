"""The scanner in C and the one in Python return the same table for the same arguments."""

from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, DrawFn, SearchStrategy

from mqttproto.codec import FrameTable, pyscan, scanner
from mqttproto.codec.headers import SENDERS, VERSIONS
from mqttproto.constants import MAX_PACKET_SIZE, PacketType
from mqttproto.testing import strategies as mqtt

pytestmark = pytest.mark.skipif(
    scanner.backend != "c", reason="this process does not use the C scanner"
)


FREQUENT = {
    PacketType.PUBLISH,
    PacketType.PUBACK,
    PacketType.PUBREC,
    PacketType.PUBREL,
    PacketType.PUBCOMP,
    PacketType.PINGREQ,
    PacketType.PINGRESP,
}


class Scan(NamedTuple):
    """The arguments of a scan."""

    data: bytes
    start: int
    beyond: int
    version: int
    sender: int
    limit: int


def limits() -> SearchStrategy[int]:
    return st.one_of(st.just(MAX_PACKET_SIZE), st.integers(1, 300))


@st.composite
def scans_of_streams(draw: DrawFn) -> Scan:
    """A legal stream or a malformed one, as its receiver scans it, cut off or not."""
    stream = draw(st.one_of(mqtt.wire_bytes(), mqtt.malformed()))
    start = draw(st.sampled_from([0, *stream.offsets]))
    end = draw(st.one_of(st.just(len(stream.data)), st.integers(start, len(stream.data))))
    return Scan(
        stream.data[:end],
        start,
        draw(st.sampled_from([0, len(stream.data) - end, 100_000])),
        draw(st.sampled_from([stream.version or 0, 0])),
        draw(st.sampled_from([SENDERS.index(stream.sender), 0])),
        stream.max_packet_size if isinstance(stream, mqtt.Malformed) else draw(limits()),
    )


@st.composite
def scans_of_anything(draw: DrawFn) -> Scan:
    """Mutated or random bytes, scanned as those of any version and end, from anywhere."""
    stream = draw(st.one_of(mqtt.wire_bytes(connected=True), mqtt.malformed()))
    data = draw(st.one_of(mqtt.mutations(stream.data), st.binary(max_size=100)))
    return Scan(
        data,
        draw(st.one_of(st.just(0), st.integers(0, len(data)))),
        draw(st.sampled_from([0, 1, 100_000])),
        draw(st.sampled_from([stream.version or 0, *VERSIONS])),
        draw(st.integers(0, len(SENDERS) - 1)),
        draw(limits()),
    )


@given(scan=st.one_of(scans_of_streams(), scans_of_anything()), capacity=st.integers(1, 8))
def test_both_scanners_return_the_same(scan: Scan, capacity: int) -> None:
    assert FrameTable(capacity).scan(*scan) == pyscan.scan(*scan, capacity)


@given(scan=st.one_of(scans_of_streams(), scans_of_anything()), data=st.data())
def test_one_frame_is_that_of_the_table(scan: Scan, data: DataObject) -> None:
    """A chunk that is one frame is found the short way too, with the same cells."""
    version, sender = scan.version, scan.sender
    rows = pyscan.scan(scan.data, scan.start, 0, version, sender, MAX_PACKET_SIZE, 8)
    lengths = rows[pyscan.COLUMNS - 1 : -pyscan.COLUMNS : pyscan.COLUMNS]
    starts = list(accumulate(lengths, initial=scan.start))
    start = data.draw(st.sampled_from(starts))
    for size in (*lengths[starts.index(start) :][:1], len(scan.data) - start):
        chunk = scan.data[start : start + size]
        found = scanner.scan_one(chunk, size, version, sender)
        *row, length = pyscan.scan(chunk, 0, 0, version, sender, MAX_PACKET_SIZE, 1)[:7]
        whole = length == size and row[0] >> 4 in FREQUENT and size <= scanner.MOST_OF_ONE
        _, first, second, third, fourth, fifth = row
        packed = third << 44 | first << 36 | second << 24 | fourth << 12 | fifth
        assert found == (packed if whole else 0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sender", range(len(SENDERS)))
@given(rest=st.binary(max_size=6))
@settings(max_examples=max(5, settings().max_examples // 10))
def test_both_scanners_judge_every_first_byte_alike(version: int, sender: int, rest: bytes) -> None:
    table = FrameTable()
    for first in range(0x100):
        scan = Scan(bytes((first,)) + rest, 0, 0, version, sender, MAX_PACKET_SIZE)
        assert table.scan(*scan) == pyscan.scan(*scan, table.capacity)
