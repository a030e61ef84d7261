"""An e-graph to be looked at: classes with their members as text, the form that was chosen, and how it grew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import Expressions, axis_names, children
from tensorgrad.diagram.nodes import Handle, Leaf
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.saturate import Round
from tensorgrad.tensor import Product, Tensor, Variable


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a class: its text, in which other classes have names, the classes it uses, and whether it was chosen.

    `side` says which side of a goal it is: left, right, or both.
    """

    text: str
    uses: tuple[str, ...]
    chosen: bool
    side: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One class: its name, the sizes of its axes, its facts, its members, and whether it is part of the chosen form."""

    name: str
    shape: tuple[str, ...]
    facts: tuple[str, ...]
    members: tuple[Member, ...]
    chosen: bool


@dataclass(frozen=True, eq=False, repr=False)
class Explored:
    """What a search left: the e-graph, the class of the expression, the member chosen of each class, round by round.

    `sides` are the two sides of a goal as they were written; they are members of one class once they are proved equal.

    >>> from tensorgrad import simplify
    >>> explored = simplify("inv(inv(A))", let="A : n n").egraph
    >>> len(explored.history) > 0
    True
    """

    graph: EGraph
    root: Handle
    chosen: Mapping[Handle, Handle]
    history: tuple[Round, ...] = ()
    sides: tuple[Handle, ...] = ()
    _texts: _Texts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_texts", _Texts(self.graph))

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of classes and of live nodes.

        >>> from tensorgrad import simplify
        >>> classes, nodes = simplify("inv(inv(A))", let="A : n n").egraph.size
        >>> 0 < classes <= nodes
        True
        """
        return self.graph.statistics()

    def shown(self) -> Iterator[Shown]:
        """The classes: those of the chosen form first, then those that lead there, the nearest to the expression first.

        >>> from tensorgrad import simplify
        >>> first = next(simplify("x @ y", let="x y : n").egraph.shown())
        >>> first.shape, [member.text for member in first.members]
        ((), ['x @ y'])
        """
        form = self._form()
        for root in (*form, *(r for r in self._reached() if r not in form)):
            yield self._shown(root, root in form)

    def _roots(self) -> list[Handle]:
        """The class of the expression, or those of both sides."""
        return list(dict.fromkeys((self.root, *map(self.graph.root, self.sides))))

    def _form(self) -> dict[Handle, None]:
        """The classes of the chosen form, the expression's first."""
        found: dict[Handle, None] = {}
        queue = self._roots()
        while queue:
            root = queue.pop(0)
            if root not in found:
                found[root] = None
                queue += self._parts(self.chosen[root])
        return found

    def _reached(self) -> dict[Handle, None]:
        """The classes that any form of the expression uses, breadth first."""
        found: dict[Handle, None] = {}
        queue = self._roots()
        while queue:
            root = queue.pop(0)
            if root not in found:
                found[root] = None
                queue += [part for member in self._members(root) for part in self._parts(member)]
        return found

    def _parts(self, member: Handle) -> list[Handle]:
        return list(dict.fromkeys(self.graph.root(c) for c in children(self.graph.nodes[member]) if c > FLAT))

    def _members(self, root: Handle) -> list[Handle]:
        """The live nodes of a class, and the one that was chosen."""
        found = self.graph.members(root)
        live = {*found.leaves, *found.applications, *found.networks, *found.totals}
        return sorted({*live, self.chosen[root]} if root in self.chosen else live)

    def _shown(self, root: Handle, in_form: bool) -> Shown:
        said = self._said(root)
        members = [self._member(root, member, in_form, said) for member in self._members(root)]
        # A side that has been replaced by a simpler node, or by its own parts, is shown as it was written.
        written = {text: side for side in self.sides if (text := self._texts.of(root, side)) in said}
        members += [self._member(root, side, False, said) for side in written.values()]
        shape = tuple(map(str, self.graph.dims[root]))
        return Shown(self._texts.name(root), shape, tuple(self.graph.members(root).facts), tuple(members), in_form)

    def _member(self, root: Handle, member: Handle, in_form: bool, said: dict[str, str]) -> Member:
        """One member; `said` are the sides that are still to be shown, by their texts."""
        text = self._texts.of(root, member)
        uses = tuple(map(self._texts.name, self._parts(member)))
        return Member(text, uses, in_form and self.chosen.get(root) == member, said.pop(text, ""))

    def _said(self, root: Handle) -> dict[str, str]:
        """Which sides of the goal stand in a class, by their texts."""
        found: dict[str, str] = {}
        for side, name in zip(self.sides, ("left side", "right side"), strict=False):
            if self.graph.root(side) == root:
                text = self._texts.of(root, side)
                found[text] = "both sides" if text in found else name
        return found

    def show(self) -> None:
        """Show classes, nodes and the chosen form: in a notebook as a picture, else as text on stdout.

        >>> from tensorgrad import simplify
        >>> simplify("x @ y", let="x y : n").egraph.show()
        3 of 4 classes, 3 of 4 nodes; a class is called after its variable or its number, the chosen form is marked
        c3 : scalar
          ▸ x @ y
        x : n
          ▸ x
        y : n
          ▸ y
        """
        from tensorgrad.show import show_egraph

        show_egraph(self)

    @property
    def svg(self) -> str:
        """The picture as SVG; a large e-graph is cut, and says how much is drawn.

        >>> from tensorgrad import simplify
        >>> simplify("inv(inv(A))", let="A : n n").egraph.svg[:4]
        '<svg'
        """
        from tensorgrad.show import egraph_svg

        return egraph_svg(self)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return "<{} classes, {} nodes>".format(*self.size)


class _Texts:
    """Nodes as text, in which a class is called after its handle, or like the variable that it is."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph
        taken = {n.tensor.name for n in graph.nodes if isinstance(n, Leaf) and isinstance(n.tensor, Variable)}
        self.letter = next(c for c in ("c", "k", "class_") if not any(t.startswith(c) for t in taken) or c == "class_")
        self.expressions = Expressions(graph, lambda handle: (graph.nodes[handle], graph.oriented(handle)), graph.find)

    def name(self, root: Handle) -> str:
        """What a class is called: like the variable, if it has one with its axes in the same order."""
        for member in self.graph.members(root).leaves:
            node, perm = self.graph.nodes[member], self.graph.oriented(member)
            if isinstance(node, Leaf) and isinstance(node.tensor, Variable) and perm == tuple(range(len(perm))):
                return node.tensor.name
        return f"{self.letter}{root}"

    def of(self, root: Handle, member: Handle) -> str:
        """The text of a member of a class."""
        graph = self.graph
        for child in children(graph.nodes[member]):
            part = graph.root(child)
            if part > FLAT and part not in self.expressions.done:
                dims = graph.dims[part]
                edges = dict(zip(axis_names(len(dims)), dims, strict=True))
                self.expressions.done[part] = Variable(self.name(part), edges=edges)
        perm = graph.oriented(member)
        built: Tensor = self.expressions.build(graph.nodes[member], tuple(f"i{p}" for p in perm))
        edges = tuple(f"i{k}" for k in range(len(perm)))
        return str(built if built.edges == edges else Product((built,), edges))
