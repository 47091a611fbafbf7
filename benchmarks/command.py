"""The command line that the benchmarks share: one speed, or each in a process of its own."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from report import OURS, Report, describe, from_json, misses, tables, to_json

__all__ = ["Size", "load", "main"]

SPEEDS: Final = ("compiled", "c", "pure")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds, and packets or messages per run."""

    rounds: int
    count: int


def load(contestants: dict[str, tuple[str, str]], report: Report) -> list[Any]:
    """Make the contestants that are installed; note the others in the report.

    :param contestants: module and class, by name.
    """
    loaded = []
    for name, (module, kind) in contestants.items():
        try:
            contestant = getattr(import_module(module), kind)()
        except (ImportError, AttributeError) as error:
            report.absent[name] = f"{type(error).__name__}: {error}"
        else:
            report.versions[name] = contestant.release
            loaded.append(contestant)
    if OURS in report.versions:
        report.speed = import_module("contestants.ours").speed()
    return loaded


def _run_elsewhere(script: str, speed: str, python: str, arguments: Sequence[str]) -> Report:
    """Measure one speed in a process of its own.

    :param python: the interpreter that has it.
    """
    command = [python, script, "--json", "--speed", speed, *arguments]
    scanner = "python" if speed == "pure" else "c"
    environment = {**os.environ, "MQTTPROTO_SCANNER": scanner}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:  # it has said why
        return Report(speed, python, 0, "nothing", absent={OURS: f"exit code {done.returncode}"})
    (report,) = from_json(done.stdout.decode())
    return report


def _parse_arguments(title: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="do less, in fewer rounds")
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


def main(
    script: str,
    title: str,
    run: Callable[[str | None, Size, str], Report],
    full: Size,
    quick: Size,
) -> int:
    """Measure as the command line says, print the results, and return the exit code.

    :param script: the file that calls this, to be run once for each speed.
    :param title: what it measures.
    :param run: measures everything in this process: the speed that ours has to have (None takes
        it as it is), how much to do, and a part of the titles of the cases to measure.
    """
    arguments = _parse_arguments(title)
    if arguments.all_speeds:
        passed = ["--only", arguments.only, *(["--quick"] if arguments.quick else [])]
        reports = [
            _run_elsewhere(script, speed, arguments.python.get(speed, sys.executable), passed)
            for speed in SPEEDS
        ]
    else:
        reports = [run(arguments.speed, quick if arguments.quick else full, arguments.only)]
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
