# %% [markdown]
# # What algebra saves
#
# A tensor compiler that only orders contractions keeps the expression as it is written. Much of the saving is elsewhere:
# distribute here, factor there, invert something smaller. The benchmark has expressions whose best form is known from the
# literature, and says what is found.

# %%
import torch

import tensorgrad as tg
from tensorgrad.api import benchmarks

chosen = {b.id: b for b in benchmarks()}
print(len(chosen), "expressions, from", len({b.source.split(",")[0] for b in chosen.values()}), "sources")

# %% [markdown]
# One in detail. $(A - H^\top H)\,x$ is a matrix times a vector; formed as written it costs a matrix product. The plan shows
# what it costs as written, flattened into single contractions as an einsum compiler would see it, and in the form found.

# %%
plans = tg.plan("(A - H.T @ H) @ x", {"n": 3000}, let="A H : n n; x : n")
print(plans)
plans

# %% [markdown]
# The expression as a picture, the dashed box a sum:

# %%
plans.written.tensor

# %% [markdown]
# And what led from it to the cheap form, which flattening finds here too:

# %%
tg.simplify("(A - H.T @ H) @ x", let="A H : n n; x : n", dims={"n": 3000}).derivation

# %% [markdown]
# Nine of them, each at the sizes of its source. The last column is the best form that is known. Where *ours* is less than
# *flattened*, ordering contractions was not enough: a product was shared, or a factor taken out.


# %%
def row(name: str) -> str:
    b = chosen[name]
    found = tg.plan(b.expr, b.dims, let=b.let)
    return f"{name:28} {found.written.flops:>10.2e} {found.flattened.flops:>10.2e} {found.ours.flops:>10.2e} {b.best:>10.2e}"


print(f"{'':28} {'written':>10} {'flattened':>10} {'ours':>10} {'best':>10}")
for name in list(chosen)[:9]:
    print(row(name))

# %% [markdown]
# `tensorgrad bench` prints all of them, and compares the three forms in value. A check here of the one above, on small
# sizes and by torch:

# %%
torch.manual_seed(0)
A, H, x = (
    torch.randn(6, 6, dtype=torch.float64),
    torch.randn(6, 6, dtype=torch.float64),
    torch.randn(6, dtype=torch.float64),
)
for way in plans.columns:
    torch.testing.assert_close(tg.evaluate(way.tensor, {"A": A, "H": H, "x": x}), (A - H.T @ H) @ x)
print("as written, flattened and found: one value")
