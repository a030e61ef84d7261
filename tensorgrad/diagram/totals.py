"""Canonical sums: like terms merged exactly, common copies and ones outside, content and sign outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tensorgrad.diagram.canonical import Form, canonical
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Legs, Network, Ref, Total
from tensorgrad.diagram.symmetry import Signed, closure, inverse
from tensorgrad.diagram.tiles import completed
from tensorgrad.sizes import MINUS_ONE, ONE, ZERO, Poly, content_of, means_in

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store

Terms = dict[tuple[Handle, Legs], Poly]
"""Like terms: (handle, legs) -> coefficient; legs[p] is the sum's axis that the handle's axis p is."""


def canonical_total(store: Store, terms: Iterable[tuple[Poly, Ref]], dims: tuple[Poly, ...]) -> Ref:
    """The canonical sum of coefficient * reference."""
    merged = _like_terms(store, terms)
    if store.has_embeddings:
        while (joined := completed(store, merged)) is not None:
            merged = _like_terms(store, joined)
    if not merged:
        return store.zero(dims)
    if len(merged) == 1:
        ((handle, legs), coefficient) = next(iter(merged.items()))
        return store.scaled(coefficient, (handle, inverse(legs)))
    hoisted = _hoist(store, merged, dims)
    if hoisted is not None:
        return hoisted
    return _canonical(store, merged, dims)


def _like_terms(store: Store, terms: Iterable[tuple[Poly, Ref]]) -> Terms:
    merged: Terms = {}
    # With each term the classes it was opened from: in an e-graph x = -y and y = -x would else be opened for ever.
    none: frozenset[Handle] = frozenset()
    stack = [(c, store.resolve(ref), none) for c, ref in reversed(list(terms))]
    while stack:
        coefficient, (handle, perm), opened = stack.pop()
        if not coefficient:
            continue
        total = store.total_of(handle)
        if total is not None and (not total.terms or handle not in opened):
            inside = opened | {handle}
            stack.extend(
                (coefficient * c, store.resolve((h, tuple(q[p] for p in perm))), inside)
                for c, h, q in reversed(total.terms)
            )
            continue
        network = store.network_of(handle)
        hoisted = _hoisted(store, network) if network is not None and handle not in opened else None
        if network is not None and hoisted is not None:
            inside = opened | {handle}
            stack.extend(
                (coefficient * c, store.resolve(ref), inside) for c, ref in _opened(store, network, hoisted, perm)
            )
            continue
        if network is not None and network.coefficient is not ONE and handle not in opened:
            bare = _without_coefficient(store, network, perm)
            stack.append((coefficient * network.coefficient, bare, opened | {handle}))
            continue
        legs, sign = store.group_of(handle).arrange(inverse(perm))
        if sign:
            key = (handle, legs)
            new = merged.get(key, ZERO) + (coefficient if sign > 0 else coefficient * MINUS_ONE)
            if new:
                merged[key] = new
            else:
                merged.pop(key, None)
    return merged


def _hoisted(store: Store, network: Network) -> Total | None:
    """The sum of copies, ones and numbers that a network holds with other copies and ones about it (see `_hoist`)."""
    if len(network.operands) != 1 or network.operands[0][0] < FLAT:
        return None
    handle, legs = network.operands[0]
    total = store.total_of(handle)
    if total is None or len(set(legs)) < len(legs) or not set(legs) <= set(network.boundary):
        return None
    inside = [store.network_of(h) for _, h, _ in total.terms]
    bare = all(n is not None and all(not ls for _, ls in n.operands) for n in inside)
    return total if total.terms and bare and len(network.boundary) > len(legs) else None


def _opened(store: Store, network: Network, total: Total, perm: Legs) -> list[tuple[Poly, Ref]]:
    """The terms of such a sum, each with the copies and ones about it."""
    found: list[tuple[Poly, Ref]] = []
    for c, handle, axes in total.terms:
        draft = Draft()
        edges = draft.edges(network.dims)
        legs = [0] * len(axes)
        for e, p in zip(network.operands[0][1], axes, strict=True):
            legs[p] = edges[e]
        draft.operands = [(handle, legs)]
        draft.boundary = [edges[network.boundary[p]] for p in perm]
        found.append((network.coefficient * c, store.network(draft)))
    return found


def _without_coefficient(store: Store, network: Network, perm: Legs) -> Ref:
    draft = Draft()
    edges = draft.edges(network.dims)
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
    draft.boundary = [edges[network.boundary[p]] for p in perm]
    return store.resolve(store.network(draft))


def _hoist(store: Store, merged: Terms, dims: tuple[Poly, ...]) -> Ref | None:
    """Axes that every term has equal, or along which every term is constant, leave the sum."""
    order = len(dims)
    if not order:
        return None
    same: list[list[int]] | None = None
    constant: set[int] | None = None
    for handle, legs in merged:
        network = store.network_of(handle)
        if network is None:
            return None
        touched = {e for _, ls in network.operands for e in ls}
        edge = {legs[p]: e for p, e in enumerate(network.boundary)}
        edge_list = [edge[a] for a in range(order)]
        mine = {a for a in range(order) if edge_list[a] not in touched and edge_list.count(edge_list[a]) == 1}
        constant = mine if constant is None else constant & mine
        same = [edge_list] if same is None else [*same, edge_list]
    assert same is not None and constant is not None
    keys = [tuple(edges[a] for edges in same) for a in range(order)]
    keep = [a for a in range(order) if a not in constant and keys.index(keys[a]) == a]
    if len(keep) == order:
        return None
    small = store.total(
        [(c, _diagonal(store, h, legs, keep)) for (h, legs), c in merged.items()], [dims[a] for a in keep]
    )
    draft = Draft()
    edges = draft.edges(dims)
    draft.boundary = [edges[keys.index(keys[a])] if a not in constant else edges[a] for a in range(order)]
    by_axis = [0] * len(keep)
    for a, p in enumerate(small[1]):
        by_axis[p] = edges[keep[a]]
    draft.operands = [(small[0], by_axis)]
    for a in range(order):
        if a not in draft.boundary:
            draft.dims[edges[a]] = ONE
    return store.network(draft)


def _diagonal(store: Store, handle: Handle, legs: Legs, keep: Sequence[int]) -> Ref:
    """The term on the axes `keep` alone (the others are copies of these, or the term is constant along them)."""
    network = store.network_of(handle)
    assert network is not None
    axis_edge = {legs[p]: e for p, e in enumerate(network.boundary)}
    kept = {axis_edge[a] for a in keep}
    touched = {e for _, ls in network.operands for e in ls}
    draft = Draft(network.coefficient)
    edges = draft.edges(d if e in kept or e in touched else ONE for e, d in enumerate(network.dims))
    draft.operands = [(h, [edges[e] for e in ls]) for h, ls in network.operands]
    draft.boundary = [edges[axis_edge[a]] for a in keep]
    return store.network(draft)


def _canonical(store: Store, merged: Terms, dims: tuple[Poly, ...]) -> Ref:
    content = _content(store, merged)
    if content is not ONE:
        unit = content.inverse()
        merged = {key: c * unit for key, c in merged.items()}
    sign = _sign(store, merged)
    candidates = [1, -1] if sign == 0 else [sign]
    forms = [_form(store, {k: c if s > 0 else -c for k, c in merged.items()}, dims) for s in candidates]
    best = min(range(len(forms)), key=lambda k: forms[k][1])
    form, key = forms[best]
    generators = list(form.generators)
    if len(forms) == 2 and forms[0][1] == forms[1][1]:
        first, second = forms[0][0].edges, forms[1][0].edges
        position = {a: k for k, a in enumerate(second)}
        generators.append((tuple(position[a] for a in first), -1))
    node = Total(key[0], tuple(dims[a] for a in form.edges))
    handle = store.add(("total", *key), node, node.dims, tuple(generators))
    ref: Ref = (handle, inverse(form.edges))
    coefficient = content if candidates[best] > 0 else content * MINUS_ONE
    return store.scaled(coefficient, ref) if coefficient is not ONE else ref


def _content(store: Store, merged: Terms) -> Poly:
    """What leaves the sum: the largest common divisor, but no size that makes a mean of a term's sum.

    x - sum(x) / n stays as it is: were it (n * x - sum(x)) / n, products of such sums would grow like powers of n.
    """
    content = content_of(merged.values())
    weights = [(c, _summed(store, handle)) for (handle, _), c in merged.items()]
    if all(weight is ONE for _, weight in weights):
        return content
    return content * means_in(weights)


def _summed(store: Store, handle: Handle) -> Poly:
    """How many entries a term sums to one, counted along as many edges of a size as the term has free: a mean's n."""
    network, total = store.network_of(handle), ONE
    if network is not None:
        free = Counter(network.dims[e] for e in network.boundary)
        summed = Counter(dim for e, dim in enumerate(network.dims) if e not in network.boundary)
        for dim in sorted(summed & free):
            total = total * dim ** min(summed[dim], free[dim])
    return total


def _sign(store: Store, merged: Terms) -> int:
    """The sign that makes the sum's first unbalanced coefficients positive; 0 if each handle's signs balance.

    A term that changes sign when axes are exchanged decides nothing: its sign is that of the order of the axes.
    """
    by_handle: dict[Handle, list[Poly]] = {}
    for (handle, _), c in merged.items():
        if not _has_sign(store, handle):
            by_handle.setdefault(handle, []).append(c)
    for handle in sorted(by_handle):
        here = sorted(by_handle[handle])
        there = sorted(-c for c in here)
        if here != there:
            return 1 if here > there else -1
    return 0


def _has_sign(store: Store, handle: Handle) -> bool:
    return any(sign < 0 for _, sign in store.group_of(handle).generators)


Key = tuple[tuple[tuple[Poly, Handle, Legs], ...], tuple[Poly, ...]]
"""What tells canonical sums apart: their terms and sizes."""


def _form(store: Store, merged: Terms, dims: tuple[Poly, ...]) -> tuple[Form, Key]:
    signed = {h for h, _ in merged if _has_sign(store, h)}
    magnitude = {(h, legs): max(c, -c) if h in signed else c for (h, legs), c in merged.items()}
    rank = {c: k for k, c in enumerate(sorted(set(magnitude.values())))}
    scale = len(rank)
    operands = [(h * scale + rank[magnitude[h, legs]], legs) for h, legs in merged]
    size_rank = {d: k for k, d in enumerate(sorted(set(dims)))}
    colours = {a: size_rank[d] for a, d in enumerate(dims)}
    form = canonical(operands, colours, lambda colour: store.group_of(colour // scale))
    terms = _terms_on(store, merged, form.edges)
    found = form.generators
    if signed and found:
        # Labelling knows no signs: of the orders of axes that it takes for one, the least terms decide.
        elements = closure(len(dims), [(p, 1) for p, _ in found])
        orders = [tuple(form.edges[k] for k in p) for p, _ in elements]
        images = [_terms_on(store, merged, edges) for edges in orders]
        best = min(range(len(images)), key=lambda k: [(h, legs, c) for c, h, legs in images[k]])
        form, terms, found = replace(form, edges=orders[best]), images[best], elements
    generators = tuple(_checked(merged, store, form, g) for g in found)
    cleaned = tuple(g for g in generators if g is not None)
    form = Form(form.operands, form.edges, 1, cleaned)
    return form, (terms, tuple(dims[a] for a in form.edges))


def _terms_on(store: Store, merged: Terms, edges: Sequence[int]) -> tuple[tuple[Poly, Handle, Legs], ...]:
    """The terms with the axes in this order. Each term's own sign enters its coefficient; `canonical` multiplies them."""
    number = {a: k for k, a in enumerate(edges)}
    terms: list[tuple[Poly, Handle, Legs]] = []
    for (h, legs), c in merged.items():
        arranged, sign = store.group_of(h).arrange([number[a] for a in legs])
        terms.append((c if sign > 0 else -c, h, inverse(arranged)))
    return tuple(sorted(terms, key=lambda t: (t[1], t[2], t[0])))


def _checked(merged: Terms, store: Store, form: Form, generator: Signed) -> Signed | None:
    """An axis permutation as a symmetry of the sum: every term must go to a term with the same coefficient, signs included."""
    edges = form.edges
    for sign in (1, -1):
        image: Terms = {}
        for (h, legs), c in merged.items():
            moved = [edges[generator[0][edges.index(a)]] for a in legs]
            arranged, s = store.group_of(h).arrange(moved)
            image[h, arranged] = c * Poly.constant(s * sign)
        if image == merged:
            return generator[0], sign
    return None
