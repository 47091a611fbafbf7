"""How trio waits, and reaches a server."""

import ssl
import time
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from mqttproto.engine.completion import Completion
from mqttproto.engine.machine import ClientEngine
from mqttproto.engine.options import Options
from mqttproto.tls import client_context, explain
from mqttproto.transport.url import Address
from mqttproto.transport.websocket import WebSocketFilter
from mqttproto.trio.link import Link

__all__ = ["TrioAdapter"]

_T = TypeVar("_T")


class TrioAdapter:
    """See :class:`mqttproto.engine.adapter.Adapter`.

    :param stream: what to connect on, in place of an address.
    """

    def __init__(self, options: Options, stream: trio.abc.Stream | None) -> None:
        self._options: Final = options
        self._stream = stream
        self._context: ssl.SSLContext | None = None
        self._link: Link | None = None
        self.engine: ClientEngine

    def now(self) -> float:
        """The time of the loop."""
        return trio.current_time()

    def wall(self) -> float:
        """The time of day."""
        return time.time()

    async def wait(self, completion: Completion, until: float | None = None) -> None:
        """Wait until something is done, or until then."""
        if completion.done:
            return
        event = trio.Event()
        completion.then(event.set)
        try:
            if until is None:
                await event.wait()
            else:
                with trio.move_on_at(until):
                    await event.wait()
        finally:
            completion.forget(event.set)

    async def in_thread(self, call: Callable[[], _T]) -> _T:
        """Call what may block."""
        return await trio.to_thread.run_sync(call)

    async def dial(self, place: Address | None, timeout: float) -> None:
        """Open a network connection."""
        if place is None:
            stream, self._stream = self._stream, None
            assert stream is not None
            self._link = Link(self.engine, stream)
            return
        try:
            with trio.fail_after(timeout):
                self._link = await self._open(place)
        except (OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
            raise explain(error, place) from error

    async def _open(self, place: Address) -> Link:
        websocket = None
        if place.websocket:
            websocket = WebSocketFilter.to(place, self._options.websocket_headers)
        if place.unix:
            return Link(self.engine, await trio.open_unix_socket(place.path), websocket)
        if place.tls and self._context is None:
            self._context = await self.in_thread(lambda: client_context(self._options.tls))
        stream: trio.abc.Stream = await trio.open_tcp_stream(place.host, place.port)
        if place.tls:
            assert self._context is not None
            secure = trio.SSLStream(
                stream, self._context, server_hostname=place.host, https_compatible=True
            )
            try:
                await secure.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            stream = secure
        return Link(self.engine, stream, websocket)

    async def carry(self) -> None:
        """Carry bytes until the network connection is gone."""
        assert self._link is not None
        try:
            await self._link.carry()
        finally:
            self._link = None

    async def give_up(self) -> None:
        """Close the byte stream that was given, if it was not used."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)

    @property
    def carrying(self) -> bool:
        """Whether there is a network connection."""
        return self._link is not None
