"""The canonical nodes of diagrams. Handles name nodes (or, in the e-graph, classes of equal nodes)."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.function import Function
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Tensor, Variable

Handle = int
Ref = tuple[int, tuple[int, ...]]
"""(handle, perm): axis a of the reference is axis perm[a] of the handle."""

Legs = tuple[int, ...]


def flat_handle(parts: int) -> Handle:
    """The reserved handle of the structural tensor that fuses `parts` edges into its first leg."""
    return -parts


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor that is not taken apart: a variable, a unit vector, a Levi-Civita symbol; axes in `tensor.edges` order.

    `key` tells leaves apart; `index` is the handle of a unit vector's index.
    """

    key: tuple[str | int | Poly, ...]
    tensor: Tensor
    index: Handle | None = None

    @property
    def is_unit(self) -> bool:
        """Whether it is 1 in one place and 0 elsewhere: a unit vector, or a variable declared one-hot."""
        t = self.tensor
        return self.index is not None or (isinstance(t, Variable) and any(f.name == "onehot" for f in t.facts))


@dataclass(frozen=True, slots=True)
class Application:
    """A function applied. For each argument a handle and a label for each of its axes.

    A label b >= 0 is batch axis b of the result; label -1 - k is the k-th acted axis, acted axes being numbered through
    the groups in order (`groups[k]` is how many axes group k has, argument after argument). The result's axes are the
    batch axes, then the produced groups' axes.
    """

    function: Function
    args: tuple[tuple[Handle, Legs], ...]
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """coefficient * product of the operands, summed over the edges that are not in `boundary`.

    Edges are 0..len(dims)-1; an edge may join any number of legs and stand in the boundary any number of times.
    """

    coefficient: Poly
    operands: tuple[tuple[Handle, Legs], ...]
    boundary: Legs
    dims: tuple[Poly, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """A sum: for each term a coefficient, a handle and the permutation that aligns it; no terms: zero.

    Axis a of the total is axis perm[a] of the term.
    """

    terms: tuple[tuple[Poly, Handle, Legs], ...]
    dims: tuple[Poly, ...]


Node = Leaf | Application | Network | Total
