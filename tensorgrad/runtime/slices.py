"""Contractions that do not fit a memory limit, computed slice by slice: here, or as tasks of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import ceil, inf, prod
from typing import Any

from tensorgrad.errors import InputError, MemoryLimitError
from tensorgrad.runtime.loading import load
from tensorgrad.runtime.program import Program

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

Block = Mapping[str, tuple[int, int]]
"""For each sliced edge where a slice starts, and how many entries it has."""

LARGEST_SUM = 8
"""Partial results that one task of a cluster adds up."""


def entries_of(limit: Any, itemsize: int) -> int:
    """A memory limit as a number of entries: entries already, or a text of bytes.

    >>> entries_of(1000, 8), entries_of("2 MB", 8)
    (1000, 250000)
    """
    if isinstance(limit, int | float) and not isinstance(limit, bool) and 1 <= limit < inf:
        return int(limit)
    if isinstance(limit, str):
        text = limit.strip().upper().replace("IB", "B")
        number = text.rstrip("KMGTB").strip()
        unit = text[len(number) :].strip()
        if number.replace(".", "", 1).isdigit() and unit in _UNITS:
            return max(1, int(float(number) * _UNITS[unit]) // itemsize)
    raise InputError(f"memory_limit={limit!r}: expected a number of entries, or a text of bytes such as '2 GB'")


@dataclass(frozen=True, slots=True)
class Sliced:
    """A contraction in slices: the program of one slice, the edges of its arguments and its result, and how long the
    slices are along those edges that are cut."""

    source: str
    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]
    sizes: Mapping[str, int]
    lengths: Mapping[str, int]

    @property
    def count(self) -> int:
        """How many slices there are."""
        return prod(ceil(self.sizes[e] / n) for e, n in self.lengths.items())

    def blocks(self, edges: Sequence[str]) -> Iterator[Block]:
        """The slices along some of the cut edges."""
        ranges = [range(0, self.sizes[e], self.lengths[e]) for e in edges]
        for starts in product(*ranges):
            yield {e: (s, min(self.lengths[e], self.sizes[e] - s)) for e, s in zip(edges, starts, strict=True)}

    @property
    def kept(self) -> tuple[str, ...]:
        """The cut edges that the result has."""
        return tuple(e for e in self.lengths if e in self.output)

    @property
    def summed(self) -> tuple[str, ...]:
        """The cut edges that are summed."""
        return tuple(e for e in self.lengths if e not in self.output)

    def arguments(self, operands: Sequence[Any], block: Block) -> list[Any]:
        """The operands' parts in a slice: views."""
        return [narrowed(t, edges, block) for t, edges in zip(operands, self.inputs, strict=True)]

    def __call__(self, operands: Sequence[Any]) -> Any:
        """The whole result, one slice after the other."""
        function = load(self.source, "contraction", "slice")
        result = operands[0].new_zeros([self.sizes[e] for e in self.output])
        for outer in self.blocks(self.kept):
            part = narrowed(result, self.output, outer)
            for inner in self.blocks(self.summed):
                part += function(*self.arguments(operands, {**outer, **inner}))[0]
        return result

    def on(self, client: Any, operands: Sequence[Any]) -> Any:
        """The whole result, each slice a task of a Dask cluster, partial results added up there."""
        # Not under the hash of its values: equal data of a call before may be on its way out under that name.
        held = [client.scatter(t, broadcast=True, hash=False) for t in operands]
        result = operands[0].new_zeros([self.sizes[e] for e in self.output])
        pending: list[tuple[Block, Any]] = []
        for outer in self.blocks(self.kept):
            parts = [
                client.submit(run_slice, self.source, self.inputs, {**outer, **inner}, *held, pure=False)
                for inner in self.blocks(self.summed)
            ]
            while len(parts) > 1:
                groups = [parts[k : k + LARGEST_SUM] for k in range(0, len(parts), LARGEST_SUM)]
                parts = [client.submit(added, *group, pure=False) for group in groups]
            pending.append((outer, parts[0]))
        for outer, future in pending:
            narrowed(result, self.output, outer).copy_(future.result())
        return result


def narrowed(t: Any, edges: Sequence[str], block: Block) -> Any:
    """The part of a tensor that a slice sees; an edge may be several axes."""
    for axis, edge in enumerate(edges):
        if edge in block:
            t = t.narrow(axis, *block[edge])
    return t


def run_slice(source: str, inputs: Sequence[Sequence[str]], block: Block, *operands: Any) -> Any:
    """One slice, in whatever process this is."""
    function: Callable[..., Any] = load(source, "contraction", "slice")
    return function(*[narrowed(t, edges, block) for t, edges in zip(operands, inputs, strict=True)])[0]


def added(*parts: Any) -> Any:
    """The sum of partial results."""
    total = parts[0].clone()
    for part in parts[1:]:
        total += part
    return total


def lengths_of(program: Program, sizes: Mapping[str, int], output: Sequence[str], limit: int) -> dict[str, int]:
    """How long the slices must be, by size symbol, so that the program and the result stay within the limit.

    Edges are cut one after the other, that which leaves least memory first, until one of them suffices; of those that
    do, the one with the fewest operations in all, cut no finer than it must be.
    Raises MemoryLimitError when nothing does.
    """
    whole = prod(sizes[s] for s in output)
    lengths: dict[str, int] = {}

    def peak(tried: Mapping[str, int]) -> int:
        return program.peak({**sizes, **tried}) + (whole if tried else 0)

    def work(tried: Mapping[str, int]) -> int:
        now = {**sizes, **tried}
        times = prod(ceil(sizes[s] / n) for s, n in tried.items())
        return times * sum(program.flops(step, now) for step in program.steps)

    current = peak(lengths)
    while current > limit:
        options = [{**lengths, s: 1} for s in sizes if sizes[s] > 1 and s not in lengths]
        enough = [tried for tried in options if peak(tried) <= limit]
        if enough:
            best = min(enough, key=work)
            edge = next(s for s in best if s not in lengths)
            fits = partial(_fits, peak, lengths, edge, limit)
            return {**lengths, edge: longest(fits, sizes[edge])}
        best = min(options, key=peak, default=lengths)
        if best is lengths or (lengths and peak(best) >= current):
            raise MemoryLimitError(
                f"memory_limit: {limit:,} entries are too few: {min(current, peak(best)):,} are needed even in slices "
                f"({whole:,} of them for the result)"
            )
        lengths, current = best, peak(best)
    return lengths


def _fits(
    peak: Callable[[Mapping[str, int]], int], lengths: Mapping[str, int], edge: str, limit: int, length: int
) -> bool:
    return peak({**lengths, edge: length}) <= limit


def longest(fits: Callable[[int], bool], size: int) -> int:
    """The greatest length that fits; 1 does."""
    low, high = 1, size
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
