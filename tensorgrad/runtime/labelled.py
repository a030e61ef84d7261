"""Arrays with labelled axes: what an expression as written is computed with, in any array library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

Array = Any
Label = str | int
"""An index letter, or the number of an axis without a name."""


@dataclass(frozen=True, slots=True)
class Library:
    """What an array library calls the words of the notation.

    `merges`: whether matrix products wait, to be contracted together along a path. `gradient` takes a function, where,
    and the order of the function's value; `hessian` a scalar function, and where.
    """

    words: Mapping[str, Callable[..., Array]]
    einsum: Callable[..., Array]
    permute: Callable[[Array, Sequence[int]], Array]
    merges: bool
    gradient: Callable[[Callable[[Array], Array], Array, int], Array]
    hessian: Callable[[Callable[[Array], Array], Array], Array]


@dataclass(frozen=True, slots=True)
class Value:
    """A number times arrays with labelled axes, aligned by label and summed over the labels not in `edges`."""

    number: float
    factors: tuple[tuple[Array, tuple[Label, ...]], ...]
    edges: tuple[Label, ...]

    @property
    def named(self) -> bool:
        return any(isinstance(e, str) for e in self.edges)


class Labelled:
    """The operations on labelled arrays, in the words of one library."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.fresh = count()

    def array(self, v: Value) -> Array:
        """The value contracted, axes in the order of its edges."""
        if not v.factors:
            return v.number
        (first, labels), *more = v.factors
        if more or len({*labels}) < len(labels):
            letter: dict[Label, str] = {}
            for _, others in v.factors:
                for label in others:
                    letter.setdefault(label, chr(ord("a") + len(letter)))
            inputs = ",".join("".join(letter[e] for e in others) for _, others in v.factors)
            output = "".join(letter[e] for e in v.edges)
            made = self.library.einsum(f"{inputs}->{output}", *(a for a, _ in v.factors))
        else:
            made, left = first, tuple(e for e in labels if e in v.edges)
            if left != labels:
                made = made.sum(tuple(k for k, e in enumerate(labels) if e not in v.edges))
            if left != v.edges:
                made = self.library.permute(made, [left.index(e) for e in v.edges])
        return made if v.number == 1 else v.number * made

    def of(self, array: Array, edges: Sequence[Label]) -> Value:
        """An array as a value."""
        return Value(1.0, ((array, tuple(edges)),), tuple(edges))

    def axes(self, order: int) -> tuple[int, ...]:
        """Labels for axes without names, used nowhere else."""
        return tuple(next(self.fresh) for _ in range(order))

    def settle(self, v: Value) -> Value:
        """Contracted now, unless the library contracts products together."""
        return v if self.library.merges or len(v.factors) <= 1 else self.of(self.array(v), v.edges)

    def relabel(self, v: Value, edges: Sequence[Label]) -> Value:
        """The value with other labels at its edges; its summed labels become new ones."""
        new: dict[Label, Label] = dict(zip(v.edges, edges, strict=True))
        for _, labels in v.factors:
            for label in labels:
                if label not in new:
                    new[label] = next(self.fresh)
        return Value(v.number, tuple((a, tuple(new[e] for e in labels)) for a, labels in v.factors), tuple(edges))

    def product(self, a: Value, b: Value, edges: Sequence[Label]) -> Value:
        """Two values multiplied, aligned by label; summed over what is not in `edges`."""
        return Value(a.number * b.number, (*a.factors, *b.factors), tuple(edges))

    def matmul(self, a: Value, b: Value) -> Value:
        b = self.relabel(b, (a.edges[-1], *self.axes(len(b.edges) - 1)))
        edges = (*a.edges[:-1], *b.edges[1:])
        if self.library.merges or max(len(a.edges), len(b.edges)) > 2:
            return self.settle(self.product(a, b, edges))
        return self.of(self.array(a) @ self.array(b), edges)

    def times(self, a: Value, b: Value) -> Value:
        if a.edges and b.edges and not a.named:
            b = self.relabel(b, a.edges)
        edges = tuple(dict.fromkeys((*a.edges, *b.edges)))
        # Letters say that a sum may follow: such a product is one einsum in every library.
        if a.named or b.named or self.library.merges or not (a.factors and b.factors):
            a, b = self.relabel(a, a.edges), self.relabel(b, b.edges)
            return self.product(a, b, edges)
        return self.entrywise("*", a, b)

    def entrywise(self, operator: str, a: Value, b: Value) -> Value:
        if a.edges and b.edges and not a.named:
            b = self.relabel(b, a.edges)
        edges = tuple(dict.fromkeys((*a.edges, *b.edges)))
        x, y = self._spread(a, edges), self._spread(b, edges)
        match operator:
            case "+":
                made = x + y
            case "-":
                made = x - y
            case "*":
                made = x * y
            case _:
                made = x / y
        return self.of(made, edges)

    def _spread(self, v: Value, edges: Sequence[Label]) -> Array:
        """The array with an axis of length 1 for each edge that it lacks."""
        own = [e for e in edges if e in v.edges]
        made = self.array(replace(v, edges=tuple(own)))
        if not own or len(own) == len(edges):
            return made
        return made[tuple(slice(None) if e in v.edges else None for e in edges)]
