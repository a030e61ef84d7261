"""Derivatives of expressions, as expressions."""

from tensorgrad.calculus.derivative import closed_forms, differentiate, expand, gradients
from tensorgrad.calculus.forms import packaged_forms

__all__ = ["closed_forms", "differentiate", "expand", "gradients", "packaged_forms"]
