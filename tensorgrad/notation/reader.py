"""What expressions mean: names, operators and indices (calls are in `calls`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

from tensorgrad.errors import NotationError
from tensorgrad.function import FUNCTIONS
from tensorgrad.notation.scope import LATER, RESERVED, Scope
from tensorgrad.notation.source import Source, listed, near
from tensorgrad.notation.syntax import Syntax, show
from tensorgrad.notation.values import Dim, Edge, Make, Relation, Value
from tensorgrad.sizes import MINUS_ONE, ONE, ZERO, Poly
from tensorgrad.tensor import Apply, Delta, Law, Product, Scalar, Sum, Tensor, broadcast

Combine = Callable[[list[Value]], Value]
_LARGEST_POWER = 64


def chain(node: Syntax, operators: str) -> list[tuple[str, Syntax]]:
    """The operands of `a + b - c`, or of `a * b @ c / d`, as written without parentheses, with the operator before each."""
    found: list[tuple[str, Syntax]] = []
    while node.kind == "binary" and node.value in operators.split():
        found.append((node.value, node.parts[1]))
        node = node.parts[0]
        if node.grouped:
            break
    found.append(("", node))
    return found[::-1]


def constant(value: Poly, node: Syntax) -> Value:
    """A number or a size as a value."""
    return Value((), (), False, (), lambda _: Scalar(value), node, value)


class Reader:
    """Reads the expressions of one goal: they share index letters' sizes, the scope and the laws."""

    def __init__(self, source: Source, scope: Scope, laws: Mapping[str, Law] | None = None) -> None:
        self.source, self.scope, self.laws = source, scope, dict(laws or {})
        self.relations: list[Relation] = []
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
                f"{what} needs {words.get(order, f'{order} axes')}, but {self.show(value.node)} has order {value.order}: "
                f"{value.shape()}{self.bindings(value.node)}",
            )

    # ---- the driver

    def read(self, node: Syntax) -> Value:
        """The value of a syntax tree; no recursion."""
        from tensorgrad.notation.calls import plan_call, plan_index

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
                parts, combine = plan_call(self, current)
            elif current.kind == "index":
                parts, combine = plan_index(self, current)
            else:
                parts, combine = self.plan(current)
            plans[id(current)] = (parts, combine)
            stack.append((current, True))
            stack.extend((p, False) for p in reversed(parts))
        return done[id(node)]

    def plan(self, node: Syntax) -> tuple[Sequence[Syntax], Combine]:
        """Which parts of a node to read, and what to do with their values."""
        if node.kind == "number":
            return (), lambda _: constant(Poly.constant(node.number), node)
        if node.kind == "name":
            return (), lambda _: self.named(node)
        if node.kind == "unary":
            return node.parts, lambda v: self.negate(node, v[0]) if node.value == "-" else v[0]
        if node.kind == "transpose":
            return node.parts, lambda v: self.transpose(node, v[0])
        if node.kind == "binary" and node.value == "**":
            return node.parts, lambda v: self.power(node, v[0], v[1])
        if node.kind == "binary":
            operands = chain(node, "+ -" if node.value in ("+", "-") else "* / @")
            combine = self.add if node.value in ("+", "-") else self.multiply
            operators = [op for op, _ in operands]
            return [operand for _, operand in operands], lambda v: combine(node, operators, v)
        if node.kind == "string":
            raise self.error(node, "a text in quotes is only the first argument of einsum")
        raise self.error(node, "a : belongs only into delta[i:n, j], flat[...] and conv[...]")

    # ---- names

    def named(self, node: Syntax) -> Value:
        """A declared variable or a size symbol."""
        name = node.value
        variable = self.scope.variables.get(name)
        if variable is not None:
            edges = tuple(Edge() for _ in variable.edges)
            dims = tuple(Dim(d) for d in variable.dims)
            return Value(edges, dims, False, (), lambda _: self.rename(variable, edges), node)
        if name in self.symbols and name not in self.scope.functions:
            return constant(Poly.symbol(name), node)
        raise self.error(node, self.unknown(name, self.show(node)))

    def unknown(self, name: str, shown: str) -> str:
        """Why a name means nothing here, with the remedy."""
        if name in self.scope.functions:
            return f"{name} is a function ({self.scope.describe(name)}): apply it, {name}(...)"
        if name in LATER:
            from tensorgrad.errors import UnsupportedError

            raise UnsupportedError(LATER[name])
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
        from tensorgrad.tensor import renamed

        return renamed(t, self.names(edges))

    # ---- operators

    def negate(self, node: Syntax, value: Value) -> Value:
        """-x"""
        if value.constant is not None:
            return constant(-value.constant, node)
        return Value(value.edges, value.dims, value.named, (value,), lambda t: Sum((t[0],), (Fraction(-1),)), node)

    def transpose(self, node: Syntax, value: Value) -> Value:
        """A.T"""
        if value.named:
            raise self.error(node, f".T reverses positions, but {self.show(value.node)} has named edges: swap the letters instead")
        return Value(value.edges[::-1], value.dims[::-1], False, (value,), lambda t: t[0], node)

    def power(self, node: Syntax, base: Value, exponent: Value) -> Value:
        """base ** exponent, entry by entry."""
        if base.constant is not None and exponent.constant is not None:
            folded = _folded_power(base.constant, exponent.constant)
            if folded is not None:
                return constant(folded, node)
            if not base.constant:
                raise self.error(node, "0 to a negative power is undefined")
        edges, dims, named = self.merge(node, base, exponent, "raise")

        def make(t: Sequence[Tensor]) -> Tensor:
            return Apply(FUNCTIONS["pow"], (t[0], t[1]))

        return Value(edges, dims, named, (base, exponent), make, node)

    def add(self, node: Syntax, operators: list[str], values: list[Value]) -> Value:
        """a + b - c ..."""
        constants = [v.constant for v in values]
        if all(c is not None for c in constants):
            total = ZERO
            for op, c in zip(operators, constants, strict=True):
                assert c is not None
                total = total - c if op == "-" else total + c
            return constant(total, node)
        left = values[0]
        for k, right in enumerate(values[1:], 1):
            edges, dims, named = self.merge(node, left, right, "add" if operators[k] == "+" else "subtract")
            span = Syntax("binary", values[0].node.start, right.node.end, parts=[left.node, right.node])
            left = Value(edges, dims, named, (), _no_tensor, span)
        weights = tuple(Fraction(-1 if op == "-" else 1) for op in operators)
        final = left

        def make(t: Sequence[Tensor]) -> Tensor:
            names = self.names(final.edges)
            sizes = {name: dim.known() for name, dim in zip(names, final.dims, strict=True)}
            return Sum(tuple(broadcast(term, sizes) for term in t), weights)

        return Value(final.edges, final.dims, final.named, tuple(values), make, node)

    def multiply(self, node: Syntax, operators: list[str], values: list[Value]) -> Value:
        """a * b / c @ d ..., left to right, as one product."""
        coefficient = ONE
        factors: list[Value] = []
        left = values[0]
        for k, right in enumerate(values):
            if operators[k] == "@":
                edges, dims = self.contract(node, left, right)
                left = Value(edges, dims, False, (), _no_tensor, self.span(values[0].node, left.node, right.node))
            elif k:
                what = "divide" if operators[k] == "/" else "multiply"
                edges, dims, named = self.merge(node, left, right, what)
                left = Value(edges, dims, named, (), _no_tensor, self.span(values[0].node, left.node, right.node))
            if operators[k] == "/":
                right = self.reciprocal(right)
            if right.constant is not None:
                coefficient = coefficient * right.constant
            else:
                factors.append(right)
        if not factors:
            return constant(coefficient, node)
        final = left

        def make(t: Sequence[Tensor]) -> Tensor:
            scalar = [] if coefficient is ONE else [Scalar(coefficient)]
            if not scalar and len(t) == 1:
                return t[0]
            return Product((*scalar, *t), self.names(final.edges))

        return Value(final.edges, final.dims, final.named, tuple(factors), make, node)

    def span(self, first: Syntax, left: Syntax, right: Syntax) -> Syntax:
        """A node for messages that stands for everything from `first` to `right`."""
        return Syntax("binary", first.start, right.end, parts=[left, right])

    def reciprocal(self, value: Value) -> Value:
        """1 / value, entry by entry."""
        if value.constant is not None:
            if not value.constant:
                raise self.error(value.node, "division by zero")
            if value.constant.is_monomial:
                return constant(value.constant.inverse(), value.node)

        def make(t: Sequence[Tensor]) -> Tensor:
            return Apply(FUNCTIONS["pow"], (t[0], Scalar(MINUS_ONE)))

        return Value(value.edges, value.dims, value.named, (value,), make, value.node)

    def contract(self, node: Syntax, left: Value, right: Value) -> tuple[tuple[Edge, ...], tuple[Dim, ...]]:
        """The axes of left @ right."""
        for value in (left, right):
            if value.named:
                letters = listed(value.names)
                raise self.error(
                    value.node,
                    f"@ contracts by position, but {self.show(value.node)} has named edges ({letters}): "
                    f"write sum[...](... * ...), or order them with ten[{', '.join(value.names)}](...)",
                )
            if not value.order:
                a, b = self.show(left.node), self.show(right.node)
                remedy = f"multiply with *, as in {a} * {b}" if len(a) + len(b) < 60 else "multiply with *"
                raise self.error(
                    value.node,
                    f"@ needs an axis on both sides, but {self.show(value.node)} is a scalar: {remedy}"
                    f"{self.bindings(left.node, right.node)}",
                )
        if not left.dims[-1].unify(right.dims[0]):
            a, b = self.show(left.node), self.show(right.node)
            raise self.error(
                self.span(left.node, left.node, right.node),
                f"cannot contract {a} @ {b}: {a} is {left.shape()}, {b} is {right.shape()}: the last axis of {a} has size "
                f"{left.dims[-1]}, the first of {b} has size {right.dims[0]}{self.bindings(left.node, right.node)}"
                f"{_transposing(left, right, a, b)}",
            )
        left.edges[-1].join(right.edges[0])
        return (*left.edges[:-1], *right.edges[1:]), (*left.dims[:-1], *right.dims[1:])

    def merge(
        self, node: Syntax, left: Value, right: Value, what: str
    ) -> tuple[tuple[Edge, ...], tuple[Dim, ...], bool]:
        """The axes of two values put together entry by entry: a scalar goes with all, names align, positions agree."""
        if not left.order or not right.order:
            one = left if left.order else right
            return one.edges, one.dims, one.named
        if left.named != right.named:
            a, b = self.show(left.node), self.show(right.node)
            named, other = (left, right) if left.named else (right, left)
            raise self.error(
                node,
                f"cannot {what} {a} and {b}: {self.show(named.node)} has named edges ({listed(named.names)}), "
                f"{self.show(other.node)} has positions ({other.shape()}): name its axes, "
                f"{_example(self.show(other.node), other.order)}",
            )
        if left.named:
            return self.merge_named(left, right)
        same = left.order == right.order and all(p.unify(q) for p, q in zip(left.dims, right.dims, strict=True))
        if not same:
            a, b = self.show(left.node), self.show(right.node)
            remedy = "" if left.order == right.order else "; to broadcast, name the axes: A[i, j] + x[j]"
            raise self.error(
                self.span(left.node, left.node, right.node),
                f"cannot {what} {a} and {b}: {a} is {left.shape()}, {b} is {right.shape()}"
                f"{self.bindings(left.node, right.node)}{remedy}",
            )
        for p, q in zip(left.edges, right.edges, strict=True):
            p.join(q)
        return left.edges, left.dims, False

    def merge_named(self, left: Value, right: Value) -> tuple[tuple[Edge, ...], tuple[Dim, ...], bool]:
        """The union of two sets of named edges; equal names have equal sizes."""
        sizes = left.sizes()
        edges, dims = list(left.edges), list(left.dims)
        for edge, name, dim in zip(right.edges, right.names, right.dims, strict=True):
            if name not in sizes:
                edges.append(edge)
                dims.append(dim)
            elif not sizes[name].unify(dim):
                raise self.error(
                    right.node,
                    f"the index {name} has size {dim} in {self.show(right.node)} and {sizes[name]} in "
                    f"{self.show(left.node)}{self.bindings(left.node, right.node)}: use two letters or change a declaration",
                )
        return tuple(edges), tuple(dims), True

    # ---- indices

    def subscript(self, node: Syntax, value: Value, letters: list[Syntax]) -> Value:
        """X[i, j]: names for the axes; a repeated index takes the diagonal."""
        if value.named:
            raise self.error(
                node, f"{self.show(value.node)} already has named edges ({listed(value.names)}): it cannot be subscripted again"
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
        make: Make = _first
        if repeated:

            def make(t: Sequence[Tensor]) -> Tensor:
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


def _transposing(left: Value, right: Value, a: str, b: str) -> str:
    if left.order == 2 and left.dims[0].value is right.dims[0].value and len(a) < 20:
        return f"; did you mean {a}.T @ {b}?"
    if right.order == 2 and left.dims[-1].value is right.dims[1].value and len(b) < 20:
        return f"; did you mean {a} @ {b}.T?"
    return "; transpose one of them or change a declaration"


def _example(text: str, order: int) -> str:
    return f"{text if text.isidentifier() else f'({text})'}[{', '.join('ijklpq'[k % 6] for k in range(order))}]"


def _first(t: Sequence[Tensor]) -> Tensor:
    return t[0]


def _no_tensor(_: Sequence[Tensor]) -> Tensor:
    raise AssertionError("only the whole chain is built")


def _folded_power(base: Poly, exponent: Poly) -> Poly | None:
    if not exponent.is_constant or exponent.number.denominator != 1 or abs(exponent.number) > _LARGEST_POWER:
        return None
    k = int(exponent.number)
    if base.is_constant and (base.number or k >= 0):
        small = base.number.numerator.bit_length() + base.number.denominator.bit_length() <= 64
        return base**k if small and (base or k) else ONE if not k else base if not base else None
    if base.is_monomial or (k >= 0 and len(base.terms) <= 3 and k <= 8):
        return base**k
    return None
