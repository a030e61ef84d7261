"""Derivatives of expressions, as expressions."""

from tensorgrad.calculus.derivative import differentiate, expand, gradients

__all__ = ["differentiate", "expand", "gradients"]
