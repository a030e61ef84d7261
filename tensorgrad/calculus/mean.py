"""Expectations of diagrams over one random variable: linearity, constants, and one step of the law at a time.

A diagram with copies of the variable among its operands loses one of them in each step (a law of `wick` says how);
diagrams are merged by canonical form as they are generated, so equal ones are computed once: of the 10395 pairings
of E[(x @ A @ x) ** 6] only those with different diagrams are ever seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from tensorgrad.calculus.laws import free_names
from tensorgrad.diagram import Application, Handle, Leaf, Network, Ref, Store, Total, insert
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Law, Tensor, Unit, Variable

Operand = tuple[Handle, Sequence[int]]
Terms = list[tuple[Poly, Ref]]

LARGEST_POWER = 16
"""A natural power of an expression of the variable is multiplied out up to this exponent."""


class Step(Protocol):
    """What a law does to a diagram of which every piece holds the variable; None: it has no closed form."""

    def __call__(self, mean: Mean, network: Network) -> Terms | None:
        """Terms equal to the expectation (already taken), axes in the network's order."""
        ...


Closed = Callable[["Mean", Sequence[Operand], Sequence[Poly]], Tensor | None]
"""The closed form of a product of operands whose edges have the sizes given; edge e is called `~e` in it."""


class Mean:
    """Expectations over `variable` of the diagrams of one store."""

    def __init__(self, store: Store, variable: Variable, law: Law | None, step: Step, closed: Closed) -> None:
        self.store = store
        self.variable = variable
        self.law = law
        self.step = step
        self._closed = closed
        self.x: Handle = insert(store, variable)[0]
        self._values: dict[Handle, Ref] = {}
        self._depends: dict[Handle, bool] = {}

    def depends(self, handle: Handle) -> bool:
        """Whether a handle depends on the variable."""
        found = self._depends.get(handle)
        if found is None:
            found = self._depends[handle] = handle >= FLAT and self._inside(handle)
        return found

    def _inside(self, handle: Handle) -> bool:
        node = self.store.nodes[handle]
        match node:
            case Leaf():
                if isinstance(node.tensor, Unit):
                    return node.index is not None and self.depends(node.index)
                return handle == self.x or self.variable.name in free_names(node.tensor)
            case Application():
                return any(self.depends(h) for h, _ in node.args)
            case Network():
                return any(self.depends(h) for h, _ in node.operands)
            case Total():
                return any(self.depends(h) for _, h, _ in node.terms)

    def of(self, ref: Ref) -> Ref:
        """The expectation of a reference."""
        handle, perm = ref
        value = self._values.get(handle)
        if value is None:
            value = self._values[handle] = self._of(handle)
        return value[0], tuple(value[1][p] for p in perm)

    def closed(self, core: Ref) -> Ref | None:
        """The closed form of the expectation of a reference that no fixed factor can be taken out of, if it has one."""
        node = self._opened_once(core[0])
        value = self._closed(self, node.operands, node.dims)
        return None if value is None else self.restored(core, value)

    def restored(self, core: Ref, value: Tensor) -> Ref:
        """The reference `core` with a tensor in the place of all its operands; its edge e is called `~e`."""
        node = self._opened_once(core[0])
        legs = [int(e.removeprefix("~")) for e in value.edges]
        terms = self.terms_of(tensor_ref(self.store, value, value.edges))
        whole = self.store.total([(c, self._put_back(node, (), legs, t)) for c, t in terms], self._dims(node))
        return whole[0], tuple(whole[1][p] for p in core[1])

    def _opened_once(self, handle: Handle) -> Network:
        node = self.store.nodes[handle]
        return node if isinstance(node, Network) else _alone(handle, self.store.dims[handle])

    def has_copies(self, ref: Ref) -> bool:
        """Whether the variable itself is a factor of a term of `ref`."""
        stack = [ref[0]]
        while stack:
            handle = stack.pop()
            if handle == self.x:
                return True
            node = self.store.nodes[handle] if handle >= FLAT and self.depends(handle) else None
            if isinstance(node, Network):
                stack += [h for h, _ in node.operands]
            elif isinstance(node, Total):
                stack += [h for _, h, _ in node.terms]
            elif isinstance(node, Application) and self._times(node):
                stack.append(node.args[0][0])
        return False

    def _of(self, handle: Handle) -> Ref:
        dims = self.store.dims[handle]
        same = tuple(range(len(dims)))
        if not self.depends(handle):
            return handle, same
        node = self.store.nodes[handle]
        if isinstance(node, Total):
            return self.store.total([(c, self.of((h, perm))) for c, h, perm in node.terms], dims)
        if isinstance(node, Network):
            return self._network(node)
        return self._core(_alone(handle, dims), handle)

    def _network(self, node: Network) -> Ref:
        """Numbers and the pieces that do not hold the variable are taken out; the rest is a diagram of its own."""
        fixed, moving = self._pieces(node)
        if not fixed and node.coefficient is ONE and len(set(node.boundary)) == len(node.boundary):
            legs = {e for _, own in moving for e in own}
            if all(e in legs for e in node.boundary):
                return self._core(node, None)
        return self.apart(node, fixed, moving, self.of)

    def _pieces(self, node: Network) -> tuple[list[Operand], list[Operand]]:
        """The operands not connected to one that depends on the variable, and the others."""
        reached = {e for h, legs in node.operands if self.depends(h) for e in legs}
        grown = True
        while grown:
            before = len(reached)
            for _, legs in node.operands:
                if not reached.isdisjoint(legs):
                    reached.update(legs)
            grown = len(reached) > before
        fixed: list[Operand] = []
        moving: list[Operand] = []
        for handle, legs in node.operands:
            near = self.depends(handle) or not reached.isdisjoint(legs)
            (moving if near else fixed).append((handle, legs))
        return fixed, moving

    def apart(
        self, node: Network, fixed: Sequence[Operand], moving: Sequence[Operand], value: Callable[[Ref], Ref]
    ) -> Ref:
        """`node` with `value` of the diagram of the operands `moving` in their place, multiplied out."""
        outside = {e for _, legs in fixed for e in legs}.union(node.boundary)
        shared = list(dict.fromkeys(e for _, legs in moving for e in legs if e in outside))
        core = self.draft(node)
        core.operands, core.boundary = list(moving), list(shared)
        for e in set(range(len(node.dims))) - {e for _, legs in moving for e in legs}:
            core.dims[e] = ONE  # edges of the fixed part close no loop here
        terms = self.terms_of(value(self.store.network(core)))
        return self.store.total([(c, self._put_back(node, fixed, shared, t)) for c, t in terms], self._dims(node))

    def draft(self, node: Network) -> Draft:
        """A draft with the network's edges and nothing on them."""
        draft = Draft()
        draft.edges(node.dims)
        return draft

    def _dims(self, node: Network) -> tuple[Poly, ...]:
        return tuple(node.dims[e] for e in node.boundary)

    def _put_back(self, node: Network, fixed: Iterable[Operand], shared: Sequence[int], value: Ref) -> Ref:
        draft = self.draft(node)
        draft.coefficient = node.coefficient
        draft.boundary = list(node.boundary)
        draft.operands = [*fixed, self.operand(value, shared)]
        inner = {e for _, legs in fixed for e in legs}.union(shared, node.boundary)
        for e in set(range(len(node.dims))) - inner:
            draft.dims[e] = ONE
        return self.store.network(draft)

    def operand(self, ref: Ref, legs: Sequence[int]) -> Operand:
        """A reference as an operand with axis k on edge `legs[k]`."""
        by_axis = [0] * len(legs)
        for k, p in enumerate(ref[1]):
            by_axis[p] = legs[k]
        return ref[0], by_axis

    def terms_of(self, ref: Ref) -> Terms:
        """The terms of a sum, coefficients multiplied in; the reference itself if it is none."""
        handle, perm = ref
        node = self.store.nodes[handle]
        coefficient = ONE
        if isinstance(node, Network) and len(node.operands) == 1:
            inner, legs = node.operands[0]
            if inner >= FLAT and isinstance(self.store.nodes[inner], Total) and sorted(legs) == sorted(node.boundary):
                axis = {e: a for a, e in enumerate(legs)}
                coefficient = node.coefficient
                perm = tuple(axis[node.boundary[p]] for p in perm)
                node = self.store.nodes[inner]
        if not isinstance(node, Total):
            return [(ONE, ref)]
        return [(coefficient * c, (h, tuple(own[p] for p in perm))) for c, h, own in node.terms]

    def _core(self, node: Network, handle: Handle | None) -> Ref:
        """The expectation of a diagram without constants (`handle`: of one operand alone)."""
        dims = self._dims(node)
        opened = self._mean_and_covariance(node) or self._opened(node)
        if opened is not None:
            return self.store.total([(c, self.of(t)) for c, t in opened], dims)
        terms = self.step(self, node)
        if terms is not None:
            return self.store.total(terms, dims)
        raise UnsupportedError(f"E[{self.variable.name}] of this expression: it has no closed form")

    def _opened(self, node: Network) -> Terms | None:
        """The first sum, or power, among the operands multiplied out."""
        operands = self.unpowered(node)
        for place, (handle, legs) in enumerate(operands):
            inner = self.store.nodes[handle]
            pieces: Terms | None = None
            if isinstance(inner, Total) and self.depends(handle):
                pieces = self.terms_of((handle, tuple(range(len(legs)))))
            if pieces is None:
                continue
            rest = [o for k, o in enumerate(operands) if k != place]
            found: Terms = []
            for coefficient, piece in pieces:
                draft = self.draft(node)
                draft.boundary = list(node.boundary)
                draft.operands = [*rest, self.operand(piece, legs)]
                found.append((coefficient, self.store.network(draft)))
            return found
        return None

    def _mean_and_covariance(self, node: Network) -> Terms | None:
        """E[f g] of two operands affine in the variable, one a sum: E[f] E[g] is kept whole, as in a squared bias.

        The covariance is that of the terms that hold the variable; what their means multiply to cancels exactly.
        """
        operands = self.unpowered(node)
        places = [k for k, (h, _) in enumerate(operands) if self.depends(h)]
        totals = [k for k in places if isinstance(self.store.nodes[operands[k][0]], Total)]
        if self.law is None or len(places) != 2 or not totals:
            return None
        factors = [self.terms_of((operands[k][0], tuple(range(len(operands[k][1]))))) for k in places]
        if not all(self._degree(h) in (0, 1) for terms in factors for _, (h, _) in terms):
            return None

        def product(*refs: Ref) -> Ref:
            draft = self.draft(node)
            draft.boundary = list(node.boundary)
            draft.operands = [o for k, o in enumerate(operands) if k not in places]
            draft.operands += [self.operand(ref, operands[k][1]) for k, ref in zip(places, refs, strict=True)]
            return self.store.network(draft)

        means = [
            self.store.total([(c, self.of(t)) for c, t in terms], self.store.dims[operands[k][0]])
            for k, terms in zip(places, factors, strict=True)
        ]
        found: Terms = [(ONE, product(*means))]
        for c, one in factors[0]:
            for d, other in factors[1]:
                if self.depends(one[0]) and self.depends(other[0]):
                    found += [(c * d, product(one, other)), (-(c * d), product(self.of(one), self.of(other)))]
        return found

    def _degree(self, handle: Handle) -> int:
        """How many copies of the variable a term is a product with; -1 where it depends on it otherwise."""
        if not self.depends(handle):
            return 0
        network = self.store.network_of(handle)
        moving = [handle] if network is None else [h for h, _ in network.operands if self.depends(h)]
        return len(moving) if all(h == self.x for h in moving) else -1

    def unpowered(self, node: Network) -> list[Operand]:
        """The operands, natural powers of anything but opaque functions written as equal factors."""
        found: list[Operand] = []
        for handle, legs in node.operands:
            power = self.store.power_of(handle) if handle >= FLAT else None
            times = self._times(power) if power is not None else 0
            if power is None or not times:
                found.append((handle, legs))
                continue
            base, labels = power.args[0]
            found += [(base, [legs[b] for b in labels])] * times
        return found

    def _times(self, power: Application) -> int:
        """k for a power with a natural exponent k that is multiplied out, else 0."""
        base = power.args[0][0]
        if power.function.name != "pow":
            return 0
        value = self.store.constant_value(power.args[1][0])
        if value is None or not value.is_constant or value.number.denominator != 1:
            return 0
        opens = base == self.x or isinstance(self.store.nodes[base], Total)
        return int(value.number) if opens and 2 <= value.number <= LARGEST_POWER else 0


def _alone(handle: Handle, dims: Sequence[Poly]) -> Network:
    legs = tuple(range(len(dims)))
    return Network(ONE, ((handle, legs),), legs, tuple(dims))


def tensor_ref(store: Store, t: Tensor, edges: Sequence[str]) -> Ref:
    """The reference of a tensor, axes in the order of `edges`."""
    handle, perm = insert(store, t)
    axis = dict(zip(t.edges, perm, strict=True))
    return handle, tuple(axis[e] for e in edges)
