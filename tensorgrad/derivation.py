"""Derivations: how one tensor became another, one rule a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorgrad.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """One rule applied: `before` became `after`. `source` is where the rule comes from, if it says.

    Rules that say which parts of its right side are constants are named after it: "step-of-negative, step-of-positive".

    >>> from tensorgrad import simplify
    >>> (step,) = simplify("inv(inv(A))", let="A : n n").derivation
    >>> step.rule, str(step.before), str(step.after)
    ('inv-of-inverse', 'inv(inv(A))', 'A')
    """

    rule: str
    source: str
    before: Tensor
    after: Tensor

    @property
    def rules(self) -> tuple[str, ...]:
        """The names in `rule`, one by one.

        >>> from tensorgrad import simplify
        >>> (step,) = simplify("inv(inv(A))", let="A : n n").derivation
        >>> step.rules
        ('inv-of-inverse',)
        """
        return tuple(self.rule.split(", "))


@dataclass(frozen=True, slots=True)
class Derivation:
    """The steps from a tensor to an equal one; `str` prints one line a step: expression, rule, source.

    >>> from tensorgrad import simplify
    >>> print(simplify("tr(inv(A) @ B @ A)", let="A B : n n").derivation)
      tr(inv(A) @ B @ A)
    = tr(B)                inv-cancels  [tc:intro]
    """

    steps: tuple[Step, ...] = ()

    @property
    def rules(self) -> tuple[str, ...]:
        """The distinct names of the rules used, in order of first use.

        >>> from tensorgrad import simplify
        >>> simplify("tr(inv(A) @ B @ A)", let="A B : n n").derivation.rules
        ('inv-cancels',)
        """
        return tuple(dict.fromkeys(name for step in self.steps for name in step.rules))

    def rows(self) -> list[tuple[str, str, str]]:
        """(expression, rule, source) for the start (without a rule) and after each step.

        >>> from tensorgrad import simplify
        >>> simplify("inv(inv(A))", let="A : n n").derivation.rows()
        [('inv(inv(A))', '', ''), ('A', 'inv-of-inverse', 'hj13:0.5')]
        """
        if not self.steps:
            return []
        edges = self.steps[0].before.edges
        start = (_text(self.steps[0].before, edges), "", "")
        return [start, *((_text(step.after, edges), step.rule, step.source) for step in self.steps)]

    def framed(
        self,
        before: Tensor,
        start: Tensor,
        end: Tensor,
        after: Tensor,
        leaves: Sequence[Iterable[str]] = ((), ()),
    ) -> Derivation:
        """The same from `before` to `after`, which became `start` and `end` by differentiation (if they changed).

        `leaves` are the leaf derivatives taken at the start and at the end: the sources of these two steps. The first
        and last expressions are shown as they were written, not as the canonical form prints them.

        >>> from tensorgrad import Variable
        >>> x = Variable("x", i="n")
        >>> t, value = (x @ x).grad(x), 2 * x
        >>> print(Derivation().framed(t, value, value, value))
          grad(x @ x, x)
        = 2 * x            differentiate  [built in]
        """
        steps = list(self.steps)
        if steps:
            steps[0] = replace(steps[0], before=start)
            steps[-1] = replace(steps[-1], after=end)
        if before is not start:
            steps.insert(0, Step("differentiate", ", ".join(leaves[0]) or "built in", before, start))
        if after is not end:
            steps.append(Step("differentiate", ", ".join(leaves[1]) or "built in", end, after))
        return Derivation(tuple(steps))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def _repr_html_(self) -> str:
        from tensorgrad.show import derivation_html

        return derivation_html(self)

    def __str__(self) -> str:
        rows = self.rows()
        if not rows:
            return "(no steps: the canonical form decides)"
        width = min(72, max(len(text) for text, _, _ in rows))
        lines = [f"  {rows[0][0]}"]
        for text, rule, source in rows[1:]:
            lines.append(f"= {text:<{width}}   {rule}{f'  [{source}]' if source else ''}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Ground:
    """Why a tensor has a fact: a rule (of one form of it, `form`) and the grounds of what the rule asks, or `why` alone.

    Without a `fact` it is an equation between `tensor` and `right` that a rule asks for.

    >>> from tensorgrad import prove
    >>> print(prove("symmetric(inv(S))", let="S : n n symmetric").ground)
    symmetric(inv(S))   its transpose is the same
      symmetric(S)      stated
    """

    fact: str
    tensor: Tensor
    why: str
    source: str = ""
    form: Tensor | None = None
    parts: tuple[Ground, ...] = ()
    right: Tensor | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        """The distinct names of the rules used, the last one first.

        >>> from tensorgrad import prove
        >>> prove("symmetric(A + A.T)", let="A : n n").ground.rules
        ()
        """
        own = (self.why,) if self.source else ()
        return tuple(dict.fromkeys((*own, *(name for part in self.parts for name in part.rules))))

    def rows(self, depth: int = 0) -> list[tuple[str, str]]:
        """(claim, reason) of this and, indented, of what it rests on.

        >>> from tensorgrad import prove
        >>> prove("symmetric(A + A.T)", let="A : n n").ground.rows()
        [('symmetric(A + A.T)', 'its transpose is the same')]
        """
        text = f"{self.fact}({self.tensor})" if self.right is None else f"{self.tensor} = {self.right}"
        if self.form is not None:
            text += f", as {self.form}"
        reason = self.why + (f"  [{self.source}]" if self.source else "")
        return [("  " * depth + text, reason), *(row for part in self.parts for row in part.rows(depth + 1))]

    def __str__(self) -> str:
        rows = self.rows()
        width = min(72, max(len(text) for text, _ in rows))
        return "\n".join(f"{text:<{width}}   {reason}" for text, reason in rows)


def _text(t: Tensor, edges: tuple[str, ...]) -> str:
    """A tensor with its axes in this order: by position where it can be written so, all lines alike."""
    from tensorgrad.tensor import Product

    return str(t if t.edges == edges else Product((t,), edges))
