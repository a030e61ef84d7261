"""Values: `evaluate` a tensor, `compile` several into one step, on torch tensors of any float dtype and device."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from tensorgrad.calculus.laws import free_names
from tensorgrad.diagram import Store, check_variables, insert_all
from tensorgrad.errors import InputError, SizeError, ValueMismatchError
from tensorgrad.runtime.compiled import Compiled, Options, Written, compiled
from tensorgrad.runtime.planning import Plan, all_sizes, size_symbols, without_derivatives
from tensorgrad.runtime.slices import entries_of
from tensorgrad.runtime.values import (
    check_facts,
    check_finite,
    check_names,
    check_symmetric,
    read_sizes,
    require_covariances,
    to_torch,
)
from tensorgrad.tensor import Apply, Tensor, Variable, tensor, walk

if TYPE_CHECKING:
    import torch

    from tensorgrad.runtime.torch_source import Source

Values = Mapping["str | Variable", Any]
"""By name or Variable: tensors (or arrays, numbers); by name: callables for unknown functions."""


class Step:
    """A compiled program: `step(X=..., W=...)` or `step({X: ...})` gives a named tuple of torch tensors.

    `source` is the plain PyTorch source it runs, `plan` what that costs. Without `dims` the order of contraction is
    chosen again for the sizes of the values whenever these are new; source and plan then show the latest.

    >>> import torch
    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> step = Step({"y": A @ x})
    >>> step(A=torch.eye(2), x=torch.tensor([3.0, 5.0])).y
    tensor([3., 5.])
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        dims: Mapping[str, int] | None = None,
        rules: tuple[str, ...] = (),
        options: Options = Options(),  # noqa: B008  (immutable)
        memory_limit: Any = None,
        finite: bool = False,
        facts: bool = False,
    ) -> None:
        if not tensors:
            raise ValueMismatchError("nothing to compile: name a tensor, compile(loss=t)")
        for name in tensors:
            if not name.isidentifier() or iskeyword(name) or name.startswith("_"):
                raise InputError(f"an output cannot be called {name!r}: its name is a Python name, without _ in front")
        tensors = {name: _checked(name, t) for name, t in tensors.items()}
        check_variables(tensors.values())
        store = Store()
        expanded = {name: without_derivatives(t) for name, t in tensors.items()}
        self._tensors = list(expanded.values())
        outputs = dict(zip(expanded, insert_all(store, expanded.values()), strict=True))
        found = {v.name: v for t in tensors.values() for v in t.variables}
        found |= {v.name: v for t in self._tensors for v in t.variables if v.name not in found}
        free = frozenset[str]().union(*(free_names(t) for t in (*tensors.values(), *self._tensors)))
        self.variables: tuple[Variable, ...] = tuple(v for v in found.values() if v.name in free)
        self.functions: tuple[str, ...] = _unknown_functions(self._tensors)
        self._written = Written(store, outputs, self.variables, self.functions, tuple(tensors.items()), rules)
        self._structure = self._written.structure()
        self._options = options
        self._memory_limit = memory_limit
        self._finite = finite
        self._facts = facts
        self._symbols = size_symbols(self._tensors)
        _checked_sizes(size_symbols([*self._tensors, *tensors.values(), *self.variables]), dims)
        self._fixed = dims is not None
        self._compiled: dict[tuple[int, ...], Compiled] = {}
        self._names = tuple(found)
        self._plain = not (self.functions or options.constant or finite or facts)
        self._ready: dict[Hashable, tuple[Compiled, dict[str, int]]] = {}
        """Kinds of tensors that were looked at once: what runs for them, and their sizes."""
        self._constants: dict[str, Any] = {}
        self._held: tuple[Compiled, Sequence[Any]] | None = None
        self._result = namedtuple("Result", list(tensors))  # type: ignore[misc]
        for name in options.constant:
            if name not in found:
                raise ValueMismatchError(f"constant: {name} is none of the variables, {_names(self.variables)}")
        limit = self._limit()
        known = set(self._symbols) <= {str(s) for s in dims or {}}
        self._current = self._compile(all_sizes(self._tensors, dims), limit if known else 0)

    @property
    def source(self) -> str:
        """The program as Python source; what is computed of constants first, if there are any.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> print(Step({"y": A @ x}).source)
        import torch
        <BLANKLINE>
        <BLANKLINE>
        def step(A, x):
            y = A @ x                                                     # (n)
            return y,
        <BLANKLINE>
        """
        before = self._current.before
        if before is None:
            return self._current.source.text
        head, _, body = self._current.source.text.partition("\n\n\n")
        imports = {*before.text.partition("\n\n\n")[0].splitlines(), *head.splitlines()}
        return "\n".join([*sorted(imports, reverse=True), "", "", before.body, "", body])

    @property
    def plan(self) -> Plan:
        """What the program costs, step by step.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> Step({"y": A @ x}, {"n": 10, "m": 20}).plan.flops
        400
        """
        return self._current.plan

    def save(self, path: str | Path) -> None:
        """Write the program to a file that runs with torch alone: what it needs of tensorgrad is copied into it.

        The file has the function `step`, called with the parameters that `source` shows; with constants also
        `prepare`, whose results are the parameters c1, c2, ... of `step`.

        >>> import tempfile
        >>> x = Variable("x", i="n")
        >>> target = Path(tempfile.mkdtemp()) / "program.py"
        >>> Step({"y": x @ x}).save(target)
        >>> "def step(x):" in target.read_text(encoding="utf-8")
        True
        """
        from tensorgrad.runtime.standalone import standalone

        Path(path).write_text(standalone(self.source), encoding="utf-8")

    def _compile(self, sizes: Mapping[str, int], limit: int = 0) -> Compiled:
        key = (limit, *(sizes.get(s, 0) for s in self._symbols))
        found = self._compiled.get(key)
        if found is None:
            options = replace(self._options, limit=limit)
            found = self._compiled[key] = compiled(self._written, self._structure, sizes, options)
        return found

    def _limit(self, tensors: Mapping[str, Any] | None = None) -> int:
        """The memory limit in entries, those of the values or else of torch's default dtype; 0 without one."""
        if self._memory_limit is None:
            return 0
        import torch

        itemsize = max((t.element_size() for t in (tensors or {}).values()), default=torch.get_default_dtype().itemsize)
        return entries_of(self._memory_limit, itemsize)

    def __call__(self, values: Values | None = None, /, **named: Any) -> Any:
        """The outputs, a named tuple, for values by name or Variable.

        Raises ValueMismatchError for a value that is missing, of a name that is not there, or does not fit.
        """
        given = _by_name(values) | named
        kind = self._kind(given)
        ready = self._ready.get(kind) if kind is not None else None
        if ready is None:
            check_names(given, [*(v.name for v in self.variables), *self.functions])
            return self.run(given, {})
        self._current, sizes = ready
        check_symmetric(self._current.halves, given)
        return self._result(*self._execute(given, {}, sizes))

    def _kind(self, given: Mapping[str, Any]) -> Hashable:
        """The shapes, dtypes and devices of tensors for all variables; None for values that have to be looked at."""
        if not self._plain or len(given) != len(self.variables):
            return None
        import torch

        found: list[Any] = []
        for name in self._names:
            value = given.get(name)
            if type(value) is not torch.Tensor:
                return None
            found += (value.shape, value.dtype, value.device)
        return tuple(found)

    def prepare(self, values: Values | None = None, /, **named: Any) -> None:
        """Give the constants their values: later calls need the other variables only.

        >>> import torch
        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> step = compile(y=A @ x, constant=["A"])
        >>> step.prepare(A=torch.eye(2))
        >>> step(x=torch.tensor([3.0, 5.0])).y
        tensor([3., 5.])
        """
        given = _by_name(values) | named
        check_names(given, self._options.constant, "constant of this step")
        self._constants |= given
        self._held = None

    def run(self, given: Mapping[str, Any], dims: Mapping[str, int]) -> Any:
        """The outputs for values by name; `dims` are sizes that no value shows.

        >>> from tensorgrad import Delta
        >>> Step({"y": Delta("n")}).run({}, {"n": 3}).y
        tensor(3.)
        """
        functions = {f: _function(f, given) for f in self.functions}
        new = {name: given[name] for name in self._options.constant if name in given}
        if new:
            self._constants |= new
            self._held = None
        tensors = to_torch(self.variables, {**given, **self._constants})
        sizes = read_sizes(self.variables, tensors, dims)
        missing = [s for s in self._symbols if s not in sizes]
        if missing:
            raise ValueMismatchError(
                f"the size {missing[0]} cannot be read off the values of {_names(self.variables)}; "
                f"give it, dims={{{missing[0]!r}: 3}}"
            )
        if self._finite:
            check_finite(self.variables, tensors)
        if self._facts:
            check_facts(self.variables, tensors)
        limit = self._limit(tensors)
        if limit or not self._fixed:
            self._current = self._compile(sizes, limit)
        # Constants are looked at when they are new, not in every call.
        held = self._options.constant if self._held is not None else ()
        check_symmetric([name for name in self._current.halves if name not in held], tensors)
        kind = self._kind(given) if not dims else None
        if kind is not None and all(tensors[name] is given[name] for name in self._names):
            self._ready[kind] = (self._current, sizes)
        return self._result(*self._execute(tensors, functions, sizes))

    def _execute(
        self, tensors: Mapping[str, Any], functions: Mapping[str, Any], sizes: Mapping[str, int]
    ) -> Sequence[Any]:
        now = self._current
        try:
            if now.before is None or now.prepare is None:
                return now.function(*_arguments(now.source, tensors, functions, sizes))
            if self._held is None or self._held[0] is not now:
                self._held = (now, now.prepare(*_arguments(now.before, tensors, {}, sizes)))
            held = dict(zip(now.before.program.outputs, self._held[1], strict=True))
            return now.function(*_arguments(now.source, {**tensors, **held}, functions, sizes))
        except RuntimeError as error:  # LinAlgError, which torch does not export
            factored = "linalg.cholesky: " in str(error)
            if "singular" in str(error) or (factored and not self._current.halves):
                nearly = ", or so nearly that it has no Cholesky factor" if factored else ""
                raise ValueMismatchError(
                    f"a matrix that is inverted is singular{nearly}, with these values: that of {self._inverses()}"
                ) from error
            if not factored:
                raise
            raise ValueMismatchError(
                "a matrix that is positive definite by what is declared of "
                f"{', '.join(self._current.halves)} is not, or one that is inverted ({self._inverses()}) is singular, with "
                f"these values: {error}"
            ) from None
        except ZeroDivisionError:
            empty = ", ".join(f"{s} = 0" for s, n in sizes.items() if not n)
            raise ValueMismatchError(f"the expression divides by a size that is 0 here ({empty})") from None

    def _inverses(self) -> str:
        nodes = (n for t in self._tensors for n in walk(t) if isinstance(n, Apply) and n.function.name == "inv")
        return " or ".join(dict.fromkeys(map(str, nodes))) or "the expression"

    def __repr__(self) -> str:
        return f"<Step {', '.join(self._written.outputs)} of {_names(self.variables)}>"


def _arguments(
    source: Source, tensors: Mapping[str, Any], functions: Mapping[str, Any], sizes: Mapping[str, int]
) -> list[Any]:
    arguments: list[Any] = [tensors[v.name] for _, v in source.variables]
    arguments += [functions[f] for _, f in source.functions]
    arguments += [sizes[s] for _, s in source.symbols]
    if source.needs_kind:
        arguments += _kind(tensors)
    return arguments


def compile(  # noqa: A001  (the word of torch.compile and jax)
    dims: Mapping[str, int] | None = None,
    /,
    *,
    constant: Sequence[str | Variable] = (),
    torch_compile: bool | str = False,
    optimizer: str = "auto",
    memory_limit: Any = None,
    check_finite: bool = False,
    check_facts: bool = False,
    **tensors: Tensor,
) -> Step:
    """Plan tensors together and write them as one PyTorch program: `compile(loss=t, grad=t.grad(W))`.

    Args: `dims` (by symbol), the sizes that the order of contraction is best for, otherwise those of the values;
    `constant`, variables whose values stay: what depends on them alone is computed once, when they are given, in a call
    or by `step.prepare(X=...)`, and later calls need only the others; `torch_compile`, to run the program as one graph of
    torch.compile (or the name of a backend); `optimizer`, "auto" or "cotengra" for large contractions; `memory_limit`,
    entries or a text ("2 GB") for intermediates and outputs, as the plan counts them (what torch needs inside one call
    comes besides): what would need more is computed in loops over parts of an edge, which `step.source` shows and
    `step.plan.slices` tells, for the sizes of the values, and refused before anything runs where that does not help;
    `check_finite`, to refuse values with NaN; `check_facts`, to refuse values without the facts that variables declare.
    Facts are taken at their word otherwise, but for one: a matrix of which Cholesky reads one half must be symmetric,
    which is always looked at. An output that is a variable, or a view of one (its transpose), shares its memory, as in
    torch.

    >>> import torch
    >>> X, w = Variable("X", i="n", j="m"), Variable("w", j="m")
    >>> step = compile(gram=X @ (X @ w), constant=["X"])
    >>> step.prepare(X=torch.ones(100, 2))
    >>> step(w=torch.ones(2)).gram
    tensor([200., 200.])
    """
    if optimizer not in ("auto", "cotengra"):
        raise InputError(f"optimizer={optimizer!r}: expected 'auto' or 'cotengra'")
    backend = "inductor" if torch_compile is True else torch_compile or ""
    names = tuple(v if isinstance(v, str) else v.name for v in ([constant] if isinstance(constant, str) else constant))
    return Step(tensors, dims, (), Options(names, optimizer, backend), memory_limit, check_finite, check_facts)


def compile_to_callable(*tensors: Tensor) -> Callable[..., Any]:
    """A function of the variables' values (by name or Variable, or as keywords): one tensor, or one for each given.

    >>> import torch
    >>> x = Variable("x", i="n")
    >>> compile_to_callable(x @ x, x * 2)(x=torch.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    step = Step({f"y{k}": t for k, t in enumerate(tensors)})

    def run(values: Values | None = None, /, **named: Any) -> Any:
        """The outputs for these values."""
        outputs = step(values, **named)
        return outputs[0] if len(tensors) == 1 else tuple(outputs)

    return run


@overload
def evaluate(t: Tensor, values: Values, dims: Mapping[str, int] | None = None) -> torch.Tensor: ...


@overload
def evaluate(
    t: Sequence[Tensor], values: Values, dims: Mapping[str, int] | None = None
) -> tuple[torch.Tensor, ...]: ...


@overload
def evaluate(
    t: Mapping[str, Tensor], values: Values, dims: Mapping[str, int] | None = None
) -> dict[str, torch.Tensor]: ...


def evaluate(
    t: Tensor | Sequence[Tensor] | Mapping[str, Tensor], values: Values, dims: Mapping[str, int] | None = None
) -> torch.Tensor | tuple[torch.Tensor, ...] | dict[str, torch.Tensor]:
    """The value of a tensor, axes in the order of `t.edges`; of several, a tuple, or by the names they are given with.

    Diagrams that are equal up to the order of their axes are computed once, across all of them.
    `values` are torch tensors (arrays, numbers) by name or Variable, axes in declared order, and callables for unknown
    functions; integer sizes are read off them, `dims` gives those that no value shows.
    Raises ValueMismatchError for a missing value, sizes that conflict (the message names both), and a value that is the
    covariance of an expectation's law and not symmetric.

    >>> import torch
    >>> x = Variable("x", i="n")
    >>> evaluate(x @ x, {"x": torch.tensor([1.0, 2.0])})
    tensor(5.)
    >>> evaluate({"loss": x @ x, "grad": 2 * x}, {"x": torch.tensor([1.0, 2.0])})
    {'loss': tensor(5.), 'grad': tensor([2., 4.])}
    """
    tensors = [t] if isinstance(t, Tensor) else list(t.values() if isinstance(t, Mapping) else t)
    given = _by_name(values)
    outputs = {f"value{k}": one for k, one in enumerate(tensors)}
    for name, one in outputs.items():
        require_covariances(_checked(name, one), given)
    sizes = {str(s): n for s, n in (dims or {}).items()}
    found: list[torch.Tensor] = [*Step(outputs).run(given, sizes)] if outputs else []
    if isinstance(t, Tensor):
        return found[0]
    return dict(zip(t, found, strict=True)) if isinstance(t, Mapping) else tuple(found)


def _by_name(values: Values | None) -> dict[str, Any]:
    if values is not None and not isinstance(values, Mapping):  # type: ignore[reportUnnecessaryIsInstance]
        raise ValueMismatchError(
            f"values are given by name, step(X=...) or {{'X': ...}}, not as a {type(values).__name__}"
        )
    return {k if isinstance(k, str) else k.name: v for k, v in (values or {}).items()}


def _checked(name: str, t: Any) -> Tensor:
    """The tensor that is to be computed; numbers are taken as such."""
    if isinstance(t, Tensor):
        return t
    if isinstance(t, int | float | Fraction) and not isinstance(t, bool):
        return tensor(t)
    hint = f"; read it, tg.parse({t!r}, let=...)" if isinstance(t, str) else ""
    raise InputError(f"{name} is a {type(t).__name__}, not a tensor{hint}")


def _checked_sizes(symbols: Sequence[str], dims: Mapping[str, int] | None) -> None:
    """One dictionary of sizes may serve several steps; a name that is none of them is wrong where one is missing."""
    given = {str(symbol): n for symbol, n in (dims or {}).items()}
    unknown, missing = [s for s in given if s not in symbols], [s for s in symbols if s not in given]
    if unknown and missing:
        raise SizeError(
            f"dims: {unknown[0]} is no size of the tensors, and {missing[0]} has none; give {missing[0]}=1000"
        )
    for symbol, n in given.items():
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:  # type: ignore[reportUnnecessaryIsInstance]
            raise SizeError(f"dims: {symbol}={n!r} is not a size: sizes are integers from 0 on")


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
