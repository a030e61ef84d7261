"""Rule sets: loading, selecting by name, file and tag, joining, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tensorgrad.egraph.engine import rewrites
from tensorgrad.errors import NotationError, RuleError
from tensorgrad.notation import BadLine
from tensorgrad.rule import Rule, RuleSet, library, load, read

TEXT = """
# a comment
let A B : n n ;  x : n ;  S : n n symmetric ;  c : scalar positive
det-product    [mc:18]     det(A @ B) = det(A) * det(B)
trace.cyclic   [folklore]  tr(A @ B) => tr(B @ A)
trace.of.sum               tr(A + B) => tr(A) + tr(B)
log-of-exp                 log(exp(x)) => x
spd                        psd(S @ S)
    if invertible(S)
scaled                     log(c * c) => 2 * log(c)
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    path = tmp_path / "mine.rules"
    path.write_text(TEXT, encoding="utf-8")
    return RuleSet.from_file(path)


def test_rules_keep_what_their_line_says(rules: RuleSet) -> None:
    assert rules.names == ("det-product", "trace.cyclic", "trace.of.sum", "log-of-exp", "spd", "scaled")
    first, cyclic, spd = rules["det-product"], rules["trace.cyclic"], rules["spd"]
    assert (first.source, first.directed, first.file, first.place.line) == ("mc:18", False, "mine.rules", 4)
    assert cyclic.directed
    assert str(cyclic) == "trace.cyclic  [folklore]  tr(A @ B) => tr(B @ A)"
    assert str(spd) == "spd  psd(S @ S) if invertible(S)"
    assert spd.right is None
    assert spd.concludes is not None
    assert str(spd.concludes.fact) == "psd"


def test_facts_of_declarations_and_conditions_are_the_facts_of_a_rule(rules: RuleSet) -> None:
    assert [(str(fact), t.order) for fact, t in rules["spd"].facts] == [("symmetric", 2), ("invertible", 2)]
    assert [(str(fact), t.order) for fact, t in rules["scaled"].facts] == [("positive", 0)]
    assert rules["det-product"].facts == ()


@pytest.mark.parametrize(
    ("globs", "names"),
    [
        (("det-*",), ["det-product"]),
        (("trace.*", "spd"), ["trace.cyclic", "trace.of.sum", "spd"]),
        (("*of*",), ["trace.of.sum", "log-of-exp"]),
        (("nothing",), []),
        ((), []),
    ],
)
def test_select_and_without_split_the_set(rules: RuleSet, globs: tuple[str, ...], names: list[str]) -> None:
    assert list(rules.select(*globs).names) == names
    assert list(rules.without(*globs).names) == [n for n in rules.names if n not in names]


def test_tags_are_the_file_and_the_dotted_prefixes(rules: RuleSet) -> None:
    assert rules["trace.of.sum"].tags == ("mine", "trace", "trace.of")
    assert rules.by_tag("trace").names == ("trace.cyclic", "trace.of.sum")
    assert rules.by_tag("trace.of").names == ("trace.of.sum",)
    assert rules.by_tag("mine").names == rules.names
    assert len(rules.by_tag("det")) == 0


def test_files_are_told_apart(rules: RuleSet) -> None:
    other = RuleSet.from_text("let x : scalar\nsame  x + x => 2 * x", "other.rules")
    both = rules + other
    assert len(both) == len(rules) + 1
    assert both.by_file("other.rules").names == both.by_file("other").names == ("same",)
    assert both.by_file("mine").names == rules.names


def test_joining_keeps_order_and_lets_the_same_rule_stand_once(rules: RuleSet) -> None:
    parts = rules.select("spd") + rules.select("det-*")
    assert parts.names == ("spd", "det-product")
    assert (rules + parts).names == rules.names
    assert (parts + rules["scaled"]).names == ("spd", "det-product", "scaled")
    assert "spd" in parts
    assert rules["spd"] in parts
    assert "scaled" not in parts


def test_two_rules_of_one_name_are_an_error_naming_both_places(rules: RuleSet, tmp_path: Path) -> None:
    path = tmp_path / "more.rules"
    path.write_text("let A B : n n\n\nspd  tr(A @ B) => tr(B @ A)\n", encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        rules + RuleSet.from_file(path)
    assert str(caught.value) == (
        f"two rules are called spd: {tmp_path / 'mine.rules'}:8 and {path}:3; "
        "rename one, or take one out with without()"
    )


def test_an_unknown_name_lists_near_ones(rules: RuleSet) -> None:
    with pytest.raises(RuleError, match=r"^no rule is called det-prod; near: det-product$"):
        rules["det-prod"]
    with pytest.raises(RuleError, match=r"^no rule is called zzz; there are 6 rules$"):
        rules["zzz"]


def test_a_goal_is_no_rule() -> None:
    with pytest.raises(RuleError, match="not-equal: a rule has =, => or concludes a fact; != is for goals"):
        RuleSet.from_text("let A B : n n\nnot-equal  A @ B != B @ A")


def test_a_bad_line_stops_loading_with_its_place_and_reading_goes_on() -> None:
    text = "let A : n n ; B : m m\nbad  A @ B => B @ A\ngood  tr(A.T) => tr(A)"
    with pytest.raises(NotationError, match=r"bad\.rules:2:"):
        RuleSet.from_text(text, "bad.rules")
    lines = read(text, "bad.rules")
    assert [type(line) for line in lines] == [BadLine, Rule]
    assert isinstance(lines[1], Rule)
    assert lines[1].name == "good"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"cannot read the rule file .*none\.rules: No such file"):
        load(tmp_path / "none.rules")


def test_several_files_load_as_one_set(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.rules").write_text(f"let x : scalar\n{name}  x + x => 2 * x\n", encoding="utf-8")
    assert load(tmp_path / "one.rules", tmp_path / "two.rules").names == ("one", "two")


def test_the_library_is_read_once_and_needs_no_heavy_import() -> None:
    assert library() is library()
    code = (
        "import sys\nfrom tensorgrad.rule import library\nassert len(library()) > 100\n"
        "heavy = {'torch', 'egglog', 'opt_einsum'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_conditions_are_solved_in_an_order_in_which_they_can_be() -> None:
    text = "let A B : n n ; v w : n ; c : scalar\nr  tr(A) * v => c * tr(A) * v  if B @ w = c * v, A @ v = B @ w"
    made = next(rewrites(RuleSet.from_text(text)["r"]))
    assert [need.solves for need in made.needs] == [("B", "w"), ("c",)]


def test_a_condition_that_nothing_binds_is_named() -> None:
    rules = RuleSet.from_text("let A B C : n n\nloose  tr(A) => tr(A.T)  if B @ C = C @ B")
    with pytest.raises(RuleError, match="loose: nothing says what B, C in the conditions is"):
        next(rewrites(rules["loose"]))
