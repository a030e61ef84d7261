"""`tensorgrad regimes`: which form is cheapest for which sizes, and the front of operations and memory."""

from __future__ import annotations

import click

from tensorgrad.cli.command import ExpressionCommand
from tensorgrad.cli.options import RuleOptions, dims_option, expression_options, rule_options, time_option
from tensorgrad.cli.output import print_table


@click.command(cls=ExpressionCommand)
@click.argument("expression", metavar="EXPR")
@expression_options
@dims_option
@time_option
@rule_options
def regimes(
    expression: str, let: str, if_: str, dims: dict[str, int] | None, seconds: float, rules: RuleOptions
) -> None:
    """Say which form of EXPR is cheapest where, sizes being symbols; with --dims, which is best for what memory.

    \b
    tensorgrad regimes "A @ v" --let "A : n n ; U V : n r ; v : n" --if "A = U @ V.T"
    tensorgrad regimes "(A @ B + A @ C) @ x" --let "A B C : n n ; x : n" --dims n=1000

    With --dims: the forms that no other one beats in both operations and peak memory.
    """
    from tensorgrad.api import amount, pareto
    from tensorgrad.api import regimes as run

    loaded = rules.load()
    if dims is None:
        found = run(expression, let=let, if_=if_, rules=loaded, seconds=seconds)
        rows = [(str(f.tensor), str(f.flops), f.condition or "always", " ; ".join(f.steps)) for f in found.forms]
        print_table("", ("form", "flops", "cheapest if", "steps"), rows)
        return
    front = pareto(expression, dims, let=let, if_=if_, rules=loaded, seconds=seconds)
    print_table("", ("form", "flops", "peak"), [(repr(w.tensor), amount(w.flops), amount(w.peak)) for w in front])
