"""The gradient through a softmax in compiled programs, beside autograd."""

from __future__ import annotations

import runpy
from itertools import permutations
from pathlib import Path

import pytest
import torch

import tensorgrad as tg
from tensorgrad import F, Tensor, Variable

SIZES = {"b": 2, "s": 3, "t": 4, "e": 5}
CALL = "tf.softmax_gradient("


def values_of(*variables: Variable, dtype: torch.dtype = torch.float64, **sizes: int) -> dict[str, torch.Tensor]:
    """Normal values."""
    generator = torch.Generator().manual_seed(3)
    dims = {**SIZES, **sizes}
    shapes = {v.name: [int(d.evaluate(dims)) for d in v.dims] for v in variables}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for n, s in shapes.items()}


def attention(scale: float = 1.0) -> tuple[Tensor, list[Variable], Tensor]:
    """Queries, keys and values with two batch axes, and a target for the loss, which reads the weights too: otherwise
    the gradients would be those of torch's attention."""
    q, k, v = Variable("q", "b", "s", "e"), Variable("k", "t", "b", "e"), Variable("v", "b", "t", f="e")
    target = Variable("target", "b", "s", f="e")
    weights = F.softmax(F.sum(q * k, dim="e"), dim="t")
    error = scale * F.sum(weights * v, dim="t") - target
    return F.sum(error * error) + F.sum(weights * weights), [q, k, v], target


def torch_attention(values: dict[str, torch.Tensor], scale: float = 1.0) -> list[torch.Tensor]:
    """The loss and its gradients by autograd."""
    q, k, v = leaves = [values[n].clone().requires_grad_() for n in "qkv"]
    weights = torch.softmax(torch.einsum("bse,tbe->bst", q, k), dim=-1)
    loss = ((scale * torch.einsum("bst,btf->bsf", weights, v) - values["target"]) ** 2).sum() + (weights**2).sum()
    return [loss.detach(), *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("axis", ["b", "s", "t"])
def test_it_is_one_call(axis: str) -> None:
    for edges in permutations("bst"):
        x, g = Variable("x", *edges), Variable("g", "t", "b", "s")
        step = tg.compile(SIZES, y=F.sum(F.softmax(x, dim=axis) * g).grad(x))
        assert step.source.count(CALL) == 1 and " * " not in step.source
        values = values_of(x, g)
        leaf = values["x"].clone().requires_grad_()
        turned = values["g"].permute(["tbs".index(e) for e in edges])
        (torch.softmax(leaf, dim=edges.index(axis)) * turned).sum().backward()
        torch.testing.assert_close(step(values).y, leaf.grad)


@pytest.mark.parametrize("scale", [1, -3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_attention_has_one(dtype: torch.dtype, scale: int) -> None:
    loss, variables, target = attention(scale)
    gradients = {v.name: g for v, g in zip(variables, tg.grad(loss, list(variables)), strict=True)}
    step = tg.compile(SIZES, loss=loss, **gradients)
    assert step.source.count(CALL) == 1
    assert isinstance(target, Variable)
    values = values_of(*variables, target)
    tolerance = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.3}[dtype]
    given = {n: v.to(dtype) for n, v in values.items()}
    for found, wanted in zip(step(given), torch_attention(values, scale), strict=True):
        assert found.dtype is dtype
        torch.testing.assert_close(found.double(), wanted, rtol=tolerance, atol=tolerance)


P, G, H = F.softmax(Variable("x", "s", "t"), dim="t"), Variable("g", "s", "t"), Variable("h", "s", "t")
NEAR = {
    "another cotangent": P * G - P * F.sum(P * H, dim="t"),
    "twice": P * G - 2 * P * F.sum(P * G, dim="t"),
    "added": P * G + P * F.sum(P * G, dim="t"),
    "summed over the other axis": P * G - P * F.sum(P * G, dim="s"),
    "summed over both": P * G - P * F.sum(P * G),
    "without the second weight": P * G - F.sum(P * G, dim="t") * G,
    "sums of the cotangent": P * G - P * F.sum(G, dim="t"),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_looks_like_it_is_computed_as_it_is(name: str) -> None:
    t = NEAR[name]
    step = tg.compile(SIZES, y=t)
    assert CALL not in step.source
    values = values_of(*t.variables)
    torch.testing.assert_close(step(values).y, torch.as_tensor(tg.evaluate(t, values)))
    p, g, h = torch.softmax(values["x"], dim=-1), values["g"], values.get("h")
    along = {n: (p * v).sum(-1, keepdim=True) for n, v in values.items() if n != "x"}
    wanted = {
        "another cotangent": lambda: p * g - p * along["h"],
        "twice": lambda: p * g - 2 * p * along["g"],
        "added": lambda: p * g + p * along["g"],
        "summed over the other axis": lambda: p * g - p * (p * g).sum(0, keepdim=True),
        "summed over both": lambda: p * g - p * (p * g).sum(),
        "without the second weight": lambda: p * g - along["g"] * g,
        "sums of the cotangent": lambda: p * g - p * g.sum(-1, keepdim=True),
    }
    assert h is None or name == "another cotangent"
    torch.testing.assert_close(step(values).y, wanted[name]())


def test_written_out_it_is_found_with_any_factor() -> None:
    for factor in (1, -1, 3):
        t = factor * (P * G - P * F.sum(P * G, dim="t"))
        step = tg.compile(SIZES, y=t)
        assert step.source.count(CALL) == 1
        values = values_of(*t.variables)
        p, g = torch.softmax(values["x"], dim=-1), values["g"]
        torch.testing.assert_close(step(values).y, factor * (p * g - p * (p * g).sum(-1, keepdim=True)))


FACTORED = {
    "p (g - p g)": (P * (G - F.sum(P * G, dim="t")), 1),
    "p (3 g - 3 p g)": (P * (3 * G - 3 * F.sum(P * G, dim="t")), 3),
    "p (p g - g)": (P * (F.sum(P * G, dim="t") - G), -1),
    "p (g + p g)": (P * (G + F.sum(P * G, dim="t")), None),
    "p (g - 2 p g)": (P * (G - 2 * F.sum(P * G, dim="t")), None),
    "p (g - p h)": (P * (G - F.sum(P * H, dim="t")), None),
    "p (g - p g over the other axis)": (P * (G - F.sum(P * G, dim="s")), None),
    "g (g - p g)": (G * (G - F.sum(P * G, dim="t")), None),
    "p (g - p p)": (P * (G - F.sum(P * P, dim="t")), None),
}


@pytest.mark.parametrize("name", FACTORED)
def test_factored_it_is_one_call_too(name: str) -> None:
    t, times = FACTORED[name]
    # Sums are kept as they are written: compiled, not simplified.
    step = tg.compile(SIZES, y=t)
    values = values_of(*t.variables)
    torch.testing.assert_close(step(values).y, torch.as_tensor(tg.evaluate(t, values)))
    assert (CALL in step.source) == (times is not None)
    if times is not None:
        p, g = torch.softmax(values["x"], dim=-1), values["g"]
        torch.testing.assert_close(step(values).y, times * (p * g - p * (p * g).sum(-1, keepdim=True)))


@pytest.mark.parametrize("loss", ["squared", "weighted"])
def test_simplified_attention_has_the_gradients_of_torchs(loss: str) -> None:
    q, k, v, target = (
        Variable("q", "b", "s", "e"),
        Variable("k", "b", "t", "e"),
        Variable("v", "b", "t", "e"),
        Variable("y", "b", "s", "e"),
    )
    out = F.sdpa(q, k, v, "e", "t")
    total = F.sum((out - target) * (out - target)) if loss == "squared" else F.sum(out * target) + F.sum(out)
    tensors = [out, *tg.grad(total, [q, k, v])]
    dims = {"b": 2, "s": 3, "t": 4, "e": 5}
    found = tg.simplify_all(tensors, dims=dims)
    step = tg.compile(dims, **{f"y{n}": r.tensor for n, r in enumerate(found)})
    assert "tf.attention_and_back(" in step.source and "softmax" not in step.source
    values = values_of(q, k, v, target)
    leaves = [values[n].clone().requires_grad_() for n in "qkv"]
    attended = torch.softmax(leaves[0] @ leaves[1].mT * 5**-0.5, -1) @ leaves[2]
    wanted = (
        ((attended - values["y"]) ** 2).sum() if loss == "squared" else (attended * values["y"]).sum() + attended.sum()
    )
    for made, right in zip(step(values), [attended.detach(), *torch.autograd.grad(wanted, leaves)], strict=True):
        torch.testing.assert_close(made, right)


@pytest.mark.parametrize("sizes", [{"t": 1}, {"b": 1, "s": 1}, {"s": 0}, {"e": 0}])
def test_sizes_of_one_and_none(sizes: dict[str, int]) -> None:
    loss, variables, target = attention()
    assert isinstance(target, Variable)
    gradients = {v.name: g for v, g in zip(variables, tg.grad(loss, list(variables)), strict=True)}
    step = tg.compile(SIZES, loss=loss, **gradients)
    values = values_of(*variables, target, **sizes)
    for found, wanted in zip(step(values), torch_attention(values), strict=True):
        torch.testing.assert_close(found, wanted)


def test_programs_with_it_are_mapped_saved_differentiated_and_compiled(tmp_path: Path) -> None:
    loss, variables, target = attention()
    assert isinstance(target, Variable)
    gradients = {v.name: g for v, g in zip(variables, tg.grad(loss, list(variables)), strict=True)}
    values = values_of(*variables, target)
    wanted = torch_attention(values)
    step = tg.compile(SIZES, loss=loss, **gradients)
    step(values)
    step.save(tmp_path / "step.py")
    saved = runpy.run_path(str(tmp_path / "step.py"))["step"]
    whole = tg.compile(SIZES, torch_compile="aot_eager", loss=loss, **gradients)
    order = [v.name for v in step.variables]
    for way in (saved(*[values[n] for n in order]), tuple(whole(values))):
        for found, right in zip(way, wanted, strict=True):
            torch.testing.assert_close(found, right)
    several = {n: torch.stack([v, 2 * v]) for n, v in values.items()}
    mapped = torch.func.vmap(lambda v: tuple(step(v)))(several)
    for k in range(2):
        for found, right in zip(mapped, torch_attention({n: v[k] for n, v in several.items()}), strict=True):
            torch.testing.assert_close(found[k], right)
    leaf = values["q"].clone().requires_grad_()
    step({**values, "q": leaf}).k.sum().backward()
    other = values["q"].clone().requires_grad_()
    k = values["k"].clone().requires_grad_()
    weights = torch.softmax(torch.einsum("bse,tbe->bst", other, k), dim=-1)
    second = ((torch.einsum("bst,btf->bsf", weights, values["v"]) - values["target"]) ** 2).sum() + (weights**2).sum()
    (inner,) = torch.autograd.grad(second, k, create_graph=True)
    inner.sum().backward()
    torch.testing.assert_close(leaf.grad, other.grad)


def test_constants_and_limits() -> None:
    loss, variables, target = attention()
    assert isinstance(target, Variable)
    gradients = {v.name: g for v, g in zip(variables, tg.grad(loss, list(variables)), strict=True)}
    values = values_of(*variables, target)
    wanted = torch_attention(values)
    for step in (
        tg.compile(SIZES, constant=["k", "q"], loss=loss, **gradients),
        tg.compile(SIZES, memory_limit=215, loss=loss, **gradients),
    ):
        for found, right in zip(step(values), wanted, strict=True):
            torch.testing.assert_close(found, right)
