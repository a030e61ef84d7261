"""What a goal states before the search: facts of its variables, its conditions, and that its sides have a value."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.diagram import First, Network, Ref, insert
from tensorgrad.egraph.equations import Equations
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.partial import DEFINED, Assumption, Said, assumptions, consequences
from tensorgrad.errors import FactError
from tensorgrad.notation import Condition
from tensorgrad.rule import Rule, RuleSet
from tensorgrad.sizes import ONE
from tensorgrad.tensor import Apply, Derivative, Expectation, Fact, Scalar, Sum, Tensor, Unit, Variable, walk

_NO_DIAGRAM = (Apply, Derivative, Expectation, Sum)


def expressions(conditions: Sequence[Condition]) -> list[Tensor]:
    """All expressions of conditions."""
    return [t for c in conditions for t in (c.tensor, c.right) if t is not None]


def state(
    graph: EGraph,
    first: First,
    sides: Sequence[Tensor],
    conditions: Sequence[Condition],
    rules: RuleSet,
    others: Sequence[Tensor] = (),
) -> tuple[tuple[Assumption, ...], Equations]:
    """State the facts of the variables, the conditions, and what makes the sides' partial functions defined.

    In the order that `first` says. Of `others` the variables are stated, but not that they are defined.
    """
    equations = Equations(graph)
    for t in sorted((*sides, *others, *expressions(conditions)), key=first):
        for variable in sorted(t.variables, key=first):
            ref = insert(graph, variable)
            for fact in variable.facts:
                _assert(graph, ref, fact, variable)
        for node in walk(t):
            if isinstance(node, Unit) and isinstance(node.index, Scalar) and node.index.value.is_constant:
                graph.assert_fact(insert(graph, node), "onehot", Said(node, "what it is"))
    for condition in conditions:
        if condition.kind == "fact" and condition.fact is not None:
            _assert(graph, insert(graph, condition.tensor), condition.fact, condition.tensor)
            _spell_out(graph, equations, rules, condition.tensor, condition.fact, str(condition))
        elif condition.kind == "equation" and condition.right is not None:
            second = aligned(insert(graph, condition.right), condition.tensor, condition.right)
            equations.state(insert(graph, condition.tensor), second, str(condition))
    assumed = assumptions(sides)
    for assumption in (*assumed, *consequences(assumed)):
        if assumption.fact.name != DEFINED:
            said = Said(assumption.tensor, "needed for the expression to have a value")
            graph.assert_fact(insert(graph, assumption.tensor), assumption.fact.name, said)
    graph.rebuild()
    _odd_skew(graph)
    return assumed, equations


def _odd_skew(graph: EGraph) -> None:
    """FactError for a skew matrix of odd size that is said to be invertible."""
    for ref, fact, said in graph.sayings:
        size = said.tensor.dims[0] if fact in ("invertible", "orthogonal") else ONE
        if size.is_constant and size.number % 2 and size is not ONE and graph.has_fact(ref, "skew"):
            raise FactError(
                f"{fact}({said.tensor}) is {said.origin}, but that is skew of odd size {size}, so singular: "
                "nothing satisfies it"
            )


def _assert(graph: EGraph, ref: Ref, fact: Fact, t: Tensor) -> None:
    if fact.axes or t.order > 2:
        graph.assert_exchange(ref, fact)
    if not fact.axes:
        graph.assert_fact(ref, fact.name, Said(t, "stated"))


def _spell_out(graph: EGraph, equations: Equations, rules: RuleSet, t: Tensor, fact: Fact, text: str) -> None:
    """What a fact of a product says inside larger products, where no part is the product: exchanges of its axes, and
    the rules that speak of diagrams of such a tensor alone (`Q.T @ Q => I[n] if orthogonal(Q)`)."""
    ref = graph.resolve(insert(graph, t))
    node = graph.nodes[ref[0]]
    if not isinstance(node, Network) or len(node.operands) < 2:
        return
    equations.state_exchange(ref, fact, text)
    turns = [ref, (ref[0], ref[1][::-1])] if t.order == 2 else [ref]
    for rule in filter(_is_of_one_name, rules):
        ((needed, v),) = rule.facts
        for turned in turns:
            if needed == fact and v.order == t.order and graph.has_fact(turned, fact.name):
                _state_rule(graph, equations, rule, turned, text)


def _is_of_one_name(rule: Rule) -> bool:
    """Whether a rule is an equation about a diagram of one name and a fact of it."""
    if rule.right is None or len(rule.facts) != 1 or any(isinstance(node, _NO_DIAGRAM) for node in walk(rule.left)):
        return False
    _, t = rule.facts[0]
    return isinstance(t, Variable) and rule.left.variables == (t,)


def _state_rule(graph: EGraph, equations: Equations, rule: Rule, ref: Ref, text: str) -> None:
    """State a rule of one name with the reference for it, where the sizes fit."""
    assert rule.right is not None
    (v,) = rule.left.variables
    sizes = {d.symbol_name: own for d, own in zip(v.dims, graph.ref_dims(ref), strict=True) if d.symbol_name}
    if all(d.substitute(sizes) is own for d, own in zip(v.dims, graph.ref_dims(ref), strict=True)):
        left, right = (insert(graph, side, {v.name: ref}, sizes) for side in (rule.left, rule.right))
        equations.state_way(left, aligned(right, rule.left, rule.right), text)


def aligned(ref: Ref, left: Tensor, right: Tensor) -> Ref:
    """A reference of `right` with its axes in the order of `left`."""
    axis = dict(zip(right.edges, ref[1], strict=True))
    return ref[0], tuple(axis[e] for e in left.edges)
