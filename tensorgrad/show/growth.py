"""How a search went, as a small plot: nodes and cost round by round."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.cost import amount
from tensorgrad.show.svg import FONT, INK, PAPER, SOFT, text

WIDTH, HEIGHT, MARGIN, LEFT = 520.0, 110.0, 26.0, 12.0
"""Of one panel, and the room around it."""
NODES, COST = "#1d4ed8", "#c2410c"


def growth_svg(nodes: Sequence[int], costs: Sequence[int | None], unit: str) -> str:
    """Two panels over the rounds: nodes, and the cost of the best form where it was followed.

    >>> growth_svg([3, 8, 9], [None, None, None], "flops").count("<polyline")
    1
    """
    panels = [_panel("nodes", nodes, NODES, 0.0)]
    known = [c for c in costs if c is not None]
    if known and len(known) == len(costs):
        panels.append(_panel(f"{unit} of the best form", known, COST, HEIGHT + MARGIN))
    height = len(panels) * (HEIGHT + MARGIN) + MARGIN
    y = height - 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}" height="{height:g}" '
    lines = [
        f'{head}viewBox="0 0 {WIDTH:g} {height:g}" role="img" {FONT}>',
        f"<title>{text(f'rounds: {len(nodes) - 1}, nodes: {nodes[-1]:,}')}</title>",
        f'<rect width="{WIDTH:g}" height="{height:g}" rx="6" fill="{PAPER}"/>',
        *panels,
        _text("start", LEFT, y, SOFT, "start"),
        _text(f"round {len(nodes) - 1}", WIDTH - LEFT, y, SOFT, "end"),
        "</svg>",
    ]
    return "\n".join(lines)


def _panel(title: str, values: Sequence[int], color: str, top: float) -> str:
    """One line over the rounds, from 0; first and last value, and the highest, are said."""
    most, base = max(1, *values), top + MARGIN + HEIGHT - 12
    across, up = WIDTH - 2 * LEFT, HEIGHT - 34
    # In fractions, for a number of operations may have hundreds of digits.
    points = [
        (LEFT + across * k / max(1, len(values) - 1), base - up * (value * 10_000 // most) / 10_000)
        for k, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{color}"/>' for x, y in points)
    said = f"{title}: {amount(values[0])} → {amount(values[-1])}"
    if most > max(values[0], values[-1]):
        said += f" (most {amount(most)})"
    return (
        f'<path d="M{LEFT:g} {base:g}H{WIDTH - LEFT:g}" stroke="#cbd2dc"/>'
        f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.8"/>'
        f"{dots if len(points) <= 60 else ''}{_text(said, LEFT, top + MARGIN, INK, 'start')}"
    )


def _text(value: str, x: float, y: float, color: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="12" text-anchor="{anchor}" fill="{color}">{text(value)}</text>'
