"""Clients where the network is slow, full, or gone: what they still send, read, store and close."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from clients_stage import PATIENCE, QUICK, STAGES, Stage, on_every_loop, run_on
from mqttproto.codec.connect import Disconnect
from mqttproto.codec.decoder import Decoder
from mqttproto.codec.packet import Packet
from mqttproto.codec.publish import Publish
from mqttproto.engine.client import Client
from mqttproto.engine.inbox import InboxLimits
from mqttproto.storage import SessionFile

CONNACK: Final = bytes([0x20, 3, 0, 0, 0])
ME: Final[dict[str, Any]] = {"client_id": "me"}
"""Options of a client of a server that gives no names."""

NARROW: Final = 4_096
"""The bytes that a narrow socket has room for; the system may double them."""


class Listener:
    """A server whose connections are left to a function, each in a thread.

    :ivar port: its port on 127.0.0.1.
    :ivar sockets: the connections that it has accepted.
    """

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        self._start(self._accept)

    def _start(self, action: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=action, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.settimeout(PATIENCE)
                self.sockets.append(sock)
                self._start(self._handle, sock, len(self.sockets))

    def _handle(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError):
            sock.recv(4_096)
            sock.sendall(CONNACK)
            self._serve(sock, number)

    def close(self) -> None:
        for sock in (self._listener, *self.sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for sock in (self._listener, *self.sockets):
            sock.close()


@contextmanager
def listening(serve: Callable[[socket.socket, int], None]) -> Iterator[Listener]:
    """A server that has accepted the session, and goes on with a connection of a number in this
    way; it keeps each connection until the end.
    """
    listener = Listener(serve)
    try:
        yield listener
    finally:
        listener.close()


def silent(sock: socket.socket, number: int) -> None:
    """Say nothing, and read nothing."""


def narrow_socket(port: int) -> socket.socket:
    """A connection that has room for little."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def narrow_stream(port: int) -> Any:
    """The same, as a client takes it here."""
    sock = narrow_socket(port)
    if trio.lowlevel.in_trio_run():
        return trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    return sock


# Leaving.

MANY: Final = 70
"""So many messages take longer than a client waits for a server that takes nothing at all."""


class Slow:
    """A server that takes what it is sent bit by bit, and what it has got in the end."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.done = threading.Event()

    def serve(self, sock: socket.socket, _: int) -> None:
        decoder = Decoder(5, sender="client")
        with suppress(OSError):
            while data := sock.recv(2_000):
                self.packets += decoder.feed(data)
                # Nothing is waited for: it is slow.
                self.done.wait(0.03)
        self.done.set()

    async def see_all(self, stage: Stage, stream: Any) -> None:
        """Say more than fits in between, leave, and see that all has arrived."""
        async with stage.connect(stream, drain_timeout=PATIENCE, **ME) as client:
            for _ in range(MANY):
                client.publish_nowait("a", bytes(2_000), 0)
        await stage.until(self.done.is_set)
        *messages, last = self.packets
        assert len(messages) == MANY
        assert all(isinstance(each, Publish) for each in messages)
        assert isinstance(last, Disconnect)


@on_every_loop
async def test_what_a_slow_server_still_takes_is_not_cut_off(stage: Stage) -> None:
    slow = Slow()
    with listening(slow.serve) as server:
        await slow.see_all(stage, narrow_stream(server.port))


def test_what_a_slow_server_still_takes_from_a_stream_writer_is_not_cut_off() -> None:
    async def test(stage: Stage) -> None:
        slow = Slow()
        with listening(slow.serve) as server:
            pair = await asyncio.open_connection(sock=narrow_socket(server.port))
            await slow.see_all(stage, pair)

    run_on(STAGES[0], test)


@on_every_loop
async def test_to_leave_does_not_wait_long_for_a_server_that_reads_nothing(stage: Stage) -> None:
    with listening(silent) as server:
        async with (
            stage.limit(20),
            stage.connect(narrow_stream(server.port), drain_timeout=0, **ME) as client,
        ):
            client.publish_nowait("a", bytes(1_000_000), 0)
        await stage.no_sockets_to(server.port)


@on_every_loop
async def test_the_last_changes_are_stored_by_whoever_leaves_offline(
    stage: Stage, tmp_path: Path
) -> None:
    path = tmp_path / "session"
    proxy = stage.proxy()
    async with stage.connect(
        f"mqtt://127.0.0.1:{proxy.port}", session=SessionFile(path), drain_timeout=0
    ) as client:
        stage.loop.call(setattr, proxy, "refusing", True)
        stage.loop.call(proxy.cut)
        await stage.until(lambda: not client.connected)
        client.publish_nowait("a", b"keep me", 1)
    assert len(json.loads(path.read_bytes())["session"]["queue"]) == 1


# Streams that were given.


@on_every_loop
async def test_a_given_stream_is_closed_though_the_server_does_not_close(stage: Stage) -> None:
    with listening(silent) as server:
        stream = await stage.open_stream("127.0.0.1", server.port)
        async with stage.limit(20), stage.connect(stream, **ME) as client:
            assert client.connected
        await stage.no_sockets_to(server.port)


@on_every_loop
@pytest.mark.parametrize("inside", [True, False], ids=["inside", "leaving"])
async def test_a_given_stream_is_closed_by_whoever_is_cancelled(stage: Stage, inside: bool) -> None:
    async def live() -> None:
        async with stage.connect(stream, drain_timeout=PATIENCE, **ME) as client:
            client.publish_nowait("a", b"", 1)
            if inside:
                await stage.sleep(PATIENCE)

    with listening(silent) as server:
        stream = await stage.open_stream("127.0.0.1", server.port)
        async with stage.limit(20):
            assert await stage.takes_long(live, 0.2)
        await stage.no_sockets_to(server.port)
        # Whoever reads the stream hears of it in the next turns.
        for _ in range(5):
            await stage.sleep(0)


# Networks that take nothing more.


@on_every_loop
async def test_a_connection_that_takes_nothing_more_is_made_anew(stage: Stage) -> None:
    def flood() -> Iterator[tuple[str, bytes]]:
        while True:
            yield ("a", bytes(60_000))

    with listening(silent) as server:
        url = f"mqtt://127.0.0.1:{server.port}"
        options: dict[str, Any] = {"keep_alive": 1, "ping_timeout": 0.5, "drain_timeout": 0}
        async with (
            stage.connect(url, **options, **ME, **QUICK) as client,
            stage.beside(lambda: client.publish_many(flood())),
        ):
            await stage.until(lambda: len(server.sockets) > 1)
    assert any("PINGREQ" in each for each in stage.faults)
    stage.faults.clear()


def crowded(client: Client) -> bool:
    """Whether nothing is read for now, because nobody takes messages."""
    return not client._engine.wants_read


@on_every_loop
async def test_where_writing_has_failed_a_client_that_reads_nothing_notices(stage: Stage) -> None:
    reset = threading.Event()

    def serve(sock: socket.socket, number: int) -> None:
        if number == 1:
            sock.sendall(Publish("a").encode(5) * 90)
            reset.wait(PATIENCE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    with listening(serve) as server:
        url = f"mqtt://127.0.0.1:{server.port}"
        async with stage.connect(
            url, inbox_limits=InboxLimits(100), drain_timeout=0, **ME, **QUICK
        ) as client:
            await stage.until(lambda: crowded(client))
            reset.set()

            def again() -> bool:
                client.publish_nowait("b", b"", 0)
                return len(server.sockets) > 1

            await stage.until(again)
            assert len(client.messages()) >= 90


@on_every_loop
async def test_where_writing_blocks_a_client_reads_on(stage: Stage) -> None:
    count = 400
    go_on, done = threading.Event(), threading.Event()
    heard: list[int] = []

    def serve(sock: socket.socket, _: int) -> None:
        """Say everything before reading anything."""
        packet = Publish("a", bytes(1_000)).encode(5)
        sock.sendall(packet * 90)
        go_on.wait(PATIENCE)
        sock.sendall(packet * (count - 90))
        while data := sock.recv(1 << 16):
            heard.append(len(data))
        done.set()

    with listening(serve) as server:
        async with stage.connect(
            narrow_stream(server.port),
            inbox_limits=InboxLimits(100),
            drain_timeout=PATIENCE,
            **ME,
        ) as client:
            await stage.until(lambda: crowded(client))
            for _ in range(4):
                client.publish_nowait("b", bytes(100_000), 0)
            await stage.sleep(0.05)  # Now it writes, and the server does not read.
            go_on.set()
            assert len(await stage.take(client.messages(), count)) == count
        await stage.until(done.is_set)
        assert sum(heard) > 400_000
