# %% [markdown]
# # Four tensor sketches
#
# A sketch maps a vector of length $n^d$, the tensor product $x^{\otimes d}$ of a vector with itself, to one of length $m$,
# and keeps lengths and angles: $E\,\|S\,x^{\otimes d}\|^2 = \|x\|^{2 d}$. Applied to whole feature spaces it makes polynomial
# kernels linear. All of it is in how $S$ is built of small parts, and that is best drawn. Here $d = 4$.

# %%
import torch

import tensorgrad as tg
from tensorgrad import F

n, m = tg.symbols("n m")
names = ["a", "b", "c", "d"]
inputs = [tg.Variable(f"x{k}", edges={e: n}) for k, e in enumerate(names)]  # x itself, four times, on four edges
sizes = {n: 1000, m: 100}


def cost(sketch: tg.Tensor) -> str:
    """Operations to sketch one tensor product of four vectors."""
    return f"{sketch.cost(sizes).flops:.2e}"


# %% [markdown]
# **Simple.** One matrix for each factor, and the results multiplied entry by entry: the rows of $S$ are tensor products.
# The dot is the copy tensor that multiplies. Fast, but the variance grows like $3^d$.

# %%
matrices = [tg.Variable(f"M{k}", edges={e: n, "out": m}) for k, e in enumerate(names)]
simple = tg.Tensor(1)
for M, x in zip(matrices, inputs, strict=True):
    simple = simple * (M @ x)
print(cost(simple))
simple

# %% [markdown]
# **Pagh and Pham.** Count sketches, multiplied as polynomials: a circular convolution. In the Fourier domain that is an
# entrywise product again, so the picture is the simple sketch with count sketches $C$ transformed by a matrix $F$, and one
# transform back. (As a dense matrix $F$ costs $m^2$; the fast transform is $F$ written as a product of small ones.)

# %%
counts = [tg.Variable(f"C{k}", edges={e: n, "bin": m}) for k, e in enumerate(names)]
fourier = tg.Variable("F", edges={"bin": m, "freq": m})
back = tg.Variable("B", edges={"freq": m, "out": m})
spectrum = tg.Tensor(1)
for C, x in zip(counts, inputs, strict=True):
    spectrum = spectrum * (fourier @ (C @ x))
pagh_pham = spectrum @ back
print(cost(pagh_pham))
pagh_pham

# %% [markdown]
# **Recursive.** A binary tree: sketch pairs of vectors with a tensor of order 3, then pairs of the results. The variance
# grows only like $d$. Each node is a matrix of $m$ rows and $m^2$ columns, and costs $2\,m^3$:

# %%
leaves = [
    tg.Variable(f"M{k}", edges={e: n, f"{e}1": m}) @ x for k, (e, x) in enumerate(zip(names, inputs, strict=True))
]
left, right = (
    tg.Variable(f"T{k}", edges={p: m, q: m, f"u{k}": m}) for k, (p, q) in enumerate((("a1", "b1"), ("c1", "d1")))
)
top = tg.Variable("T2", u0=m, u1=m, out=m)
recursive = (left @ leaves[0] @ leaves[1]) @ (right @ leaves[2] @ leaves[3]) @ top
print(cost(recursive))
recursive

# %% [markdown]
# **Hybrid.** The tree of the recursive sketch, each node of it a simple sketch of two vectors: two matrices and a dot. The
# variance of the tree, the cost of the matrices:


# %%
def node(k: int, first: tg.Tensor, second: tg.Tensor, out: str) -> tg.Tensor:
    """Two vectors to one."""
    (p,), (q,) = first.edges, second.edges
    return (tg.Variable(f"L{k}", edges={p: m, out: m}) @ first) * (tg.Variable(f"R{k}", edges={q: m, out: m}) @ second)


hybrid = node(2, node(0, leaves[0], leaves[1], "u0"), node(1, leaves[2], leaves[3], "u1"), "out")
print(cost(hybrid))
hybrid

# %% [markdown]
# **Fast.** What remains dear is the first matrix on each vector, $n\,m$. A fast Johnson-Lindenstrauss transform is a
# sampled Hadamard matrix with random signs. The Hadamard matrix of size $2^k$ is a Kronecker product of $k$ matrices of
# size 2, so with $n = 2^{10}$ edges of size 2 it is ten small nodes in a row, and nobody forms a matrix:

# %%
levels = 10
x = tg.Variable("x", n=2**levels)
signs = tg.Variable("s", n=2**levels)
H = [tg.Variable("H", edges={f"i{k}": 2, f"o{k}": 2}) for k in range(levels)]
fast = F.Reshape(x * signs, "n", {f"i{k}": 2 for k in range(levels)})
for h in H:
    fast = fast @ h
fast = F.flatten(fast, [f"o{k}" for k in range(levels)], "n")
dense = tg.Variable("K", n=2**levels, o=2**levels) @ (x * signs)
print(f"dense {dense.cost().flops:.2e}, as a Kronecker product {fast.cost().flops:.2e} operations")

# %% [markdown]
# The costs compared, in operations, for $x^{\otimes 4}$ with $n = 1000$ and $m = 100$. Forming the tensor product
# first would take $10^{12}$ numbers.

# %%
for name, sketch in {"simple": simple, "Pagh-Pham": pagh_pham, "recursive": recursive, "hybrid": hybrid}.items():
    print(f"{name:10} {sketch.cost(sizes).flops:>10,}")

# %% [markdown]
# The first check: the promise itself, $E\,\|S\,x^{\otimes 4}\|^2 = \|x\|^8$ for matrices with independent standard normal
# entries divided by $\sqrt m$. It is not sampled; it is derived, one matrix after another.

# %%
length: tg.Tensor = simple @ simple / m
for M in matrices:
    length = tg.Expectation(length, M).full_simplify()
print(length)

# %% [markdown]
# The second: the compiled sketches against torch, with Pagh and Pham's by the real fast Fourier transform.

# %%
torch.manual_seed(0)
N, M_ = 16, 8
data = {
    v.name: torch.randn(tuple(N if str(s) == "n" else M_ for s in v.shape.values()), dtype=torch.float64)
    for t in (simple, recursive, hybrid)
    for v in t.variables
}
vectors = [data[f"x{k}"] for k in range(4)]
w = [data[f"M{k}"].T @ v for k, v in enumerate(vectors)]
torch.testing.assert_close(tg.evaluate(simple, data), w[0] * w[1] * w[2] * w[3])
tree = [torch.einsum("abu,a,b->u", data[f"T{k}"], w[2 * k], w[2 * k + 1]) for k in range(2)]
torch.testing.assert_close(tg.evaluate(recursive, data), torch.einsum("abo,a,b->o", data["T2"], *tree))
pairs = [(data[f"L{k}"].T @ w[2 * k]) * (data[f"R{k}"].T @ w[2 * k + 1]) for k in range(2)]
torch.testing.assert_close(tg.evaluate(hybrid, data), (data["L2"].T @ pairs[0]) * (data["R2"].T @ pairs[1]))

bins = [torch.randint(M_, (N,)) for _ in range(4)]
tables = [torch.nn.functional.one_hot(b, M_).to(torch.complex128) * torch.randn(N, 1).sign() for b in bins]
dft = torch.fft.fft(torch.eye(M_, dtype=torch.complex128))
given = {f"x{k}": v.to(torch.complex128) for k, v in enumerate(vectors)} | {f"C{k}": t for k, t in enumerate(tables)}
ours = tg.evaluate(pagh_pham, {**given, "F": dft, "B": torch.linalg.inv(dft)})
theirs = torch.ones(M_, dtype=torch.complex128)
for table, v in zip(tables, vectors, strict=True):
    theirs = theirs * torch.fft.fft(table.T @ v.to(torch.complex128))
torch.testing.assert_close(ours, torch.fft.ifft(theirs))

hadamard = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
whole = torch.ones(1, 1, dtype=torch.float64)
for _ in range(levels):
    whole = torch.kron(whole, hadamard)
one, flips = torch.randn(2**levels, dtype=torch.float64), torch.randn(2**levels, dtype=torch.float64).sign()
torch.testing.assert_close(tg.evaluate(fast, {"x": one, "s": flips, "H": hadamard}), whole @ (one * flips))
print("all five agree")
