"""The search for a counterexample to `left = right if conditions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from tensorgrad.numeric.hunt import FactHunt, Hunt
from tensorgrad.numeric.sample import ConditionLike
from tensorgrad.numeric.shrink import shrink
from tensorgrad.tensor import Fact, Tensor

Array = Any


@dataclass(frozen=True)
class Counterexample:
    """An admissible instance that refutes a claim.

    `why` says how: "the sides differ", "defined on one side only: ...", or for a fact that it does not hold (then there
    is no right side).

    >>> from tensorgrad import prove
    >>> found = prove("A @ B = B @ A", let="A B : n n").counterexample
    >>> found.why
    'the sides differ'
    """

    dims: Mapping[str, int]
    values: Mapping[str, Any]
    left: Array
    right: Array | None
    why: str

    def __str__(self) -> str:
        return f"{self.why}\n{self.instance}"

    @property
    def instance(self) -> str:
        """The sizes, the values and both sides, one below the other.

        >>> from tensorgrad import prove
        >>> print(prove("x * x = x", let="x : scalar").counterexample.instance)
          x = -1
          left side = 1
          right side = -1
        """
        lines: list[str] = []
        if self.dims:
            lines.append("  " + ", ".join(f"{symbol} = {value}" for symbol, value in self.dims.items()))
        for name, value in self.values.items():
            lines.append(_labelled(name, value))
        if self.right is None:
            return "\n".join([*lines, _labelled("value", self.left)])
        return "\n".join([*lines, _labelled("left side", self.left), _labelled("right side", self.right)])


def _labelled(name: str, value: Any) -> str:
    if callable(value):
        return f"  {name} = {value}"
    array = np.asarray(value, dtype=np.float64)
    style: Any = {"float_kind": _number}
    with np.printoptions(formatter=style, threshold=200, linewidth=100):
        text = np.array2string(array, separator=", ")
    return f"  {name} = " + text.replace("\n", "\n" + " " * (len(name) + 5))


def _number(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value + 0.0:.5g}"


@dataclass
class Search:
    """What a search saw: how many instances had each outcome, and the counterexample if there was one."""

    planned: int = 0
    counts: dict[str, int] = field(default_factory=dict[str, int])
    counterexample: Counterexample | None = None
    unsampled: str = ""

    def count(self, kind: str) -> int:
        """The number of instances with this outcome."""
        return self.counts.get(kind, 0)


def refute(
    left: Tensor,
    right: Tensor,
    conditions: Sequence[ConditionLike] = (),
    *,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
    effort: int = 2,
    seconds: float | None = None,
) -> Counterexample | None:
    """A simple counterexample to the goal `left = right if conditions`, or None when the search finds none.

    A goal is refuted on an admissible instance where both sides are defined and differ, by more than rounding can
    explain. Derivative nodes are evaluated by central differences; expand them first for exactness.
    Args: `dims` fixes some sizes; `effort` is 1 for a quick look, 2 for a thorough one; no new instance is
    begun after `seconds`.

    >>> from tensorgrad.tensor import Variable, power
    >>> x = Variable("x")
    >>> print(refute(power(x, 2), x))
    the sides differ
      x = -1
      left side = 1
      right side = -1
    """
    return search(left, right, conditions, dims=dims, seed=seed, effort=effort, seconds=seconds).counterexample


def search(
    left: Tensor,
    right: Tensor,
    conditions: Sequence[ConditionLike] = (),
    *,
    dims: Mapping[str, int] | None = None,
    seed: int = 0,
    effort: int = 2,
    domain: bool = False,
    seconds: float | None = None,
) -> Search:
    """Look for a counterexample and count outcomes. With `domain`, an instance defined on one side only is one too."""
    return _search(Hunt(left, right, tuple(conditions), dims or {}, seed, domain), effort, seconds)


def search_fact(
    fact: Fact, t: Tensor, conditions: Sequence[ConditionLike] = (), *, seed: int = 0, effort: int = 2
) -> Search:
    """Look for an instance under the conditions where `t` is defined and lacks the fact; count the others."""
    return _search(FactHunt(fact, t, tuple(conditions), seed), effort)


def _search(hunt: Hunt, effort: int, seconds: float | None = None) -> Search:
    result = Search()
    end = None if seconds is None else monotonic() + seconds
    for dims, special in hunt.plan(effort):
        if end is not None and monotonic() > end:
            break
        result.planned += 1
        values, kind = hunt.attempt(dims, special)
        if values is None:
            result.unsampled = result.unsampled or kind
            continue
        result.counts[kind] = result.counts.get(kind, 0) + 1
        if hunt.refutes(kind):
            dims, values = shrink(hunt, dims, values, kind)
            last = hunt.outcome(values, dims)
            sizes = {s: dims[s] for s in hunt.symbols}
            result.counterexample = Counterexample(sizes, values, last.left, last.right, hunt.why(kind))
            break
    return result
