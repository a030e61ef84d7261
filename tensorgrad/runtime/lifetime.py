"""Which values need not be formed, and when the others are last read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tensorgrad.runtime.program import Accumulate, Add, Arrange, Input, Loop, Narrow, Part, Program, Step

LARGE = 1 << 14
"""Entries of a value that is deleted after its last use; smaller ones are left to the end, unless they hold others."""


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
    """For each step (by number) the large values that it reads last; those of the last step die with the program.

    A program with loops is short of memory: there every value counts as large.
    """
    least = 1 if any(isinstance(s, Loop) for s in program.steps) else LARGE
    dying = _last_reads(program, sizes, least)
    dying.pop(len(program.steps) - 1, None)
    return dying


def deaths_within(program: Program, loop: Loop, sizes: Mapping[str, int]) -> dict[int, list[int]]:
    """For each step of a loop the values that it reads last; those of the last one too, as it is done again. `sizes` have
    that of a part; parts of what is given need no memory."""
    body = Program(list(loop.body), program.dims)
    return _last_reads(body, sizes, 1, {s.target for s in program.steps if isinstance(s, Input)})


def _last_reads(
    program: Program, sizes: Mapping[str, int], least: int, given: Collection[int] = ()
) -> dict[int, list[int]]:
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
    kept = {v for v, _ in program.outputs.values()} | {
        s.target for s in program.steps if isinstance(s, Narrow) and s.value in given
    }
    dying: dict[int, list[int]] = {}
    for step in program.steps:
        value = step.target
        large = program.entries(value, sizes) >= least or (isinstance(step, Part) and step.holds)
        if large and value not in kept and value not in unformed:
            dying.setdefault(last[value], []).append(value)
    return dying


def living(program: Program) -> Program:
    """The program without steps whose values nothing reads."""
    wanted = {v for v, _ in program.outputs.values()}
    steps: list[Step] = []
    for step in reversed(program.steps):
        if step.target in wanted or isinstance(step, Input | Loop | Accumulate | Narrow | Part):
            steps.append(step)
            wanted.update(step.inputs)
    return Program(steps[::-1], program.dims, program.outputs)


def sorted_steps(steps: Sequence[Step]) -> list[Step]:
    """The steps in an order in which each comes after those that make what it reads, and close to where it was; all parts
    of a call follow it."""
    made = {s.target: s for s in steps}
    parts: dict[int, list[Part]] = {}
    for part in (s for s in steps if isinstance(s, Part)):
        parts.setdefault(part.of, []).append(part)
    done: dict[int, Step] = {}
    stack = [(s, False) for s in reversed(steps)]
    while stack:
        step, ready = stack.pop()
        if step.target in done:
            continue
        if ready:
            done[step.target] = step
            done |= {part.target: part for part in parts.get(step.target, ())}
            continue
        stack.append((step, True))
        stack.extend((made[v], False) for v in reversed(step.inputs) if v not in done)
    return list(done.values())
