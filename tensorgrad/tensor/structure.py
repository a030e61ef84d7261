"""Structural tensors: fused edges, convolutions, Levi-Civita symbols, one-hot vectors."""

from __future__ import annotations

from tensorgrad.errors import EdgeError
from tensorgrad.sizes import ZERO, Poly
from tensorgrad.tensor.base import Tensor
from tensorgrad.tensor.edges import check_distinct, volume_of
from tensorgrad.tensor.nodes import node


@node
class Flat(Tensor):
    """`flat[p, i, j, ...]`: 1 where p = i * size(j) + j (row-major): fuses the edges after the first into the first."""

    edges: tuple[str, ...]
    parts: tuple[Poly, ...]

    def __post_init__(self) -> None:
        check_distinct(self.edges, "flat")

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        return (volume_of(self.parts), *self.parts)


@node
class Convolution(Tensor):
    """`conv[i, j, k]`: 1 where i = j + k; size(i) = size(j) + size(k) - 1 unless said otherwise.

    In general 1 where the first index is `offset` + the sum of the others, each times its step: strides, dilations,
    padding (an offset below 0), and with two edges windows (i = j + offset) and their transposes, which concatenate.
    """

    edges: tuple[str, ...]
    dims: tuple[Poly, ...]
    steps: tuple[int, ...] = (1, 1)
    offset: Poly = ZERO

    def __post_init__(self) -> None:
        check_distinct(self.edges, "conv")
        if len(self.steps) != len(self.edges) - 1 or any(step < 1 for step in self.steps):
            raise EdgeError(f"conv needs a step of at least 1 for each edge after the first, not {self.steps}")


@node
class LeviCivita(Tensor):
    """`lc[i, j, ...]`: the Levi-Civita symbol of k indices of size k."""

    edges: tuple[str, ...]

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        return (Poly.constant(len(self.edges)),) * len(self.edges)


@node
class Unit(Tensor):
    """`e[index, n]` on one edge: 1 at position `index` (an integer expression of order 0), 0 elsewhere."""

    index: Tensor
    size: Poly
    edges: tuple[str, ...]

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        return (self.size,)

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (self.index,)
