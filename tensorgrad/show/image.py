"""Scenes as PNG and PDF, drawn by matplotlib (the extra `images`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tensorgrad.errors import UnsupportedError
from tensorgrad.show.scene import Label, Scene, Shape
from tensorgrad.show.svg import FILLS, INK, MADE, MARGIN, SOFT, STROKES, USED

FONTS = (
    "DejaVu Sans",
    *(f"{family} {region}" for family in ("Noto Sans CJK", "Source Han Sans") for region in ("SC", "TC", "JP", "KR")),
    *(
        "WenQuanYi Zen Hei",
        "PingFang SC",
        "Hiragino Sans",
        "Microsoft YaHei",
        "SimHei",
        "Arial Unicode MS",
        "Noto Sans",
    ),
)
DOTS = 200
"""Dots an inch in a PNG; a pixel of the scene is 1/96 inch."""


def save(scene: Scene, path: Path) -> None:
    """Write the scene to a .png or .pdf file. Raises UnsupportedError without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_pdf import FigureCanvasPdf
        from matplotlib.figure import Figure
    except ModuleNotFoundError as missing:
        raise UnsupportedError(
            f"{path.suffix} images without matplotlib: pip install 'tensorgrad[images]', or write a .svg file"
        ) from missing
    width, height = scene.width + 2 * MARGIN, scene.height + 2 * MARGIN
    figure = Figure(figsize=(width / 96, height / 96), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-MARGIN, scene.width + MARGIN)
    axes.set_ylim(scene.height + MARGIN, -MARGIN)
    _draw(axes, scene)
    if path.suffix == ".pdf":
        # Without the date of creation equal pictures are equal files.
        _print(lambda: FigureCanvasPdf(figure).print_pdf(path, metadata={"CreationDate": None}))
    else:
        figure.set_dpi(DOTS)
        _print(lambda: FigureCanvasAgg(figure).print_png(path))


def _print(write: Callable[[], None]) -> None:
    """Write the file; a letter that no font has must not become an empty box."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing from")
        try:
            write()
        except UserWarning as missing:
            raise UnsupportedError(
                f"this label as an image: {missing}; install a font that has it, or write a .svg file"
            ) from None


@cache
def _fonts() -> list[str]:
    """Fonts to take letters from, in this order: those of the list that this machine has."""
    from matplotlib.font_manager import get_font_names

    known = set(get_font_names())
    return [name for name in FONTS if name in known]


def _draw(axes: Any, scene: Scene) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Curve

    for order, shape in enumerate(s for s in scene.shapes if s.kind in STROKES):
        _shape(axes, shape, order / 1000)
    for wire in scene.wires:
        vertices = [point for piece in wire.pieces for point in piece.controls()]
        codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4] * len(wire.pieces)
        axes.add_patch(PathPatch(Curve(vertices, codes), fill=False, edgecolor=INK, linewidth=1.2, zorder=2))
    for shape in scene.shapes:
        if shape.kind not in STROKES:
            _shape(axes, shape, 3)
        _texts(axes, shape)
    for label in scene.labels:
        _label(axes, label)


def _shape(axes: Any, s: Shape, order: float) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    if s.kind == "dot":
        axes.add_patch(Circle((s.x + s.width / 2, s.y + s.height / 2), s.width / 2, color=INK, zorder=order))
        return
    round_ = {"symmetric": min(s.width, s.height) / 2, "loop": 20, "expectation": 2}.get(s.kind, 5)
    round_ = min(round_, s.width / 2, s.height / 2)
    axes.add_patch(
        FancyBboxPatch(
            (s.x, s.y),
            s.width,
            s.height,
            boxstyle=f"round,pad=0,rounding_size={round_}",
            facecolor=USED if s.used else FILLS[s.kind],
            edgecolor=MADE if s.made else STROKES.get(s.kind, INK),
            linewidth=2.2 if s.made else 1.6 if s.kind == "loop" else 1.0,
            linestyle="--" if s.kind in ("folded", "argument", "sum") else "-",
            zorder=order,
        )
    )


def _texts(axes: Any, s: Shape) -> None:
    middle = s.x + s.width / 2
    if s.kind in STROKES:
        title = "  ".join(filter(None, (s.name.text, s.note.text)))
        _write(axes, title, middle, s.y + 10, 9.5, STROKES[s.kind])
        return
    up = 6 if s.note.text else 0
    _write(axes, s.name.text, middle, s.y + s.height / 2 - up, 11, INK)
    _write(axes, s.note.text, middle, s.y + s.height / 2 + 9, 6.5, SOFT)


def _write(axes: Any, text: str, x: float, y: float, size: float, color: str, anchor: str = "center") -> None:
    if text:
        place = {"ha": anchor, "va": "center_baseline", "zorder": 4}
        axes.text(x, y, text, fontsize=size, color=color, parse_math=False, family=_fonts(), **place)


def _label(axes: Any, t: Label) -> None:
    from matplotlib.patches import Rectangle

    if t.role == "socket":
        axes.add_patch(Rectangle((t.x - 2.5, t.y - 6), 5, 12, color=INK, zorder=4))
        return
    size = {"edge": 9, "size": 8, "mark": 7, "coefficient": 11}[t.role]
    color = SOFT if t.role in ("size", "mark") else INK
    anchor = {"start": "left", "middle": "center", "end": "right"}[t.anchor]
    _write(axes, t.name.text, t.x, t.y, size, color, anchor)
