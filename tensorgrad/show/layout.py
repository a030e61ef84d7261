"""From pictures to scenes: nets in columns, boxes around what is inside them, sums as terms in rows."""

from __future__ import annotations

from dataclasses import replace

from tensorgrad.show.names import Name
from tensorgrad.show.netlayout import Block, NetLayout
from tensorgrad.show.picture import End, Item, Link, Net, Picture, Side, Term, components, sides_of
from tensorgrad.show.placing import Placement, Sized, spread
from tensorgrad.show.ranks import Ranks, rank
from tensorgrad.show.scene import Canvas, Label, Metrics, Piece, Scene, Shape, Wire
from tensorgrad.show.wrap import cut_columns, rows_of


def layout(picture: Picture, metrics: Metrics) -> Scene:
    """The scene of a picture, with free edges named.

    >>> import tensorgrad as tg
    >>> from tensorgrad.show.build import picture
    >>> from tensorgrad.show.scene import PIXELS
    >>> scene = layout(picture(tg.parse("A @ B", let="A : n m ; B : m k")), PIXELS)
    >>> [shape.name.text for shape in scene.shapes]
    ['A', 'B']
    """
    return _rows(picture.terms, _sides(picture), metrics)


def _sides(picture: Picture) -> dict[str, Side]:
    """Rows left, columns right: of all free edges, or, in a product, of each connected part that has several."""
    net = picture.terms[0].net
    if len(picture.terms) > 1 or net is None:
        return sides_of(picture.edges)
    sides = sides_of(picture.edges, net.last_axis)
    part = components(net)
    parts: dict[int, list[str]] = {}
    for edge in picture.edges:
        parts.setdefault(part[edge], []).append(edge)
    for edges in parts.values():
        if len(edges) > 1:
            sides |= sides_of(tuple(edges))
    return sides


def _rows(terms: tuple[Term, ...], sides: dict[str, Side], metrics: Metrics) -> Scene:
    """Terms with labelled free edges in rows no wider than a page, unless one term is; a row begins with a sign."""
    rows: list[list[Scene]] = [[]]
    held: list[Scene] = []
    width = 0.0
    for k, term in enumerate(terms):
        held += _parts(term, sides, metrics)
        if term.net is None and k < len(terms) - 1:
            continue  # An equals sign stays with what follows it.
        more = sum(part.width + 2 * metrics.small for part in held)
        if rows[-1] and width + more - 2 * metrics.small > metrics.widest:
            rows.append([])
            width = 0.0
        rows[-1] += held
        width += more
        held = []
    return _stacked([_beside(row, metrics) for row in rows], metrics)


def _parts(term: Term, sides: dict[str, Side], metrics: Metrics) -> list[Scene]:
    """A sign and coefficient, the scalars, and what has free edges."""
    if term.net is None:
        return [_text(term.before, metrics)]
    opened, closed = _split(term.net)
    before = _joined(term.before, term.net.coefficient, bare=not term.net.items and not opened.links)
    parts = [_text(before, metrics)] if before.text else []
    parts += [_wrapped(net, {}, metrics) for net in closed]
    if opened.links:
        parts.append(_wrapped(opened, sides, metrics))
    return parts


def _joined(sign: Name, coefficient: Name, bare: bool) -> Name:
    one = Name("1") if bare and not coefficient.text else coefficient
    if one.text == "-1" and not bare and not sign.text:
        return Name("−", "-")
    text = one.text if " " not in one.text or not sign.text else f"({one.text})"
    math = one.latex if text == one.text else rf"\left({one.latex}\right)"
    return Name(f"{sign.text} {text}".strip(), f"{sign.latex} {math}".strip() if sign.text or one.text else "")


def _text(name: Name, metrics: Metrics) -> Scene:
    width, height = metrics.name(name) + 2 * metrics.small, metrics.port
    label = Label(name, width / 2, 0 if metrics.whole else height / 2, "middle", "coefficient")
    return Scene(width, height, labels=(label,))


def _beside(parts: list[Scene], metrics: Metrics) -> Scene:
    level = max((p.level for p in parts), default=metrics.least / 2)
    height = max((level - p.level + p.height for p in parts), default=metrics.least)
    canvas, x = Canvas(), 0.0
    for part in parts:
        y = level - part.level
        canvas.put(part, x, float(int(y)) if metrics.whole else y)
        x += part.width + 2 * metrics.small
    return canvas.scene(max(x - 2 * metrics.small, 0.0), height)


def _stacked(rows: list[Scene], metrics: Metrics) -> Scene:
    """Rows below each other, aligned left."""
    gap = metrics.row if metrics.whole else 2 * metrics.row
    canvas, y = Canvas(), 0.0
    for row in rows:
        canvas.put(row, 0, y)
        y += row.height + gap
    return canvas.scene(max(row.width for row in rows), y - gap)


def _split(net: Net) -> tuple[Net, list[Net]]:
    """The part that free edges lead into, and the closed parts, which are scalars."""
    part = components(net)
    reached = {part[name] for name in net.ends}
    members: dict[int, list[int]] = {}
    for k in range(len(net.items)):
        members.setdefault(part[k], []).append(k)
    opened = _part(net, [k for k in range(len(net.items)) if part[k] in reached], net.ends)
    return opened, [_part(net, found, {}) for p, found in members.items() if p not in reached]


def _part(net: Net, kept: list[int], ends: object) -> Net:
    number = {k: n for n, k in enumerate(kept)}

    def moved(end: End) -> End:
        return end if end.item < 0 else End(number[end.item], end.leg, end.name)

    links = tuple(
        Link(moved(a), moved(b), size)
        for a, b, size in net.links
        if (a.item in number or b.item in number or (ends and a.item < 0 and b.item < 0))
    )
    return replace(net, items=tuple(net.items[k] for k in kept), links=links, ends=ends, coefficient=Name(""))  # type: ignore[arg-type]


def _block(net: Net, sides: dict[str, Side], metrics: Metrics, labelled: bool) -> Block:
    """One net without scalars, in coordinates."""
    return _laid_out(net, sides, rank(net, sides), metrics, labelled).draw()


def _laid_out(net: Net, sides: dict[str, Side], ranks: Ranks, metrics: Metrics, labelled: bool) -> NetLayout:
    sized = [_sized(item, ranks.sides[k], metrics) for k, item in enumerate(net.items)]
    return NetLayout(Placement(net, sides, ranks, sized, metrics), labelled)


def _wrapped(net: Net, sides: dict[str, Side], metrics: Metrics) -> Scene:
    """One net without scalars, its free edges named, in rows if it is wider than a page."""
    ranks = rank(net, sides)
    drawn = _laid_out(net, sides, ranks, metrics, True)
    whole = drawn.draw().scene
    starts = cut_columns(net, ranks, drawn.spans(), metrics) if whole.width > metrics.widest else []
    if not starts:
        return whole
    rows = [_block(row, own, metrics, True).scene for row, own in rows_of(net, sides, ranks, starts)]
    return replace(_stacked(_led_alike(rows), metrics), first_row=rows[0].height)


def _led_alike(rows: list[Scene]) -> list[Scene]:
    """The rows moved right so that the first item of each stands at one place."""
    leads = [min((s.x for s in row.shapes), default=0.0) for row in rows]
    found: list[Scene] = []
    for row, lead in zip(rows, leads, strict=True):
        canvas = Canvas()
        canvas.put(row, max(leads) - lead, 0)
        found.append(canvas.scene(row.width + max(leads) - lead, row.height))
    return found


def _crossed(term: Term, sides: dict[str, Side], metrics: Metrics) -> Block:
    """A net whose free edges run to the border; its scalars stand above."""
    assert term.net is not None
    opened, closed = _split(term.net)
    before = _joined(term.before, term.net.coefficient, bare=not term.net.items and not opened.links)
    above = [_text(before, metrics)] if before.text else []
    above += [_block(net, {}, metrics, True).scene for net in closed]
    below = _block(opened, sides, metrics, False) if opened.links else Block(Scene(0.0, 0.0), {})
    if not above:
        return below
    head = _beside(above, metrics)
    width = max(head.width, below.scene.width)
    canvas = Canvas()
    down = head.height + (metrics.row / 2 if opened.links and not metrics.whole else 0)
    canvas.put(head, float(int((width - head.width) / 2)), 0)
    shift = float(int((width - below.scene.width) / 2))
    canvas.put(below.scene, shift, down)
    ends = {name: y + down for name, y in below.ends.items()}
    for name, y in ends.items():
        x0, x1 = (0.0, shift) if sides[name] == "L" else (shift + below.scene.width, width)
        if x1 > x0:
            canvas.wires.append(Wire((Piece("line", x0, y, x1, y),), free=name))
    return Block(canvas.scene(width, down + below.scene.height), ends)


# ---- items


def _sized(item: Item, sides: list[Side], m: Metrics) -> Sized:
    if item.inside:
        return _box(item, sides, m)
    if item.kind == "dot":
        most = max(sides.count("L"), sides.count("R")) if m.whole else 1
        return Sized(item, m.dot, m.dot * most)
    count = max(sides.count("L"), sides.count("R"), 1)
    marks = [max((m.label(item.marks[k]) for k, s in enumerate(sides) if s == side and k < len(item.marks)), default=0.0)
             for side in ("L", "R")]  # fmt: skip
    name = m.name(item.named(sides))
    width = sum(marks) + name + (m.pad + m.small if any(marks) else 2 * m.pad)
    if any(marks):
        width += m.pad
    if m.whole:
        return Sized(item, width + (m.label(item.note.text) + 1 if item.note.text else 0), float(count))
    width = max(width, m.label(item.note.text) * 0.85 + m.pad)
    height = max(m.least, count * m.port + 8) + (10 if item.note.text else 0)
    return Sized(item, max(width, m.least), height)


def _inner_sides(item: Item, sides: list[Side]) -> dict[str, Side]:
    """What is inside leaves on the side of the leg that it becomes; what ends at the border, where it finds room."""
    found: dict[str, Side] = {p.inner: sides[p.leg] for p in item.ports if p.inner and p.leg >= 0}
    bound = [p.inner for p in item.ports if p.inner and p.leg < 0]
    if len(bound) == 1:
        taken = list(found.values())
        found[bound[0]] = "R" if taken.count("L") > taken.count("R") else "L"
    else:
        found.update(sides_of(tuple(bound)))
    return found


def _box(item: Item, sides: list[Side], m: Metrics) -> Sized:
    """A box: a title, what is inside, and its legs on the border."""
    inner_sides = _inner_sides(item, sides)
    alone = len(item.inside) == 1 and item.inside[0].net is not None
    block = _crossed(item.inside[0], inner_sides, m) if alone else Block(_rows(item.inside, inner_sides, m), {})
    title = m.name(item.name) + (m.label(item.note.text) + m.pad if item.note.text else 0)
    top = m.top if title else m.bottom
    marks = _marks(item, alone)
    margin = {s: max((m.label(marks[k]) + m.small for k, x in enumerate(sides) if x == s and marks[k]), default=0.0)
              for s in ("L", "R")}  # fmt: skip
    side = {s: max(m.side, margin[s] + (2 if m.whole else 6)) for s in ("L", "R")}
    width = max(block.scene.width + side["L"] + side["R"], title + 2 * m.pad + (4 if m.whole else 0), m.least)
    ports, inner = _box_ports(item, sides, block, m, alone)
    height = top + inner + m.bottom
    spare = (width - side["L"] - side["R"] - block.scene.width) / 2
    x = side["L"] + (float(int(spare)) if m.whole else spare)
    y = (inner - block.scene.height) / 2 if not alone else 0.0
    y = top + (float(int(y)) if m.whole else y)
    canvas = Canvas()
    canvas.shapes.append(Shape(item.kind, 0, 0, width, height, item.name, item.note, -1, item.used, item.made))
    canvas.put(block.scene, x, y, 0)
    for name, level in block.ends.items():
        x0, x1 = (0.0, x) if inner_sides[name] == "L" else (x + block.scene.width, width)
        if x1 > x0:
            canvas.wires.append(Wire((Piece("line", x0, level + y, x1, level + y),), 0, name))
    offsets = {leg: top + at for leg, at in ports.items()}
    for port in item.ports:
        if port.acted and (port.leg >= 0 or port.inner in block.ends):
            level = offsets[port.leg] if port.leg >= 0 else block.ends[port.inner] + y
            at_left = (sides[port.leg] if port.leg >= 0 else inner_sides[port.inner]) == "L"
            canvas.labels.append(Label(Name(""), 0 if at_left else width, level, "middle", "socket", 0))
    _draw_marks(canvas, marks, sides, offsets, width, m)
    slots: dict[Side, list[int]] = {
        s: sorted((k for k, own in enumerate(sides) if own == s), key=lambda k: (offsets[k], k)) for s in ("L", "R")
    }
    return Sized(item, width, height, canvas.scene(width, height), slots, offsets)


def _marks(item: Item, alone: bool) -> list[str]:
    """What is written at the legs inside the border: own marks, or which free edge of the terms a leg is."""
    found = [item.marks[k] if k < len(item.marks) else "" for k in range(item.legs)]
    if not alone:
        for port in item.ports:
            if port.leg >= 0 and port.inner:
                found[port.leg] = port.inner
    return found


def _draw_marks(
    canvas: Canvas, marks: list[str], sides: list[Side], offsets: dict[int, float], width: float, m: Metrics
) -> None:
    inset = 1 if m.whole else 6
    for leg, mark in enumerate(marks):
        if mark:
            left = sides[leg] == "L"
            at = inset if left else width - inset
            canvas.labels.append(Label(Name(mark), at, offsets[leg], "start" if left else "end", "mark", 0))


def _box_ports(item: Item, sides: list[Side], block: Block, m: Metrics, alone: bool) -> tuple[dict[int, float], float]:
    """Heights of the legs below the title, and the height of the inside: legs that nothing inside leads to lie below."""
    found: dict[int, float] = {}
    own: dict[Side, list[int]] = {"L": [], "R": []}
    for port in item.ports:
        if port.leg >= 0 and alone and port.inner in block.ends:
            found[port.leg] = block.ends[port.inner]
        elif port.leg >= 0:
            own[sides[port.leg]].append(port.leg)
    inner = block.scene.height
    count = max(len(v) for v in own.values())
    first = inner if alone and found else 0.0
    if alone and found:
        inner += count * m.port
    else:
        inner = max(inner, count * m.port, m.port)
    for legs in own.values():
        for at, leg in zip(spread(len(legs), inner - first, m), legs, strict=True):
            found[leg] = first + at
    return found, inner
