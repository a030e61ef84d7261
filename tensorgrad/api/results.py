"""What the engine answers: results and proofs, as plain data that prints itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from tensorgrad.cost import amount
from tensorgrad.derivation import Derivation, Ground
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Expectation, Tensor

if TYPE_CHECKING:
    from tensorgrad.api.profile import RunProfile
    from tensorgrad.api.report import Report
    from tensorgrad.egraph.exploration import Searched
    from tensorgrad.egraph.explored import Explored
    from tensorgrad.egraph.partial import Assumption
    from tensorgrad.egraph.profile import Tally
    from tensorgrad.numeric import Counterexample

Stopped = Literal["goal", "saturated", "stalled", "seconds", "nodes", "rounds"]
Status = Literal["proved", "refuted", "open", "error"]


def counted(count: int, noun: str) -> str:
    """How many of something there are.

    >>> counted(1, "round"), counted(0, "class")
    ('1 round', '0 classes')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


@dataclass(frozen=True, slots=True)
class Cost:
    """Scalar operations, and most entries of intermediates and outputs alive at one time; numbers when sizes are.

    >>> print(Cost(2000, 10))
    2,000 flops, peak 10 entries
    """

    flops: Poly | int
    peak: Poly | int

    def __str__(self) -> str:
        return f"{amount(self.flops)} flops, peak {amount(self.peak)} entries"


@dataclass(frozen=True)
class Result:
    """A simplification: the tensor found, why it is equal, what both cost, and why the search stopped.

    `expanded` is the input after differentiation. `assumed` are the facts that make the input defined, used where
    needed. `verified` is True when input and output agreed on random values, None when that was not tried or not
    possible (`verified_reason` says). `egraph` is what was explored (`result.egraph.show()`), `report` how that went.

    >>> from tensorgrad import simplify
    >>> found = simplify("tr(inv(A) @ B @ A)", let="A B : n n")
    >>> print(found.tensor, found.stopped, *found.derivation.rules)
    tr(B) saturated inv-cancels
    """

    input: Tensor
    expanded: Tensor
    tensor: Tensor
    dims: Mapping[str, int]
    seconds: float
    stopped: Stopped
    assumed: tuple[Assumption, ...]
    verified: bool | None
    verified_reason: str
    derivation: Derivation
    rounds: int = 0
    classes: int = 0
    nodes: int = 0
    dropped: int = 0
    egraph: Explored = field(compare=False, repr=False, kw_only=True)

    @cached_property
    def before(self) -> Cost:
        """The cost of the input as written, nothing shared; counted when first asked for.

        >>> from tensorgrad import simplify
        >>> simplify("tr(A @ B) + tr(B @ A)", let="A B : n n", dims={"n": 10}).before.flops
        4021
        """
        from tensorgrad.api.planning import written_price

        return written_price(self.expanded, self.dims)

    @cached_property
    def after(self) -> Cost:
        """The cost of the tensor found, equal parts once; counted when first asked for.

        >>> from tensorgrad import simplify
        >>> simplify("tr(A @ B) + tr(B @ A)", let="A B : n n", dims={"n": 10}).after.flops
        201
        """
        from tensorgrad.api.planning import price

        return price(self.tensor, self.dims)

    @property
    def cost(self) -> Cost:
        """The cost of the tensor found.

        >>> from tensorgrad import simplify
        >>> print(simplify("A @ x", let="A : n m ; x : m").cost)
        2*m*n flops, peak n entries
        """
        return self.after

    @cached_property
    def profile(self) -> RunProfile:
        """What each rule did in the run, and how much of the saving it brought (sizes not given are chosen large).

        >>> from tensorgrad import simplify
        >>> "inv-cancels" in simplify("tr(inv(A) @ B @ A)", let="A B : n n").profile
        True
        """
        from tensorgrad.api.planning import operations
        from tensorgrad.api.profile import profile_of

        return profile_of(self.egraph.graph.profile.tallies, self.derivation, lambda t: operations(t, self.dims))

    @cached_property
    def report(self) -> Report:
        """How the search went: nodes and cost round by round, and what each rule did.

        >>> from tensorgrad import simplify
        >>> simplify("inv(inv(A))", let="A : n n", follow=True).report.unit
        'symbols'
        """
        from tensorgrad.api.report import Report

        return Report(self.egraph.history, self.profile, "flops" if self.dims else "symbols")

    @cached_property
    def integrals(self) -> tuple[Expectation, ...]:
        """The expectations without a closed form that are left in the tensor found.

        >>> from tensorgrad import simplify
        >>> found = simplify("E[x](tanh(x + 1))", let="x mu s : scalar", if_="x ~ N(mu, s**2)")
        >>> [str(t) for t in found.integrals]
        ['E[x](tanh(x + 1))']
        """
        from tensorgrad.calculus.laws import outermost

        return tuple(outermost(self.tensor))

    def summary(self) -> list[tuple[str, str]]:
        """What a person wants to know beside the form itself, as (label, text).

        >>> from tensorgrad import simplify
        >>> dict(simplify("A @ x", let="A : n m ; x : m").summary())["after"]
        '2*m*n flops, peak n entries'
        """
        lines = [("before", str(self.before)), ("after", str(self.after))]
        if self.assumed:
            lines.append(("assumed", ", ".join(map(str, self.assumed))))
        if self.integrals:
            lines.append(("integrals", f"no closed form is known of {', '.join(map(str, self.integrals))}"))
        by = ", expectations by quadrature" if self.integrals else ""
        lines.append(("verified", f"on random values{by}" if self.verified else f"not: {self.verified_reason}"))
        lines.append(("rules", ", ".join(self.derivation.rules) or "none"))
        search = f"{self.seconds:.3f} s, {counted(self.rounds, 'round')}, {counted(self.classes, 'class')}"
        if self.dropped:
            search += f", {self.dropped} views dropped"
        lines.append(("stopped", f"{self.why_stopped} ({search})"))
        return lines

    @property
    def why_stopped(self) -> str:
        """Why the search ended, in words.

        >>> from tensorgrad import simplify
        >>> simplify("inv(inv(A))", let="A : n n").why_stopped
        'saturated'
        """
        if self.stopped in ("goal", "saturated"):
            return self.stopped
        if self.stopped == "stalled":
            return "stalled: factoring and distributing go on, but brought nothing cheaper"
        return f"{self.stopped}: the budget ran out, this is the best form so far"

    def __str__(self) -> str:
        lines = [repr(self.tensor), f"  {self.before}  ->  {self.after}"]
        if self.assumed:
            lines.append(f"  where defined: {', '.join(map(str, self.assumed))}")
        if self.integrals:
            lines.append(f"  no closed form is known of {', '.join(map(str, self.integrals))}")
        by = ", expectations by quadrature" if self.integrals else ""
        verified = f"verified numerically{by}" if self.verified else f"not verified: {self.verified_reason}"
        size = f"{counted(self.rounds, 'round')}, {counted(self.nodes, 'node')}"
        lines.append(f"  {self.stopped} after {self.seconds:.3f} s, {size}; {verified}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from tensorgrad.show import result_html

        return result_html(self.input, self.tensor, [f"{label}: {text}" for label, text in self.summary()])

    def __repr__(self) -> str:
        return str(self)

    def explain(self) -> Derivation:
        """The derivation from the input to the tensor found.

        >>> from tensorgrad import simplify
        >>> print(simplify("inv(inv(A))", let="A : n n").explain())
          inv(inv(A))
        = A             inv-of-inverse  [hj13:0.5]
        """
        return self.derivation


@dataclass(frozen=True, slots=True)
class Proof:
    """The answer to a goal: proved (and why), refuted (with a counterexample), open, or an error.

    Why an equation holds is its `derivation`, why a fact does its `ground`. `rules` are those of the proof, leaf derivatives
    too; `reached` are the simplest forms found of the two sides of a goal that was not proved. `egraph` is what was
    explored, `report` how that went (`prove(..., follow=True)` follows the cost).

    >>> from tensorgrad import prove
    >>> prove("tr(A @ B) = tr(B @ A)", let="A : n m ; B : m n").status
    'proved'
    >>> prove("A @ B = B @ A", let="A B : n n").status
    'refuted'
    """

    status: Status
    seconds: float = 0.0
    iterations: int = 0
    classes: int = 0
    rules: tuple[str, ...] = ()
    derivation: Derivation | None = None
    counterexample: Counterexample | None = None
    ground: Ground | None = None
    reached: tuple[Tensor, Tensor] | None = None
    reason: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict[str, "Tally"], compare=False, repr=False)
    searched: Searched | None = field(default=None, compare=False, repr=False)

    @property
    def egraph(self) -> Explored:
        """What was explored, both sides of the goal marked (`proof.egraph.show()`); UnsupportedError without a search.

        >>> from tensorgrad import prove
        >>> len(prove("inv(inv(A)) = A", let="A : n n").egraph.sides)
        2
        """
        if self.searched is None:
            raise UnsupportedError(f"the e-graph of a goal that was not searched for: {self.reason or self.status}")
        return self.searched.explored()

    @property
    def report(self) -> Report:
        """How the search went: nodes and the size of both sides round by round, and what each rule did.

        >>> from tensorgrad import prove
        >>> prove("inv(inv(A)) = A", let="A : n n", follow=True).report.unit
        'symbols'
        """
        from tensorgrad.api.report import Report

        return Report(self.egraph.history, self.profile, "symbols")

    @property
    def profile(self) -> RunProfile:
        """What each rule did in the search, and its steps in the derivation.

        >>> from tensorgrad import prove
        >>> prove("inv(inv(A)) = A", let="A : n n").profile["inv-of-inverse"].steps
        1
        """
        from tensorgrad.api.profile import profile_of

        return profile_of(self.tallies, self.derivation or Derivation())

    def __bool__(self) -> bool:
        return self.status == "proved"

    def __str__(self) -> str:
        found = (self.counterexample, self.ground, self.derivation)
        rest = next((part for part in found if part is not None), None)
        return self._head() if rest is None else f"{self._head()}\n{rest}"

    def _head(self) -> str:
        return f"{self.status} in {self.seconds:.3f} s" + (f": {self.reason}" if self.reason else "")

    def _repr_html_(self) -> str:
        from tensorgrad.show import derivation_html, text_html

        if self.counterexample is not None:
            return text_html(self._head(), str(self.counterexample))
        if self.ground is not None:
            return text_html(self._head(), str(self.ground))
        return text_html(self._head()) + (derivation_html(self.derivation) if self.derivation is not None else "")

    def __repr__(self) -> str:
        return str(self)
