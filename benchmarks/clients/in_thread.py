"""What the clients that run no loop in the application's thread have in common."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from clients.base import Client

__all__ = ["BlockingClient"]

T = TypeVar("T")


class BlockingClient(Client):
    """A client whose methods block, so that there is nothing to wait for."""

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            main().send(None)
        except StopIteration as stop:
            value: T = stop.value
            return value
        raise RuntimeError("a blocking client waited")
