"""One network connection of a client, for asyncio."""

import asyncio
import ssl
from contextlib import suppress
from typing import Final, cast

from mqttproto.engine.machine import ClientEngine
from mqttproto.tls import explain
from mqttproto.transport.websocket import WebSocketFilter

__all__ = ["Link"]

_LINGER: Final = 1.0
"""Seconds that a server has to close its end, once all is said."""


class Link(asyncio.Protocol):
    """Carries bytes between a transport and the engine.

    All that is put out in one turn of the loop is written together.

    :param websocket: what stands between the two, if it is to be a WebSocket.
    :ivar gone: done when the network connection is.
    """

    def __init__(self, engine: ClientEngine, websocket: WebSocketFilter | None = None) -> None:
        self._engine: Final = engine
        self._websocket: Final = websocket
        self._loop: Final = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._attached = False
        self._flush_due = False
        self._closing = False
        self._unwritten = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reading = True
        self.gone: Final[asyncio.Future[None]] = self._loop.create_future()

    # What the engine calls, and whoever runs it.

    def attach(self) -> None:
        """CONNECT is put out: begin to carry."""
        self._attached = True
        self._engine.wake_writer = self.wake
        self.wake()

    def wake(self) -> None:
        """There is something to send: at the end of this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def close_now(self) -> None:
        """Close at once. What the system has taken still goes its way."""
        transport = self._transport
        if transport is None:
            return
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def flush(self) -> None:
        """Send what is put out, and see to what follows from it."""
        self._flush_due = False
        transport = self._transport
        if transport is None or not self._attached:
            return
        engine = self._engine
        data = engine.data_to_send()
        websocket = self._websocket
        if websocket is not None:
            if data:
                websocket.send(data)
            if engine.close_expected() and not self._closing:
                websocket.close()
            data = websocket.data_to_send()
        if data:
            transport.write(data)
        if engine.close_expected():
            self._close(transport)
        else:
            self._regulate(transport)
        self._arm()

    def _regulate(self, transport: asyncio.Transport) -> None:
        """Read, or do not, as the engine says."""
        if self._engine.wants_read != self._reading and not self._closing:
            self._reading = not self._reading
            if self._reading:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def _close(self, transport: asyncio.Transport) -> None:
        """Close, but let the server read what was sent, and close its end first."""
        if self._closing:
            return
        self._closing = True
        if not self._reading:
            self._reading = True
            transport.resume_reading()
        self._unwritten = transport.get_write_buffer_size()
        if transport.can_write_eof() and not transport.is_closing():
            # It may be gone already.
            with suppress(OSError):
                transport.write_eof()
        else:
            transport.close()
        self._loop.call_later(_LINGER, self._give_up, transport)

    def _give_up(self, transport: asyncio.Transport) -> None:
        """Close at once, unless the network still takes what is to be sent."""
        if self._transport is None:
            return
        left = transport.get_write_buffer_size()
        if left < self._unwritten:
            self._unwritten = left
            self._loop.call_later(_LINGER, self._give_up, transport)
        else:
            transport.abort()

    def _arm(self) -> None:
        """Set the timer, if the one that is set is too late; one that is too early does no harm."""
        deadline = self._engine.next_deadline()
        timer = self._timer
        if deadline is None:
            return
        if timer is not None:
            if timer.when() <= deadline:
                return
            timer.cancel()
        self._timer = self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._transport is not None:
            self._engine.handle_timeout(self._loop.time())
            self.wake()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The network connection is there."""
        # Those of uvloop are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)
        self.wake()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        websocket = self._websocket
        if websocket is not None:
            data = websocket.receive_data(data)
            if websocket.error is not None:
                self._engine.connection_lost(self._loop.time(), websocket.error)
        if data:
            self._engine.receive_data(data, self._loop.time())
            if self._transport is not None:
                # At once: some loops go on to read before anybody else has a turn.
                self._regulate(self._transport)
        if websocket is not None and websocket.closed:
            self._engine.receive_eof(self._loop.time())
        self.wake()

    def eof_received(self) -> bool:
        """The server sends no more."""
        if self._websocket is not None:
            self._websocket.receive_eof()
        self._engine.receive_eof(self._loop.time())
        self.wake()
        return False

    def pause_writing(self) -> None:
        """The network takes no more for now."""
        self._engine.block()

    def resume_writing(self) -> None:
        """The network takes more again."""
        self._engine.unblock()

    def connection_lost(self, exc: Exception | None) -> None:
        """The network connection is gone."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._attached:
            if isinstance(exc, ssl.SSLError):
                # A server may look at a client's certificate only when the handshake is done.
                exc = explain(exc, "")
            self._engine.connection_lost(self._loop.time(), exc)
        if not self.gone.done():
            self.gone.set_result(None)
