"""Instantiate a leaf derivative: put the arguments of a function application into the right side of its rule.

The template's axes become the groups of edges the function acts on, the arguments' other edges become batch edges, and
the application that is being differentiated stands wherever the template repeats it: `exp(x)` gives back its own node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product

from tensorgrad.calculus.leaves import Template, names_variable, places
from tensorgrad.calculus.wired import Local, fresh
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Groups,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
    broadcast,
    renamed,
)

Names = Mapping[str, tuple[str, ...]]
"""What a template's edge becomes: the edges of a group, by name."""


class Instance:
    """One template put to one application: `terms()` are the terms of its Jacobian."""

    def __init__(self, template: Template, node: Apply) -> None:
        self.template = template
        self.node = node
        self.argument = node.args[template.argument]
        self.groups = node.acted[template.argument]
        self.group_dims = [tuple(self.argument.sizes[e] for e in group) for group in self.groups]
        self.taken = {*node.edges, *(e for arg in node.args for e in arg.edges)}
        self.opaque = {id(node), *(id(arg) for arg in node.args)}
        self.sizes: dict[str, Poly] = node.sizes
        self.known: dict[str, int] = {}
        self.symbols: dict[str, Poly] = {}
        variable = template.variables[template.argument]
        for dim, group in zip(variable.dims, self.group_dims, strict=True):
            if len(dim.symbols) == 1:
                whole = ONE
                for part in group:
                    whole = whole * part
                self.symbols[dim.symbols[0]] = whole

    def terms(self, outer: tuple[str, ...]) -> list[Local]:
        """The Jacobian's terms: outer names are those of the application's edges (or of `outer`, where it is a trace or
        another function of the application), inner names those of the argument, fresh ones for the edges acted on."""
        bound = {e: name for group in self.groups for e, name in zip(group, self._fresh(len(group)), strict=True)}
        inner = tuple(bound.get(e, e) for e in self.argument.edges)
        names = dict(zip(self.template.produced, self.node.produced, strict=True)) if self.template.produced else {}
        for edge, group in zip(self.template.acted, self.groups, strict=True):
            names[edge] = tuple(bound[e] for e in group)
        for edge, source in zip(self.template.produced, self.node.function.produces, strict=False):
            if not isinstance(source, Poly):
                self.known[edge] = source
        self.known.update(zip(self.template.acted, range(len(self.groups)), strict=True))
        sizes = {**{e: self.sizes[e] for e in outer}, **dict(zip(inner, self.argument.dims, strict=True))}
        value = self.build(self.template.right, names, self.known)
        return [
            Local(coefficient, parts, inner, outer, {**sizes, **_sizes(parts)})
            for coefficient, parts in self._split(value)
        ]

    def _fresh(self, count: int) -> tuple[str, ...]:
        names: list[str] = []
        for _ in range(count):
            names.append(fresh(self.taken))
            self.taken.add(names[-1])
        return tuple(names)

    # The right side, built from the top: `names` and `known` (edge -> group acted on) for its free edges.

    def build(self, t: Tensor, names: Names, known: Mapping[str, int]) -> Tensor:
        """The template's node `t` with its free edges called `names`."""
        match t:
            case Scalar():
                return Scalar(t.value.substitute(self.symbols))
            case Variable():
                return self._variable(t, names)
            case Rename():
                pairs = list(zip(t.tensor.edges, t.edges, strict=True))
                return self.build(
                    t.tensor, {a: names[b] for a, b in pairs}, {a: known[b] for a, b in pairs if b in known}
                )
            case Delta():
                return self._delta(t, names, known)
            case Zero():
                return Scalar(ZERO)
            case Convolution():
                if any(len(names[e]) != 1 for e in t.edges):
                    raise UnsupportedError(f"the derivative of {self.node.function} of groups of several edges")
                dims = tuple(d.substitute(self.symbols) for d in t.dims)
                return Convolution(tuple(names[e][0] for e in t.edges), dims, t.steps, t.offset)
            case Unit():
                return Unit(self.build(t.index, {}, {}), t.size.substitute(self.symbols), names[t.edges[0]])
            case Sum():
                return _plus([self.build(term, names, known) for term in t.terms], t.weights)
            case Product():
                return self._product(t, names, known)
            case Apply():
                return self._apply(t, names, known)
            case _:
                raise UnsupportedError(f"{type(t).__name__} in the derivative rule {self.template.name}")

    def _variable(self, t: Variable, names: Names) -> Tensor:
        place = next(k for k, v in enumerate(self.template.variables) if v.name == t.name)
        mapping: dict[str, str] = {}
        for group, edge in zip(self.node.acted[place], t.edges, strict=True):
            mapping.update(zip(group, names[edge], strict=True))
        arg = self.node.args[place]
        return renamed(arg, tuple(mapping.get(e, e) for e in arg.edges))

    def _delta(self, t: Delta, names: Names, known: Mapping[str, int]) -> Tensor:
        dims = next((self.group_dims[known[e]] for e in t.edges if e in known), (t.size.substitute(self.symbols),))
        if any(self.group_dims[known[e]] != dims for e in t.edges if e in known):
            raise UnsupportedError(f"the derivative of {self.node.function} of edges fused in different ways")
        deltas = [Delta(dim, *(names[e][k] for e in t.edges)) for k, dim in enumerate(dims)]
        return deltas[0] if len(deltas) == 1 else Product(deltas, [e for d in deltas for e in d.edges])

    def _product(self, t: Product, names: Names, known: Mapping[str, int]) -> Tensor:
        inferred = self._inferred(t)
        known = {**inferred, **{e: g for e, g in known.items() if e in t.edges}}
        inside = {e: names[e] for e in t.edges}
        for edge in dict.fromkeys(e for f in t.factors for e in f.edges):
            if edge not in inside:
                inside[edge] = self._fresh(len(self.group_dims[inferred[edge]]) if edge in inferred else 1)
        parts = [self.build(f, inside, known) for f in t.factors]
        number = ONE
        for part in parts:
            number = number * part.value if isinstance(part, Scalar) else number
        rest = [part for part in parts if not isinstance(part, Scalar)]
        if not rest or not number:
            return Scalar(number)
        if number is not ONE:
            rest.insert(0, Scalar(number))
        bound = {e for edge, group in inside.items() if edge not in t.edges for e in group}
        kept = dict.fromkeys(e for part in rest for e in part.edges if e not in bound)
        return rest[0] if len(rest) == 1 and not bound else Product(rest, tuple(kept))

    def _inferred(self, t: Tensor) -> dict[str, int]:
        """Which group acted on an edge stands for, as far as it can be seen from the functions and names below."""
        match t:
            case Variable():
                return {edge: k for k, edge in enumerate(t.edges)}
            case Rename():
                inner = self._inferred(t.tensor)
                return {new: inner[old] for old, new in zip(t.tensor.edges, t.edges, strict=True) if old in inner}
            case Sum() | Product():
                found: dict[str, int] = {}
                for child in t.children:
                    found.update(self._inferred(child))
                return found
            case Apply() if t.args:
                own = self._inferred(t.args[0])
                bound = {e for groups in t.acted for group in groups for e in group}
                found = {e: g for arg in t.args for e, g in self._inferred(arg).items() if e not in bound}
                for group, source in zip(t.produced, t.function.produces, strict=True):
                    acted = "" if isinstance(source, Poly) else t.acted[0][source][0]
                    if acted in own:
                        found[group[0]] = own[acted]
                return found
            case _:
                return {}

    def _apply(self, t: Apply, names: Names, known: Mapping[str, int]) -> Tensor:
        produced = tuple(names[group[0]] for group in t.produced)
        if self._repeats(t):
            own = {
                old: new
                for group, to in zip(self.node.produced, produced, strict=True)
                for old, new in zip(group, to, strict=True)
            }
            return renamed(self.node, tuple(own.get(e, e) for e in self.node.edges))
        args: list[Tensor] = []
        acted: list[Groups] = []
        for arg, groups in zip(t.args, t.acted, strict=True):
            place = next((k for k, v in enumerate(self.template.variables) if groups and names_variable(arg, v)), None)
            if place is None:
                inferred = self._inferred(arg)
                bound = {
                    g[0]: self._fresh(len(self.group_dims[inferred[g[0]]]) if g[0] in inferred else 1) for g in groups
                }
                inside = {**known, **{e: inferred[e] for e in bound if e in inferred}}
                args.append(self.build(arg, {**names, **bound}, inside))
                acted.append(tuple(bound[g[0]] for g in groups))
            else:
                own = places(arg)
                args.append(self.node.args[place])
                acted.append(tuple(self.node.acted[place][own[g[0]]] for g in groups))
        if t.function.name == "pow" and isinstance(args[1], Scalar) and args[1].value in (ZERO, ONE):
            return args[0] if args[1].value else Scalar(ONE)
        return Apply(t.function, args, acted, produced)

    def _repeats(self, t: Apply) -> bool:
        """Whether `t` is the application that is being differentiated, written again."""
        if t.function != self.node.function:
            return False
        pairs = zip(t.args, t.acted, self.template.variables, strict=True)
        return all(
            names_variable(arg, v) and [places(arg)[g[0]] for g in groups] == list(range(len(groups)))
            for arg, groups, v in pairs
        )

    # The terms of what was built.

    def _split(self, t: Tensor) -> list[tuple[Poly, tuple[Tensor, ...]]]:
        """The terms: each a coefficient and factors. A sum inside is multiplied out only where it holds identities."""
        if id(t) in self.opaque:
            return [(ONE, (t,))]
        match t:
            case Scalar():
                return [(t.value, ())] if t.value else []
            case Sum() if len(t.terms) == 1 or any(self._wire(term) for term in t.terms):
                return [
                    (coefficient * weight, parts)
                    for term, weight in zip(t.terms, t.weights, strict=True)
                    for coefficient, parts in self._split(term)
                ]
            case Product() if set(t.edges) == {e for f in t.factors for e in f.edges}:
                terms: list[tuple[Poly, tuple[Tensor, ...]]] = []
                for choice in product(*(self._split(f) for f in t.factors)):
                    coefficient = ONE
                    for part, _ in choice:
                        coefficient = coefficient * part
                    terms.append((coefficient, tuple(f for _, parts in choice for f in parts)))
                return terms
            case _:
                return [(ONE, (t,))]

    def _wire(self, t: Tensor) -> bool:
        """Whether an identity is a factor of `t`."""
        if id(t) in self.opaque:
            return False
        if isinstance(t, Product):
            return any(self._wire(f) for f in t.factors)
        return isinstance(t, Delta) and t.order > 1


def _sizes(parts: Sequence[Tensor]) -> dict[str, Poly]:
    return {edge: dim for part in parts for edge, dim in part.sizes.items()}


def _plus(terms: Sequence[Tensor], weights: Sequence[Fraction]) -> Tensor:
    """The weighted sum; numbers are added up, zeros dropped."""
    number = ZERO
    rest: list[tuple[Tensor, Fraction]] = []
    for term, weight in zip(terms, weights, strict=True):
        if isinstance(term, Scalar):
            number = number + term.value * weight
        else:
            rest.append((term, weight))
    if not rest:
        return Scalar(number)
    if number:
        scalar = number.number if number.is_constant else None
        rest.insert(0, (Scalar(ONE if scalar is not None else number), scalar if scalar is not None else Fraction(1)))
    if len(rest) == 1 and rest[0][1] == 1:
        return rest[0][0]
    sizes = {edge: dim for t, _ in rest for edge, dim in t.sizes.items()}
    return Sum(tuple(_ones(t, sizes) for t, _ in rest), tuple(w for _, w in rest))


def _ones(t: Tensor, sizes: Mapping[str, Poly]) -> Tensor:
    """`t` broadcast to these edges."""
    if not (isinstance(t, Scalar) and t.value is ONE and sizes):
        return broadcast(t, sizes)
    deltas = [Delta(dim, edge) for edge, dim in sizes.items()]
    return deltas[0] if len(deltas) == 1 else Product(deltas, tuple(sizes))
