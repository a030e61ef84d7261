"""The columns ours is compared with: an expression as it is written, and flattened into one contraction a term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from math import prod

from tensorgrad.cost import application_cost, network_cost, total_cost
from tensorgrad.diagram import Application, Leaf, Network, Ref, Store, Total, expression, insert
from tensorgrad.diagram.applications import apply
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.expression import children
from tensorgrad.runtime.build import build
from tensorgrad.runtime.planning import Plan, PlanStep, all_sizes, naive_flops, of_program, without_derivatives
from tensorgrad.runtime.program import volume
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Delta, Flat, Product, Rename, Scalar, Sum, Tensor, Variable, renamed, with_children

LARGEST_SUM = 4096
"""Products of sums with more terms than this are not multiplied out."""


@dataclass(frozen=True, slots=True)
class _Priced:
    """A node as written: its own operations and entries, and those of all it is made of (parts counted every time)."""

    own: int
    size: int
    flops: int
    peak: int


def written(t: Tensor, dims: Mapping[str, int] | None = None) -> Plan:
    """The cost of `t` as it is written: each product by its best path, nothing shared, derivatives taken first.

    A product is a `Product` with the products it nests on the left (a chain of @ has no brackets there), but: a sum
    over entries of a matrix product comes after it, as do products in brackets on the right; `diag`, `kron`,
    `khatri_rao` are formed, one operation an entry. A factor that is one object in several places (the X of norm2(X))
    counts once.
    """
    whole = without_derivatives(t)
    sizes = all_sizes([whole], dims)
    priced: dict[int, _Priced] = {}
    steps: list[PlanStep] = []
    names: dict[int, Tensor] = {}
    read: dict[int, tuple[str, ...]] = {}
    kept: list[Tensor] = []
    stack: list[tuple[Tensor, bool]] = [(whole, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in priced:
            continue
        kept.append(node)
        group = _Group(node) if isinstance(node, Product | Rename) else None
        parts = [o for o, _ in group.operands] if group else list(node.children)
        if not ready:
            stack.append((node, True))
            stack.extend((p, False) for p in reversed(parts) if id(p) not in priced)
            continue
        own = group.flops(sizes) if group else _own(node, sizes)
        once = {id(p): priced[id(p)] for p in parts}
        own_name = (node.name,) if isinstance(node, Variable) else ()
        read[id(node)] = tuple(dict.fromkeys((*own_name, *(n for p in parts for n in read[id(p)]))))
        priced[id(node)] = _with_parts(own, volume(node.dims, sizes), list(once.values()))
        if own or isinstance(node, Sum | Apply):
            name = f"t{len(steps) + 1}"
            shape = tuple(map(str, node.dims))
            steps.append(
                PlanStep(name, str(_shallow(node, group, names)), own, priced[id(node)].size, read[id(node)], shape)
            )
            names[id(node)] = Variable(name, edges=node.sizes)
            read[id(node)] = (name,)
    total = priced[id(whole)]
    largest = max((s.size for s in steps), default=0)
    return Plan((("", t),), sizes, total.flops, total.peak, total.flops, largest, tuple(steps))


def _with_parts(own: int, size: int, parts: Sequence[_Priced]) -> _Priced:
    new = size if own else 0
    alive = peak = 0
    for part in parts:
        peak = max(peak, alive + part.peak)
        alive += part.size if part.flops else 0
    return _Priced(own, size, own + sum(p.flops for p in parts), max(peak, alive + new))


def _own(node: Tensor, sizes: Mapping[str, int]) -> int:
    match node:
        case Sum():
            weights = [Poly.constant(w) for w in node.weights]
            if len(weights) == 1 and abs(node.weights[0]) == 1:
                return 0 if node.weights[0] == 1 else _smallest(node.terms[0], sizes)
            return total_cost(volume(node.dims, sizes), weights, [_smallest(term, sizes) for term in node.terms])
        case Apply():
            group = node.acted[0][0] if node.acted and node.acted[0] else ()
            argument = node.args[0].sizes
            produced = {e for g in node.produced for e in g}
            batch = [int(d.evaluate(sizes)) for e, d in node.sizes.items() if e not in produced]
            return application_cost(node.function, batch, [int(argument[e].evaluate(sizes)) for e in group])
        case _:
            return 0


def _smallest(term: Tensor, sizes: Mapping[str, int]) -> int:
    """Entries of the smallest factor of a term."""
    if isinstance(term, Product | Rename):
        return min([volume(o.dims, sizes) for o, _ in _Group(term).operands] or [1])
    return volume(term.dims, sizes)


class _Group:
    """A product with the products that belong to it as written: operands on edges of a draft, no copy tensors."""

    def __init__(self, node: Product | Rename) -> None:
        self.draft = Draft()
        self.operands: list[tuple[Tensor, list[int]]] = []
        legs = self.draft.edges(node.dims)
        self.draft.boundary = list(legs)
        self.flat = False
        stack: list[tuple[Tensor, list[int], Product | None, int]] = [(node, legs, None, 0)]
        while stack:
            t, on, parent, place = stack.pop()
            if isinstance(t, Rename):
                stack.append((t.tensor, on, parent, place))
            elif isinstance(t, Product) and (parent is None or _belongs(t, parent, place)):
                named = dict(zip(t.edges, on, strict=True))
                for f in t.factors:
                    for e, d in f.sizes.items():
                        if e not in named:
                            named[e] = self.draft.edge(d)
                stack.extend((f, [named[e] for e in f.edges], t, k) for k, f in reversed(list(enumerate(t.factors))))
            elif isinstance(t, Delta):
                for leg in on[1:]:
                    self.draft.unify(on[0], leg)
                if not on:
                    self.draft.coefficient = self.draft.coefficient * t.size
            elif isinstance(t, Scalar):
                self.draft.coefficient = self.draft.coefficient * t.value
            elif isinstance(t, Flat):
                self.flat = True
                self.draft.operands.append((-len(t.parts), on))
            else:
                self.operands.append((t, on))

    def flops(self, sizes: Mapping[str, int]) -> int:
        """Operations of the product, its operands given."""
        draft = self.draft
        operands = [(t, [draft.find(e) for e in legs]) for t, legs in self.operands]
        boundary = [draft.find(e) for e in draft.boundary]
        numbers = [1 if d is ONE else int(d.evaluate(sizes)) for d in draft.dims]
        embedded = len(set(boundary)) < len(boundary)
        formed = prod(numbers[e] for e in boundary)
        if self.flat:
            for handle, legs in draft.operands:
                assert handle < FLAT
                fused, *parts = (draft.find(e) for e in legs)
                if all(any(p in on for _, on in operands) for p in parts):
                    boundary = [q for e in boundary for q in (parts if e == fused else [e])]
        legs = [on for _, on in operands]
        plan = network_cost(legs, boundary, numbers, draft.coefficient is not ONE, presum=False)
        return plan.flops + (formed if embedded and operands else 0)


def _belongs(t: Product, parent: Product, place: int) -> bool:
    """Whether a nested product is planned with its parent."""
    if any(isinstance(f, Flat) for f in t.factors) or any(isinstance(f, Flat) for f in parent.factors):
        return False
    if any(isinstance(f, Delta) and sum(e in t.edges for e in f.edges) > 1 for f in t.factors):
        return False
    sums = len({e for f in t.factors for e in f.edges}) > len(t.edges)
    if len(parent.factors) == 1 and sums and len(parent.edges) < len(t.edges):
        return False
    tensors = [k for k, f in enumerate(parent.factors) if not isinstance(f, Delta | Scalar)]
    return not sums or place == tensors[0]


def _shallow(node: Tensor, group: _Group | None, names: Mapping[int, Tensor]) -> Tensor:
    """The node with its priced parts replaced by variables named after their steps."""
    if id(node) in names:
        return names[id(node)]
    inside = {id(o) for o, _ in group.operands} if group else {id(c) for c in node.children}
    done: dict[int, Tensor] = {}
    stack: list[tuple[Tensor, bool]] = [(node, False)]
    while stack:
        t, ready = stack.pop()
        if id(t) in done:
            continue
        if t is not node and id(t) in names:
            done[id(t)] = renamed(names[id(t)], t.edges)
        elif t is not node and id(t) in inside and not t.children:
            done[id(t)] = t
        elif ready:
            done[id(t)] = with_children(t, tuple(done[id(c)] for c in t.children))
        else:
            stack.append((t, True))
            stack.extend((c, False) for c in t.children)
    return done[id(node)]


def flattened(t: Tensor, dims: Mapping[str, int] | None = None) -> Plan:
    """The cost of `t` with everything inlined into one contraction for each term, by its best path, nothing shared."""
    whole = without_derivatives(t)
    sizes = all_sizes([whole], dims)
    store = Store()
    flat, ref = multiplied_out(store, insert(store, whole))
    program = build(flat, {"": ref}, sizes, share=False)
    shown = expression(flat, ref, whole.edges)
    return of_program(program, sizes, (("", shown),), naive_flops(flat, program, [ref[0]], sizes))


def multiplied_out(store: Store, ref: Ref) -> tuple[Store, Ref]:
    """The reference in a new store, every product of sums multiplied out (up to `LARGEST_SUM` terms)."""
    flat = Store()
    done: dict[int, Ref] = {}
    stack = [ref[0]]
    while stack:
        handle = stack[-1]
        if handle in done:
            stack.pop()
            continue
        node = store.nodes[handle]
        missing = [h for h in children(node) if h not in done]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        match node:
            case Leaf():
                index = None if node.index is None else done[node.index][0]
                leaf = Leaf(node.key, node.tensor, index)
                done[handle] = flat.leaf(leaf, store.dims[handle], store.group_of(handle).generators)
            case Application():
                done[handle] = apply(flat, node.function, [(done[h], labels) for h, labels in node.args], node.groups)
            case Total():
                terms = [(c, _turned(done[h], perm)) for c, h, perm in node.terms]
                done[handle] = flat.total(terms, node.dims)
            case Network():
                done[handle] = _network(flat, node, done)
    return flat, _turned(done[ref[0]], ref[1])


def _turned(ref: Ref, perm: Sequence[int]) -> Ref:
    return ref[0], tuple(ref[1][p] for p in perm)


def _network(flat: Store, node: Network, done: Mapping[int, Ref]) -> Ref:
    draft = Draft(node.coefficient)
    draft.edges(node.dims)
    draft.boundary = list(node.boundary)
    for handle, legs in node.operands:
        ref = (handle, tuple(range(len(legs)))) if handle < FLAT else done[handle]
        draft.operands.append(_attached(ref, legs))
    ref = flat.network(draft)
    whole = flat.nodes[ref[0]]
    return _turned(_distributed(flat, whole), ref[1]) if isinstance(whole, Network) else ref


def _attached(ref: Ref, legs: Sequence[int]) -> tuple[int, list[int]]:
    """A reference whose axes are attached to `legs`, as an operand."""
    by_axis = [0] * len(legs)
    for a, p in enumerate(ref[1]):
        by_axis[p] = legs[a]
    return ref[0], by_axis


def _distributed(flat: Store, node: Network) -> Ref:
    """A network multiplied out over the sums among its operands (whose terms are multiplied out already)."""
    choices: list[list[tuple[Poly, tuple[int, Sequence[int]]]]] = []
    count = 1
    for handle, legs in node.operands:
        total = flat.nodes[handle] if handle > FLAT else None
        if isinstance(total, Total) and total.terms and count * len(total.terms) <= LARGEST_SUM:
            count *= len(total.terms)
            choices.append([(c, _attached((h, perm), legs)) for c, h, perm in total.terms])
        else:
            choices.append([(ONE, (handle, legs))])
    terms: list[tuple[Poly, Ref]] = []
    for combination in combinations(*choices):
        draft = Draft(node.coefficient)
        draft.edges(node.dims)
        draft.boundary = list(node.boundary)
        for coefficient, operand in combination:
            draft.coefficient = draft.coefficient * coefficient
            draft.operands.append(operand)
        terms.append((ONE, flat.network(draft)))
    return terms[0][1] if len(terms) == 1 else flat.total(terms, [node.dims[e] for e in node.boundary])
