"""``mqttproto sub``."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cli_process import Running, command, run
from hub_stage import HubStage, hub_stage
from mqttproto import (
    ConnAck,
    Connect,
    Disconnect,
    Properties,
    PubAck,
    Publish,
    ReasonCode,
    SubAck,
    Subscribe,
    Subscription,
    UnsubAck,
    Unsubscribe,
)
from mqttproto.cli import main
from mqttproto.codec import Decoder, encode
from recording_stage import free_port
from scripted_server import CLOSE, scripted_server

CONNACK = encode(ConnAck())
SUBACK = encode(SubAck(1, [1]))
GOODBYE = Disconnect(0, Properties(session_expiry_interval=0))


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStage]:
    with hub_stage() as stage:
        yield stage


def to(port: int) -> tuple[str, ...]:
    return ("-h", "127.0.0.1", "-p", str(port), "-i", "client")


def sent(data: bytes) -> list[object]:
    """What a client has said behind CONNECT."""
    return list(Decoder(None).feed(data)[1:])


class Outcome:
    """What became of a command.

    :ivar heard: the packets that it sent behind CONNECT.
    """

    def __init__(self, status: int, output: bytes, errors: list[str], heard: list[object]) -> None:
        self.status = status
        self.output = output
        self.errors = errors
        self.heard = heard


Sub = Callable[..., Outcome]


@pytest.fixture
def sub(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sub:
    """Runs the command against a server that answers SUBSCRIBE with SUBACK and messages."""

    def run_it(
        *arguments: str, messages: Sequence[Publish] = (), script: Sequence[bytes] = ()
    ) -> Outcome:
        answer = SUBACK + b"".join(map(encode, messages))
        path = tmp_path / "output"
        with (
            scripted_server(script or [CONNACK, answer]) as (port, heard),
            path.open("w", encoding="utf-8") as stdout,
            monkeypatch.context() as patch,
        ):
            patch.setattr(sys, "stdout", stdout)
            status = main(["sub", *to(port), *arguments])
        errors = [line.removeprefix("mqttproto: ") for line in capsys.readouterr().err.splitlines()]
        return Outcome(status, path.read_bytes(), errors, sent(heard[0]) if heard else [])

    return run_it


ONE, TWO = Publish("a/1", b"one"), Publish("a/2", b"two")


def test_payloads_are_printed_as_they_are(sub: Sub) -> None:
    raw = Publish("a/3", b"\xff\0\x1b[2J\r")
    ended = sub("-t", "a/+", "-C", "3", messages=[ONE, TWO, raw])
    assert (ended.status, ended.errors) == (0, [])
    assert ended.output == b"one\ntwo\n\xff\0\x1b[2J\r\n"
    assert ended.heard == [Subscribe(1, [Subscription("a/+")]), GOODBYE]


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ((), b"one\ntwo\n"),
        (("-v",), b"a/1 one\na/ (null)\na/2 two\n"),
        (("-N",), b"onetwo"),
        (("-v", "-N"), b"a/1 onea/ (null)a/2 two"),
        (("-F", r"%t\t%l"), b"a/1\t3\na/\t0\na/2\t3\n"),
        (("-F", "%p", "-v"), b"one\n\ntwo\n"),
        (("-F", "%q ", "-N"), b"0 0 0 "),
    ],
)
def test_forms_of_output(options: tuple[str, ...], output: bytes, sub: Sub) -> None:
    messages = [ONE, Publish("a/"), TWO]
    assert sub("-t", "a/+", "-C", "3", *options, messages=messages).output == output


def test_json(sub: Sub) -> None:
    before = time.time()
    ended = sub("-t", "a/+", "-C", "2", "-F", "%U %j", messages=[ONE, TWO])
    for line, message in zip(ended.output.splitlines(), (ONE, TWO), strict=True):
        moment, _, shown = line.partition(b" ")
        assert before - 1 < float(moment) < time.time() + 1
        assert json.loads(shown)["payload"] == message.payload.decode()


def test_a_payload_that_should_be_json_is_complained_of(sub: Sub) -> None:
    messages = [Publish("a", b"{}"), Publish("a", b"{"), Publish("a", b"[]")]
    ended = sub("-t", "a", "-C", "3", "-F", "%J", messages=messages)
    assert ended.status == 0
    assert [json.loads(line)["payload"] for line in ended.output.splitlines()] == [{}, []]
    assert ended.errors == ["the payload of a message to a is not JSON"]


def test_what_is_asked_for(sub: Sub) -> None:
    ended = sub(
        *("-t", "a", "-t", "b/#", "-q", "2", "--retain-as-published", "--retain-handling", "new"),
        *("-D", "SUBSCRIBE", "subscription-identifier", "7", "-E"),
        script=[CONNACK, encode(SubAck(1, [2, 2]))],
    )
    assert (ended.status, ended.errors, ended.output) == (0, [], b"")
    asked = [Subscription(each, 2, False, True, 1) for each in ("a", "b/#")]
    assert ended.heard == [
        Subscribe(1, asked, Properties(subscription_identifiers=[7])),
        GOODBYE,
    ]


def test_the_topic_may_stand_in_the_url() -> None:
    with scripted_server([CONNACK, encode(SubAck(1, [0, 0]))]) as (port, heard):
        ended = run("sub", "-L", f"mqtt://127.0.0.1:{port}/a/%23", "-t", "b", "-E", "-i", "c")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert sent(heard[0])[0] == Subscribe(1, [Subscription("b"), Subscription("a/#")])


def test_subscriptions_may_be_ended(sub: Sub) -> None:
    ended = sub(
        *("-U", "old", "-U", "older/#", "-E", "-D", "UNSUBSCRIBE", "user-property", "a", "b"),
        script=[CONNACK, encode(UnsubAck(1, [0, 0]))],
    )
    assert (ended.status, ended.errors) == (0, [])
    properties = Properties(user_properties=[("a", "b")])
    assert ended.heard == [Unsubscribe(1, ["old", "older/#"], properties), GOODBYE]


def test_a_session_is_kept() -> None:
    with scripted_server([CONNACK, SUBACK]) as (port, heard):
        ended = run("sub", *to(port), "-c", "-t", "a", "-q", "1", "-E")
    assert (ended.returncode, ended.stderr) == (0, b"")
    connect = Decoder(None).feed(heard[0])[0]
    assert isinstance(connect, Connect)
    assert (connect.client_id, connect.clean_start) == ("client", False)
    assert connect.properties.session_expiry_interval == 0xFFFF_FFFF
    assert sent(heard[0])[-1] == Disconnect()


def test_messages_are_acknowledged_as_they_are_printed_and_no_others(sub: Sub) -> None:
    messages = [Publish("a", b"%d" % number, 1, packet_id=number) for number in (1, 2, 3)]
    ended = sub("-t", "a", "-q", "1", "-C", "2", messages=messages)
    assert ended.output == b"1\n2\n"
    assert ended.heard[1:] == [PubAck(1), PubAck(2), GOODBYE]


def test_unwanted_messages_are_acknowledged_too(sub: Sub) -> None:
    messages = [
        Publish("a/b", b"1", 1, packet_id=1),
        Publish("a/c", b"2", 1, packet_id=2),
        Publish("a/d/e", b"3", 1, packet_id=3),
        Publish("a/c", b"4", 1, packet_id=4),
    ]
    ended = sub("-t", "a/#", "-T", "a/b", "-T", "a/d/#", "-C", "2", messages=messages)
    assert ended.output == b"2\n4\n"
    assert ended.heard[1:-1] == [PubAck(number) for number in (1, 2, 3, 4)]


OLD, NEW = Publish("a", b"old", retain=True), Publish("a", b"new")


def test_retained_messages_may_be_left_out(sub: Sub) -> None:
    assert sub("-t", "a", "-R", "-C", "1", messages=[OLD, NEW]).output == b"new\n"


def test_retained_messages_may_be_all(sub: Sub) -> None:
    ended = sub("-t", "a", "--retained-only", messages=[OLD, OLD, NEW, OLD])
    assert (ended.status, ended.output) == (0, b"old\nold\n")


def test_retained_messages_may_be_removed(sub: Sub) -> None:
    kept = Publish("a/b", b"kept", retain=True)
    ended = sub(
        *("-t", "a/#", "--remove-retained", "-R", "-T", "a/b", "-C", "1"),
        script=[CONNACK, SUBACK + encode(kept) + encode(OLD), encode(PubAck(2)) + encode(NEW)],
    )
    assert ended.output == b"new\n"
    assert ended.heard[1:] == [Publish("a", b"", 1, True, packet_id=2), GOODBYE]


def test_time_may_be_up(sub: Sub) -> None:
    ended = sub("-t", "a", "-W", "0.2", messages=[NEW])
    assert (ended.status, ended.output, ended.errors) == (27, b"new\n", ["-W 0.2: time is up"])
    assert ended.heard[-1] == GOODBYE
    assert sub("-t", "a", "-W", "0.01", "--quiet").errors == []
    assert sub("-t", "a", "-W", "60", "-C", "1", messages=[NEW]).status == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "name a topic to subscribe to: -t FILTER (see mqttproto sub --help)"),
        (("-t", "a/#/b"), "-t a/#/b: it must end with its '#'"),
        (("-t", "a", "-T", "+a"), "-T +a: it must have '+' alone in its level"),
        (("-t", "a", "-U", ""), "-U : it must have at least one character"),
        (("-t", "a", "-F", "%z"), "-F %z: there is no %z; for a % write %%"),
        (("-t", "a", "-C", "0"), "argument -C/--count: '0' is not a number from 1"),
        (("-t", "a", "-W", "0"), "argument -W/--timeout: '0' is not a number of seconds"),
        (("-t", "a", "-D", "PUBLISH", "x", "y"), "argument -D/--property: 'PUBLISH' is not one of"),
        (("-t", "a", "-h"), "-h names the host to connect to"),
    ],
)
def test_a_wrong_option_takes_one_line(
    options: tuple[str, ...], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sub", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"mqttproto: {problem}")
    assert output.err.count("\n") == 1


def test_nobody_there_takes_one_line() -> None:
    port = free_port()
    ended = run("sub", *to(port), "-t", "a")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.startswith(b"mqttproto: mqtt://127.0.0.1:%d: " % port)
    assert ended.stderr.count(b"\n") == 1


def test_a_refused_subscription_takes_one_line(sub: Sub) -> None:
    refusal = encode(SubAck(1, [0, ReasonCode.NOT_AUTHORIZED]))
    ended = sub("-t", "a", "-t", "b", script=[CONNACK, refusal])
    assert ended.status == 2
    [error] = ended.errors
    assert error.startswith("the server refused to subscribe to 'b': not authorized (0x87)")


def test_being_sent_away_takes_one_line(sub: Sub) -> None:
    away = encode(Disconnect(ReasonCode.SESSION_TAKEN_OVER))
    ended = sub("-t", "a", script=[CONNACK, SUBACK + encode(NEW) + away])
    assert (ended.status, ended.output) == (2, b"new\n")
    [error] = ended.errors
    assert "SESSION_TAKEN_OVER" in error


def test_a_lost_connection_is_made_again() -> None:
    with (
        scripted_server(
            [CONNACK, SUBACK + encode(ONE), CLOSE], [CONNACK, SUBACK + encode(TWO)]
        ) as (port, heard),
        Running("sub", *to(port), "-t", "a/+", "-C", "2", "-k", "1") as running,
    ):
        assert running.line() == b"one\n"  # and then, at the first PINGREQ, it is closed
        assert running.line() == b"two\n"
        status, rest, errors = running.end()
    assert (status, rest) == (0, b"")
    assert errors.count(b"\n") == 3
    assert b"trying again in " in errors
    assert b"connected again\n" in errors
    assert b"the server has lost the session" in errors
    assert isinstance(sent(heard[1])[0], Subscribe)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_goodbye(number: int) -> None:
    with (
        scripted_server([CONNACK, SUBACK + encode(NEW)]) as (port, heard),
        Running("sub", *to(port), "-t", "a") as running,
    ):
        assert running.line() == b"new\n"
        running.process.send_signal(number)
        assert running.end() == (128 + number, b"", b"")
    assert sent(heard[0])[-1] == GOODBYE


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    messages = encode(Publish("a", bytes(60_000))) * 20
    with (
        scripted_server([CONNACK, SUBACK + messages]) as (port, heard),
        Running("sub", *to(port), "-t", "a") as running,
    ):
        assert running.process.stdout is not None
        running.process.stdout.read(1)
        running.process.stdout.close()
        assert running.process.wait(60) == 141
        assert running.process.stderr is not None
        assert running.process.stderr.read() == b""
    assert sent(heard[0])[-1] == GOODBYE


def test_a_slow_reader_costs_neither_the_connection_nor_a_message() -> None:
    payload = bytes(1 << 20)
    message = encode(Publish("a", payload, 1, packet_id=1))
    with (
        scripted_server([CONNACK, SUBACK + message, b"\xd0\0", b"\xd0\0"]) as (port, heard),
        Running("sub", *to(port), "-t", "a", "-q", "1", "-C", "1", "-k", "1") as running,
    ):
        wait_for(lambda: heard and heard[0].count(b"\xc0\0") == 2)  # two PINGREQ
        assert b"\x40\x02\0\1" not in heard[0]  # no PUBACK
        status, output, errors = running.end()
    assert (status, output, errors) == (0, payload + b"\n", b"")
    assert sent(heard[0])[-2:] == [PubAck(1), GOODBYE]


def test_what_is_lost_behind_a_slow_reader_is_counted_and_an_interrupt_does_not_wait() -> None:
    message = encode(Publish("a", bytes(1 << 20)))
    with (
        scripted_server([CONNACK, SUBACK + message * 200]) as (port, heard),
        Running("sub", *to(port), "-t", "a") as running,
    ):
        assert running.process.stderr is not None
        complaint = running.process.stderr.readline()
        assert complaint == b"mqttproto: the output is too slow, and messages of QoS 0 are lost\n"
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 130
        rest = running.process.stderr.read()
    assert re.fullmatch(rb"mqttproto: messages of QoS 0 lost: \d+\n", rest)
    assert sent(heard[0])[-1] == GOODBYE


def wait_for(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_on_a_terminal_nothing_drives_it() -> None:
    ours, theirs = pty.openpty()
    nasty = Publish("a\x1b", b"\x1b[2J\x07\n\xff")
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        scripted_server([CONNACK, SUBACK + encode(nasty)]) as (port, _),
    ):
        process = subprocess.Popen(
            command("sub", *to(port), "-t", "#", "-v", "-C", "1"), stdout=theirs
        )
        assert process.wait(60) == 0
        os.close(theirs)
        assert terminal.read(100) == b"a\\x1b \\x1b[2J\\x07\r\n\\xff\r\n"


def test_debug_shows_the_packets(sub: Sub) -> None:
    ended = sub("-t", "a", "-C", "1", "-d", messages=[NEW])
    assert ended.output == b"new\n"
    assert [line.split()[1] for line in ended.errors] == [
        *("CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "PUBLISH", "DISCONNECT"),
    ]
    assert "payload=(3 bytes)" in ended.errors[4]


def test_a_real_server(hub: HubStage) -> None:
    hub.publish("kept/1", b"kept", retain=True)
    here = ("-h", "127.0.0.1", "-p", str(hub.port))
    for version in ("31", "311", "5"):
        ended = run("sub", *here, "-t", "kept/+", "-C", "1", "-v", "-V", version)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"kept/1 kept\n", b"")


def test_help_is_for_newcomers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sub", "--help"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "usage: mqttproto sub ",
        "formats (-F):",
        "%t topic",
        "examples:",
        "exit status:",
    ):
        assert words in shown
