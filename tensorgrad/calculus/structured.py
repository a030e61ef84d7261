"""Gradients along the structure of a variable: entries that its facts tie together move together (Cookbook 2.8).

The gradient in independent entries, G, becomes at each entry the sum of G over the entries tied to it, each once, with
the sign it moves with: G + G.T - I * G for a symmetric matrix, I * G for a diagonal one.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tensorgrad.errors import FactError, UnsupportedError
from tensorgrad.notation.facts import exchanged
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Convolution, Delta, Fact, Product, Sum, Tensor, Variable, renamed

_OPEN = frozenset(["positive", "nonnegative", "nonzero", "invertible"])
"""Facts that tie no entries: what is near has them too (nonnegative: as far as the domain goes)."""

STRUCTURES = ("symmetric", "skew", "diagonal", "upper", "lower", "toeplitz")


def along_structure(gradient: Tensor, variable: Variable, names: Sequence[str], facts: Sequence[Fact]) -> Tensor:
    """The gradient (its last edges are `names`) in the free parameters of a variable with these facts.

    Raises UnsupportedError for facts that are no linear structure (orthogonal, unit, ...), FactError for `toeplitz` of
    what is no matrix.
    """
    kinds = {fact.name for fact in facts if not fact.axes}
    for fact in facts:
        if fact.name not in (*STRUCTURES, "antisymmetric", "pd", "psd", *_OPEN):
            raise UnsupportedError(
                f"the gradient along the structure of {variable.name}, which is {fact}: only "
                f"{', '.join(STRUCTURES)} tie entries linearly; substitute an expression in free parameters"
            )
    if kinds & {"diagonal", "upper", "lower", "toeplitz"} and variable.order != 2:
        raise FactError(f"{variable.name} has {variable.order} edges: only a matrix is {', '.join(sorted(kinds))}")
    if kinds & set(STRUCTURES) - {"toeplitz"} and (variable.order < 2 or not _square(variable)):
        raise FactError(
            f"{variable.name} ({', '.join(f'{e}={n}' for e, n in variable.sizes.items())}) cannot be "
            f"{', '.join(sorted(kinds & set(STRUCTURES)))}: only a square matrix can"
        )
    if "toeplitz" in kinds:
        gradient = _summed_along_diagonals(gradient, names)
    for left, right, sign in _exchanges(variable, facts):
        gradient = _exchanged(gradient, [names[a] for a in left], [names[a] for a in right], sign)
    if "diagonal" in kinds or {"upper", "lower"} <= kinds:
        gradient = _on_diagonal(gradient, names[:1], names[1:])
    for kind in ("upper", "lower"):
        if kind in kinds:
            gradient = _triangle(gradient, *(names if kind == "lower" else names[::-1]))
    return gradient


def _square(variable: Variable) -> bool:
    half = variable.order // 2
    return variable.order % 2 == 0 and variable.dims[:half] == variable.dims[half:]


def _exchanges(variable: Variable, facts: Sequence[Fact]) -> list[tuple[tuple[int, ...], tuple[int, ...], int]]:
    """The pairs of groups of axes that may be exchanged, with the sign; only exchanges that do not overlap."""
    half = variable.order // 2
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for fact in facts:
        if fact.name not in ("symmetric", "skew", "antisymmetric", "pd", "psd"):
            continue
        blocks = exchanged(fact) if fact.axes else (tuple(range(half)), tuple(range(half, 2 * half)))
        if len(blocks) != 2:
            raise UnsupportedError(f"the gradient along {fact}, an exchange of more than two groups of axes")
        found[blocks[0], blocks[1]] = -1 if fact.name in ("skew", "antisymmetric") else 1
    used = [a for pair in found for block in pair for a in block]
    if len(set(used)) < len(used):
        raise UnsupportedError(f"the gradient along several exchanges of the same axes of {variable.name}")
    return [(left, right, sign) for (left, right), sign in found.items()]


def _exchanged(gradient: Tensor, left: Sequence[str], right: Sequence[str], sign: int) -> Tensor:
    swap = {**dict(zip(left, right, strict=True)), **dict(zip(right, left, strict=True))}
    other = renamed(gradient, tuple(swap.get(e, e) for e in gradient.edges))
    if sign < 0:
        return Sum((gradient, other), (Fraction(1), Fraction(-1)))
    return Sum((gradient, other, _on_diagonal(gradient, left, right)), (Fraction(1), Fraction(1), Fraction(-1)))


def _on_diagonal(gradient: Tensor, left: Sequence[str], right: Sequence[str]) -> Tensor:
    deltas = [Delta(gradient.sizes[a], a, b) for a, b in zip(left, right, strict=True)]
    return Product((gradient, *deltas), gradient.edges)


def _triangle(gradient: Tensor, row: str, column: str) -> Tensor:
    """Entries with row >= column: those where row = column + k for some k."""
    rows, columns = gradient.sizes[row], gradient.sizes[column]
    (step,) = _fresh(gradient, 1)
    mask = Convolution((row, column, step), (rows, columns, rows))
    return Product((gradient, mask), gradient.edges)


def _summed_along_diagonals(gradient: Tensor, names: Sequence[str]) -> Tensor:
    """At (i, j) the sum over the (k, l) with k - l = i - j, that is k + j = i + l."""
    row, column = names
    rows, columns = gradient.sizes[row], gradient.sizes[column]
    k, l, total = _fresh(gradient, 3)  # noqa: E741  (the letters of the formula)
    size: Poly = rows + columns - 1
    inner = renamed(gradient, tuple({row: k, column: l}.get(e, e) for e in gradient.edges))
    left = Convolution((total, k, column), (size, rows, columns))
    right = Convolution((total, row, l), (size, rows, columns))
    return Product((inner, left, right), gradient.edges)


def _fresh(t: Tensor, count: int) -> list[str]:
    names: list[str] = []
    place = 0
    while len(names) < count:
        if f"_{place}" not in t.edges:
            names.append(f"_{place}")
        place += 1
    return names
