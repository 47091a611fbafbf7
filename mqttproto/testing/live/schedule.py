"""What is to befall connections."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, final

__all__ = ["Fate", "Schedule", "Way"]


def _check(*numbers: float | None) -> None:
    if not all(number is None or number >= 0 for number in numbers):
        raise ValueError("seconds and numbers of bytes must be 0 or more")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What befalls the bytes of one direction of a connection.

    :ivar latency: the seconds, 0 and up, that they take.
    :ivar largest_piece: they are passed on in pieces of 1 up to this many bytes; 0: as they come.
    :ivar seed: what the sizes of pieces are drawn with: the same pieces for the same bytes.
    :ivar cut_after: the connection is cut when so many bytes were passed on, 0 and up; None: not.
    :ivar stall_after: when so many bytes were passed on, 0 and up, no more are; None: all are.
    :ivar stall_for: a connection that has stalled is cut after so many seconds, 0 and up; None:
        not.
    """

    latency: float = 0.0
    largest_piece: int = 0
    seed: int = 0
    cut_after: int | None = None
    stall_after: int | None = None
    stall_for: float | None = None

    def __post_init__(self) -> None:
        _check(self.latency, self.largest_piece, self.cut_after, self.stall_after, self.stall_for)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What befalls one connection; nothing, unless it is said.

    :ivar to_server: the direction from the client to the server.
    :ivar to_client: the other one.
    :ivar cut_at: the connection is cut so many seconds, 0 and up, after it was made; None: not.
    :ivar reset: whether a cut resets both sides, so that bytes that they have not read yet are
        lost. If not, both find that no more comes.
    :ivar refuse_for: for so many seconds, 0 and up, after its end no other connection is taken.
    """

    to_server: Way = Way()
    to_client: Way = Way()
    cut_at: float | None = None
    reset: bool = True
    refuse_for: float = 0.0

    def __post_init__(self) -> None:
        _check(self.cut_at, self.refuse_for)


_UNHARMED: Final = Fate()


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """What befalls which connection. Equal schedules do equal things to equal bytes.

    :ivar fates: of the first connections, in their order; nothing befalls the later ones.
    """

    fates: tuple[Fate, ...] = ()

    def fate(self, number: int) -> Fate:
        """What befalls a connection.

        :param number: 0 for the first.
        """
        return self.fates[number] if number < len(self.fates) else _UNHARMED

    @staticmethod
    def cuts(random: Random, *, connections: int, mean_bytes: int) -> "Schedule":
        """A schedule that cuts, and does nothing else.

        :param random: what it is drawn with.
        :param connections: how many connections are cut.
        :param mean_bytes: after how many bytes of one direction, on average.
        """
        return Schedule(tuple(_cut(random, mean_bytes) for _ in range(connections)))

    @staticmethod
    def drawn(
        random: Random, *, connections: int, mean_bytes: int, longest: float = 0.05
    ) -> "Schedule":
        """A schedule of everything that can go wrong.

        Of the connections that are cut most are after some bytes, some after some time, and some
        stall before. Some are slow, some come in pieces, and some are followed by refusals.

        :param random: what it is drawn with.
        :param connections: how many connections are cut.
        :param mean_bytes: after how many bytes of one direction, on average.
        :param longest: the most seconds of a latency, of a stall, of refusing, and until a cut
            after some time.
        """
        return Schedule(tuple(_any(random, mean_bytes, longest) for _ in range(connections)))


def _size(random: Random, mean: int) -> int:
    return 1 + int(random.expovariate(1 / mean))


def _cut(random: Random, mean_bytes: int) -> Fate:
    """A connection that is cut after some bytes."""
    way = Way(cut_after=_size(random, mean_bytes))
    reset = random.random() < 0.5
    if random.random() < 0.5:
        return Fate(to_server=way, reset=reset)
    return Fate(to_client=way, reset=reset)


def _any(random: Random, mean_bytes: int, longest: float) -> Fate:
    """A connection that is cut somehow."""
    fate = _cut(random, mean_bytes)
    ways = [_hampered(random, way, longest) for way in (fate.to_server, fate.to_client)]
    kind = random.random()
    if kind < 0.15:
        ways = [_stalling(random, way, longest) for way in ways]
    return Fate(
        to_server=ways[0],
        to_client=ways[1],
        cut_at=random.uniform(0, longest) if kind > 0.85 else None,
        reset=fate.reset,
        refuse_for=random.uniform(0, longest) if random.random() < 0.25 else 0.0,
    )


def _hampered(random: Random, way: Way, longest: float) -> Way:
    """The same way, perhaps slower, perhaps in pieces."""
    return replace(
        way,
        latency=random.uniform(0, longest) if random.random() < 0.25 else 0.0,
        largest_piece=random.randrange(1, 100) if random.random() < 0.25 else 0,
        seed=random.getrandbits(32),
    )


def _stalling(random: Random, way: Way, longest: float) -> Way:
    """The same way, but it stalls before it is cut."""
    return replace(
        way, cut_after=None, stall_after=way.cut_after, stall_for=random.uniform(0, longest)
    )
