"""Tensor networks drawn as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tensorgrad.errors import EdgeError, NotationError, Place, SizeError
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Delta, Product, Tensor

_NODE = re.compile(r"\*?\w+|\*")
_EDGE = re.compile(r"-(\w+)-(?:(\w+)-)?(?=\s|$)")
End = tuple[str, str]
"""A node and an edge of it; node "" is the outside."""


def graph(text: str, tensors: Mapping[str, Tensor] | None = None, **named: Tensor) -> Tensor:
    """A tensor network drawn as text: `graph("x -i- A -j- x2", x=x, A=A, x2=y)`.

    `A -i- B` contracts edge i of A with edge i of B, `A -i-j- B` edge i of A with edge j of B; where an end is left out
    (`A -i-`) the edge is free. `*1`, `*2` are copy tensors: edges that meet in one are one edge (a dot with one edge
    sums it). A name that stands several times, also on other lines, is one node; edges that no line mentions are free.

    >>> from tensorgrad import Variable
    >>> X = Variable("X", i="n", j="m")
    >>> graph("*1 -i- X -j- *2", X=X).order, graph("-i- X -j- *1 -j- X2 -i-k-", X=X, X2=X).edges
    (0, ('i', 'k'))
    """
    given = {**(tensors or {}), **named}
    drawing = _Drawing(text, given)
    for line in text.splitlines():
        if line.strip():
            drawing.read(line)
    return drawing.tensor()


@dataclass
class _Drawing:
    text: str
    given: Mapping[str, Tensor]
    nodes: list[str] = field(default_factory=list[str])
    joints: list[tuple[End, End]] = field(default_factory=list[tuple[End, End]])

    def read(self, line: str) -> None:
        """A chain of nodes and edges."""
        position, node, waiting = 0, "", None
        while position < len(line):
            if line[position].isspace():
                position += 1
                continue
            found = _EDGE.match(line, position) if waiting is None else None
            if found is not None:
                waiting = (found[1], found[2] or found[1])
            else:
                found = _NODE.match(line, position)
                if found is None or (node and waiting is None):
                    raise self._error(line, position, "expected an edge such as -i-" if node else "expected a node")
                after = self._node(found[0], line, position)
                if waiting is not None:
                    self.joints.append(((node, waiting[0]), (after, waiting[1])))
                node, waiting = after, None
            position = found.end()
        if waiting is not None:
            self.joints.append(((node, waiting[0]), ("", waiting[1])))

    def _error(self, line: str, position: int, message: str) -> NotationError:
        return NotationError(f"graph: {message}", Place(line, position))

    def _node(self, name: str, line: str, position: int) -> str:
        if name == "*":
            name = f"* {len(self.nodes)}"
        elif not name.startswith("*") and name not in self.given:
            known = ", ".join(self.given) or "none"
            raise self._error(line, position, f"no tensor is given for {name} (given: {known})")
        if name not in self.nodes:
            self.nodes.append(name)
        return name

    def tensor(self) -> Tensor:
        """The network as a product: every joint a wire, wires that meet in a dot one."""
        parent: dict[End, End] = {}

        def find(end: End) -> End:
            while parent.setdefault(end, end) != end:
                end = parent[end]
            return end

        used: set[End] = set()
        outside: list[End] = []
        for pair in self.joints:
            for end in pair:
                self._check(end, used, outside)
            a, b = (self._end(end) for end in pair)
            parent[find(a)] = find(b)
        ends = [(n, e) for n in self.nodes if not n.startswith("*") for e in self.given[n].edges]
        free = [("", e) for e in (*[e for _, e in outside], *[e for n, e in ends if (n, e) not in used])]
        for n, e in ends:
            if (n, e) not in used:
                parent[find((n, e))] = find(("", e))
        if len(set(free)) < len(free):
            raise EdgeError(
                f"graph: two free edges of one name among {', '.join(e for _, e in free)}; write -i-k- to rename"
            )
        return self._product(find, [e for _, e in free])

    @staticmethod
    def _end(end: End) -> End:
        """All edges of a dot are one."""
        return (end[0], "") if end[0].startswith("*") else end

    def _check(self, end: End, used: set[End], outside: list[End]) -> None:
        node, edge = end
        if not node:
            outside.append(end)
        elif not node.startswith("*"):
            if edge not in self.given[node].edges:
                raise EdgeError(
                    f"graph: {node} has no edge {edge!r}, it has {', '.join(self.given[node].edges) or 'none'}"
                )
            if end in used:
                raise EdgeError(f"graph: the edge {edge!r} of {node} is drawn twice; join several edges in a dot, *1")
            used.add(end)

    def _product(self, find: Callable[[End], End], free: list[str]) -> Tensor:
        roots: dict[End, str] = {}
        sizes: dict[End, Poly] = {}
        factors: list[Tensor] = []
        for name in self.nodes:
            if name.startswith("*"):
                continue
            own: list[str] = []
            for edge, dim in self.given[name].sizes.items():
                root = find((name, edge))
                if sizes.setdefault(root, dim) is not dim:
                    raise SizeError(
                        f"graph: the edge {edge!r} of {name} has size {dim}, what it is joined to {sizes[root]}"
                    )
                wire = roots.setdefault(root, f"w{len(roots)}")
                if wire in own:
                    other = f"{wire}_{len(factors)}_{len(own)}"
                    factors.append(Delta(dim, wire, other))
                    wire = other
                own.append(wire)
            factors.append(self.given[name].rename(dict(zip(self.given[name].edges, own, strict=True))))
        for edge in free:
            root = find(("", edge))
            if root not in sizes:
                raise EdgeError(f"graph: the free edge {edge!r} is joined to no tensor, so it has no size")
            factors.append(Delta(sizes[root], roots[root], f"free_{edge}"))
        made = Product(factors, tuple(f"free_{edge}" for edge in free))
        return made.rename({f"free_{edge}": edge for edge in free})
