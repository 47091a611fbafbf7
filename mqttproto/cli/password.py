"""The password: where a command takes it from."""

import os
from pathlib import Path
from typing import Final

from mqttproto.cli.console import UNUSABLE, Failure

__all__ = ["VARIABLE", "password_from"]

VARIABLE: Final = "MQTTPROTO_PASSWORD"
"""The environment variable that holds it."""


def password_from(argument: str | None, path: str | None, *, wanted: bool) -> bytes | None:
    """The password; None if there is none.

    :param argument: what stands on the command line, where other users of the machine see it.
    :param path: of a file with the password; a line end behind it does not count.
    :param wanted: whether to look into the environment if there is neither.
    :raises Failure: if the file cannot be read.
    """
    if argument is not None:
        return os.fsencode(argument)
    if path is not None:
        return _read(path)
    text = os.environ.get(VARIABLE) if wanted else None
    return None if text is None else os.fsencode(text)


def _read(path: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Failure(UNUSABLE, f"{path}: {reason}") from None
    return data.removesuffix(b"\n").removesuffix(b"\r")
