"""Random expressions with derivatives and expectations anywhere: simplified, they mean the same and look the same."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad.calculus import expand
from tensorgrad.diagram import insert
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.pricing import Pricing
from tensorgrad.extract import Extraction
from tensorgrad.numeric import evaluate
from tensorgrad.tensor import Tensor
from tests.oracle import Oracle
from tests.rearranged import rearranged
from tests.strategies import DIMS, calculus_tensors

EXAMPLES = settings.default.max_examples if settings.default else 40

SECONDS = 0.5
"""Budget of one simplification: whatever the search has done by then must be right."""


def sampled(t: Tensor) -> dict[str, np.ndarray]:
    """Normal values of the variables of t, symmetric where declared."""
    generator = np.random.default_rng(0)
    values = {v.name: generator.normal(size=[int(d.evaluate(DIMS)) for d in v.dims]) for v in t.variables}
    return {v.name: values[v.name] + values[v.name].T if v.has("symmetric") else values[v.name] for v in t.variables}


def dense(t: Tensor, values: dict[str, np.ndarray], edges: tuple[str, ...]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.transpose(evaluate(t, values, DIMS), [t.edges.index(e) for e in edges])


@settings(max_examples=12 * EXAMPLES + 20, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(calculus_tensors())
def test_simplified_expressions_keep_their_value(t: Tensor) -> None:
    values = sampled(t)
    wanted = Oracle({name: torch.tensor(value) for name, value in values.items()}, DIMS)(t).numpy()
    finite = np.isfinite(wanted)
    scale = 1 + np.abs(wanted[finite]).max(initial=0)
    for form in (expand(t), tg.simplify(t, seconds=SECONDS).tensor):
        found = dense(form, values, t.edges)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found[finite] / scale, wanted[finite] / scale, rtol=0, atol=1e-7)


@settings(max_examples=12 * EXAMPLES + 20, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(calculus_tensors(), st.integers(0, 1000))
def test_simplification_sees_the_expression_not_its_presentation(t: Tensor, seed: int) -> None:
    first = tg.simplify(t, seconds=SECONDS)
    other = tg.simplify(rearranged(t, random.Random(seed)), seconds=SECONDS)
    again = tg.simplify(first.tensor, seconds=SECONDS)
    if {first.stopped, other.stopped} == {"saturated"}:
        assert other.tensor == first.tensor
    # A search that ran out of rounds or seconds may go on from what it found, to what is no dearer by its own price.
    assert again.tensor == first.tensor or _price(again.tensor) <= _price(first.tensor)


def _price(t: Tensor) -> tuple[int, int]:
    """What a search without sizes has for the price of an expression as it stands."""
    graph = EGraph()
    return Extraction(graph, [insert(graph, t)], Pricing(graph, None)).cost
