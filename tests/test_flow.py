"""Directed pictures: cards in columns, wires only from left to right; plans drawn with them and told as text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad.cli import main
from tensorgrad.show import tree_of, trees_svg, trees_text
from tensorgrad.show.flow import Card, Line, flow
from tensorgrad.show.names import Name
from tensorgrad.show.plan import MOST_STEPS, trees_scene
from tests.geometry import assert_drawn_well, assert_legible


@st.composite
def decks(draw: st.DrawFn) -> list[Card]:
    """Cards with up to three lines that use any cards, themselves too."""
    count = draw(st.integers(1, 8))
    lines = st.builds(
        Line,
        st.text("ab@ ", max_size=30).map(Name),
        st.lists(st.integers(0, count - 1), max_size=3).map(tuple),
        st.booleans(),
    )
    return [
        Card(Name(f"c{k}"), Name(draw(st.sampled_from(["", "3 flops"]))), tuple(draw(st.lists(lines, max_size=3))))
        for k in range(count)
    ]


@given(decks())
def test_cards_are_drawn_well_and_wires_go_right(cards: list[Card]) -> None:
    scene = flow(cards)
    assert_drawn_well(scene, ())
    assert_legible(scene)
    titles = {s.name.text: s for s in scene.shapes if s.parent < 0}
    assert set(titles) == {card.title.text for card in cards}
    for wire in scene.wires:
        assert all(piece.kind != "turn" and piece.x0 <= piece.x1 for piece in wire.pieces)


@given(st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=8))
def test_every_use_is_a_wire(uses: list[list[int]]) -> None:
    """Where nothing leads back, each card reaches by wires the cards that its lines use, and no others."""
    cards = [
        Card(Name(f"c{k}"), lines=(Line(Name("x"), tuple(u for u in own if u < k)),)) for k, own in enumerate(uses)
    ]
    scene = flow(cards)
    boxes = {s.name.text: s for s in scene.shapes}
    onward: dict[tuple[float, float], set[tuple[float, float]]] = {}
    for piece in (piece for wire in scene.wires for piece in wire.pieces):
        onward.setdefault(place(piece.x0, piece.y0), set()).add(place(piece.x1, piece.y1))
    for name, box in boxes.items():
        reached, stack = set(), [place(box.x + box.width, box.y + box.height / 2)]
        while stack:
            here = stack.pop()
            reached.add(here)
            stack += onward.get(here, set()) - reached
        users = {
            user
            for user, b in boxes.items()
            if any(x == place(b.x, 0)[0] and b.y < y < b.y + b.height for x, y in reached)
        }
        assert users == {card.title.text for card in cards if name in {f"c{u}" for u in card.lines[0].uses}}


def place(x: float, y: float) -> tuple[float, float]:
    return round(x, 2), round(y, 2)


def test_plans_are_drawn_side_by_side() -> None:
    plans = tg.plan("(A - H.T @ H) @ x", {"n": 3000}, let="A H : n n ; x : n")
    drawn = plans._repr_svg_()
    words = list(ElementTree.fromstring(drawn).itertext())
    for way in plans.columns:
        assert any(word.startswith(f"{way.name}:  ") and "flops" in word for word in words)
        for step in way.steps:
            assert step.expression in words
    scene = trees_scene(plans.trees)
    assert_drawn_well(scene, ())
    assert_legible(scene)
    text = trees_text(plans.trees)
    assert text.count("flops, peak") == 3 and "└─ " in text
    assert all(str(step) in text for way in plans.columns for step in way.steps)


def test_steps_name_what_they_read() -> None:
    plans = tg.plan("(A - H.T @ H) @ x + 2 * x ** 3", {"n": 30}, let="A H : n n ; x : n")
    for way in plans.columns:
        known = {"A", "H", "x"}
        for step in way.steps:
            assert set(step.inputs) <= known and step.inputs and step.shape in (("n",), ("n", "n"))
            known.add(step.name)
        assert sum(step.flops for step in way.steps) == way.flops


def test_a_large_plan_is_folded_and_says_so() -> None:
    count = 3 * MOST_STEPS
    t = tg.parse(
        " @ ".join(f"tanh(A{k})" for k in range(count)), let=f"{' '.join(f'A{k}' for k in range(count))} : n n"
    )
    tree = tree_of(tg.runtime.plan(t, {"n": 10}))
    drawn = trees_svg([tree])
    assert f"… {len(tree.steps) - MOST_STEPS} steps" in drawn
    assert len(trees_text([tree]).splitlines()) <= 402


def test_nothing_to_compute_shows_the_variable(capsys: pytest.CaptureFixture[str]) -> None:
    plans = tg.plan("inv(A) @ A @ x", {"n": 5}, let="A : n n ; x : n", if_="invertible(A)")
    plans.show()
    assert "ours: 0 flops, peak 0 entries\n  x  (n)\n" in capsys.readouterr().out
    ElementTree.fromstring(plans._repr_svg_())


def test_a_compiled_step_shows_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    step = tg.compile(y=tg.parse("A @ x", let="A : n m ; x : m"))
    step.plan.show()
    assert "y: " in capsys.readouterr().out
    assert "A @ x" in step.plan._repr_svg_()


@pytest.mark.parametrize("suffix", [".svg", ".txt", ".tex", ".png"])
def test_the_command_writes_the_trees(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"plan{suffix}"
    done = CliRunner().invoke(
        main, ["plan", "A @ B @ x", "--let", "A B : n n ; x : n", "--dims", "n=3000", "-o", str(path)]
    )
    assert done.exit_code == 0, done.output
    assert path.read_bytes()[:4] in (b"<svg", b"writ", b"\\doc", b"\x89PNG")
