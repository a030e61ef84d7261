"""Derivatives of every function of a matrix, to the third, against central differences; adj and det where singular too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tensorgrad as tg
from tensorgrad.calculus import expand
from tensorgrad.function import FUNCTIONS
from tensorgrad.numeric.differences import Differences
from tensorgrad.numeric.evaluate import evaluate
from tensorgrad.tensor import Tensor, Variable

MATRIX_FUNCTIONS = [name for name, f in FUNCTIONS.items() if f.acts[:1] == (2,) and name != "rank"]
ORDERS = (1, 2, 3)

DEFINITE = np.array([[1.3, 0.4], [0.4, 0.8]])
SINGULAR = {2: np.array([[1.0, 2.0], [2.0, 4.0]]), 3: np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [1.0, 3.0, 3.0]])}


def applied(name: str) -> tuple[Tensor, Variable, dict[str, np.ndarray]]:
    """A number made of a function of a matrix A, and values; the pseudo-inverse of a matrix that is not square."""
    wide = name == "pinv"
    let = f"A : n {'m' if wide else 'n'} ; C : {'m n' if wide else 'n n'} ; k : scalar integer positive"
    value = f"{name}(A{', k' if name == 'matpow' else ''})"
    vector = "dot(diag(C), {})" if len(FUNCTIONS[name].produces) == 1 else "dot(C, {})"
    t = tg.parse(vector.format(value) if FUNCTIONS[name].produces else value, let=let)
    point = np.array([[1.0, 0.3, -0.4], [0.2, 0.9, 0.5]]) if wide else DEFINITE
    cotangent = np.array([[0.7, -0.2], [0.5, 1.1], [-0.6, 0.3]])[: 3 if wide else 2]
    values = {"A": point, "C": cotangent, "k": np.asarray(3)}
    return t, next(v for v in t.variables if v.name == "A"), values


def derivative(t: Tensor, x: Variable, order: int) -> tuple[Tensor, Tensor]:
    """The derivative before the last, expanded, as a derivative still to be taken, and the one taken."""
    for k in range(order - 1):
        t = expand(t.grad(x, [f"{e}{k}" for e in x.edges]))
    last = t.grad(x, [f"{e}{order}" for e in x.edges])
    return last, expand(last)


def agree(last: Tensor, taken: Tensor, values: dict[str, np.ndarray], dims: dict[str, int]) -> bool:
    found = evaluate(taken, values, dims).transpose([taken.edges.index(e) for e in last.edges])
    expected = Differences(values, dims).evaluate(last)
    return np.allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", MATRIX_FUNCTIONS)
def test_every_matrix_function(name: str, order: int) -> None:
    t, x, values = applied(name)
    last, taken = derivative(t, x, order)
    assert agree(last, taken, values, {"n": 2, "m": 3})


@pytest.mark.parametrize("size", SINGULAR)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["det", "adj"])
def test_where_singular(name: str, order: int, size: int) -> None:
    t, x, values = applied(name)
    cotangent = np.arange(1.0, 1.0 + size**2).reshape(size, size)
    values = {**values, "A": SINGULAR[size], "C": cotangent}
    last, taken = derivative(t, x, order)
    assert agree(last, taken, values, {"n": size})


def test_hessian_of_a_determinant_compiles_where_singular() -> None:
    step = tg.compile(hessian=tg.parse("hess(det(A), A)", let="A : n n"))
    singular = torch.tensor(SINGULAR[3])
    expected = torch.autograd.functional.hessian(torch.linalg.det, torch.tensor(DEFINITE))
    assert torch.allclose(step(A=torch.tensor(DEFINITE)).hessian, expected)
    # the second differences of a determinant are exact: it is linear in each entry, quadratic in two
    found = step(A=singular).hessian
    for i, j, p, q in np.ndindex(3, 3, 3, 3):
        one, other = (torch.zeros(3, 3, dtype=torch.float64) for _ in range(2))
        one[i, j] = other[p, q] = 1
        mixed = sum(s * r * torch.linalg.det(singular + s * one + r * other) for s in (1, -1) for r in (1, -1)) / 4
        assert torch.isclose(found[i, j, p, q], torch.as_tensor(mixed), atol=1e-9)


def test_where_invertible_the_closed_form_has_inverses() -> None:
    t = tg.parse("hess(det(A), A)", let="A : n n invertible").simplify()
    assert "inv(A)" in str(t) and "adj" not in str(t)
