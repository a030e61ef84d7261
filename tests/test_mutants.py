"""A theorem with a mistake in it is not proved, unless it happens to be true as well."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import tensorgrad as tg
from tensorgrad.errors import TensorgradError, UnsupportedError
from tensorgrad.notation import Claim
from tests.mutants import mutants

THEOREMS = sorted((Path(__file__).parent / "theorems").glob("*.theorems"))
EVERY, EVERY_SLOW = 211, 7
SEEDS = range(3)


def status(claim: Claim) -> str:
    """`error` when both a proof and a counterexample were found."""
    try:
        return tg.prove(claim, seconds=0.3, verify=True).status
    except UnsupportedError:
        return "unsupported"
    except TensorgradError as error:
        return f"{type(error).__name__}: {error}"


def statuses(folder: Path, every: int, seed: int) -> dict[str, str]:
    claims = [c for path in THEOREMS for c in mutants(path, folder, seed)][seed % every :: every]
    return {c.text: status(c) for c in claims}


def assert_sound(found: dict[str, str]) -> None:
    assert not {text for text, how in found.items() if how not in {"proved", "refuted", "open", "unsupported"}}
    counts = Counter(found.values())
    assert counts["refuted"] > counts["open"] + counts["proved"], "the mistakes hardly ever matter: what is tested?"


def test_some_mistakes_are_not_proved(tmp_path: Path) -> None:
    assert_sound(statuses(tmp_path, EVERY, 7))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_mistakes_are_not_proved(tmp_path: Path, seed: int) -> None:
    assert_sound(statuses(tmp_path, EVERY_SLOW, seed))
