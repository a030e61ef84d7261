"""A product of matrices of low rank added to a large matrix is one call: it takes one pass over the memory, not three."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from tensorgrad.cost import total_cost
from tensorgrad.runtime.program import Add, Contract, Legs, Library, Operand, Program, Step, number
from tensorgrad.sizes import ONE, Poly

RANK = 64
"""Entries that the product sums at most: with more, it takes so long that the passes do not matter."""

LARGE = 1 << 18
"""Entries of the result at least: fewer stay in the caches."""


def added(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with such sums as calls of torch.addmm."""
    made = {step.target: (k, step) for k, step in enumerate(program.steps)}
    uses = Counter(v for step in program.steps for v in step.inputs)
    uses.update(v for v, _ in program.outputs.values())
    replaced: dict[int, list[Step]] = {}
    for k, step in enumerate(program.steps):
        if not isinstance(step, Add) or len(step.terms) != 2 or len(step.dims) != 2:
            continue
        if program.entries(step.target, sizes) < LARGE or not all(c.is_constant for c, _, _ in step.terms):
            continue
        for term, other in (step.terms, step.terms[::-1]):
            number_, product = made[term[1]]
            alone = uses[term[1]] == 1 and other[1] != term[1]
            if alone and isinstance(product, Contract) and _low_rank(product, sizes):
                replaced[number_] = []
                replaced[k] = [_call(step, product, term, other)]
                break
    if not replaced:
        return program
    steps = [new for k, step in enumerate(program.steps) for new in replaced.get(k, [step])]
    return Program(steps, program.dims, program.outputs)


def _low_rank(step: Contract, sizes: Mapping[str, int]) -> bool:
    if len(step.operands) != 2 or any(o.views or len(set(o.axes)) != 2 or len(o.axes) != 2 for o in step.operands):
        return False
    left, right = (set(o.axes) for o in step.operands)
    inner = left & right
    return len(inner) == 1 and not inner & set(step.kept) and number(step.dims[min(inner)], sizes) <= RANK


def _call(step: Add, product: Contract, term: tuple[Poly, int, Legs], other: tuple[Poly, int, Legs]) -> Library:
    """The sum as a call; its edges are 0 and 1, the axes of the target, and 2, which is summed."""
    edge = {product.kept[axis]: a for a, axis in enumerate(term[2])}
    rows, columns = sorted(
        (Operand(o.value, tuple(edge.get(e, 2) for e in o.axes)) for o in product.operands), key=lambda o: min(o.axes)
    )
    matrix = Operand(other[1], tuple(other[2].index(axis) for axis in range(2)))
    inner = next(product.dims[e] for e in product.operands[0].axes if e not in product.kept)
    scales = [(name, c) for name, c in (("beta", other[0]), ("alpha", term[0])) if c is not ONE]
    options = "".join(f", {name}={c.number if c.number.denominator == 1 else float(c.number)}" for name, c in scales)
    sums = Fraction(total_cost(1, [term[0], other[0]]))
    dims = {0: step.dims[0], 1: step.dims[1], 2: inner}
    orders = ((0, 1), (0, 2), (2, 1))
    price = ((Fraction(2), (0, 1, 2)), (sums, (0, 1)))
    text = f"torch.addmm({{0}}, {{1}}, {{2}}{options})"
    return Library(step.target, text, (matrix, rows, columns), orders, (0, 1), (0, 1), dims, price)
