"""What a caller may give: a text or a tensor, facts, sizes by symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from tensorgrad.errors import Place, SizeError
from tensorgrad.notation import Condition, Scope, parse, parse_conditions, parse_scope
from tensorgrad.tensor import Tensor, Variable, walk

Conditions = str | Sequence[Condition]


def read_expression(expression: Tensor | str, let: str, if_: Conditions) -> tuple[Tensor, tuple[Condition, ...]]:
    """The tensor and the conditions; texts are read with the declarations `let`, or with the tensor's variables."""
    scope = _scope_of(expression) if isinstance(expression, Tensor) and not let else parse_scope(let)
    conditions = parse_conditions(if_, scope) if isinstance(if_, str) and if_.strip() else ()
    if not isinstance(if_, str):
        conditions = tuple(if_)
    if isinstance(expression, Tensor):
        return expression, (*conditions, *equations_of(expression))
    return parse(expression, if_=if_ if isinstance(if_, str) else "", scope=scope), conditions


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
