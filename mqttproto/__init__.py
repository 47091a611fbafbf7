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
    MalformedPacketError,
    MQTTError,
    PacketError,
    PacketTooLargeError,
    ProtocolViolationError,
    Statement,
)

__version__ = "0.1.0"

__all__ = [
    "Auth",
    "ConnAck",
    "Connect",
    "ConnectReturnCode",
    "Disconnect",
    "InvalidTopicError",
    "InvalidValueError",
    "MQTTError",
    "MalformedPacketError",
    "Packet",
    "PacketError",
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
    "ReasonCode",
    "RetainHandling",
    "Sender",
    "Statement",
    "SubAck",
    "Subscribe",
    "Subscription",
    "UnsubAck",
    "Unsubscribe",
    "Will",
    "__version__",
]
