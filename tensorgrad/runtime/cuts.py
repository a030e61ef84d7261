"""Edges followed through the steps of a program, and steps rewritten for a part of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, replace

from tensorgrad.runtime.program import (
    Accumulate,
    Add,
    Arrange,
    Call,
    Contract,
    Legs,
    Narrow,
    Operand,
    Program,
    Scale,
    Step,
)
from tensorgrad.sizes import Poly

Labels = tuple[Hashable, ...]
"""For each axis of a value what it is in a step; None where the step needs the whole of it at once."""


def labels(program: Program, step: Step) -> tuple[list[tuple[int, Labels]], Labels]:
    """The values that a step reads, and its target: axes of one label go through the step together, entry by entry, or
    are summed. What is read as a position has no labels."""
    order = len(program.dims[step.target])
    match step:
        case Contract():
            touched = {e for o in step.operands for e in _touched(o)}
            reads = [(o.value, _but(o.axes, touched)) for o in step.operands]
            indices = [(v, _none(program, v)) for v in step.inputs[len(step.operands) :]]
            return [*reads, *indices], _but(step.kept, touched)
        case Arrange():
            touched = _touched(step.operand) | {e for e in step.edges if step.edges.count(e) > 1}
            touched |= {e for group in step.groups if len(group) > 1 for e in group}
            reads = [(step.operand.value, _but(step.operand.axes, touched))]
            reads += [(v, _none(program, v)) for v in step.inputs[1:]]
            return reads, _but([g[0] if len(g) == 1 else -1 for g in step.groups], {*touched, -1})
        case Add():
            return [(v, tuple(perm.index(a) for a in range(order))) for _, v, perm in step.terms], tuple(range(order))
        case Call() if step.function.known:
            batch = {b for _, own in step.args for b in own if b >= 0}
            return [(v, tuple(b if b >= 0 else None for b in own)) for v, own in step.args], tuple(
                k if k in batch else None for k in range(order)
            )
        case Scale() | Accumulate():
            return [(v, tuple(range(order))) for v in step.inputs], tuple(range(order))
        case Narrow():
            own = tuple(None if k in step.axes else k for k in range(order))
            return [(step.value, own)], own
        case _:
            return [(v, _none(program, v)) for v in step.inputs], (None,) * order


def _none(program: Program, value: int) -> Labels:
    return (None,) * len(program.dims[value])


def _but(edges: Sequence[int], touched: set[int]) -> Labels:
    return tuple(None if e in touched else e for e in edges)


def _touched(operand: Operand) -> set[int]:
    """The edges that views of an operand make, take or need whole."""
    found: set[int] = set()
    for view in operand.views:
        for name in (f.name for f in fields(view)):
            if name in {"fused", "parts", "long", "part", "others", "edge", "legs"}:
                edges: int | Legs = getattr(view, name)
                found.update((edges,) if isinstance(edges, int) else edges)
    return found


def part_of(step: Step, label: Hashable, size: Poly, target: int, read: Callable[[int, int], int]) -> Step:
    """The step for a part of the edge `label`, whose size is `size` there; `read` says by position and number what
    value stands for one that is read."""
    match step:
        case Contract():
            operands = tuple(replace(o, value=read(k, o.value)) for k, o in enumerate(step.operands))
            return Contract(target, operands, step.kept, _sized(step.dims, label, size))
        case Arrange():
            operand = replace(step.operand, value=read(0, step.operand.value))
            return Arrange(target, operand, step.groups, _sized(step.dims, label, size))
        case Add():
            terms = tuple((c, read(k, v), perm) for k, (c, v, perm) in enumerate(step.terms))
            return Add(target, terms, _resized(step.dims, label, size))
        case Call():
            args = tuple((read(k, v), own) for k, (v, own) in enumerate(step.args))
            return replace(step, target=target, args=args, dims=_resized(step.dims, label, size))
        case Scale():
            return Scale(target, step.coefficient, tuple(read(k, v) for k, v in enumerate(step.inputs)))
        case Accumulate():
            return Accumulate(target, read(0, step.into), read(1, step.value))
        case Narrow():
            return replace(step, target=target, value=read(0, step.value))
        case _:
            raise TypeError(f"{type(step).__name__} has no edge to cut")


def _sized(dims: Mapping[int, Poly], label: Hashable, size: Poly) -> dict[int, Poly]:
    return {e: size if e == label else d for e, d in dims.items()}


def _resized(dims: tuple[Poly, ...], label: Hashable, size: Poly) -> tuple[Poly, ...]:
    return tuple(size if k == label else d for k, d in enumerate(dims))
