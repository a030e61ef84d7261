"""Derivatives of expressions, as expressions."""

from tensorgrad.calculus.derivative import differentiate, expand

__all__ = ["differentiate", "expand"]
