"""A second meaning of expressions: torch, node by node; derivatives by torch.func, normal expectations by quadrature.

Shares nothing with the calculus: a Derivative node is a Jacobian of this interpreter, an Expectation a Gauss-Hermite
sum of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from math import pi, prod, sqrt
from typing import Any

import numpy as np
import torch

from tensorgrad.numeric import evaluate
from tensorgrad.tensor import (
    Apply,
    Derivative,
    Expectation,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Variable,
)

Value = Any
"""A float64 torch tensor, axes in the order of the expression's edges."""

NODES = 12
"""Points of quadrature a variable: exact for polynomials of degree 23."""

ELEMENTWISE = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "sin": torch.sin,
    "cos": torch.cos,
    "sigmoid": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "relu": torch.relu,
    "abs": torch.abs,
    "sign": torch.sign,
    "erf": torch.erf,
    "pow": torch.pow,
}

ALONG = {
    "softmax": lambda x: torch.softmax(x, -1),
    "log_softmax": lambda x: torch.log_softmax(x, -1),
    "logsumexp": lambda x: torch.logsumexp(x, -1),
    "max": lambda x: torch.amax(x, -1),
    "prod": lambda x: torch.prod(x, -1),
}

MATRIX = {
    "inv": torch.linalg.inv,
    "det": torch.linalg.det,
    "logdet": torch.logdet,
    "expm": torch.linalg.matrix_exp,
}


@dataclass(frozen=True)
class Oracle:
    """Values of variables by name, sizes by symbol."""

    values: Mapping[str, Value]
    dims: Mapping[str, int]

    def with_value(self, name: str, value: Value) -> Oracle:
        return Oracle({**self.values, name: value}, self.dims)

    def __call__(self, t: Tensor) -> Value:
        match t:
            case Variable():
                return self.values[t.name]
            case Scalar():
                return torch.tensor(float(t.value.evaluate(self.dims)), dtype=torch.float64)
            case Rename():
                return self(t.tensor)
            case Sum():
                return sum(
                    float(w) * _axes(self(part), part.edges, t.edges)
                    for part, w in zip(t.terms, t.weights, strict=True)
                )
            case Product():
                return self.product(t.factors, t.edges)
            case Apply():
                return self.application(t)
            case Derivative():
                return self.derivative(t)
            case Expectation():
                return self.expectation(t)
            case _:
                inner = evaluate(t, {}, self.dims)
                return torch.tensor(np.asarray(inner, dtype=np.float64))

    def product(self, factors: Sequence[Tensor], edges: Sequence[str]) -> Value:
        label: dict[str, int] = {}
        for e in (*edges, *(e for f in factors for e in f.edges)):
            label.setdefault(e, len(label))
        result, have = torch.ones((), dtype=torch.float64), []
        for k, f in enumerate(factors):
            later = {*edges, *(e for g in factors[k + 1 :] for e in g.edges)}
            keep = [e for e in dict.fromkeys((*have, *f.edges)) if e in later]
            result = torch.einsum(
                result, [label[e] for e in have], self(f), [label[e] for e in f.edges], [label[e] for e in keep]
            )
            have = keep
        return _axes(result, have, edges)

    def application(self, t: Apply) -> Value:
        name = t.function.name
        if name in ELEMENTWISE:
            batch = t.edges
            args = [_axes(_spread(self(a), a.edges, batch), _full(a.edges, batch), batch) for a in t.args]
            return ELEMENTWISE[name](*args)
        (arg,), (groups,) = t.args, t.acted
        bound = [e for group in groups for e in group]
        batch = [e for e in arg.edges if e not in bound]
        value = _axes(self(arg), arg.edges, [*batch, *bound])
        shape = value.shape[: len(batch)]
        lengths = [prod(value.shape[arg_axis] for arg_axis in _positions(batch, bound, group)) for group in groups]
        table = ALONG if name in ALONG else MATRIX
        found = table[name](value.reshape(*shape, *lengths))
        if not t.produced:
            return found
        return found.reshape([self._size(d) for d in t.dims])

    def _size(self, dim: Any) -> int:
        return int(dim.evaluate(self.dims))

    def derivative(self, t: Derivative) -> Value:
        x = t.variable
        return torch.func.jacrev(lambda value: self.with_value(x.name, value)(t.tensor))(self.values[x.name])

    def expectation(self, t: Expectation) -> Value:
        assert t.kind == "E" and t.law is not None and t.law.kind == "N"
        mean, covariance = (self(p) for p in t.law.parameters)
        x, (inside,) = t.variable, t.args
        shape = [self._size(d) for d in x.dims]
        count = prod(shape)
        mean = _axes(mean, t.law.parameters[0].edges, x.edges).reshape(count)
        root = torch.linalg.cholesky(covariance.reshape(count, count))
        points, weights = np.polynomial.hermite_e.hermegauss(NODES)
        total: Any = 0
        for choice in combinations(range(NODES), repeat=count):
            z = torch.tensor([points[k] for k in choice], dtype=torch.float64)
            weight = prod(weights[k] / sqrt(2 * pi) for k in choice)
            total = total + weight * self.with_value(x.name, (mean + root @ z).reshape(shape))(inside)
        return total


def _positions(batch: Sequence[str], bound: Sequence[str], group: Sequence[str]) -> list[int]:
    return [len(batch) + bound.index(e) for e in group]


def _axes(value: Value, have: Sequence[str], wanted: Sequence[str]) -> Value:
    return value.permute([list(have).index(e) for e in wanted])


def _full(edges: Sequence[str], batch: Sequence[str]) -> list[str]:
    return [*(e for e in batch if e not in edges), *edges]


def _spread(value: Value, edges: Sequence[str], batch: Sequence[str]) -> Value:
    return value.reshape([1] * sum(e not in edges for e in batch) + list(value.shape))
