"""Powers of sizes that values are multiples of, signs and numbers are carried along to where they cancel.

The terms of a sum are written over a common denominator: d * x - y for x - y / d. In gradients through many layers of means
these would multiply to d ** 34 and more, which no float holds. A sum of mostly subtracted terms is computed with the other
sign, x + y - z for z - x - y, and one of doubled terms without the 2. What is left is multiplied in where that takes least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tensorgrad.runtime.lifetime import living
from tensorgrad.runtime.program import (
    Add,
    Arrange,
    Call,
    Contract,
    Gather,
    Library,
    Loop,
    Make,
    Operand,
    Part,
    Program,
    Scale,
    Scatter,
    Select,
    Step,
)
from tensorgrad.runtime.softmax_gradients import GRADIENT
from tensorgrad.sizes import MINUS_ONE, ONE, Poly, content_of

Exponents = dict[str, int]


TRIES = 16
"""Single values whose sign is tried the other way, and as many whose number is tried where it was."""

SPARE = 16
"""What fewer operations may cost in memory: this part of what is needed without them."""


def without_scales(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with such powers multiplied in at the end only, and signs and numbers where that takes least operations;
    as it is where all this would cost operations, or more than a little memory."""
    if any(isinstance(s, Loop) for s in program.steps):
        return program
    peak = program.peak(sizes)
    best, least = program, _flops(program, sizes)
    for carrying in (_Carrying(program, sizes), _searched(program, sizes, False), _searched(program, sizes, True)):
        found, flops = carrying.new, _flops(carrying.new, sizes)
        memory = peak if flops == least else peak + peak // SPARE
        # Of equal ones that with powers carried: they would overflow.
        better = flops < least or (flops == least and best is program)
        if carrying.factor and better and found.peak(sizes) <= memory:
            best, least = found, flops
    return best


def _searched(program: Program, sizes: Mapping[str, int], numbers: bool) -> _Carrying:
    """The program with signs carried, and numbers if so; those of some sums and multiples chosen so that least are left to
    multiply in."""
    best = _Carrying(program, sizes, signs=True, numbers=numbers)
    for kept in [s.target for s in program.steps if _has_number(s)][:TRIES] if numbers else ():
        found = _Carrying(program, sizes, signs=True, numbers=True, kept=best.kept | {kept})
        if _flops(found.new, sizes) < _flops(best.new, sizes):
            best = found
    tried: set[int] = set()
    while len(tried) < TRIES and (choice := next((v for v in best.choices() if v not in tried), None)) is not None:
        tried.add(choice)
        found = _Carrying(program, sizes, True, numbers, best.turned ^ {choice}, best.kept)
        if _flops(found.new, sizes) < _flops(best.new, sizes):
            best = found
    return best


def _flops(program: Program, sizes: Mapping[str, int]) -> int:
    return sum(program.flops(s, sizes) for s in program.steps)


class _Carrying:
    """A program rewritten: value v is factor[v] times the value base[v]; with `signs` factors have a sign, which is the
    other one for the sums and multiples `turned`, with `numbers` a number, but for the sums and multiples `kept`."""

    def __init__(
        self,
        program: Program,
        sizes: Mapping[str, int],
        signs: bool = False,
        numbers: bool = False,
        turned: frozenset[int] = frozenset(),
        kept: frozenset[int] = frozenset(),
    ) -> None:
        self.old, self.sizes = program, sizes
        self.signs, self.numbers = signs, numbers
        self.turned, self.kept = turned, kept
        self.whole = {v for s in program.steps for v in _read_whole(s)} | {v for v, _ in program.outputs.values()}
        """The values that are needed themselves."""
        self.factor: dict[int, Poly] = {}
        self.base: dict[int, int] = {}
        self.multiples: dict[tuple[Poly, int], int] = {}
        self.new = Program([], list(program.dims))
        for step in program.steps:
            rewritten = self._rewritten(step)
            if rewritten is not None:
                self.new.steps.append(rewritten)
        self.new.outputs = {n: (self._whole(v), axes) for n, (v, axes) in program.outputs.items()}
        self.new = living(self.new)

    def choices(self) -> list[int]:
        """The sums and multiples whose sign is one of those that are left, nearest first."""
        made = {s.target: s for s in self.old.steps}
        left = {value for coefficient, value in self.multiples if coefficient is MINUS_ONE}
        stack = [v for v in made if self._based(v) in left][::-1]
        found: dict[int, None] = {}
        seen: set[int] = set()
        while stack:
            value = stack.pop()
            if value in seen or value not in made:
                continue
            seen.add(value)
            step = made[value]
            if isinstance(step, Add) or (isinstance(step, Scale) and step.inputs and not _is_sign(step.coefficient)):
                found[value] = None
            else:
                read_whole = _read_whole(step)
                stack += [v for v in step.inputs[::-1] if v not in read_whole]
        return [v for v in found if v not in self.whole]

    def _rewritten(self, step: Step) -> Step | None:
        match step:
            case Contract():
                return self._contract(step)
            case Arrange():
                target = self._target(step.target, self._factor(step.operand.value))
                return replace(step, target=target, operand=self._operand(step.operand))
            case Scale() if step.inputs and step.coefficient.is_monomial:
                return self._multiple(step)
            case Scale():
                return replace(step, inputs=tuple(map(self._whole, step.inputs)))
            case Add():
                return self._add(step)
            case Call() if step.function is GRADIENT:
                (cotangent, labels), (softmax, own) = step.args
                target = self._target(step.target, self._factor(cotangent))
                return replace(
                    step, target=target, args=((self._based(cotangent), labels), (self._whole(softmax), own))
                )
            case Call():
                return replace(step, args=tuple((self._whole(v), labels) for v, labels in step.args))
            case Make():
                return replace(step, inputs=tuple(map(self._whole, step.inputs)))
            case Library():
                return self._library(step)
            case Part():
                target = self._target(step.target, self._factor(step.of))
                return replace(step, target=target, of=self._based(step.of))
            case _:
                return step

    def _contract(self, step: Contract) -> Contract:
        """The product; a number that would be left on a value that is needed itself goes to the smallest operand."""
        factor = ONE
        for operand in step.operands:
            factor = factor * self._factor(operand.value)
        operands = [self._operand(o) for o in step.operands]
        number = _number(factor)
        if step.target in self.whole and number is not ONE:
            volumes = [self.new.entries(o.value, self.sizes) for o in operands]
            k = volumes.index(min(volumes))
            if volumes[k] < self.new.entries(step.target, self.sizes):
                operands[k] = replace(operands[k], value=self._times(number, operands[k].value))
                factor = factor * number.inverse()
        return replace(step, target=self._target(step.target, factor), operands=tuple(operands))

    def _add(self, step: Add) -> Add:
        """The sum over what its terms have in common."""
        terms = [(c * self._factor(v), self._based(v), perm) for c, v, perm in step.terms]
        common = _power(_common([c for c, _, _ in terms]))
        if self.numbers and step.target not in (*self.whole, *self.kept):
            common = common * _content([c for c, _, _ in terms])
        negative = sum(_is_negative(c) for c, _, _ in terms)
        turned = (2 * negative > len(terms)) != (step.target in self.turned)
        if self.signs and step.target not in self.whole and turned:
            common = -common
        divided = [(c * common.inverse(), v, perm) for c, v, perm in terms]
        ordered = tuple(sorted(divided, key=lambda t: _is_negative(t[0])))
        return replace(step, target=self._target(step.target, common), terms=ordered)

    def _multiple(self, step: Scale) -> None:
        """The multiple; nothing where it is by a power of sizes, or a sign, that is carried."""
        (value,) = step.inputs
        carried = _power(_exponents(step.coefficient))
        if self.numbers and step.target not in self.kept:
            carried = carried * Poly.constant(abs(_number(step.coefficient).number))
        if self.signs and _is_negative(step.coefficient) != (step.target in self.turned):
            carried = -carried
        factor, rest = carried * self._factor(value), step.coefficient * carried.inverse()
        if step.target in self.whole:
            number = _number(factor)
            factor, rest = factor * number.inverse(), rest * number
        self.base[step.target] = self._times(rest, self._based(value))
        if factor is not ONE:
            self.factor[step.target] = factor

    def _library(self, step: Library) -> Library:
        first, *others = step.operands
        rest = [replace(o, value=self._whole(o.value)) for o in others]
        if not step.linear:
            return replace(step, operands=(replace(first, value=self._whole(first.value)), *rest))
        target = self._target(step.target, self._factor(first.value))
        return replace(step, target=target, operands=(self._operand(first), *rest))

    def _operand(self, operand: Operand) -> Operand:
        """The operand's base; positions are read whole."""
        views = tuple(
            replace(v, index=self._whole(v.index)) if isinstance(v, Select | Gather | Scatter) else v
            for v in operand.views
        )
        return replace(operand, value=self._based(operand.value), views=views)

    def _factor(self, value: int) -> Poly:
        return self.factor.get(value, ONE)

    def _based(self, value: int) -> int:
        return self.base.get(value, value)

    def _target(self, value: int, factor: Poly) -> int:
        """What stands for a value that is a multiple."""
        if factor is ONE:
            return value
        self.factor[value], self.base[value] = factor, self.new.value(self.new.dims[value])
        return self.base[value]

    def _whole(self, value: int) -> int:
        """The value itself, multiplied where that has not been done."""
        return self._times(self._factor(value), self._based(value))

    def _times(self, coefficient: Poly, value: int) -> int:
        """A multiple of a value that is there, formed once."""
        if coefficient is ONE:
            return value
        key = (coefficient, value)
        if key not in self.multiples:
            self.multiples[key] = self.new.value(self.new.dims[value])
            self.new.steps.append(Scale(self.multiples[key], coefficient, (value,)))
        return self.multiples[key]


def _read_whole(step: Step) -> tuple[int, ...]:
    """The values that a step does not read as multiples."""
    match step:
        case Contract():
            return step.inputs[len(step.operands) :]
        case Arrange() | Add() | Part():
            return ()
        case Scale() if step.coefficient.is_monomial:
            return ()
        case Call() if step.function is GRADIENT:
            return step.inputs[1:]
        case Library() if step.linear:
            return step.inputs[1:]
        case _:
            return step.inputs


def _has_number(step: Step) -> bool:
    """Whether a step multiplies by a number other than 1 and -1."""
    if isinstance(step, Add):
        return any(abs(n) != 1 for c, _, _ in step.terms for _, n in c.terms)
    if not isinstance(step, Scale) or not step.inputs or not step.coefficient.is_monomial:
        return False
    return abs(_number(step.coefficient).number) != 1


def _number(monomial: Poly) -> Poly:
    return Poly.constant(monomial.terms[0][1])


def _content(coefficients: list[Poly]) -> Poly:
    """The largest number that divides all, if without it fewer have one."""
    found = Poly.constant(abs(_number(content_of(coefficients)).number)) if coefficients else ONE
    before, after = (
        sum(abs(n) != 1 for c in some for _, n in c.terms)
        for some in (coefficients, [c * found.inverse() for c in coefficients])
    )
    return found if after < before else ONE


def _is_sign(coefficient: Poly) -> bool:
    return coefficient is ONE or coefficient is MINUS_ONE


def _is_negative(coefficient: Poly) -> bool:
    return coefficient.is_monomial and coefficient.terms[0][1] < 0


def _exponents(monomial: Poly) -> Exponents:
    return dict(monomial.terms[0][0])


def _power(exponents: Exponents) -> Poly:
    return Poly({tuple(sorted((s, e) for s, e in exponents.items() if e)): ONE.number})


def _common(coefficients: list[Poly]) -> Exponents:
    """The largest exponent of each symbol: the largest terms are left without it, so that no layer adds to it."""
    found = [dict(monomial) for c in coefficients for monomial, _ in c.terms]
    return {symbol: max(f.get(symbol, 0) for f in found) for symbol in {s for f in found for s in f}}
