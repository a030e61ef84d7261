"""Seeing it: tensors as diagrams (SVG, TikZ, terminal, images) and as formulas, derivations as columns of diagrams."""

from tensorgrad.show.draw import equation_svg, save_image, show, to_html, to_latex, to_svg, to_terminal, to_tikz
from tensorgrad.show.page import Drawn, derivation_html, derivation_latex, derivation_pictures

__all__ = [
    "Drawn",
    "derivation_html",
    "derivation_latex",
    "derivation_pictures",
    "equation_svg",
    "save_image",
    "show",
    "to_html",
    "to_latex",
    "to_svg",
    "to_terminal",
    "to_tikz",
]
