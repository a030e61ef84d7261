"""`tensorgrad bench --time`: measured times beside those of other libraries, as a table, JSON and a plot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tensorgrad.cli.output import print_table, progress

if TYPE_CHECKING:
    from tensorgrad.api import Run, Timed, TimedCase


def report_times(
    cases: Sequence[TimedCase], device: str, json_file: str | None, output: str | None, markdown: bool
) -> bool:
    """Run the cases and say how they went; whether all values agree."""
    from tensorgrad.api import RIVALS, machine, measure_time

    rows = [measure_time(case, device) for case in progress(cases, "timing")]
    where = machine(device)
    columns = ("expression", "ours", *RIVALS)
    if json_file is not None:
        found = {"machine": where, "cases": [_json(row) for row in rows]}
        Path(json_file).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if output is not None:
        from tensorgrad.show import save_ratios

        save_ratios([(row.case.id, _ratios(row)) for row in rows], output, where)
    if markdown:
        click.echo(_markdown(columns, [_row(row, "**{}**") for row in rows]))
    else:
        print_table("", columns, [_row(row, "{} loss") for row in rows], right=range(1, len(columns)))
    click.echo(f"{where}; medians; for the others, times as long as ours: below 1 is our loss")
    for line in _summary(rows):
        click.echo(line)
    for row in rows:
        for run in row.disagreements:
            click.echo(f"{row.case.id}: {run.program} differs by {run.difference:.1e} from the exact value", err=True)
    return not any(row.disagreements for row in rows)


def _ratios(row: Timed) -> dict[str, float]:
    found = {run.program: row.ratio(run) for run in row.runs[1:]}
    return {program: ratio for program, ratio in found.items() if ratio is not None}


def _row(row: Timed, loss: str) -> tuple[str, ...]:
    return (row.case.id, _ours(row.ours), *(_cell(row, run, loss) for run in row.runs[1:]))


def _ours(run: Run) -> str:
    return "WRONG" if run.seconds is None else f"{1e3 * run.seconds:.3f} ms"


def _cell(row: Timed, run: Run, loss: str) -> str:
    """What stands for a rival: its ratio, marked where it is faster; that it is wrong; or nothing."""
    if not run.agrees:
        return "WRONG"
    ratio = row.ratio(run)
    if ratio is None:
        return "failed" if run.missing.startswith("failed") else "-"
    text = f"{ratio:.3g}x" if ratio < 1000 else f"{ratio:,.0f}x"
    return text if ratio >= 1 else loss.format(text)


def _summary(rows: Sequence[Timed]) -> Iterator[str]:
    """How often ours is fastest, against which rivals it loses, and what could not run."""
    compared = [row for row in rows if row.best is not None]
    won = sum(row.best is not None and row.best >= 1 for row in compared)
    yield f"ours is fastest in {won} of {len(compared)}; {sum(not r.disagreements for r in rows)} of {len(rows)} agree"
    for row in compared:
        faster = [f"{name} {ratio:.2g}x" for name, ratio in _ratios(row).items() if ratio < 1]
        if faster:
            yield f"loss: {row.case.id}, {', '.join(faster)} ({row.case.note})"
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for run in row.runs:
            if run.missing:
                reasons.setdefault(f"{run.program}: {run.missing}", []).append(row.case.id)
    for reason, ids in reasons.items():
        yield (
            f"no time of {reason} ({len(ids)} expressions)"
            if len(ids) > 3
            else f"no time of {reason} ({', '.join(ids)})"
        )


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", *["--:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _json(row: Timed) -> dict[str, Any]:
    case = row.case
    runs = [
        {
            "program": run.program,
            "seconds": run.seconds,
            "ratio": row.ratio(run),
            # JSON has no infinity: values of other shapes differ by null, and do not agree.
            "difference": run.difference if run.difference != float("inf") else None,
            "agrees": run.agrees,
            "missing": run.missing,
        }
        for run in row.runs
    ]
    return {
        "id": case.id,
        "family": case.family,
        "let": case.let,
        "expr": case.expr,
        "gradients": list(case.gradients),
        "dims": dict(case.dims),
        "device": row.device,
        "search": round(row.search, 6),
        "best": row.best,
        "agree": not row.disagreements,
        "runs": runs,
        "note": case.note,
    }
