"""How asyncio waits, and reaches a server."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from mqttproto.asyncio.link import Link
from mqttproto.asyncio.pump import PumpTransport
from mqttproto.engine.completion import Completion
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.options import Options
from mqttproto.tls import client_context, explain
from mqttproto.transport.url import Address
from mqttproto.transport.websocket import WebSocketFilter

__all__ = ["AsyncioAdapter", "Stream", "wait_whatever"]

_T = TypeVar("_T")

Stream = socket.socket | tuple[asyncio.StreamReader, asyncio.StreamWriter]
"""A byte stream that is open already: a connected socket, or what ``asyncio.open_connection``
returns.
"""


async def wait_whatever(future: asyncio.Future[Any]) -> None:
    """Wait for what ends soon; if the waiting is cancelled, that is raised when it has ended."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class AsyncioAdapter:
    """See :class:`mqttproto.engine.adapter.Adapter`.

    :param stream: what to connect on, in place of an address.
    """

    def __init__(self, options: Options, stream: Stream | None) -> None:
        self._options: Final = options
        self._stream = stream
        self._loop: Final = asyncio.get_running_loop()
        self._context: ssl.SSLContext | None = None
        self._link: Link | None = None
        self.engine: ClientEngine

    def now(self) -> float:
        """The time of the loop."""
        return self._loop.time()

    def wall(self) -> float:
        """The time of day."""
        return time.time()

    async def wait(self, completion: Completion, until: float | None = None) -> None:
        """Wait until something is done, or until then."""
        if completion.done:
            return
        future = self._loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        completion.then(wake)
        timer = None if until is None else self._loop.call_at(until, wake)
        try:
            await future
        finally:
            completion.forget(wake)
            if timer is not None:
                timer.cancel()

    async def in_thread(self, call: Callable[[], _T]) -> _T:
        """Call what may block."""
        future = self._loop.run_in_executor(None, call)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # A thread cannot be cancelled, and nobody wants to know any more what it returns.
            with suppress(asyncio.CancelledError):
                await wait_whatever(future)
            future.exception()
            raise

    async def dial(self, place: Address | None, timeout: float) -> None:
        """Open a network connection."""
        try:
            async with asyncio.timeout(timeout):
                self._link = await (self._adopt() if place is None else self._open(place))
        except (OSError, TimeoutError) as error:
            raise explain(error, place or "the byte stream") from error

    async def _open(self, place: Address) -> Link:
        websocket = None
        if place.websocket:
            websocket = WebSocketFilter.to(place, self._options.websocket_headers)
        link = Link(self.engine, websocket)
        if place.unix:
            await self._loop.create_unix_connection(lambda: link, place.path)
            return link
        context = None
        if place.tls:
            if self._context is None:
                self._context = await self.in_thread(lambda: client_context(self._options.tls))
            context = self._context
        await self._loop.create_connection(
            lambda: link,
            place.host,
            place.port,
            ssl=context,
            server_hostname=place.host if context else None,
        )
        return link

    async def _adopt(self) -> Link:
        """Use the byte stream that was given."""
        stream, self._stream = self._stream, None
        link = Link(self.engine)
        if isinstance(stream, socket.socket):
            stream.setblocking(False)
            await self._loop.create_connection(lambda: link, sock=stream)
        else:
            assert stream is not None
            PumpTransport(link, *stream)
        return link

    def give_up(self) -> None:
        """Close the byte stream that was given, if it was not used."""
        stream, self._stream = self._stream, None
        if isinstance(stream, socket.socket):
            stream.close()
        elif stream is not None:
            stream[1].transport.abort()

    async def carry(self) -> None:
        """Carry bytes until the network connection is gone."""
        link = self._link
        assert link is not None
        link.attach()
        try:
            await asyncio.shield(link.gone)
        finally:
            # Cancelled, or not: nothing stays behind.
            link.close_now()
            self._link = None

    async def wait_closed(self, timeout: float) -> None:
        """Wait until the network connection is closed, if there is one."""
        if self._link is not None:
            await asyncio.wait([self._link.gone], timeout=timeout)

    def flush(self) -> None:
        """Send what is put out."""
        if self._link is not None:
            self._link.flush()
