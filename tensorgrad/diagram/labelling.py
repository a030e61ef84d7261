"""Canonical labelling of graphs with coloured vertices and coloured arcs.

Colour refinement, then individualisation, component by component. Vertices that refinement tells
apart from all others cut the graph: what they see is already in the colours of the rest, so the
pieces between them are labelled separately and sorted. Only automorphisms that were found prune
the search; nothing is ever cut short.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Vertex = int
_Row: TypeAlias = Sequence[tuple[int, Vertex]]  # arcs of a vertex: (colour or weight, neighbour)
_Form: TypeAlias = tuple[tuple[int, ...], ...]
_Moves: TypeAlias = dict[Vertex, Vertex]  # an automorphism; vertices left out stay
_Walk: TypeAlias = "Generator[_Walk, _Found, _Found]"


class LabellingBudgetError(RuntimeError):
    """The search for a canonical labelling needs more nodes than its budget."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """A canonical order of the vertices of a graph, and its symmetry.

    order: canonical position -> vertex.
    certificate: equal for two graphs iff they are isomorphic, colours kept. Row k describes the
        vertex at position k of n: its colour, then, sorted, `arc colour * n + position` of each
        arc that leads to a position <= k.
    generators: of the automorphism group; g[v] is the image of vertex v.
    """

    order: tuple[int, ...]
    certificate: tuple[tuple[int, ...], ...]
    generators: tuple[tuple[int, ...], ...]


def label(colours: Sequence[int], neighbours: Sequence[Sequence[tuple[int, int]]], budget: int = 20_000) -> Labelling:
    """Label an undirected graph canonically.

    Args:
        colours: colours[v] is the colour of vertex v; any ints, shared between graphs.
        neighbours: neighbours[v] lists (arc colour, neighbour), every edge at both of its ends;
            a pair may be joined several times.
        budget: the most search nodes to visit.
    Raises:
        LabellingBudgetError: the search needs more nodes than `budget`.

    >>> path = label([0, 0, 1], [[(5, 2)], [(5, 2)], [(5, 0), (5, 1)]])
    >>> path.generators
    ((1, 0, 2),)
    >>> label([1, 0, 0], [[(5, 1), (5, 2)], [(5, 0)], [(5, 0)]]).certificate == path.certificate
    True
    """
    root = _root(colours, neighbours)
    _refine(root, sorted(root.cells, reverse=True))
    found = _Found(_by_colour(root), [])
    if root.loose:
        for v, row in root.rows.items():
            root.rows[v] = _merge_parallel(row)
        found = _run(_Search(budget).arrange(root))
    generators = [tuple([m.get(v, v) for v in range(len(colours))]) for m in found.moves]
    return Labelling(tuple(found.order), _form(found.order, colours, neighbours), tuple(generators))


@dataclass(frozen=True, slots=True)
class _Node:
    """Part of the graph with an ordered partition of its vertices, refined in place.

    A cell is named by the position at which it starts, so colours mean the same in isomorphic
    nodes. `loose` holds the vertices whose cell has other members.
    """

    colour: dict[Vertex, int]
    cells: dict[int, set[Vertex]]
    loose: set[Vertex]
    rows: dict[Vertex, _Row]


@dataclass(frozen=True, slots=True)
class _Found:
    """A labelling of a node: its order, and automorphisms that keep the node's colours."""

    order: list[Vertex]
    moves: list[_Moves]

    def carried(self, to: _Moves) -> "_Found":
        """The labelling of the node to which the isomorphism `to` leads."""
        moves = [{to[v]: to[w] for v, w in m.items()} for m in self.moves]
        return _Found([to[v] for v in self.order], moves)


def _root(colours: Sequence[int], neighbours: Sequence[_Row]) -> _Node:
    """The whole graph, partitioned by colour.

    An arc colour becomes a weight such that a sum of weights tells how many arcs of each colour
    were added: one field of bits a colour, wide enough for all arcs.
    """
    palette = sorted({c for row in neighbours for c, _ in row})
    width = sum(map(len, neighbours)).bit_length()
    weight = {c: 1 << width * k for k, c in enumerate(palette)}
    rows: dict[Vertex, _Row] = {v: [(weight[c], w) for c, w in row] for v, row in enumerate(neighbours)}
    members: dict[int, set[Vertex]] = {}
    for v, c in enumerate(colours):
        members.setdefault(c, set()).add(v)
    cells: dict[int, set[Vertex]] = {}
    start = 0
    for c in sorted(members):
        cells[start] = members[c]
        start += len(members[c])
    return _node(cells, rows)


def _node(cells: dict[int, set[Vertex]], rows: dict[Vertex, _Row]) -> _Node:
    colour = {v: start for start, cell in cells.items() for v in cell}
    loose = {v for cell in cells.values() if len(cell) > 1 for v in cell}
    return _Node(colour, cells, loose, rows)


def _merge_parallel(row: _Row) -> _Row:
    total: dict[Vertex, int] = {}
    for weight, w in row:
        total[w] = total.get(w, 0) + weight
    return [(weight, w) for w, weight in total.items()]


def _by_colour(node: _Node) -> list[Vertex]:
    return sorted(node.colour, key=node.colour.__getitem__)


def _refine(node: _Node, queue: list[int]) -> None:
    """Split cells until all vertices of a cell see the same weights in every cell.

    `queue` holds the cells to split by. What happens depends on starts, sizes and weights only,
    never on vertex numbers, so isomorphic nodes are refined alike.
    """
    colour, cells, loose, rows = node.colour, node.cells, node.loose, node.rows
    waiting = set(queue)
    while queue and loose:
        start = queue.pop()
        waiting.discard(start)
        seen: dict[Vertex, int] = {}
        for v in cells[start]:
            for weight, w in rows[v]:
                if w in loose:
                    seen[w] = seen.get(w, 0) + weight
        touched: dict[int, dict[int, list[Vertex]]] = {}
        for w, weight in seen.items():
            touched.setdefault(colour[w], {}).setdefault(weight, []).append(w)
        for cell in sorted(touched):
            groups = touched[cell]
            if len(groups) == 1 and len(next(iter(groups.values()))) == len(cells[cell]):
                continue
            starts = _split(node, cell, [groups[weight] for weight in sorted(groups)])
            # One part may be left out, the largest: the others and their union tell (Hopcroft).
            known = cell if cell in waiting else max(starts, key=lambda s: len(cells[s]))
            starts.remove(known)
            queue += starts
            waiting.update(starts)


def _split(node: _Node, start: int, groups: list[list[Vertex]]) -> list[int]:
    """Split a cell into the vertices in no group, then the groups; return where parts start."""
    rest = node.cells[start]
    rest.difference_update(*groups)
    starts: list[int] = []
    if rest:
        starts.append(start)
        if len(rest) == 1:
            node.loose.difference_update(rest)
        start += len(rest)
    for group in groups:
        starts.append(start)
        node.cells[start] = set(group)
        for v in group:
            node.colour[v] = start
        if len(group) == 1:
            node.loose.discard(group[0])
        start += len(group)
    return starts


def _pieces(node: _Node) -> list[_Node]:
    """What is left of a refined node, cut at its singleton cells and at complete joins.

    Two cells are joined completely if each vertex of one is joined to each of the other by the
    same weight: colours tell all about such arcs. So no piece depends on another.
    """
    colour, cells, loose = node.colour, node.cells, node.loose
    rows: dict[Vertex, _Row] = {v: [a for a in node.rows[v] if a[1] in loose] for v in loose}
    tally: dict[tuple[int, int, int], int] = {}
    for v, row in rows.items():
        for weight, w in row:
            join = colour[v], colour[w], weight
            tally[join] = tally.get(join, 0) + (v != w)
    complete = {
        (a, b, weight) for (a, b, weight), count in tally.items() if count == len(cells[a]) * (len(cells[b]) - (a == b))
    }
    if complete:
        for v, row in rows.items():
            c = colour[v]
            rows[v] = [(x, w) for x, w in row if v == w or (c, colour[w], x) not in complete]
    pieces: list[_Node] = []
    left = set(loose)
    for v in sorted(loose):
        if v in left:
            parts: dict[int, set[Vertex]] = {}
            for u in _reach(v, rows, left):
                parts.setdefault(colour[u], set()).add(u)
            pieces.append(_node(parts, rows))
    return pieces


def _reach(v: Vertex, rows: Mapping[Vertex, _Row], left: set[Vertex]) -> list[Vertex]:
    """The vertices connected with v, taken out of `left`."""
    left.discard(v)
    reached = [v]
    for u in reached:
        fresh = {w for _, w in rows[u]} & left
        left -= fresh
        reached += sorted(fresh)
    return reached


def _form(
    order: list[Vertex],
    colours: Mapping[Vertex, int] | Sequence[int],
    rows: Mapping[Vertex, _Row] | Sequence[_Row],
) -> _Form:
    """The graph as seen in an order: orders with equal forms are isomorphic place for place."""
    n = len(order)
    place = {v: k for k, v in enumerate(order)}
    form: list[tuple[int, ...]] = []
    for k, v in enumerate(order):
        back = [c * n + place[w] for c, w in rows[v] if place[w] <= k]
        back.sort()
        form.append((colours[v], *back))
    return tuple(form)


class _Orbits:
    """The vertices of a cell, joined by the automorphisms found so far."""

    def __init__(self, cell: Iterable[Vertex]) -> None:
        self.parent = {v: v for v in cell}

    def find(self, v: Vertex) -> Vertex:
        while self.parent[v] != v:
            v = self.parent[v]
        return v

    def join(self, moves: _Moves) -> bool:
        """Join each vertex with its image; whether any two were apart."""
        joined = False
        for v in moves.keys() & self.parent.keys():
            a, b = self.find(v), self.find(moves[v])
            if a != b:
                self.parent[max(a, b)] = min(a, b)
                joined = True
        return joined


@dataclass(slots=True)
class _Search:
    """The search below a refined node. Walks yield the walks they wait for: no recursion.

    A greedy walk takes any vertex where a full one tries all that may differ. Its order isn't
    canonical, but it shows that a node is isomorphic to one already labelled (`known`, by the
    form of its greedy order), and then there is nothing to search.
    """

    budget: int
    spent: int = 0
    known: dict[_Form, tuple[list[Vertex], _Found]] = field(default_factory=dict[_Form, tuple[list[Vertex], _Found]])

    def arrange(self, node: _Node, *, greedy: bool = False) -> _Walk:
        """Label a refined node: first the vertices that stand alone, then the sorted pieces."""
        pieces = _pieces(node)
        if len(pieces) == 1 and len(pieces[0].colour) == len(node.colour):
            return (yield self.branch(pieces[0], greedy=greedy))
        labelled: list[tuple[_Form, _Found]] = []
        for piece in pieces:
            found = _Found(_by_colour(piece), [])
            if piece.loose:
                found = yield self.arrange(piece, greedy=greedy)
            labelled.append((_form(found.order, piece.colour, piece.rows), found))
        labelled.sort(key=lambda pair: pair[0])
        result = _Found([v for v in _by_colour(node) if v not in node.loose], [])
        last_form, last = None, result
        for form, found in labelled:
            if form == last_form:  # equal pieces may be exchanged
                there, back = last.order + found.order, found.order + last.order
                result.moves.append(dict(zip(there, back, strict=True)))
            else:
                result.moves.extend(found.moves)
            result.order.extend(found.order)
            last_form, last = form, found
        return result

    def branch(self, node: _Node, *, greedy: bool) -> _Walk:
        """Label a connected node all of whose cells have several vertices."""
        start = min(node.cells, key=lambda s: (len(node.cells[s]), s))
        if greedy:
            child = self.single_out(node, start, min(node.cells[start]))
            return (yield self.arrange(child, greedy=True))
        probe = (yield self.branch(node, greedy=True)).order
        form = _form(probe, node.colour, node.rows)
        if form in self.known:
            twin, found = self.known[form]
            return found.carried(dict(zip(twin, probe, strict=True)))
        found = yield self.try_all(node, start)
        self.known[form] = probe, found
        return found

    def try_all(self, node: _Node, start: int) -> _Walk:
        """The least labelling over the choices of a vertex in one cell."""
        orbits = _Orbits(node.cells[start])
        tried: list[Vertex] = []
        joining: list[_Moves] = []
        orders: dict[_Form, list[Vertex]] = {}
        best: tuple[tuple[int, ...], _Form, _Found] | None = None
        for v in sorted(node.cells[start]):
            if orbits.find(v) in map(orbits.find, tried):
                continue
            tried.append(v)
            child = self.single_out(node, start, v)
            trace = (-len(child.cells), *sorted(child.cells))
            if best and trace > best[0]:
                continue
            found = yield self.arrange(child)
            form = _form(found.order, node.colour, node.rows)
            moves = found.moves
            if form in orders:
                pairs = zip(orders[form], found.order, strict=True)
                moves = [{a: b for a, b in pairs if a != b}, *moves]
            elif best is None or (trace, form) < best[:2]:
                best = trace, form, found
            orders.setdefault(form, found.order)
            joining += [m for m in moves if orbits.join(m)]
        assert best is not None  # the cell isn't empty
        kept = best[2].moves
        return _Found(best[2].order, kept + [m for m in joining if m not in kept])

    def single_out(self, node: _Node, start: int, v: Vertex) -> _Node:
        """A copy of the node in which v has a cell of its own, refined."""
        self.spent += 1
        if self.spent > self.budget:
            message = f"no canonical labelling within {self.budget} search nodes"
            raise LabellingBudgetError(message)
        cells = {s: set(cell) for s, cell in node.cells.items()}
        child = _Node(dict(node.colour), cells, set(node.loose), node.rows)
        _refine(child, _split(child, start, [[v]])[-1:])
        return child


def _run(walk: _Walk) -> _Found:
    """Run a walk and those it waits for, on a stack of our own: depth isn't limited."""
    stack = [walk]
    value: _Found | None = None
    while True:
        try:
            awaited = next(stack[-1]) if value is None else stack[-1].send(value)
        except StopIteration as stop:
            stack.pop()
            result: _Found = stop.value
            if not stack:
                return result
            value = result
        else:
            stack.append(awaited)
            value = None
