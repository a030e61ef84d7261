"""Which matrices of a program are positive definite because of how they are made: Cholesky may factor them; and which
are triangular."""

from __future__ import annotations

from tensorgrad.diagram import Application, Leaf, Network, Store, Total
from tensorgrad.diagram.draft import FLAT
from tensorgrad.tensor import Variable

_POSITIVE_VALUES = frozenset(["exp", "sigmoid", "softmax", "softplus", "cosh"])
_NONNEGATIVE_VALUES = frozenset(["abs", "relu", "sqrt", "step", "hardmax", "onehot"])
_NONNEGATIVE_FACTS = frozenset(["positive", "nonnegative", "simplex", "onehot"])


class Definiteness:
    """Decides, with memory, whether handles of a store are positive (semi)definite matrices or positive tensors.

    2 is definite or positive, 1 semidefinite or nonnegative, 0 unknown.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._definite: dict[int, int] = {}
        self._positive: dict[int, int] = {}

    def definite(self, handle: int) -> int:
        """How definite the matrix is; what is said of it is declared or follows from its parts."""
        if handle not in self._definite:
            self._definite[handle] = 0  # a handle within itself is unknown
            self._definite[handle] = self._of_matrix(handle)
        return self._definite[handle]

    def positive(self, handle: int) -> int:
        """How positive the entries are."""
        if handle not in self._positive:
            self._positive[handle] = 0
            self._positive[handle] = self._of_entries(handle)
        return self._positive[handle]

    def _of_matrix(self, handle: int) -> int:
        if handle < FLAT or len(self.store.dims[handle]) != 2:
            return 0
        node = self.store.nodes[handle]
        match node:
            case Leaf():
                facts = {f.name for f in node.tensor.facts if not f.axes} if isinstance(node.tensor, Variable) else ()
                return 2 if "pd" in facts else int("psd" in facts)
            case Application():
                whole = node.function.known and not node.function.derivative and node.function.name == "inv"
                return 2 if whole and len(node.groups) == 2 and self.definite(node.args[0][0]) == 2 else 0
            case Total():
                if not all(c.is_monomial and c.terms[0][1] > 0 for c, _, _ in node.terms):
                    return 0
                found = [self.definite(h) for _, h, _ in node.terms]
                return max(found) if found and min(found) else 0
            case Network():
                return self._of_network(node)

    def _of_network(self, node: Network) -> int:
        a, b = node.boundary
        if not (node.coefficient.is_monomial and node.coefficient.terms[0][1] > 0):
            return 0
        scalars = [self.positive(h) for h, legs in node.operands if not legs]
        rest = [(h, legs) for h, legs in node.operands if legs]
        if a == b:  # a diagonal matrix
            along = [self.positive(h) if legs == (a,) else 0 for h, legs in rest]
            return min([2, *scalars, *along])
        if len(rest) == 1 and rest[0][1] in ((a, b), (b, a)):
            return min([self.definite(rest[0][0]), *scalars])
        return min([1, *scalars]) if self._is_gram(node, rest) else 0

    def _is_gram(self, node: Network, rest: list[tuple[int, tuple[int, ...]]]) -> bool:
        """F D F' with a nonnegative diagonal D: two equal operands that differ in the boundary's two edges only."""
        a, b = node.boundary
        ends = [(h, legs) for h, legs in rest if a in legs or b in legs]
        if len(ends) != 2 or ends[0][0] != ends[1][0]:
            return False
        first, second = ends[0][1], ends[1][1]
        swapped = tuple(b if e == a else a if e == b else e for e in first)
        inner = set(first) - {a, b}
        between = [(h, legs) for h, legs in rest if not (a in legs or b in legs)]
        return (
            swapped == second
            and not {a, b} <= set(first)
            and all(h > FLAT and set(legs) <= inner and self.positive(h) for h, legs in between)
        )

    def _of_entries(self, handle: int) -> int:
        if handle < FLAT:
            return 0
        node = self.store.nodes[handle]
        match node:
            case Leaf():
                facts = {f.name for f in node.tensor.facts} if isinstance(node.tensor, Variable) else set[str]()
                return 2 if "positive" in facts else int(bool(facts & _NONNEGATIVE_FACTS))
            case Application():
                if not node.function.known or node.function.derivative:
                    return 0
                name = node.function.name
                return 2 if name in _POSITIVE_VALUES else int(name in _NONNEGATIVE_VALUES)
            case Total():
                if not all(c.is_monomial and c.terms[0][1] > 0 for c, _, _ in node.terms):
                    return 0
                found = [self.positive(h) for _, h, _ in node.terms]
                return max(found) if found and min(found) else 0
            case Network():
                plain = len(set(node.boundary)) == len(node.boundary)
                if not plain or not (node.coefficient.is_monomial and node.coefficient.terms[0][1] > 0):
                    return 0
                return min([2, *(self.positive(h) for h, _ in node.operands)])


def definite_values(store: Store, values: dict[int, int], least: int = 2) -> frozenset[int]:
    """The program's values (handle -> value) that are positive definite matrices, with `least` 1 also semidefinite ones."""
    decided = Definiteness(store)
    return frozenset(v for h, v in values.items() if h > FLAT and decided.definite(h) >= least)


def triangular_values(store: Store, values: dict[int, int]) -> dict[int, bool]:
    """The program's values that are triangular matrices, as declared or made by Cholesky, and whether the upper half is
    theirs."""
    found: dict[int, bool] = {}
    for handle, value in values.items():
        node = store.nodes[handle] if handle > FLAT else None
        if len(store.dims[handle]) != 2:
            continue
        if isinstance(node, Leaf) and isinstance(node.tensor, Variable):
            facts = {f.name for f in node.tensor.facts}
            if facts & {"upper", "lower"}:
                found[value] = "upper" in facts
        elif isinstance(node, Application) and node.function.known and node.function.name == "cholesky":
            found[value] = False
    return found
