"""Goals, rules and files of them: `name [source] lhs = rhs if facts`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tensorgrad.errors import InputError, NotationError, Place, TensorgradError
from tensorgrad.notation.conditions import (
    Condition,
    Span,
    laws_let,
    laws_of,
    parse_conditions,
    read_condition,
    split_commas,
)
from tensorgrad.notation.declaring import parse_scope, read_scope
from tensorgrad.notation.facts import FACTS
from tensorgrad.notation.goal import Goal
from tensorgrad.notation.scope import Scope
from tensorgrad.notation.source import Source
from tensorgrad.notation.syntax import check_brackets, tokens
from tensorgrad.tensor import Tensor

Relation = Literal["=", "=>", "!=", "fact", "not"]
_HEAD = re.compile(r"(?P<name>[^\W\d][\w.'-]*)(?:[ \t]+\[(?P<source>[^\]\n]*)\])?(?=\s|$)")


@dataclass(frozen=True, eq=False)
class Claim:
    """A line of a rule or theorem file, or a goal of the command line.

    `relation` is "fact" for a rule or a goal whose conclusion is a fact: `concludes` is that condition and `left` its
    tensor. It is "not" for the goal `not symmetric(A)`, as it is "!=" for a goal whose sides differ.
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
class _Parts:
    """The spans of a claim: left side, relation, right side, and the items after `if`."""

    left: Span
    relation: Relation
    right: Span | None
    conditions: tuple[Span, ...]


def parse(text: str, let: str = "", if_: str = "", *, scope: Scope | None = None) -> Tensor:
    """Read an expression. Free edges of an expression by position are named `i0`, `i1`, ...

    Args: the expression; its declarations; laws of the random variables in it; `scope` in place of `let`.
    Raises NotationError, which shows the place.

    >>> parse("A @ x", let="A : n m ; x : m").edges
    ('i0',)
    """
    for name, value in (("text", text), ("let", let), ("if_", if_)):
        if not isinstance(value, str):  # type: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{name}={value!r}: expected a text, as in parse('A @ x', let='A : n m ; x : m')")
    scope = scope if scope is not None else parse_scope(let)
    conditions = parse_conditions(if_, scope) if if_.strip() else ()
    source = Source(text)
    for token in tokens(source) if "=" in text else ():
        if token.text in ("=", "=>", "!="):
            raise source.error("this is a claim, not an expression: prove it, or give one side", token.start, token.end)
    goal = Goal(source, scope, laws_of(conditions))
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
    claim = _claim(source, Span(0, len(text)), scope, "", "", source.place(0), more)
    if if_.strip():
        joined = (
            f"{claim.text}, {if_.strip()}"
            if _split(source, Span(0, len(text))).conditions
            else f"{text} if {if_.strip()}"
        )
        claim = replace(claim, text=" ".join(joined.split()))
    return claim


def parse_file(path: str | Path, filename: str | None = None) -> list[Claim | BadLine]:
    """Read a file of rules or theorems, or with `filename` given the text itself. A bad line does not stop the rest.

    Raises OSError for an unreadable path; a file that is not UTF-8 text is one BadLine.
    """
    if filename is not None:
        text, name = str(path), filename
    else:
        name = str(path)
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")  # some editors begin a file with a mark
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
            name = str(head.group("name"))
            if name in names:
                raise NotationError(
                    f"the name {name} is used twice, first in line {names[name].line}: choose another", place
                )
            names[name] = place
            body = Span(head.end(), span.end)
            yield _claim(source, body, scope, name, head.group("source") or "", place, ())
        except TensorgradError as error:
            yield BadLine(error, name, getattr(error, "place", None) or place)
    if not found:
        place = source.place(0)
        yield BadLine(NotationError("the file has no declarations and no claims", place), None, place)


def _logical_lines(source: Source) -> Iterator[Span]:
    """Spans of lines with their continuations; blank lines and comment lines are skipped."""
    start, end, at = -1, 0, 0
    for line in source.text.splitlines(keepends=True):
        blank = not line.strip() or line.lstrip().startswith("#")
        if not blank and (not line[0].isspace() or start < 0):
            if start >= 0:
                yield Span(start, end)
            start = at
        if not blank:
            end = at + len(line.rstrip())
        at += len(line)
    if start >= 0:
        yield Span(start, end)


def _head(source: Source, span: Span) -> re.Match[str]:
    match = _HEAD.match(source.text, span.start, span.end)
    after = source.text[match.end() : span.end].lstrip() if match else ""
    operator = r"[=@*/+.:~!,]|-\s" if match is None or match.group("source") is None else r"[=@*/.:~!,]"
    if match is None or not after or re.match(operator, after):
        raise source.error(
            "a line starts with its name, then [source], then the claim, as in det-product [mc:18] det(A @ B) = ...",
            span.start,
            span.end,
        )
    return match


def _split(source: Source, span: Span) -> _Parts:
    """Cut a claim at its relation and at `if`, outside all brackets."""
    found = tokens(source, span.start, span.end)
    check_brackets(source, found)
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
    right = Span(relation.end, end) if relation else None
    left = Span(span.start, relation.start if relation else end)
    items = split_commas(
        [t for t in found if condition and t.start >= condition.end],
        condition.end if condition else 0,
        span.end,
        source,
    )
    kind: Relation = "fact" if relation is None else relation.text  # type: ignore[assignment]
    return _Parts(left, kind, right, tuple(items) if condition else ())


def _claim(
    source: Source, span: Span, scope: Scope, name: str, origin: str, place: Place, more: tuple[Condition, ...]
) -> Claim:
    parts = _split(source, span)
    conditions = more + tuple(c for item in parts.conditions for c in read_condition(source, item, scope))
    text = " ".join(re.sub(r"#[^\n]*", "", source.text[span.start : span.end]).split())
    if parts.right is None:
        negated = _negation(source, parts.left)
        concludes = _conclusion(source, negated or parts.left, scope)
        kind: Relation = "not" if negated else "fact"
        conditions += laws_let(scope, [concludes.tensor], conditions)
        return Claim(name, origin, kind, concludes.tensor, None, concludes, conditions, scope, place, text)
    goal = Goal(source, scope, laws_of(conditions))
    left = goal.read(parts.left.start, parts.left.end, "left side")
    right = goal.read(parts.right.start, parts.right.end, "right side")
    goal.agree(left, right)
    goal.solve()
    sides = goal.tensor(left), goal.tensor(right)
    conditions += laws_let(scope, sides, conditions)
    return Claim(name, origin, parts.relation, *sides, None, conditions, scope, place, text)


def _negation(source: Source, span: Span) -> Span | None:
    """What follows a `not` at the beginning of a claim."""
    found = tokens(source, span.start, span.end)
    negated = len(found) > 1 and found[0].kind == "name" and found[0].text == "not"
    return Span(found[0].end, span.end) if negated else None


def _conclusion(source: Source, span: Span, scope: Scope) -> Condition:
    found = tokens(source, span.start, span.end)
    if not found:
        raise source.error("the claim is empty", span.start)
    for token in found:
        if token.text == "==":
            raise source.error("equality is written =", token.start, token.end)
    if len(found) > 2 and found[0].text in FACTS and found[1].text == "(":
        return read_condition(source, span, scope)[0]
    raise source.error(
        "a claim needs =, => or != between its two sides, or is a fact, as in symmetric(A @ A.T)", found[-1].end - 1
    )
