"""One direction of a network connection."""

from collections import deque
from collections.abc import Callable
from typing import Final, final

__all__ = ["Path"]

_NEVER: Final = float("inf")


def _whole(size: int) -> int:
    return size


@final
class Path:
    """One direction of a network connection: a stream of bytes that takes its time.

    Bytes arrive once each and in order. Those that have arrived are handed over in chunks, however
    they were sent: together, or cut anywhere.

    :ivar latency: the seconds, 0 and up, that bytes take; or a function that gives them for each
        piece that is sent. None overtakes another.
    :ivar chunk: how many of the bytes that have arrived, of which it is told the number, to hand
        over at once: 1 up to that number. All, unless it is set.
    :ivar stalled: while true, what is under way does not arrive, and nobody is told so.
    :ivar cut_after: the number of bytes, 1 and up, after whose arrival the connection is cut; it
        is counted down. None: it lasts.
    :ivar tap: called with the bytes of each piece when it is sent; None: nobody listens.
    :ivar sent: how many bytes were sent, from the first on.
    :ivar delivered: how many were handed over.
    """

    def __init__(
        self,
        latency: float | Callable[[], float] = 0.0,
        chunk: Callable[[int], int] | None = None,
    ) -> None:
        self.latency: float | Callable[[], float] = latency
        self.chunk: Callable[[int], int] = _whole if chunk is None else chunk
        self.stalled: bool = False
        self.cut_after: int | None = None
        self.tap: Callable[[bytes], None] | None = None
        self.sent: int = 0
        self.delivered: int = 0
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._arrived: bytearray = bytearray()
        self._last: float = 0.0
        self._end: float = _NEVER
        self.ended: bool = False
        """Whether the sender has closed it."""
        self._lost: bool = False

    def __repr__(self) -> str:
        return f"<Path: {self.sent} bytes sent, {self.delivered} delivered>"

    @property
    def under_way(self) -> int:
        """How many bytes were sent and may still be handed over."""
        return len(self._arrived) + sum(len(data) for _, data in self._pieces)

    # For the link.

    def send(self, data: bytes, now: float) -> None:
        """Bytes leave; :attr:`tap` hears of them."""
        self.sent += len(data)
        if not self._lost:
            self._pieces.append((self._arrival(now), data))
        if self.tap is not None:
            self.tap(data)

    def close(self, now: float) -> None:
        """Nothing will be sent any more."""
        if not self.ended:
            self.ended = True
            self._end = self._arrival(now)

    def _arrival(self, now: float) -> float:
        latency = self.latency if isinstance(self.latency, (int, float)) else self.latency()
        if not latency >= 0:
            raise ValueError(f"a latency is 0 seconds or more, not {latency}")
        self._last = max(self._last, now + latency)
        return self._last

    def lose(self) -> None:
        """Lose what is under way, and whatever is sent from now on."""
        self._lost = True
        self._pieces.clear()
        self._arrived.clear()
        self._end = _NEVER

    def next_arrival(self, readable: bool) -> float:
        """When there is something to take: the next bytes, or the end; infinite if never.

        :param readable: whether bytes are taken now.
        """
        if self.stalled:
            return _NEVER
        if self._arrived:
            return 0.0 if readable else _NEVER
        if self._pieces:
            return self._pieces[0][0] if readable else _NEVER
        return self._end

    def take(self, now: float, most: int | None = None) -> bytes:
        """The next chunk of what has arrived; empty if that is the end of all.

        :param most: the most bytes to take.
        """
        while self._pieces and self._pieces[0][0] <= now:
            self._arrived += self._pieces.popleft()[1]
        if not self._arrived:
            self._end = _NEVER
            return b""
        size = len(self._arrived) if most is None else min(most, len(self._arrived))
        if self.cut_after is not None:
            size = min(size, self.cut_after)
        wanted = self.chunk(size)
        if not 1 <= wanted <= size:
            raise ValueError(f"a chunk of {size} bytes has 1 to {size} bytes, not {wanted}")
        data = bytes(self._arrived[:wanted])
        del self._arrived[:wanted]
        self.delivered += wanted
        if self.cut_after is not None:
            self.cut_after -= wanted
        return data
