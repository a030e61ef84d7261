"""Rule sets compiled once: patterns, fact rules and the egglog program that proposes matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import ClassVar

from tensorgrad.calculus import ClosedForm, forms_of, lines_of
from tensorgrad.diagram import Store, insert
from tensorgrad.diagram.nodes import Application, Leaf, Network, Total
from tensorgrad.diagram.powers import is_natural
from tensorgrad.egraph.facts import is_transfer
from tensorgrad.egraph.pattern import ORIENTED, FunctionIds, Need, Pattern, Rewrite, compile_rewrite
from tensorgrad.egraph.special import SpecialCases
from tensorgrad.egraph.tables import Tables
from tensorgrad.errors import RuleError
from tensorgrad.numeric.sample import names_of
from tensorgrad.rule import Rule, RuleSet
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
    Fact,
    LeviCivita,
    Product,
    Rename,
    Scalar,
    Tensor,
    Unit,
    Variable,
    renamed,
    resize,
    walk,
)

_KEPT = 16

FACTS = (
    "symmetric skew diagonal upper lower orthogonal orthonormal invertible psd pd idempotent positive nonnegative "
    "nonzero unit simplex onehot integer"
).split()


class Engine:
    """Compiled rules and their egglog program. `Engine.of` gives the one with the rules that can matter for some tensors."""

    def __init__(self, library: Library, rules: Sequence[Rule]) -> None:
        self.tables = Tables(library.ids, library.fact_ids)
        self.fact_rules: dict[str, list[Pattern]] = {}
        self.patterns: list[Pattern] = []
        self._library = library
        self.lines = library.lines
        for rule in rules:
            for pattern in library.compiled(rule):
                self._add(pattern)

    @staticmethod
    def of(rules: RuleSet, tensors: Sequence[Tensor]) -> Engine:
        """The engine with those of the rules whose functions can occur when one starts from `tensors`."""
        library = Library.of(rules)
        return library.engine(frozenset(name for t in tensors for name in _names(t, library.forms)))

    def _add(self, pattern: Pattern) -> None:
        self.patterns.append(pattern)
        rewrite = pattern.rewrite
        if rewrite.concludes is None:
            self.tables.add_pattern(pattern)
            return
        fact = rewrite.concludes.name
        self.fact_rules.setdefault(fact, []).append(pattern)
        chain = is_transfer(pattern)
        premises = [n.fact.name for n in rewrite.needs if n.fact is not None]
        if chain is None or fact in ORIENTED or any(p in ORIENTED for p in premises):
            return
        functions: list[int] = []
        for handle in chain:
            node = pattern.store.nodes[handle]
            assert isinstance(node, Application)
            functions.append(self._library.ids.of(node.function))
        if chain:
            self.tables.add_transfer(functions, premises, fact)
        elif premises:
            self.tables.add_implication(premises, fact)


class Library:
    """A rule set on its way to engines: every rule is compiled once, when first needed; engines are kept by their rules."""

    _known: ClassVar[dict[tuple[int, ...], Library]] = {}

    def __init__(self, rules: RuleSet) -> None:
        self.ids = FunctionIds()
        self.fact_ids = {name: k for k, name in enumerate(FACTS)}
        self._all = tuple(rules)  # alive as long as this is, so that their ids stay theirs
        self._rules = [rule for rule in self._all if not _is_calculus(rule)]
        self._left = [_needed(rule) for rule in self._rules]
        self.lines = lines_of(rules)
        self.forms = forms_of(self.lines)
        self._right = [frozenset(n for t in rule.tensors for n in _names(t, self.forms)) for rule in self._rules]
        self._patterns: dict[str, list[Pattern]] = {}
        self._special: SpecialCases | None = None
        self._engines: dict[tuple[int, ...], Engine] = {}
        self._by_names: dict[frozenset[str], Engine] = {}

    @classmethod
    def of(cls, rules: RuleSet) -> Library:
        """The compiled form of a rule set, kept in the process while rules are the same objects."""
        key = tuple(map(id, rules))
        if key not in cls._known:
            if len(cls._known) >= _KEPT:
                del cls._known[next(iter(cls._known))]
            cls._known[key] = cls(rules)
        return cls._known[key]

    def engine(self, names: frozenset[str]) -> Engine:
        """The engine for problems with these functions: with all rules that can be reached from them."""
        if names in self._by_names:
            return self._by_names[names]
        reached, size = set(names), -1
        while len(reached) != size:
            size = len(reached)
            for k, needed in enumerate(self._left):
                if any(side <= reached for side in needed):
                    reached |= self._right[k]
        chosen = tuple(k for k, needed in enumerate(self._left) if any(side <= reached for side in needed))
        if chosen not in self._engines:
            self._engines[chosen] = Engine(self, [self._rules[k] for k in chosen])
        self._by_names[names] = self._engines[chosen]
        return self._engines[chosen]

    def compiled(self, rule: Rule) -> list[Pattern]:
        """The patterns of a rule: its directions and instances."""
        found = self._patterns.get(rule.name)
        if found is None:
            ways = [self._special_cases.giving_way(rewrite) for rewrite in rewrites(rule)]
            made = [compile_rewrite(rewrite, self.ids, self.fact_ids) for rewrite in ways]
            found = self._patterns[rule.name] = [pattern for pattern in made if pattern is not None]
        return found

    @property
    def _special_cases(self) -> SpecialCases:
        if self._special is None:
            directed = [rule for rule in self._rules if rule.directed and rule.right is not None]
            self._special = SpecialCases(next(rewrites(rule)) for rule in directed)
        return self._special


def _names(t: Tensor, forms: Sequence[ClosedForm]) -> Iterator[str]:
    """Names of the known functions and structural tensors of an expression, and its sizes that are numbers; what
    structure turns into what else, too."""
    for node in walk(t):
        yield from _fixed_sizes(node)
        if isinstance(node, Apply) and node.function.known:
            name = node.function.name
            yield "pow" if name == "sqrt" else name
            if name in ("inv", "matpow"):
                yield from ("inv", "pow")
        elif isinstance(node, LeviCivita | Unit | Convolution):
            yield type(node).__name__
        elif isinstance(node, Expectation):
            yield from _of_closed_forms(node, forms)


def _of_closed_forms(node: Expectation, forms: Sequence[ClosedForm]) -> Iterator[str]:
    """Names of the functions that an expectation may turn into."""
    inside = {n.function.name for a in node.args for n in walk(a) if isinstance(n, Apply)}
    for form in forms:
        if all(f.name in inside for factor in form.factors for f, _ in factor.chain):
            for t in (form.right, *(t for t, _ in form.needs)):
                yield from (n.function.name for n in walk(t) if isinstance(n, Apply) and n.function.known)


def _needed(rule: Rule) -> list[frozenset[str]]:
    """For each side that can be looked for (the left, of an identity also the right) the functions that it needs.

    A side of a rewrite with neither functions nor facts would match everywhere: it is not looked for.
    """
    if rule.right is None:
        return [frozenset(_own_names(rule.left))]
    sides = [rule.left] if rule.directed else [rule.left, rule.right]
    return [frozenset(_own_names(side)) for side in sides if _can_be_found(side)]


def _can_be_found(side: Tensor) -> bool:
    """Whether a side has an application (of an unknown function too), a structural tensor, a variable with facts, or one
    with numbers as sizes that stands there twice."""
    applied = any(isinstance(n, Apply) and not (n.function.known and not set(_own_names(n))) for n in walk(side))
    named = any(not name.isdigit() for name in _own_names(side))
    return applied or named or _repeats_a_name(side) or any(v.facts for v in side.variables)


def _repeats_a_name(side: Tensor) -> bool:
    factors = [f.variables[0] for f in side.children if isinstance(f, Variable | Rename) and len(f.variables) == 1]
    return isinstance(side, Product) and any(any(_fixed_sizes(v)) and factors.count(v) > 1 for v in factors)


def _fixed_sizes(t: Tensor) -> Iterator[str]:
    """The sizes that are numbers, as names: a rule for 2 by 2 matrices is of use where there are any."""
    return (str(d) for d in t.dims if d.is_constant and d is not ONE)


def _own_names(t: Tensor) -> Iterator[str]:
    for node in walk(t):
        if isinstance(node, Variable):
            yield from _fixed_sizes(node)
        if isinstance(node, Apply) and node.function.known:
            if node.function.name != "pow" or not _is_copies(node):
                yield "pow" if node.function.name == "sqrt" else node.function.name
        elif isinstance(node, LeviCivita | Unit | Convolution):
            yield type(node).__name__


def _is_copies(node: Apply) -> bool:
    """Whether a power is nothing but equal factors: a small natural exponent."""
    exponent = node.args[1]
    return isinstance(exponent, Scalar) and exponent.value.is_constant and is_natural(exponent.value)


def _is_calculus(rule: Rule) -> bool:
    """Whether a rule is about derivatives or expectations, which are taken before the e-graph is built.

    `d(f)(-x) => d(f)(x)` is none: it says of a function that is left what `d(f)(x) => ...` would do away with.
    """
    if any(
        isinstance(node, Derivative | Expectation)
        for t in (rule.left, *([rule.right] if rule.right is not None else []))
        for node in walk(t)
    ):
        return True
    left = rule.left
    return isinstance(left, Apply) and left.function.derivative > 0 and isinstance(left.args[0], Variable)


def rewrites(rule: Rule) -> Iterator[Rewrite]:
    """The directions of a rule, and of its instances with a square variable set to I or a size set to 1."""
    functions = tuple(name for name, f in rule.scope.functions.items() if not f.known)
    needs = [Need(c.tensor, c.fact, c.right) for c in rule.conditions if c.kind != "law"]
    variables, _ = names_of(rule.tensors)
    needs += [Need(v, fact) for v in variables for fact in v.facts]
    left, right = _bare(rule.left), _bare(rule.right) if rule.right is not None else None
    plain = [Need(_bare(n.tensor), n.fact, _bare(n.right) if n.right is not None else None) for n in needs]
    concludes = rule.concludes.fact if rule.concludes is not None else None
    explore = not rule.directed and concludes is None
    sides = [(left, right), (right, left)] if explore else [(left, right)]
    for side, other in sides:
        assert side is not None
        solved = _solving(rule.name, side, plain)
        yield (made := Rewrite(rule.name, rule.source, side, other, solved, concludes, explore, functions))
        if other is not None and any(n.right is not None for n in solved):
            yield _transposed(made)
    if right is None or any(n.solves for n in _solving(rule.name, left, plain)):
        return
    if isinstance(left, Apply) and (unscaled := _unscaled(left, right, plain)) is not None:
        yield Rewrite(rule.name, rule.source, *unscaled, tuple(plain), None, explore, functions)
    for replaced, sizes in instances(left):
        if any(
            isinstance(n.tensor, Variable)
            and n.tensor.name in replaced
            and n.fact is not None
            and n.fact.name != "invertible"
            for n in plain
        ):
            continue
        kept = tuple(
            Need(
                resize(n.tensor, sizes, replaced), n.fact, None if n.right is None else resize(n.right, sizes, replaced)
            )
            for n in plain
            if not (isinstance(n.tensor, Variable) and isinstance(replaced.get(n.tensor.name), Delta))
        )
        special = tuple(_scalar_need(n) for n in kept)
        yield Rewrite(
            rule.name,
            rule.source,
            resize(left, sizes, replaced),
            resize(right, sizes, replaced),
            special,
            None,
            explore,
            functions,
        )


def _unscaled(left: Apply, right: Tensor, needs: Sequence[Need]) -> tuple[Tensor, Tensor] | None:
    """A rule for f(c * A) under conditions of A, for f(A): what is written without a number has the number 1."""
    argument = left.args[0]
    factors = argument.factors if isinstance(argument, Product) else ()
    numbers = [f for f in factors if isinstance(f, Variable) and not f.order]
    rest = {v.name for f in factors if f not in numbers for v in f.variables}
    asked = set[str]().union(*map(_names_in, needs))
    if len(factors) != 2 or len(numbers) != 1 or numbers[0].name in asked or not rest & asked:
        return None
    one: dict[str, Tensor] = {numbers[0].name: Scalar(ONE)}
    return resize(left, {}, one), resize(right, {}, one)


def _solving(rule: str, left: Tensor, needs: Sequence[Need]) -> tuple[Need, ...]:
    """The conditions in an order in which each can be looked up, those that bind names as soon as they can.

    Raises RuleError for a condition with a name that nothing binds.
    """
    bound = {v.name for v in left.variables}
    waiting, found = list(needs), list[Need]()
    while waiting:
        ready = [n for n in waiting if _names_in(n) <= bound]
        if not ready:
            equation, solving = next(((n, s) for n in waiting if (s := _solved(n, bound)) is not None), (None, None))
            if equation is None or solving is None:
                names = sorted(set().union(*map(_names_in, waiting)) - bound)
                raise RuleError(f"{rule}: nothing says what {', '.join(names)} in the conditions is")
            waiting.remove(equation)
            bound |= set(solving.solves)
            ready = [solving]
        found += ready
        waiting = [n for n in waiting if n not in ready]
    return tuple(found)


def _solved(need: Need, bound: set[str]) -> Need | None:
    """An equation that says what the unknown names of one side are, by the other side, all of whose names are known."""
    for one, other in ((need.tensor, need.right), (need.right, need.tensor)):
        if one is not None and other is not None and {v.name for v in one.variables} <= bound:
            return Need(one, None, other, tuple(v.name for v in other.variables if v.name not in bound))
    return None


def _names_in(need: Need) -> set[str]:
    return {v.name for t in (need.tensor, need.right) if t is not None for v in t.variables}


def _transposed(rewrite: Rewrite) -> Rewrite:
    """The same of the transposed matrices: f(A) and f(A.T) are one application, read in two directions."""
    square = [v for v in rewrite.left.variables if v.order == 2 and v.dims[0] is v.dims[1]]
    turned: dict[str, Tensor] = {v.name: renamed(v, v.edges[::-1]) for v in square}

    def turn(t: Tensor) -> Tensor:
        return resize(t, {}, turned)

    needs = (replace(n, tensor=turn(n.tensor), right=None if n.right is None else turn(n.right)) for n in rewrite.needs)
    assert rewrite.right is not None
    return replace(rewrite, left=turn(rewrite.left), right=turn(rewrite.right), needs=tuple(needs))


def _scalar_need(need: Need) -> Need:
    """invertible(K) of a 1 x 1 matrix is nonzero(K)."""
    if need.fact is not None and need.fact.name == "invertible" and all(d is ONE for d in need.tensor.dims):
        return Need(Product((need.tensor,), ()), Fact("nonzero"))
    return need


def _bare(t: Tensor) -> Tensor:
    """The tensor with the facts of its variables taken off: as conditions they are looked up, not built in."""
    return resize(t, {}, {v.name: Variable(v.name, edges=v.sizes) for v in t.variables if v.facts})


def instances(left: Tensor) -> Iterator[tuple[dict[str, Tensor], dict[str, Poly]]]:
    """For a function of a sum: square variables set to the identity, sizes that are inner to a product set to 1.

    For a function of an outer product, as kron(A, B): one of its square factors set to the identity.
    """
    store = Store()
    node = next((n for n in reversed(store.nodes) if isinstance(n, Application)), None) if insert(store, left) else None
    if not isinstance(node, Application) or node.function.nullary:
        return
    argument = store.nodes[node.args[0][0]]
    if isinstance(argument, Network) and _is_outer(store, argument):
        for v in left.variables:
            if v.order == 2 and v.dims[0] is v.dims[1]:
                yield {v.name: Delta(v.dims[0], *v.edges)}, {}
    if not isinstance(argument, Total) or node is not store.nodes[insert(store, left)[0]]:
        return
    variables = left.variables
    square = [v for v in variables if v.order == 2 and v.dims[0] is v.dims[1]]
    outer = {
        s for label, d in zip(node.args[0][1], store.dims[node.args[0][0]], strict=True) if label < 0 for s in d.symbols
    }
    inner = sorted({s for v in variables for d in v.dims for s in d.symbols} - outer)
    for count in range(len(square) + 1):
        for chosen in combinations(square, count):
            identity: dict[str, Tensor] = {v.name: Delta(v.dims[0], *v.edges) for v in chosen}
            if identity:
                yield identity, {}
            for symbol in inner:
                yield _with_size_one(identity, variables, symbol), {symbol: ONE}


def _is_outer(store: Store, network: Network) -> bool:
    """Whether a network is two variables side by side, with no edge in common."""
    legs = [e for _, own in network.operands for e in own]
    leaves = all(h > 0 and isinstance(store.nodes[h], Leaf) for h, _ in network.operands)
    return leaves and len(network.operands) == 2 and len(set(legs)) == len(legs)


def _with_size_one(identity: dict[str, Tensor], variables: Sequence[Variable], symbol: str) -> dict[str, Tensor]:
    replaced = {name: resize(t, {symbol: ONE}) for name, t in identity.items()}
    for v in variables:
        if v.name not in replaced and any(symbol in d.symbols for d in v.dims):
            kept = {e: d for e, d in v.sizes.items() if symbol not in d.symbols}
            ones = [Delta(ONE, e) for e in v.edges if e not in kept]
            replaced[v.name] = Product((Variable(v.name, edges=kept), *ones), v.edges)
    return replaced
