"""Matching a pattern network against a whole network: every operand goes to exactly one operand of the pattern.

Operands of the pattern that are applications take one operand; variables take connected pieces, cut out along the edges
that the pattern names. A hyperedge may be cut too: in U diag(w) V the middle factor is diag(w).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING

from tensorgrad.diagram.components import connected
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Leaf, Network, Ref
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Variable

if TYPE_CHECKING:
    from tensorgrad.egraph.match import Matcher, Substitution

_MOST_CUTS = 4096
_MOST_CHOICES = 16


@dataclass(slots=True)
class Cover:
    """One problem: pattern and network, and the labels of the network's edges that are lifted."""

    matcher: Matcher
    pattern: Network
    node: Network
    lifted: Mapping[int, int]
    ratio: Poly


def covers(
    matcher: Matcher,
    pattern: Network,
    node: Network,
    boundary: Sequence[int],
    lifted: Mapping[int, int],
    s: Substitution,
) -> Iterator[Substitution]:
    """All ways to read `node` as the pattern; `boundary[a]` is the edge at the pattern's axis a, `lifted` label -> edge."""
    if any(h < FLAT for h, _ in node.operands) != any(h < FLAT for h, _ in pattern.operands):
        return
    edges: dict[int, int] = {}
    for position, edge in zip(pattern.boundary, boundary, strict=True):
        if edges.setdefault(position, edge) != edge:
            return
    pairs = [(pattern.dims[e], node.dims[f]) for e, f in edges.items()]
    later = [pair for pair in pairs if s.is_open(pair[0])]
    sized = s.with_sizes(pair for pair in pairs if pair not in later)
    if sized is None:
        return
    if not pattern.operands and not node.operands and pattern.coefficient.symbols:
        # A size as a number, as in c ** n: it is what the size is matched with.
        sized, ratio = sized.with_size(pattern.coefficient, node.coefficient), ONE
        if sized is None:
            return
    else:
        number = sized.number(pattern.coefficient)
        ratio = node.coefficient.divide(number) if number is not None else None
    if ratio is None:
        return
    problem = Cover(matcher, pattern, node, lifted, ratio)
    variables = [k for k, (h, _) in enumerate(pattern.operands) if _is_variable(matcher, h)]
    anchors = [k for k in range(len(pattern.operands)) if k not in variables]
    for found in _anchored(problem, anchors, variables, edges, frozenset(range(len(node.operands))), sized):
        agreed = found.with_sizes(later)
        if agreed is not None:
            yield agreed


def _is_variable(matcher: Matcher, handle: Handle) -> bool:
    if handle < FLAT:
        return False
    node = matcher.store.nodes[handle]
    return isinstance(node, Leaf) and isinstance(node.tensor, Variable)


def _anchored(
    problem: Cover,
    anchors: Sequence[int],
    variables: Sequence[int],
    edges: dict[int, int],
    left: frozenset[int],
    s: Substitution,
) -> Iterator[Substitution]:
    if not anchors:
        yield from _cut(problem, variables, edges, left, s)
        return
    handle, legs = problem.pattern.operands[anchors[0]]
    for k in sorted(left):
        for new_edges, t in operand_matches(problem.matcher, problem.node, k, handle, legs, edges, problem.lifted, s):
            sized = t.with_sizes(_parts(problem, legs, new_edges)) if handle < FLAT else t
            if sized is not None:
                yield from _anchored(problem, anchors[1:], variables, new_edges, left - {k}, sized)


def _parts(problem: Cover, legs: Sequence[int], edges: Mapping[int, int]) -> list[tuple[Poly, Poly]]:
    """The sizes of a table that fuses axes, in the pattern and in the network: the parts, then the whole."""
    return [(problem.pattern.dims[e], problem.node.dims[edges[e]]) for e in (*legs[1:], legs[0])]


def operand_matches(
    matcher: Matcher,
    node: Network,
    k: int,
    handle: Handle,
    legs: Sequence[int],
    edges: Mapping[int, int],
    lifted: Mapping[int, int],
    s: Substitution,
) -> Iterator[tuple[dict[int, int], Substitution]]:
    """All ways in which operand k of a network is a pattern operand, extending the map of edges."""
    child, actual = node.operands[k]
    if handle < FLAT or child < FLAT:
        if handle == child:
            new = _extend(edges, legs, actual)
            if new is not None:
                yield new, s
        return
    label_of = {edge: label for label, edge in lifted.items()}
    own = [a for a, e in enumerate(actual) if e not in label_of or e in edges.values()] if legs else []
    if len(own) != len(legs):
        return
    extra = [a for a in range(len(actual)) if a not in own]
    if any(actual[a] not in label_of for a in extra):
        return
    exchangeable = (
        len(matcher.store.group_of(handle).sets) == 1 and len(set(matcher.store.group_of(handle).colours)) == 1
    )
    for order in matcher.alignments(len(own), exchangeable and not any(e in edges for e in legs)):
        axes = [own[a] for a in order]
        new = _extend(edges, legs, [actual[a] for a in axes])
        if new is None:
            continue
        lift = tuple(label_of[actual[a]] for a in extra)
        if len(set(lift)) != len(lift):
            continue
        for t in matcher.expression(handle, (child, (*axes, *extra)), lift, s):
            yield new, t


def _extend(edges: Mapping[int, int], pattern: Sequence[int], actual: Sequence[int]) -> dict[int, int] | None:
    new = dict(edges)
    for p, a in zip(pattern, actual, strict=True):
        if new.setdefault(p, a) != a:
            return None
    return new


def _cut(
    problem: Cover, variables: Sequence[int], edges: dict[int, int], left: frozenset[int], s: Substitution
) -> Iterator[Substitution]:
    """Choose the network's edges for the pattern's edges that are still open, then deal out the pieces."""
    pattern, node = problem.pattern, problem.node
    open_edges = [e for e in range(len(pattern.dims)) if e not in edges]
    if not variables:
        if not left and not open_edges and problem.ratio is ONE and not _copies(problem) and _tied(problem, {}, edges):
            yield s
        return
    candidates = [f for f in range(len(node.dims)) if f not in problem.lifted.values()]
    if len(candidates) ** len(open_edges) > _MOST_CUTS:
        return
    for choice in product(candidates, repeat=len(open_edges)):
        sized: Substitution | None = s
        for e, f in zip(open_edges, choice, strict=True):
            sized = sized.with_size(pattern.dims[e], node.dims[f]) if sized is not None else None
        if sized is not None:
            yield from _deal(problem, variables, {**edges, **dict(zip(open_edges, choice, strict=True))}, left, sized)


def _deal(
    problem: Cover, variables: Sequence[int], edges: Mapping[int, int], left: frozenset[int], s: Substitution
) -> Iterator[Substitution]:
    """Cut at the chosen edges and give each connected piece to a variable that has all the cut edges it touches."""
    node, pattern = problem.node, problem.pattern
    if not _joined(pattern, edges):
        return
    remaining = sorted(left)
    cut = {*edges.values(), *problem.lifted.values()}
    lifted = set(problem.lifted.values())
    pieces = [[remaining[j] for j in part] for part in connected([node.operands[k] for k in remaining], cut)]
    own = {v: {edges[e] for e in pattern.operands[v][1]} | lifted for v in variables}
    scalars = [v for v in variables if not pattern.operands[v][1]]
    options: list[Sequence[int]] = []
    for piece in pieces:
        touched = {e for k in piece for e in node.operands[k][1] if e in cut}
        takers = [v for v in variables if touched <= own[v]]
        if not touched and not lifted:
            takers = (
                variables if len(scalars) == len(variables) else scalars[:1] if scalars else [_freest(problem, takers)]
            )
        if not takers:
            return
        options.append(takers)
    for dealt in islice(product(*options), _MOST_CHOICES):
        parts: dict[int, list[int]] = {v: [] for v in variables}
        for piece, v in zip(pieces, dealt, strict=True):
            parts[v] += piece
        dealt_edges = {e for v in variables for k in parts[v] for e in node.operands[k][1]}
        if not _tied(problem, parts, edges):
            continue
        if _copies(problem) <= dealt_edges and all(parts[v] or _may_be_empty(problem, v, edges) for v in variables):
            yield from _bind_all(problem, variables, edges, parts, s)


def _freest(problem: Cover, variables: Sequence[int]) -> int:
    """The first variable that stands nowhere else in the pattern, else the first."""
    repeated = problem.matcher.pattern.repeated
    return next((v for v in variables if problem.pattern.operands[v][0] not in repeated), variables[0])


def _copies(problem: Cover) -> set[int]:
    """Lifted edges that are several axes at once: what is on them is a diagonal, so some variable must hold it."""
    lifted = list(problem.lifted.values())
    return {e for e in lifted if lifted.count(e) > 1}


def _tied(problem: Cover, parts: Mapping[int, list[int]], edges: Mapping[int, int]) -> bool:
    """Whether a variable holds both axes wherever an edge is one of the pattern's and lifted too: a diagonal, not ones."""
    for e, f in edges.items():
        holders = (v for v in parts if e in problem.pattern.operands[v][1])
        if f in problem.lifted.values() and not any(
            f in problem.node.operands[k][1] for v in holders for k in parts[v]
        ):
            return False
    return True


def _joined(pattern: Network, edges: Mapping[int, int]) -> bool:
    """Pattern edges that are one edge of the network must be joined through operands that have both."""
    by_image: dict[int, list[int]] = {}
    for e, f in edges.items():
        by_image.setdefault(f, []).append(e)
    for same in by_image.values():
        if len(same) > 1:
            inside = [(0, tuple(e for e in legs if e in same)) for _, legs in pattern.operands]
            parts = connected([o for o in inside if o[1]])
            held = [o for o in inside if o[1]]
            if len(parts) != 1 or {e for _, legs in held for e in legs} != set(same):
                return False
    return True


def _may_be_empty(problem: Cover, variable: int, edges: Mapping[int, int]) -> bool:
    """A vector variable may stand for ones along an edge that no operand touches; a scalar may take the coefficient,
    and where it is all there is, as in c * I[n], be 1."""
    legs = problem.pattern.operands[variable][1]
    if not legs:
        return problem.ratio is not ONE or len(problem.pattern.operands) == 1
    return len(legs) == 1 and all(edges[legs[0]] not in ls for _, ls in problem.node.operands)


def _bind_all(
    problem: Cover, variables: Sequence[int], edges: Mapping[int, int], parts: Mapping[int, list[int]], s: Substitution
) -> Iterator[Substitution]:
    matcher, pattern = problem.matcher, problem.pattern
    ratio = problem.ratio
    absorbing = None
    if ratio is not ONE:
        free = [v for v in variables if _name(matcher, pattern, v) not in s.tensors]
        if not free:
            return
        repeated = matcher.pattern.repeated
        absorbing = min(
            free, key=lambda v: (bool(pattern.operands[v][1]), pattern.operands[v][0] in repeated, bool(parts[v]), v)
        )
    states = [s]
    for v in variables:
        name, dims = _name(matcher, pattern, v), matcher.store.dims[pattern.operands[v][0]]
        pieces = list(_pieces(problem, v, edges, parts[v], ratio if v == absorbing else ONE))
        bound = [matcher.bind(name, dims, ref, lift, state) for state in states for ref, lift in pieces]
        states = [state for state in bound if state is not None]
    yield from states


def _name(matcher: Matcher, pattern: Network, position: int) -> str:
    node = matcher.store.nodes[pattern.operands[position][0]]
    assert isinstance(node, Leaf) and isinstance(node.tensor, Variable)
    return node.tensor.name


def _pieces(
    problem: Cover, variable: int, edges: Mapping[int, int], operands: Sequence[int], coefficient: Poly
) -> Iterator[tuple[Ref, tuple[int, ...]]]:
    """The sub-diagrams that a variable may stand for: its own edges as axes in order, then the lifted edges it touches.

    Where several of its axes are one edge of the pattern, as in `diag(A)`, the legs on that edge are dealt out to them,
    if they are as many; else, as where `-A` is read off a diagonal matrix, the variable is diagonal.
    """
    node = problem.node
    legs = [list(node.operands[k][1]) for k in operands]
    stated = problem.pattern.operands[variable][1]
    own = [edges[e] for e in stated]
    dims = list(node.dims)
    repeated = next((edges[e] for e in stated if stated.count(e) > 1), None)
    slots = [(k, a) for k, ls in enumerate(legs) for a, f in enumerate(ls) if f == repeated]
    choices = [list(slots)]
    if repeated is not None and own.count(repeated) == len(slots) == 2 and repeated not in problem.lifted.values():
        choices.append(slots[::-1])
        dims += [dims[repeated]] * 2
        axes = [a for a, f in enumerate(own) if f == repeated]
        own[axes[0]], own[axes[1]] = len(dims) - 2, len(dims) - 1
        for choice in choices:
            for new, (k, a) in zip((len(dims) - 2, len(dims) - 1), choice, strict=True):
                legs[k][a] = new
            yield _piece(problem, operands, legs, own, dims, coefficient)
        return
    yield _piece(problem, operands, legs, own, dims, coefficient)


def _piece(
    problem: Cover,
    operands: Sequence[int],
    legs: Sequence[Sequence[int]],
    own: Sequence[int],
    dims: Sequence[Poly],
    coefficient: Poly,
) -> tuple[Ref, tuple[int, ...]]:
    used = {e for ls in legs for e in ls}
    lift = [(label, e) for label, e in problem.lifted.items() if e in used]
    inside = used.union(own)
    draft = Draft(coefficient)
    new = draft.edges(d if e in inside else ONE for e, d in enumerate(dims))
    draft.operands = [(problem.node.operands[k][0], [new[e] for e in ls]) for k, ls in zip(operands, legs, strict=True)]
    draft.boundary = [new[e] for e in own] + [new[e] for _, e in lift]
    return problem.matcher.graph.network(draft), tuple(label for label, _ in lift)
