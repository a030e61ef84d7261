"""Conditions of claims: facts of expressions, equations, and laws of random variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tensorgrad.errors import FactError, NotationError, Place
from tensorgrad.notation.facts import FACTS, check_fact, parse_axes
from tensorgrad.notation.goal import Goal, sizes_said
from tensorgrad.notation.laws import EXPECTED, check_law, law_parameters, made_law
from tensorgrad.notation.scope import Scope
from tensorgrad.notation.source import Source, near
from tensorgrad.notation.syntax import Token, check_brackets, read_expression, tokens
from tensorgrad.tensor import Expectation, Fact, Law, Tensor, Variable, walk


@dataclass(frozen=True, eq=False)
class Condition:
    """One item after `if`: a fact `invertible(A @ B)`, an equation, or the law of a variable `x ~ N(mu, Sigma)`."""

    kind: Literal["fact", "equation", "law"]
    tensor: Tensor
    fact: Fact | None
    right: Tensor | None
    law: Law | None
    place: Place

    def __str__(self) -> str:
        if self.law is not None:
            from tensorgrad.notation.printer import to_positional

            return f"{self.tensor} ~ {self.law.kind}({', '.join(map(to_positional, self.law.parameters))})"
        if self.fact is not None:
            return f"{self.fact}({self.tensor})"
        return f"{self.tensor} = {self.right}"


def parse_conditions(text: str, scope: Scope) -> tuple[Condition, ...]:
    """Read facts, equations and laws, separated by commas: `invertible(A), x ~ N(mu, Sigma)`."""
    source = Source(text)
    spans = split_commas(tokens(source), 0, len(text), source)
    return tuple(c for span in spans for c in read_condition(source, span, scope))


def split_commas(found: Sequence[Token], start: int, end: int, source: Source) -> list[Span]:
    """The spans between the commas that stand outside all brackets."""
    check_brackets(source, found)
    spans: list[Span] = []
    depth = 0
    for token in found:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "," and depth == 0:
            spans.append(Span(start, token.start))
            start = token.end
    spans.append(Span(start, end))
    for span in spans:
        if found and not source.text[span.start : span.end].strip():
            raise source.error(
                "expected a fact, an equation or a law, as in invertible(A)", min(span.start, max(0, end - 1))
            )
    return spans


def read_condition(source: Source, span: Span, scope: Scope) -> list[Condition]:
    """One condition; a law with a covariance given by name says that it is pd, too."""
    found = tokens(source, span.start, span.end)
    if not found:
        raise source.error("expected a fact, an equation or a law, as in invertible(A)", max(0, span.start - 1))
    place = source.place(found[0].start, found[-1].end)
    equation = next((t for t in _outer(found) if t.text == "="), None)
    if len(found) > 1 and found[1].text == "~":
        return _law(source, found, scope, place)
    if equation is not None:
        return [_equation(source, span, equation, scope, place)]
    axes, argument = _axes_of(source, found)
    inside = _fact_argument(source, argument)
    shown = " ".join(source.text[inside.start : inside.end].split())
    try:
        fact = Fact(found[0].text, parse_axes(axes, found[0].text, shown) if axes else ())
        goal = Goal(source, scope)
        value = goal.read(inside.start, inside.end)
        goal.solve()
        tensor = goal.tensor(value)
        check_fact(fact, tensor.dims, shown)
    except FactError as error:
        raise NotationError(str(error), place) from None
    return [Condition("fact", tensor, fact, None, None, place)]


def _equation(source: Source, span: Span, relation: Token, scope: Scope, place: Place) -> Condition:
    goal = Goal(source, scope)
    left = goal.read(span.start, relation.start, "left side")
    right = goal.read(relation.end, span.end, "right side")
    goal.agree(left, right)
    goal.solve()
    sides = goal.tensor(left), goal.tensor(right)
    if not any(side.variables for side in sides):
        raise NotationError("an equation is of declared tensors, and this has none; sizes get values by dims", place)
    return Condition("equation", sides[0], None, sides[1], None, place)


def _axes_of(source: Source, found: list[Token]) -> tuple[str, list[Token]]:
    """The axes in `symmetric(0 2, 1 3)(C)`, or nothing, and the tokens without them."""
    if len(found) < 4 or found[1].text != "(" or found[2].kind != "number":
        return "", found
    closing = next((k for k, token in enumerate(found) if token.text == ")"), len(found))
    if [token.text for token in found[closing + 1 : closing + 2]] != ["("]:
        return "", found
    return source.text[found[1].end : found[closing].start], [found[0], *found[closing + 1 :]]


def _fact_argument(source: Source, found: Sequence[Token]) -> Span:
    """The text inside `invertible(...)`; what stands instead of a fact is named."""
    head, last = found[0], found[-1]
    wanted = "expected a fact such as invertible(A), an equation or a law x ~ N(mu, Sigma)"
    opens = len(found) > 1 and found[1].text == "("
    if head.text == "if":
        raise source.error("leave out if here: the facts alone stand after it", head.start, head.end)
    foreign = next((t for t in _outer(found) if t.text in ("==", "=>", "!=", "<=", ">=")), None)
    if foreign is not None:
        sign = foreign.text in ("<=", ">=")
        remedy = "a sign is the fact nonnegative(x) or positive(x)" if sign else "an equation is written with ="
        raise source.error(f"{wanted}; {remedy}", foreign.start, foreign.end)
    if head.text not in FACTS:
        hint = near(head.text, FACTS) if head.kind == "name" and opens else ""
        raise source.error(wanted + hint, head.start, last.end)
    if not opens or found[2].text == ")":
        raise source.error(f"{head.text} is stated of an expression: write {head.text}(A)", head.start, last.end)
    if found[2].kind == "number" and head.text in ("symmetric", "antisymmetric"):
        shown = source.text[head.start : last.end]
        raise source.error(f"{shown} is stated of an expression: write {shown}(A)", head.start, last.end)
    depth = 0
    for k, token in enumerate(found[1:], 1):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if not depth:
            if token is not last:
                after = found[k + 1]
                raise source.error("facts, equations and laws are separated by commas", after.start, after.end)
            break
    return Span(found[1].end, last.start)


def _outer(found: Sequence[Token]) -> Iterator[Token]:
    depth = 0
    for token in found:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth == 0:
            yield token


def _law(source: Source, found: Sequence[Token], scope: Scope, place: Place) -> list[Condition]:
    """`x ~ N(mu, Sigma)`; a covariance given by a bare name is positive definite."""
    name, kind = found[0], found[2] if len(found) > 2 else found[1]
    variable = scope.variables.get(name.text)
    if variable is None:
        raise source.error(
            f"unknown name {name.text}{near(name.text, scope.variables)}: a law is of a declared variable",
            name.start,
            name.end,
        )
    if len(found) < 3:
        raise source.error(EXPECTED, kind.start, found[-1].end)
    goal = Goal(source, scope)
    law = read_expression(source, kind.start, found[-1].end, "law")
    goal.reader.symbols |= sizes_said(law, scope)
    values = [goal.reader.read(parameter) for parameter in law_parameters(goal.reader, law)]
    check_law(goal.reader, kind.text, variable, values)
    goal.solve()
    parameters = [goal.tensor(value) for value in values]
    made = made_law(goal.reader, kind.text, variable, values, parameters)
    conditions = [Condition("law", variable, None, None, made, place)]
    covariance = parameters[1]
    if kind.text != "iid" and isinstance(covariance, Variable) and covariance.order and not covariance.has("pd"):
        conditions.append(Condition("fact", covariance, Fact("pd"), None, None, place))
    return conditions


def laws_let(scope: Scope, tensors: Iterable[Tensor], conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """The laws that `let` gives the variables of the expectations in `tensors`, but for those with a law after `if`."""
    own = laws_of(conditions)
    over = {node.variable.name for t in tensors for node in walk(t) if isinstance(node, Expectation)}
    return tuple(c for name, stated in scope.laws.items() if name in over and name not in own for c in stated)


def laws_of(conditions: Sequence[Condition]) -> Mapping[str, Law]:
    """The laws among conditions, by the name of their variable; NotationError for a second law of one variable."""
    found: dict[str, Law] = {}
    for condition in conditions:
        if condition.law is not None and isinstance(condition.tensor, Variable):
            name = condition.tensor.name
            if name in found:
                raise NotationError(f"a second law of {name}: a random variable has one", condition.place)
            found[name] = condition.law
    return found


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text."""

    start: int
    end: int
