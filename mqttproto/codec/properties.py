"""The properties of 5.0 (section 2.2.2): ONE table.

The checker below, the C scanner (its table is generated from this one), the class
:class:`~mqttproto.codec.block.Properties` and the documentation all read it.
"""

from typing import Final, NamedTuple

from mqttproto.codec.faults import Fault
from mqttproto.codec.wire import FaultFound, Reader
from mqttproto.constants import PacketType

__all__ = [
    "BY_ID",
    "BY_NAME",
    "PROPERTIES",
    "WILL",
    "PropertyRow",
    "WireType",
    "bits",
    "check_block",
    "property_row",
]

WILL: Final[int] = 0
"""Stands beside the packet types for the Will Properties, which are a block of their own."""


class WireType:
    """How the value of a property stands on the wire (5.0 section 1.5)."""

    BYTE: Final = 0
    U16: Final = 1
    U32: Final = 2
    VARINT: Final = 3
    UTF8: Final = 4
    TOPIC_NAME: Final = 5
    """A UTF-8 Encoded String that must be a valid topic name."""
    BINARY: Final = 6
    PAIR: Final = 7
    """Two UTF-8 Encoded Strings."""


def bits(*packets: int) -> int:
    """A set of packet types, and :data:`WILL`, as the bits of an integer."""
    return sum(1 << packet for packet in packets)


class PropertyRow(NamedTuple):
    """One property.

    :ivar id: its identifier, 0x01 to 0x2A.
    :ivar name: in snake_case, as the attribute of ``Properties`` is called.
    :ivar wire: a member of :class:`WireType`.
    :ivar packets: the packets that may have it, as :func:`bits`.
    :ivar repeatable: those of them in which it may stand more than once.
    :ivar low: the least legal number; 0 for values that are no numbers.
    :ivar high: the greatest legal number; 0 for values that are no numbers.
    :ivar range_fault: the fault of a number outside of that.
    :ivar not_from_client: the packets in which only a server may send it.
    :ivar not_from_server: the packets in which only a client may send it.
    :ivar sender_fault: the fault of the wrong sender.
    """

    id: int
    name: str
    wire: int
    packets: int
    repeatable: int = 0
    low: int = 0
    high: int = 0
    range_fault: Fault = Fault.NONE
    not_from_client: int = 0
    not_from_server: int = 0
    sender_fault: Fault = Fault.NONE


_CONNECT: Final = PacketType.CONNECT
_CONNACK: Final = PacketType.CONNACK
_PUBLISH: Final = PacketType.PUBLISH
_SUBSCRIBE: Final = PacketType.SUBSCRIBE
_DISCONNECT: Final = PacketType.DISCONNECT
_AUTH: Final = PacketType.AUTH
_ACKS: Final = (PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP)
_WITH_REASON: Final = bits(
    _CONNACK, *_ACKS, PacketType.SUBACK, PacketType.UNSUBACK, _DISCONNECT, _AUTH
)
_EVERYWHERE: Final = _WITH_REASON | bits(
    WILL, _CONNECT, _PUBLISH, _SUBSCRIBE, PacketType.UNSUBSCRIBE
)
_U16: Final = 0xFFFF
_U32: Final = 0xFFFF_FFFF
_01: Final = Fault.PROPERTY_NOT_0_OR_1

# fmt: off
PROPERTIES: Final[tuple[PropertyRow, ...]] = (
    PropertyRow(0x01, "payload_format_indicator", WireType.BYTE, bits(_PUBLISH, WILL),
                high=1, range_fault=_01),
    PropertyRow(0x02, "message_expiry_interval", WireType.U32, bits(_PUBLISH, WILL), high=_U32),
    PropertyRow(0x03, "content_type", WireType.UTF8, bits(_PUBLISH, WILL)),
    PropertyRow(0x08, "response_topic", WireType.TOPIC_NAME, bits(_PUBLISH, WILL)),
    PropertyRow(0x09, "correlation_data", WireType.BINARY, bits(_PUBLISH, WILL)),
    PropertyRow(0x0B, "subscription_identifiers", WireType.VARINT, bits(_PUBLISH, _SUBSCRIBE),
                repeatable=bits(_PUBLISH), low=1, high=268_435_455,
                range_fault=Fault.SUBSCRIPTION_IDENTIFIER_ZERO, not_from_client=bits(_PUBLISH),
                sender_fault=Fault.SUBSCRIPTION_IDENTIFIER_FROM_CLIENT),
    PropertyRow(0x11, "session_expiry_interval", WireType.U32,
                bits(_CONNECT, _CONNACK, _DISCONNECT), high=_U32,
                not_from_server=bits(_DISCONNECT), sender_fault=Fault.SESSION_EXPIRY_FROM_SERVER),
    PropertyRow(0x12, "assigned_client_identifier", WireType.UTF8, bits(_CONNACK)),
    PropertyRow(0x13, "server_keep_alive", WireType.U16, bits(_CONNACK), high=_U16),
    PropertyRow(0x15, "authentication_method", WireType.UTF8, bits(_CONNECT, _CONNACK, _AUTH)),
    PropertyRow(0x16, "authentication_data", WireType.BINARY, bits(_CONNECT, _CONNACK, _AUTH)),
    PropertyRow(0x17, "request_problem_information", WireType.BYTE, bits(_CONNECT),
                high=1, range_fault=_01),
    PropertyRow(0x18, "will_delay_interval", WireType.U32, bits(WILL), high=_U32),
    PropertyRow(0x19, "request_response_information", WireType.BYTE, bits(_CONNECT),
                high=1, range_fault=_01),
    PropertyRow(0x1A, "response_information", WireType.UTF8, bits(_CONNACK)),
    PropertyRow(0x1C, "server_reference", WireType.UTF8, bits(_CONNACK, _DISCONNECT),
                not_from_client=bits(_DISCONNECT),
                sender_fault=Fault.SERVER_REFERENCE_FROM_CLIENT),
    PropertyRow(0x1F, "reason_string", WireType.UTF8, _WITH_REASON),
    PropertyRow(0x21, "receive_maximum", WireType.U16, bits(_CONNECT, _CONNACK),
                low=1, high=_U16, range_fault=Fault.RECEIVE_MAXIMUM_ZERO),
    PropertyRow(0x22, "topic_alias_maximum", WireType.U16, bits(_CONNECT, _CONNACK), high=_U16),
    PropertyRow(0x23, "topic_alias", WireType.U16, bits(_PUBLISH),
                low=1, high=_U16, range_fault=Fault.TOPIC_ALIAS_ZERO),
    PropertyRow(0x24, "maximum_qos", WireType.BYTE, bits(_CONNACK), high=1, range_fault=_01),
    PropertyRow(0x25, "retain_available", WireType.BYTE, bits(_CONNACK), high=1, range_fault=_01),
    PropertyRow(0x26, "user_properties", WireType.PAIR, _EVERYWHERE, repeatable=_EVERYWHERE),
    PropertyRow(0x27, "maximum_packet_size", WireType.U32, bits(_CONNECT, _CONNACK),
                low=1, high=_U32, range_fault=Fault.MAXIMUM_PACKET_SIZE_ZERO),
    PropertyRow(0x28, "wildcard_subscription_available", WireType.BYTE, bits(_CONNACK),
                high=1, range_fault=_01),
    PropertyRow(0x29, "subscription_identifier_available", WireType.BYTE, bits(_CONNACK),
                high=1, range_fault=_01),
    PropertyRow(0x2A, "shared_subscription_available", WireType.BYTE, bits(_CONNACK),
                high=1, range_fault=_01),
)
# fmt: on

BY_ID: Final[list[PropertyRow | None]] = [None] * 0x80
"""The rows by identifier."""

for _row in PROPERTIES:
    BY_ID[_row.id] = _row

BY_NAME: Final[dict[str, PropertyRow]] = {row.name: row for row in PROPERTIES}
"""The rows by name."""


def property_row(number: int) -> PropertyRow:
    """The property with this identifier, which must exist."""
    row = BY_ID[number]
    assert row is not None
    return row


def _check_number(row: PropertyRow, value: int, field: int) -> None:
    if not row.low <= value <= row.high:
        raise FaultFound(row.range_fault, field)


def _check_value(row: PropertyRow, reader: Reader) -> None:
    field = reader.position
    wire = row.wire
    if wire == WireType.BYTE:
        _check_number(row, reader.u8(), field)
    elif wire == WireType.U16:
        _check_number(row, reader.u16(), field)
    elif wire == WireType.U32:
        _check_number(row, reader.u32(), field)
    elif wire == WireType.VARINT:
        _check_number(row, reader.varint(), field)
    elif wire == WireType.UTF8:
        reader.utf8()
    elif wire == WireType.TOPIC_NAME:
        reader.topic_name(Fault.RESPONSE_TOPIC_WILDCARD)
    elif wire == WireType.BINARY:
        reader.binary()
    else:
        reader.utf8()
        reader.utf8()


def check_block(data: bytes, start: int, end: int, packet: int, sender: int) -> int:
    """Check the property block ``data[start:end]``, without its length, of ``packet``.

    :param packet: a packet type, or :data:`WILL`.
    :param sender: 1 for the client, 2 for the server, 0 for either.
    :returns: the identifiers that it holds, each as a bit.
    :raises FaultFound: at the first fault; at the identifier if the property must not be here,
        else at the value.
    """
    reader = Reader(data, start, end)
    packet_bit = 1 << packet
    seen = 0
    while reader.position < end:
        field = reader.position
        number = reader.u8()
        row = BY_ID[number] if number < 0x80 else None
        if row is None:
            raise FaultFound(Fault.PROPERTY_UNKNOWN, field)
        if not row.packets & packet_bit:
            raise FaultFound(Fault.PROPERTY_MISPLACED, field)
        wrong = row.not_from_client if sender == 1 else row.not_from_server if sender == 2 else 0
        if wrong & packet_bit:
            raise FaultFound(row.sender_fault, field)
        if seen >> number & 1 and not row.repeatable & packet_bit:
            raise FaultFound(Fault.PROPERTY_REPEATED, field)
        seen |= 1 << number
        _check_value(row, reader)
    return seen
