"""The benchmark expressions: priced three ways, and the three compared in value at small sizes."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from tensorgrad.api.planning import plan
from tensorgrad.api.plans import Plans
from tensorgrad.api.verify import verify
from tensorgrad.calculus import expand
from tensorgrad.errors import InputError, UnsoundError
from tensorgrad.notation import parse

Row = TypeVar("Row")

PACKAGE = Path(__file__).parent.parent
PLACES = (PACKAGE / "_benchmarks", PACKAGE.parent / "benchmarks")
"""Where the benchmarks are: in a wheel, and in a checkout."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """An expression with its sizes, and, where they are known, what it costs as written and at best."""

    id: str
    expr: str
    dims: Mapping[str, int]
    let: str = ""
    source: str = ""
    note: str = ""
    written: float | None = None
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A benchmark's plans; `disagreement` says how their values differ, "" when they agree."""

    expression: Benchmark
    plans: Plans
    disagreement: str


def benchmarks(file: Path | None = None) -> list[Benchmark]:
    """The expressions of a file, by default `contractions.toml`: a table [[expression]] for each, with the id, the
    expression and its sizes; declarations, a source, a note and costs as written and at best where one likes."""
    return read_tables(file or benchmark_file("contractions.toml"), "expression", Benchmark)


def read_tables(file: Path, table: str, make: Callable[..., Row]) -> list[Row]:
    """The tables of one name in a TOML file, each with the fields of a dataclass.

    Raises InputError for what is no TOML, has no such table, and for fields that are missing, unknown or of another kind.
    """
    try:
        rows: Any = tomllib.loads(file.read_text(encoding="utf-8")).get(table)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{file}: no [[{table}]] in it; each has an id, an expr and dims, as in {{ n = 1000 }}")
    found: list[Row] = []
    for k, row in enumerate(rows, 1):
        try:
            found.append(make(**row))
        except TypeError as error:
            raise InputError(f"{file}: [[{table}]] number {k}: {str(error).partition(' ')[2]}") from error
        for name, value in row.items():
            wanted = _wanted(name, value)
            if wanted:
                raise InputError(f"{file}: [[{table}]] number {k}: {name} = {value!r}: expected {wanted}")
    return found


def _wanted(name: str, value: Any) -> str:
    """What a field of a table should be, "" if it is that."""
    match name:
        case "dims":
            return "" if isinstance(value, dict) else "sizes by symbol, { n = 1000 }"
        case "gradients":
            names = isinstance(value, list) and all(isinstance(v, str) for v in cast("list[Any]", value))
            return "" if names else 'names of variables, ["x", "y"]'
        case "written" | "best" | "scale":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return "" if number and value > 0 else "a number above 0"
        case _:
            return "" if isinstance(value, str) else "a text"


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
