"""`tensorgrad plan`: what an expression costs as written, flattened, and in the cheapest form found."""

from __future__ import annotations

import click

from tensorgrad.cli.command import ExpressionCommand
from tensorgrad.cli.options import (
    RuleOptions,
    dims_option,
    expression_options,
    json_option,
    output_option,
    rule_options,
    time_option,
)
from tensorgrad.cli.output import priced_json, print_json, print_table


@click.command(cls=ExpressionCommand)
@click.argument("expression", metavar="EXPR")
@expression_options
@dims_option
@time_option
@json_option
@output_option("Write the three plans as trees to FILE: .svg, .txt, .tex, .png or .pdf.")
@rule_options
def plan(
    expression: str,
    let: str,
    if_: str,
    dims: dict[str, int] | None,
    seconds: float,
    as_json: bool,
    output: str | None,
    rules: RuleOptions,
) -> None:
    """Price EXPR three ways: as written, flattened into one contraction a term, and our form, with its steps.

    \b
    tensorgrad plan "A @ B + A @ C" --let "A B C : n n" --dims n=3000
    tensorgrad plan "(diag(p) - outer(p, p)) @ v" --let "p v : n" --dims n=30000 --json
    tensorgrad plan "A @ B @ x" --let "A B : n n ; x : n" --dims n=3000 -o plan.svg

    `written` computes every product by its best path and shares nothing. `flattened` inlines everything, then finds a
    path. `ours` computes equal parts once. Nothing is computed or allocated.
    """
    from tensorgrad.api import amount
    from tensorgrad.api import plan as run

    plans = run(expression, dims, let=let, if_=if_, rules=rules.load(), seconds=seconds)
    if output is not None:
        plans.save(output)
    if as_json:
        columns = {way.name: priced_json(way) for way in plans.columns}
        print_json({**columns, "seconds": round(plans.seconds, 6)})
        return
    rows = [
        (w.name, amount(w.flops), f"{plans.written.flops / max(1, w.flops):,.4g}", amount(w.peak), repr(w.tensor))
        for w in plans.columns
    ]
    print_table("", ("", "flops", "ratio", "peak", "expression"), rows, right=(1, 2, 3))
    steps = [(str(k), amount(s.flops), amount(s.size), str(s)) for k, s in enumerate(plans.ours.steps, 1)]
    print_table("steps of ours", ("step", "flops", "size", "computes"), steps, right=(0, 1, 2))
    click.echo(f"rules: {', '.join(plans.rules) or 'none'}")
