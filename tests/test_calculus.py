"""Symbolic derivatives against independent paths: central differences and torch.autograd. Sizes differ throughout."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

import tensorgrad as tg
from tensorgrad import F, numeric
from tensorgrad.calculus import differentiate, expand
from tensorgrad.calculus.blocks import SERIES
from tensorgrad.calculus.leaves import leaves
from tensorgrad.errors import EdgeError, RuleError, UnsupportedError
from tensorgrad.function import FUNCTIONS, PLACES
from tensorgrad.notation import parse, parse_claim
from tensorgrad.numeric import evaluate, finite_gradient, sample
from tensorgrad.numeric.differences import Differences
from tensorgrad.rule import RuleSet, check
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import (
    Apply,
    Delta,
    Derivative,
    Expectation,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
    add,
    align,
    power,
    walk,
)

DIMS = {"n": 3, "m": 2, "k": 4, "r": 5, "b": 2, "h": 1}
LET = (
    "A : n m ; X : m k ; W : k r ; Y : m r ; B C : n n ; T : b n m ; D : b n n ; x u : n ; y : n positive ; z : m ; "
    "q : 3 ; t : scalar ; s : scalar positive ; p : scalar integer positive ; f g : function ; F : function(n) ; "
    "P : n n pd ; S : n n symmetric ; Q : n n orthogonal"
)


def values_of(t: Tensor, seed: int = 0, dims: dict[str, int] | None = None) -> dict[str, Any]:
    functions = {n.function.name: n.function for n in walk(t) if isinstance(n, Apply) and not n.function.known}
    return sample(t.variables, functions, (), dims or DIMS, np.random.default_rng(seed))


def agrees(t: Tensor, conditions: tuple[Any, ...] = (), tolerance: float = 1e-5) -> Tensor:
    """Expand, compare with central differences edge by edge, and give the expansion back.

    Of a derivative of a derivative only the outer one is by differences; the tests of gradients are for the inner one.
    """
    result = expand(t, None, conditions)
    assert not any(isinstance(node, Derivative) for node in walk(result))
    assert (result.edges, result.dims) == (t.edges, t.dims)
    values = values_of(t)
    if isinstance(t, Derivative):
        wanted = finite_gradient(expand(t.tensor, None, conditions), t.variable, values, DIMS)
    else:
        wanted = Differences(values, DIMS).evaluate(t)
    got = evaluate(result, values, DIMS)
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    return result


ELEMENTWISE = sorted(name for name, f in FUNCTIONS.items() if f.acts == (0,))
POINTS = np.array([-2.3, -0.7, 0.4, 1.9])


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_elementwise_functions_differentiate_to_any_order(name: str, times: int) -> None:
    x = Variable("x", i="n")
    point = np.abs(POINTS) if FUNCTIONS[name].domain else POINTS
    t: Tensor = Apply(FUNCTIONS[name], (x,))
    for _ in range(times - 1):
        t = expand(Product((Derivative(t, x, ("j",)), Delta("n", "i", "j")), ("i",)))
    wanted = finite_gradient(t, x, {"x": point}, {"n": 4})
    got = expand(Derivative(t, x, ("j",)))
    np.testing.assert_allclose(evaluate(got, {"x": point}, {"n": 4}), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_derivative_functions_of_known_functions_are_written_out(name: str) -> None:
    x = parse("X", let="X : m k positive")
    for times in (1, 2):
        function = FUNCTIONS[name]
        for _ in range(times):
            function = function.differentiate()
        written = Apply(function, (x,))
        result = expand(written)
        assert result.edges == written.edges
        assert all(n.function.derivative < 2 for n in walk(result) if isinstance(n, Apply))
        values = values_of(x)
        np.testing.assert_allclose(
            evaluate(result, values, DIMS), evaluate(written, values, DIMS), rtol=1e-9, atol=1e-12
        )


def test_every_function_has_a_rule_or_says_what_is_missing() -> None:
    base = leaves()
    covered = {name for name, order, _ in base.jacobians if not order}
    assert {name for name, f in FUNCTIONS.items() if f.acts} - covered == SERIES | PLACES | {"rank"}
    assert set(base.traces) == SERIES | {"eigvals"}
    assert {("pow", 0, 0), ("pow", 0, 1)} <= set(base.jacobians)


def test_transposed_gradients_are_refuted() -> None:
    for text in ("grad(det(A), A) => adj(A)", "grad(logdet(A), A) => inv(A)"):
        wrong = RuleSet.from_text(f"let A : n n\nwrong  {text}")
        assert check(wrong["wrong"], effort=1).status == "refuted"


GRADIENTS = [
    "grad(norm2(X @ W - Y), W)",
    "grad(norm2(X @ W - Y), X)",
    "grad(tr(A.T @ B @ A), A)",
    "grad(tr(A.T @ B @ A), B)",
    "grad(x @ B @ x, x)",
    "grad(B @ x, x)",
    "grad(B @ x, B)",
    "grad(x @ B @ x, B)",
    "grad(exp(x) * x, x)",
    "grad(exp(B @ C), B)",
    "grad(sum(f(B @ g(x))), x)",
    "grad(F(B @ f(x)), x)",
    "grad(softmax(x), x)",
    "grad(softmax(B @ C), C)",
    "grad(log_softmax(A), A)",
    "grad(logsumexp(A), A)",
    "grad(softmax(A.T), A)",
    "grad(inv(B), B)",
    "grad(tr(inv(B + C)), B)",
    "grad(inv(B + t * C), t)",
    "grad(det(B), B)",
    "grad(logdet(B @ C), C)",
    "grad(log(abs(det(B))), B)",
    "grad(det(inv(B)), B)",
    "grad(norm(x - u), x)",
    "grad((x - u) / norm(x - u), x)",
    "grad(x / (1 + x @ x), x)",
    "grad(1 / y, y)",
    "grad(y ** s, y)",
    "grad(y ** s, s)",
    "grad(s ** y, s)",
    "grad(s ** y, y)",
    "grad(y ** y, y)",
    "grad(s ** s, s)",
    "grad(x ** 3, x)",
    "grad(y ** (1/3), y)",
    "grad(det(matpow(B, p)), B)",
    "grad(tr(matpow(B, p)), B)",
    "grad(tr(matpow(B @ C, p)), C)",
    "grad(matpow(B, 3), B)",
    "grad(matpow(B, -2), B)",
    "grad(tr(expm(B) * 3 + C), B)",
    "grad(tr(expm(B @ C)), C)",
    "grad(tr(expm(t * C)), t)",
    "grad(tr(logm(P)), P)",
    "grad(tr(sqrtm(P)), P)",
    "grad(sum(gelu(x)), x)",
    "grad(max(x) * u, u)",
    "grad(diag(x), x)",
    "grad(diag(B), B)",
    "grad(tr(B) * tr(B), B)",
    "grad(tr(kron(C, B)), B)",
    "grad(kron(x, u), x)",
    "grad(kron(B, A), A)",
    "grad(vec(A), A)",
    "grad(outer(x, x) @ x, x)",
    "grad(sum(X) * z, X)",
    "grad(mean(A), A)",
    "grad(mean(A ** 2, 0), A)",
    "grad(power(x + t * u, 3), t)",
    "grad(x * t, t)",
    "grad(x * t, x)",
    "grad(B + t, t)",
    "grad(t * I[n], t)",
    "grad(sum(X, 1), X)",
    "grad(n * x, x)",
    "grad(A @ X, A)",
    "grad(commutation[n, m] @ vec(A), A)",
    "grad(khatri_rao(A, A), A)",
    "grad(unvec(kron(x, z), n, m), z)",
]


@pytest.mark.parametrize("text", GRADIENTS)
def test_gradients(text: str) -> None:
    agrees(parse(text, LET))


NAMED = [
    "grad(sum[j](f(B @ C)[i, j]), B[k, l])",
    "grad(B[i, i], B[k, l])",
    "grad(B[i, i] * x[i], B[k, l])",
    "grad(softmax[i](T[b, i, j]), T[c, k, l])",
    "grad(logsumexp[i](T[b, i, j] * x[i]), x[k])",
    "grad(det(mat[i, j](sum[b](D[b, i, j]))), D[b, k, l])",
    "grad(inv(mat[i, j](B[i, j] + delta[i, j]))[k, l], B[i, j])",
    "grad(x[i] * x[j] * x[k] * delta[i, j, k], x[l])",
    "grad(x[i] * u[i], x[k])",
    "grad(sum[i](x[i] * u[i] * B[i, j]), x[i])",
    "grad(sum[j](x[j] * B[j, k]) * x[i], x[j])",
    "grad(sum[j, k](conv[i, j, k] * z[k] * f(z[j])), z[l])",
    "grad(sum[i, j](flat[h, i, j] * x[i] * z[j]), z[l])",
    "grad(sum[i, j](lc[i, j, k] * f(q[i]) * q[j]), q[l])",
    "grad(e[1, n][i] * exp(x[i]), x[k])",
    "grad(max[i](B[i, j]) * f(x[j]), x[k])",
]


@pytest.mark.parametrize("text", NAMED)
def test_gradients_with_named_edges_and_batches(text: str) -> None:
    agrees(parse(text, LET))


COMPOSITES = [
    "grad(log(softmax(x)), x)",
    "grad(y[i] * log(softmax(x)[i]), x[k])",
    "grad(log(softmax[i](T[b, i, j])) * z[j], T[c, k, l])",
    "grad(log(softmax(B @ x)) @ softmax(B @ x), x)",
    "grad(log(sigmoid(x)) * u, x)",
    "grad(log(abs(x * u)), x)",
    "grad(log(det(P @ P)), P)",
    "grad(sqrt(y) ** 2 * u, y)",
    "grad(norm(B @ x) ** 2, x)",
    "grad(det(matpow(B.T @ C, p)), B)",
]


@pytest.mark.parametrize("text", COMPOSITES)
def test_functions_of_functions_with_rules_of_their_own(text: str) -> None:
    agrees(parse(text, LET))


def test_composite_rules_avoid_dividing_by_what_may_be_zero() -> None:
    squared = expand(parse("grad(norm(x) ** 2, x)", LET))
    np.testing.assert_array_equal(evaluate(squared, {"x": np.zeros(3)}), np.zeros(3))
    hessian = expand(parse("hess(-(y @ log(softmax(x))), x)", LET))
    far = evaluate(hessian, {"x": np.array([0.0, 800.0, -800.0]), "y": np.ones(3)})
    assert np.isfinite(far).all()


HESSIANS = [
    "hess(x @ B @ x, x)",
    "hess((x @ B @ x) ** 2, x)",
    "hess(sum(f(B @ g(x))), x)",
    "hess(F(B @ f(x)), x)",
    "hess(-(y @ log(softmax(x))), x)",
    "hess(logsumexp(B @ x), x)",
    "hess(norm(x - u), x)",
    "hess(tr(inv(B)), B)",
    "hess(logdet(B), B)",
    "hess(s ** s, s)",
    "hess(sum(gelu(x) * erf(x)), x)",
    "hess(norm2(softmax(A)), A)",
    "hess(F(F(x) * x), x)",
]


@pytest.mark.parametrize("text", HESSIANS)
def test_hessians_are_right_and_symmetric(text: str) -> None:
    t = parse(text, LET)
    result = agrees(t, tolerance=2e-4)
    half = t.order // 2
    value = evaluate(result, values_of(t, 1), DIMS)
    flat = value.reshape(int(np.prod(value.shape[:half], dtype=int)), -1)
    np.testing.assert_allclose(flat, flat.T, rtol=1e-8, atol=1e-10)


def test_third_derivatives_and_derivatives_inside_expressions() -> None:
    agrees(parse("grad(hess(sum(f(x)) * t ** 2, x), t)", LET), tolerance=2e-3)
    agrees(parse("grad(grad(sum(exp(x) * u), x) @ f(u), u) + x", LET), tolerance=2e-4)
    agrees(parse("grad(norm2(grad(x @ B @ x, x)), x)", LET), tolerance=2e-4)
    agrees(parse("d(f)(x) + grad(sum(d(f)(x) * d(tanh)(x)), x)", LET))


# Edges are names.


def test_new_edges_come_last_under_the_names_given() -> None:
    A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    assert expand(Derivative(A @ x, A, {"i": "p", "j": "q"})).edges == ("i", "p", "q")
    assert differentiate(A @ x, x, ["new"]).edges == ("i", "new")
    assert expand(Derivative(A, A)).edges == ("i", "j", "i_", "j_")


def test_new_names_are_not_captured_by_summed_edges() -> None:
    A, x, u = Variable("A", i="n", j="m"), Variable("x", j="m"), Variable("u", i="n")
    inner = Product((A, x), ("i",))
    t = Product((inner, Apply(FUNCTIONS["sin"], (inner,)), u), ())
    for names in (("i", "j"), ("j", "i"), ("_1", "_2"), ("_2", "i")):
        agrees(Derivative(t, A, names))
        agrees(Derivative(inner.rename(i="_1"), A, ("j", "_2")))


def test_a_factor_that_carries_an_edge_alone_leaves_an_identity() -> None:
    x, y = Variable("x", i="n"), Variable("y", i="n")
    assert expand(Derivative(x, x, ("k",))) == Delta("n", "i", "k")
    result = expand(Derivative(x * y, x, ("k",)))
    assert result == Product((y, Delta("n", "i", "k")), ("i", "k"))


def test_broadcast_edges_are_summed_back() -> None:
    X, b = Variable("X", i="n", j="m"), Variable("b", j="m")
    agrees(Derivative(Product((power(add([X, b], [Fraction(1), Fraction(-2)]), 3),), ()), b))
    agrees(Derivative(Apply(FUNCTIONS["pow"], (Apply(FUNCTIONS["exp"], (X,)), b)), b))
    agrees(Derivative(Product((X, Delta("k", "l"), b), ("i", "l")), b, ("q",)))


def test_grouped_axes_of_matrix_functions() -> None:
    dims = {"a": 2, "b": 3, "n": 2}
    M = Variable("M", p="a", q="b", r="b", s="a", t="n")
    groups = ((("p", "q"), ("r", "s")),)
    inverse = Apply(FUNCTIONS["inv"], (M,), groups, (("r", "s"), ("p", "q")))
    determinant = Apply(FUNCTIONS["det"], (M,), groups)
    sums = Apply(FUNCTIONS["logsumexp"], (M,), ((("p", "q"),),))
    soft = Apply(FUNCTIONS["softmax"], (M,), ((("p", "q"),),), (("q_", "p_"),))
    value = {"M": np.random.default_rng(0).normal(size=(2, 3, 3, 2, 2))}
    for t in (inverse, determinant, sums):
        result = expand(Derivative(t, M, ("v", "w", "x", "y", "z")))
        np.testing.assert_allclose(
            evaluate(result, value, dims), finite_gradient(t, M, value, dims), rtol=1e-5, atol=1e-6
        )
    assert soft.sizes["q_"] is M.sizes["p"]
    result = expand(Derivative(soft, M, ("v", "w", "x", "y", "z")))
    np.testing.assert_allclose(
        evaluate(result, value, dims), finite_gradient(soft, M, value, dims), rtol=1e-5, atol=1e-6
    )


def test_traces_of_grouped_matrix_functions() -> None:
    dims = {"a": 2, "b": 3}
    M = Variable("M", p="a", q="b", r="a", s="b")
    value = np.random.default_rng(1).normal(size=(2, 3, 2, 3)) / 2
    matrix = value.reshape(6, 6)
    for name, wanted in (("expm", expm(matrix).T), ("matpow", 2 * matrix.T)):
        more = (Scalar(Poly.symbol("a")),) if name == "matpow" else ()
        acted = ((("p", "q"), ("r", "s")), *((),) * len(more))
        t = Product(
            (Apply(FUNCTIONS[name], (M, *more), acted, acted[0]), Delta("a", "p", "r"), Delta("b", "q", "s")), ()
        )
        result = evaluate(expand(Derivative(t, M)), {"M": value}, dims)
        np.testing.assert_allclose(result.reshape(6, 6), wanted, rtol=1e-9, atol=1e-11)


# Facts of variables are set aside.


@pytest.mark.parametrize("name", ["S", "Q", "P"])
def test_entries_are_independent_whatever_the_facts(name: str) -> None:
    agrees(parse(f"grad(x @ {name} @ u, {name})", LET))
    agrees(parse(f"grad(norm2({name} @ x), {name})", LET))
    result = expand(parse(f"grad(x @ {name} @ u, {name})", LET))
    assert {v.name for v in result.variables} == {"x", "u"}


# Results are compact.


def test_the_residual_of_least_squares_is_kept_and_shared() -> None:
    X, Y, W = Variable("X", b="b", x="x"), Variable("Y", b="b", y="y"), Variable("W", x="x", y="y")
    error = X @ W - Y
    result = expand(Derivative(error @ error, W))
    assert isinstance(result, Sum)
    assert result.weights == (2,)
    (product,) = result.terms
    assert isinstance(product, Product)
    assert len(product.factors) == 2
    assert product.factors[0] is X
    assert any(node is error for node in walk(result))
    assert sum(isinstance(node, Product) for node in walk(result)) == 2


def test_a_cotangent_goes_through_a_softmax_without_its_jacobian() -> None:
    result = expand(parse("grad(norm2(softmax(B @ x)), x)", LET))
    assert all(isinstance(node, Variable | Rename) for node in walk(result) if node.order > 1)
    assert {node.function.name for node in walk(result) if isinstance(node, Apply)} == {"softmax"}


def test_applications_are_reused() -> None:
    x, B = Variable("x", i="n"), Variable("B", i="n", j="n")
    for name in ("exp", "softmax", "tanh", "sigmoid", "sqrt"):
        acted, produced = ((("i",),), (("i",),)) if name == "softmax" else ((), ())
        t = Apply(FUNCTIONS[name], (x,), (acted,), produced)
        result = expand(Derivative(t, x))
        assert [n for n in walk(result) if isinstance(n, Apply) and n.function.name == name] == [t]
    inverse = Apply(FUNCTIONS["inv"], (B,), ((("i",), ("j",)),), (("i",), ("j",)))
    result = expand(Derivative(inverse, B))
    assert [n for n in walk(result) if isinstance(n, Apply)] == [inverse]


def test_zero_parts_are_dropped() -> None:
    x, y, t = Variable("x", i="n"), Variable("y", i="n"), Variable("t")
    result = expand(Derivative(x * y + y, x))
    assert {v.name for v in result.variables} == {"y"}
    assert not any(isinstance(n, Zero) for n in walk(result))
    assert isinstance(expand(Derivative(y, x, ("k",))), Zero)
    assert isinstance(expand(Derivative(Apply(FUNCTIONS["step"], (x,)), x)), Zero)
    assert isinstance(expand(Derivative(x * y - x * y, x)), Sum | Zero)
    assert expand(Derivative(t, t)) == Scalar(ONE)


def nodes(t: Tensor) -> int:
    return sum(1 for _ in walk(t))


def test_deep_and_wide_expressions_stay_linear() -> None:
    x, A = Variable("x", i="n"), Variable("A", i="n", j="n")
    chain: Tensor = x
    product: Tensor = x
    for _ in range(2000):
        chain = Apply(FUNCTIONS["sin"], (chain,))
        product = Product((A, Rename(product, ("j",))), ("i",))
    assert nodes(expand(Derivative(Product((chain,), ()), x))) < 4 * nodes(chain)
    assert nodes(expand(Derivative(chain, x))) < 4 * nodes(chain)
    assert nodes(expand(Derivative(Product((product,), ()), A))) < 8 * nodes(product)
    wide = Sum(
        tuple(Apply(FUNCTIONS["sin"], (Sum((x,), (Fraction(k),)),)) for k in range(1, 1001)), (Fraction(1),) * 1000
    )
    assert nodes(expand(Derivative(Product((wide,), ()), x))) < 4 * nodes(wide)


def test_shared_parts_are_differentiated_once() -> None:
    x = Variable("x", i="n")
    t: Tensor = x
    for _ in range(40):
        t = t * t
    assert nodes(expand(Derivative(Product((t,), ()), x))) < 200
    assert nodes(expand(Derivative(Derivative(Product((t,), ()), x), x))) < 1000


def test_equal_input_gives_equal_output() -> None:
    text = "hess(F(B @ f(x)) * norm2(softmax(x)), x)"
    assert repr(expand(parse(text, LET))) == repr(expand(parse(text, LET)))


# The rules are data.


def test_rules_may_be_given() -> None:
    t = parse("grad(sum(exp(x)), x)", LET)
    with pytest.raises(UnsupportedError, match=r"the derivative of exp: rules/derivatives.rules has no line for it"):
        expand(t, RuleSet())
    mine = RuleSet.from_text("let x : scalar\nmine  d(exp)(x) => 7 * x\nother  exp(2 * x) = exp(x) ** 2")
    assert expand(t, mine) == parse("7 * x", LET)


def test_a_line_that_is_no_leaf_derivative_is_refused() -> None:
    for text, why in (
        ("grad(x @ x, x) => 2 * x", "is the gradient of no function application"),
        ("grad(softmax(x + x), x)[i, j] => softmax(x)[i] * softmax(x)[j]", "is not exactly one argument of softmax"),
    ):
        with pytest.raises(RuleError, match=why):
            leaves([parse_claim(text, "x : n")])


# Functions of a matrix that are power series, through block matrices: any place, any order, batches.


@pytest.mark.parametrize(
    "name", ["expm", *(pytest.param(name, marks=pytest.mark.slow) for name in ("logm", "sqrtm", "matpow"))]
)
@pytest.mark.parametrize(
    "text",
    [
        "grad(f(B), B)",
        "grad(sum(f(B) * C), B)",
        "grad(f(s * B), s)",
        "grad(grad(f(s * B), s), s)",
        "hess(sum(f(B) * C), B)",
        "grad(grad(tr(f(B)), B), B)",
        "grad(f(s * B) @ x, s)",
        "grad(sum[k](f[i, j](B[i, j] * (2 + u[k] ** 2))), u[z])",
    ],
)
def test_series_of_matrices(name: str, text: str) -> None:
    written = text.replace("f(", f"{name}(").replace("f[i, j](", f"{name}[i, j](")
    if name == "matpow":
        for inside in ("B[i, j] * (2 + u[k] ** 2)", "(s * B", "(B"):
            written = written.replace(f"{inside})", f"{inside}, p)")
    t = parse(written, "B C : n n ; x : n ; u : m ; s : scalar ; p : scalar integer positive")
    rng = np.random.default_rng(1)
    values = {
        "B": rng.normal(size=(3, 3)) / 3 + 2 * np.eye(3),
        "C": rng.normal(size=(3, 3)),
        "x": rng.normal(size=3),
        "u": rng.normal(size=2),
        "s": np.asarray(0.8),
        "p": np.asarray(3.0),
    }
    assert isinstance(t, Derivative)
    expected = finite_gradient(expand(t.tensor), t.variable, values)
    np.testing.assert_allclose(numeric.evaluate(expand(t), values), expected, rtol=1e-5, atol=1e-6)
    if name != "matpow":
        np.testing.assert_allclose(tg.evaluate(t, values).numpy(), expected, rtol=1e-5, atol=1e-6)


# Unknown functions of several arguments, of matrices, with edges of their own.


def test_mixed_derivatives_of_unknown_functions_are_symmetric() -> None:
    X, W, b = Variable("X", i="n", j="m"), Variable("W", j="m", k="k"), Variable("b", i="n")
    f = tg.function("f", {"o": 4}, (X, "j"), (W, "j", "k"), (b,))
    for first, second in ((X, W), (X, b), (W, b), (W, W), (X, X), (b, b)):
        one = f.grad(first, [f"{e}1" for e in first.edges]).grad(second, [f"{e}2" for e in second.edges])
        other = f.grad(second, [f"{e}2" for e in second.edges]).grad(first, [f"{e}1" for e in first.edges])
        assert one == other
    assert f.grad(X).grad(W).grad(b).simplify() == f.grad(X).grad(W).grad(b)


def test_unknown_functions_against_differences_and_torch() -> None:
    X, W, b = Variable("X", i="n", j="m"), Variable("W", j="m", k="k"), Variable("b", i="n")
    f = tg.function("f", {"o": 4}, (X * b, "j"), (W, "j", "k"), (F.sin(b),))
    rng = np.random.default_rng(3)
    values = {"X": rng.normal(size=(3, 2)), "W": rng.normal(size=(2, 5)), "b": rng.normal(size=3)}
    smooth = {**values, "f": numeric.SmoothMap(7)}

    def of_torch(x: torch.Tensor, w: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.sin(k * s + (x @ w).sum()) * (w**2).sum() * x[0] for k in range(4)])

    def whole(x: torch.Tensor, w: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return torch.stack([of_torch(x[i] * c[i], w, torch.sin(c[i])) for i in range(3)])

    tensors = [torch.tensor(values[k]) for k in ("X", "W", "b")]
    for place, variable in enumerate((X, W, b)):
        gradient = f.grad(variable)
        np.testing.assert_allclose(
            numeric.evaluate(expand(gradient), smooth), numeric.finite_gradient(f, variable, smooth), atol=1e-7
        )
        found = tg.evaluate(gradient, {**values, "f": of_torch})
        np.testing.assert_allclose(found.numpy(), torch.func.jacrev(whole, place)(*tensors).numpy(), atol=1e-9)
    mixed = tg.evaluate(f.grad(W).grad(b), {**values, "f": of_torch})
    expected = torch.func.jacrev(torch.func.jacrev(whole, 1), 2)(*tensors)
    np.testing.assert_allclose(mixed.numpy(), expected.numpy(), atol=1e-9)


# What has no derivative says so.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grad(argmax(x), x)", "the derivative of argmax: it jumps from one position to another"),
        ("grad(tr(matpow(B, p)), p)", "the derivative of matpow in its argument 2; keep that one constant"),
        ("grad(det(matpow(B, p)), p)", "the derivative of matpow in its argument 2"),
    ],
)
def test_unsupported_derivatives(text: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        expand(parse(text, LET))


def test_unit_vectors_and_expectations_that_do_not_depend_are_constants() -> None:
    x, k = Variable("x", i="n"), Variable("k")
    unit = Unit(k, x.dims[0], ("i",))
    assert expand(Derivative(x @ unit, x)) == unit
    with pytest.raises(UnsupportedError, match="unit vector"):
        expand(Derivative(x @ unit, k))
    u = Variable("u", i="n")
    mean = Expectation.of("E", (u,), u, None, u.edges, u.dims)
    assert expand(Derivative(x @ mean, x)) == mean


def test_one_name_with_two_sizes_is_an_error() -> None:
    with pytest.raises(EdgeError, match="x occurs with sizes"):
        expand(Derivative(Variable("x", i="n"), Variable("x", i="m"), ("j",)))


def test_the_second_derivative_of_det_needs_an_invertible_argument() -> None:
    agrees(parse("hess(det(X), X)", "X : n n invertible"), tolerance=1e-4)
    claim = parse_claim("grad(grad(det(B + t * C), t), t) = 0", LET, "invertible(B + t * C)")
    agrees(claim.left, claim.conditions, tolerance=1e-4)


# Against torch.


def test_a_network_against_autograd() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    shapes = {"X": (4, 3), "V": (3, 5), "W": (5, 2), "Y": (4, 2)}
    values = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    text = "-sum(Y * log_softmax(tanh(X @ V) @ W)) + norm(W) * logsumexp(sum(softmax(X @ V @ W), 0))"
    let = "X : b x ; V : x h ; W : h y ; Y : b y"

    def loss(X: Any, V: Any, W: Any, Y: Any) -> Any:
        entropy = -(Y * torch.log_softmax(torch.tanh(X @ V) @ W, -1)).sum()
        return entropy + W.norm() * torch.logsumexp(torch.softmax(X @ V @ W, -1).sum(0), -1)

    leaf = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    loss(**leaf).backward()
    for name in shapes:
        result = expand(parse(f"grad({text}, {name})", let))
        np.testing.assert_allclose(evaluate(result, values), leaf[name].grad.numpy(), rtol=1e-9, atol=1e-11)
    wanted = torch.autograd.functional.hessian(lambda W: loss(**{**leaf, "W": W}), leaf["W"].detach())
    np.testing.assert_allclose(
        evaluate(expand(parse(f"hess({text}, W)", let)), values), wanted.numpy(), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize(
    "name", ["inv", "det", "logdet", "softmax", "log_softmax", "logsumexp", "erf", "gelu", "sigmoid"]
)
def test_functions_against_autograd_in_batches(name: str) -> None:
    torch = pytest.importorskip("torch")
    M = Variable("M", b="b", i="n", j="n", c="c")
    function = FUNCTIONS[name]
    acted = (("i",), ("j",))[: function.acts[0]]
    produced = (("i",), ("j",))[: len(function.produces)]
    t = Apply(function, (M,), (acted,), produced)
    value = np.random.default_rng(4).normal(size=(2, 3, 3, 1))
    result = expand(Derivative(t, M, ("b_", "i_", "j_", "c_")))

    def acting(x: Any) -> Any:
        known: dict[str, Callable[[Any], Any]] = {
            "inv": torch.linalg.inv,
            "det": torch.linalg.det,
            "logdet": lambda a: torch.linalg.slogdet(a)[1],
            "softmax": lambda a: torch.softmax(a, 1),
            "log_softmax": lambda a: torch.log_softmax(a, 1),
            "logsumexp": lambda a: torch.logsumexp(a, 1),
            "gelu": torch.nn.functional.gelu,
        }
        if function.acts[0] == 2:
            y = known[name](x.permute(0, 3, 1, 2))
            return y.permute(0, 2, 3, 1) if y.ndim == 4 else y
        return known[name](x) if name in known else getattr(torch, name)(x)

    wanted = torch.autograd.functional.jacobian(acting, torch.tensor(value)).numpy()
    natural = {"inv": "bijc", "det": "bc", "logdet": "bc", "logsumexp": "bjc"}.get(name, "bijc")
    aligned = align(result, (*natural, "b_", "i_", "j_", "c_"))
    np.testing.assert_allclose(evaluate(aligned, {"M": value}), wanted, rtol=1e-8, atol=1e-10)


# Random expressions.

EDGES = {"i": ("n", 2), "j": ("m", 3), "k": ("n", 2), "h": ("h", 1)}
SIZES = {"n": 2, "m": 3, "h": 1}


def random_expression(rng: Random) -> Tensor:
    pool: list[Tensor] = [
        Variable("a", i="n", j="m"),
        Variable("b", i="n", k="n"),
        Variable("c", j="m", h="h"),
        Variable("d"),
        Delta("n", "i", "k"),
        Delta("m", "j"),
    ]
    for _ in range(rng.randint(1, 9)):
        one, other = rng.choice(pool), rng.choice(pool)
        match rng.randint(0, 6):
            case 0 if set(one.edges) >= set(other.edges):
                made: Tensor = add([one, other], [Fraction(rng.choice([1, -1, 2])), Fraction(1, 2)])
            case 1 if one.order:
                acted = ((rng.choice(one.edges),),)
                name = rng.choice(["softmax", "logsumexp"])
                made = Apply(FUNCTIONS[name], (one,), (acted,), acted if name == "softmax" else ())
            case 2:
                made = Apply(FUNCTIONS[rng.choice(["sin", "tanh", "sigmoid", "softplus"])], (one,))
            case 3 if {"i", "k"} <= set(one.edges):
                shifted = add([one, Delta("n", "i", "k")], [Fraction(1, 4), Fraction(3)])
                made = Apply(FUNCTIONS["inv"], (shifted,), ((("k",), ("i",)),), (("i",), ("k",)))
            case 4 if ("i" in one.edges) != ("k" in one.edges):
                made = one.rename(i="k") if "i" in one.edges else one.rename(k="i")
            case 5:
                made = power(one, rng.choice([2, 3]))
            case _:
                names = list(dict.fromkeys((*one.edges, *other.edges)))
                made = Product((one, other), [e for e in names if rng.random() < 0.6])
        pool.append(made)
    return pool[-1]


@given(st.randoms(use_true_random=False), st.booleans())
def test_random_expressions(rng: Random, closed: bool) -> None:
    t = random_expression(rng)
    t = Product((t,), ()) if closed else t
    names = rng.sample(["i", "j", "k", "h", "_1", "_2", "p", "q", "r", "s"], 10)
    values = {
        name: np.random.default_rng(rng.randint(0, 99)).uniform(-1, 1, [SIZES[str(d)] for d in v.dims])
        for name, v in {v.name: v for v in t.variables}.items()
    }
    for variable in t.variables:
        new = [name for name in names if name not in t.edges][: variable.order]
        result = expand(Derivative(t, variable, new))
        wanted = finite_gradient(t, variable, values, SIZES)
        np.testing.assert_allclose(
            evaluate(result, values, SIZES), wanted, rtol=1e-5, atol=1e-6 * (1 + np.abs(wanted).max())
        )
        assert result.edges == (*t.edges, *new)
