"""Percents on a terminal."""

import io
import sys

import pytest

from mqttproto.cli.progress import Progress

LARGE = 100 << 20


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal and standard output none; return the terminal."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    return terminal


def test_each_percent_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    progress = Progress(LARGE)
    for _ in range(4):
        progress.advance(LARGE // 200)
    progress.clear()
    assert terminal.getvalue() == "\r  0 %\r  1 %\r  2 %\r     \r"


def test_a_growing_file_stops_at_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    progress = Progress(LARGE)
    progress.advance(LARGE)
    progress.advance(LARGE)
    assert terminal.getvalue() == "\r100 %"


@pytest.mark.parametrize("total", [0, (1 << 24) - 1])
def test_short_work_shows_none(monkeypatch: pytest.MonkeyPatch, total: int) -> None:
    terminal = on_a_terminal(monkeypatch)
    progress = Progress(total)
    progress.advance(1)
    progress.clear()
    assert terminal.getvalue() == ""


def test_output_on_the_terminal_is_progress_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", terminal)
    Progress(LARGE).advance(LARGE)
    assert terminal.getvalue() == ""


def test_a_file_is_no_place_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    Progress(LARGE).advance(LARGE)
    assert stream.getvalue() == ""


def test_closed_streams_are_no_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", None)
    Progress(LARGE).advance(LARGE)
    assert terminal.getvalue() == "\r100 %"
    monkeypatch.setattr(sys, "stderr", None)
    Progress(LARGE).advance(LARGE)
