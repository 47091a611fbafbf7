"""What happens to a client while connections come and go."""

from dataclasses import dataclass

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import ProtocolVersion, ReasonCode
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.transport.url import Address

__all__ = [
    "ClientEvent",
    "MessageDropped",
    "Offline",
    "Online",
    "Reconnecting",
    "SessionLost",
    "SubscriptionLost",
]


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """The base of them all."""


@dataclass(frozen=True, slots=True)
class Online(ClientEvent):
    """A server has accepted a connection.

    :ivar address: where it is; None if the byte stream was given.
    :ivar version: the protocol version spoken.
    :ivar session_present: whether the session was resumed.
    :ivar client_id: the client identifier, which the server may have chosen.
    :ivar limits: what may be sent.
    :ivar properties: those of CONNACK; empty before 5.0.
    """

    address: Address | None
    version: ProtocolVersion
    session_present: bool
    client_id: str
    limits: NegotiatedLimits
    properties: Properties = EMPTY


@dataclass(frozen=True, slots=True)
class Offline(ClientEvent):
    """A connection has ended, or could not be made.

    :ivar error: why; None if this end has said DISCONNECT.
    """

    error: BaseException | None


@dataclass(frozen=True, slots=True)
class Reconnecting(ClientEvent):
    """The next attempt to connect is due.

    :ivar delay: in this many seconds, 0 and up.
    :ivar failures: how many attempts have failed since there was a connection.
    """

    delay: float
    failures: int


@dataclass(frozen=True, slots=True)
class SessionLost(ClientEvent):
    """The server has no session any more, and what it had for this client is lost with it.

    :ivar subscriptions: what is subscribed to again by itself.
    """

    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionLost(ClientEvent):
    """The server has refused to subscribe again to what it had granted before.

    :ivar subscription: to what.
    :ivar reason_code: why; 0x80 and up.
    """

    subscription: Subscription
    reason_code: ReasonCode


@dataclass(frozen=True, slots=True)
class MessageDropped(ClientEvent):
    """An inbox was full.

    :ivar message: what was dropped.
    """

    message: Publish
