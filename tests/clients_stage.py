"""One stage for the clients of every adapter: a server beside it, and whatever a test waits with.

A test is a coroutine function that takes a :class:`Stage`, and :func:`on_every_loop` runs it once
for each way of waiting. At the end of each nothing may be left: no task, no socket, and no fault
that either end has found in what the other one sent.
"""

import asyncio
import inspect
import logging
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial, wraps
from importlib.util import find_spec
from pathlib import Path
from types import coroutine
from typing import Any, Final, TypeVar

import pytest
import trio

import mqttproto.asyncio
import mqttproto.trio
from mqttproto.cli.hub import HubServer, serve_hub
from mqttproto.engine.client import Client, Messages
from mqttproto.protocol.events import MessageReceived
from mqttproto.testing.live import FaultProxy, LoopThread, Schedule

PATIENCE: Final = 180.0
"""Seconds after which a test gives up: far more than any of them takes."""

QUICK: Final[dict[str, Any]] = {"reconnect_min": 0.01, "reconnect_max": 0.05}
"""Options of a client that does not wait long before it connects again."""

every_version = pytest.mark.parametrize("version", [3, 4, 5], ids=["3.1", "3.1.1", "5.0"])
every_qos = pytest.mark.parametrize("qos", [0, 1, 2], ids=lambda qos: f"qos{qos}")

Action = Callable[[], Awaitable[object]]

_T = TypeVar("_T")


class Stage(ABC):
    """A hub that serves, and how to wait.

    :ivar loop: the thread of the servers; what is entered there lasts as long as the stage.
    :ivar faults: what either end has found wrong with what the other one has sent; a test for which
        that is as it should be clears them.
    :ivar server: the hub's server.
    :ivar url: where that is.
    """

    def __init__(self, loop: LoopThread, faults: list[str]) -> None:
        self.loop: Final = loop
        self.faults: Final = faults
        self.server: Final[HubServer] = loop.enter(serve_hub())
        self.url: Final = f"mqtt://127.0.0.1:{self.server.port}"

    # What differs.

    @abstractmethod
    def connect(self, target: Any, **options: Any) -> AbstractAsyncContextManager[Client]:
        """A client of this adapter."""

    @abstractmethod
    def now(self) -> float:
        """The time of the loop."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait; 0: for one turn of the loop."""

    @abstractmethod
    def limit(self, seconds: float) -> AbstractAsyncContextManager[None]:
        """Raise TimeoutError in a block that takes longer."""

    @abstractmethod
    def beside(self, *actions: Action) -> AbstractAsyncContextManager[None]:
        """Do something else while a block lasts, and end it then if it has not ended."""

    @abstractmethod
    async def together(self, *actions: Action) -> None:
        """Do several things at a time, and wait for all."""

    @abstractmethod
    async def cancelled_after(self, turns: int, action: Action) -> bool:
        """Do something, but cancel it after so many turns of the loop.

        :returns: whether it was done before that.
        """

    @abstractmethod
    async def cancelled_at(self, number: int, action: Action) -> bool:
        """Do something, but cancel it as it waits for the time of this number, from 0 on.

        :returns: whether it was done before that.
        """

    @abstractmethod
    async def open_stream(self, host: str, port: int) -> Any:
        """A byte stream to give to :meth:`connect`."""

    @abstractmethod
    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a test, and see that no task is left."""

    # What does not.

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is the case."""
        async with self.limit(PATIENCE / 2):
            while not condition():
                await self.sleep(0.002)

    async def take(self, messages: Messages, count: int) -> list[MessageReceived]:
        """Wait for so many messages."""
        return [await anext(messages) for _ in range(count)]

    async def takes_long(self, action: Action, seconds: float = 0.1) -> bool:
        """Whether something is still not done after a while; it is cancelled then."""
        try:
            async with self.limit(seconds):
                await action()
        except TimeoutError:
            return True
        return False

    def proxy(self, port: int = 0, schedule: Schedule | None = None) -> FaultProxy:
        """A proxy before a server of 127.0.0.1.

        :param port: the server's; 0: that of the hub.
        """
        port = port or self.server.port
        return self.loop.enter(FaultProxy("127.0.0.1", port, schedule=schedule))

    def cut(self, server: HubServer | None = None) -> None:
        """Break all connections of a server; of the hub, if none is named."""
        wires = (server or self.server)._wires
        self.loop.call(lambda: [each.abort() for each in list(wires.values())])  # type: ignore[func-returns-value]

    def forget(self) -> None:
        """Have the hub forget all sessions; nobody may be connected."""
        self.loop.call(self.server.hub._members.clear)

    def deafen(self) -> None:
        """Have the hub read nothing any more from the clients that it has now."""
        wires = self.server._wires
        self.loop.call(lambda: [each.pause_writing() for each in list(wires.values())])  # type: ignore[func-returns-value]

    def hear(self) -> None:
        """Have it read again."""
        wires = self.server._wires
        self.loop.call(lambda: [each.resume_writing() for each in list(wires.values())])  # type: ignore[func-returns-value]

    def dismiss(self) -> None:
        """Have the hub say goodbye to all of its clients."""
        wires = self.server._wires
        self.loop.call(lambda: [each.dismiss() for each in list(wires.values())])  # type: ignore[func-returns-value]

    async def no_sockets_to(self, port: int) -> None:
        """Wait a few turns until this process has no connection of a client to a port any more."""
        async with self.limit(10):
            while sockets_to(port):
                await self.sleep(0)


class _AsyncioStage(Stage):
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None

    def connect(self, target: Any, **options: Any) -> AbstractAsyncContextManager[Client]:
        return mqttproto.asyncio.connect(target, **options)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(seconds):
            yield

    @asynccontextmanager
    async def beside(self, *actions: Action) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(_coroutine(action)) for action in actions]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def together(self, *actions: Action) -> None:
        await asyncio.gather(*(_coroutine(action) for action in actions))

    async def cancelled_after(self, turns: int, action: Action) -> bool:
        task = asyncio.ensure_future(_coroutine(action))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            return False
        task.result()
        return True

    async def cancelled_at(self, number: int, action: Action) -> bool:
        async def act() -> bool:
            task = asyncio.current_task()
            assert task is not None
            done = await _interrupted(_coroutine(action), number, task.cancel)
            assert done, "it was cancelled, and has swallowed that"
            return True

        task = asyncio.ensure_future(act())
        await asyncio.wait([task])
        return not task.cancelled() and task.result()

    async def open_stream(self, host: str, port: int) -> Any:
        return await asyncio.open_connection(host, port)

    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(PATIENCE):
                await test()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        with asyncio.Runner(loop_factory=type(self).factory) as runner:
            runner.run(main())


class _UvloopStage(_AsyncioStage):
    @staticmethod
    def factory() -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()


class _TrioStage(Stage):
    def connect(self, target: Any, **options: Any) -> AbstractAsyncContextManager[Client]:
        return mqttproto.trio.connect(target, **options)

    def now(self) -> float:
        return trio.current_time()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        with trio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            raise TimeoutError

    @asynccontextmanager
    async def beside(self, *actions: Action) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for action in actions:
                nursery.start_soon(_coroutine, action)
            yield
            nursery.cancel_scope.cancel()

    async def together(self, *actions: Action) -> None:
        async with trio.open_nursery() as nursery:
            for action in actions:
                nursery.start_soon(_coroutine, action)

    async def cancelled_after(self, turns: int, action: Action) -> bool:
        done = False

        async def act() -> None:
            nonlocal done
            with scope:
                await action()
                done = True

        scope = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(act)
            for _ in range(turns):
                await trio.sleep(0)
            scope.cancel()
        return done

    async def cancelled_at(self, number: int, action: Action) -> bool:
        with trio.CancelScope() as scope:
            # Here whoever is done need not care that it was cancelled meanwhile.
            return await _interrupted(_coroutine(action), number, scope.cancel)
        return False

    async def open_stream(self, host: str, port: int) -> Any:
        return await trio.open_tcp_stream(host, port)

    def run(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            with trio.fail_after(PATIENCE):
                await test()

        trio.run(main)


STAGES: Final[tuple[type[Stage], ...]] = (
    _AsyncioStage,
    *([_UvloopStage] if find_spec("uvloop") else []),
    _TrioStage,
)
"""One for each way of waiting that is installed."""


def name_of(stage_type: type[Stage]) -> str:
    """How tests call a way of waiting."""
    return stage_type.__name__.removeprefix("_").removesuffix("Stage").lower()


async def _coroutine(action: Action) -> None:
    await action()


@coroutine
def _interrupted(
    running: Coroutine[Any, Any, None], number: int, cancel: Callable[[], object]
) -> Generator[Any, Any, bool]:
    """Run a coroutine, and have it cancelled when it has begun to wait for the time of a number."""
    step: Callable[[], Any] = partial(running.send, None)
    waits = 0
    while True:
        try:
            awaited = step()
        except StopIteration:
            return waits <= number
        if waits == number:
            cancel()
        waits += 1
        try:
            step = partial(running.send, (yield awaited))
        except BaseException as error:
            step = partial(running.throw, error)


def on_every_loop(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Make a test of a coroutine function that takes a ``stage``, for each way of waiting."""

    @wraps(test)
    def wrapper(*, stage_type: type[Stage], **arguments: Any) -> None:
        run_on(stage_type, lambda stage: test(stage, **arguments))

    _, *others = inspect.signature(test).parameters.values()
    chosen = inspect.Parameter("stage_type", inspect.Parameter.KEYWORD_ONLY)
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in others]
    wrapper.__signature__ = inspect.Signature([chosen, *keywords])  # type: ignore[attr-defined]
    mark: Callable[..., Callable[..., None]] = pytest.mark.parametrize(
        "stage_type", STAGES, ids=name_of
    )
    return mark(wrapper)


def run_on(stage_type: type[Stage], test: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    """Run a test on a new stage, and see that nothing is left of it."""
    before = open_sockets()
    with _hearing() as faults:
        with LoopThread() as loop:
            stage = stage_type(loop, faults)
            stage.run(lambda: test(stage))
        assert not faults, "\n".join(faults)
    assert open_sockets() == before


class _Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.notes: Final[list[str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.notes.append(record.getMessage())


@contextmanager
def _hearing() -> Iterator[list[str]]:
    """What the library finds worth to be told, while the block lasts."""
    logger = logging.getLogger("mqttproto")
    notes = _Notes()
    level = logger.level
    logger.addHandler(notes)
    logger.setLevel(logging.INFO)
    try:
        yield notes.notes
    finally:
        logger.setLevel(level)
        logger.removeHandler(notes)


def open_sockets() -> dict[int, str]:
    """The sockets of this process by their file descriptors; none where the system does not say."""
    found = {}
    folder = Path("/proc/self/fd")
    for each in list(folder.iterdir()) if folder.exists() else []:
        with suppress(OSError):
            name = str(each.readlink())
            if name.startswith("socket:"):
                found[int(each.name)] = name
    return found


def sockets_to(port: int) -> int:
    """How many sockets of this process are connected to a port of 127.0.0.1."""
    count = 0
    for number in open_sockets():
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as sock:
            address = sock.getpeername()
            count += isinstance(address, tuple) and address[1] == port
    return count
