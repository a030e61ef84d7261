"""Right sides and conditions of rules, with the names replaced by what the pattern found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tensorgrad.diagram.insertion import insert
from tensorgrad.diagram.nodes import Ref
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.match import Substitution
from tensorgrad.function import Function
from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Product,
    Rename,
    Sum,
    Tensor,
    Variable,
    broadcast,
    postorder,
    renamed,
    with_children,
)


def label_edge(label: int) -> str:
    """The name of a lifted edge."""
    return f"~{label}"


def instantiate(graph: EGraph, t: Tensor, s: Substitution, edges: Sequence[str], lift: Mapping[int, Poly]) -> Ref:
    """The reference of `t` under a substitution: axes `edges`, then the lifted edges in order of `lift`.

    Where `t` does not depend on a lifted edge it is constant along it.
    """
    extras = {name: labels for name, (_, labels) in s.tensors.items() if labels}
    sizes = dict(s.sizes)
    dims: dict[str, Poly] = {}
    for label, size in lift.items():
        dims[label_edge(label)] = size.substitute({x: Poly.symbol("=" + x) for x in size.symbols})
        sizes |= {"=" + x: Poly.symbol(x) for x in size.symbols}
    if s.functions or extras:
        t = _lifted(t, extras, dims, s.functions)
    if lift:
        t = broadcast(t, dims)
    wanted = (*edges, *dims)
    env = {name: ref for name, (ref, _) in s.tensors.items()}
    ref = insert(graph, t, env, sizes)
    axis = {e: a for a, e in enumerate(t.edges)}
    return ref[0], tuple(ref[1][axis[e]] for e in wanted)


def _lifted(
    t: Tensor, extras: Mapping[str, Sequence[int]], dims: Mapping[str, Poly], functions: Mapping[str, Function]
) -> Tensor:
    """`t` with extra edges on the variables of `extras`, carried through every node, and functions replaced."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        done[id(node)] = _lift_node(node, tuple(done[id(c)] for c in node.children), extras, dims, functions)
    return done[id(t)]


def _lift_node(
    node: Tensor,
    children: tuple[Tensor, ...],
    extras: Mapping[str, Sequence[int]],
    dims: Mapping[str, Poly],
    functions: Mapping[str, Function],
) -> Tensor:
    match node:
        case Variable():
            own = [label_edge(label) for label in extras.get(node.name, ())]
            sizes = dict(zip(node.edges, node.dims, strict=True)) | {e: dims[e] for e in own}
            return Variable(node.name, edges=sizes, facts=node.facts) if own else node
        case Product():
            more = [e for c in children for e in c.edges if e.startswith("~")]
            return Product(children, tuple(dict.fromkeys((*node.edges, *more))))
        case Sum():
            widest = {e: d for c in children for e, d in c.sizes.items()}
            return Sum(tuple(broadcast(c, widest) for c in children), node.weights)
        case Rename():
            names = dict(zip(node.tensor.edges, node.edges, strict=True))
            return renamed(children[0], tuple(names.get(e, e) for e in children[0].edges))
        case Apply():
            function = functions.get(node.function.name)
            if function is not None:
                for argument in node.function.by:
                    function = function.differentiate(argument)
            return Apply(function or node.function, children, node.acted, node.produced)
        case _:
            return with_children(node, children)
