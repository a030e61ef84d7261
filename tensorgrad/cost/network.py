"""The best pairwise order of one contraction, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorgrad.cost.edges import Pair, components, mask_of, path_masks, volume
from tensorgrad.cost.search import search

EXHAUSTIVE = 7
"""Up to so many operands every order is tried; opt_einsum's dynamic programming goes on to `DYNAMIC`."""

TRIES = 64
"""Random greedy orders tried for a large contraction."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """The best order found for one contraction.

    `path` multiplies pairs of tensors (private edges of operands are summed before); `scaled` is the number of the
    tensor that the coefficient multiplies, -1 without one. `largest` is the most entries of anything computed.
    """

    flops: int
    largest: int
    path: tuple[Pair, ...]
    scaled: int


_plans: dict[tuple[object, ...], NetworkPlan] = {}


def network_cost(
    legs: Sequence[Sequence[int]],
    boundary: Sequence[int],
    dims: Sequence[int],
    coefficient: bool = False,
    presum: bool = True,
    tries: int = TRIES,
    optimizer: str = "auto",
) -> NetworkPlan:
    """The cheapest order of a contraction: operands' `legs` and `boundary` are edges, numbered as in `dims`.

    Edges may join any number of legs, repeat on one operand (a diagonal, free), stand in the boundary only or several
    times (views, free). `coefficient` says that a factor other than 1 has to be multiplied in. Ties go to the smaller
    intermediates. Deterministic; remembered. With `presum` off private edges are summed in the pairwise steps, as
    opt_einsum does by itself. Beyond its dynamic programming the best of so many `tries` is taken, or with `optimizer`
    "cotengra" the order that cotengra finds.

    >>> network_cost([(0, 1), (1, 2), (2,)], (0,), (30, 30, 30)).flops
    3600
    """
    key = (tuple(map(tuple, legs)), tuple(boundary), tuple(dims), coefficient, presum, tries, optimizer)
    found = _plans.get(key)
    if found is None:
        if len(_plans) > 200_000:
            _plans.clear()
        found = _plans[key] = Planner(key[0], key[1], key[2], presum, tries, optimizer).plan(coefficient)
    return found


class Planner:
    """One contraction being planned: operands as masks of edges, private edges summed, split into components."""

    def __init__(
        self,
        legs: Sequence[Sequence[int]],
        boundary: Sequence[int],
        dims: Sequence[int],
        presum: bool = True,
        tries: int = TRIES,
        optimizer: str = "auto",
    ) -> None:
        self.tries = tries
        self.optimizer = optimizer
        self.dims = dims
        self.kept = mask_of(boundary, dims)
        self.sizes: dict[int, int] = {0: 1}
        self.flops = self.largest = 0
        self.masks: list[int] = []
        once = several = 0
        for edges in legs:
            mask = mask_of(edges, dims)
            several |= once & mask
            once |= mask
            self.masks.append(mask)
        private = once & ~several & ~self.kept
        if private and (presum or len(legs) == 1):
            for k, mask in enumerate(self.masks):
                if mask & private:
                    self.flops += self.size(mask)
                    self.masks[k] = mask & ~private
                    self.largest = max(self.largest, self.size(mask & ~private))
        self.path: list[Pair] = []

    def size(self, mask: int) -> int:
        """Entries of a tensor on the edges of a mask, remembered."""
        found = self.sizes.get(mask)
        if found is None:
            found = self.sizes[mask] = volume(mask, self.dims)
        return found

    def plan(self, coefficient: bool) -> NetworkPlan:
        """The whole plan; the coefficient, if there is one, goes onto the smallest tensor."""
        count = len(self.masks)
        if not count:
            return NetworkPlan(0, 0, (), -1)
        scalars: list[int] = []
        trees: list[Tree] = []
        for part in components(self.masks):
            tree = self.order(part) if len(part) > 1 else Tree(part, (), (self.masks[part[0]],))
            if self.kept & tree.masks[-1]:
                trees.append(tree)
            else:
                scalars.append(self._emit(tree))
        scalar = self._multiply_all(scalars)
        scaled = -1
        if coefficient and scalars:
            scaled = scalar
            self.flops += 1
        results = self._place_scalar(trees, scalar, coefficient and not scalars)
        if results[1] >= 0:
            scaled = results[1]
        self._outer([(self.size(t.masks[-1]), r) for t, r in zip(trees, results[0], strict=True)])
        return NetworkPlan(self.flops, self.largest, tuple(self.path), scaled)

    def _step(self, left: int, right: int, cost: int, size: int) -> int:
        self.path.append((left, right))
        self.flops += cost
        self.largest = max(self.largest, size)
        return len(self.masks) + len(self.path) - 1

    def _emit(self, tree: Tree, at: int = -1, scalar: int = -1) -> int:
        """Append the steps of a component; tensor `at` of it is multiplied by the tensor `scalar` first."""
        number: list[int] = []
        for k, operand in enumerate(tree.operands):
            here = k == at and scalar >= 0
            number.append(self._scaled(scalar, operand, tree.masks[k]) if here else operand)
        for k, (a, b) in enumerate(tree.pairs, len(tree.operands)):
            kept = tree.masks[k]
            union = tree.masks[a] | tree.masks[b]
            cost = self.size(union) * (2 if union != kept else 1)
            number.append(self._step(number[a], number[b], cost, self.size(kept)))
            if k == at and scalar >= 0:
                number[k] = self._scaled(scalar, number[k], kept)
        self.number = number
        return number[-1]

    def _scaled(self, scalar: int, tensor: int, mask: int) -> int:
        return self._step(scalar, tensor, self.size(mask), self.size(mask))

    def _multiply_all(self, scalars: Sequence[int]) -> int:
        result = scalars[0] if scalars else -1
        for other in scalars[1:]:
            result = self._step(result, other, 1, 1)
        return result

    def _place_scalar(self, trees: Sequence[Tree], scalar: int, coefficient: bool) -> tuple[list[int], int]:
        """Emit the components, the scalar factor (or coefficient) multiplied onto the smallest tensor of all."""
        best = (-1, -1)
        if trees and (scalar >= 0 or coefficient):
            best = min(
                ((t, k) for t, tree in enumerate(trees) for k in range(len(tree.masks)) if k not in tree.fixed),
                key=lambda tk: self.size(trees[tk[0]].masks[tk[1]]),
            )
        results: list[int] = []
        scaled = -1
        for t, tree in enumerate(trees):
            results.append(self._emit(tree, best[1] if t == best[0] else -1, scalar))
            if coefficient and t == best[0]:
                scaled = self.number[best[1]]
                size = self.size(tree.masks[best[1]])
                self.flops += size
                self.largest = max(self.largest, size)
        return results, scaled

    def _outer(self, parts: list[tuple[int, int]]) -> None:
        """Multiply the components' results, the smallest first."""
        while len(parts) > 1:
            parts.sort()
            (s1, a), (s2, b) = parts[:2]
            parts[:2] = [(s1 * s2, self._step(a, b, s1 * s2, s1 * s2))]

    def order(self, part: Sequence[int]) -> Tree:
        """The best order of a connected component."""
        masks = [self.masks[k] for k in part]
        if len(part) == 2:
            return Tree(part, ((0, 1),), (*masks, (masks[0] | masks[1]) & self.kept))
        if len(part) == 3:
            return self._order_three(part, masks)
        small = len(part) <= EXHAUSTIVE
        pairs = self._exhaustive(masks) if small else search(masks, self.kept, self.dims, self.tries, self.optimizer)
        return Tree(part, pairs, tuple(self.results(masks, pairs)))

    def _order_three(self, part: Sequence[int], masks: list[int]) -> Tree:
        best: tuple[int, int] | None = None
        tree = Tree((), (), ())
        for a, b, c in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
            union = masks[a] | masks[b]
            inner = union & (masks[c] | self.kept)
            last = inner | masks[c]
            kept = last & self.kept
            size = self.size(inner)
            cost = self.size(union) * (2 if union != inner else 1) + self.size(last) * (2 if last != kept else 1)
            if best is None or (cost, size) < best:
                best = (cost, size)
                tree = Tree(part, ((a, b), (3, c) if c != 0 else (c, 3)), (*masks, inner, kept))
        return tree

    def results(self, masks: Sequence[int], pairs: Sequence[Pair]) -> list[int]:
        """The edges of each tensor of a path: operands, then results."""
        return path_masks(masks, pairs, self.kept)

    def _exhaustive(self, masks: Sequence[int]) -> tuple[Pair, ...]:
        """The optimum over all orders, outer products included, by dynamic programming over sets of operands."""
        count = len(masks)
        full = (1 << count) - 1
        union = [0] * (full + 1)
        for s in range(1, full + 1):
            low = s & -s
            union[s] = union[s ^ low] | masks[low.bit_length() - 1]
        kept = [union[s] & (union[full ^ s] | self.kept) if s & (s - 1) else union[s] for s in range(full + 1)]
        best: list[tuple[int, int, int]] = [(0, 0, 0)] * (full + 1)
        for s in range(1, full + 1):
            if s & (s - 1):
                best[s] = self._best_split(s, kept, best)
        return _tree_pairs(count, full, best)

    def _best_split(self, s: int, kept: list[int], best: list[tuple[int, int, int]]) -> tuple[int, int, int]:
        found: tuple[int, int, int] | None = None
        size, sizes, mine = self.size, self.sizes, kept[s]
        own = size(mine)
        low = s & -s
        rest = left = s ^ low
        while True:
            left = (left - 1) & rest
            a = left | low
            b = s ^ a
            first, second = best[a], best[b]
            cost = first[0] + second[0]
            if found is None or cost < found[0]:
                edges = kept[a] | kept[b]
                cost += (sizes.get(edges) or size(edges)) * (2 if edges != mine else 1)
                candidate = (cost, first[1] + second[1] + own, a)
                if found is None or candidate[:2] < found[:2]:
                    found = candidate
            if not left:
                break
        return found


@dataclass(slots=True)
class Tree:
    """A contraction order of some operands: local pairs, and the edges of each operand and result."""

    operands: Sequence[int]
    pairs: tuple[Pair, ...]
    masks: tuple[int, ...]
    fixed: frozenset[int] = frozenset()
    """Tensors onto which no factor may be multiplied, because others share what is made of them."""


def _tree_pairs(count: int, full: int, best: Sequence[tuple[int, int, int]]) -> tuple[Pair, ...]:
    pairs: list[Pair] = []
    number = {1 << k: k for k in range(count)}
    stack = [(full, False)]
    while stack:
        s, ready = stack.pop()
        if s in number:
            continue
        a = best[s][2]
        if ready:
            pairs.append((number[a], number[s ^ a]))
            number[s] = count + len(pairs) - 1
        else:
            stack += [(s, True), (s ^ a, False), (a, False)]
    return tuple(pairs)
