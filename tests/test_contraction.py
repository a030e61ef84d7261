"""`contract` and `contract_sum`: against torch.einsum over shapes, dtypes and layouts; slices; what errors say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import opt_einsum
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opt_einsum.testing import rand_equation

import tensorgrad as tg
from tensorgrad.errors import EdgeError, InputError, MemoryLimitError, SizeError, ValueMismatchError

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")),
]
SIZES = {"a": 2, "b": 3, "c": 4, "d": 1, "e": 5, "z": 0}


def tensor(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def laid_out(t: torch.Tensor, how: str) -> torch.Tensor:
    """The same values with other strides."""
    if how == "permuted":
        turned = list(reversed(range(t.dim())))
        return t.permute(turned).contiguous().permute(turned)
    if how == "strided":
        wide = torch.stack([t, t + 1], dim=-1)
        return wide[..., 0]
    if how == "expanded" and t.dim() and t.shape[0]:
        return t[:1].expand(t.shape)
    return t


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, list[tuple[str, int, str]]]:
    """Subscripts with hyperedges, repeated letters, size 1 and 0; for each operand its letters, seed and layout."""
    letters = "abcdez" if draw(st.integers(0, 5)) == 0 else "abcde"
    terms = draw(st.lists(st.text(letters, max_size=3), min_size=1, max_size=5))
    inside = sorted(set("".join(terms)))
    output = draw(st.lists(st.sampled_from(inside), max_size=4)) if inside else []
    layouts = st.sampled_from(["plain", "permuted", "strided", "expanded"])
    operands = [(term, draw(st.integers(0, 1)), draw(layouts)) for term in terms]
    return f"{','.join(terms)}->{''.join(output)}", operands


def reference(subscripts: str, operands: list[torch.Tensor]) -> torch.Tensor:
    """By one loop over all letters: broadcast, multiply, sum, and put repeated output letters on a diagonal."""
    inputs, output = subscripts.split("->")
    letters = sorted(set(inputs) - {","})
    total = torch.ones([1] * len(letters), dtype=torch.float64)
    for term, t in zip(inputs.split(","), operands, strict=True):
        own = "".join(dict.fromkeys(term))
        t = torch.einsum(f"{term}->{own}", t)
        order = sorted(range(len(own)), key=lambda k: own[k])
        index = tuple(slice(None) if x in own else None for x in letters)
        total = total * t.permute(order)[index]
    total = total.expand([SIZES[x] for x in letters])
    kept = "".join(dict.fromkeys(output))
    total = total.sum([k for k, x in enumerate(letters) if x not in kept]) if set(letters) - set(kept) else total
    remaining = [x for x in letters if x in kept]
    total = total.permute([remaining.index(x) for x in kept])
    result = torch.zeros([SIZES[x] for x in output], dtype=torch.float64)
    grid = torch.meshgrid(*[torch.arange(SIZES[x]) for x in kept], indexing="ij") if kept else ()
    if output:
        result[tuple(grid[kept.index(x)] for x in output)] = total
        return result
    return total


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=150, deadline=None)
@given(contractions(), st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
def test_random_contractions_agree_with_one_loop(
    device: str, drawn: tuple[str, list[tuple[str, int, str]]], dtype: torch.dtype
) -> None:
    subscripts, described = drawn
    distinct = {d: laid_out(tensor(*[SIZES[x] for x in d[0]], seed=d[1], dtype=dtype), d[2]) for d in described}
    operands = [distinct[d].to(device) for d in described]
    operands = [next(o for o, e in zip(operands, described, strict=True) if e == d) for d in described]
    found = tg.contract(subscripts, *operands)
    exact = reference(subscripts, [o.double().cpu() for o in operands])
    assert found.shape == exact.shape
    assert found.dtype is dtype
    scale = reference(subscripts, [o.double().cpu().abs() for o in operands])  # rounding is relative to this
    bound = {torch.float64: 1e-13, torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    assert ((found.double().cpu() - exact).abs() <= bound * (scale + 1e-30)).all()


@pytest.mark.parametrize(
    "subscripts",
    ["ab,bc,cd", "ab,bc,cd->ad", "a...,...b->...ab", "...ab,...bc", "ab,ab->", "ba", "aab,b->a", "abc,cb,ad"],
)
def test_text_forms_are_einsums(subscripts: str) -> None:
    shapes = {
        "ab,bc,cd": [(2, 3), (3, 4), (4, 5)],
        "ab,bc,cd->ad": [(2, 3), (3, 4), (4, 5)],
        "a...,...b->...ab": [(2, 3, 4), (3, 4, 5)],
        "...ab,...bc": [(6, 2, 3), (5, 6, 3, 4)],
        "ab,ab->": [(2, 3), (2, 3)],
        "ba": [(2, 3)],
        "aab,b->a": [(3, 3, 4), (4,)],
        "abc,cb,ad": [(2, 3, 4), (4, 3), (2, 5)],
    }[subscripts]
    operands = [tensor(*shape, seed=k) for k, shape in enumerate(shapes)]
    torch.testing.assert_close(tg.contract(subscripts, *operands), torch.einsum(subscripts, *operands))
    arrays = [o.numpy() for o in operands]
    result = tg.contract(subscripts, *arrays)
    assert isinstance(result, np.ndarray)
    np.testing.assert_allclose(result, opt_einsum.contract(subscripts, *arrays))


def test_interleaved_labels_out_and_broadcast_axes() -> None:
    A, B = tensor(2, 3), tensor(3, 4, seed=1)
    torch.testing.assert_close(tg.contract(A, ["x", 5], B, [5, "y"], ["y", "x"]), (A @ B).T)
    torch.testing.assert_close(tg.contract(A, [0, 1], B, [1, 2]), A @ B)
    out = torch.empty(2, 4, dtype=torch.float64)
    assert tg.contract("ab,bc->ac", A, B, out=out) is out
    torch.testing.assert_close(out, A @ B)
    torch.testing.assert_close(tg.contract("ab,cb->ac", A[:, :1], B.T), A[:, :1] @ B.sum(0, keepdim=True))
    readonly = np.broadcast_to(np.arange(3.0), (2, 3))
    np.testing.assert_allclose(tg.contract("ab,ab->a", readonly, readonly[:, ::-1]), [1.0, 1.0])
    assert tg.contract("a,a->", np.arange(3), np.arange(3)) == 5
    assert tg.contract(",ab->ab", 2.0, A).dtype is torch.float64


def test_repeated_operands_are_one() -> None:
    """A is 30 x 20: A'A once and its square, instead of three products; another tensor of equal value is another."""
    A = tensor(30, 20)
    plan = tg.contract_plan("ab,ac,dc,de->be", A, A, A, A)
    assert plan.flops == 2 * 30 * 20 * 20 + 2 * 20**3
    assert tg.contract_plan("ab,ac,dc,de->be", A, A, A.clone(), A).flops > plan.flops
    torch.testing.assert_close(tg.contract("ab,ac,dc,de->be", A, A, A, A), (A.T @ A) @ (A.T @ A))


def test_gradients_flow_through() -> None:
    A, B = tensor(2, 3).requires_grad_(), tensor(3, 4, seed=1)
    tg.contract("ab,bc->", A, B).backward()
    torch.testing.assert_close(A.grad, B.sum(1).expand(2, 3))


def test_sums_are_factored() -> None:
    A, B, C, v = tensor(40, 30), tensor(30, 40, seed=1), tensor(30, 40, seed=2), tensor(40, seed=3)
    half = torch.tensor(0.5, dtype=torch.float64)
    terms = [(2, "ab,bc->ac", [A, B]), (Fraction(-1, 3), "ab,bc->ac", [A, C]), (half, "ab,cb->ac", [A, B.T])]
    expected = 2 * A @ B - A @ C / 3 + 0.5 * A @ B
    torch.testing.assert_close(tg.contract_sum(terms), expected)
    out = np.zeros((40, 40))
    tg.contract_sum([(0.25, "ab,bc->ac", [A.numpy(), B.numpy()])], out=out)
    np.testing.assert_allclose(out, (A @ B / 4).numpy())
    chain = [(1, "ab,bc,c->a", [A, B, v]), (1, "ab,bc,c->a", [A, C, v]), (-2, "a->a", [v])]
    torch.testing.assert_close(tg.contract_sum(chain), A @ (B + C) @ v - 2 * v)
    empty = tensor(0, 3)
    assert tg.contract_sum([(1, "ab,ac->bc", [empty, empty]), (2, "bc->bc", [torch.eye(3).double()])]).trace() == 6
    assert tg.contract_sum([(1, "ab->ba", [empty])]).shape == (3, 0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, -1, 2, Fraction(1, 2)]),
            st.lists(st.sampled_from(["ab", "bc", "ac", "ba", "cc", "a", "c"]), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_random_sums_agree_term_by_term(drawn: list[tuple[Fraction, list[str]]]) -> None:
    given_ = {s: tensor(*[SIZES[x] for x in s], seed=k) for k, s in enumerate(["ab", "bc", "ac", "ba", "cc", "a", "c"])}
    ones = {x: torch.ones(SIZES[x], dtype=torch.float64) for x in "ac"}
    terms = [(c, f"a,c,{','.join(f)}->ac", [ones["a"], ones["c"], *(given_[s] for s in f)]) for c, f in drawn]
    expected = sum(float(c) * torch.einsum(text, *operands) for c, text, operands in terms)
    torch.testing.assert_close(tg.contract_sum(terms), expected)


@pytest.mark.parametrize("limit", [4000, 1500, 900, "8 kB"])
def test_what_does_not_fit_is_computed_in_slices(limit: int | str) -> None:
    operands = [tensor(12, 11, 10), tensor(11, 10, 9, seed=1), tensor(10, 9, 8, seed=2), tensor(9, 8, 12, seed=3)]
    subscripts = "abc,bcd,cde,dea->cad"
    from tensorgrad.runtime.contraction import _sliced
    from tensorgrad.runtime.slices import entries_of

    if limit == 4000:
        torch.testing.assert_close(
            tg.contract(subscripts, *operands, memory_limit=limit), torch.einsum(subscripts, *operands)
        )
    shapes = tuple(o.shape for o in operands)
    small = "abc,bcd,cde,dea->a"
    sliced, _ = _sliced(small, shapes, "auto", entries_of(limit, 8))
    assert sliced.count > 1 or limit == 4000
    torch.testing.assert_close(tg.contract(small, *operands, memory_limit=limit), torch.einsum(small, *operands))


def test_slices_along_a_diagonal_and_broadcast_axes() -> None:
    A, B = tensor(30, 50), tensor(1, 50, seed=1)
    expected = torch.diag((A * B).sum(1) ** 2)
    found = tg.contract("ij,kj,il,ml->ii", A, B, A, B, memory_limit=1000)
    torch.testing.assert_close(found, expected)


def test_a_limit_that_cannot_be_met_says_so_before_anything_runs() -> None:
    A = torch.empty(2000, 3000, device="meta")
    with pytest.raises(MemoryLimitError, match=r"memory_limit: 1,000 entries are too few: .* \(4,000,000 of them for"):
        tg.contract("ab,cb->ac", A, A, memory_limit=1000)
    with pytest.raises(InputError, match="expected a number of entries, or a text of bytes such as '2 GB'"):
        tg.contract("ab,cb->ac", A, A, memory_limit="lots")


def test_what_opt_einsum_takes_besides() -> None:
    A, B = tensor(4, 5), tensor(5, 6, seed=1)
    for options in (
        {"optimize": False},
        {"optimize": [(0, 1)]},
        {"backend": "torch"},
        {"memory_limit": "max_input"},
        {"memory_limit": 1e9},
    ):
        torch.testing.assert_close(tg.contract("ab,bc->ac", A, B, **options), A @ B)
    with pytest.raises(InputError, match="backend='jax': expected 'auto', 'torch' or 'numpy'"):
        tg.contract("ab,bc->ac", A, B, backend="jax")
    for given_ in ((A > 0, B > 0), ((A > 0).numpy(), (B > 0).numpy())):
        with pytest.raises(ValueMismatchError, match="the operands are true or false; convert them to numbers"):
            tg.contract("ab,bc->ac", *given_)


@pytest.mark.parametrize("number", [np.float64(1.5), np.float32(1.5), 1.5, Fraction(3, 2), torch.tensor(1.5).double()])
def test_coefficients_are_numbers_of_any_kind(number: object) -> None:
    A, B = tensor(4, 5), tensor(5, 6, seed=1)
    torch.testing.assert_close(tg.contract_sum([(number, "ab,bc->ac", [A, B])]), 1.5 * A @ B)
    torch.testing.assert_close(tg.contract_sum([(np.int64(3), "ab,bc->ac", [A, B])]), 3 * A @ B)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"term 0: the coefficient is {bad}, not a finite number"):
            tg.contract_sum([(bad, "ab,bc->ac", [A, B])])


def test_large_networks() -> None:
    pytest.importorskip("cotengra")
    np.random.seed(1)
    subscripts, shapes = rand_equation(60, 3, n_out=2, d_min=2, d_max=3, seed=1)
    operands = [tensor(*shape, seed=k) for k, shape in enumerate(shapes)]
    auto = tg.contract(subscripts, *operands)
    torch.testing.assert_close(tg.contract(subscripts, *operands, optimize="cotengra"), auto, rtol=1e-9, atol=0)
    assert tg.contract_plan(subscripts, *operands, optimize="cotengra").flops < 1e9


@pytest.mark.slow
def test_slices_on_a_cluster_of_processes() -> None:
    distributed = pytest.importorskip("distributed")
    operands = [tensor(12, 11, 10), tensor(11, 10, 9, seed=1), tensor(10, 9, 8, seed=2), tensor(9, 8, 12, seed=3)]
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        for subscripts in ("abc,bcd,cde,dea->", "abc,bcd,cde,dea->ca"):
            found = tg.contract(subscripts, *operands, memory_limit=600, client=client)
            torch.testing.assert_close(found, torch.einsum(subscripts, *operands))


M = torch.ones(2, 3)
WRONG = [
    (("ab,bc", M), InputError, "'ab,bc' is for 2 operands, 1 were given"),
    (("abc->a", M), InputError, "'abc->a': operand 0 has 2 axes, 'abc' is for 3"),
    (("...abc->a", M), InputError, "'...abc->a': operand 0 has 2 axes, '...abc' is for at least 3"),
    (("ab,bc->ac", M, M), SizeError, "ab,bc->ac: the edge 'b' has size 3 in operand 0 and 2 in operand 1 (axis 0)"),
    (("aa->a", M), SizeError, "aa->a: the edge 'a' of operand 0 has sizes 2 and 3 (axes 0 and 1)"),
    (("ab->ac", M), EdgeError, "'ab->ac': the output has 'c', which no operand has"),
    (("ab->a->b", M), InputError, "'ab->a->b': more than one '->'"),
    (("a1->a", M), InputError, "'a1->a': '1' is no letter; write letters, ',', '->' and one '...' an operand"),
    ((M, [0, 1], [2]), EdgeError, "the output has the label 2, which no operand has"),
    ((M, M), InputError, "contract takes subscripts first, or each operand followed by the labels of its axes"),
    (
        ("ab,ab->", M, M.double()),
        ValueMismatchError,
        "operand 0 is torch.float32, operand 1 torch.float64; convert one",
    ),
    (
        ("ab,ab->", M, M.to("meta")),
        ValueMismatchError,
        "operand 0 is on cpu, operand 1 on meta; move them to one device",
    ),
    (("ab,ab->", M, np.ones((2, 3))), ValueMismatchError, "an array of torch.float64 among tensors of torch.float32"),
]


@pytest.mark.parametrize(("given_", "error", "message"), WRONG)
def test_what_errors_say(given_: tuple[object, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        tg.contract(*given_)
    assert str(caught.value).startswith(message)


def test_what_errors_of_sums_and_options_say() -> None:
    with pytest.raises(SizeError, match=r"term 1 \('ab->b'\) has the shape \(3,\), term 0 \('ab->a'\) \(2,\)"):
        tg.contract_sum([(1, "ab->a", [M]), (1, "ab->b", [M])])
    with pytest.raises(InputError, match="term 0: expected"):
        tg.contract_sum([("ab->a", [M])])
    with pytest.raises(InputError, match="at least one term"):
        tg.contract_sum([])
    with pytest.raises(InputError, match="optimize='fast': expected 'auto'"):
        tg.contract("ab->a", M, optimize="fast")
    with pytest.raises(ValueMismatchError, match=r"out has the shape \(3,\), the result \(2,\)"):
        tg.contract("ab->a", M, out=torch.empty(3))
