"""The numeric value of expectations: the integrand at the atoms of the law, independent of calculus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorgrad.errors import BudgetError, UnsupportedError
from tensorgrad.numeric.batch import batched
from tensorgrad.numeric.quadrature import Atoms, any_law, around, divided, independent, normal
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Derivative, Expectation, Product, Rename, Scalar, Sum, Tensor, Variable, postorder

Array = Any
Values = Mapping[str, Any]
Evaluate = Callable[[Tensor, Values], Array]

_POINT = "point__"
"""The edge that counts the atoms."""

_PRECISION = 1e-8
"""Two grids must agree so far, relative to the mean of the integrand's absolute value, for a value to count."""

_JUMPING = frozenset(["abs", "relu", "max", "sign", "step"])


def expectation(
    t: Expectation, values: Values, shape: tuple[int, ...], evaluate: Evaluate, symmetrise: bool = False
) -> Array:
    """The value of `t`, axes in the order of its edges; NaN where the law is none. `shape` is that of the variable.

    A covariance that is not symmetric is none, unless it is to be symmetrised: for differences in one of its entries.
    """
    for law in _laws(t, values, shape, evaluate, symmetrise):
        atoms = law(False)
        if atoms is None:
            return np.full(_shape(t, values, evaluate), np.nan)
        found, scale = _summed(t, atoms, values, evaluate)
        coarse = law(True)
        if coarse is None or coarse[1].size == atoms[1].size or not np.isfinite(found).all():
            return found
        check, _ = _summed(t, coarse, values, evaluate)
        # Relative to the mean of |integrand|: a peak that both grids miss leaves nothing but its tails, which disagree.
        if np.abs(found - check).max(initial=0.0) <= _PRECISION * scale:
            return found
    raise BudgetError(f"quadrature over {t.variable.name} is not precise here: take a smaller covariance")


def _shape(t: Expectation, values: Values, evaluate: Evaluate) -> list[int]:
    sizes = [n for a in t.args for n in np.shape(evaluate(a, values))]
    if t.kind == "Cov":
        known = dict(zip((e for a in t.args for e in a.edges), sizes, strict=True))
        return [known[e] for e in t.edges]
    return sizes if len(t.edges) == len(sizes) else sizes * 2


def _summed(t: Expectation, atoms: Atoms, values: Values, evaluate: Evaluate) -> tuple[Array, float]:
    """The value, and the size of what was added up."""
    factors = t.args if t.kind != "Var" else (t.args[0], t.args[0])
    columns = [_at_points(f, t.variable, atoms[0], values, evaluate) for f in factors]
    if t.kind == "E":
        scale = np.tensordot(atoms[1], np.abs(columns[0]), axes=1)
        found = _moved(np.tensordot(atoms[1], columns[0], axes=1), t.args[0].edges, t.edges)
    else:
        scale = np.asarray([np.tensordot(atoms[1], c**2, axes=1).max(initial=0.0) for c in columns])
        found = _covariance(t, factors, columns, atoms[1])
    return found, float(scale.max(initial=0.0))


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


def _laws(
    t: Expectation, values: Values, shape: tuple[int, ...], evaluate: Evaluate, symmetrise: bool
) -> list[Callable[[bool], Atoms | None]]:
    """The points of the law, fewer where it is asked to be coarse: one way after the other, each more precise."""
    name = t.variable.name
    if t.law is None:
        centre = np.asarray(values.get(_centre(name), values[name]), dtype=np.float64)
        return [lambda _: around(centre, name)]
    first, second = (np.asarray(evaluate(p, values), dtype=np.float64) for p in t.law.parameters)
    if t.law.kind == "iid":
        return [lambda _: independent(first, second, shape, name)]
    if symmetrise:
        half = len(shape)
        second = (second + second.transpose([*range(half, 2 * half), *range(half)])) / 2
    if t.law.kind == "law":
        return [lambda _: any_law(first, second, name)]
    kinks = _kinks(t, values, evaluate)
    if kinks is not None:
        return [lambda coarse: divided(first, second, kinks, coarse)]
    degrees = [degree(a, name) for a in t.args]
    known = [d for d in degrees if d is not None]
    total = None if len(known) < len(degrees) else max(sum(known), 2 * max(known)) if t.kind != "E" else known[0]
    ways: list[Callable[[bool], Atoms | None]] = [lambda coarse: normal(first, second, total, coarse)]
    dear = any(isinstance(n, Derivative | Expectation) for a in t.args for n in postorder(a))
    if total is None and first.size <= 2 and not dear:
        ways.append(lambda coarse: divided(first, second, None, coarse))
    return ways


def _kinks(t: Expectation, values: Values, evaluate: Evaluate) -> Callable[[Array], Array] | None:
    """The functions of the variable at whose zeros the integrand has a kink or a jump, as values at points.

    UnsupportedError where one of them is not affine.
    """
    name = t.variable.name
    found: list[tuple[Tensor, tuple[str, ...]]] = []
    for node in (n for a in t.args for n in postorder(a)):
        if not (isinstance(node, Apply) and node.function.known and node.function.name in _JUMPING):
            continue
        argument = node.args[0]
        if degree(argument, name) == 0:
            continue
        if degree(argument, name) != 1:
            raise UnsupportedError(f"quadrature with a kink or jump ({node.function}) of what is not affine in {name}")
        found.append((argument, tuple(e for group in node.acted[0] for e in group)))

    def at(points: Array) -> Array:
        columns: list[Array] = []
        for argument, acted in found:
            value = _at_points(argument, t.variable, points, values, evaluate)
            columns.append(_differences(value, argument.edges.index(acted[0])) if acted else value)
        return np.concatenate([c.reshape(len(points), -1) for c in columns], axis=1)

    return at if found else None


def _differences(value: Array, axis: int) -> Array:
    """All differences of two entries along an axis (that of points not counted)."""
    moved = np.moveaxis(value, axis + 1, -1)
    first, second = np.triu_indices(moved.shape[-1], 1)
    return moved[..., first] - moved[..., second]


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
