"""From tensors to text: matrix notation where there is one, else index notation."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterable, Set
from fractions import Fraction
from typing import Any

from tensorgrad.errors import UnsupportedError
from tensorgrad.function import FUNCTIONS
from tensorgrad.notation.goal import sizes_said
from tensorgrad.notation.index_text import fresh, indexed, ordered
from tensorgrad.notation.matrix_text import positional
from tensorgrad.notation.net import ungrouped_everywhere
from tensorgrad.notation.product_text import Order, Printing
from tensorgrad.notation.scope import Scope
from tensorgrad.notation.source import Source
from tensorgrad.notation.syntax import Syntax, read_expression
from tensorgrad.notation.text import Text, call
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Delta, Expectation, Law, Scalar, Tensor, Variable, postorder, power, walk


class Printer:
    """Prints one tensor; `memo` keeps the matrix notation of its parts, `names` what is declared.

    `said` are the variables whose law its declarations say; other laws are written where they are.
    """

    def __init__(self, t: Tensor, said: Container[str] | None = None) -> None:
        self.said: Container[str] = said_laws(t) if said is None else said
        self.memo: dict[tuple[Any, ...], Text | None] = {}
        self.names: frozenset[str] = frozenset(
            [n.name for n in walk(t) if isinstance(n, Variable)]
            + [n.function.name for n in walk(t) if isinstance(n, Apply) and not n.function.known]
        )
        self._kept: list[Tensor] = [t]
        self._powers: dict[int, Tensor] = {}

    def divisor(self, node: Tensor) -> tuple[bool, Tensor]:
        """(True, x) for a factor x; (False, x) for a factor 1 / x, which is a power with a negative exponent."""
        if not isinstance(node, Apply) or node.function.name != "pow" or set(node.edges) != set(node.args[0].edges):
            return True, node
        exponent = node.args[1]
        if not isinstance(exponent, Scalar) or not exponent.value.is_constant:
            return True, node
        k = exponent.value.number
        if k >= 0:
            return True, node
        if k == -1:
            return False, node.args[0]
        found = self._powers.get(id(node))
        if found is None:
            root = Apply(FUNCTIONS["sqrt"], node.args[:1])
            found = self._powers[id(node)] = root if k == Fraction(-1, 2) else power(node.args[0], -k)
        return False, found

    def identity(self, dim: Poly) -> Text:
        """The identity matrix."""
        return call("diag", f"ones[{dim}]") if "I" in self.names else Text(f"I[{dim}]")

    def keep(self, t: Tensor) -> Tensor:
        """Keep a tensor made while printing alive, so that its identity stays its own."""
        self._kept.append(t)
        return t

    def scalar(self, t: Tensor) -> Printing:
        """A tensor of order 0, in the shorter notation."""
        key = (id(t), "scalar")
        if key not in self.memo:
            text = yield positional(self, t, ())
            if text is None:
                text = yield indexed(self, t, {}, frozenset(), True)
            self.memo[key] = text
        return self.memo[key]

    def positional(self, t: Tensor, order: Order) -> Printing:
        """A tensor in matrix notation with its edges as axes in this order, or None."""
        return (yield positional(self, t, order))

    def ordered(self, t: Tensor, order: Order) -> Printing:
        """A tensor by position, with `mat[i, j](...)` where it has no matrix notation."""
        return (yield ordered(self, t, order))

    def head(self, t: Expectation) -> Generator[Any, Any, str]:
        """`E[x]`, or `E[x ~ N(mu, S)]` where the declarations do not say the law."""
        law = None
        if t.law is not None and t.variable.name not in self.said:
            law = yield self.law(t.law)
        return f"{t.kind}[{t.variable.name}]" if law is None else f"{t.kind}[{t.variable.name} ~ {law}]"

    def law(self, law: Law) -> Generator[Any, Any, str]:
        """`N(mu, S)`, the parameters by position."""
        texts: list[str] = []
        for t in law.parameters:
            text = yield (ordered(self, t, t.edges) if t.order else self.scalar(t))
            texts.append(text.s)
        return f"{law.kind}({', '.join(texts)})"

    def run(self, printing: Generator[Any, Any, Any]) -> Any:
        """Run a printing with its own stack."""
        stack: list[Generator[Any, Any, Any]] = [printing]
        sent: Any = None
        while stack:
            try:
                stack.append(stack[-1].send(sent))
                sent = None
            except StopIteration as finished:
                stack.pop()
                sent = finished.value
        return sent


def said_laws(t: Tensor) -> dict[str, Law]:
    """The laws of the variables that have one and the same law in all expectations over them in `t`."""
    found: dict[str, list[Law | None]] = {}
    for node in postorder(t):
        if isinstance(node, Expectation):
            found.setdefault(node.variable.name, []).append(node.law)
    printer: Printer | None = None
    said: dict[str, Law] = {}
    for name, laws in found.items():
        first = laws[0]
        if first is None or None in laws:
            continue
        if any(law is not first for law in laws):
            printer = printer or Printer(t, ())
            if len({printer.run(printer.law(law)) for law in laws if law is not None}) > 1:
                continue
        said[name] = first
    return said


def declared_laws(t: Tensor) -> list[str]:
    """`x ~ N(mu, S)` for the laws that the declarations of `t` say, the laws that others need first."""
    printer = Printer(t)
    declared = _declared(t)
    laws = said_laws(t)
    return [
        f"{name} ~ {_spelled(printer.run(printer.law(law)), law.parameters, declared)}" for name, law in laws.items()
    ]


def to_text(t: Tensor) -> str:
    """`str(t)`: matrix notation if there is one, its axes in the order of `t.edges`; else index notation.

    >>> from tensorgrad import Variable
    >>> to_text(Variable("A", i="n", j="m") @ Variable("x", j="m"))
    'A @ x'
    """
    return _print(t, t.edges)


def to_positional(t: Tensor) -> str:
    """The tensor with the axes in the order of `t.edges`: matrix notation, or `ten[i, j, k](...)` where there is none.

    >>> from tensorgrad import Variable
    >>> to_positional(Variable("A", i="n", j="m") @ Variable("x", j="m"))
    'A @ x'
    """
    plain = ungrouped_everywhere(t)
    printer = Printer(plain)
    return printer.run(ordered(printer, plain, plain.edges)).s


def to_exact_text(t: Tensor) -> str:
    """`repr(t)`: text that reads back as the same tensor, given `t.declarations`.

    Matrix notation if the edges are i0, i1, ...; else index notation with the real names.
    """
    order = tuple(f"i{k}" for k in range(t.order))
    return _finished(t, _print(t, order if set(order) == set(t.edges) else None))


def to_index(t: Tensor) -> str:
    """The tensor in index notation, with the names of its edges where these are names.

    >>> from tensorgrad import Variable
    >>> to_index(Variable("A", i="n", j="m") @ Variable("x", j="m"))
    'sum[j](A[i, j] * x[j])'
    """
    return _finished(t, _print(t, None, indices=True))


def to_index_free(t: Tensor) -> str:
    """The tensor in matrix notation, its axes in the order of `t.edges`; UnsupportedError where there is none.

    >>> from tensorgrad import Variable
    >>> to_index_free(Variable("A", i="n", j="m") @ Variable("x", j="m"))
    'A @ x'
    """
    plain = ungrouped_everywhere(t)
    printer = Printer(plain)
    text = printer.run(positional(printer, plain, plain.edges))
    if text is None:
        raise UnsupportedError(f"notation without indices for {to_index(t)}: it needs them; ask for to_index")
    return _finished(t, text.s)


def _print(t: Tensor, order: Order | None, indices: bool = False) -> str:
    t = ungrouped_everywhere(t)
    printer = Printer(t)
    text: Text | None = None
    if not t.order and not indices:
        text = printer.run(printer.scalar(t))
    elif order is not None:
        text = printer.run(positional(printer, t, order))
    if text is None:
        letters: dict[str, str] = {}
        used = {e for e in t.edges if e.isidentifier()}
        for edge in t.edges:
            letters[edge] = edge if edge.isidentifier() else fresh(printer, used)
            used.add(letters[edge])
        text = printer.run(indexed(printer, t, letters, frozenset(), True))
    assert text is not None, "index notation always exists"
    return text.s


def _finished(t: Tensor, text: str) -> str:
    return _spelled(text, [t], _declared(t))


def _declared(t: Tensor) -> frozenset[str]:
    """The size symbols in the declarations of `t`."""
    declared: set[str] = set()
    for node in walk(t):
        if isinstance(node, Variable):
            declared.update(s for d in node.dims for s in d.symbols)
        elif isinstance(node, Apply) and not node.function.known:
            acted = [a.sizes[e] for a, gs in zip(node.args, node.acted, strict=True) for g in gs for e in g]
            declared.update(s for d in (*acted, *node.function.own_dims) for s in d.symbols)
    return frozenset(declared)


def _spelled(text: str, tensors: Iterable[Tensor], declared: Set[str]) -> str:
    """Size symbols that neither a declaration nor a size in the text says are written `sum(ones[n])`, to be read back."""
    symbols: set[str] = set()
    for node in (node for t in tensors for node in walk(t)):
        dims = (*node.dims, node.value) if isinstance(node, Scalar) else node.dims
        symbols.update(s for d in ((node.size,) if isinstance(node, Delta) else dims) for s in d.symbols)
    if symbols <= declared:
        return text
    tree = read_expression(Source(text), 0, len(text))
    missing = symbols - declared - sizes_said(tree, Scope())
    spots: list[Syntax] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        if node.kind == "name" and node.value in missing:
            spots.append(node)
        if node.kind == "index":
            stack += [node.parts[0], *(part.parts[1] for part in node.parts if part.kind == "law")]
            stack += node.parts[1:2] if node.parts[0].value == "e" else []
        else:
            stack += node.parts
    for spot in sorted(spots, key=lambda n: -n.start):
        text = f"{text[: spot.start]}sum(ones[{spot.value}]){text[spot.end :]}"
    return text
