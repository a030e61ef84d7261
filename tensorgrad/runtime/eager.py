"""An expression as one writes it with an array library: its text computed word by word, nothing rearranged.

It shares no code with diagrams and plans, so that its values check ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from tensorgrad.errors import UnsupportedError
from tensorgrad.notation import parse
from tensorgrad.notation.source import Source
from tensorgrad.notation.syntax import Syntax, read_expression, show
from tensorgrad.runtime.labelled import Array, Labelled, Library, Value


class Eager(Labelled):
    """An expression at given sizes, as a function of the values of its variables.

    Raises UnsupportedError for a word that this reading of the notation has not.

    >>> from tensorgrad.runtime.libraries import torch_library
    >>> import torch
    >>> program = Eager("A @ x + x", "A : n n ; x : n", {"n": 2}, torch_library())
    >>> program({"A": torch.eye(2), "x": torch.ones(2)})
    tensor([2., 2.])
    """

    def __init__(self, text: str, let: str, dims: Mapping[str, int], library: Library) -> None:
        super().__init__(library)
        self.source, self.let, self.dims = Source(text), let, dims
        self.syntax = read_expression(self.source)
        self.edges = parse(text, let).edges
        self.orders: dict[int, int] = {}
        """The order of what is differentiated, by node."""

    def __call__(self, values: Mapping[str, Array]) -> Array:
        found = self.value(self.syntax, values)
        named = found.named
        return self.array(replace(found, edges=tuple(self.edges)) if named else found)

    def value(self, node: Syntax, values: Mapping[str, Array]) -> Value:
        """The value of a node; the benchmarks nest little, so that it may call itself."""
        match node.kind:
            case "number":
                return Value(float(node.number), (), ())
            case "name":
                return self._variable(node, values)
            case "transpose":
                inner = self.value(node.parts[0], values)
                return replace(inner, edges=inner.edges[::-1])
            case "unary":
                inner = self.value(node.parts[0], values)
                return replace(inner, number=-inner.number) if node.value == "-" else inner
            case "binary":
                a, b = (self.value(part, values) for part in node.parts)
                return self._binary(node.value, a, b)
            case "index":
                return self._index(node, values)
            case "call":
                return self._call(node, values)
            case _:
                raise self._unsupported(node)

    def _variable(self, node: Syntax, values: Mapping[str, Array]) -> Value:
        if node.value in values:
            array = values[node.value]
            return self.of(array, self.axes(len(array.shape)))
        if node.value in self.dims:
            return Value(float(self.dims[node.value]), (), ())
        raise self._unsupported(node)

    def _binary(self, operator: str, a: Value, b: Value) -> Value:
        if operator == "@":
            return self.matmul(a, b)
        if operator == "**":
            power = b.number
            return self.of(self.array(a) ** (int(power) if power == int(power) else power), a.edges)
        if operator == "*":
            return self.times(a, b)
        return self.entrywise(operator, a, b)

    def _index(self, node: Syntax, values: Mapping[str, Array]) -> Value:
        base, *items = node.parts
        if base.value in ("I", "ones", "zeros") and base.value not in values:
            sizes = [int(self.value(item, values).number) for item in items]
            some = next(iter(values.values()))
            return self.of(
                self.library.words[base.value](some, *sizes), self.axes(2 if base.value == "I" else len(sizes))
            )
        found = self.settle(self.value(base, values))
        names = tuple(item.value for item in items)
        made = self.relabel(found, names)
        return replace(made, edges=tuple(dict.fromkeys(names)))

    def _call(self, node: Syntax, values: Mapping[str, Array]) -> Value:
        callee, *arguments = node.parts
        if callee.kind == "index" and callee.parts[0].value == "sum":
            inner = self.value(arguments[0], values)
            over = {item.value for item in callee.parts[1:]}
            return replace(inner, edges=tuple(e for e in inner.edges if e not in over))
        name = callee.value
        if name in ("grad", "hess"):
            return self._derivative(node, name, values)
        if name == "einsum":
            return self._einsum(arguments, values)
        given = [self.value(a, values) for a in arguments]
        special = _STRUCTURE.get(name)
        if special is not None:
            return self.settle(special(self, *given))
        if name not in self.library.words:
            raise self._unsupported(node)
        return self._word(name, given)

    def _word(self, name: str, given: Sequence[Value]) -> Value:
        """A function of arrays; its order is that of its value."""
        numbers = [v.number if not v.factors else self.array(v) for v in given]
        made = self.library.words[name](*numbers)
        edges = given[0].edges if len(made.shape) == len(given[0].edges) else self.axes(len(made.shape))
        return self.of(made, edges)

    def _einsum(self, arguments: Sequence[Syntax], values: Mapping[str, Array]) -> Value:
        inputs, _, output = arguments[0].value.partition("->")
        label: dict[str, int] = {letter: next(self.fresh) for letter in inputs if letter.isalpha()}
        operands = [
            self.relabel(self.value(a, values), [label[letter] for letter in letters])
            for a, letters in zip(arguments[1:], inputs.split(","), strict=True)
        ]
        edges = [label[letter] for letter in output]
        return self.settle(reduce(lambda a, b: self.product(a, b, edges), operands, Value(1.0, (), tuple(edges))))

    def _derivative(self, node: Syntax, name: str, values: Mapping[str, Array]) -> Value:
        _, of, by = node.parts
        at = values[by.value]

        def function(x: Array) -> Array:
            return self.array(self.value(of, {**values, by.value: x}))

        if id(of) not in self.orders:
            self.orders[id(of)] = parse(self.source.text[of.start : of.end], self.let).order
        order = self.orders[id(of)]
        if name == "hess":
            return self.of(self.library.hessian(function, at), self.axes(2 * len(at.shape)))
        return self.of(self.library.gradient(function, at, order), self.axes(order + len(at.shape)))

    def _unsupported(self, node: Syntax) -> UnsupportedError:
        return UnsupportedError(f"{show(self.source, node)} in an array library's own words")


def _trace(run: Eager, a: Value) -> Value:
    return replace(_diagonal(run, a), edges=())


def _diagonal(run: Eager, a: Value) -> Value:
    if len(a.edges) == 1:
        made = run.library.words["diag"](run.array(a))
        return run.of(made, run.axes(2))
    a = run.settle(a)
    return replace(run.relabel(a, (a.edges[0], a.edges[0])), edges=(a.edges[0],))


def _outer(run: Eager, a: Value, b: Value) -> Value:
    return run.product(a, b, (*a.edges, *b.edges))


def _sum(run: Eager, a: Value, axis: Value | None = None) -> Value:
    dropped = a.edges if axis is None else (a.edges[int(axis.number)],)
    return replace(run.settle(a), edges=tuple(e for e in a.edges if e not in dropped))


def _dot(run: Eager, a: Value, b: Value) -> Value:
    return _sum(run, run.product(run.settle(a), run.relabel(run.settle(b), a.edges), a.edges))


def _norm2(run: Eager, a: Value) -> Value:
    return _sum(run, run.of(run.array(a) ** 2, a.edges))


_STRUCTURE: Mapping[str, Callable[..., Value]] = {
    "tr": _trace,
    "diag": _diagonal,
    "outer": _outer,
    "sum": _sum,
    "dot": _dot,
    "norm2": _norm2,
}
"""Words that only say which axes go together."""
