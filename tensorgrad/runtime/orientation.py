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
    free = _free(program)
    chosen: dict[int, Perm] = {}
    held: dict[int, Perm] = {}
    for step in reversed(program.steps):
        identity = tuple(range(len(program.dims[step.target])))
        perm = identity
        if step.target in free:
            perm = held[step.target] if step.target in held else _best(wanted.get(step.target), identity)
            perm = _narrow_first(step, sizes) or perm
        if perm != identity:
            chosen[step.target] = perm
        if isinstance(step, Scale) and step.inputs:
            held[step.inputs[0]] = perm
        elif isinstance(step, Add):
            for _, value, axes in step.terms:
                wanted.setdefault(value, Counter())[tuple(axes[p] for p in perm)] += 1
    return chosen


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
    """The values whose axes may be in any order; a multiple has the order of what it is a multiple of."""
    uses = Counter(v for step in program.steps for v in step.inputs)
    uses.update(v for v, _ in program.outputs.values())
    free: set[int] = set()
    for step in program.steps:
        alone = isinstance(step, Scale) and step.inputs and uses[step.inputs[0]] == 1 and step.inputs[0] in free
        if isinstance(step, Contract | Library | Add) or alone:
            free.add(step.target)
    return free


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
            return replace(step, args=tuple((v, _turned(labels, chosen.get(v))) for v, labels in step.args))
        case _:
            return step
