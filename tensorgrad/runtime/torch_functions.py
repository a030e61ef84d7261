"""What generated torch programs call beyond torch itself: functions of matrices, derivatives of given functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import torch

Function = Callable[[torch.Tensor], torch.Tensor]
Pullback = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


def step(x: torch.Tensor) -> torch.Tensor:
    """1 where x > 0, else 0."""
    return (x > 0).to(x.dtype)


def softplus(x: torch.Tensor) -> torch.Tensor:
    """log(1 + exp(x)), which is x in float64 beyond the threshold."""
    return torch.nn.functional.softplus(x, threshold=40.0)


def softmax_gradient(g: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """p * g - p * sum(p * g) along the last axis, which is what a softmax p makes of a cotangent g."""
    return torch.ops.aten._softmax_backward_data(g, p, -1, p.dtype)


WIDEST = 128
"""Keys and values that attention is not slower for when zeros make them of one width."""


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """softmax(q k' + mask) v where keys and values can differ in width. On CPUs torch has a fast way only for one width:
    zeros make it so, up to `WIDEST`."""
    own, wide = v.shape[-1], max(q.shape[-1], v.shape[-1])
    if _forwards() or (q.device.type == "cpu" and own != q.shape[-1] and wide > WIDEST):
        return torch.softmax(_scores(q, k, mask), dim=-1) @ v
    if q.device.type != "cpu" or own == q.shape[-1]:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, scale=1.0)
    q, k, v = (torch.nn.functional.pad(x, (0, wide - x.shape[-1])) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, scale=1.0)[..., :own]


def _forwards() -> bool:
    """Whether derivatives are taken forwards, which torch's fast ways of attention cannot."""
    return torch.autograd.forward_ad._current_level >= 0  # pyright: ignore[reportPrivateUsage]  (nothing public says it)


def _scores(q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return q @ k.mT if mask is None else q @ k.mT + mask


def attention_and_back(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, Pullback]:
    """softmax(q k' + mask) v, and what takes a cotangent of it to those of q, k and v; torch keeps no softmax for that."""
    # torch has fast ways for four axes only, and a slow one that forms the scores for fewer.
    more = (None,) * max(0, 4 - q.dim())
    first = (0,) * len(more)
    wide = mask[more] if mask is not None and mask.dim() == q.dim() else mask

    def attended(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return attention(q, k, v, wide)

    def back(g: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if pull is None or (torch.is_grad_enabled() and g.requires_grad):
            return _attention_back(g, q, k, v, mask)
        return tuple(x[first] for x in pull(g[more]))

    # What is to be differentiated is written out: torch cannot differentiate its own gradients.
    given = (q, k, v) if mask is None else (q, k, v, mask)
    if _forwards() or (torch.is_grad_enabled() and any(x.requires_grad for x in given)):
        pull = None
        return attended(q[more], k[more], v[more])[first], back
    out, pull = torch.func.vjp(attended, q[more], k[more], v[more])[:2]
    return out[first], back


def _attention_back(
    g: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, ...]:
    p = torch.softmax(_scores(q, k, mask), dim=-1)
    s = softmax_gradient(g @ v.mT, p)
    return s @ k, s.mT @ q, p.mT @ g


def logdet(x: torch.Tensor) -> torch.Tensor:
    """log of abs of det."""
    return torch.linalg.slogdet(x).logabsdet


def det_of_lu(lu: torch.Tensor, pivots: torch.Tensor) -> torch.Tensor:
    """The determinant from an LU factorisation: each exchange of rows turns the sign."""
    places = torch.arange(1, pivots.shape[-1] + 1, dtype=pivots.dtype, device=pivots.device)
    odd = (pivots != places).sum(-1) % 2
    return lu.diagonal(dim1=-2, dim2=-1).prod(-1) * (1 - 2 * odd)


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
    """The principal logarithm; NaN where an eigenvalue is not positive and real."""
    return _principal(x, torch.log, _logm)


def sqrtm(x: torch.Tensor) -> torch.Tensor:
    """The principal square root; NaN where an eigenvalue is negative."""
    return _principal(x, torch.sqrt, _sqrtm)


def _principal(x: torch.Tensor, scalar: Function, general: Function) -> torch.Tensor:
    """By eigenvectors; where these are ill-conditioned (defective matrices) by the iteration `general`."""
    values, vectors = torch.linalg.eig(x)
    condition = torch.linalg.cond(vectors)
    safe = torch.where(
        (condition < _WELL)[..., None, None], vectors, torch.eye(x.shape[-1], device=x.device).to(vectors)
    )
    result = torch.linalg.solve(safe, safe * scalar(values).unsqueeze(-2), left=False).real.to(x.dtype)
    if (condition >= _WELL).any():
        result = torch.where((condition < _WELL)[..., None, None], result, general(x))
    largest = values.abs().amax(dim=-1, keepdim=True)
    cut = (values.imag.abs() <= 1e-7 * largest) & (values.real < -1e-12 * largest)
    return torch.where(cut.any(dim=-1)[..., None, None], torch.full_like(result, torch.nan), result)


_WELL = 1e3


def _sqrtm(x: torch.Tensor) -> torch.Tensor:
    """The product form of the Denman-Beavers iteration with determinantal scaling (Higham, algorithm 6.29)."""
    n = x.shape[-1]
    identity = torch.eye(n, dtype=x.dtype, device=x.device)
    root, m = x, x
    for k in range(40):
        inverse = torch.linalg.inv_ex(m).inverse
        mu = torch.ones_like(x[..., :1, :1])
        if k < 6:
            mu = torch.linalg.slogdet(m).logabsdet.div(-2 * n).exp()[..., None, None]
        root = mu * root @ (identity + inverse / mu**2) / 2
        m = (identity + (mu**2 * m + inverse / mu**2) / 2) / 2
        if (m - identity).abs().amax() < 4 * n * torch.finfo(x.dtype).eps:
            break
    return root


def _logm(x: torch.Tensor) -> torch.Tensor:
    """Inverse scaling and squaring: log(x) = 2**k log(x**(1 / 2**k)), the last by Gauss-Legendre quadrature of
    the integral of (r - I) ((1 - t) I + t r)**-1 over t."""
    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    root, times = x, 0
    while times < 40 and float((root - identity).abs().sum(dim=-1).amax()) > 0.25:
        root, times = _sqrtm(root), times + 1
    result = torch.zeros_like(x)
    for node, weight in _GAUSS:
        result = result + weight * torch.linalg.inv_ex(identity + node * (root - identity)).inverse @ (root - identity)
    return 2**times * result


def _gauss_legendre(count: int) -> list[tuple[float, float]]:
    """Nodes and weights on (0, 1), from the Jacobi matrix of the Legendre polynomials (Golub and Welsch)."""
    k = torch.arange(1, count, dtype=torch.float64)
    beside = k / torch.sqrt(4 * k * k - 1)
    values, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return [((1 + float(v)) / 2, float(w)) for v, w in zip(values, vectors[0] ** 2, strict=True)]


_GAUSS = _gauss_legendre(8)


def hardmax(x: torch.Tensor) -> torch.Tensor:
    """1 at the (first) greatest entry along the last axis, else 0."""
    return onehot(torch.argmax(x, dim=-1), x.shape[-1]).to(x.dtype)


def position(index: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Positions as numbers of the dtype that the program computes in."""
    return index.to(like.dtype)


def onehot(index: torch.Tensor, length: int) -> torch.Tensor:
    """1 at the position `index`, else 0, on a new last axis."""
    places = torch.arange(length, device=index.device)
    return (index.unsqueeze(-1) == places).to(index.dtype)


def cholesky(x: torch.Tensor) -> torch.Tensor:
    """Of the symmetric part."""
    return torch.linalg.cholesky((x + x.mT) / 2)


def eigvals(x: torch.Tensor) -> torch.Tensor:
    """Of the symmetric part, in ascending order."""
    return torch.linalg.eigvalsh((x + x.mT) / 2)


def matpow(x: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Matrices to integer powers, one for each batch entry of `exponent`."""
    batch = torch.broadcast_shapes(x.shape[:-2], exponent.shape)
    matrices = x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:])
    powers = exponent.expand(batch).reshape(-1).tolist()
    made = [torch.linalg.matrix_power(m, round(p)) for m, p in zip(matrices, powers, strict=True)]
    return torch.stack(made).reshape(*batch, *x.shape[-2:])


def convolution(
    shape: Sequence[int], steps: Sequence[int], offset: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """1 where the first index is offset + the sum of steps * the others."""
    places = [torch.arange(n, device=device).reshape(-1, *(1,) * (len(shape) - 1 - k)) for k, n in enumerate(shape)]
    total = sum(
        (step * place for step, place in zip(steps, places[1:], strict=True)), torch.tensor(offset, device=device)
    )
    return (places[0] == total).to(dtype)


def window(x: torch.Tensor, axis: int, counts: Sequence[int], steps: Sequence[int], offset: int) -> torch.Tensor:
    """The axis seen as axes of lengths `counts`: entry offset + the sum of steps * positions, 0 outside its range."""
    last = offset + sum(s * (n - 1) for s, n in zip(steps, counts, strict=True))
    before, after = max(0, -offset), max(0, last - x.shape[axis] + 1)
    if before or after:
        padding = [0, 0] * (x.dim() - 1 - axis) + [before, after]
        x = torch.nn.functional.pad(x, padding)
    stride = x.stride()
    inner = [s * stride[axis] for s in steps]
    size = (*x.shape[:axis], *counts, *x.shape[axis + 1 :])
    strides = (*stride[:axis], *inner, *stride[axis + 1 :])
    return x.as_strided(size, strides, x.storage_offset() + (offset + before) * stride[axis])


def spread(
    x: torch.Tensor, axis: int, length: int, step: int, counts: Sequence[int], steps: Sequence[int], offset: int
) -> torch.Tensor:
    """The axis j seen as an axis i of this length and others k: entry j where i = offset + step * j + steps * k."""
    reach = sum(s * (n - 1) for s, n in zip(steps, counts, strict=True))
    shape = list(x.shape)
    # Position i + reach - steps * k of the line holds the entry j with that i - steps * k = offset + step * j.
    first = offset + reach
    skipped = max(0, -(first // step)) if first < 0 else 0
    fitting = min(x.shape[axis], max(0, -(-(length + reach - first) // step)))
    shape[axis] = length + reach
    line = torch.zeros(shape, dtype=x.dtype, device=x.device)
    if fitting > skipped:
        places = slice(first + step * skipped, first + step * (fitting - 1) + 1, step)
        line[(slice(None),) * axis + (places,)] = x.narrow(axis, skipped, fitting - skipped)
    seen = window(line, axis, (length, *counts), (1, *steps), 0)
    return seen.flip(tuple(range(axis + 1, axis + 1 + len(counts)))) if counts else seen


def fold(x: torch.Tensor, axes: Sequence[int], length: int, steps: Sequence[int], offset: int) -> torch.Tensor:
    """Entries on some axes added up at the position offset + the sum of steps * theirs of one axis of this length, which
    stands where the first of them stood; what is outside its range is dropped."""
    counts = [x.shape[a] for a in axes]
    before = max(0, -offset)
    reach = offset + sum(s * (n - 1) for s, n in zip(steps, counts, strict=True)) + 1
    places = torch.full((), offset + before, device=x.device)
    for step, count in zip(steps, counts, strict=True):
        places = places.unsqueeze(-1) + step * torch.arange(count, device=x.device)
    rest = [a for a in range(x.dim()) if a not in axes]
    moved = x.permute(*axes, *rest).reshape(-1, *(x.shape[a] for a in rest))
    line = torch.zeros((before + max(length, reach), *moved.shape[1:]), dtype=x.dtype, device=x.device)
    line = line.index_add(0, places.reshape(-1), moved).narrow(0, before, length)
    return line.movedim(0, sum(a < min(axes) for a in rest))


def gather(x: torch.Tensor, axis: int, index: torch.Tensor, shared: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Entries along an axis at positions; `shared` are (axis of the index, axis of x) that go together."""
    places = index.long()
    if not shared:
        return x[(slice(None),) * axis + (places,)]
    of_x = dict(shared)
    new = [a for a in range(places.dim()) if a not in of_x]
    order = len(x.shape) - 1 + len(new)

    def position(a: int) -> int:
        """Where an axis of x stands in the result."""
        return a if a < axis else a - 1 + len(new)

    own = [position(of_x[a]) if a in of_x else axis + new.index(a) for a in range(places.dim())]
    moved = places.permute(sorted(range(len(own)), key=own.__getitem__))
    moved = moved.reshape([places.shape[own.index(k)] if k in own else 1 for k in range(order)])
    indices = [
        moved
        if a == axis
        else torch.arange(n, device=x.device).reshape([n if k == position(a) else 1 for k in range(order)])
        for a, n in enumerate(x.shape)
    ]
    return x[tuple(indices)]


def scatter(x: torch.Tensor, index: torch.Tensor, length: int) -> torch.Tensor:
    """The leading axes of x, which are those of the index, added up at its positions of a new first axis."""
    rest = x.shape[index.dim() :]
    line = torch.zeros((length, *rest), dtype=x.dtype, device=x.device)
    return line.index_add(0, index.long().reshape(-1), x.reshape(-1, *rest))


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


def unknown(
    function: Callable[..., torch.Tensor], acts: Sequence[int], by: Sequence[int], batch: int
) -> Callable[..., torch.Tensor]:
    """A function of arrays without batch axes, or its derivative in the arguments `by`, over `batch` leading axes.

    Argument k has acts[k] axes of its own, the last ones; batch axes broadcast. Produced axes: the function's, then those
    of the arguments it is differentiated in.
    """
    for k in by:
        function = torch.func.jacrev(function, argnums=k)

    def batched(*args: torch.Tensor) -> torch.Tensor:
        own = [a.shape[a.dim() - n :] for a, n in zip(args, acts, strict=True)]
        lead = torch.broadcast_shapes(*(a.shape[: a.dim() - n] for a, n in zip(args, acts, strict=True)))
        if not batch:
            return function(*args)
        flat = [a.expand(*lead, *s).reshape(-1, *s) for a, s in zip(args, own, strict=True)]
        out = torch.func.vmap(function)(*flat)
        return out.reshape(*lead, *out.shape[1:])

    return batched
