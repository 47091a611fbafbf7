"""Files with what each end of a connection has sent, for ``mqttproto decode``."""

import os
from io import FileIO
from pathlib import Path
from typing import Final

from mqttproto.cli.console import UNUSABLE, Failure, complain
from mqttproto.constants import Sender

__all__ = ["Recorder"]


class Recorder:
    """``PREFIX-1.client.bin``, ``PREFIX-1.server.bin``, ``PREFIX-2.client.bin`` and so on.

    They hold passwords, so nobody but their owner may read them. What cannot be written is
    complained of, once, and lost; the rest of that connection with it.

    :raises Failure: if there are files of this prefix already, or cannot be any.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix: Final = Path(prefix)
        self._files: Final[dict[tuple[int, Sender], FileIO]] = {}
        folder = self._prefix.parent
        try:
            there = [path.name for path in folder.iterdir() if self._is_ours(path.name)]
        except (OSError, ValueError) as error:  # a ValueError: NUL in the path
            raise Failure(UNUSABLE, f"--save {prefix}: {_reason(error)}") from None
        if there:
            raise Failure(
                UNUSABLE, f"--save {prefix}: there is {there[0]} already; take another prefix"
            )

    def _is_ours(self, name: str) -> bool:
        return name.startswith(f"{self._prefix.name}-") and name.endswith(
            tuple(f".{sender.value}.bin" for sender in Sender)
        )

    def open(self, number: int) -> None:
        """Begin with a connection."""
        for sender in Sender:
            path = Path(f"{self._prefix}-{number}.{sender.value}.bin")
            try:
                self._files[number, sender] = FileIO(path, "xb", opener=_private)
            except OSError as error:
                complain(f"{path}: {_reason(error)}; not saved")

    def write(self, number: int, sender: Sender, data: bytes) -> None:
        """Keep what one end of it has sent."""
        file = self._files.get((number, sender))
        if file is None:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError as error:
            complain(f"{file.name}: {_reason(error)}; not saved from here on")
            self._files.pop((number, sender)).close()

    def close(self, number: int) -> None:
        """Be done with a connection."""
        for sender in Sender:
            file = self._files.pop((number, sender), None)
            if file is not None:
                file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _reason(error: OSError | ValueError) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
