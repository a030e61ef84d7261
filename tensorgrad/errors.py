"""One exception class per cause; every message names the thing, shows the binding and says the remedy."""

from __future__ import annotations

from dataclasses import dataclass


class TensorgradError(Exception):
    """Base of every error that tensorgrad raises on purpose."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text something stands: `file:line:column`, with the line itself for the caret.

    `line` counts from 1, `column` from 0; `file` is empty for a text given directly.
    """

    text: str
    column: int
    length: int = 1
    file: str = ""
    line: int = 1

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column + 1}" if self.file else f"column {self.column + 1}"
        if len(self.text) <= 200:
            shown, column = self.text, self.column
        else:
            start = max(0, self.column - 60)
            shown = ("..." if start else "") + self.text[start : start + 120] + "..."
            column = self.column - start + (3 if start else 0)
        return f"{where}\n  {shown}\n  {' ' * column}{'^' * max(1, min(self.length, len(shown) - column))}"


class NotationError(TensorgradError):
    """A text is not in the notation; shows the place with a caret and what was expected there."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message if place is None else f"{message}\n  at {place}")
        self.message = message
        self.place = place


class EdgeError(TensorgradError):
    """An edge is missing, repeated or does not fit; lists the edges there are."""


class SizeError(TensorgradError):
    """Two sizes that must agree do not, or a size is not a positive integer expression."""


class FactError(TensorgradError):
    """A fact is impossible for the tensor it is stated of, or facts contradict each other.

    `span` is the piece of the text of facts that it is about, if that is known.
    """

    def __init__(self, message: str, span: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.span = span


class InputError(TensorgradError, TypeError):
    """An argument of the Python API has the wrong type; names the argument and says what is expected."""


class UnsupportedError(TensorgradError):
    """The notation is understood, this version cannot compute with it; says what is missing."""

    def __init__(self, what: str) -> None:
        super().__init__(f"not supported yet: {what}")


class RuleError(TensorgradError):
    """A rule is ill-formed or false; carries the rule's name and, if refuted, the counterexample."""


class UnsoundError(TensorgradError):
    """Two things were proved equal that cannot be (different shapes, 0 = invertible): a rule or a fact is wrong."""


class ValueMismatchError(TensorgradError):
    """The values given for evaluation do not fit the variables: missing, wrong order, or conflicting sizes."""


class MemoryLimitError(TensorgradError):
    """A computation needs more memory than the limit given for it; says how much at least, before anything runs."""


class BudgetError(TensorgradError):
    """A search that must not be cut short ran over its budget; says which and how to raise it."""
