"""Contraction: plans, programs and values of tensors. The only importer of torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorgrad.runtime.calibration import measured_rates
    from tensorgrad.runtime.contraction import contract, contract_plan, contract_sum
    from tensorgrad.runtime.optimization import Optimized, optimize
    from tensorgrad.runtime.planning import Plan, PlanStep, plan
    from tensorgrad.runtime.step import Step, compile, compile_to_callable, evaluate  # noqa: A004

_LAZY = {
    "Optimized": "tensorgrad.runtime.optimization",
    "Plan": "tensorgrad.runtime.planning",
    "PlanStep": "tensorgrad.runtime.planning",
    "Step": "tensorgrad.runtime.step",
    "compile": "tensorgrad.runtime.step",
    "compile_to_callable": "tensorgrad.runtime.step",
    "contract": "tensorgrad.runtime.contraction",
    "contract_plan": "tensorgrad.runtime.contraction",
    "contract_sum": "tensorgrad.runtime.contraction",
    "evaluate": "tensorgrad.runtime.step",
    "measured_rates": "tensorgrad.runtime.calibration",
    "optimize": "tensorgrad.runtime.optimization",
    "plan": "tensorgrad.runtime.planning",
}

__all__ = [
    "Optimized",
    "Plan",
    "PlanStep",
    "Step",
    "compile",
    "compile_to_callable",
    "contract",
    "contract_plan",
    "contract_sum",
    "evaluate",
    "measured_rates",
    "optimize",
    "plan",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tensorgrad.runtime' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
