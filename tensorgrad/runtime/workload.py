"""What is timed: tasks, values for them, and how far values differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorgrad.notation import parse_scope

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Task:
    """What to compute: an expression, or a scalar one and its gradients in the variables named."""

    text: str
    let: str
    dims: Mapping[str, int]
    gradients: tuple[str, ...] = ()

    @property
    def differentiates(self) -> bool:
        """Whether there is a derivative in it."""
        return bool(self.gradients) or "grad(" in self.text or "hess(" in self.text

    @property
    def outputs(self) -> tuple[str, ...]:
        """The text of every output: the expression, then its gradients.

        >>> Task("x @ x", "x : n", {"n": 2}, ("x",)).outputs
        ('x @ x', 'grad(x @ x, x)')
        """
        return (self.text, *(f"grad({self.text}, {name})" for name in self.gradients))


def normal_values(
    let: str, dims: Mapping[str, int], device: str = "cpu", scale: float = 1.0, dtype: torch.dtype | None = None
) -> dict[str, torch.Tensor]:
    """Normal values times `scale`, in the order of the declarations; positive, symmetric and pd where declared.

    >>> {name: tuple(v.shape) for name, v in normal_values("A : n m ; x : m", {"n": 2, "m": 3}).items()}
    {'A': (2, 3), 'x': (3,)}
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    values: dict[str, torch.Tensor] = {}
    for name, variable in parse_scope(let).variables.items():
        shape = [int(d.evaluate(dims)) for d in variable.dims]
        value = torch.randn(shape, generator=generator) * scale
        if variable.has("pd"):
            value = value @ value.T / shape[0] + torch.eye(shape[0])
        elif variable.has("symmetric"):
            value = (value + value.T) / 2
        elif variable.has("positive"):
            value = value.abs() + 0.5
        values[name] = value.to(device=device, dtype=dtype)
    return values


def difference(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    """The largest difference of outputs, relative to the largest entry of each; inf where shapes or numbers of outputs
    differ or a value is NaN.

    >>> difference([np.ones(2)], [np.array([1.0, 2.0])])
    0.5
    """
    if len(found) != len(wanted):
        return inf
    worst = 0.0
    for a, b in zip(map(_array, found), map(_array, wanted), strict=True):
        if a.shape != b.shape:
            return inf
        most = np.abs(b).max(initial=0.0)
        apart = np.abs(a - b).max(initial=0.0)
        ratio = float(apart / most) if most else float(apart)
        worst = max(worst, inf if np.isnan(ratio) else ratio)
    return worst


def _array(value: Any) -> Any:
    """As float64 in NumPy, from torch, JAX or NumPy."""
    on_host = value.detach().cpu() if hasattr(value, "detach") else value
    return np.array(on_host if not hasattr(on_host, "numpy") else on_host.numpy(), dtype=np.float64)
