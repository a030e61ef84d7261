"""Derivatives of expressions, as expressions."""

from tensorgrad.calculus.derivative import closed_forms, differentiate, expand, gradients
from tensorgrad.calculus.forms import ClosedForm
from tensorgrad.calculus.lines import forms_of, lines_of

__all__ = ["ClosedForm", "closed_forms", "differentiate", "expand", "forms_of", "gradients", "lines_of"]
