"""MQTT over WebSocket: the filter against hand-made frames, against itself, and against noise."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqttproto import ClientConnection, Connect, ServerConnection
from mqttproto.errors import InvalidValueError, MissingExtraError, TransportError
from mqttproto.protocol.events import Connected, ConnectReceived, MessageReceived, PublishCompleted
from mqttproto.transport import websocket
from mqttproto.transport.url import parse_url
from mqttproto.transport.websocket import WebSocketFilter

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# The key and its answer that stand in RFC 6455 section 1.3.
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

MASK = b"\x37\xfa\x21\x3d"
END_OF_HEAD = b"\r\n\r\n"


def lines(*parts: bytes) -> bytes:
    return b"\r\n".join(parts) + END_OF_HEAD


def request(*, protocol: bytes = b"mqtt", start: bytes = b"GET /mqtt HTTP/1.1") -> bytes:
    return lines(
        start,
        b"Host: broker.test",
        b"Upgrade: websocket",
        b"Connection: keep-alive, Upgrade",
        b"Sec-WebSocket-Key: " + KEY,
        b"Sec-WebSocket-Protocol: " + protocol,
        b"Sec-WebSocket-Version: 13",
    )


REQUEST = request()


def response(asked: bytes, *more: bytes, protocol: bytes | None = b"mqtt") -> bytes:
    """What a server answers to the request that a filter has sent."""
    key = asked.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    token = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return lines(
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + base64.b64encode(token),
        *([] if protocol is None else [b"Sec-WebSocket-Protocol: " + protocol]),
        *more,
    )


def frame(opcode: int, payload: bytes = b"", *, mask: bytes = b"", fin: bool = True) -> bytes:
    """A frame (RFC 6455 section 5.2), its payload masked if there is a mask."""
    size, masked = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([masked | size])
    elif size < 65_536:
        length = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + size.to_bytes(8, "big")
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 * fin | opcode]) + length + mask + payload


def read_frames(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """The opcode and the payload of each frame, and whether it was masked."""
    while data:
        masked, size, at = data[1] >= 0x80, data[1] & 0x7F, 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        mask = data[at : at + 4] if masked else b"\0\0\0\0"
        at += len(mask) * masked
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data[at : at + size]))
        yield data[0], payload, masked
        data = data[at + size :]


class End:
    """A filter that has shaken hands, and how the other end writes frames."""

    def __init__(self, role: str) -> None:
        self.is_client = role == "client"
        self.peer = "server" if self.is_client else "client"
        if self.is_client:
            self.filter = WebSocketFilter.client("broker.test", 80)
            assert self.filter.receive_data(response(self.filter.data_to_send())) == b""
        else:
            self.filter = WebSocketFilter.server()
            assert self.filter.receive_data(REQUEST) == b""
            assert self.filter.data_to_send().startswith(b"HTTP/1.1 101 ")
        assert self.filter.open
        assert not self.filter.closed

    def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
        return frame(opcode, payload, mask=b"" if self.is_client else MASK, fin=fin)

    def receive(self, *frames: bytes) -> bytes:
        return self.filter.receive_data(b"".join(frames))

    def sent(self) -> list[tuple[int, bytes]]:
        """The frames that it has for the network: the first byte of each, and the payload."""
        found = list(read_frames(self.filter.data_to_send()))
        assert all(masked == self.is_client for *_, masked in found)
        return [(first, payload) for first, payload, _ in found]

    def is_over(self) -> bool:
        return self.filter.closed

    def words(self) -> str:
        assert self.filter.error is not None
        assert self.filter.closed
        return self.filter.error.reason


@pytest.fixture(params=["client", "server"])
def end(request: pytest.FixtureRequest) -> End:
    return End(request.param)


def joined() -> tuple[WebSocketFilter, WebSocketFilter]:
    """A client and a server that have not shaken hands yet."""
    return WebSocketFilter.client("broker.test", 80), WebSocketFilter.server()


def carry(client: WebSocketFilter, server: WebSocketFilter) -> tuple[bytes, bytes]:
    """Carry bytes until there are no more; returns what the client and the server received."""
    received = {client: b"", server: b""}
    quiet = 0
    while quiet < 2:
        for sender, receiver in ((client, server), (server, client)):
            data = sender.data_to_send()
            received[receiver] += receiver.receive_data(data)
            quiet = 0 if data else quiet + 1
    return received[client], received[server]


# --- the opening handshake -------------------------------------------------------------------


@pytest.mark.spec("5.0", "MQTT-6.0.0-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-3", role="client")
def test_a_client_asks_for_the_subprotocol() -> None:
    asked = WebSocketFilter.client("broker.test", 8083, "/there?a=b").data_to_send()
    address = parse_url("ws://broker.test:8083/there?a=b")
    named = WebSocketFilter.to(address, [("X-Who", "me")]).data_to_send()
    assert named.split(b"\r\n")[:2] == asked.split(b"\r\n")[:2]
    assert b"X-Who: me" in named
    first, *headers = asked.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first == b"GET /there?a=b HTTP/1.1"
    found = {name: value for name, _, value in (header.partition(b": ") for header in headers)}
    assert len(base64.b64decode(found.pop(b"Sec-WebSocket-Key"))) == 16
    assert found.pop(b"Upgrade").lower() == b"websocket"
    assert found == {
        b"Host": b"broker.test:8083",
        b"Connection": b"Upgrade",
        b"Sec-WebSocket-Version": b"13",
        b"Sec-WebSocket-Protocol": b"mqtt",
    }


@pytest.mark.spec("5.0", "MQTT-6.0.0-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-4", role="server")
@pytest.mark.parametrize("offered", [b"mqtt", b"mqttv3.1, mqtt", b"mqtt,other"])
def test_a_server_chooses_the_subprotocol(offered: bytes) -> None:
    server = WebSocketFilter.server()
    assert server.receive_data(request(protocol=offered)) == b""
    first, *headers = server.data_to_send().removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first.startswith(b"HTTP/1.1 101 ")
    assert {header.lower() for header in headers} == {
        b"upgrade: websocket",
        b"connection: upgrade",
        b"sec-websocket-accept: " + ACCEPT.lower(),
        b"sec-websocket-protocol: mqtt",
    }
    assert b": " + ACCEPT in b"".join(headers)
    assert server.open
    assert server.error is None


def test_both_know_what_was_asked_for() -> None:
    client, server = WebSocketFilter.client("broker.test", 80, "/a?b"), WebSocketFilter.server()
    assert server.target == ""
    carry(client, server)
    assert client.target == server.target == "/a?b"


@pytest.mark.parametrize(
    ("host", "port", "tls", "header"),
    [
        ("broker.test", 80, False, b"broker.test"),
        ("broker.test", 443, True, b"broker.test"),
        ("broker.test", 443, False, b"broker.test:443"),
        ("broker.test", 80, True, b"broker.test:80"),
        ("::1", 80, False, b"[::1]"),
        ("2001:db8::7", 8083, False, b"[2001:db8::7]:8083"),
        ("fe80::1%eth0", 80, False, b"[fe80::1]"),
        ("192.0.2.7", 8083, False, b"192.0.2.7:8083"),
        ("bücher.test", 80, False, b"xn--bcher-kva.test"),
    ],
)
def test_the_header_host(host: str, port: int, tls: bool, header: bytes) -> None:
    asked = WebSocketFilter.client(host, port, tls=tls).data_to_send()
    assert b"\r\nHost: " + header + b"\r\n" in asked


def test_extra_headers_are_sent() -> None:
    extra = [("Authorization", " Bearer abc "), ("Origin", "https://a.test"), ("X-Name", "é")]
    asked = WebSocketFilter.client("a", 80, extra_headers=extra).data_to_send()
    assert b"\r\nAuthorization: Bearer abc\r\n" in asked
    assert b"\r\nOrigin: https://a.test\r\n" in asked
    assert b"\r\nX-Name: \xe9\r\n" in asked


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("", "a", "a header with the name ''"),
        ("a b", "a", "a header with the name 'a b'"),
        ("a:", "a", "a header with the name 'a:'"),
        ("é", "a", "a header with the name 'é'"),
        ("Host", "a", "must not have Host: the handshake sets it"),
        ("upgrade", "a", "must not have upgrade"),
        ("Connection", "a", "must not have Connection"),
        ("Content-Length", "1", "must not have Content-Length"),
        ("Transfer-Encoding", "chunked", "must not have Transfer-Encoding"),
        ("Sec-WebSocket-Extensions", "a", "must not have Sec-WebSocket-Extensions"),
        ("X-Name", "s3cret\r\nX-More: b", "printable characters of Latin-1 in X-Name"),
        ("X-Name", "s3cret\0", "printable characters of Latin-1 in X-Name"),
        ("X-Name", "s3cret€", "printable characters of Latin-1 in X-Name"),
    ],
)
def test_a_header_that_cannot_be_is_not_sent(name: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidValueError) as raised:
        WebSocketFilter.client("a", 80, extra_headers=[(name, value)])
    assert raised.value.field == "extra_headers"
    assert rule in raised.value.rule
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("path", ["", "mqtt", "/a b", "/é", "/a\r\nX: b"])
def test_a_path_that_cannot_be_is_not_sent(path: str) -> None:
    with pytest.raises(InvalidValueError, match="path: must begin with '/'"):
        WebSocketFilter.client("a", 80, path)


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_a_host_that_cannot_be_is_not_sent(host: str) -> None:
    with pytest.raises(InvalidValueError, match="host: must be a host name"):
        WebSocketFilter.client(host, 80)


def test_what_is_sent_too_early_is_kept() -> None:
    client, server = joined()
    client.send(b"CONNECT")
    server.send(b"CONNACK")
    asked = client.data_to_send()
    assert asked.endswith(b"\r\n\r\n")
    assert client.data_to_send() == b""
    assert server.data_to_send() == b""
    assert server.receive_data(asked) == b""
    assert client.receive_data(server.data_to_send()) == b"CONNACK"
    assert server.receive_data(client.data_to_send()) == b"CONNECT"


def test_a_server_may_speak_in_the_same_breath() -> None:
    client = WebSocketFilter.client("a", 80)
    answer = response(client.data_to_send(), b"X-More: 1") + frame(BINARY, b"abc")
    assert client.receive_data(answer) == b"abc"


def test_interim_responses_are_passed_over() -> None:
    client = WebSocketFilter.client("a", 80)
    asked = client.data_to_send()
    early = lines(b"HTTP/1.1 100 Continue") + lines(b"HTTP/1.1 103 Early Hints", b"Link: </a>")
    assert client.receive_data(early + response(asked) + frame(BINARY, b"abc")) == b"abc"
    assert client.error is None


# --- a handshake that fails ------------------------------------------------------------------


def refused_client(*answers: bytes) -> WebSocketFilter:
    client = WebSocketFilter.client("broker.test", 8083, "/there?token=s3cret")
    client.send(b"CONNECT")
    client.data_to_send()
    assert client.receive_data(b"".join(answers)) == b""
    assert client.closed
    assert isinstance(client.error, TransportError)
    assert client.error.address == "ws://broker.test:8083/there?..."
    return client


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (b"200 OK", "200 OK: check that host, port and path are those of a WebSocket"),
        (b"302 Found", "302 Found: check that host"),
        (b"400 Bad Request", "400 Bad Request: it may not speak MQTT over WebSocket here"),
        (b"401 Unauthorized", "401 Unauthorized: it wants credentials"),
        (b"403 Go Away", "403 Forbidden: it wants other credentials"),
        (b"404 Not Found", "404 Not Found: check the path of the URL"),
        (b"429 Slow", "429 Too Many Requests: connect less often"),
        (b"499 Own", "499: check that host"),
        (b"503 Busy", "503 Service Unavailable: the server, or a proxy in front of it,"),
    ],
)
def test_a_client_is_refused_by_http(status: bytes, words: str) -> None:
    client = refused_client(lines(b"HTTP/1.1 " + status, b"Content-Length: 4"), b"body")
    assert client.error is not None
    said = f"the server answered the handshake with HTTP status {words}"
    assert client.error.reason.startswith(said)
    assert not client.open
    assert client.data_to_send() == b""


def test_a_client_is_redirected() -> None:
    client = refused_client(
        lines(b"HTTP/1.1 301 Moved", b"Location: wss://b.test/\x80", b"Content-Length: 0")
    )
    assert "301 Moved Permanently: it redirects to 'wss://b.test/\\x80'" in str(client.error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x20\x02\0\0", "does not speak HTTP: is WebSocket spoken there?"),
        (b"\x15\x03\x03\0\x02\x02\x28", "does not speak HTTP"),
        (lines(b"HTTP/1.1 101 Yes", b"Upgrade: websocket"), "Missing header, 'Connection: "),
        (lines(b"HTTP/1.1 101 Yes", b"Connection: upgrade"), "Missing header, 'Upgrade: "),
        (lines(b"HTTP/1.1 2000 What"), "Bad HTTP message"),
        (lines(b"HTTP/1.1 101 Yes", b"Sec-WebSocket-Protocol: \xff"), "must not be there"),
        (b"HTTP/1.1 200 OK\r\n" + b"a" * 20_000, "sent a head of more than 16384 bytes"),
        (lines(b"HTTP/1.1 200 OK", b"a:" + b"a" * 20_000), "sent a head of more than 16384"),
    ],
)
def test_a_client_gets_no_handshake(answer: bytes, words: str) -> None:
    client = refused_client(answer)
    assert words in str(client.error)
    assert not client.open
    assert client.data_to_send() == b""


def test_a_client_checks_the_answer_to_its_key() -> None:
    wrong = response(request())  # to somebody else's key
    assert "Bad accept token" in str(refused_client(wrong).error)


@pytest.mark.spec("5.0", "MQTT-6.0.0-3", role="client")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-3", role="client")
@pytest.mark.parametrize("chosen", [None, b"mqttv3.1", b"MQTT", b"mqtt, other"])
def test_a_client_wants_the_subprotocol_that_it_asked_for(chosen: bytes | None) -> None:
    client = WebSocketFilter.client("a", 80)
    client.send(b"CONNECT")
    answer = response(client.data_to_send(), protocol=chosen) + frame(BINARY, b"abc")
    assert client.receive_data(answer) == b""
    assert client.closed
    assert "subprotocol" in str(client.error)
    sent = [payload for _, payload, _ in read_frames(client.data_to_send())]
    assert sent == ([b"\x03\xea"] if chosen is None else [])


@pytest.mark.spec("5.0", "MQTT-6.0.0-4", role="server")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-4", role="server")
@pytest.mark.parametrize("offered", [b"", b"mqttv3.1", b"MQTT", b"chat, superchat"])
def test_a_server_refuses_who_does_not_offer_the_subprotocol(offered: bytes) -> None:
    server = WebSocketFilter.server()
    server.send(b"CONNACK")
    assert server.receive_data(request(protocol=offered) + frame(BINARY, b"a", mask=MASK)) == b""
    assert server.data_to_send() == (
        b"HTTP/1.1 400 Bad Request\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 47\r\n"
        b"Connection: close\r\n"
        b"\r\n"
        b"The client did not offer the subprotocol mqtt.\n"
    )
    assert server.closed
    assert not server.open
    assert str(server.error) == "the client did not offer the subprotocol mqtt"


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        (request(start=b"POST / HTTP/1.1"), b"400 Bad Request", "does not speak HTTP"),
        (b"\x10\x0c\0\x04MQTT", b"400 Bad Request", "does not speak HTTP"),
        (b"\x16\x03\x01\x02\0", b"400 Bad Request", "does not speak HTTP"),
        (request(start=b"GET /"), b"400 Bad Request", "Bad HTTP message"),
        (request().replace(b"Host", b"X"), b"400 Bad Request", "Bad HTTP message"),
        (request().replace(b"broker.test", b"\xff"), b"400 Bad Request", "must not be there"),
        (request(protocol=b"\xff"), b"400 Bad Request", "must not be there"),
        (request().replace(b"Key", b"X"), b"400 Bad Request", "'Sec-WebSocket-Key'"),
        (request().replace(b": 13", b": 12"), b"426 Upgrade Required", "WebSocket-Version'"),
        (b"GET /" + b"a" * 20_000, b"400 Bad Request", "a head of more than 16384 bytes"),
        (b"GET / HTTP/1.1\r\na:" + b"a" * 20_000, b"400 Bad Request", "a head of more than"),
    ],
)
def test_a_server_refuses_what_is_no_handshake(asked: bytes, status: bytes, words: str) -> None:
    server = WebSocketFilter.server()
    assert server.receive_data(asked) == b""
    answer = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert (b"Sec-WebSocket-Version: 13\r\n" in answer) == (status[:3] == b"426")
    assert server.closed
    assert words in str(server.error)
    assert server.receive_data(REQUEST) == b""
    assert server.data_to_send() == b""


@pytest.mark.parametrize("role", ["client", "server"])
def test_a_network_that_ends_too_early_is_an_error(role: str) -> None:
    new = WebSocketFilter.client("a", 80) if role == "client" else WebSocketFilter.server()
    new.receive_eof()
    assert new.closed
    assert "ended the connection during the handshake" in str(new.error)


# --- data ------------------------------------------------------------------------------------


@pytest.mark.spec("5.0", "MQTT-6.0.0-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-1", role="both")
def test_data_travels_in_binary_frames(end: End) -> None:
    end.filter.send(b"abc")
    assert end.sent() == [(0x80 | BINARY, b"abc")]
    assert end.receive(end.frame(BINARY, b"def")) == b"def"


@pytest.mark.spec("5.0", "MQTT-6.0.0-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-1", role="both")
@pytest.mark.parametrize("text", [b"abc", b"", b"\xff", b"a\xff", b"\xe2\x82"])
def test_text_ends_the_connection(end: End, text: bytes) -> None:
    end.filter.send(b"lost")
    data = end.receive(end.frame(BINARY, b"ok"), end.frame(TEXT, text), end.frame(BINARY, b"no"))
    assert data == b"ok"
    assert end.words() == f"the {end.peer} sent text: MQTT is binary"
    assert end.sent() == [(0x80 | CLOSE, b"\x03\xeb")]
    assert end.receive(end.frame(BINARY, b"no")) == b""


@pytest.mark.spec("5.0", "MQTT-6.0.0-2", role="both")
@pytest.mark.spec("3.1.1", "MQTT-6.0.0-2", role="both")
def test_frames_and_packets_are_cut_apart_from_each_other(end: End) -> None:
    ping, publish = b"\xc0\0", b"\x30\x05\0\x01axy"
    stream = ping + publish + ping
    assert end.receive(end.frame(BINARY, stream)) == stream
    assert end.receive(*(end.frame(BINARY, stream[at : at + 1]) for at in range(11))) == stream
    for packet in (ping, publish, ping):
        end.filter.send(packet)
    assert end.sent() == [(0x80 | BINARY, stream)]
    end.filter.send(publish[:3])
    end.filter.data_to_send()
    end.filter.send(publish[3:])
    assert end.sent() == [(0x80 | BINARY, publish[3:])]


def test_messages_may_come_in_fragments(end: End) -> None:
    data = end.receive(
        end.frame(BINARY, b"ab", fin=False),
        end.frame(CONTINUATION, fin=False),
        end.frame(PING, b"!"),
        end.frame(CONTINUATION, b"cd", fin=False),
        end.frame(CONTINUATION, b"ef"),
        end.frame(BINARY),
        end.frame(BINARY, b"gh"),
    )
    assert data == b"abcdefgh"
    assert end.sent() == [(0x80 | PONG, b"!")]


def test_bytes_are_handed_on_as_they_come(end: End) -> None:
    announced = end.frame(BINARY, b"a" * 125)
    announced = bytes([announced[0], announced[1] | 0x7F]) + (1 << 40).to_bytes(8, "big")
    assert end.receive(announced) == b""
    if not end.is_client:
        assert end.receive(b"\0\0\0\0") == b""
    for _ in range(100):
        assert end.receive(b"x" * 1000) == b"x" * 1000
    assert end.filter.error is None


def test_large_output_is_cut_into_frames(end: End) -> None:
    data = bytes(range(256)) * 600
    end.filter.send(data)
    sent = end.sent()
    assert [len(payload) for _, payload in sent] == [65_535, 65_535, 153_600 - 131_070]
    assert {first for first, _ in sent} == {0x80 | BINARY}
    assert b"".join(payload for _, payload in sent) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_taken(kind: Callable[[bytes], bytes | bytearray]) -> None:
    server = WebSocketFilter.server()
    server.receive_data(kind(REQUEST))
    assert server.receive_data(kind(frame(BINARY, b"abc", mask=MASK))) == b"abc"
    server.data_to_send()
    server.send(kind(b"def"))
    assert server.data_to_send() == frame(BINARY, b"def")


def test_nothing_comes_of_nothing(end: End) -> None:
    end.filter.send(b"")
    assert end.filter.data_to_send() == b""
    assert end.filter.receive_data(b"") == b""


# --- ping ------------------------------------------------------------------------------------


def test_a_ping_is_answered(end: End) -> None:
    end.filter.send(b"abc")
    assert end.receive(end.frame(PING, b"are you there"), end.frame(BINARY, b"def")) == b"def"
    assert end.sent() == [(0x80 | PONG, b"are you there"), (0x80 | BINARY, b"abc")]
    assert end.filter.data_to_send() == b""


def test_of_several_pings_the_last_is_answered(end: End) -> None:
    end.receive(*(end.frame(PING, b"%d" % number) for number in range(1000)))
    assert end.sent() == [(0x80 | PONG, b"999")]


def test_a_pong_is_passed_over(end: End) -> None:
    assert end.receive(end.frame(PONG, b"unasked"), end.frame(BINARY, b"a")) == b"a"
    assert end.filter.data_to_send() == b""
    assert end.filter.error is None


# --- the closing handshake -------------------------------------------------------------------


def test_closing_sends_what_there_is_first(end: End) -> None:
    end.filter.send(b"DISCONNECT")
    end.filter.close()
    end.filter.send(b"too late")
    end.filter.close()
    assert end.sent() == [(0x80 | BINARY, b"DISCONNECT"), (0x80 | CLOSE, b"\x03\xe8")]
    assert not end.is_over()
    assert end.receive(end.frame(BINARY, b"abc"), end.frame(PING, b"!")) == b"abc"
    assert end.receive(end.frame(CLOSE, b"\x03\xe8")) == b""
    assert end.is_over()
    assert end.filter.error is None
    assert end.filter.data_to_send() == b""


@pytest.mark.parametrize(
    "payload", [b"", b"\x03\xe8", b"\x03\xe9", b"\x03\xe8bye"], ids=["none", "1000", "1001", "text"]
)
def test_the_other_end_closes(end: End, payload: bytes) -> None:
    end.filter.send(b"lost")
    data = end.receive(
        end.frame(BINARY, b"abc"),
        end.frame(PING),
        end.frame(CLOSE, payload),
        end.frame(BINARY, b"too late"),
    )
    assert data == b"abc"
    assert end.filter.closed
    assert end.filter.error is None
    assert end.sent() == [(0x80 | CLOSE, payload)]
    end.filter.close()
    end.filter.send(b"too late")
    assert end.receive(end.frame(BINARY, b"too late")) == b""
    assert end.filter.data_to_send() == b""


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\x03\xf0go away", "closed the WebSocket with code 1008, and says 'go away'"),
        (b"\x03\xea", "closed the WebSocket with code 1002"),
        (b"\x0f\xa0", "closed the WebSocket with code 4000"),
    ],
)
def test_the_other_end_closes_in_anger(end: End, payload: bytes, words: str) -> None:
    end.receive(end.frame(CLOSE, payload))
    assert end.words() == f"the {end.peer} {words}"
    assert end.sent() == [(0x80 | CLOSE, payload)]


def test_both_close_at_once() -> None:
    client, server = joined()
    carry(client, server)
    client.close()
    server.close()
    carry(client, server)
    assert client.closed
    assert server.closed
    assert client.error is server.error is None


@pytest.mark.parametrize("role", ["client", "server"])
def test_closing_before_it_is_open_ends_it(role: str) -> None:
    new = WebSocketFilter.client("a", 80) if role == "client" else WebSocketFilter.server()
    new.data_to_send()
    new.send(b"abc")
    new.close()
    assert new.closed
    assert not new.open
    assert new.error is None
    assert new.data_to_send() == b""
    assert new.receive_data(REQUEST) == b""


def test_the_end_of_the_network_is_the_end(end: End) -> None:
    end.filter.send(b"lost")
    end.filter.receive_eof()
    assert end.filter.closed
    assert end.filter.open
    assert end.filter.error is None
    assert end.filter.data_to_send() == b""
    end.filter.receive_eof()
    assert end.filter.error is None


# --- broken frames ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (lambda end: end.frame(3), b"\x03\xea"),
        (lambda end: end.frame(CONTINUATION), b"\x03\xea"),
        (lambda end: end.frame(BINARY, fin=False) + end.frame(BINARY), b"\x03\xea"),
        (lambda end: end.frame(PING, fin=False), b"\x03\xea"),
        (lambda end: end.frame(PING, b"a" * 126), b"\x03\xea"),
        (lambda end: end.frame(0x40 | BINARY), b"\x03\xea"),
        (lambda end: end.frame(CLOSE, b"\x03"), b"\x03\xea"),
        (lambda end: end.frame(CLOSE, b"\x03\xed"), b"\x03\xea"),
        (lambda end: end.frame(CLOSE, b"\x03\xe8\xff"), b"\x03\xef"),
        (lambda end: frame(BINARY, b"a", mask=MASK if end.is_client else b""), b"\x03\xea"),
    ],
)
def test_broken_frames_end_the_connection(
    end: End, what: Callable[[End], bytes], code: bytes
) -> None:
    assert end.receive(end.frame(BINARY, b"ok"), what(end), end.frame(BINARY, b"no")) == b"ok"
    assert end.words().startswith(f"the {end.peer} broke the rules of WebSocket: ")
    assert end.sent() == [(0x80 | CLOSE, code)]


def test_broken_frames_while_closing_end_it_at_once(end: End) -> None:
    end.filter.close()
    end.filter.data_to_send()
    assert end.receive(end.frame(BINARY, b"ok"), end.frame(3)) == b"ok"
    assert "broke the rules of WebSocket" in end.words()
    assert end.filter.data_to_send() == b""


# --- any bytes, cut anywhere -----------------------------------------------------------------

cuts = st.lists(st.integers(1, 70), max_size=40)


def pieces(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """The same bytes, cut: the sizes of the pieces, the rest in one."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


@given(
    there=st.lists(st.binary(max_size=400), max_size=8),
    back=st.lists(st.binary(max_size=400), max_size=8),
    sizes=cuts,
    turns=st.lists(st.booleans(), max_size=40),
)
def test_what_is_sent_comes_out_however_it_is_cut(
    there: list[bytes], back: list[bytes], sizes: list[int], turns: list[bool]
) -> None:
    client, server = joined()
    wire = {client: b"", server: b""}
    queue = {client: list(reversed(there)), server: list(reversed(back))}
    received = {client: b"", server: b""}
    turn = iter(turns)
    step = iter(sizes)
    while any(wire.values()) or any(queue.values()) or not client.open:
        if next(turn, True):
            for sender in (client, server):
                if queue[sender]:
                    sender.send(queue[sender].pop())
        for sender, receiver in ((client, server), (server, client)):
            wire[sender] += sender.data_to_send()
            size = next(step, 1000)
            received[receiver] += receiver.receive_data(wire[sender][:size])
            wire[sender] = wire[sender][size:]
    last = carry(client, server)
    assert received[server] + last[1] == b"".join(there)
    assert received[client] + last[0] == b"".join(back)
    assert client.error is server.error is None


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_534, 65_535, 65_536, 200_000])
def test_messages_of_any_size_come_out(size: int) -> None:
    client, server = joined()
    data = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    client.send(data)
    server.send(data[::-1])
    assert carry(client, server) == (data[::-1], data)


frames = st.builds(
    frame,
    st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3, 0x40 | BINARY]),
    st.binary(max_size=130),
    mask=st.sampled_from([b"", MASK]),
    fin=st.booleans(),
)
headers = st.sampled_from([*REQUEST.split(b"\r\n"), *response(REQUEST).split(b"\r\n"), b""])
noise = st.lists(
    st.one_of(
        st.binary(max_size=50),
        frames,
        st.lists(headers, max_size=12).map(b"\r\n".join),
        st.just(REQUEST),
        st.just(b"HTTP/1.1 101 a\r\n\r\n"),
    ),
    max_size=8,
).map(b"".join)

Outcome = tuple[bytes, bool, bool, str, bytes]


def outcome(new: WebSocketFilter, data: Iterable[bytes]) -> Outcome:
    """What comes of bytes, but for the answers to pings, which depend on the moment."""
    received = b"".join(map(new.receive_data, data))
    output = new.data_to_send()
    if new.open:
        output = output.partition(END_OF_HEAD)[2] if output.startswith(b"HTTP/") else output
        found = list(read_frames(output))
        output = found[-1][1] if found and new.error else b""
    return received, new.open, new.closed, str(new.error), output


@given(noise, cuts)
def test_a_server_never_raises_and_cuts_do_not_matter(data: bytes, sizes: list[int]) -> None:
    whole = outcome(WebSocketFilter.server(), [data])
    assert outcome(WebSocketFilter.server(), pieces(data, sizes)) == whole
    assert outcome(WebSocketFilter.server(), pieces(data, [1] * len(data))) == whole


@given(noise, cuts, st.booleans())
def test_an_open_end_never_raises_and_cuts_do_not_matter(
    data: bytes, sizes: list[int], closing: bool
) -> None:
    for role in ("client", "server"):
        ends = [End(role).filter, End(role).filter]
        for each in ends:
            if closing:
                each.close()
                each.data_to_send()
        whole = outcome(ends[0], [data])
        assert outcome(ends[1], pieces(data, sizes)) == whole
        for each in ends:
            each.receive_eof()
            assert each.closed


@given(noise, cuts)
def test_a_client_never_raises(data: bytes, sizes: list[int]) -> None:
    new = [WebSocketFilter.client("a", 80) for _ in range(2)]
    for each in new:
        each.data_to_send()
    assert outcome(new[0], [data]) == outcome(new[1], pieces(data, sizes))


# --- the whole of it -------------------------------------------------------------------------


@pytest.mark.spec("5.0", "MQTT-4.2-1", role="both")
@pytest.mark.spec("3.1.1", "MQTT-7.1.1-1", role="server")
@pytest.mark.spec("3.1.1", "MQTT-7.1.2-1", role="client")
@pytest.mark.parametrize("version", [4, 5])
def test_a_whole_session_over_websocket(version: int) -> None:
    outer_client, outer_server = joined()
    client, server = ClientConnection(version=version), ServerConnection(now=0.0)
    client.connect(Connect("a"), now=0.0)
    payloads = [bytes([number]) * 3000 for number in range(50)]
    seen: list[object] = []
    for turn in range(40):
        now = turn / 10
        for inner, outer in ((client, outer_client), (server, outer_server)):
            outer.send(inner.data_to_send())
        to_client, to_server = carry_once(outer_client, outer_server)
        seen += client.receive_data(to_client, now)
        for event in server.receive_data(to_server, now):
            seen.append(event)
            if isinstance(event, ConnectReceived):
                server.accept(now=now)
            elif isinstance(event, MessageReceived) and event.receipt is not None:
                server.acknowledge(event, now=now)
        if turn and isinstance(seen[-1], Connected):
            for payload in payloads:
                client.publish("t", payload, qos=2, now=now)
    messages = [event.payload for event in seen if isinstance(event, MessageReceived)]
    assert messages == payloads
    assert sum(isinstance(event, PublishCompleted) for event in seen) == len(payloads)


def carry_once(client: WebSocketFilter, server: WebSocketFilter) -> tuple[bytes, bytes]:
    to_server = server.receive_data(client.data_to_send())
    return client.receive_data(server.data_to_send()), to_server


def test_a_filter_tells_what_it_is() -> None:
    client, server = joined()
    assert repr(client) == "<WebSocketFilter: client, opening>"
    carry(client, server)
    assert repr(server) == "<WebSocketFilter: server, open>"
    server.receive_eof()
    assert repr(server) == "<WebSocketFilter: server, closed>"


# --- without wsproto -------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["client('a', 80)", "server()"])
def test_without_the_extra_it_says_how_to_install_it(make: str) -> None:
    program = f"""
import sys
sys.modules["wsproto"] = None
from mqttproto.errors import MissingExtraError
from mqttproto.transport.websocket import WebSocketFilter
try:
    WebSocketFilter.{make}
except MissingExtraError as error:
    print(error)
    assert isinstance(error.__cause__, ImportError)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"WebSocket is not installed: pip install 'mqttproto[ws]'"


def test_with_the_extra_nothing_is_missing() -> None:
    assert websocket._MISSING is None
    assert issubclass(MissingExtraError, ImportError)
