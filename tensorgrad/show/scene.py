"""A drawn diagram: shapes, wires and labels at coordinates, for any renderer. x grows right, y grows down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from tensorgrad.show.names import NAMELESS, Name, columns
from tensorgrad.show.picture import Kind


@dataclass(frozen=True, slots=True)
class Metrics:
    """Sizes in the unit of one renderer: pixels, or half the rows and the columns of a terminal."""

    char: float
    """Width of a letter of a node's name."""
    small: float
    """Width of a letter of any other label."""
    pad: float
    """Between a name and the border of its node, left and right."""
    least: float
    """Least width and height of a node."""
    port: float
    """Between wires that enter on one side."""
    row: float
    """Between nodes in one column."""
    run: float
    """Least straight piece of a wire."""
    bend: float
    """Room for each wire that bends between two columns."""
    slope: float
    """More room for bends, as a part of their height."""
    side: float
    top: float
    bottom: float
    """Between a box and what is inside it."""
    dot: float
    """Diameter of a copy dot."""
    widest: float
    """Width beyond which a sum goes on in a new row of terms."""
    whole: bool
    """Whether coordinates are whole numbers."""

    def name(self, name: Name) -> float:
        """Width of a node's name."""
        return columns(name.text) * self.char

    def label(self, text: str) -> float:
        """Width of any other label."""
        return columns(text) * self.small


PIXELS = Metrics(
    char=9.0, small=7.2, pad=9, least=30, port=18, row=14, run=16, bend=5, slope=0.22, side=12, top=20, bottom=10,
    dot=9, widest=720, whole=False,
)  # fmt: skip
CELLS = Metrics(
    char=1, small=1, pad=1, least=1, port=1, row=1, run=2, bend=4, slope=0, side=3, top=1, bottom=1, dot=1, widest=100,
    whole=True,
)  # fmt: skip
"""In a terminal one unit of y is two rows, so that between two wires there is always a free row."""


class Piece(NamedTuple):
    """A piece of a wire: a line, a bend (level at both ends), or a turn (both ends at one x, bulging by `reach`).

    `stops` say how to draw it with right angles: (part of the way from x0 to x1, y) after each level part.
    """

    kind: Literal["line", "bend", "turn"]
    x0: float
    y0: float
    x1: float
    y1: float
    reach: float = 0.0
    stops: tuple[tuple[float, float], ...] = ()

    def moved(self, dx: float, dy: float) -> Piece:
        """The piece elsewhere."""
        stops = tuple((x + dx, y + dy) for x, y in self.stops)
        return Piece(self.kind, self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy, self.reach, stops)

    def controls(self) -> tuple[tuple[float, float], ...]:
        """The four control points of the piece as a cubic curve."""
        if self.kind == "turn":
            far = self.x0 + self.reach * 4 / 3
            return (self.x0, self.y0), (far, self.y0), (far, self.y1), (self.x1, self.y1)
        middle = (self.x0 + self.x1) / 2
        return (self.x0, self.y0), (middle, self.y0), (middle, self.y1), (self.x1, self.y1)


@dataclass(frozen=True, slots=True)
class Shape:
    """A node, a dot, or a box around other shapes; `parent` is the box it stands in, or -1."""

    kind: Kind
    x: float
    y: float
    width: float
    height: float
    name: Name = NAMELESS
    note: Name = NAMELESS
    parent: int = -1
    used: bool = False
    made: bool = False


@dataclass(frozen=True, slots=True)
class Wire:
    """Joined pieces, in the box `parent`; `free` is the name of the free edge that ends it, if one does."""

    pieces: tuple[Piece, ...]
    parent: int = -1
    free: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A text at its anchor (start, middle or end), vertically centred; `role` is what it says.

    A socket has no text: it is a bar on the border of a box, at an edge along which the box acts.
    """

    name: Name
    x: float
    y: float
    anchor: Literal["start", "middle", "end"]
    role: Literal["edge", "size", "mark", "coefficient", "socket"]
    parent: int = -1


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn, in a rectangle from (0, 0)."""

    width: float
    height: float
    shapes: tuple[Shape, ...] = ()
    wires: tuple[Wire, ...] = ()
    labels: tuple[Label, ...] = ()
    first_row: float = 0.0
    """Height of the first row, of a product in several: what stands before the product stands before that."""

    @property
    def level(self) -> float:
        """Where what stands beside it is centred."""
        return (self.first_row or self.height) / 2


class Canvas:
    """A scene being drawn."""

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self.wires: list[Wire] = []
        self.labels: list[Label] = []

    def put(self, scene: Scene, dx: float, dy: float, parent: int = -1) -> None:
        """Add a scene moved, into the box `parent`."""
        first = len(self.shapes)

        def owner(of: int) -> int:
            return of + first if of >= 0 else parent

        for s in scene.shapes:
            self.shapes.append(replace(s, x=s.x + dx, y=s.y + dy, parent=owner(s.parent)))
        for w in scene.wires:
            self.wires.append(replace(w, pieces=tuple(p.moved(dx, dy) for p in w.pieces), parent=owner(w.parent)))
        for t in scene.labels:
            self.labels.append(replace(t, x=t.x + dx, y=t.y + dy, parent=owner(t.parent)))

    def scene(self, width: float, height: float) -> Scene:
        """The finished scene."""
        return Scene(width, height, tuple(self.shapes), tuple(self.wires), tuple(self.labels))
