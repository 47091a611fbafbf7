"""URLs of servers: what they may look like, and what they say."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from mqttproto.errors import InvalidValueError

__all__ = ["Address", "parse_server_reference", "parse_url"]

_PORTS: Final[dict[str, int]] = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443, "mqtt+unix": 0}
"""The schemes, each with its default port."""

_UNIX: Final = "mqtt+unix"
_DEFAULT_PATH: Final = "/mqtt"

_FOREIGN_SCHEMES: Final[dict[str, str]] = {
    "tcp": "mqtt",
    "ssl": "mqtts",
    "tls": "mqtts",
    "mqtt+ssl": "mqtts",
    "mqtt+tls": "mqtts",
    "http": "ws",
    "https": "wss",
    "unix": _UNIX,
}
"""What others write, and what it is called here."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_NOT_IN_URL: Final = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff]")
_NOT_IN_HOST: Final = re.compile(r"[!-,/:-@\[-^`{-~]")  # of ASCII, all but letters, digits, - . _
_NOT_IN_TARGET: Final = re.compile(r"[^!-~]")
_IPV6: Final = re.compile(r"[^%]+(%[A-Za-z0-9._-]+)?")  # an address, and its zone
_MAX_HOST: Final = 253
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """Where a server is, and how to get there; :func:`parse_url` makes one.

    As text it is a URL without user name, password and the query of its path: fit for a log.

    :ivar scheme: ``mqtt``, ``mqtts``, ``ws``, ``wss`` or ``mqtt+unix``.
    :ivar host: a name or an IP address, one of IPv6 without brackets; empty for a Unix socket.
    :ivar port: 1 to 65,535; 0 for a Unix socket.
    :ivar path: over WebSocket the resource, with its query; of a Unix socket the path of its file;
        else empty.
    :ivar user_name: None if there is none.
    :ivar password: any bytes; None if there is none.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    user_name: str | None = None
    password: bytes | None = None

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("mqtts", "wss")

    @property
    def websocket(self) -> bool:
        """Whether MQTT travels in WebSocket frames."""
        return self.scheme in ("ws", "wss")

    @property
    def unix(self) -> bool:
        """Whether it is a Unix socket."""
        return self.scheme == _UNIX

    def __str__(self) -> str:
        if self.unix:
            return f"{self.scheme}://{quote(self.path)}"
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        path, query, _ = self.path.partition("?")
        return f"{self.scheme}://{host}:{self.port}{path}{query and '?...'}"

    def __repr__(self) -> str:
        return f"<Address {self}>"


def parse_url(text: str) -> Address:
    """Read the URL of a server.

    ::

        mqtt://[user[:password]@]host[:1883]
        mqtts://[user[:password]@]host[:8883]
        ws://[user[:password]@]host[:80][/mqtt]
        wss://[user[:password]@]host[:443][/mqtt]
        mqtt+unix://[user[:password]@]/path/of/the/socket

    Ports and the path of WebSocket may be left out; these are the defaults. In user name, password
    and the path of a socket, ``%`` and two hexadecimal digits stand for a byte, and must where a
    character has a meaning of its own: ``%40`` for ``@``, ``%2F`` for ``/``, ``%25`` for ``%``. An
    address of IPv6 stands in brackets.

    :raises InvalidValueError: it is no such URL. Its text does not repeat what may be a password.
    :raises TypeError: ``text`` is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"url must be a str, not {type(text).__name__}")
    if _NOT_IN_URL.search(text):
        raise _wrong("must not contain spaces, control characters or surrogates: write ' ' as %20")
    scheme, rest = _split_scheme(text)
    if "#" in rest:
        raise _wrong("must not have a fragment: write '#' as %23")
    end = next((at for at, character in enumerate(rest) if character in "/?"), len(rest))
    user_info, at, place = rest[:end].rpartition("@")
    if "@" in rest[end:] and not at:
        raise _wrong("has '@' behind its path: write '/' and '?' in a password as %2F and %3F")
    user_name, password = _split_user_info(user_info)
    path = rest[end:]
    if scheme == _UNIX:
        return Address(scheme, "", 0, _socket_path(place, path), user_name, password)
    host, port = _split_place(place, _PORTS[scheme])
    return Address(scheme, host, port, _resource(scheme, path), user_name, password)


def parse_server_reference(text: str, like: Address) -> list[Address]:
    """Read the Server Reference of CONNACK or DISCONNECT (5.0 section 4.11): where else to go.

    It is a list of ``host``, ``host:port`` or URLs, separated by spaces. Path, user name and
    password are those of ``like``, and so is the scheme unless a URL says otherwise. A server says
    this, so nothing is raised: what cannot be read is left out, and so is what a server must not
    lead a client to, a connection without TLS after one with it, or a file on its own machine.

    :param like: where the server that says so was found.
    """
    found = (_reference(each, like) for each in text.split(" ") if each)
    return list(dict.fromkeys(address for address in found if address is not None))


def _reference(text: str, like: Address) -> Address | None:
    scheme = "mqtt" if like.unix else like.scheme
    try:
        address = parse_url(text if "://" in text else f"{scheme}://{text}")
    except InvalidValueError:
        return None
    if address.unix or (like.tls and not address.tls):
        return None
    path = address.path
    if like.websocket and address.websocket and "://" not in text:
        path = like.path
    return Address(address.scheme, address.host, address.port, path, like.user_name, like.password)


def _wrong(rule: str) -> InvalidValueError:
    return InvalidValueError("url", rule)


def _split_scheme(text: str) -> tuple[str, str]:
    """The scheme, which is one of ours, and all behind its ``://``."""
    found = _SCHEME.match(text)
    if found is None:
        raise _wrong("must begin with a scheme: write mqtt://host, or mqtts://host for TLS")
    scheme = found[1].lower()
    if scheme not in _PORTS:
        known = ", ".join(f"{each}://" for each in _PORTS)
        other = _FOREIGN_SCHEMES.get(scheme)
        hint = f"one of {known}" if other is None else f"{other}://"
        raise _wrong(f"has the scheme {scheme}://, which is not known here: write {hint}")
    return scheme, text[found.end() :]


def _decoded(text: str, what: str) -> bytes:
    if _BROKEN_ESCAPE.search(text):
        raise _wrong(f"must have two hexadecimal digits behind each '%' in its {what}: write %25")
    return unquote_to_bytes(text)


def _decoded_text(text: str, what: str) -> str:
    try:
        decoded = _decoded(text, what).decode()
    except UnicodeError:
        raise _wrong(f"must have UTF-8 in its {what}") from None
    if "\0" in decoded:
        raise _wrong(f"must not have the null character in its {what}")
    return decoded


def _split_user_info(text: str) -> tuple[str | None, bytes | None]:
    user_name, colon, password = text.partition(":")
    return (
        _decoded_text(user_name, "user name") or None,
        _decoded(password, "password") if colon else None,
    )


def _socket_path(place: str, path: str) -> str:
    if place or not path.startswith("/"):
        raise _wrong("must have the path of a socket and no host: write mqtt+unix:///path")
    if "?" in path:
        raise _wrong("must not have a query: write '?' as %3F")
    return _decoded_text(path, "path")


def _split_place(place: str, default_port: int) -> tuple[str, int]:
    """Host and port."""
    if place.startswith("["):
        literal, bracket, behind = place[1:].partition("]")
        if not bracket or behind[:1] not in ("", ":"):
            raise _wrong("must have its IPv6 address in brackets: write [::1] or [::1]:1883")
        return _ipv6(literal), _port(behind[1:], default_port)
    host, _, port = place.partition(":")
    if ":" in port:
        raise _wrong(
            "has several colons in its host: write an IPv6 address as [::1], "
            "and special characters in a user name or password as % and two hexadecimal digits"
        )
    return _host_name(host), _port(port, default_port)


def _ipv6(literal: str) -> str:
    host = literal.replace("%25", "%", 1)  # as RFC 6874 writes the zone
    try:
        IPv6Address(host)
        fit = _IPV6.fullmatch(host)
    except ValueError:
        fit = None
    if fit is None:
        raise _wrong("must have an IPv6 address between its brackets: write [::1]")
    return host


def _host_name(host: str) -> str:
    if not host:
        raise _wrong("must have a host: write mqtt://host")
    fit = len(host) <= _MAX_HOST and host.isprintable() and not _NOT_IN_HOST.search(host)
    try:
        _ = fit and host.encode("idna")
    except UnicodeError:
        fit = False
    if not fit:
        raise _wrong("must have a host name or an IP address behind its scheme and credentials")
    return host


def _port(text: str, default: int) -> int:
    if not text:
        return default
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65_535:
        raise _wrong(
            "must have a port from 1 to 65,535: write host:1883, and special characters in a user "
            "name or password as % and two hexadecimal digits"
        )
    return int(text)


def _resource(scheme: str, path: str) -> str:
    if scheme in ("ws", "wss"):
        target = path if path.startswith("/") else _DEFAULT_PATH + path
        return _NOT_IN_TARGET.sub(lambda found: quote(found[0]), target)
    if path not in ("", "/"):
        raise _wrong(f"must not have a path: {scheme}:// ends with the host and its port")
    return ""
