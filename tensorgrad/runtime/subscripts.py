"""The subscripts of a contraction as einsum writes them: letters or labels, an ellipsis, the output said or implied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tensorgrad.errors import EdgeError, InputError, SizeError

Shape = tuple[int, ...]

_NO_LETTERS = frozenset(".->0123456789")


@dataclass(frozen=True, slots=True)
class Subscripts:
    """For each operand the name of each of its axes, and the names of the result's axes (which may repeat)."""

    inputs: tuple[tuple[str, ...], ...]
    output: tuple[str, ...]

    def __str__(self) -> str:
        return f"{','.join(map(_joined, self.inputs))}->{_joined(self.output)}"


def _joined(names: Sequence[str]) -> str:
    return ("" if all(len(n) == 1 for n in names) else " ").join(names)


@lru_cache(maxsize=4096)
def parse_subscripts(text: str, orders: tuple[int, ...]) -> Subscripts:
    """The subscripts of operands with so many axes.

    >>> str(parse_subscripts("ij,jk", (2, 2))), str(parse_subscripts("...i,i->...", (3, 1)))
    ('ij,jk->ik', '...0 ...1 i,i->...0 ...1')
    """
    sides = text.replace(" ", "").split("->")
    if len(sides) > 2:
        raise InputError(f"{text!r}: more than one '->'")
    terms = sides[0].split(",")
    if len(terms) != len(orders):
        raise InputError(f"{text!r} is for {_count(len(terms), 'operand')}, {len(orders)} were given")
    widths = [_width(term, order, k, text) for k, (term, order) in enumerate(zip(terms, orders, strict=True))]
    most = max((w for w in widths if w is not None), default=0)
    inputs = tuple(_named(term, width or 0, most) for term, width in zip(terms, widths, strict=True))
    if len(sides) == 1:
        times = Counter(name for names in inputs for name in names)
        letters = sorted(name for name, n in times.items() if n == 1 and not name.startswith("..."))
        return Subscripts(inputs, (*_ellipsis(0, most), *letters))
    _check_letters(sides[1], text)
    output = _named(sides[1], most, most)
    return _checked(Subscripts(inputs, output), text)


def _check_letters(term: str, text: str) -> None:
    for letter in term.replace("...", "", 1):
        if letter in _NO_LETTERS:
            raise InputError(f"{text!r}: {letter!r} is no letter; write letters, ',', '->' and one '...' an operand")


def _width(term: str, order: int, k: int, text: str) -> int | None:
    """How many axes the ellipsis of a term stands for; None when it has none."""
    _check_letters(term, text)
    letters = len(term.replace("...", "", 1))
    if "..." in term and order >= letters:
        return order - letters
    if letters != order:
        least = "at least " if "..." in term else ""
        raise InputError(f"{text!r}: operand {k} has {_count(order, 'axis')}, {term!r} is for {least}{letters}")
    return None


def _count(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else {'axis': 'axes'}.get(what, what + 's')}"


def _named(term: str, width: int, most: int) -> tuple[str, ...]:
    """Names of the axes of a term; those of the ellipsis are numbered, aligned at the right."""
    if "..." not in term:
        return tuple(term)
    before, after = term.split("...")
    return (*before, *_ellipsis(most - width, most), *after)


def _ellipsis(first: int, end: int) -> tuple[str, ...]:
    return tuple(f"...{k}" for k in range(first, end))


def from_labels(lists: Sequence[Sequence[Hashable]], output: Sequence[Hashable] | None) -> Subscripts:
    """The subscripts of the interleaved form `contract(A, [0, 1], B, [1, 2], [0, 2])`.

    Without an output: the labels that occur once, sorted as einsum does.

    >>> str(from_labels([["x", "inner"], ["inner", "y"]], ["y", "x"]))
    'ab,bc->ca'
    """
    labels = list(dict.fromkeys(label for labels in lists for label in labels))
    if Ellipsis in labels or (output is not None and Ellipsis in output):
        raise InputError("the interleaved form takes no Ellipsis; name every axis, or write a text of subscripts")
    name = {label: _letter(k) for k, label in enumerate(labels)}
    inputs = tuple(tuple(name[label] for label in labels) for labels in lists)
    if output is None:
        times = Counter(label for labels in lists for label in labels)
        try:
            output = sorted(label for label in labels if times[label] == 1)  # type: ignore[type-var]
        except TypeError:
            raise InputError("labels of different types have no order: say the output's labels last") from None
    for label in output:
        if label not in name:
            raise EdgeError(f"the output has the label {label!r}, which no operand has")
    return Subscripts(inputs, tuple(name[label] for label in output))


def _letter(k: int) -> str:
    return chr(ord("a") + k) if k < 26 else chr(ord("A") + k - 26) if k < 52 else f"x{k}"


def _checked(found: Subscripts, text: str) -> Subscripts:
    inside = {name for names in found.inputs for name in names}
    for name in found.output:
        if name not in inside:
            what = "'...'" if name.startswith("...") else repr(name)
            raise EdgeError(f"{text!r}: the output has {what}, which no operand has")
    return found


def sizes_of(found: Subscripts, shapes: Sequence[Shape]) -> dict[str, int]:
    """The size of each name; an axis of size 1 is broadcast. SizeError when two others disagree, naming both."""
    sizes: dict[str, int] = {}
    origin: dict[str, int] = {}
    for k, (names, shape) in enumerate(zip(found.inputs, shapes, strict=True)):
        if len(names) != len(shape):
            raise InputError(f"operand {k} has the shape {shape}, its subscripts {_joined(names)!r} name {len(names)}")
        for axis, (name, size) in enumerate(zip(names, shape, strict=True)):
            if size != shape[names.index(name)]:
                raise SizeError(
                    f"{found}: the edge {name!r} of operand {k} has sizes {shape[names.index(name)]} and {size} "
                    f"(axes {names.index(name)} and {axis})"
                )
            known = sizes.get(name, 1)
            if known == 1:
                sizes[name], origin[name] = size, k
            elif size not in (1, known):
                raise SizeError(
                    f"{found}: the edge {name!r} has size {known} in operand {origin[name]} and {size} in operand "
                    f"{k} (axis {axis})"
                )
    return sizes
