"""Removing a rule makes a theorem fail: what `theorems/needs.json` says is so, and says it of every rule."""

from __future__ import annotations

import numpy as np
import pytest

from tensorgrad.calculus import expand
from tensorgrad.notation import parse
from tensorgrad.numeric import evaluate
from tensorgrad.rule import library
from tensorgrad.tensor import Expectation, walk
from tests.needs import goals, needs, stored

NEEDS = stored()
PAIRS = [(rule, kept[0]) for rule, kept in NEEDS.items() if kept]
EVERY = 12
WRITTEN = {
    "log-of-sigmoid-grad": ("grad(log(sigmoid(x)), x)", -1000.0),
    "square-of-sqrt-grad": ("grad(sqrt(x) ** 2, x)", 0.0),
}
"""Rules for gradients as they are written, and where these are numbers by the rule alone."""
TAKEN = ("mean-of-cos-cos", "mean-of-sin-sin", "mean-of-sin-cos")
"""Closed forms that follow from others, in a search; expectations as they are written are taken by them alone."""
COMMAND = "run `python -m tests.needs`"


@pytest.mark.slow
def test_every_rule_was_looked_at() -> None:
    assert set(library().names) == set(NEEDS), COMMAND


def test_every_rule_has_a_theorem_or_a_test_that_needs_it() -> None:
    without = [rule for rule in NEEDS if rule in library() and rule not in (*WRITTEN, *TAKEN) and not NEEDS[rule]]
    assert not without, f"{COMMAND}; without: {' '.join(without)}"


def test_the_theorems_are_there() -> None:
    assert {name for kept in NEEDS.values() for name in kept} <= set(goals()), COMMAND


@pytest.mark.parametrize(("rule", "theorem"), PAIRS[::EVERY])
def test_some_theorems_need_their_rule(rule: str, theorem: str) -> None:
    assert needs(goals()[theorem], rule)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "theorem"), PAIRS)
def test_theorems_need_their_rule(rule: str, theorem: str) -> None:
    assert needs(goals()[theorem], rule)


@pytest.mark.parametrize("rule", WRITTEN)
def test_gradients_as_they_are_written_need_their_rule(rule: str) -> None:
    text, point = WRITTEN[rule]
    gradient = parse(text, let="x : scalar")
    by_rule, without = (expand(gradient, rules) for rules in (library(), library().without(rule)))
    with np.errstate(all="ignore"):
        assert np.isfinite(evaluate(by_rule, {"x": np.float64(point)}))
        assert not np.isfinite(evaluate(without, {"x": np.float64(point)}))


@pytest.mark.parametrize("rule", TAKEN)
def test_expectations_as_they_are_written_need_their_rule(rule: str) -> None:
    left = library()[rule].left
    by_rule, without = (expand(left, rules) for rules in (library(), library().without(rule)))
    assert not any(isinstance(node, Expectation) for node in walk(by_rule))
    assert any(isinstance(node, Expectation) for node in walk(without))
