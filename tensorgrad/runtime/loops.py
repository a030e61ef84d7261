"""Programs that need more memory than a limit, rewritten with loops over parts of edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tensorgrad.errors import MemoryLimitError
from tensorgrad.runtime.cuts import labels, part_of
from tensorgrad.runtime.program import Accumulate, Add, Contract, Input, Loop, Narrow, Program, Step, every_step, number
from tensorgrad.runtime.slices import longest
from tensorgrad.sizes import Poly

GROWN = 16
"""Values that one loop is tried to keep in parts only."""

COMPARED = 8
"""Ways to cut that are compared by their number of parts."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A loop that could be: these values (number -> axis) exist in parts only, each the symbol `part` long. `within` are
    the loops that it is in, by target, the outermost first."""

    values: Mapping[int, int]
    part: str
    within: tuple[int, ...] = ()


def fitted(program: Program, sizes: Mapping[str, int], limit: int) -> Program:
    """The program as it is where it stays within the limit, otherwise with loops that keep large values in parts only.

    Steps that make and read such a value are done part by part, what they sum is added up, other results are written
    part by part. Loops are put where the program needs most until it fits, one in another if one is not enough, parts
    as long as they can be. Raises MemoryLimitError where that does not help.
    """
    current, over = program, _excess(program, sizes, limit)
    while over:
        ways = [(_excess(p, sizes, limit), cut) for cut, p in _cuts(current, sizes)]
        least = min((e for e, _ in ways), default=over)
        if least >= over:
            _refuse(program, current, sizes, limit)
        chosen = [cut for e, cut in ways if e == least][:COMPARED]
        cut, length = min(((c, _length(current, sizes, limit, c)) for c in chosen), key=partial(_parts, current, sizes))
        found = cut_program(current, cut, length)
        assert found is not None
        current, over = found, least
    return current


def _refuse(program: Program, best: Program, sizes: Mapping[str, int], limit: int) -> None:
    peak = program.peak(sizes)
    largest = max(program.new_entries(step, sizes) for step in program.steps)
    needed = min([best.peak(sizes), *(p.peak(sizes) for _, p in _cuts(best, sizes))])
    slices = f"; in slices {needed:,}" if needed < peak else ", and slices do not help"
    raise MemoryLimitError(
        f"memory_limit: {limit:,} entries are too few: the program has {peak:,} alive at its fullest, "
        f"{largest:,} of them in one{slices}"
    )


def _excess(program: Program, sizes: Mapping[str, int], limit: int) -> int:
    """How far the steps are above the limit, in all."""
    return sum(max(0, level - limit) for level in program.levels(sizes)[0])


def _whole(program: Program, cut: Cut) -> Poly:
    value, axis = next(iter(cut.values.items()))
    return program.dims[value][axis]


def _length(program: Program, sizes: Mapping[str, int], limit: int, cut: Cut) -> int:
    """How long the parts can be."""

    def excess(length: int) -> int:
        found = cut_program(program, cut, length)
        assert found is not None
        return _excess(found, sizes, limit)

    least = excess(1)
    return longest(lambda length: excess(length) <= least, number(_whole(program, cut), _inner(program, sizes, cut)))


def _parts(program: Program, sizes: Mapping[str, int], way: tuple[Cut, int]) -> int:
    cut, length = way
    return -(-number(_whole(program, cut), _inner(program, sizes, cut)) // length)


def _inner(program: Program, sizes: Mapping[str, int], cut: Cut) -> dict[str, int]:
    """The sizes, those of parts in the loops around a cut too."""
    loops = {s.target: s for s in every_step(program.steps) if isinstance(s, Loop)}
    return {**sizes, **{loops[t].part: loops[t].length for t in cut.within}}


# What can be cut.


def _cuts(program: Program, sizes: Mapping[str, int]) -> Iterator[tuple[Cut, Program]]:
    """Ways to cut what is alive when the program needs most, each with the program in parts of length 1."""
    loops = {s.target: s for s in program.steps if isinstance(s, Loop)}
    kept = {v for v, _ in program.outputs.values()}
    alive = program.fullest(sizes)
    for value in alive:
        if value in loops:
            loop = loops[value]
            body = Program(list(loop.body), program.dims)
            for cut, _ in _cuts(body, {**sizes, loop.part: loop.length}):
                inner = replace(cut, part=_part(program, sizes, _whole(program, cut)), within=(value, *cut.within))
                found = cut_program(program, inner, 1)
                assert found is not None
                yield inner, found
    for value in sorted(set(alive) - kept - set(loops), key=lambda v: -program.entries(v, sizes)):
        for axis, dim in enumerate(program.dims[value]):
            if number(dim, sizes) > 1:
                yield from _grown(program, sizes, {value: axis}, _part(program, sizes, dim))


def _part(program: Program, sizes: Mapping[str, int], whole: Poly) -> str:
    """A symbol for the size of a part."""
    text = str(whole)
    taken = {*sizes, *(s.part for s in every_step(program.steps) if isinstance(s, Loop))}
    name = f"{text}_part" if text.isidentifier() else "part"
    while name in taken:
        name += "_"
    return name


def _grown(
    program: Program, sizes: Mapping[str, int], values: dict[int, int], part: str
) -> Iterator[tuple[Cut, Program]]:
    """Larger and larger sets of values in parts, from a first one on."""
    refused: set[int] = set()
    tried = values
    for _ in range(GROWN):
        cut = Cut(tried, part)
        found = cut_program(program, cut, 1)
        if found is None:
            refused.update(set(tried) - set(values))
            if tried is values:
                return
        else:
            values = tried
            yield cut, found
        around = {v: a for v, a in _around(program, values).items() if v not in refused}
        if not around:
            return
        most = max(around, key=lambda v: program.entries(v, sizes))
        tried = {**values, most: around[most]}


def _around(program: Program, values: Mapping[int, int]) -> dict[int, int]:
    """Values that steps of a loop read or make, that could be in parts too."""
    outputs = {v for v, _ in program.outputs.values()}
    made = {s.target for s in program.steps if not isinstance(s, Input)}
    found: dict[int, int] = {}
    for step in program.steps:
        if step.target not in values and not any(v in values for v in step.inputs):
            continue
        reads, own = labels(program, step)
        both = [*reads, (step.target, own)]
        label = next((ls[values[v]] for v, ls in both if v in values), None)
        for value, ls in both:
            if label is not None and ls.count(label) == 1 and value in made and value not in {*values, *outputs}:
                found[value] = ls.index(label)
    return found


# The program with a loop.


def cut_program(program: Program, cut: Cut, length: int) -> Program | None:
    """The program with the loop of a cut, in parts of this length; None where the steps cannot be done so."""
    if cut.within:
        return _within(program, cut, length)
    new = Program([], list(program.dims), program.outputs)
    region = [
        k for k, s in enumerate(program.steps) if s.target in cut.values or any(v in cut.values for v in s.inputs)
    ]
    order = _placed(program, region, cut.values)
    if order is None or any(v in cut.values for v, _ in program.outputs.values()):
        return None
    rewriting = _Rewriting(new, cut)
    for k in region:
        if not rewriting.add(program.steps[k]):
            return None
    before, after = order
    loop = rewriting.loop(length, _whole(program, cut))
    new.steps = [*(program.steps[k] for k in before), *rewriting.rooms, loop, *(program.steps[k] for k in after)]
    return new


def _within(program: Program, cut: Cut, length: int) -> Program | None:
    k = next(k for k, s in enumerate(program.steps) if s.target == cut.within[0])
    loop = program.steps[k]
    assert isinstance(loop, Loop)
    body = cut_program(Program(list(loop.body), program.dims), replace(cut, within=cut.within[1:]), length)
    if body is None:
        return None
    steps = [*program.steps[:k], replace(loop, body=tuple(body.steps)), *program.steps[k + 1 :]]
    return Program(steps, body.dims, program.outputs)


def _placed(
    program: Program, region: Sequence[int], values: Mapping[int, int]
) -> tuple[Sequence[int], Sequence[int]] | None:
    """The other steps, those before the loop and those after it; None if one would have to be both."""
    inside = set(region)
    late = {program.steps[k].target for k in region}
    needed = {v for k in region for v in program.steps[k].inputs}
    before, after = list(range(region[0])), list[int]()
    for k in range(region[0], len(program.steps)):
        step = program.steps[k]
        if k in inside:
            continue
        if any(v in late for v in step.inputs):
            late |= _made(step)
            if _made(step) & needed:
                return None
    for k in reversed(range(region[0], len(program.steps))):
        step = program.steps[k]
        if k not in inside and _made(step) & needed:
            needed.update(step.inputs)
    for k in range(region[0], len(program.steps)):
        if k not in inside:
            (before if _made(program.steps[k]) & needed else after).append(k)
    return before, after


def _made(step: Step) -> set[int]:
    """The values that are there, or complete, after a step."""
    return {step.target, *step.rooms} if isinstance(step, Loop) else {step.target}


class _Rewriting:
    """The steps of a loop being written: parts of what is outside are views, what leaves it gets room before it."""

    def __init__(self, program: Program, cut: Cut) -> None:
        self.program = program
        self.cut = cut
        self.size = Poly.symbol(cut.part)
        self.inner: dict[int, int] = {}
        self.views: dict[tuple[int, tuple[int, ...]], int] = {}
        self.narrows: list[Step] = []
        self.rooms: list[Step] = []
        self.written: dict[int, tuple[tuple[int, ...], int]] = {}
        """What leaves the loop: along which axes it is cut, and its part."""
        self.body: list[Step] = []

    def add(self, step: Step) -> bool:
        """Write a step for a part; False if that is not possible."""
        values = self.cut.values
        reads, own = labels(self.program, step)
        found = {ls[values[v]] for v, ls in [*reads, (step.target, own)] if v in values}
        label = found.pop() if len(found) == 1 else None
        if label is None:
            return False
        axes = [tuple(a for a, other in enumerate(ls) if other == label) for _, ls in reads]
        target = tuple(a for a, other in enumerate(own) if other == label)
        both = [*zip([v for v, _ in reads], axes, strict=True), (step.target, target)]
        if any(v in values and at != (values[v],) for v, at in both):
            return False
        if not target and not isinstance(step, Contract):
            return False
        if any(v in self.written and (not at or self.written[v][0] != at) for v, at in both[:-1]):
            return False  # it is needed whole, or as a sum that is not yet complete
        new = self._value(step.target, target)
        self.body.append(part_of(step, label, self.size, new, lambda k, v: self._read(v, axes[k])))
        if step.target in values:
            self.inner[step.target] = new
        elif not isinstance(step, Accumulate):
            dims = self.program.dims[step.target]
            self.rooms.append(Add(step.target, (), dims))
            self.written[step.target] = (target, new)
            into = self._view(step.target, target)
            self.body.append(Accumulate(self._value(into, ()), into, new))
        return True

    def _value(self, value: int, axes: tuple[int, ...]) -> int:
        return self.program.value([self.size if a in axes else d for a, d in enumerate(self.program.dims[value])])

    def _read(self, value: int, axes: tuple[int, ...]) -> int:
        """What stands for a value in the loop."""
        if value in self.cut.values:
            return self.inner[value]
        if value in self.written:
            return self.written[value][1]
        return self._view(value, axes)

    def _view(self, value: int, axes: tuple[int, ...]) -> int:
        """The part of a value from outside."""
        if not axes:
            return value
        if (value, axes) not in self.views:
            view = self.views[value, axes] = self._value(value, axes)
            self.narrows.append(Narrow(view, value, axes, self.cut.part))
        return self.views[value, axes]

    def loop(self, length: int, whole: Poly) -> Loop:
        """The loop, parts of this length."""
        body = (*self.narrows, *self.body)
        made = {s.target for s in body}
        inputs = tuple(dict.fromkeys(v for s in body for v in s.inputs if v not in made))
        rooms = tuple(s.target for s in self.rooms)
        return Loop(self.program.value(()), body, self.cut.part, length, whole, inputs, rooms)
