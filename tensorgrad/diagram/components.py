"""Connected components of networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tensorgrad.diagram.nodes import Legs, Network

Operand = tuple[int, Legs]


def connected(operands: Sequence[tuple[int, Sequence[int]]], cut: Iterable[int] = ()) -> list[list[int]]:
    """Positions of operands, grouped by being joined through edges other than those of `cut`; in order."""
    closed = set(cut)
    root = list(range(len(operands)))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    first: dict[int, int] = {}
    for k, (_, legs) in enumerate(operands):
        for e in legs:
            if e not in closed:
                a, b = find(first.setdefault(e, k)), find(k)
                root[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for k in range(len(operands)):
        groups.setdefault(find(k), []).append(k)
    return list(groups.values())


def components(network: Network) -> list[list[Operand]]:
    """The operands of each connected component."""
    return [[network.operands[k] for k in part] for part in connected(network.operands)]
