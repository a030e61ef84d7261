"""Commands whose arguments are expressions: `-A @ x` is one, not a list of options."""

from __future__ import annotations

import re

import click


class ExpressionCommand(click.Command):
    """A command that takes what begins with one minus sign for an expression, unless it is one of its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the options first and the expressions behind `--`."""
        return super().parse_args(ctx, self._sorted(ctx, args))

    def _sorted(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name: p for p in self.get_params(ctx) if isinstance(p, click.Option) for name in p.opts}
        options: list[str] = []
        expressions: list[str] = []
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word == "--":
                expressions += rest
                break
            if word.startswith("--") or word in known:
                options.append(word)
                if word in known and not known[word].is_flag and rest:
                    options.append(rest.pop(0))
            elif word[:2] in known and word[:1] == "-" and re.fullmatch(r"-\w[\w./-]+", word):
                options.append(word)  # the value of a short option joined to it, -ofile.svg
            else:
                expressions.append(word)
        return [*options, "--", *expressions]
