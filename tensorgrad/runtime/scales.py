"""Powers of sizes that values are multiples of, and the sign of a cotangent, are carried along to where they cancel.

The terms of a sum are written over a common denominator: d * x - y for x - y / d. In gradients through many layers of means
these would multiply to d ** 34 and more, which no float holds.
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
    Operand,
    Part,
    Program,
    Scale,
    Scatter,
    Select,
    Step,
)
from tensorgrad.runtime.softmax_gradients import GRADIENT
from tensorgrad.sizes import MINUS_ONE, ONE, Poly

Exponents = dict[str, int]


def without_scales(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with such powers multiplied in at the end only, where that takes no more operations and memory."""
    if any(isinstance(s, Loop) for s in program.steps):
        return program
    for signs in (True, False):
        carrying = _Carrying(program, signs)
        found = carrying.run()
        as_cheap = _flops(found, sizes) <= _flops(program, sizes) and found.peak(sizes) <= program.peak(sizes)
        if carrying.factor and as_cheap:
            return found
    return program


def _flops(program: Program, sizes: Mapping[str, int]) -> int:
    return sum(program.flops(s, sizes) for s in program.steps)


class _Carrying:
    """The program being rewritten: value v is factor[v] times the value base[v]. With `signs` a softmax's gradient for
    -g is that for g, with a minus."""

    def __init__(self, program: Program, signs: bool) -> None:
        self.old = program
        made = {s.target: s for s in program.steps if isinstance(s, Scale) and s.coefficient is MINUS_ONE}
        self.turned = {
            s.args[0][0] for s in program.steps if signs and isinstance(s, Call) and s.function is GRADIENT
        }.intersection(made)
        self.new = Program([], list(program.dims))
        self.factor: dict[int, Poly] = {}
        self.base: dict[int, int] = {}
        self.formed: set[int] = set()

    def run(self) -> Program:
        """The new program."""
        for step in self.old.steps:
            rewritten = self._rewritten(step)
            if rewritten is not None:
                self.new.steps.append(rewritten)
        self.new.outputs = {n: (self._whole(v), axes) for n, (v, axes) in self.old.outputs.items()}
        return living(self.new)

    def _rewritten(self, step: Step) -> Step | None:
        match step:
            case Contract():
                operands = tuple(self._operand(o) for o in step.operands)
                factor = ONE
                for operand in step.operands:
                    factor = factor * self.factor.get(operand.value, ONE)
                return replace(step, target=self._target(step.target, factor), operands=operands)
            case Arrange():
                target = self._target(step.target, self.factor.get(step.operand.value, ONE))
                return replace(step, target=target, operand=self._operand(step.operand))
            case Scale() if step.inputs and step.coefficient.is_monomial:
                return self._multiple(step)
            case Scale():
                return replace(step, inputs=tuple(map(self._whole, step.inputs)))
            case Add():
                terms = [(c * self.factor.get(v, ONE), self._based(v), perm) for c, v, perm in step.terms]
                common = _power(_common([c for c, _, _ in terms]))
                divided = tuple((c * _inverse(common), v, perm) for c, v, perm in terms)
                return replace(step, target=self._target(step.target, common), terms=divided)
            case Call() if step.function is GRADIENT:
                (cotangent, labels), (softmax, own) = step.args
                target = self._target(step.target, self.factor.get(cotangent, ONE))
                return replace(
                    step, target=target, args=((self._based(cotangent), labels), (self._whole(softmax), own))
                )
            case Call():
                return replace(step, args=tuple((self._whole(v), labels) for v, labels in step.args))
            case Library():
                return self._library(step)
            case Part():
                target = self._target(step.target, self.factor.get(step.of, ONE))
                return replace(step, target=target, of=self._based(step.of))
            case _:
                return step

    def _multiple(self, step: Scale) -> Scale | None:
        """The multiple; none where it is by a power of sizes, or a sign that is carried, alone."""
        (value,) = step.inputs
        power = _power(_exponents(step.coefficient))
        factor, rest = power * self.factor.get(value, ONE), step.coefficient * _inverse(power)
        if step.target in self.turned:
            factor, rest = -factor, ONE
        if rest is not ONE:
            return Scale(self._target(step.target, factor), rest, (self._based(value),))
        self.base[step.target] = self._based(value)
        if factor is not ONE:
            self.factor[step.target] = factor
        return None

    def _library(self, step: Library) -> Library:
        first, *others = step.operands
        rest = [replace(o, value=self._whole(o.value)) for o in others]
        if not step.linear:
            return replace(step, operands=(replace(first, value=self._whole(first.value)), *rest))
        target = self._target(step.target, self.factor.get(first.value, ONE))
        return replace(step, target=target, operands=(self._operand(first), *rest))

    def _operand(self, operand: Operand) -> Operand:
        """The operand's base; positions are read whole."""
        views = tuple(
            replace(v, index=self._whole(v.index)) if isinstance(v, Select | Gather | Scatter) else v
            for v in operand.views
        )
        return replace(operand, value=self._based(operand.value), views=views)

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
        if value not in self.factor:
            return self._based(value)
        if value not in self.formed:
            self.formed.add(value)
            self.new.steps.append(Scale(value, self.factor[value], (self.base[value],)))
        return value


def _exponents(monomial: Poly) -> Exponents:
    return dict(monomial.terms[0][0])


def _power(exponents: Exponents) -> Poly:
    return Poly({tuple(sorted((s, e) for s, e in exponents.items() if e)): ONE.number})


def _inverse(power: Poly) -> Poly:
    return _power({s: -e for s, e in _exponents(power).items()})


def _common(coefficients: list[Poly]) -> Exponents:
    """The largest exponent of each symbol: the largest terms are left without it, so that no layer adds to it."""
    found = [dict(monomial) for c in coefficients for monomial, _ in c.terms]
    return {symbol: max(f.get(symbol, 0) for f in found) for symbol in {s for f in found for s in f}}
