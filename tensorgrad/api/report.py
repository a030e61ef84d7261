"""How a search went: nodes and cost round by round, and what each rule did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tensorgrad.api.profile import COLUMNS, RunProfile
from tensorgrad.cost import amount
from tensorgrad.egraph.explored import Explored
from tensorgrad.egraph.saturate import Round
from tensorgrad.errors import UnsupportedError

STYLE = """body { margin: 1.5rem; font: 14px/1.5 'DejaVu Sans', Verdana, sans-serif; color: #1f2430; }
h1 { font-size: 1.2rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { padding: .15rem .8rem .15rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; }"""

MOST_ROUNDS = 24
"""Rounds that the text lists; of more, as many are spread over all."""


@dataclass(frozen=True, slots=True)
class Report:
    """The rounds of a search and the profile of its rules; `unit` is what the cost counts.

    `str` prints two tables; in a notebook the rounds are a small plot.

    >>> from tensorgrad import simplify
    >>> report = simplify("inv(inv(A))", let="A : n n").report
    >>> len(report.rounds) > 0, "inv-of-inverse" in report.profile
    (True, True)
    """

    rounds: tuple[Round, ...]
    profile: RunProfile
    unit: str

    @property
    def svg(self) -> str:
        """Nodes and cost round by round as a plot.

        >>> from tensorgrad import simplify
        >>> simplify("inv(inv(A))", let="A : n n", follow=True).report.svg[:4]
        '<svg'
        """
        from tensorgrad.show import growth_svg

        return growth_svg([r.nodes for r in self.rounds], [r.price for r in self.rounds], self.unit)

    @property
    def html(self) -> str:
        """The plot and the table of rules, as one HTML element.

        >>> from tensorgrad import simplify
        >>> "<td>inv-of-inverse</td>" in simplify("inv(inv(A))", let="A : n n").report.html
        True
        """
        head = "".join(f"<th>{escape(column)}</th>" for column in COLUMNS)
        rows = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self.profile.rows()]
        note = "" if self._followed else f"<p>{escape(self._unfollowed)}</p>"
        table = f"<table>\n<tr>{head}</tr>\n" + "\n".join(rows) + "\n</table>"
        return f'<div style="overflow-x:auto">{self.svg}{note}{table}</div>'

    def save(self, path: str | Path, egraph: Explored, title: str) -> None:
        """Write the report, with the picture of the e-graph, as a self-contained page.

        >>> import tempfile
        >>> from tensorgrad import simplify
        >>> found = simplify("inv(inv(A))", let="A : n n", follow=True)
        >>> target = Path(tempfile.mkdtemp()) / "report.html"
        >>> found.report.save(target, found.egraph, "inv(inv(A))")
        >>> "<title>inv(inv(A))</title>" in target.read_text(encoding="utf-8")
        True
        """
        if Path(path).suffix != ".html":
            raise UnsupportedError(f"a report as {Path(path).suffix or path}: name a file .html")
        head = f'<meta charset="utf-8">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>'
        body = f'<h1>{escape(title)}</h1>\n{self.html}\n<div style="overflow-x:auto">{egraph.svg}</div>'
        page = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
        Path(path).write_text(page, encoding="utf-8")

    def _repr_html_(self) -> str:
        return self.html

    @property
    def _followed(self) -> bool:
        return all(r.price is not None for r in self.rounds)

    @property
    def _unfollowed(self) -> str:
        return "the cost was not followed: follow=True notes it after every round"

    def __str__(self) -> str:
        return "\n".join([*self._lines(), "", str(self.profile)])

    def __repr__(self) -> str:
        return str(self)

    def _lines(self) -> Iterator[str]:
        count = len(self.rounds)
        shown = (
            range(count) if count <= MOST_ROUNDS else (k * (count - 1) // (MOST_ROUNDS - 1) for k in range(MOST_ROUNDS))
        )
        yield f"{'round':>6}  {'nodes':>8}" + (f"  {self.unit}" if self._followed else "")
        for k in shown:
            price = self.rounds[k].price
            yield f"{k:>6}  {self.rounds[k].nodes:>8,}" + ("" if price is None else f"  {amount(price)}")
        if not self._followed:
            yield self._unfollowed
