"""The examples that the project promises: forms compared by canonical form, every result verified numerically."""

from __future__ import annotations

import pytest

import tensorgrad as tg
from tensorgrad.rule import RuleSet, library

SIMPLIFIED = [
    ("grad(tr(A @ X @ B), X)", "A : n m ; X : m p ; B : p n", "", {}, "A.T @ B.T"),
    (
        "hess(-(y @ log(softmax(x))), x)",
        "x y : n",
        "",
        {},
        "sum(y) * (diag(softmax(x)) - outer(softmax(x), softmax(x)))",
    ),
    ("inv(A @ B) @ A @ B @ x", "A B : n n ; x : n", "invertible(A), invertible(B)", {}, "x"),
    ("(A - H.T @ H) @ x", "A H : n n ; x : n", "", {"n": 3000}, "A @ x - H.T @ (H @ x)"),
    ("A @ B + A @ C", "A B C : n n", "", {"n": 3000}, "A @ (B + C)"),
]


@pytest.mark.parametrize(("expression", "let", "facts", "dims", "expected"), SIMPLIFIED)
def test_simplify(expression: str, let: str, facts: str, dims: dict[str, int], expected: str) -> None:
    result = tg.simplify(expression, let=let, if_=facts, dims=dims, verify=True)
    assert result.tensor == tg.parse(expected, let=let)
    assert result.verified is True
    assert tg.parse(repr(result.tensor), let=let) == result.tensor


def test_least_squares_computes_the_residual_once() -> None:
    let = "X : b x ; W : x y ; Y : b y"
    dims = {"b": 128, "x": 10, "y": 5}
    result = tg.simplify("grad(norm2(X @ W - Y), W)", let=let, dims=dims, verify=True)
    assert result.verified is True
    residual, back = 2 * 128 * 10 * 5 + 128 * 5, 2 * 10 * 128 * 5
    # Two products, the subtraction, and the factor 2 on a tensor no larger than the residual.
    assert result.after.flops <= residual + back + 128 * 5


PROVED = [
    ("det(A @ B @ inv(A)) = det(B)", "A B : n n", "invertible(A)"),
    ("inv(A.T).T = inv(A)", "A : n n", "invertible(A)"),
    ("inv(inv(A).T).T = A", "A : n n", "invertible(A)"),
    ("P @ P @ P = P", "P : n n idempotent", ""),
    (
        "det(A @ B @ C @ D @ F) = det(A) * det(B) * det(C) * det(D) * det(F)",
        "A B C D F : n n",
        "",
    ),
    ("tr((A + B) @ (A + B)) = tr(A @ A) + 2 * tr(A @ B) + tr(B @ B)", "A B : n n", ""),
]


@pytest.mark.parametrize(("goal", "let", "facts"), PROVED)
def test_prove(goal: str, let: str, facts: str) -> None:
    proof = tg.prove(goal, let=let, if_=facts, verify=True)
    assert proof.status == "proved", proof


def test_woodbury_is_a_theorem() -> None:
    goal = "inv(A + U @ C @ V) = inv(A) - inv(A) @ U @ inv(inv(C) + V @ inv(A) @ U) @ V @ inv(A)"
    facts = "invertible(A), invertible(C), invertible(A + U @ C @ V)"
    let = "A : n n ; U : n k ; C : k k ; V : k n"
    proof = tg.prove(goal, let=let, if_=facts, rules=library().without("woodbury*"), verify=True)
    assert proof.status == "proved", proof
    assert not [name for name in proof.rules if name.startswith("woodbury")]


@pytest.mark.parametrize(
    ("goal", "let"),
    [
        ("tr(A @ B @ C) = tr(C @ A @ B)", "A : n m ; B : m k ; C : k n"),
        ("(A @ B).T = B.T @ A.T", "A : n m ; B : m k"),
        ("kron(A, B) @ kron(C, D) = kron(A @ C, B @ D)", "A : n m ; B : k l ; C : m p ; D : l q"),
        ("kron(A, B) @ vec(X) = vec(B @ X @ A.T)", "A : n m ; B : k l ; X : l m"),
        ("exp(X).T = exp(X.T)", "X : n m"),
    ],
)
def test_canonical_form_alone_decides(goal: str, let: str) -> None:
    proof = tg.prove(goal, let=let, rules=RuleSet(), verify=True)
    assert (proof.status, proof.rules) == ("proved", ())


def test_the_example_of_the_interface() -> None:
    torch = pytest.importorskip("torch")
    b, x, y = tg.symbols("b x y")
    X, Y, W = tg.Variable("X", b, x), tg.Variable("Y", b, y), tg.Variable("W", x, y)
    error = X @ W - Y
    loss = error @ error
    gradient = tg.Derivative(loss, W).simplify()
    assert gradient == loss.grad(W).simplify()
    step = tg.compile(loss=loss, grad=gradient)
    values = {v.name: torch.randn(*shape, dtype=torch.float64) for v, shape in ((X, (5, 3)), (Y, (5, 2)), (W, (3, 2)))}
    values["W"].requires_grad_()
    out = step(**values)
    (expected,) = torch.autograd.grad(((values["X"] @ values["W"] - values["Y"]) ** 2).sum(), values["W"])
    order = [gradient.edges.index(edge) for edge in W.edges]
    torch.testing.assert_close(out.grad.permute(order).detach(), expected)


@pytest.mark.parametrize(
    ("expression", "let"),
    [
        ("abs(x * sum(x))", "x : m"),  # x = -y and y = -x were once opened for ever
        ("z / (diag(D) * y)", "D : n n diagonal ; z y : n"),  # once undefined off the diagonal
    ],
)
def test_what_once_ran_on_or_lost_its_domain(expression: str, let: str) -> None:
    result = tg.simplify(expression, let=let, seconds=1.0, verify=True)
    assert result.verified is True
