"""The hub on asyncio."""

import asyncio
import socket
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Self, final

from mqttproto.cli.hub.hub import Hub
from mqttproto.constants import ReasonCode
from mqttproto.protocol import ConnectionState, ServerConnection
from mqttproto.protocol.events import Event
from mqttproto.testing.live.listener import Listener
from mqttproto.transport.websocket import WebSocketFilter

__all__ = ["HubServer", "serve_hub"]

_PATIENCE: Final = 1.0
"""Seconds that a client has, when all is over, to take the last bytes and close its end."""

_MOST_UNSENT: Final = 1 << 23
"""How many bytes may wait for a client to take them; beyond, it is not listened to."""

_HANDSHAKE: Final = 10.0
"""Seconds that a client has for the TLS handshake."""


def serve_hub(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    path: str | Path | None = None,
    tls: ssl.SSLContext | None = None,
    websocket: bool = False,
    hub: Hub | None = None,
) -> "HubServer":
    """Serve a hub while the ``async with`` block lasts.

    :param host: the address to listen on.
    :param port: the port; 0: one that is free.
    :param path: of a Unix socket to listen on instead; it must not exist, and is gone in the end.
    :param tls: a context for a server; None: without TLS.
    :param websocket: whether MQTT is in WebSockets, at any path.
    :param hub: the hub to serve; None: a new one.
    :raises MissingExtraError: if what WebSocket needs is not installed.
    """
    return HubServer(host, port, path, tls, websocket, Hub() if hub is None else hub)


@final
class HubServer:
    """A hub and the network connections of its clients; :func:`serve_hub` makes one.

    :ivar hub: what is served.
    :ivar port: where it listens, once it does; 0 for a Unix socket.
    """

    def __init__(
        self,
        host: str,
        port: int,
        path: str | Path | None,
        tls: ssl.SSLContext | None,
        websocket: bool,
        hub: Hub,
    ) -> None:
        if websocket:
            WebSocketFilter.server()  # if it cannot be made it is better to know now
        self.hub: Final = hub
        self.port: int = port
        self._host: Final = host
        self._path: Final = None if path is None else Path(path)
        self._tls: Final = tls
        self._websocket: Final = websocket
        self._wires: Final[dict[ServerConnection, _Wire]] = {}
        self._wire_gone: Final = asyncio.Event()
        self._flushing: asyncio.Handle | None = None

    @property
    def connections(self) -> int:
        """How many network connections are open."""
        return len(self._wires)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._listener = Listener(self._listen(), self._meet)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._listener.close()
            for wire in list(self._wires.values()):
                wire.dismiss()
            while self._wires:
                self._wire_gone.clear()
                await self._wire_gone.wait()
        finally:
            for wire in list(self._wires.values()):
                wire.abort()
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        if self._path is None:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            sock = socket.create_server((self._host, self.port), family=family)
            self.port = sock.getsockname()[1]
            return sock
        self.port = 0
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.bind(str(self._path))
            sock.listen()
        except OSError:
            sock.close()
            raise
        return sock

    async def _meet(self, sock: socket.socket) -> None:
        """Begin a connection, behind the handshake of TLS if there is one."""
        if self._path is None:
            # Packets are small, and each is waited for.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        patience = None if self._tls is None else _HANDSHAKE
        # A client that does not get through has had its answer from TLS, or is gone.
        with suppress(OSError):
            await self._loop.connect_accepted_socket(
                partial(_Wire, self, self._websocket),
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=patience,
            )

    # For its wires.

    def now(self) -> float:
        """Seconds of the clock of this server."""
        return self._loop.time()

    def begin(self, wire: "_Wire") -> ServerConnection:
        """A connection for a client that has come."""
        connection = self.hub.open(self.now())
        self._wires[connection] = wire
        return connection

    def end(self, connection: ServerConnection) -> None:
        """The network connection is gone."""
        self.hub.congested.discard(connection)
        del self._wires[connection]
        self._wire_gone.set()

    def tell(self, connection: ServerConnection, events: list[Event]) -> None:
        """Let the hub do what events ask for, and send later in this turn what comes of it."""
        self.hub.handle(connection, events, self.now())
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        for connection in self.hub.take_active():
            wire = self._wires.get(connection)
            if wire is not None:
                wire.flush()


@final
class _Wire(asyncio.Protocol):
    """One network connection."""

    _transport: asyncio.Transport
    _connection: ServerConnection

    def __init__(self, server: HubServer, websocket: bool) -> None:
        self._server: Final = server
        self._filter: Final = WebSocketFilter.server() if websocket else None
        self._loop: Final = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # When to give up on a client that does not go, from the end on.
        self._leaving: asyncio.TimerHandle | None = None
        # Whether the client takes nothing at present.
        self._congested = False
        self._heard_all = False

    def _tell(self, events: list[Event]) -> None:
        self._server.tell(self._connection, events)

    # What the network says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the deadline for CONNECT runs from now on."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(_MOST_UNSENT)
        self._transport = transport
        self._connection = self._server.begin(self)
        self._tell([])

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        connection, now = self._connection, self._server.now()
        if self._filter is None:
            self._tell(connection.receive_data(data, now))
            return
        events = connection.receive_data(self._filter.receive_data(data), now)
        if self._filter.closed:
            events += connection.receive_eof(now)
        self._tell(events)

    def eof_received(self) -> bool:
        """Take note that no more will come; what is left to send may still be sent."""
        self._heard_all = True
        if self._filter is not None:
            self._filter.receive_eof()
        self._tell(self._connection.receive_eof(self._server.now()))
        # With TLS there is no half of a connection.
        return self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        """End."""
        for timer in (self._timer, self._leaving):
            if timer is not None:
                timer.cancel()
        self._tell(self._connection.connection_lost(self._server.now()))
        self._server.end(self._connection)

    def pause_writing(self) -> None:
        """Write no more, and do not read either: answers would pile up."""
        self._congested = True
        self._server.hub.congested.add(self._connection)
        self.flush()

    def resume_writing(self) -> None:
        """Go on."""
        self._congested = False
        self._server.hub.congested.discard(self._connection)
        self.flush()

    # What the server says.

    def flush(self) -> None:
        """Do what is to be done after each call of the connection."""
        connection = self._connection
        data = b"" if self._congested else self._data_to_send()
        if data:
            self._transport.write(data)
        if connection.state is ConnectionState.CLOSED:
            self._leave()
        elif connection.wants_read and not self._congested:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
        self._set_timer(connection.next_deadline())

    def _data_to_send(self) -> bytes:
        data = self._connection.data_to_send()
        if self._filter is None:
            return data
        self._filter.send(data)
        if self._connection.close_expected():
            self._filter.close()
        return self._filter.data_to_send()

    def dismiss(self) -> None:
        """End the connection: the server shuts down."""
        connection = self._connection
        code = ReasonCode.SERVER_SHUTTING_DOWN
        self._tell(connection.disconnect(code, now=self._server.now()))

    def abort(self) -> None:
        """Close without a word."""
        self._transport.abort()

    def _leave(self) -> None:
        """Close when the client does, or after a while; first it is to get what is left."""
        if self._leaving is None:
            self._leaving = self._loop.call_later(_PATIENCE, self._transport.abort)
            # Its end can only be heard by reading.
            self._transport.resume_reading()
        if not self._connection.close_expected():
            return
        if self._filter is not None and not self._filter.closed:
            return  # the closing handshake is under way
        if self._heard_all or not self._transport.can_write_eof():
            self._transport.close()
        else:
            with suppress(OSError):  # the client was faster, with a reset
                self._transport.write_eof()

    def _set_timer(self, deadline: float | None) -> None:
        """Wake up in time; too early does no harm, and a timer for each packet would cost more."""
        timer = self._timer
        if timer is not None and (deadline is None or deadline < timer.when()):
            timer.cancel()
            self._timer = timer = None
        if timer is None and deadline is not None:
            self._timer = self._loop.call_at(deadline, self._time_out)

    def _time_out(self) -> None:
        self._timer = None
        self._tell(self._connection.handle_timeout(self._server.now()))
