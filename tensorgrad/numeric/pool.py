"""Operands of a contraction, found by the names of their axes: the next name to sum over without looking at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from math import prod

from tensorgrad.numeric.batches import Operand


def names_of(operands: Sequence[Operand]) -> tuple[str, ...]:
    """All names of some operands, each once, in order."""
    return tuple(dict.fromkeys(e for _, names in operands for e in names))


class Pool:
    """Operands being contracted, found by name; a name's price, the entries of all that carry it, is kept up to date."""

    def __init__(self, operands: Sequence[Operand]) -> None:
        self.operands: dict[int, Operand] = {}
        self.sizes: dict[str, int] = {}
        self.holders: dict[str, dict[int, None]] = {}
        self._price: dict[str, int] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._place: dict[str, int] = {}
        self._next = 0
        for operand in operands:
            self._hold(operand)

    def _hold(self, operand: Operand) -> None:
        array, names = operand
        for name, size in zip(names, array.shape, strict=True):
            self.sizes[name] = size
            self.holders.setdefault(name, {})[self._next] = None
        self.operands[self._next] = operand
        self._next += 1

    def cheapest_first(self, output: Sequence[str]) -> Iterator[str]:
        """The names to sum over, the cheapest at the time first."""
        self._place = {e: k for k, e in enumerate(self.sizes) if e not in output}
        for name in self._place:
            self._appraise(name)
        while self._queue:
            price, _, name = heappop(self._queue)
            if self._price.get(name) == price:
                del self._price[name], self._place[name]
                yield name

    def _appraise(self, name: str) -> None:
        price = prod(self.sizes[e] for e in names_of([self.operands[k] for k in self.holders[name]]))
        if self._price.get(name) != price:
            self._price[name] = price
            heappush(self._queue, (price, self._place[name], name))

    def take(self, name: str) -> list[Operand]:
        """The operands that carry a name, which leave the pool."""
        taken = {k: self.operands.pop(k) for k in sorted(self.holders[name])}
        for k, (_, names) in taken.items():
            for e in names:
                self.holders[e].pop(k, None)
        return list(taken.values())

    def put(self, operand: Operand) -> None:
        """One more operand; the prices of its names change."""
        self._hold(operand)
        for name in operand[1]:
            if name in self._place:
                self._appraise(name)
