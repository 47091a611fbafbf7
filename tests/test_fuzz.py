"""The fuzzers of tests/fuzz run, find nothing, and do find what they are for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

if not (ROOT / "mqttproto/codec/_scan.c").is_file():
    pytest.skip("there is no C source beside an installed wheel", allow_module_level=True)

pytestmark = pytest.mark.peer  # the compilers are the peers


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The folder in which the fuzzers make their own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the fuzzers need, in which a fault can be planted."""
    unneeded = shutil.ignore_patterns("__pycache__", "*.so")
    for folder in ("mqttproto", "tests/fuzz"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=unneeded)
    return tmp_path


def fuzz(checkout: Path, temporary: Path, *arguments: str) -> tuple[int, str]:
    """Run the fuzzers of a checkout; return the exit status and what they print."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    # What runs in a copy of the package says nothing about the coverage of the package.
    inherited = {name: os.environ[name] for name in os.environ if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [bash, str(checkout / "tests/fuzz/run"), *arguments],
        env=inherited | {"TMPDIR": str(temporary), "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.splitlines()[-1])
    return done.returncode, done.stdout


def test_a_short_run_finds_nothing_and_leaves_nothing(temporary: Path) -> None:
    status, printed = fuzz(ROOT, temporary, "--cases", "2000")
    assert status == 0, printed
    checked = [int(number) for number in re.findall(r"(\d+) cases checked", printed)]
    assert checked
    assert min(checked) >= 2000
    assert "2000 tables are the same" in printed
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("c.end = end < size ? end : size;", "c.end = end;", "heap-buffer-overflow"),
        ("return fail(c, F_UTF8, at);", "return fail(c, F_UTF8, at + 1);", "not the same table"),
        ("if (kind == CONNECT)", "if (0)", "does not hold"),
    ],
    ids=["reads too far", "wrong position", "does not end"],
)
def test_a_planted_fault_is_found_and_can_be_replayed(
    checkout: Path, temporary: Path, right: str, wrong: str, complaint: str
) -> None:
    source = checkout / "mqttproto/codec/_scan.c"
    text = source.read_text(encoding="utf-8")
    assert right in text
    source.write_text(text.replace(right, wrong), encoding="utf-8")
    status, printed = fuzz(checkout, temporary, "--cases", "2000")
    assert status == 1, printed
    assert complaint in printed
    found = re.search(r"FOUND (.*)\n.*\n.*: ([0-9a-f]+)\n", printed)
    assert found is not None, printed
    finding = Path(found[1])
    assert finding.read_bytes()[:2000].hex() == found[2]
    status, printed = fuzz(checkout, temporary, "--replay", str(finding))
    assert status == 1, printed
    assert complaint in printed
