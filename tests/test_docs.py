"""The pages about rules and open goals are those that the library gives, and their formulas are balanced."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

import tensorgrad as tg
from tensorgrad.rule import library
from tests.test_invariance import GOALS
from tests.test_latex import unbalanced

DOCS = Path(__file__).parent.parent / "docs"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_rules = load("make_rules")
PAGES = make_rules.pages()


def test_the_pages_are_in_step() -> None:
    stale = [n for n, text in PAGES.items() if not (DOCS / n).exists() or (DOCS / n).read_text("utf-8") != text]
    assert not stale, f"run `python docs/make_rules.py`: {', '.join(stale)}"
    extra = {f"rules/{p.name}" for p in (DOCS / "rules").glob("*.md")} - set(PAGES)
    assert not extra


def test_every_rule_has_a_section_with_a_formula_and_a_source() -> None:
    text = "\n".join(PAGES.values())
    for rule in library():
        _, _, section = text.partition(f"\n## {rule.name}\n")
        section = section.partition("\n## ")[0]
        (formula,) = re.findall(r"\$\$ (.*?) \$\$", section)
        assert formula and not unbalanced(formula), rule.name
        assert f"`{rule.text}`" in section
        assert "source: none" not in section, rule.name


def test_sources_are_written_out() -> None:
    sources = make_rules.bibliography((DOCS.parent / "rules" / "references.bib").read_text(encoding="utf-8"))
    assert sources["hj91"] == (
        "Roger A. Horn and Charles R. Johnson, *Topics in Matrix Analysis*, Cambridge University Press, 1991"
    )
    cited = {key for rule in library() for key, _ in make_rules.keys(rule)} - {"folklore"}
    assert cited <= set(sources)


@pytest.mark.slow
def test_the_proofs_of_the_pages_are_there() -> None:
    """What `theorems.json` says is proved is a goal of the theorem files, and every goal is in it."""
    proofs = json.loads((DOCS / "theorems.json").read_text(encoding="utf-8"))
    named = {goal["name"] for goals in proofs.values() for goal in goals}
    missing = {goal.name for goal in GOALS} - named
    assert not missing, "run `python docs/make_theorems.py`"


@pytest.mark.parametrize(
    "page", ["README.md", "docs/README.md", "benchmarks/README.md", "rules/README.md", "CONTRIBUTING.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    path = DOCS.parent / page
    links = re.findall(r"(?<!\w)!?\[[^\]]+\]\((?!https?:)([^)#\s]+)\)", path.read_text(encoding="utf-8"))
    assert links or page not in ("README.md", "docs/README.md")
    assert not [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("name", tg.F.__all__)
def test_every_function_has_an_example(name: str) -> None:
    assert ">>>" in (getattr(tg.F, name).__doc__ or "")
