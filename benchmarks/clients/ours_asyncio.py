"""mqttproto on asyncio, or on uvloop."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from clients import on_asyncio, ours
from mqttproto.asyncio import connect

__all__ = ["Many", "Ours"]


class Ours(ours.Ours, on_asyncio.AsyncioClient):
    """``publish``."""

    def connect(self, url: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        return connect(url, **options)

    async def in_parallel(self, publish: Callable[[], Awaitable[object]], count: int) -> None:
        await on_asyncio.in_parallel(publish, count)


class Many(ours.Many, Ours):
    """``publish_many``."""
