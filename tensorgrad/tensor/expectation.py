"""Expectations, variances and covariances as expressions, and the laws they are taken over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.sizes import Poly
from tensorgrad.tensor.arithmetic import align, broadcast, power, tensor
from tensorgrad.tensor.base import Tensor, TensorLike
from tensorgrad.tensor.edges import check_same_sizes, names_of
from tensorgrad.tensor.nodes import Delta, Product, Scalar, Zero
from tensorgrad.tensor.variable import Variable


@dataclass(frozen=True, slots=True)
class Law:
    """The law of a random variable: kind "N", "law" or "iid" and its two parameters (`N(mu, Sigma)`)."""

    kind: str
    parameters: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Expectation(Tensor):
    """`E[x](y)` (one argument), `Var[x](y)`, `Cov[x](y, z)`; `law` is None when x may have any law.

    `edges` are those of the arguments in order; for Var of a vector or matrix written by position they are two copies.
    `Expectation(t, x, mu, covar, covar_names)` is E of t over a normal x: mean `mu` with the edges of x (default zero),
    covariance `covar` (default identity) with the edges of x and once more as many, the second copies: `covar_names`
    says how it calls them, by edge of x; without it they are its other edges, in order.

    >>> x = Variable("x", i="n")
    >>> Expectation(x @ x, x) == Delta("n")
    True
    """

    kind: Literal["E", "Var", "Cov"]
    args: tuple[Tensor, ...]
    variable: Variable
    law: Law | None
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __init__(
        self,
        t: TensorLike,
        x: Variable,
        mu: TensorLike | None = None,
        covar: Tensor | None = None,
        covar_names: Mapping[str, str] | None = None,
    ) -> None:
        y = tensor(t)
        if not isinstance(x, Variable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EdgeError("an expectation is over a Variable; substitute one for the expression first")
        mean, covariance = _mean(x, mu), _covariance(x, covar, covar_names)
        self._set("E", (y,), x, Law("N", (mean, covariance)), y.edges, y.dims)

    @classmethod
    def of(
        cls,
        kind: Literal["E", "Var", "Cov"],
        args: tuple[Tensor, ...],
        variable: Variable,
        law: Law | None,
        edges: tuple[str, ...],
        dims: tuple[Poly, ...],
    ) -> Expectation:
        """The node with these fields; a law of None leaves the law open.

        >>> x = Variable("x", i="n")
        >>> print(Expectation.of("E", (x,), x, None, x.edges, x.dims))
        E[x](x)
        """
        node = object.__new__(cls)
        node._set(kind, args, variable, law, edges, dims)
        return node

    @classmethod
    def gaussian(cls, t: TensorLike, x: Variable, mu: TensorLike | None = None, std: TensorLike = 1) -> Expectation:
        """E of t where the entries of x are independent and normal: means `mu` (a number: of all), deviation `std`.

        >>> x = Variable("x", i="n")
        >>> print(Expectation.gaussian(x @ x, x, mu=1, std=2).simplify())
        5*n
        """
        deviation = tensor(std)
        for edge in deviation.edges:
            if edge not in x.edges:
                raise EdgeError(f"the deviation of {x.name} has an edge {edge!r}, {x.name} has {names_of(x.edges)}")
        mean = None if mu is None else broadcast(tensor(mu), x.sizes)
        names = _second(x.edges)
        scale = power(deviation, 2)
        return cls(t, x, mean, Product((scale, *_identity(x, names)), (*x.edges, *names)))

    def _set(self, *fields: Any) -> None:
        for name, value in zip(("kind", "args", "variable", "law", "edges", "dims"), fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (*self.args, self.variable, *(self.law.parameters if self.law else ()))


def _second(edges: Sequence[str]) -> tuple[str, ...]:
    """Names for the second copies of edges: primed with `_` until free."""
    found: list[str] = []
    for edge in edges:
        while edge in edges or edge in found:
            edge += "_"
        found.append(edge)
    return tuple(found)


def _identity(x: Variable, names: Sequence[str]) -> list[Tensor]:
    return [Delta(dim, edge, name) for (edge, dim), name in zip(x.sizes.items(), names, strict=True)]


def _mean(x: Variable, mu: TensorLike | None) -> Tensor:
    if mu is None:
        return Zero(edges=x.sizes) if x.order else Scalar(0)
    mean = tensor(mu)
    if set(mean.edges) != set(x.edges):
        raise EdgeError(
            f"the mean of {x.name} has the edges {names_of(mean.edges)}, {x.name} has {names_of(x.edges)}; rename them"
        )
    check_same_sizes(x, mean, f"the mean of {x.name}")
    return align(mean, x.edges)


def _covariance(x: Variable, covar: Tensor | None, covar_names: Mapping[str, str] | None) -> Tensor:
    if covar is None:
        names = _second(x.edges)
        return Product(_identity(x, names), (*x.edges, *names)) if x.order else Scalar(1)
    covar = tensor(covar)
    missing = [e for e in x.edges if e not in covar.edges]
    if missing or covar.order != 2 * x.order:
        raise EdgeError(
            f"the covariance of {x.name} needs the edges {names_of(x.edges)} and a second copy of each, "
            f"{2 * x.order} in all; found {names_of(covar.edges)}: rename them"
        )
    if covar_names is None:
        covar_names = dict(zip(x.edges, (e for e in covar.edges if e not in x.edges), strict=True))
    unknown = [e for e in x.edges if covar_names.get(e) not in covar.edges or covar_names[e] in x.edges]
    names = tuple(covar_names.get(e, "") for e in x.edges)
    if unknown or len(set(names)) < len(names):
        raise EdgeError(
            f"covar_names must give, for each edge of {x.name}, an edge of the covariance "
            f"({names_of([e for e in covar.edges if e not in x.edges])}); found {dict(covar_names)}"
        )
    for edge, name in zip(x.edges, names, strict=True):
        for e in (edge, name):
            if covar.sizes[e] is not x.sizes[edge]:
                raise SizeError(
                    f"the covariance of {x.name} has size {covar.sizes[e]} on its edge {e!r}, "
                    f"{x.name} has {x.sizes[edge]} on {edge!r}"
                )
    return align(covar, (*x.edges, *names))
