"""Hypothesis strategies for tensors: hyperedges, repeated edges, distinct sizes, size 1, empty products, functions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from tensorgrad.function import FUNCTIONS, unknown
from tensorgrad.sizes import Poly, size
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
    Flat,
    Law,
    LeviCivita,
    Product,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
    broadcast,
    power,
    renamed,
    tensor,
)

SIZES: dict[str, Poly] = {
    "i": size("n"),
    "j": size("m"),
    "k": size("p"),
    "l": size("n"),
    "q": size(1),
    "r": size(3),
    "batch": size("m"),
    "f": size("m") * size("n"),
}
"""The edges that strategies use, each with its size: equal and different symbols, a number, 1."""

DIMS = {"n": 2, "m": 3, "p": 4}
"""Values for the symbols, all different."""

_SMOOTH = ("exp", "tanh", "sin", "sigmoid", "relu", "abs")


_FLATS = (
    Flat(("f", "i", "j"), (size("n"), size("m"))),
    Flat(("f", "j", "i"), (size("m"), size("n"))),
    Flat(("f", "batch", "l"), (size("m"), size("n"))),
    Flat(("f", "l", "q", "batch"), (size("n"), size(1), size("m"))),
    Product((Flat(("g", "i", "j"), (size("n"), size("m"))), Delta(size("n") * size("m"), "g")), ("i", "j")),
)


def edge_lists(smallest: int = 0, largest: int = 3) -> st.SearchStrategy[list[str]]:
    """Distinct edges in any order."""
    return st.lists(st.sampled_from(sorted(SIZES)), min_size=smallest, max_size=largest, unique=True)


@st.composite
def variables(draw: st.DrawFn, smallest: int = 0, largest: int = 3) -> Tensor:
    """A variable of order 0 to 3; its name tells its sizes, so that equal names mean equal variables."""
    edges = draw(edge_lists(smallest, largest))
    letter = draw(st.sampled_from("AB"))
    own = [f"a{position}" for position in range(len(edges))]
    shape = "".join(str(SIZES[e]).replace("*", "x") for e in edges)
    facts = draw(st.sampled_from(["", "symmetric"])) if len(edges) == 2 and SIZES[edges[0]] is SIZES[edges[1]] else ""
    name = f"{letter}{shape}{facts[:1]}" if edges else letter.lower()
    variable = Variable(name, edges={o: SIZES[e] for o, e in zip(own, edges, strict=True)}, facts=facts)
    return renamed(variable, tuple(edges))


@st.composite
def constants(draw: st.DrawFn) -> Tensor:
    """Copy tensors, ones, zeros, unit vectors, numbers and sizes, Levi-Civita, convolution, flat."""
    kind = draw(st.sampled_from(["delta", "ones", "zero", "unit", "number", "size", "lc", "conv", "flat"]))
    if kind == "delta":
        return draw(
            st.sampled_from(
                [Delta("n", "i", "l"), Delta("m", "batch", "j"), Delta("p", "k"), Delta("n"), Delta(3, "r")]
            )
        )
    if kind == "unit":
        return Unit(Scalar(Poly.constant(draw(st.integers(0, 2)))), size(3), ("r",))
    if kind == "number":
        return tensor(draw(st.fractions(-3, 3, max_denominator=4)))
    if kind == "size":
        return tensor(draw(st.sampled_from([size("n"), size("n") + 1, size("n") * size("m"), size("m").inverse()])))
    if kind == "lc":
        return Product(
            (LeviCivita(("r", "s", "t")), Unit(Scalar(Poly.constant(1)), size(3), ("s",))), ("r", "t")
        ).rename(t="r_")
    if kind == "conv":
        return Product((Convolution(("c", "i", "j"), (size("n") + size("m") - 1, size("n"), size("m"))),), ("i", "j"))
    if kind == "flat":
        return draw(st.sampled_from(_FLATS))
    edges = draw(edge_lists(1, 2))
    if kind == "zero":
        return Zero(edges={e: SIZES[e] for e in edges})
    return Product([Delta(SIZES[e], e) for e in edges], edges)


@st.composite
def products(draw: st.DrawFn, parts: st.SearchStrategy[Tensor]) -> Tensor:
    """A product of up to four factors that keeps any subset of its edges, in any order; also the empty product."""
    factors = draw(st.lists(parts, min_size=0, max_size=4))
    edges = list(dict.fromkeys(e for f in factors for e in f.edges))
    kept = draw(st.lists(st.sampled_from(edges), unique=True, max_size=3)) if edges else []
    return Product(factors, kept)


@st.composite
def sums(draw: st.DrawFn, parts: st.SearchStrategy[Tensor]) -> Tensor:
    """A weighted sum of up to three terms, broadcast to their common edges."""
    terms = draw(st.lists(parts, min_size=1, max_size=3))
    sizes = {e: d for t in terms for e, d in t.sizes.items()}
    weights = draw(
        st.lists(st.sampled_from([1, -1, 2, Fraction(1, 2), Fraction(-3, 2)]), min_size=len(terms), max_size=len(terms))
    )
    return Sum(tuple(broadcast(t, sizes) for t in terms), tuple(map(Fraction, weights)))


@st.composite
def applications(draw: st.DrawFn, parts: st.SearchStrategy[Tensor]) -> Tensor:
    """Elementwise functions, powers, functions along an edge, and matrix functions of a well-conditioned matrix."""
    t = draw(parts)
    kind = draw(st.sampled_from(["elementwise", "power", "along", "matrix"]))
    if kind == "power":
        return power(t, draw(st.sampled_from([2, 3, 0])))
    if kind == "along" and t.order:
        edge = draw(st.sampled_from(t.edges))
        name = draw(st.sampled_from(["softmax", "logsumexp", "max"]))
        produced = ((edge,),) if name == "softmax" else ()
        return Apply(FUNCTIONS[name], (t,), (((edge,),),), produced)
    if kind == "matrix" and t.order >= 2 and t.sizes[t.edges[0]] is t.sizes[t.edges[1]]:
        return matrix_function(draw(st.sampled_from(["inv", "det", "expm"])), t)
    return Apply(FUNCTIONS[draw(st.sampled_from(_SMOOTH))], (t,))


def matrix_function(name: str, t: Tensor) -> Tensor:
    """A matrix function of the first two edges of `3 I + tanh(t)`; other edges are batch edges."""
    row, column = t.edges[:2]
    identity = broadcast(Delta(t.sizes[row], row, column), t.sizes)
    inside = Sum((identity, Apply(FUNCTIONS["tanh"], (t,))), (Fraction(4), Fraction(1)))
    function = FUNCTIONS[name]
    produced = () if not function.produces else ((row,), (column,))
    return Apply(function, (inside,), (((row,), (column,)),), produced)


def tensors(leaves: int = 6) -> st.SearchStrategy[Tensor]:
    """Any tensor expression without derivatives and expectations."""
    return st.recursive(
        st.one_of(variables(), variables(1, 2), constants()),
        lambda parts: st.one_of(products(parts), products(parts), sums(parts), applications(parts)),
        max_leaves=leaves,
    )


def small_tensors(order: int = 3) -> st.SearchStrategy[Tensor]:
    """Tensors of few free edges, cheap to evaluate densely."""
    return tensors().filter(lambda t: t.order <= order)


@st.composite
def derivatives(draw: st.DrawFn, parts: st.SearchStrategy[Tensor]) -> Tensor:
    """The derivative of an expression by one of its variables, as a node; or the expression, if it has too many edges."""
    t = draw(parts.filter(lambda t: t.order <= 2 and any(v.order <= 2 for v in t.variables)))
    variable = draw(st.sampled_from([v for v in t.variables if v.order <= 2]))
    names: list[str] = []
    for dim in variable.dims:
        free = [e for e in SIZES if SIZES[e] is dim and e not in t.edges and e not in names]
        if not free:
            return t
        names.append(draw(st.sampled_from(free)))
    return Derivative(t, variable, names)


@st.composite
def expectations(draw: st.DrawFn) -> Tensor:
    """The expectation of a polynomial over one of its variables, normal, of at most two entries."""
    small = st.recursive(
        st.one_of(variables(0, 2), constants()),
        lambda parts: st.one_of(products(parts), sums(parts), parts.map(lambda t: power(t, 2))),
        max_leaves=5,
    )
    t = draw(small.filter(lambda t: t.order <= 2))
    few = [v for v in t.variables if v.order <= 1 and not v.facts and all(d.evaluate(DIMS) <= 2 for d in v.dims)]
    if not few:
        return t
    mean = draw(st.sampled_from([None, 1, Fraction(-1, 2)]))
    return Expectation.gaussian(t, draw(st.sampled_from(few)), mean, draw(st.sampled_from([1, 2])))


@st.composite
def opaque(draw: st.DrawFn, parts: st.SearchStrategy[Tensor]) -> Tensor:
    """An unknown function of one or two arguments, with edges of its own; its name tells what it takes and makes."""
    acted: list[tuple[tuple[str, ...], ...]] = []
    args = draw(st.lists(parts, min_size=1, max_size=2))
    for arg in args:
        edges = draw(st.lists(st.sampled_from(arg.edges), unique=True, max_size=2)) if arg.order else []
        acted.append(tuple((e,) for e in edges))
    batch = {e for arg, groups in zip(args, acted, strict=True) for e in arg.edges if (e,) not in groups}
    made = draw(st.lists(st.sampled_from(sorted(SIZES.keys() - batch)), unique=True, max_size=2))
    taken = "_".join("".join(str(arg.sizes[e]) for (e,) in groups) for arg, groups in zip(args, acted, strict=True))
    name = f"g{taken}to{''.join(str(SIZES[e]) for e in made)}".replace("*", "x")
    function = unknown(name, tuple(map(len, acted)), tuple(SIZES[e] for e in made))
    return Apply(function, args, acted, tuple((e,) for e in made))


@st.composite
def laws(draw: st.DrawFn, parts: st.SearchStrategy[Tensor]) -> Tensor:
    """E, Var or Cov over one of the variables: of any law, normal, known by two moments, with independent entries."""
    t = draw(parts.filter(lambda t: t.order <= 2))
    random = [v for v in t.variables if v.name[0] in "ABab"]
    if not random:
        return t
    x = draw(st.sampled_from(random))
    exchange = ", ".join(f"{k} {k + x.order}" for k in range(x.order))
    mean, names = Variable(f"mu{x.name}", edges=x.sizes), [f"b{k}" for k in range(x.order)]
    covariance = Variable(
        f"S{x.name}",
        edges={**x.sizes, **dict(zip(names, x.dims, strict=True))},
        facts=f"symmetric({exchange})" if x.order > 1 else "symmetric" if x.order else "",
    )
    number = tensor(draw(st.sampled_from([0, 1, Fraction(1, 2)])))
    scaled = Product((number, covariance), covariance.edges)
    law = draw(
        st.sampled_from(
            [
                None,
                Law("N", (mean, covariance)),
                Law("N", (broadcast(number, x.sizes), scaled)),
                Law("law", (mean, scaled)),
                Law("iid", (tensor(0), number)),
            ]
        )
    )
    kind = draw(st.sampled_from(["E", "E", "Var"])) if t.order < 2 else "E"
    edges, dims = t.edges, t.dims
    if kind == "Var" and t.order and draw(st.booleans()):
        edges, dims = (*edges, "v"), dims * 2
    return Expectation.of(kind, (t,), x, law, edges, dims)


def declared_tensors(leaves: int = 6) -> st.SearchStrategy[Tensor]:
    """Any tensor expression of few free edges, unknown functions and random variables of any law anywhere inside."""
    return st.recursive(
        st.one_of(variables(), variables(1, 2), constants(), expectations()),
        lambda parts: st.one_of(
            products(parts), sums(parts), applications(parts), derivatives(parts), opaque(parts), laws(parts)
        ),
        max_leaves=leaves,
    ).filter(lambda t: t.order <= 3)


def calculus_tensors(leaves: int = 6) -> st.SearchStrategy[Tensor]:
    """Any tensor expression of few free edges, derivatives and expectations anywhere inside."""
    return st.recursive(
        st.one_of(variables(), variables(1, 2), constants(), expectations()),
        lambda parts: st.one_of(products(parts), products(parts), sums(parts), applications(parts), derivatives(parts)),
        max_leaves=leaves,
    ).filter(lambda t: t.order <= 3)
