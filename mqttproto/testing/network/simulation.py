"""The network: a clock, and everything that is due by it."""

from collections.abc import Callable
from math import isfinite
from typing import Final, final

from mqttproto.testing.network.endpoint import Endpoint
from mqttproto.testing.network.link import End, Link
from mqttproto.testing.network.path import Path
from mqttproto.testing.network.store import Store

__all__ = ["Network", "RestlessError"]

_NEVER: Final = float("inf")


class RestlessError(Exception):
    """The network does not come to rest: its ends talk for ever, or a deadline never passes."""


@final
class Network:
    """A simulated network with a virtual clock, and any number of links.

    It does one thing at a time: what is due first, and among what is due at the same time first
    commits, then arrivals, then deadlines, the oldest link first and the client's end before the
    server's. Nothing is left to chance that was not handed in.

    :param now: what the clock shows at the beginning, in seconds.
    :param max_steps: how many steps one call may take before it raises :class:`RestlessError`.
    """

    def __init__(self, now: float = 0.0, *, max_steps: int = 100_000) -> None:
        self._now: float = now
        self._max_steps: Final = max_steps
        self._links: list[Link] = []
        self._stores: list[Store] = []

    def __repr__(self) -> str:
        return f"<Network at {self._now} s, {len(self._links)} links>"

    @property
    def now(self) -> float:
        """What the clock shows, in seconds: the argument of that name, for every call."""
        return self._now

    @property
    def links(self) -> list[Link]:
        """The links that are open, at one end at least; the oldest first."""
        return [link for link in self._links if link.open]

    def connect(
        self,
        client: Endpoint,
        server: Endpoint,
        *,
        latency: float | Callable[[], float] = 0.0,
        chunk: Callable[[int], int] | None = None,
        client_store: Store | None = None,
        server_store: Store | None = None,
    ) -> Link:
        """Join two connections, which are new, or have at most put out bytes.

        :param latency: of both directions: see :class:`Path`, whose attribute may be set for one.
        :param chunk: the same, for the sizes of chunks.
        :param client_store: where the journal of the client's session is; None if it has none.
        :param server_store: the same for the server; it may be shared by many of its connections.
        """
        link = Link(
            client,
            server,
            Path(latency, chunk),
            Path(latency, chunk),
            client_store,
            server_store,
            lambda: self._now,
        )
        self._links.append(link)
        for store in (client_store, server_store):
            if store is not None and store not in self._stores:
                self._stores.append(store)
        return link

    def crash(self, which: End | Store, *, keep: bool = False) -> None:
        """One side dies without a word: its connections are gone, and what was not stored.

        What it had sent still arrives, and then an end of file. Its connection objects are not
        called any more, and should be thrown away. Begin its next life with
        :meth:`Store.session`.

        :param which: an end, or a store, with which all ends die that share it.
        :param keep: whether the batch that is being stored is stored all the same.
        """
        store = which if isinstance(which, Store) else which.store
        for link in self._links:
            for end in link.ends:
                if end is which or (store is not None and end.store is store):
                    end.die(self._now)
        if store is not None:
            store.crash(keep=keep)
        self._links = self.links

    # Time.

    def settle(self) -> None:
        """Do what needs no time: put out bytes, take events along, begin to store changes."""
        for _ in range(self._max_steps):
            active = False
            for link in self._links:
                for end in link.ends:
                    if end.open:
                        active |= end.turn(self._now)
            for store in self._stores:
                store.turn(self._now)
            if not active:
                break
        else:
            raise RestlessError(f"at {self._now} s, after {self._max_steps} turns")
        if not all(link.open for link in self._links):
            self._links = self.links

    def next_time(self) -> float:
        """When something is due, in seconds; infinite if nothing will ever happen by itself."""
        self.settle()
        return max(self._now, min(self._next_under_way(), self._next_deadline()))

    def step(self) -> bool:
        """Do the one thing that is due next, and put the clock forward to its time.

        :returns: whether there was one.
        """
        self.settle()
        return self._advance(_NEVER)

    def run_until(self, time: float) -> None:
        """Do everything that is due up to ``time``, and put the clock there.

        :param time: seconds; what is past leaves the clock where it is.
        :raises ValueError: if it is infinite.
        """
        if not isfinite(time):
            raise ValueError("time must be finite: to wait for the end, run_until_quiet()")
        self.settle()
        for _ in range(self._max_steps):
            if not self._advance(time):
                break
        else:
            raise RestlessError(f"at {self._now} s, after {self._max_steps} steps")
        self._now = max(self._now, time)

    def run(self, duration: float) -> None:
        """Let so many seconds pass."""
        self.run_until(self._now + duration)

    def run_until_quiet(self, limit: float = 3_600.0) -> None:
        """Run until no byte is under way and no commit.

        Deadlines that pass on the way are kept; those that come later are not waited for, nor is
        what is stalled, or not read, or stored by hand only.

        :param limit: the most seconds that this may take.
        :raises RestlessError: if it takes longer.
        """
        last = self._now + limit
        self.settle()
        for _ in range(self._max_steps):
            if self._next_under_way() == _NEVER:
                return
            if not self._advance(last):
                break
        raise RestlessError(f"at {self._now} s there is still something under way")

    def _advance(self, limit: float) -> bool:
        """Do the next thing, unless it is due after ``limit``."""
        time = min(self._next_under_way(), self._next_deadline())
        if time == _NEVER or time > limit:
            return False
        self._now = max(self._now, time)
        self._do_one()
        self.settle()
        return True

    def _do_one(self) -> None:
        for store in self._stores:
            if store.due <= self._now:
                store.commit()
                return
        ends = [end for link in self._links for end in link.ends if end.open]
        for link in self._links:
            for end in link.ends:
                if end.open and _next_arrival(end) <= self._now:
                    end.receive(self._now)
                    if end.incoming.cut_after == 0:
                        link.cut()
                    return
        for end in ends:
            deadline = end.connection.next_deadline()
            if deadline is not None and deadline <= self._now:
                end.tell(end.connection.handle_timeout(self._now))
                return

    def _next_under_way(self) -> float:
        times = [store.due for store in self._stores]
        for link in self._links:
            times += [_next_arrival(end) for end in link.ends if end.open]
        return min(times, default=_NEVER)

    def _next_deadline(self) -> float:
        deadlines = [
            end.connection.next_deadline() for link in self._links for end in link.ends if end.open
        ]
        return min((each for each in deadlines if each is not None), default=_NEVER)


def _next_arrival(end: End) -> float:
    return end.incoming.next_arrival(end.connection.wants_read)
