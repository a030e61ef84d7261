"""`tensorgrad bench`: the expressions of benchmarks/, priced three ways or timed beside others, and checked to agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tensorgrad.cli.options import output_option
from tensorgrad.cli.output import priced_json, print_table, progress

if TYPE_CHECKING:
    from tensorgrad.api import Benchmark, Measured, TimedCase

Item = TypeVar("Item", "Benchmark", "TimedCase")


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="ID", help="Only expressions with this id or glob (repeatable).")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Write JSON.")
@click.option("--time", "timed", is_flag=True, help="Run benchmarks/timed.toml beside torch, JAX and others instead.")
@output_option("With --time: write a plot to FILE: .svg, .png or .pdf.")
@click.option("--markdown", is_flag=True, help="With --time: print the table as Markdown.")
@click.option("--calibrate", is_flag=True, help="Measure this machine's rates for objective='time', and nothing else.")
@click.option("--device", default="cpu", metavar="DEVICE", help="What --time and --calibrate measure.  [default: cpu]")
@click.pass_context
def bench(
    ctx: click.Context,
    file: Path | None,
    only: tuple[str, ...],
    json_file: str | None,
    timed: bool,
    output: str | None,
    markdown: bool,
    calibrate: bool,
    device: str,
) -> None:
    """Price the benchmark expressions as written, flattened and in our form, and check that the three agree.

    \b
    tensorgrad bench
    tensorgrad bench mine.toml
    tensorgrad bench --only "kron*" --json kron.json
    tensorgrad bench --time -o times.svg --json times.json
    tensorgrad bench --calibrate

    FILE has a table [[expression]] (with --time [[case]]) for each expression: id, expr, dims = { n = 1000 }, and let = "..."
    for its names; best, what it costs at best, where that is known. Without FILE they are those of the library.

    Costs are counted at the sizes of the benchmark, which are never allocated; values are compared at small, pairwise
    different sizes. With --time the expressions are run: ours, and as written in torch, torch.compile, autograd,
    opt_einsum, and cotengra and JAX where installed; in one process, warm, taking turns, medians; values are compared
    first, with float64. Exit code: 0 when all agree, 1 when not.
    """
    from tensorgrad.api import measured_rates

    if (output is not None or markdown) and not timed:
        raise click.UsageError("-o and --markdown are of --time: add it")
    if calibrate:
        rates = measured_rates(device)
        click.echo(f"Rates(flops={rates.flops:.3g}, bytes={rates.bytes:.3g}, call={rates.call:.2g})")
        return
    for path in filter(None, (json_file, output)):
        Path(path).touch()  # an unwritable file is said before the work, not after
    agree = _time(file, only, device, json_file, output, markdown) if timed else _price(file, only, json_file)
    ctx.exit(0 if agree else 1)


def _time(
    file: Path | None, only: tuple[str, ...], device: str, json_file: str | None, output: str | None, markdown: bool
) -> bool:
    from tensorgrad.api import timed_cases
    from tensorgrad.cli.times import report_times

    return report_times(_chosen(timed_cases(file), only), device, json_file, output, markdown)


def _price(file: Path | None, only: tuple[str, ...], json_file: str | None) -> bool:
    """Print the table of costs; whether all values agree."""
    from tensorgrad.api import benchmarks, measure

    rows = [measure(e) for e in progress(_chosen(benchmarks(file), only), "pricing")]
    if json_file is not None:
        Path(json_file).write_text(json.dumps([_json(m) for m in rows], indent=2) + "\n", encoding="utf-8")
    columns = ("expression", "written", "flattened", "ours", "written/ours", "best known", "ours/best", "peak", "agree")
    print_table("", columns, [_row(m) for m in rows], right=(1, 2, 3, 4, 5, 6, 7))
    known = [(m.plans.ours.flops, m.expression.best) for m in rows if m.expression.best is not None]
    reached = sum(flops <= 1.01 * best for flops, best in known)
    agreeing = sum(m.disagreement == "" for m in rows)
    reaching = f"{reached} of {len(known)} reach the best known cost; " if known else ""
    click.echo(f"{reaching}{agreeing} of {len(rows)} agree in value")
    for m in rows:
        if m.disagreement:
            click.echo(f"{m.expression.id}: {m.disagreement}", err=True)
    return agreeing == len(rows)


def _chosen(expressions: Sequence[Item], only: tuple[str, ...]) -> list[Item]:
    """Those that `--only` names."""
    chosen = [e for e in expressions if not only or any(fnmatchcase(e.id, pattern) for pattern in only)]
    if not chosen:
        raise click.UsageError(
            f"--only {', '.join(only)}: no such id; there are {', '.join(e.id for e in expressions)}"
        )
    return chosen


def _row(m: Measured) -> tuple[str, ...]:
    written, flattened, ours = m.plans.columns
    best = m.expression.best
    return (
        m.expression.id,
        f"{written.flops:.3g}",
        f"{flattened.flops:.3g}",
        f"{ours.flops:.3g}",
        f"{written.flops / max(1, ours.flops):,.1f}",
        "-" if best is None else f"{best:.3g}",
        "-" if best is None else f"{ours.flops / best:.3f}",
        f"{ours.peak:.3g}",
        "no" if m.disagreement else "yes",
    )


def _json(m: Measured) -> dict[str, Any]:
    columns = {way.name: priced_json(way) for way in m.plans.columns}
    known = {"written": m.expression.written, "best": m.expression.best}
    return {
        "id": m.expression.id,
        "dims": dict(m.expression.dims),
        **columns,
        "seconds": round(m.plans.seconds, 6),
        "known": known,
        "agree": not m.disagreement,
    }
