"""Why two nodes of the e-graph are equal: the links from which derivations are read off."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.diagram.nodes import Handle, Ref
from tensorgrad.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Applied:
    """A rule (or a built-in move: distribute, factor) at a node.

    `descents` are the pairs (child, member): inside the matched node, child was read as this member of its class.
    `left` and `right` are the two sides as tensors with the axes of the node.
    """

    rule: str
    source: str
    descents: tuple[tuple[Handle, Handle], ...] = ()


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


@dataclass(frozen=True, slots=True)
class Stated:
    """An equation given as an assumption."""

    text: str
    left: Tensor
    right: Tensor
