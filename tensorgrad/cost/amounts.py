"""Numbers of operations and entries as a person reads them."""

from __future__ import annotations

from decimal import Decimal

from tensorgrad.sizes import Poly


def amount(value: Poly | int) -> str:
    """A number of operations or entries as a person reads it.

    >>> amount(5400), amount(54_018_000), amount(Poly.symbol("n") ** 3 * 2)
    ('5,400', '5.402e+07', '2*n**3')
    """
    if isinstance(value, Poly):
        return str(value)
    if abs(value) < 1_000_000:
        return f"{value:,}"
    return f"{value:.3e}" if abs(value) < 10**300 else f"{Decimal(value):.3e}"
