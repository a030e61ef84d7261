"""The structural calls of the notation, by position: tr, diag, outer, kron, vec, sums, einsum ... as diagrams."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.function import FUNCTIONS
from tensorgrad.notation.operators import merge
from tensorgrad.notation.reader import Reader, constant
from tensorgrad.notation.scope import size_of
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Relation, Value
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Delta, Flat, Product, Scalar, Tensor, align, power, renamed

_LARGEST_COUNT = 64


def reciprocal_factors(dims: Sequence[Poly]) -> list[Tensor]:
    """1 over the product of these sizes, as factors."""
    coefficient, factors = ONE, list[Tensor]()
    for dim in dims:
        if dim.is_monomial:
            coefficient = coefficient * dim.inverse()
        else:
            factors.append(power(Scalar(dim), -1))
    return [Scalar(coefficient), *factors] if coefficient is not ONE else factors


def keep(reader: Reader, node: Syntax, values: Sequence[Value], edges: Sequence[Edge], dims: Sequence[Dim]) -> Value:
    """The product of the values that keeps these edges and sums the others."""

    def make(t: Sequence[Tensor]) -> Tensor:
        return Product(t, reader.names(edges))

    named = bool(edges) and any(v.named for v in values)
    return Value(tuple(edges), tuple(dims), named, tuple(values), make, node)


def trace(reader: Reader, node: Syntax, v: Value) -> Value:
    """tr(A)"""
    square(reader, node, v, "tr")
    return _with_copy(reader, node, v, (v.edges[0], v.edges[1]), v.dims[0], ())


def diag(reader: Reader, node: Syntax, v: Value) -> Value:
    """diag(x), diag(A)"""
    reader.positional(v, "diag")
    if v.order == 1:
        other = Edge()
        return _with_copy(reader, node, v, (v.edges[0], other), v.dims[0], (v.edges[0], other))
    square(reader, node, v, "diag")
    return _with_copy(reader, node, v, (v.edges[0], v.edges[1]), v.dims[0], (v.edges[0],))


def _with_copy(reader: Reader, node: Syntax, v: Value, legs: Sequence[Edge], dim: Dim, kept: Sequence[Edge]) -> Value:
    def make(t: Sequence[Tensor]) -> Tensor:
        return Product((t[0], Delta(dim.known(), *reader.names(legs))), reader.names(kept))

    return Value(tuple(kept), (dim,) * len(kept), False, (v,), make, node)


def square(reader: Reader, node: Syntax, v: Value, what: str) -> None:
    """Raise unless v is a square matrix by position."""
    reader.of_order(v, 2, what)
    if not v.dims[0].unify(v.dims[1]):
        raise reader.error(
            v.node,
            f"{what} needs a square matrix, but {reader.show(v.node)} is {v.shape()}{reader.bindings(v.node)}",
        )


def total(reader: Reader, node: Syntax, v: Value) -> Value:
    """sum(X): all entries."""
    return keep(reader, node, (v,), (), ()) if v.order else v


def mean_over(reader: Reader, node: Syntax, v: Value, summed: Sequence[int]) -> Value:
    """The mean over the axes at these positions."""
    kept = [k for k in range(v.order) if k not in summed]
    edges, dims = tuple(v.edges[k] for k in kept), tuple(v.dims[k] for k in kept)

    def make(t: Sequence[Tensor]) -> Tensor:
        scale = reciprocal_factors([v.dims[k].known() for k in summed])
        return Product((*scale, t[0]), reader.names(edges))

    return Value(edges, dims, v.named and bool(edges), (v,), make, node)


def norm2(reader: Reader, node: Syntax, v: Value) -> Value:
    """norm2(X): the sum of squares."""

    def make(t: Sequence[Tensor]) -> Tensor:
        return Product((t[0], t[0]), ())

    return Value((), (), False, (v,), make, node)


def norm(reader: Reader, node: Syntax, v: Value) -> Value:
    """norm(X): the root of the sum of squares."""

    def make(t: Sequence[Tensor]) -> Tensor:
        return Apply(FUNCTIONS["sqrt"], (Product((t[0], t[0]), ()),))

    return Value((), (), False, (v,), make, node)


def dot(reader: Reader, node: Syntax, v: Value, w: Value) -> Value:
    """dot(X, Y): the sum of all entries of X * Y."""
    merge(reader, node, v, w, "take the dot product of")
    return keep(reader, node, (v, w), (), ())


def outer(reader: Reader, node: Syntax, v: Value, w: Value) -> Value:
    """outer(x, y): axes of x, then of y."""
    for value in (v, w):
        reader.positional(value, "outer")
    return keep(reader, node, (v, w), (*v.edges, *w.edges), (*v.dims, *w.dims))


def kron(reader: Reader, node: Syntax, v: Value, w: Value) -> Value:
    """kron(A, B): axis by axis, fused row-major."""
    for value in (v, w):
        reader.positional(value, "kron")
    if v.order != w.order or not v.order:
        raise reader.error(
            node,
            f"kron needs two vectors or two matrices, but {reader.show(v.node)} has order {v.order} ({v.shape()}) and "
            f"{reader.show(w.node)} has order {w.order} ({w.shape()}){reader.bindings(node)}: write a column as "
            "outer(v, ones[1]), a row as outer(ones[1], v)",
        )
    fused = [fuse(reader, node, (p, q)) for p, q in zip(v.dims, w.dims, strict=True)]
    edges = [Edge() for _ in fused]

    def make(t: Sequence[Tensor]) -> Tensor:
        flats = [
            Flat(reader.names((e, a, b)), (p.known(), q.known()))
            for e, a, b, p, q in zip(edges, v.edges, w.edges, v.dims, w.dims, strict=True)
        ]
        return Product((*t, *flats), reader.names(edges))

    return Value(tuple(edges), tuple(fused), False, (v, w), make, node)


def fuse(reader: Reader, node: Syntax, parts: Sequence[Dim]) -> Dim:
    """The size of a fused axis."""
    whole = Dim()
    reader.relations.append(Relation("flat", whole, tuple(parts), reader.source, node))
    implied = reader.relations[-1].implied()
    if implied is not None:
        whole.unify(Dim(implied))
    return whole


def khatri_rao(reader: Reader, node: Syntax, v: Value, w: Value) -> Value:
    """khatri_rao(A, B): column by column."""
    for value in (v, w):
        reader.of_order(value, 2, "khatri_rao")
    if not v.dims[1].unify(w.dims[1]):
        raise reader.error(
            node,
            f"khatri_rao needs equally many columns, but {reader.show(v.node)} is {v.shape()} and "
            f"{reader.show(w.node)} is {w.shape()}{reader.bindings(node)}",
        )
    v.edges[1].join(w.edges[1])
    edge, dim = Edge(), fuse(reader, node, (v.dims[0], w.dims[0]))

    def make(t: Sequence[Tensor]) -> Tensor:
        flat = Flat(reader.names((edge, v.edges[0], w.edges[0])), (v.dims[0].known(), w.dims[0].known()))
        return Product((*t, flat), reader.names((edge, v.edges[1])))

    return Value((edge, v.edges[1]), (dim, v.dims[1]), False, (v, w), make, node)


def vec(reader: Reader, node: Syntax, v: Value) -> Value:
    """vec(A): columns stacked."""
    reader.of_order(v, 2, "vec")
    edge, dim = Edge(), fuse(reader, node, v.dims[::-1])

    def make(t: Sequence[Tensor]) -> Tensor:
        flat = Flat(reader.names((edge, v.edges[1], v.edges[0])), (v.dims[1].known(), v.dims[0].known()))
        return Product((t[0], flat), reader.names((edge,)))

    return Value((edge,), (dim,), False, (v,), make, node)


def unvec(reader: Reader, node: Syntax, v: Value, rows: Syntax, columns: Syntax) -> Value:
    """unvec(x, n, m): the n by m matrix whose columns are stacked in x."""
    reader.of_order(v, 1, "unvec")
    n, m = (size_of(reader.source, s, reader.scope) for s in (rows, columns))
    if not v.dims[0].unify(Dim(n * m)):
        raise reader.error(
            node,
            f"unvec({reader.show(v.node)}, {n}, {m}) needs a vector of size {n * m}, but it has size {v.dims[0]}"
            f"{reader.bindings(v.node)}",
        )
    edges = (Edge(), Edge())

    def make(t: Sequence[Tensor]) -> Tensor:
        flat = Flat(reader.names((v.edges[0], edges[1], edges[0])), (m, n))
        return Product((t[0], flat), reader.names(edges))

    return Value(edges, (Dim(n), Dim(m)), False, (v,), make, node)


def commutation(reader: Reader, node: Syntax, n: Poly, m: Poly) -> Value:
    """commutation[n, m]: K @ vec(A) = vec(A.T) for A : n m."""
    p, q, i, j = Edge(), Edge(), Edge(), Edge()

    def make(_: Sequence[Tensor]) -> Tensor:
        to = Flat(reader.names((p, i, j)), (n, m))
        of = Flat(reader.names((q, j, i)), (m, n))
        return Product((to, of), reader.names((p, q)))

    return Value((p, q), (Dim(n * m), Dim(n * m)), False, (), make, node)


def outer_power(reader: Reader, node: Syntax, v: Value, times: int) -> Value:
    """power(A, k): A (x) A (x) ..."""
    if times == 0:
        return constant(ONE, node)
    copies = [tuple(Edge() for _ in v.edges) for _ in range(times - 1)]
    edges = (*v.edges, *(e for copy in copies for e in copy))

    def make(t: Sequence[Tensor]) -> Tensor:
        first = align(t[0], reader.names(v.edges))
        return Product((first, *(renamed(first, reader.names(c)) for c in copies)), reader.names(edges))

    return Value(edges, v.dims * times, False, (v,), make, node)


def matrix_power(reader: Reader, node: Syntax, v: Value, times: int) -> Value:
    """A @ A @ ... k times (k >= 1)."""
    if times == 1:
        return v
    steps = [v.edges[0], *(Edge() for _ in range(times))]

    def make(t: Sequence[Tensor]) -> Tensor:
        first = align(t[0], reader.names(v.edges))
        links = reader.names(steps)
        factors = [renamed(first, (links[k], links[k + 1])) for k in range(times)]
        return Product(factors, (links[0], links[-1]))

    return Value((steps[0], steps[-1]), v.dims, False, (v,), make, node)


def einsum(reader: Reader, node: Syntax, text: Syntax, values: list[Value]) -> Value:
    """einsum("ij,jk->ik", A, B); letters are local; repeated output letters copy."""
    inputs, output = _signature(reader, text, len(values))
    edges: dict[str, Edge] = {}
    dims: dict[str, Dim] = {}
    copies: list[tuple[Dim, Edge, Edge]] = []
    for letters, v in zip(inputs, values, strict=True):
        reader.of_order(v, len(letters), f"{letters!r} of einsum")
        seen: set[str] = set()
        for letter, edge, dim in zip(letters, v.edges, v.dims, strict=True):
            if not dims.setdefault(letter, dim).unify(dim):
                raise reader.error(
                    v.node,
                    f"the letter {letter} of einsum has size {dims[letter]} and, in {reader.show(v.node)}, {dim}"
                    f"{reader.bindings(node)}",
                )
            if letter in seen:
                copies.append((dim, edges[letter], edge))
            else:
                edges.setdefault(letter, edge).join(edge)
            seen.add(letter)
    kept: list[Edge] = []
    for k, letter in enumerate(output):
        if letter in output[:k]:
            kept.append(Edge())
            copies.append((dims[letter], edges[letter], kept[-1]))
        else:
            kept.append(edges[letter])

    def make(t: Sequence[Tensor]) -> Tensor:
        deltas = [Delta(dim.known(), *reader.names((a, b))) for dim, a, b in copies]
        return Product((*t, *deltas), reader.names(kept))

    return Value(tuple(kept), tuple(dims[x] for x in output), False, tuple(values), make, node)


def _signature(reader: Reader, text: Syntax, count: int) -> tuple[list[str], str]:
    left, arrow, right = text.value.replace(" ", "").partition("->")
    inputs = left.split(",")
    letters = "".join(inputs)
    if not all(c.isalpha() for c in letters + right):
        raise reader.error(text, f'einsum needs letters, as in "ij,jk->ik", found "{text.value}"')
    if len(inputs) != count:
        raise reader.error(text, f'"{text.value}" describes {len(inputs)} tensors, but einsum got {count}')
    if not arrow:
        right = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    for c in right:
        if c not in letters:
            raise reader.error(text, f"the output letter {c} of einsum is in no input")
    return inputs, right


def count_of(reader: Reader, node: Syntax, what: str) -> int:
    """A literal small non-negative integer."""
    value = node.number
    if node.kind != "number" or value.denominator != 1 or value > _LARGEST_COUNT:
        raise reader.error(node, f"{what} needs an integer from 0 to {_LARGEST_COUNT} here, found {reader.show(node)}")
    return int(value)
