r"""Formulas in LaTeX: the notation that `str` prints, read back as syntax and set as mathematics."""

from __future__ import annotations

from typing import NamedTuple

from tensorgrad.notation import to_index, to_text
from tensorgrad.notation.source import Source
from tensorgrad.notation.syntax import Syntax, read_expression
from tensorgrad.show.commands import ADD, ATOM, COMMANDS, ENTRY, MUL, POWER, TIGHT, order_of_call
from tensorgrad.show.names import math_name
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Tensor, Variable, walk


class Math(NamedTuple):
    """Typeset mathematics, how tightly it binds, and its order where it is by position (0 for indexed things)."""

    s: str
    level: int = ATOM
    order: int = 0
    row: bool = False
    """Whether it is a vector written as a row."""

    def at_least(self, level: int) -> str:
        """The mathematics, in parentheses if it binds less tightly."""
        return self.s if self.level >= level else rf"\left({self.s}\right)"

    def last(self, level: int) -> str:
        """The same where nothing follows: a sum sign needs no parentheses there, its body goes on to the end."""
        return self.s if self.s.startswith(r"\sum") and self.level >= ENTRY else self.at_least(level)


def latex_of(t: Tensor) -> str:
    r"""The formula of a tensor, in matrix notation where there is one.

    >>> import tensorgrad as tg
    >>> latex_of(tg.parse("x @ inv(A) @ x / 2", let="A : n n ; x : n"))
    '\\frac{x^{\\top} A^{-1} x}{2}'
    """
    return formula(to_text(t), t)


def index_latex(t: Tensor) -> str:
    r"""The formula of a tensor in index notation.

    >>> import tensorgrad as tg
    >>> index_latex(tg.parse("A @ x", let="A : n m ; x : m"))
    '\\sum_{i} A_{i_{0},i} \\, x_{i}'
    """
    return formula(to_index(t), t)


def poly_latex(value: Poly) -> str:
    r"""A polynomial in sizes.

    >>> from tensorgrad.sizes import size
    >>> poly_latex(size("n") * size("m"))
    'm \\, n'
    """
    return _set(str(value), {}, frozenset())


def formula(text: str, t: Tensor) -> str:
    """The notation `text` of a tensor in LaTeX."""
    orders = {n.name: n.order for n in walk(t) if isinstance(n, Variable)}
    unknown = frozenset(n.function.name for n in walk(t) if isinstance(n, Apply) and not n.function.known)
    return _set(text, orders, unknown)


def _set(text: str, orders: dict[str, int], unknown: frozenset[str]) -> str:
    setter = _Setter(orders, unknown)
    done: dict[int, Math] = {}
    stack = [(read_expression(Source(text)), False)]
    root = stack[0][0]
    while stack:
        node, ready = stack.pop()
        if ready:
            done[id(node)] = setter.node(node, [done[id(p)] for p in node.parts])
        else:
            stack.append((node, True))
            stack += [(part, False) for part in reversed(node.parts)]
    return done[id(root)].s


def _between(left: str, right: str) -> str:
    """What stands between two factors: words set side by side would read as one, letters do not."""
    return r" \, " if any(word in side for side in (left, right) for word in (r"\mathrm{", r"\text{")) else " "


class _Setter:
    """Sets one node whose parts are set."""

    def __init__(self, orders: dict[str, int], unknown: frozenset[str]) -> None:
        self.orders, self.unknown = orders, unknown

    def node(self, node: Syntax, parts: list[Math]) -> Math:
        match node.kind:
            case "name":
                return Math(math_name(node.value), ATOM, self.orders.get(node.value, 0))
            case "number":
                return Math(node.value)
            case "string":
                return Math(rf"\text{{{node.value}}}")
            case "transpose":
                base = parts[0]
                return Math(rf"{base.at_least(ATOM)}^{{\top}}", POWER, base.order)
            case "unary":
                return Math(f"{node.value}{parts[0].last(ENTRY)}", ADD, parts[0].order)
            case "binary":
                return self._binary(node.value, *parts)
            case "slice":
                return Math(f"{parts[0].s}{{:}}{parts[1].s}")
            case "index":
                return self._index(node, parts)
            case _:
                return self._call(node, parts)

    def _binary(self, operator: str, a: Math, b: Math) -> Math:
        order = max(a.order, b.order)
        if operator in "+-":
            right = b.last(ENTRY) if operator == "-" or b.s.startswith("-") else b.at_least(ADD)
            return Math(f"{a.s} {operator} {right}", ADD, order)
        if operator == "/":
            if a.order and b.order:
                return Math(rf"{a.at_least(ENTRY)} \oslash {b.last(MUL)}", ENTRY, order)
            return Math(rf"\frac{{{a.s}}}{{{b.s}}}", POWER if not order else MUL, order)
        if operator == "**":
            dotted = r"\circ " if a.order else ""
            return Math(rf"{a.at_least(ATOM)}^{{{dotted}{b.s}}}", POWER, order)
        if operator == "@":
            left = a.at_least(MUL)
            if a.order == 1 and not a.row:
                left = rf"{a.at_least(ATOM)}^{{\top}}"
            found = max(a.order + b.order - 2, 0)
            right = b.last(MUL)
            return Math(f"{left}{_between(left, right)}{right}", MUL, found, found == 1 and a.order == 1)
        if a.order and b.order:
            return Math(rf"{a.at_least(ENTRY)} \odot {b.last(MUL)}", ENTRY, order)
        sign = r"\cdot" if b.s[:1].isdigit() else r"\,"
        return Math(rf"{a.at_least(MUL)} {sign} {b.last(MUL)}", MUL, order)

    def _index(self, node: Syntax, parts: list[Math]) -> Math:
        base, items = node.parts[0], parts[1:]
        letters = ",".join(p.s for p in items)
        if all(len(p.s) == 1 or (p.s.startswith("\\") and p.s[1:].isalpha()) for p in items):
            letters = " ".join(p.s for p in items).replace("  ", " ") if "\\" in letters else letters.replace(",", "")
        if base.kind == "name" and not base.grouped and base.value not in self.orders:
            match base.value:
                case "I":
                    return Math(f"I_{{{letters}}}", ATOM, 2)
                case "ones":
                    return Math(rf"\mathbf{{1}}_{{{letters}}}", ATOM, len(items))
                case "zeros":
                    return Math(rf"\mathbf{{0}}_{{{letters}}}", ATOM, len(items))
                case "e":
                    return Math(f"e_{{{items[0].s}}}", ATOM, 1)
                case "commutation":
                    return Math(f"K_{{{letters}}}", ATOM, 2)
                case "delta":
                    return Math(rf"\delta_{{{letters}}}")
                case "lc":
                    return Math(rf"\epsilon_{{{letters}}}")
                case "flat" | "conv":
                    return Math(rf"\mathrm{{{base.value}}}_{{{letters}}}")
                case _:
                    return Math(letters)
        inner = parts[0].at_least(ATOM)
        # A name with a subscript of its own, as A1, must be closed before it gets another one.
        return Math(f"{{{inner}}}_{{{letters}}}" if "_" in inner else f"{inner}_{{{letters}}}")

    def _call(self, node: Syntax, parts: list[Math]) -> Math:
        callee, arguments = node.parts[0], parts[1:]
        if callee.kind == "index":
            return self._bracketed(callee, parts[0], arguments)
        if callee.kind == "call":
            return self._derived(callee, parts[0], arguments)
        name = callee.value
        order = order_of_call(name, [a.order for a in arguments], [p.value for p in node.parts[1:]])
        if name in COMMANDS and name not in self.unknown:
            least = ATOM if name in TIGHT else ADD
            s, level = COMMANDS[name](*(a.at_least(least) for a in arguments))
            return Math(s, level, order)
        listed = ", ".join(a.s for a in arguments)
        return Math(rf"{math_name(name)}\left({listed}\right)", ATOM, order)

    def _derived(self, callee: Syntax, head: Math, arguments: list[Math]) -> Math:
        listed = ", ".join(a.s for a in arguments)
        if callee.parts[0].kind == "index":
            return Math(rf"{head.s}\left({listed}\right)", ATOM, max(a.order for a in arguments))
        primes, inner = 0, callee
        while inner.kind == "call":
            primes, inner = primes + 1, inner.parts[1]
        marks = r"\prime" * primes
        return Math(rf"{math_name(inner.value)}^{{{marks}}}\left({listed}\right)", ATOM, arguments[0].order)

    def _bracketed(self, callee: Syntax, head: Math, arguments: list[Math]) -> Math:
        """`sum[i](x)`, `softmax[i](x)`, `E[x](y)`, `mat[i, j](x)`; `d[0](f)[i](x)`, whose head is set already."""
        name, letters = callee.parts[0].value, head.s
        if name == "d" and name not in self.orders:
            by = " ".join(p.value for p in callee.parts[1:])
            return Math(rf"\partial_{{{by}}} {arguments[0].s}")
        listed = ", ".join(a.s for a in arguments)
        if callee.parts[0].kind != "name":
            return Math(rf"{head.s}\left({listed}\right)")
        if name == "conv" and name not in self.orders:
            base = letters.removeprefix(r"\mathrm{conv}_")
            return Math(rf"\mathrm{{conv}}^{{\left({listed}\right)}}_{base}")
        if name == "sum":
            return Math(rf"\sum_{{{letters}}} {arguments[0].last(MUL)}", ENTRY)
        if name in ("E", "Var", "Cov"):
            operator = r"\mathbb{E}" if name == "E" else rf"\operatorname{{{name}}}"
            copies = 2 if name == "Cov" or (name == "Var" and arguments[0].order == 1) else 1
            order = sum(a.order for a in arguments) if name == "Cov" else arguments[0].order * copies
            return Math(rf"{operator}_{{{letters}}}\left[{listed}\right]", ATOM, order)
        if name in ("mat", "ten"):
            return Math(rf"\left[{listed}\right]_{{{letters}}}", ATOM, len(callee.parts) - 1)
        return Math(rf"{math_name(name)}_{{{letters}}}\left({listed}\right)")
