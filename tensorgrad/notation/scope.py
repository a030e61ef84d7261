"""What names mean: variables, unknown functions, laws and sizes, and how each is declared, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tensorgrad.errors import SizeError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.notation.source import Source
from tensorgrad.notation.syntax import Syntax, read_expression
from tensorgrad.sizes import Poly, size
from tensorgrad.tensor import Apply, Variable, walk

if TYPE_CHECKING:
    from tensorgrad.notation.conditions import Condition

HEADS = (
    "delta lc flat conv mat ten sum mean norm norm2 dot tr diag outer kron khatri_rao vec unvec commutation ones zeros "
    "block concat power einsum grad hess at series Var Cov moment"
).split()
"""Names of structure: everything the tables of the notation name that is not in `FUNCTIONS`."""

SHADOWED = ("I", "e", "E", "d")
RESERVED = frozenset((*HEADS, *(f for f in FUNCTIONS if f != "pow"), "scalar", "function", "let", "if"))
_DEEPEST_EXPONENT = 64


Arguments = tuple[tuple[Poly, ...], ...]
"""For each argument of a function the sizes of the axes it acts on."""


@dataclass(frozen=True, eq=False)
class Scope:
    """What names mean: variables (edges i0, i1, ...; with facts), unknown functions, laws, and the size symbols in use."""

    variables: Mapping[str, Variable] = field(default_factory=dict[str, Variable])
    functions: Mapping[str, Function] = field(default_factory=dict[str, Function])
    arguments: Mapping[str, Arguments] = field(default_factory=dict[str, Arguments])
    """Of each function: ((),) for `f : function`, ((n,),) for `f : function(n)`."""
    laws: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict[str, "tuple[Condition, ...]"])
    """By variable its law, then the facts that come with it."""

    @property
    def sizes(self) -> frozenset[str]:
        """The symbols of all declared dims."""
        return frozenset[str]().union(*map(self.sizes_in, (*self.variables, *self.functions)))

    def sizes_in(self, name: str) -> frozenset[str]:
        """The symbols in the dims of the declaration of a name."""
        if name in self.variables:
            dims = self.variables[name].dims
        else:
            dims = (*(d for group in self.arguments[name] for d in group), *self.functions[name].own_dims)
        return frozenset(s for d in dims for s in d.symbols)

    def extend(self, other: Scope) -> Scope:
        """This scope with the declarations of `other` added, which replace those of the same name.

        A law goes with any of the names in it.
        """
        again = {*other.variables, *other.functions}
        return Scope(
            {**{k: v for k, v in self.variables.items() if k not in other.functions}, **other.variables},
            {**{k: f for k, f in self.functions.items() if k not in other.variables}, **other.functions},
            {**{k: a for k, a in self.arguments.items() if k not in other.variables}, **other.arguments},
            {**{k: c for k, c in self.laws.items() if not again & names_in_law(c[0])}, **other.laws},
        )

    def describe(self, name: str) -> str:
        """The declaration of a name, as text."""
        if name in self.variables:
            return declaration(self.variables[name])
        return function_declaration(name, self.arguments[name], self.functions[name].own_dims)

    def __str__(self) -> str:
        laws = (str(conditions[0]) for conditions in self.laws.values())
        return " ; ".join([*(self.describe(name) for name in (*self.variables, *self.functions)), *laws])


def names_in_law(condition: Condition) -> frozenset[str]:
    """The names of the variables and unknown functions in a law: its own variable, and those of its parameters."""
    assert condition.law is not None
    nodes = [node for t in (condition.tensor, *condition.law.parameters) for node in walk(t)]
    return frozenset(
        node.name if isinstance(node, Variable) else node.function.name
        for node in nodes
        if isinstance(node, Variable) or (isinstance(node, Apply) and not node.function.known)
    )


def function_declaration(name: str, arguments: Arguments, own: Sequence[Poly]) -> str:
    """`f : function(n, scalar) -> m`, the declaration of an unknown function; `f : function` for an elementwise one."""
    text = f"{name} : function"
    if arguments != ((),):
        text += f"({', '.join(sizes_text(group) or 'scalar' for group in arguments)})"
    return f"{text} -> {sizes_text(own)}" if own else text


def declaration(variable: Variable) -> str:
    """`A : n m symmetric`, the declaration of one variable."""
    dims = " ".join(size_text(d) for d in variable.dims) or "scalar"
    return " ".join([f"{variable.name} : {dims}", *map(str, variable.facts)])


def size_text(dim: Poly) -> str:
    """A size as one word of a declaration: `n`, `3`, `(n + 1)`, `2*n`."""
    text = str(dim)
    return f"({text})" if " " in text else text


def sizes_text(dims: Sequence[Poly]) -> str:
    """Sizes one after the other: `n m`, `n + 1`, `(n + 1) m`."""
    return str(dims[0]) if len(dims) == 1 else " ".join(map(size_text, dims))


def read_size(source: Source, start: int, end: int, scope: Scope | None = None) -> Poly:
    """The size written at `source.text[start:end]`: integers and symbols with + - * and ** of an integer."""
    return size_of(source, read_expression(source, start, end, "size"), scope)


def size_of(source: Source, node: Syntax, scope: Scope | None = None) -> Poly:
    """The size that a syntax tree means; NotationError where it is none (0, negative, a declared name, a fraction)."""
    done: dict[int, Poly] = {}
    stack = [(node, False)]
    while stack:
        current, ready = stack.pop()
        if not ready:
            stack.append((current, True))
            if current.kind in ("binary", "unary"):
                stack.extend((p, False) for p in current.parts)
        else:
            done[id(current)] = _size_value(source, current, scope, [done.get(id(p)) for p in current.parts])
    try:
        return size(done[id(node)])
    except SizeError as error:
        raise source.error(str(error), node.start, node.end) from None


def _size_value(source: Source, node: Syntax, scope: Scope | None, parts: list[Poly | None]) -> Poly:
    if node.kind == "number":
        return Poly.constant(node.number)
    if node.kind == "name":
        return _symbol(source, node, scope)
    if node.kind == "unary" and parts[0] is not None:
        return -parts[0] if node.value == "-" else parts[0]
    if node.kind == "binary" and parts[0] is not None and parts[1] is not None:
        a, b = parts[0], parts[1]
        if node.value in ("+", "-", "*"):
            return a + b if node.value == "+" else a - b if node.value == "-" else a * b
        if node.value == "**" and b.is_constant and b.number.denominator == 1 and 0 <= b.number <= _DEEPEST_EXPONENT:
            return a ** int(b.number)
        if node.value == "/" and b.is_constant and b.number:
            return a * b.inverse()
    raise source.error(
        "not a size: sizes are symbols and integers with + - * and ** of a small integer", node.start, node.end
    )


def _symbol(source: Source, node: Syntax, scope: Scope | None) -> Poly:
    if scope is not None and (node.value in scope.variables or node.value in scope.functions):
        raise source.error(
            f"{node.value} is not a size: it is declared as {scope.describe(node.value)}", node.start, node.end
        )
    if node.value in RESERVED:
        raise source.error(f"{node.value} is a name of the notation, not a size", node.start, node.end)
    return Poly.symbol(node.value)
