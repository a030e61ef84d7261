"""Between two columns: the order in which wires bend, so that with right angles no two of them run together."""

from __future__ import annotations

from typing import NamedTuple


class Crossing(NamedTuple):
    """A wire in the room between two columns: where it ends at the left column (`left`), at the right one (`right`)."""

    left: tuple[float, ...]
    right: tuple[float, ...]


def tracks(crossings: list[Crossing], half: float) -> tuple[list[tuple[tuple[int, float], ...]], int]:
    """For each wire its stops (track, level after it), and the number of tracks.

    A wire must bend before another one that ends at the right where it starts at the left. Where that goes round in a
    circle, a wire steps aside, `half` below its start, where no wire ends.
    """
    bent = [k for k, c in enumerate(crossings) if len(c.left) != 1 or c.left != c.right]
    starts = {y: k for k in bent for y in crossings[k].left}
    # before[k]: wires that must bend before k does.
    before = {k: {starts[y] for y in crossings[k].right if y in starts and starts[y] != k} for k in bent}
    stops: list[tuple[tuple[int, float], ...]] = [() for _ in crossings]
    waiting, used = list(bent), 0
    aside: dict[int, tuple[int, float]] = {}
    while waiting:
        ready = [k for k in waiting if all(b not in waiting or b in aside for b in before[k])]
        if not ready:
            # Only a wire from one side to the other can step aside; a circle has one, for turns wait for nothing or
            # are waited for by nothing.
            k = next(k for k in waiting if k not in aside and crossings[k].left and crossings[k].right)
            aside[k] = (used, crossings[k].left[0] + half)
            used += 1
            continue
        k = ready[0]
        waiting.remove(k)
        levels = crossings[k].right or crossings[k].left[1:]
        level = levels[-1]
        stops[k] = (*([aside[k]] if k in aside else []), (used, level))
        used += 1
    return stops, used
