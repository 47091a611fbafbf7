"""What every part of a client knows: its session, its connection, and whether it has ended."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from mqttproto.constants import ProtocolVersion
from mqttproto.engine.completion import Completion, Waiter, Waiters
from mqttproto.engine.events import ClientEvent
from mqttproto.engine.life import Life
from mqttproto.engine.options import Options, SessionStore
from mqttproto.errors import (
    ClientClosedError,
    TransportError,
)
from mqttproto.protocol.client import ClientConnection
from mqttproto.protocol.journal import Journal
from mqttproto.protocol.limits import NegotiatedLimits
from mqttproto.protocol.session import Session
from mqttproto.transport.url import Address

__all__ = ["Base"]

_MOST_EVENTS: Final = 1_000
"""How many client events wait for somebody to look at them."""


def _nothing() -> None:
    """Wake nobody: there is no adapter yet."""


class Base:
    """A client, as far as it neither sends nor receives."""

    def __init__(
        self,
        places: Sequence[Address | None],
        options: Options,
        waiter: Waiter,
        random: Callable[[], float],
    ) -> None:
        self._options: Final[Options] = options
        self._waiter: Final[Waiter] = waiter
        self._life: Final[Life] = Life(places, options, random)
        self.store: Final[SessionStore | None] = (
            None if isinstance(options.session, Session) else options.session
        )
        self.store_open: bool = False
        """Whether the store was loaded."""
        self.store_error: BaseException | None = None
        """Why the last changes could not be stored."""
        self._session: Session = self._first_session()
        self._connection: ClientConnection | None = None
        # Whether a connection works on the session; whether it was accepted.
        self._attached: bool = False
        self._online: bool = False
        # Whether it is to end, once all is acknowledged; whether it says DISCONNECT now; whether it
        # has ended.
        self._closing: bool = False
        self._leaving: bool = False
        self._closed: bool = False
        self.wake_writer: Callable[[], None] = _nothing
        """Called when there is something to send, or a deadline has moved."""
        self.error: BaseException | None = None
        """Why the client has ended; None while it has not, and after an orderly end."""
        self._events: Final[deque[ClientEvent]] = deque(maxlen=_MOST_EVENTS)
        self._event_waiters: Final[Waiters] = Waiters()
        self._changes: Final[Waiters] = Waiters()

    def _first_session(self) -> Session:
        options = self._options
        if isinstance(options.session, Session):
            return options.session
        journal = None if self.store is None else Journal()
        return Session(options.client_id, queue_limits=options.queue_limits, journal=journal)

    # What may be asked.

    @property
    def session(self) -> Session:
        """The session that it works on."""
        return self._session

    @property
    def client_id(self) -> str:
        """The client identifier; empty while the server has still to choose one."""
        return self._session.client_id or self._options.client_id

    @property
    def online(self) -> bool:
        """Whether a server has accepted the present connection."""
        return self._online

    @property
    def attached(self) -> bool:
        """Whether a connection works on the session: it is not over."""
        return self._attached

    @property
    def closed(self) -> bool:
        """Whether the client has ended."""
        return self._closed

    @property
    def version(self) -> ProtocolVersion:
        """The protocol version spoken, or to be spoken."""
        return self._life.version

    @property
    def limits(self) -> NegotiatedLimits | None:
        """What may be sent; None while there is no connection."""
        connection = self._connection
        return connection.limits if connection is not None and self._online else None

    # Whether it goes on.

    def _closed_error(self) -> ClientClosedError:
        error = ClientClosedError("it was closed" if self.error is None else str(self.error))
        error.__cause__ = self.error
        return error

    def _check_open(self) -> None:
        if self._closed or self._closing:
            raise self._closed_error()

    def _connected_now(self) -> ClientConnection:
        if self._connection is None or not self._online:
            raise TransportError("there is no connection now: wait for the event Online")
        return self._connection

    def release(self) -> None:
        """Let go of the store, once nothing is done with it any more."""
        if self.store is not None and self.store_open:
            self.store_open = False
            self.store.close()

    def _store_soon(self) -> None:
        """Something may have changed that is to be stored."""
        if self.store is not None:
            self._changes.wake()

    # Client events.

    def _tell(self, event: ClientEvent) -> None:
        self._events.append(event)
        self._event_waiters.wake()

    def next_event(self) -> ClientEvent | None:
        """The oldest event that nobody has seen; None if there is none."""
        return self._events.popleft() if self._events else None

    def event_arrival(self) -> Completion:
        """What is done when there is an event, or when the client has ended."""
        return self._event_waiters.next()
