r"""Scenes as TikZ: a picture to \input, or a document that lualatex, pdflatex and xelatex compile."""

from __future__ import annotations

from tensorgrad.show.names import with_fonts
from tensorgrad.show.scene import Label, Scene, Shape, Wire

SCALE = 0.75
"""Points a pixel."""

_STYLES = {
    "tensor": "rounded corners=3pt, fill=blue!9",
    "symmetric": "rounded corners=9pt, fill=green!12",
    "folded": "rounded corners=3pt, densely dashed, fill=black!5",
    "function": "rounded corners=5pt, draw=orange!80!black, fill=orange!5",
    "loop": "rounded corners=14pt, draw=red!70!black, line width=1.2pt",
    "expectation": "draw=violet, fill=violet!4",
    "sum": "rounded corners=3pt, dashed, draw=black!45, fill=black!2",
    "argument": "rounded corners=3pt, dashed, draw=black!45, fill=white",
    "card": "rounded corners=3pt, draw=black!45, fill=white",
}
_BOXES = ("function", "loop", "expectation", "sum", "argument", "card")
_COLORS = {"function": "orange!80!black", "loop": "red!70!black", "expectation": "violet"}

PREAMBLE = r"""\documentclass[tikz,border=4pt]{standalone}
\usepackage{amsmath,amssymb}
"""
FONTS = r"""\usepackage{iftex}
\ifpdftex
  \usepackage{CJKutf8}
  \newcommand\tgwide[1]{\begin{CJK}{UTF8}{gbsn}#1\end{CJK}}
\else
  \usepackage{fontspec}
  \newfontfamily\tgfont{FandolSong-Regular.otf}
  \newcommand\tgwide[1]{{\tgfont #1}}
\fi
"""


def tikz(scene: Scene) -> str:
    """The scene as a `tikzpicture`; needs the packages tikz, amsmath, amssymb."""
    lines = [rf"\begin{{tikzpicture}}[x={SCALE}pt, y=-{SCALE}pt, line width=0.7pt, inner sep=0pt]"]
    lines += [_shape(s) for s in scene.shapes if s.kind in _BOXES]
    lines += [_wire(w) for w in scene.wires]
    lines += [_shape(s) for s in scene.shapes if s.kind not in _BOXES]
    lines += [text for s in scene.shapes for text in _shape_text(s)]
    lines += [_label(t) for t in scene.labels]
    body = with_fonts("\n".join([*lines, r"\end{tikzpicture}"]) + "\n")
    # A document defines the command; a picture that is put into another one must not fail without it.
    return f"\\providecommand\\tgwide[1]{{#1}}%\n{body}" if r"\tgwide" in body else body


def document(body: str, preamble: str = PREAMBLE) -> str:
    """A complete document around TikZ pictures or other LaTeX."""
    fonts = FONTS if r"\tgwide" in body else ""
    return f"{preamble}{fonts}\\begin{{document}}\n{body}\\end{{document}}\n"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _at(x: float, y: float) -> str:
    return f"({_n(x)},{_n(y)})"


def _wire(wire: Wire) -> str:
    parts: list[str] = []
    for piece in wire.pieces:
        a, b, c, d = (_at(x, y) for x, y in piece.controls())
        parts.append(f"{a} -- {d}" if piece.kind == "line" else f"{a} .. controls {b} and {c} .. {d}")
    return rf"\draw[line cap=round] {' '.join(parts)};"


def _shape(s: Shape) -> str:
    if s.kind == "dot":
        return rf"\fill {_at(s.x + s.width / 2, s.y + s.height / 2)} circle[radius={_n(SCALE * s.width / 2)}pt];"
    style = (
        _STYLES[s.kind]
        + (", fill=yellow!45" if s.used else "")
        + (", draw=green!50!black, line width=1.8pt" if s.made else "")
    )
    return rf"\draw[{style}] {_at(s.x, s.y)} rectangle {_at(s.x + s.width, s.y + s.height)};"


def _shape_text(s: Shape) -> list[str]:
    found: list[str] = []
    middle = s.x + s.width / 2
    if s.kind in _BOXES:
        if s.name.text:
            note = rf"\ \ \textcolor{{black!60}}{{\scriptsize${s.note.latex}$}}" if s.note.text else ""
            color = _COLORS.get(s.kind, "black")
            body = rf"\textcolor{{{color}}}{{\footnotesize${s.name.latex}$}}{note}"
            found.append(rf"\node at {_at(middle, s.y + 10)} {{{body}}};")
        return found
    if s.name.text:
        up = 6 if s.note.text else 0
        found.append(rf"\node at {_at(middle, s.y + s.height / 2 - up)} {{${s.name.latex}$}};")
    if s.note.text:
        place = _at(middle, s.y + s.height / 2 + 9)
        found.append(rf"\node at {place} {{\tiny ${s.note.latex}$}};")
    return found


def _label(t: Label) -> str:
    if t.role == "socket":
        return rf"\fill[rounded corners=1pt] {_at(t.x - 2.5, t.y - 6)} rectangle {_at(t.x + 2.5, t.y + 6)};"
    size = {"edge": r"\footnotesize", "size": r"\scriptsize", "mark": r"\tiny", "coefficient": ""}[t.role]
    anchor = {"start": "west", "middle": "center", "end": "east"}[t.anchor]
    color = ", black!60" if t.role in ("size", "mark") else ""
    return rf"\node[anchor={anchor}{color}] at {_at(t.x, t.y)} {{{size}${t.name.latex}$}};"
