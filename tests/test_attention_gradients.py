"""Attention with its gradients in compiled programs, beside autograd of the formula written out."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

import pytest
import torch
import torch.utils.checkpoint
from hypothesis import given
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad import F, Tensor, Variable

SIZES = {"b": 2, "h": 3, "s": 4, "t": 5, "e": 6, "f": 7}
CALL = "tf.attention_and_back("
Values = Mapping[str, torch.Tensor]


def values_of(*variables: Tensor, dtype: torch.dtype = torch.float64, **sizes: int) -> dict[str, torch.Tensor]:
    """Normal values."""
    generator = torch.Generator().manual_seed(5)
    dims = {**SIZES, **sizes}
    found: dict[str, torch.Tensor] = {}
    for v in variables:
        assert isinstance(v, Variable)
        shape = [int(d.evaluate(dims)) for d in v.dims]
        found[v.name] = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return found


Q, K, V = Variable("Q", "b", "h", "s", "e"), Variable("K", "b", "h", "t", "e"), Variable("V", "b", "h", "t", "f")
G = Variable("G", "b", "h", "s", "f")


def attended(weights: Tensor, value: Tensor = V) -> Tensor:
    """The values in the mean."""
    return F.sum(weights * value, dim="t")


WAYS: dict[str, Callable[[], Tensor]] = {
    "sdpa": lambda: F.sdpa(Q, K, V, "e", "t"),
    "no factor": lambda: attended(F.softmax(F.sum(Q * K, dim="e"), dim="t")),
    "a number": lambda: attended(F.softmax(F.sum(Q * K, dim="e") / 8, dim="t")),
    "a negative number": lambda: attended(F.softmax(-3 * F.sum(Q * K, dim="e"), dim="t")),
    "a size": lambda: attended(F.softmax(F.sum(Q * K, dim="e") * tg.parse("ones[f] @ ones[f]"), dim="t")),
    "before the value": lambda: attended(F.softmax(F.sum(Q * K, dim="e"), dim="t"), 5 * V),
}
FACTORS = {"sdpa": 6**-0.5, "no factor": 1.0, "a number": 1 / 8, "a negative number": -3.0, "a size": 7.0}


def with_gradients(y: Tensor, loss: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """The result, and the gradients of a loss of it."""
    return {"y": y} | dict(zip("qkv", tg.grad(loss(y), [Q, K, V]), strict=True))


def weighted(y: Tensor) -> Tensor:
    """A loss whose gradient with respect to the result is given."""
    return F.sum(y * G)


def squared(y: Tensor) -> Tensor:
    """One whose gradient depends on the result."""
    return 3 * F.sum((y - G) * (y - G))


def by_autograd(values: Values, way: str, loss: str) -> list[torch.Tensor]:
    """The same by autograd, of the formula."""
    q, k, v = leaves = [values[n].double().requires_grad_() for n in "QKV"]
    y = torch.softmax(FACTORS.get(way, 1.0) * (q @ k.mT), -1) @ (5 * v if way == "before the value" else v)
    g = values["G"].double()
    total = (y * g).sum() if loss == "weighted" else 3 * ((y - g) ** 2).sum()
    return [y.detach(), *torch.autograd.grad(total, leaves)]


def close(found: tuple[torch.Tensor, ...], wanted: list[torch.Tensor], tolerance: float = 1e-10) -> None:
    """All of them."""
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", [weighted, squared])
@pytest.mark.parametrize("way", WAYS)
def test_it_is_one_call_and_what_autograd_says(way: str, loss: Callable[[Tensor], Tensor]) -> None:
    step = tg.compile(SIZES, **with_gradients(WAYS[way](), loss))
    assert step.source.count(CALL) == 1 and "softmax" not in step.source
    values = values_of(Q, K, V, G)
    close(step(values), by_autograd(values, way, loss.__name__))


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("edges", ["st", "t", "bt", "hst", "bhst", "ts", "tsh"])
def test_masks(edges: str, factor: int) -> None:
    mask = Variable("M", *edges)
    y = F.sdpa(Q, K, V, "e", "t", factor * mask)
    values = values_of(Q, K, V, G, mask)
    # No row is masked as a whole: its softmax is undefined.
    values["M"] = torch.where(values["M"] < -1.5, -torch.inf, values["M"])
    order = [e for e in "bhst" if e in edges]
    added = factor * values["M"].permute([edges.index(e) for e in order])
    added = added.reshape([SIZES[e] if e in edges else 1 for e in "bhst"])
    leaves = [values[n].clone().requires_grad_() for n in "QKV"]
    q, k, v = leaves
    wanted = torch.softmax(6**-0.5 * (q @ k.mT) + added, -1) @ v
    forward = tg.compile(SIZES, y=y)
    assert "attention(" in forward.source and "softmax" not in forward.source
    torch.testing.assert_close(forward({n: values[n] for n in "QKVM"}).y, wanted.detach())
    step = tg.compile(SIZES, **with_gradients(y, squared))
    assert step.source.count(CALL) == 1 and "softmax" not in step.source
    total = 3 * ((wanted - values["G"]) ** 2).sum()
    close(step(values), [wanted.detach(), *torch.autograd.grad(total, leaves)])
    leaf = values["Q"].clone().requires_grad_()
    step({**values, "Q": leaf}).k.sum().backward()
    assert leaf.grad is not None and leaf.grad.isfinite().all()


def test_the_gradient_of_a_mask_needs_the_weights() -> None:
    mask = Variable("M", "s", "t")
    y = F.sdpa(Q, K, V, "e", "t", mask)
    step = tg.compile(SIZES, y=y, m=squared(y).grad(mask))
    values = values_of(Q, K, V, G, mask)
    leaf = values["M"].clone().requires_grad_()
    out = torch.softmax(6**-0.5 * (values["Q"] @ values["K"].mT) + leaf, -1) @ values["V"]
    (wanted,) = torch.autograd.grad(3 * ((out - values["G"]) ** 2).sum(), leaf)
    torch.testing.assert_close(step(values).m, wanted)


@pytest.mark.parametrize("order", list(permutations("bhse")))
def test_axes_in_any_order(order: tuple[str, ...]) -> None:
    turned = Variable("Q", *order)
    y = F.sdpa(turned, K, V, "e", "t")
    gradients = tg.grad(squared(y), [turned, K, V])
    step = tg.compile(SIZES, y=y, **dict(zip("qkv", gradients, strict=True)))
    assert step.source.count(CALL) == 1
    values = values_of(Q, K, V, G)
    there = ["bhse".index(e) for e in order]
    given_ = {**values, "Q": values["Q"].permute(there)}
    y_, q, k, v = step(given_)
    names = [t.edges for t in (y, gradients[0], gradients[1], gradients[2])]
    wanted = by_autograd(values, "sdpa", "squared")
    for found, edges, plain, right in zip((y_, q, k, v), names, ("bhsf", "bhse", "bhte", "bhtf"), wanted, strict=True):
        torch.testing.assert_close(found.permute([edges.index(e) for e in plain]), right)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes(dtype: torch.dtype) -> None:
    step = tg.compile(SIZES, **with_gradients(WAYS["sdpa"](), weighted))
    values = values_of(Q, K, V, G, dtype=dtype)
    found = step(values)
    assert all(t.dtype is dtype for t in found)
    close(found, by_autograd(values, "sdpa", "weighted"), {torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype])


@pytest.mark.parametrize(
    "sizes", [{"b": 1}, {"s": 1}, {"t": 1}, {"e": 1, "f": 1}, {"s": 0}, {"b": 0}, {"f": 6}, {"f": 200}]
)
def test_sizes(sizes: dict[str, int]) -> None:
    gradients = with_gradients(WAYS["no factor"](), squared)
    values = values_of(Q, K, V, G, **sizes)
    for step in (tg.compile(**gradients), tg.compile({**SIZES, **sizes}, **gradients)):
        assert CALL in step.source
        close(step(values), by_autograd(values, "no factor", "squared"))


M = Variable("M", "b", "h", "s", "t")
WEIGHTS = F.softmax(F.sum(Q * K, dim="e"), dim="t")
NEAR: dict[str, Callable[[], dict[str, Tensor]]] = {
    "the weights are an output": lambda: {**with_gradients(attended(WEIGHTS), weighted), "w": WEIGHTS},
    "the weights are read": lambda: with_gradients(attended(WEIGHTS) + F.sum(WEIGHTS * M), squared),
    "the gradient of the scores is an output": lambda: (
        with_gradients(attended(F.softmax(F.sum(Q * K, dim="e") + M, dim="t")), weighted)
        | {"m": F.sum((attended(F.softmax(F.sum(Q * K, dim="e") + M, dim="t"))) * G).grad(M)}
    ),
    "something goes along with the result": lambda: with_gradients(F.sum(WEIGHTS * M * V, dim="t"), weighted),
    "the result is not computed": lambda: {
        n: t for n, t in with_gradients(attended(WEIGHTS), weighted).items() if n != "y"
    },
    "no gradient of the key": lambda: {
        n: t for n, t in with_gradients(attended(WEIGHTS), weighted).items() if n != "k"
    },
    "a temperature": lambda: with_gradients(attended(F.softmax(F.sum(Q * K, dim="e") * F.sum(G), dim="t")), weighted),
    "multiplied scores": lambda: with_gradients(attended(F.softmax(F.sum(Q * K, dim="e") * M, dim="t")), weighted),
    "a square of the weights": lambda: with_gradients(attended(WEIGHTS * WEIGHTS), weighted),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_looks_like_it_has_the_right_values(name: str) -> None:
    tensors = NEAR[name]()
    step = tg.compile(SIZES, **tensors)
    if name not in ("a temperature",):
        assert CALL not in step.source
    values = values_of(*{v.name: v for t in tensors.values() for v in t.variables}.values())
    for found, t in zip(step(values), tensors.values(), strict=True):
        alone = tg.compile(SIZES, constant=[v.name for v in t.variables], t=t)
        torch.testing.assert_close(found, alone({n: values[n] for n in (v.name for v in t.variables)}).t)


@pytest.mark.parametrize("through", [True, False])
def test_the_number_of_the_scores_goes_into_what_reads_a_gradient(through: bool) -> None:
    """The gradient of a key is read by that of what it is made of, and by that of its weight, each times the number."""
    x = Variable("x", "b", "s", "d")
    weights = [Variable(f"w{n}", "h", "d", "e") for n in "qkv"]
    query, key, value = (F.sum(x * w, dim="d") for w in weights)
    y = F.sdpa(query, key.rename(s="t"), value.rename(s="t"), "e", "t")
    by = [*([x] if through else []), *weights]
    sizes = {**SIZES, "s": 40, "d": 24}
    step = tg.compile(sizes, y=y, **{v.name: g for v, g in zip(by, tg.grad(F.sum(y * y), by), strict=True)})
    assert step.source.count(CALL) == 1 and "softmax" not in step.source
    values = values_of(x, *weights, **sizes)
    leaves = {n: t.clone().requires_grad_() for n, t in values.items()}
    q, k, v = (torch.einsum("bsd,hde->bhse", leaves["x"], leaves[w.name]) for w in weights)
    out = torch.softmax(6**-0.5 * (q @ k.mT), -1) @ v
    wanted = torch.autograd.grad((out * out).sum(), [leaves[v.name] for v in by])
    found = step(values)
    torch.testing.assert_close(found.y.permute([y.edges.index(e) for e in "bhse"]), out.detach())
    for variable, right in zip(by, wanted, strict=True):
        made = getattr(found, variable.name)
        torch.testing.assert_close(made, right)


def test_key_and_query_may_change_places() -> None:
    y = F.sum(F.softmax(F.sum(Q * K, dim="e"), dim="s") * G, dim="s")
    gradients = tg.grad(F.sum(y * V), [K, Q, G])
    step = tg.compile(SIZES, y=y, **dict(zip("kqg", gradients, strict=True)))
    assert step.source.count(CALL) == 1
    values = values_of(Q, K, V, G)
    turned = {"Q": values["K"], "K": values["Q"], "V": values["G"], "G": values["V"]}
    close(step(values), by_autograd(turned, "no factor", "weighted"))


def test_the_value_alone_has_the_call_without_a_way_back() -> None:
    source = tg.compile(SIZES, y=WAYS["sdpa"]()).source
    assert CALL not in source and "tf.attention(" in source


@given(st.permutations("bhs"), st.permutations("bht"), st.sampled_from([1, -2]), st.booleans(), st.booleans())
def test_layouts(left: list[str], right: list[str], factor: int, last: bool, both: bool) -> None:
    q = Variable("q", *([*left, "e"] if last else ["e", *left]))
    k = q.rename(s="t") if both else Variable("k", *(["e", *right] if last else [*right, "e"]))
    v = Variable("v", *[e for e in right if e != "t"], "f", t="s" if both else "t")
    y = factor * attended(F.softmax(F.sum(q * k, dim="e") / 3, dim="t"), v)
    variables = [q, *([] if both else [k]), v]
    assert all(isinstance(x, Variable) for x in variables)
    gradients = tg.grad(squared(y), [x for x in variables if isinstance(x, Variable)])
    step = tg.compile(SIZES, y=y, **{f"d{n}": g for n, g in enumerate(gradients)})
    values = values_of(*variables, G)
    leaves = [values[x.name].requires_grad_() for x in variables if isinstance(x, Variable)]
    names = {x.name: x.edges for x in variables if isinstance(x, Variable)}

    def plain(name: str, edges: str) -> torch.Tensor:
        own = "".join(names[name])
        return values[name].permute([own.index(e) for e in edges])

    query = plain("q", "bhse")
    key = query if both else plain("k", "bhte")
    out = factor * (torch.softmax(query @ key.mT / 3, -1) @ plain("v", "bhtf"))
    wanted = torch.autograd.grad(3 * ((out - values["G"]) ** 2).sum(), leaves)
    found = step({n: x.detach() for n, x in values.items()})
    torch.testing.assert_close(found.y.permute([y.edges.index(e) for e in "bhsf"]), out.detach())
    for made, right_, g, x in zip(found[1:], wanted, gradients, variables, strict=True):
        torch.testing.assert_close(made.permute([g.edges.index(e) for e in x.edges]), right_)


def second(values: Values, of: str) -> torch.Tensor:
    """The gradient, with respect to one value, of the sum of the gradient with respect to the key."""
    leaves = {n: t.clone().requires_grad_() for n, t in values.items()}
    y = torch.softmax(6**-0.5 * (leaves["Q"] @ leaves["K"].mT), -1) @ leaves["V"]
    total = 3 * ((y - leaves["G"]) ** 2).sum()
    (inner,) = torch.autograd.grad(total, leaves["K"], create_graph=True)
    return torch.autograd.grad(inner.sum(), leaves[of])[0]


@pytest.mark.parametrize("of", ["Q", "K", "V", "G"])
def test_programs_with_it_can_be_differentiated(of: str) -> None:
    step = tg.compile(SIZES, **with_gradients(WAYS["sdpa"](), squared))
    values = values_of(Q, K, V, G)
    leaf = values[of].clone().requires_grad_()
    step({**values, of: leaf}).k.sum().backward()
    wanted = second(values, of)
    torch.testing.assert_close(leaf.grad, wanted)
    torch.testing.assert_close(torch.func.grad(lambda x: step({**values, of: x}).k.sum())(values[of]), wanted)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_programs_with_it_go_forwards_and_through_checkpoints() -> None:
    step = tg.compile(SIZES, **with_gradients(WAYS["sdpa"](), squared))
    values = values_of(Q, K, V, G)
    direction = torch.ones_like(values["Q"])
    (_, tangent) = torch.func.jvp(lambda x: step({**values, "Q": x}).k.sum(), (values["Q"],), (direction,))
    torch.testing.assert_close(tangent, (second(values, "Q") * direction).sum())

    def first(x: torch.Tensor) -> torch.Tensor:
        return step({**values, "Q": values["Q"] + x}).y.pow(2).sum()

    def written_out(x: torch.Tensor) -> torch.Tensor:
        y = torch.softmax(6**-0.5 * ((values["Q"] + x) @ values["K"].mT), -1) @ values["V"]
        return y.pow(2).sum()

    zero = torch.zeros((), dtype=torch.float64)
    torch.testing.assert_close(torch.func.hessian(first)(zero), torch.func.hessian(written_out)(zero))
    leaf = values["Q"].clone().requires_grad_()
    found = torch.utils.checkpoint.checkpoint(lambda x: step({**values, "Q": x}).k.sum(), leaf, use_reentrant=False)
    found.backward()
    torch.testing.assert_close(leaf.grad, second(values, "Q"))


def test_whatever_the_order_of_outputs_and_what_is_made_of_the_result() -> None:
    # With fewer keys than columns the loss is cheapest as the weights times their gradient.
    sizes = {**SIZES, "t": 20}
    values = values_of(Q, K, V, G, **sizes)
    for factor in (1, 5):
        y = factor * WAYS["no factor"]()
        loss = F.sum(y * y)
        named = {"loss": loss, "y": y} | dict(zip("qkv", tg.grad(loss, [Q, K, V]), strict=True))
        leaves = [values[n].clone().requires_grad_() for n in "QKV"]
        out = factor * torch.softmax(leaves[0] @ leaves[1].mT, -1) @ leaves[2]
        wanted = dict(zip("qkv", torch.autograd.grad((out * out).sum(), leaves), strict=True))
        for order in (("loss", "q", "k", "v"), ("q", "k", "v", "loss"), ("v", "y", "q", "loss", "k")):
            step = tg.compile(sizes, **{n: named[n] for n in order})
            assert step.source.count(CALL) == 1, order
            found = step({n: values[n] for n in "QKV"})
            for n, right in wanted.items():
                torch.testing.assert_close(getattr(found, n), right)


def test_what_goes_along_the_queries_too_is_no_attention() -> None:
    q, k, m = Variable("q", "b", "s", "h", "e"), Variable("k", "b", "t", "h", "e"), Variable("m", "b", "h", "s", "t")
    weights = F.softmax(F.sum(q * k, dim="e"), dim="t")
    values = values_of(q, k, m)
    for sizes in (SIZES, dict.fromkeys(SIZES, 3)):
        values = values_of(q, k, m, **sizes)
        found = tg.compile(sizes, y=F.sum(weights * m, dim="t"), z=F.exp(2 * weights), w=F.tanh(-weights))(values)
        w = torch.softmax(torch.einsum("bshe,bthe->bsht", values["q"], values["k"]), -1)
        torch.testing.assert_close(found.z, torch.exp(2 * w))
        torch.testing.assert_close(found.w, torch.tanh(-w))
        right = torch.einsum("bsht,bhst->bsh", w, values["m"])
        edges = F.sum(weights * m, dim="t").edges
        torch.testing.assert_close(found.y.permute([edges.index(e) for e in "bsh"]), right)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_programs_with_it_are_saved_mapped_and_compiled(tmp_path: Path) -> None:
    step = tg.compile(SIZES, **with_gradients(WAYS["sdpa"](), squared))
    values = values_of(Q, K, V, G)
    wanted = by_autograd(values, "sdpa", "squared")
    step(values)
    step.save(tmp_path / "step.py")
    saved = runpy.run_path(str(tmp_path / "step.py"))["step"]
    close(saved(*[values[v.name] for v in step.variables]), wanted)
    whole = tg.compile(SIZES, torch_compile="aot_eager", **with_gradients(WAYS["sdpa"](), squared))
    close(whole(values), wanted)
    with torch.inference_mode():
        close(step(values), wanted)
    mapped = torch.func.vmap(lambda v: tuple(step(v)))({n: torch.stack([v, 2 * v]) for n, v in values.items()})
    for k in range(2):
        close(tuple(t[k] for t in mapped), by_autograd({n: (k + 1) * v for n, v in values.items()}, "sdpa", "squared"))


def test_constants_and_limits() -> None:
    gradients = with_gradients(WAYS["sdpa"](), squared)
    values = values_of(Q, K, V, G)
    peak = tg.compile(SIZES, **gradients).plan.peak
    for step in (
        tg.compile(SIZES, constant=["K", "V"], **gradients),
        tg.compile(SIZES, memory_limit=8 * peak, **gradients),
        tg.compile(SIZES, memory_limit=8 * peak - 8, **gradients),
    ):
        close(step(values), by_autograd(values, "sdpa", "squared"))


def test_no_weights_are_kept() -> None:
    gradients = with_gradients(WAYS["no factor"](), squared)
    sizes = {**SIZES, "s": 3000, "t": 2000}
    assert tg.compile(sizes, **gradients).plan.peak < 6 * 3000 * 2000
