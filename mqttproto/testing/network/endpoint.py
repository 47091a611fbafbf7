"""What the network asks of those whom it joins."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

__all__ = ["Committing", "Endpoint"]


class Endpoint(Protocol):
    """One end of a network connection, without I/O.

    The connections of ``mqttproto.protocol`` are such; another library's need a few lines
    around them. All times are seconds of the network's clock, which begins with 0.0 unless it is
    told otherwise. Events may be anything.
    """

    @property
    def wants_read(self) -> bool:
        """Whether bytes are welcome; if not, they stay on their way."""

    def receive_data(self, data: bytes, now: float) -> Sequence[Any]:
        """Take the next bytes, one or more, and return events."""

    def receive_eof(self, now: float) -> Sequence[Any]:
        """The other end sends no more."""

    def connection_lost(self, now: float) -> Sequence[Any]:
        """The network connection is gone."""

    def take_events(self) -> Sequence[Any]:
        """The events that other calls have left, each once."""

    def data_to_send(self) -> bytes:
        """The bytes to send, each once."""

    def close_expected(self) -> bool:
        """Whether all is sent and the network connection is to be closed."""

    def next_deadline(self) -> float | None:
        """When :meth:`handle_timeout` is due."""

    def handle_timeout(self, now: float) -> Sequence[Any]:
        """Do what is due."""


@runtime_checkable
class Committing(Protocol):
    """An endpoint that holds bytes back until changes are stored."""

    def committed(self, number: int) -> None:
        """All changes up to this number are stored."""
