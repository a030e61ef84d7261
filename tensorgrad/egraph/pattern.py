"""Rules compiled for matching: the left side as a canonical pattern, and the egglog query that finds candidates for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.insertion import insert
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Ref, Total
from tensorgrad.diagram.store import Store
from tensorgrad.function import STABLE, Function
from tensorgrad.sizes import ONE
from tensorgrad.tensor import Apply, Fact, Flat, Product, Scalar, Sum, Tensor, Variable, walk

RELATIONS = ("nullary", "app", "binary")
"""The tables of applications, by number of arguments. No rule is about a function of three: congruence is in the graph."""

ORIENTED = ("upper", "lower", "orthonormal")
"""Facts that depend on which axis of a matrix comes first; the host alone reasons about them."""

EQUATED = "="
"""What stands among the facts of a goal that states an equation: fact rules that ask for one are of use there alone."""

Kind = Literal["application", "network", "total", "variable"]


@dataclass(frozen=True, slots=True)
class Need:
    """A condition of a rule: a fact of an expression, or (fact None) an equation of two.

    An equation that `solves` says what names are that the left side of the rule does not bind, as c in A @ v = c * v:
    `tensor` has none of them, and `right` is looked for among the forms of what it is.
    """

    tensor: Tensor
    fact: Fact | None
    right: Tensor | None = None
    solves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One direction of a rule: where `left` is found and `needs` hold, it equals `right` (or has the fact `concludes`)."""

    name: str
    source: str
    left: Tensor
    right: Tensor | None
    needs: tuple[Need, ...]
    concludes: Fact | None = None
    explore: bool = False
    functions: tuple[str, ...] = ()
    differ: tuple[tuple[str, str], ...] = ()
    """Names that must stand for different things: a rule of its own says what comes of equal ones."""

    @property
    def unfuses(self) -> bool:
        """Whether it opens a stable function by its definition: what that makes may overflow or cancel."""
        if not self.explore or self.right is None or not isinstance(self.left, Apply):
            return False
        name = self.left.function.name
        return name in STABLE and all(n.function.name != name for n in walk(self.right) if isinstance(n, Apply))

    @property
    def cancels(self) -> bool:
        """Whether it writes a stable function as a difference with another value of it: small values lose their digits.

        Such a rule is for proofs; a form that is to be run must not have gone through it.
        """
        if not isinstance(self.right, Sum) or not isinstance(self.left, Apply) or self.left.function.name not in STABLE:
            return False
        again = any(isinstance(n, Apply) and n.function is self.left.function for n in walk(self.right))
        return again and min(self.right.weights) < 0

    @property
    def defines(self) -> bool:
        """Whether it says what a function is in terms of others: tan(x) is sin(x) / cos(x)."""
        left = self.left
        written_out = isinstance(left, Apply) and all(isinstance(a, Variable) for a in left.args)
        return self.explore and written_out and not self.sized

    @property
    def sized(self) -> bool:
        """Whether it is about tensors of a size that is a number, larger than 1."""
        return any(d.is_constant and d is not ONE for v in self.left.variables for d in v.dims)

    @property
    def multiplies(self) -> bool:
        """Whether it makes more inverses than it takes, as Woodbury's identity does."""
        return self.right is not None and _inverses(self.right) > _inverses(self.left) > 0

    @property
    def inverts(self) -> bool:
        """Whether it writes the inverse of a matrix of one size out."""
        return self.sized and _inverses(self.left) > 0

    @property
    def opens(self) -> frozenset[str]:
        """The functions of the right side, powers aside."""
        found = walk(self.right) if self.right is not None else ()
        return frozenset(n.function.name for n in found if isinstance(n, Apply)) - {"pow"}


def _inverses(t: Tensor) -> int:
    return sum(isinstance(n, Apply) and n.function.name == "inv" for n in walk(t))


@dataclass(slots=True)
class Query:
    """A conjunction of egglog atoms under construction, and its columns: (what, pattern handle or slot, variable).

    Each of `marks`, (variable, alternative conjunctions), must have a solution too, but its solutions are not reported:
    pairs of terms of a long sum would be as many as the square of its length.
    """

    atoms: list[str] = field(default_factory=list[str])
    columns: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    marks: list[tuple[str, list[list[str]]]] = field(default_factory=list["tuple[str, list[list[str]]]"])

    def column(self, what: str, key: int, name: str) -> str:
        """Report the query variable `name` as `what` (net, sum, node, slot, class) of the pattern handle or slot `key`."""
        self.columns.append((what, key, name))
        return name

    def copy(self) -> Query:
        """An independent copy."""
        return Query(list(self.atoms), list(self.columns), list(self.marks))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled rewrite: the store that holds the pattern, its root, and the queries that propose places for it.

    `lifted`: every variable is a scalar and every function elementwise, so the rule holds entry by entry.
    `functions` are the names of known functions in it, `asks` the facts it needs ("" when it is a constant, without names).
    `cuts`: a directed rule f(A @ B) => ...: where the argument is cut does not matter, so one cut is enough.
    """

    rewrite: Rewrite
    store: Store
    root: Ref
    kind: Kind
    lifted: bool
    queries: tuple[Query, ...]
    facts: Mapping[str, tuple[str, ...]]
    cuts: bool = False
    last: bool = False
    """An identity that is tried when nothing else is left: about sizes that are numbers, or making more inverses."""
    functions: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    repeated: frozenset[Handle] = frozenset()
    """Leaves that stand several times in it: what one of them takes, the others must take too."""
    solved: Mapping[Need, Pattern] = field(default_factory=dict["Need", "Pattern"])
    """The right sides of the conditions that bind names, as patterns of their own."""


class FunctionIds:
    """Small integers for functions, for egglog's columns."""

    def __init__(self) -> None:
        self._ids: dict[tuple[object, ...], int] = {}

    def of(self, function: Function) -> int:
        """The id of a function (the same for equal names and derivatives)."""
        return self._ids.setdefault((function.name, *function.by), len(self._ids))

    def of_leaf(self, leaf: Leaf) -> int:
        """The id of a structural leaf's kind: unit vector, convolution, Levi-Civita symbol of some order."""
        return self._ids.setdefault(("", str(leaf.key[0]), leaf.tensor.order), len(self._ids))


def compile_rewrite(rewrite: Rewrite, ids: FunctionIds, fact_ids: Mapping[str, int]) -> Pattern | None:
    """The pattern of a rewrite, or None when nothing in its left side could be looked for.

    Raises RuleError if the left side does not bind what the right side needs.
    """
    store = Store()
    root = insert(store, rewrite.left)
    node = store.nodes[root[0]]
    if rewrite.concludes is not None and isinstance(node, Network) and _is_scaled_total(store, node):
        root = _opened(store, root, node)
        node = store.nodes[root[0]]
    if rewrite.concludes is None and isinstance(node, Network) and _is_scaled_total(store, node):
        inverse = Scalar(node.coefficient.inverse())
        left, right = rewrite.left, rewrite.right
        assert right is not None
        scaled = replace(
            rewrite, left=Product((inverse, left), left.edges), right=Product((inverse, right), right.edges)
        )
        return compile_rewrite(scaled, ids, fact_ids)
    if rewrite.concludes is None and isinstance(node, Network) and _is_fused_application(store, node):
        return compile_rewrite(_split_axes(rewrite, node), ids, fact_ids)
    facts: dict[str, tuple[str, ...]] = {}
    for need in rewrite.needs:
        if need.fact is not None and isinstance(need.tensor, Variable):
            facts[need.tensor.name] = (*facts.get(need.tensor.name, ()), need.fact.name)
    builder = _Builder(store, ids, fact_ids, facts, rewrite.functions)
    match node:
        case Application():
            kind, queries = "application", builder.application_root(root[0])
        case Network():
            kind, queries = "network", builder.network_root(root[0])
        case Total():
            kind, queries = "total", builder.total_root(root[0])
        case Leaf():
            kind, queries = "variable", builder.variable_root(node)
    if not queries and rewrite.concludes is None:
        return None  # a rule for facts is matched backwards, from what the fact is asked of
    cuts = (
        not rewrite.explore
        and isinstance(node, Application)
        and bool(node.args)
        and _is_product(store, node.args[0][0])
    )
    named = {n.function.name for n in store.nodes if isinstance(n, Application)} - set(rewrite.functions)
    asks = {n.fact.name if n.fact is not None else EQUATED for n in rewrite.needs}
    asks |= set() if rewrite.left.variables else {""}
    return Pattern(
        rewrite,
        store,
        root,
        kind,
        _is_lifted(store),
        tuple(queries),
        facts,
        cuts,
        rewrite.explore and (rewrite.sized or rewrite.multiplies),
        frozenset(named),
        frozenset(asks),
        _repeated(store),
        {need: _solution(rewrite, need) for need in rewrite.needs if need.solves},
    )


def _solution(rewrite: Rewrite, need: Need) -> Pattern:
    """What a condition's names are read off from: its right side, wherever it is found."""
    assert need.right is not None
    store = Store()
    root = insert(store, need.right)
    return Pattern(rewrite, store, root, "network", False, (), {}, repeated=_repeated(store))


def _repeated(store: Store) -> frozenset[Handle]:
    uses = Counter(h for node in store.nodes for h in children(node))
    return frozenset(h for h, times in uses.items() if times > 1 and isinstance(store.nodes[h], Leaf))


def _is_scaled_total(store: Store, node: Network) -> bool:
    """Whether the network is a number times one sum: sign and content of a sum stand outside."""
    if (
        len(node.operands) != 1
        or node.operands[0][0] < 0
        or node.coefficient is ONE
        or not node.coefficient.is_monomial
    ):
        return False
    child, legs = node.operands[0]
    return isinstance(store.nodes[child], Total) and sorted(legs) == sorted(node.boundary)


def _opened(store: Store, root: Ref, node: Network) -> Ref:
    """A number times a sum as the sum of its multiples, which is how it is looked for: `p - 1` for `-(1 - p)`."""
    child, legs = node.operands[0]
    total = store.nodes[child]
    assert isinstance(total, Total)
    scaled = Total(tuple((node.coefficient * c, h, perm) for c, h, perm in total.terms), total.dims)
    handle = store.add(("opened", child, node.coefficient), scaled, store.dims[child], store.group_of(child).generators)
    return handle, tuple(legs.index(node.boundary[p]) for p in root[1])


def _is_fused_application(store: Store, node: Network) -> bool:
    """Whether the network is one application with axes fused in the boundary: inv(kron(A, B)) as a matrix."""
    operands = [h for h, _ in node.operands if h > FLAT]
    fused = [legs[0] for h, legs in node.operands if h < FLAT]
    one = len(operands) == 1 and isinstance(store.nodes[operands[0]], Application)
    return one and bool(fused) and set(fused) <= set(node.boundary)


def _split_axes(rewrite: Rewrite, node: Network) -> Rewrite:
    """The rewrite of the same tensor with its fused axes split: so it stands inside diagrams."""
    left, right = rewrite.left, rewrite.right
    assert right is not None
    parts = {legs[0]: [node.dims[e] for e in legs[1:]] for h, legs in node.operands if h < FLAT}
    store = Store()
    by_axis = {p: e for e, p in zip(left.edges, insert(store, left)[1], strict=True)}
    flats: list[Tensor] = []
    edges: list[str] = []
    for axis, edge in enumerate(node.boundary):
        name = by_axis[axis]
        own = [f"{name}:{j}" for j in range(len(parts.get(edge, ())))]
        if own:
            flats.append(Flat((name, *own), tuple(parts[edge])))
        edges += own or [name]
    return replace(rewrite, left=Product((left, *flats), tuple(edges)), right=Product((right, *flats), tuple(edges)))


def _is_product(store: Store, handle: Handle) -> bool:
    node = store.nodes[handle]
    return isinstance(node, Network) and sum(isinstance(store.nodes[h], Leaf) for h, _ in node.operands if h > 0) > 1


def _is_lifted(store: Store) -> bool:
    for node in store.nodes[1:]:
        if isinstance(node, Leaf) and node.tensor.order:
            return False
        if isinstance(node, Application) and not node.function.elementwise:
            return False
        if isinstance(node, Network) and node.dims:
            return False
    return True


@dataclass(slots=True)
class _Builder:
    store: Store
    ids: FunctionIds
    fact_ids: Mapping[str, int]
    facts: Mapping[str, tuple[str, ...]]
    functions: tuple[str, ...]
    count: int = 0

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def application_root(self, handle: Handle) -> list[Query]:
        return self._application(Query(), handle, self.fresh("o"))

    def network_root(self, handle: Handle) -> list[Query]:
        node = self.store.nodes[handle]
        assert isinstance(node, Network)
        query = Query()
        net = query.column("net", handle, self.fresh("d"))
        slots: dict[int, str] = {}
        queries = [query]
        # Beside an application a variable needs no place of its own: what it stands for may be a sub-diagram.
        applied = any(child > 0 and isinstance(self.store.nodes[child], Application) for child, _ in node.operands)
        for position, (child, _) in enumerate(node.operands):
            child_node = self.store.nodes[child] if child > 0 else None
            placed = isinstance(child_node, Leaf) and not (applied and isinstance(child_node.tensor, Variable))
            anchor = isinstance(child_node, Application) or (
                placed and isinstance(child_node, Leaf) and self._is_anchor(child_node)
            )
            if child_node is None or not anchor:
                continue
            slots[position] = slot = self.fresh("k")
            new: list[Query] = []
            for q in queries:
                out = self.fresh("o")
                q.column("slot", position, slot)
                q.atoms.append(f"(operand {net} {slot} {out})")
                if isinstance(child_node, Leaf):
                    q.atoms += self._leaf_atoms(child_node, out)
                new += self._expression(q, child, out)
            queries = new
        if not slots:
            slots = self._repeated(query, node, net)
        touched = {e for _, legs in node.operands for e in legs}
        if not slots or not touched.issuperset(node.boundary):
            return []  # nothing to look for, or an edge that could be any edge
        for edge in range(len(node.dims)):
            meeting = [slots[k] for k, (_, legs) in enumerate(node.operands) if edge in legs and k in slots]
            if len(meeting) > 1:
                name = self.fresh("e")
                for q in queries:
                    q.atoms += [f"(leg {net} {slot} {name})" for slot in meeting]
        return queries

    def _repeated(self, query: Query, node: Network, net: str) -> dict[int, str]:
        """The place of a name that stands in a product of names more than once: there is nothing else to look for."""
        handles = [child for child, _ in node.operands]
        position = next((k for k, h in enumerate(handles) if h > 0 and handles.count(h) > 1), None)
        if position is None:
            return {}
        slot, other, out = self.fresh("k"), self.fresh("k"), self.fresh("o")
        query.column("slot", position, slot)
        query.atoms += [f"(operand {net} {slot} {out})", f"(operand {net} {other} {out})", f"(!= {slot} {other})"]
        return {position: slot}

    def total_root(self, handle: Handle) -> list[Query]:
        """One query a shaped term, which says where that term is and that each other one is somewhere."""
        node = self.store.nodes[handle]
        assert isinstance(node, Total)
        shaped = [child for _, child, _ in node.terms if not isinstance(self.store.nodes[child], Leaf)]
        queries: list[Query] = []
        for k, child in enumerate(shaped):
            for query in self._term(handle, child):
                total = query.columns[0][2]
                for other in shaped[:k] + shaped[k + 1 :]:
                    ways = self._term(handle, other)
                    names = [w.columns[0][2] for w in ways]
                    query.marks.append((total, [_renamed(w.atoms, n, total) for w, n in zip(ways, names, strict=True)]))
                queries.append(query)
        return queries

    def _term(self, handle: Handle, child: Handle) -> list[Query]:
        query = Query()
        total = query.column("sum", handle, self.fresh("s"))
        out = self.fresh("o")
        query.atoms.append(f"(term {total} {self.fresh('k')} {out})")
        return self._expression(query, child, out)

    def variable_root(self, leaf: Leaf) -> list[Query]:
        if not self._known(leaf):
            return []
        query = Query()
        out = self.fresh("o")
        query.atoms += self._fact_atoms(leaf, out)
        query.atoms.append(f"(= {out} (Ref {query.column('class', 0, self.fresh('h'))}))")
        return [query]

    def _application(self, query: Query, handle: Handle, out: str) -> list[Query]:
        node = self.store.nodes[handle]
        assert isinstance(node, Application)
        function = self.fresh("f") if node.function.name in self.functions else str(self.ids.of(node.function))
        number = query.column("node", handle, self.fresh("n"))
        args = [self.fresh("a") for _ in node.args]
        query.atoms.append(f"({' '.join((RELATIONS[len(args)], function, number, *args, out))})")
        queries = [query]
        for (child, _), name in zip(node.args, args, strict=True):
            queries = [done for q in queries for done in self._expression(q, child, name)]
        return queries

    def _expression(self, query: Query, handle: Handle, out: str) -> list[Query]:
        """Atoms that say that the class `out` may match the pattern `handle`; several ways give several queries."""
        node = self.store.nodes[handle]
        match node:
            case Leaf():
                return [query]
            case Application():
                return self._application(query, handle, out)
            case Network():
                net = query.column("net", handle, self.fresh("d"))
                query.atoms.append(f"(net {net} {out})")
                queries = [query]
                for child, _ in node.operands:
                    if child > 0 and isinstance(self.store.nodes[child], Application):
                        new: list[Query] = []
                        for q in queries:
                            inner = self.fresh("o")
                            q.atoms.append(f"(operand {net} {self.fresh('k')} {inner})")
                            new += self._application(q, child, inner)
                        queries = new
                return queries
            case Total():
                scaled = query.copy()
                query.atoms.append(f"(sum {query.column('sum', handle, self.fresh('s'))} {out})")
                inner, through = self.fresh("o"), scaled.column("net", handle, self.fresh("d"))
                scaled.atoms += [
                    f"(net {through} {out})",
                    f"(operand {through} 0 {inner})",
                    f"(sum {self.fresh('s')} {inner})",
                ]
                return [query, scaled]

    def _is_anchor(self, leaf: Leaf) -> bool:
        return not isinstance(leaf.tensor, Variable) or self._known(leaf)

    def _leaf_atoms(self, leaf: Leaf, out: str) -> list[str]:
        if isinstance(leaf.tensor, Variable):
            return self._fact_atoms(leaf, out)
        return [f"(leaf {self.ids.of_leaf(leaf)} {out})"]

    def _known(self, leaf: Leaf) -> bool:
        return isinstance(leaf.tensor, Variable) and bool(self.facts.get(leaf.tensor.name))

    def _fact_atoms(self, leaf: Leaf, out: str) -> list[str]:
        if not isinstance(leaf.tensor, Variable):
            return []
        return [f"(fact {self.fact_ids[f]} {out})" for f in self.facts.get(leaf.tensor.name, ())]


def _renamed(atoms: list[str], name: str, new: str) -> list[str]:
    """The atoms with one variable called otherwise."""
    return [re.sub(rf"\b{name}\b", new, atom) for atom in atoms]
