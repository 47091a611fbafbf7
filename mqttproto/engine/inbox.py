"""Where messages wait for the application."""

from collections import deque
from enum import Enum
from typing import ClassVar, Final, final

from mqttproto.codec.packet import Record
from mqttproto.engine.completion import Completion, Waiters
from mqttproto.protocol.events import MessageReceived

__all__ = ["Inbox", "InboxLimits", "InboxOverflow"]


class InboxOverflow(Enum):
    """What gives way when an inbox is full."""

    HOLD = "hold"
    """The sender. Messages of QoS 1 and 2 are acknowledged as they are taken out, so no more of
    them come than Receive Maximum allows, and none is dropped. QoS 0 has no such limit: when an
    inbox is nearly full nothing is read from the network, but for a second only, because answers
    are to be read, too. If it still fills up, a new message of QoS 0 is dropped.
    """
    DROP_OLDEST = "drop oldest"
    """The messages that have waited longest, whatever their QoS. They count as received."""
    DROP_NEWEST = "drop newest"
    """The new message, whatever its QoS. It counts as received."""


@final
class InboxLimits(Record):
    """How much waits in an inbox, and what happens beyond.

    :ivar max_messages: 1 and up; 65,535 by default.
    :ivar max_bytes: of topics and payloads, 1 and up; 64 MiB by default.
    :ivar overflow: what gives way.
    """

    __slots__ = ("max_bytes", "max_messages", "overflow")

    FIELDS: ClassVar[dict[str, tuple[type, ...]]] = {
        "max_messages": (int,),
        "max_bytes": (int,),
        "overflow": (InboxOverflow,),
    }

    def __init__(
        self,
        max_messages: int = 65_535,
        max_bytes: int = 1 << 26,
        overflow: InboxOverflow = InboxOverflow.HOLD,
    ) -> None:
        if max_messages < 1 or max_bytes < 1:
            raise ValueError("max_messages and max_bytes must be 1 or more")
        self.max_messages: int = max_messages
        self.max_bytes: int = max_bytes
        self.overflow: InboxOverflow = overflow


def _size(message: MessageReceived) -> int:
    packet = message.message
    return len(packet.topic) + len(packet.payload)


@final
class Inbox:
    """Messages in the order in which they came.

    :ivar limits: how much waits.
    :ivar dropped: how many messages were dropped, from the first on.
    :ivar closed: whether no more will come; what waits may still be taken.
    """

    __slots__ = ("_arrival", "_bytes", "_messages", "closed", "dropped", "error", "limits")

    def __init__(self, limits: InboxLimits) -> None:
        self.limits: Final[InboxLimits] = limits
        self.dropped: int = 0
        self.closed: bool = False
        self.error: BaseException | None = None
        """Why no more will come; None if that is as it should be."""
        self._messages: deque[MessageReceived] = deque()
        self._bytes: int = 0
        self._arrival: Waiters = Waiters()

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def crowded(self) -> bool:
        """Whether it is nearly full, by three quarters, and the sender should wait."""
        limits = self.limits
        return limits.overflow is InboxOverflow.HOLD and (
            4 * len(self._messages) >= 3 * limits.max_messages
            or 4 * self._bytes >= 3 * limits.max_bytes
        )

    @property
    def roomy(self) -> bool:
        """Whether it is not more than half full."""
        limits = self.limits
        return (
            2 * len(self._messages) <= limits.max_messages and 2 * self._bytes <= limits.max_bytes
        )

    def put(self, message: MessageReceived) -> list[MessageReceived] | None:
        """Add a message.

        :returns: what was dropped for it, or the message itself if it was; None: nothing.
        """
        size = _size(message)
        limits = self.limits
        dropped: list[MessageReceived] | None = None
        if len(self._messages) >= limits.max_messages or self._bytes + size > limits.max_bytes:
            overflow = limits.overflow
            if overflow is InboxOverflow.DROP_OLDEST:
                dropped = []
                while self._messages and (
                    len(self._messages) >= limits.max_messages
                    or self._bytes + size > limits.max_bytes
                ):
                    dropped.append(self._pop())
                self.dropped += len(dropped)
            elif overflow is InboxOverflow.DROP_NEWEST or not message.message.qos:
                self.dropped += 1
                return [message]
        self._messages.append(message)
        self._bytes += size
        self._arrival.wake()
        return dropped

    def _pop(self) -> MessageReceived:
        message = self._messages.popleft()
        self._bytes -= _size(message)
        return message

    def take(self) -> MessageReceived | None:
        """Take out the oldest message; None if there is none."""
        return self._pop() if self._messages else None

    def arrival(self) -> Completion:
        """What is done when the next message comes, or when none will come any more."""
        return self._arrival.next()

    def close(self, error: BaseException | None = None) -> None:
        """No more will come.

        :param error: what whoever waits for more is to get; None: an orderly end.
        """
        if not self.closed:
            self.closed = True
            self.error = error
            self._arrival.wake()

    def clear(self) -> list[MessageReceived]:
        """Take out everything."""
        messages = list(self._messages)
        self._messages.clear()
        self._bytes = 0
        return messages

    def take_repeated(self) -> list[MessageReceived]:
        """Take out the messages of QoS 1 that nobody has acknowledged: they come again."""
        repeated: list[MessageReceived] = []
        kept: deque[MessageReceived] = deque()
        for each in self._messages:
            receipt = each.receipt
            if receipt is not None and receipt.qos == 1 and not receipt.decided:
                repeated.append(each)
                self._bytes -= _size(each)
            else:
                kept.append(each)
        self._messages = kept
        return repeated
