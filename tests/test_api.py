"""The Python interface: what is given, what is answered, prices as written, and verification that can fail."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable

import pytest
from hypothesis import given

import tensorgrad as tg
from tensorgrad import api
from tensorgrad.api.flatten import flatten
from tensorgrad.api.planning import flat_form, written_price
from tensorgrad.api.verify import verify
from tensorgrad.calculus import expand
from tensorgrad.numeric import refute
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Product, Sum, walk
from tests.strategies import small_tensors

LET = "A B C : n n ; x y : n"
N = 2000


def flops(expression: str) -> int:
    found = written_price(tg.parse(expression, let=LET), {"n": N}).flops
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize(
    ("expression", "cubes", "squares"),
    [
        ("A @ B", 2, 0),
        ("A @ B + A @ B", 4, 1),
        ("A @ B @ x", 0, 4),
        ("(A @ B) @ (A @ B)", 6, 0),
        ("(A - B @ C) @ x", 2, 3),
        ("tr(A @ B)", 2, 0),
        ("sum(A @ B)", 2, 1),
        ("norm2(A @ B)", 2, 2),
        ("exp(A @ B)", 2, 1),
        ("exp(A).T", 0, 1),
        ("outer(x, y)", 0, 1),
        ("diag(x) @ A", 0, 1),
        ("inv(A) @ x", 2, 2),
    ],
)
def test_price_as_written(expression: str, cubes: int, squares: int) -> None:
    """Costs are polynomials in n; the lower order is at most a few n."""
    rest = flops(expression) - cubes * N**3 - squares * N**2
    assert 0 <= rest <= 20 * N


def test_symbolic_and_numeric_prices_agree() -> None:
    t = tg.parse("exp(A @ B) @ x + y", let=LET)
    symbolic, numeric = written_price(t, {}), written_price(t, {"n": N})
    assert isinstance(symbolic.flops, Poly)
    assert isinstance(symbolic.peak, Poly)
    assert symbolic.flops.evaluate({"n": N}) == numeric.flops
    assert symbolic.peak.evaluate({"n": N}) == numeric.peak


def test_written_counts_deep_repetition_without_unfolding_it() -> None:
    t = tg.Variable("A", i="n", j="n")
    for _ in range(60):
        t = tg.F.exp(t) + tg.F.tanh(t)
    assert written_price(t, {"n": 2}).flops > 2**60


@given(small_tensors())
def test_flat_form_is_equal_and_flat(t: tg.Tensor) -> None:
    t = expand(t)
    flat = flatten(t)
    for node in walk(flat):
        if isinstance(node, Product):
            assert not any(isinstance(factor, Sum) for factor in node.factors)
    assert refute(t, flat, effort=1) is None
    assert refute(t, flat_form(t), effort=1) is None


def test_full_simplify_expands() -> None:
    t = tg.parse("tr((A + B) @ (A + B) @ (A + B))", let=LET).full_simplify()
    expected = tg.parse("tr(A@A@A) + 3 * tr(A@A@B) + 3 * tr(A@B@B) + tr(B@B@B)", let=LET)
    assert t == expected


def test_simplified_tensors_remember_their_derivation() -> None:
    t = tg.parse("inv(A) @ A @ x", let=LET)
    found = t.simplify()
    assert found == tg.parse("x", let=LET)
    assert found.explain().rules
    assert not t.explain().steps
    assert not tg.parse("x", let=LET).explain().steps


def test_result_prints_what_matters() -> None:
    result = tg.simplify("inv(A) @ A @ x", let=LET, verify=True)
    text = str(result)
    assert text.startswith("x\n")
    assert "where defined: invertible(A)" in text
    assert "verified numerically" in text
    assert result.cost is result.after
    assert result.explain() is result.derivation


def test_proofs_are_true_when_proved() -> None:
    assert tg.prove("det(A @ B) = det(B) * det(A)", let=LET, verify=True)
    refuted = tg.prove("det(A + B) = det(A) + det(B)", let=LET)
    assert not refuted
    assert refuted.counterexample is not None
    assert str(refuted.counterexample) in str(refuted)


def test_sizes_as_symbols_and_integers() -> None:
    n, m = tg.symbols("n m")
    A, x = tg.Variable("A", i=n, j=m), tg.Variable("x", j=m)
    assert (A @ x).cost({n: 10, m: 7}).flops == 140
    assert str((A @ x).cost().flops) == "2*m*n"
    with pytest.raises(tg.SizeError, match=re.escape("dims: no size for m (given: n=10); add m=1000")):
        (A @ x).cost({n: 10})
    with pytest.raises(tg.SizeError, match=re.escape("dims: nn is no size of the expression (did you mean n?)")):
        (A @ x).cost({"nn": 10, "m": 3})
    for bad in (0, -1, 2.5, True, "3"):
        with pytest.raises(tg.SizeError, match="is not a size: sizes are positive integers"):
            (A @ x).cost({n: bad, m: 2})  # type: ignore[dict-item]


def test_plans_print_all_three_ways() -> None:
    plans = tg.plan("A @ B + A @ C", {"n": 300}, let=LET)
    assert [way.name for way in plans.columns] == ["written", "flattened", "ours"]
    assert plans.ours.flops < plans.written.flops
    for way in plans.columns:
        assert f"{way.name} FLOP count" in str(plans)


@pytest.mark.parametrize(
    ("written", "wrong", "facts"),
    [
        ("A @ B", "B @ A", ""),
        ("A.T", "A", ""),
        ("tr(A @ B @ C)", "tr(A @ C @ B)", ""),
        ("sqrt(x ** 2)", "x", ""),
        ("exp(diag(x))", "diag(exp(x))", ""),
        ("inv(A @ B)", "inv(A) @ inv(B)", "invertible(A), invertible(B)"),
        ("grad(logdet(A), A)", "inv(A)", "invertible(A)"),
        ("grad(x @ A @ x, x)", "2 * A @ x", ""),
        ("x + y", "x + y + 1 / 1000", ""),
    ],
)
def test_verification_refutes_a_wrong_result(written: str, wrong: str, facts: str) -> None:
    t, conditions = api.inputs.read_expression(written, LET, facts)
    with pytest.raises(tg.UnsoundError, match="the result differs from the input"):
        verify(t, expand(t, conditions=conditions), tg.parse(wrong, let=LET), conditions)


@pytest.mark.parametrize(
    ("written", "right"),
    [("grad(x @ A @ x, x)", "A @ x + A.T @ x"), ("sqrt(x ** 2)", "abs(x)"), ("(A @ B).T", "B.T @ A.T")],
)
def test_verification_accepts_a_right_result(written: str, right: str) -> None:
    t = tg.parse(written, let=LET)
    assert verify(t, expand(t), tg.parse(right, let=LET), ()).verified is True


def test_verification_says_when_it_cannot() -> None:
    t = tg.parse("log(-x ** 2)", let=LET)
    verdict = verify(t, t, t, ())
    assert verdict.verified is None
    assert verdict.reason.startswith("no instance could be compared")


def test_names_of_functions_are_not_modules() -> None:
    for name in ("rule", "function", "check", "simplify", "prove", "plan", "compile", "evaluate"):
        assert callable(getattr(tg, name)), name
    importlib.import_module("tensorgrad.rule")

    assert callable(tg.rule)
    assert set(tg.__all__) <= set(dir(tg))
    with pytest.raises(AttributeError, match="no attribute 'simplifi'"):
        _ = tg.simplifi  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tg.simplify(None), "None is not an expression: expected a Tensor"),
        (lambda: tg.simplify(3), "3 is not an expression"),
        (lambda: tg.simplify("A", let=None), "let=None: expected a text of declarations"),
        (lambda: tg.simplify("A", let="A : n", if_=3), "if_=3: expected a text of facts"),
        (lambda: tg.simplify("A", let="A : n", rules="inv*"), "rules='inv*': expected a RuleSet"),
        (lambda: tg.simplify("A", let="A : n", dims=3), "dims=3: expected sizes by symbol"),
        (lambda: tg.simplify("A", let="A : n", seconds="1"), "seconds='1': expected a number, 0 or more"),
        (lambda: tg.simplify("A", let="A : n", seconds=-1), "seconds=-1: expected a number, 0 or more"),
        (lambda: tg.simplify("A", let="A : n", nodes=1.5), "nodes=1.5: expected a positive integer"),
        (lambda: tg.prove(None), "a goal is a text"),
        (lambda: tg.prove("A = A", let="A : n", rules=[]), "rules=[]: expected a RuleSet"),
        (lambda: tg.plan(None), "None is not an expression"),
        (lambda: tg.parse(None), "text=None: expected a text"),
        (lambda: tg.parse("A", let=3), "let=3: expected a text"),
    ],
)
def test_wrong_types_are_named(call: Callable[[], object], words: str) -> None:
    with pytest.raises(tg.InputError) as caught:
        call()
    assert words in str(caught.value)
