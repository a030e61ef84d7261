"""The rates of a device, measured: what `objective="time"` prices forms by."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from tensorgrad.cost import Rates
from tensorgrad.errors import InputError

_RUNS = 9
_ROWS, _ENTRIES, _CALLS = 1024, 1 << 24, 200


def measured_rates(device: str = "cpu") -> Rates:
    """Operations of a float32 matrix product, bytes of an addition, and the start of a small one, a second each.

    Takes about a second. Raises InputError where there is no such device.

    >>> measured_rates().flops > 1e6
    True
    """
    import torch

    try:
        matrix = torch.randn(_ROWS, _ROWS, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise InputError(f"no device {device!r} here: {str(error).splitlines()[0]}") from error
    long = torch.randn(_ENTRIES, device=device)
    short = torch.randn(8, device=device)
    settle = torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None

    def small() -> None:
        for _ in range(_CALLS):
            torch.add(short, short)

    product = _seconds(lambda: matrix @ matrix, settle)
    addition = _seconds(lambda: torch.add(long, long), settle)
    start = _seconds(small, settle) / _CALLS
    return Rates(2 * _ROWS**3 / product, 3 * 4 * _ENTRIES / addition, start, 4)


def _seconds(run: Callable[[], Any], settle: Callable[[], Any]) -> float:
    times: list[float] = []
    for _ in range(_RUNS):
        settle()
        start = perf_counter()
        run()
        settle()
        times.append(perf_counter() - start)
    return median(times)
