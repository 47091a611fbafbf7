"""Files with what each end has sent."""

import os
import stat
from pathlib import Path

import pytest

from mqttproto.cli.console import Failure
from mqttproto.cli.recorder import Recorder
from mqttproto.constants import Sender

CLIENT, SERVER = Sender


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("prefix", ["talk", "./talk", "a folder/ta-lk"])
def test_there_is_a_file_for_each_end_of_each_connection(prefix: str) -> None:
    path = Path(prefix)
    path.parent.mkdir(exist_ok=True)
    recorder = Recorder(prefix)
    assert contents(path.parent) == {}
    recorder.open(1)
    recorder.write(1, CLIENT, b"one")
    recorder.open(2)
    recorder.write(2, SERVER, b"two")
    recorder.write(1, CLIENT, b" more")
    expected = {
        f"{path.name}-1.client.bin": b"one more",
        f"{path.name}-1.server.bin": b"",
        f"{path.name}-2.client.bin": b"",
        f"{path.name}-2.server.bin": b"two",
    }
    assert contents(path.parent) == expected  # at once, whatever becomes of the process
    recorder.close(1)
    recorder.close(2)
    assert contents(path.parent) == expected


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_others_cannot_read_the_passwords(folder: Path) -> None:
    recorder = Recorder("talk")
    recorder.open(1)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    recorder.close(1)


@pytest.mark.parametrize("name", ["talk-1.client.bin", "talk-12.server.bin"])
def test_nothing_is_overwritten(name: str, folder: Path) -> None:
    (folder / name).touch()
    with pytest.raises(Failure) as failed:
        Recorder("talk")
    assert failed.value.status == 2
    assert failed.value.lines == (f"--save talk: there is {name} already; take another prefix",)


def test_other_files_do_no_harm(folder: Path) -> None:
    for name in ("talk-1.txt", "talks-1.client.bin", "talk.client.bin"):
        (folder / name).touch()
    Recorder("talk")


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [("missing/talk", "No such file or directory"), ("nul\0/talk", "embedded null byte")],
)
def test_a_folder_that_cannot_be_is_named(prefix: str, reason: str) -> None:
    with pytest.raises(Failure, match=reason) as failed:
        Recorder(prefix)
    assert failed.value.status == 2


def test_a_file_that_cannot_be_made_is_complained_of_and_lost(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder("talk")
    (folder / "talk-1.client.bin").mkdir()
    recorder.open(1)
    recorder.write(1, CLIENT, b"lost")
    recorder.write(1, SERVER, b"kept")
    recorder.close(1)
    assert capsys.readouterr().err == "mqttproto: talk-1.client.bin: File exists; not saved\n"
    assert contents(folder) == {"talk-1.server.bin": b"kept"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_complained_of_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder("talk")
    monkeypatch.setattr(os, "open", lambda *_: _os_open("/dev/full", os.O_WRONLY))
    recorder.open(1)
    monkeypatch.undo()
    recorder.write(1, CLIENT, b"lost")
    recorder.write(1, CLIENT, b"lost")
    recorder.close(1)
    assert capsys.readouterr().err == (
        "mqttproto: talk-1.client.bin: No space left on device; not saved from here on\n"
    )


_os_open = os.open
