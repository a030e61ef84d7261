"""What makes a written expression defined: each partial function in it asks a fact of its argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorgrad.tensor import Apply, Fact, Product, Scalar, Tensor, align, postorder


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
    if node.function.derivative:
        return None
    argument = node.args[0]
    fact = _needed_by_power(node) if node.function.name in ("pow", "matpow") else node.function.domain
    if not fact or (fact == "invertible" and len(argument.edges) != 2):
        return None
    if fact == "invertible":
        groups = node.acted[0]
        argument = align(argument, tuple(e for group in groups for e in group))
    return Assumption(Fact(fact), argument)


def _needed_by_power(node: Apply) -> str:
    exponent = node.args[1]
    while isinstance(exponent, Product) and len(exponent.factors) == 1:
        exponent = exponent.factors[0]
    if not isinstance(exponent, Scalar) or not exponent.value.is_constant:
        return ""
    value = exponent.value.number
    if node.function.name == "matpow":
        return "invertible" if value < 0 else ""
    if value.denominator != 1:
        return "nonnegative" if value > 0 else "positive"
    return "nonzero" if value < 0 else ""
