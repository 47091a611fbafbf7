"""A mosquitto for the tests that need one."""

import getpass
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recording_stage import end, free_port, listened_on, program

PATIENCE = 30.0


def needed(name: str) -> str:
    """The path of a program; without it the test is skipped."""
    try:
        return program(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@contextmanager
def mosquitto(folder: Path, *lines: str, port: int = 0) -> Iterator[int]:
    """A mosquitto that knows nothing yet; its port, on 127.0.0.1.

    :param folder: for its files.
    :param lines: of its configuration, behind that of the listener.
    """
    port = port or free_port()
    configuration = folder / f"mosquitto-{port}.conf"
    head = (f"user {getpass.getuser()}", "persistence false", f"listener {port} 127.0.0.1")
    if not any(line.startswith("allow_anonymous") for line in lines):
        lines = ("allow_anonymous true", *lines)
    configuration.write_text("\n".join([*head, *lines, ""]))
    log = folder / f"mosquitto-{port}.log"
    with log.open("ab") as file:
        process = subprocess.Popen(
            [needed("mosquitto"), "-c", str(configuration)], stdout=file, stderr=file
        )
    try:
        give_up = time.monotonic() + PATIENCE
        while not listened_on(port):
            started = process.poll() is None and time.monotonic() < give_up
            assert started, log.read_text()
            time.sleep(0.01)
        yield port
    finally:
        end(process)
