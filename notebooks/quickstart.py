# %% [markdown]
# # The gradient of a squared error
#
# Linear regression predicts $Y$ from $X$ by $X W$. How wrong it is, is one number, the sum of squares of the error.
# We write it down, differentiate it, look at it, and run it.

# %%
import torch

import tensorgrad as tg

b, x, y = tg.symbols("b x y")  # sizes; edges are named after them
X, Y, W = tg.Variable("X", b, x), tg.Variable("Y", b, y), tg.Variable("W", x, y)
error = X @ W - Y  # @ contracts the edges that both sides have
loss = error @ error
loss

# %% [markdown]
# Each node is a tensor, each wire a sum over an edge; the loss has no free edge, so it is a number.
#
# Its derivative by $W$ is the same picture in a loop, Penrose's notation for a derivative. The two edges that begin at
# the loop are those of $W$.

# %%
derivative = loss.grad(W)
derivative

# %% [markdown]
# Simplified, it is the gradient that one finds in books:

# %%
gradient = derivative.simplify()
print(gradient)
gradient

# %% [markdown]
# It was not looked up. The derivation is kept, and shows itself as a column of diagrams:

# %%
gradient.explain()

# %% [markdown]
# To run it, value and gradient are compiled together. What they share, the error, is computed once.

# %%
step = tg.compile(loss=loss, gradient=gradient)
print(step.source)

# %% [markdown]
# Tensors go in with axes in the order of the declarations, and come out in the order of `edges`; sizes are read off.
# PyTorch's own automatic differentiation says the same:

# %%
torch.manual_seed(0)
values = {
    "X": torch.randn(7, 3, dtype=torch.float64),
    "Y": torch.randn(7, 2, dtype=torch.float64),
    "W": torch.randn(3, 2, dtype=torch.float64, requires_grad=True),
}
with torch.no_grad():
    ours = step(**values)
theirs = ((values["X"] @ values["W"] - values["Y"]) ** 2).sum()
theirs.backward()

torch.testing.assert_close(ours.loss, theirs.detach())
torch.testing.assert_close(ours.gradient, values["W"].grad)
print(f"loss {ours.loss:.6f}, the same as torch's; gradients agree")
