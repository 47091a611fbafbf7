"""Lets somebody listen in on the connections that an event loop makes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from mqttproto.constants import Sender

__all__ = ["Listener", "tapped_connections"]

Listener = Callable[[Sender, bytes], None]
"""Is called with what one end of a connection sends."""


@contextmanager
def tapped_connections(
    loop: asyncio.AbstractEventLoop, listener: Callable[[], Listener]
) -> Iterator[None]:
    """For the time of the block, have a listener for each connection that the loop makes.

    It hears what the protocols above write and receive: of TLS, what is inside.

    :param listener: makes one for a new connection.
    """

    def tapped(connect: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(
            protocol_factory: Callable[[], asyncio.Protocol], *args: Any, **options: Any
        ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
            _, between = await connect(
                lambda: _Protocol(protocol_factory(), listener()), *args, **options
            )
            return between.transport, between.protocol

        return wrapped

    names = ("create_connection", "create_unix_connection")
    for name in names:
        if hasattr(loop, name):
            setattr(loop, name, tapped(getattr(loop, name)))
    try:
        yield
    finally:
        for name in names:
            vars(loop).pop(name, None)  # the method of the class is back


class _Protocol(asyncio.Protocol):
    """Stands between a transport and a protocol.

    :ivar transport: what the protocol writes to, once there is a connection.
    """

    transport: asyncio.Transport

    def __init__(self, protocol: asyncio.Protocol, listener: Listener) -> None:
        self.protocol: Final = protocol
        self._listener: Final = listener
        _delegate(self, asyncio.Protocol, protocol, "connection_made", "data_received")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put somebody between the protocol and what it writes to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = _Transport(transport, self._listener)
        self.protocol.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        """Let the listener hear what the server sends."""
        self._listener(Sender.SERVER, data)
        self.protocol.data_received(data)


class _Transport(asyncio.Transport):
    """A transport, and somebody who hears what is written."""

    def __init__(self, transport: asyncio.Transport, listener: Listener) -> None:
        super().__init__()
        self._transport: Final = transport
        self._listener: Final = listener
        # That of the base class calls the method here.
        _delegate(self, asyncio.Transport, transport, "write", "writelines")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Let the listener hear what the client sends."""
        self._listener(Sender.CLIENT, bytes(data))
        self._transport.write(data)


def _delegate(here: object, kind: type, there: object, *others: str) -> None:
    """Make the public methods of ``kind``, but for some, those of another object."""
    for name in dir(kind):
        if not name.startswith("_") and name not in others:
            setattr(here, name, getattr(there, name))
