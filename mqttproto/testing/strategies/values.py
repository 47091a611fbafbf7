"""The plain values that packets are made of."""

from collections.abc import Callable
from functools import cache, wraps
from operator import mul
from typing import ParamSpec, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mqttproto.constants import ProtocolVersion, Sender

__all__ = [
    "any_sender",
    "any_version",
    "packet_ids",
    "payloads",
    "reused",
    "senders",
    "strings",
    "versions",
]

P = ParamSpec("P")
T = TypeVar("T")


def reused(function: Callable[P, SearchStrategy[T]]) -> Callable[P, SearchStrategy[T]]:
    """Let a function return the same strategy for the same arguments.

    To draw from a new strategy costs hypothesis as much again: it is checked at its first use.
    """
    # The type of a cache takes anything hashable; that of the function is the better one.
    cached: Callable[..., SearchStrategy[T]] = cache(function)

    @wraps(function)
    def strategy(*args: P.args, **kwargs: P.kwargs) -> SearchStrategy[T]:
        return cached(*args, **kwargs)

    return strategy


@reused
def versions() -> SearchStrategy[ProtocolVersion]:
    """5.0, 3.1.1 or 3.1."""
    return st.sampled_from(sorted(ProtocolVersion, reverse=True))


@reused
def senders() -> SearchStrategy[Sender]:
    """The client or the server."""
    return st.sampled_from(Sender)


@reused
def any_version(version: ProtocolVersion | int | None) -> SearchStrategy[ProtocolVersion]:
    """The version that was named, or any for None."""
    return versions() if version is None else st.just(ProtocolVersion(version))


@reused
def any_sender(sender: Sender | str | None) -> SearchStrategy[Sender]:
    """The sender that was named, or either for None."""
    return senders() if sender is None else st.just(Sender(sender))


@reused
def strings(min_size: int = 0, max_size: int = 12, exclude: str = "") -> SearchStrategy[str]:
    """Text that may stand in a UTF-8 Encoded String (5.0 section 1.5.4).

    It has neither surrogates nor U+0000, but may have other control characters, non-characters,
    and a byte order mark, which is to be kept (5.0: MQTT-1.5.4-3).

    :param min_size: the fewest characters.
    :param max_size: the most characters, at least one.
    :param exclude: characters that it must not have.
    """
    characters = st.characters(codec="utf-8", exclude_characters="\0" + exclude)
    ordinary = st.text(characters, min_size=min_size, max_size=max_size)
    marked = st.text(characters, min_size=max(min_size - 1, 0), max_size=max_size - 1)
    return st.one_of(ordinary, marked.map("\ufeff".__add__))


@reused
def payloads() -> SearchStrategy[bytes]:
    """Application messages: short ones of any bytes, and some of one byte, up to 20,000 times.

    Those make Remaining Lengths of two and three bytes. Lengths that take four bytes are left to
    tests that can afford them.
    """
    one_byte = st.binary(min_size=1, max_size=1)
    return st.one_of(st.binary(max_size=16), st.builds(mul, one_byte, st.integers(1, 20_000)))


@reused
def packet_ids() -> SearchStrategy[int]:
    """Packet Identifiers: 1 to 65,535 (5.0 section 2.2.1)."""
    return st.integers(1, 65_535)
