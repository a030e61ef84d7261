"""Values of a program as products of others, entry by entry: whatever the order in which they were multiplied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isclose, pi

from tensorgrad.runtime.program import Add, Arrange, Call, Contract, Legs, Operand, Program, Scale, Step
from tensorgrad.sizes import ONE, Poly

Factor = tuple[int, Legs]
"""A value and, for each of its axes, the axis of the product that it goes along."""

MOST = 8
"""Factors of a product at most; what would have more is a factor itself."""

EXACT = 1e-14
"""Relative difference of numbers that are the same but for rounding."""


@dataclass(frozen=True, slots=True)
class Entries:
    """A value is scale * number * the product of the factors, sorted; `number` is what is no fraction, as sqrt(2)."""

    factors: tuple[Factor, ...]
    scale: Poly = ONE
    number: float = 1.0

    @property
    def plain(self) -> bool:
        """Whether it is the product of the factors alone."""
        return self.scale is ONE and self.number == 1.0

    @property
    def coefficient(self) -> float | None:
        """scale * number, if that holds no size."""
        return float(self.scale.number) * self.number if self.scale.is_constant else None

    def along(self, axes: Sequence[int] | Mapping[int, int]) -> Entries:
        """The same with axis k called axes[k]."""
        return replace(self, factors=tuple(sorted((v, tuple(axes[k] for k in legs)) for v, legs in self.factors)))

    def times(self, other: Entries) -> Entries:
        """The product with another one over the same axes."""
        factors = tuple(sorted(self.factors + other.factors))
        return Entries(factors, self.scale * other.scale, self.number * other.number)

    def scaled(self, scale: Poly) -> Entries:
        """A multiple."""
        return replace(self, scale=self.scale * scale)


def same(a: float | None, b: float | None) -> bool:
    """Whether two numbers are known and equal but for rounding."""
    return a is not None and b is not None and isclose(a, b, rel_tol=EXACT)


def without(factors: Sequence[Factor], *taken: Factor) -> tuple[Factor, ...] | None:
    """The other factors; None if one of `taken` is not among them, as often as it is taken."""
    rest = list(factors)
    for factor in taken:
        if factor not in rest:
            return None
        rest.remove(factor)
    return tuple(rest)


def entries_of(program: Program) -> dict[int, Entries]:
    """Each value as a product; one that is no product is its own single factor."""
    found: dict[int, Entries] = {}
    for step in program.steps:
        leaf = Entries(((step.target, tuple(range(len(program.dims[step.target])))),))
        product = _product(step, found)
        found[step.target] = leaf if product is None or len(product.factors) > MOST else product
    return found


def terms_of(step: Add, entries: Mapping[int, Entries]) -> list[Entries] | None:
    """The terms of a sum, each a product over its axes; None if one is made in a loop."""
    if any(v not in entries for _, v, _ in step.terms):
        return None
    return [entries[v].along(inverse(perm)).scaled(c) for c, v, perm in step.terms]


def inverse(perm: Sequence[int]) -> dict[int, int]:
    """For each entry of some distinct ones its position."""
    return {p: k for k, p in enumerate(perm)}


def contracted(step: Contract, entries: Mapping[int, Entries]) -> Entries | None:
    """What a contraction sums, with edges for axes; None with views or diagonals."""
    total = Entries(())
    for operand in step.operands:
        if not _whole(operand) or operand.value not in entries:
            return None
        total = total.times(entries[operand.value].along(operand.axes))
    return total


def _whole(operand: Operand) -> bool:
    return not operand.views and len(set(operand.axes)) == len(operand.axes)


def _product(step: Step, entries: Mapping[int, Entries]) -> Entries | None:
    match step:
        case Contract() if all(e in step.kept for o in step.operands for e in o.axes):
            inner = contracted(step, entries)
            return None if inner is None else inner.along(inverse(step.kept))
        case Arrange() if _whole(step.operand) and not step.embeds and all(len(g) == 1 for g in step.groups):
            known = set(step.operand.axes) <= set(step.edges) and step.operand.value in entries
            return _seen(step, entries[step.operand.value]) if known else None
        case Scale() if step.inputs:
            return entries[step.inputs[0]].scaled(step.coefficient) if step.inputs[0] in entries else None
        case Scale():
            return Entries((), step.coefficient)
        case Call() if step.function.name in ("pow", "pi") and not step.function.derivative:
            return _power(step, entries)
        case _:
            return None


def _seen(step: Arrange, entries: Entries) -> Entries:
    places = inverse(step.edges)
    return entries.along([places[e] for e in step.operand.axes])


def _power(step: Call, entries: Mapping[int, Entries]) -> Entries | None:
    """Powers of numbers, and squares."""
    if step.function.name == "pi":
        return Entries((), ONE, pi)
    (value, labels), (exponent, _) = step.args
    if value not in entries or exponent not in entries or entries[exponent].factors:
        return None
    base, times = entries[value], entries[exponent].coefficient
    if times is None:
        return None
    if not base.factors and base.coefficient is not None and base.coefficient > 0:
        return Entries((), ONE, base.coefficient**times)
    return base.along(labels).times(base.along(labels)) if times == 2 else None
