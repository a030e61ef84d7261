"""Scores theorem files against minimum counts: `python tests/scoreboard.py FILE=MINIMUM ...`.

Counted is what came out as claimed: equations proved and inequations refuted. Exits with 1 when that falls short, when an
equation is refuted, or when a goal is an error.
"""

from __future__ import annotations

import sys
from collections import Counter

from tensorgrad.cli.goals import answer, read_goals
from tensorgrad.rule import library


def main(arguments: list[str]) -> int:
    failed = False
    for argument in arguments:
        path, _, minimum = argument.partition("=")
        answers = [answer(goal, library(), 5.0) for goal in read_goals([path], "", "", ())]
        hoped = sum(a.as_hoped for a in answers)
        count = Counter(a.proof.status for a in answers)
        print(f"{path}: {hoped} of {len(answers)} as claimed (at least {minimum or 0} wanted), {dict(count)}")
        for a in answers:
            if not a.as_hoped:
                print(f"  {a.proof.status}: {a.goal.name}")
                failed |= a.proof.status in ("refuted", "error")
        failed |= hoped < int(minimum or 0)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
