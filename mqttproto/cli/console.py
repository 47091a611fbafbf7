"""The standard streams: what may go wrong with them, and what a command says when it fails."""

import io
import os
import select
import sys
from typing import Final, TextIO

from mqttproto.cli.text import visible

__all__ = [
    "BAD_INPUT",
    "INTERRUPTED",
    "NO_READER",
    "TIMED_OUT",
    "UNUSABLE",
    "Failure",
    "complain",
    "finish_output",
    "harden_streams",
    "write",
    "write_bytes",
]

BAD_INPUT: Final = 1
"""The exit status when the input was read, but is not what it should be."""

UNUSABLE: Final = 2
"""The exit status when the command cannot be carried out: a wrong option, a missing file."""

TIMED_OUT: Final = 27
"""The exit status when time is up; it is the one of mosquitto_sub."""

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C: 128 and the number of SIGINT, as shells report it."""

NO_READER: Final = 141
"""The exit status when the reader of the output is gone: 128 and the number of SIGPIPE."""


class Failure(Exception):
    """Ends the command.

    :ivar status: its exit status.
    :ivar lines: what to say on standard error; nothing if there are none.
    """

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__(status, *lines)
        self.status: Final = status
        self.lines: Final = lines


def harden_streams() -> None:
    """Let no character fail to be printed, and nothing of what is printed be lost.

    A character fails if the encoding of a stream does not have it. What is printed is lost where
    PYTHONUNBUFFERED is set: an unbuffered stream takes what it can and says nothing of the rest.
    """
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding=sys.stdout.encoding)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard(stream: TextIO) -> None:
    """Send what a broken stream still holds nowhere, or the interpreter would try it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write(text: str) -> None:
    """Write to standard output, at once.

    :raises Failure: if it cannot be written to.
    """
    # Python has no standard stream at all where a shell has closed it (``>&-``).
    if sys.stdout is None:
        raise Failure(UNUSABLE, "standard output is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
        raise Failure(NO_READER) from None
    except OSError as error:
        _discard(sys.stdout)
        raise Failure(UNUSABLE, f"standard output: {error.strerror}") from None


def write_bytes(data: bytes) -> None:
    """Write to standard output, at once and past its buffer: fit to be called in a thread.

    :raises Failure: if it cannot be written to.
    """
    if sys.stdout is None:
        raise Failure(UNUSABLE, "standard output is closed")
    rest = memoryview(data)
    try:
        descriptor = sys.stdout.fileno()
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # someone made the pipe non-blocking
                select.select([], [descriptor], [])
    except BrokenPipeError:
        raise Failure(NO_READER) from None
    except OSError as error:
        raise Failure(UNUSABLE, f"standard output: {error.strerror}") from None


def finish_output() -> None:
    """Write what others, argparse for one, have left in the buffer of standard output.

    :raises Failure: if it cannot be written to.
    """
    if sys.stdout is not None:
        write("")


def complain(*lines: str) -> None:
    """Print lines on standard error, and nothing in them that could drive a terminal."""
    if sys.stderr is None:
        return
    try:
        for line in lines:
            print(f"mqttproto: {visible(line)}", file=sys.stderr)
    except OSError:
        _discard(sys.stderr)
