"""Draw the state diagrams of the page "States" from the tables of the library.

``python docs/states.py`` writes what it draws between the markers of ``states.md``. With
``--check`` it writes nothing, and exits 1 if the page does not show the tables as they are.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from mqttproto.codec.faults import FAULTS
from mqttproto.constants import PacketType, Sender
from mqttproto.protocol.authentication import AUTHENTICATION
from mqttproto.protocol.handshakes import INBOUND, OUTBOUND
from mqttproto.protocol.transitions import LIFE, RECEPTION, Reaction

PAGE: Final = Path(__file__).resolve().parent / "states.md"
MARKED: Final = re.compile(r"(<!-- drawn: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def words(member: IntEnum) -> str:
    """The name of a member, as people write it."""
    return member.name.lower().replace("_", " ")


def diagram(first: str, arrows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """A state diagram: from, to, and what leads there; arrows between the same two are one."""
    labels: dict[tuple[str, str], list[str]] = {}
    for start, end, label in arrows:
        labels.setdefault((start, end), []).append(label)
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {first}"
    for (start, end), texts in labels.items():
        yield f"    {start} --> {end}: {', '.join(texts)}"
    yield "```"


def life() -> Iterator[str]:
    """The states of a connection."""
    arrows = [(start.name, end.name, words(trigger)) for (start, trigger), end in LIFE.items()]
    yield from diagram("NEW", arrows)


BEGINNINGS: Final = [
    ("UNKNOWN", "AWAITS_PUBACK", "PUBLISH at QoS 1"),
    ("UNKNOWN", "AWAITS_PUBREC", "PUBLISH at QoS 2"),
]
"""How what is sent begins: by the application, and so in no table of answers."""


def steps(
    table: Mapping[tuple[Any, Any], Any], quiet: str, begin: Iterable[tuple[str, str, str]] = ()
) -> Iterator[str]:
    """The states of a message; what only does ``quiet`` is left out."""
    yield from diagram(
        "UNKNOWN",
        [
            *begin,
            *(
                (state.name, row.state.name, f"{words(happens)} / {words(row.step)}")
                for (state, happens), row in table.items()
                if row.step.name != quiet
            ),
        ],
    )


def grid(table: Mapping[tuple[Any, Any], Any]) -> Iterator[str]:
    """The same as a table: what to do in each state for each input, and the state that follows."""
    states, inputs = (dict.fromkeys(part) for part in zip(*table, strict=True))
    yield f"| state | {' | '.join(words(each) for each in inputs)} |"
    yield f"| --- |{' --- |' * len(inputs)}"
    for state in states:
        cells = []
        for each in inputs:
            row = table[state, each]
            moves = "" if row.state is state else f" → {row.state.name}"
            cells.append(f"{words(row.step)}{moves}")
        yield f"| {state.name} | {' | '.join(cells)} |"


def authentication() -> Iterator[str]:
    """Whose turn it is."""
    yield from diagram(
        "SERVERS_TURN",
        [
            (state.name, end.name, words(step))
            for (state, step), end in AUTHENTICATION.items()
            if state is not end
        ],
    )


def reception(role: Sender) -> Iterator[str]:
    """A table: what each packet means in each state."""
    table = RECEPTION[role]
    yield f"| packet | {' | '.join(state.name for state in table)} |"
    yield f"| --- |{' --- |' * len(table)}"
    for packet in PacketType:
        cells = []
        for rows in table.values():
            row = rows[packet]
            fault = FAULTS[row.fault].rule if row.reaction is Reaction.FAIL else ""
            cells.append(f"fails: {fault}" if fault else words(row.reaction))
        yield f"| {packet.name} | {' | '.join(cells)} |"


DRAWINGS: Final[dict[str, Callable[[], Iterator[str]]]] = {
    "life": life,
    "outbound": lambda: steps(OUTBOUND, "VIOLATION", BEGINNINGS),
    "inbound": lambda: steps(INBOUND, "NOTHING"),
    "outbound_table": lambda: grid(OUTBOUND),
    "inbound_table": lambda: grid(INBOUND),
    "authentication": authentication,
    "client": lambda: reception(Sender.CLIENT),
    "server": lambda: reception(Sender.SERVER),
}


def drawn(page: str) -> str:
    """The page with every drawing as the tables are now."""

    def draw(found: re.Match[str]) -> str:
        lines = "\n".join(DRAWINGS[found[2]]())
        return f"{found[1]}\n{lines}\n\n{found[3]}"

    return MARKED.sub(draw, page)


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    missing = set(DRAWINGS) - {found[2] for found in MARKED.finditer(page)}
    if missing:
        print(f"{options.page}: no place for {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    if options.check:
        if drawn(page) != page:
            print(f"{options.page} is stale: run python docs/states.py", file=sys.stderr)
            return 1
        return 0
    options.page.write_text(drawn(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
