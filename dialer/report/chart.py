"""Charts as inline SVG: no script, no font, no file beside the page. Colours are CSS classes of the page's style sheet.

All functions return one `<svg>` element as text; texts that come from outside are escaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 30


@dataclass(frozen=True, slots=True)
class Series:
    """A line or a layer: `kind` names its CSS class, `values` has one value per x (None: unknown)."""

    label: str
    kind: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; `note` stands behind its value."""

    label: str
    value: float
    kind: str
    note: str = ""


def ticks(top: float, wanted: int = 4) -> list[float]:
    """Round numbers from 0 to at least `top`, about `wanted` steps."""
    if not top > 0:
        return [0.0, 1.0]
    raw = top / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw - 1e-12)
    return [step * index for index in range(math.ceil(top / step - 1e-9) + 1)]


def plain(value: float) -> str:
    """A number as people write it: no trailing zeros."""
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(value: float) -> str:
    """0.031 -> 3.1 %"""
    return f"{value * 100:.1f}".rstrip("0").rstrip(".") + " %"


def area(x: Sequence[float], layers: Sequence[Series], *, title: str, unit: str = "s") -> str:
    """Layers stacked upon each other over `x`."""
    tops = [sum(layer.values[index] or 0.0 for layer in layers) for index in range(len(x))]
    frame = _Frame(x, max(tops, default=0.0), plain)
    floor = [0.0] * len(x)
    paths = []
    for layer in layers:
        upper = [base + (value or 0.0) for base, value in zip(floor, layer.values, strict=True)]
        edge = [frame.point(at, value) for at, value in zip(x, upper, strict=True)]
        back = [frame.point(at, value) for at, value in zip(reversed(x), reversed(floor), strict=True)]
        if any(value for value in layer.values):
            points = " ".join([*edge, *back])
            paths.append(
                f'<polygon class="fill {layer.kind}" points="{points}"><title>{escape(layer.label)}</title></polygon>'
            )
        floor = upper
    return frame.svg(title, paths, unit)


def lines(
    x: Sequence[float],
    series: Sequence[Series],
    *,
    title: str,
    top: float | None = None,
    shown: Callable[[float], str] = plain,
    limit: tuple[float, str] | None = None,
    unit: str = "s",
) -> str:
    """Lines over `x`; `limit` is a dashed horizontal line with its label; `top` fixes the axis."""
    highest = max([value for line in series for value in line.values if value is not None] or [0.0])
    frame = _Frame(x, top if top is not None else max(highest, limit[0] * 1.3 if limit else 0.0), shown)
    parts = []
    for line in series:
        points = [
            frame.point(at, min(value, frame.top))
            for at, value in zip(x, line.values, strict=True)
            if value is not None
        ]
        if points:
            parts.append(
                f'<polyline class="line {line.kind}" points="{" ".join(points)}">{_hint(line.label)}</polyline>'
            )
    if limit is not None:
        y = frame.y(limit[0])
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="limit-label" x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">{escape(limit[1])}</text>'
        )
    return frame.svg(title, parts, unit)


def histogram(values: Sequence[float], edges: Sequence[float], *, title: str, kind: str, unit: str) -> str:
    """How many `values` lie between neighbouring `edges`; the last bin also takes all above."""
    counts = [0] * (len(edges) - 1)
    for value in values:
        index = next((place for place in range(len(counts)) if value < edges[place + 1]), len(counts) - 1)
        counts[index] += 1
    # room for the figure upon the highest bar
    frame = _Frame((0.0, float(len(counts))), 1.08 * max(counts, default=0), plain, axis=False)
    parts = []
    for index, count in enumerate(counts):
        left, right = frame.x(index), frame.x(index + 1)
        y = frame.y(count)
        above = "and more" if index == len(counts) - 1 else f"to {plain(edges[index + 1])}"
        hint = _hint(f"{plain(edges[index])} {above} {unit}: {count}")
        parts.append(
            f'<rect class="fill {kind}" x="{left + 1.5:.1f}" width="{right - left - 3:.1f}" y="{y:.1f}" '
            f'height="{max(0.0, frame.y(0) - y):.1f}" rx="2">{hint}</rect>'
        )
        if count:
            parts.append(
                f'<text class="value" x="{(left + right) / 2:.1f}" y="{y - 4:.1f}" text-anchor="middle">{count}</text>'
            )
        parts.append(_text("tick", left, HEIGHT - BOTTOM + 14, "middle", plain(edges[index])))
    parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(unit)}</text>')
    return frame.svg(title, parts, "")


def bars(items: Sequence[Bar], *, title: str) -> str:
    """Horizontal bars, in the order given."""
    row, label_width = 26, 130
    height = row * max(1, len(items)) + 8
    top = max([item.value for item in items] or [1.0]) or 1.0
    parts = []
    for index, item in enumerate(items):
        y = 4 + index * row
        width = (WIDTH - label_width - 110) * item.value / top
        parts.append(
            f'<text class="name" x="{label_width - 8}" y="{y + 16}" text-anchor="end">{escape(item.label)}</text>'
        )
        parts.append(
            f'<rect class="fill {item.kind}" x="{label_width}" y="{y + 3}" '
            f'width="{max(width, 1.5):.1f}" height="{row - 8}" rx="3"/>'
        )
        note = f' <tspan class="tick">{escape(item.note)}</tspan>' if item.note else ""
        parts.append(
            f'<text class="value" x="{label_width + max(width, 1.5) + 6:.1f}" y="{y + 16}">'
            f"{plain(item.value)}{note}</text>"
        )
    return _wrap(title, height, parts)


def legend(entries: Mapping[str, str]) -> str:
    """Label -> CSS class, as HTML."""
    return (
        '<p class="legend">'
        + "".join(f'<span><i class="{kind}"></i>{escape(label)}</span>' for label, kind in entries.items())
        + "</p>"
    )


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _hint(text: str) -> str:
    return f"<title>{escape(text)}</title>"


def _wrap(title: str, height: int, parts: Sequence[str]) -> str:
    label = escape(title, quote=True)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
    return head + "".join(parts) + "</svg>"


class _Frame:
    """The axes of a chart and the places of its points."""

    def __init__(self, x: Sequence[float], top: float, shown: Callable[[float], str], *, axis: bool = True) -> None:
        self._ticks = ticks(top)
        self.top = self._ticks[-1]
        self._first, self._last = (x[0], x[-1]) if x else (0.0, 1.0)
        self._shown = shown
        self._axis = axis

    def x(self, value: float) -> float:
        span = self._last - self._first or 1.0
        return LEFT + (value - self._first) / span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)

    def point(self, x: float, y: float) -> str:
        return f"{self.x(x):.1f},{self.y(y):.1f}"

    def svg(self, title: str, parts: Sequence[str], unit: str) -> str:
        grid = []
        for value in self._ticks:
            y = self.y(value)
            grid.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            grid.append(
                f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{self._shown(value)}</text>'
            )
        if self._axis:
            span = self._last - self._first
            grid.extend(
                _text("tick", self.x(self._first + at), HEIGHT - BOTTOM + 16, "middle", plain(at))
                for at in ticks(span, 6)
                if at <= span + 1e-9
            )
            grid.append(
                f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{escape(unit)}</text>'
            )
        return _wrap(title, HEIGHT, [*grid, *parts])
