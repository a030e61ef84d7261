"""Laws as they are read: `N(mu, Sigma)`, after `if` and `let` and in `E[x ~ N(mu, Sigma)](y)`."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.notation.reader import Reader
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Value
from tensorgrad.tensor import Law, Tensor, Variable, align

LAWS = {"N": "N(mu, Sigma)", "law": "law(mu, Sigma)", "iid": "iid(0, 1)"}
"""The kinds of laws, each as it is written."""

EXPECTED = "expected a law: N(mu, Sigma), law(mu, Sigma) or iid(0, 1)"


def law_parameters(reader: Reader, law: Syntax) -> list[Syntax]:
    """The two parameters of a law, or an error that says what a law is."""
    named = law.kind == "call" and law.parts[0].kind == "name"
    kind, parameters = law.parts[0].value if named else "", law.parts[1:]
    if kind not in LAWS:
        raise reader.error(law, EXPECTED)
    if len(parameters) != 2:
        raise reader.error(law, f"{kind} has two parameters, as in {LAWS[kind]}, not {len(parameters)}")
    return parameters


def check_law(reader: Reader, kind: str, variable: Variable, parameters: Sequence[Value]) -> None:
    """Raise where a parameter has not the shape that this law of the variable needs."""
    shapes = ((), ()) if kind == "iid" else (variable.dims, variable.dims * 2)
    for value, dims in zip(parameters, shapes, strict=True):
        fits = not value.named and value.order == len(dims)
        if not fits or not all(p.unify(Dim(d)) for p, d in zip(value.dims, dims, strict=True)):
            raise reader.error(
                value.node,
                f"{kind}(...) of {reader.scope.describe(variable.name)} needs a parameter of dims "
                f"{' '.join(map(str, dims)) or 'scalar'} here, found {value.shape()}",
            )


def made_law(
    reader: Reader, kind: str, variable: Variable, values: Sequence[Value], parameters: Sequence[Tensor]
) -> Law:
    """The law of the variable with these parameters, which do not depend on it."""
    for value, parameter in zip(values, parameters, strict=True):
        if parameter.depends_on(variable):
            raise reader.error(value.node, f"the law of {variable.name} cannot depend on {variable.name}")
    pairs = zip(values, parameters, strict=True)
    return Law(kind, tuple(align(t, reader.names(v.edges)) for v, t in pairs))
