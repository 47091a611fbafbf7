"""Something that others wait for, whatever they wait with."""

from collections.abc import Awaitable, Callable
from typing import final

from mqttproto.codec.hints import mypyc_attr

__all__ = ["Completion", "Waiter", "Waiters"]

Waiter = Callable[["Completion"], Awaitable[None]]
"""How an adapter waits: returns when the completion is done, and raises nothing of its own."""


@mypyc_attr(acyclic=True)
class Completion:
    """What will be done once, well or not.

    :ivar done: whether it is.
    :ivar error: why it was not done well; None if it was, or is not done yet.
    """

    __slots__ = ("_callback", "_callbacks", "done", "error")

    def __init__(self) -> None:
        self.done: bool = False
        self.error: BaseException | None = None
        # One waits, nearly always.
        self._callback: Callable[[], None] | None = None
        self._callbacks: list[Callable[[], None]] | None = None

    def then(self, callback: Callable[[], None]) -> None:
        """Have something called when it is done: at once, if it is."""
        if self.done:
            callback()
        elif self._callback is None:
            self._callback = callback
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Do not call this any more: whoever gave it waits no longer."""
        if self._callback == callback:
            self._callback = None
        elif self._callbacks is not None and callback in self._callbacks:
            self._callbacks.remove(callback)

    def finish(self, error: BaseException | None = None) -> None:
        """It is done; a second call changes nothing."""
        if self.done:
            return
        self.done = True
        self.error = error
        callback, callbacks = self._callback, self._callbacks
        self._callback = self._callbacks = None
        if callback is not None:
            callback()
        if callbacks is not None:
            for each in callbacks:
                each()

    def check(self) -> None:
        """Raise its error, if it has one."""
        if self.error is not None:
            raise self.error


@final
class Waiters:
    """Completions of those who wait for the same thing, which may happen again."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: Completion | None = None

    def next(self) -> Completion:
        """What is done when it happens the next time."""
        if self._next is None:
            self._next = Completion()
        return self._next

    def wake(self) -> None:
        """It has happened."""
        waiting = self._next
        if waiting is not None:
            self._next = None
            waiting.finish()
