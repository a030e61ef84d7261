"""Networks made ready for planning: structural tensors (flat, conv, unit vectors) become views of the operands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.cost import Part, SlidingPlan, bits, sliding_plan
from tensorgrad.diagram import Application, Leaf, Network, Store
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.slides import Slide, convolution, slide_of
from tensorgrad.runtime.program import (
    Fold,
    Fuse,
    Gather,
    Legs,
    Scatter,
    Select,
    Split,
    Spread,
    View,
    Window,
    number,
    viewed,
)
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Convolution, Unit

Member = tuple[int, Legs]
Flat = tuple[int, Legs]
"""The fused edge and its parts."""


@dataclass(slots=True, eq=False)
class Piece:
    """An operand as planned: the value of a handle on the edges `axes`, seen through `views`.

    `members` are the operands of the network that it stands for (itself and the structural ones).
    """

    handle: int
    axes: Legs
    members: tuple[Member, ...]
    views: tuple[View, ...] = ()

    @property
    def legs(self) -> Legs:
        """The edges after the views."""
        legs = self.axes
        for view in self.views:
            legs = viewed(legs, view)
        return legs

    def see(self, view: View, member: Member) -> None:
        """Look at it through one more view, which stands for `member`."""
        self.views += (view,)
        if member not in self.members:
            self.members += (member,)


@dataclass(slots=True)
class Task:
    """A network to be contracted: pieces, and for each axis of the result its group of edges (fused if several).

    With `splits` the axes of that result are called `labels`; splitting some gives the network's axes 0, 1, ...
    """

    handle: int
    coefficient: Poly
    pieces: list[Piece]
    groups: tuple[Legs, ...]
    dims: list[Poly]
    labels: Legs = ()
    splits: tuple[Split, ...] = ()

    @property
    def core(self) -> Legs:
        """Edges of the contracted core: those of the result that some piece has."""
        wanted = dict.fromkeys(e for group in self.groups for e in group)
        inside = {e for piece in self.pieces for e in piece.legs}
        return tuple(e for e in wanted if e in inside)

    @property
    def handles(self) -> list[int]:
        """The values it reads."""
        selected = [v.index for p in self.pieces for v in p.views if isinstance(v, Select | Gather | Scatter)]
        return [*(p.handle for p in self.pieces), *selected]


def prepare(store: Store, handle: int, node: Network, sizes: Mapping[str, int]) -> Task:
    """The task of a network; may add smaller networks to the store, whose handles then are pieces.

    `sizes` decide in which order convolutions are looked through; the task is right for all sizes.
    """
    return _Preparation(store, handle, node, sizes).task()


class _Preparation:
    def __init__(self, store: Store, handle: int, node: Network, sizes: Mapping[str, int]) -> None:
        self.store = store
        self.sizes = sizes
        self.dims = list(node.dims)
        self.handle = handle
        self.node = node
        self.boundary = list(node.boundary)
        self.flats = [(legs[0], legs[1:]) for h, legs in node.operands if h < FLAT]
        self.pieces = [Piece(h, legs, ((h, legs),)) for h, legs in node.operands if h > FLAT]
        self.output: list[tuple[int, Legs]] = []

    def task(self) -> Task:
        self._diagonals()
        self._selects()
        self._windows()
        self._positions()
        flats = [flat for flat in self.flats if not self._fuse(*flat)]
        flats = self._barriers(flats)
        parts: dict[int, Legs] = {}
        for fused, legs in flats:
            parts[fused] = legs
            member = (-len(legs), (fused, *legs))
            for piece in self.pieces:
                if fused in piece.legs:
                    piece.see(Split(fused, legs), member)
        return self._arranged(parts)

    def _arranged(self, parts: dict[int, Legs]) -> Task:
        """The task, its axes grouped; parts of the boundary that were fused are split again at the end."""
        order = len(self.boundary)
        place = {parts_[0]: k for k, (_, parts_) in enumerate(self.output)}
        hidden = {p for _, parts_ in self.output for p in parts_}
        labels: list[int] = []
        groups: list[Legs] = []
        for position, edge in enumerate(self.boundary):
            if edge in place:
                labels.append(order + place[edge])
                fused = self.output[place[edge]][0]
                groups.append(parts.get(fused, (fused,)))
            elif edge not in hidden:
                labels.append(position)
                groups.append(parts.get(edge, (edge,)))
        splits = tuple(
            Split(order + k, tuple(self.boundary.index(p) for p in parts_)) for k, (_, parts_) in enumerate(self.output)
        )
        task = Task(self.handle, self.node.coefficient, self.pieces, tuple(groups), list(self.dims))
        if splits:
            task.labels, task.splits = tuple(labels), splits
        return task

    def _uses(self, edge: int) -> int:
        """How often an edge occurs on pieces and in the boundary."""
        return sum(p.legs.count(edge) for p in self.pieces) + self.boundary.count(edge)

    def _flat_uses(self, edge: int) -> int:
        return sum((fused, *legs).count(edge) for fused, legs in self.flats)

    def _contracted(self, pieces: Sequence[Piece], edges: Legs) -> Piece:
        """Some pieces multiplied, as one piece with the given edges."""
        handle, perm = self.store.network(draft(joined(pieces), edges, self.dims))
        axes = [0] * len(edges)
        for a, p in enumerate(perm):
            axes[p] = edges[a]
        return Piece(handle, tuple(axes), ((handle, tuple(axes)),))

    def _diagonals(self) -> None:
        """Diagonals of operands on which a view will be taken come first: views name edges."""
        structural = {e for fused, legs in self.flats for e in (fused, *legs)}
        structural |= {e for p in self.pieces if self._leaf(p) is not None or self._is_onehot(p) for e in p.axes}
        for k, piece in enumerate(self.pieces):
            repeats = len(set(piece.axes)) < len(piece.axes)
            plain = self._leaf(piece) is None and not self._is_onehot(piece)
            if repeats and structural.intersection(piece.axes) and plain:
                self.pieces[k] = self._contracted([piece], tuple(dict.fromkeys(piece.axes)))

    def _leaf(self, piece: Piece) -> Unit | Convolution | None:
        node = self.store.nodes[piece.handle]
        return node.tensor if isinstance(node, Leaf) and isinstance(node.tensor, Unit | Convolution) else None

    def _is_onehot(self, piece: Piece) -> bool:
        node = self.store.nodes[piece.handle]
        return isinstance(node, Application) and node.function.known and node.function.name == "onehot"

    def _partner(self, piece: Piece, edge: int) -> Piece | None:
        """The one other operand on an edge that nothing else uses."""
        if self._uses(edge) != 2 or self._flat_uses(edge) or edge in self.boundary:
            return None
        found = [p for p in self.pieces if p is not piece and edge in p.legs]
        if not found or self._leaf(found[0]) is not None or self._is_onehot(found[0]):
            return None
        return found[0]

    def _selects(self) -> None:
        for piece in list(self.pieces):
            node = self.store.nodes[piece.handle]
            if isinstance(node, Leaf) and isinstance(node.tensor, Unit) and node.index is not None:
                partner = self._partner(piece, piece.axes[0])
                if partner is not None:
                    self.pieces.remove(piece)
                    partner.see(Select(piece.axes[0], node.index), piece.members[0])

    def _windows(self) -> None:
        found = [(p, slide) for p in self.pieces if (slide := slide_of(self.store, p.handle, p.axes)) is not None]
        for piece, slide in found:
            if len(slide.parts) == 1:
                self._look_through(piece, slide)
        found = [(p, slide) for p, slide in found if len(slide.parts) > 1]
        plan = self._sliding(found) if found else None
        if plan is not None:
            self._see(plan, {slide: p for p, slide in found})
        else:
            for piece, slide in found:
                self._look_through(piece, slide)

    def _sliding(self, found: Sequence[tuple[Piece, Slide]]) -> SlidingPlan | None:
        """The order of the operands and convolutions, where all of these can be looked through."""
        own = {id(p) for p, _ in found}
        legs = [p.legs for p in self.pieces if id(p) not in own]
        kept = {*self.boundary, *(e for fused, parts in self.flats for e in (fused, *parts))}
        if any(len(set(on)) < len(on) for on in legs):
            return None
        return sliding_plan(legs, [slide for _, slide in found], kept, self.dims, lambda d: number(d, self.sizes))

    def _see(self, plan: SlidingPlan, known: Mapping[Slide, Piece]) -> None:
        """The pieces of a plan: what is seen through convolutions is formed first, unless it is an operand."""
        operands = [p for p in self.pieces if not any(p is own for own in known.values())]
        self.dims = list(plan.dims)
        slides = [known.get(slide) or self._convolution(slide) for slide in plan.slides]
        self.pieces = []
        stack: list[tuple[Part, tuple[tuple[int, int], ...]]] = [(root, ()) for root in reversed(plan.roots)]
        while stack:
            part, views = stack.pop()
            if part.halves and not views and not part.folds:
                stack += [*zip(reversed(part.halves), reversed(part.views), strict=True)]
            elif part.halves:
                inside = [slides[c] for c in bits(part.inside) if c not in part.folds]
                members = [operands[k] for k in bits(part.mask) if k < len(operands)]
                self.pieces.append(self._contracted([*members, *inside], tuple(bits(part.before))))
                for c in part.folds:
                    slide = plan.slides[c]
                    self.pieces[-1].see(Fold(slide.long, slide.parts, slide.steps, slide.offset), slides[c].members[0])
            elif part.mask < 1 << len(operands):
                self.pieces.append(operands[part.mask.bit_length() - 1])
            for c, edge in views:
                self.pieces[-1].see(_view(plan.slides[c], edge), slides[c].members[0])

    def _convolution(self, slide: Slide) -> Piece:
        """A convolution that is not in the network, as an operand."""
        handle, perm = convolution(self.store, [self.dims[e] for e in slide.edges], slide.steps, slide.offset)
        axes = [0] * len(perm)
        for k, p in enumerate(perm):
            axes[p] = slide.edges[k]
        return Piece(handle, tuple(axes), ((handle, tuple(axes)),))

    def _look_through(self, piece: Piece, slide: Slide) -> None:
        """A convolution seen as a view of the one operand on its long edge, or else of that on one of the others."""
        for edge in slide.edges:
            partner = self._partner(piece, edge)
            if partner is not None and not any(e in partner.legs for e in slide.edges if e != edge):
                self.pieces.remove(piece)
                partner.see(_view(slide, edge), piece.members[0])
                return

    def _positions(self) -> None:
        """One-hot vectors of positions: entries are looked up, or added up at the positions, never multiplied."""
        vectors = [p for p in self.pieces if self._is_onehot(p) and len(set(p.axes)) == len(p.axes)]
        for see in (self._gather, self._scatter):
            for piece in vectors:
                if piece in self.pieces and see(piece):
                    self.pieces.remove(piece)

    def _gather(self, piece: Piece) -> bool:
        edge, index, legs = self._onehot(piece)
        partner = self._partner(piece, edge)
        if partner is not None:
            partner.see(Gather(edge, index, legs), piece.members[0])
        return partner is not None

    def _scatter(self, piece: Piece) -> bool:
        edge, index, legs = self._onehot(piece)
        partner = self._partner(piece, legs[0]) if legs else None
        if partner is None or edge in partner.legs or any(self._partner(piece, e) is not partner for e in legs):
            return False
        partner.see(Scatter(edge, index, legs), piece.members[0])
        return True

    def _onehot(self, piece: Piece) -> tuple[int, int, Legs]:
        """The edge of a one-hot vector, the handle of its position and the edges that this has."""
        node = self.store.nodes[piece.handle]
        assert isinstance(node, Application)
        ((index, labels),) = node.args
        return piece.axes[-1], index, tuple(piece.axes[b] for b in labels)

    def _fuse(self, fused: int, parts: Legs) -> bool:
        """Fuse where nothing sees the parts one by one: on one operand, or in the boundary."""
        if len(set(parts)) < len(parts) or any(self._uses(p) != 1 or self._flat_uses(p) != 1 for p in parts):
            return False
        if all(p in self.boundary for p in parts):
            self.output.append((fused, parts))
            return True
        for piece in self.pieces:
            if all(p in piece.legs for p in parts) and fused not in piece.legs:
                piece.see(Fuse(fused, parts), (-len(parts), (fused, *parts)))
                return True
        return False

    def _barriers(self, flats: list[Flat]) -> list[Flat]:
        """Where an edge is fused in several ways, all but one become views of smaller contractions, or tables."""
        self.flats = flats
        while True:
            times = Counter(fused for fused, _ in self.flats)
            clashes = [f for f in self.flats if times[f[0]] > 1]
            if not clashes:
                return self.flats
            formable = [(self._surroundings(f), f) for f in clashes if self._formable(f)]
            if formable:
                (group, inner, edges), flat = min(formable, key=lambda found: len(found[0][2]))
                self._form(flat, group, inner, edges)
            else:
                flat = clashes[-1]
                self.flats = [f for f in self.flats if f != flat]
                self.pieces.append(_table(flat))

    def _formable(self, flat: Flat) -> bool:
        """Whether what the parts of a fused edge join can be contracted by itself, to be seen fused."""
        fused, parts = flat
        group = [p for p in self.pieces if set(parts) & set(p.legs)]
        if len(set(parts)) < len(parts) or not group or any(fused in p.legs for p in group):
            return False
        return not any(p in self.boundary or self._flat_uses(p) != 1 for p in parts)

    def _surroundings(self, flat: Flat) -> tuple[list[Piece], list[Flat], Legs]:
        """The pieces that the parts of a flat join, and those that leave fewer edges open when they are included."""
        group = [p for p in self.pieces if set(flat[1]) & set(p.legs)]
        inner, edges = self._around(group, flat)
        grown = True
        while grown:
            grown = False
            for piece in self.pieces:
                if piece in group or flat[0] in piece.legs:
                    continue
                more, left = self._around([*group, piece], flat)
                if len(left) < len(edges):
                    group, inner, edges, grown = [*group, piece], more, left, True
        return group, inner, edges

    def _form(self, flat: Flat, group: list[Piece], inner: list[Flat], edges: Legs) -> None:
        self.flats = [f for f in self.flats if f not in inner and f != flat]
        formed = self._contracted([*group, *map(_table, inner)], edges)
        formed.see(Fuse(*flat), (-len(flat[1]), (flat[0], *flat[1])))
        self.pieces = [*(p for p in self.pieces if p not in group), formed]

    def _around(self, group: Sequence[Piece], flat: Flat) -> tuple[list[Flat], Legs]:
        """The flats that join only pieces of a group, and the group's edges that are used elsewhere."""
        inside = {e for p in group for e in p.legs}
        outside = {e for p in self.pieces if p not in group for e in p.legs} | set(self.boundary)
        inner = [f for f in self.flats if f != flat and not outside & {f[0], *f[1]} and inside & {f[0], *f[1]}]
        inner = [f for f in inner if inside >= {f[0], *f[1]}]
        rest = {e for f in self.flats if f not in inner for e in (f[0], *f[1])}
        return inner, tuple(e for e in dict.fromkeys(e for p in group for e in p.legs) if e in outside | rest)


def _view(slide: Slide, edge: int) -> Window | Spread:
    """A convolution as a view of a tensor whose edge becomes its other edges."""
    if edge == slide.long:
        return Window(edge, slide.parts, slide.steps, slide.offset)
    others = tuple(e for e in slide.parts if e != edge)
    steps = tuple(slide.step(e) for e in others)
    return Spread(edge, slide.step(edge), slide.long, others, steps, slide.offset)


def _table(flat: Flat) -> Piece:
    """A flat as an operand like any other."""
    member = (-len(flat[1]), (flat[0], *flat[1]))
    return Piece(*member, (member,))


def joined(pieces: Iterable[Piece]) -> list[Member]:
    """The operands that some pieces stand for; a flat that several see is one."""
    found: list[Member] = []
    for piece in pieces:
        for member in piece.members:
            if member[0] > FLAT or member not in found:
                found.append(member)
    return found


def draft(members: Iterable[Member], boundary: Sequence[int], dims: Sequence[Poly], coefficient: Poly = ONE) -> Draft:
    """A draft of some operands on the edges of a network, open at `boundary`."""
    result = Draft(coefficient)
    used = set(boundary)
    for handle, legs in members:
        result.operands.append((handle, list(legs)))
        used.update(legs)
    result.edges(d if e in used else ONE for e, d in enumerate(dims))
    result.boundary = list(boundary)
    return result
