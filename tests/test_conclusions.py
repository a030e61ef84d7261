"""Goals that are facts: proved with a ground whose every line is true of numbers, or refuted by numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tensorgrad as tg
from tensorgrad.derivation import Ground
from tensorgrad.errors import NotationError, RuleError, UnsupportedError
from tensorgrad.notation import Claim, parse_claim, parse_file
from tensorgrad.numeric import refute, search_fact
from tensorgrad.rule import Rule
from tensorgrad.tensor import Fact

LINES = parse_file(Path(__file__).parent / "theorems" / "conclusions.theorems")
GOALS = [pytest.param(line, id=line.name) for line in LINES if isinstance(line, Claim)]


def inside(ground: Ground) -> Iterator[Ground]:
    """A ground and all that it rests on."""
    yield ground
    for part in ground.parts:
        yield from inside(part)


def test_every_line_is_read() -> None:
    assert len(GOALS) == len(LINES)


@pytest.mark.parametrize("goal", GOALS)
def test_goals_come_out_as_claimed(goal: Claim) -> None:
    found = tg.prove(goal)
    if goal.relation == "not":
        assert found.status == "refuted" and found.counterexample is not None
        return
    assert found.status == "proved" and found.ground is not None
    for line in inside(found.ground):
        if line.why.startswith("needed"):
            continue  # where the goal has a value, and there alone
        if line.form is not None:
            assert refute(line.tensor, line.form, goal.conditions, effort=1) is None, str(line)
        if line.right is not None:
            assert refute(line.tensor, line.right, goal.conditions, effort=1) is None, str(line)
        else:
            seen = search_fact(Fact(line.fact), line.tensor, goal.conditions, effort=1)
            assert seen.counterexample is None and seen.count("equal"), str(line)


@pytest.mark.parametrize("goal", GOALS)
def test_numbers_agree_with_the_claim(goal: Claim) -> None:
    assert goal.concludes is not None and goal.concludes.fact is not None
    seen = search_fact(goal.concludes.fact, goal.left, goal.conditions, seed=1)
    assert (seen.counterexample is not None) == (goal.relation == "not")


@pytest.mark.parametrize("goal", GOALS[::4])
def test_without_rules_only_what_a_diagram_shows(goal: Claim) -> None:
    found = tg.prove(goal, rules=tg.RuleSet(), seconds=1.0)
    assert found.status in ("proved", "open", "refuted")
    assert found.ground is None or not found.ground.rules


def test_a_ground_rests_on_what_is_stated() -> None:
    found = tg.prove("pd(kron(A, B))", let="A : n n pd ; B : m m pd")
    assert found.ground is not None
    leaves = [line for line in inside(found.ground) if not line.parts]
    assert {(line.fact, str(line.tensor), line.why) for line in leaves} == {
        ("pd", "A", "stated"),
        ("pd", "B", "stated"),
    }
    assert str(found.ground) in str(found)


def test_facts_of_what_makes_the_goal_defined_are_taken_for_granted() -> None:
    found = tg.prove("invertible(inv(A))", let="A : n n")
    assert found.ground is not None and "needed for the expression to have a value" in str(found.ground)


def test_a_negation_of_what_is_derived_is_an_error() -> None:
    found = tg.prove("not symmetric(S + S)", let="S : n n symmetric")
    assert found.status == "error" and "unsound" in found.reason


def test_conditions_are_used() -> None:
    assert tg.prove("symmetric(A @ B)", let="A B : n n symmetric").status == "refuted"
    assert tg.prove("pd(A + B)", let="A B : n n", if_="pd(A), psd(B)").status == "proved"


def test_facts_with_axes_are_stated_as_equations() -> None:
    with pytest.raises(UnsupportedError, match="state it as an equation"):
        tg.prove("symmetric(0,1)(T)", let="T : n n n symmetric(0,1)")


def test_a_negation_is_no_rule_and_needs_a_fact() -> None:
    with pytest.raises(RuleError, match="not is for goals"):
        Rule.from_claim(parse_claim("not symmetric(A)", "A : n n"))
    with pytest.raises(NotationError, match="or is a fact"):
        parse_claim("not A", "A : n n")
