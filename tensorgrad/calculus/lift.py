"""A rule's expression with tensors put for its names: the edges that these have more are carried through to the top."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import (
    Apply,
    Delta,
    Expectation,
    Flat,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Variable,
    Zero,
    align,
    broadcast,
    postorder,
    renamed,
    with_children,
)

MORE = "^"
"""What the names of carried edges begin with."""


class NoLiftError(Exception):
    """Internal: the expression has a node that holds for one tensor, not for each of a batch."""


@dataclass(frozen=True)
class Lift:
    """What stands for the names: `values[name]` has the edges of the variable and carried ones (`^...`).

    `applied` says what an unknown function of the rule is at an argument, `averaged` what an expectation in it is;
    without them these are not lifted.
    """

    values: Mapping[str, Tensor]
    sizes: Mapping[str, Poly]
    applied: Callable[[Apply, Tensor], Tensor] | None = None
    averaged: Callable[[Expectation, Sequence[Tensor]], Tensor] | None = None

    def __call__(self, t: Tensor) -> Tensor:
        """`t` with everything put in; its own edges, then carried ones."""
        done: dict[int, Tensor] = {}
        for node in postorder(t):
            done[id(node)] = self._node(node, tuple(done[id(c)] for c in node.children))
        return done[id(t)]

    def _node(self, node: Tensor, children: tuple[Tensor, ...]) -> Tensor:
        match node:
            case Variable():
                return self.values.get(node.name, node)
            case Scalar():
                return Scalar(node.value.substitute(self.sizes))
            case Delta():
                return Delta(node.size.substitute(self.sizes), *node.edges)
            case Zero():
                return Zero(edges={e: d.substitute(self.sizes) for e, d in node.sizes.items()})
            case Product():
                more = [e for c in children for e in c.edges if e.startswith(MORE)]
                return Product(children, tuple(dict.fromkeys((*node.edges, *more))))
            case Sum():
                widest = {e: d for c in children for e, d in c.sizes.items()}
                return Sum(tuple(broadcast(c, widest) for c in children), node.weights)
            case Rename():
                names = dict(zip(node.tensor.edges, node.edges, strict=True))
                return renamed(children[0], tuple(names.get(e, e) for e in children[0].edges))
            case Apply() if not node.function.known and self.applied is not None:
                return self.applied(node, children[0])
            case Apply():
                return Apply(node.function.with_sizes(self._size), children, node.acted, node.produced)
            case Expectation() if self.averaged is not None:
                return self.averaged(node, children)
            case _ if any(c is not old for c, old in zip(children, node.children, strict=True)):
                raise NoLiftError
            case _:
                return with_children(node, children)

    def _size(self, dim: Poly) -> Poly:
        return dim.substitute(self.sizes)


def fused(t: Tensor, parts: Sequence[str], edge: str) -> Tensor:
    """`t` with the edges `parts` fused to one (of size 1 if there are none)."""
    if len(parts) == 1:
        return renamed(t, tuple(edge if e == parts[0] else e for e in t.edges))
    kept = tuple(e for e in t.edges if e not in parts)
    if not parts:
        return Product((t, Delta(ONE, edge)), (*kept, edge))
    inner = {e: f"{e}'" for e in parts}
    table = Flat((edge, *inner.values()), tuple(t.sizes[e] for e in parts))
    return Product((renamed(t, tuple(inner.get(e, e) for e in t.edges)), table), (*kept, edge))


def unfused(t: Tensor, edge: str, parts: Sequence[str], dims: Sequence[Poly]) -> Tensor:
    """`t` with an edge taken apart: the opposite of `fused`."""
    if len(parts) == 1:
        return renamed(t, tuple(parts[0] if e == edge else e for e in t.edges))
    kept = tuple(e for e in t.edges if e != edge)
    inner = renamed(t, tuple(f"{e}'" if e == edge else e for e in t.edges))
    table = Flat((f"{edge}'", *parts), tuple(dims)) if parts else Delta(ONE, f"{edge}'")
    return Product((inner, table), (*kept, *parts))


def joined(t: Tensor, names: Mapping[str, str]) -> Tensor:
    """`t` with edges renamed; edges that get one name become their diagonal."""
    own: list[str] = []
    links: list[Tensor] = []
    for edge, dim in t.sizes.items():
        new = names.get(edge, edge)
        if new in own:
            links.append(Delta(dim, new, f"{new}'{len(links)}"))
            own.append(links[-1].edges[1])
        else:
            own.append(new)
    inner = renamed(t, tuple(own))
    kept = tuple(e for e in own if all(e != link.edges[1] for link in links))
    return Product((inner, *links), kept) if links else inner


def ordered(t: Tensor, edges: Sequence[str], dims: Mapping[str, Poly]) -> Tensor:
    """`t` with exactly these edges, constant along those it lacks."""
    return align(broadcast(t, {e: dims[e] for e in edges}), tuple(edges))
