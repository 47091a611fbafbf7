"""The memory of one side that a crash does not take away."""

from collections.abc import Callable
from typing import Any, Final, final

from mqttproto.protocol.changes import Change
from mqttproto.protocol.export import apply
from mqttproto.protocol.journal import Journal
from mqttproto.protocol.message_queue import QueueLimits
from mqttproto.protocol.session import Session

__all__ = ["Store"]

_NEVER: Final = float("inf")

_Sessions = dict[str, dict[str, Any]]


@final
class Store:
    """A simulated disk: the sessions of one side, and what its application keeps beside them.

    Give its :attr:`journal` to sessions (or let :meth:`session` do it), and the store to
    :meth:`Network.connect`. The network then stores the changes of each turn, one batch at a
    time, and tells the connections. A batch is stored whole or not at all.

    :param delay: the seconds, 0 and up, that it takes to store a batch, or a function that gives
        them. With 0 it is done within the turn; with an infinity it is done by :meth:`commit`.
    """

    def __init__(self, delay: float | Callable[[], float] = 0.0) -> None:
        self.delay: float | Callable[[], float] = delay
        self.journal: Journal = Journal()
        """Where changes are noted; a new one after each :meth:`crash`."""
        self.sessions: _Sessions = {}
        """What is stored: the exports of sessions, by client identifier. To let a session be lost
        take it out, while nothing works on it."""
        self.records: list[Any] = []
        """What is stored beside them: the records that :meth:`note` was given."""
        self._noted: dict[int, Any] = {}
        self._gathered: list[Change] = []
        self._batch: list[Change] = []
        self._first: int = 1
        self._due: float = _NEVER

    def __repr__(self) -> str:
        state = "a commit under way" if self._batch else "at rest"
        return f"<Store: {len(self.sessions)} sessions, {len(self.records)} records, {state}>"

    def session(self, client_id: str, *, queue_limits: QueueLimits | None = None) -> Session:
        """The session that is stored, as after a crash; a new one if there is none.

        It is a new object each time: ask once in each life of the program.

        :param client_id: the client identifier.
        :param queue_limits: how many messages may wait.
        """
        data = self.sessions.get(client_id)
        if data is None:
            return Session(client_id, queue_limits=queue_limits, journal=self.journal)
        return Session.restore(data, queue_limits=queue_limits, journal=self.journal)

    def note(self, record: Any) -> int:
        """Store something of the application's, in one batch with the changes of the same turn.

        :param record: anything; it is found in :attr:`records` when it is stored.
        :returns: the number that bytes can be made to wait for, with the argument ``after`` of
            ``acknowledge()``, ``publish()`` and others.
        """
        number = self.journal.append(Change(""))
        self._noted[number] = record
        return number

    @property
    def pending(self) -> int:
        """How many changes, with records, were noted and are not stored."""
        return self.journal.uncommitted

    def expected(self) -> tuple[_Sessions, list[Any]]:
        """What :attr:`sessions` and :attr:`records` would be if everything that was noted were
        stored now.
        """
        self._gather()
        sessions, records = dict(self.sessions), list(self.records)
        self._apply([*self._batch, *self._gathered], sessions, records)
        return sessions, records

    def commit(self) -> int:
        """Have the batch that is under way stored now, before its time.

        :returns: the number of the last change that is stored; the network tells the connections
            before it does anything else.
        """
        if self._batch:
            self._apply(self._batch, self.sessions, self.records)
            self._first += len(self._batch)
            self._batch = []
            self._due = _NEVER
            self.journal.commit(self._first - 1)
            for number in [each for each in self._noted if each < self._first]:
                del self._noted[number]
        return self._first - 1

    def crash(self, *, keep: bool = False) -> None:
        """Forget all that is not stored, and begin a new :attr:`journal`.

        :meth:`Network.crash` does this too, and ends the connections with it.

        :param keep: whether the batch that is under way gets stored all the same. It may: there
            is a time between the end of writing and the moment when a program knows of it.
        """
        if keep:
            self.commit()
        self.journal = Journal()
        self._noted = {}
        self._gathered = []
        self._batch = []
        self._first = 1
        self._due = _NEVER

    # For the network.

    @property
    def due(self) -> float:
        """When the batch under way is stored; infinite if there is none."""
        return self._due

    def turn(self, now: float) -> int:
        """Begin to store what has been noted, if no other batch is under way.

        :returns: the number of the last change that is stored.
        """
        self._gather()
        if self._gathered and not self._batch:
            delay = self.delay if isinstance(self.delay, (int, float)) else self.delay()
            if not delay >= 0:
                raise ValueError(f"a delay is 0 seconds or more, not {delay}")
            self._batch, self._gathered = self._gathered, []
            self._due = now + delay
            if not delay:
                self.commit()
        return self._first - 1

    def _gather(self) -> None:
        self._gathered += self.journal.take()

    def _apply(self, changes: list[Change], sessions: _Sessions, records: list[Any]) -> None:
        for number, change in enumerate(changes, self._first):
            if number in self._noted:
                records.append(self._noted[number])
                continue
            client_id = change.client_id
            data = apply(sessions.get(client_id), change)
            if data is None:
                del sessions[client_id]
            else:
                sessions[client_id] = data
