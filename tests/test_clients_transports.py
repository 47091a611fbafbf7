"""How clients reach servers: each transport, and what goes wrong on the way there."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio

import mqttproto.trio
from certificates import KEY_PASSWORD, Certificates, Identity, make_certificates
from clients_stage import PATIENCE, QUICK, Stage, on_every_loop
from mosquitto_broker import mosquitto
from mqttproto import ClientClosedError, InvalidValueError, TransportError
from mqttproto.cli.hub import HubServer, serve_hub
from mqttproto.engine.client import Client
from mqttproto.tls import TLSOptions
from recording_stage import free_port, listened_on

CHUNK = 1 << 16


@dataclass(frozen=True)
class Way:
    """A way to a server.

    :ivar scheme: of the URL.
    :ivar mutual: whether the server wants a certificate, too.
    """

    scheme: str
    mutual: bool = False

    @property
    def tls(self) -> bool:
        return self.scheme in ("mqtts", "wss")

    @property
    def websocket(self) -> bool:
        return self.scheme in ("ws", "wss")

    def url(self, port: int, path: Path | None) -> str:
        if self.scheme == "mqtt+unix":
            return f"mqtt+unix://{path}"
        return f"{self.scheme}://127.0.0.1:{port}"


WAYS = {
    "tcp": Way("mqtt"),
    "tls": Way("mqtts"),
    "mutual tls": Way("mqtts", mutual=True),
    "unix": Way("mqtt+unix"),
    "websocket": Way("ws"),
    "websocket over tls": Way("wss"),
    "websocket over mutual tls": Way("wss", mutual=True),
}

every_way = pytest.mark.parametrize("way", list(WAYS.values()), ids=list(WAYS))
secure_ways = pytest.mark.parametrize("scheme", ["mqtts", "wss"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: that of a Unix socket has an end."""
    with TemporaryDirectory() as name:
        yield Path(name)


def options_of(way: Way, made: Certificates) -> dict[str, Any]:
    """What a client needs beside the URL."""
    if not way.tls:
        return {}
    return {"tls": identified(made, made.client) if way.mutual else TLSOptions(ca_file=made.ca)}


def identified(made: Certificates, identity: Identity) -> TLSOptions:
    """The options to show a certificate."""
    return TLSOptions(ca_file=made.ca, cert_file=identity.cert, key_file=identity.key)


def hub_behind(
    stage: Stage, way: Way, made: Certificates, path: Path | None = None
) -> tuple[HubServer, str]:
    """Serve another hub on this way, as long as the stage stands; with its URL."""
    tls = made.server.server_context(made.ca if way.mutual else None) if way.tls else None
    unix = path if way.scheme == "mqtt+unix" else None
    server = stage.loop.enter(serve_hub(path=unix, tls=tls, websocket=way.websocket))
    return server, way.url(server.port, path)


async def talk(stage: Stage, client: Client, most: int = 100_000) -> None:
    """Say something of every kind and size, and hear it."""
    payloads = [b"", b"x", bytes(1_000), bytes(most)]
    await client.subscribe("all/#", qos=2)
    for qos in (0, 1, 2):
        for payload in payloads:
            await client.publish(f"all/{qos}", payload, qos=qos)
    messages = await stage.take(client.messages(), 3 * len(payloads))
    heard = [(int(each.qos), each.payload) for each in messages]
    assert sorted(heard) == sorted((qos, each) for qos in (0, 1, 2) for each in payloads)
    await client.unsubscribe("all/#")
    assert await client.publish_many([("all", bytes(5_000))] * 50, qos=1) == 50
    await client.ping()


@on_every_loop
@every_way
async def test_each_way_leads_to_a_hub(
    stage: Stage, way: Way, made: Certificates, folder: Path
) -> None:
    _, url = hub_behind(stage, way, made, folder / "hub.sock")
    async with stage.connect(url, **options_of(way, made)) as client:
        await talk(stage, client)


@on_every_loop
@every_way
async def test_on_each_way_a_lost_connection_is_made_again(
    stage: Stage, way: Way, made: Certificates, folder: Path
) -> None:
    server, url = hub_behind(stage, way, made, folder / "hub.sock")
    async with stage.connect(url, **options_of(way, made), **QUICK) as client:
        await client.subscribe("a", qos=1)
        for number in range(3):
            stage.cut(server)
            await client.publish("a", b"%d" % number, qos=1)
        messages = await stage.take(client.messages(), 3)
        assert {each.payload for each in messages} >= {b"0", b"1"}


@on_every_loop
async def test_ipv6_leads_there_too(stage: Stage) -> None:
    try:
        server = stage.loop.enter(serve_hub(host="::1"))
    except OSError as error:
        pytest.skip(f"there is no IPv6 here: {error}")
    async with stage.connect(f"mqtt://[::1]:{server.port}") as client:
        await talk(stage, client)


@on_every_loop
async def test_a_name_leads_there_too(stage: Stage) -> None:
    async with stage.connect(f"mqtt://localhost:{stage.server.port}") as client:
        await talk(stage, client)


@on_every_loop
async def test_a_context_of_ones_own_is_taken(stage: Stage, made: Certificates) -> None:
    _, url = hub_behind(stage, WAYS["mutual tls"], made)
    async with stage.connect(url, tls=made.client_context(made.client)) as client:
        await talk(stage, client)


@on_every_loop
async def test_a_key_may_be_encrypted(stage: Stage, made: Certificates) -> None:
    _, url = hub_behind(stage, WAYS["mutual tls"], made)
    tls = TLSOptions(
        ca_file=made.ca,
        cert_file=made.client.cert,
        key_file=made.encrypted_key,
        key_password=KEY_PASSWORD,
    )
    async with stage.connect(url, tls=tls) as client:
        await client.ping()
    with pytest.raises(InvalidValueError, match="key_password"):
        async with stage.connect(url, tls=replace(tls, key_password=None)):
            raise AssertionError


# --- byte streams that are open already --------------------------------------------------------


@on_every_loop
async def test_an_open_stream_is_taken(stage: Stage) -> None:
    stream = await stage.open_stream("127.0.0.1", stage.server.port)
    async with stage.connect(stream) as client:
        await talk(stage, client)
    await stage.no_sockets_to(stage.server.port)


@on_every_loop
async def test_an_open_stream_is_not_opened_again(stage: Stage) -> None:
    stream = await stage.open_stream("127.0.0.1", stage.server.port)
    async with stage.connect(stream, **QUICK) as client:
        stage.cut()
        with pytest.raises(ClientClosedError):
            await anext(client.messages())
    await stage.no_sockets_to(stage.server.port)


@on_every_loop
async def test_a_server_may_close_an_open_stream_first(stage: Stage) -> None:
    stream = await stage.open_stream("127.0.0.1", stage.server.port)
    async with stage.connect(stream) as client:
        stage.dismiss()
        with pytest.raises(ClientClosedError, match="SERVER_SHUTTING_DOWN"):
            await anext(client.messages())
    await stage.no_sockets_to(stage.server.port)


class Broken(trio.abc.Stream):
    """A stream that takes nothing, and then ends."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:  # noqa: ARG002
        raise trio.BrokenResourceError from ConnectionResetError(104, "Connection reset by peer")

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:  # noqa: ARG002
        await trio.sleep(0.01)
        return b""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def test_a_stream_that_takes_nothing_and_ends_is_over() -> None:
    async def connect() -> None:
        with trio.fail_after(PATIENCE), pytest.raises(TransportError, match="ended before"):
            async with mqttproto.trio.connect(Broken()):
                raise AssertionError

    trio.run(connect)


# --- what goes wrong ---------------------------------------------------------------------------


async def fails(stage: Stage, url: str, words: str, **options: Any) -> None:
    """See that a connection fails with these words, and leaves nothing."""
    for auto in (5, "auto"):
        with pytest.raises(TransportError, match=words) as raised:
            async with stage.connect(url, mqtt_version=auto, **options):
                raise AssertionError("there is a connection")
        assert "[" not in str(raised.value), "that is for experts"
        assert url.partition("?")[0] in str(raised.value)
    await stage.no_sockets_to(int(url.rpartition(":")[2]))


BAD_SERVERS = {
    "expired": "has expired",
    "early": "not valid yet",
    "other_host": "is for another host name",
    "unknown": "of an authority that is not known",
}


@on_every_loop
@secure_ways
@pytest.mark.parametrize("name", BAD_SERVERS)
async def test_a_bad_certificate_is_not_taken(
    stage: Stage, scheme: str, name: str, made: Certificates
) -> None:
    identity: Identity = getattr(made, name)
    tls = identity.server_context()
    server = stage.loop.enter(serve_hub(tls=tls, websocket=scheme == "wss"))
    url = f"{scheme}://127.0.0.1:{server.port}"
    await fails(stage, url, BAD_SERVERS[name], tls=TLSOptions(ca_file=made.ca))
    assert not server.hub.client_ids


@on_every_loop
async def test_a_bad_certificate_is_taken_where_that_is_asked_for(
    stage: Stage, made: Certificates
) -> None:
    server = stage.loop.enter(serve_hub(tls=made.expired.server_context()))
    url = f"mqtts://127.0.0.1:{server.port}"
    async with stage.connect(url, tls=TLSOptions(insecure=True)) as client:
        await client.ping()


@contextmanager
def picky_server(context: ssl.SSLContext) -> Iterator[int]:
    """A server that says in TLS what is wrong with a client, if anything is; its port.

    Python's asyncio would not: it just closes the connection.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), sock:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = context.wrap_bio(incoming, outgoing, server_side=True)
                fault = False
                while not fault:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        pass
                    except ssl.SSLError:
                        fault = True
                    sock.sendall(outgoing.read())
                    if not fault:
                        incoming.write(sock.recv(CHUNK))
                sock.shutdown(socket.SHUT_WR)
                # To close with bytes unread would take back what the client has not read yet.
                while sock.recv(CHUNK):
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@on_every_loop
@secure_ways
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("shown", ["nothing", "unknown_client"])
async def test_a_client_that_shows_no_good_certificate_is_not_let_in(
    stage: Stage, scheme: str, version: str, shown: str, made: Certificates
) -> None:
    context = made.server.server_context(made.ca)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    tls = TLSOptions(ca_file=made.ca)
    if shown != "nothing":
        tls = identified(made, made.unknown_client)
    with picky_server(context) as port:
        await fails(stage, f"{scheme}://127.0.0.1:{port}", "client certificate", tls=tls)


@on_every_loop
@secure_ways
async def test_tls_does_not_speak_to_a_plain_port(
    stage: Stage, scheme: str, made: Certificates
) -> None:
    url = f"{scheme}://127.0.0.1:{stage.server.port}"
    tls = TLSOptions(ca_file=made.ca)
    await fails(stage, url, "TLS|broken off|ended the connection", tls=tls, connect_timeout=30)
    stage.faults.clear()


@on_every_loop
async def test_nobody_listens(stage: Stage) -> None:
    for scheme in ("mqtt", "ws"):
        await fails(stage, f"{scheme}://127.0.0.1:{free_port()}", "nobody listens there")
    with pytest.raises(TransportError, match="no such socket"):
        async with stage.connect("mqtt+unix:///no/such/socket"):
            raise AssertionError


@on_every_loop
async def test_a_websocket_does_not_speak_to_a_plain_port(stage: Stage) -> None:
    await fails(stage, f"ws://127.0.0.1:{stage.server.port}", "ended")
    stage.faults.clear()


@on_every_loop
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws", "wss"])
async def test_a_server_that_says_nothing_is_left(
    stage: Stage, scheme: str, made: Certificates
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        tls = TLSOptions(ca_file=made.ca)
        url = f"{scheme}://127.0.0.1:{port}"
        with pytest.raises(TransportError, match="in time"):
            async with stage.connect(url, connect_timeout=0.1, tls=tls):
                raise AssertionError
        await stage.no_sockets_to(port)
    stage.faults.clear()


# --- mosquitto ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mosquitto_socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where its Unix socket is."""
    return tmp_path_factory.mktemp("mosquitto") / "socket"


@pytest.fixture(scope="module")
def ports(mosquitto_socket: Path, made: Certificates) -> Iterator[dict[str, int]]:
    """The ports of a mosquitto that listens for each way; 0: there it is a Unix socket."""
    folder = mosquitto_socket.parent
    lines = []
    found = {"tcp": free_port()}
    for name, way in WAYS.items():
        if name == "tcp":
            continue
        if way.scheme == "mqtt+unix":
            found[name] = 0
            lines += [f"listener 0 {mosquitto_socket}"]
            continue
        found[name] = free_port()
        lines += [f"listener {found[name]} 127.0.0.1"]
        if way.websocket:
            lines += ["protocol websockets"]
        if way.tls:
            lines += [f"certfile {made.server.cert}", f"keyfile {made.server.key}"]
        if way.mutual:
            lines += [f"cafile {made.ca}", "require_certificate true"]
    with mosquitto(folder, *lines, port=found["tcp"]):
        give_up = time.monotonic() + PATIENCE
        # It begins to listen at one after the other.
        while not (
            mosquitto_socket.exists() and all(map(listened_on, filter(None, found.values())))
        ):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        yield found


@on_every_loop
@every_way
@pytest.mark.peer
async def test_each_way_leads_to_a_mosquitto(
    stage: Stage, way: Way, ports: dict[str, int], made: Certificates, mosquitto_socket: Path
) -> None:
    [name] = [name for name, each in WAYS.items() if each is way]
    for version in (4, 5):
        url = way.url(ports[name], mosquitto_socket)
        async with stage.connect(url, mqtt_version=version, **options_of(way, made)) as client:
            # Of larger ones through WebSocket mosquitto 2.0.11 sends the first 77 kB, and no more.
            await talk(stage, client, 10_000 if way.websocket else 100_000)


@on_every_loop
@pytest.mark.peer
@pytest.mark.parametrize("scheme", ["mqtts", "wss"])
async def test_a_mosquitto_wants_a_client_certificate(
    stage: Stage, scheme: str, ports: dict[str, int], made: Certificates
) -> None:
    port = ports["mutual tls" if scheme == "mqtts" else "websocket over mutual tls"]
    url = f"{scheme}://127.0.0.1:{port}"
    # It does not wait until the client has read what it has said: a reset may be faster.
    words = "client certificate|reset by peer|broken off"
    await fails(stage, url, words, tls=TLSOptions(ca_file=made.ca))
