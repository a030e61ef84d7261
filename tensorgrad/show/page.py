"""Derivations as pictures: a column of diagrams with rules between them (HTML), or aligned formulas (LaTeX)."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from tensorgrad.derivation import Derivation
from tensorgrad.show.build import picture
from tensorgrad.show.formula import latex_of
from tensorgrad.show.layout import layout
from tensorgrad.show.names import latex_text
from tensorgrad.show.picture import Item, Net, Picture, Term
from tensorgrad.show.scene import PIXELS
from tensorgrad.show.svg import svg
from tensorgrad.show.tikz import document
from tensorgrad.tensor import Tensor, renamed

_COLUMN = "font-family:'DejaVu Sans',Verdana,sans-serif;font-size:14px;color:#1f2430;background:#ffffff;padding:8px"
_SCROLL = "overflow-x:auto"
_RULE = "margin:2px 0 2px 24px;color:#6b7280"
_NONE = "no steps: the canonical form decides"


def derivation_html(derivation: Derivation, title: str = "") -> str:
    """The steps as one HTML element, or with a title as a self-contained page.

    Between two diagrams stand the rule and its source; what the rule changed is marked on both sides.
    """
    parts: list[str] = []
    if not derivation.steps:
        parts.append(f'<p style="{_RULE}">{_NONE}</p>')
    pairs = [(s.before, s.after) for s in derivation.steps]
    for k, step in enumerate(derivation.steps):
        if k == 0:
            parts.append(_row(step.before, [step.after]))
        source = f" <span>[{escape(step.source)}]</span>" if step.source else ""
        parts.append(f'<p style="{_RULE}">= &nbsp; <b>{escape(step.rule)}</b>{source}</p>')
        parts.append(_row(step.after, [t for pair in pairs[k : k + 2] for t in pair if t is not step.after]))
    body = f'<div style="{_COLUMN}">\n' + "\n".join(parts) + "\n</div>"
    if not title:
        return body
    head = f'<meta charset="utf-8">\n<title>{escape(title)}</title>'
    heading = f"<h1 style=\"font:600 18px 'DejaVu Sans',Verdana,sans-serif\">{escape(title)}</h1>"
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{heading}\n{body}\n</body>\n</html>\n'


def _row(t: Tensor, others: list[Tensor]) -> str:
    drawn = svg(layout(marked(picture(t), others), PIXELS), str(t))
    return f'<div style="{_SCROLL}">{drawn}</div>'


def derivation_latex(derivation: Derivation, standalone: bool = True) -> str:
    """The steps as aligned formulas with the rule of each; a complete document, or only the `align*`."""
    if not derivation.steps:
        lines = [rf"\text{{{_NONE}}}"]
    else:
        lines = [f"  & {latex_of(derivation.steps[0].before)}"]
        for step in derivation.steps:
            source = f" [{step.source}]" if step.source else ""
            lines.append(f"={{}} & {latex_of(step.after)} && \\text{{{latex_text(step.rule + source)}}}")
    body = "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}\n"
    if not standalone:
        return body
    preamble = "\\documentclass{article}\n\\usepackage[landscape,margin=1cm]{geometry}\n\\usepackage{amsmath,amssymb}\n"
    return document(body, preamble)


def marked(drawn: Picture, others: list[Tensor]) -> Picture:
    """The picture with what occurs in none of the others highlighted: the smallest boxes and nodes that changed."""
    known = {key for t in others for key in _keys(picture(t).terms)}
    return replace(drawn, terms=_marked_terms(drawn.terms, known))


def _keys(terms: tuple[Term, ...]) -> set[str]:
    found: set[str] = set()
    stack = list(terms)
    while stack:
        term = stack.pop()
        for item in term.net.items if term.net is not None else ():
            found.add(_key(item))
            stack += item.inside
    return found


def _key(item: Item) -> str:
    """What an item is, whatever its edges are called."""
    if item.source is None:
        return f"{item.kind} {item.name.text}"
    return str(renamed(item.source, tuple(f"i{k}" for k in range(item.source.order))))


def _marked_terms(terms: tuple[Term, ...], known: set[str]) -> tuple[Term, ...]:
    return tuple(t if t.net is None else replace(t, net=_marked_net(t.net, known)) for t in terms)


def _marked_net(net: Net, known: set[str]) -> Net:
    return replace(net, items=tuple(_marked_item(item, known) for item in net.items))


def _marked_item(item: Item, known: set[str]) -> Item:
    if item.kind == "dot" or _key(item) in known:
        return item
    parts = [i for t in item.inside if t.net is not None for i in t.net.items if i.kind != "dot"]
    changed = [i for i in parts if _key(i) not in known]
    # All new, or the same parts put together in a new way: the box itself is what changed.
    if not changed or len(changed) == len(parts):
        return replace(item, highlight=True)
    return replace(item, inside=_marked_terms(item.inside, known))
