"""Which test shows which statement of the standards to hold, as Markdown.

``python docs/conformance.py`` collects the tests without running them, reads their ``spec`` marks
and sets them against ``statements.tsv``. It prints the tables of the page "Conformance"; the build
of the documentation runs it for that. ``--gaps`` lists the statements that still lack a test
instead, those of one layer if it is named. Exit 1: there are such statements, the tests cannot be
collected, one of them cites a statement that does not exist, or a reason why there is no test
stands beside one.

``statements.tsv`` lists every numbered statement of 3.1.1 and 5.0 in the order of the standards:

- ``layer``: the layer of this library that can be the first to show it, a package in ``mqttproto``,
  which need not exist yet;
- ``binds``: whom it binds, ``client``, ``server`` or ``both``;
- ``summary``: what it says, in our words; the standard's own are what counts;
- ``reason``: why no test shows it, where none can.
"""

import ast
import csv
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple

import pytest

import mqttproto

DOCS: Final = Path(__file__).resolve().parent
VERSIONS: Final = ("3.1.1", "5.0")
ROLES: Final = {
    "client": frozenset({"client"}),
    "server": frozenset({"server"}),
    "both": frozenset({"client", "server"}),
}

# From bottom to top. The first two are the same code for client and server.
LAYERS: Final = (
    *("topics", "codec"),
    *("protocol", "broker", "storage", "transport", "engine", "asyncio", "trio", "blocking"),
)
FOR_EITHER: Final = ("topics", "codec")

SHOWN: Final = "shown"
IN_PART: Final = "shown in part"
WAITS: Final = "wait for a later layer"
EXPLAINED: Final = "not for a test"
MISSING: Final = "without a test"
STATES: Final = (SHOWN, IN_PART, WAITS, EXPLAINED, MISSING)


class Citation(NamedTuple):
    """A test that cites a statement.

    :ivar test: its node id without parameters.
    :ivar reach: the rank in LAYERS of the highest layer that its file imports; -1 for none.
    """

    version: str
    id: str
    role: str
    test: str
    reach: int


class Statement(NamedTuple):
    """A numbered statement: a row of ``statements.tsv``."""

    version: str
    id: str
    layer: str
    binds: str
    summary: str
    reason: str

    @property
    def waits(self) -> bool:
        """Whether the layer that could show it is still to be built."""
        return find_spec(f"mqttproto.{self.layer}") is None

    def missing(self, cited: Sequence[Citation]) -> list[str]:
        """The roles that still need a test."""
        bound = ROLES[self.binds]
        if self.layer in FOR_EITHER:
            return [] if cited else sorted(bound)
        rank = LAYERS.index(self.layer)
        shown = (ROLES[each.role] for each in cited if each.reach >= rank)
        return sorted(bound.difference(*shown))

    def state(self, cited: Sequence[Citation]) -> str:
        """How far it is shown: one of STATES."""
        if not self.missing(cited):
            return SHOWN
        if self.reason:
            return EXPLAINED
        if self.waits:
            return IN_PART if cited else WAITS
        return MISSING


Tests = dict[tuple[str, str], list[Citation]]


def statements() -> list[Statement]:
    """Every numbered statement."""
    with (DOCS / "statements.tsv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Statement(**row) for row in rows]


def imported(path: Path) -> Iterator[str]:
    """The dotted name of everything that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(name: str) -> str:
    """The layer that a name in ``mqttproto`` belongs to: the public ones live further down."""
    first = name.split(".")[1]
    if first not in LAYERS:
        home = getattr(getattr(mqttproto, first, None), "__module__", "")
        first = home.removeprefix("mqttproto.").split(".")[0]
    return first


@cache
def reach(path: Path) -> int:
    """The rank of the highest layer that a test file imports, itself or by helpers beside it."""
    highest = -1
    files = [path]
    for file in files:
        for name in imported(file):
            helper = file.with_name(f"{name.split('.')[0]}.py")
            if name.startswith("mqttproto."):
                home = layer(name)
                highest = max(highest, LAYERS.index(home) if home in LAYERS else -1)
            elif helper not in files and helper.is_file():
                files.append(helper)
    return highest


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
                citation = Citation(version, id, mark.kwargs["role"], test, reach(item.path))
                self.citations[citation] = None


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


def wrong(tests: Tests, known: Sequence[Statement]) -> list[str]:
    """A line for each numbered statement that is cited but does not exist, or is explained away."""
    ids = {(statement.version, statement.id) for statement in known}
    lines = [
        f"{citation.test} cites MQTT {version} [{id}], which does not exist"
        for (version, id), cited in tests.items()
        if id.startswith("MQTT-") and (version, id) not in ids
        for citation in cited
    ]
    lines += [
        f"MQTT {each.version} [{each.id}] has a reason why no test shows it, and tests that do"
        for each in known
        if each.reason and not each.missing(tests.get((each.version, each.id), []))
    ]
    return lines


def shown_by(cited: Iterable[Citation]) -> str:
    """The tests, by role and file, as the cell of a table."""
    roles: dict[str, dict[str, dict[str, None]]] = {}
    for citation in sorted(cited, key=lambda each: each.role):
        path, _, name = citation.test.partition("::")
        roles.setdefault(citation.role, {}).setdefault(Path(path).name, {})[f"`{name}`"] = None
    lines = []
    for role, files in roles.items():
        tests = [f"{file}: {', '.join(names)}" for file, names in files.items()]
        lines.append(f"{role}: {'; '.join(tests)}")
    return "<br>".join(lines)


def summary(known: Iterable[Statement], tests: Tests) -> Iterator[str]:
    """The lines of the table that counts."""
    yield f"| | statements | {' | '.join(STATES)} |"
    yield f"| --- | --: |{' --: |' * len(STATES)}"
    for version in VERSIONS:
        rows = [each for each in known if each.version == version]
        states = Counter(each.state(tests.get((version, each.id), [])) for each in rows)
        yield f"| MQTT {version} | {len(rows)} | {' | '.join(str(states[s]) for s in STATES)} |"


def numbered(known: Iterable[Statement], tests: Tests, version: str) -> Iterator[str]:
    """The lines of the table of a version's numbered statements."""
    yield "| statement | binds | in our words | shown by |"
    yield "| --- | --- | --- | --- |"
    for statement in known:
        if statement.version != version:
            continue
        cited = tests.get((version, statement.id), [])
        remark = {
            SHOWN: "",
            IN_PART: f"*in part; the rest waits for {statement.layer}*",
            WAITS: f"*waits for {statement.layer}*",
            EXPLAINED: f"*{statement.reason}*",
            MISSING: f"**no test**: {', '.join(statement.missing(cited))}",
        }[statement.state(cited)]
        cell = "<br>".join(filter(None, (shown_by(cited), remark)))
        yield f"| {statement.id} | {statement.binds} | {statement.summary} | {cell} |"


def unnumbered(tests: Tests, version: str) -> Iterator[str]:
    """The lines of the table of a version's rules that have no number."""
    yield "| rule in | shown by |"
    yield "| --- | --- |"
    sections = [id for cited, id in tests if cited == version and id.startswith("section ")]
    for id in sorted(sections, key=lambda text: [int(part) for part in text[8:].split(".")]):
        yield f"| {id} | {shown_by(tests[version, id])} |"


def page(known: Sequence[Statement], tests: Tests) -> str:
    """All tables, in Markdown."""
    lines = [*summary(known, tests)]
    for version in reversed(VERSIONS):
        lines += ["", f"## MQTT {version}", "", *numbered(known, tests, version)]
        lines += ["", f"### Rules of {version} without a number", "", *unnumbered(tests, version)]
    return "\n".join(lines)


def gaps(known: Iterable[Statement], tests: Tests, layers: Collection[str]) -> Iterator[str]:
    """A line for each statement of these layers that lacks a test."""
    for each in known:
        missing = each.missing(tests.get((each.version, each.id), []))
        if missing and not each.reason and each.layer in layers:
            needs = ", ".join(missing)
            yield f"{each.version:5}  {each.id:13}  {each.binds:6}  {needs:14}  {each.summary}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, or the gaps, for the suite in a folder; return the exit status."""
    known = statements()
    layers = sorted({statement.layer for statement in known}, key=LAYERS.index)
    parser = ArgumentParser(description="Which test shows which statement of the standards.")
    parser.add_argument("folder", nargs="?", default=DOCS.parent / "tests", type=Path)
    parser.add_argument(
        "--gaps",
        nargs="?",
        const=[each.layer for each in known if not each.waits],
        choices=layers,
        metavar="layer",
        help="list what lacks a test, of this layer or of all that exist: version, statement,"
        " whom it binds, the roles that need a test, and what it says; exit 1 if there is any",
    )
    options = parser.parse_args(arguments)
    tests: Tests = {}
    for citation in citations(options.folder):
        tests.setdefault((citation.version, citation.id), []).append(citation)
    if errors := wrong(tests, known):
        print("\n".join(errors), file=sys.stderr)
        return 1
    if options.gaps is None:
        print(page(known, tests))
        return 0
    wanted = [options.gaps] if isinstance(options.gaps, str) else options.gaps
    lines = list(gaps(known, tests, wanted))
    print("\n".join(lines) or f"no gaps in {', '.join(dict.fromkeys(wanted))}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
