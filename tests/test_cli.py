"""The command as a whole: options, help, and how it ends."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mqttproto
from cli_process import Running, command, run
from mqttproto.cli import main
from mqttproto.codec import scanner

PINGREQ = b"\xc0\0"
DECODE = ("decode", "--mqtt-version", "3.1.1")


def test_version_names_release_scanner_and_speed(
    capsys: pytest.CaptureFixture[str], speed: str
) -> None:
    assert main(["--version"]) == 0
    facts = f"(scanner: {scanner.backend}, speed: {speed.split()[0]})"
    assert capsys.readouterr().out == f"mqttproto {mqttproto.__version__} {facts}\n"


def test_version_names_the_scanner_that_was_asked_for() -> None:
    output = run("--version", env={"MQTTPROTO_SCANNER": "python"}).stdout.decode()
    assert output.startswith(f"mqttproto {mqttproto.__version__} (scanner: python, speed: ")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    output = capsys.readouterr()
    assert "decode    print the MQTT packets" in output.out
    assert output.err == ""


def test_without_arguments_help_is_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("usage: mqttproto ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["encode"], "invalid choice: 'encode'"),
        (["--fast"], "--fast"),
        (["decode", "--jso"], "unrecognized arguments: --jso"),
        (["decode", "a", "b"], "unrecognized arguments: b"),
        (["decode", "--from"], "--from: expected one argument"),
        (["decode", "--\x1b[2J"], r"--\x1b[2J"),
    ],
)
def test_a_wrong_argument_takes_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("mqttproto: ")
    assert complaint in output.err
    assert output.err.endswith(" --help)\n")
    assert output.err.count("\n") == 1


def test_by_default_the_arguments_are_those_of_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mqttproto", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("mqttproto ")


def test_the_module_passes_the_status_on() -> None:
    ended = run("decode", "--mqtt-version", "3.2")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.count(b"\n") == 1


def test_an_interrupt_has_its_own_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(io.StringIO):
        def write(self, _: str) -> int:
            raise KeyboardInterrupt

    recording = tmp_path / "recording"
    recording.write_bytes(PINGREQ)
    monkeypatch.setattr(sys, "stdout", Interrupted())
    assert main([*DECODE, str(recording)]) == 130
    assert capsys.readouterr().err == ""


def test_ctrl_c_ends_a_live_stream_quietly() -> None:
    with Running(*DECODE) as running:
        running.send(PINGREQ)
        assert b"PINGREQ" in running.line()
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 130
        assert running.end() == (130, b"", b"")


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    recording.write_bytes(PINGREQ * 100_000)  # more output than a pipe holds
    with subprocess.Popen(
        command(*DECODE, str(recording)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"PINGREQ" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
