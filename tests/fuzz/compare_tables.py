"""Compare the C scanner's tables with the Python scanner's: ``compare_tables.py FINDING``.

Reads from standard input what ``harness print`` writes, a line for each case. At the first
difference it writes the case to FINDING and ends with status 1.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mqttproto.codec.pyscan import scan

TAIL: Final = 16
"""The bytes of a case behind those of the stream: see ``scan_check.h``."""


def compare(lines: Iterable[str], finding: Path) -> int:
    """How many cases there were, all with the same table from both.

    :raises SystemExit: at the first case with two tables.
    """
    count = 0
    for line in lines:
        arguments, _, rest = line.partition("=")
        digits, *cells = rest.split()
        case = bytes.fromhex(digits)
        start, beyond, version, sender, limit, capacity = map(int, arguments.split())
        table = scan(case[:-TAIL], start, beyond, version, sender, limit, capacity)
        if table != [int(cell) for cell in cells]:
            finding.write_bytes(case)
            raise SystemExit(
                f"not the same table, start {start}, beyond {beyond}, version {version}, sender"
                f" {sender}, limit {limit}, capacity {capacity}\nbytes  {case[:-TAIL].hex()}\n"
                f"C      {' '.join(cells)}\nPython {' '.join(map(str, table))}"
            )
        count += 1
    return count


if __name__ == "__main__":
    print(f"{compare(sys.stdin, Path(sys.argv[1]))} tables are the same as the Python scanner's")
