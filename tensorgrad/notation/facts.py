"""Facts: their names, the tensors they are possible for, and their text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, product

from tensorgrad.errors import FactError
from tensorgrad.notation.source import near
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Fact

_SQUARE = "symmetric skew diagonal orthogonal invertible idempotent"
_ENTRYWISE = "positive nonnegative nonzero integer"
_VECTOR = "unit simplex onehot"
FACTS: frozenset[str] = frozenset(
    f"{_SQUARE} {_ENTRYWISE} {_VECTOR} upper lower orthonormal psd pd antisymmetric".split()
)
"""Every fact's name."""

_SIGNED = ("skew", "antisymmetric")
_PERMUTING = ("symmetric", "antisymmetric")
_CONTRADICTIONS = (
    ("skew", "positive", "the diagonal of a skew matrix is 0"),
    ("skew", "nonzero", "the diagonal of a skew matrix is 0"),
    ("skew", "pd", "x @ A @ x is 0 for a skew A"),
    ("skew", "diagonal", "only the zero matrix is both"),
    ("skew", "upper", "only the zero matrix is both"),
    ("skew", "lower", "only the zero matrix is both"),
    ("skew", "psd", "only the zero matrix is both"),
    ("skew", "nonnegative", "only the zero matrix is both"),
    ("skew", "idempotent", "only the zero matrix is both"),
    ("onehot", "positive", "a onehot vector has zeros"),
    ("onehot", "nonzero", "a onehot vector has zeros"),
    ("diagonal", "positive", "a diagonal matrix has zeros"),
    ("diagonal", "nonzero", "a diagonal matrix has zeros"),
    ("upper", "positive", "a triangular matrix has zeros"),
    ("lower", "positive", "a triangular matrix has zeros"),
)
_ITEM = re.compile(r"\s*([^\W\d]\w*)\s*(\(([^()]*)\))?")


def parse_facts(text: str, dims: Sequence[Poly], name: str) -> tuple[Fact, ...]:
    """Read facts, `symmetric pd` or `symmetric(0 2, 1 3)`, of a tensor `name` with these dims.

    Raises FactError for an unknown fact, one that no tensor of these dims has, and two that contradict each other.

    >>> n = Poly.symbol("n")
    >>> [str(f) for f in parse_facts("symmetric pd", (n, n), "A")]
    ['symmetric', 'pd']
    """
    found: list[Fact] = []
    at = 0
    while text[at:].strip():
        match = _ITEM.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            remedies = {",": ": facts are separated by spaces, as in symmetric pd", "(": ": this ( is never closed"}
            shown = f"{name}: expected a fact, found {text[start : start + 20].strip()!r}"
            raise FactError(shown + remedies.get(text[start], ""), (start, start + 1))
        span = (match.start(1), match.end())
        try:
            fact = Fact(match.group(1), parse_axes(match.group(3), match.group(1), name) if match.group(2) else ())
            check_fact(fact, dims, name)
        except FactError as error:
            raise FactError(str(error), span) from None
        if fact not in found:
            found.append(fact)
        at = match.end()
    _consistent(found, name)
    _consistent_sizes(found, dims, name)
    return tuple(found)


def parse_axes(text: str, fact: str, name: str) -> tuple[tuple[int, ...], ...]:
    """Read the axes `0 2, 1 3` of a fact of `name`; FactError for what is no list of axes."""
    groups = [group.split() for group in text.split(",")]
    if not all(group and all(axis.isdecimal() and len(axis) < 4 for axis in group) for group in groups):
        raise FactError(f"{name}: {fact}({text}) names no axes; write {fact}(0,1) or {fact}(0 2, 1 3)")
    return tuple(tuple(int(axis) for axis in group) for group in groups)


def _consistent(facts: Sequence[Fact], name: str) -> None:
    names = {f.name for f in facts if not f.axes}
    for one, other in product([f for f in facts if f.name in _PERMUTING], [f for f in facts if f.name in _SIGNED]):
        if one.name == "symmetric" and _swaps(one) & _swaps(other):
            raise FactError(f"{name} cannot be {one} and {other}: only zero is both")
    for one, other, why in _CONTRADICTIONS:
        if one in names and other in names:
            raise FactError(f"{name} cannot be {one} and {other}: {why}")


def _swaps(fact: Fact) -> set[frozenset[tuple[int, ...]]]:
    """The pairs of blocks of axes that a fact exchanges."""
    return {frozenset(pair) for pair in combinations(exchanged(fact), 2)}


def _consistent_sizes(facts: Sequence[Fact], dims: Sequence[Poly], name: str) -> None:
    names = {f.name for f in facts}
    if not all(d.is_constant for d in dims):
        return
    sizes = [d.number for d in dims]
    shape = f"{name} : {' '.join(map(str, dims))}"
    for other in ("invertible", "orthogonal", "orthonormal"):
        if {"skew", other} <= names and sizes[0] % 2:
            raise FactError(f"{shape} cannot be skew and {other}: a skew matrix of odd size is singular")
    if "orthonormal" in names and sizes[0] < sizes[1]:
        raise FactError(
            f"{shape} cannot be orthonormal: {sizes[1]} columns of {sizes[0]} entries are not independent; "
            f"state it of the transpose, {name} : {sizes[1]} {sizes[0]}"
        )


def check_fact(fact: Fact, dims: Sequence[Poly], name: str) -> None:
    """Raise FactError when no tensor of these dims can have the fact."""
    if fact.name not in FACTS:
        hint = near(fact.name, FACTS) or f"; sizes come before facts, which are {', '.join(sorted(FACTS))}"
        raise FactError(f"{name}: no fact is called {fact.name}{hint}")
    shape = f"{name} : {' '.join(map(str, dims)) or 'scalar'}"
    if fact.axes:
        _check_axes(fact, dims, shape)
    elif fact.name == "antisymmetric" or (fact.name == "symmetric" and len(dims) > 2):
        raise FactError(f"{shape} cannot be {fact.name} without saying which axes; write {fact.name}(0,1)")
    elif fact.name in _SQUARE.split() and (len(dims) != 2 or dims[0] is not dims[1]):
        raise FactError(f"{shape} cannot be {fact.name}: only a square matrix (n n) can")
    elif fact.name in ("upper", "lower", "orthonormal") and len(dims) != 2:
        raise FactError(f"{shape} cannot be {fact.name}: only a matrix can")
    elif fact.name in _VECTOR.split() and len(dims) != 1:
        raise FactError(f"{shape} cannot be {fact.name}: only a vector can")
    elif fact.name in ("pd", "psd"):
        half = len(dims) // 2
        if not dims or len(dims) % 2 or any(a is not b for a, b in zip(dims[:half], dims[half:], strict=True)):
            remedy = "; for a number write positive" if not dims else ""
            raise FactError(f"{shape} cannot be {fact.name}: only a square matrix (n n, or n m n m) can{remedy}")


def _check_axes(fact: Fact, dims: Sequence[Poly], shape: str) -> None:
    if fact.name not in _PERMUTING:
        raise FactError(f"{shape}: {fact.name} takes no axes; only symmetric and antisymmetric do")
    axes = [axis for group in fact.axes for axis in group]
    if len({len(group) for group in fact.axes}) > 1 or len(axes) < 2:
        raise FactError(f"{shape}: {fact} needs two axes, or groups of equally many, as in {fact.name}(0 2, 1 3)")
    if len(set(axes)) < len(axes):
        raise FactError(f"{shape}: {fact} names an axis twice")
    for axis in axes:
        if axis >= len(dims):
            raise FactError(f"{shape}: {fact} names axis {axis}, but the axes are 0 to {len(dims) - 1}")
    for group in zip(*exchanged(fact), strict=True):
        if len({str(dims[axis]) for axis in group}) > 1:
            sizes = ", ".join(f"axis {axis} has size {dims[axis]}" for axis in group)
            raise FactError(f"{shape} cannot be {fact}: swapped axes must have equal sizes, but {sizes}")


def exchanged(fact: Fact) -> tuple[tuple[int, ...], ...]:
    """The blocks of axes that a fact says may be exchanged (block k with block l, entry by entry).

    `symmetric(0,1)` exchanges the blocks (0) and (1); `symmetric(0 2, 1 3)` swaps 0 with 2 and 1 with 3 at once, so its
    blocks are (0, 1) and (2, 3). A plain `symmetric` or `skew` exchanges (0) and (1).
    """
    if not fact.axes:
        return ((0,), (1,))
    if len(fact.axes[0]) == 1:
        return fact.axes
    return tuple(zip(*fact.axes, strict=True))
