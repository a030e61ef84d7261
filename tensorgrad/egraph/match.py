"""Exact matching: egglog proposes places, this decides them, with axes, symmetries, coefficients and sub-diagrams.

A pattern stands in a store of its own. `lift` are extra edges: a rule about scalars holds entry by entry, so what its
variables stand for may have edges (labels) that the pattern does not mention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Ref, Total
from tensorgrad.egraph.cover import covers
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.pattern import Pattern
from tensorgrad.egraph.tiled import cut_axes, tiled
from tensorgrad.function import Function
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Unit, Variable

Label = int
Lift = tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Substitution:
    """What a pattern's names stand for: tensors (with the labels of their extra axes, last), sizes and functions.

    `descents` are the pairs (child, member) of classes read as one of their members.
    """

    tensors: Mapping[str, tuple[Ref, Lift]]
    sizes: Mapping[str, Poly]
    functions: Mapping[str, Function]
    descents: tuple[tuple[Handle, Handle], ...] = ()

    def with_descent(self, child: Handle, member: Handle) -> Substitution:
        """The same with one more pair, unless it is trivial."""
        if child == member:
            return self
        return Substitution(self.tensors, self.sizes, self.functions, (*self.descents, (child, member)))

    def with_size(self, pattern: Poly, size: Poly) -> Substitution | None:
        """Unify a pattern's size with a size; None if they disagree."""
        name = pattern.symbol_name
        if name is not None:
            known = self.sizes.get(name)
            if known is None:
                return Substitution(self.tensors, {**self.sizes, name: size}, self.functions, self.descents)
            return self if known is size else None
        unknown = [x for x in pattern.symbols if x not in self.sizes]
        if not unknown:
            return self if pattern.substitute(self.sizes) is size else None
        return self._solved(pattern, unknown, size)

    def number(self, coefficient: Poly) -> Poly | None:
        """A coefficient of the pattern with the sizes in it replaced; None if one of them is not known yet."""
        if not coefficient.symbols:
            return coefficient
        return coefficient.substitute(self.sizes) if all(x in self.sizes for x in coefficient.symbols) else None

    def is_open(self, pattern: Poly) -> bool:
        """Whether a size such as n * m has several unknown symbols: it can be compared only when its parts are known."""
        return sum(x not in self.sizes for x in pattern.symbols) > 1

    def with_sizes(self, pairs: Iterable[tuple[Poly, Poly]]) -> Substitution | None:
        """Unify sizes one after another; None if they disagree."""
        s: Substitution | None = self
        for pattern, size in pairs:
            s = s.with_size(pattern, size) if s is not None else None
        return s

    def _solved(self, pattern: Poly, unknown: Sequence[str], size: Poly) -> Substitution | None:
        """The one unknown symbol of a product such as 2 * n is what is left of the size."""
        if len(unknown) > 1 or not pattern.is_monomial:
            return None
        rest = size.divide(pattern.substitute({**self.sizes, unknown[0]: ONE}))
        if rest is None or any(c.denominator != 1 or any(e < 0 for _, e in m) for m, c in rest.terms):
            return None
        sizes = {**self.sizes, unknown[0]: rest}
        if pattern.substitute(sizes) is not size:
            return None
        return Substitution(self.tensors, sizes, self.functions, self.descents)


EMPTY = Substitution({}, {}, {})


class Matcher:
    """Matches one pattern in one e-graph; `hints` say which node a pattern handle is to be read as."""

    def __init__(self, graph: EGraph, pattern: Pattern, hints: Mapping[tuple[str, int], int]) -> None:
        self.graph = graph
        self.pattern = pattern
        self.store = pattern.store
        self.hints = hints

    def _hint(self, handle: Handle, what: str, members: Sequence[Handle]) -> Sequence[Handle]:
        hinted = self.hints.get((what, handle))
        if hinted is None:
            return members
        return [hinted] if hinted in members else []

    def expression(self, handle: Handle, ref: Ref, lift: Lift, s: Substitution) -> Iterator[Substitution]:
        """All ways in which the pattern `handle` is `ref`: its axes first, then those of `lift`."""
        node = self.store.nodes[handle]
        match node:
            case Leaf():
                yield from self._leaf(node, handle, ref, lift, s)
            case Application():
                found = self.graph.members(ref[0])
                for member in self._hint(handle, "node", found.applications):
                    yield from self.application(node, member, ref, lift, s.with_descent(ref[0], member))
            case Network():
                yield from self._whole_network(handle, node, ref, lift, s)
            case Total():
                yield from self._whole_total(handle, node, ref, lift, s)

    def may_be(self, handle: Handle, child: Handle) -> bool:
        """A quick test that the pattern `handle` could be the class of `child`: it has a node of the kind, and the hinted."""
        node = self.store.nodes[handle]
        found = self.graph.members(child)
        match node:
            case Application():
                return any(
                    node.function.name in self.pattern.rewrite.functions
                    or self._application_of(member) == node.function
                    for member in self._hint(handle, "node", found.applications)
                )
            case Network():
                return bool(self._hint(handle, "net", found.networks))
            case _:
                return True

    def _application_of(self, member: Handle) -> Function:
        node = self.graph.nodes[member]
        assert isinstance(node, Application)
        return node.function

    def _leaf(self, node: Leaf, handle: Handle, ref: Ref, lift: Lift, s: Substitution) -> Iterator[Substitution]:
        if isinstance(node.tensor, Variable):
            bound = self.bind(node.tensor.name, self.store.dims[handle], ref, lift, s)
            if bound is not None:
                yield bound
            return
        for member in self.graph.members(ref[0]).leaves:
            leaf = self.graph.nodes[member]
            if isinstance(leaf, Leaf) and isinstance(node.tensor, Unit) and isinstance(leaf.tensor, Unit):
                sized = s.with_size(self.store.dims[handle][0], self.graph.dims[member][0])
                if sized is not None and node.index is not None and leaf.index is not None:
                    yield from self.expression(node.index, (leaf.index, ()), (), sized)
            elif isinstance(leaf, Leaf) and leaf.key == node.key and self._in_order(member, ref):
                yield s

    def _in_order(self, member: Handle, ref: Ref) -> bool:
        """Whether a reference reads a leaf in its own order, or in one that leaves it as it is (sign included)."""
        axes = tuple(range(len(ref[1])))
        return self.graph.same(ref, (member, axes))

    def bind(self, name: str, dims: Sequence[Poly], ref: Ref, lift: Lift, s: Substitution) -> Substitution | None:
        """Bind a variable of the pattern to `ref`, or check that it is bound to the same."""
        if len(ref[1]) != len(dims) + len(lift):
            return None
        actual = self.graph.ref_dims(ref)
        known = s.tensors.get(name)
        if known is not None:
            return s if self._equal(known, (ref, lift), len(dims)) else None
        for pattern, size in zip(dims, actual, strict=False):
            sized = s.with_size(pattern, size)
            if sized is None:
                return None
            s = sized
        return Substitution({**s.tensors, name: (ref, lift)}, s.sizes, s.functions, s.descents)

    def _equal(self, a: tuple[Ref, Lift], b: tuple[Ref, Lift], order: int) -> bool:
        (ref, lift), (other, other_lift) = a, b
        if set(lift) != set(other_lift):
            return False
        perm = list(other[1][:order]) + [other[1][order + other_lift.index(label)] for label in lift]
        return self.graph.same(ref, (other[0], tuple(perm)))

    # Applications.

    def application(
        self, pattern: Application, member: Handle, ref: Ref, lift: Lift, s: Substitution
    ) -> Iterator[Substitution]:
        """All ways in which a pattern application is the member application of the class of `ref`."""
        node = self.graph.nodes[member]
        assert isinstance(node, Application)
        functions = self._function(pattern.function, node.function, s)
        if functions is None or pattern.groups != node.groups or len(pattern.args) != len(node.args):
            return
        own = self.graph.oriented(member)
        inverse = {p: a for a, p in enumerate(own)}
        root, perm = self.graph.resolve(ref)
        group = self.graph.group_of(root)
        elements = [tuple(range(len(perm)))] if group.trivial else [p for p, sign in group.all_elements() if sign > 0]
        seen: set[tuple[int, ...]] = set()
        for element in elements:
            axes = tuple(inverse[element[p]] for p in perm)
            if axes not in seen:
                seen.add(axes)
                yield from self._arguments(pattern, node, axes, lift, functions)

    def _function(self, pattern: Function, function: Function, s: Substitution) -> Substitution | None:
        if pattern.name not in self.pattern.rewrite.functions:
            return s if pattern == function else None
        # A rule's f is any function that is defined everywhere: f(0) of a logarithm is not.
        if (
            (function.acts, function.produces) != (pattern.acts, pattern.produces)
            or pattern.derivative
            or function.domain
        ):
            return None
        known = s.functions.get(pattern.name)
        if known is not None:
            return s if known == function else None
        return Substitution(s.tensors, s.sizes, {**s.functions, pattern.name: function}, s.descents)

    def _arguments(
        self, pattern: Application, node: Application, axes: Sequence[int], lift: Lift, s: Substitution
    ) -> Iterator[Substitution]:
        """`axes[i]` is the node's axis that is axis i of the reference (the pattern's axes, then the lift)."""
        order = len(axes) - len(lift)
        batch = len({b for _, labels in pattern.args for b in labels if b >= 0})
        node_batch = len({b for _, labels in node.args for b in labels if b >= 0})
        exchanged = order - batch == 2 and node.function.transpose == "commutes" and axes[batch] == node_batch + 1
        turned = {-1: -2, -2: -1} if exchanged else {}
        of_batch: dict[int, int | tuple[int]] = {}
        for i, axis in enumerate(axes):
            if i >= order:
                if axis >= node_batch:
                    return
                of_batch[axis] = (lift[i - order],)
            elif i < batch:
                if axis >= node_batch:
                    return
                of_batch[axis] = i
            elif axis - node_batch != (batch + 1 - i if exchanged else i - batch):
                return
        states = [s]
        for (child, labels), (actual, actual_labels) in zip(pattern.args, node.args, strict=True):
            place: dict[int, int] = {}
            lifted: list[tuple[int, int]] = []
            for axis, label in enumerate(actual_labels):
                meaning = of_batch.get(label) if label >= 0 else turned.get(label, label)
                if meaning is None:
                    return
                if isinstance(meaning, tuple):
                    lifted.append((meaning[0], axis))
                else:
                    place[meaning] = axis
            if set(place) != set(labels):
                return
            perm = tuple(place[label] for label in labels) + tuple(axis for _, axis in lifted)
            inner_lift = tuple(label for label, _ in lifted)
            states = [t for state in states for t in self.expression(child, (actual, perm), inner_lift, state)]
        yield from states

    # Whole networks and sums.

    def _whole_network(
        self, handle: Handle, pattern: Network, ref: Ref, lift: Lift, s: Substitution
    ) -> Iterator[Substitution]:
        found = self.graph.members(ref[0])
        _, perm = self.graph.resolve(ref)
        atom = bool(found.totals or found.leaves or found.applications)
        for member in self._hint(handle, "net", found.networks):
            node = self.graph.nodes[member]
            assert isinstance(node, Network)
            if atom and self.pattern.lifted and self._is_circular(node, self.graph.root(ref[0])):
                continue
            inverse = {p: a for a, p in enumerate(self.graph.oriented(member))}
            edges = [node.boundary[inverse[p]] for p in perm]
            order = len(edges) - len(lift)
            start = s.with_descent(ref[0], member)
            yield from covers(self, pattern, node, edges[:order], dict(zip(lift, edges[order:], strict=True)), start)

    def _is_circular(self, node: Network, root: Handle) -> bool:
        """Whether a product has factors that are made of the whole: x = x ** (-1) * x ** 2 does not take x apart."""
        graph = self.graph
        factors = [h for h, _ in node.operands if h > FLAT]
        forms = [m for h in factors for m in (*graph.members(h).networks, *graph.members(h).applications)]
        return any(graph.root(c) == root for m in forms for c in children(graph.nodes[m]) if c > FLAT)

    def _whole_total(
        self, handle: Handle, pattern: Total, ref: Ref, lift: Lift, s: Substitution
    ) -> Iterator[Substitution]:
        cut = cut_axes(self.store, pattern)
        if cut:
            if self.graph.has_embeddings and not lift:
                for member, terms in self._sums(handle, ref):
                    yield from tiled(self, pattern, cut, terms, s.with_descent(ref[0], member))
            return
        pairs = list(zip(pattern.dims, self.graph.ref_dims(ref), strict=False))
        later = [pair for pair in pairs if s.is_open(pair[0])]
        sized = s.with_sizes(pair for pair in pairs if pair not in later)
        if sized is None:
            return
        for member, terms in self._sums(handle, ref):
            for found in self._terms(pattern, terms, lift, sized.with_descent(ref[0], member)):
                agreed = found.with_sizes(later)
                if agreed is not None:
                    yield agreed

    def _sums(self, handle: Handle, ref: Ref) -> Iterator[tuple[Handle, list[tuple[Poly, Ref]]]]:
        """The sums that `ref` is: member sums, and member networks that are a number times a sum."""
        found = self.graph.members(ref[0])
        _, perm = self.graph.resolve(ref)
        hinted = ("sum", handle) in self.hints or ("net", handle) in self.hints
        totals = self._hint(handle, "sum", found.totals) if not hinted or ("sum", handle) in self.hints else []
        for member in totals:
            yield member, self._aligned(member, perm, ONE)
        networks = self._hint(handle, "net", found.networks) if not hinted or ("net", handle) in self.hints else []
        for member in networks:
            node = self.graph.nodes[member]
            assert isinstance(node, Network)
            if len(node.operands) != 1 or node.operands[0][0] < FLAT:
                continue
            child, legs = node.operands[0]
            if sorted(legs) != sorted(node.boundary) or len(set(legs)) != len(legs):
                continue
            inverse = {p: a for a, p in enumerate(self.graph.oriented(member))}
            inner = self.graph.resolve((child, tuple(legs.index(node.boundary[inverse[p]]) for p in perm)))
            for total in self.graph.members(child).totals:
                yield member, self._aligned(total, inner[1], node.coefficient)

    def _aligned(self, member: Handle, perm: Sequence[int], scale: Poly) -> list[tuple[Poly, Ref]]:
        node = self.graph.nodes[member]
        assert isinstance(node, Total)
        inverse = {p: a for a, p in enumerate(self.graph.oriented(member))}
        axes = [inverse[p] for p in perm]
        return [(c * scale, (h, tuple(q[a] for a in axes))) for c, h, q in node.terms]

    def _terms(
        self, pattern: Total, terms: Sequence[tuple[Poly, Ref]], lift: Lift, s: Substitution
    ) -> Iterator[Substitution]:
        """Assign the pattern's terms: first those with structure, one term each; variables take what is left."""
        shaped = [t for t in pattern.terms if not isinstance(self.store.nodes[t[1]], Leaf)]
        plain = [t for t in pattern.terms if isinstance(self.store.nodes[t[1]], Leaf)]
        yield from self._shaped_terms(shaped, plain, list(terms), lift, s)

    def _shaped_terms(
        self,
        shaped: Sequence[tuple[Poly, Handle, tuple[int, ...]]],
        plain: Sequence[tuple[Poly, Handle, tuple[int, ...]]],
        terms: list[tuple[Poly, Ref]],
        lift: Lift,
        s: Substitution,
    ) -> Iterator[Substitution]:
        if not shaped:
            yield from self._plain_terms(plain, terms, lift, s)
            return
        coefficient, handle, perm = shaped[0]
        number = s.number(coefficient)
        for k, (c, ref) in enumerate(terms):
            ratio = c.divide(number) if number is not None else None
            if ratio is None:
                continue
            if ratio is not ONE and isinstance(self.store.nodes[handle], Application):
                continue
            inner = self.term_ref(self.graph.scaled(ratio, ref), perm, len(lift))
            for t in self.expression(handle, inner, lift, s):
                yield from self._shaped_terms(shaped[1:], plain, terms[:k] + terms[k + 1 :], lift, t)

    @staticmethod
    def term_ref(ref: Ref, perm: Sequence[int], lifted: int) -> Ref:
        """A reference with the sum's axes as one with the term's: axis a of the sum is axis perm[a] of the term."""
        order = len(perm)
        axes = [0] * order
        for a, p in enumerate(perm):
            axes[p] = ref[1][a]
        return ref[0], (*axes, *ref[1][order : order + lifted])

    def _plain_terms(
        self,
        plain: Sequence[tuple[Poly, Handle, tuple[int, ...]]],
        terms: list[tuple[Poly, Ref]],
        lift: Lift,
        s: Substitution,
    ) -> Iterator[Substitution]:
        if not plain or not terms:
            if not plain and not terms:
                yield s
            return
        coefficient, handle, perm = plain[0]
        number = s.number(coefficient)
        inverse = number.inverse() if number is not None and number.is_monomial else None
        if inverse is None:
            return
        choices = [terms] if len(plain) == 1 else [[t] for t in terms]
        for chosen in choices:
            rest = [t for t in terms if t not in chosen]
            dims = self.graph.ref_dims(chosen[0][1])
            ref = self.graph.total([(c * inverse, r) for c, r in chosen], dims)
            leaf = self.store.nodes[handle]
            assert isinstance(leaf, Leaf)
            for t in self._leaf(leaf, handle, self.term_ref(ref, perm, len(lift)), lift, s):
                yield from self._plain_terms(plain[1:], rest, lift, t)

    def alignments(self, order: int, any_order: bool = False) -> Iterator[tuple[int, ...]]:
        """The orders in which an operand's axes may be read; one is enough if `any_order` will do."""
        yield from permutations(range(order)) if order <= 3 and not any_order else [tuple(range(order))]
