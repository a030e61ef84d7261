"""What is proved stays proved under other names, another order, swapped or transposed sides, and with numbers as sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tensorgrad.calculus import expand
from tensorgrad.egraph import search
from tensorgrad.errors import UnsupportedError
from tensorgrad.notation import Claim, parse_file
from tensorgrad.rule import library
from tests.variants import VARIANTS

THEOREMS = Path(__file__).parent / "theorems"
GOALS = [
    line
    for path in sorted(THEOREMS.glob("*.theorems"))
    for line in parse_file(path)
    if isinstance(line, Claim) and line.relation == "=" and line.right is not None
]
EVERY = 61
PARTS = 6


def status(claim: Claim, seconds: float) -> str:
    assert claim.right is not None
    try:
        left, right = (expand(t, conditions=claim.conditions) for t in (claim.left, claim.right))
        found = search.prove(left, right, conditions=claim.conditions, rules=library(), seconds=seconds, explain=False)
    except UnsupportedError as error:
        return f"unsupported: {error}"
    return "proved" if found.proved else f"open: {found.stopped}"


def lost(claims: Sequence[Claim], variant: str, seconds: float) -> list[str]:
    """The goals that are proved, but not in a variant of theirs; a variant gets more time, for other work may go on."""
    found: list[str] = []
    for claim in claims:
        changed = VARIANTS[variant](claim)
        if status(changed, seconds) != "proved" and status(claim, seconds) == "proved":
            again = status(changed, 20.0)
            if again != "proved":
                found.append(f"{claim.name}: {again}")
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_some_goals_stay_proved(variant: str) -> None:
    start = list(VARIANTS).index(variant) * 7
    assert not lost(GOALS[start::EVERY], variant, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_goals_stay_proved(variant: str, part: int) -> None:
    assert not lost(GOALS[part::PARTS], variant, 5.0)
