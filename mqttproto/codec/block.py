"""A packet's properties: a typed, immutable view of one property block of 5.0."""

from collections.abc import Iterator
from typing import Any, Final, Unpack

from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.properties import BY_NAME, check_block, property_row
from mqttproto.codec.values import PropertyValues, checked_value, decode_values, encode_values
from mqttproto.codec.wire import FaultFound, Reader, varint
from mqttproto.constants import QoS
from mqttproto.errors import InvalidValueError

__all__ = ["EMPTY", "Properties", "read_properties", "received"]

_EVERY_PACKET: Final = 0xFFFF
_CONNECT: Final = 1
_METHOD: Final = 0x15
_DATA: Final = 0x16
_MULTIPLE: Final[frozenset[int]] = frozenset({0x0B, 0x26})


@mypyc_attr(acyclic=True)
class Properties:
    """The properties of a packet or a will (5.0 section 2.2.2.2).

    An attribute is None, or an empty tuple for the two that may stand more than once, where the
    property is absent. Values are checked when they are given; whether the packet that they are
    put into may have them, when it is encoded. Received properties are decoded at first use.

    Immutable, hashable; equal if the same properties have the same values (those that may be
    repeated: in the same order). :meth:`replace` makes changed copies. Empty is false.

    :raises InvalidValueError: if a value is outside of its range; the error names the property.
    :raises TypeError: if a value is of the wrong type.
    """

    __slots__ = ("_block", "_packets", "_values")

    def __init__(self, **values: Unpack[PropertyValues]) -> None:
        kept: dict[int, Any] = {}
        packets = _EVERY_PACKET
        for name, value in values.items():
            row = BY_NAME.get(name)
            if row is None:
                raise TypeError(f"there is no property called {name!r}")
            if value is None:
                continue
            number = row.id
            checked = checked_value(row, value)
            if number in _MULTIPLE and len(checked) != 1:
                if not checked:
                    continue
                packets &= row.repeatable
            else:
                packets &= row.packets
            kept[number] = checked
        self._values: dict[int, Any] | None = kept
        self._packets: int = packets
        self._block: bytes | None = None

    def _decoded(self) -> dict[int, Any]:
        values = self._values
        if values is None:
            block = self._block
            values = decode_values(b"" if block is None else block)
            self._values = values
        return values

    def block(self) -> bytes:
        """The properties as they stand on the wire, without the Property Length."""
        block = self._block
        if block is None:
            block = encode_values(self._decoded())
            self._block = block
        return block

    def allowed_in(self, packet: int) -> bool:
        """Whether ``packet``, a packet type or 0 for the Will Properties, may have these."""
        if self._packets >> packet & 1:
            return True
        # What was received is known to be legal only in the packet that it came in.
        if type(self) is Properties or not self.replace().allowed_in(packet):
            return False
        self._packets |= 1 << packet
        return True

    def encoded(self, name: str, packet: int, version: int) -> bytes:
        """The property block of the packet called ``name`` with its Property Length.

        :raises InvalidValueError: if ``packet`` may not have one of the properties, or if there
            are any and ``version`` is not 5.
        """
        block = self.block()
        if not block:
            return b"\0" if version == 5 else b""
        if version != 5:
            raise refusal(f"{name}.properties", Fault.NOT_IN_THIS_VERSION, version)
        if not self._packets >> packet & 1 and not self.allowed_in(packet):
            raise self._misplaced(name, packet)
        values = self._values
        if packet == _CONNECT and values is not None and _DATA in values and _METHOD not in values:
            field = f"{name}.properties.authentication_data"
            raise refusal(field, Fault.AUTHENTICATION_DATA_ALONE)
        return varint(len(block)) + block

    def _misplaced(self, name: str, packet: int) -> InvalidValueError:
        """The error for the first property that ``packet`` may not have."""
        rows = [property_row(number) for number in self._decoded()]
        misplaced = [row for row in rows if not row.packets >> packet & 1]
        if misplaced:
            field = f"{name}.properties.{misplaced[0].name}"
            return refusal(field, Fault.PROPERTY_MISPLACED)
        # All that is left is the one that may be repeated elsewhere, but not here.
        field = f"{name}.properties.subscription_identifiers"
        return refusal(field, Fault.PROPERTY_REPEATED)

    def replace(self, **changes: Any) -> "Properties":
        """A copy with some properties changed, or left out if they are given as None or ().

        :raises TypeError: if there is no property of such a name.
        """
        values: dict[str, Any] = dict(self)
        values.update(changes)
        return Properties(**values)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and value of those that are there, as ``dict(properties)`` wants them."""
        for number in self._decoded():
            name = property_row(number).name
            yield name, getattr(self, name)

    def __contains__(self, name: object) -> bool:
        """Whether the property of this name is there."""
        row = BY_NAME.get(name) if isinstance(name, str) else None
        return row is not None and row.id in self._decoded()

    def __bool__(self) -> bool:
        return bool(self._values if self._values is not None else self._block)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Properties):
            return NotImplemented
        return self._decoded() == other._decoded()

    def __hash__(self) -> int:
        return hash(frozenset(self._decoded().items()))

    def __repr__(self) -> str:
        return f"Properties({', '.join(f'{name}={value!r}' for name, value in self)})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (dict(self),))

    @property
    def payload_format_indicator(self) -> int | None:
        """0 (default): unspecified bytes, 1: UTF-8 text. PUBLISH, will (section 3.3.2.3.2)."""
        value: int | None = (self._values or self._decoded()).get(0x01)
        return value

    @property
    def message_expiry_interval(self) -> int | None:
        """Lifetime in seconds, 0 to 4,294,967,295. PUBLISH, will (section 3.3.2.3.3)."""
        value: int | None = (self._values or self._decoded()).get(0x02)
        return value

    @property
    def content_type(self) -> str | None:
        """What the payload is, for instance a MIME type. PUBLISH, will (section 3.3.2.3.9)."""
        value: str | None = (self._values or self._decoded()).get(0x03)
        return value

    @property
    def response_topic(self) -> str | None:
        """The topic name for a response. PUBLISH, will (section 3.3.2.3.5, MQTT-3.3.2-14)."""
        value: str | None = (self._values or self._decoded()).get(0x08)
        return value

    @property
    def correlation_data(self) -> bytes | None:
        """Tells the request of a response, up to 65,535 bytes. PUBLISH, will
        (section 3.3.2.3.6).
        """
        value: bytes | None = (self._values or self._decoded()).get(0x09)
        return value

    @property
    def subscription_identifiers(self) -> tuple[int, ...]:
        """1 to 268,435,455 each. One in a SUBSCRIBE (section 3.8.2.1.2), any number in a PUBLISH
        from a server (section 3.3.2.3.8).
        """
        value: tuple[int, ...] = (self._values or self._decoded()).get(0x0B, ())
        return value

    @property
    def session_expiry_interval(self) -> int | None:
        """Seconds that the session outlives the connection, 0 (default) to 4,294,967,295, which
        means for ever. CONNECT, CONNACK, a client's DISCONNECT (section 3.1.2.11.2).
        """
        value: int | None = (self._values or self._decoded()).get(0x11)
        return value

    @property
    def assigned_client_identifier(self) -> str | None:
        """The client identifier that the server chose. CONNACK (section 3.2.2.3.7)."""
        value: str | None = (self._values or self._decoded()).get(0x12)
        return value

    @property
    def server_keep_alive(self) -> int | None:
        """The keep alive to use, in seconds, 0 to 65,535. CONNACK (section 3.2.2.3.14)."""
        value: int | None = (self._values or self._decoded()).get(0x13)
        return value

    @property
    def authentication_method(self) -> str | None:
        """The method of enhanced authentication. CONNECT, CONNACK, AUTH (section 4.12)."""
        value: str | None = (self._values or self._decoded()).get(0x15)
        return value

    @property
    def authentication_data(self) -> bytes | None:
        """What the method needs, up to 65,535 bytes. CONNECT, CONNACK, AUTH (section 4.12)."""
        value: bytes | None = (self._values or self._decoded()).get(0x16)
        return value

    @property
    def request_problem_information(self) -> bool | None:
        """Whether Reason Strings and User Properties are welcome (default True). CONNECT
        (section 3.1.2.11.7).
        """
        return self._flag(0x17)

    @property
    def will_delay_interval(self) -> int | None:
        """Seconds to wait before the will is published, 0 (default) to 4,294,967,295. Will
        (section 3.1.3.2.2).
        """
        value: int | None = (self._values or self._decoded()).get(0x18)
        return value

    @property
    def request_response_information(self) -> bool | None:
        """Whether Response Information is wanted (default False). CONNECT
        (section 3.1.2.11.6).
        """
        return self._flag(0x19)

    @property
    def response_information(self) -> str | None:
        """A basis for response topics. CONNACK (section 3.2.2.3.15)."""
        value: str | None = (self._values or self._decoded()).get(0x1A)
        return value

    @property
    def server_reference(self) -> str | None:
        """Another server to use. CONNACK, a server's DISCONNECT (section 4.11)."""
        value: str | None = (self._values or self._decoded()).get(0x1C)
        return value

    @property
    def reason_string(self) -> str | None:
        """The reason in words, for logs. All acknowledgements, CONNACK, DISCONNECT, AUTH."""
        value: str | None = (self._values or self._decoded()).get(0x1F)
        return value

    @property
    def receive_maximum(self) -> int | None:
        """How many QoS 1 and 2 messages may be on their way at once, 1 to 65,535 (default).
        CONNECT, CONNACK (section 3.1.2.11.3).
        """
        value: int | None = (self._values or self._decoded()).get(0x21)
        return value

    @property
    def topic_alias_maximum(self) -> int | None:
        """The greatest Topic Alias taken, 0 (default) to 65,535. CONNECT, CONNACK
        (section 3.1.2.11.5).
        """
        value: int | None = (self._values or self._decoded()).get(0x22)
        return value

    @property
    def topic_alias(self) -> int | None:
        """A number for the topic name, 1 to 65,535. PUBLISH (section 3.3.2.3.4)."""
        value: int | None = (self._values or self._decoded()).get(0x23)
        return value

    @property
    def maximum_qos(self) -> QoS | None:
        """The highest QoS that the server takes, 0 or 1; absent means 2. CONNACK
        (section 3.2.2.3.4).
        """
        value: int | None = (self._values or self._decoded()).get(0x24)
        return None if value is None else QoS(value)

    @property
    def retain_available(self) -> bool | None:
        """Whether the server keeps retained messages (default True). CONNACK
        (section 3.2.2.3.5).
        """
        return self._flag(0x25)

    @property
    def user_properties(self) -> tuple[tuple[str, str], ...]:
        """Pairs of name and value, in order; names may recur. Every packet but PINGREQ and
        PINGRESP.
        """
        value: tuple[tuple[str, str], ...] = (self._values or self._decoded()).get(0x26, ())
        return value

    @property
    def maximum_packet_size(self) -> int | None:
        """The largest packet taken, in bytes, 1 to 4,294,967,295; absent means no limit. CONNECT,
        CONNACK (section 3.1.2.11.4).
        """
        value: int | None = (self._values or self._decoded()).get(0x27)
        return value

    @property
    def wildcard_subscription_available(self) -> bool | None:
        """Whether topic filters may have wildcards (default True). CONNACK
        (section 3.2.2.3.11).
        """
        return self._flag(0x28)

    @property
    def subscription_identifier_available(self) -> bool | None:
        """Whether the server takes them (default True). CONNACK (section 3.2.2.3.12)."""
        return self._flag(0x29)

    @property
    def shared_subscription_available(self) -> bool | None:
        """Whether the server has shared subscriptions (default True). CONNACK
        (section 3.2.2.3.13).
        """
        return self._flag(0x2A)

    def _flag(self, number: int) -> bool | None:
        value: int | None = (self._values or self._decoded()).get(number)
        return None if value is None else value != 0


@mypyc_attr(acyclic=True)
class _Received(Properties):
    """Properties from the wire: the block is known to be valid in one packet, and kept as is."""

    __slots__ = ()

    def __init__(self, block: bytes, packets: int) -> None:
        self._block = block
        self._values = None
        self._packets = packets


def received(block: bytes, packet: int) -> Properties:
    """The properties of a block, without its length, that was checked for ``packet``."""
    return _Received(block, 1 << packet) if block else EMPTY


def read_properties(reader: Reader, packet: int, sender: int) -> Properties:
    """Read and check the property block of ``packet`` with its Property Length.

    :param packet: a packet type, or 0 for the Will Properties.
    :param sender: 1 for the client, 2 for the server, 0 for either.
    """
    field = reader.position
    length = reader.varint()
    start = reader.position
    end = start + length
    if end > reader.end:
        raise FaultFound(Fault.PROPERTY_LENGTH, field)
    seen = check_block(reader.data, start, end, packet, sender)
    if packet == _CONNECT and seen >> _DATA & 1 and not seen >> _METHOD & 1:
        raise FaultFound(Fault.AUTHENTICATION_DATA_ALONE, field)
    reader.position = end
    return received(reader.data[start:end], packet)


def _rebuild(values: dict[str, Any]) -> Properties:
    """Make the properties again from their pickled form."""
    return Properties(**values)


EMPTY: Final[Properties] = Properties()
"""No properties."""
