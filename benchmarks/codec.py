"""Decode and encode: nanoseconds per packet, against other Python libraries on identical bytes.

``python benchmarks/codec.py`` measures the mqttproto of this interpreter and prints two tables, in
which ``ratio`` says how many times faster than the fastest peer it is. With ``--all-speeds`` it
runs itself once for each speed of mqttproto and prints one table of them; ``--python`` says which
interpreter has which speed::

    python benchmarks/codec.py --all-speeds --python compiled=/venv/wheel/bin/python

Every decoded field and every encoded byte of every contestant is checked once before its time is
taken. A library that is absent, or that has no way to do a case, is listed with the reason.
"""

import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from functools import partial
from typing import Any, Final

from command import Size, load, main
from contestants.base import LOST, Contestant
from report import OURS, Report, Result
from samples import Case, cases
from timing import interleave, keep_memory

DIRECTIONS: Final = ("decode", "encode")
CONTESTANTS: Final = {
    OURS: ("contestants.ours", "Ours"),
    "mqttium": ("contestants.mqttium", "Mqttium"),
    "zmqtt": ("contestants.zmqtt", "Zmqtt"),
    "gmqtt": ("contestants.gmqtt", "Gmqtt"),
    "paho-mqtt": ("contestants.paho", "Paho"),
    "amqtt": ("contestants.amqtt", "Amqtt"),
}


class CheckError(Exception):
    """A contestant decoded or encoded something else than was expected."""


def plain(value: object) -> object:
    """Make one of lists and tuples, which libraries choose between."""
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def check_decoding(contestant: Contestant, case: Case, packets: Sequence[Any]) -> None:
    """Compare every field of every packet with what was put into the bytes."""
    if len(packets) != len(case.samples):
        raise CheckError(f"{contestant.name}, {case.title}: {len(packets)} packets")
    for packet, sample in zip(packets, case.samples, strict=True):
        expected, found = astuple(sample), contestant.readers[type(sample)](packet)
        for want, got in zip(expected, found, strict=True):
            if got is not LOST and plain(got) != want:
                raise CheckError(f"{contestant.name}, {case.title}: {found} is not {expected}")


def check_encoding(contestant: Contestant, case: Case, packets: Sequence[Any]) -> None:
    """Compare the bytes of every packet with its legal encodings."""
    if len(packets) != len(case.samples):
        raise CheckError(f"{contestant.name}, {case.title}: {len(packets)} packets")
    for item, sample in zip(packets, case.samples, strict=True):
        wire = contestant.wire(item)
        if wire not in sample.legal(case.version):
            raise CheckError(f"{contestant.name}, {case.title}: {wire.hex()[:200]} of {sample}")


def target(speed: str, direction: str, case: Case) -> float | None:
    """How many times faster than the fastest peer a speed is meant to be.

    None for the pure speed, which is for machines that can compile nothing.
    """
    if speed not in ("compiled", "c"):
        return None
    compiled = speed == "compiled"
    if not case.hot:
        return 1.0
    if direction == "encode":
        return 8.0 if compiled else 2.5
    if case.version == 5:
        return 15.0 if compiled else 5.0
    return 10.0 if compiled else 3.5


def measure(direction: str, case: Case, contestants: Iterable[Contestant], report: Report) -> None:
    """Check all contestants of a case, then time them in turn; the results go into the report."""
    streams = case.streams()
    setups: dict[str, Callable[[], Callable[[], object]]] = {}
    short: dict[str, str | None] = {}
    for contestant in contestants:
        if direction == "decode":
            reason = contestant.cannot_decode(case)
            short[contestant.name] = contestant.shortfall(case)
            setup = partial(contestant.decode_run, case, streams)
            check = check_decoding
        else:
            reason = contestant.cannot_encode(case)
            setup = partial(contestant.encode_run, case)
            check = check_encoding
        if reason is None:
            check(contestant, case, setup()())
            setups[contestant.name] = setup
        else:
            report.results.append(Result(direction, case.title, contestant.name, reason=reason))
    count = len(case.samples)
    for name, timing in interleave(setups, report.rounds).items():
        best, median = timing.best / count, timing.median / count
        wanted = target(report.speed, direction, case) if name == OURS else None
        report.results.append(
            Result(direction, case.title, name, best, median, short.get(name), wanted)
        )


def run(speed: str | None, size: Size, only: str) -> Report:
    """Measure everything in this process; see :func:`command.main`."""
    keep_memory()
    extent = f"{size.count} packets per run"
    report = Report("absent", platform.python_version(), size.rounds, extent)
    contestants: list[Contestant] = load(CONTESTANTS, report)
    if speed is not None and speed != report.speed:
        raise SystemExit(f"codec.py: {OURS} is {report.speed} here, not {speed}")
    for direction in DIRECTIONS:
        for case in cases(size.count):
            if only.lower() in case.title.lower() and (direction == "decode" or case.encodes):
                print(f"{report.speed}: {direction} {case.title}", file=sys.stderr)
                measure(direction, case, contestants, report)
    return report


if __name__ == "__main__":
    title = __doc__.partition("\n")[0]
    sys.exit(main(__file__, title, run, full=Size(9, 4000), quick=Size(3, 1000)))
