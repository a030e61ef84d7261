"""`tensorgrad bench`: the expressions of benchmarks/, priced three ways and checked to agree."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tensorgrad.cli.output import priced_json, print_table, progress

if TYPE_CHECKING:
    from tensorgrad.api import Measured


@click.command()
@click.option("--only", multiple=True, metavar="ID", help="Only expressions with this id or glob (repeatable).")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Write JSON.")
@click.option("--calibrate", is_flag=True, help="Measure this machine's rates for objective='time', and nothing else.")
@click.option("--device", default="cpu", metavar="DEVICE", help="What --calibrate measures.  [default: cpu]")
@click.pass_context
def bench(ctx: click.Context, only: tuple[str, ...], json_file: str | None, calibrate: bool, device: str) -> None:
    """Price the benchmark expressions as written, flattened and in our form, and check that the three agree.

    \b
    tensorgrad bench
    tensorgrad bench --only "kron*" --json kron.json
    tensorgrad bench --calibrate

    Costs are counted at the sizes of the benchmark, which are never allocated; values are compared at small, pairwise
    different sizes. Exit code: 0 when all agree, 1 when not.
    """
    from tensorgrad.api import benchmarks, measure, measured_rates

    if calibrate:
        rates = measured_rates(device)
        click.echo(f"Rates(flops={rates.flops:.3g}, bytes={rates.bytes:.3g}, call={rates.call:.2g})")
        return
    expressions = benchmarks()
    chosen = [e for e in expressions if not only or any(fnmatchcase(e.id, pattern) for pattern in only)]
    if not chosen:
        raise click.UsageError(
            f"--only {', '.join(only)}: no such id; there are {', '.join(e.id for e in expressions)}"
        )
    if json_file is not None:
        Path(json_file).touch()  # an unwritable file is said before the work, not after
    rows = [measure(e) for e in progress(chosen, "pricing")]
    if json_file is not None:
        Path(json_file).write_text(json.dumps([_json(m) for m in rows], indent=2) + "\n", encoding="utf-8")
    columns = ("expression", "written", "flattened", "ours", "written/ours", "best known", "ours/best", "peak", "agree")
    print_table("", columns, [_row(m) for m in rows], right=(1, 2, 3, 4, 5, 6, 7))
    reached = sum(m.plans.ours.flops <= 1.01 * m.expression.best for m in rows)
    agreeing = sum(m.disagreement == "" for m in rows)
    click.echo(f"{reached} of {len(rows)} reach the best known cost; {agreeing} of {len(rows)} agree in value")
    for m in rows:
        if m.disagreement:
            click.echo(f"{m.expression.id}: {m.disagreement}", err=True)
    ctx.exit(0 if agreeing == len(rows) else 1)


def _row(m: Measured) -> tuple[str, ...]:
    written, flattened, ours = m.plans.columns
    best = m.expression.best
    return (
        m.expression.id,
        f"{written.flops:.3g}",
        f"{flattened.flops:.3g}",
        f"{ours.flops:.3g}",
        f"{written.flops / max(1, ours.flops):,.1f}",
        f"{best:.3g}",
        f"{ours.flops / best:.3f}",
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
