"""What the two ends of a connection have agreed on."""

from typing import ClassVar, Final, final

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import ConnAck, Connect
from mqttproto.codec.faults import Fault
from mqttproto.codec.packet import Record
from mqttproto.codec.subscribe import Subscribe
from mqttproto.constants import MAX_PACKET_SIZE, QoS

__all__ = [
    "NEVER",
    "NegotiatedLimits",
    "limits_of_connack",
    "limits_of_connect",
    "session_expiry",
    "subscription_fault",
    "will_fault",
]

NEVER: Final[int] = 0xFFFF_FFFF
"""The Session Expiry Interval that means: never (5.0 section 3.1.2.11.2)."""

_MOST_IN_FLIGHT: Final[int] = 65_535


@final
class NegotiatedLimits(Record):
    """What the other end of a connection takes, and what holds for both.

    What was absent from CONNECT or CONNACK has its default, whatever an earlier connection said.

    :ivar receive_maximum: how many QoS 1 and 2 messages the peer takes at once before it has
        acknowledged one, 1 to 65,535 (5.0 sections 3.1.2.11.3 and 3.2.2.3.3).
    :ivar maximum_packet_size: the most bytes of a packet that the peer takes, 1 to 268,435,460
        (5.0 sections 3.1.2.11.4 and 3.2.2.3.6).
    :ivar topic_alias_maximum: the highest Topic Alias that the peer takes, 0 (none) to 65,535
        (5.0 sections 3.1.2.11.5 and 3.2.2.3.8).
    :ivar maximum_qos: the highest QoS that the server takes (5.0 section 3.2.2.3.4).
    :ivar retain_available: whether the server keeps messages (5.0 section 3.2.2.3.5).
    :ivar wildcard_subscription_available: whether it takes + and # (5.0 section 3.2.2.3.11).
    :ivar subscription_identifier_available: whether it takes them (5.0 section 3.2.2.3.12).
    :ivar shared_subscription_available: whether it takes $share (5.0 section 3.2.2.3.13).
    :ivar keep_alive: seconds, 0 (off) to 65,535; the server's word is the last (MQTT-3.2.2-21).
    :ivar session_expiry_interval: seconds that the session outlives this connection, 0 to
        4,294,967,295 (never ends); the server's word is the last (5.0 section 3.2.2.3.2).
    """

    __slots__ = (
        "keep_alive",
        "maximum_packet_size",
        "maximum_qos",
        "receive_maximum",
        "retain_available",
        "session_expiry_interval",
        "shared_subscription_available",
        "subscription_identifier_available",
        "topic_alias_maximum",
        "wildcard_subscription_available",
    )

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "receive_maximum": (int,),
        "maximum_packet_size": (int,),
        "topic_alias_maximum": (int,),
        "maximum_qos": (int,),
        "retain_available": (bool,),
        "wildcard_subscription_available": (bool,),
        "subscription_identifier_available": (bool,),
        "shared_subscription_available": (bool,),
        "keep_alive": (int,),
        "session_expiry_interval": (int,),
    }

    def __init__(
        self,
        receive_maximum: int = _MOST_IN_FLIGHT,
        maximum_packet_size: int = MAX_PACKET_SIZE,
        topic_alias_maximum: int = 0,
        maximum_qos: QoS = QoS.EXACTLY_ONCE,
        retain_available: bool = True,
        wildcard_subscription_available: bool = True,
        subscription_identifier_available: bool = True,
        shared_subscription_available: bool = True,
        keep_alive: int = 0,
        session_expiry_interval: int = 0,
    ) -> None:
        self.receive_maximum: int = receive_maximum
        self.maximum_packet_size: int = maximum_packet_size
        self.topic_alias_maximum: int = topic_alias_maximum
        self.maximum_qos: QoS = maximum_qos
        self.retain_available: bool = retain_available
        self.wildcard_subscription_available: bool = wildcard_subscription_available
        self.subscription_identifier_available: bool = subscription_identifier_available
        self.shared_subscription_available: bool = shared_subscription_available
        self.keep_alive: int = keep_alive
        self.session_expiry_interval: int = session_expiry_interval


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def session_expiry(connect: Connect, version: int) -> int:
    """The Session Expiry Interval that a CONNECT asks for.

    Before 5.0 a session ends with its connection or never (3.1.1: MQTT-3.1.2-4, MQTT-3.1.2-6;
    5.0 section 3.1.2.4).
    """
    if version != 5:
        return 0 if connect.clean_start else NEVER
    return _or(connect.properties.session_expiry_interval, 0)


def _agreed(connect: Connect, answer: Properties, version: int) -> NegotiatedLimits:
    """What CONNECT asks for and CONNACK may override."""
    asked = session_expiry(connect, version)
    return NegotiatedLimits(
        keep_alive=_or(answer.server_keep_alive, connect.keep_alive),
        session_expiry_interval=_or(answer.session_expiry_interval, asked),
        maximum_qos=_or_qos(answer.maximum_qos),
        retain_available=answer.retain_available is not False,
        wildcard_subscription_available=answer.wildcard_subscription_available is not False,
        subscription_identifier_available=answer.subscription_identifier_available is not False,
        shared_subscription_available=answer.shared_subscription_available is not False,
    )


def _or_qos(value: QoS | None) -> QoS:
    return QoS.EXACTLY_ONCE if value is None else value


def _take_sizes(limits: NegotiatedLimits, peer: Properties) -> NegotiatedLimits:
    """Put in what the peer takes."""
    limits.receive_maximum = _or(peer.receive_maximum, _MOST_IN_FLIGHT)
    size = _or(peer.maximum_packet_size, MAX_PACKET_SIZE)
    limits.maximum_packet_size = min(size, MAX_PACKET_SIZE)
    limits.topic_alias_maximum = _or(peer.topic_alias_maximum, 0)
    return limits


def limits_of_connack(connect: Connect, connack: ConnAck, version: int) -> NegotiatedLimits:
    """What a client may do after this CONNACK."""
    answer = connack.properties
    return _take_sizes(_agreed(connect, answer, version), answer)


def limits_of_connect(connect: Connect, answer: Properties, version: int) -> NegotiatedLimits:
    """What a server may do that answers CONNECT with these properties."""
    return _take_sizes(_agreed(connect, answer, version), connect.properties)


def subscription_fault(limits: NegotiatedLimits, packet: Subscribe) -> Fault:
    """What a SUBSCRIBE asks for that the server does not support (5.0 section 3.2.2.3)."""
    if packet.properties.subscription_identifiers and not limits.subscription_identifier_available:
        return Fault.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED
    for each in packet.subscriptions:
        topic_filter = each.topic_filter
        if not limits.shared_subscription_available and topic_filter.startswith("$share/"):
            return Fault.SHARING_NOT_SUPPORTED
        wildcard = "+" in topic_filter or "#" in topic_filter
        if wildcard and not limits.wildcard_subscription_available:
            return Fault.WILDCARDS_NOT_SUPPORTED
    return Fault.NONE


def will_fault(connect: Connect, answer: Properties) -> Fault:
    """What is wrong with a will, by what the server is about to announce (5.0: MQTT-3.2.2-12,
    MQTT-3.2.2-13).
    """
    will = connect.will
    if will is None:
        return Fault.NONE
    if answer.maximum_qos is not None and will.qos > answer.maximum_qos:
        return Fault.WILL_QOS_NOT_SUPPORTED
    if will.retain and answer.retain_available is False:
        return Fault.WILL_RETAIN_NOT_SUPPORTED
    return Fault.NONE
