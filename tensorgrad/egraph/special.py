"""Special cases among directed rules of numbers: (x * y) ** p with x for y is what `(x ** 2) ** p => ...` is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import combinations, permutations

from tensorgrad.diagram.insertion import insert
from tensorgrad.diagram.store import Store
from tensorgrad.egraph.pattern import Need, Rewrite
from tensorgrad.tensor import Tensor, Variable, resize

MOST_NAMES = 4
"""Rules with more names than this are not compared: the orders of their names are as many as the factorial."""

Key = tuple[object, ...]


class SpecialCases:
    """Left sides of directed rules of numbers, up to their names.

    A general rule that fires where a special one is meant undoes what the special one does, for ever: x ** p * x ** p is
    merged to (x ** 2) ** p again. So the general one gives way: what two of its names stand for must differ.
    """

    def __init__(self, rewrites: Iterable[Rewrite]) -> None:
        self._store = Store()
        self._needs: dict[Key, list[frozenset[Key]]] = {}
        for rewrite in rewrites:
            names = _names(rewrite)
            if names is None:
                continue
            for order in permutations(range(len(names))):
                named = {name: f"x{k}" for name, k in zip(names, order, strict=True)}
                key = self._key(rewrite.left, named)
                self._needs.setdefault(key, []).append(self._conditions(rewrite.needs, named))

    def giving_way(self, rewrite: Rewrite) -> Rewrite:
        """The rewrite, with the pairs of its names that must stand for different things."""
        names = _names(rewrite)
        if names is None:
            return rewrite
        return replace(rewrite, differ=tuple(p for p in combinations(names, 2) if self._is_special(rewrite, names, p)))

    def _is_special(self, rewrite: Rewrite, names: tuple[str, ...], pair: tuple[str, str]) -> bool:
        """Whether some rule is about what is left when the two names are one, and asks for no more.

        A rule that knows more of other names, as that p is whole, is of use beside it.
        """
        if any(v.name not in pair for n in rewrite.needs for v in n.tensor.variables):
            return False
        kept = [name for name in names if name != pair[1]]
        named = {name: f"x{k}" for k, name in enumerate(kept)}
        named[pair[1]] = named[pair[0]]
        given = self._conditions(rewrite.needs, named)
        return any(needs <= given for needs in self._needs.get(self._key(rewrite.left, named), ()))

    def _key(self, t: Tensor, named: Mapping[str, str]) -> Key:
        renamed = resize(t, {}, {name: Variable(new) for name, new in named.items()})
        return (*insert(self._store, renamed), tuple(sorted(set(named.values()))))

    def _conditions(self, needs: Iterable[Need], named: Mapping[str, str]) -> frozenset[Key]:
        return frozenset((n.fact.name if n.fact is not None else n.right, *self._key(n.tensor, named)) for n in needs)


def _names(rewrite: Rewrite) -> tuple[str, ...] | None:
    """The names of a directed rule of numbers; None for another rule, or one with too many names."""
    variables = rewrite.left.variables
    if rewrite.explore or rewrite.right is None or rewrite.functions or any(v.order for v in variables):
        return None
    return tuple(v.name for v in variables) if 0 < len(variables) <= MOST_NAMES else None
