"""What the engine answers: results, proofs and plans, as plain data that prints itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tensorgrad.cost import amount
from tensorgrad.derivation import Derivation
from tensorgrad.errors import UnsupportedError
from tensorgrad.runtime import PlanStep
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Expectation, Tensor

if TYPE_CHECKING:
    from rich.table import Table

    from tensorgrad.api.profile import RunProfile
    from tensorgrad.api.report import Report
    from tensorgrad.egraph.exploration import Searched
    from tensorgrad.egraph.explored import Explored
    from tensorgrad.egraph.partial import Assumption
    from tensorgrad.egraph.profile import Tally
    from tensorgrad.numeric import Counterexample
    from tensorgrad.show import PlanTree

_COLUMNS = ("", "flops", "ratio", "peak", "expression")

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
    tr(B) saturated inv-cancels-right
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
        >>> "inv-cancels-right" in simplify("tr(inv(A) @ B @ A)", let="A B : n n").profile
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
    """The answer to a goal: proved (with a derivation), refuted (with a counterexample), open, or an error.

    `rules` are those of the proof, leaf derivatives too; `reached` are the simplest forms found of the two sides of a goal
    that was not proved. `egraph` is what was explored, `report` how that went (`prove(..., follow=True)` follows the cost).

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
        rest = self.counterexample if self.counterexample is not None else self.derivation
        return self._head() if rest is None else f"{self._head()}\n{rest}"

    def _head(self) -> str:
        return f"{self.status} in {self.seconds:.3f} s" + (f": {self.reason}" if self.reason else "")

    def _repr_html_(self) -> str:
        from tensorgrad.show import derivation_html, text_html

        if self.counterexample is not None:
            return text_html(self._head(), str(self.counterexample))
        return text_html(self._head()) + (derivation_html(self.derivation) if self.derivation is not None else "")

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Priced:
    """One way to compute an expression: the form, its cost and its steps.

    >>> from tensorgrad import plan
    >>> ours = plan("A @ x", {"n": 100}, let="A : n n ; x : n").ours
    >>> ours.name, ours.flops, ours.peak, [str(step) for step in ours.steps]
    ('ours', 20000, 100, ['t1 = A @ x'])
    """

    name: str
    tensor: Tensor
    flops: int
    peak: int
    steps: tuple[PlanStep, ...]


@dataclass(frozen=True, slots=True)
class Plans:
    """Three ways to compute an expression, and what each costs.

    `written`: every product as written by its best path, nothing shared. `flattened`: everything inlined into one
    contraction a term, then a path. `ours`: the cheapest form found, equal parts computed once.

    >>> from tensorgrad import plan
    >>> found = plan("tr(A @ (outer(x, y) + B))", {"n": 100}, let="A B : n n ; x y : n")
    >>> [(way.name, way.flops) for way in found.columns]
    [('written', 2020100), ('flattened', 40201), ('ours', 40000)]
    """

    written: Priced
    flattened: Priced
    ours: Priced
    dims: Mapping[str, int]
    seconds: float
    rules: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Priced, Priced, Priced]:
        """The three ways, the worst first.

        >>> from tensorgrad import plan
        >>> [way.name for way in plan("A @ x", {"n": 100}, let="A : n n ; x : n").columns]
        ['written', 'flattened', 'ours']
        """
        return self.written, self.flattened, self.ours

    def __str__(self) -> str:
        lines = [f"  Complete expression:  {self.written.tensor!r}", f"         Planned form:  {self.ours.tensor!r}"]
        for way in self.columns:
            ratio = (
                f"  ({self.written.flops / max(1, way.flops):,.4g} times cheaper)" if way is not self.written else ""
            )
            lines.append(f"{way.name + ' FLOP count':>22}:  {amount(way.flops)}, peak {amount(way.peak)}{ratio}")
        lines += [f"{'rules':>22}:  {', '.join(self.rules) or 'none'}", "-" * 80, f"{'flops':>12} {'size':>12}   step"]
        lines += [f"{amount(s.flops):>12} {amount(s.size):>12}   {s}" for s in self.ours.steps]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _rows(self) -> list[list[str]]:
        """The three ways as a table."""
        return [
            [
                way.name,
                amount(way.flops),
                f"{self.written.flops / max(1, way.flops):,.4g}",
                amount(way.peak),
                repr(way.tensor),
            ]
            for way in self.columns
        ]

    def _repr_html_(self) -> str:
        from tensorgrad.show import table_html, trees_svg

        return table_html(_COLUMNS, self._rows()) + trees_svg(self.trees)

    @property
    def trees(self) -> tuple[PlanTree, ...]:
        """The three ways as trees of contractions, as `show` draws them.

        >>> from tensorgrad import plan
        >>> [tree.name for tree in plan("A @ x", {"n": 100}, let="A : n n ; x : n").trees]
        ['written', 'flattened', 'ours']
        """
        from tensorgrad.show import PlanTree

        return tuple(
            PlanTree(
                way.name,
                f"{amount(way.flops)} flops, peak {amount(way.peak)} entries",
                way.steps,
                {v.name: tuple(map(str, v.dims)) for v in way.tensor.variables},
            )
            for way in self.columns
        )

    def show(self) -> None:
        """Show the three trees side by side: in a notebook as a picture, else as text on stdout.

        >>> from tensorgrad import plan
        >>> plan("diag(x)", {"n": 100}, let="x : n").show()
        written: 0 flops, peak 10,000 entries
          t1 = x[i] as [i, i]  (n × n)  0 flops
          └─ x  (n)
        flattened: 0 flops, peak 10,000 entries
          t1 = x[i] as [i, i]  (n × n)  0 flops
          └─ x  (n)
        ours: 0 flops, peak 10,000 entries
          t1 = x[i] as [i, i]  (n × n)  0 flops
          └─ x  (n)
        """
        from tensorgrad.show import show_trees

        show_trees(self.trees)

    def save(self, path: str | Path) -> None:
        """Write the picture to a file: .svg, .tex, .txt, and with the extra `images` .png and .pdf.

        >>> import tempfile
        >>> from tensorgrad import plan
        >>> target = Path(tempfile.mkdtemp()) / "plans.svg"
        >>> plan("A @ x", {"n": 100}, let="A : n n ; x : n").save(target)
        >>> target.exists()
        True
        """
        from tensorgrad.show import save_trees

        save_trees(self.trees, path)

    def _repr_svg_(self) -> str:
        from tensorgrad.show import trees_svg

        return trees_svg(self.trees)

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(*_COLUMNS)
        for row in self._rows():
            table.add_row(*row)
        return table
