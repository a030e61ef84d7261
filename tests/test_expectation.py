"""Expectations against quadrature (which shares no code with them), sizes distinct; their gradients against differences."""

from __future__ import annotations

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.calculus import expand
from tensorgrad.errors import EdgeError, FactError, SizeError, UnsupportedError, ValueMismatchError
from tensorgrad.notation import parse_claim
from tensorgrad.numeric import sample
from tensorgrad.numeric.differences import Differences
from tensorgrad.tensor import Apply, Delta, Derivative, Expectation, Tensor, Variable, walk

LET = (
    "x mu a b : n ; y : n ; A : n n ; B : m n ; H : n n symmetric ; S R : n n pd ; X M G : n m ; C : n m n m pd ; "
    "W : m k ; D : h n ; Q K : n 1 ; J : n 1 n 1 pd ; Z : h m ; z c : scalar ; "
    "v : scalar positive ; f : function ; F : function(n)"
)
NORMAL = "x ~ N(mu, S)"
MATRIX = "X ~ N(M, C)"
DIMS = {"n": 2, "m": 3, "k": 4, "h": 5}

CLOSED = [
    *((f"E[x]((x @ A @ x) ** {k})", NORMAL) for k in (1, 2, 3)),
    ("E[x](power(x, 4))", NORMAL),
    ("E[x]((B @ x) * sum(B @ x) * (x @ H @ x))", NORMAL),
    ("E[z](z ** 9 + z ** 8)", "z ~ N(c, v)"),
    ("Var[x](x @ A @ x)", NORMAL),
    ("Var[x](B @ x + B @ mu)", NORMAL),
    ("Cov[x](B @ x, D @ x * (x @ x))", NORMAL),
    ("Cov[x](x[i] * a[j], x[i] * b[j])", NORMAL),
    ("E[X](norm2(D @ X - Z))", MATRIX),
    ("E[X](D @ X @ X.T @ a)", MATRIX),
    ("E[X](tr(X @ X.T @ X @ X.T))", "X ~ N(zeros[n, m], C)"),
    ("E[x](E[y](x @ A @ y * (y @ x)))", "x ~ N(mu, S), y ~ N(a, R)"),
    ("E[x]((x + a) @ A @ (x + b))", "x ~ law(mu, S)"),
    ("E[x](power(x, 2))", "x ~ law(mu, S)"),
    ("E[x](power(x + b, 4))", "x ~ iid(c, v)"),
    ("Var[x](x @ A @ x)", "x ~ iid(0, v)"),
    ("E[x](moment(x, 5) * x)", "x ~ iid(c, v)"),
    ("E[x](sin(a @ x) * x)", NORMAL),
    ("E[x](cos(x) * (a @ x))", NORMAL),
    ("E[x](outer(exp(x), cos(B @ x + B @ b)))", NORMAL),
    ("E[x](exp(a @ x) * sin(b @ x) * x)", NORMAL),
    ("E[x](erf(B @ x + B @ mu))", NORMAL),
    ("E[x](sinh(a @ x) + cosh(x) @ x)", NORMAL),
    ("E[x](E[y](x @ A @ y))", "x ~ N(mu, S), y ~ N(A @ x, R)"),
    ("E[x](E[y](y @ A @ y) * (a @ x))", "x ~ N(mu, S), y ~ law(x, R)"),
    pytest.param("E[x](E[y](exp((a @ y + b @ x) / 4)))", "x ~ N(mu, S / 8), y ~ N(x, R / 8)", marks=pytest.mark.slow),
    ("E[Q](exp(a @ Q @ ones[1]) * sin(sum(Q)) * Q)", "Q ~ N(K, J)"),
]
OPEN = [
    ("E[x](power(x - E[x](x), 3))", ""),
    ("Var[x](A @ x)", ""),
    ("E[x](tanh(a @ x / 4) * x)", NORMAL),
    ("E[x](x * sign(a @ x) * (b @ x))", NORMAL),
    ("E[x](exp(a @ x) * softplus(b @ x))", NORMAL),
    ("E[x](cos(x @ x / 4) * (a @ x) ** 2)", NORMAL),
    ("E[x](x * F(x))", NORMAL),
    ("E[x](outer(x, x) * f(a @ x))", NORMAL),
    ("E[x](outer(tanh(x), relu(B @ x)))", NORMAL),
    ("E[x](power(x, 3))", "x ~ law(mu, S)"),
]
GRADIENTS = [
    ("grad(E[x](x @ A @ x), A)", NORMAL),
    ("grad(E[x](x @ H @ B.T @ B @ x), H)", NORMAL),
    ("grad(E[x](sin(a @ x)), a)", NORMAL),
    ("grad(E[x](sin(a @ x)), mu)", NORMAL),
    ("grad(E[x]((a @ x) ** 4), S)", NORMAL),
    ("grad(E[x](sin(a @ x)), S)", NORMAL),
    ("grad(sin(E[x](x @ A @ x)) * (mu @ x), mu)", NORMAL),
    ("grad(E[x]((a @ x) ** 3), v)", "x ~ N(mu, v * S)"),
    pytest.param("E[x](grad(sin(a @ x), x))", NORMAL, marks=pytest.mark.slow),
    ("grad(E[X](norm2(D @ X - Z)), D)", MATRIX),
    pytest.param("grad(E[X](norm2(D @ X - Z)), C)", MATRIX, marks=pytest.mark.slow),
    ("grad(Var[x](a @ x), S)", NORMAL),
    ("grad(E[z](relu(z)), c)", "z ~ N(c, v)"),
    ("grad(E[z](tanh(z) * z), v)", "z ~ N(c, v)"),
    ("grad(E[z](exp(z / 2) * cos(z)), v)", "z ~ N(c, v)"),
    ("grad(E[z](softplus(z)), c)", "z ~ N(c, v)"),
]


def value(t: Tensor, conditions: tuple[object, ...], of: Tensor) -> np.ndarray:
    functions = {n.function.name: n.function for n in walk(of) if isinstance(n, Apply) and not n.function.known}
    values = sample(of.variables, functions, conditions, DIMS, np.random.default_rng(3))  # type: ignore[arg-type]
    values |= {name: values[name] / 8 for name in ("S", "R", "J") if name in values}
    return Differences(values, DIMS).evaluate(t)


def agree(text: str, law: str, tolerance: float) -> Tensor:
    claim = parse_claim(f"{text} = {text}", LET, law)
    found = expand(claim.left, conditions=claim.conditions)
    names = found.edges
    expected = value(claim.left, claim.conditions, claim.left)
    got = value(found, claim.conditions, claim.left).transpose([names.index(e) for e in claim.left.edges])
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(expected).max())))
    return found


def opaque(t: Tensor) -> list[Expectation]:
    return [n for n in walk(t) if isinstance(n, Expectation)]


@pytest.mark.parametrize(("text", "law"), CLOSED)
def test_closed_forms_against_quadrature(text: str, law: str) -> None:
    assert all(e.law is not None and e.law.kind == "iid" for e in opaque(agree(text, law, 1e-8)))


@pytest.mark.parametrize(("text", "law"), OPEN)
def test_what_stays_opaque_against_quadrature(text: str, law: str) -> None:
    assert opaque(agree(text, law, 1e-5))


@pytest.mark.parametrize(("text", "law"), GRADIENTS)
def test_gradients_against_differences(text: str, law: str) -> None:
    agree(text, law, 1e-5)


def test_wick_merges_equal_pairings() -> None:
    # The pairings of six quadratic forms: products of tr((A Sigma)^k), words in A and its transpose.
    claim = parse_claim("E[x]((x @ H @ x) ** 6) = 0", LET, "x ~ N(zeros[n], S)")
    found = expand(claim.left, conditions=claim.conditions)
    assert isinstance(found, tg.Sum)
    assert len(found.terms) == 11  # the partitions of 6
    assert sum(found.weights) == 11 * 9 * 7 * 5 * 3  # every pairing once


def test_a_gradient_in_a_covariance_is_symmetric() -> None:
    claim = parse_claim("grad(E[x](x @ A @ x), S) = (A + A.T) / 2", LET, NORMAL)
    assert expand(claim.left, conditions=claim.conditions) == claim.right


def test_facts_do_not_reach_a_gradient() -> None:
    claim = parse_claim("grad(E[x](x @ H @ y), H)[i, j] = mu[i] * y[j]", LET, NORMAL)
    assert expand(claim.left, conditions=claim.conditions) == claim.right


def test_bare_covariance_is_symmetric_by_itself() -> None:
    claim = parse_claim("E[x](outer(x - mu, x - mu)) = T.T", "x mu : n ; T : n n", "x ~ law(mu, T)")
    assert tg.prove(claim).status == "proved"
    assert tg.prove("E[x](x @ x) = mu @ mu", let=LET, if_=NORMAL).status == "refuted"


# Closed forms that need facts, and integrands that must be simplified first: found by simplification.
NEEDED = [
    ("E[z](relu(z) + abs(z) * z)", "z ~ N(c, v)"),
    ("E[x](relu(x))", NORMAL),
    ("E[x](exp(-x @ R @ x / 2) * x)", NORMAL),
    ("E[z](exp(-z ** 2) * sin(z))", "z ~ N(c, v)"),
    ("E[z](abs(z) ** 4)", "z ~ N(c, v)"),
    ("E[x](step(a @ x) * x)", "x ~ N(mu, S), nonzero(a)"),
]


@pytest.mark.parametrize(("text", "law"), NEEDED)
def test_closed_forms_found_by_simplification(text: str, law: str) -> None:
    result = tg.simplify(text, let=LET, if_=law, verify=True)
    assert not result.integrals
    assert result.verified
    claim = parse_claim(f"{text} = {text}", LET, law)
    expected = value(claim.left, claim.conditions, claim.left)
    got = value(result.tensor, claim.conditions, claim.left)
    axes = [result.tensor.edges.index(e) for e in claim.left.edges]
    np.testing.assert_allclose(got.transpose(axes), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("text", ["E[x](tanh(a @ x))", "E[x](log(1 + x @ x))"])
def test_no_closed_form_is_said_and_priced(text: str) -> None:
    result = tg.simplify(text, let=LET, if_=NORMAL, dims={"n": 10})
    assert [str(t) for t in result.integrals]
    assert "no closed form is known of E[x]" in str(result)
    assert isinstance(result.after.flops, int)
    assert result.after.flops > 4096 * 10
    with pytest.raises(UnsupportedError, match="no closed form is known; simplify it first"):
        tg.compile(value=result.tensor)


def test_quadrature_divides_the_domain_at_kinks() -> None:
    rng = np.random.default_rng(0)
    S = np.asarray([[1.2, 0.3], [0.3, 0.8]])
    values = {"x": [0.0, 0.0], "mu": [0.3, -0.2], "S": S, "a": [0.5, -1.0], "b": [0.2, 0.7]}
    claim = parse_claim("E[x](abs(a @ x) * relu(b @ x + 1) * step(x)) = mu", LET, NORMAL)
    got = Differences(values, {"n": 2}).evaluate(claim.left)
    x = rng.multivariate_normal(values["mu"], S, 200_000)
    samples = (abs(x @ values["a"]) * np.maximum(x @ values["b"] + 1, 0))[:, None] * (x > 0)
    bound = 5 * samples.std(axis=0) / np.sqrt(len(x))
    assert (abs(samples.mean(axis=0) - got) < bound).all()


@pytest.mark.parametrize(
    ("law", "why"),
    [
        ("x ~ N(mu, A @ H)", "A @ H, is not symmetric in its two halves: exchanging them changes it"),
        ("x ~ N(mu, L)", "L is declared skew"),
        ("x ~ law(mu, I[n] + L)", r"I\[n\] \+ L, is not symmetric"),
        ("z ~ N(c, -2)", "the variance of z is -2, which is negative"),
    ],
)
def test_a_covariance_that_is_none_is_refused(law: str, why: str) -> None:
    with pytest.raises(FactError, match=why):
        tg.simplify("E[x](x)" if law[0] == "x" else "E[z](z)", let=f"{LET} ; L : n n skew", if_=law)


def test_a_covariance_may_be_symmetric_by_a_stated_fact() -> None:
    found = tg.simplify("E[x](outer(x, x))", let=LET, if_="x ~ N(zeros[n], A @ H), symmetric(A @ H)").tensor
    assert str(found) in ("A @ H", "H @ A.T")


def test_values_of_a_covariance_must_be_symmetric() -> None:
    x = tg.Variable("x", n)
    t = Expectation(x @ x, x, None, tg.Variable("S", n=n, k=n))
    assert float(tg.evaluate(t, {"S": [[1.0, 0.5], [0.5, 2.0]]})) == 3.0
    with pytest.raises(ValueMismatchError, match="the value of S is no covariance of x"):
        tg.evaluate(t, {"S": [[1.0, 0.5], [0.0, 2.0]]})
    with pytest.raises(
        ValueMismatchError, match="the value of S is no covariance of x: it has the negative variance -2"
    ):
        tg.evaluate(t, {"S": [[1.0, 0.5], [0.5, -2.0]]})
    z, v = tg.Variable("z"), tg.Variable("v")
    with pytest.raises(
        ValueMismatchError, match="the value of v is no covariance of z: it has the negative variance -1"
    ):
        tg.evaluate(Expectation(z * z, z, 0, v), {"v": -1.0})
    X = tg.Variable("X", i=1, j=2)
    turned = Expectation(tg.F.sum(X) ** 2, X, None, tg.Variable("C", l=2, i=1, k=1, j=2), {"i": "k", "j": "l"})
    assert float(tg.evaluate(turned, {"C": [[[[1.0, 0.5]]], [[[0.5, 2.0]]]]})) == 4.0
    with pytest.raises(ValueMismatchError, match="the value of C is no covariance of X: exchanging"):
        tg.evaluate(turned, {"C": [[[[1.0, 0.5]]], [[[0.0, 2.0]]]]})


n, m = tg.symbols("n m")


def test_python_api() -> None:
    x, mu = tg.Variable("x", n), tg.Variable("mu", n)
    covariance = tg.Variable("S", n=n, k=n)
    assert Expectation(x @ x, x).simplify() == tg.Delta(n)
    assert Expectation(x, x, mu).simplify() == mu
    given = Expectation(x * x.rename(n="j"), x, mu, covariance)
    assert given.simplify() == Expectation(x * x.rename(n="j"), x, mu, covariance, {"n": "k"}).simplify()
    assert Expectation.gaussian(x @ x, x, 2, 3).simplify() == 13 * tg.Tensor(n)


def test_a_covariance_may_have_its_edges_in_any_order() -> None:
    X, M, q = Variable("X", i=2, j=3), Variable("M", i=2, j=3), Variable("q", i=2, j=3)
    turned = Variable("C", l=3, i=2, k=2, j=3)
    second, rng = X.rename(i="k", j="l"), np.random.default_rng(5)
    root = rng.normal(size=(6, 6)) / 3
    covariance, mean, weights = (root @ root.T).reshape(2, 3, 2, 3), rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    values = {"M": mean, "C": covariance.transpose(3, 0, 2, 1), "q": weights}
    names = {"i": "k", "j": "l"}
    moment = tg.evaluate(Expectation(X * second, X, M, turned, names), values)
    assert moment.numpy() == pytest.approx(covariance + np.einsum("ij,kl->ijkl", mean, mean))
    wave = Expectation(tg.F.sin(tg.F.dot(X, q)), X, M, turned, names)
    spread = np.einsum("ijkl,ij,kl", covariance, weights, weights)
    slope = -np.sin((mean * weights).sum()) * np.exp(-spread / 2) / 2 * np.einsum("ij,kl->ijkl", weights, weights)
    assert tg.evaluate(wave.grad(turned), values).numpy() == pytest.approx(slope.transpose(3, 0, 2, 1))


def test_laws_may_be_said_of_a_tensor() -> None:
    t = tg.parse("E[x](x @ A @ x) + sum(Var[x](x))", let="A : n n ; x : n")
    found = tg.simplify(t, let="A S : n n ; x mu : n", if_="x ~ N(mu, S)").tensor
    assert found == tg.parse("tr(A @ S.T) + mu @ A @ mu + sum(S)", let="A S : n n ; mu : n")
    assert str(tg.simplify(t, if_="x ~ N(zeros[n], I[n])").tensor) == "tr(A) + n"


def test_bad_input() -> None:
    x, mu, long = tg.Variable("x", n), tg.Variable("mu", n), tg.Variable("mu", n=m)
    with pytest.raises(EdgeError, match="needs the edges n and a second copy of each, 2 in all; found n"):
        Expectation(x, x, mu, mu)
    with pytest.raises(
        SizeError, match=r"the edge 'n' has size n on one side, x \(n=n\), and m on the other, mu \(n=m\)"
    ):
        Expectation(x, x, long)
    with pytest.raises(SizeError, match="the covariance of x has size m on its edge 'k'"):
        Expectation(x, x, mu, tg.Variable("S", n=n, k=m))
    with pytest.raises(EdgeError, match="covar_names must give, for each edge of x"):
        Expectation(x, x, mu, tg.Variable("S", n=n, k=n), {"n": "j"})
    with pytest.raises(EdgeError, match="the mean of x has the edges k, x has n; rename them"):
        Expectation(x, x, tg.Variable("mu", k=n))
    with pytest.raises(EdgeError, match="the deviation of x has an edge 'k', x has n"):
        Expectation.gaussian(x, x, mu, tg.Variable("s", k=n))
    with pytest.raises(FactError, match="the law of x contains x itself"):
        expand(Expectation(x, x, x))
    claim = parse_claim("grad(E[x](relu(a @ x)), S) = S", LET, NORMAL)
    with pytest.raises(UnsupportedError, match="Price's theorem for relu of x"):
        expand(claim.left, conditions=claim.conditions)


def test_a_derivative_may_be_named_as_edges_inside_an_expectation_are() -> None:
    x, y = Variable("x", i="n"), Variable("y", i="n")
    inside = Expectation.gaussian(x * x * y, x, 1).rename(i="j")
    found = expand(Derivative(inside, y, ["i"]))
    assert found == 2 * Delta("n", "j", "i")


def test_a_squared_bias_is_kept_whole() -> None:
    """E[f @ g] of affine sums f, g is E[f] @ E[g] and a covariance, not four terms."""
    let = "A : m n; B : m n; a b : m; x mu : n; S : n n"
    for text, expected in {
        "E[x](norm2(A @ x - b))": "norm2(A @ mu - b) + tr(A @ S @ A.T)",
        "E[x]((A @ x + a) @ (B @ x + b))": "(A @ mu + a) @ (B @ mu + b) + tr(A @ S @ B.T)",
    }.items():
        t = tg.parse(text, let=let, if_="x ~ N(mu, S)")
        found = tg.full_simplify(t, expand=False)
        assert found == tg.parse(expected, let=let), str(found)
        assert len(str(found)) <= len(expected) + 4
        assert tg.full_simplify(t) == tg.full_simplify(tg.parse(expected, let=let))
    mixed = tg.parse("E[x]((A @ x + a) @ (B @ x))", let=let, if_="x ~ N(mu, S)")
    expected = tg.parse("(A @ mu + a) @ B @ mu + tr(A @ S @ B.T)", let=let)
    assert mixed.full_simplify() == expected.full_simplify()
