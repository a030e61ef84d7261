"""The group of commands, and what happens when one fails."""

from __future__ import annotations

import sys
import traceback
from typing import Any

import click

from tensorgrad import __version__
from tensorgrad.cli.bench import bench
from tensorgrad.cli.check import check
from tensorgrad.cli.draw import draw
from tensorgrad.cli.explain import explain
from tensorgrad.cli.plan import plan
from tensorgrad.cli.playground import playground
from tensorgrad.cli.prove import prove
from tensorgrad.cli.regimes import regimes
from tensorgrad.cli.simplify import simplify
from tensorgrad.cli.theorems import theorems
from tensorgrad.errors import TensorgradError

BAD_INPUT = 2
INTERNAL = 3


class Commands(click.Group):
    """A group that turns errors into one block on stderr and an exit code, never a traceback for bad input."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit 2 for bad input, 3 for an error of our own."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (TensorgradError, OSError) as error:
            click.echo(f"error: {_indented(_message(error))}", err=True)
            ctx.exit(BAD_INPUT)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the outermost border: report, then exit 3
            click.echo(_internal(error), err=True)
            ctx.exit(INTERNAL)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use, not of the alphabet."""
        return list(self.commands)


def _message(error: TensorgradError | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _indented(message: str) -> str:
    return message.strip().replace("\n", "\n  ")


def _internal(error: Exception) -> str:
    frames = traceback.format_tb(error.__traceback__, limit=-4)
    lines = ["internal error: this is a bug of tensorgrad, not of your input", *(f.rstrip() for f in frames)]
    lines.append(f"{type(error).__name__}: {error}")
    lines.append(
        f"Please report it with the command line ({' '.join(sys.argv[:1])} {__version__}) and the lines above."
    )
    return "\n".join(lines)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="tensorgrad")
def main() -> None:
    """Differentiate and simplify tensor expressions: the answer, why it is equal, and what it costs.

    \b
    tensorgrad simplify "grad(tr(A @ X @ B), X)" --let "A : n m ; X : m p ; B : p n"
    tensorgrad prove "det(A @ B @ inv(A)) = det(B)" --let "A B : n n" --if "invertible(A)"
    tensorgrad plan "(A - H.T @ H) @ x" --let "A H : n n ; x : n" --dims n=3000
    """


for _command in (simplify, prove, theorems, explain, draw, check, plan, regimes, bench, playground):
    main.add_command(_command)
