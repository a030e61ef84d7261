"""Layers and steps of training, all composed of primitives: their derivatives are derived."""

from __future__ import annotations

from fractions import Fraction

from tensorgrad.errors import EdgeError
from tensorgrad.functions.edges import Dim, along, chosen, shared
from tensorgrad.functions.reductions import log_softmax, mean, softmax
from tensorgrad.functions.reductions import sum as sum_
from tensorgrad.functions.structure import dot
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Scalar, Tensor, TensorLike, broadcast, power, tensor


def cross_entropy(t: Tensor, target: Tensor, dim: Dim = None) -> Tensor:
    """-sum(target * log(softmax(t))) along edges. Only a vector can do without `dim`.

    >>> from tensorgrad import F, Variable
    >>> z, y = Variable("z", i="n"), Variable("y", i="n")
    >>> print(F.cross_entropy(z, y).grad(z).simplify())
    sum(y) * softmax(z) - y
    """
    edges = along(t, dim, "cross_entropy")
    for edge in edges:
        if edge not in target.edges:
            raise EdgeError(
                f"cross_entropy along {edge!r}: the target has no such edge, it has {', '.join(target.edges) or 'none'}; "
                "for class numbers take F.one_hot(target, ...)"
            )
    return -sum_(target * log_softmax(t, edges), edges)


def pairwise_distance(left: Tensor, right: Tensor, dim: Dim) -> Tensor:
    """The squared Euclidean distance along `dim`: sum((left - right)**2); other edges align or broadcast.

    >>> from tensorgrad import F, Variable
    >>> x, y = Variable("x", i="n", d="d"), Variable("y", j="m", d="d")
    >>> F.pairwise_distance(x, y, "d").edges
    ('i', 'j')
    """
    edges = chosen(left, dim)
    shared(edges, right, "pairwise_distance")
    difference = broadcast(left, right.sizes) - broadcast(right, left.sizes)
    return sum_(difference * difference, edges)


def layer_norm(t: Tensor, dim: Dim = None, eps: TensorLike = 0) -> Tensor:
    """(t - mean) / sqrt(variance + eps) along `dim` (one edge, several, or None for all).

    >>> from tensorgrad import F, Variable
    >>> print(F.layer_norm(Variable("x", i="n"), "i"))
    (x - sum(x) / n) / sqrt(norm2(x - sum(x) / n) / n)
    """
    centred = t - mean(t, dim, keepdims=True)
    return centred * power(mean(centred * centred, dim) + eps, Fraction(-1, 2))


def sdpa(query: Tensor, key: Tensor, value: Tensor, inner: str, keys: str, mask: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention: softmax over `keys` of query . key / sqrt(inner), times value.

    A `mask` is added to the scores; -inf in its values is what is not attended to. A row of nothing else is undefined.

    >>> from tensorgrad import F, Variable
    >>> q, k, v = Variable("q", s="s", d="d"), Variable("k", t="t", d="d"), Variable("v", t="t", e="e")
    >>> F.sdpa(q, k, v, "d", "t").edges
    ('s', 'e')
    """
    shared((keys,), value, "sdpa")
    scale = power(Scalar(_size_of(query, inner)), Fraction(-1, 2))
    scores = dot(query, key, inner) * scale
    if mask is not None:
        scores = scores + mask
    return dot(softmax(scores, keys), value, keys)


def _size_of(t: Tensor, edge: str) -> Poly:
    (name,) = chosen(t, edge)
    return t.sizes[name]


def _kept(share: Tensor, moment: TensorLike) -> TensorLike:
    """What is left of a moment; the number 0 where there was none."""
    return share * moment if isinstance(moment, Tensor) or moment else 0


def adamw(
    parameter: Tensor,
    gradient: Tensor,
    first: TensorLike = 0,
    second: TensorLike = 0,
    *,
    step: TensorLike = 1,
    lr: TensorLike = 0.001,
    betas: tuple[TensorLike, TensorLike] = (0.9, 0.999),
    eps: TensorLike = 1e-8,
    weight_decay: TensorLike = 0.01,
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of AdamW (Loshchilov and Hutter 2019): the new parameter and the new moments.

    Args: the parameter and its gradient, of the same edges; the moments so far, and the number of this step, from 1.

    >>> from tensorgrad import Variable
    >>> new, first, second = adamw(Variable("w", i="n"), Variable("g", i="n"))
    >>> new.edges, second.edges
    (('i',), ('i',))
    """
    if set(parameter.edges) != set(gradient.edges):
        raise EdgeError(
            f"adamw: the parameter has the edges {', '.join(parameter.edges) or 'none'}, "
            f"its gradient {', '.join(gradient.edges) or 'none'}"
        )
    if len(betas) != 2:
        raise EdgeError(f"adamw: betas are two numbers, those of the first and of the second moment, not {len(betas)}")
    (beta1, beta2), count = (tensor(b) for b in betas), tensor(step)
    first_moment = _kept(beta1, first) + (1 - beta1) * gradient
    second_moment = _kept(beta2, second) + (1 - beta2) * gradient**2
    mean_gradient = first_moment / (1 - beta1**count)
    scale = power(second_moment / (1 - beta2**count), Fraction(1, 2)) + eps
    return parameter * (1 - tensor(lr) * weight_decay) - tensor(lr) * mean_gradient / scale, first_moment, second_moment
