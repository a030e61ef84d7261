"""What is asked of the playground: texts in the notation, which make up the address of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tensorgrad.errors import InputError

LONGEST = {"e": 2000, "let": 1000, "if": 1000, "dims": 300}
"""Most characters of each field."""

_CALLED = {"e": "the expression", "let": "the declarations", "if": "the facts", "dims": "the sizes"}


@dataclass(frozen=True, slots=True)
class Question:
    """An expression or a goal `lhs = rhs`, its declarations and facts, and sizes such as `n=1000, m=10`."""

    expression: str = ""
    let: str = ""
    facts: str = ""
    dims: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Question:
        """The question that an address asks.

        >>> Question.of({"e": "A @ x ", "let": "A : n m ; x : m"})
        Question(expression='A @ x', let='A : n m ; x : m', facts='', dims='')
        """
        values = (" ".join(fields.get(name, "").split()) for name in LONGEST)
        return cls(*values)

    @property
    def fields(self) -> dict[str, str]:
        """The texts by field."""
        return dict(zip(LONGEST, (self.expression, self.let, self.facts, self.dims), strict=True))

    @property
    def query(self) -> str:
        """The part of the address that asks it.

        >>> Question("A @ x", "A : n m ; x : m").query
        'e=A+%40+x&let=A+%3A+n+m+%3B+x+%3A+m'
        """
        return urlencode({name: text for name, text in self.fields.items() if text})

    @property
    def is_goal(self) -> bool:
        """Whether it asks for a proof: the notation has no other use for an equals sign."""
        return "=" in self.expression

    def check(self) -> None:
        """InputError for a field that is too long, or no expression."""
        for name, text in self.fields.items():
            if len(text) > LONGEST[name]:
                raise InputError(
                    f"{_CALLED[name]}: {len(text):,} characters; this page takes {LONGEST[name]:,}, the library more"
                )
        if not self.expression:
            raise InputError("no expression: write one, or choose an example")


EXAMPLES = {
    "gradient of a squared norm": Question(
        "grad(norm2(X @ W - Y), W)", "X : b x ; W : x y ; Y : b y", dims="b=128, x=784, y=10"
    ),
    "Hessian of the cross entropy": Question("hess(-(y @ log(softmax(x))), x)", "x y : n"),
    "mean of a quadratic form": Question("E[x](x @ A @ x)", "A : n n ; x mu : n ; S : n n pd", "x ~ N(mu, S)"),
    "a cheaper projection": Question("(A - H.T @ H) @ x", "A H : n n ; x : n", dims="n=3000"),
    "Kronecker times vec": Question("kron(A, B) @ vec(X)", "A : n n ; B : m m ; X : m n", dims="n=100, m=80"),
    "inverse of a product": Question(
        "inv(A @ B) @ A @ B @ x", "A B : n n ; x : n", "invertible(A), invertible(B)", "n=500"
    ),
    "attention": Question(
        "grad(sum(softmax(Q @ K.T / sqrt(d)) @ V), V)", "Q : s d ; K : t d ; V : t e", dims="s=128, t=128, d=64, e=64"
    ),
    "a proof": Question("det(A @ B @ inv(A)) = det(B)", "A B : n n", "invertible(A)"),
    "not a theorem": Question("det(A + B) = det(A) + det(B)", "A B : n n"),
}
"""Questions to begin with, by name."""
