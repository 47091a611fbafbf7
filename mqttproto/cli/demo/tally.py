"""What has become of messages."""

from typing import Final, final

__all__ = ["Tally"]


@final
class Tally:
    """Counts the messages of one run, which are numbered from 0 on.

    :ivar sent: how many were given to the client.
    :ivar duplicates: how many came that had come before.
    :ivar resumed: how often the session was resumed.
    :ivar cuts: how often the connection was cut.
    :ivar seconds: how long it all took.
    """

    def __init__(self) -> None:
        self.sent: int = 0
        self.duplicates: int = 0
        self.resumed: int = 0
        self.cuts: int = 0
        self.seconds: float = 0.0
        self._received: Final[set[int]] = set()

    @property
    def received(self) -> int:
        """How many have come, each counted once."""
        return len(self._received)

    @property
    def lost(self) -> int:
        """How many have not."""
        return self.sent - self.received

    @property
    def rate(self) -> float:
        """How many came in a second."""
        return self.received / self.seconds if self.seconds else 0.0

    def send(self) -> int:
        """The number of the next message."""
        self.sent += 1
        return self.sent - 1

    def receive(self, payload: bytes) -> None:
        """Take note of a message; one that was not sent in this run does not count."""
        if not payload.isdigit() or int(payload) >= self.sent:
            return
        number = int(payload)
        if number in self._received:
            self.duplicates += 1
        self._received.add(number)

    def kept(self, qos: int) -> bool:
        """Whether the promise of that QoS was kept (section 4.3)."""
        return (qos == 0 or not self.lost) and (qos == 1 or not self.duplicates)
