"""A pair of StreamReader and StreamWriter, as a transport."""

import asyncio
from contextlib import suppress
from typing import Final

__all__ = ["PumpTransport"]

_CHUNK: Final = 1 << 16


class PumpTransport(asyncio.Transport):
    """Reads and writes a stream pair for a protocol, in one task."""

    def __init__(
        self, protocol: asyncio.Protocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__()
        self._protocol: Final = protocol
        self._reader: Final = reader
        self._writer: Final = writer
        self._may_read: Final = asyncio.Event()
        self._may_read.set()
        self._written: Final = asyncio.Event()
        self._closing = False
        self._tasks: Final = [
            asyncio.create_task(self._read()),
            asyncio.create_task(self._drain()),
        ]
        protocol.connection_made(self)

    async def _read(self) -> None:
        error: Exception | None = None
        try:
            while True:
                await self._may_read.wait()
                data = await self._reader.read(_CHUNK)
                if not data:
                    self._protocol.eof_received()
                    break
                self._protocol.data_received(data)
        except OSError as caught:
            error = caught
        await self._finish(error)

    async def _drain(self) -> None:
        """Tell the protocol when the stream takes no more, and when it does again."""
        while True:
            await self._written.wait()
            self._written.clear()
            self._protocol.pause_writing()
            with suppress(OSError):
                await self._writer.drain()
            self._protocol.resume_writing()

    async def _finish(self, error: Exception | None) -> None:
        self._closing = True
        self._tasks[1].cancel()
        # What the protocol has to say to the end of the stream goes out first.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self._writer.close()
        self._protocol.connection_lost(error)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes."""
        self._writer.write(data)
        transport = self._writer.transport
        if transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]:
            self._written.set()

    def get_write_buffer_size(self) -> int:
        """How many bytes are not written yet."""
        return self._writer.transport.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed alone."""
        return self._writer.can_write_eof()

    def write_eof(self) -> None:
        """Close the direction to the other end."""
        self._writer.write_eof()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closing

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Read again."""
        self._may_read.set()

    def close(self) -> None:
        """Close when all is written."""
        if not self._closing:
            self._closing = True
            self._may_read.set()
            self._writer.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        # The reader hears of it, and tells the protocol.
        self._may_read.set()
        self._writer.transport.abort()
