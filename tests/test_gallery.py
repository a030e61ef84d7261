"""The gallery: every rule as a pair of diagrams, in step with the library."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from docs.make_gallery import article, gallery
from tensorgrad.rule import library

PAGE = Path(__file__).parent.parent / "docs" / "gallery.html"


@pytest.mark.parametrize("name", ["det-of-product", "woodbury", "pd-inverse", "levi-civita-pair-2"])
def test_a_rule_is_a_pair_of_diagrams(name: str) -> None:
    rule = library()[name]
    root = ElementTree.fromstring(article(rule))
    words = " ".join(root.itertext())
    assert root.attrib["id"] == name and rule.text in words and f"[{rule.source}]" in words
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == (1 if rule.right is None else 2)
    assert ("→" in words) == rule.directed or rule.right is None


@pytest.mark.slow
def test_the_page_is_that_of_the_library() -> None:
    assert PAGE.read_text(encoding="utf-8") == gallery(), "the rules have changed: run python docs/make_gallery.py"
