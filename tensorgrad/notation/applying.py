"""Functions applied to what they are given: entry by entry, along axes, to matrices."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.notation import structure as st
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.source import listed
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Value
from tensorgrad.notation.vocabulary import Plan, built_in
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Delta, Groups, Tensor


def function_of(reader: Reader, callee: Syntax) -> Function | None:
    """The function a callee names: `exp`, a declared `f`, `d(f)`, `d(d(f))`, `d[0, 1](f)`; None if it is no function."""
    by: list[Syntax | None] = []
    while callee.kind == "call" and len(callee.parts) == 2 and (d := _derivation(reader, callee.parts[0])) is not None:
        by += d
        callee = callee.parts[1]
    if callee.kind != "name":
        if by:
            raise reader.error(callee, "d( ) takes the name of a function, as in d(f)(x)")
        return None
    function = reader.scope.functions.get(callee.value)
    if function is None and callee.value not in reader.scope.variables and callee.value != "pow":
        function = FUNCTIONS.get(callee.value)
    if function is not None and function.nullary:
        raise reader.error(callee, f"{callee.value} is a number, not a function: multiply with *")
    if by:
        if function is None:
            raise reader.error(callee, f"d( ) takes the name of a function, and {callee.value} is none")
        if function.known and not function.elementwise:
            raise reader.error(
                callee, f"d( ) takes an elementwise function; write grad(...) to differentiate {callee.value}"
            )
    for item in by:
        assert function is not None
        function = function.differentiate(_argument(reader, callee, function, item))
    return function


def _derivation(reader: Reader, head: Syntax) -> list[Syntax | None] | None:
    """What `d` and `d[0, 1]` differentiate in: None stands for the only argument. None for all other heads."""
    if built_in(reader, head) == "d":
        return [None]
    named = head.kind == "index" and built_in(reader, head.parts[0]) == "d"
    return [*head.parts[1:]] if named else None


def _argument(reader: Reader, callee: Syntax, function: Function, item: Syntax | None) -> int:
    """The argument to differentiate in."""
    count = len(function.acts)
    if item is None:
        if count > 1:
            raise reader.error(callee, f"{callee.value} has {count} arguments: say in which, d[0]({callee.value})")
        return 0
    argument = st.count_of(reader, item, "the argument to differentiate in")
    if argument >= count:
        raise reader.error(item, f"{callee.value} has {count} argument{'s' * (count > 1)}, counted from 0")
    return argument


def apply(reader: Reader, node: Syntax, function: Function, v: Value) -> Value:
    """A function of one argument by position: entry by entry, over the last axis, or of a matrix."""
    if function.elementwise:
        return Value(v.edges, v.dims, v.named, (v,), lambda t: Apply(function, t), node)
    if function.acts[0] == 1:
        if v.named:
            raise reader.error(
                node,
                f"{function} without brackets acts on the last axis, but {reader.show(v.node)} has named edges "
                f"({listed(v.names)}): write {function}[{v.names[-1]}](...)",
            )
        if not v.order:
            raise reader.error(node, f"{function} needs an axis to act on, but {reader.show(v.node)} is a scalar")
        return along(reader, node, function, v, (len(v.edges) - 1,))
    (st.square if function.square else _matrix)(reader, node, v, str(function))
    return along(reader, node, function, v, (0, 1), fresh=True)


def _matrix(reader: Reader, node: Syntax, v: Value, what: str) -> None:
    reader.of_order(v, 2, what)


def along(
    reader: Reader,
    node: Syntax,
    function: Function,
    v: Value,
    positions: Sequence[int],
    fresh: bool = False,
    extra: Sequence[Value] = (),
) -> Value:
    """A function acting on the axes at these positions, each a group; produced axes keep the names unless `fresh`."""
    acted = [v.edges[k] for k in positions]
    produced = [Edge() if fresh else acted[k] for k in range(len(function.produces))]
    kept = [k for k in range(v.order) if k not in positions]
    edges = (*(v.edges[k] for k in kept), *produced)
    own = [Dim(g) if isinstance(g, Poly) else v.dims[positions[g]] for g in function.produces]
    dims = (*(v.dims[k] for k in kept), *own)

    def make(t: Sequence[Tensor]) -> Tensor:
        groups: Groups = tuple((name,) for name in reader.names(acted))
        made: Groups = tuple((name,) for name in reader.names(produced))
        return Apply(function, t, (groups, *(() for _ in extra)), made)

    return Value(edges, dims, v.named and bool(edges), (v, *extra), make, node)


def positions_of(reader: Reader, node: Syntax, what: str, items: Sequence[Syntax], v: Value) -> list[int]:
    """The positions of the letters `items` among the named edges of v; each must be free there."""
    if v.order and not v.named:
        raise reader.error(
            node,
            f"{what}[...] acts along named edges, but {reader.show(v.node)} has positions ({v.shape()}): "
            f"name its axes, or leave out the brackets{reader.bindings(v.node)}",
        )
    names = v.names
    found: list[int] = []
    for item in items:
        letter = reader.letter(item)
        if letter not in names:
            raise reader.error(
                item,
                f"{what}[{letter}]: {letter} is not a free index of {reader.show(v.node)}; free are {listed(names)}",
            )
        if names.index(letter) in found:
            raise reader.error(item, f"{what}[...] names {letter} twice")
        found.append(names.index(letter))
    return found


def plan_matpow(reader: Reader, node: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """matpow(A, k): a repeated product for a small literal k, else the function."""

    def combine(v: list[Value]) -> Value:
        base, exponent = v
        st.square(reader, node, base, "matpow")
        reader.of_order(exponent, 0, "the exponent of matpow")
        k = exponent.constant
        if k is not None and k.is_constant and k.number.denominator == 1 and 0 <= k.number <= 64:
            if k.number:
                return st.matrix_power(reader, node, base, int(k.number))
            return identity(reader, node, base.dims[0])
        return along(reader, node, FUNCTIONS["matpow"], base, (0, 1), fresh=True, extra=(exponent,))

    return arguments, combine


def identity(reader: Reader, node: Syntax, dim: Dim) -> Value:
    """The identity matrix of this size."""
    edges = (Edge(), Edge())
    return Value(edges, (dim, dim), False, (), lambda _: Delta(dim.known(), *reader.names(edges)), node)
