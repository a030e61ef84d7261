"""The gradient of a layer normalisation in a program, written out as terms of a sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad.runtime.entrywise import Entries, Factor, same, terms_of, without
from tensorgrad.runtime.norms import Norm, Reading
from tensorgrad.runtime.program import Add, Call, Legs
from tensorgrad.sizes import ZERO


@dataclass(frozen=True, slots=True)
class NormGradient:
    """Terms of a sum (by position) that are together a multiple of the gradient with respect to x: `direct` is the root
    times the cotangent. `centred` says the sum's axis for each of the normalised value."""

    direct: int
    others: tuple[int, int]
    centred: Legs


class _Terms:
    """A sum whose terms are looked at: root * g - centred * cube * (g @ centred) / n - mean(both) is the gradient."""

    def __init__(self, reading: Reading, norm: Norm, step: Add, terms: list[Entries]) -> None:
        self.reading, self.norm, self.step, self.terms = reading, norm, step, terms
        self.size = reading.volume(norm.centred, norm.axes)

    def gradient(self) -> NormGradient | None:
        """The gradient among the terms, if it is."""
        for k, along in enumerate(self.terms):
            for cotangent, total, legs in self._projected(along):
                root = (self.norm.root[0], tuple(legs[a] for a in self.norm.root[1]))
                factors = tuple(sorted((*cotangent, root)))
                for j, direct in enumerate(self.terms):
                    if direct.factors != factors or direct.number != 1.0 or not same(total.number, 1.0):
                        continue
                    if total.scale * self.size + direct.scale is not ZERO:
                        continue
                    mean = self._mean(direct, along, legs)
                    if mean is not None:
                        return NormGradient(j, (k, mean), legs)
        return None

    def _projected(self, term: Entries) -> Iterator[tuple[tuple[Factor, ...], Entries, Legs]]:
        """The cotangents g for which a term is a multiple of centred * cube * (g @ centred), with the multiple."""
        for value, legs in dict.fromkeys(term.factors):
            if value != self.norm.centred or len(legs) != len(self.step.dims):
                continue
            for cube in self._cubes(term, legs):
                rest = without(term.factors, (value, legs), cube) or ()
                for dot in dict.fromkeys(rest):
                    others = without(rest, dot) or ()
                    for inner in self._inner(dot, legs):
                        own = without(inner.factors, (value, legs))
                        if own is not None:
                            yield (
                                tuple(sorted((*own, *others))),
                                term.times(Entries((), inner.scale, inner.number)),
                                legs,
                            )

    def _cubes(self, term: Entries, legs: Legs) -> Iterator[Factor]:
        """The factors that are the root to the third."""
        value, of_value = self.norm.variance
        for factor in dict.fromkeys(term.factors):
            step = self.reading.made.get(factor[0])
            if not isinstance(step, Call) or self.reading.power(step) != Fraction(-3, 2) or step.args[0][0] != value:
                continue
            labels = step.args[0][1]
            if all(factor[1][b] == legs[of_value[p]] for p, b in enumerate(labels)):
                yield factor

    def _inner(self, dot: Factor, legs: Legs) -> Iterator[Entries]:
        """What a factor sums over the normalised axes, along the axes of the sum."""
        found = self.reading.total(dot)
        if found is not None:
            for places in self.reading.along(found[0], dot[1], [legs[a] for a in self.norm.axes]):
                yield found[1].along(places)

    def _mean(self, direct: Entries, along: Entries, legs: Legs) -> int | None:
        """The term that is minus the mean of both others."""
        axes = [legs[a] for a in self.norm.axes]
        batch = [a for a in range(len(self.step.dims)) if a not in axes]
        for k, term in enumerate(self.terms):
            if len(term.factors) != 1 or sorted(term.factors[0][1]) != batch or term.number != 1.0:
                continue
            for inner in self._inner(term.factors[0], legs):
                if len(inner.factors) == 1 and inner.number == 1.0:
                    value, own = inner.factors[0]
                    scale = term.scale * inner.scale * self.size
                    both = [t.along(own).scaled(scale) for t in self.reading.sum_of(value) or []]
                    if len(both) == 2 and _cancel(both, (direct, along)):
                        return k
        return None


def _cancel(some: list[Entries], others: tuple[Entries, Entries]) -> bool:
    """Whether both sums of two add up to zero, term by term."""
    return any(
        all(
            a.factors == b.factors and same(a.number, b.number) and a.scale + b.scale is ZERO
            for a, b in zip(order, others, strict=True)
        )
        for order in (some, some[::-1])
    )


def gradient_of(reading: Reading, norm: Norm, step: Add) -> NormGradient | None:
    """The gradient of a normalisation among the terms of a sum."""
    if len(step.dims) != len(reading.program.dims[norm.centred]):
        return None
    terms = terms_of(step, reading.entries)
    return None if terms is None else _Terms(reading, norm, step, terms).gradient()
