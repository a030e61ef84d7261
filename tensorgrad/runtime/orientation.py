"""The order of axes in which values are computed: that of the outputs and sums that read them, where there is a choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tensorgrad.runtime.program import (
    Add,
    Arrange,
    Call,
    Contract,
    Legs,
    Library,
    Operand,
    Program,
    Scale,
    Step,
    number,
)
from tensorgrad.runtime.softmax_gradients import GRADIENT

Perm = Legs
"""Axis a of the new value is axis perm[a] of the old one."""


NARROW = 16
"""A product of matrices with fewer columns is computed turned: the libraries below torch are slow for so few."""

LONG = 64
"""Entries that such a product sums at least, for its layout to matter more than what reads it."""


def oriented(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with contractions, sums and multiples computed in the order of axes that is read most; products of
    matrices with few columns have these as rows."""
    chosen = _chosen(program, sizes)
    if not chosen:
        return program
    result = Program([_rewritten(step, chosen) for step in program.steps], list(program.dims))
    for value, perm in chosen.items():
        result.dims[value] = tuple(program.dims[value][p] for p in perm)
    result.outputs = {n: (v, _read(axes, chosen.get(v))) for n, (v, axes) in program.outputs.items()}
    return result


def _chosen(program: Program, sizes: Mapping[str, int]) -> dict[int, Perm]:
    """For each value that is turned its permutation; later values first, since these say what earlier ones are for."""
    wanted: dict[int, Counter[Perm]] = {}
    for value, axes in program.outputs.values():
        wanted.setdefault(value, Counter())[axes] += 2
    free, turned = _free(program), _batched(program)
    laid = _laid(program, turned)
    roots, made = _multiples(program), {s.target: s for s in program.steps}
    chosen: dict[int, Perm] = {}
    held = dict(turned)
    for step in reversed(program.steps):
        identity = tuple(range(len(program.dims[step.target])))
        perm = identity
        if step.target in free or step.target in turned or roots.get(step.target) in turned:
            root = roots.get(step.target, step.target)
            if root not in held:
                usual = _best(wanted.get(step.target), laid.get(step.target, identity))
                held[root] = _narrow_first(made[root], sizes) or usual
            perm = held[root]
        if perm != identity:
            chosen[step.target] = perm
        if isinstance(step, Add):
            for _, value, axes in step.terms:
                wanted.setdefault(value, Counter())[tuple(axes[p] for p in perm)] += 1
        elif isinstance(step, Contract):
            for operand in _whole(step):
                order = tuple(operand.axes.index(step.kept[p]) for p in perm)
                wanted.setdefault(operand.value, Counter())[order] += 1
    return chosen


def _whole(step: Contract) -> list[Operand]:
    """The operands that have all axes of an entrywise product."""
    kept = set(step.kept)
    plain = all(not o.views and len(set(o.axes)) == len(o.axes) and kept.issuperset(o.axes) for o in step.operands)
    return [o for o in step.operands if len(o.axes) == len(kept)] if plain and len(step.operands) == 2 else []


def _batched(program: Program) -> dict[int, Perm]:
    """Products of matrices over a batch of which a softmax is taken, and the softmax: the batch first, as the product
    lies, and last the axis that softmax reads in one piece. It would copy it, and what is made of both would mix orders.
    Likewise the gradient through it, and its cotangent."""
    made = {s.target: s for s in program.steps}
    found: dict[int, Perm] = {}
    for step in program.steps:
        if isinstance(step, Call) and step.function is GRADIENT:
            (cotangent, labels), (softmax, own) = step.args
            if softmax in found:
                found[step.target] = (*(own[p] for p in found[softmax][:-1]), len(own) - 1)
                if isinstance(made.get(cotangent), Contract):
                    found[cotangent] = (*(labels.index(own[p]) for p in found[softmax][:-1]), labels.index(-1))
            continue
        if not isinstance(step, Call) or step.function.name not in ("softmax", "log_softmax") or step.groups != (1,):
            continue
        value, labels = step.args[0]
        product = made.get(value)
        if step.function.derivative or not isinstance(product, Contract):
            continue
        order = _batch_first(product, labels.index(-1))
        if order is not None:
            found[value] = order
            found[step.target] = (*(labels[p] for p in order[:-1]), len(order) - 1)
    return found


def _batch_first(step: Contract, last: int) -> Perm | None:
    """The axes of a product of matrices over a batch, those of the batch first; None if it is something else."""
    if len(step.operands) != 2 or any(o.views or len(set(o.axes)) < len(o.axes) for o in step.operands):
        return None
    left, right = (set(o.axes) for o in step.operands)
    both = left & right
    batch = [a for a, e in enumerate(step.kept) if e in both]
    rest = [a for a, e in enumerate(step.kept) if e not in both and a != last]
    if not batch or len(both) != len(batch) + 1 or len(rest) != 1 or last in batch:
        return None
    sides = {step.kept[last] in left, step.kept[rest[0]] in left}
    return (*batch, *rest, last) if len(sides) == 2 and len(left | right) == len(step.kept) + 1 else None


def _laid(program: Program, turned: Mapping[int, Perm]) -> dict[int, Perm]:
    """The orders in which values lie that are fixed, and what is made of them entry by entry."""
    laid: dict[int, Perm] = {}
    for step in program.steps:
        identity = tuple(range(len(program.dims[step.target])))
        if isinstance(step, Contract):
            known = [(o, laid[o.value]) for o in _whole(step) if o.value in laid]
            found = [tuple(step.kept.index(o.axes[p]) for p in perm) for o, perm in known]
        elif isinstance(step, Add):
            found = [tuple(axes.index(p) for p in laid[v]) for _, v, axes in step.terms if v in laid]
        elif isinstance(step, Scale):
            found = [laid[v] for v in step.inputs if v in laid]
        else:
            found = [] if isinstance(step, Library | Arrange) else [turned.get(step.target, identity)]
        if found:
            laid[step.target] = found[0]
    return laid


def _narrow_first(step: Step, sizes: Mapping[str, int]) -> Perm | None:
    """The order that has few columns of a product of matrices as its rows; None where they are not few."""
    if not isinstance(step, Contract) or len(step.operands) != 2 or any(o.views for o in step.operands):
        return None
    (left, right), kept = (set(o.axes) for o in step.operands), set(step.kept)
    summed = left & right
    if len(left) != 2 or len(right) != 2 or len(summed) != 1 or summed & kept or len(kept) != 2:
        return None
    lengths = [number(step.dims[e], sizes) for e in step.kept]
    narrow = min(range(2), key=lengths.__getitem__)
    few = 1 < lengths[narrow] < NARROW and lengths[1 - narrow] >= 8 * lengths[narrow]
    if not few or number(step.dims[summed.pop()], sizes) < LONG:
        return None
    return (narrow, 1 - narrow)


def _free(program: Program) -> set[int]:
    """The values whose axes may be in any order, and multiples of these."""
    free: set[int] = set()
    for step in program.steps:
        multiple = isinstance(step, Scale) and free.issuperset(step.inputs)
        if isinstance(step, Contract | Library | Add) or (multiple and step.inputs):
            free.add(step.target)
    return free


def _multiples(program: Program) -> dict[int, int]:
    """For each multiple what it is a multiple of, in the end."""
    roots: dict[int, int] = {}
    for step in program.steps:
        if isinstance(step, Scale) and step.inputs:
            roots[step.target] = roots.get(step.inputs[0], step.inputs[0])
    return roots


def _best(wanted: Counter[Perm] | None, identity: Perm) -> Perm:
    if not wanted:
        return identity
    most = max(wanted.values())
    return identity if wanted[identity] == most else min(p for p, n in wanted.items() if n == most)


def _read(axes: Sequence[int], perm: Perm | None) -> Legs:
    """References to old axes as references to new ones."""
    return tuple(axes) if perm is None else tuple(perm.index(a) for a in axes)


def _turned(labels: Sequence[int], perm: Perm | None) -> Legs:
    """Labels of the old axes in the new order."""
    return tuple(labels) if perm is None else tuple(labels[p] for p in perm)


def _operand(operand: Operand, chosen: Mapping[int, Perm]) -> Operand:
    return replace(operand, axes=_turned(operand.axes, chosen.get(operand.value)))


def _rewritten(step: Step, chosen: Mapping[int, Perm]) -> Step:
    own = chosen.get(step.target)
    match step:
        case Contract() | Library():
            operands = tuple(_operand(o, chosen) for o in step.operands)
            return replace(step, operands=operands, kept=_turned(step.kept, own))
        case Add():
            terms = tuple((c, v, _read(_turned(axes, own), chosen.get(v))) for c, v, axes in step.terms)
            return replace(step, terms=terms, dims=tuple(step.dims[p] for p in own) if own else step.dims)
        case Arrange():
            return replace(step, operand=_operand(step.operand, chosen))
        case Call():
            args = tuple((v, _turned(labels, chosen.get(v))) for v, labels in step.args)
            if own is None:
                return replace(step, args=args)
            args = tuple((v, tuple(b if b < 0 else own.index(b) for b in labels)) for v, labels in args)
            return replace(step, args=args, dims=tuple(step.dims[p] for p in own))
        case _:
            return step
