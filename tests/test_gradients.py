"""Gradients as a user asks for them: of several variables, along a structure, times a vector, under substitution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import tensorgrad as tg
from tensorgrad import F
from tensorgrad.numeric import evaluate
from tensorgrad.tensor import Expectation, Product, with_children

RNG = np.random.default_rng(11)
n, m, k = tg.symbols("n m k")
X = tg.Variable("X", i=n, j=n)
B = tg.Variable("B", i=n, j=n)


def draw(*shape: int) -> torch.Tensor:
    return torch.tensor(RNG.normal(size=shape))


STRUCTURED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "symmetric": lambda p: torch.triu(p) + torch.triu(p, 1).T,
    "skew": lambda p: torch.triu(p, 1) - torch.triu(p, 1).T,
    "diagonal": lambda p: torch.diag(torch.diag(p)),
    "upper": torch.triu,
    "lower": torch.tril,
    "toeplitz": lambda p: torch.stack(
        [torch.stack([p[0, j - i] if j >= i else p[i - j, 0] for j in range(4)]) for i in range(4)]
    ),
    "symmetric toeplitz": lambda p: torch.stack([torch.stack([p[0, abs(j - i)] for j in range(4)]) for i in range(4)]),
}
"""How a matrix of each structure depends on its free parameters, which stand in the first row, the upper triangle, ..."""


@pytest.mark.parametrize("kind", STRUCTURED)
def test_gradients_along_a_structure(kind: str) -> None:
    made = STRUCTURED[kind]
    parameters, b = draw(4, 4), draw(4, 4)

    def loss(p: torch.Tensor) -> torch.Tensor:
        x = made(p)
        return (x * b).sum() + torch.trace(x @ x @ x)

    written = F.sum(X * B) + F.graph("X -j-i- Y -j-i- Z -j-i- X", X=X, Y=X, Z=X)
    gradient = tg.grad(written, X, structured=kind)
    found = tg.evaluate(gradient, {"X": made(parameters), "B": b})
    expected = torch.func.jacrev(loss)(parameters)
    free = expected != 0
    assert found[free].numpy() == pytest.approx(expected[free].numpy())
    assert found.numpy() == pytest.approx(made(found).numpy())  # tied entries agree


def test_pairs_of_axes_that_are_exchanged_move_together() -> None:
    C = tg.Variable("C", i=2, j=3, k=2, l=3, facts="symmetric(0 2, 1 3)")
    weights = tg.Variable("w", i=2, j=3, k=2, l=3)
    lower = draw(6, 6)
    values = {"C": (torch.tril(lower) + torch.tril(lower, -1).T).reshape(2, 3, 2, 3), "w": draw(2, 3, 2, 3)}

    def loss(entries: torch.Tensor) -> torch.Tensor:
        symmetric = torch.tril(entries) + torch.tril(entries, -1).T
        return (values["w"] * torch.sin(symmetric.reshape(2, 3, 2, 3))).sum()

    by_parameter = torch.func.jacrev(loss)(lower)
    expected = by_parameter + torch.tril(by_parameter, -1).T
    found = tg.evaluate(tg.grad(F.sum(weights * F.sin(C)), C, structured=True), values)
    assert found.reshape(6, 6).numpy() == pytest.approx(expected.numpy())


def test_a_structure_of_what_is_no_square_matrix() -> None:
    A, v = tg.Variable("A", i=n, j=m), tg.Variable("v", i=n)
    with pytest.raises(tg.FactError, match=r"A \(i=n, j=m\) cannot be symmetric: only a square matrix can"):
        tg.grad(F.sum(A), A, structured="symmetric")
    with pytest.raises(tg.FactError, match=r"v \(i=n\) cannot be skew"):
        tg.grad(F.sum(v), v, structured="skew")


def test_structure_comes_from_the_facts() -> None:
    S = tg.Variable("S", i=n, j=n, facts="symmetric")
    assert (
        F.sum(S * B).grad(S, structured=True).full_simplify()
        == tg.grad(F.sum(X * B), X, structured="symmetric").full_simplify()
    )
    assert F.sum(S * B).grad(S) == B
    C = tg.Variable("C", i=n, p=m, j=n, q=m).with_symmetries("i j")
    t = F.sum(C * tg.Variable("D", i=n, p=m, j=n, q=m))
    values = {"C": draw(3, 2, 3, 2), "D": draw(3, 2, 3, 2)}
    found = tg.evaluate(t.grad(C, structured=True), values)
    d, eye = values["D"], torch.eye(3)[:, None, :, None]
    assert found.numpy() == pytest.approx((d + d.permute(2, 1, 0, 3) - eye * d).numpy())


def test_what_is_no_linear_structure_says_so() -> None:
    Q = tg.Variable("Q", i=n, j=n, facts="orthogonal")
    with pytest.raises(tg.UnsupportedError, match="the structure of Q, which is orthogonal: only symmetric, skew"):
        F.sum(Q * B).grad(Q, structured=True)
    with pytest.raises(tg.FactError, match="structures are symmetric, skew, diagonal"):
        tg.grad(F.sum(X * B), X, structured="circulant")
    v = tg.Variable("v", i=n)
    with pytest.raises(tg.FactError, match="v has 1 edges: only a matrix is toeplitz"):
        tg.grad(v @ v, v, structured="toeplitz")


def layers(depth: int) -> tuple[tg.Tensor, list[tg.Variable]]:
    h: tg.Tensor = tg.Variable("x", b="b", h0="h0")
    weights = [tg.Variable(f"W{k}", edges={f"h{k}": f"h{k}", f"h{k + 1}": f"h{k + 1}"}) for k in range(depth)]
    for W in weights:
        h = F.tanh(h @ W)
    return F.sum(h * h), weights


def test_several_gradients_share_their_cotangents() -> None:
    loss, weights = layers(3)
    together = tg.grad(loss, weights)
    values = {"x": draw(2, 3), "W0": draw(3, 4), "W1": draw(4, 5), "W2": draw(5, 2)}

    def reference(*w: torch.Tensor) -> torch.Tensor:
        h = values["x"]
        for each in w:
            h = torch.tanh(h @ each)
        return (h * h).sum()

    expected = torch.func.jacrev(reference, (0, 1, 2))(*(values[f"W{k}"] for k in range(3)))
    for gradient, weight, value in zip(together, weights, expected, strict=True):
        assert gradient == loss.grad(weight)
        assert tg.evaluate(gradient, values).numpy() == pytest.approx(value.numpy())
    step = tg.compile(loss=loss, **{f"g{k}": g for k, g in enumerate(together)})
    assert step.source.count("torch.tanh") == 3
    assert tg.grad(loss, [tg.Variable("other", a=3)])[0].simplify() == tg.Zero(a=3)


def test_hessian_vector_products_form_no_hessian() -> None:
    x, A, v = tg.Variable("x", i=n), tg.Variable("A", i=n, j=n), tg.Variable("v", i=n)
    t = F.sum(F.exp(A @ x)) + F.logsumexp(x)
    product = tg.hvp(t, x, v)
    values = {"x": draw(4), "A": draw(4, 4), "v": draw(4)}
    hessian = tg.evaluate(t.grad(x, ["i"]).grad(x, ["k"]), values)
    assert tg.evaluate(product, values).numpy() == pytest.approx((hessian @ values["v"]).numpy())
    sizes = {"n": 1000}
    assert product.simplify(dims=sizes, seconds=3).cost(sizes).peak < 100_000
    with pytest.raises(tg.EdgeError, match="hvp is of a scalar"):
        tg.hvp(A @ x, x, v)
    with pytest.raises(tg.EdgeError, match="the direction of hvp has the edges i, j, x has i"):
        tg.hvp(t, x, A)


def test_substitution_takes_derivatives_first() -> None:
    x, y, z = (tg.Variable(name) for name in "xyz")
    assert (x * y).grad(y).substitute(x, y * z) == y * z  # the y that comes in was not differentiated
    assert (x**3).grad(x).substitute(x, y + 1) == 3 * (y + 1) ** 2
    assert (x**3).grad(x).substitute(x, x**2) == 3 * x**4
    assert (x * y).grad(y).grad(x).substitute(x, z) == tg.Tensor(1)
    a, b = tg.Variable("a", i=n), tg.Variable("b", i=n)
    assert F.exp(a * b).grad(a).substitute(a, b).simplify() == F.exp(b * b).grad(b).simplify() / 2
    with pytest.raises(tg.SizeError, match="cannot put a tensor of sizes"):
        a.substitute(a, tg.Variable("c", i=m))


def test_declared_symmetries_and_equations() -> None:
    T = tg.Variable("T", i=n, j=n, k=m).with_symmetries("i j, k")
    assert T.rename(i="j", j="i") == T
    with pytest.raises(tg.SizeError, match="T cannot be symmetric in i, k: their sizes are n, m"):
        T.with_symmetries("i k")
    with pytest.raises(tg.EdgeError, match="T has no edge 'q', it has i, j, k"):
        T.with_symmetries("i q")
    U = tg.Variable("U", i=n, j=m)
    U = U.with_eq_constraint(U @ U.rename(j="p"), tg.Delta(m, "j", "p"))
    assert (U @ U.rename(j="p")).simplify() == tg.Delta(m, "j", "p")
    assert F.sum(U * U).grad(U).simplify() == 2 * U  # entries are independent
    with pytest.raises(tg.EdgeError, match="an equation for U must contain it"):
        U.with_eq_constraint(X, X)
    with pytest.raises(tg.EdgeError, match="the sides of an equation for U have the edges"):
        U.with_eq_constraint(U, U.rename(j="p"))


def test_compiled_callables() -> None:
    x, A = tg.Variable("x", i=n), tg.Variable("A", i=n, j=m)
    values = {"x": draw(3), "A": draw(3, 2)}
    one = tg.compile_to_callable(A @ x)
    assert one(values).numpy() == pytest.approx(evaluate(A @ x, {k: v.numpy() for k, v in values.items()}))
    first, second = tg.compile_to_callable(A @ x, x * 2)(x=values["x"], A=values["A"])
    assert first.shape == (2,)
    assert second.numpy() == pytest.approx(2 * values["x"].numpy())
    import tensorgrad.extras as extras

    assert extras.compile_to_callable is tg.compile_to_callable
    assert extras.evaluate is tg.evaluate
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = extras.nothing


# Stability: right at inputs of size 1e3 in float32, as written and simplified.

BIG = torch.tensor([1000.0, -1000.0, 0.0, 999.0, -3.0])
x = tg.Variable("x", i=n)
STABLE: dict[str, tuple[tg.Tensor, Callable[[torch.Tensor], torch.Tensor]]] = {
    "softmax": (F.softmax(x), lambda t: torch.softmax(t, 0)),
    "log_softmax": (F.log_softmax(x), lambda t: torch.log_softmax(t, 0)),
    "log of softmax": (F.log(F.softmax(x)), lambda t: torch.log_softmax(t, 0)),
    "logsumexp": (F.logsumexp(x), lambda t: torch.logsumexp(t, 0)),
    "sigmoid": (F.sigmoid(x), torch.sigmoid),
    "softplus": (F.softplus(x), lambda t: t - torch.nn.functional.logsigmoid(t)),
    "cross entropy": (F.cross_entropy(x, x), lambda t: -(t * torch.log_softmax(t, 0)).sum()),
    "tanh": (F.tanh(x), torch.tanh),
    "softplus of a difference": (F.softplus(x) - F.softplus(-x), lambda t: t),
    "softmax of twice": (F.softmax(x * 2) * F.sigmoid(x), lambda t: torch.softmax(2 * t, 0) * torch.sigmoid(t)),
}


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", STABLE)
def test_stable_at_large_inputs(name: str, order: int, simplified: bool) -> None:
    t, reference = STABLE[name]
    for _ in range(order):
        t, reference = t.grad(x), torch.func.jacrev(reference)
    if name == "log of softmax" and not order and not simplified:
        return  # written so, it underflows; simplified it does not
    t = t.simplify(seconds=1) if simplified else t
    expected = reference(BIG.double())
    found = tg.evaluate(t, {"x": BIG}, {"n": 5})
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()
    scale = float(expected.abs().max().clamp(min=1))
    assert found.double().numpy() == pytest.approx(expected.numpy(), abs=1e-4 * scale, rel=1e-4)


@pytest.mark.parametrize(
    "text",
    ["softplus(-x)", "-softplus(-x)", "2 * softplus(-x)", "softplus(-x) * softplus(-x)", "sigmoid(x) * sigmoid(-x)"],
)
@pytest.mark.parametrize("dims", [{}, {"n": 2}])
def test_what_is_small_keeps_its_digits(text: str, dims: dict[str, int]) -> None:
    point = torch.tensor([20.0, 30.0])
    simplified = tg.simplify(tg.parse(text, let="x : n"), dims=dims).tensor
    expected = tg.evaluate(tg.parse(text, let="x : n"), {"x": point.double()})
    assert tg.evaluate(simplified, {"x": point}).double().numpy() == pytest.approx(expected.numpy(), rel=1e-5, abs=0)


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_logdet_of_large_matrices(order: int, simplified: bool) -> None:
    """det overflows float32 here; the log-determinant and its derivatives do not pass through it."""
    A = tg.Variable("A", i=n, j=n)
    t: tg.Tensor = F.logdet(A)
    a = torch.diag(torch.full((16,), 1e3)) + 10 * torch.tensor(RNG.normal(size=(16, 16)), dtype=torch.float32)

    def reference(value: torch.Tensor) -> torch.Tensor:
        return torch.linalg.slogdet(value)[1]

    for _ in range(order):
        t, reference = t.grad(A), torch.func.jacrev(reference)
    t = t.simplify(seconds=1) if simplified else t
    expected = reference(a.double())
    assert not torch.isfinite(torch.linalg.det(a))
    assert tg.evaluate(t, {"A": a}).double().numpy() == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-3 / 1e3**order)


def test_stable_forms_come_out_also_where_exponentials_are_shared() -> None:
    """exp(x) is needed anyway here, and with it log(sum(exp(x))) would cost less than logsumexp(x)."""
    t = F.logsumexp(x) * F.softmax(x) + F.exp(x / 1000)
    found = t.simplify(dims={"n": 5}, seconds=2)
    assert torch.isfinite(tg.evaluate(found, {"x": BIG})).all()
    assert str((F.exp(x) / F.sum(F.exp(x))).simplify()) == "softmax(x)"
    assert str(F.log(F.sum(F.exp(x))).simplify(dims={"n": 5})) == "logsumexp(x)"
    assert str(F.log(1 + F.exp(x)).simplify(dims={"n": 5})) == "softplus(x)"


def test_an_expectation_of_something_transposed_keeps_its_axes() -> None:
    """What stands in an expectation may have its edges in another order: they are read by name, derivatives too."""
    inner = tg.parse("outer(x, (A @ x) * b)", let="x b : n ; A : n n")
    A, x = (next(v for v in inner.variables if v.name == name) for name in "Ax")
    t = Expectation(inner, x)
    turned = with_children(t, (Product((inner,), inner.edges[::-1]), *t.children[1:]))
    assert turned == t
    assert turned.grad(A) == t.grad(A)
    assert tg.simplify(turned.grad(A)).tensor == tg.simplify(t.grad(A)).tensor
