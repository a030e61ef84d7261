"""Simplifying: read, differentiate, search, verify."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, get_args

from tensorgrad.api.front import least_memory
from tensorgrad.api.inputs import Conditions, check_arguments, read_dims, read_expression, symbols_of
from tensorgrad.api.planning import flat_form, operations_together
from tensorgrad.api.results import Result
from tensorgrad.api.verify import Verdict
from tensorgrad.api.verify import verify as compare
from tensorgrad.calculus import expand, lines_of
from tensorgrad.cost import Rates
from tensorgrad.derivation import Derivation
from tensorgrad.diagram import check_variables
from tensorgrad.errors import InputError, SizeError
from tensorgrad.rule import RuleSet, library
from tensorgrad.tensor import Tensor

if TYPE_CHECKING:
    from tensorgrad.egraph.exploration import Exploration, Form
    from tensorgrad.egraph.pricing import Objective

Goal = Literal["flops", "memory", "time"]
"""What is minimised where sizes are known."""


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
    objective: Goal = "flops",
    rates: Rates | None = None,
    follow: bool = False,
) -> Result:
    """The simplest tensor found that equals `expression`; with `dims`, a size for each symbol, the cheapest.

    Args: a tensor, or a text with declarations `let`; facts `if_`; rules, by default the library; budgets, which end
    the search with the best form so far (`stopped` says so); `verify`, to compare with the input on random values;
    `objective`, what is cheap: operations, the most entries alive at one time, or time at the `rates` of a device;
    `follow`, to note the cost of the best form after every round, for `report` (which takes time of the search).
    Raises NotationError, SizeError, FactError for bad input, UnsupportedError for what cannot be computed yet, and
    UnsoundError when a rule or fact is wrong.

    >>> print(repr(simplify("grad(tr(A @ X), X)", let="A : n m ; X : m n").tensor))
    A.T
    """
    return simplify_all(
        [expression],
        let=let,
        if_=if_,
        dims=dims,
        rules=rules,
        seconds=seconds,
        nodes=nodes,
        verify=verify,
        objective=objective,
        rates=rates,
        follow=follow,
    )[0]


def simplify_all(
    expressions: Sequence[Tensor | str],
    *,
    let: str = "",
    if_: Conditions = "",
    dims: Mapping[Any, int] | None = None,
    rules: RuleSet | None = None,
    seconds: float = 5.0,
    nodes: int = 20_000,
    verify: bool = False,
    objective: Goal = "flops",
    rates: Rates | None = None,
    follow: bool = False,
) -> list[Result]:
    """The cheapest forms of several tensors together: in one e-graph, parts that they share paid once.

    A loss, its gradient and a Hessian-vector product cost less together than apart. Arguments as for `simplify`.

    >>> found = simplify_all(["A @ B @ x", "A @ B @ C"], let="A B C : n n ; x : n", dims={"n": 100})
    >>> [str(result.tensor) for result in found]
    ['A @ B @ x', 'A @ B @ C']
    """
    start = perf_counter()
    check_arguments(let, if_, rules, seconds, nodes)
    if objective not in get_args(Goal):
        raise InputError(f"objective={objective!r}: expected one of {', '.join(map(repr, get_args(Goal)))}")
    if isinstance(expressions, Tensor | str):
        raise InputError("simplify_all takes a list of expressions; for one there is simplify")
    read = [read_expression(e, let, if_) for e in expressions]
    if not read:
        return []
    check_variables(t for t, _ in read)
    conditions = tuple({str(c): c for _, own in read for c in own}.values())
    leaves: list[dict[str, None]] = [{} for _ in read]
    expanded = [expand(t, lines_of(rules), conditions, used=own) for (t, _), own in zip(read, leaves, strict=True)]
    symbols = symbols_of([t for t, _ in read], conditions)
    sizes = read_dims(dims, symbols)
    _require_sizes(objective, symbols, sizes)
    from tensorgrad.egraph import search

    explored = search.explore(
        expanded,
        conditions=conditions,
        dims=[sizes] if sizes or objective != "flops" else (),
        rules=rules if rules is not None else library(),
        seconds=seconds,
        nodes=nodes,
        follow=follow,
    )
    forms = explored.forms(
        sizes if sizes or objective != "flops" else None,
        _measure(explored, sizes, objective, rates),
        (lambda tensors: operations_together(tensors, sizes)) if sizes and objective == "flops" else None,
    )
    elapsed = perf_counter() - start
    found: list[Result] = []
    for (t, _), plain, form, own in zip(read, expanded, forms, leaves, strict=True):
        derivation = form.derivation.framed(t, plain, form.tensor, form.tensor, (own, ()))
        verdict = compare(t, plain, form.tensor, conditions) if verify else Verdict(None, "not asked for")
        found.append(_result(t, plain, form, derivation, sizes, elapsed, verdict, explored))
    return found


def _result(
    t: Tensor,
    plain: Tensor,
    form: Form,
    derivation: Derivation,
    sizes: Mapping[str, int],
    elapsed: float,
    verdict: Verdict,
    explored: Exploration,
) -> Result:
    return Result(
        input=t,
        expanded=plain,
        tensor=_remembering(form.tensor, derivation),
        dims=sizes,
        seconds=elapsed,
        stopped=explored.stopped,
        assumed=explored.assumed,
        verified=verdict.verified,
        verified_reason=verdict.reason,
        derivation=derivation,
        rounds=explored.rounds,
        classes=explored.classes,
        nodes=explored.nodes,
        dropped=explored.dropped,
        egraph=form.egraph,
    )


def _require_sizes(objective: Goal, symbols: Sequence[str], sizes: Mapping[str, int]) -> None:
    """SizeError where what is minimised is a number, and a symbol has no size."""
    if objective != "flops" and symbols and not sizes:
        example = ", ".join(f"{s!r}: 1000" for s in symbols)
        raise SizeError(f"objective={objective!r} needs a size for each symbol; give dims, for example {{{example}}}")


def _measure(explored: Exploration, sizes: Mapping[str, int], goal: Goal, rates: Rates | None) -> Objective:
    """How members are priced for a goal."""
    from tensorgrad.egraph.pricing import Objective

    match goal:
        case "flops":
            return Objective()
        case "time":
            return Objective(rates=rates or Rates())
        case "memory":
            return least_memory(explored, sizes)


def _remembering(t: Tensor, derivation: Derivation) -> Tensor:
    """A copy of the tensor that answers `explain` with the derivation; the node itself may stand in other tensors."""
    own = copy.copy(t)
    own.__dict__["_derivation"] = derivation
    return own


def explain(t: Tensor) -> Derivation:
    """How a tensor that `simplify` returned was derived; no steps for any other tensor.

    >>> t = simplify("tr(inv(A) @ B @ A)", let="A B : n n").tensor
    >>> print(explain(t))
      tr(inv(A) @ B @ A)
    = tr(B)                inv-cancels  [tc:intro]
    """
    return t.__dict__.get("_derivation", Derivation())


def full_simplify(t: Tensor, expand: bool = True) -> Tensor:
    """The expanded polynomial normal form, or with `expand=False` the simplest form found.

    >>> from tensorgrad import Variable
    >>> x, y = Variable("x", i="n"), Variable("y", i="n")
    >>> print(full_simplify((x + y) @ (x - y)))
    x @ x - y @ y
    """
    if not expand:
        return simplify(t).tensor
    from tensorgrad.calculus import expand as differentiated

    return flat_form(differentiated(t))
