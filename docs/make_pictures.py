"""Draw the pictures of README: `python docs/make_pictures.py [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

import tensorgrad as tg
from tensorgrad.show import equation_svg


def pictures() -> dict[str, str]:
    """File name -> SVG."""
    b, x, y = tg.symbols("b x y")
    X, Y, W = tg.Variable("X", b, x), tg.Variable("Y", b, y), tg.Variable("W", x, y)
    error = X @ W - Y
    gradient = (error @ error).grad(W)
    hessian = tg.parse("hess(-(y @ log(softmax(x))), x)", let="x y : n").rename(i0="i", i1="j")
    return {
        "gradient.svg": equation_svg(gradient, gradient.simplify()),
        "hessian.svg": equation_svg(hessian, hessian.simplify()),
        "attention.svg": tg.to_svg(tg.parse("softmax(Q @ K.T / sqrt(d)) @ V", let="Q : s d ; K : t d ; V : t e")),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "pictures"
    for name, text in pictures().items():
        (folder / name).write_text(text, encoding="utf-8")
