"""Tables, JSON and progress bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tensorgrad.sizes import Poly

if TYPE_CHECKING:
    from tensorgrad.api import Cost, Derivation, PlanStep, Priced, Result, RunProfile

Item = TypeVar("Item")
PIPE_WIDTH = 200


def print_json(value: Any) -> None:
    """JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, Poly | Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> None:
    """A table on stdout: as wide as the terminal, or wide enough in a pipe. Columns `right` hold numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k in right else "left", no_wrap=k in right, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    terminal = sys.stdout.isatty()
    # Text, not str, in the cells: names such as [mc:18] are no markup.
    Console(file=sys.stdout, width=None if terminal else PIPE_WIDTH, highlight=False).print(table)


def progress(items: Sequence[Item], label: str) -> Iterator[Item]:
    """The items, with a progress bar on stderr when that is a terminal."""
    if len(items) < 2 or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=label, console=Console(stderr=True), transient=True)


def print_profile(profile: RunProfile) -> None:
    """The table of `--profile`."""
    from tensorgrad.api.profile import COLUMNS

    print_table("profile", COLUMNS, profile.rows(), right=range(1, len(COLUMNS)))


def profile_json(profile: RunProfile) -> list[dict[str, Any]]:
    """`[{rule, matches, new, nodes, seconds, steps, saving}]`."""
    return [{**asdict(r), "seconds": round(r.seconds, 6)} for r in profile.rules]


def cost_json(cost: Cost) -> dict[str, Any]:
    """`{flops, peak}`: numbers where the sizes are known, else polynomials in the notation."""
    return {"flops": _number(cost.flops), "peak": _number(cost.peak)}


def _number(value: Poly | int) -> int | str:
    if isinstance(value, Poly):
        return int(value.number) if value.is_constant and value.number.denominator == 1 else str(value)
    return value


def derivation_json(derivation: Derivation) -> list[dict[str, str]]:
    """`[{rule, source, before, after}]`."""
    return [{"rule": s.rule, "source": s.source, "before": repr(s.before), "after": repr(s.after)} for s in derivation]


def result_json(result: Result, text: str) -> dict[str, Any]:
    """The JSON of `simplify`; `text` is the expression as given."""
    return {
        "input": text,
        "output": repr(result.tensor),
        "dims": dict(result.dims),
        "seconds": round(result.seconds, 6),
        "stopped": result.stopped,
        "assumed": [str(c) for c in result.assumed],
        "cost": {"before": cost_json(result.before), "after": cost_json(result.after)},
        "verified": result.verified,
        "verified_reason": result.verified_reason,
        "derivation": derivation_json(result.derivation),
    }


def _step_json(step: PlanStep) -> dict[str, Any]:
    return {"expression": str(step), "flops": step.flops, "size": step.size}


def priced_json(way: Priced) -> dict[str, Any]:
    """One way of computing: `{flops, peak, expression, steps}`."""
    return {
        "flops": way.flops,
        "peak": way.peak,
        "expression": repr(way.tensor),
        "steps": [_step_json(step) for step in way.steps],
    }
