"""False statements near true ones: theorems with one small mistake on their right side, as people make them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tensorgrad.notation import Claim, parse_file

GOAL = re.compile(r"^(?P<left>\S+ .*?) = (?P<right>.*?)(?P<rest> if .*)?$")
MISTAKES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r" \+ "), " - "),
    (re.compile(r" - "), " + "),
    (re.compile(r"\.T\b"), ""),
    (re.compile(r"\b2 \* "), "3 * "),
    (re.compile(r" / 2\b"), ""),
    (re.compile(r"\binv\("), "("),
    (re.compile(r" @ "), " * "),
    (re.compile(r" \* "), " / "),
    (re.compile(r"\*\* 2\b"), "** 3"),
    (re.compile(r"\b(?!([A-Z]) @ \1\b)([A-Z]) @ ([A-Z])\b"), r"\3 @ \2"),
    (re.compile(r"^(.*)$"), r"-(\1)"),
    (re.compile(r"^(.*)$"), r"2 * (\1)"),
)


def mutants(path: Path, folder: Path, seed: int) -> Iterator[Claim]:
    """The goals of a theorem file with one mistake each; what does not parse any more is left out."""
    random = Random(f"{path.name} {seed}")
    changed: set[str] = set()
    lines: list[str] = []
    for line in path.read_text().splitlines():
        wrong = None if line.startswith(("#", "let ", " ")) else _mistaken(line, random)
        lines.append(wrong or line)
        if wrong:
            changed.add(line.split()[0])
    copy = folder / path.name
    copy.write_text("\n".join(lines) + "\n")
    yield from (c for c in parse_file(copy) if isinstance(c, Claim) and c.name in changed)


def _mistaken(line: str, random: Random) -> str | None:
    parts = GOAL.match(line)
    if parts is None or " != " in line:
        return None
    right = parts["right"].rstrip()
    places = [(found, to) for pattern, to in MISTAKES for found in pattern.finditer(right)]
    found, to = random.choice(places)
    return f"{parts['left']} = {right[: found.start()]}{found.expand(to)}{right[found.end() :]}{parts['rest'] or ''}"
