"""The gradient through a softmax written as p * (g - total), where the total is sum(p * g), is one call of torch.

Simplified attention has the total as the product of the result and its cotangent, which is the same: sum(p * (g v')) = (p v) g.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorgrad.runtime.lifetime import living
from tensorgrad.runtime.multiples import Factor, Multiple, Multiples, times
from tensorgrad.runtime.program import Add, Arrange, Call, Contract, Operand, Program, Step
from tensorgrad.runtime.scores import COLUMNS, product_of, repeated, weighs
from tensorgrad.runtime.softmax_gradients import GRADIENT


@dataclass(frozen=True, slots=True)
class Gradient:
    """That of a cotangent through the softmax `weights`, with the product's axes, times a number."""

    weights: Multiple
    cotangent: Multiple


def with_softmax_gradients(program: Program) -> Program:
    """The program with such products as calls."""
    reading = Multiples(program)
    new: dict[int, list[Step]] = {}
    for step in program.steps:
        found = next(_gradients(reading, step), None) if isinstance(step, Contract) else None
        if found is not None and isinstance(step, Contract):
            new[step.target] = _called(program, step, found)
    if not new:
        return program
    steps = [s for step in program.steps for s in new.get(step.target, [step])]
    return living(Program(steps, program.dims, program.outputs))


def _gradients(reading: Multiples, step: Contract) -> Iterator[Gradient]:
    """The ways to read a product entry by entry as such a gradient."""
    place = {e: k for k, e in enumerate(step.kept)}
    plain = all(not o.views and set(o.axes) <= set(place) for o in step.operands)
    if len(step.operands) != 2 or not plain or len(place) < len(step.kept):
        return
    for weights, other in (step.operands, step.operands[::-1]):
        seen = reading.of(weights.value, tuple(place[e] for e in weights.axes))
        own = Multiple(seen.value, seen.axes)
        if sorted(own.axes) != list(range(len(place))) or not weighs(reading, own.value):
            continue
        difference = reading.of(other.value, tuple(place[e] for e in other.axes))
        made = reading.made[difference.value]
        if not isinstance(made, Add) or len(made.terms) != 2 or len(difference.axes) < len(place):
            continue
        for (c, value, perm), (d, total, order) in (made.terms, made.terms[::-1]):
            cotangent = reading.of(value, tuple(difference.axes[perm.index(k)] for k in range(len(perm))))
            summed = repeated(reading, total, tuple(difference.axes[order.index(k)] for k in range(len(order))))
            ratio = _total(reading, summed, own, cotangent) if summed is not None else None
            factor = Factor(c) * cotangent.factor
            if ratio is not None and summed is not None and Factor(-d) * ratio == factor:
                times_all = factor * difference.factor * seen.factor
                yield Gradient(own, Multiple(cotangent.value, cotangent.axes, times_all))


def _total(reading: Multiples, total: Multiple, weights: Multiple, cotangent: Multiple) -> Factor | None:
    """The number of times that a total is sum(weights * cotangent), these without their factors, along the weights' last
    axis; None if it is no such multiple."""
    keys = weights.axes[-1]
    if sorted(total.axes) != sorted(weights.axes[:-1]):
        return None
    direct = reading.product(total, keys)
    if direct is not None and _are(direct, weights, cotangent):
        return direct[2]
    product = product_of(reading, cotangent.value, cotangent.axes, COLUMNS, keys)
    inner = reading.product(total, COLUMNS)
    if product is None or inner is None:
        return None
    given, value, factor = product
    first, second, times_inner = inner
    for result, other in ((first, second), (second, first)):
        made = reading.product(result, keys) if other == given else None
        if made is not None and _are(made, weights, value):
            return (times_inner * made[2]).divided(factor)
    return None


def _are(product: tuple[Multiple, Multiple, Factor], one: Multiple, other: Multiple) -> bool:
    """Whether the operands of a product are these two, apart from factors."""
    first, second, _ = product
    bare = [Multiple(m.value, m.axes) for m in (one, other)]
    return [first, second] in (bare, bare[::-1])


def _called(program: Program, step: Contract, gradient: Gradient) -> list[Step]:
    axes = gradient.weights.axes
    labels = (*range(len(axes) - 1), -1)
    label = dict(zip(axes, labels, strict=True))
    dims = tuple(step.dims[step.kept[a]] for a in axes)
    target = program.value(dims)
    cotangent = (gradient.cotangent.value, tuple(label[a] for a in gradient.cotangent.axes))
    args = (cotangent, (gradient.weights.value, (*labels[:-1], -2)))
    steps: list[Step] = [Call(target, GRADIENT, args, (1, 1), dims)]
    operand = times(Operand(target, axes), gradient.cotangent.factor, program, steps)
    groups = tuple((a,) for a in range(len(axes)))
    steps.append(Arrange(step.target, operand, groups, dict(zip(axes, dims, strict=True))))
    return steps
