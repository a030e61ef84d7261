"""`optimize`: each torch operation against its meaning, whole functions against themselves, and what stays as it is."""

# ruff: noqa: PLW0108  (torch.fx traces Python functions, not builtins)

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as nn

import tensorgrad as tg
from tensorgrad.errors import UnsupportedError
from tensorgrad.runtime.optimization import _Staging
from tensorgrad.runtime.tracing import Recorder, classify, trace


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


A, B, C = numbers(3, 4), numbers(4, 5, seed=1), numbers(3, 4, seed=2)
x, y = numbers(4, seed=3), numbers(4, seed=4)
S = numbers(4, 4, seed=5) + 5 * torch.eye(4, dtype=torch.float64)
T, U = numbers(2, 3, 4, seed=6), numbers(2, 4, 5, seed=7)
P = numbers(3, 4, seed=8).abs() + 0.5

OPERATIONS: list[tuple[Callable[..., torch.Tensor], tuple[torch.Tensor, ...]]] = [
    (lambda a, b: a @ b, (A, B)),
    (lambda a, b: torch.matmul(a, b), (T, U)),
    (lambda a, b: torch.matmul(input=a, other=b), (T, U)),
    (lambda a, c: torch.sub(a, other=c, alpha=2), (A, C)),
    (lambda a: torch.sum(input=a, dim=1, keepdim=True), (A,)),
    (lambda a: torch.reshape(input=a, shape=(12,)), (A,)),
    (lambda a, b: torch.matmul(a, b), (T, B)),
    (lambda a, b: a @ b, (A, U)),
    (lambda a, b: a @ b, (numbers(6, 1, 3, 4), U)),
    (lambda a, b: a @ b, (x, U)),
    (lambda a, b: a @ b, (T, x)),
    (lambda a, b: a.matmul(b), (x, y)),
    (lambda a, b: torch.mm(a, b), (A, B)),
    (lambda a, b: a.bmm(b), (T, U)),
    (lambda a, b: a.mv(b), (A, x)),
    (lambda a, b: torch.dot(a, b), (x, y)),
    (lambda a, b: torch.outer(a, b), (x, y)),
    (lambda a, b: torch.einsum("ij,jk->ki", a, b), (A, B)),
    (lambda a, b: torch.einsum("bij,bjk,ij->bk", a, b, a.sum(0)), (T, U)),
    (lambda s: torch.einsum("ii->i", s) + torch.einsum("ii", s), (S,)),
    (lambda a, b: torch.einsum("...ij,jk", a, b), (T, B)),
    (lambda a, b, c: torch.addmm(c, a, b, beta=0.5, alpha=2), (A, B, numbers(5))),
    (lambda a, b, c: nn.linear(a, b, c), (T, numbers(5, 4), numbers(5))),
    (lambda a, c: a + c - 2 * c / 3 + (-a), (A, C)),
    (lambda a, c: torch.add(a, c, alpha=3) - torch.sub(a, c, alpha=0.5), (A, C)),
    (lambda a, b: a * b + a, (A, x)),
    (lambda a, b: a - b, (numbers(3, 1), numbers(1, 5))),
    (lambda a, b: a * b, (numbers(6, 3, 1), numbers(3, 5))),
    (lambda a, b: a / b, (A, P)),
    (lambda a: 1 / a + 2 - a, (P,)),
    (lambda a: a**3 + a**-2 + a**0.5 + 2**a, (P,)),
    (lambda a, b: a**b, (P, A)),
    (lambda a: torch.exp(a) + a.log() + torch.sqrt(a) + a.tanh() + torch.sin(a) * a.cos(), (P,)),
    (lambda a: torch.relu(a) + nn.relu(a) + torch.sigmoid(a) + nn.gelu(a) + a.abs() + torch.erf(a) + a.sign(), (A,)),
    (lambda a: torch.square(a) + torch.rsqrt(a) + torch.reciprocal(a) + torch.neg(a), (P,)),
    (lambda t: t.sum() + t.mean(), (T,)),
    (lambda t: t.sum(1) + t.mean(dim=-2), (T,)),
    (lambda t: torch.sum(t, dim=(0, 2), keepdim=True) * t.amax(1, keepdim=True), (T,)),
    (lambda t: torch.logsumexp(t, dim=-1) + t.logsumexp((2,)), (T,)),
    (lambda t: torch.softmax(t, -1) + nn.log_softmax(t, dim=1) + nn.softmax(t, dim=0), (T,)),
    (lambda s: torch.trace(s) * torch.diag(s) + torch.diag(torch.diag(s)), (S,)),
    (
        lambda t: t.transpose(0, 2) + t.permute(2, 1, 0) + torch.permute(t, (2, 1, 0)) + t.mT.transpose(0, 1),
        (numbers(4, 4, 4),),
    ),
    (lambda a: a.T @ a + a.t() @ a, (A,)),
    (lambda t: t.reshape(6, 4) @ t.view(-1, 6), (T,)),
    (lambda t: t.flatten(1).unsqueeze(1).squeeze(1).unflatten(1, (4, 3)), (T,)),
    (lambda t: t.reshape(4, 3, 2).contiguous().clone(), (T,)),
    (lambda a: a.unsqueeze(0).expand(5, 3, 4) * 2, (A,)),
    (lambda a: a.reshape(a.shape[1], a.size(0)) * a.shape[0], (A,)),
    (lambda s, v: torch.linalg.solve(s, v) + torch.inverse(s) @ v, (S, x)),
    (lambda s, v: torch.linalg.inv(s) @ torch.linalg.solve(s, v), (S, B)),
    (lambda s: torch.linalg.inv(s), (numbers(2, 4, 4) + 5 * torch.eye(4, dtype=torch.float64),)),
    (lambda s: torch.det(s) + torch.linalg.det(s) + torch.logdet(s), (S,)),
    (lambda a: a.T @ a + torch.eye(a.shape[1], dtype=a.dtype) * 2, (A,)),
    (lambda a: a + torch.ones_like(a) - torch.zeros_like(a), (A,)),
]


@pytest.mark.parametrize(("function", "inputs"), OPERATIONS, ids=range(len(OPERATIONS)))
def test_operations_mean_what_torch_does(
    function: Callable[..., torch.Tensor], inputs: tuple[torch.Tensor, ...]
) -> None:
    module = trace(function)
    recorder = Recorder(module)
    expected = recorder.run(*inputs)
    traced = classify(module.graph, recorder.seen)
    calls = [n for n in module.graph.nodes if n.op.startswith("call") and n not in traced.static]
    assert [n for n in calls if n not in traced.known] == []
    staging = _Staging(traced, 0.0)
    staging._stage(0)
    (output,) = [n for n in module.graph.nodes if n.op == "output"]
    whole = staging.whole[output.args[0]]
    names = [n.name for n in module.graph.nodes if n.op == "placeholder"]
    torch.testing.assert_close(tg.evaluate(whole, dict(zip(names, inputs, strict=True))), expected)


def test_products_are_reordered_and_the_signature_stays() -> None:
    def function(P: torch.Tensor, Q: torch.Tensor, v: torch.Tensor, scale: float = 2.0) -> dict[str, object]:
        return {"y": (P @ Q) @ v * scale, "n": Q.shape[1], "parts": [P, v + 1]}

    fast = tg.optimize(function, numbers(50, 60), numbers(60, 70), numbers(70))
    before, after = fast.flops
    assert before > 2 * 50 * 60 * 70
    assert after <= 2 * 60 * 70 + 2 * 50 * 60 + 300
    P_, Q, v = numbers(50, 60, seed=3), numbers(60, 70, seed=4), numbers(70, seed=5)
    for arguments in (
        {"P": P_, "Q": Q, "v": v},
        {"P": P_[:5], "Q": Q, "v": v},
        {"P": P_, "Q": Q, "v": v, "scale": 3.0},
    ):
        found, expected = fast(**arguments), function(**arguments)
        torch.testing.assert_close(found["y"], expected["y"])
        assert found["n"] == 70
        assert found["parts"][0] is arguments["P"]
        torch.testing.assert_close(found["parts"][1], v + 1)
    assert "flops" in repr(fast)


def test_what_is_not_known_is_called_as_it_is_and_nothing_is_done_twice() -> None:
    def function(a: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        h = torch.tanh(a @ w)
        c = torch.cumsum(h, dim=0)
        mask = c > 0
        return (c @ w.T @ w @ w).sum() + h.sum(), torch.where(mask, c, h), mask, a[0], torch.sort(h)[0]

    fast = tg.optimize(function, numbers(30, 20), numbers(20, 20))
    assert fast.flops[1] < fast.flops[0] / 1.5
    assert {"cumsum", "gt", "where", "getitem", "sort"} <= set(fast.opaque)
    assert fast.source.count("torch.tanh(") == 1
    inputs = numbers(30, 20, seed=8), numbers(20, 20, seed=9)
    torch.testing.assert_close(fast(*inputs), function(*inputs))


def test_random_operations_keep_their_order() -> None:
    def function(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        first = torch.rand_like(a)
        second = nn.dropout(b, 0.5, training=True)
        return (first @ b + a @ second) @ b[0]

    inputs = numbers(40, 30), numbers(30, 40)
    fast = tg.optimize(function, *inputs)
    assert fast.flops[1] < fast.flops[0]
    torch.manual_seed(3)
    expected = function(*inputs)
    torch.manual_seed(3)
    torch.testing.assert_close(fast(*inputs), expected)


def test_modules_and_gradients() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.Linear(30, 5), torch.nn.Softmax(-1))
    fast = tg.optimize(module, torch.randn(50, 20))
    inputs = torch.randn(50, 20)
    torch.testing.assert_close(fast(inputs), module(inputs))
    assert fast.flops[1] < fast.flops[0]
    (fast(inputs)[:, 0].sum()).backward()
    slopes = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    module(inputs)[:, 0].sum().backward()
    for slope, parameter in zip(slopes, module.parameters(), strict=True):
        torch.testing.assert_close(slope, parameter.grad)
    with torch.no_grad():
        module[0].weight.mul_(2)
    torch.testing.assert_close(fast(inputs), module(inputs))


def test_a_regression_is_solved_with_one_factor() -> None:
    def ridge(X: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gram = X.T @ X + 0.5 * torch.eye(X.shape[1], dtype=X.dtype)
        return torch.linalg.inv(gram) @ (X.T @ y), torch.logdet(gram)

    inputs = numbers(100, 10), numbers(100)
    fast = tg.optimize(ridge, *inputs)
    torch.testing.assert_close(fast(*inputs), ridge(*inputs))
    assert fast.source.count("linalg.cholesky") == 1
    assert "linalg.inv" not in fast.source


def test_mixed_dtypes_and_empty_tensors_stay_opaque() -> None:
    def function(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return (a.double() @ b @ b.T @ b).sum() + c.sum()

    inputs = torch.randn(30, 20), numbers(20, 20), numbers(0, 3)
    fast = tg.optimize(function, *inputs)
    torch.testing.assert_close(fast(*inputs), function(*inputs))
    assert "double" in fast.opaque

    def both(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        b = a.float()
        return (b @ b @ b).sum(), (a @ a @ a).sum()

    fast = tg.optimize(both, inputs[1])
    torch.testing.assert_close(fast(inputs[1]), both(inputs[1]), rtol=1e-4, atol=1e-3)


def test_nothing_to_gain_leaves_the_function() -> None:
    fast = tg.optimize(lambda a, b: a @ b, A, B)
    assert fast.source == ""
    assert fast.flops[0] == fast.flops[1]
    torch.testing.assert_close(fast(A, B), A @ B)


CANCELLING: list[Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = [
    lambda a, x: a @ x - a @ x,
    lambda a, x: a @ x * 0,
    lambda a, x: torch.exp(a @ x) * 0 + 1,
]


@pytest.mark.parametrize("function", CANCELLING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_cancels_keeps_its_shape_and_dtype(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], dtype: torch.dtype
) -> None:
    a, x = torch.randn(30, 40, dtype=dtype), torch.randn(40, dtype=dtype)
    fast = tg.optimize(function, a, x)
    torch.testing.assert_close(fast(a, x), function(a, x))
    assert fast(2 * a, x).dtype is dtype


def test_what_cannot_be_traced_says_so() -> None:
    def branches(a: torch.Tensor) -> torch.Tensor:
        return a if a.sum() > 0 else -a

    def changes(a: torch.Tensor) -> torch.Tensor:
        a.add_(1)
        return a

    def assigns(a: torch.Tensor) -> torch.Tensor:
        a[0] = 1
        return a

    with pytest.raises(UnsupportedError, match=r"torch\.fx cannot trace"):
        tg.optimize(branches, A)
    for function in (changes, lambda a: nn.relu(a, inplace=True), lambda a: torch.exp(a, out=a), lambda a: nn.relu_(a)):
        with pytest.raises(UnsupportedError, match="in place"):
            tg.optimize(function, A)
    with pytest.raises(UnsupportedError, match="does not support item assignment"):
        tg.optimize(assigns, A)
    with pytest.raises(UnsupportedError, match="a function that is not written in Python"):
        tg.optimize(torch.matmul, A, B)
    with pytest.raises(UnsupportedError, match="an input of type object"):
        tg.optimize(lambda a, b: a, A, object())
