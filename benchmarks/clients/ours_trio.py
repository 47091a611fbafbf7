"""mqttproto on trio."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import trio

from clients import ours
from clients.base import IN_FLIGHT
from mqttproto.trio import connect

__all__ = ["Many", "Ours"]

T = TypeVar("T")


class Ours(ours.Ours):
    """``publish``."""

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return trio.run(main)

    def connect(self, url: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        return connect(url, **options)

    async def in_parallel(self, publish: Callable[[], Awaitable[object]], count: int) -> None:
        left = count

        async def work() -> None:
            nonlocal left
            while left:
                left -= 1
                await publish()

        async with trio.open_nursery() as nursery:
            for _ in range(min(IN_FLIGHT, count)):
                nursery.start_soon(work)


class Many(ours.Many, Ours):
    """``publish_many``."""
