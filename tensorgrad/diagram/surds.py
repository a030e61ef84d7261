"""Positive numbers as products of primes to fractions: one form for roots and logarithms of numbers.

`sqrt(8)` is `2 * 2**(1/2)`, `1 / sqrt(2)` is `1/2 * 2**(1/2)`, `log(12)` is `2 * log(2) + log(3)`: what stands under a root
or a logarithm is a prime, and a prime's exponent is between 0 and 1. Products of such roots are independent over the
rationals, so equal numbers are equal diagrams. Powers of pi in a product are one power of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Ref
from tensorgrad.sizes import ONE, Poly

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store

Surd = Mapping[int, Fraction]
"""Prime -> exponent, not zero."""

_LARGEST = 1 << 64
"""Numbers above it are not taken apart."""
_SMALL = 1 << 24
_MOST_BITS = 4096


def read(store: Store, handle: Handle) -> Surd | None:
    """The positive number that a handle of order 0 is, in primes; None where it is none, or has too large a part."""
    network = store.network_of(handle)
    if network is None:
        root = _root(store, handle)
        return dict([root]) if root is not None else None
    if not network.coefficient.is_constant or network.dims or any(h < FLAT for h, _ in network.operands):
        return None
    roots = [_root(store, h) for h, _ in network.operands]
    primes = _in_primes(network.coefficient.number)
    if primes is None or None in roots:
        return None
    return {**primes, **_sum([primes, *(dict([root]) for root in roots if root is not None)])}


def _root(store: Store, handle: Handle) -> tuple[int, Fraction] | None:
    """The prime and its exponent, for a handle that is a root of a prime."""
    power = store.power_of(handle)
    if power is None or store.dims[handle]:
        return None
    base, exponent = (store.constant_value(h) for h, _ in power.args)
    if base is None or exponent is None or not (base.is_constant and exponent.is_constant):
        return None
    found = _in_primes(base.number)
    if found is None or len(found) != 1 or exponent.number.denominator == 1:
        return None
    ((prime, times),) = found.items()
    return prime, times * exponent.number


def _sum(parts: list[Surd]) -> dict[int, Fraction]:
    total: dict[int, Fraction] = {}
    for part in parts:
        for prime, times in part.items():
            total[prime] = total.get(prime, Fraction(0)) + times
    return {prime: times for prime, times in total.items() if times}


@lru_cache(maxsize=4096)
def _in_primes(number: Fraction) -> Surd | None:
    if number <= 0 or max(number.numerator, number.denominator) > _LARGEST:
        return None
    above, below = _factors(number.numerator), _factors(number.denominator)
    return {**{p: Fraction(k) for p, k in above.items()}, **{p: Fraction(-k) for p, k in below.items()}}


def _factors(number: int) -> Mapping[int, int]:
    """Prime -> times. What is written by hand is small: sympy, which takes long to load, is for large numbers."""
    if number > _SMALL:
        from sympy import factorint

        return factorint(number)
    found: dict[int, int] = {}
    prime = 2
    while prime * prime <= number:
        while number % prime == 0:
            found[prime] = found.get(prime, 0) + 1
            number //= prime
        prime += 1
    return found if number == 1 else {**found, number: found.get(number, 0) + 1}


def root(store: Store, base: Handle, exponent: Fraction) -> Ref | None:
    """A positive number to a fraction; None where it is a root of a prime already, or the base is no such number."""
    surd = read(store, base)
    if surd is None:
        return None
    powers = {prime: times * exponent for prime, times in surd.items()}
    if store.constant_value(base) is not None and len(powers) == 1:
        ((prime, times),) = powers.items()
        if 0 < times < 1 and surd[prime] == 1:
            return None
    whole = {prime: floor(times) for prime, times in powers.items()}
    if sum(abs(k) * prime.bit_length() for prime, k in whole.items()) > _MOST_BITS:
        return None
    return _write(store, powers)


def _write(store: Store, surd: Surd) -> Ref:
    from tensorgrad.diagram.applications import power_node

    coefficient, draft = Fraction(1), Draft()
    for prime, times in sorted(surd.items()):
        whole = floor(times)
        coefficient *= Fraction(prime) ** whole
        if times != whole:
            base = store.constant(Poly.constant(prime))[0]
            draft.operands.append((power_node(store, base, Poly.constant(times - whole)), []))
    draft.coefficient = Poly.constant(coefficient)
    return store.network(draft)


def logarithm(store: Store, number: Handle) -> Ref | None:
    """The logarithm of a positive number by those of its primes; None where it is a prime, or no such number."""
    from tensorgrad.diagram.applications import apply
    from tensorgrad.function import FUNCTIONS

    surd = read(store, number)
    if surd is None or (len(surd) == 1 and set(surd.values()) == {1}):
        return None
    terms = [
        (Poly.constant(times), apply(store, FUNCTIONS["log"], [(store.constant(Poly.constant(prime)), ())]))
        for prime, times in sorted(surd.items())
    ]
    return store.total(terms, ())


def merge_roots(store: Store, draft: Draft) -> None:
    """Roots of one prime in a product become one, and what is whole goes into the coefficient; powers of pi likewise."""
    _merge_roots_of_primes(store, draft)
    _merge_powers_of_pi(store, draft)


def _merge_powers_of_pi(store: Store, draft: Draft) -> None:
    from tensorgrad.diagram.powers import copies_or_power

    found = {k: e for k, (h, _) in enumerate(draft.operands) if h >= FLAT and (e := _of_pi(store, h)) is not None}
    if len(found) < 2 or all(exponent is ONE for _, exponent in found.values()):
        return
    (pi, total), *others = found.values()
    for _, exponent in others:
        total = total + exponent
    draft.operands = [o for k, o in enumerate(draft.operands) if k not in found]
    draft.operands += copies_or_power(store, pi, (), total)


def _of_pi(store: Store, handle: Handle) -> tuple[Handle, Poly] | None:
    """Pi and its exponent, for a handle that is pi or a node pow(pi, exponent)."""
    if store.application_of(handle, "pi") is not None:
        return handle, ONE
    power = store.power_of(handle)
    if power is None or store.dims[handle] or store.application_of(power.args[0][0], "pi") is None:
        return None
    exponent = store.constant_value(power.args[1][0])
    return None if exponent is None else (power.args[0][0], exponent)


def power_of_pi(store: Store, base: Handle, exponent: Poly) -> Ref | None:
    """A power of pi to any power; None where it is pi itself or the base is no such power."""
    from tensorgrad.diagram.powers import copies_or_power

    network = store.network_of(base)
    if network is not None and network.coefficient is not ONE:
        return None
    factors = [base] if network is None else [h for h, _ in network.operands]
    found = [_of_pi(store, h) if h >= FLAT else None for h in factors]
    if not found or found[0] is None or any(f is None or f[1] is not ONE for f in found[1:]):
        return None
    (pi, first), copies = found[0], len(found)
    if copies == 1 and first is ONE:
        return None
    draft = Draft()
    draft.operands = copies_or_power(store, pi, (), first * copies * exponent)
    return store.network(draft)


def _merge_roots_of_primes(store: Store, draft: Draft) -> None:
    roots = {
        k: found for k, (h, _) in enumerate(draft.operands) if h >= FLAT and (found := _root(store, h)) is not None
    }
    primes = [prime for prime, _ in roots.values()]
    if len(set(primes)) == len(primes):
        return
    merged = _write(store, _sum([dict([found]) for found in roots.values()]))
    network = store.network_of(merged[0])
    draft.operands = [o for k, o in enumerate(draft.operands) if k not in roots]
    draft.operands += [(merged[0], [])] if network is None else [(h, []) for h, _ in network.operands]
    draft.coefficient = draft.coefficient * (ONE if network is None else network.coefficient)
