"""Messages that wait for a connection, or for the receiver to acknowledge others."""

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import ClassVar, Final, final

from mqttproto.codec.packet import Record
from mqttproto.errors import QueueFullError
from mqttproto.protocol.delivery import NO_EXPIRY, Delivery, message_size

__all__ = ["MessageQueue", "Overflow", "Qos0", "QueueLimits"]

_PAUSE: Final = 1.0
"""Seconds between two looks for what has expired: the unit of Message Expiry Intervals."""


class Overflow(Enum):
    """What gives way when the queue is full."""

    REFUSE = "refuse"
    """The caller: it gets a :class:`~mqttproto.QueueFullError`."""
    DROP_OLDEST = "drop oldest"
    """The messages that have waited longest."""
    DROP_NEWEST = "drop newest"
    """The new message."""


class Qos0(Enum):
    """What becomes of a QoS 0 message while there is no connection."""

    REFUSE = "refuse"
    """The caller gets a :class:`~mqttproto.LocalProtocolError`."""
    DROP = "drop"
    """It is dropped, as QoS 0 permits."""
    QUEUE = "queue"
    """It waits with the others."""


@final
class QueueLimits(Record):
    """How much a session queues, and what happens beyond.

    :ivar max_messages: 0 and up; 10,000 by default.
    :ivar max_bytes: of topics, payloads and properties, with 64 bytes for each message; 0 and up;
        16 MiB by default.
    :ivar overflow: what gives way.
    :ivar qos_0: what becomes of QoS 0 messages without a connection. With one they never wait.
    """

    __slots__ = ("max_bytes", "max_messages", "overflow", "qos_0")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "max_messages": (int,),
        "max_bytes": (int,),
        "overflow": (Overflow,),
        "qos_0": (Qos0,),
    }

    def __init__(
        self,
        max_messages: int = 10_000,
        max_bytes: int = 1 << 24,
        overflow: Overflow = Overflow.REFUSE,
        qos_0: Qos0 = Qos0.REFUSE,
    ) -> None:
        if max_messages < 0 or max_bytes < 0:
            raise ValueError("max_messages and max_bytes must be 0 or more")
        self.max_messages: int = max_messages
        self.max_bytes: int = max_bytes
        self.overflow: Overflow = overflow
        self.qos_0: Qos0 = qos_0


@final
class MessageQueue:
    """What waits to be sent, in order; QoS 0 apart, because nothing holds it back.

    :param limits: how much may wait; not counted for what :meth:`restore` puts in.
    """

    __slots__ = ("_bytes", "_qos_0", "_searched_at", "_soonest", "_waiting", "limits")

    def __init__(self, limits: QueueLimits) -> None:
        self.limits: QueueLimits = limits
        self._waiting: deque[Delivery] | None = None
        self._qos_0: deque[Delivery] | None = None
        self._bytes: int = 0
        # No message expires before the one; when it was looked for those that have.
        self._soonest: float = NO_EXPIRY
        self._searched_at: float = -NO_EXPIRY

    def __len__(self) -> int:
        return self.waiting + (0 if self._qos_0 is None else len(self._qos_0))

    def __iter__(self) -> Iterator[Delivery]:
        """The messages of QoS 1 and 2, in the order in which they will be sent."""
        return iter([] if self._waiting is None else list(self._waiting))

    @property
    def waiting(self) -> int:
        """How many messages of QoS 1 and 2 there are."""
        return 0 if self._waiting is None else len(self._waiting)

    @property
    def size(self) -> int:
        """What they count for, in bytes: see :class:`QueueLimits`."""
        return self._bytes

    def has_room(self, size: int = 0) -> bool:
        """Whether one more message, of ``size`` bytes as they are counted, would fit."""
        limits = self.limits
        return len(self) < limits.max_messages and self._bytes + size <= limits.max_bytes

    def check(self, size: int) -> None:
        """Ask whether :meth:`add` would take or drop a message, or refuse it.

        :param size: of the message, in bytes as they are counted.
        :raises QueueFullError: if there is no room and the caller has to give way.
        """
        limits = self.limits
        if limits.overflow is not Overflow.REFUSE or self.has_room(size):
            return
        if not self._fits_alone(size):
            raise QueueFullError(
                f"a message of {size} bytes never fits into this queue, which takes at most"
                f" {limits.max_messages} messages and {limits.max_bytes} bytes: raise its limits"
            )
        raise QueueFullError(
            f"the queue is full: {len(self)} messages, {self._bytes} bytes of at most"
            f" {limits.max_messages} and {limits.max_bytes}; publish less, or wait for the event"
            " CapacityAvailable of its connection"
        )

    def _fits_alone(self, size: int) -> bool:
        return self.limits.max_messages > 0 and size <= self.limits.max_bytes

    def add(self, delivery: Delivery) -> list[Delivery]:
        """Put a message behind the others.

        :returns: what was dropped for it, or the message itself if it was.
        :raises QueueFullError: if there is no room and the caller has to give way.
        """
        size = message_size(delivery.message)
        self.check(size)
        dropped: list[Delivery] = []
        if not self.has_room(size):
            if self.limits.overflow is Overflow.DROP_NEWEST or not self._fits_alone(size):
                return [delivery]
            while not self.has_room(size):
                dropped.append(self._oldest())
        self.restore(delivery)
        return dropped

    def restore(self, delivery: Delivery) -> None:
        """Put a message behind the others, whatever the limits say."""
        if delivery.message.qos == 0:
            if self._qos_0 is None:
                self._qos_0 = deque()
            self._qos_0.append(delivery)
        else:
            if self._waiting is None:
                self._waiting = deque()
            self._waiting.append(delivery)
        self._bytes += message_size(delivery.message)
        self._soonest = min(self._soonest, delivery.expires_at)

    def _oldest(self) -> Delivery:
        """Take out what is worth least: the oldest of QoS 0, else the oldest."""
        oldest = self.pop_qos_0()
        return self.pop() if oldest is None else oldest

    def first(self) -> Delivery | None:
        """The next message of QoS 1 or 2, which stays."""
        waiting = self._waiting
        return waiting[0] if waiting else None

    def pop(self) -> Delivery:
        """Take out the next message of QoS 1 or 2, which must be there."""
        assert self._waiting is not None
        delivery = self._waiting.popleft()
        self._bytes -= message_size(delivery.message)
        if not self._waiting:
            self._waiting = None
        return delivery

    def pop_qos_0(self) -> Delivery | None:
        """Take out the next message of QoS 0, if there is one."""
        if self._qos_0 is None:
            return None
        delivery = self._qos_0.popleft()
        self._bytes -= message_size(delivery.message)
        if not self._qos_0:
            self._qos_0 = None
        return delivery

    def remove_expired(self, now: float, size: int | None = None) -> list[Delivery]:
        """Take out what has expired (5.0: MQTT-3.3.2-5).

        To look through a long queue takes its time: within a second of the last look nothing is
        found.

        :param size: that of a message to make room for, in bytes as they are counted: if it would
            be refused even so, nothing is taken out.
        """
        if now < self._soonest or now < self._searched_at + _PAUSE:
            return []
        self._searched_at = now
        everything = [*self, *(self._qos_0 or ())]
        expired = [each for each in everything if each.expires_at <= now]
        freed = sum([message_size(each.message) for each in expired])
        limits = self.limits
        if (
            size is not None
            and limits.overflow is Overflow.REFUSE
            and (
                len(self) - len(expired) >= limits.max_messages
                or self._bytes - freed + size > limits.max_bytes
            )
        ):
            return []
        self.clear()
        for each in everything:
            if each.expires_at > now:
                self.restore(each)
        return expired

    def clear(self) -> list[Delivery]:
        """Take out everything."""
        everything = [*self, *(self._qos_0 or ())]
        self._waiting = self._qos_0 = None
        self._bytes = 0
        self._soonest = NO_EXPIRY
        return everything
