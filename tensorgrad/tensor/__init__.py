"""Tensors with named edges: immutable expression nodes, and the operators a user writes with them.

Nodes know their free edges and sizes and nothing else. What they mean numerically is in `numeric`, what is equal to
what in `diagram` and `egraph`. Names of summed edges are local to the `Product` that sums them.
"""

from __future__ import annotations

from tensorgrad.tensor.arithmetic import add, align, broadcast, power, renamed, tensor
from tensorgrad.tensor.base import Fact, Number, Tensor, TensorLike
from tensorgrad.tensor.derivative import Derivative
from tensorgrad.tensor.edges import Groups
from tensorgrad.tensor.expectation import Expectation, Law
from tensorgrad.tensor.nodes import Apply, Delta, Product, Rename, Scalar, Sum, Zero
from tensorgrad.tensor.structure import Convolution, Flat, LeviCivita, Unit
from tensorgrad.tensor.substitution import resize
from tensorgrad.tensor.traversal import postorder, rebuild, walk, with_children
from tensorgrad.tensor.variable import Variable

__all__ = [
    "Apply",
    "Convolution",
    "Delta",
    "Derivative",
    "Expectation",
    "Fact",
    "Flat",
    "Groups",
    "Law",
    "LeviCivita",
    "Number",
    "Product",
    "Rename",
    "Scalar",
    "Sum",
    "Tensor",
    "TensorLike",
    "Unit",
    "Variable",
    "Zero",
    "add",
    "align",
    "broadcast",
    "postorder",
    "power",
    "rebuild",
    "renamed",
    "resize",
    "tensor",
    "walk",
    "with_children",
]
