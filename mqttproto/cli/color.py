"""Colours on a terminal."""

import os
import sys
from enum import Enum
from typing import Final

__all__ = ["CHOICES", "Color", "Palette"]

CHOICES: Final = ("auto", "always", "never")
"""When to use them."""


class Color(Enum):
    """What a colour is for; the value is the parameter of its escape sequence."""

    DIM = "2"
    CLIENT = "36"
    SERVER = "32"
    WRONG = "31"


class Palette:
    """Paints what is printed on standard output.

    :param choice: one of :data:`CHOICES`. ``auto`` means colours on a terminal, unless the
        environment has NO_COLOR, or the terminal knows none.
    """

    def __init__(self, choice: str) -> None:
        self._paints: Final = choice == "always" or (
            choice == "auto"
            and sys.stdout is not None
            and sys.stdout.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def paint(self, text: str, color: Color) -> str:
        """``text`` in this colour, or as it is."""
        return f"\x1b[{color.value}m{text}\x1b[0m" if self._paints else text
