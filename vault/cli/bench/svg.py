"""A plot of growth, as SVG text: what a vault's size does to reads, to the disk and to memory.

Written by hand, because it is three small panels and a library for plots is larger than the vault. The number of
customers stands on a logarithmic axis, everything else starts at zero, so that what is flat looks flat.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

_WIDTH: Final = 300
_HEIGHT: Final = 220
_LEFT: Final = 60
_TOP: Final = 40
_PLOT_WIDTH: Final = 210
_PLOT_HEIGHT: Final = 130
_PANELS: Final = (
    ("contact reads, ms", (("p50_ms", "p50", "#0a58ca"), ("p99_ms", "p99", "#b02a37"))),
    ("bytes for each customer", (("bytes_per_customer", "both stores", "#146c43"),)),
    ("memory of the server, MiB", (("memory_mib", "resident", "#6f42c1"),)),
)

Points = Sequence[Mapping[str, float]]


def growth(points: Points) -> str:
    """The plot of a growth case's points."""
    panels = "".join(_panel(n * _WIDTH, title, lines, points) for n, (title, lines) in enumerate(_PANELS))
    width = _WIDTH * len(_PANELS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}" '
        f'font-family="sans-serif" font-size="11">\n<rect width="{width}" height="{_HEIGHT}" fill="white"/>\n'
        f"{panels}</svg>\n"
    )


def _panel(left: int, title: str, lines: Sequence[tuple[str, str, str]], points: Points) -> str:
    most = nice(max(point[key] for point in points for key, _, _ in lines))
    parts = [f'<text x="{left + _LEFT}" y="22" font-size="13">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = _y(share * most, most)
        parts.append(
            f'<line x1="{left + _LEFT}" y1="{y}" x2="{left + _LEFT + _PLOT_WIDTH}" y2="{y}" stroke="#ccc"/>'
            f'<text x="{left + _LEFT - 6}" y="{y + 4}" text-anchor="end">{share * most:,g}</text>'
        )
    for point in points:
        x = _x(left, point["customers"], points)
        parts.append(f'<text x="{x}" y="{_TOP + _PLOT_HEIGHT + 18}" text-anchor="middle">{_short(point)}</text>')
    for key, name, colour in lines:
        at = [(_x(left, point["customers"], points), _y(point[key], most)) for point in points]
        path = " ".join(f"{x},{y}" for x, y in at)
        dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in at)
        x, y = at[-1]
        label = f'<text x="{x}" y="{y - 7}" text-anchor="end" fill="{colour}">{name}</text>'
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{label}')
    middle = left + _LEFT + _PLOT_WIDTH / 2
    parts.append(f'<text x="{middle:g}" y="{_TOP + _PLOT_HEIGHT + 36}" text-anchor="middle">customers</text>')
    return "\n".join(parts) + "\n"


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, … that is not below a value."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _x(left: int, customers: float, points: Points) -> float:
    first, last = (math.log10(points[n]["customers"]) for n in (0, -1))
    share = (math.log10(customers) - first) / (last - first) if last > first else 0.5
    return round(left + _LEFT + share * _PLOT_WIDTH, 1)


def _y(value: float, most: float) -> float:
    return round(_TOP + (1 - value / most) * _PLOT_HEIGHT, 1)


def _short(point: Mapping[str, float]) -> str:
    customers = point["customers"]
    thousand, million = 1_000, 1_000_000
    if customers >= million:
        return f"{customers / million:g} M"
    return f"{customers / thousand:g} k" if customers >= thousand else f"{customers:g}"
