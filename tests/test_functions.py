"""F: every function has the value that NumPy gives, with edges chosen by name and sizes that differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp, softmax

import tensorgrad as tg
import tensorgrad.functions as F
from tensorgrad.numeric import evaluate

SIZES = {"n": 3, "m": 4, "k": 2}
RNG = np.random.default_rng(5)
X = tg.Variable("X", i="n", j="m")
T = tg.Variable("T", i="n", j="m", k="k")
A = tg.Variable("A", i="n", j="n")
v = tg.Variable("v", j="m")
b = tg.Variable("b", i="n")
VALUES = {
    "X": RNG.normal(size=(3, 4)),
    "T": RNG.normal(size=(3, 4, 2)),
    "A": RNG.normal(size=(3, 3)) + 3 * np.eye(3),
    "v": RNG.normal(size=4),
    "b": RNG.normal(size=3),
}
x, t, a, w, c = (VALUES[name] for name in ("X", "T", "A", "v", "b"))


def value(tensor: tg.Tensor, *edges: str) -> Any:
    """The value with axes in the order of `edges`."""
    assert set(tensor.edges) == set(edges)
    return evaluate(tensor, VALUES, SIZES).transpose([tensor.edges.index(e) for e in edges])


CASES: list[tuple[str, tg.Tensor, Any, str]] = [
    ("exp", F.exp(X), np.exp(x), "ij"),
    ("abs", F.abs(X), np.abs(x), "ij"),
    ("gt0", F.gt0(X), (x > 0) * 1.0, "ij"),
    ("gt", F.gt(X, v), (x > w) * 1.0, "ij"),
    ("maximum", F.maximum(X, v), np.maximum(x, w), "ij"),
    ("pow", F.pow(X, 3), x**3, "ij"),
    ("sum", F.sum(X), x.sum(), ""),
    ("sum over one", F.sum(X, "j"), x.sum(1), "i"),
    ("sum over two", F.sum(T, ["i", "k"]), t.sum((0, 2)), "j"),
    ("sum kept", F.sum(X, "j", keepdims=True), np.repeat(x.sum(1)[:, None], 4, 1), "ij"),
    ("mean", F.mean(T, ["i", "j"]), t.mean((0, 1)), "k"),
    ("mean kept", X - F.mean(X, "i", keepdims=True), x - x.mean(0), "ij"),
    ("max", F.max(X, "j"), x.max(1), "i"),
    ("max over all", F.max(X), x.max(), ""),
    ("logsumexp", F.logsumexp(T, "j"), logsumexp(t, axis=1), "ik"),
    ("softmax", F.softmax(T, "j"), softmax(t, axis=1), "ijk"),
    ("softmax over two", F.softmax(T, ["i", "k"]), softmax(t, axis=(0, 2)), "ijk"),
    ("log_softmax", F.log_softmax(X, "i"), log_softmax(x, axis=0), "ij"),
    ("cross_entropy", F.cross_entropy(X, v, "j"), -(w * log_softmax(x, axis=1)).sum(1), "i"),
    ("dot", F.dot(X, v), x @ w, "i"),
    ("dot over one", F.dot(T, X, "j"), np.einsum("ijk,ij->ik", t, x), "ik"),
    ("multi_dot", F.multi_dot([b, X, v]), c @ x @ w, ""),
    ("trace", F.trace(A), np.trace(a), ""),
    ("frobenius2", F.frobenius2(T), (t**2).sum(), ""),
    ("diagonal", F.diag(A, "d"), np.diag(a), "d"),
    ("diagonal matrix", F.diag(b, ["p", "q"]), np.diag(c), "pq"),
    ("diagonal under its own name", F.diag(b, ["i", "q"]), np.diag(c), "iq"),
    ("det", F.det(A), np.linalg.det(a), ""),
    ("logdet", F.logdet(A), np.log(abs(np.linalg.det(a))), ""),
    ("inverse", F.inverse(A), np.linalg.inv(a).T, "ij"),
    ("pinv", F.pinv(X), np.linalg.pinv(x).T, "ij"),
    ("adjugate", F.adjugate(A), (np.linalg.inv(a) * np.linalg.det(a)).T, "ij"),
    ("solve", F.solve(A, b), np.linalg.solve(a, c), "j"),
    ("solve many", F.solve(A, X.rename(j="c")), np.linalg.solve(a, x), "jc"),
    ("kronecker", F.kronecker(A, X), np.kron(a, x), "ij"),
    ("flatten", F.flatten(T, ["j", "k"], into="f"), t.reshape(3, 8), "if"),
    ("flatten all", F.flatten(X), x.ravel(), "flat"),
    ("one_hot", F.one_hot(2, i="n"), np.eye(3)[2], "i"),
    ("ones", F.Ones(i="n", k="k"), np.ones((3, 2)), "ik"),
    ("symmetrize", F.symmetrize(A), (a + a.T) / 2, "ij"),
    ("symmetrize signed", F.symmetrize(A, signed=True), (a - a.T) / 2, "ij"),
    ("layer_norm", F.layer_norm(X, "j"), (x - x.mean(1)[:, None]) / x.std(1)[:, None], "ij"),
    (
        "pairwise_distance",
        F.pairwise_distance(X, X.rename(i="p"), "j"),
        ((x[:, None] - x[None]) ** 2).sum(-1),
        "ip",
    ),
    (
        "sdpa",
        F.sdpa(X, X.rename(i="p"), X.rename(i="p", j="c"), "j", "p"),
        softmax(x @ x.T / 2, axis=1) @ x,
        "ic",
    ),
    ("convolution", F.dot(F.Convolution(i="n", k=2, o=None), b), np.array([[c[0], c[1]], [c[1], c[2]]]), "ko"),
]


@pytest.mark.parametrize(("tensor", "expected", "edges"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_value(tensor: tg.Tensor, expected: Any, edges: str) -> None:
    names = ("flat",) if edges == "flat" else tuple(edges)
    assert value(tensor, *names) == pytest.approx(np.asarray(expected))


def test_inverse_contracted_over_one_edge_is_the_identity_over_the_other() -> None:
    inverse = F.inverse(A)
    assert value(A @ inverse.rename(i="p"), "i", "p") == pytest.approx(np.eye(3))
    assert value(A @ inverse.rename(j="p"), "j", "p") == pytest.approx(np.eye(3))


def test_inverse_of_groups_of_edges() -> None:
    K = tg.Variable("K", i="n", p="k", j="n", q="k")
    k = RNG.normal(size=(3, 2, 3, 2))
    found = evaluate(F.inverse(K, dims=(["i", "p"], ["j", "q"])), {"K": k})
    order = [F.inverse(K, dims=(["i", "p"], ["j", "q"])).edges.index(e) for e in "jqip"]
    assert found.transpose(order).reshape(6, 6) == pytest.approx(np.linalg.inv(k.reshape(6, 6)))


def test_taylor_of_a_cubic_is_exact() -> None:
    h = tg.Variable("h", i="n")
    cubic = F.sum(b * b * b) + F.sum(b)
    step = RNG.normal(size=3)
    exact = ((c + step) ** 3).sum() + (c + step).sum()
    found = F.taylor(cubic, b, h, 3).simplify(seconds=20)
    assert float(evaluate(found, {**VALUES, "h": step})) == pytest.approx(exact)


def test_opaque_functions_and_their_gradients() -> None:
    f = tg.function("f", {"o": "m"}, (X, "j"))
    assert f.shape == {"i": tg.symbols("n"), "o": tg.symbols("m")}
    with pytest.raises(tg.UnsupportedError, match="g: the edge 'o' of a size that no edge it acts on has"):
        tg.function("g", {"o": 7}, (X, "j"))


@pytest.mark.parametrize("name", sorted(F.LATER))
def test_what_comes_later_says_so(name: str) -> None:
    with pytest.raises(tg.UnsupportedError, match=f"not supported yet: F.{name}"):
        getattr(F, name)(X)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: F.sum(X, "q"), "there is no edge 'q': the tensor has i, j"),
        (lambda: F.sum(X, ["i", "i"]), "the edge 'i' is named twice"),
        (lambda: F.det(T), r"det needs a matrix, or dims=\(rows, columns\); the tensor has the edges i, j, k"),
        (lambda: F.det(X), "det needs a square matrix; its argument is n by m"),
        (lambda: F.trace(X), "the edges i, j have different sizes: n, m"),
        (lambda: F.inverse(A, dims=("i", "i")), "the edge 'i' cannot be row and column of inv at once"),
        (lambda: F.kronecker(A, b), "kronecker needs tensors with the same edges"),
        (lambda: F.one_hot(2), "name its one edge and size"),
    ],
)
def test_errors_name_the_edges(make: Any, message: str) -> None:
    with pytest.raises(tg.TensorgradError, match=message):
        make()
