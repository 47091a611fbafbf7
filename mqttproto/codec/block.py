"""A packet's properties: a typed, immutable view of one property block of 5.0."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Unpack

from mqttproto.codec.faults import Fault, refusal
from mqttproto.codec.hints import mypyc_attr
from mqttproto.codec.properties import BY_NAME, check_block, property_row
from mqttproto.codec.values import (
    PropertyValues,
    block_without,
    checked_value,
    decode_values,
    encode_values,
    find_property,
)
from mqttproto.codec.wire import FaultFound, Reader, varint
from mqttproto.constants import QoS
from mqttproto.errors import InvalidValueError

__all__ = ["EMPTY", "Properties", "read_properties", "received"]

_EVERY_PACKET: Final = 0xFFFF
_AT_LEAST: Final = 1 << 16
"""Set in a set of packets to which others may belong too."""

_CONNECT: Final = 1
_EXPIRY: Final = 0x02
_METHOD: Final = 0x15
_DATA: Final = 0x16
_REASON: Final = 0x1F
_ALIAS: Final = 0x23
_USER: Final = 0x26
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
        _change(kept, values)
        self._values: dict[int, Any] | None = kept
        self._packets: int = _packets(kept)
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
        # What was received is known to be legal in the packet that it came in.
        if self._packets & _AT_LEAST and not self._packets >> packet & 1:
            self._packets = _packets(self._decoded())
        return self._packets >> packet & 1 == 1

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
        if packet == _CONNECT and self.may_hold(_DATA) and self._has_data_alone():
            field = f"{name}.properties.authentication_data"
            raise refusal(field, Fault.AUTHENTICATION_DATA_ALONE)
        return varint(len(block)) + block

    def _has_data_alone(self) -> bool:
        values = self._decoded()
        return _DATA in values and _METHOD not in values

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
        values = dict(self._decoded())
        _change(values, changes)
        return _Known(None, values, _packets(values)) if values else EMPTY

    def with_message_expiry(self, seconds: int) -> "Properties":
        """A copy with this ``message_expiry_interval``, where the old one stood or at the end.

        Like the next two it costs less than :meth:`replace`: the others are not even decoded.

        :param seconds: 0 to 4,294,967,295.
        :raises InvalidValueError: if it is out of this range.
        """
        row = property_row(_EXPIRY)
        value: int = checked_value(row, seconds)
        packets = self._packets & (row.packets | _AT_LEAST)
        block = self._block
        if block is not None:
            at = find_property(block, _EXPIRY)
            number = value.to_bytes(4, "big")
            if at < 0:
                return _Known(block + b"\2" + number, None, packets)
            return _Known(block[: at + 1] + number + block[at + 5 :], None, packets)
        values = dict(self._decoded())
        values[_EXPIRY] = value
        return _Known(None, values, packets)

    def without_topic_alias(self) -> "Properties":
        """A copy without ``topic_alias``; the same object if there is none."""
        return self._without(_ALIAS, _ALIAS)

    def without_problem_information(self) -> "Properties":
        """A copy without ``reason_string`` and ``user_properties``; the same object if there are
        none.
        """
        return self._without(_REASON, _USER)

    def _without(self, one: int, other: int) -> "Properties":
        packets = self._packets | _AT_LEAST
        block = self._block
        if block is not None:
            rest = block_without(block, one, other)
            if rest is block:
                return self
            return _Known(rest, None, packets) if rest else EMPTY
        values = self._decoded()
        if one not in values and other not in values:
            return self
        left = {number: value for number, value in values.items() if number not in (one, other)}
        return _Known(None, left, packets) if left else EMPTY

    def may_hold(self, identifier: int) -> bool:
        """Whether a property may be there, without decoding: False is certain, True is not.

        :param identifier: that of the property, for instance 0x23 for the Topic Alias.
        """
        values = self._values
        if values is not None:
            return identifier in values
        block = self._block
        return block is not None and 0 <= identifier <= 0xFF and identifier in block

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


def _change(values: dict[int, Any], changes: Mapping[str, Any]) -> None:
    """Check values by name, and put them into ``values`` by identifier; None and () delete."""
    for name, value in changes.items():
        row = BY_NAME.get(name)
        if row is None:
            raise TypeError(f"there is no property called {name!r}")
        checked = None if value is None else checked_value(row, value)
        if checked is None or (row.id in _MULTIPLE and not checked):
            values.pop(row.id, None)
        else:
            values[row.id] = checked


def _packets(values: dict[int, Any]) -> int:
    """The packets, as bits, that may have all of these."""
    packets = _EVERY_PACKET
    for number, value in values.items():
        row = property_row(number)
        repeated = number in _MULTIPLE and len(value) != 1
        packets &= row.repeatable if repeated else row.packets
    return packets


@mypyc_attr(acyclic=True)
class _Known(Properties):
    """Properties whose block, values, or both, are known to be valid."""

    __slots__ = ()

    def __init__(self, block: bytes | None, values: dict[int, Any] | None, packets: int) -> None:
        self._block = block
        self._values = values
        self._packets = packets


def received(block: bytes, packet: int) -> Properties:
    """The properties of a block, without its length, that was checked for ``packet``."""
    return _Known(block, None, _AT_LEAST | 1 << packet) if block else EMPTY


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
