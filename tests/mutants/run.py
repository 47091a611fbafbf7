"""Show that the suite catches planted bugs.

``python tests/mutants/run.py`` plants each ``*.patch`` beside this script in a copy of the checkout
of its own, and runs the tests that its head names, interpreted; as many at a time as there are
processors. A bug is caught if a test fails. Exit 1: one was not caught, or a patch does not apply
any more.

``--all`` runs the whole suite against each bug, up to the first failure. Names as arguments choose
bugs. The head of a patch says in a line each what is wrong with it (``Bug:``), and which tests are
to see it (``Tests:``).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
COPIED: Final = ("mqttproto", "tests", "docs", "benchmarks", "README.md", "CONTRIBUTING.md")
ALSO_COPIED: Final = ("CHANGELOG.md", "pyproject.toml", "setup.py", "LICENSE", ".ci")
PASSED: Final = 0
FAILED: Final = 1


class Mutant(NamedTuple):
    """A planted bug."""

    path: Path
    bug: str
    tests: list[str]

    @property
    def name(self) -> str:
        """What it is called: the name of its file."""
        return self.path.stem


def read(path: Path) -> Mutant:
    """The bug that a patch plants.

    :raises SystemExit: if its head lacks a line.
    """
    head = path.read_text(encoding="utf-8").partition("--- a/")[0]
    lines = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    if not {"Bug", "Tests"} <= set(lines):
        sys.exit(f"{path.name}: the head must have a line Bug: and a line Tests:")
    return Mutant(path, lines["Bug"], lines["Tests"].split())


def copy_checkout(folder: Path) -> None:
    """Copy what the tests need, with the C scanner if it is built."""
    for name in (*COPIED, *ALSO_COPIED):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)


def plant(mutant: Mutant, folder: Path) -> None:
    """Apply the patch.

    :raises SystemExit: if it does not apply.
    """
    command = ["git", "apply", "--whitespace=nowarn", str(mutant.path)]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"{mutant.name}: the patch does not apply any more\n{done.stdout}{done.stderr}")


def run_tests(tests: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run the tests up to the first failure: pytest's exit status, and its last lines."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "hunt", "PYTHONPATH": str(folder)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    for name in ("MQTTPROTO_EXPECT", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    return done.returncode, "\n".join((done.stdout + done.stderr).splitlines()[-15:])


def imports_the_copy(folder: Path) -> bool:
    """Whether the tests would really test the copy, and not what is installed."""
    code = "import mqttproto.protocol.sending as module; print(module.__file__)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout.strip() == str(folder / "mqttproto" / "protocol" / "sending.py")


def caught(mutant: Mutant, everything: bool) -> bool:
    """Plant a bug in a new copy, run the tests and say what became of it."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        copy_checkout(folder)
        if not imports_the_copy(folder):
            sys.exit("the copy is not what would be tested: use an editable installation")
        plant(mutant, folder)
        status, output = run_tests(["tests"] if everything else mutant.tests, folder)
    took = time.monotonic() - began
    if status == FAILED:
        print(f"caught in {took:3.0f} s  {mutant.name}: {mutant.bug}", flush=True)
        return True
    word = "NOT CAUGHT" if status == PASSED else f"pytest ended with {status}"
    print(f"{word}: {mutant.name}: {mutant.bug}\n{output}", flush=True)
    return False


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="bugs to plant; default: all")
    parser.add_argument("--all", action="store_true", help="run the whole suite against each")
    options = parser.parse_args()
    mutants = [read(path) for path in sorted(HERE.glob("*.patch"))]
    unknown = set(options.names) - {mutant.name for mutant in mutants}
    if unknown:
        parser.error(f"there is no bug called {', '.join(sorted(unknown))}")
    chosen = [each for each in mutants if not options.names or each.name in options.names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda mutant: caught(mutant, options.all), chosen))
    print(f"{sum(results)} of {len(results)} planted bugs caught")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
