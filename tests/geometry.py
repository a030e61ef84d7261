"""What a drawing must not do: overlap, leave its box, run a wire through a node, lose a name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from tensorgrad.show.names import columns
from tensorgrad.show.scene import Label, Piece, Scene, Shape

EPSILON = 1e-6
WIRE = 1.6
"""Thickness of a wire."""
BASELINE, TAIL = 3.5, 2.7
"""Of the letters of a size: how far below their middle the line lies that they stand on, and how far they go below it."""


def overlap(a: Shape, b: Shape) -> bool:
    return (
        a.x < b.x + b.width - EPSILON
        and b.x < a.x + a.width - EPSILON
        and a.y < b.y + b.height - EPSILON
        and b.y < a.y + a.height - EPSILON
    )


def points(piece: Piece) -> list[tuple[float, float]]:
    """The piece as it is drawn, sampled."""
    a, b, c, d = piece.controls()
    found: list[tuple[float, float]] = []
    for k in range(25):
        t = k / 24
        w = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        found.append(tuple(sum(f * p[axis] for f, p in zip(w, (a, b, c, d), strict=True)) for axis in (0, 1)))  # type: ignore[arg-type]
    return found


def inside(x: float, y: float, s: Shape) -> bool:
    within = s.x + EPSILON < x < s.x + s.width - EPSILON
    return within and s.y + EPSILON < y < s.y + s.height - EPSILON


def assert_drawn_well(scene: Scene, edges: Iterable[str]) -> None:
    """No two nodes of one box overlap, all lies in its box, no wire runs through a node, every free edge is named."""
    for a, b in combinations(scene.shapes, 2):
        if a.parent == b.parent:
            assert not overlap(a, b), (a, b)
    for s in scene.shapes:
        x0, y0, x1, y1 = frame(scene, s.parent)
        assert x0 - EPSILON <= s.x and s.x + s.width <= x1 + EPSILON, s
        assert y0 - EPSILON <= s.y and s.y + s.height <= y1 + EPSILON, s
    for wire in scene.wires:
        x0, y0, x1, y1 = frame(scene, wire.parent)
        siblings = [s for s in scene.shapes if s.parent == wire.parent]
        for piece in wire.pieces:
            for x, y in points(piece):
                assert x0 - EPSILON <= x <= x1 + EPSILON and y0 - EPSILON <= y <= y1 + EPSILON, piece
                for s in siblings:
                    assert not inside(x, y, s), (piece, s)
    named = {label.name.text.partition(":")[0] for label in scene.labels if label.role == "edge"}
    assert {e.partition(":")[0] for e in edges} <= named


def assert_legible(scene: Scene) -> None:
    """No label lies on a node that it is not part of, none on another label, none outside of the picture."""
    texts = [(label, _box(label)) for label in scene.labels if label.name.text]
    for (a, one), (b, other) in combinations(texts, 2):
        assert not overlap(one, other), (a, b)
    for label, box in texts:
        assert box.x >= -EPSILON and box.x + box.width <= scene.width + EPSILON, label
        for k, s in enumerate(scene.shapes):
            if s.kind in ("tensor", "symmetric", "folded", "dot") and label.parent != k:
                assert not overlap(box, s), (label, s)
        if label.role == "size":
            assert_no_wire_touches(scene, label)


def assert_no_wire_touches(scene: Scene, label: Label) -> None:
    """No wire runs through the letters of a size, the stroke of an underscore and the tail of a y included."""
    letters, half = _box(label), WIRE / 2
    top, bottom = letters.y - half, label.y + BASELINE + TAIL + half
    for piece in (piece for wire in scene.wires for piece in wire.pieces):
        for x, y in points(piece):
            assert not (letters.x < x < letters.x + letters.width and top < y < bottom), (label, piece)


def _box(label: Label) -> Shape:
    """The room that the letters take: a little less than what the layout leaves for them."""
    size = {"edge": 12, "size": 11, "mark": 10, "coefficient": 15, "socket": 0}[label.role]
    width, height = columns(label.name.text) * size * 0.5, size * 0.6
    x = {"start": label.x, "middle": label.x - width / 2, "end": label.x - width}[label.anchor]
    return Shape("tensor", x, label.y - height / 2, width, height)


def frame(scene: Scene, parent: int) -> tuple[float, float, float, float]:
    if parent < 0:
        return 0.0, 0.0, scene.width, scene.height
    box = scene.shapes[parent]
    return box.x, box.y, box.x + box.width, box.y + box.height
