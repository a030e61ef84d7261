"""Compiled steps: solves, fused calls, constants, files, torch.compile, random programs, and what wrong values are told."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorgrad as tg
import tensorgrad.functions as F
from tensorgrad.errors import InputError, MemoryLimitError, SizeError, ValueMismatchError
from tensorgrad.numeric import evaluate as dense
from tensorgrad.tensor import Product, Tensor, Variable
from tests.strategies import small_tensors
from tests.test_contraction import laid_out

DIMS = {"n": 4, "m": 3, "k": 2}
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")),
]


def sample(t: Tensor, dims: dict[str, int] = DIMS, seed: int = 0) -> dict[str, np.ndarray]:
    """Values that satisfy the facts."""
    rng = np.random.default_rng(seed)
    values = {}
    for v in t.variables:
        value = rng.normal(size=[int(d.evaluate(dims)) for d in v.dims])
        if v.has("pd") or v.has("psd"):
            value = value @ value.T + np.eye(len(value)) * v.has("pd")
        if v.has("symmetric"):
            value = value + value.T
        if v.has("upper") or v.has("lower"):
            value = (np.triu if v.has("upper") else np.tril)(value) + 3 * np.eye(len(value))
        values[v.name] = np.abs(value) + 0.1 if v.has("positive") else value
    return values


def agrees(t: Tensor, dims: dict[str, int] = DIMS, **options: object) -> str:
    """The source of the compiled tensor, after its value was compared with the dense one."""
    values = sample(t, dims)
    step = tg.compile(value=t, **options)
    found = step({name: torch.tensor(v) for name, v in values.items()}).value
    np.testing.assert_allclose(found.numpy(), dense(t, values, dims), rtol=1e-8, atol=1e-10)
    return step.source


SOLVED = [
    ("inv(A) @ x", "A : n n; x : n", ["linalg.solve(A, x)"]),
    ("x @ inv(A)", "A : n n; x : n", ["linalg.solve(A.T, x)"]),
    ("inv(A) @ B", "A : n n; B : n m", ["linalg.solve(A, B)"]),
    ("B.T @ inv(A)", "A : n n; B : n m", ["linalg.solve(A.T, B)"]),
    ("x @ inv(S) @ y + logdet(S)", "S : n n pd; x y : n", ["linalg.cholesky(S)", "cholesky_solve", ".log().sum"]),
    (
        "x @ inv(A) @ y + (inv(A) @ x) @ y + logdet(A) + det(A)",
        "A : n n; x y : n",
        ["lu_factor(A)", "lu_solve", "adjoint=True", "det_of_lu", ".abs().log().sum"],
    ),
    ("inv(X.T @ X + lam * I[m]) @ X.T @ y", "X : n m; y : n; lam : scalar positive", ["cholesky(", "cholesky_solve"]),
    ("inv(X.T @ diag(w) @ X + S) @ z", "X : n m; w : n positive; S : m m pd; z : m", ["cholesky(", "cholesky_solve"]),
    ("inv(S)", "S : n n pd", ["cholesky_inverse"]),
    ("det(S) + tr(inv(S))", "S : n n pd", ["cholesky(S)", "cholesky_inverse", ".square().prod"]),
    ("inv(A) @ inv(A) @ x", "A : n n; x : n", ["lu_factor(A)", "lu_solve"]),
    ("inv(K + diag(w)) @ y", "K : n n psd; w : n positive; y : n", ["cholesky("]),
    ("inv(K - S) @ y", "K S : n n pd; y : n", ["linalg.solve("]),
]

UPPER, LOWER = "R : n n upper; x : n; B : n m", "L : n n lower; x : n; B : n m"
SOLVED += [
    ("inv(R) @ x", UPPER, ["solve_triangular(R, x.unsqueeze(-1), upper=True)"]),
    ("inv(R) @ B", UPPER, ["solve_triangular(R, B, upper=True)"]),
    ("x @ inv(R)", UPPER, ["solve_triangular(R.T, x.unsqueeze(-1), upper=False)"]),
    ("inv(R.T) @ x", UPPER, ["solve_triangular(R.T, x.unsqueeze(-1), upper=False)"]),
    ("B.T @ inv(R)", UPPER, ["solve_triangular(R.T, B, upper=False)"]),
    (
        "inv(L) @ x + inv(L.T) @ x",
        LOWER,
        ["solve_triangular(L, ", "upper=False)", "solve_triangular(L.T, ", "upper=True)"],
    ),
]


@pytest.mark.parametrize(("expression", "let", "expected"), SOLVED)
def test_inverses_that_are_applied_become_solves(expression: str, let: str, expected: list[str]) -> None:
    source = agrees(tg.parse(expression, let=let))
    for text in expected:
        assert text in source
    assert "linalg.inv(" not in source


@pytest.mark.parametrize(
    ("expression", "let"),
    [
        ("tr(inv(A) @ B)", "A B : n n"),
        ("inv(A) @ x + diag(inv(A))", "A : n n; x : n"),
        ("inv(A) @ inv(B)", "A B : n n"),
    ],
)
def test_an_inverse_whose_entries_are_needed_stays(expression: str, let: str) -> None:
    assert "linalg.inv(" in agrees(tg.parse(expression, let=let))


def test_solves_over_a_batch() -> None:
    A = Variable("A", b="k", i="n", j="n")
    for x in (Variable("x", b="k", i="n"), Variable("X", b="k", i="n", c="m"), Variable("X", c="m", b="k", i="n")):
        assert "linalg.solve" in agrees(F.dot(F.inverse(A, ("i", "j")), x, "i"))
    both = F.dot(F.inverse(A, ("i", "j")), Variable("x", b="k", i="n"), "i") + F.dot(
        F.inverse(A, ("i", "j")), Variable("x", b="k", i="n").rename(i="j"), "j"
    ).rename(i="j")
    assert "lu_factor" in agrees(both)


def test_gradients_flow_through_factors() -> None:
    t = tg.parse("x @ inv(S) @ x + logdet(S)", let="S : n n pd; x : n")
    values = {name: torch.tensor(v).requires_grad_() for name, v in sample(t).items()}
    tg.compile(value=t)(values).value.backward()
    expected = torch.linalg.inv(values["S"]) - torch.outer(y := torch.linalg.solve(values["S"], values["x"]), y)
    both = values["S"].grad + values["S"].grad.T  # Cholesky reads one triangle: the symmetric part is the gradient
    torch.testing.assert_close(both / 2, expected)


def test_attention_is_one_call() -> None:
    Q, K = Variable("Q", "b", "h", "s", "d"), Variable("K", "b", "h", "t", "d")
    V = Variable("V", "b", "h", "t", e="d")
    for dims in ({"b": 2, "h": 3, "s": 4, "t": 5, "d": 6}, {"b": 2, "h": 3, "s": 9, "t": 5, "d": 2}):
        assert "scaled_dot_product_attention" in agrees(F.sdpa(Q, K, V, "d", "t"), dims)
    plain = Variable("Q", "s", "d"), Variable("K", "t", "d"), Variable("V", "t", e="d")
    dims = {"s": 4, "t": 5, "d": 6}
    assert "scaled_dot_product_attention" in agrees(F.sdpa(*plain, "d", "t"), dims)
    weights = F.softmax(F.dot(plain[0], plain[1], "d"), "t")
    step = tg.compile(out=F.dot(weights, plain[2], "t"), weights=weights)
    assert "attention" not in step.source


def test_softmax_of_a_batch_of_products_is_not_copied() -> None:
    Q, K, V = Variable("Q", "s", "h", "d"), Variable("K", "t", "h", "d"), Variable("V", "t", "h", e="d")
    weights = F.softmax(F.dot(Q, K, "d"), "t")
    loss = F.sum(F.sin(F.dot(weights, V, "t")))
    step = tg.compile({"s": 4, "t": 5, "h": 3, "d": 6}, loss=loss, Q=loss.grad(Q), weights=weights)
    (line,) = (line for line in step.source.splitlines() if "torch.softmax" in line)
    assert "permute" not in line
    values = {n: torch.tensor(v) for n, v in sample(loss, {"s": 4, "t": 5, "h": 3, "d": 6}).items()}
    q = values["Q"].clone().requires_grad_()
    soft = torch.softmax(torch.einsum("shd,thd->sht", q, values["K"]), -1)
    torch.sin(torch.einsum("sht,the->she", soft, values["V"])).sum().backward()
    found = step(values)
    torch.testing.assert_close(found.Q, q.grad)
    assert weights.edges == ("s", "h", "t")
    torch.testing.assert_close(found.weights, soft.detach())


SOURCES = [
    ("sum[j](A[b, i, j] * B[b, j, k])", "A : k n m; B : k m n", "A @ B"),
    ("sum[j](A[b, i, j] * B[b, k, j])", "A : k n m; B : k n m", "A @ B.mT"),
    ("sum[j](A[b, j, i] * B[b, j, k])", "A : k m n; B : k m n", "A.mT @ B"),
    ("A @ x + ones[n]", "A : n m; x : m", "1 + t1"),
    ("softmax(x) * (v - ones[n] * (softmax(x) @ v))", "x v : n", "v - t"),
]


@pytest.mark.parametrize(("expression", "let", "part"), SOURCES)
def test_products_and_sums_are_plain(expression: str, let: str, part: str) -> None:
    source = agrees(tg.parse(expression, let=let))
    assert part in source
    for word in ("einsum", "full", "expand"):
        assert word not in source


def test_large_values_are_freed() -> None:
    t = tg.parse("exp(A @ B) @ B.T @ A.T @ A @ x", let="A : n m; B : m n; x : m")
    source = tg.compile({"n": 2000, "m": 300}, value=t).source
    assert "del t" in source
    assert "del" not in tg.compile({"n": 20, "m": 3}, value=t).source
    agrees(t)


def test_constants_are_computed_once() -> None:
    X, y, w = Variable("X", "n", "m"), Variable("y", "n"), Variable("w", "m")
    step = tg.compile(grad=X @ (X @ w) - X @ y, loss=F.sum((X @ w - y) ** 2), constant=["X", y])
    values = {name: torch.tensor(v) for name, v in sample(X @ (X @ w) @ w + y @ y).items()}
    expected = values["X"].T @ (values["X"] @ values["w"] - values["y"])
    with pytest.raises(ValueMismatchError, match="no value for X"):
        step(w=values["w"])
    torch.testing.assert_close(step(values).grad, expected)
    before, main = step.source.split("def step(")
    assert "def prepare(X, y):" in before
    assert "X.T @ X" in before.replace("X.mT", "X.T")
    assert "@ y" in before or "y @" in before
    assert main.count("@ y") == 0
    for scale in (1.0, 3.0):
        v = scale * values["w"]
        torch.testing.assert_close(step(w=v).grad, values["X"].T @ (values["X"] @ v - values["y"]))
    step.prepare(X=2 * values["X"])
    torch.testing.assert_close(
        step(w=values["w"]).grad, 2 * values["X"].T @ (2 * values["X"] @ values["w"] - values["y"])
    )
    step.prepare(X=values["X"][:2], y=values["y"][:2])
    torch.testing.assert_close(
        step(w=values["w"]).grad, values["X"][:2].T @ (values["X"][:2] @ values["w"] - values["y"][:2])
    )
    solve = tg.compile(x=tg.parse("inv(A) @ x + (inv(A) @ y) @ x * y", let="A : n n; x y : n"), constant=["A"])
    values = sample(solve.variables[0] @ Variable("x", i="n") @ Variable("y", j="n"))
    agrees(tg.parse("inv(A) @ x + (inv(A) @ y) @ x * y", let="A : n n; x y : n"), constant=["A"])
    assert "lu_factor" in solve.source.split("def step(")[0]
    with pytest.raises(ValueMismatchError, match="constant: Z is none of the variables, X, w"):
        tg.compile(out=X @ w, constant=["Z"])
    with pytest.raises(ValueMismatchError, match=r"w is no constant of this step; there are X"):
        tg.compile(out=X @ w, constant=["X"]).prepare(w=values["x"])


SAVED = [
    ("X @ W + 1", "X : n m; W : m k", {}),
    ("sqrtm(S) @ x + step(x) + logm(S) @ softplus(x)", "S : n n pd; x : n", {}),
    ("adj(A) @ x + logdet(A) * d(relu)(x) + det(A) * relu(x)", "A : n n; x : n", {}),
    ("inv(A) @ x + det(A) * x", "A : n n; x : n", {"constant": ["A"]}),
    ("conv[i:n+m-1, j:n, k:m] * x[j] * y[k]", "x : n; y : m", {}),
]


def test_saved_steps_run_with_torch_alone(tmp_path: Path) -> None:
    calls = []
    for k, (expression, let, options) in enumerate(SAVED):
        t = tg.parse(expression, let=let)
        values = {name: torch.tensor(v) for name, v in sample(t).items()}
        step = tg.compile(value=t, **options)
        step.save(tmp_path / f"program{k}.py")
        torch.save((values, step(values).value), tmp_path / f"values{k}.pt")
        run = "program.step(**values)"
        if options:
            run = "program.step(x=values['x'], **dict(zip(['c1', 'c2', 'c3'], program.prepare(values['A']))))"
        calls.append(
            f"import program{k} as program; values, expected = torch.load('values{k}.pt')\n"
            f"torch.testing.assert_close({run}[0], expected)"
        )
    check = "\n".join(["import sys, torch", *calls, "assert not any(m.startswith('tensorgrad') for m in sys.modules)"])
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", "-c", check],
        cwd=tmp_path,
        env={"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


GRAPHS = [
    "softmax(A @ x) @ y + logsumexp(x)",
    "inv(S) @ x + logdet(S) * y + (x @ inv(S) @ y) * x",
    "A @ e[1, n] + x",
]


@pytest.mark.parametrize("expression", GRAPHS)
def test_a_step_is_one_graph_for_torch_compile(expression: str) -> None:
    t = tg.parse(expression, let="A : n n; S : n n pd; x y : n")
    agrees(t, torch_compile="eager")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # inductor itself uses it
def test_a_step_is_compiled_by_inductor() -> None:
    agrees(tg.parse("softmax(A @ x) @ y + sum(exp(x) * tanh(y))", let="A : n n; x y : n"), torch_compile=True)


def test_equal_structures_are_compiled_once() -> None:
    from tensorgrad.runtime.compiled import _kept

    A, B, x = Variable("A", i="n", j="n"), Variable("B", j="n", k="n"), Variable("x", k="n")
    first, second = tg.compile(out=(A @ B) @ x), tg.compile(out=x @ (B @ A))
    before = len(_kept)
    third = tg.compile(out=(A @ B) @ x)
    assert len(_kept) == before
    assert first.source == third.source
    assert third.plan.expression == str((A @ B) @ x)
    assert second.plan.flops == first.plan.flops


def test_the_value_and_its_parts_share() -> None:
    """f, its gradient and a Hessian-vector product together cost less than apart."""
    x, y, v = (Variable(name, i="n") for name in "xyv")
    loss = -(y @ F.log_softmax(x))
    outputs = {"loss": loss, "grad": loss.grad(x).simplify(), "hvp": tg.hvp(loss, x, v).simplify()}
    dims = {"n": 1000}
    apart = sum(tg.compile(dims, out=t).plan.flops for t in outputs.values())
    assert tg.compile(dims, **outputs).plan.flops < apart


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=100, deadline=None)
@given(
    st.lists(small_tensors(), min_size=1, max_size=2),
    st.sampled_from(["plain", "permuted", "strided", "expanded"]),
    st.sampled_from([torch.float64, torch.float32]),
    st.sampled_from([{"n": 2, "m": 3, "p": 4}, {"n": 1, "m": 2, "p": 1}, {"n": 3, "m": 1, "p": 2}]),
)
def test_random_programs_agree_with_dense_evaluation(
    device: str, tensors: list[Tensor], layout: str, dtype: torch.dtype, dims: dict[str, int]
) -> None:
    whole = Product(tuple(tensors), ())
    rng = np.random.default_rng(0)
    given_, arrays = {}, {}
    for v in whole.variables:
        value = torch.tensor(rng.normal(size=[int(d.evaluate(dims)) for d in v.dims]))
        if v.has("symmetric"):
            value = value + value.T
        given_[v.name] = laid_out(value, "plain" if v.has("symmetric") else layout).to(device, dtype)
        arrays[v.name] = given_[v.name].double().cpu().numpy()
    step = tg.compile(**{f"y{k}": t for k, t in enumerate(tensors)})
    found = step.run(given_, dims)
    for t, result in zip(tensors, found, strict=True):
        expected = dense(t, arrays, dims)
        assert tuple(result.shape) == expected.shape
        assert result.dtype is dtype or not whole.variables
        exact = dtype is torch.float64 and bool(whole.variables)
        scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
        tolerance = 1e-8 if exact else 2e-3
        np.testing.assert_allclose(
            result.double().cpu().numpy() / scale, expected / scale, rtol=tolerance, atol=tolerance
        )


EMPTY = [
    ("A @ x", "A : n m; x : m"),
    ("A.T @ A + ones[m, m]", "A : n m"),
    ("sum(A) + sum(x) * n", "A : n m; x : m"),
    ("exp(A) @ x", "A : n m; x : m"),
    ("outer(x, x) - 2 * diag(x)", "x : m"),
    ("kron(A, B)", "A : n m; B : m n"),
    ("det(A.T @ A + I[m])", "A : n m"),
]


@pytest.mark.parametrize(("expression", "let"), EMPTY)
@pytest.mark.parametrize("dims", [{"n": 0, "m": 3}, {"n": 2, "m": 0}])
def test_edges_of_size_zero(expression: str, let: str, dims: dict[str, int]) -> None:
    t = tg.parse(expression, let=let)
    values = {v.name: torch.ones([int(d.evaluate(dims)) for d in v.dims], dtype=torch.float64) for v in t.variables}
    result = tg.compile(value=t).run(values, dims).value
    reference = {
        "A @ x": lambda A, x: A @ x,
        "A.T @ A + ones[m, m]": lambda A: A.T @ A + 1,
        "sum(A) + sum(x) * n": lambda A, x: A.sum() + x.sum() * A.shape[0],
        "exp(A) @ x": lambda A, x: torch.exp(A) @ x,
        "outer(x, x) - 2 * diag(x)": lambda x: torch.outer(x, x) - 2 * torch.diag(x),
        "kron(A, B)": torch.kron,
        "det(A.T @ A + I[m])": lambda A: torch.linalg.det(A.T @ A + torch.eye(A.shape[1], dtype=A.dtype)),
    }[expression](*values.values())
    torch.testing.assert_close(result, reference)


def test_a_mean_over_nothing_is_refused() -> None:
    with pytest.raises(ValueMismatchError, match=r"the expression divides by a size that is 0 here \(n = 0\)"):
        tg.compile(value=tg.parse("mean(x)", let="x : n"))(x=torch.ones(0))


def test_what_wrong_values_are_told() -> None:
    X, W = Variable("X", "b", "x"), Variable("W", "x", "y")
    step = tg.compile(out=X @ W)
    good = {"X": torch.ones(5, 3), "W": torch.ones(3, 2)}
    wrong = {
        "Z is no variable of this step; there are X, W": {**good, "Z": torch.ones(2)},
        "x is no variable of this step (did you mean X?); there are X, W": {**good, "x": torch.ones(2)},
        "no value for W (x=x y=y); values were given for X": {"X": good["X"]},
        "the value of W has 1 axes (3,), declared are x=x y=y": {**good, "W": torch.ones(3)},
        "axis 0 (x) of W has size 4, but x = 3 (from axis 1 (x) of X)": {**good, "W": torch.ones(4, 2)},
        "X is torch.float32 and W torch.float16; convert one": {**good, "W": torch.ones(3, 2).half()},
        "X is on cpu and W on meta; move them to one device": {**good, "W": torch.ones(3, 2, device="meta")},
    }
    for message, values in wrong.items():
        with pytest.raises(ValueMismatchError) as error:
            step(values)
        assert str(error.value) == message
    for values in (good, {"X": torch.ones(2, 3), "W": torch.ones(3, 4)}, good):  # what was looked at once is quick
        torch.testing.assert_close(step(values).out, values["X"] @ values["W"])
        for message, wrong_ones in wrong.items():
            with pytest.raises(ValueMismatchError) as error:
                step(wrong_ones)
            assert str(error.value) == message
    bad = torch.ones(3, 2)
    bad[2, 1] = torch.nan
    assert step({**good, "W": bad}).out.isnan().any()
    with pytest.raises(ValueMismatchError, match="the value of W has NaN at x=2, y=1"):
        tg.compile(out=X @ W, check_finite=True)({**good, "W": bad})


def test_limits_and_options_are_checked_before_anything_runs() -> None:
    X, W = Variable("X", "b", "x"), Variable("W", "x", "y")
    step = tg.compile(out=F.exp(X @ W), memory_limit=100)
    assert step(X=torch.ones(5, 3), W=torch.ones(3, 2)).out.shape == (5, 2)
    with pytest.raises(
        MemoryLimitError, match=r"100 entries are too few: the program has 400 alive at its fullest, 200"
    ):
        step(X=torch.empty(100, 3, device="meta"), W=torch.empty(3, 2, device="meta"))
    with pytest.raises(InputError, match="optimizer='best': expected 'auto' or 'cotengra'"):
        tg.compile(out=X @ W, optimizer="best")


WRONG = [
    (
        lambda x: tg.compile(y="x * 2"),
        InputError,
        r"y is a str, not a tensor; read it, tg.parse\('x \* 2', let=\.\.\.\)",
    ),
    (lambda x: tg.compile(**{"a b": x}), InputError, "an output cannot be called 'a b'"),
    (lambda x: tg.compile(**{"class": x}), InputError, "an output cannot be called 'class'"),
    (lambda x: tg.compile({"m": 3}, y=x), SizeError, "dims: m is no size of the tensors, and n has none; give n=1000"),
    (lambda x: tg.compile({"n": -3}, y=x), SizeError, "dims: n=-3 is not a size"),
    (lambda x: tg.compile(y=x, memory_limit="much"), InputError, "memory_limit='much': expected a number of entries"),
    (lambda x: tg.compile(y=x, constant="z"), ValueMismatchError, "constant: z is none of the variables, x"),
    (
        lambda x: tg.compile(y=x)(x=None),
        ValueMismatchError,
        r"the value of x \(n=n\) is a NoneType that makes no tensor",
    ),
    (lambda x: tg.compile(y=x)(torch.ones(3)), ValueMismatchError, r"values are given by name, step\(X=\.\.\.\)"),
    (lambda x: tg.evaluate([x, "x"], {"x": torch.ones(3)}), InputError, "value1 is a str, not a tensor"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_what_is_given_is_looked_at(call: Callable[[Tensor], object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call(Variable("x", "n"))


def test_equal_diagrams_of_several_expressions_are_evaluated_once() -> None:
    A, B, x = Variable("A", i="n", j="m"), Variable("B", j="m", k="n"), Variable("x", i="n")
    first, second = F.exp(A @ B) @ x, F.exp(A @ B) @ x.rename(i="k")
    outputs = {"first": first, "second": second, "turned": F.exp((A @ B).rename(i="p", k="q")), "number": Tensor(7)}
    values = {name: torch.tensor(v) for name, v in sample(first).items()}
    inner = torch.exp(values["A"] @ values["B"])
    expected = {"first": inner.T @ values["x"], "second": inner @ values["x"], "turned": inner, "number": 7.0}
    found = tg.evaluate(outputs, values)
    assert list(found) == list(outputs)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].numpy(), np.asarray(value))
    several = tg.evaluate(list(outputs.values()), values)
    assert isinstance(several, tuple)
    torch.testing.assert_close(several, tuple(found.values()))
    assert tg.evaluate([], values) == ()
    assert tg.compile(**outputs).source.count("torch.exp") == 1


def test_products_with_few_columns_are_computed_turned() -> None:
    t = tg.parse("X @ V", let="X : n m; V : m r")
    for r, text in ((10, "= V.T @ X.T"), (1, "value = X @ V"), (16, "value = X @ V"), (40, "value = X @ V")):
        assert text in agrees(t, {"n": 700, "m": 90, "r": r})
    assert "value = X @ V" in agrees(t, {"n": 700, "m": 20, "r": 10})  # what reads it would take as long
    assert "value = X @ V" in agrees(t, {"n": 60, "m": 90, "r": 10})
    softmax = tg.parse("X.T @ softmax(X @ W)", let="X : n m; W : m r")
    assert "W.T @ X.T" in agrees(softmax, {"n": 700, "m": 90, "r": 9})


LOW_RANK: list[tuple[str, str, Callable[[dict[str, torch.Tensor]], torch.Tensor]]] = [
    ("X - U @ V.T", "torch.addmm(X, U, V.T, alpha=-1)", lambda v: v["X"] - v["U"] @ v["V"].T),
    ("2 * X + 3 * U @ W", ", beta=2)", lambda v: 2 * v["X"] + 3 * v["U"] @ v["W"]),
    ("Z.T - U @ W / 3", "torch.addmm(Z.T, ", lambda v: v["Z"].T - v["U"] @ v["W"] / 3),
    ("V @ U.T - Z", "torch.addmm(Z, V, U.T, beta=-1)", lambda v: v["V"] @ v["U"].T - v["Z"]),
]


@pytest.mark.parametrize(("text", "call", "expected"), LOW_RANK)
def test_a_product_of_low_rank_is_added_in_one_call(
    text: str, call: str, expected: Callable[[dict[str, torch.Tensor]], torch.Tensor]
) -> None:
    t = tg.parse(text, let="X : n m; Z : m n; U : n r; V : m r; W : r m")
    step = tg.compile({"n": 600, "m": 500, "r": 20}, value=t)
    assert call in step.source
    for dims in ({"n": 600, "m": 500, "r": 20}, {"n": 7, "m": 5, "r": 3}, {"n": 2, "m": 3, "r": 0}):
        values = {name: torch.tensor(v) for name, v in sample(t, dims).items()}
        torch.testing.assert_close(step(values).value, expected(values))
    for dims in ({"n": 600, "m": 500, "r": 70}, {"n": 60, "m": 500, "r": 20}):
        assert "addmm" not in tg.compile(dims, value=t).source


def test_a_product_that_is_read_twice_is_not_hidden_in_a_sum() -> None:
    dims, let = {"n": 600, "m": 500, "r": 20}, "X : n m; U : n r; V : m r"
    total, product = tg.parse("X - U @ V.T", let=let), tg.parse("U @ V.T", let=let)
    assert "addmm" not in tg.compile(dims, total=total, product=product).source
    plan = tg.compile(dims, total=total).plan
    assert (plan.flops, plan.peak) == (2 * 600 * 500 * 20 + 600 * 500, 600 * 500)


def test_what_is_multiplied_entry_by_entry_lies_in_one_order() -> None:
    let = "X : n m; Y : k m; G : n m; Z : k n"
    source = agrees(tg.parse("softmax(X @ Y.T) * (Y @ G.T).T", let=let), {"n": 9, "m": 5, "k": 7})
    assert "G @ Y.T" in source
    assert source.count(".T") == 2
    dims = {"n": 9, "m": 5, "k": 7}
    products = {"a": "2 * X @ Y.T", "b": "(-3 * X @ Y.T).T + Z", "c": "exp(X @ Y.T) * (X @ Y.T)", "d": "6 * Y @ X.T"}
    outputs = {name: tg.parse(text, let=let) for name, text in products.items()}
    values = {name: v for t in outputs.values() for name, v in sample(t, dims).items()}
    found = tg.compile(dims, **outputs)({name: torch.tensor(v) for name, v in values.items()})
    for name, t in outputs.items():
        np.testing.assert_allclose(getattr(found, name).numpy(), dense(t, values, dims))


@pytest.mark.parametrize(("width", "own"), [(5, 3), (3, 5), (1, 4), (200, 7), (7, 200), (6, 6), (4, 0), (0, 4)])
@pytest.mark.parametrize("batch", ["", "b h"])
def test_attention_with_values_of_another_width(width: int, own: int, batch: str, tmp_path: Path) -> None:
    more = {e: e for e in batch.split()}
    Q, K, V = (
        Variable(c, **more, **e)
        for c, e in zip("QKV", ({"s": "s", "d": "d"}, {"t": "t", "d": "d"}, {"t": "t", "w": "w"}), strict=True)
    )
    scores = Product((Q, K), (*more, "s", "t"))
    step = tg.compile(value=Product((F.softmax(scores, "t"), V), (*more, "s", "w")))
    sizes = {"b": 2, "h": 3, "s": 11, "t": 9, "d": width, "w": own}
    values = {v.name: torch.randn([sizes[e] for e in v.edges], dtype=torch.float64) for v in (Q, K, V)}
    expected = torch.softmax(values["Q"] @ values["K"].mT, -1) @ values["V"]
    torch.testing.assert_close(step(values).value, expected)
    assert "tf.attention" in step.source
    step.save(tmp_path / "attention.py")
    torch.testing.assert_close(runpy.run_path(str(tmp_path / "attention.py"))["step"](*values.values())[0], expected)


def test_what_cholesky_takes_to_be_symmetric_is_looked_at() -> None:
    t = tg.parse("inv(S + c * I[n]) @ x", let="S : n n pd; x : n; c : scalar positive")
    step, values = tg.compile(value=t), {name: torch.tensor(v) for name, v in sample(t).items()}
    good = step(values).value
    skewed = {**values, "S": values["S"] + torch.ones(4, 4).triu(1)}
    for _ in range(2):  # the first time, and when the kind of the values is known
        with pytest.raises(ValueMismatchError, match=r"S is declared symmetric .* from its transpose by 1; give"):
            step(skewed)
        torch.testing.assert_close(step(values).value, good)
    with pytest.raises(ValueMismatchError, match="positive definite by what is declared of S is not"):
        step({**values, "S": -values["S"]})
    held = tg.compile(value=t, constant=["S", "c"])
    held.prepare(S=skewed["S"], c=values["c"])
    with pytest.raises(ValueMismatchError, match="S is declared symmetric"):
        held(x=values["x"])
    batch = torch.stack([values["S"], 2 * values["S"]])
    many = torch.func.vmap(lambda S: step({**values, "S": S}).value)(batch)
    torch.testing.assert_close(many[0], good)


@pytest.mark.parametrize("text", ["inv(A + B) @ x", "tr(inv(A + B))", "inv(A + B)"])
def test_a_singular_matrix_is_named(text: str) -> None:
    step = tg.compile(y=tg.parse(text, let="A B : n n ; x : n"))
    values = {"A": torch.eye(3), "B": -torch.eye(3), "x": torch.ones(3)}
    fitting = {v.name: values[v.name] for v in step.variables}
    with pytest.raises(ValueMismatchError, match=r"is singular, with these values: that of inv\(A \+ B\)"):
        step(fitting)


FACTS = [
    ("A : n n diagonal", torch.ones(3, 3), torch.eye(3)),
    ("A : n n orthogonal", 2 * torch.eye(3), torch.eye(3).flip(0)),
    ("A : n n pd", -torch.eye(3), torch.eye(3)),
    ("A : n positive", torch.tensor([1.0, 0.0]), torch.ones(2)),
    ("A : n n n symmetric(0,1)", torch.arange(8.0).reshape(2, 2, 2), torch.ones(2, 2, 2)),
]


@pytest.mark.parametrize(("let", "bad", "good"), FACTS, ids=[f[0] for f in FACTS])
def test_facts_of_values_are_looked_at_when_asked(let: str, bad: torch.Tensor, good: torch.Tensor) -> None:
    t = tg.parse("2 * A", let=let)
    looks = tg.compile(out=t, check_facts=True)
    torch.testing.assert_close(looks(A=good).out, 2 * good)
    with pytest.raises(ValueMismatchError, match=r"A is declared .*, the value given is not"):
        looks(A=bad)
    torch.testing.assert_close(tg.compile(out=t)(A=bad).out, 2 * bad)


def test_an_output_that_is_an_input_is_that_tensor() -> None:
    X = Variable("X", i="n", j="m")
    value = torch.ones(2, 3)
    found = tg.compile(same=X, turned=X.rename(i="j", j="i"), more=2 * X)(X=value)
    assert found.same is value
    assert found.turned.data_ptr() == value.data_ptr()
    assert found.more.data_ptr() != value.data_ptr()
