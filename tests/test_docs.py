"""The pages about rules and open goals are those that the library gives, and their formulas are balanced."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import tensorgrad as tg
import tensorgrad.extras
from tensorgrad import api, runtime
from tensorgrad.egraph.explored import Explored
from tensorgrad.numeric import Counterexample
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


RESULTS = (
    *(api.Cost, api.Derivation, api.Plans, api.Priced, api.Proof, api.Regime, api.Regimes, api.Report, api.Result),
    *(api.RuleProfile, api.RunProfile, api.Step, runtime.Optimized, runtime.Plan, runtime.PlanStep, runtime.Step),
    *(Counterexample, Explored),
)
"""The classes of what the functions answer; they are not in `tg` by name."""


def public() -> Iterator[tuple[str, Any]]:
    """Every public name and what it stands for, then the results; modules and the number pi are not asked."""
    for module in (tg, tg.extras, tg.F):
        for name in getattr(module, "__all__", dir(module)):
            if not isinstance(getattr(module, name), ModuleType | tg.Tensor):
                yield f"{module.__name__}.{name}", getattr(module, name)
    for cls in RESULTS:
        yield f"{cls.__module__}.{cls.__name__}", cls


def members(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class has of its own; what it overrides is documented by its base."""
    for own, value in vars(cls).items():
        if own.startswith("_") or any(own in vars(base) for base in cls.__mro__[1:]):
            continue
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, cached_property):
            value = value.func
        value = getattr(value, "__func__", value)
        if isinstance(value, FunctionType):
            yield f"{name}.{own}", value


DOCUMENTED = dict(public())
DOCUMENTED |= {
    key: value for name, cls in DOCUMENTED.items() if isinstance(cls, type) for key, value in members(name, cls)
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_public_name_has_a_summary_and_an_example(name: str) -> None:
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    summary, _, rest = text.partition("\n")
    assert summary and not rest.partition("\n")[0], f"{name}: one line of summary, then an empty one"
    assert doctest.DocTestParser().get_examples(text), f"{name} has no doctest"


def test_doctests_of_cached_properties_are_run() -> None:
    """The collector of doctests passes them by."""
    cached = [(name, vars(cls)) for name, cls in DOCUMENTED.items() if isinstance(cls, type)]
    found = [(f"{n}.{k}", v.func) for n, own in cached for k, v in own.items() if isinstance(v, cached_property)]
    assert found
    for name, function in found:
        example = doctest.DocTestParser().get_doctest(
            function.__doc__ or "", function.__globals__.copy(), name, None, None
        )
        assert doctest.DocTestRunner().run(example).failed == 0, name
