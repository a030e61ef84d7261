"""The numeric value of expectations: the integrand at the atoms of the law, independent of calculus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorgrad.errors import BudgetError, UnsupportedError
from tensorgrad.numeric.batch import batched
from tensorgrad.numeric.quadrature import Atoms, any_law, around, independent, normal
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Derivative, Expectation, Product, Rename, Scalar, Sum, Tensor, Variable, postorder

Array = Any
Values = Mapping[str, Any]
Evaluate = Callable[[Tensor, Values], Array]

_POINT = "point__"
"""The edge that counts the atoms."""

_PRECISION = 1e-8
"""Two grids must agree so far, relative to the largest entry, for a value to count."""

_JUMPING = frozenset(["abs", "relu", "max", "sign", "step"])


def expectation(
    t: Expectation, values: Values, shape: tuple[int, ...], evaluate: Evaluate, symmetrise: bool = False
) -> Array:
    """The value of `t`, axes in the order of its edges; NaN where the law is none. `shape` is that of the variable.

    A covariance that is not symmetric is none, unless it is to be symmetrised: for differences in one of its entries.
    """
    rules = [_atoms(t, values, shape, evaluate, symmetrise, coarse) for coarse in (False, True)]
    if rules[0] is None:
        return np.full(_shape(t, values, evaluate), np.nan)
    found = _summed(t, rules[0], values, evaluate)
    if rules[1] is not None and rules[1][1].size != rules[0][1].size:
        check = _summed(t, rules[1], values, evaluate)
        scale = max(1e-3, float(np.abs(found).max(initial=0.0)))
        if np.isfinite(found).all() and not np.abs(found - check).max(initial=0.0) < _PRECISION * scale:
            raise BudgetError(f"quadrature over {t.variable.name} is not precise here: take a smaller covariance")
    return found


def _shape(t: Expectation, values: Values, evaluate: Evaluate) -> list[int]:
    sizes = [n for a in t.args for n in np.shape(evaluate(a, values))]
    if t.kind == "Cov":
        known = dict(zip((e for a in t.args for e in a.edges), sizes, strict=True))
        return [known[e] for e in t.edges]
    return sizes if len(t.edges) == len(sizes) else sizes * 2


def _summed(t: Expectation, atoms: Atoms, values: Values, evaluate: Evaluate) -> Array:
    factors = t.args if t.kind != "Var" else (t.args[0], t.args[0])
    columns = [_at_points(f, t.variable, atoms[0], values, evaluate) for f in factors]
    if t.kind == "E":
        return _moved(np.tensordot(atoms[1], columns[0], axes=1), t.args[0].edges, t.edges)
    return _covariance(t, factors, columns, atoms[1])


def _covariance(t: Expectation, factors: tuple[Tensor, ...], columns: list[Array], weights: Array) -> Array:
    names = [f.edges for f in factors]
    if t.kind == "Var" and len(t.edges) == 2 * factors[0].order:
        copies = dict(zip(t.edges[: factors[0].order], t.edges[factors[0].order :], strict=True))
        names[1] = tuple(copies[e] for e in factors[1].edges)
    label = {e: k + 1 for k, e in enumerate(dict.fromkeys((*names[0], *names[1])))}
    axes = [[label[e] for e in own] for own in names]
    output = [label[e] for e in t.edges]
    centred = [c - np.tensordot(weights, c, axes=1) for c in columns]
    return np.einsum(weights, [0], centred[0], [0, *axes[0]], centred[1], [0, *axes[1]], output)


def _at_points(t: Tensor, x: Variable, points: Array, values: Values, evaluate: Evaluate) -> Array:
    """The values of `t` at the points: the first axis counts them."""
    name = f"{x.name}__points"
    many = batched(t, x.name, name, _POINT, Poly.constant(len(points)))
    if many is None:
        centre = {_centre(x.name): values.get(_centre(x.name), values.get(x.name))}
        return np.stack([evaluate(t, {**values, **centre, x.name: p}) for p in points])
    return _moved(evaluate(many, {**values, name: points}), many.edges, (_POINT, *t.edges))


def _centre(name: str) -> str:
    """Where the value that a law is around is kept while the variable itself is at one of its points."""
    return f"{name}__centre"


def _moved(array: Array, names: tuple[str, ...], order: tuple[str, ...]) -> Array:
    return array if names == order else array.transpose([names.index(e) for e in order])


def _atoms(
    t: Expectation, values: Values, shape: tuple[int, ...], evaluate: Evaluate, symmetrise: bool, coarse: bool
) -> Atoms | None:
    name = t.variable.name
    if t.law is None:
        return around(np.asarray(values.get(_centre(name), values[name]), dtype=np.float64), name)
    first, second = (np.asarray(evaluate(p, values), dtype=np.float64) for p in t.law.parameters)
    if t.law.kind == "iid":
        return independent(first, second, shape, name)
    if symmetrise:
        half = len(shape)
        second = (second + second.transpose([*range(half, 2 * half), *range(half)])) / 2
    if t.law.kind == "law":
        return any_law(first, second, name)
    degrees = [degree(a, name) for a in t.args]
    known = [d for d in degrees if d is not None]
    total = None if len(known) < len(degrees) else max(sum(known), 2 * max(known)) if t.kind != "E" else known[0]
    if total is None and any(
        isinstance(n, Apply) and n.function.name in _JUMPING for a in t.args for n in postorder(a)
    ):
        raise UnsupportedError("quadrature of an integrand with kinks or jumps (abs, relu, max, sign, step)")
    return normal(first, second, total, coarse)


def degree(t: Tensor, name: str) -> int | None:
    """A bound for the degree of `t` as a polynomial in the entries of the variable; None if it may be none."""
    done: dict[int, int | None] = {}
    for node in postorder(t):
        done[id(node)] = _degree(node, [done[id(c)] for c in node.children], name)
    return done[id(t)]


def _degree(node: Tensor, below: list[int | None], name: str) -> int | None:
    known = [d for d in below if d is not None]
    match node:
        case Variable():
            return int(node.name == name)
        case Expectation():
            law = below[len(node.args) + 1 :]
            if any(d != 0 for d in law):
                return None
            return 0 if node.variable.name == name else _product_degree(below[: len(node.args)], node.kind == "Var")
        case _ if len(known) < len(below):
            return None
        case Product():
            return sum(known)
        case Derivative():
            return known[0]
        case Apply() if max(known, default=0) > 0:
            exponent = node.args[-1]
            natural = node.function.name == "pow" and isinstance(exponent, Scalar) and exponent.value.is_constant
            if not natural or exponent.value.number.denominator != 1 or exponent.value.number < 0:  # type: ignore[union-attr]
                return None
            return known[0] * int(exponent.value.number)  # type: ignore[union-attr]
        case Sum() | Rename() | _:
            return max(known, default=0)


def _product_degree(degrees: list[int | None], twice: bool) -> int | None:
    known = [d for d in degrees if d is not None]
    return None if len(known) < len(degrees) else sum(known) * (2 if twice else 1)
