"""A weight and a bias after a layer normalisation are arguments of its call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from tensorgrad.runtime.entrywise import Entries, entries_of, terms_of
from tensorgrad.runtime.lifetime import living
from tensorgrad.runtime.program import Add, Contract, Legs, Library, Operand, Program, Step
from tensorgrad.sizes import ONE


def with_weights(program: Program) -> Program:
    """The program with such calls in place of the products and sums, where nothing else reads what goes in there."""
    uses = Counter(v for step in program.steps for v in step.inputs)
    uses.update(v for v, _ in program.outputs.values())
    calls = {s.target: s for s in program.steps if isinstance(s, Library) and s.normalises}
    entries = entries_of(program) if calls else {}
    steps: list[Step] = []
    for step in program.steps:
        alone = {v: calls[v] for v in step.inputs if v in calls and uses[v] == 1}
        new = None
        if isinstance(step, Contract):
            new = _weighted(step, alone)
        elif isinstance(step, Add):
            new = _biased(step, alone, entries)
        if new is not None:
            calls[new.target] = new
        steps.append(step if new is None else new)
    return living(Program(steps, program.dims, program.outputs)) if calls else program


def _weighted(step: Contract, calls: Mapping[int, Library]) -> Library | None:
    """A product of two values entry by entry, one of them a call, the other along just the normalised axes."""
    if len(step.operands) != 2 or any(o.views for o in step.operands):
        return None
    for normal, weight in (step.operands, step.operands[::-1]):
        call = calls.get(normal.value)
        if call is None or len(call.operands) > 1 or sorted(normal.axes) != sorted(step.kept):
            continue
        moved = _moved(call, step.target, [step.kept.index(e) for e in normal.axes])
        legs = tuple(step.kept.index(e) for e in weight.axes)
        if sorted(legs) == sorted(_normalised(moved)):
            return _with(moved, "weight", Operand(weight.value, legs))
    return None


def _biased(step: Add, calls: Mapping[int, Library], entries: Mapping[int, Entries]) -> Library | None:
    """A sum of two values, one of them a call, the other the same along all but the normalised axes."""
    terms = terms_of(step, entries)
    if len(step.terms) != 2 or terms is None or any(c is not ONE for c, _, _ in step.terms):
        return None
    for (_, value, perm), bias in zip(step.terms, terms[::-1], strict=True):
        call = calls.get(value)
        if call is None or not bias.plain or len(bias.factors) != 1:
            continue
        moved = _moved(call, step.target, [perm.index(k) for k in range(len(perm))])
        if sorted(bias.factors[0][1]) == sorted(_normalised(moved)):
            return _with(moved, "bias", Operand(*bias.factors[0]))
    return None


def _normalised(call: Library) -> Legs:
    """The axes that a call normalises over, in its order."""
    return call.produced[-call.normalises :]


def _moved(call: Library, target: int, axes: list[int]) -> Library:
    """The call with another target, of which axis axes[k] is its axis k."""
    new = {e: axes[k] for k, e in enumerate(call.kept)}

    def turned(legs: Legs) -> Legs:
        return tuple(new[e] for e in legs)

    return replace(
        call,
        target=target,
        operands=tuple(replace(o, axes=turned(o.axes)) for o in call.operands),
        orders=tuple(map(turned, call.orders)),
        produced=turned(call.produced),
        kept=tuple(range(len(axes))),
        dims={new[e]: call.dims[e] for e in call.kept},
        price=tuple((f, turned(legs)) for f, legs in call.price),
    )


def _with(call: Library, name: str, operand: Operand) -> Library:
    """The call with one more argument."""
    text = call.call.replace("eps=", f"{name}={{{len(call.operands)}}}, eps=")
    return replace(call, call=text, operands=(*call.operands, operand), orders=(*call.orders, _normalised(call)))
