"""Spans of positions along an axis, with symbolic sizes: where a two-edge convolution puts an edge into a longer one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tensorgrad.sizes import ZERO, Poly
from tensorgrad.tensor.base import Tensor
from tensorgrad.tensor.structure import Convolution


@dataclass(frozen=True, slots=True)
class Span:
    """The positions `start`, ..., `start + length - 1` of an axis of size `whole`."""

    start: Poly
    length: Poly
    whole: Poly

    @property
    def end(self) -> Poly:
        """The position after the last one."""
        return self.start + self.length

    @property
    def full(self) -> bool:
        """Whether it is the whole axis."""
        return self.start is ZERO and self.length is self.whole

    def before(self, other: Span) -> bool:
        """Whether it ends before the other one begins, whatever the sizes."""
        return at_least(other.start, self.end)

    def holds(self, other: Span) -> bool:
        """Whether the other one lies inside it, whatever the sizes."""
        return at_least(other.start, self.start) and at_least(self.end, other.end)


def at_least(a: Poly, b: Poly) -> bool:
    """Whether a >= b, whatever the sizes: no size is negative."""
    return all(coefficient >= 0 for _, coefficient in (a - b).terms)


def embedded_span(t: Tensor) -> Span | None:
    """Where a tensor puts its second edge into its first one; None for what is no embedding.

    >>> from tensorgrad.sizes import Poly
    >>> n, m = Poly.symbol("n"), Poly.symbol("m")
    >>> embedded_span(Convolution(("i", "j"), (n + m, m), (1,), n)).end
    Poly('m + n')
    """
    if not isinstance(t, Convolution) or t.steps != (1,):
        return None
    span = Span(t.offset, t.dims[1], t.dims[0])
    return span if at_least(span.start, ZERO) and at_least(span.whole, span.end) else None


def cuts_of(spans: Iterable[Span], whole: Poly) -> list[Poly] | None:
    """Where an axis is cut by spans, 0 and its size included, in order; None where the order depends on the sizes."""
    points = list(dict.fromkeys([ZERO, whole, *(p for s in spans for p in (s.start, s.end))]))
    ordered = sorted(points, key=lambda p: sum(at_least(p, q) for q in points))
    return ordered if all(at_least(b, a) for a, b in pairwise(ordered)) else None


def pieces(cuts: Sequence[Poly], whole: Poly) -> list[Span]:
    """The spans between neighbouring cuts."""
    return [Span(a, b - a, whole) for a, b in pairwise(cuts)]
