"""Products in a program without one of their factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorgrad.runtime.entrywise import Factor
from tensorgrad.runtime.norms import Reading
from tensorgrad.runtime.program import Contract, Legs, Operand, Scale, Step


@dataclass(frozen=True, slots=True)
class Rest:
    """What a product is without a factor: None if nothing is left, and the steps that lead to it."""

    operand: Operand | None
    steps: tuple[Step, ...] = ()


def stripped(reading: Reading, operand: Operand, factor: Factor) -> Rest | None:
    """An operand without a factor that goes along its edges; None if that cannot be taken out."""
    if not holds(reading, operand, factor):
        return None
    entries = reading.entries[operand.value].along(operand.axes)
    if entries.plain and entries.factors == (factor,):
        return Rest(None)
    step = reading.made.get(operand.value)
    if isinstance(step, Scale) and step.inputs:
        inner = stripped(reading, Operand(step.inputs[0], operand.axes), factor)
        if inner is None or inner.operand is None:
            return None
        value = reading.program.value(reading.program.dims[inner.operand.value])
        steps = (*inner.steps, Scale(value, step.coefficient, (inner.operand.value,)))
        return Rest(Operand(value, inner.operand.axes), steps)
    if isinstance(step, Contract) and len(step.operands) == 2 and _is_entrywise(step):
        for one, other in _sides(step, operand.axes):
            inner = stripped(reading, one, factor)
            if inner is not None:
                return _times(reading, inner, other)
    return None


def holds(reading: Reading, operand: Operand, factor: Factor) -> bool:
    """Whether an operand is a product with a factor."""
    entries = reading.entries.get(operand.value)
    return entries is not None and not operand.views and factor in entries.along(operand.axes).factors


def _is_entrywise(step: Contract) -> bool:
    return all(not o.views and len(set(o.axes)) == len(o.axes) and set(o.axes) <= set(step.kept) for o in step.operands)


def _sides(step: Contract, axes: Legs) -> Iterator[tuple[Operand, Operand]]:
    """Both operands, along the edges of the result, in both orders."""
    edge = dict(zip(step.kept, axes, strict=True))
    first, second = (Operand(o.value, tuple(edge[e] for e in o.axes)) for o in step.operands)
    yield first, second
    yield second, first


def _times(reading: Reading, rest: Rest, other: Operand) -> Rest:
    if rest.operand is None:
        return Rest(other, rest.steps)
    step = product(reading, rest.operand, other)
    return Rest(Operand(step.target, step.kept), (*rest.steps, step))


def product(reading: Reading, one: Operand, other: Operand) -> Contract:
    """The product of two operands entry by entry."""
    dims = {e: d for o in (one, other) for e, d in zip(o.axes, reading.program.dims[o.value], strict=True)}
    kept = tuple(sorted(dims))
    return Contract(reading.program.value([dims[e] for e in kept]), (one, other), kept, dims)
