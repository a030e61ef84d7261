"""Derivations of proofs and simplifications: no gap between the steps, each of them true, few left unwritten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

import pytest

import tensorgrad as tg
from tensorgrad.derivation import Derivation, Step
from tensorgrad.egraph import search
from tensorgrad.errors import TensorgradError
from tensorgrad.notation import Claim, Condition
from tensorgrad.notation.claims import parse_file
from tensorgrad.numeric import size_symbols
from tensorgrad.numeric.hunt import Hunt
from tensorgrad.rule import RuleSet, library
from tensorgrad.tensor import Tensor
from tests.expressions import LET, expression
from tests.test_invariance import GOALS as EQUATIONS

THEOREMS = Path(__file__).parent / "theorems"
GOALS = [
    (name, claim)
    for name in ("intro", "simple_derivatives", "determinant")
    for claim in parse_file(THEOREMS / f"{name}.theorems")
    if isinstance(claim, Claim) and claim.right is not None and claim.relation == "="
]
EVERY = 12
SEEDS = 300


def check_derivation(
    derivation: Derivation, start: Tensor, end: Tensor, conditions: Sequence[Condition]
) -> Counter[str]:
    """Asserts that the steps lead without gaps from start to end, that each changes something and is true."""
    steps = derivation.steps
    if not steps:
        assert start == end
        return Counter()
    assert (steps[0].before, steps[-1].after) == (start, end)
    for one, other in pairwise(steps):
        assert one.after == other.before, f"{one.after!r}  then  {other.before!r}"
    for step in steps:
        assert step.rule == "differentiate" or step.before != step.after, step.rule
        assert not differ(step.before, step.after, conditions), f"{step.before}  =  {step.after}   by {step.rule}"
    return Counter(kind(step.source) for step in steps)


def kind(source: str) -> str:
    return source if source in ("several steps", "too long to write out") else "step"


def differ(a: Tensor, b: Tensor, conditions: Sequence[Condition]) -> bool:
    """Whether an instance tells two tensors apart; derivatives by differences, expectations not at all."""
    hunt = Hunt(a, b, tuple(conditions), {}, seed=1)
    return any(hunt.attempt(dims, style)[1] == "different" for dims, style in islice(hunt.plan(1), 3))


def proved(claim: Claim) -> Counter[str]:
    assert claim.right is not None
    try:
        proof = tg.prove(claim)
    except TensorgradError:
        return Counter()
    if proof.status != "proved":
        return Counter()
    assert proof.derivation is not None
    if any(step.rule == "differentiate" for step in proof.derivation) and "E[" in claim.text:
        return Counter()
    return check_derivation(proof.derivation, claim.left, claim.right, claim.conditions)


def simplified(seed: int, dims: bool) -> Counter[str]:
    try:
        t = tg.parse(expression(seed), let=LET)
        sizes = {s: 5 + k for k, s in enumerate(size_symbols(t))} if dims else None
        result = tg.simplify(t, dims=sizes, seconds=2.0, nodes=1000)
    except (TensorgradError, ZeroDivisionError):
        return Counter()
    return check_derivation(result.derivation, result.input, result.tensor, ()) + Counter(["result"])


def assert_written_out(counts: Counter[str]) -> None:
    print(dict(counts))
    assert counts["step"] > 0
    assert counts["several steps"] <= 1 + 0.03 * counts["step"]
    assert counts["too long to write out"] <= 1 + 0.03 * counts["step"]


def test_proofs() -> None:
    assert_written_out(sum((proved(claim) for _, claim in GOALS[::EVERY]), Counter()))


def test_simplifications() -> None:
    assert_written_out(sum((simplified(seed, seed % 3 == 0) for seed in range(30)), Counter()))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_all_proofs(part: int) -> None:
    assert_written_out(sum((proved(claim) for _, claim in GOALS[part::4]), Counter()))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_many_simplifications(part: int) -> None:
    seeds = range(1000 + part * SEEDS // 6, 1000 + (part + 1) * SEEDS // 6)
    counts = sum((simplified(seed, seed % 3 == 0) for seed in seeds), Counter())
    assert counts["result"] > 0.8 * len(seeds)
    assert_written_out(counts)


LONG = [
    ("log(exp(x) * exp(y)) + inv(A @ B) @ A @ B @ x", "A B : n n invertible ; x y : n"),
    ("log(softmax(x)) + logsumexp(x) * ones[n] + sin(x) ** 2 + cos(x) ** 2", "x : n"),
]


@pytest.mark.parametrize(("text", "let"), LONG)
def test_what_is_too_long_is_named(text: str, let: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step from the input to the result, with the names of all the rules, and marked as such."""
    full = tg.simplify(text, let=let)
    monkeypatch.setattr("tensorgrad.egraph.explain.LONGEST", 1)
    result = tg.simplify(text, let=let)
    assert check_derivation(full.derivation, full.input, full.tensor, ())["step"] > 1
    assert check_derivation(result.derivation, result.input, result.tensor, ()) == {"too long to write out": 1}
    (step,) = result.derivation.steps
    assert set(full.derivation.rules) <= set(step.rule.split(", "))
    assert "too long to write out" in str(result.derivation)


def alone(step: Step) -> RuleSet:
    """The rule of a step, if it is one of the library, and what derives facts; inverses, for factors that cancel."""
    found = library().by_file("facts")
    cancelling = ("inv-cancels",) if "factor-cancels" in step.rules else ()
    for rule in (*step.rules, *cancelling):
        if rule in library() and rule not in found:
            found = found + library()[rule]
    return found


def reproduced(claim: Claim) -> Counter[bool]:
    """How many steps of a proof its one rule brings about, and how many not; differentiation apart."""
    counts: Counter[bool] = Counter()
    try:
        derivation = tg.prove(claim).derivation
    except TensorgradError:
        derivation = None
    for step in derivation or ():
        if step.rule != "differentiate":
            rules, conditions = alone(step), claim.conditions
            sides = (step.before, step.after)
            found = search.prove(*sides, conditions=conditions, rules=rules, seconds=2.0, nodes=1500, explain=False)
            counts[found.proved] += 1
    return counts


def test_a_step_is_the_work_of_one_rule() -> None:
    counts = sum((reproduced(claim) for claim in EQUATIONS[::25]), Counter())
    print(dict(counts))
    assert counts[True] > 10
    assert counts[False] <= 0.1 * counts[True]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_all_steps_are_the_work_of_one_rule(part: int) -> None:
    counts = sum((reproduced(claim) for claim in EQUATIONS[part::4]), Counter())
    print(dict(counts))
    assert counts[False] <= 0.1 * counts[True]
