"""The numeric oracle: dense evaluation against entry-by-entry definitions, exact arithmetic, sampling, refutation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad import numeric
from tensorgrad.errors import BudgetError, SizeError, UnsupportedError, ValueMismatchError
from tensorgrad.function import FUNCTIONS, unknown
from tensorgrad.notation import parse, parse_claim, parse_conditions, parse_facts, parse_scope
from tensorgrad.numeric import precise_functions as precise
from tensorgrad.numeric.compare import Comparison
from tensorgrad.numeric.construct import EXACT, FIXED, STYLES, draw
from tensorgrad.numeric.precise import evaluate_precisely
from tensorgrad.numeric.unknown import smooth
from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Fact,
    Flat,
    LeviCivita,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
    power,
    walk,
)
from tests.strategies import DIMS, small_tensors

Values = dict[str, Any]


def random_values(t: Tensor, seed: int = 0, dims: Mapping[str, int] = DIMS) -> Values:
    rng = np.random.default_rng(seed)
    return {v.name: rng.standard_normal([int(d.evaluate(dims)) for d in v.dims]) for v in t.variables}


def entry(t: Tensor, at: Mapping[str, int], values: Values, dims: Mapping[str, int]) -> float:
    """One entry of a tensor, straight from the definitions of notation.md."""

    def inner(u: Tensor, where: Mapping[str, int] = at) -> float:
        return entry(u, where, values, dims)

    place = tuple(at[e] for e in t.edges)
    match t:
        case Variable():
            return float(values[t.name][place])
        case Scalar():
            return float(t.value.evaluate(dims))
        case Rename():
            return inner(t.tensor, dict(zip(t.tensor.edges, place, strict=True)))
        case Zero():
            return 0.0
        case Delta():
            return float(len(set(place)) == 1) if place else float(t.size.evaluate(dims))
        case Unit():
            return float(place[0] == inner(t.index))
        case Flat():
            fused = 0
            for k, part in zip(place[1:], t.parts, strict=True):
                fused = fused * int(part.evaluate(dims)) + k
            return float(place[0] == fused)
        case Convolution():
            return float(place[0] == sum(place[1:]))
        case LeviCivita():
            return float(np.linalg.det(np.eye(len(place))[list(place)])) if len(set(place)) == len(place) else 0.0
        case Sum():
            return sum(float(w) * inner(u) for w, u in zip(t.weights, t.terms, strict=True))
        case Product():
            sizes = {e: int(d.evaluate(dims)) for f in t.factors for e, d in f.sizes.items()}
            bound = [e for e in sizes if e not in t.edges]
            total = 0.0
            for choice in itertools.product(*(range(sizes[e]) for e in bound)):
                where = {**{e: at[e] for e in t.edges}, **dict(zip(bound, choice, strict=True))}
                total += float(np.prod([inner(f, where) for f in t.factors]))
            return total
        case Apply() if t.function.elementwise:
            assert t.function.meaning is not None
            return float(t.function.meaning(np, *(np.asarray(inner(a)) for a in t.args)))
        case _:
            raise NotImplementedError


def dense(t: Tensor, values: Values, dims: Mapping[str, int]) -> np.ndarray:
    shape = [int(d.evaluate(dims)) for d in t.dims]
    out = np.empty(shape)
    for place in np.ndindex(*shape):
        out[place] = entry(t, dict(zip(t.edges, place, strict=True)), values, dims)
    return out


def structural(t: Tensor) -> bool:
    """Whether the entry-by-entry definition is cheap: no functions of axes, few summed terms."""
    nodes = list(walk(t))
    if any(isinstance(n, Apply) and not n.function.elementwise for n in nodes):
        return False
    return len(nodes) <= 8 and all(n.order <= 5 for n in nodes)


@given(small_tensors().filter(structural), st.integers(0, 5))
def test_evaluation_is_the_definition_entry_by_entry(t: Tensor, seed: int) -> None:
    values = random_values(t, seed)
    found = numeric.evaluate(t, values, DIMS)
    assert found.shape == tuple(int(d.evaluate(DIMS)) for d in t.dims)
    np.testing.assert_allclose(found, dense(t, values, DIMS), rtol=1e-9, atol=1e-9)


FORMS = {
    "A @ B": lambda v: v["A"] @ v["B"],
    "A.T": lambda v: v["A"].T,
    "x @ S @ x": lambda v: v["x"] @ v["S"] @ v["x"],
    "kron(A, B)": lambda v: np.kron(v["A"], v["B"]),
    "vec(A)": lambda v: v["A"].ravel(order="F"),
    "outer(x, y)": lambda v: np.outer(v["x"], v["y"]),
    "diag(x)": lambda v: np.diag(v["x"]),
    "diag(S)": lambda v: np.diag(v["S"]),
    "tr(S)": lambda v: np.trace(v["S"]),
    "sum(A, 0)": lambda v: v["A"].sum(axis=0),
    "mean(A, 1)": lambda v: v["A"].mean(axis=1),
    "norm(A)": lambda v: np.linalg.norm(v["A"]),
    "det(S)": lambda v: np.linalg.det(v["S"]),
    "logdet(S)": lambda v: np.linalg.slogdet(v["S"])[1],
    "inv(S)": lambda v: np.linalg.inv(v["S"]),
    "pinv(A)": lambda v: np.linalg.pinv(v["A"]),
    "adj(S)": lambda v: np.linalg.det(v["S"]) * np.linalg.inv(v["S"]),
    "matpow(S, -2)": lambda v: np.linalg.matrix_power(v["S"], -2),
    "softmax(A)": lambda v: np.exp(v["A"]) / np.exp(v["A"]).sum(axis=1, keepdims=True),
    "ten[i, j](softmax[i](A[i, j]))": lambda v: np.exp(v["A"]) / np.exp(v["A"]).sum(axis=0, keepdims=True),
    "logsumexp(A)": lambda v: np.log(np.exp(v["A"]).sum(axis=1)),
    "max(A)": lambda v: v["A"].max(axis=1),
    "n * x + m": lambda v: 2 * v["x"] + 3,
    "x ** 2 / 4": lambda v: v["x"] ** 2 / 4,
    "einsum('ij,jk->ki', A, B)": lambda v: (v["A"] @ v["B"]).T,
}


@pytest.mark.parametrize("text", FORMS)
def test_notation_means_what_numpy_computes(text: str) -> None:
    t = parse(text.replace("'", '"'), let="A : n m ; B : m p ; x : n ; y : m ; S : n n ; W : p n n")
    values = random_values(
        parse(
            "sum(A)*sum(B)*sum(x)*sum(y)*sum(S)*sum(W)", let="A : n m ; B : m p ; x : n ; y : m ; S : n n ; W : p n n"
        )
    )
    np.testing.assert_allclose(numeric.evaluate(t, values, DIMS), FORMS[text](values), rtol=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "0 * log(x)",
        "log(x) - log(x)",
        "step(log(x))",
        "relu(1 / (x + 1))",
        "log(x) ** 0",
        "max(log(x) * y)",
        "zeros[3] * log(x) @ y",
    ],
)
def test_an_undefined_part_makes_the_whole_undefined(text: str) -> None:
    t = parse(text, let="x : scalar ; y : 3")
    assert np.isnan(numeric.evaluate(t, {"x": -1.0, "y": np.ones(3)})).all()


def test_a_singular_matrix_has_no_inverse_and_spoils_only_its_own_batch_entry() -> None:
    t = Apply(FUNCTIONS["inv"], (Variable("W", k=3, i=2, j=2),), ((("i",), ("j",)),), (("r",), ("c",)))
    w = np.stack([np.eye(2), np.ones((2, 2)), np.full((2, 2), np.nan)])
    found = numeric.evaluate(t, {"W": w})
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [False, True, True]


def test_thousands_of_nested_nodes_need_no_recursion() -> None:
    t: Tensor = Variable("x")
    expected = 0.3
    for _ in range(3000):
        t, expected = Apply(FUNCTIONS["sin"], (t,)), float(np.sin(expected))
    assert float(numeric.evaluate(t, {"x": 0.3})) == pytest.approx(expected)


def test_a_trace_of_64_matrices_and_a_copy_tensor_of_order_30_are_cheap() -> None:
    factors = [Variable(f"M{k}", edges={f"e{k}": "n", f"e{(k + 1) % 64}": "n"}) for k in range(64)]
    values = random_values(Product(factors, ()), dims={"n": 3})
    expected = np.eye(3)
    for factor in factors:
        expected = expected @ values[factor.name]
    assert float(numeric.evaluate(Product(factors, ()), values)) == pytest.approx(float(np.trace(expected)))
    wide = Product((Delta("n", *(f"e{k}" for k in range(30))), Variable("x", e3="n")), ("e5", "e7"))
    np.testing.assert_allclose(numeric.evaluate(wide, {"x": [1.0, 2.0]}), np.diag([1.0, 2.0]))


def messages() -> list[tuple[type[Exception], str, Any]]:
    A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    big = Product([Delta("n", f"e{k}") for k in range(9)], [f"e{k}" for k in range(9)])
    return [
        (
            ValueMismatchError,
            "no value for x; values were given for A",
            lambda: numeric.evaluate(A @ x, {"A": np.ones((2, 3))}),
        ),
        (
            ValueMismatchError,
            "A gives the size m = 3, x gives m = 4",
            lambda: numeric.evaluate(A @ x, {"A": np.ones((2, 3)), "x": np.ones(4)}),
        ),
        (ValueMismatchError, "x has order 1, its value has shape ()", lambda: numeric.evaluate(x, {"x": 1.0})),
        (
            ValueMismatchError,
            "x : m has shape (2,) here, the value given has (3,)",
            lambda: numeric.evaluate(x, {"x": np.ones(3)}, {"m": 2}),
        ),
        (SizeError, "the size n has no value", lambda: numeric.evaluate(Delta("n", "i"), {})),
        (
            UnsupportedError,
            "not supported yet: the value of a derivative by x: eliminate it first with tensorgrad.calculus.expand",
            lambda: numeric.evaluate(Derivative(x @ x, x), {"x": np.ones(3)}),
        ),
        (BudgetError, "dense evaluation would need an array of", lambda: numeric.evaluate(big, {}, {"n": 9})),
        (
            numeric.NonRationalError,
            "exp is not rational: it has no value modulo a prime",
            lambda: numeric.evaluate_mod(Apply(FUNCTIONS["exp"], (x,)), {"x": np.ones(3)}),
        ),
        (
            numeric.NonRationalError,
            "an exponent with c, which is not declared integer, is not rational",
            lambda: numeric.evaluate_mod(power(x, Variable("c")), {"x": np.ones(3), "c": 2}),
        ),
        (
            numeric.UndefinedError,
            "0 to a negative power",
            lambda: numeric.evaluate_mod(power(x, -1), {"x": np.zeros(3)}),
        ),
        (
            UnsupportedError,
            "not supported yet: d(f) of a plain callable: give a numeric.Smooth, which knows its derivatives",
            lambda: numeric.evaluate(Apply(unknown("f").differentiate(), (x,)), {"x": np.ones(3), "f": np.sin}),
        ),
    ]


@pytest.mark.parametrize(("kind", "text", "act"), messages(), ids=[m[1][:40] for m in messages()])
def test_messages(kind: type[Exception], text: str, act: Any) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert text in str(caught.value)


RATIONAL = [
    "A @ B + 3 * A @ B",
    "det(S) * adj(S)",
    "inv(S) @ A / 3",
    "matpow(S, -3)",
    "tr(S) ** -2 + 1/7",
    "kron(A, B) * n",
    "sum[i, j](lc[i, j] * D[i, k] * D[j, l])",
    "x[i] ** 3 * S[i, i]",
    "S ** c",
    "e[c, n] @ S",
]


def exactly(value: float, p: int) -> int:
    """A float that is a fraction of small numerator and denominator, as a residue."""
    exact = Fraction(float(value)).limit_denominator(100_000)
    assert abs(float(exact) - float(value)) < 1e-11 * max(1.0, abs(float(value)))
    return exact.numerator * pow(exact.denominator, -1, p) % p


@pytest.mark.parametrize("text", RATIONAL)
@pytest.mark.parametrize("p", [numeric.PRIME, 1_000_003])
def test_residues_are_the_exact_values(text: str, p: int) -> None:
    t = parse(text, let="A : n m ; B : m p ; x : n ; S : n n ; D : 2 2 ; c : scalar integer")
    rng = np.random.default_rng(3)
    values: Values = {v.name: rng.integers(1, 4, [int(d.evaluate(DIMS)) for d in v.dims]) for v in t.variables}
    values = {k: v + 3 * np.eye(2, dtype=int) if v.shape[-2:] == (2, 2) else v for k, v in values.items()} | {
        "c": np.asarray(1)
    }
    reals, residues = numeric.evaluate(t, values, DIMS), numeric.evaluate_mod(t, values, DIMS, p)
    assert [exactly(v, p) for v in np.ravel(reals)] == np.ravel(residues).tolist()


def test_a_true_rational_identity_holds_modulo_a_prime_and_a_false_one_does_not() -> None:
    claim = parse_claim(
        "inv(A + outer(x, y)) = inv(A) - inv(A) @ outer(x, y) @ inv(A) / (1 + y @ inv(A) @ x)", let="A : n n ; x y : n"
    )
    assert claim.right is not None
    rng = np.random.default_rng(0)
    values = {"A": rng.integers(0, numeric.PRIME, (4, 4)), "x": rng.integers(0, 99, 4), "y": rng.integers(0, 99, 4)}
    left, right = (numeric.evaluate_mod(t, values) for t in (claim.left, claim.right))
    assert (left == right).all()
    assert (left != numeric.evaluate_mod(claim.right * 2, values)).any()


ELEMENTWISE = "exp log sqrt sin cos tan sinh cosh tanh sigmoid softplus erf gelu abs relu sign step".split()


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_closed_derivatives_of_functions_are_their_differences(name: str, order: int) -> None:
    x = Variable("x", i="n")
    lower = FUNCTIONS[name]
    for _ in range(order - 1):
        lower = lower.differentiate()
    points = np.array([0.4, 1.3, 2.1]) if name in ("log", "sqrt") else np.array([-1.7, -0.6, 0.3, 1.2])
    slope = np.diag(numeric.finite_gradient(Apply(lower, (x,)), x, {"x": points}))
    found = numeric.evaluate(Apply(lower.differentiate(), (x,)), {"x": points})
    np.testing.assert_allclose(found, slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["log", "sqrt"])
def test_a_derivative_is_undefined_where_the_function_is(name: str) -> None:
    t = Apply(FUNCTIONS[name].differentiate(), (Variable("x", i=2),))
    assert np.isnan(numeric.evaluate(t, {"x": [-1.0, 0.0]})).all()


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "max"])
def test_closed_derivatives_along_an_axis_are_their_differences(name: str) -> None:
    x = Variable("x", i="n")
    f = FUNCTIONS[name]
    t = Apply(f, (x,), ((("i",),),), (("i",),) * len(f.produces))
    d = Apply(f.differentiate(), (x,), ((("i",),),), (("i",), ("j",))[1 - len(f.produces) :])
    points = np.array([0.3, -0.4, 1.1])
    np.testing.assert_allclose(
        numeric.evaluate(d, {"x": points}), numeric.finite_gradient(t, x, {"x": points}), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_sampled_functions_know_their_derivatives(vector: bool, order: int) -> None:
    f = smooth(np.random.default_rng(order), unknown("f", (int(vector),)))
    x, step = np.array([0.3, -0.8, 1.4]), 1e-5
    for k in range(3):
        move = step * np.eye(3)[k]
        slope = (f.at(x + move, order - 1) - f.at(x - move, order - 1)) / (2 * step)
        found = f.at(x, order)
        np.testing.assert_allclose(found[..., k] if vector else found[k] * np.eye(3)[k], slope, rtol=1e-5, atol=1e-7)


FACTS = (
    "symmetric",
    "skew",
    "diagonal",
    "upper",
    "lower",
    "orthogonal",
    "invertible",
    "psd",
    "pd",
    "idempotent",
    "positive",
    "nonnegative",
    "nonzero",
    "integer",
    "symmetric invertible",
    "symmetric positive",
    "symmetric integer",
    "symmetric orthogonal",
    "symmetric idempotent",
    "diagonal invertible",
    "diagonal nonnegative",
    "diagonal orthogonal",
    "upper invertible",
    "lower idempotent",
    "pd positive",
    "psd idempotent",
    "integer positive",
    "integer invertible",
    "integer pd",
    "integer orthogonal",
    "orthogonal nonnegative",
    "symmetric pd integer",
)


@pytest.mark.parametrize("text", FACTS)
@pytest.mark.parametrize("style", STYLES)
def test_facts_of_matrices_hold_by_construction(text: str, style: str) -> None:
    n = Poly.symbol("n")
    facts = parse_facts(text, (n, n), "A")
    rng = np.random.default_rng(1)
    for size in (1, 2, 3, 4):
        found = [draw((size, size), facts, style, rng) for _ in range(4)]
        drawn = [a for a in found if a is not None]
        assert drawn, f"no {size} by {size} matrix is {text} in style {style}"
        assert all(numeric.holds(fact, a) for a in drawn for fact in facts)


def test_special_styles_are_special_and_exact_ones_are_integers() -> None:
    rng = np.random.default_rng(0)
    drawn = {style: [draw((3, 3), [], style, rng) for _ in range(5)] for style in STYLES}
    for style in EXACT:
        assert all((np.asarray(a) == np.round(np.asarray(a))).all() for a in drawn[style])
    for style in FIXED:
        assert all((np.asarray(a) == np.asarray(drawn[style][0])).all() for a in drawn[style])
    assert any(np.linalg.matrix_rank(np.asarray(a)) == 1 for a in drawn["singular"])
    assert all(np.linalg.matrix_rank(np.asarray(a)) == 3 for a in drawn["generic"])


SHAPED = {
    "T : n n m symmetric(0,1)": lambda t: np.allclose(t, t.transpose(1, 0, 2)),
    "T : n m n m symmetric(0 2, 1 3)": lambda t: np.allclose(t, t.transpose(2, 3, 0, 1)),
    "T : n m n m pd": lambda t: np.linalg.eigvalsh(t.reshape(6, 6)).min() > 0,
    "T : 3 3 3 antisymmetric(0,1,2)": lambda t: (
        np.allclose(t, -t.transpose(1, 0, 2)) and np.allclose(t, -t.transpose(0, 2, 1))
    ),
    "T : m n orthonormal": lambda t: np.allclose(t.T @ t, np.eye(2)),
    "T : m unit": lambda t: np.isclose(t @ t, 1),
    "T : m simplex": lambda t: (t >= 0).all() and np.isclose(t.sum(), 1),
    "T : m onehot": lambda t: sorted(t) == [0, 0, 1],
    "T : scalar integer positive": lambda t: float(t) in (1, 2, 3),
    "T : scalar nonzero": lambda t: t != 0,
}


@pytest.mark.parametrize("let", SHAPED)
@pytest.mark.parametrize("special", ["generic", "mixed", "integers"])
def test_facts_of_other_orders_hold(let: str, special: str) -> None:
    scope = parse_scope(let)
    for seed in range(5):
        drawn = numeric.sample(scope.variables, scope.functions, (), DIMS, np.random.default_rng(seed), special)
        assert SHAPED[let](np.asarray(drawn["T"]))
        assert drawn["T"].shape == tuple(int(d.evaluate(DIMS)) for d in scope.variables["T"].dims)


LET = "A B : n n ; U : n m ; x : n ; lam : scalar ; S : n n symmetric"
CONDITIONS = (
    "invertible(A @ B)",
    "invertible(A + S)",
    "positive(diag(A)), symmetric(B)",
    "psd(A.T @ S @ A), nonnegative(S)",
    "A @ B = B @ A",
    "A @ x = lam * x",
    "S @ S = S",
    "x @ x = 1",
    "A = B + S",
    "A.T @ A = I[n]",
)


@pytest.mark.parametrize("text", CONDITIONS)
def test_conditions_are_met(text: str) -> None:
    scope = parse_scope(LET)
    conditions = parse_conditions(text, scope)
    distinct = set()
    for seed in range(4):
        values = numeric.sample(scope.variables, {}, conditions, DIMS, np.random.default_rng(seed))
        for condition in conditions:
            value = numeric.evaluate(condition.tensor, values, DIMS)
            if condition.right is not None:
                np.testing.assert_allclose(value, numeric.evaluate(condition.right, values, DIMS), atol=1e-9)
            else:
                assert condition.fact is not None
                assert numeric.holds(condition.fact, value)
        distinct.add(float(values["A"].sum()))
    assert len(distinct) == 4, "instances of different seeds must differ"


def test_sampling_is_deterministic() -> None:
    scope = parse_scope(LET + " ; f : function ; g : function(n)")

    def drawn() -> Values:
        return numeric.sample(scope.variables, scope.functions, (), DIMS, np.random.default_rng(7), "mixed")

    assert str(drawn()) == str(drawn())


@pytest.mark.parametrize(
    ("let", "if_", "dims"),
    [
        ("U : n m orthonormal", "", {"n": 2, "m": 3}),
        ("K : n n skew invertible", "", {"n": 3}),
        ("U : n m ; V : m n", "invertible(U @ V)", {"n": 3, "m": 2}),
        ("x : n", "x @ x = -1", {"n": 2}),
    ],
)
def test_what_does_not_exist_is_not_sampled(let: str, if_: str, dims: dict[str, int]) -> None:
    scope = parse_scope(let)
    conditions = parse_conditions(if_, scope) if if_ else ()
    with pytest.raises(numeric.SamplingError, match=r"cannot sample an instance with .* \(sizes n = "):
        numeric.sample(scope.variables, {}, conditions, dims, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("text", "let"),
    [
        ("x @ A @ x", "A : n n ; x : n"),
        ("softmax(A @ x)", "A : n n ; x : n"),
        ("logdet(A @ A.T + I[n])", "A : n n"),
        ("inv(A)", "A : n n"),
    ],
)
def test_differences_agree_with_a_complex_step(text: str, let: str) -> None:
    """Against a second, simpler difference quotient at 1e-6: six digits."""
    t = parse(text, let=let)
    values = random_values(t, 4)
    variable = next(v for v in t.variables if v.name == "A") if "A" in values else t.variables[0]
    found = numeric.finite_gradient(t, variable, values, DIMS)
    for place in np.ndindex(*values[variable.name].shape):
        ahead, behind = ({**values, variable.name: values[variable.name].copy()} for _ in range(2))
        ahead[variable.name][place] += 1e-6
        behind[variable.name][place] -= 1e-6
        slope = (numeric.evaluate(t, ahead, DIMS) - numeric.evaluate(t, behind, DIMS)) / 2e-6
        np.testing.assert_allclose(found[(..., *place)], slope, rtol=1e-4, atol=1e-6)


GOALS = (
    "A B C : n n ; U : n k ; V : k n ; x y : n ; S : n n symmetric ; Q : n n orthogonal ; a b c : scalar ; "
    "f : function ; g : function(n)"
)
TRUE = (
    "det(A @ B) = det(A) * det(B)",
    "sqrt(a) ** 2 = a",
    "a / a = 1",
    "log(a * b) = log(a) + log(b) if positive(a)",
    "inv(A @ B) = inv(B) @ inv(A)",
    "inv(A + U @ V) = inv(A) - inv(A) @ U @ inv(I[k] + V @ inv(A) @ U) @ V @ inv(A)",
    "logm(expm(S)) = S",
    "expm(A) @ expm(B) = expm(A + B) if A @ B = B @ A",
    "f(diag(x)) = f(0) * ones[n, n] + diag(f(x) - f(0))",
    "hess(g(x), x) = d(d(g))(x)",
    "hess(f(a) * a, a) = d(d(f))(a) * a + 2 * d(f)(a)",
    "grad(tr(S @ S), S) = 2 * S",
    "abs(det(Q)) = 1",
    "sqrt(1 - sin(a) ** 2) = abs(cos(a))",
    "a - sqrt(a ** 2 - b) = b / (a + sqrt(a ** 2 - b)) if positive(a)",
    "det(cholesky(A)) ** 2 = det(A)",
    "cholesky(A) @ cholesky(A).T = A",
    "grad(cholesky(S + a * I[n]) @ cholesky(S + a * I[n]).T, a) = I[n]",
    "(A - A @ inv(A) @ A) @ x = zeros[n]",
    "inv(A - A @ inv(B) @ B) = A",
    "1 / (a - (a / b) * b) = a",
)
FALSE = (
    "det(A + B) = det(A) + det(B)",
    "sqrt(a ** 2) = a",
    "(a ** b) ** c = a ** (b * c)",
    "inv(A @ B) = inv(A) @ inv(B)",
    "A.T = A",
    "A @ B = B @ A",
    "x @ A @ y = y @ A @ x",
    "exp(diag(x)) = diag(exp(x))",
    "abs(a) = a",
    "det(Q) = 1",
    "tr(A @ B @ C) = tr(A @ C @ B)",
    "expm(A) @ expm(B) = expm(A + B)",
    "grad(tr(A @ B), A) = B",
    "hess(x @ A @ x, x) = 2 * A",
    "softmax(a * x) = softmax(x)",
    "logm(expm(A)) = A",
    "step(a) = (1 + sign(a)) / 2",
    "pinv(A @ B) = pinv(B) @ pinv(A)",
    "norm(x) = sum(x)",
    "cholesky(S) @ cholesky(S) = S",
)


@pytest.mark.parametrize("text", TRUE)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_true_goal_is_not_refuted(text: str, seed: int) -> None:
    """Also when it holds only where both sides are defined, and when its evaluation cancels catastrophically."""
    claim = parse_claim(text, let=GOALS)
    assert claim.right is not None
    assert numeric.refute(claim.left, claim.right, claim.conditions, seed=seed) is None


@pytest.mark.parametrize("text", FALSE)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_false_goal_is_refuted_by_a_true_counterexample(text: str, seed: int) -> None:
    claim = parse_claim(text, let=GOALS)
    assert claim.right is not None
    found = numeric.refute(claim.left, claim.right, claim.conditions, seed=seed)
    assert found is not None
    assert all(value <= 3 for value in found.dims.values())
    assert np.isfinite(found.left).all()
    assert np.isfinite(np.asarray(found.right)).all()
    assert np.abs(found.left - found.right).max() > 1e-3
    if not any(isinstance(node, Derivative) for node in walk(claim.left)):
        again = numeric.evaluate(claim.left, found.values, found.dims)
        np.testing.assert_allclose(again, found.left)


def test_what_has_a_cholesky_factor_is_symmetric() -> None:
    """So that a goal about it may assume this, though nothing is declared."""
    result = tg.prove("det(cholesky(A)) ** 2 = det(A)", let="A : n n")
    assert result.status == "proved"
    claim = parse_claim("cholesky(A) = A", let="A : n n")
    assert claim.right is not None
    compare = Comparison(claim.left, claim.right)
    eye = np.eye(2)
    assert compare({"A": eye}, {"n": 2}).kind == "equal"
    assert compare({"A": eye + np.eye(2, k=-1) / 2}, {"n": 2}).kind == "left undefined"
    assert compare({"A": -eye}, {"n": 2}).kind == "left undefined"


def test_the_counterexample_is_small_and_readable() -> None:
    claim = parse_claim("A @ U = U @ B", let="A : n n ; B : k k ; U : n k")
    assert claim.right is not None
    assert str(numeric.refute(claim.left, claim.right)) == (
        "the sides differ\n"
        "  k = 1, n = 1\n"
        "  A = [[1]]\n"
        "  U = [[1]]\n"
        "  B = [[0]]\n"
        "  left side = [[1]]\n"
        "  right side = [[0]]"
    )


def test_a_side_defined_alone_counts_only_when_asked() -> None:
    claim = parse_claim("log(a ** 2) = 2 * log(a)", let="a : scalar")
    assert claim.right is not None
    assert numeric.refute(claim.left, claim.right) is None
    found = numeric.search(claim.left, claim.right, domain=True).counterexample
    assert str(found) == (
        "defined on one side only: the right side is undefined\n  a = -1\n  left side = 0\n  right side = undefined"
    )


# Cancellation: what float64 sees at one instance is not believed until it is seen with eighty digits.

CANCELLING = [
    ("sum(cosh(x) ** 2 - sinh(x) ** 2) = n", "x : n"),
    ("cosh(x) ** 4 - sinh(x) ** 4 = cosh(2 * x)", "x : n"),
    ("det(expm(A) @ expm(-A)) = 1", "A : n n"),
    ("det(expm(A @ A)) * exp(-tr(A @ A)) = 1", "A : n n"),
    ("(exp(x) + 1) ** 3 - exp(3 * x) - 3 * exp(2 * x) - 3 * exp(x) = ones[n]", "x : n"),
    ("logdet(outer(g * g, 1 / g)) = logdet(outer(ones[n], g))", "g : n"),
    ("det(outer(g * g, 1 / g)) = det(outer(ones[n], g))", "g : n"),
    ("1 / det(outer(g * g, 1 / g)) = 1 / det(outer(ones[n], g))", "g : n"),
    ("sign(exp(x) / exp(x) - 1) = zeros[n]", "x : n"),
    ("grad(sum(cosh(x) ** 2 - sinh(x) ** 2), x) = zeros[n]", "x : n"),
]


@pytest.mark.parametrize(("goal", "let"), CANCELLING)
@pytest.mark.parametrize("seed", range(3))
def test_cancellation_refutes_nothing(goal: str, let: str, seed: int) -> None:
    claim = parse_claim(goal, let)
    assert claim.right is not None
    found = numeric.refute(claim.left, claim.right, seed=seed)
    assert found is None, str(found)


EIGENPAIRS = [
    ("expm(A) @ expm(A) @ x = exp(2 * lam) * x", "A @ x = lam * x"),
    ("expm(A @ A) @ x = exp(lam ** 2) * x", "A @ x = lam * x"),
    ("det(A - lam * I[n]) = 0", "A @ x = lam * x, nonzero(x)"),
]


@pytest.mark.parametrize(("goal", "facts"), EIGENPAIRS)
@pytest.mark.parametrize("seed", range(3))
def test_an_equation_that_holds_nearly_refutes_nothing(goal: str, facts: str, seed: int) -> None:
    """A vector of 1e-13 is an eigenvector of every matrix, up to rounding."""
    claim = parse_claim(goal, "A : n n ; x : n ; lam : scalar", facts)
    assert claim.right is not None
    found = numeric.refute(claim.left, claim.right, claim.conditions, seed=seed)
    assert found is None, str(found)


def test_facts_that_hold_to_the_last_digit_make_no_domain() -> None:
    """O.T @ O is 1e-17 off the diagonal, where a negative power of I is undefined: nothing follows from that."""
    claim = parse_claim("diag((O.T @ O) ** c) = diag(I[m] ** c)", "O : n m orthonormal ; c : scalar")
    assert claim.right is not None
    assert numeric.search(claim.left, claim.right, domain=True).counterexample is None
    claim = parse_claim("step(expm(O.T @ O)) = step(expm(I[m]))", "O : n m orthonormal")
    assert claim.right is not None
    assert numeric.search(claim.left, claim.right, domain=True).counterexample is None


NEARLY = [
    ("cosh(x) ** 2 - sinh(x) ** 2 = 1.0001 * ones[n]", "x : n"),
    ("det(expm(A) @ expm(-A)) = 1.001", "A : n n"),
    ("inv(diag(g)) = diag(1 / g) + 0.001", "g : n"),
    ("logdet(diag(g)) = sum(log(abs(g))) + 0.00001", "g : n"),
    ("grad(sum(tanh(x)), x) = 1.0001 - tanh(x) ** 2", "x : n"),
]


@pytest.mark.parametrize(("goal", "let"), NEARLY)
def test_small_differences_refute_all_the_same(goal: str, let: str) -> None:
    claim = parse_claim(goal, let)
    assert claim.right is not None
    assert numeric.refute(claim.left, claim.right) is not None


@given(small_tensors())
def test_many_digits_and_float64_agree(t: Tensor) -> None:
    values = random_values(t)
    try:
        digits = evaluate_precisely(t, values, DIMS)
    except (UnsupportedError, BudgetError):
        return
    rounded = np.asarray(digits, dtype=np.float64)
    np.testing.assert_allclose(rounded, numeric.evaluate(t, values, DIMS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted({*precise.ELEMENTWISE, *precise.LINES, *precise.MATRICES}))
def test_every_function_has_its_value_with_many_digits(name: str) -> None:
    rng = np.random.default_rng(3)
    function = FUNCTIONS[name]
    edges = "ij"[: function.acts[0]]
    matrix = rng.uniform(0.2, 2.0, (3,) * len(edges))
    matrix = matrix + matrix.T if function.domain == "symmetric" else matrix
    variable = Variable("x", edges=dict.fromkeys(edges, Poly.symbol("n")))
    args = [variable, Scalar(Poly.constant(2))] if name == "matpow" else [variable]
    acted = [tuple((e,) for e in edges), ()][: len(args)]
    t = Apply(function, args, acted, tuple((edges[k],) for k in function.produces))
    assert t.order == len(function.produces)
    digits = np.asarray(evaluate_precisely(t, {"x": matrix}, {"n": 3}), dtype=np.float64)
    np.testing.assert_allclose(digits, numeric.evaluate(t, {"x": matrix}), rtol=1e-10)


def test_antisymmetric_arrays_have_exact_zeros() -> None:
    facts = [Fact("antisymmetric", ((0,), (1,), (2,)))]
    for seed in range(20):
        value = draw((2, 2, 2), facts, "generic", np.random.default_rng(seed))
        assert value is not None and not value.any()
