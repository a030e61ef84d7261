"""What an expression costs as written: each product by its best path, everything written twice computed twice.

The expression is cut into *pieces*, one product, sum or function each, whose operands are opaque; a piece is priced by
the planner, operands under names of their own so that nothing can be shared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tensorgrad.api.results import Cost
from tensorgrad.cost import default_dims
from tensorgrad.numeric import size_symbols
from tensorgrad.runtime import Plan, PlanStep
from tensorgrad.runtime import plan as plan_of
from tensorgrad.sizes import ZERO, Poly
from tensorgrad.tensor import (
    Convolution,
    Delta,
    Expectation,
    Flat,
    LeviCivita,
    Product,
    Rename,
    Scalar,
    Tensor,
    Unit,
    Variable,
    Zero,
    with_children,
)

STRUCTURE = (Scalar, Delta, Zero, Flat, Convolution, LeviCivita, Unit)

LARGEST_PIECE = 5_000
"""Most operands of one piece; what is nested deeper is computed by itself."""


@dataclass(slots=True)
class Price:
    """Operations and most entries alive, as numbers at the sizes of the plan and as polynomials."""

    flops: int = 0
    peak: int = 0
    symbolic_flops: Poly = ZERO
    symbolic_peak: Poly = ZERO
    entries: int = 0
    symbolic_entries: Poly = ZERO

    def add_child(self, child: Price) -> None:
        """Compute an operand before the piece, while the earlier operands' results are kept."""
        self.flops += child.flops
        self.symbolic_flops += child.symbolic_flops
        self.raise_peak(child.peak, child.symbolic_peak)
        self.entries += child.entries
        self.symbolic_entries += child.symbolic_entries

    def raise_peak(self, peak: int, symbolic: Poly) -> None:
        """At some moment there are `peak` entries beside the results kept so far."""
        if self.entries + peak > self.peak:
            self.peak, self.symbolic_peak = self.entries + peak, self.symbolic_entries + symbolic


@dataclass(slots=True)
class Piece:
    """One operation: its operands in order of occurrence (and their names in `plan`), and how often it is computed."""

    tensor: Tensor
    operands: list[tuple[str, Tensor]]
    plan: Plan
    price: Price
    uses: int = 0
    name: str = ""


class Written:
    """An expression priced as written; with `merge_all` every product is inlined into the one that uses it."""

    def __init__(self, tensor: Tensor, dims: Mapping[str, int], merge_all: bool = False) -> None:
        self.tensor = tensor
        self.symbolic = bool(size_symbols(tensor)) and not dims
        self.sizes = {**default_dims(size_symbols(tensor)), **dims}
        self.merge_all = merge_all
        self.pieces: dict[int, Piece] = {}
        self._cut()
        root = self.pieces[id(tensor)]
        root.uses = 1
        for piece in reversed(self.pieces.values()):
            for operand in _distinct(piece.operands):
                if id(operand) in self.pieces:
                    self.pieces[id(operand)].uses += piece.uses

    @property
    def cost(self) -> Cost:
        """Numbers, or without sizes polynomials in them."""
        price = self.pieces[id(self.tensor)].price
        if self.symbolic:
            return Cost(price.symbolic_flops, price.symbolic_peak)
        return Cost(price.flops, price.peak)

    def steps(self) -> tuple[PlanStep, ...]:
        """The steps of all pieces, operands first; one that is computed k times says so."""
        found: list[PlanStep] = []
        count = 0
        for piece in self.pieces.values():
            shown = {n: self.pieces[id(o)].name if id(o) in self.pieces else _shown(o) for n, o in piece.operands}
            for step in piece.plan.steps:
                count += 1
                shown[step.name] = f"t{count}"
                text = re.sub(r"\b[a-z]\w*\b", lambda m: shown.get(m.group(), m.group()), step.expression)  # noqa: B023
                times = f"  ({piece.uses} times)" if piece.uses > 1 else ""
                inputs = tuple(dict.fromkeys(shown.get(name, name) for name in step.inputs))
                flops = step.flops * piece.uses
                found.append(PlanStep(f"t{count}", f"{text}{times}", flops, step.size, inputs, step.shape))
            piece.name = f"t{count}" if piece.plan.steps else next(iter(shown.values()), str(piece.tensor))
        return tuple(found)

    def _cut(self) -> None:
        """Make the pieces, operands before what uses them."""
        made: dict[int, tuple[Tensor, list[tuple[str, Tensor]]]] = {}
        stack: list[tuple[Tensor, bool]] = [(self.tensor, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in self.pieces:
                continue
            if ready:
                form, operands = made[id(node)]
                self.pieces[id(node)] = self._priced(node, form, operands)
                continue
            form, operands = made[id(node)] = _Cutter(node, self.merge_all).result
            stack.append((node, True))
            stack += [(o, False) for _, o in reversed(operands) if not isinstance(o, Variable)]

    def _priced(self, node: Tensor, form: Tensor, operands: list[tuple[str, Tensor]]) -> Piece:
        plan = plan_of(form, self.sizes)
        price = Price()
        for operand in _distinct(operands):
            if id(operand) in self.pieces:
                price.add_child(self.pieces[id(operand)].price)
        own, own_peak = ZERO, ZERO
        if self.symbolic and plan.program is not None:
            for step in plan.program.steps:
                own = own + plan.program.symbolic_flops(step)
            own_peak = plan.program.symbolic_peak(self.sizes)
        price.flops += plan.flops
        price.symbolic_flops += own
        price.raise_peak(plan.peak, own_peak)
        # A piece that is a view (a transposition, a broadcast) keeps its operands alive and adds nothing.
        if plan.peak:
            entries, symbolic = 1, Poly.constant(1)
            for dim in node.dims:
                entries, symbolic = entries * int(dim.evaluate(self.sizes)), symbolic * dim
            price.entries, price.symbolic_entries = entries, symbolic
        return Piece(node, operands, plan, price)


def _distinct(operands: list[tuple[str, Tensor]]) -> list[Tensor]:
    """The operands that are written separately: the two factors of `norm2(X)` are one object, written once."""
    return list({id(operand): operand for _, operand in operands}.values())


def _shown(t: Tensor) -> str:
    return t.name if isinstance(t, Variable) else str(t)


class _Cutter:
    """One piece: the operation at `root` with opaque operands, each occurrence a variable of its own."""

    def __init__(self, root: Tensor, merge_all: bool) -> None:
        self.merge_all = merge_all
        self.operands: list[tuple[str, Tensor]] = []
        self.result = (self._form(root), self.operands)

    def _form(self, root: Tensor) -> Tensor:
        """The operation rebuilt, occurrence by occurrence; products of the same piece stay inside."""
        built: list[Tensor] = []
        stack: list[tuple[Tensor, Tensor | None, bool]] = [(root, None, False)]
        while stack:
            node, outer, ready = stack.pop()
            if ready:
                first = len(built) - len(node.children)
                children = tuple(built[first:])
                del built[first:]
                built.append(with_children(node, children))
            elif isinstance(node, (*STRUCTURE, Expectation)):
                built.append(node)
            elif isinstance(node, Variable) or not (outer is None or self._stays(node, outer)):
                built.append(self._opaque(node))
            else:
                inside = outer if isinstance(node, Rename) else node
                stack.append((node, outer, True))
                stack += [(child, inside, False) for child in reversed(node.children)]
        return built[0]

    def _opaque(self, node: Tensor) -> Variable:
        name = f"q{len(self.operands)}"
        self.operands.append((name, node))
        return Variable(name, edges=node.sizes, facts=node.facts if isinstance(node, Variable) else ())

    def _stays(self, inner: Tensor, outer: Tensor) -> bool:
        """Whether a product inside a product is one contraction with it.

        A chain is; a reduction of a contraction (`sum(A @ B)`) or a fused edge (`kron(A, B)`) is computed by itself.
        """
        if isinstance(inner, Rename):
            return True
        if not (isinstance(inner, Product) and isinstance(outer, Product)) or len(self.operands) > LARGEST_PIECE:
            return False
        if self.merge_all:
            return True
        # What is used twice, as in `norm2(A @ B)`, is written once: computed by itself.
        if any(isinstance(f, Flat) for f in inner.factors) or sum(f is inner for f in outer.factors) > 1:
            return False
        return (_operands(inner) > 1 and _operands(outer) > 1) or not _sums(inner)


def _operands(t: Product) -> int:
    return sum(not isinstance(f, STRUCTURE) for f in t.factors)


def _sums(t: Product) -> bool:
    return any(edge not in t.edges for factor in t.factors for edge in factor.edges)
