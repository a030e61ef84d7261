"""Seconds that finding a program takes, as expressions grow: `python benchmarks/search.py [--json FILE]`.

Chains and sums of chains of 5 to 100 operands are simplified at their sizes and planned; for transformer blocks the loss
and all gradients are derived and planned, and simplified where asked (`--simplify`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from networks import BLOCK, Network, transformer

import tensorgrad as tg

OPERANDS = (5, 10, 20, 50, 100)
BLOCKS = (1, 2, 3)


def chain(operands: int) -> tuple[str, str, dict[str, int]]:
    """A product of matrices of sizes that differ."""
    names = [f"A{k}" for k in range(operands)]
    let = " ; ".join(f"{name} : n{k} n{k + 1}" for k, name in enumerate(names))
    return " @ ".join(names), let, {f"n{k}": 100 + 37 * k % 400 for k in range(operands + 1)}


def sum_of_products(operands: int) -> tuple[str, str, dict[str, int]]:
    """A sum of products of two matrices with a common factor, and one more."""
    names = [f"A{k}" for k in range(operands)]
    terms = [f"A0 @ {name}" for name in names[1:]]
    return " + ".join(terms), f"{' '.join(names)} : n n", {"n": 500}


def searched(made: tuple[str, str, dict[str, int]]) -> tuple[float, float]:
    """Seconds of simplifying, and of planning and writing the program."""
    text, let, dims = made
    start = perf_counter()
    found = tg.simplify(text, let=let, dims=dims).tensor
    middle = perf_counter()
    _ = tg.compile(dims, y=found).source
    return middle - start, perf_counter() - middle


def derived(network: Network, simplify: bool) -> tuple[float, float]:
    """Seconds of the gradients (simplified if asked), and of planning and writing the program."""
    start = perf_counter()
    outputs = [network.loss, *network.gradients()]
    if simplify:
        outputs = [result.tensor for result in tg.simplify_all(outputs, dims=network.dims)]
    middle = perf_counter()
    _ = tg.compile(network.dims, **{f"y{k}": t for k, t in enumerate(outputs)}).source
    return middle - start, perf_counter() - middle


def main() -> None:
    """Print the series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simplify", action="store_true")
    parser.add_argument("--json")
    chosen = parser.parse_args()
    series: list[tuple[str, int, Callable[[int], tuple[float, float]]]] = [
        *(("chain", n, lambda n: searched(chain(n))) for n in OPERANDS),
        *(("sum of products", n, lambda n: searched(sum_of_products(n))) for n in OPERANDS),
        *(("transformer blocks", k, lambda k: derived(transformer(k, BLOCK), chosen.simplify)) for k in BLOCKS),
    ]
    print(f"{'':20} {'size':>5} {'search':>9} {'plan':>9}")
    rows: list[dict[str, object]] = []
    for name, size, run in series:
        search, plan = run(size)
        rows.append({"series": name, "size": size, "search": search, "plan": plan})
        print(f"{name:20} {size:5} {search:8.2f}s {plan:8.2f}s", flush=True)
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
