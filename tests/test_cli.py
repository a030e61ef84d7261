"""The command line: results, JSON shapes, exit codes, and error blocks that name the place and the remedy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tensorgrad as tg
from tensorgrad import api
from tensorgrad.cli import main

THREE = ["--let", "A : n m ; X : m p ; B : p n"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def rows(*arguments: str) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code in (0, 1, 2), done.output
    return json.loads(done.stdout)


# simplify


def test_simplify_prints_the_form_first() -> None:
    done = run("simplify", "grad(tr(A @ X @ B), X)", *THREE)
    assert done.exit_code == 0
    assert done.stderr == ""
    first, *rest = done.stdout.splitlines()
    assert tg.parse(first, let=THREE[1]) == tg.parse("A.T @ B.T", let=THREE[1])
    assert [line.split()[0] for line in rest] == ["before", "after", "verified", "rules", "stopped"]


def test_simplify_json() -> None:
    let = "A H : n n ; x : n"
    answer = rows("simplify", "(A - H.T @ H) @ x", "--let", let, "--dims", "n=3000")
    assert list(answer) == [
        "input",
        "output",
        "dims",
        "seconds",
        "stopped",
        "assumed",
        "cost",
        "verified",
        "verified_reason",
        "derivation",
    ]
    assert answer["input"] == "(A - H.T @ H) @ x"
    assert tg.parse(answer["output"], let=let) == tg.parse("A @ x - H.T @ (H @ x)", let=let)
    assert answer["dims"] == {"n": 3000}
    assert answer["stopped"] in ("goal", "saturated", "stalled", "seconds", "nodes", "rounds")
    assert answer["cost"]["before"]["flops"] > 900 * answer["cost"]["after"]["flops"]
    assert answer["cost"]["after"]["peak"] < 3000 * 3000
    assert answer["verified"] is True
    assert answer["derivation"]
    for step in answer["derivation"]:
        assert list(step) == ["rule", "source", "before", "after"]
        assert tg.parse(step["after"], let=let).shape == tg.parse(answer["output"], let=let).shape


def test_simplify_without_sizes_counts_in_polynomials() -> None:
    cost = rows("simplify", "A @ X", *THREE)["cost"]
    assert cost["before"] == cost["after"] == {"flops": "2*m*n*p", "peak": "n*p"}


def test_output_of_named_edges_keeps_their_names() -> None:
    let = "A : n m ; x : m"
    answer = rows("simplify", "sum[j](A[i, j] * x[j])", "--let", let)
    assert tg.parse(answer["output"], let=let).edges == ("i",)


def test_facts_are_reported_as_assumed() -> None:
    answer = rows("simplify", "inv(A) @ A @ x", "--let", "A : n n ; x : n")
    assert (answer["output"], answer["assumed"]) == ("x", ["invertible(A)"])


PROFILE = ["rule", "matches", "new", "nodes", "seconds", "steps", "saving"]


def test_profile_of_a_simplification() -> None:
    words = ["simplify", "inv(A @ B) @ A @ B @ x", "--let", "A B : n n ; x : n", "--if", "invertible(A), invertible(B)"]
    profile = {row["rule"]: row for row in rows(*words, "--dims", "n=300", "--profile")["profile"]}
    assert all(list(row) == PROFILE for row in profile.values())
    cancel = profile["inv-cancels"]
    assert cancel["matches"] >= cancel["new"] >= cancel["steps"] == 1
    assert cancel["saving"] > 300**3  # the whole of it: the inverse and the products
    assert profile["inv-of-product"]["steps"] == 0  # it matched, and brought nothing
    assert profile["find matches"]["seconds"] > 0
    done = run(*words, "--profile")
    assert "inv-cancels" in done.stdout and "(100 %)" in done.stdout
    assert "profile" not in rows(*words)


def test_profile_of_proofs() -> None:
    words = ["prove", "det(A @ B) = det(B @ A)", "logdet(A @ B) = logdet(B @ A)", "--let", "A B : n n"]
    one, other = rows(*words, "--profile")
    assert {row["rule"] for row in one["profile"]} & {"det-of-product", "logdet-of-product"} == {"det-of-product"}
    assert {row["rule"] for row in other["profile"]} & {"det-of-product", "logdet-of-product"} == {"logdet-of-product"}
    done = run(*words, "--profile")
    assert "det-of-product" in done.stdout.partition("profile")[2]
    assert "logdet-of-product" in done.stdout.partition("profile")[2]


# prove


def test_prove_json_of_goals() -> None:
    answers = rows("prove", "tr(A @ B) = tr(B @ A)", "A @ B = B @ A", "A @ B != B @ A", "--let", "A B : n n")
    keys = ["name", "file", "line", "status", "seconds", "iterations", "classes", "rules"]
    assert [list(a) for a in answers] == [keys] * 3
    assert [a["status"] for a in answers] == ["proved", "refuted", "refuted"]
    assert [(a["name"], a["file"], a["line"]) for a in answers] == [(None, None, None)] * 3
    assert answers[0]["rules"] == []


@pytest.mark.parametrize(
    ("goals", "code"),
    [
        (["A @ I[n] = A"], 0),
        (["A @ I[n] = A", "A.T != A"], 0),
        (["A.T = A"], 1),
        (["A @ I[n] = A", "A.T = A"], 1),
        (["tr(f(A)) = 1"], 1),
        (["A @ I[n] != A"], 1),
        (["A @ = A"], 2),
    ],
)
def test_prove_exit_codes(goals: list[str], code: int) -> None:
    assert run("prove", *goals, "--let", "A : n n ; f : function").exit_code == code


def test_counterexample_is_shown() -> None:
    done = run("prove", "A.T = A", "--let", "A : n n")
    assert "refuted" in done.stdout
    assert "left side" in done.stdout
    assert "right side" in done.stdout


def test_merging_both_sides_of_an_inequation_is_an_error() -> None:
    done = run("prove", "A.T.T != A", "--let", "A : n m")
    assert done.exit_code == 1
    assert "unsound: both sides were proved equal although the goal says that they differ" in done.stdout


def test_prove_file(tmp_path: Path) -> None:
    path = tmp_path / "mixed.theorems"
    path.write_text(
        "let A B : n n\n"
        "trace.cyclic  tr(A @ B) = tr(B @ A)\n"
        "broken        tr(A @ ) = 1\n"
        "not-equal     A @ B != B @ A\n"
        "later         series(k, 0, n, A) = A\n"
    )
    answers = rows("prove", str(path))
    assert [(a["name"], a["line"], a["status"]) for a in answers] == [
        ("trace.cyclic", 2, "proved"),
        ("broken", 3, "error"),
        ("not-equal", 4, "refuted"),
        ("later", 5, "open"),
    ]
    assert {a["file"] for a in answers} == {str(path)}
    done = run("prove", str(path))
    assert done.exit_code == 2
    assert f"{path}:3:" in done.stdout
    assert "1 proved, 1 refuted, 1 open, 1 error" in done.stdout
    assert [a["name"] for a in rows("prove", str(path), "--only", "trace*", "--only", "later")] == [
        "trace.cyclic",
        "later",
    ]


def test_theorems_counts_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.theorems").write_text(
        "let A B : n n\ntrace  tr(A @ B) = tr(B @ A)\nbroken  tr(A @ ) = 1\ndiffer  A @ B != B @ A\n"
    )
    (tmp_path / "b.theorems").write_text("let A : n n\nfalse  A.T = A\n")
    done = run("theorems", str(tmp_path), "--json")
    assert done.exit_code == 2  # a line could not be read
    board = json.loads(done.stdout)
    keys = ("goals", "as_claimed", "proved", "refuted", "open", "error")
    assert [tuple(f[k] for k in keys) for f in board["files"]] == [(3, 2, 1, 1, 0, 1), (1, 0, 0, 1, 0, 0)]
    assert [board["all"][k] for k in keys] == [4, 2, 1, 2, 0, 1]
    assert [g["name"] for g in board["not_as_claimed"]] == ["broken", "false"]
    done = run("theorems", str(tmp_path / "b.theorems"), "--slowest", "1")
    assert done.exit_code == 1
    assert "not as claimed" in done.stdout and "b.theorems:2" in done.stdout
    assert run("theorems", str(tmp_path / "none.theorems")).exit_code == 2


def test_only_names_a_goal_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "one.theorems"
    path.write_text("let A : n n\ntrace  tr(A) = tr(A.T)\n")
    done = run("prove", str(path), "--only", "trase")
    assert done.exit_code == 2
    assert "--only trase: no goal of that name among 1 (did you mean trace?)" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file has no declarations and no claims"),
        (b"\x00\xff\xfe\x80junk", "this file is not UTF-8 text"),
        (b"let A : n n\n", "has declarations but no goals"),
    ],
)
def test_files_without_goals(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.theorems"
    path.write_bytes(content)
    done = run("prove", str(path))
    assert done.exit_code == 2
    assert message in done.output


def test_missing_file() -> None:
    done = run("prove", "nowhere.theorems")
    assert done.exit_code == 2
    assert done.stderr == "error: nowhere.theorems: No such file or directory\n"


def test_prove_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.theorems").write_text("let A B : n n\ntrace  tr(A @ B) = tr(B @ A)\nbroken  tr(A @ ) = 1\n")
    (tmp_path / "b.theorems").write_text("let A : n n\ndiffer  A.T != A\nopen  series(k, 0, n, A) = A\n")
    (tmp_path / "notes.txt").write_text("no theorems")
    done = run("prove", str(tmp_path))
    assert done.exit_code == 2
    assert f"{tmp_path}/a.theorems:3:" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("1 proved, 1 refuted, 1 open, 1 error (1 refuted as claimed); seconds a goal: median ")
    assert [a["status"] for a in rows("prove", str(tmp_path))] == ["proved", "error", "refuted", "open"]
    assert [a["name"] for a in rows("prove", str(tmp_path), "--only", "d*")] == ["differ"]
    (tmp_path / "a.theorems").unlink()
    assert run("prove", str(tmp_path)).exit_code == 1  # one goal is open
    assert run("prove", str(tmp_path), "--only", "differ").exit_code == 0


def test_prove_a_folder_without_theorems(tmp_path: Path) -> None:
    done = run("prove", str(tmp_path))
    assert done.exit_code == 2
    assert f"{tmp_path}: no .theorems files in this folder" in done.stderr


# explain


def test_explain_a_goal() -> None:
    done = run("explain", "det(A @ B @ inv(A)) = det(B)", "--let", "A B : n n", "--if", "invertible(A)")
    assert done.exit_code == 0
    assert done.stdout.startswith("proved in ")
    assert "det-of-product" in done.stdout


def test_explain_an_expression() -> None:
    answer = rows("explain", "inv(A) @ A @ x", "--let", "A : n n ; x : n")
    assert answer["derivation"][-1]["after"] == "x"


def test_explain_without_steps() -> None:
    done = run("explain", "tr(A @ B) = tr(B @ A)", "--let", "A B : n n")
    assert "no steps: the canonical form decides" in done.stdout


# plan


def test_plan_json() -> None:
    answer = rows("plan", "A @ B + A @ C", "--let", "A B C : n n", "--dims", "n=3000")
    assert list(answer) == ["written", "flattened", "ours", "seconds"]
    for way in ("written", "flattened", "ours"):
        assert list(answer[way]) == ["flops", "peak", "expression", "steps"]
        assert all(list(step) == ["expression", "flops", "size"] for step in answer[way]["steps"])
        assert sum(step["flops"] for step in answer[way]["steps"]) == answer[way]["flops"]
    cube = 2 * 3000**3
    assert answer["written"]["flops"] == answer["flattened"]["flops"] == 2 * cube + 3000**2
    assert answer["ours"]["flops"] == cube + 3000**2


def test_plan_never_shares_in_written() -> None:
    answer = rows("plan", "A.T @ B + A.T @ B", "--let", "A B : n n", "--dims", "n=300")
    assert answer["written"]["flops"] > 1.9 * answer["ours"]["flops"]


def test_plan_needs_sizes() -> None:
    done = run("plan", "A @ B", "--let", "A : n m ; B : m n")
    assert done.exit_code == 2
    assert done.stderr == ("error: a plan needs a size for each of m, n; give dims, for example m=1000,n=1000\n")


# rules


@pytest.fixture
def rule_file(tmp_path: Path) -> str:
    path = tmp_path / "own.rules"
    path.write_text("let f : function ; x : scalar\nown  [here]  tanh(sinh(x)) => tanh(sinh(x)) + 0 * x\n")
    path.write_text("let A B : n n\nown-product  [here]  det(A @ B) => det(A) * det(B)\n")
    return str(path)


def test_choice_of_rules(rule_file: str) -> None:
    goal = ["prove", "det(A @ B) = det(B) * det(A)", "--let", "A B : n n"]
    assert rows(*goal)[0]["rules"] == ["det-of-product"]
    assert rows(*goal, "--no-rules")[0]["status"] == "open"
    assert rows(*goal, "--only-rules", rule_file)[0]["rules"] == ["own-product"]
    assert rows(*goal, "--rules", rule_file, "--without", "det-*")[0]["rules"] == ["own-product"]
    assert rows(*goal, "--no-rules", "--rules", rule_file)[0]["rules"] == ["own-product"]


def test_contradicting_rule_options(rule_file: str) -> None:
    done = run("prove", "1 = 1", "--no-rules", "--only-rules", rule_file)
    assert done.exit_code == 2
    assert "--no-rules and --only-rules contradict each other" in done.stderr


def test_unknown_rule_is_noted() -> None:
    done = run("prove", "1 = 1", "--without", "det-of-produkt")
    assert done.exit_code == 0
    assert "note: --without det-of-produkt matches no rule (near: det-of-product" in done.stderr


def test_refuted_rule_is_not_added(tmp_path: Path) -> None:
    path = tmp_path / "wrong.rules"
    path.write_text("let A B : n n\ndet-sum  det(A + B) = det(A) + det(B)\n")
    done = run("simplify", "A", "--let", "A : n n", "--rules", str(path))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: det-sum: refuted")
    assert f"{path}:2" in done.stderr


def test_check_file(tmp_path: Path, rule_file: str) -> None:
    good = run("check", rule_file)
    assert (good.exit_code, good.stdout.splitlines()[-1]) == (0, "1 ok")
    path = tmp_path / "three.rules"
    path.write_text(
        "let A B : n n\n"
        "det-sum     det(A + B) = det(A) + det(B)\n"
        "inv-order   inv(A @ B) = inv(A) @ inv(B)   if invertible(A), invertible(B)\n"
        "det-scale   det(A.T) = det(A)\n"
    )
    done = run("check", str(path))
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "1 ok, 2 refuted"
    path.write_text("let A B : n n\nbroken  det(A = 1\n")
    assert run("check", str(path)).exit_code == 2


# bench


def test_bench(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    done = run("bench", "--only", "sysds-*", "--json", str(path))
    assert done.exit_code == 0, done.output
    assert "2 of 2 agree in value" in done.stdout
    answers = json.loads(path.read_text())
    assert [a["id"] for a in answers] == ["sysds-trace-product", "sysds-diag-product"]
    assert all(a["agree"] and a["ours"]["flops"] <= 1.01 * a["known"]["best"] for a in answers)


def test_bench_of_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[expression]]\nid = "two"\nexpr = "A @ B @ x"\nlet = "A B : n n; x : n"\ndims = { n = 100 }\n')
    done = run("bench", str(path))
    assert done.exit_code == 0 and done.stdout.endswith("\n1 of 1 agree in value\n")
    path.write_text(path.read_text() + "best = 3e4\n")
    assert "0 of 1 reach the best known cost; 1 of 1 agree in value" in run("bench", str(path)).stdout


GIVEN = '[[expression]]\nid = "a"\nexpr = "1"\ndims = {}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = [", "Invalid value"),
        ("x = 1", "no [[expression]] in it; each has an id, an expr and dims"),
        (
            '[[expression]]\nid = "a"\nexpr = "1"',
            "[[expression]] number 1: missing 1 required positional argument: 'dims'",
        ),
        ('[[expression]]\nid = "a"\nsizes = 3', "number 1: got an unexpected keyword argument 'sizes'"),
        ("expression = [1]", "number 1: argument after ** must be a mapping"),
        (GIVEN + "best = 0", "number 1: best = 0: expected a number above 0"),
        (GIVEN + 'best = "few"', "number 1: best = 'few': expected a number above 0"),
        (GIVEN + "let = 3", "number 1: let = 3: expected a text"),
        ('[[expression]]\nid = "a"\nexpr = "1"\ndims = 3', "number 1: dims = 3: expected sizes by symbol"),
    ],
)
def test_bench_of_a_file_that_is_none(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    done = run("bench", str(path))
    assert done.exit_code == 2 and done.stderr.startswith(f"error: {path}: ") and message in done.stderr


def test_bench_into_an_unwritable_file(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "bench.json"
    done = run("bench", "--only", "la-chain", "--json", str(path))
    assert (done.exit_code, done.stderr) == (2, f"error: {path}: No such file or directory\n")


def test_bench_of_an_unknown_id() -> None:
    done = run("bench", "--only", "nothing")
    assert done.exit_code == 2
    assert "no such id; there are la-common-subexpression, " in done.stderr


def test_benchmarks_are_complete() -> None:
    found = api.benchmarks()
    assert len({b.id for b in found}) == len(found) >= 32


# bad input


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ("n=0", "n=0: a size is a positive integer, sizes start at 1"),
        ("n=-3", "n=-3: a size is a positive integer"),
        ("n=2.5", "n=2.5: a size is a positive integer"),
        ("n=many", "n=many: a size is a positive integer"),
        ("n", "'n' is not a size: write symbol=integer, as in n=1000,m=10"),
        ("n=3,n=4", "n is given twice, as 3 and 4"),
        ("n=3,q=4", "dims: q is no size of the expression; its sizes are m, n"),
        ("n=3", "dims: no size for m (given: n=3); add m=1000"),
    ],
)
def test_bad_dims(dims: str, message: str) -> None:
    done = run("simplify", "A", "--let", "A : n m", "--dims", dims)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        ("A @ y", "    A @ y\n        ^"),
        ("A @ A @", "    A @ A @\n"),
        ("det(A)", "    det(A)\n"),
        ('__import__("os")', '    __import__("os")\n    ^'),
    ],
)
def test_errors_show_the_place(expression: str, place: str) -> None:
    done = run("simplify", expression, "--let", "A : n m ; x : m")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert place in done.stderr
    assert "Traceback" not in done.stderr


def test_a_long_expression_is_cut_in_the_message() -> None:
    done = run("simplify", "A + " * 50_000 + "y", "--let", "A : n m")
    assert done.exit_code == 2
    assert "unknown name y" in done.stderr
    assert len(done.stderr) < 1000


def test_a_megabyte_of_an_expression_is_too_long() -> None:
    done = run("simplify", "A + " * 250_000 + "A", "--let", "A : n m")
    assert done.exit_code == 2
    assert "more than 200,000 names, numbers and operators: split the expression" in done.stderr
    assert len(done.stderr) < 1000


def test_an_internal_error_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(api, "simplify", fail)
    done = run("simplify", "A", "--let", "A : n")
    assert done.exit_code == 3
    assert done.stderr.startswith("internal error: this is a bug of tensorgrad, not of your input")
    assert "ZeroDivisionError: deep inside" in done.stderr
    assert "Please report it" in done.stderr


# the program itself


@pytest.mark.parametrize("command", ["simplify", "prove", "explain", "check", "plan", "bench"])
def test_help_has_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"tensorgrad {command}" in done.stdout


def test_help_lists_the_commands_in_order_of_use() -> None:
    text = run("--help").stdout
    places = [text.index(f"\n  {command} ") for command in ("simplify", "prove", "explain", "check", "plan", "bench")]
    assert places == sorted(places)


def test_as_a_process() -> None:
    program = (
        "import sys; from tensorgrad.cli import main\n"
        "try: main(['simplify', 'A @ I[m]', '--let', 'A : n m'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print([m for m in ('torch', 'rich', 'sympy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "A"
    assert done.stdout.splitlines()[-1] == "[]"
    bad = subprocess.run([sys.executable, "-m", "tensorgrad", "simplify"], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, "")


# draw


def test_draw_in_the_terminal() -> None:
    done = run("draw", "A @ B @ C", "--let", "A : n m ; B : m k ; C : k p")
    assert (done.exit_code, done.stdout) == (0, "i0:n ──[A]─m─[B]─k─[C]── i1:p\n")


def test_draw_the_simplest_form() -> None:
    assert "∂" not in run("draw", "grad(x @ A @ x, x)", "--let", "A : n n ; x : n", "--simplify").stdout


@pytest.mark.parametrize(("suffix", "head"), [(".svg", "<svg"), (".tex", r"\documentclass"), (".txt", "╭")])
def test_draw_into_a_file(tmp_path: Path, suffix: str, head: str) -> None:
    target = tmp_path / f"picture{suffix}"
    done = run("draw", "tr(A @ B)", "--let", "A : n m ; B : m n", "-o", str(target))
    assert (done.exit_code, done.output) == (0, "")
    assert target.read_text(encoding="utf-8").startswith(head)


def test_draw_names_the_files_it_can_write(tmp_path: Path) -> None:
    done = run("draw", "tr(A)", "--let", "A : n n", "-o", str(tmp_path / "picture.gif"))
    assert done.exit_code == 2
    assert ".svg, .png, .pdf, .tex or .txt" in done.stderr


@pytest.mark.parametrize(("suffix", "head"), [(".html", "<!DOCTYPE html>"), (".tex", r"\documentclass")])
def test_explain_into_a_file(tmp_path: Path, suffix: str, head: str) -> None:
    target = tmp_path / f"derivation{suffix}"
    claim = ["det(A @ B) = det(B) * det(A)", "--let", "A B : n n"]
    assert run("explain", *claim, "-o", str(target)).exit_code == 0
    text = target.read_text(encoding="utf-8")
    assert text.startswith(head) and "det-of-product" in text and ("let A B : n n" in text) == (suffix == ".html")
    assert run("explain", "tr(A @ B)", "--let", "A B : n n", "-o", str(target)).exit_code == 0
    assert "no steps" in target.read_text(encoding="utf-8")


def test_explain_refuses_other_files_before_the_work(tmp_path: Path) -> None:
    done = run("explain", "tr(A)", "--let", "A : n n", "-o", str(tmp_path / "x.png"))
    assert done.exit_code == 2 and ".html or .tex" in done.stderr


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("1e400 * x", "1e400 * x"),
        ("1e400 * 1e400 * x", "(1e400*1e400) * x"),
        ("9 ** 9 ** 9 * x", "9 ** 387420489 * x"),
        ("9 ** 9 ** 9 ** 9 * x", "9 ** (9 ** 387420489) * x"),
        ("10 ** 100000 * x", "10 ** 100000 * x"),
        ("n ** 1000 * x", "n**1000 * x"),
        ("power(x, 64)", "power(x, 64)"),
    ],
)
def test_huge_numbers_are_answered(expression: str, first: str) -> None:
    done = run("simplify", expression, "--let", "x : n")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == first


def test_sizes_of_too_many_digits() -> None:
    done = run("simplify", "x", "--let", "x : n", "--dims", "n=1" + "0" * 5000)
    assert done.exit_code == 2
    assert "n=1000000000...: a size of more than 400 digits" in done.stderr


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mark.theorems"
    path.write_bytes(b"\xef\xbb\xbflet A B : n n\r\ncyclic  tr(A @ B) = tr(B @ A)\r\n")
    assert rows("prove", str(path))[0]["status"] == "proved"


# expressions that begin with a minus sign


@pytest.mark.parametrize(
    "arguments",
    [
        ("simplify", "-A @ x", "--let", "A : n n ; x : n"),
        ("simplify", "--let", "A : n n ; x : n", "-A @ x"),
        ("simplify", "--let", "A : n n ; x : n", "--", "-A @ x"),
        ("simplify", "--let=A : n n ; x : n", "--time", "1", "-A @ x"),
    ],
)
def test_an_expression_may_begin_with_a_minus_sign(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "-A @ x"


def test_goals_that_begin_with_a_minus_sign_keep_their_order() -> None:
    answers = rows("prove", "-A = A.T", "A = A", "-(-A) = A", "--let", "A : n n")
    assert [a["status"] for a in answers] == ["refuted", "proved", "proved"]
    assert run("prove", "--", "-A = A", "--let").exit_code == 2  # behind -- there are no options


def test_options_stay_options(tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    assert run("draw", "-A", "--let", "A : n n", "-o", str(path)).exit_code == 0
    path.unlink()
    assert run("draw", "-A", "--let", "A : n n", f"-o{path}").exit_code == 0
    assert path.exists()
    assert run("draw", "-o @ x", "--let", "o : n n ; x : n").exit_code == 0  # a matrix called o
    assert "-h, --help" in run("simplify", "-h").stdout
    done = run("simplify", "-A @ x", "--lett", "A : n n")
    assert done.exit_code == 2 and "No such option" in done.stderr
    assert run("simplify", "x", "--let", "x : n", "--time", "-1").exit_code == 2


def test_regimes_say_where_which_form_is_cheapest() -> None:
    found = run("regimes", "A @ v", "--let", "A : n n ; U V : n r ; v : n", "--if", "A = U @ V.T")
    assert found.exit_code == 0
    assert "n < 2*r" in found.output
    assert "U @ V.T @ v" in found.output
    front = run("regimes", "(A @ B + A @ C) @ x", "--let", "A B C : n n ; x : n", "--dims", "n=1000")
    assert front.output.index("A @ (B + C) @ x") < front.output.index("A @ (C @ x + B @ x)")


def test_an_objective_can_be_memory() -> None:
    options = ["--let", "A B C : n n ; x : n", "--dims", "n=1000"]
    found = run("simplify", "(A @ B + A @ C) @ x", *options, "--objective", "memory")
    assert found.output.startswith("A @ (C @ x + B @ x)")
    assert run("simplify", "A @ x", "--let", "A : n n ; x : n", "--objective", "memory").exit_code == 2


def test_rates_are_measured() -> None:
    assert re.fullmatch(r"Rates\(flops=\S+, bytes=\S+, call=\S+\)\n", run("bench", "--calibrate").output)
