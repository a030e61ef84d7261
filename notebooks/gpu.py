# %% [markdown]
# # The same program on a GPU
#
# What is compiled is plain PyTorch. It runs where its inputs are: no device is named in it, nothing is compiled again. Where
# there is no GPU this notebook says so, and runs on the CPU.

# %%
import time

import torch

import tensorgrad as tg
from tensorgrad import F

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# %% tags=["varies"]
print(torch.cuda.get_device_name() if device.type == "cuda" else "no GPU here: everything below runs on the CPU")

# %% [markdown]
# Attention and its gradients, for the squared norm of the output:

# %%
s, d = tg.symbols("s d")
Q, K, V = (tg.Variable(name, edges={edge: s, "d": d}) for name, edge in (("Q", "s"), ("K", "t"), ("V", "t")))
attention = F.sdpa(Q, K, V.rename(d="out"), "d", "t")
loss = attention @ attention
gradients = tg.grad(loss, [Q, K, V])
step = tg.compile(loss=loss, Q=gradients[0], K=gradients[1], V=gradients[2])
print(step.source)
attention

# %% [markdown]
# The program is ordinary source, so `torch.compile` can fuse it, CUDA graphs can record it, and a profiler shows its lines.
# Larger inputs on the GPU, smaller ones on the CPU:

# %%
size, width = (4096, 128) if device.type == "cuda" else (256, 32)
torch.manual_seed(0)
values = {name: torch.randn(size, width, device=device) / width**0.5 for name in "QKV"}
found = step(**values)
assert all(t.device.type == device.type for t in found)
print("all outputs are where the inputs were:", all(t.device == values["Q"].device for t in found))

# %% [markdown]
# How long it takes, beside PyTorch's automatic differentiation of the same formula (a note, not a benchmark: run it on a
# quiet machine):


# %%
def torch_step(leaves: dict[str, torch.Tensor]) -> torch.Tensor:
    out = torch.softmax(leaves["Q"] @ leaves["K"].T / width**0.5, dim=-1) @ leaves["V"]
    return (out * out).sum()


def by_autograd() -> list[torch.Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    torch_step(leaves).backward()
    return [leaf.grad for leaf in leaves.values() if leaf.grad is not None]


def milliseconds(run: object, times: int = 5) -> float:
    assert callable(run)
    run()
    spent = []
    for _ in range(times):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - start)
    return 1000 * sorted(spent)[times // 2]


# %% tags=["varies"]
print(
    f"tensorgrad {milliseconds(lambda: step(**values)):.2f} ms, autograd {milliseconds(by_autograd):.2f} ms on {device}"
)

# %% [markdown]
# A number that does not vary: what value and gradients cost in operations, and how much memory is alive at most.

# %%
plan = tg.compile({s: 4096, d: 128}, loss=loss, Q=gradients[0], K=gradients[1], V=gradients[2]).plan
print(f"{plan.flops:.3e} operations, {plan.peak:.3e} numbers alive, for 4096 positions of width 128")

# %% [markdown]
# The check, against automatic differentiation on the same device:

# %%
torch.testing.assert_close(found.loss, torch_step(values), rtol=1e-4, atol=1e-4)
for ours, theirs in zip(found[1:], by_autograd(), strict=True):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
print("loss and gradients agree with autograd")
