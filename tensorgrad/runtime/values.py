"""Values for variables: as torch tensors of one float dtype, and the sizes read off them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tensorgrad.errors import ValueMismatchError
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Variable

if TYPE_CHECKING:
    import torch


def to_torch(variables: Sequence[Variable], given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The value of each variable as a tensor; all get one float dtype and the device of the tensors given."""
    import torch

    made: dict[str, torch.Tensor] = {}
    for variable in variables:
        if variable.name not in given:
            listed = ", ".join(given) or "none"
            raise ValueMismatchError(
                f"no value for {variable.name} ({_shape(variable)}); values were given for {listed}"
            )
        value = torch.as_tensor(given[variable.name])
        if value.dim() != variable.order:
            raise ValueMismatchError(
                f"the value of {variable.name} has {value.dim()} axes {tuple(value.shape)}, "
                f"declared are {_shape(variable)}"
            )
        made[variable.name] = value
    floats = [n for n, v in made.items() if v.is_floating_point() or v.is_complex()]
    dtypes = [made[n].dtype for n in floats if not isinstance(given[n], int | float)] or [made[n].dtype for n in floats]
    dtype = dtypes[0] if dtypes else torch.get_default_dtype()
    for other in dtypes[1:]:
        dtype = torch.promote_types(dtype, other)
    device = _device(made)
    return {name: value.to(dtype=dtype, device=device) for name, value in made.items()}


def _device(values: Mapping[str, torch.Tensor]) -> torch.device | None:
    """The device of the values; numbers and arrays, which are on the CPU, follow. Two others are an error."""
    found: dict[torch.device, str] = {}
    for name, value in values.items():
        if value.device.type != "cpu":
            found.setdefault(value.device, name)
    if len(found) > 1:
        (a, x), (b, y) = list(found.items())[:2]
        raise ValueMismatchError(f"{x} is on {a} and {y} on {b}; move them to one device")
    return next(iter(found), None)


def read_sizes(
    variables: Sequence[Variable], values: Mapping[str, torch.Tensor], dims: Mapping[str, int]
) -> dict[str, int]:
    """The size symbols' values. Raises ValueMismatchError where two values disagree, naming both."""
    sizes: dict[str, int] = dict(dims)
    origin: dict[str, str] = dict.fromkeys(dims, "dims")
    axes = [(v, axis, dim, int(values[v.name].shape[axis])) for v in variables for axis, dim in enumerate(v.dims)]
    for variable, axis, _, actual in axes:
        if actual == 0:
            raise ValueMismatchError(
                f"axis {axis} ({variable.edges[axis]}) of the value of {variable.name} has size 0; sizes start at 1"
            )
    waiting = sorted(axes, key=lambda a: str(a[2]) not in a[2].symbols)
    progress = True
    while waiting and progress:
        progress = False
        rest: list[tuple[Variable, int, Poly, int]] = []
        for variable, axis, dim, actual in waiting:
            open_symbols = [s for s in dim.symbols if s not in sizes]
            if len(open_symbols) > 1:
                rest.append((variable, axis, dim, actual))
                continue
            progress = True
            place = f"axis {axis} ({variable.edges[axis]}) of {variable.name}"
            if open_symbols:
                sizes[open_symbols[0]] = _solve(dim, open_symbols[0], sizes, actual, place)
                origin[open_symbols[0]] = place
            elif dim.evaluate(sizes) != actual:
                raise ValueMismatchError(_conflict(dim, sizes, origin, actual, place))
        waiting = rest
    return sizes


def _solve(dim: Poly, symbol: str, sizes: Mapping[str, int], actual: int, place: str) -> int:
    """The positive integer for `symbol` that makes `dim` the actual size."""
    low, high = 1, max(1, actual)
    while dim.evaluate({**sizes, symbol: high}) < actual and high < 1 << 62:
        high *= 2
    while low < high:
        middle = (low + high) // 2
        if dim.evaluate({**sizes, symbol: middle}) < actual:
            low = middle + 1
        else:
            high = middle
    if dim.evaluate({**sizes, symbol: low}) != actual:
        raise ValueMismatchError(f"{place} has size {actual}, which is not {dim} for any integer {symbol}")
    return low


def _conflict(dim: Poly, sizes: Mapping[str, int], origin: Mapping[str, str], actual: int, place: str) -> str:
    known = ", ".join(f"{s} = {sizes[s]} (from {origin[s]})" for s in dim.symbols)
    if str(dim) in sizes:
        return f"{place} has size {actual}, but {known}"
    return f"{place} has size {actual}, but {dim} = {dim.evaluate(sizes)}" + (f" with {known}" if known else "")


def _shape(variable: Variable) -> str:
    return " ".join(f"{e}={d}" for e, d in variable.sizes.items()) or "a scalar"
