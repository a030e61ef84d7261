"""What torch operations mean: each one as a tensor expression over its arguments, whose axes are the edges d0, d1, ..."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any

from tensorgrad import functions as F
from tensorgrad.function import FUNCTIONS
from tensorgrad.runtime.subscripts import parse_subscripts
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Delta, Product, Sum, Tensor, Zero, align, broadcast, power, renamed, tensor

Shape = tuple[int, ...]
Meaning = Callable[..., Tensor]


class UnknownOperationError(Exception):
    """The operation, or a way to call it, is not among those whose meaning is known: it stays opaque."""


def axis_names(order: int) -> tuple[str, ...]:
    """The edges of a tensor of this order."""
    return tuple(f"d{k}" for k in range(order))


def shape_of(t: Tensor) -> Shape:
    """The sizes of a tensor's edges, all numbers here."""
    return tuple(int(d.number) for d in t.dims)


def _positioned(t: Tensor, edges: Sequence[str]) -> Tensor:
    """The tensor with the edges `edges`, in this order, called d0, d1, ..."""
    return renamed(align(t, tuple(edges)), axis_names(len(edges)))


def _axis(dim: Any, order: int) -> str:
    if not isinstance(dim, int) or isinstance(dim, bool) or not -order <= dim < order:
        raise UnknownOperationError
    return f"d{dim % order}"


def _axes(dim: Any, order: int) -> list[str]:
    dims = range(order) if dim is None or dim == () else dim if isinstance(dim, list | tuple) else [dim]
    return [_axis(d, order) for d in dims]


def _number(value: Any) -> Tensor:
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction) or not isfinite(value):
        raise UnknownOperationError
    return tensor(value)


def _operand(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else _number(value)


def _tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise UnknownOperationError
    return value


# Broadcasting.


def _spread(t: Tensor, names: Sequence[str], sizes: Sequence[Poly]) -> Tensor:
    """The tensor's axes called by the last of `names`; those of size 1 along which it is repeated are dropped."""
    own = list(names[len(names) - t.order :])
    wanted = dict(zip(names, sizes, strict=True))
    t = renamed(t, tuple(own))
    kept = [e for e in own if t.sizes[e] is wanted[e]]
    return t if len(kept) == len(own) else Product((t,), kept)


def _common(shapes: Sequence[Sequence[Poly]]) -> list[Poly]:
    """The sizes that operands are broadcast to."""
    order = max((len(s) for s in shapes), default=0)
    found = [ONE] * order
    for dims in shapes:
        for k, dim in enumerate(dims, order - len(dims)):
            if dim is not ONE:
                if found[k] is not ONE and found[k] is not dim:
                    raise UnknownOperationError
                found[k] = dim
    return found


def _together(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, dict[str, Poly]]:
    sizes = _common([a.dims, b.dims])
    names = axis_names(len(sizes))
    return _spread(a, names, sizes), _spread(b, names, sizes), dict(zip(names, sizes, strict=True))


def _add(a: Any, b: Any, *, alpha: Any = 1, sign: int = 1) -> Tensor:
    _number(alpha)
    left, right, sizes = _together(_operand(a), _operand(b))
    weights = (Fraction(1), Fraction(repr(alpha)) * sign)
    return Sum(tuple(align(broadcast(t, sizes), tuple(sizes)) for t in (left, right)), weights)


def _subtract(a: Any, b: Any, *, alpha: Any = 1) -> Tensor:
    return _add(a, b, alpha=alpha, sign=-1)


def _multiply(a: Any, b: Any) -> Tensor:
    left, right, sizes = _together(_operand(a), _operand(b))
    return Product((left, right), tuple(sizes))


def _divide(a: Any, b: Any) -> Tensor:
    return _multiply(a, power(_operand(b), -1))


def _power(a: Any, b: Any) -> Tensor:
    left, right, sizes = _together(_operand(a), _operand(b))
    return align(broadcast(power(left, right), sizes), tuple(sizes))


def _elementwise(name: str) -> Meaning:
    return lambda x: Apply(FUNCTIONS[name], (_tensor(x),))


def _gelu(x: Any, approximate: str = "none") -> Tensor:
    if approximate != "none":
        raise UnknownOperationError
    return Apply(FUNCTIONS["gelu"], (_tensor(x),))


# Products.


def _matmul(a: Any, b: Any) -> Tensor:
    left, right = _tensor(a), _tensor(b)
    if not left.order or not right.order:
        raise UnknownOperationError
    rows, columns = ["r"] * (left.order > 1), ["c"] * (right.order > 1)
    batch_dims = _common([left.dims[: max(0, left.order - 2)], right.dims[: max(0, right.order - 2)]])
    batch = [f"b{k}" for k in range(len(batch_dims))]
    if left.dims[-1] is not right.dims[-2 if right.order > 1 else -1]:
        raise UnknownOperationError
    factors = [
        _spread(t, [*batch, *own], [*batch_dims, *t.dims[t.order - len(own) :]])
        for t, own in ((left, [*rows, "k"]), (right, ["k", *columns]))
    ]
    edges = [*batch, *rows, *columns]
    sizes = dict(zip(batch, batch_dims, strict=True))
    ones = [Delta(d, e) for e, d in sizes.items() if all(e not in f.edges for f in factors)]
    return _positioned(Product((*factors, *ones), edges), edges)


def _of_orders(*orders: int) -> Meaning:
    def meaning(a: Any, b: Any) -> Tensor:
        if (_tensor(a).order, _tensor(b).order) != orders:
            raise UnknownOperationError
        return _matmul(a, b)

    return meaning


def _linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    product = _matmul(x, _permuted(_tensor(weight), (1, 0)) if _tensor(weight).order == 2 else None)
    return product if bias is None else _add(product, bias)


def _addmm(c: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    return _add(_multiply(c, beta), _multiply(_matmul(a, b), alpha))


def _outer(a: Any, b: Any) -> Tensor:
    left, right = _tensor(a), _tensor(b)
    if (left.order, right.order) != (1, 1):
        raise UnknownOperationError
    return _positioned(Product((renamed(left, ("i",)), renamed(right, ("j",))), ("i", "j")), ("i", "j"))


def _einsum(equation: Any, *operands: Any) -> Tensor:
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not isinstance(equation, str):
        raise UnknownOperationError
    tensors = [_tensor(t) for t in operands]
    found = parse_subscripts(equation, tuple(t.order for t in tensors))
    sizes: dict[str, Poly] = {}
    for names, t in zip(found.inputs, tensors, strict=True):
        sizes |= {n: d for n, d in zip(names, t.dims, strict=True) if sizes.get(n, ONE) is ONE}
    factors: list[Tensor] = []
    for names, t in zip(found.inputs, tensors, strict=True):
        own = [n if n not in names[:k] else f"{n}_{k}" for k, n in enumerate(names)]
        extra = [Delta(sizes[n], n, o) for n, o in zip(names, own, strict=True) if n != o]
        factors += [_spread(t, own, [sizes[n] for n in names]), *extra]
    return _positioned(Product(factors, found.output), found.output)


# Reductions.


def _reduced(t: Tensor, result: Tensor, dims: Sequence[str], keepdim: Any) -> Tensor:
    if not keepdim:
        return _positioned(result, [e for e in t.edges if e not in dims])
    return _positioned(broadcast(result, dict.fromkeys(dims, ONE)), t.edges)


def _reduction(name: str) -> Meaning:
    def meaning(x: Any, dim: Any = None, keepdim: Any = False) -> Tensor:
        t = _tensor(x)
        dims = _axes(dim, t.order)
        return _reduced(t, getattr(F, name)(t, dims), dims, keepdim)

    return meaning


def _trace(x: Any) -> Tensor:
    return F.trace(_square(x))


def _square(x: Any) -> Tensor:
    t = _tensor(x)
    if t.order != 2 or t.dims[0] is not t.dims[1]:
        raise UnknownOperationError
    return t


def _along(name: str) -> Meaning:
    def meaning(x: Any, dim: Any = None) -> Tensor:
        t = _tensor(x)
        return align(getattr(F, name)(t, _axis(dim, t.order)), t.edges)

    return meaning


# Structure.


def _permuted(t: Tensor, axes: Sequence[int]) -> Tensor:
    return _positioned(t, [f"d{a}" for a in axes])


def _permute(x: Any, *dims: Any) -> Tensor:
    t = _tensor(x)
    order = dims[0] if len(dims) == 1 and isinstance(dims[0], list | tuple) else dims
    return _positioned(t, [_axis(d, t.order) for d in order])


def _transpose(x: Any, first: Any, second: Any) -> Tensor:
    t = _tensor(x)
    a, b = _axis(first, t.order), _axis(second, t.order)
    return _positioned(t, [b if e == a else a if e == b else e for e in t.edges])


def _t(x: Any) -> Tensor:
    t = _tensor(x)
    if t.order > 2:
        raise UnknownOperationError
    return _permuted(t, range(t.order)[::-1])


def _mt(x: Any) -> Tensor:
    return _transpose(x, -2, -1)


def _same(x: Any) -> Tensor:
    return _tensor(x)


def _unsqueeze(x: Any, dim: Any) -> Tensor:
    t = _tensor(x)
    place = int(_axis(dim, t.order + 1)[1:])
    edges = [*t.edges[:place], "new", *t.edges[place:]]
    return _positioned(broadcast(t, {"new": ONE}), edges)


def reshaped(t: Tensor, shape: Shape) -> Tensor:
    """The tensor with its entries, row-major, in another shape."""
    kept = [e for e, d in t.sizes.items() if d is not ONE]
    inner = t if len(kept) == t.order else Product((t,), kept)
    wide = [k for k, n in enumerate(shape) if n != 1]
    if [shape[k] for k in wide] == [int(inner.sizes[e].number) for e in kept]:
        result = renamed(inner, tuple(f"n{k}" for k in wide))
    else:
        result = F.Reshape(inner, kept, {f"n{k}": shape[k] for k in wide})
    ones = {f"n{k}": ONE for k, n in enumerate(shape) if n == 1}
    return _positioned(broadcast(result, ones), [f"n{k}" for k in range(len(shape))])


def expanded(t: Tensor, shape: Shape) -> Tensor:
    """The tensor repeated along axes of size 1, and along new ones in front."""
    sizes = [Poly.constant(n) for n in shape]
    names = axis_names(len(shape))
    whole = dict(zip(names, sizes, strict=True))
    return align(broadcast(_spread(t, names, sizes), whole), names)


def _diag(x: Any, diagonal: Any = 0) -> Tensor:
    t = _tensor(x)
    if diagonal != 0:
        raise UnknownOperationError
    if t.order == 1:
        return Product((renamed(t, ("k",)), Delta(t.dims[0], "k", "d0", "d1")), ("d0", "d1"))
    return _positioned(Product((renamed(_square(t), ("k", "l")), Delta(t.dims[0], "k", "l")), ("k",)), ("k",))


# Matrices.


def _matrix(x: Any) -> tuple[Tensor, str, str]:
    t = _tensor(x)
    if t.order < 2 or t.dims[-1] is not t.dims[-2]:
        raise UnknownOperationError
    return t, t.edges[-2], t.edges[-1]


def _inverse(x: Any) -> Tensor:
    t, row, column = _matrix(x)
    found = F.inverse(t, (row, column))  # by names it is the transposed inverse
    return _positioned(found, [*t.edges[:-2], column, row])


def _solve(a: Any, b: Any) -> Tensor:
    left, right = _tensor(a), _tensor(b)
    if left.order != right.order and not (left.order == 2 and right.order == 1):
        raise UnknownOperationError
    return _matmul(_inverse(left), right)


def _of_matrix(name: str) -> Meaning:
    def meaning(x: Any) -> Tensor:
        t, row, column = _matrix(x)
        return getattr(F, name)(t, (row, column))

    return meaning


MEANINGS: Mapping[str, Meaning] = {
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
    "truediv": _divide,
    "pow": _power,
    "neg": lambda x: Sum((_tensor(x),), (Fraction(-1),)),
    "square": lambda x: _power(x, 2),
    "rsqrt": lambda x: _power(x, Fraction(-1, 2)),
    "reciprocal": lambda x: _power(x, -1),
    **{
        name: _elementwise(name) for name in "exp log sqrt sin cos tan sinh cosh tanh abs sign relu sigmoid erf".split()
    },
    "gelu": _gelu,
    "matmul": _matmul,
    "mm": _of_orders(2, 2),
    "bmm": _of_orders(3, 3),
    "mv": _of_orders(2, 1),
    "dot": _of_orders(1, 1),
    "linear": _linear,
    "addmm": _addmm,
    "outer": _outer,
    "einsum": _einsum,
    "sum": _reduction("sum"),
    "mean": _reduction("mean"),
    "amax": _reduction("max"),
    "logsumexp": _reduction("logsumexp"),
    "softmax": _along("softmax"),
    "log_softmax": _along("log_softmax"),
    "trace": _trace,
    "permute": _permute,
    "transpose": _transpose,
    "t": _t,
    "T": _t,
    "mT": _mt,
    "contiguous": _same,
    "clone": _same,
    "unsqueeze": _unsqueeze,
    "diag": _diag,
    "inv": _inverse,
    "solve": _solve,
    "det": _of_matrix("det"),
    "logdet": _of_matrix("logdet"),
}
"""Operation -> its meaning: a function of the arguments as given, tensors as expressions."""

BY_SHAPE: Mapping[str, Callable[[Tensor, Shape], Tensor]] = {
    "reshape": reshaped,
    "view": reshaped,
    "flatten": reshaped,
    "squeeze": reshaped,
    "unflatten": reshaped,
    "expand": expanded,
}
"""Operations that their argument and the shape of the result determine."""


def _eye(shape: Shape) -> Tensor | None:
    return Delta(shape[0], "d0", "d1") if len(shape) == 2 and shape[0] == shape[1] else None


def _ones(shape: Shape) -> Tensor:
    return Product([Delta(n, e) for e, n in zip(axis_names(len(shape)), shape, strict=True)], axis_names(len(shape)))


def _zeros(shape: Shape) -> Tensor:
    return Zero(edges=dict(zip(axis_names(len(shape)), shape, strict=True)))


CONSTANTS: Mapping[str, Callable[[Shape], Tensor | None]] = {
    "eye": _eye,
    "ones": _ones,
    "ones_like": _ones,
    "zeros": _zeros,
    "zeros_like": _zeros,
}
"""Operations that the shape of the result determines."""
