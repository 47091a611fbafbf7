"""The scanner in Python: the reference for ``_scan.c``, and its stand-in where that is missing.

:mod:`mqttproto.codec.scanner` says what a frame table holds.
"""

from typing import Final

from mqttproto.codec.faults import Fault
from mqttproto.codec.headers import SENDERS, first_byte_faults, lengths
from mqttproto.codec.properties import check_block
from mqttproto.codec.reasons import reason_allowed
from mqttproto.codec.wire import FaultFound, Reader, check_topic
from mqttproto.constants import PacketType

__all__ = ["COLUMNS", "REASON_FAULTS", "scan"]

COLUMNS: Final[int] = 7
"""The cells of a row of the frame table."""

_CONNECT: Final[int] = PacketType.CONNECT
_PUBLISH: Final[int] = PacketType.PUBLISH
_PUBACK: Final[int] = PacketType.PUBACK
_PUBCOMP: Final[int] = PacketType.PUBCOMP
_TOPIC_ALIAS: Final[int] = 0x23
REASON_FAULTS: Final[dict[int, int]] = {
    PacketType.PUBACK: Fault.PUBACK_REASON,
    PacketType.PUBREC: Fault.PUBREC_REASON,
    PacketType.PUBREL: Fault.PUBREL_REASON,
    PacketType.PUBCOMP: Fault.PUBCOMP_REASON,
}


def scan(
    data: bytes, start: int, beyond: int, version: int, sender: int, limit: int, capacity: int
) -> list[int]:
    """Find the frames of ``data[start:]``: see :meth:`~mqttproto.codec.scanner.FrameTable.scan`."""
    first_bytes = first_byte_faults(version, sender)
    least, most = lengths(version)
    size = len(data)
    cells: list[int] = []
    at = start
    needed = 0
    while at < size and len(cells) < capacity * COLUMNS:
        total = 0
        try:
            first = data[at]
            if first_bytes[first]:
                raise FaultFound(first_bytes[first], at)
            remaining, body = _remaining_length(data, at + 1, size, version)
            if body == 0:
                needed = size - at + 1
                break
            kind = first >> 4
            total = body - at + remaining
            if total > limit:
                raise FaultFound(Fault.PACKET_TOO_LARGE, at)
            if not least[kind] <= remaining <= most[kind]:
                raise FaultFound(Fault.LENGTH_WRONG, at + 1)
            if at + total > size + beyond:
                needed = total
                break
            reader = Reader(data, body, min(at + total, size))
            if kind == _PUBLISH:
                row = _publish(reader, at, at + total, first, version, sender)
            elif at + total > size:
                needed = total
                break
            elif _PUBACK <= kind <= _PUBCOMP:
                row = _acknowledgement(reader, at, at + total, kind, sender)
            else:
                row = (body - at, 0, 0, 0, 0)
        except FaultFound as found:
            if found.fault != Fault.TRUNCATED or at + total <= size:
                cells += (found.fault, found.position, 0, 0, 0, 0, at)
                return cells
            needed = total  # it is not the packet that ends here, but the bytes at hand
            break
        cells += (first, *row, total)
        at += total
        if kind == _CONNECT:
            break
    cells += (0, 0, needed, 0, 0, 0, at)
    return cells


def _remaining_length(data: bytes, start: int, size: int, version: int) -> tuple[int, int]:
    """The Remaining Length at ``start`` and the position behind it; 0, 0 if it is incomplete."""
    value = 0
    for index in range(4):
        if start + index >= size:
            return 0, 0
        byte = data[start + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if version == 5 and byte == 0 and index:
                raise FaultFound(Fault.LENGTH_NOT_MINIMAL, start)
            return value, start + index + 1
    raise FaultFound(Fault.LENGTH_OVER_FOUR_BYTES, start)


def _block_end(reader: Reader, end: int) -> int:
    """Read a Property Length; where the block that it announces ends, at most ``end``."""
    field = reader.position
    block_end = reader.varint() + reader.position
    if block_end > end:
        raise FaultFound(Fault.PROPERTY_LENGTH, field)
    if block_end > reader.end:
        raise FaultFound(Fault.TRUNCATED, field)
    return block_end


def _publish(
    reader: Reader, at: int, end: int, first: int, version: int, sender: int
) -> tuple[int, int, int, int, int]:
    """The middle cells of a PUBLISH from ``at`` to ``end``."""
    field = reader.position
    topic_end = reader.u16() + reader.position
    topic = reader.position
    if topic_end > reader.end:
        raise FaultFound(Fault.TRUNCATED, field)
    check_topic(reader.data, topic, topic_end, Fault.TOPIC_WILDCARD)
    reader.position = topic_end
    packet_id = reader.packet_id() if first & 0b0110 else 0
    block = block_end = reader.position
    seen = 0
    if version == 5:
        block_end = _block_end(reader, end)
        block = reader.position
        seen = check_block(reader.data, block, block_end, _PUBLISH, sender)
    if topic == topic_end and not seen >> _TOPIC_ALIAS & 1:
        raise FaultFound(Fault.TOPIC_MISSING, field)
    return topic - at, topic_end - at, packet_id, block - at, block_end - at


def _acknowledgement(
    reader: Reader, at: int, end: int, kind: int, sender: int
) -> tuple[int, int, int, int, int]:
    """The middle cells of a PUBACK, PUBREC, PUBREL or PUBCOMP from ``at`` to ``end``."""
    packet_id = reader.packet_id()
    reason = 0
    block = block_end = reader.position
    if block < end:
        field = reader.position
        reason = reader.u8()
        if not reason_allowed(kind, reason, SENDERS[sender]):
            raise FaultFound(REASON_FAULTS[kind], field)
        block = block_end = reader.position
        if block < end:
            block_end = _block_end(reader, end)
            block = reader.position
            check_block(reader.data, block, block_end, kind, sender)
            if block_end != end:
                raise FaultFound(Fault.TRAILING_BYTES, block_end)
    return reason, 0, packet_id, block - at, block_end - at
