"""`series(k, 0, 3, y)`: the sum of y with the whole numbers from 0 to 3 in place of the name k."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tensorgrad.errors import UnsupportedError
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.vocabulary import Plan, count_arguments

_MOST_TERMS = 64
_MOST_NODES = 50_000


def plan_series(reader: Reader, node: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """How to read `series(k, first, last, y)`: as its terms, added."""
    count_arguments(reader, node, "series", arguments, 4)
    name, y = arguments[0], arguments[3]
    if name.kind != "name" or name.value in reader.scope.variables:
        what = f"{name.value} is declared" if name.kind == "name" else f"{reader.show(name)} is no name"
        raise reader.error(name, f"series counts with a name of its own, but {what}: series(k, 0, 3, matpow(A, k))")
    first, last = (_bound(reader, bound) for bound in arguments[1:3])
    if not 0 <= last - first < _MOST_TERMS:
        raise reader.error(
            node,
            f"series from {first} to {last} has {max(last - first + 1, 0)} terms; between 1 and {_MOST_TERMS} are read",
        )
    terms: list[Syntax] = []
    for number in range(first, last + 1):
        copies = _copies(y, name.value, number)
        reader.written_out += len(copies)
        if reader.written_out > _MOST_NODES:
            raise reader.error(node, f"written out, the series have more than {_MOST_NODES:,} parts: use fewer terms")
        terms.append(copies[id(y)])
    total = terms[0]
    for term in terms[1:]:
        total = Syntax("binary", node.start, node.end, "+", [total, term])
    return (total,), lambda v: v[0]


def _bound(reader: Reader, bound: Syntax) -> int:
    negative = bound.kind == "unary" and bound.value == "-"
    number = bound.parts[0] if negative else bound
    if number.kind != "number":
        raise UnsupportedError(
            f"series to {reader.show(bound)}: its bounds are whole numbers, for its terms are written out; "
            "with a size as the bound sum over an index, sum[i](...)"
        )
    if number.number.denominator != 1:
        raise reader.error(bound, "the bounds of series are whole numbers")
    return -int(number.number) if negative else int(number.number)


def _copies(y: Syntax, name: str, number: int) -> dict[int, Syntax]:
    """Copies of y and its parts, by their ids, with a number in place of a name."""
    copies: dict[int, Syntax] = {}
    waiting = [y]
    while waiting:
        node = waiting[-1]
        missing = [part for part in node.parts if id(part) not in copies]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        copies[id(node)] = _copy(node, [copies[id(part)] for part in node.parts], name, number)
    return copies


def _copy(node: Syntax, parts: list[Syntax], name: str, number: int) -> Syntax:
    if node.kind != "name" or node.value != name:
        return Syntax(node.kind, node.start, node.end, node.value, parts, node.number, node.grouped)
    absolute = Syntax("number", node.start, node.end, str(abs(number)), number=Fraction(abs(number)))
    return absolute if number >= 0 else Syntax("unary", node.start, node.end, "-", [absolute], grouped=True)
