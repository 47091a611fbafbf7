"""A server that says what it was told to say, for what no decent server does."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

CLOSE = b""
"""In a script: close the connection."""

_PATIENCE = 60.0
_CHUNK = 1 << 16


@contextmanager
def scripted_server(*scripts: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes]]]:
    """A server on 127.0.0.1; its port, and what its clients have said, one after the other.

    The first connection follows the first script, and so on; the last one holds for all others,
    too. Each part of a script answers the next thing that the client says. At its end the server
    says nothing any more, and waits for the client to close.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            at = len(heard)
            heard.append(b"")
            script = list(scripts[min(at, len(scripts) - 1)])
            with sock, suppress(OSError):
                sock.settimeout(_PATIENCE)
                while data := sock.recv(_CHUNK):
                    heard[at] += data
                    answer = script.pop(0) if script else None
                    if answer == CLOSE:
                        break
                    sock.sendall(answer or b"")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(_PATIENCE)
