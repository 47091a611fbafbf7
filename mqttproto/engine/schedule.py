"""When to connect again: exponential backoff with full jitter."""

from collections.abc import Callable
from typing import Final

from mqttproto.errors import InvalidValueError

__all__ = ["Schedule"]


class Schedule:
    """The delays between attempts to connect.

    Before the attempt number n after a failure (from 0) it is a random time between 0 and
    ``shortest * 2 ** n`` seconds, at most ``longest``: after a failure of their server many clients
    do not come back at the same moment.

    :param shortest: seconds, more than 0.
    :param longest: seconds, not less than ``shortest``.
    :param random: returns a number from 0 up to, but not including, 1.
    :raises InvalidValueError: if an argument is out of its range.
    """

    def __init__(self, shortest: float, longest: float, random: Callable[[], float]) -> None:
        if not 0 < shortest <= longest < float("inf"):
            raise InvalidValueError(
                "reconnect_min, reconnect_max",
                f"they must be seconds, 0 < reconnect_min <= reconnect_max; got {shortest} and"
                f" {longest}",
            )
        self._shortest: Final = shortest
        self._longest: Final = longest
        self._random: Final = random
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many attempts have failed since the last one that succeeded."""
        return self._failures

    def next_delay(self) -> float:
        """The seconds until the next attempt; call it once for each failure."""
        # 2.0 ** 1024 overflows; long before that the longest delay is reached.
        most = min(self._longest, self._shortest * 2.0 ** min(self._failures, 64))
        self._failures += 1
        return self._random() * most

    def reset(self, failures: int = 0) -> None:
        """A connection was made: the next failure is the first one.

        :param failures: after so many others, if it did not last.
        """
        self._failures = failures
