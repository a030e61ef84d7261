"""Finding the matrix expression of a diagram: vectors and matrices joined by edges, reduced step by step.

Every step replaces pieces around one edge by one piece: `M @ v`, `M @ N`, `v * w`, `tr(M)`, `diag(M)`, `sum(v)` ...
What cannot be reduced to one piece per group of boundary edges has no matrix notation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tensorgrad.notation.text import MUL, POWER, Text, call, fewest_transposes, product, transposed
from tensorgrad.sizes import ONE, Poly


@dataclass(frozen=True, slots=True)
class Element:
    """A matrix in both orientations (a vector has two equal ones)."""

    forward: Text
    backward: Text

    def turned(self) -> Element:
        """Its transpose."""
        return Element(self.backward, self.forward)


def vector_element(text: Text) -> Element:
    """A vector: no orientation."""
    return Element(text, text)


def matrix_element(text: Text) -> Element:
    """A matrix whose transpose is written `.T`."""
    return Element(text, transposed(text))


@dataclass(slots=True, eq=False)
class Piece:
    """An expression on one edge (vector), two (matrix) or more (only whole).

    `chain` is a matrix product, a vector's last element being the vector; or else entrywise factors above and below.
    """

    edges: tuple[int, ...]
    chain: list[Element] = field(default_factory=list[Element])
    above: list[Element] = field(default_factory=list[Element])
    below: list[Element] = field(default_factory=list[Element])
    parts: tuple[Poly, ...] = ()
    """For a flat: the sizes of its parts."""
    of: Element | None = None
    """For the diagonal of a matrix: the matrix."""

    def element(self) -> Element:
        """The piece as one element."""
        if self.chain:
            if len(self.chain) == 1:
                return self.chain[0]
            forward = _joined(e.forward for e in self.chain)
            if len(self.edges) == 1:
                return vector_element(forward)
            return Element(forward, _joined(e.backward for e in reversed(self.chain)))
        forward = product(ONE, [e.forward for e in self.above], [e.forward for e in self.below])
        backward = product(ONE, [e.backward for e in self.above], [e.backward for e in self.below])
        if len(self.edges) == 2:
            best = fewest_transposes(backward, transposed(forward))
            assert best is not None
            backward = best
        return Element(forward, backward)

    def elements(self) -> list[Element]:
        """The piece as elements of a chain."""
        return self.chain or [self.element()]

    def turned(self) -> Piece:
        """The transposed matrix."""
        flip = [e.turned() for e in self.above], [e.turned() for e in self.below]
        return Piece(self.edges[::-1], [e.turned() for e in reversed(self.chain)], *flip)

    def factors(self) -> tuple[list[Element], list[Element]]:
        """The piece as entrywise factors above and below."""
        return ([self.element()], []) if self.chain else (self.above, self.below)


def _joined(texts: Iterable[Text]) -> Text:
    parts = [t.at_least(POWER) for t in texts]
    return Text(" @ ".join(parts), MUL if len(parts) > 1 else POWER)


def _transposes(elements: Sequence[Element]) -> int:
    return sum(e.forward.s.count(".T") for e in elements)


class Reduction:
    """Reduces the pieces of one net; `scalars` collects what closes to a number."""

    def __init__(
        self,
        pieces: list[Piece],
        dims: Sequence[Poly],
        ends: Sequence[Sequence[str]],
        identity: Callable[[Poly], Text],
    ) -> None:
        self.dims, self.ends, self.identity = dims, ends, identity
        self.scalars: list[Text] = []
        self.legs: list[list[Piece]] = [[] for _ in dims]
        self.queue: deque[int] = deque()
        for piece in pieces:
            self.put(piece)

    def put(self, piece: Piece) -> None:
        """Add a piece."""
        for edge in piece.edges:
            self.legs[edge].append(piece)
            self.queue.append(edge)

    def drop(self, *pieces: Piece) -> None:
        """Take pieces away."""
        for piece in pieces:
            for edge in piece.edges:
                if piece in self.legs[edge]:
                    self.legs[edge].remove(piece)
                self.queue.append(edge)

    def run(self) -> None:
        """Reduce as far as possible."""
        lonely = sorted(range(len(self.legs)), key=lambda e: len(self.legs[e]))
        self.queue = deque(lonely)
        while True:
            while self.queue:
                edge = self.queue.popleft()
                while self.step(edge):
                    pass
            if self.closed() or any(self.fused(p) for p in self.flats()):
                continue
            if not any(self.through_diagonal(edge) for edge in range(len(self.legs))):
                return

    def flats(self) -> list[Piece]:
        """The flats still there."""
        return [p for p in dict.fromkeys(p for legs in self.legs for p in legs) if p.parts]

    def closed(self) -> bool:
        """A tensor of order 3 or more all of whose edges are summed: `sum(T)`, `norm2(T)`, `dot(T, U)`."""
        for legs in self.legs:
            for piece in legs:
                if len(piece.edges) < 3 or piece.parts or any(self.ends[e] for e in piece.edges):
                    continue
                others = [p for p in dict.fromkeys(p for e in piece.edges for p in self.legs[e]) if p is not piece]
                if len(set(piece.edges)) < len(piece.edges):
                    continue
                text = piece.element().forward.s
                if not others:
                    return self.scalar(call("sum", text), piece)
                if len(others) == 1 and others[0].edges == piece.edges and not others[0].parts:
                    other = others[0].element().forward.s
                    return self.scalar(
                        call("norm2", text) if text == other else call("dot", text, other), piece, others[0]
                    )
        return False

    def fused(self, flat: Piece) -> bool:
        """A flat with what stands on its parts: kron, khatri_rao, vec, unvec."""
        from tensorgrad.notation.fusing import fuse

        return fuse(self, flat)

    def at(self, edge: int) -> tuple[list[Piece], list[Piece], list[Piece], bool]:
        """Vectors, matrices and loops on an edge, and whether that is all and the edge is summed."""
        vectors, matrices, loops, others = list[Piece](), list[Piece](), list[Piece](), 0
        for piece in dict.fromkeys(self.legs[edge]):
            if piece.edges == (edge,):
                vectors.append(piece)
            elif piece.edges == (edge, edge):
                loops.append(piece)
            elif len(piece.edges) == 2:
                matrices.append(piece)
            else:
                others += 1
        return vectors, matrices, loops, not self.ends[edge] and not others

    def step(self, edge: int) -> bool:
        """One reduction at an edge; whether there was one."""
        vectors, matrices, loops, closed = self.at(edge)
        if loops:
            return self.loop(edge, loops, closed and not vectors and not matrices and len(loops) == 1)
        if self.parallel(edge, matrices):
            return True
        if closed and len(vectors) == 2 and not matrices:
            return self.scalar(_dot(vectors[0], vectors[1]), *vectors)
        if len(vectors) > 1:
            return self.merge(vectors)
        if not closed:
            return False
        if len(vectors) == 1 and not matrices:
            return self.scalar(call("sum", vectors[0].element().forward.s), *vectors)
        if len(matrices) == 1:
            other = next(e for e in matrices[0].edges if e != edge)
            if not vectors and len(self.legs[other]) == 1 and not self.ends[other]:
                whole = matrices[0].element()
                best = fewest_transposes(whole.forward, whole.backward)
                assert best is not None
                return self.scalar(call("sum", best.s), matrices[0])
            return self.absorb(edge, matrices[0], vectors)
        if len(matrices) == 2 and not vectors:
            return self.link(edge, matrices, [])
        return False

    def scalar(self, text: Text, *pieces: Piece) -> bool:
        """Pieces that closed to a number."""
        self.scalars.append(text)
        self.drop(*pieces)
        return True

    def loop(self, edge: int, loops: list[Piece], alone: bool) -> bool:
        """A matrix with both axes on one edge: its trace, or its diagonal."""
        piece = loops[0]
        if alone:
            turned = piece.turned()
            best = piece if _transposes(piece.elements()) <= _transposes(turned.elements()) else turned
            return self.scalar(call("tr", best.element().forward.s), piece)
        self.drop(piece)
        text = fewest_transposes(piece.element().forward, piece.element().backward)
        assert text is not None
        self.put(Piece((edge,), [vector_element(call("diag", text.s))], of=vector_element(text)))
        return True

    def parallel(self, edge: int, matrices: list[Piece]) -> bool:
        """Two matrices on the same two edges: entrywise, or a number when nothing else is there."""
        by_other: dict[int, Piece] = {}
        for piece in matrices:
            other = piece.edges[1] if piece.edges[0] == edge else piece.edges[0]
            first = by_other.setdefault(other, piece)
            if first is piece:
                continue
            alone = all(not self.ends[e] and len(self.legs[e]) == 2 for e in (edge, other))
            if alone:
                return self.scalar(_inner(first, piece), first, piece)
            return self.merge([first, piece if piece.edges == first.edges else piece.turned()], also=piece)
        return False

    def merge(self, pieces: list[Piece], also: Piece | None = None) -> bool:
        """Entrywise product of pieces on the same edges."""
        above, below = list[Element](), list[Element]()
        for piece in pieces:
            over, under = piece.factors()
            above += over
            below += under
        self.drop(*pieces, *([also] if also else []))
        self.put(Piece(pieces[0].edges, [], above, below))
        return True

    def absorb(self, edge: int, matrix: Piece, vectors: list[Piece]) -> bool:
        """A matrix at whose end there is a vector, or nothing (its sum over that axis)."""
        facing = matrix if matrix.edges[1] == edge else matrix.turned()
        self.drop(matrix, *vectors)
        if vectors:
            self.put(Piece(facing.edges[:1], [*facing.elements(), *vectors[0].elements()]))
            return True
        whole = facing.element()
        natural = whole.forward.s.count(".T") <= whole.backward.s.count(".T")
        text = call("sum", whole.forward.s, "1") if natural else call("sum", whole.backward.s, "0")
        self.put(Piece(facing.edges[:1], [vector_element(text)]))
        return True

    def link(self, edge: int, matrices: list[Piece], between: list[Element]) -> bool:
        """Two matrices in a row."""
        left, right = matrices
        self.drop(left, right)
        left = left if left.edges[1] == edge else left.turned()
        right = right if right.edges[0] == edge else right.turned()
        self.put(Piece((left.edges[0], right.edges[1]), [*left.elements(), *between, *right.elements()]))
        return True

    def through_diagonal(self, edge: int) -> bool:
        """Two matrices in a row with a vector on the edge between: `M @ diag(v) @ N`."""
        vectors, matrices, _, closed = self.at(edge)
        if not closed or len(matrices) != 2 or len(vectors) != 1:
            return False
        self.drop(*vectors)
        return self.link(edge, matrices, [vector_element(call("diag", vectors[0].element().forward.s))])

    def rename(self, old: int, new: int) -> None:
        """Move all legs of a summed edge to another edge; a summed edge without legs is a factor, its size."""
        for piece in dict.fromkeys(self.legs[old]):
            self.drop(piece)
            piece.edges = tuple(new if e == old else e for e in piece.edges)
            self.put(piece)
        if not self.legs[new] and not self.ends[new]:
            self.put(Piece((new,), [vector_element(Text(f"ones[{self.dims[new]}]"))]))

    # ---- the boundary

    def group(self, edges: Sequence[int]) -> list[Piece]:
        """The pieces left on these edges."""
        return list(dict.fromkeys(p for e in edges for p in self.legs[e]))

    def vector(self, edge: int) -> Piece | None:
        """What is left on one boundary edge, as a vector (ones if nothing is); None if it is no vector."""
        pieces = self.group([edge])
        if not pieces:
            return Piece((edge,), [vector_element(Text(f"ones[{self.dims[edge]}]"))])
        return pieces[0] if len(pieces) == 1 and pieces[0].edges == (edge,) else None

    def matrix(self, row: int, column: int) -> Piece | None:
        """What is left on two boundary positions, as a matrix; None if it is none."""
        pieces = self.group([row, column])
        if row == column:
            vector = self.vector(row)
            if vector is None:
                return None
            identity = self.identity(self.dims[row])
            if vector.of is not None:
                return Piece((row, column), [], [vector.of, vector_element(identity)])
            text = identity if not pieces else call("diag", vector.element().forward.s)
            return Piece((row, column), [vector_element(text)])
        matrices = [p for p in pieces if len(p.edges) == 2]
        if len(matrices) > 1 or any(len(p.edges) > 2 or not set(p.edges) <= {row, column} for p in pieces):
            return None
        at_row, at_column = ([p for p in pieces if p.edges == (e,)] for e in (row, column))
        if matrices:
            found = matrices[0] if matrices[0].edges == (row, column) else matrices[0].turned()
            if not at_row and not at_column:
                return found
            diagonals = [
                [vector_element(call("diag", p.element().forward.s)) for p in side] for side in (at_row, at_column)
            ]
            return Piece((row, column), [*diagonals[0], *found.elements(), *diagonals[1]])
        if not at_row and not at_column:
            return Piece((row, column), [matrix_element(Text(f"ones[{self.dims[row]}, {self.dims[column]}]"))])
        left, right = self.vector(row), self.vector(column)
        if left is None or right is None:
            return None
        a, b = left.element().forward.s, right.element().forward.s
        return Piece((row, column), [Element(call("outer", a, b), call("outer", b, a))])


def _dot(left: Piece, right: Piece) -> Text:
    a, b = left.elements(), right.elements()
    long = len(a[0].forward.s) > 12 or a[0].forward.level < POWER
    if len(a) == len(b) == 1 and a[0].forward.s == b[0].forward.s and long:
        return call("norm2", a[0].forward.s)
    if len(a) == 2 and len(b) == 2 and [e.forward for e in a] == [e.forward for e in b]:
        return call("norm2", left.element().forward.s)
    one = [*(e.turned() for e in reversed(a)), *b]
    other = [*(e.turned() for e in reversed(b)), *a]
    texts = [_joined(e.forward for e in elements) for elements in (one, other)]
    return min(texts, key=lambda t: (t.s.count(".T"), t.s))


def _inner(first: Piece, second: Piece) -> Text:
    """The sum of all entries of the product of two matrices on the same edges."""
    if first.edges != second.edges:
        options = [
            [*first.elements(), *second.elements()],
            [*second.turned().elements(), *first.turned().elements()],
        ]
        best = min(options, key=_transposes)
        return call("tr", _joined(e.forward for e in best).s)
    a, b = first.element(), second.element()
    if a.forward.s == b.forward.s:
        best_text = fewest_transposes(a.forward, a.backward)
        assert best_text is not None
        return call("norm2", best_text.s)
    above, below = (x + y for x, y in zip(first.factors(), second.factors(), strict=True))
    if below:
        return call("sum", product(ONE, [e.forward for e in above], [e.forward for e in below]).s)
    turned = [
        [*first.turned().elements(), *second.elements()],
        [*second.turned().elements(), *first.elements()],
    ]
    return call("tr", _joined(e.forward for e in min(turned, key=_transposes)).s)
