"""What generated torch programs call beyond torch itself: functions of matrices, derivatives of given functions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import torch

Function = Callable[[torch.Tensor], torch.Tensor]


def gelu(x: torch.Tensor) -> torch.Tensor:
    """x * Phi(x), exactly."""
    return torch.nn.functional.gelu(x)


def step(x: torch.Tensor) -> torch.Tensor:
    """1 where x > 0, else 0."""
    return (x > 0).to(x.dtype)


def softplus(x: torch.Tensor) -> torch.Tensor:
    """log(1 + exp(x)) without a threshold."""
    return torch.logaddexp(x, torch.zeros((), dtype=x.dtype, device=x.device))


def logdet(x: torch.Tensor) -> torch.Tensor:
    """log of abs of det."""
    return torch.linalg.slogdet(x).logabsdet


def adjugate(x: torch.Tensor) -> torch.Tensor:
    """The adjugate, also of singular matrices: from x = U S V', adj(x) = det(U V') V adj(S) U'."""
    u, s, vh = torch.linalg.svd(x)
    n = s.shape[-1]
    others = s.unsqueeze(-2).expand(*s.shape[:-1], n, n)
    keep = torch.eye(n, dtype=torch.bool, device=x.device)
    cofactors = torch.where(keep, torch.ones_like(others), others).prod(dim=-1)
    sign = torch.linalg.det(u) * torch.linalg.det(vh)
    return sign[..., None, None] * (vh.mT * cofactors[..., None, :]) @ u.mT


def logm(x: torch.Tensor) -> torch.Tensor:
    """The principal logarithm of a diagonalisable matrix."""
    return _of_eigenvalues(x, torch.log)


def sqrtm(x: torch.Tensor) -> torch.Tensor:
    """The principal square root of a diagonalisable matrix."""
    return _of_eigenvalues(x, torch.sqrt)


def _of_eigenvalues(x: torch.Tensor, function: Function) -> torch.Tensor:
    values, vectors = torch.linalg.eig(x)
    result = torch.linalg.solve(vectors, vectors * function(values).unsqueeze(-2), left=False)
    return result.real.to(x.dtype)


def matpow(x: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Matrices to integer powers, one for each batch entry of `exponent`."""
    batch = torch.broadcast_shapes(x.shape[:-2], exponent.shape)
    matrices = x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:])
    powers = exponent.expand(batch).reshape(-1).tolist()
    made = [torch.linalg.matrix_power(m, round(p)) for m, p in zip(matrices, powers, strict=True)]
    return torch.stack(made).reshape(*batch, *x.shape[-2:])


def levi_civita(order: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The Levi-Civita symbol."""
    out = torch.zeros((order,) * order, dtype=dtype, device=device)
    for p in permutations(range(order)):
        inversions = sum(p[i] > p[j] for i in range(order) for j in range(i + 1, order))
        out[p] = -1.0 if inversions % 2 else 1.0
    return out


def derivative(function: Function, times: int = 1) -> Function:
    """The derivative of an elementwise function, entry by entry, by automatic differentiation."""
    for _ in range(times):
        function = _slope(function)
    return function


def _slope(function: Function) -> Function:
    def slope(x: torch.Tensor) -> torch.Tensor:
        pull = torch.func.vjp(function, x)[1]
        return pull(torch.ones_like(x))[0]

    return slope


def of_vector(function: Function, times: int = 0) -> Function:
    """A scalar function of one vector (the last axis), or its gradient, Hessian, ..., over all leading axes."""
    for _ in range(times):
        function = torch.func.jacrev(function)

    def batched(x: torch.Tensor) -> torch.Tensor:
        n = x.shape[-1]
        out = torch.func.vmap(function)(x.reshape(-1, n))
        return out.reshape(*x.shape[:-1], *(n,) * times)

    return batched
