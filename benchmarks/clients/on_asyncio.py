"""What the clients on asyncio have in common."""

import abc
import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from importlib import import_module
from typing import Any, TypeVar

from clients.base import IN_FLIGHT, Client, Job

__all__ = ["AsyncioClient", "CallbackClient", "in_parallel"]

T = TypeVar("T")


class AsyncioClient(Client):
    """A client that runs on asyncio's loop, or on uvloop."""

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        factory = import_module("uvloop").new_event_loop if self.job.uvloop else None
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())


class CallbackClient(AsyncioClient):
    """A client whose messages come by callback.

    :ivar left: how many are still to come; the callback counts them.
    :ivar size: of the payloads that came.
    :ivar result: what came to the topic of that name.
    :ivar over: set by the callback when all is there.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.left = self.size = 0
        self.result = b""
        self.over = asyncio.Event()

    @abc.abstractmethod
    async def start(self, topic: str) -> None:
        """Publish to this topic at QoS 0, with nothing in it."""

    async def receive(self, start: str, count: int) -> int:
        self.left, self.size = count, 0
        await self._finish(start)
        return self.size

    async def answer(self, start: str) -> bytes:
        await self._finish(start)
        return self.result

    async def _finish(self, start: str) -> None:
        self.over.clear()
        await self.start(start)
        await self.over.wait()


async def in_parallel(publish: Callable[[], Awaitable[object]], count: int) -> None:
    """Call ``publish`` so many times, from one task for each message that may be in flight."""
    left = count

    async def work() -> None:
        nonlocal left
        while left:
            left -= 1
            await publish()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(IN_FLIGHT, count)):
            group.create_task(work())
