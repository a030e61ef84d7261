"""`tensorgrad check`: are the rules well-formed, and true?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tensorgrad.cli.options import json_option
from tensorgrad.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from tensorgrad.api import Redundancy
    from tensorgrad.notation import BadLine
    from tensorgrad.rule import CheckReport, Rule


@click.command()
@click.argument("files", metavar="[FILE...]", nargs=-1)
@click.option("--redundant", is_flag=True, help="Say instead which rules follow from the others.")
@click.option(
    "--time",
    "seconds",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds to search for each rule, with --redundant.",
)
@json_option
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], redundant: bool, seconds: float, as_json: bool) -> None:
    """Check rules: well-formed, and true on random instances of different sizes, special values and the facts stated.

    \b
    tensorgrad check
    tensorgrad check my.rules rules/inverse.rules
    tensorgrad check --redundant my.rules

    Without FILE the whole library is checked. Exit code: 0 when every rule is true, 1 when one is not, 2 when a line
    cannot be read. With --redundant each rule's sides are proved without it, by the other rules of the files and of the
    library: what follows from others is a theorem, not a rule. That is a report: exit code 0.
    """
    from tensorgrad.errors import RuleError
    from tensorgrad.rule import RuleSet, read
    from tensorgrad.rule import check as run
    from tensorgrad.rule import files as library_files
    from tensorgrad.rule.model import Rule

    if redundant:
        _redundant(files, seconds, as_json)
        return
    lines = [line for path in files or map(str, library_files()) for line in read(path)]
    rules = [line for line in lines if isinstance(line, Rule)]
    bad = [line for line in lines if not isinstance(line, Rule)]
    reports = [run(rule) for rule in progress(rules, "checking")]
    if as_json:
        print_json([*map(_report_json, reports), *map(_bad_json, bad)])
    else:
        _print_table(rules, reports, all_rows=bool(files))
        _print_problems(reports, bad)
    if not files:
        RuleSet(rules)
    elif not lines:
        raise RuleError(f"no rules in {', '.join(files)}: write a line `name  lhs = rhs`")
    ctx.exit(2 if bad else 0 if all(r.ok for r in reports) else 1)


def _redundant(files: Sequence[str], seconds: float, as_json: bool) -> None:
    from tensorgrad.api import redundancy
    from tensorgrad.rule import library, load

    asked = load(*files) if files else library()
    # The files of the library itself may be named: their rules stand once.
    rules = asked + [rule for rule in library() if rule.name not in asked] if files else asked
    found = [redundancy(rule, rules, seconds=seconds) for rule in progress(list(asked), "proving")]
    if as_json:
        rows = [
            {
                "rule": r.rule.name,
                "where": r.rule.where,
                "status": r.status,
                "by": list(r.by),
                "seconds": round(r.seconds, 6),
            }
            for r in found
        ]
        print_json(rows)
        return
    shown = [r for r in found if files or r.status != "independent"]
    cells = [(r.status, r.rule.name, r.rule.where, f"{r.seconds:.3f}", _by(r)) for r in shown]
    print_table("", ("status", "rule", "where", "seconds", "by"), cells, right=(3,))
    count = Counter(r.status for r in found)
    click.echo(", ".join(f"{count[s]} {s}" for s in ("implied", "independent", "undecided") if count[s]))


def _by(r: Redundancy) -> str:
    if r.status != "implied":
        return ""
    return ", ".join(r.by) or ("facts" if r.rule.right is None else "the canonical form")


def _report_json(r: CheckReport) -> dict[str, Any]:
    return {
        "rule": r.rule.name,
        "where": r.rule.where,
        "status": r.status,
        "instances": r.instances,
        "reason": r.reason,
        "counterexample": None if r.counterexample is None else r.counterexample.instance,
    }


def _bad_json(line: BadLine) -> dict[str, Any]:
    where = f"{line.place.file}:{line.place.line}"
    return {"rule": line.name, "where": where, "status": "unreadable", "reason": str(line.error)}


def _print_table(rules: Sequence[Rule], reports: Sequence[CheckReport], all_rows: bool) -> None:
    """A row a rule for named files, a row a file for the library."""
    if not reports:
        return
    if all_rows:
        rows = [(r.status, r.rule.name, r.rule.where, str(r.instances), r.rule.text) for r in reports]
        print_table("", ("status", "rule", "where", "instances", "claim"), rows, right=(3,))
        return
    total = Counter(rule.file for rule in rules)
    good = Counter(r.rule.file for r in reports if r.ok)
    instances = Counter[str]()
    for r in reports:
        instances[r.rule.file] += r.instances
    rows = [(file, str(good[file]), str(total[file]), str(instances[file])) for file in total]
    print_table("", ("file", "true", "rules", "instances"), rows, right=(1, 2, 3))


def _print_problems(reports: Sequence[CheckReport], bad: Sequence[BadLine]) -> None:
    for report in reports:
        if not report.ok:
            click.echo(str(report))
    for line in bad:
        click.echo(f"error: {line.error}", err=True)
    count = Counter(r.status for r in reports)
    parts = [f"{count[s]} {s}" for s in ("ok", "refuted", "ill-formed", "unchecked") if count[s]]
    if bad:
        parts.append(f"{len(bad)} unreadable")
    click.echo(", ".join(parts) or "no rules")
