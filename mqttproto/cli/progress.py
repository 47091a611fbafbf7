"""How far a command has come, on a terminal."""

import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["MessageProgress", "Meter", "Progress"]

_WORTH_IT: Final = 1 << 24
"""The bytes of input from which on a person may wonder how long it will take."""


_PATIENCE: Final = 1.0
"""The seconds after which a person begins to wonder."""

_PAUSE: Final = 0.2
"""The least seconds between two numbers: more often nobody reads them."""


class Meter(Protocol):
    """Follows the reading of an input."""

    def advance(self, count: int) -> None:
        """``count`` bytes more have been read."""

    def clear(self) -> None:
        """It is over, and another line is to be printed."""


class Progress:
    """Percents on standard error, if that is a terminal and shows nothing else.

    :param total: the bytes of the whole input; 0 if there is no telling.
    """

    def __init__(self, total: int) -> None:
        self._total: Final = total
        self._done = 0
        self._percent = -1
        self._shows: Final = (
            total >= _WORTH_IT
            and sys.stderr is not None
            and sys.stderr.isatty()
            and not (sys.stdout is not None and sys.stdout.isatty())
        )

    def advance(self, count: int) -> None:
        """Show that ``count`` bytes more have been read."""
        self._done += count
        # A file may grow while it is read.
        percent = min(100, 100 * self._done // self._total) if self._shows else self._percent
        if percent != self._percent:
            self._percent = percent
            self._print(f"{percent:3} %")

    def clear(self) -> None:
        """Leave the line empty for what is to be said next."""
        if self._percent >= 0:
            self._print("     \r")

    def _print(self, text: str) -> None:
        print(f"\r{text}", end="", file=sys.stderr, flush=True)


class MessageProgress:
    """How many messages were sent, on standard error, if it is a terminal and the input is none.

    :param clock: the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock: Final = clock
        self._next = clock() + _PATIENCE
        self._total = 0
        self._read = 0
        self._sent = 0
        self._shown = 0
        self._shows: Final = (
            sys.stderr is not None
            and sys.stderr.isatty()
            and not (sys.stdin is not None and sys.stdin.isatty())
        )

    def over(self, total: int) -> "MessageProgress":
        """The same, now that the size of the input is known; 0 if there is no telling."""
        self._total = total
        return self

    def advance(self, count: int) -> None:
        """``count`` bytes more have been read."""
        self._read += count

    def sent(self) -> None:
        """A message more was sent."""
        self._sent += 1
        if self._shows and self._clock() >= self._next:
            self._next = self._clock() + _PAUSE
            share = f"{min(100, 100 * self._read // self._total):3} %  " if self._total else ""
            text = f"{share}{self._sent:,} messages"
            self._shown = len(text)
            print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave the line empty for what is to be said next."""
        if self._shown:
            print(f"\r{'':{self._shown}}\r", end="", file=sys.stderr, flush=True)
            self._shown = 0
