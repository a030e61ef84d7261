"""The functions that a user calls to see a tensor."""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

from tensorgrad.errors import UnsupportedError
from tensorgrad.notation import to_index_free
from tensorgrad.show.build import picture
from tensorgrad.show.formula import formula, index_latex, latex_of
from tensorgrad.show.layout import layout
from tensorgrad.show.names import Name
from tensorgrad.show.picture import Picture, Term
from tensorgrad.show.scene import CELLS, PIXELS, Scene
from tensorgrad.show.svg import svg
from tensorgrad.show.terminal import terminal
from tensorgrad.show.tikz import document, tikz
from tensorgrad.tensor import Tensor

LONGEST_TITLE = 300


def to_svg(t: Tensor) -> str:
    """The diagram of a tensor as an SVG document.

    Free edges point left (rows) and right (columns), named `name:size`; other wires bear their size. A round node is
    symmetric; the legs of a matrix are its rows, left, and its columns, right, unless it is called `Aᵀ`; of higher order
    each leg bears its axis. A dot is a copy tensor. A box is a function: edges cross it, and a bar marks one that it acts
    along (rows of a matrix function lie at rows of its argument). A red loop is a derivative, new edges begin at it; a
    dashed box a sum, whose terms say the edges by name; what is too much is folded and says so.

    >>> import tensorgrad as tg
    >>> to_svg(tg.Variable("A", i="n", j="m"))[:4]
    '<svg'
    """
    return svg(layout(picture(t), PIXELS), _title(t))


def equation_svg(left: Tensor, right: Tensor) -> str:
    """Two diagrams with an equals sign between them.

    >>> import tensorgrad as tg
    >>> A, B = tg.Variable("A", i="n", j="m"), tg.Variable("B", i="n", j="m")
    >>> equation_svg(A + B, B + A).count("<rect")
    5
    """
    a, b = picture(left), picture(right)
    drawn = Picture((*a.terms, Term(Name("="), None), *b.terms), a.edges)
    return svg(layout(drawn, PIXELS), _cut(f"{left} = {right}"))


def to_tikz(t: Tensor, standalone: bool = False) -> str:
    r"""The diagram as a `tikzpicture`, or with `standalone` as a document that lualatex and pdflatex compile.

    >>> import tensorgrad as tg
    >>> to_tikz(tg.Variable("A", i="n", j="m")).startswith(r"\begin{tikzpicture}")
    True
    """
    drawn = tikz(layout(picture(t), PIXELS))
    return document(drawn) if standalone else drawn


def to_terminal(t: Tensor) -> str:
    """The diagram in box-drawing characters.

    >>> import tensorgrad as tg
    >>> print(to_terminal(tg.Variable("A", i="n", j="m") @ tg.Variable("x", j="m")))
    i:n ──[A]─m─[x]
    """
    return terminal(layout(picture(t), CELLS))


def to_latex(t: Tensor, index_free: bool | None = None) -> str:
    r"""The formula in LaTeX: by default without indices where possible; `index_free` says yes or no.

    Raises UnsupportedError with `index_free=True` for a tensor that has no notation without indices.

    >>> import tensorgrad as tg
    >>> to_latex(tg.parse("det(A @ B)", let="A B : n n"))
    '\\det\\left(A B\\right)'
    """
    if index_free is None:
        return latex_of(t)
    return formula(to_index_free(t), t) if index_free else index_latex(t)


def save_image(t: Tensor, path: str | Path) -> None:
    """Write the diagram to a file: .svg and .tex always, .png and .pdf with the extra `images`.

    >>> import tempfile
    >>> from tensorgrad import Variable
    >>> path = Path(tempfile.mkdtemp()) / "x.svg"
    >>> save_image(Variable("x", i="n"), path)
    >>> path.read_text(encoding="utf-8")[:4]
    '<svg'
    """
    save_scene(layout(picture(t), PIXELS), path, _title(t), lambda: to_terminal(t))


def save_scene(scene: Scene, path: str | Path, title: str, text: Callable[[], str]) -> None:
    """Write a scene to a file of the kind that its name says; `text` is for .txt."""
    target = Path(path)
    match target.suffix:
        case ".svg":
            target.write_text(svg(scene, title), encoding="utf-8")
        case ".tex":
            target.write_text(document(tikz(scene)), encoding="utf-8")
        case ".txt":
            target.write_text(text() + "\n", encoding="utf-8")
        case ".png" | ".pdf":
            from tensorgrad.show.image import save

            save(scene, target)
        case suffix:
            raise UnsupportedError(f"images of the kind {suffix or path}: name a file .svg, .png, .pdf, .tex or .txt")


def to_html(t: Tensor) -> str:
    """The diagram with its text below, as one HTML element that scrolls when it is wide."""
    text = f'<div><code style="font-size:12px">{escape(_title(t))}</code></div>'
    return f'<div style="overflow-x:auto">{to_svg(t)}{text}</div>'


def show(t: Tensor) -> None:
    """Show the diagram: in a notebook as a picture, else as text on stdout."""
    display_or_print(lambda: to_svg(t), lambda: to_terminal(t))


def display_or_print(picture_svg: Callable[[], str], text: Callable[[], str]) -> None:
    """Display SVG where there is a notebook, else print text."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and getattr(shell, "kernel", None) is not None:
        from IPython.display import SVG, display  # pyright: ignore

        display(SVG(picture_svg()))
    else:
        sys.stdout.write(text() + "\n")


def _title(t: Tensor) -> str:
    return _cut(str(t))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"
