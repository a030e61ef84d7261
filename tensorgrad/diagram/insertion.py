"""Tensors into a store: nested products become one draft, nested sums one total; no recursion over nesting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tensorgrad.diagram.applications import apply
from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.nodes import Leaf, Ref
from tensorgrad.diagram.slides import convolution
from tensorgrad.diagram.symmetry import fact_generators, swap
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import ONE, Poly, as_poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
    Flat,
    LeviCivita,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
)

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store

_STRUCTURE = (Product, Rename, Delta, Scalar, Flat)


class Insertion:
    """Puts tensors into a store, each block (a product with all it nests, a sum with all it nests, a node) once."""

    def __init__(self, store: Store, env: Mapping[str, Ref], sizes: Mapping[str, Poly]) -> None:
        self.store = store
        self.env = env
        self.sizes = sizes
        self.done: dict[int, Ref] = {}
        self._kept: list[Tensor] = []

    def insert(self, t: Tensor) -> Ref:
        """The reference of `t`, axes in the order of `t.edges`."""
        stack: list[Tensor] = [t]
        parts: dict[int, tuple[list[Tensor], object]] = {}
        while stack:
            block = stack[-1]
            if id(block) in self.done:
                stack.pop()
                continue
            if id(block) not in parts:
                parts[id(block)] = self._parts(block)
                stack.extend(p for p in parts[id(block)][0] if id(p) not in self.done)
                continue
            stack.pop()
            self.done[id(block)] = self._build(block, parts.pop(id(block))[1])
            self._kept.append(block)
        return self.done[id(t)]

    def dim(self, size: Poly) -> Poly:
        """A size with the size symbols of a rule replaced by what they were matched with."""
        return size.substitute(self.sizes) if self.sizes else size

    def _parts(self, block: Tensor) -> tuple[list[Tensor], object]:
        if isinstance(block, _STRUCTURE):
            draft, operands = self._draft(block)
            return [t for t, _ in operands], (draft, operands)
        if isinstance(block, Sum):
            terms = _terms(block)
            return [t for t, _, _ in terms], terms
        if isinstance(block, Apply | Unit):
            return list(block.children), None
        if isinstance(block, Expectation) and block.kind == "E":
            return list(block.children), None
        return [], None

    def _build(self, block: Tensor, prepared: object) -> Ref:
        match block:
            case Sum():
                terms: list[tuple[Tensor, Poly, tuple[int, ...]]] = prepared  # type: ignore[assignment]
                refs = [(c, self._permuted(self.done[id(t)], perm)) for t, c, perm in terms]
                return self.store.total(refs, [self.dim(d) for d in block.dims])
            case Apply():
                return self._apply(block)
            case Variable():
                return self._variable(block)
            case Zero():
                return self.store.zero([self.dim(d) for d in block.dims])
            case Unit():
                index = self.done[id(block.index)]
                size = self.dim(block.size)
                leaf = Unit(block.index, size, block.edges)
                return self.store.leaf(Leaf(("unit", index[0], size), leaf, index[0]), (size,))
            case LeviCivita():
                order = block.order
                generators = tuple(swap(order, [a], [a + 1], -1) for a in range(order - 1))
                return self.store.leaf(Leaf(("lc", order), block), block.dims, generators)
            case Convolution():
                dims = tuple(self.dim(d) for d in block.dims)
                return convolution(self.store, dims, block.steps, self.dim(block.offset))
            case Derivative():
                raise UnsupportedError("a derivative inside a diagram; calculus.expand takes derivatives first")
            case Expectation():
                return self._expectation(block)
            case _:
                draft, operands = prepared  # type: ignore[misc]
                for t, legs in operands:
                    handle, perm = self.done[id(t)]
                    by_axis = [0] * len(legs)
                    for a, p in enumerate(perm):
                        by_axis[p] = legs[a]
                    draft.operands.append((handle, by_axis))
                return self.store.network(draft)

    @staticmethod
    def _permuted(ref: Ref, perm: Sequence[int]) -> Ref:
        return ref[0], tuple(ref[1][p] for p in perm)

    def _draft(self, block: Tensor) -> tuple[Draft, list[tuple[Tensor, list[int]]]]:
        """A product and all products inside it as one draft; the rest as operands still to be inserted."""
        draft = Draft()
        operands: list[tuple[Tensor, list[int]]] = []
        free = draft.edges(self.dim(d) for d in block.dims)
        draft.boundary = list(free)
        stack: list[tuple[Tensor, list[int]]] = [(block, free)]
        while stack:
            node, legs = stack.pop()
            if isinstance(node, Rename):
                stack.append((node.tensor, legs))
            elif isinstance(node, Product):
                named = dict(zip(node.edges, legs, strict=True))
                for factor in node.factors:
                    for edge, dim in zip(factor.edges, factor.dims, strict=True):
                        if edge not in named:
                            named[edge] = draft.edge(self.dim(dim))
                stack.extend((f, [named[e] for e in f.edges]) for f in reversed(node.factors))
            elif isinstance(node, Delta):
                if legs:
                    for leg in legs[1:]:
                        draft.unify(legs[0], leg)
                else:
                    draft.coefficient = draft.coefficient * self.dim(node.size)
            elif isinstance(node, Scalar):
                draft.coefficient = draft.coefficient * self.dim(node.value)
            elif isinstance(node, Flat):
                draft.operands.append((-len(node.parts), legs))
            else:
                operands.append((node, legs))
        return draft, operands

    def _variable(self, variable: Variable) -> Ref:
        bound = self.env.get(variable.name)
        if bound is not None:
            return self.store.resolve(bound)
        dims = tuple(self.dim(d) for d in variable.dims)
        generators = fact_generators(len(dims), variable.facts)
        return self.store.leaf(Leaf(("variable", variable.name), variable), dims, generators)

    def _expectation(self, t: Expectation) -> Ref:
        """An expectation without closed form: a leaf, known by its integrand and its law, symmetric as the integrand."""
        if t.kind != "E":
            raise UnsupportedError(f"{t.kind}[{t.variable.name}] inside a diagram; calculus.expand writes it out first")
        handle, perm = self.store.resolve(self.done[id(t.args[0])])
        key: list[str | int | Poly] = ["expectation", t.variable.name, handle, t.law.kind if t.law else ""]
        for parameter in t.law.parameters if t.law else ():
            inner, order = self.store.resolve(self.done[id(parameter)])
            key += [inner, *order]
        axes = tuple(t.args[0].edges[list(perm).index(a)] for a in range(len(perm)))
        dims = tuple(self.dim(t.args[0].sizes[e]) for e in axes)
        leaf = Expectation.of("E", t.args, t.variable, t.law, axes, dims)
        found = self.store.leaf(Leaf(tuple(key), leaf), dims, self.store.group_of(handle).generators)
        of_edge = dict(zip(t.args[0].edges, perm, strict=True))
        return found[0], tuple(of_edge[e] for e in t.edges)

    def _apply(self, t: Apply) -> Ref:
        number = {e: b for b, e in enumerate(t.edges[: t.order - sum(len(g) for g in t.produced)])}
        groups = [len(g) for groups in t.acted for g in groups]
        args: list[tuple[Ref, list[int]]] = []
        acted = 0
        for arg, own in zip(t.args, t.acted, strict=True):
            local = dict(number)
            for group in own:
                for edge in group:
                    acted += 1
                    local[edge] = -acted
            args.append((self.done[id(arg)], [local[e] for e in arg.edges]))
        return apply(self.store, t.function.with_sizes(self.dim), args, groups)


def _terms(block: Sum) -> list[tuple[Tensor, Poly, tuple[int, ...]]]:
    """The terms of a sum and of all sums inside it, each with its coefficient and where the sum's axes are in it."""
    out: list[tuple[Tensor, Poly, tuple[int, ...]]] = []
    stack: list[tuple[Tensor, Poly, tuple[int, ...]]] = [(block, ONE, tuple(range(block.order)))]
    while stack:
        node, coefficient, perm = stack.pop()
        if isinstance(node, Sum):
            for term, weight in zip(reversed(node.terms), reversed(node.weights), strict=True):
                axis = {e: a for a, e in enumerate(term.edges)}
                inner = [axis[e] for e in node.edges]
                stack.append((term, coefficient * as_poly(weight), tuple(inner[p] for p in perm)))
        elif isinstance(node, Rename):
            stack.append((node.tensor, coefficient, perm))
        else:
            out.append((node, coefficient, perm))
    return out


def insert(
    store: Store, t: Tensor, env: Mapping[str, Ref] | None = None, sizes: Mapping[str, Poly] | None = None
) -> Ref:
    """Put a tensor into a store; `env` gives references for variables and `sizes` sizes for symbols, by name.

    Raises UnsupportedError for derivatives, variances and covariances (expand them first).
    """
    return Insertion(store, env or {}, sizes or {}).insert(t)
