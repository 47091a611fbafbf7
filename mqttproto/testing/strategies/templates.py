"""Packets as fields, each as it stands on the wire, so that one of them can be broken."""

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mqttproto.codec.properties import WILL
from mqttproto.codec.wire import varint
from mqttproto.constants import MAX_PACKET_SIZE, PacketType, ProtocolVersion, Sender
from mqttproto.testing.strategies.packets import reason_codes
from mqttproto.testing.strategies.properties import properties, will_properties
from mqttproto.testing.strategies.topics import topic_filters, topic_names
from mqttproto.testing.strategies.values import packet_ids, reused, strings

__all__ = [
    "PASSWORD_FLAG",
    "USER_NAME_FLAG",
    "WILL_FLAG",
    "Broken",
    "Template",
    "field_names",
    "sized",
    "templates",
]

WILL_FLAG = 0b0000_0100
PASSWORD_FLAG = 0b0100_0000
USER_NAME_FLAG = 0b1000_0000

_OPTIONAL = {
    "will_properties": WILL_FLAG,
    "will_topic": WILL_FLAG,
    "will_payload": WILL_FLAG,
    "user_name": USER_NAME_FLAG,
    "password": PASSWORD_FLAG,
}
"""Which of the Connect Flags announces a field (section 3.1.2.3)."""

_ACKNOWLEDGEMENT = ("packet_id", "packet_id code properties")

_LAYOUTS = {
    PacketType.CONNECT: (
        "protocol_name protocol_level flags keep_alive client_id will_topic will_payload"
        " user_name password",
        "protocol_name protocol_level flags keep_alive properties client_id will_properties"
        " will_topic will_payload user_name password",
    ),
    PacketType.CONNACK: ("flags code", "flags code properties"),
    PacketType.PUBLISH: ("topic packet_id payload", "topic packet_id properties payload"),
    PacketType.PUBACK: _ACKNOWLEDGEMENT,
    PacketType.PUBREC: _ACKNOWLEDGEMENT,
    PacketType.PUBREL: _ACKNOWLEDGEMENT,
    PacketType.PUBCOMP: _ACKNOWLEDGEMENT,
    PacketType.SUBSCRIBE: (
        "packet_id topic_filter options",
        "packet_id properties topic_filter options",
    ),
    PacketType.SUBACK: ("packet_id code", "packet_id properties code"),
    PacketType.UNSUBSCRIBE: ("packet_id topic_filter", "packet_id properties topic_filter"),
    PacketType.UNSUBACK: ("packet_id", "packet_id properties code"),
    PacketType.PINGREQ: ("", ""),
    PacketType.PINGRESP: ("", ""),
    PacketType.DISCONNECT: ("", "code properties"),
    PacketType.AUTH: ("", "code properties"),
}
"""The fields of each packet before 5.0 and in 5.0, in order."""

_RESERVED_FLAGS = {PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE}
"""The packets whose fixed header ends in 0010 (5.0 section 2.1.3)."""

_PROTOCOL_NAMES = {
    ProtocolVersion.MQTT31: b"MQIsdp",
    ProtocolVersion.MQTT311: b"MQTT",
    ProtocolVersion.MQTT5: b"MQTT",
}


class Broken(NamedTuple):
    """A packet that must not be.

    :ivar data: its bytes; it may be cut off behind the fault, if that is in its fixed header.
    :ivar position: where in them the fault lies.
    :ivar max_packet_size: the largest packet that its receiver takes, in bytes.
    """

    data: bytes
    position: int
    max_packet_size: int = MAX_PACKET_SIZE


class Template(NamedTuple):
    """A legal packet in pieces.

    :ivar first: the first byte.
    :ivar fields: the rest but for the Remaining Length: the fields by name, in order.
    """

    first: int
    fields: dict[str, bytes]

    @property
    def body(self) -> bytes:
        """What follows the fixed header."""
        return b"".join(self.fields.values())

    def having(self, **fields: bytes) -> "Template":
        """The same with other bytes in some fields."""
        return self._replace(fields=self.fields | fields)

    def without(self, *names: str) -> "Template":
        """The same without some fields."""
        kept = {name: value for name, value in self.fields.items() if name not in names}
        return self._replace(fields=kept)

    def followed_by(self, rest: bytes) -> Broken:
        """The packet with ``rest`` behind its last field, and the fault between the two."""
        return self.having(end=b"").broken("end", b"", rest)

    def up_to(self, name: str) -> "Template":
        """The same without what follows a field."""
        names = [*self.fields]
        return self.without(*names[names.index(name) + 1 :])

    def broken(self, name: str, before: bytes, rest: bytes) -> Broken:
        """The packet with ``before`` and ``rest`` in a field, and the fault where they meet."""
        names = [*self.fields]
        index = names.index(name)
        body = b"".join(self.fields[each] for each in names[:index]) + before
        position = len(body)
        body += rest + b"".join(self.fields[each] for each in names[index + 1 :])
        header = bytes((self.first,)) + varint(len(body))
        return Broken(header + body, len(header) + position)


def sized(data: bytes) -> bytes:
    """``data`` behind its length in two bytes (5.0 sections 1.5.4 and 1.5.6)."""
    return len(data).to_bytes(2, "big") + data


def _first_byte(packet: PacketType) -> int:
    """The first byte of a packet; that of a PUBLISH at QoS 0."""
    return packet << 4 | (0b0010 if packet in _RESERVED_FLAGS else 0)


def field_names(packet: PacketType, version: ProtocolVersion) -> list[str]:
    """The names of all fields that a packet may have in ``version``, in order."""
    return _LAYOUTS[packet][version is ProtocolVersion.MQTT5].split()


@reused
@st.composite
def templates(
    draw: DrawFn, packet: PacketType, version: ProtocolVersion, sender: Sender
) -> Template:
    """Legal packets of one type.

    :param sender: one that may send it.
    """
    fields = {
        name: draw(_fields(name, packet, version, sender)) for name in field_names(packet, version)
    }
    template = Template(_first_byte(packet), fields)
    if packet is PacketType.CONNECT:
        flags = fields["flags"][0]
        template = template.without(*(name for name, bit in _OPTIONAL.items() if not flags & bit))
    elif packet is PacketType.PUBLISH:
        qos = draw(st.integers(0, 2))
        template = Template(template.first | qos << 1, fields)
        if not qos:
            template = template.without("packet_id")
    return template


@reused
def _fields(
    name: str, packet: PacketType, version: ProtocolVersion, sender: Sender
) -> SearchStrategy[bytes]:
    """The legal values of a field."""
    match name:
        case "code":
            of_5 = version is ProtocolVersion.MQTT5
            return (reason_codes(packet, sender) if of_5 else st.just(0)).map(_byte)
        case "flags" if packet is PacketType.CONNECT:
            return st.sampled_from(_connect_flags(version)).map(_byte)
        case "keep_alive":
            return st.binary(min_size=2, max_size=2)
        case "packet_id":
            return packet_ids().map(lambda number: number.to_bytes(2, "big"))
        case "payload":
            return strings().map(str.encode)  # the Payload Format Indicator may ask for UTF-8
        case "properties":
            return _blocks(packet, sender)
        case "protocol_level":
            return st.just(_byte(version))
        case "protocol_name":
            return st.just(sized(_PROTOCOL_NAMES[version]))
        case "topic" | "will_topic":
            return topic_names().map(_string)
        case "topic_filter":
            return topic_filters().map(_string)
        case "client_id" | "user_name" | "will_payload":
            return strings(1).map(_string)
        case "password":
            return st.binary(max_size=8).map(sized)
        case "will_properties":
            return _blocks(WILL, sender)
    return st.just(b"\0")  # the flags of CONNACK, the options of SUBSCRIBE


def _connect_flags(version: ProtocolVersion) -> list[int]:
    """The legal Connect Flags (section 3.1.2.3)."""
    with_will = [WILL_FLAG | qos << 3 | retain << 5 for qos in range(3) for retain in range(2)]
    credentials = [0, USER_NAME_FLAG, USER_NAME_FLAG | PASSWORD_FLAG]
    if version is ProtocolVersion.MQTT5:
        credentials.append(PASSWORD_FLAG)
    return [
        clean_start << 1 | will | credential
        for clean_start in range(2)
        for will in [0, *with_will]
        for credential in credentials
    ]


@reused
def _blocks(packet: int, sender: Sender) -> SearchStrategy[bytes]:
    """Legal properties of ``packet``, or of the Will for 0, with their Property Length."""
    legal = will_properties() if packet == WILL else properties(packet, sender)
    return legal.map(lambda each: varint(len(each.block())) + each.block())


def _string(text: str) -> bytes:
    return sized(text.encode())


def _byte(number: int) -> bytes:
    return bytes((number,))
