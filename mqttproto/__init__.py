"""A sans-IO MQTT library: bytes and the time go in, events and bytes come out."""

from mqttproto.codec.block import Properties
from mqttproto.codec.connect import (
    Auth,
    ConnAck,
    Connect,
    Disconnect,
    PingReq,
    PingResp,
    Will,
)
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import PubAck, PubComp, Publish, PubRec, PubRel
from mqttproto.codec.subscribe import SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe
from mqttproto.constants import (
    ConnectReturnCode,
    PacketType,
    ProtocolVersion,
    QoS,
    ReasonCode,
    RetainHandling,
    Sender,
)
from mqttproto.errors import (
    InvalidTopicError,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    MalformedPacketError,
    MQTTError,
    PacketError,
    PacketIdsExhaustedError,
    PacketTooLargeError,
    ProtocolViolationError,
    QueueFullError,
    Statement,
)
from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.server import ServerConnection
from mqttproto.protocol.session import Session

__version__ = "0.1.0"

__all__ = [
    "Auth",
    "ClientConnection",
    "ConnAck",
    "Connect",
    "ConnectReturnCode",
    "Disconnect",
    "InvalidTopicError",
    "InvalidValueError",
    "LimitError",
    "LocalProtocolError",
    "MQTTError",
    "MalformedPacketError",
    "Packet",
    "PacketError",
    "PacketIdsExhaustedError",
    "PacketTooLargeError",
    "PacketType",
    "PingReq",
    "PingResp",
    "Properties",
    "ProtocolVersion",
    "ProtocolViolationError",
    "PubAck",
    "PubComp",
    "PubRec",
    "PubRel",
    "Publish",
    "QoS",
    "QueueFullError",
    "ReasonCode",
    "RetainHandling",
    "Sender",
    "ServerConnection",
    "Session",
    "Statement",
    "SubAck",
    "Subscribe",
    "Subscription",
    "UnsubAck",
    "Unsubscribe",
    "Will",
    "__version__",
]
