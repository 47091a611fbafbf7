"""A second reader of MQTT, which shares nothing with the package under test.

It is there to check ``mqttproto.codec`` against: written from the tables of the standards alone,
for plainness and not for speed. It reads one direction of a connection and tells each packet as a
dict that JSON can hold:

- every packet has ``name``, ``offset`` (where its first byte stands in the stream), ``length`` (of
  the whole packet, in bytes) and ``flags`` (the low half of its first byte);
- the other keys are the fields of the packet, in their order on the wire. A packet id, a will, a
  user name or a password that the packet does not have is None;
- ``properties`` exists in 5.0 only: a list of ``[name, value]``, in their order on the wire;
- a reason code that 5.0 lets the sender leave out is 0, as the standard has it;
- binary data is hexadecimal text; a payload is told by its length and its CRC-32.

Its input is taken to be valid. What it cannot read, because it is malformed or cut off, raises
:class:`ValueError`; for all that a valid stream has to be beyond readable it does not look.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

__all__ = ["TYPES", "CutOffError", "Frame", "PacketDict", "decode", "frames"]

PacketDict = dict[str, object]
"""A packet: the names of its fields, and their values."""


class CutOffError(ValueError):
    """The bytes end before what they should hold."""


class Frame(NamedTuple):
    """One packet, by its fixed header: it takes up ``stream[offset:end]``."""

    offset: int
    end: int
    type: int
    flags: int
    body: bytes

    @property
    def name(self) -> str:
        return TYPES[self.type][0]


class Reader:
    """The data types of the standard (5.0 section 1.5), read one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def more(self) -> bool:
        """Whether anything is left to read."""
        return self.at < len(self.data)

    def take(self, length: int) -> bytes:
        if len(self.data) - self.at < length:
            raise CutOffError(f"{length} bytes are wanted, {len(self.data) - self.at} are left")
        self.at += length
        return self.data[self.at - length : self.at]

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def byte(self) -> int:
        return self.integer(1)

    def two_bytes(self) -> int:
        return self.integer(2)

    def four_bytes(self) -> int:
        return self.integer(4)

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value += (digit & 0x7F) << shift
            if digit < 0x80:
                return value
        raise ValueError("a variable byte integer has more than four bytes")

    def sized(self) -> bytes:
        return self.take(self.two_bytes())

    def binary(self) -> str:
        return self.sized().hex()

    def text(self) -> str:
        return self.sized().decode("utf-8")

    def pair(self) -> list[str]:
        return [self.text(), self.text()]

    def properties(self) -> list[list[object]]:
        block = Reader(self.take(self.variable()))
        found: list[list[object]] = []
        while block.more:
            number = block.variable()
            if number not in PROPERTIES:
                raise ValueError(f"no property has the id {number:#04x}")
            name, read = PROPERTIES[number]
            found.append([name, read(block)])
        return found


PROPERTIES: Final[dict[int, tuple[str, Callable[[Reader], object]]]] = {
    0x01: ("payload_format_indicator", Reader.byte),
    0x02: ("message_expiry_interval", Reader.four_bytes),
    0x03: ("content_type", Reader.text),
    0x08: ("response_topic", Reader.text),
    0x09: ("correlation_data", Reader.binary),
    0x0B: ("subscription_identifier", Reader.variable),
    0x11: ("session_expiry_interval", Reader.four_bytes),
    0x12: ("assigned_client_identifier", Reader.text),
    0x13: ("server_keep_alive", Reader.two_bytes),
    0x15: ("authentication_method", Reader.text),
    0x16: ("authentication_data", Reader.binary),
    0x17: ("request_problem_information", Reader.byte),
    0x18: ("will_delay_interval", Reader.four_bytes),
    0x19: ("request_response_information", Reader.byte),
    0x1A: ("response_information", Reader.text),
    0x1C: ("server_reference", Reader.text),
    0x1F: ("reason_string", Reader.text),
    0x21: ("receive_maximum", Reader.two_bytes),
    0x22: ("topic_alias_maximum", Reader.two_bytes),
    0x23: ("topic_alias", Reader.two_bytes),
    0x24: ("maximum_qos", Reader.byte),
    0x25: ("retain_available", Reader.byte),
    0x26: ("user_property", Reader.pair),
    0x27: ("maximum_packet_size", Reader.four_bytes),
    0x28: ("wildcard_subscription_available", Reader.byte),
    0x29: ("subscription_identifier_available", Reader.byte),
    0x2A: ("shared_subscription_available", Reader.byte),
}
"""The properties (5.0 section 2.2.2.2): id, name, and how to read the value."""


def properties(reader: Reader, version: str) -> PacketDict:
    return {"properties": reader.properties()} if version == "5.0" else {}


def payload(data: bytes) -> PacketDict:
    return {"payload_length": len(data), "payload_crc32": zlib.crc32(data)}


def connect(reader: Reader, _: int, version: str) -> PacketDict:
    protocol_name = reader.text()
    protocol_level = reader.byte()
    flags = reader.byte()
    return {
        "protocol_name": protocol_name,
        "protocol_level": protocol_level,
        "clean_start": bool(flags & 0x02),
        "keep_alive": reader.two_bytes(),
        **properties(reader, version),
        "client_id": reader.text(),
        "will": will(reader, flags, version) if flags & 0x04 else None,
        "user_name": reader.text() if flags & 0x80 else None,
        "password": reader.binary() if flags & 0x40 else None,
    }


def will(reader: Reader, flags: int, version: str) -> PacketDict:
    return {
        "qos": flags >> 3 & 0x03,
        "retain": bool(flags & 0x20),
        **properties(reader, version),
        "topic": reader.text(),
        **payload(reader.sized()),
    }


def connack(reader: Reader, _: int, version: str) -> PacketDict:
    return {
        "session_present": bool(reader.byte() & 0x01),
        "reason_code": reader.byte(),
        **properties(reader, version),
    }


def publish(reader: Reader, flags: int, version: str) -> PacketDict:
    qos = flags >> 1 & 0x03
    return {
        "dup": bool(flags & 0x08),
        "qos": qos,
        "retain": bool(flags & 0x01),
        "topic": reader.text(),
        "packet_id": reader.two_bytes() if qos else None,
        **properties(reader, version),
        **payload(reader.rest()),
    }


def acknowledgement(reader: Reader, flags: int, version: str) -> PacketDict:
    return {"packet_id": reader.two_bytes(), **reason(reader, flags, version)}


def reason(reader: Reader, _: int, version: str) -> PacketDict:
    if version != "5.0":
        return {}
    return {
        "reason_code": reader.byte() if reader.more else 0,
        "properties": reader.properties() if reader.more else [],
    }


def subscribe(reader: Reader, _: int, version: str) -> PacketDict:
    fields: PacketDict = {"packet_id": reader.two_bytes(), **properties(reader, version)}
    filters: list[list[object]] = []
    while reader.more:
        filters.append([reader.text(), reader.byte()])
    return fields | {"filters": filters}


def unsubscribe(reader: Reader, _: int, version: str) -> PacketDict:
    fields: PacketDict = {"packet_id": reader.two_bytes(), **properties(reader, version)}
    filters = []
    while reader.more:
        filters.append(reader.text())
    return fields | {"filters": filters}


def reasons(reader: Reader, _: int, version: str) -> PacketDict:
    return {
        "packet_id": reader.two_bytes(),
        **properties(reader, version),
        "reason_codes": list(reader.rest()),
    }


def unsuback(reader: Reader, flags: int, version: str) -> PacketDict:
    # Before 5.0 it tells nothing but whom it answers.
    if version != "5.0":
        return {"packet_id": reader.two_bytes()}
    return reasons(reader, flags, version)


def nothing(*_: object) -> PacketDict:
    return {}


TYPES: Final[dict[int, tuple[str, Callable[[Reader, int, str], PacketDict]]]] = {
    1: ("CONNECT", connect),
    2: ("CONNACK", connack),
    3: ("PUBLISH", publish),
    4: ("PUBACK", acknowledgement),
    5: ("PUBREC", acknowledgement),
    6: ("PUBREL", acknowledgement),
    7: ("PUBCOMP", acknowledgement),
    8: ("SUBSCRIBE", subscribe),
    9: ("SUBACK", reasons),
    10: ("UNSUBSCRIBE", unsubscribe),
    11: ("UNSUBACK", unsuback),
    12: ("PINGREQ", nothing),
    13: ("PINGRESP", nothing),
    14: ("DISCONNECT", reason),
    15: ("AUTH", reason),
}
"""The packet types (5.0 section 2.1.2): number, name, and how to read what follows the header."""


def frames(stream: bytes) -> Iterator[Frame]:
    """Yield every complete packet of a stream; raise ValueError at a malformed fixed header."""
    reader = Reader(stream)
    while reader.more:
        offset = reader.at
        try:
            first = reader.byte()
            body = reader.take(reader.variable())
        except CutOffError:
            return
        if first >> 4 not in TYPES:
            raise ValueError(f"offset {offset}: no packet has the type {first >> 4}")
        yield Frame(offset, reader.at, first >> 4, first & 0x0F, body)


def decode(stream: bytes, version: str) -> list[PacketDict]:
    """Tell every packet of one direction of a connection.

    ``version`` is ``"3.1"``, ``"3.1.1"`` or ``"5.0"``. Raises ValueError if the stream is malformed
    or does not end where a packet does.
    """
    packets: list[PacketDict] = []
    end = 0
    for offset, end, number, flags, body in frames(stream):
        name, read = TYPES[number]
        reader = Reader(body)
        fields = read(reader, flags, version)
        if reader.more:
            raise ValueError(f"offset {offset}: the {name} goes on after its last field")
        header = {"name": name, "offset": offset, "length": end - offset, "flags": flags}
        packets.append(header | fields)
    if end != len(stream):
        raise CutOffError(f"offset {end}: the last packet is cut off")
    return packets
