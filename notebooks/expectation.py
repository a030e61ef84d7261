# %% [markdown]
# # The expected loss of random weights
#
# What is the squared error of a linear layer, on average, when its weights are drawn from a Gaussian? The question is
# that of every initialisation, of Bayesian regression, of PAC-Bayes bounds. The answer is exact.

# %%
import torch

import tensorgrad as tg

b, x, y = tg.symbols("b x y")
X, Y, W = tg.Variable("X", b, x), tg.Variable("Y", b, y), tg.Variable("W", x, y)
error = X @ W - Y
loss = error @ error

# %% [markdown]
# First, independent standard normal weights. The box named $E[W]$ is the expectation; the
# dashed ones in it are the error, twice.

# %%
expected = tg.Expectation(loss, W)
expected

# %%
print(expected.simplify())
expected.simplify()

# %% [markdown]
# Each of the $y$ columns of $X W$ adds $\|X\|^2$. Now any mean $M$ and any covariance. The covariance of a matrix is a
# tensor $C$ with four edges, $C_{i j k l} = \mathrm{Cov}(W_{i j}, W_{k l})$; exchanging its halves changes nothing.

# %%
M = tg.Variable("M", x, y)
C = tg.Variable("C", x=x, y=y, x2=x, y2=y, facts="symmetric(0 2, 1 3)")
general = tg.Expectation(loss, W, mu=M, covar=C, covar_names={"x": "x2", "y": "y2"})
answer = general.simplify()
print(answer)
answer

# %% [markdown]
# A squared bias and a variance. The variance is one diagram: $C$ with its two $y$ edges joined, between two copies of $X$.
#
# Differentiating under the expectation gives the gradient for the mean, which is the gradient at the mean:

# %%
print(general.grad(M).simplify())

# %% [markdown]
# And for the covariance, which no sampling estimator gives exactly:

# %%
print(general.grad(C).simplify())

# %% [markdown]
# Higher moments are sums over all pairings (Wick, Isserlis). Pairings that are the same diagram are merged as they are
# found, so that of the 15 and 105 pairings of a third and fourth power few are left.

# %%
n = tg.symbols("n")
A, g = tg.Variable("A", i=n, j=n, facts="symmetric"), tg.Variable("g", i=n)
form = g @ A @ g.rename(i="j")
for k in (1, 2, 3, 4):
    print(f"E[(g' A g)^{k}] =", tg.Expectation(form**k, g).full_simplify())

# %% [markdown]
# The check. The weights of a random covariance are mapped from standard normals by its Cholesky factor, and the mean of a
# polynomial of degree 2 is exact on a symmetric set of points, so no sample is needed.

# %%
torch.manual_seed(0)
sizes = {"b": 5, "x": 3, "y": 2}
values = {
    name: torch.randn(shape, dtype=torch.float64) for name, shape in {"X": (5, 3), "Y": (5, 2), "M": (3, 2)}.items()
}
root = torch.randn(6, 6, dtype=torch.float64)
values["C"] = (root @ root.T).reshape(3, 2, 3, 2)
points = torch.cat([root.T, -root.T]).reshape(12, 3, 2) * 6**0.5 + values["M"]  # weights 1/12: mean M, covariance C
theirs = ((values["X"] @ points - values["Y"]) ** 2).sum((1, 2)).mean()
ours = tg.evaluate(answer, values)
torch.testing.assert_close(ours, theirs)
print(f"expected loss {ours:.6f}, agrees with the mean over the points")
