"""Hex text and bytes."""

from typing import Final

__all__ = ["HexText"]

_DIGITS: Final[dict[int, int]] = {ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}
_SEPARATORS: Final = frozenset(b" \t\r\n\v\f:")


class HexText:
    """The bytes that a stream of hex text stands for.

    Two digits are a byte. White space and colons separate bytes, they do not split one; ``0x``
    may open each run of digits. Like a decoder, it never raises for what it is fed: at an error it
    returns the bytes before it, and from then on ignores its input.

    :ivar error: what is wrong, with line and column (of the text, in bytes, from 1); None while
        nothing is.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self._line = 1
        self._column = 1
        # The run of digits that the text so far ends in: how long it is, whether `0x` opens it,
        # and the value of the digit that still lacks a second one.
        self._run = 0
        self._prefixed = False
        self._high: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Take text and return the bytes that it completes.

        :param data: the next part of the text, cut anywhere.
        """
        found = bytearray()
        for character in data:
            if self.error is not None:
                break
            digit = _DIGITS.get(character)
            if digit is not None:
                self._run += 1
                if self._high is None:
                    self._high = digit
                else:
                    found.append(self._high << 4 | digit)
                    self._high = None
            elif character in _SEPARATORS:
                self._end_run()
            elif character in b"xX" and self._run == 1 and not self._high and not self._prefixed:
                self._run = 0
                self._prefixed = True
                self._high = None
            else:
                self._fail(f"{chr(character)!a} is not hex")
            self._column += 1
            if character == 0x0A:
                self._line += 1
                self._column = 1
        return bytes(found)

    def finish(self) -> None:
        """Take the end of the text; an error if it is inside of a byte."""
        if self.error is None:
            self._end_run()

    def _end_run(self) -> None:
        if self._high is not None:
            self._fail("a second hex digit is missing")
        elif self._prefixed and not self._run:
            self._fail("hex digits are missing behind 0x")
        self._run = 0
        self._prefixed = False

    def _fail(self, problem: str) -> None:
        self.error = f"line {self._line}, column {self._column}: {problem}"
