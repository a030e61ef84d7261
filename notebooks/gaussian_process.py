# %% [markdown]
# # The marginal likelihood of a Gaussian process
#
# A Gaussian process is fitted by maximising $\log p(y) = -\tfrac12 y^\top K^{-1} y - \tfrac12 \log\det K$, up to a
# constant. Its derivative for the length scale of the kernel is the formula that every implementation contains and few
# people can derive. It is two rules of matrix calculus, and the chain rule through the kernel.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

n = tg.symbols("n")
y, yt = tg.Variable("y", i=n), tg.Variable("y", i=n).rename(i="j")
K = tg.Variable("K", i=n, j=n, facts="pd")
loss = (y @ F.inverse(K) @ yt + F.logdet(K)) / 2
loss

# %% [markdown]
# First by the matrix itself, its entries independent. With $a = K^{-1} y$ it is $\tfrac12 (K^{-1} - a\,a^\top)$:

# %%
print(loss.grad(K).simplify())
loss.grad(K).simplify().explain()

# %% [markdown]
# Now $K$ is a kernel matrix: $K_{ij} = s\,e^{-D_{ij} / \ell} + \nu\,\delta_{ij}$ with squared distances $D$, a signal $s$, a
# length $\ell$ and noise $\nu$.

# %%
s, length, noise = (tg.Variable(name, facts="positive") for name in ("s", "length", "noise"))
D = tg.Variable("D", i=n, j=n, facts="symmetric")
kernel = s * F.exp(-D / length) + noise * tg.Delta(n, "i", "j")
nll = (y @ F.inverse(kernel) @ yt + F.logdet(kernel)) / 2
gradients = tg.grad(nll, [s, length, noise])
for variable, g in zip((s, length, noise), gradients, strict=True):
    print(f"d/d{variable.name}:", g.simplify())

# %% [markdown]
# Each is $\tfrac12 \mathrm{tr}\left((K^{-1} - a\,a^\top)\,\partial K\right)$. Compiled together, they need one inverse for the
# value and all three:

# %%
step = tg.compile(nll=nll, s=gradients[0], length=gradients[1], noise=gradients[2])
print(step.source)
sizes = {n: 1000}
whole = tg.compile(sizes, nll=nll, s=gradients[0], length=gradients[1], noise=gradients[2]).plan.flops
alone = tg.compile(sizes, nll=nll).plan.flops
print(f"value {alone:.2e}, value and gradients {whole:.2e} operations")

# %% [markdown]
# Twenty points of a noisy sine, and gradient descent on the logarithms of the three parameters:

# %%
torch.manual_seed(0)
x = torch.linspace(0, 6, 20, dtype=torch.float64)
data = {"y": torch.sin(x) + 0.1 * torch.randn(20, dtype=torch.float64), "D": (x[:, None] - x) ** 2}
logs = torch.zeros(3, dtype=torch.float64)
for k in range(201):
    p = dict(zip(("s", "length", "noise"), logs.exp(), strict=True))
    out = step(**data, **p)
    if k % 50 == 0:
        print(f"{k:3}  nll {out.nll:.4f}  " + "  ".join(f"{name} {float(v):.3f}" for name, v in p.items()))
    logs = logs - 0.05 * torch.stack([out.s, out.length, out.noise]) * logs.exp()

# %% [markdown]
# The noise found is close to $0.1^2$, with which the data were made.
#
# The check, by torch's automatic differentiation through a Cholesky factor, an independent way to the same number:

# %%
free = {name: value.clone().requires_grad_() for name, value in p.items()}
matrix = free["s"] * torch.exp(-data["D"] / free["length"]) + free["noise"] * torch.eye(20, dtype=torch.float64)
factor = torch.linalg.cholesky(matrix)
half = torch.linalg.solve_triangular(factor, data["y"][:, None], upper=False)
expected = (half**2).sum() / 2 + factor.diagonal().log().sum()
expected.backward()
torch.testing.assert_close(out.nll, expected.detach())
for name, leaf in free.items():
    torch.testing.assert_close(getattr(out, name), leaf.grad, rtol=1e-6, atol=1e-8)
print("value and gradients agree with torch's")
