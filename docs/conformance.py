"""Which test shows which statement of the standards to hold, as Markdown.

``python docs/conformance.py`` collects the tests without running them, reads their ``spec`` marks
and sets them against ``statements.tsv``. It prints the tables of the page "Conformance"; the build
of the documentation runs it for that. Exit 1: the tests cannot be collected, or one of them cites a
statement that does not exist.

``statements.tsv`` lists every numbered statement of 3.1.1 and 5.0 in the order of the standards,
each with the layer of this library that can be the first to show it: a package in ``mqttproto``,
which need not exist yet.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple

import pytest

DOCS: Final = Path(__file__).resolve().parent
VERSIONS: Final = ("3.1.1", "5.0")
ROLES: Final = {"client", "server"}

SHOWN: Final = "shown"
IN_PART: Final = "shown in part"
WAITS: Final = "wait for a later layer"
MISSING: Final = "without a test"
STATES: Final = (SHOWN, IN_PART, WAITS, MISSING)


class Statement(NamedTuple):
    """A numbered statement, by version and id, and the layer that can first show it."""

    version: str
    id: str
    layer: str

    @property
    def waits(self) -> bool:
        """Whether the layer that could show it is still to be built."""
        return find_spec(f"mqttproto.{self.layer}") is None


class Citation(NamedTuple):
    """A test that cites a statement; ``test`` is its node id without parameters."""

    version: str
    id: str
    role: str
    test: str


class Collector:
    """A pytest plugin: the citations of all tests that were collected."""

    def __init__(self) -> None:
        self.citations: dict[Citation, None] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Read the marks, which conftest.py has found to be well-formed."""
        for item in session.items:
            test = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("spec"):
                version, id = mark.args
                self.citations[Citation(version, id, mark.kwargs["role"], test)] = None


def statements() -> list[Statement]:
    """Every numbered statement."""
    with (DOCS / "statements.tsv").open(newline="", encoding="utf-8") as file:
        return [Statement(**row) for row in csv.DictReader(file, delimiter="\t")]


def citations(folder: Path) -> list[Citation]:
    """The citations in a suite, each once, in its order.

    :raises SystemExit: if it cannot be collected.
    """
    collector = Collector()
    options = ["--collect-only", "-qq", "-p", "no:cacheprovider", str(folder)]
    output = StringIO()
    with redirect_stdout(output):
        status = pytest.main(options, plugins=[collector])
    if status:
        sys.exit(f"{output.getvalue()}\nthe tests cannot be collected")
    return list(collector.citations)


def unknown(cited: Iterable[Citation], known: Iterable[Statement]) -> list[str]:
    """A line for each numbered statement that is cited but does not exist."""
    ids = {(statement.version, statement.id) for statement in known}
    return [
        f"{citation.test} cites MQTT {citation.version} [{citation.id}], which does not exist"
        for citation in cited
        if citation.id.startswith("MQTT-") and (citation.version, citation.id) not in ids
    ]


def shown_by(cited: Iterable[Citation]) -> str:
    """The tests, by file, as the cell of a table."""
    files: dict[str, dict[str, None]] = {}
    for citation in cited:
        path, _, name = citation.test.partition("::")
        files.setdefault(Path(path).name, {})[name] = None
    return "<br>".join(
        f"{file}: {', '.join(f'`{name}`' for name in names)}" for file, names in files.items()
    )


def roles(cited: Iterable[Citation]) -> str:
    """Whom the tests take the statement to bind, as the cell of a table."""
    found = {citation.role for citation in cited}
    return "both" if "both" in found or found >= ROLES else "".join(found)


def state(statement: Statement, cited: Sequence[Citation]) -> str:
    """How far a statement is shown: one of STATES."""
    if not cited:
        return WAITS if statement.waits else MISSING
    return IN_PART if statement.waits else SHOWN


def summary(known: list[Statement], tests: dict[tuple[str, str], list[Citation]]) -> Iterator[str]:
    """The lines of the table that counts."""
    yield f"| | statements | {' | '.join(STATES)} |"
    yield f"| --- | --: |{' --: |' * len(STATES)}"
    for version in VERSIONS:
        rows = [each for each in known if each.version == version]
        states = Counter(state(each, tests.get((version, each.id), ())) for each in rows)
        yield f"| MQTT {version} | {len(rows)} | {' | '.join(str(states[s]) for s in STATES)} |"


def numbered(
    known: list[Statement], tests: dict[tuple[str, str], list[Citation]], version: str
) -> Iterator[str]:
    """The lines of the table of a version's numbered statements."""
    yield "| statement | binds | shown by |"
    yield "| --- | --- | --- |"
    for statement in known:
        if statement.version != version:
            continue
        cited = tests.get((version, statement.id), [])
        remark = {
            SHOWN: "",
            IN_PART: f"*in part; the rest waits for {statement.layer}*",
            WAITS: f"*waits for {statement.layer}*",
            MISSING: "**no test**",
        }[state(statement, cited)]
        cell = "<br>".join(filter(None, (shown_by(cited), remark)))
        yield f"| {statement.id} | {roles(cited)} | {cell} |"


def unnumbered(tests: dict[tuple[str, str], list[Citation]], version: str) -> Iterator[str]:
    """The lines of the table of a version's rules that have no number."""
    yield "| rule in | binds | shown by |"
    yield "| --- | --- | --- |"
    sections = [id for cited, id in tests if cited == version and id.startswith("section ")]
    for id in sorted(sections, key=lambda text: [int(part) for part in text[8:].split(".")]):
        cited = tests[version, id]
        yield f"| {id} | {roles(cited)} | {shown_by(cited)} |"


def page(cited: Iterable[Citation]) -> str:
    """All tables, in Markdown."""
    known = statements()
    tests: dict[tuple[str, str], list[Citation]] = {}
    for citation in cited:
        tests.setdefault((citation.version, citation.id), []).append(citation)
    lines = [*summary(known, tests)]
    for version in reversed(VERSIONS):
        lines += ["", f"## MQTT {version}", "", *numbered(known, tests, version)]
        lines += ["", f"### Rules of {version} without a number", "", *unnumbered(tests, version)]
    return "\n".join(lines)


def main(folder: Path) -> int:
    """Print the tables for the suite in a folder; return the exit status."""
    cited = citations(folder)
    wrong = unknown(cited, statements())
    print("\n".join(wrong) or page(cited), file=sys.stderr if wrong else sys.stdout)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS.parent / "tests"))
