"""From a question to its answer: plain texts and SVG, computed in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tensorgrad.api import Derivation, parse_dims, prove, simplify
from tensorgrad.api.results import counted
from tensorgrad.errors import TensorgradError
from tensorgrad.notation import parse_claim
from tensorgrad.playground.question import Question
from tensorgrad.show import derivation_pictures, to_latex, to_svg
from tensorgrad.tensor import Tensor

Status = Literal["simplified", "proved", "refuted", "open", "error"]

LONGEST_TEXT = 4000
MOST_STEPS = 24
"""Steps of a derivation that are drawn; the others are text."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An expression: its notation, its formula, its diagram, and the rule that led to it in a derivation."""

    text: str
    latex: str = ""
    svg: str = ""
    rule: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page shows. `message` says why, for a goal that is not proved and for bad input."""

    status: Status
    message: str = ""
    given: Shown | None = None
    found: Shown | None = None
    summary: tuple[tuple[str, str], ...] = ()
    steps: tuple[Shown, ...] = ()
    program: str = ""
    program_note: str = ""


def answer(question: Question, seconds: float) -> Answer:
    """The answer, after `seconds` of search at most. Bad input is an answer of its own kind; bugs are raised.

    >>> answer(Question("(A @ B).T - B.T @ A.T", "A : n m ; B : m k"), 1.0).found.text
    'zeros[k, n]'
    """
    try:
        question.check()
        dims = parse_dims(question.dims)
        return _proof(question, seconds) if question.is_goal else _simplification(question, dims, seconds)
    except TensorgradError as error:
        return Answer("error", str(error))


def _simplification(question: Question, dims: Mapping[str, int], seconds: float) -> Answer:
    result = simplify(
        question.expression, let=question.let, if_=question.facts, dims=dims, seconds=seconds, verify=True
    )
    found = Answer(
        "simplified",
        given=_shown(result.input),
        found=_shown(result.tensor),
        summary=tuple(result.summary()),
        steps=_steps(result.derivation),
    )
    return _with_program(found, result.tensor, dims)


def _with_program(found: Answer, t: Tensor, dims: Mapping[str, int]) -> Answer:
    from tensorgrad.runtime import compile as compiled

    try:
        return replace(found, program=compiled(dims or None, result=t).source)
    except TensorgradError as missing:
        return replace(found, program_note=str(missing))


def _proof(question: Question, seconds: float) -> Answer:
    claim = parse_claim(question.expression, question.let, question.facts)
    proof = prove(claim, seconds=seconds, verify=True)
    summary = [("rules", ", ".join(proof.rules))] if proof.rules else []
    size = f"{counted(proof.iterations, 'round')}, {counted(proof.classes, 'class')}"
    summary.append(("search", f"{proof.seconds:.3f} s, {size}"))
    reasons = [proof.reason, str(proof.counterexample) if proof.counterexample is not None else ""]
    return Answer(
        proof.status,
        "\n".join(filter(None, reasons)),
        given=_shown(claim.left),
        found=None if claim.right is None else _shown(claim.right),
        summary=tuple(summary),
        steps=_steps(proof.derivation or Derivation()),
    )


def _steps(derivation: Derivation) -> tuple[Shown, ...]:
    drawn = derivation_pictures(Derivation(derivation.steps[:MOST_STEPS]))
    found = [Shown(_text(d.tensor), "", d.svg, d.rule, d.source) for d in drawn]
    found += [Shown(_text(s.after), "", "", s.rule, s.source) for s in derivation.steps[MOST_STEPS:]]
    return tuple(found)


def _shown(t: Tensor) -> Shown:
    return Shown(_text(t), _cut(to_latex(t)), to_svg(t))


def _text(t: Tensor) -> str:
    return _cut(repr(t))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text):,} characters in all)"
