"""One goal being read: its sides share the scope, the laws and the sizes of index letters."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad.notation.reader import Reader
from tensorgrad.notation.scope import Scope
from tensorgrad.notation.source import Source, listed
from tensorgrad.notation.syntax import Syntax, read_expression
from tensorgrad.notation.values import Value, build, solve
from tensorgrad.notation.vocabulary import BRACKETS
from tensorgrad.tensor import Law, Tensor, align


class Goal:
    """Read expressions with `read`, relate them with `agree`, then `solve`, then make their tensors."""

    def __init__(self, source: Source, scope: Scope, laws: Mapping[str, Law] | None = None) -> None:
        self.source = source
        self.reader = Reader(source, scope, laws)

    def read(self, start: int, end: int, what: str = "expression") -> Value:
        """The value of `text[start:end]`."""
        node = read_expression(self.source, start, end, what)
        self.reader.symbols |= sizes_said(node, self.reader.scope)
        return self.reader.read(node)

    def agree(self, left: Value, right: Value) -> None:
        """Identify the edges of two sides; NotationError when they differ in edges or sizes, showing both."""
        a, b = self.reader.show(left.node), self.reader.show(right.node)
        shapes = f"\n  left   {a} is {left.shape()}\n  right  {b} is {right.shape()}"
        if left.order and right.order and left.named != right.named:
            named = left if left.named else right
            raise self.reader.error(
                right.node,
                f"one side has named edges ({listed(named.names)}), the other positions: "
                f"index it, (...)[{', '.join(named.names)}]" + shapes,
            )
        if left.named or right.named:
            if set(left.names) != set(right.names):
                raise self.reader.error(right.node, "the two sides have different edges" + shapes)
            other = right.sizes()
            for name, dim in left.sizes().items():
                if not dim.unify(other[name]):
                    raise self.reader.error(
                        right.node,
                        f"the index {name} has size {dim} on the left and {other[name]} on the right" + shapes,
                    )
            return
        if left.order != right.order:
            raise self.reader.error(
                right.node, f"the two sides have different orders, {left.order} and {right.order}" + shapes
            )
        for axis, (p, q) in enumerate(zip(left.dims, right.dims, strict=True)):
            if not p.unify(q):
                raise self.reader.error(
                    right.node,
                    f"the two sides differ in size: axis {axis} has size {p} on the left and {q} on the right" + shapes,
                )

    def solve(self) -> None:
        """Determine all sizes; NotationError at an index whose size nothing determines."""
        solve(self.reader.relations)
        for dim, source, letter in self.reader.pending:
            if dim.value is None:
                name = letter.value
                raise source.error(
                    f"the size of the index {name} is determined by nothing: say it, {name}:n",
                    letter.start,
                    letter.end,
                )

    def tensor(self, value: Value) -> Tensor:
        """The tensor of a value; positions become the edges i0, i1, ..."""
        if value.named:
            return build(value)
        for position, edge in enumerate(value.edges):
            edge.bind(f"i{position}")
        return align(build(value), tuple(f"i{position}" for position in range(value.order)))


def sizes_said(node: Syntax, scope: Scope) -> frozenset[str]:
    """Symbols in the places of sizes, `I[n]`, `e[0, n]`, `delta[i:n]`: they are scalars in the same expression too."""
    found: set[str] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        stack.extend(current.parts)
        sizes: list[Syntax] = []
        if current.kind == "index" and current.parts[0].value in BRACKETS:
            base = current.parts[0].value
            sizes = (
                current.parts[2:]
                if base == "e"
                else current.parts[1:]
                if base in ("I", "ones", "zeros", "commutation")
                else []
            )
        elif current.kind == "slice":
            sizes = current.parts[1:]
        while sizes:
            size = sizes.pop()
            if size.kind == "name":
                found.add(size.value)
            sizes.extend(size.parts)
    return frozenset(found - set(scope.variables) - set(scope.functions))
