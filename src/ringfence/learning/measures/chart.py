"""Small charts as SVG text: no script, no font, no picture from elsewhere; colours come from the page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.learning.measures.metrics import Floats

WIDTH: Final = 440
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 40
_MOST_POINTS: Final = 400


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart: points by x, and how it is drawn (`main`, `other`, `faint`, `step`)."""

    x: Floats
    y: Floats
    name: str = ""
    style: str = "main"
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, from where to where; `log` in tens."""

    title: str
    low: float
    high: float
    log: bool = False

    def place(self, values: Floats) -> Floats:
        """0 to 1 along the axis."""
        low, high, at = self.low, self.high, np.asarray(values, np.float64)
        if self.log:
            low, high, at = np.log10(low), np.log10(high), np.log10(np.maximum(at, self.low))
        return np.clip((at - low) / max(high - low, 1e-12), 0, 1)

    def ticks(self) -> list[float]:
        """Round numbers along it."""
        if self.log:
            first, last = int(np.ceil(np.log10(self.low))), int(np.floor(np.log10(self.high) + 1e-9))
            return [10.0**power for power in range(first, last + 1)]
        span = max(self.high - self.low, 1e-12)
        step = 10.0 ** np.floor(np.log10(span / 4))
        step *= next(k for k in (1, 2, 5, 10) if span / (k * step) <= 5)
        first_tick = np.ceil(self.low / step - 1e-9)
        return [float(step * k) for k in np.arange(first_tick, np.floor(self.high / step + 1e-9) + 1)]


def line_chart(title: str, lines: Sequence[ChartLine], x: Axis, y: Axis) -> str:
    """Lines over two axes, with a legend where more than one has a name."""
    body = [_frame(x, y), *(_path(line, x, y) for line in lines)]
    named = [line for line in lines if line.name]
    legend = "".join(
        f'<span class="key {line.style}"></span>{escape(line.name)} ' for line in named if len(named) > 1
    )
    return _figure(title, "".join(body), legend)


def bar_chart(title: str, edges: Floats, series: Sequence[ChartLine], x: Axis, y: Axis) -> str:
    """Histograms over common bin edges; each series' y are the heights of the bins."""
    body = [_frame(x, y)]
    places = _across(x.place(edges))
    for line in series:
        tops = _down(y.place(line.y))
        for left, right, top, height in zip(places, places[1:], tops, line.y, strict=False):
            if height > 0:
                box = f'x="{left:.1f}" y="{top:.1f}" width="{max(right - left - 0.5, 0.5):.1f}"'
                body.append(f'<rect class="bar {line.style}" {box} height="{_down(0.0) - top:.1f}"/>')
    legend = "".join(f'<span class="key {one.style}"></span>{escape(one.name)} ' for one in series)
    return _figure(title, "".join(body), legend)


def shares_chart(title: str, shares: dict[str, float], most: int = 20) -> str:
    """Horizontal bars, largest first."""
    top = list(shares.items())[:most]
    highest = max((share for _, share in top), default=1.0) or 1.0
    rows = "".join(
        f'<tr><td class="name">{escape(name)}</td><td class="bar"><svg viewBox="0 0 100 1" '
        f'preserveAspectRatio="none"><rect width="{100 * share / highest:.1f}" height="1"/></svg></td>'
        f'<td class="number">{share:.1%}</td></tr>'
        for name, share in top
    )
    caption = f"<figcaption>{escape(title)}</figcaption>"
    return f'<figure class="wide">{caption}<table class="bars">{rows}</table></figure>'


def _figure(title: str, body: str, legend: str) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg><p class="legend">{legend}</p></figure>'
    )


def _frame(x: Axis, y: Axis) -> str:
    parts = []
    for value in y.ticks():
        at = _down(float(y.place(np.array([value]))[0]))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{at + 4:.1f}" text-anchor="end">{_short(value)}</text>')
    for value in x.ticks():
        at = _across(float(x.place(np.array([value]))[0]))
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 17}" text-anchor="middle">{_short(value)}</text>'
        )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        f'<line class="base" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{_down(0.0)}" y2="{_down(0.0)}"/>'
    )
    parts.append(
        f'<text class="title" x="{middle:.0f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x.title)}</text>'
        f'<text class="title" transform="translate(13 {HEIGHT / 2 - 12:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>'
    )
    return "".join(parts)


def _path(line: ChartLine, x: Axis, y: Axis) -> str:
    keep = _thinned(len(line.x))
    across, down = _across(x.place(line.x[keep])), _down(y.place(line.y[keep]))
    points = " ".join(f"{left:.1f},{top:.1f}" for left, top in zip(across, down, strict=True))
    drawn = f'<polyline class="{line.style}" points="{points}"/>'
    if line.dots:
        drawn += "".join(
            f'<circle class="{line.style}" cx="{left:.1f}" cy="{top:.1f}" r="3"/>'
            for left, top in zip(across, down, strict=True)
        )
    return drawn


def _thinned(size: int) -> Floats:
    """At most so many places, the first and the last among them."""
    return (
        np.unique(np.linspace(0, size - 1, min(size, _MOST_POINTS)).astype(np.int64))
        if size
        else np.empty(0, int)
    )


def _across(place: Floats | float) -> Floats:
    return _LEFT + np.asarray(place) * (WIDTH - _LEFT - _RIGHT)


def _down(place: Floats | float) -> Floats:
    return HEIGHT - _BOTTOM - np.asarray(place) * (HEIGHT - _TOP - _BOTTOM)


def _short(value: float) -> str:
    """A tick's text.

    >>> _short(0.001), _short(1500000.0), _short(0.0), _short(25.0)
    ('0.001', '1.5M', '0', '25')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}" if value == 0 or abs(value) >= 1e-4 else f"{value:.0e}"
