"""How a client is to connect, and what it takes."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from mqttproto.codec.block import EMPTY, Properties
from mqttproto.codec.connect import Will
from mqttproto.constants import MAX_PACKET_SIZE, ProtocolVersion
from mqttproto.engine.inbox import InboxLimits
from mqttproto.errors import InvalidValueError
from mqttproto.protocol.journal import Batch
from mqttproto.protocol.leniency import Leniency
from mqttproto.protocol.message_queue import Qos0, QueueLimits
from mqttproto.protocol.packet_ids import MOST_PACKET_IDS
from mqttproto.protocol.session import Session

__all__ = ["Authenticator", "Credentials", "Options", "SessionStore", "with_options"]

Credentials = tuple[str | None, str | bytes | bytearray | memoryview | None]
"""A user name and a password; None: without."""

_QUEUE_LIMITS: Final = QueueLimits(qos_0=Qos0.QUEUE)
_INBOX_LIMITS: Final = InboxLimits()

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Target = TypeVar("_Target")


class Authenticator(Protocol):
    """A method of enhanced authentication, at the client's end (5.0 section 4.12)."""

    @property
    def method(self) -> str:
        """The Authentication Method, 1 to 65,535 bytes of UTF-8."""

    def begin(self) -> bytes | None:
        """Begin anew; called for each connection and each re-authentication.

        :returns: the Authentication Data of CONNECT, or of the first AUTH.
        """

    def respond(self, data: bytes | None) -> bytes | None:
        """Answer an AUTH of the server that asks to continue.

        :param data: its Authentication Data.
        :returns: that of the answer.
        """

    def succeed(self, data: bytes | None) -> None:
        """Check what the server says at the end; raise to leave a server that has failed.

        :param data: the Authentication Data of its CONNACK, or of its last AUTH.
        """


class SessionStore(Protocol):
    """Where the session of a client is kept. Its methods may block: they are called in a thread,
    one at a time.
    """

    def load(self, now: float, wall: float) -> dict[str, Any] | None:
        """What was stored, as :meth:`mqttproto.Session.export` gives it; None if there is nothing.

        :param now: seconds of the monotonic clock that the times in it are to be of.
        :param wall: seconds since 1970, at the same moment.
        """

    def commit(self, batch: Batch, now: float, wall: float) -> None:
        """Store changes for good, before it returns. If it raises, the same ones come again.

        :param now: seconds of the monotonic clock.
        :param wall: seconds since 1970, at the same moment.
        """

    def close(self) -> None:
        """Let go of what :meth:`load` has taken: the client has ended. This must not block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``connect()``, the same for all adapters.

    :ivar client_id: the client identifier. Empty: in 5.0 the server chooses one, which later
        connections keep; before, one is drawn at random.
    :ivar mqtt_version: 3 (3.1), 4 (3.1.1), 5 (5.0), or ``"auto"``: 5.0, and 3.1.1 if the first
        server refuses that.
    :ivar clean_start: whether the first connection begins a new session. None: it does, unless
        ``session`` is given, and in 5.0 holds one. Later ones resume the session where there can be
        one.
    :ivar session_expiry_interval: seconds that the server keeps the session without a connection,
        0 to 4,294,967,295 (for ever). None: an hour while this client lives, and not beyond; with a
        stored session, a day. Before 5.0 a session ends with its connection if ``clean_start`` is
        true, and never if not.
    :ivar keep_alive: seconds, 0 (off) to 65,535.
    :ivar user_name: for the server; one in the URL is used where there is none here.
    :ivar password: for the server.
    :ivar credentials: asked before each connection for user name and password, as a pair; may be a
        coroutine function. For tokens that expire.
    :ivar will: what the server publishes when the connection is lost.
    :ivar properties: more properties of CONNECT, of 5.0.
    :ivar tls: an ``ssl.SSLContext`` or a :class:`mqttproto.tls.TLSOptions`; None: the system's
        certificates. Only with ``mqtts://`` and ``wss://``.
    :ivar websocket_headers: more headers of the WebSocket request, pairs of name and value.
    :ivar reconnect: whether to connect again when the connection is lost.
    :ivar retry_first: whether to go on where the first connection cannot be made. If not, entering
        the context raises once every URL was tried.
    :ivar reconnect_min: seconds, more than 0: the first attempt comes at a random time before.
    :ivar reconnect_max: seconds: the delays grow up to this.
    :ivar follow_server_reference: whether to go to another server where this one says so (5.0
        section 4.11).
    :ivar connect_timeout: seconds, more than 0: for the network connection, and again for CONNACK.
    :ivar ping_timeout: seconds, more than 0: from PINGREQ to PINGRESP.
    :ivar drain_timeout: seconds, 0 and up, that leaving the context waits for messages under way.
    :ivar receive_maximum: how many messages of QoS 1 and 2 may come before the first is
        acknowledged, 1 to 65,535. Only 5.0 tells the server.
    :ivar max_packet_size: the most bytes of a packet that is taken, 1 to 268,435,460.
    :ivar max_in_flight: how many messages of QoS 1 and 2 to send before one is acknowledged, 1 to
        65,535; the server may allow fewer.
    :ivar max_topic_aliases: how many Topic Aliases to use, 0 to 65,535; the server may allow fewer.
    :ivar queue_limits: how many messages wait to be sent, also those of QoS 0 while there is no
        connection.
    :ivar inbox_limits: how many messages wait to be taken, in each inbox that has no limits of its
        own.
    :ivar manual_acknowledgement: whether the application acknowledges messages of QoS 1 and 2. If
        not, they are as they are taken out of their inbox.
    :ivar authenticator: enhanced authentication, of 5.0.
    :ivar session: a session to go on with, or a store to keep it in.
    :ivar leniency: what to let pass.
    """

    client_id: str = ""
    mqtt_version: ProtocolVersion | int | str = ProtocolVersion.MQTT5
    clean_start: bool | None = None
    session_expiry_interval: int | None = None
    keep_alive: int = 60
    user_name: str | None = None
    password: str | bytes | bytearray | memoryview | None = None
    credentials: Callable[[], Credentials | Awaitable[Credentials]] | None = None
    will: Will | None = None
    properties: Properties = EMPTY
    tls: Any = None
    websocket_headers: Iterable[tuple[str, str]] = ()
    reconnect: bool = True
    retry_first: bool = False
    reconnect_min: float = 0.5
    reconnect_max: float = 60.0
    follow_server_reference: bool = False
    connect_timeout: float = 30.0
    ping_timeout: float = 30.0
    drain_timeout: float = 5.0
    receive_maximum: int = MOST_PACKET_IDS
    max_packet_size: int = MAX_PACKET_SIZE
    max_in_flight: int = MOST_PACKET_IDS
    max_topic_aliases: int = 0
    queue_limits: QueueLimits = _QUEUE_LIMITS
    inbox_limits: InboxLimits = _INBOX_LIMITS
    manual_acknowledgement: bool = False
    authenticator: Authenticator | None = None
    session: Session | SessionStore | None = None
    leniency: Leniency = Leniency.NONE

    def __post_init__(self) -> None:
        # An iterator would be used up by the first connection.
        object.__setattr__(self, "websocket_headers", tuple(self.websocket_headers))
        if self.mqtt_version != "auto" and self.mqtt_version not in (3, 4, 5):
            raise InvalidValueError(
                "mqtt_version", f"it is 3, 4, 5 or 'auto', not {self.mqtt_version!r}"
            )
        if not (self.connect_timeout > 0 and self.ping_timeout > 0):
            raise InvalidValueError(
                "connect_timeout, ping_timeout", "they must be more than 0 seconds"
            )
        if not self.drain_timeout >= 0:
            raise InvalidValueError("drain_timeout", "it must be 0 seconds or more")
        method = self.properties.authentication_method
        if method is not None or self.properties.authentication_data is not None:
            raise InvalidValueError(
                "properties", "authentication takes steps: give an authenticator, which takes them"
            )
        if self.credentials is not None and (
            self.user_name is not None or self.password is not None
        ):
            raise InvalidValueError(
                "credentials", "give either these, or user_name and password, not both"
            )


def with_options(
    make: Callable[_P, Options],
) -> Callable[[Callable[[_Target, Options], _T]], Callable[Concatenate[_Target, _P], _T]]:
    """Make a function with a parameter ``options`` one that takes each option by its keyword.

    :param make: :class:`Options`.
    """

    def decorate(
        function: Callable[[_Target, Options], _T],
    ) -> Callable[Concatenate[_Target, _P], _T]:
        @wraps(function)
        def wrapper(target: _Target, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
            return function(target, make(*args, **kwargs))

        first, _ = inspect.signature(function).parameters.values()
        options = inspect.signature(make).parameters.values()
        # What inspect and help() look at; no type of a function has it.
        wrapper.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
        return wrapper

    return decorate
