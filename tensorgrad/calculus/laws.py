"""What a law says: mean, covariance, independent entries; what depends on a random variable; Var and Cov by definition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tensorgrad.calculus.covariance import bare, places_in, require_covariance
from tensorgrad.errors import FactError
from tensorgrad.tensor import (
    Expectation,
    Fact,
    Product,
    Tensor,
    Variable,
    add,
    postorder,
    rebuild,
    renamed,
    walk,
    with_children,
)

if TYPE_CHECKING:
    from tensorgrad.notation import Condition

_EXCHANGING = ("symmetric", "pd", "psd", "diagonal")


def free_names(t: Tensor) -> frozenset[str]:
    """Names of the variables that `t` depends on: an expectation binds its own in its argument."""
    done: dict[int, frozenset[str]] = {}
    for node in postorder(t):
        if isinstance(node, Variable):
            done[id(node)] = frozenset([node.name])
        elif isinstance(node, Expectation):
            inside = frozenset[str]().union(*(done[id(a)] for a in node.args)) - {node.variable.name}
            law = node.law.parameters if node.law else ()
            done[id(node)] = inside.union(*(done[id(p)] for p in law))
        else:
            done[id(node)] = frozenset[str]().union(*(done[id(c)] for c in node.children))
    return done[id(t)]


def outermost(t: Tensor) -> list[Expectation]:
    """The expectations of `t` that stand in no other one, each once, in order."""
    return [node for node in walk(t, above=Expectation) if isinstance(node, Expectation)]


def exchange(covariance: Tensor, name: Variable, order: int) -> Fact:
    """The symmetry of a variable that is the covariance of a tensor of this order: its two halves may be exchanged."""
    if order == 1:
        return Fact("symmetric")
    places = places_in(covariance, name)
    return Fact("symmetric", tuple((places[a], places[order + a]) for a in range(order)))


def with_exchange(t: Tensor, conditions: Sequence[Condition] = ()) -> Tensor:
    """`t` with the exchange symmetry stated of every variable that is the covariance of a law in `t` or `conditions`.

    Raises FactError for a law that contains its own random variable, and for a covariance that is not symmetric.
    """
    laws = [(n.variable, n.law) for n in postorder(t) if isinstance(n, Expectation) and n.law]
    laws += [(c.tensor, c.law) for c in conditions if c.law is not None and isinstance(c.tensor, Variable)]
    found: dict[str, Fact] = {}
    for variable, law in laws:
        if any(variable.name in free_names(p) for p in law.parameters):
            raise FactError(f"the law of {variable.name} contains {variable.name} itself")
        require_covariance(variable, law, conditions)
        covariance = bare(law.parameters[1])
        if law.kind == "iid" or covariance is None or not covariance.order:
            continue
        if not any(f.name in _EXCHANGING for f in covariance.facts):
            found[covariance.name] = exchange(law.parameters[1], covariance, variable.order)
    if not found:
        return t

    def stated(node: Tensor) -> Tensor | None:
        if isinstance(node, Variable) and node.name in found:
            return Variable(node.name, edges=node.sizes, facts=(*node.facts, found[node.name]))
        return None

    return rebuild(t, stated)


def by_definition(t: Tensor) -> Tensor:
    """`t` with Cov[x](y, z) written as E[x](y z) - E[x](y) E[x](z), and Var[x](y) as Cov[x](y, y)."""
    if not any(isinstance(n, Expectation) and n.kind != "E" for n in postorder(t)):
        return t
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        new = with_children(node, tuple(done[id(c)] for c in node.children))
        done[id(node)] = _covariance(new) if isinstance(new, Expectation) and new.kind != "E" else new
    return done[id(t)]


def _covariance(node: Expectation) -> Tensor:
    first = node.args[0]
    second = node.args[-1]
    if node.kind == "Var" and len(node.edges) == 2 * first.order and first.order:
        copies = dict(zip(node.edges[: first.order], node.edges[first.order :], strict=True))
        second = renamed(first, tuple(copies[e] for e in first.edges))
    both = expected(node, Product((first, second), node.edges))
    means = Product((expected(node, first), expected(node, second)), node.edges)
    return add([both, means], [1, -1])  # type: ignore[list-item]


def expected(node: Expectation, t: Tensor) -> Expectation:
    """E of `t` over the variable and law of `node`."""
    return Expectation.of("E", (t,), node.variable, node.law, t.edges, t.dims)
