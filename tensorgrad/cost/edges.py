"""Sets of edges as bit masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Pair = tuple[int, int]
"""Two tensors of a path by number: operands first, then the result of each step."""


def mask_of(edges: Iterable[int], dims: Sequence[int]) -> int:
    """A set of edges as a bit mask; edges of size 1 are left out: they cost nothing."""
    mask = 0
    for e in edges:
        if dims[e] != 1:
            mask |= 1 << e
    return mask


def volume(mask: int, dims: Sequence[int]) -> int:
    """Entries of a tensor on the edges of a mask."""
    total = 1
    while mask:
        low = mask & -mask
        total *= dims[low.bit_length() - 1]
        mask ^= low
    return total


def path_masks(masks: Sequence[int], pairs: Sequence[Pair], kept: int) -> list[int]:
    """The edges (as masks) of each operand and each result of a path; `kept` are those of the final result."""
    uses: dict[int, int] = {}
    for mask in masks:
        for e in bits(mask):
            uses[e] = uses.get(e, 0) + 1
    out = list(masks)
    for a, b in pairs:
        result = out[a] | out[b]
        for e in bits(out[a] & out[b]):
            uses[e] -= 1
        for e in bits(result & ~kept):
            if uses[e] == 1:
                result &= ~(1 << e)
        out.append(result)
    return out


def bits(mask: int) -> list[int]:
    """The edges of a mask, in order."""
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def components(masks: Sequence[int]) -> list[list[int]]:
    """Positions of operands grouped by shared edges, in order of first members."""
    groups: list[tuple[int, list[int]]] = []
    for k, mask in enumerate(masks):
        together, members = mask, [k]
        rest: list[tuple[int, list[int]]] = []
        for other, positions in groups:
            if other & mask:
                together |= other
                members = positions + members
            else:
                rest.append((other, positions))
        groups = [*rest, (together, members)]
    return sorted(sorted(positions) for _, positions in groups)


def union(masks: Iterable[int]) -> int:
    """All edges of some masks."""
    total = 0
    for mask in masks:
        total |= mask
    return total
