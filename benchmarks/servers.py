"""The servers that clients are measured with, each in processes of its own, on loopback."""

import abc
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["HOST", "SERVERS", "Mosquitto", "Responder", "Server", "Tally", "compile_responder"]

HOST: Final = "127.0.0.1"

_PATIENCE: Final = 10.0
"""How long a server may take to start, or to notice that a client has gone, in seconds."""

_CONFIGURATION: Final = """\
listener {port} {host}
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
max_keepalive 65535
set_tcp_nodelay true
persistence false
log_type error
"""
"""Of mosquitto: without a limit, without a disk."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a server has seen of one client.

    :ivar published: how many messages came at QoS 0, 1 and 2.
    :ivar in_flight: how many of those above QoS 0 were in flight at most, as far as it can tell.
    :ivar late: how many at QoS 0 came behind the last one at QoS 1.
    :ivar busy: the share of the time that the server was not idle, in percent.
    """

    published: tuple[int, int, int]
    in_flight: int
    late: int
    busy: int


def compile_responder(folder: Path) -> Path:
    """Compile ``responder.c``; where it lies now."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise FileNotFoundError("the responder needs a C compiler, and there is none")
    program = folder / "responder"
    source = Path(__file__).with_name("responder.c")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", program, source], check=True)
    return program


class Server(abc.ABC):
    """A server; it runs as long as the ``with`` block.

    :ivar port: where it listens.
    """

    port: int

    def __init__(self, responder: Path) -> None:
        self._program = responder
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with self._cleanup:
            self._start()
            self._cleanup = self._cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @staticmethod
    @abc.abstractmethod
    def release() -> str:
        """Its name, with its version if it has one."""

    @abc.abstractmethod
    def _start(self) -> None: ...

    def tally(self) -> Tally | None:
        """What was seen of the client that has gone last; None if it does not tell."""
        return None

    def _responder(self, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [self._program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._cleanup.callback(_end, process)
        return process


class Responder(Server):
    """``responder.c``, which does so little that no client waits for it."""

    @staticmethod
    def release() -> str:
        return "the responder"

    def _start(self) -> None:
        self._process = self._responder()
        self.port = int(_line(self._process))

    def tally(self) -> Tally:
        numbers = [int(number) for number in _line(self._process).split()]
        at_0, at_1, at_2, in_flight, late, busy = numbers
        return Tally((at_0, at_1, at_2), in_flight, late, busy)


class Mosquitto(Server):
    """mosquitto; the responder, as another client of it, publishes what is to be received."""

    @staticmethod
    def release() -> str:
        helped = subprocess.run([_mosquitto(), "-h"], capture_output=True, text=True, check=False)
        return helped.stdout.partition("\n")[0].replace(" version", "")

    def _start(self) -> None:
        folder = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory()))
        self.port = _free_port()
        configuration = folder / "mosquitto.conf"
        configuration.write_text(_CONFIGURATION.format(host=HOST, port=self.port))
        log = folder / "mosquitto.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [_mosquitto(), "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self._cleanup.callback(_end, process)
        deadline = time.monotonic() + _PATIENCE
        while not _listened_on(self.port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto does not start: {log.read_text()}")
            time.sleep(0.01)
        _line(self._responder(HOST, str(self.port)))


SERVERS: Final[dict[str, type[Server]]] = {"responder": Responder, "mosquitto": Mosquitto}


def _line(process: "subprocess.Popen[str]") -> str:
    """Read a line of what a responder says."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the responder has ended")
    return line


def _end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Kill a process, unless it has ended."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()


def _mosquitto() -> str:
    # Debian keeps servers where users' shells do not look.
    path = shutil.which(
        "mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    )
    if path is None:
        raise FileNotFoundError("mosquitto is not installed here")
    return path


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _listened_on(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True
