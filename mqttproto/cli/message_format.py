"""How a received message is printed: plain, or in a format of -F."""

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from mqttproto.cli.message_json import json_payload, message_json
from mqttproto.cli.text import visible
from mqttproto.codec.publish import Publish

__all__ = ["FORMATS", "FormatError", "NotJSONError", "Render", "plain", "template"]

Render = Callable[[Publish, int], bytes]
"""Makes the bytes to print of a message, and of when it came, in nanoseconds since 1970."""

FORMATS: Final = r"""
  %t topic             %q QoS           %E message-expiry-interval
  %p payload           %r retain        %C content-type
  %x in hex, %X HEX    %d dup           %R response-topic
  %l its length        %m packet id     %D correlation-data
  %j JSON, %J with the payload as JSON  %P user-property, as name:value
  %I date and time                      %S subscription-identifier
  %U seconds since 1970                 %F payload-format-indicator
  @Y and so on: %Y of strftime          %A topic-alias
  @N nanoseconds of the second
  \n \r \t \v \a \e \0 control characters; %% @@ \\ stand for themselves
  Between % and its letter: - left-aligned, 0 padded with zeros, a width, and for
  %t %C %R %I a point and the most characters, as in %-20.20t
"""
"""What the help says of formats."""

_SECOND: Final = 1_000_000_000

_ESCAPES: Final = {
    "\\": "\\",
    "0": "\0",
    "a": "\a",
    "e": "\x1b",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}

_SEQUENCE: Final = re.compile(
    r"%(?P<flags>[-0]*)(?P<width>\d{0,4})(?:\.(?P<most>\d{0,4}))?(?P<field>[^\d.])"
    r"|@(?P<time>.)|\\(?P<escape>.)|(?P<dangling>[%@\\].*)|(?P<text>[^%@\\]+)",
    re.ASCII | re.DOTALL,
)


class FormatError(ValueError):
    """A format has a sequence that does not exist."""


class NotJSONError(ValueError):
    """A payload that is to be printed as JSON is none."""


def plain(*, verbose: bool, end: bytes, harmless: bool) -> Render:
    """The payload, or the topic, a space and the payload.

    An empty payload is nothing at all, and behind its topic ``(null)``: scripts know it so.

    :param end: what stands behind each message.
    :param harmless: as in :func:`template`.
    """
    render = template("%t %p" if verbose else "%p", end=end, harmless=harmless)
    absent = template("%t (null)", end=end, harmless=harmless) if verbose else _data(b"")
    return lambda message, moment: (render if message.payload else absent)(message, moment)


def template(text: str, *, end: bytes, harmless: bool) -> Render:
    r"""What ``text`` says, with ``%`` for fields, ``@`` for the time, ``\`` for control characters.

    The result raises :class:`NotJSONError` for a payload that is to be JSON and is not.

    :param end: what stands behind each message.
    :param harmless: whether fields are made harmless for a terminal; tabs and line ends in a
        payload stay.
    :raises FormatError: if there is no such sequence.
    """
    pieces = [*_pieces(text, harmless), _data(end)]
    return lambda message, moment: b"".join([piece(message, moment) for piece in pieces])


def _pieces(text: str, harmless: bool) -> Iterator[Render]:
    for found in _SEQUENCE.finditer(text):
        match found.lastgroup:
            case "field":
                yield _field(*found.group("flags", "width", "most", "field"), harmless=harmless)
            case "time":
                yield _time(found["time"])
            case "escape":
                if found["escape"] not in _ESCAPES:
                    raise FormatError(f"there is no {found[0]}; for a backslash write \\\\")
                yield _literal(_ESCAPES[found["escape"]])
            case "text":
                yield _literal(found[0])
            case _:
                raise FormatError(f"{found[0]} is not complete; for {found[0][0]} write it twice")


def _literal(text: str) -> Render:
    return _data(os.fsencode(text))  # what the command line had


def _data(data: bytes) -> Render:
    return lambda _message, _moment: data


def _time(letter: str) -> Render:
    if letter == "@":
        return _literal("@")
    if letter == "N":
        return lambda _message, moment: b"%09d" % (moment % _SECOND)
    try:
        time.strftime(f"%{letter}")
    except ValueError:
        raise FormatError(f"there is no @{letter}; for an @ write @@") from None
    return lambda _message, moment: _local(f"%{letter}", moment).encode()


def _local(form: str, moment: int) -> str:
    return time.strftime(form, time.localtime(moment // _SECOND))


class _Kind(NamedTuple):
    """What may stand between ``%`` and a letter."""

    width: bool = False
    zeros: bool = False
    most: bool = False


_AS_IT_IS: Final = _Kind()
_RAW: Final = _Kind(width=True)
_NUMBER: Final = _Kind(width=True, zeros=True)
_TEXT: Final = _Kind(width=True, most=True)


def _property(name: str) -> Callable[[Publish, int], Any]:
    return lambda message, _moment: getattr(message.properties, name)


def _user_properties(message: Publish, _moment: int) -> str:
    return " ".join(f"{name}:{value}" for name, value in message.properties.user_properties)


def _subscriptions(message: Publish, _moment: int) -> str:
    return ",".join(map(str, message.properties.subscription_identifiers))


def _whole_json(message: Publish, moment: int) -> str:
    payload = json_payload(message.payload)
    if payload is None:
        raise NotJSONError(f"the payload of a message to {message.topic} is not JSON")
    return message_json(message, moment, payload)


# The value of each field: a string, bytes, a number, or None where it is absent.
_FIELDS: Final[dict[str, tuple[_Kind, Callable[[Publish, int], Any]]]] = {
    "A": (_NUMBER, _property("topic_alias")),
    "C": (_TEXT, _property("content_type")),
    "D": (_AS_IT_IS, _property("correlation_data")),
    "E": (_NUMBER, _property("message_expiry_interval")),
    "F": (_NUMBER, _property("payload_format_indicator")),
    "I": (_TEXT, lambda _message, moment: _local("%Y-%m-%dT%H:%M:%S%z", moment)),
    "J": (_AS_IT_IS, _whole_json),
    "P": (_AS_IT_IS, _user_properties),
    "R": (_TEXT, _property("response_topic")),
    "S": (_NUMBER, _subscriptions),
    "U": (_AS_IT_IS, lambda _message, moment: f"{moment // _SECOND}.{moment % _SECOND:09}"),
    "X": (_NUMBER, lambda message, _moment: message.payload.hex().upper()),
    "d": (_AS_IT_IS, lambda message, _moment: int(message.dup)),
    "j": (_AS_IT_IS, message_json),
    "l": (_NUMBER, lambda message, _moment: len(message.payload)),
    "m": (_NUMBER, lambda message, _moment: message.packet_id or 0),
    "p": (_RAW, lambda message, _moment: message.payload),
    "q": (_AS_IT_IS, lambda message, _moment: int(message.qos)),
    "r": (_AS_IT_IS, lambda message, _moment: int(message.retain)),
    "t": (_TEXT, lambda message, _moment: message.topic),
    "x": (_NUMBER, lambda message, _moment: message.payload.hex()),
}


def _field(flags: str, width: str, most: str | None, letter: str, *, harmless: bool) -> Render:
    if letter == "%":
        return _literal("%")
    if letter not in _FIELDS:
        raise FormatError(f"there is no %{letter}; for a % write %%")
    kind, value_of = _FIELDS[letter]
    least = int(width or 0) if kind.width else 0
    limit = int(most or 0) if kind.most and most is not None else None

    def field(message: Publish, moment: int) -> bytes:
        value = value_of(message, moment)
        if isinstance(value, bytes):
            data = _harmless(value) if harmless else value
            return data.ljust(least) if "-" in flags else data.rjust(least)
        text = "" if value is None else str(value)
        if limit is not None:
            text = text[:limit]
        if harmless:
            text = visible(text)
        if "-" in flags:
            text = text.ljust(least)
        else:
            text = text.rjust(least, "0" if kind.zeros and "0" in flags else " ")
        return text.encode()

    return field


def _harmless(data: bytes) -> bytes:
    text = data.decode(errors="backslashreplace")
    return "".join(each if each in "\n\t" else visible(each) for each in text).encode()
