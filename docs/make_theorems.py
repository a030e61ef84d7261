"""Prove all goals of tests/theorems and write down what came of it: `python docs/make_theorems.py` (minutes).

Writes `theorems.json`, the rules that each proof uses and how far each side of an open goal got, and `theorems.md`, the
scoreboard with the times on this machine. Run `python docs/make_rules.py` afterwards.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from tensorgrad.cli.goals import Answer, answer, files_of, read_goals
from tensorgrad.cli.output import progress
from tensorgrad.cli.scoreboard import STATUSES, by_file, summary
from tensorgrad.rule import library

DOCS = Path(__file__).parent
THEOREMS = DOCS.parent / "tests" / "theorems"
SECONDS = 15.0
"""Seconds that a goal may take before it is called open."""


def entry(a: Answer) -> dict[str, Any]:
    """What is kept of an answer: nothing that differs from run to run."""
    found: dict[str, Any] = {"name": a.goal.name, "status": a.proof.status}
    if a.proof.status == "proved":
        return found | {"rules": list(a.proof.rules)}
    if not a.as_hoped:
        found |= {"claim": a.goal.text, "reason": a.proof.reason}
        if a.proof.reached is not None:
            found |= dict(zip(("left", "right"), map(repr, a.proof.reached), strict=True))
    return found


def machine() -> str:
    """The processor, how many of them, and the Python that the times were measured with."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def scoreboard(answers: list[Answer]) -> str:
    """The scoreboard in Markdown."""
    files = by_file(answers)
    columns = ("file", "goals", "as claimed", *STATUSES, "median s", "95 % s", "most s", "seconds")
    lines = [
        "# Theorems",
        "",
        "Goals of `tests/theorems`, by file: equations proved and inequations refuted come out as claimed. Seconds a goal,",
        f"with verification, on one core of {machine()}. Written by `python docs/make_theorems.py`; the goals that do not",
        "come out as claimed, and why, are in [open.md](open.md).",
        "",
        f"| {' | '.join(columns)} |",
        f"|---|{'--:|' * (len(columns) - 1)}",
    ]
    for name, own in [*((Path(f).name, own) for f, own in files.items()), ("all", answers)]:
        s = summary(own)
        counts = [str(s[key]) for key in ("goals", "as_claimed", *STATUSES)]
        times = [f"{s[key]:.3f}" for key in ("median", "p95", "most")]
        lines.append(f"| {' | '.join([name, *counts, *times, str(round(s['seconds']))])} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Prove the goals, write the files."""
    goals = read_goals(files_of([str(THEOREMS)]), "", "", ())
    answers = [answer(goal, library(), SECONDS) for goal in progress(goals, "proving")]
    found = {Path(file).name: [entry(a) for a in own] for file, own in by_file(answers).items()}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (DOCS / "theorems.json").write_text(text + "\n", encoding="utf-8")
    (DOCS / "theorems.md").write_text(scoreboard(answers), encoding="utf-8")
    return int(any(a.proof.status == "error" for a in answers))


if __name__ == "__main__":
    sys.exit(main())
