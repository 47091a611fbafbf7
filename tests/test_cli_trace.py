"""``mqttproto trace``."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certificates import make_certificates
from cli_process import Running, run
from mosquitto_broker import mosquitto, needed
from mqttproto import ConnAck, Connect, Publish
from mqttproto.cli import main
from mqttproto.cli.hub import serve_hub
from mqttproto.codec import encode
from mqttproto.testing.live import LoopThread
from recording_stage import free_port
from scripted_server import scripted_server

PATIENCE = 60


@contextmanager
def trace(to: str, *options: str) -> Iterator[tuple[Running, int]]:
    """The command while it runs, in front of a server, and the port where it listens."""
    port = free_port()
    with Running("trace", "--listen", f"mqtt://127.0.0.1:{port}", "--to", to, *options) as running:
        assert b"Ctrl-C ends it" in running.line()
        yield running, port


def shown(line: bytes) -> str:
    """A line without the time, and without the port of a client."""
    text = line.decode()
    assert re.match(r" {5}\d\.\d{3}  ", text), text
    return re.sub(r"(?<=127\.0\.0\.1:)\d+", "PORT", text[12:])


def test_a_conversation_line_by_line(tmp_path: Path) -> None:
    said = encode(Connect("c", user_name="me", password=b"secret")) + encode(Publish("a", b"21.5"))
    answer = encode(ConnAck())
    prefix = tmp_path / "talk"
    with (
        scripted_server([answer]) as (port, _),
        trace(f"mqtt://127.0.0.1:{port}", "--save", str(prefix)) as (running, at),
    ):
        with socket.create_connection(("127.0.0.1", at), PATIENCE) as sock:
            sock.sendall(said)
            assert sock.recv(100) == answer
        assert [shown(running.line()) for _ in range(5)] == [
            "#1   -- 127.0.0.1:PORT has connected\n",
            '#1   -> CONNECT     version=5.0 client_id="c" clean_start keep_alive=60'
            ' user_name="me" password=(6 bytes)\n',
            '#1   -> PUBLISH     topic="a" qos=0 payload="21.5" (4 bytes)\n',
            "#1   <- CONNACK     reason_code=SUCCESS(0x00)\n",
            "#1   -- the client has closed it: -> 2 packets in 38 bytes, <- 1 packet in 5 bytes\n",
        ]
        running.process.send_signal(signal.SIGINT)
        status, rest, errors = running.end()
    assert (status, errors) == (130, b"")
    assert shown(rest) == (
        "     -- 1 connection: -> 2 packets in 38 bytes, <- 1 packet in 5 bytes, no faults\n"
    )
    for sender, data in (("client", said), ("server", answer)):
        assert Path(f"{prefix}-1.{sender}.bin").read_bytes() == data
    decoded = run("decode", f"{prefix}-1.client.bin")
    assert (decoded.returncode, decoded.stdout.count(b"\n")) == (0, 2)


def test_what_is_no_mqtt_passes_and_is_marked() -> None:
    with (
        scripted_server([b"HTTP/1.1 400\r\n"]) as (port, _),
        trace(f"mqtt://127.0.0.1:{port}") as (running, at),
    ):
        with socket.create_connection(("127.0.0.1", at), PATIENCE) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n")
            assert sock.recv(100) == b"HTTP/1.1 400\r\n"
        running.line()
        assert shown(running.line()).startswith("#1   !! client: fault at byte 0, in the packet at")
        assert shown(running.line()).startswith("#1   !! server: not decoded: no CONNECT has told")
        running.line()
        running.process.send_signal(signal.SIGINT)
        assert running.end()[1].endswith(b", 2 faults\n")


def test_an_open_connection_is_cut_at_the_end() -> None:
    with (
        scripted_server([encode(ConnAck())]) as (port, _),
        trace(f"mqtt://127.0.0.1:{port}") as (running, at),
        socket.create_connection(("127.0.0.1", at), PATIENCE) as sock,
    ):
        sock.sendall(encode(Connect("c")))
        assert sock.recv(100) == encode(ConnAck())
        running.process.send_signal(signal.SIGTERM)
        status, output, errors = running.end()
    assert (status, errors) == (143, b"")
    assert b"#1   -- it was cut: -> 1 packet in 16 bytes" in output
    assert b"-- 1 connection: -> 1 packet in 16 bytes" in output


def test_a_server_with_tls_is_reached_and_read(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with LoopThread() as loop:
        hub = loop.enter(serve_hub(tls=certificates.server.server_context()))
        to = f"mqtts://localhost:{hub.port}"
        with trace(to, "--cafile", str(certificates.ca)) as (running, at):
            assert run("pub", *client(at), "-q", "1").returncode == 0
            said = [shown(running.line()) for _ in range(6)]
        with trace(to) as (running, at):
            assert run("pub", *client(at)).returncode == 2
            running.line()
            assert "give that authority's certificate as --cafile" in shown(running.line())
    assert "#1   -> PUBLISH " in said[3]
    assert "#1   <- PUBACK " in said[4]


def client(port: int) -> list[str]:
    return ["-h", "127.0.0.1", "-p", str(port), "-V", "5", "-t", "a", "-m", "x"]


def test_an_interrupt_does_not_wait_for_ever_for_a_reader() -> None:
    with (
        scripted_server([encode(ConnAck())]) as (port, _),
        trace(f"mqtt://127.0.0.1:{port}") as (running, at),
        socket.create_connection(("127.0.0.1", at), PATIENCE) as sock,
    ):
        sock.sendall(encode(Connect("c")))
        assert sock.recv(100) == encode(ConnAck())
        sock.sendall(encode(Publish("a")) * 10_000)  # more lines than a pipe holds
        time.sleep(0.5)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(PATIENCE) == 130


def test_a_server_out_of_reach_is_said_for_each_connection() -> None:
    with trace(f"mqtt://127.0.0.1:{free_port()}") as (running, at):
        with socket.create_connection(("127.0.0.1", at), PATIENCE) as sock:
            assert sock.recv(100) == b""
        running.line()
        assert shown(running.line()).startswith("#1   !! mqtt://127.0.0.1:PORT: ")


def test_colors_are_there_when_asked_for() -> None:
    port = free_port()
    with trace(f"mqtt://127.0.0.1:{port}", "--color", "always") as (running, at):
        socket.create_connection(("127.0.0.1", at), PATIENCE).close()
        assert running.line().startswith(b"\x1b[2m     ")


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    with trace(f"mqtt://127.0.0.1:{free_port()}") as (running, at):
        assert running.process.stdout is not None
        running.process.stdout.close()
        socket.create_connection(("127.0.0.1", at), PATIENCE).close()
        assert running.process.wait(PATIENCE) == 141
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""


def complaint(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["trace", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.removeprefix("mqttproto: ").removesuffix("\n")


HERE = ("--listen", "mqtt://127.0.0.1:1")
THERE = ("--to", "mqtt://127.0.0.1:2")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (HERE, "the following arguments are required: --to (see mqttproto trace --help)"),
        (
            (*THERE, "--listen", "ws://127.0.0.1"),
            "--listen takes mqtt://, mqtt+unix://, not ws://",
        ),
        (
            (*HERE, "--to", "ws://127.0.0.1"),
            "--to takes mqtt://, mqtts://, mqtt+unix://, not ws://",
        ),
        (
            (*HERE, "--to", "localhost"),
            "--to: the URL must begin with a scheme: write mqtt://host, or mqtts://host for TLS",
        ),
        (
            (*HERE, "--to", "mqtt://me:secret@localhost"),
            "--to: clients say who they are, so leave out user name and password",
        ),
        (
            (*HERE, *THERE, "--insecure"),
            "--insecure is for a server with TLS: write mqtts://, or leave it out",
        ),
        (
            (*HERE, *THERE, "--save", "missing/talk"),
            "--save missing/talk: No such file or directory",
        ),
        (
            (*HERE, "--to", "mqtts://127.0.0.1", "--cafile", "missing"),
            "--cafile must be a file that can be read, and 'missing' is none: No such file or"
            " directory",
        ),
    ],
)
def test_what_cannot_be_is_said(
    options: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint(capsys, *options) == problem


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"mqtt://127.0.0.1:{other.getsockname()[1]}"
        problem = complaint(capsys, "--listen", url, *THERE)
    assert problem.startswith(f"cannot listen on {url}: ")
    assert "address already in use" in problem


@pytest.mark.peer
@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
def test_mosquitto_and_its_clients_are_understood(version: str, tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path) as broker,
        trace(f"mqtt://127.0.0.1:{broker}") as (running, at),
    ):
        client = ["-h", "127.0.0.1", "-p", str(at), "-V", version, "-t", "a", "-q", "2"]
        subprocess.run([needed("mosquitto_pub"), *client, "-m", "21.5", "-r"], check=True)
        subscribed = subprocess.run(
            [needed("mosquitto_sub"), *client, "-C", "1"], check=True, stdout=subprocess.PIPE
        )
        assert subscribed.stdout == b"21.5\n"
        seen = b""
        # The subscriber may be gone before its end was seen.
        while b"#2   -- the client has closed it" not in seen:
            line = running.line()
            assert line, seen.decode()
            seen += line
        running.process.send_signal(signal.SIGINT)
        output = (seen + running.end()[1]).decode()
    assert output.endswith(", no faults\n")
    for packet in ("-> CONNECT", "<- CONNACK", "-> PUBLISH", "<- PUBREC", "-> PUBREL"):
        assert f"#1   {packet} " in output
    assert "#2   <- PUBLISH" in output
