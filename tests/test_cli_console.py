"""What may go wrong with standard streams."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli_process import run
from mqttproto import PingReq
from mqttproto.cli import main
from mqttproto.cli.console import Failure, complain, finish_output, harden_streams, write
from mqttproto.codec import encode

needs_dev_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="a device that is always full"
)


@contextmanager
def broken_pipe() -> Iterator[io.TextIOWrapper]:
    """A stream whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        yield stream


def test_what_is_written_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as output, os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        write("one\n")
        assert output.readline() == b"one\n"


def test_a_broken_pipe_needs_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_pipe() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(Failure) as failed:
            write("one\n")
        write("nobody reads this, and nothing breaks any more\n")
    assert (failed.value.status, failed.value.lines) == (141, ())


@needs_dev_full
def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(Failure) as failed:
            write("one\n")
    assert failed.value.status == 2
    assert failed.value.lines == ("standard output: No space left on device",)


@needs_dev_full
@pytest.mark.parametrize("arguments", [("--version",), ("decode", "--help")])
def test_a_full_disk_is_no_success_for_argparse_either(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = run(*arguments, stdout=full)
    assert ended.returncode == 2
    assert ended.stderr == b"mqttproto: standard output: No space left on device\n"


def test_without_standard_output_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    finish_output()
    with pytest.raises(Failure, match="standard output is closed") as failed:
        write("one\n")
    assert failed.value.status == 2


def test_complaints_are_lines_that_drive_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    complain("a\x1b[2Jb\nc", "d")
    assert capsys.readouterr().err == "mqttproto: a\\x1b[2Jb\\nc\nmqttproto: d\n"


def test_without_standard_error_complaints_are_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    complain("unheard")
    assert main(["decode", "--from", "nobody"]) == 2
    assert capsys.readouterr().out == ""


def test_a_broken_standard_error_breaks_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_pipe() as stream:
        stream.reconfigure(line_buffering=True)  # as Python opens standard error
        monkeypatch.setattr(sys, "stderr", stream)
        complain("unheard", "unheard")
        stream.flush()


def test_every_character_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    harden_streams()
    write("21 °C\n")
    assert isinstance(ascii_only.buffer, io.BytesIO)
    assert ascii_only.buffer.getvalue() == b"21 \\xb0C\n"


def test_a_stream_without_an_encoding_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    harden_streams()
    write("21 °C\n")
    assert stream.getvalue() == "21 °C\n"


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_a_poor_encoding_is_no_fault_of_the_input(env: dict[str, str]) -> None:
    ended = run("decode", "--mqtt-version", "3.1.1", stdin=b"0\x05\0\3\xe2\x82\xac", env=env)
    assert ended.returncode == 0
    assert rb'topic="\u20ac"' in ended.stdout
    assert ended.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_is_not_taken_is_no_success(unbuffered: str) -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)  # and nobody reads
        result = run(
            "decode",
            "--mqtt-version",
            "5",
            stdin=encode(PingReq()) * 20_000,
            stdout=writer,
            env={"PYTHONUNBUFFERED": unbuffered},
        )
    finally:
        os.close(reader)
        os.close(writer)
    assert result.returncode == 2
    assert result.stderr.startswith(b"mqttproto: standard output: ")
