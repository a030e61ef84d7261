"""Expectations eliminated: each E, innermost first, becomes what its law says of its integrand (tower rule).

What an inner expectation leaves of an outer variable is integrated by the outer one, so variables are independent
unless a law contains another variable. An integrand without closed form stays an opaque E, constants taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tensorgrad.calculus.closing import Integrand, Offer
from tensorgrad.calculus.forms import ClosedForm
from tensorgrad.calculus.laws import free_names
from tensorgrad.calculus.mean import Closed, Mean, Operand, Step, tensor_ref
from tensorgrad.calculus.wick import Gaussian, independent, raw_moments
from tensorgrad.diagram import Store, expression
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Derivative, Expectation, Scalar, Tensor, Variable, align, postorder, with_children

Differentiate = Callable[[Tensor, Variable, Sequence[str]], Tensor]

SMOOTH = frozenset(
    "exp sin cos sinh cosh tanh sigmoid softplus erf gelu softmax log_softmax logsumexp det adj expm sinm cosm".split()
)
"""Functions that have all derivatives everywhere."""

KINKED = frozenset(["relu", "abs", "max"])
"""Functions that are continuous, with one derivative almost everywhere: good for Stein's lemma once."""


def eliminate(t: Tensor, differentiate: Differentiate, forms: Sequence[ClosedForm]) -> Tensor:
    """`t` (without Var, Cov and derivatives) with every expectation evaluated as far as its law goes."""
    if not any(isinstance(n, Expectation) for n in postorder(t)):
        return t
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        children = tuple(align(done[id(c)], c.edges) for c in node.children)
        new = with_children(node, children)
        done[id(node)] = _value(new, differentiate, forms) if isinstance(new, Expectation) else new
    return done[id(t)]


def _value(node: Expectation, differentiate: Differentiate, forms: Sequence[ClosedForm]) -> Tensor:
    argument = node.args[0]
    store = Store()
    mean = Mean(store, node.variable, node.law, _step(node, differentiate), _closing(differentiate, forms))
    ref = mean.of(tensor_ref(store, argument, node.edges))
    return expression(store, ref, node.edges)


def _closing(differentiate: Differentiate, forms: Sequence[ClosedForm]) -> Closed:
    """Closed forms that need no fact, with the expectations in them taken too."""

    def closed(mean: Mean, operands: Sequence[Operand], dims: Sequence[Poly]) -> Tensor | None:
        if mean.law is None or mean.law.kind != "N":
            return None
        whole = Integrand(mean.store, mean.variable, mean.x, mean.law, operands, dims, differentiate)
        offer = next((o for o in whole.offers(forms) if not o.needs), None)
        return None if offer is None else align(eliminate(offer.value, differentiate, forms), offer.value.edges)

    return closed


def offers(node: Expectation, differentiate: Differentiate, forms: Sequence[ClosedForm]) -> list[Offer]:
    """What an opaque expectation equals under facts that it is not known to satisfy; the edges are those of `node`."""
    law = node.law
    if law is None or law.kind != "N":
        return []
    store = Store()
    found: list[Offer] = []

    def closed(mean: Mean, operands: Sequence[Operand], dims: Sequence[Poly]) -> Tensor | None:
        whole = Integrand(mean.store, mean.variable, mean.x, law, operands, dims, differentiate)
        found.extend(whole.offers(forms))
        return None

    mean = Mean(store, node.variable, law, _step(node, differentiate), closed)
    core = tensor_ref(store, node.args[0], node.edges)
    mean.closed(core)
    return [replace(o, value=expression(store, mean.restored(core, o.value), node.edges)) for o in found]


def _step(node: Expectation, differentiate: Differentiate) -> Step:
    if node.law is None or node.law.kind == "law":
        return raw_moments
    if node.law.kind == "iid":
        return independent

    def derivative(inside: Tensor, names: Sequence[str]) -> Tensor | None:
        if rough(inside, node.variable, 1):
            return None
        return differentiate(inside, node.variable, names)

    return Gaussian(derivative)


def rough(t: Tensor, x: Variable, times: int) -> str:
    """The function of x in `t` that forbids to differentiate it in x so often under an expectation; empty if none does.

    A jump or a pole of the integrand would need a term of its own, which the derivative almost everywhere lacks.
    """
    for node in postorder(t):
        if isinstance(node, Derivative):
            return "a derivative"
        if not isinstance(node, Apply) or x.name not in free_names(node) or not node.function.known:
            continue
        name = node.function.name
        natural = name == "pow" and _natural(node)
        kinked = name in KINKED and times == 1 and not node.function.derivative
        if not (natural or kinked or name in SMOOTH):
            return str(node.function)
    return ""


def require_smooth(t: Tensor, x: Variable, times: int, what: str) -> None:
    """UnsupportedError, naming the function, unless `t` may be differentiated in x so often under an expectation."""
    name = rough(t, x, times)
    if name:
        raise UnsupportedError(
            f"{what} for {name} of {x.name}: its derivative misses jumps and poles under an expectation"
        )


def _natural(node: Apply) -> bool:
    exponent = node.args[1]
    if not isinstance(exponent, Scalar) or not exponent.value.is_constant:
        return False
    return exponent.value.number.denominator == 1 and exponent.value.number >= 0
