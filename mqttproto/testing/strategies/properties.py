"""Properties of 5.0, drawn from the codec's table of them."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from mqttproto.codec.block import Properties, received
from mqttproto.codec.properties import PROPERTIES, WILL, PropertyRow, WireType
from mqttproto.constants import PacketType, QoS, Sender
from mqttproto.testing.strategies.topics import topic_names
from mqttproto.testing.strategies.values import any_sender, reused, strings

__all__ = ["legal_rows", "properties", "single_properties", "will_properties"]

_ROWS = {row.name: row for row in PROPERTIES}
_METHOD = _ROWS["authentication_method"]
_DATA = _ROWS["authentication_data"]
_NUMBERS = {"payload_format_indicator", "maximum_qos"}
"""The one-byte properties that are no flags."""


@reused
def properties(
    packet: PacketType | int, sender: Sender | str | None = None
) -> SearchStrategy[Properties]:
    """The properties that may stand in a packet, in any combination that is legal there.

    In a CONNECT, Authentication Data never stands without an Authentication Method. AUTH always has
    one (an AUTH without any properties is drawn by :func:`~mqttproto.testing.strategies.auths`).
    Half of them are as received: to be decoded at first use. The order is any.

    :param packet: a packet type of 5.0; one that cannot have properties has none.
    :param sender: whose packet it is; None draws it.
    """
    return any_sender(sender).flatmap(lambda end: _properties(int(packet), end))


@reused
def will_properties() -> SearchStrategy[Properties]:
    """The properties of a Will (5.0 section 3.1.3.2)."""
    return _properties(WILL, Sender.CLIENT)


def legal_rows(packet: int, sender: Sender) -> list[PropertyRow]:
    """The rows of the properties that ``sender`` may put into ``packet``.

    :param packet: a packet type, or 0 for the Will Properties.
    """
    bit = 1 << packet
    return [
        row
        for row in PROPERTIES
        if row.packets & bit
        and not bit & (row.not_from_client if sender is Sender.CLIENT else row.not_from_server)
    ]


@reused
def single_properties(row: PropertyRow) -> SearchStrategy[Properties]:
    """This property once, and nothing else."""
    return _values(row).map(lambda value: Properties(**{row.name: _packed(row, [value])}))


@reused
def _values(row: PropertyRow) -> SearchStrategy[Any]:
    """The values that this property may have; one of them where it may be repeated."""
    wire = row.wire
    if row is _ROWS["maximum_qos"]:
        return st.sampled_from([QoS.AT_MOST_ONCE, QoS.AT_LEAST_ONCE])
    if wire == WireType.BYTE and row.name not in _NUMBERS:
        return st.booleans()
    if wire in (WireType.BYTE, WireType.U16, WireType.U32, WireType.VARINT):
        return st.one_of(st.integers(row.low, row.high), st.sampled_from([row.low, row.high]))
    if wire == WireType.PAIR:
        return st.tuples(strings(), strings())
    if wire == WireType.BINARY:
        return st.binary(max_size=12)
    return topic_names() if wire == WireType.TOPIC_NAME else strings()


def _packed(row: PropertyRow, values: list[Any]) -> Any:
    """The values as the constructor of Properties takes them."""
    return tuple(values) if row.repeatable else values[0]


@reused
@st.composite
def _properties(draw: DrawFn, packet: int, sender: Sender) -> Properties:
    bit = 1 << packet
    legal = legal_rows(packet, sender)
    rows: list[PropertyRow] = []
    for row in draw(st.lists(st.sampled_from(legal), max_size=len(legal) + 2)) if legal else []:
        if row not in rows or row.repeatable & bit:
            rows.append(row)
    needed = packet == PacketType.AUTH or (packet == PacketType.CONNECT and _DATA in rows)
    if needed and _METHOD not in rows:
        rows.append(_METHOD)
    values: dict[str, list[Any]] = {}
    block = b""
    for row in rows:
        value = draw(_values(row))
        values.setdefault(row.name, []).append(value)
        block += Properties(**{row.name: _packed(row, [value])}).block()
    if draw(st.booleans()):
        return received(block, packet)
    return Properties(**{name: _packed(_ROWS[name], several) for name, several in values.items()})
