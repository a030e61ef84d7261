"""Unit vectors in diagrams, edges of small sizes taken apart, denominators cleared, equations used as rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad import numeric
from tensorgrad.diagram import Store, insert
from tensorgrad.diagram.expression import expression
from tensorgrad.notation import parse_claim

LET = "A B P : n n ; v w : n ; M : m n ; X : 2 3 ; h : n onehot ; i j : scalar integer ; c lam mu : scalar"


def same_diagram(goal: str) -> bool:
    """Whether the sides of an equation are one canonical diagram."""
    claim = parse_claim(goal, LET, "")
    store = Store()
    assert claim.right is not None
    return store.same(insert(store, claim.left), insert(store, claim.right))


@pytest.mark.parametrize(
    "goal",
    [
        "e[0, 4] @ e[0, 4] = 1",
        "e[0, 4] @ e[2, 4] = 0",
        "e[i, n] @ e[i, n] = 1",
        "(A * outer(e[i, n], v)) @ w = (A @ (v * w) * e[i, n])",
        "diag(e[i, n]) = outer(e[i, n], e[i, n])",
        "A @ diag(e[i, n]) @ B = outer(A @ e[i, n], e[i, n] @ B)",
        "kron(e[1, 2], e[2, 3]) = e[5, 6]",
        "(h @ A @ h) * h = diag(h) @ A @ h",
        "kron(outer(e[0, 2], e[0, 2]), A) @ kron(outer(e[1, 2], e[1, 2]), B) = zeros[2*n, 2*n]",
    ],
)
def test_unit_vectors_are_structure(goal: str) -> None:
    assert same_diagram(goal)


@pytest.mark.parametrize(
    "goal",
    ["e[i, n] @ e[j, n] = 0", "e[i, n] @ e[j, n] = 1", "outer(e[0, 2], e[1, 2]) = outer(e[1, 2], e[0, 2])"],
)
def test_unknown_or_different_indices_are_not_merged(goal: str) -> None:
    assert not same_diagram(goal)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=4))
def test_networks_of_units_keep_their_value(parts: list[tuple[int, str, str]]) -> None:
    """Unit vectors and matrices on shared edges, summed and free, against the dense evaluation."""
    factors = [f"e[{k}, 3][{a}] * G[{a}, {b}]" if a != b else f"e[{k}, 3][{a}]" for k, a, b in parts]
    used = sorted({x for _, a, b in parts for x in (a, b)})
    t = tg.parse(f"sum[{used[0]}]({' * '.join(factors)})", let="G : 3 3")
    store = Store()
    back = expression(store, insert(store, t), t.edges)
    values = {"G": np.random.default_rng(len(parts)).normal(size=(3, 3))}
    np.testing.assert_allclose(numeric.evaluate(back, values, {}), numeric.evaluate(t, values, {}), atol=1e-12)


@pytest.mark.parametrize(
    ("goal", "facts"),
    [
        ("I[2] = outer(e[0, 2], e[0, 2]) + outer(e[1, 2], e[1, 2])", ""),
        ("X = outer(e[0, 2], e[0, 2] @ X) + outer(e[1, 2], e[1, 2] @ X)", ""),
        ("inv(P) @ w = v", "invertible(P), P @ v = w"),
        ("A @ A @ v = lam ** 2 * v", "A @ v = lam * v"),
        ("v @ A @ B @ w = lam * mu * v @ w", "A.T @ v = lam * v, B @ w = mu * w"),
        ("M @ inv(M.T @ M + c * I[n]) @ v = inv(M @ M.T + c * I[m]) @ M @ v", ""),
        ("A @ B @ A @ B = A @ A @ B @ B", "A @ B = B @ A"),
        ("inv(A) @ B = B @ inv(A)", "A @ B = B @ A"),
    ],
)
def test_proved(goal: str, facts: str) -> None:
    proof = tg.prove(goal, let=LET, if_=facts, verify=True)
    assert proof.status == "proved", proof.reason


@pytest.mark.parametrize(
    ("goal", "facts"),
    [
        ("I[2] = outer(e[0, 2], e[0, 2])", ""),
        ("A @ B @ v = lam * v", "A @ v = lam * v"),
        ("inv(A) @ B = inv(B) @ A", "A @ B = B @ A"),
        ("A @ B @ A = A @ A @ A", "A @ B = B @ A"),
    ],
)
def test_not_proved(goal: str, facts: str) -> None:
    assert tg.prove(goal, let=LET, if_=facts, seconds=2).status in ("refuted", "open")
