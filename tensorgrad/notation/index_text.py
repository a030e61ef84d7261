"""Index notation of a tensor: always there, every edge a letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from tensorgrad.notation.matrix_text import moment_exponent, positional
from tensorgrad.notation.net import Net, net_of
from tensorgrad.notation.product_text import Order, Printing, all_ones, weighted
from tensorgrad.notation.text import Text, call, index, poly, product, raised, summed
from tensorgrad.notation.tiling import embedding_text
from tensorgrad.sizes import ONE, ZERO
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
    Flat,
    LeviCivita,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
)

if TYPE_CHECKING:
    from tensorgrad.notation.printer import Printer

Letters = Mapping[str, str]
Structural = Flat | Convolution | LeviCivita | Unit | Zero
_POOL = "ijklpqruvwxyzabcghmnst"


def indexed(printer: Printer, t: Tensor, letters: Letters, taken: frozenset[str], top: bool = False) -> Printing:
    """`t` in index notation with these letters for its edges; `taken` are letters of enclosing sums."""
    match t:
        case Rename():
            inner = {old: letters[new] for old, new in zip(t.tensor.edges, t.edges, strict=True)}
            return (yield indexed(printer, t.tensor, inner, taken, top))
        case Variable():
            return index(Text(t.name), (letters[e] for e in t.edges))
        case Scalar():
            return poly(t.value)
        case Product() | Delta() | Flat() | Convolution() | LeviCivita() | Zero() | Unit():
            if not top and _summing(t):
                short = yield _by_position(printer, t, letters)
                if short is not None:
                    return short
            return (yield product_indexed(printer, t, letters, taken))
        case Sum():
            return (yield _sum(printer, t, letters, taken, top))
        case Apply():
            return (yield _apply(printer, t, letters, taken, top))
        case Derivative():
            return (yield _derivative(printer, t, letters, taken, top))
        case Expectation():
            return (yield _expectation(printer, t, letters, taken, top))
        case _:
            raise AssertionError(f"{type(t).__name__} has no notation")


def _summing(t: Tensor) -> bool:
    return isinstance(t, Product) and t.order > 0 and any(e not in t.edges for f in t.factors for e in f.edges)


def _by_position(printer: Printer, t: Tensor, letters: Letters) -> Printing:
    """`(A @ B)[i, k]`: the matrix notation, indexed; None if there is none."""
    order = t.edges
    text = yield positional(printer, t, order)
    if text is not None and text.s.endswith(".T"):
        order = order[::-1]
        text = yield positional(printer, t, order)
    return index(text, (letters[e] for e in order)) if text is not None else None


# ---- products


def product_indexed(
    printer: Printer, t: Tensor, letters: Letters, taken: frozenset[str], skip: Set[str] = frozenset()
) -> Printing:
    """`sum[j](A[i, j] * B[j, k])`; edges of ones in `skip` are left to broadcasting."""
    net = net_of(t)
    if any(isinstance(node, Product) and len(set(edges)) < len(edges) for node, edges in net.operands):
        net = net_of(t, deep=True)
    if not net.coefficient:
        sizes = [str(dim) for dim in t.dims]
        return index(Text(f"zeros[{', '.join(sizes)}]"), (letters[e] for e in t.edges)) if sizes else Text("0")
    named, bound, extra = _letters(printer, net, letters, taken)
    inside = taken | set(letters.values()) | set(bound)
    outer: tuple[list[Text], list[Text]] = [], []
    inner: tuple[list[Text], list[Text]] = [], []
    for (node, edges), said in zip(net.operands, _said(net), strict=True):
        over, base = printer.divisor(node)
        if not edges:
            text = yield printer.scalar(base)
            outer[not over].append(text)
            continue
        if isinstance(node, Variable | Structural):
            text = yield _leaf(printer, net, node, [(e, named[e]) for e in edges], said)
        else:
            text = yield _operand(printer, base, edges, named, inside, extra, bound)
        inner[not over].append(text)
    inner[0].extend(_copies(net, letters, named, skip))
    inner[0].extend(Text(f"delta[{a}, {b}]") for a, b in extra)
    if bound:
        body = product(ONE, inner[0], inner[1])
        return product(net.coefficient, [*outer[0], Text(f"sum[{', '.join(bound)}]({body.s})")], outer[1])
    return product(net.coefficient, [*outer[0], *inner[0]], [*outer[1], *inner[1]])


def _letters(
    printer: Printer, net: Net, letters: Letters, taken: frozenset[str]
) -> tuple[dict[int, str], list[str], list[tuple[str, str]]]:
    """A letter for each edge of the net; the letters that are summed."""
    named: dict[int, str] = {}
    for name, edge in net.boundary.items():
        named.setdefault(edge, letters[name])
    used = set(letters.values()) | set(taken)
    bound: list[str] = []
    for _, edges in net.operands:
        for edge in edges:
            if edge not in named:
                named[edge] = fresh(printer, used, net.hints[edge])
                used.add(named[edge])
                bound.append(named[edge])
    return named, bound, []


def fresh(printer: Printer, used: set[str], hint: str = "") -> str:
    """A letter that is not used; the hint if it was chosen by a person."""
    generated = hint.startswith("_") or hint.endswith("_") or (hint[:1] in "iset" and hint[1:].isdigit())
    if hint.isidentifier() and not generated and hint not in used:
        return hint
    pool = (letter for letter in _POOL if letter not in used and letter not in printer.names)
    letter = next(pool, None)
    count = 0
    while letter is None:
        count += 1
        letter = next((c for c in (f"{x}{count}" for x in "ijklpq") if c not in used), None)
    return letter


def _operand(
    printer: Printer,
    node: Tensor,
    edges: tuple[int, ...],
    named: Mapping[int, str],
    inside: frozenset[str],
    extra: list[tuple[str, str]],
    bound: list[str],
) -> Printing:
    """One compound factor; a repeated letter gets a second letter and a delta where it has no matrix notation."""
    letters: dict[str, str] = {}
    used = set(inside) | set(bound)
    if len(set(edges)) < len(edges):
        repeated = {e: named[number] for e, number in zip(node.edges, edges, strict=True)}
        short = yield _by_position(printer, node, repeated)
        if short is not None:
            return short
    for edge, number in zip(node.edges, edges, strict=True):
        letter = named[number]
        if letter in letters.values():
            other = fresh(printer, used)
            used.add(other)
            bound.append(other)
            extra.append((letter, other))
            letter = other
        letters[edge] = letter
    return (yield indexed(printer, node, letters, inside | frozenset(bound)))


def _leaf(printer: Printer, net: Net, node: Tensor, legs: Sequence[tuple[int, str]], said: Set[int]) -> Printing:
    """A factor that is a name with its letters; a flat or conv says the sizes of the edges `said`."""
    letters = [letter for _, letter in legs]
    if isinstance(node, Variable):
        return index(Text(node.name), letters)
    if isinstance(node, Unit):
        position = yield printer.scalar(node.index)
        return index(Text(f"e[{position.s}, {node.size}]"), letters)
    if isinstance(node, Zero):
        return index(Text(f"zeros[{', '.join(map(str, node.dims))}]"), letters)
    if isinstance(node, Convolution) and not _inferring(node):
        text = embedding_text(printer, node, node.edges)
        if text is not None:
            return index(text, letters)
        sized = ", ".join(f"{letter}:{net.dims[leg]}" for leg, letter in legs)
        return call(f"conv[{sized}]", *map(str, node.steps), poly(node.offset).s)
    name = "flat" if isinstance(node, Flat) else "lc" if isinstance(node, LeviCivita) else "conv"
    for edge in said:
        k = next(k for k, (leg, _) in enumerate(legs) if leg == edge)
        letters[k] += f":{net.dims[edge]}"
    return Text(f"{name}[{', '.join(letters)}]")


def _inferring(node: Tensor) -> bool:
    """Whether a factor says no sizes: `flat[p, i, j]`, `conv[i, j, k]`."""
    if isinstance(node, Convolution):
        return node.steps == (1, 1) and node.offset is ZERO
    return isinstance(node, Flat)


def _said(net: Net) -> list[Set[int]]:
    """For each operand the edges whose sizes it must say: those of flats and convs that nothing else determines."""
    known = {e for node, at in net.operands if not _inferring(node) for e in at}
    found: list[Set[int]] = []
    for node, at in net.operands:
        missing: set[int] = set()
        if _inferring(node):
            missing = {e for e in at[1:] if e not in known}
            implied = isinstance(node, Flat) or net.dims[at[0]] is net.dims[at[1]] + net.dims[at[2]] - 1
            if not implied and at[0] not in known:
                missing.add(at[0])
            known |= {*missing, at[0]}
        found.append(missing)
    return found


def _copies(net: Net, letters: Letters, named: Mapping[int, str], skip: Set[str]) -> list[Text]:
    """Copy tensors: for edges that several free names share, and ones for free edges nothing else has."""
    legs = net.legs()
    found: list[Text] = []
    for edge, ends in enumerate(net.ends()):
        names = [letters[e] for e in ends]
        if not ends or (len(ends) == 1 and (legs[edge] or ends[0] in skip)):
            continue
        if len(ends) == 1:
            found.append(Text(f"ones[{net.dims[edge]}][{names[0]}]"))
            continue
        solid = any(not _inferring(net.operands[k][0]) for k in legs[edge])
        first = names[0] if solid else f"{names[0]}:{net.dims[edge]}"
        found.append(Text(f"delta[{', '.join([first, *names[1:]])}]"))
    return found


# ---- sums


def _sum(printer: Printer, t: Sum, letters: Letters, taken: frozenset[str], top: bool) -> Printing:
    if not top and not all(isinstance(_core(term), Variable | Delta | Scalar) for term in t.terms):
        short = yield _by_position(printer, t, letters)
        if short is not None and t.order:
            return short
    terms = [weighted(printer, term, weight) for term, weight in zip(t.terms, t.weights, strict=True)]
    loose = [_ones_edges(term) for term in terms]
    held = {e for term, edges in zip(terms, loose, strict=True) for e in term.edges if e not in edges}
    texts: list[Text] = []
    for term, edges in zip(terms, loose, strict=True):
        if held.intersection(edges):
            texts.append((yield product_indexed(printer, term, letters, taken, held.intersection(edges))))
        else:
            texts.append((yield indexed(printer, term, letters, taken, True)))
    return summed(texts)


def _core(t: Tensor) -> Tensor:
    while isinstance(t, Rename) or (isinstance(t, Product) and len(t.factors) == 1):
        t = t.children[0]
    return t


def _ones_edges(t: Tensor) -> tuple[str, ...]:
    """Free edges on which a term is only broadcast."""
    if not isinstance(t, Product | Delta):
        return ()
    if all_ones(t):
        return t.edges
    net = net_of(t)
    if not net.coefficient:
        return ()
    legs = net.legs()
    return tuple(ends[0] for edge, ends in enumerate(net.ends()) if len(ends) == 1 and not legs[edge])


# ---- functions


def _apply(printer: Printer, t: Apply, letters: Letters, taken: frozenset[str], top: bool) -> Printing:
    if t.function.nullary:
        return Text(str(t.function))
    if t.function.name == "pow" and t.function.known:
        return (yield _power(printer, t, letters, taken))
    if not t.function.elementwise or not _plain(t.args[0]):
        short = yield _by_position(printer, t, letters)
        if short is not None:
            return short
    if t.function.elementwise and len(t.args) == 1:
        inner = yield indexed(printer, t.args[0], _restricted(t.args[0], letters), taken, True)
        return call(str(t.function), inner.s)
    if t.function.own_sizes or (not t.function.known and (t.function.acts != (1,) or t.function.derivative > 1)):
        return (yield _by_letters(printer, t, letters, taken))
    acted = [group[0] for group in t.acted[0]]
    produced = [group[0] for group in t.produced]
    used = set(letters.values()) | set(taken)
    inside = dict(letters)
    names: list[str] = []
    for k, edge in enumerate(acted):
        names.append(letters[produced[k]] if k < len(produced) else fresh(printer, used))
        used.add(names[-1])
        inside[edge] = names[-1]
    inner = yield indexed(printer, t.args[0], _restricted(t.args[0], inside), taken | set(names), True)
    extra = list[str]()
    for argument in t.args[1:]:
        text = yield indexed(printer, argument, _restricted(argument, letters), taken)
        extra.append(text.s)
    return call(f"{t.function}[{', '.join(names)}]", inner.s, *extra)


def _by_letters(printer: Printer, t: Apply, letters: Letters, taken: frozenset[str]) -> Printing:
    """A function of several arguments or with edges of its own: `f[j, k, o](X[i, j], y[k])`, in brackets the letters
    it acts on, argument by argument, then those it makes."""
    used = set(letters.values()) | set(taken)
    texts: list[str] = []
    named: list[str] = []
    for argument, groups in zip(t.args, t.acted, strict=True):
        inside = dict(letters)
        for edge in (e for group in groups for e in group):
            inside[edge] = fresh(printer, used)
            used.add(inside[edge])
            named.append(inside[edge])
        text = yield indexed(printer, argument, _restricted(argument, inside), taken | set(inside.values()), True)
        texts.append(text.s)
    named += [letters[e] for group in t.produced for e in group]
    return call(f"{t.function}[{', '.join(named)}]" if named else str(t.function), *texts)


def _plain(t: Tensor) -> bool:
    core = _core(t)
    return isinstance(core, Variable | Scalar) or (
        isinstance(core, Apply) and core.function.elementwise and _plain(core.args[0])
    )


def _restricted(t: Tensor, letters: Letters) -> dict[str, str]:
    return {e: letters[e] for e in t.edges}


def _power(printer: Printer, t: Apply, letters: Letters, taken: frozenset[str]) -> Printing:
    base, exponent = t.args
    over, below = printer.divisor(t)
    if not over:
        text = yield _within(printer, below, letters, taken)
        return product(ONE, [], [text])
    low = yield _within(printer, base, letters, taken)
    high = yield _within(printer, exponent, letters, taken)
    return raised(low, high)


def _within(printer: Printer, t: Tensor, letters: Letters, taken: frozenset[str]) -> Printing:
    return (yield (indexed(printer, t, _restricted(t, letters), taken) if t.order else printer.scalar(t)))


def _derivative(printer: Printer, t: Derivative, letters: Letters, taken: frozenset[str], top: bool) -> Printing:
    short = yield _by_position(printer, t, letters)
    if short is not None:
        return short
    inside = taken | set(letters.values())
    inner = yield (
        indexed(printer, t.tensor, _restricted(t.tensor, letters), inside, True)
        if t.tensor.order
        else printer.scalar(t.tensor)
    )
    target = index(Text(t.variable.name), (letters[name] for name in t.names))
    return call("grad", inner.s, target.s)


def _expectation(printer: Printer, t: Expectation, letters: Letters, taken: frozenset[str], top: bool) -> Printing:
    head = yield printer.head(t)
    if moment_exponent(t) is not None and t.variable.name in printer.said:
        return (yield printer.scalar(t))
    aligned = t.edges == tuple(dict.fromkeys(e for a in t.args for e in a.edges))
    entrywise = t.kind == "E" or (aligned and (t.kind == "Var" or len(t.edges) < sum(a.order for a in t.args)))
    if not (t.kind == "Var" and entrywise and t.order):
        short = yield _by_position(printer, t, letters)
        if short is not None:
            return short
    texts: list[str] = []
    if entrywise or (t.kind == "Cov" and aligned):
        for argument in t.args:
            inside = taken | set(letters.values())
            text = yield indexed(printer, argument, _restricted(argument, letters), inside, True)
            texts.append(text.s)
        return call(head, *texts)
    at = 0
    for argument in t.args:
        text = yield printer.ordered(argument, t.edges[at : at + argument.order])
        at += argument.order
        texts.append(text.s)
    return index(call(head, *texts), (letters[e] for e in t.edges))


def ordered(printer: Printer, t: Tensor, order: Order) -> Printing:
    """A tensor by position, with `mat[i, j](...)` if it has no matrix notation."""
    text = yield positional(printer, t, order)
    if text is not None:
        return text
    used: set[str] = set()
    letters: dict[str, str] = {}
    for edge in order:
        letters[edge] = fresh(printer, used, edge)
        used.add(letters[edge])
    inner = yield indexed(printer, t, letters, frozenset(), True)
    head = "mat" if len(order) == 2 else "ten"
    return call(f"{head}[{', '.join(letters.values())}]", inner.s)
