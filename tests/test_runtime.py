"""Plans, programs and values: against the dense oracle, against figures worked out by hand, and what the errors say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings

import tensorgrad as tg
from tensorgrad.errors import UnsupportedError, ValueMismatchError
from tensorgrad.function import FUNCTIONS
from tensorgrad.numeric import evaluate as dense
from tensorgrad.runtime import Step, compile, evaluate, plan  # noqa: A004
from tensorgrad.runtime.columns import flattened, written
from tensorgrad.runtime.planning import symbolic_cost
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Delta, Product, Tensor, Variable
from tests.strategies import DIMS, small_tensors

SIZES = {"n": 2, "m": 3, "k": 4, "h": 2}


def arrays(t: Tensor, dims: dict[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = {}
    for v in t.variables:
        value = rng.normal(size=[int(d.evaluate(dims)) for d in v.dims])
        values[v.name] = value + value.swapaxes(0, 1) if v.has("symmetric") else value
    return values


def value(t: Tensor, values: dict[str, np.ndarray], dims: dict[str, int]) -> np.ndarray:
    torch.set_default_dtype(torch.float64)
    try:
        return evaluate(t, {name: torch.tensor(v) for name, v in values.items()}, dims).numpy()
    finally:
        torch.set_default_dtype(torch.float32)


@settings(max_examples=120)
@given(small_tensors())
def test_values_agree_with_the_dense_oracle(t: Tensor) -> None:
    values = arrays(t, DIMS)
    expected = dense(t, values, DIMS)
    found = value(t, values, DIMS)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


@settings(max_examples=60)
@given(small_tensors())
def test_the_flattened_expression_has_the_same_value(t: Tensor) -> None:
    values = arrays(t, DIMS)
    ((_, flat),) = flattened(t, DIMS).tensors
    np.testing.assert_allclose(dense(flat, values, DIMS), dense(t, values, DIMS), rtol=1e-7, atol=1e-7)


@settings(max_examples=60)
@given(small_tensors())
def test_the_plan_is_what_its_steps_say_and_never_worse_than_flattening_without_sums(t: Tensor) -> None:
    found = plan(t, DIMS)
    assert found.flops == sum(step.flops for step in found.steps)
    assert abs(symbolic_cost(t, DIMS)[0].evaluate(DIMS) - found.flops) <= len(found.steps)  # a step's are whole
    assert symbolic_cost(t, DIMS)[1].evaluate(DIMS) == found.peak
    assert found.largest <= max(found.peak, 1) or not found.steps


STRUCTURE = [
    ("kron(A, B) @ vec(X)", "A : n n; B : m m; X : m n"),
    ("kron(A, B) @ kron(C, D)", "A : n n; B : m m; C : m m; D : n n"),
    ("unvec(kron(A, B) @ x, m, n)", "A : n n; B : m m; x : n*m"),
    ("khatri_rao(B, C).T @ khatri_rao(B, C)", "B : m h; C : k h"),
    ("kron(A, I[m])", "A : n n"),
    ("diag(vec(X))", "X : n m"),
    ("tr(kron(A, B))", "A : n n; B : m m"),
    ("commutation[n, m] @ vec(X)", "X : n m"),
    ("vec(X) * vec(Y.T)", "X : n m; Y : m n"),
    ("exp(kron(A, B)) + exp(vec(A) @ vec(A))", "A : n n; B : m m"),
    ("inv(kron(A, B))", "A : n n; B : m m"),
    ("det(kron(A, B) + K)", "A : n n; B : m m; K : n*m n*m"),
    ("softmax(vec(X))", "X : n m"),
    ("conv[i:n+m-1, j:n, k:m] * x[j] * y[k]", "x : n; y : m"),
    ("sum[i, k](conv[i, j:n, k:m] * x[i] * y[k])", "x : n+m-1; y : m"),
    ("e[0, n] @ A @ e[n - 1, n]", "A : n n"),
    ("A @ e[n - 1, n] + e[0, n]", "A : n n"),
    ("sum[i, j](lc[i, j, k] * x[i] * y[j])", "x y : 3"),
    ("sum[p](flat[p, i:n, j:m] * flat[p, a:m, b:n] * z[p])", "z : n*m"),
    ("sum[p](flat[p, i:n, j:m] * flat[p, a:m, b:n] * x[i] * y[j] * u[a] * v[b])", "x v : n; y u : m"),
    ("x[i] * flat[p, i, j:m] * flat[p, a:m, b:n]", "x : n"),
    ("sum[p](x[i] * flat[p, i, j:m] * w[j] * flat[p, a:m, b:n] * y[a] * K[b, a])", "x : n; w y : m; K : n m"),
    ("diag(p) - outer(p, p)", "p : n"),
    ("sum[i](x[i] * y[i] * z[i] * A[i, i])", "x y z : n; A : n n"),
    ("zeros[n] + (x - x)", "x : n"),
    ("matpow(A, 20) + matpow(A, 0)", "A : n n"),
    ("n**(1/2) * x + (n - 1) / m * x", "x : n; y : m"),
    ("-2 * sum(x) * ones[n, m]", "x : n; y : m"),
    ("inv(mat[i, j](A[i, j] + 3 * delta[i, j]))[k, l]", "A : n n"),
]


@pytest.mark.parametrize(("expression", "let"), STRUCTURE)
def test_structural_tensors_become_views(expression: str, let: str) -> None:
    t = tg.parse(expression, let=let)
    values = arrays(t, SIZES)
    np.testing.assert_allclose(value(t, values, SIZES), dense(t, values, SIZES), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("expression", "let"), STRUCTURE[:13] + STRUCTURE[14:16] + STRUCTURE[18:19])
def test_no_table_is_formed_where_a_view_will_do(expression: str, let: str) -> None:
    source = compile(value=tg.parse(expression, let=let)).source
    assert "torch.eye" not in source
    assert "arange" not in source


def test_a_reshape_barrier_forms_the_smaller_product_only() -> None:
    """kron(A, B) @ x with x fused the other way: A (n n) and B (m m) are applied to a view of x."""
    t = tg.parse("kron(A, B) @ kron(C, D) @ x", let="A D : n n; B C : m m; x : n*m")
    assert plan(t, {"n": 10, "m": 20}).largest <= 200


UNARY = [f.name for f in FUNCTIONS.values() if f.elementwise and f.acts == (0,)]
MATRIX = [f.name for f in FUNCTIONS.values() if f.acts == (2,)]
VECTOR = [f.name for f in FUNCTIONS.values() if f.acts == (1,)]


def apply(name: str, t: Tensor) -> Tensor:
    function = FUNCTIONS[name]
    acted = tuple((e,) for e in t.edges[len(t.edges) - function.acts[0] :])
    return Apply(function, (t,), (acted,), tuple((f"{acted[s][0]}_",) for s in function.produces))


@pytest.mark.parametrize("name", UNARY)
def test_elementwise_functions(name: str) -> None:
    t = apply(name, Variable("X", i="n", j="m"))
    values = {"X": np.array([[-1.5, 0.0, 0.3], [2.0, 30.0, -30.0]])}
    expected = dense(t, values)
    defined = ~np.isnan(expected)
    assert defined.any()
    np.testing.assert_allclose(value(t, values, {})[defined], expected[defined], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", VECTOR)
def test_functions_of_vectors_over_batches(name: str) -> None:
    t = apply(name, Variable("X", i="n", j="m"))
    values = {"X": np.array([[-1.5, 0.0, 800.0], [2.0, 2.5, -3.0]])}
    np.testing.assert_allclose(value(t, values, {}), dense(t, values), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", MATRIX)
def test_functions_of_matrices_over_batches(name: str) -> None:
    t = apply(name, Variable("X", b="k", i="n", j="n"))
    root = np.random.default_rng(1).normal(size=(4, 3, 3))
    values = {"X": root @ root.swapaxes(1, 2) + np.diag([1.0, 2.0, 4.0])}
    np.testing.assert_allclose(value(t, values, {}), dense(t, values), rtol=1e-8)


def test_adjugate_of_singular_matrices() -> None:
    t = apply("adj", Variable("X", b="k", i="n", j="n"))
    values = {"X": np.stack([np.ones((3, 3)), np.diag([2.0, 3.0, 0.0]), np.zeros((3, 3))])}
    np.testing.assert_allclose(value(t, values, {}), dense(t, values), atol=1e-12)


def test_unknown_functions_take_callables_and_their_derivatives() -> None:
    x, f = Variable("x", i="n"), tg.parse("f(x)", let="x : n; f : function")
    values = {"x": torch.tensor([0.5, 1.0], dtype=torch.float64), "f": lambda t: t**4}
    torch.testing.assert_close(evaluate(f, values), values["x"] ** 4)
    torch.testing.assert_close(
        evaluate(tg.parse("d(d(f))(x)", let="x : n; f : function"), values), 12 * values["x"] ** 2
    )
    assert x.name in repr(compile(y=f))


def test_unknown_functions_of_vectors_over_batches() -> None:
    values = {"X": torch.arange(6.0).reshape(2, 3), "g": lambda v: (v**2).sum()}
    let = "X : n m; g : function(m)"
    torch.testing.assert_close(evaluate(tg.parse("g[j](X[i, j])", let=let), values), (values["X"] ** 2).sum(1))


SHARED = [
    ("(A.T @ B).T @ A.T @ B", "A B : n n", 4),
    ("A @ B @ B.T @ A.T", "A B : n n", 4),
    ("tr(A @ A @ A @ A @ A @ A @ A @ A)", "A : n n", 4),
    ("A.T @ B + A.T @ B", "A B : n n", 2),
    ("A @ B @ C + A @ B @ D", "A B C D : n n", 6),
    ("C @ A @ X @ B + A.T @ C.T @ X @ B.T", "A B C X : n n", 10),
    ("exp(A @ B) + exp((B.T @ A.T).T)", "A B : n n", 2),
    ("S @ A @ S + S @ A.T @ S + tr(A @ S) * S", "S : n n symmetric; A : n n", 4),
]


@pytest.mark.parametrize(("expression", "let", "products"), SHARED)
def test_equal_parts_are_computed_once(expression: str, let: str, products: int) -> None:
    """`products` counts n**3 operations; the rest is of lower order."""
    t = tg.parse(expression, let=let)
    n = 1000
    assert round(plan(t, {"n": n}).flops / n**3, 1) == products
    values = arrays(t, {"n": 3})
    np.testing.assert_allclose(value(t, values, {"n": 3}), dense(t, values, {"n": 3}), rtol=1e-9)


def test_outputs_share_what_they_have_in_common() -> None:
    X, Y, W = Variable("X", i="b", j="x"), Variable("Y", i="b", k="y"), Variable("W", j="x", k="y")
    error = X @ W - Y
    dims = {"b": 100, "x": 30, "y": 20}
    both = plan({"loss": error @ error, "grad": 2 * (X @ error)}, dims)
    assert both.flops == 2 * 100 * 30 * 20 * 2 + 100 * 20 + 2 * 100 * 20 + 30 * 20
    assert str(symbolic_cost({"loss": error @ error, "grad": 2 * (X @ error)}, dims)[0]) == "4*b*x*y + 3*b*y + x*y"


def test_backpropagation_through_a_chain_costs_what_it_should() -> None:
    """Eight layers of n by n: a product forward, one back, and an outer product for each gradient."""
    from tensorgrad.calculus import expand

    x = Variable("x", i="n")
    weights = [Variable(f"W{k}", i="n", j="n") for k in range(8)]
    t: Tensor = x
    for w in weights:
        t = Apply(FUNCTIONS["tanh"], (w @ t.rename(i="j"),))
    outputs = {"loss": t @ t} | {f"g{k}": expand((t @ t).grad(w)) for k, w in enumerate(weights)}
    n = 1000
    assert 38 * n**2 <= plan(outputs, {"n": n}).flops <= 38.1 * n**2


WRITTEN = [
    ("H.T @ H @ x", "H : n n; x : n", 4, 4),
    ("outer(H.T @ y, x) @ H", "H : n n; x y : n", 5, 5),
    ("(diag(p) - outer(p, p)) @ v", "p v : n", 5, 0),
    ("sum(W @ H)", "W : n k; H : k n", 2 * 40 + 1, 0),
    ("(A - H.T @ H) @ x", "A H : n n; x : n", 2003, 6),
    ("kron(A, B) @ vec(X)", "A B X : k k", 40**4 * 3 / 1000**2, 2 * 2 * 40**3 / 1000**2),
]


@pytest.mark.parametrize(("expression", "let", "as_written", "flat"), WRITTEN)
def test_columns(expression: str, let: str, as_written: float, flat: float) -> None:
    """In units of n**2 at n = 1000, k = 40; lower orders are rounded away."""
    t, dims = tg.parse(expression, let=let), {"n": 1000, "k": 40}
    assert written(t, dims).flops / 1000**2 == pytest.approx(as_written, rel=0.01)
    assert flattened(t, dims).flops / 1000**2 == pytest.approx(flat, rel=0.05, abs=0.1)


def test_compiled_steps_read_names_or_variables_and_return_names() -> None:
    X, W = Variable("X", i="b", j="x"), Variable("W", j="x", k="y")
    step = compile(out=X @ W, total=Product((X,), ()))
    a, b = torch.ones(5, 3), torch.arange(6.0).reshape(3, 2)
    result = step(X=a, W=b)
    torch.testing.assert_close(result.out, a @ b)
    torch.testing.assert_close(step({X: a}, W=b.numpy()).total, torch.tensor(15.0))
    assert step(X=a.half(), W=b.half()).out.dtype is torch.float16
    assert step(X=a.double(), W=b.double()).out.dtype is torch.float64
    assert step(X=a.numpy().astype(float), W=b.numpy()).out.dtype is torch.float64
    assert step(X=a.to("meta"), W=b.to("meta")).out.device.type == "meta"
    assert step(X=a.requires_grad_(), W=b).out.requires_grad


def test_the_source_is_plain_pytorch() -> None:
    X, W, Y = Variable("X", i="b", j="x"), Variable("W", j="x", k="y"), Variable("Y", i="b", k="y")
    error = X @ W - Y
    source = compile({"b": 100, "x": 30, "y": 20}, error=error, grad=X @ error).source
    body = [line.split("#")[0].strip() for line in source.splitlines()]
    assert body == [
        "import torch",
        "",
        "",
        "def step(X, W, Y):",
        "t1 = X @ W",
        "error = t1 - Y",
        "grad = X.T @ error",
        "return error, grad",
    ]


def test_names_that_python_or_torch_use_are_no_trouble() -> None:
    t = Variable("lambda", i="n") * Variable("torch", i="n") + Variable("t1", i="n") * Delta("n", "i")
    given = {"lambda": torch.ones(2), "torch": torch.ones(2), "t1": torch.ones(2)}
    torch.testing.assert_close(evaluate(t, given), torch.full((2,), 2.0))


def test_sizes_are_solved_from_products_and_sums() -> None:
    x, y = Variable("x", i=Poly.symbol("n") * Poly.symbol("m")), Variable("y", j=Poly.symbol("n") + 1)
    t = Product((x, y, Delta("m")), ())
    assert evaluate(t, {"x": torch.ones(6), "y": torch.ones(4)}).item() == 6 * 4 * 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"A": torch.ones(2, 3)}, "no value for x (j=m); values were given for A"),
        ({"A": torch.ones(2, 3), "x": torch.ones(2, 2)}, "the value of x has 2 axes (2, 2), declared are j=m"),
        (
            {"A": torch.ones(2, 3), "x": torch.ones(4)},
            "axis 0 (j) of x has size 4, but m = 3 (from axis 1 (j) of A)",
        ),
        (
            {"A": torch.ones(2, 0), "x": torch.ones(4)},
            "axis 0 (j) of x has size 4, but m = 0 (from axis 1 (j) of A)",
        ),
        (
            {"A": torch.ones(2, 3), "x": torch.ones(3).double()},
            "A is torch.float32 and x torch.float64; convert one",
        ),
        (
            {"A": torch.ones(2, 3), "x": torch.ones(3, device="meta")},
            "A is on cpu and x on meta; move them to one device",
        ),
    ],
)
def test_values_that_do_not_fit(values: dict[str, torch.Tensor], message: str) -> None:
    t = Variable("A", i="n", j="m") @ Variable("x", j="m")
    with pytest.raises(ValueMismatchError) as error:
        evaluate(t, values)
    assert str(error.value) == message


def test_what_cannot_be_computed_says_so() -> None:
    with pytest.raises(ValueMismatchError, match="the size n cannot be read off the values of no variables; give it"):
        evaluate(Delta("n", "i"), {})
    with pytest.raises(ValueMismatchError, match="the size m cannot be read off the values of A; give it"):
        evaluate(tg.parse("sinh(m) * det(A)", let="A : n n; x : m"), {"A": torch.eye(2)})
    with pytest.raises(ValueMismatchError, match="f is an unknown function and no value was given"):
        evaluate(tg.parse("f(x)", let="x : n; f : function"), {"x": torch.ones(2)})
    with pytest.raises(UnsupportedError, match="expectation"):
        evaluate(tg.parse("E[x](x)", let="x : n"), {})
    with pytest.raises(ValueMismatchError, match="nothing to compile"):
        compile()


def test_deep_and_wide_expressions() -> None:
    x, A = Variable("x", i="n"), Variable("A", i="n", j="n")
    deep: Tensor = x
    for _ in range(2000):
        deep = Apply(FUNCTIONS["tanh"], (A @ deep.rename(i="j"),))
    assert evaluate(deep, {"x": torch.zeros(2), "A": torch.eye(2)}).tolist() == [0.0, 0.0]
    wide: Tensor = x
    for k in range(1000):
        wide = wide + Apply(FUNCTIONS["exp"], (Variable(f"x{k}", i="n"),))
    given = {"x": torch.ones(2)} | {f"x{k}": torch.zeros(2) for k in range(1000)}
    assert evaluate(wide, given).tolist() == [1001.0, 1001.0]


def test_the_plan_prints_like_a_path() -> None:
    t = tg.parse("A @ B @ x", let="A B : n n; x : n")
    text = repr(plan(t, {"n": 100}, rules=("matmul-assoc",)))
    assert "A @ B @ x" in text
    assert "Naive operations:  3.000e+06" in text
    assert "Chosen operations:  4.000e+04" in text
    assert "Largest intermediate:  1.000e+02 elements" in text
    assert "Rules:  matmul-assoc" in text
    assert text.splitlines()[-1].split() == ["2.000e+04", "1.000e+02", "t2", "=", "A", "@", "t1"]


def test_planning_needs_no_torch_and_is_the_same_in_every_process() -> None:
    program = (
        "import sys, tensorgrad as tg\n"
        "from tensorgrad.runtime import plan\n"
        "t = tg.parse('tr(A @ B @ A @ C @ exp(B)) * (A @ C + B)', let='A B C : n n')\n"
        "p = plan(t, {'n': 50})\n"
        "assert 'torch' not in sys.modules\n"
        "print([str(s) for s in p.steps], p.flops, p.peak)"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    }
    assert len(runs) == 1


def test_a_step_plans_again_for_new_sizes_unless_they_are_fixed() -> None:
    t = tg.parse("A @ B @ C", let="A : n k; B : k n; C : n m")
    values = {"A": torch.ones(9, 2), "B": torch.ones(2, 9), "C": torch.ones(9, 9)}
    free, fixed = compile(out=t), compile({"n": 2, "k": 50, "m": 2}, out=t)
    assert isinstance(free, Step)
    torch.testing.assert_close(free(values).out, fixed(values).out)
    assert free.plan.dims == {"k": 2, "m": 9, "n": 9}
    assert fixed.plan.dims == {"k": 50, "m": 2, "n": 2}


@pytest.mark.parametrize("size", ["d", 1024])
def test_means_stay_means_through_many_layers(size: str | int) -> None:
    """Were x - sum(x) / d written (d * x - sum(x)) / d, four layers of normalisation would compute with d**32."""
    s, d = 5, 1024
    X, T = Variable("X", s="s", d=size), Variable("T", s="s", d=size)
    weights = [Variable(f"W{k}", d=size, e=size) for k in range(4)]
    out: Tensor = X
    for w in weights:
        out = tg.F.layer_norm(out + tg.F.relu(out @ w).rename(e="d"), "d")
    loss = tg.F.sum((out - T) ** 2)
    step = compile(loss=loss, **{w.name: g for w, g in zip(weights, tg.grad(loss, weights), strict=True)})
    torch.manual_seed(0)
    values = {"X": torch.randn(s, d), "T": torch.randn(s, d)}
    values |= {w.name: torch.randn(d, d) / 32 for w in weights}
    found = step(**values)
    leaves = {w.name: values[w.name].clone().requires_grad_() for w in weights}
    y = values["X"]
    for w in leaves.values():
        y = torch.nn.functional.layer_norm(y + torch.relu(y @ w), (d,), eps=0)
    expected = ((y - values["T"]) ** 2).sum()
    expected.backward()
    torch.testing.assert_close(found.loss, expected.detach(), rtol=1e-5, atol=1e-5)
    for name, leaf in leaves.items():
        torch.testing.assert_close(getattr(found, name), leaf.grad, rtol=1e-3, atol=1e-3)


def test_numbers_stay_numbers_in_programs() -> None:
    """A number that multiplies or is added everywhere is written as one: no tensor on a device is made of it."""
    s, d = 5, 7
    X, Y = Variable("X", s="s", d="d"), Variable("Y", s="s", d="d")
    t = tg.F.exp(X / tg.F.sqrt(tg.Tensor(tg.symbols("d"))) + 3) * (X + Y + 2)
    step = compile(t=t)
    assert "dtype" not in step.source and "expand" not in step.source
    values = {"X": torch.randn(s, d), "Y": torch.randn(s, d)}
    expected = torch.exp(values["X"] / d**0.5 + 3) * (values["X"] + values["Y"] + 2)
    torch.testing.assert_close(step(**values).t, expected)
    both = compile(sum=X + 2, ones=Product((Delta(tg.symbols("s"), "s"), Delta(tg.symbols("d"), "d")), ("s", "d")) * 2)
    found = both(X=values["X"])
    torch.testing.assert_close(found.sum, values["X"] + 2)
    torch.testing.assert_close(found.ones, torch.full((s, d), 2.0))
