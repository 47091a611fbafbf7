"""A blocking loop around one connection and one socket: all that an adapter has to do."""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from mqttproto.protocol import Batch, Connection
from mqttproto.protocol.events import Event

__all__ = ["SocketLoop"]

CHUNK = 1 << 16
MOST_UNSENT = 1 << 20  # a peer that takes nothing is not listened to either


class SocketLoop:
    """Lets a connection speak over a socket while :meth:`turn` waits.

    ``store`` keeps a batch of changes for good before it returns; without a journal there are none.
    """

    def __init__(
        self,
        connection: Connection,
        sock: socket.socket,
        store: Callable[[Batch], None] | None = None,
    ) -> None:
        sock.setblocking(False)
        self.connection = connection
        self.closed = False
        self._sock = sock
        self._store = store
        self._unsent = b""

    def turn(self, patience: float) -> list[Event]:
        """Wait at most ``patience`` seconds for events; there are none when all is over."""
        give_up = time.monotonic() + patience
        while True:
            events = self.connection.take_events() or self._step(give_up)
            if events or self.closed or time.monotonic() >= give_up:
                return events

    def _step(self, give_up: float) -> list[Event]:
        connection = self.connection
        batch = connection.take_changes()
        if batch and self._store is not None:
            self._store(batch)
            connection.committed(batch.last)
        self._unsent += connection.data_to_send()
        if not self._unsent and connection.close_expected():
            self.close()
            return []
        deadline = connection.next_deadline()
        wake = give_up if deadline is None else min(deadline, give_up)
        listening = connection.wants_read and len(self._unsent) < MOST_UNSENT
        readable, writable, _ = select.select(
            [self._sock] if listening else [],
            [self._sock] if self._unsent else [],
            [],
            max(0.0, wake - time.monotonic()),
        )
        now = time.monotonic()
        events: list[Event] = []
        try:
            # First of all read: a peer that is gone may have said why.
            if readable:
                data = self._sock.recv(CHUNK)
                events = connection.receive_data(data, now) if data else connection.receive_eof(now)
            if writable:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except OSError:
            self._unsent = b""
            events += connection.connection_lost(now)
        # Too early it does nothing. What came has moved the deadline.
        return events + connection.handle_timeout(now)

    def close(self) -> None:
        """Close the socket, when the peer has closed its end, or after a second."""
        self.closed = True
        give_up = time.monotonic() + 1.0
        with self._sock as sock, suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            # To close with bytes unread would take back what the peer has not read yet.
            while select.select([sock], [], [], max(0.0, give_up - time.monotonic()))[0]:
                if not sock.recv(CHUNK):
                    break
