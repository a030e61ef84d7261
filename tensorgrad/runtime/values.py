"""Values for variables: as torch tensors of one float dtype, and the sizes read off them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tensorgrad.calculus.covariance import bare, places_in
from tensorgrad.errors import ValueMismatchError
from tensorgrad.numeric import holds
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Expectation, Tensor, Variable, walk

if TYPE_CHECKING:
    import torch


def to_torch(variables: Sequence[Variable], given: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The value of each variable as a tensor; all get one float dtype and the device of the tensors given."""
    made: dict[str, torch.Tensor] = {}
    for variable in variables:
        if variable.name not in given:
            listed = ", ".join(given) or "none"
            raise ValueMismatchError(
                f"no value for {variable.name} ({_shape(variable)}); values were given for {listed}"
            )
        value = _as_tensor(variable, given[variable.name])
        if value.dim() != variable.order:
            raise ValueMismatchError(
                f"the value of {variable.name} has {value.dim()} axes {tuple(value.shape)}, "
                f"declared are {_shape(variable)}"
            )
        made[variable.name] = value
    dtype = _dtype(made, given)
    device = _device(made, given)
    return {name: value.to(dtype=dtype, device=device) for name, value in made.items()}


def _as_tensor(variable: Variable, value: Any) -> torch.Tensor:
    import torch

    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueMismatchError(
            f"the value of {variable.name} ({_shape(variable)}) is a {type(value).__name__} that makes no tensor: {error}"
        ) from error


def require_covariances(t: Tensor, given: Mapping[str, Any]) -> None:
    """ValueMismatchError for the value of a covariance in `t` that no law has.

    That is one which changes when its two halves are exchanged, or one with a negative variance.
    """
    import torch

    for node in walk(t):
        if not isinstance(node, Expectation) or node.law is None or node.law.kind == "iid":
            continue
        parameter, half = node.law.parameters[1], node.law.parameters[1].order // 2
        covariance = bare(parameter)
        if covariance is None or covariance.name not in given:
            continue
        value = torch.as_tensor(given[covariance.name])
        if value.dim() != covariance.order:
            continue  # the shape is refused elsewhere, with the declaration
        value = value.permute(places_in(parameter, covariance)) if half else value
        if value.shape[:half] != value.shape[half:]:
            continue
        other = value.permute(*range(half, 2 * half), *range(half)) if half else value
        if not torch.allclose(value.double(), other.double(), rtol=1e-5, atol=1e-8):
            raise ValueMismatchError(
                f"the value of {covariance.name} is no covariance of {node.variable.name}: exchanging its two halves "
                "changes it"
            )
        variances = value.reshape(math.prod(value.shape[:half]), -1).diagonal()
        if bool((variances < 0).any()):
            raise ValueMismatchError(
                f"the value of {covariance.name} is no covariance of {node.variable.name}: it has the negative variance "
                f"{float(variances.min()):g}"
            )


def check_names(given: Mapping[str, Any], known: Sequence[str], what: str = "variable of this step") -> None:
    """ValueMismatchError for a value whose name is none of the known ones."""
    for name in given:
        if name not in known:
            lower = {other.lower(): other for other in known}
            near = get_close_matches(name.lower(), lower, n=1)
            hint = f" (did you mean {lower[near[0]]}?)" if near else ""
            raise ValueMismatchError(f"{name} is no {what}{hint}; there are {', '.join(known) or 'none'}")


def check_finite(variables: Sequence[Variable], values: Mapping[str, torch.Tensor]) -> None:
    """ValueMismatchError for a value with NaN: names the variable and the place by edges."""
    for variable in variables:
        bad = values[variable.name].isnan()
        if bool(bad.any()):
            place = bad.nonzero()[0].tolist()
            where = ", ".join(f"{e}={k}" for e, k in zip(variable.edges, place, strict=True))
            raise ValueMismatchError(f"the value of {variable.name} has NaN" + (f" at {where}" if where else ""))


def check_facts(variables: Sequence[Variable], values: Mapping[str, torch.Tensor]) -> None:
    """ValueMismatchError for a value that has not a fact its variable declares, up to rounding in its dtype."""
    import torch

    for variable in variables:
        value = values[variable.name].detach()
        rounding = torch.finfo(value.dtype).eps
        array = value.double().cpu().numpy()
        for fact in variable.facts:
            if array.size and not holds(fact, array, rounding**0.5, rounding):
                raise ValueMismatchError(f"{variable.name} is declared {fact}, the value given is not")


def check_symmetric(names: Sequence[str], values: Mapping[str, torch.Tensor]) -> None:
    """ValueMismatchError for a matrix (or batch) of which Cholesky would read one half, though the other differs."""
    import torch

    is_batched: Any = import_module("torch._C._functorch").is_batchedtensor
    for name in names:
        value = values[name].detach()
        # Inside torch.compile and vmap there is no value to look at.
        if torch.compiler.is_compiling() or is_batched(value) or not value.numel():
            continue
        worst, most = (value - value.mT).abs().amax(), value.abs().amax()
        if bool(worst > torch.finfo(value.dtype).eps ** 0.5 * most):
            raise ValueMismatchError(
                f"{name} is declared symmetric (or pd, psd), the value given is not: it differs from its transpose by "
                f"{float(worst):.3g}; give its symmetric part, ({name} + {name}.T) / 2, or drop the fact"
            )


def _dtype(made: Mapping[str, torch.Tensor], given: Mapping[str, Any]) -> torch.dtype:
    """The one float dtype of the values; integers and Python numbers follow. Tensors of two dtypes are an error, arrays
    among themselves are promoted."""
    import torch

    floats = {n: v.dtype for n, v in made.items() if v.is_floating_point() or v.is_complex()}
    tensors = {n: d for n, d in floats.items() if isinstance(given[n], torch.Tensor)}
    arrays = {n: d for n, d in floats.items() if n not in tensors and not isinstance(given[n], int | float)}
    found = {**tensors, **(arrays if tensors else {})}
    for name, dtype in found.items():
        first = next(iter(found))
        if dtype is not found[first]:
            raise ValueMismatchError(f"{first} is {found[first]} and {name} {dtype}; convert one")
    for dtype in found.values():
        return dtype
    common = torch.get_default_dtype() if not arrays else next(iter(arrays.values()))
    for dtype in arrays.values():
        common = torch.promote_types(common, dtype)
    return common


def _device(made: Mapping[str, torch.Tensor], given: Mapping[str, Any]) -> torch.device | None:
    """The one device of the tensors given; numbers, arrays and tensors of order 0 follow."""
    import torch

    found = {n: v.device for n, v in made.items() if isinstance(given[n], torch.Tensor) and v.dim()}
    for name, device in found.items():
        first = next(iter(found))
        if device != found[first]:
            raise ValueMismatchError(f"{first} is on {found[first]} and {name} on {device}; move them to one device")
    return next(iter(found.values()), None)


def read_sizes(
    variables: Sequence[Variable], values: Mapping[str, torch.Tensor], dims: Mapping[str, int]
) -> dict[str, int]:
    """The size symbols' values. Raises ValueMismatchError where two values disagree, naming both."""
    sizes: dict[str, int] = dict(dims)
    origin: dict[str, str] = dict.fromkeys(dims, "dims")
    axes = [(v, axis, dim, int(values[v.name].shape[axis])) for v in variables for axis, dim in enumerate(v.dims)]
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
    """The integer for `symbol` that makes `dim` the actual size."""
    low, high = 0, max(1, actual)
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
    if dim.is_constant:
        return f"{place} has size {actual}, declared is {dim}"
    return f"{place} has size {actual}, but {dim} = {dim.evaluate(sizes)}" + (f" with {known}" if known else "")


def _shape(variable: Variable) -> str:
    return " ".join(f"{e}={d}" for e, d in variable.sizes.items()) or "a scalar"
