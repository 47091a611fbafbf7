"""The rules of conftest.py, each shown to bite in a small suite of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PEER = "@pytest.mark.peer\ndef test_peer():\n    pytest.skip('no broker here')\n"


def run_suite(folder: Path, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest under this project's configuration on a suite with one file."""
    tests = folder / "tests"
    tests.mkdir(exist_ok=True)
    shutil.copy(HERE.parent / "pyproject.toml", folder)
    shutil.copy(HERE / "conftest.py", tests)
    (tests / "test_it.py").write_text(f"import pytest\n\n\n{body}", encoding="utf-8")
    inherited = {
        name: os.environ[name] for name in os.environ if name not in ("CI", "PYTEST_ADDOPTS")
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_peer_skips_for_a_user(tmp_path: Path) -> None:
    run = run_suite(tmp_path, PEER)
    assert run.returncode == pytest.ExitCode.OK
    assert "1 skipped" in run.stdout


@pytest.mark.parametrize("options", ["", "-n 2"])
def test_a_missing_peer_fails_in_ci(tmp_path: Path, options: str) -> None:
    run = run_suite(tmp_path, PEER, CI="true", PYTEST_ADDOPTS=options)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "no broker here" in run.stdout
    assert "1 failed" in run.stdout


def test_another_skip_stays_one_in_ci(tmp_path: Path) -> None:
    run = run_suite(tmp_path, PEER.partition("\n")[2], CI="true")
    assert "1 skipped" in run.stdout


def test_another_speed_than_expected_is_refused(tmp_path: Path) -> None:
    run = run_suite(tmp_path, "def test_it():\n    pass\n", MQTTPROTO_EXPECT="ludicrous")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "MQTTPROTO_EXPECT is ludicrous" in run.stderr


def test_the_header_names_the_speed(tmp_path: Path, speed: str) -> None:
    run = run_suite(tmp_path, "def test_it():\n    pass\n")
    assert f"speed {speed}, from " in run.stdout


@pytest.mark.parametrize(
    ("options", "order"),
    [("-v", ["test_it.py", "test_laws.py"]), ("-v -n 1", ["test_laws.py", "test_it.py"])],
)
def test_what_takes_longest_begins_first_where_processes_share(
    tmp_path: Path, options: str, order: list[str]
) -> None:
    body = "def test_it():\n    pass\n"
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_laws.py").write_text(body, encoding="utf-8")
    run = run_suite(tmp_path, body, PYTEST_ADDOPTS=options)
    ended = [line for line in run.stdout.splitlines() if "PASSED" in line]
    assert [re.findall(r"test_\w+\.py", line) for line in ended] == [[name] for name in order]


@pytest.mark.parametrize(
    "arguments",
    [
        '"3.1", "MQTT-3.1.0-1", role="server"',
        '"5.0", "3.1.0-1", role="server"',
        '"5.0", "MQTT-3.1.0-1", role="broker"',
        '"5.0", "MQTT-3.1.0-1"',
    ],
)
def test_a_citation_must_be_one(tmp_path: Path, arguments: str) -> None:
    run = run_suite(tmp_path, f"@pytest.mark.spec({arguments})\ndef test_it():\n    pass\n")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "spec marker" in run.stderr


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    body = "import warnings\n\n\ndef test_it():\n    warnings.warn('careful', stacklevel=1)\n"
    assert run_suite(tmp_path, body).returncode == pytest.ExitCode.TESTS_FAILED
