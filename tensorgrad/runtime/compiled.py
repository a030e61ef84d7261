"""Compiled programs, kept by structure and sizes: equal expressions are planned and written out once in a process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tensorgrad.diagram import Leaf, Ref, Store
from tensorgrad.errors import MemoryLimitError
from tensorgrad.runtime.additions import added
from tensorgrad.runtime.attention_gradients import with_attention_gradients
from tensorgrad.runtime.build import build
from tensorgrad.runtime.constants import Hoisted, hoisted
from tensorgrad.runtime.factored_gradients import with_softmax_gradients
from tensorgrad.runtime.gelus import with_gelus
from tensorgrad.runtime.layer_norms import with_layer_norms
from tensorgrad.runtime.loading import load
from tensorgrad.runtime.loops import fitted
from tensorgrad.runtime.planning import Plan, naive_flops, of_program
from tensorgrad.runtime.program import Input, Program
from tensorgrad.runtime.scales import without_scales
from tensorgrad.runtime.slopes import with_slopes
from tensorgrad.runtime.solves import factored_halves
from tensorgrad.runtime.sums import nested
from tensorgrad.runtime.torch_source import Source
from tensorgrad.tensor import Tensor, Variable

KEPT = 512
"""Compiled programs that a process keeps."""


@dataclass(frozen=True, slots=True)
class Options:
    """How programs are made: variables whose values stay the same, what finds the orders of large contractions, the
    backend of torch.compile ("" without), and a memory limit."""

    constant: tuple[str, ...] = ()
    optimizer: str = "auto"
    backend: str = ""
    limit: int = 0
    """Entries that may be alive at one time; 0 without limit."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program for certain sizes: its plan, its source as a function, and, with constants, what is computed of them."""

    plan: Plan
    source: Source
    function: Callable[..., Any]
    before: Source | None = None
    prepare: Callable[..., Any] | None = None
    halves: tuple[str, ...] = ()
    """The variables of which its Cholesky factorisations read one half."""


@dataclass(frozen=True, slots=True)
class Written:
    """Expressions in a store, ready to be compiled for sizes: outputs, variables and unknown functions by name."""

    store: Store
    outputs: Mapping[str, Ref]
    variables: tuple[Variable, ...]
    functions: tuple[str, ...]
    named: tuple[tuple[str, Tensor], ...]
    rules: tuple[str, ...] = ()

    def structure(self) -> Hashable:
        """What programs depend on besides sizes; to be asked before anything is compiled, which adds to the store."""
        nodes = tuple((n.key, n.index) if isinstance(n, Leaf) else n for n in self.store.nodes)
        variables = tuple((v.name, v.edges, v.dims, v.facts) for v in self.variables)
        return nodes, tuple(self.outputs.items()), variables, self.functions


_kept: OrderedDict[Hashable, Compiled] = OrderedDict()


def compiled(written: Written, structure: Hashable, sizes: Mapping[str, int], options: Options) -> Compiled:
    """The program for these sizes; one of equal structure is not made again."""
    key = (structure, tuple(sorted(sizes.items())), options)
    found = _kept.get(key)
    if found is None:
        found = _kept[key] = _made(written, sizes, options)
        if len(_kept) > KEPT:
            _kept.popitem(last=False)
        return found
    _kept.move_to_end(key)
    return replace(found, plan=replace(found.plan, tensors=written.named, rules=written.rules))


def _made(written: Written, actual: Mapping[str, int], options: Options) -> Compiled:
    sizes = {s: max(1, n) for s, n in actual.items()}
    program = build(written.store, written.outputs, sizes, optimizer=options.optimizer, constant=options.constant)
    naive = naive_flops(written.store, program, [h for h, _ in written.outputs.values()], sizes)
    fused = program if options.constant else with_attention_gradients(with_softmax_gradients(program))
    if not options.limit or fused.peak(sizes) <= options.limit:
        program = fused
    elif not options.constant:
        program = fitted(program, sizes, options.limit)
    if not options.constant:
        program = nested(with_layer_norms(with_slopes(with_gelus(program, sizes))), sizes)
        if 0 not in actual.values():  # a common factor is divided by
            program = without_scales(program, sizes)
        program = added(nested(program, sizes), sizes)
    plan = of_program(program, sizes, written.named, naive, written.rules)
    title = ", ".join(written.outputs)
    facts = {v.name: frozenset(f.name for f in v.facts if not f.axes) for v in written.variables if v.order == 2}
    halves = factored_halves(program, facts)
    if not options.constant:
        source = _source(program, written, written.variables, sizes, "step")
        return Compiled(plan, source, _function(source, title, options.backend), halves=halves)
    names = [*(v.name for v in written.variables), *written.functions]
    cut = hoisted(program, options.constant, names)
    if options.limit and program.peak(sizes) > options.limit:
        try:
            cut = _fitted_halves(cut, sizes, options.limit)
        except MemoryLimitError:  # what would be held does not fit
            cut = _fitted_halves(hoisted(program, options.constant, names, computed=False), sizes, options.limit)
        plan = of_program(cut.joined, sizes, written.named, naive, written.rules)
    source = _source(cut.main, written, (*written.variables, *cut.held), sizes, "step")
    before = _source(cut.before, written, written.variables, sizes, "prepare")
    prepare = load(before.text, "prepare", title)
    return Compiled(plan, source, _function(source, title, options.backend), before, prepare, halves)


def _fitted_halves(cut: Hoisted, sizes: Mapping[str, int], limit: int) -> Hoisted:
    """Both parts of a program within a memory limit; what the first one leaves is there while the second one runs."""
    before = fitted(cut.before, sizes, limit)
    given = {s.target for s in before.steps if isinstance(s, Input)}
    held = sum(before.entries(v, sizes) for v, _ in before.outputs.values() if v not in given)
    main = fitted(Program(cut.main.steps, before.dims, cut.main.outputs), sizes, max(1, limit - held))
    return replace(cut, before=before, main=main)


def _source(
    program: Program, written: Written, variables: tuple[Variable, ...], sizes: Mapping[str, int], name: str
) -> Source:
    used = {s.name for s in program.steps if isinstance(s, Input)}
    functions = written.functions if name == "step" else ()
    return Source(program, [v for v in variables if v.name in used], functions, name, sizes)


def _function(source: Source, title: str, backend: str) -> Callable[..., Any]:
    function = load(source.text, source.name, title)
    if not backend:
        return function
    import torch

    return torch.compile(function, fullgraph=True, dynamic=False, backend=backend)
