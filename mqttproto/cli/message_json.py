"""A message as a line of JSON, in the form that mosquitto_sub gives it."""

import base64
import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from mqttproto.codec.block import Properties
from mqttproto.codec.publish import Publish

__all__ = ["json_payload", "message_json", "timestamp"]

_KEYS: Final = {"subscription_identifiers": "subscription-identifier"}
"""What mosquitto calls properties otherwise than with hyphens."""

_STRING_OR_SPACE: Final = re.compile(r'("(?:[^"\\]|\\.)*")|\s+', re.DOTALL)


def message_json(message: Publish, moment: int, payload: str | None = None) -> str:
    """The line, without its end.

    :param moment: when it came, in nanoseconds since 1970.
    :param payload: its payload as JSON; by default a string, or null if it is empty. Bytes that
        are no UTF-8 are replaced, and then all of them stand in ``payload-base64``, too.
    """
    members = [
        ("tst", _text(timestamp(moment))),
        ("topic", _text(message.topic)),
        ("qos", str(int(message.qos))),
        ("retain", str(int(message.retain))),
        ("payloadlen", str(len(message.payload))),
    ]
    if message.packet_id is not None:
        members.append(("mid", str(message.packet_id)))
    if message.properties:
        members.append(("properties", _object(_properties(message.properties))))
    if payload is not None:
        members.append(("payload", payload))
    else:
        members += _payload(message.payload)
    return _object(members)


def timestamp(moment: int) -> str:
    """A time in the form of ISO 8601, with microseconds and the zone."""
    whole, rest = divmod(moment, 1_000_000_000)
    local = time.localtime(whole)
    return (
        f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{rest // 1000:06}{time.strftime('%z', local)}"
    )


def json_payload(payload: bytes) -> str | None:
    """The JSON that a payload is, on one line and otherwise unchanged; None if it is none."""
    if not payload:
        return "null"
    try:
        text = payload.decode()
        # Numbers as they stand: none is too long.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return _printable(_STRING_OR_SPACE.sub(lambda found: found[1] or "", text))


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _properties(properties: Properties) -> Iterator[tuple[str, str]]:
    for name, value in properties:
        yield _KEYS.get(name, name.replace("_", "-")), _value(value)


def _value(value: Any) -> str:
    match value:
        case bytes():
            return _text(value.decode(errors="replace"))
        case str():
            return _text(value)
        case int():
            return str(value)
        case [int(), *_]:
            return str(value[0]) if len(value) == 1 else f"[{','.join(map(str, value))}]"
        case _:
            # A name may stand several times, here as there.
            return _object((name, _text(text)) for name, text in value)


def _payload(payload: bytes) -> Iterator[tuple[str, str]]:
    if not payload:
        yield "payload", "null"
        return
    try:
        yield "payload", _text(payload.decode())
    except UnicodeDecodeError:
        yield "payload", _text(payload.decode(errors="replace"))
        yield "payload-base64", _text(base64.b64encode(payload).decode())


def _object(members: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{_text(name)}:{value}" for name, value in members) + "}"


def _text(text: str) -> str:
    return _printable(json.dumps(text, ensure_ascii=False))


def _printable(text: str) -> str:
    """JSON with what might drive a terminal escaped; outside of strings it has no such thing."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
