"""The packets that are decoded and encoded, in words and bytes that belong to no library.

The bytes are put together here and not by a codec: every contestant is checked against them.
"""

import abc
import dataclasses
from dataclasses import dataclass

from timing import chunked

__all__ = ["CHUNK", "Ack", "Case", "Connect", "Publish", "Sample", "Subscribe", "cases", "label"]

CHUNK = 64 * 1024
"""How much a decoder is fed at once, in bytes: what asyncio reads from a socket."""

MEBIBYTE = 1024 * 1024

MQTT311 = 4
MQTT5 = 5

_ACK_HEADERS = {"PUBACK": 0x40, "PUBREC": 0x50, "PUBREL": 0x62, "PUBCOMP": 0x70}


def label(version: int) -> str:
    """The version as people write it."""
    return {MQTT311: "3.1.1", MQTT5: "5.0"}[version]


def _variable_byte_integer(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _binary(value: bytes) -> bytes:
    return _u16(len(value)) + value


def _string(text: str) -> bytes:
    return _binary(text.encode())


def _packet(header: int, body: bytes) -> bytes:
    return bytes((header,)) + _variable_byte_integer(len(body)) + body


def _properties(version: int, *encoded: bytes) -> bytes:
    """The property block: empty before 5.0, else its length and content."""
    if version < MQTT5:
        return b""
    block = b"".join(encoded)
    return _variable_byte_integer(len(block)) + block


@dataclass(frozen=True, slots=True)
class Sample(abc.ABC):
    """One packet; its dataclass fields are what a decoder has to find, in this order."""

    @abc.abstractmethod
    def wire(self, version: int) -> bytes:
        """Return the shortest legal encoding."""

    def legal(self, version: int) -> tuple[bytes, ...]:
        """Return every encoding that an encoder may choose."""
        return (self.wire(version),)


@dataclass(frozen=True, slots=True)
class Publish(Sample):
    """PUBLISH, with two properties if they are not None."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int | None = None
    content_type: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    def wire(self, version: int) -> bytes:
        properties = []
        if self.content_type is not None:
            properties.append(b"\x03" + _string(self.content_type))
        for name, value in self.user_properties:
            properties.append(b"\x26" + _string(name) + _string(value))
        packet_id = b"" if self.packet_id is None else _u16(self.packet_id)
        return _packet(
            0x30 | self.dup << 3 | self.qos << 1 | self.retain,
            _string(self.topic) + packet_id + _properties(version, *properties) + self.payload,
        )


@dataclass(frozen=True, slots=True)
class Ack(Sample):
    """PUBACK, PUBREC, PUBREL or PUBCOMP that says success."""

    name: str
    packet_id: int
    reason_code: int = 0

    def wire(self, version: int) -> bytes:
        return _packet(_ACK_HEADERS[self.name], _u16(self.packet_id))

    def legal(self, version: int) -> tuple[bytes, ...]:
        if version < MQTT5:
            return (self.wire(version),)
        # The reason code Success and an empty property block may be left out (5.0 section 3.4.2.1).
        return tuple(
            _packet(_ACK_HEADERS[self.name], _u16(self.packet_id) + rest)
            for rest in (b"", b"\x00", b"\x00\x00")
        )


@dataclass(frozen=True, slots=True)
class Subscribe(Sample):
    """SUBSCRIBE with the maximum QoS of each filter and no other option."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]

    def wire(self, version: int) -> bytes:
        return _packet(
            0x82,
            _u16(self.packet_id)
            + _properties(version)
            + b"".join(_string(topic_filter) + bytes((qos,)) for topic_filter, qos in self.filters),
        )


@dataclass(frozen=True, slots=True)
class Connect(Sample):
    """CONNECT with a user name and a password, without a will; two properties in 5.0."""

    client_id: str
    keep_alive: int
    user_name: str
    password: bytes
    session_expiry_interval: int | None
    receive_maximum: int | None

    def wire(self, version: int) -> bytes:
        properties = []
        if self.session_expiry_interval is not None:
            properties.append(b"\x11" + self.session_expiry_interval.to_bytes(4, "big"))
        if self.receive_maximum is not None:
            properties.append(b"\x21" + _u16(self.receive_maximum))
        return _packet(
            0x10,
            _string("MQTT")
            + bytes((version, 0xC2))
            + _u16(self.keep_alive)
            + _properties(version, *properties)
            + _string(self.client_id)
            + _string(self.user_name)
            + _binary(self.password),
        )


@dataclass(frozen=True)
class Case:
    """One row of the tables.

    :ivar single_packets: the stream is cut into chunks of one packet each.
    :ivar connections: a new decoder for each packet, as a server has to.
    :ivar reads: every field of every packet is read, too.
    :ivar hot: the targets for PUBLISH and PUBACK apply; else: not slower than the fastest peer.
    """

    name: str
    version: int
    samples: tuple[Sample, ...]
    single_packets: bool = False
    connections: bool = False
    reads: bool = False
    hot: bool = False

    @property
    def title(self) -> str:
        name, *rest = self.name.split(", ", 1)
        return ", ".join((f"{name}, {label(self.version)}", *rest))

    @property
    def encodes(self) -> bool:
        """Whether it is a case of its own for encoders, which know no chunks and no reading."""
        return not (self.single_packets or self.reads)

    def streams(self) -> tuple[tuple[bytes, ...], ...]:
        """The chunks of each connection."""
        wires = tuple(sample.wire(self.version) for sample in self.samples)
        if self.connections:
            return tuple((wire,) for wire in wires)
        return (wires if self.single_packets else chunked(b"".join(wires), CHUNK),)


def _publish(number: int, qos: int, *, properties: bool = False, payload: bytes = b"") -> Publish:
    plain = Publish(
        topic=f"plant/{number % 100}/temperature",
        payload=payload or b'{"value": 21.5}',
        qos=qos,
        packet_id=number % 65_535 + 1 if qos else None,
    )
    if not properties:
        return plain
    return dataclasses.replace(plain, content_type="text/plain", user_properties=(("a", "b"),))


def _mix(count: int, version: int) -> tuple[Sample, ...]:
    """What both ends of a busy connection may send: two thirds PUBLISH, of all sizes and QoS."""
    packets: list[Sample] = []
    for number in range(count):
        payload = bytes(range(256)) * 4
        match number % 20:
            case 0 | 1 | 2 | 3 | 4 | 5 as step:
                packets.append(_publish(number, 0, payload=payload[: 8 << step]))
            case 6 | 7 | 8 | 9 as step:
                packets.append(_publish(number, 1, payload=payload[: 4 << step - 4]))
            case 10 | 11:
                packets.append(_publish(number, 1, properties=version == MQTT5))
            case 12:
                packets.append(_publish(number, 2, payload=payload))
            case 13 | 14 | 15 | 16:
                packets.append(Ack("PUBACK", number % 65_535 + 1))
            case 17:
                packets.append(Ack("PUBREC", number % 65_535 + 1))
            case 18:
                packets.append(Ack("PUBREL", number % 65_535 + 1))
            case _:
                packets.append(Ack("PUBCOMP", number % 65_535 + 1))
    return tuple(packets)


def cases(count: int) -> tuple[Case, ...]:
    """All cases.

    :param count: packets per run, at least 1; there are 500 times fewer of the packets of 1 MiB.
    """
    numbers = range(count)
    qos_0 = tuple(_publish(number, 0) for number in numbers)
    qos_1 = tuple(_publish(number, 1) for number in numbers)
    rich = tuple(_publish(number, 1, properties=True) for number in numbers)
    acks = tuple(Ack("PUBACK", number % 65_535 + 1) for number in numbers)
    subscribes = tuple(
        Subscribe(number % 65_535 + 1, ((f"plant/{number % 100}/+", 1), ("alarm/#", 2)))
        for number in numbers
    )
    large = tuple(
        _publish(number, 0, payload=bytes(MEBIBYTE)) for number in range(max(1, count // 500))
    )

    def connects(expiry: int | None, maximum: int | None) -> tuple[Sample, ...]:
        return tuple(
            Connect(f"client-{number}", 60, "ada", b"secret", expiry, maximum) for number in numbers
        )

    return (
        Case("PUBLISH QoS 0", MQTT311, qos_0, hot=True),
        Case("PUBLISH QoS 0, 1-packet chunks", MQTT311, qos_0, single_packets=True),
        Case("PUBLISH QoS 1", MQTT5, qos_1, hot=True),
        Case("PUBLISH QoS 1, two properties", MQTT5, rich, hot=True),
        Case("PUBLISH QoS 1, two properties, all fields read", MQTT5, rich, reads=True, hot=True),
        Case("PUBACK", MQTT311, acks, hot=True),
        Case("PUBACK", MQTT5, acks, hot=True),
        Case("SUBSCRIBE", MQTT311, subscribes),
        Case("SUBSCRIBE", MQTT5, subscribes),
        Case("CONNECT", MQTT311, connects(None, None), connections=True),
        Case("CONNECT", MQTT5, connects(3600, 100), connections=True),
        Case("PUBLISH QoS 0, 1 MiB", MQTT311, large),
        Case("Mix", MQTT311, _mix(count, MQTT311)),
        Case("Mix", MQTT5, _mix(count, MQTT5)),
    )
