"""Goals given as arguments: files of theorems or rules, or claims in the notation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tensorgrad.errors import NotationError, UnsupportedError

if TYPE_CHECKING:
    from tensorgrad.api import Proof
    from tensorgrad.notation import BadLine, Claim
    from tensorgrad.rule import RuleSet


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal with where it stands; `name`, `file` and `line` are None for a goal of the command line."""

    text: str
    claim: Claim | BadLine | UnsupportedError
    name: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A goal and what became of it; `bad` says that the line could not be read."""

    goal: Goal
    proof: Proof
    bad: bool = False

    @property
    def differs(self) -> bool:
        """Whether the goal claims that its sides differ (`!=`), or that a fact does not hold (`not`)."""
        from tensorgrad.notation import Claim

        return isinstance(self.goal.claim, Claim) and self.goal.claim.relation in ("!=", "not")

    @property
    def as_hoped(self) -> bool:
        """Whether an equation is proved, or an inequation refuted."""
        return self.proof.status == ("refuted" if self.differs else "proved")


def is_file(argument: str) -> bool:
    """Whether an argument of `prove` is a file or a folder, not a claim."""
    if argument.endswith((".theorems", ".rules")):
        return True
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # a claim may be too long for a file name, or hold a null character
        return False


def files_of(paths: Sequence[str]) -> list[str]:
    """The files among the paths, and the theorem files of the folders, in order of name."""
    found: list[str] = []
    for path in map(Path, paths):
        inside = sorted(path.glob("*.theorems")) if path.is_dir() else [path]
        if not inside:
            raise click.UsageError(f"{path}: no .theorems files in this folder")
        found += map(str, inside)
    return list(dict.fromkeys(found))


def read_goals(arguments: Sequence[str], let: str, if_: str, only: Sequence[str]) -> list[Goal]:
    """All goals of the arguments, in order; a claim of the command line that cannot be read is an error at once.

    `only` selects by name or glob (goals of the command line have no name and stay). UsageError when nothing is left.
    """
    from tensorgrad.notation import parse_scope

    scope = parse_scope(let)
    goals: list[Goal] = []
    for argument in arguments:
        if is_file(argument):
            goals += [goal for file in files_of([argument]) for goal in _goals_of_file(file)]
        else:
            goals.append(_goal(argument, scope, if_))
    if not only:
        return goals
    chosen = [g for g in goals if g.name is None or any(fnmatchcase(g.name, pattern) for pattern in only)]
    for pattern in only:
        if not any(g.name is not None and fnmatchcase(g.name, pattern) for g in goals):
            names = sorted({g.name for g in goals if g.name is not None})
            raise click.UsageError(f"--only {pattern}: no goal of that name among {len(names)}{_near(pattern, names)}")
    return chosen


def _near(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=3)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def _goal(text: str, scope: object, if_: str) -> Goal:
    from tensorgrad.notation import parse_claim

    try:
        return Goal(text, parse_claim(text, scope, if_))  # type: ignore[arg-type]
    except UnsupportedError as error:
        return Goal(text, error)


def _goals_of_file(path: str) -> list[Goal]:
    from tensorgrad.notation import Claim, parse_file

    goals: list[Goal] = []
    for line in parse_file(path):
        text = line.text if isinstance(line, Claim) else str(line.error)
        goals.append(Goal(text, line, line.name, path, line.place.line))
    if not goals:
        raise NotationError(f"{path} has declarations but no goals: write a line `name  lhs = rhs`")
    return goals


def answer(goal: Goal, rules: RuleSet, seconds: float, follow: bool = False) -> Answer:
    """Prove one goal. What this version cannot compute with stays open; a line that cannot be read is an error.

    Only with `follow` the e-graph is kept: those of a folder of goals would fill the memory.
    """
    from tensorgrad.api import Proof, prove
    from tensorgrad.notation import Claim

    error = goal.claim if isinstance(goal.claim, UnsupportedError) else None
    if isinstance(goal.claim, Claim):
        try:
            proof = prove(goal.claim, rules=rules, seconds=seconds, verify=True, follow=follow)
            return Answer(goal, proof if follow else replace(proof, searched=None))
        except UnsupportedError as unsupported:
            error = unsupported
    elif error is None:
        error = goal.claim.error  # type: ignore[union-attr]
    if isinstance(error, UnsupportedError):
        return Answer(goal, Proof("open", reason=str(error)))
    return Answer(goal, Proof("error", reason=str(error)), bad=True)


def exit_code(answers: Sequence[Answer]) -> int:
    """0 when every equation is proved and every inequation refuted, 2 when a line could not be read, else 1."""
    if any(a.bad for a in answers):
        return 2
    return 0 if all(a.as_hoped for a in answers) else 1
