"""The command line: `tensorgrad simplify | prove | explain | check | plan | bench`."""

from tensorgrad.cli.main import main

__all__ = ["main"]
