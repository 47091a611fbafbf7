"""The session of one client, in a file."""

import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

from mqttproto.errors import InvalidValueError, LocalProtocolError
from mqttproto.protocol.export import FORMAT as SESSION_FORMAT
from mqttproto.protocol.export import apply
from mqttproto.protocol.journal import Batch
from mqttproto.protocol.session import Session

__all__ = ["SessionFile"]

_KIND: Final = "session of an MQTT client"
_FORMAT: Final = 1

_Data = dict[str, Any]


@final
class SessionFile:
    """Keeps the session of one client in a file, for the next run of the program.

    ::

        async with connect("mqtt://host", session=SessionFile("stove.session")) as client:
            await client.publish("plant/7/temp", b"21.5", qos=2)

    Each commit writes the whole session anew, and waits until the disk has it. So this is for small
    sessions: some hundred messages that wait or are under way, not some hundred thousand.

    The file is JSON. It is written beside its place, as ``<path>.new``, and then put there, so that
    it is always whole. While a client uses it, the system holds a lock on ``<path>.lock``, which
    ends with the process, however that ends; that empty file stays. What belongs to nobody else is
    never overwritten: a file that is not of this kind, or damaged, is refused.

    :param path: of the file, which need not exist, in a folder that does. It holds messages, and
        so only its owner may read it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Whatever becomes of the working directory; and what a symbolic link leads to is replaced.
        self.path: Final = Path(path).resolve()
        self._beside: Final = self.path.with_name(f"{self.path.name}.new")
        self._lock: Final = _Lock(self.path.with_name(f"{self.path.name}.lock"))
        self._session: _Data | None = None

    def __repr__(self) -> str:
        return f"SessionFile({str(self.path)!r})"

    def load(self, now: float, wall: float) -> dict[str, Any] | None:
        """The session in the file; None if there is none.

        :param now: seconds of the monotonic clock that the times in it are to be of.
        :param wall: seconds since 1970, at the same moment.
        :raises LocalProtocolError: if a client uses the file now, here or in another process.
        :raises InvalidValueError: if the file holds something else, or is damaged.
        :raises OSError: if it cannot be read, or is in no folder.
        """
        if not self._lock.take():
            raise LocalProtocolError(
                f"another client uses {self.path} now: end that one, or give this one another file"
            )
        try:
            self._session = self._read(now, wall)
        except BaseException:
            self._lock.release()
            raise
        return self._session

    def commit(self, batch: Batch, now: float, wall: float) -> None:
        """Put changes into the file, and wait until the disk has them.

        :param now: seconds of the monotonic clock.
        :param wall: seconds since 1970, at the same moment.
        :raises OSError: if that fails; the same batch may be given again.
        """
        if not self._lock.taken:
            raise LocalProtocolError(f"load {self.path} before anything is committed to it")
        session = self._session
        for change in batch:
            session = apply(session, change)
        form = {
            "kind": _KIND,
            "format": _FORMAT,
            "now": now,
            "wall": wall,
            "session": None if session is None else _mapped(session, _as_text),
        }
        self._write(json.dumps(form).encode())
        self._session = session

    def close(self) -> None:
        """Let others use the file; :meth:`load` opens it again."""
        self._session = None
        self._lock.release()

    def _read(self, now: float, wall: float) -> _Data | None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            form = json.loads(content)
            if not isinstance(form, dict) or form.get("kind") != _KIND:
                raise ValueError("it is of another kind")
            session = form["session"]
            newer = form["format"] > _FORMAT or (
                session is not None and session["format"] > SESSION_FORMAT
            )
            if newer:
                raise _NewerError
            # The clock was another one, which has gone on; it does not go back.
            then = form["now"] + max(0.0, wall - form["wall"])
            if session is None:
                return None
            restored = Session.restore(_mapped(session, _as_bytes), shift=now - then)
        except _NewerError:
            raise InvalidValueError(
                "SessionFile.path",
                f"{self.path} was written by a newer mqttproto: update this one, or choose another"
                " path",
            ) from None
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise InvalidValueError(
                "SessionFile.path",
                f"{self.path} holds no session of a client, or is damaged: choose another path, or"
                f" move it away to begin a new session ({error})",
            ) from error
        return restored.export()

    def _write(self, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._beside, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._beside.replace(self.path)
        if sys.platform != "win32":
            # The folder has to remember, too, which file it is.
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class _NewerError(Exception):
    """What is in the file was not known when this was written."""


def _as_text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _as_bytes(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _mapped(session: _Data, change: Callable[[Any], Any]) -> _Data:
    """The export of a session, with what is binary in its messages as something else."""
    messages = {
        key: [
            each | {name: change(each[name]) for name in ("payload", "properties")}
            for each in session[key]
        ]
        for key in ("in_flight", "queue")
    }
    return session | messages


@final
class _Lock:
    """A lock of the operating system, held by an open file; it ends with the process."""

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._file: int | None = None

    @property
    def taken(self) -> bool:
        """Whether it is taken, by this object."""
        return self._file is not None

    def take(self) -> bool:
        """Take it, unless it is taken already, by whomever: return whether that went well."""
        if self._file is not None:
            return False
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            os.close(file)
            return False
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Let go of it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lock(file: int) -> None:
    """Lock an open file, or raise what the system says if another one has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
