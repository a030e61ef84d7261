"""Random admissible instances: values for variables and unknown functions that satisfy every fact and condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tensorgrad.errors import SizeError, TensorgradError
from tensorgrad.function import Function
from tensorgrad.numeric.construct import FIXED, STYLES, draw
from tensorgrad.numeric.differences import Differences
from tensorgrad.numeric.facts import holds
from tensorgrad.numeric.solve import distinct, solve
from tensorgrad.numeric.unknown import smooth
from tensorgrad.tensor import Apply, Fact, Rename, Tensor, Variable, walk

Array = Any
Special = str | Mapping[str, str]


class SamplingError(TensorgradError):
    """No admissible instance was found: says which fact or condition was not met."""


class ConditionLike(Protocol):
    """What sampling reads of a `notation.Condition`."""

    @property
    def kind(self) -> str:
        """ "fact", "equation" or "law"."""
        ...

    @property
    def tensor(self) -> Tensor:
        """What the fact is of, or the left side of the equation."""
        ...

    @property
    def fact(self) -> Fact | None:
        """The fact, if it is one."""
        ...

    @property
    def right(self) -> Tensor | None:
        """The right side of an equation."""
        ...


_TRIES = 60


def names_of(tensors: Iterable[Tensor]) -> tuple[tuple[Variable, ...], tuple[tuple[Function, bool], ...]]:
    """The variables of the expressions and the unknown functions (and whether each takes a vector), in order."""
    variables: dict[str, Variable] = {}
    functions: dict[str, tuple[Function, bool]] = {}
    for t in tensors:
        for node in walk(t):
            if isinstance(node, Variable):
                variables.setdefault(node.name, node)
            elif isinstance(node, Apply) and not node.function.known:
                functions.setdefault(node.function.name, (node.function, bool(node.function.acts[0])))
    return tuple(variables.values()), tuple(functions.values())


def condition_tensors(conditions: Iterable[ConditionLike]) -> list[Tensor]:
    """The expressions that conditions speak of (laws aside)."""
    found: list[Tensor] = []
    for condition in conditions:
        if condition.kind != "law":
            found += [condition.tensor] if condition.right is None else [condition.tensor, condition.right]
    return found


def sample(
    variables: Iterable[Variable] | Mapping[str, Variable],
    functions: Iterable[Function] | Mapping[str, Function] = (),
    conditions: Sequence[ConditionLike] = (),
    dims: Mapping[str, int] | None = None,
    rng: np.random.Generator | None = None,
    special: Special = "generic",
) -> dict[str, Any]:
    """Values for all variables and functions that satisfy the declared facts and the conditions.

    `special` is a style of `construct.STYLES`, "mixed" (each variable a random one), or a style a variable.
    Facts of names hold by construction, facts of expressions by rejection, equations by solving.
    Raises SamplingError when none is found, naming what was not met.

    >>> A = Variable("A", i="n", j="n", facts=[Fact("symmetric")])
    >>> a = sample([A], dims={"n": 2}, rng=np.random.default_rng(0))["A"]
    >>> bool(a[0, 1] == a[1, 0])
    True
    """
    rng = np.random.default_rng(0) if rng is None else rng
    chosen = tuple(variables.values() if isinstance(variables, Mapping) else variables)
    unknown = tuple(functions.values() if isinstance(functions, Mapping) else functions)
    named, inner = names_of(condition_tensors(conditions))
    chosen += tuple(v for v in named if all(v.name != w.name for w in chosen))
    unknown += tuple(f for f, _ in inner if all(f.name != g.name for g in unknown))
    sampler = _Sampler(chosen, unknown, tuple(conditions), dict(dims or {}), rng)
    styles = special if isinstance(special, Mapping) else {v.name: special for v in chosen}
    tries = 2 if all(s in FIXED for s in styles.values()) and not unknown else _TRIES
    tries = min(tries, 6) if sampler.equations else tries
    for _ in range(tries):
        values = sampler.attempt(styles)
        if values is not None:
            return values
    raise SamplingError(
        f"cannot sample an instance with {sampler.failed} (sizes {_sizes(sampler.dims)}, {tries} tries)"
    )


def _sizes(dims: Mapping[str, int]) -> str:
    return ", ".join(f"{k} = {v}" for k, v in dims.items()) or "fixed"


class _Sampler:
    def __init__(
        self,
        variables: tuple[Variable, ...],
        functions: tuple[Function, ...],
        conditions: tuple[ConditionLike, ...],
        dims: dict[str, int],
        rng: np.random.Generator,
    ) -> None:
        self.functions, self.dims, self.rng = functions, dims, rng
        self.facts: dict[str, list[Fact]] = {v.name: list(v.facts) for v in variables}
        self.conditions = [c for c in conditions if c.kind == "fact" and not self.absorbed(c)]
        self.equations = [(c.tensor, c.right) for c in conditions if c.kind == "equation" and c.right is not None]
        self.variables = tuple(with_facts(v, self.facts[v.name]) for v in variables)
        self.shapes = {v.name: tuple(_size(d.evaluate(dims)) for d in v.dims) for v in variables}
        self.failed: object = "the facts"

    def absorbed(self, condition: ConditionLike) -> bool:
        """Whether the condition is a fact of a bare name, met by construction."""
        tensor = condition.tensor
        while isinstance(tensor, Rename):
            tensor = tensor.tensor
        if not isinstance(tensor, Variable) or condition.fact is None:
            return False
        self.facts[tensor.name].append(condition.fact)
        return True

    def attempt(self, styles: Mapping[str, str]) -> dict[str, Any] | None:
        values: dict[str, Any] = {f.name: smooth(self.rng, f) for f in self.functions}
        for variable in self.variables:
            value = draw(self.shapes[variable.name], variable.facts, self.style(styles, variable.name), self.rng)
            if value is None:
                self.failed = f"{variable.name} {' '.join(map(str, variable.facts))}"
                return None
            values[variable.name] = value
        if self.equations:
            solved = solve(self.equations, self.variables, values, self.dims)
            if solved is None:
                self.failed = "the equations among the conditions"
                return None
            values = solved
        return values if self.admissible(values) else None

    def style(self, styles: Mapping[str, str], name: str) -> str:
        style = styles.get(name, "generic")
        return str(self.rng.choice(list(STYLES))) if style == "mixed" else style

    def admissible(self, values: Mapping[str, Any]) -> bool:
        if self.equations:
            for variable in self.variables:
                if not all(holds(f, values[variable.name]) for f in variable.facts):
                    self.failed = f"{variable.name} {' '.join(map(str, variable.facts))} and the equations"
                    return False
        for condition in self.conditions:
            if condition.fact is not None and not satisfied(condition.fact, condition.tensor, values, self.dims):
                self.failed = condition
                return False
        return True


def satisfied(fact: Fact, t: Tensor, values: Mapping[str, Any], dims: Mapping[str, int]) -> bool:
    """Whether the value of an expression has a fact."""
    with np.errstate(over="ignore"):
        return holds(fact, Differences(values, dims).evaluate(t))


def admissible(
    variables: Iterable[Variable],
    conditions: Sequence[ConditionLike],
    values: Mapping[str, Any],
    dims: Mapping[str, int],
) -> bool:
    """Whether values satisfy every declared fact and every condition, laws aside."""
    for variable in variables:
        if not all(holds(f, values[variable.name]) for f in variable.facts):
            return False
    for condition in conditions:
        if condition.kind == "fact" and condition.fact is not None:
            if not satisfied(condition.fact, condition.tensor, values, dims):
                return False
        elif condition.kind == "equation" and condition.right is not None:
            oracle = Differences(values, dims)
            left, right = oracle.evaluate(condition.tensor), oracle.evaluate(condition.right)
            order = [condition.right.edges.index(e) for e in condition.tensor.edges]
            if not np.allclose(left, right.transpose(order), rtol=1e-10, atol=1e-10):
                return False
            names = {v.name for side in (condition.tensor, condition.right) for v in side.variables}
            if not distinct(np.asarray(values[name], float) for name in names):
                return False
    return True


def with_facts(variable: Variable, facts: Iterable[Fact]) -> Variable:
    """The variable with these facts instead of its own."""
    return Variable(variable.name, edges=dict(variable.sizes), facts=tuple(facts))


def _size(value: Any) -> int:
    if value.denominator != 1 or value <= 0:
        raise SizeError(f"the size {value} is not a positive integer")
    return int(value)
