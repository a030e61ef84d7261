"""A cotangent times the derivative of tanh, sigmoid or relu, entry by entry, is one call of torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad.runtime.lifetime import living, sorted_steps
from tensorgrad.runtime.program import Add, Arrange, Call, Contract, Legs, Library, Loop, Operand, Program, Scale, Step
from tensorgrad.sizes import ONE, ZERO, Poly

CALLS = {
    "tanh": "torch.ops.aten.tanh_backward({0}, {1})",
    "sigmoid": "torch.ops.aten.sigmoid_backward({0}, {1})",
    "relu": "torch.ops.aten.threshold_backward({0}, {1}, 0)",
}
"""Of a cotangent and the function's value."""

PRICE = Fraction(3)
"""Operations of an entry."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A multiple of the derivative of a function, told by the function's value along some edges."""

    function: str
    value: Operand
    times: Poly = ONE


def with_slopes(program: Program) -> Program:
    """The program with such products as calls."""
    if any(isinstance(s, Loop) for s in program.steps):
        return program
    reading = _Reading(program)
    steps = [s for step in program.steps for s in reading.rewritten(step)]
    # The value of relu may come after its slope.
    return living(Program(sorted_steps(steps), program.dims, program.outputs)) if reading.found else program


class _Reading:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.made = {s.target: s for s in program.steps}
        self.ramps = {s.args[0]: s.target for s in program.steps if isinstance(s, Call) and _is(s, "relu")}
        self.found = False

    def rewritten(self, step: Step) -> list[Step]:
        """The step, or the call that it is."""
        if isinstance(step, Contract) and len(step.operands) == 2 and _is_entrywise(step):
            for slope, cotangent in self._split(step):
                if sorted(cotangent.axes) == sorted(slope.value.axes) == sorted(step.kept):
                    self.found = True
                    return self._called(step, slope, cotangent)
        return [step]

    def _split(self, step: Contract) -> Iterator[tuple[Slope, Operand]]:
        """Ways to see a product as a slope times a cotangent."""
        for one, other in (step.operands, step.operands[::-1]):
            slope = self._slope(one)
            if slope is not None:
                yield slope, other
            for first, second in self._factors(other):
                slope = self._sigmoid(one, first)
                if slope is not None:
                    yield slope, second

    def _factors(self, operand: Operand) -> Iterator[tuple[Operand, Operand]]:
        """The factors of an operand that is a product entry by entry, in both orders."""
        step = self.made[operand.value]
        if isinstance(step, Contract) and len(step.operands) == 2 and _is_entrywise(step):
            edge = dict(zip(step.kept, operand.axes, strict=True))
            first, second = (Operand(o.value, tuple(edge[e] for e in o.axes)) for o in step.operands)
            yield first, second
            yield second, first

    def _slope(self, operand: Operand) -> Slope | None:
        """The slope that an operand is."""
        step = self.made[operand.value]
        if isinstance(step, Call) and _is(step, "step") and step.args[0] in self.ramps:
            return Slope("relu", Operand(self.ramps[step.args[0]], operand.axes))
        for first, second in self._factors(operand):
            found = self._sigmoid(first, second)
            if found is not None:
                return found
        rest = self._from_one(operand)
        if rest is not None:
            times, square = rest
            for value, other in self._factors(square):
                if value == other and self._is_value(value, "tanh"):
                    return Slope("tanh", value, times)
        return None

    def _sigmoid(self, operand: Operand, other: Operand) -> Slope | None:
        """The slope of sigmoid that two operands are the product of."""
        for value, rest in ((operand, self._from_one(other)), (other, self._from_one(operand))):
            if rest is not None and rest[1] == value and self._is_value(value, "sigmoid"):
                return Slope("sigmoid", value, rest[0])
        return None

    def _from_one(self, operand: Operand) -> tuple[Poly, Operand] | None:
        """The multiple that an operand is of 1 - y, and y."""
        step = self.made[operand.value]
        if isinstance(step, Add) and len(step.terms) == 2:
            for (c, one, _), (d, value, perm) in (step.terms, step.terms[::-1]):
                if c + d is ZERO and c.is_monomial and self._is_one(one):
                    return c, Operand(value, tuple(operand.axes[perm.index(k)] for k in range(len(perm))))
        return None

    def _is_one(self, value: int) -> bool:
        """Whether all entries are 1."""
        step = self.made[value]
        if isinstance(step, Arrange) and not step.operand.axes and not step.embeds:
            step = self.made[step.operand.value]
        return isinstance(step, Scale) and not step.inputs and step.coefficient is ONE

    def _is_value(self, operand: Operand, function: str) -> bool:
        step = self.made[operand.value]
        return isinstance(step, Call) and _is(step, function)

    def _called(self, step: Contract, slope: Slope, cotangent: Operand) -> list[Step]:
        order: Legs = slope.value.axes
        target = step.target if slope.times is ONE else self.program.value([step.dims[e] for e in step.kept])
        operands, price = (cotangent, slope.value), ((PRICE, order),)
        text = CALLS[slope.function]
        call = Library(target, text, operands, (order, order), order, step.kept, step.dims, price, linear=True)
        return [call] if slope.times is ONE else [call, Scale(step.target, slope.times, (target,))]


def _is(call: Call, name: str) -> bool:
    return call.function.name == name and not call.function.derivative


def _is_entrywise(step: Contract) -> bool:
    return all(
        not o.views and len(set(o.axes)) == len(o.axes) and set(o.axes) <= set(step.kept) for o in step.operands
    ) and len(set(step.kept)) == len(step.kept)
