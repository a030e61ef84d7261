"""The chain rule: derivatives of expressions as expressions, shared parts shared.

Works on the nodes as written. Facts of variables are never looked at: the entries of the variable are independent. A
scalar is differentiated in reverse mode (one cotangent a node), a tensor in reverse or forward mode, whichever carries
fewer edges. Time is linear in the number of nodes (and in the squares of the numbers of factors of products).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tensorgrad.calculus.blocks import SERIES, through_block
from tensorgrad.calculus.closing import Offer
from tensorgrad.calculus.exchange import through
from tensorgrad.calculus.expectation import eliminate, offers
from tensorgrad.calculus.forms import ClosedForm, SourcedLine
from tensorgrad.calculus.laws import by_definition, with_exchange
from tensorgrad.calculus.leaves import Leaves, Template, leaves, peel
from tensorgrad.calculus.lines import forms_of
from tensorgrad.calculus.local import commuting, jacobian, missing, traced
from tensorgrad.calculus.template import Instance
from tensorgrad.calculus.wired import Frame, Wired, apply, materialise, total
from tensorgrad.errors import EdgeError, UnsupportedError
from tensorgrad.function import FUNCTIONS, PLACES, Function
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import (
    Apply,
    Derivative,
    Expectation,
    Product,
    Scalar,
    Tensor,
    Variable,
    Zero,
    align,
    broadcast,
    postorder,
    renamed,
    walk,
    with_children,
)

if TYPE_CHECKING:
    from tensorgrad.notation import Condition

_UNFOLDED = 16
"""matpow(A, k) with a literal integer k is a product of |k| factors up to this k."""


def expand(
    t: Tensor,
    rules: Iterable[SourcedLine] | None = None,
    conditions: Sequence[Condition] = (),
    used: dict[str, None] | None = None,
) -> Tensor:
    """`t` without Derivative nodes, derivatives of known functions (`d(tanh)(x)`) and expectations that can be taken.

    Args: t; rules, lines with leaf derivatives and closed forms of expectations (the packaged `derivatives.rules` and
    `expectations.rules` if None); conditions, facts known to hold (some leaf derivatives need them: that of `adj` needs
    an invertible argument); used, where the names of the leaf derivatives are noted that were taken.
    Raises UnsupportedError for functions without a leaf derivative, and for derivatives that cannot move into an E.

    >>> from tensorgrad.tensor import Product, Variable
    >>> A, X = Variable("A", i="n", j="m"), Variable("X", j="m", k="p")
    >>> expand((A @ X).grad(X, ["a", "b"])).edges
    ('i', 'k', 'a', 'b')
    """
    random = any(isinstance(n, Expectation) for n in walk(t)) or any(c.law is not None for c in conditions)
    if random:
        t = by_definition(with_exchange(t, conditions))
    if not random and not any(_differentiated(n) for n in walk(t)):
        return t
    templates = leaves(rules, conditions, used)
    if not random:
        return _written_out(_derived(t, templates), templates)
    forms = forms_of(rules)
    held = _held(templates, forms)
    plain = _derived(t, held)
    averaged = eliminate(plain, lambda y, x, names: _differentiate(y, x, tuple(names), held), forms)
    return _written_out(averaged, templates)


def closed_forms(node: Expectation, rules: Iterable[SourcedLine] | None = None) -> list[Offer]:
    """What an expectation without a closed form that holds everywhere equals under facts, by lines as in `expand`."""
    templates, forms = leaves(rules), forms_of(rules)
    held = _held(templates, forms)
    found = offers(node, lambda y, x, names: _differentiate(y, x, tuple(names), held), forms)
    return [replace(offer, value=_written_out(offer.value, templates)) for offer in found]


def _held(templates: Leaves, forms: Sequence[ClosedForm]) -> Leaves:
    """The templates while expectations are taken: derivative functions that closed forms are about stay as they are."""
    return templates.without(f for form in forms for f in form.derivatives)


def _differentiated(node: Tensor) -> bool:
    return isinstance(node, Derivative) or (isinstance(node, Apply) and node.function.derivative > 0)


def _derived(t: Tensor, templates: Leaves) -> Tensor:
    """`t` without derivatives; expectations stay, with the derivatives moved into them."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        if isinstance(node, Derivative):
            done[id(node)] = _differentiate(done[id(node.tensor)], node.variable, node.names, templates)
            continue
        new = with_children(node, tuple(done[id(c)] for c in node.children))
        if isinstance(new, Apply) and new.function.known and new.function.derivative:
            new = _derivative_function(new, templates)
        done[id(node)] = new
    return done[id(t)]


def _written_out(t: Tensor, templates: Leaves) -> Tensor:
    """`t` with the derivative functions that lines define written out: other lines may speak of them, as that of gelu of
    d(erf)."""
    done: set[Function] = set()
    while found := {n.function for n in walk(t) if isinstance(n, Apply) and templates.defines(n.function)} - done:
        results: dict[int, Tensor] = {}
        for node in postorder(t):
            new = with_children(node, tuple(results[id(c)] for c in node.children))
            if isinstance(new, Apply) and new.function in found:
                new = _derivative_function(new, templates)
            results[id(node)] = new
        t, done = results[id(t)], done | found
    return t


def differentiate(
    t: Tensor, variable: Variable, names: Sequence[str], rules: Iterable[SourcedLine] | None = None
) -> Tensor:
    """The derivative of `t` with respect to the entries of `variable`: the edges of `t`, then `names`.

    >>> x = Variable("x", i="n")
    >>> differentiate(x @ x, x, ["k"]).edges
    ('k',)
    """
    return expand(Derivative(t, variable, tuple(names)), rules)


def _differentiate(t: Tensor, variable: Variable, names: tuple[str, ...], templates: Leaves) -> Tensor:
    t = _unfold_powers(t)
    if any(isinstance(n, Expectation) for n in walk(t)):
        return through(t, variable, names, lambda y, x, new: _differentiate(y, x, tuple(new), templates))
    order = postorder(t)
    dependent = _dependent(order, variable)
    edges, dims = (*t.edges, *names), (*t.dims, *variable.dims)
    if id(t) not in dependent:
        return Zero(edges=dict(zip(edges, dims, strict=True)))
    # Rules for traces want cotangents; by a number, one tangent is so much less that it does without them.
    series = variable.order and any(_is_series(n, dependent, templates) for n in order)
    if variable.order < t.order and not series:
        value = _forward(order, dependent, templates, Frame(names, variable.dims))
    else:
        value = _reverse(order, dependent, templates, Frame(t.edges, t.dims), [variable])[variable.name]
        if value is not None:
            value = _turned(value, variable.order)
    return _materialised(value, edges, dims)


def _materialised(value: Wired | None, edges: tuple[str, ...], dims: tuple[Poly, ...]) -> Tensor:
    return Zero(edges=dict(zip(edges, dims, strict=True))) if value is None else materialise(value, edges, dims)


def gradients(
    t: Tensor, pairs: Sequence[tuple[Variable, Sequence[str]]], conditions: Sequence[Condition] = ()
) -> list[Tensor]:
    """The derivatives of `t` in several variables, each with the names of its new edges: cotangents are shared.

    >>> x, y = Variable("x", i="n"), Variable("y", i="n")
    >>> [g.edges for g in gradients(x @ y, [(x, ["k"]), (y, ["k"])])]
    [('k',), ('k',)]
    """
    t = _unfold_powers(expand(t, conditions=conditions))
    templates = leaves(None, conditions)
    together = [v for v, _ in pairs if v.order >= t.order]
    order = postorder(t)
    dependent = _dependent(order, *together)
    frame = Frame(t.edges, t.dims)
    found: dict[str, Wired | None] = {}
    if id(t) in dependent:
        found = _reverse(order, dependent, templates, frame, together)
    results: list[Tensor] = []
    for variable, names in pairs:
        if variable.order < t.order:
            results.append(_differentiate(t, variable, tuple(names), templates))
            continue
        value = found.get(variable.name)
        turned = None if value is None else _turned(value, variable.order)
        results.append(_materialised(turned, (*t.edges, *names), (*t.dims, *variable.dims)))
    return [_written_out(result, templates) for result in results]


def _dependent(order: list[Tensor], *variables: Variable) -> set[int]:
    found: set[int] = set()
    dims = {v.name: v.dims for v in variables}
    for node in order:
        own = isinstance(node, Variable) and node.name in dims
        if isinstance(node, Variable) and own and node.dims != dims[node.name]:
            raise EdgeError(f"{node.name} occurs with sizes {node.dims} and {dims[node.name]}: one name, one variable")
        if own or (any(id(c) in found for c in node.children) and not _selects(node)):
            found.add(id(node))
    return _reached(order, found)


def _reached(order: list[Tensor], dependent: set[int]) -> set[int]:
    """Those that the root depends on through dependent nodes only."""
    reached = {id(order[-1])}
    for node in reversed(order):
        if id(node) in reached and id(node) in dependent:
            reached.update(id(child) for child in node.children)
    return dependent & reached


def _selects(node: Tensor) -> bool:
    """Whether a one-hot vector stands for a computed position (argmax, argsort), which is constant where it is defined."""
    if not (isinstance(node, Apply) and node.function.name == "onehot" and node.function.known):
        return False
    position = peel(node.args[0], {})[0]
    return isinstance(position, Apply) and position.function.name in PLACES


def _is_series(node: Tensor, dependent: set[int], templates: Leaves) -> bool:
    """Whether the node is a function of a matrix that is differentiated under a trace or through a block matrix."""
    if not (isinstance(node, Apply) and id(node) in dependent and node.function.name in SERIES):
        return False
    return node.function.known and (node.function.name, node.function.derivative, 0) not in templates.jacobians


def _reverse(
    order: list[Tensor], dependent: set[int], templates: Leaves, frame: Frame, variables: Sequence[Variable]
) -> dict[str, Wired | None]:
    """Cotangents from the root down to the variables, by name: ends are a node's edges, then those of the root."""
    root = order[-1]
    start = tuple(range(root.order))
    waiting: dict[int, list[Wired]] = {id(root): [Wired(ONE, None, (), (*start, *start))]}
    found: dict[str, list[Wired]] = {v.name: [] for v in variables}
    for node in reversed(order):
        arrived = waiting.pop(id(node), None)
        if arrived is None:
            continue
        if isinstance(node, Variable):
            found[node.name] += arrived
            continue
        cotangent = total(arrived, node.edges, node.dims, frame)
        if cotangent is None:
            continue
        for child, value in _sent(node, cotangent, dependent, templates, frame):
            waiting.setdefault(id(child), []).append(value)
    return {v.name: total(found[v.name], v.edges, v.dims, frame) for v in variables}


def _sent(
    node: Tensor, cotangent: Wired, dependent: set[int], templates: Leaves, frame: Frame
) -> Iterable[tuple[Tensor, Wired]]:
    """The contributions of a node's cotangent to the nodes below it."""
    if isinstance(node, Apply) and _is_series(node, dependent, templates):
        _constant_exponent(node, dependent)
        scaled = commuting(node, dependent, templates)
        terms = traced(node, cotangent, templates) if scaled is None else [(cotangent, local) for local in scaled]
        if terms is None:
            return [(node.args[0], through_block(node, cotangent, frame, True))]
        sent = [(node.args[0], apply(local, left, frame, True)) for left, local in terms]
    elif isinstance(node, Apply) and (summed := traced(node, cotangent, templates)) is not None:
        sent = [(node.args[0], apply(local, left, frame, True)) for left, local in summed]
    else:
        sent = [(child, apply(local, cotangent, frame, True)) for child, local in jacobian(node, dependent, templates)]
    return [(child, value) for child, value in sent if value is not None]


def _constant_exponent(node: Apply, dependent: set[int]) -> None:
    for k, argument in enumerate(node.args[1:], 1):
        if id(argument) in dependent:
            raise missing(node, k)


def _forward(order: list[Tensor], dependent: set[int], templates: Leaves, frame: Frame) -> Wired | None:
    """Tangents from the variable up: ends are a node's edges, then those of the variable."""
    tangents: dict[int, Wired | None] = {}
    for node in order:
        if id(node) not in dependent:
            continue
        if isinstance(node, Variable):
            ends = tuple(range(node.order))
            tangents[id(node)] = Wired(ONE, None, (), (*ends, *ends))
            continue
        if isinstance(node, Apply) and _is_series(node, dependent, templates):
            _constant_exponent(node, dependent)
            tangent = tangents[id(node.args[0])]
            scaled = commuting(node, dependent, templates)
            if tangent is None or scaled is None:
                tangents[id(node)] = None if tangent is None else through_block(node, tangent, frame, False)
                continue
            moved = [value for local in scaled if (value := apply(local, tangent, frame, False)) is not None]
            tangents[id(node)] = total(moved, node.edges, node.dims, frame)
            continue
        values: list[Wired] = []
        for child, local in jacobian(node, dependent, templates):
            tangent = tangents[id(child)]
            value = None if tangent is None else apply(local, tangent, frame, False)
            if value is not None:
                values.append(value)
        tangents[id(node)] = total(values, node.edges, node.dims, frame)
    return tangents[id(order[-1])]


def _turned(value: Wired, count: int) -> Wired:
    """The value with its first `count` ends last."""
    pattern = (*value.pattern[count:], *value.pattern[:count])
    number: dict[int, int] = {}
    for wire in pattern:
        number.setdefault(wire, len(number))
    legs = tuple(number[leg] for leg in value.legs)
    return Wired(value.coefficient, value.core, legs, tuple(number[w] for w in pattern))


def _unfold_powers(t: Tensor) -> Tensor:
    """matpow(A, k) with a literal integer k as a product, which the chain rule differentiates."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        new = with_children(node, tuple(done[id(c)] for c in node.children))
        done[id(node)] = _unfolded(new) if isinstance(new, Apply) and new.function.name == "matpow" else new
    return done[id(t)]


def _unfolded(node: Apply) -> Tensor:
    exponent = node.args[1]
    if not (isinstance(exponent, Scalar) and exponent.value.is_constant):
        return node
    k = exponent.value.number
    if k.denominator != 1 or k == 0 or abs(k) > _UNFOLDED:
        return node
    rows, columns = node.acted[0]
    base = node.args[0]
    if [base.sizes[e] for e in rows] != [base.sizes[e] for e in columns]:
        return node
    factor = base
    if k < 0:
        factor = Apply(FUNCTIONS["inv"], (base,), (node.acted[0],), node.acted[0])
    taken = {*node.edges, *base.edges}
    links = [node.produced[0]]
    for step in range(1, int(abs(k))):
        links.append(tuple(f"_{step}_{r}" for r in range(len(rows))))
        while any(e in taken for e in links[-1]):
            links[-1] = tuple(e + "_" for e in links[-1])
    links.append(node.produced[1])
    factors: list[Tensor] = []
    for one, other in pairwise(links):
        mapping = dict(zip((*rows, *columns), (*one, *other), strict=True))
        factors.append(renamed(factor, tuple(mapping.get(e, e) for e in factor.edges)))
    return Product(factors, node.edges)


def _derivative_function(node: Apply, templates: Leaves) -> Tensor:
    """d(f)(x), d(d(f))(x) of a known elementwise f, by its rules; itself where d(f) is a function of its own."""
    function = node.function
    base = FUNCTIONS[function.name]
    if not base.elementwise or len(node.args) != 1:
        raise UnsupportedError(f"{function} written as a function; write grad({function.name}(x), x)")
    x = Variable("x")
    value: Tensor = Apply(base, (x,))
    for _ in range(function.derivative):
        value = _differentiate(value, x, (), templates)
    template = Template(str(function), (x,), 0, (), (), value)
    lifted = Instance(template, node).build(value, {}, {})
    if isinstance(lifted, Scalar) and not lifted.value:
        return Zero(edges=node.sizes)
    return align(broadcast(lifted, node.sizes), node.edges)
