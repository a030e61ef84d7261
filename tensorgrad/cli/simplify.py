"""`tensorgrad simplify`: the simplest equal form, its cost, and why the search stopped."""

from __future__ import annotations

from typing import Literal

import click

from tensorgrad.cli.command import ExpressionCommand
from tensorgrad.cli.options import (
    RuleOptions,
    dims_option,
    expression_options,
    json_option,
    profile_option,
    rule_options,
    time_option,
)
from tensorgrad.cli.output import print_json, print_profile, profile_json, result_json


@click.command(cls=ExpressionCommand)
@click.argument("expression", metavar="EXPR")
@expression_options
@dims_option
@time_option
@json_option
@profile_option
@click.option(
    "--objective",
    type=click.Choice(["flops", "memory", "time"]),
    default="flops",
    help="What is cheap, with --dims: operations, peak memory, or time at the rates of two CPU cores.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Write how the search went to FILE, .html: nodes and cost by round, rules, the e-graph.",
)
@rule_options
def simplify(
    expression: str,
    let: str,
    if_: str,
    dims: dict[str, int] | None,
    seconds: float,
    as_json: bool,
    profile: bool,
    objective: Literal["flops", "memory", "time"],
    report: str | None,
    rules: RuleOptions,
) -> None:
    """Differentiate and simplify EXPR: the smallest form, or with --dims the cheapest.

    \b
    tensorgrad simplify "grad(tr(A @ X @ B), X)" --let "A : n m ; X : m p ; B : p n"
    tensorgrad simplify "hess(-(y @ log(softmax(x))), x)" --let "x y : n"
    tensorgrad simplify "inv(A @ B) @ A @ B @ x" --let "A B : n n ; x : n" --if "invertible(A), invertible(B)"
    tensorgrad simplify "(A - H.T @ H) @ x" --let "A H : n n ; x : n" --dims n=3000
    tensorgrad simplify "inv(A @ B) @ A @ B @ x" --let "A B : n n ; x : n" --report search.html

    The result is compared with EXPR on random values of small sizes. Exit code: 0, or 2 for bad input.
    """
    from tensorgrad.api import simplify as run

    result = run(
        expression,
        let=let,
        if_=if_,
        dims=dims,
        rules=rules.load(),
        seconds=seconds,
        verify=True,
        objective=objective,
        follow=report is not None,
    )
    if report is not None:
        result.report.save(report, result.egraph, expression)
    if as_json:
        shown = {"profile": profile_json(result.profile)} if profile else {}
        print_json(result_json(result, expression) | shown)
    else:
        click.echo(repr(result.tensor))
        for label, text in result.summary():
            click.echo(f"  {label:<9} {text}")
        if profile:
            print_profile(result.profile)
