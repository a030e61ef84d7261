"""The numeric oracle: dense float64 and mod-p evaluation in NumPy, sampling under facts, refutation."""

from tensorgrad.numeric.compare import Comparison, Outcome
from tensorgrad.numeric.differences import finite_gradient
from tensorgrad.numeric.evaluate import evaluate, read_sizes, size_symbols
from tensorgrad.numeric.facts import holds
from tensorgrad.numeric.modular import PRIME, NonRationalError, UndefinedError, evaluate_mod
from tensorgrad.numeric.refute import Counterexample, Search, refute, search, search_fact
from tensorgrad.numeric.sample import SamplingError, names_of, sample
from tensorgrad.numeric.unknown import Smooth, SmoothMap, SmoothVector

__all__ = [
    "PRIME",
    "Comparison",
    "Counterexample",
    "NonRationalError",
    "Outcome",
    "SamplingError",
    "Search",
    "Smooth",
    "SmoothMap",
    "SmoothVector",
    "UndefinedError",
    "evaluate",
    "evaluate_mod",
    "finite_gradient",
    "holds",
    "names_of",
    "read_sizes",
    "refute",
    "sample",
    "search",
    "search_fact",
    "size_symbols",
]
