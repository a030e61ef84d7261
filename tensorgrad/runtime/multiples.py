"""Values of a program as numbers times others: what a chain of multiples and of axes in other orders comes down to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tensorgrad.runtime.program import Arrange, Contract, Legs, Operand, Program, Scale, Step
from tensorgrad.sizes import ONE, Poly


@dataclass(frozen=True, slots=True)
class Factor:
    """A number: a polynomial in the sizes times values of order 0."""

    coefficient: Poly = ONE
    numbers: tuple[int, ...] = ()

    def __mul__(self, other: Factor) -> Factor:
        return Factor(self.coefficient * other.coefficient, tuple(sorted((*self.numbers, *other.numbers))))

    def divided(self, other: Factor) -> Factor | None:
        """The quotient, if no value has to be divided by."""
        left = Counter(self.numbers)
        left.subtract(other.numbers)
        if min(left.values(), default=0) < 0 or not other.coefficient.is_monomial:
            return None
        return Factor(self.coefficient * other.coefficient.inverse(), tuple(sorted(left.elements())))


@dataclass(frozen=True, slots=True)
class Multiple:
    """A value with its axes along some edges, times a number."""

    value: int
    axes: Legs
    factor: Factor = field(default=Factor())

    @property
    def operand(self) -> Operand:
        """Without the number."""
        return Operand(self.value, self.axes)


class Multiples:
    """The steps of a program, seen so."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.made: dict[int, Step] = {s.target: s for s in program.steps}
        self.readers: dict[int, list[Step]] = {}
        for step in program.steps:
            for value in dict.fromkeys(step.inputs):
                self.readers.setdefault(value, []).append(step)
        self.given = {v for v, _ in program.outputs.values()}
        """The values that are outputs."""

    def of(self, value: int, axes: Legs, once: bool = False) -> Multiple:
        """A value along edges as a multiple of one that is none, or, `once`, of the one that it is made of."""
        found = Multiple(value, axes)
        while (inner := self._inner(found)) is not None:
            found = inner
            if once:
                break
        return found

    def _inner(self, multiple: Multiple) -> Multiple | None:
        step = self.made[multiple.value]
        if isinstance(step, Scale) and step.inputs:
            return Multiple(step.inputs[0], multiple.axes, multiple.factor * Factor(step.coefficient))
        if isinstance(step, Arrange) and _turns(step):
            place = {group[0]: axis for group, axis in zip(step.groups, multiple.axes, strict=True)}
            return Multiple(step.operand.value, tuple(place[e] for e in step.operand.axes), multiple.factor)
        if isinstance(step, Contract) and (split := _times_a_number(step)) is not None:
            number, other = split
            place = dict(zip(step.kept, multiple.axes, strict=True))
            factor = multiple.factor * self.number(number.value)
            return Multiple(other.value, tuple(place[e] for e in other.axes), factor)
        return None

    def product(self, whole: Multiple, summed: int) -> tuple[Multiple, Multiple, Factor] | None:
        """Of a value that is a product over one edge, which is called `summed`, the operands without their factors, and
        all factors, also that of the whole."""
        step = self.made[whole.value]
        if not isinstance(step, Contract) or len(step.operands) != 2 or any(o.views for o in step.operands):
            return None
        edge = dict(zip(step.kept, whole.axes, strict=True))
        others = {e for o in step.operands for e in o.axes if e not in edge}
        if len(others) != 1:
            return None
        edge[others.pop()] = summed
        first, second = (self.of(o.value, tuple(edge[e] for e in o.axes)) for o in step.operands)
        factor = whole.factor * first.factor * second.factor
        return Multiple(first.value, first.axes), Multiple(second.value, second.axes), factor

    def number(self, value: int) -> Factor:
        """A value of order 0 as a number."""
        step = self.made[value]
        if isinstance(step, Scale):
            return Factor(step.coefficient) * (self.number(step.inputs[0]) if step.inputs else Factor())
        if isinstance(step, Contract) and len(step.operands) == 2 and not any(o.axes for o in step.operands):
            return self.number(step.operands[0].value) * self.number(step.operands[1].value)
        return Factor(ONE, (value,))

    def reading(self, multiple: Multiple) -> list[tuple[Step, Multiple]] | None:
        """The steps that read a value, or a multiple of it, and what they read; None if it is an output."""
        value = multiple.value
        if value in self.given:
            return None
        found: list[tuple[Step, Multiple]] = []
        for step in self.readers.get(value, ()):
            inner = self._inner(Multiple(step.target, tuple(range(len(self.program.dims[step.target])))))
            if inner is None or inner.value != value:
                found.append((step, multiple))
                continue
            axes = tuple(multiple.axes[inner.axes.index(k)] for k in range(len(inner.axes)))
            further = self.reading(Multiple(step.target, axes, multiple.factor * inner.factor))
            if further is None:
                return None
            found += further
        return found

    def formed(self, multiple: Multiple, values: Program, steps: list[Step]) -> Operand:
        """A multiple as a value: one that is there, or a new one of `values`, made by further steps."""
        if multiple.factor == Factor():
            return multiple.operand
        for step in self.program.steps:
            known = self.of(step.target, tuple(range(len(self.program.dims[step.target]))))
            if (known.value, known.factor) == (multiple.value, multiple.factor):
                edge = dict(zip(known.axes, multiple.axes, strict=True))
                return Operand(step.target, tuple(edge[k] for k in range(len(edge))))
        return times(multiple.operand, multiple.factor, values, steps)

    def finished(self, step: Contract, axes: Legs) -> tuple[Step, Legs, Factor]:
        """The last of the multiples that a product goes through on its way, its axes along edges, and the number."""
        last: Step = step
        factor = Factor()
        while last.target not in self.given and len(self.readers.get(last.target, ())) == 1:
            (reader,) = self.readers[last.target]
            if not isinstance(reader, Scale | Contract | Arrange):
                break
            inner = self._inner(Multiple(reader.target, tuple(range(len(self.program.dims[reader.target])))))
            if inner is None or inner.value != last.target:
                break
            axes = tuple(axes[inner.axes.index(k)] for k in range(len(axes)))
            factor, last = factor * inner.factor, reader
        return last, axes, factor


def times(operand: Operand, factor: Factor, values: Program, steps: list[Step]) -> Operand:
    """A number times an operand without views, by further steps."""
    dims = values.dims[operand.value]
    if factor.coefficient is not ONE:
        value = values.value(dims)
        steps.append(Scale(value, factor.coefficient, (operand.value,)))
        operand = Operand(value, operand.axes)
    for number in factor.numbers:
        value = values.value(dims)
        sizes = dict(zip(operand.axes, dims, strict=True))
        steps.append(Contract(value, (Operand(number, ()), operand), operand.axes, sizes))
        operand = Operand(value, operand.axes)
    return operand


def multiple_of(step: Step) -> int:
    """The value that a step multiplies by a number, with its axes as they are or in another order; -1 if it does not."""
    if isinstance(step, Scale) and step.inputs:
        return step.inputs[0]
    split = _times_a_number(step) if isinstance(step, Contract) else None
    return -1 if split is None else split[1].value


def _turns(step: Arrange) -> bool:
    """Whether a step is a value with its axes in another order."""
    legs = step.operand.axes
    plain = not step.operand.views and not step.embeds and all(len(group) == 1 for group in step.groups)
    return plain and sorted(legs) == sorted(step.edges)


def _times_a_number(step: Contract) -> tuple[Operand, Operand] | None:
    """The number and the other operand of a product that is a multiple."""
    if len(step.operands) == 2 and not any(o.views for o in step.operands):
        for number, other in (step.operands, step.operands[::-1]):
            if not number.axes and other.axes and sorted(other.axes) == sorted(step.kept):
                return number, other
    return None
