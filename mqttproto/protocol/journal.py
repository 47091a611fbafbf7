"""What has changed and is not yet known to be stored."""

from collections.abc import Iterator
from typing import Final, final

from mqttproto.protocol.changes import Change

__all__ = ["Batch", "Journal"]


@final
class Batch:
    """Changes that follow one another; false if there are none.

    :ivar first: the number of the first change.
    :ivar last: the number of the last one, which ``committed()`` wants once all are stored.
    :ivar changes: the changes, in their order.
    """

    __slots__ = ("changes", "first", "last")

    def __init__(self, first: int, changes: list[Change]) -> None:
        self.first: Final[int] = first
        self.last: Final[int] = first + len(changes) - 1
        self.changes: Final[list[Change]] = changes

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __repr__(self) -> str:
        return f"Batch({self.first}, {self.changes!r})"


@final
class Journal:
    """The numbered changes of one session, or of all those that share a store.

    Numbers begin with 1. What was taken and could not be stored is not taken back: whoever took
    it stores it before anything that comes later.
    """

    __slots__ = ("_changes", "committed", "last")

    def __init__(self) -> None:
        self.last: int = 0
        """The number of the last change."""
        self.committed: int = 0
        """The number of the last change that is known to be stored, with all before it."""
        self._changes: list[Change] = []

    @property
    def uncommitted(self) -> int:
        """How many changes are not known to be stored."""
        return self.last - self.committed

    def append(self, change: Change) -> int:
        """Note a change, and return its number."""
        self._changes.append(change)
        self.last += 1
        return self.last

    def take(self) -> Batch:
        """The changes since the last call."""
        changes = self._changes
        self._changes = []
        return Batch(self.last - len(changes) + 1, changes)

    def commit(self, number: int) -> None:
        """Take note that all changes up to this one are stored.

        :param number: that of a change that was taken; one that is committed already is no news.
        :raises ValueError: if that change was not taken yet, so that it cannot be stored.
        """
        taken = self.last - len(self._changes)
        if not 0 <= number <= taken:
            raise ValueError(f"change {number} was not taken yet: the last that was is {taken}")
        self.committed = max(self.committed, number)
