"""Where the bytes come from."""

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from mqttproto.cli.console import Failure
from mqttproto.cli.source import reading, source_name
from test_cli_progress import LARGE, on_a_terminal


def failure_of(path: str) -> Failure:
    """What becomes of reading from ``path``, which cannot be read."""
    with pytest.raises(Failure) as failed, reading(path) as chunks:
        list(chunks)
    assert failed.value.status == 2
    return failed.value


def test_names() -> None:
    assert source_name("-") == "standard input"
    assert source_name("a/b") == "a/b"


def test_a_file_comes_in_chunks(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    path = tmp_path / "data"
    path.write_bytes(data)
    with reading(str(path)) as source:
        chunks = list(source)
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= 65_536


def test_standard_input_comes_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with reading("-") as chunks:
            for data in (b"a", b"bc"):
                os.write(writer, data)
                assert next(chunks) == data
            os.close(writer)
            assert list(chunks) == []
        os.fstat(stdin.fileno())  # it is still open


def test_a_non_blocking_pipe_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(reader, "rb") as stdin, os.fdopen(writer, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdin", stdin)
        later = threading.Timer(0.05, pipe.write, [b"late"])
        with reading("-") as chunks:
            later.start()
            assert next(chunks) == b"late"
        later.join()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "No such file or directory"),
        (".", "Is a directory"),
        ("file/below", "Not a directory"),
        ("nul\0", "embedded null byte"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_what_cannot_be_opened_is_named(
    path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert failure_of(path).lines == (f"{path}: {reason}",)


def test_a_forbidden_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0)
    user = os.geteuid()
    if user == 0:  # to whom nothing is forbidden
        os.seteuid(65_534)
    try:
        assert failure_of(str(path)).lines == (f"{path}: Permission denied",)
    finally:
        os.seteuid(user)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that fails when read")
def test_a_failing_read_is_named() -> None:
    assert failure_of("/proc/self/mem").lines == ("/proc/self/mem: Input/output error",)


def test_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert failure_of("-").lines == ("standard input: it is closed",)


def test_standard_input_must_be_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("text"))
    assert failure_of("-").lines == ("standard input: fileno",)


def test_progress_is_gone_when_the_work_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LARGE)  # takes no space
    with reading(str(path)) as chunks:
        next(chunks)
        assert terminal.getvalue() == "\r  0 %"
    assert terminal.getvalue() == "\r  0 %\r     \r"
