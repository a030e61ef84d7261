"""The lines that derivatives and expectations are taken by, of a rule set; closed forms are read once for each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tensorgrad.calculus.forms import ClosedForm, SourcedLine, read_forms
from tensorgrad.calculus.leaves import is_leaf_derivative
from tensorgrad.rule import Rule, RuleSet, directory, library, load
from tensorgrad.tensor import Expectation


def lines_of(rules: RuleSet | None) -> tuple[Rule, ...] | None:
    """The lines of a rule set that calculus uses; None where these are the packaged ones (`rules` is None or the library).

    Leaf derivatives define a function's derivative: the packaged ones stand, and those of `rules` in their place.
    Closed forms of expectations are those of `rules` and no others.

    >>> lines_of(library()) is None, {rule.name for rule in lines_of(RuleSet())} >= {"exp-d", "log-d"}
    (True, True)
    """
    if rules is None or rules is library():
        return None
    own = (rule for rule in rules if is_leaf_derivative(rule) or isinstance(rule.left, Expectation))
    return (*_leaf_derivatives(), *own)


@lru_cache(maxsize=1)
def _leaf_derivatives() -> tuple[Rule, ...]:
    return tuple(filter(is_leaf_derivative, library()))


def forms_of(lines: Iterable[SourcedLine] | None = None) -> tuple[ClosedForm, ...]:
    """The closed forms among lines (of the packaged `expectations.rules` if None); RuleError for one that is not read."""
    return _read(_packaged() if lines is None else tuple(line for line in lines if isinstance(line.left, Expectation)))


@lru_cache(maxsize=1)
def _packaged() -> tuple[Rule, ...]:
    return tuple(load(directory() / "expectations.rules"))


@lru_cache(maxsize=16)
def _read(lines: tuple[SourcedLine, ...]) -> tuple[ClosedForm, ...]:
    """The closed forms of lines, read once: a line is equal to itself alone."""
    from tensorgrad.calculus.derivative import differentiate

    return read_forms(lines, differentiate)
