"""Derivatives of expressions with expectations inside: of the integrand, and of the law (Bonnet, Price).

Decided on the text, before any fact is used: expectations are still nodes here.

    d E[f] / dmu = E[f']        d E[f] / dSigma = E[f''] / 2, which is symmetric        (x normal)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from tensorgrad.calculus.covariance import bare, places_in
from tensorgrad.calculus.expectation import require_smooth
from tensorgrad.calculus.laws import expected, free_names, outermost
from tensorgrad.errors import UnsupportedError
from tensorgrad.functions.edges import fresh
from tensorgrad.tensor import Expectation, Product, Sum, Tensor, Variable, Zero, align, postorder, rebuild, renamed

Differentiate = Callable[[Tensor, Variable, Sequence[str]], Tensor]


def through(t: Tensor, u: Variable, names: Sequence[str], differentiate: Differentiate) -> Tensor:
    """The derivative of `t`, which has expectations inside, by the entries of `u`: the edges of `t`, then `names`.

    In a covariance that is the law of an expectation inside, it is averaged over the exchange of its two halves.
    """
    nodes = outermost(t)
    taken = {v.name for v in t.variables} | {u.name}
    holders: list[Variable] = []
    for node in nodes:
        holders.append(Variable(fresh(["E_"], {*taken, *(h.name for h in holders)})[0], edges=node.sizes))
    place = {id(node): holder for node, holder in zip(nodes, holders, strict=True)}
    back = {holder.name: node for node, holder in zip(nodes, holders, strict=True)}
    plain = rebuild(t, lambda n: place.get(id(n)))
    edges = (*t.edges, *names)
    found = [differentiate(plain, u, names)]
    for node, holder in zip(nodes, holders, strict=True):
        if u.name in free_names(node):
            inner = fresh(holder.edges, {*edges, *node.edges})
            outer = differentiate(plain, holder, inner)
            apart = fresh(names, {*edges, *node.edges, *inner})
            own = _of_mean(node, u, apart, differentiate)
            moved = dict(zip((*node.edges, *apart), (*inner, *names), strict=True))
            own = renamed(own, tuple(moved.get(e, e) for e in own.edges))
            found.append(Product((outer, own), edges))
    total = _sum([f for f in found if not isinstance(f, Zero)], edges, (*t.dims, *u.dims))
    total = rebuild(total, lambda n: back.get(n.name) if isinstance(n, Variable) else None)
    places = _places(t, u)
    return total if places is None else _exchanged(total, [names[a] for a in places])


def _sum(terms: Sequence[Tensor], edges: tuple[str, ...], dims: Sequence[object]) -> Tensor:
    if not terms:
        return Zero(edges=dict(zip(edges, dims, strict=True)))  # type: ignore[arg-type]
    return align(Sum(tuple(terms), (Fraction(1),) * len(terms)), edges)


def _places(t: Tensor, u: Variable) -> tuple[int, ...] | None:
    """Where `u` is the covariance of a law in `t`, its axes as the covariance has them, in two halves; else None."""
    for node in postorder(t):
        if isinstance(node, Expectation) and node.law is not None and node.law.kind != "iid":
            covariance = bare(node.law.parameters[1])
            if covariance is not None and covariance.name == u.name and u.order:
                return places_in(node.law.parameters[1], covariance)
    return None


def _exchanged(t: Tensor, names: Sequence[str]) -> Tensor:
    """The average of `t` and of `t` with the two halves of `names` exchanged."""
    half = len(names) // 2
    swap = dict(zip(names, (*names[half:], *names[:half]), strict=True))
    other = renamed(t, tuple(swap.get(e, e) for e in t.edges))
    return align(Sum((t, other), (Fraction(1, 2), Fraction(1, 2))), t.edges)


def _of_mean(node: Expectation, u: Variable, names: Sequence[str], differentiate: Differentiate) -> Tensor:
    """The derivative of E[x](y): in y, in the mean and in the covariance of x."""
    y, x, law = align(node.args[0], node.edges), node.variable, node.law
    edges, dims = (*node.edges, *names), (*node.dims, *u.dims)
    terms: list[Tensor] = []
    if u.name != x.name and u.name in free_names(y):
        terms.append(align(expected(node, differentiate(y, u, names)), edges))
    for place, parameter in enumerate(law.parameters if law else ()):
        if u.name not in free_names(parameter):
            continue
        if law is None or law.kind != "N":
            raise UnsupportedError(f"the derivative of E[{x.name}] in a parameter of a law that is not normal")
        require_smooth(y, x, place + 1, ("Bonnet's theorem", "Price's theorem")[place])
        new = fresh(x.edges, {*edges, *y.edges})
        inside = differentiate(y, x, new)
        if place:
            more = fresh(x.edges, {*edges, *y.edges, *new})
            inside, new = differentiate(inside, x, more), (*new, *more)
        slope = differentiate(renamed(parameter, new), u, names)
        product = Product((expected(node, inside), slope), edges)
        terms.append(Sum((product,), (Fraction(1, 2),)) if place else product)
    return _sum(terms, edges, dims)
