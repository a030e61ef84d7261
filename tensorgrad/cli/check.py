"""`tensorgrad check`: are the rules well-formed, and true?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from tensorgrad.cli.output import print_table, progress

if TYPE_CHECKING:
    from tensorgrad.notation import BadLine
    from tensorgrad.rule import CheckReport, Rule


@click.command()
@click.argument("files", metavar="[FILE...]", nargs=-1)
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...]) -> None:
    """Check rules: well-formed, and true on random instances of different sizes, special values and the facts stated.

    \b
    tensorgrad check
    tensorgrad check my.rules rules/inverse.rules

    Without FILE the whole library is checked. Exit code: 0 when every rule is true, 1 when one is not, 2 when a line
    cannot be read.
    """
    from tensorgrad.errors import RuleError
    from tensorgrad.rule import RuleSet, read
    from tensorgrad.rule import check as run
    from tensorgrad.rule import files as library_files
    from tensorgrad.rule.model import Rule

    lines = [line for path in files or map(str, library_files()) for line in read(path)]
    rules = [line for line in lines if isinstance(line, Rule)]
    bad = [line for line in lines if not isinstance(line, Rule)]
    reports = [run(rule) for rule in progress(rules, "checking")]
    _print_table(rules, reports, all_rows=bool(files))
    _print_problems(reports, bad)
    if not files:
        RuleSet(rules)
    elif not lines:
        raise RuleError(f"no rules in {', '.join(files)}: write a line `name  lhs = rhs`")
    ctx.exit(2 if bad else 0 if all(r.ok for r in reports) else 1)


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
