"""Standard output beside an event loop."""

import asyncio
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mqttproto.cli.console import Failure
from mqttproto.cli.output import Output


@contextmanager
def pipe_as_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make standard output a pipe; the descriptor of its other end."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        try:
            yield reader
        finally:
            monkeypatch.undo()
            os.close(reader)


def test_everything_is_written_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    async def main(reader: int) -> None:
        async with Output() as output:
            output.put(b"one ", lambda: events.append("one"))
            output.put(b"two ")
            output.put_text("3 €\n")
            output.put(b"", lambda: events.append("nothing"))
            assert events == []
            await output.flush()
            assert events == ["one", "nothing"]
            output.put(b"last")
        assert os.read(reader, 100) == b"one two 3 \\u20ac\nlast"

    with pipe_as_output(monkeypatch) as reader:
        asyncio.run(main(reader))


def test_whoever_reads_slowly_does_not_stop_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = bytes(1 << 19)

    async def main(reader: int) -> None:
        async with Output() as output:
            output.put(chunk)  # more than a pipe holds
            await asyncio.sleep(0)
            for _ in range(3):  # more than may wait
                output.put(chunk)
            waiting = asyncio.create_task(output.room())
            await asyncio.sleep(0.05)
            assert not waiting.done()
            size = 0
            while size < 4 * len(chunk):
                size += len(await asyncio.to_thread(os.read, reader, 1 << 20))
            await waiting

    with pipe_as_output(monkeypatch) as reader:
        asyncio.run(main(reader))


def test_a_pipe_that_does_not_block_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(reader: int) -> None:
        assert sys.stdout is not None
        os.set_blocking(sys.stdout.fileno(), False)
        size = 0
        async with Output() as output:
            output.put(bytes(1 << 20))
            while size < 1 << 20:
                size += len(await asyncio.to_thread(os.read, reader, 1 << 16))
        assert size == 1 << 20

    with pipe_as_output(monkeypatch) as reader:
        asyncio.run(main(reader))


def test_little_that_waits_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Output() as output:
            await output.room()
            output.put(b"x")
            await output.room()

    with pipe_as_output(monkeypatch):
        asyncio.run(main())


def test_a_failure_ends_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    async def main(reader: int) -> None:
        async with Output() as output:
            os.close(reader)
            output.put(b"x", lambda: calls.append("written"))
            await asyncio.sleep(60)

    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(Failure) as failed:
            asyncio.run(main(reader))
        monkeypatch.undo()
    assert (failed.value.status, failed.value.lines, calls) == (141, (), [])


def test_a_failure_at_the_end_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Output() as output:
            output.put(b"x")

    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(Failure) as failed:
        asyncio.run(main())
    assert (failed.value.status, failed.value.lines) == (2, ("standard output is closed",))


def test_after_a_failure_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Output() as output:
            output.put_text("x")
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(60)
            output.put(b"y")
            await output.flush()

    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(Failure, match="standard output is closed"):
        asyncio.run(main())


def test_what_cannot_be_written_to_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Output() as output:
            output.put(b"x")

    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(Failure, match="standard output: ") as failed:
        asyncio.run(main())
    assert failed.value.status == 2


def test_a_body_that_fails_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Output() as output:
            output.put(bytes(1 << 20))  # which nobody reads
            await asyncio.sleep(0)
            raise ZeroDivisionError

    with pipe_as_output(monkeypatch), pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_body_that_is_cancelled_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        async with Output():
            await asyncio.sleep(60)

    async def leaving() -> None:
        async with Output() as output:
            output.put(bytes(1 << 20))

    async def main() -> None:
        for each in (body, leaving):
            task = asyncio.create_task(each())
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with pipe_as_output(monkeypatch):
        asyncio.run(main())
