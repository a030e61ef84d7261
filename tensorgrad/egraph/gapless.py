"""Derivations without gaps: where a step does not begin as the one before ended, the steps between are looked for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tensorgrad.derivation import Step
from tensorgrad.diagram import Store, insert
from tensorgrad.diagram.nodes import Ref
from tensorgrad.tensor import Tensor

DEPTH = 3
"""Gaps in the steps that close a gap are closed so many times over."""

Connect = Callable[[Tensor, Tensor], Sequence[Step] | None]
"""The steps from one tensor to an equal one as they are found, or None."""


@dataclass(slots=True)
class Joiner:
    """Closes the gaps of a derivation. Tensors are compared as canonical diagrams.

    `rules` names what the derivation used: what cannot be closed, or not before `deadline` (of time.monotonic), is one
    step with these names, marked as several.
    """

    connect: Connect
    rules: tuple[str, ...]
    deadline: float = math.inf
    _store: Store = field(default_factory=Store)
    _known: dict[int, tuple[Tensor, Ref]] = field(default_factory=dict[int, tuple[Tensor, Ref]])

    def joined(self, start: Tensor, steps: Sequence[Step], end: Tensor, depth: int = DEPTH) -> list[Step]:
        """The steps from `start` to `end`, without gaps, detours, and steps that change nothing."""
        out: list[Step] = []
        here = start
        for step in steps:
            out += self._bridge(here, step.before, depth)
            out.append(step)
            here = step.after
        return self._straight([*out, *self._bridge(here, end, depth)])

    def _straight(self, steps: Sequence[Step]) -> list[Step]:
        """The steps without those that lead back to where they began."""
        out: list[Step] = []
        for step in steps:
            out.append(step)
            back = next((k for k, earlier in enumerate(out) if self.same(earlier.before, step.after)), None)
            if back is not None:
                del out[back:]
        return out

    def same(self, a: Tensor, b: Tensor) -> bool:
        """Whether two tensors are one canonical diagram."""
        if a is b:
            return True
        (handle, perm), (other, other_perm) = self._ref(a), self._ref(b)
        axis = dict(zip(b.edges, other_perm, strict=True))
        return self._store.same((handle, perm), (other, tuple(axis[e] for e in a.edges)))

    def _ref(self, t: Tensor) -> Ref:
        if id(t) not in self._known:
            self._known[id(t)] = (t, insert(self._store, t))
        return self._known[id(t)][1]

    def _bridge(self, a: Tensor, b: Tensor, depth: int) -> list[Step]:
        if self.same(a, b):
            return []
        steps = self.connect(a, b) if depth and time.monotonic() < self.deadline else None
        if not steps:
            return [Step(", ".join(self.rules) or "known equalities", "several steps", a, b)]
        return self.joined(a, steps, b, depth - 1)
