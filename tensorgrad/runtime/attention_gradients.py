"""Attention and the gradients of its query, key and value are one call of torch each, which keep no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tensorgrad.runtime.lifetime import living, sorted_steps
from tensorgrad.runtime.multiples import Factor, Multiple, Multiples, times
from tensorgrad.runtime.program import Arrange, Call, Contract, Legs, Library, Operand, Part, Program, Step
from tensorgrad.runtime.scores import COLUMNS, INNER, Scores, mask_text, price, price_back, product_of, weighed
from tensorgrad.runtime.softmax_gradients import GRADIENT
from tensorgrad.sizes import ONE, Poly


@dataclass(frozen=True, slots=True)
class Result:
    """The last step of a product in the program, its axes along our edges, and what it is times what the call gives."""

    step: Step
    axes: Legs
    factor: Factor


Gradients = tuple[tuple[Result, ...], tuple[Result, ...], tuple[Result, ...]]
"""Of query, key and value."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What the softmax of scores times value is made of, the cotangent of that, and what is made of it: the products that
    are, up to a factor, the result itself and the gradients of query, key and value."""

    batch: Legs
    rows: int
    keys: int
    scores: Scores
    value: Multiple
    cotangent: Multiple
    formed: tuple[int, ...]
    """The values that must not be needed any more: scores, weights, and their gradients."""
    results: tuple[Result, ...]
    of_query: tuple[Result, ...]
    of_key: tuple[Result, ...]
    of_value: tuple[Result, ...]


def with_attention_gradients(program: Program) -> Program:
    """The program with two calls for every attention whose weights serve itself and its gradients only."""
    for target in [s.target for s in program.steps if isinstance(s, Call) and s.function is GRADIENT]:
        reading = Multiples(program)
        step = reading.made.get(target)
        found = _Finding(reading, step).attention() if isinstance(step, Call) else None
        if found is not None:
            program = _Writing(reading, found).program()
    return program


class _Finding:
    """The parts of the attention that a softmax's gradient belongs to, in the edges of that."""

    def __init__(self, reading: Multiples, step: Call) -> None:
        self.reading, self.step = reading, step
        order = len(reading.program.dims[step.target])
        self.edges = tuple(range(order))
        self.value = -1
        self.keys = order - 1
        (self.cotangent, places), (self.weights, own) = step.args
        self.places, self.own = (tuple(self.keys if b < 0 else b for b in labels) for labels in (places, own))

    def attention(self) -> Attention | None:
        """All of it; None if something else reads the weights or their gradient."""
        weights = weighed(self.reading, self.weights, self.own) if len(self.own) == len(self.edges) else None
        passed = product_of(self.reading, self.cotangent, self.places, COLUMNS, self.keys)
        if weights is None or passed is None or self.own[-1] != self.keys:
            return None
        source, scores = weights
        query, key = scores.query, scores.key
        cotangent, value, times = passed
        rows = [e for e in self.edges if e not in key.axes]
        batch = tuple(e for e in self.edges if e not in (*rows, self.keys))
        shapes = ((query, (*batch, *rows, INNER)), (key, (*batch, self.keys, INNER)))
        shapes += ((value, (*batch, self.keys, COLUMNS)), (cotangent, (*batch, *rows, COLUMNS)))
        if len(rows) != 1 or any(sorted(part.axes) != sorted(shape) for part, shape in shapes):
            return None
        self.value = value.value
        of_weights = self._readers(Multiple(self.weights, self.own), {value: COLUMNS, cotangent: COLUMNS}, batch)
        of_scores = self._readers(Multiple(self.step.target, self.edges, times), {key: INNER, query: INNER}, batch)
        if of_weights is None or of_scores is None:
            return None
        found = Attention(
            *(batch, rows[0], self.keys, scores, value, cotangent),
            formed=(source, self.weights, self.cotangent, self.step.target),
            results=of_weights[value],
            of_query=of_scores[key],
            of_key=of_scores[query],
            of_value=of_weights[cotangent],
        )
        return found if found.results and found.of_query and found.of_key else None

    def _readers(
        self, read: Multiple, others: dict[Multiple, int], batch: Legs
    ) -> dict[Multiple, tuple[Result, ...]] | None:
        """For each of the others the products with what is read; None if anything else reads it."""
        readers = self.reading.reading(read)
        found: dict[Multiple, tuple[Result, ...]] = dict.fromkeys(others, ())
        for step, operand in readers or ():
            if step is not self.step:
                product = self._with(step, operand, others, batch)
                if product is None:
                    return None
                found[product[0]] = (*found[product[0]], product[1])
        return None if readers is None else found

    def _with(
        self, step: Step, operand: Multiple, others: dict[Multiple, int], batch: Legs
    ) -> tuple[Multiple, Result] | None:
        """The other operand of a product and what becomes of it."""
        if not isinstance(step, Contract) or len(step.operands) != 2 or any(o.views for o in step.operands):
            return None
        mine = [o for o in step.operands if o.value == operand.value]
        rest = [o for o in step.operands if o.value != operand.value]
        if len(mine) != 1 or len(set(mine[0].axes)) < len(mine[0].axes):
            return None
        edge = dict(zip(mine[0].axes, operand.axes, strict=True))
        new = {e for e in rest[0].axes if e not in edge}
        for other, name in others.items():
            named = {**edge, **dict.fromkeys(new, name)}
            seen = self.reading.of(rest[0].value, tuple(named[e] for e in rest[0].axes))
            (summed,) = (e for e in other.axes if e >= 0 and e not in batch)
            left = [e for e in (*operand.axes, name) if e != summed]
            kept = tuple(named[e] for e in step.kept)
            if (seen.value, seen.axes) == (other.value, other.axes) and sorted(kept) == sorted(left):
                times_seen = operand.factor * seen.factor
                if other.value == self.value:  # a cotangent may be made of the result itself, without its multiples
                    return other, Result(step, kept, times_seen)
                last, axes, factor = self.reading.finished(step, kept)
                return other, Result(last, axes, times_seen * factor)
        return None


class _Writing:
    """The program with an attention's calls."""

    def __init__(self, reading: Multiples, attention: Attention) -> None:
        self.reading, self.attention = reading, attention
        self.old = reading.program
        self.values = Program([], list(self.old.dims))
        self.new: list[Step] = []
        self.dims: dict[int, Poly] = {}
        for part in (attention.scores.query, attention.scores.key, attention.value):
            self.dims |= dict(zip(part.axes, self.old.dims[part.value], strict=True))

    def program(self) -> Program:
        """The program with the calls, or as it is where they would not do."""
        a = self.attention
        query, key, scaled = a.scores.query, a.scores.key, a.scores.scaled
        on_query, on_key = _divided(a.of_key, scaled), _divided(a.of_query, scaled)
        if on_query is not None:
            self._write(replace(query, factor=scaled), key, (a.of_query, on_query, a.of_value))
        elif on_key is not None:
            self._write(query, replace(key, factor=scaled), (on_key, a.of_key, a.of_value))
        elif (of_key := self._scaled(a.of_key)) is not None and (divided := _divided(of_key, scaled)) is not None:
            self._write(replace(query, factor=scaled), key, (a.of_query, divided, a.of_value))
        else:
            return self.old
        replaced = {r.step.target for results in (a.results, a.of_query, a.of_key, a.of_value) for r in results}
        replaced |= {s.target for s in self.new}
        steps = sorted_steps([*(s for s in self.old.steps if s.target not in replaced), *self.new])
        found = living(Program(steps, self.values.dims, self.old.outputs))
        return self.old if {s.target for s in found.steps}.intersection(a.formed) else found

    def _scaled(self, results: tuple[Result, ...]) -> tuple[Result, ...] | None:
        """The results times the number of the scores, which what reads them has no more; None where it had not."""
        found: list[Result] = []
        for result in results:
            if result.factor.divided(self.attention.scores.scaled) is not None:
                found.append(result)
                continue
            value = result.step.target
            if value in self.reading.given:
                return None
            for reader in self.reading.readers.get(value, ()):
                if not self._without_number(reader, value):
                    return None
            found.append(replace(result, factor=result.factor * self.attention.scores.scaled))
        return tuple(found)

    def _without_number(self, reader: Step, value: int) -> bool:
        """Put a step that reads a value anew, without the number of the scores; whether it can be: it is a multiple, or a
        product with one, or such a product's multiple."""
        reading, scaled = self.reading, self.attention.scores.scaled
        own = tuple(range(len(self.old.dims[reader.target])))
        multiple = reading.of(reader.target, own, once=True)
        if multiple.value == value:
            return self._multiplied(reader, own, multiple)
        if not isinstance(reader, Contract) or len(reader.operands) != 2 or any(o.views for o in reader.operands):
            return False
        mine = [o for o in reader.operands if o.value == value]
        if len(mine) != 1:
            return False
        (other,) = (o for o in reader.operands if o.value != value)
        seen = reading.of(other.value, other.axes)
        factor = seen.factor.divided(scaled)
        if seen.value == value:
            return False
        if factor is not None:
            self.new.append(replace(reader, operands=(mine[0], self._formed(replace(seen, factor=factor)))))
            return True
        last, axes, factor = reading.finished(reader, own)
        return self._multiplied(last, axes, Multiple(reader.target, own, factor))

    def _multiplied(self, step: Step, axes: Legs, multiple: Multiple) -> bool:
        """Put a multiple of a value anew, with axes along these of the value, without the number of the scores."""
        factor = multiple.factor.divided(self.attention.scores.scaled)
        if factor is None:
            return False
        operand = times(multiple.operand, factor, self.values, self.new)
        dims = dict(zip(multiple.axes, self.old.dims[multiple.value], strict=True))
        self.new.append(Arrange(step.target, operand, tuple((e,) for e in axes), dims))
        return True

    def _write(self, query: Multiple, key: Multiple, gradients: Gradients) -> None:
        """The calls, and from what they give the results and gradients with their factors."""
        a = self.attention
        rows, cells = (*a.batch, a.rows), (*a.batch, a.rows, a.keys)
        orders = ((*rows, INNER), (*a.batch, a.keys, INNER), (*a.batch, a.keys, COLUMNS))
        produced = (*rows, COLUMNS)
        given = (self._formed(query), self._formed(key), a.value.operand)
        masks, masked, mask = self._mask()
        out, back = self._target(a.results, produced), self._value(rows)
        text = f"tf.attention_and_back({{0}}, {{1}}, {{2}}{mask})"
        read, shapes = (*given, *masks), (*orders, *masked)
        self.new.append(Library(out, text, read, shapes, produced, produced, self.dims, price(cells), further=1))
        self.new.append(Part(back, out, 0, holds=True))
        self._results(out, produced, a.results)

        shared = Factor(_common([r.factor.coefficient for results in gradients for r in results]))
        left = [_divided(results, shared) or () for results in gradients]
        cotangent = self._formed(replace(a.cotangent, factor=shared))
        first, *others = targets = [self._target(results, o) for results, o in zip(left, orders, strict=True)]
        # The inputs and the result are not in the text: they are held until then.
        operands = (cotangent, Operand(back, rows), *read, Operand(out, produced))
        shapes = (produced, rows, *shapes, produced)
        call = Library(
            *(first, "{1}({0})", operands, shapes, orders[0], orders[0], self.dims, price_back(cells)),
            further=2,
            linear=True,
        )
        self.new += [call, *(Part(target, first, k) for k, target in enumerate(others))]
        for target, order, results in zip(targets, orders, left, strict=True):
            self._results(target, order, results)

    def _value(self, edges: Legs) -> int:
        return self.values.value([self.dims[e] for e in edges])

    def _target(self, results: Sequence[Result], order: Legs) -> int:
        """That of a result which a call gives as it is, or a new one."""
        for result in results:
            if result.axes == order and result.factor == Factor():
                return result.step.target
        return self._value(order)

    def _mask(self) -> tuple[tuple[Operand, ...], tuple[Legs, ...], str]:
        """The mask as an operand, the order of its axes, and the text of the argument, if there is one."""
        a = self.attention
        if a.scores.mask is None:
            return (), (), ""
        order, index = mask_text(a.scores.mask.axes, a.batch, a.rows, a.keys)
        return (self._formed(a.scores.mask),), (order,), f", {{3}}{index}"

    def _formed(self, multiple: Multiple) -> Operand:
        return self.reading.formed(multiple, self.values, self.new)

    def _results(self, value: int, order: Legs, results: Sequence[Result]) -> None:
        """The results that are multiples of a value, or have its axes in another order."""
        for result in results:
            if result.step.target != value:
                operand = times(Operand(value, order), result.factor, self.values, self.new)
                groups = tuple((e,) for e in result.axes)
                self.new.append(Arrange(result.step.target, operand, groups, self.dims))


def _divided(results: Sequence[Result], factor: Factor) -> tuple[Result, ...] | None:
    """The results with their factors divided by one; None where that cannot be."""
    quotients = [r.factor.divided(factor) for r in results]
    if None in quotients:
        return None
    return tuple(replace(r, factor=q) for r, q in zip(results, quotients, strict=True) if q is not None)


def _common(coefficients: Sequence[Poly]) -> Poly:
    """The coefficient of all, 1 if they differ."""
    first, *others = coefficients
    return first if first.is_monomial and all(c is first for c in others) else ONE
