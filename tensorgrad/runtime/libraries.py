"""What array libraries call the words of the notation: torch, torch with autograd or with paths, JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from tensorgrad.runtime.labelled import Array, Library


def torch_library() -> Library:
    """The words of the notation in torch; derivatives by torch.func."""
    import torch

    def gradient(f: Callable[[Array], Array], at: Array, order: int) -> Array:
        return torch.func.jacrev(f)(at) if order else torch.func.grad(f)(at)

    return Library(
        _torch_words(),
        torch.einsum,
        lambda a, axes: a.permute(*axes),
        merges=False,
        gradient=gradient,
        hessian=lambda f, at: torch.func.hessian(f)(at),
    )


def _torch_words() -> dict[str, Callable[..., Array]]:
    import torch
    from torch.nn import functional

    names = "exp log sqrt sin cos tanh abs sign relu sigmoid erf kron mean diag".split()
    return {
        **{name: getattr(torch, name) for name in names},
        "softplus": functional.softplus,
        "softmax": lambda x: torch.softmax(x, -1),
        "logsumexp": lambda x: torch.logsumexp(x, -1),
        "inv": torch.linalg.inv,
        "pinv": torch.linalg.pinv,
        "det": torch.linalg.det,
        "logdet": lambda x: torch.linalg.slogdet(x)[1],
        "expm": torch.linalg.matrix_exp,
        "I": lambda some, n: torch.eye(n, dtype=some.dtype, device=some.device),
        "ones": lambda some, *n: torch.ones(n, dtype=some.dtype, device=some.device),
        "zeros": lambda some, *n: torch.zeros(n, dtype=some.dtype, device=some.device),
        **_REARRANGING,
    }


def _khatri_rao(a: Array, b: Array) -> Array:
    return (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1])


_REARRANGING: Mapping[str, Callable[..., Array]] = {
    "khatri_rao": _khatri_rao,
    "vec": lambda x: x.T.reshape(-1),
    "unvec": lambda x, n, m: x.reshape(int(m), int(n)).T,
}


def autograd_library() -> Library:
    """torch, with derivatives by autograd."""
    from torch.autograd import functional

    def gradient(f: Callable[[Array], Array], at: Array, _: int) -> Array:
        return functional.jacobian(f, at, create_graph=at.requires_grad)

    return replace(torch_library(), gradient=gradient, hessian=functional.hessian)


def merging_library(package: str, maker: str) -> Library:
    """torch, with products contracted together along the path of a package, found once for each contraction."""
    make: Any = getattr(import_module(package), maker)

    @cache
    def expression(equation: str, shapes: tuple[tuple[int, ...], ...]) -> Callable[..., Array]:
        return make(equation, *shapes)

    def einsum(equation: str, *arrays: Array) -> Array:
        return expression(equation, tuple(tuple(a.shape) for a in arrays))(*arrays)

    return replace(torch_library(), einsum=einsum, merges=True)


def jax_library(jax: Any) -> Library:
    """The words in JAX, given the package; products wait, for einsum."""
    np, nn, linalg = jax.numpy, jax.nn, jax.numpy.linalg
    words: dict[str, Callable[..., Array]] = {
        **{name: getattr(np, name) for name in "exp log sqrt sin cos tanh abs sign kron mean diag".split()},
        **{name: getattr(nn, name) for name in "relu sigmoid softplus softmax".split()},
        "erf": jax.scipy.special.erf,
        "logsumexp": lambda x: nn.logsumexp(x, -1),
        "inv": linalg.inv,
        "pinv": linalg.pinv,
        "det": linalg.det,
        "logdet": lambda x: linalg.slogdet(x)[1],
        "expm": jax.scipy.linalg.expm,
        "I": lambda some, n: np.eye(n, dtype=some.dtype),
        "ones": lambda some, *n: np.ones(n, dtype=some.dtype),
        "zeros": lambda some, *n: np.zeros(n, dtype=some.dtype),
        **_REARRANGING,
    }

    def gradient(f: Callable[[Array], Array], at: Array, order: int) -> Array:
        return jax.jacrev(f)(at) if order else jax.grad(f)(at)

    return Library(
        words, np.einsum, np.transpose, merges=True, gradient=gradient, hessian=lambda f, at: jax.hessian(f)(at)
    )
