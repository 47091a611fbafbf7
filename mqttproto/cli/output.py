"""Standard output beside an event loop: whoever reads it slowly does not stop the loop."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final

from mqttproto.cli.console import Failure, write_bytes
from mqttproto.cli.threads import in_thread

__all__ = ["Output"]

_MOST_WAITING: Final = 1 << 20
"""The bytes that may wait to be written before :meth:`Output.room` waits."""


class Output:
    """What a thread writes, in order; what comes meanwhile is gathered, and then written at once.

    A context manager: if writing fails, its body is cancelled, and then it raises the
    :class:`~mqttproto.cli.console.Failure`. It leaves when everything is written.
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._when_written: list[Callable[[], None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._owner: asyncio.Task[object] | None = None
        self._failure: Failure | None = None

    async def __aenter__(self) -> "Output":
        """Begin."""
        self._owner = asyncio.current_task()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Write the rest, unless the body has failed."""
        try:
            if error is None:
                await self.flush()
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            if self._owner is not None:
                self._owner.uncancel()
        if self._failure is not None:
            raise self._failure from None

    def put(self, data: bytes, when_written: Callable[[], None] | None = None) -> None:
        """Write ``data`` as soon as it can be.

        :param when_written: called behind that.
        """
        self._waiting += data
        if when_written is not None:
            self._when_written.append(when_written)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    def put_text(self, text: str) -> None:
        """Write ``text`` in the encoding of standard output as soon as it can be."""
        encoding = "utf-8" if sys.stdout is None else sys.stdout.encoding
        self.put(text.encode(encoding, "backslashreplace"))

    async def room(self) -> None:
        """Wait, if much waits to be written, until it is."""
        if len(self._waiting) > _MOST_WAITING:
            await self.flush()

    async def flush(self) -> None:
        """Wait until everything is written."""
        while self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer])

    async def _write(self) -> None:
        try:
            while self._waiting or self._when_written:
                data, self._waiting = bytes(self._waiting), bytearray()
                calls, self._when_written = self._when_written, []
                await in_thread(partial(write_bytes, data))
                for call in calls:
                    call()
        except Failure as failure:
            self._failure = failure
            if self._owner is not None:
                self._owner.cancel()
        else:
            self._writer = None
