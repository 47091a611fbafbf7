"""The client for scripts."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from socket import socket
from typing import Final, Generic, TypeVar, final

from mqttproto.blocking.thread import ClientThread, Feed
from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.publish import Publish
from mqttproto.codec.subscribe import Subscription
from mqttproto.constants import ProtocolVersion, QoS, ReasonCode, RetainHandling
from mqttproto.engine import client as engine
from mqttproto.engine import publishing
from mqttproto.engine.events import ClientEvent
from mqttproto.engine.inbox import InboxLimits
from mqttproto.engine.options import Options, with_options
from mqttproto.errors import ClientClosedError
from mqttproto.protocol.events import MessageReceived
from mqttproto.protocol.limits import NegotiatedLimits

__all__ = ["Client", "Events", "Messages", "PublishHandle", "connect"]

_T = TypeVar("_T")
_Payload = bytes | bytearray | memoryview | str
_Filters = str | Subscription | Iterable[str | Subscription]


@with_options(Options)
@contextmanager
def connect(target: str | Sequence[str] | socket, options: Options) -> Iterator["Client"]:
    """Connect to an MQTT server, for the time of a ``with`` block.

    ::

        with connect("mqtts://host", client_id="stove-7") as client:
            client.publish("plant/7/temp", b"21.5", qos=1)

    The client lives in a thread of its own, which ends with the block. Leaving the block waits
    until what was published is acknowledged, at most ``drain_timeout`` seconds, and then says
    DISCONNECT; leaving it by an exception, Ctrl-C for instance, says DISCONNECT at once.

    :param target: a URL, ``mqtt://``, ``mqtts://``, ``ws://``, ``wss://`` or ``mqtt+unix://``;
        several, to be tried in turn; or a connected socket, which is not connected again.
    :param options: see :class:`mqttproto.engine.options.Options`. What they are to call is called
        in the thread of the client.
    :raises TransportError: if no server can be reached.
    :raises ConnectRefusedError: if the server refuses the connection.
    :raises PacketError: if it breaks the protocol.
    :raises InvalidValueError: if an option cannot be as it is.
    :raises Exception: what a store has raised, at the beginning or at the end.
    """
    thread = ClientThread(target, options)
    client = thread.start()
    in_order = False
    try:
        yield Client(thread, client)
        in_order = True
    finally:
        thread.end(in_order)


class _Arrivals(Generic[_T]):
    """What comes to a client, for ``for``."""

    def __init__(
        self, thread: ClientThread, arrivals: AsyncIterator[_T], timeout: float | None
    ) -> None:
        self._thread: Final = thread
        self._arrivals: Final = arrivals
        self._timeout: Final = timeout
        # What was taken out for somebody who was interrupted before he had it.
        self._taken: Final[deque[_T]] = deque()

    def __iter__(self) -> Iterator[_T]:
        return self

    def __next__(self) -> _T:
        until = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            with suppress(IndexError):
                return self._taken.popleft()
            left = None if until is None else max(until - time.monotonic(), 0)
            try:
                self._thread.do(self._take(left))
            except (StopAsyncIteration, TimeoutError):
                if not self._taken:
                    raise StopIteration from None

    async def _take(self, timeout: float | None) -> None:
        async with asyncio.timeout(timeout):
            self._taken.append(await anext(self._arrivals))


@final
class Messages(_Arrivals[MessageReceived]):
    """An inbox, for ``for``; several threads may share it.

    It ends when its subscription ends, when the client is left in order, and, if there is a
    ``timeout``, when nothing has come for so many seconds: then it may be gone through again.

    :raises ClientClosedError: where the client has ended for another reason.
    :raises SubscribeRefusedError: where the server has refused to subscribe again.
    """

    def __init__(
        self, thread: ClientThread, messages: engine.Messages, timeout: float | None
    ) -> None:
        super().__init__(thread, messages, timeout)
        self._messages: Final = messages

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages) + len(self._taken)

    def __bool__(self) -> bool:
        """Yes, also while no message waits."""
        return True

    @property
    def dropped(self) -> int:
        """How many messages were dropped because the inbox was full."""
        return self._messages.dropped


@final
class Events(_Arrivals[ClientEvent]):
    """What happens to the client, for ``for``; it ends with the client, and, if there is a
    ``timeout``, when nothing has happened for so many seconds.
    """


@final
class PublishHandle:
    """One message on its way out."""

    def __init__(self, thread: ClientThread, handle: publishing.PublishHandle) -> None:
        self._thread: Final = thread
        self._handle: Final = handle

    def __repr__(self) -> str:
        return repr(self._handle)

    @property
    def done(self) -> bool:
        """Whether its fate is known."""
        return self._handle.done

    @property
    def error(self) -> BaseException | None:
        """Why it was not published; None if it was, or is still under way."""
        return self._handle.error

    @property
    def reason_code(self) -> ReasonCode | None:
        """What the server has answered, below 0x80; None before. 0 in 3.1.1, and at QoS 0."""
        return self._handle.reason_code

    @property
    def properties(self) -> Properties:
        """Those of the answer; empty before 5.0."""
        return self._handle.properties

    def wait(self, timeout: float | None = None) -> ReasonCode:
        """Wait until it is done.

        :param timeout: at most so many seconds, 0 and up.
        :returns: the reason code.
        :raises TimeoutError: if it takes longer; the message still goes its way.
        :raises PublishRefusedError: if the server has refused it.
        :raises MQTTError: if it could not be sent; see :attr:`error`.
        """
        handle = self._handle
        if not handle.done:
            self._thread.do(_done(handle, timeout))
        handle.check()
        assert handle.reason_code is not None
        return handle.reason_code


async def _done(handle: publishing.PublishHandle, timeout: float | None) -> None:
    async with asyncio.timeout(timeout):
        await handle.wait()


@final
class Client:
    """A client of an MQTT server, through as many network connections as it takes.

    :func:`connect` makes one. It does what :class:`mqttproto.engine.client.Client` does, under the
    same names and without ``await``, and may be called from several threads at once. Interrupted by
    Ctrl-C, a call is as if it had been cancelled: what it has put under way goes on.
    """

    def __init__(self, thread: ClientThread, client: engine.Client) -> None:
        self._thread: Final = thread
        self._client: Final = client

    def __repr__(self) -> str:
        return repr(self._client)

    @property
    def client_id(self) -> str:
        """The client identifier."""
        return self._client.client_id

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client.connected

    @property
    def version(self) -> ProtocolVersion:
        """The protocol version spoken."""
        return self._client.version

    @property
    def limits(self) -> NegotiatedLimits | None:
        """What the server takes; None while there is no connection."""
        return self._client.limits

    # Publishing.

    def publish(
        self,
        topic: str,
        payload: _Payload = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        properties: Properties = EMPTY,
    ) -> ReasonCode:
        """Publish a message, and wait until the server has it.

        See :meth:`mqttproto.engine.client.Client.publish`.
        """
        return self._thread.do(self._client.publish(topic, payload, qos, retain, properties))

    def publish_nowait(
        self,
        topic: str,
        payload: _Payload = b"",
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        properties: Properties = EMPTY,
    ) -> PublishHandle:
        """Publish a message without waiting for the server.

        :returns: a handle, with ``handle.wait()`` for what :meth:`publish` waits for.
        :raises QueueFullError: if there is no room.
        """

        async def publish() -> publishing.PublishHandle:
            return self._client.publish_nowait(topic, payload, qos, retain, properties)

        return PublishHandle(self._thread, self._thread.do(publish()))

    def publish_many(
        self,
        messages: Iterable[Publish | tuple[str, _Payload]],
        *,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        retain: bool = False,
        window: int = 1_000,
    ) -> int:
        """Publish a stream of messages, and wait until the server has them all.

        They are drawn in this thread, some ahead of what is sent. If drawing one raises, those
        before it are published first.

        See :meth:`mqttproto.engine.client.Client.publish_many`.
        """
        feed: Feed[Publish | tuple[str, _Payload]] = Feed(self._thread)

        call = self._thread.begin(
            self._client.publish_many(feed, qos=qos, retain=retain, window=window)
        )
        call.outcome.add_done_callback(lambda _: feed.abandon())
        try:
            for each in messages:
                if not feed.put(each):
                    break
        except Exception:
            feed.end()
            self._thread.finish(call)
            raise
        except BaseException:
            self._thread.post(call.cancel)
            raise
        feed.end()
        return self._thread.finish(call)

    # Subscribing.

    def subscribe(
        self,
        filters: _Filters,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        *,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: RetainHandling | int = RetainHandling.SEND,
        properties: Properties = EMPTY,
    ) -> list[ReasonCode]:
        """Subscribe, and wait until the server has granted it.

        See :meth:`mqttproto.engine.client.Client.subscribe`.
        """
        return self._thread.do(
            self._client.subscribe(
                filters,
                qos,
                no_local=no_local,
                retain_as_published=retain_as_published,
                retain_handling=retain_handling,
                properties=properties,
            )
        )

    def unsubscribe(
        self, filters: str | Iterable[str], properties: Properties = EMPTY
    ) -> list[ReasonCode]:
        """Unsubscribe, and wait for the answer.

        See :meth:`mqttproto.engine.client.Client.unsubscribe`.
        """
        return self._thread.do(self._client.unsubscribe(filters, properties))

    def messages(self, timeout: float | None = None) -> Messages:
        """The messages that come, for ``for``: all that are not for a :meth:`subscription`.

        :param timeout: end when nothing has come for so many seconds; None: do not.
        """
        return Messages(self._thread, self._client.messages(), timeout)

    @contextmanager
    def subscription(
        self,
        filters: _Filters,
        qos: QoS | int = QoS.AT_MOST_ONCE,
        *,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: RetainHandling | int = RetainHandling.SEND,
        properties: Properties = EMPTY,
        limits: InboxLimits | None = None,
        timeout: float | None = None,
    ) -> Iterator[Messages]:
        """Subscribe for the time of a ``with`` block, and get the messages of just this
        subscription.

        See :meth:`mqttproto.engine.client.Client.subscription`.

        :param timeout: the messages end when nothing has come for so many seconds; None: they do
            not.
        """
        manager = self._client.subscription(
            filters,
            qos,
            no_local=no_local,
            retain_as_published=retain_as_published,
            retain_handling=retain_handling,
            properties=properties,
            limits=limits,
        )
        entered: list[engine.Messages] = []

        async def enter() -> None:
            entered.append(await manager.__aenter__())

        async def leave(in_order: bool) -> None:
            if in_order:
                await manager.__aexit__(None, None, None)
            else:
                await manager.__aexit__(_LeftError, _LeftError(), None)

        in_order = False
        try:
            self._thread.do(enter())
            yield Messages(self._thread, entered[0], timeout)
            in_order = True
        finally:
            if entered:
                with suppress(ClientClosedError):  # then all of it has ended
                    self._thread.do(leave(in_order))

    def acknowledge(
        self,
        message: MessageReceived,
        reason_code: ReasonCode | int = ReasonCode.SUCCESS,
        properties: Properties = EMPTY,
    ) -> None:
        """Acknowledge a message, or refuse it, where ``manual_acknowledgement`` was asked for.

        See :meth:`mqttproto.engine.client.Client.acknowledge`.
        """

        async def acknowledge() -> None:
            self._client.acknowledge(message, reason_code, properties)

        self._thread.do(acknowledge())

    # Asking.

    def request(
        self,
        topic: str,
        payload: _Payload = b"",
        qos: QoS | int = QoS.AT_LEAST_ONCE,
        *,
        properties: Properties = EMPTY,
        timeout: float = 30.0,
    ) -> MessageReceived:
        """Publish a request and wait for its response (5.0 section 4.10).

        See :meth:`mqttproto.engine.client.Client.request`.
        """
        return self._thread.do(
            self._client.request(topic, payload, qos, properties=properties, timeout=timeout)
        )

    def ping(self) -> float:
        """Ask the server for a sign of life.

        :returns: the seconds until it came.
        :raises TransportError: if there is no connection, or it ends meanwhile.
        """
        return self._thread.do(self._client.ping())

    def reauthenticate(self) -> None:
        """Begin re-authentication with the authenticator that :func:`connect` was given.

        See :meth:`mqttproto.engine.client.Client.reauthenticate`.
        """

        async def reauthenticate() -> None:
            self._client.reauthenticate()

        self._thread.do(reauthenticate())

    def events(self, timeout: float | None = None) -> Events:
        """What happens to the client, from the beginning on, for ``for``: see
        :mod:`mqttproto.engine.events`. The last 1,000 are kept.

        :param timeout: end when nothing has happened for so many seconds; None: do not.
        """
        return Events(self._thread, self._client.events(), timeout)

    def disconnect(
        self,
        reason_code: ReasonCode | int = ReasonCode.NORMAL_DISCONNECTION,
        properties: Properties = EMPTY,
    ) -> None:
        """Send DISCONNECT at once, without waiting for what is under way, and end.

        See :meth:`mqttproto.engine.client.Client.disconnect`.
        """
        self._thread.do(self._client.disconnect(reason_code, properties))


class _LeftError(Exception):
    """A ``with`` block has ended by an exception, which is none of the other thread's business."""
