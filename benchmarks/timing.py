"""How the benchmarks measure: fresh state per run, contestants in turn, garbage collector off."""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["Run", "Timing", "chunked", "interleave", "keep_memory", "pipe_table", "time_once"]

Run: TypeAlias = Callable[[], object]
"""What is timed; what it returns is freed after the clock has stopped."""


# Parameters of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4


def keep_memory() -> None:
    """Let malloc hand nothing back to the system, so that large blocks are met warm by everybody.

    Otherwise 1 MiB costs from 20 to 200 microseconds, depending on what was freed before: most of
    it is the system's, who hands out pages full of zeros. Without effect where malloc is not
    glibc's.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, -1)


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one contestant, in nanoseconds per run."""

    runs: tuple[int, ...]

    @property
    def best(self) -> int:
        """The run that was disturbed least: noise only ever adds."""
        return min(self.runs)

    @property
    def median(self) -> float:
        """The run in the middle: how far it lies above the best tells how noisy the machine was."""
        return statistics.median(self.runs)


def time_once(run: Run) -> int:
    """Run once and return the nanoseconds that it took.

    The collector is off meanwhile, as in :mod:`timeit`: when it runs depends on what the others
    left behind.
    """
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter_ns()
        result = run()
        elapsed = time.perf_counter_ns() - start
    finally:
        gc.enable()
    del result
    return elapsed


def interleave(setups: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, Timing]:
    """Time every contestant once per round, so that a slow second of the machine hits them all.

    :param setups: by name, what makes a fresh run; making it is not timed.
    :param rounds: how many runs each gets, at least 1; each round starts with another contestant.
    """
    names = list(setups)
    times: dict[str, list[int]] = {name: [] for name in names}
    # What was imported so far is not garbage: without it a collection takes microseconds.
    gc.collect()
    gc.freeze()
    for turn in range(rounds):
        first = turn % len(names) if names else 0
        for name in names[first:] + names[:first]:
            times[name].append(time_once(setups[name]()))
    gc.unfreeze()
    return {name: Timing(tuple(runs)) for name, runs in times.items()}


def chunked(data: bytes, size: int) -> tuple[bytes, ...]:
    """Cut into pieces of ``size`` bytes; the last one may be shorter."""
    return tuple(data[start : start + size] for start in range(0, len(data), size))


def pipe_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table that reads well in a terminal and is Markdown at the same time.

    The first column is flush left, all others flush right.
    """
    table = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "| "
        + " | ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in table
    ]
    ruler = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    lines.insert(1, "|" + "|".join(ruler) + "|")
    return "\n".join(lines)
