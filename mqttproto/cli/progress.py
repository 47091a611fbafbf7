"""How far a command has come, on a terminal."""

import sys
from typing import Final

__all__ = ["Progress"]

_WORTH_IT: Final = 1 << 24
"""The bytes of input from which on a person may wonder how long it will take."""


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
