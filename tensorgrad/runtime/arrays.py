"""Operands given as torch tensors or NumPy arrays: checked, brought to torch, and results brought back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from tensorgrad.errors import ValueMismatchError


def gathered(operands: Sequence[Any]) -> tuple[bool, Sequence[Any]]:
    """Whether the operands are all arrays or numbers, and the operands as torch tensors.

    Arrays are brought to their common dtype, as NumPy does; tensors must have one dtype and one device, as in torch.
    An operand that is given several times stays one object.
    """
    import torch

    first = operands[0] if operands else None
    if type(first) is torch.Tensor:
        dtype, device = first.dtype, first.device
        _numeric(dtype)
        for t in operands:
            if type(t) is not torch.Tensor or t.dtype is not dtype or t.device != device:
                break
        else:
            return False, operands
    return _converted(operands)


def _converted(operands: Sequence[Any]) -> tuple[bool, Sequence[Any]]:
    import numpy as np
    import torch

    given = {k: t for k, t in enumerate(operands) if isinstance(t, torch.Tensor)}
    made: dict[int, Any] = {}
    if given:
        kind = _one_kind(given)
        _numeric(kind[0])
        for t in operands:
            if id(t) not in made:
                made[id(t)] = t if isinstance(t, torch.Tensor) else _follower(t, *kind)
        return False, [made[id(t)] for t in operands]
    arrays = {id(t): np.asarray(t) for t in operands}
    dtype = np.result_type(*arrays.values()) if arrays else np.dtype(float)
    for key, array in arrays.items():
        made[key] = from_numpy(array.astype(dtype, copy=False))
        _numeric(made[key].dtype)
    return True, [made[id(t)] for t in operands]


def _numeric(dtype: Any) -> None:
    import torch

    if dtype is torch.bool:
        raise ValueMismatchError("the operands are true or false; convert them to numbers, x.to(torch.float32)")


def _one_kind(given: dict[int, Any]) -> tuple[Any, Any]:
    """The dtype and device of all tensors; an error names two that differ."""
    (k, first), *rest = given.items()
    for other, t in rest:
        if t.dtype is not first.dtype:
            raise ValueMismatchError(f"operand {k} is {first.dtype}, operand {other} {t.dtype}; convert one")
        if t.device != first.device:
            raise ValueMismatchError(
                f"operand {k} is on {first.device}, operand {other} on {t.device}; move them to one device"
            )
    return first.dtype, first.device


def _follower(value: Any, dtype: Any, device: Any) -> Any:
    """An array or number among tensors: numbers take their dtype, arrays must have it."""
    import numpy as np
    import torch

    if isinstance(value, int | float):
        return torch.tensor(value, dtype=dtype, device=device)
    made = from_numpy(np.asarray(value)).to(device)
    if made.dtype is not dtype:
        raise ValueMismatchError(f"an array of {made.dtype} among tensors of {dtype}; convert one")
    return made


def from_numpy(array: Any) -> Any:
    """A tensor of an array's memory where torch can look at it, else of a copy. It is only read."""
    import numpy as np
    import torch

    if any(stride < 0 for stride in array.strides) or not array.dtype.isnative:
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def returned(result: Any, arrays: bool, out: Any) -> Any:
    """The result as the operands were given, or written into `out`."""
    if out is None:
        return result.numpy() if arrays else result
    if tuple(out.shape) != tuple(result.shape):
        raise ValueMismatchError(f"out has the shape {tuple(out.shape)}, the result {tuple(result.shape)}")
    if arrays:
        out[...] = result.numpy()
    else:
        out.copy_(result)
    return out
