"""Times of several programs, side by side: warm, taking turns, medians."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import Any

RUNS = 7
LONGEST = 4.0
"""Seconds after which no further run of a program is made."""


def seconds(
    programs: Mapping[str, Callable[[], Any]],
    settle: Callable[[], Any] = lambda: None,
    runs: int = RUNS,
    longest: float = LONGEST,
) -> dict[str, float]:
    """The median seconds of each program, the programs taking turns.

    Args: programs, run before (they are warm); settle, waits for what a device still does; runs of each, fewer for one
    that took `longest` seconds.

    >>> list(seconds({"nothing": lambda: None}))
    ['nothing']
    """
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(runs):
        for name, run in programs.items():
            if sum(times[name]) > longest:
                continue
            settle()
            start = perf_counter()
            run()
            settle()
            times[name].append(perf_counter() - start)
    return {name: median(found) for name, found in times.items()}


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
