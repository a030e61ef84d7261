"""Variables replaced by tensors, and sizes by other sizes."""

from __future__ import annotations

from collections.abc import Mapping

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.sizes import Poly
from tensorgrad.tensor.arithmetic import align, renamed
from tensorgrad.tensor.base import Tensor
from tensorgrad.tensor.derivative import Derivative
from tensorgrad.tensor.edges import names_of
from tensorgrad.tensor.expectation import Expectation
from tensorgrad.tensor.nodes import Apply, Delta, Product, Rename, Scalar, Zero
from tensorgrad.tensor.structure import Convolution, Flat, Unit
from tensorgrad.tensor.traversal import postorder, rebuild, walk, with_children
from tensorgrad.tensor.variable import Variable


def substituted(t: Tensor, variable: Variable, value: Tensor) -> Tensor:
    """`t` with a tensor of the same edges and sizes in place of a variable: what `Tensor.substitute` gives."""
    if set(value.edges) != set(variable.edges):
        raise EdgeError(
            f"cannot put a tensor with edges {names_of(value.edges)} for {variable.name}, "
            f"which has {names_of(variable.edges)}; rename first"
        )
    aligned = align(value, variable.edges)
    if aligned.dims != variable.dims:
        raise SizeError(f"cannot put a tensor of sizes {aligned.shape} for {variable.name}, of {variable.shape}")
    names = {variable.name, *(v.name for v in value.variables)}
    if any(isinstance(node, Derivative) and node.variable.name in names for node in walk(t)):
        from tensorgrad.api import expand

        return expand(t).substitute(variable, value)
    for node in walk(t):
        if isinstance(node, Expectation) and node.variable.name in names and node.depends_on(variable):
            raise EdgeError(
                f"cannot substitute {variable.name} inside an expectation over {node.variable.name}, "
                "which is not that of the value; rename that variable"
            )
    return rebuild(t, lambda node: aligned if isinstance(node, Variable) and node.name == variable.name else None)


def resize(t: Tensor, sizes: Mapping[str, Poly], replace: Mapping[str, Tensor] | None = None) -> Tensor:
    """`t` with size symbols replaced everywhere, and variables by tensors of the same edges (of the new sizes)."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        children = tuple(done[id(c)] for c in node.children)
        match node:
            case Variable():
                own = {e: d.substitute(sizes) for e, d in node.sizes.items()}
                given = (replace or {}).get(node.name)
                new = given if given is not None else Variable(node.name, edges=own, facts=node.facts)
            case Delta():
                new = Delta(node.size.substitute(sizes), *node.edges)
            case Scalar():
                new = Scalar(node.value.substitute(sizes))
            case Zero():
                new = Zero(edges={e: d.substitute(sizes) for e, d in node.sizes.items()})
            case Flat():
                new = Flat(node.edges, tuple(d.substitute(sizes) for d in node.parts))
            case Convolution():
                dims = tuple(d.substitute(sizes) for d in node.dims)
                new = Convolution(node.edges, dims, node.steps, node.offset.substitute(sizes))
            case Unit():
                new = Unit(children[0], node.size.substitute(sizes), node.edges)
            case Product():
                new = Product(children, node.edges)
            case Rename():
                new = renamed(align(children[0], node.tensor.edges), node.edges)
            case Apply():
                sized = node.function.with_sizes(lambda d: d.substitute(sizes))
                new = Apply(sized, children, node.acted, node.produced)
            case Expectation():
                moved = with_children(node, children)
                assert isinstance(moved, Expectation)
                dims = tuple(d.substitute(sizes) for d in node.dims)
                new = Expectation.of(node.kind, moved.args, moved.variable, moved.law, node.edges, dims)
            case _:
                new = with_children(node, children)
        done[id(node)] = new
    return done[id(t)]
