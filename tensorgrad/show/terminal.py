"""Scenes as text for a terminal: box-drawing characters, two rows for each unit of height."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tensorgrad.show.scene import Label, Piece, Scene, Shape

NORTH, EAST, SOUTH, WEST = 1, 2, 4, 8
WIRES = {
    EAST | WEST: "─",
    NORTH | SOUTH: "│",
    EAST | SOUTH: "╭",
    WEST | SOUTH: "╮",
    NORTH | EAST: "╰",
    NORTH | WEST: "╯",
    NORTH | EAST | SOUTH | WEST: "┼",
}
BORDERS = {
    "function": "┌─┐│└┘",
    "loop": "╔═╗║╚╝",
    "expectation": "┏━┓┃┗┛",
    "sum": "┌╌┐┆└┘",
    "argument": "┌╌┐┆└┘",
}
"""Corners and sides of boxes: top left, horizontal, top right, vertical, bottom left, bottom right."""
BRACKETS = {"tensor": "[]", "symmetric": "()", "folded": "{}"}
SOCKET = "╋"
_EMPTY = frozenset(" │║┆┃")


def terminal(scene: Scene) -> str:
    """The scene as lines of text. `(S)` is a symmetric tensor, `[A]` another one, `●` a copy tensor.

    >>> import tensorgrad as tg
    >>> from tensorgrad.show import to_terminal
    >>> print(to_terminal(tg.parse("tr(A @ B)", let="A : n m ; B : m n")))
    ╭─[A]─m─[B]───╮
    │             │
    ╰─────n───────╯
    """
    return _Grid(scene).text()


class _Grid:
    """Characters by (row, column)."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.masks: dict[tuple[int, int], int] = {}
        self.cells: dict[tuple[int, int], str] = {}
        for wire in scene.wires:
            for piece in wire.pieces:
                self._piece(piece)
        for shape in scene.shapes:
            if shape.kind in BORDERS:
                self._border(shape)
            elif shape.kind == "dot":
                self._dot(shape)
            else:
                self._node(shape)
        for label in scene.labels:
            self._label(label)

    # ---- wires

    def _mark(self, row: int, column: int, bits: int) -> None:
        self.masks[row, column] = self.masks.get((row, column), 0) | bits

    def _level(self, row: int, start: int, stop: int) -> None:
        for column in range(min(start, stop), max(start, stop)):
            self._mark(row, column, EAST | WEST)

    def _piece(self, piece: Piece) -> None:
        row, column = _row(piece.y0), int(piece.x0)
        if piece.kind == "line":
            self._level(row, column, int(piece.x1))
            return
        # A turn at a right column comes from the right: its level parts lie right of its track.
        leftward = piece.kind == "turn" and piece.reach < 0
        for x, y in piece.stops:
            track, level = int(x), _row(y)
            self._level(row, column, track) if not leftward else self._level(row, track + 1, column)
            self._mark(row, track, (EAST if leftward else WEST) | (SOUTH if level > row else NORTH))
            for between in range(min(row, level) + 1, max(row, level)):
                self._mark(between, track, NORTH | SOUTH)
            onward = WEST if piece.kind == "turn" and not leftward else EAST
            self._mark(level, track, onward | (NORTH if level > row else SOUTH))
            row, column = level, track + 1
        if piece.kind == "bend":
            self._level(row, column, int(piece.x1))
        else:
            first, last = int(piece.x1), int(piece.stops[-1][0])
            self._level(row, *((first, last) if not leftward else (last + 1, first)))

    # ---- shapes

    def _border(self, s: Shape) -> None:
        left, right, top, bottom = _frame(s)
        a, across, b, down, c, d = BORDERS[s.kind]
        for column in range(left + 1, right):
            self.cells[top, column] = self.cells[bottom, column] = across
        for row in range(top + 1, bottom):
            self.cells[row, left] = self._crossed(row, left, down, s)
            self.cells[row, right] = self._crossed(row, right, down, s)
        self.cells.update({(top, left): a, (top, right): b, (bottom, left): c, (bottom, right): d})
        title = " ".join(filter(None, (s.name.text, s.note.text)))
        if title:
            self._write(top, left + 2, f" {title} ")

    def _crossed(self, row: int, column: int, plain: str, s: Shape) -> str:
        """A place of a vertical border: where wires cross it, or end at it."""
        west, east = self.masks.get((row, column - 1), 0) & EAST, self.masks.get((row, column + 1), 0) & WEST
        here = self.masks.get((row, column), 0)
        double = s.kind == "loop"
        if west and east and here:
            return "╫" if double else "┼"
        if west:
            return "╢" if double else "┤"
        if east:
            return "╟" if double else "├"
        return plain

    def _dot(self, s: Shape) -> None:
        top, bottom = _row(s.y), _row(s.y + s.height) - 2
        for row in range(top, bottom + 1):
            self.cells[row, int(s.x)] = "●" if (row - top) % 2 == 0 else "│"

    def _node(self, s: Shape) -> None:
        left, right, top, bottom = _frame(s)
        opening, closing = BRACKETS[s.kind]
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                self.cells[row, column] = " "
            self.cells[row, left], self.cells[row, right] = opening, closing
        text = " ".join(filter(None, (s.name.text, s.note.text)))
        self._write((top + bottom) // 2, left + (right - left + 1 - _width(text)) // 2, text)

    def _label(self, t: Label) -> None:
        row = _row(t.y)
        if t.role == "socket":
            box = self.scene.shapes[t.parent]
            self.cells[row, int(t.x) - (t.x > box.x)] = SOCKET
            return
        width = _width(t.name.text)
        start = {"start": t.x, "middle": t.x - width / 2, "end": t.x - width}[t.anchor]
        self._write(row, int(start + 0.5), t.name.text)

    def _write(self, row: int, column: int, text: str) -> None:
        for c in text:
            if unicodedata.combining(c):
                self.cells[row, column - 1] = self.cells.get((row, column - 1), "") + c
                continue
            shown = c if c.isprintable() else "\ufffd"
            self.cells[row, column] = shown
            if _width(c) == 2:
                self.cells[row, column + 1] = ""
            column += _width(c)

    # ---- text

    def text(self) -> str:
        places = [*self.cells, *self.masks]
        if not places:
            return ""
        left = min(c for _, c in places)
        rows = range(min(r for r, _ in places), max(r for r, _ in places) + 1)
        right = max(c for _, c in places) + 1
        lines = ["".join(self._at(r, c) for c in range(left, right)).rstrip() for r in rows]
        return "\n".join(_compact(lines))

    def _at(self, row: int, column: int) -> str:
        if (row, column) in self.cells:
            return self.cells[row, column]
        return WIRES.get(self.masks.get((row, column), 0), " ")


def _row(y: float) -> int:
    return round(2 * y)


def _frame(s: Shape) -> tuple[int, int, int, int]:
    """First and last column, first and last row; the row below a shape stays free."""
    return int(s.x), int(s.x + s.width) - 1, _row(s.y), _row(s.y + s.height) - 2


def _width(text: str) -> int:
    from tensorgrad.show.names import columns

    return columns(text)


def _compact(lines: list[str]) -> Iterator[str]:
    """Of several lines in a row that only continue what is above them, one is enough."""
    bare = False
    for k, line in enumerate(lines):
        now = set(line) <= _EMPTY
        if not (now and (bare or k in (0, len(lines) - 1))):
            yield line
        bare = now
