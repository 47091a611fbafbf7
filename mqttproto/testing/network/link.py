"""One network connection and its two ends."""

from collections.abc import Callable, Iterable
from typing import Any, Final, final

from mqttproto.testing.network.endpoint import Committing, Endpoint
from mqttproto.testing.network.path import Path
from mqttproto.testing.network.store import Store

__all__ = ["End", "Link"]

_NEVER: Final = float("inf")


@final
class End:
    """One end of a link: a connection, and what the network knows of it.

    Call the methods of :attr:`connection` as you like. The network looks after what they have
    left, events and bytes, before it does anything else.

    :ivar connection: what was given to :meth:`Network.connect`.
    :ivar outgoing: the direction in which it sends.
    :ivar incoming: the direction in which it receives.
    :ivar store: where the changes of its session are stored, or None.
    :ivar events: what it has told, in order; yours to clear.
    :ivar on_event: called with each event at once, within the turn in which it comes; None: they
        gather in :attr:`events` only. It may call any method of any connection.
    :ivar open: whether it still has its network connection.
    """

    def __init__(
        self, connection: Endpoint, outgoing: Path, incoming: Path, store: Store | None
    ) -> None:
        if store is not None and not isinstance(connection, Committing):
            raise TypeError("a connection that is to be stored must have a method committed()")
        self.connection: Final = connection
        self.outgoing: Final = outgoing
        self.incoming: Final = incoming
        self.store: Final = store
        self.events: list[Any] = []
        self.on_event: Callable[[Any], None] | None = None
        self.open: bool = True
        self._shut: bool = False
        self._dead: bool = False
        self._told: int = 0

    def __repr__(self) -> str:
        return f"<End of {self.connection!r}: {'open' if self.open else 'closed'}>"

    def tell(self, events: Iterable[Any]) -> None:
        """Take events to where they belong.

        The network does this with all that it sees. It is for those that a method has returned to
        you, such as ``accept()`` of a server or ``disconnect()``.
        """
        for event in events:
            if self._dead:
                return
            self.events.append(event)
            if self.on_event is not None:
                self.on_event(event)

    def shut(self) -> None:
        """Close the sending direction only, behind what was put out.

        The other end gets an end of file; what this one puts out from now on goes nowhere.
        """
        self._shut = True

    # For the network.

    def turn(self, now: float) -> bool:
        """Do what an adapter does after each call: events, changes, bytes, the end.

        :returns: whether there was anything to do.
        """
        if self._dead:
            return False
        connection = self.connection
        events = connection.take_events()
        self.tell(events)
        active = bool(events)
        if self.store is not None:
            assert isinstance(connection, Committing)
            stored = self.store.turn(now)
            if stored > self._told:
                self._told = stored
                connection.committed(stored)
                active = True
        if not self.open:
            return active
        data = connection.data_to_send()
        if data and not self.outgoing.ended:
            self.outgoing.send(data, now)
            active = True
        if connection.close_expected():
            self.close(now)
            active = True
        elif self._shut and not self.outgoing.ended:
            self.outgoing.close(now)
            active = True
        return active

    def close(self, now: float) -> None:
        """Close the network connection from this side: what was sent still arrives."""
        self.open = False
        self.outgoing.close(now)
        self.incoming.lose()

    def lose(self, now: float) -> None:
        """The network connection is gone."""
        if self.open:
            self.open = False
            self.incoming.lose()
            self.tell(self.connection.connection_lost(now))

    def die(self, now: float) -> None:
        """There is nobody here any more."""
        self._dead = True
        self.close(now)

    def receive(self, now: float, most: int | None = None) -> None:
        """Take what has arrived: one chunk, or the end.

        :param most: the most bytes to take, whether they have arrived or not; None: one chunk of
            what has.
        """
        data = self.incoming.take(now if most is None else _NEVER, most)
        if data:
            self.tell(self.connection.receive_data(data, now))
        else:
            self.tell(self.connection.receive_eof(now))


@final
class Link:
    """One network connection: a client's end and a server's.

    It is made by :meth:`Network.connect`. The words client and server only say who is who: any
    two endpoints can be joined.

    :ivar client: the client's end.
    :ivar server: the server's end.
    :ivar to_server: the direction from the client to the server.
    :ivar to_client: the other one.
    """

    def __init__(
        self,
        client: Endpoint,
        server: Endpoint,
        to_server: Path,
        to_client: Path,
        client_store: Store | None,
        server_store: Store | None,
        clock: Callable[[], float],
    ) -> None:
        self.to_server: Final = to_server
        self.to_client: Final = to_client
        self.client: Final = End(client, to_server, to_client, client_store)
        self.server: Final = End(server, to_client, to_server, server_store)
        self._clock: Final = clock

    def __repr__(self) -> str:
        return f"<Link: client {self.client!r}, server {self.server!r}>"

    @property
    def ends(self) -> tuple[End, End]:
        """Both ends, the client's first."""
        return self.client, self.server

    @property
    def open(self) -> bool:
        """Whether an end still has its network connection."""
        return self.client.open or self.server.open

    def cut(
        self,
        *,
        to_server: int = 0,
        to_client: int = 0,
        client_notices: bool = True,
        server_notices: bool = True,
    ) -> None:
        """Cut the network connection now. What is under way is lost.

        :param to_server: how many of the bytes under way to the server arrive before the cut, 0
            and up.
        :param to_client: the same for the other direction.
        :param client_notices: whether the client is told. If not, it hears and says nothing from
            now on, until it gives up by itself.
        :param server_notices: the same for the server.
        """
        now = self._clock()
        self._settle(now)
        self.to_server.cut_after = self.to_client.cut_after = None
        for end, most in ((self.server, to_server), (self.client, to_client)):
            path = end.incoming
            last = path.delivered + min(most, path.under_way)
            while end.open and path.delivered < last and end.connection.wants_read:
                end.receive(now, last - path.delivered)
                self._settle(now)
        for end, notices in ((self.client, client_notices), (self.server, server_notices)):
            end.incoming.lose()
            if notices:
                end.lose(now)

    def _settle(self, now: float) -> None:
        """Put out what is ready to leave, so that it has its place in the cut."""
        for end in self.ends:
            end.turn(now)
