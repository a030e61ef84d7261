"""Functions of tensors with named edges: `import tensorgrad.functions as F`.

Edges are chosen by name: `dim=` takes one name, several, or None for all; `keepdims=True` keeps a reduced edge, with
the reduced value all along it. What the notation has no form for yet raises UnsupportedError when called.
"""

from __future__ import annotations

from typing import Any, NoReturn

from tensorgrad.errors import UnsupportedError
from tensorgrad.functions.elementwise import (
    abs,
    cos,
    cosh,
    erf,
    exp,
    gelu,
    gt,
    gt0,
    log,
    maximum,
    pow,
    relu,
    sigmoid,
    sign,
    sin,
    sinh,
    softplus,
    sqrt,
    tan,
    tanh,
)
from tensorgrad.functions.matrix import adjugate, det, expm, inverse, logdet, logm, pinv, solve, sqrtm
from tensorgrad.functions.reductions import cross_entropy, log_softmax, logsumexp, max, mean, softmax, sum
from tensorgrad.functions.structure import (
    Convolution,
    Ones,
    diag,
    dot,
    flatten,
    frobenius2,
    function,
    kronecker,
    layer_norm,
    multi_dot,
    one_hot,
    pairwise_distance,
    sdpa,
    symmetrize,
    taylor,
    trace,
)

__all__ = [
    "Convolution",
    "Ones",
    "abs",
    "adjugate",
    "cos",
    "cosh",
    "cross_entropy",
    "det",
    "diag",
    "dot",
    "erf",
    "exp",
    "expm",
    "flatten",
    "frobenius2",
    "function",
    "gelu",
    "gt",
    "gt0",
    "inverse",
    "kronecker",
    "layer_norm",
    "log",
    "log_softmax",
    "logdet",
    "logm",
    "logsumexp",
    "max",
    "maximum",
    "mean",
    "multi_dot",
    "one_hot",
    "pairwise_distance",
    "pinv",
    "pow",
    "relu",
    "sdpa",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "solve",
    "sqrt",
    "sqrtm",
    "sum",
    "symmetrize",
    "tan",
    "tanh",
    "taylor",
    "trace",
]

LATER = frozenset("prod graph argmax argsort sort equal cholesky adamw collect gather concat window Reshape".split())
"""Names of the interface that no tensor node expresses yet."""


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"module 'tensorgrad.functions' has no attribute {name!r}")

    def later(*_: object, **__: object) -> NoReturn:
        raise UnsupportedError(f"F.{name}")

    return later
