"""``mqttproto pub``."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates import make_certificates
from cli_process import Running, run
from hub_stage import HubStage, hub_stage
from mqttproto import (
    ConnAck,
    Connect,
    ConnectReturnCode,
    Disconnect,
    Properties,
    PubAck,
    Publish,
    ReasonCode,
    Will,
)
from mqttproto.cli import main
from mqttproto.cli import pub as pub_module
from mqttproto.cli.hub import serve_hub
from mqttproto.codec import Decoder, encode
from mqttproto.testing.live import LoopThread
from recording_stage import free_port
from scripted_server import CLOSE, scripted_server

Pub = Callable[..., tuple[int, list[str]]]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStage]:
    with hub_stage() as stage:
        yield stage


@pytest.fixture
def pub(capsys: pytest.CaptureFixture[str]) -> Pub:
    """Runs the command, which prints nothing; its status, and what it complains of."""

    def run_it(*arguments: str) -> tuple[int, list[str]]:
        status = main(["pub", *arguments])
        output = capsys.readouterr()
        assert output.out == ""
        return status, [line.removeprefix("mqttproto: ") for line in output.err.splitlines()]

    return run_it


def to(port: int) -> tuple[str, ...]:
    return ("-h", "127.0.0.1", "-p", str(port), "-i", "client")


def at(hub: HubStage) -> tuple[str, ...]:
    return to(hub.port)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), Publish("a/b", b"21.5")),
        (("-q", "1"), Publish("a/b", b"21.5", 1, packet_id=1)),
        (("-q", "2", "-r"), Publish("a/b", b"21.5", 2, True, packet_id=1)),
        (("-V", "311", "-q", "1"), Publish("a/b", b"21.5", 1, packet_id=1)),
        (("-V", "31", "-q", "2"), Publish("a/b", b"21.5", 2, packet_id=1)),
        (
            (
                "-D",
                "PUBLISH",
                "content-type",
                "text/plain",
                "-D",
                "PUBLISH",
                "user-property",
                "a",
                "b",
            ),
            Publish(
                "a/b",
                b"21.5",
                properties=Properties(content_type="text/plain", user_properties=[("a", "b")]),
            ),
        ),
    ],
)
def test_a_message(options: tuple[str, ...], message: Publish, hub: HubStage, pub: Pub) -> None:
    assert pub(*at(hub), "-t", "a/b", "-m", "21.5", *options) == (0, [])
    heard = hub.heard()
    assert (heard.topic, heard.payload, heard.qos) == (message.topic, message.payload, message.qos)
    assert heard.retain == message.retain
    assert heard.properties == message.properties


def test_a_message_is_taken_as_it_is(hub: HubStage, pub: Pub) -> None:
    for text, payload in (("--help", b"--help"), ("", b""), ("\udcff\u00e9", b"\xff\xc3\xa9")):
        assert pub(*at(hub), "-t", "a", "-m", text) == (0, [])
        assert hub.heard().payload == payload


def test_an_empty_message(hub: HubStage, pub: Pub) -> None:
    assert pub(*at(hub), "-t", "a", "-n", "-r") == (0, [])
    assert (hub.heard().payload, hub.heard_nothing_more()) == (b"", True)


def test_a_file(hub: HubStage, pub: Pub, tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    path = tmp_path / "file"
    path.write_bytes(data)
    assert pub(*at(hub), "-t", "a", "-f", str(path)) == (0, [])
    assert hub.heard().payload == data


def test_the_topic_may_stand_in_the_url(hub: HubStage, pub: Pub) -> None:
    url = f"mqtt://127.0.0.1:{hub.port}/plant/7"
    assert pub("-L", url, "-m", "x") == pub("-L", url, "-t", "other", "-m", "x") == (0, [])
    assert [hub.heard().topic, hub.heard().topic] == ["plant/7", "other"]


def test_all_of_standard_input(hub: HubStage) -> None:
    ended = run("pub", *at(hub), "-t", "a", "-s", stdin=b"one\ntwo\n\xff")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert hub.heard().payload == b"one\ntwo\n\xff"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_line_of_standard_input(qos: int, hub: HubStage) -> None:
    lines = b"one\n\ntwo\r\nlast"
    ended = run("pub", *at(hub), "-t", "a", "-l", "-q", str(qos), stdin=lines)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert [hub.heard().payload for _ in range(4)] == [b"one", b"", b"two\r", b"last"]
    assert hub.heard_nothing_more()


def test_lines_leave_as_they_come(hub: HubStage) -> None:
    with Running("pub", *at(hub), "-t", "a", "-l", "-q", "1") as running:
        for line in (b"one\n", b"two\n"):
            running.send(line)
            assert hub.heard().payload == line[:-1]
        assert running.end() == (0, b"", b"")


def test_many_lines_arrive_in_order(hub: HubStage) -> None:
    lines = [b"%d" % number for number in range(5_000)]
    ended = run("pub", *at(hub), "-t", "a", "-l", "-q", "1", stdin=b"\n".join(lines))
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert [hub.heard().payload for _ in lines] == lines


def test_no_lines_are_no_messages(hub: HubStage) -> None:
    assert run("pub", *at(hub), "-t", "a", "-l").returncode == 0
    assert hub.heard_nothing_more()


def test_a_message_may_be_repeated(hub: HubStage, pub: Pub) -> None:
    repeated = ("--repeat", "3", "-q", "2")
    assert pub(*at(hub), "-t", "a", "-m", "x", *repeated) == (0, [])
    assert pub(*at(hub), "-t", "a", "-m", "y", *repeated, "--repeat-delay", "0.01") == (0, [])
    assert [hub.heard().payload for _ in range(6)] == [b"x"] * 3 + [b"y"] * 3
    assert hub.heard_nothing_more()


def test_what_the_options_say_is_sent(pub: Pub) -> None:
    with scripted_server([encode(ConnAck())]) as (port, heard):
        ended = pub(
            *(*to(port), "-t", "a", "-m", "x"),
            *("--will-topic", "gone", "--will-payload", "bye", "-u", "me", "-P", "secret"),
            *("-D", "DISCONNECT", "session-expiry-interval", "5", "-k", "7"),
        )
    assert ended == (0, [])
    decoder = Decoder(None)
    connect, publish, disconnect = decoder.feed(heard[0])
    assert isinstance(connect, Connect)
    assert connect == Connect(
        "client",
        keep_alive=7,
        user_name="me",
        password=b"secret",
        will=Will("gone", b"bye"),
        properties=connect.properties,
    )
    assert publish == Publish("a", b"x")
    assert disconnect == Disconnect(0, Properties(session_expiry_interval=5))


def test_few_messages_may_be_under_way(pub: Pub) -> None:
    answers = [encode(ConnAck()), encode(PubAck(1)), encode(PubAck(2))]
    with scripted_server(answers) as (port, _):  # which hears one thing at a time
        ended = pub(*to(port), "-t", "a", "-m", "x", "-q", "1", "-M", "1", "--repeat", "2")
    assert ended == (0, [])


def test_topic_aliases_may_be_used(pub: Pub) -> None:
    connack = encode(ConnAck(properties=Properties(topic_alias_maximum=5)))
    alias = ("-D", "PUBLISH", "topic-alias", "1")
    with scripted_server([connack]) as (port, heard):
        assert pub(*to(port), "-t", "a/b/c/d", "-m", "x", "--repeat", "2", *alias) == (0, [])
    _, first, second, _ = Decoder(None).feed(heard[0])
    assert first == Publish("a/b/c/d", b"x", properties=Properties(topic_alias=1))
    assert second == Publish("", b"x", properties=Properties(topic_alias=1))


def test_an_older_server_is_spoken_to_in_its_version(pub: Pub) -> None:
    refusal = encode(ConnAck(False, ConnectReturnCode(1)), 4)
    with scripted_server([refusal]) as (port, heard):
        assert pub(*to(port), "-t", "a", "-m", "x")[0] == 2
    assert [said[8] for said in heard] == [5, 4]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("-t", "a"), "one of the arguments -m/--message -f/--file -s/--stdin-file"),
        (("-t", "a", "-m", "x", "-n"), "argument -n/--null-message: not allowed with"),
        (("-m", "x"), "name a topic to publish to: -t TOPIC"),
        (("-t", "a/#", "-m", "x"), "-t must not contain '+' or '#'"),
        (("-t", "", "-m", "x"), "-t must have at least one character"),
        (("-t", "a", "-m", "x", "-q", "3"), "argument -q/--qos: '3' is not a number from 0 to 2"),
        (("-t", "a", "-l", "--repeat", "2"), "-l sends each line once: leave out --repeat"),
        (("-t", "a", "-m", "x", "--repeat", "0"), "argument --repeat: '0' is not a number from 1"),
        (("-t", "a", "-f", "missing"), "missing: No such file or directory"),
        (
            ("-t", "a", "-m", "x", "-D", "SUBSCRIBE", "x", "y"),
            "argument -D/--property: 'SUBSCRIBE'",
        ),
        (("-h",), "-h names the host to connect to, as in -h localhost; the help is --help"),
    ],
)
def test_a_wrong_option_takes_one_line(options: tuple[str, ...], problem: str, pub: Pub) -> None:
    status, [error] = pub(*options)
    assert status == 2
    assert error.startswith(problem)


def test_nobody_there_takes_one_line(pub: Pub) -> None:
    port = str(free_port())
    for quiet in ((), ("--quiet",)):
        status, errors = pub("-h", "127.0.0.1", "-p", port, "-t", "a", "-m", "x", *quiet)
        assert status == 2
        assert len(errors) == (not quiet)
        assert all(error.startswith(f"mqtt://127.0.0.1:{port}: ") for error in errors)


def test_a_refused_connection_takes_one_line(pub: Pub) -> None:
    refusal = encode(ConnAck(False, ReasonCode.BAD_USER_NAME_OR_PASSWORD))
    with scripted_server([refusal]) as (port, _):
        status, [error] = pub(*to(port), "-t", "a", "-m", "x", "-V", "5")
    assert status == 2
    assert error == (
        "the server refused the connection: bad user name or password (0x86);"
        " check the user name and the password"
    )


def test_a_refused_message_takes_one_line(pub: Pub) -> None:
    refusal = encode(PubAck(1, ReasonCode.QUOTA_EXCEEDED))
    with scripted_server([encode(ConnAck()), refusal]) as (port, _):
        status, [error] = pub(*to(port), "-t", "a", "-m", "x", "-q", "1")
    assert status == 2
    assert error.startswith("the server refused the message: quota exceeded (0x97)")


def test_what_the_server_does_not_support_takes_one_line(pub: Pub) -> None:
    limits = encode(ConnAck(False, 0, Properties(retain_available=False, maximum_packet_size=50)))
    with scripted_server([limits]) as (port, _):
        here = (*to(port), "-t", "a")
        status, [error] = pub(*here, "-m", "x", "-r")
        assert (status, "retain" in error.lower()) == (2, True)
        status, [error] = pub(*here, "-m", "x" * 50)
        assert (status, "50" in error) == (1, True)


@pytest.mark.parametrize("version", ["5", "auto"])
def test_what_is_no_mqtt_takes_one_line(version: str, pub: Pub) -> None:
    with scripted_server([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as (port, _):
        status, [error] = pub(*to(port), "-t", "a", "-m", "x", "-V", version)
    assert status == 2
    problem = f"mqtt://127.0.0.1:{port}: what answers there breaks the rules of MQTT: "
    assert error.startswith(problem)


@pytest.mark.parametrize("option", ["-s", "-l"])
def test_input_that_is_too_long_is_bad_input(
    option: str, hub: HubStage, pub: Pub, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"short\n12345678\n")
    os.close(writer)
    monkeypatch.setattr(pub_module, "MAX_REMAINING_LENGTH", 7)
    with os.fdopen(reader, "rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        status, [error] = pub(*at(hub), "-t", "a", option)
    assert status == 1
    line = "line 2: " if option == "-l" else ""
    assert error.startswith(f"{line}it is longer than a message of MQTT can be")


def test_debug_shows_packets_without_what_is_in_them(hub: HubStage, pub: Pub) -> None:
    status, lines = pub(
        *at(hub), "-t", "a", "-m", "payload", "-q", "1", "-d", "-u", "me", "-P", "secret"
    )
    assert status == 0
    shown = "\n".join(lines)
    assert "payload" not in shown.replace("payload=(7 bytes)", "")
    assert "secret" not in shown
    assert [line.partition(" ")[2].split()[0] for line in lines] == [
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "DISCONNECT",
    ]
    assert lines[0].startswith(
        '-> CONNECT     version=5.0 client_id="client" clean_start keep_alive=60'
    )
    assert 'user_name="me" password=(6 bytes)' in lines[0]
    assert lines[1].startswith("<- CONNACK     reason_code=SUCCESS(0x00)")
    hub.heard()


@pytest.mark.parametrize("scheme", ["mqtt", "mqtts", "ws", "wss", "mqtt+unix"])
def test_every_way_to_a_server(scheme: str, pub: Pub, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    secure = scheme in ("mqtts", "wss")
    socket = tmp_path / "socket"
    with LoopThread() as loop:
        server = loop.enter(
            serve_hub(
                path=socket if scheme == "mqtt+unix" else None,
                tls=certificates.server.server_context() if secure else None,
                websocket=scheme.startswith("ws"),
            )
        )
        place = f"{socket}" if scheme == "mqtt+unix" else f"localhost:{server.port}"
        trust = ("--cafile", str(certificates.ca)) if secure else ()
        here = ("-L", f"{scheme}://{place}", "-t", "a", "-m", "x", "-q", "1", *trust)
        assert pub(*here) == (0, [])
        status, lines = pub(*here, "-d")
        assert status == 0
        shown = [line.split()[1] for line in lines]
        assert shown == ["CONNECT", "CONNACK", "PUBLISH", "PUBACK", "DISCONNECT"]
        if secure:
            status, [error] = pub(*here[:-2])
            assert status == 2
            assert "give that authority's certificate as --cafile" in error


def test_a_password_may_come_without_being_seen(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"filed\n")
    with scripted_server([encode(ConnAck())]) as (port, heard):
        here = ("pub", *to(port), "-t", "a", "-m", "x", "-u", "me")
        assert run(*here, "--password-file", str(path)).returncode == 0
        assert run(*here, env={"MQTTPROTO_PASSWORD": "set"}).returncode == 0
    assert b"\0\2me\0\5filed" in heard[0]
    assert b"\0\2me\0\3set" in heard[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_goodbye(number: int) -> None:
    goodbye = Disconnect(0, Properties(session_expiry_interval=0))
    with (
        scripted_server([encode(ConnAck())]) as (port, heard),
        Running("pub", *to(port), "-t", "a", "-l") as running,
    ):
        running.send(b"one\n")
        wait_for(lambda: heard and heard[0].endswith(b"one"))
        running.process.send_signal(number)
        assert running.process.wait(60) == 128 + number  # although standard input is still open
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""
        wait_for(lambda: heard[0].endswith(encode(goodbye)))


@pytest.mark.parametrize("script", [[], [encode(ConnAck())]], ids=["CONNACK", "PUBACK"])
def test_an_interrupt_ends_the_waiting_for_an_answer(script: list[bytes]) -> None:
    with (
        scripted_server(script) as (port, heard),
        Running("pub", *to(port), "-t", "a", "-m", "x", "-q", "1") as running,
    ):
        wait_for(lambda: heard and len(Decoder(None).feed(heard[0])) == 1 + len(script))
        running.process.send_signal(signal.SIGINT)
        assert running.end() == (130, b"", b"")


def wait_for(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_lost_connection_is_made_again(quiet: tuple[str, ...], pub: Pub) -> None:
    connack = encode(ConnAck())
    with scripted_server([connack, CLOSE], [connack, encode(PubAck(1))]) as (port, heard):
        here = to(port)
        status, errors = pub(*here, "-t", "a", "-m", "x", "-q", "1", *quiet)
    assert status == 0
    assert all(said.count(encode(Publish("a", b"x", 1, packet_id=1))) == 1 for said in heard)
    assert len(heard) == 2
    if quiet:
        assert errors == []
    else:
        [lost, again] = errors
        assert re.fullmatch(r"mqtt://127.0.0.1:\d+: .*; trying again in \d\.\d seconds", lost)
        assert again == "connected again"


def test_help_is_for_newcomers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pub", "--help"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "usage: mqttproto pub ",
        "what to publish",
        "examples:",
        "exit status:",
        "-m TEXT",
    ):
        assert words in shown
