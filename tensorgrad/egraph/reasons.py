"""Why two nodes of the e-graph are equal: the links from which derivations are read off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tensorgrad.diagram.nodes import Handle, Ref


@dataclass(frozen=True, slots=True)
class Applied:
    """A rule (or a built-in move: distribute, factor) at a node.

    `descents` are the pairs (child, member): inside the matched node, child was read as this member of its class.
    `constants` are the pairs (part, constant): parts of the rule's right side that were known to be constants, and are
    written as such.
    """

    rule: str
    source: str
    descents: tuple[tuple[Handle, Handle], ...] = ()
    lemma: Lemma | None = None
    constants: tuple[tuple[Handle, Handle], ...] = ()


@dataclass(frozen=True, slots=True)
class Lemma:
    """Two references that were united first, and how that gives the step.

    "factor": L = F X = F (K R) = R, from X = K R, where the factor F cancels K; `left` is X. `axes[a]` says where axis a
    of F is: q >= 0 is axis q of L, -1 - q the axis of X that stands in the place of L's axis q and is summed.
    "difference": L = R + (L - R) = R, from L - R = 0; `left` is L - R.
    """

    kind: Literal["factor", "difference"]
    left: Ref
    right: Ref
    factor: Ref | None = None
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Congruent:
    """A node rewritten with its children replaced by equals: pairs (child, what stands for it now)."""

    replaced: tuple[tuple[Handle, Handle], ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """Two references with the same axes, and why they are equal."""

    left: Ref
    right: Ref
    reason: Applied | Congruent
