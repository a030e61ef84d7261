"""The goals of the theorem files come out as claimed: a sample by default, all of them in the slow run."""

from __future__ import annotations

from pathlib import Path

import pytest

import tensorgrad as tg
from tensorgrad.notation import Claim
from tensorgrad.notation.claims import parse_file

THEOREMS = Path(__file__).parent / "theorems"
FILES = """
basics blocks conclusions eigenvectors estimation facts factors false inverses learning networks products
scalar_functions similar tensors
""".split()
EVERY = 40
SECONDS = 20.0

OPEN = frozenset(
    """
    functions.tan-sum soft.two-b nn.batchnorm-scale functions.tanh-sum
    inverses.cayley-involution
    """.split()
)
"""True, and not proved yet."""

GOALS = [c for f in FILES for c in parse_file(THEOREMS / f"{f}.theorems") if isinstance(c, Claim)]


def check(goal: Claim) -> None:
    found = tg.prove(goal, seconds=1.0 if goal.name in OPEN else SECONDS).status
    assert found == ("refuted" if goal.relation in ("!=", "not") else "open" if goal.name in OPEN else "proved")


@pytest.mark.parametrize("goal", GOALS[EVERY // 2 :: EVERY], ids=lambda goal: goal.name)
def test_a_sample_comes_out_as_claimed(goal: Claim) -> None:
    check(goal)


@pytest.mark.slow
@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.name)
def test_all_come_out_as_claimed(goal: Claim) -> None:
    check(goal)


@pytest.mark.parametrize(
    "goal",
    [
        "grad(expm(sin(t) * A / 3), t) = cos(t) / 3 * A @ expm(sin(t) * A / 3)",
        "grad(expm((x @ x) * A), x)[i, j, k] = 2 * x[k] * (A @ expm((x @ x) * A))[i, j]",
        "grad(sum(x * (expm(t * A) @ x)), t) = x @ A @ expm(t * A) @ x",
        "grad(sinm(t * A) @ x, t) = A @ cosm(t * A) @ x",
        "grad(tr(cosm(A)), A) = -sinm(A).T",
    ],
)
def test_derivatives_along_one_matrix_are_those_of_differences(goal: str) -> None:
    found = tg.prove(goal, let="A : n n ; x : n ; t : scalar", seconds=SECONDS, verify=True)
    assert found.status == "proved"


def test_every_line_is_read_and_names_are_unique() -> None:
    lines = [line for f in FILES for line in parse_file(THEOREMS / f"{f}.theorems")]
    assert [str(line) for line in lines if not isinstance(line, Claim)] == []
    assert len({goal.name for goal in GOALS}) == len(GOALS)
    assert {goal.name for goal in GOALS} >= OPEN
