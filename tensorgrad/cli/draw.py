"""`tensorgrad draw`: the diagram of an expression."""

from __future__ import annotations

import click

from tensorgrad.cli.command import ExpressionCommand
from tensorgrad.cli.options import expression_options, output_option


@click.command(cls=ExpressionCommand)
@click.argument("expression", metavar="EXPR")
@expression_options
@output_option("Write FILE: .svg, .tex, .png, .pdf or .txt.")
@click.option("--simplify", "simplified", is_flag=True, help="Draw the simplest equal form.")
def draw(expression: str, let: str, if_: str, output: str | None, simplified: bool) -> None:
    """Draw EXPR as a tensor diagram: in the terminal, or into a file.

    \b
    tensorgrad draw "tr(A @ B)" --let "A : n m ; B : m n"
    tensorgrad draw "grad(norm2(X @ W - Y), W)" --let "X : b x ; W : x y ; Y : b y" -o gradient.svg
    tensorgrad draw "hess(-(y @ log(softmax(x))), x)" --let "x y : n" --simplify

    In the terminal (S) is a symmetric tensor, [A] another one, ● a copy tensor, a box a function, ╋ an edge that it acts
    along, a double box a derivative, a dashed box a sum. .png and .pdf need the extra: pip install "tensorgrad[images]".
    """
    from tensorgrad.api import simplify
    from tensorgrad.notation import parse
    from tensorgrad.show import save_image, to_terminal

    t = simplify(expression, let=let, if_=if_).tensor if simplified else parse(expression, let=let, if_=if_)
    if output is None:
        click.echo(to_terminal(t))
    else:
        save_image(t, output)
