"""Is a rule well-formed, and is it true? Both sides equal, and defined on the same set, wherever its facts hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tensorgrad.errors import RuleError, TensorgradError
from tensorgrad.notation import parse_claim
from tensorgrad.numeric.evaluate import size_symbols
from tensorgrad.numeric.refute import Counterexample, Search, search, search_fact
from tensorgrad.numeric.sample import names_of
from tensorgrad.rule.model import Rule
from tensorgrad.tensor import Tensor, Variable

_ENOUGH = 2
"""Instances with both sides defined that a true rule must have had at least."""


@dataclass(frozen=True)
class CheckReport:
    """What a check found. `status` is "ok", "ill-formed", "refuted", or "unchecked" (nothing could be evaluated)."""

    rule: Rule
    status: Literal["ok", "ill-formed", "refuted", "unchecked"]
    reason: str = ""
    counterexample: Counterexample | None = None
    instances: int = 0

    @property
    def ok(self) -> bool:
        """Whether the rule may be used."""
        return self.status == "ok"

    def __str__(self) -> str:
        if self.ok:
            return f"{self.rule.name}: ok ({self.instances} instances)"
        line = f"  {self.rule.text}\n  at {self.rule.where}"
        if self.counterexample is None:
            return f"{self.rule.name}: {self.status}: {self.reason}\n{line}"
        return f"{self.rule.name}: {self.status}: {self.counterexample.why}\n{line}\n{self.counterexample.instance}"


def check(rule: Rule, *, seed: int = 0, effort: int = 2) -> CheckReport:
    """Whether a rule is well-formed, true on random instances, and defined on the same set on both sides.

    Sizes differ and include 1; entries are generic and special (zero, negative, equal, singular, ...); facts are
    honoured. What cannot be sampled or evaluated is reported as "unchecked", which counts as failing.

    >>> from tensorgrad.rule import RuleSet
    >>> rules = RuleSet.from_text("let A B : n n\\ndet-sum  det(A + B) = det(A) + det(B)")
    >>> print(check(rules["det-sum"]).status)
    refuted
    """
    problem = ill_formed(rule)
    if problem:
        return CheckReport(rule, "ill-formed", problem)
    try:
        found = _search(rule, seed, effort)
    except TensorgradError as error:
        return CheckReport(rule, "unchecked", str(error))
    instances = found.count("equal")
    if found.counterexample is not None:
        return CheckReport(rule, "refuted", found.counterexample.why, found.counterexample, instances)
    if instances < min(_ENOUGH, found.planned):
        seen = ", ".join(f"{count} {kind}" for kind, count in found.counts.items()) or found.unsampled or "none sampled"
        return CheckReport(
            rule, "unchecked", f"too few instances where both sides are defined ({seen})", None, instances
        )
    return CheckReport(rule, "ok", "", None, instances)


def _search(rule: Rule, seed: int, effort: int) -> Search:
    if rule.right is not None:
        return search(rule.left, rule.right, rule.conditions, seed=seed, effort=effort, domain=True)
    if rule.concludes is None or rule.concludes.fact is None:
        raise RuleError(f"{rule.name} has no right side and concludes no fact")
    return search_fact(rule.concludes.fact, rule.left, rule.conditions, seed=seed, effort=effort)


def ill_formed(rule: Rule) -> str:
    """What is wrong with a rule before any number is tried; empty if nothing."""
    if isinstance(rule.left, Variable) and rule.right is not None:
        return "the left side is a bare name, which matches every expression; write the rule the other way round"
    return (_sides(rule.left, rule.right) if rule.right is not None else "") or _unbound(rule)


def _sides(left: Tensor, right: Tensor) -> str:
    if set(left.edges) != set(right.edges):
        return f"the left side has edges {_listed(left.edges)}, the right side {_listed(right.edges)}"
    for edge, dim in left.sizes.items():
        if right.sizes[edge] is not dim:
            return f"the edge {edge} has size {dim} on the left side and {right.sizes[edge]} on the right side"
    return ""


def _unbound(rule: Rule) -> str:
    variables, functions = names_of([rule.left])
    bound = {v.name for v in variables} | {f.name for f, _ in functions}
    bound |= {v.name for c in rule.conditions if c.law is not None for v in c.tensor.variables}
    bound |= _solved(rule, bound)
    everything, all_functions = names_of(rule.tensors)
    for name in [*(v.name for v in everything), *(f.name for f, _ in all_functions)]:
        if name not in bound:
            return f"{name} does not occur on the left side, so nothing says what it is{_swap(rule, name)}"
    sizes = size_symbols(rule.left, *(c.tensor for c in rule.conditions if c.right is not None))
    for symbol in size_symbols(*rule.tensors):
        if symbol not in sizes:
            return f"the size {symbol} does not occur on the left side, so nothing says what it is"
    return ""


def _solved(rule: Rule, bound: set[str]) -> set[str]:
    """The names that conditions bind: an equation with one side that is known says what the names of the other are."""
    sides = [
        [{v.name for v in t.variables} for t in (c.tensor, c.right)] for c in rule.conditions if c.right is not None
    ]
    known, size = set(bound), -1
    while len(known) != size:
        size = len(known)
        for one, other in sides:
            known |= other if one <= known else one if other <= known else set()
    return known - bound


def _swap(rule: Rule, name: str) -> str:
    if rule.right is None:
        return ""
    left, _ = names_of([rule.left])
    right, _ = names_of([rule.right])
    names = {v.name for v in right}
    swappable = name in names and all(v.name in names for v in left)
    return "; write the rule the other way round" if swappable else ""


def _listed(edges: tuple[str, ...]) -> str:
    return ", ".join(edges) if edges else "none"


def rule(name: str, text: str, let: str = "", if_: str = "", source: str = "") -> Rule:
    """A rule from Python, checked when made: `tg.rule("det-product", "det(A @ B) = det(A) * det(B)", let="A B : n n")`.

    Raises NotationError for a text that is none, RuleError with the counterexample for a rule that is not true.

    >>> rule("det-product", "det(A @ B) = det(A) * det(B)", let="A B : n n")
    <Rule det-product  det(A @ B) = det(A) * det(B)>
    >>> rule("det-sum", "det(A + B) = det(A) + det(B)", let="A B : n n")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tensorgrad.errors.RuleError: det-sum: refuted: the sides differ
      ...
    """
    claim = replace(parse_claim(text, let, if_), name=name, source=source)
    made = Rule.from_claim(claim)
    report = check(made)
    if not report.ok:
        raise RuleError(str(report))
    return made
