"""Scenes as SVG: self-contained, no style sheet, no script; it shows in a notebook, in a browser and on GitHub."""

from __future__ import annotations

from xml.sax.saxutils import escape

from tensorgrad.show.scene import Label, Scene, Shape, Wire

MARGIN = 8
INK, SOFT, PAPER = "#1f2430", "#6b7280", "#ffffff"
FILLS = {
    "tensor": "#dbeafe",
    "symmetric": "#dcfce7",
    "folded": "#f3f4f6",
    "function": "#fff7ed",
    "loop": "none",
    "expectation": "#faf5ff",
    "sum": "#f8fafc",
    "argument": "#ffffff",
    "card": "#ffffff",
}
STROKES = {
    "function": "#c2410c",
    "loop": "#b91c1c",
    "expectation": "#7e22ce",
    "sum": "#94a3b8",
    "argument": "#94a3b8",
    "card": "#475569",
}
USED, MADE = "#fef08a", "#16a34a"
"""Of a derivation: the fill of what the next rule replaces, the outline of what the rule before made."""
FONT = "font-family=\"'DejaVu Sans', Verdana, 'Noto Sans CJK SC', sans-serif\""


def svg(scene: Scene, title: str = "") -> str:
    """The scene as an SVG document; `title` is what a screen reader says."""
    width, height = scene.width + 2 * MARGIN, scene.height + 2 * MARGIN
    size = f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}"'
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {FONT}>',
        f"<title>{text(title)}</title>" if title else "",
        f'<rect width="{_n(width)}" height="{_n(height)}" rx="6" fill="{PAPER}"/>',
        f'<g transform="translate({MARGIN} {MARGIN})">',
    ]
    # Boxes enclose what comes after them; wires lie on boxes and under nodes.
    boxes = [s for s in scene.shapes if s.kind in STROKES]
    nodes = [s for s in scene.shapes if s.kind not in STROKES]
    body += [_shape(s) for s in boxes]
    body.append(f'<g fill="none" stroke="{INK}" stroke-width="1.6" stroke-linecap="round">')
    body += [_wire(w) for w in scene.wires]
    body.append("</g>")
    body += [_shape(s) for s in nodes]
    body += [_shape_text(s) for s in scene.shapes]
    body += [_label(t) for t in scene.labels]
    return "\n".join([*filter(None, body), "</g>", "</svg>"]) + "\n"


def text(value: str) -> str:
    """Text escaped for XML, without characters that XML has no way to write."""
    return escape("".join(c if c >= " " or c in "\t\n" else "\ufffd" for c in value), {'"': "&quot;"})


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _wire(wire: Wire) -> str:
    parts: list[str] = []
    for piece in wire.pieces:
        a, b, c, d = piece.controls()
        if piece.kind == "line":
            parts.append(f"M{_n(a[0])} {_n(a[1])}H{_n(d[0])}")
        else:
            parts.append(f"M{_n(a[0])} {_n(a[1])}C" + " ".join(f"{_n(x)} {_n(y)}" for x, y in (b, c, d)))
    return f'<path d="{"".join(parts)}"/>'


def _shape(s: Shape) -> str:
    if s.kind == "dot":
        r = s.width / 2
        return f'<circle cx="{_n(s.x + r)}" cy="{_n(s.y + s.height / 2)}" r="{_n(r)}" fill="{INK}"/>'
    round_ = {"symmetric": min(s.width, s.height) / 2, "loop": 22, "function": 8, "expectation": 2}.get(s.kind, 5)
    fill = USED if s.used else FILLS[s.kind]
    stroke = MADE if s.made else STROKES.get(s.kind, INK)
    dash = ' stroke-dasharray="4 3"' if s.kind in ("folded", "argument", "sum") else ""
    thick = "3" if s.made else "2.2" if s.kind == "loop" else "1.4"
    return (
        f'<rect x="{_n(s.x)}" y="{_n(s.y)}" width="{_n(s.width)}" height="{_n(s.height)}" rx="{_n(round_)}" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{thick}"{dash}/>'
    )


def _shape_text(s: Shape) -> str:
    middle = s.x + s.width / 2
    if s.kind in STROKES:
        color = STROKES[s.kind]
        note = f'<tspan fill="{SOFT}" font-size="11" dx="8">{text(s.note.text)}</tspan>' if s.note.text else ""
        if not s.name.text:
            return ""
        return (
            f'<text x="{_n(middle)}" y="{_n(s.y + 14)}" font-size="13" text-anchor="middle" fill="{color}">'
            f"{text(s.name.text)}{note}</text>"
        )
    if not s.name.text:
        return ""
    y = s.y + s.height / 2 + 5 - (6 if s.note.text else 0)
    found = f'<text x="{_n(middle)}" y="{_n(y)}" font-size="15" text-anchor="middle" fill="{INK}">{text(s.name.text)}</text>'
    if s.note.text:
        found += (
            f'<text x="{_n(middle)}" y="{_n(y + 12)}" font-size="9" text-anchor="middle" fill="{SOFT}">'
            f"{text(s.note.text)}</text>"
        )
    return found


_SIZES = {"edge": ("12", INK), "size": ("11", SOFT), "mark": ("10", SOFT), "coefficient": ("15", INK)}


def _label(t: Label) -> str:
    if t.role == "socket":
        return f'<rect x="{_n(t.x - 2.5)}" y="{_n(t.y - 6)}" width="5" height="12" rx="2" fill="{INK}"/>'
    size, color = _SIZES[t.role]
    drop = {"edge": 4.2, "size": 3.5, "mark": 3.5, "coefficient": 5}[t.role]
    return (
        f'<text x="{_n(t.x)}" y="{_n(t.y + drop)}" font-size="{size}" text-anchor="{t.anchor}" fill="{color}">'
        f"{text(t.name.text)}</text>"
    )
