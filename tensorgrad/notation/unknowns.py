"""Unknown functions applied: `f(x)`, `f(x, s)` by position, `f[i, y](X[b, i])` with letters."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.function import Function
from tensorgrad.notation.applying import positions_of
from tensorgrad.notation.operators import merge
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.source import listed
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Value
from tensorgrad.notation.vocabulary import Plan
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Tensor


def plan_unknown(
    reader: Reader, node: Syntax, function: Function, items: Sequence[Syntax], arguments: Sequence[Syntax]
) -> Plan:
    """How to read an unknown function of its arguments.

    In brackets stand the letters it acts on, argument by argument, then those of the axes it makes.
    """
    count = len(function.acts)
    if len(arguments) != count:
        wanted, were = f"{count} argument{'s' * (count > 1)}", "was" if len(arguments) == 1 else "were"
        raise reader.error(
            node,
            f"{function.name} takes {wanted} ({reader.scope.describe(function.name)}), but {len(arguments)} {were} given",
        )
    return arguments, lambda v: _Application(reader, node, function, v).read(items)


class _Application:
    """One application: the function, its arguments, and of each argument the axes that are acted on."""

    def __init__(self, reader: Reader, node: Syntax, function: Function, values: list[Value]) -> None:
        self.reader, self.node, self.function, self.values = reader, node, function, values
        self.declared = reader.scope.describe(function.name)

    def read(self, items: Sequence[Syntax]) -> Value:
        acts, made = sum(self.function.acts), len(self.function.produces)
        if not items:
            return self.by_position() if acts or made else self.entrywise((), ())
        if made and len(items) == acts == made and not self.function.own_dims:
            return self.by_letters([*items, *items])  # d(f)[i](X): what it makes is called as what it acts on
        if len(items) != acts + made:
            name, were = str(self.function), "was" if len(items) == 1 else "were"
            raise self.reader.error(
                self.node,
                f"{name}[...] ({self.declared}) names the indices it acts on, then those it makes, {acts} and {made}, "
                f"but {len(items)} {were} given",
            )
        return self.by_letters(items)

    def by_position(self) -> Value:
        """Every argument has the axes that are acted on, and no others; where none is, those of the argument stay."""
        acted: list[tuple[int, ...]] = []
        for v, count in zip(self.values, self.function.acts, strict=True):
            if any(self.function.acts):
                self.reader.of_order(v, count, str(self.function))
            else:
                self.reader.positional(v, f"{self.function} without brackets")
            acted.append(tuple(range(count)))
        return self.entrywise(acted, [Edge() for _ in self.function.produces])

    def by_letters(self, items: Sequence[Syntax]) -> Value:
        """Every argument has named edges."""
        acted: list[tuple[int, ...]] = []
        at = 0
        for v, count in zip(self.values, self.function.acts, strict=True):
            acted.append(tuple(positions_of(self.reader, self.node, str(self.function), items[at : at + count], v)))
            at += count
        made: list[Edge] = []
        for item in items[at:]:
            name = self.reader.letter(item)
            if name in [edge.name for edge in made]:
                raise self.reader.error(item, f"{self.function}[...] makes {name} twice: use another letter")
            made.append(Edge(name))
        return self.entrywise(acted, made)

    def entrywise(self, acted: Sequence[tuple[int, ...]], made: Sequence[Edge]) -> Value:
        """The axes that are not acted on, put together entry by entry, then those that are made."""
        acted = acted or [()] * len(self.values)
        dims = [v.dims[k] for v, positions in zip(self.values, acted, strict=True) for k in positions]
        self.check_sizes(acted)
        edges, kept, named = self.batch(acted)
        for edge in made:
            if edge.name is not None and edge.name in [e.name for e in edges]:
                free = listed([e.name or "" for e in edges])
                raise self.reader.error(
                    self.node, f"{self.function}[...] makes the index {edge.name}, which an argument has ({free})"
                )
        own = [Dim(p) if isinstance(p, Poly) else dims[p] for p in self.function.produces]
        bound = [[v.edges[k] for k in positions] for v, positions in zip(self.values, acted, strict=True)]

        def make(t: Sequence[Tensor]) -> Tensor:
            groups = [tuple((name,) for name in self.reader.names(argument)) for argument in bound]
            return Apply(self.function, t, groups, tuple((name,) for name in self.reader.names(made)))

        named = named or any(edge.name is not None for edge in made)
        return Value((*edges, *made), (*kept, *own), named, tuple(self.values), make, self.node)

    def check_sizes(self, acted: Sequence[tuple[int, ...]]) -> None:
        """Raise where an axis has not the size that the function is declared for."""
        sizes = self.reader.scope.arguments[self.function.name]
        for v, positions, wanted in zip(self.values, acted, sizes, strict=True):
            for k, size in zip(positions, wanted, strict=True):
                if not v.dims[k].unify(Dim(size)):
                    what = "takes a vector of size" if len(wanted) == 1 else "acts on an axis of size"
                    raise self.reader.error(
                        self.node,
                        f"{self.function.name} {what} {size} ({self.declared}), but {self.reader.show(v.node)} has "
                        f"size {v.dims[k]}{self.reader.bindings(v.node)}",
                    )

    def batch(self, acted: Sequence[tuple[int, ...]]) -> tuple[tuple[Edge, ...], tuple[Dim, ...], bool]:
        """The axes of the arguments that are not acted on, together."""
        rest = [_without(v, positions) for v, positions in zip(self.values, acted, strict=True)]
        whole = rest[0]
        for v in rest[1:]:
            edges, dims, named = merge(self.reader, self.node, whole, v, f"apply {self.function} to")
            whole = Value(edges, dims, named, (), whole.make, whole.node)
        return whole.edges, whole.dims, whole.named and bool(whole.edges)


def _without(v: Value, positions: Sequence[int]) -> Value:
    kept = [k for k in range(v.order) if k not in positions]
    return Value(tuple(v.edges[k] for k in kept), tuple(v.dims[k] for k in kept), v.named, (), v.make, v.node)
