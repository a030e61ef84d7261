"""A searched e-graph, from which the cheapest forms are extracted, by one measure of cost after another."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.derivation import Derivation
from tensorgrad.diagram.nodes import Ref
from tensorgrad.egraph.explain import Explainer, derivation
from tensorgrad.egraph.explored import Explored
from tensorgrad.egraph.gapless import Connect, Joiner
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.partial import Assumption
from tensorgrad.egraph.pricing import Objective, Pricing
from tensorgrad.egraph.saturate import Round, Stopped
from tensorgrad.extract import Extraction
from tensorgrad.tensor import Tensor

Price = Callable[[Sequence[Tensor]], "int | None"]
"""What it costs to compute tensors together; None where that is not known."""

JOINING = 3.0
"""Seconds for the steps between steps of derivations: those of large forms are left as several at once."""


@dataclass(frozen=True, slots=True)
class Form:
    """The cheapest form of one tensor, how it is derived, the rules of that, and where in the e-graph it is."""

    tensor: Tensor
    derivation: Derivation
    rules: tuple[str, ...]
    egraph: Explored


@dataclass(frozen=True, slots=True)
class Searched:
    """The e-graph that a search for a proof left, the two sides in it, and how it grew."""

    graph: EGraph
    sides: tuple[Ref, Ref]
    history: tuple[Round, ...]

    def explored(self) -> Explored:
        """The e-graph to be looked at, with the simplest forms of both sides chosen."""
        chosen = Extraction(self.graph, self.sides, Pricing(self.graph, None)).chosen
        first, second = (ref[0] for ref in self.sides)
        return Explored(self.graph, self.graph.root(first), chosen, self.history, (first, second))


@dataclass(frozen=True, slots=True)
class Exploration:
    """Tensors, the e-graph of what equals them, and how the search ended; `connect` finds missing steps."""

    tensors: tuple[Tensor, ...]
    refs: tuple[Ref, ...]
    graph: EGraph
    stopped: Stopped
    assumed: tuple[Assumption, ...]
    rounds: int
    dropped: int
    history: tuple[Round, ...]
    connect: Connect

    @property
    def classes(self) -> int:
        """Classes of the e-graph."""
        return self.graph.statistics()[0]

    @property
    def nodes(self) -> int:
        """Nodes of the e-graph that are not replaced."""
        return self.graph.statistics()[1]

    def extraction(self, dims: Mapping[str, int] | None, objective: Objective | None = None) -> Extraction:
        """The choice of least cost for all tensors together, parts that they share paid once."""
        return Extraction(self.graph, self.refs, Pricing(self.graph, dims, objective))

    def cheapest(self, dims: Mapping[str, int] | None, objective: Objective | None = None) -> tuple[Tensor, ...]:
        """The forms of that choice, without derivations."""
        return self._chosen(self.extraction(dims, objective))

    def _chosen(self, extraction: Extraction) -> tuple[Tensor, ...]:
        return tuple(extraction.tensor(ref, t.edges) for ref, t in zip(self.refs, self.tensors, strict=True))

    def forms(
        self, dims: Mapping[str, int] | None, objective: Objective | None = None, price: Price | None = None
    ) -> tuple[Form, ...]:
        """The forms of that choice, each with its derivation. With a price of all of them together it is refined, and what
        was given stays as it is where nothing cheaper is found."""
        extraction = self.extraction(dims, objective)
        if price is not None:
            extraction.refine(lambda: price(self._chosen(extraction)))
            given, chosen = price(self.tensors), price(self._chosen(extraction))
            if given is not None and chosen is not None and given < chosen:
                return tuple(self._given(t, ref, extraction) for t, ref in zip(self.tensors, self.refs, strict=True))
        explainer, until = Explainer(self.graph), time.monotonic() + JOINING
        pairs = zip(self.refs, self.tensors, strict=True)
        return tuple(self._form(t, ref, extraction, explainer, until) for ref, t in pairs)

    def _given(self, t: Tensor, ref: Ref, extraction: Extraction) -> Form:
        egraph = Explored(self.graph, self.graph.root(ref[0]), extraction.chosen, self.history)
        return Form(t, Derivation(()), (), egraph)

    def _form(self, t: Tensor, ref: Ref, extraction: Extraction, explainer: Explainer, until: float) -> Form:
        steps, names = explainer.extraction(ref[0], extraction.chosen)
        edges = [t.edges[list(ref[1]).index(p)] for p in range(len(ref[1]))]
        result = extraction.tensor(ref, t.edges)
        joined = Joiner(self.connect, names, until).joined(t, derivation(steps, edges).steps, result)
        egraph = Explored(self.graph, self.graph.root(ref[0]), extraction.chosen, self.history)
        return Form(result, Derivation(tuple(joined)), names, egraph)
