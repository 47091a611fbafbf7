"""Questions that an answer is waited for: SUBSCRIBE, UNSUBSCRIBE, requests (5.0 section 4.10)."""

from typing import Final, final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import ReasonCode
from mqttproto.engine.completion import Completion
from mqttproto.engine.inbox import Inbox
from mqttproto.protocol.events import MessageReceived

__all__ = ["Replies", "Reply", "SubscribeRequest", "UnsubscribeRequest"]


@final
class SubscribeRequest(Completion):
    """A SUBSCRIBE, from the call until SUBACK, through as many connections as it takes.

    :ivar subscriptions: what is asked for.
    :ivar properties: its properties, without an identifier that the client gives.
    :ivar inbox: where the messages go; None: to the general inbox.
    :ivar again: whether it only repeats what was granted in a session that is lost.
    :ivar reason_codes: the answer, in the order of the subscriptions.
    """

    __slots__ = ("again", "inbox", "properties", "reason_codes", "subscriptions")

    def __init__(
        self,
        subscriptions: list[Subscription],
        properties: Properties = EMPTY,
        inbox: Inbox | None = None,
        again: bool = False,
    ) -> None:
        super().__init__()
        self.subscriptions: list[Subscription] = subscriptions
        self.properties: Properties = properties
        self.inbox: Inbox | None = inbox
        self.again: bool = again
        self.reason_codes: list[ReasonCode] = []

    @property
    def topic_filters(self) -> list[str]:
        """What is subscribed to."""
        return [each.topic_filter for each in self.subscriptions]


@final
class UnsubscribeRequest(Completion):
    """An UNSUBSCRIBE, from the call until UNSUBACK.

    :ivar topic_filters: what is named.
    :ivar properties: its properties.
    :ivar turn: the number of the last SUBSCRIBE before it.
    :ivar leaving: whether whoever asked does not care any more once the connection ends; it is
        sent again all the same.
    :ivar reason_codes: the answer, in their order; empty before 5.0.
    """

    __slots__ = ("leaving", "properties", "reason_codes", "topic_filters", "turn")

    def __init__(self, topic_filters: list[str], properties: Properties = EMPTY) -> None:
        super().__init__()
        self.topic_filters: list[str] = topic_filters
        self.leaving: bool = False
        self.properties: Properties = properties
        self.turn: int = 0
        self.reason_codes: list[ReasonCode] = []


@final
class Reply(Completion):
    """The response to a request of the application.

    :ivar message: the response; None while there is none.
    """

    __slots__ = ("correlation_data", "message")

    def __init__(self, correlation_data: bytes) -> None:
        super().__init__()
        self.correlation_data: Final[bytes] = correlation_data
        self.message: MessageReceived | None = None


@final
class Replies:
    """The responses that are waited for.

    :param token: what no other client has in its Response Topic.
    """

    __slots__ = ("_count", "_token", "_waiting", "topic")

    def __init__(self, token: str) -> None:
        self._token: str = token
        self._count: int = 0
        self._waiting: dict[bytes, Reply] = {}
        self.topic: str = ""
        """The Response Topic; empty while nobody has asked for it."""

    def open(self, response_information: str | None) -> str:
        """Choose the Response Topic, below what the server has given out for it (5.0 section
        4.10.2).
        """
        if not self.topic:
            base = (response_information or "mqttproto/responses").rstrip("/")
            self.topic = f"{base}/{self._token}"
        return self.topic

    def expect(self) -> Reply:
        """A new request."""
        self._count += 1
        reply = Reply(self._count.to_bytes(8, "big"))
        self._waiting[reply.correlation_data] = reply
        return reply

    def give_up(self, reply: Reply) -> None:
        """Nobody waits for this any more."""
        self._waiting.pop(reply.correlation_data, None)

    def claim(self, message: MessageReceived) -> bool:
        """Whether a message is a response; one that comes late is, and is dropped."""
        if not self.topic or message.message.topic != self.topic:
            return False
        correlation_data = message.properties.correlation_data
        reply = self._waiting.pop(correlation_data, None) if correlation_data else None
        if reply is not None:
            reply.message = message
            reply.finish()
        return True

    def fail(self, error: BaseException) -> None:
        """No response will come any more."""
        waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            reply.finish(error)
