"""Roots and logarithms of numbers have one form: what is equal is proved by the canonical form alone, and keeps its value."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad.diagram import Store, expression, insert
from tensorgrad.notation import parse

POSITIVE = st.fractions(min_value=Fraction(1, 60), max_value=60, max_denominator=60)
EXPONENTS = st.fractions(min_value=-3, max_value=3, max_denominator=6)


def value(text: str) -> float:
    return float(tg.evaluate(parse(text), {}))


def same(left: str, right: str) -> bool:
    store = Store()
    a, b = (insert(store, parse(t)) for t in (left, right))
    return store.same(a, b)


def shown(text: str) -> str:
    store = Store()
    return str(expression(store, insert(store, parse(text)), ()))


@given(POSITIVE, EXPONENTS, EXPONENTS)
def test_powers_of_one_number_multiply(base: Fraction, first: Fraction, second: Fraction) -> None:
    assert same(f"({base}) ** ({first}) * ({base}) ** ({second})", f"({base}) ** ({first + second})")


@given(POSITIVE, POSITIVE, EXPONENTS)
def test_powers_of_two_numbers_multiply(a: Fraction, b: Fraction, exponent: Fraction) -> None:
    assert same(f"({a}) ** ({exponent}) * ({b}) ** ({exponent})", f"({a * b}) ** ({exponent})")


@given(POSITIVE, POSITIVE, EXPONENTS)
def test_logarithms_add(a: Fraction, b: Fraction, exponent: Fraction) -> None:
    assert same(f"log({a}) + ({exponent}) * log({b})", f"log({a} * ({b}) ** ({exponent}))")


@given(POSITIVE, POSITIVE, EXPONENTS)
def test_the_form_has_the_value_that_was_written(a: Fraction, b: Fraction, exponent: Fraction) -> None:
    root = math.pow(a, exponent) * math.sqrt(b)
    assert math.isclose(value(shown(f"({a}) ** ({exponent}) * sqrt({b})")), root, rel_tol=1e-5)
    logarithm = math.log(a) + float(exponent) * math.log(b)
    assert math.isclose(value(shown(f"log({a}) + ({exponent}) * log({b})")), logarithm, rel_tol=1e-5, abs_tol=1e-5)


@given(EXPONENTS, EXPONENTS, st.fractions(min_value=-3, max_value=3, max_denominator=6))
def test_powers_of_pi_are_one_power(first: Fraction, second: Fraction, outer: Fraction) -> None:
    assert same(f"pi ** ({first}) * pi ** ({second})", f"pi ** ({first + second})")
    assert same(f"(pi ** ({first})) ** ({outer})", f"pi ** ({first * outer})")


@given(
    POSITIVE, EXPONENTS, st.sampled_from(["x", "x + 3", "x * y", "x ** 2 + y / 2", "sum(z)", "z @ z", "pi", "exp(x)"])
)
def test_a_positive_number_stands_outside_a_power(scale: Fraction, exponent: Fraction, base: str) -> None:
    declared = "x y : scalar positive; z : n positive"
    whole = parse(f"(({scale}) * ({base})) ** ({exponent})", let=declared)
    split = parse(f"({scale}) ** ({exponent}) * ({base}) ** ({exponent})", let=declared)
    store = Store()
    found = insert(store, whole)
    assert store.same(found, insert(store, split))
    read = expression(store, found, ())
    assert store.same(found, insert(store, parse(str(read), let=declared)))
    given_values = {"x": 0.7, "y": 1.3, "z": [0.2, 1.1, 0.4]}
    values: dict[str | tg.Variable, torch.Tensor] = {
        v.name: torch.tensor(given_values[v.name], dtype=torch.float64) for v in whole.variables
    }
    wanted, shown_value = (tg.evaluate(t, values) for t in (whole, read))
    torch.testing.assert_close(shown_value, wanted, rtol=1e-6, atol=0, check_dtype=False)


@given(POSITIVE, POSITIVE, EXPONENTS)
def test_numbers_that_differ_have_different_forms(a: Fraction, b: Fraction, exponent: Fraction) -> None:
    if a != b and exponent:
        assert not same(f"({a}) ** ({exponent})", f"({b}) ** ({exponent})")
        assert not same(f"log({a})", f"log({b})")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("sqrt(6)", "sqrt(6)"),
        ("sqrt(8)", "2 * sqrt(2)"),
        ("1 / sqrt(2)", "sqrt(2) / 2"),
        ("sqrt(2) * sqrt(3) * 5 ** (1/3) * 7 ** (1/3)", "sqrt(6) * 35 ** (1/3)"),
        ("log(60)", "log(60)"),
        ("log(8)", "3 * log(2)"),
        ("log(2) - log(3)", "-log(3/2)"),
        ("log(1/4)", "-2 * log(2)"),
        ("sqrt(2 * pi)", "sqrt(2 * pi)"),
        ("1 / sqrt(2 * pi)", "1 / sqrt(2 * pi)"),
        ("sqrt(pi / 2)", "sqrt(pi / 2)"),
        ("(2 * pi) ** 2 / pi ** 3", "4 / pi"),
        ("sqrt(pi) ** 3 / pi", "sqrt(pi)"),
    ],
)
def test_how_numbers_are_read(text: str, read: str) -> None:
    assert shown(text) == read


@pytest.mark.parametrize("text", ["log(-8)", "sqrt(-8)", "(-8) ** (1/3)", "log(sum(ones[n]))", "log(pi)"])
def test_what_is_no_positive_number_is_left(text: str) -> None:
    t = parse(text)
    store = Store()
    assert str(expression(store, insert(store, t), ())) == str(t)


@pytest.mark.parametrize("power", [Fraction(-1, 2), Fraction(-3, 2), Fraction(-2, 3)])
def test_a_reciprocal_of_a_root_is_a_root(power: Fraction) -> None:
    x = tg.Variable("x", i="i")
    store = Store()
    assert store.same(insert(store, x**power), insert(store, (x**-power) ** -1))
