"""What a command says of its connection while it goes on; without any I/O."""

from mqttproto.cli.text import quoted
from mqttproto.engine.events import (
    ClientEvent,
    MessageDropped,
    Offline,
    Online,
    Reconnecting,
    SessionLost,
    SubscriptionLost,
)

__all__ = ["Notices"]


class Notices:
    """Puts a client's events into words, for whoever waits at a terminal.

    :ivar dropped: how many messages had no room.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._was_online = False
        self._problem: BaseException | None = None

    def notice(self, event: ClientEvent) -> str | None:
        """What to say about an event; None: nothing."""
        match event:
            case Online():
                again, self._was_online = self._was_online, True
                return "connected again" if again else None
            case Offline():
                self._problem = event.error
                return None
            case Reconnecting() if self._was_online:
                return f"{self._problem}; trying again in {event.delay:.1f} seconds"
            case SessionLost() if event.subscriptions:
                return "the server has lost the session, and with it what it had not sent yet"
            case SubscriptionLost():
                code = event.reason_code
                which = quoted(event.subscription.topic_filter)
                return f"the server refused to subscribe to {which} again: {code.name}({code:#04x})"
            case MessageDropped():
                self.dropped += 1
                first = "the output is too slow, and messages of QoS 0 are lost"
                return first if self.dropped == 1 else None
            case _:
                return None
