"""Who takes connections."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, final

__all__ = ["Listener"]

_PATIENCE: Final = 1.0


class _Stop(Exception):
    """Ends a group of tasks."""


@final
class Listener:
    """Takes connections, and looks after each in a task of its own.

    :param sock: a socket that listens; it is closed in the end.
    :param serve: is given the socket of each connection, which is its to close.
    """

    def __init__(
        self,
        sock: socket.socket,
        serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
    ) -> None:
        sock.setblocking(False)
        self._sock: Final = sock
        self._serve: Final = serve
        self._stopping = False
        # Taken, but their tasks have not begun yet.
        self._waiting: Final[set[socket.socket]] = set()
        self._loop: Final = asyncio.get_running_loop()
        self._task: Final = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Take no more connections, and cancel the tasks; raise what one of them has raised."""
        self._stopping = True
        try:
            if not self._task.done():
                await self._wake()
        finally:
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def _wake(self) -> None:
        """End the wait for a connection: by one. To cancel it might lose one that has just come."""
        with socket.socket(self._sock.family) as last:
            last.setblocking(False)
            last.connect_ex(self._sock.getsockname())
            await asyncio.wait([self._task], timeout=_PATIENCE)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    sock, _ = await self._loop.sock_accept(self._sock)
                    self._waiting.add(sock)
                    if self._stopping:
                        raise _Stop
                    group.create_task(self._look_after(sock))
        except* _Stop:
            pass
        finally:
            self._sock.close()
            for sock in self._waiting:
                sock.close()

    async def _look_after(self, sock: socket.socket) -> None:
        self._waiting.discard(sock)
        try:
            await self._serve(sock)
        except Exception:
            sock.close()
            raise
