"""Plots as SVG files that stand alone: light and dark ground, no script, no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
text { font: 12px system-ui, 'Segoe UI', sans-serif; fill: #5c6b7a }
text.title { font-weight: 650; fill: #17202a; font-size: 13px }
line { stroke: #e3e7ec } .ours { stroke: #0f8a5f; fill: #0f8a5f } .optimum { stroke: #17202a; fill: #17202a }
.shipped { stroke: #4f81bd; fill: #4f81bd } .tuned { stroke: #e0a526; fill: #e0a526 }
.told { stroke: #93a1b0; fill: #93a1b0 }
.cap { stroke: #c62f3b; stroke-dasharray: 4 3 } polyline { fill: none !important; stroke-width: 2.2 }
text.ours, text.optimum, text.shipped, text.tuned, text.told { stroke: none } .paper { fill: #fff }
@media (prefers-color-scheme: dark) { text { fill: #93a1b0 } text.title { fill: #e8edf2 }
line { stroke: #2c3540 } .paper { fill: #12161b }
.optimum { stroke: #e8edf2; fill: #e8edf2 } .ours { stroke: #3ecf94; fill: #3ecf94 } }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """A rectangle of a figure: its place in pixels, and the numbers at its edges."""

    left: float
    top: float
    width: float
    height: float
    x_from: float
    x_to: float
    y_from: float
    y_to: float

    def x(self, value: float) -> float:
        """Pixels."""
        return self.left + self.width * (value - self.x_from) / (self.x_to - self.x_from)

    def y(self, value: float) -> float:
        """Pixels."""
        return self.top + self.height * (1.0 - (value - self.y_from) / (self.y_to - self.y_from))

    def across(self, y: float, label: str) -> str:
        """A horizontal grid line with its label."""
        at = self.y(y)
        return (
            f'<line x1="{self.left:.1f}" x2="{self.left + self.width:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{self.left - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )

    def below(self, x: float, label: str) -> str:
        """A label under the panel."""
        y = self.top + self.height + 16
        return f'<text x="{self.x(x):.1f}" y="{y:.1f}" text-anchor="middle">{escape(label)}</text>'

    def line(self, points: Sequence[tuple[float, float]], kind: str, *, dashed: bool = False) -> str:
        """A line through `points`, with a dot at each."""
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        dots = "".join(self.dot(x, y, kind, 2.6) for x, y in points)
        return f'<polyline class="{kind}" points="{path}"{dash}/>{dots}'

    def dot(self, x: float, y: float, kind: str, size: float = 4.0) -> str:
        """A dot."""
        return f'<circle class="{kind}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{size}"/>'


def label(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Words at a place in pixels."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def figure(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """The whole file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
    )
    return (
        f'{head}<style>{STYLE}</style><rect class="paper" width="100%" height="100%"/>' + "\n".join(parts) + "</svg>\n"
    )
