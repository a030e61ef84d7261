"""Orders of several contractions at once, so that what they have in common is computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tensorgrad.cost import NetworkPlan, Pair, Planner, Tree, bits, mask_of, network_cost, volume
from tensorgrad.diagram import Store
from tensorgrad.runtime.program import number
from tensorgrad.runtime.task import Task, draft, joined
from tensorgrad.sizes import ONE

LARGEST_SUBSETS = 400
"""Contractions with more connected sub-contractions than this are planned alone."""

ROUNDS = 2

Best = tuple[int, int, int, dict[int, int]]
"""Operations of steps nobody shares, entries of intermediates, the left half, and price of each shared step."""


class Contraction:
    """A task with integer sizes, and the handles of its sub-contractions (sets of pieces as bit masks)."""

    def __init__(self, store: Store, task: Task, sizes: Mapping[str, int], optimizer: str = "auto") -> None:
        self.store = store
        self.optimizer = optimizer
        self.task = task
        self.dims = [number(d, sizes) for d in task.dims]
        self.legs = [p.legs for p in task.pieces]
        self.core = task.core
        self.scaled = task.coefficient is not ONE
        self.edge_uses = [_mask(legs) for legs in self.legs]
        self.keys: dict[tuple[int, bool], tuple[int, tuple[int, ...]]] = {}

    def plain(self) -> NetworkPlan:
        """The best order when nothing is shared."""
        return network_cost(self.legs, self.core, self.dims, self.scaled, optimizer=self.optimizer)

    def open_edges(self, pieces: int) -> tuple[int, ...]:
        """Edges of some pieces that others or the result still need, in order of number."""
        inside, outside = 0, _mask(self.core)
        for k, mask in enumerate(self.edge_uses):
            if pieces >> k & 1:
                inside |= mask
            else:
                outside |= mask
        return tuple(bits(inside & outside))

    def key(self, pieces: int, scaled: bool = False) -> tuple[int, tuple[int, ...]]:
        """The handle of a sub-contraction, and its axes as open edges."""
        found = self.keys.get((pieces, scaled))
        if found is None:
            members = joined(p for k, p in enumerate(self.task.pieces) if pieces >> k & 1)
            edges = self.open_edges(pieces)
            coefficient = self.task.coefficient if scaled else ONE
            handle, perm = self.store.network(draft(members, edges, self.task.dims, coefficient))
            axes = [0] * len(edges)
            for a, p in enumerate(perm):
                axes[p] = edges[a]
            found = self.keys[pieces, scaled] = (handle, tuple(axes))
        return found


def plan_together(contractions: Sequence[Contraction], constant: frozenset[int] = frozenset()) -> list[NetworkPlan]:
    """An order for each contraction; steps with one canonical form in several places are priced once, those of
    `constant` handles alone are free.

    Every contraction is first planned with the shared steps at a discount, then again with those free that the others
    compute; the cheapest round wins (the orders that share nothing on purpose are one of them).
    """
    plain = [c.plain() for c in contractions]
    shared = _shared_keys(contractions)
    free = _constant_keys(contractions, constant)
    shared |= dict.fromkeys(free, 1)
    if not shared:
        return plain
    best, cost = plain, together(contractions, plain, free)
    owners = free | {c.key((1 << len(c.legs)) - 1)[0] for c in contractions if c.legs and not c.scaled}
    weights = {k: 0.0 if k in owners else 1.0 / times for k, times in shared.items()}
    current = [_replanned(c, p, weights) for c, p in zip(contractions, plain, strict=True)]
    # The cheap ones go first: what the dear ones compute is there for them to use.
    ascending = sorted(range(len(contractions)), key=lambda k: plain[k].flops)
    computed = [_computed(c, p) for c, p in zip(contractions, current, strict=True)]
    times = Counter(h for handles in computed for h in handles)
    for _ in range(ROUNDS + 1):
        total = together(contractions, current, free)
        if total < cost:
            best, cost = current, total
        current = list(current)
        for k in ascending:
            contraction = contractions[k]
            times.subtract(computed[k])
            prices = {h: 0.0 if times[h] or h in owners else 1.0 for h in shared}
            current[k] = _replanned(contraction, plain[k], prices)
            computed[k] = _computed(contraction, current[k])
            times.update(computed[k])
    return best


def _shared_keys(contractions: Sequence[Contraction]) -> dict[int, int]:
    """Handles of sub-contractions that occur more than once, with the number of times."""
    repeated = Counter(p.handle for c in contractions for p in c.task.pieces)
    times: Counter[int] = Counter()
    for c in contractions:
        often = sum(1 << k for k, p in enumerate(c.task.pieces) if repeated[p.handle] > 1)
        if often & (often - 1):
            masks = [m if often >> k & 1 else 0 for k, m in enumerate(c.edge_uses)]
            for subset in connected_subsets(masks, LARGEST_SUBSETS):
                if subset & (subset - 1):
                    times[c.key(subset)[0]] += 1
    return {h: n for h, n in times.items() if n > 1}


def connected_subsets(masks: Sequence[int], limit: int) -> list[int]:
    """The connected sets of operands (bit masks) up to `limit` of them, smallest first; none if there are more."""
    neighbours = [sum(1 << j for j, other in enumerate(masks) if other & mask) for mask in masks]
    level = {1 << k for k, mask in enumerate(masks) if mask}
    found: list[int] = []
    while level:
        found += sorted(level)
        if len(found) > limit:
            return []
        grown: set[int] = set()
        for subset in level:
            around = 0
            for k in bits(subset):
                around |= neighbours[k]
            grown.update(subset | 1 << k for k in bits(around & ~subset))
        level = grown
    return found


def _replanned(contraction: Contraction, plain: NetworkPlan, prices: Mapping[int, float]) -> NetworkPlan:
    if len(contraction.legs) < 2:
        return plain
    return _SharedPlanner(contraction, prices).plan(contraction.scaled)


class _SharedPlanner(Planner):
    """Plans a contraction with given prices for the steps that lead to shared handles."""

    def __init__(self, contraction: Contraction, prices: Mapping[int, float]) -> None:
        super().__init__(contraction.legs, contraction.core, contraction.dims, optimizer=contraction.optimizer)
        self.contraction = contraction
        self.prices = prices

    def order(self, part: Sequence[int]) -> Tree:
        plain = super().order(part)
        masks = [self.masks[k] for k in part]
        subsets = connected_subsets(masks, LARGEST_SUBSETS)
        keys = {s: self.contraction.key(sum(1 << part[k] for k in bits(s)))[0] for s in subsets if s & (s - 1)}
        keys = {s: h for s, h in keys.items() if h in self.prices}
        if not keys:
            return plain
        pairs = self._priced(masks, subsets, keys)
        results = tuple(self.results(masks, pairs))
        tree = Tree(part, pairs, results)
        tree.fixed = _below_shared(len(part), pairs, keys)
        return tree

    def _priced(self, masks: Sequence[int], subsets: Sequence[int], keys: Mapping[int, int]) -> tuple[Pair, ...]:
        full = (1 << len(masks)) - 1
        best: dict[int, Best] = {}
        inside = {s: _union(masks, s) for s in subsets}
        kept = {s: inside[s] & (_union(masks, full ^ s) | self.kept) for s in subsets}
        for s in subsets:
            if not s & (s - 1):
                best[s] = (0, 0, 0, {})
                continue
            low = s & -s
            for a in subsets:
                if a >= s or a & s != a or not a & low or s ^ a not in best:
                    continue
                candidate = self._step_price(s, a, best, kept, keys)
                if s not in best or _price(candidate) < _price(best[s]):
                    best[s] = candidate
        return _pairs(len(masks), full, best)

    def _step_price(
        self, s: int, a: int, best: Mapping[int, Best], kept: Mapping[int, int], keys: Mapping[int, int]
    ) -> Best:
        left, right = best[a], best[s ^ a]
        edges = kept[a] | kept[s ^ a]
        cost = self.size(edges) * (2 if edges != kept[s] else 1)
        entries = left[1] + right[1] + self.size(kept[s])
        handle = keys.get(s)
        if handle is not None and not self.prices[handle]:
            return 0, entries, a, {handle: 0}
        known = left[3]
        if right[3]:
            known = {**known, **right[3]}
        if handle is None:
            return left[0] + right[0] + cost, entries, a, known
        return left[0] + right[0], entries, a, {**known, handle: int(cost * self.prices[handle])}


def _price(best: Best) -> tuple[int, int]:
    return best[0] + sum(best[3].values()), best[1]


def _pairs(count: int, full: int, best: Mapping[int, Best]) -> tuple[Pair, ...]:
    pairs: list[Pair] = []
    known = {1 << k: k for k in range(count)}
    stack = [(full, False)]
    while stack:
        s, ready = stack.pop()
        a = best[s][2] if s not in known else 0
        if s in known:
            continue
        if ready:
            pairs.append((known[a], known[s ^ a]))
            known[s] = count + len(pairs) - 1
        else:
            stack += [(s, True), (s ^ a, False), (a, False)]
    return tuple(pairs)


def _below_shared(count: int, pairs: Sequence[Pair], keys: Mapping[int, int]) -> frozenset[int]:
    """Tensors of a path that enter a shared step."""
    sets = [1 << k for k in range(count)]
    for a, b in pairs:
        sets.append(sets[a] | sets[b])
    fixed: set[int] = set()
    for k in range(len(sets) - 1, count - 1, -1):
        if k in fixed or sets[k] in keys:
            fixed.update(pairs[k - count])
    return frozenset(fixed)


def _constant_keys(contractions: Sequence[Contraction], constant: frozenset[int]) -> frozenset[int]:
    """Handles of sub-contractions of constants alone."""
    found: set[int] = set()
    for c in contractions:
        fixed = [p.handle in constant for p in c.task.pieces]
        if sum(fixed) > 1:
            masks = [m if own else 0 for m, own in zip(c.edge_uses, fixed, strict=True)]
            found.update(c.key(s)[0] for s in connected_subsets(masks, LARGEST_SUBSETS) if s & (s - 1))
    return frozenset(found)


def together(
    contractions: Sequence[Contraction], plans: Sequence[NetworkPlan], free: frozenset[int] = frozenset()
) -> int:
    """Operations of all contractions, equal steps once, those to `free` handles not at all."""
    done = set(free)
    return sum(_walk(c, p, done)[0] for c, p in zip(contractions, plans, strict=True))


def _computed(contraction: Contraction, plan: NetworkPlan) -> set[int]:
    return _walk(contraction, plan, set())[1]


def _walk(contraction: Contraction, plan: NetworkPlan, done: set[int]) -> tuple[int, set[int]]:
    """What a plan still has to pay when `done` are known (they grow), and the handles it computes."""
    count = len(contraction.legs)
    sets = [1 << k for k in range(count)]
    scaled = [k == plan.scaled for k in range(count)]
    for k, (a, b) in enumerate(plan.path, count):
        sets.append(sets[a] | sets[b])
        scaled.append(scaled[a] or scaled[b] or k == plan.scaled)
    flops, computed = 0, set[int]()
    stack = [(len(sets) - 1, False)] if sets else []
    while stack:
        k, ready = stack.pop()
        with_factor = scaled[k] and k != plan.scaled
        handle = contraction.key(sets[k], with_factor)[0]
        computed.add(handle)
        if handle in done:
            continue
        if k >= count and not ready:
            a, b = plan.path[k - count]
            stack += [(k, True), (b, False), (a, False)]
            continue
        done.add(handle)
        flops += _own_cost(contraction, sets, plan, k)
    return flops, computed


def _own_cost(contraction: Contraction, sets: Sequence[int], plan: NetworkPlan, k: int) -> int:
    dims, count = contraction.dims, len(contraction.legs)
    kept = mask_of(contraction.open_edges(sets[k]), dims)
    flops = volume(kept, dims) if k == plan.scaled else 0
    if k < count:
        whole = mask_of(contraction.legs[k], dims)
        return flops + (volume(whole, dims) if whole != kept else 0)
    a, b = plan.path[k - count]
    union = mask_of(contraction.open_edges(sets[a]), dims) | mask_of(contraction.open_edges(sets[b]), dims)
    return flops + volume(union, dims) * (2 if union != kept else 1)


def _mask(edges: Iterable[int]) -> int:
    total = 0
    for e in edges:
        total |= 1 << e
    return total


def _union(masks: Sequence[int], subset: int) -> int:
    total = 0
    for k in bits(subset):
        total |= masks[k]
    return total


__all__ = ["Contraction", "connected_subsets", "plan_together", "together"]
