"""The Jacobian of one node in its children, as a few products with wires."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from tensorgrad.calculus.leaves import Leaves, Template, composite_key, peel
from tensorgrad.calculus.template import Instance
from tensorgrad.calculus.wired import Local, Wired, fresh
from tensorgrad.errors import UnsupportedError
from tensorgrad.function import PLACES, Function
from tensorgrad.sizes import ONE, Poly, as_poly
from tensorgrad.tensor import Apply, Fact, Product, Rename, Sum, Tensor, Unit, Variable, renamed, walk

if TYPE_CHECKING:
    from tensorgrad.notation import Condition

Terms = Iterator[tuple[Tensor, Local]]
"""A node of which the value is a function (a child, mostly), and a term of the Jacobian in it."""

_INVERTIBLE = ("invertible", "orthogonal", "pd")


def jacobian(node: Tensor, dependent: Collection[int], leaves: Leaves) -> Terms:
    """The terms of the Jacobian of `node` in those of its children that are `dependent` (by id).

    Raises UnsupportedError for nodes without a derivative.
    """
    match node:
        case Rename():
            sizes = node.sizes
            yield node.tensor, Local(ONE, (), node.edges, node.edges, sizes)
        case Sum():
            for term, weight in zip(node.terms, node.weights, strict=True):
                if id(term) in dependent:
                    yield term, Local(as_poly(weight), (), term.edges, node.edges, node.sizes)
        case Product():
            yield from _product(node, dependent)
        case Apply():
            yield from _apply(node, dependent, leaves)
        case Unit():
            raise UnsupportedError("the derivative of a unit vector e[i, n] in its position i")
        case _:
            raise UnsupportedError(f"the derivative of {type(node).__name__}")


def _product(node: Product, dependent: Collection[int]) -> Terms:
    sizes: dict[str, Poly] = {e: dim for f in node.factors for e, dim in zip(f.edges, f.dims, strict=True)}
    times: dict[int, int] = {}
    for factor in node.factors:
        times[id(factor)] = times.get(id(factor), 0) + 1
    done: set[int] = set()
    for place, factor in enumerate(node.factors):
        if id(factor) in dependent and id(factor) not in done:
            done.add(id(factor))
            others = (*node.factors[:place], *node.factors[place + 1 :])
            yield factor, Local(as_poly(times[id(factor)]), others, factor.edges, node.edges, sizes)


def _apply(node: Apply, dependent: Collection[int], leaves: Leaves) -> Terms:
    found = _composite(node, leaves)
    if found is not None and not any(id(a) in dependent for a in found[1].args[1:]):
        template, middle, outer = found
        leaves.used[template.name] = None
        for local in Instance(template, middle).terms(outer):
            yield middle.args[template.argument], local
        return
    for k, arg in enumerate(node.args):
        if id(arg) in dependent:
            for local in _leaf(node, k, leaves):
                yield arg, local


def _leaf(node: Apply, argument: int, leaves: Leaves) -> list[Local]:
    function = node.function
    key = (function.name, function.derivative, argument)
    template = leaves.jacobians.get(key)
    if template is not None and function.known:
        lacking = _lacking(template, node, leaves)
        if lacking is not None and key not in leaves.anywhere:
            raise UnsupportedError(
                f"the derivative of {function} where its argument may not be {lacking.name}; "
                f"state {lacking.name}(...) of the argument"
            )
        template = template if lacking is None else leaves.anywhere[key]
        leaves.used[template.name] = None
        return Instance(template, node).terms(node.edges)
    if has_derivative_function(function, leaves):
        return [_opaque(node, argument)]
    raise missing(node, argument)


def has_derivative_function(function: Function, leaves: Leaves) -> bool:
    """Whether d(f) is a function of its own: f is unknown, or the rules differentiate d(f) without defining it."""
    if not function.known:
        return True
    derivatives = [d for name, d, _ in leaves.jacobians if name == function.name]
    return function.derivative not in derivatives and any(d > function.derivative for d in derivatives)


def _opaque(node: Apply, argument: int) -> Local:
    """The Jacobian of f in an argument is d(f): the same edges, and once more the groups that are acted on there."""
    function, arg, groups = node.function.differentiate(argument), node.args[argument], node.acted[argument]
    taken = {*node.edges, *(e for a in node.args for e in a.edges)}
    bound: dict[str, str] = {}
    for edge in (e for group in groups for e in group):
        bound[edge] = fresh(taken)
        taken.add(bound[edge])
    place = node.function.place(argument)
    new = tuple(tuple(bound[e] for e in group) for group in groups)
    part = Apply(function, node.args, node.acted, (*node.produced[:place], *new, *node.produced[place:]))
    return Local(ONE, (part,), tuple(bound.get(e, e) for e in arg.edges), node.edges, part.sizes)


def _composite(node: Apply, leaves: Leaves) -> tuple[Template, Apply, tuple[str, ...]] | None:
    """A function of a function that has a rule of its own, such as log(softmax(x)): its template, the inner
    application, and what that calls the edges of `node`."""
    if node.function.nullary:
        return None
    middle, names = peel(node.args[0], {e: e for e in node.args[0].edges})
    if not isinstance(middle, Apply):
        return None
    key = composite_key(node, middle)
    template = None if key is None else leaves.composites.get(key)
    if template is None or len(names) != middle.order:
        return None
    produced = tuple(tuple(names[e] for e in group) for group in middle.produced)
    invariant = node.function.transpose == "invariant" and produced[::-1] == node.acted[0]
    if node.acted[0] and produced != node.acted[0] and not invariant:
        return None
    own = {new: old for old, new in names.items()}
    return template, middle, tuple(own[e] for e in node.edges)


def traced(node: Apply, cotangent: Wired, leaves: Leaves) -> list[tuple[Wired, Local]] | None:
    """The Jacobian terms of a function that is differentiated under a trace or sum (`tr(expm(A))`), with the cotangent left.

    The cotangent must be a multiple of the identity in the two groups produced, or constant along the one. None if there
    is no rule or it is not.
    """
    template = leaves.traces.get(node.function.name)
    if template is None or node.function.derivative:
        return None
    places = [tuple(node.edges.index(e) for e in group) for group in node.produced]
    rows, columns = places[0], places[-1]
    wires = [cotangent.pattern[k] for k in rows]
    others = [w for k, w in enumerate(cotangent.pattern) if k not in (*rows, *columns)]
    if wires != [cotangent.pattern[k] for k in columns] or len(set(wires)) < len(wires):
        return None
    if any(w in cotangent.legs or w in others for w in wires):
        return None
    leaves.used[template.name] = None
    number: dict[int, int] = {}
    for wire in others:
        number.setdefault(wire, len(number))
    legs = tuple(number[leg] for leg in cotangent.legs)
    left = Wired(cotangent.coefficient, cotangent.core, legs, tuple(number[w] for w in others))
    batch = node.edges[: len(node.edges) - sum(map(len, places))]
    return [(left, local) for local in Instance(template, node).terms(batch)]


def commuting(node: Apply, dependent: Collection[int], leaves: Leaves) -> list[Local] | None:
    """The Jacobian of f(s * A), f a function of a matrix and s all that is differentiated: A @ f'(s * A) times that of s.

    The derivative f' is that of the trace, for what the argument moves by commutes with it. None where s is no number,
    or f has no rule for traces.
    """
    template = leaves.traces.get(node.function.name)
    arg = node.args[0]
    if template is None or node.function.derivative or len(node.produced) != 2 or not _is_scaled(arg, dependent):
        return None
    if arg.order != sum(map(len, node.acted[0])):
        return None
    (rows, columns), (out_rows, out_columns) = node.acted[0], node.produced
    found: list[Local] = []
    for local in Instance(template, node).terms(()):
        own = dict(zip(arg.edges, local.inner, strict=True))
        turn = {own[row]: column for row, column in zip(rows, out_columns, strict=True)}
        parts = tuple(renamed(p, tuple(turn.get(e, e) for e in p.edges)) for p in local.parts)
        inner = {**{e: own[e] for e in columns}, **dict(zip(rows, out_rows, strict=True))}
        sizes = {**node.sizes, **{own[e]: arg.sizes[e] for e in columns}, **_sizes(parts)}
        found.append(Local(local.coefficient, parts, tuple(inner[e] for e in arg.edges), node.edges, sizes))
    return found


def _sizes(parts: tuple[Tensor, ...]) -> dict[str, Poly]:
    return {edge: dim for part in parts for edge, dim in part.sizes.items()}


def _is_scaled(t: Tensor, dependent: Collection[int]) -> bool:
    """Whether `t` depends on what is differentiated through factors that are numbers alone."""
    while True:
        t = peel(t, {})[0]
        if isinstance(t, Sum) and len(t.terms) == 1:
            t = t.terms[0]
            continue
        if not isinstance(t, Product):
            return False
        moving = [f for f in t.factors if id(f) in dependent and f.order]
        if not moving:
            return True
        if len(moving) > 1 or any(f.order for f in t.factors if f is not moving[0]):
            return False
        t = moving[0]


def missing(node: Apply, argument: int) -> UnsupportedError:
    """What to say of a function without a derivative rule."""
    name = str(node.function)
    if name in PLACES:
        return UnsupportedError(
            f"the derivative of {name}: it jumps from one position to another, so its derivative is 0 or undefined; "
            "differentiate what is found at the position instead, F.max, F.sort or F.gather"
        )
    if name == "rank":
        return UnsupportedError(
            "the derivative of rank: it jumps from one whole number to another; keep its matrix constant"
        )
    if name == "onehot":
        return UnsupportedError(
            "the derivative of a one-hot vector in its position, which is an integer; differentiate in the table that it "
            "selects from"
        )
    if argument:
        return UnsupportedError(f"the derivative of {name} in its argument {argument + 1}; keep that one constant")
    return UnsupportedError(
        f"the derivative of {name}: rules/derivatives.rules has no line for it; add one, or write the expression "
        f"without {name}"
    )


def _lacking(template: Template, node: Apply, leaves: Leaves) -> Fact | None:
    """A fact that a matrix rule needs beyond those that make its function defined, and that is not known where it is used.

    Rules of elementwise functions need none, nor do those whose right side is defined wherever the function is: such
    conditions say where there is a derivative.
    """
    if node.function.elementwise or not any(_partial(n, node.function) for n in walk(template.right)):
        return None
    for condition in template.conditions:
        fact = condition.fact
        if fact is None or fact.name == node.function.domain:
            continue
        arg, groups = node.args[template.argument], node.acted[template.argument]
        if not _known(fact.name, arg, tuple(e for group in groups for e in group), leaves):
            return fact
    return None


def _partial(t: Tensor, function: Function) -> bool:
    return isinstance(t, Apply) and bool(t.function.domain) and t.function.domain != function.domain


def _known(fact: str, arg: Tensor, edges: tuple[str, ...], leaves: Leaves) -> bool:
    enough = _INVERTIBLE if fact == "invertible" else (fact,)
    variable = peel(arg, {})[0]
    if isinstance(variable, Variable) and any(variable.has(f) for f in enough):
        return True
    return any(_states(condition, enough, arg, edges) for condition in leaves.known)


def _states(condition: Condition, facts: tuple[str, ...], arg: Tensor, edges: tuple[str, ...]) -> bool:
    t = condition.tensor
    if (
        condition.fact is None
        or condition.fact.name not in facts
        or len(t.edges) != len(edges)
        or arg.order != len(edges)
    ):
        return False
    sizes = arg.sizes
    if t.dims != tuple(sizes[e] for e in edges):
        return False
    return (
        t.rename(dict(zip(t.edges, edges, strict=True))) == arg
        or t.rename(dict(zip(t.edges, edges[::-1], strict=True))) == arg
    )
