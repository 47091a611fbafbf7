"""What an adapter is to do next, between two network connections."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mqttproto.engine.options import Credentials, SessionStore
from mqttproto.transport.url import Address

__all__ = ["Ask", "Dial", "Load", "Pause", "Step"]


@dataclass(frozen=True, slots=True)
class Load:
    """Load the session, in a thread, and hand it to ``loaded()``."""

    store: SessionStore


@dataclass(frozen=True, slots=True)
class Ask:
    """Call this, await what it returns if that can be awaited, and hand it to ``credentials()``."""

    credentials: Callable[[], Credentials | Awaitable[Credentials]]


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a network connection and call ``dialed()``, or ``dial_failed()``.

    :ivar place: where to; None: on the byte stream that was given.
    :ivar timeout: seconds that it may take.
    """

    place: Address | None
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait until then, in seconds of ``now``, or until ``changed()`` is done."""

    until: float


Step = Load | Ask | Dial | Pause
