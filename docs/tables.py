"""A Sphinx extension: fills in the tables that are made from the code and from the tests.

A line ``<!-- table: NAME -->`` in a page becomes the table of that name, in Markdown. So what a
page says about properties, faults and reason codes is what the code does.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from mqttproto.codec.faults import FAULTS, Fault, FaultRow
from mqttproto.codec.properties import PROPERTIES, WILL, PropertyRow, WireType
from mqttproto.codec.reasons import REASON_CODES
from mqttproto.constants import PacketType, ReasonCode, Sender
from mqttproto.errors import MalformedPacketError

MARK: Final = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)

WIRES: Final = {
    WireType.BYTE: "byte",
    WireType.U16: "two bytes",
    WireType.U32: "four bytes",
    WireType.VARINT: "variable byte integer",
    WireType.UTF8: "string",
    WireType.TOPIC_NAME: "topic name",
    WireType.BINARY: "binary data",
    WireType.PAIR: "string pair",
}


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def packets(bits: int) -> str:
    """The names of a set of packets, as the table of properties has it."""
    names = [packet.name for packet in PacketType if bits >> packet & 1]
    return ", ".join(names + ["will"] * (bits >> WILL & 1))


def property_row(row: PropertyRow) -> list[str]:
    """A property: identifier, name, wire type, range, packets and what else there is to know."""
    remarks = []
    if row.repeatable == row.packets:
        remarks.append("may be repeated")
    elif row.repeatable:
        remarks.append(f"may be repeated in {packets(row.repeatable)}")
    if row.not_from_client:
        remarks.append(f"in {packets(row.not_from_client)} from servers only")
    if row.not_from_server:
        remarks.append(f"in {packets(row.not_from_server)} from clients only")
    bounds = f"{row.low:,} to {row.high:,}" if row.high else ""
    return [
        f"{row.id:#04x}",
        f"`{row.name}`",
        WIRES[row.wire],
        bounds,
        packets(row.packets),
        "; ".join(remarks),
    ]


def properties() -> str:
    """All properties of 5.0, by identifier."""
    return table(
        ["id", "attribute", "on the wire", "range", "packets", "remarks"],
        map(property_row, PROPERTIES),
    )


def fault_row(fault: Fault, row: FaultRow) -> list[str]:
    """A fault: name, rule, kind, answers and statements."""
    of_5 = " or ".join(filter(None, (row.id5, row.id5_server)))
    return [
        f"`{fault.name}`",
        row.rule,
        "malformed" if row.error is MalformedPacketError else "violation",
        f"{row.reason_code:#04x}",
        row.id311,
        of_5,
    ]


def faults() -> str:
    """All faults, in the order of their numbers."""
    return table(
        ["fault", "rule", "kind", "reason code", "3.1.1", "5.0"],
        (fault_row(fault, row) for fault, row in FAULTS.items()),
    )


def reason_codes() -> str:
    """The reason codes of 5.0, and who may put which into which packet."""
    kinds = list(dict.fromkeys(packet for packet, _ in REASON_CODES))

    def cell(code: ReasonCode, packet: PacketType) -> str:
        senders = [each for each in Sender if code in REASON_CODES.get((packet, each), ())]
        return "".join(sender.name[0] for sender in senders)

    return table(
        ["code", "name", *(packet.name for packet in kinds)],
        (
            [f"{code:#04x}", f"`{code.name}`", *(cell(code, packet) for packet in kinds)]
            for code in ReasonCode
        ),
    )


def conformance() -> str:
    """The statements and the tests that show them.

    :raises ExtensionError: if they cannot be collected, or cite what does not exist.
    """
    # A process of its own: a build must not import the suite, with its settings, into itself.
    script = Path(__file__).with_name("conformance.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExtensionError(f"{script.name}: {done.stderr}")
    return done.stdout


TABLES: Final[dict[str, Callable[[], str]]] = {
    "conformance": conformance,
    "faults": faults,
    "properties": properties,
    "reason_codes": reason_codes,
}


def fill(app: Sphinx, _name: str, source: list[str]) -> None:
    """Put the tables into a page, and have it read anew at the next build: they may differ."""
    source[0], count = MARK.subn(lambda mark: TABLES[mark[1]](), source[0])
    if count:
        app.env.note_reread()


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx about it."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
