r"""How calls of the notation are set in LaTeX, and the order of what they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

ADD, ENTRY, MUL, POWER, ATOM = 1, 2, 3, 4, 5
"""How tightly mathematics binds: sums; entrywise and tensor products and sum signs; juxtaposition; powers; atoms."""
Setting = tuple[str, int]


def _operator(name: str) -> Callable[..., Setting]:
    return lambda *a: (rf"{name}\left({', '.join(a)}\right)", ATOM)


COMMANDS: dict[str, Callable[..., Setting]] = {
    **{n: _operator(f"\\{n}") for n in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "det", "max")},
    **{n: _operator(rf"\operatorname{{{n}}}") for n in "tr adj expm sinm cosm logm vec diag sign erf rank".split()},
    **{n: _operator(rf"\operatorname{{{n}}}") for n in ("sum", "mean", "softmax", "logsumexp")},
    "abs": lambda x: (rf"\left|{x}\right|", ATOM),
    "sqrt": lambda x: (rf"\sqrt{{{x}}}", ATOM),
    "logdet": lambda x: (rf"\log\left|\det {x}\right|", ATOM),
    "inv": lambda x: (f"{x}^{{-1}}", POWER),
    "pinv": lambda x: (f"{x}^{{+}}", POWER),
    "sqrtm": lambda x: (rf"\left({x}\right)^{{1/2}}", POWER),
    "matpow": lambda x, k: (f"{x}^{{{k}}}", POWER),
    "power": lambda x, k: (rf"{x}^{{\otimes {k}}}", POWER),
    "outer": lambda *a: (r" \otimes ".join(a), ENTRY),
    "kron": lambda *a: (r" \otimes_{K} ".join(a), ENTRY),
    "khatri_rao": lambda *a: (r" \ast_{KR} ".join(a), ENTRY),
    "block": lambda *a: (rf"\begin{{bmatrix}} {a[0]} & {a[1]} \\ {a[2]} & {a[3]} \end{{bmatrix}}", ATOM),
    "norm2": lambda x: (rf"\left\lVert {x} \right\rVert^{{2}}", POWER),
    "norm": lambda x: (rf"\left\lVert {x} \right\rVert", ATOM),
    "dot": lambda x, y: (rf"\left\langle {x}, {y} \right\rangle", ATOM),
    "grad": lambda y, x: (rf"\frac{{\partial}}{{\partial {x}}} \left[{y}\right]", MUL),
    "hess": lambda y, x: (rf"\frac{{\partial^{{2}}}}{{\partial {x}\, \partial {x}}} \left[{y}\right]", MUL),
}  # fmt: skip
"""Call -> the mathematics of its arguments and how tightly it binds; other names are set upright before parentheses."""

TIGHT = frozenset("inv pinv matpow power outer kron khatri_rao logdet".split())
"""Calls whose arguments need parentheses unless they are atoms."""

_FIXED = {
    **dict.fromkeys("tr det logdet rank norm norm2 dot moment prod".split(), 0),
    **dict.fromkeys("commutation unvec kron khatri_rao block".split(), 2),
    "vec": 1,
}


def order_of_call(name: str, orders: Sequence[int], words: Sequence[str]) -> int:
    """The order of a call whose arguments have these orders; `words` are arguments that are single tokens."""
    if name == "concat":
        return orders[0]
    if name in _FIXED:
        return _FIXED[name] if name not in ("kron", "khatri_rao") else max(orders)
    if name == "diag":
        return 2 if orders[0] == 1 else 1
    if name in ("sum", "mean"):
        return orders[0] - 1 if len(orders) > 1 else 0
    if name in ("max", "logsumexp"):
        return max(orders[0] - 1, 0)
    if name in ("outer", "grad"):
        return sum(orders)
    if name == "hess":
        return orders[0] + 2 * orders[1]
    if name == "power":
        return orders[0] * int(words[1]) if words[1].isdigit() else orders[0]
    if name == "einsum":
        return len(words[0].partition("->")[2])
    return orders[0] if orders else 0
