"""E-graphs to be looked at: what the members say is true, the chosen form is the result, large ones are cut and say so."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tensorgrad as tg
from tensorgrad.api import Proof, Result
from tensorgrad.cli import main
from tensorgrad.errors import UnsupportedError
from tensorgrad.show import egraph_text, growth_svg, save_egraph
from tensorgrad.show.egraph import MOST_CLASSES, MOST_MEMBERS
from tests.geometry import assert_drawn_well

PROJECTION = ("(A - H.T @ H) @ x", "A H : n n ; x : n", "")
CANCELS = (
    "inv(A @ B) @ A @ B @ x + x * c + tr(A) * x",
    "A B : n n ; x : n ; c : scalar",
    "invertible(A), invertible(B)",
)
HESSIAN = ("hess(-(y @ log(softmax(x))), x)", "x y : n", "")
MIXED = ("sum[j](T[i, j, k] * exp(A[k, j] + b[j])) + T[i, k, k]", "T : n m m ; A : m m ; b : m", "")


def searched(expression: str, let: str, facts: str, follow: bool = False) -> Result:
    return tg.simplify(expression, let=let, if_=facts, follow=follow)


@pytest.mark.parametrize(("expression", "let", "facts"), [PROJECTION, CANCELS, HESSIAN, MIXED])
def test_the_members_of_a_class_are_equal(expression: str, let: str, facts: str) -> None:
    """Every text, read back and computed with values of the classes it names, gives one value a class."""
    result = searched(expression, let, facts)
    rng = np.random.default_rng(0)
    sizes = {"n": 3, "m": 2}
    classes = {c.name: c for c in result.egraph.shown()}
    values = {
        name: rng.uniform(0.5, 1.5, tuple(sizes[s] for s in c.shape))
        for name, c in classes.items()
        if any(m.text == name for m in c.members)
    }
    waiting = [n for n in classes if n not in values]
    while waiting:
        name, member = next((n, m) for n in waiting for m in classes[n].members if values.keys() >= set(m.uses))
        values[name] = computed(member.text, member.uses, classes, values, sizes)
        waiting.remove(name)
    for name, c in classes.items():
        for member in c.members:
            if member.text != name:
                found = computed(member.text, member.uses, classes, values, sizes)
                np.testing.assert_allclose(found, values[name], rtol=1e-6, atol=1e-9)
    whole = np.asarray(tg.evaluate(result.input, {v.name: values[v.name] for v in result.input.variables}, dims=sizes))
    np.testing.assert_allclose(np.sort(whole.ravel()), np.sort(values[next(iter(classes))].ravel()), rtol=1e-6)


def computed(text: str, uses: tuple[str, ...], classes: dict, values: dict, sizes: dict) -> np.ndarray:
    declared = "; ".join(f"{u} : {' '.join(classes[u].shape) or 'scalar'}" for u in uses)
    t = tg.parse(text, let=declared)
    order = sorted(t.edges)  # i0, i1, ... are the axes of the class
    found = tg.evaluate(t, {u: values[u] for u in uses}, dims=sizes)
    return np.asarray(found).transpose([t.edges.index(e) for e in order])


@pytest.mark.parametrize(("expression", "let", "facts"), [PROJECTION, CANCELS, HESSIAN, MIXED])
def test_the_chosen_members_make_up_the_result(expression: str, let: str, facts: str) -> None:
    result = searched(expression, let, facts)
    form = [c for c in result.egraph.shown() if c.chosen]
    assert all(sum(m.chosen for m in c.members) == 1 for c in form)
    names = {c.name for c in form}
    assert all(set(m.uses) <= names for c in form for m in c.members if m.chosen)
    variables = {c.name for c in form if any(m.chosen and m.text == c.name for m in c.members)}
    assert variables == {v.name for v in result.tensor.variables}


def test_pictures_and_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explored = searched(*HESSIAN).egraph
    words = list(ElementTree.fromstring(explored.svg).itertext())
    classes, nodes = explored.size
    assert any(f"of {classes} classes" in w and f"of {nodes} nodes" in w for w in words)
    assert "softmax(x)" in words and explored.svg == explored._repr_svg_()
    explored.show()
    assert capsys.readouterr().out.strip() == egraph_text(explored)
    assert "▸ softmax(x)" in egraph_text(explored)
    for suffix in (".svg", ".tex", ".txt", ".png"):
        save_egraph(explored, tmp_path / f"e{suffix}")
        assert (tmp_path / f"e{suffix}").stat().st_size > 100


def test_a_large_egraph_is_cut_and_says_so() -> None:
    from tensorgrad.show.egraph import _scene

    result = tg.simplify("tr((A + B) @ (A - C) @ (B + C) @ (A + C))", let="A B C : n n")
    scene, said = _scene(result.egraph)
    assert_drawn_well(scene, ())
    assert said.startswith(f"{MOST_CLASSES} of {result.classes:,} classes") and result.classes > MOST_CLASSES
    assert sum(s.parent < 0 for s in scene.shapes) <= MOST_CLASSES
    assert len(scene.labels) <= MOST_CLASSES * (MOST_MEMBERS + 1) + 1


def test_names_of_classes_are_no_names_of_variables() -> None:
    explored = searched("c7 @ exp(c7) + k", "c7 : n ; k : scalar", "").egraph
    names = [c.name for c in explored.shown()]
    assert len(set(names)) == len(names) and "c7" in names


# ---- reports


def test_a_report_follows_nodes_and_cost() -> None:
    result = tg.simplify(*PROJECTION[:1], let=PROJECTION[1], dims={"n": 300}, follow=True)
    rounds = result.report.rounds
    assert len(rounds) == result.rounds + 1 and rounds[-1].nodes == result.nodes
    prices = [r.price for r in rounds]
    assert all(p is not None for p in prices) and prices == sorted(prices, reverse=True)  # type: ignore[type-var]
    assert prices[-1] == result.after.flops and prices[0] == result.before.flops
    assert "flops of the best form" in result.report.svg and "distribute" in str(result.report)
    ElementTree.fromstring(result.report._repr_html_())


def test_a_report_without_costs_says_so() -> None:
    report = searched(*PROJECTION).report
    assert "follow=True" in str(report) and "best form" not in report.svg


def test_plots_of_huge_and_of_no_growth() -> None:
    for values in ([5], [0, 0], [10**400, 10**399, 7]):
        root = ElementTree.fromstring(growth_svg(values, list(values), "flops"))
        assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    path = tmp_path / "search.html"
    arguments = ["simplify", PROJECTION[0], "--let", PROJECTION[1], "--dims", "n=300", "--report"]
    done = CliRunner().invoke(main, [*arguments, str(path)])
    assert done.exit_code == 0, done.output
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "<script" not in page and "<table>" in page
    done = CliRunner().invoke(main, [*arguments, str(tmp_path / "search.gif")])
    assert done.exit_code == 2 and "name a file .html" in done.stderr


# ---- proofs


@pytest.mark.parametrize(
    ("goal", "let", "facts", "status", "left", "right"),
    [
        ("det(A @ B @ inv(A)) = det(B)", "A B : n n", "invertible(A)", "proved", "det(c5)", "det(B)"),
        ("inv(inv(A)) = A", "A : n n", "", "proved", "inv(c2)", "A"),
        ("A @ B = C", "A B C : n n", "", "refuted", "A @ B", "C"),
    ],
)
def test_both_sides_of_a_goal_are_marked(
    goal: str, let: str, facts: str, status: str, left: str, right: str, tmp_path: Path
) -> None:
    proof = tg.prove(goal, let=let, if_=facts)
    assert proof.status == status
    found = {m.side: (c.name, m.text) for c in proof.egraph.shown() for m in c.members if m.side}
    assert {side: text for side, (_, text) in found.items()} == {"left side": left, "right side": right}
    assert (len({name for name, _ in found.values()}) == 1) == (status == "proved")
    drawn = egraph_text(proof.egraph)
    assert f"{left}  ← left side" in drawn and f"{right}  ← right side" in drawn
    save_egraph(proof.egraph, tmp_path / "x.svg")
    assert "← right side" in (tmp_path / "x.svg").read_text(encoding="utf-8")


def test_one_diagram_is_both_sides() -> None:
    proof = tg.prove("tr(A @ B) = tr(B @ A)", let="A B : n n")
    assert [m.side for c in proof.egraph.shown() for m in c.members if m.side] == ["both sides"]


def test_the_report_of_a_proof_follows_both_sides() -> None:
    proof = tg.prove("det(A @ B @ inv(A)) = det(B)", let="A B : n n", if_="invertible(A)", follow=True)
    prices = [r.price for r in proof.report.rounds]
    assert len(prices) == proof.iterations + 1
    # While the sides differ both are paid, det(A @ B @ inv(A)) and det(B); then only det(B).
    assert None not in prices and prices[0] > prices[-1] and "det-of-product" in str(proof.report)
    assert "follow=True" in str(tg.prove("A.T.T = A", let="A : n m").report)


def test_a_goal_without_a_search_has_no_egraph() -> None:
    with pytest.raises(UnsupportedError, match="not searched"):
        _ = Proof("open", reason="no derivative of f").egraph


def test_prove_writes_a_page_for_one_goal(tmp_path: Path) -> None:
    path = tmp_path / "search.html"
    goal = ["inv(inv(A)) = A", "--let", "A : n n", "--report", str(path)]
    assert CliRunner().invoke(main, ["prove", *goal]).exit_code == 0
    page = path.read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "left side" in page and "inv-of-inverse" in page
    two = CliRunner().invoke(main, ["prove", "A = A.T", *goal])
    assert two.exit_code == 2 and "one goal" in two.output
