"""`tensorgrad theorems`: how many goals of each file came out as claimed, how long they took, and what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tensorgrad.cli.goals import Answer, answer, exit_code, read_goals
from tensorgrad.cli.options import RuleOptions, json_option, rule_options, time_option
from tensorgrad.cli.output import print_json, print_table, progress

DEFAULT = "tests/theorems"
STATUSES = ("proved", "refuted", "open", "error")


@click.command()
@click.argument("paths", metavar="[PATH...]", nargs=-1)
@click.option("--slowest", default=5, show_default=True, type=click.IntRange(min=0), metavar="N", help="Show N goals.")
@time_option
@json_option
@rule_options
@click.pass_context
def theorems(
    ctx: click.Context, paths: tuple[str, ...], slowest: int, seconds: float, as_json: bool, rules: RuleOptions
) -> None:
    """Scoreboard: prove the goals of files, and of all .theorems files of folders (default: tests/theorems).

    \b
    tensorgrad theorems
    tensorgrad theorems tests/theorems/kronecker.theorems --time 2 --slowest 10
    tensorgrad theorems mine/ --json

    Exit code: 0 when every = is proved and every != refuted, 1 when not, 2 for bad input.
    """
    files = _files(paths or (DEFAULT,))
    loaded = rules.load()
    goals = read_goals([str(f) for f in files], "", "", ())
    answers = [answer(goal, loaded, seconds) for goal in progress(goals, "proving")]
    if as_json:
        print_json(_json(answers, slowest))
    else:
        _print(answers, slowest)
    ctx.exit(exit_code(answers))


def _files(paths: Sequence[str]) -> list[Path]:
    """The files, and the theorem files of the folders, in order of name."""
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(path.glob("*.theorems")) if path.is_dir() else [path]
        if not inside:
            raise click.UsageError(f"{path}: no .theorems files in this folder")
        found += inside
    missing = [str(p) for p in found if not p.exists()]
    if missing:
        raise click.UsageError(f"{', '.join(missing)}: no such file or folder")
    return list(dict.fromkeys(found))


def _by_file(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    files: dict[str, list[Answer]] = {}
    for a in answers:
        files.setdefault(a.goal.file or "", []).append(a)
    return files


def _summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """Counts, and seconds a goal: median, 95th percentile, most, in all."""
    count = Counter(a.proof.status for a in answers)
    times = sorted(a.proof.seconds for a in answers)
    return {
        "goals": len(answers),
        **{status: count[status] for status in STATUSES},
        "as_claimed": sum(a.as_hoped for a in answers),
        "median": round(_quantile(times, 0.5), 6),
        "p95": round(_quantile(times, 0.95), 6),
        "most": round(times[-1], 6),
        "seconds": round(sum(times), 6),
    }


def _quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _slowest(answers: Sequence[Answer], number: int) -> list[Answer]:
    return sorted(answers, key=lambda a: -a.proof.seconds)[:number]


def _json(answers: Sequence[Answer], slowest: int) -> dict[str, Any]:
    return {
        "files": [{"file": file, **_summary(own)} for file, own in _by_file(answers).items()],
        "all": _summary(answers),
        "slowest": [_goal(a) for a in _slowest(answers, slowest)],
        "not_as_claimed": [{**_goal(a), "reason": a.proof.reason} for a in answers if not a.as_hoped],
    }


def _goal(a: Answer) -> dict[str, Any]:
    return {
        "name": a.goal.name,
        "file": a.goal.file,
        "line": a.goal.line,
        "status": a.proof.status,
        "seconds": round(a.proof.seconds, 6),
    }


def _print(answers: Sequence[Answer], slowest: int) -> None:
    files = _by_file(answers)
    rows = [_row(Path(file).name, own) for file, own in files.items()]
    if len(files) > 1:
        rows.append(_row("all", answers))
    columns = ("file", "goals", "as claimed", *STATUSES, "median s", "p95 s", "most s", "seconds")
    print_table("", columns, rows, right=range(1, len(columns)))
    if slowest:
        shown = [
            (f"{a.proof.seconds:.3f}", a.proof.status, a.goal.name or a.goal.text) for a in _slowest(answers, slowest)
        ]
        print_table("slowest", ("seconds", "status", "goal"), shown, right=(0,))
    left = [
        (a.proof.status, a.goal.name or a.goal.text, f"{Path(a.goal.file or '').name}:{a.goal.line}", a.proof.reason)
        for a in answers
        if not a.as_hoped
    ]
    if left:
        print_table("not as claimed", ("status", "goal", "where", "reason"), left)


def _row(name: str, answers: Sequence[Answer]) -> tuple[str, ...]:
    s = _summary(answers)
    counts = (str(s[key]) for key in ("goals", "as_claimed", *STATUSES))
    return name, *counts, *(f"{s[key]:.3f}" for key in ("median", "p95", "most", "seconds"))
