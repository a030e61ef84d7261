"""Brackets: `I[n]`, `ones[n, m]`, `e[i, n]`, `delta[i, j]`, `flat[p, i, j]`, and the indices of expressions."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.function import FUNCTIONS, onehot
from tensorgrad.notation import structure as st
from tensorgrad.notation.applying import identity
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.scope import SHADOWED, size_of
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Relation, Value
from tensorgrad.notation.vocabulary import ALONG, BRACKETS, EXPECTATIONS, Plan, built_in
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Convolution, Delta, Flat, LeviCivita, Product, Tensor, Unit, Zero


def plan_index(reader: Reader, node: Syntax) -> Plan:
    """How to read `base[items]`: a built-in tensor, or names for the axes of an expression."""
    base, items = node.parts[0], node.parts[1:]
    name = built_in(reader, base)
    if name in BRACKETS:
        if name == "e":
            if len(items) != 2:
                raise reader.error(node, "a unit vector is e[i, n]: its position and its size")
            return items[:1], lambda v: _unit(reader, node, v[0], items[1])
        return (), lambda _: _bracketed(reader, node, name, items)
    if name in (*ALONG, "mat", "ten", *EXPECTATIONS) or (
        name not in SHADOWED and name in FUNCTIONS and FUNCTIONS[name].acts
    ):
        raise reader.error(node, f"{reader.show(node)} is a function: apply it, {reader.show(node)}(...)")
    return [base], lambda v: reader.subscript(node, v[0], list(items))


def _unit(reader: Reader, node: Syntax, index: Value, size: Syntax) -> Value:
    """e[k, n], and e[w, n] with a tensor of positions: for each one a unit vector, on a new last axis."""
    reader.positional(index, "e[w, n]")
    dim = size_of(reader.source, size, reader.scope)
    if index.order:
        return _units(reader, node, index, dim)
    k = index.constant
    if k is not None and k.is_constant and (k.number.denominator != 1 or k.number < 0):
        raise reader.error(index.node, f"the position of a unit vector counts from 0, found {k}")
    if k is not None and k.is_constant and dim.is_constant and k.number >= dim.number:
        raise reader.error(node, f"position {k} is outside a vector of size {dim}: positions are 0 to {dim - 1}")
    edge = Edge()
    return Value((edge,), (Dim(dim),), False, (index,), lambda t: Unit(t[0], dim, reader.names((edge,))), node)


def _units(reader: Reader, node: Syntax, index: Value, size: Poly) -> Value:
    edge = Edge()

    def make(t: Sequence[Tensor]) -> Tensor:
        return Apply(onehot(size), (t[0],), ((),), (reader.names((edge,)),))

    return Value((*index.edges, edge), (*index.dims, Dim(size)), False, (index,), make, node)


def _bracketed(reader: Reader, node: Syntax, name: str, items: list[Syntax]) -> Value:
    if name in ("delta", "lc", "flat", "conv"):
        return _lettered(reader, node, name, items)
    dims = [size_of(reader.source, item, reader.scope) for item in items]
    reader.symbols |= {s for d in dims for s in d.symbols}
    if name == "I" and len(dims) != 1:
        raise reader.error(node, "the identity is I[n]: one size")
    if name == "commutation":
        if len(dims) != 2:
            raise reader.error(node, "the commutation matrix is commutation[n, m]: two sizes")
        return st.commutation(reader, node, dims[0], dims[1])
    if name == "I":
        return identity(reader, node, Dim(dims[0]))
    edges = tuple(Edge() for _ in dims)

    def make(_: Sequence[Tensor]) -> Tensor:
        names = reader.names(edges)
        if name == "zeros":
            return Zero(edges=dict(zip(names, dims, strict=True)))
        ones = [Delta(dim, edge) for dim, edge in zip(dims, names, strict=True)]
        return ones[0] if len(ones) == 1 else Product(ones, names)

    return Value(edges, tuple(map(Dim, dims)), False, (), make, node)


def plan_conv(reader: Reader, node: Syntax, items: list[Syntax], arguments: Sequence[Syntax]) -> Plan:
    """conv[i:n, j:m, k:l](2, 1, c): 1 where i = 2 * j + 1 * k + c, a step for each index after the first, and an offset."""

    def combine(v: list[Value]) -> Value:
        numbers = [value.constant for value in v]
        wrong = [value for value, number in zip(v, numbers, strict=True) if number is None]
        if len(items) < 2 or len(v) != len(items) or wrong:
            raise reader.error(
                node,
                "conv[i:n, j:m](2, c) is 1 where i = 2 * j + c: a step for each index after the first, then the offset",
            )
        *steps, offset = [number for number in numbers if number is not None]
        if any(not s.is_constant or s.number.denominator != 1 or s.number < 1 for s in steps):
            raise reader.error(node, "the steps of conv are whole numbers from 1 on")
        return _lettered(reader, node, "conv", items, (tuple(int(s.number) for s in steps), offset))

    return arguments, combine


def _lettered(
    reader: Reader, node: Syntax, name: str, items: list[Syntax], sliding: tuple[tuple[int, ...], Poly] | None = None
) -> Value:
    """delta, lc, flat and conv of index letters, whose sizes are inferred or said (`i:n`); steps and offset of a conv."""
    letters: list[Syntax] = []
    dims: list[Dim] = []
    for item in items:
        said = size_of(reader.source, item.parts[1], reader.scope) if item.kind == "slice" else None
        if said is not None:
            reader.symbols |= set(said.symbols)
        letters.append(item.parts[0] if item.kind == "slice" else item)
        dims.append(Dim(Poly.constant(len(items)) if name == "lc" else said))
    if name == "delta":
        for letter, dim in zip(letters, dims, strict=True):
            if not dims[0].unify(dim):
                raise reader.error(letter, f"the indices of a delta have one size, here {dims[0]} and {dim}")
    if sliding is None:
        _letter_relations(reader, node, name, dims)
    reader.pending.extend((dim, reader.source, letter) for dim, letter in zip(dims, letters, strict=True))
    edges = tuple(Edge() for _ in items)

    def make(_: Sequence[Tensor]) -> Tensor:
        names, sizes = reader.names(edges), tuple(d.known() for d in dims)
        if name == "delta":
            return Delta(sizes[0], *names)
        if name == "flat":
            return Flat(names, sizes[1:])
        if name == "lc":
            return LeviCivita(names)
        return Convolution(names, sizes) if sliding is None else Convolution(names, sizes, *sliding)

    value = Value(edges, tuple(dims), False, (), make, node)
    if name == "delta":
        return _deduplicated(reader, node, value, letters, dims[0])
    return reader.subscript(node, value, letters)


def _deduplicated(reader: Reader, node: Syntax, value: Value, letters: list[Syntax], dim: Dim) -> Value:
    """A copy tensor with a repeated index is the copy tensor of the distinct ones."""
    names = list(dict.fromkeys(reader.letter(x) for x in letters))
    edges = tuple(Edge(name) for name in names)
    return Value(edges, (dim,) * len(names), True, (), lambda _: Delta(dim.known(), *names), node)


def _letter_relations(reader: Reader, node: Syntax, name: str, dims: list[Dim]) -> None:
    if name == "flat":
        if len(dims) < 2:
            raise reader.error(node, "flat[p, i, j] fuses i, j, ... into p: it needs p and at least one part")
        reader.relations.append(Relation("flat", dims[0], tuple(dims[1:]), reader.source, node))
    elif name == "conv":
        if len(dims) != 3:
            raise reader.error(node, "conv[i, j, k] has three indices: it is 1 where i = j + k")
        reader.relations.append(Relation("conv", dims[0], tuple(dims[1:]), reader.source, node))
