"""How much memory connections and messages in flight take, in bytes each.

Allocated bytes are those that tracemalloc counts; compiled objects come from the same allocator.
Resident bytes are those that the process has grown by: that takes a process of its own, so this
file is run as a script for them.
"""

import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from engines.base import Engine

__all__ = ["IDLE", "IN_FLIGHT", "KINDS", "allocated", "resident"]

IDLE: Final = "idle client connection"
IN_FLIGHT: Final = "QoS 1 message in flight, payload of 64 bytes"

COUNT: Final = 10_000
"""How many of each: mqttium keeps no more messages in flight."""

_PAYLOAD: Final = 64
_BATCH: Final = 50
"""How many messages are published before their bytes are taken, as a loop does now and then."""


def _idle(engine: Engine) -> object:
    return [engine.client(5) for _ in range(COUNT)]


def _in_flight(engine: Engine) -> object:
    client = engine.client(5)
    topic = "plant/7/temperature"  # one for all; but every message has a payload of its own
    for start in range(0, COUNT, _BATCH):
        numbers = range(start, min(start + _BATCH, COUNT))
        engine.publish_all(client, [(topic, each.to_bytes(_PAYLOAD, "big")) for each in numbers])
    return client


KINDS: Final[dict[str, Callable[[Engine], object]]] = {
    IDLE: _idle,
    IN_FLIGHT: _in_flight,
}


def allocated(engine: Engine, kind: str) -> float:
    """Return the bytes that one takes, by what was allocated and is not freed."""
    make = KINDS[kind]
    make(engine)  # whatever is made once is there now
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = make(engine)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return (after - before) / COUNT


def resident(engine: Engine, kind: str) -> float | None:
    """Return the bytes that one takes, by the growth of a new process; None if it cannot tell."""
    if not Path("/proc/self/statm").exists():
        return None
    where = type(engine)
    command = [sys.executable, __file__, where.__module__, where.__name__, kind]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def main() -> None:
    """Print what :func:`resident` returns, of this process."""
    module, name, kind = sys.argv[1:]
    engine: Engine = getattr(import_module(module), name)()
    engine.publish_all(engine.client(5), [("t", b"")])
    gc.collect()
    before = _resident_pages()
    kept = KINDS[kind](engine)
    gc.collect()
    after = _resident_pages()
    print((after - before) * os.sysconf("SC_PAGE_SIZE") / COUNT)
    del kept


if __name__ == "__main__":
    main()
