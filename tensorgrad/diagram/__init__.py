"""Diagrams: tensors with everything structural gone, in a canonical form that decides equality of structure."""

from __future__ import annotations

from tensorgrad.diagram.expression import expression
from tensorgrad.diagram.insertion import insert, insert_all
from tensorgrad.diagram.naming import check_variables
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Node, Ref, Total
from tensorgrad.diagram.precedence import First, Precedence, as_written
from tensorgrad.diagram.store import Store

__all__ = [
    "Application",
    "First",
    "Handle",
    "Leaf",
    "Network",
    "Node",
    "Precedence",
    "Ref",
    "Store",
    "Total",
    "as_written",
    "check_variables",
    "expression",
    "insert",
    "insert_all",
]
