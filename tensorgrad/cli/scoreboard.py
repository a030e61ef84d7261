"""The scoreboard of many goals: counts by file, seconds a goal, the slowest goals, and what did not come out as claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tensorgrad.cli.goals import Answer
from tensorgrad.cli.output import print_table

STATUSES = ("proved", "refuted", "open", "error")


def by_file(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """The answers of each file, in order."""
    files: dict[str, list[Answer]] = {}
    for a in answers:
        files.setdefault(a.goal.file or "", []).append(a)
    return files


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
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


def scoreboard_json(answers: Sequence[Answer], slowest: int) -> dict[str, Any]:
    """`{files, all, slowest, not_as_claimed}`."""
    return {
        "files": [{"file": file, **summary(own)} for file, own in by_file(answers).items()],
        "all": summary(answers),
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


def print_scoreboard(answers: Sequence[Answer], slowest: int) -> None:
    """A row a file, the slowest goals, and what did not come out as claimed."""
    files = by_file(answers)
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
        (a.proof.status, a.goal.name or a.goal.text, f"{Path(a.goal.file or '').name}:{a.goal.line}", _first_line(a))
        for a in answers
        if not a.as_hoped
    ]
    if left:
        print_table("not as claimed", ("status", "goal", "where", "reason"), left)
    print_failures(answers)


def _first_line(a: Answer) -> str:
    return a.proof.reason.partition("\n")[0]


def print_failures(answers: Sequence[Answer]) -> None:
    """What is said of the goals that are refuted without claiming it, and of the lines that cannot be read."""
    for a in answers:
        if not a.as_hoped and a.proof.status in ("refuted", "error"):
            click.echo(f"{a.goal.name or a.goal.text}: {a.proof.status}")
            print_details(a)


def print_details(a: Answer) -> None:
    """The reason, and the counterexample or the ground of a fact, of one goal, indented."""
    proof = a.proof
    if proof.reason:
        click.echo(_indented(proof.reason))
    if proof.counterexample is not None:
        click.echo(_indented(str(proof.counterexample)))
    elif proof.ground is not None:
        click.echo(_indented(str(proof.ground)))
    elif proof.reached is not None:
        for side, form in zip(("left", "right"), proof.reached, strict=True):
            click.echo(f"  {side + ' side':<10} reached {form!r}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def counted(answers: Sequence[Answer]) -> str:
    """One line: the goals by status, and the seconds they took."""
    s = summary(answers)
    parts = ", ".join(f"{s[status]} {status}" for status in STATUSES if s[status])
    claimed = sum(a.differs and a.as_hoped for a in answers)
    times = f"seconds a goal: median {s['median']:.3f}, 95 % {s['p95']:.3f}, most {s['most']:.3f}"
    return parts + (f" ({claimed} refuted as claimed)" if claimed else "") + f"; {times}"


def _row(name: str, answers: Sequence[Answer]) -> tuple[str, ...]:
    s = summary(answers)
    counts = (str(s[key]) for key in ("goals", "as_claimed", *STATUSES))
    return name, *counts, *(f"{s[key]:.3f}" for key in ("median", "p95", "most", "seconds"))
