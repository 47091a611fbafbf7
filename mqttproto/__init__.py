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
    ClientClosedError,
    ConnectRefusedError,
    DeliveryUncertainError,
    InvalidTopicError,
    InvalidValueError,
    LimitError,
    LocalProtocolError,
    MalformedPacketError,
    MessageDroppedError,
    MQTTError,
    PacketError,
    PacketIdsExhaustedError,
    PacketTooLargeError,
    ProtocolViolationError,
    PublishRefusedError,
    QueueFullError,
    RequestTimeoutError,
    Statement,
    SubscribeRefusedError,
    TransportError,
)
from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.server import ServerConnection
from mqttproto.protocol.session import Session

__version__ = "0.1.0"

__all__ = [
    "Auth",
    "ClientClosedError",
    "ClientConnection",
    "ConnAck",
    "Connect",
    "ConnectRefusedError",
    "ConnectReturnCode",
    "DeliveryUncertainError",
    "Disconnect",
    "InvalidTopicError",
    "InvalidValueError",
    "LimitError",
    "LocalProtocolError",
    "MQTTError",
    "MalformedPacketError",
    "MessageDroppedError",
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
    "PublishRefusedError",
    "QoS",
    "QueueFullError",
    "ReasonCode",
    "RequestTimeoutError",
    "RetainHandling",
    "Sender",
    "ServerConnection",
    "Session",
    "Statement",
    "SubAck",
    "Subscribe",
    "SubscribeRefusedError",
    "Subscription",
    "TransportError",
    "UnsubAck",
    "Unsubscribe",
    "Will",
    "__version__",
]
