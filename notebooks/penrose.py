# %% [markdown]
# # Matrix calculus in Penrose's notation
#
# Derivatives of matrices by matrices have four edges, and index notation drowns in them. Penrose drew a derivative as a
# loop around what is differentiated: the wires of the variable begin at the loop. The rules of calculus become rules
# about loops, and the Hessian of a neural network becomes readable.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

n = tg.symbols("n")
x = tg.Variable("x", n)
A = tg.Variable("A", edges={"n": n, "n2": n})

# %% [markdown]
# The product rule. A loop around three tensors is a sum in which each tensor has its turn. Here $A$ does not depend on
# $x$, and the derivative of $x$ by itself is a bare wire:

# %%
form = tg.F.graph("x -n- A -n2-n- y", x=x, A=A, y=x)
form.grad(x)

# %%
print(form.grad(x).simplify())
form.grad(x).simplify()

# %% [markdown]
# The chain rule. Let $f$ be any function applied entry by entry; its box stays, with a prime, and the wire goes on
# through it to the loop around the argument.

# %%
chain = tg.parse("grad(v @ f(M @ x), x)", let="v : m; M : m n; x : n; f : function")
chain

# %%
print(chain.simplify())
chain.simplify()

# %% [markdown]
# Now a network with two layers, $y = w^\top \tanh(V z)$. How does it curve, as a function of all weights of the first
# layer? The Hessian has the two edges of $V$ twice.

# %%
d, k = tg.symbols("d k")
z, V, w, t = tg.Variable("z", d), tg.Variable("V", k, d), tg.Variable("w", k), tg.Variable("t")
output = w @ F.tanh(V @ z)
output.grad(V).grad(V)

# %%
curvature = output.grad(V).grad(V).simplify()
print(curvature)
curvature

# %% [markdown]
# The dot joins the two edges $k$: weights of different hidden units do not curve together. The whole is diagonal in the
# units, and of rank one in the inputs.
#
# Training minimises a loss of the output, say half the squared error. Then
#
# $$\nabla^2 \ell = \nabla y\, \nabla y^\top + (y - t)\, \nabla^2 y,$$
#
# Gauss and Newton's part and a rest that vanishes with the error. Is it true? Expanded into single diagrams, both sides cancel:

# %%
loss = (output - t) ** 2 / 2
hessian = loss.grad(V).grad(V)
slope = output.grad(V)
decomposed = slope * output.grad(V, ["k_", "d_"]) + (output - t) * curvature
print("difference:", (hessian - decomposed).full_simplify())

# %% [markdown]
# The cost in numbers, for 1000 inputs and 1000 units: the Hessian has $10^{12}$ entries, but its product with a direction
# $U$ needs none of them.

# %%
U = tg.Variable("U", k, d)
along = tg.hvp(loss, V, U).simplify(dims={d: 1000, k: 1000})
print(along)
print("one product:", along.cost({d: 1000, k: 1000}))

# %% [markdown]
# The check against automatic differentiation:

# %%
torch.manual_seed(0)
shapes = {"z": (4,), "V": (3, 4), "w": (3,), "t": (), "U": (3, 4)}
values = {name: torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}


def torch_loss(weights: torch.Tensor) -> torch.Tensor:
    return (values["w"] @ torch.tanh(weights @ values["z"]) - values["t"]) ** 2 / 2


theirs = torch.autograd.functional.hessian(torch_loss, values["V"])
torch.testing.assert_close(tg.evaluate(hessian, values), theirs)
torch.testing.assert_close(tg.evaluate(along, values), (theirs * values["U"]).sum((2, 3)))
print("the Hessian, with", theirs.numel(), "entries, and its product with a direction agree with torch's")
