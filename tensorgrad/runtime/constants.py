"""Programs cut in two: what depends on constant variables only, computed once, and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorgrad.runtime.program import Call, Input, Library, Program, Scale, Step
from tensorgrad.tensor import Variable


@dataclass(frozen=True, slots=True)
class Hoisted:
    """`before` computes from the constants what `main` reads of them: its outputs are main's variables `held`."""

    before: Program
    main: Program
    held: tuple[Variable, ...]

    @property
    def joined(self) -> Program:
        """Both, one after the other."""
        names = {v.name for v in self.held}
        rest = [s for s in self.main.steps if not (isinstance(s, Input) and s.name in names)]
        return Program([*self.before.steps, *rest], self.main.dims, self.main.outputs)


def hoisted(program: Program, constant: Sequence[str], taken: Sequence[str], computed: bool = True) -> Hoisted:
    """The program cut in two; `taken` are names that the values held cannot have. Without `computed` only the constants
    themselves are held."""
    numbers = _numbers(program)
    fixed = _fixed(program, frozenset(constant), numbers)
    if not computed:
        fixed &= numbers | {s.target for s in program.steps if isinstance(s, Input)}
    rest = [s for s in program.steps if s.target not in fixed]
    read = [v for s in rest for v in s.inputs] + [v for v, _ in program.outputs.values()]
    crossing = [v for v in dict.fromkeys(read) if v in fixed and v not in numbers]
    names = _names(len(crossing), taken)
    before = Program(_needed(program, crossing), program.dims)
    before.outputs = {name: (v, tuple(range(len(program.dims[v])))) for name, v in zip(names, crossing, strict=True)}
    given: list[Step] = [Input(v, name) for name, v in zip(names, crossing, strict=True)]
    own = [s for s in program.steps if s.target not in fixed or s.target in numbers]
    main = Program([*given, *own], program.dims, dict(program.outputs))
    factors = {
        s.target for s in program.steps if isinstance(s, Library) and s.call.startswith("torch.linalg.lu_factor")
    }
    held = tuple(
        Variable(name, edges={} if v in factors else {f"a{k}": d for k, d in enumerate(program.dims[v])})
        for name, v in zip(names, crossing, strict=True)
    )
    return Hoisted(before, main, held)


def _numbers(program: Program) -> frozenset[int]:
    """Values that the source writes as numbers."""
    found: set[int] = set()
    for step in program.steps:
        scalar = isinstance(step, Scale) and not step.inputs
        power = isinstance(step, Call) and step.function.name == "pow" and found.issuperset(step.inputs)
        if scalar or power:
            found.add(step.target)
    return frozenset(found)


def _fixed(program: Program, constant: frozenset[str], numbers: frozenset[int]) -> frozenset[int]:
    """Values that depend on constants and numbers only."""
    found = set(numbers)
    for step in program.steps:
        known = step.name in constant if isinstance(step, Input) else found.issuperset(step.inputs)
        unknown = isinstance(step, Call) and not step.function.known
        if known and not unknown:
            found.add(step.target)
    return frozenset(found)


def _needed(program: Program, values: Sequence[int]) -> list[Step]:
    """The steps that lead to some values."""
    wanted = set(values)
    found: list[Step] = []
    for step in reversed(program.steps):
        if step.target in wanted:
            found.append(step)
            wanted.update(step.inputs)
    return found[::-1]


def _names(count: int, taken: Sequence[str]) -> list[str]:
    names: list[str] = []
    number = 0
    while len(names) < count:
        number += 1
        if f"c{number}" not in taken:
            names.append(f"c{number}")
    return names
