"""Values: `evaluate` a tensor, `compile` several into one step, on torch tensors of any float dtype and device."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tensorgrad.diagram import Store, insert
from tensorgrad.errors import ValueMismatchError
from tensorgrad.runtime.build import build
from tensorgrad.runtime.planning import Plan, all_sizes, naive_flops, of_program, size_symbols, without_derivatives
from tensorgrad.runtime.torch_source import Source
from tensorgrad.runtime.values import read_sizes, to_torch
from tensorgrad.tensor import Apply, Tensor, Variable, walk

code_of = compile
"""Python's own `compile`, before ours takes the name."""

if TYPE_CHECKING:
    import torch

Values = Mapping["str | Variable", Any]
"""By name or Variable: tensors (or arrays, numbers); by name: callables for unknown functions."""


class Step:
    """A compiled program: `step(X=..., W=...)` or `step({X: ...})` gives a named tuple of torch tensors.

    `source` is the plain PyTorch source it runs, `plan` what that costs. Without `dims` the order of contraction is
    chosen again for the sizes of the values whenever these are new; source and plan then show the latest.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], dims: Mapping[str, int] | None = None, rules: tuple[str, ...] = ()
    ) -> None:
        if not tensors:
            raise ValueMismatchError("nothing to compile: name a tensor, compile(loss=t)")
        self._named = tuple(tensors.items())
        self._rules = rules
        self._store = Store()
        expanded = {name: without_derivatives(t) for name, t in tensors.items()}
        self._tensors = list(expanded.values())
        self._outputs = {name: insert(self._store, t) for name, t in expanded.items()}
        found = {v.name: v for t in tensors.values() for v in t.variables}
        found |= {v.name: v for t in self._tensors for v in t.variables if v.name not in found}
        self.variables: tuple[Variable, ...] = tuple(found.values())
        self.functions: tuple[str, ...] = _unknown_functions(self._tensors)
        self._symbols = size_symbols(self._tensors)
        self._fixed = dims is not None
        self._compiled: dict[tuple[int, ...], tuple[Plan, Source, Callable[..., Any]]] = {}
        self._result = namedtuple("Result", list(tensors))  # type: ignore[misc]
        self._current = self._compile(all_sizes(self._tensors, dims))

    @property
    def source(self) -> str:
        """The program as Python source."""
        return self._current[1].text

    @property
    def plan(self) -> Plan:
        """What the program costs, step by step."""
        return self._current[0]

    def _compile(self, sizes: Mapping[str, int]) -> tuple[Plan, Source, Callable[..., Any]]:
        key = tuple(sizes.get(s, 0) for s in self._symbols)
        found = self._compiled.get(key)
        if found is None:
            program = build(self._store, self._outputs, sizes)
            used = {s.name for s in program.steps if hasattr(s, "name")}  # type: ignore[union-attr]
            source = Source(program, [v for v in self.variables if v.name in used], self.functions)
            naive = naive_flops(self._store, program, [h for h, _ in self._outputs.values()], sizes)
            plan = of_program(program, sizes, self._named, naive, self._rules)
            space: dict[str, Any] = {}
            code = code_of(source.text, f"<tensorgrad {', '.join(self._outputs)}>", "exec")
            exec(code, space)  # noqa: S102  (our own text, built from parsed nodes)
            found = self._compiled[key] = (plan, source, space[source.name])
        return found

    def __call__(self, values: Values | None = None, /, **named: Any) -> Any:
        """The outputs, a named tuple, for values by name or Variable."""
        given: dict[str, Any] = {k if isinstance(k, str) else k.name: v for k, v in (values or {}).items()}
        given |= named
        return self.run(given, {})

    def run(self, given: Mapping[str, Any], dims: Mapping[str, int]) -> Any:
        """The outputs for values by name; `dims` are sizes that no value shows."""
        functions = {f: _function(f, given) for f in self.functions}
        tensors = to_torch(self.variables, given)
        sizes = read_sizes(self.variables, tensors, dims)
        missing = [s for s in self._symbols if s not in sizes]
        if missing:
            raise ValueMismatchError(
                f"the size {missing[0]} cannot be read off the values of {_names(self.variables)}; "
                f"give it, dims={{{missing[0]!r}: 3}}"
            )
        if not self._fixed:
            self._current = self._compile(sizes)
        _, source, function = self._current
        arguments: list[Any] = [tensors[v.name] for _, v in source.variables]
        arguments += [functions[f] for _, f in source.functions]
        arguments += [sizes[s] for _, s in source.symbols]
        if source.needs_kind:
            arguments += _kind(tensors)
        return self._result(*function(*arguments))

    def __repr__(self) -> str:
        return f"<Step {', '.join(self._outputs)} of {_names(self.variables)}>"


def compile(  # noqa: A001  (the word of torch.compile and jax)
    dims: Mapping[str, int] | None = None, /, **tensors: Tensor
) -> Step:
    """Plan tensors together and write them as one PyTorch program: `compile(loss=t, grad=t.grad(W))`.

    `dims` (by symbol) fixes the sizes that the order of contraction is best for; otherwise those of the values decide.
    """
    return Step(tensors, dims)


def compile_to_callable(*tensors: Tensor) -> Callable[..., Any]:
    """A function of the variables' values (by name or Variable, or as keywords): one tensor, or one for each given."""
    step = Step({f"y{k}": t for k, t in enumerate(tensors)})

    def run(values: Values | None = None, /, **named: Any) -> Any:
        """The outputs for these values."""
        outputs = step(values, **named)
        return outputs[0] if len(tensors) == 1 else tuple(outputs)

    return run


def evaluate(t: Tensor, values: Values, dims: Mapping[str, int] | None = None) -> torch.Tensor:
    """The value of a tensor, axes in the order of `t.edges`.

    `values` are torch tensors (arrays, numbers) by name or Variable, axes in declared order, and callables for unknown
    functions; integer sizes are read off them, `dims` gives those that no value shows.
    Raises ValueMismatchError for a missing value or sizes that conflict; the message names both.
    """
    given = {k if isinstance(k, str) else k.name: v for k, v in values.items()}
    return Step({"value": t}).run(given, {str(s): n for s, n in (dims or {}).items()})[0]


def _unknown_functions(tensors: list[Tensor]) -> tuple[str, ...]:
    found = {n.function.name: None for t in tensors for n in walk(t) if isinstance(n, Apply) and not n.function.known}
    return tuple(sorted(found))


def _function(name: str, given: Mapping[str, Any]) -> Callable[..., Any]:
    value = given.get(name)
    if not callable(value):
        what = "no value was given" if value is None else f"its value is a {type(value).__name__}"
        raise ValueMismatchError(
            f"{name} is an unknown function and {what}; give a callable of torch tensors, {name}=torch.sin"
        )
    return value


def _kind(tensors: Mapping[str, Any]) -> list[Any]:
    import torch

    for value in tensors.values():
        return [value.dtype, value.device]
    return [torch.get_default_dtype(), torch.get_default_device()]


def _names(variables: tuple[Variable, ...]) -> str:
    return ", ".join(v.name for v in variables) or "no variables"
