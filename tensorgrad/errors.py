"""One exception class per cause; every message names the thing, shows the binding and says the remedy."""

from __future__ import annotations

from dataclasses import dataclass


class TensorgradError(Exception):
    """Base of every error that tensorgrad raises on purpose.

    >>> import tensorgrad as tg
    >>> try:
    ...     tg.parse("x +", let="x : n")
    ... except TensorgradError as error:
    ...     print(type(error).__name__)
    NotationError
    """


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
    """A text is not in the notation; shows the place with a caret and what was expected there.

    >>> import tensorgrad as tg
    >>> tg.parse("x ? y", let="x y : n")
    Traceback (most recent call last):
        ...
    tensorgrad.errors.NotationError: the character '?' is not part of the notation
      at column 3
      x ? y
        ^
    """

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message if place is None else f"{message}\n  at {place}")
        self.message = message
        self.place = place


class EdgeError(TensorgradError):
    """An edge is missing, repeated or does not fit; lists the edges there are.

    >>> import tensorgrad as tg
    >>> tg.Variable("A", i="n", j="m").rename(k="l")
    Traceback (most recent call last):
        ...
    tensorgrad.errors.EdgeError: cannot rename 'k': the tensor has the edges i, j
    """


class SizeError(TensorgradError):
    """Two sizes that must agree do not, or a size is not a positive integer expression.

    >>> import tensorgrad as tg
    >>> tg.Variable("x", i="n") + tg.Variable("y", i="m")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tensorgrad.errors.SizeError: +: the edge 'i' has size n on one side, x (i=n), and m on the other, y (i=m); rename ...
    """


class FactError(TensorgradError):
    """A fact is impossible for the tensor it is stated of, or facts contradict each other.

    `span` is the piece of the text of facts that it is about, if that is known.

    >>> import tensorgrad as tg
    >>> tg.Variable("A", i="n", j="m", facts="symmetric")
    Traceback (most recent call last):
        ...
    tensorgrad.errors.FactError: A : n m cannot be symmetric: only a square matrix (n n) can
    """

    def __init__(self, message: str, span: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.span = span


class InputError(TensorgradError, TypeError):
    """An argument of the Python API has the wrong type; names the argument and says what is expected.

    >>> import tensorgrad as tg
    >>> tg.simplify_all("A @ B", let="A B : n n")
    Traceback (most recent call last):
        ...
    tensorgrad.errors.InputError: simplify_all takes a list of expressions; for one there is simplify
    """


class UnsupportedError(TensorgradError):
    """The notation is understood, this version cannot compute with it; says what is missing.

    >>> import tensorgrad as tg
    >>> tg.save_image(tg.Variable("x", i="n"), "x.bmp")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tensorgrad.errors.UnsupportedError: not supported yet: images of the kind .bmp: name a file .svg, ...
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"not supported yet: {what}")


class RuleError(TensorgradError):
    """A rule is ill-formed or false; carries the rule's name and, if refuted, the counterexample.

    >>> import tensorgrad as tg
    >>> tg.library()["det-produkt"]
    Traceback (most recent call last):
        ...
    tensorgrad.errors.RuleError: no rule is called det-produkt; near: det-of-product, logdet-of-product, upper-product
    """


class UnsoundError(TensorgradError):
    """Two things were proved equal that cannot be (different shapes, 0 = invertible): a rule or a fact is wrong.

    >>> import tensorgrad as tg
    >>> wrong = tg.RuleSet.from_text("let A : n n\\nwrong  det(A) => tr(A)")
    >>> tg.simplify("det(A)", let="A : n n", rules=wrong, verify=True)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tensorgrad.errors.UnsoundError: ...
    """


class ValueMismatchError(TensorgradError):
    """The values given for evaluation do not fit the variables: missing, wrong order, or conflicting sizes.

    >>> import tensorgrad as tg
    >>> tg.evaluate(tg.Variable("x", i="n"), {"y": 1})
    Traceback (most recent call last):
        ...
    tensorgrad.errors.ValueMismatchError: no value for x (i=n); values were given for y
    """


class MemoryLimitError(TensorgradError):
    """A computation needs more memory than the limit given for it; says how much at least, before anything runs.

    >>> import tensorgrad as tg, torch
    >>> x = tg.Variable("x", i="n")
    >>> tg.compile(y=x * x.rename(i="j"), memory_limit=100)(x=torch.ones(50))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tensorgrad.errors.MemoryLimitError: memory_limit: 100 entries are too few: the program has 2,500 alive ...
    """


class BudgetError(TensorgradError):
    """A search that must not be cut short ran over its budget; says which and how to raise it.

    >>> issubclass(BudgetError, TensorgradError)
    True
    """
