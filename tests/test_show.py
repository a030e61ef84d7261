"""Drawings: valid, complete, without overlaps; asserted geometrically over random diagrams."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from shutil import which

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad.cost import amount
from tensorgrad.errors import UnsupportedError
from tensorgrad.show import derivation_html, derivation_latex, save_egraph, to_html
from tensorgrad.show.build import picture
from tensorgrad.show.channel import Crossing, tracks
from tensorgrad.show.formula import formula, latex_of
from tensorgrad.show.layout import layout
from tensorgrad.show.names import Name
from tensorgrad.show.page import marked
from tensorgrad.show.picture import Net, Picture, Term
from tensorgrad.show.scene import CELLS, PIXELS, Metrics, Scene
from tensorgrad.show.svg import MADE, USED
from tensorgrad.show.tikz import document
from tensorgrad.sizes import Poly, size
from tensorgrad.tensor import Convolution, Delta, Product, Scalar, Sum, Tensor, Variable, align, renamed
from tests.drawn import read_back, tensor_of, wires_of_cells, wires_of_curves
from tests.geometry import assert_drawn_well, assert_legible
from tests.strategies import products, tensors, variables

NAMES = ("class", "a_b", "x^2", "<&>", "α", "Sigma", "张量", "x" * 40, "$%#{}~\\", '"quoted"')


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
    "opaque": tg.function("f", {"out": "p"}, (Variable("X", b="n", a="m"), "a"), (Variable("x", a="n"), "a")),
    "convolution Jacobian": tg.parse("grad(sum[j, k](conv[i, j, k] * x[j] * w[k]), x[q])", let="x : n ; w : k"),
    "recursive sketch": tg.parse(
        "sum[a, b, c, p, q, r, t](M[o, p, c] * N[p, a, b] * S[a, q] * x[q] * R[b, r] * y[r] * Q[c, t] * z[t])",
        let="M N : d d d ; S R Q : d n ; x y z : n",
    ),
    "Gaussian mean": tg.parse("E[x](outer(x, x) @ A @ x)", let="A : n n ; x mu : n ; S : n n pd", if_="x ~ N(mu, S)"),
    "symmetric of order 4": Variable("C", i="n", j="n", k="n", l="n", facts="symmetric(0,1,2,3)"),
    "identity": tg.parse("I[n]"),
    "number": tg.parse("3"),
    "zero": tg.parse("zeros[n, m]"),
    "names": Variable("f", edges=dict.fromkeys(NAMES, "n")),
}


def scene_of(t: Tensor, metrics: Metrics = PIXELS) -> Scene:
    return layout(picture(t), metrics)


@pytest.mark.parametrize("t", EXAMPLES.values(), ids=EXAMPLES.keys())
@pytest.mark.parametrize("metrics", [PIXELS, CELLS], ids=["pixels", "cells"])
def test_examples_are_drawn_well(t: Tensor, metrics: Metrics) -> None:
    scene = scene_of(t, metrics)
    if metrics is PIXELS:
        assert_drawn_well(scene, t.edges)
        assert_legible(scene)
    text = tg.to_terminal(t)
    assert all(edge in text for edge in t.edges)


@given(tensors())
def test_random_diagrams_are_drawn_well(t: Tensor) -> None:
    assert_drawn_well(scene_of(t), t.edges)


@given(tensors())
def test_labels_of_random_diagrams_are_legible(t: Tensor) -> None:
    assert_legible(scene_of(t))


@given(tensors())
def test_random_diagrams_are_valid_xml(t: Tensor) -> None:
    root = ElementTree.fromstring(tg.to_svg(t))
    words = " ".join(root.itertext())
    assert all(edge in words for edge in t.edges)
    assert root.attrib["role"] == "img"


@pytest.mark.parametrize("metrics", [PIXELS, CELLS], ids=["curves", "cells"])
@given(t=products(st.one_of(variables(), variables(1, 2), variables(3, 3), products(variables(1, 3)))))
def test_the_drawing_shows_the_tensor(t: Tensor, metrics: Metrics) -> None:
    scene = scene_of(t, metrics)
    wires = wires_of_curves(scene) if metrics is PIXELS else wires_of_cells(scene)
    assert read_back(scene, wires, {v.name: v for v in t.variables}, t) == t


@given(t=tensors())
def test_the_picture_shows_the_tensor_with_its_boxes(t: Tensor) -> None:
    drawn = picture(t)
    assume(all(_is_polynomial(term.net.coefficient.text) for term in all_terms(drawn.terms) if term.net is not None))
    assert tensor_of(drawn.terms, drawn.edges) == t


@pytest.mark.parametrize("factor", [Poly.constant(-1), size("n"), size("n") + 1], ids=str)
def test_numbers_beside_each_other_are_multiplied(factor: Poly) -> None:
    number = Sum((Delta(size("n")), Scalar(Poly.constant(0))), (Fraction(1), Fraction(1)))
    t = Product((Variable("a"), Scalar(factor), number), ())
    drawn = picture(t)
    assert tensor_of(drawn.terms, drawn.edges) == t


@pytest.mark.parametrize("name", ["Woodbury", "cross entropy", "scalars", "five terms", "copy dots", "convolution"])
def test_the_pictures_of_examples_show_them(name: str) -> None:
    drawn = picture(EXAMPLES[name])
    assert tensor_of(drawn.terms, drawn.edges) == EXAMPLES[name]


@given(st.permutations(range(6)), st.permutations(range(6)), st.integers(0, 3), st.integers(0, 3))
def test_wires_with_right_angles_never_run_together(left: list[int], right: list[int], a: int, b: int) -> None:
    """`a` pairs at the left are turns, `b` at the right; the other wires cross from left to right."""
    crossings = [Crossing((left[2 * k], left[2 * k + 1]), ()) for k in range(a)]
    crossings += [Crossing((), (right[2 * k], right[2 * k + 1])) for k in range(b)]
    crossings += [Crossing((p,), (q,)) for p, q in zip(left[2 * a :], right[2 * b :], strict=False)]
    stops, count = tracks(crossings, 0.5)
    level: dict[float, list[tuple[float, float]]] = {}
    upright: list[int] = []
    for crossing, own in zip(crossings, stops, strict=True):
        x, y = (-1.0, crossing.left[0]) if crossing.left else (float(count), crossing.right[0])
        for track, after in own:
            level.setdefault(y, []).append((min(x, track), max(x, track)))
            upright.append(track)
            x, y = track, after
        end = float(count) if crossing.right else -1.0
        level.setdefault(y, []).append((min(x, end), max(x, end)))
        assert y == (crossing.right or crossing.left)[-1]
    assert len(set(upright)) == len(upright) and all(0 <= track < count for track in upright)
    for spans in level.values():
        ordered = sorted(spans)
        assert all(one[1] < other[0] for one, other in pairwise(ordered)), ordered


def test_edges_of_arguments_that_a_function_acts_along_are_not_joined() -> None:
    (box,) = one_net(EXAMPLES["opaque"]).items
    inside = box.inside[0].net
    assert inside is not None and [item.kind for item in inside.items] == ["argument", "argument"]
    assert [[p.inner for p in item.ports if p.acted] for item in inside.items] == [["a"], ["a"]]
    assert [p.acted for p in box.ports] == [False, True]


def test_softmax_of_rows_and_of_columns_look_different() -> None:
    rows, columns = (tg.to_svg(tg.parse(f"softmax[{e}](X[i, j])", let="X : n m")) for e in "ij")
    assert rows != columns


def test_a_strided_convolution_says_so() -> None:
    long, short, step = size("n"), size("k"), size("o")
    t = Convolution(("i", "k", "o"), (long, short, step), (1, 2), size("p"))
    (node,) = one_net(t).items
    assert node.marks[0] == "=" and node.marks[2] == "+2·" and node.note.text == "offset p"


def one_net(t: Tensor) -> Net:
    """The only term's net of a picture."""
    (term,) = picture(t).terms
    assert term.net is not None
    return term.net


def all_terms(terms: tuple[Term, ...]) -> Iterator[Term]:
    for term in terms:
        yield term
        for item in term.net.items if term.net is not None else ():
            yield from all_terms(item.inside)


def _is_polynomial(text: str) -> bool:
    return re.fullmatch(r"[-+ 0-9/nmp·⁰¹²³⁴⁵⁶⁷⁸⁹⁻()]*", text) is not None


# ---- folding


@pytest.mark.parametrize(
    "t", [chain(500), grid(25, 20), Product([Variable(f"v{k}", i="n") for k in range(500)], ("i",))]
)
def test_five_hundred_operands_are_drawn_or_folded(t: Tensor) -> None:
    scene = scene_of(t)
    assert_drawn_well(scene, t.edges) if len(scene.shapes) < 100 else None
    folded = [s for s in scene.shapes if s.kind == "folded"]
    assert len(scene.shapes) == 500 if not folded else folded[0].name.text == "… 500 operands"


def test_a_chain_is_drawn_up_to_five_hundred_operands_and_in_a_box_to_forty() -> None:
    assert [s.name.text for s in scene_of(chain(500)).shapes] == [f"A{k}" for k in range(500)]
    for t, most, count in ((chain(501), 500, 501), (tg.F.exp(chain(41)), 40, 41)):
        scene = scene_of(t)
        folded = [(s.name.text, s.note.text) for s in scene.shapes if s.kind == "folded"]
        assert folded == [(f"… {count} operands", f"folded: more than {most}")]
        assert_drawn_well(scene, t.edges)
    assert len(scene_of(tg.F.exp(chain(40))).shapes) == 41


# ---- products in rows


def ring(length: int) -> Tensor:
    """The trace of a product of so many matrices."""
    return Product([Variable(f"A{k}", edges={f"e{k}": "n", f"e{(k + 1) % length}": "n"}) for k in range(length)], ())


def strands(count: int, length: int) -> Tensor:
    """So many chains of matrices beside each other."""
    letters = "ABCD"[:count]
    factors = [Variable(f"{c}{k}", edges={f"{c}{k}": "n", f"{c}{k + 1}": "n"}) for c in letters for k in range(length)]
    return Product(factors, tuple(f"{c}{k}" for c in letters for k in (0, length)))


WIDE = {
    "chain": chain(60),
    "ring": ring(50),
    "two strands": strands(2, 30),
    "three strands": strands(3, 25),
    "ladder": grid(2, 30),
    "lattice": grid(4, 25),
}


@pytest.mark.parametrize("metrics", [PIXELS, CELLS], ids=["pixels", "cells"])
@pytest.mark.parametrize("t", WIDE.values(), ids=WIDE.keys())
def test_a_wide_product_goes_on_in_new_rows(t: Tensor, metrics: Metrics) -> None:
    scene = scene_of(t, metrics)
    assert scene.width <= metrics.widest
    wires = wires_of_curves(scene) if metrics is PIXELS else wires_of_cells(scene)
    assert read_back(scene, wires, {v.name: v for v in t.variables}, t) == t
    cut = [label.name.text.strip("… ") for label in scene.labels if "…" in label.name.text]
    # Every wire that is cut has its letter at two ends, and goes on nowhere else.
    assert cut and all(cut.count(name) == 2 for name in cut)
    assert not {name.partition(":")[0] for name in cut} & {*t.edges, "n", "m"}
    if metrics is PIXELS:
        assert_drawn_well(scene, t.edges)
        assert_legible(scene)


@pytest.mark.parametrize("t", [chain(60), ring(50), chain(41)], ids=["chain", "ring", "forty-one"])
def test_rows_of_a_product_are_led_alike(t: Tensor) -> None:
    rows: dict[float, list[float]] = {}
    for s in scene_of(t).shapes:
        rows.setdefault(s.y, []).append(s.x)
    assert len(rows) > 3 and len({round(min(xs), 6) for xs in rows.values()}) == 1


def test_the_sign_of_a_product_in_rows_stands_before_its_first_row() -> None:
    scene = scene_of(tg.Sum([chain(3), renamed(chain(41), ("e0", "e3"))], [1, -1]))
    sign = next(label for label in scene.labels if label.name.text == "−")
    assert next(s.name.text for s in scene.shapes if s.y < sign.y < s.y + s.height) == "A0"
    assert_drawn_well(scene, ("e0", "e3"))


def test_what_fits_on_a_page_or_is_thick_everywhere_is_not_cut() -> None:
    hessian = tg.parse("hess(-(y @ log(softmax(W @ x))), W)", let="W : k d ; x : d ; y : k")
    for t in (chain(9), grid(11, 10), tg.simplify(hessian).tensor):
        scene = scene_of(t)
        assert not [label for label in scene.labels if "…" in label.name.text]
        ends = [
            label for label in scene.labels if label.role == "edge" and label.parent < 0 and label.anchor == "start"
        ]
        assert len({label.x for label in ends}) <= 1


@pytest.mark.parametrize("metrics", [PIXELS, CELLS], ids=["pixels", "cells"])
@pytest.mark.parametrize("count", [2, 5, 9, 16, 24])
@pytest.mark.parametrize("text", ["A @ B", "x[i] * tr(C) * y[j]", "exp(A @ B)"])
def test_a_sum_goes_on_in_new_rows(text: str, count: int, metrics: Metrics) -> None:
    let = "A : n m ; B : m p ; C : n n ; x : n ; y : p"
    one = tg.parse(text, let=let)
    terms = [Product([one, Variable(f"M{k}", **{one.edges[1]: "p", "q": "q"})]) for k in range(count)]
    t = tg.Sum(terms, [(-1) ** k * (k + 1) for k in range(count)])
    scene = scene_of(t, metrics)
    assert scene.width <= metrics.widest
    found = [s.name.text for s in scene.shapes if s.name.text.startswith("M")]
    assert found == [f"M{k}" for k in range(count)]
    named = [label.name.text.partition(":")[0] for label in scene.labels if label.role == "edge"]
    assert all(named.count(e) >= count for e in t.edges)
    if metrics is PIXELS:
        assert_drawn_well(scene, t.edges)
        assert_legible(scene)
    # Rows after the first begin, at the left, with the sign of a term; there are some if one row is too narrow.
    signs = [s for s in scene.labels if s.role == "coefficient"]
    left = [s for s in signs if s.x <= metrics.name(s.name) / 2 + metrics.small]
    assert len(signs) == count - 1
    assert bool(left) == (scene_of(t, replace(metrics, widest=float("inf"))).width > metrics.widest)


def test_an_equals_sign_stays_with_what_follows_it() -> None:
    t = tg.parse("A - 2*B + A @ B - B.T + 3*A.T @ A", let="A B : n n")
    drawn = picture(t)
    scene = layout(Picture((*drawn.terms, Term(Name("="), None), *drawn.terms), t.edges), PIXELS)
    assert_drawn_well(scene, t.edges)
    equals = next(label for label in scene.labels if label.name.text == "=")
    level = [s for s in scene.shapes if s.y < equals.y < s.y + s.height and s.x > equals.x]
    assert level and scene.width <= PIXELS.widest


def test_a_long_sum_in_a_box_goes_on_in_new_rows() -> None:
    t = tg.F.exp(tg.Sum([Variable(f"M{k}", i="n", j="m") for k in range(16)], [1] * 16))
    scene = scene_of(t)
    assert scene.width <= PIXELS.widest + 200 and len(scene.shapes) == 17
    assert_drawn_well(scene, t.edges)
    assert_legible(scene)


def test_many_terms_and_deep_nesting_are_folded_and_say_so() -> None:
    x = Variable("x", i="n")
    many = tg.Sum([Variable(f"v{k}", i="n") for k in range(500)], [1] * 500)
    assert "… 476 more terms" in tg.to_svg(many)
    deep: Tensor = x
    for _ in range(2000):
        deep = tg.F.exp(deep)
    assert "… 1994 parts" in tg.to_svg(deep)


# ---- the same expression always gives the same picture


def test_equal_input_gives_equal_output_in_every_process() -> None:
    program = (
        "import tensorgrad as tg, hashlib;"
        "t = tg.parse('inv(A + U @ U.T) @ softmax(x) * x', let='A : n n ; U : n k ; x : n');"
        "print(hashlib.sha256((tg.to_svg(t) + tg.to_tikz(t) + tg.to_terminal(t)).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    }
    assert len(found) == 1


# ---- names


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_drawn_as_they_are(name: str) -> None:
    t = Variable("A", edges={name: "n", "j": "m"}) @ Variable("B", edges={"j": "m", "k": "n"})
    root = ElementTree.fromstring(tg.to_svg(t))
    assert f"{name}:n" in list(root.itertext())
    assert f"{name}:n" in tg.to_terminal(t)
    ElementTree.fromstring(to_html(t).replace("&nbsp;", " "))


def test_latex_escapes() -> None:
    drawn = tg.to_tikz(EXAMPLES["names"])
    for shown in (r"\mathrm{a\_b}", r"x\textasciicircum{}2", r"\textless{}\&\textgreater{}", r"\alpha", r"\Sigma"):
        assert shown in drawn
    assert r"\$\%\#\{\}\textasciitilde{}\textbackslash{}" in drawn


# ---- formulas


def test_a_law_that_was_not_said_is_named_shortly() -> None:
    X, W = Variable("X", b="n", x="m"), Variable("W", x="m", y="p")
    crossed = tg.Product([tg.Delta("m", "x", "y"), tg.Delta("m", "x2", "y2")], ("x", "y", "x2", "y2"))
    V = Variable("V", x="m", y="m")
    told = tg.Expectation(tg.F.sum(X @ W), W), tg.Expectation(tg.F.sum(V), V, covar=crossed)
    notes = [next(s.note for s in scene_of(t).shapes if s.kind == "expectation") for t in told]
    assert notes[0].text == "W ~ N(0, I)" and notes[0].latex == r"W \sim \mathcal{N}(0, I)"
    assert notes[1].text == "V ~ N(0, outer(I[m], I[m]))"


def test_words_beside_each_other_are_kept_apart() -> None:
    t = tg.parse("class @ 张量 @ A @ a_b @ B @ C", let="class 张量 A a_b B C : n n")
    assert tg.to_latex(t) == r"\mathrm{class} \, \text{张量} \, A \, \mathrm{a\_b} \, B \, C"


@pytest.mark.parametrize(
    ("text", "let", "latex"),
    [
        ("x @ A @ x", "A : n n ; x : n", r"x^{\top} A x"),
        ("(A @ B).T", "A : n m ; B : m n", r"B^{\top} A^{\top}"),
        ("A * B + 2 * A", "A B : n m", r"A \odot B + 2 \, A"),
        ("inv(A + B) @ x", "A B : n n ; x : n", r"\left(A + B\right)^{-1} x"),
        ("tr(A) * B", "A B : n n", r"\operatorname{tr}\left(A\right) \, B"),
        ("x / 2", "x : n", r"\frac{x}{2}"),
        ("x ** 2", "x : n", r"x^{\circ 2}"),
        ("outer(x, y)", "x : n ; y : m", r"x \otimes y"),
        ("d(f)(x)", "x : n ; f : function", r"f^{\prime}\left(x\right)"),
        ("(A * B) @ x", "A B : n n ; x : n", r"\left(A \odot B\right) x"),
        ("A * (B @ C)", "A B C : n n", r"A \odot B C"),
        ("kron(A, B) @ vec(X)", "A B X : n n", r"\left(A \otimes_{K} B\right) \operatorname{vec}\left(X\right)"),
        ("x - (-y)", "x y : n", r"x + y"),
        ("Sigma @ mu1", "Sigma : n n ; mu1 : n", r"\Sigma \mu_{1}"),
        ("E[x](x @ x)", "x : n", r"\mathbb{E}_{x}\left[x^{\top} x\right]"),
    ],
)
def test_formulas(text: str, let: str, latex: str) -> None:
    assert tg.to_latex(tg.parse(text, let=let)) == latex


def test_formulas_with_and_without_indices() -> None:
    t = Variable("A", i="n", j="m") @ Variable("x", j="m")
    assert tg.to_latex(t, index_free=False) == r"\sum_{j} A_{ij} \, x_{j}"
    assert tg.to_latex(t, index_free=True) == "A x"
    assert (tg.to_index(t), tg.to_index_free(t)) == ("sum[j](A[i, j] * x[j])", "A @ x")
    t = tg.parse("x * z", let="x z : n")
    assert formula("sum[i](x[i]) * z[i]", t) == r"\left(\sum_{i} x_{i}\right) \, z_{i}"
    assert formula("z[i] - 2 * sum[i](x[i])", t) == r"z_{i} - 2 \, \sum_{i} x_{i}"
    odd = tg.parse("sum[i](T[i, j, k] * x[i])", let="T : n m k ; x : n")
    with pytest.raises(UnsupportedError, match="without indices"):
        tg.to_latex(odd, index_free=True)


@given(tensors())
def test_every_tensor_has_both_formulas(t: Tensor) -> None:
    for latex in (tg.to_latex(t), tg.to_latex(t, index_free=False)):
        assert latex.count("{") == latex.count("}") and latex.count(r"\left") == latex.count(r"\right")


# ---- LaTeX compiles


@pytest.mark.skipif(which("pdflatex") is None, reason="no pdflatex here: TikZ and formulas are not compiled")
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_latex_compiles(engine: str, tmp_path: Path) -> None:
    if which(engine) is None:
        pytest.skip(f"no {engine} here")
    # Chinese needs fonts that a LaTeX need not have.
    names = Variable("f", edges=dict.fromkeys((n for n in NAMES if n != "张量"), "n"))
    plain = {**EXAMPLES, "names": names, "rows": ring(50)}
    result = tg.simplify("inv(A @ B_2) @ A @ B_2 @ x", let="A B_2 : n n ; x : n", if_="invertible(A)", dims={"n": 9})
    save_egraph(result.egraph, tmp_path / "egraph.tex")
    tg.plan("(A - H.T @ H) @ x", {"n": 9}, let="A H : n n ; x : n").save(tmp_path / "plan.tex")
    body = "\n".join(tg.to_tikz(t) for t in plain.values())
    formulas = "\n\n".join(f"${tg.to_latex(t)}$ ${tg.to_latex(t, index_free=False)}$" for t in plain.values())
    for name, source in (
        ("pictures", document(body)),
        ("formulas", document(formulas, "\\documentclass{article}\n\\usepackage{amsmath,amssymb}\n")),
    ):
        (tmp_path / f"{name}.tex").write_text(source, encoding="utf-8")
    for name in ("pictures", "formulas", "egraph", "plan"):
        done = subprocess.run(
            [engine, "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:]


# ---- files, notebooks, derivations


def test_images(tmp_path: Path) -> None:
    t = EXAMPLES["gradient"]
    heads = {".svg": b"<svg", ".tex": b"\\documentclass", ".txt": b" ", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    for suffix, head in heads.items():
        path = tmp_path / f"picture{suffix}"
        tg.save_image(t, path)
        first = path.read_bytes()
        assert first.startswith(head)
        tg.save_image(t, path)
        assert path.read_bytes() == first
    with pytest.raises(UnsupportedError, match=r"\.svg, \.png, \.pdf"):
        tg.save_image(t, tmp_path / "picture.gif")


def test_images_without_matplotlib_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UnsupportedError, match=r"tensorgrad\[images\]"):
        tg.save_image(EXAMPLES["trace"], tmp_path / "x.png")


def test_notebooks_get_diagrams_and_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    t = EXAMPLES["matrix product"]
    assert t._repr_svg_() == tg.to_svg(t)
    assert tg.to_svg(t) in t._repr_html_()
    assert t._repr_latex_() == r"$\displaystyle A B C$"
    t.show()
    assert capsys.readouterr().out == "i0:n ──[A]─m─[B]─k─[C]── i1:p\n"


def test_answers_show_themselves_in_notebooks() -> None:
    """Results as two diagrams with costs, proofs with their derivation, counterexamples as text, plans as a table."""
    let = "A B : n n; x : n"
    result = tg.simplify("grad(x @ A @ x, x)", let=let)
    html = result._repr_html_()
    assert html.count("<svg") == 2 and str(result.after) in html and "saturated" in html
    proof = tg.prove("det(A @ B @ inv(A)) = det(B)", let=let, if_="invertible(A)")
    assert proof.derivation is not None
    assert proof.derivation._repr_html_() in proof._repr_html_() and "proved in" in proof._repr_html_()
    refuted = tg.prove("A @ B = B @ A", let=let)._repr_html_()
    assert "the sides differ" in refuted and "left side = [[" in refuted
    plans = tg.plan("A @ B + A @ x @ x", let=let, dims={"n": 50})
    table = plans._repr_html_()
    assert table.count("<tr>") == 4 and all(f"<td>{amount(way.flops)}</td>" in table for way in plans.columns)
    for text in (html, proof._repr_html_(), refuted, table):
        ElementTree.fromstring(f"<all>{text.replace('&nbsp;', ' ')}</all>")


def test_a_derivation_is_a_column_of_diagrams() -> None:
    proof = tg.prove("det(A @ B @ inv(A)) = det(B)", let="A B : n n", if_="invertible(A)")
    assert proof.derivation is not None
    page = derivation_html(proof.derivation, "det & <det>", "if n < m")
    assert page.count("<svg") == len(proof.derivation) + 1 and "if n &lt; m" in page
    below = re.findall(r"</svg>\s*</div>\n<p [^>]*>(.*?)</p>", page)
    assert below == [row[0] for row in proof.derivation.rows()]
    assert all(rule in page for rule in proof.derivation.rules)
    assert "det &amp; &lt;det&gt;" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert USED in page and MADE in page
    assert proof.derivation._repr_html_() in page
    latex = derivation_latex(proof.derivation, standalone=False)
    assert latex.count("\\\\\n") == len(proof.derivation)
    assert r"\text{det-of-product [tc:21]}" in latex


def test_formulas_of_a_derivation_have_their_axes_in_one_order() -> None:
    found = tg.simplify("hess(-(y @ log(softmax(W @ x))), W)", let="W : k d ; x : d ; y : k").derivation
    start = found.steps[0].before.edges
    assert any(step.after.edges != start for step in found)  # Else it would show nothing.
    lines = derivation_latex(found, standalone=False).splitlines()
    for k, step in enumerate(found):
        assert latex_of(align(step.after, start)) in lines[k + 2]


def test_what_a_rule_touched_is_marked() -> None:
    before, after = (tg.parse(s, let="A B C : n n") for s in ("C @ inv(A @ B)", "C @ inv(B) @ inv(A)"))
    shapes = layout(marked(picture(before), None, after), PIXELS).shapes
    assert [(s.name.text, s.used) for s in shapes] == [("C", False), ("inv", True), ("A", False), ("B", False)]
    shapes = layout(marked(picture(after), before, None), PIXELS).shapes
    assert [s.name.text for s in shapes if s.made] == ["inv", "inv"]


def test_the_pictures_of_readme_can_be_drawn_again(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, root / "docs" / "make_pictures.py", tmp_path], check=True)
    drawn = {p.name for p in tmp_path.iterdir()}
    assert drawn == {p.name for p in (root / "docs" / "pictures").iterdir()}
    for path in tmp_path.iterdir():
        ElementTree.parse(path)
