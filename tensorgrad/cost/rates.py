"""Time on a device: operations and bytes at its rates, and what starting an operation takes."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.errors import InputError


@dataclass(frozen=True, slots=True)
class Rates:
    """What a device does in a second, and the seconds that starting one operation takes (a roofline).

    `flops` scalar operations of a large matrix product, `bytes` read and written, `entry` bytes an entry. The defaults
    are those of float32 on two cores of a current server; `tensorgrad bench --calibrate` measures others.

    >>> Rates(flops=1e9, bytes=8e9, call=0.0).picoseconds(2_000, 1_000)
    2000000
    """

    flops: float = 1.3e11
    bytes: float = 1.5e10
    call: float = 4e-6
    entry: int = 4

    def __post_init__(self) -> None:
        for name in ("flops", "bytes", "entry"):
            if not getattr(self, name) > 0:
                raise InputError(f"Rates({name}={getattr(self, name)!r}): a rate is a number above 0")
        if not self.call >= 0:
            raise InputError(f"Rates(call={self.call!r}): starting an operation takes 0 seconds or more")

    def picoseconds(self, flops: int, entries: int) -> int:
        """One operation: the longer of computing and of moving the entries, and its start.

        >>> Rates(flops=1e9, bytes=1e9, call=1e-6).picoseconds(500, 1_000)
        5000000
        """
        return int(1e12 * (max(flops / self.flops, self.entry * entries / self.bytes) + self.call))
