"""Layer normalisation, its gradient and that of gelu in compiled programs, beside autograd."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
import torch

import tensorgrad as tg
from tensorgrad import F, Tensor, Variable
from tensorgrad.numeric import evaluate as dense
from tensorgrad.tensor import power

SIZES = {"b": 2, "s": 3, "d": 5, "f": 7}
Values = Mapping[str, torch.Tensor]
BACKWARD = "native_layer_norm_backward"


def values_of(*variables: Variable, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    """Normal values."""
    generator = torch.Generator().manual_seed(7)
    shapes = {v.name: [int(d.evaluate(SIZES)) for d in v.dims] for v in variables}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for n, s in shapes.items()}


def backward(loss: Callable[[Values], torch.Tensor], values: Values, names: Sequence[str]) -> list[torch.Tensor]:
    """The loss and its gradients by autograd."""
    leaves = {n: values[n].clone().requires_grad_() for n in names}
    value = loss({**values, **leaves})
    return [value.detach(), *torch.autograd.grad(value, list(leaves.values()))]


def compared(loss: Tensor, variables: Sequence[Variable], other: Callable[[Values], torch.Tensor]) -> tg.runtime.Step:
    """The program for a loss and its gradients, its values compared with autograd's."""
    gradients = {v.name: g for v, g in zip(variables, tg.grad(loss, list(variables)), strict=True)}
    step = tg.compile(SIZES, loss=loss, **gradients)
    values = values_of(*step.variables)
    expected = backward(other, values, list(gradients))
    for found, right in zip(step(values), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-9)
    return step


def normalised(x: torch.Tensor, axes: Sequence[int], eps: float) -> torch.Tensor:
    """By its definition."""
    centred = x - x.mean(dim=list(axes), keepdim=True)
    return centred / (centred.square().mean(dim=list(axes), keepdim=True) + eps).sqrt()


AXES = [("d",), ("s",), ("s", "d"), ("d", "b"), ("b", "s", "d")]


@pytest.mark.parametrize("eps", [0, 1e-5, 0.5])
@pytest.mark.parametrize("over", AXES)
def test_it_is_one_call(over: tuple[str, ...], eps: float) -> None:
    for edges in permutations("bsd"):
        x = Variable("x", *edges)
        step = tg.compile(SIZES, y=F.layer_norm(x, list(over), eps=eps))
        assert "torch.nn.functional.layer_norm(x" in step.source and "rsqrt" not in step.source
        value = values_of(x)["x"]
        torch.testing.assert_close(step(x=value).y, normalised(value, [edges.index(e) for e in over], eps))


@pytest.mark.parametrize("eps", [0, 1e-5])
@pytest.mark.parametrize("over", AXES)
def test_its_gradient_is_one_call(over: tuple[str, ...], eps: float) -> None:
    z = Variable("z", "d", "b", "s")
    for edges in permutations("bsd"):
        x = Variable("x", *edges)
        axes = [edges.index(e) for e in over]
        turned = ["dbs".index(e) for e in edges]

        def loss(v: Values, axes: Sequence[int] = axes, turned: Sequence[int] = turned) -> torch.Tensor:
            return (torch.tanh(normalised(v["x"], axes, eps)) * v["z"].permute(*turned)).sum()

        step = compared(F.sum(F.tanh(F.layer_norm(x, list(over), eps=eps)) * z), [x], loss)
        assert BACKWARD in step.source and "rsqrt" not in step.source


def test_weights_and_biases() -> None:
    x, w, b, z = Variable("x", "s", "d"), Variable("w", "d"), Variable("b", "d"), Variable("z", "s", "d")
    y = F.layer_norm(x, "d", eps=1e-5) * w + b

    def torch_loss(v: Values) -> torch.Tensor:
        made = torch.nn.functional.layer_norm(v["x"], v["x"].shape[-1:], v["w"], v["b"], 1e-5)
        return (torch.tanh(made) * v["z"]).sum()

    step = compared(F.sum(F.tanh(y) * z), [x, w, b], torch_loss)
    assert BACKWARD in step.source and "rsqrt" not in step.source
    source = tg.compile(SIZES, y=y).source
    assert "layer_norm(x, x.shape[-1:], weight=w, bias=b, eps=1e-05)" in source


def test_of_a_sum_and_before_a_product() -> None:
    x, r, U, z = (Variable(n, *e) for n, e in [("x", "sd"), ("r", "ds"), ("U", "df"), ("z", "sf")])
    y = F.layer_norm(x + 2 * r, "d", eps=1e-5)

    def torch_loss(v: Values) -> torch.Tensor:
        made = normalised(v["x"] + 2 * v["r"].T, (1,), 1e-5)
        return (torch.tanh(made @ v["U"]) * v["z"]).sum() + torch.sin(made).sum()

    step = compared(F.sum(F.tanh(y @ U) * z) + F.sum(F.sin(y)), [x, r, U], torch_loss)
    assert BACKWARD in step.source and "rsqrt" not in step.source


def test_two_in_a_row_with_weights() -> None:
    x, w, U, z = (Variable(n, *e) for n, e in [("x", "bsd"), ("w", "d"), ("U", "df"), ("z", "bsf")])
    inner = x + F.sin(F.layer_norm(x, "d", eps=1e-3) * w)
    y = F.layer_norm(inner, ["d", "s"], eps=1e-2) @ U

    def torch_loss(v: Values) -> torch.Tensor:
        inner = v["x"] + torch.sin(normalised(v["x"], (2,), 1e-3) * v["w"])
        return (torch.nn.functional.gelu(normalised(inner, (1, 2), 1e-2) @ v["U"]) * v["z"]).sum()

    step = compared(F.sum(F.gelu(y) * z), [x, w, U], torch_loss)
    assert step.source.count(BACKWARD) == 2 and "gelu_backward" in step.source
    assert "rsqrt" not in step.source and "erf" not in step.source


def test_what_else_is_read_is_still_there() -> None:
    x, z = Variable("x", "s", "d"), Variable("z", "s", "d")
    y = F.layer_norm(x, "d", eps=1e-5)
    centred = x - F.mean(x, "d", keepdims=True)
    spread = F.mean(centred * centred, "d")
    gradient = F.sum(F.tanh(y) * z).grad(x)
    expected = {
        "y": lambda v: normalised(v["x"], (1,), 1e-5),
        "centred": lambda v: v["x"] - v["x"].mean(1, keepdim=True),
        "spread": lambda v: v["x"].var(1, correction=0),
        "gradient": lambda v: backward(lambda u: (torch.tanh(normalised(u["x"], (1,), 1e-5)) * u["z"]).sum(), v, ["x"])[
            1
        ],
    }
    outputs = {"y": y, "centred": centred, "spread": spread, "gradient": gradient}
    for names in (["y", "centred"], ["y", "spread"], ["gradient", "y"], ["gradient", "spread"], list(outputs)):
        values = values_of(x, z)
        step = tg.compile(SIZES, **{n: outputs[n] for n in names})
        found = step({v.name: values[v.name] for v in step.variables})
        for name in names:
            torch.testing.assert_close(getattr(found, name), expected[name](values))


def scaled_by_spread(centred: Tensor, eps: Tensor | float, exponent: Fraction = Fraction(-1, 2), of: int = 1) -> Tensor:
    """What a layer normalisation makes of centred values, with other numbers."""
    return centred * power(of * F.mean(centred * centred, "d") + eps, exponent)


X = Variable("x", "s", "d")
MEAN = F.mean(X, "d", keepdims=True)
NEARLY = {
    "half the mean": scaled_by_spread(X - MEAN / 2, 1e-5),
    "twice the mean": scaled_by_spread(X - 2 * MEAN, 1e-5),
    "the mean over another edge": scaled_by_spread(X - F.mean(X, "s", keepdims=True), 1e-5),
    "the mean over both": scaled_by_spread(X - F.mean(X, keepdims=True), 1e-5),
    "a sum divided by another size": scaled_by_spread(X - F.sum(X, "d", keepdims=True) / 4, 1e-5),
    "twice x": scaled_by_spread(2 * X - MEAN, 1e-5),
    "the mean of another tensor": scaled_by_spread(X - F.mean(F.tanh(X), "d", keepdims=True), 1e-5),
    "eps is a variable": scaled_by_spread(X - MEAN, Variable("eps")),
    "eps is a size": scaled_by_spread(X - MEAN, tg.tensor.tensor(tg.sizes.Poly.symbol("d"))),
    "another root": scaled_by_spread(X - MEAN, 1e-5, Fraction(-1, 3)),
    "times the root": scaled_by_spread(X - MEAN, 1e-5, Fraction(1, 2)),
    "twice the variance": scaled_by_spread(X - MEAN, 1e-5, of=2),
    "the variance of others": (X - MEAN) * power(F.mean(F.tanh(X) ** 2, "d") + 1e-5, Fraction(-1, 2)),
    "root mean square": X * power(F.mean(X * X, "d") + 1e-5, Fraction(-1, 2)),
}


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_one_is_none(name: str) -> None:
    t = NEARLY[name]
    step = tg.compile(SIZES, y=t)
    assert "layer_norm" not in step.source
    values = values_of(*step.variables) | {"eps": torch.tensor(0.25, dtype=torch.float64)}
    values = {v.name: values[v.name] for v in step.variables}
    expected = dense(t, {n: v.numpy() for n, v in values.items()}, SIZES)
    torch.testing.assert_close(step(values).y, torch.tensor(expected))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_kinds_of_numbers(dtype: torch.dtype) -> None:
    x, w, z = Variable("x", "s", "d"), Variable("w", "d"), Variable("z", "s", "d")
    loss = F.sum(F.gelu(F.layer_norm(x, "d", eps=1e-2) * w) * z)
    step = tg.compile(SIZES, loss=loss, gradient=loss.grad(x))
    exact = values_of(x, w, z)
    found = step({n: v.to(dtype) for n, v in exact.items()})
    assert found.gradient.dtype is dtype
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.05}[dtype]
    for a, b in zip(found, step(exact), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


def both() -> tuple[tg.runtime.Step, dict[str, torch.Tensor]]:
    """A program with all three calls, and values."""
    x, U, z = Variable("x", "s", "d"), Variable("U", "d", "f"), Variable("z", "s", "f")
    loss = F.sum(F.gelu(F.layer_norm(x, "d", eps=1e-5) @ U) * z)
    step = tg.compile(SIZES, loss=loss, x=loss.grad(x), U=loss.grad(U))
    assert BACKWARD in step.source and "gelu_backward" in step.source
    return step, values_of(x, U, z)


def test_as_one_graph_as_a_file_and_mapped(tmp_path: Path) -> None:
    step, values = both()
    expected = step(values)
    function = runpy.run_path(str(saved(step, tmp_path)))["step"]
    arguments = list(values.values())
    graph = torch.compile(function, fullgraph=True, backend="aot_eager")
    for found in (function(*arguments), graph(*arguments)):
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)
    several = [torch.stack([v, v + 1, 2 * v]) for v in arguments]
    mapped = torch.func.vmap(function)(*several)
    for k in range(3):
        for a, b in zip(mapped, function(*(v[k] for v in several)), strict=True):
            torch.testing.assert_close(a[k], b)


def saved(step: tg.runtime.Step, directory: Path) -> Path:
    """The program as a file that does not know of us."""
    path = directory / "step.py"
    step.save(path)
    assert "tensorgrad.runtime" not in path.read_text(encoding="utf-8")
    return path


def test_gradients_flow_through_the_calls() -> None:
    step, values = both()
    leaves = {n: v.clone().requires_grad_() for n, v in values.items()}
    (found,) = torch.autograd.grad((step(leaves).x ** 2).sum(), leaves["x"])

    def loss(v: Values) -> torch.Tensor:
        return (torch.nn.functional.gelu(normalised(v["x"], (1,), 1e-5) @ v["U"]) * v["z"]).sum()

    leaves = {n: v.clone().requires_grad_() for n, v in values.items()}
    (gradient,) = torch.autograd.grad(loss(leaves), leaves["x"], create_graph=True)
    (expected,) = torch.autograd.grad((gradient**2).sum(), leaves["x"])
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def test_memory_is_freed() -> None:
    x, z = Variable("x", "s", "d"), Variable("z", "s", "d")
    loss = F.sum(F.tanh(F.layer_norm(F.sin(x), "d", eps=1e-5)) * z)
    step = tg.compile({"s": 300, "d": 200}, loss=loss, gradient=loss.grad(x))
    call = next(line for line in step.source.splitlines() if "native_layer_norm(" in line)
    assert f"del {call.split(',')[0].strip()}" in step.source
    assert step.plan.peak <= 5 * 300 * 200


BIAS = Variable("b", "d")
GELUS = {
    "alone": (F.gelu(X), lambda v: torch.nn.functional.gelu(v["x"])),
    "of a multiple": (F.gelu(X * 3), lambda v: torch.nn.functional.gelu(v["x"] * 3)),
    "of a sum": (F.gelu(X + BIAS), lambda v: torch.nn.functional.gelu(v["x"] + v["b"])),
    "with a mean": (F.gelu(X + MEAN), lambda v: torch.nn.functional.gelu(v["x"] + v["x"].mean(1, keepdim=True))),
    "twice": (F.gelu(F.gelu(X) + 1), lambda v: torch.nn.functional.gelu(torch.nn.functional.gelu(v["x"]) + 1)),
    "times itself": (F.gelu(X) * X, lambda v: torch.nn.functional.gelu(v["x"]) * v["x"]),
    "with erf": (F.gelu(X) + F.erf(X), lambda v: torch.nn.functional.gelu(v["x"]) + torch.erf(v["x"])),
}


@pytest.mark.parametrize("name", GELUS)
def test_gelu(name: str) -> None:
    t, other = GELUS[name]
    z = Variable("z", "d", "s")
    step = compared(F.sum(F.sin(t) * z), [X], lambda v: (torch.sin(other(v)) * v["z"].T).sum())
    if name in ("alone", "of a sum", "twice", "with erf"):
        assert "gelu_backward" in step.source
    if name in ("alone", "of a sum", "twice"):
        assert "torch.exp(" not in step.source and "torch.erf(" not in step.source


def test_what_is_nearly_the_slope_of_gelu_is_none() -> None:
    z = Variable("z", "s", "d")
    root, pi = power(tg.tensor.tensor(2), Fraction(1, 2)), F.pi
    for of_erf, of_exp, times in [(1, 1, 2), (2, 1, 1), (1, 2, 1), (1, 1, -1)]:
        bell = X * F.exp(-of_exp * X * X / 2) * root * power(pi, Fraction(-1, 2)) * times
        t = (1 + F.erf(of_erf * X / root) + bell) * z
        step = tg.compile(SIZES, y=t)
        assert "gelu" not in step.source
        values = values_of(*step.variables)
        expected = dense(t, {n: v.numpy() for n, v in values.items()}, SIZES)
        torch.testing.assert_close(step(values).y, torch.tensor(expected))
    same = (1 + F.erf(X / root) + X * F.exp(-X * X / 2) * root * power(pi, Fraction(-1, 2))) * z
    assert "gelu_backward" in tg.compile(SIZES, y=same).source


def test_powers_of_the_width_do_not_grow_with_depth() -> None:
    """Derivatives of means bring a factor of the width for each layer, which would overflow in float32."""
    depth, width = 12, 768
    x, weights = Variable("x", b="b", d="d"), [Variable(f"W{k}", d="d", e="d") for k in range(depth)]
    made: Tensor = x
    for w in weights:
        made = made + F.tanh(F.layer_norm(made, dim="d") @ w).rename({"e": "d"})
    loss = F.sum(made**2)
    step = tg.compile(**{w.name: g for w, g in zip(weights, tg.grad(loss, weights), strict=True)})
    generator = torch.Generator().manual_seed(0)
    values = {"x": torch.randn(2, width, generator=generator)}
    values |= {w.name: torch.randn(width, width, generator=generator) / width**0.5 for w in weights}
    found = step(**values)
    leaves = {name: value.double().requires_grad_() for name, value in values.items()}
    h = leaves["x"]
    for w in weights:
        h = h + torch.tanh(torch.nn.functional.layer_norm(h, (width,), eps=0.0) @ leaves[w.name])
    wanted = torch.autograd.grad((h**2).sum(), [leaves[w.name] for w in weights])
    for w, right in zip(weights, wanted, strict=True):
        left = getattr(found, w.name).double()
        assert (left - right).abs().max() < 1e-4 * right.abs().max()
    assert not re.search(r"\bd\*\*[0-9]", step.source)


def test_a_power_that_does_not_cancel_is_multiplied_in() -> None:
    t = tg.parse("n ** 3 * exp(n * x + y) + n * (n * x + y) * y", let="x y : n")
    values = {"x": torch.randn(5, dtype=torch.float64) / 9, "y": torch.randn(5, dtype=torch.float64)}
    a, b = values["x"], values["y"]
    torch.testing.assert_close(tg.compile(t=t)(**values).t, 125 * torch.exp(5 * a + b) + 5 * (5 * a + b) * b)
