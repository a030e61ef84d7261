"""The egglog side: tables of nodes, legs and facts over e-classes, joined by egglog to find where rules may apply.

The sort T is an e-class, a tensor up to the order of its axes; the host keeps the orders and checks every proposal.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.nodes import Application, Leaf, Network, Node, Total
from tensorgrad.egraph.pattern import ORIENTED, RELATIONS, FunctionIds, Pattern, Query
from tensorgrad.errors import UnsoundError
from tensorgrad.tensor import Variable

if TYPE_CHECKING:
    from tensorgrad.egraph.graph import EGraph

_SCHEMA = """
(sort T)
(constructor Ref (i64) T)
(function order (T) i64 :no-merge)
(relation nullary (i64 i64 T)) (relation app (i64 i64 T T)) (relation binary (i64 i64 T T T))
(relation net (i64 T)) (relation operand (i64 i64 T)) (relation leg (i64 i64 i64))
(relation sum (i64 T)) (relation term (i64 i64 T))
(relation fact (i64 T)) (relation leaf (i64 T))
(relation ref_in (i64 i64)) (relation nullary_in (i64 i64 i64))
(relation app_in (i64 i64 i64 i64)) (relation binary_in (i64 i64 i64 i64 i64))
(relation net_in (i64 i64)) (relation operand_in (i64 i64 i64))
(relation sum_in (i64 i64)) (relation term_in (i64 i64 i64))
(relation fact_in (i64 i64)) (relation leaf_in (i64 i64)) (relation union_in (i64 i64))
(ruleset load) (ruleset facts) (ruleset mark)
(rule ((ref_in h d)) ((set (order (Ref h)) d)) :ruleset load)
(rule ((nullary_in f n o)) ((nullary f n (Ref o))) :ruleset load)
(rule ((app_in f n a o)) ((app f n (Ref a) (Ref o))) :ruleset load)
(rule ((binary_in f n a b o)) ((binary f n (Ref a) (Ref b) (Ref o))) :ruleset load)
(rule ((net_in n o)) ((net n (Ref o))) :ruleset load)
(rule ((operand_in n k o)) ((operand n k (Ref o))) :ruleset load)
(rule ((sum_in n o)) ((sum n (Ref o))) :ruleset load)
(rule ((term_in n k o)) ((term n k (Ref o))) :ruleset load)
(rule ((fact_in f o)) ((fact f (Ref o))) :ruleset load)
(rule ((leaf_in k o)) ((leaf k (Ref o))) :ruleset load)
(rule ((union_in a b)) ((union (Ref a) (Ref b))) :ruleset load)
"""
_ORDER = (
    "ref_in",
    "union_in",
    "leaf_in",
    "nullary_in",
    "app_in",
    "binary_in",
    "net_in",
    "operand_in",
    "leg",
    "sum_in",
    "term_in",
    "fact_in",
)
_INLINE_ROWS = 12
_TOGETHER = 16
"""Queries that are run together: between two such groups the search may end."""
_MANY = 1000
"""New nodes for which that is worth while."""


class Tables:
    """One egglog program for one set of compiled patterns; `end` (pop) separates problems."""

    def __init__(self, ids: FunctionIds, fact_ids: Mapping[str, int]) -> None:
        from egglog.bindings import EGraph as Egglog

        self._egglog = Egglog()
        self._ids = ids
        self._fact_ids = fact_ids
        self._fact_names = {number: name for name, number in fact_ids.items()}
        self._columns: dict[str, tuple[Pattern, Query]] = {}
        self._groups: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="tensorgrad-")
        weakref.finalize(self, self._folder.cleanup)
        self._read: dict[str, set[tuple[int, ...]]] = {}
        self._read_facts: set[tuple[int, int]] = set()
        self._open = False
        self._run(_SCHEMA)

    def _run(self, program: str) -> None:
        try:
            self._egglog.run_program(*self._egglog.parse_program(program))
        except BaseException as error:  # a Rust panic is no Exception
            if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
                raise
            raise UnsoundError(f"the e-graph's tables contradict each other: {error}") from error

    def add_pattern(self, pattern: Pattern) -> None:
        """Compile a pattern's queries to egglog rules that fill one match table each."""
        for query in pattern.queries:
            number = len(self._columns)
            # egglog numbers names of its own: no name may end in a digit
            name, group = f"match{number}m", f"group{number // _TOGETHER}g"
            if group not in self._groups:
                self._groups.append(group)
                self._run(f"(ruleset {group})")
            self._columns[name] = (pattern, query)
            variables = " ".join(v for _, _, v in query.columns)
            types = " ".join("i64" for _ in query.columns)
            atoms = [*query.atoms, *(self._mark(f"{name}{k}m", *mark) for k, mark in enumerate(query.marks))]
            self._run(
                f"(relation {name} ({types}))\n(rule ({' '.join(atoms)}) (({name} {variables})) :ruleset {group})"
            )

    def _mark(self, name: str, variable: str, ways: Sequence[Sequence[str]]) -> str:
        """An atom that holds where one of the conjunctions has a solution."""
        rules = "".join(f"\n(rule ({' '.join(atoms)}) (({name} {variable})) :ruleset mark)" for atoms in ways)
        self._run(f"(relation {name} (i64)){rules}")
        return f"({name} {variable})"

    def add_implication(self, premises: Sequence[str], conclusion: str) -> None:
        """A rule among facts of one class: all of `premises` give `conclusion`."""
        atoms = " ".join(f"(fact {self._fact_ids[p]} t)" for p in premises)
        self._run(f"(rule ({atoms}) ((fact {self._fact_ids[conclusion]} t)) :ruleset facts)")

    def add_transfer(self, chain: Sequence[int], premises: Sequence[str], conclusion: str) -> None:
        """f(g(... x)) has `conclusion` when x has all of `premises`; `chain` are the functions' ids, outermost first."""
        atoms = [f"(app {f} n{k} t{k + 1} t{k})" for k, f in enumerate(chain)]
        atoms += [f"(fact {self._fact_ids[p]} t{len(chain)})" for p in premises]
        self._run(f"(rule ({' '.join(atoms)}) ((fact {self._fact_ids[conclusion]} t0)) :ruleset facts)")

    def end(self) -> None:
        """Forget the problem, if there was one."""
        if self._open:
            self._run("(pop)")
        self._open = False

    def _begin(self) -> None:
        self._run("(push)")
        self._open = True
        self._read = {}
        self._read_facts = set()

    def step(self, graph: EGraph) -> list[tuple[Pattern, dict[tuple[str, int], int]]]:
        """Write what is new, derive facts, run one round of matching; the new proposals and (in the graph) new facts."""
        if not self._open:
            self._begin()
        many = len(graph.fresh) > _MANY
        self._write(graph)
        self._run("(run-schedule (saturate (run load)) (saturate (run facts)) (run mark))")
        self._match(graph, many)
        tables: dict[str, Any] = self._egglog.freeze().functions
        self._take_facts(graph, tables)
        return self._take_matches(graph, tables)

    def _match(self, graph: EGraph, many: bool) -> None:
        """Fill the match tables; with many new nodes in parts, for what egglog has begun it ends."""
        runs = [f"(run {group})" for group in self._groups]
        if not many:
            self._run(f"(run-schedule {' '.join(runs)})")
            return
        for run in runs:
            graph.check_budget()
            self._run(f"(run-schedule {run})")

    def _write(self, graph: EGraph) -> None:
        rows = _rows(graph, self._ids, self._fact_ids)
        program: list[str] = []
        for table in _ORDER:
            new = rows.get(table, [])
            if len(new) <= _INLINE_ROWS:
                program += [f"({table} {' '.join(map(str, row))})" for row in new]
            else:
                path = Path(self._folder.name) / f"{table}.tsv"
                path.write_text("\n".join("\t".join(map(str, row)) for row in new) + "\n")
                program.append(f'(input {table} "{path}")')
        if program:
            self._run("\n".join(program))

    def _take_facts(self, graph: EGraph, tables: Mapping[str, Any]) -> None:
        read = self._egglog.value_to_i64
        rows = [(read(row.inputs[0]), row.inputs[1]) for row in tables["fact"].rows]
        rows = [(number, value) for number, value in rows if self._fact_names[number] not in ORIENTED]
        if not rows:
            return
        handle_of: dict[Any, int] = {}
        for row in tables["Ref"].rows:
            handle = read(row.inputs[0])
            if handle < handle_of.get(row.output, handle + 1):
                handle_of[row.output] = handle
        new = {(number, handle_of[value]) for number, value in rows} - self._read_facts
        self._read_facts |= new
        for number, handle in sorted(new):
            graph.assert_fact((handle, tuple(range(len(graph.dims[handle])))), self._fact_names[number])

    def _take_matches(
        self, graph: EGraph, tables: Mapping[str, Any]
    ) -> list[tuple[Pattern, dict[tuple[str, int], int]]]:
        read = self._egglog.value_to_i64
        found: list[tuple[Pattern, dict[tuple[str, int], int]]] = []
        for name, (pattern, query) in self._columns.items():
            table = tables[name].rows
            if not table:
                continue
            known = self._read.setdefault(name, set())
            if len(table) == len(known):
                continue
            graph.check_budget()
            new = {tuple(read(v) for v in row.inputs) for row in table} - known
            known |= new
            keys = [(what, key) for what, key, _ in query.columns]
            found += [(pattern, dict(zip(keys, row, strict=True))) for row in sorted(new)]
        return found


def _rows(graph: EGraph, ids: FunctionIds, fact_ids: Mapping[str, int]) -> dict[str, list[tuple[int, ...]]]:
    """The rows for nodes, unions and facts that are new since the last call."""
    rows: dict[str, list[tuple[int, ...]]] = {}

    def put(table: str, *row: int) -> None:
        rows.setdefault(table, []).append(row)

    for h in graph.fresh:
        put("ref_in", h, len(graph.dims[h]))
        node = graph.nodes[h]
        if h in graph.dead:
            continue
        _put_node(put, h, node, ids)
    for a, b in graph.merged:
        put("union_in", a, b)
    for h, fact in graph.new_facts:
        name = fact.removesuffix(".T")
        if name in fact_ids:
            put("fact_in", fact_ids[name], h)
    graph.fresh, graph.merged, graph.new_facts = [], [], []
    return rows


def _put_node(put: Callable[..., None], handle: int, node: Node, ids: FunctionIds) -> None:
    match node:
        case Application():
            args = [a for a, _ in node.args]
            if len(args) < len(RELATIONS):
                put(f"{RELATIONS[len(args)]}_in", ids.of(node.function), handle, *args, handle)
        case Network():
            put("net_in", handle, handle)
            for k, (operand, legs) in enumerate(node.operands):
                if operand > FLAT:
                    put("operand_in", handle, k, operand)
                    for e in dict.fromkeys(legs):
                        put("leg", handle, k, e)
        case Total():
            put("sum_in", handle, handle)
            for k, (_, term, _) in enumerate(node.terms):
                put("term_in", handle, k, term)
        case Leaf():
            if not isinstance(node.tensor, Variable):
                put("leaf_in", ids.of_leaf(node), handle)
