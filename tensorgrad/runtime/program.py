"""Programs: ordered steps over numbered values, for several outputs at once, with their operations and memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, prod

from tensorgrad.cost import application_cost, integral_cost, total_cost
from tensorgrad.function import Function
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Expectation, Tensor

Legs = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A view: the edge `fused` of an operand becomes the edges `parts` (row-major)."""

    fused: int
    parts: Legs


@dataclass(frozen=True, slots=True)
class Fuse:
    """A view: the edges `parts` of an operand become the edge `fused` (row-major)."""

    fused: int
    parts: Legs


@dataclass(frozen=True, slots=True)
class Window:
    """A view: the edge `long` becomes `parts`, with the entry offset + the sum of steps * parts, 0 outside its range."""

    long: int
    parts: Legs
    steps: tuple[int, ...]
    offset: Poly


@dataclass(frozen=True, slots=True)
class Spread:
    """The other way: the edge `part` becomes `long` and the `others`, with the entry j where
    long = offset + step * j + the sum of steps * others, 0 where there is none."""

    part: int
    step: int
    long: int
    others: Legs
    steps: tuple[int, ...]
    offset: Poly


@dataclass(frozen=True, slots=True)
class Fold:
    """Entries on the edges `parts` are added up at the position offset + the sum of steps * parts of the edge `long`;
    those outside its range are dropped."""

    long: int
    parts: Legs
    steps: tuple[int, ...]
    offset: Poly


@dataclass(frozen=True, slots=True)
class Select:
    """A view: the entry number `index` (a value of order 0) along an edge, which disappears."""

    edge: int
    index: int


@dataclass(frozen=True, slots=True)
class Gather:
    """The entries number `index` (a value on the edges `legs`) along an edge, which those of `legs` replace that the
    operand has not; along the others positions and entries go together."""

    edge: int
    index: int
    legs: Legs


@dataclass(frozen=True, slots=True)
class Scatter:
    """The transpose: entries on the edges `legs` are added up at the positions `index` of the edge `edge`."""

    edge: int
    index: int
    legs: Legs


View = Split | Fuse | Window | Spread | Fold | Select | Gather | Scatter


@dataclass(frozen=True, slots=True)
class Operand:
    """A value read by a step: its axes are the edges `axes`; `views` are applied in order and give the edges `legs`."""

    value: int
    axes: Legs
    views: tuple[View, ...] = ()

    @property
    def legs(self) -> Legs:
        """The edges after the views."""
        legs = self.axes
        for view in self.views:
            legs = viewed(legs, view)
        return legs

    @property
    def folded(self) -> tuple[Legs, ...]:
        """The edges of what is added up, once for each fold."""
        found: list[Legs] = []
        legs = self.axes
        for view in self.views:
            if isinstance(view, Fold):
                found.append(legs)
            legs = viewed(legs, view)
        return tuple(found)


def viewed(legs: Legs, view: View) -> Legs:
    """The edges of an operand after a view: new edges stand where the (first) old one stood."""
    match view:
        case Split(fused, parts):
            k = legs.index(fused)
            return legs[:k] + parts + legs[k + 1 :]
        case Fuse(fused, parts):
            k = min(legs.index(p) for p in parts)
            return (*legs[:k], fused, *(e for e in legs[k:] if e not in parts))
        case Window(long, parts):
            k = legs.index(long)
            return (*legs[:k], *parts, *legs[k + 1 :])
        case Spread(part, _, long, others):
            k = legs.index(part)
            return (*legs[:k], long, *others, *legs[k + 1 :])
        case Fold(long, parts):
            k = min(legs.index(p) for p in parts)
            return (*legs[:k], long, *(e for e in legs[k:] if e not in parts))
        case Gather(edge, _, own):
            k = legs.index(edge)
            return (*legs[:k], *(e for e in own if e not in legs), *legs[k + 1 :])
        case Scatter(edge, _, own):
            return (edge, *(e for e in legs if e not in own))
        case Select(edge, _):
            k = legs.index(edge)
            return legs[:k] + legs[k + 1 :]


@dataclass(frozen=True, slots=True)
class Input:
    """A variable's value."""

    target: int
    name: str
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Make:
    """A structural tensor that no view could replace; `parts` of a fused edge, or a leaf (with its index value)."""

    target: int
    tensor: Tensor | None
    parts: tuple[Poly, ...] = ()
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """Multiply one or two operands and sum every edge that is not in `kept`, the target's axes in order."""

    target: int
    operands: tuple[Operand, ...]
    kept: Legs
    dims: Mapping[int, Poly] = field(hash=False)

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        indices = [v.index for o in self.operands for v in o.views if isinstance(v, Select | Gather | Scatter)]
        return (*(o.value for o in self.operands), *indices)


@dataclass(frozen=True, slots=True)
class Scale:
    """coefficient * value; without a value the number itself."""

    target: int
    coefficient: Poly
    inputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arrange:
    """A view of an operand: each axis of the target is a group of edges, fused if there are several.

    An edge may be in several groups (a diagonal is embedded) and need not be the operand's (it is broadcast).
    """

    target: int
    operand: Operand
    groups: tuple[Legs, ...]
    dims: Mapping[int, Poly] = field(hash=False)

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return (self.operand.value,)

    @property
    def edges(self) -> Legs:
        """The edges of all groups, in order."""
        return tuple(e for group in self.groups for e in group)

    @property
    def embeds(self) -> bool:
        """Whether a diagonal is embedded, so that new memory is needed."""
        return len(set(self.edges)) < len(self.edges)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of values; labels as in `diagram.nodes.Application`."""

    target: int
    function: Function
    args: tuple[tuple[int, Legs], ...]
    groups: tuple[int, ...]
    dims: tuple[Poly, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return tuple(v for v, _ in self.args)


@dataclass(frozen=True, slots=True)
class Library:
    """A call of a torch function of several operands that replaces steps: `call` is its text, {0}, {1}, ... stand for
    the operands with their axes in the order `orders`; its result has the axes `produced`, the target `kept`.

    `price` are its operations: factors, each times the sizes of some edges. With `further` results, which are Parts, the
    call gives all of them together. Some are `linear` in the first operand. A layer normalisation that takes a weight and a
    bias is one of so many last axes of what it produces, `normalises`.
    """

    target: int
    call: str
    operands: tuple[Operand, ...]
    orders: tuple[Legs, ...]
    produced: Legs
    kept: Legs
    dims: Mapping[int, Poly] = field(hash=False)
    price: tuple[tuple[Fraction, Legs], ...] = ()
    further: int = 0
    linear: bool = False
    normalises: int = 0

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return tuple(o.value for o in self.operands)


@dataclass(frozen=True, slots=True)
class Part:
    """A further result, number `index`, of the call whose first result is `of`; one that is a function `holds` tensors."""

    target: int
    of: int
    index: int
    holds: bool = False

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return (self.of,)


@dataclass(frozen=True, slots=True)
class Add:
    """The weighted sum of values: axis a of the target is axis perm[a] of the term. No terms: zeros."""

    target: int
    terms: tuple[tuple[Poly, int, Legs], ...]
    dims: tuple[Poly, ...]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return tuple(v for _, v, _ in self.terms)


@dataclass(frozen=True, slots=True)
class Narrow:
    """A view: the part of a value that a loop is at, along some of its axes; `part` is the loop's."""

    target: int
    value: int
    axes: Legs
    part: str

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return (self.value,)


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Adds a value to another in place; the target is a view of `into`."""

    target: int
    into: int
    value: int

    @property
    def inputs(self) -> tuple[int, ...]:
        """The values read."""
        return (self.into, self.value)


@dataclass(frozen=True, slots=True)
class Loop:
    """Steps that are done for each part of an edge: `part` is the symbol of a part's size, which is `length`, but for the
    last, out of `whole`. Nothing reads the target; `inputs` are what the body reads of values from outside, `rooms` those
    of them that it adds to, which are complete after it."""

    target: int
    body: tuple[Step, ...]
    part: str
    length: int
    whole: Poly
    inputs: tuple[int, ...]
    rooms: tuple[int, ...] = ()


Step = Input | Make | Contract | Scale | Arrange | Call | Library | Part | Add | Narrow | Accumulate | Loop


def every_step(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, after each loop also those in it."""
    for step in steps:
        yield step
        if isinstance(step, Loop):
            yield from every_step(step.body)


@dataclass(slots=True)
class Program:
    """Steps in order; value k has axes of sizes `dims[k]`.

    `outputs` are (value, axes): axis a of the output is the value's axis axes[a].
    """

    steps: list[Step] = field(default_factory=list[Step])
    dims: list[tuple[Poly, ...]] = field(default_factory=list[tuple[Poly, ...]])
    outputs: dict[str, tuple[int, Legs]] = field(default_factory=dict[str, tuple[int, Legs]])

    def value(self, dims: Sequence[Poly]) -> int:
        """A new value."""
        self.dims.append(tuple(dims))
        return len(self.dims) - 1

    def entries(self, value: int, sizes: Mapping[str, int]) -> int:
        """Number of entries of a value."""
        return volume(self.dims[value], sizes)

    def flops(self, step: Step, sizes: Mapping[str, int]) -> int:
        """Operations of one step."""
        match step:
            case Contract():
                edges = {e: step.dims[e] for o in step.operands for e in o.legs}
                whole = volume(edges.values(), sizes)
                summed = volume((d for e, d in edges.items() if e not in step.kept), sizes) != 1
                folds = sum(volume([step.dims[e] for e in legs], sizes) for o in step.operands for legs in o.folded)
                if len(step.operands) == 1:
                    return folds + (whole if summed else 0)
                return folds + whole * (2 if summed else 1)
            case Arrange():
                return sum(volume([step.dims[e] for e in legs], sizes) for legs in step.operand.folded)
            case Scale():
                return self.entries(step.target, sizes) if step.inputs else 0
            case Call():
                batch = len({b for _, labels in step.args for b in labels if b >= 0})
                acted = {
                    -1 - b: d for v, labels in step.args for b, d in zip(labels, self.dims[v], strict=True) if b < 0
                }
                group = [number(acted[k], sizes) for k in range(step.groups[0])] if step.groups else []
                return application_cost(step.function, [number(d, sizes) for d in step.dims[:batch]], group)
            case Library():
                return sum(ceil(f * volume([step.dims[e] for e in edges], sizes)) for f, edges in step.price)
            case Add():
                return total_cost(self.entries(step.target, sizes), [c for c, _, _ in step.terms])
            case Make() if isinstance(step.tensor, Expectation):
                return number(integral_cost(step.tensor), sizes)
            case Accumulate():
                return self.entries(step.value, sizes)
            case Loop():
                times, rest = divmod(number(step.whole, sizes), step.length)
                lengths = [(times, step.length), (1, rest)] if rest else [(times, step.length)]
                return sum(k * sum(self.flops(s, {**sizes, step.part: n}) for s in step.body) for k, n in lengths)
            case _:
                return 0

    def symbolic_flops(self, step: Step) -> Poly:
        """Operations of one step as a polynomial in the sizes."""
        match step:
            case Contract():
                edges = {e: step.dims[e] for o in step.operands for e in o.legs}
                summed = any(d is not ONE for e, d in edges.items() if e not in step.kept)
                factor = (2 if summed else 1) if len(step.operands) == 2 else int(summed)
                total = _product(edges.values()) * factor
                for legs in (legs for o in step.operands for legs in o.folded):
                    total = total + _product(step.dims[e] for e in legs)
                return total
            case Arrange():
                return sum((_product(step.dims[e] for e in legs) for legs in step.operand.folded), ZERO)
            case Scale():
                return _product(self.dims[step.target]) if step.inputs else ZERO
            case Call():
                batch = len({b for _, labels in step.args for b in labels if b >= 0})
                acted = {
                    -1 - b: d for v, labels in step.args for b, d in zip(labels, self.dims[v], strict=True) if b < 0
                }
                group = _product(acted[k] for k in range(step.groups[0])) if step.groups else ONE
                factor, exponent = step.function.cost
                return _product(step.dims[:batch]) * group**exponent * factor
            case Library():
                total = ZERO
                for factor, edges in step.price:
                    total = total + _product(step.dims[e] for e in edges) * factor
                return total
            case Add():
                entries = _product(self.dims[step.target])
                return entries * total_cost(1, [c for c, _, _ in step.terms])
            case Make() if isinstance(step.tensor, Expectation):
                return integral_cost(step.tensor)
            case _:
                return ZERO

    def new_entries(self, step: Step, sizes: Mapping[str, int]) -> int:
        """Entries of memory that a step needs for its result: none for inputs and views."""
        match step:
            case Input() | Narrow() | Accumulate():
                return 0
            case Loop():
                return Program(list(step.body), self.dims).peak({**sizes, step.part: step.length})
            case Contract():
                views = len(step.operands) == 1 and not self.flops(step, sizes)
                return 0 if views else self.entries(step.target, sizes)
            case Arrange():
                return self.entries(step.target, sizes) if step.embeds or step.operand.folded else 0
            case _:
                return self.entries(step.target, sizes)

    def peak(self, sizes: Mapping[str, int]) -> int:
        """Most entries of computed values alive at one time; a view keeps what it views alive, outputs stay."""
        return max(self.levels(sizes)[0], default=0)

    def symbolic_peak(self, sizes: Mapping[str, int]) -> Poly:
        """The peak as a polynomial in the sizes, for the moment that is fullest at `sizes`."""
        total = ZERO
        for value in self.fullest(sizes):
            total = total + _product(self.dims[value])
        return total

    def fullest(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The computed values that are alive when they need most memory."""
        return self.levels(sizes)[1]

    def levels(self, sizes: Mapping[str, int]) -> tuple[list[int], tuple[int, ...]]:
        """For each step the entries of computed values that are alive while it runs; the values alive at the most."""
        new = [self.new_entries(step, sizes) for step in self.steps]
        last = self._last_uses(new)
        alive: dict[int, int] = {}
        best: tuple[int, ...] = ()
        levels: list[int] = []
        most = total = 0
        dying: dict[int, list[int]] = {}
        for k, step in enumerate(self.steps):
            if new[k]:
                alive[step.target] = new[k]
                total += new[k]
                dying.setdefault(last[step.target], []).append(step.target)
            levels.append(total)
            if total > most:
                most, best = total, tuple(alive)
            for value in dying.get(k, ()):
                total -= alive.pop(value)
        return levels, best

    def _last_uses(self, new: Sequence[int]) -> dict[int, int]:
        """For each computed value the last step that reads it or a view of it; outputs are read after the end."""
        owner: dict[int, tuple[int, ...]] = {}
        last: dict[int, int] = {}
        for k, step in enumerate(self.steps):
            below = tuple(dict.fromkeys(o for v in step.inputs for o in owner.get(v, ())))
            for o in below:
                last[o] = k
            owner[step.target] = (step.target,) if new[k] else below
            last[step.target] = k
        for value, _ in self.outputs.values():
            for o in owner[value]:
                last[o] = len(self.steps)
        return last


def _product(dims: Iterable[Poly]) -> Poly:
    total = ONE
    for dim in dims:
        total = total * dim
    return total


def number(dim: Poly, sizes: Mapping[str, int]) -> int:
    """A size as an integer."""
    if len(dim.terms) == 1:
        ((monomial, coefficient),) = dim.terms
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0] in sizes:
            return sizes[monomial[0][0]]  # most sizes are symbols
    return int(dim.evaluate(sizes))


def volume(dims: Iterable[Poly], sizes: Mapping[str, int]) -> int:
    """The product of sizes."""
    return prod(number(d, sizes) for d in dims if d is not ONE)
