"""The scores of attention in a program: a product of query and key over one edge, times numbers, and what is added to it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tensorgrad.runtime.multiples import Factor, Multiple, Multiples
from tensorgrad.runtime.program import Add, Arrange, Call, Legs

INNER, COLUMNS = -1, -2
"""The edge of query and key that is summed, and that of the value that is left."""


@dataclass(frozen=True, slots=True)
class Scores:
    """`scaled` query @ key' + mask; the mask may lack axes."""

    query: Multiple
    key: Multiple
    scaled: Factor
    mask: Multiple | None = None


def weighs(reading: Multiples, value: int) -> bool:
    """Whether a value is a softmax along the last of its axes."""
    step = reading.made[value]
    if not isinstance(step, Call) or step.function.derivative:
        return False
    return step.function.name == "softmax" and step.groups == (1,)


def weighed(reading: Multiples, weights: int, axes: Legs) -> tuple[int, Scores] | None:
    """What a softmax along the last of its axes is of, and these as scores."""
    softmax = reading.made[weights]
    if not weighs(reading, weights) or not isinstance(softmax, Call) or len(set(axes)) < len(axes):
        return None
    source, labels = softmax.args[0]
    found = scores_of(reading, source, tuple(axes[b] for b in labels), axes[-1])
    return None if found is None else (source, found)


def scores_of(reading: Multiples, value: int, axes: Legs, keys: int) -> Scores | None:
    """A value along edges as scores."""
    product = product_of(reading, value, axes, INNER, keys)
    if product is not None:
        return Scores(*product)
    step = reading.made[value]
    if isinstance(step, Add) and len(step.terms) == 2:
        for (c, inner, perm), (d, other, order) in (step.terms, step.terms[::-1]):
            product = product_of(reading, inner, _placed(axes, perm), INNER, keys)
            mask = repeated(reading, other, _placed(axes, order))
            if product is not None and mask is not None:
                query, key, factor = product
                return Scores(query, key, Factor(c) * factor, Multiple(mask.value, mask.axes, Factor(d) * mask.factor))
    return None


def product_of(
    reading: Multiples, value: int, axes: Legs, summed: int, keys: int
) -> tuple[Multiple, Multiple, Factor] | None:
    """Of a product over one edge, which is called `summed`, the operands without their factors, first that without the edge
    of the keys, and all these factors."""
    found = reading.product(reading.of(value, axes), summed)
    if found is None:
        return None
    first, second, factor = found
    if (keys in first.axes) == (keys in second.axes):
        return None
    return (second, first, factor) if keys in first.axes else found


def _placed(axes: Legs, perm: Legs) -> Legs:
    """For each axis of a term the edge at the sum's axis that it is."""
    return tuple(axes[perm.index(k)] for k in range(len(perm)))


def repeated(reading: Multiples, value: int, axes: Legs) -> Multiple | None:
    """A value along edges without those along which it is repeated; None for a number, and for a diagonal."""
    found = reading.of(value, axes)
    step = reading.made[found.value]
    if isinstance(step, Arrange):
        plain = not step.operand.views and not step.embeds and all(len(group) == 1 for group in step.groups)
        if not plain:
            return None
        place = dict(zip(step.edges, found.axes, strict=True))
        inner = reading.of(step.operand.value, tuple(place[e] for e in step.operand.axes))
        found = Multiple(inner.value, inner.axes, found.factor * inner.factor)
    return found if found.axes and len(set(found.axes)) == len(found.axes) else None


def price(cells: Legs) -> tuple[tuple[Fraction, Legs], ...]:
    """The operations of attention whose weights have these edges: two products, and a softmax."""
    return ((Fraction(2), (*cells, INNER)), (Fraction(3), cells), (Fraction(2), (*cells, COLUMNS)))


def price_back(cells: Legs) -> tuple[tuple[Fraction, Legs], ...]:
    """Those of its gradients: scores once more, four products, and the softmax's."""
    return ((Fraction(6), (*cells, INNER)), (Fraction(5), cells), (Fraction(4), (*cells, COLUMNS)))


def mask_text(mask: Legs, batch: Legs, rows: int, keys: int) -> tuple[Legs, str]:
    """The axes of a mask in the order of the scores, and the index that puts in those that it lacks behind its first."""
    order = (*batch, rows, keys)
    present = [e in mask for e in order]
    first = min(present.index(True), len(order) - 2)
    places = ", ".join(":" if there else "None" for there in present[first:])
    return tuple(e for e in order if e in mask), "" if all(present[first:]) else f"[{places}]"
