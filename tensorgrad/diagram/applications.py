"""Canonical applications of functions: broadcast and fused axes go outside, transposes and symmetries are resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tensorgrad.diagram.decided import OF_NUMBERS, of_number, structure
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Application, Handle, Legs, Ref
from tensorgrad.diagram.powers import power
from tensorgrad.diagram.symmetry import Signed, even, swap
from tensorgrad.diagram.tiles import embedded, slabs
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.sizes import ONE, Poly

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store


@dataclass(slots=True)
class Call:
    """An application being put together: arguments as references with a label for each axis (see `Application`).

    `outer` is what stands around it: for each batch label its edge in `draft`, likewise for produced axes.
    """

    function: Function
    args: list[tuple[Ref, list[int]]]
    groups: list[int]
    draft: Draft
    batch: dict[int, int]
    produced: list[list[int]]


def apply(
    store: Store, function: Function, args: Sequence[tuple[Ref, Sequence[int]]], groups: Sequence[int] = ()
) -> Ref:
    """The canonical application. Labels >= 0 are batch axes 0, 1, ... of the result, in order; produced axes follow."""
    structural = structure(store, function, args, groups)
    return structural if structural is not None else _general(store, function, args, groups)


def make_power(store: Store, base: Ref, exponent: Poly) -> Ref:
    """base ** exponent, entry by entry."""
    decided = power(store, base, exponent)
    if decided is not None:
        return decided
    axes = range(len(base[1]))
    return _general(store, FUNCTIONS["pow"], [(base, list(axes)), (store.constant(exponent), [])], ())


def power_node(store: Store, base: Handle, exponent: Poly) -> Handle:
    """The handle of pow(base, exponent), axes as those of the base."""
    order = len(store.dims[base])
    labels = tuple(range(order))
    exponent_handle = store.constant(exponent)[0]
    generators = _entry_generators(store, FUNCTIONS["pow"], base, exponent, len(store.dims[base]))
    node = Application(FUNCTIONS["pow"], ((base, labels), (exponent_handle, ())))
    return store.add(_key(node), node, store.dims[base], generators)


def _general(store: Store, function: Function, args: Sequence[tuple[Ref, Sequence[int]]], groups: Sequence[int]) -> Ref:
    if store.has_embeddings and function.elementwise:
        split = _tile_by_tile(store, function, args)
        if split is not None:
            return split
    call = _call(store, function, args, groups)
    for k in range(len(call.args)):
        _strip_fused(store, call, k)
        _strip_broadcast(store, call, k)
    if function.name in ("pow", *OF_NUMBERS) and call.args[0][0] != args[0][0]:
        decided = _of_stripped(store, call)
        if decided is not None:
            return decided
    handle, batch_order, swapped = _node(store, call)
    produced = call.produced[::-1] if swapped else call.produced
    call.draft.operands.append(
        (handle, [call.batch[b] for b in batch_order] + [e for group in produced for e in group])
    )
    return store.network(call.draft)


def _tile_by_tile(store: Store, function: Function, args: Sequence[tuple[Ref, Sequence[int]]]) -> Ref | None:
    """A function, entry by entry, of tensors one behind the other: its values one behind the other."""
    (ref, labels), *others = args
    if any(own for _, own in others) or sorted(labels) != list(range(len(labels))):
        return None
    for axis, label in enumerate(labels):
        found = slabs(store, ref, axis)
        if found is not None:
            parts = [(span, apply(store, function, [(part, labels), *others])) for span, part in found]
            terms = [(ONE, embedded(store, part, {label: span})) for span, part in parts]
            return store.total(terms, [store.ref_dims(ref)[labels.index(k)] for k in range(len(labels))])
    return None


def _of_stripped(store: Store, call: Call) -> Ref | None:
    """What is left of a function without broadcast axes may be decided by structure: 1 ** n of ones ** n."""
    labels = call.args[0][1]
    decided = None if call.function.derivative else of_number(store, call.function, call.args)
    if decided is None:
        return None
    legs = [0] * len(labels)
    for a, p in enumerate(decided[1]):
        legs[p] = call.batch[labels[a]]
    call.draft.operands.append((decided[0], legs))
    return store.network(call.draft)


def _call(store: Store, function: Function, args: Sequence[tuple[Ref, Sequence[int]]], groups: Sequence[int]) -> Call:
    dims: dict[int, Poly] = {}
    for ref, labels in args:
        dims.update(zip(labels, store.ref_dims(ref), strict=True))
    draft = Draft()
    batch = {label: draft.edge(dims[label]) for label in sorted(d for d in dims if d >= 0)}
    produced: list[list[int]] = []
    for source in function.produces:
        if isinstance(source, Poly):
            produced.append(draft.edges([source]))
            continue
        start = sum(groups[:source])
        produced.append(draft.edges(dims[-1 - k] for k in range(start, start + groups[source])))
    draft.boundary = [*batch.values(), *(e for group in produced for e in group)]
    resolved = []
    for ref, labels in args:
        handle, perm = store.resolve(ref)
        by_axis = [0] * len(labels)
        for a, p in enumerate(perm):
            by_axis[p] = labels[a]
        resolved.append(((handle, tuple(range(len(by_axis)))), by_axis))
    return Call(function, resolved, list(groups), draft, batch, produced)


def _strip_broadcast(store: Store, call: Call, k: int) -> None:
    """Batch axes along which the argument is constant leave the argument; the result is constant along them too."""
    (handle, _), labels = call.args[k]
    network = store.network_of(handle)
    if network is None:
        return
    touched = {e for _, legs in network.operands for e in legs}
    boundary = network.boundary
    constant = [a for a, e in enumerate(boundary) if labels[a] >= 0 and e not in touched and boundary.count(e) == 1]
    if constant:
        draft = Draft(network.coefficient)
        keep = [a for a in range(len(labels)) if a not in constant]
        edges = draft.edges(ONE if e in {boundary[a] for a in constant} else d for e, d in enumerate(network.dims))
        draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
        draft.boundary = [edges[boundary[a]] for a in keep]
        _set_argument(store, call, k, store.network(draft), [labels[a] for a in keep])


def _strip_fused(store: Store, call: Call, k: int) -> None:
    """A fused axis of the argument is split before the function and fused again behind it."""
    (handle, _), labels = call.args[k]
    network = store.network_of(handle)
    if network is None or not any(h < FLAT for h, _ in network.operands):
        return
    for position, (h, legs) in enumerate(network.operands):
        if (
            h < FLAT
            and network.boundary.count(legs[0]) == 1
            and sum(legs[0] in other for _, other in network.operands) == 1
        ):
            axis = network.boundary.index(legs[0])
            label = labels[axis]
            if label >= 0 and sum(label in other for _, other in call.args) > 1:
                continue
            draft = Draft(network.coefficient)
            edges = draft.edges(ONE if e == legs[0] else d for e, d in enumerate(network.dims))
            draft.operands = [
                (o, [edges[e] for e in ls]) for j, (o, ls) in enumerate(network.operands) if j != position
            ]
            boundary = list(network.boundary)
            boundary[axis : axis + 1] = legs[1:]
            draft.boundary = [edges[e] for e in boundary]
            new_labels = _split_label(call, label, [network.dims[e] for e in legs[1:]])
            labels = [n for lab in labels for n in (new_labels.get(lab, [lab]))]
            _set_argument(store, call, k, store.network(draft), labels)
            _strip_fused(store, call, k)
            return


def _split_label(call: Call, label: int, parts: Sequence[Poly]) -> dict[int, list[int]]:
    """Labels for the parts of a fused axis; the outside fuses them again. Returns how old labels change."""
    draft = call.draft
    if label >= 0:
        inner = draft.edges(parts)
        draft.operands.append((-len(parts), [call.batch.pop(label), *inner]))
        start = max([label, *call.batch]) + 1
        call.batch.update({start + j: e for j, e in enumerate(inner)})
        return {label: [start + j for j in range(len(parts))]}
    acted = -1 - label
    group, before = 0, 0
    while before + call.groups[group] <= acted:
        before += call.groups[group]
        group += 1
    for number, source in enumerate(call.function.produces):
        if not isinstance(source, Poly) and source == group:
            inner = draft.edges(parts)
            place = acted - before
            fused = call.produced[number][place]
            call.produced[number][place : place + 1] = inner
            draft.operands.append((-len(parts), [fused, *inner]))
    call.groups[group] += len(parts) - 1
    shift = len(parts) - 1
    changes = {-1 - a: [-1 - a - shift] for a in range(acted + 1, sum(call.groups) - shift)}
    return {**changes, label: [label - j for j in range(len(parts))]}


def _set_argument(store: Store, call: Call, k: int, ref: Ref, labels: Sequence[int]) -> None:
    handle, perm = store.resolve(ref)
    by_axis = [0] * len(labels)
    for a, p in enumerate(perm):
        by_axis[p] = labels[a]
    call.args[k] = ((handle, tuple(range(len(by_axis)))), by_axis)


def _key(node: Application) -> tuple[object, ...]:
    return ("apply", node.function, node.args, node.groups)


def _node(store: Store, call: Call) -> tuple[Handle, list[int], bool]:
    """The node's handle, the batch labels in the order of the node's axes, and whether the two groups were exchanged."""
    if not call.args:
        node = Application(call.function, (), ())
        return store.add(_key(node), node, (), ()), [], False
    args = [(ref[0], tuple(labels)) for ref, labels in call.args]
    groups = tuple(call.groups)
    candidates = _candidates(store, call.function, args[0], groups)
    patterns = [(tuple(-min(label, 0) for label in labels), swapped, labels) for labels, swapped in candidates]
    best = min(patterns, key=lambda p: (p[0], p[1]))
    equal = [(labels, swapped) for pattern, swapped, labels in patterns if pattern == best[0]]
    labels, swapped = best[2], best[1]
    chosen = [(args[0][0], labels)]
    order = list(dict.fromkeys(label for label in labels if label >= 0))
    for handle, other in args[1:]:
        chosen.append((handle, store.group_of(handle).arrange(other)[0] if _unsigned(store, handle) else other))
        order += [label for label in chosen[-1][1] if label >= 0 and label not in order]
    number = {label: b for b, label in enumerate(order)}
    final_groups = groups[::-1] if swapped else groups
    node = Application(
        call.function,
        tuple((h, tuple(number[label] if label >= 0 else label for label in ls)) for h, ls in chosen),
        final_groups,
    )
    dims = _dims(store, node, len(order))
    generators: tuple[Signed, ...] = ()
    if all(label >= 0 for label in labels) and all(not ls for _, ls in chosen[1:]):
        exponent = store.constant_value(chosen[1][0]) if call.function.name == "pow" else None
        generators = _entry_generators(store, call.function, args[0][0], exponent, len(dims))
    elif len(args) == 1:
        generators = _generators(call.function, node, equal, (labels, swapped), len(dims))
    generators = (*generators, *_mixed(call.function, node, len(dims)))
    return store.add(_key(node), node, dims, generators), order, swapped


def _unsigned(store: Store, handle: Handle) -> bool:
    return all(sign > 0 for _, sign in store.group_of(handle).generators)


def _candidates(
    store: Store, function: Function, arg: tuple[Handle, Legs], groups: tuple[int, ...]
) -> list[tuple[Legs, bool]]:
    """The labellings of the argument's axes that denote the same application, each with whether the groups change places."""
    handle, labels = arg
    group = store.group_of(handle)
    out: list[tuple[Legs, bool]] = [(labels, False)]
    if not group.trivial and any(label < 0 for label in labels):
        out = [(tuple(labels[p] for p in permutation), False) for permutation, sign in group.all_elements() if sign > 0]
    if function.transpose and not function.derivative:
        rows, columns = groups
        exchange = {-1 - k: -1 - (k + columns) for k in range(rows)}
        exchange |= {-1 - (rows + k): -1 - k for k in range(columns)}
        out += [(tuple(exchange.get(label, label) for label in ls), True) for ls, _ in out]
    return out


def _dims(store: Store, node: Application, batch: int) -> tuple[Poly, ...]:
    sizes: dict[int, Poly] = {}
    for handle, labels in node.args:
        sizes.update(zip(labels, store.dims[handle], strict=True))
    dims = [sizes[b] for b in range(batch)]
    for source in node.function.produces:
        if isinstance(source, Poly):
            dims.append(source)
            continue
        start = sum(node.groups[:source])
        dims += [sizes[-1 - k] for k in range(start, start + node.groups[source])]
    return tuple(dims)


def _entry_generators(
    store: Store, function: Function, argument: Handle, exponent: Poly | None, order: int
) -> tuple[Signed, ...]:
    """Axis permutations of f(x), entry by entry: those of x, signs kept by odd powers and lost in even ones.

    Axes that f makes stay: a tensor of positions that is symmetric gives unit vectors that are.
    """
    own = store.group_of(argument).generators
    if function.name == "pow" and exponent is not None and exponent.is_constant and exponent.number.denominator == 1:
        odd = exponent.number % 2 == 1
        return tuple((p, sign if odd else 1) for p, sign in own)
    return tuple(((*p, *range(len(p), order)), 1) for p in even(own))


def _generators(
    function: Function, node: Application, equal: Sequence[tuple[Legs, bool]], chosen: tuple[Legs, bool], order: int
) -> tuple[Signed, ...]:
    """Axis permutations of the result that other labellings with the chosen pattern show."""
    found: list[Signed] = []
    labels, swapped = chosen
    batch = len([label for label in labels if label >= 0])
    number = {label: b for b, label in enumerate(label for label in labels if label >= 0)}
    lengths = _lengths(node)
    for other, other_swapped in equal:
        moved = [number[label] for label in other if label >= 0]
        produced = list(range(batch, order))
        if other_swapped != swapped and len(lengths) == 2:
            if lengths[0] != lengths[1]:
                continue
            produced = produced[lengths[0] :] + produced[: lengths[0]]
        found.append((tuple(moved + produced), 1))
    return tuple(g for g in dict.fromkeys(found) if g[0] != tuple(range(order)))


def _lengths(node: Application) -> list[int]:
    """How many axes each produced group has."""
    return [1 if isinstance(source, Poly) else node.groups[source] for source in node.function.produces]


def _mixed(function: Function, node: Application, order: int) -> tuple[Signed, ...]:
    """Derivatives of an unknown function in one argument may change places: exchanges of their axes."""
    if function.derivative < 2:
        return ()
    lengths = _lengths(node)
    start, group = order - sum(lengths[function.own :]), function.own
    blocks: list[tuple[int, list[int]]] = []
    for argument in function.by:
        count = sum(lengths[group : group + function.acts[argument]])
        blocks.append((argument, list(range(start, start + count))))
        start, group = start + count, group + function.acts[argument]
    return tuple(swap(order, a, b) for (j, a), (k, b) in pairwise(blocks) if j == k and a)
