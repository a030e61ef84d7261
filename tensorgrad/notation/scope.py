"""Declarations: `let A B : n m symmetric ; f : function`, their facts, and what a name means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from tensorgrad.errors import FactError, NotationError, SizeError
from tensorgrad.function import FUNCTIONS, Function, unknown
from tensorgrad.notation.facts import FACTS, parse_facts
from tensorgrad.notation.source import Source, near
from tensorgrad.notation.syntax import Syntax, Token, read_expression, tokens
from tensorgrad.sizes import Poly, size
from tensorgrad.tensor import Tensor, Variable, walk

HEADS = (
    "delta lc flat conv mat ten sum mean norm norm2 dot tr diag outer kron khatri_rao vec unvec commutation ones zeros "
    "block concat power einsum grad hess at series Var Cov moment"
).split()
"""Names of structure: everything the tables of the notation name that is not in `FUNCTIONS`."""

SHADOWED = ("I", "e", "E", "d")
RESERVED = frozenset((*HEADS, *(f for f in FUNCTIONS if f != "pow"), "scalar", "function", "let", "if"))
_DEEPEST_EXPONENT = 64


@dataclass(frozen=True, eq=False)
class Scope:
    """What names mean: variables (edges i0, i1, ...; with facts), unknown functions, and the size symbols in use."""

    variables: Mapping[str, Variable] = field(default_factory=dict[str, Variable])
    functions: Mapping[str, Function] = field(default_factory=dict[str, Function])
    arguments: Mapping[str, Poly] = field(default_factory=dict[str, Poly])
    """For `f : function(n)`: the size n of its vector."""

    @property
    def sizes(self) -> frozenset[str]:
        """The symbols of all declared dims."""
        dims = [d for v in self.variables.values() for d in v.dims] + list(self.arguments.values())
        return frozenset(s for d in dims for s in d.symbols)

    def extend(self, other: Scope) -> Scope:
        """This scope with the declarations of `other` added, which replace those of the same name."""
        variables, functions = dict(self.variables), dict(self.functions)
        arguments = dict(self.arguments)
        for name in (*other.variables, *other.functions):
            for table in (variables, functions, arguments):
                table.pop(name, None)
        return Scope(
            {**variables, **other.variables}, {**functions, **other.functions}, {**arguments, **other.arguments}
        )

    def describe(self, name: str) -> str:
        """The declaration of a name, as text."""
        if name in self.variables:
            return declaration(self.variables[name])
        return f"{name} : function" + (f"({self.arguments[name]})" if name in self.arguments else "")

    def __str__(self) -> str:
        return " ; ".join(self.describe(name) for name in (*self.variables, *self.functions))


def declaration(variable: Variable) -> str:
    """`A : n m symmetric`, the declaration of one variable."""
    dims = " ".join(size_text(d) for d in variable.dims) or "scalar"
    return " ".join([f"{variable.name} : {dims}", *map(str, variable.facts)])


def size_text(dim: Poly) -> str:
    """A size as one word of a declaration: `n`, `3`, `(n + 1)`, `2*n`."""
    text = str(dim)
    return f"({text})" if " " in text else text


def declarations(t: Tensor) -> str:
    """The `let` text of the variables and unknown functions of `t`, in order of first occurrence.

    >>> from tensorgrad import Variable
    >>> declarations(Variable("A", i="n", j="m", facts="positive") @ Variable("x", j="m"))
    'A : n m positive ; x : m'
    """
    from tensorgrad.tensor import Apply

    found: dict[str, str] = {}
    for node in walk(t):
        if isinstance(node, Variable):
            found.setdefault(node.name, declaration(node))
        elif isinstance(node, Apply) and not node.function.known:
            if node.function.own_sizes or node.function.acts not in ((0,), (1,)):
                continue  # of several arguments, or with edges of its own: a function that only Python declares
            text = f"{node.function.name} : function"
            if node.function.acts[0]:
                total = size(1)
                for edge in node.acted[0][0]:
                    total = total * node.args[0].sizes[edge]
                text += f"({total})"
            found.setdefault(node.function.name, text)
    return " ; ".join(found.values())


def parse_scope(let: str) -> Scope:
    """Read declarations, `A B : n m symmetric ; x : m ; f : function`.

    Raises NotationError for a declaration that is not one, repeated names and impossible facts.
    """
    return read_scope(Source(let), 0, len(let), Scope())


def read_scope(source: Source, start: int, end: int, outer: Scope) -> Scope:
    """The declarations of `source.text[start:end]` added to `outer`."""
    found = tokens(source, start, end)
    groups: list[list[Token]] = [[]]
    for token in found:
        if token.text == ";":
            groups.append([])
        else:
            groups[-1].append(token)
    variables: dict[str, Variable] = {}
    functions: dict[str, Function] = {}
    arguments: dict[str, Poly] = {}
    places: dict[str, Token] = {}
    for group in groups:
        if group:
            _Declaration(source, group).read(variables, functions, arguments, places)
    scope = outer.extend(Scope(variables, functions, arguments))
    _no_double_use(source, scope, places, start)
    return scope


def _no_double_use(source: Source, scope: Scope, places: Mapping[str, Token], start: int) -> None:
    both = sorted(scope.sizes & {*scope.variables, *scope.functions})
    if both:
        name = both[0]
        user = next(v.name for v in scope.variables.values() if any(name in d.symbols for d in v.dims))
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
    "~": "a law goes after `if`: x ~ N(mu, Sigma)",
    "[": "sizes stand without brackets, as in A : n m",
    "=": "a declaration ends with its sizes and facts; an equation goes after `if`",
    "function": "function stands alone, f : function, or with the size of its vector, f : function(n)",
}


class _Declaration:
    """One `NAMES : DIMS FACTS`."""

    def __init__(self, source: Source, found: list[Token]) -> None:
        self.source, self.tokens = source, found

    def error(self, message: str, token: Token) -> NotationError:
        return self.source.error(message, token.start, token.end)

    def read(
        self,
        variables: dict[str, Variable],
        functions: dict[str, Function],
        arguments: dict[str, Poly],
        places: dict[str, Token],
    ) -> None:
        colon = next((k for k, t in enumerate(self.tokens) if t.text == ":"), None)
        if colon is None:
            last = self.tokens[-1]
            raise self.error("this declaration has no colon: write NAMES : DIMS FACTS, for example A B : n m", last)
        names, rest = self.tokens[:colon], self.tokens[colon + 1 :]
        self.check_names(names, places)
        if rest and rest[0].text == "function":
            argument = self.function_argument(rest)
            for token in names:
                functions[token.text] = unknown(token.text, vector=argument is not None)
                if argument is not None:
                    arguments[token.text] = argument
            return
        dims, facts = self.dims(rest)
        for token in names:
            variables[token.text] = self.variable(token, dims, facts)

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

    def function_argument(self, rest: list[Token]) -> Poly | None:
        if len(rest) == 1:
            return None
        if rest[1].text != "(" or rest[-1].text != ")" or len(rest) < 4:
            raise self.error("expected `function` or `function(n)` and nothing after it", rest[1])
        return read_size(self.source, rest[2].start, rest[-2].end)

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
        return found, span

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


def read_size(source: Source, start: int, end: int, scope: Scope | None = None) -> Poly:
    """The size written at `source.text[start:end]`: integers and symbols with + - * and ** of an integer."""
    return size_of(source, read_expression(source, start, end, "size"), scope)


def size_of(source: Source, node: Syntax, scope: Scope | None = None) -> Poly:
    """The size that a syntax tree means; NotationError where it is none (0, negative, a declared name, a fraction)."""
    done: dict[int, Poly] = {}
    stack = [(node, False)]
    while stack:
        current, ready = stack.pop()
        if not ready:
            stack.append((current, True))
            if current.kind in ("binary", "unary"):
                stack.extend((p, False) for p in current.parts)
        else:
            done[id(current)] = _size_value(source, current, scope, [done.get(id(p)) for p in current.parts])
    try:
        return size(done[id(node)])
    except SizeError as error:
        raise source.error(str(error), node.start, node.end) from None


def _size_value(source: Source, node: Syntax, scope: Scope | None, parts: list[Poly | None]) -> Poly:
    if node.kind == "number":
        return Poly.constant(node.number)
    if node.kind == "name":
        return _symbol(source, node, scope)
    if node.kind == "unary" and parts[0] is not None:
        return -parts[0] if node.value == "-" else parts[0]
    if node.kind == "binary" and parts[0] is not None and parts[1] is not None:
        a, b = parts[0], parts[1]
        if node.value in ("+", "-", "*"):
            return a + b if node.value == "+" else a - b if node.value == "-" else a * b
        if node.value == "**" and b.is_constant and b.number.denominator == 1 and 0 <= b.number <= _DEEPEST_EXPONENT:
            return a ** int(b.number)
        if node.value == "/" and b.is_constant and b.number:
            return a * b.inverse()
    raise source.error(
        "not a size: sizes are symbols and integers with + - * and ** of a small integer", node.start, node.end
    )


def _symbol(source: Source, node: Syntax, scope: Scope | None) -> Poly:
    if scope is not None and (node.value in scope.variables or node.value in scope.functions):
        raise source.error(
            f"{node.value} is not a size: it is declared as {scope.describe(node.value)}", node.start, node.end
        )
    if node.value in RESERVED:
        raise source.error(f"{node.value} is a name of the notation, not a size", node.start, node.end)
    return Poly.symbol(node.value)
