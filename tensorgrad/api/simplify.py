"""Simplifying: read, differentiate, search, verify."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from time import perf_counter
from typing import Any, Literal

from tensorgrad.api.inputs import Conditions, check_arguments, read_dims, read_expression
from tensorgrad.api.planning import flat_form
from tensorgrad.api.results import Result
from tensorgrad.api.verify import Verdict
from tensorgrad.api.verify import verify as compare
from tensorgrad.calculus import expand
from tensorgrad.derivation import Derivation
from tensorgrad.errors import UnsupportedError
from tensorgrad.numeric import size_symbols
from tensorgrad.rule import RuleSet, library
from tensorgrad.tensor import Tensor

Objective = Literal["flops", "time"]


def simplify(
    expression: Tensor | str,
    *,
    let: str = "",
    if_: Conditions = "",
    dims: Mapping[Any, int] | None = None,
    rules: RuleSet | None = None,
    seconds: float = 5.0,
    nodes: int = 20_000,
    verify: bool = False,
    objective: Objective = "flops",
) -> Result:
    """The simplest tensor found that equals `expression`; with `dims`, a size for each symbol, the cheapest.

    Args: a tensor, or a text with declarations `let`; facts `if_`; rules, by default the library; budgets, which end
    the search with the best form so far (`stopped` says so); `verify`, to compare with the input on random values.
    Raises NotationError, SizeError, FactError for bad input, UnsupportedError for what cannot be computed yet, and
    UnsoundError when a rule or fact is wrong.

    >>> print(repr(simplify("grad(tr(A @ X), X)", let="A : n m ; X : m n").tensor))
    A.T
    """
    start = perf_counter()
    check_arguments(let, if_, rules, seconds, nodes)
    if objective != "flops":
        raise UnsupportedError(f"objective={objective!r}: the search minimises operations, objective='flops'")
    t, conditions = read_expression(expression, let, if_)
    leaves: dict[str, None] = {}
    expanded = expand(t, conditions=conditions, used=leaves)
    sizes = read_dims(dims, size_symbols(t))
    from tensorgrad.egraph import search

    found = search.simplify(
        expanded,
        conditions=conditions,
        dims=sizes or None,
        rules=rules if rules is not None else library(),
        seconds=seconds,
        nodes=nodes,
    )
    elapsed = perf_counter() - start
    derivation = found.derivation.framed(t, expanded, found.tensor, found.tensor, (leaves, ()))
    verdict = Verdict(None, "not asked for")
    if verify:
        verdict = compare(t, expanded, found.tensor, conditions)
    return Result(
        input=t,
        expanded=expanded,
        tensor=_remembering(found.tensor, derivation),
        dims=sizes,
        seconds=elapsed,
        stopped=found.stopped,
        assumed=found.assumed,
        verified=verdict.verified,
        verified_reason=verdict.reason,
        derivation=derivation,
        rounds=found.rounds,
        classes=found.classes,
        nodes=found.nodes,
        dropped=found.dropped,
        egraph=found.graph,
    )


def _remembering(t: Tensor, derivation: Derivation) -> Tensor:
    """A copy of the tensor that answers `explain` with the derivation; the node itself may stand in other tensors."""
    own = copy.copy(t)
    own.__dict__["_derivation"] = derivation
    return own


def explain(t: Tensor) -> Derivation:
    """How a tensor that `simplify` returned was derived; no steps for any other tensor."""
    return t.__dict__.get("_derivation", Derivation())


def full_simplify(t: Tensor, expand: bool = True) -> Tensor:
    """The expanded polynomial normal form, or with `expand=False` the simplest form found."""
    if not expand:
        return simplify(t).tensor
    from tensorgrad.calculus import expand as differentiated

    return flat_form(differentiated(t))
