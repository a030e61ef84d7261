"""Powers inside networks: equal operands on equal legs and `pow` nodes of one base are merged where no domain changes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from tensorgrad.diagram import surds
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Ref
from tensorgrad.sizes import ONE, Poly

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store


_MOST_BITS = 4096
_MOST_FACTORS = 64


@lru_cache(maxsize=4096)
def is_natural(exponent: Poly) -> bool:
    """Whether an exponent is a non-negative integer for all sizes >= 1 (`3`, `n`, `n - 1`)."""
    if any(c.denominator != 1 for _, c in exponent.terms):
        return False
    shifted = (
        exponent.substitute({s: Poly.symbol(s) + 1 for s in exponent.symbols}) if _is_polynomial(exponent) else None
    )
    return shifted is not None and all(c >= 0 for _, c in shifted.terms)


def is_integer(exponent: Poly) -> bool:
    """Whether an exponent is an integer for all sizes."""
    return _is_polynomial(exponent) and all(c.denominator == 1 for _, c in exponent.terms)


def is_positive(value: Poly) -> bool:
    """Whether a number is positive for all sizes >= 1, decided by signs of its terms."""
    return bool(value) and all(c > 0 for _, c in value.terms)


def _is_polynomial(exponent: Poly) -> bool:
    return all(e > 0 for m, _ in exponent.terms for _, e in m)


def merge_powers(store: Store, draft: Draft) -> None:
    """Merge operands that are natural powers of one base on the same legs, and likewise negative powers.

    A natural and a negative power are never merged: x * x**(-1) is not defined where 1 is.
    """
    groups: dict[tuple[int, tuple[int, ...], bool], list[int]] = {}
    exponents: dict[int, tuple[int, tuple[int, ...], Poly]] = {}
    repeated = False
    for k, (handle, legs) in enumerate(draft.operands):
        if handle < FLAT:
            continue
        base, base_legs, exponent = _as_power(store, handle, legs)
        natural = is_natural(exponent)
        if not natural and not (is_integer(-exponent) and is_natural(-exponent)):
            continue
        arranged, sign = store.group_of(base).arrange(base_legs)
        if sign < 0:
            arranged = tuple(base_legs)
        exponents[k] = (base, arranged, exponent)
        members = groups.setdefault((base, arranged, natural), [])
        members.append(k)
        repeated = repeated or len(members) > 1 or exponent is not ONE
    if repeated:
        _replace(store, draft, groups, exponents)
    surds.merge_roots(store, draft)


def _as_power(store: Store, handle: int, legs: Sequence[int]) -> tuple[int, tuple[int, ...], Poly]:
    power = store.power_of(handle)
    if power is not None:
        base, labels = power.args[0]
        exponent = store.constant_value(power.args[1][0])
        if exponent is not None and len(legs) == len(labels):
            return base, tuple(legs[label] for label in labels), exponent
    return handle, tuple(legs), ONE


def _replace(
    store: Store,
    draft: Draft,
    groups: dict[tuple[int, tuple[int, ...], bool], list[int]],
    exponents: dict[int, tuple[int, tuple[int, ...], Poly]],
) -> None:
    dropped: set[int] = set()
    added: list[tuple[int, Sequence[int]]] = []
    for (base, legs, natural), members in groups.items():
        total = exponents[members[0]][2]
        for k in members[1:]:
            total = total + exponents[k][2]
        value = store.constant_value(base)
        if value is not None:
            dropped.update(members)
            draft.coefficient, total = _absorb(draft.coefficient, value, total)
        plain = all(exponents[k][2] is ONE for k in members)
        if value is None and (plain if natural and _are_few(total) else len(members) == 1):
            continue
        dropped.update(members)
        added += copies_or_power(store, base, legs, total)
    draft.operands = [o for k, o in enumerate(draft.operands) if k not in dropped] + added


def _are_few(exponent: Poly) -> bool:
    from tensorgrad.diagram.store import LARGEST_COPIES

    return exponent.is_constant and exponent.number <= LARGEST_COPIES


def copies_or_power(
    store: Store, base: Handle, legs: Sequence[int], exponent: Poly
) -> list[tuple[Handle, Sequence[int]]]:
    """base ** exponent as operands of a product: none, a few copies, or a power."""
    from tensorgrad.diagram.applications import power_node

    if is_natural(exponent) and _are_few(exponent):
        return [(base, legs)] * int(exponent.number)
    return [(power_node(store, base, exponent), legs)]


def _absorb(coefficient: Poly, value: Poly, exponent: Poly) -> tuple[Poly, Poly]:
    """Take factors value**exponent (a number to a power) into the coefficient as far as that is exact."""
    if exponent.is_constant and exponent.number.denominator == 1:
        steps = int(exponent.number)
        if not is_short(value, steps):
            return coefficient, exponent
        if steps >= 0 or value.is_monomial:
            return coefficient * value**steps, Poly.constant(0)
        while steps < 0 and is_positive(value):
            quotient = coefficient.divide(value)
            if quotient is None:
                break
            coefficient, steps = quotient, steps + 1
        return coefficient, Poly.constant(steps)
    return coefficient, exponent


def is_short(value: Poly, steps: int) -> bool:
    """Whether a power of a number is worth writing out: 9**9**9 stays a power."""
    bits = max(max(c.numerator.bit_length(), c.denominator.bit_length()) for _, c in value.terms) if value else 0
    return bits * abs(steps) <= _MOST_BITS and (value.is_monomial or abs(steps) <= _MOST_FACTORS)


def power(store: Store, base: Ref, exponent: Poly) -> Ref | None:
    """base ** exponent where structure decides it: 0, small natural powers, powers of numbers, products and powers.

    None when only a node `pow(base, exponent)` will do.
    """
    from tensorgrad.diagram.store import LARGEST_COPIES

    dims = store.ref_dims(base)
    handle, perm = store.resolve(base)
    value = store.constant_value(handle)
    if not exponent:
        return _ones(store, dims)
    if exponent is ONE:
        return handle, perm
    if (
        value is not None
        and exponent.is_constant
        and exponent.number.denominator == 1
        and (value or exponent.number > 0)
    ):
        steps = int(exponent.number)
        if (steps > 0 or value.is_monomial) and is_short(value, steps):
            return store.constant(value**steps)
        if value.is_constant:
            return None
    if value is ONE:
        return store.constant(ONE)
    root = surds.root(store, handle, exponent.number) if exponent.is_constant and not dims else None
    if root is not None:
        return root
    of_pi = surds.power_of_pi(store, handle, exponent)
    if of_pi is not None:
        return of_pi
    if is_natural(exponent) and exponent.is_constant and exponent.number <= LARGEST_COPIES:
        return _copies(store, (handle, perm), int(exponent.number))
    if not is_integer(exponent):
        return _root_of_multiple(store, (handle, perm), exponent)
    return _power_of_power(store, (handle, perm), exponent) or _power_of_product(store, (handle, perm), exponent)


def _ones(store: Store, dims: Sequence[Poly]) -> Ref:
    draft = Draft()
    draft.boundary = draft.edges(dims)
    return store.network(draft)


def _copies(store: Store, base: Ref, times: int) -> Ref:
    draft = store.draft_of(base)
    draft.operands = draft.operands * times
    return store.network(draft)


def _power_of_power(store: Store, base: Ref, exponent: Poly) -> Ref | None:
    """(b**k)**e = b**(k*e) for integers k, e, not both negative, and for an integer e where no root is undone: 1 / sqrt(x)."""
    inner = store.power_of(base[0])
    if inner is None:
        return None
    first = store.constant_value(inner.args[1][0])
    if first is None or not (_stays_defined(first, exponent) or _stays_root(first, exponent)):
        return None
    from tensorgrad.diagram.applications import make_power

    handle, labels = inner.args[0]
    result = make_power(store, (handle, tuple(range(len(labels)))), first * exponent)
    return result[0], tuple(result[1][_position(labels, p)] for p in base[1])


def _stays_defined(first: Poly, exponent: Poly) -> bool:
    return is_integer(first) and (is_natural(first) or is_natural(exponent))


def _stays_root(first: Poly, exponent: Poly) -> bool:
    """Whether x**first and x**(first * exponent) are both roots: then both powers are defined for the same x."""
    if not (first.is_constant and exponent.is_constant):
        return False
    return first.number > 0 and (first.number * exponent.number).denominator != 1


def _position(labels: Sequence[int], batch: int) -> int:
    return list(labels).index(batch)


def _power_of_product(store: Store, base: Ref, exponent: Poly) -> Ref | None:
    """(c * x * y)**e = c**e * x**e * y**e for an integer e, factor by factor where nothing is summed between them."""
    from tensorgrad.diagram.applications import make_power
    from tensorgrad.diagram.components import components

    network = store.network_of(base[0])
    if network is None or not network.operands or any(h < FLAT for h, _ in network.operands):
        return None
    parts = components(network)
    if (
        len(parts) < 2
        and network.coefficient is ONE
        and set(network.boundary) == set(range(len(network.dims)))
        and len(network.operands) < 2
    ):
        return None
    draft = Draft()
    edges = draft.edges(network.dims)
    kept = set(network.boundary)
    pieces: list[tuple[Ref, list[int]]] = []
    for operands in parts:
        inside = {e for _, legs in operands for e in legs}
        # Nothing is summed between the factors: each is a piece. On a repeated edge a factor is its diagonal alone,
        # since off the diagonal a negative power need not be defined.
        for group in [[o] for o in operands] if inside <= kept else [operands]:
            free = sorted({e for _, legs in group for e in legs} & kept)
            piece = Draft()
            piece_edges = piece.edges(network.dims)
            piece.operands = [(h, [piece_edges[e] for e in legs]) for h, legs in group]
            piece.boundary = [piece_edges[e] for e in free]
            used = {e for _, legs in group for e in legs}
            pieces.append((_only_used(store, piece, used), [edges[e] for e in free]))
    if len(pieces) == 1 and network.coefficient is ONE:
        return None
    scale = make_power(store, store.constant(network.coefficient), exponent)
    draft.operands = [(scale[0], [])]
    for ref, legs in pieces:
        handle, perm = (
            _power_node(store, ref, exponent) if _is_multiple(store, ref) else make_power(store, ref, exponent)
        )
        by_axis = [0] * len(legs)
        for a, p in enumerate(perm):
            by_axis[p] = legs[a]
        draft.operands.append((handle, by_axis))
    draft.boundary = [edges[network.boundary[p]] for p in base[1]]
    return store.network(_without_closed(draft))


def _root_of_multiple(store: Store, base: Ref, exponent: Poly) -> Ref | None:
    """(c * x)**e = c**e * x**e for a positive number c: it stands outside, in primes."""
    from tensorgrad.diagram.applications import make_power

    network = store.network_of(base[0])
    if network is None or not network.operands or not exponent.is_constant:
        return None
    scale = network.coefficient
    if scale is ONE or not scale.is_constant or scale.number < 0:
        return None
    draft = Draft()
    edges = draft.edges(network.dims)
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
    draft.boundary = [edges[network.boundary[p]] for p in base[1]]
    rest = store.network(draft)
    raised = _power_node(store, rest, exponent) if _is_multiple(store, rest) else make_power(store, rest, exponent)
    draft = store.draft_of(raised)
    draft.operands.append((make_power(store, store.constant(scale), exponent)[0], []))
    return store.network(draft)


def _is_multiple(store: Store, ref: Ref) -> bool:
    """Whether what has lost its number is written as a multiple again, as two classes of an e-graph may be of each other."""
    network = store.network_of(store.resolve(ref)[0])
    return network is not None and bool(network.operands) and network.coefficient is not ONE


def _power_node(store: Store, base: Ref, exponent: Poly) -> Ref:
    from tensorgrad.diagram.applications import power_node

    handle, perm = store.resolve(base)
    return power_node(store, handle, exponent), perm


def _only_used(store: Store, draft: Draft, used: set[int]) -> Ref:
    for e in range(len(draft.dims)):
        if e not in used:
            draft.dims[e] = ONE
    return store.network(draft)


def _without_closed(draft: Draft) -> Draft:
    """Edges that were summed inside a piece are not edges of the product of powers: size 1, so that they count once."""
    used = {draft.find(e) for _, legs in draft.operands for e in legs}.union(draft.find(e) for e in draft.boundary)
    for e in range(len(draft.dims)):
        if e not in used:
            draft.dims[e] = ONE
    return draft
