"""The data representations of section 1.5, read and written side by side.

Readers work on one packet's bytes and raise :class:`FaultFound`, which never leaves the codec.
Writers return bytes and raise :class:`~mqttproto.errors.InvalidValueError`, naming the field.
"""

from typing import Final, final

from mqttproto.codec.faults import Fault, refusal
from mqttproto.constants import MAX_REMAINING_LENGTH, ProtocolVersion
from mqttproto.errors import InvalidValueError, PacketTooLargeError

__all__ = [
    "BYTES",
    "FaultFound",
    "Reader",
    "as_bytes",
    "binary",
    "check_topic",
    "check_utf8",
    "fixed_header",
    "integer",
    "remaining_length",
    "sized",
    "surrogate",
    "utf8",
    "utf8_size",
    "varint",
    "varint_size",
]

_MAX_STRING: Final = 65_535

BYTES: Final[list[bytes]] = [bytes((value,)) for value in range(256)]
"""Each byte by its value. Joining these is quicker than converting numbers."""


class FaultFound(Exception):
    """A fault and its position in the bytes at hand: how readers stop.

    :ivar fault: a :class:`~mqttproto.codec.faults.Fault`.
    :ivar position: an index into the data that was being read.
    """

    def __init__(self, fault: int, position: int) -> None:
        super().__init__(fault, position)
        self.fault: Final = fault
        self.position: Final = position


def check_utf8(data: bytes, start: int, end: int) -> None:
    """Check the UTF-8 Encoded String that is ``data[start:end]`` without its length.

    :raises FaultFound: at the first byte of the first ill-formed sequence, or at the first
        U+0000, whichever comes first (5.0: MQTT-1.5.4-1, MQTT-1.5.4-2).
    """
    text = data[start:end]
    null = text.find(0)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        if null < 0 or error.start < null:
            raise FaultFound(Fault.UTF8, start + error.start) from None
    if null >= 0:
        raise FaultFound(Fault.NULL_CHARACTER, start + null)


def check_topic(data: bytes, start: int, end: int, wildcard: int) -> None:
    """Check the topic name ``data[start:end]``: the first offending byte decides the fault.

    :raises FaultFound: as :func:`check_utf8`, or ``wildcard`` at + or #.
    """
    name = data[start:end]
    found = -1
    for character in (0x2B, 0x23):
        position = name.find(character)
        if position >= 0 and (found < 0 or position < found):
            found = position
    if found < 0:
        if not (name.isascii() and 0 not in name):
            check_utf8(data, start, end)
        return
    # Before the wildcard any fault is an earlier one. A sequence cannot end in a wildcard, so one
    # that is cut off by it is ill-formed either way.
    check_utf8(data, start, start + found)
    raise FaultFound(wildcard, start + found)


@final
class Reader:
    """A cursor over one packet: ``data[position:end]`` is what is left of it."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data: bytes = data
        self.position: int = position
        self.end: int = end

    def _take(self, size: int, field: int) -> int:
        """Step over ``size`` bytes of the field that began at ``field``."""
        start = self.position
        if start + size > self.end:
            raise FaultFound(Fault.TRUNCATED, field)
        self.position = start + size
        return start

    def u8(self) -> int:
        """One byte."""
        return self.data[self._take(1, self.position)]

    def u16(self) -> int:
        """A Two Byte Integer (5.0 section 1.5.2)."""
        start = self._take(2, self.position)
        return self.data[start] << 8 | self.data[start + 1]

    def u32(self) -> int:
        """A Four Byte Integer (5.0 section 1.5.3)."""
        start = self._take(4, self.position)
        return int.from_bytes(self.data[start : start + 4], "big")

    def packet_id(self) -> int:
        """A packet identifier: a Two Byte Integer that is not 0 (section 2.2.1)."""
        field = self.position
        packet_id = self.u16()
        if packet_id == 0:
            raise FaultFound(Fault.PACKET_ID, field)
        return packet_id

    def varint(self) -> int:
        """A Variable Byte Integer of 5.0: one to four bytes, as few as possible (MQTT-1.5.5-1)."""
        start = self.position
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.data[self._take(1, start)]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise FaultFound(Fault.LENGTH_NOT_MINIMAL, start)
                return value
        raise FaultFound(Fault.LENGTH_OVER_FOUR_BYTES, start)

    def binary(self) -> bytes:
        """Binary Data with its length (5.0 section 1.5.6)."""
        field = self.position
        size = self.u16()
        start = self._take(size, field)
        return self.data[start : start + size]

    def utf8(self) -> str:
        """A UTF-8 Encoded String with its length (5.0 section 1.5.4)."""
        field = self.position
        size = self.u16()
        start = self._take(size, field)
        text = self.data[start : start + size]
        if text.isascii() and 0 not in text:
            return text.decode()
        check_utf8(self.data, start, start + size)
        return text.decode()

    def topic_name(self, wildcard: int) -> str:
        """A topic name with its length; ``wildcard`` is the fault of + or # in it."""
        field = self.position
        size = self.u16()
        start = self._take(size, field)
        if not size:
            raise FaultFound(Fault.NAME_EMPTY, field)
        check_topic(self.data, start, start + size, wildcard)
        return self.data[start : start + size].decode()

    def finish(self) -> None:
        """Check that nothing is left."""
        if self.position != self.end:
            raise FaultFound(Fault.TRAILING_BYTES, self.position)


def as_bytes(field: str, value: object) -> bytes:
    """``value`` as bytes, if it is a buffer of bytes.

    :raises TypeError: if it is not.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"{field}: bytes are needed, not {type(value).__name__}")


def integer(field: str, value: object, low: int, high: int) -> int:
    """``value`` if it is an integer of ``low`` to ``high``.

    :raises InvalidValueError: if it is out of range.
    :raises TypeError: if it is no integer.
    """
    if not isinstance(value, int):
        raise TypeError(f"{field}: an integer is needed, not {type(value).__name__}")
    if not low <= value <= high:
        raise InvalidValueError(field, f"must be {low} to {high}, not {value}")
    return value


def varint_size(value: int) -> int:
    """The size in bytes of ``value`` as a Variable Byte Integer: 1 to 4."""
    if value < 0x80:
        return 1
    if value < 0x4000:
        return 2
    return 3 if value < 0x200000 else 4


def varint(value: int) -> bytes:
    """``value``, 0 to 268,435,455, as a Variable Byte Integer (5.0 section 1.5.5)."""
    if value < 0x80:
        return BYTES[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def remaining_length(size: int, field: str, version: int) -> bytes:
    """The Remaining Length of a packet with ``size`` bytes behind its fixed header.

    :raises PacketTooLargeError: if ``size`` exceeds 268,435,455.
    """
    if size > MAX_REMAINING_LENGTH:
        raise refusal(field, Fault.REMAINING_LENGTH, version, str(size), PacketTooLargeError)
    return varint(size)


def fixed_header(first: int, size: int, field: str, version: int) -> bytes:
    """The fixed header of a packet with ``size`` bytes behind it.

    :raises PacketTooLargeError: if ``size`` exceeds 268,435,455.
    """
    if size < 0x80:
        return BYTES[first] + BYTES[size]
    return BYTES[first] + remaining_length(size, field, version)


def sized(data: bytes) -> bytes:
    """``data``, at most 65,535 bytes, behind its length in two bytes."""
    return len(data).to_bytes(2, "big") + data


def utf8(field: str, text: str, version: int = ProtocolVersion.MQTT5) -> bytes:
    """``text`` as a UTF-8 Encoded String with its length.

    :raises InvalidValueError: if it has a surrogate, U+0000, or more than 65,535 bytes.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise surrogate(field, error, version) from None
    except AttributeError:
        raise TypeError(f"{field}: a str is needed, not {type(text).__name__}") from None
    if "\0" in text:
        raise refusal(field, Fault.NULL_CHARACTER, version)
    size = len(data)
    if size > _MAX_STRING:
        raise refusal(field, Fault.STRING_TOO_LONG, version, str(size))
    return sized(data)


def surrogate(field: str, error: UnicodeEncodeError, version: int) -> InvalidValueError:
    """The error for a string that cannot be encoded."""
    return refusal(field, Fault.UTF8, version, f"a surrogate at character {error.start}")


def utf8_size(text: str) -> int:
    """The size in bytes of ``text`` as a UTF-8 Encoded String with its length."""
    return 2 + (len(text) if text.isascii() else len(text.encode()))


def binary(field: str, data: bytes, version: int = ProtocolVersion.MQTT5) -> bytes:
    """``data`` as Binary Data with its length.

    :raises InvalidValueError: if it has more than 65,535 bytes.
    """
    size = len(data)
    if size > _MAX_STRING:
        raise refusal(field, Fault.BINARY_TOO_LONG, version, str(size))
    return sized(data)
