"""Expectations eliminated: each E, innermost first, becomes what its law says of its integrand (tower rule).

What an inner expectation leaves of an outer variable is integrated by the outer one, so variables are independent
unless a law contains another variable. An integrand without closed form stays an opaque E, constants taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorgrad.calculus.laws import free_names
from tensorgrad.calculus.mean import Mean, Step, tensor_ref
from tensorgrad.calculus.wick import Gaussian, independent, raw_moments
from tensorgrad.diagram import Store, expression
from tensorgrad.errors import UnsupportedError
from tensorgrad.tensor import Apply, Derivative, Expectation, Scalar, Tensor, Variable, align, postorder, with_children

Differentiate = Callable[[Tensor, Variable, Sequence[str]], Tensor]

SMOOTH = frozenset(
    "exp sin cos sinh cosh tanh sigmoid softplus erf gelu softmax log_softmax logsumexp det adj expm sinm cosm".split()
)
"""Functions that have all derivatives everywhere."""

KINKED = frozenset(["relu", "abs", "max"])
"""Functions that are continuous, with one derivative almost everywhere: good for Stein's lemma once."""


def eliminate(t: Tensor, differentiate: Differentiate) -> Tensor:
    """`t` (without Var, Cov and derivatives) with every expectation evaluated as far as its law goes."""
    if not any(isinstance(n, Expectation) for n in postorder(t)):
        return t
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        children = tuple(align(done[id(c)], c.edges) for c in node.children)
        new = with_children(node, children)
        done[id(node)] = _value(new, differentiate) if isinstance(new, Expectation) else new
    return done[id(t)]


def _value(node: Expectation, differentiate: Differentiate) -> Tensor:
    argument = node.args[0]
    store = Store()
    mean = Mean(store, node.variable, node.law, _step(node, differentiate))
    ref = mean.of(tensor_ref(store, argument, node.edges))
    return expression(store, ref, node.edges)


def _step(node: Expectation, differentiate: Differentiate) -> Step:
    if node.law is None or node.law.kind == "law":
        return raw_moments
    if node.law.kind == "iid":
        return independent

    def derivative(inside: Tensor, names: Sequence[str]) -> Tensor:
        require_smooth(inside, node.variable, 1, "Stein's lemma")
        return differentiate(inside, node.variable, names)

    return Gaussian(derivative)


def require_smooth(t: Tensor, x: Variable, times: int, what: str) -> None:
    """UnsupportedError, naming the function, unless `t` may be differentiated in x so often under an expectation.

    A jump or a pole of the integrand would need a term of its own, which the derivative almost everywhere lacks.
    """
    for node in postorder(t):
        if isinstance(node, Derivative):
            raise UnsupportedError(f"{what} of an integrand with a derivative left in it")
        if not isinstance(node, Apply) or x.name not in free_names(node) or not node.function.known:
            continue
        name = node.function.name
        natural = name == "pow" and _natural(node)
        kinked = name in KINKED and times == 1 and not node.function.derivative
        if not (natural or kinked or name in SMOOTH):
            raise UnsupportedError(
                f"{what} for {node.function} of {x.name}: its derivative misses jumps and poles under an expectation"
            )


def _natural(node: Apply) -> bool:
    exponent = node.args[1]
    if not isinstance(exponent, Scalar) or not exponent.value.is_constant:
        return False
    return exponent.value.number.denominator == 1 and exponent.value.number >= 0
