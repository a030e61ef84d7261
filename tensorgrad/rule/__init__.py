"""Rules as data: what a rule is, reading `.rules` files, and checking that rules are true."""

from tensorgrad.rule.checker import CheckReport, check, ill_formed, rule
from tensorgrad.rule.loader import directory, files, library, load, load_text, read
from tensorgrad.rule.model import Rule, RuleSet

__all__ = [
    "CheckReport",
    "Rule",
    "RuleSet",
    "check",
    "directory",
    "files",
    "ill_formed",
    "library",
    "load",
    "load_text",
    "read",
    "rule",
]
