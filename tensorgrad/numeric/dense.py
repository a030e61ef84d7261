"""Dense arrays for the structural nodes, over any ring: what `evaluate` (float64) and `evaluate_mod` have in common.

Written from the definitions in notation.md, entry by entry, and shares no code with `diagram`: it is the oracle that
checks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from tensorgrad.errors import BudgetError, SizeError, UnsupportedError, ValueMismatchError
from tensorgrad.numeric.batches import Operand
from tensorgrad.numeric.pool import Pool, names_of
from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
    Flat,
    LeviCivita,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
    postorder,
)

Array = Any
"""A NumPy array (float64, int64 residues, or numbers of eighty digits)."""

MOST_AXES = 52
"""Most axes of an array: NumPy's einsum has no more letters."""

LARGEST = 1 << 24
"""Entries of the largest array that is made; dense evaluation is for small sizes."""


class Dense(ABC):
    """Evaluates expressions bottom up, each distinct node once; subclasses say what the ring is."""

    largest = LARGEST

    def __init__(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> None:
        self.values = values
        self.dims = dims

    @abstractmethod
    def _number(self, value: Fraction) -> Array:
        """A rational number as an array of order 0."""

    @abstractmethod
    def _entries(self, array: Array) -> Array:
        """The given value of a variable, as an array over the ring."""

    @abstractmethod
    def _pair(self, a: Operand, b: Operand, keep: tuple[str, ...]) -> Operand:
        """Two operands multiplied, aligned by name, and summed over the names not in `keep`."""

    @abstractmethod
    def _total(self, a: Operand, keep: tuple[str, ...]) -> Operand:
        """One operand summed over the names not in `keep`."""

    @abstractmethod
    def _add(self, arrays: Sequence[Array], weights: Sequence[Fraction]) -> Array:
        """The weighted sum of arrays of one shape."""

    @abstractmethod
    def _apply(self, t: Apply, args: Sequence[Array]) -> Array:
        """A function application; axes of `args` in the order of their edges."""

    @abstractmethod
    def _unit(self, t: Unit, index: Array, /) -> Array:
        """A unit vector."""

    def _derivative(self, t: Derivative) -> Array:
        """A derivative node: eliminated before evaluation unless a subclass knows better."""
        raise UnsupportedError(
            f"the value of a derivative by {t.variable.name}: eliminate it first with tensorgrad.calculus.expand"
        )

    def _expectation(self, t: Expectation) -> Array:
        """An expectation: a sum over the atoms of the law, where the ring has them."""
        raise UnsupportedError(f"the value of an expectation over {t.variable.name} here")

    def evaluate(self, t: Tensor) -> Array:
        """The value of `t`, axes in the order of `t.edges`."""
        done: dict[int, Array | None] = {}
        for node in postorder(t):
            # No table of size**order entries for a wide copy tensor unless it is needed: `product` does without.
            wide = _wide(node) and node is not t
            done[id(node)] = None if wide else self._node(node, [self._given(c, done, node) for c in node.children])
        return done[id(t)]

    def _given(self, child: Tensor, done: Mapping[int, Array | None], parent: Tensor) -> Array:
        value = done[id(child)]
        return self._entries(self._table(child)) if value is None and not isinstance(parent, Product) else value

    def _node(self, t: Tensor, args: list[Array]) -> Array:
        """The value of one node, given its children's."""
        match t:
            case Variable():
                return self._variable(t)
            case Scalar():
                return self._number(t.value.evaluate(self.dims))
            case Rename():
                return args[0]
            case Sum():
                first = t.edges
                return self._add([_moved(a, c.edges, first) for a, c in zip(args, t.terms, strict=True)], t.weights)
            case Product():
                return self._product(t, args)
            case Apply():
                return self._apply(t, args)
            case Unit():
                return self._unit(t, args[0])
            case Derivative():
                return self._derivative(t)
            case Expectation():
                return self._expectation(t)
            case _:
                return self._entries(self._table(t))

    def _size(self, dim: Poly) -> int:
        """A size as an integer; SizeError if it is none, or not positive."""
        value = dim.evaluate(self.dims)
        if value.denominator != 1 or value <= 0:
            given = ", ".join(f"{s} = {self.dims[s]}" for s in dim.symbols)
            raise SizeError(f"the size {dim} is {value} where {given}: sizes are positive integers")
        return int(value)

    def _variable(self, t: Variable) -> Array:
        if t.name not in self.values:
            given = ", ".join(self.values) or "none"
            raise ValueMismatchError(f"no value for {t.name}; values were given for {given}")
        array = np.asarray(self.values[t.name])
        expected = tuple(self._size(d) for d in t.dims)
        if array.shape != expected:
            sizes = " ".join(map(str, t.dims)) or "scalar"
            raise ValueMismatchError(f"{t.name} : {sizes} has shape {expected} here, the value given has {array.shape}")
        return self._entries(array)

    def _table(self, t: Tensor) -> Array:
        """The 0-1 (or sign) tables of structural tensors."""
        shape = tuple(self._size(d) for d in t.dims)
        if prod(shape) > self.largest:
            raise BudgetError(f"dense evaluation would need an array of shape {shape}: use smaller sizes")
        match t:
            case Zero():
                return np.zeros(shape, dtype=np.int64)
            case Delta():
                if not shape:
                    return np.asarray(self._size(t.size))
                grid = np.indices(shape, sparse=True)
                return np.asarray(np.broadcast_to(np.all([g == grid[0] for g in _full(grid)], axis=0), shape), np.int64)
            case Flat():
                grid = np.indices(shape)
                place = np.zeros(shape, dtype=np.int64)
                for axis, part in zip(grid[1:], shape[1:], strict=True):
                    place = place * part + axis
                return np.asarray(grid[0] == place, np.int64)
            case Convolution():
                grid = np.indices(shape)
                place = np.full(shape, int(t.offset.evaluate(self.dims)))
                for axis, step in zip(grid[1:], t.steps, strict=True):
                    place = place + step * axis
                return np.asarray(grid[0] == place, np.int64)
            case LeviCivita():
                return _levi_civita(len(shape))
            case _:
                raise UnsupportedError(f"the numeric value of a {type(t).__name__}")

    def _product(self, t: Product, args: list[Array]) -> Array:
        operands: list[Operand] = []
        for factor, array in zip(t.factors, args, strict=True):
            if isinstance(factor, Delta) and _wide(factor):  # a chain of identities on one hyperedge
                identity = self._entries(np.eye(self._size(factor.size), dtype=np.int64))
                operands += [(identity, (factor.edges[0], other)) for other in factor.edges[1:]]
            else:
                operands.append((array, factor.edges))
        return self._contract(operands, t.edges)

    def _contract(self, operands: list[Operand], output: tuple[str, ...]) -> Array:
        """Multiply all operands and sum the names not in `output`, one name at a time, the cheapest first."""
        if not operands:
            return self._number(Fraction(1))
        pool = Pool(operands)
        for name in pool.cheapest_first(output):
            bucket = pool.take(name)
            pool.put(self._merge(bucket, tuple(e for e in names_of(bucket) if e != name)))
        array, names = self._merge(list(pool.operands.values()), output)
        return _moved(array, names, output)

    def _merge(self, operands: list[Operand], keep: tuple[str, ...]) -> Operand:
        """The product of operands, those with the fewest entries first, then summed over the names not in `keep`."""
        operands = sorted(operands, key=lambda o: o[0].size)
        sizes = {e: n for array, names in operands for e, n in zip(names, array.shape, strict=True)}
        if prod(sizes.values()) > self.largest:
            raise BudgetError(
                f"dense evaluation would need an array of {prod(sizes.values())} entries: use smaller sizes"
            )
        if len(sizes) > MOST_AXES:
            raise BudgetError(f"dense evaluation would need an array of {len(sizes)} axes: NumPy has {MOST_AXES}")
        result = operands[0]
        for k, other in enumerate(operands[1:], start=2):
            wanted = keep if k == len(operands) else None
            both = names_of([result, other])
            result = self._pair(result, other, both if wanted is None else tuple(e for e in both if e in keep))
        return self._total(result, tuple(e for e in result[1] if e in keep))


def _wide(t: Tensor) -> bool:
    return isinstance(t, Delta) and t.order > 3


def _full(grid: Any) -> list[Any]:
    return list(np.broadcast_arrays(*grid))


def _moved(array: Array, names: tuple[str, ...], order: tuple[str, ...]) -> Array:
    return array if names == order else array.transpose([names.index(e) for e in order])


def _levi_civita(order: int) -> Array:
    table = np.zeros((order,) * order, dtype=np.int64)
    for places in permutations(range(order)):
        inversions = sum(places[i] > places[j] for j in range(order) for i in range(j))
        table[places] = -1 if inversions % 2 else 1
    return table
