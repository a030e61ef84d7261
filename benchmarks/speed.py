"""Medians in one warm process for what should be fast, and start-up times; printed beside their targets.

`python benchmarks/speed.py [NAME...]`: only rows whose name contains one of NAMES. Nothing here fails: read it.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import tensorgrad as tg
from tensorgrad.diagram import Store, insert


@dataclass(frozen=True)
class Row:
    name: str
    target: float
    run: Callable[[], str]
    repeats: int = 7


def simplified(expression: str, let: str, if_: str = "", **dims: int) -> Callable[[], str]:
    return lambda: repr(tg.simplify(expression, let=let, if_=if_, dims=dims or None, seconds=20).tensor)


def proved(goal: str, let: str, if_: str = "") -> Callable[[], str]:
    return lambda: tg.prove(goal, let=let, if_=if_, seconds=60).status


def names(count: int) -> list[str]:
    return [f"A{k}" for k in range(count)]


def inverse_of_product(count: int) -> Callable[[], str]:
    factors = names(count)
    goal = f"inv({' @ '.join(factors)}) = {' @ '.join(f'inv({a})' for a in reversed(factors))}"
    return proved(goal, f"{' '.join(factors)} : n n invertible")


def expanded_trace() -> str:
    t = tg.parse(f"tr({' @ '.join(['(A + B)'] * 6)})", let="A B : n n").full_simplify()
    return f"{len(getattr(t, 'terms', ()))} terms"


def canonical_trace() -> str:
    factors = names(64)
    t = tg.parse(f"tr({' @ '.join(factors)})", let=f"{' '.join(factors)} : n n")
    start = time.perf_counter()
    insert(Store(), t)
    return f"{(time.perf_counter() - start) * 1e3:.1f} ms without parsing"


def nested(depth: int) -> str:
    x = tg.Variable("x", "n")
    t: tg.Tensor = x
    for k in range(depth):
        t = tg.F.tanh(t) if k % 2 else t + x
    text = repr(tg.simplify(t, seconds=20).tensor)
    return f"{len(text)} characters"


def sum_of(terms: int) -> str:
    x = tg.Variable("x", "n")
    text = " + ".join(f"exp({k} * x)" for k in range(1, terms + 1))
    t = tg.simplify(text, let="x : n", seconds=20).tensor
    return f"{len(repr(t))} characters of {x.name}"


SIMPLE = "grad(tr(A @ X @ B), X)"
ROWS = [
    Row("gradient of a trace", 0.05, simplified(SIMPLE, "A : n m ; X : m p ; B : p n")),
    Row(
        "gradient of least squares",
        0.05,
        simplified("grad(norm2(X @ W - Y), W)", "X : b x ; W : x y ; Y : b y", b=128, x=10, y=5),
    ),
    Row("Hessian of cross-entropy", 0.05, simplified("hess(-(y @ log(softmax(x))), x)", "x y : n")),
    Row(
        "inverse cancels",
        0.05,
        simplified("inv(A @ B) @ A @ B @ x", "A B : n n ; x : n", "invertible(A), invertible(B)"),
    ),
    Row("distribute", 0.05, simplified("(A - H.T @ H) @ x", "A H : n n ; x : n", n=3000)),
    Row("factor", 0.05, simplified("A @ B + A @ C", "A B C : n n", n=3000)),
    Row("inv of a product of 12 proved", 0.1, inverse_of_product(12)),
    Row("tr((A + B)^6) expanded", 0.15, expanded_trace),
    Row("trace of a product of 64 canonical", 0.02, canonical_trace),
    Row("chain of 2000 nested operations", 10.0, lambda: nested(2000), repeats=1),
    Row("sum of 1000 terms", 10.0, lambda: sum_of(1000), repeats=1),
]


def process(*arguments: str) -> Callable[[], str]:
    def run() -> str:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).strip().partition("\n")[0]

    return run


CLI = ("-m", "tensorgrad")
PROCESSES = [
    Row("import tensorgrad", 0.7, process("-c", "import tensorgrad"), 5),
    Row("tensorgrad --help", 0.7, process(*CLI, "--help"), 5),
    Row(
        "tensorgrad simplify, in all", 1.5, process(*CLI, "simplify", SIMPLE, "--let", "A : n m ; X : m p ; B : p n"), 5
    ),
]


def measure(row: Row) -> tuple[float, float, str]:
    """(median, first) seconds, and the last answer."""
    times: list[float] = []
    answer = ""
    for _ in range(row.repeats + (row.repeats > 1)):
        start = time.perf_counter()
        answer = row.run()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:] or times), times[0], answer


def main(wanted: list[str]) -> None:
    print(f"{'':<38}{'target':>9}{'median':>10}{'first':>10}   answer")
    for row in [*ROWS, *PROCESSES]:
        if wanted and not any(w in row.name for w in wanted):
            continue
        median, first, answer = measure(row)
        mark = " " if median <= row.target else "!"
        print(
            f"{row.name:<38}{row.target * 1e3:>7.0f}ms{median * 1e3:>8.1f}ms{first * 1e3:>8.1f}ms {mark} {answer[:90]}"
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'memory':<38}{1024:>7} MB{memory:>8.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
