"""Which values need not be formed, and when the others are last read."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad.runtime.program import Add, Arrange, Program

LARGE = 1 << 14
"""Entries of a value that is deleted after its last use; smaller ones are left to the end."""


def broadcasts(program: Program) -> dict[int, Arrange]:
    """Values that repeat others along new axes and are read by sums only: torch broadcasts there by itself."""
    found = {s.target: s for s in program.steps if isinstance(s, Arrange) and _is_broadcast(s)}
    formed = {v for v, _ in program.outputs.values()}
    for step in program.steps:
        if not (isinstance(step, Add) and any(v not in found for _, v, _ in step.terms)):
            formed.update(step.inputs)
    return {value: step for value, step in found.items() if value not in formed}


def _is_broadcast(step: Arrange) -> bool:
    plain = not step.operand.views and not step.embeds and all(len(group) == 1 for group in step.groups)
    legs = step.operand.legs
    return plain and len(set(legs)) == len(legs) and any(e not in legs for e in step.edges)


def deaths(program: Program, sizes: Mapping[str, int]) -> dict[int, list[int]]:
    """For each step (by number) the large values that it reads last; those of the last step die with the program."""
    unformed = broadcasts(program)
    last: dict[int, int] = {}
    reads = {s.target: s.inputs for s in program.steps}
    for k, step in enumerate(program.steps):
        last[step.target] = k
        if step.target in unformed:
            continue
        for value in step.inputs:
            for seen in reads[value] if value in unformed else (value,):
                last[seen] = k
    kept = {v for v, _ in program.outputs.values()}
    dying: dict[int, list[int]] = {}
    for step in program.steps:
        value = step.target
        if value not in kept and value not in unformed and program.entries(value, sizes) >= LARGE:
            dying.setdefault(last[value], []).append(value)
    dying.pop(len(program.steps) - 1, None)
    return dying
