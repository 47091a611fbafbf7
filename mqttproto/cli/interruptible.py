"""Coroutines that Ctrl-C ends in good order."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from mqttproto.cli.console import Failure

__all__ = ["run_interruptible"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what asks a service to end."""


def run_interruptible(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` in an event loop of its own. A signal cancels it: so it can say goodbye.

    :raises Failure: what it raises; after a signal always, with the status that shells give it.
    """
    received: list[int] = []
    try:
        asyncio.run(_watched(main, received))
    except asyncio.CancelledError:
        if not received:
            raise
    except Failure as failure:
        if not received:
            raise
        raise Failure(128 + received[0], *failure.lines) from None
    if received:
        raise Failure(128 + received[0])


async def _watched(main: Coroutine[Any, Any, None], received: list[int]) -> None:
    task = asyncio.current_task()
    assert task is not None

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in _SIGNALS:
        with suppress(NotImplementedError):  # Windows: asyncio.run has its own way for Ctrl-C
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
    await main
