"""The values of properties: checked as they are given, encoded, and decoded from a checked block.

They are kept by the identifiers of their properties: integers, strings and bytes, and tuples of
integers or of pairs of strings for the two properties that may stand more than once.
"""

from collections.abc import Iterable
from typing import Any, Final, TypedDict

from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.properties import BY_ID, PropertyRow, WireType
from mqttproto.codec.wire import BYTES, Reader, as_bytes, binary, sized, utf8, varint
from mqttproto.constants import QoS
from mqttproto.topics import name_problem

__all__ = [
    "PropertyValues",
    "block_without",
    "checked_value",
    "decode_values",
    "encode_values",
    "find_property",
]

_NUMBER_SIZES: Final[list[int]] = [1, 2, 4]
"""By wire type: the first three are numbers of this many bytes."""

_SUBSCRIPTION_IDENTIFIERS: Final = 0x0B
_USER_PROPERTIES: Final = 0x26

_WIRES: Final[list[int]] = [WireType.BYTE if row is None else row.wire for row in BY_ID]


class PropertyValues(TypedDict, total=False):
    """What the constructor of :class:`~mqttproto.codec.block.Properties` takes: any of these."""

    payload_format_indicator: int | None
    message_expiry_interval: int | None
    content_type: str | None
    response_topic: str | None
    correlation_data: bytes | bytearray | memoryview | None
    subscription_identifiers: Iterable[int] | None
    session_expiry_interval: int | None
    assigned_client_identifier: str | None
    server_keep_alive: int | None
    authentication_method: str | None
    authentication_data: bytes | bytearray | memoryview | None
    request_problem_information: bool | None
    will_delay_interval: int | None
    request_response_information: bool | None
    response_information: str | None
    server_reference: str | None
    reason_string: str | None
    receive_maximum: int | None
    topic_alias_maximum: int | None
    topic_alias: int | None
    maximum_qos: QoS | int | None
    retain_available: bool | None
    user_properties: Iterable[tuple[str, str]] | None
    maximum_packet_size: int | None
    wildcard_subscription_available: bool | None
    subscription_identifier_available: bool | None
    shared_subscription_available: bool | None


def checked_value(row: PropertyRow, value: Any) -> Any:
    """``value`` in the form that is kept.

    :raises InvalidValueError: if it is outside of the property's range.
    :raises TypeError: if it is of the wrong type.
    """
    wire = row.wire
    if wire < len(_NUMBER_SIZES):
        return _number(row, value)
    if wire == WireType.PAIR:
        return tuple([_pair(row, item) for item in _several(row, value)])
    if wire == WireType.VARINT:
        return tuple([_number(row, item) for item in _several(row, value)])
    if wire == WireType.BINARY:
        data = as_bytes(_field(row), value)
        binary(_field(row), data)
        return data
    utf8(_field(row), value)
    if wire == WireType.TOPIC_NAME and name_problem(value) is not None:
        fault = Fault.RESPONSE_TOPIC_WILDCARD if value else Fault.NAME_EMPTY
        raise refusal(_field(row), fault)
    return value


def _field(row: PropertyRow) -> str:
    return f"Properties.{row.name}"


def _several(row: PropertyRow, value: Any) -> Iterable[Any]:
    if isinstance(value, (tuple, list)):
        return value
    if isinstance(value, str) or not isinstance(value, Iterable):
        kind = type(value).__name__
        raise TypeError(f"{_field(row)}: an iterable of values is needed, not {kind}")
    return value


def _pair(row: PropertyRow, value: Any) -> tuple[str, str]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{_field(row)}: pairs of name and value are needed, not {value!r}")
    name, text = value
    utf8(_field(row), name)
    utf8(_field(row), text)
    return name, text


def _number(row: PropertyRow, value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{_field(row)}: an integer is needed, not {type(value).__name__}")
    if not row.low <= value <= row.high:
        raise refusal(_field(row), row.range_fault or Fault.OUT_OF_RANGE, detail=str(value))
    return int(value)


def encode_values(values: dict[int, Any]) -> bytes:
    """The block of values that are known to be valid."""
    parts: list[bytes] = []
    for number, value in values.items():
        key = BYTES[number]
        wire = _WIRES[number]
        if wire == WireType.PAIR:
            pairs: tuple[tuple[str, str], ...] = value
            for name, text in pairs:
                parts.append(key)
                parts.append(sized(name.encode()))
                parts.append(sized(text.encode()))
        elif wire >= WireType.UTF8:
            data: bytes = value if wire == WireType.BINARY else str(value).encode()
            parts.append(key)
            parts.append(sized(data))
        elif wire == WireType.VARINT:
            identifiers: tuple[int, ...] = value
            for identifier in identifiers:
                parts.append(key)
                parts.append(varint(identifier))
        else:
            number_value: int = value
            parts.append(key)
            parts.append(number_value.to_bytes(_NUMBER_SIZES[wire], "big"))
    return b"".join(parts)


def decode_values(block: bytes) -> dict[int, Any]:
    """The values of a block that is known to be valid."""
    values: dict[int, Any] = {}
    pairs: list[tuple[str, str]] = []
    identifiers: list[int] = []
    size = len(block)
    at = 0
    while at < size:
        number = block[at]
        wire = _WIRES[number]
        start = at + 1
        if wire >= WireType.UTF8:
            start = at + 3
            at = start + (block[at + 1] << 8 | block[at + 2])
            data = block[start:at]
            if wire == WireType.PAIR:
                values[number] = ()  # here is its place, if there are more of them or not
                start = at + 2
                at = start + (block[at] << 8 | block[at + 1])
                pairs.append((data.decode(), block[start:at].decode()))
            else:
                values[number] = data if wire == WireType.BINARY else data.decode()
        elif wire == WireType.VARINT:
            values[number] = ()
            reader = Reader(block, start, size)
            identifiers.append(reader.varint())
            at = reader.position
        else:
            at = start + _NUMBER_SIZES[wire]
            values[number] = int.from_bytes(block[start:at], "big")
    if pairs:
        values[_USER_PROPERTIES] = tuple(pairs)
    if identifiers:
        values[_SUBSCRIPTION_IDENTIFIERS] = tuple(identifiers)
    return values


def _behind(block: bytes, at: int) -> int:
    """Where the property ends that begins at ``at`` in a block that is known to be valid."""
    wire = _WIRES[block[at]]
    if wire >= WireType.UTF8:
        end = at + 3 + (block[at + 1] << 8 | block[at + 2])
        if wire == WireType.PAIR:
            end += 2 + (block[end] << 8 | block[end + 1])
        return end
    if wire != WireType.VARINT:
        return at + 1 + _NUMBER_SIZES[wire]
    end = at + 1
    while block[end] >= 0x80:
        end += 1
    return end + 1


def find_property(block: bytes, number: int) -> int:
    """Where the first property ``number`` begins in a valid block; -1 if there is none."""
    size = len(block)
    at = 0
    while at < size:
        if block[at] == number:
            return at
        at = _behind(block, at)
    return -1


def block_without(block: bytes, one: int, other: int) -> bytes:
    """A valid block without the properties ``one`` and ``other``; itself if there are none."""
    size = len(block)
    kept = at = 0
    parts: list[bytes] = []
    while at < size:
        number = block[at]
        end = _behind(block, at)
        if number in (one, other):
            parts.append(block[kept:at])
            kept = end
        at = end
    if not kept:
        return block
    parts.append(block[kept:])
    return b"".join(parts)
