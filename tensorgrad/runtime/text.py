"""Steps of a program in words: matrix notation where a step is a product of matrices, index notation elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.runtime.program import (
    Accumulate,
    Add,
    Arrange,
    Call,
    Contract,
    Input,
    Library,
    Loop,
    Make,
    Narrow,
    Operand,
    Part,
    Program,
    Scale,
    Step,
    every_step,
)
from tensorgrad.sizes import MINUS_ONE, ONE, Poly

_LETTERS = "ijklmnopqrstuvwxyzabcdefgh"


def letters(edges: Sequence[int]) -> dict[int, str]:
    """A letter for each edge, in order of first occurrence: i, j, k, ..."""
    distinct = list(dict.fromkeys(edges))
    return {e: _LETTERS[k] if k < 26 else chr(ord("A") + k - 26) for k, e in enumerate(distinct)}


def matrix_product(
    left: tuple[str, Sequence[int]], right: tuple[str, Sequence[int]], kept: Sequence[int]
) -> str | None:
    """`A.T @ B` where two matrices or vectors are summed over one edge and nothing else; None otherwise."""
    (a, la), (b, lb) = left, right
    shared = [e for e in la if e in lb]
    if len(shared) != 1 or shared[0] in kept or max(len(la), len(lb)) > 2:
        return None
    if len(set(la)) < len(la) or len(set(lb)) < len(lb) or len(kept) != len(la) + len(lb) - 2:
        return None
    edge = shared[0]
    if kept and kept[0] not in la:
        a, la, b, lb = b, lb, a, la
    first = a if la[-1] == edge else f"{a}.T"
    second = b if lb[0] == edge else f"{b}.T"
    return f"{first} @ {second}"


def coefficient_text(coefficient: Poly, of: str, number: str = "") -> str:
    """`2 * x`, `-x`, `(n + 1) * x`; `number` is the coefficient's text."""
    if coefficient is ONE:
        return of
    if coefficient is MINUS_ONE:
        return f"-{of}"
    number = number or str(coefficient)
    if not coefficient.is_monomial or "/" in number:
        number = f"({number})"
    return f"{number} * {of}"


def step_names(program: Program) -> list[str]:
    """A name for each value: the variable's for inputs, t1, t2, ... for what is computed; parts are called as the whole."""
    taken = {s.name for s in program.steps if isinstance(s, Input)}
    names = [""] * len(program.dims)
    count = 0
    for step in every_step(program.steps):
        if isinstance(step, Input):
            names[step.target] = step.name
        elif isinstance(step, Narrow | Accumulate):
            names[step.target] = names[step.inputs[0]]
        elif isinstance(step, Loop):
            pass
        elif isinstance(step, Scale) and not step.inputs:
            names[step.target] = str(step.coefficient)
        else:
            count += 1
            while f"t{count}" in taken:
                count += 1
            names[step.target] = f"t{count}"
    return names


def describe(step: Step, names: Sequence[str]) -> str:
    """What a step computes, as text over the names of its inputs."""
    match step:
        case Contract():
            return _contraction(step, names)
        case Scale():
            return coefficient_text(step.coefficient, names[step.inputs[0]]) if step.inputs else str(step.coefficient)
        case Arrange():
            letter = letters([*step.operand.legs, *step.edges])
            groups = [letter[g[0]] if len(g) == 1 else f"({' '.join(letter[e] for e in g)})" for g in step.groups]
            return f"{_indexed(step.operand, names, letter)} as [{', '.join(groups)}]"
        case Call():
            if step.function.name == "pow" and not step.function.derivative:
                return f"{names[step.args[0][0]]}**{_exponent(names[step.args[1][0]])}"
            return f"{step.function}({', '.join(names[v] for v, _ in step.args)})"
        case Library():
            called = step.call.format(*(names[o.value] for o in step.operands))
            return (
                called.replace("torch.nn.functional.", "")
                .replace("torch.ops.aten.", "")
                .replace("torch.linalg.", "")
                .replace("torch.", "")
            )
        case Add():
            return _sum(step, names)
        case Make():
            return str(step.tensor) if step.tensor is not None else f"flat ({', '.join(map(str, step.parts))})"
        case Input():
            return step.name
        case Narrow() | Part():
            of = names[step.inputs[0]]
            return f"{of} in parts" if isinstance(step, Narrow) else f"result {step.index + 2} of {of}"
        case Accumulate():
            return f"{names[step.into]} + {names[step.value]}"
        case Loop():
            return f"in parts of {step.whole}, {step.length} long:"


def _exponent(name: str) -> str:
    return name if name.isalnum() else f"({name})"


def _indexed(operand: Operand, names: Sequence[str], letter: dict[int, str]) -> str:
    legs = operand.legs
    return f"{names[operand.value]}[{', '.join(letter[e] for e in legs)}]" if legs else names[operand.value]


def _contraction(step: Contract, names: Sequence[str]) -> str:
    operands = step.operands
    plain = not any(o.views for o in operands)
    if len(operands) == 2 and plain:
        (a, b) = ((names[o.value], o.legs) for o in operands)
        product = matrix_product(a, b, step.kept)
        if product is not None:
            return product
        legs = [set(o.legs) for o in operands]
        if all(x == tuple(step.kept) or not x for x in (a[1], b[1])) and any(legs):
            return f"{a[0]} * {b[0]}"
    if len(operands) == 1 and plain and not step.kept and len(set(operands[0].legs)) == len(operands[0].legs):
        return f"sum({names[operands[0].value]})"
    letter = letters([e for o in operands for e in o.legs])
    inner = " * ".join(_indexed(o, names, letter) for o in operands)
    summed = [s for e, s in letter.items() if e not in step.kept]
    return f"sum[{', '.join(summed)}]({inner})" if summed else inner


def _sum(step: Add, names: Sequence[str]) -> str:
    parts: list[str] = []
    for coefficient, value, perm in step.terms:
        turned = "" if list(perm) == sorted(perm) else ".T" if len(perm) == 2 else f".permute{tuple(perm)}"
        term = coefficient_text(coefficient, names[value] + turned)
        parts.append(term if not parts else f" - {term[1:]}" if term.startswith("-") else f" + {term}")
    return "".join(parts) or "0"
