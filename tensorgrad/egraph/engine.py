"""Rule sets compiled once: patterns, fact rules and the egglog program that proposes matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import ClassVar

from tensorgrad.diagram.nodes import Application, Total
from tensorgrad.egraph.facts import is_transfer
from tensorgrad.egraph.pattern import ORIENTED, FunctionIds, Need, Pattern, Rewrite, compile_rewrite
from tensorgrad.egraph.tables import Tables
from tensorgrad.rule import Rule, RuleSet
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Apply, Delta, Derivative, Expectation, Fact, Product, Tensor, Variable, resize, walk

FACTS = (
    "symmetric skew diagonal upper lower orthogonal orthonormal invertible psd pd idempotent positive nonnegative "
    "nonzero unit simplex onehot integer"
).split()


class Engine:
    """The compiled form of a rule set; `Engine.of(rules)` keeps one per rule set in the process."""

    _known: ClassVar[dict[tuple[str, ...], Engine]] = {}

    def __init__(self, rules: RuleSet) -> None:
        self.ids = FunctionIds()
        self.fact_ids = {name: k for k, name in enumerate(FACTS)}
        self.tables = Tables(self.ids, self.fact_ids)
        self.fact_rules: dict[str, list[Pattern]] = {}
        self.patterns: list[Pattern] = []
        for rule in rules:
            if not _is_calculus(rule):
                for rewrite in rewrites(rule):
                    self._add(rewrite)

    @classmethod
    def of(cls, rules: RuleSet) -> Engine:
        """The engine of a rule set, made when first asked for."""
        key = tuple(f"{rule.place} {rule}" for rule in rules)
        if key not in cls._known:
            cls._known[key] = cls(rules)
        return cls._known[key]

    def _add(self, rewrite: Rewrite) -> None:
        pattern = compile_rewrite(rewrite, self.ids, self.fact_ids)
        if pattern is None:
            return
        self.patterns.append(pattern)
        if rewrite.concludes is None:
            self.tables.add_pattern(pattern)
            return
        fact = rewrite.concludes.name
        self.fact_rules.setdefault(fact, []).append(pattern)
        chain = is_transfer(pattern)
        premises = [n.fact.name for n in rewrite.needs if n.fact is not None]
        if chain is None or fact in ORIENTED or any(p in ORIENTED for p in premises):
            return
        functions = []
        for handle in chain:
            node = pattern.store.nodes[handle]
            assert isinstance(node, Application)
            functions.append(self.ids.of(node.function))
        if chain:
            self.tables.add_transfer(functions, premises, fact)
        elif premises:
            self.tables.add_implication(premises, fact)


def _is_calculus(rule: Rule) -> bool:
    """Whether a rule is about derivatives or expectations, which are taken before the e-graph is built."""
    return any(
        isinstance(node, Derivative | Expectation)
        or (isinstance(node, Apply) and node.function.known and node.function.derivative > 0)
        for t in (rule.left, *([rule.right] if rule.right is not None else []))
        for node in walk(t)
    )


def rewrites(rule: Rule) -> Iterator[Rewrite]:
    """The directions of a rule, and of its instances with a square variable set to I or a size set to 1."""
    functions = tuple(name for name, f in rule.scope.functions.items() if not f.known)
    needs = [Need(c.tensor, c.fact, c.right) for c in rule.conditions if c.kind != "law"]
    needs += [Need(v, fact) for v in rule.left.variables for fact in v.facts]
    left, right = _bare(rule.left), _bare(rule.right) if rule.right is not None else None
    plain = [Need(_bare(n.tensor), n.fact, _bare(n.right) if n.right is not None else None) for n in needs]
    concludes = rule.concludes.fact if rule.concludes is not None else None
    explore = not rule.directed and concludes is None
    yield Rewrite(rule.name, rule.source, left, right, tuple(plain), concludes, explore, functions)
    if right is None:
        return
    if explore:
        yield Rewrite(rule.name, rule.source, right, left, tuple(plain), None, True, functions)
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


def _scalar_need(need: Need) -> Need:
    """invertible(K) of a 1 x 1 matrix is nonzero(K)."""
    if need.fact is not None and need.fact.name == "invertible" and all(d is ONE for d in need.tensor.dims):
        return Need(Product((need.tensor,), ()), Fact("nonzero"))
    return need


def _bare(t: Tensor) -> Tensor:
    """The tensor with the facts of its variables taken off: as conditions they are looked up, not built in."""
    return resize(t, {}, {v.name: Variable(v.name, edges=v.sizes) for v in t.variables if v.facts})


def instances(left: Tensor) -> Iterator[tuple[dict[str, Tensor], dict[str, Poly]]]:
    """For a function of a sum: square variables set to the identity, sizes that are inner to a product set to 1."""
    from tensorgrad.diagram import Store, insert

    store = Store()
    node = store.nodes[insert(store, left)[0]]
    if not isinstance(node, Application) or not isinstance(store.nodes[node.args[0][0]], Total):
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


def _with_size_one(identity: dict[str, Tensor], variables: Sequence[Variable], symbol: str) -> dict[str, Tensor]:
    replaced = {name: resize(t, {symbol: ONE}) for name, t in identity.items()}
    for v in variables:
        if v.name not in replaced and any(symbol in d.symbols for d in v.dims):
            kept = {e: d for e, d in v.sizes.items() if symbol not in d.symbols}
            ones = [Delta(ONE, e) for e in v.edges if e not in kept]
            replaced[v.name] = Product((Variable(v.name, edges=kept), *ones), v.edges)
    return replaced
