"""PUBLISH and its acknowledgements (sections 3.3 to 3.7): the hot packets.

Decoding them is the scanner's work and, for the objects, the decoder's. So nothing is checked
here but what is to be sent.
"""

from types import NoneType
from typing import ClassVar, Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.packet import Packet, as_qos, packet_size, properties_size
from mqttproto.codec.reasons import as_reason_code, reason_allowed
from mqttproto.codec.wire import (
    BYTES,
    as_bytes,
    fixed_header,
    remaining_length,
    sized,
    surrogate,
    utf8,
    utf8_size,
)
from mqttproto.constants import PacketType, ProtocolVersion, QoS, ReasonCode

__all__ = ["PubAck", "PubComp", "PubRec", "PubRel", "Publish", "encode_publish", "plain_head"]

_PUBLISH: Final = 3
_MOST_BYTES: Final = 65_535
_MOST_PACKET_ID: Final = 65_535
_MOST_KEPT: Final = 1_024
_LONGEST_KEPT: Final = 128

_NAMES: Final[dict[str, bytes]] = {}
"""Topic names that were checked and encoded, with their lengths: a publisher has few topics, and
uses them again and again. At most 1,024, of at most 128 bytes each; when it is full it begins anew.
"""

_NAMES_5: Final[dict[str, bytes]] = {}
"""The same, with an empty property block behind each."""

_HEADERS: Final[list[bytes]] = [
    bytes((0x30 | flags, remaining)) for flags in range(16) for remaining in range(0x80)
]
"""The fixed headers of two bytes, by flags and Remaining Length."""

_QOS_FAULT: Final[Fault] = Fault.QOS
# Names of their own, because compiled code looks up by its name what comes from elsewhere.
_QOS: Final[type[QoS]] = QoS
_REASON_CODE: Final[type[ReasonCode]] = ReasonCode


@mypyc_attr(acyclic=True)
@final
class Publish(Packet):
    """An application message on its way (section 3.3).

    :ivar topic: the Topic Name, at most 65,535 bytes of UTF-8, without wildcards. Empty only in
        5.0, with a Topic Alias.
    :ivar payload: the Application Message, any bytes.
    :ivar qos: 0, 1 or 2.
    :ivar retain: whether a server keeps it, or sends what it has kept.
    :ivar dup: whether this may be a repetition; only above QoS 0 (MQTT-3.3.1-2).
    :ivar packet_id: 1 to 65,535 above QoS 0, None at QoS 0 (5.0: MQTT-2.2.1-2, -3, -4).
    :ivar properties: of 5.0.
    """

    __slots__ = ("dup", "packet_id", "payload", "properties", "qos", "retain", "topic")

    packet_type: ClassVar[PacketType] = PacketType.PUBLISH
    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "topic": (str,),
        "payload": (bytes,),
        "qos": (int,),
        "retain": (bool,),
        "dup": (bool,),
        "packet_id": (int, NoneType),
        "properties": (Properties,),
    }

    def __init__(
        self,
        topic: str,
        payload: bytes | bytearray | memoryview = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        dup: bool = False,
        packet_id: int | None = None,
        properties: Properties = EMPTY,
    ) -> None:
        self.topic: str = topic
        self.payload: bytes = (
            payload if isinstance(payload, bytes) else as_bytes("Publish.payload", payload)
        )
        # Asking for the very type is quicker than isinstance() where it is another.
        self.qos: QoS = qos if type(qos) is _QOS else as_qos("Publish.qos", qos, _QOS_FAULT)
        self.retain: bool = retain
        self.dup: bool = dup
        self.packet_id: int | None = packet_id
        self.properties: Properties = properties

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return encode_publish(self, self.topic, self.dup, self.packet_id, self.properties, version)

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        identifier = 2 if self.qos else 0
        block = properties_size(self.properties, version)
        return packet_size(utf8_size(self.topic) + identifier + block + len(self.payload))


def encode_publish(
    message: Publish,
    topic: str,
    dup: bool,
    packet_id: int | None,
    properties: Properties,
    version: int,
) -> bytes:
    """The bytes of ``message`` with another topic, DUP, packet identifier and properties.

    What a connection has to say about a message is no part of it: the same one goes to many
    receivers, and again to one of them.

    :raises InvalidValueError: as :func:`mqttproto.codec.encode` does.
    """
    name = _NAMES.get(topic)
    if name is None:
        name = _topic_name(topic, properties, version)
    qos: int = message.qos
    first = 0x30 | qos << 1
    if message.retain:
        first |= 1
    payload = message.payload
    remaining = len(name) + len(payload)
    high = low = b""
    if qos:
        if not 0 < qos < 3:
            raise refusal("Publish.qos", Fault.QOS, version, str(qos))
        if packet_id is None or not 1 <= packet_id <= _MOST_PACKET_ID:
            raise refusal("Publish.packet_id", Fault.PACKET_ID, version, str(packet_id))
        high = BYTES[packet_id >> 8]
        low = BYTES[packet_id & 0xFF]
        remaining += 2
        if dup:
            first |= 8
    elif dup:
        raise refusal("Publish.dup", Fault.DUP_AT_QOS_0, version)
    elif packet_id is not None:
        raise refusal("Publish.packet_id", Fault.PACKET_ID_AT_QOS_0, version)
    if properties is EMPTY:
        block = b"\0" if version == 5 else b""
    else:
        block = properties.encoded("Publish", _PUBLISH, version)
    remaining += len(block)
    if remaining < 0x80:
        header = _HEADERS[(first & 0x0F) << 7 | remaining]
    else:
        header = BYTES[first] + remaining_length(remaining, "Publish.payload", version)
    return b"".join((header, name, high, low, block, payload))


def plain_head(topic: str, size: int, version: int) -> tuple[bytes, bytes]:
    """What stands before the payload in a PUBLISH of QoS 0 without flags and properties: the fixed
    header, and the Topic Name with the empty property block.

    :param size: that of the payload, in bytes.
    :raises InvalidValueError: as :func:`mqttproto.codec.encode` does.
    """
    names = _NAMES_5 if version == 5 else _NAMES
    name = names.get(topic)
    if name is None:
        name = _topic_name(topic, EMPTY, version)
        if version == 5:
            name += b"\0"
            _keep(_NAMES_5, topic, name)
    remaining = len(name) + size
    if remaining < 0x80:
        return _HEADERS[remaining], name
    return BYTES[0x30] + remaining_length(remaining, "Publish.payload", version), name


def _topic_name(topic: str, properties: Properties, version: int) -> bytes:
    """The Topic Name with its length, checked."""
    try:
        data = topic.encode()
    except UnicodeEncodeError as error:
        raise surrogate("Publish.topic", error, version) from None
    except AttributeError:
        # Compiled code has refused it already.
        raise TypeError(f"Publish.topic: a string is needed, not {type(topic).__name__}") from None
    size = len(data)
    if size == 0 or size > _MOST_BYTES or "+" in topic or "#" in topic or "\0" in topic:
        _check_topic(topic, properties, version)
    name = sized(data)
    if size:
        _keep(_NAMES, topic, name)
    return name


def _keep(names: dict[str, bytes], topic: str, name: bytes) -> None:
    if len(name) <= _LONGEST_KEPT:
        if len(names) >= _MOST_KEPT:
            names.clear()
        names[topic] = name


def _check_topic(topic: str, properties: Properties, version: int) -> None:
    if not topic:
        if version != 5 or properties.topic_alias is None:
            raise refusal("Publish.topic", Fault.TOPIC_MISSING, version)
        return
    utf8("Publish.topic", topic, version)
    raise refusal("Publish.topic", Fault.TOPIC_WILDCARD, version, repr(topic))


@mypyc_attr(acyclic=True)
class _Acknowledgement(Packet):
    """What the four acknowledgements have in common: one layout, with three short forms."""

    __slots__ = ("packet_id", "properties", "reason_code")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "reason_code": (int,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        packet_id: int,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
    ) -> None:
        self.packet_id: int = packet_id
        self.reason_code: ReasonCode = (
            reason_code
            if type(reason_code) is _REASON_CODE
            else as_reason_code(f"{type(self).__name__}.reason_code", reason_code)
        )
        self.properties: Properties = properties

    def _encode(self, name: str, first: int, reason_fault: Fault, version: int) -> bytes:
        packet_id = self.packet_id
        if not 1 <= packet_id <= _MOST_PACKET_ID:
            raise refusal(f"{name}.packet_id", Fault.PACKET_ID, version, str(packet_id))
        code: int = self.reason_code
        properties = self.properties
        if code == 0 and (properties is EMPTY or not properties):
            return (first << 24 | 2 << 16 | packet_id).to_bytes(4, "big")
        if version != 5:
            field = "reason_code" if code else "properties"
            raise refusal(f"{name}.{field}", Fault.NOT_IN_THIS_VERSION, version)
        if not reason_allowed(self.packet_type, code):
            raise refusal(f"{name}.reason_code", reason_fault, version, f"{code:#04x}")
        if not properties:
            return (first << 32 | 3 << 24 | packet_id << 8 | code).to_bytes(5, "big")
        block = properties.encoded(name, self.packet_type, version)
        header = fixed_header(first, 3 + len(block), f"{name}.properties", version)
        return header + (packet_id << 8 | code).to_bytes(3, "big") + block

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        if self.properties:
            return packet_size(3 + properties_size(self.properties, version))
        return 5 if self.reason_code else 4


@mypyc_attr(acyclic=True)
@final
class PubAck(_Acknowledgement):
    """The answer to a PUBLISH at QoS 1 (section 3.4).

    :ivar packet_id: that of the PUBLISH, 1 to 65,535.
    :ivar reason_code: of 5.0; 0x80 and above refuses the message.
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.PUBACK

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return self._encode("PubAck", 0x40, Fault.PUBACK_REASON, version)


@mypyc_attr(acyclic=True)
@final
class PubRec(_Acknowledgement):
    """The first answer to a PUBLISH at QoS 2 (section 3.5).

    :ivar packet_id: that of the PUBLISH, 1 to 65,535.
    :ivar reason_code: of 5.0; 0x80 and above refuses the message and ends the exchange.
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.PUBREC

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return self._encode("PubRec", 0x50, Fault.PUBREC_REASON, version)


@mypyc_attr(acyclic=True)
@final
class PubRel(_Acknowledgement):
    """The answer to a PUBREC (section 3.6).

    :ivar packet_id: that of the PUBLISH, 1 to 65,535.
    :ivar reason_code: of 5.0; 0x92 if there is no such exchange.
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.PUBREL

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return self._encode("PubRel", 0x62, Fault.PUBREL_REASON, version)


@mypyc_attr(acyclic=True)
@final
class PubComp(_Acknowledgement):
    """The answer to a PUBREL, and the end of a QoS 2 exchange (section 3.7).

    :ivar packet_id: that of the PUBLISH, 1 to 65,535.
    :ivar reason_code: of 5.0; 0x92 if there is no such exchange.
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.PUBCOMP

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return self._encode("PubComp", 0x70, Fault.PUBCOMP_REASON, version)
