"""What the whole suite runs under: the speed it was told to test, peers, profiles, markers."""

import os
import re
from collections.abc import Generator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

import mqttproto
from mqttproto.codec import decoder, scanner

LONGEST = "test_laws.py"
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# Time is no property of what is tested: a machine with other work to do must not fail a test.
settings.register_profile("base", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", settings.get_profile("base"))
# A gate gives the same answer twice; what it found can be replayed elsewhere.
settings.register_profile(
    "ci",
    settings.get_profile("base"),
    max_examples=200,
    derandomize=True,
    print_blob=True,
    database=None,
)
settings.register_profile(
    "thorough", settings.get_profile("base"), max_examples=10_000, print_blob=True
)
# Coverage makes everything take twice as long, and the wheel is tested once more: CI runs the
# whole suite under "ci" at the two speeds that are left.
settings.register_profile("quick", settings.get_profile("ci"), max_examples=50)
# To find that there is a bug, and no more: what is planted needs no smallest example.
settings.register_profile(
    "hunt",
    settings.get_profile("ci"),
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def speed_under_test() -> str:
    """Name what was imported: ``pure``, ``c``, ``compiled``, or a mixture that nobody ships."""
    compiled = decoder.__file__.endswith(tuple(EXTENSION_SUFFIXES))
    names = {(False, "python"): "pure", (False, "c"): "c", (True, "c"): "compiled"}
    return names.get((compiled, scanner.backend), "compiled with the Python scanner")


@pytest.fixture(scope="session")
def speed() -> str:
    """The speed under test, as ``MQTTPROTO_EXPECT`` names it."""
    return speed_under_test()


def pytest_report_header() -> str:
    folder = Path(mqttproto.__file__).parent
    return f"mqttproto: {mqttproto.__version__}, speed {speed_under_test()}, from {folder}"


def pytest_sessionstart() -> None:
    """Refuse to test another speed than ``MQTTPROTO_EXPECT`` names, if it names one."""
    expected = os.environ.get("MQTTPROTO_EXPECT", "")
    if expected not in ("", speed_under_test()):
        raise pytest.UsageError(
            f"MQTTPROTO_EXPECT is {expected}, but the speed under test is {speed_under_test()}"
        )


def check_spec_marker(version: str, id: str, *, role: str) -> None:
    """Raise ValueError or TypeError unless the arguments of a ``spec`` marker cite a statement."""
    if version not in ("3.1.1", "5.0"):
        raise ValueError(f"version {version!r} is not 3.1.1 or 5.0")
    if not re.fullmatch(r"MQTT-\d+(\.\d+)+-\d+|section \d+(\.\d+)*", id):
        raise ValueError(f"id {id!r} is neither a statement's nor a section's")
    if role not in ("client", "server", "both"):
        raise ValueError(f"role {role!r} is not client, server or both")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes, by pytest-xdist
        # What takes longest begins first: begun last, it would keep one process busy alone.
        items.sort(key=lambda item: item.path.name != LONGEST)
    for item in items:
        for marker in item.iter_markers("spec"):
            try:
                check_spec_marker(*marker.args, **marker.kwargs)
            except (TypeError, ValueError) as error:
                raise pytest.UsageError(f"{item.nodeid}: spec marker: {error}") from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a peer that is missing is a failure: it was installed so that the test would run."""
    report = yield
    if IN_CI and report.skipped and item.get_closest_marker("peer"):
        report.outcome = "failed"
        report.longrepr = f"a peer test was skipped in CI: {report.longrepr}"
    return report
