"""E-graphs as pictures: a card for each class with its members, wires to what they use, the chosen form filled."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tensorgrad.egraph.explored import Explored, Member, Shown
from tensorgrad.show.draw import display_or_print, save_scene
from tensorgrad.show.flow import Card, Line, flow
from tensorgrad.show.names import Name, shortened
from tensorgrad.show.scene import Canvas, Label, Scene
from tensorgrad.show.svg import svg

MOST_CLASSES, MOST_MEMBERS = 24, 6
"""Classes that are drawn, and members of each."""
LONGEST = 56
"""Letters of a member's text."""
MOST_FACTS = 4


def egraph_svg(explored: Explored) -> str:
    """The e-graph as SVG."""
    scene, said = _scene(explored)
    return svg(scene, said)


def show_egraph(explored: Explored) -> None:
    """Show the e-graph: in a notebook as a picture, else as text on stdout."""
    display_or_print(lambda: egraph_svg(explored), lambda: egraph_text(explored))


def save_egraph(explored: Explored, path: str | Path) -> None:
    """Write the e-graph to a file: .svg, .tex, .txt, .png or .pdf."""
    scene, said = _scene(explored)
    save_scene(scene, path, said, lambda: egraph_text(explored))


def egraph_text(explored: Explored) -> str:
    """The e-graph as text: a line for each member, `▸` before those that were chosen."""
    classes = _drawn(explored)
    lines = [_said(explored, classes)]
    for c in classes:
        lines.append(f"{c.name} : {_note(c) or 'scalar'}")
        lines += [f"  {'▸' if m.chosen else '='} {_text(m, 2 * LONGEST)}" for m in _members(c)]
        if _more(c):
            lines.append(f"    {_more(c)}")
    return "\n".join(lines)


def _drawn(explored: Explored) -> list[Shown]:
    """The classes that are drawn: all of the chosen form if they fit, then the nearest ones."""
    return list(islice(explored.shown(), MOST_CLASSES))


def _scene(explored: Explored) -> tuple[Scene, str]:
    classes = _drawn(explored)
    said = _said(explored, classes)
    # A variable is a word in the members that use it; wires to it would only make knots.
    cards = [c for c in classes if not _is_word(c)] or classes
    number = {c.name: k for k, c in enumerate(cards) if not _is_variable(c)}
    drawn = flow([_card(c, number) for c in cards])
    canvas = Canvas()
    canvas.labels.append(Label(Name(said), 0.0, 8.0, "start", "edge"))
    canvas.put(drawn, 0.0, 28.0)
    return canvas.scene(max(drawn.width, 7.2 * len(said)), drawn.height + 28.0), said


def _said(explored: Explored, classes: list[Shown]) -> str:
    """How much of it is drawn."""
    all_classes, nodes = explored.size
    members = sum(len(_members(c)) for c in classes)
    return (
        f"{len(classes)} of {all_classes:,} classes, {members} of {nodes:,} nodes; "
        "a class is called after its variable or its number, the chosen form is marked"
    )


def _is_variable(c: Shown) -> bool:
    return any(m.text == c.name for m in c.members)


def _is_word(c: Shown) -> bool:
    """Whether it is only a variable, and no side of a goal."""
    return _is_variable(c) and len(c.members) == 1 and not c.members[0].side


def _card(c: Shown, number: dict[str, int]) -> Card:
    """A class; of several members that use one class the first has the wire, for the texts name it too."""
    if _is_word(c):
        return Card(Name(c.name), Name(_note(c)), kind="tensor")
    lines: list[Line] = []
    wired: set[str] = set()
    for m in _members(c):
        uses = tuple(number[u] for u in m.uses if u in number and u not in wired)
        lines.append(Line(Name(_text(m, LONGEST)), uses, m.chosen))
        wired.update(m.uses)
    if _more(c):
        lines.append(Line(Name(_more(c))))
    return Card(Name(c.name), Name(_note(c)), tuple(lines))


def _members(c: Shown) -> tuple[Member, ...]:
    """The members that are drawn: the chosen one first, then the sides of a goal."""
    return tuple(sorted(c.members, key=lambda m: (not m.chosen, not m.side))[:MOST_MEMBERS])


def _text(m: Member, longest: int) -> str:
    return shortened(m.text, longest) + (f"  ← {m.side}" if m.side else "")


def _more(c: Shown) -> str:
    more = len(c.members) - MOST_MEMBERS
    return f"… {more} more" if more > 0 else ""


def _note(c: Shown) -> str:
    facts = ", ".join(c.facts[:MOST_FACTS]) + (", …" if len(c.facts) > MOST_FACTS else "")
    return ", ".join(filter(None, (" × ".join(c.shape), facts)))
