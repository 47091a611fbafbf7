"""Clients: messages per second over real sockets, and how soon a request is answered.

``python benchmarks/client.py`` lets our client, on asyncio, uvloop and trio, and seven other
libraries do the same jobs against one server on loopback: a small one in C (``responder.c``), which
no client has to wait for, or with ``--server mosquitto`` a real one. Every job is done in a process
of its own, with a server of its own, and the contestants take turns.

- publish: at QoS 0 until all have arrived, which the acknowledgement of one more at QoS 1 tells; at
  QoS 1 and 2 until all are acknowledged, with 64 in flight.
- receive: until the application has had all messages in its hands.
- answer: the server sends requests, the application sends each payload back, both at QoS 0. First
  with 64 requests open, which gives the most answers per second. Then evenly spaced, and the server
  takes the time of each from sending the request to having its answer: at half of that rate, and at
  500 and 5,000 per second, as far as a contestant can keep up.

A contestant does its job several times, at first in small, until it takes as long as it should;
the last time counts. The C server counts what it gets: who sends another number of messages than
it says, or has more in flight, has failed.

``python`` must have the peers; ``--python`` names another interpreter for ours, a compiled one.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bars import Bar, Panel, draw
from clients.base import IN_FLIGHT, LOADS, Job, Outcome
from servers import HOST, SERVERS, Responder, Server, compile_responder
from standings import Contest, Contestant, Standings, describe, misses, shown, tables

SMALL: Final = 17
LARGE: Final = 4096

VERSIONS: Final = {"3.1.1": 4, "5.0": 5}

_PATIENCE: Final = 50.0
"""How many seconds more than it should a process may take."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant, and what runs it.

    :ivar kinds: of jobs that it takes part in.
    """

    contestant: Contestant
    module: str
    kind: str
    kinds: tuple[str, ...] = ("publish", "receive", "answer")


@dataclass(frozen=True, slots=True)
class Case:
    """A job, and the contests that its outcome counts for.

    :ivar contests: for messages per second; for an answer, also for each of its times.
    """

    kind: str
    qos: int
    size: int
    contests: tuple[Contest, ...]

    @property
    def name(self) -> str:
        return self.contests[0].name


def _ours(title: str, module: str, kind: str, *, uvloop: bool = False) -> Entry:
    kinds = ("publish",) if kind == "Many" else ("publish", "receive", "answer")
    return Entry(Contestant(title, True, uvloop), module, kind, kinds)


def _peer(title: str, module: str, kind: str, *, uvloop: bool = False) -> Entry:
    return Entry(Contestant(title, False, uvloop), module, kind)


ENTRIES: Final = (
    _ours("mqttproto", "ours_asyncio", "Ours"),
    _ours("mqttproto, uvloop", "ours_asyncio", "Ours", uvloop=True),
    _ours("mqttproto, trio", "ours_trio", "Ours"),
    _ours("mqttproto, publish_many", "ours_asyncio", "Many"),
    _ours("mqttproto, publish_many, uvloop", "ours_asyncio", "Many", uvloop=True),
    _ours("mqttproto, publish_many, trio", "ours_trio", "Many"),
    _peer("mqttium", "mqttium", "Mqttium"),
    _peer("mqttium, uvloop", "mqttium", "Mqttium", uvloop=True),
    _peer("gmqtt", "gmqtt", "Gmqtt"),
    _peer("gmqtt, uvloop", "gmqtt", "Gmqtt", uvloop=True),
    _peer("paho-mqtt", "paho", "Paho"),
    _peer("awscrt", "awscrt", "Awscrt"),
    _peer("zmqtt", "zmqtt", "Zmqtt"),
    _peer("aiomqtt", "aiomqtt", "Aiomqtt"),
    _peer("amqtt", "amqtt", "Amqtt"),
)


def _targets(plain: float, many: float | None = None) -> dict[str, float]:
    """Targets of what runs on asyncio; trio has no peers."""
    targets = {"mqttproto": plain, "mqttproto, uvloop": plain}
    if many is not None:
        targets |= {"mqttproto, publish_many": many, "mqttproto, publish_many, uvloop": many}
    return targets


def cases() -> list[Case]:
    """All cases, in the order of the tables."""
    publishing = {0: _targets(3.0), 1: _targets(2.5, 5.0), 2: {}}
    found = []
    for kind, targets in (
        ("publish", publishing),
        ("receive", {qos: _targets(3.0) for qos in (0, 1)}),
    ):
        for size, words in ((SMALL, f"{SMALL} bytes"), (LARGE, "4 KiB")):
            for qos, wanted in targets.items():
                contest = Contest(
                    f"{kind}, thousand messages/s",
                    f"QoS {qos}, {words}",
                    drawn=size == SMALL,
                    targets=wanted,
                )
                found.append(Case(kind, qos, size, (contest,)))
    table = "answer"
    contests = [Contest(table, "most, thousand/s")]
    for load in ("half of that", *(f"{load:,}/s" for load in LOADS)):
        same = load == f"{LOADS[-1]:,}/s"
        goal = _targets(1.0) if same else {}
        contests += [
            Contest(table, f"at {load}: median, µs", True, same, goal),
            Contest(table, f"99 %, µs, at {load}", True),
        ]
    found.append(Case("answer", 0, SMALL, tuple(contests)))
    return found


class FailedError(Exception):
    """A contestant could not do what it was asked."""


def play(entry: Entry, job: Job, python: str, server: Server) -> tuple[Outcome, int | None]:
    """Let one process do one job; its outcome, and how busy the server was, in percent."""
    # Nothing of this folder may hide a library: its parent is in the path, not itself.
    command = [python, "-m", "clients", entry.module, entry.kind, json.dumps(asdict(job))]
    patience = _PATIENCE + 10 * job.seconds
    with tempfile.TemporaryFile("w+") as words:
        try:
            done = subprocess.run(
                command,
                cwd=Path(__file__).parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FailedError(f"was not done after {patience:.0f} s") from None
        words.seek(0)
        said = words.read().strip()
    if done.returncode not in (0, 1) or not done.stdout:
        last = said.splitlines()[-1:] or ["and said nothing"]
        raise FailedError(f"exit code {done.returncode}: {last[0]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise FailedError(answer["error"])
    outcome = Outcome(**answer | {"published": tuple(answer["published"])})
    tally = server.tally()
    if tally is None:
        return outcome, None
    if tally.published != outcome.published or tally.late:
        raise FailedError(
            f"published {outcome.published} at QoS 0, 1, 2, but {tally.published} came,"
            f" {tally.late} too late"
        )
    if tally.in_flight > IN_FLIGHT:
        raise FailedError(f"had {tally.in_flight} messages in flight")
    return outcome, tally.busy


class Run:
    """One run of the benchmark."""

    def __init__(self, arguments: argparse.Namespace, responder: Path) -> None:
        self._python = {True: arguments.python, False: sys.executable}
        self._seconds: float = arguments.seconds
        self._rounds: int = arguments.rounds
        self._version = VERSIONS[arguments.mqtt]
        self._server = SERVERS[arguments.server]
        self._responder = responder
        self._entries = [
            entry
            for entry in ENTRIES
            if any(part in entry.contestant.title for part in arguments.who or [""])
        ]
        self._cases = [
            case
            for case in cases()
            if any(arguments.only.lower() in contest.name.lower() for contest in case.contests)
        ]
        self.standings = Standings(
            f"MQTT {arguments.mqtt}, {self._rounds} rounds of {self._seconds:g} s,"
            f" Python {platform.python_version()}",
            self._server.release(),
            [entry.contestant for entry in self._entries],
            [contest for case in self._cases for contest in case.contests],
        )

    def play_all(self) -> Standings:
        """Let everybody do everything: for each case all rounds, in each round all in turn."""
        for case in self._cases:
            self._play_case(case)
        return self.standings

    def _play_case(self, case: Case) -> None:
        entries = [entry for entry in self._entries if case.kind in entry.kinds]
        out: set[str] = set()
        for turn in range(self._rounds):
            print(f"{case.name}: round {turn + 1}", file=sys.stderr)
            first = turn % max(1, len(entries))
            for entry in entries[first:] + entries[:first]:
                if entry.contestant.title not in out and not self._play(case, entry):
                    out.add(entry.contestant.title)

    def _play(self, case: Case, entry: Entry) -> bool:
        """Let one contestant do one job; whether it could."""
        standings, contestant = self.standings, entry.contestant
        try:
            with self._server(self._responder) as server:
                job = Job(
                    case.kind,
                    case.qos,
                    case.size,
                    self._version,
                    self._seconds,
                    HOST,
                    server.port,
                    contestant.uvloop,
                )
                outcome, busy = play(entry, job, self._python[contestant.ours], server)
        except FailedError as error:
            standings.fail(contestant, case.name, str(error))
            return False
        name = contestant.title.partition(",")[0]
        standings.releases[name] = f"{outcome.release} {outcome.note}".strip()
        if contestant.ours and (outcome.note != "compiled" or self._server is not Responder):
            for contest in case.contests:  # the targets are for the compiled speed
                contest.targets.clear()
        for contest, figure in zip(case.contests, (outcome.rate, *outcome.times), strict=True):
            if figure is not None:
                standings.add(contest, contestant, figure)
        whose = f"{contestant.title}, {case.name}"
        if busy is not None and (standings.busy is None or busy > standings.busy[0]):
            standings.busy = (busy, whose)
        return True


def plot(standings: Standings, *, median: bool) -> str:
    """Draw the contests that are to be drawn, the best on top."""
    panels = []
    for contest in standings.contests:
        found = [
            (contestant, figure)
            for contestant in standings.contestants
            if (figure := standings.figure(contest, contestant, median=median)) is not None
        ]
        if not found or not contest.drawn:
            continue
        found.sort(key=lambda each: each[1], reverse=not contest.time)
        bars = [
            Bar(contestant.title, figure, _label(standings, contest, contestant, median), ours)
            for contestant, figure in found
            for ours in (contestant.ours,)
        ]
        panels.append(Panel(contest.name, bars))
    return draw(panels, f"Clients compared, {standings.server}")


def _label(standings: Standings, contest: Contest, contestant: Contestant, median: bool) -> str:
    figure = standings.figure(contest, contestant, median=median)
    ratio = standings.ratio(contest, contestant, median=median)
    text = "" if figure is None else shown(figure)
    return text if ratio is None else f"{text} ({ratio:.1f})"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="shorter runs, fewer rounds")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each does its job")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long a job takes")
    parser.add_argument("--server", choices=SERVERS, default="responder", help="what they speak to")
    parser.add_argument("--mqtt", choices=VERSIONS, default="3.1.1", help="the version of MQTT")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in the title")
    parser.add_argument(
        "--who", action="append", metavar="TEXT", help="contestants with this in the title"
    )
    parser.add_argument("--median", action="store_true", help="show medians instead of the best")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the figures")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep all figures, as JSON")
    parser.add_argument("--load", type=Path, metavar="FILE", help="show what was saved")
    parser.add_argument(
        "--python",
        default=sys.executable,
        metavar="PATH",
        help="the interpreter that has ours (default: this one)",
    )
    found = parser.parse_args(arguments)
    found.rounds = found.rounds or (2 if found.quick else 5)
    found.seconds = found.seconds or (0.3 if found.quick else 1.0)
    return found


def _measure(arguments: argparse.Namespace) -> Standings:
    if arguments.load is not None:
        return Standings.from_json(arguments.load.read_text())
    with tempfile.TemporaryDirectory() as folder:
        return Run(arguments, compile_responder(Path(folder))).play_all()


def main(arguments: Sequence[str] | None = None) -> int:
    found = _parse(arguments)
    standings = _measure(found)
    if found.save is not None:
        found.save.write_text(standings.to_json())
    if found.svg is not None:
        found.svg.write_text(plot(standings, median=found.median))
    print(tables(standings, median=found.median), end="\n\n")
    print(describe(standings))
    missed: Iterable[str] = misses(standings, median=found.median) if found.check else ()
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
