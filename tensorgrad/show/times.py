"""Times of several programs as a plot: for every case, how many times as long as ours each takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorgrad.errors import UnsupportedError

KINDS = (".svg", ".png", ".pdf")
MARKS = "osD^vPX*"
LOSS = "#fee2e2"
"""Behind the part where ours takes longer."""
WIDTH, ROW, ROOM = 9.0, 0.26, 1.5
"""Inches: of the plot, of one row, and above and below all rows."""


def save_ratios(rows: Sequence[tuple[str, Mapping[str, float]]], path: str | Path, title: str) -> None:
    """Write the plot to a file: a row for each case, a mark for each program, left of 1 where ours takes longer.

    Args: rows, of a case and the time of each program relative to ours; path, .svg, .png or .pdf; title.
    Raises UnsupportedError for another kind of file, and without matplotlib.

    >>> save_ratios([("chain", {"torch": 2.0})], "times.bmp", "")
    Traceback (most recent call last):
    tensorgrad.errors.UnsupportedError: not supported yet: plots of the kind .bmp: name a file .svg, .png or .pdf
    """
    target = Path(path)
    if target.suffix not in KINDS:
        raise UnsupportedError(f"plots of the kind {target.suffix or target}: name a file .svg, .png or .pdf")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ModuleNotFoundError as missing:
        raise UnsupportedError("plots without matplotlib: pip install 'tensorgrad[images]'") from missing
    # The salt makes equal plots equal files.
    with rc_context({"svg.hashsalt": "tensorgrad", "svg.fonttype": "none"}):
        figure = Figure(figsize=(WIDTH, ROOM + ROW * len(rows)), layout="constrained", facecolor="white")
        _draw(figure.add_subplot(), rows, title)
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(target.suffix[1:], {})
        figure.savefig(target, dpi=150, metadata=dated)


def _draw(axes: Any, rows: Sequence[tuple[str, Mapping[str, float]]], title: str) -> None:
    programs = list(dict.fromkeys(name for _, ratios in rows for name in ratios))
    for k, program in enumerate(programs):
        points = [(ratios[program], row) for row, (_, ratios) in enumerate(rows) if program in ratios]
        across, down = zip(*points, strict=True)
        mark = MARKS[k % len(MARKS)]
        axes.scatter(across, down, label=program, marker=mark, s=26, alpha=0.85, linewidths=0, zorder=3)
    least = min([0.5, *(0.8 * r for _, ratios in rows for r in ratios.values())])
    axes.set_xscale("log")
    axes.set_xlim(left=least)
    axes.axvspan(least, 1, color=LOSS, zorder=0)
    axes.axvline(1, color="#b91c1c", linewidth=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="both", color="#e5e7eb", zorder=1)
    axes.set_xlabel("times as long as ours (left of 1: our loss)")
    axes.set_title(title, fontsize=9)
    if programs:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.5 / (ROW * len(rows) + 0.5)), ncols=6, fontsize=8)
