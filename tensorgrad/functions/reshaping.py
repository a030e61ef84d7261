"""Tensors cut, joined, fused, slid over and looked up along their edges: structure, so contraction sees views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.function import FUNCTIONS, onehot
from tensorgrad.functions.edges import Dim, along, chosen, fresh
from tensorgrad.sizes import ONE, ZERO, Poly, SizeLike, size
from tensorgrad.tensor import Apply, Flat, Product, Scalar, Sum, Tensor, TensorLike, Unit, tensor
from tensorgrad.tensor import Convolution as ConvolutionNode


def flatten(t: Tensor, dims: Dim = None, into: str = "flat") -> Tensor:
    """Fuse edges, row-major, into the edge `into`.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> F.flatten(A).sizes
    {'flat': Poly('n**2')}
    >>> print(F.flatten(A))
    vec(A.T)
    """
    edges = chosen(t, dims)
    rest = [e for e in t.edges if e not in edges]
    if into in rest:
        raise EdgeError(f"flatten: {into!r} is an edge that stays; give the new edge another name")
    if len(edges) == 1:
        return Product((t.rename({edges[0]: into}),), (into, *rest))
    inner = dict(zip(edges, fresh(edges, (into, *rest)), strict=True))
    fused = Flat((into, *inner.values()), tuple(t.sizes[e] for e in edges))
    return Product((t.rename(inner), fused), (into, *rest))


def Reshape(t: Tensor, dims: Dim = None, sizes: Mapping[str, SizeLike] | None = None, **into: SizeLike) -> Tensor:
    """The edges `dims` (all by default), row-major, as the edges `into`: `Reshape(x, "p", i="n", j="m")` unfuses p.

    >>> from tensorgrad import Variable
    >>> Reshape(Variable("x", p=6, b="b"), "p", i=2, j=3).shape
    {'i': 2, 'j': 3, 'b': b}
    """
    edges = chosen(t, dims)
    new = {e: size(n) for e, n in (*(sizes or {}).items(), *into.items())}
    rest = [e for e in t.edges if e not in edges]
    if _volume(new.values()) is not _volume(t.sizes[e] for e in edges):
        raise SizeError(
            f"Reshape: {', '.join(f'{e}={t.sizes[e]}' for e in edges) or 'no edge'} and "
            f"{', '.join(f'{e}={n}' for e, n in new.items()) or 'no edge'} have different numbers of entries"
        )
    for edge in new:
        if edge in rest:
            raise EdgeError(f"Reshape: {edge!r} is an edge that stays; give the new edge another name")
    if len(new) == 1:
        return flatten(t, edges, next(iter(new)))
    inner = dict(zip(edges, fresh(edges, (*new, *rest)), strict=True))
    (whole,) = fresh(["flat"], (*new, *rest, *inner.values())) if len(edges) != 1 else tuple(inner.values())
    split = Flat((whole, *new), tuple(new.values()))
    if len(edges) == 1:
        return Product((t.rename(inner), split), (*new, *rest))
    fused = Flat((whole, *inner.values()), tuple(t.sizes[e] for e in edges))
    return Product((t.rename(inner), fused, split), (*new, *rest))


def _volume(dims: Iterable[Poly]) -> Poly:
    total = ONE
    for dim in dims:
        total = total * dim
    return total


def concat(tensors: Sequence[Tensor], dim: str) -> Tensor:
    """Tensors of the same edges one behind the other along `dim`, the only edge whose sizes may differ.

    >>> from tensorgrad import Variable
    >>> concat([Variable("x", i="n", j=2), Variable("y", j="m", i="n")], "j").shape
    {'i': n, 'j': m + 2}
    """
    if not tensors:
        raise EdgeError("concat needs at least one tensor")
    for t in tensors:
        chosen(t, dim)
        if set(t.edges) != set(tensors[0].edges):
            raise EdgeError(f"concat needs tensors with the same edges, not {tensors[0].edges} and {t.edges}")
        for edge in t.edges:
            if edge != dim and t.sizes[edge] is not tensors[0].sizes[edge]:
                raise SizeError(
                    f"concat along {dim!r}: the edge {edge!r} has size {tensors[0].sizes[edge]} in one tensor and "
                    f"{t.sizes[edge]} in another; only {dim!r} may differ"
                )
    (inner,) = fresh([dim], tensors[0].edges)
    whole, offset = ZERO, ZERO
    for t in tensors:
        whole = whole + t.sizes[dim]
    parts: list[Tensor] = []
    for t in tensors:
        place = ConvolutionNode((dim, inner), (whole, t.sizes[dim]), (1,), offset)
        parts.append(Product((t.rename({dim: inner}), place), tensors[0].edges))
        offset = offset + t.sizes[dim]
    return Sum(tuple(parts), (ONE.number,) * len(parts))


def window(t: Tensor, dim: str, length: SizeLike, start: SizeLike = 0, step: int = 1) -> Tensor:
    """`length` entries of `t` along an edge: those at start, start + step, ...; zeros beyond its end.

    >>> from tensorgrad import Variable
    >>> window(Variable("x", i=9, b="b"), "i", 3, start=2, step=2).shape
    {'i': 3, 'b': b}
    """
    (edge,) = chosen(t, dim)
    (whole,) = fresh([edge], t.edges)
    first = _offset(start)
    place = ConvolutionNode((whole, edge), (t.sizes[edge], size(length)), (step,), first)
    return Product((t.rename({edge: whole}), place), t.edges)


def _offset(value: SizeLike | int) -> Poly:
    return Poly.constant(value) if isinstance(value, int) else size(value)


def Convolution(
    *symbols: SizeLike,
    stride: int = 1,
    dilation: int = 1,
    padding: int = 0,
    edges: Mapping[str, SizeLike | None] | None = None,
    **named: SizeLike | None,
) -> Tensor:
    """1 where input = dilation * kernel + stride * output - padding: three edges in this order.

    Edges are named (`i=28`), or symbols that edges are named after. The size of the output may be None: it is then as
    many as fit. Convolutions of several spatial edges are products.

    >>> Convolution(i=28, k=5, o=None, stride=2, padding=1).shape
    {'i': 28, 'k': 5, 'o': 13}
    >>> Convolution("i", "k", o=None).shape
    {'i': i, 'k': k, 'o': i - k + 1}
    """
    pairs = [*((str(s), s) for s in symbols), *(edges or {}).items(), *named.items()]
    given = dict(pairs)
    if len(pairs) != 3 or len(given) != 3:
        listed = ", ".join(e for e, _ in pairs) or "none"
        raise EdgeError(f"a convolution has three edges, input, kernel and output, not {listed}")
    for what, number, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", padding, 0)):
        if not isinstance(number, int) or number < least:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise SizeError(f"a convolution's {what} is an integer of at least {least}, not {number!r}")
    (first, input_), (second, kernel), (third, output) = given.items()
    if input_ is None or kernel is None:
        raise SizeError("the sizes of a convolution's input and kernel must be given")
    whole, part = size(input_), size(kernel)
    places = size(output) if output is not None else _fitting(whole - (part - 1) * dilation + 2 * padding, stride)
    return ConvolutionNode((first, second, third), (whole, part, places), (dilation, stride), Poly.constant(-padding))


def _fitting(starts: Poly, stride: int) -> Poly:
    """How many of the possible starts a stride takes: every one, or with numbers those that are multiples of it."""
    if stride == 1 and not starts.is_constant:
        return starts
    if not starts.is_constant:
        raise SizeError(
            f"the size of the output of a convolution with stride {stride}, ({starts} - 1) // {stride} + 1, is no "
            "polynomial: give it, o=m"
        )
    if starts.number < 1:
        raise SizeError("the kernel of the convolution is longer than its input")
    return Poly.constant((int(starts.number) - 1) // stride + 1)


def one_hot(index: TensorLike, sizes: Mapping[str, SizeLike] | None = None, **edge: SizeLike) -> Tensor:
    """1 at `index`, else 0, along a new edge: `one_hot(2, i=n)`; of positions with edges, a vector for each of them.

    >>> from tensorgrad import Variable
    >>> one_hot(Variable("word", "batch"), v="v").shape
    {'batch': batch, 'v': v}
    """
    made = {**(sizes or {}), **edge}
    if len(made) != 1:
        raise EdgeError("one_hot makes a vector: name its one edge and size, one_hot(2, i=n)")
    ((name, dim),) = made.items()
    position = tensor(index)
    if not position.order:
        _require_position(position, size(dim), name)
        return Unit(position, size(dim), (name,))
    if name in position.edges:
        raise EdgeError(f"one_hot: the index has an edge {name!r} already; name the new edge otherwise")
    return Apply(onehot(size(dim)), (position,), ((),), ((name,),))


def _require_position(position: Tensor, dim: Poly, edge: str) -> None:
    """SizeError for a number that is no position along an edge of this size."""
    if not isinstance(position, Scalar) or not position.value.is_constant:
        return
    number = position.value.number
    if number.denominator != 1 or number < 0 or (dim.is_constant and number >= dim.number):
        last = dim - 1
        raise SizeError(f"one_hot: {number} is no position along {edge!r}: positions are the integers from 0 to {last}")


def gather(t: Tensor, index: TensorLike, dim: str) -> Tensor:
    """The entries of `t` at the positions `index` along `dim`, whose place the edges of the index take.

    Where the two share an edge, positions and entries go together along it. `gather(table, words, "v")` is an embedding.

    >>> from tensorgrad import Variable
    >>> gather(Variable("E", v="v", d="d"), Variable("words", "b", "t"), "v").edges
    ('d', 'b', 't')
    """
    (edge,) = chosen(t, dim)
    position = tensor(index)
    (inner,) = fresh([edge], (*t.edges, *position.edges))
    chosen_vectors = one_hot(position, {inner: t.sizes[edge]})
    kept = [e for e in t.edges if e != edge]
    return Product((t.rename({edge: inner}), chosen_vectors), tuple(dict.fromkeys((*kept, *position.edges))))


def argmax(t: Tensor, dim: Dim = None) -> Tensor:
    """The position of the greatest entry along an edge (or along several, row-major); undefined where it is not alone.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.argmax(x))
    argmax(x)
    """
    group = chosen(t, dim)
    return Apply(FUNCTIONS["argmax"], (t,), ((group,),))


def argsort(t: Tensor, dim: str | None = None) -> Tensor:
    """The positions of the entries along an edge in ascending order; undefined where two are equal.

    Only a vector can do without `dim`.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.argsort(x, "i"))
    argsort(x)
    """
    group = along(t, dim, "argsort")
    if len(group) != 1:
        raise EdgeError(f"argsort orders one edge, not {', '.join(group) or 'none'}: flatten them first")
    return Apply(FUNCTIONS["argsort"], (t,), ((group,),), (group,))


def sort(t: Tensor, dim: str | None = None) -> Tensor:
    """The entries along an edge in ascending order. Only a vector can do without `dim`.

    >>> from tensorgrad import Variable
    >>> sort(Variable("x", "n", "m"), "m").edges
    ('n', 'm')
    """
    (edge,) = along(t, dim, "sort")
    return Product((gather(t, argsort(t, edge), edge),), t.edges)
