"""Decode and encode: nanoseconds per packet, against other Python libraries on identical bytes.

``python benchmarks/codec.py`` measures the mqttproto of this interpreter and prints two tables, in
which ``ratio`` says how many times faster than the fastest peer it is. With ``--all-speeds`` it
runs itself once for each speed of mqttproto and prints one table of them; ``--python`` says which
interpreter has which speed::

    python benchmarks/codec.py --all-speeds --python compiled=/venv/wheel/bin/python

Every decoded field and every encoded byte of every contestant is checked once before its time is
taken. A library that is absent, or that has no way to do a case, is listed with the reason.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from functools import partial
from importlib import import_module
from typing import Any, Final

from contestants.base import LOST, Contestant
from report import DIRECTIONS, OURS, Report, Result, describe, from_json, misses, tables, to_json
from samples import Case, cases
from timing import interleave, keep_memory

SPEEDS: Final = ("compiled", "c", "pure")
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


def load(report: Report) -> list[Contestant]:
    """Make the contestants that are installed; note the others in the report."""
    contestants: list[Contestant] = []
    for name, (module, kind) in CONTESTANTS.items():
        try:
            contestant: Contestant = getattr(import_module(module), kind)()
        except (ImportError, AttributeError) as error:
            report.absent[name] = f"{type(error).__name__}: {error}"
        else:
            report.versions[name] = contestant.release
            contestants.append(contestant)
    return contestants


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
        report.results.append(Result(direction, case.title, name, best, median, short.get(name)))


def run(speed: str | None, rounds: int, packets: int, only: str) -> Report:
    """Measure everything in this process.

    :param speed: the speed that ours has to have here; None takes it as it is.
    :param only: a part of the titles of the cases to measure; empty for all.
    """
    keep_memory()
    report = Report("absent", platform.python_version(), rounds, packets)
    contestants = load(report)
    if OURS in report.versions:
        report.speed = import_module("contestants.ours").speed()
    if speed is not None and speed != report.speed:
        raise SystemExit(f"codec.py: {OURS} is {report.speed} here, not {speed}")
    for direction in DIRECTIONS:
        for case in cases(packets):
            if only.lower() in case.title.lower() and (direction == "decode" or case.encodes):
                print(f"{report.speed}: {direction} {case.title}", file=sys.stderr)
                measure(direction, case, contestants, report)
    return report


def run_elsewhere(speed: str, python: str, arguments: Sequence[str]) -> Report:
    """Measure one speed in a process of its own.

    :param python: the interpreter that has it.
    """
    command = [python, __file__, "--json", "--speed", speed, *arguments]
    scanner = "python" if speed == "pure" else "c"
    environment = {**os.environ, "MQTTPROTO_SCANNER": scanner}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:  # it has said why
        return Report(speed, python, 0, 0, absent={OURS: f"exit code {done.returncode}"})
    (report,) = from_json(done.stdout.decode())
    return report


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer packets and rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in the title")
    parser.add_argument("--median", action="store_true", help="show medians instead of the best")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    parser.add_argument("--speed", choices=SPEEDS, help="fail if ours has another speed here")
    parser.add_argument("--all-speeds", action="store_true", help="one run for each speed")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="SPEED=PATH",
        help="the interpreter with that speed, for --all-speeds (default: this one)",
    )
    arguments = parser.parse_args()
    pairs = [entry.partition("=") for entry in arguments.python]
    if any(speed not in SPEEDS or not path for speed, _, path in pairs):
        parser.error(f"--python wants SPEED=PATH, with a speed of {', '.join(SPEEDS)}")
    if pairs and not arguments.all_speeds:
        parser.error("--python goes with --all-speeds")
    arguments.python = {speed: path for speed, _, path in pairs}
    return arguments


def main() -> int:
    arguments = parse_arguments()
    if arguments.all_speeds:
        passed = ["--only", arguments.only, *(["--quick"] if arguments.quick else [])]
        reports = [
            run_elsewhere(speed, arguments.python.get(speed, sys.executable), passed)
            for speed in SPEEDS
        ]
    else:
        rounds, packets = (3, 1000) if arguments.quick else (9, 4000)
        reports = [run(arguments.speed, rounds, packets, arguments.only)]
    if arguments.json:
        print(to_json(reports))
    else:
        print(tables(reports, median=arguments.median), describe(reports), sep="\n\n")
    failures = [f"{OURS} is absent" for report in reports if OURS not in report.versions]
    if arguments.check:
        failures += misses(reports, median=arguments.median)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
