"""The derivative of a tensor by a variable, as an expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.errors import EdgeError
from tensorgrad.tensor.base import Tensor
from tensorgrad.tensor.edges import check_distinct, names_of
from tensorgrad.tensor.variable import Variable


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Derivative(Tensor):
    """The derivative of `tensor` with respect to the entries of `variable`: its edges, then the variable's, renamed.

    The entries are independent whatever the variable's facts. New names: the variable's, primed with `_` until free.

    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> Derivative(A @ x, x).edges
    ('i', 'j')
    >>> print(Derivative(A @ x, x).simplify())
    A
    """

    tensor: Tensor
    variable: Variable
    names: tuple[str, ...]

    def __init__(
        self, tensor_: Tensor, variable: Variable, new_names: Mapping[str, str] | Sequence[str] | None = None
    ) -> None:
        if not isinstance(variable, Variable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EdgeError("differentiate with respect to a Variable; substitute one for the expression first")
        if isinstance(new_names, Mapping):
            for edge in new_names:
                if edge not in variable.edges:
                    raise EdgeError(f"{variable.name} has no edge {edge!r} to name, it has {names_of(variable.edges)}")
            new_names = [new_names.get(e, e) for e in variable.edges]
        names: list[str] = list(new_names) if new_names is not None else []
        if new_names is None:
            taken = set(tensor_.edges)
            for edge in variable.edges:
                while edge in taken:
                    edge += "_"
                taken.add(edge)
                names.append(edge)
        if len(names) != len(variable.edges):
            raise EdgeError(f"{variable.name} has {len(variable.edges)} edges, {len(names)} new names were given")
        object.__setattr__(self, "tensor", tensor_)
        object.__setattr__(self, "variable", variable)
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "edges", (*tensor_.edges, *names))
        object.__setattr__(self, "dims", (*tensor_.dims, *variable.dims))
        check_distinct(self.edges, "a derivative")

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (self.tensor, self.variable)
