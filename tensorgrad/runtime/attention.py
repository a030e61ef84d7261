"""Softmax of a product times a third tensor is one call of torch's fused attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from tensorgrad.runtime.program import Call, Contract, Legs, Library, Operand, Program, Step

Attention = tuple[Operand, Operand, Operand, Legs, Legs, Legs, Legs]
"""Query, key, value; the order of the axes of each, and of the result."""

Made = Mapping[int, tuple[int, Step]]
"""For each value the number of the step that makes it, and the step."""


def attended(program: Program) -> Program:
    """The program with every softmax(Q K') V whose parts nothing else reads as one step."""
    made = {step.target: (k, step) for k, step in enumerate(program.steps)}
    uses = Counter(v for step in program.steps for v in step.inputs)
    uses.update(v for v, _ in program.outputs.values())
    replaced: dict[int, list[Step]] = {}
    for k, step in enumerate(program.steps):
        if not isinstance(step, Contract) or len(step.operands) != 2:
            continue
        for weights, value in (step.operands, step.operands[::-1]):
            found = _scores(weights, made, uses)
            parts = _parts(step, found[0], found[1], weights, value) if found is not None else None
            if found is not None and parts is not None:
                scores, _, factor = found
                replaced |= {made[weights.value][0]: [], made[scores.target][0]: []}
                if factor is not None:
                    replaced[made[factor.target][0]] = []
                replaced[k] = _fused(program, step, scores, parts, factor)
                break
    if not replaced:
        return program
    steps = [new for k, step in enumerate(program.steps) for new in replaced.get(k, [step])]
    return Program(steps, program.dims, program.outputs)


def _scores(weights: Operand, made: Made, uses: Counter[int]) -> tuple[Contract, Legs, Contract | None] | None:
    """The contraction whose softmax the weights are, the label of each of its axes, and the step that multiplies it by
    a number, if there is one."""
    softmax = made[weights.value][1]
    if not (isinstance(softmax, Call) and softmax.function.name == "softmax" and softmax.groups == (1,)):
        return None
    source, labels = softmax.args[0]
    scores, factor = made[source][1], None
    if softmax.function.derivative or uses[weights.value] != 1 or uses[source] != 1:
        return None
    if isinstance(scores, Contract) and len(scores.operands) == 2 and any(not o.axes for o in scores.operands):
        factor = scores
        inner = next((o for o in factor.operands if o.axes), None)
        if inner is None or inner.views or uses[inner.value] != 1 or sorted(inner.axes) != sorted(factor.kept):
            return None
        labels = tuple(labels[factor.kept.index(e)] for e in inner.axes)
        scores = made[inner.value][1]
    if not isinstance(scores, Contract) or len(scores.operands) != 2:
        return None
    return scores, labels, factor


def _parts(step: Contract, scores: Contract, labels: Legs, weights: Operand, value: Operand) -> Attention | None:
    """The parts in edges of `step`; the inner edge of query and key is -1."""
    if weights.views or value.views or len(set(weights.axes)) < len(weights.axes):
        return None
    *rest, keys = weights.axes
    of_label = {label: (keys if label < 0 else weights.axes[label]) for label in labels}
    edge = {e: of_label[label] for e, label in zip(scores.kept, labels, strict=True)}
    summed = {e for o in scores.operands for e in o.legs if e not in scores.kept}
    if len(summed) != 1 or keys in step.kept or keys not in value.legs or any(o.views for o in scores.operands):
        return None
    edge[summed.pop()] = -1
    first, second = (Operand(o.value, tuple(edge[e] for e in o.axes)) for o in scores.operands)
    query, key = (second, first) if keys in first.axes else (first, second)
    batch = tuple(e for e in rest if e in key.axes and e in query.axes and e in value.axes)
    rows = tuple(e for e in rest if e not in batch)
    columns = tuple(e for e in value.axes if e not in (*batch, keys))
    if len(rows) != 1 or len(columns) != 1 or set(step.kept) != {*batch, *rows, *columns}:
        return None
    orders = ((*batch, *rows, -1), (*batch, keys, -1), (*batch, keys, *columns))
    if any(sorted(o.axes) != sorted(order) for o, order in zip((query, key, value), orders, strict=True)):
        return None
    return query, key, value, *orders, (*batch, *rows, *columns)


def _fused(program: Program, step: Contract, scores: Contract, parts: Attention, factor: Contract | None) -> list[Step]:
    query, key, value, queries, keys, values, result = parts
    inner = next(scores.dims[e] for o in scores.operands for e in o.legs if e not in scores.kept)
    cells = (*queries[:-1], keys[-2])
    price = ((Fraction(2), (*cells, -1)), (Fraction(3), cells), (Fraction(2), (*cells, result[-1])))
    # torch has fast ways for four axes only, and a slow one that forms the scores for fewer.
    more = max(0, 4 - len(queries))
    new, first = (f"[{', '.join([part] * more)}]" if more else "" for part in ("None", "0"))
    dims = {**step.dims, -1: inner}
    text = f"torch.nn.functional.scaled_dot_product_attention({{0}}{new}, {{1}}{new}, {{2}}{new}, scale=1.0){first}"
    if dims[values[-1]] is not inner:
        text = f"tf.attention({{0}}{new}, {{1}}{new}, {{2}}{new}){first}"
    before: list[Step] = []
    if factor is not None:
        number = next(o for o in factor.operands if not o.axes)
        scaled = program.value([dims[e] for e in query.axes])
        before.append(Contract(scaled, (number, query), query.axes, {e: dims[e] for e in query.axes}))
        query = Operand(scaled, query.axes)
    called = Library(step.target, text, (query, key, value), (queries, keys, values), result, step.kept, dims, price)
    return [*before, called]
