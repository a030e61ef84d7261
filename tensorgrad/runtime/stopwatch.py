"""Times of several programs, side by side: warm, taking turns, medians."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

RUNS, MOST_RUNS = 7, 50
"""Runs of each program, and of programs that are fast together."""
SHORT, LONGEST = 0.3, 4.0
"""Seconds of all programs within which there are more runs, and of one program after which it has no further run."""


def seconds(
    programs: Mapping[str, Callable[[], Any]], settle: Callable[[], Any] = lambda: None, runs: int = RUNS
) -> dict[str, float]:
    """The median seconds of each program, the programs taking turns.

    The order changes from turn to turn: what a program leaves behind, a full cache or threads that still wait, meets
    another one each time.

    Args: programs, run before (they are warm); settle, waits for what a device still does; runs of each at least, fewer
    for one that takes seconds.

    >>> list(seconds({"nothing": lambda: None}))
    ['nothing']
    """
    times: dict[str, list[float]] = {name: [] for name in programs}
    order = list(programs)
    shuffle = Random(0).shuffle
    for turn in range(max(runs, MOST_RUNS)):
        if turn >= runs and sum(map(sum, times.values())) > SHORT:
            break
        shuffle(order)
        for name in order:
            if sum(times[name]) <= LONGEST:
                times[name].append(_once(programs[name], settle))
    return {name: median(found) for name, found in times.items()}


def _once(run: Callable[[], Any], settle: Callable[[], Any]) -> float:
    settle()
    start = perf_counter()
    run()
    settle()
    return perf_counter() - start


def machine(device: str = "cpu") -> str:
    """What the times are of: the processor or the GPU, threads, torch.

    >>> "torch" in machine()
    True
    """
    import torch

    on_gpu = torch.device(device).type == "cuda"
    where = (
        torch.cuda.get_device_name(device) if on_gpu else f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    )
    return f"{where}, torch {torch.__version__}, float32"
