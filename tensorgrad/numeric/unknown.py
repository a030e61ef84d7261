"""Unknown smooth functions as closed forms with exact derivatives of every order, for sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorgrad.function import Function


@dataclass(frozen=True, slots=True)
class Smooth:
    """`a*sin(b*x + c) + d*x**2 + e*x + g`: stands for an elementwise unknown function.

    >>> f = Smooth(1.0, 2.0, 0.0, 0.0, 3.0, 0.0)
    >>> float(f(np.asarray(0.0))), float(f.at(np.asarray(0.0), 1))
    (0.0, 5.0)
    """

    a: float
    b: float
    c: float
    d: float
    e: float
    g: float

    def __call__(self, x: Any) -> Any:
        """The value at `x`."""
        return self.at(x, 0)

    def at(self, x: Any, derivative: int) -> Any:
        """The derivative of this order at `x`."""
        wave = self.a * self.b**derivative * np.sin(self.b * x + self.c + derivative * np.pi / 2)
        polynomial = [self.d * x**2 + self.e * x + self.g, 2 * self.d * x + self.e, 2 * self.d + 0 * x]
        return wave + (polynomial[derivative] if derivative < 3 else 0.0)

    def __str__(self) -> str:
        return f"x -> {self.a:g}*sin({self.b:g}*x + {self.c:g}) + {self.d:g}*x**2 + {self.e:g}*x + {self.g:g}"


@dataclass(frozen=True, slots=True)
class SmoothVector:
    """`a*sin(w @ x + c) + x @ Q @ x / 2 + v @ x + g`, Q symmetric: stands for a `function(n)`.

    Its coefficients `w`, `Q`, `v` are drawn from `seed` for each size of x.
    """

    seed: int
    a: float
    c: float
    g: float

    def coefficients(self, size: int) -> tuple[Any, Any, Any]:
        """`w`, `Q`, `v` for vectors of this size."""
        rng = np.random.default_rng((self.seed, size))
        square = rng.standard_normal((size, size)) / 2
        return rng.standard_normal(size), square + square.T, rng.standard_normal(size)

    def __call__(self, x: Any) -> Any:
        """The value at `x`."""
        return self.at(x, 0)

    def at(self, x: Any, derivative: int) -> Any:
        """The derivative tensor of this order at the vectors on the last axis of `x`; its axes come last."""
        w, q, v = self.coefficients(x.shape[-1])
        wave: Any = self.a * np.sin(x @ w + self.c + derivative * np.pi / 2)
        for _ in range(derivative):
            wave = wave[..., None] * w
        if derivative == 0:
            return wave + ((x @ q) * x).sum(axis=-1) / 2 + x @ v + self.g
        if derivative == 1:
            return wave + x @ q + v
        return wave + q if derivative == 2 else wave

    def __str__(self) -> str:
        return f"x -> {self.a:g}*sin(w @ x + {self.c:g}) + x @ Q @ x / 2 + v @ x + {self.g:g}"


@dataclass(frozen=True, slots=True)
class SmoothMap:
    """`sin(w @ z + c) + z @ Q @ z / 2 + v @ z` for each output, z being the entries of all arguments: stands for an
    unknown function of several arguments, of matrices, or with edges of its own. Coefficients are drawn from `seed`.
    """

    seed: int

    def __call__(self, *args: Any) -> Any:
        """The value at these arguments, each acted on as a whole, where it has no edges of its own."""
        arrays = [np.asarray(a, dtype=np.float64) for a in args]
        return self.at(arrays, [a.ndim for a in arrays], (), ())

    def at(self, args: Sequence[Any], acts: Sequence[int], by: Sequence[int], outputs: tuple[int, ...]) -> Any:
        """The derivative in the arguments `by`: batch axes, outputs, then for each derivative its argument's groups."""
        own = [a.shape[a.ndim - n :] for a, n in zip(args, acts, strict=True)]
        batch = np.broadcast_shapes(*(a.shape[: a.ndim - n] for a, n in zip(args, acts, strict=True)))
        flat = [np.broadcast_to(a, (*batch, *s)).reshape(*batch, -1) for a, s in zip(args, own, strict=True)]
        z = np.concatenate(flat, axis=-1)
        size = z.shape[-1]
        rng = np.random.default_rng((self.seed, size, *outputs))
        w, v = rng.standard_normal((2, *outputs, size)) / 2
        square = rng.standard_normal((*outputs, size, size)) / 4
        q, c = square + np.swapaxes(square, -1, -2), rng.uniform(0.2, 1.2, outputs)
        # One output axis: every intermediate is (batch, output, entries of z ...).
        w, v, q, c = w.reshape(-1, size), v.reshape(-1, size), q.reshape(-1, size, size), c.reshape(-1)
        value = np.sin(z @ w.T + c + len(by) * np.pi / 2)
        for k in range(len(by)):
            value = value[..., None] * w.reshape(-1, *(1,) * k, size)
        qz = np.einsum("...d,ode->...oe", z, q)
        parts = [np.einsum("...oe,...e->...o", qz, z) / 2 + z @ v.T, qz + v, q]
        value = value + (parts[len(by)] if len(by) < 3 else 0.0)
        return self._cut(value, own, by, len(batch)).reshape(*batch, *outputs, *(n for k in by for n in own[k]))

    @staticmethod
    def _cut(value: Any, own: Sequence[tuple[int, ...]], by: Sequence[int], batch: int) -> Any:
        """The entries of the arguments `by` on the axes behind the output's."""
        ends = np.cumsum([int(np.prod(s, dtype=int)) for s in own])
        starts = [0, *ends[:-1]]
        cut = [slice(None)] * (batch + 1) + [slice(starts[k], ends[k]) for k in by]
        return value[tuple(cut)]

    def __str__(self) -> str:
        return f"a smooth function (SmoothMap({self.seed}))"


def smooth(rng: np.random.Generator, function: Function) -> Smooth | SmoothVector | SmoothMap:
    """A random smooth function, with coefficients that are short decimals."""
    plain = not function.produces[: function.own]

    def draw(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 2)

    if not plain or function.acts not in ((0,), (1,)):
        return SmoothMap(int(rng.integers(1 << 30)))
    if function.acts == (1,):
        return SmoothVector(int(rng.integers(1 << 30)), draw(0.5, 1.5), draw(0.2, 1.2), draw(-1, 1))
    return Smooth(draw(0.5, 1.5), draw(0.5, 1.5), draw(0.2, 1.2), draw(0.2, 0.8), draw(-1, 1), draw(0.3, 1))
