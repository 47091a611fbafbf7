"""The small server on real sockets."""

import asyncio
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from mqttproto import (
    ClientConnection,
    Connect,
    Disconnect,
    MissingExtraError,
    Publish,
    ReasonCode,
    Session,
    Subscription,
)
from mqttproto.cli.hub import Hub, HubServer, serve_hub
from mqttproto.codec import Decoder, encode
from mqttproto.protocol.events import (
    Connected,
    Disconnected,
    Event,
    MessageReceived,
    PublishCompleted,
    Subscribed,
)
from mqttproto.transport import websocket
from recording import TIMEOUT
from recording_stage import program
from socket_loop import SocketLoop

if TYPE_CHECKING:
    from paho.mqtt.client import Client

VERSIONS: Final = (3, 4, 5)

AnyEvent = TypeVar("AnyEvent", bound=Event)

every_version = pytest.mark.parametrize("version", VERSIONS)


def now() -> float:
    return time.monotonic()


def serve(scenario: Callable[[HubServer], object], **options: Any) -> float:
    """Run a scenario that blocks while a hub serves; see that nothing is left of the hub.

    :returns: the seconds that it took the hub to end.
    """

    async def main() -> float:
        async with serve_hub(**options) as server:
            await asyncio.to_thread(scenario, server)
            began = now()
        took = now() - began
        assert server.connections == 0
        assert not server.hub.congested
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return took

    return asyncio.run(main(), debug=True)


class Guest:
    """A client of ours on a socket of its own."""

    def __init__(
        self, server: HubServer, version: int, client_id: str = "c", **fields: Any
    ) -> None:
        self.connection = ClientConnection(Session(client_id), version=version)
        self.sock = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
        self.loop = SocketLoop(self.connection, self.sock)
        self.events: list[Event] = []
        self.connection.connect(Connect(client_id, **fields), now=now())
        self.until(Connected)

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def until(self, kind: type[AnyEvent], count: int = 1) -> list[AnyEvent]:
        """Wait for so many events of a kind, in all."""
        give_up = now() + TIMEOUT
        while True:
            found = [event for event in self.events if isinstance(event, kind)]
            if len(found) >= count:
                return found
            assert now() < give_up, self.events[-5:]
            self.events += self.loop.turn(0.1)

    def subscribe(self, topic_filter: str, qos: int = 2) -> None:
        self.connection.subscribe(Subscription(topic_filter, qos), now=now())
        self.until(Subscribed)

    def publish(self, topic: str, payload: bytes, qos: int = 0) -> None:
        self.connection.publish(topic, payload, qos, now=now())

    def leave(self) -> None:
        self.events += self.connection.disconnect(now=now())
        self.run_out()

    def run_out(self) -> None:
        """Go on until both ends have closed."""
        while not self.loop.closed:
            self.events += self.loop.turn(TIMEOUT)


def answers(server: HubServer, request: bytes, *, half_close: bool = False) -> bytes:
    """All that the server says until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as sock:
        sock.sendall(request)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := sock.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


# --- clients of ours ---------------------------------------------------------------------------


@every_version
def test_a_client_of_ours_gets_what_it_publishes(version: int) -> None:
    def scenario(server: HubServer) -> None:
        with Guest(server, version) as guest:
            guest.subscribe("t")
            for number in range(30):
                guest.publish("t", b"%d" % number, number % 3)
            messages = guest.until(MessageReceived, 30)
            assert sorted(int(each.payload) for each in messages) == list(range(30))
            guest.until(PublishCompleted, 20)
            assert server.connections == 1
            guest.leave()

    assert serve(scenario) < TIMEOUT


def test_the_hub_may_be_given() -> None:
    hub = Hub()

    def scenario(server: HubServer) -> None:
        assert server.hub is hub
        with Guest(server, 4, clean_start=False):
            pass

    serve(scenario, hub=hub)
    assert hub.client_ids == ["c"]


def test_the_port_may_be_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    serve(lambda server: answers(server, b"\0"), port=port)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6 here")
def test_the_host_may_be_of_ipv6() -> None:
    def scenario(server: HubServer) -> None:
        with socket.create_connection(("::1", server.port), TIMEOUT) as sock:
            sock.sendall(b"\0\0")
            assert sock.recv(1) == b""

    serve(scenario, host="::1")


# --- ends --------------------------------------------------------------------------------------


def test_nonsense_is_not_reset_but_closed() -> None:
    # More than it reads at once: to close with bytes unread would be a reset.
    def scenario(server: HubServer) -> None:
        assert answers(server, b"GET / HTTP/1.1\r\n\r\n" * 10_000) == b""

    serve(scenario)


def test_who_sends_no_more_is_still_answered() -> None:
    request = encode(Connect("c", keep_alive=0)) + encode(Publish("t", b"x", 1, packet_id=1))

    def scenario(server: HubServer) -> None:
        reply = answers(server, request, half_close=True)
        assert [type(each).__name__ for each in Decoder(5).feed(reply)] == ["ConnAck", "PubAck"]

    serve(scenario)


def test_silence_ends_a_connection() -> None:
    def scenario(server: HubServer) -> None:
        reply = answers(server, encode(Connect("c", keep_alive=1)))
        _, end = Decoder(5).feed(reply)
        assert isinstance(end, Disconnect)
        assert end.reason_code == ReasonCode.KEEP_ALIVE_TIMEOUT

    serve(scenario)


def test_a_client_is_told_that_the_server_shuts_down() -> None:
    guests = []

    def scenario(server: HubServer) -> None:
        guests.append(Guest(server, 5))
        threading.Thread(target=guests[0].run_out).start()

    assert serve(scenario) < 0.9
    (end,) = guests[0].until(Disconnected)
    assert end.reason_code == ReasonCode.SERVER_SHUTTING_DOWN


def test_a_client_that_does_not_go_is_not_waited_for() -> None:
    guests = []
    took = serve(lambda server: guests.append(Guest(server, 4)))
    assert 0.9 < took < TIMEOUT
    with guests[0] as guest:
        assert guest.sock.recv(1) == b""


def test_a_server_that_is_cancelled_in_the_end_is_gone_at_once() -> None:
    async def main() -> None:
        async def run() -> None:
            async with serve_hub() as server:
                ready.set_result(server)
                guests.append(await asyncio.to_thread(Guest, server, 4))

        ready: asyncio.Future[HubServer] = asyncio.get_running_loop().create_future()
        guests: list[Guest] = []
        task = asyncio.create_task(run())
        server = await ready
        while not guests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert server.connections == 0
        guests[0].sock.close()

    asyncio.run(main(), debug=True)


# --- back-pressure -----------------------------------------------------------------------------


def test_one_that_takes_nothing_does_not_hold_up_the_others() -> None:
    payload = bytes(1 << 16)
    many = 1_000

    def scenario(server: HubServer) -> None:
        with (
            Guest(server, 5, "stalled", keep_alive=0) as stalled,
            Guest(server, 5, "quick") as quick,
            Guest(server, 5, "sender") as sender,
        ):
            for guest in (stalled, quick):
                guest.subscribe("t")
            for number in range(many):
                sender.publish("t", payload)
                sender.loop.turn(0)
                if number % 20 == 0:
                    quick.until(MessageReceived, number)
            sender.publish("t", b"last", 1)
            sender.until(PublishCompleted)
            quick.until(MessageReceived, many + 1)
            assert len(server.hub.congested) == 1
            # It reads at last: most of QoS 0 is gone, and what came at QoS 1 was kept.
            while (received := stalled.until(MessageReceived))[-1].payload != b"last":
                stalled.events += stalled.loop.turn(TIMEOUT)
            assert len(received) < many / 2
            for guest in (stalled, quick, sender):
                guest.leave()

    serve(scenario)


def test_one_that_takes_nothing_is_not_waited_for_in_the_end() -> None:
    guests: list[Guest] = []

    def scenario(server: HubServer) -> None:
        guests.extend(Guest(server, 5, name) for name in ("stalled", "sender"))
        stalled, sender = guests
        stalled.subscribe("t")
        while not server.hub.congested:
            sender.publish("t", bytes(1 << 20))
            sender.loop.turn(0)
        sender.leave()

    assert serve(scenario) < TIMEOUT
    for guest in guests:
        guest.sock.close()


# --- TLS, WebSocket, Unix ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for 127.0.0.1."""
    try:
        openssl = program("openssl")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    command = [openssl, "req", "-x509", *kind, *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


def test_who_does_not_finish_a_handshake_is_not_waited_for(certificate: Path) -> None:
    socks = []

    def scenario(server: HubServer) -> None:
        socks.append(socket.create_connection(("127.0.0.1", server.port), TIMEOUT))
        time.sleep(0.1)

    assert serve(scenario, tls=context(certificate)) < 1
    with socks[0] as sock:
        assert sock.recv(1) == b""


def test_who_speaks_no_tls_is_sent_away(certificate: Path) -> None:
    def scenario(server: HubServer) -> None:
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as sock:
            sock.sendall(encode(Connect("c")))
            while sock.recv(100):
                pass

    serve(scenario, tls=context(certificate))


def test_what_websocket_needs_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_MISSING", ImportError("wsproto"))
    with pytest.raises(MissingExtraError):
        serve_hub(websocket=True)


def test_the_path_of_a_socket_is_taken_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "hub"

    def scenario(server: HubServer) -> None:
        assert server.port == 0
        assert path.is_socket()

    serve(scenario, path=path)
    assert not path.exists()
    path.touch()
    with pytest.raises(OSError, match="in use"):
        serve(scenario, path=path)


# --- paho --------------------------------------------------------------------------------------


@contextmanager
def visitor(version: int, transport: str = "tcp") -> Iterator["Client"]:
    """A client of paho that sends itself 30 messages once it is subscribed, and takes them down."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    client = Client(
        CallbackAPIVersion.VERSION2,
        "paho",
        protocol=MQTTProtocolVersion(version),
        transport=transport,  # type: ignore[arg-type]
        reconnect_on_failure=False,
    )
    received: list[bytes] = []
    complete = threading.Event()

    def subscribe(*_: object) -> None:
        client.subscribe("t/#", 2)

    def publish(*_: object) -> None:
        for number in range(30):
            client.publish("t/x", b"%d" % number, number % 3)

    def take(_client: object, _data: object, message: Any) -> None:
        received.append(message.payload)
        if len(received) == 30:
            complete.set()

    client.on_connect = subscribe
    client.on_subscribe = publish
    client.on_message = take
    yield client
    client.loop_start()
    assert complete.wait(TIMEOUT)
    client.disconnect()
    client.loop_stop()
    assert sorted(map(int, received)) == list(range(30))


@pytest.mark.peer
@every_version
def test_paho_over_tcp(version: int) -> None:
    pytest.importorskip("paho.mqtt.client")

    def scenario(server: HubServer) -> None:
        with visitor(version) as client:
            client.connect("127.0.0.1", server.port)

    serve(scenario)


@pytest.mark.peer
def test_paho_over_tls(certificate: Path) -> None:
    pytest.importorskip("paho.mqtt.client")

    def scenario(server: HubServer) -> None:
        with visitor(5) as client:
            client.tls_set(str(certificate.with_suffix(".crt")))
            client.connect("127.0.0.1", server.port)

    serve(scenario, tls=context(certificate))


@pytest.mark.peer
@pytest.mark.parametrize("tls", [False, True])
def test_paho_over_websocket(certificate: Path, tls: bool) -> None:
    pytest.importorskip("paho.mqtt.client")
    pytest.importorskip("wsproto")

    def scenario(server: HubServer) -> None:
        with visitor(5, "websockets") as client:
            if tls:
                client.tls_set(str(certificate.with_suffix(".crt")))
            client.connect("127.0.0.1", server.port)

    serve(scenario, websocket=True, tls=context(certificate) if tls else None)


@pytest.mark.peer
def test_paho_over_a_unix_socket(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt.client")
    path = tmp_path / "hub"

    def scenario(_: HubServer) -> None:
        with visitor(5, "unix") as client:
            client.connect(str(path))

    serve(scenario, path=path)


@pytest.mark.peer
def test_mosquitto_pub_and_sub_meet_here() -> None:
    try:
        tools = program("mosquitto_pub"), program("mosquitto_sub")
    except FileNotFoundError as error:
        pytest.skip(str(error))

    def scenario(server: HubServer) -> None:
        where = ["-h", "127.0.0.1", "-p", str(server.port), "-V", "mqttv5", "-q", "2", "-t", "t"]
        subprocess.run([tools[0], *where, "-r", "-m", "kept"], check=True, timeout=TIMEOUT)
        heard = subprocess.run(
            [tools[1], *where, "-C", "1"], check=True, timeout=TIMEOUT, capture_output=True
        )
        assert heard.stdout == b"kept\n"

    serve(scenario)
