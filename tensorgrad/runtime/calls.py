"""Applications of functions as torch source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tensorgrad.errors import UnsupportedError
from tensorgrad.runtime.program import Call
from tensorgrad.sizes import Poly

if TYPE_CHECKING:
    from tensorgrad.runtime.torch_source import Source

ELEMENTWISE = {
    "exp": "torch.exp",
    "log": "torch.log",
    "sqrt": "torch.sqrt",
    "sin": "torch.sin",
    "cos": "torch.cos",
    "tan": "torch.tan",
    "sinh": "torch.sinh",
    "cosh": "torch.cosh",
    "tanh": "torch.tanh",
    "abs": "torch.abs",
    "sign": "torch.sign",
    "relu": "torch.relu",
    "step": "tf.step",
    "sigmoid": "torch.sigmoid",
    "softplus": "tf.softplus",
    "erf": "torch.erf",
    "gelu": "torch.nn.functional.gelu",
}
"""Function -> the callable of one tensor."""

CONSTANTS = {"pi": "torch.pi"}
"""Numbers that have a name -> their source, a Python number."""

ACTING = {
    "softmax": "torch.softmax({}, dim=-1)",
    "log_softmax": "torch.log_softmax({}, dim=-1)",
    "softmax_gradient": "tf.softmax_gradient({}, {})",
    "logsumexp": "torch.logsumexp({}, dim=-1)",
    "max": "torch.amax({}, dim=-1)",
    "prod": "torch.prod({}, dim=-1)",
    "hardmax": "tf.hardmax({})",
    "argmax": "tf.position(torch.argmax({0}, dim=-1), {0})",
    "argsort": "tf.position(torch.argsort({0}, dim=-1), {0})",
    "cholesky": "tf.cholesky({})",
    "eigvals": "tf.eigvals({})",
    "rank": "torch.linalg.matrix_rank({0}).to({0}.dtype)",
    "inv": "torch.linalg.inv({})",
    "pinv": "torch.linalg.pinv({})",
    "adj": "tf.adjugate({})",
    "expm": "torch.linalg.matrix_exp({})",
    "sinm": "torch.linalg.matrix_exp(1j * {}).imag",
    "cosm": "torch.linalg.matrix_exp(1j * {}).real",
    "logm": "tf.logm({})",
    "sqrtm": "tf.sqrtm({})",
    "det": "torch.linalg.det({})",
    "logdet": "tf.logdet({})",
}
"""Function -> its source, acted axes last, one a group."""


def call_source(source: Source, call: Call) -> tuple[str, bool]:
    """The source of an application, and whether it is a Python number."""
    name = call.function.name
    if name == "pow" and not call.function.derivative:
        return _power(source, call)
    if call.function.nullary:
        return CONSTANTS[name], True
    args = [_argument(source, call, k) for k in range(len(call.args))]
    if call.function.elementwise and len(args) == 1:
        return f"{_elementwise(source, call)}({', '.join(args)})", False
    if not call.function.known:
        parameter = source.parameter(name)
        batch = len({b for _, labels in call.args for b in labels if b >= 0})
        text = f"tf.unknown({parameter}, {call.function.acts}, {call.function.by}, {batch})({', '.join(args)})"
    elif call.function.derivative:
        raise UnsupportedError(f"the value of {call.function}, whose derivative has no rule")
    elif name == "matpow":
        exponent = source.literal(call.args[1][0])
        whole = exponent is not None and exponent.strip("()-").isdigit()
        text = f"torch.linalg.matrix_power({args[0]}, {exponent})" if whole else f"tf.matpow({args[0]}, {args[1]})"
    elif name == "onehot":
        (length,) = call.function.produces
        assert isinstance(length, Poly)
        text = f"tf.onehot({args[0]}, {source.size(length)})"
    elif name in ACTING:
        text = ACTING[name].format(*args)
    else:
        raise UnsupportedError(f"the function {call.function} in torch")
    return _produced(source, call, text), False


def _elementwise(source: Source, call: Call) -> str:
    function = call.function
    known = ELEMENTWISE.get(function.name) if function.known else source.parameter(function.name)
    if known is None or len(call.args) > 1:
        raise UnsupportedError(f"the function {function} in torch")
    return known if not function.derivative else f"tf.derivative({known}, {function.derivative})"


def _power(source: Source, call: Call) -> tuple[str, bool]:
    numbers = [source.literal(v) for v, _ in call.args]
    base = numbers[0] or _argument(source, call, 0)
    exponent = numbers[1] or _argument(source, call, 1)
    literal = all(n is not None for n in numbers)
    if literal:
        return f"({base} ** {exponent})", True
    special = {"(-1)": f"1 / {base}", "(1/2)": f"torch.sqrt({base})", "(-1/2)": f"torch.rsqrt({base})"}
    return special.get(exponent, f"{base} ** {exponent}"), False


def _argument(source: Source, call: Call, k: int) -> str:
    """An argument with its batch axes where the result has them, then its acted axes, one a group."""
    value, labels = call.args[k]
    text = source.tensor(value)
    batch = sorted({b for _, ls in call.args for b in ls if b >= 0})
    acted = sorted((b for b in labels if b < 0), reverse=True)
    mine = [b for b in batch if b in labels]
    text = source.aligned(text, labels, [*(batch if len(call.args) > 1 and mine else mine), *acted])
    start = len(mine) if len(call.args) == 1 or not mine else len(batch) - batch.index(mine[0])
    before = sum(call.function.acts[:k])
    for length in call.groups[before : before + call.function.acts[k]]:
        if length > 1:
            text = f"{text}.flatten({start}, {start + length - 1})"
        elif not length:
            text = f"{text}.unsqueeze({start})"
        start += 1
    return text


def _produced(source: Source, call: Call, text: str) -> str:
    """Split the produced axes into their groups' axes."""
    position = len({b for _, ls in call.args for b in ls if b >= 0})
    for group in call.function.produces:
        length = 1 if isinstance(group, Poly) else call.groups[group]
        if length > 1:
            sizes = ", ".join(source.size(d) for d in call.dims[position : position + length])
            text = f"{text}.unflatten({position}, ({sizes}))"
        elif not length:
            text = f"{text}.squeeze({position})"
        position += length
    return text


__all__ = ["ACTING", "ELEMENTWISE", "call_source"]
