# %% [markdown]
# # Attention, forwards and backwards
#
# A transformer block is a few lines of PyTorch, and its backward pass is a kernel that people write papers about. Here
# both are one program, derived from the definition.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

s, d, h, e, f = tg.symbols("s d h e f")  # positions, width, heads, width of a head, hidden width

# %% [markdown]
# Single-head attention in matrix notation is one line, and one picture. The bar in the softmax box marks the edge along
# which it sums to one.

# %%
attention = tg.parse("softmax(Q @ K.T / sqrt(d)) @ V", let="Q K V : s d")
attention

# %% [markdown]
# Its gradient for the queries, with a cotangent $G$ of the output, is what FlashAttention's backward pass computes. For
# large sizes the cheapest form is asked for. What is subtracted in it is the row sum of $G * O$, with $O$ the output: the
# trick of that paper. It is found, not told.

# %%
weighed = tg.parse("sum(G * (softmax(Q @ K.T / sqrt(d)) @ V))", let="Q K V G : s d")
Q = next(v for v in weighed.variables if v.name == "Q")
print(weighed.grad(Q).simplify(dims={"s": 4096, "d": 64}))

# %% [markdown]
# Now the whole block, with heads, residual connections, layer normalisation and a hidden layer. Heads are one more edge.

# %%
X = tg.Variable("X", s, d)
WQ, WK, WV = (tg.Variable(f"W{name}", h, d, e) for name in "QKV")
WO = tg.Variable("WO", h, e, o=d)
W1, W2 = tg.Variable("W1", d, f), tg.Variable("W2", f, o=d)

queries, keys, values = X @ WQ, (X @ WK).rename(s="t"), (X @ WV).rename(s="t")
heads = F.sdpa(queries, keys, values, "e", "t")  # edges: s, h, e
mixed = F.layer_norm(X + (heads @ WO).rename(o="d"), "d", eps=1e-5)
block = F.layer_norm(mixed + (F.gelu(mixed @ W1) @ W2).rename(o="d"), "d", eps=1e-5)
heads

# %% [markdown]
# The loss is the squared distance to a target. All six gradients come from one backward sweep in which they share their
# cotangents, as in backpropagation; the program computes what is equal once.

# %%
T = tg.Variable("T", s, d)
loss = F.sum((block - T) ** 2)
weights = [WQ, WK, WV, WO, W1, W2]
gradients = tg.grad(loss, weights)
by_name = {w.name: g for w, g in zip(weights, gradients, strict=True)}
step = tg.compile(loss=loss, **by_name)
print(len(step.source.splitlines()), "lines of PyTorch, of which the first are")
print("\n".join(step.source.splitlines()[:28]))

# %% [markdown]
# A number: what all gradients cost more than the loss alone, counted in operations, for a small GPT.

# %%
sizes = {s: 1024, d: 768, h: 12, e: 64, f: 3072}
forward = tg.compile(sizes, loss=loss).plan.flops
both = tg.compile(sizes, loss=loss, **by_name).plan.flops
print(f"loss {forward:.3e}, loss and gradients {both:.3e} operations: {both / forward:.2f} times as many")

# %% [markdown]
# The check against PyTorch's modules and its backward pass, in single precision as it would be trained:

# %%
torch.manual_seed(0)
shapes = {
    "X": (6, 8),
    "T": (6, 8),
    "WQ": (2, 8, 4),
    "WK": (2, 8, 4),
    "WV": (2, 8, 4),
    "WO": (2, 4, 8),
    "W1": (8, 16),
    "W2": (16, 8),
}
data = {name: torch.randn(shape) / shape[-2] ** 0.5 for name, shape in shapes.items()}
leaves = {name: value.clone().requires_grad_() for name, value in data.items()}


def torch_block(p: dict[str, torch.Tensor]) -> torch.Tensor:
    q, k, v = (torch.einsum("sd,hde->hse", p["X"], p[name]) for name in ("WQ", "WK", "WV"))
    attended = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    mixed = torch.layer_norm(p["X"] + torch.einsum("hse,heo->so", attended, p["WO"]), (8,))
    return torch.layer_norm(mixed + torch.nn.functional.gelu(mixed @ p["W1"]) @ p["W2"], (8,))


expected = ((torch_block(leaves) - leaves["T"]) ** 2).sum()
expected.backward()
found = step(**data)
torch.testing.assert_close(found.loss, expected.detach(), rtol=1e-5, atol=1e-5)
for w in weights:
    torch.testing.assert_close(getattr(found, w.name), leaves[w.name].grad, rtol=1e-4, atol=1e-5)
print(f"loss {found.loss:.2f}; the loss and all six gradients agree with torch's")
