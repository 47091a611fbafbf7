"""Everything that a connection can tell.

A call returns its events in the order in which they happened. Each is a plain object: equal to
another of its class with equal attributes, with a repr that shows them. A message's payload is in
that repr; it is never in a log.
"""

from enum import Enum
from typing import ClassVar, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Connect
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.packet import Packet, Record
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ConnectReturnCode, ProtocolVersion, QoS, ReasonCode
from mqttproto.errors import PacketError, Statement
from mqttproto.protocol.delivery import Delivery
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.receipts import Receipt

__all__ = [
    "AcknowledgementIgnored",
    "AuthenticationReceived",
    "CapacityAvailable",
    "ConnectReceived",
    "Connected",
    "ConnectionFailed",
    "ConnectionRefused",
    "Disconnected",
    "DropReason",
    "Event",
    "Initiator",
    "MessageReceived",
    "PingAnswered",
    "PublishCompleted",
    "PublishDropped",
    "SubscribeReceived",
    "Subscribed",
    "UnsubscribeReceived",
    "Unsubscribed",
]


class Initiator(Enum):
    """Who ended a connection."""

    LOCAL = "local"
    """This end: it sent DISCONNECT; on a server also because another connection took over."""
    PEER = "peer"
    """The other end: it sent DISCONNECT."""
    NETWORK = "network"
    """Nobody said a word: the network connection is gone, or, on a client, another connection took
    its session over.
    """


class DropReason(Enum):
    """Why a message will not be sent, or not be sent again."""

    QUEUE_FULL = "queue full"
    """It gave way to another one, or there was no room for it."""
    EXPIRED = "expired"
    """Its Message Expiry Interval has passed before it was sent (5.0: MQTT-3.3.2-5)."""
    TOO_LARGE = "too large"
    """It exceeds the peer's Maximum Packet Size (5.0: MQTT-3.1.2-25, MQTT-3.2.2-15)."""
    QOS_NOT_SUPPORTED = "QoS not supported"
    """Its QoS exceeds the server's Maximum QoS (5.0: MQTT-3.2.2-11)."""
    RETAIN_NOT_SUPPORTED = "retain not supported"
    """The server keeps no messages (5.0: MQTT-3.2.2-14)."""
    NOT_CONNECTED = "not connected"
    """It is of QoS 0, and there is no connection."""
    SESSION_ENDED = "session ended"
    """It was in flight in a session that is over. The peer may have it or not: whether to publish
    it anew, perhaps twice, is for the application to decide.
    """


@mypyc_attr(acyclic=True)
class Event(Record):
    """The base of all events."""

    __slots__ = ()


@final
class Connected(Event):
    """The server has accepted the connection (client).

    :ivar session_present: whether it resumes the session. If not, it holds no subscriptions.
    :ivar client_id: the client identifier; the server's choice if the own one was empty.
    :ivar limits: what may be sent on this connection.
    :ivar properties: those of CONNACK, with Authentication Data, Response Information, Reason
        String and User Properties among them; empty before 5.0.
    """

    __slots__ = ("client_id", "limits", "properties", "session_present")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "session_present": (bool,),
        "client_id": (str,),
        "limits": (NegotiatedLimits,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        session_present: bool,
        client_id: str,
        limits: NegotiatedLimits,
        properties: Properties = EMPTY,
    ) -> None:
        self.session_present: bool = session_present
        self.client_id: str = client_id
        self.limits: NegotiatedLimits = limits
        self.properties: Properties = properties


@final
class ConnectionRefused(Event):
    """The server has refused the connection (client); it is over.

    :ivar reason_code: a ReasonCode in 5.0, a ConnectReturnCode before.
    :ivar properties: those of CONNACK, with Reason String and Server Reference among them; empty
        before 5.0.
    """

    __slots__ = ("properties", "reason_code")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "reason_code": (ReasonCode, ConnectReturnCode),
        "properties": (Properties,),
    }

    def __init__(
        self, reason_code: ReasonCode | ConnectReturnCode, properties: Properties = EMPTY
    ) -> None:
        self.reason_code: ReasonCode | ConnectReturnCode = reason_code
        self.properties: Properties = properties


@final
class ConnectReceived(Event):
    """A client asks for a connection (server). Nothing more is read until it is answered.

    :ivar connect: the CONNECT. Answer with ``accept()``, ``refuse()``, or ``authenticate()`` if it
        names an Authentication Method that takes more steps.
    :ivar version: the client's protocol version.
    :ivar session_expiry_interval: seconds that it wants its session to outlive the connection, 0
        to 4,294,967,295 (never ends), in the terms of 5.0 for every version.
    """

    __slots__ = ("connect", "session_expiry_interval", "version")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "connect": (Connect,),
        "version": (ProtocolVersion,),
        "session_expiry_interval": (int,),
    }

    def __init__(
        self, connect: Connect, version: ProtocolVersion, session_expiry_interval: int
    ) -> None:
        self.connect: Connect = connect
        self.version: ProtocolVersion = version
        self.session_expiry_interval: int = session_expiry_interval


@mypyc_attr(acyclic=True)
@final
class MessageReceived(Event):
    """An application message has come.

    :ivar message: the PUBLISH, its topic in full and without a Topic Alias. It is new, and yours.
    :ivar receipt: what ``acknowledge()`` needs where acknowledgement is manual and QoS is 1 or 2;
        else None.
    """

    __slots__ = ("message", "receipt")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"message": (Publish,)}

    def __init__(self, message: Publish, receipt: Receipt | None = None) -> None:
        self.message: Publish = message
        self.receipt: Receipt | None = receipt

    @property
    def topic(self) -> str:
        """The Topic Name, never empty."""
        return self.message.topic

    @property
    def payload(self) -> bytes:
        """The Application Message, any bytes."""
        return self.message.payload

    @property
    def qos(self) -> QoS:
        """The QoS at which it was sent to this end."""
        return self.message.qos

    @property
    def retain(self) -> bool:
        """The RETAIN flag (section 3.3.1.3)."""
        return self.message.retain

    @property
    def dup(self) -> bool:
        """Whether the sender has sent it before; not whether it was delivered before."""
        return self.message.dup

    @property
    def properties(self) -> Properties:
        """Its properties, without a Topic Alias; empty before 5.0."""
        return self.message.properties


@mypyc_attr(acyclic=True)
@final
class PublishCompleted(Event):
    """A message of QoS 1 or 2 is done with: PUBACK, PUBCOMP or a refusing PUBREC has come.

    :ivar delivery: what ``publish()`` returned.
    :ivar reason_code: below 0x80 the receiver has the message, from 0x80 on it has refused it;
        always 0 before 5.0.
    :ivar properties: those of the answer, with Reason String and User Properties.
    """

    __slots__ = ("delivery", "properties", "reason_code")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "delivery": (Delivery,),
        "reason_code": (ReasonCode,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        delivery: Delivery,
        reason_code: ReasonCode = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
    ) -> None:
        self.delivery: Delivery = delivery
        self.reason_code: ReasonCode = reason_code
        self.properties: Properties = properties


@mypyc_attr(acyclic=True)
@final
class PublishDropped(Event):
    """A message will not be sent, or not again. No other event about it follows.

    :ivar delivery: what ``publish()`` returned.
    :ivar reason: why.
    """

    __slots__ = ("delivery", "reason")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "delivery": (Delivery,),
        "reason": (DropReason,),
    }

    def __init__(self, delivery: Delivery, reason: DropReason) -> None:
        self.delivery: Delivery = delivery
        self.reason: DropReason = reason


@final
class CapacityAvailable(Event):
    """There is room in the queue again, after a message was refused or dropped for want of it."""

    __slots__ = ()


@final
class Subscribed(Event):
    """The server has answered a SUBSCRIBE (client).

    :ivar packet_id: what ``subscribe()`` returned.
    :ivar subscriptions: what was asked for.
    :ivar reason_codes: for each of them, in their order: the granted QoS, or a failure.
    :ivar properties: those of SUBACK; empty before 5.0.
    """

    __slots__ = ("packet_id", "properties", "reason_codes", "subscriptions")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "subscriptions": (tuple,),
        "reason_codes": (list,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        packet_id: int,
        subscriptions: tuple[Subscription, ...],
        reason_codes: list[ReasonCode],
        properties: Properties = EMPTY,
    ) -> None:
        self.packet_id: int = packet_id
        self.subscriptions: tuple[Subscription, ...] = subscriptions
        self.reason_codes: list[ReasonCode] = reason_codes
        self.properties: Properties = properties


@final
class Unsubscribed(Event):
    """The server has answered an UNSUBSCRIBE (client).

    :ivar packet_id: what ``unsubscribe()`` returned.
    :ivar topic_filters: what was named.
    :ivar reason_codes: for each of them, in their order; empty before 5.0.
    :ivar properties: those of UNSUBACK; empty before 5.0.
    """

    __slots__ = ("packet_id", "properties", "reason_codes", "topic_filters")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "topic_filters": (tuple,),
        "reason_codes": (list,),
        "properties": (Properties,),
    }

    def __init__(
        self,
        packet_id: int,
        topic_filters: tuple[str, ...],
        reason_codes: list[ReasonCode],
        properties: Properties = EMPTY,
    ) -> None:
        self.packet_id: int = packet_id
        self.topic_filters: tuple[str, ...] = topic_filters
        self.reason_codes: list[ReasonCode] = reason_codes
        self.properties: Properties = properties


@final
class SubscribeReceived(Event):
    """A client subscribes (server). Answer with ``answer_subscribe()`` (MQTT-3.8.4-1).

    :ivar packet: the SUBSCRIBE.
    """

    __slots__ = ("packet",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"packet": (Subscribe,)}

    def __init__(self, packet: Subscribe) -> None:
        self.packet: Subscribe = packet


@final
class UnsubscribeReceived(Event):
    """A client unsubscribes (server). Answer with ``answer_unsubscribe()`` (MQTT-3.10.4-4).

    :ivar packet: the UNSUBSCRIBE.
    """

    __slots__ = ("packet",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"packet": (Unsubscribe,)}

    def __init__(self, packet: Unsubscribe) -> None:
        self.packet: Unsubscribe = packet


@final
class AuthenticationReceived(Event):
    """A step of enhanced authentication has come (5.0 section 4.12).

    :ivar reason_code: CONTINUE_AUTHENTICATION: the peer waits for ``authenticate()``;
        RE_AUTHENTICATE (server): the client begins anew; SUCCESS (client): it is through with it.
    :ivar properties: those of AUTH, with Authentication Method and Authentication Data.
    """

    __slots__ = ("properties", "reason_code")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "reason_code": (ReasonCode,),
        "properties": (Properties,),
    }

    def __init__(self, reason_code: ReasonCode, properties: Properties) -> None:
        self.reason_code: ReasonCode = reason_code
        self.properties: Properties = properties

    @property
    def data(self) -> bytes | None:
        """The Authentication Data, up to 65,535 bytes; None if there was none."""
        return self.properties.authentication_data


@final
class PingAnswered(Event):
    """PINGRESP has come for a PINGREQ (client).

    :ivar round_trip: the seconds in between.
    """

    __slots__ = ("round_trip",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"round_trip": (float,)}

    def __init__(self, round_trip: float) -> None:
        self.round_trip: float = round_trip


@final
class AcknowledgementIgnored(Event):
    """An acknowledgement came for a packet identifier that nothing is under way with.

    It changes nothing. It is to be expected after a reconnection, where the answer to a PUBREL was
    lost, and after a loss of memory on one side; at other times the two ends disagree (5.0 section
    2.4, reason code 0x92).

    :ivar packet: the PUBACK, PUBREC, PUBREL or PUBCOMP.
    """

    __slots__ = ("packet",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"packet": (Packet,)}

    def __init__(self, packet: Packet) -> None:
        self.packet: Packet = packet


@final
class Disconnected(Event):
    """The connection is over, without a fault; the last event of a connection.

    :ivar by: who ended it.
    :ivar reason_code: that of DISCONNECT; UNSPECIFIED_ERROR if there was none in 5.0 and nobody
        said why; NORMAL_DISCONNECTION for a DISCONNECT before 5.0.
    :ivar properties: those of DISCONNECT; empty before 5.0.
    :ivar publish_will: whether the client's will is to be published, once its delay has passed
        (server; 5.0: MQTT-3.1.2-8, MQTT-3.14.4-3). False where there is none.
    """

    __slots__ = ("by", "properties", "publish_will", "reason_code")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "by": (Initiator,),
        "reason_code": (ReasonCode,),
        "properties": (Properties,),
        "publish_will": (bool,),
    }

    def __init__(
        self,
        by: Initiator,
        reason_code: ReasonCode,
        properties: Properties = EMPTY,
        publish_will: bool = False,
    ) -> None:
        self.by: Initiator = by
        self.reason_code: ReasonCode = reason_code
        self.properties: Properties = properties
        self.publish_will: bool = publish_will


@final
class ConnectionFailed(Event):
    """The peer broke a rule or let a deadline pass; the last event of a connection.

    What 5.0 has to say to the peer (CONNACK or DISCONNECT) is in the output already.

    :ivar error: the rule, in words, and what follows.
    :ivar publish_will: as in :class:`Disconnected`.
    """

    __slots__ = ("error", "publish_will")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "error": (PacketError,),
        "publish_will": (bool,),
    }

    def __init__(self, error: PacketError, publish_will: bool = False) -> None:
        self.error: PacketError = error
        self.publish_will: bool = publish_will

    @property
    def reason_code(self) -> ReasonCode:
        """The reason code that 5.0 has for it."""
        return self.error.reason_code

    @property
    def offset(self) -> int:
        """Where, in bytes from the start of what the peer has sent."""
        return self.error.offset

    @property
    def statement(self) -> Statement:
        """The rule that was broken: version and id."""
        return self.error.statement
