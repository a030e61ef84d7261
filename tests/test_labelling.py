"""Canonical labelling against networkx, on random coloured multigraphs and on hard small ones."""

import math
from collections import Counter
from collections.abc import Callable, Iterable

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networkx.algorithms.isomorphism import (
    GraphMatcher,
    MultiGraphMatcher,
    categorical_multiedge_match,
    categorical_node_match,
)

from tensorgrad.diagram.labelling import Labelling, LabellingBudgetError, label

Edge = tuple[int, int, int]  # colour, end, end
Graph = tuple[list[int], list[Edge]]  # vertex colours, edges

KNOWN_GROUPS: dict[str, tuple[Callable[[], nx.Graph], int]] = {
    "K6": (lambda: nx.complete_graph(6), 720),
    "petersen": (nx.petersen_graph, 120),
    "rook 3x3": (lambda: rook(3), 72),
    "rook 4x4": (lambda: rook(4), 1152),
    "shrikhande": (lambda: nx.Graph(shrikhande()), 192),
    "paley 13": (lambda: nx.paley_graph(13).to_undirected(), 78),
    "torus 4x4": (lambda: nx.grid_2d_graph(4, 4, periodic=True), 384),
    "torus 5x5": (lambda: nx.grid_2d_graph(5, 5, periodic=True), 200),
    "cube": (nx.cubical_graph, 48),
    "5-cube": (lambda: nx.hypercube_graph(5), 3840),
    "cycle 30": (lambda: nx.cycle_graph(30), 60),
    "K_{3,4}": (lambda: nx.complete_bipartite_graph(3, 4), 144),
    "3 cycles": (lambda: nx.disjoint_union_all([nx.cycle_graph(5)] * 3), 6000),
    "4 petersens": (lambda: nx.disjoint_union_all([nx.petersen_graph()] * 4), 120**4 * 24),
    "cocktail party": (lambda: nx.complete_multipartite_graph(*[2] * 8), 2**8 * math.factorial(8)),
    "crown": (lambda: crown(10), 2 * math.factorial(10)),
    "binary tree": (lambda: nx.balanced_tree(2, 5), 2**31),
    "frucht": (nx.frucht_graph, 1),
    "tutte": (nx.tutte_graph, 3),
    "desargues": (nx.desargues_graph, 240),
    "dodecahedron": (nx.dodecahedral_graph, 120),
    "pappus": (nx.pappus_graph, 216),
    "empty": (lambda: nx.empty_graph(9), math.factorial(9)),
}


def rook(n: int) -> nx.Graph:
    return nx.cartesian_product(nx.complete_graph(n), nx.complete_graph(n))


def shrikhande() -> nx.Graph:
    """Strongly regular with the parameters of the 4x4 rook's graph, but not isomorphic to it."""
    steps = [(0, 1), (1, 0), (1, 1)]
    points = [(a, b) for a in range(4) for b in range(4)]
    return nx.Graph(((a, b), ((a + x) % 4, (b + y) % 4)) for a, b in points for x, y in steps)


def crown(n: int) -> nx.Graph:
    """K_{n,n} less a perfect matching."""
    return nx.Graph(((0, a), (1, b)) for a in range(n) for b in range(n) if a != b)


def plain(graph: nx.Graph) -> Graph:
    number = {v: k for k, v in enumerate(graph)}
    return [0] * len(number), [(0, number[a], number[b]) for a, b in graph.edges()]


def run(graph: Graph, budget: int = 20_000) -> Labelling:
    colours, edges = graph
    neighbours: list[list[tuple[int, int]]] = [[] for _ in colours]
    for c, a, b in edges:
        neighbours[a].append((c, b))
        neighbours[b].append((c, a))
    return label(colours, neighbours, budget)


def moved(graph: Graph, image: Iterable[int]) -> Graph:
    """The graph with vertex v renamed image[v], edges listed in another order."""
    colours, edges = graph
    to = list(image)
    renamed = [0] * len(colours)
    for v, c in enumerate(colours):
        renamed[to[v]] = c
    return renamed, [(c, to[b], to[a]) for c, a, b in reversed(edges)]


def content(graph: Graph) -> tuple[list[int], Counter[tuple[int, int, int]]]:
    colours, edges = graph
    return colours, Counter((c, min(a, b), max(a, b)) for c, a, b in edges)


def group_order(generators: tuple[tuple[int, ...], ...], n: int) -> int:
    """The order of a permutation group by Schreier's lemma: orbit length times stabiliser order."""
    group = [g for g in generators if g != tuple(range(n))]
    order = 1
    for base in range(n):
        carry = {base: tuple(range(n))}
        for v in (queue := [base]):
            for g in group:
                if g[v] not in carry:
                    carry[g[v]] = tuple(g[x] for x in carry[v])
                    queue.append(g[v])
        order *= len(carry)
        back = {v: inverse(g) for v, g in carry.items()}
        schreier = (tuple(back[g[v]][g[x]] for x in carry[v]) for v in carry for g in group)
        group = sift(schreier, base + 1, n)
    return order


def inverse(g: tuple[int, ...]) -> tuple[int, ...]:
    to = [0] * len(g)
    for v, w in enumerate(g):
        to[w] = v
    return tuple(to)


def sift(perms: Iterable[tuple[int, ...]], base: int, n: int) -> list[tuple[int, ...]]:
    """Sims' filter: at most one generator for each (first moved point, image)."""
    table: dict[tuple[int, int], tuple[int, ...]] = {}
    for start in perms:
        g = start
        for v in range(base, n):
            if g[v] == v:
                continue
            if (v, g[v]) not in table:
                table[v, g[v]] = g
                break
            back = inverse(table[v, g[v]])
            g = tuple(back[x] for x in g)
    return list(table.values())


def multigraph(graph: Graph) -> nx.MultiGraph:
    colours, _ = graph
    result = nx.MultiGraph()
    for v, c in enumerate(colours):
        result.add_node(v, colour=c)
    for (c, a, b), times in content(graph)[1].items():
        result.add_edge(a, b, colour=(c, times))
    return result


def matcher(first: Graph, second: Graph) -> MultiGraphMatcher:
    return MultiGraphMatcher(
        multigraph(first),
        multigraph(second),
        node_match=categorical_node_match("colour", None),
        edge_match=categorical_multiedge_match("colour", None),
    )


@st.composite
def graphs(draw: st.DrawFn, most: int = 8) -> Graph:
    n = draw(st.integers(0, most))
    palette = draw(st.sampled_from([[0], [0], [0, 7], [-3, 2, 10**20]]))
    colours = draw(st.lists(st.sampled_from(palette), min_size=n, max_size=n))
    pairs = [(a, b) for a in range(n) for b in range(a + 1)]  # loops too
    if not pairs:
        return colours, []
    arc = draw(st.sampled_from([[0], [0], [0, 1], [-1, 5]]))
    edge = st.tuples(st.sampled_from(arc), st.sampled_from(pairs))
    edges = draw(st.lists(edge, max_size=2 * n))
    return colours, [(c, a, b) for c, (a, b) in edges]


@st.composite
def symmetric_graphs(draw: st.DrawFn) -> Graph:
    """Copies of a small graph, joined to each other and to a hub alike: many automorphisms."""
    colours, edges = draw(graphs(4))
    copies, n = draw(st.integers(2, 3)), len(colours)
    all_edges = [(c, a + k * n, b + k * n) for k in range(copies) for c, a, b in edges]
    spoke = draw(st.integers(0, max(n - 1, 0)))
    hub = copies * n
    if n and draw(st.booleans()):
        all_edges += [(3, hub, spoke + k * n) for k in range(copies)]
    if n and draw(st.booleans()):
        all_edges += [(4, spoke + k * n, spoke + (k + 1) % copies * n) for k in range(copies)]
    return [*(colours * copies), 0], all_edges


def check_relabelling(graph: Graph, image: list[int]) -> None:
    first, second = run(graph), run(moved(graph, image))
    assert first.certificate == second.certificate
    assert sorted(first.order) == list(range(len(graph[0])))
    to = [0] * len(image)
    for v, w in zip(first.order, second.order, strict=True):
        to[v] = w
    assert content(moved(graph, to)) == content(moved(graph, image))
    for g in first.generators:
        assert content(moved(graph, g)) == content(graph)


@settings(max_examples=400)
@given(st.data(), st.one_of(graphs(), graphs(14), symmetric_graphs()))
def test_relabelling_is_seen_through(data: st.DataObject, graph: Graph) -> None:
    check_relabelling(graph, list(data.draw(st.permutations(range(len(graph[0]))))))


@settings(max_examples=400)
@given(st.data(), graphs(6))
def test_certificates_agree_with_networkx(data: st.DataObject, graph: Graph) -> None:
    colours, edges = graph
    other = moved(graph, data.draw(st.permutations(range(len(colours)))))
    if edges and data.draw(st.booleans()):
        c, a, b = other[1].pop()
        ends = st.sampled_from([(a, b), *((x, y) for x in range(len(colours)) for y in range(x))])
        other[1].append((c, *data.draw(ends)))
    same = run(graph).certificate == run(other).certificate
    assert same == matcher(graph, other).is_isomorphic()


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([(2, 9), (3, 8), (4, 9)]))
def test_regular_graphs_agree_with_networkx(one: int, two: int, kind: tuple[int, int]) -> None:
    first, second = (plain(nx.random_regular_graph(*kind, seed=seed)) for seed in (one, two))
    same = run(first).certificate == run(second).certificate
    assert same == matcher(first, second).is_isomorphic()


@settings(max_examples=200, deadline=None)
@given(st.one_of(graphs(6), symmetric_graphs().filter(lambda g: len(g[0]) < 8)))
def test_generators_generate_the_whole_group(graph: Graph) -> None:
    count = sum(1 for _ in matcher(graph, graph).isomorphisms_iter())
    assert group_order(run(graph).generators, len(graph[0])) == count


@pytest.mark.parametrize("name", KNOWN_GROUPS)
def test_known_groups(name: str) -> None:
    make, size = KNOWN_GROUPS[name]
    graph = plain(make())
    n = len(graph[0])
    result = run(graph, budget=2_000)
    assert group_order(result.generators, n) == size
    for step in (1, 5, 7):
        if math.gcd(step, n) == 1:
            check_relabelling(graph, [(step * v + 3) % n for v in range(n)])


def test_all_graphs_on_six_vertices() -> None:
    atlas = [plain(g) for g in nx.graph_atlas_g() if len(g) <= 6]
    assert len({run(g).certificate for g in atlas}) == len(atlas)


def test_same_parameters_different_graphs() -> None:
    assert run(plain(rook(4))).certificate != run(plain(shrikhande())).certificate
    cycles = nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(4))
    assert run(plain(cycles)).certificate != run(plain(nx.cycle_graph(7))).certificate


def test_colours_count_as_they_are() -> None:
    assert run(([1, 1], [(0, 0, 1)])).certificate != run(([2, 2], [(0, 0, 1)])).certificate
    assert run(([1, 1], [(0, 0, 1)])).certificate != run(([1, 1], [(1, 0, 1)])).certificate
    double = [(0, 0, 1), (1, 0, 1)]
    assert run(([1, 1], double)).certificate != run(([1, 1], [(0, 0, 1)] * 2)).certificate


def test_hub_with_equal_branches_needs_no_search() -> None:
    edges = [(c, p, q) for k in range(1, 37, 3) for c, p, q in [(0, 0, k), (1, k, k + 1), (0, k + 1, k + 2)]]
    result = run(([0] * 37, edges), budget=0)
    assert group_order(result.generators, 37) == math.factorial(12)


def test_directed_ring_has_rotations_only() -> None:
    edges = [(0, 2 * k, 2 * k + 1) for k in range(12)] + [(1, 2 * k + 1, (2 * k + 2) % 24) for k in range(12)]
    graph = [0, 1] * 12, edges
    assert group_order(run(graph).generators, 24) == 12
    check_relabelling(graph, [(7 * v + 5) % 24 for v in range(24)])


def test_depth_is_no_limit() -> None:
    n = 2_000
    path = [0] * n, [(0, k, k + 1) for k in range(n - 1)]
    assert run(path).generators == (tuple(reversed(range(n))),)
    twins = (
        [0] * (2 * n),
        [(0, a, b) for k in range(n - 1) for a in (2 * k, 2 * k + 1) for b in (2 * k + 2, 2 * k + 3)],
    )
    assert len(run(twins).generators) == n + 1
    comb = nx.complement(nx.disjoint_union_all([nx.path_graph(2)] * 30))
    assert group_order(run(plain(comb)).generators, 60) == 2**30 * math.factorial(30)


def test_budget_raises() -> None:
    with pytest.raises(LabellingBudgetError, match="within 1 search nodes"):
        run(plain(nx.petersen_graph()), budget=1)


def test_graphs_without_edges() -> None:
    assert run(([], [])) == Labelling((), (), ())
    assert run(([4, 3], [])) == Labelling((1, 0), ((3,), (4,)), ())
    assert GraphMatcher(nx.empty_graph(2), nx.empty_graph(2)).is_isomorphic()
