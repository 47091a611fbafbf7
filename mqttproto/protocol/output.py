"""The bytes to send, and the gate: changes before bytes."""

from collections import deque
from typing import final

__all__ = ["Output"]


@final
class Output:
    """What waits to be sent, in order, and what it depends on.

    Bytes that depend on a change which is not committed are held, and all that comes after them.
    """

    __slots__ = ("_committed", "_held", "_ready", "held_bytes")

    def __init__(self) -> None:
        self._ready: list[bytes] = []
        self._held: deque[tuple[int, bytes]] | None = None
        self._committed: int = 0
        self.held_bytes: int = 0
        """How many bytes wait for a commit."""

    def __len__(self) -> int:
        """How many bytes wait, held or not."""
        return sum([len(data) for data in self._ready]) + self.held_bytes

    def __bool__(self) -> bool:
        """Whether anything waits, held or not."""
        return bool(self._ready) or self._held is not None

    def write(self, data: bytes) -> None:
        """Add bytes that depend on nothing but their place."""
        if self._held is None:
            self._ready.append(data)
        else:
            self._held.append((0, data))
            self.held_bytes += len(data)

    def write_after(self, data: bytes, number: int) -> None:
        """Add bytes that depend on the change with this number, and on all before it."""
        held = self._held
        if held is None:
            if number <= self._committed:
                self._ready.append(data)
                return
            held = deque()
            self._held = held
        held.append((number, data))
        self.held_bytes += len(data)

    def write_pieces(self, first: bytes, second: bytes, third: bytes) -> bool:
        """Add bytes that depend on nothing but their place, in pieces; False if bytes are held,
        and these are not added.
        """
        if self._held is not None:
            return False
        ready = self._ready
        ready.append(first)
        ready.append(second)
        ready.append(third)
        return True

    def write_now(self, data: bytes) -> None:
        """Add bytes that overtake what is held: signs of life, which acknowledge nothing."""
        self._ready.append(data)

    def waits_for(self, number: int) -> bool:
        """Whether bytes that depend on the change with this number are, or would be, held."""
        return number > self._committed

    def release(self, number: int) -> None:
        """All changes up to this number are committed."""
        self._committed = max(self._committed, number)
        held = self._held
        if held is None:
            return
        while held:
            first: tuple[int, bytes] = held[0]
            if first[0] > self._committed:
                return
            held.popleft()
            self._ready.append(first[1])
            self.held_bytes -= len(first[1])
        self._held = None

    def take(self) -> bytes:
        """Take out what may be sent."""
        ready = self._ready
        if not ready:
            return b""
        self._ready = []
        return ready[0] if len(ready) == 1 else b"".join(ready)

    def discard(self) -> None:
        """Drop everything: there is nobody to send it to."""
        self._ready = []
        self._held = None
        self.held_bytes = 0
