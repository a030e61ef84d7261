"""Finding a closed form for one integrand: its factors are assigned to those of a line, and the line's right side put in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tensorgrad.calculus.forms import ClosedForm, Differentiate, Factor, chain_of, coefficients
from tensorgrad.calculus.lift import MORE, Lift, NoLiftError, fused, joined, ordered, unfused
from tensorgrad.diagram import Handle, Store, Total, expression, insert
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Expectation, Fact, Law, Product, Sum, Tensor, Variable, renamed

_ENTRYWISE = ("positive", "nonnegative", "nonzero", "integer")

Operand = tuple[Handle, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Offer:
    """What an expectation equals, by which line, if the facts `needs` hold."""

    name: str
    source: str
    value: Tensor
    needs: tuple[tuple[Tensor, Fact], ...]


def edge_name(edge: int) -> str:
    """The name of an edge of the integrand in an offer."""
    return f"~{edge}"


@dataclass
class Integrand:
    """A product of operands of a store, all of which depend on x, with no edge summed; edges are called `~0`, `~1`, ...

    `dims[e]` is the size of edge e.
    """

    store: Store
    x: Variable
    handle: Handle
    law: Law
    operands: Sequence[Operand]
    dims: Sequence[Poly]
    differentiate: Differentiate
    _read: dict[tuple[Handle, tuple[int, ...], int], list[Tensor] | None] = field(default_factory=dict)

    def offers(self, forms: Sequence[ClosedForm]) -> Iterator[Offer]:
        """What each form says of the integrand, in their order; the edges of a value are all of the integrand's."""
        for form in forms:
            for chosen in self._assignments(form, 0, ()):
                found = self._offer(form, chosen)
                if found is not None:
                    yield found
                    break

    def _assignments(self, form: ClosedForm, done: int, chosen: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """The operands of the form's factors, then of its copy of x; what is left must be allowed."""
        if done == len(form.factors) + form.copies:
            if bool(form.rest) == (len(chosen) < len(self.operands)):
                yield chosen
            return
        for k, (handle, legs) in enumerate(self.operands):
            if k in chosen:
                continue
            if done < len(form.factors):
                fits = self._argument(form.factors[done], handle, legs) is not None
            else:
                fits = handle == self.handle
            if fits:
                yield from self._assignments(form, done + 1, (*chosen, k))

    def _argument(self, factor: Factor, handle: Handle, legs: Sequence[int]) -> tuple[Handle, tuple[int, ...]] | None:
        """What the functions of a factor are applied to in an operand, if it is made of these functions."""
        for chain, inner, own in chain_of(self.store, handle, legs):
            if chain == factor.chain:
                return inner, own
        return None

    def _coefficients(self, inner: Handle, legs: tuple[int, ...], degree: int) -> list[Tensor] | None:
        key = (inner, legs, degree)
        if key not in self._read:
            self._read[key] = coefficients(self._tensor(inner, legs), self.x, degree, self.differentiate)
        return self._read[key]

    def _tensor(self, handle: Handle, legs: Sequence[int]) -> Tensor:
        """An operand with its edges called `~e`."""
        own = tuple(f"{edge_name(e)}.{k}" for k, e in enumerate(legs))
        names = dict(zip(own, map(edge_name, legs), strict=True))
        return joined(expression(self.store, (handle, tuple(range(len(own)))), own), names)

    def _offer(self, form: ClosedForm, chosen: tuple[int, ...]) -> Offer | None:
        found = self._scalars(form, chosen) if form.scalar else self._vectors(form, chosen)
        if found is None:
            return None
        rest = [self._tensor(*o) for k, o in enumerate(self.operands) if k not in chosen]
        whole = _Instance(self, form, found, rest)
        try:
            value, needs = whole.value(), whole.needs()
        except NoLiftError:
            return None
        for copy in chosen[len(form.factors) :]:
            parts = [f"{MORE}{k}'" for k in range(self.x.order)]
            value = unfused(value, form.edges[0], parts, self.x.dims)
            legs = self.operands[copy][1]
            value = joined(value, {p: MORE + edge_name(e) for p, e in zip(parts, legs, strict=True)})
        value = renamed(value, tuple(e.removeprefix(MORE) for e in value.edges))
        legs = sorted({e for _, own in self.operands for e in own})
        return Offer(form.name, form.source, self._broadcast(value, legs), needs)

    def _broadcast(self, value: Tensor, legs: Sequence[int]) -> Tensor:
        dims = {edge_name(e): self.dims[e] for e in legs}
        return ordered(value, tuple(dims), dims)

    def _scalars(self, form: ClosedForm, chosen: tuple[int, ...]) -> dict[str, Tensor] | None:
        """Mean and variance of the affine function that all factors are functions of."""
        arguments = [self._argument(f, *self.operands[k]) for f, k in zip(form.factors, chosen, strict=True)]
        if arguments[0] is None or any(a != arguments[0] for a in arguments):
            return None
        found = self._coefficients(*arguments[0], 1)
        if found is None:
            return None
        constant, slope = found
        batch = tuple(e for e in constant.edges)
        one, other = (tuple(f"{k}.{e}" for e in self.x.edges) for k in (1, 2))
        mean = self.mean(one)
        shifted = Sum((constant, Product((slope, mean), batch)), (1, 1))  # type: ignore[arg-type]
        second = renamed(slope, tuple(other[one.index(e)] if e in one else e for e in slope.edges))
        variance = Product((slope, self.covariance(one, other), second), batch)
        return {form.mean: _carried(shifted, batch), form.covariance: _carried(variance, batch)}

    def _vectors(self, form: ClosedForm, chosen: tuple[int, ...]) -> dict[str, Tensor] | None:
        """The coefficients of all arguments, edges of x fused to one."""
        found: dict[str, Tensor] = {}
        for factor, k in zip(form.factors, chosen, strict=False):
            argument = self._argument(factor, *self.operands[k])
            values = None if argument is None else self._coefficients(*argument, factor.degree)
            if values is None:
                return None
            for name, value in zip(factor.names, values, strict=True):
                if not name:
                    if not self._is_zero(value):
                        return None
                    continue
                carried = _carried(value, [e for e in value.edges if e.startswith("~")])
                for axis, edge in enumerate(form.names[name].edges if name in form.names else ()):
                    carried = fused(carried, [f"{axis + 1}.{e}" for e in self.x.edges], edge)
                found[name] = carried
        mean, covariance = form.names.get(form.mean), form.names.get(form.covariance)
        if mean is not None:
            found[form.mean] = fused(self.mean(self.x.edges), self.x.edges, mean.edges[0])
        if covariance is not None:
            other = tuple(f"2.{e}" for e in self.x.edges)
            first = fused(self.covariance(self.x.edges, other), self.x.edges, covariance.edges[0])
            found[form.covariance] = fused(first, other, covariance.edges[1])
        return found

    def _is_zero(self, value: Tensor) -> bool:
        store = Store()
        node = store.nodes[insert(store, value)[0]]
        return isinstance(node, Total) and not node.terms

    def mean(self, names: Sequence[str]) -> Tensor:
        """The mean of x with its edges called `names`."""
        return renamed(self.law.parameters[0], tuple(names))

    def covariance(self, one: Sequence[str], other: Sequence[str]) -> Tensor:
        """The covariance of x with its edges called `one` and `other`."""
        return renamed(self.law.parameters[1], (*one, *other))


def _carried(t: Tensor, edges: Sequence[str]) -> Tensor:
    return renamed(t, tuple(MORE + e if e in edges else e for e in t.edges))


@dataclass
class _Instance:
    """A form with what its names stand for; `rest` are the operands that its unknown function stands for."""

    integrand: Integrand
    form: ClosedForm
    values: dict[str, Tensor]
    rest: Sequence[Tensor]

    def __post_init__(self) -> None:
        x, form = self.integrand.x, self.form
        size = ONE
        for dim in x.dims:
            size = size * dim
        symbols = form.variable.dims[0].symbols if form.variable.order else ()
        for name, variable in form.names.items():
            if name not in self.values and variable.order == 1:
                self.values[name] = fused(x, x.edges, variable.edges[0])
        self.lift = Lift(self.values, dict.fromkeys(symbols, size), self._applied, self._averaged)

    def value(self) -> Tensor:
        """The right side."""
        return self.lift(self.form.right)

    def needs(self) -> tuple[tuple[Tensor, Fact], ...]:
        """The facts it needs; NoLiftError for a fact of a matrix that is asked of a batch of them."""
        found: list[tuple[Tensor, Fact]] = []
        for t, fact in self.form.needs:
            lifted = self.lift(t)
            if fact.name == "pd" and not self.integrand.x.order:
                own = [e for e in lifted.edges if e not in t.edges]
                lifted, fact = Product((lifted,), own), Fact("positive")  # of the entry of a 1 x 1 matrix
            if lifted.order > t.order and fact.name not in _ENTRYWISE:
                raise NoLiftError
            found.append((lifted, fact))
        return tuple(found)

    def _applied(self, node: Apply, argument: Tensor) -> Tensor:
        """The rest of the integrand at another point."""
        x = self.integrand.x
        point = unfused(argument, node.acted[0][0][0], x.edges, x.dims)
        edges = tuple(dict.fromkeys(e for t in self.rest for e in t.edges))
        moved = Lift({x.name: point}, {})(Product(self.rest, edges))
        return joined(moved, {e: MORE + e for e in moved.edges if e.startswith("~")})

    def _averaged(self, node: Expectation, children: Sequence[Tensor]) -> Tensor:
        """An expectation in the right side: over x itself, under its own law or another one."""
        x, law = self.integrand.x, self.integrand.law
        body = children[0]
        if node.variable.name != self.form.variable.name:
            if any(e.startswith(MORE) for p in children[2:] for e in p.edges):
                raise NoLiftError
            assert node.law is not None
            law = Law("N", self._parameters(children[2], children[3], node.law))
        return Expectation.of("E", (body,), x, law, body.edges, body.dims)

    def _parameters(self, mean: Tensor, covariance: Tensor, law: Law) -> tuple[Tensor, Tensor]:
        """Mean and covariance of x as tensors of its edges, those of the covariance twice."""
        x = self.integrand.x
        other = tuple(f"2.{e}" for e in x.edges)
        first, second = (p.edges for p in law.parameters)
        mean = unfused(mean, first[0], x.edges, x.dims)
        covariance = unfused(unfused(covariance, second[0], x.edges, x.dims), second[1], other, x.dims)
        sizes = {**x.sizes, **dict(zip(other, x.dims, strict=True))}
        return ordered(mean, x.edges, sizes), ordered(covariance, (*x.edges, *other), sizes)
