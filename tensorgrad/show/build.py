"""From tensors to pictures: products become nets, functions, derivatives and expectations boxes, sums terms in rows."""

from __future__ import annotations

from dataclasses import replace

from tensorgrad.notation.net import Net as Product
from tensorgrad.notation.net import net_of, ungrouped_everywhere
from tensorgrad.show.formula import formula, latex_of, poly_latex
from tensorgrad.show.names import Name, math_name, polynomial, shortened
from tensorgrad.show.nodes import LONGEST, axis_mark, exchangeable, folded, function_name, in_sizes, leaf, readable
from tensorgrad.show.picture import End, Item, Kind, Link, Net, Picture, Port, Term
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Delta, Derivative, Expectation, Sum, Tensor, Variable, Zero, align, renamed, walk
from tensorgrad.tensor import Product as Outer

DEEPEST = 7
"""Boxes in boxes that are drawn; what is nested deeper is folded."""
MOST_ITEMS = 600
"""Items of one picture; what exceeds it is folded."""
MOST_TERMS = 24
"""Terms of one sum that are drawn."""
MOST_OPERANDS, LONGEST_CHAIN, LONGEST_BOXED = 120, 500, 40
"""Operands of one product that are drawn, and as many if they are chains: in rows, or in a box, which has one row."""


def picture(t: Tensor) -> Picture:
    """The picture of a tensor.

    >>> import tensorgrad as tg
    >>> [item.name.text for item in picture(tg.parse("A @ x", let="A : n m ; x : m")).terms[0].net.items]
    ['A', 'x']
    """
    return Picture(_Builder().terms(ungrouped_everywhere(t), 0), t.edges)


def size_name(value: Poly) -> Name:
    """A size or coefficient as a label."""
    return Name(polynomial(str(value)), poly_latex(value))


class _Builder:
    """Builds one picture, counting items; the depth of boxes is bounded, so the calls may nest."""

    def __init__(self) -> None:
        self.left = MOST_ITEMS

    def terms(self, t: Tensor, depth: int) -> tuple[Term, ...]:
        """A sum as its terms, anything else as one."""
        product = net_of(t, deep=True)
        total = _lone_sum(product)
        if total is None:
            return (Term(Name(""), self.net(product, t, depth)),)
        names = {edge: name for name, edge in product.boundary.items()}
        edges = tuple(names[e] for e in product.operands[0][1])
        found: list[Term] = []
        for k, (term, weight) in enumerate(zip(total.terms, total.weights, strict=True)):
            if k == MOST_TERMS or (self.left <= 0 and k):
                rest = len(total.terms) - k
                found.append(Term(Name(f"+ … {rest} more term{'s' * (rest > 1)}"), None))
                break
            inner = net_of(renamed(align(term, total.edges), edges), deep=True)
            inner.coefficient = inner.coefficient * product.coefficient * weight
            negative = inner.coefficient.is_monomial and inner.coefficient.terms[0][1] < 0
            if negative:
                inner.coefficient = -inner.coefficient
            sign = Name("−", "-") if negative else Name("+" if k else "")
            found.append(Term(sign, self.net(inner, term, depth)))
        return tuple(found)

    def net(self, product: Product, t: Tensor, depth: int) -> Net:
        """A product as items and wires; copy dots stand where an edge has not exactly two ends."""
        ends = {name: size_name(product.dims[e]) for name, e in product.boundary.items()}
        if not product.coefficient:
            zero = Item("tensor", Name("0"), len(ends), source=t)
            wires = tuple(Link(End(0, k), End(-1, 0, name), size) for k, (name, size) in enumerate(ends.items()))
            return Net(Name(""), (zero,), wires, ends)
        numbers = [node for node, _ in product.operands if _is_number(node)]
        operands = [(node, edges) for node, edges in product.operands if not _is_number(node)]
        most = (LONGEST_BOXED if depth else LONGEST_CHAIN) if _chains(product) else MOST_OPERANDS
        if len(operands) > most:
            open_edges = tuple(sorted({e for _, edges in operands for e in edges} & set(product.boundary.values())))
            note = Name(f"folded: more than {most}")
            lump = Item("folded", Name(f"… {len(operands)} operands"), len(open_edges), note=note, source=t)
            drawn: list[tuple[Item, tuple[int, ...]]] = [(lump, open_edges)]
        else:
            drawn = [(self.item(node, depth), edges) for node, edges in operands]
        attached: list[list[End]] = [[] for _ in product.dims]
        for k, (_, edges) in enumerate(drawn):
            for leg, edge in enumerate(edges):
                attached[edge].append(End(k, leg))
        for name, edge in product.boundary.items():
            attached[edge].append(End(-1, 0, name))
        items = [item for item, _ in drawn]
        links = _joined(attached, [size_name(d) for d in product.dims], items)
        coefficient = _coefficient(product.coefficient, numbers)
        return Net(coefficient, _said_once(items, links), tuple(links), ends, _last_axes(items, links))

    def item(self, node: Tensor, depth: int) -> Item:
        """One operand."""
        self.left -= 1
        found = leaf(node)
        if found is not None:
            return found
        if depth >= DEEPEST or self.left <= 0:
            return folded(node)
        match node:
            case Sum():
                return self._box("sum", Name(""), node, depth)
            case Derivative():
                return self._derivative(node, depth)
            case Expectation():
                return self._expectation(node, depth)
            case Apply():
                return self._apply(node, depth)
            case _:
                return folded(node)

    def _box(self, kind: Kind, name: Name, t: Tensor, depth: int) -> Item:
        """A box around an expression that its edges cross, in their order."""
        inside, names = self._inside(t, depth)
        ports = tuple(Port(k, e) for k, e in enumerate(names))
        return Item(kind, name, t.order, inside=inside, ports=ports, source=t)

    def _inside(self, t: Tensor, depth: int) -> tuple[tuple[Term, ...], tuple[str, ...]]:
        """The terms in a box and the names of its edges there: seen only where there are several terms."""
        names = readable(t.edges, tuple(map(str, t.dims)), frozenset())
        if len(set(names)) < len(names):
            names = t.edges
        return self.terms(renamed(t, names), depth + 1), names

    def _derivative(self, node: Derivative, depth: int) -> Item:
        x = node.variable
        box = self._box("loop", Name(f"∂{x.name}", rf"\partial {math_name(x.name)}"), node.tensor, depth)
        first = node.tensor.order
        new = tuple(Port(first + k, "", True) for k in range(x.order))
        marks = tuple(axis_mark(x, k) if x.order > 1 and not exchangeable(x) else "" for k in range(x.order))
        return replace(box, legs=node.order, ports=box.ports + new, marks=("",) * first + marks, source=node)

    def _expectation(self, node: Expectation, depth: int) -> Item:
        variable = math_name(node.variable.name)
        operator = {"E": r"\mathbb{E}"}.get(node.kind, rf"\operatorname{{{node.kind}}}")
        name = Name(f"{node.kind}[{node.variable.name}]", rf"{operator}_{{{variable}}}")
        note = Name("")
        if node.law is not None:
            values = ", ".join(map(_parameter, node.law.parameters))
            given = ", ".join(_parameter(p) if _is_standard(p) else latex_of(p) for p in node.law.parameters)
            head = r"\mathcal{N}" if node.law.kind == "N" else rf"\mathrm{{{node.law.kind}}}"
            latex = rf"{variable} \sim {head}({given})" if len(values) <= 40 else ""
            note = Name(f"{node.variable.name} ~ {node.law.kind}({shortened(values, 40)})", latex)
        if len(node.args) == 1:
            box = self._box("expectation", name, node.args[0], depth)
        else:
            box = self._arguments("expectation", name, node, depth)
        later = tuple(Port(k, "", True) for k in range(len(box.ports), node.order))
        return replace(box, legs=node.order, ports=box.ports + later, note=note, source=node)

    def _apply(self, node: Apply, depth: int) -> Item:
        name = function_name(node)
        exponent = node.function.name in ("pow", "matpow") and not node.args[1].order and not node.function.derivative
        argument, *others = node.args
        if others and not exponent:
            return self._arguments("function", name, node, depth)
        inside, names = self._inside(argument, depth)
        inner = dict(zip(argument.edges, names, strict=True))
        bound = [inner[e] for group in node.acted[0] for e in group]
        own = [e for group in node.produced for e in group]
        ports = [Port(k, inner[e]) for k, e in enumerate(node.edges) if e not in own and e in inner]
        ports += [Port(k, "", True) for k, e in enumerate(node.edges) if e not in own and e not in inner]
        for k, edge in enumerate(bound):
            ports.append(Port(node.edges.index(own[k]) if k < len(own) else -1, edge, True))
        ports += [Port(node.edges.index(e), "", True) for e in own[len(bound) :]]
        # Rows and columns of a matrix function with batch edges may leave on one side: numbers tell them apart.
        marked = len(own) > 1 and node.order > 2
        marks = tuple(str(own.index(e)) if marked and e in own else "" for e in node.edges)
        return Item("function", name, node.order, None, Name(""), marks, inside, tuple(ports), node)

    def _arguments(self, kind: Kind, name: Name, node: Apply | Expectation, depth: int) -> Item:
        """A box around several arguments: one numbered box each, their batch edges joined by name.

        What the function acts along ends at the argument's box, what it produces begins at the outer one.
        """
        acted = node.acted if isinstance(node, Apply) else ((),) * len(node.args)
        items: list[Item] = []
        attached: dict[str, list[End]] = {}
        sizes: dict[str, Name] = {}
        for k, (argument, groups) in enumerate(zip(node.args, acted, strict=True)):
            bound = {e for group in groups for e in group}
            inside, names = self._inside(argument, depth)
            batch = [e for e in argument.edges if e not in bound]
            own = {e: Port(batch.index(e), n) for e, n in zip(argument.edges, names, strict=True) if e not in bound}
            ports = [own.get(e, Port(-1, n, True)) for e, n in zip(argument.edges, names, strict=True)]
            items.append(Item("argument", Name(str(k + 1)), len(batch), inside=inside, ports=tuple(ports)))
            for leg, edge in enumerate(batch):
                attached.setdefault(edge, []).append(End(k, leg))
                sizes[edge] = size_name(argument.sizes[edge])
        for edge, found in attached.items():
            found.append(End(-1, 0, edge))
        links = _joined(list(attached.values()), [sizes[e] for e in attached], items)
        net = Net(Name(""), tuple(items), tuple(links), sizes)
        produced = [k for k, e in enumerate(node.edges) if e not in attached]
        ports = [Port(node.edges.index(e), e) for e in attached] + [Port(k, "", True) for k in produced]
        marks = [str(produced.index(k)) if k in produced and len(produced) > 1 else "" for k in range(node.order)]
        terms = (Term(Name(""), net),)
        return Item(kind, name, node.order, None, Name(""), tuple(marks), terms, tuple(ports), node)


def _is_standard(t: Tensor) -> bool:
    """Whether it is a mean of zero, or a covariance that joins each edge with its second copy: what is taken unsaid."""
    factors = t.factors if isinstance(t, Outer) else (t,)
    half = t.order // 2
    copies = {frozenset(pair) for pair in zip(t.edges[:half], t.edges[half:], strict=False)}
    joined = {frozenset(f.edges) for f in factors if isinstance(f, Delta)}
    return isinstance(t, Zero) or (half > 0 and len(factors) == half and joined == copies)


def _parameter(t: Tensor) -> str:
    """A parameter of a law in words: of many edges, 0 and I are shorter than what they are written out."""
    return str(t) if not _is_standard(t) else "0" if isinstance(t, Zero) else "I"


def _joined(attached: list[list[End]], sizes: list[Name], items: list[Item]) -> list[Link]:
    """A wire for each edge with two ends, else a copy dot (put behind the items) with a wire for each end."""
    links: list[Link] = []
    for found, size in zip(attached, sizes, strict=True):
        if len(found) == 2:
            links.append(Link(found[0], found[1], size))
        elif found:
            links += [Link(End(len(items), k), end, size) for k, end in enumerate(found)]
            items.append(Item("dot", Name(""), len(found)))
    return links


def _lone_sum(product: Product) -> Sum | None:
    """The sum, if the product is nothing else: every edge joins one leg to one free edge."""
    if len(product.operands) != 1 or not product.coefficient:
        return None
    node, edges = product.operands[0]
    plain = sorted(edges) == sorted(product.boundary.values()) and len(set(edges)) == len(edges)
    return node if isinstance(node, Sum) and plain else None


def _is_number(node: Tensor) -> bool:
    """Whether a scalar operand is only numbers and sizes, such as 1 / sqrt(5): it stands in the coefficient."""
    return (
        not node.order and not any(isinstance(n, Variable) for n in walk(node)) and len(in_sizes(str(node))) <= LONGEST
    )


def _coefficient(value: Poly, numbers: list[Tensor]) -> Name:
    if not numbers:
        return size_name(value) if value is not ONE else Name("")
    texts = [in_sizes(str(n)) for n in numbers]
    maths = [formula(t, n) for t, n in zip(texts, numbers, strict=True)]
    if value is not ONE:
        own = size_name(value)
        texts, maths = [f"({own.text})" if len(value.terms) > 1 else own.text, *texts], [own.latex, *maths]
    return Name("·".join(f"({t})" if " " in t and len(texts) > 1 else t for t in texts), r" \, ".join(maths))


def _chains(product: Product) -> bool:
    """Whether every operand has at most two legs and every edge at most two ends."""
    many = any(len(edges) > 2 for _, edges in product.operands)
    return not many and all(len(a) + len(b) <= 2 for a, b in zip(product.legs(), product.ends(), strict=True))


def _said_once(items: list[Item], links: list[Link]) -> tuple[Item, ...]:
    """The items without marks that repeat the name of the free edge at their leg."""
    repeated: dict[int, set[int]] = {}
    for a, b, _ in links:
        for free, end in ((a, b), (b, a)):
            if free.item < 0 <= end.item and items[end.item].marks[end.leg : end.leg + 1] == (free.name,):
                repeated.setdefault(end.item, set()).add(end.leg)
    return tuple(
        replace(item, marks=tuple("" if leg in repeated[k] else m for leg, m in enumerate(item.marks)))
        if k in repeated
        else item
        for k, item in enumerate(items)
    )


def _last_axes(items: list[Item], links: list[Link]) -> frozenset[str]:
    """Free edges at the second leg of a matrix, which by custom points right."""
    return frozenset(
        free.name
        for a, b, _ in links
        for free, end in ((a, b), (b, a))
        if free.item < 0 <= end.item and items[end.item].turned is not None and end.leg == 1
    )
