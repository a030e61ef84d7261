"""Programs as plain PyTorch source: one function, one line a step, sizes in comments."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

from tensorgrad.errors import UnsupportedError
from tensorgrad.runtime.calls import call_source
from tensorgrad.runtime.lifetime import broadcasts, deaths, deaths_within
from tensorgrad.runtime.products import product_source
from tensorgrad.runtime.program import (
    Accumulate,
    Add,
    Arrange,
    Call,
    Contract,
    Fold,
    Fuse,
    Gather,
    Input,
    Legs,
    Library,
    Loop,
    Make,
    Narrow,
    Operand,
    Part,
    Program,
    Scale,
    Scatter,
    Select,
    Split,
    Spread,
    Step,
    Window,
    every_step,
    viewed,
)
from tensorgrad.runtime.text import coefficient_text, letters
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Convolution, Expectation, LeviCivita, Unit, Variable

_RESERVED = {"torch", "tf", "dtype", "device", "int"}
LONGEST_SUM = 12
_EXACT = 1 << 53
"""Larger integers are not exact in float64, and torch takes none beyond 64 bits."""


class Source:
    """The source of a program: `text`, the function's `name`, and its parameters in order.

    `variables` are (parameter, variable), `functions` (parameter, unknown function's name), `symbols` (parameter, size
    symbol that no variable's axis shows). With `sizes` large values are deleted after their last use.
    """

    def __init__(
        self,
        program: Program,
        variables: Sequence[Variable],
        functions: Sequence[str],
        name: str = "step",
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self.program = program
        self._broadcasts = broadcasts(program)
        for loop in (s for s in every_step(program.steps) if isinstance(s, Loop)):
            self._broadcasts |= broadcasts(Program(list(loop.body), program.dims))
        self._sizes = sizes
        self._loops: dict[str, tuple[str, str]] = {}
        """Loops by the symbol of a part's size: the names of where a part starts and of that size."""
        self.name = name
        self._taken = set(_RESERVED) | {name}
        self.variables = [(self._free(v.name), v) for v in variables]
        self.functions = [(self._free(f), f) for f in functions]
        self._names = [""] * len(program.dims)
        self._wished = self._output_names()
        self._literal: dict[int, str] = {}
        self._assigned: set[str] = set()
        self._symbols: dict[str, str] = {}
        self._needs_kind = False
        self._count = 0
        self._parts: dict[int, list[Part]] = {}
        for part in (s for s in program.steps if isinstance(s, Part)):
            self._parts.setdefault(part.of, []).append(part)
        body = self._body()
        self.symbols: list[tuple[str, str]] = []
        header = self._header()
        parameters = [p for p, _ in [*self.variables, *self.functions, *self.symbols]]
        if self._needs_kind and not self.variables:
            parameters += ["dtype", "device"]
        self.needs_kind = self._needs_kind and not self.variables
        lines = [f"def {name}({', '.join(parameters)}):", *(f"    {line}" for line in (*header, *body))]
        uses = [line for line in lines if "tf." in line]
        imports = ["import torch", *(["from tensorgrad.runtime import torch_functions as tf"] if uses else []), "", ""]
        self.body = "\n".join([*lines, ""])
        self.text = "\n".join([*imports, self.body])

    # Names.

    def _free(self, wanted: str) -> str:
        name = wanted if wanted.isidentifier() else "_" + re.sub(r"\W", "_", wanted)
        while keyword.iskeyword(name) or name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _new(self, step: Step) -> str:
        if isinstance(step, Narrow) and self._names[step.value].isidentifier():
            return self._free(f"{self._names[step.value]}_part")
        self._count += 1
        while f"t{self._count}" in self._taken:
            self._count += 1
        return f"t{self._count}"

    def _output_names(self) -> dict[int, str]:
        """Names for values that are outputs as they are: the outputs' own, where these are free."""
        wished: dict[int, str] = {}
        for output, (value, axes) in self.program.outputs.items():
            if list(axes) == sorted(axes) and value not in wished and output not in self._taken:
                wished[value] = self._free(output)
        return wished

    def _symbol(self, symbol: str) -> str:
        if symbol not in self._symbols:
            self._symbols[symbol] = self._free(symbol)
        return self._symbols[symbol]

    def number(self, value: Poly) -> str:
        """A coefficient or size as Python."""
        if value.is_constant and max(abs(value.number.numerator), value.number.denominator) > _EXACT:
            return repr(float(value.number))
        names = {s: Poly.symbol(self._symbol(s)) for s in value.symbols}
        return str(value.substitute(names))

    def size(self, dim: Poly) -> str:
        """A size as Python, an int."""
        whole = all(c.denominator == 1 and all(e > 0 for _, e in m) for m, c in dim.terms)
        return self.number(dim) if whole else f"int({self.number(dim)})"

    def shape(self, dims: Sequence[Poly]) -> str:
        """Sizes as a Python tuple."""
        return f"({', '.join(map(self.size, dims))}{',' if len(dims) == 1 else ''})"

    def kind(self) -> str:
        """Keyword arguments for a new tensor of the inputs' dtype, on their device."""
        self._needs_kind = True
        return "dtype=dtype, device=device"

    def _header(self) -> list[str]:
        lines: list[str] = []
        shown: dict[str, str] = {}
        for parameter, variable in self.variables:
            for axis, dim in enumerate(variable.dims):
                text = str(dim)
                if text in self._symbols and text not in shown:
                    shown[text] = f"{parameter}.shape[{axis}]"
        for symbol in sorted(set(self._symbols) - set(self._loops)):
            if symbol in shown:
                lines.append(f"{self._symbols[symbol]} = {shown[symbol]}")
            else:
                self.symbols.append((self._symbols[symbol], symbol))
        if self._needs_kind and self.variables:
            first = self.variables[0][0]
            lines.append(f"dtype, device = {first}.dtype, {first}.device")
        return lines

    # Steps.

    def _body(self) -> list[str]:
        parameter = {v.name: p for p, v in self.variables}
        for step in self.program.steps:
            if isinstance(step, Input):
                self._names[step.target] = parameter[step.name]
        dying = deaths(self.program, self._sizes) if self._sizes is not None else {}
        lines = self._block(self.program.steps, dying)
        results = [self._turned(self.tensor(v), axes) for v, axes in self.program.outputs.values()]
        lines.append(f"return {', '.join(results)}" + ("," if len(results) == 1 else ""))
        return lines

    def _block(self, steps: Sequence[Step], dying: Mapping[int, Sequence[int]]) -> list[str]:
        lines: list[str] = []
        for number, step in enumerate(steps):
            if not isinstance(step, Input) and step.target not in self._broadcasts:
                lines += self._lines(step)
            dead = [self._names[v] for v in dying.get(number, ()) if self._names[v] in self._assigned]
            if dead:
                lines.append(f"del {', '.join(dead)}")
        return lines

    def _loop(self, loop: Loop) -> list[str]:
        start, part = self._free("start"), self._free(loop.part)
        self._loops[loop.part] = (start, part)
        self._symbols[loop.part] = part
        whole = self.size(loop.whole)
        dying: Mapping[int, Sequence[int]] = {}
        if self._sizes is not None:
            self._sizes = {**self._sizes, loop.part: loop.length}
            dying = deaths_within(self.program, loop, self._sizes)
        body = self._block(loop.body, dying)
        head = f"for {start} in range(0, {whole}, {loop.length}):"
        return [head, f"    {part} = min({loop.length}, {whole} - {start})", *(f"    {line}" for line in body)]

    def _lines(self, step: Step) -> list[str]:
        """The assignment of a step's value; none for numbers and other names of values."""
        if isinstance(step, Loop):
            return self._loop(step)
        if isinstance(step, Part):  # named by the call
            return []
        if isinstance(step, Accumulate):
            return [f"{self._names[step.into]} += {self.tensor(step.value)}"]
        expression, literal = self._expression(step)
        if literal:
            self._literal[step.target] = expression
        if literal or expression.isidentifier():
            self._names[step.target] = expression
            self._assigned.discard(expression)
            return []
        name = self._name(step)
        lines = [f"{name} = {line.replace('<self>', name)}" for line in expression.split("\n")]
        if isinstance(step, Library) and step.further:
            lines[0] = ", ".join([name, *(self._name(p) for p in self._parts[step.target])]) + lines[0][len(name) :]
        lines[-1] = f"{lines[-1]:<60}  # {self._shape(step.target)}"
        return lines

    def _name(self, step: Step) -> str:
        name = self._names[step.target] = self._wished.get(step.target) or self._new(step)
        self._assigned.add(name)
        return name

    def _shape(self, value: int) -> str:
        return f"({', '.join(str(d) for d in self.program.dims[value])})"

    def tensor(self, value: int) -> str:
        """A value as a tensor, also if it is a number."""
        if value in self._literal:
            return f"torch.tensor({self._literal[value]}, {self.kind()})"
        return self._names[value]

    def parameter(self, function: str) -> str:
        """The parameter that holds an unknown function."""
        return next(p for p, f in self.functions if f == function)

    def literal(self, value: int) -> str | None:
        """A value as a Python number, if it is one."""
        return self._literal.get(value)

    def _expression(self, step: Step) -> tuple[str, bool]:
        match step:
            case Contract():
                numbers = [self._literal.get(o.value) for o in step.operands]
                if None not in numbers:
                    return f"({' * '.join(str(n) for n in numbers)})", True
                return self._contract(step), False
            case Scale():
                return self._scale(step)
            case Arrange():
                return self._arrange(step), False
            case Call():
                return call_source(self, step)
            case Library():
                return self._library(step), False
            case Add():
                return self._add(step), False
            case Make():
                return self._make(step), False
            case Narrow():
                return self._narrow(step), False
            case _:
                return self._names[step.target], False

    def _narrow(self, step: Narrow) -> str:
        text = self._names[step.value]
        for axis in step.axes:
            text += f".narrow({axis}, {', '.join(self._loops[step.part])})"
        return text

    def _scale(self, step: Scale) -> tuple[str, bool]:
        if not step.inputs:
            number = self.number(step.coefficient)
            return (number if number.isalnum() else f"({number})"), True
        factor = self._literal.get(step.inputs[0])
        text = self._scaled(step.coefficient, factor or self._names[step.inputs[0]])
        return (f"({text})", True) if factor else (text, False)

    def _scaled(self, coefficient: Poly, text: str) -> str:
        return coefficient_text(coefficient, text, self.number(coefficient))

    def operand(self, operand: Operand) -> tuple[str, Legs]:
        """An operand with its views taken."""
        text, legs = self.tensor(operand.value), operand.axes
        dims = self._edge_dims
        for view in operand.views:
            match view:
                case Split(fused, parts):
                    sizes = ", ".join(self.size(dims[p]) for p in parts)
                    text = f"{text}.unflatten({legs.index(fused)}, ({sizes}))"
                case Fuse(_, parts):
                    start = min(legs.index(p) for p in parts)
                    order = [e for e in legs[:start] if e not in parts]
                    order = [*order, *parts, *(e for e in legs[start:] if e not in parts)]
                    text = self._turned(text, [legs.index(e) for e in order])
                    text = f"{text}.flatten({len(order[: order.index(parts[0])])}, {order.index(parts[-1])})"
                case Window(long, parts, steps, offset):
                    counts = self.shape([dims[p] for p in parts])
                    text = f"tf.window({text}, {legs.index(long)}, {counts}, {steps}, {self.size(offset)})"
                case Spread(part, step, long, others, steps, offset):
                    counts = self.shape([dims[p] for p in others])
                    sizes = f"{self.size(dims[long])}, {step}, {counts}, {steps}, {self.size(offset)}"
                    text = f"tf.spread({text}, {legs.index(part)}, {sizes})"
                case Fold(long, parts, steps, offset):
                    order = [legs.index(p) for p in parts]
                    text = f"tf.fold({text}, {tuple(order)}, {self.size(dims[long])}, {steps}, {self.size(offset)})"
                case Gather(edge, index, own):
                    shared = tuple((own.index(e), legs.index(e)) for e in own if e in legs)
                    text = f"tf.gather({text}, {legs.index(edge)}, {self.tensor(index)}, {shared})"
                case Scatter(edge, index, own):
                    order = [legs.index(e) for e in own] + [k for k, e in enumerate(legs) if e not in own]
                    text = f"tf.scatter({self._turned(text, order)}, {self.tensor(index)}, {self.size(dims[edge])})"
                case Select(edge, index):
                    text = f"{text}.select({legs.index(edge)}, int({self._names[index].strip('()')}))"
            legs = viewed(legs, view)
        return text, legs

    @staticmethod
    def _turned(text: str, axes: Sequence[int]) -> str:
        """The text with its axes in the order `axes`."""
        if list(axes) == sorted(axes):
            return text
        return f"{text}.T" if len(axes) == 2 else f"{text}.permute({', '.join(map(str, axes))})"

    def aligned(self, text: str, legs: Sequence[int], order: Sequence[int]) -> str:
        """A tensor with distinct `legs` so that it broadcasts against axes `order`."""
        text = self._turned(text, [legs.index(e) for e in order if e in legs])
        wanted = [e in legs for e in order]
        if True not in wanted:
            return text
        wanted = wanted[wanted.index(True) :]
        return text if all(wanted) else f"{text}[{', '.join(':' if w else 'None' for w in wanted)}]"

    def _contract(self, step: Contract) -> str:
        self._edge_dims: Mapping[int, Poly] = step.dims
        if (multiple := self._multiple(step)) is not None:
            return multiple
        operands = [self.operand(o) for o in step.operands]
        distinct = all(len(set(legs)) == len(legs) for _, legs in operands)
        edges = [e for _, legs in operands for e in legs]
        summed = [e for e in dict.fromkeys(edges) if e not in step.kept]
        if distinct and len(operands) == 1:
            text, legs = operands[0]
            if not summed:
                return self._turned(text, [legs.index(e) for e in step.kept])
            if not step.kept:
                return f"{text}.sum()"
            order = [e for e in legs if e in step.kept]
            axes = [str(legs.index(e)) for e in summed]
            along = axes[0] if len(axes) == 1 else f"({', '.join(axes)})"
            total = f"{text}.sum(dim={along})"
            return self._turned(total, [order.index(e) for e in step.kept])
        if distinct and not summed:
            return " * ".join(self.aligned(text, legs, step.kept) for text, legs in operands)
        product = product_source(operands[0], operands[1], step.kept) if distinct and len(operands) == 2 else None
        if product is not None:
            return product
        if distinct and len(operands) == 2 and len(summed) == 1 and step.kept and len({*edges}) * 2 == len(edges):
            # A batch of inner products: the einsum of torch takes several times as long.
            (a, order), (b, legs) = operands
            dots = f"torch.linalg.vecdot({a}, {self.aligned(b, legs, order)}, dim={list(order).index(summed[0])})"
            left = [e for e in order if e != summed[0]]
            return self._turned(dots, [left.index(e) for e in step.kept])
        if len(set(edges)) > 52:
            raise UnsupportedError("one step with more than 52 edges in torch.einsum")
        letter = letters(edges)
        inputs = ",".join("".join(letter[e] for e in legs) for _, legs in operands)
        pattern = f"{inputs}->{''.join(letter[e] for e in step.kept)}"
        return f'torch.einsum("{pattern}", {", ".join(text for text, _ in operands)})'

    def _multiple(self, step: Contract) -> str | None:
        """A number times a tensor, if a step is that."""
        numbers = [o for o in step.operands if o.value in self._literal]
        others = [o for o in step.operands if o.value not in self._literal]
        if len(numbers) != 1 or len(others) != 1 or sorted(others[0].legs) != sorted(step.kept):
            return None
        text, legs = self.operand(others[0])
        return f"{self._literal[numbers[0].value]} * {self.aligned(text, legs, step.kept)}"

    def _arrange(self, step: Arrange) -> str:
        self._edge_dims = step.dims
        distinct = tuple(dict.fromkeys(step.edges))
        number = self._literal.get(step.operand.value)
        if number is not None:
            text = f"torch.full({self.shape([step.dims[e] for e in distinct])}, {number}, {self.kind()})"
        else:
            text, legs = self.operand(step.operand)
            text = self.aligned(text, legs, distinct)
            if any(e not in legs for e in distinct):
                text = f"{text}.expand({', '.join(self.size(step.dims[e]) for e in distinct)})"
        current = list(distinct)
        for e in distinct:
            for _ in range(step.edges.count(e) - 1):
                k = current.index(e)
                moved = text if k == len(current) - 1 else f"{text}.movedim({k}, -1)"
                text = f"torch.diag_embed({moved})"
                current = [*current[:k], *current[k + 1 :], e, e]
        axes: list[int] = []
        for e in step.edges:
            axes.append(next(k for k, other in enumerate(current) if other == e and k not in axes))
        text = self._turned(text, axes)
        for k, group in enumerate(step.groups):
            if len(group) > 1:
                text = f"{text}.flatten({k}, {k + len(group) - 1})"
        return text

    def _add(self, step: Add) -> str:
        if not step.terms:
            return f"torch.zeros({self.shape(step.dims)}, {self.kind()})"
        numbers = all(v in self._literal for _, v, _ in step.terms)
        lines = [""]
        for k, (coefficient, value, perm) in enumerate(step.terms):
            of = self._literal.get(value) or self._term(value, perm)
            if numbers and k == 0:
                of = self.tensor(value)
            term = self._scaled(coefficient, of)
            if k and k % LONGEST_SUM == 0:
                lines.append("<self>")
            if not lines[-1]:
                lines[-1] = term
            else:
                lines[-1] += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
        return "\n".join(lines)

    def _library(self, step: Library) -> str:
        self._edge_dims = step.dims
        texts: list[str] = []
        for operand, order in zip(step.operands, step.orders, strict=True):
            text, legs = self.operand(operand)
            texts.append(self._turned(text, [legs.index(e) for e in order]))
        return self._turned(step.call.format(*texts), [step.produced.index(e) for e in step.kept])

    def _term(self, value: int, perm: Legs) -> str:
        """A term with its axes in the order of the sum; what is the same along an axis is left to broadcast."""
        step = self._broadcasts.get(value)
        if step is None:
            return self._turned(self._names[value], perm)
        number = self._literal.get(step.operand.value)
        if number is not None:
            return number
        return self.aligned(self._names[step.operand.value], step.operand.axes, [step.edges[p] for p in perm])

    def _make(self, step: Make) -> str:
        t = step.tensor
        if t is None:
            total = ONE
            for part in step.parts:
                total = total * part
            sizes = ", ".join(self.size(p) for p in step.parts)
            return f"torch.eye({self.size(total)}, {self.kind()}).unflatten(1, ({sizes}))"
        self._needs_kind = True
        if isinstance(t, Unit):
            return f"(torch.arange({self.size(t.size)}, device=device) == {self._names[step.inputs[0]]}).to(dtype)"
        if isinstance(t, LeviCivita):
            return f"tf.levi_civita({t.order}, dtype, device)"
        if isinstance(t, Expectation):
            raise UnsupportedError(
                f"a program for the expectation {t}: no closed form is known; simplify it first (some closed forms "
                "need a fact, as a positive variance), or average the integrand over samples"
            )
        assert isinstance(t, Convolution)
        shape = self.shape(self.program.dims[step.target])
        return f"tf.convolution({shape}, {t.steps}, {self.size(t.offset)}, dtype, device)"
