"""Closed forms of expectations under a normal law: lines such as those of `rules/expectations.rules`.

The integrand of a left side is a product of functions with known names, each of one argument, which is one of

    z                                   z a scalar: the pattern of every affine function, entry by entry
    a @ x + c                           x a vector: the pattern of a tensor of any order
    x @ A @ x / 2 + b @ x + c           A symmetric

and of `x` itself, once, and of `g(x)` with an unknown g: whatever else there is. `E[y](...)` on the right with a law of
its own is an expectation under that law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tensorgrad.calculus.covariance import bare
from tensorgrad.calculus.laws import free_names
from tensorgrad.calculus.leaves import Line
from tensorgrad.diagram import Application, Handle, Leaf, Network, Store, Total, expression, insert
from tensorgrad.errors import RuleError
from tensorgrad.function import Function
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Expectation, Fact, Scalar, Tensor, Variable, Zero, align, postorder, rebuild

Differentiate = Callable[[Tensor, Variable, Sequence[str]], Tensor]
Chain = tuple[tuple[Function, Poly | None], ...]
"""Functions applied one after the other, the outermost first; a power has its exponent."""


class SourcedLine(Line, Protocol):
    """A rule, which also says where it is from."""

    @property
    def source(self) -> str:
        """The source in brackets."""
        ...


@dataclass(frozen=True, slots=True)
class Factor:
    """A factor of a left side: functions of an argument of degree `degree`; `names[k]` is its coefficient of degree k.

    Degree 0 is the scalar `z` itself. Coefficients that the argument lacks have no name.
    """

    chain: Chain
    degree: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """One line: `E[x](factors * x ** copies * rest(x)) => right`, under N(mean, covariance)."""

    name: str
    source: str
    variable: Variable
    mean: str
    covariance: str
    factors: tuple[Factor, ...]
    copies: int
    rest: str
    edges: tuple[str, ...]
    right: Tensor
    needs: tuple[tuple[Tensor, Fact], ...]
    names: Mapping[str, Variable]

    @property
    def scalar(self) -> bool:
        """Whether it is about a number, the pattern of an affine function."""
        return not self.variable.order

    @property
    def derivatives(self) -> tuple[Function, ...]:
        """The derivative functions that its left side is about, as d(erf)."""
        return tuple(f for factor in self.factors for f, _ in factor.chain if f.derivative)


def chain_of(store: Store, handle: Handle, legs: Sequence[int]) -> Iterator[tuple[Chain, Handle, tuple[int, ...]]]:
    """The functions that an operand is made of, and what they are applied to: one step deeper each time."""
    chain: list[tuple[Function, Poly | None]] = []
    legs = tuple(legs)
    while True:
        node = store.nodes[handle] if handle > 0 else None
        if not isinstance(node, Application) or node.function.nullary or any(b < 0 for b in node.args[0][1]):
            return
        exponent = None
        if len(node.args) == 2:
            exponent = store.constant_value(node.args[1][0])
            if node.function.name != "pow" or exponent is None:
                return
        elif len(node.args) != 1 or not node.function.elementwise:
            return
        chain.append((node.function, exponent))
        handle, labels = node.args[0]
        legs = tuple(legs[b] for b in labels)
        yield tuple(chain), handle, legs


def coefficients(u: Tensor, x: Variable, degree: int, differentiate: Differentiate) -> list[Tensor] | None:
    """The coefficients of a polynomial u in x, of degree 0 to `degree`: c, b, A of c + b.x + x.A.x / 2; None if it is none.

    Those of degree k have the edges of u, then k times those of x, called `1.i`, `2.i`.
    """
    if not _polynomial(u, x):
        return None
    found: list[Tensor] = []
    slope = u
    for k in range(degree + 1):
        found.append(_at_zero(slope, x))
        slope = differentiate(slope, x, tuple(f"{k + 1}.{e}" for e in x.edges))
    store = Store()
    root = store.nodes[insert(store, slope)[0]]
    return found if isinstance(root, Total) and not root.terms else None


def _polynomial(u: Tensor, x: Variable) -> bool:
    """Whether nothing but natural powers is applied to x in u."""
    for node in postorder(u):
        if isinstance(node, Apply | Expectation) and x.name in free_names(node):
            exponent = node.args[-1]
            if not isinstance(node, Apply) or node.function.name != "pow" or not isinstance(exponent, Scalar):
                return False
            if not (
                exponent.value.is_constant and exponent.value.number.denominator == 1 and exponent.value.number >= 0
            ):
                return False
    return True


def _at_zero(t: Tensor, x: Variable) -> Tensor:
    zero = Zero(edges=x.sizes)
    return rebuild(t, lambda n: align(zero, n.edges) if isinstance(n, Variable) and n.name == x.name else None)


def _settled(t: Tensor) -> Tensor:
    store = Store()
    return expression(store, insert(store, t), t.edges)


class _Reading:
    """One line on its way to a `ClosedForm`."""

    def __init__(self, line: SourcedLine, differentiate: Differentiate) -> None:
        self.line, self.differentiate = line, differentiate
        left = line.left
        if not isinstance(left, Expectation) or left.kind != "E" or left.law is None or left.law.kind != "N":
            raise self.misread("its left side is no E[x](...) under a normal law")
        self.left = left
        self.x = left.variable
        self.store = Store()
        ref = insert(self.store, left.args[0])
        node = self.store.nodes[ref[0]]
        if isinstance(node, Network):
            self.operands = list(node.operands)
            self.boundary = [node.boundary[p] for p in ref[1]]
        else:
            self.operands = [(ref[0], tuple(range(left.order)))]
            self.boundary = list(ref[1])

    def misread(self, why: str) -> RuleError:
        return RuleError(
            f"{self.line.name} is no closed form of an expectation: {why}; "
            "write a product of functions of affine arguments, E[z](f(z)) => ...  if z ~ N(m, v)"
        )

    def read(self) -> ClosedForm:
        """The line in parts; RuleError if it is not of the form above."""
        right = self.line.right
        if right is None:
            raise self.misread("it has no right side")
        assert self.left.law is not None
        law = [bare(p) for p in self.left.law.parameters]
        if law[0] is None or law[1] is None:
            raise self.misread("mean and covariance must be names")
        factors: list[Factor] = []
        copies, rest = 0, ""
        for handle, legs in self.operands:
            leaf = self.store.nodes[handle]
            if isinstance(leaf, Leaf):
                copies += 1
            elif isinstance(leaf, Application) and not leaf.function.known:
                rest = leaf.function.name
            else:
                factors.append(self._factor(handle, legs))
        if copies > 1:
            raise self.misread(f"it has {self.x.name} more than once")
        edges = tuple(self.left.edges)
        needs = self._needs([law[0], law[1]])
        tensors = (self.left, right, *(t for t, _ in needs))
        names = {v.name: v for t in tensors for v in t.variables}
        return ClosedForm(
            self.line.name,
            self.line.source,
            self.x,
            law[0].name,
            law[1].name,
            tuple(factors),
            copies,
            rest,
            edges,
            right,
            needs,
            names,
        )

    def _factor(self, handle: Handle, legs: Sequence[int]) -> Factor:
        for chain, inner, own in chain_of(self.store, handle, legs):
            node = self.store.nodes[inner]
            if isinstance(node, Application):
                continue
            if not self.x.order:
                return Factor(chain, 0)
            found = self._argument(expression(self.store, (inner, tuple(range(len(own)))), tuple(map(str, own))))
            if found is not None:
                return Factor(chain, len(found) - 1, found)
        raise self.misread("a factor is no function of an argument of the forms that are read")

    def _argument(self, u: Tensor) -> tuple[str, ...] | None:
        """The names of the coefficients of an argument of degree 1 or 2."""
        for degree in (1, 2):
            found = coefficients(u, self.x, degree, self.differentiate)
            if found is None:
                continue
            names: list[str] = []
            for value in found:
                settled = _settled(value)
                variable = bare(settled)
                if variable is None and not isinstance(settled, Zero) and str(settled) != "0":
                    return None
                names.append("" if variable is None else variable.name)
            return tuple(names)
        return None

    def _needs(self, law: Sequence[Variable]) -> tuple[tuple[Tensor, Fact], ...]:
        """The facts that are not those of every law: a variance is not negative, a covariance symmetric."""
        implied = {(v.name, fact) for v in law for fact in ("nonnegative", "symmetric", "psd", "pd")}
        needs = [(v, f) for v in self.line.left.variables for f in v.facts]
        needs += [(c.tensor, c.fact) for c in self.line.conditions if c.kind == "fact" and c.fact is not None]
        seconds = {f.names[2] for f in (self._factor(h, ls) for h, ls in self._functions()) if f.degree == 2}
        return tuple(
            (t, fact)
            for t, fact in needs
            if not isinstance(t, Variable)
            or ((t.name, fact.name) not in implied and not (t.name in seconds and fact.name == "symmetric"))
        )

    def _functions(self) -> list[tuple[Handle, tuple[int, ...]]]:
        nodes = [(self.store.nodes[h], h, tuple(legs)) for h, legs in self.operands]
        return [(h, legs) for node, h, legs in nodes if isinstance(node, Application) and node.function.known]


def read_forms(lines: Iterable[SourcedLine], differentiate: Differentiate) -> tuple[ClosedForm, ...]:
    """The closed forms of the lines that are about expectations; RuleError for one that is not read."""
    return tuple(_Reading(line, differentiate).read() for line in lines if isinstance(line.left, Expectation))


__all__ = ["ClosedForm", "Factor", "chain_of", "coefficients", "read_forms"]
