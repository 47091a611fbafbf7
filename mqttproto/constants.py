"""The specification's enumerations.

Every member has the number that stands on the wire. Names are the specification's own, in
upper snake case. All of them are :class:`enum.IntEnum`, so a member compares equal to its number
and ``format(member, "#04x")`` gives the hexadecimal form that the standards print.
"""

from enum import Enum, IntEnum
from typing import Final

__all__ = [
    "MAX_PACKET_SIZE",
    "MAX_REMAINING_LENGTH",
    "ConnectReturnCode",
    "PacketType",
    "ProtocolVersion",
    "QoS",
    "ReasonCode",
    "RetainHandling",
    "Sender",
]

MAX_REMAINING_LENGTH: Final[int] = 268_435_455
"""The largest Remaining Length, in bytes: four bytes of seven bits (5.0 section 1.5.5)."""

MAX_PACKET_SIZE: Final[int] = MAX_REMAINING_LENGTH + 5
"""The largest packet that MQTT can express, in bytes, with its fixed header of five bytes."""


class ProtocolVersion(IntEnum):
    """The protocol versions; the value is the level in CONNECT (section 3.1.2.2)."""

    MQTT31 = 3
    """MQTT 3.1, protocol name ``MQIsdp``."""
    MQTT311 = 4
    """MQTT 3.1.1, protocol name ``MQTT``."""
    MQTT5 = 5
    """MQTT 5.0, protocol name ``MQTT``."""

    @property
    def label(self) -> str:
        """The version as people write it: ``"3.1"``, ``"3.1.1"`` or ``"5.0"``."""
        return _LABELS[self.value]


_LABELS: Final[dict[int, str]] = {3: "3.1", 4: "3.1.1", 5: "5.0"}


class Sender(Enum):
    """Which end of a connection sent the bytes."""

    CLIENT = "client"
    SERVER = "server"


class PacketType(IntEnum):
    """The fifteen control packet types (5.0 section 2.1.2); AUTH exists in 5.0 only."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class QoS(IntEnum):
    """Quality of Service (section 4.3)."""

    AT_MOST_ONCE = 0
    AT_LEAST_ONCE = 1
    EXACTLY_ONCE = 2


class RetainHandling(IntEnum):
    """Whether retained messages are sent at a subscribe (5.0 section 3.8.3.1)."""

    SEND = 0
    """Send them at every subscribe."""
    SEND_IF_NEW = 1
    """Send them only if the subscription did not exist."""
    DO_NOT_SEND = 2
    """Do not send them."""


class ConnectReturnCode(IntEnum):
    """The CONNACK return codes of 3.1 and 3.1.1 (3.1.1 section 3.2.2.3)."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_USER_NAME_OR_PASSWORD = 4
    NOT_AUTHORIZED = 5


class ReasonCode(IntEnum):
    """The reason codes of 5.0 (section 2.4).

    Below 0x80 the operation succeeded; 0x80 and above it failed. Which codes a packet may carry
    is said by :data:`mqttproto.codec.reasons.REASON_CODES`.

    The number 0x00 has three names in the specification: Success, Normal disconnection and
    Granted QoS 0. The latter two are aliases here.
    """

    SUCCESS = 0x00
    NORMAL_DISCONNECTION = 0x00
    GRANTED_QOS_0 = 0x00
    GRANTED_QOS_1 = 0x01
    GRANTED_QOS_2 = 0x02
    DISCONNECT_WITH_WILL_MESSAGE = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    CONTINUE_AUTHENTICATION = 0x18
    RE_AUTHENTICATE = 0x19
    UNSPECIFIED_ERROR = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC_ERROR = 0x83
    UNSUPPORTED_PROTOCOL_VERSION = 0x84
    CLIENT_IDENTIFIER_NOT_VALID = 0x85
    BAD_USER_NAME_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    BANNED = 0x8A
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_IDENTIFIER_IN_USE = 0x91
    PACKET_IDENTIFIER_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_FORMAT_INVALID = 0x99
    RETAIN_NOT_SUPPORTED = 0x9A
    QOS_NOT_SUPPORTED = 0x9B
    USE_ANOTHER_SERVER = 0x9C
    SERVER_MOVED = 0x9D
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E
    CONNECTION_RATE_EXCEEDED = 0x9F
    MAXIMUM_CONNECT_TIME = 0xA0
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED = 0xA1
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2

    @property
    def is_failure(self) -> bool:
        """Whether the operation failed: 0x80 and above (5.0 section 2.4)."""
        return self.value >= 0x80
