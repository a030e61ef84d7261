"""What expressions mean: names, operators and indices (calls are in `calls`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tensorgrad.errors import NotationError
from tensorgrad.function import FUNCTIONS
from tensorgrad.notation.scope import RESERVED, Scope
from tensorgrad.notation.source import Source, listed, near
from tensorgrad.notation.syntax import Syntax, show
from tensorgrad.notation.values import Dim, Edge, Relation, Value
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Delta, Law, Product, Scalar, Tensor, renamed

Combine = Callable[[list[Value]], Value]


def constant(value: Poly, node: Syntax) -> Value:
    """A number or a size as a value."""
    return Value((), (), False, (), lambda _: Scalar(value), node, value)


class Reader:
    """Reads the expressions of one goal: they share index letters' sizes, the scope and the laws."""

    def __init__(self, source: Source, scope: Scope, laws: Mapping[str, Law] | None = None) -> None:
        self.source, self.scope = source, scope
        declared = {name: stated[0].law for name, stated in scope.laws.items()}
        self.laws = {**declared, **(laws or {})}
        self.relations: list[Relation] = []
        self.written_out = 0
        """Syntax nodes that series made: sums inside sums multiply."""
        self.pending: list[tuple[Dim, Source, Syntax]] = []
        self.letters: set[str] = set()
        self.count = 0
        self.symbols: frozenset[str] = scope.sizes

    # ---- helpers for the readers of names, operators and calls

    def error(self, node: Syntax, message: str) -> NotationError:
        """A NotationError at a node."""
        return self.source.error(message, node.start, node.end)

    def show(self, node: Syntax) -> str:
        """The node's text, short."""
        return show(self.source, node)

    def name(self, edge: Edge) -> str:
        """The edge's name, invented now if it has none."""
        name = edge.name
        if name is None:
            name = f"s{self.count}"
            while name in self.letters:
                self.count += 1
                name = f"s{self.count}"
            self.count += 1
            edge.bind(name)
        return name

    def names(self, edges: Iterable[Edge]) -> tuple[str, ...]:
        """The edges' names."""
        return tuple(self.name(e) for e in edges)

    def bindings(self, *nodes: Syntax) -> str:
        """` (A : n m ; x : k)`: the declarations of the names in these nodes, at most six."""
        found: dict[str, None] = {}
        stack = list(reversed(nodes))
        while stack and len(found) < 7:
            node = stack.pop()
            if node.kind == "name" and (node.value in self.scope.variables or node.value in self.scope.functions):
                found[node.value] = None
            stack.extend(reversed(node.parts))
        names = list(found)[:6]
        return f" ({' ; '.join(map(self.scope.describe, names))}{' ; ...' if len(found) > 6 else ''})" if names else ""

    def positional(self, value: Value, what: str) -> None:
        """Raise when a value has named edges where positions are needed."""
        if value.named:
            raise self.error(
                value.node,
                f"{what} needs an expression whose axes have positions, but {self.show(value.node)} has named edges "
                f"({listed(value.names)}); order them with ten[{', '.join(value.names)}](...)",
            )

    def of_order(self, value: Value, order: int, what: str) -> None:
        """Raise when a value is not positional of this order."""
        self.positional(value, what)
        if value.order != order:
            words = {0: "a scalar", 1: "a vector (one axis)", 2: "a matrix (two axes)"}
            raise self.error(
                value.node,
                f"{what} needs {words.get(order, f'{order} axes')}, but {self.show(value.node)} has order "
                f"{value.order}: {value.shape()}{self.bindings(value.node)}",
            )

    # ---- the driver

    def read(self, node: Syntax) -> Value:
        """The value of a syntax tree; no recursion."""
        from tensorgrad.notation import brackets, calls, operators

        done: dict[int, Value] = {}
        plans: dict[int, tuple[Sequence[Syntax], Combine]] = {}
        stack: list[tuple[Syntax, bool]] = [(node, False)]
        while stack:
            current, ready = stack.pop()
            if ready:
                parts, combine = plans.pop(id(current))
                done[id(current)] = combine([done.pop(id(p)) for p in parts])
                continue
            if current.kind == "call":
                parts, combine = calls.plan_call(self, current)
            elif current.kind == "index":
                parts, combine = brackets.plan_index(self, current)
            elif current.kind in ("unary", "transpose", "binary"):
                parts, combine = operators.plan_operator(self, current)
            else:
                parts, combine = self.plan(current)
            plans[id(current)] = (parts, combine)
            stack.append((current, True))
            stack.extend((p, False) for p in reversed(parts))
        return done[id(node)]

    def plan(self, node: Syntax) -> tuple[Sequence[Syntax], Combine]:
        """How to read a number or a name."""
        if node.kind == "number":
            return (), lambda _: constant(Poly.constant(node.number), node)
        if node.kind == "name":
            return (), lambda _: self.named(node)
        if node.kind == "string":
            raise self.error(node, "a text in quotes is only the first argument of einsum")
        raise self.error(node, "a : belongs only into delta[i:n, j], flat[...] and conv[...]")

    # ---- names

    def named(self, node: Syntax) -> Value:
        """A declared variable, a size symbol or a number that has a name."""
        name = node.value
        variable = self.scope.variables.get(name)
        if variable is not None:
            edges = tuple(Edge() for _ in variable.edges)
            dims = tuple(Dim(d) for d in variable.dims)
            return Value(edges, dims, False, (), lambda _: self.rename(variable, edges), node)
        if name in self.symbols and name not in self.scope.functions:
            return constant(Poly.symbol(name), node)
        function = FUNCTIONS.get(name)
        if function is not None and function.nullary and name not in self.scope.functions:
            return Value((), (), False, (), lambda _: Apply(function, ()), node)
        raise self.error(node, self.unknown(name, self.show(node)))

    def unknown(self, name: str, shown: str) -> str:
        """Why a name means nothing here, with the remedy."""
        if name in self.scope.functions:
            return f"{name} is a function ({self.scope.describe(name)}): apply it, {name}(...)"
        if name in ("I", "e", "E", "d"):
            forms = {"I": "I[n]", "e": "e[i, n]", "E": "E[x](...)", "d": "d(f)(x)"}
            return f"{name} is not declared; the built-in {name} is written {forms[name]}"
        if name in ("delta", "lc", "flat", "conv", "ones", "zeros", "commutation"):
            return f"{name} is written with brackets, {name}[...]"
        if name in RESERVED:
            return f"{name} is a function of the notation: apply it, {name}(...)"
        known = [*self.scope.variables, *self.scope.functions, *sorted(self.symbols)]
        declared = f"declared are {listed(known)}" if known else "nothing is declared"
        return f"unknown name {shown}{near(name, known)}: {declared}; declare it, for example {shown} : n m"

    def rename(self, t: Tensor, edges: Sequence[Edge]) -> Tensor:
        """`t` with its edges called as the edges are."""
        return renamed(t, self.names(edges))

    # ---- indices

    def subscript(self, node: Syntax, value: Value, letters: list[Syntax]) -> Value:
        """X[i, j]: names for the axes; a repeated index takes the diagonal."""
        if value.named:
            raise self.error(
                node,
                f"{self.show(value.node)} already has named edges ({listed(value.names)}): "
                "it cannot be subscripted again",
            )
        if value.order != len(letters):
            raise self.error(
                node,
                f"{self.show(value.node)} has order {value.order} ({value.shape()}), but {len(letters)} "
                f"{'index was' if len(letters) == 1 else 'indices were'} given{self.bindings(value.node)}",
            )
        edges: dict[str, Edge] = {}
        dims: dict[str, Dim] = {}
        repeated: dict[str, list[Edge]] = {}
        for letter, edge, dim in zip(letters, value.edges, value.dims, strict=True):
            name = self.letter(letter)
            if name not in edges:
                edge.bind(name)
                edges[name], dims[name] = edge, dim
            elif dims[name].unify(dim):
                repeated.setdefault(name, []).append(edge)
            else:
                raise self.error(
                    node,
                    f"the repeated index {name} stands for axes of sizes {dims[name]} and {dim} of "
                    f"{self.show(value.node)}{self.bindings(value.node)}: a diagonal needs equal sizes",
                )

        def make(t: Sequence[Tensor]) -> Tensor:
            if not repeated:
                return t[0]
            copies = [Delta(dims[n].known(), n, *self.names(r)) for n, r in repeated.items()]
            return Product((t[0], *copies), tuple(edges))

        return Value(tuple(edges.values()), tuple(dims.values()), True, (value,), make, node)

    def letter(self, node: Syntax) -> str:
        """An index letter."""
        if node.kind == "slice":
            raise self.error(node, "a size after : belongs only into delta[i:n, j], flat[...] and conv[...]")
        if node.kind != "name" or node.grouped:
            hint = "; for a fixed position contract with the unit vector e[0, n]" if node.kind == "number" else ""
            raise self.error(node, f"an index is a name such as i, found {self.show(node)}{hint}")
        self.letters.add(node.value)
        return node.value
