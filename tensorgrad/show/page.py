"""Derivations as pictures: a column of diagrams with rules between them (HTML), or aligned formulas (LaTeX)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from html import escape
from typing import NamedTuple

from tensorgrad.derivation import Derivation
from tensorgrad.show.build import picture
from tensorgrad.show.formula import latex_of
from tensorgrad.show.layout import layout
from tensorgrad.show.names import latex_text, with_fonts
from tensorgrad.show.picture import Item, Net, Picture, Term
from tensorgrad.show.scene import PIXELS
from tensorgrad.show.svg import MADE, USED, svg
from tensorgrad.show.tikz import document
from tensorgrad.tensor import Tensor, align, renamed

_COLUMN = "font-family:'DejaVu Sans',Verdana,sans-serif;font-size:14px;color:#1f2430;background:#ffffff;padding:8px"
_SCROLL = "overflow-x:auto"
_RULE = "margin:2px 0 2px 24px;color:#6b7280"
_PAGE = "margin:0 auto;max-width:72rem;padding:16px;background:#ffffff"
_HEADING = "font:600 18px 'DejaVu Sans',Verdana,sans-serif;margin:0 8px 8px;color:#1f2430;overflow-wrap:anywhere"
_TEXT = "font:13px 'DejaVu Sans Mono',Menlo,Consolas,monospace;margin:2px 8px 10px;color:#6b7280;overflow-wrap:anywhere"
_LEGEND = (
    f'<span style="background:{USED}">filled</span>: what the next rule replaces &nbsp; '
    f'<span style="outline:2px solid {MADE};margin:0 3px">outlined</span>: what the rule before made'
)
_EQUALS = f'<p style="{_RULE}">=</p>'
_NONE = "no steps: the canonical form decides"


class Drawn(NamedTuple):
    """One expression of a derivation, and the rule that led to it (none to the first)."""

    rule: str
    source: str
    tensor: Tensor
    svg: str


def derivation_pictures(derivation: Derivation) -> list[Drawn]:
    """The expressions of a derivation as diagrams; what each rule changed is marked before it and after it."""
    steps = derivation.steps
    if not steps:
        return []
    found = [Drawn("", "", steps[0].before, _drawn(steps[0].before, None, steps[0].after))]
    for k, step in enumerate(steps):
        after = steps[k + 1].after if k + 1 < len(steps) else None
        found.append(Drawn(step.rule, step.source, step.after, _drawn(step.after, step.before, after)))
    return found


def derivation_html(derivation: Derivation, title: str = "", given: str = "") -> str:
    """The steps as one HTML element, or with a title as a self-contained page; `given` says what the names are.

    Below each diagram stands its notation, between two the rule and its source; what the rule changed is marked.
    """
    parts = [f'<p style="{_RULE}">{_LEGEND if derivation.steps else _NONE}</p>']
    for drawn, (notation, _, _) in zip(derivation_pictures(derivation), derivation.rows(), strict=True):
        if drawn.rule:
            source = f" <span>[{escape(drawn.source)}]</span>" if drawn.source else ""
            parts.append(f'<p style="{_RULE}">= &nbsp; <b>{escape(drawn.rule)}</b>{source}</p>')
        parts.append(f'<div style="{_SCROLL}">{drawn.svg}</div>')
        parts.append(f'<p style="{_TEXT}">{escape(notation)}</p>')
    body = f'<div style="{_COLUMN}">\n' + "\n".join(parts) + "\n</div>"
    if not title:
        return body
    width = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">\n{width}\n<title>{escape(title)}</title>'
    heading = f'<h1 style="{_HEADING}">{escape(title)}</h1>'
    names = f'<p style="{_TEXT};white-space:pre-line">{escape(given)}</p>\n' if given else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body style="{_PAGE}">\n{heading}\n{names}{body}\n'
        "</body>\n</html>\n"
    )


def result_html(before: Tensor, after: Tensor, lines: Sequence[str]) -> str:
    """What was given, what it became, and lines of text below, as one HTML element."""
    notes = "".join(f'<p style="{_RULE}">{escape(line)}</p>' for line in lines)
    return f'<div style="{_COLUMN}">\n{_scrolled(before)}{_EQUALS}{_scrolled(after)}{notes}\n</div>'


def text_html(line: str, rest: str = "") -> str:
    """A line of text, and a block of it as it is printed, as one HTML element."""
    block = f"<pre>{escape(rest)}</pre>" if rest else ""
    return f'<div style="{_COLUMN}"><p>{escape(line)}</p>{block}</div>'


def table_html(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as one HTML element; the first column is text, the others numbers or formulas."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div style="{_SCROLL}"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _scrolled(t: Tensor) -> str:
    return f'<div style="{_SCROLL}">{_drawn(t, None, None)}</div>'


def _drawn(t: Tensor, before: Tensor | None, after: Tensor | None) -> str:
    return svg(layout(marked(picture(t), before, after), PIXELS), str(t))


def derivation_latex(derivation: Derivation, standalone: bool = True) -> str:
    """The steps as aligned formulas with the rule of each; a complete document, or only the `align*`."""
    if not derivation.steps:
        lines = [rf"\text{{{_NONE}}}"]
    else:
        # Written without indices, equal forms must have their axes in one order.
        edges = derivation.steps[0].before.edges
        lines = [f"  & {latex_of(derivation.steps[0].before)}"]
        for step in derivation.steps:
            source = f" [{step.source}]" if step.source else ""
            lines.append(f"={{}} & {latex_of(align(step.after, edges))} && \\text{{{latex_text(step.rule + source)}}}")
    body = with_fonts("\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n")
    if not standalone:
        return body
    preamble = "\\documentclass{article}\n\\usepackage[landscape,margin=1cm]{geometry}\n\\usepackage{amsmath,amssymb}\n"
    preamble += "\\allowdisplaybreaks\n"
    return document(body, preamble)


def marked(drawn: Picture, before: Tensor | None, after: Tensor | None) -> Picture:
    """The picture with what occurs not after it marked as used, and what occurs not before it as made.

    Marked are the smallest boxes and nodes that changed.
    """
    terms = drawn.terms
    for other, change in ((after, _used), (before, _made)):
        if other is not None:
            terms = _marked_terms(terms, _keys(picture(other).terms), change)
    return replace(drawn, terms=terms)


def _used(item: Item) -> Item:
    return replace(item, used=True)


def _made(item: Item) -> Item:
    return replace(item, made=True)


Change = Callable[[Item], Item]


def _keys(terms: tuple[Term, ...]) -> set[str]:
    found: set[str] = set()
    stack = list(terms)
    while stack:
        term = stack.pop()
        for item in term.net.items if term.net is not None else ():
            found |= {_key(item), _head(item)}
            stack += item.inside
    return found


def _key(item: Item) -> str:
    """What an item is, whatever its edges are called."""
    if item.source is None:
        return f"{item.kind} {item.name.text}"
    return str(renamed(item.source, tuple(f"i{k}" for k in range(item.source.order))))


def _head(item: Item) -> str:
    """What kind of box an item is: `inv(` of anything, a sum, ..."""
    return f"{item.kind} {item.name.text}("


def _marked_terms(terms: tuple[Term, ...], known: set[str], change: Change) -> tuple[Term, ...]:
    return tuple(t if t.net is None else replace(t, net=_marked_net(t.net, known, change)) for t in terms)


def _marked_net(net: Net, known: set[str], change: Change) -> Net:
    return replace(net, items=tuple(_marked_item(item, known, change) for item in net.items))


def _marked_item(item: Item, known: set[str], change: Change) -> Item:
    if item.kind == "dot" or _key(item) in known:
        return item
    parts = [i for t in item.inside if t.net is not None for i in t.net.items if i.kind != "dot"]
    changed = [i for i in parts if _key(i) not in known]
    # No such box, all new in it, or its parts put together in a new way: then the box itself is what changed.
    if _head(item) not in known or not changed or len(changed) == len(parts):
        return change(item)
    return replace(item, inside=_marked_terms(item.inside, known, change))
