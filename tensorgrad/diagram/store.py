"""The store of canonical nodes: equal diagrams get one handle, whatever the order of factors or the names of edges."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import replace

from tensorgrad.diagram.canonical import Form, canonical
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Node, Ref, Total
from tensorgrad.diagram.symmetry import Group, Signed, group, inverse, swap, trivial_group
from tensorgrad.sizes import MINUS_ONE, ONE, ZERO, Poly

LARGEST_COPIES = 6
"""x**k is k equal operands up to this k, beyond it `pow(x, k)`."""


class Store:
    """Hash-consed canonical nodes. Handles count from 1; the e-graph extends this with unions.

    `find`, `network_of`, `total_of` and `application_of` are what the e-graph overrides: here a handle has one node.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = [Total((), ())]
        self.dims: list[tuple[Poly, ...]] = [()]
        self._groups: list[Group] = [trivial_group(0)]
        self._table: dict[Hashable, Handle] = {}
        self.has_units = False
        self.has_embeddings = False
        self._edge_colours: dict[tuple[Poly, int], int] = {}
        self._flat_groups: dict[int, Group] = {}

    # What the e-graph overrides.

    def find(self, handle: Handle) -> Ref | None:
        """What a handle has become, None while it stands for itself."""
        return None

    def network_of(self, handle: Handle) -> Network | None:
        """The network to be written out where the handle is an operand; None for what stays an operand."""
        node = self.nodes[handle]
        return node if isinstance(node, Network) else None

    def total_of(self, handle: Handle) -> Total | None:
        """The sum to be written out where the handle is a term."""
        node = self.nodes[handle]
        return node if isinstance(node, Total) else None

    def application_of(self, handle: Handle, function: str) -> Application | None:
        """The application of a function, as `pow`, that a handle is, if it is one."""
        node = self.nodes[handle]
        return node if isinstance(node, Application) and node.function.name == function else None

    def power_of(self, handle: Handle) -> Application | None:
        """The node pow(base, exponent) of a handle, if it is one."""
        return self.application_of(handle, "pow")

    def unit_of(self, handle: Handle) -> Leaf | None:
        """The unit vector, or vector declared one-hot, that a handle is, if it is one."""
        node = self.nodes[handle]
        return node if isinstance(node, Leaf) and node.is_unit else None

    def add(self, key: Hashable, node: Node, dims: tuple[Poly, ...], generators: tuple[Signed, ...]) -> Handle:
        """The handle of a canonical node, new if it was not there."""
        found = self._table.get(key)
        if found is None:
            found = len(self.nodes)
            self._table[key] = found
            self.nodes.append(node)
            self.dims.append(dims)
            self._groups.append(group(len(dims), generators))
        return found

    def forget(self, handles: Collection[Handle]) -> None:
        """Let these nodes be made anew, as other handles, where they are needed again."""
        for key in [key for key, handle in self._table.items() if handle in handles] if handles else ():
            del self._table[key]

    def own_node(self, handle: Handle) -> tuple[Node, tuple[int, ...]]:
        """The node that a handle was made for, as `Expressions` wants it."""
        return self.nodes[handle], tuple(range(len(self.dims[handle])))

    # Common ground.

    def group_of(self, handle: Handle) -> Group:
        """The signed axis permutations that fix a handle."""
        if handle < FLAT:
            found = self._flat_groups.get(handle)
            if found is None:
                found = self._flat_groups[handle] = trivial_group(1 - handle)
            return found
        return self._groups[handle]

    def resolve(self, ref: Ref) -> Ref:
        """The reference in terms of what its handle has become."""
        found = self.find(ref[0])
        if found is None:
            return ref
        handle, perm = found
        return handle, tuple(perm[p] for p in ref[1])

    def ref_dims(self, ref: Ref) -> tuple[Poly, ...]:
        """The sizes of a reference's axes."""
        dims = self.dims[ref[0]]
        return tuple(dims[p] for p in ref[1])

    def same(self, a: Ref, b: Ref) -> bool:
        """Whether two references are the same tensor, axis by axis (up to the known symmetry)."""
        (h1, p1), (h2, p2) = self.resolve(a), self.resolve(b)
        if h1 != h2:
            return False
        if p1 == p2:
            return True
        own = self.group_of(h1)
        first, second = (own.arrange(inverse(p)) for p in (p1, p2))
        if first == second or (first[0] == second[0] and self.is_zero(h1)):
            return True
        return not own.whole and tuple(p1[a] for a in inverse(p2)) in own

    def leaf(self, leaf: Leaf, dims: tuple[Poly, ...], generators: tuple[Signed, ...] = ()) -> Ref:
        """A leaf."""
        self.has_units = self.has_units or leaf.is_unit
        return self.add(("leaf", leaf.key), leaf, dims, generators), tuple(range(len(dims)))

    def zero(self, dims: Sequence[Poly]) -> Ref:
        """The zero tensor, axes in the given order."""
        order = sorted(range(len(dims)), key=lambda a: dims[a])
        sorted_dims = tuple(dims[a] for a in order)
        generators = tuple(
            swap(len(dims), [a], [a + 1]) for a in range(len(dims) - 1) if sorted_dims[a] is sorted_dims[a + 1]
        )
        handle = self.add(("total", (), sorted_dims), Total((), sorted_dims), sorted_dims, generators)
        return handle, inverse(tuple(order))

    def constant(self, value: Poly) -> Ref:
        """A number of order 0."""
        if not value:
            return self.zero(())
        return self.network(Draft(value))

    def constant_value(self, handle: Handle) -> Poly | None:
        """The number that a handle of order 0 is, if it is one."""
        if self.dims[handle]:
            return None
        total = self.total_of(handle)
        if total is not None and not total.terms:
            return ZERO
        network = self.network_of(handle)
        return network.coefficient if network is not None and not network.operands else None

    def is_zero(self, handle: Handle) -> bool:
        """Whether a handle is known to be zero."""
        total = self.total_of(handle)
        return total is not None and not total.terms

    # Networks.

    def network(self, draft: Draft) -> Ref:
        """The canonical network of a draft; the reference's axes are the draft's boundary, in order."""
        from tensorgrad.diagram.embeddings import join_embeddings
        from tensorgrad.diagram.powers import merge_powers
        from tensorgrad.diagram.units import split_units

        boundary_dims = [draft.dims[draft.find(e)] for e in draft.boundary]
        if not self._write_out(draft):
            return self.zero(boundary_dims)
        draft.settle()
        if self.has_units and not split_units(self, draft):
            return self.zero(boundary_dims)
        if self.has_embeddings and not join_embeddings(self, draft):
            return self.zero(boundary_dims)
        merge_powers(self, draft)
        if not draft.coefficient:
            return self.zero(boundary_dims)
        single = self._single(draft)
        if single is not None:
            return single
        return (self._embedded_total(draft) if self.has_embeddings else None) or self._canonical_network(draft)

    def _write_out(self, draft: Draft) -> bool:
        """Replace operands that are networks by their operands; False if an operand is zero."""
        out: list[tuple[int, Sequence[int]]] = []
        stack = list(reversed(draft.operands))
        while stack:
            handle, legs = stack.pop()
            if handle < FLAT:
                out.append((handle, legs))
                continue
            found = self.find(handle)
            if found is not None:
                handle, perm = found
                moved = [0] * len(legs)
                for axis, p in enumerate(perm):
                    moved[p] = legs[axis]
                legs = moved
            if self.is_zero(handle):
                return False
            network = self.network_of(handle)
            if network is None:
                out.append((handle, legs))
            else:
                draft.coefficient = draft.coefficient * network.coefficient
                stack.extend(reversed(self.place(draft, network, legs)))
        draft.operands = out
        return True

    @staticmethod
    def place(draft: Draft, network: Network, legs: Sequence[int]) -> list[tuple[int, Sequence[int]]]:
        """The network's operands on edges of the draft, its boundary attached to `legs`."""
        edges: dict[int, int] = {}
        for position, edge in enumerate(network.boundary):
            if edge in edges:
                draft.unify(edges[edge], legs[position])
            else:
                edges[edge] = legs[position]
        for edge, dim in enumerate(network.dims):
            if edge not in edges:
                edges[edge] = draft.edge(dim)
        return [(h, [edges[e] for e in inner]) for h, inner in network.operands]

    def _single(self, draft: Draft) -> Ref | None:
        """The operand itself if the draft is one operand, once, with its own axes in some order."""
        if len(draft.operands) != 1 or draft.coefficient is not ONE:
            return None
        handle, legs = draft.operands[0]
        if (
            handle < FLAT
            or len(legs) != len(draft.boundary)
            or len(set(legs)) < len(legs)
            or set(legs) != set(draft.boundary)
        ):
            return None
        if len(set(draft.boundary)) < len(draft.boundary):
            return None
        axis = {e: a for a, e in enumerate(legs)}
        return handle, tuple(axis[e] for e in draft.boundary)

    def _canonical_network(self, draft: Draft) -> Ref:
        times: dict[int, int] = {}
        for e in draft.boundary:
            times[e] = times.get(e, 0) + 1
        colours = {e: self._edge_colour(draft.dims[e], times.get(e, 0)) for e in draft.live_edges()}
        form = canonical(draft.operands, colours, self.group_of)
        boundary_dims = [draft.dims[e] for e in draft.boundary]
        if form.sign == 0:
            return self.zero(boundary_dims)
        coefficient = draft.coefficient if form.sign > 0 else draft.coefficient * MINUS_ONE
        odd = next((p for p, sign in form.generators if sign < 0), None)
        if odd is not None and coefficient.terms[0][1] < 0:
            # -D is D with its axes exchanged: which of the two labelling met first must not count.
            coefficient = coefficient * MINUS_ONE
            form = replace(form, edges=tuple(form.edges[e] for e in odd))
        if coefficient is ONE:
            rearranged = self._single_antisymmetric(draft, form)
            if rearranged is not None:
                return rearranged
        number = {e: k for k, e in enumerate(form.edges)}
        axis: dict[int, int] = {}
        boundary: list[int] = []
        for e in form.edges:
            axis[e] = len(boundary)
            boundary += [number[e]] * times.get(e, 0)
        node = Network(coefficient, form.operands, tuple(boundary), tuple(draft.dims[e] for e in form.edges))
        generators = _boundary_generators(boundary, form.generators)
        if group(len(boundary), generators).contradictory:
            return self.zero(boundary_dims)
        dims = tuple(node.dims[e] for e in boundary)
        handle = self.add(("network", coefficient, form.operands, node.boundary, node.dims), node, dims, generators)
        perm: list[int] = []
        for e in draft.boundary:
            perm.append(axis[e])
            axis[e] += 1
        return handle, tuple(perm)

    def _embedded_total(self, draft: Draft) -> Ref | None:
        """A sum that is put into longer axes and nothing else is the sum of its terms put there."""
        from tensorgrad.diagram.embeddings import span_of

        others = [(h, legs) for h, legs in draft.operands if span_of(self, h) is None]
        if len(others) != 1 or len(draft.operands) < 2 or others[0][0] < FLAT:
            return None
        handle, legs = others[0]
        total = self.total_of(handle)
        if total is None or not total.terms:
            return None
        terms: list[tuple[Poly, Ref]] = []
        for c, h, perm in total.terms:
            term = Draft()
            edges = term.edges(draft.dims)
            by_axis = [0] * len(legs)
            for axis, p in enumerate(perm):
                by_axis[p] = edges[legs[axis]]
            term.operands = [(o, [edges[e] for e in ls]) for o, ls in draft.operands if o != handle]
            term.operands.append((h, by_axis))
            term.boundary = [edges[e] for e in draft.boundary]
            for e, dim in enumerate(draft.dims):
                if draft.find(e) != e or dim is ONE:
                    term.dims[edges[e]] = ONE
            terms.append((c * draft.coefficient, self.network(term)))
        return self.total(terms, [draft.dims[e] for e in draft.boundary])

    @staticmethod
    def _single_antisymmetric(draft: Draft, form: Form) -> Ref | None:
        """-A with A antisymmetric, once: A with its axes exchanged."""
        if len(form.operands) != 1 or form.operands[0][0] < FLAT or len(set(draft.boundary)) < len(draft.boundary):
            return None
        handle, legs = form.operands[0]
        axis = {form.edges[e]: a for a, e in enumerate(legs)}
        if len(axis) < len(legs) or set(axis) != set(draft.boundary):
            return None
        return handle, tuple(axis[e] for e in draft.boundary)

    def _edge_colour(self, dim: Poly, times: int) -> int:
        key = (dim, times)
        return self._edge_colours.setdefault(key, len(self._edge_colours))

    def draft_of(self, ref: Ref) -> Draft:
        """A draft that is the reference: its network written out, or one operand."""
        handle, perm = self.resolve(ref)
        draft = Draft()
        legs = draft.edges(self.dims[handle])
        draft.operands = [(handle, legs)]
        draft.boundary = [legs[p] for p in perm]
        return draft

    def scaled(self, coefficient: Poly, ref: Ref) -> Ref:
        """coefficient * ref."""
        if coefficient is ONE:
            return self.resolve(ref)
        draft = self.draft_of(ref)
        draft.coefficient = coefficient
        return self.network(draft)

    # Sums.

    def total(self, terms: Iterable[tuple[Poly, Ref]], dims: Sequence[Poly]) -> Ref:
        """The canonical sum of coefficient * reference, all with axes of sizes `dims`."""
        from tensorgrad.diagram.totals import canonical_total

        return canonical_total(self, terms, tuple(dims))


def _boundary_generators(boundary: Sequence[int], generators: Sequence[Signed]) -> tuple[Signed, ...]:
    """Permutations of edges as permutations of boundary positions, and the exchanges of equal positions."""
    order = len(boundary)
    found: list[Signed] = [swap(order, [a], [a + 1]) for a in range(order - 1) if boundary[a] == boundary[a + 1]]
    first: dict[int, int] = {}
    for position, edge in enumerate(boundary):
        first.setdefault(edge, position)
    for permutation, sign in generators:
        moved = tuple(first[permutation[e]] + position - first[e] for position, e in enumerate(boundary))
        if moved != tuple(range(order)) or sign < 0:
            found.append((moved, sign))
    return tuple(dict.fromkeys(found))
