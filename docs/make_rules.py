"""Write the pages of the rule library, `docs/rules/*.md`, and of the open goals, `docs/open.md`: `python docs/make_rules.py`.

All of it comes from `rules/`, its bibliography, `docs/theorems.json` (what the proofs used: `docs/make_theorems.py`) and
`tests/theorems/needs.json` (what is not proved without a rule: `tests/needs.py`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorgrad.notation import Condition, declarations
from tensorgrad.rule import Rule, directory, files, load
from tensorgrad.show.formula import latex_of
from tensorgrad.tensor import Product, Tensor

DOCS = Path(__file__).parent
NEEDS = DOCS.parent / "tests" / "theorems" / "needs.json"
SHOWN = 6
"""Theorems named for one rule; of more, the number is told."""


def pages() -> dict[str, str]:
    """File name, relative to docs/ -> text."""
    proofs: dict[str, list[dict[str, Any]]] = json.loads((DOCS / "theorems.json").read_text(encoding="utf-8"))
    uses = used_by(proofs)
    needs: dict[str, list[str]] = json.loads(NEEDS.read_text(encoding="utf-8"))
    sources = bibliography((directory() / "references.bib").read_text(encoding="utf-8"))
    found = {f"rules/{path.stem}.md": page(path, uses, needs, sources) for path in files()}
    return {**found, "rules/README.md": index(uses), "open.md": open_goals(proofs)}


def used_by(proofs: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """Rule -> the theorems whose proofs use it."""
    found: dict[str, list[str]] = {}
    for goals in proofs.values():
        for goal in goals:
            for rule in goal.get("rules", ()):
                found.setdefault(rule, []).append(goal["name"])
    return found


def bibliography(text: str) -> dict[str, str]:
    """Key -> the reference as one sentence."""
    found: dict[str, str] = {}
    for key, body in re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        fields = dict(re.findall(r"^\s*(\w+)\s*=\s*\{(.*?)\},?\s*$", body, re.MULTILINE))
        author = " and ".join(" ".join(reversed(a.split(", "))) for a in fields["author"].split(" and "))
        edition = f"edition {fields['edition']}" if "edition" in fields else ""
        volume = " ".join(fields[k] for k in ("journal", "volume") if k in fields)
        place = [fields["publisher"]] if "publisher" in fields else [fields[k] for k in ("institution",) if k in fields]
        parts = [author, f"*{fields['title']}*", edition, volume, fields.get("pages", "").replace("--", "-"), *place]
        found[key] = ", ".join(p for p in [*parts, fields.get("year", "")] if p)
    return found


def page(path: Path, uses: dict[str, list[str]], needs: dict[str, list[str]], sources: dict[str, str]) -> str:
    """One rule file: its head comment, then each rule."""
    lines = [f"# {path.name}", "", head(path), ""]
    rules = load(path)
    for rule in rules:
        lines += [*section(rule, uses.get(rule.name, []), needs.get(rule.name, [])), ""]
    cited = dict.fromkeys(key for rule in rules for key, _ in keys(rule) if key in sources)
    lines += ["## Sources", "", *(f"- **{key}**: {sources[key]}" for key in cited)]
    return "\n".join(lines).rstrip() + "\n"


def head(path: Path) -> str:
    """The comment at the head of a rule file."""
    found: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        found.append(line.lstrip("# "))
    return "\n".join(found)


def section(rule: Rule, uses: list[str], needs: list[str]) -> Iterator[str]:
    """The Markdown of one rule."""
    yield from (f"## {rule.name}", "", f"$$ {formula(rule)} $$", "", f"`{rule.text}`", "")
    yield f"- for {letters(rule)}"
    if rule.conditions:
        yield f"- if {', '.join(condition(c) for c in rule.conditions)}"
    yield f"- {'directed' if rule.directed else 'fact' if rule.right is None else 'both ways'}; source: {cited(rule)}"
    if uses:
        more = f" and {len(uses) - SHOWN} more" if len(uses) > SHOWN else ""
        yield f"- used in {', '.join(f'`{name}`' for name in uses[:SHOWN])}{more}"
    if needs:
        yield f"- not proved without it: {', '.join(f'`{name}`' for name in needs)}"


def formula(rule: Rule) -> str:
    """The claim of a rule in LaTeX."""
    if rule.right is None:
        assert rule.concludes is not None and rule.concludes.fact is not None
        return rf"{latex_of(rule.left)} \;\text{{ is {rule.concludes.fact}}}"
    return f"{latex_of(rule.left)} = {latex_of(rule.right)}"


def condition(c: Condition) -> str:
    """A condition in words and LaTeX."""
    if c.law is not None:
        return rf"${latex_of(c.tensor)} \sim {c.law.kind}({', '.join(map(latex_of, c.law.parameters))})$"
    if c.fact is not None:
        return f"${latex_of(c.tensor)}$ is {c.fact}"
    assert c.right is not None
    return f"${latex_of(c.tensor)} = {latex_of(c.right)}$"


def letters(rule: Rule) -> str:
    """The declarations of what occurs in a rule."""
    flat = [Product((t,), t.edges) for t in rule.tensors]
    found = dict.fromkeys(d for t in flat for d in let(t))
    return "; ".join(f"`{d}`" for d in found) or "numbers alone"


def let(t: Tensor) -> list[str]:
    """The declarations of one expression; its laws are conditions of the rule."""
    return [d for d in declarations(t).split(" ; ") if d and " ~ " not in d]


def keys(rule: Rule) -> list[tuple[str, str]]:
    """(key, number) of each source."""
    found = [source.strip().partition(":") for source in rule.source.split(",") if source.strip()]
    return [(key, number) for key, _, number in found]


def cited(rule: Rule) -> str:
    """The sources with their numbers; the texts are at the end of the page."""
    return ", ".join(f"{key}{f' ({number})' if number else ''}" for key, number in keys(rule)) or "none"


def index(uses: dict[str, list[str]]) -> str:
    """The table of the rule files."""
    lines = [
        "# The rule library",
        "",
        "Written by `python docs/make_rules.py` from `rules/`; how to write a rule: [rules/README.md](../../rules/README.md).",
        "",
        "| file | rules | directed | both ways | facts | shown in a proof |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for path in files():
        rules = list(load(path))
        counts = (
            len(rules),
            sum(r.directed for r in rules),
            sum(not r.directed and r.right is not None for r in rules),
            sum(r.right is None for r in rules),
            sum(r.name in uses for r in rules),
        )
        lines.append(f"| [{path.name}]({path.stem}.md) | {' | '.join(map(str, counts))} |")
    return "\n".join(lines) + "\n"


def open_goals(proofs: dict[str, list[dict[str, Any]]]) -> str:
    """The goals that did not come out as claimed."""
    lines = [
        "# Open goals",
        "",
        "Goals of `tests/theorems` that do not come out as claimed, why, and how far each side got.",
        "",
    ]
    for file, goals in proofs.items():
        for goal in goals:
            if "claim" in goal:
                lines += [
                    f"## {goal['name']}",
                    "",
                    f"`{goal['claim']}` ({file})",
                    "",
                    f"- {goal['status']}: {goal['reason']}",
                ]
                lines += [f"- {side} side: `{goal[side]}`" for side in ("left", "right") if side in goal]
                lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the pages."""
    found = pages()
    (DOCS / "rules").mkdir(exist_ok=True)
    for old in (DOCS / "rules").glob("*.md"):
        if f"rules/{old.name}" not in found:
            old.unlink()
    for name, text in found.items():
        (DOCS / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
