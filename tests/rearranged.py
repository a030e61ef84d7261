"""The same expression presented differently: factors, terms, groupings, names of bound edges."""

from __future__ import annotations

import random
from fractions import Fraction

from tensorgrad.tensor import Apply, Derivative, Expectation, Product, Rename, Sum, Tensor, postorder, with_children


def rearranged(t: Tensor, rng: random.Random) -> Tensor:
    """The same tensor with factors and terms in another order, bound edges renamed, products and sums regrouped."""
    done: dict[int, Tensor] = {}
    bound = {id(node.variable) for node in postorder(t) if isinstance(node, Derivative | Expectation)}
    for node in postorder(t):
        if id(node) in bound:
            done[id(node)] = node
            continue
        new = with_children(node, tuple(done[id(c)] for c in node.children))
        if isinstance(node, Product):
            new = _product(new, rng)
        elif isinstance(node, Sum):
            new = _sum(new, rng)
        elif isinstance(node, Apply):
            new = _application(new, rng)
        if rng.random() < 0.3 and new.order > 1:
            edges = list(new.edges)
            rng.shuffle(edges)
            new = Product((new,), edges)
        if rng.random() < 0.2:
            fresh = [f"w{k}" for k in range(new.order)]
            new = Rename(Rename(new, tuple(fresh)), new.edges)
        done[id(node)] = new
    return done[id(t)]


def _product(t: Tensor, rng: random.Random) -> Tensor:
    assert isinstance(t, Product)
    bound = sorted({e for f in t.factors for e in f.edges} - set(t.edges))
    fresh = [f"b{rng.randrange(100)}_{k}" for k in range(len(bound))]
    rng.shuffle(fresh)
    names = dict(zip(bound, fresh, strict=True))
    factors = [f.rename({e: names[e] for e in f.edges if e in names}) for f in t.factors]
    rng.shuffle(factors)
    while len(factors) > 1 and rng.random() < 0.6:
        count = rng.randint(1, len(factors))
        inner, outer = factors[:count], factors[count:]
        seen = {e for f in outer for e in f.edges}
        kept = list(dict.fromkeys(e for f in inner for e in f.edges if e in t.edges or e in seen))
        rng.shuffle(kept)
        factors = [Product(inner, kept), *outer]
        rng.shuffle(factors)
        if count == 1:
            break
    return Product(factors, t.edges)


def _sum(t: Tensor, rng: random.Random) -> Tensor:
    assert isinstance(t, Sum)
    pairs = list(zip(t.terms, t.weights, strict=True))
    rng.shuffle(pairs)
    if rng.random() < 0.5:
        cut = rng.randint(0, len(pairs) - 1)
        factor = Fraction(rng.choice([-2, 1, 3]), rng.choice([1, 2]))
        inner = Sum(tuple(x for x, _ in pairs[cut:]), tuple(w / factor for _, w in pairs[cut:]))
        pairs = [(inner, factor), *pairs[:cut]]
    return Sum(tuple(x for x, _ in pairs), tuple(w for _, w in pairs))


def _application(t: Tensor, rng: random.Random) -> Tensor:
    """The acted edges renamed."""
    assert isinstance(t, Apply)
    args: list[Tensor] = []
    acted: list[tuple[tuple[str, ...], ...]] = []
    for arg, groups in zip(t.args, t.acted, strict=True):
        names = {e: f"v{rng.randrange(100)}_{k}" for k, e in enumerate(e for g in groups for e in g)}
        args.append(arg.rename(names))
        acted.append(tuple(tuple(names[e] for e in g) for g in groups))
    return Apply(t.function, args, acted, t.produced)
