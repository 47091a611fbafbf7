"""Which statements of the standards the tests show: the table of them, and that none is missing."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
SCRIPT: Final = ROOT / "docs" / "conformance.py"

SUITE: Final = """
import pytest

@pytest.mark.spec("5.0", "{id}", role="{role}")
@pytest.mark.spec("5.0", "section 2.4", role="both")
@pytest.mark.parametrize("value", [1, 2])
def test_it(value):
    pass
"""


def load() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("conformance", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SUBJECT: Final = load()
STATEMENTS: Final = SUBJECT.statements()


def conformance(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script for the suite in a folder."""
    command = [sys.executable, "-P", str(SCRIPT), str(folder), *options]
    # It is no part of this run of pytest, and runs no code whose coverage counts.
    inherited = {
        name: os.environ[name]
        for name in os.environ
        if not name.startswith(("PYTEST_", "COVERAGE_"))
    }
    return subprocess.run(
        command, env=inherited, capture_output=True, encoding="utf-8", check=False
    )


def suite(folder: Path, id: str, role: str = "server") -> Path:
    """Write a suite with one test, which cites a statement of 5.0."""
    text = SUITE.format(id=id, role=role)
    (folder / "test_suite.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers = spec(version, id, *, role): it\n", encoding="utf-8"
    )
    return folder


def row(page: str, id: str) -> str:
    """The first line of a statement, which is that of 5.0 if both versions have it."""
    return next(line for line in page.splitlines() if line.startswith(f"| {id} |"))


def test_every_statement_of_a_layer_that_exists_has_a_test() -> None:
    run = conformance(ROOT / "tests", "--gaps")
    assert run.returncode == 0, f"{run.stdout}{run.stderr}"


# The list.


def test_every_statement_is_listed_once() -> None:
    ids = [(each.version, each.id) for each in STATEMENTS]
    assert len(set(ids)) == len(ids)
    assert {version: [v for v, _ in ids].count(version) for version, _ in ids} == {
        "3.1.1": 141,
        "5.0": 251,
    }


@pytest.mark.parametrize("each", STATEMENTS, ids=lambda each: f"{each.version} {each.id}")
def test_a_statement_is_described(each: tuple[str, ...]) -> None:
    _, _, layer, binds, summary, reason = each
    assert layer in ("codec", "topics", "protocol", "broker", "transport", "engine")
    assert binds in ("client", "server", "both")
    assert summary.endswith((".", ".)"))
    assert 10 < len(summary) <= 140
    assert not reason or reason.endswith(".")
    assert not set("|<>*`_[]\\") & set(summary + reason), "this would need quoting in Markdown"


# What counts as a test.


def missing(layer: str, binds: str, *tests: tuple[str, str]) -> list[str]:
    """The roles that lack a test, given (role, layer that its file imports) of each test."""
    cited = [
        SUBJECT.Citation("5.0", "MQTT-1-1", role, "", SUBJECT.LAYERS.index(reach))
        for role, reach in tests
    ]
    found: list[str] = SUBJECT.Statement("5.0", "MQTT-1-1", layer, binds, "", "").missing(cited)
    return found


@pytest.mark.parametrize("layer", ["codec", "topics"])
@pytest.mark.parametrize("binds", ["client", "server", "both"])
def test_one_test_is_enough_where_both_ends_are_the_same_code(layer: str, binds: str) -> None:
    for role in ("client", "server", "both"):
        assert missing(layer, binds, (role, "topics")) == []
    assert missing(layer, binds) == (["client", "server"] if binds == "both" else [binds])


@pytest.mark.parametrize("layer", ["protocol", "broker", "transport"])
def test_each_role_that_is_bound_needs_a_test(layer: str) -> None:
    assert missing(layer, "both") == ["client", "server"]
    assert missing(layer, "both", ("client", layer)) == ["server"]
    assert missing(layer, "both", ("server", layer)) == ["client"]
    assert missing(layer, "both", ("both", layer)) == []
    assert missing(layer, "both", ("client", layer), ("server", layer)) == []
    assert missing(layer, "client", ("server", layer)) == ["client"]
    assert missing(layer, "server", ("both", layer)) == []


def test_a_test_of_a_lower_layer_does_not_count() -> None:
    assert missing("protocol", "server", ("server", "codec")) == ["server"]
    assert missing("broker", "server", ("server", "protocol")) == ["server"]
    assert missing("protocol", "server", ("server", "broker")) == []
    assert missing("protocol", "server", ("server", "asyncio")) == []


@pytest.mark.parametrize(
    ("text", "highest"),
    [
        ("", None),
        ("import mqttproto", None),
        ("import pytest", None),
        ("from mqttproto import errors, nothing_of_this_name, __version__", None),
        ("from mqttproto.testing import strategies", None),
        ("import mqttproto.topics", "topics"),
        ("from mqttproto import codec", "codec"),
        ("from mqttproto import Publish", "codec"),
        ("from mqttproto.broker.broker import Broker\nimport mqttproto.codec", "broker"),
        ("def test_it():\n    from mqttproto.protocol import Session", "protocol"),
        ("import helper", "broker"),
        ("from helper import network", "broker"),
    ],
)
def test_the_layer_that_a_test_reaches(tmp_path: Path, text: str, highest: str | None) -> None:
    (tmp_path / "helper.py").write_text("import other_helper, helper", encoding="utf-8")
    (tmp_path / "other_helper.py").write_text("import mqttproto.broker, helper", encoding="utf-8")
    test = tmp_path / "test_it.py"
    test.write_text(text, encoding="utf-8")
    assert SUBJECT.reach(test) == (-1 if highest is None else SUBJECT.LAYERS.index(highest))


# The script.


def test_the_table_names_the_tests_of_a_statement(tmp_path: Path) -> None:
    run = conformance(suite(tmp_path, "MQTT-1.5.4-1"))
    assert run.returncode == 0, run.stderr
    assert "| MQTT 5.0 | 251 | 1 | 0 | " in run.stdout
    assert row(run.stdout, "MQTT-1.5.4-1") == (
        "| MQTT-1.5.4-1 | both | Strings are proper UTF-8 and hold no surrogates."
        " | server: test_suite.py: `test_it` |"
    )
    assert row(run.stdout, "MQTT-1.5.4-2").endswith(" | **no test**: client, server |")
    assert row(run.stdout, "MQTT-7.0.0-1").endswith(" connections to other servers.* |")
    assert "| section 2.4 | both: test_suite.py: `test_it` |" in run.stdout


@pytest.fixture
def without_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the broker were still to be built, and a test of the codec cited a statement of it."""
    citation = SUBJECT.Citation("5.0", "MQTT-3.3.2-4", "server", "test_it.py::test_it", 1)
    monkeypatch.setattr(SUBJECT, "find_spec", lambda name: None if "broker" in name else name)
    monkeypatch.setattr(SUBJECT, "citations", lambda _: [citation])


@pytest.mark.usefixtures("without_broker")
def test_the_table_says_what_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert SUBJECT.main([]) == 0
    page = capsys.readouterr().out
    assert "| MQTT 5.0 | 251 | 0 | 1 | " in page
    cell = "server: test_it.py: `test_it`<br>*in part; the rest waits for broker*"
    assert row(page, "MQTT-3.3.2-4").endswith(f" | {cell} |")
    assert row(page, "MQTT-3.3.2-6").endswith(" | *waits for broker* |")
    assert row(page, "MQTT-1.5.4-2").endswith(" | **no test**: client, server |")


@pytest.mark.usefixtures("without_broker")
def test_gaps_are_those_of_layers_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert SUBJECT.main(["--gaps"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "5.0    MQTT-1.5.4-2   both    client, server  Strings hold no U+0000." in lines
    known = {(each.version, each.id): each for each in STATEMENTS}
    layers = {known[line.split()[0], line.split()[1]].layer for line in lines}
    assert layers == {"codec", "topics", "protocol", "transport"}


def test_gaps_of_one_layer_that_need_not_exist(tmp_path: Path) -> None:
    run = conformance(suite(tmp_path, "MQTT-6.0.0-3", "client"), "--gaps", "transport")
    assert run.returncode == 1
    assert {line[:21].rstrip() for line in run.stdout.splitlines()} == {
        *(f"3.1.1  MQTT-6.0.0-{number}" for number in range(1, 5)),
        *("3.1.1  MQTT-7.1.1-1", "3.1.1  MQTT-7.1.2-1"),
        *(f"5.0    MQTT-6.0.0-{number}" for number in range(1, 5)),
        "5.0    MQTT-4.2-1",
    }


def test_no_gaps_in_a_layer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cited = [
        SUBJECT.Citation(each.version, each.id, "both", "test_it.py::test_it", 1)
        for each in STATEMENTS
        if each.layer == "codec" and not each.reason
    ]
    monkeypatch.setattr(SUBJECT, "citations", lambda _: cited)
    assert SUBJECT.main(["--gaps", "codec"]) == 0
    assert capsys.readouterr().out == "no gaps in codec\n"
    monkeypatch.setattr(SUBJECT, "citations", lambda _: cited[1:])
    assert SUBJECT.main(["--gaps", "codec"]) == 1


def test_gaps_of_a_layer_that_is_none(tmp_path: Path) -> None:
    run = conformance(suite(tmp_path, "MQTT-1.5.4-1"), "--gaps", "session")
    assert run.returncode == 2
    assert "invalid choice: 'session'" in run.stderr


def test_a_statement_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    run = conformance(suite(tmp_path, "MQTT-1.5.4-9"))
    assert run.returncode == 1
    wrong = "test_suite.py::test_it cites MQTT 5.0 [MQTT-1.5.4-9], which does not exist"
    assert run.stderr.strip() == wrong


def test_a_reason_beside_a_test_is_refused() -> None:
    statement = SUBJECT.Statement("5.0", "MQTT-1-1", "codec", "both", "It is so.", "Too hard.")
    assert statement.state([]) == "not for a test"
    assert SUBJECT.wrong({}, [statement]) == []
    citation = SUBJECT.Citation("5.0", "MQTT-1-1", "both", "test_it", -1)
    assert SUBJECT.wrong({("5.0", "MQTT-1-1"): [citation]}, [statement]) == [
        "MQTT 5.0 [MQTT-1-1] has a reason why no test shows it, and tests that do"
    ]


def test_a_suite_that_cannot_be_collected_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text("import nothing_of_this_name\n", encoding="utf-8")
    run = conformance(tmp_path)
    assert run.returncode == 1
    assert "nothing_of_this_name" in run.stderr
