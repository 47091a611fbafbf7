"""The results of the codec benchmark: as JSON between processes, as tables for people."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from samples import Case, cases
from timing import pipe_table

__all__ = [
    "DIRECTIONS",
    "OURS",
    "Report",
    "Result",
    "describe",
    "from_json",
    "misses",
    "tables",
    "to_json",
]

OURS: Final = "mqttproto"
DIRECTIONS: Final = ("decode", "encode")

_NOISE: Final = 0.95
"""What "not slower" means for a ratio: two runs of the same code differ by as much."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one contestant needed for one case.

    :ivar case: the title of the case.
    :ivar best: ns per packet in the best round; None if it took no part.
    :ivar median: the same in the median round.
    :ivar reason: why it took no part; or, where there are times, why they do not count.
    """

    direction: str
    case: str
    contestant: str
    best: float | None = None
    median: float | None = None
    reason: str | None = None


@dataclass
class Report:
    """What one process measured: one interpreter, one speed of ours.

    :ivar speed: the speed of ours; ``"absent"`` if it is not there.
    :ivar packets: per run.
    :ivar versions: of the libraries that took part, by name.
    :ivar absent: why the others did not, by name.
    """

    speed: str
    python: str
    rounds: int
    packets: int
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)

    def of(self, direction: str, case: Case) -> list[Result]:
        """Return the results of a case."""
        return [
            result
            for result in self.results
            if (result.direction, result.case) == (direction, case.title)
        ]

    def target(self, direction: str, case: Case) -> float | None:
        """Return how many times faster than the fastest peer this speed is meant to be.

        None for the pure speed, which is for machines that can compile nothing.
        """
        if self.speed not in ("compiled", "c"):
            return None
        compiled = self.speed == "compiled"
        if not case.hot:
            return 1.0
        if direction == "encode":
            return 8.0 if compiled else 2.5
        if case.version == 5:
            return 15.0 if compiled else 5.0
        return 10.0 if compiled else 3.5


def to_json(reports: Iterable[Report]) -> str:
    """Write a list of reports with everything in them, the medians included."""
    return json.dumps([asdict(report) for report in reports], indent=1)


def from_json(text: str) -> list[Report]:
    """Read what :func:`to_json` wrote."""
    return [
        Report(**{**loaded, "results": [Result(**result) for result in loaded["results"]]})
        for loaded in json.loads(text)
    ]


class _Row:
    """One case in the tables.

    :ivar peers: the times of the peers by name, the best of all runs.
    :ivar short: the peers whose time does not count.
    :ivar fastest: the fastest peer whose time does.
    """

    def __init__(
        self, direction: str, case: Case, reports: Iterable[Report], *, median: bool
    ) -> None:
        self.title = case.title
        self.ours: list[tuple[float | None, float | None, float | None]] = []
        self.peers: dict[str, float] = {}
        self.short: set[str] = set()
        for report in reports:
            ours: float | None = None
            counted: list[float] = []
            for result in report.of(direction, case):
                time = result.median if median else result.best
                if time is None:
                    continue
                if result.contestant == OURS:
                    ours = time
                    continue
                if result.reason is None:
                    counted.append(time)
                else:
                    self.short.add(result.contestant)
                earlier = self.peers.get(result.contestant, time)
                self.peers[result.contestant] = min(time, earlier)
            # A ratio is one of two times that were taken in turn.
            ratio = None if ours is None or not counted else min(counted) / ours
            self.ours.append((ours, ratio, report.target(direction, case)))
        counting = {name: time for name, time in self.peers.items() if name not in self.short}
        self.fastest = min(counting, key=counting.__getitem__, default=None)

    def peer(self, name: str) -> str:
        """Return the cell of one peer."""
        if name not in self.peers:
            return "-"
        text = f"{self.peers[name]:,.0f}"
        if name in self.short:
            return f"({text})"
        return f"**{text}**" if name == self.fastest else text


def _rows(direction: str, reports: Sequence[Report], *, median: bool) -> list[_Row]:
    """Return a row for every case that was measured."""
    rows = (_Row(direction, case, reports, median=median) for case in cases(1))
    return [row for row in rows if row.peers or any(time for time, _, _ in row.ours)]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def tables(reports: Sequence[Report], *, median: bool = False) -> str:
    """Lay out both directions in Markdown, in ns per packet.

    Ours comes first, at each speed, then the peers at their best of all runs, the fastest in bold.
    What stands in parentheses does not count.
    """
    peers = dict.fromkeys(name for report in reports for name in report.versions if name != OURS)
    laid_out = []
    for direction in DIRECTIONS:
        header = [direction]
        for report in reports:
            header += [f"{OURS} {report.speed}", "ratio", "target"]
        rows = []
        for row in _rows(direction, reports, median=median):
            cells = [row.title]
            for time, ratio, target in row.ours:
                cells += [_number(time, ",.0f"), _number(ratio, ".1f"), _number(target, "g")]
            rows.append(cells + [row.peer(name) for name in peers])
        laid_out.append(pipe_table([*header, *peers], rows))
    return "\n\n".join(laid_out)


def describe(reports: Iterable[Report]) -> str:
    """Return who took part, and who did not and why."""
    lines = []
    left_out: dict[str, None] = {}
    for report in reports:
        versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        lines.append(
            f"{report.speed}: Python {report.python}, {report.packets} packets per run,"
            f" {report.rounds} rounds; {versions or 'nobody'}"
        )
        lines += [f"  absent: {name}: {reason}" for name, reason in report.absent.items()]
        for result in report.results:
            if result.reason is not None:
                mark = "-" if result.best is None else "()"
                left_out[f"  {mark}: {result.contestant} {result.reason}"] = None
    return "\n".join([*lines, *left_out])


def misses(reports: Sequence[Report], *, median: bool = False) -> list[str]:
    """Return a line for every ratio that does not reach its target."""
    return [
        f"{direction} {row.title}, {report.speed}: ratio {ratio:.1f}, not {target:g}"
        for direction in DIRECTIONS
        for row in _rows(direction, reports, median=median)
        for report, (_, ratio, target) in zip(reports, row.ours, strict=True)
        if ratio is not None and target is not None and ratio < (target if target > 1 else _NOISE)
    ]
