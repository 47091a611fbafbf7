"""Import time and installed size, of mqttproto and of the libraries that it is compared with.

The import time is that of an interpreter that imports the package, less that of one that imports
nothing, at their best of several runs, with the bytecode cached; the others import their clients.
The size is that of the files that
the distribution installed, without bytecode; then the same with all that it depends on. An editable
installation has no size of its own to speak of.
"""

import argparse
import re
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

from timing import Run, interleave, pipe_table

IMPORTS: Final = {
    "mqttproto": "import mqttproto",
    "mqttium": "import mqttium.api",
    "zmqtt": "import zmqtt",
    "gmqtt": "import gmqtt",
    "paho-mqtt": "import paho.mqtt.client",
    "amqtt": "import amqtt.client",
}
"""What one writes to use it, by distribution."""

BARE: Final = "bare interpreter"


def interpreter(statement: str) -> Run:
    """Return what runs one statement in a new interpreter."""
    # -P: only what is installed, not what happens to lie in the current folder.
    command = [sys.executable, "-P", "-c", statement]
    return partial(subprocess.run, command, check=True, capture_output=True)


def import_times(distributions: list[str], rounds: int) -> dict[str, float]:
    """Return the ms that importing takes, by distribution."""
    setups = {name: partial(interpreter, IMPORTS[name]) for name in distributions}
    setups[BARE] = partial(interpreter, "pass")
    for setup in setups.values():
        setup()()  # writes the bytecode
    timings = interleave(setups, rounds)
    return {name: (timings[name].best - timings[BARE].best) / 1e6 for name in distributions}


def own_size(name: str) -> int:
    """Return the bytes that a distribution installed, without bytecode."""
    paths = (Path(str(file.locate())) for file in metadata.files(name) or ())
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.exists())


def with_dependencies(name: str) -> set[str]:
    """Return the names of a distribution and of all installed ones that it needs, extras apart."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop().lower().replace("_", "-")
        try:
            needed = metadata.requires(current) or ()
        except metadata.PackageNotFoundError:
            continue  # for another platform or version of Python
        if current not in found:
            found.add(current)
            waiting += [re.split(r"[^\w.-]", each)[0] for each in needed if "extra ==" not in each]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="of which the best counts")
    arguments = parser.parse_args()
    installed = {each.name.lower() for each in metadata.distributions()}
    present = [name for name in IMPORTS if name in installed]
    times = import_times(present, arguments.rounds)
    rows = []
    for name in present:
        needed = with_dependencies(name)
        total = sum(map(own_size, needed))
        size = f"{own_size(name) / 1024:,.0f}", f"{total / 1024:,.0f}"
        rows.append((name, f"{times[name]:.1f}", *size, str(len(needed) - 1)))
    header = ("distribution", "import, ms", "size, KiB", "with all it needs, KiB", "which are")
    print(pipe_table(header, rows))
    for name in IMPORTS.keys() - present:
        print(f"absent: {name}")
    return 0 if "mqttproto" in present else 1


if __name__ == "__main__":
    sys.exit(main())
