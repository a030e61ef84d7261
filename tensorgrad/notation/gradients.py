"""Derivatives and expectations: `grad(y, X[k, l])`, `hess(y, x)`, `E[x](y)`, `E[x ~ N(mu, S)](y)`, `moment(x, k)`."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.notation import structure as st
from tensorgrad.notation.laws import check_law, law_parameters, made_law
from tensorgrad.notation.operators import merge
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.source import listed, near
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Value
from tensorgrad.notation.vocabulary import EXPECTATIONS, FORMS, Plan, count_arguments
from tensorgrad.tensor import Derivative, Expectation, Product, Tensor, Variable, power


def target_of(reader: Reader, node: Syntax, what: str) -> tuple[Variable, list[Syntax] | None]:
    """The variable of grad(y, X) or grad(y, X[k, l]), with its index letters."""
    base, letters = (node.parts[0], node.parts[1:]) if node.kind == "index" else (node, None)
    if base.kind != "name" or base.value not in reader.scope.variables:
        hint = near(base.value, reader.scope.variables) if base.kind == "name" else ""
        raise reader.error(node, f"{what} differentiates by a declared variable, found {reader.show(node)}{hint}")
    variable = reader.scope.variables[base.value]
    if letters is not None and len(letters) != variable.order:
        raise reader.error(
            node,
            f"{variable.name} has order {variable.order} ({reader.scope.describe(variable.name)}), but {len(letters)} "
            f"{'index was' if len(letters) == 1 else 'indices were'} given",
        )
    return variable, letters


def gradient(
    reader: Reader, node: Syntax, y: Value, variable: Variable, letters: list[Syntax] | None, twice: bool = False
) -> Value:
    """grad(y, X) and grad(y, X[k, l]); hess is the gradient of the gradient."""
    if letters is None:
        if y.named and variable.order:
            raise reader.error(
                node,
                f"{reader.show(y.node)} has named edges ({listed(y.names)}), so the axes of {variable.name} need names "
                "too: "
                f"grad(..., {variable.name}[{', '.join('klpqrs'[k % 6] for k in range(variable.order))}])",
            )
        new = [Edge() for _ in variable.edges]
    else:
        if y.order and not y.named:
            raise reader.error(
                node,
                f"{reader.show(y.node)} has positions ({y.shape()}): name its axes, "
                f"or write grad(..., {variable.name})",
            )
        new = _new_edges(reader, y, letters)
    named = y.named or bool(letters)

    def make(t: Sequence[Tensor]) -> Tensor:
        return Derivative(t[0], variable, reader.names(new))

    dims = (*y.dims, *(Dim(d) for d in variable.dims))
    value = Value((*y.edges, *new), dims, named, (y,), make, node)
    if not twice:
        return value
    if letters:
        raise reader.error(node, "hess needs positions; write grad(grad(y, x[i]), x[j])")
    return gradient(reader, node, value, variable, None)


def _new_edges(reader: Reader, y: Value, letters: Sequence[Syntax]) -> list[Edge]:
    names: list[str] = []
    for letter in letters:
        name = reader.letter(letter)
        if name in names:
            raise reader.error(letter, f"the indices of a gradient must differ, but {name} is repeated")
        if name in y.names:
            raise reader.error(letter, f"the index {name} is already free in {reader.show(y.node)}: use another letter")
        names.append(name)
    return [Edge(name) for name in names]


def random_variable(reader: Reader, node: Syntax) -> Variable:
    """The declared variable that a name means."""
    variable = reader.scope.variables.get(node.value) if node.kind == "name" else None
    if variable is None:
        hint = near(node.value, reader.scope.variables) if node.kind == "name" else ""
        raise reader.error(node, f"expected the name of a declared variable, found {reader.show(node)}{hint}")
    return variable


def plan_expectation(
    reader: Reader, node: Syntax, kind: str, items: Sequence[Syntax], arguments: Sequence[Syntax]
) -> Plan:
    """How to read `E[x](y)`, `Var[x](y)`, `Cov[x](y, z)`, each also with the law in the brackets."""
    if len(items) != 1:
        raise reader.error(node, f"{kind} is over one variable, {FORMS[kind]}; nest it for more")
    name, law = items[0].parts if items[0].kind == "law" else (items[0], None)
    variable = random_variable(reader, name)
    count = EXPECTATIONS[kind]
    count_arguments(reader, node, f"{kind}[{variable.name}]", arguments, count)
    parameters = [] if law is None else law_parameters(reader, law)
    stated = "" if law is None else law.parts[0].value
    return [*arguments, *parameters], lambda v: _expectation(reader, node, kind, variable, v[:count], stated, v[count:])


def _expectation(
    reader: Reader, node: Syntax, kind: str, variable: Variable, v: list[Value], stated: str, parameters: list[Value]
) -> Value:
    """`stated` is the kind of a law in the brackets, "" for none."""
    if stated:
        check_law(reader, stated, variable, parameters)
    edges, dims, named = v[0].edges, v[0].dims, v[0].named
    if kind == "Cov":
        if v[0].named or v[1].named:
            edges, dims, named = merge(reader, node, v[0], v[1], "take the covariance of")
        else:
            edges, dims = (*edges, *v[1].edges), (*dims, *v[1].dims)
    elif kind == "Var" and not named:
        edges, dims = (*edges, *(Edge() for _ in edges)), (*dims, *dims)
    declared = reader.laws.get(variable.name)

    def make(t: Sequence[Tensor]) -> Tensor:
        sizes = tuple(d.known() for d in dims)
        law = made_law(reader, stated, variable, parameters, t[len(v) :]) if stated else declared
        args = tuple(t[: len(v)])
        return Expectation.of(kind, args, variable, law, reader.names(edges), sizes)  # type: ignore[arg-type]

    return Value(edges, dims, named, (*v, *parameters), make, node)


def moment(reader: Reader, node: Syntax, variable: Variable, k: Value) -> Value:
    """moment(x, k) is E[x](mean(x ** k)): under an iid law the raw moment of every entry."""
    reader.of_order(k, 0, "the exponent of moment")
    law = reader.laws.get(variable.name)

    def make(t: Sequence[Tensor]) -> Tensor:
        powers = power(variable, t[0])
        scale = st.reciprocal_factors(variable.dims)
        inside = Product((*scale, powers), ()) if variable.order else powers
        return Expectation.of("E", (inside,), variable, law, (), ())

    return Value((), (), False, (k,), make, node)
