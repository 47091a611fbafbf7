"""MQTT over WebSocket (section 6): a filter between the network and a connection, without I/O."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final, final

from mqttproto.errors import InvalidValueError, MissingExtraError, TransportError
from mqttproto.transport.url import Address

try:
    from wsproto import ConnectionType, WSConnection
    from wsproto.connection import ConnectionState
    from wsproto.events import (
        AcceptConnection,
        BytesMessage,
        CloseConnection,
        Ping,
        Pong,
        RejectConnection,
        Request,
        TextMessage,
    )
    from wsproto.frame_protocol import CloseReason
    from wsproto.utilities import RemoteProtocolError
except ImportError as error:
    _MISSING: ImportError | None = error
else:
    _MISSING = None

__all__ = ["WebSocketFilter"]

SUBPROTOCOL: Final = "mqtt"

_MAX_HEAD: Final = 16_384
"""The most bytes, headers included, that a request or a response may begin with."""

_MAX_FRAME: Final = 65_535
"""The most bytes in a frame that is sent: many servers refuse larger ones out of the box."""

_END_OF_HEAD: Final = b"\r\n\r\n"
_INTERIM: Final = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9][ \r]")
"""A response that another one follows (RFC 9110 section 15.2)."""

_TARGET: Final = re.compile(r"/[!-~]*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_OWN_HEADERS: Final = re.compile(
    r"host|connection|upgrade|content-length|transfer-encoding|sec-websocket-.*", re.IGNORECASE
)

_ADVICE: Final[dict[int, str]] = {
    400: "it may not speak MQTT over WebSocket here",
    401: "it wants credentials: put them into a header",
    403: "it wants other credentials: put them into a header",
    404: "check the path of the URL",
    429: "connect less often",
}


@final
class WebSocketFilter:
    """What stands between the network and an MQTT connection: frames outside, MQTT inside.

    Bytes from the network go into :meth:`receive_data`, which gives the MQTT bytes in them. MQTT
    bytes go into :meth:`send`, and :meth:`data_to_send` gives what the network gets. Where packets
    begin and end has no meaning here (MQTT-6.0.0-2 in 3.1.1 and 5.0). Nothing that the other end
    does raises; look at :attr:`closed` and :attr:`error` after each call.

    No message is collected: its bytes are handed on as they come, however long it is.

    It has two constructors, :meth:`client` and :meth:`server`. Both raise
    :class:`~mqttproto.MissingExtraError` if the extra ``[ws]`` is not installed.

    :ivar open: whether the opening handshake is done; it stays so.
    :ivar closed: whether no more will come. Send what :meth:`data_to_send` still gives, then close
        the network connection.
    :ivar error: what went wrong, once something has; else None. An end without a closing handshake
        is no error here: MQTT itself says whether it was through.
    :ivar target: the path, with its query, that the client asks for; on a server empty until it is
        known.
    """

    def __init__(self, *, is_client: bool, target: str = "", place: str = "") -> None:
        if _MISSING is not None:
            raise MissingExtraError("WebSocket", "ws") from _MISSING
        self.open: bool = False
        self.closed: bool = False
        self.error: TransportError | None = None
        self.target: str = target
        self._is_client: Final = is_client
        self._place: Final = place  # what an error is about
        self._ws: Final = WSConnection(
            ConnectionType.CLIENT if is_client else ConnectionType.SERVER
        )
        self._closing: bool = False  # close() was called
        self._head: Final = bytearray()  # of the handshake, until it is whole
        self._pending: Final = bytearray()  # of MQTT, not yet in frames
        self._pong: bytes | None = None  # the answer that is due to a ping
        self._output: Final[list[bytes]] = []  # for the network

    @classmethod
    def client(
        cls,
        host: str,
        port: int,
        path: str = "/mqtt",
        extra_headers: Iterable[tuple[str, str]] = (),
        tls: bool = False,
    ) -> "WebSocketFilter":
        """A filter for a client, which begins with the request that opens the WebSocket.

        The subprotocol ``mqtt`` is asked for, and must be chosen (MQTT-6.0.0-3 in 3.1.1 and 5.0).

        :param host: a name or an IP address, one of IPv6 without brackets.
        :param path: with its query, as it stands in a URL.
        :param extra_headers: names and values, for instance of ``Authorization``.
        :param tls: whether the network connection is encrypted.
        :raises InvalidValueError: one of these cannot be put into a request.
        """
        if not _TARGET.fullmatch(path):
            raise InvalidValueError("path", "must begin with '/' and be encoded as in a URL")
        headers = [_header(name, value) for name, value in extra_headers]
        place = str(Address("wss" if tls else "ws", host, port, path))
        new = cls(is_client=True, target=path, place=place)
        request = Request(
            host=_authority(host, port, tls),
            target=path,
            subprotocols=[SUBPROTOCOL],
            extra_headers=headers,
        )
        new._output.append(new._ws.send(request))
        return new

    @classmethod
    def to(cls, address: Address, extra_headers: Iterable[tuple[str, str]]) -> "WebSocketFilter":
        """A filter for a client of the server at an address; see :meth:`client`."""
        return cls.client(address.host, address.port, address.path, extra_headers, address.tls)

    @classmethod
    def server(cls) -> "WebSocketFilter":
        """A filter for a server, which waits for a request and answers it.

        A client that does not offer the subprotocol ``mqtt`` is refused (MQTT-6.0.0-4 in 3.1.1 and
        5.0), whatever path it asks for is taken.
        """
        return cls(is_client=False)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open" if self.open else "opening"
        return f"<WebSocketFilter: {'client' if self._is_client else 'server'}, {state}>"

    # What comes in.

    def receive_data(self, data: bytes | bytearray | memoryview) -> bytes:
        """Take what came from the network, and give what it holds of the MQTT stream.

        The bytes in front of a fault are still given.
        """
        if self.closed:
            return b""
        if not self.open:
            data = self._shake_hands(data)
        if not data:
            return b""
        self._ws.receive_data(bytes(data))
        return self._read_frames()

    def receive_eof(self) -> None:
        """The network gives no more."""
        if self.open or self.closed:
            self._end()
        else:
            self._fail("ended the connection during the handshake: is WebSocket spoken there?")

    def _read_frames(self) -> bytes:
        pieces: list[bytes] = []
        for event in self._ws.events():
            if isinstance(event, BytesMessage):
                pieces.append(bytes(event.data))
            elif isinstance(event, Ping):
                # Of several, only the last needs an answer (RFC 6455 section 5.5.3).
                self._pong = None if self._closing else bytes(event.payload)
            elif isinstance(event, TextMessage):
                self._fail_at_text()
                break
            elif isinstance(event, CloseConnection):
                self._take_close(event)
        return b"".join(pieces)

    def _take_close(self, event: "CloseConnection") -> None:
        """The other end closes, has answered our closing, or its frames cannot be read."""
        if self._ws.state in (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING):
            if _is_broken_text(event):
                self._fail_at_text()
                return
            self._fail(f"broke the rules of WebSocket: {event.reason}", event.code)
            return
        if self._ws.state is ConnectionState.REMOTE_CLOSING:
            self._output.append(self._ws.send(event.response()))
        if event.code in (
            CloseReason.NORMAL_CLOSURE,
            CloseReason.GOING_AWAY,
            CloseReason.NO_STATUS_RCVD,
        ):
            self._end()
        else:
            said = f", and says {event.reason!r}" if event.reason else ""
            self._fail(f"closed the WebSocket with code {int(event.code)}{said}")

    def _fail_at_text(self) -> None:
        self._fail("sent text: MQTT is binary", CloseReason.UNSUPPORTED_DATA)

    # What goes out.

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Take MQTT bytes. They are kept until the handshake is done.

        After :meth:`close`, or once :attr:`closed` is true, they are dropped.
        """
        if not (self._closing or self.closed):
            self._pending.extend(data)

    def close(self) -> None:
        """Send what was taken, then begin the closing handshake, which ends in :attr:`closed`.

        The other end may take its time, so set a deadline. Until then its bytes are still received.
        If the opening handshake is not done there is nothing to close, and nothing is sent.
        """
        if self._closing or self.closed:
            return
        self._closing = True
        if self.open:
            self._write_frames()
            self._output.append(self._ws.send(CloseConnection(CloseReason.NORMAL_CLOSURE)))
        else:
            self._end()

    def data_to_send(self) -> bytes:
        """What the network gets: all there is, in as few frames as possible."""
        if self.open:
            self._write_frames()
        if not self._output:
            return b""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def _write_frames(self) -> None:
        if self._pong is not None:
            self._output.append(self._ws.send(Pong(self._pong)))
            self._pong = None
        for start in range(0, len(self._pending), _MAX_FRAME):
            frame = BytesMessage(self._pending[start : start + _MAX_FRAME])
            self._output.append(self._ws.send(frame))
        self._pending.clear()

    # How it begins and ends.

    def _shake_hands(self, data: bytes | bytearray | memoryview) -> bytes:
        """Collect the head of the request or response and judge it.

        :returns: what follows it; nothing if it is incomplete, or refused.
        """
        head = self._head
        searched = max(0, len(head) - len(_END_OF_HEAD) + 1)
        head.extend(data)
        while True:
            start = b"HTTP/" if self._is_client else b"GET "
            if not head.startswith(start[: len(head)]):
                self._refuse("does not speak HTTP: is WebSocket spoken there?")
                return b""
            end = head.find(_END_OF_HEAD, searched) + len(_END_OF_HEAD)
            whole = end >= len(_END_OF_HEAD)
            if (end if whole else len(head)) > _MAX_HEAD:
                self._refuse(f"sent a head of more than {_MAX_HEAD} bytes")
                return b""
            if not whole:
                return b""
            first, searched = bytes(head[:end]), 0
            del head[:end]
            if not _INTERIM.match(first):
                break
        self._take_head(first)
        rest = bytes(head)  # empty after a fault
        head.clear()
        return rest

    def _take_head(self, head: bytes) -> None:
        try:
            self._ws.receive_data(head)
            event = next(self._ws.events(), None)
        except RemoteProtocolError as error:
            hint = error.event_hint
            headers = hint.headers if isinstance(hint, RejectConnection) else []
            status = hint.status_code if isinstance(hint, RejectConnection) else 400
            self._refuse(f"cannot shake hands: {error}", status, headers)
        except ValueError:  # it is no ASCII, or no host name
            self._refuse("cannot shake hands: its headers hold bytes that must not be there")
        else:
            if self._is_client:
                self._take_response(event)
            else:
                self._take_request(event)

    def _take_response(self, event: object) -> None:
        if isinstance(event, RejectConnection):
            self._fail(f"answered the handshake with HTTP status {_refusal(event)}")
            return
        self.open = isinstance(event, AcceptConnection)
        if not isinstance(event, AcceptConnection) or event.subprotocol != SUBPROTOCOL:
            self._fail(
                "did not choose the subprotocol mqtt: it may not speak MQTT over WebSocket there",
                CloseReason.PROTOCOL_ERROR,
            )

    def _take_request(self, event: object) -> None:
        if not isinstance(event, Request) or SUBPROTOCOL not in event.subprotocols:
            self._refuse("did not offer the subprotocol mqtt")
            return
        self.target = event.target
        self._output.append(self._ws.send(AcceptConnection(subprotocol=SUBPROTOCOL)))
        self.open = True

    def _refuse(
        self, what: str, status: int = 400, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """The handshake fails; a server says so in HTTP."""
        self._fail(what)
        if not self._is_client:
            body = f"The client {what}.\n".encode()
            lines = [
                f"HTTP/1.1 {_status(status)}".encode(),
                *(b"%s: %s" % header for header in headers),
                b"Content-Type: text/plain; charset=utf-8",
                b"Content-Length: %d" % len(body),
                b"Connection: close",
            ]
            self._output.append(b"\r\n".join(lines) + _END_OF_HEAD + body)

    def _fail(self, what: str, code: int | None = None) -> None:
        """It is over.

        :param what: what the other end did.
        :param code: what to tell it in a frame that closes; None: nothing.
        """
        self._end()
        self.error = TransportError(
            f"the {'server' if self._is_client else 'client'} {what}", self._place
        )
        if code is not None and self._ws.state is ConnectionState.OPEN:
            self._output.append(self._ws.send(CloseConnection(code)))

    def _end(self) -> None:
        self.closed = True
        self._head.clear()
        self._pending.clear()
        self._pong = None


def _is_broken_text(event: "CloseConnection") -> bool:
    """Whether frames cannot be read because there is text that is no UTF-8.

    That it is text is fault enough, and must not depend on how much of it has come. The only other
    text in WebSocket is the reason in a frame that closes.
    """
    said = event.reason or ""
    return event.code == CloseReason.INVALID_FRAME_PAYLOAD_DATA and "CLOSE" not in said


def _authority(host: str, port: int, tls: bool) -> str:
    """What stands in the header Host: without the port where that is the default."""
    place = f"[{host.partition('%')[0]}]" if ":" in host else host
    if port != (443 if tls else 80):
        place += f":{port}"
    try:
        place.encode("idna")
    except UnicodeError:
        raise InvalidValueError("host", "must be a host name or an IP address") from None
    return place


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    """A header of the request, checked."""
    if not _HEADER_NAME.fullmatch(name):
        raise InvalidValueError("extra_headers", f"must not have a header with the name {name!r}")
    if _OWN_HEADERS.fullmatch(name):
        raise InvalidValueError("extra_headers", f"must not have {name}: the handshake sets it")
    value = value.strip()
    if not _HEADER_VALUE.fullmatch(value):  # which may be a secret: it is not shown
        raise InvalidValueError(
            "extra_headers", f"must have printable characters of Latin-1 in {name}"
        )
    return name.encode(), value.encode("latin-1")


def _status(status: int) -> str:
    """A status of HTTP as people know it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _refusal(event: "RejectConnection") -> str:
    """What a server answered instead of opening the WebSocket, and what to do."""
    status = event.status_code
    location = dict(event.headers).get(b"location", b"").decode("latin-1")
    if location and 300 <= status < 400:
        advice = f"it redirects to {location!r}: use that URL if you trust it"
    elif status >= 500:
        advice = "the server, or a proxy in front of it, is in trouble: try again later"
    else:
        advice = _ADVICE.get(status, "check that host, port and path are those of a WebSocket")
    return f"{_status(status)}: {advice}"
