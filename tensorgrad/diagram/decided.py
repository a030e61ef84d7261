"""Applications that structure decides: powers, functions of numbers and zeros, matrices of one entry, powers of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.nodes import Ref
from tensorgrad.diagram.powers import is_positive, power
from tensorgrad.diagram.surds import logarithm
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.sizes import MINUS_ONE, ONE, ZERO, Poly

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store

Arguments = Sequence[tuple[Ref, Sequence[int]]]
"""References with a label for each axis (see `Application`)."""

OF_NUMBERS = ("log", "abs", "sign", "step", "relu")
"""Functions of which it is known what they are of a number."""

HALF = Poly.constant(Fraction(1, 2))


def of_number(store: Store, function: Function, args: Arguments) -> Ref | None:
    """A power with a known exponent, or a function of a number, where structure decides it."""
    base, *rest = args
    if not rest:
        return None if base[1] else _of_number(store, function, base[0])
    ((exponent, labels),) = rest
    value = store.constant_value(store.resolve(exponent)[0]) if not labels else None
    return power(store, base[0], value) if value is not None else None


def _of_number(store: Store, function: Function, number: Ref) -> Ref | None:
    """A function of a number of order 0 where that is one, or is made of logarithms of primes; None where it stays."""
    handle = store.resolve(number)[0]
    if function.name == "log":
        return logarithm(store, handle)
    value = store.constant_value(handle)
    if value is None or not (is_positive(value) or is_positive(-value) or not value):
        return None
    sign = Poly.constant(is_positive(value) - is_positive(-value))
    step = sign if is_positive(value) else ZERO
    return store.constant({"abs": sign * value, "sign": sign, "step": step, "relu": step * value}[function.name])


def _of_zero(store: Store, function: Function, ref: Ref, labels: Sequence[int]) -> Ref | None:
    """A function of zeros that is zero."""
    if function.name == "log" or not store.is_zero(store.resolve(ref)[0]):
        return None
    sizes = dict(zip(labels, store.ref_dims(ref), strict=True))
    return store.zero([sizes[label] for label in sorted(sizes)])


def structure(store: Store, function: Function, args: Arguments, groups: Sequence[int]) -> Ref | None:
    """What structure makes of an application; None for those that are nodes of their own."""
    if function.derivative or not function.known:
        return None
    if function.name in OF_NUMBERS:
        return _of_zero(store, function, *args[0]) if args[0][1] else _of_number(store, function, args[0][0])
    from tensorgrad.diagram.applications import make_power

    if function.name == "sqrt":
        (ref, labels) = args[0]
        return make_power(store, _by_labels(ref, labels), HALF)
    if function.name in ("inv", "det", "logdet") and _is_one_by_one(store, args[0]):
        return _of_one_by_one(store, function, args[0])
    if function.name not in ("pow", "matpow") or args[1][1]:
        return None
    exponent = store.constant_value(store.resolve(args[1][0])[0])
    if exponent is None:
        return None
    if function.name == "pow":
        return make_power(store, _by_labels(*args[0]), exponent)
    return _matrix_power(store, args[0], groups, exponent)


def _by_labels(ref: Ref, labels: Sequence[int]) -> Ref:
    """The reference with its axes in the order of its batch labels 0, 1, ..."""
    position = {label: a for a, label in enumerate(labels)}
    return ref[0], tuple(ref[1][position[b]] for b in range(len(labels)))


def _is_one_by_one(store: Store, arg: tuple[Ref, Sequence[int]]) -> bool:
    return all(d is ONE for label, d in zip(arg[1], store.ref_dims(arg[0]), strict=True) if label < 0)


def _of_one_by_one(store: Store, function: Function, arg: tuple[Ref, Sequence[int]]) -> Ref:
    """The determinant of a 1 x 1 matrix is its entry, its logarithm that of the entry, the inverse one over it."""
    from tensorgrad.diagram.applications import apply, make_power

    ref, labels = arg
    draft = store.draft_of(ref)
    legs = draft.boundary
    batch = sorted((label, legs[a]) for a, label in enumerate(labels) if label >= 0)
    draft.boundary = [e for _, e in batch]
    entry = store.network(draft)
    if function.name == "det":
        return entry
    if function.name == "logdet":
        axes = list(range(len(batch)))
        return apply(store, FUNCTIONS["log"], [(apply(store, FUNCTIONS["abs"], [(entry, axes)]), axes)])
    draft = store.draft_of(make_power(store, entry, MINUS_ONE))
    draft.boundary += draft.edges(ONE for label in labels if label < 0)
    return store.network(draft)


def _matrix_power(store: Store, arg: tuple[Ref, Sequence[int]], groups: Sequence[int], exponent: Poly) -> Ref | None:
    """matpow(A, k) for a number k from -1 to 16: a chain of k factors; None for other exponents."""
    ref, labels = arg
    if not exponent.is_constant or exponent.number.denominator != 1 or not -1 <= exponent.number <= 16:
        return None
    if exponent is MINUS_ONE:
        from tensorgrad.diagram.applications import apply

        return apply(store, FUNCTIONS["inv"], [arg], groups)
    draft = Draft()
    dims = dict(zip(labels, store.ref_dims(ref), strict=True))
    batch = {label: draft.edge(dim) for label, dim in dims.items() if label >= 0}
    rows = [-1 - k for k in range(groups[0])]
    columns = [-1 - k for k in range(groups[0], groups[0] + groups[1])]
    first = current = draft.edges(dims[r] for r in rows)
    for _ in range(int(exponent.number)):
        after = draft.edges(dims[c] for c in columns)
        edges = {**batch, **dict(zip(rows, current, strict=True)), **dict(zip(columns, after, strict=True))}
        by_axis = [0] * len(labels)
        for a, label in enumerate(labels):
            by_axis[ref[1][a]] = edges[label]
        draft.operands.append((ref[0], by_axis))
        current = after
    draft.boundary = [batch[b] for b in sorted(batch)] + first + current
    return store.network(draft)
