"""From characters to a syntax tree: the tokens and the grammar of expressions (a part of Python's).

The parser keeps its own stack, so thousands of nested parentheses or operators are no problem.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from tensorgrad.notation.source import Source

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|\#[^\n]*)+)
    |(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<string>"[^"\n]*"|'[^'\n]*')
    |(?P<op>\*\*|=>|!=|==|//|<=|>=|->|[-+*/@()\[\],.:=~;])""",
    re.VERBOSE,
)
_BINARY = {"+": 1, "-": 1, "*": 2, "/": 2, "@": 2, "**": 4}
_UNARY = 3
_ITEMS = {":": "slice", "~": "law"}
_CLOSING = {")": "(", "]": "["}
_LONGEST_NUMBER = 400
_DEEPEST = 50_000
_MOST_TOKENS = 200_000
_FOREIGN = {
    "//": "there is no integer division; write / or *",
    "==": "equality is written =",
    "->": "a rule's arrow is written =>",
}


class Token(NamedTuple):
    """One token; `kind` is number, name, string, op or end."""

    kind: str
    text: str
    start: int
    end: int


def tokens(source: Source, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of `source.text[start:end]`, without an end token; comments and white space dropped."""
    text, found = source.text, []
    at, stop = start, len(source.text) if end is None else end
    while at < stop:
        match = _TOKEN.match(text, at, stop)
        if match is None:
            raise source.error(_bad_character(text[at]), at)
        kind = match.lastgroup or ""
        if kind == "number" and match.end() < stop and (text[match.end()].isalnum() or text[match.end()] == "_"):
            raise source.error("a number must not run into a name; put an operator between them", at, match.end() + 1)
        if len(found) == _MOST_TOKENS:
            raise source.error(f"more than {_MOST_TOKENS:,} names, numbers and operators: split the expression", at)
        if kind != "space":
            found.append(Token(kind, match.group(), at, match.end()))
        at = match.end()
    return found


def _bad_character(character: str) -> str:
    if character in "'\"":
        return "this quote is never closed on its line; a transpose is written A.T"
    shown = repr(character) if character.isprintable() else f"'\\x{ord(character):02x}'"
    hints = {
        "^": "; a power is written **",
        "{": "; group with ( )",
        "<": "; a sign is stated as a fact, positive(x)",
        ">": "; a sign is stated as a fact, positive(x)",
        "|": "; the absolute value is abs(x)",
    }
    return f"the character {shown} is not part of the notation{hints.get(character, '')}"


def check_brackets(source: Source, found: Sequence[Token]) -> None:
    """Raise at the first bracket that is never closed, or closes nothing."""
    opened: list[Token] = []
    for token in found:
        if token.kind == "op" and token.text in _CLOSING:
            if not opened:
                raise source.error(f"{token.text} closes nothing", token.start)
            opener = opened.pop().text
            if opener != _CLOSING[token.text]:
                raise source.error(f"{token.text} does not close the {opener}", token.start)
        elif token.kind == "op" and token.text in _CLOSING.values():
            opened.append(token)
    if opened:
        raise source.error(f"this {opened[-1].text} is never closed", opened[-1].start)


@dataclass(slots=True, eq=False)
class Syntax:
    """A node of the syntax tree, `source.text[start:end]`.

    `kind` is name, number, string, binary, unary, call (callee, then arguments), index (base, then items),
    slice (index name, then its size), law (variable, then its law) or transpose; `value` is the name, operator, number
    or string.
    """

    kind: str
    start: int
    end: int
    value: str = ""
    parts: list[Syntax] = field(default_factory=list)
    number: Fraction = Fraction(0)
    grouped: bool = False


@dataclass(slots=True, eq=False)
class _Frame:
    opener: str
    start: int
    base: Syntax | None = None
    items: list[Syntax] = field(default_factory=list)
    operands: list[Syntax] = field(default_factory=list)
    operators: list[tuple[int, Token]] = field(default_factory=list)
    sliced: Syntax | None = None
    kind: str = ""


class _Parser:
    def __init__(self, source: Source, found: list[Token], end: int) -> None:
        self.source, self.tokens, self.end = source, found, end
        self.frames = [_Frame("", found[0].start if found else end)]
        self.operand = True
        self.dot: Token | None = None

    def run(self) -> Syntax:
        for token in self.tokens:
            if self.dot is not None:
                self.read_attribute(token)
            elif self.operand:
                self.read_operand(token)
            else:
                self.read_operator(token)
        if self.dot is not None:
            raise self.source.error("only .T (the transpose) may follow a dot", self.dot.start)
        if len(self.frames) > 1:
            frame = self.frames[-1]
            raise self.source.error(f"this {frame.opener} is never closed", frame.start)
        if self.operand:
            raise self.source.error("the expression ends where a name, a number or ( was expected", self.end)
        return self.finish_item(self.frames[-1])

    def read_operand(self, token: Token) -> None:
        frame = self.frames[-1]
        if token.kind in ("name", "string"):
            text = token.text if token.kind == "name" else token.text[1:-1]
            frame.operands.append(Syntax(token.kind, token.start, token.end, text))
            self.operand = False
        elif token.kind == "number":
            frame.operands.append(self.number(token))
            self.operand = False
        elif token.text in ("-", "+"):
            frame.operators.append((_UNARY, token))
        elif token.text in ("(", "["):
            if token.text == "[":
                raise self.source.error("a [ must follow the name it belongs to, as in A[i, j]", token.start)
            self.open(_Frame("(", token.start))
        else:
            raise self.source.error(self.missing(token), token.start, token.end)

    def open(self, frame: _Frame) -> None:
        if len(self.frames) > _DEEPEST:
            raise self.source.error(f"more than {_DEEPEST} nested brackets", frame.start)
        self.frames.append(frame)

    def missing(self, token: Token) -> str:
        frame = self.frames[-1]
        if token.text in _CLOSING and not frame.operands and not frame.operators and not frame.items:
            inside = "( )" if frame.opener == "(" else "[ ]" if frame.opener else token.text
            return f"nothing stands inside {inside}: expected a name, a number or an expression"
        return f"expected a name, a number or (, found {token.text}"

    def number(self, token: Token) -> Syntax:
        mantissa, _, exponent = token.text.lower().partition("e")
        if len(mantissa) > _LONGEST_NUMBER or len(exponent) > 4 or abs(int(exponent or 0)) > _LONGEST_NUMBER:
            raise self.source.error(f"a number of more than {_LONGEST_NUMBER} digits", token.start, token.end)
        text = mantissa + ("0" if mantissa.endswith(".") else "")
        return Syntax(
            "number", token.start, token.end, token.text, number=Fraction(text) * Fraction(10) ** int(exponent or 0)
        )

    def read_operator(self, token: Token) -> None:
        frame = self.frames[-1]
        if token.text in _BINARY and token.kind == "op":
            self.reduce(frame, _BINARY[token.text], right=token.text == "**")
            frame.operators.append((_BINARY[token.text], token))
            self.operand = True
        elif token.text in ("(", "["):
            self.open(_Frame(token.text, token.start, frame.operands.pop()))
            self.operand = True
        elif token.text == ".":
            self.dot = token
        elif token.text == "," and frame.base is not None:
            frame.items.append(self.finish_item(frame))
            self.operand = True
        elif token.text in _ITEMS and frame.opener == "[" and frame.sliced is None:
            frame.sliced, frame.kind = self.finish_item(frame), _ITEMS[token.text]
            self.operand = True
        elif token.text in _CLOSING:
            self.close(token)
        else:
            raise self.source.error(self.unexpected(token), token.start, token.end)

    def read_attribute(self, token: Token) -> None:
        if token.text != "T":
            raise self.source.error("only .T (the transpose) may follow a dot", token.start, token.end)
        base = self.frames[-1].operands.pop()
        self.frames[-1].operands.append(Syntax("transpose", base.start, token.end, parts=[base]))
        self.dot = None

    def unexpected(self, token: Token) -> str:
        if token.kind != "op":
            return f"expected an operator before {token.text}"
        if token.text in _FOREIGN:
            return f"{token.text} is not part of an expression: {_FOREIGN[token.text]}"
        if token.text == ",":
            return "a comma is only allowed between arguments or indices"
        return f"{token.text} is not allowed here: expected an operator or the end of the expression"

    def close(self, token: Token) -> None:
        frame = self.frames[-1]
        if frame.opener != _CLOSING[token.text]:
            message = (
                f"{token.text} closes nothing"
                if not frame.opener
                else f"{token.text} does not close the {frame.opener}"
            )
            raise self.source.error(message, token.start)
        item = self.finish_item(frame)
        self.frames.pop()
        outer = self.frames[-1]
        if frame.base is None:
            item.start, item.end, item.grouped = frame.start, token.end, True
            outer.operands.append(item)
        else:
            kind = "call" if frame.opener == "(" else "index"
            parts = [frame.base, *frame.items, item]
            outer.operands.append(Syntax(kind, frame.base.start, token.end, parts=parts))

    def finish_item(self, frame: _Frame) -> Syntax:
        self.reduce(frame, 0, right=False)
        item = frame.operands.pop()
        if frame.sliced is not None:
            item = Syntax(frame.kind, frame.sliced.start, item.end, parts=[frame.sliced, item])
            frame.sliced = None
        return item

    def reduce(self, frame: _Frame, precedence: int, right: bool) -> None:
        while frame.operators and (
            frame.operators[-1][0] > precedence or (frame.operators[-1][0] == precedence and not right)
        ):
            level, token = frame.operators.pop()
            if level == _UNARY:
                inner = frame.operands.pop()
                frame.operands.append(Syntax("unary", token.start, inner.end, token.text, [inner]))
            else:
                b, a = frame.operands.pop(), frame.operands.pop()
                frame.operands.append(Syntax("binary", a.start, b.end, token.text, [a, b]))


def read_expression(source: Source, start: int = 0, end: int | None = None, what: str = "expression") -> Syntax:
    """The syntax tree of `source.text[start:end]`; raises NotationError at the first token that does not fit."""
    stop = len(source.text) if end is None else end
    found = tokens(source, start, stop)
    if not found:
        raise source.error(f"the {what} is empty", start)
    return _Parser(source, found, found[-1].end).run()


def show(source: Source, node: Syntax, longest: int = 60) -> str:
    """The text of a node for a message, on one line, cut in the middle when long."""
    text = " ".join(source.text[node.start : min(node.end, node.start + 4000)].split())
    return text if len(text) <= longest else text[: longest // 2 - 2] + " ... " + text[-(longest // 2 - 3) :]
