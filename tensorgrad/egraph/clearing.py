"""Denominators cleared: L = inv(K) @ X equals R if X = K @ R, and L = X / s equals R if X = s * R."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tensorgrad.diagram.applications import make_power
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Ref
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.forms import sum_members, sum_of
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied, Lemma
from tensorgrad.sizes import MINUS_ONE, ONE, Poly

MOST_STEPS = 6
"""Factors cleared one after the other."""


@dataclass(frozen=True, slots=True)
class Reciprocal:
    """A factor base ** -p that base ** p cancels: the base, p, and the axes of the whole where the base's axes are."""

    base: Ref
    power: Poly
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Divisor:
    """A matrix and its inverse: places q >= 0 of the matrix are summed with axis q of what it multiplies, -1 - q stands
    there afterwards; `axes` are the same for the inverse, the other way round."""

    matrix: Handle
    places: tuple[int, ...]
    inverse: Handle
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """One factor taken from one side: `member` (the side as the node that shows the factor) is `factor` times `rest`.

    `axes[a]` says where axis a of the factor is: q >= 0 is axis q of the side, -1 - q the axis of the rest that stands
    in the place of the side's axis q and is summed. `other` is the other side times what cancels the factor. `descents`
    are the pairs (child, application) where the factor is another member of its class than the node shows. `divisor` is
    what the factor divides by, where it is the inverse of a matrix.
    """

    member: Ref
    rest: Ref
    factor: Ref
    axes: tuple[int, ...]
    other: Ref
    rule: str = "factor-cancels"
    descents: tuple[tuple[Handle, Handle], ...] = ()
    divisor: Divisor | None = None

    def step(self) -> Applied:
        """The reason why the two sides are equal when `rest` and `other` are."""
        lemma = Lemma("factor", self.rest, self.other, self.factor, self.axes)
        return Applied(self.rule, "built in", self.descents, lemma)


@dataclass(frozen=True, slots=True)
class Way:
    """A factor that can be cleared; the sides without it are formed when the way is taken, for there may be thousands."""

    factor: Handle
    take: Callable[[], Cleared]


def clear(graph: EGraph, facts: Facts, side: Ref, other: Ref) -> Iterator[Way]:
    """The ways to take an inverse or a reciprocal off `side`, or off a term of it, by multiplying both sides."""
    for at, network, boundary, k, applied, on in _applied(graph, side):
        way = _one(graph, facts, network, boundary, k, applied, on, at, other)
        if way is not None:
            child = network.operands[k][0]
            shown = child == applied or not isinstance(graph.nodes[at[0]], Network)
            yield way if shown else Way(applied, partial(_seen_below, way, child))
    for terms in _sums(graph, side):
        for applied, taken in _reciprocals(graph, facts, terms):
            yield Way(applied, partial(_off_sum, graph, side, other, terms, applied, taken))
    yield from _inside(graph, facts, side, other)


def _seen_below(way: Way, child: Handle) -> Cleared:
    return replace(way.take(), descents=((child, way.factor),))


def _off_sum(
    graph: EGraph, side: Ref, other: Ref, terms: Sequence[tuple[Poly, Ref]], applied: Handle, taken: Reciprocal
) -> Cleared:
    rest = _sum_times(graph, terms, graph.ref_dims(side), taken)
    factor: Ref = (applied, tuple(range(len(taken.places))))
    return Cleared(side, rest, factor, taken.places, _times(graph, other, taken))


def clear_term(graph: EGraph, facts: Facts, side: Ref, other: Ref) -> Cleared | None:
    """A way to take the inverse of a sum off a term: inv(K) @ X + Y is inv(K) @ (X + K @ Y)."""
    for terms in _sums(graph, side):
        for number, (_, term) in enumerate(terms):
            for at, network, boundary, k, applied, on in _applied(graph, term):
                node = graph.nodes[applied]
                assert isinstance(node, Application)
                if node.groups != (1, 1) or not graph.members(node.args[0][0]).totals:
                    continue
                way = _one(graph, facts, network, boundary, k, applied, on, at, other)
                found = way and way.take()
                if found is not None and found.divisor is not None:
                    rest = [
                        (c, found.rest if j == number else _contracted(graph, t, found.divisor))
                        for j, (c, t) in enumerate(terms)
                    ]
                    return replace(found, member=side, rest=graph.total(rest, graph.ref_dims(side)))
    return None


def multiply(graph: EGraph, side: Ref, other: Ref) -> Iterator[Cleared]:
    """Both sides times a number that is stated not to be zero, as s - t is of two eigenvalues."""
    for ref, fact, _ in graph.sayings:
        base = _unscaled(graph, graph.resolve(ref))
        if fact in ("nonzero", "positive") and not base[1] and graph.members(base[0]).totals:
            taken = Reciprocal(base, ONE, ())
            factor = make_power(graph, base, MINUS_ONE)
            yield Cleared(side, _times(graph, side, taken), factor, (), _times(graph, other, taken))


def _unscaled(graph: EGraph, ref: Ref) -> Ref:
    """K where the reference is a number times K, of order 0: which of s - t and t - s is a sum is a matter of order."""
    network = graph.network_of(ref[0])
    if ref[1] or network is None or len(network.operands) != 1 or network.operands[0][1]:
        return ref
    return graph.resolve((network.operands[0][0], ()))


def _inside(graph: EGraph, facts: Facts, side: Ref, other: Ref) -> Iterator[Way]:
    """The ways to take a reciprocal off a term of a sum that is a factor of `side`: (x / c + y) * z is (x + c * y) * z / c."""
    root, perm = graph.resolve(side)
    for member in graph.members(root).networks:
        network = _as_network(graph, member)
        own = {p: a for a, p in enumerate(graph.oriented(member))}
        boundary = [network.boundary[own[p]] for p in perm]
        for k, (child, legs) in enumerate(network.operands):
            whole: Ref = (child, tuple(range(len(legs))))
            for terms in _sums(graph, whole) if child > FLAT and len(network.operands) > 1 else ():
                for applied, taken in _reciprocals(graph, facts, terms):
                    if all(legs[q] in boundary for q in taken.places):
                        yield Way(
                            applied, partial(_off_part, graph, side, other, network, boundary, k, terms, applied, taken)
                        )


def _off_part(
    graph: EGraph,
    side: Ref,
    other: Ref,
    network: Network,
    boundary: Sequence[int],
    k: int,
    terms: Sequence[tuple[Poly, Ref]],
    applied: Handle,
    taken: Reciprocal,
) -> Cleared:
    child, legs = network.operands[k]
    dims = graph.ref_dims((child, tuple(range(len(legs)))))
    rest = _with(graph, network, k, _sum_times(graph, terms, dims, taken), boundary)
    places = tuple(boundary.index(legs[q]) for q in taken.places)
    outer = Reciprocal(taken.base, taken.power, places)
    return Cleared(side, rest, (applied, tuple(range(len(places)))), places, _times(graph, other, outer))


def _reciprocals(graph: EGraph, facts: Facts, terms: Sequence[tuple[Poly, Ref]]) -> Iterator[tuple[Handle, Reciprocal]]:
    """The reciprocals that are factors of terms of a sum, on its axes; roots stay, which multiplying out does not undo."""
    for _, term in terms:
        for _, _, boundary, _, applied, on in _applied(graph, term):
            taken = _reciprocal(graph, facts, applied, on, boundary)
            if taken is not None and not _has_roots(graph, taken.base):
                yield applied, taken


def _has_roots(graph: EGraph, base: Ref) -> bool:
    """Whether there are powers of a base that are not whole."""
    for user in graph.members(base[0]).users:
        node = graph.nodes[user]
        value = (
            graph.constant_value(graph.root(node.args[1][0]))
            if isinstance(node, Application) and _is_power(node)
            else None
        )
        if value is not None and value.is_constant and value.number.denominator != 1:
            return True
    return False


def _applied(graph: EGraph, side: Ref) -> Iterator[tuple[Ref, Network, list[int], int, Handle, list[int]]]:
    """The applications that are factors of `side`: the member that shows one, it as a network with its boundary in the
    order of the reference, the operand's number, the application, and the edges at its axes."""
    root, perm = graph.resolve(side)
    members = [*graph.members(root).networks, *graph.members(root).applications]
    for member in sorted(members):
        network = _as_network(graph, member)
        inverse = {p: a for a, p in enumerate(graph.oriented(member))}
        boundary = [network.boundary[inverse[p]] for p in perm]
        at: Ref = (member, tuple(inverse[p] for p in perm))
        for k, (child, legs) in enumerate(network.operands):
            if child < FLAT:
                continue
            for applied in graph.members(child).applications:
                own = {p: a for a, p in enumerate(graph.oriented(child))}
                yield at, network, boundary, k, applied, [legs[own[p]] for p in graph.oriented(applied)]


def _sums(graph: EGraph, side: Ref) -> Iterator[list[tuple[Poly, Ref]]]:
    """The sums that `side` is, also as a number times a sum: the terms, with its axes, and their coefficients."""
    root, perm = graph.resolve(side)
    for coefficient, (child, axes) in [(ONE, (root, perm)), *_scaled(graph, root, perm)]:
        for member in sum_members(graph, child):
            terms = sum_of(graph, child, member).terms
            yield [(coefficient * c, (h, tuple(own[p] for p in axes))) for c, h, own in terms]


def _scaled(graph: EGraph, root: Handle, perm: Sequence[int]) -> Iterator[tuple[Poly, Ref]]:
    """The ways to read a class, its axes in an order, as a number times something."""
    for member in graph.members(root).networks:
        node = _as_network(graph, member)
        child, legs = node.operands[0] if len(node.operands) == 1 else (FLAT, ())
        if child > FLAT and sorted(legs) == sorted(node.boundary) and len(set(legs)) == len(legs):
            own = {p: a for a, p in enumerate(graph.oriented(member))}
            yield node.coefficient, (child, tuple(legs.index(node.boundary[own[p]]) for p in perm))


def strip(graph: EGraph, side: Ref, other: Ref) -> Iterator[Cleared]:
    """The ways to take a name that both sides are summed with, as y in A @ y = B @ y, off both."""
    forms = [(at, *_shown(graph, side, at)) for at in graph.members(side[0]).networks]
    others = [_shown(graph, other, at) for at in graph.members(other[0]).networks]
    order = len(side[1])
    for member, network, boundary in forms:
        for k, handle in _summed_names(graph, network):
            legs = network.operands[k][1]
            for second, ends in others:
                place = next((j for j, h in _summed_names(graph, second) if h == handle), None)
                if place is None:
                    continue
                rest = _without(graph, network, k, [*boundary, *legs])
                right = _without(graph, second, place, [*ends, *second.operands[place][1]])
                inverse = {p: a for a, p in enumerate(graph.oriented(member))}
                at: Ref = (member, tuple(inverse[p] for p in graph.resolve(side)[1]))
                axes = tuple(range(len(legs)))
                yield Cleared(at, rest, (handle, axes), tuple(-1 - order - a for a in axes), right, "same-factor")


def _shown(graph: EGraph, ref: Ref, member: Handle) -> tuple[Network, list[int]]:
    """A member network, and its boundary in the order of the reference."""
    network = _as_network(graph, member)
    inverse = {p: a for a, p in enumerate(graph.oriented(member))}
    return network, [network.boundary[inverse[p]] for p in graph.resolve(ref)[1]]


def _summed_names(graph: EGraph, network: Network) -> Iterator[tuple[int, Handle]]:
    """The operands that are names, stand once in the network, and have no leg in the boundary."""
    handles = [h for h, _ in network.operands]
    for k, (handle, legs) in enumerate(network.operands):
        named = handle > FLAT and isinstance(graph.nodes[handle], Leaf) and graph.group_of(handle).trivial
        once = handles.count(handle) == 1 and len(set(legs)) == len(legs)
        if named and once and legs and not set(legs) & set(network.boundary):
            yield k, handle


def _as_network(graph: EGraph, member: Handle) -> Network:
    node = graph.nodes[member]
    if isinstance(node, Network):
        return node
    axes = tuple(range(len(graph.dims[member])))
    return Network(ONE, ((member, axes),), axes, graph.dims[member])


def _one(
    graph: EGraph,
    facts: Facts,
    network: Network,
    boundary: Sequence[int],
    k: int,
    applied: Handle,
    legs: Sequence[int],
    at: Ref,
    other: Ref,
) -> Way | None:
    node = graph.nodes[applied]
    assert isinstance(node, Application)
    if _is_power(node):
        taken = _reciprocal(graph, facts, applied, legs, boundary)
        return taken and Way(applied, partial(_off_product, graph, at, other, network, boundary, k, applied, taken))
    if node.function.name != "inv" or any(label >= 0 for label in node.args[0][1]):
        return None
    rows, columns = node.groups
    ends = (range(columns), range(columns, columns + rows))
    outer = next((end for end in ends if all(_alone(network, k, boundary, legs[a]) for a in end)), None)
    if outer is None or not facts.holds(_matrix(graph, node), "invertible"):
        return None
    return Way(applied, partial(_inverse, graph, network, boundary, k, applied, node, legs, outer, at, other))


def _off_product(
    graph: EGraph,
    at: Ref,
    other: Ref,
    network: Network,
    boundary: Sequence[int],
    k: int,
    applied: Handle,
    taken: Reciprocal,
) -> Cleared:
    rest = _without(graph, network, k, boundary)
    factor: Ref = (applied, tuple(range(len(taken.places))))
    return Cleared(at, rest, factor, taken.places, _times(graph, other, taken))


def _is_power(node: Application) -> bool:
    return node.function.name == "pow" and node.function.known and not node.function.derivative


def _reciprocal(
    graph: EGraph, facts: Facts, applied: Handle, legs: Sequence[int], boundary: Sequence[int]
) -> Reciprocal | None:
    """A negative power, entry by entry, on edges of the boundary, if it is known that it can be cancelled."""
    found = _power(graph, applied, legs, boundary)
    if found is None or found.power.number <= 0:
        return None
    whole = found.power.number.denominator == 1
    return found if facts.holds(found.base, "nonzero" if whole else "positive") else None


def _power(graph: EGraph, applied: Handle, legs: Sequence[int], boundary: Sequence[int]) -> Reciprocal | None:
    """An application that is a power with a number, entry by entry, on edges of the boundary."""
    node = graph.nodes[applied]
    assert isinstance(node, Application)
    if not _is_power(node) or not set(legs) <= set(boundary):
        return None
    (base, labels), (exponent, _) = node.args
    value = graph.constant_value(graph.root(exponent))
    if value is None or not value.is_constant:
        return None
    axis = {label: a for a, label in enumerate(labels)}
    ref: Ref = (base, tuple(axis[b] for b in range(len(labels))))
    return Reciprocal(graph.resolve(ref), -value, tuple(boundary.index(e) for e in legs))


def _alone(network: Network, k: int, boundary: Sequence[int], edge: int) -> bool:
    """Whether an edge of operand k leads to the boundary, once, and nowhere else."""
    legs = [e for _, own in network.operands for e in own]
    return boundary.count(edge) == 1 and legs.count(edge) == 1


def _inverse(
    graph: EGraph,
    network: Network,
    boundary: Sequence[int],
    k: int,
    applied: Handle,
    node: Application,
    legs: Sequence[int],
    outer: range,
    at: Ref,
    other: Ref,
) -> Cleared:
    inner = [a for a in range(len(legs)) if a not in outer]
    place = {legs[a]: boundary.index(legs[a]) for a in outer}
    turned = list(boundary)
    for a, b in zip(outer, inner, strict=True):
        turned[place[legs[a]]] = legs[b]
    axes = [0] * len(legs)
    for a, b in zip(outer, inner, strict=True):
        axes[a], axes[b] = place[legs[a]], -1 - place[legs[a]]
    rest = _without(graph, network, k, turned)
    handle, labels = node.args[0]
    # The matrix's k-th acted axis is axis `columns + k` of the inverse for a row, `k - rows` for a column.
    rows, columns = node.groups
    of_label = {-1 - j: columns + j if j < rows else j - rows for j in range(rows + columns)}
    divisor = Divisor(handle, tuple(axes[of_label[label]] for label in labels), applied, tuple(axes))
    factor: Ref = (applied, tuple(range(len(legs))))
    return Cleared(at, rest, factor, tuple(axes), _contracted(graph, other, divisor), divisor=divisor)


def _without(graph: EGraph, network: Network, k: int, boundary: Sequence[int]) -> Ref:
    """The network without operand k, with another boundary."""
    kept = [o for j, o in enumerate(network.operands) if j != k]
    used = {e for _, legs in kept for e in legs}.union(boundary)
    draft = Draft(network.coefficient)
    # An edge that only the operand had is gone with it: size 1, so that closing it adds no factor.
    edges = draft.edges(d if e in used else ONE for e, d in enumerate(network.dims))
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in kept]
    draft.boundary = [edges[e] for e in boundary]
    return graph.network(draft)


def _with(graph: EGraph, network: Network, k: int, new: Ref, boundary: Sequence[int]) -> Ref:
    """The network with another operand k, its axes where those of the old one were."""
    draft = Draft(network.coefficient)
    edges = draft.edges(network.dims)
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
    by_axis = [0] * len(new[1])
    for a, p in enumerate(new[1]):
        by_axis[p] = draft.operands[k][1][a]
    draft.operands[k] = (new[0], by_axis)
    draft.boundary = [edges[e] for e in boundary]
    return graph.network(draft)


def _contracted(graph: EGraph, other: Ref, divisor: Divisor) -> Ref:
    """The matrix times the other side; where that is the inverse times something, this something."""
    for _, network, boundary, k, applied, on in _applied(graph, other):
        if applied == divisor.inverse and all(
            on[a] == boundary[q] and _alone(network, k, boundary, on[a]) for a, q in enumerate(divisor.axes) if q >= 0
        ):
            turned = list(boundary)
            for a, q in enumerate(divisor.axes):
                if q < 0:
                    turned[-1 - q] = on[a]
            return _without(graph, network, k, turned)
    matrix, places = divisor.matrix, divisor.places
    draft = Draft()
    handle, perm = graph.resolve(other)
    legs = draft.edges(graph.dims[handle])
    matrix_legs = draft.edges(graph.dims[matrix])
    draft.boundary = [legs[p] for p in perm]
    for leg, q in zip(matrix_legs, places, strict=True):
        if q >= 0:
            draft.unify(leg, legs[perm[q]])
        else:
            draft.boundary[-1 - q] = leg
    draft.operands = [(handle, legs), (matrix, matrix_legs)]
    return graph.network(draft)


def _times(graph: EGraph, other: Ref, taken: Reciprocal) -> Ref:
    """The other side times what cancels a factor; of a sum, each term."""
    terms = next(_sums(graph, other), None)
    if terms is not None:
        return _sum_times(graph, terms, graph.ref_dims(other), taken)
    return _term_times(graph, other, taken)


def _sum_times(graph: EGraph, terms: Sequence[tuple[Poly, Ref]], dims: Sequence[Poly], taken: Reciprocal) -> Ref:
    return graph.total([(c, _term_times(graph, t, taken)) for c, t in terms], dims)


def _term_times(graph: EGraph, term: Ref, taken: Reciprocal) -> Ref:
    """A term times base ** p: what it has of the base's powers is merged, so that nothing is left to cancel."""
    for _, network, boundary, k, applied, on in _applied(graph, term):
        here = _power(graph, applied, on, boundary)
        if here is not None and here.base == taken.base and here.places == taken.places:
            rest = _without(graph, network, k, boundary)
            left = taken.power - here.power
            return rest if not left else _product(graph, rest, make_power(graph, taken.base, left), taken.places)
    return _product(graph, term, make_power(graph, taken.base, taken.power), taken.places)


def _product(graph: EGraph, other: Ref, factor: Ref, places: Sequence[int]) -> Ref:
    """The other side times a factor, entry by entry on the axes `places`."""
    draft = Draft()
    handle, perm = graph.resolve(other)
    legs = draft.edges(graph.dims[handle])
    own = [0] * len(places)
    for a, q in enumerate(places):
        own[factor[1][a]] = legs[perm[q]]
    draft.operands = [(handle, legs), (factor[0], own)]
    draft.boundary = [legs[p] for p in perm]
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
