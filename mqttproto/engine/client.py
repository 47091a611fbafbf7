"""The client that a person uses; the same for every way of waiting."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import ProtocolVersion, QoS, ReasonCode, RetainHandling
from mqttproto.engine.adapter import Adapter
from mqttproto.engine.events import ClientEvent
from mqttproto.engine.inbox import Inbox, InboxLimits
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.publishing import PublishHandle
from mqttproto.errors import QueueFullError, RequestTimeoutError
from mqttproto.protocol.events import MessageReceived
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.session import Session

__all__ = ["Client", "Events", "Filters", "Messages"]

Filters = str | Subscription | Iterable[str | Subscription]
"""What to subscribe to: a topic filter, a Subscription, or several of them."""

Payload = bytes | bytearray | memoryview | str
"""An Application Message; text goes as UTF-8."""


class Messages:
    """An inbox, for ``async for``.

    It ends when its subscription ends or the client is left in order.

    :raises ClientClosedError: where the client has ended for another reason.
    :raises SubscribeRefusedError: where the server has refused to subscribe again.
    """

    def __init__(self, engine: ClientEngine, adapter: Adapter, inbox: Inbox) -> None:
        self._engine: Final = engine
        self._adapter: Final = adapter
        self._inbox: Final = inbox

    def __aiter__(self) -> "Messages":
        return self

    async def __anext__(self) -> MessageReceived:
        engine, adapter, inbox = self._engine, self._adapter, self._inbox
        while True:
            message = engine.take(inbox, adapter.now())
            if message is not None:
                return message
            if inbox.closed:
                if inbox.error is not None:
                    raise inbox.error
                raise StopAsyncIteration
            await adapter.wait(inbox.arrival())

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._inbox)

    @property
    def dropped(self) -> int:
        """How many messages were dropped because the inbox was full."""
        return self._inbox.dropped


class Events:
    """What happens to the client, for ``async for``; it ends with the client."""

    def __init__(self, engine: ClientEngine, adapter: Adapter) -> None:
        self._engine: Final = engine
        self._adapter: Final = adapter

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> ClientEvent:
        engine = self._engine
        while True:
            event = engine.next_event()
            if event is not None:
                return event
            if engine.closed:
                raise StopAsyncIteration
            await self._adapter.wait(engine.event_arrival())


class Client:
    """A client of an MQTT server, through as many network connections as it takes.

    ``connect()`` makes one. Its methods may be called from any task of the event loop that
    ``connect()`` runs in, and from no other thread. To cancel one is safe: what it has put under
    way goes on.
    """

    def __init__(self, engine: ClientEngine, adapter: Adapter) -> None:
        self._engine: Final = engine
        self._adapter: Final = adapter

    def __repr__(self) -> str:
        state = "closed" if self._engine.closed else "online" if self.connected else "offline"
        return f"<Client {self.client_id!r}: {state}>"

    @property
    def client_id(self) -> str:
        """The client identifier; empty while the server has still to choose one."""
        return self._engine.client_id

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._engine.online

    @property
    def version(self) -> ProtocolVersion:
        """The protocol version spoken."""
        return self._engine.version

    @property
    def limits(self) -> NegotiatedLimits | None:
        """What the server takes; None while there is no connection."""
        return self._engine.limits

    @property
    def session(self) -> Session:
        """The session, for instance to export it."""
        return self._engine.session

    # Publishing.

    async def publish(
        self,
        topic: str,
        payload: Payload = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        properties: Properties = EMPTY,
    ) -> ReasonCode:
        """Publish a message, and wait until the server has it.

        At QoS 0 nobody answers: it returns when the message is handed to the network, or, without a
        connection, when there is one again. Where the queue is full it waits for room. Cancelled, a
        message that is under way still goes its way.

        :param topic: the Topic Name, 1 to 65,535 bytes of UTF-8, without wildcards.
        :param payload: the Application Message.
        :param qos: 0, 1 or 2.
        :param retain: whether the server is to keep it.
        :param properties: of 5.0.
        :returns: the reason code of the answer, below 0x80; 0 before 5.0 and at QoS 0.
        :raises PublishRefusedError: if the server has refused it.
        :raises MessageDroppedError: if it will not be sent.
        :raises DeliveryUncertainError: if the session was lost in the middle of QoS 2.
        :raises LimitError: if the server does not support its QoS, or RETAIN.
        :raises InvalidValueError: if the specification forbids to send it.
        :raises ClientClosedError: if the client has ended.
        """
        engine, adapter = self._engine, self._adapter
        while engine.congested:
            await adapter.wait(engine.room())
        try:
            handle = engine.publish(topic, payload, qos, retain, properties, adapter.now())
        except QueueFullError:
            handle = await self._publish_later(topic, payload, qos, retain, properties)
        if handle is None:
            return ReasonCode.SUCCESS
        if not handle.done:
            await adapter.wait(handle)
        handle.check()
        assert handle.reason_code is not None
        return handle.reason_code

    async def _publish_later(
        self,
        topic: str,
        payload: Payload,
        qos: QoS | int,
        retain: bool,
        properties: Properties,
    ) -> PublishHandle | None:
        """Publish a message when there is room for it."""
        engine, adapter = self._engine, self._adapter
        while True:
            await adapter.wait(engine.capacity())
            try:
                return engine.publish(topic, payload, qos, retain, properties, adapter.now())
            except QueueFullError:
                # Another one was quicker.
                continue

    def publish_nowait(
        self,
        topic: str,
        payload: Payload = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        properties: Properties = EMPTY,
    ) -> PublishHandle:
        """Publish a message without waiting; see :meth:`publish`.

        :returns: a handle, with ``await handle.wait()`` for what :meth:`publish` waits for.
        :raises QueueFullError: if there is no room.
        """
        engine = self._engine
        handle = engine.publish(topic, payload, qos, retain, properties, self._adapter.now())
        if handle is None:
            handle = PublishHandle(self._adapter.wait)
            handle.sent()
        return handle

    async def publish_many(
        self,
        messages: Iterable[Publish | tuple[str, Payload]]
        | AsyncIterable[Publish | tuple[str, Payload]],
        *,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        window: int = 1_000,
    ) -> int:
        """Publish a stream of messages, and wait until the server has them all.

        Messages are drawn as fast as they can be sent, so the stream may be endless.

        :param messages: :class:`mqttproto.Publish` objects, or pairs of topic and payload.
        :param qos: 0, 1 or 2: that of the pairs.
        :param retain: that of the pairs.
        :param window: how many may be under way, 1 and up.
        :returns: how many were published.
        :raises MQTTError: what :meth:`publish` raises, for the first message that fails; those
            behind it in the stream are not drawn.
        """
        engine, adapter = self._engine, self._adapter
        stream = engine.stream(window)
        if isinstance(messages, AsyncIterable):
            async for each in messages:
                few = iter((_message(each, qos, retain),))
                while (pause := engine.publish_some(few, stream, adapter.now())) is not None:
                    await adapter.wait(pause)
                if stream.failure is not None:
                    break
        else:
            drawn = _messages(messages, qos, retain)
            while (pause := engine.publish_some(drawn, stream, adapter.now())) is not None:
                await adapter.wait(pause)
        while stream.pending and stream.failure is None:
            await adapter.wait(stream.room())
        if stream.failure is not None:
            raise stream.failure
        return stream.count

    # Subscribing.

    async def subscribe(
        self,
        filters: Filters,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        *,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: RetainHandling | int = RetainHandling.SEND,
        properties: Properties = EMPTY,
    ) -> list[ReasonCode]:
        """Subscribe, and wait until the server has granted it.

        Without a connection it waits for one. If the server loses the session, the client
        subscribes again by itself.

        :param filters: one or more topic filters; a Subscription has its own options, for the
            others those hold that are given here.
        :param qos: the most that messages are sent at, 0, 1 or 2.
        :param no_local: not what this client publishes itself, of 5.0.
        :param retain_as_published: keep the RETAIN flag of messages, of 5.0.
        :param retain_handling: whether retained messages are sent now, of 5.0.
        :param properties: Subscription Identifier and User Properties, of 5.0.
        :returns: what was granted, in the order of the filters.
        :raises SubscribeRefusedError: if the server has refused one of them.
        :raises LimitError: if the server does not support it.
        :raises InvalidValueError: if the specification forbids to send it.
        :raises ClientClosedError: if the client has ended.
        """
        subscriptions = _subscriptions(filters, qos, no_local, retain_as_published, retain_handling)
        request = self._engine.subscribe(subscriptions, properties, None, self._adapter.now())
        await self._adapter.wait(request)
        request.check()
        return request.reason_codes

    async def unsubscribe(
        self, filters: str | Iterable[str], properties: Properties = EMPTY
    ) -> list[ReasonCode]:
        """Unsubscribe, and wait for the answer.

        :param filters: one or more topic filters, exactly as they were subscribed to.
        :param properties: User Properties, of 5.0.
        :returns: for each of them, in their order, whether there was a subscription; empty before
            5.0.
        :raises ClientClosedError: if the client has ended.
        """
        names = [filters] if isinstance(filters, str) else list(filters)
        request = self._engine.unsubscribe(names, properties, self._adapter.now())
        await self._adapter.wait(request)
        request.check()
        return request.reason_codes

    def messages(self) -> Messages:
        """The messages that come, for ``async for``: all that are not for a :meth:`subscription`.

        They are kept from the beginning on. Several loops share them.
        """
        return Messages(self._engine, self._adapter, self._engine.general)

    @asynccontextmanager
    async def subscription(
        self,
        filters: Filters,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        *,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: RetainHandling | int = RetainHandling.SEND,
        properties: Properties = EMPTY,
        limits: InboxLimits | None = None,
    ) -> AsyncIterator[Messages]:
        """Subscribe for the time of a context, and get the messages of just this subscription.

        Where the server tells which subscriptions a message is for (5.0) it is taken at its word;
        else the topic filters decide. A message for several contexts goes to each of them.

        :param limits: of the buffer; None: those that ``connect()`` was given.
        :raises SubscribeRefusedError: and the others, as :meth:`subscribe` does.
        """
        engine, adapter = self._engine, self._adapter
        subscriptions = _subscriptions(filters, qos, no_local, retain_as_published, retain_handling)
        inbox = engine.open_inbox(limits)
        names = [each.topic_filter for each in subscriptions]
        try:
            request = engine.subscribe(subscriptions, properties, inbox, adapter.now())
            await adapter.wait(request)
            request.check()
            yield Messages(engine, adapter, inbox)
        except BaseException:
            engine.close_inbox(inbox, names, adapter.now())
            raise
        ended = engine.close_inbox(inbox, names, adapter.now())
        if ended is not None and engine.online:
            await adapter.wait(ended)

    def acknowledge(
        self,
        message: MessageReceived,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
    ) -> None:
        """Acknowledge a message, or refuse it, where ``manual_acknowledgement`` was asked for.

        Answers leave in the order in which the messages came, whatever the order of the calls. A
        QoS 1 message of an earlier connection is left alone: it comes again.

        :param message: what came.
        :param reason_code: below 0x80 accepts, from 0x80 on refuses, of 5.0.
        :param properties: Reason String and User Properties, of 5.0.
        :raises LocalProtocolError: if it was acknowledged before.
        """
        self._engine.acknowledge(message, reason_code, properties, now=self._adapter.now())

    # Asking.

    async def request(
        self,
        topic: str,
        payload: Payload = b"",
        qos: QoS | int = QoS.AT_LEAST_ONCE,
        *,
        properties: Properties = EMPTY,
        timeout: float = 30.0,
    ) -> MessageReceived:
        """Publish a request and wait for its response (5.0 section 4.10).

        :param topic: where somebody answers requests.
        :param payload: the request.
        :param qos: at which it is sent.
        :param properties: more properties; Response Topic and Correlation Data are put in.
        :param timeout: seconds to wait for the response.
        :returns: the response.
        :raises RequestTimeoutError: if there is none in time.
        :raises LimitError: if the version is not 5.0.
        """
        engine, adapter = self._engine, self._adapter
        deadline = adapter.now() + timeout
        asked = engine.open_replies(adapter.now())
        if asked is not None:
            await adapter.wait(asked, deadline)
            asked.check()
            if not asked.done:
                raise RequestTimeoutError(topic, timeout)
        reply, properties = engine.expect_reply(properties)
        try:
            handle = self.publish_nowait(topic, payload, qos, False, properties)
            handle.then(lambda: None if handle.error is None else reply.finish(handle.error))
            await adapter.wait(reply, deadline)
            reply.check()
        finally:
            engine.give_up_reply(reply)
        if reply.message is None:
            raise RequestTimeoutError(topic, timeout)
        return reply.message

    async def ping(self) -> float:
        """Ask the server for a sign of life.

        :returns: the seconds until it came.
        :raises TransportError: if there is no connection, or it ends meanwhile.
        """
        ping = self._engine.ping(self._adapter.now())
        await self._adapter.wait(ping)
        ping.check()
        return self._engine.round_trip

    def reauthenticate(self) -> None:
        """Begin re-authentication with the authenticator that ``connect()`` was given (5.0 section
        4.12.1). If the server does not accept it, it ends the connection.

        :raises LocalProtocolError: if there is none, or one is under way.
        """
        self._engine.reauthenticate(self._adapter.now())

    def events(self) -> Events:
        """What happens to the client, from the beginning on, for ``async for``: see
        :mod:`mqttproto.engine.events`. The last 1,000 are kept.
        """
        return Events(self._engine, self._adapter)

    async def disconnect(
        self,
        reason_code: ReasonCode | int = ReasonCode.NORMAL_DISCONNECTION,
        properties: Properties = EMPTY,
    ) -> None:
        """Send DISCONNECT at once, without waiting for what is under way, and end.

        Leaving the context does it after that.

        :param reason_code: 0x04 has the server publish the will, of 5.0.
        :param properties: Session Expiry Interval, Reason String and User Properties, of 5.0.
        :raises InvalidValueError: if a client must not send this.
        """
        self._engine.disconnect(reason_code, properties, self._adapter.now())


def _subscriptions(
    filters: Filters,
    qos: QoS | int,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling | int,
) -> list[Subscription]:
    several = [filters] if isinstance(filters, (str, Subscription)) else filters
    return [
        Subscription(each, qos, no_local, retain_as_published, retain_handling)
        if isinstance(each, str)
        else each
        for each in several
    ]


def _message(each: Publish | tuple[str, Payload], qos: QoS | int, retain: bool) -> Publish:
    if isinstance(each, Publish):
        return each
    topic, payload = each
    if isinstance(payload, str):
        payload = payload.encode()
    return Publish(topic, payload, qos, retain)


def _messages(
    messages: Iterable[Publish | tuple[str, Payload]], qos: QoS | int, retain: bool
) -> Iterator[Publish]:
    for each in messages:
        yield each if isinstance(each, Publish) else _message(each, qos, retain)
