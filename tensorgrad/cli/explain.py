"""`tensorgrad explain`: a derivation, one line a step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tensorgrad.cli.command import ExpressionCommand
from tensorgrad.cli.goals import Answer, Goal, answer, exit_code
from tensorgrad.cli.options import (
    RuleOptions,
    dims_option,
    expression_options,
    json_option,
    output_option,
    rule_options,
    time_option,
)
from tensorgrad.cli.output import derivation_json, print_json, print_table, result_json
from tensorgrad.errors import UnsupportedError

if TYPE_CHECKING:
    from tensorgrad.api import Derivation

WRITTEN = (".html", ".tex")
"""Files that a derivation is written to."""


@click.command(cls=ExpressionCommand)
@click.argument("text", metavar='"LHS = RHS"|FACT(EXPR)|EXPR')
@expression_options
@dims_option
@time_option
@json_option
@output_option("Write the derivation to FILE: .html, as diagrams; .tex, as aligned formulas.")
@rule_options
@click.pass_context
def explain(
    ctx: click.Context,
    text: str,
    let: str,
    if_: str,
    dims: dict[str, int] | None,
    seconds: float,
    as_json: bool,
    output: str | None,
    rules: RuleOptions,
) -> None:
    """Show why: each step of a proof or of a simplification, or what a fact follows from, with its rule and source.

    \b
    tensorgrad explain "det(A @ B @ inv(A)) = det(B)" --let "A B : n n" --if "invertible(A)"
    tensorgrad explain "grad(logdet(X), X)" --let "X : n n" --if "invertible(X)"
    tensorgrad explain "grad(logdet(X), X)" --let "X : n n" --if "invertible(X)" -o derivation.html

    Exit code: 0, 1 when a goal is not proved, 2 for bad input.
    """
    if output is not None and Path(output).suffix not in WRITTEN:
        raise click.UsageError(f"-o {output}: a derivation is written as {' or '.join(WRITTEN)}")
    if _is_claim(text):
        found = answer(_read(text, let, if_), rules.load(), seconds)
        _explain_goal(found, as_json)
        if output is not None and found.proof.ground is not None:
            raise UnsupportedError(f"-o {output} for a fact: what it follows from is text, printed without -o")
        if output is not None and found.proof.status == "proved":
            _write(found.proof.derivation, text, _given(let, if_), output)
        ctx.exit(exit_code([found]))
    from tensorgrad.api import simplify

    result = simplify(text, let=let, if_=if_, dims=dims, rules=rules.load(), seconds=seconds, verify=True)
    if as_json:
        print_json(result_json(result, text))
    else:
        _print_derivation(result.derivation)
    if output is not None:
        _write(result.derivation, text, _given(let, if_), output)


def _given(let: str, if_: str) -> str:
    """What the names of an expression are, in the notation."""
    return "\n".join(f"{word} {said}" for word, said in (("let", let.strip()), ("if", if_.strip())) if said)


def _write(derivation: Derivation | None, title: str, given: str, output: str) -> None:
    from tensorgrad.api import Derivation
    from tensorgrad.show import derivation_html, derivation_latex

    shown = derivation or Derivation()
    html = Path(output).suffix == ".html"
    written = derivation_html(shown, title, given) if html else derivation_latex(shown)
    Path(output).write_text(written, encoding="utf-8")


def _is_claim(text: str) -> bool:
    """Whether there is a relation, as the notation has no other use for an equals sign, or a fact is claimed."""
    from tensorgrad.notation.facts import FACTS

    first, bracket, _ = text.replace("(", " ( ").strip().partition(" ")
    return "=" in text or (bool(bracket) and (first == "not" or first in FACTS))


def _read(text: str, let: str, if_: str) -> Goal:
    from tensorgrad.notation import parse_claim

    try:
        return Goal(text, parse_claim(text, let, if_))
    except UnsupportedError as error:
        return Goal(text, error)


def _explain_goal(found: Answer, as_json: bool) -> None:
    from tensorgrad.api import Derivation

    proof = found.proof
    derivation = proof.derivation or Derivation()
    if as_json:
        row: dict[str, Any] = {
            "status": proof.status,
            "seconds": round(proof.seconds, 6),
            "iterations": proof.iterations,
        }
        row |= {"classes": proof.classes, "rules": list(proof.rules), "derivation": derivation_json(derivation)}
        if proof.ground is not None:
            row["ground"] = proof.ground.rows()
        print_json(row)
        return
    click.echo(f"{proof.status} in {proof.seconds:.3f} s" + (f": {proof.reason}" if proof.reason else ""))
    if proof.counterexample is not None:
        click.echo(str(proof.counterexample))
    elif proof.ground is not None:
        click.echo(str(proof.ground))
    elif proof.status == "proved":
        _print_derivation(derivation)


def _print_derivation(derivation: Derivation) -> None:
    if not derivation.steps:
        click.echo("no steps: the canonical form decides")
        return
    rows = [("=" if k else "", *row) for k, row in enumerate(derivation.rows())]
    print_table("", ("", "expression", "rule", "source"), rows)
