"""A sum whose terms are among those of another is read by it, not added up again; so are multiples that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tensorgrad.cost import total_cost
from tensorgrad.runtime.lifetime import living, sorted_steps
from tensorgrad.runtime.program import Add, Legs, Loop, Program, Scale, Step
from tensorgrad.sizes import ONE, Poly

Term = tuple[Poly, int, Legs]
"""Coefficient, value, and for each axis of the sum the value's axis."""


def nested(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with such sums, where that needs no more memory."""
    if any(isinstance(s, Loop) for s in program.steps):
        return program
    nesting = _Nesting(program, sizes)
    steps = sorted_steps([nesting.rewritten(s) for s in program.steps])
    found = living(Program(steps, program.dims, program.outputs))
    return found if nesting.found and found.peak(sizes) <= program.peak(sizes) else program


class _Nesting:
    """The sums of a program, and its multiples. What a sum is made of is made before the longer ones that it is read by."""

    def __init__(self, program: Program, sizes: Mapping[str, int]) -> None:
        self.program, self.sizes = program, sizes
        self.found = False
        self.sums: dict[int, list[Add]] = {}
        """Sums by the value of their first term."""
        self.multiples: dict[tuple[int, Poly], int] = {}
        self.place: dict[int, int] = {}
        for number, step in enumerate(program.steps):
            self.place[step.target] = number
            if isinstance(step, Scale) and step.inputs:
                self.multiples[step.inputs[0], step.coefficient] = step.target
            elif isinstance(step, Add) and len(step.terms) > 1:
                self.sums.setdefault(step.terms[0][1], []).append(step)

    def rewritten(self, step: Step) -> Step:
        """The step; a sum with other sums among its terms where these were."""
        if not isinstance(step, Add):
            return step
        terms = list(step.terms)
        while (shorter := self._shorter(terms, step)) is not None:
            terms = shorter
        if len(terms) > 1:
            terms = [self._known(term) for term in terms]
        if terms == list(step.terms):
            return step
        self.found = True
        return replace(step, terms=tuple(sorted(terms, key=lambda t: t[0].terms[0][1] < 0)))

    def _shorter(self, terms: list[Term], step: Add) -> list[Term] | None:
        """The terms with the longest sum that is among them as one term, if that is cheaper."""
        first = (len(step.terms), self.place[step.target])
        known = [
            s
            for value in dict.fromkeys(v for _, v, _ in terms)
            for s in self.sums.get(value, ())
            if (len(s.terms), self.place[s.target]) < first
        ]
        for part in sorted(known, key=lambda s: -len(s.terms)):
            for start in terms:
                taken = _taken(part, start, terms)
                if taken is not None:
                    whole, rest = taken
                    shorter = [self._known(whole), *rest]
                    if self._cost(shorter, step) < self._cost(terms, step):
                        return shorter
        return None

    def _known(self, term: Term) -> Term:
        """A multiple of a value as a value, if it is one."""
        coefficient, value, perm = term
        multiple = self.multiples.get((value, coefficient))
        return term if multiple is None else (ONE, multiple, perm)

    def _cost(self, terms: list[Term], step: Add) -> int:
        return total_cost(self.program.entries(step.target, self.sizes), [c for c, _, _ in terms])


def _taken(part: Add, start: Term, terms: list[Term]) -> tuple[Term, list[Term]] | None:
    """The multiple of a sum that has `start` for its first term, as a term, and the terms without its own."""
    first, value, own = part.terms[0]
    coefficient, read, perm = start
    times = coefficient.divide(first) if read == value and len(part.terms) <= len(terms) else None
    if times is None:
        return None
    places = tuple(own.index(axis) for axis in perm)
    rest = list(terms)
    for term in ((times * c, v, tuple(axes[k] for k in places)) for c, v, axes in part.terms):
        if term not in rest:
            return None
        rest.remove(term)
    return (times, part.target, places), rest
