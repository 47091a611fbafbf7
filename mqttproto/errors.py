"""The error tree.

::

    MQTTError
    ├── PacketError                      the peer's bytes are wrong: held by Decoder.error
    │   ├── MalformedPacketError         they cannot be read as the specification says
    │   └── ProtocolViolationError       they can be read, but must not be sent
    ├── InvalidValueError (ValueError)   the caller's own value is wrong, nothing was changed
    │   ├── InvalidTopicError            a topic name or a topic filter
    │   └── PacketTooLargeError          the packet is larger than MQTT, or the peer, allows
    └── LocalProtocolError               the caller asks for what must not be now: nothing changed
        ├── LimitError                   what the peer has said it does not support
        ├── QueueFullError               the session's queue, or what waits for its commit, is full
        └── PacketIdsExhaustedError      all 65,535 packet identifiers are in use

A wrong *type* is a :class:`TypeError`, as everywhere in Python.
"""

from typing import Final

from mqttproto.constants import ReasonCode

__all__ = [
    "InvalidTopicError",
    "InvalidValueError",
    "LimitError",
    "LocalProtocolError",
    "MQTTError",
    "MalformedPacketError",
    "PacketError",
    "PacketIdsExhaustedError",
    "PacketTooLargeError",
    "ProtocolViolationError",
    "QueueFullError",
    "Statement",
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
