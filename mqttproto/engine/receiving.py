"""Messages that come in: which inbox they go to, and when they are acknowledged."""

from collections.abc import Callable, Sequence
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.constants import ReasonCode
from mqttproto.engine.base import Base
from mqttproto.engine.completion import Waiter
from mqttproto.engine.events import (
    MessageDropped,
)
from mqttproto.engine.inbox import Inbox
from mqttproto.engine.options import Options
from mqttproto.engine.requests import Replies
from mqttproto.engine.subscriptions import Subscriptions
from mqttproto.protocol.events import (
    MessageReceived,
)
from mqttproto.transport.url import Address

__all__ = ["Receiving"]


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
        # How many inboxes have a message that is not acknowledged, if more than one have.
        self._shared: dict[int, int] = {}

    def _deliver(self, message: MessageReceived, now: float) -> None:
        if self._replies.topic and self._replies.claim(message):
            self._settle(message, now)
            return
        routed = self._subscriptions.route(message.message) if self._subscriptions.routes else None
        if not routed:
            dropped = self.general.put(message)
        else:
            if len(routed) > 1 and message.message.qos and not self._manual:
                self._shared[id(message)] = len(routed)
            dropped = None
            for inbox in routed:
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
        if message is not None and message.receipt is not None and not self._manual:
            self._release(message, now)
        return message

    def _release(self, message: MessageReceived, now: float) -> None:
        """One inbox less has a message; the last one's acknowledges it."""
        if message.receipt is None:
            return
        if self._shared:
            holders = self._shared.get(id(message), 1) - 1
            if holders:
                self._shared[id(message)] = holders
                return
            self._shared.pop(id(message), None)
        self._settle(message, now)

    def _settle(self, message: MessageReceived, now: float) -> None:
        receipt = message.receipt
        if receipt is not None and not receipt.decided:
            connection = self._connection
            assert connection is not None
            connection.acknowledge(message, now=now)
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
        self.wake_writer()
