"""A plot of bars, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

__all__ = ["Bar", "Panel", "draw"]

_COLUMNS: Final = 2
_PANEL_WIDTH: Final = 500
_LABELS: Final = 212
"""The width of the names, left of the bars."""
_FIGURES: Final = 96
"""The width of the figures, right of them."""
_ROW: Final = 19
_HEAD: Final = 34
_GAP: Final = 18

_STYLE: Final = """\
text { font: 12px sans-serif; fill: #1f2328; }
.title { font-weight: bold; }
.figure { font-size: 11px; fill: #59636e; }
.ours { fill: #2f6fde; }
.peer { fill: #b4bcc6; }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    :ivar label: its name.
    :ivar length: how long it is, in any unit.
    :ivar figure: what stands at its end.
    :ivar ours: whether it is drawn in the colour of ours.
    """

    label: str
    length: float
    figure: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """Some bars that have one scale, the longest on top, and a title over them."""

    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return _HEAD + _ROW * len(self.bars) + _GAP


def _panel(panel: Panel, left: int, top: int) -> list[str]:
    longest = max(bar.length for bar in panel.bars)
    width = _PANEL_WIDTH - _LABELS - _FIGURES
    parts = [f'<text class="title" x="{left}" y="{top + 20}">{escape(panel.title)}</text>']
    for number, bar in enumerate(panel.bars):
        y = top + _HEAD + _ROW * number
        end = left + _LABELS + max(1.0, width * bar.length / longest)
        kind = "ours" if bar.ours else "peer"
        parts += [
            f'<text x="{left + _LABELS - 8}" y="{y + 12}" text-anchor="end">'
            f"{escape(bar.label)}</text>",
            f'<rect class="{kind}" x="{left + _LABELS}" y="{y + 1}"'
            f' width="{end - left - _LABELS:.1f}" height="{_ROW - 4}" rx="2"/>',
            f'<text class="figure" x="{end + 5:.1f}" y="{y + 12}">{escape(bar.figure)}</text>',
        ]
    return parts


def draw(panels: Sequence[Panel], title: str) -> str:
    """Draw panels in two columns.

    :param title: what the plot shows, for those who cannot see it.
    """
    parts: list[str] = []
    top = _GAP // 2
    for start in range(0, len(panels), _COLUMNS):
        row = panels[start : start + _COLUMNS]
        for column, panel in enumerate(row):
            parts += _panel(panel, _GAP + column * (_PANEL_WIDTH + _GAP), top)
        top += max(panel.height for panel in row)
    width = _GAP + _COLUMNS * (_PANEL_WIDTH + _GAP)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}"'
        f' viewBox="0 0 {width} {top}" role="img">'
    )
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f"<style>\n{_STYLE}</style>",
            f'<rect width="{width}" height="{top}" rx="6" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )
