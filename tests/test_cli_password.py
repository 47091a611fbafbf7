"""Where the password comes from."""

from pathlib import Path

import pytest

from mqttproto.cli.console import Failure
from mqttproto.cli.password import VARIABLE, password_from


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "from there\udcff")


def test_the_command_line_comes_first() -> None:
    assert password_from("here\udcff", None, wanted=True) == b"here\xff"
    assert password_from("", None, wanted=True) == b""


@pytest.mark.parametrize(
    ("data", "password"),
    [
        (b"secret", b"secret"),
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"secret\n\n", b"secret\n"),
        (b" \xff ", b" \xff "),
        (b"", b""),
    ],
)
def test_a_file_holds_it_but_for_a_line_end(tmp_path: Path, data: bytes, password: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(data)
    assert password_from(None, str(path), wanted=True) == password


def test_the_environment_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert password_from(None, None, wanted=True) == b"from there\xff"
    assert password_from(None, None, wanted=False) is None
    monkeypatch.delenv(VARIABLE)
    assert password_from(None, None, wanted=True) is None


@pytest.mark.parametrize(
    ("path", "reason"), [("missing", "No such file or directory"), ("nul\0", "embedded null byte")]
)
def test_a_file_that_cannot_be_read_is_named(
    path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as failed:
        password_from(None, path, wanted=True)
    assert (failed.value.status, failed.value.lines) == (2, (f"{path}: {reason}",))
