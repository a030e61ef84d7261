"""Statistics of a run by rule: where the matches, the nodes and the time went, and which rules brought the saving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tensorgrad.derivation import Derivation
from tensorgrad.egraph.profile import MOVES, Tally
from tensorgrad.tensor import Apply, Derivative, Expectation, Tensor, walk

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("rule", "matches", "new", "nodes", "seconds", "steps", "saving")


@dataclass(frozen=True, slots=True)
class RuleProfile:
    """What one rule (or built-in move) did in a run.

    `matches` are those whose conditions held, `new` those of them that told something new, `nodes` what they added to
    the e-graph, `seconds` the time (what a rule asks of other rules is counted there). `steps` of the derivation are the
    rule's; `saving` is how many operations these steps save in all, None where operations cannot be counted.

    >>> RuleProfile("inv-of-inv", matches=3, new=1, nodes=2, seconds=0.5, steps=1, saving=200).saving
    200
    """

    rule: str
    matches: int
    new: int
    nodes: int
    seconds: float
    steps: int
    saving: int | None


@dataclass(frozen=True, slots=True)
class RunProfile:
    """The rules that did something in a run, those that took longest first; `str` prints a table.

    >>> from tensorgrad import simplify
    >>> profile = simplify("inv(inv(A))", let="A : n n").profile
    >>> profile["inv-of-inverse"].steps, profile["no-such-rule"].steps
    (1, 0)
    """

    rules: tuple[RuleProfile, ...]

    def __getitem__(self, name: str) -> RuleProfile:
        found = next((r for r in self.rules if r.rule == name), None)
        return found if found is not None else RuleProfile(name, 0, 0, 0, 0.0, 0, None)

    def __contains__(self, name: object) -> bool:
        return any(r.rule == name for r in self.rules)

    def rows(self) -> list[tuple[str, ...]]:
        """The cells of the table, under `COLUMNS`.

        >>> RunProfile((RuleProfile("inv-of-inv", 3, 1, 2, 0.5, 1, 200),)).rows()
        [('inv-of-inv', '3', '1', '2', '0.5000', '1', '200 (100 %)')]
        """
        total = sum(r.saving or 0 for r in self.rules)
        return [
            (
                r.rule,
                "" if r.rule in MOVES else str(r.matches),
                "" if r.rule in MOVES else str(r.new),
                str(r.nodes),
                f"{r.seconds:.4f}",
                str(r.steps or ""),
                _share(r.saving, total),
            )
            for r in self.rules
        ]

    def __add__(self, other: RunProfile) -> RunProfile:
        """Both runs together."""
        names = dict.fromkeys(r.rule for r in (*self.rules, *other.rules))
        return RunProfile(tuple(sorted((_joined(self[n], other[n]) for n in names), key=lambda r: -r.seconds)))

    def __str__(self) -> str:
        rows = [COLUMNS, *self.rows()]
        widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS))]
        lines = [
            "  ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return str(self)

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(*COLUMNS)
        for row in self.rows():
            table.add_row(*row)
        return table


def _joined(a: RuleProfile, b: RuleProfile) -> RuleProfile:
    saving = None if a.saving is None and b.saving is None else (a.saving or 0) + (b.saving or 0)
    sums = (a.matches + b.matches, a.new + b.new, a.nodes + b.nodes, a.seconds + b.seconds, a.steps + b.steps)
    return RuleProfile(a.rule, *sums, saving)


def _share(saving: int | None, total: int) -> str:
    if not saving:
        return ""
    return f"{saving:.3g} ({100 * saving / total:.0f} %)" if total > 0 else f"{saving:.3g}"


def profile_of(
    tallies: Mapping[str, Tally], derivation: Derivation, operations: Callable[[Tensor], int | None] | None = None
) -> RunProfile:
    """The profile of a run with this derivation; `operations` counts those of an expression, where it can."""
    steps = Counter(name for step in derivation for name in step.rules)
    saved = _savings(derivation, operations) if operations is not None else {}
    rows: list[RuleProfile] = []
    for name in dict.fromkeys([*tallies, *steps]):
        t = tallies.get(name, Tally())
        if t.matches or t.nodes or steps[name] or name in MOVES:
            rows.append(RuleProfile(name, t.matches, t.new, t.nodes, t.seconds, steps[name], saved.get(name)))
    return RunProfile(tuple(sorted(rows, key=lambda r: -r.seconds)))


def _savings(derivation: Derivation, operations: Callable[[Tensor], int | None]) -> dict[str, int]:
    saved: dict[str, int] = {}
    if not derivation.steps:
        return saved
    forms = [derivation.steps[0].before, *(step.after for step in derivation)]
    counts = [operations(t) if _countable(t) else None for t in forms]
    for step, (before, after) in zip(derivation, pairwise(counts), strict=True):
        if before is not None and after is not None:
            saved[step.rules[0]] = saved.get(step.rules[0], 0) + before - after
    return saved


def _countable(t: Tensor) -> bool:
    """Whether it can be computed with: no derivative or expectation is left in it."""
    return not any(
        isinstance(n, Derivative | Expectation) or (isinstance(n, Apply) and n.function.derivative) for n in walk(t)
    )
