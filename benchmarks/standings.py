"""Who was how fast: the figures of all clients, as tables and as JSON."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from timing import pipe_table

__all__ = ["Contest", "Contestant", "Standings", "describe", "misses", "shown", "tables"]

_NOISE: Final = 0.95
"""What "no worse" means for a ratio: two runs of the same code differ by as much."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the tables.

    :ivar ours: whether it is mqttproto; it is compared with the peers, not with itself.
    :ivar uvloop: whether it runs on uvloop. What does not is compared with peers that do not.
    """

    title: str
    ours: bool = False
    uvloop: bool = False


@dataclass(frozen=True, slots=True)
class Contest:
    """One column of a table.

    :ivar table: the table that it stands in; its name heads the first column.
    :ivar title: what heads this one.
    :ivar time: whether the figures are nanoseconds and not messages per second.
    :ivar drawn: whether it is shown in the plot.
    :ivar targets: by title of a contestant: how many times better than the best peer it is meant to
        be.
    """

    table: str
    title: str
    time: bool = False
    drawn: bool = False
    targets: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.table}: {self.title}"


@dataclass
class Standings:
    """All that was measured in one run.

    :ivar extent: how much was done, in words.
    :ivar server: the server, in words.
    :ivar busy: the share of the time that the server was not idle: the highest of all runs, in
        percent, and whose that was; None if it is not known.
    :ivar figures: by name of a contest and title of a contestant, one for each round.
    :ivar releases: the versions of the libraries that took part, by name.
    :ivar failures: why there are no figures, or no more, by contestant and reason.
    """

    extent: str
    server: str
    contestants: list[Contestant]
    contests: list[Contest]
    busy: tuple[int, str] | None = None
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def add(self, contest: Contest, contestant: Contestant, figure: float) -> None:
        by_contestant = self.figures.setdefault(contest.name, {})
        by_contestant.setdefault(contestant.title, []).append(figure)

    def fail(self, contestant: Contestant, where: str, reason: str) -> None:
        self.failures.setdefault(f"{contestant.title}: {reason}", []).append(where)

    def figure(
        self, contest: Contest, contestant: Contestant, *, median: bool = False
    ) -> float | None:
        """What a contestant reached, in its best round or in the median one."""
        figures = self.figures.get(contest.name, {}).get(contestant.title)
        if not figures:
            return None
        if median:
            return statistics.median(figures)
        return min(figures) if contest.time else max(figures)

    def best_peer(
        self, contest: Contest, *, uvloop: bool = True, median: bool = False
    ) -> tuple[Contestant, float] | None:
        """The best of those that are not ours, and what it reached.

        :param uvloop: whether those that run on uvloop count.
        """
        found = [
            (contestant, figure)
            for contestant in self.contestants
            if not contestant.ours and (uvloop or not contestant.uvloop)
            if (figure := self.figure(contest, contestant, median=median)) is not None
        ]
        choose = min if contest.time else max
        return choose(found, key=lambda each: each[1], default=None)

    def ratio(
        self, contest: Contest, contestant: Contestant, *, median: bool = False
    ) -> float | None:
        """How many times better one of ours is than the best peer."""
        if not contestant.ours:
            return None
        figure = self.figure(contest, contestant, median=median)
        peer = self.best_peer(contest, uvloop=contestant.uvloop, median=median)
        if figure is None or peer is None:
            return None
        return peer[1] / figure if contest.time else figure / peer[1]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Standings":
        loaded = json.loads(text)
        loaded["contestants"] = [Contestant(**each) for each in loaded["contestants"]]
        loaded["contests"] = [Contest(**each) for each in loaded["contests"]]
        loaded["busy"] = loaded["busy"] and tuple(loaded["busy"])
        return cls(**loaded)


def shown(figure: float) -> str:
    """A figure in thousands: a rate as thousands per second, a time as microseconds."""
    thousands = figure / 1000
    return f"{thousands:,.0f}" if thousands >= 100 else f"{thousands:.1f}"


def _cell(standings: Standings, contest: Contest, contestant: Contestant, *, median: bool) -> str:
    figure = standings.figure(contest, contestant, median=median)
    if figure is None:
        return "-"
    text = shown(figure)
    ratio = standings.ratio(contest, contestant, median=median)
    if ratio is not None:
        return f"{text} ({ratio:.1f})"
    best = standings.best_peer(contest, median=median)
    return f"**{text}**" if best is not None and best[0] == contestant else text


def tables(standings: Standings, *, median: bool = False) -> str:
    """Lay out all tables in Markdown: contestants one below the other, ours first.

    Behind a figure of ours stands its ratio to the best peer, which is in bold. Rows and columns
    that would be empty are left out.
    """
    laid_out = []
    measured = [contest for contest in standings.contests if standings.figures.get(contest.name)]
    for table in dict.fromkeys(contest.table for contest in measured):
        contests = [contest for contest in measured if contest.table == table]
        rows = [
            [
                contestant.title,
                *(_cell(standings, contest, contestant, median=median) for contest in contests),
            ]
            for contestant in standings.contestants
        ]
        rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
        laid_out.append(pipe_table([table, *(contest.title for contest in contests)], rows))
    goals = [
        [
            contest.name,
            contestant.title,
            f"{target:g}",
            f"{ratio:.2f}",
            "yes" if _reached(ratio, target) else "no",
        ]
        for contest, contestant, target, ratio in _goals(standings, median=median)
    ]
    if goals:
        laid_out.append(pipe_table(["target", "of", "ratio meant", "ratio", "met"], goals))
    return "\n\n".join(laid_out)


def _goals(
    standings: Standings, *, median: bool
) -> Iterable[tuple[Contest, Contestant, float, float]]:
    """Every target, with the ratio that was reached."""
    for contest in standings.contests:
        for contestant in standings.contestants:
            target = contest.targets.get(contestant.title)
            ratio = standings.ratio(contest, contestant, median=median)
            if target is not None and ratio is not None:
                yield contest, contestant, target, ratio


def _reached(ratio: float, target: float) -> bool:
    return ratio >= (target if target > 1 else _NOISE)


def misses(standings: Standings, *, median: bool = False) -> list[str]:
    """Return a line for everything that does not reach its target."""
    return [
        f"{contest.name}, {contestant.title}: ratio {ratio:.2f}, not {target:g}"
        for contest, contestant, target, ratio in _goals(standings, median=median)
        if not _reached(ratio, target)
    ]


def describe(standings: Standings) -> str:
    """Return what was measured, who took part, and who did not and why."""
    versions = ", ".join(f"{name} {version}" for name, version in standings.releases.items())
    lines = [f"{standings.extent}, against {standings.server}; {versions or 'nobody'}"]
    if standings.busy is not None:
        share, whose = standings.busy
        lines.append(f"  the server was busy at most {share} % of the time: {whose}")
    for what, where in standings.failures.items():
        lines.append(f"  -: {what} ({_listed(where)})")
    return "\n".join(lines)


def _listed(places: Sequence[str]) -> str:
    first, *more = dict.fromkeys(places)
    return f"{first} and {len(more)} more" if more else first
