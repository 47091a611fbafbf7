"""The proxy that fails when it is told to, and the thread with a loop in it."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import accumulate
from random import Random
from typing import Final

import pytest

from mqttproto.testing.live import Fate, FaultProxy, LoopThread, Schedule, Way
from recording import TIMEOUT

SOME: Final = bytes(range(256)) * 40
"""Bytes that tell whether they were passed on in order."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """A server that keeps the streams of each connection for the test."""

    def __init__(self) -> None:
        self.port = 0
        self.accepted: asyncio.Queue[Streams] = asyncio.Queue()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(writer)
            await self.accepted.put((reader, writer))

        opened: list[asyncio.StreamWriter] = []
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in opened:
                writer.transport.abort()


class Stage:
    """A proxy in front of a server."""

    def __init__(self, server: Server, proxy: FaultProxy) -> None:
        self.server = server
        self.proxy = proxy
        self.opened: list[asyncio.StreamWriter] = []

    async def dial(self) -> Streams:
        """Connect to the proxy: the client's end alone."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        self.opened.append(writer)
        return reader, writer

    async def connect(self) -> tuple[Streams, Streams]:
        """Connect through the proxy: the client's end and the server's."""
        client = await self.dial()
        return client, await self.server.accepted.get()


def play(scene: Callable[[Stage], Awaitable[None]], *fates: Fate) -> None:
    """Run a scene, and see that nothing is left of the proxy."""

    async def main() -> None:
        async with asyncio.timeout(TIMEOUT), Server().running() as server:
            proxy = FaultProxy("127.0.0.1", server.port, schedule=Schedule(fates))
            async with proxy:
                stage = Stage(server, proxy)
                await scene(stage)
            assert proxy.open == 0
            for writer in stage.opened:
                writer.transport.abort()
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main(), debug=True)


async def everything(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """What comes until the end, and whether that was a reset."""
    received = b""
    try:
        while data := await reader.read(1 << 16):
            received += data
    except ConnectionResetError:
        return received, True
    return received, False


# --- without faults ----------------------------------------------------------------------------


def test_bytes_are_passed_on_both_ways() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(SOME)
        assert await server[0].readexactly(len(SOME)) == SOME
        server[1].write(SOME[::-1])
        assert await client[0].readexactly(len(SOME)) == SOME[::-1]
        assert stage.proxy.connections == stage.proxy.open == 1
        assert stage.proxy.cuts == stage.proxy.refused == 0

    play(scene)


def test_the_end_of_one_direction_leaves_the_other() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(b"question")
        client[1].write_eof()
        assert await everything(server[0]) == (b"question", False)
        server[1].write(b"answer")
        server[1].close()
        assert await everything(client[0]) == (b"answer", False)
        while stage.proxy.open:
            await asyncio.sleep(0)
        assert stage.proxy.cuts == 0

    play(scene)


@pytest.mark.parametrize("dies", [0, 1])
def test_when_one_side_fails_so_does_the_other(dies: int) -> None:
    async def scene(stage: Stage) -> None:
        ends = await stage.connect()
        sock = ends[dies][1].get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ends[dies][1].transport.abort()
        assert await everything(ends[1 - dies][0]) == (b"", True)
        assert stage.proxy.cuts == 0

    play(scene)


def test_a_server_that_is_not_there_resets_the_client() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        async with FaultProxy("localhost", port) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await everything(reader) == (b"", True)
            writer.close()

    asyncio.run(main(), debug=True)


def test_who_takes_nothing_slows_the_sender_down() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        server[0]._transport.pause_reading()  # type: ignore[attr-defined]
        sent = 0
        chunk = bytes(1 << 16)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    client[1].write(chunk)
                    await client[1].drain()
                    sent += len(chunk)
        assert sent < 1 << 25

        server[0]._transport.resume_reading()  # type: ignore[attr-defined]
        client[1].write_eof()
        received, reset = await everything(server[0])
        assert len(received) >= sent
        assert not reset

    play(scene)


# --- cuts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 1, 1000])
@pytest.mark.parametrize("direction", [0, 1])
def test_a_connection_is_cut_after_so_many_bytes(direction: int, after: int, reset: bool) -> None:
    async def scene(stage: Stage) -> None:
        ends = await stage.connect()
        sender, receiver = ends[direction], ends[1 - direction]
        sender[1].write(SOME)
        received, was_reset = await everything(receiver[0])
        assert received == SOME[: len(received)]
        assert was_reset == reset
        if not reset:
            assert len(received) == after
        _, was_reset = await everything(sender[0])
        assert was_reset or not reset
        assert (stage.proxy.cuts, stage.proxy.open) == (1, 0)

    way = Way(cut_after=after)
    fate = Fate(to_client=way, reset=reset) if direction else Fate(to_server=way, reset=reset)
    play(scene, fate)


def test_a_connection_is_cut_after_some_time() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(b"x")
        assert await everything(server[0]) == (b"x", False)
        assert await everything(client[0]) == (b"", False)

    play(scene, Fate(cut_at=0.05, reset=False))


@pytest.mark.parametrize("reset", [False, True])
def test_all_connections_are_cut_by_hand(reset: bool) -> None:
    async def scene(stage: Stage) -> None:
        pairs = [await stage.connect() for _ in range(3)]
        stage.proxy.cut(reset=reset)
        for pair in pairs:
            for end in pair:
                assert await everything(end[0]) == (b"", reset)
        assert (stage.proxy.cuts, stage.proxy.open) == (3, 0)
        client, server = await stage.connect()
        client[1].write(b"again")
        assert await server[0].readexactly(5) == b"again"

    play(scene)


def test_the_fates_are_those_of_the_first_connections() -> None:
    async def scene(stage: Stage) -> None:
        for after in (3, 5):
            client, server = await stage.connect()
            client[1].write(SOME)
            assert await everything(server[0]) == (SOME[:after], False)
        client, server = await stage.connect()
        client[1].write(SOME)
        assert await server[0].readexactly(len(SOME)) == SOME
        assert stage.proxy.connections == 3

    play(scene, *(Fate(to_server=Way(cut_after=after), reset=False) for after in (3, 5)))


# --- slow, in pieces, not at all ---------------------------------------------------------------


def test_bytes_take_their_time_and_do_not_hold_up_each_other() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        began = time.monotonic()
        for number in range(10):
            client[1].write(b"%d" % number)
            await asyncio.sleep(0.01)
        arrival = asyncio.create_task(server[0].readexactly(10))
        server[1].write(b"back")
        assert await client[0].readexactly(4) == b"back"
        assert not arrival.done()
        assert await arrival == b"0123456789"
        assert 0.6 <= time.monotonic() - began < 3  # one after the other they would take 5 s

    play(scene, Fate(to_server=Way(latency=0.5)))


class Pieces(asyncio.Protocol):
    """Takes down how bytes come."""

    def __init__(self, total: int) -> None:
        self.pieces: list[int] = []
        self.complete = asyncio.Event()
        self.total = total

    def data_received(self, data: bytes) -> None:
        self.pieces.append(len(data))
        if sum(self.pieces) == self.total:
            self.complete.set()


def pieces(seed: int) -> list[int]:
    """How bytes come through a proxy that passes them on in pieces."""

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        taken = Pieces(len(SOME))
        server = await loop.create_server(lambda: taken, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        fate = Fate(to_server=Way(largest_piece=100, seed=seed))
        async with FaultProxy("127.0.0.1", port, schedule=Schedule((fate,))) as proxy:
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(SOME)
            await taken.complete.wait()
            writer.close()
        server.close()
        return taken.pieces

    return asyncio.run(main())


def test_bytes_come_in_the_pieces_that_were_drawn() -> None:
    sizes = Random(1)
    ends = [0]
    while ends[-1] < len(SOME):
        ends.append(ends[-1] + sizes.randint(1, 100))
    ends[-1] = len(SOME)
    for _ in range(2):
        seen = list(accumulate(pieces(1)))
        assert set(seen) <= set(ends)
        # Some may arrive together: it is a network after all.
        assert len(seen) > len(ends) / 2
    assert not set(accumulate(pieces(2))) <= set(ends)


def test_a_black_hole_takes_and_gives_nothing() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(SOME)
        server[1].write(SOME)
        assert await everything(client[0]) == (b"", True)
        assert await everything(server[0]) == (b"", True)
        assert stage.proxy.cuts == 1

    way = Way(stall_after=0, stall_for=0.05)
    play(scene, Fate(to_server=way, to_client=way))


def test_one_direction_stalls_and_the_other_goes_on() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(SOME)
        assert await server[0].readexactly(100) == SOME[:100]
        server[1].write(SOME)
        assert await client[0].readexactly(len(SOME)) == SOME
        assert await everything(server[0]) == (b"", True)

    play(scene, Fate(to_server=Way(stall_after=100, stall_for=0.1)))


def test_a_stalled_connection_can_be_cut() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(SOME)
        assert await server[0].readexactly(1) == SOME[:1]
        stage.proxy.cut()
        assert await everything(server[0]) == (b"", True)

    play(scene, Fate(to_server=Way(stall_after=1)))


# --- refusing ----------------------------------------------------------------------------------


def test_a_proxy_that_refuses_resets_new_connections() -> None:
    async def scene(stage: Stage) -> None:
        _, server = await stage.connect()
        stage.proxy.refusing = True
        assert await everything((await stage.dial())[0]) == (b"", True)
        assert (stage.proxy.connections, stage.proxy.refused) == (1, 1)
        stage.proxy.refusing = False
        client, server = await stage.connect()
        client[1].write(b"x")
        assert await server[0].readexactly(1) == b"x"

    play(scene)


def test_a_connection_may_be_followed_by_refusals() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(SOME)
        await everything(server[0])
        began = time.monotonic()
        refused = 0
        while True:
            reader, writer = await stage.dial()
            writer.write(b"x")
            if stage.server.accepted.empty():
                await asyncio.sleep(0.02)
            if not stage.server.accepted.empty():
                break
            assert await everything(reader) == (b"", True)
            refused += 1
        assert refused == stage.proxy.refused > 0
        assert time.monotonic() - began > 0.1

    play(scene, Fate(to_server=Way(cut_after=1), refuse_for=0.2))


# --- the end -----------------------------------------------------------------------------------


def test_leaving_ends_what_is_under_way() -> None:
    async def scene(stage: Stage) -> None:
        client, server = await stage.connect()
        client[1].write(SOME)
        await server[0].readexactly(10)
        for _ in range(5):
            await stage.dial()

    play(scene, Fate(to_server=Way(latency=0.1, largest_piece=3)), Fate(to_client=Way(latency=9)))


def test_leaving_at_once_loses_no_socket() -> None:
    for turns in range(6):

        async def scene(stage: Stage, turns: int = turns) -> None:
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", stage.proxy.port))
            for _ in range(turns):
                await asyncio.sleep(0)
            sock.close()

        play(scene)


def test_a_fault_of_the_proxy_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Fate:
        raise ZeroDivisionError

    monkeypatch.setattr(Schedule, "fate", broken)

    async def main() -> None:
        async with FaultProxy("127.0.0.1", 1) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert (await everything(reader))[0] == b""
            writer.close()

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(main())
    assert raised.group_contains(ZeroDivisionError)


# --- schedules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [Schedule.cuts, Schedule.drawn])
def test_a_schedule_is_the_same_for_the_same_seed(draw: Callable[..., Schedule]) -> None:
    one, same, other = (draw(Random(seed), connections=20, mean_bytes=500) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert eval(repr(one)) == one
    assert len(one.fates) == 20
    assert one.fate(20) == Fate()


def test_cuts_come_after_so_many_bytes_on_average() -> None:
    fates = Schedule.cuts(Random(5), connections=2000, mean_bytes=500).fates
    sizes = [size for f in fates for size in (f.to_server.cut_after, f.to_client.cut_after) if size]
    assert len(sizes) == len(fates)
    assert 450 < sum(sizes) / len(sizes) < 550
    assert 900 < sum(fate.reset for fate in fates) < 1100
    assert all(fate.cut_at is None and not fate.refuse_for for fate in fates)


def test_everything_is_drawn_that_can_be() -> None:
    fates = Schedule.drawn(Random(5), connections=500, mean_bytes=500, longest=2.0).fates
    ways = [way for fate in fates for way in (fate.to_server, fate.to_client)]
    for found in (
        [way.latency for way in ways],
        [way.stall_for or 0 for way in ways],
        [fate.cut_at or 0 for fate in fates],
        [fate.refuse_for for fate in fates],
    ):
        assert sum(number > 0 for number in found) > 0
        assert max(found) <= 2.0
    assert {way.largest_piece > 0 for way in ways} == {False, True}
    assert {way.cut_after is None for way in ways} == {False, True}
    # Each of them ends, however little it carries.
    for fate in fates:
        sizes = [w.cut_after or w.stall_after for w in (fate.to_server, fate.to_client)]
        assert fate.cut_at is not None or any(sizes)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Way(latency=-1),
        lambda: Way(largest_piece=-1),
        lambda: Way(cut_after=-1),
        lambda: Way(stall_after=-1),
        lambda: Way(stall_for=-1),
        lambda: Way(latency=float("nan")),
        lambda: Fate(cut_at=-1),
        lambda: Fate(refuse_for=-1),
    ],
)
def test_nothing_is_less_than_nothing(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        wrong()


# --- the thread --------------------------------------------------------------------------------


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    with LoopThread() as running:
        yield running


def test_a_thread_runs_a_proxy_for_code_that_blocks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with LoopThread() as thread:
            proxy = thread.enter(FaultProxy("127.0.0.1", listener.getsockname()[1]))
            with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT) as client:
                server, _ = listener.accept()
                client.sendall(b"x")
                assert server.recv(1) == b"x"
                thread.call(proxy.cut, reset=False)
                assert client.recv(1) == server.recv(1) == b""
                server.close()
        assert proxy.open == 0
    assert "mqttproto loop" not in {each.name for each in threading.enumerate()}


def test_what_was_entered_is_left_in_the_opposite_order(thread: LoopThread) -> None:
    said = []

    @asynccontextmanager
    async def manager(name: str) -> AsyncIterator[str]:
        async with asyncio.timeout(TIMEOUT):  # which must be left by the task that has entered it
            yield name
        said.append(name)

    assert [thread.enter(manager(name)) for name in "abc"] == ["a", "b", "c"]
    thread.__exit__(None, None, None)
    assert said == ["c", "b", "a"]


class Refusing:
    """An asynchronous context manager that cannot be entered."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def __aenter__(self) -> None:
        raise self.error

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError


def test_what_goes_wrong_there_is_told_here(thread: LoopThread) -> None:
    with pytest.raises(ZeroDivisionError):
        thread.enter(Refusing(ZeroDivisionError()))
    with pytest.raises(asyncio.CancelledError):
        thread.enter(Refusing(asyncio.CancelledError()))
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 // 0)
    assert thread.call(lambda: 1) == 1


def test_what_goes_wrong_in_the_end_is_told_too() -> None:
    @asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), LoopThread() as thread:
        thread.enter(manager())
