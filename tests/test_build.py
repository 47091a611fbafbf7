"""What a build promises: one version, one dependency, and every core module at one speed."""

import ast
import importlib
import re
import subprocess
import sys
from importlib import metadata, resources
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import mqttproto

SETUP = ast.parse((Path(__file__).parents[1] / "setup.py").read_text(encoding="utf-8"))
COMPILED = next(
    ast.literal_eval(node.value)
    for node in SETUP.body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED"
)

# The rest runs once, at import or at build, or is an enumeration: compiled, it would gain nothing.
INTERPRETED = {
    "codec": {"__init__", "_scan_build", "faults", "headers", "hints"},
    "protocol": {"__init__", "authentication", "handshakes", "leniency", "transitions"},
}


def python(*arguments: str) -> str:
    """Run the interpreter under test, with its path only, and return what it prints."""
    command = [sys.executable, "-P", "-W", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_version_has_one_source() -> None:
    assert metadata.version("mqttproto") == mqttproto.__version__


def test_cffi_is_the_only_dependency() -> None:
    required = metadata.requires("mqttproto") or []
    assert [re.split(r"\W", line)[0] for line in required if "extra ==" not in line] == ["cffi"]


def test_importing_the_package_loads_nothing_foreign() -> None:
    foreign = python(
        "-c",
        "import sys; before = set(sys.modules); import mqttproto, mqttproto.codec; "
        "names = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(names - set(sys.stdlib_module_names)))",
    )
    assert set(foreign.split()) <= {"mqttproto", "_cffi_backend"}


def test_the_types_are_published() -> None:
    package = resources.files("mqttproto")
    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("codec", "_scan.pyi").is_file()


@pytest.mark.parametrize("package", INTERPRETED)
def test_every_core_module_is_compiled_or_named_as_not(package: str) -> None:
    folder = Path(mqttproto.__file__).parent / package
    listed = {Path(path).stem for path in COMPILED if f"/{package}/" in path}
    assert listed | INTERPRETED[package] == {path.stem for path in folder.glob("*.py")}
    assert not listed & INTERPRETED[package]


@pytest.mark.parametrize("path", COMPILED)
def test_all_listed_modules_have_the_same_speed(path: str, speed: str) -> None:
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    assert module.__file__ is not None
    assert module.__file__.endswith(tuple(EXTENSION_SUFFIXES)) == speed.startswith("compiled")


def test_the_module_is_the_command() -> None:
    assert python("-m", "mqttproto", "--version").split()[:2] == ["mqttproto", "0.1.0"]
