"""Plans: an expression as written, flattened, and in the cheapest form found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from tensorgrad.api.flatten import flatten
from tensorgrad.api.inputs import Conditions, check_arguments, read_dims, read_expression, symbols_of
from tensorgrad.api.plans import Plans, Priced
from tensorgrad.api.results import Cost
from tensorgrad.api.written import Written
from tensorgrad.calculus import expand, lines_of
from tensorgrad.cost import default_dims
from tensorgrad.diagram import Store, expression, insert
from tensorgrad.errors import SizeError, UnsupportedError
from tensorgrad.numeric import size_symbols
from tensorgrad.rule import RuleSet, library
from tensorgrad.runtime import plan as plan_of
from tensorgrad.sizes import ZERO
from tensorgrad.tensor import Tensor


def price(t: Tensor, dims: Mapping[str, int]) -> Cost:
    """The cost of a tensor without derivatives, equal parts computed once; polynomials when there are no `dims`."""
    plan = plan_of(t, dims)
    if dims or not size_symbols(t) or plan.program is None:
        return Cost(plan.flops, plan.peak)
    total = ZERO
    for step in plan.program.steps:
        total = total + plan.program.symbolic_flops(step)
    return Cost(total, plan.program.symbolic_peak(plan.dims))


def operations(t: Tensor, dims: Mapping[str, int]) -> int | None:
    """The operations of `price` as a number, at large sizes where none are given; None for what has no plan."""
    try:
        found = price(t, {**default_dims(size_symbols(t)), **dims}).flops
    except UnsupportedError:
        return None
    return found if isinstance(found, int) else None


def operations_together(tensors: Sequence[Tensor], dims: Mapping[str, int]) -> int | None:
    """The operations of computing tensors without derivatives in one program; None for what has no plan."""
    try:
        return plan_of({f"y{k}": t for k, t in enumerate(tensors)}, dims).flops
    except UnsupportedError:
        return None


def written_price(t: Tensor, dims: Mapping[str, int]) -> Cost:
    """The cost of a tensor without derivatives as written: nothing is shared."""
    return Written(t, dims).cost


def cost(t: Tensor, dims: Mapping[Any, int] | None = None) -> Cost:
    """The cost of computing a tensor as it stands, by its best path, equal parts once."""
    expanded = expand(t)
    return price(expanded, read_dims(dims, size_symbols(t)))


def plan(
    expression_: Tensor | str,
    dims: Mapping[Any, int] | None = None,
    *,
    let: str = "",
    if_: Conditions = "",
    rules: RuleSet | None = None,
    seconds: float = 5.0,
    nodes: int = 20_000,
) -> Plans:
    """Price an expression three ways at the sizes `dims`: as written, flattened, and in the cheapest form found.

    Raises SizeError when a symbol has no size.

    >>> found = plan("tr(A @ (outer(x, y) + B))", {"n": 100}, let="A B : n n ; x y : n")
    >>> found.written.flops, found.ours.flops
    (2020100, 40000)
    """
    start = perf_counter()
    check_arguments(let, if_, rules, seconds, nodes)
    t, conditions = read_expression(expression_, let, if_)
    symbols = symbols_of([t], conditions)
    sizes = read_dims(dims, symbols)
    if symbols and not sizes:
        example = ",".join(f"{s}=1000" for s in symbols)
        raise SizeError(f"a plan needs a size for each of {', '.join(symbols)}; give dims, for example {example}")
    from tensorgrad.egraph import search

    expanded = expand(t, lines_of(rules), conditions)
    loaded = rules if rules is not None else library()
    explored = search.simplify(expanded, conditions=conditions, dims=sizes, rules=loaded, seconds=seconds, nodes=nodes)
    (found,) = explored.forms(sizes, price=lambda tensors: operations_together(tensors, sizes))
    ours = plan_of(found.tensor, sizes)
    return Plans(
        written=_priced("written", Written(expanded, sizes)),
        flattened=_priced("flattened", Written(flat_form(expanded), sizes, merge_all=True)),
        ours=Priced("ours", found.tensor, ours.flops, ours.peak, ours.steps),
        dims=sizes,
        seconds=perf_counter() - start,
        rules=found.rules,
    )


def _priced(name: str, written: Written) -> Priced:
    found = written.cost
    assert isinstance(found.flops, int) and isinstance(found.peak, int)
    return Priced(name, written.tensor, found.flops, found.peak, written.steps())


def flat_form(t: Tensor) -> Tensor:
    """The expanded polynomial normal form of a tensor without derivatives, like terms merged."""
    store = Store()
    return expression(store, insert(store, flatten(t)), t.edges)
