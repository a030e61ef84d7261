"""Diagrams into programs: every handle evaluated once, contractions in steps of two, equal steps shared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tensorgrad.cost import NetworkPlan
from tensorgrad.diagram import Application, Leaf, Network, Ref, Store, Total
from tensorgrad.diagram.draft import FLAT
from tensorgrad.runtime.attention import attended
from tensorgrad.runtime.coefficients import Term, settled
from tensorgrad.runtime.definite import definite_values, triangular_values
from tensorgrad.runtime.inverses import with_bare_inverses
from tensorgrad.runtime.orientation import oriented
from tensorgrad.runtime.program import (
    Add,
    Arrange,
    Call,
    Contract,
    Gather,
    Input,
    Make,
    Operand,
    Program,
    Scale,
    Scatter,
    Select,
)
from tensorgrad.runtime.share import Contraction, plan_together
from tensorgrad.runtime.softmax_gradients import SoftmaxGradient, softmax_gradients
from tensorgrad.runtime.solves import solved
from tensorgrad.runtime.task import Task, prepare
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Variable


def build(
    store: Store,
    outputs: Mapping[str, Ref],
    sizes: Mapping[str, int],
    share: bool = True,
    optimizer: str = "auto",
    constant: Collection[str] = (),
) -> Program:
    """The program that computes the outputs (name -> reference, axes in the reference's order).

    The order of contraction is best for `sizes`; the program itself is right for all sizes. Without `share` every
    contraction takes its own best path and computes all its intermediates. `optimizer` finds the orders of large ones.
    What depends on the variables `constant` alone is free.
    """
    builder = _Builder(store, sizes, share, optimizer, constant)
    program = builder.build(outputs)
    program = with_bare_inverses(program, sizes)
    definite, semidefinite = (definite_values(store, builder.values, least) for least in (2, 1))
    program = solved(program, definite, semidefinite, triangular_values(store, builder.values))
    return oriented(attended(program), sizes)


class _Builder:
    def __init__(
        self, store: Store, sizes: Mapping[str, int], share: bool, optimizer: str, constant: Collection[str]
    ) -> None:
        self.store = store
        self.sizes = sizes
        self.share = share
        self.optimizer = optimizer
        self.constant = constant
        self.program = Program()
        self.values: dict[int, int] = {}
        self.tasks: dict[int, Task] = {}
        self.terms: dict[int, tuple[Term, ...]] = {}
        self.gradients: dict[int, SoftmaxGradient] = {}

    def build(self, outputs: Mapping[str, Ref]) -> Program:
        refs = {name: self.store.resolve(ref) for name, ref in outputs.items()}
        roots = [h for h, _ in refs.values()]
        self.gradients = softmax_gradients(self.store, self._order(roots))
        order = self._order(roots)
        sums = [h for h in order if h not in self.gradients]
        self.terms = settled(self.store, sums, self._uses(roots, order), self.tasks, self.sizes)
        order = self._order(roots)
        networks = [h for h in order if h in self.tasks and self.tasks[h].pieces and h not in self.terms]
        contractions = [Contraction(self.store, self.tasks[h], self.sizes, self.optimizer) for h in networks]
        plans = plan_together(contractions, self._constants(order)) if self.share else [c.plain() for c in contractions]
        paths = {h: (c, p) for h, c, p in zip(networks, contractions, plans, strict=True)}
        for handle in order:
            if handle not in self.values:
                self._emit(handle, paths.get(handle))
        self.program.outputs = {name: (self.values[h], perm) for name, (h, perm) in refs.items()}
        return self.program

    # What depends on what.

    def _children(self, handle: int) -> Sequence[int]:
        if handle < FLAT:
            return ()
        if handle in self.terms:
            return [h for _, h, _ in self.terms[handle]]
        if handle in self.gradients:
            return [self.gradients[handle].softmax, self.gradients[handle].cotangent[0]]
        node = self.store.nodes[handle]
        match node:
            case Leaf():
                return [node.index] if node.index is not None else []
            case Application():
                return [h for h, _ in node.args]
            case Total():
                return [h for _, h, _ in node.terms]
            case Network():
                if handle not in self.tasks:
                    self.tasks[handle] = prepare(self.store, handle, node, self.sizes)
                return self.tasks[handle].handles

    def _constants(self, order: Sequence[int]) -> frozenset[int]:
        """The handles that depend on constant variables alone."""
        found: set[int] = set()
        for handle in order if self.constant else ():
            node = self.store.nodes[handle] if handle > FLAT else None
            if isinstance(node, Leaf) and isinstance(node.tensor, Variable):
                known = node.tensor.name in self.constant
            else:
                unknown = isinstance(node, Application) and not node.function.known
                known = not unknown and found.issuperset(h for h in self._children(handle) if h > FLAT)
            if known:
                found.add(handle)
        return frozenset(found)

    def _uses(self, roots: Sequence[int], order: Sequence[int]) -> dict[int, int]:
        """How often each handle is read; outputs, and what is a call, count twice, so that nothing is moved into them."""
        uses: dict[int, int] = dict.fromkeys((*roots, *self.gradients), 2)
        for handle in order:
            for child in self._children(handle):
                uses[child] = uses.get(child, 0) + 1
        return uses

    def _order(self, roots: Sequence[int]) -> list[int]:
        """Every handle that is needed, children first."""
        done: dict[int, None] = {}
        stack = [(h, False) for h in reversed(roots)]
        while stack:
            handle, ready = stack.pop()
            if handle in done:
                continue
            if ready:
                done[handle] = None
                continue
            stack.append((handle, True))
            stack.extend((h, False) for h in reversed(self._children(handle)) if h not in done)
        return list(done)

    # Steps.

    def _emit(self, handle: int, path: tuple[Contraction, NetworkPlan] | None) -> None:
        program = self.program
        if handle < FLAT:
            return
        node, dims = self.store.nodes[handle], self.store.dims[handle]
        if handle in self.terms:
            self.values[handle] = self._sum(self.terms[handle], dims)
            return
        if handle in self.gradients:
            self.values[handle] = self._gradient(self.gradients[handle], dims)
            return
        match node:
            case Leaf():
                target = program.value(dims)
                if isinstance(node.tensor, Variable):
                    program.steps.append(Input(target, node.tensor.name))
                else:
                    inputs = (self.values[node.index],) if node.index is not None else ()
                    program.steps.append(Make(target, node.tensor, inputs=inputs))
            case Application():
                target = program.value(dims)
                args = tuple((self.values[h], labels) for h, labels in node.args)
                program.steps.append(Call(target, node.function, args, node.groups, dims))
            case Total():
                target = self._sum(node.terms, dims)
            case Network():
                target = self._network(handle, path)
        self.values[handle] = target

    def _sum(self, terms: Sequence[Term], dims: tuple[Poly, ...]) -> int:
        target = self.program.value(dims)
        ordered = sorted(terms, key=lambda t: t[0].terms[0][1] < 0)  # what is subtracted reads best at the end
        self.program.steps.append(Add(target, tuple((c, self.values[h], perm) for c, h, perm in ordered), dims))
        return target

    def _gradient(self, gradient: SoftmaxGradient, dims: tuple[Poly, ...]) -> int:
        target = self.program.value([dims[axis] for axis in gradient.axes])
        call = gradient.call(target, self.values[gradient.softmax], self.values[gradient.cotangent[0]], dims)
        self.program.steps.append(call)
        if gradient.axes == tuple(range(len(dims))):
            return target
        groups = tuple((k,) for k in range(len(dims)))
        return self._arrange(Operand(target, gradient.axes), groups, dict(enumerate(dims)))

    def _network(self, handle: int, path: tuple[Contraction, NetworkPlan] | None) -> int:
        task = self.tasks[handle]
        if path is None:
            core = Operand(self._constant(task.coefficient), ())
        else:
            core = _Path(self, *path).run()
            if handle in self.values:
                return self.values[handle]
        dims = dict(enumerate(task.dims))
        if not task.splits:
            if all(len(g) == 1 for g in task.groups) and core.legs == tuple(g[0] for g in task.groups):
                return core.value
            return self._arrange(core, task.groups, dims)
        middle = self._arrange(core, task.groups, dims)
        final = dict(enumerate(self.store.dims[handle]))
        final |= dict(zip(task.labels, self.program.dims[middle], strict=True))
        groups = tuple((k,) for k in range(len(self.store.dims[handle])))
        return self._arrange(Operand(middle, task.labels, task.splits), groups, final)

    def _arrange(self, operand: Operand, groups: tuple[tuple[int, ...], ...], dims: dict[int, Poly]) -> int:
        sizes: list[Poly] = []
        for group in groups:
            total = ONE
            for e in group:
                total = total * dims[e]
            sizes.append(total)
        target = self.program.value(sizes)
        self.program.steps.append(Arrange(target, operand, groups, dims))
        return target

    def _constant(self, coefficient: Poly) -> int:
        target = self.program.value(())
        self.program.steps.append(Scale(target, coefficient, ()))
        return target

    def operand(self, contraction: Contraction, k: int) -> Operand:
        """Piece k of a contraction as a step reads it."""
        piece = contraction.task.pieces[k]
        if piece.handle < FLAT:
            return Operand(self._fusion([contraction.task.dims[e] for e in piece.axes]), piece.axes, piece.views)
        views = tuple(
            replace(v, index=self.values[v.index]) if isinstance(v, Select | Gather | Scatter) else v
            for v in piece.views
        )
        return Operand(self.values[piece.handle], piece.axes, views)

    def _fusion(self, dims: Sequence[Poly]) -> int:
        """The table of a fused edge; the last resort where no view will do."""
        target = self.program.value(dims)
        self.program.steps.append(Make(target, None, tuple(dims[1:])))
        return target


class _Path:
    """The steps of one contraction, each made only when it is needed and not there yet."""

    def __init__(self, builder: _Builder, contraction: Contraction, plan: NetworkPlan) -> None:
        self.builder = builder
        self.contraction = contraction
        self.plan = plan
        self.count = len(contraction.legs)
        self.sets = [1 << k for k in range(self.count)]
        self.scaled = [False] * self.count
        if 0 <= plan.scaled < self.count:
            self.scaled[plan.scaled] = True
        for k, (a, b) in enumerate(plan.path, self.count):
            self.sets.append(self.sets[a] | self.sets[b])
            self.scaled.append(self.scaled[a] or self.scaled[b] or k == plan.scaled)
        self.made: dict[int, Operand] = {}

    def run(self) -> Operand:
        """The contracted core; its legs are each open edge once."""
        last = len(self.sets) - 1
        stack = [(last, False)]
        while stack:
            k, ready = stack.pop()
            if k in self.made:
                continue
            found = self._known(k)
            if found is not None:
                self.made[k] = found
            elif k < self.count:
                self.made[k] = self._finished(k, self.builder.operand(self.contraction, k))
            elif ready:
                a, b = self.plan.path[k - self.count]
                self.made[k] = self._contract(k, (self.made[a], self.made[b]))
            else:
                a, b = self.plan.path[k - self.count]
                stack += [(k, True), (b, False), (a, False)]
        core = self.made[last]
        edges = self.contraction.open_edges(self.sets[last])
        if core.views or sorted(core.legs) != sorted(edges):
            core = self._store(last, self.scaled[last], (core,))
        return core

    def _known(self, k: int) -> Operand | None:
        if k < self.count and not self.scaled[k] and not self._private(k):
            return None
        handle, axes = self.contraction.key(self.sets[k], self.scaled[k])
        value = self.builder.values.get(handle) if self.builder.share else None
        return None if value is None else Operand(value, axes)

    def _private(self, k: int) -> bool:
        return bool(set(self.contraction.legs[k]) - set(self.contraction.open_edges(self.sets[k])))

    def _finished(self, k: int, operand: Operand) -> Operand:
        """A piece with its private edges summed and the coefficient multiplied in, if that is its place."""
        if self._private(k):
            operand = self._store(k, False, (operand,))
        return self._scale(k, operand) if k == self.plan.scaled else operand

    def _contract(self, k: int, operands: tuple[Operand, Operand]) -> Operand:
        here = k == self.plan.scaled
        operand = self._store(k, self.scaled[k] and not here, operands)
        return self._scale(k, operand) if here else operand

    def _store(self, k: int, scaled: bool, operands: tuple[Operand, ...]) -> Operand:
        """Contract, unless the value is there already; remembered by its canonical form."""
        builder = self.builder
        handle, axes = self.contraction.key(self.sets[k], scaled)
        value = builder.values.get(handle) if builder.share else None
        if value is None:
            task = self.contraction.task
            value = builder.program.value([task.dims[e] for e in axes])
            # Of every edge: one view's edge can be gone in the next.
            dims = dict(enumerate(task.dims))
            builder.program.steps.append(Contract(value, operands, axes, dims))
            builder.values[handle] = value
        return Operand(value, axes)

    def _scale(self, k: int, operand: Operand) -> Operand:
        builder = self.builder
        edges = self.contraction.open_edges(self.sets[k])
        if operand.views or sorted(operand.legs) != sorted(edges):
            operand = self._store(k, False, (operand,))
        handle, axes = self.contraction.key(self.sets[k], True)
        # The coefficient can have changed sign with the canonical order of an antisymmetric tensor's axes: the axes of
        # the operand are kept, and the value is remembered only where they are those of the handle.
        dims = builder.program.dims[operand.value]
        value = builder.program.value(dims)
        builder.program.steps.append(Scale(value, self.contraction.task.coefficient, (operand.value,)))
        if axes == operand.axes:
            builder.values.setdefault(handle, value)
        return Operand(value, operand.axes)
