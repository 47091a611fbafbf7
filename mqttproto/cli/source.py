"""Where the bytes come from: a file, or standard input as a stream."""

import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Final

from mqttproto.cli.console import UNUSABLE, Failure
from mqttproto.cli.progress import Meter, Progress

__all__ = ["reading", "source_name"]

_CHUNK: Final = 1 << 16


def source_name(path: str) -> str:
    """What to call the input in messages."""
    return "standard input" if path == "-" else path


@contextmanager
def reading(path: str, meter: Callable[[int], Meter] = Progress) -> Iterator[Iterator[bytes]]:
    """Open the input: an iterator over its chunks, each handed out as soon as it is there.

    :param path: a file's, or ``-`` for standard input.
    :param meter: makes what follows the reading, of the size of the input in bytes, 0 if there is
        no telling.
    :raises Failure: if it cannot be read, now or later.
    """
    name = source_name(path)
    try:
        file = _open(path)
    except (OSError, ValueError) as error:  # a ValueError: NUL in the path
        raise _unreadable(name, error) from None
    with file:
        status = os.fstat(file.fileno())
        progress = meter(status.st_size if stat.S_ISREG(status.st_mode) else 0)
        try:
            yield _chunks(file, name, progress)
        finally:
            progress.clear()


def _open(path: str) -> FileIO:
    if path != "-":
        return FileIO(path)
    if sys.stdin is None:
        raise ValueError("it is closed")
    # Without the buffer, a read returns what is there instead of waiting for more.
    return FileIO(sys.stdin.fileno(), closefd=False)


def _chunks(file: FileIO, name: str, progress: Meter) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(_CHUNK)
        except OSError as error:
            raise _unreadable(name, error) from None
        if chunk is None:  # someone made the pipe non-blocking
            select.select([file], [], [])
        elif chunk:
            progress.advance(len(chunk))
            yield chunk
        else:
            return


def _unreadable(name: str, error: OSError | ValueError) -> Failure:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Failure(UNUSABLE, f"{name}: {reason}")
