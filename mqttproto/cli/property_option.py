"""The option -D: properties of 5.0 for the packets that a command sends."""

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from mqttproto.cli.arguments import Verbatim, unusable
from mqttproto.codec.block import Properties
from mqttproto.codec.properties import BY_NAME, WILL, PropertyRow, WireType
from mqttproto.constants import PacketType
from mqttproto.errors import InvalidValueError

__all__ = ["add_property_option", "gathered"]

_PACKETS: Final[dict[str, int]] = {"WILL": WILL} | {each.name: each for each in PacketType}

_ROWS: Final[dict[str, PropertyRow]] = BY_NAME | {
    # The specification names them in the singular.
    "user_property": BY_NAME["user_properties"],
    "subscription_identifier": BY_NAME["subscription_identifiers"],
}

_NUMBERS: Final = (WireType.BYTE, WireType.U16, WireType.U32, WireType.VARINT)


class Assignment(NamedTuple):
    """One property for one packet."""

    packet: str
    row: PropertyRow
    value: Any


def add_property_option(group: argparse._ArgumentGroup, packets: Sequence[str]) -> None:
    """Add the option.

    :param packets: the packets that the command sends, and WILL.
    """
    group.add_argument(
        "-D",
        "--property",
        dest="assignments",
        action=Verbatim,
        words=_words,
        several=True,
        convert=lambda words: _assignment(words, packets),
        metavar="PACKET NAME VALUE",
        help="a property of MQTT 5.0, as in -D CONNECT receive-maximum 10, and with two values in"
        f" -D CONNECT user-property NAME VALUE; PACKET is {', '.join(packets)}",
    )


def gathered(assignments: Iterable[Assignment] | None) -> dict[str, Properties]:
    """The properties of each packet that has any.

    :raises Failure: if one that may stand once stands twice.
    """
    values: dict[str, dict[str, Any]] = {}
    for packet, row, value in assignments or ():
        found = values.setdefault(packet, {})
        if row.name not in found:
            found[row.name] = value
        elif row.repeatable >> _PACKETS[packet] & 1:
            found[row.name] += value
        else:
            raise unusable(f"-D {packet} {_spelled(row)} is given twice: leave one out")
    return {packet: Properties(**found) for packet, found in values.items()}


def _words(following: Sequence[str]) -> int:
    """How many of the arguments behind -D belong to it."""
    is_pair = (
        len(following) > 1 and _ROWS.get(_snake_case(following[1])) == BY_NAME["user_properties"]
    )
    return 4 if is_pair else 3


def _snake_case(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _spelled(row: PropertyRow) -> str:
    """The name as it is written on a command line."""
    name = {
        "user_properties": "user_property",
        "subscription_identifiers": "subscription_identifier",
    }
    return name.get(row.name, row.name).replace("_", "-")


def _assignment(words: list[str], packets: Sequence[str]) -> Assignment:
    """The property that these words give.

    :raises ValueError: if they give none.
    """
    packet = words[0].upper()
    if packet not in packets:
        raise ValueError(f"{words[0]!r} is not one of {', '.join(packets)}")
    if len(words) == 1:
        raise ValueError(f"it takes three words, as in -D {packet} NAME VALUE")
    row = _ROWS.get(_snake_case(words[1]))
    if row is None:
        raise ValueError(f"there is no property {words[1]!r}: {_choice(packet)}")
    bit = 1 << _PACKETS[packet]
    if not row.packets & bit or row.not_from_client & bit:
        raise ValueError(f"{packet} has no {_spelled(row)} from a client: {_choice(packet)}")
    if len(words) < 2 + (2 if row.wire == WireType.PAIR else 1):
        rest = "NAME VALUE" if row.wire == WireType.PAIR else "VALUE"
        raise ValueError(f"{_spelled(row)} takes a value: -D {packet} {_spelled(row)} {rest}")
    value = _value(row, words[2:])
    try:
        Properties(**{row.name: value})
    except InvalidValueError as error:
        raise ValueError(f"{_spelled(row)}: {error.rule}") from None
    return Assignment(packet, row, value)


def _choice(packet: str) -> str:
    bit = 1 << _PACKETS[packet]
    rows = [row for row in BY_NAME.values() if row.packets & bit and not row.not_from_client & bit]
    return f"{packet} has {', '.join(map(_spelled, rows))}"


def _value(row: PropertyRow, words: list[str]) -> Any:
    if row.wire == WireType.PAIR:
        return [tuple(words)]
    if row.wire == WireType.BINARY:
        return os.fsencode(words[0])
    if row.wire not in _NUMBERS:
        return words[0]
    try:
        number = int(words[0])
    except ValueError:
        raise ValueError(f"{_spelled(row)} is a number, not {words[0]!r}") from None
    return [number] if row.wire == WireType.VARINT else number
