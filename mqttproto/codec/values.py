"""The values of properties: checked as they are given, encoded, and decoded from a checked block.

They are kept by the identifiers of their properties: integers, strings and bytes, and tuples of
integers or of pairs of strings for the two properties that may stand more than once.
"""

from typing import Any, Final

from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.properties import BY_ID, PropertyRow, WireType
from mqttproto.codec.wire import BYTES, Reader, as_bytes, binary, sized, utf8, varint
from mqttproto.topics import name_problem

__all__ = ["checked_value", "decode_values", "encode_values"]

_NUMBER_SIZES: Final[tuple[int, ...]] = (1, 2, 4)
"""By wire type: the first three are numbers of this many bytes."""

_WIRES: Final[list[int]] = [WireType.BYTE if row is None else row.wire for row in BY_ID]


def checked_value(row: PropertyRow, value: Any) -> Any:
    """``value`` in the form that is kept.

    :raises InvalidValueError: if it is outside of the property's range.
    :raises TypeError: if it is of the wrong type.
    """
    field = f"Properties.{row.name}"
    wire = row.wire
    if wire == WireType.VARINT:
        return tuple(_number(field, row, item) for item in value)
    if wire == WireType.PAIR:
        pairs = tuple((name, text) for name, text in value)
        for name, text in pairs:
            utf8(field, name)
            utf8(field, text)
        return pairs
    if wire == WireType.BINARY:
        data = as_bytes(field, value)
        binary(field, data)
        return data
    if wire < len(_NUMBER_SIZES):
        return _number(field, row, value)
    utf8(field, value)
    if wire == WireType.TOPIC_NAME and name_problem(value) is not None:
        fault = Fault.RESPONSE_TOPIC_WILDCARD if value else Fault.NAME_EMPTY
        raise refusal(field, fault)
    return value


def _number(field: str, row: PropertyRow, value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{field}: an integer is needed, not {type(value).__name__}")
    if not row.low <= value <= row.high:
        raise refusal(field, row.range_fault or Fault.OUT_OF_RANGE, detail=str(value))
    return int(value)


def encode_values(values: dict[int, Any]) -> bytes:
    """The block of values that are known to be valid."""
    parts: list[bytes] = []
    for number, value in values.items():
        key = BYTES[number]
        wire = _WIRES[number]
        if wire == WireType.PAIR:
            for name, text in value:
                parts += (key, sized(name.encode()), sized(text.encode()))
        elif wire == WireType.VARINT:
            for item in value:
                parts += (key, varint(item))
        elif wire == WireType.BINARY:
            parts += (key, sized(value))
        elif wire < len(_NUMBER_SIZES):
            parts += (key, int(value).to_bytes(_NUMBER_SIZES[wire], "big"))
        else:
            parts += (key, sized(value.encode()))
    return b"".join(parts)


def decode_values(block: bytes) -> dict[int, Any]:
    """The values of a block that is known to be valid."""
    values: dict[int, Any] = {}
    several: dict[int, list[Any]] = {}
    at = 0
    while at < len(block):
        number = block[at]
        wire = _WIRES[number]
        at += 1
        if wire >= WireType.UTF8:
            data, at = _take(block, at)
            if wire == WireType.PAIR:
                text, at = _take(block, at)
                several.setdefault(number, []).append((data.decode(), text.decode()))
            else:
                values[number] = data if wire == WireType.BINARY else data.decode()
        elif wire == WireType.VARINT:
            reader = Reader(block, at, len(block))
            several.setdefault(number, []).append(reader.varint())
            at = reader.position
        else:
            end = at + _NUMBER_SIZES[wire]
            values[number] = int.from_bytes(block[at:end], "big")
            at = end
    for number, items in several.items():
        values[number] = tuple(items)
    return values


def _take(block: bytes, at: int) -> tuple[bytes, int]:
    """What stands at ``at`` with its length, and the position behind it."""
    start = at + 2
    end = start + (block[at] << 8 | block[at + 1])
    return block[start:end], end
