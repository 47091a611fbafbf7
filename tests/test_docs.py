"""README and documentation say what is so: their examples run, their links and citations exist.

In each page, the blocks marked ``python`` run in order and share their names. One with prompts is
checked against the output that it shows; the functions called ``test_...`` that a page defines are
called at its end. In blocks marked ``console`` each line behind ``$`` is run by a shell, from the
root of the checkout. In output, ``...`` stands for anything. Blocks marked ``sh`` are not run
here: they would install things.
"""

import csv
import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

import mqttproto
from mqttproto.codec.faults import FAULTS
from mqttproto.topics import TopicRule

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
PAGES: Final = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]

BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)#\s]+)")
CITATION: Final = re.compile(r"\bMQTT-\d+(?:\.\d+)+-\d+\b")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


class Block(NamedTuple):
    """A block of code: its language, its text, and the number of the line that opens it."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of code in a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)


def run_python(block: Block, page: Path, names: dict[str, Any]) -> None:
    """Run a block; with prompts, compare what it prints."""
    if not block.text.startswith(">>>"):
        code = compile("\n" * block.line + block.text, str(page), "exec")
        exec(code, names)
        return
    examples = doctest.DocTestParser().get_examples(block.text, page.name)
    test = doctest.DocTest(examples, {}, page.name, str(page), block.line, block.text)
    test.globs = names  # not a copy: the next block goes on with them
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(
        test, out=report.append, clear_globs=False
    )
    assert not report, "".join(report)


def run_console(block: Block, page: Path) -> None:
    """Run the commands of a block and compare what they print, on either stream."""
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("there is no shell here")
    # The command of the package under test, which need not be the one in PATH.
    define = 'mqttproto() { "$PYTHON" -P -m mqttproto "$@"; }\n'
    for part in block.text.removeprefix("$ ").split("\n$ "):
        command, _, expected = part.partition("\n")
        done = subprocess.run(
            [shell, "-c", define + command],
            cwd=ROOT,
            env={**os.environ, "PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        shown = expected if not expected or expected.endswith("\n") else f"{expected}\n"
        assert doctest.OutputChecker().check_output(shown, done.stdout, doctest.ELLIPSIS), (
            f"{page.name}, line {block.line}: {command}\n{done.stdout}"
        )


@every_page
def test_the_examples_run(page: Path) -> None:
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        if block.language == "python":
            run_python(block, page, names)
        elif block.language == "console":
            run_console(block, page)
    for name, value in names.items():
        if name.startswith("test_"):
            value()


@every_page
def test_every_block_names_its_language(page: Path) -> None:
    opening = [line for line in page.read_text(encoding="utf-8").splitlines() if "```" in line]
    assert all(line == "```" for line in opening[1::2])
    known = ("```python", "```console", "```sh", "```text", "```json", "```mermaid", "```{")
    assert all(line.startswith(known) for line in opening[::2])


@every_page
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    broken = [each for each in links if "://" not in each and not (page.parent / each).exists()]
    assert not broken


def test_the_readme_sets_up_with_two_commands() -> None:
    commands = [block.text for block in blocks(ROOT / "README.md") if block.language == "sh"]
    install_and_demonstrate, install_and_test = commands
    assert install_and_demonstrate == "pip install '.[trio]' && mqttproto demo\n"
    assert install_and_test == "pip install '.[test]' && pytest\n"


def known_statements() -> set[tuple[str, str]]:
    """Version and id of every numbered statement."""
    with (DOCS / "statements.tsv").open(newline="", encoding="utf-8") as file:
        return {(row["version"], row["id"]) for row in csv.DictReader(file, delimiter="\t")}


def test_the_statements_that_errors_cite_exist() -> None:
    rows = [(row.id311, row.id5) for row in FAULTS.values()]
    rows += [("", row.id5_server) for row in FAULTS.values()]
    rows += [(rule.value[1] or "", rule.value[2]) for rule in TopicRule]
    cited = {("3.1.1", id311) for id311, _ in rows} | {("5.0", id5) for _, id5 in rows}
    numbered = {(version, id) for version, id in cited if id.startswith("MQTT-")}
    assert numbered <= known_statements()
    assert len(numbered) > 50


def test_the_statements_that_texts_cite_exist() -> None:
    ids = {id for _, id in known_statements()}
    package = Path(mqttproto.__file__).parent
    for path in [*PAGES, *package.rglob("*.py")]:
        cited = set(CITATION.findall(path.read_text(encoding="utf-8")))
        assert cited <= ids, path.name
