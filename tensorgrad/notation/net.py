"""A product as the printer sees it: operands joined by edges, copy tensors dissolved into shared edges."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Delta, Product, Rename, Scalar, Sum, Tensor, Variable, Zero


@dataclass(slots=True)
class Net:
    """Operands with the edge (a number) of each of their edges in order; the boundary by free edge name."""

    coefficient: Poly
    operands: list[tuple[Tensor, tuple[int, ...]]]
    boundary: dict[str, int]
    dims: list[Poly]
    hints: list[str]
    """For each edge a name some factor gave it."""

    def legs(self) -> list[list[int]]:
        """For each edge the operands that have it, once per leg."""
        found: list[list[int]] = [[] for _ in self.dims]
        for k, (_, edges) in enumerate(self.operands):
            for edge in edges:
                found[edge].append(k)
        return found

    def ends(self) -> list[list[str]]:
        """For each edge the free names it carries."""
        found: list[list[str]] = [[] for _ in self.dims]
        for name, edge in self.boundary.items():
            found[edge].append(name)
        return found


class _Builder:
    def __init__(self) -> None:
        self.parent: list[int] = []
        self.dims: list[Poly] = []
        self.hints: list[str] = []
        self.coefficient = ONE
        self.operands: list[tuple[Tensor, tuple[int, ...]]] = []

    def fresh(self, dim: Poly, hint: str) -> int:
        self.hints.append(hint)
        self.parent.append(len(self.parent))
        self.dims.append(dim)
        return len(self.parent) - 1

    def find(self, edge: int) -> int:
        while self.parent[edge] != edge:
            self.parent[edge] = self.parent[self.parent[edge]]
            edge = self.parent[edge]
        return edge

    def unite(self, edges: list[int]) -> None:
        for edge in edges[1:]:
            a, b = self.find(edges[0]), self.find(edge)
            self.parent[max(a, b)] = min(a, b)

    def add(self, t: Tensor, edges: dict[str, int], deep: bool) -> None:
        """Take in a tensor whose edges are these; nested products whole or (`deep`) as their factors."""
        stack: list[tuple[Tensor, dict[str, int], bool]] = [(t, edges, True)]
        while stack:
            node, at, top = stack.pop()
            if isinstance(node, Rename):
                inner = {old: at[new] for old, new in zip(node.tensor.edges, node.edges, strict=True)}
                stack.append((node.tensor, inner, top))
            elif isinstance(node, Product) and (top or deep or inlined(node)):
                own = dict(at)
                for factor in node.factors:
                    for edge, dim in factor.sizes.items():
                        if edge not in own:
                            own[edge] = self.fresh(dim, edge)
                alone = sum(not isinstance(f, Scalar) for f in node.factors) == 1
                stack.extend((f, {e: own[e] for e in f.edges}, alone and top) for f in reversed(node.factors))
            elif isinstance(node, Sum) and len(node.terms) == 1:
                self.coefficient = self.coefficient * node.weights[0]
                stack.append((node.terms[0], at, top))
            elif isinstance(node, Scalar):
                self.coefficient = self.coefficient * node.value
            elif isinstance(node, Delta):
                if node.edges:
                    self.unite([at[e] for e in node.edges])
                else:
                    self.coefficient = self.coefficient * node.size
            else:
                self.operands.append((node, tuple(at[e] for e in node.edges)))


def inlined(node: Product) -> bool:
    """Whether a nested product is only structure (renamed or copied), so that no parentheses are worth keeping."""
    solid = [f for f in node.factors if not isinstance(f, Delta | Scalar)]
    return len(solid) <= 1


def net_of(t: Tensor, deep: bool = False) -> Net:
    """The net of a tensor; a tensor that is no product is one operand."""
    builder = _Builder()
    boundary = {edge: builder.fresh(dim, edge) for edge, dim in t.sizes.items()}
    builder.add(t, boundary, deep)
    numbers: dict[int, int] = {}
    dims: list[Poly] = []
    hints: list[str] = []
    for edge in range(len(builder.parent)):
        root = builder.find(edge)
        if root not in numbers:
            numbers[root] = len(dims)
            dims.append(builder.dims[root])
            hints.append(builder.hints[root])

    def number(edge: int) -> int:
        return numbers[builder.find(edge)]

    net = Net(
        builder.coefficient,
        [(node, tuple(number(e) for e in edges)) for node, edges in builder.operands],
        {name: number(edge) for name, edge in boundary.items()},
        dims,
        hints,
    )
    _close(net)
    return net


def _close(net: Net) -> None:
    """Edges without legs and names are sizes in the coefficient; a zero operand makes everything zero."""
    used = {e for _, edges in net.operands for e in edges} | set(net.boundary.values())
    for edge, dim in enumerate(net.dims):
        if edge not in used:
            net.coefficient = net.coefficient * dim
    if any(isinstance(node, Zero) for node, _ in net.operands):
        net.coefficient = net.coefficient * 0


def symmetric(node: Tensor) -> bool:
    """Whether a matrix is declared symmetric, so that its transpose need not be written."""
    return isinstance(node, Variable) and node.order == 2 and (node.has("symmetric") or node.has("diagonal"))
