"""Calls: `f(x)`, `tr(A)`, `sum(X, 0)`, and with named edges `sum[j](X)`, `mat[i, j](X)`, `softmax[i](X)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorgrad.errors import NotationError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.notation import structure as st
from tensorgrad.notation.applying import along, apply, function_of, plan_matpow, positions_of
from tensorgrad.notation.brackets import plan_conv
from tensorgrad.notation.gradients import gradient, moment, plan_expectation, random_variable, target_of
from tensorgrad.notation.joining import plan_block, plan_concat
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.scope import HEADS
from tensorgrad.notation.series import plan_series
from tensorgrad.notation.source import listed, near
from tensorgrad.notation.substituting import plan_at
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.unknowns import plan_unknown
from tensorgrad.notation.values import Edge, Value
from tensorgrad.notation.vocabulary import (
    ALONG,
    BRACKETS,
    EXPECTATIONS,
    FORMS,
    Plan,
    built_in,
    count_arguments,
)
from tensorgrad.tensor import Tensor, align, renamed

_ONE_ARGUMENT: dict[str, Callable[[Reader, Syntax, Value], Value]] = {
    "tr": st.trace,
    "diag": st.diag,
    "norm2": st.norm2,
    "norm": st.norm,
    "vec": st.vec,
}

_TWO_ARGUMENTS: dict[str, Callable[[Reader, Syntax, Value, Value], Value]] = {
    "dot": st.dot,
    "outer": st.outer,
    "kron": st.kron,
    "khatri_rao": st.khatri_rao,
}


def plan_call(reader: Reader, node: Syntax) -> Plan:
    """How to read `callee(arguments)`."""
    callee, arguments = node.parts[0], node.parts[1:]
    if callee.kind == "index":
        return _plan_bracketed_call(reader, node, callee, arguments)
    function = function_of(reader, callee)
    if function is not None:
        if not function.known:
            return plan_unknown(reader, node, function, (), arguments)
        count_arguments(reader, node, function.name, arguments, 2 if function.name == "matpow" else 1)
        if function.name == "matpow":
            return plan_matpow(reader, node, arguments)
        return arguments, lambda v: apply(reader, node, function, v[0])
    name = built_in(reader, callee)
    if name in _ONE_ARGUMENT:
        count_arguments(reader, node, name, arguments, 1)
        return arguments, lambda v: _ONE_ARGUMENT[name](reader, node, v[0])
    if name in _TWO_ARGUMENTS:
        count_arguments(reader, node, name, arguments, 2)
        return arguments, lambda v: _TWO_ARGUMENTS[name](reader, node, v[0], v[1])
    if name in ("sum", "mean"):
        return _plan_reduction(reader, node, name, arguments)
    if name in ("grad", "hess"):
        count_arguments(reader, node, name, arguments, 2)
        target = target_of(reader, arguments[1], name)
        return arguments[:1], lambda v: gradient(reader, node, v[0], *target, twice=name == "hess")
    if name in ("block", "concat"):
        return (plan_block if name == "block" else plan_concat)(reader, node, arguments)
    if name == "at":
        return plan_at(reader, node, arguments)
    if name == "series":
        return plan_series(reader, node, arguments)
    if name in ("unvec", "power", "einsum", "moment"):
        return _plan_special(reader, node, name, arguments)
    raise _unknown_function(reader, node, callee)


def _unknown_function(reader: Reader, node: Syntax, callee: Syntax) -> NotationError:
    name = callee.value
    if callee.kind != "name":
        return reader.error(
            callee, f"{reader.show(callee)} is not a function: only names of functions are applied; multiply with *"
        )
    if name in reader.scope.variables or name in reader.symbols:
        what = reader.scope.describe(name) if name in reader.scope.variables else f"the size {name}"
        return reader.error(callee, f"{name} is not a function ({what}): multiply with * or @, index with [ ]")
    if name in BRACKETS or name in (*EXPECTATIONS, "mat", "ten"):
        return reader.error(callee, f"{name} needs brackets first: {FORMS[name]}")
    if name == "d":
        return reader.error(node, "d(f) is a function: apply it, d(f)(x)")
    known, shown = [*FUNCTIONS, *HEADS, *reader.scope.functions], reader.show(callee)
    return reader.error(
        callee, f"unknown function {shown}{near(name, known)}; an unknown one is declared: let {shown} : function"
    )


def _plan_reduction(reader: Reader, node: Syntax, name: str, arguments: Sequence[Syntax]) -> Plan:
    if len(arguments) not in (1, 2):
        raise reader.error(
            node, f"{name} takes a tensor, or a tensor and an axis, but {len(arguments)} arguments were given"
        )

    def combine(v: list[Value]) -> Value:
        value = v[0]
        if len(arguments) == 1:
            everything = range(value.order)
            return st.total(reader, node, value) if name == "sum" else st.mean_over(reader, node, value, everything)
        reader.positional(value, f"{name} over an axis by position")
        axis = st.count_of(reader, arguments[1], f"the axis of {name}")
        if axis >= value.order:
            raise reader.error(
                arguments[1],
                f"{reader.show(value.node)} has no axis {axis}: its order is {value.order} ({value.shape()}), "
                f"axes count from 0"
                f"{reader.bindings(value.node)}",
            )
        if name == "mean":
            return st.mean_over(reader, node, value, (axis,))
        kept = [k for k in range(value.order) if k != axis]
        return st.keep(reader, node, (value,), [value.edges[k] for k in kept], [value.dims[k] for k in kept])

    return arguments[:1], combine


def _plan_special(reader: Reader, node: Syntax, name: str, arguments: Sequence[Syntax]) -> Plan:
    if name == "unvec":
        count_arguments(reader, node, name, arguments, 3)
        return arguments[:1], lambda v: st.unvec(reader, node, v[0], arguments[1], arguments[2])
    if name == "power":
        count_arguments(reader, node, name, arguments, 2)
        times = st.count_of(reader, arguments[1], "the exponent of power")

        def powered(v: list[Value]) -> Value:
            reader.positional(v[0], "power")
            return st.outer_power(reader, node, v[0], times)

        return arguments[:1], powered
    if name == "einsum":
        if len(arguments) < 2 or arguments[0].kind != "string":
            raise reader.error(node, 'einsum takes a text and tensors: einsum("ij,jk->ik", A, B)')
        return arguments[1:], lambda v: st.einsum(reader, node, arguments[0], v)
    count_arguments(reader, node, name, arguments, 2)
    return arguments[1:], lambda v: moment(reader, node, random_variable(reader, arguments[0]), v[0])


def _plan_bracketed_call(reader: Reader, node: Syntax, callee: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """`sum[j](x)`, `mat[i, j](x)`, `E[x](y)`, `inv[i, j](x)`, `d(F)[i](x)`."""
    base, items = callee.parts[0], callee.parts[1:]
    name = built_in(reader, base)
    if name in EXPECTATIONS:
        return plan_expectation(reader, node, name, items, arguments)
    if name == "conv":
        return plan_conv(reader, node, items, arguments)
    function = function_of(reader, base)
    if function is not None and not function.known:
        return plan_unknown(reader, node, function, items, arguments)
    takes = 2 if function is not None and function.name == "matpow" else 1
    if function is None and name not in ("sum", "mean", "mat", "ten"):
        known = [*ALONG, "mat", "ten", *EXPECTATIONS]
        raise reader.error(callee, f"{reader.show(callee)} is not a function{near(base.value, known)}: multiply with *")
    count_arguments(reader, node, reader.show(callee), arguments, takes)
    if name in ("mat", "ten"):
        return arguments, lambda v: _ordered(reader, node, name, items, v[0])
    return arguments, lambda v: _along_letters(reader, node, name or str(function), function, items, v)


def _ordered(reader: Reader, node: Syntax, name: str, items: Sequence[Syntax], v: Value) -> Value:
    """mat[i, j](X), ten[i, j, k](X): from names to positions."""
    positions = positions_of(reader, node, name, items, v)
    if len(positions) != v.order or (name == "mat" and v.order != 2):
        wanted = "two" if name == "mat" and v.order == 2 else f"all {v.order}" if name == "ten" else "exactly two"
        raise reader.error(
            node,
            f"{name}[...] must name {wanted} free indices of its argument, which are {listed(v.names)}",
        )
    old = [v.edges[k] for k in positions]
    edges = tuple(Edge() for _ in old)

    def make(t: Sequence[Tensor]) -> Tensor:
        return renamed(align(t[0], reader.names(old)), reader.names(edges))

    return Value(edges, tuple(v.dims[k] for k in positions), False, (v,), make, node)


def _along_letters(
    reader: Reader, node: Syntax, name: str, function: Function | None, items: Sequence[Syntax], values: list[Value]
) -> Value:
    v, extra = values[0], values[1:]
    positions = positions_of(reader, node, name, items, v)
    if function is not None:
        acts = function.acts[0]
        if acts != len(positions):
            what = "no index (it is elementwise)" if not acts else "one index" if acts == 1 else "two indices"
            raise reader.error(node, f"{name}[...] acts along {what}, {len(positions)} were given")
        if function.square and not v.dims[positions[0]].unify(v.dims[positions[1]]):
            a, b = (v.dims[k] for k in positions)
            raise reader.error(node, f"{name} needs a square matrix, but its rows have size {a}, its columns {b}")
        for value in extra:
            reader.of_order(value, 0, f"the exponent of {name}")
        return along(reader, node, function, v, positions, extra=extra)
    if name == "mean":
        return st.mean_over(reader, node, v, positions)
    kept = [k for k in range(v.order) if k not in positions]
    return st.keep(reader, node, (v,), [v.edges[k] for k in kept], [v.dims[k] for k in kept])
