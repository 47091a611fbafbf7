"""Carries bytes between clients and a server, and lets somebody watch."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from mqttproto.constants import Sender
from mqttproto.tls import explain
from mqttproto.transport.url import Address

__all__ = ["Proxy", "Watcher"]

_CHUNK: Final = 1 << 16


class Watcher(Protocol):
    """Is told what goes on; a connection is known by its number, from 1."""

    def connected(self, number: int, peer: str) -> None:
        """A client has connected."""

    def unreachable(self, number: int, problem: str) -> None:
        """The server could not be reached, and the client is sent away."""

    async def said(self, number: int, sender: Sender, data: bytes) -> None:
        """One end has sent ``data``, which is on its way. While this waits, no more is read."""

    def ended(self, number: int, sender: Sender, problem: str) -> None:
        """One end sends no more; ``problem`` says why, if it is not just so."""

    def closed(self, number: int) -> None:
        """The connection is over."""


class Proxy:
    """Connects to the server for each client, and passes on what both say, whatever it is.

    :param to: where the server is.
    :param tls: for the connections to it; None: without.
    """

    def __init__(self, to: Address, tls: ssl.SSLContext | None, watcher: Watcher) -> None:
        self._to: Final = to
        self._tls: Final = tls
        self._watcher: Final = watcher
        self._numbers: Final = count(1)
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    async def serve(self, at: Address, ready: Callable[[], None]) -> None:
        """Work until it is cancelled.

        :param at: where to listen.
        :param ready: called when clients can connect.
        :raises OSError: if nothing can be listened on there.
        """
        if at.unix:
            if Path(at.path).exists():  # asyncio would take it away from whoever listens there
                raise FileExistsError(errno.EEXIST, "there is a file of this name already")
            server = await asyncio.start_unix_server(self._accept, at.path)
        else:
            server = await asyncio.start_server(self._accept, at.host, at.port)
        try:
            ready()
            await asyncio.get_running_loop().create_future()  # until it is cancelled
        finally:
            server.close()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if at.unix:
                Path(at.path).unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end."""
        number = next(self._numbers)
        self._watcher.connected(number, _peer(writer))
        try:
            far_reader, far_writer = await self._connect()
        except OSError as error:
            self._watcher.unreachable(number, str(explain(error, self._to)))
            writer.close()
            return
        except BaseException:
            writer.transport.abort()
            raise
        writers = (writer, far_writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(number, Sender.CLIENT, reader, far_writer, writers))
                group.create_task(self._pass_on(number, Sender.SERVER, far_reader, writer, writers))
        except BaseException:
            _abort(writers)
            raise
        finally:
            self._watcher.closed(number)
            for each in writers:
                each.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        to = self._to
        if to.unix:
            return await asyncio.open_unix_connection(to.path)
        return await asyncio.open_connection(to.host, to.port, ssl=self._tls)

    async def _pass_on(
        self,
        number: int,
        sender: Sender,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        writers: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        """Pass on what one end says, and that it says no more."""
        receiver = Sender.SERVER if sender is Sender.CLIENT else Sender.CLIENT
        at_work = sender
        try:
            while data := await reader.read(_CHUNK):
                at_work = receiver
                writer.write(data)
                await self._watcher.said(number, sender, data)
                await writer.drain()
                at_work = sender
            self._watcher.ended(number, sender, "")
            if writer.can_write_eof():
                writer.write_eof()
            else:  # TLS has no half-closed connections
                writer.close()
        except OSError as error:
            self._watcher.ended(number, at_work, error.strerror or str(error))
            _abort(writers)


def _abort(writers: tuple[asyncio.StreamWriter, ...]) -> None:
    for writer in writers:
        writer.transport.abort()


def _peer(writer: asyncio.StreamWriter) -> str:
    """Where a client is; empty for one on a Unix socket."""
    peer = writer.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return ""
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
