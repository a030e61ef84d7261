"""The notation: text to tensors (`parse`, `parse_claim`, `parse_file`) and back (`to_text`, `to_exact_text`).

`at(y, t, s)` is y with s, of the same shape, in place of the variable t; derivatives inside y are taken first.
"""

from tensorgrad.notation.claims import (
    BadLine,
    Claim,
    Condition,
    parse,
    parse_claim,
    parse_conditions,
    parse_file,
)
from tensorgrad.notation.declaring import parse_scope
from tensorgrad.notation.facts import parse_facts
from tensorgrad.notation.let_text import declarations
from tensorgrad.notation.printer import to_exact_text, to_index, to_index_free, to_text
from tensorgrad.notation.scope import Scope

__all__ = [
    "BadLine",
    "Claim",
    "Condition",
    "Scope",
    "declarations",
    "parse",
    "parse_claim",
    "parse_conditions",
    "parse_facts",
    "parse_file",
    "parse_scope",
    "to_exact_text",
    "to_index",
    "to_index_free",
    "to_text",
]
