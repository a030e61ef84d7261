"""Networks as tensors and as torch functions: deep perceptrons, and transformer blocks as in GPT (without a mask)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

import tensorgrad as tg
from tensorgrad import F

EPS = 1e-5


@dataclass(frozen=True)
class Network:
    """A loss and its weights, its sizes, and the same loss in torch, of values by name."""

    loss: tg.Tensor
    weights: tuple[tg.Variable, ...]
    dims: Mapping[str, int]
    forward: Callable[[Mapping[str, torch.Tensor]], torch.Tensor]

    def gradients(self) -> list[tg.Tensor]:
        """The gradients of all weights, from one backward sweep."""
        return tg.grad(self.loss, list(self.weights))

    def step(self, torch_compile: bool = False) -> tg.runtime.Step:
        """The loss and all gradients as one program, as derived: not simplified, equal parts computed once."""
        by_name = {w.name: g for w, g in zip(self.weights, self.gradients(), strict=True)}
        return tg.compile(self.dims, torch_compile=torch_compile, loss=self.loss, **by_name)

    def values(self, device: str) -> dict[str, torch.Tensor]:
        """Normal values, weights scaled by their number of inputs."""
        generator = torch.Generator().manual_seed(0)
        found: dict[str, torch.Tensor] = {}
        for variable in self.loss.variables:
            shape = [int(d.evaluate(self.dims)) for d in variable.dims]
            value = torch.randn(shape, generator=generator)
            scale = shape[-2] ** -0.5 if variable in self.weights else 1.0
            found[variable.name] = (value * scale).to(device)
        return found

    def backward(self, values: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """The loss and all gradients by autograd."""
        leaves = {w.name: values[w.name].detach().requires_grad_() for w in self.weights}
        loss = self.forward({**values, **leaves})
        return [loss.detach(), *torch.autograd.grad(loss, list(leaves.values()))]


def perceptron(layers: int, dims: Mapping[str, int]) -> Network:
    """Layers of tanh and a squared error; sizes b (batch) and n (width)."""
    out: tg.Tensor = tg.Variable("X", b="b", n="n")
    target = tg.Variable("Y", b="b", n="n")
    weights = tuple(tg.Variable(f"W{k}", n="n", m="n") for k in range(layers))
    for weight in weights:
        out = F.tanh(out @ weight).rename(m="n")
    error = out - target

    def forward(p: Mapping[str, torch.Tensor]) -> torch.Tensor:
        made = p["X"]
        for k in range(layers):
            made = torch.tanh(made @ p[f"W{k}"])
        return ((made - p["Y"]) ** 2).sum()

    return Network(F.sum(error * error), weights, dims, forward)


def transformer(blocks: int, dims: Mapping[str, int]) -> Network:
    """Blocks of attention and a hidden layer, each normalised before and added; sizes s d h e f."""
    out: tg.Tensor = tg.Variable("X", s="s", d="d")
    target = tg.Variable("Y", s="s", d="d")
    weights: list[tg.Variable] = []
    for k in range(blocks):
        wq, wk, wv = (tg.Variable(f"{name}{k}", h="h", d="d", e="e") for name in ("Q", "K", "V"))
        wo = tg.Variable(f"O{k}", h="h", e="e", o="d")
        up, down = tg.Variable(f"U{k}", d="d", f="f"), tg.Variable(f"D{k}", f="f", o="d")
        inner = F.layer_norm(out, "d", eps=EPS)
        heads = F.sdpa(inner @ wq, (inner @ wk).rename(s="t"), (inner @ wv).rename(s="t"), "e", "t")
        out = out + (heads @ wo).rename(o="d")
        out = out + (F.gelu(F.layer_norm(out, "d", eps=EPS) @ up) @ down).rename(o="d")
        weights += [wq, wk, wv, wo, up, down]
    error = out - target

    def forward(p: Mapping[str, torch.Tensor]) -> torch.Tensor:
        made = p["X"]
        for k in range(blocks):
            made = _torch_block(made, p, k)
        return ((made - p["Y"]) ** 2).sum()

    return Network(F.sum(error * error), tuple(weights), dims, forward)


def _torch_block(x: torch.Tensor, p: Mapping[str, torch.Tensor], k: int) -> torch.Tensor:
    inner = torch.layer_norm(x, x.shape[-1:], eps=EPS)
    q, key, v = (torch.einsum("sd,hde->hse", inner, p[f"{name}{k}"]) for name in "QKV")
    # With a batch axis: torch has no fast way without.
    attended = torch.nn.functional.scaled_dot_product_attention(q[None], key[None], v[None])[0]
    x = x + torch.einsum("hse,heo->so", attended, p[f"O{k}"])
    return x + torch.nn.functional.gelu(torch.layer_norm(x, x.shape[-1:], eps=EPS) @ p[f"U{k}"]) @ p[f"D{k}"]


BLOCK = {"s": 256, "d": 256, "h": 4, "e": 64, "f": 1024}

NETWORKS: dict[str, Callable[[], Network]] = {
    "12-layer perceptron: loss and gradients": lambda: perceptron(12, {"b": 256, "n": 256}),
    "transformer block: loss and gradients": lambda: transformer(1, BLOCK),
    "three transformer blocks: loss and gradients": lambda: transformer(3, BLOCK),
}
