"""Derivations in LaTeX: braces and brackets balanced, and compiled where a LaTeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import tensorgrad as tg
from tensorgrad.derivation import Derivation
from tensorgrad.errors import UnsupportedError
from tensorgrad.notation import Claim
from tensorgrad.rule import library
from tensorgrad.show import derivation_latex
from tensorgrad.show.formula import latex_of
from tests.test_invariance import GOALS

EVERY = 29
LATEX = shutil.which("pdflatex")
PREAMBLE = (
    "\\documentclass{article}\n\\usepackage[paperwidth=200cm,paperheight=100cm,margin=1cm]{geometry}\n"
    "\\usepackage{amsmath,amssymb}\n\\newcommand{\\tgwide}[1]{#1}\n\\allowdisplaybreaks\n\\begin{document}\n"
)


def derivations(claims: Sequence[Claim]) -> list[tuple[str, Derivation]]:
    found: list[tuple[str, Derivation]] = []
    for claim in claims:
        try:
            proof = tg.prove(claim)
        except UnsupportedError:
            continue
        if proof.derivation is not None:
            found.append((claim.name, proof.derivation))
    return found


def unbalanced(latex: str) -> str:
    """What is wrong with the brackets of a text in LaTeX; empty if nothing."""
    bare = re.sub(r"\\[{}]", "", latex)
    depth = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return "a } too many"
    if depth:
        return f"{depth} {{ not closed"
    left, right = (len(re.findall(rf"\\{word}(?![a-z])", latex)) for word in ("left", "right"))
    if left != right:
        return f"{left} \\left against {right} \\right"
    begun, ended = (sorted(re.findall(rf"\\{word}\{{(\w+)", latex)) for word in ("begin", "end"))
    return "" if begun == ended else f"{begun} begun, {ended} ended"


def compiled(bodies: Sequence[tuple[str, str]], folder: Path) -> str:
    """What LaTeX says against a document of these bodies; empty if nothing."""
    text = PREAMBLE + "\n".join(f"% {name}\n{body}" for name, body in bodies) + "\\end{document}\n"
    (folder / "all.tex").write_text(text, encoding="utf-8")
    command = [str(LATEX), "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    return "" if done.returncode == 0 else done.stdout[-1500:]


def checked(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    bodies = [(name, derivation_latex(d, standalone=False)) for name, d in derivations(claims)]
    assert bodies
    wrong = [f"{name}: {why}" for name, body in bodies if (why := unbalanced(body))]
    assert not wrong, "\n".join(wrong)
    return bodies


@pytest.mark.parametrize(
    ("latex", "why"),
    [
        (r"\left(x_{i}\right)", ""),
        (r"\{x", ""),
        ("x_{i", "1 { not closed"),
        ("x}_{i", "a } too many"),
        (r"\left(x)", r"1 \left against 0 \right"),
    ],
)
def test_what_is_unbalanced_is_seen(latex: str, why: str) -> None:
    assert unbalanced(latex) == why


def test_rules_are_balanced() -> None:
    for rule in library():
        for t in rule.tensors:
            assert not unbalanced(latex_of(t)), rule.name


def test_some_derivations() -> None:
    checked(GOALS[3::EVERY])


@pytest.mark.skipif(LATEX is None, reason="no pdflatex here: derivations are not compiled")
def test_some_derivations_compile(tmp_path: Path) -> None:
    assert not compiled(checked(GOALS[11 :: 2 * EVERY]), tmp_path)


@pytest.mark.skipif(LATEX is None, reason="no pdflatex here: rules are not compiled")
def test_rules_compile(tmp_path: Path) -> None:
    bodies = [(rule.name, rf"\[ {latex_of(t)} \]") for rule in library() for t in rule.tensors]
    assert not compiled(bodies, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_all_derivations(part: int, tmp_path: Path) -> None:
    bodies = checked(GOALS[part::4])
    if LATEX is not None:
        assert not compiled(bodies, tmp_path)
