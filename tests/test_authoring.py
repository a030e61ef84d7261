"""Rules of users: written in Python or in a file of their own, checked, used, and refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tensorgrad as tg
from tensorgrad.cli import main
from tensorgrad.errors import NotationError, RuleError, TensorgradError
from tensorgrad.rule import RuleSet, library

RULES = """\
# some of it the library has, in other words
let x : scalar ;  A : n n ;  P : n n idempotent
cosine-double  [mine]  cos(x) ** 4 - sin(x) ** 4 => cos(2 * x)
resolvent      [mine]  inv(I[n] + P) => I[n] - P / 2
one-and-exp    [mine]  positive(exp(x) + 1)
projected      [mine]  pinv(P @ A) @ P => pinv(P @ A)  if symmetric(P)
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's, with my.rules in it."""
    (tmp_path / "my.rules").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_rule_from_python() -> None:
    push = tg.rule(
        "push-through",
        "inv(I[n] + U @ V) @ U = U @ inv(I[k] + V @ U)",
        let="U : n k ; V : k n",
        if_="invertible(I[n] + U @ V)",
        source="hs81",
    )
    assert (push.name, push.source, push.directed, push.where) == ("push-through", "hs81", False, "given in Python")
    assert "if invertible(I[n] + U @ V)" in push.text
    goal = "inv(I[m] + B @ C) @ B = B @ inv(I[l] + C @ B)"
    alone = RuleSet([push])
    assert tg.prove(goal, let="B : m l ; C : l m", rules=alone).status == "proved"
    assert push.name in tg.simplify("inv(I[m] + B @ C) @ B", let="B : m l ; C : l m", rules=alone).profile


CALCULUS = """\
let z m : scalar ;  v : scalar positive ;  x : scalar
softplus-slope  [mine]  d(softplus)(x) => exp(x) / (1 + exp(x))
mean-of-hinge   [mine]  E[z](relu(z))
                        => (m * (1 + erf(m / sqrt(2 * v))) + sqrt(2 * v / pi) * exp(-m ** 2 / (2 * v))) / 2  if z ~ N(m, v)
"""


def test_own_derivatives_stand_before_those_of_the_library() -> None:
    result = tg.simplify("grad(softplus(x) * x, x)", let="x : scalar", rules=library() + RuleSet.from_text(CALCULUS))
    assert "softplus-slope" in str(result.derivation)
    assert "softplus-slope" not in str(tg.simplify("grad(softplus(x) * x, x)", let="x : scalar").derivation)


def test_expectations_are_taken_by_the_rules_given_and_by_no_others() -> None:
    asked = {"expression": "E[z](relu(z))", "let": "z c : scalar ; w : scalar positive", "if_": "z ~ N(c, w)"}
    own = RuleSet.from_text(CALCULUS)
    assert "E[z]" in str(tg.simplify(**asked, rules=RuleSet()).tensor)
    result = tg.simplify(**asked, rules=own, verify=True)
    assert "E[z]" not in str(result.tensor)
    assert result.verified
    assert "mean-of-hinge" in str(result.derivation)


def test_a_closed_form_that_is_not_read_is_named() -> None:
    own = RuleSet.from_text("let z m : scalar ; v : scalar positive\ncube  E[z](z * z * relu(z)) => m  if z ~ N(m, v)")
    with pytest.raises(RuleError, match="cube is no closed form of an expectation: it has z more than once"):
        tg.simplify("E[z](z * relu(z))", let="z : scalar", if_="z ~ N(0, 1)", rules=library() + own)


def test_a_rule_set_from_python_is_used_in_simplifying() -> None:
    own = tg.rule("resolvent", "inv(I[n] + P) => I[n] - P / 2", let="P : n n idempotent")
    without = tg.simplify("inv(I[n] + P) @ x", let="P : n n idempotent ; x : n")
    assert "inv" in str(without.tensor)
    result = tg.simplify("inv(I[n] + P) @ x", let="P : n n idempotent ; x : n", rules=library() + own, verify=True)
    assert "inv" not in str(result.tensor)
    assert result.verified
    assert "resolvent" in result.derivation.rules


def test_a_file_is_checked_where_it_lies(project: Path) -> None:
    done = run("check", "my.rules")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "4 ok"), done.output
    found = json.loads(run("check", "my.rules", "--json").stdout)
    assert [(r["rule"], r["status"], r["where"]) for r in found] == [
        ("cosine-double", "ok", "my.rules:3"),
        ("resolvent", "ok", "my.rules:4"),
        ("one-and-exp", "ok", "my.rules:5"),
        ("projected", "ok", "my.rules:6"),
    ]


def test_a_file_says_what_the_library_has_already(project: Path) -> None:
    found = json.loads(run("check", "--redundant", "my.rules", "--json").stdout)
    status = {r["rule"]: r["status"] for r in found}
    assert status["one-and-exp"] == "implied"
    assert status["projected"] != "implied"
    done = run("check", "--redundant", "my.rules")
    assert done.exit_code == 0
    assert "one-and-exp" in done.stdout and "implied" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", ["simplify", "explain", "prove"])
def test_a_file_is_used_by_the_commands(command: str, project: Path) -> None:
    left, right = "inv(I[n] + P) @ x", "x - P @ x / 2"
    text = f"{left} = {right}" if command == "prove" else left
    done = run(command, text, "--let", "P : n n idempotent ; x : n", "--rules", "my.rules")
    assert done.exit_code == 0, done.output
    assert "resolvent" in done.stdout


LET = "A B : n n ; U : n k ; x : n ; a : scalar"


@pytest.mark.parametrize(
    ("text", "if_", "words"),
    [
        ("det(A + B) = det(A) + det(B)", "", "bad: refuted: the sides differ"),
        ("inv(A) @ A => I[n]", "", "bad: refuted: "),
        ("tr(A) => tr(A) + tr(B) - tr(B)", "", "bad: ill-formed: B does not occur on the left side"),
        ("tr(A) => tr(A) + k - k", "", "bad: ill-formed: the size k does not occur on the left side"),
        ("x => A @ x", "", "bad: ill-formed: the left side is a bare name"),
        ("A @ x => A", "", "the two sides have different orders, 1 and 2"),
        ("U.T @ x => x", "", "the two sides differ in size: axis 0 has size k on the left and n on the right"),
        ("A[i, j] * x[j] => A[i, j] * x[i]", "", "bad: refuted"),
        ("A[i, j] + A[j, i] => A[i, i]", "", "the two sides"),
        ("det(A) * (x @ x) => det(A)", "x @ x = -1", "bad: unchecked: too few instances"),
        ("det(A) != det(B)", "", "!= is for goals"),
        ("det(A)", "", "a claim needs =, => or !="),
        ("det(A => 1", "", "("),
    ],
)
def test_a_bad_rule_is_refused_with_the_reason(text: str, if_: str, words: str) -> None:
    with pytest.raises(TensorgradError) as caught:
        tg.rule("bad", text, let=LET, if_=if_)
    assert isinstance(caught.value, RuleError | NotationError)
    assert words in str(caught.value)


def test_bad_lines_of_a_file_are_told_with_the_good_ones(project: Path) -> None:
    (project / "bad.rules").write_text(
        "let A B : n n ;  x : n\n"
        "good       det(A @ B) = det(B) * det(A)\n"
        "unsound    det(A + B) = det(A) + det(B)\n"
        "unbound    tr(A) => tr(A) + tr(B) - tr(B)\n"
        "unmatched  A @ x => A\n"
        "unsampled  det(A) * (x @ x) => det(A) if x @ x = -1\n",
        encoding="utf-8",
    )
    done = run("check", "bad.rules", "--json")
    assert done.exit_code == 2
    found = {r["rule"]: r["status"] for r in json.loads(done.stdout)}
    assert found == {
        "good": "ok",
        "unsound": "refuted",
        "unbound": "ill-formed",
        "unsampled": "unchecked",
        "unmatched": "unreadable",
    }
    for command in ("simplify", "prove", "explain"):
        done = run(command, "A = A" if command == "prove" else "A", "--let", "A : n n", "--rules", "bad.rules")
        assert done.exit_code == 2
        assert "bad.rules:" in done.stderr
