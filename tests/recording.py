"""A TCP proxy that writes down what both ends say, and the way to record anew with it.

``python tests/recording.py`` makes every file in ``tests/data/recordings`` again; it needs
mosquitto, its clients and paho-mqtt. What is played stands in ``recorded_sessions.py``.
"""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

__all__ = ["RecordedConnection", "RecordingProxy"]

TIMEOUT: Final = 10.0
"""How long to wait for what should have happened long before, in seconds."""


class RecordedConnection:
    """One connection through the proxy, and the bytes that each end has sent so far.

    Bytes are recorded as they come from their sender, before they are passed on, and also when the
    other end takes no more: the recording of a sender is exactly what it sent.
    """

    def __init__(
        self, client: socket.socket, server: socket.socket, changed: threading.Condition
    ) -> None:
        self._changed = changed
        self._client = client
        self._server = server
        self._from_client = bytearray()
        self._from_server = bytearray()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def client_bytes(self) -> bytes:
        """What the client has sent so far."""
        with self._changed:
            return bytes(self._from_client)

    @property
    def server_bytes(self) -> bytes:
        """What the server has sent so far."""
        with self._changed:
            return bytes(self._from_server)

    @property
    def ended(self) -> bool:
        """Whether both ends have closed: nothing can be added to the recording."""
        with self._changed:
            return self._ended

    def abort(self) -> None:
        """Cut the connection to both ends, unless it has ended; return when it has."""
        with self._changed:
            for end in (self._client, self._server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _run(self) -> None:
        backward = threading.Thread(
            target=self._pass_on,
            args=(self._server, self._client, self._from_server),
            daemon=True,
        )
        backward.start()
        self._pass_on(self._client, self._server, self._from_client)
        backward.join()
        with self._changed:
            self._client.close()
            self._server.close()
            self._ended = True
            self._changed.notify_all()

    def _pass_on(self, source: socket.socket, target: socket.socket, record: bytearray) -> None:
        listening = True
        while chunk := _receive(source):
            with self._changed:
                record += chunk
                self._changed.notify_all()
            if listening:
                try:
                    target.sendall(chunk)
                except OSError:
                    listening = False
        # The end of the stream is passed on as well; the other direction may stay open.
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _receive(source: socket.socket) -> bytes:
    """Return the next bytes, or none at the end of the stream, however it comes."""
    try:
        return source.recv(0x10000)
    except OSError:
        return b""


class RecordingProxy:
    """Stands between clients and one server, on loopback, and records every connection.

    ``server`` is the host and port of the server. The proxy takes connections between
    :meth:`start` and :meth:`stop`, each to be called once; ``with`` calls them. A connection that
    the server does not take is closed and not recorded.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._changed = threading.Condition()
        self._connections: list[RecordedConnection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._stopping = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients to connect to."""
        host, port = self._listener.getsockname()
        return host, port

    @property
    def connections(self) -> list[RecordedConnection]:
        """Every connection so far, in the order in which they came."""
        with self._changed:
            return list(self._connections)

    def start(self) -> None:
        """Begin to take connections."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections and cut those that have not ended; what is recorded stays."""
        self._stopping = True
        # Nothing but a connection wakes a thread that waits for one, on every system.
        socket.create_connection(self.address).close()
        self._thread.join()
        self._listener.close()
        for connection in self.connections:
            connection.abort()

    def becomes(self, condition: Callable[[], bool], timeout: float = TIMEOUT) -> bool:
        """Wait until a condition on the recordings is true, and say whether it came to that.

        It is asked at once and at every change (a connection comes, sends or ends), for ``timeout``
        seconds.
        """
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._stopping:
                client.close()
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._connections.append(RecordedConnection(client, server, self._changed))
                self._changed.notify_all()


if __name__ == "__main__":
    from recordings import main

    sys.exit(main())
