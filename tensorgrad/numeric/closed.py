"""Exact derivatives of the built-in functions, for `d(f)` nodes: derived once by sympy, or written out."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tensorgrad.errors import UnsupportedError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.meaning import hardmax

_SMOOTH = "exp log sqrt sin cos tan sinh cosh tanh sigmoid softplus erf gelu".split()
_KINKED = {"abs": "sign", "relu": "step"}


def derivative(function: Function) -> Callable[[Any], Any]:
    """The numeric meaning of `d(f)`, `d(d(f))`, ...: acted axis last, as in `Function.meaning`.

    Where f is undefined so is the derivative. Elementwise functions to any order, `softmax`, `log_softmax`,
    `logsumexp` and `max` to the first; UnsupportedError for the others.
    """
    base = FUNCTIONS[function.name]
    if function.name in _SMOOTH:
        return _smooth(function.name, function.derivative)
    if function.name in ("sign", "step"):
        return np.zeros_like
    if function.name in _KINKED:
        if function.derivative > 1:
            return np.zeros_like
        meaning = FUNCTIONS[_KINKED[function.name]].meaning
        assert meaning is not None
        return lambda x: meaning(np, x)
    if function.name in _FIRST and function.derivative == 1:
        return _FIRST[function.name]
    raise UnsupportedError(f"the numeric value of {function} ({base.name} has no derivative function here)")


def symbolic_derivative(function: Function) -> Callable[[Any], Any] | None:
    """`d(f)`, `d(d(f))`, ... of a smooth elementwise function on mpmath numbers; None for other functions."""
    if function.name not in _SMOOTH:
        return None
    return _lambdified(function.name, function.derivative, "mpmath")


@lru_cache(maxsize=256)
def _lambdified(name: str, order: int, modules: str) -> Callable[[Any], Any]:
    import sympy

    x: Any = sympy.Symbol("x", real=True)
    forms: dict[str, Any] = {
        "sigmoid": 1 / (1 + sympy.exp(-x)),
        "softplus": sympy.log(1 + sympy.exp(x)),
        "gelu": x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
    }
    form = forms[name] if name in forms else getattr(sympy, name)(x)
    own: list[Any] = [modules] if modules == "mpmath" else [{"erf": _erf}, modules]
    return sympy.lambdify(x, sympy.diff(form, x, order), modules=own)


@lru_cache(maxsize=256)
def _smooth(name: str, order: int) -> Callable[[Any], Any]:
    base = FUNCTIONS[name].meaning
    assert base is not None
    values = _lambdified(name, order, "numpy")

    def meaning(value: Any) -> Any:
        defined = np.isfinite(base(np, value))
        result = values(np.where(defined, value, 1.0))
        return np.where(defined & np.isfinite(result), result, np.nan)

    return meaning


def _erf(x: Any) -> Any:
    meaning = FUNCTIONS["erf"].meaning
    assert meaning is not None
    return meaning(np, x)


def _softmax(x: Any) -> Any:
    meaning = FUNCTIONS["softmax"].meaning
    assert meaning is not None
    return meaning(np, x)


def _softmax_jacobian(x: Any) -> Any:
    p = _softmax(x)
    return p[..., :, None] * (np.eye(p.shape[-1]) - p[..., None, :])


def _log_softmax_jacobian(x: Any) -> Any:
    return np.eye(x.shape[-1]) - _softmax(x)[..., None, :]


_FIRST: dict[str, Callable[[Any], Any]] = {
    "logsumexp": _softmax,
    "softmax": _softmax_jacobian,
    "log_softmax": _log_softmax_jacobian,
    "max": lambda x: hardmax(np, x),
}
