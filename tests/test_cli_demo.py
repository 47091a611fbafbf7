"""The demonstration: what it counts, what it prints, and all of it."""

import argparse
import io
import os
import pty
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cli_process import Running, command
from mqttproto import Properties, ProtocolVersion
from mqttproto.cli import demo, main
from mqttproto.cli.arguments import Parser
from mqttproto.cli.console import Failure
from mqttproto.cli.demo import exchange
from mqttproto.cli.demo.bar import Bar
from mqttproto.cli.demo.server import Server
from mqttproto.cli.demo.table import Run, heading, row, verdict
from mqttproto.cli.demo.tally import Tally
from mqttproto.cli.hub import Hub, HubServer, serve_hub
from mqttproto.testing.live import LoopThread

MQTT311, MQTT5 = ProtocolVersion.MQTT311, ProtocolVersion.MQTT5


# --- the tally ---------------------------------------------------------------------------------


def tally(sent: int, *received: int) -> Tally:
    """One of so many messages sent, of which these have come."""
    counted = Tally()
    for _ in range(sent):
        counted.send()
    for number in received:
        counted.receive(b"%d" % number)
    return counted


def test_messages_are_numbered_from_0_on() -> None:
    counted = Tally()
    assert [counted.send() for _ in range(3)] == [0, 1, 2]
    assert (counted.sent, counted.received, counted.lost) == (3, 0, 3)


def test_each_message_is_received_once_and_after_that_a_duplicate() -> None:
    counted = tally(5, 0, 1, 1, 3, 1)
    assert (counted.received, counted.duplicates, counted.lost) == (3, 2, 2)


@pytest.mark.parametrize("payload", [b"3", b"-1", b"", b"x", b"1.5", "\u00b2".encode(), b"\xff"])
def test_what_was_not_sent_does_not_count(payload: bytes) -> None:
    counted = tally(3)
    counted.receive(payload)
    assert (counted.received, counted.duplicates) == (0, 0)


def test_the_rate_is_that_of_what_has_come() -> None:
    counted = tally(10, *range(8), 0)
    assert counted.rate == 0
    counted.seconds = 2.0
    assert counted.rate == 4


@pytest.mark.parametrize(
    ("received", "kept"),
    [
        ((0, 1, 2), (True, True, True)),
        ((0, 2), (True, False, False)),
        ((0, 1, 1, 2), (False, True, False)),
        ((0, 1, 1), (False, False, False)),
        ((), (True, False, False)),
    ],
)
def test_what_each_qos_promises(received: tuple[int, ...], kept: tuple[bool, ...]) -> None:
    counted = tally(3, *received)
    assert tuple(counted.kept(qos) for qos in (0, 1, 2)) == kept


# --- the table ---------------------------------------------------------------------------------


def test_the_columns_stand_below_their_titles() -> None:
    counted = tally(1234, *range(1200), 1, 2)
    counted.resumed = 17
    counted.seconds = 0.1
    lines = [heading(), row(Run("asyncio", MQTT311, 0), tally(3, 0, 1, 2))]
    assert [*lines, row(Run("trio", MQTT5, 1), counted)] == [
        "client   MQTT   QoS    sent  received  duplicates    lost  resumed  messages/s\n",
        "asyncio  3.1.1    0       3         3           0       0        0           0\n",
        "trio     5.0      1   1,234     1,200           2      34       17      12,000"
        "  <- broken\n",
    ]


def test_the_verdict_names_the_promises() -> None:
    good = tally(3, 0, 1, 2)
    good.cuts = 600
    kept = [(Run("trio", MQTT5, qos), good) for qos in (0, 1, 2)]
    assert verdict(kept) == (
        "Cut 1,800 times, QoS 1 has lost no message, and QoS 2 has delivered each exactly once.\n"
    )
    lossy = tally(3, 0, 0)
    broken = [*kept, (Run("trio", MQTT5, 2), lossy), (Run("asyncio", MQTT5, 1), lossy)]
    assert verdict(broken) == "The promise of QoS 1 and 2 was broken.\n"


# --- the bar -----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal, and return it."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_the_bar_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    clock = Clock()
    bar = Bar(200, clock)
    for done in (0, 100, 200, 300):
        bar.show(done, f"{done} done")
        clock.now += 0.1
    assert terminal.getvalue().split("\r")[1:] == [
        "[------------------------------]   0 %  0 done",
        "[###############---------------]  50 %  100 done",
        "[##############################] 100 %  200 done",
        "[##############################] 100 %  300 done",
    ]


def test_the_bar_does_not_flicker(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    clock = Clock()
    bar = Bar(100, clock)
    for done in range(100):
        bar.show(done, "")
        clock.now += 0.01
    assert terminal.getvalue().count("\r") == 10


def test_the_bar_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    clock = Clock()
    bar = Bar(100, clock)
    bar.clear()
    assert terminal.getvalue() == ""
    bar.show(0, "a long text")
    clock.now += 0.1
    bar.show(0, "short")
    bar.clear()
    *_, long, short, blank, rest = terminal.getvalue().split("\r")
    assert len(short) == len(long)
    assert blank == " " * len(short.rstrip())
    assert rest == ""
    bar.show(0, "at once")
    assert terminal.getvalue().endswith("at once")


def test_there_is_no_bar_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        bar = Bar(1)
        bar.show(1, "")
        bar.clear()
        if stream is not None:
            assert stream.getvalue() == ""


# --- the server --------------------------------------------------------------------------------


def test_a_server_is_reached_directly_or_through_a_proxy() -> None:
    server = Server.at("ws://me:secret@[::1]:8080/path?query")
    assert server.url == "ws://[::1]:8080/path?query"
    assert server.url_behind(99) == "ws://127.0.0.1:99/path?query"
    assert server.options["user_name"] == "me"
    assert server.options["password"] == b"secret"
    assert "tls" not in server.options
    assert Server.at("mqtt://host").url == "mqtt://host:1883"


@pytest.mark.parametrize(
    ("url", "problem"),
    [("host", "URL must"), ("mqtt://h:x", "URL "), ("mqtt+unix:///hub", "Unix socket")],
)
def test_a_url_must_be_one_that_a_proxy_can_stand_in_front_of(url: str, problem: str) -> None:
    with pytest.raises(Failure) as raised:
        Server.at(url)
    assert raised.value.status == 2
    assert problem in raised.value.lines[0]


# --- the options -------------------------------------------------------------------------------


def parse(*arguments: str) -> argparse.Namespace:
    parser = Parser(prog="mqttproto demo")
    demo.add_options(parser)
    parsed: argparse.Namespace = parser.parse_args(arguments)
    return parsed


def test_the_options_have_defaults() -> None:
    options = parse()
    assert (options.url, options.messages, options.seed) == (None, 1000, None)
    options = parse("--url", "mqtt://host", "-n", "5", "--seed", "7")
    assert (options.url, options.messages, options.seed) == ("mqtt://host", 5, 7)


@pytest.mark.parametrize("wrong", [("-n", "0"), ("-n", "x"), ("--seed", "-1"), ("--fast",)])
def test_wrong_options_are_complained_about(wrong: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as raised:
        parse(*wrong)
    assert raised.value.status == 2


# --- all of it ---------------------------------------------------------------------------------

FEW = ("demo", "-n", "60", "--seed", "1")
"""A short demonstration."""


def rows(output: str) -> list[list[str]]:
    """The cells of the table's lines, behind the heading, without those of the verdict."""
    lines = output.splitlines()
    assert lines[0] == heading().rstrip()
    return [line.split() for line in lines[1:-1]]


def check(output: str) -> None:
    """See that every run is there, and that none has lost what it must not lose."""
    table = rows(output)
    # Without trio half of it is left out, and that is said.
    clients = {cells[0] for cells in table}
    assert "asyncio" in clients
    assert {(cells[0], cells[1], cells[2]) for cells in table} == {
        (client, version, qos)
        for client in clients
        for version in ("3.1.1", "5.0")
        for qos in "012"
    }
    for cells in table:
        qos, sent, received, duplicates, lost = cells[2:7]
        assert sent == "60"
        assert int(received) + int(lost) == 60
        assert qos == "0" or lost == "0"
        assert qos == "1" or duplicates == "0"
        assert len(cells) == 9
    assert "QoS 1 has lost no message" in output


def test_the_demonstration_keeps_its_promises(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(FEW) == 0
    output = capsys.readouterr()
    check(output.out)
    assert "Traceback" not in output.err
    assert sum(int(cells[7]) for cells in rows(output.out)) > 0


@contextmanager
def served(**options: Any) -> Iterator[HubServer]:
    """A server that is not started by the demonstration."""
    with LoopThread() as thread:
        server = thread.enter(serve_hub(**options))
        yield server
        # Nothing is left behind.
        assert server.hub.client_ids == []


def test_the_server_may_be_another(capsys: pytest.CaptureFixture[str]) -> None:
    with served() as server:
        assert main([*FEW, "--url", f"mqtt://127.0.0.1:{server.port}"]) == 0
    check(capsys.readouterr().out)


def test_the_server_may_be_behind_websocket(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wsproto")
    with served(websocket=True) as server:
        assert main([*FEW, "--url", f"ws://127.0.0.1:{server.port}/mqtt"]) == 0
    check(capsys.readouterr().out)


def test_the_certificate_is_that_of_the_server_and_not_of_the_proxy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with served(tls=context) as server:
        # Nobody knows this authority.
        assert main([*FEW, "--url", f"mqtts://localhost:{server.port}"]) == 2
        assert "Traceback" not in capsys.readouterr().err
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert main([*FEW, "--url", f"mqtts://localhost:{server.port}"]) == 0
        check(capsys.readouterr().out)
        # It is not for this name.
        assert main([*FEW, "--url", f"mqtts://127.0.0.1:{server.port}"]) == 2


def test_a_server_that_is_not_there_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(["demo", "--url", f"mqtt://127.0.0.1:{port}"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert str(port) in output.err.splitlines()[-1]
    assert "Traceback" not in output.err


def test_a_wrong_url_takes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--url", "localhost"]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)


def test_a_broken_promise_is_the_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(counted: Tally, payload: bytes) -> None:
        if payload != b"7":
            receive(counted, payload)

    receive = Tally.receive
    monkeypatch.setattr(Tally, "receive", forgetful)
    assert main(FEW) == 1
    output = capsys.readouterr()
    assert "The promise of QoS 1 and 2 was broken." in output.out
    assert output.out.count("<- broken") == len(rows(output.out)) * 2 / 3
    assert output.err.splitlines()[-1] == "mqttproto: --seed 1 cuts at the same bytes again"


def test_a_server_that_takes_too_little_takes_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with served(hub=Hub(properties=Properties(maximum_qos=0))) as server:
        assert main([*FEW, "--url", f"mqtt://127.0.0.1:{server.port}"]) == 2
    output = capsys.readouterr()
    assert "5.0" not in output.out
    problem = output.err.splitlines()[-1]
    # It is refused at once, or dropped if it has waited for a connection.
    assert problem.startswith("mqttproto: asyncio, 5.0, QoS 0: ")
    assert "QoS above 0" in problem or "this QoS" in problem


def test_what_never_comes_is_given_up(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_END", "end")  # which nobody recognises: it comes as bytes
    monkeypatch.setattr(exchange, "_PATIENCE", 0.2)
    monkeypatch.setattr(Tally, "receive", lambda *_: None)
    assert main(["demo", "-n", "1"]) == 1
    output = capsys.readouterr()
    assert all(cells[3:7] == ["1", "0", "0", "1"] for cells in rows(output.out))
    assert "Traceback" not in output.err


def test_trio_may_be_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trio", None)
    assert main(FEW) == 0
    output = capsys.readouterr()
    assert len(rows(output.out)) == 6
    assert "pip install 'mqttproto[trio]'" in output.err


@pytest.mark.parametrize("runs", [0, 1], ids=["asyncio", "trio"])
def test_ctrl_c_ends_it_quietly(runs: int) -> None:
    if runs:
        pytest.importorskip("trio")
    with Running("demo", "-n", "2000") as running:
        for _ in range(1 + runs):
            assert running.line()
        time.sleep(0.2)  # to be in the middle of the next one
        running.process.send_signal(signal.SIGINT)
        status, _, errors = running.end()
    assert status == 130
    assert b"Traceback" not in errors
    assert errors.count(b"\n") <= 1  # that trio is missing


def test_a_terminal_sees_a_bar() -> None:
    master, slave = pty.openpty()
    shown: list[bytes] = []

    def look() -> None:
        # Linux makes an error of the end.
        with suppress(OSError):
            while piece := os.read(master, 1 << 16):
                shown.append(piece)

    looking = threading.Thread(target=look)
    try:
        with subprocess.Popen(
            command("demo", "-n", "300"), stdout=subprocess.PIPE, stderr=slave
        ) as process:
            os.close(slave)
            looking.start()
            assert process.stdout is not None
            output = process.stdout.read().decode()
        looking.join()
    finally:
        os.close(master)
    assert process.returncode == 0
    assert len(rows(output)) in (6, 12)
    *_, last, rest = b"".join(shown).decode().split("\r")
    assert " QoS 2, " in b"".join(shown).decode()
    assert (last.strip(), rest) == ("", "")
