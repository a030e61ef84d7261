"""The benchmark expressions: priced three ways, and the three compared in value at small sizes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorgrad.api.planning import plan
from tensorgrad.api.plans import Plans
from tensorgrad.api.verify import verify
from tensorgrad.calculus import expand
from tensorgrad.errors import UnsoundError
from tensorgrad.notation import parse

PACKAGE = Path(__file__).parent.parent
PLACES = (PACKAGE / "_benchmarks", PACKAGE.parent / "benchmarks")
"""Where the benchmarks are: in a wheel, and in a checkout."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """An expression whose best form is known, with what it costs as written and at best."""

    id: str
    source: str
    let: str
    expr: str
    dims: Mapping[str, int]
    written: float
    best: float
    note: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A benchmark's plans; `disagreement` says how their values differ, "" when they agree."""

    expression: Benchmark
    plans: Plans
    disagreement: str


def benchmarks() -> list[Benchmark]:
    """The expressions of `contractions.toml`."""
    text = benchmark_file("contractions.toml").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = tomllib.loads(text)["expression"]
    return [Benchmark(**row) for row in rows]


def benchmark_file(name: str) -> Path:
    """A file of the benchmarks. Raises FileNotFoundError where an installation lacks it."""
    for place in PLACES:
        path = place / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"{name} is neither in {PLACES[0]} nor in {PLACES[1]}: reinstall tensorgrad")


def measure(benchmark: Benchmark) -> Measured:
    """Price a benchmark at its sizes, and compare the three forms at small ones."""
    plans = plan(benchmark.expr, benchmark.dims, let=benchmark.let)
    written = parse(benchmark.expr, benchmark.let)
    expanded = expand(written)
    problem = ""
    for way in plans.columns:
        try:
            verdict = verify(written, expanded, way.tensor, ())
        except UnsoundError as error:
            problem = f"{way.name}: {error}"
            break
        if not verdict.verified:
            problem = f"{way.name} was not compared: {verdict.reason}"
    return Measured(benchmark, plans, problem)
