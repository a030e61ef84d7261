"""Differentiate and simplify tensor expressions: the answer, the derivation, the cost, a torch program.

`import tensorgrad as tg` loads none of torch, egglog, opt_einsum: names that need them are found on first use.
"""

# `function` and `rule` are functions that bear the name of the module they come from: imported here, at once, they stay
# what `tg.function`, `tg.rule` mean; write `from tensorgrad.rule import ...` for the modules.

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tensorgrad import functions as F
from tensorgrad.errors import (
    BudgetError,
    EdgeError,
    FactError,
    InputError,
    MemoryLimitError,
    NotationError,
    RuleError,
    SizeError,
    TensorgradError,
    UnsoundError,
    UnsupportedError,
    ValueMismatchError,
)
from tensorgrad.functions import Ones, function
from tensorgrad.notation import parse, to_index, to_index_free
from tensorgrad.rule import Rule, RuleSet, check, library, rule
from tensorgrad.sizes import symbols
from tensorgrad.tensor import Delta, Derivative, Expectation, Product, Sum, Tensor, Variable, Zero

if TYPE_CHECKING:
    from tensorgrad.api import (
        expand,
        explain,
        full_simplify,
        grad,
        hvp,
        pareto,
        plan,
        prove,
        regimes,
        simplify,
        simplify_all,
    )
    from tensorgrad.cost import Rates
    from tensorgrad.runtime import (
        compile,
        compile_to_callable,
        contract,
        contract_plan,
        contract_sum,
        evaluate,
        optimize,
    )
    from tensorgrad.show import save_image, to_latex, to_svg, to_terminal, to_tikz

__version__ = "0.1.0"

_LAZY = {
    "compile": "tensorgrad.runtime",
    "evaluate": "tensorgrad.runtime",
    "compile_to_callable": "tensorgrad.runtime",
    "contract": "tensorgrad.runtime",
    "contract_plan": "tensorgrad.runtime",
    "contract_sum": "tensorgrad.runtime",
    "expand": "tensorgrad.api",
    "explain": "tensorgrad.api",
    "full_simplify": "tensorgrad.api",
    "grad": "tensorgrad.api",
    "hvp": "tensorgrad.api",
    "optimize": "tensorgrad.runtime",
    "pareto": "tensorgrad.api",
    "plan": "tensorgrad.api",
    "prove": "tensorgrad.api",
    "save_image": "tensorgrad.show",
    "regimes": "tensorgrad.api",
    "simplify": "tensorgrad.api",
    "simplify_all": "tensorgrad.api",
    "Rates": "tensorgrad.cost",
    "to_latex": "tensorgrad.show",
    "to_svg": "tensorgrad.show",
    "to_terminal": "tensorgrad.show",
    "to_tikz": "tensorgrad.show",
}
"""Public name -> the module that has it."""

__all__ = [
    "BudgetError",
    "Delta",
    "Derivative",
    "EdgeError",
    "Expectation",
    "F",
    "FactError",
    "InputError",
    "MemoryLimitError",
    "NotationError",
    "Ones",
    "Product",
    "Rates",
    "Rule",
    "RuleError",
    "RuleSet",
    "SizeError",
    "Sum",
    "Tensor",
    "TensorgradError",
    "UnsoundError",
    "UnsupportedError",
    "ValueMismatchError",
    "Variable",
    "Zero",
    "check",
    "compile",
    "compile_to_callable",
    "contract",
    "contract_plan",
    "contract_sum",
    "evaluate",
    "expand",
    "explain",
    "full_simplify",
    "function",
    "grad",
    "hvp",
    "library",
    "optimize",
    "pareto",
    "parse",
    "plan",
    "prove",
    "regimes",
    "rule",
    "save_image",
    "simplify",
    "simplify_all",
    "symbols",
    "to_index",
    "to_index_free",
    "to_latex",
    "to_svg",
    "to_terminal",
    "to_tikz",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tensorgrad' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
