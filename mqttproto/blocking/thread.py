"""The thread that a client lives in, and how to have something done there."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from dataclasses import fields
from socket import socket
from typing import Any, Final, Generic, TypeVar, final

from mqttproto.asyncio.client import connect
from mqttproto.engine.client import Client
from mqttproto.engine.options import Options
from mqttproto.errors import ClientClosedError, LocalProtocolError

__all__ = ["ClientThread", "Feed"]

_T = TypeVar("_T")

_SLICE: Final = 1.0
"""Seconds to wait at a stretch: on Windows Ctrl-C is noticed only in between."""

_HANDED_OVER: Final = 100
"""How many messages of a stream are drawn ahead."""


class _HurryError(Exception):
    """The ``with`` block has ended by an exception, which is none of this thread's business."""


@final
class _Call(Generic[_T]):
    """Something that the thread is to do, and what has come of it."""

    def __init__(self, coroutine: Coroutine[Any, Any, _T]) -> None:
        self._coroutine: Final = coroutine
        self._task: asyncio.Task[_T] | None = None
        self.outcome: Final[Future[_T]] = Future()

    def start(self) -> None:
        """Begin; in the loop."""
        self._task = asyncio.ensure_future(self._coroutine)
        self._task.add_done_callback(self._finish)

    def cancel(self) -> None:
        """Give up; in the loop."""
        assert self._task is not None, "it was begun before"
        self._task.cancel()

    def _finish(self, task: asyncio.Task[_T]) -> None:
        if task.cancelled():
            self.outcome.set_exception(ClientClosedError("it was closed"))
        elif (error := task.exception()) is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(task.result())


@final
class ClientThread:
    """A thread with an asyncio loop, for one client from its beginning to its end."""

    def __init__(self, target: str | Sequence[str] | socket, options: Options) -> None:
        self._target: Final = target
        self._options: Final = options
        self._thread: Final = threading.Thread(
            target=self._run, name="mqttproto client", daemon=True
        )
        self._started: Final[Future[Client]] = Future()
        self._ended: Final[Future[None]] = Future()
        self._error: BaseException | None = None
        # Guards the way into the loop, which is open while somebody there is at home.
        self._gate: Final = threading.Lock()
        self._open = self._given_up = False

    # For the thread that has made it.

    def start(self) -> Client:
        """Connect.

        :returns: the client, of which only what reads attributes may be called in this thread.
        """
        self._thread.start()
        try:
            return _result(self._started)
        except BaseException:
            self.end(False)
            raise

    def end(self, in_order: bool) -> None:
        """Disconnect, and wait until the thread has ended.

        :param in_order: whether to wait for what is under way.
        """
        with self._gate:
            self._given_up = True
        self.post(lambda: self._leave(in_order))
        try:
            self._join()
        except BaseException:
            # Nobody wants to wait any longer.
            self.post(lambda: self._leave(False))
            self._join()
            raise
        if in_order and self._error is not None:
            raise self._error

    def _join(self) -> None:
        # Thread.join(), once interrupted, takes the thread for ended: so it is in CPython 3.11.
        _result(self._ended)
        self._thread.join()

    # For any thread.

    def post(self, call: Callable[[], object]) -> bool:
        """Have something called in the loop, soon; return whether it will be."""
        with self._gate:
            if self._open:
                self._loop.call_soon_threadsafe(call)
            return self._open

    def begin(self, coroutine: Coroutine[Any, Any, _T]) -> _Call[_T]:
        """Have something done in the loop.

        :raises ClientClosedError: if the client has ended.
        :raises LocalProtocolError: in the thread of the loop, which would wait for itself.
        """
        call = _Call(coroutine)
        if threading.get_ident() == self._thread.ident:
            coroutine.close()
            raise LocalProtocolError(
                "a client cannot be called in its own thread, where credentials are asked for"
            )
        if not self.post(call.start):
            coroutine.close()
            raise ClientClosedError("it was closed")
        return call

    def finish(self, call: _Call[_T]) -> _T:
        """Wait for what was begun; interrupted, it is cancelled."""
        try:
            return _result(call.outcome)
        except BaseException:
            if not call.outcome.done():
                self.post(call.cancel)
                # Whoever has called must know what has come of it.
                wait([call.outcome])
            raise

    def do(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Have something done, and wait for it."""
        return self.finish(self.begin(coroutine))

    # In the loop.

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        finally:
            self._ended.set_result(None)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._left: asyncio.Future[None] = self._loop.create_future()
        self._hurry = False
        with self._gate:
            if self._given_up:
                return
            self._open = True
        options = {each.name: getattr(self._options, each.name) for each in fields(self._options)}
        try:
            async with connect(self._target, **options) as client:
                self._started.set_result(client)
                await self._stay()
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            elif not self._hurry:
                self._error = error
        finally:
            with self._gate:
                self._open = False
            # What was posted before is begun, and finds the client closed.
            await asyncio.sleep(0)

    async def _stay(self) -> None:
        await self._left
        if self._hurry:
            raise _HurryError

    def _leave(self, in_order: bool) -> None:
        again = self._left.done()
        if not again:
            self._left.set_result(None)
        if not in_order:
            self._hurry = True
            if again or not self._started.done():
                assert self._task is not None
                self._task.cancel()


def _result(outcome: Future[_T]) -> _T:
    while True:
        try:
            return outcome.result(_SLICE)
        except TimeoutError:
            if outcome.done():  # it is what has come of it
                raise


@final
class Feed(Generic[_T]):
    """Messages on their way from the thread that draws them to the loop that sends them."""

    def __init__(self, thread: ClientThread) -> None:
        self._thread: Final = thread
        self._items: Final[deque[_T]] = deque()
        self._changed: Final = threading.Condition()
        self._arrived: Final = asyncio.Event()
        self._ended = self._abandoned = False

    def put(self, item: _T) -> bool:
        """Hand over a message when there is room; return whether somebody wants more."""
        with self._changed:
            while len(self._items) >= _HANDED_OVER and not self._abandoned:
                self._changed.wait(_SLICE)
            if self._abandoned:
                return False
            self._items.append(item)
        self._thread.post(self._arrived.set)
        return True

    def end(self) -> None:
        """That was the last one."""
        with self._changed:
            self._ended = True
        self._thread.post(self._arrived.set)

    def abandon(self) -> None:
        """No more are wanted."""
        with self._changed:
            self._abandoned = True
            self._changed.notify()

    def __aiter__(self) -> "Feed[_T]":
        return self

    async def __anext__(self) -> _T:
        while True:
            with self._changed:
                if self._items:
                    self._changed.notify()
                    return self._items.popleft()
                if self._ended:
                    raise StopAsyncIteration
                self._arrived.clear()
            await self._arrived.wait()
