"""Messages that come in: which inbox they go to, and when they are acknowledged."""

from collections.abc import Callable, Sequence
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.constants import ReasonCode
from mqttproto.engine.base import Base
from mqttproto.engine.completion import Waiter
from mqttproto.engine.events import MessageDropped
from mqttproto.engine.inbox import Inbox
from mqttproto.engine.options import Options
from mqttproto.engine.requests import Replies
from mqttproto.engine.subscriptions import Subscriptions
from mqttproto.protocol.events import MessageReceived
from mqttproto.transport.url import Address

__all__ = ["Receiving"]


_PATIENCE: Final = 1.0
"""Seconds to read nothing for the sake of a full inbox: answers and signs of life must not wait
longer.
"""


class Receiving(Base):
    """A client that receives."""

    def __init__(
        self,
        places: Sequence[Address | None],
        options: Options,
        waiter: Waiter,
        random: Callable[[], float],
    ) -> None:
        super().__init__(places, options, waiter, random)
        self._manual: Final[bool] = options.manual_acknowledgement
        self._replies: Final[Replies] = Replies(f"{int(random() * 2**62):016x}")
        self._subscriptions: Final[Subscriptions] = Subscriptions()
        self.general: Final[Inbox] = Inbox(options.inbox_limits)
        """Where messages wait that are for no subscription with an inbox of its own."""
        self._inboxes: list[Inbox] = [self.general]
        # How many inboxes have a message that is not acknowledged, if more than one have; and which
        # of those messages were handed to the application, whose word is waited for.
        self._shared: dict[int, int] = {}
        self._handed_over: set[int] = set()
        # The inbox that is nearly full; until when nothing is read for its sake.
        self._crowded: Inbox | None = None
        self._read_at: float | None = None

    def _deliver(self, message: MessageReceived, now: float) -> None:
        if self._replies.topic and self._replies.claim(message):
            self._settle(message, now)
            return
        routed = self._subscriptions.route(message.message) if self._subscriptions.routes else None
        if routed is None:
            dropped = self.general.put(message)
            if self.general.crowded and not message.message.qos:
                self._hold(self.general, now)
        else:
            if not routed:
                self._settle(message, now)
            elif len(routed) > 1 and message.receipt is not None:
                self._shared[id(message)] = len(routed)
            dropped = None
            for inbox in routed:
                if inbox.crowded and not message.message.qos:
                    self._hold(inbox, now)
                given_up = inbox.put(message)
                if given_up is not None:
                    dropped = given_up if dropped is None else dropped + given_up
        if dropped is not None:
            for each in dropped:
                self._tell(MessageDropped(each.message))
                self._release(each, now)

    def take(self, inbox: Inbox, now: float) -> MessageReceived | None:
        """Take the next message out of an inbox; None if there is none."""
        message = inbox.take()
        if inbox is self._crowded and inbox.roomy:
            self._read_on()
        if message is not None and message.receipt is not None:
            self._release(message, now, self._manual)
        return message

    def _resumed(self) -> None:
        """The server sends again what was not acknowledged: it must not wait here twice."""
        for inbox in self._inboxes:
            for message in inbox.take_repeated():
                self._shared.pop(id(message), None)
                self._handed_over.discard(id(message))

    def _hold(self, inbox: Inbox, now: float) -> None:
        """Read nothing for a while, so that whoever takes messages out can keep up."""
        if self._crowded is None:
            self._crowded = inbox
            self._read_at = now + _PATIENCE

    def _read_on(self) -> None:
        """The inbox that was nearly full is not any more, or nobody will read it."""
        self._crowded = None
        self._read_at = None
        self.wake_writer()

    def _release(self, message: MessageReceived, now: float, handed_over: bool = False) -> None:
        """One inbox less has a message; the last one's acknowledges it.

        :param handed_over: whether the application has it now, and acknowledges it.
        """
        if message.receipt is None:
            return
        if self._shared:
            number = id(message)
            holders = self._shared.get(number, 1) - 1
            if holders:
                self._shared[number] = holders
                if handed_over:
                    self._handed_over.add(number)
                return
            self._shared.pop(number, None)
            if number in self._handed_over:
                self._handed_over.remove(number)
                handed_over = True
        if not handed_over:
            self._settle(message, now)

    def _settle(self, message: MessageReceived, now: float) -> None:
        receipt = message.receipt
        if receipt is not None and not receipt.decided:
            connection = self._connection
            assert connection is not None
            if self._session.connection not in (None, connection):
                # Another client has the session now, and these messages.
                return
            connection.acknowledge(message, now=now)
            self._store_soon()
            self.wake_writer()

    def acknowledge(
        self,
        message: MessageReceived,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
        *,
        now: float,
    ) -> None:
        """Acknowledge or refuse a message; see
        :meth:`mqttproto.protocol.Connection.acknowledge`.
        """
        connection = self._connection
        assert connection is not None, "a message comes by a connection"
        connection.acknowledge(message, reason_code, properties, now=now)
        self._store_soon()
        self.wake_writer()
