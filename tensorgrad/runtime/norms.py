"""Layer normalisation in a program, written out: where x has its mean subtracted and 1 / sqrt(variance + eps) is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

from tensorgrad.runtime.entrywise import Entries, Factor, contracted, entries_of, inverse, terms_of
from tensorgrad.runtime.program import Add, Call, Contract, Legs, Program
from tensorgrad.sizes import ONE, ZERO, Poly

MOST_AXES = 3
"""Axes that one normalisation is recognised over at most."""


@dataclass(frozen=True, slots=True)
class Norm:
    """x - mean(x), called `centred`, and 1 / sqrt(mean(centred ** 2) + eps), the `root`; all legs are axes of centred."""

    x: Factor
    centred: int
    axes: Legs
    """Those that are normalised over."""
    root: Factor
    variance: Factor
    """With eps."""
    eps: float

    @property
    def order(self) -> Legs:
        """The axes in the order in which torch takes them: as in x, those normalised over last."""
        return (*(a for a in self.x[1] if a not in self.axes), *(a for a in self.x[1] if a in self.axes))

    def has_root(self, factor: Factor, centred: Legs) -> bool:
        """Whether a factor is the root along the same axes as a factor that is centred."""
        return factor == (self.root[0], tuple(centred[a] for a in self.root[1]))


class Reading:
    """A program with what makes its values, and these as products."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.made = {step.target: step for step in program.steps}
        self.entries = entries_of(program)

    def power(self, step: Call) -> Fraction | None:
        """The exponent of a power, if it is a number."""
        if step.function.name != "pow" or step.function.derivative:
            return None
        exponent = self.entries.get(step.args[1][0])
        known = exponent is not None and not exponent.factors and exponent.number == 1.0 and exponent.scale.is_constant
        return exponent.scale.number if exponent is not None and known else None

    def sum_of(self, value: int) -> list[Entries] | None:
        """The terms of a value over its axes, a single one if it is no sum."""
        step = self.made.get(value)
        if isinstance(step, Add):
            return terms_of(step, self.entries)
        return [self.entries[value]] if value in self.entries else None

    def total(self, factor: Factor) -> tuple[Contract, Entries] | None:
        """The contraction that a factor is, and what it sums over its edges, if it sums."""
        step = self.made.get(factor[0])
        if not isinstance(step, Contract) or step.target not in self.entries:
            return None
        inner = contracted(step, self.entries)
        if inner is None or all(e in step.kept for o in step.operands for e in o.axes):
            return None
        return step, inner

    def along(self, step: Contract, legs: Legs, axes: Sequence[int]) -> Iterator[dict[int, int]]:
        """The ways in which the edges of a contraction, whose result goes along `legs`, can go along axes so that those
        summed are `axes`."""
        kept = dict(zip(step.kept, legs, strict=True))
        summed = list(dict.fromkeys(e for o in step.operands for e in o.axes if e not in kept))
        if len(summed) == len(axes) <= MOST_AXES:
            for chosen in permutations(axes):
                yield kept | dict(zip(summed, chosen, strict=True))

    def volume(self, value: int, axes: Sequence[int]) -> Poly:
        """The product of the sizes of some axes."""
        total = ONE
        for a in axes:
            total = total * self.program.dims[value][a]
        return total


def norms_of(reading: Reading) -> list[Norm]:
    """The normalisations of a program."""
    found: list[Norm] = []
    for step in reading.program.steps:
        if isinstance(step, Call) and reading.power(step) == Fraction(-1, 2):
            norm = _norm(reading, step)
            if norm is not None:
                found.append(norm)
    return found


def _norm(reading: Reading, root: Call) -> Norm | None:
    variance, labels = root.args[0]
    found = _variance(reading, variance)
    if found is None:
        return None
    centred, axes, legs, eps = found
    x = _subtracted(reading, centred, axes)
    if x is None:
        return None
    of_root = tuple(legs[p] for p in sorted(range(len(labels)), key=labels.__getitem__))
    return Norm(x, centred, axes, (root.target, of_root), (variance, legs), eps)


def _variance(reading: Reading, value: int) -> tuple[int, Legs, Legs, float] | None:
    """What a value is the mean square of, plus eps: that, the axes averaged over, and the axis of each of the value's."""
    terms = reading.sum_of(value) or []
    numbers = [t.coefficient for t in terms if not t.factors]
    means = [t for t in terms if t.factors]
    eps = numbers[0] if numbers else 0.0
    if len(means) != 1 or len(numbers) > 1 or eps is None or len(means[0].factors) != 1 or means[0].number != 1.0:
        return None
    ((square, legs),) = means[0].factors
    total = reading.total((square, legs))
    if total is None or len(legs) != len(reading.program.dims[value]):
        return None
    step, inner = total
    if not inner.plain or len(inner.factors) != 2 or inner.factors[0] != inner.factors[1]:
        return None
    centred, edges = inner.factors[0]
    axes = tuple(a for a, e in enumerate(edges) if e not in step.kept)
    if len(set(edges)) < len(edges) or means[0].scale * reading.volume(centred, axes) is not ONE:
        return None
    places = inverse(edges)
    of_value = tuple(places[step.kept[k]] for k in sorted(range(len(legs)), key=legs.__getitem__))
    return centred, axes, of_value, eps


def _subtracted(reading: Reading, centred: int, axes: Legs) -> Factor | None:
    """What a value is with its mean over `axes` subtracted, and the value's axis for each of its own."""
    step = reading.made.get(centred)
    terms = reading.sum_of(centred) if isinstance(step, Add) else None
    if terms is None or not isinstance(step, Add):
        return None
    batch = [a for a in range(len(step.dims)) if a not in axes]
    for k, mean in enumerate(terms):
        if len(mean.factors) != 1 or sorted(mean.factors[0][1]) != batch or mean.number != 1.0:
            continue
        total = reading.total(mean.factors[0])
        if total is None:
            continue
        share = mean.scale * reading.volume(centred, axes)
        for places in reading.along(total[0], mean.factors[0][1], axes):
            inner = total[1].along(places)
            if len(terms) == 2 and _is_minus(inner.scaled(share), terms[1 - k]) and step.terms[1 - k][0] is ONE:
                _, value, perm = step.terms[1 - k]
                legs = inverse(perm)
                return value, tuple(legs[p] for p in range(len(perm)))
            if len(terms) > 2 and share + ONE is ZERO and _is_sum(reading, inner, [*terms[:k], *terms[k + 1 :]]):
                return inner.factors[0]
    return None


def _is_minus(one: Entries, other: Entries) -> bool:
    return one.factors == other.factors and one.number == other.number and one.scale + other.scale is ZERO


def _is_sum(reading: Reading, entries: Entries, terms: Sequence[Entries]) -> bool:
    """Whether a product is one value alone, the sum of these terms."""
    if not entries.plain or len(entries.factors) != 1:
        return False
    value, legs = entries.factors[0]
    own = reading.sum_of(value) or []
    return Counter(t.along(legs) for t in own) == Counter(terms)
