"""`tensorgrad prove`: goals of the command line or of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tensorgrad.cli.command import ExpressionCommand
from tensorgrad.cli.goals import Answer, answer, exit_code, read_goals
from tensorgrad.cli.options import (
    RuleOptions,
    expression_options,
    json_option,
    profile_option,
    rule_options,
    time_option,
)
from tensorgrad.cli.output import print_json, print_profile, print_table, profile_json, progress
from tensorgrad.cli.scoreboard import by_file, counted, print_details, print_failures, print_scoreboard

SLOWEST = 5
"""Goals listed as the slowest when there are several files."""


@click.command(cls=ExpressionCommand)
@click.argument("arguments", metavar="ARG...", nargs=-1, required=True)
@expression_options
@click.option("--only", multiple=True, metavar="NAME", help="Only goals of files with this name or glob (repeatable).")
@time_option
@json_option
@profile_option
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Write how the search for one goal went to FILE, .html: nodes and size by round, rules, the e-graph.",
)
@rule_options
@click.pass_context
def prove(
    ctx: click.Context,
    arguments: tuple[str, ...],
    let: str,
    if_: str,
    only: tuple[str, ...],
    seconds: float,
    as_json: bool,
    profile: bool,
    report: str | None,
    rules: RuleOptions,
) -> None:
    """Prove goals: each ARG is a file of theorems (or rules), a folder of them, or one goal `lhs = rhs [if facts]`
    or `FACT(expr) [if facts]`.

    \b
    tensorgrad prove "det(A @ B @ inv(A)) = det(B)" --let "A B : n n" --if "invertible(A)"
    tensorgrad prove --no-rules "tr(A @ B) = tr(B @ A)" --let "A B : n n"
    tensorgrad prove tests/theorems/intro.theorems --only "trace*" --json
    tensorgrad prove tests/theorems
    tensorgrad prove "det(inv(A)) = 1 / det(A)" --let "A : n n" --report search.html

    \b
    tensorgrad prove "orthogonal(Q @ R)" --let "Q R : n n orthogonal"

    A goal is proved, refuted by a counterexample, open, or an error. A fact is a goal too, `symmetric(inv(S))`.
    `lhs != rhs` and `not FACT(expr)` ask for the counterexample.
    A line that cannot be read is shown with its place, and the others are proved.
    Exit code: 0 when every = is proved and every != refuted, 1 when not, 2 for bad input (one bad line is enough).
    """
    from tensorgrad.api import RunProfile

    goals = read_goals(arguments, let, if_, only)
    if report is not None and len(goals) != 1:
        raise click.UsageError(
            f"--report tells of the search for one goal, and there are {len(goals)}: choose with --only"
        )
    loaded = rules.load()
    answers = [answer(goal, loaded, seconds, report is not None) for goal in progress(goals, "proving")]
    if report is not None:
        answers[0].proof.report.save(report, answers[0].proof.egraph, goals[0].text)
    if as_json:
        print_json([_row(a, profile) for a in answers])
    elif len(answers) == 1:
        _print_one(answers[0])
    else:
        _print_all(answers)
    if profile and not as_json:
        print_profile(sum((a.proof.profile for a in answers), RunProfile(())))
    ctx.exit(exit_code(answers))


def _row(a: Answer, profile: bool) -> dict[str, Any]:
    proof = a.proof
    more = {"profile": profile_json(proof.profile)} if profile else {}
    return {
        "name": a.goal.name,
        "file": a.goal.file,
        "line": a.goal.line,
        "status": proof.status,
        "seconds": round(proof.seconds, 6),
        "iterations": proof.iterations,
        "classes": proof.classes,
        "rules": list(proof.rules),
        **({"ground": proof.ground.rows()} if proof.ground is not None else {}),
        **more,
    }


def _print_one(a: Answer) -> None:
    proof = a.proof
    click.echo(f"{proof.status}{_marker(a)} in {proof.seconds:.3f} s")
    if proof.status == "proved":
        click.echo(f"  rules: {', '.join(proof.rules) or 'none, the canonical form decides'}")
    print_details(a)


def _print_all(answers: Sequence[Answer]) -> None:
    """A row a goal, or of several files a row a file."""
    if len(by_file(answers)) > 1:
        print_scoreboard(answers, SLOWEST)
    else:
        rows = [
            (a.proof.status + _marker(a), a.goal.name or a.goal.text, _where(a), f"{a.proof.seconds:.3f}", _rules(a))
            for a in answers
        ]
        print_table("", ("status", "goal", "where", "seconds", "rules"), rows, right=(3,))
        print_failures(answers)
    click.echo(counted(answers))


def _marker(a: Answer) -> str:
    return " (as claimed)" if a.differs and a.as_hoped else ""


def _where(a: Answer) -> str:
    return f"{Path(a.goal.file).name}:{a.goal.line}" if a.goal.file else ""


def _rules(a: Answer) -> str:
    names = a.proof.rules
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
