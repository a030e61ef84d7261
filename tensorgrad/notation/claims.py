"""Goals, rules and files of them: `name [source] lhs = rhs if facts`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tensorgrad.errors import FactError, NotationError, Place, TensorgradError
from tensorgrad.notation.facts import FACTS, check_fact
from tensorgrad.notation.goal import Goal
from tensorgrad.notation.scope import Scope, parse_scope, read_scope
from tensorgrad.notation.source import Source, near
from tensorgrad.notation.syntax import Token, tokens
from tensorgrad.tensor import Fact, Law, Tensor, Variable

Relation = Literal["=", "=>", "!=", "fact"]
_LAWS = {"N": 2, "law": 2, "iid": 2}
_HEAD = re.compile(r"(?P<name>[^\W\d][\w.'-]*)(?:[ \t]+\[(?P<source>[^\]\n]*)\])?(?=\s|$)")


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
            return f"{self.tensor} ~ {self.law.kind}({', '.join(map(str, self.law.parameters))})"
        if self.fact is not None:
            return f"{self.fact}({self.tensor})"
        return f"{self.tensor} = {self.right}"


@dataclass(frozen=True, eq=False)
class Claim:
    """A line of a rule or theorem file, or a goal of the command line.

    `relation` is "fact" for a rule whose conclusion is a fact: then `concludes` is that condition and `left` its tensor.
    """

    name: str
    source: str
    relation: Relation
    left: Tensor
    right: Tensor | None
    concludes: Condition | None
    conditions: tuple[Condition, ...]
    scope: Scope
    place: Place
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class BadLine:
    """A line of a file that is no claim: the error, and the line's name if it could be read."""

    error: TensorgradError
    name: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Parts:
    """The spans of a claim: left side, relation, right side, and the items after `if`."""

    left: _Span
    relation: Relation
    right: _Span | None
    conditions: tuple[_Span, ...]


def parse(text: str, let: str = "", if_: str = "", *, scope: Scope | None = None) -> Tensor:
    """Read an expression. Free edges of an expression by position are named `i0`, `i1`, ...

    Args: the expression; its declarations; laws of the random variables in it; `scope` in place of `let`.
    Raises NotationError, which shows the place.

    >>> parse("A @ x", let="A : n m ; x : m").edges
    ('i0',)
    """
    scope = scope if scope is not None else parse_scope(let)
    conditions = parse_conditions(if_, scope) if if_.strip() else ()
    source = Source(text)
    found = tokens(source)
    for token in found:
        if token.text in ("=", "=>", "!="):
            raise source.error("this is a claim, not an expression: prove it, or give one side", token.start, token.end)
    goal = Goal(source, scope, _laws(conditions))
    value = goal.read(0, len(text))
    goal.solve()
    return goal.tensor(value)


def parse_claim(text: str, let: str | Scope = "", if_: str = "") -> Claim:
    """Read a goal `lhs = rhs if facts`; `if_` adds conditions.

    Raises NotationError, which shows the place; both sides must have the same edges and sizes.
    """
    scope = parse_scope(let) if isinstance(let, str) else let
    source = Source(text)
    more = parse_conditions(if_, scope) if if_.strip() else ()
    claim = _claim(source, _Span(0, len(text)), scope, "", "", source.place(0), more)
    if if_.strip():
        joined = f"{claim.text}, {if_.strip()}" if _split(source, _Span(0, len(text))).conditions else f"{text} if {if_.strip()}"
        claim = replace(claim, text=" ".join(joined.split()))
    return claim


def parse_conditions(text: str, scope: Scope) -> tuple[Condition, ...]:
    """Read facts, equations and laws, separated by commas: `invertible(A), x ~ N(mu, Sigma)`."""
    source = Source(text)
    spans = _commas(tokens(source), 0, len(text), source)
    return tuple(c for span in spans for c in _condition(source, span, scope))


def parse_file(path: str | Path, filename: str | None = None) -> list[Claim | BadLine]:
    """Read a file of rules or theorems, or with `filename` given the text itself. A bad line does not stop the rest.

    Raises OSError for an unreadable path; a file that is not UTF-8 text is one BadLine.
    """
    if filename is not None:
        text, name = str(path), filename
    else:
        name = str(path)
        try:
            text = Path(path).read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            place = Place(f"byte {error.start}", 0, 1, name, 1)
            return [BadLine(NotationError("this file is not UTF-8 text", place), None, place)]
    return list(_lines(Source(text, name)))


def _lines(source: Source) -> Iterator[Claim | BadLine]:
    scope = Scope()
    names: dict[str, Place] = {}
    found = False
    for span in _logical_lines(source):
        found = True
        place = source.place(span.start, span.end)
        name: str | None = None
        try:
            if re.match(r"let\b", source.text[span.start : span.end]):
                scope = read_scope(source, span.start + 3, span.end, scope)
                continue
            head = _head(source, span)
            name = head.group("name")
            if name in names:
                raise NotationError(f"the name {name} is used twice, first in line {names[name].line}: choose another", place)
            names[name] = place
            body = _Span(head.end(), span.end)
            yield _claim(source, body, scope, name, head.group("source") or "", place, ())
        except TensorgradError as error:
            yield BadLine(error, name, getattr(error, "place", None) or place)
    if not found:
        place = source.place(0)
        yield BadLine(NotationError("the file has no declarations and no claims", place), None, place)


def _logical_lines(source: Source) -> Iterator[_Span]:
    """Spans of lines with their continuations; blank lines and comment lines are skipped."""
    start, end, at = -1, 0, 0
    for line in source.text.splitlines(keepends=True):
        blank = not line.strip() or line.lstrip().startswith("#")
        if not blank and (not line[0].isspace() or start < 0):
            if start >= 0:
                yield _Span(start, end)
            start = at
        if not blank:
            end = at + len(line.rstrip())
        at += len(line)
    if start >= 0:
        yield _Span(start, end)


def _head(source: Source, span: _Span) -> re.Match[str]:
    match = _HEAD.match(source.text, span.start, span.end)
    after = source.text[match.end() : span.end].lstrip() if match else ""
    operator = r"[=@*/+.:~!,]|-\s" if match is None or match.group("source") is None else r"[=@*/.:~!,]"
    if match is None or not after or re.match(operator, after):
        raise source.error(
            "a line starts with its name, then [source], then the claim: det-product [mc:18] det(A @ B) = det(A) * det(B)",
            span.start,
            span.end,
        )
    return match


def _split(source: Source, span: _Span) -> _Parts:
    """Cut a claim at its relation and at `if`, outside all brackets."""
    found = tokens(source, span.start, span.end)
    depth, relation, condition = 0, None, None
    for token in found:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if depth > 0:
            continue
        if token.kind == "name" and token.text == "if":
            if condition is None:
                condition = token
            else:
                raise source.error("a second `if`: separate the facts with commas", token.start, token.end)
        elif token.kind == "op" and token.text in ("=", "=>", "!=") and condition is None:
            if relation is not None:
                raise source.error("a second relation: a claim has one =, => or !=", token.start, token.end)
            relation = token
    end = condition.start if condition else span.end
    right = _Span(relation.end, end) if relation else None
    left = _Span(span.start, relation.start if relation else end)
    items = _commas([t for t in found if condition and t.start >= condition.end], condition.end if condition else 0, span.end, source)
    kind: Relation = "fact" if relation is None else relation.text  # type: ignore[assignment]
    return _Parts(left, kind, right, tuple(items) if condition else ())


def _commas(found: Sequence[Token], start: int, end: int, source: Source) -> list[_Span]:
    spans: list[_Span] = []
    depth = 0
    for token in found:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == "," and depth == 0:
            spans.append(_Span(start, token.start))
            start = token.end
    spans.append(_Span(start, end))
    for span in spans:
        if found and not source.text[span.start : span.end].strip():
            raise source.error("expected a fact, an equation or a law, as in invertible(A)", min(span.start, max(0, end - 1)))
    return spans


def _claim(
    source: Source, span: _Span, scope: Scope, name: str, origin: str, place: Place, more: tuple[Condition, ...]
) -> Claim:
    parts = _split(source, span)
    conditions = more + tuple(c for item in parts.conditions for c in _condition(source, item, scope))
    text = " ".join(re.sub(r"#[^\n]*", "", source.text[span.start : span.end]).split())
    if parts.right is None:
        concludes = _conclusion(source, parts.left, scope)
        return Claim(name, origin, "fact", concludes.tensor, None, concludes, conditions, scope, place, text)
    goal = Goal(source, scope, _laws(conditions))
    left = goal.read(parts.left.start, parts.left.end, "left side")
    right = goal.read(parts.right.start, parts.right.end, "right side")
    goal.agree(left, right)
    goal.solve()
    return Claim(
        name, origin, parts.relation, goal.tensor(left), goal.tensor(right), None, conditions, scope, place, text
    )


def _laws(conditions: Sequence[Condition]) -> Mapping[str, Law]:
    return {c.tensor.name: c.law for c in conditions if c.law is not None and isinstance(c.tensor, Variable)}


def _conclusion(source: Source, span: _Span, scope: Scope) -> Condition:
    found = tokens(source, span.start, span.end)
    if not found:
        raise source.error("the claim is empty", span.start)
    if len(found) > 2 and found[0].text in FACTS and found[1].text == "(":
        return _condition(source, span, scope)[0]
    raise source.error("a claim needs =, => or != between its two sides, or is a fact, as in symmetric(A @ A.T)", found[-1].end - 1)


def _condition(source: Source, span: _Span, scope: Scope) -> list[Condition]:
    found = tokens(source, span.start, span.end)
    if not found:
        raise source.error("expected a fact, an equation or a law, as in invertible(A)", max(0, span.start - 1))
    place = source.place(found[0].start, found[-1].end)
    equation = next((t for t in _outer(found) if t.text == "="), None)
    if len(found) > 1 and found[1].text == "~":
        return _law(source, found, scope, place)
    if equation is not None:
        goal = Goal(source, scope)
        left = goal.read(span.start, equation.start, "left side")
        right = goal.read(equation.end, span.end, "right side")
        goal.agree(left, right)
        goal.solve()
        return [Condition("equation", goal.tensor(left), None, goal.tensor(right), None, place)]
    head = found[0]
    if len(found) < 4 or found[1].text != "(" or found[-1].text != ")" or head.text not in FACTS:
        hint = near(head.text, FACTS) if head.kind == "name" else ""
        raise source.error(
            f"expected a fact such as invertible(A), an equation or a law x ~ N(mu, Sigma){hint}", head.start, found[-1].end
        )
    goal = Goal(source, scope)
    value = goal.read(found[1].end, found[-1].start)
    goal.solve()
    tensor, fact = goal.tensor(value), Fact(head.text)
    try:
        check_fact(fact, tensor.dims, " ".join(source.text[found[1].end : found[-1].start].split()))
    except FactError as error:
        raise NotationError(str(error), place) from None
    return [Condition("fact", tensor, fact, None, None, place)]


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
        raise source.error(f"unknown name {name.text}{near(name.text, scope.variables)}: a law is of a declared variable", name.start, name.end)
    if kind.text not in _LAWS or len(found) < 6 or found[3].text != "(" or found[-1].text != ")":
        raise source.error("expected a law: N(mu, Sigma), law(mu, Sigma) or iid(0, 1)", kind.start, found[-1].end)
    spans = _commas(found[4:-1], found[3].end, found[-1].start, source)
    if len(spans) != 2:
        raise source.error(f"{kind.text} has two parameters, as in {kind.text}(mu, Sigma), not {len(spans)}", kind.start, found[-1].end)
    wanted = ((), ()) if kind.text == "iid" else (variable.dims, variable.dims * 2)
    parameters: list[Tensor] = []
    for span, dims in zip(spans, wanted, strict=True):
        goal = Goal(source, scope)
        value = goal.read(span.start, span.end)
        goal.solve()
        parameters.append(goal.tensor(value))
        if value.named or parameters[-1].dims != dims:
            raise source.error(
                f"{kind.text}(...) of {scope.describe(variable.name)} needs a parameter of dims {' '.join(map(str, dims)) or 'scalar'} "
                f"here, found {value.shape()}",
                value.node.start,
                value.node.end,
            )
    conditions = [Condition("law", variable, None, None, Law(kind.text, tuple(parameters)), place)]
    covariance = parameters[1]
    if kind.text != "iid" and isinstance(covariance, Variable) and covariance.order and not covariance.has("pd"):
        conditions.append(Condition("fact", covariance, Fact("pd"), None, None, place))
    return conditions
