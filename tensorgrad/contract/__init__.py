"""Contraction: plans, programs and values of tensors. The only importer of torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorgrad.contract.planning import Plan, PlanStep, plan
    from tensorgrad.contract.step import Step, compile, compile_to_callable, evaluate  # noqa: A004

_LAZY = {
    "Plan": "tensorgrad.contract.planning",
    "PlanStep": "tensorgrad.contract.planning",
    "Step": "tensorgrad.contract.step",
    "compile": "tensorgrad.contract.step",
    "compile_to_callable": "tensorgrad.contract.step",
    "evaluate": "tensorgrad.contract.step",
    "plan": "tensorgrad.contract.planning",
}

__all__ = ["Plan", "PlanStep", "Step", "compile", "compile_to_callable", "evaluate", "plan"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tensorgrad.contract' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
