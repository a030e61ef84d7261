"""Leaf derivatives: the lines of `rules/derivatives.rules`, read once and indexed by the function they are about.

A line is one of (right sides are templates in the pattern variables and the new edges):

    d(exp)(x) => exp(x)                                 a derivative function
    grad(inv(A), A)[i, j, k, l] => ...                  a Jacobian in one argument; after a line with conditions another
                                                        one without, for where they are not known to hold
    grad(tr(expm(A)), A) => ...                         holds where the cotangent is a multiple of the identity
    grad(sum(eigvals(A)), A) => ...                     holds where the cotangent is constant along the axis
    grad(log(softmax(x)), x)[i, j] => ...               a function of a function that the chain rule serves badly
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from tensorgrad.errors import RuleError
from tensorgrad.function import Function
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Delta, Derivative, Product, Rename, Scalar, Tensor, Variable

if TYPE_CHECKING:
    from tensorgrad.notation import Condition


CompositeKey = tuple[str, str, tuple[Poly, ...]]


class Line(Protocol):
    """What is read of a rule: a claim of the notation or a rule of a library."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def left(self) -> Tensor:
        """What is differentiated."""
        ...

    @property
    def right(self) -> Tensor | None:
        """The derivative."""
        ...

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Facts under which both are defined together."""
        ...


@dataclass(frozen=True, slots=True)
class Template:
    """The derivative of a function application in one argument.

    `variables[k]` stands for argument k; `produced` and `acted` are the edges of `right` that stand for the groups the
    function produces and for those of the argument it is differentiated in.
    """

    name: str
    variables: tuple[Variable, ...]
    argument: int
    produced: tuple[str, ...]
    acted: tuple[str, ...]
    right: Tensor
    conditions: tuple[Condition, ...] = ()


@dataclass
class Leaves:
    """All templates, by function name (and order of derivative, and argument)."""

    jacobians: dict[tuple[str, int, int], Template] = field(default_factory=dict)
    anywhere: dict[tuple[str, int, int], Template] = field(default_factory=dict)
    """Jacobians without conditions, for where those of a line above do not hold."""
    traces: dict[str, Template] = field(default_factory=dict)
    composites: dict[CompositeKey, Template] = field(default_factory=dict)
    known: tuple[Condition, ...] = ()
    """Facts that hold where the derivative is taken."""
    used: dict[str, None] = field(default_factory=dict[str, None])
    """Names of the lines that a derivative was taken by."""

    def read(self, line: Line) -> None:
        """Add a line; RuleError if it is not of a form above."""
        if line.right is None:
            raise _misread(line, "it has no right side")
        node, names = peel(line.left, {e: e for e in line.left.edges})
        if isinstance(node, Apply) and node.function.derivative and len(node.args) == 1:
            if not node.function.elementwise:
                raise _misread(line, "d(f) is for elementwise functions; write grad(f(x), x)")
            self.jacobians[node.function.name, node.function.derivative - 1, 0] = _template(line, node, 0, (), ())
        elif isinstance(node, Derivative):
            self._read_gradient(line, node, names)
        else:
            raise _misread(line, "its left side is neither d(f)(x) nor a gradient")

    def defines(self, function: Function) -> bool:
        """Whether a line says what this derivative of a function is, as `d(erf)(x) => ...`."""
        return function.known and function.elementwise and (function.name, function.derivative - 1, 0) in self.jacobians

    def without(self, derivatives: Iterable[Function]) -> Leaves:
        """The templates but for those that define these derivatives, which become functions of their own."""
        dropped = {(f.name, f.derivative - 1, 0) for f in derivatives}
        kept = {key: template for key, template in self.jacobians.items() if key not in dropped}
        return replace(self, jacobians=kept)

    def _read_gradient(self, line: Line, node: Derivative, names: dict[str, str]) -> None:
        new = {old: names[name] for old, name in zip(node.variable.edges, node.names, strict=True)}
        inner, outer = peel(node.tensor, {e: names[e] for e in node.tensor.edges})
        trace_of = _traced(inner)
        applied = inner if trace_of is None else trace_of
        if not isinstance(applied, Apply):
            raise _misread(line, "its left side is the gradient of no function application")
        middle = peel(applied.args[0], {})[0]
        if isinstance(middle, Apply):
            self._read_composite(line, applied, outer, middle, node.variable, new)
            return
        found = [k for k, arg in enumerate(applied.args) if names_variable(arg, node.variable)]
        if len(found) != 1:
            raise _misread(line, f"{node.variable.name} is not exactly one argument of {applied.function}")
        acted = _acted(line, applied, found[0], node.variable, new)
        if applied is not inner:
            self.traces[applied.function.name] = _template(line, applied, found[0], (), acted)
            return
        produced = tuple(outer[group[0]] for group in applied.produced)
        template = _template(line, applied, found[0], produced, acted)
        key = (applied.function.name, applied.function.derivative, found[0])
        conditional = key in self.jacobians and self.jacobians[key].conditions
        (self.anywhere if conditional and not template.conditions else self.jacobians)[key] = template

    def _read_composite(
        self, line: Line, applied: Apply, outer: dict[str, str], middle: Apply, variable: Variable, new: dict[str, str]
    ) -> None:
        key = composite_key(applied, middle)
        if key is None or not names_variable(middle.args[0], variable):
            raise _misread(line, f"{applied.function} of {middle.function} must have numbers for its other arguments")
        names = peel(applied.args[0], outer)[1]
        produced = tuple(names[group[0]] for group in middle.produced if group[0] in names)
        self.composites[key] = _template(line, middle, 0, produced, _acted(line, middle, 0, variable, new))


def composite_key(applied: Apply, middle: Apply) -> CompositeKey | None:
    """What a function of a function is looked up by: both names, and the numbers that are the outer one's other
    arguments; None where these are no numbers."""
    numbers: list[Poly] = []
    for arg in applied.args[1:]:
        if not isinstance(arg, Scalar):
            return None
        numbers.append(arg.value)
    if (
        applied.function.derivative
        or middle.function.derivative
        or not (applied.function.known and middle.function.known)
    ):
        return None
    return applied.function.name, middle.function.name, tuple(numbers)


def names_variable(arg: Tensor, variable: Variable) -> bool:
    """Whether `arg` is the variable, up to renaming."""
    node = peel(arg, {})[0]
    return isinstance(node, Variable) and node.name == variable.name


def _misread(line: Line, why: str) -> RuleError:
    return RuleError(
        f"{line.name} is not the derivative of a function: {why}; write d(f)(x) => ... or grad(f(A), A)[i, j, k, l] => ..."
    )


def _acted(line: Line, applied: Apply, place: int, variable: Variable, new: dict[str, str]) -> tuple[str, ...]:
    """The template's edge for each group that argument `place` is acted on."""
    own = places(applied.args[place])
    edges: list[str] = []
    for group in applied.acted[place]:
        if len(group) != 1 or group[0] not in own:
            raise _misread(line, f"{applied.function} must act on single edges of {variable.name}")
        edges.append(new[variable.edges[own[group[0]]]])
    return tuple(edges)


def _template(line: Line, applied: Apply, place: int, produced: tuple[str, ...], acted: tuple[str, ...]) -> Template:
    variables: list[Variable] = []
    for arg in applied.args:
        node = peel(arg, {})[0]
        if not isinstance(node, Variable):
            raise _misread(line, f"the arguments of {applied.function} must be names")
        variables.append(node)
    right = line.right
    if right is None or set(right.edges) != {*produced, *acted}:
        raise _misread(line, "its sides have different edges")
    return Template(line.name, tuple(variables), place, produced, acted, right, tuple(line.conditions))


def peel(t: Tensor, names: dict[str, str]) -> tuple[Tensor, dict[str, str]]:
    """Take off renamings and reorderings; `names` (edge -> anything) is carried along."""
    while True:
        if isinstance(t, Rename):
            names = {old: names[new] for old, new in zip(t.tensor.edges, t.edges, strict=True) if new in names}
            t = t.tensor
        elif isinstance(t, Product) and len(t.factors) == 1 and set(t.edges) == set(t.factors[0].edges):
            t = t.factors[0]
        else:
            return t, names


def places(arg: Tensor) -> dict[str, int]:
    """For an argument that is a variable up to renaming: its edge -> the position among the variable's edges."""
    node, back = peel(arg, {e: e for e in arg.edges})
    return {back[edge]: k for k, edge in enumerate(node.edges)} if isinstance(node, Variable) else {}


def _traced(t: Tensor) -> Apply | None:
    """The function application of which `t` is the trace, or the sum of entries."""
    if not (isinstance(t, Product) and not t.edges and len(t.factors) <= 2):
        return None
    if len(t.factors) == 1:
        summed = peel(t.factors[0], {})[0]
        return summed if isinstance(summed, Apply) and len(summed.produced) == 1 else None
    applied = [peel(f, {})[0] for f in t.factors if not isinstance(f, Delta)]
    joins = [f for f in t.factors if isinstance(f, Delta) and f.order == 2]
    if len(applied) != 1 or len(joins) != 1 or not isinstance(applied[0], Apply):
        return None
    return applied[0] if len(applied[0].produced) == 2 else None


@lru_cache(maxsize=1)
def _packaged() -> tuple[Line, ...]:
    from tensorgrad.rule import directory, load

    return tuple(load(directory() / "derivatives.rules"))


def leaves(
    lines: Iterable[Line] | None = None, known: Sequence[Condition] = (), used: dict[str, None] | None = None
) -> Leaves:
    """The templates of these lines (those of the packaged `derivatives.rules` if None).

    Lines that are not about the derivative of a function are left out, so a whole rule set may be given. In `used` the
    names of the lines are noted that are used.
    """
    base = _read(_packaged() if lines is None else tuple(filter(is_leaf_derivative, lines)))
    return Leaves(
        base.jacobians, base.anywhere, base.traces, base.composites, tuple(known), used if used is not None else {}
    )


@lru_cache(maxsize=16)
def _read(lines: tuple[Line, ...]) -> Leaves:
    """The templates of lines, read once: a line is equal to itself alone."""
    found = Leaves()
    for line in lines:
        found.read(line)
    return found


def is_leaf_derivative(line: Line) -> bool:
    """Whether the left side is the derivative of a function: d(f)(x) for a name x, or a gradient.

    An identity such as d(f)(-x) = d(f)(x) is none.
    """
    node = peel(line.left, {e: e for e in line.left.edges})[0]
    if isinstance(node, Apply) and node.function.derivative:
        return isinstance(peel(node.args[0], {})[0], Variable)
    return isinstance(node, Derivative)
