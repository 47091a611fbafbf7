"""The command ``mqttproto`` in a process of its own, for the tests of the command line."""

import os
import select
import subprocess
import sys
from collections.abc import Mapping
from typing import IO, Any

_PATIENCE = 60.0


def command(*arguments: str) -> list[str]:
    """The command line: the interpreter and the package under test, warnings being errors."""
    return [sys.executable, "-P", "-W", "error", "-m", "mqttproto", *arguments]


def run(
    *arguments: str,
    stdin: bytes | int = b"",
    stdout: int | IO[Any] = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end.

    :param stdin: what it reads, or a file descriptor that it reads from.
    :param env: what is added to the environment.
    """
    given: dict[str, Any] = {"stdin": stdin} if isinstance(stdin, int) else {"input": stdin}
    return subprocess.run(
        command(*arguments),
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        timeout=_PATIENCE,
        check=False,
        **given,
    )


class Running:
    """The command while it runs: a context manager that leaves no process behind."""

    def __init__(self, *arguments: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command(*arguments), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0
        )

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, data: bytes) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def line(self, patience: float = _PATIENCE) -> bytes:
        """The next line of its output; empty if none comes in ``patience`` seconds."""
        output = self.process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], patience)
        return output.readline() if ready else b""

    def end(self) -> tuple[int, bytes, bytes]:
        """Close its standard input and return exit status, the rest of the output, and errors."""
        output, errors = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, output, errors
