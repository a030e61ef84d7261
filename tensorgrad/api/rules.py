"""Choosing the rules to work with."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from tensorgrad.errors import RuleError
from tensorgrad.rule import RuleSet, check, library, load


def select_rules(
    *, added: Sequence[str] = (), only: Sequence[str] = (), none: bool = False, without: Sequence[str] = ()
) -> RuleSet:
    """The library, or with `only` the rules of these files, or with `none` none; plus `added` files, minus `without`.

    The rules of files are checked; RuleError for one that is ill-formed or refuted, with the counterexample.
    """
    chosen = RuleSet() if none else checked(only) if only else library()
    if added:
        chosen = chosen + checked(added)
    return chosen.without(*without) if without else chosen


def checked(paths: Sequence[str]) -> RuleSet:
    """The rules of files, each one checked."""
    rules = load(*paths)
    for rule in rules:
        report = check(rule, effort=1)
        if not report.ok:
            raise RuleError(str(report))
    return rules


def unmatched(rules: RuleSet, globs: Sequence[str]) -> list[str]:
    """What to say of globs that match no rule."""
    names = list(rules.names)
    notes: list[str] = []
    for glob in globs:
        if not len(rules.select(glob)):
            near = get_close_matches(glob.strip("*"), names, n=3, cutoff=0.5)
            notes.append(f"{glob} matches no rule" + (f" (near: {', '.join(near)})" if near else ""))
    return notes
