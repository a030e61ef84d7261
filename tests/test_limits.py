"""Compiled steps under a memory limit: loops over parts of edges, their values, their memory, and what cannot be done."""

from __future__ import annotations

import runpy
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import tensorgrad as tg
import tensorgrad.functions as F
from tensorgrad.errors import MemoryLimitError
from tensorgrad.tensor import Tensor
from tests.strategies import small_tensors
from tests.test_steps import sample

SIZES = {"n": 90, "m": 5, "k": 40, "r": 7}
LET = "X : n m; Y : k m; W : m r; y : n; z : k; u : r"

EXPRESSIONS = [
    ({"value": "sum(exp(X @ Y.T))"}, 600),
    ({"value": "exp(X @ Y.T) @ z"}, 900),
    ({"value": "y @ exp(X @ Y.T)"}, 900),
    ({"value": "exp(X @ Y.T) @ exp(Y @ W)"}, 1500),
    ({"value": "softmax(X @ Y.T) @ Y", "total": "sum(softmax(X @ Y.T) ** 2)"}, 1000),
    ({"loss": "sum(logsumexp(X @ Y.T))", "grad": "grad(sum(logsumexp(X @ Y.T)), X)"}, 1200),
    ({"loss": "sum(logsumexp(X @ Y.T))", "grad": "grad(sum(logsumexp(X @ Y.T)), Y)"}, 900),
    ({"a": "y @ exp(X @ Y.T) @ z", "b": "y @ sin(X @ Y.T)", "c": "tanh(X @ W) @ u"}, 500),
    ({"value": "sum(exp(X @ X.T)) * exp(X @ Y.T) @ z"}, 700),
    ({"value": "sum(exp(sin(X @ Y.T) @ exp(Y @ X.T)))"}, 8000),
]


class Memory(TorchDispatchMode):
    """Follows the bytes of the tensors made under it: `most` at one time."""

    def __init__(self, given_: list[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known = {t.untyped_storage().data_ptr(): 0 for t in given_}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for t in made if isinstance(made, tuple | list) else [made]:
            if isinstance(t, torch.Tensor) and t.untyped_storage().data_ptr() not in self.known:
                storage = t.untyped_storage()
                self.known[storage.data_ptr()] = storage.nbytes()
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.free, storage.data_ptr())
        return made

    def free(self, address: int) -> None:
        self.now -= self.known.pop(address, 0)


def read(texts: dict[str, str]) -> dict[str, Tensor]:
    return {name: tg.parse(text, let=LET) for name, text in texts.items()}


def values_of(outputs: dict[str, Tensor], dims: dict[str, int] = SIZES) -> dict[str, torch.Tensor]:
    found = {name: v for t in outputs.values() for name, v in sample(t, dims).items()}
    return {name: torch.tensor(v) / 3 for name, v in found.items()}


@pytest.mark.parametrize(("texts", "limit"), EXPRESSIONS)
def test_what_does_not_fit_is_computed_in_parts(texts: dict[str, str], limit: int, tmp_path: Path) -> None:
    outputs = read(texts)
    values = values_of(outputs)
    whole = tg.compile(**outputs)
    expected = whole(values)
    step = tg.compile(**outputs, memory_limit=limit)
    found = step(values)
    torch.testing.assert_close(tuple(found), tuple(expected))
    assert step.plan.peak <= limit < whole.plan.peak
    assert step.plan.slices
    assert step.plan.slices[0] in str(step.plan)
    assert "for start in range(0, " in step.source
    with Memory(list(values.values())) as memory:
        step(values)
    assert memory.most <= 8 * limit
    step.save(tmp_path / "step.py")
    saved = runpy.run_path(str(tmp_path / "step.py"))["step"](*[values[v.name] for v in step.variables])
    torch.testing.assert_close(saved, tuple(expected))


def test_parts_are_as_long_as_the_limit_lets_them_be() -> None:
    outputs = read({"value": "exp(X @ Y.T) @ z"})
    values = values_of(outputs)
    step = tg.compile(SIZES, **outputs, memory_limit=1000)
    assert step.plan.slices == ("in parts of k, 5 long",)  # with 5 of 40: 90 + 2 * 90 * 5 <= 1000, but not with 6
    assert step.plan.peak == 90 + 2 * 90 * 5 + 0
    one = tg.compile(SIZES, **outputs, memory_limit="8 kB")
    assert one.plan.slices == step.plan.slices or torch.get_default_dtype().itemsize != 8
    torch.testing.assert_close(step(values).value, torch.exp(values["X"] @ values["Y"].T) @ values["z"])


def test_a_loop_in_a_loop() -> None:
    outputs = read({"value": "sum(exp(X @ X.T))"})
    values = values_of(outputs)
    step = tg.compile(**outputs, memory_limit=60)
    torch.testing.assert_close(step(values).value, torch.exp(values["X"] @ values["X"].T).sum())
    assert len(step.plan.slices) == 2
    assert step.plan.peak <= 60


def test_parts_of_constants_and_of_what_is_held() -> None:
    outputs = read({"value": "exp(X @ Y.T) @ z", "other": "sum(exp(X @ X.T)) * z"})
    values = values_of(outputs)
    expected = tg.compile(**outputs)(values)
    for limit in (6000, 2000, 400):
        step = tg.compile(**outputs, constant=["X", "Y"], memory_limit=limit)
        for _ in range(2):
            torch.testing.assert_close(tuple(step(values)), tuple(expected))
        torch.testing.assert_close(tuple(step(z=values["z"])), tuple(expected))
        assert step.plan.peak <= limit


def test_the_sizes_of_the_values_count() -> None:
    X, y = tg.Variable("X", i="n", j="m"), tg.Variable("y", i="n")
    step = tg.compile({"n": 20, "m": 3}, value=F.exp(X @ X.rename(i="k")) @ y, memory_limit=1000)
    assert not step.plan.slices
    for n in (20, 60, 0, 1, 200):
        a, b = torch.randn(n, 3, dtype=torch.float64), torch.randn(n, dtype=torch.float64)
        torch.testing.assert_close(step(X=a, y=b).value, torch.exp(a @ a.T) @ b)
        assert bool(step.plan.slices) == (n >= 60)
        assert step.plan.peak <= 1000


def test_derivatives_go_through_loops() -> None:
    outputs = read({"value": "sum(exp(X @ Y.T))"})
    values = {name: v.requires_grad_() for name, v in values_of(outputs).items()}
    step = tg.compile(**outputs, memory_limit=600)
    found = torch.autograd.grad(step(values).value, list(values.values()))
    expected = torch.autograd.grad(torch.exp(values["X"] @ values["Y"].T).sum(), list(values.values()))
    torch.testing.assert_close(found, expected)


def test_a_limit_that_no_parts_can_meet_is_refused_before_anything_runs() -> None:
    outputs = read({"value": "exp(X @ Y.T)"})
    with pytest.raises(
        MemoryLimitError, match=r"1,000 entries are too few: .* 7,200 .* 3,600 of them in one; in slices"
    ):
        tg.compile(SIZES, **outputs, memory_limit=1000)
    step = tg.compile(**outputs, memory_limit=1000)
    with pytest.raises(MemoryLimitError, match="memory_limit: 1,000 entries are too few"):
        step(X=torch.empty(90, 5, device="meta"), Y=torch.empty(40, 5, device="meta"))
    inverse = tg.compile(value=tg.parse("sum(exp(inv(A)))", let="A : n n"), memory_limit=1000)
    with pytest.raises(MemoryLimitError, match=r"8,100 of them in one; in slices 8,1"):
        inverse(A=torch.empty(90, 90, device="meta"))


def test_a_saved_step_with_loops_runs_with_torch_alone(tmp_path: Path) -> None:
    outputs = read({"value": "sum(softplus(X @ Y.T))"})
    step = tg.compile(SIZES, **outputs, memory_limit=600)
    step.save(tmp_path / "program.py")
    script = (
        "import sys; sys.modules['tensorgrad'] = None\n"
        "import torch, program\n"
        "X, Y = torch.arange(450.0).reshape(90, 5) / 99, torch.arange(200.0).reshape(40, 5) / 77\n"
        "torch.testing.assert_close(program.step(X, Y)[0], torch.nn.functional.softplus(X @ Y.T).sum())\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env={"PYTHONPATH": str(tmp_path)})


@settings(max_examples=60, deadline=None)
@given(st.lists(small_tensors(), min_size=1, max_size=2), st.sampled_from([(9, 10), (1, 2), (1, 3)]))
def test_random_programs_in_parts_agree(tensors: list[Tensor], share: tuple[int, int]) -> None:
    dims = {"n": 6, "m": 5, "p": 3}
    outputs = {f"y{k}": t for k, t in enumerate(tensors)} | {f"s{k}": t @ t for k, t in enumerate(tensors)}
    values = values_of(outputs, dims)
    whole = tg.compile(**outputs)
    expected = whole.run(values, dims)
    limit = whole.plan.peak * share[0] // share[1]
    if not limit:
        return
    try:
        step = tg.compile(**outputs, memory_limit=limit)
        found = step.run(values, dims)
    except MemoryLimitError:
        return
    assert step.plan.peak <= limit
    torch.testing.assert_close(tuple(found), tuple(expected), rtol=1e-7, atol=1e-8, equal_nan=True)
