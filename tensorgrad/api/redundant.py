"""Does a rule follow from the others? Its own two sides proved with the rule taken out, within a budget."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from tensorgrad.calculus import expand
from tensorgrad.errors import UnsupportedError
from tensorgrad.notation import Condition
from tensorgrad.rule import Rule, RuleSet


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Whether a rule is "implied" by others (`by` names those of the proof), "independent" as far as the search goes,
    or "undecided": the budget ran out."""

    rule: Rule
    status: Literal["implied", "independent", "undecided"]
    by: tuple[str, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        by = f" by {', '.join(self.by) or 'the canonical form'}" if self.status == "implied" else ""
        return f"{self.rule.name}: {self.status}{by}"


def redundancy(rule: Rule, rules: RuleSet, *, seconds: float = 2.0, nodes: int = 5_000) -> Redundancy:
    """Whether a rule follows from the others of `rules`.

    As a rule claims that its sides are defined on the same set, nothing is taken to be defined in the proof.

    >>> from tensorgrad.rule import RuleSet
    >>> rules = RuleSet.from_text("let A B C : n n\\ntwo  det(A @ B) => det(A) * det(B)\\n"
    ...     "three  det(A @ B @ C) => det(A) * det(B) * det(C)")
    >>> print(redundancy(rules["three"], rules), "-", redundancy(rules["two"], rules).status)
    three: implied by two - independent
    """
    start = perf_counter()
    status, by = _decided(rule, rules.without(rule.name), seconds, nodes)
    return Redundancy(rule, status, by, perf_counter() - start)


def _decided(
    rule: Rule, others: RuleSet, seconds: float, nodes: int
) -> tuple[Literal["implied", "independent", "undecided"], tuple[str, ...]]:
    from tensorgrad.egraph import search

    given = _given(rule)
    if rule.right is None:
        assert rule.concludes is not None and rule.concludes.fact is not None
        fact = rule.concludes.fact
        found = search.conclude(
            rule.left, fact, conditions=given, rules=others, seconds=seconds, nodes=nodes, assume=False
        ).proved
        return ("implied" if found else "independent"), ()
    used: dict[str, None] = {}
    try:
        left, right = (expand(t, others, given, used) for t in (rule.left, rule.right))
    except UnsupportedError:
        return "independent", ()
    outcome = search.prove(
        left,
        right,
        conditions=given,
        rules=others,
        seconds=seconds,
        nodes=nodes,
        explain=False,
        assume=False,
    )
    if outcome.proved:
        return "implied", tuple(dict.fromkeys((*used, *outcome.rules)))
    return ("independent" if outcome.stopped == "saturated" else "undecided"), ()


def _given(rule: Rule) -> tuple[Condition, ...]:
    """The rule's conditions, and the declared facts of its variables as conditions."""
    declared = [Condition("fact", t, fact, None, None, rule.place) for fact, t in rule.facts if not fact.axes]
    return (*(c for c in rule.conditions if c.kind != "fact"), *declared)
