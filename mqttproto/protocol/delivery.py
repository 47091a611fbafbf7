"""What a packet identifier is in use for: a message on its way out, or a request."""

from typing import ClassVar, Final, final

from mqttproto.codec.block import EMPTY
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.packet import Record
from mqttproto.codec.publish import Publish, encode_publish, plain_head
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import PacketType, ReasonCode
from mqttproto.errors import InvalidValueError
from mqttproto.protocol.handshakes import OutboundState

__all__ = [
    "NO_EXPIRY",
    "Delivery",
    "Exchange",
    "Request",
    "check_message",
    "deadline_of",
    "message_size",
]

NO_EXPIRY: Final = float("inf")
"""The deadline of a message that does not expire."""

_SUCCESS: Final[ReasonCode] = ReasonCode.SUCCESS
"""A name of its own, because compiled code looks a member up by its name each time."""

_OVERHEAD: Final = 64
"""What a queued message costs beside its bytes, in bytes: an estimate, so that many empty
messages are not free."""


@mypyc_attr(acyclic=True)
class Exchange(Record):
    """What has a packet identifier in the outbound space (5.0 section 2.2.1)."""

    __slots__ = ("packet_id", "state")

    def __init__(self, packet_id: int, state: int) -> None:
        self.packet_id: int = packet_id
        self.state: int = state


@mypyc_attr(acyclic=True)
@final
class Delivery(Exchange):
    """A message that this end sends: the handle of a publish, to be read and not to be set.

    :ivar message: what is sent. Its ``dup`` and ``packet_id`` say nothing: they are the business
        of each transmission.
    :ivar number: 1 and up, never used twice in a session; 0 for QoS 0, which nothing answers.
    :ivar state: an :class:`~mqttproto.protocol.handshakes.OutboundState`; UNKNOWN while the message
        waits in the queue, and when it is done.
    :ivar packet_id: 1 to 65,535; 0 while the message waits in the queue.
    :ivar expires_at: when it need not be sent any more, in seconds of ``now``; infinite if never.
    :ivar after: the number of the change that its transmission waits for; 0: none.
    """

    __slots__ = (
        "abandoned",
        "after",
        "expires_at",
        "message",
        "number",
        "reason_code",
        "waiting",
    )

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "message": (Publish,),
        "number": (int,),
        "packet_id": (int,),
        "state": (int,),
        "expires_at": (float,),
    }

    def __init__(
        self,
        message: Publish,
        number: int = 0,
        packet_id: int = 0,
        state: int = 0,
        expires_at: float = NO_EXPIRY,
        after: int = 0,
    ) -> None:
        super().__init__(packet_id, state)
        self.message: Publish = message
        self.number: int = number
        self.expires_at: float = expires_at
        self.after: int = after
        # What the receiver's PUBREC said.
        self.reason_code: ReasonCode = _SUCCESS
        # Whether it is under way, but has not yet been sent on the present connection.
        self.waiting: bool = False
        # Whether it was given up, and only its identifier is still to be freed.
        self.abandoned: bool = False


@final
class Request(Exchange):
    """A SUBSCRIBE or UNSUBSCRIBE that waits for its answer; it ends with its connection.

    :ivar kind: the type of the packet that answers it, SUBACK or UNSUBACK.
    :ivar subscriptions: what a SUBSCRIBE asks for, in its order.
    :ivar topic_filters: what an UNSUBSCRIBE names, in its order.
    """

    __slots__ = ("kind", "subscriptions", "topic_filters")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "packet_id": (int,),
        "kind": (int,),
        "subscriptions": (tuple,),
        "topic_filters": (tuple,),
    }

    def __init__(
        self,
        packet_id: int,
        kind: PacketType,
        subscriptions: tuple[Subscription, ...] = (),
        topic_filters: tuple[str, ...] = (),
    ) -> None:
        super().__init__(packet_id, int(OutboundState.AWAITS_ANSWER))
        self.kind: PacketType = kind
        self.subscriptions: tuple[Subscription, ...] = subscriptions
        self.topic_filters: tuple[str, ...] = topic_filters


def deadline_of(message: Publish, now: float) -> float:
    """When a message that came or was published at ``now`` expires (5.0 section 3.3.2.3.3).

    :param message: one with or without a Message Expiry Interval.
    :param now: seconds of a monotonic clock.
    :returns: seconds of the same clock; infinite if it never does.
    """
    if not message.properties.may_hold(0x02):
        return NO_EXPIRY
    interval = message.properties.message_expiry_interval
    return NO_EXPIRY if interval is None else now + interval


def check_message(message: Publish) -> None:
    """Check that a message can be sent on some connection: what cannot must not come up later.

    :raises InvalidValueError: if the specification forbids to send it at all.
    """
    properties = message.properties
    if properties is EMPTY:
        plain_head(message.topic, len(message.payload), 5)
        return
    if properties.topic_alias is not None:
        raise InvalidValueError(
            "Publish.properties", "a Topic Alias is the connection's to set: leave it out"
        )
    encode_publish(message, message.topic, False, 1 if message.qos else None, properties, 5)


def message_size(message: Publish) -> int:
    """What a message counts for in a queue, in bytes: topic, payload, properties, overhead."""
    topic = message.topic
    size = len(topic) if topic.isascii() else len(topic.encode())
    return size + len(message.payload) + len(message.properties.block()) + _OVERHEAD
