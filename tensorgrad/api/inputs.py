"""What a caller may give: a text or a tensor, facts, sizes by symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, cast

from tensorgrad.diagram import check_variables
from tensorgrad.errors import InputError, Place, SizeError
from tensorgrad.notation import Condition, Scope, parse, parse_conditions, parse_scope
from tensorgrad.notation.conditions import laws_let, laws_of
from tensorgrad.numeric import size_symbols
from tensorgrad.rule import RuleSet
from tensorgrad.tensor import Expectation, Law, Tensor, Variable, postorder, walk, with_children

Conditions = str | Sequence[Condition]

LONGEST_SIZE = 400
"""Most digits of a size, as of any number."""


def check_arguments(let: object, if_: object, rules: object, seconds: object, nodes: object) -> None:
    """InputError that names the argument of a wrong type or range, and says what is expected there."""
    if not isinstance(let, str):
        raise InputError(f"let={_shown(let)}: expected a text of declarations, as in let='A : n m ; x : m'")
    facts = isinstance(if_, str) or (
        isinstance(if_, Sequence) and all(isinstance(c, Condition) for c in cast("Sequence[object]", if_))
    )
    if not facts:
        raise InputError(f"if_={_shown(if_)}: expected a text of facts, as in if_='invertible(A)'")
    if rules is not None and not isinstance(rules, RuleSet):
        raise InputError(
            f"rules={_shown(rules)}: expected a RuleSet, as tg.library().select('inv*') or RuleSet.from_file(path)"
        )
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise InputError(f"seconds={_shown(seconds)}: expected a number, 0 or more")
    if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 1:
        raise InputError(f"nodes={_shown(nodes)}: expected a positive integer")


def check_expression(expression: object) -> None:
    """InputError unless it is a tensor or a text."""
    if not isinstance(expression, Tensor | str):
        raise InputError(f"{_shown(expression)} is not an expression: expected a Tensor, or a text with let='A : n m'")


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text[:60]}..." if len(text) > 60 else text


def read_expression(expression: Tensor | str, let: str, if_: Conditions) -> tuple[Tensor, tuple[Condition, ...]]:
    """The tensor and the conditions; texts are read with the declarations `let`, or with the tensor's variables.

    Laws among the conditions are those of the expectations that leave theirs open.
    """
    check_expression(expression)
    scope = _scope_of(expression) if isinstance(expression, Tensor) and not let else parse_scope(let)
    conditions = parse_conditions(if_, scope) if isinstance(if_, str) and if_.strip() else ()
    if not isinstance(if_, str):
        conditions = tuple(if_)
    if isinstance(expression, Tensor):
        sides = [side for c in conditions for side in (c.tensor, c.right) if side is not None]
        check_variables([expression, *sides])
        if let:
            conditions += laws_let(scope, [expression], conditions)
        return _with_laws(expression, laws_of(conditions)), (*conditions, *equations_of(expression))
    t = parse(expression, if_=if_ if isinstance(if_, str) else "", scope=scope)
    return t, (*conditions, *laws_let(scope, [t], conditions))


def _with_laws(t: Tensor, laws: Mapping[str, Law]) -> Tensor:
    """`t` with the laws that its expectations left open."""
    if not laws:
        return t
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        new = with_children(node, tuple(done[id(child)] for child in node.children))
        if isinstance(new, Expectation) and new.law is None and new.variable.name in laws:
            new = Expectation.of(new.kind, new.args, new.variable, laws[new.variable.name], new.edges, new.dims)
        done[id(node)] = new
    return done[id(t)]


def symbols_of(tensors: Iterable[Tensor], conditions: Iterable[Condition]) -> list[str]:
    """All size symbols that expressions and conditions have, sorted."""
    sides = [side for c in conditions for side in (c.tensor, c.right) if side is not None]
    return sorted({symbol for t in (*tensors, *sides) for symbol in size_symbols(t)})


def equations_of(t: Tensor) -> tuple[Condition, ...]:
    """The equations that the variables of an expression were declared with."""
    return tuple(
        Condition("equation", left, None, right, None, Place("", 0)) for v in t.variables for left, right in v.equations
    )


def _scope_of(t: Tensor) -> Scope:
    return parse_scope(t.declarations) if any(isinstance(node, Variable) for node in walk(t)) else Scope()


def read_dims(dims: Mapping[Any, int] | None, symbols: Iterable[str], complete: bool = True) -> dict[str, int]:
    """Sizes by symbol name, checked against the `symbols` there are; empty when none are given.

    Raises SizeError for an unknown symbol, a size that is no positive integer, and (`complete`) a symbol without one.
    """
    known = sorted(symbols)
    found: dict[str, int] = {}
    if dims is not None and not isinstance(dims, Mapping):  # type: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"dims={_shown(dims)}: expected sizes by symbol, as in dims={{'n': 1000}}")
    for key, value in (dims or {}).items():
        name = str(key)
        if name not in known:
            near = get_close_matches(name, known, n=2)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            raise SizeError(
                f"dims: {name} is no size of the expression{hint}; its sizes are {', '.join(known) or 'none'}"
            )
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # type: ignore[reportUnnecessaryIsInstance]
            raise SizeError(f"dims: {name}={value!r} is not a size: sizes are positive integers")
        found[name] = value
    missing = [s for s in known if s not in found]
    if found and complete and missing:
        given = ", ".join(f"{s}={v}" for s, v in found.items())
        raise SizeError(f"dims: no size for {', '.join(missing)} (given: {given}); add {missing[0]}=1000")
    return found


def parse_dims(text: str) -> dict[str, int]:
    """A size for each symbol, as a person writes them. Raises SizeError for what is no size.

    >>> parse_dims("n=3000, m=10")
    {'n': 3000, 'm': 10}
    """
    found: dict[str, int] = {}
    for item in text.replace(" ", ",").split(","):
        if not item:
            continue
        symbol, equals, number = item.partition("=")
        if not equals or not symbol.isidentifier():
            raise SizeError(f"{item!r} is not a size: write symbol=integer, as in n=1000,m=10")
        if not number.isdecimal() or not number.isascii():
            raise SizeError(f"{symbol}={number}: a size is a positive integer")
        if len(number) > LONGEST_SIZE:
            raise SizeError(f"{symbol}={number[:10]}...: a size of more than {LONGEST_SIZE} digits")
        if int(number) == 0:
            raise SizeError(f"{symbol}=0: a size is a positive integer, sizes start at 1")
        if found.setdefault(symbol, int(number)) != int(number):
            raise SizeError(f"{symbol} is given twice, as {found[symbol]} and {number}")
    return found
