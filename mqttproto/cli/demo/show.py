"""A demonstration as a whole."""

from contextlib import suppress
from functools import partial
from random import Random, SystemRandom
from typing import Final, final

from mqttproto.cli.console import BAD_INPUT, Failure, complain, write
from mqttproto.cli.demo.bar import Bar
from mqttproto.cli.demo.exchange import exchange, forget
from mqttproto.cli.demo.libraries import Asyncio, Library, Trio
from mqttproto.cli.demo.server import Server
from mqttproto.cli.demo.table import Run, heading, row, verdict
from mqttproto.cli.demo.tally import Tally
from mqttproto.cli.hub import serve_hub
from mqttproto.constants import ProtocolVersion
from mqttproto.testing.live import FaultProxy, LoopThread, Schedule
from mqttproto.transport.url import Address

__all__ = ["show"]

_VERSIONS: Final = (ProtocolVersion.MQTT311, ProtocolVersion.MQTT5)
_QOS: Final = (0, 1, 2)

_MOST_CUTS: Final = 50
"""The most in one run, so that it ends."""

_BYTES: Final = 4
"""For each message of a run a connection lasts so many bytes, on average: that is some ten cuts."""

_LEAST: Final = 500
_HANDSHAKE: Final = 8_000
"""What a connection lasts in bytes beside: so that one gets through now and then, with TLS too."""


def show(url: str | None, count: int, seed: int | None) -> None:
    """Give a demonstration, and print what has come of it.

    :param url: of the server; None: one is started.
    :param count: how many messages to send in each run.
    :param seed: what the cuts are drawn with; None: chance.
    :raises Failure: if a promise was broken, or something is wrong with the server.
    """
    server = None if url is None else Server.at(url)
    libraries = _libraries()
    if seed is None:
        seed = SystemRandom().randrange(1_000_000)
    with LoopThread() as thread:
        foreign = server is not None
        if server is None:
            port = thread.enter(serve_hub()).port
            server = Server(Address("mqtt", "127.0.0.1", port))
        demonstration = _Demonstration(thread, server, foreign, count, Random(seed))
        results = demonstration.give(libraries)
    write(verdict(results))
    if not all(tally.kept(run.qos) for run, tally in results):
        raise Failure(BAD_INPUT, f"--seed {seed} cuts at the same bytes again")


def _libraries() -> list[Library]:
    libraries: list[Library] = [Asyncio()]
    try:
        libraries.append(Trio())
    except ImportError:
        complain("trio is left out, because it is not installed: pip install 'mqttproto[trio]'")
    return libraries


@final
class _Demonstration:
    """All the runs with one server.

    :param foreign: whether the server has other clients, and is to be left as it was.
    """

    def __init__(
        self, thread: LoopThread, server: Server, foreign: bool, count: int, random: Random
    ) -> None:
        self._thread: Final = thread
        self._server: Final = server
        self._foreign: Final = foreign
        self._count: Final = count
        self._random: Final = random

    def give(self, libraries: list[Library]) -> list[tuple[Run, Tally]]:
        """Do every run, and print a line of each."""
        runs = [
            (library, Run(library.name, version, qos))
            for version in _VERSIONS
            for qos in _QOS
            for library in libraries
        ]
        bar = Bar(len(runs) * self._count)
        results: list[tuple[Run, Tally]] = []
        if self._foreign:
            # Whether it can be reached at all shows best without cuts.
            for version in _VERSIONS:
                self._forget(_new_id(), version)
        write(heading())
        try:
            for library, run in runs:
                tally = self._do(library, run, bar, len(results) * self._count)
                bar.clear()
                write(row(run, tally))
                results.append((run, tally))
        finally:
            bar.clear()
        return results

    def _do(self, library: Library, run: Run, bar: Bar, done: int) -> Tally:
        server, count = self._server, self._count
        mean = _LEAST + _BYTES * count + _HANDSHAKE * server.address.tls
        schedule = Schedule.cuts(self._random, connections=_MOST_CUTS, mean_bytes=mean)
        address = server.address
        proxy = self._thread.enter(FaultProxy(address.host, address.port, schedule=schedule))
        tally = Tally()

        def progress() -> None:
            name = f"{run.client}, {run.version.label}, QoS {run.qos}"
            bar.show(done + tally.received, f"{name}, {proxy.cuts} cuts")

        client_id = _new_id()
        url = server.url_behind(proxy.port)
        what = (library, url, client_id, run, tally, count, progress)
        try:
            library.run(partial(exchange, *what, **server.options))
        finally:
            if self._foreign:
                with suppress(Failure):
                    self._forget(client_id, run.version)
        tally.cuts = proxy.cuts
        return tally

    def _forget(self, client_id: str, version: ProtocolVersion) -> None:
        library, server = Asyncio(), self._server
        library.run(partial(forget, library, server.url, client_id, version, **server.options))


def _new_id() -> str:
    """A client identifier that nobody has."""
    return f"demo-{SystemRandom().getrandbits(48):012x}"
