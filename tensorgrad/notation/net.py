"""A product as the printer sees it: operands joined by edges, copy tensors dissolved into shared edges."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import (
    Apply,
    Delta,
    Flat,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Variable,
    Zero,
    postorder,
    walk,
    with_children,
)

_SYMMETRIC = ("symmetric", "diagonal", "psd", "pd")
"""Facts by which a matrix is its own transpose."""


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
    """Whether a nested product is only structure (renamed, copied, fused), so that no parentheses are worth keeping.

    A product with both flats and copies stays: it may be a kron with an identity.
    """
    solid = [f for f in node.factors if not isinstance(f, Delta | Scalar | Flat)]
    kinds = {type(f) for f in node.factors}
    return len(solid) <= 1 and not {Flat, Delta} <= kinds


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
    """Whether a matrix is declared symmetric, by itself or as psd, so that its transpose need not be written."""
    return isinstance(node, Variable) and node.order == 2 and any(map(node.has, _SYMMETRIC))


def ungrouped_everywhere(t: Tensor) -> Tensor:
    """The tensor with every function that acts on groups of several edges acting on fused edges instead."""

    def grouped(node: Tensor) -> bool:
        return isinstance(node, Apply) and any(len(group) != 1 for groups in node.acted for group in groups)

    if not any(grouped(node) for node in walk(t)):
        return t
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        new = with_children(node, tuple(done[id(c)] for c in node.children))
        done[id(node)] = ungrouped(new) if isinstance(new, Apply) and grouped(new) else new
    return done[id(t)]


def ungrouped(t: Apply) -> Tensor:
    """The same with every acted group of several edges fused to one by a flat, and the produced ones split."""
    args: list[Tensor] = []
    acted: list[tuple[tuple[str, ...], ...]] = []
    flats: list[Tensor] = []
    counter = 0
    for argument, groups in zip(t.args, t.acted, strict=True):
        factors, kept, single = [argument], list(argument.edges), list[tuple[str, ...]]()
        for group in groups:
            if len(group) == 1:
                single.append(group)
                continue
            counter += 1
            name = f"_f{counter}"
            factors.append(Flat((name, *group), tuple(argument.sizes[e] for e in group)))
            kept = [*(e for e in kept if e not in group), name]
            single.append((name,))
        args.append(Product(factors, kept) if len(factors) > 1 else argument)
        acted.append(tuple(single))
    produced: list[tuple[str, ...]] = []
    for group in t.produced:
        if len(group) == 1:
            produced.append(group)
            continue
        counter += 1
        name = f"_f{counter}"
        flats.append(Flat((name, *group), tuple(t.sizes[e] for e in group)))
        produced.append((name,))
    single_edges = Apply(t.function, args, acted, tuple(produced))
    return Product((single_edges, *flats), t.edges) if flats else single_edges
