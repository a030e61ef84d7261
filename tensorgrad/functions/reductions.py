"""Reductions over edges, and the softmax family."""

from __future__ import annotations

from tensorgrad.function import FUNCTIONS
from tensorgrad.functions.edges import Dim, along, chosen
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Product, Scalar, Tensor, broadcast, power

# ruff: noqa: A001 - the names are those of the mathematics, as in NumPy and torch


def _kept(reduced: Tensor, t: Tensor, keepdims: bool) -> Tensor:
    return broadcast(reduced, t.sizes) if keepdims else reduced


def sum(t: Tensor, dim: Dim = None, keepdims: bool = False) -> Tensor:
    """The sum over edges.

    >>> from tensorgrad import Variable
    >>> sum(Variable("X", "n", "m"), "m").edges
    ('n',)
    """
    edges = chosen(t, dim)
    return _kept(Product((t,), [e for e in t.edges if e not in edges]), t, keepdims)


def mean(t: Tensor, dim: Dim = None, keepdims: bool = False) -> Tensor:
    """The mean over edges: the sum divided by their sizes.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.mean(x).grad(x).simplify())
    ones[n] / n
    """
    count: Poly = ONE
    for edge in chosen(t, dim):
        count = count * t.sizes[edge]
    total = sum(t, dim)
    # Laurent polynomials hold 1/(n*m) exactly; the inverse of a size that is itself a sum is a power node.
    inverse = Scalar(count.inverse()) if count.is_monomial else power(Scalar(count), -1)
    return _kept(Product((inverse, total), total.edges), t, keepdims)


def _reducing(name: str, t: Tensor, dim: Dim) -> Tensor:
    return Apply(FUNCTIONS[name], (t,), ((chosen(t, dim),),))


def _acting(name: str, t: Tensor, dim: Dim) -> Tensor:
    group = along(t, dim, name)
    return Apply(FUNCTIONS[name], (t,), ((group,),), (group,))


def max(t: Tensor, dim: Dim = None, keepdims: bool = False) -> Tensor:
    """The greatest entry along edges.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n", j="m")
    >>> F.max(x, "j").edges, F.max(x, "j", keepdims=True).edges
    (('i',), ('i', 'j'))
    >>> print(F.max(x, "j"))
    max(x)
    """
    return _kept(_reducing("max", t, dim), t, keepdims)


def prod(t: Tensor, dim: Dim = None, keepdims: bool = False) -> Tensor:
    """The product of the entries along edges.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.log(F.prod(F.exp(x))).simplify())
    sum(x)
    """
    return _kept(_reducing("prod", t, dim), t, keepdims)


def logsumexp(t: Tensor, dim: Dim = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(t))) along edges, computed without overflow.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.logsumexp(x).grad(x).simplify())
    softmax(x)
    """
    return _kept(_reducing("logsumexp", t, dim), t, keepdims)


def softmax(t: Tensor, dim: Dim = None) -> Tensor:
    """exp(t) / sum(exp(t)) along edges; several edges act as one. Only a vector can do without `dim`.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.softmax(x)).simplify())
    1
    """
    return _acting("softmax", t, dim)


def log_softmax(t: Tensor, dim: Dim = None) -> Tensor:
    """t - logsumexp(t) along edges. Only a vector can do without `dim`.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.exp(F.log_softmax(x))).simplify())
    1
    """
    return _acting("log_softmax", t, dim)
