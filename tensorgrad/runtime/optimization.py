"""`optimize`: torch functions of linear algebra traced, simplified and run as programs; the unknown stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import Signature, signature
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_arg

from tensorgrad.diagram import Store, insert
from tensorgrad.errors import BudgetError, UnsoundError, UnsupportedError
from tensorgrad.runtime.compiled import Compiled, Options, Written, compiled
from tensorgrad.runtime.planning import plan
from tensorgrad.runtime.tracing import Recorder, Traced, classify, is_expression, trace
from tensorgrad.tensor import Tensor


def optimize(function: Callable[..., Any], *example_inputs: Any, seconds: float = 5.0) -> Optimized:
    """A function of the same signature that computes the same with fewer operations, where such a way is found.

    The function (or module) is traced by torch.fx. Products, einsum, sums, means, elementwise functions, transposes,
    reshapes, softmax, inverses, solves and determinants are simplified together; all else is called as it is, in the
    same order. Programs are made for the shapes, dtypes and numbers of the inputs, first for the examples, and compared
    with the function there. Results agree wherever the function has a finite value. `seconds` bounds each search.
    Raises UnsupportedError for a function that cannot be traced, or changes tensors in place.

    >>> fast = optimize(lambda A, B, x: (A @ B) @ x, torch.ones(50, 60), torch.ones(60, 70), torch.ones(70))
    >>> fast.flops
    (427000, 14400)
    """
    optimized = Optimized(function, seconds)
    optimized.specialise(example_inputs)
    return optimized


@dataclass(frozen=True, slots=True)
class _Program:
    """A program, the nodes that it reads and those whose values it gives."""

    compiled: Compiled
    arguments: tuple[fx.Node, ...]
    targets: tuple[fx.Node, ...]


@dataclass(frozen=True, slots=True)
class _Stage:
    """Programs (one a dtype), then opaque nodes that are run as they are."""

    programs: tuple[_Program, ...]
    opaque: tuple[fx.Node, ...]


@dataclass(frozen=True, slots=True)
class _Specialised:
    """What runs for inputs of one kind; without stages the function itself."""

    stages: tuple[_Stage, ...]
    flops: tuple[int, int]
    opaque: tuple[str, ...]
    static: Mapping[fx.Node, Any]


class Optimized:
    """A torch function with faster programs, one for each kind of inputs; made by `optimize`.

    >>> fast = optimize(lambda A, B, x: (A @ B) @ x, torch.ones(50, 60), torch.ones(60, 70), torch.ones(70))
    >>> fast
    <Optimized <lambda>: 427,000 -> 14,400 flops>
    >>> fast(torch.ones(50, 60), torch.ones(60, 70), torch.ones(70)).shape
    torch.Size([50])
    """

    def __init__(self, function: Callable[..., Any], seconds: float = 5.0) -> None:
        self.function = function
        self._module = trace(function)
        self._seconds = seconds
        self._signature: Signature = signature(function.forward if isinstance(function, torch.nn.Module) else function)
        self._made: dict[Hashable, _Specialised] = {}
        self._inputs = [n for n in self._module.graph.nodes if n.op == "placeholder"]
        self._output = next(n for n in self._module.graph.nodes if n.op == "output")
        self._current: _Specialised | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        values = self._bound(args, kwargs)
        found = self._made.get(tuple(map(_kind, values)))
        self._current = found = found or self.specialise(values)
        if not found.stages:
            return self.function(*args, **kwargs)
        return self._run(found, values)

    def _run(self, found: _Specialised, values: Sequence[Any]) -> Any:
        given = {**found.static, **dict(zip(self._inputs, values, strict=True))}
        return _Values(self._module, given).result(found.stages, self._output)

    @property
    def flops(self) -> tuple[int, int]:
        """Operations of what is known, as written and as it runs now.

        >>> optimize(lambda A, B, x: (A @ B) @ x, torch.ones(50, 60), torch.ones(60, 70), torch.ones(70)).flops
        (427000, 14400)
        """
        return self._latest.flops

    @property
    def opaque(self) -> tuple[str, ...]:
        """The operations that are called as they are.

        >>> fast = optimize(lambda A, x: torch.sort(A @ A @ x).values, torch.ones(9, 9), torch.ones(9))
        >>> fast.opaque
        ('sort', 'getattr_1')
        """
        return self._latest.opaque

    @property
    def source(self) -> str:
        """The programs that run for the latest inputs, "" when that is the function itself.

        >>> fast = optimize(lambda A, B, x: (A @ B) @ x, torch.ones(50, 60), torch.ones(60, 70), torch.ones(70))
        >>> print(fast.source)
        import torch
        <BLANKLINE>
        <BLANKLINE>
        def step(a, b, x):
            t1 = b @ x                                                    # (60)
            matmul_1 = a @ t1                                             # (50)
            return matmul_1,
        <BLANKLINE>
        """
        return "\n\n".join(p.compiled.source.text for s in self._latest.stages for p in s.programs)

    @property
    def _latest(self) -> _Specialised:
        assert self._current is not None
        return self._current

    def __repr__(self) -> str:
        before, after = self.flops
        opaque = f", opaque: {', '.join(self.opaque)}" if self.opaque else ""
        return f"<Optimized {getattr(self.function, '__name__', self.function)}: {before:,} -> {after:,} flops{opaque}>"

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return list(bound.arguments.values())

    def specialise(self, values: Sequence[Any]) -> _Specialised:
        """Make the program for inputs like these, and compare it with the function.

        >>> fast = optimize(lambda A, B, x: (A @ B) @ x, torch.ones(50, 60), torch.ones(60, 70), torch.ones(70))
        >>> fast.specialise([torch.ones(3, 4), torch.ones(4, 5), torch.ones(5)]).flops
        (150, 64)
        """
        values = self._bound(values, {})
        if len(values) != len(self._inputs):
            raise UnsupportedError("a function with * or ** parameters")
        key = tuple(map(_kind, values))
        recorder = Recorder(self._module)
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)
            expected = recorder.run(*values)
        traced = classify(self._module.graph, recorder.seen)
        found = _Staging(traced, self._seconds).specialised()
        if found.stages:
            with torch.no_grad(), torch.random.fork_rng():
                torch.manual_seed(0)
                result = self._run(found, values)
            _compare(expected, result)
        self._made[key] = self._current = found
        return found


def _kind(value: Any) -> Hashable:
    """What programs depend on of an input."""
    if isinstance(value, torch.Tensor):
        return value.shape, value.dtype, value.device
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_kind, value))
    if isinstance(value, dict):
        return dict, tuple((k, _kind(v)) for k, v in value.items())
    if isinstance(value, int | float | bool | str | type(None)):
        return type(value), value
    raise UnsupportedError(f"an input of type {type(value).__name__}")


class _Staging:
    """Cuts a graph into programs and the opaque nodes between them.

    The level of a node is the number of the stage that computes it: an opaque node ends the stage of its inputs, and
    opaque nodes keep their order.
    """

    def __init__(self, traced: Traced, seconds: float) -> None:
        self.traced = traced
        self.seconds = seconds
        self.output = next(n for n in traced.graph.nodes if n.op == "output")
        self.by_name = {n.name: n for n in traced.graph.nodes}
        self.needed = _needed(self.output)
        self.level: dict[fx.Node, int] = {}
        self._levels()
        self.targets = self._targets()
        self.whole: dict[fx.Node, Tensor] = {}

    def specialised(self) -> _Specialised:
        """The stages, or none when they need no fewer operations than the function as it is written."""
        known = [n for n in self.traced.graph.nodes if n in self.needed and n in self.traced.known]
        before = sum(plan(self.traced.known[n]).flops for n in known)
        stages = [self._stage(level) for level in range(max(self.level.values(), default=0) + 1)]
        after = sum(p.compiled.plan.flops for s in stages for p in s.programs)
        opaque = tuple(n.name for s in stages for n in s.opaque)
        if after >= before:
            return _Specialised((), (before, before), opaque, {})
        return _Specialised(tuple(stages), (before, after), opaque, self.traced.static)

    def _levels(self) -> None:
        last = 0
        for node in self.traced.graph.nodes:
            if node.op == "output" or node not in self.needed or node in self.traced.static:
                continue
            level = max((self.level.get(n, 0) for n in node.all_input_nodes), default=0)
            if self._is_run(node):
                level = last = max(level + 1, last)
            self.level[node] = level

    def _is_run(self, node: fx.Node) -> bool:
        return node.op.startswith("call") and node not in self.traced.known and node not in self.traced.static

    def _targets(self) -> set[fx.Node]:
        """The known nodes whose values later stages, opaque nodes or the caller read."""
        found: set[fx.Node] = set()
        for node in self.traced.known:
            if node not in self.needed:
                continue
            for user in node.users:
                later = self.level.get(user, 0) > self.level[node] and not self.traced.is_view(node)
                if user is self.output or later or (user in self.needed and self._is_run(user)):
                    found.add(node)
        return found

    def _stage(self, level: int) -> _Stage:
        groups: dict[torch.dtype, dict[fx.Node, Tensor]] = {}
        for node in self.traced.graph.nodes:
            if self.level.get(node) == level and node in self.traced.known:
                self.whole[node] = self.traced.meaning(node, self._arguments(node, level))
                if node in self.targets:
                    groups.setdefault(self.traced.seen[node].dtype, {})[node] = self.whole[node]
        run = tuple(n for n in self.traced.graph.nodes if self.level.get(n) == level + 1 and self._is_run(n))
        return _Stage(tuple(self._program(group) for group in groups.values()), run)

    def _arguments(self, node: fx.Node, level: int) -> dict[fx.Node, Tensor]:
        found: dict[fx.Node, Tensor] = {}
        for n in node.all_input_nodes:
            if n in self.traced.known and not (n in self.targets and self.level[n] < level):
                found[n] = self.whole[n]
            elif n not in self.traced.static and is_expression(self.traced.seen[n]):
                found[n] = self.traced.variable(n)
        return found

    def _program(self, expressions: Mapping[fx.Node, Tensor]) -> _Program:
        """The program of the stage's targets in the cheapest form found."""
        written = {node.name: t for node, t in expressions.items()}
        found = dict(zip(written, _simplified(list(written.values()), self.seconds), strict=True))
        best = min((_compiled(named) for named in (found, written)), key=lambda c: c.plan.flops)
        arguments = tuple(self.by_name[v.name] for _, v in best.source.variables)
        return _Program(best, arguments, tuple(expressions))


def _needed(output: fx.Node) -> set[fx.Node]:
    found: set[fx.Node] = set()
    stack = list(output.all_input_nodes)
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack += node.all_input_nodes
    return found


def _simplified(tensors: Sequence[Tensor], seconds: float) -> Sequence[Tensor]:
    """The cheapest forms found of some tensors, parts that they share paid once."""
    from tensorgrad.egraph import search
    from tensorgrad.rule import library

    try:
        return search.explore(tensors, dims=[{}], rules=library(), seconds=seconds).cheapest({})
    except BudgetError:
        return tensors  # a diagram too symmetric to be named within its budget: it runs as written


def _compiled(named: Mapping[str, Tensor]) -> Compiled:
    store = Store()
    outputs = {name: insert(store, t) for name, t in named.items()}
    variables = tuple({v.name: v for t in named.values() for v in t.variables}.values())
    written = Written(store, outputs, variables, (), tuple(named.items()))
    return compiled(written, written.structure(), {}, Options())


class _Values:
    """Values of nodes, made when they are asked for: opaque ones and attributes of the module by running the node."""

    def __init__(self, module: fx.GraphModule, values: dict[fx.Node, Any]) -> None:
        self.module = module
        self.values = values

    @cached_property
    def runner(self) -> fx.Interpreter:
        """Runs single nodes over the same values."""
        runner = fx.Interpreter(self.module, garbage_collect_values=False)
        runner.env = self.values
        return runner

    def result(self, stages: Iterable[_Stage], output: fx.Node) -> Any:
        """The function's value, stage by stage."""
        for stage in stages:
            for program in stage.programs:
                arguments = [self._value(n) for n in program.arguments]
                if program.compiled.source.needs_kind:
                    arguments += self._kind(program.targets[0])
                self.values.update(zip(program.targets, program.compiled.function(*arguments), strict=True))
            for node in stage.opaque:
                self._value(node)
        return map_arg(output.args[0], self._value)

    def _kind(self, node: fx.Node) -> list[Any]:
        """dtype and device of a node that depends on no variable (any more, as in `x - x`): those that it has by itself."""
        made: torch.Tensor = self._value(node)
        return [made.dtype, made.device]

    def _value(self, node: fx.Node) -> Any:
        if node not in self.values:
            for n in node.all_input_nodes:
                self._value(n)
            self.values[node] = self.runner.run_node(node)
        return self.values[node]


def _compare(expected: Any, found: Any) -> None:
    """UnsoundError when two results differ by more than rounding where the first one is finite."""
    left: list[torch.Tensor] = []
    right: list[torch.Tensor] = []
    _tensors(expected, left)
    _tensors(found, right)
    for k, (a, b) in enumerate(zip(left, right, strict=True)):
        if a.shape != b.shape or a.dtype is not b.dtype:
            raise UnsoundError(f"optimize: output {k} has become {b.dtype} {tuple(b.shape)}: a bug of tensorgrad")
        if not a.is_floating_point() or not a.numel():
            continue
        finite = a.isfinite()
        scale = a[finite].abs().amax() if finite.any() else torch.zeros(())
        error = torch.where(finite, (a - b).abs(), torch.zeros_like(a)).amax()
        if not float(error) <= 100 * torch.finfo(a.dtype).eps ** 0.5 * max(float(scale), 1e-30):
            raise UnsoundError(
                f"optimize: output {k} differs by {float(error):.2e} from that of the function, whose entries go up to "
                f"{float(scale):.2e}: the function is ill-conditioned there, or this is a bug of tensorgrad"
            )


def _tensors(value: Any, found: list[torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif isinstance(value, list | tuple):
        for part in value:
            _tensors(part, found)
    elif isinstance(value, dict):
        for part in value.values():
            _tensors(part, found)
