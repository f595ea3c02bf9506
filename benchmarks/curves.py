"""Cumulative curves of columns of numbers as a page of plots, self-contained, light and dark."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, BOTTOM = 360, 220, 36, 24
COLOURS = ("#0f766e", "#c2410c", "#6d28d9")
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1180px; padding: 0 1rem;
  background: light-dark(#fff, #16181d); color: light-dark(#1c2026, #e4e7ec); color-scheme: light dark }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(360px, 1fr)); gap: 1rem }
figure { margin: 0 } figcaption { font-weight: 600 }
svg { width: 100%; height: auto } text { font-size: 10px; fill: currentColor; opacity: .75 }
.grid { stroke: currentColor; opacity: .15 } path { fill: none; stroke-width: 1.6 }
.key span { margin-right: 1.2rem; font-weight: 600 }
"""


def page(title: str, plots: Sequence[tuple[str, Mapping[str, np.ndarray], bool]]) -> str:
    """HTML with one plot per title, columns by name, and whether the axis is logarithmic."""
    names = list(dict.fromkeys(name for _, columns, _ in plots for name in columns))
    colour = dict(zip(names, COLOURS, strict=False))
    key = "".join(f'<span style="color:{colour[name]}">{escape(name)}</span>' for name in names)
    figures = "".join(_figure(*plot, colour) for plot in plots)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1><p>Share of values up to x.</p>"
        f'<p class="key">{key}</p><main>{figures}</main></html>'
    )


def _figure(title: str, columns: Mapping[str, np.ndarray], logarithmic: bool, colour: dict[str, str]) -> str:
    low = min(float(np.quantile(one, 0.002)) for one in columns.values())
    high = max(float(np.quantile(one, 0.998)) for one in columns.values())
    if logarithmic:
        low, high = np.log10(max(low, 1e-3)), np.log10(max(high, 2e-3))
    lines = [_line(one, low, high, logarithmic, colour[name]) for name, one in columns.items()]
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{_axes(low, high, logarithmic)}{"".join(lines)}</svg></figure>'
    )


def _line(column: np.ndarray, low: float, high: float, logarithmic: bool, colour: str) -> str:
    shares = np.linspace(0.002, 0.998, 200)
    values = np.quantile(column, shares)
    if logarithmic:
        values = np.log10(np.maximum(values, 1e-3))
    x = LEFT + (values - low) / max(high - low, 1e-9) * (WIDTH - LEFT - 8)
    y = 8 + (1 - shares) * (HEIGHT - BOTTOM - 8)
    points = " L".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<path d="M{points}" stroke="{colour}"/>'


def _axes(low: float, high: float, logarithmic: bool) -> str:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = 8 + (1 - share) * (HEIGHT - BOTTOM - 8)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3}" text-anchor="end">{share:.0%}</text>')
    ticks = np.arange(np.ceil(low), np.floor(high) + 1) if logarithmic else np.linspace(low, high, 5)
    for tick in ticks:
        x = LEFT + (tick - low) / max(high - low, 1e-9) * (WIDTH - LEFT - 8)
        said = f"{10**tick:g}" if logarithmic else f"{tick:.3g}"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{said}</text>')
    return "".join(parts)
