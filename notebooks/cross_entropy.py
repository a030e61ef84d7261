# %% [markdown]
# # The Hessian of the cross entropy
#
# A classifier ends in $-\sum_i t_i \log p_i$ with $p = \mathrm{softmax}(x)$. Newton's method, natural gradients and
# calibration all ask for its second derivative. On paper it takes a page; here it takes a line.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

n = tg.symbols("n")
x, t = tg.Variable("x", i=n), tg.Variable("t", i=n)
loss = F.cross_entropy(x, t)
print(loss)
loss

# %% [markdown]
# The gradient first. It is the famous one, $p - t$, when the target sums to 1; nobody has said so here.

# %%
print(loss.grad(x).simplify())

# %% [markdown]
# And the Hessian: two loops, one in the other.

# %%
hessian = loss.grad(x).grad(x)
hessian

# %%
simple = hessian.simplify()
print(simple)
simple

# %% [markdown]
# That is $\left(\mathrm{diag}(p) - p\,p^\top\right) \sum_i t_i$: the covariance of a throw of the die $p$, times a number.
# So for targets that are not negative it has no negative eigenvalue, and the loss is convex.
#
# With the fact that $t$ is a distribution the factor goes away:

# %%
target = tg.Variable("t", i=n, facts="simplex")
print(F.cross_entropy(x, target).grad(x).simplify())
print(F.cross_entropy(x, target).grad(x).grad(x).simplify())

# %% [markdown]
# Why is it equal? Every step names the rule that made it.

# %%
print(simple.explain())

# %% [markdown]
# A Hessian times a vector needs no Hessian: the plan multiplies from the right, and the cost falls from $n^2$ to $n$.

# %%
v = tg.Variable("v", i_=n)
product = (simple @ v).simplify()
print(product)
for size in (10, 1000):
    print(f"n = {size}: {simple.cost({n: size})}; times a vector: {product.cost({n: size})}")

# %% [markdown]
# The check: PyTorch's double backward, and the smallest eigenvalue.

# %%
torch.manual_seed(0)
logits, weights = torch.randn(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
ours = tg.evaluate(simple, {"x": logits, "t": weights})
theirs = torch.autograd.functional.hessian(lambda z: -(weights * torch.log_softmax(z, 0)).sum(), logits)
torch.testing.assert_close(ours, theirs)
print("the Hessian agrees with torch's; smallest eigenvalue is 0:", bool(torch.linalg.eigvalsh(ours)[0].abs() < 1e-12))
