"""Calls and bracketed heads: `f(x)`, `sum[j](x)`, `delta[i, j]`, `grad(y, X[k, l])`, `E[x](y)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tensorgrad.errors import NotationError, UnsupportedError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.notation import structure as st
from tensorgrad.notation.reader import Combine, Reader
from tensorgrad.notation.scope import HEADS, LATER, SHADOWED, size_of
from tensorgrad.notation.source import listed, near
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Relation, Value
from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
    Flat,
    Groups,
    LeviCivita,
    Product,
    Tensor,
    Unit,
    Variable,
    Zero,
    align,
    power,
    renamed,
)

Plan = tuple[Sequence[Syntax], Combine]
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
BRACKETS = ("I", "ones", "zeros", "e", "commutation", "delta", "lc", "flat", "conv")
ALONG = ("sum", "mean", "max", "softmax", "log_softmax", "logsumexp")
_EXPECTATIONS = {"E": 1, "Var": 1, "Cov": 2}


def is_declared(reader: Reader, name: str) -> bool:
    """Whether the scope declares the name (which shadows the built-in I e E d)."""
    return name in reader.scope.variables or name in reader.scope.functions


def _built_in(reader: Reader, node: Syntax) -> str:
    """The built-in name that a callee or base is, or ''."""
    name = node.value if node.kind == "name" and not node.grouped else ""
    return "" if is_declared(reader, name) else name


# ---- calls


def plan_call(reader: Reader, node: Syntax) -> Plan:
    """How to read `callee(arguments)`."""
    callee, arguments = node.parts[0], node.parts[1:]
    if callee.kind == "index":
        return _plan_bracketed_call(reader, node, callee, arguments)
    function = _function(reader, callee)
    if function is not None:
        _count(reader, node, function.name, arguments, 2 if function.name == "matpow" else 1)
        if function.name == "matpow":
            return _plan_matpow(reader, node, arguments)
        return arguments, lambda v: apply(reader, node, function, v[0])
    name = _built_in(reader, callee)
    if name in _ONE_ARGUMENT:
        _count(reader, node, name, arguments, 1)
        return arguments, lambda v: _ONE_ARGUMENT[name](reader, node, v[0])
    if name in _TWO_ARGUMENTS:
        _count(reader, node, name, arguments, 2)
        return arguments, lambda v: _TWO_ARGUMENTS[name](reader, node, v[0], v[1])
    if name in ("sum", "mean"):
        return _plan_reduction(reader, node, name, arguments)
    if name in ("grad", "hess"):
        _count(reader, node, name, arguments, 2)
        target = _target(reader, arguments[1], name)
        return arguments[:1], lambda v: gradient(reader, node, v[0], *target, twice=name == "hess")
    if name in ("unvec", "power", "einsum", "moment"):
        return _plan_special(reader, node, name, arguments)
    raise _unknown_function(reader, node, callee)


def _unknown_function(reader: Reader, node: Syntax, callee: Syntax) -> NotationError:
    name = callee.value
    if callee.kind != "name":
        return reader.error(callee, f"{reader.show(callee)} is not a function: only names of functions are applied; multiply with *")
    if name in LATER and not is_declared(reader, name):
        raise UnsupportedError(LATER[name])
    if name in reader.scope.variables or name in reader.symbols:
        what = reader.scope.describe(name) if name in reader.scope.variables else f"the size {name}"
        return reader.error(callee, f"{name} is not a function ({what}): multiply with * or @, index with [ ]")
    if name in BRACKETS or name in (*_EXPECTATIONS, "mat", "ten"):
        return reader.error(callee, f"{name} needs brackets first: {_FORMS[name]}")
    if name == "d":
        return reader.error(node, "d(f) is a function: apply it, d(f)(x)")
    known, shown = [*FUNCTIONS, *HEADS, *reader.scope.functions], reader.show(callee)
    return reader.error(callee, f"unknown function {shown}{near(name, known)}; an unknown one is declared: let {shown} : function")


_FORMS = {
    "I": "I[n]",
    "ones": "ones[n] or ones[n, m]",
    "zeros": "zeros[n] or zeros[n, m]",
    "e": "e[i, n]",
    "commutation": "commutation[n, m]",
    "delta": "delta[i, j]",
    "lc": "lc[i, j, k]",
    "flat": "flat[p, i, j]",
    "conv": "conv[i, j, k]",
    "mat": "mat[i, j](...)",
    "ten": "ten[i, j, k](...)",
    "E": "E[x](...)",
    "Var": "Var[x](...)",
    "Cov": "Cov[x](..., ...)",
}


def _count(reader: Reader, node: Syntax, name: str, arguments: Sequence[Syntax], wanted: int) -> None:
    if len(arguments) != wanted:
        words = {1: "one argument", 2: "two arguments", 3: "three arguments"}[wanted]
        raise reader.error(node, f"{name} takes {words}, but {len(arguments)} were given")


def _function(reader: Reader, callee: Syntax) -> Function | None:
    """The function a callee names: `exp`, a declared `f`, `d(f)`, `d(d(f))`; None if it is no such function."""
    times = 0
    while callee.kind == "call" and len(callee.parts) == 2 and _built_in(reader, callee.parts[0]) == "d":
        times += 1
        callee = callee.parts[1]
    if callee.kind != "name":
        if times:
            raise reader.error(callee, "d( ) takes the name of a function, as in d(f)(x)")
        return None
    function = reader.scope.functions.get(callee.value)
    if function is None and callee.value not in reader.scope.variables and callee.value != "pow":
        function = FUNCTIONS.get(callee.value)
    if times:
        if function is None:
            raise reader.error(callee, f"d( ) takes the name of a function, and {callee.value} is none")
        if function.known and not function.elementwise:
            raise reader.error(callee, f"d( ) takes an elementwise function; write grad(...) to differentiate {callee.value}")
    for _ in range(times):
        assert function is not None
        function = function.differentiate()
    return function


def apply(reader: Reader, node: Syntax, function: Function, v: Value) -> Value:
    """A function of one argument by position: entry by entry, over the last axis, or of a matrix."""
    if function.elementwise:
        return Value(v.edges, v.dims, v.named, (v,), lambda t: Apply(function, t), node)
    if not function.known:
        return _unknown_of_vector(reader, node, function, v)
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
    """A function that acts on the axes at these positions, each a group; produced axes keep the names unless `fresh`."""
    acted = [v.edges[k] for k in positions]
    produced = [Edge() if fresh else acted[k] for k in range(len(function.produces))]
    kept = [k for k in range(v.order) if k not in positions]
    edges = (*(v.edges[k] for k in kept), *produced)
    dims = (*(v.dims[k] for k in kept), *(v.dims[positions[g]] for g in function.produces))

    def make(t: Sequence[Tensor]) -> Tensor:
        groups: Groups = tuple((name,) for name in reader.names(acted))
        made: Groups = tuple((name,) for name in reader.names(produced))
        return Apply(function, t, (groups, *(() for _ in extra)), made)

    return Value(edges, dims, v.named and bool(edges), (v, *extra), make, node)


def _unknown_of_vector(reader: Reader, node: Syntax, function: Function, v: Value) -> Value:
    reader.of_order(v, 1, str(function))
    size = reader.scope.arguments[function.name]
    if not v.dims[0].unify(Dim(size)):
        raise reader.error(
            node,
            f"{function.name} takes a vector of size {size} ({reader.scope.describe(function.name)}), but "
            f"{reader.show(v.node)} has size {v.dims[0]}{reader.bindings(v.node)}",
        )
    return along(reader, node, function, v, (0,), fresh=True)


def _plan_matpow(reader: Reader, node: Syntax, arguments: Sequence[Syntax]) -> Plan:
    def combine(v: list[Value]) -> Value:
        base, exponent = v
        st.square(reader, node, base, "matpow")
        reader.of_order(exponent, 0, "the exponent of matpow")
        k = exponent.constant
        if k is not None and k.is_constant and k.number.denominator == 1 and 0 <= k.number <= 64:
            if k.number:
                return st.matrix_power(reader, node, base, int(k.number))
            return _identity(reader, node, base.dims[0])
        return along(reader, node, FUNCTIONS["matpow"], base, (0, 1), fresh=True, extra=(exponent,))

    return arguments, combine


def _identity(reader: Reader, node: Syntax, dim: Dim) -> Value:
    edges = (Edge(), Edge())
    return Value(edges, (dim, dim), False, (), lambda _: Delta(dim.known(), *reader.names(edges)), node)


def _plan_reduction(reader: Reader, node: Syntax, name: str, arguments: Sequence[Syntax]) -> Plan:
    if len(arguments) not in (1, 2):
        raise reader.error(node, f"{name} takes a tensor, or a tensor and an axis, but {len(arguments)} arguments were given")

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
                f"{reader.show(value.node)} has no axis {axis}: its order is {value.order} ({value.shape()}), axes count from 0"
                f"{reader.bindings(value.node)}",
            )
        if name == "mean":
            return st.mean_over(reader, node, value, (axis,))
        kept = [k for k in range(value.order) if k != axis]
        return st.keep(reader, node, (value,), [value.edges[k] for k in kept], [value.dims[k] for k in kept])

    return arguments[:1], combine


def _plan_special(reader: Reader, node: Syntax, name: str, arguments: Sequence[Syntax]) -> Plan:
    if name == "unvec":
        _count(reader, node, name, arguments, 3)
        return arguments[:1], lambda v: st.unvec(reader, node, v[0], arguments[1], arguments[2])
    if name == "power":
        _count(reader, node, name, arguments, 2)
        times = st.count_of(reader, arguments[1], "the exponent of power")

        def powered(v: list[Value]) -> Value:
            reader.positional(v[0], "power")
            return st.outer_power(reader, node, v[0], times)

        return arguments[:1], powered
    if name == "einsum":
        if len(arguments) < 2 or arguments[0].kind != "string":
            raise reader.error(node, 'einsum takes a text and tensors: einsum("ij,jk->ik", A, B)')
        return arguments[1:], lambda v: st.einsum(reader, node, arguments[0], v)
    _count(reader, node, name, arguments, 2)
    return arguments[1:], lambda v: _moment(reader, node, _random(reader, arguments[0]), v[0])


# ---- derivatives and expectations


def _random(reader: Reader, node: Syntax) -> Variable:
    variable = reader.scope.variables.get(node.value) if node.kind == "name" else None
    if variable is None:
        hint = near(node.value, reader.scope.variables) if node.kind == "name" else ""
        raise reader.error(node, f"expected the name of a declared variable, found {reader.show(node)}{hint}")
    return variable


def _target(reader: Reader, node: Syntax, what: str) -> tuple[Variable, list[Syntax] | None]:
    """The variable of grad(y, X) or grad(y, X[k, l]), with its index letters."""
    base, letters = (node.parts[0], node.parts[1:]) if node.kind == "index" else (node, None)
    if base.kind != "name" or base.value not in reader.scope.variables:
        hint = near(base.value, reader.scope.variables) if base.kind == "name" else ""
        raise reader.error(node, f"{what} differentiates by a declared variable, found {reader.show(node)}{hint}")
    variable = reader.scope.variables[base.value]
    if letters is not None and len(letters) != variable.order:
        raise reader.error(
            node,
            f"{variable.name} has order {variable.order} ({reader.scope.describe(variable.name)}), but {len(letters)} "
            f"{'index was' if len(letters) == 1 else 'indices were'} given",
        )
    return variable, letters


def gradient(
    reader: Reader, node: Syntax, y: Value, variable: Variable, letters: list[Syntax] | None, twice: bool = False
) -> Value:
    """grad(y, X) and grad(y, X[k, l]); hess is the gradient of the gradient."""
    if letters is None:
        if y.named and variable.order:
            raise reader.error(
                node,
                f"{reader.show(y.node)} has named edges ({listed(y.names)}), so the axes of {variable.name} need names too: "
                f"grad(..., {variable.name}[{', '.join('klpqrs'[k % 6] for k in range(variable.order))}])",
            )
        new = [Edge() for _ in variable.edges]
    else:
        if y.order and not y.named:
            raise reader.error(
                node, f"{reader.show(y.node)} has positions ({y.shape()}): name its axes, or write grad(..., {variable.name})"
            )
        new = _new_edges(reader, y, letters)
    named = y.named or bool(letters)

    def make(t: Sequence[Tensor]) -> Tensor:
        return Derivative(t[0], variable, reader.names(new))

    dims = (*y.dims, *(Dim(d) for d in variable.dims))
    value = Value((*y.edges, *new), dims, named, (y,), make, node)
    if not twice:
        return value
    if letters:
        raise reader.error(node, "hess needs positions; write grad(grad(y, x[i]), x[j])")
    return gradient(reader, node, value, variable, None)


def _new_edges(reader: Reader, y: Value, letters: Sequence[Syntax]) -> list[Edge]:
    names: list[str] = []
    for letter in letters:
        name = reader.letter(letter)
        if name in names:
            raise reader.error(letter, f"the indices of a gradient must differ, but {name} is repeated")
        if name in y.names:
            raise reader.error(letter, f"the index {name} is already free in {reader.show(y.node)}: use another letter")
        names.append(name)
    return [Edge(name) for name in names]


def _plan_expectation(reader: Reader, node: Syntax, kind: str, items: Sequence[Syntax], arguments: Sequence[Syntax]) -> Plan:
    if len(items) != 1:
        raise reader.error(node, f"{kind} is over one variable, {_FORMS[kind]}; nest it for more")
    variable = _random(reader, items[0])
    _count(reader, node, f"{kind}[{variable.name}]", arguments, _EXPECTATIONS[kind])
    return arguments, lambda v: _expectation(reader, node, kind, variable, v)


def _expectation(reader: Reader, node: Syntax, kind: str, variable: Variable, v: list[Value]) -> Value:
    edges, dims, named = v[0].edges, v[0].dims, v[0].named
    if kind == "Cov":
        if v[0].named or v[1].named:
            edges, dims, named = reader.merge(node, v[0], v[1], "take the covariance of")
        else:
            edges, dims = (*edges, *v[1].edges), (*dims, *v[1].dims)
    elif kind == "Var" and not named:
        edges, dims = (*edges, *(Edge() for _ in edges)), (*dims, *dims)
    law = reader.laws.get(variable.name)

    def make(t: Sequence[Tensor]) -> Tensor:
        sizes = tuple(d.known() for d in dims)
        return Expectation(kind, tuple(t), variable, law, reader.names(edges), sizes)  # type: ignore[arg-type]

    return Value(edges, dims, named, tuple(v), make, node)


def _moment(reader: Reader, node: Syntax, variable: Variable, k: Value) -> Value:
    """moment(x, k) is E[x](mean(x ** k)): under an iid law the raw moment of every entry."""
    reader.of_order(k, 0, "the exponent of moment")
    law = reader.laws.get(variable.name)

    def make(t: Sequence[Tensor]) -> Tensor:
        powers = power(variable, t[0])
        scale = st.reciprocal_factors(variable.dims)
        inside = Product((*scale, powers), ()) if variable.order else powers
        return Expectation("E", (inside,), variable, law, (), ())

    return Value((), (), False, (k,), make, node)


# ---- brackets


def _plan_bracketed_call(reader: Reader, node: Syntax, callee: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """`sum[j](x)`, `mat[i, j](x)`, `E[x](y)`, `inv[i, j](x)`, `d(F)[i](x)`."""
    base, items = callee.parts[0], callee.parts[1:]
    name = _built_in(reader, base)
    if name in _EXPECTATIONS:
        return _plan_expectation(reader, node, name, items, arguments)
    function = _function(reader, base)
    takes = 2 if function is not None and function.name == "matpow" else 1
    if function is None and name not in ("sum", "mean", "mat", "ten"):
        known = [*ALONG, "mat", "ten", *_EXPECTATIONS]
        raise reader.error(callee, f"{reader.show(callee)} is not a function{near(base.value, known)}: multiply with *")
    _count(reader, node, reader.show(callee), arguments, takes)
    if name in ("mat", "ten"):
        return arguments, lambda v: _ordered(reader, node, name, items, v[0])
    return arguments, lambda v: _along_letters(reader, node, name or str(function), function, items, v)


def _positions(reader: Reader, node: Syntax, what: str, items: Sequence[Syntax], v: Value) -> list[int]:
    """The positions of the letters `items` among the named edges of v; each must be free there."""
    if v.order and not v.named:
        raise reader.error(
            node,
            f"{what}[...] acts along named edges, but {reader.show(v.node)} has positions ({v.shape()}): name its axes, or "
            f"leave out the brackets{reader.bindings(v.node)}",
        )
    names = v.names
    found: list[int] = []
    for item in items:
        letter = reader.letter(item)
        if letter not in names:
            raise reader.error(
                item, f"{what}[{letter}]: {letter} is not a free index of {reader.show(v.node)}; free are {listed(names)}"
            )
        if names.index(letter) in found:
            raise reader.error(item, f"{what}[...] names {letter} twice")
        found.append(names.index(letter))
    return found


def _ordered(reader: Reader, node: Syntax, name: str, items: Sequence[Syntax], v: Value) -> Value:
    """mat[i, j](X), ten[i, j, k](X): from names to positions."""
    positions = _positions(reader, node, name, items, v)
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
    positions = _positions(reader, node, name, items, v)
    if function is not None:
        acts = function.acts[0]
        if acts != len(positions):
            what = "no index (it is elementwise)" if not acts else "one index" if acts == 1 else "two indices"
            raise reader.error(node, f"{name}[...] acts along {what}, {len(positions)} were given")
        if function.square and not v.dims[positions[0]].unify(v.dims[positions[1]]):
            a, b = (v.dims[k] for k in positions)
            raise reader.error(node, f"{name} needs a square matrix, but its rows have size {a}, its columns {b}")
        if function.derivative > 1:
            raise reader.error(node, f"{name}[...] would name several edges alike; apply it by position")
        for value in extra:
            reader.of_order(value, 0, f"the exponent of {name}")
        return along(reader, node, function, v, positions, extra=extra)
    if name == "mean":
        return st.mean_over(reader, node, v, positions)
    kept = [k for k in range(v.order) if k not in positions]
    return st.keep(reader, node, (v,), [v.edges[k] for k in kept], [v.dims[k] for k in kept])


def plan_index(reader: Reader, node: Syntax) -> Plan:
    """How to read `base[items]`: a built-in tensor, or names for the axes of an expression."""
    base, items = node.parts[0], node.parts[1:]
    name = _built_in(reader, base)
    if name in BRACKETS:
        if name == "e":
            if len(items) != 2:
                raise reader.error(node, "a unit vector is e[i, n]: its position and its size")
            return items[:1], lambda v: _unit(reader, node, v[0], items[1])
        return (), lambda _: _bracketed(reader, node, name, items)
    if name in (*ALONG, "mat", "ten", *_EXPECTATIONS) or (name and name in FUNCTIONS and name not in SHADOWED):
        raise reader.error(node, f"{reader.show(node)} is a function: apply it, {reader.show(node)}(...)")
    return [base], lambda v: reader.subscript(node, v[0], list(items))


def _unit(reader: Reader, node: Syntax, index: Value, size: Syntax) -> Value:
    reader.of_order(index, 0, "the position of a unit vector")
    dim = size_of(reader.source, size, reader.scope)
    k = index.constant
    if k is not None and k.is_constant and (k.number.denominator != 1 or k.number < 0):
        raise reader.error(index.node, f"the position of a unit vector counts from 0, found {k}")
    if k is not None and k.is_constant and dim.is_constant and k.number >= dim.number:
        raise reader.error(node, f"position {k} is outside a vector of size {dim}: positions are 0 to {dim - 1}")
    edge = Edge()
    return Value((edge,), (Dim(dim),), False, (index,), lambda t: Unit(t[0], dim, reader.names((edge,))), node)


def _bracketed(reader: Reader, node: Syntax, name: str, items: list[Syntax]) -> Value:
    if name in ("delta", "lc", "flat", "conv"):
        return _lettered(reader, node, name, items)
    dims = [size_of(reader.source, item, reader.scope) for item in items]
    reader.symbols |= {s for d in dims for s in d.symbols}
    if name == "I" and len(dims) != 1:
        raise reader.error(node, "the identity is I[n]: one size")
    if name == "commutation":
        if len(dims) != 2:
            raise reader.error(node, "the commutation matrix is commutation[n, m]: two sizes")
        return st.commutation(reader, node, dims[0], dims[1])
    if name == "I":
        return _identity(reader, node, Dim(dims[0]))
    edges = tuple(Edge() for _ in dims)

    def make(_: Sequence[Tensor]) -> Tensor:
        names = reader.names(edges)
        if name == "zeros":
            return Zero(edges=dict(zip(names, dims, strict=True)))
        ones = [Delta(dim, edge) for dim, edge in zip(dims, names, strict=True)]
        return ones[0] if len(ones) == 1 else Product(ones, names)

    return Value(edges, tuple(map(Dim, dims)), False, (), make, node)


def _lettered(reader: Reader, node: Syntax, name: str, items: list[Syntax]) -> Value:
    """delta, lc, flat and conv of index letters, whose sizes are inferred or said (`i:n`)."""
    letters: list[Syntax] = []
    dims: list[Dim] = []
    for item in items:
        said = size_of(reader.source, item.parts[1], reader.scope) if item.kind == "slice" else None
        if said is not None:
            reader.symbols |= set(said.symbols)
        letters.append(item.parts[0] if item.kind == "slice" else item)
        dims.append(Dim(Poly.constant(len(items)) if name == "lc" else said))
    if name == "delta":
        for letter, dim in zip(letters, dims, strict=True):
            if not dims[0].unify(dim):
                raise reader.error(letter, f"the indices of a delta have one size, here {dims[0]} and {dim}")
    _letter_relations(reader, node, name, dims)
    reader.pending.extend((dim, reader.source, letter) for dim, letter in zip(dims, letters, strict=True))
    edges = tuple(Edge() for _ in items)

    def make(_: Sequence[Tensor]) -> Tensor:
        names, sizes = reader.names(edges), tuple(d.known() for d in dims)
        if name == "delta":
            return Delta(sizes[0], *names)
        if name == "flat":
            return Flat(names, sizes[1:])
        return LeviCivita(names) if name == "lc" else Convolution(names, sizes)

    value = Value(edges, tuple(dims), False, (), make, node)
    if name == "delta":
        return _deduplicated(reader, node, value, letters, dims[0])
    return reader.subscript(node, value, letters)


def _deduplicated(reader: Reader, node: Syntax, value: Value, letters: list[Syntax], dim: Dim) -> Value:
    """A copy tensor with a repeated index is the copy tensor of the distinct ones."""
    names = list(dict.fromkeys(reader.letter(x) for x in letters))
    edges = tuple(Edge(name) for name in names)
    return Value(edges, (dim,) * len(names), True, (), lambda _: Delta(dim.known(), *names), node)


def _letter_relations(reader: Reader, node: Syntax, name: str, dims: list[Dim]) -> None:
    if name == "flat":
        if len(dims) < 2:
            raise reader.error(node, "flat[p, i, j] fuses i, j, ... into p: it needs p and at least one part")
        reader.relations.append(Relation("flat", dims[0], tuple(dims[1:]), reader.source, node))
    elif name == "conv":
        if len(dims) != 3:
            raise reader.error(node, "conv[i, j, k] has three indices: it is 1 where i = j + k")
        reader.relations.append(Relation("conv", dims[0], tuple(dims[1:]), reader.source, node))


