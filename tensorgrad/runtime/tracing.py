"""Torch functions as graphs of operations: known ones as expressions, shapes as numbers, all else opaque."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from inspect import signature
from types import FunctionType
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_arg
from torch.fx.proxy import TraceError

from tensorgrad.errors import TensorgradError, UnsupportedError
from tensorgrad.runtime.operations import BY_SHAPE, CONSTANTS, MEANINGS, UnknownOperationError, axis_names, shape_of
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Tensor, Variable

_STATIC_METHODS = frozenset(["size", "dim", "numel", "ndimension", "nelement"])
_STATIC_ATTRIBUTES = frozenset(["shape", "ndim", "dtype", "device"])
_VIEWS = frozenset(["permute", "transpose", "t", "T", "mT", "contiguous", "clone", "unsqueeze", *BY_SHAPE])
_MUTATING = frozenset(
    getattr(operator, name) for name in ("iadd", "isub", "imul", "itruediv", "ipow", "imatmul", "setitem", "delitem")
)


class _Tracer(fx.Tracer):
    """Looks into every module."""

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return False


def trace(function: Callable[..., Any]) -> fx.GraphModule:
    """The graph of a function or module. UnsupportedError where torch.fx cannot follow it, or it changes a tensor."""
    if not isinstance(function, torch.nn.Module | FunctionType):
        raise UnsupportedError(f"a function that is not written in Python by def or lambda, nor a module ({function})")
    tracer = _Tracer()
    try:
        graph = tracer.trace(function)
    except (TraceError, TypeError, RuntimeError) as error:  # what the function itself raises over fx's stand-ins
        raise UnsupportedError(f"a function that torch.fx cannot trace ({error})") from error
    for node in graph.nodes:
        if _changes(node):
            raise UnsupportedError(f"a function that changes tensors in place ({node.format_node()})")
    return fx.GraphModule(tracer.root, graph)


def _changes(node: fx.Node) -> bool:
    """Whether an operation writes into one of its arguments."""
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    called = node.op.startswith("call") and name.endswith("_") and not name.endswith("__")
    return called or node.target in _MUTATING or node.kwargs.get("out") is not None or bool(node.kwargs.get("inplace"))


class Recorder(fx.Interpreter):
    """Runs a graph and keeps, for each node, what it gave: numbers and shapes as they are, tensors as meta tensors."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.seen: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.seen[n] = result.detach().to("meta") if isinstance(result, torch.Tensor) else result
        return result


@cache
def _operations() -> dict[Any, str]:
    """Functions of torch and operator -> the name of the operation."""
    found: dict[Any, str] = {getattr(operator, n): n for n in ("add", "sub", "mul", "truediv", "pow", "neg", "matmul")}
    places = (torch, torch.linalg, torch.nn.functional, torch.special, torch.Tensor)
    aliases = {"div": "truediv", "divide": "truediv", "true_divide": "truediv", "multiply": "mul", "subtract": "sub"}
    aliases |= {"negative": "neg", "absolute": "abs", "inverse": "inv", "ger": "outer", "swapaxes": "transpose"}
    for name in (*MEANINGS, *BY_SHAPE, *CONSTANTS, *aliases):
        for place in places:
            target = getattr(place, name, None)
            if callable(target) and not (place is torch.linalg and name in ("outer", "norm")):
                found[target] = aliases.get(name, name)
    return found


_METHODS = {"div": "truediv", "inverse": "inv", "ger": "outer", "swapaxes": "transpose"}

_HARMLESS = {"dtype": None, "inplace": False, "out": None, "rounding_mode": None}
"""Keyword arguments that change nothing when they have this value."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph and what each node gave once: `known` nodes are expressions of their arguments, `static` ones are numbers
    and shapes; inputs and all other nodes are opaque."""

    graph: fx.Graph
    seen: Mapping[fx.Node, Any]
    known: Mapping[fx.Node, Tensor]
    static: Mapping[fx.Node, Any]

    def variable(self, node: fx.Node) -> Variable:
        """The node's value as a variable."""
        return _variable(node, self.seen[node])

    def is_view(self, node: fx.Node) -> bool:
        """Whether a known node computes nothing."""
        return _name(node) in _VIEWS

    def meaning(self, node: fx.Node, arguments: Mapping[fx.Node, Tensor]) -> Tensor:
        """A known node as an expression, its arguments being these."""
        found = _expression(node, self.seen, self.static, arguments)
        assert found is not None
        return found


def classify(graph: fx.Graph, seen: Mapping[fx.Node, Any]) -> Traced:
    """What each node of a graph is, given what each one gave once."""
    known: dict[fx.Node, Tensor] = {}
    static: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "output":
            continue
        if _is_static(node, seen[node], static):
            static[node] = seen[node]
            continue
        arguments = {
            n: _variable(n, seen[n]) for n in node.all_input_nodes if n not in static and is_expression(seen[n])
        }
        found = _expression(node, seen, static, arguments)
        if found is not None:
            known[node] = found
    return Traced(graph, seen, known, static)


def is_expression(value: Any) -> bool:
    """Whether a value can be a variable: a tensor of floats with entries."""
    return isinstance(value, torch.Tensor) and value.is_floating_point() and 0 not in value.shape


def _variable(node: fx.Node, value: torch.Tensor) -> Variable:
    return Variable(node.name, edges=dict(zip(axis_names(value.dim()), map(Poly.constant, value.shape), strict=True)))


def _is_static(node: fx.Node, value: Any, static: Mapping[fx.Node, Any]) -> bool:
    """Whether a node's value follows from the shapes, dtypes and numbers of the inputs."""
    if isinstance(value, torch.Tensor):
        return False
    if node.op == "placeholder":
        return isinstance(value, int | float | bool | str | type(None))
    if node.op == "call_method":
        return node.target in _STATIC_METHODS and all(n in static for n in node.all_input_nodes[1:])
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] in _STATIC_ATTRIBUTES
    return bool(node.all_input_nodes) and all(n in static for n in node.all_input_nodes)


def _name(node: fx.Node) -> str:
    """The name of a node's operation, "" if it is none that is known."""
    if node.op == "call_method":
        name = _METHODS.get(str(node.target), str(node.target))
        return name if name in MEANINGS or name in BY_SHAPE else ""
    if node.op == "call_function":
        if node.target is getattr:
            return str(node.args[1]) if node.args[1] in ("T", "mT") else ""
        return _operations().get(node.target, "")
    return ""


def _expression(
    node: fx.Node, seen: Mapping[fx.Node, Any], static: Mapping[fx.Node, Any], arguments: Mapping[fx.Node, Tensor]
) -> Tensor | None:
    """The node as an expression of its arguments, None if it is opaque."""
    name, value = _name(node), seen[node]
    inputs = [n for n in node.all_input_nodes if n not in static]
    if not name or not is_expression(value):
        return None
    if name in CONSTANTS:
        return CONSTANTS[name](tuple(value.shape))
    if not inputs or any(n not in arguments or seen[n].dtype is not value.dtype for n in inputs):
        return None
    known: dict[fx.Node, Any] = {**static, **arguments}

    def given(n: fx.Node) -> Any:
        """What stands for a node among the arguments."""
        return known[n]

    args: Any = map_arg(node.args, given)
    kwargs: dict[str, Any] = map_arg(node.kwargs, given)  # type: ignore[assignment]
    kwargs = {k: v for k, v in kwargs.items() if k != "_stacklevel" and not (k in _HARMLESS and v is _HARMLESS[k])}
    if "input" in kwargs or "other" in kwargs:  # what torch calls the first and the second operand
        args = (*([kwargs.pop("input")] if "input" in kwargs else []), *args)
        args = (*args, *([kwargs.pop("other")] if "other" in kwargs else []))
    found = _meaning(name, node, args, kwargs, tuple(value.shape))
    if found is not None and (shape_of(found) != tuple(value.shape) or found.edges != axis_names(value.dim())):
        raise TensorgradError(f"{node.format_node()}: read as {found}, of shape {shape_of(found)}: a bug of tensorgrad")
    return found


def _meaning(name: str, node: fx.Node, args: Any, kwargs: Any, shape: tuple[int, ...]) -> Tensor | None:
    if node.target is getattr:
        return MEANINGS[name](args[0])
    if name in BY_SHAPE:
        return BY_SHAPE[name](args[0], shape) if isinstance(args[0], Tensor) else None
    try:
        signature(MEANINGS[name]).bind(*args, **kwargs)
    except TypeError:
        return None  # arguments that are not known
    try:
        return MEANINGS[name](*args, **kwargs)
    except UnknownOperationError:
        return None
