"""Random expressions of the notation as text: every matrix form, and named edges, with sizes that fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]

LET = (
    "A B : n n ; S : n n symmetric ; X Y : n m ; W : m p ; C : m m ; x y : n ; z : m ; v : n*m ; u : n**2 ; "
    "K : n*m n*m ; T : n m p ; c s : scalar ; f : function ; F : function(n) ; G : n m n m"
)
"""What the texts declare."""

DIMS = {"n": 2, "m": 3, "p": 4}
"""Values for the sizes, all different."""

_LETTERS = {"i": "n", "j": "m", "k": "p", "l": "n", "q": "m"}
_NAMES = {
    "": ("c", "s", "2", "n", "1/3"),
    "n": ("x", "y", "ones[n]", "e[0, n]"),
    "m": ("z", "ones[m]"),
    "p": ("ones[p]", "W.T @ z"),
    "n*m": ("v", "vec(X.T)", "vec(X.T)"),
    "m*n": ("vec(X)", "kron(z, x)", "commutation[n, m].T @ v"),
    "n*n": ("u", "vec(A)", "kron(x, y)"),
    "n n": ("A", "B", "S", "I[n]", "zeros[n, n]"),
    "n m": ("X", "Y", "ones[n, m]"),
    "m p": ("W",),
    "m m": ("C", "I[m]"),
    "n m p": ("T",),
    "n*m n*m": ("K", "I[n*m]"),
}
_SIGNS = {"scaled": "*", "shifted": "+", "quotient": "/"}
_UNARY = ("exp", "tanh", "f", "d(f)", "d(tanh)", "sin", "sigmoid")


class Writer:
    """Writes an expression of a wanted shape; `pick` chooses, `budget` bounds the number of operations."""

    def __init__(self, pick: Pick[object], budget: int) -> None:
        self.pick: Callable[[Sequence[str]], str] = pick  # type: ignore[assignment]
        self.budget = budget
        self.letters = 0

    def write(self, shape: str) -> str:
        """An expression by position with these dims, `n m`; always in parentheses unless it is one word or call."""
        self.budget -= 1
        if self.budget <= 0:
            return self.leaf(shape)
        order = len(shape.split())
        form = self.pick(("leaf", "any", "shaped", "shaped", "shaped"))
        if form == "leaf":
            return self.leaf(shape)
        if form == "any" or order > 2:
            return self.entrywise(shape)
        return (self.scalar, self.vector, self.matrix)[order](*shape.split())

    def leaf(self, shape: str) -> str:
        names = _NAMES.get(shape)
        if names is not None:
            return f"({self.pick(names)})"
        dims = shape.split()
        if len(dims) == 2 and " ".join(reversed(dims)) in _NAMES:
            return f"({self.pick(_NAMES[' '.join(reversed(dims))])}).T"
        return f"ones[{', '.join(dims)}]"

    def entrywise(self, shape: str) -> str:
        form = self.pick(
            ("sum", "difference", "product", "scaled", "shifted", "function", "power", "quotient", "named")
        )
        a = self.write(shape)
        if form == "function":
            return f"{self.pick(_UNARY)}({a})"
        if form == "power":
            return f"({a} ** {self.pick(('2', '3', '-1', 'n', '(1/2)'))})"
        if form in ("scaled", "shifted", "quotient"):
            return f"({a} {_SIGNS[form]} {self.write('')})"
        if form == "named" and shape and not any("*" in d for d in shape.split()):
            return self.by_name(shape, a)
        return f"({a} {self.pick('+-*')} {self.write(shape)})"

    def by_name(self, shape: str, a: str) -> str:
        """The same with named edges inside: `ten[i, j](A[i, j] * x[i])`."""
        self.letters += 1
        names = [f"{letter}{self.letters}" for letter in "abcd"[: len(shape.split())]]
        k = int(self.pick([str(k) for k in range(len(names))]))
        size = shape.split()[k]
        inner = f"{a}[{', '.join(names)}]"
        form = self.pick(("times", "plus", "softmax", "copy", "max"))
        if form == "times":
            inner = f"{inner} * {self.write(size)}[{names[k]}]"
        elif form == "plus":
            inner = f"{inner} + {self.write(size)}[{names[k]}]"
        elif form == "softmax":
            inner = f"softmax[{names[k]}]({inner})"
        elif form == "copy":
            inner = f"sum[o{self.letters}]({inner} * delta[{names[k]}, o{self.letters}])"
        else:
            inner = f"{inner} - max[{names[k]}]({inner})"
        return f"ten[{', '.join(names)}]({inner})"

    def scalar(self) -> str:
        dim = self.pick(("n", "m"))
        form = self.pick(("tr", "sum", "dot", "norm2", "norm", "det", "logdet", "inner", "quadratic", "F", "traced"))
        square = f"{dim} {dim}"
        if form in ("tr", "det", "logdet"):
            return f"{form}({self.write(square)})"
        if form in ("sum", "norm2", "norm", "mean"):
            return f"{form}({self.write(self.pick(('n', 'n m', 'n n', 'n m p')))})"
        if form == "dot":
            shape = self.pick(("n m", "n"))
            return f"dot({self.write(shape)}, {self.write(shape)})"
        if form == "F":
            return f"F({self.write('n')})"
        if form == "traced":
            return f"tr(unvec({self.write('n*n')}, n, n))"
        if form == "inner":
            return f"({self.write(dim)} @ {self.write(dim)})"
        return f"({self.write(dim)} @ {self.write(square)} @ {self.write(dim)})"

    def vector(self, dim: str) -> str:
        forms = ["product", "rows", "softmax", "mean", "lse"]
        forms += ["diag", "diag"] if dim in ("n", "m") else []
        forms += ["vec", "kron", "blocks"] if "*" in dim else []
        forms += ["gradient"] if dim == "n" else []
        form = self.pick(forms)
        other = self.pick(("n", "m")) if "*" not in dim else dim
        if form == "product":
            return f"({self.write(f'{dim} {other}')} @ {self.write(other)})"
        if form in ("rows", "mean"):
            return f"{'sum' if form == 'rows' else 'mean'}({self.write(f'{dim} {other}')}, 1)"
        if form == "softmax":
            return f"softmax({self.write(dim)})"
        if form == "lse":
            return f"{self.pick(('logsumexp', 'max'))}({self.write(f'{dim} {other}')})"
        if form == "diag":
            return f"diag({self.write(f'{dim} {dim}')})"
        if form == "gradient":
            return f"d(F)({self.write('n')})"
        first, second = dim.split("*")
        if form == "vec":
            return f"vec({self.write(f'{second} {first}')})"
        if form == "kron":
            return f"kron({self.write(first)}, {self.write(second)})"
        return f"(kron({self.write(f'{first} {first}')}, {self.write(f'{second} {second}')}) @ {self.write(dim)})"

    def matrix(self, rows: str, columns: str) -> str:
        forms = ["product", "transpose", "outer", "softmax"]
        forms += ["diag", "inv", "matpow"] if rows == columns and rows in ("n", "m") else []
        forms += ["unvec"] if f"{columns}*{rows}" in ("n*n", "n*m", "m*n") else []
        if rows == columns and "*" in rows:
            forms += ["kron", "kron", "khatri"]
        form = self.pick(forms)
        other = self.pick(("n", "m")) if "*" not in rows else rows
        if form == "product":
            return f"({self.write(f'{rows} {other}')} @ {self.write(f'{other} {columns}')})"
        if form == "transpose":
            return f"{self.write(f'{columns} {rows}')}.T"
        if form == "outer":
            return f"outer({self.write(rows)}, {self.write(columns)})"
        if form == "softmax":
            return f"softmax({self.write(f'{rows} {columns}')})"
        if form == "diag":
            return f"diag({self.write(rows)})"
        if form in ("inv", "matpow"):
            inner = self.write(f"{rows} {rows}")
            return f"inv(I[{rows}] + {inner})" if form == "inv" else f"matpow({inner}, {self.pick(('2', 'c'))})"
        if form == "unvec":
            return f"unvec({self.write(f'{columns}*{rows}')}, {rows}, {columns})"
        first, second = rows.split("*")
        if form == "kron":
            return f"kron({self.write(f'{first} {first}')}, {self.write(f'{second} {second}')})"
        column = self.pick(("n", "m"))
        left = f"khatri_rao({self.write(f'{first} {column}')}, {self.write(f'{second} {column}')})"
        return f"({left} @ {self.write(f'{column} {columns}')})"


SHAPES = ("", "n", "m", "n n", "n m", "m n", "n*m", "m*n", "n*n", "n*m n*m", "m*n m*n", "n m p")


@st.composite
def texts(draw: st.DrawFn, budget: int = 8) -> str:
    """An expression of the notation by position, with the declarations `LET`."""
    writer = Writer(lambda options: draw(st.sampled_from(options)), budget)
    return writer.write(draw(st.sampled_from(SHAPES)))
