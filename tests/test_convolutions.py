"""Convolutions one after another: never as tensors of zeros and ones, at the price of what is done, right as torch's."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import tensorgrad as tg
from tensorgrad import F
from tensorgrad.cost import sliding_plan
from tensorgrad.diagram.slides import Slide
from tensorgrad.sizes import ZERO, Poly

Layer = tuple[tuple[int, int, int], ...]
"""(stride, dilation, padding) along each spatial edge."""


@dataclass(frozen=True)
class Chain:
    """Convolutions one after another: the tensor, its variables, and torch's function of their values."""

    tensor: tg.Tensor
    variables: tuple[tg.Variable, ...]
    layers: tuple[Layer, ...]

    def values(self, seed: int = 0) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {
            v.name: torch.randn(tuple(map(int, v.shape.values())), generator=generator, dtype=torch.float64)
            for v in self.variables
        }

    def torch(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        y = values["x"]
        convolution: Any = torch.nn.functional.conv1d if len(self.layers[0]) == 1 else torch.nn.functional.conv2d
        for k, layer in enumerate(self.layers):
            stride, dilation, padding = (list(numbers) for numbers in zip(*layer, strict=True))
            kernel = values[f"K{k}"].transpose(0, 1)
            y = convolution(y, kernel, stride=stride, dilation=dilation, padding=padding)
        return y


def chain(channels: list[int], size: list[int], kernels: list[list[int]], layers: list[Layer], batch: int = 2) -> Chain:
    """A chain of convolutions with these channels, sizes of the input and of the kernels."""
    x = tg.Variable("x", edges={"b": batch, "c0": channels[0], **{f"s0{a}": n for a, n in enumerate(size)}})
    t: tg.Tensor = x
    found = [x]
    for k, (kernel, layer) in enumerate(zip(kernels, layers, strict=True)):
        edges = {f"c{k}": channels[k], f"c{k + 1}": channels[k + 1], **{f"k{k}{a}": n for a, n in enumerate(kernel)}}
        found.append(tg.Variable(f"K{k}", edges=edges))
        t = t @ found[-1]
        for a, (stride, dilation, padding) in enumerate(layer):
            before, after = f"s{k}{a}", f"s{k + 1}{a}"
            own = {before: size[a], f"k{k}{a}": kernel[a], after: None}
            slide = F.Convolution(**own, stride=stride, dilation=dilation, padding=padding)  # type: ignore[arg-type]
            size = [int(slide.shape[after]) if b == a else n for b, n in enumerate(size)]
            t = t @ slide
    last = len(layers)
    order = ["b", f"c{last}", *(f"s{last}{a}" for a in range(len(size)))]
    return Chain(tg.Product([t], order), tuple(found), tuple(layers))


PLAIN = (1, 1, 0)
CHAINS = {
    "plain": chain([3, 5, 2], [29], [[4], [3]], [(PLAIN,), (PLAIN,)]),
    "strides": chain([3, 5, 2], [41], [[4], [3]], [((2, 1, 0),), ((3, 1, 0),)]),
    "dilations": chain([2, 4, 3], [47], [[4], [3]], [((1, 3, 0),), ((1, 2, 0),)]),
    "strides and dilations": chain([3, 7, 2], [53], [[5], [4]], [((2, 3, 0),), ((3, 2, 0),)]),
    "padding": chain([2, 3, 4], [19], [[5], [3]], [((2, 2, 3),), ((1, 2, 2),)]),
    "kernels of one entry": chain([2, 5, 1], [24], [[1], [4]], [((1, 3, 0),), ((3, 1, 2),)]),
    "three": chain([2, 3, 4, 5], [61], [[3], [4], [2]], [((2, 1, 1),), ((1, 3, 0),), ((2, 1, 0),)]),
    "images": chain([2, 4, 3], [13, 11], [[3, 2], [2, 4]], [((2, 1, 0), (1, 1, 0)), ((1, 2, 0), (2, 1, 0))]),
    "padded images": chain([1, 3, 2], [9, 10], [[3, 2], [2, 3]], [((1, 1, 1), (2, 1, 0)), ((2, 1, 1), (1, 2, 2))]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_value_is_that_of_torch_and_no_indicator_is_made(name: str) -> None:
    case = CHAINS[name]
    step = tg.compile(y=case.tensor)
    values = case.values()
    torch.testing.assert_close(step(values).y, case.torch(values))
    assert "tf.convolution" not in step.source


@pytest.mark.parametrize("simplified", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_gradients_are_those_of_autograd(name: str, simplified: bool) -> None:
    case = CHAINS[name]
    loss = case.tensor @ case.tensor
    grads = {f"g{k}": loss.grad(v) for k, v in enumerate(case.variables)}
    if simplified:
        found = tg.simplify_all([loss, *grads.values()], verify=False)
        loss, grads = found[0].tensor, dict(zip(grads, (r.tensor for r in found[1:]), strict=True))
        grads = {key: tg.Product([t], [f"{e}" for e in t.edges]) for key, t in grads.items()}
    step = tg.compile(loss=loss, **grads)
    assert "tf.convolution" not in step.source
    values = {key: v.requires_grad_() for key, v in case.values().items()}
    expected = (case.torch(values) ** 2).sum()
    slopes = torch.autograd.grad(expected, list(values.values()))
    result = step({key: v.detach() for key, v in values.items()})
    torch.testing.assert_close(result.loss, expected.detach())
    for variable, got, slope in zip(case.variables, result[1:], slopes, strict=True):
        torch.testing.assert_close(got, slope, msg=lambda text, v=variable: f"{v.name}: {text}")


def sliding(case: Chain) -> int:
    """Operations of windows one after another: two for each entry of a kernel at each position of the result."""
    shapes = {v.name: list(map(int, v.shape.values())) for v in case.variables}
    batch, total = shapes["x"][0], 0
    values = {key: torch.zeros(shape, dtype=torch.float64) for key, shape in shapes.items()}
    for k in range(len(case.layers)):
        part = Chain(case.tensor, case.variables[: k + 2], case.layers[: k + 1])
        total += 2 * math.prod(shapes[f"K{k}"]) * math.prod(part.torch(values).shape[2:]) * batch
    return total


@pytest.mark.parametrize("name", CHAINS)
def test_the_price_is_at_most_that_of_windows_one_after_another(name: str) -> None:
    case = CHAINS[name]
    step = tg.compile(y=case.tensor)
    assert step.plan.flops <= sliding(case)
    assert tg.simplify(case.tensor).after.flops <= sliding(case)  # type: ignore[operator]
    assert tg.plan(case.tensor).ours.flops <= step.plan.flops


def test_one_after_another_where_that_is_cheapest() -> None:
    """Few channels in the middle, many outside, a short kernel: the windows of the first are summed, then those of the
    second."""
    case = chain([8, 1, 8], [50], [[5], [5]], [(PLAIN,), (PLAIN,)], batch=3)
    step = tg.compile(y=case.tensor)
    assert step.plan.flops == sliding(case)
    assert len(step.plan.steps) == 2


def test_the_kernels_are_composed_where_that_is_cheaper() -> None:
    """One channel outside, many in the middle, a long signal: one convolution with the kernel of both."""
    case = chain([1, 30, 1], [1000], [[5], [7]], [(PLAIN,), ((1, 1, 0),)], batch=4)
    step = tg.compile(y=case.tensor)
    length, reach = 1000 - 5 - 7 + 2, 5 + 7 - 1
    composed = 2 * 30 * 5 * 7 + 5 * 7 + 2 * reach * length * 4
    assert step.plan.flops <= composed < sliding(case) / 30
    values = case.values()
    torch.testing.assert_close(step(values).y, case.torch(values))


def test_the_gradient_by_the_input_costs_no_more_than_forward() -> None:
    """With a stride the long way back is not a window with zeros in it: entries are added up."""
    n, k, stride = 400, 8, 4
    x, kernel = tg.Variable("x", i=n), tg.Variable("K", k=k)
    slide = F.Convolution(i=n, k=k, o=None, stride=stride)
    y = x @ slide @ kernel
    g = tg.Variable("g", o=int(y.shape["o"]))
    back = tg.compile(t=(y @ g).grad(x).simplify())
    forward = tg.compile(y=y)
    assert back.plan.flops <= forward.plan.flops
    assert "tf.fold" in back.source
    data = {"g": torch.randn(g.shape["o"], dtype=torch.float64), "K": torch.randn(k, dtype=torch.float64)}
    line = torch.nn.functional.conv_transpose1d(data["g"][None, None], data["K"][None, None], stride=stride)[0, 0]
    torch.testing.assert_close(back(**data).t, torch.nn.functional.pad(line, (0, n - len(line))))


def test_symbolic_sizes_give_a_program_for_all_sizes() -> None:
    """The order is chosen for some sizes; the values are right at others."""
    n, m = tg.symbols("n m")
    x, first, second = tg.Variable("x", i=n), tg.Variable("K", k=m), tg.Variable("L", l=4)
    middle = F.Convolution(i=n, k=m, j=None)
    y = x @ middle @ first @ F.Convolution(j=middle.shape["j"], l=4, o=None) @ second
    step = tg.compile({"n": 1000, "m": 5}, y=y)
    for length, width in ((9, 3), (30, 7), (200, 50)):
        given = [torch.randn(count, dtype=torch.float64) for count in (length, width, 4)]
        line = given[0][None, None]
        for kernel in given[1:]:
            line = torch.nn.functional.conv1d(line, kernel[None, None])
        torch.testing.assert_close(step(x=given[0], K=given[1], L=given[2]).y, line[0, 0])


@pytest.mark.parametrize("seed", range(12))
def test_random_chains(seed: int) -> None:
    rng = random.Random(seed)
    spatial, count = rng.choice([(1, 2), (1, 3), (2, 2)])
    most = 3 if spatial == 1 else 2
    kernels = [[rng.randint(1, 4) for _ in range(spatial)] for _ in range(count)]
    layers: list[Layer] = [
        tuple((rng.randint(1, most), rng.randint(1, most), rng.choice([0, 0, 1, 2])) for _ in range(spatial))
        for _ in range(count)
    ]
    size = [rng.randint(80, 90) if spatial == 1 else rng.randint(21, 24) for _ in range(spatial)]
    case = chain([rng.randint(1, 5) for _ in range(count + 1)], size, kernels, layers)
    values = {key: v.requires_grad_() for key, v in case.values(seed).items()}
    expected = (case.torch(values) ** 2).sum()
    slopes = torch.autograd.grad(expected, list(values.values()))
    loss = case.tensor @ case.tensor
    step = tg.compile(**{f"g{k}": loss.grad(v) for k, v in enumerate(case.variables)})
    for got, slope in zip(step({key: v.detach() for key, v in values.items()}), slopes, strict=True):
        torch.testing.assert_close(got, slope)


def test_what_cannot_be_looked_through_has_no_plan() -> None:
    """All three edges of a convolution are edges of the result: only the tensor itself will do."""
    dims = [Poly.constant(n) for n in (7, 3, 5)]
    slide = Slide((0, 1, 2), (1, 1), ZERO)
    assert sliding_plan([], [slide], (0, 1, 2), dims, lambda d: int(d.number)) is None
    found = sliding_plan([(0,), (1,)], [slide], (2,), dims, lambda d: int(d.number))
    assert found is not None and found.flops == 2 * 3 * 5
