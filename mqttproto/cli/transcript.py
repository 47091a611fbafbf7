"""Connections as a sequence of lines; without any I/O."""

from collections.abc import Iterable
from typing import Final

from mqttproto.cli.color import Color, Palette
from mqttproto.cli.conversation import Conversation, Remark
from mqttproto.cli.text import amount, visible
from mqttproto.constants import Sender

__all__ = ["Transcript"]

_ARROWS: Final = {Sender.CLIENT: "->", Sender.SERVER: "<-"}
_COLORS: Final = {Sender.CLIENT: Color.CLIENT, Sender.SERVER: Color.SERVER}


class Transcript:
    """What goes on between clients and a server, for a person to read.

    Its methods return lines, each with its end. ``now`` is in seconds since the start.
    """

    def __init__(self, palette: Palette) -> None:
        self._palette: Final = palette
        self._open: Final[dict[int, Conversation]] = {}
        self._first_end: Final[dict[int, str]] = {}
        self._connections = 0
        self._faults = 0
        self._packets: Final = dict.fromkeys(Sender, 0)
        self._sizes: Final = dict.fromkeys(Sender, 0)

    def begins(self, now: float, what: str) -> str:
        """The work begins."""
        return self._line(now, "", "--", what)

    def connected(self, now: float, number: int, peer: str) -> str:
        """A client has connected.

        :param number: of the connection, from 1.
        :param peer: where the client is.
        """
        self._connections += 1
        self._open[number] = Conversation()
        return self._line(now, f"#{number}", "--", f"{peer or 'a client'} has connected")

    def unreachable(self, now: float, number: int, problem: str) -> str:
        """The server cannot be reached for this connection."""
        del self._open[number]
        return self._line(now, f"#{number}", "!!", problem, Color.WRONG)

    def said(self, now: float, number: int, sender: Sender, data: bytes) -> str:
        """One end of a connection has sent something."""
        return self._remarks(now, number, self._open[number].feed(sender, data))

    def ended(self, now: float, number: int, sender: Sender, problem: str = "") -> str:
        """One end of a connection sends no more.

        :param problem: why, if it has not just closed.
        """
        text = f"the {sender.value} has closed it" if not problem else f"{sender.value}: {problem}"
        self._first_end.setdefault(number, text)
        return self._remarks(now, number, self._open[number].end(sender))

    def closed(self, now: float, number: int) -> str:
        """A connection is over."""
        conversation = self._open.pop(number)
        for sender in Sender:
            self._packets[sender] += conversation.packets(sender)
            self._sizes[sender] += conversation.size(sender)
        why = self._first_end.pop(number, "it was cut")
        sent = ", ".join(
            f"{_ARROWS[sender]} {_packets(conversation.packets(sender), conversation.size(sender))}"
            for sender in Sender
        )
        return self._line(now, f"#{number}", "--", f"{why}: {sent}")

    def summary(self, now: float) -> str:
        """The work is done: what it was."""
        faults = "1 fault" if self._faults == 1 else f"{self._faults or 'no'} faults"
        connections = (
            "1 connection" if self._connections == 1 else f"{self._connections} connections"
        )
        sent = ", ".join(
            f"{_ARROWS[sender]} {_packets(self._packets[sender], self._sizes[sender])}"
            for sender in Sender
        )
        return self._line(now, "", "--", f"{connections}: {sent}, {faults}")

    def _remarks(self, now: float, number: int, remarks: Iterable[Remark]) -> str:
        return "".join([self._remark(now, number, remark) for remark in remarks])

    def _remark(self, now: float, number: int, remark: Remark) -> str:
        if remark.is_packet:
            color = _COLORS[remark.sender]
            return self._line(now, f"#{number}", _ARROWS[remark.sender], remark.text, color)
        self._faults += 1
        text = f"{remark.sender.value}: {remark.text}"
        return self._line(now, f"#{number}", "!!", text, Color.WRONG)

    def _line(self, now: float, number: str, mark: str, text: str, color: Color = Color.DIM) -> str:
        head = self._palette.paint(f"{now:10.3f}  {number:<4}", Color.DIM)
        return f"{head} {self._palette.paint(f'{mark} {visible(text)}', color)}\n"


def _packets(count: int, size: int) -> str:
    return f"{'1 packet' if count == 1 else f'{count} packets'} in {amount(size)}"
