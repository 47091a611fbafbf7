"""The vocabulary of a session's journal: what changes in it, as typed values.

A store keeps them in their order; applied to an export of the session before them they give the
export after them (:func:`mqttproto.protocol.export.apply`). Times are the absolute ``now`` of the
calls that made them.
"""

from typing import ClassVar, final

from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.packet import Record
from mqttproto.codec.publish import Publish

__all__ = [
    "Change",
    "MessageCompleted",
    "MessageDropped",
    "MessageQueued",
    "MessageReleased",
    "MessageSent",
    "ReceiptAccepted",
    "ReceiptForgotten",
    "SessionEnded",
    "SessionResumed",
    "SessionStarted",
    "SessionSuspended",
]


@mypyc_attr(acyclic=True)
class Change(Record):
    """Something that has changed in a session.

    :ivar client_id: the session's client identifier (MQTT-3.1.3-2).
    """

    __slots__ = ("client_id",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"client_id": (str,)}

    def __init__(self, client_id: str) -> None:
        self.client_id: str = client_id


@mypyc_attr(acyclic=True)
@final
class SessionStarted(Change):
    """A new session, with nothing in it; one of the same client identifier is gone.

    :ivar expiry_interval: seconds, 1 to 4,294,967,295 (never ends).
    :ivar next_number: the number of its next delivery, 1 and up.
    """

    __slots__ = ("expiry_interval", "next_number")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "client_id": (str,),
        "expiry_interval": (int,),
        "next_number": (int,),
    }

    def __init__(self, client_id: str, expiry_interval: int, next_number: int = 1) -> None:
        super().__init__(client_id)
        self.expiry_interval: int = expiry_interval
        self.next_number: int = next_number


@mypyc_attr(acyclic=True)
@final
class SessionResumed(Change):
    """The session has a connection again.

    :ivar expiry_interval: seconds, 0 to 4,294,967,295 (never ends), as it is from now on.
    """

    __slots__ = ("expiry_interval",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"client_id": (str,), "expiry_interval": (int,)}

    def __init__(self, client_id: str, expiry_interval: int) -> None:
        super().__init__(client_id)
        self.expiry_interval: int = expiry_interval


@mypyc_attr(acyclic=True)
@final
class SessionSuspended(Change):
    """The session has lost its connection and lives on.

    :ivar at: when, in seconds of ``now``.
    :ivar expiry_interval: seconds from then to its end, 1 to 4,294,967,295 (never ends).
    """

    __slots__ = ("at", "expiry_interval")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "client_id": (str,),
        "at": (float,),
        "expiry_interval": (int,),
    }

    def __init__(self, client_id: str, at: float, expiry_interval: int) -> None:
        super().__init__(client_id)
        self.at: float = at
        self.expiry_interval: int = expiry_interval


@mypyc_attr(acyclic=True)
@final
class SessionEnded(Change):
    """The session is gone, with all that was in it."""

    __slots__ = ()


@mypyc_attr(acyclic=True)
@final
class MessageQueued(Change):
    """A message waits to be sent, behind all others.

    :ivar number: that of its :class:`~mqttproto.protocol.delivery.Delivery`.
    :ivar message: the message; shared, not to be changed.
    :ivar expires_at: when it need not be sent any more, in seconds of ``now``; infinite if never.
    """

    __slots__ = ("expires_at", "message", "number")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "client_id": (str,),
        "number": (int,),
        "message": (Publish,),
        "expires_at": (float,),
    }

    def __init__(self, client_id: str, number: int, message: Publish, expires_at: float) -> None:
        super().__init__(client_id)
        self.number: int = number
        self.message: Publish = message
        self.expires_at: float = expires_at


@mypyc_attr(acyclic=True)
@final
class MessageDropped(Change):
    """A message has left the queue unsent.

    :ivar number: that of its delivery.
    """

    __slots__ = ("number",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"client_id": (str,), "number": (int,)}

    def __init__(self, client_id: str, number: int) -> None:
        super().__init__(client_id)
        self.number: int = number


@mypyc_attr(acyclic=True)
@final
class MessageSent(Change):
    """A message is in flight, behind all others.

    :ivar number: that of its delivery.
    :ivar packet_id: the identifier that it has from now on, 1 to 65,535.
    :ivar message: the message, or None if it was in the queue, which it has left.
    :ivar expires_at: as in :class:`MessageQueued`; of no meaning without a message.
    """

    __slots__ = ("expires_at", "message", "number", "packet_id")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "client_id": (str,),
        "number": (int,),
        "packet_id": (int,),
        "message": (Publish, type(None)),
        "expires_at": (float,),
    }

    def __init__(
        self,
        client_id: str,
        number: int,
        packet_id: int,
        message: Publish | None,
        expires_at: float,
    ) -> None:
        super().__init__(client_id)
        self.number: int = number
        self.packet_id: int = packet_id
        self.message: Publish | None = message
        self.expires_at: float = expires_at


@mypyc_attr(acyclic=True)
class _WithPacketId(Change):
    """What happens to a packet identifier."""

    __slots__ = ("packet_id",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {"client_id": (str,), "packet_id": (int,)}

    def __init__(self, client_id: str, packet_id: int) -> None:
        super().__init__(client_id)
        self.packet_id: int = packet_id


@mypyc_attr(acyclic=True)
@final
class MessageReleased(_WithPacketId):
    """PUBREC has come for a message in flight: from now on it is PUBREL that is sent again.

    :ivar packet_id: that of the message, 1 to 65,535.
    :ivar abandoned: whether it did not come, and the message was given up because the peer does not
        take it any more; its owner was told so, and PUBREL only frees the identifier.
    """

    __slots__ = ("abandoned",)

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "client_id": (str,),
        "packet_id": (int,),
        "abandoned": (bool,),
    }

    def __init__(self, client_id: str, packet_id: int, abandoned: bool = False) -> None:
        super().__init__(client_id, packet_id)
        self.abandoned: bool = abandoned


@mypyc_attr(acyclic=True)
@final
class MessageCompleted(_WithPacketId):
    """A message in flight is done with, and its identifier is free.

    :ivar packet_id: that of the message, 1 to 65,535.
    """

    __slots__ = ()


@mypyc_attr(acyclic=True)
@final
class ReceiptAccepted(_WithPacketId):
    """A QoS 2 message that came in is accepted: with this identifier it is not new any more.

    :ivar packet_id: the one that the sender gave it, 1 to 65,535.
    """

    __slots__ = ()


@mypyc_attr(acyclic=True)
@final
class ReceiptForgotten(_WithPacketId):
    """PUBREL has come: the next QoS 2 message with this identifier is a new one.

    :ivar packet_id: the one that the sender gave it, 1 to 65,535.
    """

    __slots__ = ()
