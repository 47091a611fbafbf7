"""What clients can wait with."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol, final

from mqttproto.asyncio import connect
from mqttproto.engine.client import Client

__all__ = ["Act", "Asyncio", "Library", "Trio"]

Act = Callable[[], Coroutine[Any, Any, None]]
"""A function that takes its time."""


class Library(Protocol):
    """An asynchronous library, as far as a demonstration needs one."""

    @property
    def name(self) -> str:
        """What it is called."""

    def connect(self, url: str, **options: Any) -> AbstractAsyncContextManager[Client]:
        """Connect a client that waits with this library."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    async def together(self, main: Act, *others: Act) -> None:
        """Do all of it at the same time, until ``main`` is done.

        :raises ExceptionGroup: of what one of them raises.
        """

    def run(self, main: Act) -> None:
        """Run it all, from outside of any loop."""


@final
class Asyncio:
    """The one of the standard library."""

    name: Final = "asyncio"

    def connect(self, url: str, **options: Any) -> AbstractAsyncContextManager[Client]:
        """Connect a client."""
        return connect(url, **options)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def together(self, main: Act, *others: Act) -> None:
        """Do all of it, until ``main`` is done."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each()) for each in others]
            await main()
            for task in tasks:
                task.cancel()

    def run(self, main: Act) -> None:
        """Run it all."""
        asyncio.run(main())


@final
class Trio:
    """The one of the extra ``[trio]``.

    :raises ImportError: if it is not installed.
    """

    name: Final = "trio"

    def __init__(self) -> None:
        import trio

        from mqttproto.trio import connect

        self._trio: Final = trio
        self._connect: Final = connect

    def connect(self, url: str, **options: Any) -> AbstractAsyncContextManager[Client]:
        """Connect a client."""
        return self._connect(url, **options)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await self._trio.sleep(seconds)

    async def together(self, main: Act, *others: Act) -> None:
        """Do all of it, until ``main`` is done."""
        async with self._trio.open_nursery() as nursery:
            for each in others:
                nursery.start_soon(each)
            await main()
            nursery.cancel_scope.cancel()

    def run(self, main: Act) -> None:
        """Run it all."""
        try:
            self._trio.run(main)
        except BaseExceptionGroup as group:
            # Ctrl-C comes wrapped in what it has interrupted.
            if group.subgroup(KeyboardInterrupt) is None:
                raise
            raise KeyboardInterrupt from None
