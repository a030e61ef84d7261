"""Ways to compute an expression side by side, as plain data that prints itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tensorgrad.cost import amount
from tensorgrad.runtime import PlanStep
from tensorgrad.tensor import Tensor

if TYPE_CHECKING:
    from rich.table import Table

    from tensorgrad.show import PlanTree

_COLUMNS = ("", "flops", "ratio", "peak", "expression")


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
