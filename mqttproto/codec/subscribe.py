"""SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (sections 3.8 to 3.11)."""

from collections.abc import Iterable
from typing import ClassVar, Final, final

from mqttproto.codec.block import EMPTY, Properties, read_properties
from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.packet import (
    Packet,
    Record,
    as_qos,
    packet_id_bytes,
    packet_size,
    properties_size,
)
from mqttproto.codec.reasons import as_reason_code, reason_allowed, reason_member
from mqttproto.codec.wire import BYTES, FaultFound, Reader, fixed_header, sized, utf8_size
from mqttproto.constants import PacketType, ProtocolVersion, QoS, ReasonCode, RetainHandling
from mqttproto.topics import TopicRule, filter_problem, is_plain_filter, validate_topic_filter

__all__ = [
    "SubAck",
    "Subscribe",
    "Subscription",
    "UnsubAck",
    "Unsubscribe",
    "read_suback",
    "read_subscribe",
    "read_unsuback",
    "read_unsubscribe",
]

_FILTER_FAULTS: Final[dict[TopicRule, Fault]] = {
    TopicRule.EMPTY: Fault.NAME_EMPTY,
    TopicRule.HASH_NOT_ALONE: Fault.FILTER_HASH,
    TopicRule.HASH_NOT_LAST: Fault.FILTER_HASH,
    TopicRule.PLUS_NOT_ALONE: Fault.FILTER_PLUS,
    TopicRule.SHARE_NAME_EMPTY: Fault.SHARE_NAME_EMPTY,
    TopicRule.SHARE_NAME_WILDCARD: Fault.SHARE_NAME,
    TopicRule.SHARE_FILTER_MISSING: Fault.SHARE_NAME,
}
"""The rules that a well-formed string of the wire can still break."""

_SUBSCRIBE: Final = 8

# Making a member from its number costs more than reading a whole topic filter.
_QOS: Final[tuple[QoS, ...]] = tuple(QoS)
_RETAIN_HANDLING: Final[tuple[RetainHandling, ...]] = tuple(RetainHandling)

_CODES_BEFORE_5: Final[dict[int, frozenset[int]]] = {
    3: frozenset({0, 1, 2}),
    4: frozenset({0, 1, 2, 0x80}),
}


def _as_retain_handling(value: object) -> RetainHandling:
    field = "Subscription.retain_handling"
    if not isinstance(value, int):
        raise TypeError(f"{field}: a RetainHandling is needed, not {type(value).__name__}")
    if not 0 <= value <= 2:
        raise refusal(field, Fault.RETAIN_HANDLING, detail=str(value))
    return RetainHandling(value)


@final
class Subscription(Record):
    """A topic filter and its options, in a SUBSCRIBE (section 3.8.3.1).

    :ivar topic_filter: at most 65,535 bytes of UTF-8; in 5.0 also ``$share/{ShareName}/{filter}``.
    :ivar qos: the highest QoS that the server may send at, 0, 1 or 2.
    :ivar no_local: do not send what this client publishes; 5.0 only, and not on a shared
        subscription (MQTT-3.8.3-4).
    :ivar retain_as_published: leave the RETAIN flag as it was published; 5.0 only.
    :ivar retain_handling: whether retained messages are sent at the subscribe; 5.0 only.
    """

    __slots__ = ("no_local", "qos", "retain_as_published", "retain_handling", "topic_filter")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "topic_filter": (str,),
        "qos": (int,),
        "no_local": (bool,),
        "retain_as_published": (bool,),
        "retain_handling": (int,),
    }

    def __init__(
        self,
        topic_filter: str,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: RetainHandling | int = RetainHandling.SEND,
    ) -> None:
        self.topic_filter: str = topic_filter
        self.qos: QoS = (
            qos if isinstance(qos, QoS) else as_qos("Subscription.qos", qos, Fault.SUBSCRIPTION_QOS)
        )
        self.no_local: bool = no_local
        self.retain_as_published: bool = retain_as_published
        self.retain_handling: RetainHandling = (
            retain_handling
            if isinstance(retain_handling, RetainHandling)
            else _as_retain_handling(retain_handling)
        )

    def options(self, version: int) -> int:
        """The options byte (section 3.8.3.1).

        :raises InvalidValueError: if an option is out of its range, or not in ``version``.
        """
        options: int = self.qos
        if not 0 <= options <= 2:
            raise refusal("Subscription.qos", Fault.SUBSCRIPTION_QOS, version, str(options))
        if self.no_local or self.retain_as_published or self.retain_handling:
            options |= self._options_of_5(version)
        return options

    def _options_of_5(self, version: int) -> int:
        """The bits of the options byte that only 5.0 has."""
        if version != 5:
            names = ("no_local", "retain_as_published", "retain_handling")
            name = next(name for name in names if getattr(self, name))
            raise refusal(f"Subscription.{name}", Fault.NOT_IN_THIS_VERSION, version)
        if self.no_local and self.topic_filter.startswith("$share/"):
            raise refusal("Subscription.no_local", Fault.NO_LOCAL_SHARED)
        handling: int = self.retain_handling
        if not 0 <= handling <= 2:
            field = "Subscription.retain_handling"
            raise refusal(field, Fault.RETAIN_HANDLING, detail=str(handling))
        return (4 if self.no_local else 0) | (8 if self.retain_as_published else 0) | handling << 4


@final
class Subscribe(Packet):
    """A client's wish for messages (section 3.8).

    :ivar packet_id: 1 to 65,535.
    :ivar subscriptions: at least one (5.0: MQTT-3.8.3-2).
    :ivar properties: of 5.0.
    """

    __slots__ = ("packet_id", "properties", "subscriptions")

    packet_type: ClassVar[PacketType] = PacketType.SUBSCRIBE
    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "subscriptions": (list,),
        "properties": (Properties,),
    }
    ITEMS: ClassVar[dict[str, type]] = {"subscriptions": Subscription}

    def __init__(
        self,
        packet_id: int,
        subscriptions: Iterable[Subscription],
        properties: Properties = EMPTY,
    ) -> None:
        self.packet_id: int = packet_id
        try:
            self.subscriptions: list[Subscription] = list(subscriptions)
        except TypeError:
            raise TypeError("Subscribe.subscriptions: a list of Subscription is needed") from None
        self.properties: Properties = properties

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        if not self.subscriptions:
            raise refusal("Subscribe.subscriptions", Fault.SUBSCRIBE_EMPTY, version)
        parts = [
            packet_id_bytes("Subscribe", self.packet_id, version),
            self.properties.encoded("Subscribe", _SUBSCRIBE, version),
        ]
        for subscription in self.subscriptions:
            topic_filter = subscription.topic_filter
            if not is_plain_filter(topic_filter):
                field = "Subscription.topic_filter"
                validate_topic_filter(topic_filter, version=version, field=field)
            name = topic_filter.encode()
            size = len(name)
            options = BYTES[subscription.options(version)]
            parts += (BYTES[size >> 8], BYTES[size & 0xFF], name, options)
        body = b"".join(parts)
        return fixed_header(0x82, len(body), "Subscribe.subscriptions", version) + body

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        filters = sum(utf8_size(each.topic_filter) + 1 for each in self.subscriptions)
        return packet_size(2 + properties_size(self.properties, version) + filters)


def _read_filter(reader: Reader, version: int) -> str:
    at = reader.position
    topic_filter = reader.utf8()
    problem = filter_problem(topic_filter, version)
    if problem is not None:
        raise FaultFound(_FILTER_FAULTS[problem], at)
    return topic_filter


def read_subscribe(reader: Reader, version: int, sender: int) -> Subscribe:
    """Read the body of a SUBSCRIBE."""
    packet_id = reader.packet_id()
    properties = EMPTY
    if version == 5:
        properties = read_properties(reader, PacketType.SUBSCRIBE, sender)
    if reader.position == reader.end:
        raise FaultFound(Fault.SUBSCRIBE_EMPTY, reader.position)
    subscriptions: list[Subscription] = []
    while reader.position < reader.end:
        topic_filter = _read_filter(reader, version)
        at = reader.position
        options = reader.u8()
        if options & (0xC0 if version == 5 else 0xFC):
            raise FaultFound(Fault.SUBSCRIPTION_OPTIONS, at)
        if options & 3 == 3:
            fault = Fault.SUBSCRIPTION_QOS if version == 5 else Fault.SUBSCRIPTION_OPTIONS
            raise FaultFound(fault, at)
        if options & 0x30 == 0x30:
            raise FaultFound(Fault.RETAIN_HANDLING, at)
        no_local = options & 4 != 0
        if no_local and topic_filter.startswith("$share/"):
            raise FaultFound(Fault.NO_LOCAL_SHARED, at)
        subscriptions.append(
            Subscription(
                topic_filter,
                _QOS[options & 3],
                no_local,
                options & 8 != 0,
                _RETAIN_HANDLING[options >> 4],
            )
        )
    return Subscribe(packet_id, subscriptions, properties)


@final
class Unsubscribe(Packet):
    """A client's wish for no more messages (section 3.10).

    :ivar packet_id: 1 to 65,535.
    :ivar topic_filters: at least one (MQTT-3.10.3-2), as they were subscribed to.
    :ivar properties: of 5.0.
    """

    __slots__ = ("packet_id", "properties", "topic_filters")

    packet_type: ClassVar[PacketType] = PacketType.UNSUBSCRIBE
    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "topic_filters": (list,),
        "properties": (Properties,),
    }
    ITEMS: ClassVar[dict[str, type]] = {"topic_filters": str}

    def __init__(
        self, packet_id: int, topic_filters: Iterable[str], properties: Properties = EMPTY
    ) -> None:
        self.packet_id: int = packet_id
        if isinstance(topic_filters, str):
            raise TypeError("Unsubscribe.topic_filters: a list of str is needed, not one str")
        self.topic_filters: list[str] = list(topic_filters)
        self.properties: Properties = properties

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        field = "Unsubscribe.topic_filters"
        if not self.topic_filters:
            raise refusal(field, Fault.UNSUBSCRIBE_EMPTY, version)
        parts = [
            packet_id_bytes("Unsubscribe", self.packet_id, version),
            self.properties.encoded("Unsubscribe", PacketType.UNSUBSCRIBE, version),
        ]
        for topic_filter in self.topic_filters:
            validate_topic_filter(topic_filter, version=version, field=field)
            parts.append(sized(topic_filter.encode()))
        body = b"".join(parts)
        return fixed_header(0xA2, len(body), field, version) + body

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        filters = sum(utf8_size(topic_filter) for topic_filter in self.topic_filters)
        return packet_size(2 + properties_size(self.properties, version) + filters)


def read_unsubscribe(reader: Reader, version: int, sender: int) -> Unsubscribe:
    """Read the body of an UNSUBSCRIBE."""
    packet_id = reader.packet_id()
    properties = EMPTY
    if version == 5:
        properties = read_properties(reader, PacketType.UNSUBSCRIBE, sender)
    if reader.position == reader.end:
        raise FaultFound(Fault.UNSUBSCRIBE_EMPTY, reader.position)
    topic_filters: list[str] = []
    while reader.position < reader.end:
        topic_filters.append(_read_filter(reader, version))
    return Unsubscribe(packet_id, topic_filters, properties)


class _Answer(Packet):
    """What SUBACK and UNSUBACK have in common: a reason code for each topic filter."""

    __slots__ = ("packet_id", "properties", "reason_codes")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "reason_codes": (list,),
        "properties": (Properties,),
    }
    ITEMS: ClassVar[dict[str, type]] = {"reason_codes": int}

    def __init__(
        self,
        packet_id: int,
        reason_codes: Iterable[ReasonCode | int] = (),
        properties: Properties = EMPTY,
    ) -> None:
        self.packet_id: int = packet_id
        self.reason_codes: list[ReasonCode] = [
            as_reason_code(f"{type(self).__name__}.reason_codes", code) for code in reason_codes
        ]
        self.properties: Properties = properties

    def _encode(self, name: str, first: int, fault: Fault, empty: Fault, version: int) -> bytes:
        if not self.reason_codes:
            raise refusal(f"{name}.reason_codes", empty, version)
        for code in self.reason_codes:
            if not _code_allowed(self.packet_type, code, version):
                raise refusal(f"{name}.reason_codes", fault, version, f"{code:#04x}")
        body = b"".join(
            (
                packet_id_bytes(name, self.packet_id, version),
                self.properties.encoded(name, self.packet_type, version),
                bytes(self.reason_codes),
            )
        )
        return fixed_header(first, len(body), f"{name}.reason_codes", version) + body

    def encoded_size(self, version: int = ProtocolVersion.MQTT5) -> int:
        block = properties_size(self.properties, version)
        return packet_size(2 + block + len(self.reason_codes))


def _code_allowed(packet: PacketType, code: int, version: int) -> bool:
    if version == 5:
        return reason_allowed(packet, code)
    return code in _CODES_BEFORE_5[version]


def _read_answer(
    reader: Reader, packet: PacketType, fault: Fault, empty: Fault, version: int, sender: int
) -> tuple[int, list[ReasonCode], Properties]:
    packet_id = reader.packet_id()
    properties = read_properties(reader, packet, sender) if version == 5 else EMPTY
    if reader.position == reader.end:
        raise FaultFound(empty, reader.position)
    codes: list[ReasonCode] = []
    while reader.position < reader.end:
        at = reader.position
        code = reader.u8()
        if not _code_allowed(packet, code, version):
            raise FaultFound(fault, at)
        codes.append(reason_member(code))
    return packet_id, codes, properties


@final
class SubAck(_Answer):
    """The server's answer to SUBSCRIBE (section 3.9).

    :ivar packet_id: that of the SUBSCRIBE, 1 to 65,535.
    :ivar reason_codes: one for each subscription, in their order: the granted QoS, or a failure.
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.SUBACK

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        return self._encode("SubAck", 0x90, Fault.SUBACK_REASON, Fault.SUBACK_EMPTY, version)


def read_suback(reader: Reader, version: int, sender: int) -> SubAck:
    """Read the body of a SUBACK."""
    faults = (Fault.SUBACK_REASON, Fault.SUBACK_EMPTY)
    return SubAck(*_read_answer(reader, PacketType.SUBACK, *faults, version, sender))


@final
class UnsubAck(_Answer):
    """The server's answer to UNSUBSCRIBE (section 3.11).

    :ivar packet_id: that of the UNSUBSCRIBE, 1 to 65,535.
    :ivar reason_codes: of 5.0, one for each topic filter, in their order; empty before 5.0.
    :ivar properties: of 5.0.
    """

    __slots__ = ()
    packet_type: ClassVar[PacketType] = PacketType.UNSUBACK

    def encode(self, version: int = ProtocolVersion.MQTT5) -> bytes:
        if version == 5:
            faults = (Fault.UNSUBACK_REASON, Fault.UNSUBACK_EMPTY)
            return self._encode("UnsubAck", 0xB0, *faults, version)
        for field, value in (("reason_codes", self.reason_codes), ("properties", self.properties)):
            if value:
                raise refusal(f"UnsubAck.{field}", Fault.NOT_IN_THIS_VERSION, version)
        return b"\xb0\2" + packet_id_bytes("UnsubAck", self.packet_id, version)


def read_unsuback(reader: Reader, version: int, sender: int) -> UnsubAck:
    """Read the body of an UNSUBACK."""
    if version != 5:
        return UnsubAck(reader.packet_id())
    faults = (Fault.UNSUBACK_REASON, Fault.UNSUBACK_EMPTY)
    return UnsubAck(*_read_answer(reader, PacketType.UNSUBACK, *faults, version, sender))
