"""One step of each law: which diagrams a diagram becomes when one copy of the random variable is averaged out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb

from tensorgrad.calculus.mean import Mean, Operand, Terms, tensor_ref
from tensorgrad.diagram import Handle, Network, Ref, expression, insert
from tensorgrad.errors import UnsupportedError
from tensorgrad.notation.structure import reciprocal_factors
from tensorgrad.sizes import ONE, Poly, as_poly
from tensorgrad.tensor import Delta, Expectation, Product, Scalar, Tensor, power, renamed

MOST_COPIES = 24
"""Diagrams with more copies of the variable are refused."""

Derived = Callable[[Tensor, Sequence[str]], Tensor | None]
"""The derivative of an expression in the variable, by `names`; None where Stein's lemma does not hold."""


def split(mean: Mean, network: Network) -> tuple[list[Operand], list[Operand]]:
    """The copies of the variable and the other operands."""
    operands = mean.unpowered(network)
    copies = [o for o in operands if o[0] == mean.x]
    if len(copies) > MOST_COPIES:
        raise UnsupportedError(f"E of a diagram with {len(copies)} copies of {mean.variable.name}")
    return copies, [o for o in operands if o[0] != mean.x]


def opaque(mean: Mean, network: Network) -> Terms:
    """The expectation in closed form, or as a node of its own; constant factors outside."""
    fixed = [o for o in network.operands if not mean.depends(o[0])]
    moving = [o for o in network.operands if mean.depends(o[0])]

    def value(core: Ref) -> Ref:
        found = mean.closed(core)
        return _node(mean, core) if found is None else found

    return [(ONE, mean.apart(network, fixed, moving, value))]


def _node(mean: Mean, ref: Ref) -> Ref:
    names = tuple(f"a{k}" for k in range(len(ref[1])))
    inside = expression(mean.store, ref, names)
    node = Expectation.of("E", (inside,), mean.variable, mean.law, names, inside.dims)
    return tensor_ref(mean.store, node, names)


@dataclass
class Gaussian:
    """Wick's pairings and Stein's lemma: E[x F(x)] = mu E[F] + Sigma E[F'], F the other operands."""

    derivative: Derived
    slopes: dict[Handle, Ref | None] = field(default_factory=dict)

    def __call__(self, mean: Mean, network: Network) -> Terms | None:
        copies, others = split(mean, network)
        if not copies or not all(self._shrinks(mean, o) for o in others if mean.depends(o[0])):
            return opaque(mean, network)
        assert mean.law is not None
        mu = tensor_ref(mean.store, mean.law.parameters[0], mean.law.parameters[0].edges)
        first, rest = copies[0], copies[1:]
        terms = [self._term(mean, network, [mean.operand(mu, first[1]), *rest, *others])]
        for k, other in enumerate(rest):
            pair = self._covariance(mean, first[1], other[1])
            terms.append(self._term(mean, network, [pair, *rest[:k], *rest[k + 1 :], *others]))
        moving = [k for k, (handle, _) in enumerate(others) if mean.depends(handle)]
        terms += [self._stein(mean, network, first, place, (rest, others)) for place in moving]
        return terms

    def _shrinks(self, mean: Mean, other: Operand) -> bool:
        """Whether Stein's lemma holds for a factor, and its derivative brings no new copies of the variable."""
        handle, legs = other
        found = self._slope(mean, handle, len(legs))
        return found is not None and not mean.has_copies(found)

    def _slope(self, mean: Mean, handle: Handle, order: int) -> Ref | None:
        """The derivative of a factor in x; None where Stein's lemma does not hold for it."""
        if handle not in self.slopes:
            names = tuple(f"a{k}" for k in range(order))
            new = tuple(f"d{k}" for k in range(mean.variable.order))
            inside = expression(mean.store, (handle, tuple(range(order))), names)
            slope = self.derivative(inside, new)
            self.slopes[handle] = None if slope is None else tensor_ref(mean.store, slope, (*names, *new))
        return self.slopes[handle]

    def _term(self, mean: Mean, network: Network, operands: list[Operand]) -> tuple[Poly, Ref]:
        draft = mean.draft(network)
        draft.operands, draft.boundary = operands, list(network.boundary)
        return ONE, mean.of(mean.store.network(draft))

    def _covariance(self, mean: Mean, one: Sequence[int], other: Sequence[int]) -> Operand:
        assert mean.law is not None
        covariance = mean.law.parameters[1]
        return mean.operand(tensor_ref(mean.store, covariance, covariance.edges), [*one, *other])

    def _stein(
        self, mean: Mean, network: Network, first: Operand, place: int, parts: tuple[list[Operand], list[Operand]]
    ) -> tuple[Poly, Ref]:
        rest, others = parts
        handle, legs = others[place]
        ref = self._slope(mean, handle, len(legs))
        assert ref is not None
        draft = mean.draft(network)
        ends = draft.edges(mean.variable.dims)
        remaining = [o for k, o in enumerate(others) if k != place]
        pair = self._covariance(mean, first[1], ends)
        draft.operands = [pair, mean.operand(ref, [*legs, *ends]), *rest, *remaining]
        draft.boundary = list(network.boundary)
        return ONE, mean.of(mean.store.network(draft))


def raw_moments(mean: Mean, network: Network) -> Terms | None:
    """Any law: the copies of the variable become one raw moment; of `law(mu, Sigma)` the first two are known."""
    copies, others = split(mean, network)
    if any(mean.depends(h) for h, _ in others):
        return opaque(mean, network)
    legs = [e for _, own in copies for e in own]
    found: Terms = []
    for coefficient, moment in mean.terms_of(_moment(mean, len(copies))):
        draft = mean.draft(network)
        draft.boundary = list(network.boundary)
        draft.operands = [mean.operand(moment, legs), *others]
        found.append((coefficient, mean.store.network(draft)))
    return found


def _moment(mean: Mean, k: int) -> Ref:
    """E of x (x) ... (x) x, k copies."""
    x, law = mean.variable, mean.law
    names = [tuple(f"m{c}_{a}" for a in range(x.order)) for c in range(k)]
    edges = tuple(e for own in names for e in own)
    if law is not None and k <= 2:
        mu, covariance = law.parameters
        means = [renamed(mu, own) for own in names]
        if k == 1:
            return tensor_ref(mean.store, means[0], edges)
        return tensor_ref(mean.store, renamed(covariance, edges) + Product(means, edges), edges)
    inside = Product([renamed(x, own) for own in names], edges)
    return tensor_ref(mean.store, Expectation.of("E", (inside,), x, law, edges, inside.dims), edges)


def independent(mean: Mean, network: Network) -> Terms | None:
    """Independent, equally distributed entries: a block of equal indices for each cumulant."""
    copies, others = split(mean, network)
    if not copies or any(mean.depends(h) for h, _ in others):
        return opaque(mean, network)
    first, rest = copies[0], copies[1:]
    terms: Terms = []
    for size in range(len(rest) + 1):
        for block in combinations(range(len(rest)), size):
            for coefficient, cumulant in mean.terms_of(_cumulant(mean, size + 1)):
                draft = mean.draft(network)
                draft.boundary = list(network.boundary)
                for k in block:
                    for a, b in zip(first[1], rest[k][1], strict=True):
                        draft.unify(a, b)
                ones = insert(mean.store, _ones(mean))
                left = [o for k, o in enumerate(rest) if k not in block]
                draft.operands = [(cumulant[0], ()), mean.operand(ones, first[1]), *left, *others]
                terms.append((coefficient, mean.of(mean.store.network(draft))))
    return terms


def _ones(mean: Mean) -> Tensor:
    parts = [Delta(dim, edge) for edge, dim in mean.variable.sizes.items()]
    return Product((Scalar(1), *parts), mean.variable.edges)


def _cumulant(mean: Mean, k: int) -> Ref:
    """The k-th cumulant of an entry: moment k less those of all divisions into smaller blocks."""
    terms: Terms = [(ONE, _entry_moment(mean, k))]
    for size in range(1, k):
        for c, cumulant in mean.terms_of(_cumulant(mean, size)):
            for d, moment in mean.terms_of(_entry_moment(mean, k - size)):
                draft = mean.store.draft_of(cumulant)
                draft.operands.append((moment[0], ()))
                terms.append((c * d * as_poly(-comb(k - 1, size - 1)), mean.store.network(draft)))
    return mean.store.total(terms, ())


def _entry_moment(mean: Mean, k: int) -> Ref:
    """E[x_i ** k], which the notation writes moment(x, k)."""
    assert mean.law is not None
    mu, variance = mean.law.parameters
    if k == 1:
        return insert(mean.store, mu)
    if k == 2:
        return insert(mean.store, variance + mu * mu)
    x = mean.variable
    inside: Tensor = power(x, k)
    if x.order:
        inside = Product((*reciprocal_factors(x.dims), inside), ())
    return insert(mean.store, Expectation.of("E", (inside,), x, mean.law, (), ()))
