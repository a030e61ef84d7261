"""Draw every rule of the library as a pair of diagrams: `python docs/make_gallery.py [FILE]` writes docs/gallery.html."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from tensorgrad.rule import Rule, files, load
from tensorgrad.show import to_svg

STYLE = """
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: #f6f7f9; color: #1f2430;
  font: 16px/1.5 system-ui, "DejaVu Sans", Verdana, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .3rem; }
p, nav { color: #5b6472; }
nav a { margin-right: .8rem; white-space: nowrap; }
article { margin: .6rem 0; padding: .6rem .9rem; background: #fff; border: 1px solid #e2e6ec; border-radius: 8px; }
h3 { display: inline; font-size: .95rem; }
h3 a { color: inherit; text-decoration: none; }
article span { color: #5b6472; font-size: .85rem; }
article code { display: block; color: #5b6472; overflow-wrap: anywhere; font-size: .85rem; }
section { display: flex; flex-wrap: wrap; align-items: center; gap: 0 .8rem; }
section b { font-weight: 400; }
div { overflow-x: auto; }
svg { display: block; }
"""

INTRODUCTION = """Every rule that tensorgrad may use, drawn by <code>python docs/make_gallery.py</code> from
<code>rules/</code>. A rule with → is directed, one with = is true both ways. Rows point left and columns right; a box is a
function (a bar marks an edge along which it acts), a loop a derivative, a dot a copy tensor, a dashed box a sum, a round
node a symmetric tensor. Names are variables: a letter stands for any expression of its order. The sources in brackets are
listed in <code>rules/references.bib</code>."""


def gallery() -> str:
    """The page, self-contained."""
    chapters = [(path, tuple(load(path))) for path in files()]
    count = sum(len(rules) for _, rules in chapters)
    links = " ".join(f'<a href="#{path.stem}">{path.stem} ({len(rules)})</a>' for path, rules in chapters)
    body = "\n".join(line for path, rules in chapters for line in chapter(path, rules))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>tensorgrad: the rules as diagrams</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{count} rules as diagrams</h1>\n<p>{INTRODUCTION}</p>\n<nav>{links}</nav>\n{body}\n</body>\n</html>\n"
    )


def chapter(path: Path, rules: tuple[Rule, ...]) -> Iterator[str]:
    """The rules of one file, under the comment at its head."""
    yield f'<h2 id="{path.stem}">{path.name}</h2>\n<p>{escape(head(path))}</p>'
    yield from map(article, rules)


def head(path: Path) -> str:
    """The comment at the head of a rule file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    length = next(k for k, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.lstrip("# ") for line in lines[:length])


def article(rule: Rule) -> str:
    """One rule: name, source, diagrams, the line itself."""
    source = f" <span>[{escape(rule.source)}]</span>" if rule.source else ""
    return (
        f'<article id="{rule.name}"><h3><a href="#{rule.name}">{rule.name}</a></h3>{source}\n'
        f"<section>{drawn(rule)}</section>\n<code>{escape(rule.text)}</code></article>"
    )


def drawn(rule: Rule) -> str:
    """Both sides with an arrow or an equals sign; a fact is said of its side."""
    left = f"<div>{to_svg(rule.left)}</div>"
    if rule.right is None:
        assert rule.concludes is not None
        return f"{left}<b>is {rule.concludes.fact}</b>"
    return f"{left}<b>{'→' if rule.directed else '='}</b><div>{to_svg(rule.right)}</div>"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "gallery.html"
    target.write_text(gallery(), encoding="utf-8")
