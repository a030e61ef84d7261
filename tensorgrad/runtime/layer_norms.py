"""Layer normalisation and its gradient are one call of torch each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tensorgrad.runtime.affine_norms import with_weights
from tensorgrad.runtime.entrywise import Entries, Factor, inverse
from tensorgrad.runtime.lifetime import living
from tensorgrad.runtime.norm_gradients import NormGradient, gradient_of
from tensorgrad.runtime.norms import Norm, Reading, norms_of
from tensorgrad.runtime.program import (
    Add,
    Arrange,
    Contract,
    Legs,
    Library,
    Operand,
    Part,
    Program,
    Step,
)
from tensorgrad.runtime.stripping import Rest, holds, product, stripped
from tensorgrad.sizes import ONE, Poly

FORWARD, BACKWARD = Fraction(8), Fraction(12)
"""Operations of an entry."""


def with_layer_norms(program: Program) -> Program:
    """The program with calls for those normalisations whose parts nothing else reads."""
    for norm in norms_of(Reading(program)):
        program = _replaced(program, norm)
    return with_weights(program)


def _replaced(program: Program, norm: Norm) -> Program:
    """The program with calls for one normalisation, or as it is if what it subtracts the mean from or the root is still
    read then."""
    trial = Program(list(program.steps), list(program.dims), program.outputs)
    _Rewriting(trial, norm).run()
    found = living(trial)
    read = {v for s in found.steps for v in s.inputs} | {v for v, _ in found.outputs.values()}
    return program if norm.centred in read or norm.root[0] in read else found


@dataclass(slots=True)
class _Rewriting:
    """One normalisation being replaced."""

    program: Program
    norm: Norm
    reading: Reading = field(init=False)
    new: dict[int, list[Step]] = field(init=False, default_factory=dict[int, list[Step]])
    """The steps in place of others, by target."""
    made: dict[tuple[int, Legs], int] = field(init=False, default_factory=dict[tuple[int, Legs], int])
    """The gradients, by the value that the root times the cotangent is and the centred axes that it goes along."""

    def __post_init__(self) -> None:
        self.reading = Reading(self.program)

    def run(self) -> None:
        """Put the calls in."""
        value = self._normal()
        gradients = [(s, g) for s in self.program.steps if isinstance(s, Add) if (g := self._gradient(s)) is not None]
        moments: tuple[int, ...] = ()
        if gradients:
            batch = [a for a in self.norm.order if a not in self.norm.axes]
            moments = (self.program.value(self._dims(batch)), self.program.value(self._dims(batch)))
        for step in self.program.steps:
            if isinstance(step, Contract) and step.target != value:
                self._product(step, value)
        for step, gradient in gradients:
            self._backward(step, gradient, moments)
        self._forward(value, moments)
        self.program.steps = [new for s in self.program.steps for new in self.new.get(s.target, [s])]

    def _normal(self) -> int:
        """The normalised value: that of the product that is just it, with its axes in the order of the call, or a new one."""
        legs = inverse(self.norm.order)
        centred = (self.norm.centred, tuple(legs[a] for a in range(len(legs))))
        root = (self.norm.root[0], tuple(legs[a] for a in self.norm.root[1]))
        for step in self.program.steps:
            entries = self.reading.entries.get(step.target)
            if isinstance(step, Contract) and entries == Entries(tuple(sorted((centred, root)))):
                self.new[step.target] = []
                return step.target
        return self.program.value(self._dims(self.norm.order))

    def _gradient(self, step: Add) -> NormGradient | None:
        return gradient_of(self.reading, self.norm, step)

    def _dims(self, axes: Sequence[int]) -> tuple[Poly, ...]:
        dims = self.program.dims[self.norm.centred]
        return tuple(dims[a] for a in axes)

    def _forward(self, value: int, moments: tuple[int, ...]) -> None:
        """The call in place of the subtraction of the mean."""
        order = self.norm.order
        dims = dict(enumerate(self.program.dims[self.norm.centred]))
        shape = f"{{0}}.shape[-{len(self.norm.axes)}:]"
        text = f"torch.nn.functional.layer_norm({{0}}, {shape}, eps={self.norm.eps!r})"
        if moments:
            text = f"torch.native_layer_norm({{0}}, {shape}, None, None, {self.norm.eps!r})"
        price = ((FORWARD, order),)
        bare = 0 if moments else len(self.norm.axes)
        call = Library(
            *(value, text, (Operand(*self.norm.x),), (order,), order, order, dims, price, len(moments)), normalises=bare
        )
        parts = [Part(moment, value, k) for k, moment in enumerate(moments)]
        self.new[self.norm.centred] = [call, *parts]

    def _product(self, step: Contract, value: int) -> None:
        """A product of what is centred, in one operand, and the root, in the other, by the normalised value."""
        if len(step.operands) != 2:
            return
        for one, other in (step.operands, step.operands[::-1]):
            for centred in self._centred(one):
                root = (self.norm.root[0], tuple(centred[1][a] for a in self.norm.root[1]))
                with_one = stripped(self.reading, one, centred)
                with_other = stripped(self.reading, other, root)
                if with_one is not None and with_other is not None and not holds(self.reading, one, root):
                    normal = Operand(value, tuple(centred[1][a] for a in self.norm.order))
                    self.new[step.target] = self._multiplied(step, normal, with_one, with_other)
                    return

    def _centred(self, operand: Operand) -> list[Factor]:
        """The centred factors of an operand."""
        entries = self.reading.entries.get(operand.value)
        factors = entries.along(operand.axes).factors if entries is not None and not operand.views else ()
        return [f for f in factors if f[0] == self.norm.centred]

    def _multiplied(self, step: Contract, normal: Operand, *rests: Rest) -> list[Step]:
        """The normalised value times what is left of two operands, in place of their product."""
        steps = [s for rest in rests for s in rest.steps]
        first, second = (rest.operand for rest in rests)
        if first is not None and second is not None:
            both = product(self.reading, normal, first)
            steps.append(both)
            normal, first = Operand(both.target, both.kept), None
        operands = tuple(o for o in (normal, first, second) if o is not None)
        if len(operands) == 1 and sorted(normal.axes) == sorted(step.kept):
            groups = tuple((e,) for e in step.kept)
            return [*steps, Arrange(step.target, normal, groups, step.dims)]
        return [*steps, replace(step, operands=operands)]

    def _backward(self, step: Add, gradient: NormGradient, moments: tuple[int, ...]) -> None:
        """The call before a sum of which the gradient is a part."""
        times, value, perm = step.terms[gradient.direct]
        legs = tuple(perm.index(k) for k in range(len(perm)))
        root = (self.norm.root[0], tuple(gradient.centred[a] for a in self.norm.root[1]))
        rest = stripped(self.reading, Operand(value, legs), root)
        if rest is None or rest.operand is None or len(rest.operand.axes) < len(perm):
            return
        places = inverse(gradient.centred)
        key = (value, tuple(places[a] for a in legs))
        others = tuple(t for k, t in enumerate(step.terms) if k not in (gradient.direct, *gradient.others))
        order = tuple(gradient.centred[a] for a in self.norm.order)
        alone = not others and times is ONE and order == tuple(range(len(order)))
        before: list[Step] = []
        if key not in self.made or alone:
            target = step.target if alone else self.program.value([step.dims[a] for a in order])
            before = [*rest.steps, self._gradient_call(target, rest.operand, gradient, moments)]
            self.made[key] = target
        if not alone:
            term = (times, self.made[key], tuple(order.index(a) for a in range(len(order))))
            before.append(replace(step, terms=(*others, term)))
        self.new[step.target] = before

    def _gradient_call(
        self, target: int, cotangent: Operand, gradient: NormGradient, moments: tuple[int, ...]
    ) -> Library:
        """The gradient for a cotangent along the axes of the sum that it is a part of, in the order of the call."""
        order = tuple(gradient.centred[a] for a in self.norm.order)
        batch = tuple(gradient.centred[a] for a in self.norm.order if a not in self.norm.axes)
        x = Operand(self.norm.x[0], tuple(gradient.centred[a] for a in self.norm.x[1]))
        dims = dict(zip(gradient.centred, self.program.dims[self.norm.centred], strict=True))
        text = f"torch.ops.aten.native_layer_norm_backward({{0}}, {{1}}, {{1}}.shape[-{len(self.norm.axes)}:]"
        text += ", {2}, {3}, None, None, [True, False, False])[0]"
        operands = (cotangent, x, *(Operand(m, batch) for m in moments))
        price = ((BACKWARD, order),)
        return Library(target, text, operands, (order, order, batch, batch), order, order, dims, price, linear=True)
