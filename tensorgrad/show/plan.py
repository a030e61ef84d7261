"""Plans as trees of contractions: for each step what it computes, from what, its operations and the sizes of its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorgrad.cost import amount
from tensorgrad.runtime import Plan, PlanStep
from tensorgrad.show.draw import display_or_print, save_scene
from tensorgrad.show.flow import Card, Line, flow
from tensorgrad.show.names import Name, shortened
from tensorgrad.show.scene import Canvas, Label, Scene
from tensorgrad.show.svg import svg

MOST_STEPS = 40
"""Steps of one tree that are drawn; earlier ones are folded into one card."""
MOST_LINES, DEEPEST = 400, 40
"""Lines of one tree in text, and how deep they are indented."""
LONGEST = 48
"""Letters of an expression in a card."""
WIDEST = 1400
"""Width up to which trees stand beside each other; wider ones stand below each other."""


@dataclass(frozen=True, slots=True)
class PlanTree:
    """The steps of one way to compute something, with a heading and the shapes of the variables."""

    name: str
    cost: str
    steps: tuple[PlanStep, ...]
    shapes: Mapping[str, tuple[str, ...]]


def tree_of(plan: Plan) -> PlanTree:
    """The tree of a plan."""
    shapes = {v.name: tuple(map(str, v.dims)) for _, t in plan.tensors for v in t.variables}
    cost = "; ".join((f"{amount(plan.flops)} flops, peak {amount(plan.peak)} entries", *plan.slices))
    steps = tuple(step for step in plan.steps if step.name)
    return PlanTree(", ".join(name for name, _ in plan.tensors if name) or "plan", cost, steps, shapes)


def trees_svg(trees: Sequence[PlanTree]) -> str:
    """The trees side by side as SVG."""
    return svg(trees_scene(trees), _heading(trees))


def show_trees(trees: Sequence[PlanTree]) -> None:
    """Show trees: in a notebook as a picture, else as text on stdout."""
    display_or_print(lambda: trees_svg(trees), lambda: trees_text(trees))


def save_trees(trees: Sequence[PlanTree], path: str | Path) -> None:
    """Write the trees to a file: .svg, .tex, .txt, .png or .pdf."""
    save_scene(trees_scene(trees), path, _heading(trees), lambda: trees_text(trees))


def _heading(trees: Sequence[PlanTree]) -> str:
    return "; ".join(f"{tree.name}: {tree.cost}" for tree in trees)


def trees_scene(trees: Sequence[PlanTree]) -> Scene:
    """The trees side by side, or where they are wide below each other; each under its name and cost."""
    parts = [_titled(flow(_cards(tree)), tree) for tree in trees]
    beside = sum(p.width for p in parts) + 40 * (len(parts) - 1) <= WIDEST
    canvas, x, y, width, height = Canvas(), 0.0, 0.0, 0.0, 0.0
    for part in parts:
        canvas.put(part, x, y)
        width, height = max(width, x + part.width), max(height, y + part.height)
        x, y = (x + part.width + 40, 0.0) if beside else (0.0, y + part.height + 28)
    return canvas.scene(width, height)


def _titled(scene: Scene, tree: PlanTree) -> Scene:
    canvas = Canvas()
    title = Name(f"{tree.name}:  {tree.cost}")
    canvas.labels.append(Label(title, 0.0, 8.0, "start", "coefficient"))
    canvas.put(scene, 0.0, 30.0)
    return canvas.scene(max(scene.width, 9.0 * len(title.text)), scene.height + 30.0)


def _cards(tree: PlanTree) -> list[Card]:
    """A card for each variable and step, operands first."""
    folded, drawn = tree.steps[:-MOST_STEPS], tree.steps[-MOST_STEPS:]
    number: dict[str, int] = {}
    cards: list[Card] = []
    if folded:
        flops = amount(sum(step.flops for step in folded))
        cards.append(Card(Name(f"… {len(folded)} steps"), Name(f"{flops} flops"), kind="folded"))
        number.update(dict.fromkeys((step.name for step in folded), 0))
    computed = {step.name for step in drawn}
    for name in dict.fromkeys(n for step in drawn for n in step.inputs if n not in number and n not in computed):
        number[name] = len(cards)
        cards.append(Card(Name(shortened(name, LONGEST)), Name(_shape(tree.shapes.get(name, ()))), kind="tensor"))
    for step in drawn:
        number[step.name] = len(cards)
        text = Name(shortened(step.expression, LONGEST))
        uses = tuple(dict.fromkeys(number[name] for name in step.inputs))
        note = ", ".join(filter(None, (_shape(step.shape), f"{amount(step.flops)} flops")))
        cards.append(Card(Name(step.name), Name(note), (Line(text, uses),)))
    if not drawn:
        cards += [Card(Name(name), Name(_shape(shape)), kind="tensor") for name, shape in tree.shapes.items()]
    return cards


def _shape(shape: Sequence[str]) -> str:
    return " × ".join(shape)


def trees_text(trees: Sequence[PlanTree]) -> str:
    """The trees as indented text, operands below what they are used for; what is used again is not repeated.

    >>> step = PlanStep("t1", "A @ x", 18, 3, ("A", "x"), ("n",))
    >>> print(trees_text([PlanTree("ours", "18 flops, peak 3 entries", (step,), {"A": ("n", "n"), "x": ("n",)})]))
    ours: 18 flops, peak 3 entries
      t1 = A @ x  (n)  18 flops
      ├─ A  (n × n)
      └─ x  (n)
    """
    return "\n".join(
        line for tree in trees for line in (f"{tree.name}: {tree.cost}", *(f"  {text}" for text in _lines(tree)))
    )


def _lines(tree: PlanTree) -> Iterator[str]:
    steps = {step.name: step for step in tree.steps}
    used = {name for step in tree.steps for name in step.inputs}
    stack = [(name, "", "", 0) for name in reversed([*steps]) if name not in used]
    if not stack:
        stack = [(name, "", "", 0) for name in reversed([*tree.shapes])]
    seen: set[str] = set()
    count = 0
    while stack:
        name, head, indent, depth = stack.pop()
        step = steps.get(name)
        count += 1
        if count > MOST_LINES:
            yield f"… {len(steps) - len(seen & set(steps))} more steps"
            return
        if step is None:
            shape = _shape(tree.shapes.get(name, ()))
            yield f"{head}{name}" + (f"  ({shape})" if shape else "")
            continue
        if name in seen:
            yield f"{head}{name}  (above)"
            continue
        seen.add(name)
        yield f"{head}{step}  ({_shape(step.shape)})  {amount(step.flops)} flops"
        deeper = depth < DEEPEST
        for k, part in enumerate(reversed(step.inputs)):
            inner = indent + ("   " if k == 0 else "│  ") if deeper else indent
            stack.append((part, indent + ("└─ " if k == 0 else "├─ "), inner, depth + 1))
