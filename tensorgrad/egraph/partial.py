"""What makes a written expression defined: each partial function in it asks a fact of its argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorgrad.diagram.powers import is_natural, is_positive
from tensorgrad.function import FUNCTIONS
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Fact, Product, Rename, Scalar, Tensor, align, postorder

DEFINED = "defined"
"""Assumed of a whole application whose domain is no fact of its argument: x ** c, logm(A). No rule asks for it."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A fact that the written expression needs in order to be defined."""

    fact: Fact
    tensor: Tensor

    def __str__(self) -> str:
        return f"{self.fact.name}({self.tensor})"


@dataclass(frozen=True, slots=True)
class Said:
    """A tensor of which a fact is said, and how: "stated", or "needed for the expression to have a value"."""

    tensor: Tensor
    origin: str


def assumptions(sides: Sequence[Tensor]) -> tuple[Assumption, ...]:
    """The facts that the partial functions of the expressions need, each once, in order."""
    found: dict[tuple[str, int], Assumption] = {}
    for t in sides:
        for node in postorder(t):
            if isinstance(node, Apply):
                needed = _needed(node)
                if needed is not None:
                    found.setdefault((needed.fact.name, id(needed.tensor)), needed)
    return tuple(found.values())


def _needed(node: Apply) -> Assumption | None:
    if node.function.derivative or node.function.nullary:
        return None
    argument = node.args[0]
    if node.function.name in ("logm", "sqrtm") or (node.function.name in ("pow", "matpow") and _exponent(node) is None):
        return Assumption(Fact(DEFINED), node)
    if node.function.name == "tan":
        return Assumption(Fact("nonzero"), Apply(FUNCTIONS["cos"], (argument,)))
    fact = _needed_by_power(node) if node.function.name in ("pow", "matpow") else node.function.domain
    if not fact or (fact == "invertible" and len(argument.edges) != 2) or _is_positive_number(argument):
        return None
    if fact == "invertible":
        groups = node.acted[0]
        argument = align(argument, tuple(e for group in groups for e in group))
    return Assumption(Fact(fact), argument)


def _is_positive_number(t: Tensor) -> bool:
    """Whether it is plain that a tensor is a positive number: 6, n, 2 * sqrt(3)."""
    match t:
        case Scalar():
            return is_positive(t.value)
        case Product():
            return not t.order and all(_is_positive_number(f) for f in t.factors)
        case Apply():
            root = t.function.name in ("sqrt", "pow") and not t.function.derivative
            return root and not t.order and all(_is_positive_number(a) for a in t.args)
        case _:
            return False


def _exponent(node: Apply) -> Poly | None:
    """The exponent of a power if it says what the domain is: a number (of a matrix a whole one), n, -n; else None."""
    exponent = node.args[1]
    while isinstance(exponent, Product) and len(exponent.factors) == 1:
        exponent = exponent.factors[0]
    if not isinstance(exponent, Scalar):
        return None
    value = exponent.value
    fraction = value.is_constant and node.function.name == "pow"
    return value if fraction or is_natural(value) or is_natural(-value) else None


def _needed_by_power(node: Apply) -> str:
    exponent = _exponent(node)
    if exponent is None or is_natural(exponent):
        return ""
    if is_natural(-exponent):
        return "invertible" if node.function.name == "matpow" else "nonzero"
    return "nonnegative" if exponent.number > 0 else "positive"


def consequences(found: Sequence[Assumption]) -> tuple[Assumption, ...]:
    """What the facts say of the parts: a product is nonzero or invertible only if its factors are, a power its base."""
    out: dict[tuple[str, int], Assumption] = {}
    stack = list(found)
    while stack:
        for part in _parts(stack.pop()):
            key = (part.fact.name, id(part.tensor))
            if key not in out:
                out[key] = part
                stack.append(part)
    return tuple(out.values())


def _parts(assumed: Assumption) -> list[Assumption]:
    t, fact = assumed.tensor, assumed.fact.name
    while isinstance(t, Rename) or (isinstance(t, Product) and len(t.factors) == 1 and t.edges == t.factors[0].edges):
        t = t.tensor if isinstance(t, Rename) else t.factors[0]
    if fact in ("nonzero", "positive") and isinstance(t, Apply):
        return _parts_of_application(t, fact)
    if fact == "nonzero" and isinstance(t, Product) and all(e in t.edges for f in t.factors for e in f.edges):
        return [Assumption(Fact("nonzero"), f) for f in t.factors if not isinstance(f, Scalar)]
    if fact == "invertible" and isinstance(t, Product):
        return _parts_of_chain(t)
    return []


def _parts_of_application(t: Apply, fact: str) -> list[Assumption]:
    if t.function.derivative or t.function.nullary:
        return []
    base = t.args[0]
    if t.function.name == "det" and base.order == 2:
        return [Assumption(Fact("invertible"), base)]
    if t.function.name == "sqrt":
        return [Assumption(Fact("positive"), base)]
    exponent = t.args[1] if t.function.name == "pow" else None
    if not isinstance(exponent, Scalar) or not exponent.value.is_constant or not exponent.value.number:
        return []
    return [Assumption(Fact("nonzero" if exponent.value.number.denominator == 1 else "positive"), base)]


def _parts_of_chain(t: Product) -> list[Assumption]:
    """The factors of an invertible product A @ B @ C of square matrices of one size, and its scalar factors."""
    matrices = [f for f in t.factors if f.order]
    if len(t.edges) != 2 or any(f.order != 2 or any(d is not t.dims[0] for d in f.dims) for f in matrices):
        return []
    times: dict[str, int] = {}
    for f in matrices:
        for e in f.edges:
            times[e] = times.get(e, 0) + 1
    if any(count != (1 if e in t.edges else 2) for e, count in times.items()) or not set(t.edges) <= set(times):
        return []
    scalars = [f for f in t.factors if not f.order and not isinstance(f, Scalar)]
    return [Assumption(Fact("invertible"), f) for f in matrices] + [Assumption(Fact("nonzero"), f) for f in scalars]
