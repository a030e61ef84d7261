"""Regimes of symbolic sizes: which form of an expression is cheapest where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from tensorgrad.api.inputs import Conditions, check_arguments, read_dims, read_expression, symbols_of
from tensorgrad.calculus import expand, lines_of
from tensorgrad.errors import InputError
from tensorgrad.rule import RuleSet, library
from tensorgrad.runtime import plan as plan_of
from tensorgrad.sizes import ZERO, Poly
from tensorgrad.tensor import Tensor

if TYPE_CHECKING:
    from tensorgrad.egraph.exploration import Exploration

_GRID = {1: (10, 100, 1000), 2: (10, 100, 1000), 3: (10, 1000)}
"""Sizes that each symbol is given, by the number of symbols."""

_MOST_SYMBOLS = 6


@dataclass(frozen=True, slots=True)
class Regime:
    """One form, its operations as a polynomial in the sizes, and where it is cheapest; "" for everywhere.

    `steps` say in which order it is computed: two regimes may differ in nothing else.

    >>> (form,) = regimes("A @ v", let="A : n m ; v : m").forms
    >>> print(form)
    A @ v   2*m*n flops
    """

    tensor: Tensor
    flops: Poly
    condition: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.tensor}   {self.flops} flops" + (f"   if {self.condition}" if self.condition else "")


@dataclass(frozen=True)
class Regimes:
    """The forms that are cheapest somewhere; `at` picks one.

    >>> found = regimes("A @ v", let="A : n n ; U V : n r ; v : n", if_="A = U @ V.T")
    >>> [str(form.tensor) for form in found.forms], found.symbols
    (['A @ v', 'U @ V.T @ v'], ('n', 'r'))
    """

    forms: tuple[Regime, ...]
    symbols: tuple[str, ...]

    def at(self, dims: Mapping[Any, int]) -> Regime:
        """The cheapest form at these sizes.

        >>> found = regimes("A @ v", let="A : n n ; U V : n r ; v : n", if_="A = U @ V.T")
        >>> str(found.at({"n": 100, "r": 3}).tensor), str(found.at({"n": 5, "r": 4}).tensor)
        ('U @ V.T @ v', 'A @ v')
        """
        sizes = read_dims(dims, self.symbols)
        return min(self.forms, key=lambda form: form.flops.evaluate(sizes))

    def __str__(self) -> str:
        texts = [str(form.tensor) for form in self.forms]
        lines: list[str] = []
        for form, text in zip(self.forms, texts, strict=True):
            lines.append(str(form))
            if texts.count(text) > 1:
                lines += [f"    {step}" for step in form.steps]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def regimes(
    expression: Tensor | str,
    *,
    let: str = "",
    if_: Conditions = "",
    rules: RuleSet | None = None,
    seconds: float = 5.0,
    nodes: int = 20_000,
) -> Regimes:
    """Which form of an expression needs the fewest operations, depending on its symbolic sizes.

    One search; forms are extracted at small and large values of every symbol and compared as polynomials, so a
    condition is exact, but a form that is best only at sizes in between may be missed.
    Arguments as for `simplify`. Raises InputError for more than six symbols.

    >>> print(regimes("A @ v", let="A : n n ; U V : n r ; v : n", if_="A = U @ V.T"))
    A @ v   2*n**2 flops   if n < 2*r
    U @ V.T @ v   4*n*r flops   if 2*r <= n
    """
    check_arguments(let, if_, rules, seconds, nodes)
    t, conditions = read_expression(expression, let, if_)
    expanded = expand(t, lines_of(rules), conditions)
    symbols = tuple(symbols_of([t], conditions))
    if len(symbols) > _MOST_SYMBOLS:
        raise InputError(f"regimes of {len(symbols)} symbols {', '.join(symbols)}: give at most {_MOST_SYMBOLS}")
    from tensorgrad.egraph import search

    values = _GRID.get(len(symbols), (10, 1000))
    grid = [dict(zip(symbols, chosen, strict=True)) for chosen in product(values, repeat=len(symbols))]
    loaded = rules if rules is not None else library()
    explored = search.explore([expanded], conditions=conditions, dims=grid, rules=loaded, seconds=seconds, nodes=nodes)
    found = _cheapest_somewhere(explored, grid)
    kept = [found[k] for k in sorted({min(range(len(found)), key=_cost_at(found, sizes)) for sizes in grid})]
    costs = [cost for _, cost, _ in kept]
    forms = [Regime(form, cost, _condition(k, costs), steps) for k, (form, cost, steps) in enumerate(kept)]
    return Regimes(tuple(forms), symbols)


_Found = tuple[Tensor, Poly, tuple[str, ...]]


def _cheapest_somewhere(explored: Exploration, grid: list[dict[str, int]]) -> list[_Found]:
    """The cheapest form at each of the sizes, with the polynomial of the order of contraction that is best there."""
    found: dict[Poly, _Found] = {}
    for sizes in grid:
        (form,) = explored.cheapest(sizes)
        planned = plan_of(form, sizes)
        assert planned.program is not None
        cost = sum((planned.program.symbolic_flops(step) for step in planned.program.steps), ZERO)
        found.setdefault(cost, (form, cost, tuple(map(str, planned.steps))))
    return list(found.values())


def _cost_at(found: list[_Found], sizes: Mapping[str, int]) -> Any:
    return lambda k: found[k][1].evaluate(sizes)


def _condition(k: int, costs: list[Poly]) -> str:
    """Where cost k is below all others (of equals, the first counts)."""
    parts = [_below(costs[k], other, "<" if k < j else "<=") for j, other in enumerate(costs) if j != k]
    return " and ".join(dict.fromkeys(p for p in parts if p))


def _below(a: Poly, b: Poly, sign: str) -> str:
    """`a < b` without what both sides have in common."""
    difference = a - b
    common = difference.content()
    left, right = ZERO, ZERO
    for monomial, coefficient in difference.terms:
        term = Poly({monomial: abs(coefficient)}) * common.inverse()
        left, right = (left + term, right) if coefficient > 0 else (left, right + term)
    if not left:
        return ""
    return f"{left} {sign} {right}"
