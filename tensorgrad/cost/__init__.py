"""What things cost in scalar operations, and the best pairwise order of one contraction.

opt_einsum's count: a pairwise step costs one operation for each combination of its indices, two if it sums any.
Besides: one for each entry of an operand summed over its private edges, one for each entry of an elementwise operation
(a coefficient counts, on the smallest tensor at hand), c * size**e for a function of matrices.
"""

from __future__ import annotations

from tensorgrad.cost.amounts import amount
from tensorgrad.cost.edges import Pair, bits, components, mask_of, path_masks, volume
from tensorgrad.cost.integrals import QUADRATURE, integral_cost
from tensorgrad.cost.looking import Part
from tensorgrad.cost.network import NetworkPlan, Planner, Tree, network_cost
from tensorgrad.cost.prices import (
    CostStep,
    application_cost,
    default_dims,
    network_steps,
    network_traffic,
    symbolic_cost,
    total_cost,
    without_flats,
)
from tensorgrad.cost.rates import Rates
from tensorgrad.cost.sliding import SlidingPlan, sliding_plan

__all__ = [
    "QUADRATURE",
    "CostStep",
    "NetworkPlan",
    "Pair",
    "Part",
    "Planner",
    "Rates",
    "SlidingPlan",
    "Tree",
    "amount",
    "application_cost",
    "bits",
    "components",
    "default_dims",
    "integral_cost",
    "mask_of",
    "network_cost",
    "network_steps",
    "network_traffic",
    "path_masks",
    "sliding_plan",
    "symbolic_cost",
    "total_cost",
    "volume",
    "without_flats",
]
