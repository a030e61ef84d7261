"""The command line: `tensorgrad simplify | prove | explain | draw | check | plan | bench`."""

from tensorgrad.cli.main import main

__all__ = ["main"]
