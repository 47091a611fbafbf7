"""TLS for the adapters: a context made from options, and plain words for what goes wrong.

Nothing here opens a connection. Certificates and host names are checked unless
:attr:`TLSOptions.insecure` says otherwise.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Final

from mqttproto.errors import InvalidValueError, TransportError
from mqttproto.transport.url import Address

__all__ = ["TLSOptions", "build_context", "client_context", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSOptions:
    """What a client needs for TLS, where the default is not enough.

    Files are in PEM. They are read by :func:`build_context`, not before.

    :ivar ca_file: certificates of the authorities to trust, instead of those of the system.
    :ivar ca_path: a folder of such certificates, named by their hashes as OpenSSL wants it.
    :ivar cert_file: the client's certificate, with those that lead to its authority.
    :ivar key_file: its private key; None: it is in ``cert_file``.
    :ivar key_password: what the key is encrypted with; None: it is not.
    :ivar alpn: names of application protocols, the preferred one first, 1 to 255 characters of
        ASCII each; some servers want ``mqtt``. Empty: none is negotiated.
    :ivar insecure: take any certificate, for any host. Whoever is on the way can then read and
        change everything: for tests only.
    :raises InvalidValueError: they do not go together.
    """

    ca_file: str | PathLike[str] | None = None
    ca_path: str | PathLike[str] | None = None
    cert_file: str | PathLike[str] | None = None
    key_file: str | PathLike[str] | None = None
    key_password: str | bytes | None = field(default=None, repr=False)
    alpn: tuple[str, ...] = ()
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.cert_file is None and not (self.key_file is self.key_password is None):
            raise _wrong("cert_file", "must be given with key_file and key_password")
        if not isinstance(self.alpn, tuple):
            raise TypeError(f"TLSOptions.alpn must be a tuple, not {type(self.alpn).__name__}")
        if not all(0 < len(name) < 256 and name.isascii() for name in self.alpn):
            raise _wrong("alpn", "must have names of 1 to 255 characters of ASCII")


def build_context(options: TLSOptions | None = None) -> ssl.SSLContext:
    """Make the context for a client: TLS 1.2 and up, certificate and host name checked.

    It reads files, those of the system's authorities too: call it in a thread where a loop must not
    wait.

    :param options: None: the defaults.
    :raises InvalidValueError: a file is missing, or is not what it must be.
    """
    if options is None:
        options = TLSOptions()
    if options.ca_file is not None:
        _check_file("ca_file", options.ca_file, "certificates", b"-----BEGIN ")
    if options.ca_path is not None and not Path(options.ca_path).is_dir():
        raise _wrong("ca_path", f"must be a folder, and {str(options.ca_path)!r} is none")
    try:
        context = ssl.create_default_context(cafile=options.ca_file, capath=options.ca_path)
    except ssl.SSLError as error:
        raise _wrong_file("ca_file", options.ca_file, "certificates") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.cert_file is not None:
        _load_identity(context, options.cert_file, options.key_file, options.key_password)
    if options.alpn:
        context.set_alpn_protocols(list(options.alpn))
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def client_context(tls: object) -> ssl.SSLContext:
    """The context that a client was told to use, or one for what it was told.

    :param tls: an ``ssl.SSLContext``, a :class:`TLSOptions`, or None for the defaults.
    :raises TypeError: if it is something else.
    :raises InvalidValueError: as :func:`build_context` does, which it may call.
    """
    if isinstance(tls, ssl.SSLContext):
        return tls
    if tls is None or isinstance(tls, TLSOptions):
        return build_context(tls)
    raise TypeError(f"tls: an SSLContext or TLSOptions is needed, not {type(tls).__name__}")


def _wrong(name: str, rule: str) -> InvalidValueError:
    return InvalidValueError(f"TLSOptions.{name}", rule)


def _wrong_file(name: str, path: object, what: str) -> InvalidValueError:
    return _wrong(name, f"must be a file with {what} in PEM, and {str(path)!r} is none")


def _check_file(name: str, path: str | PathLike[str], what: str, mark: bytes) -> None:
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        rule = f"must be a file that can be read, and {str(path)!r} is none: {error.strerror}"
        raise _wrong(name, rule) from error
    if mark not in text:
        raise _wrong_file(name, path, what)


def _load_identity(
    context: ssl.SSLContext,
    cert_file: str | PathLike[str],
    key_file: str | PathLike[str] | None,
    password: str | bytes | None,
) -> None:
    _check_file("cert_file", cert_file, "a certificate", b"-----BEGIN CERTIFICATE-----")
    key_name = "cert_file" if key_file is None else "key_file"
    key = cert_file if key_file is None else key_file
    _check_file(key_name, key, "a private key", b"PRIVATE KEY-----")
    asked = False

    def ask() -> str | bytes:  # or OpenSSL would ask at the terminal
        nonlocal asked
        asked = True
        if password is None:
            raise _wrong("key_password", f"must be given: the key in {str(key)!r} is encrypted")
        return password

    try:
        context.load_cert_chain(cert_file, key, ask)
    except InvalidValueError:
        raise
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password that is too long
        if asked:
            rule = f"must be that of the key in {str(key)!r}, and is not"
            raise _wrong("key_password", rule) from error
        if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            rule = f"must hold the key of the certificate in {str(cert_file)!r}, and does not"
            raise _wrong(key_name, rule) from error
        raise _wrong_file(key_name, key, "a certificate and its private key") from error


# What can be wrong with a server's certificate, by OpenSSL's number of the fault.
_EXPIRED: Final = (
    "the server's certificate has expired: have it renewed, or set the clock of this machine right"
)
_NOT_TRUSTED: Final = (
    "the server's certificate is of an authority that is not known here: "
    "give that authority's certificate as ca_file"
)
_OTHER_HOST: Final = (
    "the server's certificate is for another host name: connect by a name that it is for"
)
_CERTIFICATE_FAULTS: Final[dict[int, str]] = {
    2: _NOT_TRUSTED,  # no issuer
    9: "the server's certificate is not valid yet: set the clock of this machine right",
    10: _EXPIRED,
    18: _NOT_TRUSTED,  # signed by itself
    19: _NOT_TRUSTED,  # signed by a chain that ends in one that is signed by itself
    20: _NOT_TRUSTED,  # no issuer of the server's own
    21: _NOT_TRUSTED,  # the same, and it stands alone
    23: "the server's certificate has been revoked: ask whoever runs the server",
    62: _OTHER_HOST,
    64: _OTHER_HOST,  # of an IP address
}

_NOT_TLS: Final = (
    "what answers there does not speak TLS: see whether scheme and port belong together"
)
_CLIENT_CERTIFICATE: Final = "the server does not take the client certificate"

# What OpenSSL says, in small letters and without underscores, and what it means.
_TLS_FAULTS: Final[tuple[tuple[str, str], ...]] = (
    ("certificate required", "the server wants a client certificate: give cert_file and key_file"),
    (
        "handshake failure",
        "the server ended the handshake of TLS: it may want a client certificate, "
        "or other ciphers than there are here",
    ),
    ("alert unknown ca", f"{_CLIENT_CERTIFICATE}: it does not know the authority that signed it"),
    ("alert certificate expired", f"{_CLIENT_CERTIFICATE}: it has expired"),
    ("alert certificate revoked", f"{_CLIENT_CERTIFICATE}: it has been revoked"),
    ("alert bad certificate", f"{_CLIENT_CERTIFICATE}: give another one, if it wants one at all"),
    ("alert certificate unknown", f"{_CLIENT_CERTIFICATE}: give another one"),
    ("alert unsupported certificate", f"{_CLIENT_CERTIFICATE}: give one of another kind"),
    ("alert access denied", f"{_CLIENT_CERTIFICATE}: it is not allowed to connect"),
    ("wrong version number", _NOT_TLS),
    ("record layer failure", _NOT_TLS),
    ("unknown protocol", _NOT_TLS),
    ("packet length too long", _NOT_TLS),
    ("http request", _NOT_TLS),
    ("protocol version", "the server speaks no TLS 1.2 or later: have it updated"),
    ("unsupported protocol", "the server speaks no TLS 1.2 or later: have it updated"),
    ("unrecognized name", "the server does not know this host name: connect by another one"),
    ("no application protocol", "the server speaks none of the protocols in alpn"),
    (
        "eof",
        "the server ended the connection in the handshake of TLS: "
        "see whether scheme and port belong together",
    ),
)

_UNREACHABLE: Final = "there is no way to that address: check the address, and the network"
_NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)
_BROKEN: Final = "the connection was broken off: see whether scheme and port belong together"
_TOO_LATE: Final = "there was no answer in time: the host may be down, or a firewall in the way"

_NETWORK_FAULTS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "the host name cannot be resolved: check its spelling, and the network"),
    (
        ConnectionRefusedError,
        "nobody listens there: see whether the server runs, and whether the port is right",
    ),
    (ConnectionError, _BROKEN),
    (TimeoutError, _TOO_LATE),
    (FileNotFoundError, "there is no such socket: see whether the server runs, and check the path"),
    (PermissionError, "this user may not connect there: check the permissions of the socket"),
)

# By name: trio need not be installed.
_OF_TRIO: Final[dict[str, str]] = {"BrokenResourceError": _BROKEN, "TooSlowError": _TOO_LATE}

# What says less than another fault, found within it or beside it.
_WEAK: Final = (_UNREACHABLE, _BROKEN)

_MULTIPLE: Final = re.compile(r"\[Errno (\d+)\]")


def explain(error: BaseException, address: Address | str) -> TransportError:
    """Say in plain words what a failed attempt to connect means.

    :param error: what the attempt raised; what it wraps is looked at, too.
    :param address: where to.
    :returns: an error to raise from ``error``; ``error`` itself if it is one already.
    """
    if isinstance(error, TransportError):
        return error
    found = [words for each in _unwrapped(error) if (words := _words(each))]
    told = [words for words in found if words not in _WEAK] or found
    text = str(error) or type(error).__name__
    return TransportError(told[0] if told else f"the connection failed: {text}", str(address))


def _unwrapped(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it stands for: from the outermost to the innermost."""
    stack: list[BaseException] = [error]
    seen: list[BaseException] = []  # not a set: an exception may be unhashable
    while stack:
        each = stack.pop()
        if any(each is other for other in seen):
            continue
        seen.append(each)
        yield each
        if each.__cause__ is not None:
            stack.append(each.__cause__)
        if isinstance(each, BaseExceptionGroup):
            stack.extend(reversed(each.exceptions))
        elif isinstance(each, OSError) and each.errno is None:
            # asyncio puts several into the text of one, before Python 3.12 always.
            numbers = map(int, _MULTIPLE.findall(str(each)))
            stack.extend(OSError(number, str(each)) for number in numbers)


def _words(error: BaseException) -> str:
    """What one error means; empty if it says nothing that is known here."""
    if isinstance(error, ssl.SSLCertVerificationError):
        other = f"the server's certificate cannot be trusted: {error.verify_message}"
        return _CERTIFICATE_FAULTS.get(error.verify_code, other)
    if isinstance(error, ssl.SSLError):
        text = str(error).replace("_", " ").lower()
        meant = (words for said, words in _TLS_FAULTS if said in text)
        return next(meant, f"TLS failed: {error}")
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        return _UNREACHABLE
    meant = (words for kind, words in _NETWORK_FAULTS if isinstance(error, kind))
    return next(meant, _OF_TRIO.get(type(error).__name__, ""))
