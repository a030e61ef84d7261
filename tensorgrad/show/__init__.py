"""Seeing it: tensors as diagrams (SVG, TikZ, terminal, images) and as formulas, derivations as columns of diagrams."""

from tensorgrad.show.draw import save_image, show, to_html, to_latex, to_svg, to_terminal, to_tikz
from tensorgrad.show.page import derivation_html, derivation_latex

__all__ = [
    "derivation_html",
    "derivation_latex",
    "save_image",
    "show",
    "to_html",
    "to_latex",
    "to_svg",
    "to_terminal",
    "to_tikz",
]
