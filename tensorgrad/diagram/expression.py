"""References back into tensors, with readable edge names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Node, Ref, Total
from tensorgrad.diagram.numbers import one_logarithm, one_number, square_root
from tensorgrad.function import FUNCTIONS
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Delta, Flat, Product, Rename, Scalar, Sum, Tensor, Unit, Zero, renamed, walk

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store

Choose = Callable[[Handle], tuple[Node, tuple[int, ...]]]
"""For a handle the node to be shown, and perm: axis a of the node is axis perm[a] of the handle."""


def expression(store: Store, ref: Ref, edges: Sequence[str]) -> Tensor:
    """The tensor that a reference denotes, its axes called `edges`."""
    return Expressions(store, store.own_node).ref(ref, edges)


def axis_names(order: int) -> tuple[str, ...]:
    """The names that a handle's axes have in `Expressions`."""
    return tuple(f"a{k}" for k in range(order))


class Expressions:
    """Tensors of handles, each built once; axes are called a0, a1, ... in the handle's order.

    `resolve` says what stands for a child (in an e-graph its class's root, in a derivation the child itself).
    """

    def __init__(self, store: Store, choose: Choose, resolve: Callable[[Handle], Ref | None] | None = None) -> None:
        self.store = store
        self.choose = choose
        self.done: dict[Handle, Tensor] = {}
        self._resolve = resolve

    def ref(self, ref: Ref, edges: Sequence[str]) -> Tensor:
        """The tensor of a reference, its axes called `edges`, in that order."""
        self.tensor(self._target(ref[0])[0])
        named = self._named(ref[0], [edges[_position(ref[1], p)] for p in range(len(edges))])
        return named if named.edges == tuple(edges) else Product((named,), tuple(edges))

    def _target(self, handle: Handle) -> Ref:
        found = self._resolve(handle) if self._resolve is not None else None
        return (handle, tuple(range(len(self.store.dims[handle])))) if found is None else found

    def _named(self, handle: Handle, names: Sequence[str]) -> Tensor:
        """What stands for a child that is done, its axes called `names`."""
        target, perm = self._target(handle)
        own = [""] * len(perm)
        for a, p in enumerate(perm):
            own[p] = names[a]
        return renamed(self.done[target], tuple(own))

    def tensor(self, handle: Handle) -> Tensor:
        """The tensor of a handle."""
        stack = [handle]
        while stack:
            top = stack[-1]
            if top in self.done:
                stack.pop()
                continue
            node, perm = self.choose(top)
            missing = [h for h in (self._target(c)[0] for c in children(node)) if h not in self.done]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            names = axis_names(len(perm))
            built = self.build(node, tuple(names[p] for p in perm))
            self.done[top] = built if built.edges == names else Product((built,), names)
        return self.done[handle]

    def build(self, node: Node, names: tuple[str, ...]) -> Tensor:
        """The tensor of a node whose children are done."""
        match node:
            case Leaf():
                if node.index is not None and isinstance(node.tensor, Unit):
                    return Unit(self._named(node.index, ()), node.tensor.size, names)
                return renamed(node.tensor, names)
            case Application():
                return self._application(node, names)
            case Network():
                return self._network(node, names)
            case Total():
                if not node.terms:
                    return Zero(edges=dict(zip(names, node.dims, strict=True)))
                return self._total(node, names)

    def _application(self, node: Application, names: tuple[str, ...]) -> Tensor:
        args: list[Tensor] = []
        acted: list[tuple[tuple[str, ...], ...]] = []
        group_names: list[tuple[str, ...]] = []
        count = 0
        for length in node.groups:
            group_names.append(tuple(f"r{count + k}" for k in range(length)))
            count += length
        position = 0
        for (handle, labels), groups in zip(node.args, node.function.acts, strict=True):
            own = [names[b] if b >= 0 else f"r{-1 - b}" for b in labels]
            args.append(self._named(handle, own))
            acted.append(tuple(group_names[position : position + groups]))
            position += groups
        batch = len({b for _, labels in node.args for b in labels if b >= 0})
        produced: list[tuple[str, ...]] = []
        start = batch
        for source in node.function.produces:
            length = 1 if isinstance(source, Poly) else node.groups[source]
            produced.append(tuple(names[start : start + length]))
            start += length
        root = square_root(args) if node.function is FUNCTIONS["pow"] else None
        result = Apply(node.function, args, acted, tuple(produced)) if root is None else root
        return result if result.edges == names else Product((result,), names)

    def _network(self, node: Network, names: tuple[str, ...]) -> Tensor:
        edge_names = [f"s{e}" for e in range(len(node.dims))]
        for position in range(len(node.boundary) - 1, -1, -1):
            edge_names[node.boundary[position]] = names[position]
        factors: list[Tensor] = []
        coefficient, flip = self._sign(node)
        if coefficient is not ONE or not (node.operands or node.boundary):
            factors.append(Scalar(coefficient))
        touched: set[int] = set()
        for position, (handle, legs) in enumerate(node.operands):
            touched.update(legs)
            if handle < FLAT:
                factors += _flat(node, legs, edge_names)
            else:
                operand, *extra = self._operand(handle, legs, edge_names, node)
                factors += [_negated(operand) if position == flip else operand, *extra]
        for edge, dim in enumerate(node.dims):
            positions = [names[p] for p, e in enumerate(node.boundary) if e == edge]
            if len(positions) > 1 or (positions and edge not in touched):
                factors.append(Delta(dim, *positions))
        factors = one_number(factors)
        return Product(factors, names) if len(factors) != 1 or factors[0].edges != names else factors[0]

    def _sign(self, node: Network) -> tuple[Poly, int]:
        """Instead of -c * (x - y) show c * (y - x): the coefficient, and the position of the sum to be negated."""
        if node.coefficient.is_monomial and node.coefficient.terms[0][1] < 0:
            for position, (handle, _) in enumerate(node.operands):
                if handle >= FLAT and _sum_within(self.done[self._target(handle)[0]]) is not None:
                    return -node.coefficient, position
        return node.coefficient, -1

    def _operand(self, handle: Handle, legs: Sequence[int], edge_names: Sequence[str], node: Network) -> list[Tensor]:
        own: list[str] = []
        extra: list[Tensor] = []
        for axis, e in enumerate(legs):
            name = edge_names[e]
            if name in own:
                name = f"{name}_{axis}"
                extra.append(Delta(node.dims[e], edge_names[e], name))
            own.append(name)
        return [self._named(handle, own), *extra]

    def _total(self, node: Total, names: tuple[str, ...]) -> Tensor:
        terms: list[Tensor] = []
        weights: list[Fraction] = []
        for coefficient, handle, perm in sorted(node.terms, key=lambda t: t[0].terms[0][1] < 0):
            own = [""] * len(perm)
            for a, p in enumerate(perm):
                own[p] = names[a]
            term = self._named(handle, own)
            if not coefficient.is_constant:
                term = Product((Scalar(coefficient), term), term.edges)
            weights.append(coefficient.number if coefficient.is_constant else Fraction(1))
            terms.append(term if term.edges == names else Product((term,), names))
        if not names:
            terms, weights = one_logarithm(terms, weights)
        return _readable(terms, weights)


def _sum_within(t: Tensor) -> list[tuple[Tensor, int]] | None:
    """The way from a tensor down through products to a sum with a negative weight: (node, position of the next one)."""
    stack: list[list[tuple[Tensor, int]]] = [[(t, 0)]]
    while stack:
        way = stack.pop()
        node = way[-1][0]
        if isinstance(node, Sum):
            if min(node.weights) < 0:
                return way
        elif isinstance(node, Rename | Product):
            stack += [[*way[:-1], (node, k), (child, 0)] for k, child in reversed(list(enumerate(node.children)))]
    return None


def _better_negated(t: Tensor) -> bool:
    """Instead of a - b * (x - y) show a + b * (y - x), but not where x is a constant: 1 - y stays."""
    way = _sum_within(t)
    if way is None:
        return False
    inner = way[-1][0]
    assert isinstance(inner, Sum)
    positive = [term for term, weight in zip(inner.terms, inner.weights, strict=True) if weight > 0]
    return not any(all(isinstance(n, Rename | Product | Delta | Scalar) for n in walk(term)) for term in positive)


def _readable(terms: Sequence[Tensor], weights: Sequence[Fraction]) -> Sum:
    """A sum whose terms are negated where that is better, those with a plus first."""
    pairs = [
        (-w, _negated(t, outermost=False)) if w < 0 and _better_negated(t) else (w, t)
        for w, t in zip(weights, terms, strict=True)
    ]
    pairs.sort(key=lambda pair: pair[0] < 0)
    return Sum(tuple(t for _, t in pairs), tuple(w for w, _ in pairs))


def _signed(t: Sum) -> Sum:
    """A sum with the opposite weights."""
    order = sorted(range(len(t.terms)), key=lambda k: t.weights[k] > 0)
    return Sum(tuple(t.terms[k] for k in order), tuple(-t.weights[k] for k in order))


def _negated(t: Tensor, outermost: bool = True) -> Tensor:
    """A tensor with the opposite sign: the weights of the sum that `_sum_within` finds are negated."""
    way = _sum_within(t)
    assert way is not None
    inner = way[-1][0]
    assert isinstance(inner, Sum)
    new: Tensor = _readable(inner.terms, [-w for w in inner.weights]) if outermost else _signed(inner)
    for node, k in reversed(way[:-1]):
        if isinstance(node, Product):
            new = Product((*node.factors[:k], new, *node.factors[k + 1 :]), node.edges)
        else:
            new = renamed(new, node.edges)
    return new


def _flat(node: Network, legs: Sequence[int], edge_names: Sequence[str]) -> list[Tensor]:
    names: list[str] = []
    extra: list[Tensor] = []
    for axis, e in enumerate(legs):
        name = edge_names[e]
        if name in names:
            name = f"{name}_{axis}"
            extra.append(Delta(node.dims[e], edge_names[e], name))
        names.append(name)
    return [Flat(tuple(names), tuple(node.dims[e] for e in legs[1:])), *extra]


def children(node: Node) -> list[Handle]:
    """The handles that a node is made of."""
    match node:
        case Leaf():
            return [node.index] if node.index is not None else []
        case Application():
            return [h for h, _ in node.args]
        case Network():
            return [h for h, _ in node.operands if h >= FLAT]
        case Total():
            return [h for _, h, _ in node.terms]


def _position(perm: Sequence[int], axis: int) -> int:
    return list(perm).index(axis)
