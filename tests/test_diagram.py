"""Canonical form: one form for one tensor however it is written, never one for two; held against numbers and networkx."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad import numeric
from tensorgrad.diagram import Store, expression, insert, insert_all
from tensorgrad.function import FUNCTIONS
from tensorgrad.numeric.sample import names_of
from tensorgrad.tensor import (
    Apply,
    Delta,
    Product,
    Sum,
    Tensor,
    Unit,
    Variable,
    postorder,
    renamed,
    with_children,
)
from tests.rearranged import rearranged
from tests.strategies import DIMS, small_tensors, variables

EXAMPLES = settings.default.max_examples if settings.default else 40
SQUARE = {"n": 3, "m": 3, "p": 3}

LET = """A B C D : n n ; S R : n n symmetric ; K : n n skew ; P : n m ; Q : m k ; T : m n ; G : m k ; H : k l
x y z : n ; u : m ; w : k ; c d : scalar ; a b : 3 ; p q : n positive"""


def parsed(text: str, let: str = LET) -> Tensor:
    return tg.parse(text, let=let.replace("\n", " ; "))


def values_of(tensors: Sequence[Tensor], dims: dict[str, int], seed: int = 0) -> dict[str, object]:
    named, functions = names_of(tensors)
    return numeric.sample(named, [f for f, _ in functions], (), dims, np.random.default_rng(seed))


def agree(a: Tensor, b: Tensor, dims: dict[str, int], seed: int = 0) -> bool | None:
    """Whether two tensors have one value on a random instance; None where either is not finite."""
    values = values_of([a, b], dims, seed)
    with np.errstate(all="ignore"):
        first, second = numeric.evaluate(a, values, dims), numeric.evaluate(b, values, dims)
    second = second.transpose([b.edges.index(e) for e in a.edges])
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    scale = 1 + max(np.abs(first).max(initial=0), np.abs(second).max(initial=0))
    return bool(np.abs(first - second).max(initial=0) <= 1e-7 * scale)


def one_form(a: Tensor, b: Tensor) -> bool:
    """Equality by the store, axis by axis."""
    store = Store()
    first, (handle, perm) = insert(store, a), insert(store, b)
    axis = dict(zip(b.edges, perm, strict=True))
    return store.same(first, (handle, tuple(axis[e] for e in a.edges)))


# Other ways to write the same.


def disturbed(t: Tensor, rng: random.Random) -> Tensor:
    """A similar tensor: at one or two nodes edges of one size are exchanged, a factor repeated, a weight or name changed."""
    order = postorder(t)
    chosen = {id(rng.choice(order)) for _ in range(rng.randint(1, 2))}
    done: dict[int, Tensor] = {}
    for node in order:
        new = with_children(node, tuple(done[id(c)] for c in node.children))
        if id(node) in chosen:
            new = _disturbed(new, rng)
        done[id(node)] = new
    return done[id(t)]


def _disturbed(t: Tensor, rng: random.Random) -> Tensor:
    if isinstance(t, Sum) and rng.random() < 0.4:
        k = rng.randrange(len(t.weights))
        return Sum(t.terms, tuple(w + (j == k) for j, w in enumerate(t.weights)))
    if isinstance(t, Product) and t.factors and rng.random() < 0.4:
        extra = rng.choice(t.factors)
        return Product((*t.factors, extra), t.edges)
    if isinstance(t, Variable) and t.order != 2 and rng.random() < 0.5:
        other = {"A": "B", "B": "A", "a": "b", "b": "a"}[t.name[0]] + t.name[1:]
        return Variable(other, edges=t.sizes, facts=t.facts)
    edges = list(t.edges)
    pairs = [(i, j) for i in range(len(edges)) for j in range(i) if t.dims[i] is t.dims[j]]
    if pairs:
        i, j = rng.choice(pairs)
        edges[i], edges[j] = edges[j], edges[i]
        return renamed(t, tuple(edges))
    return t


@settings(max_examples=3 * EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(small_tensors(), st.randoms(use_true_random=False))
def test_rearranged_tensors_have_one_form(t: Tensor, rng: random.Random) -> None:
    other = rearranged(t, rng)
    assert agree(t, other, DIMS) is not False
    assert t == other
    assert one_form(t, other)


@settings(max_examples=3 * EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(small_tensors(), st.randoms(use_true_random=False), st.sampled_from([DIMS, SQUARE]))
def test_similar_tensors_of_one_form_have_one_value(t: Tensor, rng: random.Random, dims: dict[str, int]) -> None:
    other = disturbed(t, rng)
    if agree(t, other, dims) is False:
        assert t != other
        assert not one_form(t, other)


@settings(max_examples=2 * EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(small_tensors(), small_tensors(), st.sampled_from([DIMS, SQUARE]))
def test_tensors_of_different_values_differ(a: Tensor, b: Tensor, dims: dict[str, int]) -> None:
    store = Store()
    (h1, p1), (h2, p2) = insert(store, a), insert(store, b)
    if h1 != h2:
        assert a != b
        return
    b = renamed(b, tuple(a.edges[p1.index(p)] for p in p2))
    assert agree(a, b, dims) is not False


@settings(max_examples=2 * EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(small_tensors())
def test_insert_and_expression_are_inverse(t: Tensor) -> None:
    store = Store()
    ref = insert(store, t)
    back = expression(store, ref, t.edges)
    assert back.edges == t.edges
    assert back.sizes == t.sizes
    assert agree(t, back, DIMS) is not False
    assert store.same(ref, insert(store, back))
    count = len(store.nodes)
    insert(store, back)
    assert len(store.nodes) == count


@given(small_tensors())
def test_symmetries_of_a_form_are_symmetries_of_its_value(t: Tensor) -> None:
    for names in list(t.isomorphisms(t))[:24]:
        moved = t.rename(names)
        assert moved == t
        assert agree(t, moved, DIMS) is not False


# Graphs as tensors.

Graph = tuple[int, tuple[tuple[int, int], ...]]


@st.composite
def graphs(draw: st.DrawFn, largest: int = 5) -> Graph:
    count = draw(st.integers(1, largest))
    ends = st.integers(0, count - 1)
    return count, tuple(draw(st.lists(st.tuples(ends, ends), max_size=7)))


def as_tensor(graph: Graph, free: Sequence[int], facts: str) -> Tensor:
    """A matrix for each edge of the graph, a copy tensor for each vertex; those of `free` stay open."""
    count, edges = graph
    factors: list[Tensor] = [Delta("n", f"v{v}") for v in range(count)]
    for a, b in edges:
        if a == b:
            factors += [Variable("A", i="n", j="n", facts=facts).rename(i=f"v{a}", j="t"), Delta("n", f"v{a}", "t")]
            factors[-2:] = [Product(factors[-2:], (f"v{a}",))]
        else:
            factors.append(Variable("A", i="n", j="n", facts=facts).rename(i=f"v{a}", j=f"v{b}"))
    return Product(factors, [f"v{v}" for v in free])


def as_networkx(graph: Graph, free: Sequence[int], directed: bool, named: bool) -> nx.Graph:
    """A simple graph: each vertex by its openness (or its name), each edge subdivided by a vertex (two if directed)."""
    count, edges = graph
    found = nx.Graph()
    for v in range(count):
        found.add_node(v, colour=(v if named else -1) if v in free else -2)
    for k, (a, b) in enumerate(edges):
        if directed:
            found.add_node(("from", k), colour="from")
            found.add_node(("to", k), colour="to")
            found.add_edges_from([(a, ("from", k)), (("from", k), ("to", k)), (("to", k), b)])
        else:
            found.add_node(("edge", k), colour="loop" if a == b else "edge")
            found.add_edges_from([(a, ("edge", k)), (("edge", k), b)])
    return found


def matcher(a: nx.Graph, b: nx.Graph) -> nx.isomorphism.GraphMatcher:
    return nx.isomorphism.GraphMatcher(a, b, node_match=lambda x, y: x["colour"] == y["colour"])


@settings(max_examples=4 * EXAMPLES)
@given(st.data(), st.booleans())
def test_isomorphism_agrees_with_networkx(data: st.DataObject, directed: bool) -> None:
    first = data.draw(graphs())
    count = first[0]
    image = data.draw(st.permutations(range(count)))
    edges = [(image[a], image[b]) for a, b in first[1]]
    if edges and data.draw(st.booleans()):
        ends = st.integers(0, count - 1)
        edges[data.draw(st.integers(0, len(edges) - 1))] = (data.draw(ends), data.draw(ends))
    second: Graph = (count, tuple(data.draw(st.permutations(edges))))
    free = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    facts = "" if directed else "symmetric"
    moved = [image[v] for v in free]
    a, b = as_tensor(first, free, facts), as_tensor(second, moved, facts)
    wanted = matcher(as_networkx(first, free, directed, False), as_networkx(second, moved, directed, False))
    assert a.is_isomorphic(b) == wanted.is_isomorphic()
    same_names = as_tensor(second, free, facts)
    wanted = matcher(as_networkx(first, free, directed, True), as_networkx(second, free, directed, True))
    assert (a == same_names) == wanted.is_isomorphic()
    assert a.is_isomorphic(same_names, match_edges=True) == wanted.is_isomorphic()


@settings(max_examples=EXAMPLES)
@given(graphs(), st.booleans())
def test_isomorphisms_are_all_of_networkx(graph: Graph, directed: bool) -> None:
    free = range(graph[0])
    t = as_tensor(graph, free, "" if directed else "symmetric")
    g = as_networkx(graph, free, directed, False)
    wanted = {tuple(m[v] for v in free) for m in matcher(g, g).isomorphisms_iter()}
    found = [tuple(int(names[f"v{v}"][1:]) for v in free) for names in t.isomorphisms(t)]
    assert set(found) == wanted
    assert len(found) == len(wanted)
    orbits = {frozenset(f"v{m[v]}" for m in wanted) for v in free}
    assert t.symmetries == orbits


def test_isomorphisms_carry_one_tensor_to_the_other() -> None:
    a = parsed("A[i, j] * A[i, k]")
    b = parsed("A[p, q] * A[p, r]")
    assert {tuple(sorted(m.items())) for m in a.isomorphisms(b)} == {
        (("i", "p"), ("j", "q"), ("k", "r")),
        (("i", "p"), ("j", "r"), ("k", "q")),
    }
    assert not list(a.isomorphisms(parsed("A[q, p] * A[r, p]")))
    assert list(parsed("x @ y").isomorphisms(parsed("y @ x"))) == [{}]
    assert parsed("A").is_isomorphic(parsed("A.T"))
    assert not parsed("A").is_isomorphic(parsed("A.T"), match_edges=True)
    assert parsed("K").is_isomorphic(parsed("K"))


@pytest.mark.parametrize(
    ("text", "orbits"),
    [
        ("A", [["i0"], ["i1"]]),
        ("S", [["i0", "i1"]]),
        ("A @ A.T", [["i0", "i1"]]),
        ("A @ A", [["i0"], ["i1"]]),
        ("delta[i:n, j, k]", [["i", "j", "k"]]),
        ("x[i] * x[j] * y[k]", [["i", "j"], ["k"]]),
        ("A[i, j] * A[k, l]", [["i", "k"], ["j", "l"]]),
        ("S[i, j] * S[k, l]", [["i", "j", "k", "l"]]),
        ("S[i, j] * R[k, l]", [["i", "j"], ["k", "l"]]),
        ("A + A.T", [["i0", "i1"]]),
        ("A - A.T", [["i0"], ["i1"]]),
        ("exp(S)", [["i0", "i1"]]),
        ("exp(A @ A.T)", [["i0", "i1"]]),
        ("inv(S)", [["i0", "i1"]]),
        ("e[S, 3]", [["i0", "i1"], ["i2"]]),
    ],
)
def test_symmetries(text: str, orbits: list[list[str]]) -> None:
    assert parsed(text).symmetries == {frozenset(o) for o in orbits}


# Zeros by antisymmetry, and declared symmetry.


@pytest.mark.parametrize(
    "text",
    [
        "x @ K @ x",
        "tr(K)",
        "tr(K @ S)",
        "tr(S @ K @ S @ S @ S)",
        "diag(K)",
        "sum(K)",
        "tr(K @ K @ K)",
        "x @ K @ K @ K @ x",
        "x @ S @ K @ S @ x",
        "sum[i, j](lc[i, j, k] * a[i] * a[j])",
        "sum[i, j](lc[i, j, k] * (a[i] * b[j] + a[j] * b[i]))",
        "lc[i, i]",
        "K + K.T",
        "sum(K * S)",
        "x @ K @ y + y @ K @ x",
        "sum[i, j](K[i, j] * A[i, k] * A[j, k])",
        "sum[i, j, k](K[i, j] * K[j, k] * K[k, i])",
        "sum(K * (A + A.T))",
    ],
)
def test_antisymmetric_zeros(text: str) -> None:
    t = parsed(text)
    zero = tg.Zero(edges=t.sizes)
    store = Store()
    assert t == zero
    assert store.is_zero(insert(store, t)[0])
    assert agree(t, zero, dict.fromkeys("nmkl", 3)) is True


@pytest.mark.parametrize(
    "text", ["x @ K @ y", "tr(K @ A)", "tr(K @ K)", "K @ x", "K", "x @ K @ K @ x", "exp(K)", "K * K"]
)
def test_not_every_antisymmetric_diagram_is_zero(text: str) -> None:
    t = parsed(text)
    assert t != tg.Zero(edges=t.sizes)
    assert agree(t, tg.Zero(edges=t.sizes), {"n": 3}) is False


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("K.T", "-K"),
        ("x @ K @ y", "-(y @ K @ x)"),
        ("x @ S @ y", "y @ S @ x"),
        ("(K @ A).T", "-A.T @ K"),
        ("(K @ K).T", "K @ K"),
        ("tr(S @ A)", "tr(A.T @ S)"),
        ("tr(K @ A)", "-tr(K @ A.T)"),
        ("lc[i, j, k]", "lc[j, k, i]"),
        ("lc[i, j, k]", "-lc[j, i, k]"),
        ("sum[i, j](lc[i, j, k] * a[i] * b[j])", "-sum[i, j](lc[i, j, k] * b[i] * a[j])"),
        ("(S @ R @ S).T", "S @ R @ S"),
        ("exp(S).T", "exp(S)"),
        ("K[i, j] * K[k, l]", "K[j, i] * K[l, k]"),
        ("(K @ K @ K).T", "-(K @ K @ K)"),
        ("(K @ S @ K @ A @ K @ S @ K).T", "K @ S @ K @ A.T @ K @ S @ K"),
        ("(S @ K @ S).T", "-(S @ K @ S)"),
        ("2 * (S @ K @ S).T", "S @ K @ S * (-2)"),
        ("n * K.T - m * K.T", "m * K - n * K"),
        ("(A - A.T).T", "A.T - A"),
        ("-(A - A.T)", "(A - A.T).T"),
        ("x @ (A - A.T) @ y", "-(y @ (A - A.T) @ x)"),
        ("(c + K).T", "c - K"),
        ("c * outer(x, x) + K", "-(K.T - c * outer(x, x))"),
        ("(S + K + K @ K @ K).T", "S - K - K @ K @ K"),
        ("-(K + K @ K @ K).T", "K + K @ K @ K"),
        ("exp(S + K).T", "exp(S - K)"),
        ("exp(2 * K - K @ S @ K @ S @ K)", "exp(K @ S @ K @ S @ K - 2 * K).T"),
        ("exp(-K)", "exp(K).T"),
        ("inv(S).T", "inv(S)"),
        ("exp(A @ A.T).T", "exp(A @ A.T)"),
        ("sum[k](lc[i, j, k] * a[k])", "-sum[k](lc[j, i, k] * a[k])"),
    ],
)
def test_declared_symmetry(left: str, right: str) -> None:
    assert parsed(left) == parsed(right)


def test_symmetric_axes_of_higher_order() -> None:
    let = "W : n n n symmetric(0,1) ; V : n n n symmetric(0,1,2) ; F : n n n antisymmetric(0,1,2) ; "
    let += "H : n n n antisymmetric(0,1)"
    for name, kept in (("W", {"ijk", "jik"}), ("V", {"".join(p) for p in permutations("ijk")}), ("H", {"ijk"})):
        for letters in permutations("ijk"):
            text = f"{name}[{', '.join(letters)}]"
            assert (parsed(f"{name}[i, j, k]", let) == parsed(text, let)) == ("".join(letters) in kept)
    assert parsed("F[i, j, k]", let) == parsed("F[j, k, i]", let) == parsed("-F[k, j, i]", let)
    assert parsed("H[i, j, k]", let) == parsed("-H[j, i, k]", let) != parsed("-H[i, k, j]", let)
    assert parsed("sum[j](F[i, j, j])", let) == parsed("sum[j](H[j, j, i])", let) == parsed("zeros[n][i]", let)


def test_block_exchange() -> None:
    let = "G : n m n m symmetric(0 2, 1 3) ; A B : n n ; x y : n ; u v : m"
    assert parsed("G[i, j, k, l]", let) != parsed("G[k, j, i, l]", let)
    assert parsed("G[i, j, k, l]", let) == parsed("G[k, l, i, j]", let)
    square = "G : n n n n symmetric(0 2, 1 3)"
    kept = {
        "".join(p)
        for p in permutations("ijkl")
        if parsed("G[i, j, k, l]", square) == parsed(f"G[{', '.join(p)}]", square)
    }
    assert kept == {"ijkl", "klij"}
    dims = {"n": 3, "m": 2}
    t = parsed("G[i, j, k, l]", square)
    for p in permutations("ijkl"):
        other = parsed(f"G[{', '.join(p)}]", square)
        assert agree(t, other, dims) is ("".join(p) in kept)
    form = "sum[i, j, k, l](G[i, j, k, l] * {}[i] * {}[j] * {}[k] * {}[l])"
    for first, second, same in (("xuxv", "xvxu", True), ("xuyv", "yvxu", True), ("xuyv", "xvyu", False)):
        left, right = parsed(form.format(*first), let), parsed(form.format(*second), let)
        assert (left == right) is same
        assert agree(left, right, dims) is same


# Powers.

POWERS = [
    ("x * x * x", "x ** 3"),
    ("x ** 7", "x * x ** 6"),
    ("x ** 7", "x ** 3 * x ** 4"),
    ("x ** 2 * x ** 3", "x ** 5"),
    ("x ** 9 * y", "x * x * y * x ** 7"),
    ("c ** n * c", "c ** (n + 1)"),
    ("c ** n * c ** m", "c ** (m + n)"),
    ("c ** n * c ** n", "c ** (2 * n)"),
    ("n * A + m * A", "(n + m) * A"),
    ("n * A - n * A", "0 * A"),
    ("n * (1 / n)", "1"),
    ("m * n * (1 / n) * (1 / m)", "1"),
    ("n ** 2 / n", "n"),
    ("(n + 1) * (n - 1)", "n ** 2 - 1"),
    ("x ** 1", "x"),
    ("x ** 0", "ones[n]"),
    ("(c * x) ** 3", "c ** 3 * x ** 3"),
    ("(2 * x) ** 3", "8 * x ** 3"),
    ("(-x) ** 2", "x ** 2"),
    ("(-x) ** 3", "-x ** 3"),
    ("(x ** 2) ** 3", "x ** 6"),
    ("norm2(x) ** 2", "norm2(x) * norm2(x)"),
    ("norm2(x)", "x @ x"),
    ("sum(x ** 3)", "sum[i](x[i] * x[i] * x[i])"),
    ("A ** 2", "A * A"),
    ("1 / x / x", "(1 / x) ** 2"),
    ("x ** -1 * x ** -1", "x ** -2"),
    ("p ** (1/2) * p ** (1/2)", "p ** (1/2) * p ** (1/2)"),
    ("2 * x + 3 * x", "5 * x"),
    ("x / 2 + x / 2", "x"),
    ("(x + y) ** 2", "(x + y) * (x + y)"),
]


@pytest.mark.parametrize(("left", "right"), POWERS)
def test_powers_merge(left: str, right: str) -> None:
    a, b = parsed(left), parsed(right)
    assert agree(a, b, {"n": 3, "m": 2}) is True
    assert a == b


@pytest.mark.xfail(reason="beyond 6 copies (A @ x) ** k is a pow node, which its written-out copies do not join")
@pytest.mark.parametrize(
    ("left", "right"), [("(A @ x) ** 7", "(A @ x) * (A @ x) ** 6"), ("(A @ x) ** n * (A @ x)", "(A @ x) ** (n + 1)")]
)
def test_powers_of_contractions_merge(left: str, right: str) -> None:
    assert parsed(left) == parsed(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("K ** 3", "-(K.T ** 3)"),
        ("K ** 7", "-(K.T ** 7)"),
        ("K ** 8", "K.T ** 8"),
        ("sqrt(S)", "sqrt(S).T"),
        ("S ** (1/3)", "(S ** (1/3)).T"),
        ("S ** 7 * S", "(S ** 8).T"),
        ("1 / K", "-1 / K.T"),
        ("1 / K ** 2", "1 / K.T ** 2"),
    ],
)
def test_powers_keep_symmetry(left: str, right: str) -> None:
    assert parsed(left) == parsed(right)


def test_odd_powers_of_skew_tensors_are_not_symmetric() -> None:
    for text in ("K ** 3", "K ** 7", "K ** 9 * K ** 2", "1 / K", "exp(K)", "K ** n"):
        t = parsed(text)
        assert t != t.rename(i0="i1", i1="i0"), text


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("x ** -1 * x", "x ** 0"),
        ("x / x", "ones[n]"),
        ("sqrt(x) * sqrt(x)", "x"),
        ("x ** 3 * x ** -1", "x ** 2"),
        ("(x ** 2) ** (1/2)", "x"),
        ("x ** 2", "x ** 3"),
        ("c ** n", "c ** m"),
        ("x ** 7", "x ** 8"),
        ("log(x * x)", "2 * log(x)"),
    ],
)
def test_powers_that_must_not_merge(left: str, right: str) -> None:
    assert parsed(left) != parsed(right)


@given(st.integers(0, 9), st.integers(0, 9), variables(0, 2))
def test_exponents_add(k: int, m: int, t: Tensor) -> None:
    assert t**k * t**m == t ** (k + m)
    assert (t**k == t**m) == (k == m)


# Fused edges.

FUSED = [
    ("kron(A, P) @ kron(B, Q)", "kron(A @ B, P @ Q)"),
    ("kron(kron(A, P), H)", "kron(A, kron(P, H))"),
    ("kron(kron(P, Q), H)", "kron(P, kron(Q, H))"),
    ("kron(kron(x, u), w)", "kron(x, kron(u, w))"),
    ("vec(A @ P @ Q)", "kron(Q.T, A) @ vec(P)"),
    ("vec(A @ B)", "kron(I[n], A) @ vec(B)"),
    ("vec(A @ B)", "kron(B.T, I[n]) @ vec(A)"),
    ("tr(kron(A, P @ T))", "tr(A) * tr(T @ P)"),
    ("kron(A, P).T", "kron(A.T, P.T)"),
    ("commutation[n, m] @ vec(P)", "vec(P.T)"),
    ("commutation[n, m] @ commutation[m, n]", "I[n*m]"),
    ("commutation[n, m].T", "commutation[m, n]"),
    ("commutation[n, m] @ kron(u, x)", "kron(x, u)"),
    ("kron(T, P) @ commutation[n, m]", "commutation[m, n] @ kron(P, T)"),
    ("unvec(vec(P), n, m)", "P"),
    ("vec(unvec(vec(P), n, m))", "vec(P)"),
    ("kron(I[n], I[m])", "I[n*m]"),
    ("kron(ones[n], ones[m])", "ones[n*m]"),
    ("vec(P) @ vec(P)", "norm2(P)"),
    ("vec(A) @ vec(B)", "tr(A.T @ B)"),
    ("vec(outer(x, u))", "kron(u, x)"),
    ("kron(x, u) @ kron(y, u)", "(x @ y) * (u @ u)"),
    ("khatri_rao(P, A.T @ P)", "kron(P, A.T @ P) @ khatri_rao(I[m], I[m])"),
    ("sum(kron(P, H))", "sum(P) * sum(H)"),
    ("diag(kron(A, S))", "kron(diag(A), diag(S))"),
    ("diag(kron(x, u))", "kron(diag(x), diag(u))"),
    ("exp(kron(x, ones[m]))", "kron(exp(x), ones[m])"),
    ("kron(A, ones[1, 1])", "A"),
    ("sum[f](flat[f, i:n, j:m] * vec(P)[f])", "sum[f](vec(P)[f] * flat[f, i:n, j:m])"),
    ("sum[f](flat[f, i:n, j:m] * flat[f, k:n, l:m])", "delta[i:n, k] * delta[j:m, l]"),
    ("sum[i, j](flat[f, i:n, j:m] * flat[g, i, j])", "delta[f:n*m, g]"),
    ("sum[f](flat[f, i:n, j:m])", "ones[n][i] * ones[m][j]"),
    ("sum[g](flat[f, g, k:k] * flat[g, i:n, j:m])", "flat[f, i:n, j:m, k:k]"),
    ("sum[g](flat[f, i:n, g] * flat[g, j:m, k:k])", "sum[g](flat[f, g, k:k] * flat[g, i:n, j:m])"),
]


@pytest.mark.parametrize(("left", "right"), FUSED)
def test_fused_edges(left: str, right: str) -> None:
    a, b = parsed(left), parsed(right)
    for dims in ({"n": 2, "m": 3, "k": 4, "l": 5}, {"n": 2, "m": 2, "k": 2, "l": 2}):
        assert agree(a, b, dims) is True
    assert a == b


@pytest.mark.parametrize("sizes", [("n", "m", "h"), ("2", "n", "3"), ("n", "n", "m")])
def test_kron_is_associative_with_sizes_of_all_kinds(sizes: tuple[str, str, str]) -> None:
    a, b, c = sizes
    let = f"A : {a} {b} ; B : {b} {c} ; C : {c} {a}"
    assert parsed("kron(kron(A, B), C)", let) == parsed("kron(A, kron(B, C))", let)
    assert parsed("kron(kron(A, B), C) + kron(A, kron(B, C))", let) == parsed("2 * kron(A, kron(B, C))", let)


def test_refinement_of_size_lists() -> None:
    """n*(m*h) and (n*m)*h are one edge split three ways; n*m and m*n are a reshape."""
    let = "x : n*m*h ; A : n m*h ; B : n*m h ; C : n m h"
    left = parsed("sum[f, g](flat[f, i:n, g:m*h] * flat[g, j:m, k:h] * x[f])", let)
    right = parsed("sum[f, g](flat[f, g:n*m, k:h] * flat[g, i:n, j:m] * x[f])", let)
    assert left == right
    both = parsed("sum[f](flat[f, i:n, p:m*h] * flat[f, q:n*m, k:h])", let)
    fine = parsed("sum[j](flat[p, j:m, k:h] * flat[q, i:n, j])", let)
    assert agree(both, fine, {"n": 2, "m": 3, "h": 4}) is True
    assert both == fine


def test_clash_of_size_lists_stays() -> None:
    let = "x : n*m ; y : m"
    clash = parsed("sum[f](flat[f, i:n, j:m] * flat[f, p:m, q:n])", let)
    crossed = parsed("delta[i:n, q] * delta[j:m, p]", let)
    assert clash != crossed
    assert agree(clash, crossed, {"n": 2, "m": 3}) is False
    first = parsed("sum[f](flat[f, i:n, j:m] * x[f])", let)
    second = parsed("sum[f](flat[f, j:m, i:n] * x[f])", let)
    assert first != second
    assert parsed("kron(outer(y, y), ones[n, n])", let) != parsed("kron(ones[n, n], outer(y, y))", let)


# Size.


@pytest.mark.parametrize(("text", "turned"), [("power(I[n], 6)", True), ("power(S, 6)", True), ("power(A, 8)", False)])
def test_more_symmetries_than_can_be_listed(text: str, turned: bool) -> None:
    t, rng = parsed(text), random.Random(3)
    for _ in range(5):
        factors = rng.sample(range(t.order // 2), t.order // 2)
        pairs = [(2 * f + 1, 2 * f) if turned and rng.random() < 0.5 else (2 * f, 2 * f + 1) for f in factors]
        places = [place for pair in pairs for place in pair]
        moved = t.rename({f"i{k}": f"i{place}" for k, place in enumerate(places)})
        assert moved == t
        assert moved.rename(i0="i2", i2="i0") != t
    assert (2 * t + t).simplify() == 3 * t
    with pytest.raises(tg.BudgetError, match="leave a tensor as it is, up to sign: too many to list"):
        next(t.isomorphisms(t))


def test_two_hundred_operands() -> None:
    rng = random.Random(5)
    graph = nx.random_regular_graph(4, 100, seed=3)
    factors = [Variable("A", i="n", j="n", facts="symmetric").rename(i=f"v{a}", j=f"v{b}") for a, b in graph.edges()]
    assert len(factors) == 200
    t = Product(factors, ("v0",))
    shuffled = list(factors)
    rng.shuffle(shuffled)
    names = {f"v{v}": f"u{rng.random()}" for v in range(1, 100)}
    moved = Product([f.rename({e: names.get(e, e) for e in f.edges}) for f in shuffled], ("v0",))
    assert t == moved
    a, b = sorted(graph.edges())[:2]
    other = nx.Graph(graph)
    other.remove_edges_from([a, b])
    other.add_edges_from([(a[0], b[1]), (b[0], a[1])] if a[0] != b[0] else [(a[1], b[1]), (a[0], a[0])])
    factors = [
        Variable("A", i="n", j="n", facts="symmetric").rename(i=f"v{x}", j=f"v{y}") for x, y in other.edges() if x != y
    ]
    assert t != Product(factors, ("v0",))


def test_two_hundred_different_operands() -> None:
    rng = random.Random(5)
    factors = [
        Variable(f"A{k}", i="n", j="m", k="n").rename(i=f"e{k}", j=f"f{k // 3}", k=f"e{k + 1}") for k in range(200)
    ]
    t = Product(factors, ("e0", "e200", "f7"))
    rng.shuffle(factors)
    left, right = factors[:90], factors[90:]
    shared = {e for f in left for e in f.edges} & {e for f in right for e in f.edges}
    kept = {"e0", "e200", "f7"} | shared
    parts = [Product(p, sorted({e for f in p for e in f.edges} & kept)) for p in (left, right)]
    assert t == Product(parts, ("f7", "e0", "e200"))


@pytest.mark.parametrize("closed", [False, True])
def test_twelve_equal_branches_on_a_hub(closed: bool) -> None:
    A, B, v = Variable("A", i="n", j="m"), Variable("B", i="m", j="k"), Variable("v", i="k")
    factors: list[Tensor] = []
    for k in range(12):
        factors += [A.rename(i="hub", j=f"a{k}"), B.rename(i=f"a{k}", j=f"b{k}")]
        factors += [v.rename(i=f"b{k}")] if closed else []
    free = [] if closed else [f"b{k}" for k in range(12)]
    t = Product(factors, free)
    rng = random.Random(1)
    shuffled = list(factors)
    rng.shuffle(shuffled)
    assert t == Product(shuffled, free[::-1])
    if not closed:
        assert t.symmetries == {frozenset(free)}
        other = [*factors[:-1], Variable("C", i="m", j="k").rename(i="a11", j="b11")]
        assert t != Product(other, free)


def test_trace_of_a_long_cycle() -> None:
    A = Variable("A", i="n", j="n")
    cycle = [A.rename(i=f"e{k}", j=f"e{(k + 1) % 64}") for k in range(64)]
    other = [A.rename(i=f"f{(k * 5) % 64}", j=f"f{(k * 5 + 5) % 64}") for k in range(64)]
    two = [A.rename(i=f"e{k}", j=f"e{(k + 2) % 64}") for k in range(64)]
    turned = [*cycle[:-1], A.rename(j="e63", i="e0")]
    assert Product(cycle, ()) == Product(other, ())
    assert Product(cycle, ()) != Product(two, ())
    assert Product(cycle, ()) != Product(turned, ())


def test_chain_of_two_thousand() -> None:
    A = Variable("A", i="n", j="n")
    x = Variable("x", i="n")
    t: Tensor = x
    for _ in range(2000):
        t = Product((A.rename(j="j"), t.rename(i="j")), ("i",))
    other: Tensor = Delta("n", "i", "j")
    for k in range(2000):
        other = (
            Product((other.rename(j=f"k{k}"), A.rename(i=f"k{k}")), ("i", "j"))
            if k % 2
            else Product((A.rename(j=f"k{k}"), other.rename(i=f"k{k}")), ("i", "j"))
        )
    assert t == Product((other, x.rename(i="j")), ("i",))
    nested: Tensor = x
    for _ in range(2000):
        nested = Apply(FUNCTIONS["exp"], (nested,))
    assert nested == rearranged(nested, random.Random(0))
    assert nested != Apply(FUNCTIONS["exp"], (nested,))


def test_sum_of_a_thousand_terms() -> None:
    terms = [Variable(f"x{k % 500}", i="n") for k in range(1000)]
    t: Tensor = terms[0]
    for term in terms[1:]:
        t = t + term
    rng = random.Random(2)
    rng.shuffle(terms)
    assert t == Sum(tuple(terms), tuple(Fraction(1) for _ in terms))
    halves = Sum(tuple(Variable(f"x{k}", i="n") for k in range(500)), (Fraction(2),) * 500)
    assert t == halves
    assert t != Sum(halves.terms[:-1], (Fraction(2),) * 499)


def test_units_count_by_their_index() -> None:
    one, two = (Unit(tg.parse(k), DIMSIZE, ("i",)) for k in ("1", "2"))
    assert one == Unit(tg.parse("2 - 1"), DIMSIZE, ("i",))
    assert one != two


DIMSIZE = Variable("x", i=3).dims[0]


def test_edges_and_sizes_must_agree() -> None:
    assert Variable("A", i="n", j="m") != Variable("A", i="n", k="m")
    assert Variable("x", i="n") != Variable("x", i="m")
    assert parsed("A @ x") != parsed("x")


@pytest.mark.parametrize("n", ["n", 6])
def test_sums_are_known_whatever_they_are_multiplied_by(n: str | int) -> None:
    """A mean's 1/n stays inside its sum, and every multiple of the sum is a multiple of one diagram."""
    x = Variable("x", i=n)
    size = tg.Tensor(tg.symbols(n)) if isinstance(n, str) else tg.Tensor(n)
    total = tg.F.sum(x, "i", keepdims=True)
    assert size * (x - tg.F.mean(x, "i", keepdims=True)) == size * x - total
    assert (x - total / size) * (x - total / size) * size * size == (size * x - total) ** 2
    assert 2 * x - total / size == (2 * size * x - total) / size
    assert str((x - total / size) * tg.F.exp(x)).count("**") == 0


def test_tensors_put_in_together_are_those_put_in_one_by_one() -> None:
    x, A = Variable("x", i="n"), Variable("A", i="n", j="n")
    inner = A @ x.rename(i="j") + x
    tensors = [inner @ inner, inner, tg.F.exp(inner) @ x, inner + tg.F.exp(inner)]
    store = Store()
    together = insert_all(store, tensors)
    assert together == [insert(store, t) for t in tensors]
