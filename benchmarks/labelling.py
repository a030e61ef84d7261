"""Medians of the time to label a graph: `python benchmarks/labelling.py`."""

import random
import statistics
import time
from collections.abc import Callable

import networkx as nx

from tensorgrad.diagram.labelling import label

Case = tuple[list[int], list[list[tuple[int, int]]]]


def shuffled(colours: list[int], edges: list[tuple[int, int, int]], seed: int = 1) -> Case:
    """The graph as neighbour lists, its vertices in random order."""
    to = list(range(len(colours)))
    random.Random(seed).shuffle(to)
    renamed = [0] * len(colours)
    neighbours: list[list[tuple[int, int]]] = [[] for _ in colours]
    for v, c in enumerate(colours):
        renamed[to[v]] = c
    for c, a, b in edges:
        neighbours[to[a]].append((c, to[b]))
        neighbours[to[b]].append((c, to[a]))
    return renamed, neighbours


def ring(n: int, colours: list[int]) -> Case:
    """n operands and n edges between them: rotation is the only symmetry there can be."""
    edges = [(0, k, n + k) for k in range(n)] + [(1, n + k, (k + 1) % n) for k in range(n)]
    return shuffled(colours + [-1] * n, edges)


def network(operands: int, kinds: int, extra: int) -> Case:
    """A random tree of operands with `extra` more edges; every second vertex is an edge."""
    rng = random.Random(operands)
    pairs = [(rng.randrange(k), k) for k in range(1, operands)]
    pairs += [(rng.randrange(operands), rng.randrange(operands)) for _ in range(extra)]
    colours = [rng.randrange(kinds) for _ in range(operands)] + [-1] * len(pairs)
    edges = [(s, p[s], operands + k) for k, p in enumerate(pairs) for s in (0, 1)]
    return shuffled(colours, edges)


def branches(count: int, length: int) -> Case:
    edges = [(0, p, q) for b in range(count) for p, q in _path(1 + b * length, length)]
    return shuffled([0] * (1 + count * length), edges)


def _path(first: int, length: int) -> list[tuple[int, int]]:
    return [(0, first)] + [(first + k, first + k + 1) for k in range(length - 1)]


def plain(graph: "nx.Graph") -> Case:
    number = {v: k for k, v in enumerate(graph)}
    return shuffled([0] * len(number), [(0, number[a], number[b]) for a, b in graph.edges()])


def rook(n: int) -> "nx.Graph":
    return nx.cartesian_product(nx.complete_graph(n), nx.complete_graph(n))


CASES: dict[str, Callable[[], Case]] = {
    "network, 8 vertices, distinct operands": lambda: network(4, 1000, 1),
    "network, 8 vertices, 2 kinds": lambda: network(4, 2, 1),
    "network, 30 vertices": lambda: network(15, 3, 1),
    "network, 60 vertices": lambda: network(30, 3, 1),
    "network, 60 vertices, distinct operands": lambda: network(30, 10**6, 1),
    "network, 400 vertices": lambda: network(200, 5, 1),
    "network, 450 vertices, denser": lambda: network(200, 3, 51),
    "ring 64 + 64, distinct operands": lambda: ring(64, list(range(64))),
    "ring 64 + 64, equal operands": lambda: ring(64, [0] * 64),
    "hub, 12 branches of 3": lambda: branches(12, 3),
    "product of 5 equal matrices, traced": lambda: ring(5, [0] * 5),
    "K6": lambda: plain(nx.complete_graph(6)),
    "Petersen": lambda: plain(nx.petersen_graph()),
    "rook 3x3": lambda: plain(rook(3)),
    "rook 6x6": lambda: plain(rook(6)),
    "torus 4x4": lambda: plain(nx.grid_2d_graph(4, 4, periodic=True)),
    "torus 8x8": lambda: plain(nx.grid_2d_graph(8, 8, periodic=True)),
    "cube": lambda: plain(nx.cubical_graph()),
    "6-cube": lambda: plain(nx.hypercube_graph(6)),
    "6 cycles of 6": lambda: plain(nx.disjoint_union_all([nx.cycle_graph(6)] * 6)),
    "random cubic, 60": lambda: plain(nx.random_regular_graph(3, 60, seed=1)),
    "path, 2000": lambda: plain(nx.path_graph(2000)),
}


def median(case: Case, seconds: float = 0.3) -> float:
    colours, neighbours = case
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        label(colours, neighbours)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    for name, make in CASES.items():
        case = make()
        found = label(*case)
        print(f"{name:42}{1e6 * median(case):10.0f} us{len(found.generators):5} generators")


if __name__ == "__main__":
    main()
