"""The proxy that carries bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mqttproto.cli.proxy import Proxy
from mqttproto.constants import Sender
from mqttproto.transport.url import Address, parse_url

CLIENT, SERVER = Sender

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Notes:
    """A watcher that writes everything down."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []
        self.patience: asyncio.Event | None = None

    def connected(self, number: int, peer: str) -> None:
        self.notes.append(("connected", number, peer.rpartition(":")[0]))

    def unreachable(self, number: int, problem: str) -> None:
        self.notes.append(("unreachable", number, problem))

    async def said(self, number: int, sender: Sender, data: bytes) -> None:
        self.notes.append(("said", number, sender, data))
        if self.patience is not None:
            await self.patience.wait()

    def ended(self, number: int, sender: Sender, problem: str) -> None:
        self.notes.append(("ended", number, sender, problem))

    def closed(self, number: int) -> None:
        self.notes.append(("closed", number))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return parse_url(f"mqtt://127.0.0.1:{probe.getsockname()[1]}")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data.upper())
    writer.close()


@asynccontextmanager
async def proxy(
    notes: Notes, serve: Serve = echo, at: Address | None = None
) -> AsyncIterator[Address]:
    """A proxy in front of a server; where it listens."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    to = parse_url(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        async with running(Proxy(to, None, notes), at or free_address()) as listening:
            yield listening
    finally:
        server.close()


@asynccontextmanager
async def running(made: Proxy, at: Address) -> AsyncIterator[Address]:
    ready = asyncio.Event()
    task = asyncio.create_task(made.serve(at, ready.set))
    try:
        await asyncio.wait(
            [task, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if task.done():
            await task
        yield at
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def connect(at: Address) -> Streams:
    return await asyncio.open_connection(at.host, at.port)


def test_bytes_pass_unchanged_both_ways() -> None:
    notes = Notes()

    async def main() -> None:
        async with proxy(notes) as at:
            reader, writer = await connect(at)
            writer.write(b"any\0thing\xff")
            assert await reader.readexactly(10) == b"ANY\0THING\xff"
            writer.close()
            await until(lambda: notes.notes[-1] == ("closed", 1))
            _, writer = await connect(at)
            await until(lambda: ("connected", 2, "127.0.0.1") in notes.notes)
            writer.close()

    asyncio.run(main())
    assert notes.notes[:6] == [
        ("connected", 1, "127.0.0.1"),
        ("said", 1, CLIENT, b"any\0thing\xff"),
        ("said", 1, SERVER, b"ANY\0THING\xff"),
        ("ended", 1, CLIENT, ""),
        ("ended", 1, SERVER, ""),
        ("closed", 1),
    ]


def test_a_client_that_says_no_more_still_hears() -> None:
    notes = Notes()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"question"
        writer.write(b"answer")
        writer.close()

    async def main() -> None:
        async with proxy(notes, late) as at:
            reader, writer = await connect(at)
            writer.write(b"question")
            writer.write_eof()
            assert await reader.read() == b"answer"
            writer.close()
            await until(lambda: ("closed", 1) in notes.notes)

    asyncio.run(main())


def test_much_passes_whole_and_whoever_is_slow_is_waited_for() -> None:
    notes = Notes()
    data = bytes(range(256)) * 16_384

    async def main() -> None:
        async with proxy(notes) as at:
            reader, writer = await connect(at)
            writer.write(data)
            writer.write_eof()
            await asyncio.sleep(0.05)
            assert await reader.read() == data.upper()
            writer.close()
            await until(lambda: ("closed", 1) in notes.notes)

    asyncio.run(main())
    for sender, said in ((CLIENT, data), (SERVER, data.upper())):
        assert said == b"".join(
            note[3] for note in notes.notes if note[0] == "said" and note[2] is sender
        )


def test_while_the_watcher_waits_no_more_is_read() -> None:
    notes = Notes()

    async def main() -> None:
        notes.patience = asyncio.Event()
        async with proxy(notes) as at:
            reader, writer = await connect(at)
            writer.write(b"a")
            assert await reader.readexactly(1) == b"A"  # it is on its way first
            writer.write(b"b")
            await asyncio.sleep(0.05)
            assert len(notes.notes) == 3
            notes.patience.set()
            assert await reader.readexactly(1) == b"B"
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("sender", list(Sender))
def test_a_connection_that_is_reset_is_over_for_both(sender: Sender) -> None:
    notes = Notes()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if sender is SERVER:
            await reader.readexactly(1)
            reset(writer)
        else:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

    async def main() -> None:
        async with proxy(notes, serve) as at:
            reader, writer = await connect(at)
            writer.write(b"x")
            await until(lambda: len(notes.notes) > 1)
            if sender is CLIENT:
                reset(writer)
            else:
                with suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
            await until(lambda: ("closed", 1) in notes.notes)

    asyncio.run(main())
    assert ("ended", 1, sender, "Connection reset by peer") in notes.notes


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


def test_a_server_out_of_reach_sends_the_client_away() -> None:
    notes = Notes()

    async def main() -> None:
        nowhere = free_address()
        async with running(Proxy(nowhere, None, notes), free_address()) as at:
            reader, writer = await connect(at)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(main())
    assert notes.notes[0] == ("connected", 1, "127.0.0.1")
    assert notes.notes[1][:2] == ("unreachable", 1)
    assert notes.notes[1][2].startswith("mqtt://127.0.0.1:")
    assert len(notes.notes) == 2


def test_the_end_closes_every_connection() -> None:
    notes = Notes()

    async def main() -> None:
        async with proxy(notes) as at:
            streams = [await connect(at) for _ in range(3)]
            for reader, writer in streams:
                writer.write(b"a")
                await reader.readexactly(1)
        for reader, writer in streams:
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(main())
    assert sorted(note for note in notes.notes if note[0] == "closed") == [
        ("closed", number) for number in (1, 2, 3)
    ]


def test_the_end_does_not_wait_for_a_server_that_is_slow_to_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notes = Notes()

    async def never(*_: object, **__: object) -> Streams:
        await asyncio.sleep(60)
        raise AssertionError

    async def main() -> None:
        async with proxy(notes) as at:
            reader, writer = await connect(at)
            monkeypatch.setattr(asyncio, "open_connection", never)
            await until(lambda: notes.notes)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    asyncio.run(main())
    assert notes.notes == [("connected", 1, "127.0.0.1")]


def test_unix_sockets_on_both_sides(tmp_path: Path) -> None:
    notes = Notes()

    async def main() -> None:
        server = await asyncio.start_unix_server(echo, tmp_path / "server")
        to, at = (parse_url(f"mqtt+unix://{tmp_path}/{name}") for name in ("server", "proxy"))
        async with running(Proxy(to, None, notes), at):
            reader, writer = await asyncio.open_unix_connection(at.path)
            writer.write(b"a")
            assert await reader.readexactly(1) == b"A"
            writer.close()
            await until(lambda: ("closed", 1) in notes.notes)
        server.close()

    asyncio.run(main())
    assert notes.notes[0] == ("connected", 1, "")
    assert not (tmp_path / "proxy").exists()


def test_a_file_in_the_way_of_a_unix_socket_stays(tmp_path: Path) -> None:
    at = parse_url(f"mqtt+unix://{tmp_path}/socket")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(at.path)

        async def main() -> None:
            async with running(Proxy(at, None, Notes()), at):
                raise AssertionError

        with pytest.raises(OSError, match="there is a file of this name already"):
            asyncio.run(main())
        assert Path(at.path).exists()


def test_a_port_in_use_is_an_error() -> None:
    async def main() -> None:
        async with proxy(Notes()) as at, running(Proxy(at, None, Notes()), at):
            raise AssertionError

    with pytest.raises(OSError, match="address already in use"):
        asyncio.run(main())
