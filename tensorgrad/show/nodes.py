"""Operands that are drawn as one node: variables with their marks, structural tensors, what is folded."""

from __future__ import annotations

import re

from tensorgrad.show.formula import latex_of
from tensorgrad.show.names import Name, math_name, raised, shortened
from tensorgrad.show.picture import Item
from tensorgrad.sizes import ZERO
from tensorgrad.tensor import Apply, Convolution, Flat, LeviCivita, Tensor, Unit, Variable, walk

LONGEST = 24
"""Letters of an expression inside a label."""


def leaf(node: Tensor) -> Item | None:
    """The node of an operand with nothing inside; None for functions, sums, derivatives, expectations."""
    match node:
        case Variable():
            return _variable(node)
        case Unit():
            index = shortened(str(node.index), LONGEST)
            return Item("tensor", Name(f"e[{index}]", f"e_{{{latex_of(node.index)}}}"), 1, source=node)
        case Flat():
            marks = ("", *(str(k) for k in range(1, len(node.parts) + 1)))
            return Item("tensor", Name("flat"), node.order, marks=marks, source=node)
        case Convolution():
            marks = ("=", *("+" if step == 1 else f"+{step}·" for step in node.steps))
            note = Name("" if node.offset is ZERO else f"offset {node.offset}")
            return Item("tensor", Name("∗", r"\ast"), node.order, None, note, marks, source=node)
        case LeviCivita():
            marks = tuple(str(k) for k in range(node.order))
            return Item("tensor", Name("ε", r"\epsilon"), node.order, marks=marks, source=node)
        case _:
            return None


def folded(node: Tensor) -> Item:
    """What is nested too deep, or is too much, as one node."""
    parts = sum(1 for _ in walk(node))
    marks = node.edges if node.order > 1 else ()
    return Item("folded", Name(f"… {parts} parts"), node.order, marks=tuple(marks), source=node)


def axis_mark(x: Variable, leg: int) -> str:
    """An axis as marked at its leg: its name, or its number where it has only that."""
    edge = x.edges[leg]
    return edge[1:] if re.fullmatch(r"i[0-9]+", edge) else edge


def exchangeable(x: Variable) -> bool:
    """Whether all legs may be exchanged, so that it does not matter which is which."""
    if x.order == 2:
        return any(f.name in ("symmetric", "diagonal", "pd", "psd") and len(f.axes) != 1 for f in x.facts)
    return any(f.name == "symmetric" and len(f.axes) == x.order and all(len(g) == 1 for g in f.axes) for f in x.facts)


def _variable(x: Variable) -> Item:
    name = Name(x.name)
    if x.order < 2 or exchangeable(x):
        return Item("symmetric" if x.order > 1 else "tensor", name, x.order, source=x)
    symmetry = [f for f in x.facts if f.name in ("symmetric", "antisymmetric", "skew", "orthogonal")]
    note = Name(", ".join(str(f) for f in symmetry))
    if x.order == 2:
        return Item("tensor", name, 2, Name(f"{x.name}ᵀ", rf"{name.latex}^{{\top}}"), note, source=x)
    return Item("tensor", name, x.order, None, note, tuple(axis_mark(x, k) for k in range(x.order)), source=x)


def function_name(node: Apply) -> Name:
    """A function as its box is called: primes for derivatives, exponents as exponents."""
    f = node.function
    if f.name in ("pow", "matpow") and not node.args[1].order and not f.derivative:
        exponent = node.args[1]
        small = raised(shortened(str(exponent), LONGEST))
        return Name(f"( ){small}", rf"(\cdot)^{{{latex_of(exponent)}}}")
    if f.by and len(f.acts) > 1:
        return Name(str(f), rf"\partial_{{{' '.join(map(str, f.by))}}} {math_name(f.name)}")
    primes = r"\prime" * f.derivative
    return Name(f.name + "′" * f.derivative, math_name(f.name) + (f"^{{{primes}}}" if primes else ""))


def in_sizes(text: str) -> str:
    """The notation of a number with bare size symbols, which a text of its own must not have.

    >>> in_sizes("1 / sqrt(sum(ones[d]))")
    '1 / sqrt(d)'
    """
    return re.sub(r"sum\(ones\[(\w+)\]\)", r"\1", text)


def readable(edges: tuple[str, ...], sizes: tuple[str, ...], taken: frozenset[str]) -> tuple[str, ...]:
    """Names for edges that end inside a box: those that a machine made become the size, or a letter.

    >>> readable(("a0", "j"), ("n", "m"), frozenset())
    ('n', 'j')
    """
    letters = iter([c for c in "ijklpqruvw" if c not in taken and c not in edges and c not in sizes])
    found: list[str] = []
    for edge, size in zip(edges, sizes, strict=True):
        made = re.fullmatch(r"_?[a-z]+_?[0-9]+_*", edge) is not None
        plain = size.isidentifier() and sizes.count(size) == 1 and size not in edges and size not in taken
        found.append(size if made and plain else next(letters, edge) if made else edge)
    return tuple(found)
