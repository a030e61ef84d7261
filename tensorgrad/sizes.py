"""Symbolic sizes and coefficients: Laurent polynomials in size symbols with rational coefficients.

A `Poly` is interned, so equal polynomials are the same object and comparing them is `is`. A size is a `Poly`
that a positive integer can be read from (`n`, `n*m`, `n + 1`, `3`). sympy is imported only to convert.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from typing import Any, ClassVar, Union

from tensorgrad.errors import SizeError

Monomial = tuple[tuple[str, int], ...]
"""Symbols with their non-zero exponents, sorted by symbol."""

SizeLike = Union["Poly", int, str, Any]
"""What a user may write for a size: an int, a symbol's name, a sympy expression, or a Poly."""


class Poly:
    """An interned Laurent polynomial, `sum(c * n**a * m**b ...)`, exact and immutable.

    >>> n = Poly.symbol("n")
    >>> str((n + 1) * n), (n + n) is (2 * n)
    ('n**2 + n', True)
    """

    __slots__ = ("_shown", "symbol_name", "symbols", "terms")
    _table: ClassVar[dict[tuple[tuple[Monomial, Fraction], ...], Poly]] = {}
    terms: tuple[tuple[Monomial, Fraction], ...]
    symbols: tuple[str, ...]
    """Names of the symbols it contains, sorted."""
    symbol_name: str | None
    """The symbol's name if it is one symbol and nothing else."""

    def __new__(cls, terms: Mapping[Monomial, Fraction]) -> Poly:
        key = tuple(sorted((m, c) for m, c in terms.items() if c))
        found = cls._table.get(key)
        if found is None:
            found = super().__new__(cls)
            found.terms = key
            found._shown = ""
            found.symbols = tuple(sorted({s for m, _ in key for s, _ in m}))
            alone = len(key) == 1 and key[0][1] == 1 and len(key[0][0]) == 1 and key[0][0][0][1] == 1
            found.symbol_name = key[0][0][0][0] if alone else None
            cls._table[key] = found
        return found

    @staticmethod
    def constant(value: int | Fraction) -> Poly:
        """The number `value`."""
        return Poly({(): Fraction(value)})

    @staticmethod
    def symbol(name: str) -> Poly:
        """The size symbol `name`."""
        return Poly({((name, 1),): Fraction(1)})

    @property
    def is_constant(self) -> bool:
        """Whether it contains no symbol."""
        return not self.terms or (len(self.terms) == 1 and not self.terms[0][0])

    @property
    def is_monomial(self) -> bool:
        """Whether it has exactly one term (so it is non-zero for positive sizes)."""
        return len(self.terms) == 1

    @property
    def number(self) -> Fraction:
        """Its value when it contains no symbol; SizeError otherwise."""
        if not self.terms:
            return Fraction(0)
        if not self.is_constant:
            raise SizeError(f"{self} is not a number: it contains {', '.join(self.symbols)}; give these a value")
        return self.terms[0][1]

    def evaluate(self, dims: Mapping[str, int]) -> Fraction:
        """Its value with `dims` for the symbols; SizeError names a symbol without a value."""
        total = Fraction(0)
        for monomial, coefficient in self.terms:
            value = coefficient
            for symbol, exponent in monomial:
                if symbol not in dims:
                    raise SizeError(f"the size {symbol} has no value; give it, for example dims={symbol}=3")
                value *= Fraction(dims[symbol]) ** exponent
            total += value
        return total

    def substitute(self, sizes: Mapping[str, Poly]) -> Poly:
        """Replace symbols by polynomials; negative powers only of monomials."""
        if not any(s in sizes for s in self.symbols):
            return self
        total = ZERO
        for monomial, coefficient in self.terms:
            value = Poly.constant(coefficient)
            for symbol, exponent in monomial:
                value = value * sizes.get(symbol, Poly.symbol(symbol)) ** exponent
            total = total + value
        return total

    def __add__(self, other: Poly | int | Fraction) -> Poly:
        return _add(self, as_poly(other))

    def __mul__(self, other: Poly | int | Fraction) -> Poly:
        return _multiply(self, as_poly(other))

    def __sub__(self, other: Poly | int | Fraction) -> Poly:
        return _add(self, _multiply(MINUS_ONE, as_poly(other)))

    def __rsub__(self, other: int | Fraction) -> Poly:
        return as_poly(other) - self

    def __neg__(self) -> Poly:
        return _multiply(MINUS_ONE, self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Poly:
        if exponent < 0:
            return self.inverse() ** -exponent
        result = ONE
        for _ in range(exponent):
            result = result * self
        return result

    def inverse(self) -> Poly:
        """1 over a monomial; SizeError for a sum, whose inverse is no Laurent polynomial."""
        return _inverse(self)

    def content(self) -> Poly:
        """The largest monomial that divides every term, positive: `6*n**2 + 4*n` has content `2*n`."""
        return content_of((self,))

    def divide(self, other: Poly) -> Poly | None:
        """The exact quotient self / other if it is a Laurent polynomial, else None."""
        if other is ONE:
            return self
        if other.is_monomial:
            return self * other.inverse()
        return _divide(self, other)

    def sympy(self) -> Any:
        """The same as a sympy expression in positive integer symbols, or an int for a constant integer."""
        from sympy import Integer, Rational, Symbol

        total: Any = Integer(0)
        for monomial, coefficient in self.terms:
            value: Any = Rational(coefficient.numerator, coefficient.denominator)
            for symbol, exponent in monomial:
                value = value * Symbol(symbol) ** exponent
            total = total + value
        return int(total) if self.is_constant and self.number.denominator == 1 else total

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __lt__(self, other: Poly) -> bool:
        return self.terms < other.terms

    def __str__(self) -> str:
        if not self._shown:
            self._shown = _text(self.terms)
        return self._shown

    def __repr__(self) -> str:
        return f"Poly({str(self)!r})"

    def __reduce__(self) -> Any:
        return Poly, (dict(self.terms),)


@lru_cache(maxsize=1 << 14)
def _inverse(p: Poly) -> Poly:
    if not p.is_monomial:
        raise SizeError(f"1/({p}) is not a Laurent polynomial")
    monomial, coefficient = p.terms[0]
    return Poly({tuple((s, -e) for s, e in monomial): 1 / coefficient})


@lru_cache(maxsize=65536)
def _add(a: Poly, b: Poly) -> Poly:
    terms = dict(a.terms)
    for monomial, coefficient in b.terms:
        terms[monomial] = terms.get(monomial, Fraction(0)) + coefficient
    return Poly(terms)


@lru_cache(maxsize=65536)
def _multiply(a: Poly, b: Poly) -> Poly:
    terms: dict[Monomial, Fraction] = {}
    for m1, c1 in a.terms:
        for m2, c2 in b.terms:
            exponents = dict(m1)
            for symbol, exponent in m2:
                exponents[symbol] = exponents.get(symbol, 0) + exponent
            monomial = tuple((s, e) for s, e in sorted(exponents.items()) if e)
            terms[monomial] = terms.get(monomial, Fraction(0)) + c1 * c2
    return Poly(terms)


@lru_cache(maxsize=4096)
def _divide(a: Poly, b: Poly) -> Poly | None:
    from sympy import Poly as SympyPoly
    from sympy import Symbol, div

    shift_a, shift_b = a.content(), b.content()
    numerator, denominator = a * shift_a.inverse(), b * shift_b.inverse()
    generators = [Symbol(s) for s in sorted({*numerator.symbols, *denominator.symbols})]
    quotient, rest = div(
        SympyPoly(numerator.sympy(), *generators, domain="QQ"),
        SympyPoly(denominator.sympy(), *generators, domain="QQ"),
    )
    if not rest.is_zero:
        return None
    return from_sympy(quotient.as_expr()) * shift_a * shift_b.inverse()


def _text(terms: Iterable[tuple[Monomial, Fraction]]) -> str:
    ordered = sorted(terms, key=lambda t: (-sum(e for _, e in t[0]), t[1] < 0, t[0]))
    parts: list[str] = []
    for monomial, coefficient in ordered:
        factors = [s if e == 1 else f"{s}**{e}" if e > 0 else f"{s}**({e})" for s, e in monomial]
        magnitude = abs(coefficient)
        if magnitude != 1 or not factors:
            number = rational_text(magnitude)
            number = number if magnitude.denominator == 1 or not factors else f"({number})"
            factors.insert(0, number)
        sign = "-" if coefficient < 0 else "+"
        parts.append(f" {sign} {'*'.join(factors)}" if parts else f"{'-' if sign == '-' else ''}{'*'.join(factors)}")
    return "".join(parts) or "0"


def rational_text(value: Fraction) -> str:
    """A rational number in the notation: long ones in parts of at most 400 digits, which is what the notation reads.

    >>> rational_text(Fraction(10**20)), rational_text(Fraction(-1, 3))
    ('1e20', '-1/3')
    """
    text = _integer_text(abs(value.numerator))
    if value.denominator != 1:
        text += f"/{_integer_text(value.denominator)}"
    return f"-{text}" if value < 0 else text


def _integer_text(value: int) -> str:
    """The digits of a natural number; powers of ten are split off, `12e20`, and long ones are `(a*1e400 + b)`."""
    if value < 10**15:
        return str(value)
    zeros = 0
    while value % _LARGEST_LITERAL == 0:
        value, zeros = value // _LARGEST_LITERAL, zeros + _LONGEST_LITERAL
    low = str(value % _LARGEST_LITERAL)
    rest = len(low) - len(low.rstrip("0"))
    if rest >= 15 or zeros:
        value, zeros = value // 10**rest, zeros + rest
    text = _in_parts(value)
    if not zeros:
        return text
    if zeros <= _LONGEST_LITERAL and not text.startswith("("):
        return f"{text}e{zeros}"
    powers = [f"1e{_LONGEST_LITERAL}"] * (zeros // _LONGEST_LITERAL)
    powers += [f"1e{zeros % _LONGEST_LITERAL}"] if zeros % _LONGEST_LITERAL else []
    return f"({'*'.join(powers if value == 1 else [text, *powers])})"


def _in_parts(value: int) -> str:
    parts: list[int] = []
    while value:
        value, part = divmod(value, _LARGEST_LITERAL)
        parts.append(part)
    text = str(parts[-1])
    for part in reversed(parts[:-1]):
        text = f"({text}*1e{_LONGEST_LITERAL} + {part})"
    return text


_LONGEST_LITERAL = 400
_LARGEST_LITERAL = 10**_LONGEST_LITERAL

ZERO = Poly({})
ONE = Poly.constant(1)
MINUS_ONE = Poly.constant(-1)


def content_of(polys: Iterable[Poly]) -> Poly:
    """The largest positive rational monomial that divides every term of every polynomial."""
    terms = [t for p in polys for t in p.terms]
    numerator = gcd(*(c.numerator for _, c in terms))
    denominator = lcm(*(c.denominator for _, c in terms))
    exponents = [dict(m) for m, _ in terms]
    common = [(s, min(e.get(s, 0) for e in exponents)) for s in sorted({s for e in exponents for s in e})]
    return Poly({tuple((s, e) for s, e in common if e): Fraction(numerator, denominator)})


def means_in(terms: Iterable[tuple[Poly, Poly]]) -> Poly:
    """For coefficients of terms, each with the number of entries that the term sums: what to multiply `content_of` by.

    A size (or a prime) is taken out as often as the term has it that grows least with it; among equals, the term that
    has it most. So whatever all coefficients are multiplied by is taken out, and a mean's 1/n is not.

    >>> n = Poly.symbol("n")
    >>> content_of([ONE, n.inverse()]), means_in([(ONE, ONE), (n.inverse(), n)])
    (Poly('n**(-1)'), Poly('n'))
    """
    pairs = list(terms)
    factor = ONE
    for base in sorted({b for _, weight in pairs for b in _bases(weight)}, key=str):
        own = [_exponent(c, base) for c, _ in pairs]
        grown = [mine + _exponent(weight, base) for mine, (_, weight) in zip(own, pairs, strict=True)]
        taken = max(mine for mine, whole in zip(own, grown, strict=True) if whole == min(grown))
        unit = Poly.symbol(base) if isinstance(base, str) else Poly.constant(base)
        factor = factor * unit ** (taken - min(own))
    return factor


@lru_cache(maxsize=4096)
def _bases(weight: Poly) -> tuple[str | int, ...]:
    """The symbols and prime numbers that divide a size."""
    content = content_of((weight,))
    monomial, number = content.terms[0]
    whole, found, prime = number.numerator, list[str | int](s for s, _ in monomial), 2
    while whole > 1:
        if prime * prime > whole:
            prime = whole
        if whole % prime == 0:
            found.append(prime)
            while whole % prime == 0:
                whole //= prime
        prime += 1
    return tuple(found)


def _exponent(p: Poly, base: str | int) -> int:
    """How often a symbol or a prime number divides a polynomial."""
    monomial, number = content_of((p,)).terms[0]
    if isinstance(base, str):
        return dict(monomial).get(base, 0)
    exponent, top, bottom = 0, number.numerator, number.denominator
    while top % base == 0:
        top, exponent = top // base, exponent + 1
    while bottom % base == 0:
        bottom, exponent = bottom // base, exponent - 1
    return exponent


def as_poly(value: Poly | int | Fraction) -> Poly:
    """`value` as a polynomial."""
    return value if isinstance(value, Poly) else Poly.constant(value)


def from_sympy(expression: Any) -> Poly:
    """A sympy expression (sums, products and integer powers of symbols and rationals) as a Poly.

    Raises SizeError for anything else, naming the expression.
    """
    from sympy import Rational, expand

    total: dict[Monomial, Fraction] = {}
    for term, number in expand(expression).as_coefficients_dict().items():
        powers = term.as_powers_dict()
        monomial: list[tuple[str, int]] = []
        ratio: Any = Rational(number)
        coefficient = Fraction(int(ratio.p), int(ratio.q))
        for base, exponent in powers.items():
            if base == 1:
                continue
            if not (base.is_Symbol and exponent.is_Integer):
                raise SizeError(f"{expression} is not a size: use sums and products of symbols and integers")
            monomial.append((str(base), int(exponent)))
        key = tuple(sorted(monomial))
        total[key] = total.get(key, Fraction(0)) + coefficient
    return Poly(total)


def size(value: SizeLike) -> Poly:
    """Read a size: a positive integer, a symbol's name, a sympy expression or a Poly.

    Raises SizeError for 0, negative numbers, fractions and other objects.

    >>> size("n"), size(3)
    (Poly('n'), Poly('3'))
    """
    if isinstance(value, bool):
        raise SizeError(f"{value!r} is not a size: use a positive integer or a symbol")
    if isinstance(value, Poly):
        result = value
    elif isinstance(value, int):
        result = Poly.constant(value)
    elif isinstance(value, str):
        if not re.fullmatch(r"[^\W\d]\w*", value):
            raise SizeError(
                f"{value!r} is not a size symbol: use a name such as 'n', an integer, or a sympy expression"
            )
        result = Poly.symbol(value)
    elif hasattr(value, "free_symbols"):
        result = from_sympy(value)
    else:
        raise SizeError(f"{value!r} is not a size: use a positive integer, a symbol's name or a sympy expression")
    if not result or (result.is_constant and (result.number <= 0 or result.number.denominator != 1)):
        raise SizeError(f"the size {result} is not a positive integer: sizes start at 1")
    return result


def symbols(names: str) -> Any:
    """Size symbols as sympy symbols: `n, m = symbols("n m")` (sympy.symbols).

    >>> symbols("n m")
    (n, m)
    """
    from sympy import symbols as sympy_symbols

    return sympy_symbols(names)
