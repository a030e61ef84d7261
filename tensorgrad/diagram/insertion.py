"""Tensors into a store: nested products become one draft, nested sums one total; no recursion over nesting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tensorgrad.diagram.applications import apply
from tensorgrad.diagram.blocks import Block, Factors, Terms, block
from tensorgrad.diagram.nodes import Leaf, Ref
from tensorgrad.diagram.precedence import First, as_written
from tensorgrad.diagram.slides import convolution
from tensorgrad.diagram.symmetry import fact_generators, swap
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Derivative,
    Expectation,
    LeviCivita,
    Tensor,
    Unit,
    Variable,
    Zero,
)

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store


class Insertion:
    """Puts tensors into a store, each block (a product with all it nests, a sum with all it nests, a node) once."""

    def __init__(
        self,
        store: Store,
        env: Mapping[str, Ref],
        sizes: Mapping[str, Poly],
        first: First,
    ) -> None:
        self.store = store
        self.env = env
        self.sizes = sizes
        self.first = first
        self.done: dict[int, Ref] = {}
        self._kept: list[Tensor] = []

    def insert(self, t: Tensor) -> Ref:
        """The reference of `t`, axes in the order of `t.edges`."""
        stack: list[Tensor] = [t]
        open_blocks: dict[int, Block] = {}
        while stack:
            node = stack[-1]
            if id(node) in self.done:
                stack.pop()
                continue
            if id(node) not in open_blocks:
                open_blocks[id(node)] = found = block(node, self.dim)
                parts = sorted(found.parts, key=self.first, reverse=True)
                stack.extend(p for p in parts if id(p) not in self.done)
                continue
            stack.pop()
            self.done[id(node)] = self._build(node, open_blocks.pop(id(node)))
            self._kept.append(node)
        return self.done[id(t)]

    def dim(self, size: Poly) -> Poly:
        """A size with the size symbols of a rule replaced by what they were matched with."""
        return size.substitute(self.sizes) if self.sizes else size

    def _build(self, node: Tensor, prepared: Block) -> Ref:
        if isinstance(prepared, Terms):
            refs = [(c, self._permuted(self.done[id(t)], perm)) for t, c, perm in prepared.terms]
            return self.store.total(refs, [self.dim(d) for d in node.dims])
        if isinstance(prepared, Factors):
            return self._network(prepared)
        return self._node(node)

    def _network(self, block: Factors) -> Ref:
        for t, legs in block.operands:
            handle, perm = self.done[id(t)]
            by_axis = [0] * len(legs)
            for a, p in enumerate(perm):
                by_axis[p] = legs[a]
            block.draft.operands.append((handle, by_axis))
        return self.store.network(block.draft)

    def _node(self, block: Tensor) -> Ref:
        match block:
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
                raise TypeError(f"no node of a diagram: {type(block).__name__}")

    @staticmethod
    def _permuted(ref: Ref, perm: Sequence[int]) -> Ref:
        return ref[0], tuple(ref[1][p] for p in perm)

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


def insert(
    store: Store,
    t: Tensor,
    env: Mapping[str, Ref] | None = None,
    sizes: Mapping[str, Poly] | None = None,
    first: First = as_written,
) -> Ref:
    """Put a tensor into a store; `env` gives references for variables and `sizes` sizes for symbols, by name.

    Parts for which `first` is less are put in first, of those that are alike the last that is written.

    Raises UnsupportedError for derivatives, variances and covariances (expand them first).
    """
    return Insertion(store, env or {}, sizes or {}, first).insert(t)


def insert_all(store: Store, tensors: Iterable[Tensor]) -> list[Ref]:
    """Put several tensors into a store, parts that they share once.

    Raises UnsupportedError for derivatives, variances and covariances (expand them first).
    """
    insertion = Insertion(store, {}, {}, as_written)
    return [insertion.insert(t) for t in tensors]
