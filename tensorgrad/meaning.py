"""What functions mean numerically, in NumPy: `meaning(np, *arrays)` with acted groups last, one axis a group, batch axes
leading and broadcasting; NaN where undefined. Written from the definitions: the oracle that checks everything else."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import erf as erf_of
from typing import Any

Numeric = Callable[..., Any]


def sigmoid(np: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def logsumexp(np: Any, x: Any) -> Any:
    """Along the last axis, without overflow."""
    top = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]


def softmax(np: Any, x: Any) -> Any:
    """Along the last axis, without overflow."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def erf(np: Any, x: Any) -> Any:
    """The error function."""
    return np.vectorize(erf_of, otypes=[float])(x)


def inverse(np: Any, x: Any) -> Any:
    """Undefined where ill-conditioned."""
    singular = (np.linalg.cond(x) > 1e12)[..., None, None]
    return np.where(singular, np.nan, np.linalg.inv(np.where(singular, np.eye(x.shape[-1]), x)))


def singular(np: Any, x: Any) -> Any:
    """Whether a matrix is singular but for the rounding of its entries: its rank once rows and columns are scaled."""
    rows = np.abs(x).max(axis=-1, keepdims=True)
    x = x / np.where(rows > 0, rows, 1.0)
    columns = np.abs(x).max(axis=-2, keepdims=True)
    values = np.linalg.svd(x / np.where(columns > 0, columns, 1.0), compute_uv=False)
    return values[..., -1] <= 1e-14 * values[..., 0]


def det(np: Any, x: Any) -> Any:
    """Zero where the matrix is singular but for rounding."""
    return np.where(singular(np, x), 0.0, np.linalg.det(x))


def logdet(np: Any, x: Any) -> Any:
    """log of abs of det, undefined where that is zero."""
    vanishes = singular(np, x)
    safe = np.where(vanishes[..., None, None], np.eye(x.shape[-1]), x)
    return np.where(vanishes, np.nan, np.linalg.slogdet(safe)[1])


def adjugate(np: Any, x: Any) -> Any:
    """By minors."""
    n = x.shape[-1]
    out = np.empty(x.shape)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(x, j, axis=-2), i, axis=-1)
            out[..., i, j] = (-1) ** (i + j) * (np.linalg.det(minor) if n > 1 else 1.0)
    return out


def expm(_: Any, x: Any) -> Any:
    """The matrix exponential."""
    from scipy.linalg import expm

    return expm(x)


def sinm(_: Any, x: Any) -> Any:
    """The sine of a matrix, the imaginary part of expm(1j * x)."""
    return expm(_, 1j * x).imag


def cosm(_: Any, x: Any) -> Any:
    """The cosine of a matrix, the real part of expm(1j * x)."""
    return expm(_, 1j * x).real


def principal(name: str, scalar: Numeric) -> Numeric:
    """A matrix logarithm or root: by eigenvectors, or where these are ill-conditioned by scipy's Schur form (for
    defective matrices); NaN where an eigenvalue is on the branch cut."""

    def meaning(np: Any, x: Any) -> Any:
        out = np.full(x.shape, np.nan)
        for k in np.ndindex(*x.shape[:-2]):
            values, vectors = np.linalg.eig(x[k].astype(complex))
            near = np.abs(values.imag) <= 1e-7 * np.abs(values).max()
            if (near & (values.real <= 1e-12)).any():
                continue
            if np.linalg.cond(vectors) < 1e3:
                out[k] = ((vectors * scalar(np, values)) @ np.linalg.inv(vectors)).real
            else:
                out[k] = _by_schur(name, x[k])
        return out

    return meaning


def _by_schur(name: str, x: Any) -> Any:
    from scipy import linalg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "may be inaccurate", at errors of 1e-13
        return getattr(linalg, name)(x).real


def eigenvalues(np: Any, x: Any) -> Any:
    """Of the symmetric part, in ascending order; zero where the matrix is singular but for rounding."""
    values = np.linalg.eigvalsh((x + np.swapaxes(x, -1, -2)) / 2)
    largest = np.abs(values).max(axis=-1, keepdims=True)
    return np.where(np.abs(values) <= 1e-14 * x.shape[-1] * largest, 0.0, values)


def rank(np: Any, x: Any) -> Any:
    """How many singular values are more than rounding makes of a difference that is zero."""
    values = np.linalg.svd(x, compute_uv=False)
    return (values > 1e-11 * np.maximum(values.max(axis=-1, keepdims=True, initial=0.0), 1.0)).sum(axis=-1) * 1.0


def matpow(np: Any, x: Any, exponent: Any) -> Any:
    """Integer powers of matrices, a negative one of invertible ones only."""
    batch = np.broadcast_shapes(x.shape[:-2], exponent.shape)
    x, exponent = np.broadcast_to(x, (*batch, *x.shape[-2:])), np.broadcast_to(exponent, batch)
    out = np.empty(x.shape)
    for k in np.ndindex(*batch):
        power = exponent[k]
        singular = power < 0 and np.linalg.cond(x[k]) > 1e12
        out[k] = np.nan if power != int(power) or singular else np.linalg.matrix_power(x[k], int(power))
    return out


def power(np: Any, base: Any, exponent: Any) -> Any:
    """Integer powers of anything (of nonzero numbers, if negative), others of positive numbers."""
    base, exponent = np.broadcast_arrays(np.asarray(base, float), np.asarray(exponent, float))
    whole = exponent == np.floor(exponent)
    defined = np.where(whole, (base != 0) | (exponent >= 0), (base > 0) | ((base == 0) & (exponent > 0)))
    safe = np.where(defined, base, 1.0)
    return np.where(defined, np.power(np.where(whole, safe, np.abs(safe)), exponent), np.nan)


def where(condition: Callable[[Any], Any], value: Callable[[Any, Any], Any]) -> Numeric:
    """A value where a condition holds, else undefined."""
    return lambda np, x: np.where(condition(x), value(np, np.where(condition(x), x, 1.0)), np.nan)


def hardmax(np: Any, x: Any) -> Any:
    """Undefined where the greatest entry is not alone."""
    top = x == x.max(axis=-1, keepdims=True)
    return np.where(top.sum(axis=-1, keepdims=True) == 1, top * 1.0, np.nan)


def argmax(np: Any, x: Any) -> Any:
    """The position of the greatest entry, undefined where it is not alone."""
    return (hardmax(np, x) * np.arange(x.shape[-1])).sum(axis=-1)


def argsort(np: Any, x: Any) -> Any:
    """The positions of the entries in ascending order; undefined where two are equal."""
    order = np.argsort(x, axis=-1)
    ordered = np.take_along_axis(x, order, axis=-1)
    alone = (ordered[..., 1:] != ordered[..., :-1]).all(axis=-1)
    return np.where(alone[..., None], order, np.nan)


def onehot(np: Any, index: Any, length: int) -> Any:
    """Undefined where the index is no integer in range."""
    places = np.arange(length)
    valid = (index == np.floor(index)) & (index >= 0) & (index < length)
    return np.where(valid[..., None], (index[..., None] == places) * 1.0, np.nan)


def cholesky(np: Any, x: Any) -> Any:
    """Of the symmetric part, which must be positive definite."""
    x = (x + np.swapaxes(x, -1, -2)) / 2
    bad = (np.linalg.eigvalsh(x) <= 0).any(axis=-1)[..., None, None]
    return np.where(bad, np.nan, np.linalg.cholesky(np.where(bad, np.eye(x.shape[-1]), x)))
