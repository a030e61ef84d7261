"""The instances that one claim is tried on, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, permutations, product
from typing import Any

import numpy as np

from tensorgrad.errors import BudgetError, SizeError
from tensorgrad.numeric.compare import Comparison, Outcome
from tensorgrad.numeric.construct import STYLES
from tensorgrad.numeric.differences import evaluations
from tensorgrad.numeric.evaluate import size_symbols
from tensorgrad.numeric.facts import holds
from tensorgrad.numeric.sample import (
    ConditionLike,
    SamplingError,
    admissible,
    condition_tensors,
    names_of,
    sample,
)
from tensorgrad.numeric.unknown import smooth
from tensorgrad.tensor import Apply, Delta, Derivative, Fact, Tensor, walk

Dims = dict[str, int]
Chosen = str | Mapping[str, float]
"""A style of sampling, or the values of the scalars."""

_KINKED = ("abs", "relu", "max", "sign", "step")

_NUMBERS = (-1.0, 2.0, 0.5, 0.0, 1.0, -2.0, 3.0, -0.5, 0.25)

_ENTRIES = 300_000
"""Largest array of an instance; bigger sizes are not tried."""

_EVALUATIONS = 20_000
"""Most evaluations that differences may take on an instance: a third derivative is compared on the smallest sizes only."""


class Hunt:
    """The claim `left = right if conditions`: which instances to try, and the outcome of each."""

    def __init__(
        self,
        left: Tensor,
        right: Tensor,
        conditions: tuple[ConditionLike, ...],
        dims: Mapping[str, int],
        seed: int,
        domain: bool = False,
    ) -> None:
        tensors = [left, right, *condition_tensors(conditions)]
        self.conditions, self.domain, self.given = conditions, domain, dict(dims)
        self.variables, functions = names_of(tensors)
        self.functions = tuple(f for f, _ in functions)
        self.symbols = [s for s in size_symbols(*tensors) if s not in dims]
        self.nodes = [n for t in tensors for n in walk(t)]
        self.compare = Comparison(left, right)
        self.derivatives = any(isinstance(n, Derivative) for n in self.nodes)
        self.nested = any(isinstance(n, Derivative) and _differentiated(n.tensor) for n in self.nodes)
        self.kinked = self.derivatives and any(isinstance(n, Apply) and n.function.name in _KINKED for n in self.nodes)
        self.rng = np.random.default_rng(seed)

    def outcome(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> Outcome:
        """What one instance says."""
        return self.compare(values, dims)

    def refutes(self, kind: str) -> bool:
        """Whether an outcome of this kind refutes the claim."""
        return kind == "different" or (self.domain and kind in ("left undefined", "right undefined"))

    def why(self, kind: str) -> str:
        """How an outcome of this kind refutes it."""
        if kind == "different":
            return "the sides differ"
        return f"defined on one side only: the {kind.split(maxsplit=1)[0]} side is undefined"

    def plan(self, effort: int) -> Iterator[tuple[Dims, Chosen]]:
        """Instances to try: generic entries at all sizes, then every special value, then mixtures."""
        sizes = [s for s in self.sizes(effort) if self.fits(s)]
        if not self.variables:
            yield from ((dims, "generic") for dims in sizes)
            return
        if self.derivatives:
            yield from ((dims, "generic") for dims in sizes[: 2 if self.nested else 2 + effort])
            few = sizes[1:2] if self.nested else sizes[:2]
            yield from ((dims, style) for style in self.smooth_styles() for dims in few)
            return
        yield from ((dims, style) for style in ("generic", "positive") for dims in sizes)
        few = sizes[: 1 + effort]
        yield from ((dims, style) for style in STYLES for dims in few if style not in ("generic", "positive"))
        scalars = all(v.order == 0 for v in self.variables)
        for k in range((20 if scalars else 8) * effort if sizes else 0):
            yield sizes[k % len(sizes)], "mixed"
        if scalars:
            yield from ((dims, chosen) for chosen in self.grid() for dims in sizes[:1])

    def grid(self) -> Iterator[dict[str, float]]:
        """All combinations of a few telling numbers for the scalars: domain traps need one of each kind at once."""
        names = [v.name for v in self.variables]
        numbers = _NUMBERS[: {1: 9, 2: 9, 3: 6}.get(len(names), 3)]
        for choice in islice(product(numbers, repeat=len(names)), 243):
            yield dict(zip(names, choice, strict=True))

    def smooth_styles(self) -> tuple[str, ...]:
        """Styles for central differences, which see no derivative at the kinks of abs, relu, max."""
        styles = ("positive", "negative", "interval")
        return styles if self.kinked else (*styles, "singular", "identity")

    def sizes(self, effort: int) -> list[Dims]:
        """Assignments of sizes: different ones first, in several orders, then ones and equal ones."""
        n = len(self.symbols)
        if not n:
            return [dict(self.given)]
        rising = list(range(2, n + 2))
        options = [rising, rising[::-1], [1] * n, [2] * n, [1 + k % 2 for k in range(n)], [2 - k % 2 for k in range(n)]]
        options += [[k + 1 for k in range(n)], [n - k for k in range(n)], [3] * n]
        if effort > 1 and n > 2:
            options += [list(p) for p in permutations(range(1, n + 1))][: 6 * effort]
        distinct = list(dict.fromkeys(map(tuple, options)))
        return [{**self.given, **dict(zip(self.symbols, o, strict=True))} for o in distinct]

    def fits(self, dims: Dims) -> bool:
        """Whether all sizes are positive integers and no array is too large."""
        for node in self.nodes:
            total = 1
            for dim in node.dims:
                value = dim.evaluate(dims)
                if value.denominator != 1 or value <= 0:
                    return False
                total *= int(value)
            if total > _ENTRIES and not isinstance(node, Delta):
                return False
        sides = (self.compare.left, self.compare.right) if self.derivatives else ()
        return all(evaluations(t, dims) <= _EVALUATIONS for t in sides)

    def attempt(self, dims: Dims, special: Chosen) -> tuple[dict[str, Any] | None, str]:
        """A sampled instance and what it says; without an instance, why there is none."""
        try:
            values = self.sample(dims, special) if isinstance(special, str) else self.given_values(dims, special)
            return values, self.outcome(values, dims).kind
        except SamplingError as error:
            return None, str(error)
        except (SizeError, BudgetError):
            return None, "too large"

    def given_values(self, dims: Dims, chosen: Mapping[str, float]) -> dict[str, Any]:
        """The chosen numbers with sampled functions; SamplingError when they are not admissible."""
        values = {f.name: smooth(self.rng, f) for f in self.functions}
        values |= {name: np.asarray(number) for name, number in chosen.items()}
        if not admissible(self.variables, self.conditions, values, dims):
            raise SamplingError("the numbers chosen do not satisfy the conditions")
        return values

    def sample(self, dims: Dims, special: str) -> dict[str, Any]:
        """An admissible instance; SamplingError when none is found."""
        return sample(self.variables, self.functions, self.conditions, dims, self.rng, special)


def _differentiated(t: Tensor) -> bool:
    return any(isinstance(n, Derivative) for n in walk(t))


class FactHunt(Hunt):
    """The claim that an expression has a fact, wherever it is defined."""

    def __init__(self, fact: Fact, t: Tensor, conditions: tuple[ConditionLike, ...], seed: int) -> None:
        super().__init__(t, t, conditions, {}, seed)
        self.fact = fact

    def outcome(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> Outcome:
        """Whether the value has the fact on one instance."""
        value = self.compare.value(self.compare.left, values, dims)
        if value is None or np.isinf(value).any():
            return Outcome("unclear", value, None)
        if np.isnan(value).any():
            return Outcome("both undefined", value, None)
        # Equalities hold up to rounding, strict facts (pd, invertible, nonzero) down to rounding.
        return Outcome("equal" if holds(self.fact, value, 1e-6, 1e-13) else "different", value, None)

    def why(self, kind: str) -> str:
        """How an outcome of this kind refutes it."""
        return f"the value is not {self.fact}" if kind == "different" else kind
