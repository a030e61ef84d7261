"""Every rule of the library is well-formed and true; every line of rejected.rules is refuted; bad rules say why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tensorgrad
from tensorgrad.errors import RuleError
from tensorgrad.notation import BadLine
from tensorgrad.rule import Rule, RuleSet, check, directory, files, library, read, rule
from tensorgrad.rule.loader import REJECTED

LINES = [line for path in files() for line in read(path)]
RULES = [line for line in LINES if isinstance(line, Rule)]
WRONG = [line for line in read(directory() / REJECTED) if isinstance(line, Rule)]


def test_every_line_of_every_file_is_read() -> None:
    bad = [str(line.error) for line in [*LINES, *read(directory() / REJECTED)] if isinstance(line, BadLine)]
    assert not bad, "\n".join(bad)
    assert len(RULES) == len(library()) > 100
    assert len(WRONG) >= 15


@pytest.mark.parametrize("line", RULES, ids=lambda r: r.name)
def test_rule(line: Rule) -> None:
    """Several sizes (different, equal, 1) and two seeds; generic and special values; facts honoured."""
    for seed, effort in ((0, 2), (1, 1)):
        report = check(line, seed=seed, effort=effort)
        assert report.ok, str(report)


@pytest.mark.parametrize("line", WRONG, ids=lambda r: r.name)
def test_rejected_rule(line: Rule) -> None:
    """A wrong rule is refuted, whatever the seed, by an instance that is small."""
    for seed in (0, 1):
        report = check(line, seed=seed)
        assert report.status == "refuted", str(report)
        found = report.counterexample
        assert found is not None
        assert all(size <= 3 for size in found.dims.values())
        assert str(found) in str(report) or found.instance in str(report)


def test_every_rule_has_a_source_or_is_of_this_project() -> None:
    """The names in brackets are listed in references.bib, or are `folklore`."""
    known = (directory() / "references.bib").read_text(encoding="utf-8")
    for line in RULES:
        for source in line.source.split(","):
            key = source.strip().split(":")[0]
            assert not key or key == "folklore" or f"{{{key}," in known, f"{line.name}: [{line.source}]"


LET = "A B : n n ; U : n k ; x y : n ; a b : scalar ; S : n n symmetric ; f : function ; p : scalar integer"

ILL_FORMED = {
    "det(A) => det(A) * b / b": (
        "b does not occur on the left side, so nothing says what it is; write the rule the other way round"
    ),
    "tr(A) + b - b = tr(A) * tr(B) / tr(B)": "B does not occur on the left side, so nothing says what it is",
    "det(A) => det(A) + k - k": "the size k does not occur on the left side, so nothing says what it is",
    "a => abs(a) if positive(a)": (
        "the left side is a bare name, which matches every expression; write the rule the other way round"
    ),
    "det(A) => 0 if invertible(B)": "B does not occur on the left side, so nothing says what it is",
}


@pytest.mark.parametrize("text", ILL_FORMED)
def test_an_ill_formed_rule_says_why(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        rule("bad", text, let=LET)
    assert str(caught.value) == f"bad: ill-formed: {ILL_FORMED[text]}\n  {text}\n  at given in Python"


def test_a_refuted_rule_shows_the_counterexample() -> None:
    with pytest.raises(RuleError) as caught:
        rule("sqrt-of-square", "sqrt(a ** 2) => a", let=LET)
    assert str(caught.value) == (
        "sqrt-of-square: refuted: the sides differ\n"
        "  sqrt(a ** 2) => a\n"
        "  at given in Python\n"
        "  a = -1\n"
        "  left side = 1\n"
        "  right side = -1"
    )


@pytest.mark.parametrize(
    ("good", "wrong"),
    [
        ("sqrt(a) ** 2 => a if nonnegative(a)", "sqrt(a) ** 2 => a"),
        ("a / a => 1 if nonzero(a)", "a / a => 1"),
        ("A @ inv(A) => I[n] if invertible(A)", "A @ inv(A) => I[n]"),
        ("log(a * b) => log(a) + log(b) if positive(a), positive(b)", "log(a * b) => log(a) + log(b)"),
        ("inv(A @ B) => inv(B) @ inv(A)", "inv(A @ B) => inv(A) @ inv(B)"),
        ("adj(A) => det(A) * inv(A) if invertible(A)", "adj(A) => det(A) * inv(A)"),
        ("d(log)(a) => 1 / a if positive(a)", "d(log)(a) => 1 / a"),
        (
            "grad(inv(A), A)[i, j, k, l] => -inv(A)[i, k] * inv(A)[l, j]",
            "grad(inv(A), A)[i, j, k, l] => -inv(A)[i, l] * inv(A)[k, j]",
        ),
        ("grad(det(A), A) => adj(A).T", "grad(det(A), A) => det(A) * inv(A).T"),
        ("max(x + a) = max(x) + a", "max(a * x) = a * max(x)"),
        ("A @ B @ B @ A => A @ A @ B @ B if A @ B = B @ A", "A @ B @ B @ A => A @ A @ B @ B"),
        ("f(diag(x)) = f(0) * ones[n, n] + diag(f(x) - f(0))", "f(diag(x)) = diag(f(x))"),
        ("invertible(A @ B) if invertible(A), invertible(B)", "invertible(A @ B) if invertible(A)"),
        ("psd(U.T @ U)", "pd(U.T @ U)"),
        ("symmetric(inv(S))", "symmetric(S @ A @ S)"),
        ("positive(exp(x))", "positive(exp(x) - 1)"),
        ("det(matpow(A, p)) = det(A) ** p", "tr(matpow(A, p)) = tr(A) ** p"),
    ],
)
def test_the_condition_makes_the_difference(good: str, wrong: str) -> None:
    assert rule("good", good, let=LET).name == "good"
    with pytest.raises(RuleError, match=r"^wrong: refuted: "):
        rule("wrong", wrong, let=LET)


@pytest.mark.parametrize(
    ("text", "if_", "reason"),
    [
        (
            "det(A) * (x @ x) = det(A.T) * (x @ x)",
            "x @ x = -1",
            "too few instances where both sides are defined (cannot sample an instance with",
        ),
        ("log(-exp(a)) = log(-exp(a) - 1)", "", "too few instances where both sides are defined ("),
    ],
)
def test_what_cannot_be_checked_is_not_accepted(text: str, if_: str, reason: str) -> None:
    with pytest.raises(RuleError, match=r"^odd: unchecked: ") as caught:
        rule("odd", text, let=LET, if_=if_)
    assert reason in str(caught.value)


def test_constants_are_checked_by_their_only_instance() -> None:
    report = check(rule("exp-of-zero", "exp(0) => 1"))
    assert report.ok
    assert report.instances == 1


def test_checks_are_deterministic() -> None:
    wrong = RuleSet.from_text("let A B : n n\ndet-sum  det(A + B) = det(A) + det(B)")["det-sum"]
    first, second = check(wrong, seed=5), check(wrong, seed=5)
    assert str(first) == str(second)
    assert first.counterexample is not None
    assert np.isfinite(first.counterexample.left).all()


def test_the_library_is_found_beside_the_package_or_inside_it() -> None:
    package = Path(tensorgrad.__file__).parent
    assert directory() in (package / "_rules", package.parent / "rules")
    assert REJECTED not in {path.name for path in files()}
