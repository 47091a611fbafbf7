"""The error tree.

::

    MQTTError
    ├── PacketError                      the peer's bytes are wrong: held by Decoder.error
    │   ├── MalformedPacketError         they cannot be read as the specification says
    │   └── ProtocolViolationError       they can be read, but must not be sent
    ├── InvalidValueError (ValueError)   the caller's own value is wrong, nothing was changed
    │   ├── InvalidTopicError            a topic name or a topic filter
    │   └── PacketTooLargeError          the packet is larger than MQTT, or the peer, allows
    ├── LocalProtocolError               the caller asks for what must not be now: nothing changed
    │   ├── LimitError                   what the peer has said it does not support
    │   ├── QueueFullError               the session's queue, or what waits for its commit, is full
    │   └── PacketIdsExhaustedError      all 65,535 packet identifiers are in use
    ├── MissingExtraError (ImportError)  an optional part of this library is not installed
    ├── TransportError                   the network failed, or TLS or WebSocket above it
    ├── ConnectRefusedError              the server answered CONNECT with a refusal
    ├── PublishRefusedError              the server answered a PUBLISH with a refusal
    ├── SubscribeRefusedError            the server refused a subscription
    ├── MessageDroppedError              a message will not be sent, or not again
    ├── DeliveryUncertainError           the session of a message of QoS 2 ended under way
    ├── ClientClosedError                the client has ended
    └── RequestTimeoutError (TimeoutError)   no response came in time

The first four branches are about bytes and calls, and everything here may raise or hold them. The
others are what became of something that a client was asked for: connections tell it by events, and
clients raise it.

A wrong *type* is a :class:`TypeError`, as everywhere in Python.
"""

from collections.abc import Sequence
from typing import Final

from mqttproto.constants import ConnectReturnCode, ReasonCode

__all__ = [
    "ClientClosedError",
    "ConnectRefusedError",
    "DeliveryUncertainError",
    "InvalidTopicError",
    "InvalidValueError",
    "LimitError",
    "LocalProtocolError",
    "MQTTError",
    "MalformedPacketError",
    "MessageDroppedError",
    "MissingExtraError",
    "PacketError",
    "PacketIdsExhaustedError",
    "PacketTooLargeError",
    "ProtocolViolationError",
    "PublishRefusedError",
    "QueueFullError",
    "RequestTimeoutError",
    "Statement",
    "SubscribeRefusedError",
    "TransportError",
]


class Statement:
    """A place in a standard that says what must be: version and id, always both.

    An id alone is no citation: most of the ids that 3.1.1 and 5.0 share say different things.

    :ivar version: ``"3.1"``, ``"3.1.1"`` or ``"5.0"``. MQTT 3.1 numbers no statements: a rule that
        it shares with 3.1.1 is cited from there.
    :ivar id: for instance ``"MQTT-3.3.2-8"``, or ``"section 2.2.2.2"`` where the text has no
        number.
    """

    __slots__ = ("id", "version")

    def __init__(self, version: str, id: str) -> None:
        self.version: Final = version
        self.id: Final = id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statement):
            return NotImplemented
        return self.version == other.version and self.id == other.id

    def __hash__(self) -> int:
        return hash((self.version, self.id))

    def __str__(self) -> str:
        return f"MQTT {self.version} [{self.id}]"

    def __repr__(self) -> str:
        return f"Statement({self.version!r}, {self.id!r})"


class MQTTError(Exception):
    """The root of everything that this library raises or holds as an error."""


class PacketError(MQTTError):
    """What is wrong with bytes that a peer sent; never raised by a decoder, but held by it.

    :ivar reason_code: what a DISCONNECT or CONNACK of 5.0 says about it.
    :ivar offset: where, in bytes from the start of the stream (0 is its first byte).
    :ivar statement: the rule that was broken.
    :ivar rule: the same in words, without the offset.
    :ivar fault: the row of :data:`mqttproto.codec.faults.FAULTS` that this error was made from.
    """

    def __init__(
        self, rule: str, *, reason_code: ReasonCode, offset: int, statement: Statement, fault: int
    ) -> None:
        super().__init__(rule, reason_code, offset, statement, fault)
        self.rule: Final = rule
        self.reason_code: Final = reason_code
        self.offset: Final = offset
        self.statement: Final = statement
        self.fault: Final = fault

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, PacketError):
            return NotImplemented
        return self.args == other.args

    def __hash__(self) -> int:
        return hash((type(self), self.args))

    def __str__(self) -> str:
        where = f"at byte {self.offset}; {self.statement}"
        return f"{self.rule} ({where}; reason code {self.reason_code:#04x})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_packet_error, (type(self), *self.args))


def _packet_error(
    cls: type[PacketError],
    rule: str,
    reason_code: ReasonCode,
    offset: int,
    statement: Statement,
    fault: int,
) -> PacketError:
    """Build the error again from its pickled form, which knows no keywords."""
    return cls(rule, reason_code=reason_code, offset=offset, statement=statement, fault=fault)


class MalformedPacketError(PacketError):
    """Bytes that cannot be read as a packet (5.0 section 1.2, Malformed Packet)."""


class ProtocolViolationError(PacketError):
    """A readable packet that must not be sent (5.0 section 1.2, Protocol Error)."""


class InvalidValueError(MQTTError, ValueError):
    """A value that the specification forbids; nothing was encoded and nothing has changed.

    :ivar field: the attribute that holds the value, for instance ``"Publish.packet_id"``.
    :ivar rule: what must be, in words.
    :ivar statement: where the specification says so; None for a rule of this library.
    """

    def __init__(self, field: str, rule: str, statement: Statement | None = None) -> None:
        super().__init__(field, rule, statement)
        self.field: Final = field
        self.rule: Final = rule
        self.statement: Final = statement

    def __str__(self) -> str:
        where = "" if self.statement is None else f" ({self.statement})"
        return f"{self.field}: {self.rule}{where}"


class InvalidTopicError(InvalidValueError):
    """A topic name or topic filter that breaks the rules of 5.0 section 4.7 or 4.8.2."""


class PacketTooLargeError(InvalidValueError):
    """A packet whose Remaining Length would exceed 268,435,455 bytes (5.0 section 1.5.5), or that
    is larger than the Maximum Packet Size of the peer (5.0: MQTT-3.1.2-24, MQTT-3.2.2-15).
    """


class LocalProtocolError(MQTTError):
    """The caller asks a connection for what its state forbids; nothing has changed.

    :ivar rule: what must be, in words, and what to do.
    :ivar statement: where the specification says so; None for a rule of this library.
    """

    def __init__(self, rule: str, statement: Statement | None = None) -> None:
        super().__init__(rule, statement)
        self.rule: Final = rule
        self.statement: Final = statement

    def __str__(self) -> str:
        return self.rule if self.statement is None else f"{self.rule} ({self.statement})"


class LimitError(LocalProtocolError):
    """The server has said in CONNACK that it does not support this (5.0 section 3.2.2.3)."""


class QueueFullError(LocalProtocolError):
    """No more messages are taken until some have left; an event says when that is."""


class PacketIdsExhaustedError(LocalProtocolError):
    """All packet identifiers, 1 to 65,535, are in use (5.0: MQTT-2.2.1-3, MQTT-2.2.1-4)."""


class MissingExtraError(MQTTError, ImportError):
    """An optional part of this library is needed, and not installed.

    :ivar feature: what needs it, for instance ``"WebSocket"``.
    :ivar extra: what to install, ``mqttproto[extra]``.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)
        self.feature: Final = feature
        self.extra: Final = extra

    def __str__(self) -> str:
        return f"{self.feature} is not installed: pip install 'mqttproto[{self.extra}]'"


class TransportError(MQTTError):
    """The network failed, or what lies between it and MQTT: TLS, WebSocket.

    :ivar reason: what happened and what to do, in words.
    :ivar address: whom it was about, for instance the URL without its credentials; empty if that
        goes without saying.
    """

    def __init__(self, reason: str, address: str = "") -> None:
        super().__init__(reason, address)
        self.reason: Final = reason
        self.address: Final = address

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}" if self.address else self.reason


_CONNECT_ADVICE: Final[dict[int, str]] = {
    ConnectReturnCode.UNACCEPTABLE_PROTOCOL_VERSION: "use another protocol version",
    ConnectReturnCode.IDENTIFIER_REJECTED: "use another client identifier",
    ConnectReturnCode.SERVER_UNAVAILABLE: "try again later",
    ConnectReturnCode.BAD_USER_NAME_OR_PASSWORD: "check the user name and the password",
    ConnectReturnCode.NOT_AUTHORIZED: "check the user name, the password and the client identifier",
    ReasonCode.UNSUPPORTED_PROTOCOL_VERSION: "use another protocol version",
    ReasonCode.CLIENT_IDENTIFIER_NOT_VALID: "use another client identifier",
    ReasonCode.BAD_USER_NAME_OR_PASSWORD: "check the user name and the password",
    ReasonCode.NOT_AUTHORIZED: "check the user name, the password and the client identifier",
    ReasonCode.SERVER_UNAVAILABLE: "try again later",
    ReasonCode.SERVER_BUSY: "try again later",
    ReasonCode.BANNED: "ask whoever runs the server",
    ReasonCode.BAD_AUTHENTICATION_METHOD: "use an Authentication Method that the server knows",
    ReasonCode.TOPIC_NAME_INVALID: "give the will another topic",
    ReasonCode.PACKET_TOO_LARGE: "make the will or the properties smaller",
    ReasonCode.QUOTA_EXCEEDED: "ask whoever runs the server",
    ReasonCode.PAYLOAD_FORMAT_INVALID: "give the will the payload that its properties announce",
    ReasonCode.RETAIN_NOT_SUPPORTED: "do not set Will Retain",
    ReasonCode.QOS_NOT_SUPPORTED: "give the will a lower QoS",
    ReasonCode.USE_ANOTHER_SERVER: "for now, connect to another server",
    ReasonCode.SERVER_MOVED: "from now on, connect to another server",
    ReasonCode.CONNECTION_RATE_EXCEEDED: "connect less often",
}

_PUBLISH_ADVICE: Final[dict[int, str]] = {
    ReasonCode.NOT_AUTHORIZED: "ask whoever runs the server for leave to publish to this topic",
    ReasonCode.TOPIC_NAME_INVALID: "publish to another topic",
    ReasonCode.QUOTA_EXCEEDED: "publish less, or ask whoever runs the server",
    ReasonCode.PAYLOAD_FORMAT_INVALID: "send the payload that the message's properties announce",
}


def _words(code: ReasonCode | ConnectReturnCode) -> str:
    """A code as people read it."""
    return f"{code.name.replace('_', ' ').lower()} (0x{code:02x})"


def _refusal(
    what: str, code: ReasonCode | ConnectReturnCode, reason: str | None, advice: dict[int, str]
) -> str:
    """A refusal in a sentence: what was refused, the server's reasons, what to do."""
    said = "" if reason is None else f"; it says {reason!r}"
    todo = advice.get(code, "the server's log may say more")
    return f"the server refused {what}: {_words(code)}{said}; {todo}"


class ConnectRefusedError(MQTTError):
    """The server answered CONNECT with a refusal.

    :ivar reason_code: a ReasonCode in 5.0, a ConnectReturnCode before.
    :ivar properties: those of CONNACK, a :class:`mqttproto.Properties`; None if there are none.
    :ivar reason_string: what the server says about it, in its own words; None if it says nothing.
    :ivar server_reference: where else to go, if the server knows (5.0 section 4.11); else None.
    """

    def __init__(
        self, reason_code: ReasonCode | ConnectReturnCode, properties: object = None
    ) -> None:
        super().__init__(reason_code, properties)
        self.reason_code: Final = reason_code
        self.properties: Final = properties
        self.reason_string: Final[str | None] = getattr(properties, "reason_string", None)
        self.server_reference: Final[str | None] = getattr(properties, "server_reference", None)

    def __str__(self) -> str:
        text = _refusal("the connection", self.reason_code, self.reason_string, _CONNECT_ADVICE)
        where = self.server_reference
        return text if where is None else f"{text}; it names {where!r}"


class PublishRefusedError(MQTTError):
    """The server answered a PUBLISH of QoS 1 or 2 with a refusal (5.0): it does not have it.

    :ivar reason_code: why, 0x80 and up.
    :ivar reason_string: what the server says about it, in its own words; None if it says nothing.
    """

    def __init__(self, reason_code: ReasonCode, reason_string: str | None = None) -> None:
        super().__init__(reason_code, reason_string)
        self.reason_code: Final = reason_code
        self.reason_string: Final = reason_string

    def __str__(self) -> str:
        return _refusal("the message", self.reason_code, self.reason_string, _PUBLISH_ADVICE)


class SubscribeRefusedError(MQTTError):
    """The server refused at least one of the subscriptions that were asked for together.

    Those that it granted are in force.

    :ivar reason_codes: for each of them, in their order: the granted QoS, or a failure.
    :ivar filters: their topic filters.
    """

    def __init__(self, reason_codes: Sequence[ReasonCode], filters: Sequence[str]) -> None:
        self.reason_codes: Final = tuple(reason_codes)
        self.filters: Final = tuple(filters)
        super().__init__(self.reason_codes, self.filters)

    @property
    def refused(self) -> dict[str, ReasonCode]:
        """The topic filters that were refused, each with the reason code."""
        answers = zip(self.filters, self.reason_codes, strict=True)
        return {topic_filter: code for topic_filter, code in answers if code.is_failure}

    def __str__(self) -> str:
        refused = self.refused
        each = ", ".join(f"{name!r}: {_words(code)}" for name, code in refused.items())
        granted = len(self.filters) - len(refused)
        rest = f"; {granted} granted and in force" if granted else ""
        return (
            f"the server refused to subscribe to {each}{rest}; "
            "check the topic filters, and what this client may read"
        )


_DROPPED: Final[dict[str, str]] = {
    "queue full": "it gave way to others: publish more slowly, or allow a longer queue",
    "expired": "its Message Expiry Interval passed before it was sent: allow it more time",
    "too large": "the server takes no packets of this size: send less at once",
    "QoS not supported": "the server takes no messages of this QoS: use a lower one",
    "retain not supported": "the server keeps no messages: publish it without RETAIN",
    "not connected": "it is of QoS 0 and there is no connection: use QoS 1, or wait for Connected",
    "session ended": "it was in flight in a session that is over: publish it anew, perhaps twice",
}


class MessageDroppedError(MQTTError):
    """A message will not be sent, or not again.

    :ivar reason: why, the value of a :class:`mqttproto.protocol.events.DropReason`.
    :ivar topic: the message's topic; empty if that goes without saying.
    """

    def __init__(self, reason: str, topic: str = "") -> None:
        super().__init__(reason, topic)
        self.reason: Final = reason
        self.topic: Final = topic

    def __str__(self) -> str:
        what = f"the message to {self.topic!r}" if self.topic else "the message"
        return f"{what} was dropped: {_DROPPED.get(self.reason, self.reason)}"


class DeliveryUncertainError(MQTTError):
    """The session ended while a message of QoS 2 was in flight: the server may have it or not.

    Whether to publish it anew, perhaps a second time, is for the application to decide.

    :ivar topic: the message's topic; empty if that goes without saying.
    """

    def __init__(self, topic: str = "") -> None:
        super().__init__(topic)
        self.topic: Final = topic

    def __str__(self) -> str:
        what = f"the message to {self.topic!r}" if self.topic else "a message of QoS 2"
        return (
            f"the session ended while {what} was in flight, and the server may have it or not: "
            "publish it anew if a duplicate does less harm than a loss"
        )


class ClientClosedError(MQTTError):
    """The client has ended, and does nothing any more.

    :ivar reason: why it has ended, in words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: Final = reason

    def __str__(self) -> str:
        return f"the client has ended: {self.reason}; connect anew to go on"


class RequestTimeoutError(MQTTError, TimeoutError):
    """No response to a request came in time.

    :ivar topic: where the request went.
    :ivar timeout: the seconds that it was waited for.
    """

    def __init__(self, topic: str, timeout: float) -> None:
        # One argument: of two, an OSError would take the first for its errno.
        super().__init__(
            f"no response to the request to {topic!r} came within {timeout:g} seconds: see whether "
            "anybody answers there, or allow more time"
        )
        self.topic: Final = topic
        self.timeout: Final = timeout

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.topic, self.timeout))
