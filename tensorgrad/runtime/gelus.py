"""A cotangent times the derivative of gelu, written out with erf and exp, is one call of torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import pi, sqrt

from tensorgrad.runtime.entrywise import Entries, Factor, entries_of, same, terms_of
from tensorgrad.runtime.lifetime import living
from tensorgrad.runtime.program import Add, Call, Contract, Library, Operand, Program, Scale, Step
from tensorgrad.sizes import ONE, Poly

PRICE = Fraction(12)
"""Operations of an entry."""


def with_gelus(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with every product of a value and the derivative of gelu that nothing else reads as one call."""
    reading = _Reading(program)
    slopes = {s.target: found for s in program.steps if isinstance(s, Add) and (found := reading.slope(s)) is not None}
    uses = Counter(v for step in program.steps for v in step.inputs)
    uses.update(v for v, _ in program.outputs.values())
    new: dict[int, list[Step]] = {}
    for step in program.steps if slopes else ():
        if not isinstance(step, Contract) or len(step.operands) != 2:
            continue
        for slope, other in (step.operands, step.operands[::-1]):
            if step.target in new or slope.value not in slopes or uses[slope.value] != 1:
                continue
            times, x = slopes[slope.value]
            made = reading.made[other.value]
            call = _called(step, slope, other, x)
            if call is None:
                continue
            multiplied = _earlier(program, made, times, sizes) if uses[other.value] == 1 and times is not ONE else None
            if multiplied is not None and made.target not in new:
                new[made.target] = multiplied
            elif times is not ONE:
                call = replace(call, target=program.value(program.dims[step.target]))
                new[step.target] = [call, Scale(step.target, times, (call.target,))]
                continue
            new[step.target] = [call]
    steps = [s for step in program.steps for s in new.get(step.target, [step])]
    return living(Program(steps, program.dims, program.outputs)) if new else program


def _earlier(program: Program, step: Step, times: Poly, sizes: Mapping[str, int]) -> list[Step] | None:
    """A product times a number, where it is cheapest to multiply by that: in an operand that is smaller than the result."""
    if not isinstance(step, Contract):
        return None
    k = min(range(len(step.operands)), key=lambda k: program.entries(step.operands[k].value, sizes))
    operand = step.operands[k]
    if program.entries(operand.value, sizes) >= program.entries(step.target, sizes) or not operand.axes:
        return None
    scaled = program.value(program.dims[operand.value])
    operands = (*step.operands[:k], replace(operand, value=scaled), *step.operands[k + 1 :])
    return [Scale(scaled, times, (operand.value,)), replace(step, operands=operands)]


class _Reading:
    """The program as products, and the arguments of gelu in it, as products, with the values that they are."""

    def __init__(self, program: Program) -> None:
        self.entries = entries_of(program)
        self.made = {s.target: s for s in program.steps}

    def slope(self, step: Add) -> tuple[Poly, Factor] | None:
        """The multiple of the derivative of gelu that a sum is, and its argument: 1 + erf(x / sqrt(2)) + sqrt(2 / pi)
        x exp(-x ** 2 / 2) is twice that."""
        terms = terms_of(step, self.entries) if len(step.terms) == 3 else None
        if terms is None:
            return None
        one = [t for t in terms if not t.factors]
        erf = [t for t in terms if len(t.factors) == 1]
        bell = [t for t in terms if len(t.factors) == 2]
        if len(one) != 1 or len(erf) != 1 or len(bell) != 1 or not one[0].scale.is_constant or one[0].number != 1.0:
            return None
        argument = self._argument("erf", erf[0].factors[0])
        if argument is None or len(argument.factors) != 1 or not same(argument.coefficient, sqrt(1 / 2)):
            return None
        (x,) = argument.factors
        times = one[0].coefficient
        if times is None or not same(erf[0].coefficient, times):
            return None
        if not same(bell[0].coefficient, times * sqrt(2 / pi)) or not self._is_bell(bell[0].factors, x):
            return None
        return one[0].scale * 2, x

    def _is_bell(self, factors: tuple[Factor, ...], x: Factor) -> bool:
        """Whether two factors are x and exp(-x ** 2 / 2)."""
        rest = [f for f in factors if f != x]
        argument = self._argument("exp", rest[0]) if len(rest) == 1 else None
        return argument is not None and argument.factors == (x, x) and same(argument.coefficient, -1 / 2)

    def _argument(self, function: str, factor: Factor) -> Entries | None:
        """What a factor is this function of."""
        value, legs = factor
        call = self.made.get(value)
        if not isinstance(call, Call) or call.function.derivative or call.function.name != function:
            return None
        if call.args[0][0] not in self.entries:
            return None
        source, labels = call.args[0]
        return self.entries[source].along([legs[b] for b in labels])


def _called(step: Contract, slope: Operand, other: Operand, x: Factor) -> Library | None:
    """The product as a call; None where it is not entry by entry on both sides."""
    value, legs = x
    if slope.views or other.views or not sorted(slope.axes) == sorted(other.axes) == sorted(step.kept):
        return None
    if sorted(legs) != list(range(len(slope.axes))) or len(set(step.kept)) < len(step.kept):
        return None
    point = Operand(value, tuple(slope.axes[k] for k in legs))
    order = point.axes
    text = "torch.ops.aten.gelu_backward({0}, {1})"
    price = ((PRICE, order),)
    return Library(
        *(step.target, text, (other, point), (order, order), order, step.kept, step.dims, price), linear=True
    )
