"""Derivatives of tanh, sigmoid and relu times a cotangent in compiled programs, beside autograd."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import tensorgrad as tg
from tensorgrad import F, Tensor, Variable

SIZES = {"b": 4, "n": 3, "m": 5, "k": 2}
X, W, V, Y = Variable("X", "b", "n"), Variable("W", "n", "m"), Variable("V", "m", "k"), Variable("Y", "b", "k")
CALLS = {"tanh": "tanh_backward", "sigmoid": "sigmoid_backward", "relu": "threshold_backward"}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": F.tanh, "sigmoid": F.sigmoid, "relu": F.relu}
ENTRYWISE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
}


def values_of(*variables: Variable, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    """Normal values."""
    generator = torch.Generator().manual_seed(2)
    shapes = {v.name: [int(d.evaluate(SIZES)) for d in v.dims] for v in variables}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for n, s in shapes.items()}


def network(name: str, scale: int) -> dict[str, Tensor]:
    """A loss of two layers and its gradients."""
    error = scale * (FUNCTIONS[name](X @ W) @ V) - Y
    loss = F.sum(error * error)
    return {"loss": loss} | dict(zip("xwv", tg.grad(loss, [X, W, V]), strict=True))


def by_autograd(name: str, scale: int, values: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The same in torch."""
    x, w, v = leaves = [values[n].double().clone().requires_grad_() for n in "XWV"]
    loss = ((scale * (ENTRYWISE[name](x @ w) @ v) - values["Y"].double()) ** 2).sum()
    return [loss.detach(), *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1, -1, 3])
@pytest.mark.parametrize("name", CALLS)
def test_it_is_one_call(name: str, scale: int, dtype: torch.dtype) -> None:
    step = tg.compile(SIZES, **network(name, scale))
    assert step.source.count(CALLS[name]) == 1
    assert " = -t" not in step.source
    values = values_of(X, W, V, Y, dtype=dtype)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.1}[dtype]
    for found, wanted in zip(step(values), by_autograd(name, scale, values), strict=True):
        assert found.dtype is dtype
        torch.testing.assert_close(found.double(), wanted, rtol=tolerance, atol=tolerance * float(wanted.abs().max()))


A, G, H = Variable("A", "b", "m"), Variable("G", "b", "m"), Variable("H", "b")
NEAR: dict[str, Tensor] = {
    "2 - y * y": (2 - F.tanh(A) * F.tanh(A)) * G,
    "1 + y * y": (1 + F.tanh(A) * F.tanh(A)) * G,
    "1 - y * z": (1 - F.tanh(A) * F.tanh(G)) * G,
    "1 - x * x": (1 - A * A) * G,
    "1 - y": (1 - F.sigmoid(A)) * G,
    "y * (1 - z)": F.sigmoid(A) * (1 - F.sigmoid(G)) * G,
    "a cotangent with fewer axes": (1 - F.tanh(A) * F.tanh(A)) * H,
    "no cotangent": 1 - F.tanh(A) * F.tanh(A),
    "the step alone": tg.parse("step(A) * G", let="A G : b m"),
    "a sum of the product": F.sum((1 - F.tanh(A) * F.tanh(A)) * G, dim="m"),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_nearly_one_is_none(name: str) -> None:
    t = NEAR[name]
    step = tg.compile(SIZES, y=t)
    assert not any(call in step.source for call in CALLS.values())
    values = values_of(*t.variables)
    torch.testing.assert_close(step(values).y, torch.as_tensor(tg.evaluate(t, values)))


def test_axes_in_another_order_and_multiples() -> None:
    turned = Variable("T", "m", "b")
    values = values_of(A, turned)
    y, g = torch.tanh(values["A"]), values["T"].T
    for factor in (1, -1, 5):
        t = factor * ((1 - F.tanh(A) ** 2) * turned)
        step = tg.compile(SIZES, t=t)
        assert "tanh_backward" in step.source
        found = step(values).t
        torch.testing.assert_close(found if t.edges == ("b", "m") else found.T, factor * (1 - y * y) * g)


@pytest.mark.parametrize("name", CALLS)
def test_programs_with_it_are_mapped_saved_differentiated_and_compiled(name: str, tmp_path: Path) -> None:
    tensors = network(name, 2)
    step = tg.compile(SIZES, **tensors)
    values = values_of(X, W, V, Y)
    wanted = by_autograd(name, 2, values)
    step.save(tmp_path / "step.py")
    saved = runpy.run_path(str(tmp_path / "step.py"))["step"]
    whole = tg.compile(SIZES, torch_compile="aot_eager", **tensors)
    for way in (saved(*[values[v.name] for v in step.variables]), tuple(whole(values))):
        for found, right in zip(way, wanted, strict=True):
            torch.testing.assert_close(found, right)
    mapped = torch.func.vmap(lambda v: tuple(step(v)))({n: torch.stack([v, 2 * v]) for n, v in values.items()})
    for k in range(2):
        for found, right in zip(mapped, by_autograd(name, 2, {n: (k + 1) * v for n, v in values.items()}), strict=True):
            torch.testing.assert_close(found[k], right)
    leaf, other = (values["W"].clone().requires_grad_() for _ in range(2))
    step({**values, "W": leaf}).x.sum().backward()
    x = values["X"].clone().requires_grad_()
    loss = ((2 * (ENTRYWISE[name](x @ other) @ values["V"]) - values["Y"]) ** 2).sum()
    (inner,) = torch.autograd.grad(loss, x, create_graph=True)
    inner.sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)


def test_the_value_of_relu_may_come_later() -> None:
    loss = F.sum(F.relu(X @ W) * G)
    values = values_of(X, W, G)
    w = values["W"].clone().requires_grad_()
    total = (torch.relu(values["X"] @ w) * values["G"]).sum()
    (wanted,) = torch.autograd.grad(total, w)
    found = tg.compile(SIZES, g=loss.grad(W), loss=loss)(values)
    torch.testing.assert_close(found.g, wanted)
    torch.testing.assert_close(found.loss, total.detach())


def test_constants_and_limits() -> None:
    tensors, values = network("tanh", 1), values_of(X, W, V, Y)
    for step in (tg.compile(SIZES, constant=["X"], **tensors), tg.compile(SIZES, memory_limit=8 * 60, **tensors)):
        for found, right in zip(step(values), by_autograd("tanh", 1, values), strict=True):
            torch.testing.assert_close(found, right)


def test_sums_among_the_terms_of_others_are_read() -> None:
    a, b, c, d = (Variable(name, i="n", j="m") for name in "abcd")
    step = tg.compile(SIZES, y=a - b + c, z=F.exp(2 * a - 2 * b + 2 * c - d), w=F.exp(b - a - c))
    values = values_of(a, b, c, d)
    y = values["a"] - values["b"] + values["c"]
    found = step(values)
    torch.testing.assert_close(found.y, y)
    torch.testing.assert_close(found.z, torch.exp(2 * y - values["d"]))
    torch.testing.assert_close(found.w, torch.exp(-y))
    other = tg.compile(SIZES, z=F.exp(2 * a - 2 * b + 2 * c - d), w=F.exp(b - a - c), y=a - b + c)
    assert other.plan.flops == step.plan.flops
    torch.testing.assert_close(other(values).z, found.z)
    passes = [line for line in step.source.splitlines() if " + " in line or " - " in line]
    assert len(passes) == 2 and sum(line.count(" + ") + line.count(" - ") for line in passes) == 3
