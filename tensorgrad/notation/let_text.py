"""The `let` text of a tensor: its variables, its unknown functions, and the laws of its random variables."""

from __future__ import annotations

from tensorgrad.notation.printer import declared_laws
from tensorgrad.notation.scope import declaration, function_declaration
from tensorgrad.tensor import Apply, Tensor, Variable, walk
from tensorgrad.tensor.edges import volume_of


def declarations(t: Tensor) -> str:
    """The `let` text of a tensor: variables and unknown functions in order of first occurrence, then laws.

    >>> from tensorgrad import Variable
    >>> declarations(Variable("A", i="n", j="m", facts="positive") @ Variable("x", j="m"))
    'A : n m positive ; x : m'
    """
    found: dict[str, str] = {}
    for node in walk(t):
        if isinstance(node, Variable):
            found.setdefault(node.name, declaration(node))
        elif isinstance(node, Apply) and not node.function.known:
            arguments = tuple(
                tuple(volume_of(argument.sizes[e] for e in group) for group in groups)
                for argument, groups in zip(node.args, node.acted, strict=True)
            )
            text = function_declaration(node.function.name, arguments, node.function.own_dims)
            found.setdefault(node.function.name, text)
    return " ; ".join([*found.values(), *declared_laws(t)])
