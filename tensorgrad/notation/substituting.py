"""Substitution: `at(y, t, s)` is y with s in place of the variable t, derivatives inside y taken first."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.notation.gradients import random_variable
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.source import listed
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Value
from tensorgrad.notation.vocabulary import Plan, count_arguments
from tensorgrad.tensor import Expectation, Tensor, Variable, align, renamed, walk


def plan_at(reader: Reader, node: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """How to read `at(y, t, s)`."""
    count_arguments(reader, node, "at", arguments, 3)
    y, target, s = arguments
    variable = random_variable(reader, target)
    if variable.facts:
        raise reader.error(
            target,
            f"at puts values of any kind in place of {variable.name}, which is declared as "
            f"{reader.scope.describe(variable.name)}: declare it without facts",
        )
    return (y, s), lambda v: _at(reader, node, variable, v[0], v[1])


def _at(reader: Reader, node: Syntax, variable: Variable, y: Value, s: Value) -> Value:
    reader.positional(s, "at")
    fits = s.order == variable.order and all(d.unify(Dim(e)) for d, e in zip(s.dims, variable.dims, strict=True))
    if not fits:
        example = f"zeros[{', '.join(map(str, variable.dims))}]" if variable.order else "0"
        raise reader.error(
            s.node,
            f"at puts a tensor of the same shape in place of {variable.name} ({reader.scope.describe(variable.name)}), "
            f"but {reader.show(s.node)} is {s.shape() if s.order else 'a scalar'}; zero is {example}"
            f"{reader.bindings(s.node)}",
        )

    def make(t: Sequence[Tensor]) -> Tensor:
        value = renamed(align(t[1], reader.names(s.edges)), variable.edges)
        _not_bound(reader, node, t[0], variable, value)
        return t[0].substitute(variable, value)

    return Value(y.edges, y.dims, y.named, (y, s), make, node)


def _not_bound(reader: Reader, node: Syntax, y: Tensor, variable: Variable, value: Tensor) -> None:
    """Raise where y averages over the variable or one of the value, or over a law that mentions the variable."""
    means = [part for part in walk(y) if isinstance(part, Expectation)]
    bound = sorted({part.variable.name for part in means} & {variable.name, *(v.name for v in value.variables)})
    if bound:
        raise reader.error(
            node,
            f"at cannot reach into an expectation over {listed(bound)}, which the variable or the value of at names "
            "too: give the expectation a variable of its own",
        )
    for part in means:
        if part.law is not None and any(p.depends_on(variable) for p in part.law.parameters):
            # The result would be read with the law as it is stated, for a text has no other place for laws.
            raise reader.error(
                node,
                f"at cannot change the law of {part.variable.name}, which mentions {variable.name}: "
                "state the law that is meant after `if`",
            )
