"""What an adapter is to a client: the only one of the two that waits."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from mqttproto.engine.completion import Completion
from mqttproto.transport.url import Address

__all__ = ["Adapter"]

_T = TypeVar("_T")


class Adapter(Protocol):
    """How to wait, and how to reach a server; one for each way of waiting."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""

    def wall(self) -> float:
        """Seconds since 1970."""

    async def wait(self, completion: Completion, until: float | None = None) -> None:
        """Wait until something is done.

        :param until: wait no longer than that, in seconds of :meth:`now`; None: for ever.
        """

    async def in_thread(self, call: Callable[[], _T]) -> _T:
        """Call what may block, where it blocks nobody; cancelled, wait until it has returned."""

    async def dial(self, place: Address | None, timeout: float) -> None:
        """Open a network connection.

        :raises TransportError: if that fails, or takes longer than ``timeout`` seconds.
        """

    async def carry(self) -> None:
        """Carry bytes between the network connection and the engine until it is gone."""
