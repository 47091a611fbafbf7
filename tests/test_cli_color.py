"""Colours on a terminal."""

import io
import sys

import pytest

from mqttproto.cli.color import CHOICES, Color, Palette
from test_cli_progress import Terminal

PAINTED = "\x1b[31mtext\x1b[0m"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def shown(choice: str) -> str:
    return Palette(choice).paint("text", Color.WRONG)


def test_each_use_has_a_color_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert len({Palette("auto").paint("text", color) for color in Color}) == len(Color)
    assert shown("auto") == PAINTED


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_what_is_no_terminal_gets_none(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    assert [shown(choice) for choice in CHOICES] == ["text", PAINTED, "text"]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_may_forbid_them(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv(name, value)
    assert [shown(choice) for choice in CHOICES] == ["text", PAINTED, "text"]


def test_an_empty_no_color_forbids_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    assert [shown(choice) for choice in CHOICES] == [PAINTED, PAINTED, "text"]
