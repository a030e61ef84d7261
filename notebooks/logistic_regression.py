# %% [markdown]
# # Logistic regression by Newton's method
#
# Gradient descent needs a step size and patience. Newton's method needs a Hessian, which is why few people use it. With
# the Hessian derived, it is five lines, and it is done after six steps.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

n, d = tg.symbols("n d")
X, y, w, lam = tg.Variable("X", n, d), tg.Variable("y", n), tg.Variable("w", d), tg.Variable("lam", facts="positive")

# %% [markdown]
# Labels $y$ are 0 or 1. The negative logarithm of the likelihood, with a ridge:

# %%
margin = X @ w
loss = F.sum(F.softplus(margin)) - y @ margin + lam * (w @ w) / 2
sizes = {n: 10_000, d: 100}  # many rows, few columns: the form that is cheapest for these
gradient, hessian = (t.simplify(dims=sizes) for t in (loss.grad(w), loss.grad(w).grad(w)))
print(gradient)
print(hessian)
hessian

# %% [markdown]
# The textbook's weights $\sigma (1 - \sigma)$ on the diagonal, between two copies of the data. So the Hessian is positive
# definite for $\lambda > 0$, the loss has one minimum, and Newton's step solves one linear system.

# %%
newton = F.solve(hessian, gradient)
step = tg.compile(loss=loss, step=newton)
print(step.source)

# %% [markdown]
# The program solves a linear system; it forms no inverse. What a step costs is the product of the data with itself,
# $2 n d^2$; the rest is next to nothing.

# %%
program = tg.compile(sizes, loss=loss, step=newton)
print(f"one step: {program.plan.flops:.3e} operations; 2 n d^2 = {2 * 10_000 * 100**2:.3e}")

# %% [markdown]
# Labels drawn from a model of five weights; each line is a step, with the loss before it.

# %%
torch.manual_seed(0)
data = torch.randn(200, 5, dtype=torch.float64)
true = torch.tensor([2.0, -1.0, 0.5, 0.0, 1.0], dtype=torch.float64)
labels = (torch.rand(200, dtype=torch.float64) < torch.sigmoid(data @ true)).double()
ridge = torch.tensor(0.1, dtype=torch.float64)
weights = torch.zeros(5, dtype=torch.float64)
for k in range(7):
    out = step(X=data, y=labels, w=weights, lam=ridge)
    weights = weights - out.step
    print(f"{k}  loss {out.loss:.10f}  length of the step {out.step.norm():.1e}")

# %% [markdown]
# The number of right digits doubles with each step. The check: torch's own gradient vanishes here, its Hessian is ours.


# %%
def torch_loss(v: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softplus(data @ v).sum() - labels @ (data @ v) + ridge * (v @ v) / 2


slope = torch.autograd.functional.jacobian(torch_loss, weights)
curvature = torch.autograd.functional.hessian(torch_loss, weights)
assert slope.norm() < 1e-10
torch.testing.assert_close(tg.evaluate(hessian, {"X": data, "w": weights, "lam": ridge}), curvature)
print("torch's gradient vanishes at the weights found, and its Hessian is ours")
