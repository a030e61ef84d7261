"""Measured times of compiled programs against torch, side by side: `python benchmarks/execution.py [--device cuda] [NAME...]`.

Every line: ours (simplified at these sizes, compiled, warm) and the ways one would write it without us, in one process,
alternating, medians of several; values are compared first. A loss is shown as a loss. `--json FILE` writes the rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import opt_einsum
import torch
from networks import NETWORKS, Network

import tensorgrad as tg
from tensorgrad.runtime.rivals import on_device
from tensorgrad.runtime.stopwatch import RUNS, machine, seconds
from tensorgrad.runtime.workload import difference, normal_values

MANY = 25
"""Runs of a network: what the ways differ by is less than what one run differs by from another."""

TOLERANCE = 1e-3
"""Largest relative difference of values, in float32."""

Values = Mapping[str, torch.Tensor]
Way = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """Expressions in our notation with their sizes, and other ways to compute the same from the values."""

    let: str
    expressions: tuple[str, ...]
    dims: Mapping[str, int]
    others: Mapping[str, Way]
    scale: float = 1.0


@dataclass(frozen=True)
class Row:
    """Median seconds of ours and of each other way, and the largest relative difference of the values."""

    case: str
    ours: float
    others: dict[str, float]
    difference: float


def quadratic(A: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return x @ A @ x


def logistic(X: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.softplus(X @ w).sum() - y @ X @ w


def factorisation(U: torch.Tensor, V: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    return ((U @ V.T - A) ** 2).sum()


def cross_entropy(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return -(y * torch.log_softmax(x, 0)).sum()


def energy(X: torch.Tensor) -> torch.Tensor:
    return ((X[:, None, :] - X[None, :, :]) ** 2).sum()


def bonds(X: torch.Tensor) -> torch.Tensor:
    return torch.exp(-((X[:, None, :] - X[None, :, :]) ** 2).sum(-1)).sum()


def network(X: torch.Tensor, W: torch.Tensor, V: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    return ((torch.tanh(X @ W) @ V - Y) ** 2).sum()


def value_and_gradients(f: Way, *at: int) -> Way:
    """Loss and gradients by autograd, eager."""

    def run(*values: torch.Tensor) -> list[torch.Tensor]:
        leaves = [v.detach().requires_grad_(k in at) for k, v in enumerate(values)]
        loss = f(*leaves)
        return [loss.detach(), *torch.autograd.grad(loss, [leaves[k] for k in at])]

    return run


def product_by_autograd(f: Way, at: int) -> Way:
    """A Hessian-vector product by differentiating twice; the vector is the last value."""

    def run(*values: torch.Tensor) -> torch.Tensor:
        *rest, v = values
        leaves = [x.detach().requires_grad_(k == at) for k, x in enumerate(rest)]
        (gradient,) = torch.autograd.grad(f(*leaves), leaves[at], create_graph=True)
        return torch.autograd.grad((gradient * v).sum(), leaves[at])[0]

    return run


def gaussian(S: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return x @ torch.linalg.solve(S, x) / 2 + torch.logdet(S) / 2


def attention(Q: torch.Tensor, K: torch.Tensor, V: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    # With a batch axis: torch has no fast way without.
    attended = torch.nn.functional.scaled_dot_product_attention(Q[None], K[None], V[None])[0]
    return ((attended - Y) ** 2).sum()


def khatri_rao_gram(A: torch.Tensor, B: torch.Tensor) -> torch.Tensor:
    formed = (A[:, None, :] * B[None, :, :]).reshape(-1, A.shape[1])
    return formed.T @ formed


ATTENTION = "sum[h,s,d]((sum[t](softmax[t](sum[f](Q[h,s,f] * K[h,t,f]) / sqrt(e)) * V[h,t,d]) - Y[h,s,d]) ** 2)"

CASES: dict[str, Case] = {
    "Hessian of x'Ax": Case(
        "A : n n ; x : n",
        ("hess(x @ A @ x, x)",),
        {"n": 2000},
        {
            "torch.func.hessian": torch.func.hessian(quadratic, 1),
            "by hand": lambda A, x: A + A.T,
        },
    ),
    "Hessian of logistic regression": Case(
        "X : m n ; w : n ; y : m",
        ("hess(sum(softplus(X @ w)) - y @ X @ w, w)",),
        {"m": 2000, "n": 200},
        {"torch.func.hessian": torch.func.hessian(logistic, 1)},
    ),
    "Hessian-vector product of a factorisation": Case(
        "U : m r ; V : n r ; A : m n ; D : m r",
        ("grad(sum(grad(norm2(U @ V.T - A), U) * D), U)",),
        {"m": 3000, "n": 2000, "r": 10},
        {
            "autograd twice": product_by_autograd(factorisation, 0),
            "torch.func jvp of grad": lambda U, V, A, D: torch.func.jvp(
                lambda u: torch.func.grad(factorisation)(u, V, A), (U,), (D,)
            )[1],
        },
    ),
    "Hessian-vector product of cross entropy": Case(
        "x y v : n",
        ("hess(-(y @ log(softmax(x))), x) @ v",),
        {"n": 30_000},
        {
            "autograd twice": product_by_autograd(cross_entropy, 0),
            "torch.func jvp of grad": lambda x, y, v: torch.func.jvp(
                lambda u: torch.func.grad(cross_entropy)(u, y), (x,), (v,)
            )[1],
        },
    ),
    "energy of pairwise distances": Case(
        "X : n d",
        ("sum[i,j,k]((X[i,k] - X[j,k])**2)",),
        {"n": 2000, "d": 20},
        {"torch": energy, "torch.cdist": lambda X: (torch.cdist(X, X) ** 2).sum()},
        scale=1e-2,
    ),
    "diag(J'J)": Case(
        "J : m n",
        ("diag(J.T @ J)",),
        {"m": 2000, "n": 2000},
        {"torch": lambda J: torch.diag(J.T @ J), "torch.einsum": lambda J: torch.einsum("ij,ij->j", J, J)},
    ),
    "K-FAC: inverse of a Kronecker product": Case(
        "A : n n pd ; B : m m pd ; G : m n",
        ("inv(kron(A, B)) @ vec(G)",),
        {"n": 40, "m": 50},
        {
            "torch, as written": lambda A, B, G: torch.linalg.inv(torch.kron(A, B)) @ G.T.reshape(-1),
            "torch, solve": lambda A, B, G: torch.linalg.solve(torch.kron(A, B), G.T.reshape(-1)),
            "by hand": lambda A, B, G: (torch.linalg.inv(B) @ G @ torch.linalg.inv(A)).T.reshape(-1),
        },
    ),
    "Hessian of an energy of pairwise distances": Case(
        "X : n d",
        ("hess(sum[i,j](exp(-(sum[k]((X[i,k] - X[j,k])**2)))), X)",),
        {"n": 60, "d": 3},
        {"torch.func.hessian": torch.func.hessian(bonds)},
    ),
    "low rank inverse": Case(
        "U : n k ; d : n positive ; x : n",
        ("inv(diag(d) + U @ U.T) @ x",),
        {"n": 2000, "k": 10},
        {"torch, solve": lambda U, d, x: torch.linalg.solve(torch.diag(d) + U @ U.T, x)},
    ),
    "Gaussian likelihood: value and gradient": Case(
        "S : n n pd ; x : n",
        ("x @ inv(S) @ x / 2 + logdet(S) / 2", "grad(x @ inv(S) @ x / 2 + logdet(S) / 2, x)"),
        {"n": 500},
        {"autograd": value_and_gradients(gaussian, 1)},
    ),
    "two-layer network: loss and gradients": Case(
        "X : b n ; W : n h ; V : h k ; Y : b k",
        (
            "norm2(tanh(X @ W) @ V - Y)",
            "grad(norm2(tanh(X @ W) @ V - Y), W)",
            "grad(norm2(tanh(X @ W) @ V - Y), V)",
        ),
        {"b": 256, "n": 256, "h": 512, "k": 64},
        {"autograd": value_and_gradients(network, 1, 2)},
    ),
    "attention: loss and gradients": Case(
        "Q K V Y : h s e",
        (ATTENTION, *(f"grad({ATTENTION}, {name}[i,j,k])" for name in "QKV")),
        {"h": 4, "s": 1024, "e": 64},
        {"autograd": value_and_gradients(attention, 0, 1, 2)},
    ),
    "sum of chains": Case(
        "A B C D : n n",
        ("A @ B @ C + A @ B @ D",),
        {"n": 600},
        {
            "torch": lambda A, B, C, D: A @ B @ C + A @ B @ D,
            "opt_einsum": lambda A, B, C, D: (
                opt_einsum.contract("ij,jk,kl->il", A, B, C) + opt_einsum.contract("ij,jk,kl->il", A, B, D)
            ),
        },
    ),
    "Gram matrices of Khatri-Rao": Case(
        "A : n r ; B : m r",
        ("khatri_rao(A, B).T @ khatri_rao(A, B)",),
        {"n": 300, "m": 300, "r": 30},
        {
            "torch": khatri_rao_gram,
            "opt_einsum": lambda A, B: opt_einsum.contract("ir,jr,is,js->rs", A, B, A, B),
        },
    ),
}


def program(case: Case) -> tg.runtime.Step:
    """Ours: all expressions simplified together at the sizes of the case, as one program."""
    found = tg.simplify_all(case.expressions, let=case.let, dims=case.dims)
    return tg.compile(case.dims, **{f"y{k}": result.tensor for k, result in enumerate(found)})


def listed(value: Any) -> list[Any]:
    """One value and several are alike."""
    return value if isinstance(value, list) else [value]


def measure(name: str, case: Case, device: str) -> Row:
    """The row of a case; what we run is simplified."""
    values = normal_values(case.let, case.dims, device, case.scale)
    # A way that does not need a value declared for ours still takes it.
    others = {label: partial(way, *values.values()) for label, way in case.others.items()}
    return compared(name, program(case), values, others, device)


def measure_network(name: str, network: Network, device: str) -> Row:
    """The row of a network: what we run is derived, not simplified."""
    values = network.values(device)
    compiled = torch.compile(network.backward, dynamic=False)
    step, fused = network.step(), network.step(torch_compile=True)
    given = {v.name: values[v.name] for v in step.variables}
    others = {
        "autograd": partial(network.backward, values),
        "torch.compile": partial(compiled, values),
        "ours by torch.compile": lambda: list(fused(**given)),
    }
    return compared(name, step, values, others, device, MANY)


def compared(
    name: str, step: tg.runtime.Step, values: Values, others: Mapping[str, Way], device: str, runs: int = RUNS
) -> Row:
    """Values compared, every way run once before it is timed."""
    given = {v.name: values[v.name] for v in step.variables}
    found = tuple(step(**given))
    worst = max(difference(found, listed(way())) for way in others.values())
    if worst > TOLERANCE:
        raise ValueError(f"{name}: the values differ by {worst:.1e}")
    times = seconds({"ours": lambda: step(**given), **others}, on_device(device), runs)
    return Row(name, times.pop("ours"), times, worst)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json")
    chosen = parser.parse_args()
    print(f"{machine(chosen.device)}, medians of {RUNS}, of networks {MANY}\n")
    print(f"{'':44} {'ours':>10}   others (times as long as ours; below 1 is our loss)")
    rows: list[Row] = []
    for name in (*CASES, *NETWORKS):
        if chosen.names and not any(part in name for part in chosen.names):
            continue
        if name in CASES:
            row = measure(name, CASES[name], chosen.device)
        else:
            row = measure_network(name, NETWORKS[name](), chosen.device)
        rows.append(row)
        others = ", ".join(f"{label} {t / row.ours:.3g}x" for label, t in row.others.items())
        print(f"{name:44} {1e3 * row.ours:8.3f}ms   {others}   (differ by {row.difference:.0e})", flush=True)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
