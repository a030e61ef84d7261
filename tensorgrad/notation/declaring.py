"""Reading declarations: `A B : n m symmetric ; f : function(n) -> m ; x ~ N(mu, S)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from tensorgrad.errors import FactError, NotationError
from tensorgrad.function import Function, unknown
from tensorgrad.notation.conditions import Condition, Span, laws_of, read_condition
from tensorgrad.notation.facts import FACTS, parse_facts
from tensorgrad.notation.scope import RESERVED, Arguments, Scope, read_size, size_text
from tensorgrad.notation.source import Source, near
from tensorgrad.notation.syntax import Token, tokens
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Variable


@dataclass(frozen=True, slots=True)
class _Found:
    """What one text declares, with the places of the names."""

    variables: dict[str, Variable] = field(default_factory=dict[str, Variable])
    functions: dict[str, Function] = field(default_factory=dict[str, Function])
    arguments: dict[str, Arguments] = field(default_factory=dict[str, Arguments])
    places: dict[str, Token] = field(default_factory=dict[str, Token])


def parse_scope(let: str) -> Scope:
    """Read declarations, `A B : n m symmetric ; x : m ; f : function(n) -> m ; x ~ N(mu, S)`.

    Raises NotationError for a declaration that is not one, repeated names, second laws and impossible facts.
    """
    return read_scope(Source(let), 0, len(let), Scope())


def read_scope(source: Source, start: int, end: int, outer: Scope) -> Scope:
    """The declarations of `source.text[start:end]` added to `outer`."""
    groups: list[list[Token]] = [[]]
    for token in tokens(source, start, end):
        if token.text == ";":
            groups.append([])
        else:
            groups[-1].append(token)
    laws = [group for group in groups if len(group) > 1 and group[1].text == "~"]
    found = _Found()
    for group in groups:
        if group and group not in laws:
            _Declaration(source, group).read(found)
    scope = outer.extend(Scope(found.variables, found.functions, found.arguments))
    _no_double_use(source, scope, found.places, start)
    return scope.extend(Scope(laws=_read_laws(source, laws, scope))) if laws else scope


def _read_laws(source: Source, groups: Sequence[list[Token]], scope: Scope) -> dict[str, tuple[Condition, ...]]:
    """The laws that a text declares, by the names of their variables: a law may use the laws before it."""
    found: dict[str, tuple[Condition, ...]] = {}
    for group in groups:
        inside = scope.extend(Scope(laws=found))
        conditions = read_condition(source, Span(group[0].start, group[-1].end), inside)
        laws_of([conditions[0], *(c for stated in found.values() for c in stated)])
        found[group[0].text] = tuple(conditions)
    return found


def _no_double_use(source: Source, scope: Scope, places: Mapping[str, Token], start: int) -> None:
    both = sorted(scope.sizes & {*scope.variables, *scope.functions})
    if both:
        name = both[0]
        user = next(k for k in (*scope.variables, *scope.functions) if name in scope.sizes_in(k))
        token = places.get(name) or places.get(user) or Token("", "", start, start + 1)
        raise source.error(
            _twice(name, scope.describe(name), scope.describe(user)),
            token.start,
            token.end,
        )


def _twice(name: str, declared: str, used: str) -> str:
    return f"{name} is declared as a name ({declared}) and used as a size ({used}): rename one of the two"


_NOT_IN_DIMS = {
    ",": "sizes are separated by spaces, as in A : n m",
    ":": "a second colon: declarations are separated by ;, as in A : n m ; x : m",
    "~": "a law is a declaration of its own, x : n ; x ~ N(mu, Sigma), or goes after `if`",
    "[": "sizes stand without brackets, as in A : n m",
    "=": "a declaration ends with its sizes and facts; an equation goes after `if`",
    "scalar": "scalar stands alone: it says that there are no sizes",
    "function": "function stands alone, f : function, or with what it takes and makes, f : function(n) -> m",
}


class _Declaration:
    """One `NAMES : DIMS FACTS`."""

    def __init__(self, source: Source, found: list[Token]) -> None:
        self.source, self.tokens = source, found

    def error(self, message: str, token: Token) -> NotationError:
        return self.source.error(message, token.start, token.end)

    def read(self, found: _Found) -> None:
        """Add what is declared to what was found before."""
        colon = next((k for k, t in enumerate(self.tokens) if t.text == ":"), None)
        if colon is None:
            last = self.tokens[-1]
            raise self.error("this declaration has no colon: write NAMES : DIMS FACTS, for example A B : n m", last)
        names, rest = self.tokens[:colon], self.tokens[colon + 1 :]
        self.check_names(names, found.places)
        if rest and rest[0].text == "function":
            arguments, own = self.function(rest)
            for token in names:
                found.functions[token.text] = unknown(token.text, tuple(map(len, arguments)), own)
                found.arguments[token.text] = arguments
            return
        dims, facts = self.dims(rest)
        for token in names:
            found.variables[token.text] = self.variable(token, dims, facts)

    def check_names(self, names: Sequence[Token], places: dict[str, Token]) -> None:
        if not names:
            raise self.error("a declaration starts with the names it declares, for example A B : n m", self.tokens[0])
        for token in names:
            if token.kind != "name":
                remedy = ": names are separated by spaces, as in A B : n m" if token.text == "," else ""
                raise self.error(f"expected a name to declare, found {token.text}{remedy}", token)
            if token.text == "let" and token is names[0] and len(names) > 1:
                raise self.error("leave out let here: it only begins a line of a file", token)
            if token.text in RESERVED:
                raise self.error(
                    f"{token.text} is a name of the notation and cannot be declared: choose another", token
                )
            if token.text in places:
                raise self.error(f"{token.text} is declared twice in one let: keep one declaration", token)
            places[token.text] = token

    def function(self, words: list[Token]) -> tuple[Arguments, tuple[Poly, ...]]:
        """`function(n m, scalar) -> k`: the sizes of the axes it acts on in each argument, and of those it makes."""
        arrow = next((k for k, t in enumerate(words) if t.text == "->"), len(words))
        taken, made = words[1:arrow], words[arrow + 1 :]
        opened = len(taken) > 2 and taken[0].text == "(" and taken[-1].text == ")"
        if (taken and not opened) or (arrow < len(words) and not made):
            raise self.error(
                "expected `function` alone, or with what it takes and makes: `function(n)`, `function(n m, scalar) -> k`",
                words[1],
            )
        fact = next((t for t in words if t.text in FACTS), None)
        if fact is not None:
            raise self.error(f"{fact.text} is a fact of tensors: a function is smooth, and nothing else is known", fact)
        groups: list[list[Token]] = [[]]
        depth = 0
        for token in taken[1:-1]:
            depth += (token.text == "(") - (token.text == ")")
            if token.text == "," and not depth:
                groups.append([])
            else:
                groups[-1].append(token)
        if taken and not all(groups):
            raise self.error("every argument of a function has its sizes, or `scalar`: function(n m, scalar)", taken[0])
        arguments = [self.sizes([t for t in group if group[1:] or t.text != "scalar"]) for group in groups]
        own = tuple(dim for dim, _ in self.sizes(made))
        return tuple(tuple(dim for dim, _ in argument) for argument in arguments), own

    def dims(self, rest: list[Token]) -> tuple[list[tuple[Poly, Token]], tuple[int, int]]:
        """The dims with their places, and the span of the facts text."""
        stop = next((k for k, t in enumerate(rest) if t.text in FACTS), len(rest))
        words, facts = rest[:stop], rest[stop:]
        span = (facts[0].start, facts[-1].end) if facts else (0, 0)
        if words and words[0].text == "scalar":
            if len(words) > 1:
                raise self.error(
                    f"expected a fact after scalar, found {words[1].text}{near(words[1].text, FACTS)}", words[1]
                )
            return [], span
        return self.sizes(words), span

    def sizes(self, words: list[Token]) -> list[tuple[Poly, Token]]:
        """The sizes that these words say, each with its place."""
        found: list[tuple[Poly, Token]] = []
        begin, depth = 0, 0
        for k, token in enumerate(words):
            depth += (token.text == "(") - (token.text == ")")
            ends = token.kind in ("name", "number") or token.text == ")"
            after = words[k + 1] if k + 1 < len(words) else None
            starts = after is None or after.kind in ("name", "number") or after.text == "("
            if token.text in _NOT_IN_DIMS and not (token.text == "," and depth):
                raise self.error(_NOT_IN_DIMS[token.text], token)
            if token.kind == "name" and (fact := _meant(token.text)):
                raise self.error(f"{token.text} is neither a size nor a fact: did you mean {fact}?", token)
            if depth == 0 and k > begin and after is not None:
                self.check_spacing(words[k - 1], token, after)
            if (ends and starts and depth == 0) or after is None:
                first = words[begin]
                found.append((read_size(self.source, first.start, token.end), first))
                begin = k + 1
        return found

    def check_spacing(self, before: Token, token: Token, after: Token) -> None:
        """Raise at `n -1` and `n +1`: one size or two?"""
        if token.text in ("+", "-") and before.end < token.start and token.end == after.start:
            a, op, b = before.text, token.text, after.text
            two = f", {a} {b} for two" if op == "+" else "; every size is positive, so two are not meant"
            raise self.source.error(
                f"{a} {op}{b} is ambiguous, for spaces separate sizes: write {a} {op} {b} for one size{two}",
                before.start,
                after.end,
            )

    def variable(self, token: Token, dims: list[tuple[Poly, Token]], span: tuple[int, int]) -> Variable:
        edges = {f"i{k}": dim for k, (dim, _) in enumerate(dims)}
        text = self.source.text[span[0] : span[1]]
        try:
            facts = parse_facts(text, tuple(edges.values()), token.text)
        except FactError as error:
            start, end = error.span or (0, len(text))
            raise self.source.error(str(error), span[0] + start, span[0] + end) from None
        if any(token.text in dim.symbols for dim in edges.values()):
            shown = f"{token.text} : {' '.join(size_text(dim) for dim in edges.values())}"
            raise self.error(_twice(token.text, shown, shown), token)
        return Variable(token.text, edges=edges, facts=facts)


def _meant(word: str) -> str:
    """The fact (or `function`, `scalar`) that a word among the dims looks like, or ''; short ones but for capitals."""
    if word.lower() in FACTS:
        return word.lower()
    found = (
        get_close_matches(word, sorted(f for f in (*FACTS, "function", "scalar") if len(f) > 5), n=1, cutoff=0.8)
        if 5 < len(word) < 40
        else []
    )
    return found[0] if found else ""
