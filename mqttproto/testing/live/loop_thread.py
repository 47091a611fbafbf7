"""asyncio beside code that does not use it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, Final, ParamSpec, Self, TypeVar, final

__all__ = ["LoopThread"]

_T = TypeVar("_T")
_P = ParamSpec("_P")

_Request = tuple[AbstractAsyncContextManager[Any], Future[Any]]


@final
class LoopThread:
    """A thread in which an asyncio loop runs, while the ``with`` block lasts.

    For what needs a server or a :class:`FaultProxy`, and does not use asyncio itself. What was
    entered is left at the end, the last first.
    """

    def __init__(self) -> None:
        self._begun: Final[Future[None]] = Future()
        self._ended: Final[Future[None]] = Future()
        self._thread: Final = threading.Thread(target=self._run, name="mqttproto loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._begun.result()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(RuntimeError):  # it has ended by itself, and the reason follows
            self._loop.call_soon_threadsafe(self._requests.put_nowait, None)
        self._thread.join()
        self._ended.result()

    def enter(self, manager: AbstractAsyncContextManager[_T]) -> _T:
        """Enter an asynchronous context manager in that loop.

        :returns: what it gives.
        """
        answer: Future[_T] = Future()
        self._loop.call_soon_threadsafe(self._requests.put_nowait, (manager, answer))
        return answer.result()

    def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in that thread.

        :returns: what it returns.
        """
        answer: Future[_T] = Future()

        def act() -> None:
            try:
                answer.set_result(function(*args, **kwargs))
            except Exception as error:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(act)
        return answer.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._ended.set_exception(error)
            if not self._begun.done():
                self._begun.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        # All of it in one task: what is entered in one must not be left in another.
        self._loop = asyncio.get_running_loop()
        self._requests: asyncio.Queue[_Request | None] = asyncio.Queue()
        self._begun.set_result(None)
        async with AsyncExitStack() as stack:
            while (request := await self._requests.get()) is not None:
                manager, answer = request
                try:
                    answer.set_result(await stack.enter_async_context(manager))
                except BaseException as error:
                    answer.set_exception(error)
