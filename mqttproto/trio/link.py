"""One network connection of a client, for trio."""

import ssl
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

import trio

from mqttproto.engine.machine import ClientEngine
from mqttproto.tls import explain
from mqttproto.transport.websocket import WebSocketFilter

__all__ = ["Link"]

_CHUNK: Final = 1 << 18
_LINGER: Final = 1.0
"""Seconds that a server has to close its end, once all is said."""


class Link:
    """Carries bytes between a stream and the engine.

    All that is put out in one turn of the loop is written together.

    :param websocket: what stands between the two, if it is to be a WebSocket.
    """

    def __init__(
        self,
        engine: ClientEngine,
        stream: trio.abc.Stream,
        websocket: WebSocketFilter | None = None,
    ) -> None:
        self._engine: Final = engine
        self._stream: Final = stream
        self._websocket: Final = websocket
        self._scope: Final = trio.CancelScope()
        self._wanted = trio.Event()
        self._readable = trio.Event()
        self._earlier = trio.Event()
        self._alarm = inf
        # What is over: what comes in, what goes out.
        self._ended = self._mute = False
        self._error: Exception | None = None

    async def carry(self) -> None:
        """Carry until the stream is gone, and close it."""
        self._engine.wake_writer = self.wake
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for part in (self._write, self._read, self._watch):
                        nursery.start_soon(self._guard, part)
        finally:
            self._engine.connection_lost(trio.current_time(), self._error)
            await trio.aclose_forcefully(self._stream)

    async def _guard(self, part: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work; when the stream breaks, all is over."""
        try:
            await part()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            if self._error is None:
                cause = error.__cause__
                self._error = cause if isinstance(cause, OSError) else error
                if isinstance(cause, ssl.SSLError):
                    # A server may look at a client's certificate only when the handshake is done.
                    self._error = explain(cause, "")
            # When writing fails, what the server said before it left may still be there to read.
            if part == self._read or self._ended:
                self._scope.cancel()
            self._mute = True

    def wake(self) -> None:
        """There is something to send, or to be read again, or a deadline has moved."""
        self._wanted.set()
        # Here, because whoever writes may be waiting for the network.
        if not self._readable.is_set() and self._engine.wants_read:
            self._readable.set()

    def _rearm(self) -> None:
        """Have :meth:`_watch` wake up in time, also while something is being written."""
        deadline = self._engine.next_deadline()
        if deadline is not None and deadline < self._alarm:
            self._earlier.set()

    def _hurry(self) -> None:
        """It is over, and what is still being written has little time left."""
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + _LINGER)

    async def _write(self) -> None:
        engine, websocket = self._engine, self._websocket
        while True:
            self._wanted = trio.Event()
            data = engine.data_to_send()
            over = engine.close_expected()
            if websocket is not None:
                if data:
                    websocket.send(data)
                if over:
                    websocket.close()
                data = websocket.data_to_send()
            if engine.wants_read:
                self._readable.set()
            self._rearm()
            if data:
                await self._stream.send_all(data)
            if over:
                await self._close()
                return
            await self._wanted.wait()

    async def _close(self) -> None:
        """Close, but let the server read what was sent, and close its end first."""
        stream = self._stream
        with trio.move_on_after(_LINGER):
            if not isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.aclose()
            elif not self._ended:
                await stream.send_eof()
                self._hurry()
                return
        self._scope.cancel()

    async def _read(self) -> None:
        engine, websocket = self._engine, self._websocket
        while True:
            while not engine.wants_read and not engine.close_expected():
                self._readable = trio.Event()
                await self._readable.wait()
            data: bytes | bytearray = await self._stream.receive_some(_CHUNK)
            now = trio.current_time()
            self._ended = not data
            if websocket is not None:
                if data:
                    data = websocket.receive_data(data)
                else:
                    websocket.receive_eof()
                if websocket.error is not None:
                    self._error = websocket.error
                    engine.connection_lost(now, websocket.error)
                self._ended = self._ended or websocket.closed
            if data:
                engine.receive_data(data, now)
            over = engine.close_expected()
            if self._ended:
                engine.receive_eof(now)
            self._rearm()
            self.wake()
            if self._ended:
                self._hurry()
                if over or self._mute:
                    self._scope.cancel()
                return

    async def _watch(self) -> None:
        """Tell the engine when something is due."""
        engine = self._engine
        while True:
            self._earlier = trio.Event()
            deadline = engine.next_deadline()
            self._alarm = inf if deadline is None else deadline
            with trio.move_on_at(self._alarm):
                await self._earlier.wait()
            # Too early it does nothing.
            engine.handle_timeout(trio.current_time())
            if not engine.attached:
                self._hurry()
            self.wake()
