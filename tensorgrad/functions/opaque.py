"""Unknown functions, of any number of arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorgrad.errors import EdgeError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.functions.edges import chosen
from tensorgrad.sizes import SizeLike, size
from tensorgrad.tensor import Apply, Tensor, tensor


def function(name: str, produces: Mapping[str, SizeLike], *arguments: tuple[Any, ...] | Tensor) -> Tensor:
    """An opaque smooth function: `function("f", {"out": k}, (t, "in"))` acts on t's edge `in` and has an edge `out`.

    Edges of the arguments that it does not act on are batch edges, aligned by name. Its derivatives, in every argument
    and to any order, are opaque functions again; mixed ones do not depend on their order.

    >>> from tensorgrad import Variable
    >>> function("f", {"out": "k"}, (Variable("x", b="b", i="n"), "i"), (Variable("t", "b"),)).shape
    {'b': b, 'out': k}
    """
    if not name.isidentifier() or name in FUNCTIONS:
        raise EdgeError(f"{name!r} cannot name an unknown function: {_taken(name)}")
    if not arguments:
        raise EdgeError(f"{name} needs an argument: function({name!r}, {{}}, (x, 'i'))")
    args = [tensor(a[0]) if isinstance(a, tuple) else tensor(a) for a in arguments]
    acted = [
        tuple((e,) for e in chosen(arg, a[1:])) if isinstance(a, tuple) else ()
        for arg, a in zip(args, arguments, strict=True)
    ]
    made = Function(
        name, tuple(len(groups) for groups in acted), tuple(size(dim) for dim in produces.values()), known=False
    )
    return Apply(made, args, acted, tuple((edge,) for edge in produces))


def _taken(name: str) -> str:
    return "it is a function of the library" if name in FUNCTIONS else "use a Python identifier"
