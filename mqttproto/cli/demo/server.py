"""The server of a demonstration, and how a client reaches it."""

import ssl
from typing import Any, Final, final

from mqttproto.cli.arguments import unusable
from mqttproto.errors import InvalidValueError
from mqttproto.transport.url import Address, parse_url

__all__ = ["Server"]

_PATIENCE: Final = 10.0
"""Seconds that a connection may take."""


@final
class _ContextFor(ssl.SSLContext):
    """Expects the certificate of the server behind a proxy, whatever the proxy is called.

    :ivar host: what that server is called.
    """

    host: str

    # Whatever name is asked for: that of the proxy is not the one to check.
    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,  # noqa: ARG002
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection."""
        return super().wrap_bio(incoming, outgoing, server_side, self.host, session)


@final
class Server:
    """A server that can be reached directly, or through a proxy.

    :ivar address: where it is.
    :ivar options: what ``connect()`` needs for it.
    """

    def __init__(self, address: Address) -> None:
        self.address: Final = address
        self.options: Final[dict[str, Any]] = {
            "user_name": address.user_name,
            "password": address.password,
            "connect_timeout": _PATIENCE,
        }
        if address.tls:
            context = _ContextFor(ssl.PROTOCOL_TLS_CLIENT)
            context.load_default_certs()
            context.host = address.host
            self.options["tls"] = context

    @classmethod
    def at(cls, url: str) -> "Server":
        """The server at a URL.

        :raises Failure: if it is no URL, or none that a proxy can stand in front of.
        """
        try:
            address = parse_url(url)
        except InvalidValueError as error:
            raise unusable(f"the URL {error.rule}") from None
        if address.unix:
            raise unusable("a Unix socket has no network to cut: name a server that TCP leads to")
        return cls(address)

    @property
    def url(self) -> str:
        """Where it is, as a URL without credentials."""
        return self._url(self.address.host, self.address.port)

    def url_behind(self, port: int) -> str:
        """The same, through a proxy on this machine."""
        return self._url("127.0.0.1", port)

    def _url(self, host: str, port: int) -> str:
        place = f"[{host}]" if ":" in host else host
        return f"{self.address.scheme}://{place}:{port}{self.address.path}"
