"""A TCP proxy that fails when it is told to."""

import asyncio
import os
import socket
import struct
from contextlib import suppress
from random import Random
from typing import Final, Self, final

from mqttproto.testing.live.listener import Listener
from mqttproto.testing.live.schedule import Fate, Schedule, Way

__all__ = ["FaultProxy"]

_CHUNK: Final = 1 << 14
_MOST_CHUNKS: Final = 16
"""How many chunks of one direction are under way; then no more is read."""

_MOST_UNREAD: Final = 1_000
"""How many chunks to read from a socket that is to be closed."""

_Pipe = asyncio.Queue[tuple[float, bytes]]
"""The chunks of one direction, each with the time when it is to arrive; an empty one is the end."""


class _Cut(Exception):
    """Ends a connection."""


@final
class FaultProxy:
    """A TCP proxy on a free port of loopback, while its ``async with`` block lasts.

    Whoever connects to it is connected to the server behind, and has the next :class:`Fate` of the
    schedule. Bytes are passed on as they come, and no faster than the other side takes them. When
    one side ends or fails, so does the other.

    Its methods and attributes are for the thread of its loop; see :class:`LoopThread` for others.

    :param host: where the server behind is.
    :param port: its port.
    :param schedule: what befalls which connection; by default, nothing.
    :ivar port: where the proxy listens, once it does.
    :ivar refusing: while true, new connections are reset as soon as they are made.
    :ivar connections: how many connections were taken, from the first on.
    :ivar refused: how many were not.
    :ivar cuts: how many were cut, by the schedule or by :meth:`cut`.
    """

    def __init__(self, host: str, port: int, *, schedule: Schedule | None = None) -> None:
        self.port: int = 0
        self.refusing: bool = False
        self.connections: int = 0
        self.refused: int = 0
        self.cuts: int = 0
        self._behind: Final = (host, port)
        self._schedule: Final = Schedule() if schedule is None else schedule
        self._links: Final[set[_Link]] = set()
        self._refusing_until = 0.0

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._links)

    def cut(self, *, reset: bool = True) -> None:
        """Cut every connection that there is.

        :param reset: as in :class:`Fate`.
        """
        for link in self._links:
            link.reset = reset
            link.doomed.set()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        self._listener = Listener(sock, self._serve)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listener.close()

    async def _serve(self, client: socket.socket) -> None:
        """Look after one connection, from its beginning to its end."""
        if self.refusing or self._loop.time() < self._refusing_until:
            self.refused += 1
            _close(client, reset=True)
            return
        link = _Link(client, self._schedule.fate(self.connections))
        self.connections += 1
        self._links.add(link)
        reset = False
        try:
            link.server = await self._dial()
            await link.run()
        except* _Cut:
            self.cuts += 1
            reset = link.reset
        except* OSError:
            reset = True  # one side has failed
        finally:
            link.close(reset=reset)
            self._links.discard(link)
            until = self._loop.time() + link.fate.refuse_for
            self._refusing_until = max(self._refusing_until, until)

    async def _dial(self) -> socket.socket:
        """Connect to the server behind, by the first of its addresses that works.

        :raises OSError: if none does.
        """
        found = await self._loop.getaddrinfo(*self._behind, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(found, 1):
            sock = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            try:
                await self._loop.sock_connect(sock, address)
            except BaseException as error:
                sock.close()
                if number == len(found) or not isinstance(error, OSError):
                    raise
            else:
                return sock
        raise AssertionError("getaddrinfo gives an address, or raises")


@final
class _Link:
    """One connection: both of its sides, and what befalls it."""

    def __init__(self, client: socket.socket, fate: Fate) -> None:
        self.client: Final = client
        self.server: socket.socket | None = None
        self.fate: Final = fate
        self.reset: bool = fate.reset
        self.doomed: Final = asyncio.Event()
        self._loop: Final = asyncio.get_running_loop()

    def close(self, *, reset: bool) -> None:
        """Close both sides."""
        _close(self.client, reset=reset)
        if self.server is not None:
            _close(self.server, reset=reset)

    async def run(self) -> None:
        """Pass bytes on until both directions have ended.

        :raises ExceptionGroup: of _Cut if it is to be cut, of OSError if a side has failed.
        """
        client, server = self.client, self.server
        assert server is not None
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._await_doom(self.fate.cut_at))
            writers = []
            for source, sink, way in (
                (client, server, self.fate.to_server),
                (server, client, self.fate.to_client),
            ):
                # Packets are small, and are not to wait for each other here.
                sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pipe: _Pipe = asyncio.Queue(_MOST_CHUNKS)
                group.create_task(self._read(source, pipe, way.latency))
                writers.append(group.create_task(self._write(sink, pipe, way)))
            await asyncio.wait(writers)
            watch.cancel()

    async def _await_doom(self, seconds: float | None) -> None:
        """Wait to be cut by hand, or so long; then be."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.doomed.wait()
        raise _Cut

    async def _read(self, source: socket.socket, pipe: _Pipe, latency: float) -> None:
        data = b"first"
        while data:
            data = await self._loop.sock_recv(source, _CHUNK)
            await pipe.put((self._loop.time() + latency, data))

    async def _write(self, sink: socket.socket, pipe: _Pipe, way: Way) -> None:
        """Pass on what comes through the pipe, as far as it is to go."""
        sizes = Random(way.seed)
        piece = 0  # what is left of the one that was begun
        passed = 0
        data = memoryview(b"")
        while True:
            if passed == way.cut_after:
                raise _Cut
            if passed == way.stall_after:
                await self._await_doom(way.stall_for)
            if not data:
                due, chunk = await pipe.get()
                if due > self._loop.time():
                    await asyncio.sleep(due - self._loop.time())
                if not chunk:
                    sink.shutdown(socket.SHUT_WR)
                    return
                data = memoryview(chunk)
            size = len(data)
            for stop in (way.cut_after, way.stall_after):
                if stop is not None:
                    size = min(size, stop - passed)
            if way.largest_piece:
                piece = piece or sizes.randint(1, way.largest_piece)
                size = min(size, piece)
                piece -= size
            await self._loop.sock_sendall(sink, data[:size])
            if way.largest_piece:
                # So that it arrives by itself: in the first turn the other end may read, if it is
                # in this loop; the next piece comes in the second.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            data = data[size:]
            passed += size


def _close(sock: socket.socket, *, reset: bool) -> None:
    """Close a socket: with a reset, or so that the other end finds the end of what it has read."""
    if reset:
        form = "hh" if os.name == "nt" else "ii"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
    else:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            # To close with bytes unread would be a reset. There is an end to how many there are.
            for _ in range(_MOST_UNREAD):
                if not sock.recv(_CHUNK):
                    break
    sock.close()
