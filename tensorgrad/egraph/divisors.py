"""Matrices that a tensor is divided by: their inverses are factors of it, and they cancel them."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.nodes import Application, Handle, Ref
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.shown import Shown, application, shown
from tensorgrad.sizes import ONE


@dataclass(frozen=True, slots=True)
class Divisor:
    """A matrix and its inverse: places q >= 0 of the matrix are summed with axis q of what it multiplies, -1 - q stands
    there afterwards; `axes` are the same for the inverse, the other way round."""

    matrix: Handle
    places: tuple[int, ...]
    inverse: Handle
    axes: tuple[int, ...]


def divides(graph: EGraph, facts: Facts, at: Shown) -> bool:
    """Whether an application is the inverse of an invertible matrix, at one end of the network that shows it."""
    node = application(graph, at.factor)
    if node.function.name != "inv" or any(label >= 0 for label in node.args[0][1]):
        return False
    return _outer(node, at) is not None and facts.holds(_matrix(graph, node), "invertible")


def _outer(node: Application, at: Shown) -> range | None:
    """The axes of an inverse, rows or columns, that all lead out of the network."""
    rows, columns = node.groups
    ends = (range(columns), range(columns, columns + rows))
    return next((end for end in ends if all(at.leads_out(a) for a in end)), None)


def divided(graph: EGraph, at: Shown) -> tuple[Ref, Divisor]:
    """What is left of a network without an inverse that `divides` it, and what this is divided by."""
    node = application(graph, at.factor)
    outer, legs = _outer(node, at), at.legs
    assert outer is not None
    inner = [a for a in range(len(legs)) if a not in outer]
    turned = list(at.boundary)
    axes = [0] * len(legs)
    for a, b in zip(outer, inner, strict=True):
        place = at.boundary.index(legs[a])
        turned[place] = legs[b]
        axes[a], axes[b] = place, -1 - place
    handle, labels = node.args[0]
    # The matrix's k-th acted axis is axis `columns + k` of the inverse for a row, `k - rows` for a column.
    rows, columns = node.groups
    of_label = {-1 - j: columns + j if j < rows else j - rows for j in range(rows + columns)}
    divisor = Divisor(handle, tuple(axes[of_label[label]] for label in labels), at.factor, tuple(axes))
    return at.rest(graph, turned), divisor


def contracted(graph: EGraph, side: Ref, divisor: Divisor) -> Ref:
    """The matrix times a side; where that is the inverse times something, this something."""
    outer = [(a, q) for a, q in enumerate(divisor.axes) if q >= 0]
    for at in shown(graph, side, "inv"):
        if at.factor == divisor.inverse and all(at.legs[a] == at.boundary[q] and at.leads_out(a) for a, q in outer):
            turned = list(at.boundary)
            for a, q in enumerate(divisor.axes):
                if q < 0:
                    turned[-1 - q] = at.legs[a]
            return at.rest(graph, turned)
    draft = Draft()
    handle, perm = graph.resolve(side)
    legs = draft.edges(graph.dims[handle])
    matrix_legs = draft.edges(graph.dims[divisor.matrix])
    draft.boundary = [legs[p] for p in perm]
    for leg, q in zip(matrix_legs, divisor.places, strict=True):
        if q >= 0:
            draft.unify(leg, legs[perm[q]])
        else:
            draft.boundary[-1 - q] = leg
    draft.operands = [(handle, legs), (divisor.matrix, matrix_legs)]
    return graph.network(draft)


def _matrix(graph: EGraph, node: Application) -> Ref:
    """The argument of an inverse as a matrix: each group of axes fused to one."""
    handle, labels = node.args[0]
    rows, columns = node.groups
    position = {label: a for a, label in enumerate(labels)}
    axes = [position[-1 - j] for j in range(rows + columns)]
    if rows == columns == 1:
        return handle, tuple(axes)
    draft = Draft()
    legs = draft.edges(graph.dims[handle])
    draft.operands = [(handle, legs)]
    for group in (axes[:rows], axes[rows:]):
        size = ONE
        for a in group:
            size = size * graph.dims[handle][a]
        fused = legs[group[0]] if len(group) == 1 else draft.edge(size)
        if len(group) > 1:
            draft.operands.append((-len(group), [fused, *(legs[a] for a in group)]))
        draft.boundary.append(fused)
    return graph.network(draft)
