"""Drawings: valid, complete, without overlaps; asserted geometrically over random diagrams."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import pytest
from hypothesis import given

import tensorgrad as tg
from tensorgrad.show.build import picture
from tensorgrad.show.layout import layout
from tensorgrad.show.scene import CELLS, PIXELS, Metrics, Piece, Scene, Shape
from tensorgrad.tensor import Product, Tensor, Variable
from tests.strategies import tensors

NAMES = ("class", "a_b", "x^2", "<&>", "α", "Sigma", "张量", "x" * 40, "$%#{}~\\", '"quoted"')
EPSILON = 1e-6


def chain(length: int) -> Tensor:
    """A matrix product of so many factors, no nesting."""
    factors = [Variable(f"A{k}", edges={f"e{k}": "n", f"e{k + 1}": "n"}) for k in range(length)]
    return Product(factors, ("e0", f"e{length}"))


def grid(rows: int, columns: int) -> Tensor:
    """A lattice of tensors of order up to 4: nothing planar is simpler than its width."""
    factors: list[Tensor] = []
    for r in range(rows):
        for c in range(columns):
            edges = {f"h{r}_{c}": "n", f"h{r}_{c + 1}": "n", f"v{r}_{c}": "m", f"v{r + 1}_{c}": "m"}
            kept = {
                e: s for e, s in edges.items() if e not in (f"h{r}_0", f"v0_{c}", f"h{r}_{columns}", f"v{rows}_{c}")
            }
            factors.append(Variable(f"T{r}_{c}", edges=kept))
    return Product(factors, ())


EXAMPLES: dict[str, Tensor] = {
    "matrix product": tg.parse("A @ B @ C", let="A : n m ; B : m k ; C : k p"),
    "trace": tg.parse("tr(A @ B)", let="A : n m ; B : m n"),
    "trace of four": tg.parse("tr(A @ B @ C @ D)", let="A B C D : n n"),
    "Hadamard": tg.parse("A * B", let="A B : n m"),
    "copy dots": tg.parse(
        "sum[k, l](T[i, j, k, l] * A[k, p] * B[k, q] * x[l] * y[l])", let="T : n m k l ; A : k p ; B : k q ; x y : l"
    ),
    "gradient": tg.parse("grad(norm2(X @ W - Y), W)", let="X : b x ; W : x y ; Y : b y"),
    "Hessian": tg.parse("hess(-(y @ log(softmax(x))), x)", let="x y : n"),
    "cross entropy": tg.parse("sum(y) * (diag(softmax(x)) - outer(softmax(x), softmax(x)))", let="x y : n"),
    "expectation": tg.parse("E[x](x @ A @ x)", let="A : n n ; x mu : n ; S : n n pd", if_="x ~ N(mu, S)"),
    "covariance": tg.parse("Cov[x](A @ x, B @ x)", let="A : m n ; B : k n ; x : n"),
    "attention": tg.parse("softmax(Q @ K.T / sqrt(5)) @ V", let="Q : s d ; K : t d ; V : t e"),
    "convolution": tg.parse("sum[j, k](conv[i, j, k] * x[j] * w[k])", let="x : n ; w : k"),
    "five terms": tg.parse("A - 2*B + A @ B - B.T + 3*A.T @ A", let="A B : n n"),
    "chain of thirty": chain(30),
    "symmetric covariance": Variable("C", i="n", j="m", k="n", l="m", facts="symmetric(0 2, 1 3)"),
    "Woodbury": tg.parse(
        "inv(A) - inv(A) @ U @ inv(inv(C) + V @ inv(A) @ U) @ V @ inv(A)", let="A : n n ; U : n k ; C : k k ; V : k n"
    ),
    "two arguments": tg.parse("x[i] ** y[i, j]", let="x : n ; y : n m"),
    "scalars": tg.parse("2 * tr(A) * det(B) * exp(3 * tr(A) * C)", let="A B C : n n"),
    "identity": tg.parse("I[n]"),
    "number": tg.parse("3"),
    "zero": tg.parse("zeros[n, m]"),
    "names": Variable("f", edges=dict.fromkeys(NAMES, "n")),
}


def scene_of(t: Tensor, metrics: Metrics = PIXELS) -> Scene:
    return layout(picture(t), metrics)


def overlap(a: Shape, b: Shape) -> bool:
    return (
        a.x < b.x + b.width - EPSILON
        and b.x < a.x + a.width - EPSILON
        and a.y < b.y + b.height - EPSILON
        and b.y < a.y + a.height - EPSILON
    )


def points(piece: Piece) -> list[tuple[float, float]]:
    """The piece as it is drawn, sampled."""
    a, b, c, d = piece.controls()
    found: list[tuple[float, float]] = []
    for k in range(25):
        t = k / 24
        w = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        found.append(tuple(sum(f * p[axis] for f, p in zip(w, (a, b, c, d), strict=True)) for axis in (0, 1)))  # type: ignore[arg-type]
    return found


def inside(x: float, y: float, s: Shape) -> bool:
    within = s.x + EPSILON < x < s.x + s.width - EPSILON
    return within and s.y + EPSILON < y < s.y + s.height - EPSILON


def assert_drawn_well(t: Tensor, scene: Scene) -> None:
    """No two nodes of one box overlap, all lies in its box, no wire runs through a node, every free edge is named."""
    for a, b in combinations(scene.shapes, 2):
        if a.parent == b.parent:
            assert not overlap(a, b), (a, b)
    for s in scene.shapes:
        x0, y0, x1, y1 = frame(scene, s.parent)
        assert x0 - EPSILON <= s.x and s.x + s.width <= x1 + EPSILON, s
        assert y0 - EPSILON <= s.y and s.y + s.height <= y1 + EPSILON, s
    for wire in scene.wires:
        x0, y0, x1, y1 = frame(scene, wire.parent)
        siblings = [s for s in scene.shapes if s.parent == wire.parent]
        for piece in wire.pieces:
            for x, y in points(piece):
                assert x0 - EPSILON <= x <= x1 + EPSILON and y0 - EPSILON <= y <= y1 + EPSILON, piece
                for s in siblings:
                    assert not inside(x, y, s), (piece, s)
    named = {label.name.text.partition(":")[0] for label in scene.labels if label.role == "edge"}
    assert {e.partition(":")[0] for e in t.edges} <= named


def frame(scene: Scene, parent: int) -> tuple[float, float, float, float]:
    if parent < 0:
        return 0.0, 0.0, scene.width, scene.height
    box = scene.shapes[parent]
    return box.x, box.y, box.x + box.width, box.y + box.height


@pytest.mark.parametrize("t", EXAMPLES.values(), ids=EXAMPLES.keys())
@pytest.mark.parametrize("metrics", [PIXELS, CELLS], ids=["pixels", "cells"])
def test_examples_are_drawn_well(t: Tensor, metrics: Metrics) -> None:
    scene = scene_of(t, metrics)
    if metrics is PIXELS:
        assert_drawn_well(t, scene)
    text = tg.to_terminal(t)
    assert all(edge in text for edge in t.edges)


@given(tensors())
def test_random_diagrams_are_drawn_well(t: Tensor) -> None:
    assert_drawn_well(t, scene_of(t))


@given(tensors())
def test_random_diagrams_are_valid_xml(t: Tensor) -> None:
    root = ElementTree.fromstring(tg.to_svg(t))
    words = " ".join(root.itertext())
    assert all(edge in words for edge in t.edges)
    assert root.attrib["role"] == "img"
