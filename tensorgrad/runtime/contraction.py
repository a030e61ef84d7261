"""Contractions as opt_einsum writes them, `contract("ab,bc->ac", A, B)`, and weighted sums of them, with algebra."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from numbers import Rational, Real
from typing import Any

from tensorgrad.diagram import Store, insert
from tensorgrad.errors import InputError, MemoryLimitError, SizeError
from tensorgrad.runtime.arrays import gathered, returned
from tensorgrad.runtime.build import build
from tensorgrad.runtime.loading import load
from tensorgrad.runtime.planning import Plan, naive_flops, of_program
from tensorgrad.runtime.slices import Sliced, entries_of, lengths_of
from tensorgrad.runtime.subscripts import Shape, Subscripts, from_labels, parse_subscripts, sizes_of
from tensorgrad.runtime.torch_source import Source
from tensorgrad.tensor import Delta, Product, Sum, Tensor, Variable, renamed

PATHS = ("auto", "auto-hq", "optimal", "branch-all", "branch-2", "branch-1", "dp", "greedy", "random-greedy")
"""Names of opt_einsum's searches: all mean our own, which is as good as the best of them."""

Term = tuple[Fraction, Subscripts, tuple[int, ...]]
"""A coefficient, subscripts, and for each operand the number of the distinct tensor that it is."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled sum of contractions: a function of the distinct operands, axes that are broadcast left out."""

    function: Callable[..., Any]
    arguments: tuple[tuple[int, tuple[int, ...]], ...]
    """For each parameter the number of the operand and the axes of size 1 that are dropped."""

    plan: Plan
    source: str

    def __call__(self, operands: Sequence[Any]) -> Any:
        """The result for tensors of the shapes that it was compiled for."""
        return self.function(*[operands[k].squeeze(axes) if axes else operands[k] for k, axes in self.arguments])[0]


def contract(
    *operands: Any,
    out: Any = None,
    optimize: Any = "auto",
    memory_limit: Any = None,
    client: Any = None,
    backend: str = "auto",
) -> Any:
    """The contraction of torch tensors or NumPy arrays, as `opt_einsum.contract` and `einsum` write it.

    `contract("ab,bc->ac", A, B)`, with an ellipsis, an implied output, repeated letters on both sides
    ("i->ii" is a diagonal matrix), or interleaved: `contract(A, [0, 1], B, [1, 2], [0, 2])`. An operand that is given
    several times is known to be one: what is equal is computed once. The program is compiled at the first call and
    kept for these subscripts, shapes and repetitions.

    Args: `out`, a tensor to write into; `optimize`, "auto" or "cotengra" (what else opt_einsum takes, names, True, False or
    an order, means "auto": an order of one's own is not needed, and not followed); `memory_limit` for intermediates and
    result, in entries or a text ("2 GB", or "max_input" for the size of the largest operand): what would need more is
    computed slice by slice; `client`, a Dask client whose workers then compute the slices; `backend`, "auto", "torch" or
    "numpy", for opt_einsum's sake: the operands say which it is.
    Raises InputError for subscripts that do not fit, SizeError for an edge with two sizes, MemoryLimitError.

    >>> import torch
    >>> A, x = torch.arange(6.0).reshape(2, 3), torch.ones(3)
    >>> contract("ij,ik,k->j", A, A, x)
    tensor([36., 51., 66.])
    """
    if backend not in ("auto", "torch", "numpy"):
        raise InputError(f"backend={backend!r}: expected 'auto', 'torch' or 'numpy'; operands are theirs")
    form, tensors = _read(operands)
    arrays, tensors = gathered(tensors)
    shapes = tuple([t.shape for t in tensors])
    kernel = _kernel(form, shapes, _pattern(tensors), _optimizer(optimize))
    if memory_limit is None or memory_limit == -1:
        return returned(kernel(tensors), arrays, out)
    most = max(t.numel() for t in tensors) or 1
    limit = most if memory_limit == "max_input" else entries_of(memory_limit, tensors[0].element_size())
    if kernel.plan.peak <= limit:
        return returned(kernel(tensors), arrays, out)
    sliced, dropped = _sliced(form, shapes, _optimizer(optimize), limit)
    seen = [t.squeeze(axes) if axes else t for t, axes in zip(tensors, dropped, strict=True)]
    return returned(sliced(seen) if client is None else sliced.on(client, seen), arrays, out)


def contract_plan(*operands: Any, optimize: Any = "auto") -> Plan:
    """What `contract` would do with these operands: operations, memory, steps.

    >>> import torch
    >>> A, x = torch.ones(200, 300), torch.ones(300)
    >>> print(*contract_plan("ij,ik,k->j", A, A, x).steps, sep="; ")
    t1 = x0 @ x1; t2 = x0.T @ t1
    """
    form, tensors = _read(operands)
    _, tensors = gathered(tensors)
    return _kernel(form, tuple(tuple(t.shape) for t in tensors), _pattern(tensors), _optimizer(optimize)).plan


def contract_sum(
    terms: Sequence[tuple[Any, str, Sequence[Any]]], *, out: Any = None, optimize: Any = "auto", seconds: float = 5.0
) -> Any:
    """The weighted sum of contractions, `[(coefficient, subscripts, operands), ...]`, in the cheapest form found.

    All terms have the same output axes, by position. Common factors are taken out, sums multiplied first where that
    is cheaper, like terms merged, equal parts computed once. A coefficient that changes from call to call is best given
    as a tensor of order 0: numbers are compiled in. `seconds` bounds the search at the first call.

    >>> import torch
    >>> A, B, C = torch.ones(2, 3), torch.ones(3, 4), torch.ones(3, 4)
    >>> contract_sum([(2, "ij,jk->ik", [A, B]), (-1, "ij,jk->ik", [A, C])])[0]
    tensor([3., 3., 3., 3.])
    """
    read = [_term(k, term) for k, term in enumerate(terms)]
    if not read:
        raise InputError("contract_sum needs at least one term, (coefficient, subscripts, operands)")
    arrays, tensors = gathered([o for _, _, operands in read for o in operands])
    forms: list[tuple[Fraction, str, int]] = [(c, text, len(operands)) for c, text, operands in read]
    shapes = tuple([t.shape for t in tensors])
    kernel = _sum_kernel(tuple(forms), shapes, _pattern(tensors), _optimizer(optimize), seconds)
    return returned(kernel(tensors), arrays, out)


def _read(operands: Sequence[Any]) -> tuple[Hashable, Sequence[Any]]:
    """The subscripts, as a text or as labels, and the operands."""
    if operands and isinstance(operands[0], str):
        return operands[0], operands[1:]
    if len(operands) < 2:
        raise InputError("contract takes subscripts and operands: contract('ab,bc->ac', A, B)")
    pairs = len(operands) // 2
    labels = operands[1 : 2 * pairs : 2]
    output = operands[-1] if len(operands) % 2 else None
    for given in (*labels, *([output] if output is not None else [])):
        if not isinstance(given, list | tuple):
            raise InputError("contract takes subscripts first, or each operand followed by the labels of its axes")
    form = (tuple(map(tuple, labels)), None if output is None else tuple(output))
    return form, operands[0 : 2 * pairs : 2]


def _subscripts(form: Any, shapes: Sequence[Shape]) -> Subscripts:
    if isinstance(form, str):
        return parse_subscripts(form, tuple(map(len, shapes)))
    return from_labels(*form)


def _optimizer(optimize: Any) -> str:
    path = isinstance(optimize, list | tuple) and all(isinstance(pair, list | tuple) for pair in optimize)
    if isinstance(optimize, bool) or path or optimize in PATHS:
        return "auto"
    if optimize == "cotengra":
        return "cotengra"
    raise InputError(f"optimize={optimize!r}: expected 'auto' (also an order, {', '.join(PATHS[1:])}) or 'cotengra'")


def _pattern(tensors: Sequence[Any]) -> tuple[int, ...]:
    """For each operand the number of the first one that is the same object."""
    first: dict[int, int] = {}
    return tuple([first.setdefault(id(t), k) for k, t in enumerate(tensors)])


def _term(k: int, term: Any) -> tuple[Fraction, str, list[Any]]:
    """A term as (exact number, subscripts, operands); a coefficient of order 0 becomes one more operand."""
    try:
        coefficient, text, operands = term
    except (TypeError, ValueError):
        raise InputError(f"term {k}: expected (coefficient, subscripts, operands)") from None
    if not isinstance(text, str):
        raise InputError(f"term {k}: subscripts are a text, not {type(text).__name__}")
    if isinstance(coefficient, Rational):
        return Fraction(int(coefficient.numerator), int(coefficient.denominator)), text, list(operands)
    if isinstance(coefficient, Real):
        if not isfinite(coefficient):
            raise InputError(f"term {k}: the coefficient is {float(coefficient)}, not a finite number")
        return Fraction(repr(float(coefficient))), text, list(operands)
    if getattr(coefficient, "ndim", None) != 0:
        raise InputError(
            f"term {k}: a coefficient is a number or a tensor of order 0, not {type(coefficient).__name__}"
        )
    return Fraction(1), f",{text}", [coefficient, *operands]


@lru_cache(maxsize=1024)
def _kernel(form: Hashable, shapes: tuple[Shape, ...], pattern: tuple[int, ...], optimizer: str) -> Kernel:
    found = _subscripts(form, shapes)
    builder = _Operands(pattern, shapes)
    t = builder.product(found, range(len(shapes)))
    return builder.kernel(t, t, optimizer) if t is not None else _zeros(builder.shape(found, range(len(shapes))))


@lru_cache(maxsize=1024)
def _sum_kernel(
    forms: tuple[tuple[Fraction, str, int], ...],
    shapes: tuple[Shape, ...],
    pattern: tuple[int, ...],
    optimizer: str,
    seconds: float,
) -> Kernel:
    from tensorgrad.egraph import search
    from tensorgrad.rule import RuleSet

    builder = _Operands(pattern, shapes)
    terms: list[tuple[Tensor, Fraction]] = []
    result: Shape | None = None
    start = 0
    for number, (coefficient, text, count) in enumerate(forms):
        own = range(start, start + count)
        start += count
        subscripts = parse_subscripts(text, tuple(len(shapes[k]) for k in own))
        shape = builder.shape(subscripts, own)
        result = shape if result is None else result
        if shape != result:
            raise SizeError(f"term {number} ({text!r}) has the shape {shape}, term 0 ({forms[0][1]!r}) {result}")
        product = builder.product(subscripts, own)
        if product is not None:
            terms.append((product, coefficient))
    if not terms:
        return _zeros(result or ())
    written = Sum(tuple(t for t, _ in terms), tuple(c for _, c in terms))
    (found,) = search.simplify(written, dims={}, rules=RuleSet(), seconds=seconds).cheapest({})
    return builder.kernel(written, found, optimizer)


def _zeros(shape: Shape) -> Kernel:
    """Where an edge has size 0 the result is empty, or a sum of nothing."""

    def function(first: Any) -> tuple[Any]:
        return (first.new_zeros(shape),)

    return Kernel(function, ((0, ()),), Plan((), {}, 0, 0, 0, 0, ()), "")


@lru_cache(maxsize=256)
def _sliced(
    form: Hashable, shapes: tuple[Shape, ...], optimizer: str, limit: int
) -> tuple[Sliced, tuple[tuple[int, ...], ...]]:
    """The contraction in slices, and for each operand the axes that are broadcast. Here every operand is one of its own,
    since a slice sees different parts of one that is given twice."""
    found = _subscripts(form, shapes)
    numbers = sizes_of(found, shapes)
    symbols = {name: f"n{k}" for k, (name, n) in enumerate(numbers.items()) if n > 1}
    builder = _Operands(range(len(shapes)), shapes, symbols)
    t = builder.product(found, range(len(shapes)))
    assert t is not None
    values = {symbol: numbers[name] for name, symbol in symbols.items()}
    variables = list(builder.variables.values())
    sizes, lengths, text = dict(values), dict[str, int](), ""
    for _ in range(2):  # the second time with the order that is best for slices
        store = Store()
        program = build(store, {"result": insert(store, t)}, {**sizes, **lengths}, optimizer=optimizer)
        output = [symbols[name] for name in found.output if name in symbols]
        try:
            lengths = lengths_of(program, sizes, output, limit)
        except MemoryLimitError:
            if not lengths:
                raise
            break
        text = Source(program, variables, (), "contraction").text
    dropped = tuple(axes for _, axes in builder.variables)
    edges = [
        tuple(symbols.get(name, "") for a, name in enumerate(names) if a not in axes)
        for names, axes in zip(found.inputs, dropped, strict=True)
    ]
    result = tuple(symbols.get(name, f"1 {k}") for k, name in enumerate(found.output))
    known = {**sizes, **{e: 1 for e in result if e not in sizes}}
    return Sliced(text, tuple(edges), result, known, lengths), dropped


class _Operands:
    """Operands as variables with edges of their own: one for each distinct object, broadcast axes left out.

    `symbols` are sizes by name of the subscripts, to be used instead of the numbers.
    """

    def __init__(
        self, pattern: Sequence[int], shapes: Sequence[Shape], symbols: Mapping[str, str] | None = None
    ) -> None:
        self.pattern = pattern
        self.shapes = shapes
        self.symbols = symbols or {}
        self.variables: dict[tuple[int, tuple[int, ...]], Variable] = {}

    def _variable(self, k: int, names: Sequence[str], dropped: tuple[int, ...]) -> Variable:
        key = (self.pattern[k], dropped)
        if key not in self.variables:
            shape = self.shapes[k]
            edges = {f"a{a}": self.symbols.get(names[a], n) for a, n in enumerate(shape) if a not in dropped}
            self.variables[key] = Variable(f"x{len(self.variables)}", edges=edges)
        return self.variables[key]

    def shape(self, found: Subscripts, own: Sequence[int]) -> Shape:
        """The shape of the contraction of the operands `own`."""
        sizes = sizes_of(found, [self.shapes[k] for k in own])
        return tuple(sizes[name] for name in found.output)

    def product(self, found: Subscripts, own: Sequence[int]) -> Tensor | None:
        """The contraction of the operands `own`, its edges called o0, o1, ... in order; None if an edge has size 0."""
        shapes = [tuple(self.shapes[k]) for k in own]
        sizes = sizes_of(found, shapes)
        if 0 in sizes.values():
            return None
        named: dict[str, int | str] = {**sizes, **self.symbols}
        factors: list[Tensor] = []
        for k, names, shape in zip(own, found.inputs, shapes, strict=True):
            dropped = tuple(a for a, (name, n) in enumerate(zip(names, shape, strict=True)) if n != sizes[name])
            factors += _attached(
                self._variable(k, names, dropped), [n for a, n in enumerate(names) if a not in dropped]
            )
        factors += [Delta(named[name], f"s{name}", f"o{a}") for a, name in enumerate(found.output)]
        return Product(factors, tuple(f"o{a}" for a in range(len(found.output))))

    def kernel(self, written: Tensor, found: Tensor, optimizer: str) -> Kernel:
        """The compiled program of the cheaper of two equal tensors."""
        variables = list(self.variables.values())
        best: Plan | None = None
        for t in [found] if found is written else [found, written]:
            store = Store()
            outputs = {"result": insert(store, t)}
            program = build(store, outputs, {}, optimizer=optimizer)
            naive = naive_flops(store, program, [outputs["result"][0]], {})
            plan = of_program(program, {}, (("", t),), naive)
            if best is None or plan.flops < best.flops:
                best = plan
        assert best is not None and best.program is not None
        source = Source(best.program, variables, (), "contraction")
        function = load(source.text, source.name, "contraction")
        return Kernel(function, tuple(self.variables), best, source.text)


def _attached(variable: Variable, names: Sequence[str]) -> list[Tensor]:
    """The variable on edges called after `names`; where one repeats, a copy tensor takes the diagonal."""
    own: list[str] = []
    extra: list[Tensor] = []
    for a, name in enumerate(names):
        edge = f"s{name}"
        if edge in own:
            extra.append(Delta(variable.dims[a], edge, f"{edge}_{a}"))
            edge = f"{edge}_{a}"
        own.append(edge)
    return [renamed(variable, tuple(own)), *extra]
