"""Proving goals: search for a proof, else for a counterexample."""

from __future__ import annotations

from time import perf_counter

from tensorgrad import numeric
from tensorgrad.api.inputs import check_arguments
from tensorgrad.api.prove_fact import open_reason, prove_fact
from tensorgrad.api.results import Proof, Status
from tensorgrad.api.verify import DIFFERENCES, INSTANCES, outcomes
from tensorgrad.calculus import expand, lines_of
from tensorgrad.errors import InputError, UnsupportedError
from tensorgrad.notation import Claim, parse_claim
from tensorgrad.rule import RuleSet, library
from tensorgrad.tensor import Tensor

FIRST_SECONDS = 1.0
"""The first search for a proof; only a goal without a counterexample gets all the seconds it may have."""

DIFFERING_SECONDS = 0.3
"""The same where the goal says that the sides differ: a search that finds a proof there shows that rules are unsound."""


def prove(
    goal: Claim | str,
    *,
    let: str = "",
    if_: str = "",
    rules: RuleSet | None = None,
    seconds: float = 5.0,
    nodes: int = 20_000,
    verify: bool = False,
    follow: bool = False,
) -> Proof:
    """Prove `lhs = rhs if facts` or `FACT(expr) if facts`, or find a counterexample.

    Args: the goal, as text with declarations `let` and more facts `if_`; rules, by default the library; budgets;
    `verify`, to compare the sides of a proved goal on random values too; `follow`, to note the size of the simplest forms
    of both sides after every round, for `report` (which takes time of the search).
    Returns a Proof that is true when the goal is proved. `lhs != rhs` is never proved: it is refuted by a
    counterexample to equality, or open; when both sides merge all the same, the rules are unsound: an error. So is
    `not FACT(expr)`. What a proved fact follows from is `proof.ground`.

    >>> print(prove("orthogonal(Q @ R)", let="Q R : n n orthogonal").ground)
    orthogonal(Q @ R)   orthogonal-product  [hj13:2.1]
      orthogonal(Q)     stated
      orthogonal(R)     stated
    >>> print(prove("(A @ B).T = B.T @ A.T", let="A : n m ; B : m k").status)
    proved
    """
    start = perf_counter()
    check_arguments(let, if_, rules, seconds, nodes)
    if not isinstance(goal, Claim | str):  # type: ignore[reportUnnecessaryIsInstance]
        raise InputError("a goal is a text 'lhs = rhs' with let='A : n m', or a Claim; tensors are compared with ==")
    claim = parse_claim(goal, let, if_) if isinstance(goal, str) else goal
    if claim.right is None:
        return prove_fact(claim, rules if rules is not None else library(), seconds, nodes, verify)
    leaves: tuple[dict[str, None], dict[str, None]] = ({}, {})
    try:
        sides = zip((claim.left, claim.right), leaves, strict=True)
        left, right = (expand(t, lines_of(rules), claim.conditions, used) for t, used in sides)
    except UnsupportedError as missing:
        # The numbers need no symbolic derivative: they may still refute the goal.
        seen = _counterexample(claim.left, claim.right, claim)
        if seen is None:
            raise
        return Proof(status="refuted", seconds=perf_counter() - start, counterexample=seen, reason=str(missing))
    from tensorgrad.egraph import search

    loaded = rules if rules is not None else library()
    differs = claim.relation == "!="
    first = min(seconds, DIFFERING_SECONDS if differs else FIRST_SECONDS)

    def searched(budget: float) -> search.Outcome:
        return search.prove(
            left, right, conditions=claim.conditions, rules=loaded, seconds=budget, nodes=nodes, follow=follow
        )

    found = searched(first)
    seen = None
    if not found.proved or differs or (verify and _disagree(claim, claim.right, left, right)):
        seen = _counterexample(claim.left, claim.right, claim)
    if seen is None and not found.proved and found.stopped == "seconds" and first < seconds:
        found = searched(seconds)
    status, reason = _status(found.proved, seen is not None, differs)
    return Proof(
        status=status,
        seconds=perf_counter() - start,
        iterations=found.rounds,
        classes=found.classes,
        rules=tuple(dict.fromkeys((*leaves[0], *leaves[1], *found.rules))) if found.proved else (),
        derivation=found.derivation.framed(claim.left, left, right, claim.right, leaves) if found.proved else None,
        counterexample=seen,
        reached=None if found.proved else (found.left, found.right),
        tallies=found.graph.profile.tallies,
        searched=found.searched,
        reason=reason or ("" if status != "open" else open_reason(found.stopped)),
    )


def _status(proved: bool, refuted: bool, differs: bool) -> tuple[Status, str]:
    if proved and (differs or refuted):
        what = "and a counterexample found" if refuted else "although the goal says that they differ"
        return "error", f"unsound: both sides were proved equal {what}; a rule or a fact is wrong"
    if refuted:
        return "refuted", ""
    return ("proved", "") if proved else ("open", "")


def _disagree(claim: Claim, goal: Tensor, left: Tensor, right: Tensor) -> bool:
    """Whether the sides of a proved goal differ on a few instances: then a rule or a fact is unsound."""
    if outcomes(left, right, claim.conditions, INSTANCES)["different"]:
        return True
    derivatives = left is not claim.left or right is not goal
    return derivatives and bool(outcomes(claim.left, goal, claim.conditions, DIFFERENCES)["different"])


def _counterexample(left: Tensor, right: Tensor, claim: Claim) -> numeric.Counterexample | None:
    return numeric.refute(left, right, claim.conditions)
