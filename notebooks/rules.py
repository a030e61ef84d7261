# %% [markdown]
# # Teaching it a rule
#
# Everything that the library knows is a line of text: an identity, its source, and the facts under which it holds. A rule
# of your own is one more line. It is tested before it is used, so a wrong one is found by the machine and not by you.

# %%
import torch

import tensorgrad as tg

for name in ("det-of-product", "woodbury", "logsumexp-of-shift"):
    print(" ", tg.library()[name])

# %% [markdown]
# What is not known is not proved. Chebyshev's third polynomial, of a cosine:

# %%
goal = "cos(3 * x) + 3 * cos(x) = 4 * cos(x) ** 3"
print(tg.prove(goal, let="x : n").status)

# %% [markdown]
# A first try at a rule for it, with a slip in the sign. Making a rule checks it, on values of all kinds; what comes back is
# a counterexample.

# %%
try:
    tg.rule("cos-of-triple", "cos(3 * x) => 4 * cos(x) ** 3 + 3 * cos(x)", let="x : scalar")
except tg.RuleError as error:
    print(error)

# %% [markdown]
# Corrected, it is accepted, and the goal is proved, entry by entry for vectors of any length:

# %%
triple = tg.rule("cos-of-triple", "cos(3 * x) => 4 * cos(x) ** 3 - 3 * cos(x)", let="x : scalar", source="folklore")
proof = tg.prove(goal, let="x : n", rules=tg.library() + triple)
print(proof.derivation)
proof.derivation

# %% [markdown]
# Domains are where rules go wrong. The logarithm of a product is the sum of the logarithms, is it not? For two negative
# numbers the left side exists and the right one does not; a rule like that would prove falsehoods. With a fact it is
# fine.

# %%
try:
    tg.rule("log-of-product", "log(x * y) => log(x) + log(y)", let="x y : scalar")
except tg.RuleError as error:
    print(error)
print(tg.rule("log-of-product", "log(x * y) => log(x) + log(y)", let="x y : scalar", if_="positive(x)"))

# %% [markdown]
# Rules may be about matrices as well. A name in a rule stands for any expression of its order, an arrow says which side is
# wanted, and a fact in a declaration is a condition. Many such lines make a file, `tg.RuleSet.from_file("mine.rules")`.

# %%
mine = tg.RuleSet.from_text("""
let A : n n ;  R : n n orthogonal
sqrtm-of-rotated   [folklore]   sqrtm(R.T @ A @ R)  =>  R.T @ sqrtm(A) @ R
""")
print(tg.check(mine["sqrtm-of-rotated"]).status)
t = tg.parse("R @ sqrtm(R.T @ A @ R) @ R.T @ x", let="R : n n orthogonal; A : n n; x : n")
print(t.simplify(), "without it")
simple = t.simplify(rules=tg.library() + mine)
print(simple, "with it")
simple.explain()

# %% [markdown]
# The check, on numbers, of what both rules say:

# %%
torch.manual_seed(0)
x = torch.randn(5, dtype=torch.float64)
torch.testing.assert_close(torch.cos(3 * x), 4 * torch.cos(x) ** 3 - 3 * torch.cos(x))
R = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64)).Q
root = torch.randn(5, 5, dtype=torch.float64)
A = root @ root.T
eigenvalues, vectors = torch.linalg.eigh(R.T @ A @ R)
rotated = R @ vectors @ torch.diag(eigenvalues.sqrt()) @ vectors.T @ R.T @ x
torch.testing.assert_close(tg.evaluate(simple, {"A": A, "x": x}), rotated)
print("both rules hold on numbers")
