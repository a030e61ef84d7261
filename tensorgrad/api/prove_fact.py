"""Goals that are facts: `symmetric(inv(S))` is proved by what it follows from, or refuted by a counterexample."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from tensorgrad import numeric
from tensorgrad.api.results import Proof
from tensorgrad.calculus import expand, lines_of
from tensorgrad.errors import UnsupportedError
from tensorgrad.notation import Claim
from tensorgrad.rule import RuleSet
from tensorgrad.tensor import Fact, Tensor

if TYPE_CHECKING:
    from tensorgrad.egraph.search import Concluded

FIRST_SECONDS = 1.0
"""The first search; only a goal without a counterexample gets all the seconds it may have."""


def prove_fact(claim: Claim, rules: RuleSet, seconds: float, nodes: int, verify: bool) -> Proof:
    """Prove a claim that concludes a fact, or find a counterexample; `not FACT(expr)` is only ever refuted.

    >>> from tensorgrad.notation import parse_claim
    >>> from tensorgrad.rule import library
    >>> claim = parse_claim("symmetric(S @ R)", "S R : n n symmetric")
    >>> prove_fact(claim, library(), 5.0, 20_000, verify=False).status
    'refuted'
    """
    start = perf_counter()
    assert claim.concludes is not None and claim.concludes.fact is not None
    fact = claim.concludes.fact
    if fact.axes:
        raise UnsupportedError(
            f"a proof of {claim.text}: a fact with axes as a goal; state it as an equation of T and "
            'einsum("ijk->jik", T)'
        )
    leaves: dict[str, None] = {}
    try:
        t = expand(claim.left, lines_of(rules), claim.conditions, leaves)
    except UnsupportedError as missing:
        # The numbers need no symbolic derivative: they may still refute the goal.
        seen = _counterexample(claim, fact)
        if seen is None:
            raise
        return Proof("refuted", perf_counter() - start, counterexample=seen, reason=str(missing))
    from tensorgrad.egraph.search import conclude

    def searched(budget: float) -> Concluded:
        return conclude(t, fact, conditions=claim.conditions, rules=rules, seconds=budget, nodes=nodes)

    first = min(seconds, FIRST_SECONDS)
    found = searched(first)
    negated = claim.relation == "not"
    seen = _counterexample(claim, fact) if not found.proved or negated or verify else None
    if seen is None and not found.proved and found.stopped == "seconds" and first < seconds:
        found = searched(seconds)
    return _answer(found, seen, claim, t, tuple(leaves), perf_counter() - start)


def _answer(
    found: Concluded,
    seen: numeric.Counterexample | None,
    claim: Claim,
    t: Tensor,
    leaves: tuple[str, ...],
    took: float,
) -> Proof:
    negated = claim.relation == "not"
    nothing = Proof("open", took, found.rounds, found.graph.statistics()[0], tallies=found.graph.profile.tallies)
    if found.proved and (negated or seen is not None):
        reason = (
            "unsound: the fact was derived and a counterexample found; a rule or a fact is wrong"
            if seen is not None
            else "the fact was derived although the goal says that it does not hold: the goal is wrong, or a rule is unsound"
        )
        return replace(nothing, status="error", counterexample=seen, reason=reason)
    if seen is not None:
        return replace(nothing, status="refuted", counterexample=seen)
    if not found.proved:
        return replace(nothing, reason=open_reason(found.stopped))
    ground = found.ground
    if ground is None:
        return replace(nothing, reason="the fact was derived, but what it follows from was not found")
    if claim.left is not t:
        ground = replace(ground, tensor=claim.left, form=ground.form or t)
    return replace(nothing, status="proved", rules=tuple(dict.fromkeys((*leaves, *ground.rules))), ground=ground)


def open_reason(stopped: str) -> str:
    """What is said of a goal that is neither proved nor refuted.

    >>> open_reason("seconds")
    'the budget of seconds ran out, and no counterexample was found'
    """
    if stopped == "saturated":
        return "saturated: the rules do not decide it, and no counterexample was found"
    return f"the budget of {stopped} ran out, and no counterexample was found"


def _counterexample(claim: Claim, fact: Fact) -> numeric.Counterexample | None:
    return numeric.search_fact(fact, claim.left, claim.conditions).counterexample
