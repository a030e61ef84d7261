"""Inverses that are only applied become solves; one factorisation (Cholesky, for positive definite matrices) serves all
solves, inverses, determinants and log-determinants of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad.runtime.program import Call, Contract, Input, Legs, Library, Operand, Program, Step
from tensorgrad.sizes import Poly

_DIAGONAL = "diagonal(dim1=-2, dim2=-1)"
_LU = {
    "factor": "torch.linalg.lu_factor({0})",
    "solve": "torch.linalg.lu_solve(*{0}, {1})",
    "transposed": "torch.linalg.lu_solve(*{0}, {1}.conj(), adjoint=True).conj()",
    "logdet": f"{{0}}[0].{_DIAGONAL}.abs().log().sum(-1)",
    "det": "tf.det_of_lu(*{0})",
}
_CHOLESKY = {
    "factor": "torch.linalg.cholesky({0})",
    "solve": "torch.cholesky_solve({1}, {0})",
    "transposed": "torch.cholesky_solve({1}, {0})",
    "logdet": f"{{0}}.{_DIAGONAL}.log().sum(-1).mul(2)",
    "det": f"{{0}}.{_DIAGONAL}.square().prod(-1)",
    "inv": "torch.cholesky_inverse({0})",
}


@dataclass(slots=True)
class _Matrix:
    """A matrix of the program with what is done with it: steps by number."""

    value: int
    labels: Legs
    calls: list[int] = field(default_factory=list[int])
    solves: dict[int, int] = field(default_factory=dict[int, int])
    """Contraction -> the call whose inverse it applies."""

    kept: list[int] = field(default_factory=list[int])
    """Calls of the inverse whose entries are needed."""


def solved(
    program: Program, definite: frozenset[int], semidefinite: frozenset[int], triangular: Mapping[int, bool]
) -> Program:
    """The program without inverses where solves will do; `definite` are the values that Cholesky may factor, `semidefinite`
    those that it may where they have an inverse, `triangular` those that need no factorisation, and whether they are upper
    triangular."""
    matrices = _matrices(program)
    replaced: dict[int, list[Step]] = {}
    for matrix in matrices:
        if matrix.value in triangular:
            _substitute(program, matrix, triangular[matrix.value], replaced)
            continue
        inverted = any(_name(program.steps[k]) == "inv" for k in matrix.calls)
        pd = matrix.value in definite or (inverted and matrix.value in semidefinite)
        _replace(program, matrix, pd, replaced)
    if not replaced:
        return program
    steps = [new for k, step in enumerate(program.steps) for new in replaced.get(k, [step])]
    return Program(steps, program.dims, program.outputs)


def factored_halves(program: Program, facts: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The matrices (by name, with their declared facts) that Cholesky takes to be symmetric, alone or within a sum."""
    reads = {s.target: s.inputs for s in program.steps}
    names = {s.target: s.name for s in program.steps if isinstance(s, Input)}
    found: dict[str, None] = {}
    stack = [v for s in program.steps if isinstance(s, Library) and s.call == _CHOLESKY["factor"] for v in s.inputs]
    seen: set[int] = set()
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        stack += reads[value]
        name = names.get(value, "")
        if facts.get(name, frozenset()) & {"pd", "psd", "symmetric"}:
            found[name] = None
    return tuple(sorted(found))


def _matrices(program: Program) -> list[_Matrix]:
    found: dict[tuple[int, Legs], _Matrix] = {}
    for k, step in enumerate(program.steps):
        if isinstance(step, Call) and step.groups == (1, 1) and _is_known(step):
            found.setdefault(step.args[0], _Matrix(*step.args[0])).calls.append(k)
    readers: dict[int, list[int]] = {}
    for k, step in enumerate(program.steps):
        for value in step.inputs:
            readers.setdefault(value, []).append(k)
    outputs = {v for v, _ in program.outputs.values()}
    taken: set[int] = set()
    for matrix in found.values():
        for k in matrix.calls:
            call = program.steps[k]
            assert isinstance(call, Call)
            if call.function.name != "inv":
                continue
            uses = readers.get(call.target, [])
            alone = call.target not in outputs and not taken & set(uses) and len(set(uses)) == len(uses)
            if alone and all(_applies(program.steps[u], call) for u in uses):
                matrix.solves |= dict.fromkeys(uses, k)
                taken.update(uses)
            else:
                matrix.kept.append(k)
    return list(found.values())


def _is_known(call: Call) -> bool:
    return call.function.name in ("inv", "det", "logdet") and not call.function.derivative


def _applies(step: Step, call: Call) -> bool:
    """Whether a step multiplies the inverse by a vector or matrix (over its batch) from one side."""
    if not isinstance(step, Contract) or len(step.operands) != 2:
        return False
    inverse, other = _sides(step, call)
    if inverse.views or len(set(inverse.axes)) < len(inverse.axes) or len(set(other.legs)) < len(other.legs):
        return False
    batch, (column, row) = inverse.axes[:-2], inverse.axes[-2:]
    summed = [e for e in (column, row) if e not in step.kept]
    extra = [e for e in other.legs if e not in (*batch, *summed)]
    return (
        len(summed) == 1
        and summed[0] in other.legs
        and set(batch) <= set(other.legs)
        and set(batch) <= set(step.kept)
        and len(extra) <= 1
        and set(extra) <= set(step.kept) - {column, row}
    )


def _sides(step: Contract, call: Call) -> tuple[Operand, Operand]:
    first, second = step.operands
    return (first, second) if first.value == call.target else (second, first)


def _replace(program: Program, matrix: _Matrix, definite: bool, replaced: dict[int, list[Step]]) -> None:
    """The steps in place of a matrix's calls and of the contractions that apply its inverse."""
    scalars = [k for k in matrix.calls if _name(program.steps[k]) != "inv"]
    if definite:
        shared = bool(matrix.calls)
    else:
        shared = len(matrix.solves) + len(scalars) > 1 and not matrix.kept and bool(matrix.solves)
    if not shared and not matrix.solves:
        return
    factor = -1
    if shared:
        first = matrix.calls[0]
        factor = program.value(_own_dims(program, matrix))
        replaced[first] = [_factor(program, matrix, factor, definite)]
    texts = _CHOLESKY if definite else _LU
    for k in matrix.calls:
        step = program.steps[k]
        assert isinstance(step, Call)
        name = step.function.name
        gone = name == "inv" and k not in matrix.kept
        kept_as_it_is = not shared or (name == "inv" and "inv" not in texts)
        new = [] if gone else [step] if kept_as_it_is else [_of_factor(program, step, matrix, factor, texts[name])]
        replaced[k] = [*replaced.get(k, []), *new]
    for k, of in matrix.solves.items():
        contract, call = program.steps[k], program.steps[of]
        assert isinstance(contract, Contract) and isinstance(call, Call)
        replaced[k] = [_solve(contract, call, matrix, factor, texts)]


def _substitute(program: Program, matrix: _Matrix, upper: bool, replaced: dict[int, list[Step]]) -> None:
    """Solves with a triangular matrix, by substitution; where the value's first axis is the column it is transposed."""
    upper = upper == (matrix.labels.index(-1) < matrix.labels.index(-2))
    for k in matrix.calls:
        if _name(program.steps[k]) == "inv" and k not in matrix.kept:
            replaced[k] = []
    for k, of in matrix.solves.items():
        contract, call = program.steps[k], program.steps[of]
        assert isinstance(contract, Contract) and isinstance(call, Call)
        replaced[k] = [_solve(contract, call, matrix, -1, _LU, upper)]


def _name(step: Step) -> str:
    assert isinstance(step, Call)
    return step.function.name


def _own_dims(program: Program, matrix: _Matrix) -> tuple[Poly, ...]:
    by_label = dict(zip(matrix.labels, program.dims[matrix.value], strict=True))
    return tuple(by_label[label] for label in _ordered(matrix.labels))


def _ordered(labels: Legs) -> Legs:
    """Batch labels, then row (-1) and column (-2)."""
    return (*sorted(b for b in labels if b >= 0), -1, -2)


def _factor(program: Program, matrix: _Matrix, target: int, definite: bool) -> Library:
    order = _ordered(matrix.labels)
    dims = dict(zip(matrix.labels, program.dims[matrix.value], strict=True))
    price = ((Fraction(1 if definite else 2, 3), (*order, -1)),)
    text = (_CHOLESKY if definite else _LU)["factor"]
    return Library(target, text, (Operand(matrix.value, matrix.labels),), (order,), order, order, dims, price)


def _of_factor(program: Program, call: Call, matrix: _Matrix, factor: int, text: str) -> Library:
    """A determinant, or the inverse itself, from the factor."""
    order = _ordered(matrix.labels)
    dims = dict(zip(matrix.labels, program.dims[matrix.value], strict=True))
    inverse = call.function.name == "inv"
    produced = (*order[:-2], -2, -1) if inverse else order[:-2]
    price = ((Fraction(2, 3), (*order, -1)),) if inverse else ((Fraction(1), order[:-1]),)
    return Library(call.target, text, (Operand(factor, order),), (order,), produced, produced, dims, price)


def _solve(
    step: Contract, call: Call, matrix: _Matrix, factor: int, texts: Mapping[str, str], upper: bool | None = None
) -> Library:
    """A solve by a factor, or without one (-1); with `upper` the matrix is upper (or lower) triangular."""
    inverse, other = _sides(step, call)
    batch, (column, row) = inverse.axes[:-2], inverse.axes[-2:]
    transposed = column not in step.kept
    summed, left = (column, row) if transposed else (row, column)
    extra = tuple(e for e in other.legs if e not in (*batch, summed))
    right = (*batch, summed, *extra)
    size = (*batch, left, summed)
    price = (Fraction(2), (*size, *extra))
    if factor >= 0:
        first = Operand(factor, (*batch, row, column))
        order, text = (*batch, row, column), texts["transposed" if transposed else "solve"]
        prices = (price,)
    else:
        edges = {-1: row, -2: column}
        first = Operand(matrix.value, tuple(edges[b] if b < 0 else batch[b] for b in matrix.labels))
        order, text = (*batch, summed, left), "torch.linalg.solve({0}, {1})"
        prices = ((Fraction(2, 3), (*size, summed)), price)
        if upper is not None:
            text = f"torch.linalg.solve_triangular({{0}}, {{1}}, upper={upper is not transposed})"
            prices = ((Fraction(1), (*size, *extra)),)
    if not extra and (batch or factor >= 0 or upper is not None):
        text = text.replace("{1}", "{1}.unsqueeze(-1)") + ".squeeze(-1)"
    produced = (*batch, left, *extra)
    return Library(step.target, text, (first, other), (order, right), produced, step.kept, step.dims, prices)
