"""Percents on a terminal."""

import io
import sys

import pytest

from mqttproto.cli.progress import MessageProgress, Progress

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


class Clock:
    """A time that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(
    monkeypatch: pytest.MonkeyPatch, total: int = 0
) -> tuple[Terminal, Clock, MessageProgress]:
    terminal, clock = on_a_terminal(monkeypatch), Clock()
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return terminal, clock, MessageProgress(clock).over(total)


def test_messages_are_counted_once_it_takes_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock, progress = counting(monkeypatch)
    for moment in (0.0, 0.9, 1.0, 1.1, 1.15, 1.3):
        clock.now = moment
        progress.sent()
    assert terminal.getvalue() == "\r3 messages\r6 messages"
    progress.clear()
    assert terminal.getvalue().endswith("\r          \r")


def test_messages_have_percents_where_the_whole_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock, progress = counting(monkeypatch, 1000)
    clock.now = 1.0
    for count in (70, 5000):
        progress.advance(count)
        progress.sent()
        clock.now += 1.0
    assert terminal.getvalue() == "\r  7 %  1 messages\r100 %  2 messages"


def test_what_is_typed_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock, _ = counting(monkeypatch)
    monkeypatch.setattr(sys, "stdin", terminal)
    progress = MessageProgress(clock)
    clock.now = 10.0
    progress.sent()
    progress.clear()
    assert terminal.getvalue() == ""


def test_closed_streams_are_no_place_for_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, clock, _ = counting(monkeypatch)
    monkeypatch.setattr(sys, "stdin", None)
    progress = MessageProgress(clock)
    clock.now = 10.0
    progress.sent()
    assert terminal.getvalue() == "\r1 messages"
    monkeypatch.setattr(sys, "stderr", None)
    MessageProgress(clock).sent()
