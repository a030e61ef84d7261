"""Seeing it: tensors as diagrams (SVG, TikZ, terminal, images) and as formulas, derivations as columns of diagrams."""

from tensorgrad.show.draw import equation_svg, save_image, show, to_html, to_latex, to_svg, to_terminal, to_tikz
from tensorgrad.show.egraph import egraph_svg, egraph_text, save_egraph, show_egraph
from tensorgrad.show.growth import growth_svg
from tensorgrad.show.page import (
    Drawn,
    derivation_html,
    derivation_latex,
    derivation_pictures,
    result_html,
    table_html,
    text_html,
)
from tensorgrad.show.plan import PlanTree, save_trees, show_trees, tree_of, trees_svg, trees_text
from tensorgrad.show.times import save_ratios

__all__ = [
    "Drawn",
    "PlanTree",
    "derivation_html",
    "derivation_latex",
    "derivation_pictures",
    "egraph_svg",
    "egraph_text",
    "equation_svg",
    "growth_svg",
    "result_html",
    "save_egraph",
    "save_image",
    "save_ratios",
    "save_trees",
    "show",
    "show_egraph",
    "show_trees",
    "table_html",
    "text_html",
    "to_html",
    "to_latex",
    "to_svg",
    "to_terminal",
    "to_tikz",
    "tree_of",
    "trees_svg",
    "trees_text",
]
