"""`tensorgrad theorems`: how many goals of each file came out as claimed, how long they took, and what is open."""

from __future__ import annotations

import click

from tensorgrad.cli.goals import answer, exit_code, files_of, read_goals
from tensorgrad.cli.options import RuleOptions, json_option, rule_options, time_option
from tensorgrad.cli.output import print_json, progress
from tensorgrad.cli.scoreboard import print_scoreboard, scoreboard_json

DEFAULT = "tests/theorems"


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
    loaded = rules.load()
    goals = read_goals(files_of(paths or (DEFAULT,)), "", "", ())
    answers = [answer(goal, loaded, seconds) for goal in progress(goals, "proving")]
    if as_json:
        print_json(scoreboard_json(answers, slowest))
    else:
        print_scoreboard(answers, slowest)
    ctx.exit(exit_code(answers))
