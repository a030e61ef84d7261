"""Roots and logarithms of numbers as they are read: `sqrt(6 * x)` for `sqrt(2) * sqrt(3) * sqrt(x)`, `log(6)` for
`log(2) + log(3)`.

Diagrams hold them in primes (see `surds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm, prod

from tensorgrad.function import FUNCTIONS
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Product, Scalar, Tensor

HALF = Poly.constant(Fraction(1, 2))
_LARGEST_READ = 10**6
"""Logarithms of larger numbers than this are shown as sums."""


def square_root(args: Sequence[Tensor]) -> Apply | None:
    """The square root that pow(base, 1/2) is; None for another exponent."""
    base, exponent = args
    return Apply(FUNCTIONS["sqrt"], (base,)) if isinstance(exponent, Scalar) and exponent.value is HALF else None


def one_number(factors: list[Tensor]) -> list[Tensor]:
    """The factors with those that are numbers multiplied, roots of numbers of one degree, and put under a square root."""
    numbers = [f for f in factors if isinstance(f, Scalar)]
    if len(numbers) > 1:
        value = ONE
        for number in numbers:
            value = value * number.value
        factors = [Scalar(value), *(f for f in factors if not isinstance(f, Scalar))]
    return _under_root(_one_root(factors))


def _one_root(factors: list[Tensor]) -> list[Tensor]:
    roots = [(k, root) for k, f in enumerate(factors) if (root := _root(f)) is not None]
    if len(roots) < 2:
        return factors
    by_exponent: dict[Poly, Fraction] = {}
    for _, (base, exponent) in roots:
        by_exponent[exponent] = by_exponent.get(exponent, Fraction(1)) * base
    merged = [_power(Scalar(Poly.constant(base)), exponent) for exponent, base in by_exponent.items()]
    first, gone = roots[0][0], {k for k, _ in roots}
    return [*factors[:first], *merged, *(f for k, f in enumerate(factors) if k > first and k not in gone)]


def _under_root(factors: list[Tensor]) -> list[Tensor]:
    """`sqrt(2) * sqrt(x)` as `sqrt(2 * x)`, `sqrt(2) * sqrt(x) / 2` as `sqrt(x / 2)`, over `sqrt(x)` as `1 / sqrt(2 * x)`."""
    roots = [(k, root[0]) for k, f in enumerate(factors) if (root := _root(f)) is not None and root[1] is HALF]
    others = [(k, *found) for k, f in enumerate(factors) if (found := _square_rooted(f)) is not None]
    if len(others) != 1 or len(roots) != 1:
        return factors
    ((root, number),) = roots
    ((at, base, sign),) = others
    scale = next((f.value for f in factors if isinstance(f, Scalar)), ONE)
    over = scale.is_constant and scale.number.denominator % number.numerator == 0
    if sign < 0 and not over:
        return factors
    if over:
        scale, number = scale * Poly.constant(number), number if sign < 0 else 1 / number
    under = one_number([Scalar(Poly.constant(number)), *(base.factors if isinstance(base, Product) else [base])])
    merged = _power(Product(under, base.edges), HALF * sign)
    rest = [merged if k == at else f for k, f in enumerate(factors) if k != root and not isinstance(f, Scalar)]
    return rest if scale is ONE else [Scalar(scale), *rest]


def _square_rooted(t: Tensor) -> tuple[Tensor, int] | None:
    """The base and the sign of the exponent of a power to 1/2 or -1/2; None for a number's."""
    if not isinstance(t, Apply) or t.function.name not in ("pow", "sqrt") or t.function.derivative:
        return None
    base, *rest = t.args
    if isinstance(base, Scalar) or (rest and not isinstance(rest[0], Scalar)):
        return None
    exponent = rest[0].value if rest and isinstance(rest[0], Scalar) else HALF
    return (base, 1) if exponent is HALF else (base, -1) if exponent is -HALF else None


def _root(t: Tensor) -> tuple[Fraction, Poly] | None:
    if not isinstance(t, Apply) or t.function.name not in ("pow", "sqrt") or t.function.derivative:
        return None
    base, *rest = t.args
    exponent = rest[0].value if rest and isinstance(rest[0], Scalar) else HALF if not rest else None
    if exponent is None or not isinstance(base, Scalar) or not (base.value.is_constant and exponent.is_constant):
        return None
    return (base.value.number, exponent) if exponent.number.denominator != 1 else None


def _power(base: Tensor, exponent: Poly) -> Tensor:
    args = (base, Scalar(exponent))
    root = square_root(args)
    return Apply(FUNCTIONS["pow"], args) if root is None else root


def one_logarithm(terms: list[Tensor], weights: list[Fraction]) -> tuple[list[Tensor], list[Fraction]]:
    """Terms and their weights, logarithms of numbers added up unless the number becomes too large to be read."""
    logs = {k: base for k, t in enumerate(terms) if (base := _logged(t)) is not None}
    if len(logs) < 2:
        return terms, weights
    common = Fraction(gcd(*(weights[k].numerator for k in logs)), lcm(*(weights[k].denominator for k in logs)))
    times = {k: int(weights[k] / common) for k in logs}
    if sum(abs(times[k]) * base.bit_length() for k, base in logs.items()) > _LARGEST_READ.bit_length():
        return terms, weights
    number = prod((Fraction(base) ** times[k] for k, base in logs.items()), start=Fraction(1))
    if number < 1:
        number, common = 1 / number, -common
    others = [k for k in range(len(terms)) if k not in logs]
    logarithm = Apply(FUNCTIONS["log"], (Scalar(Poly.constant(number)),))
    return [*(terms[k] for k in others), logarithm], [*(weights[k] for k in others), common]


def _logged(t: Tensor) -> int | None:
    """p of log(p), a whole number."""
    if (
        not isinstance(t, Apply)
        or t.function.name != "log"
        or t.function.derivative
        or not isinstance(t.args[0], Scalar)
    ):
        return None
    value = t.args[0].value
    return int(value.number) if value.is_constant and value.number.denominator == 1 else None
