"""The functions that a user calls: simplify, prove, explain, plan, and what they answer."""

from tensorgrad.api.bench import Benchmark, Measured, benchmarks, measure
from tensorgrad.api.front import pareto
from tensorgrad.api.gradients import grad, hvp
from tensorgrad.api.inputs import parse_dims
from tensorgrad.api.planning import cost, plan
from tensorgrad.api.plans import Plans, Priced
from tensorgrad.api.profile import RuleProfile, RunProfile
from tensorgrad.api.prove import prove
from tensorgrad.api.redundant import Redundancy, redundancy
from tensorgrad.api.regimes import Regime, Regimes, regimes
from tensorgrad.api.report import Report
from tensorgrad.api.results import Cost, Proof, Result
from tensorgrad.api.rules import select_rules, unmatched
from tensorgrad.api.simplify import explain, full_simplify, simplify, simplify_all
from tensorgrad.api.timing import Run, Timed, TimedCase, machine, measure_time, timed_cases
from tensorgrad.calculus import expand
from tensorgrad.cost import amount
from tensorgrad.derivation import Derivation, Step
from tensorgrad.runtime import PlanStep, measured_rates
from tensorgrad.runtime.rivals import RIVALS

__all__ = [
    "RIVALS",
    "Benchmark",
    "Cost",
    "Derivation",
    "Measured",
    "PlanStep",
    "Plans",
    "Priced",
    "Proof",
    "Redundancy",
    "Regime",
    "Regimes",
    "Report",
    "Result",
    "RuleProfile",
    "Run",
    "RunProfile",
    "Step",
    "Timed",
    "TimedCase",
    "amount",
    "benchmarks",
    "cost",
    "expand",
    "explain",
    "full_simplify",
    "grad",
    "hvp",
    "machine",
    "measure",
    "measure_time",
    "measured_rates",
    "pareto",
    "parse_dims",
    "plan",
    "prove",
    "redundancy",
    "regimes",
    "select_rules",
    "simplify",
    "simplify_all",
    "timed_cases",
    "unmatched",
]
