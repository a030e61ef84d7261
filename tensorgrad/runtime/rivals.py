"""Expressions as written, as programs of other libraries: torch, torch.compile, autograd, opt_einsum, cotengra, JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tensorgrad.errors import InputError, UnsupportedError
from tensorgrad.runtime.eager import Eager
from tensorgrad.runtime.labelled import Array, Library
from tensorgrad.runtime.libraries import autograd_library, jax_library, merging_library, torch_library
from tensorgrad.runtime.workload import Task

if TYPE_CHECKING:
    import torch

Values = Mapping[str, Array]
Program = Callable[[], Sequence[Array]]
"""Computes the outputs from values that it was given."""

RIVALS = ("torch", "torch.compile", "autograd", "opt_einsum", "cotengra", "JAX")
"""What is timed beside ours, in this order."""


def rival(name: str, task: Task, values: Mapping[str, torch.Tensor], backend: str = "inductor") -> Program:
    """The program of a rival for a task, with its values.

    Args: name, one of `RIVALS`; task; values in torch, on the device to run on; backend, of torch.compile.
    Raises ModuleNotFoundError where the library is not installed, UnsupportedError where it has no word for a part.

    >>> import torch
    >>> task = Task("A @ x", "A : n n ; x : n", {"n": 2})
    >>> rival("torch", task, {"A": torch.eye(2), "x": torch.ones(2)})()
    [tensor([1., 1.])]
    """
    match name:
        case "torch":
            return _bound(_outputs(task, torch_library(), _all_at_once), values)
        case "torch.compile":
            return _torch_compiled(task, values, backend)
        case "autograd":
            return _bound(_outputs(task, autograd_library(), _backward), values)
        case "opt_einsum":
            return _bound(_outputs(task, merging_library("opt_einsum", "contract_expression"), _all_at_once), values)
        case "cotengra":
            return _bound(_outputs(task, merging_library("cotengra", "einsum_expression"), _all_at_once), values)
        case _:
            return _jitted(task, values)


def on_device(device: str) -> Callable[[], None]:
    """What waits for the work that was started on a device. Raises InputError where there is no such device."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise InputError(f"no device {device!r} here: {str(error).splitlines()[0]}") from error
    return torch.cuda.synchronize if torch.device(device).type == "cuda" else lambda: None


Outputs = Callable[[Values], Sequence[Array]]
WithGradients = Callable[[Callable[[Values], Array], Values, Sequence[str]], Sequence[Array]]


def _outputs(task: Task, library: Library, with_gradients: WithGradients) -> Outputs:
    """All outputs of a task; a value and its gradients come of one pass."""
    run = Eager(task.text, task.let, task.dims, library)
    if not task.gradients:
        return lambda values: [run(values)]
    return lambda values: with_gradients(run, values, task.gradients)


def _bound(outputs: Outputs, values: Values) -> Program:
    return lambda: outputs(values)


def _all_at_once(f: Callable[[Values], Array], values: Values, by: Sequence[str]) -> Sequence[Array]:
    """A value and its gradients by torch.func."""
    import torch

    def of(chosen: Values) -> Array:
        return f({**values, **chosen})

    gradients, value = torch.func.grad_and_value(of)({name: values[name] for name in by})
    return [value, *(gradients[name] for name in by)]


def _backward(f: Callable[[Values], Array], values: Values, by: Sequence[str]) -> Sequence[Array]:
    """A value and its gradients by one backward pass."""
    import torch

    leaves = {name: values[name].detach().requires_grad_() for name in by}
    value = f({**values, **leaves})
    return [value.detach(), *torch.autograd.grad(value, list(leaves.values()))]


def _torch_compiled(task: Task, values: Values, backend: str) -> Program:
    """The operations that torch does, recorded and given to torch.compile as one graph."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    names = list(values)
    outputs = _outputs(task, torch_library(), _all_at_once)
    graph: Any = make_fx(lambda *given: tuple(outputs(dict(zip(names, given, strict=True)))))(*values.values())
    compiled = torch.compile(graph, backend=backend, dynamic=False)
    given = tuple(values.values())
    return lambda: compiled(*given)


def _jitted(task: Task, values: Mapping[str, torch.Tensor]) -> Program:
    """JAX, jitted, on the same kind of device."""
    jax: Any = import_module("jax")
    kind = next(iter(values.values())).device.type
    try:
        device = jax.devices(kind)[0]
    except RuntimeError as error:
        raise UnsupportedError(f"JAX on {kind}: {str(error).splitlines()[0]}") from error
    outputs = _outputs(task, jax_library(jax), lambda f, v, by: _value_and_grad(jax, f, v, by))
    given = {name: jax.device_put(v.cpu().numpy(), device) for name, v in values.items()}
    jitted = jax.jit(outputs)
    return lambda: jax.block_until_ready(jitted(given))


def _value_and_grad(jax: Any, f: Callable[[Values], Array], values: Values, by: Sequence[str]) -> Sequence[Array]:
    value, gradients = jax.value_and_grad(lambda chosen: f({**values, **chosen}))({n: values[n] for n in by})
    return [value, *(gradients[name] for name in by)]
