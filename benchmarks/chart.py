"""Curves on two logarithmic scales, as SVG: a line that grows with the number of nodes rises by 45 degrees or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 20, 48
COLOURS = ("#1f6f8b", "#d1495b", "#66a182", "#8d5a97", "#b8860b", "#555555", "#c46210")


def chart(lines: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str) -> str:
    """Return the picture of these lines, each a list of points; all values are above 0."""
    points = [point for line in lines.values() for point in line]
    xs, ys = _decades([x for x, _ in points]), _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        along = (log10(x) - xs[0]) / (xs[-1] - xs[0])
        above = (log10(y) - ys[0]) / (ys[-1] - ys[0])
        return LEFT + along * wide, TOP + (1 - above) * high

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in xs:
        x, bottom = at(10**power, 10 ** ys[0])
        parts.append(f'<path d="M{x:.1f} {TOP}V{bottom:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{_number(power)}</text>')
    for power in ys:
        left, y = at(10 ** xs[0], 10**power)
        parts.append(f'<path d="M{left:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{_number(power)}</text>')
    ends: list[float] = []
    for colour, (name, line) in zip(COLOURS, sorted(lines.items(), key=lambda item: -item[1][-1][1]), strict=False):
        places = [at(x, y) for x, y in line]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        ends.append(max(places[-1][1], ends[-1] + 15) if ends else places[-1][1])
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{ends[-1] + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _decades(values: Sequence[float]) -> range:
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return range(low, max(high, low + 1) + 1)


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10**power:.{-power}f}"
