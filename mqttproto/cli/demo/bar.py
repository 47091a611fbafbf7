"""How far a demonstration has come, on a terminal."""

import sys
import time
from collections.abc import Callable
from typing import Final, final

__all__ = ["Bar"]

_WIDTH: Final = 30
_PAUSE: Final = 0.1
"""The least seconds between two pictures: more often nobody looks."""


@final
class Bar:
    """A bar on standard error, if that is a terminal.

    :param total: how many steps there are, 1 and up.
    :param clock: the time, in seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total: Final = total
        self._clock: Final = clock
        self._next = clock()
        self._shown = 0
        self._shows: Final = sys.stderr is not None and sys.stderr.isatty()

    def show(self, done: int, text: str) -> None:
        """Show so many steps as done, unless it has just shown others.

        :param text: what stands behind the bar.
        """
        if not self._shows or self._clock() < self._next:
            return
        self._next = self._clock() + _PAUSE
        done = min(done, self._total)
        filled = _WIDTH * done // self._total
        share = f"{100 * done // self._total:3} %"
        line = f"[{'#' * filled}{'-' * (_WIDTH - filled)}] {share}  {text}"
        # What was there may have been longer.
        print(f"\r{line:{self._shown}}", end="", file=sys.stderr, flush=True)
        self._shown = len(line)

    def clear(self) -> None:
        """Leave the line empty for what is to be said next."""
        if self._shown:
            print(f"\r{'':{self._shown}}\r", end="", file=sys.stderr, flush=True)
            self._shown = 0
            self._next = self._clock()
