"""Plans: what a program costs, step by step, printed like opt_einsum's PathInfo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tensorgrad.cost import default_dims, volume
from tensorgrad.diagram import Network, Store, insert_all
from tensorgrad.runtime.build import build
from tensorgrad.runtime.program import (
    Accumulate,
    Arrange,
    Contract,
    Input,
    Loop,
    Narrow,
    Program,
    Scale,
    Step,
    every_step,
    number,
)
from tensorgrad.runtime.text import describe, step_names
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Derivative, Expectation, Scalar, Tensor, walk


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step: what it computes (`expression`, called `name`), its operations, and the entries of its result.

    `inputs` are the names of the steps and variables it reads, `shape` the sizes of its axes.

    >>> from tensorgrad import Variable
    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> (step,) = plan(A @ x, {"n": 10, "m": 20}).steps
    >>> print(step)
    t1 = A @ x
    >>> step.flops, step.size, step.inputs, step.shape
    (400, 10, ('x', 'A'), ('n',))
    """

    name: str
    expression: str
    flops: int
    size: int
    inputs: tuple[str, ...] = ()
    shape: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} = {self.expression}" if self.name else self.expression


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """Operations, memory and steps of one or several tensors, equal parts once.

    `naive` are the operations without pairwise steps and without sharing; `largest` are the most entries of one
    intermediate or output, `peak` the most alive at one time. `rules` led to the expressions, if that was said.

    >>> from tensorgrad import Variable
    >>> A, B, x = Variable("A", i="n", j="m"), Variable("B", j="m", k="n"), Variable("x", k="n")
    >>> found = plan(A @ B @ x, {"n": 10, "m": 20})
    >>> found.flops, found.peak, [str(step) for step in found.steps]
    (800, 30, ['t1 = B @ x', 't2 = A @ t1'])
    """

    tensors: tuple[tuple[str, Tensor], ...]
    dims: Mapping[str, int]
    flops: int
    peak: int
    naive: int
    largest: int
    steps: tuple[PlanStep, ...]
    rules: tuple[str, ...] = ()
    program: Program | None = field(default=None, compare=False)

    @property
    def slices(self) -> tuple[str, ...]:
        """What is done in parts to stay within a memory limit: for each loop the edge's size and how long the parts are.

        >>> import tensorgrad as tg
        >>> t = tg.parse("exp(X @ X.T) @ y", let="X : n m; y : n")
        >>> tg.compile({"n": 1000, "m": 5}, z=t, memory_limit=100_000).plan.slices
        ('in parts of n, 49 long',)
        """
        loops = [s for s in every_step(self.program.steps) if isinstance(s, Loop)] if self.program else []
        return tuple(describe(s, ()).removesuffix(":") for s in loops)

    @property
    def expression(self) -> str:
        """The planned expressions in one text.

        >>> from tensorgrad import Variable
        >>> x = Variable("x", i="n")
        >>> plan({"value": x @ x, "grad": 2 * x}).expression
        'x @ x ; 2 * x'
        """
        return " ; ".join(str(t) for _, t in self.tensors)

    def show(self) -> None:
        """Show the steps as a tree of contractions: in a notebook as a picture, else as text on stdout.

        >>> from tensorgrad import Variable
        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> plan(A @ x, {"n": 10, "m": 20}).show()
        plan: 400 flops, peak 10 entries
          t1 = A @ x  (n)  400 flops
          ├─ x  (m)
          └─ A  (n × m)
        """
        from tensorgrad.show import show_trees, tree_of

        show_trees([tree_of(self)])

    def _repr_svg_(self) -> str:
        from tensorgrad.show import tree_of, trees_svg

        return trees_svg([tree_of(self)])

    def __repr__(self) -> str:
        named = [f"{name} = {text_of(t)}" if name else text_of(t) for name, t in self.tensors]
        head = [("Complete expression", line) for line in named[:1]] + [("", line) for line in named[1:]]
        if self.dims:
            head.append(("Sizes", ", ".join(f"{s}={n}" for s, n in sorted(self.dims.items()))))
        head += [
            ("Naive operations", f"{self.naive:.3e}"),
            ("Chosen operations", f"{self.flops:.3e}"),
            ("Theoretical speedup", f"{self.naive / max(1, self.flops):.3e}"),
            ("Largest intermediate", f"{self.largest:.3e} elements"),
            ("Peak memory", f"{self.peak:.3e} elements"),
        ]
        head += [("Slices", text) for text in self.slices]
        if self.rules:
            head.append(("Rules", ", ".join(self.rules)))
        lines = [f"{title:>22}{':' if title else ' '}  {text}" for title, text in head]
        lines += ["-" * 80, f"{'operations':>12} {'size':>12}   step", "-" * 80]
        lines += [f"{step.flops:>12.3e} {step.size:>12.3e}   {step}" for step in self.steps]
        return "\n".join(lines)


def plan(
    tensors: Tensor | Mapping[str, Tensor], dims: Mapping[str, int] | None = None, rules: Sequence[str] = ()
) -> Plan:
    """The plan that computes the tensors together; sizes without a value get large default ones.

    Derivatives are taken first. Sizes are given by symbol name.
    """
    named = {"": tensors} if isinstance(tensors, Tensor) else dict(tensors)
    naive, program, sizes = _program(named, dims)
    return of_program(program, sizes, tuple(named.items()), naive, tuple(rules))


def _program(named: Mapping[str, Tensor], dims: Mapping[str, int] | None) -> tuple[int, Program, dict[str, int]]:
    store = Store()
    expanded = {name: without_derivatives(t) for name, t in named.items()}
    refs = dict(zip(expanded, insert_all(store, expanded.values()), strict=True))
    sizes = all_sizes(list(expanded.values()), dims)
    program = build(store, refs, sizes)
    return naive_flops(store, program, [h for h, _ in refs.values()], sizes), program, sizes


def of_program(
    program: Program,
    sizes: Mapping[str, int],
    tensors: tuple[tuple[str, Tensor], ...],
    naive: int,
    rules: tuple[str, ...] = (),
) -> Plan:
    """The plan of a program that is already built."""
    flops = sum(program.flops(step, sizes) for step in program.steps)
    every = _with_sizes(program, program.steps, [(1, sizes)])
    largest = max((program.new_entries(s, at[0][1]) for s, at in every if not isinstance(s, Loop)), default=0)
    steps = tuple(_plan_steps(program, sizes))
    return Plan(tensors, dict(sizes), flops, program.peak(sizes), max(naive, flops), largest, steps, rules, program)


def _plan_steps(program: Program, sizes: Mapping[str, int]) -> Iterator[PlanStep]:
    names = step_names(program)
    numbers = {s.target for s in program.steps if isinstance(s, Scale) and not s.inputs}
    hidden = numbers | _rooms(program)
    for step, at in _with_sizes(program, program.steps, [(1, sizes)]):
        if isinstance(step, Loop):
            yield PlanStep("", describe(step, names), 0, program.new_entries(step, at[0][1]))
        elif step.target not in hidden and not isinstance(step, Input | Narrow):
            own = sum(times * program.flops(step, now) for times, now in at)
            inputs = tuple(dict.fromkeys(names[v] for v in step.inputs if v not in numbers))
            inputs = tuple(v for v in inputs if v != names[step.target])
            size, shape = program.entries(step.target, at[0][1]), tuple(map(str, program.dims[step.target]))
            yield PlanStep(names[step.target], describe(step, names), own, size, inputs, shape)


def _rooms(program: Program) -> set[int]:
    """The values that loops add to."""
    views = {s.target: s.value for s in every_step(program.steps) if isinstance(s, Narrow)}
    found = {s.into for s in every_step(program.steps) if isinstance(s, Accumulate)}
    while inner := found & set(views):
        found = found - inner | {views[v] for v in inner}
    return found


def _with_sizes(
    program: Program, steps: Sequence[Step], at: Sequence[tuple[int, Mapping[str, int]]]
) -> Iterator[tuple[Step, Sequence[tuple[int, Mapping[str, int]]]]]:
    """The steps, after each loop those in it, and how often they are done with which sizes."""
    for step in steps:
        yield step, at
        if isinstance(step, Loop):
            inner: list[tuple[int, Mapping[str, int]]] = []
            for times, sizes in at:
                full, rest = divmod(number(step.whole, sizes), step.length)
                inner += [(times * full, {**sizes, step.part: step.length})] * bool(full)
                inner += [(times, {**sizes, step.part: rest})] * bool(rest)
            yield from _with_sizes(program, step.body, inner)


def without_derivatives(t: Tensor) -> Tensor:
    """The tensor with its derivatives taken, if it has any."""
    if any(isinstance(node, Derivative | Expectation) for node in walk(t)):
        from tensorgrad.calculus import expand

        return expand(t)
    return t


def size_symbols(tensors: Sequence[Tensor]) -> tuple[str, ...]:
    """The size symbols of some tensors, those that are only numbers in them too, sorted."""
    found: set[str] = set()
    for t in tensors:
        for node in walk(t):
            numbers = (node.value,) if isinstance(node, Scalar) else ()
            for dim in (*node.dims, *numbers):
                found.update(dim.symbols)
    return tuple(sorted(found))


def all_sizes(tensors: Sequence[Tensor], dims: Mapping[str, int] | None) -> dict[str, int]:
    """A value for each size symbol: the given one, or a large default."""
    given = {str(s): n for s, n in (dims or {}).items()}
    return {**default_dims(s for s in size_symbols(tensors) if s not in given), **given}


def text_of(t: Tensor) -> str:
    """The tensor in notation, cut where it would fill the screen."""
    text = str(t)
    return text if len(text) <= 300 else f"{text[:297]}..."


def naive_flops(store: Store, program: Program, roots: Sequence[int], sizes: Mapping[str, int]) -> int:
    """Operations when every product is one loop over all its indices, and nothing is shared but equal parts."""
    from tensorgrad.diagram.expression import children

    total = sum(program.flops(s, sizes) for s in program.steps if not isinstance(s, Contract | Arrange))
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        handle = stack.pop()
        if handle in seen:
            continue
        seen.add(handle)
        node = store.nodes[handle]
        stack.extend(children(node))
        if isinstance(node, Network) and node.operands:
            numbers = [1 if d is ONE else int(d.evaluate(sizes)) for d in node.dims]
            edges = sorted({e for _, legs in node.operands for e in legs})
            inner = any(e not in node.boundary for e in edges)
            times = max(1, len(node.operands) - 1) + (inner and len(node.operands) > 1)
            total += volume(sum(1 << e for e in edges), numbers) * (times if inner or len(node.operands) > 1 else 0)
    return total


def symbolic_cost(tensors: Tensor | Mapping[str, Tensor], dims: Mapping[str, int] | None = None) -> tuple[Poly, Poly]:
    """Operations and peak memory of the plan as polynomials in the sizes; the path is that for `dims`."""
    named = {"": tensors} if isinstance(tensors, Tensor) else dict(tensors)
    _, program, sizes = _program(named, dims)
    total = ZERO
    for step in program.steps:
        total = total + program.symbolic_flops(step)
    return total, program.symbolic_peak(sizes)
