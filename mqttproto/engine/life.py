"""Where to connect next, when, and in which version: what goes on between connections."""

from collections.abc import Callable, Sequence
from typing import Final

from mqttproto.constants import ProtocolVersion
from mqttproto.engine.options import Options
from mqttproto.engine.schedule import Schedule
from mqttproto.engine.verdicts import Verdict
from mqttproto.transport.url import Address

__all__ = ["Life"]

_MOST_REDIRECTIONS: Final = 5
"""How often to follow a server reference before one of them lets the client in."""


class Life:
    """The way from one connection to the next.

    :param places: where servers are, one or more, in the order in which to try them.
    :param random: returns a number from 0 up to, but not including, 1.
    """

    def __init__(
        self, places: Sequence[Address | None], options: Options, random: Callable[[], float]
    ) -> None:
        self._places: list[Address | None] = list(places)
        self._options: Final = options
        self.schedule: Final = Schedule(options.reconnect_min, options.reconnect_max, random)
        auto = options.mqtt_version == "auto"
        self.version: ProtocolVersion = (
            ProtocolVersion.MQTT5 if auto else ProtocolVersion(int(options.mqtt_version))
        )
        # Before 5.0 there is no enhanced authentication, and a byte stream that is given is all.
        self._may_fall_back = auto and options.authenticator is None and places[0] is not None
        self._index = 0
        self._detours: list[Address | None] = []
        self._redirections = 0
        self._tried = 0
        self._failures = 0
        self._is_up = self._was_up = False
        self.delay: float = 0.0
        """Seconds to wait before the next attempt."""

    @property
    def place(self) -> Address | None:
        """Where to connect now."""
        return self._detours[0] if self._detours else self._places[self._index]

    @property
    def may_fall_back(self) -> bool:
        """Whether 3.1.1 is still to be tried."""
        return self._may_fall_back

    @property
    def was_up(self) -> bool:
        """Whether there was a connection."""
        return self._was_up

    def up(self) -> None:
        """A server has accepted the connection."""
        self._is_up = self._was_up = True
        self._may_fall_back = False
        self._tried = 0
        self._redirections = 0
        self._failures = self.schedule.failures
        self.schedule.reset()

    @property
    def settling(self) -> float:
        """The seconds that a connection must last to be better than those that failed before."""
        return self._options.reconnect_min * 2.0 ** min(self._failures, 6)

    def down(
        self,
        verdict: Verdict,
        references: Sequence[Address | None] = (),
        *,
        moved: bool = False,
        brief: bool = False,
    ) -> bool:
        """A connection has ended, or was not made.

        :param verdict: what that means.
        :param references: the servers that it was sent to.
        :param moved: whether for good.
        :param brief: whether the connection lasted less than :attr:`settling` seconds: a server
            that lets in and drops is not asked more often than one that is away.
        :returns: whether to go on: to wait :attr:`delay` seconds, and connect to :attr:`place`.
        """
        self.delay = 0.0
        if self.place is None:
            # A byte stream is opened once.
            return False
        if verdict is Verdict.OTHER_VERSION and self._may_fall_back:
            self._may_fall_back = False
            self.version = ProtocolVersion.MQTT311
            return True
        if verdict in (Verdict.STOP, Verdict.OTHER_VERSION):
            return False
        if verdict is Verdict.RENEW and self._options.credentials is None:
            return False
        if not self._options.reconnect and self._was_up:
            return False
        if verdict is Verdict.REDIRECT and self._follow(references, moved):
            return True
        return self._turn_to_next(brief)

    def _follow(self, references: Sequence[Address | None], moved: bool) -> bool:
        if not self._options.follow_server_reference or not references:
            return False
        if self._redirections == _MOST_REDIRECTIONS:
            return False
        self._redirections += 1
        self._is_up = False
        if moved:
            self._places = list(references)
            self._detours = []
            self._index = 0
            self._tried = 0
        else:
            self._detours = list(references)
        return True

    def _turn_to_next(self, brief: bool) -> bool:
        """Go on with the next place; when all were tried, after a while."""
        lost = self._is_up
        self._is_up = False
        if lost and brief:
            self.schedule.reset(self._failures)
        if not lost:
            if self._detours:
                self._detours.pop(0)
                return True
            self._tried += 1
            self._index = (self._index + 1) % len(self._places)
            if self._tried < len(self._places):
                return True
            self._tried = 0
            if not self._was_up and not self._options.retry_first:
                return False
        self._redirections = 0
        # The server that it was connected to is the first that it comes back to.
        self.delay = self.schedule.next_delay()
        return True
