"""Canonical forms of networks and sums: one labelling for all orders of factors, names of edges and symmetries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensorgrad.diagram.labelling import label
from tensorgrad.diagram.symmetry import Group, Signed

GroupOf = Callable[[int], Group]


@dataclass(frozen=True, slots=True)
class Form:
    """Operands in canonical order on canonically numbered edges.

    `edges[k]` is the original edge with number k; `sign` 0 means that the diagram vanishes. `generators` are the signed
    permutations of edge numbers that map the form to itself.
    """

    operands: tuple[tuple[int, tuple[int, ...]], ...]
    edges: tuple[int, ...]
    sign: int
    generators: tuple[Signed, ...]


def canonical(operands: Sequence[tuple[int, Sequence[int]]], colours: dict[int, int], group_of: GroupOf) -> Form:
    """The canonical form of a hypergraph of `operands` (colour, legs) on edges with `colours`.

    The colour of an operand also selects its symmetry group through `group_of`.
    """
    quick = _by_signatures(operands, colours, group_of)
    return quick if quick is not None else _by_labelling(operands, colours, group_of)


def _by_signatures(
    operands: Sequence[tuple[int, Sequence[int]]], colours: dict[int, int], group_of: GroupOf
) -> Form | None:
    """The common easy case: all operands differ, and then every edge differs from every other by who meets it."""
    order = sorted(range(len(operands)), key=lambda k: operands[k][0])
    previous: int | None = None
    signature: dict[int, list[int]] = {e: [c] for e, c in colours.items()}
    for position, k in enumerate(order):
        colour, legs = operands[k]
        if colour == previous:
            return None
        previous = colour
        group = group_of(colour)
        if not group.by_sets:
            return None
        axis_colours = group.colours
        for axis, edge in enumerate(legs):
            signature[edge] += (position, axis_colours[axis])
    keys = {e: (s[0], sorted(zip(s[1::2], s[2::2], strict=True))) for e, s in signature.items()}
    edges = sorted(keys, key=keys.__getitem__)
    for a, b in pairwise(edges):
        if keys[a] == keys[b]:
            return None
    return _emit([operands[k] for k in order], edges, group_of, [])


def _emit(
    ordered: Sequence[tuple[int, Sequence[int]]], edges: Sequence[int], group_of: GroupOf, generators: list[Signed]
) -> Form:
    number = {e: k for k, e in enumerate(edges)}
    sign = 1
    out: list[tuple[int, tuple[int, ...]]] = []
    for colour, legs in ordered:
        arranged, s = group_of(colour).arrange([number[e] for e in legs])
        sign *= s
        out.append((colour, arranged))
    return Form(tuple(out), tuple(edges), sign, tuple(generators))


def _by_labelling(operands: Sequence[tuple[int, Sequence[int]]], colours: dict[int, int], group_of: GroupOf) -> Form:
    edges = list(colours)
    vertex = {e: len(operands) + k for k, e in enumerate(edges)}
    vertex_colours: list[int] = [4 * c for c, _ in operands] + [4 * colours[e] + 1 for e in edges]
    neighbours: list[list[tuple[int, int]]] = [[] for _ in vertex_colours]

    def join(a: int, b: int, colour: int) -> None:
        neighbours[a].append((colour, b))
        neighbours[b].append((colour, a))

    for k, (colour, legs) in enumerate(operands):
        group = group_of(colour)
        if group.by_sets:
            for axis, edge in enumerate(legs):
                join(k, vertex[edge], group.colours[axis])
            continue
        if group.blocks:
            for block in group.blocks:
                vertex_colours.append(4 * colour + 3)
                neighbours.append([])
                join(len(vertex_colours) - 1, k, len(legs))
                for axis in block:
                    join(len(vertex_colours) - 1, vertex[legs[axis]], group.colours[axis])
            continue
        first = len(vertex_colours)
        for edge in legs:
            vertex_colours.append(4 * colour + 2)
            neighbours.append([])
            join(len(vertex_colours) - 1, vertex[edge], 0)
        for permutation, _ in group.elements:
            vertex_colours.append(4 * colour + 3)
            neighbours.append([])
            join(len(vertex_colours) - 1, k, len(legs))
            for axis, image in enumerate(permutation):
                join(len(vertex_colours) - 1, first + image, axis)
    labelling = label(vertex_colours, neighbours)
    count, first_edge = len(operands), len(operands) + len(edges)
    order = [v for v in labelling.order if v < count]
    edge_order = [edges[v - count] for v in labelling.order if count <= v < first_edge]
    form = _emit([operands[v] for v in order], edge_order, group_of, [])
    generators = [_signed(g, operands, edges, vertex, edge_order, group_of) for g in labelling.generators]
    return Form(form.operands, form.edges, form.sign, tuple(generators))


def _signed(
    automorphism: Sequence[int],
    operands: Sequence[tuple[int, Sequence[int]]],
    edges: Sequence[int],
    vertex: dict[int, int],
    edge_order: Sequence[int],
    group_of: GroupOf,
) -> Signed:
    """An automorphism as a permutation of edge numbers, with the sign that rearranging the operands' legs costs."""
    count = len(operands)
    image = {e: edges[automorphism[vertex[e]] - count] for e in edges}
    number = {e: k for k, e in enumerate(edge_order)}
    sign = 1
    for k, (colour, legs) in enumerate(operands):
        group = group_of(colour)
        if any(s < 0 for _, s in group.generators):
            there = operands[automorphism[k]][1]
            sign *= group.arrange([number[image[e]] for e in legs])[1] * group.arrange([number[e] for e in there])[1]
    return tuple(number[image[e]] for e in edge_order), sign or 1
