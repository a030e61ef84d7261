"""Softmax of a product times a third tensor is one call of torch's fused attention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tensorgrad.runtime.lifetime import living
from tensorgrad.runtime.multiples import Multiples
from tensorgrad.runtime.program import Contract, Legs, Library, Operand, Program, Step
from tensorgrad.runtime.scores import COLUMNS, INNER, Scores, mask_text, price, weighed

Attention = tuple[Scores, Operand, Legs, int, int]
"""Scores and value, the batch axes, that of the rows, that of the keys."""


def attended(program: Program) -> Program:
    """The program with every softmax(Q K' + M) V whose weights nothing else reads as one step."""
    reading = Multiples(program)
    new: dict[int, list[Step]] = {}
    for step in program.steps:
        found = next(_attentions(reading, step), None) if isinstance(step, Contract) else None
        if found is not None and isinstance(step, Contract):
            new[step.target] = _fused(reading, step, *found)
    if not new:
        return program
    steps = [s for step in program.steps for s in new.get(step.target, [step])]
    return living(Program(steps, program.dims, program.outputs))


def _attentions(reading: Multiples, step: Contract) -> Iterator[Attention]:
    """The ways to read a product as attention."""
    for weights, value in (step.operands, step.operands[::-1]) if len(step.operands) == 2 else ():
        alone = weights.value not in reading.given and len(reading.readers[weights.value]) == 1
        if not alone or weights.views or value.views or weights.value == value.value:
            continue
        found = weighed(reading, weights.value, weights.axes)
        if found is None or found[0] in reading.given or len(reading.readers[found[0]]) != 1:
            continue
        scores, keys = found[1], weights.axes[-1]
        columns = [e for e in value.axes if e not in weights.axes]
        rows = [e for e in weights.axes if e not in value.axes]
        batch = tuple(e for e in weights.axes if e not in (*rows, keys))
        if len(rows) != 1 or len(columns) != 1 or keys in step.kept or keys not in value.axes:
            continue
        value = replace(value, axes=tuple(COLUMNS if e == columns[0] else e for e in value.axes))
        shapes = ((scores.query, (*batch, *rows, INNER)), (scores.key, (*batch, keys, INNER)))
        shapes = (*shapes, (value, (*batch, keys, COLUMNS)))
        whole = sorted(step.kept) == sorted((*batch, *rows, *columns))
        if whole and all(sorted(part.axes) == sorted(shape) for part, shape in shapes):
            yield scores, value, batch, rows[0], keys


def _fused(
    reading: Multiples, step: Contract, scores: Scores, value: Operand, batch: Legs, rows: int, keys: int
) -> list[Step]:
    before: list[Step] = []
    query = reading.formed(replace(scores.query, factor=scores.scaled), reading.program, before)
    operands = [query, scores.key.operand, value]
    orders: list[Legs] = [(*batch, rows, INNER), (*batch, keys, INNER), (*batch, keys, COLUMNS)]
    dims = {e: d for o in operands for e, d in zip(o.axes, reading.program.dims[o.value], strict=True)}
    # torch has fast ways for four axes only, and a slow one that forms the scores for fewer.
    more = max(0, 4 - len(orders[0]))
    new, first = (f"[{', '.join([part] * more)}]" if more else "" for part in ("None", "0"))
    arguments = f"{{0}}{new}, {{1}}{new}, {{2}}{new}"
    if scores.mask is not None:
        order, index = mask_text(scores.mask.axes, batch, rows, keys)
        operands.append(reading.formed(scores.mask, reading.program, before))
        orders.append(order)
        arguments += f", {{3}}{index}"
    text = f"torch.nn.functional.scaled_dot_product_attention({arguments}, scale=1.0){first}"
    if dims[COLUMNS] is not dims[INNER]:
        text = f"tf.attention({arguments}){first}"
    (columns,) = (e for e in step.kept if e not in (*batch, rows))
    kept = tuple(COLUMNS if e == columns else e for e in step.kept)
    produced = (*batch, rows, COLUMNS)
    return [
        *before,
        Library(step.target, text, tuple(operands), tuple(orders), produced, kept, dims, price((*batch, rows, keys))),
    ]
