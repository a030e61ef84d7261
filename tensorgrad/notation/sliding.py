"""Convolutions with strides, offsets or two edges, written with what the notation has: conv, flat and unit vectors.

Those that put an edge into a longer one stay: they are printed as `block`, `concat` (see `tiling`).
"""

from __future__ import annotations

from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Convolution, Flat, Product, Scalar, Tensor, Unit, rebuild
from tensorgrad.tensor.spans import embedded_span


def plain_convolutions(t: Tensor) -> Tensor:
    """`t` with every other convolution `i = j + k`: `s * j` is the fused edge of j and of the 0 of s, an offset c is a unit
    vector's position."""
    return rebuild(t, lambda node: _plain(node) if isinstance(node, Convolution) and not _is_plain(node) else None)


def _is_plain(node: Convolution) -> bool:
    return (node.steps == (1, 1) and node.offset is ZERO) or embedded_span(node) is not None


def _plain(node: Convolution) -> Tensor:
    names = iter(f"_conv{k}" for k in range(4 * len(node.edges)))
    factors: list[Tensor] = []
    places: list[tuple[str, Poly]] = []
    for edge, dim, step in zip(node.edges[1:], node.dims[1:], node.steps, strict=True):
        if step == 1:
            places.append((edge, dim))
            continue
        scaled, rest = next(names), next(names)
        size = Poly.constant(step)
        factors += [Flat((scaled, edge, rest), (dim, size)), Unit(Scalar(ZERO), size, (rest,))]
        places.append((scaled, dim * step))
    below = node.offset.is_constant and node.offset.number < 0
    if not below and (node.offset is not ZERO or len(places) == 1):
        places.append(_at(node.offset, next(names), factors))
    long = (node.edges[0], node.dims[0])
    total, size = places[0]
    for k, (edge, dim) in enumerate(places[1:], 1):
        last = k == len(places) - 1 and not below
        whole = long if last else (next(names), size + dim - 1)
        factors.append(Convolution((whole[0], total, edge), (whole[1], size, dim)))
        total, size = whole
    if below:
        shift, count = _at(-node.offset, next(names), factors)
        factors.append(Convolution((total, long[0], shift), (size, long[1], count)))
    return Product(factors, node.edges)


def _at(position: Poly, edge: str, factors: list[Tensor]) -> tuple[str, Poly]:
    """An edge that can only be at this position."""
    factors.append(Unit(Scalar(position), position + ONE, (edge,)))
    return edge, position + ONE
