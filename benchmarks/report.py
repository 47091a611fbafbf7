"""The results of a benchmark: as JSON between processes, as tables for people."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from timing import pipe_table

__all__ = [
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

_NOISE: Final = 0.95
"""What "not slower" means for a ratio: two runs of the same code differ by as much."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one contestant needed for one case.

    :ivar table: the table that the case stands in; its name heads the first column.
    :ivar case: the title of the case.
    :ivar best: what it needed in the best round, as ns per packet; None if it took no part.
    :ivar median: the same in the median round.
    :ivar reason: why it took no part; or, where there are times, why they do not count.
    :ivar target: of ours: how many times less than the best peer it is meant to need.
    :ivar limit: of ours: how much it may need, whatever the peers do.
    """

    table: str
    case: str
    contestant: str
    best: float | None = None
    median: float | None = None
    reason: str | None = None
    target: float | None = None
    limit: float | None = None


@dataclass
class Report:
    """What one process measured: one interpreter, one speed of ours.

    :ivar speed: the speed of ours; ``"absent"`` if it is not there.
    :ivar extent: how much one run does, in words.
    :ivar versions: of the libraries that took part, by name.
    :ivar absent: why the others did not, by name.
    """

    speed: str
    python: str
    rounds: int
    extent: str
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)


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

    :ivar ours: for each report our time, its ratio to the best peer's, and the result.
    :ivar peers: the times of the peers by name, the best of all runs.
    :ivar short: the peers whose time does not count.
    :ivar fastest: the fastest peer whose time does.
    """

    def __init__(self, table: str, case: str, reports: Iterable[Report], *, median: bool) -> None:
        self.title = case
        self.ours: list[tuple[float | None, float | None, Result | None]] = []
        self.peers: dict[str, float] = {}
        self.short: set[str] = set()
        for report in reports:
            ours: float | None = None
            own: Result | None = None
            counted: list[float] = []
            for result in report.results:
                time = result.median if median else result.best
                if time is None or (result.table, result.case) != (table, case):
                    continue
                if result.contestant == OURS:
                    ours, own = time, result
                    continue
                if result.reason is None:
                    counted.append(time)
                else:
                    self.short.add(result.contestant)
                earlier = self.peers.get(result.contestant, time)
                self.peers[result.contestant] = min(time, earlier)
            # A ratio is one of two times that were taken in turn.
            ratio = None if ours is None or not counted else min(counted) / ours
            self.ours.append((ours, ratio, own))
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


def _rows(table: str, reports: Sequence[Report], *, median: bool) -> list[_Row]:
    """Return a row for every case that was measured."""
    titles = dict.fromkeys(
        result.case for report in reports for result in report.results if result.table == table
    )
    rows = (_Row(table, title, reports, median=median) for title in titles)
    return [row for row in rows if row.peers or any(time for time, _, _ in row.ours)]


def _table_names(reports: Iterable[Report]) -> list[str]:
    return list(dict.fromkeys(result.table for report in reports for result in report.results))


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _target(result: Result | None) -> str:
    if result is None:
        return "-"
    if result.limit is not None:
        return f"up to {result.limit:,.0f}"
    return _number(result.target, "g")


def tables(reports: Sequence[Report], *, median: bool = False) -> str:
    """Lay out all tables in Markdown; what is in them is in ns, if their names say nothing else.

    Ours comes first, at each speed, then the peers at their best of all runs, the fastest in bold.
    What stands in parentheses does not count. A column that would be empty is left out.
    """
    peers = dict.fromkeys(name for report in reports for name in report.versions if name != OURS)
    laid_out = []
    for table in _table_names(reports):
        found = _rows(table, reports, median=median)
        named = [name for name in peers if any(name in row.peers for row in found)]
        header = [table]
        for report in reports:
            header += [f"{OURS} {report.speed}", "ratio", "target"]
        rows = []
        for row in found:
            cells = [row.title]
            for time, ratio, own in row.ours:
                cells += [_number(time, ",.0f"), _number(ratio, ".1f"), _target(own)]
            rows.append(cells + [row.peer(name) for name in named])
        laid_out.append(pipe_table([*header, *named], rows))
    return "\n\n".join(laid_out)


def describe(reports: Iterable[Report]) -> str:
    """Return who took part, and who did not and why."""
    lines = []
    left_out: dict[str, None] = {}
    for report in reports:
        versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
        lines.append(
            f"{report.speed}: Python {report.python}, {report.extent},"
            f" {report.rounds} rounds; {versions or 'nobody'}"
        )
        lines += [f"  absent: {name}: {reason}" for name, reason in report.absent.items()]
        for result in report.results:
            if result.reason is not None:
                mark = "-" if result.best is None else "()"
                left_out[f"  {mark}: {result.contestant} {result.reason}"] = None
    return "\n".join([*lines, *left_out])


def misses(reports: Sequence[Report], *, median: bool = False) -> list[str]:
    """Return a line for everything that does not reach its target."""
    lines = []
    for table in _table_names(reports):
        for row in _rows(table, reports, median=median):
            for report, (time, ratio, own) in zip(reports, row.ours, strict=True):
                if own is None or time is None:
                    continue
                where = f"{table}: {row.title}, {report.speed}"
                if own.limit is not None and time > own.limit:
                    lines.append(f"{where}: {time:,.0f}, not at most {own.limit:,.0f}")
                target = own.target
                if target is None or ratio is None:
                    continue
                if ratio < (target if target > 1 else _NOISE):
                    lines.append(f"{where}: ratio {ratio:.1f}, not {target:g}")
    return lines
