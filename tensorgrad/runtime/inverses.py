"""A number times an inverse that is only applied is a number times what it is applied to, so that a solve will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tensorgrad.runtime.multiples import Multiples, multiple_of
from tensorgrad.runtime.program import Call, Contract, Operand, Program, Scale, Step


def with_bare_inverses(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with such numbers multiplied onto the other operand, or the result, whichever is smaller."""
    reading = Multiples(program)
    new: dict[int, list[Step]] = {}
    for step in program.steps:
        value = multiple_of(step)
        made = reading.made.get(value)
        if not (isinstance(made, Call) and made.function.name == "inv" and not made.function.derivative):
            continue
        readers = reading.readers.get(step.target, [])
        if len(readers) == 1 and step.target not in reading.given and len(reading.readers[value]) == 1:
            moved = _moved(program, step, value, readers[0], sizes)
            if moved is not None and readers[0].target not in new:
                new |= {step.target: [], readers[0].target: moved}
    steps = [s for step in program.steps for s in new.get(step.target, [step])]
    return Program(steps, program.dims, program.outputs) if new else program


def _moved(
    program: Program, multiple: Step, inverse: int, product: Step, sizes: Mapping[str, int]
) -> list[Step] | None:
    """The product of the inverse itself with the other operand, one of them or the result multiplied."""
    if not isinstance(product, Contract) or len(product.operands) != 2:
        return None
    other = next((o for o in product.operands if o.value != multiple.target), None)
    mine = next(o for o in product.operands if o.value == multiple.target)
    turned = isinstance(multiple, Contract) and multiple.kept != _order(multiple, inverse)
    if other is None or mine.views or turned:
        return None
    bare = replace(mine, value=inverse)
    if not other.views and other.axes and program.entries(other.value, sizes) <= program.entries(product.target, sizes):
        scaled = program.value(program.dims[other.value])
        return [
            _times(multiple, scaled, other.value, program),
            replace(product, operands=(bare, replace(other, value=scaled))),
        ]
    unscaled = program.value(program.dims[product.target])
    return [
        replace(product, target=unscaled, operands=(bare, other)),
        _times(multiple, product.target, unscaled, program),
    ]


def _order(multiple: Contract, value: int) -> tuple[int, ...]:
    return next(o.axes for o in multiple.operands if o.value == value)


def _times(multiple: Step, target: int, value: int, program: Program) -> Step:
    """Another value times the number of a multiple."""
    if isinstance(multiple, Scale):
        return Scale(target, multiple.coefficient, (value,))
    assert isinstance(multiple, Contract)
    number = next(o for o in multiple.operands if not o.axes)
    axes = tuple(range(len(program.dims[value])))
    return Contract(target, (number, Operand(value, axes)), axes, dict(enumerate(program.dims[value])))
