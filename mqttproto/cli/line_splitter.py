"""Lines of a stream of bytes."""

from typing import Final

__all__ = ["LineSplitter", "LongLineError"]


class LongLineError(ValueError):
    """A line is longer than it may be.

    :ivar number: which, from 1.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number: Final = number


class LineSplitter:
    """Cuts a stream into lines, without their ends.

    :param most: the most bytes of a line.
    """

    def __init__(self, most: int) -> None:
        self._most: Final = most
        self._held: list[bytes] = []  # the parts of the line that has not ended yet
        self._size = 0
        self._number = 1

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next part of the stream and return the lines that it completes.

        :raises LongLineError: if the line at hand is too long, completed or not.
        """
        first, *others = data.split(b"\n")
        self._hold(first)
        lines = []
        for following in others:
            lines.append(b"".join(self._held))
            self._held, self._size = [], 0
            self._number += 1
            self._hold(following)
        return lines

    def finish(self) -> list[bytes]:
        """Take the end of the stream and return the line that did not end, if there is one."""
        return [b"".join(self._held)] if self._size else []

    def _hold(self, part: bytes) -> None:
        self._held.append(part)
        self._size += len(part)
        if self._size > self._most:
            raise LongLineError(self._number)
