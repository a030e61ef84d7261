"""Times of the calculus against the targets of the tracker: `python benchmarks/calculus.py [name ...]`, medians.

Each line: what was simplified, the median of several runs, the target, and what came out (operations as simplified, or
the size of the text), so that a fast wrong answer shows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import tensorgrad as tg
from tensorgrad import F

RUNS = 5


def network(depth: int) -> tuple[tg.Tensor, list[tg.Variable]]:
    """The squared error of a tanh network with `depth` layers."""
    h: tg.Tensor = tg.Variable("X", b="b", h0="h0")
    weights = [tg.Variable(f"W{k}", edges={f"h{k}": f"h{k}", f"h{k + 1}": f"h{k + 1}"}) for k in range(depth)]
    for weight in weights:
        h = F.tanh(h @ weight)
    target = tg.Variable("Y", edges={"b": "b", f"h{depth}": f"h{depth}"})
    return F.sum((h - target) ** 2), weights


def perceptron(depth: int) -> Callable[[], object]:
    """The gradient in the first weight, simplified."""
    loss, weights = network(depth)
    return lambda: loss.grad(weights[0]).simplify()


def perceptron_all(depth: int) -> Callable[[], object]:
    """Loss and all gradients as one program."""
    loss, weights = network(depth)

    def run() -> object:
        gradients = tg.grad(loss, weights)
        return tg.compile(loss=loss, **{f"g{k}": g for k, g in enumerate(gradients)})

    return run


def attention() -> tuple[tg.Tensor, list[tg.Variable]]:
    """The squared norm of one attention block with a residual."""
    x = tg.Variable("x", s="s", d="d")
    wq, wk, wv = (tg.Variable(name, edges={"d": "d", e: "h"}) for name, e in (("Q", "k"), ("K", "k"), ("V", "v")))
    out = tg.Variable("O", v="h", o="d")
    keys = x.rename(s="t")
    block = F.sdpa(x @ wq, keys @ wk, keys @ wv, "k", "t") @ out + x.rename(d="o")
    return F.sum(block * block), [wq, wk, wv, out]


def attention_block() -> object:
    """The value and all gradients, simplified."""
    loss, weights = attention()
    return [loss.simplify(), *(g.simplify() for g in tg.grad(loss, weights))]


def trace_of_power() -> object:
    """The gradient of tr(A^16)."""
    A = tg.Variable("A", i0="n", i1="n")
    return tg.parse("tr(matpow(A, 16))", let="A : n n").grad(A).simplify()


def cross_entropy_hessian() -> object:
    """diag(p) - p p', times the sum of the target."""
    x, y = tg.Variable("x", i="n"), tg.Variable("y", i="n")
    return F.cross_entropy(x, y).grad(x).grad(x).simplify()


def quadratic_form(power: int) -> Callable[[], object]:
    """E[(x' A x)^k] of a normal x with mean 0 and covariance S."""
    text = f"E[x]((x @ A @ x) ** {power})"
    let = "x : n ; A : n n symmetric ; S : n n pd"
    return lambda: tg.simplify(text, let=let, if_="x ~ N(zeros[n], S)").tensor


def wishart(power: int) -> Callable[[], object]:
    """E[tr((G G')^k)] of a matrix of independent standard normal entries."""
    G = tg.Variable("G", i="n", j="m")
    square = G @ G.rename(i="k")
    product = square
    for _ in range(power - 1):
        product = product.rename(k="l") @ square.rename(i="l")
    return lambda: tg.Expectation(F.trace(product), G).simplify()


def gaussian_loss() -> object:
    """E[||X W - Y||^2] of a Gaussian W with any covariance."""
    X, Y, W = tg.Variable("X", b="b", x="x"), tg.Variable("Y", b="b", y="y"), tg.Variable("W", x="x", y="y")
    mean, covariance = tg.Variable("M", x="x", y="y"), tg.Variable("C", x="x", y="y", u="x", v="y")
    error = X @ W - Y
    return tg.Expectation(error @ error, W, mean, covariance, {"x": "u", "y": "v"}).simplify()


BENCHMARKS: dict[str, tuple[Callable[[], object], float | None]] = {
    **{f"gradient of a tanh network, {k} layers": (perceptron(k), 1.0 if k <= 5 else None) for k in range(1, 9)},
    **{f"all gradients as a program, {k} layers": (perceptron_all(k), None) for k in (2, 4, 8)},
    "attention block, value and all gradients": (attention_block, 2.0),
    "gradient of tr(A^16)": (trace_of_power, 0.2),
    "Hessian of cross entropy": (cross_entropy_hessian, 0.3),
    **{f"E[(x' A x)^{k}]": (quadratic_form(k), 1.0 if k <= 3 else None) for k in range(1, 7)},
    **{f"E[tr((G G')^{k})]": (wishart(k), None) for k in range(1, 5)},
    "E[||X W - Y||^2], Gaussian W": (gaussian_loss, None),
}


def main(names: list[str]) -> None:
    """Print the table, of the benchmarks whose name contains one of `names`."""
    print(f"{'':45} {'median':>9} {'target':>9}")
    for name, (run, target) in BENCHMARKS.items():
        if names and not any(part in name for part in names):
            continue
        times: list[float] = []
        result: object = None
        for _ in range(RUNS):
            start = perf_counter()
            result = run()
            times.append(perf_counter() - start)
        goal = f"{target:7.2f} s" if target is not None else "         "
        mark = "" if target is None or median(times) <= target else "  over"
        print(f"{name:45} {median(times):7.3f} s {goal}{mark}   {summary(result)}", flush=True)


def summary(result: object) -> str:
    """What came out, short."""
    if isinstance(result, tg.Tensor):
        text = str(result)
        return text if len(text) <= 60 else f"{len(text)} characters"
    if isinstance(result, list):
        return ", ".join(f"{len(str(t))}" for t in result) + " characters"
    return str(result)


if __name__ == "__main__":
    main(sys.argv[1:])
