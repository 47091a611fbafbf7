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
    surrogate,
    utf8,
    utf8_size,
)
from mqttproto.constants import PacketType, ProtocolVersion, QoS, ReasonCode

__all__ = ["PubAck", "PubComp", "PubRec", "PubRel", "Publish"]

_PUBLISH: Final = 3
_MOST_BYTES: Final = 65_535
_MOST_PACKET_ID: Final = 65_535


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
        self.qos: QoS = qos if isinstance(qos, QoS) else as_qos("Publish.qos", qos, Fault.QOS)
        self.retain: bool = retain
        self.dup: bool = dup
        self.packet_id: int | None = packet_id
        self.properties: Properties = properties

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        topic = self.topic
        try:
            name = topic.encode()
        except UnicodeEncodeError as error:
            raise surrogate("Publish.topic", error, version) from None
        length = len(name)
        if length == 0 or length > _MOST_BYTES or "+" in topic or "#" in topic or "\0" in topic:
            self._check_topic(version)
        qos: int = self.qos
        first = 0x30 | qos << 1
        if self.retain:
            first |= 1
        payload = self.payload
        remaining = 2 + length + len(payload)
        high = low = b""
        packet_id = self.packet_id
        if qos:
            if not 0 < qos < 3:
                raise refusal("Publish.qos", Fault.QOS, version, str(qos))
            if packet_id is None or not 1 <= packet_id <= _MOST_PACKET_ID:
                raise refusal("Publish.packet_id", Fault.PACKET_ID, version, str(packet_id))
            high = BYTES[packet_id >> 8]
            low = BYTES[packet_id & 0xFF]
            remaining += 2
            if self.dup:
                first |= 8
        elif self.dup:
            raise refusal("Publish.dup", Fault.DUP_AT_QOS_0, version)
        elif packet_id is not None:
            raise refusal("Publish.packet_id", Fault.PACKET_ID_AT_QOS_0, version)
        if self.properties is EMPTY:
            block = b"\0" if version == 5 else b""
        else:
            block = self.properties.encoded("Publish", _PUBLISH, version)
        remaining += len(block)
        return b"".join(
            (
                BYTES[first],
                BYTES[remaining]
                if remaining < 0x80
                else remaining_length(remaining, "Publish.payload", version),
                BYTES[length >> 8],
                BYTES[length & 0xFF],
                name,
                high,
                low,
                block,
                payload,
            )
        )

    def _check_topic(self, version: int) -> None:
        topic = self.topic
        if not topic:
            if version != 5 or self.properties.topic_alias is None:
                raise refusal("Publish.topic", Fault.TOPIC_MISSING, version)
            return
        utf8("Publish.topic", topic, version)
        raise refusal("Publish.topic", Fault.TOPIC_WILDCARD, version, repr(topic))

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        identifier = 2 if self.qos else 0
        block = properties_size(self.properties, version)
        return packet_size(utf8_size(self.topic) + identifier + block + len(self.payload))


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
            if isinstance(reason_code, ReasonCode)
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
