"""What a client asks of its server, and waits for: SUBSCRIBE, UNSUBSCRIBE, PINGREQ, requests."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.subscribe import Subscribe, Subscription, Unsubscribe
from mqttproto.constants import ProtocolVersion, QoS, ReasonCode
from mqttproto.engine.completion import Completion, Waiter
from mqttproto.engine.events import (
    SessionLost,
    SubscriptionLost,
)
from mqttproto.engine.inbox import Inbox, InboxLimits
from mqttproto.engine.options import Options
from mqttproto.engine.requests import Reply, SubscribeRequest, UnsubscribeRequest
from mqttproto.engine.sending import Sending
from mqttproto.errors import (
    ClientClosedError,
    LimitError,
    MQTTError,
    PacketTooLargeError,
    Statement,
    SubscribeRefusedError,
    TransportError,
)
from mqttproto.protocol.events import (
    Subscribed,
    Unsubscribed,
)
from mqttproto.transport.url import Address

__all__ = ["Asking"]

_FAILURE: Final = 0x80
_LIMITS: Final[dict[str, ReasonCode]] = {
    "section 3.2.2.3.11": ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
    "section 3.2.2.3.13": ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
}
"""What a server says about what it does not support."""


class Asking(Sending):
    """A client that subscribes."""

    def __init__(
        self,
        places: Sequence[Address | None],
        options: Options,
        waiter: Waiter,
        random: Callable[[], float],
    ) -> None:
        super().__init__(places, options, waiter, random)
        self._unsent: deque[SubscribeRequest | UnsubscribeRequest] = deque()
        self._asked: dict[int, SubscribeRequest | UnsubscribeRequest] = {}
        self._response_information: str | None = None
        self._replies_asked: SubscribeRequest | None = None
        self._pings: list[Completion] = []
        self.round_trip: float = 0.0
        """The seconds from the last PINGREQ to its PINGRESP."""

    # Subscribing.

    def subscribe(
        self,
        subscriptions: list[Subscription],
        properties: Properties,
        inbox: Inbox | None,
        now: float,
    ) -> SubscribeRequest:
        """Subscribe, now or when there is a connection.

        :raises InvalidValueError: if the specification forbids to send this.
        :raises LimitError: if the server has said that it does not support it.
        """
        self._check_open()
        Subscribe(1, subscriptions, properties).encode(self.version)
        request = SubscribeRequest(subscriptions, properties, inbox)
        self._begin(request, now)
        return request

    def unsubscribe(
        self, topic_filters: list[str], properties: Properties, now: float
    ) -> UnsubscribeRequest:
        """Unsubscribe, now or when there is a connection.

        :raises InvalidValueError: if the specification forbids to send this.
        """
        self._check_open()
        Unsubscribe(1, topic_filters, properties).encode(self.version)
        request = UnsubscribeRequest(topic_filters, properties)
        self._begin(request, now)
        return request

    def _begin(self, request: SubscribeRequest | UnsubscribeRequest, now: float) -> None:
        if not self._online:
            self._unsent.append(request)
            return
        self._ask(request, now)
        if request.done:
            request.check()

    def _ask(self, request: SubscribeRequest | UnsubscribeRequest, now: float) -> None:
        """Send SUBSCRIBE or UNSUBSCRIBE."""
        connection = self._connection
        assert connection is not None
        try:
            if isinstance(request, SubscribeRequest):
                properties = self._identified(request)
                packet_id = connection.subscribe(request.subscriptions, properties, now=now)
                # Messages may come before SUBACK.
                self._subscriptions.put(
                    request.subscriptions, properties, request.inbox, request.again
                )
            else:
                request.turn = self._subscriptions.turn
                packet_id = connection.unsubscribe(
                    request.topic_filters, request.properties, now=now
                )
        except MQTTError as error:
            request.finish(error)
            return
        self._asked[packet_id] = request
        self.wake_writer()

    def _ask_later(self) -> None:
        """What was asked and not answered is asked again on the next connection."""
        again: list[SubscribeRequest | UnsubscribeRequest] = []
        for request in self._asked.values():
            if isinstance(request, UnsubscribeRequest) and request.leaving:
                again.append(UnsubscribeRequest(request.topic_filters, request.properties))
                request.finish()
            elif not request.done:
                again.append(request)
        self._unsent.extendleft(reversed(again))
        self._asked.clear()

    def _identified(self, request: SubscribeRequest) -> Properties:
        """The properties of a SUBSCRIBE, with an identifier if it is needed to tell its messages
        from others, and the server knows what that is.
        """
        properties = request.properties
        limits = self.limits
        assert limits is not None
        if self.version != ProtocolVersion.MQTT5 or not limits.subscription_identifier_available:
            return properties.replace(subscription_identifiers=()) if request.again else properties
        if request.inbox is None or properties.subscription_identifiers:
            return properties
        identifier = self._subscriptions.identifier_of(request.topic_filters)
        return properties.replace(subscription_identifiers=(identifier,))

    def _subscribed(self, event: Subscribed) -> None:
        request = self._asked.pop(event.packet_id)
        assert isinstance(request, SubscribeRequest)
        request.reason_codes = event.reason_codes
        failed = False
        for subscription, code in zip(event.subscriptions, event.reason_codes, strict=True):
            if code < _FAILURE:
                continue
            failed = True
            if request.again:
                refusal = SubscribeRefusedError([code], [subscription.topic_filter])
                self._lose(subscription, code, refusal)
            else:
                self._subscriptions.refuse(subscription.topic_filter, request.inbox)
        error = SubscribeRefusedError(event.reason_codes, request.topic_filters) if failed else None
        request.finish(error)

    def _lose(self, subscription: Subscription, code: ReasonCode, why: BaseException) -> None:
        """What was granted before is not granted again."""
        self._tell(SubscriptionLost(subscription, code))
        for inbox in self._subscriptions.inboxes_of(subscription.topic_filter):
            inbox.close(why)
        self._subscriptions.remove(subscription.topic_filter)

    def _unsubscribed(self, event: Unsubscribed) -> None:
        request = self._asked.pop(event.packet_id)
        assert isinstance(request, UnsubscribeRequest)
        request.reason_codes = event.reason_codes
        subscriptions = self._subscriptions
        for topic_filter in request.topic_filters:
            inboxes = subscriptions.inboxes_of(topic_filter)
            subscriptions.remove(topic_filter, request.turn)
            if topic_filter not in subscriptions:
                for inbox in inboxes:
                    if not any(inbox in each.inboxes for each in subscriptions):
                        inbox.close()
        request.finish()

    def open_inbox(self, limits: InboxLimits | None) -> Inbox:
        """An inbox for the messages of some subscriptions."""
        self._check_open()
        inbox = Inbox(limits or self._options.inbox_limits)
        self._inboxes.append(inbox)
        return inbox

    def close_inbox(
        self, inbox: Inbox, topic_filters: list[str], now: float
    ) -> UnsubscribeRequest | None:
        """Nobody reads an inbox any more: unsubscribe from what nobody else wants.

        What is left in it counts as received.
        """
        if inbox in self._inboxes:
            self._inboxes.remove(inbox)
        inbox.close()
        if inbox is self._crowded:
            self._read_on()
        for message in inbox.clear():
            self._release(message, now)
        coming: set[str] = set()
        for request in [*self._unsent, *self._asked.values()]:
            if isinstance(request, SubscribeRequest) and not request.done:
                if request.inbox is inbox:
                    # Its place is gone: it is not sent again.
                    request.finish(ClientClosedError("its inbox was closed"))
                else:
                    coming.update(request.topic_filters)
        left = self._subscriptions.leave(topic_filters, inbox)
        unwanted = [each for each in left if each not in coming]
        if not unwanted or self._closed or self._closing:
            return None
        ended = self.unsubscribe(unwanted, EMPTY, now)
        ended.leaving = True
        return ended

    def _subscribe_again(self, now: float) -> None:
        asked = {name for each in self._unsent if not each.done for name in each.topic_filters}
        lost: list[Subscription] = []
        for subscriptions, properties in self._subscriptions.again():
            wanted = [each for each in subscriptions if each.topic_filter not in asked]
            lost += wanted
            if wanted:
                self._ask_again(wanted, properties, now)
        self._tell(SessionLost(tuple(lost)))

    def _ask_again(
        self, subscriptions: list[Subscription], properties: Properties, now: float
    ) -> None:
        """Subscribe to what was granted before, by another server perhaps, with other limits."""
        request = SubscribeRequest(subscriptions, properties, again=True)
        self._ask(request, now)
        if request.error is None:
            return
        if len(subscriptions) > 1:
            # One of them, or their number, is too much: the others are not.
            for subscription in subscriptions:
                self._ask_again([subscription], properties, now)
        else:
            self._lose(subscriptions[0], _code_of(request.error), request.error)

    # Requests and responses.

    def open_replies(self, now: float) -> SubscribeRequest | None:
        """Subscribe to the Response Topic; None if that is done.

        :raises LimitError: if the version is not 5.0.
        """
        self._check_open()
        if self.version != ProtocolVersion.MQTT5:
            raise LimitError(
                "requests need MQTT 5.0: it has Response Topic and Correlation Data",
                Statement("5.0", "section 4.10"),
            )
        asked = self._replies_asked
        if asked is not None and not asked.done:
            return asked
        topic = self._replies.open(self._response_information)
        if topic in self._subscriptions:
            return None
        asked = self.subscribe([Subscription(topic, QoS.AT_LEAST_ONCE)], EMPTY, None, now)
        self._replies_asked = asked
        return asked

    def expect_reply(self, properties: Properties) -> tuple[Reply, Properties]:
        """A new request: what to wait for, and the properties to publish it with."""
        self._check_open()
        reply = self._replies.expect()
        return reply, properties.replace(
            response_topic=self._replies.topic, correlation_data=reply.correlation_data
        )

    def give_up_reply(self, reply: Reply) -> None:
        """Nobody waits for a response any more."""
        self._replies.give_up(reply)

    # Signs of life.

    def ping(self, now: float) -> Completion:
        """Send PINGREQ; done when it is answered: see :attr:`round_trip`.

        :raises TransportError: if there is no connection.
        """
        self._check_open()
        self._connected_now().ping(now=now)
        ping = Completion()
        self._pings.append(ping)
        self.wake_writer()
        return ping

    def _fail_pings(self) -> None:
        pings, self._pings = self._pings, []
        for ping in pings:
            ping.finish(TransportError("the connection ended before the server answered"))


def _code_of(error: BaseException) -> ReasonCode:
    """What a server would have said to a SUBSCRIBE that is not sent."""
    if isinstance(error, PacketTooLargeError):
        return ReasonCode.PACKET_TOO_LARGE
    statement = error.statement if isinstance(error, LimitError) else None
    return _LIMITS.get("" if statement is None else statement.id, ReasonCode.UNSPECIFIED_ERROR)
