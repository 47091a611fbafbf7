"""The results of a demonstration, for people."""

from typing import Final, NamedTuple

from mqttproto.cli.demo.tally import Tally
from mqttproto.constants import ProtocolVersion

__all__ = ["Run", "heading", "row", "verdict"]

_TITLES: Final = (
    "client ",
    "MQTT ",
    "QoS",
    "  sent",
    "received",
    "duplicates",
    "  lost",
    "resumed",
    "messages/s",
)
"""As wide as their columns; the first two are words, and stand to the left."""


class Run(NamedTuple):
    """One line of the table.

    :ivar client: what the client waits with.
    """

    client: str
    version: ProtocolVersion
    qos: int


def heading() -> str:
    """The first line, with its newline."""
    return _line(_TITLES)


def row(run: Run, tally: Tally) -> str:
    """The line of a run, with its newline; one that broke its promise is marked."""
    numbers = (tally.sent, tally.received, tally.duplicates, tally.lost, tally.resumed, tally.rate)
    cells = [f"{number:,.0f}" for number in numbers]
    line = _line((run.client, run.version.label, str(run.qos), *cells))
    return line if tally.kept(run.qos) else f"{line.rstrip()}  <- broken\n"


def _line(cells: tuple[str, ...]) -> str:
    words = [f"{cell:{len(title)}}" for cell, title in zip(cells[:2], _TITLES, strict=False)]
    numbers = [f"{cell:>{len(title)}}" for cell, title in zip(cells[2:], _TITLES[2:], strict=True)]
    return "  ".join((*words, *numbers)).rstrip() + "\n"


def verdict(results: list[tuple[Run, Tally]]) -> str:
    """What it all means, with its newline."""
    broken = sorted({run.qos for run, tally in results if not tally.kept(run.qos)})
    if broken:
        return f"The promise of QoS {' and '.join(map(str, broken))} was broken.\n"
    cuts = sum(tally.cuts for _, tally in results)
    return (
        f"Cut {cuts:,} times, QoS 1 has lost no message, and QoS 2 has delivered each exactly"
        " once.\n"
    )
