"""The options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tensorgrad.errors import SizeError

if TYPE_CHECKING:
    from tensorgrad.rule import RuleSet

Command = TypeVar("Command", bound=Callable[..., Any])


class Dims(click.ParamType):  # pyright: ignore[reportMissingTypeArgument] - generic in newer click only
    """`n=3000,m=10`: a size for each symbol."""

    name = "n=1000,m=10"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """Read the sizes; what is wrong with an item is said of that item."""
        if isinstance(value, dict):
            return value  # type: ignore[reportUnknownVariableType]
        from tensorgrad.api import parse_dims

        try:
            return parse_dims(str(value))
        except SizeError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """Which rules a command works with."""

    added: tuple[str, ...]
    only: tuple[str, ...]
    none: bool
    without: tuple[str, ...]

    def load(self) -> RuleSet:
        """The rule set; rules of the user's files are checked as they are added."""
        from tensorgrad.api import select_rules, unmatched

        chosen = select_rules(added=self.added, only=self.only, none=self.none)
        for note in unmatched(chosen, self.without):
            click.echo(f"note: --without {note}", err=True)
        return chosen.without(*self.without) if self.without else chosen


def rule_options(command: Command) -> Command:
    """--rules, --only-rules, --no-rules, --without; the command gets them as `rules: RuleOptions`."""

    @click.option("--rules", "added_rules", multiple=True, metavar="FILE", help="Add the rules of FILE (repeatable).")
    @click.option(
        "--only-rules", "only_rules", multiple=True, metavar="FILE", help="Use the rules of FILE and no others."
    )
    @click.option("--no-rules", "no_rules", is_flag=True, help="Load no rules: what the canonical form decides.")
    @click.option("--without", multiple=True, metavar="NAME", help="Switch off rules by name or glob (repeatable).")
    @wraps(command)
    def wrapped(*args: Any, added_rules: Any, only_rules: Any, no_rules: bool, without: Any, **kwargs: Any) -> Any:
        if no_rules and only_rules:
            raise click.UsageError("--no-rules and --only-rules contradict each other: give one of them")
        return command(*args, rules=RuleOptions(added_rules, only_rules, no_rules, without), **kwargs)

    return wrapped  # type: ignore[return-value]


def expression_options(command: Command) -> Command:
    """--let and --if; the command gets `let` and `if_`."""
    for option in (
        click.option("--if", "if_", default="", metavar="FACTS", help='Facts, as "invertible(A), symmetric(B)".'),
        click.option("--let", default="", metavar="DECLS", help='Declarations, as "A : n m ; x : m".'),
    ):
        command = option(command)
    return command


def output_option(text: str) -> Callable[[Command], Command]:
    """-o: the file that is written; the command gets `output`."""
    return click.option("-o", "--output", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help=text)


dims_option = click.option("--dims", type=Dims(), metavar="n=1000,m=10", help="Sizes to count costs with.")
time_option = click.option(
    "--time",
    "seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="S",
    help="Seconds to search; of several goals, for each.",
)
profile_option = click.option(
    "--profile", is_flag=True, help="Show what each rule did: matches, new nodes, time, its part of the saving."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
