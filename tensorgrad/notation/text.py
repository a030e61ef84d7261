"""Pieces of printed text with their binding strength, and how they are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from tensorgrad.sizes import Poly, rational_text

ADD, MUL, UNARY, POWER, ATOM = 1, 2, 3, 4, 5

MOST_COPIES = 6
"""Equal factors that are written as a power."""


class Text(NamedTuple):
    """A printed expression and how tightly its outermost operator binds."""

    s: str
    level: int = ATOM

    def at_least(self, level: int) -> str:
        """The text, in parentheses if it binds less tightly than `level`."""
        return self.s if self.level >= level else f"({self.s})"


def number(value: Fraction) -> Text:
    """A rational number."""
    if value < 0:
        return Text(rational_text(value), MUL if value.denominator != 1 else UNARY)
    return Text(rational_text(value), ATOM if value.denominator == 1 else MUL)


def poly(value: Poly) -> Text:
    """A number or a polynomial in sizes."""
    if value.is_constant:
        return number(value.number)
    text = str(value)
    level = ADD if len(value.terms) > 1 else UNARY if text.startswith("-") else MUL if "*" in text else ATOM
    return Text(text, level)


def call(name: str, *arguments: str) -> Text:
    """`name(a, b)`"""
    return Text(f"{name}({', '.join(arguments)})")


def index(base: Text, letters: Iterable[str]) -> Text:
    """`base[i, j]`; nothing for no letters."""
    listed = ", ".join(letters)
    return Text(f"{base.at_least(ATOM)}[{listed}]") if listed else base


def transposed(text: Text) -> Text:
    """`text.T`"""
    return Text(f"{text.at_least(ATOM)}.T")


def raised(base: Text, exponent: Text) -> Text:
    """`base ** exponent`"""
    return Text(f"{_partial(base).at_least(ATOM)} ** {exponent.at_least(ATOM)}", POWER)


def _partial(text: Text) -> Text:
    """A base or divisor; the number 0, whose negative powers the notation rejects, as a sum that is 0."""
    return Text("sum(zeros[1])") if text.s == "0" else text


def split_coefficient(value: Poly) -> tuple[bool, list[Text], list[Text]]:
    """A coefficient as sign, factors above and factors below the fraction bar."""
    if len(value.terms) != 1:
        return False, [poly(value)], []
    monomial, coefficient = value.terms[0]
    above = [Text(s) if e == 1 else Text(f"{s}**{e}", POWER) for s, e in monomial if e > 0]
    below = [Text(s) if e == -1 else Text(f"{s}**{-e}", POWER) for s, e in monomial if e < 0]
    top, bottom = abs(coefficient.numerator), coefficient.denominator
    return (
        coefficient < 0,
        [*([number(Fraction(top))] if top != 1 else []), *above],
        [*([number(Fraction(bottom))] if bottom != 1 else []), *below],
    )


def powers(factors: Sequence[Text]) -> list[Text]:
    """Factors that are written alike as a power of one; beyond `MOST_COPIES` a power is another node."""
    counted = Counter(t.s for t in factors)
    first = {t.s: t for t in reversed(factors)}
    found: list[Text] = []
    for s, count in counted.items():
        copies = 1 < count <= MOST_COPIES
        found += [raised(first[s], Text(str(count)))] if copies else [first[s]] * count
    return found


def product(coefficient: Poly, above: Sequence[Text], below: Sequence[Text], last: Text | None = None) -> Text:
    """`coefficient * above * ... * last / below`; `last` may be a chain of @, which is not put in parentheses."""
    negative, tops, bottoms = split_coefficient(coefficient)
    above, below = powers(above), powers(below)
    if len(coefficient.terms) > 1 and not above and not below and last is None:
        return poly(coefficient)
    factors = [t.at_least(POWER) for t in (*tops, *above)]
    if last is not None:
        alone = not factors and not bottoms and not below
        if alone and not negative:
            return last
        factors.append(last.at_least(MUL))
    dividers = [_partial(t).at_least(POWER) for t in (*bottoms, *below)]
    if not factors:
        factors = ["1"]
    divided = f" / ({' * '.join(dividers)})" if len(dividers) > 1 else "".join(f" / {d}" for d in dividers)
    text = " * ".join(factors) + divided
    single = len(factors) == 1 and not dividers
    if negative:
        return Text(f"-{text}", UNARY if single else MUL)
    if not single:
        return Text(text, MUL)
    return next((t for t in (*tops, *above) if t.at_least(POWER) == text), Text(text, POWER))


def summed(terms: Sequence[Text]) -> Text:
    """`a + b - c`, starting with a term without a minus if there is one; a sum among the terms keeps its parentheses."""
    if len(terms) > 1:
        terms = [Text(t.at_least(MUL), max(t.level, MUL)) for t in terms]
    first = next((k for k, t in enumerate(terms) if not t.s.startswith("-")), 0)
    ordered = [terms[first], *terms[:first], *terms[first + 1 :]]
    text = ordered[0].s
    for term in ordered[1:]:
        text += f" - {term.s[1:]}" if term.s.startswith("-") else f" + {term.s}"
    return ordered[0] if len(ordered) == 1 else Text(text, ADD)


def fewest_transposes(*options: Text | None) -> Text | None:
    """The option with the fewest `.T`, then the shortest; None if there is none."""
    found = [t for t in options if t is not None]
    return min(found, key=lambda t: (t.s.count(".T"), len(t.s))) if found else None
