"""Connections: nanoseconds per message through a client, against another sans-IO engine.

``python benchmarks/protocol.py`` drives the client of the mqttproto of this interpreter, and the
engine of mqttium, with the same bytes of a server: QoS 0, 1 and 2, in and out, with every
acknowledgement, 64 messages per read and one. Then it joins our client to our server. Then it
tells how much memory a connection takes, and a message in flight. ``ratio`` says how many times
less than the peer it needs.

What is read was put together before the clock starts. A rehearsal finds out which packet
identifiers a client chooses, because the answers must have them. Every event and every byte sent
is checked once before the time is taken. Events and bytes are dropped at once in a timed run, so
what it costs to free them counts.

With ``--all-speeds`` it runs itself once for each speed of mqttproto; see ``codec.py``.
"""

import platform
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import memory
import traffic
from command import Size, load, main
from engines.base import Engine
from report import OURS, Report, Result
from timing import Run, interleave, keep_memory
from traffic import Case, Message, Turn

CONTESTANTS: Final = {
    OURS: ("engines.ours", "Ours"),
    "mqttium": ("engines.mqttium", "Mqttium"),
}

LIMITS: Final = {memory.IDLE: 4096.0, memory.IN_FLIGHT: 600.0}
"""The most bytes that ours may take."""


class CheckError(Exception):
    """A contestant did something else than was expected."""


def nowhere() -> Callable[[Any], None]:
    """Return a sink that keeps nothing."""
    return deque[Any](maxlen=0).append


def target(speed: str, batch: int) -> float | None:
    """How many times faster than the peer a speed is meant to be; None for the pure speed."""
    if speed == "compiled":
        return 8.0 if batch > 1 else 4.0
    return 1.5 if speed == "c" else None


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise CheckError(f"{what}: {str(found)[:300]} is not {str(wanted)[:300]}")


def play(engine: Engine, case: Case, turns: Iterable[Turn]) -> tuple[Any, bytes]:
    """Run once; what the events say, and the bytes that were sent."""
    events: list[Any] = []
    data: list[bytes] = []
    engine.player(case.version, case.qos, turns, events.append, data.append)()
    return engine.heard(events), b"".join(data)


def prepare_in(engine: Engine, case: Case, count: int) -> list[Turn]:
    """What is received, checked."""
    turns = traffic.incoming(case, count)
    where = f"{engine.name}, in, {case.title}"
    (messages, completed), data = play(engine, case, turns)
    wanted = [(*each, case.qos, False, False) for each in traffic.messages(count)]
    expect(where, messages, wanted)
    expect(where, completed, [])
    expect(where, data, traffic.incoming_answers(case, count))
    return turns


def prepare_out(engine: Engine, case: Case, count: int) -> list[Turn]:
    """What is published, with the answers; checked."""
    sent: list[bytes] = []
    script: list[Turn] = []
    turns = traffic.rehearse(case, count, sent, script)
    engine.player(case.version, case.qos, turns, nowhere(), sent.append)()
    where = f"{engine.name}, out, {case.title}"
    (messages, completed), data = play(engine, case, script)
    wanted, identifiers = traffic.outgoing(case, script)
    expect(where, messages, [])
    expect(where, completed, identifiers)
    expect(where, data, wanted)
    return script


DIRECTIONS: Final = {"in": prepare_in, "out": prepare_out}


def measure(
    direction: str, case: Case, count: int, engines: Sequence[Engine], report: Report
) -> None:
    """Check all contestants of a case, then time them in turn; the results go into the report."""
    setups: dict[str, Callable[[], Run]] = {}
    for engine in engines:
        turns = DIRECTIONS[direction](engine, case, count)
        setups[engine.name] = partial(
            engine.player, case.version, case.qos, turns, nowhere(), nowhere()
        )
    for name, timing in interleave(setups, report.rounds).items():
        wanted = target(report.speed, case.batch) if name == OURS else None
        best, median = timing.best / count, timing.median / count
        report.results.append(Result(direction, case.title, name, best, median, target=wanted))


def measure_pair(up: bool, case: Case, count: int, report: Report) -> None:
    """Check our client and our server together, then time them."""
    from engines import pair
    from engines.ours import Ours

    table = "client to server" if up else "server to client"
    batches: list[list[Message]] = traffic.batches(count, case.batch)
    of_client: list[Any] = []
    of_server: list[Any] = []
    player = partial(pair.player, case.version, case.qos, batches, up=up)
    player(client_events=of_client.append, server_events=of_server.append)()
    ours = Ours()
    receiver, sender = (of_server, of_client) if up else (of_client, of_server)
    messages, _ = ours.heard(receiver)
    _, completed = ours.heard(sender)
    expect(table, messages, [(*each, case.qos, False, False) for each in traffic.messages(count)])
    expect(table, len(completed), count if case.qos else 0)
    setup = partial(player, client_events=nowhere(), server_events=nowhere())
    timing = interleave({OURS: setup}, report.rounds)[OURS]
    report.results.append(
        Result(table, case.title, OURS, timing.best / count, timing.median / count)
    )


def measure_memory(kind: str, engines: Sequence[Engine], report: Report) -> None:
    """Weigh all contestants, both ways."""
    for table, weigh in (
        ("bytes allocated", memory.allocated),
        ("bytes resident", memory.resident),
    ):
        for engine in engines:
            weight = weigh(engine, kind)
            if weight is None:
                report.results.append(
                    Result(table, kind, engine.name, reason="cannot be weighed on this system")
                )
                continue
            limit = LIMITS[kind] if engine.name == OURS else None
            report.results.append(Result(table, kind, engine.name, weight, weight, limit=limit))


def run(speed: str | None, size: Size, only: str) -> Report:
    """Measure everything in this process; see :func:`command.main`."""
    extent = f"{size.count} messages per run"
    report = Report("absent", platform.python_version(), size.rounds, extent)
    engines: list[Engine] = load(CONTESTANTS, report)
    if speed is not None and speed != report.speed:
        raise SystemExit(f"protocol.py: {OURS} is {report.speed} here, not {speed}")

    def wanted(table: str, title: str) -> bool:
        """Whether to measure this; says so."""
        chosen = only.lower() in f"{table} {title}".lower()
        if chosen:
            print(f"{report.speed}: {table} {title}", file=sys.stderr)
        return chosen

    for kind in memory.KINDS:  # before malloc is told to keep memory
        if wanted("memory", kind):
            measure_memory(kind, engines, report)
    keep_memory()
    for direction in DIRECTIONS:
        for case in traffic.cases():
            if wanted(direction, case.title):
                measure(direction, case, size.count, engines, report)
    for up in (True, False):
        for case in traffic.cases():
            if OURS in report.versions and wanted("client and server", case.title):
                measure_pair(up, case, size.count, report)
    return report


if __name__ == "__main__":
    title = __doc__.partition("\n")[0]
    sys.exit(main(__file__, title, run, full=Size(15, 4096), quick=Size(5, 1024)))
