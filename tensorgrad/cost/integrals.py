"""The price of an expectation that has no closed form: its integrand at many points, weighed and added up."""

from __future__ import annotations

from tensorgrad.cost.prices import symbolic_cost, total_cost
from tensorgrad.diagram import Application, Handle, Leaf, Network, Node, Store, Total, insert
from tensorgrad.diagram.draft import FLAT
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Expectation

QUADRATURE = 4096
"""The points at which the integrand is taken to be evaluated."""


def integral_cost(t: Expectation) -> Poly:
    """The operations of an expectation as a polynomial in the sizes.

    >>> from tensorgrad.tensor import Variable, Apply
    >>> from tensorgrad.function import FUNCTIONS
    >>> x = Variable("x", i="n")
    >>> print(integral_cost(Expectation(Apply(FUNCTIONS["tanh"], (x,)), x)))
    12288*n
    """
    store = Store()
    insert(store, t.args[0])
    once = ZERO
    for handle, node in enumerate(store.nodes):
        once = once + _operations(store, handle, node)
    return (once + _volume(t.dims) * 2) * QUADRATURE


def _operations(store: Store, handle: Handle, node: Node) -> Poly:
    match node:
        case Leaf():
            return integral_cost(node.tensor) if isinstance(node.tensor, Expectation) else ZERO
        case Application():
            batch = {b: d for h, ls in node.args for b, d in zip(ls, store.dims[h], strict=True) if b >= 0}
            acted = {b: d for h, ls in node.args[:1] for b, d in zip(ls, store.dims[h], strict=True) if b < 0}
            group = _volume(tuple(acted[-1 - k] for k in range(node.groups[0]))) if node.groups else ONE
            factor, exponent = node.function.cost
            return _volume(tuple(batch.values())) * group**exponent * factor
        case Network():
            legs = [ls for h, ls in node.operands if h >= FLAT]
            scaled = not (node.coefficient.is_constant and abs(node.coefficient.number) == 1)
            return symbolic_cost(legs, node.boundary, node.dims, scaled and bool(legs))
        case Total():
            return _volume(store.dims[handle]) * total_cost(1, [c for c, _, _ in node.terms])


def _volume(dims: tuple[Poly, ...]) -> Poly:
    total = ONE
    for dim in dims:
        total = total * dim
    return total
