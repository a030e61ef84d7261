"""What is cheapest for what: several outputs together, memory and time, fronts and regimes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sympy import sympify

import tensorgrad as tg
from tensorgrad.cost import Rates
from tensorgrad.errors import InputError, SizeError
from tensorgrad.numeric import refute
from tensorgrad.runtime import plan

LET = "A B C : n n ; x v : n ; U V : n r ; X : m n ; y : m"
DIMS = {"n": 300, "m": 500, "r": 7}

EXPRESSIONS = (
    "(A @ B + A @ C) @ x",
    "norm2(U @ V.T - A)",
    "sum((A @ B) * C)",
    "grad(norm2(X @ x - y), x)",
    "hess(logsumexp(X @ x), x) @ v",
    "(U @ V.T) @ (U @ V.T)",
    "outer(x, v) @ x + outer(x, x) @ v",
    "diag(A @ B @ C)",
)


def sizes(text: str) -> dict[str, int]:
    return {s: DIMS[s] for s in tg.numeric.size_symbols(tg.parse(text, let=LET))}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_objectives_keep_the_value_and_reach_what_they_minimise(text: str) -> None:
    dims = sizes(text)
    by = {o: tg.simplify(text, let=LET, dims=dims, objective=o, verify=True) for o in ("flops", "memory", "time")}
    assert all(result.verified for result in by.values())
    assert by["memory"].after.peak <= by["flops"].after.peak
    assert by["flops"].after.flops <= by["memory"].after.flops
    assert by["flops"].after.flops <= by["time"].after.flops


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_a_front_is_a_front(text: str) -> None:
    dims = sizes(text)
    t = tg.calculus.expand(tg.parse(text, let=LET))
    front = tg.pareto(text, dims, let=LET)
    assert front[0].flops == tg.simplify(text, let=LET, dims=dims).after.flops
    for one, other in pairwise(front):
        assert one.flops < other.flops
        assert one.peak > other.peak
    for way in front:
        assert refute(t, way.tensor, effort=1) is None
        assert plan(way.tensor, dims).peak == way.peak


def test_slow_memory_prefers_what_moves_less() -> None:
    text, let, dims = "(A @ B + A @ C) @ x", "A B C : n n ; x : n", {"n": 1000}
    computing = tg.simplify(text, let=let, dims=dims, objective="time", rates=Rates(flops=1e6, bytes=1e15, call=0.0))
    moving = tg.simplify(text, let=let, dims=dims, objective="time", rates=Rates(flops=1e15, bytes=1e6, call=0.0))
    assert computing.after.flops < moving.after.flops
    assert moving.after.peak < computing.after.peak


OUTPUTS = (
    ("norm2(X @ x - y)", "grad(norm2(X @ x - y), x)", "hess(norm2(X @ x - y), x) @ v"),
    ("logsumexp(X @ x)", "grad(logsumexp(X @ x), x)", "hess(logsumexp(X @ x), x) @ v"),
    ("sum(tanh(X @ x))", "grad(sum(tanh(X @ x)), x)"),
    ("A @ B @ C", "B @ C @ x"),
)


@pytest.mark.parametrize("texts", OUTPUTS)
def test_outputs_together_cost_no_more_than_apart(texts: tuple[str, ...]) -> None:
    dims = {s: n for text in texts for s, n in sizes(text).items()}
    together = tg.simplify_all(texts, let=LET, dims=dims, verify=True)
    apart = [tg.simplify(text, let=LET, dims=dims) for text in texts]
    assert all(result.verified for result in together)
    joint = plan({f"t{k}": r.tensor for k, r in enumerate(together)}, dims).flops
    assert joint < sum(plan(r.tensor, dims).flops for r in apart)
    assert joint <= plan({f"t{k}": r.tensor for k, r in enumerate(apart)}, dims).flops


REGIMES = (
    ("A @ v", "A = U @ V.T"),
    ("norm2(U @ V.T - A)", ""),
    ("(A @ B + A @ C) @ U", ""),
    ("X.T @ (X @ U)", ""),
    ("A @ B @ x", ""),
)


@pytest.mark.parametrize(("text", "facts"), REGIMES)
def test_the_best_regime_is_the_best_form(text: str, facts: str) -> None:
    found = tg.regimes(text, let=LET, if_=facts)
    conditions = [form.condition for form in found.forms]
    assert all(conditions) or len(conditions) == 1
    for n, m, r in ((50, 70, 3), (50, 7, 120), (2000, 3, 5), (30, 900, 29), (8, 8, 200)):
        every = {"n": n, "m": m, "r": r}
        dims = {s: every[s] for s in found.symbols}
        best = found.at(dims)
        assert best.flops.evaluate(dims) <= 1.01 * tg.simplify(text, let=LET, if_=facts, dims=dims).after.flops
        holding = [form for form in found.forms if all(_holds(part, dims) for part in form.condition.split(" and "))]
        assert holding == [best]


def _holds(inequality: str, dims: dict[str, int]) -> bool:
    return not inequality or bool(sympify(inequality, locals=dims))


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match=r"objective='speed': expected one of 'flops', 'memory', 'time'"):
        tg.simplify("x", let="x : n", objective="speed")  # type: ignore[arg-type]
    with pytest.raises(SizeError, match="needs a size for each symbol"):
        tg.simplify("A @ x", let=LET, objective="memory")
    with pytest.raises(SizeError, match="a front needs a size for each of n"):
        tg.pareto("A @ x", {}, let=LET)
    with pytest.raises(InputError, match="regimes of 7 symbols"):
        tg.regimes("outer(A, B)", let="A : a b c d ; B : f g h")


def test_one_name_is_one_variable() -> None:
    """Else a fact of the one would be used of the other: A - A.T would vanish because another A is symmetric."""
    plain, symmetric = tg.Variable("A", i="n", j="n"), tg.Variable("A", i="n", j="n", facts="symmetric")
    said = r"A is two variables, A : n n and A : n n symmetric"
    with pytest.raises(InputError, match=said):
        tg.simplify_all([plain - plain.rename(i="j", j="i"), symmetric])
    with pytest.raises(InputError, match=said):
        tg.simplify(plain - symmetric)
    with pytest.raises(InputError, match=said):
        tg.compile(one=plain, other=symmetric)
    with pytest.raises(InputError, match="A is two variables, A : n and A : m"):
        tg.simplify_all([tg.Variable("A", i="n"), tg.Variable("A", i="m")])
    with pytest.raises(InputError, match="takes a list of expressions"):
        tg.simplify_all("A @ x", let=LET)


def test_rates_are_numbers_above_zero() -> None:
    with pytest.raises(InputError, match=r"Rates\(flops=0\)"):
        Rates(flops=0)
    with pytest.raises(InputError, match="no device 'nope'"):
        tg.api.measured_rates("nope")
