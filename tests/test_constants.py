"""Numbers that have a name."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import tensorgrad as tg
from tensorgrad import F
from tensorgrad.errors import NotationError
from tensorgrad.numeric.evaluate import evaluate
from tensorgrad.numeric.modular import evaluate_mod
from tensorgrad.numeric.precise import evaluate_precisely


def test_pi_is_read_and_written() -> None:
    t = tg.parse("sqrt(2 * pi) * x", let="x : n")
    assert repr(t) == "sqrt(2 * pi) * x"
    assert tg.parse(repr(t), let=t.declarations) == t
    assert tg.to_latex(t) == r"\sqrt{2 \, \pi} \, x"
    assert tg.parse("pi") == F.pi and F.pi.order == 0


def test_pi_cannot_be_declared() -> None:
    with pytest.raises(NotationError, match="pi is a name of the notation and cannot be declared"):
        tg.parse("pi", let="pi : n")
    with pytest.raises(NotationError, match="pi is a name of the notation, not a size"):
        tg.parse("x", let="x : pi")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pi(x)", r"pi is a number, not a function: multiply with \*"),
        ("d(pi)(x)", r"pi is a number, not a function: multiply with \*"),
        ("pi[i]", "pi has order 0"),
        ("I[pi]", "pi is a name of the notation, not a size"),
    ],
)
def test_pi_is_a_number(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        tg.parse(text, let="x : n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pi", math.pi),
        ("2 * pi", 2 * math.pi),
        ("pi ** 3 * sqrt(2)", math.pi**3 * math.sqrt(2)),
        ("log(2 * pi)", math.log(2 * math.pi)),
        ("sqrt(1 + pi) / pi", math.sqrt(1 + math.pi) / math.pi),
        ("log(3 * sqrt(2))", math.log(3 * math.sqrt(2))),
        ("3 * sqrt(2)", 3 * math.sqrt(2)),
    ],
)
def test_numbers_evaluate_and_compile(text: str, value: float) -> None:
    t = tg.parse(text)
    assert evaluate(t, {}) == pytest.approx(value, rel=1e-14)
    assert float(evaluate_precisely(t, {}, {})) == pytest.approx(value, rel=1e-14)
    compiled = tg.compile(value=t)().value
    assert isinstance(compiled, torch.Tensor)
    assert float(compiled) == pytest.approx(value, rel=1e-6)


def test_pi_has_more_digits_than_float64() -> None:
    t = tg.parse("pi - 3141592653589793 / 1000000000000000")
    assert float(evaluate_precisely(t, {}, {})) == pytest.approx(2.384626433832795e-16, rel=1e-9)


def test_equations_rational_in_pi_are_checked_modulo_a_prime() -> None:
    left, right = tg.parse("(pi + 1) ** 2 / pi"), tg.parse("pi + 2 + 1 / pi")
    assert evaluate_mod(left, {}) == evaluate_mod(right, {})
    assert evaluate_mod(left, {}) != evaluate_mod(tg.parse("pi + 2"), {})


def test_a_constant_has_no_slope() -> None:
    assert str(tg.parse("grad(pi ** 2, x)", let="x : n").simplify()) == "zeros[n]"


@pytest.mark.parametrize("name", ["erf", "gelu"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_derivatives_are_closed(name: str, times: int) -> None:
    x = tg.Variable("x")
    t = tg.Tensor(0) + getattr(F, name)(x)
    for _ in range(times):
        t = t.grad(x)
    t = t.simplify(seconds=2)
    assert "d(" not in str(t)
    point = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    value = torch.erf(point) if name == "erf" else torch.nn.functional.gelu(point)
    for _ in range(times):
        (value,) = torch.autograd.grad(value, point, create_graph=True)
    assert np.allclose(evaluate(t, {"x": 0.7}), value.item(), rtol=1e-12)
