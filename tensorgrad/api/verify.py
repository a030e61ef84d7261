"""Numeric verification: two tensors compared on random values that satisfy the facts, in float64 and modulo a prime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tensorgrad import numeric
from tensorgrad.errors import BudgetError, UnsoundError
from tensorgrad.notation import Condition
from tensorgrad.numeric.hunt import Hunt
from tensorgrad.tensor import Derivative, Expectation, Tensor, walk

OPEN_FACTS = frozenset(["invertible", "nonzero"])
"""Facts that random residues modulo a prime satisfy as well."""

RESIDUE_SIZES = (3, 2, 4, 5)

INSTANCES = 24
"""Instances compared in all: several sizes, generic entries, then positive ones and special values."""

DIFFERENCES = 3
"""Instances compared by central differences, which take many evaluations each."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`verified` is True when all samples agreed, None when nothing could be compared; `reason` says what was done."""

    verified: bool | None
    reason: str


def verify(written: Tensor, expanded: Tensor, found: Tensor, conditions: Sequence[Condition]) -> Verdict:
    """Compare `found` with the expression as written, derivatives by differences, and with its differentiated form.

    Raises UnsoundError, with the counterexample, when an instance disagrees.
    """
    forms = [(expanded, INSTANCES)]
    if any(isinstance(node, Derivative | Expectation) for node in walk(written)):
        forms.append((written, DIFFERENCES))
    equal = 0
    for form, instances in forms:
        counts = outcomes(form, found, conditions, instances)
        if counts["different"] or counts["right undefined"]:
            domain = not counts["different"]
            shown = numeric.search(form, found, conditions, effort=1, domain=domain).counterexample
            raise _unsound(written, found, shown)
        equal += counts["equal"]
        if not equal:
            hidden = set(counts) == {"unclear"} and len(forms) == 1
            if hidden and _compare_exactly(expanded, found, conditions):
                return Verdict(True, "agrees exactly modulo a prime; floating point cannot tell")
            return Verdict(None, f"no instance could be compared ({_seen(counts)})")
    exact = _compare_exactly(expanded, found, conditions)
    return Verdict(True, f"agrees on {equal} instances{', and exactly modulo a prime' if exact else ''}")


def _seen(counts: Counter[str]) -> str:
    words = {"unclear": "overflow or rounding hides the values"}
    return ", ".join(f"{words.get(kind, kind)}: {times}" for kind, times in counts.items()) or "all would be too large"


def outcomes(left: Tensor, right: Tensor, conditions: Sequence[Condition], instances: int) -> Counter[str]:
    """How often the two were equal, different, undefined, ... on so many instances."""
    hunt = Hunt(left, right, tuple(conditions), {}, seed=0)
    return Counter(hunt.attempt(dims, special)[1] for dims, special in islice(hunt.plan(1), instances))


def _unsound(written: Tensor, found: Tensor, shown: object) -> UnsoundError:
    return UnsoundError(
        "the result differs from the input: a rule or a fact is wrong, or this is a bug of tensorgrad\n"
        f"  left side   {written!r}\n  right side  {found!r}\n{shown}"
    )


def _compare_exactly(expanded: Tensor, found: Tensor, conditions: Sequence[Condition]) -> bool:
    """Compare random residues modulo a prime; False when a side is not rational or facts restrict the entries."""
    variables = {v.name: v for t in (expanded, found) for v in t.variables}
    facts = [fact for v in variables.values() for fact in v.facts]
    if any(f.name not in OPEN_FACTS for f in facts) or any(
        c.fact is None or c.fact.name not in OPEN_FACTS for c in conditions
    ):
        return False
    symbols = numeric.size_symbols(expanded, found)
    sizes = {s: RESIDUE_SIZES[k % len(RESIDUE_SIZES)] for k, s in enumerate(symbols)}
    rng = np.random.default_rng(0)
    try:
        shapes = {name: tuple(int(d.evaluate(sizes)) for d in v.dims) for name, v in variables.items()}
        values: dict[str, Any] = {name: rng.integers(1, numeric.PRIME, size=shape) for name, shape in shapes.items()}
        left, right = numeric.evaluate_mod(expanded, values, sizes), numeric.evaluate_mod(found, values, sizes)
    except (numeric.NonRationalError, numeric.UndefinedError, BudgetError):
        return False
    if (left != right.transpose([found.edges.index(e) for e in expanded.edges])).any():
        raise _unsound(expanded, found, "the two differ on random residues modulo a prime")
    return True
