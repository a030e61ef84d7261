"""Draw the pictures of README: `python docs/make_pictures.py [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

import tensorgrad as tg
from tensorgrad.show.build import picture
from tensorgrad.show.layout import layout
from tensorgrad.show.names import Name
from tensorgrad.show.picture import Picture, Term
from tensorgrad.show.scene import PIXELS
from tensorgrad.show.svg import svg
from tensorgrad.tensor import Tensor


def equation(left: Tensor, right: Tensor) -> str:
    """Two diagrams with an equals sign between them."""
    a, b = picture(left), picture(right)
    drawn = Picture((*a.terms, Term(Name("="), None), *b.terms), a.edges)
    return svg(layout(drawn, PIXELS), f"{left} = {right}")


def pictures() -> dict[str, str]:
    """File name -> SVG."""
    b, x, y = tg.symbols("b x y")
    X, Y, W = tg.Variable("X", b, x), tg.Variable("Y", b, y), tg.Variable("W", x, y)
    error = X @ W - Y
    gradient = (error @ error).grad(W)
    hessian = tg.parse("hess(-(y @ log(softmax(x))), x)", let="x y : n").rename(i0="i", i1="j")
    return {
        "gradient.svg": equation(gradient, gradient.simplify()),
        "hessian.svg": equation(hessian, hessian.simplify()),
        "attention.svg": tg.to_svg(tg.parse("softmax(Q @ K.T / sqrt(d)) @ V", let="Q : s d ; K : t d ; V : t e")),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "pictures"
    for name, text in pictures().items():
        (folder / name).write_text(text, encoding="utf-8")
