"""What a client is to connect to."""

from collections.abc import Sequence
from typing import TypeVar

from mqttproto.errors import InvalidValueError
from mqttproto.transport.url import Address, parse_url

__all__ = ["places_of"]

_Stream = TypeVar("_Stream")


def places_of(
    target: str | Sequence[str] | _Stream,
) -> tuple[list[Address | None], _Stream | None]:
    """The addresses of one URL or of several, or a byte stream that is open already.

    :returns: the addresses, and None; or a list of one None, and the stream.
    :raises InvalidValueError: if there is none, or one is no URL.
    """
    if isinstance(target, str):
        return [parse_url(target)], None
    if isinstance(target, (list, tuple)) and all(isinstance(each, str) for each in target):
        if not target:
            raise InvalidValueError("target", "give at least one URL, as in 'mqtt://host'")
        return [parse_url(each) for each in target], None
    return [None], target  # type: ignore[return-value]  # the rest of the union
