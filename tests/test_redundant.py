"""Which rules follow from others: the report on the library decides every rule, within its budget."""

from __future__ import annotations

import pytest

from tensorgrad.api import redundancy
from tensorgrad.rule import Rule, RuleSet, library

EVERY = 40


@pytest.mark.parametrize("rule", [library()["inv-2"], *list(library())[::EVERY]], ids=lambda r: r.name)
def test_a_rule_follows_or_not(rule: Rule) -> None:
    """inv-2: classes that are multiples of each other stand under a negative power."""
    found = redundancy(rule, library(), seconds=0.5)
    assert found.status in ("implied", "independent", "undecided")
    assert found.status == "implied" or not found.by


def test_a_rule_that_is_another_transposed_follows_from_it() -> None:
    rules = RuleSet.from_text(
        "let A : n n\nright  inv(A) @ A => I[n]  if invertible(A)\nleft  A @ inv(A) => I[n]  if invertible(A)"
    )
    assert [redundancy(rules[name], rules).status for name in rules.names] == ["implied", "implied"]
