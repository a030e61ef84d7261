"""What each rule did in a run: its matches, the nodes it made, the time it took; and the same of the built-in moves."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

MATCHING = "find matches"
WRITING_OUT = "write out nodes"
DISTRIBUTING = "distribute"
EXPLORING = "take apart"
FACTORING = "factor"
MOVES = (MATCHING, WRITING_OUT, DISTRIBUTING, EXPLORING, FACTORING)
"""What is no rule but takes time: egglog's joins, and the moves that are built in."""


@dataclass(slots=True)
class Tally:
    """`matches` whose conditions held, those of them that were `new`, `nodes` made, `seconds`."""

    matches: int = 0
    new: int = 0
    nodes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Profile:
    """Tallies by name of the rule or move; `size` says how many nodes there are.

    Nodes and time are those of the innermost: of a fact that a rule asks for they are the fact's, not the rule's.
    """

    size: Callable[[], int]
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    _stack: list[Tally] = field(default_factory=list[Tally])
    _since: float = 0.0
    _nodes: int = 0

    def begin(self, name: str) -> Tally:
        """Charge what follows to a name; to be followed by `end`, whatever happens."""
        self._charge()
        found = self.tallies.get(name)
        if found is None:
            found = self.tallies[name] = Tally()
        self._stack.append(found)
        return found

    def end(self) -> None:
        """Charge what follows to what was charged before."""
        self._charge()
        self._stack.pop()

    @contextmanager
    def timed(self, name: str) -> Generator[Tally, None, None]:
        """Charge the block to a name."""
        try:
            yield self.begin(name)
        finally:
            self.end()

    def _charge(self) -> None:
        now, nodes = perf_counter(), self.size()
        if self._stack:
            self._stack[-1].seconds += now - self._since
            self._stack[-1].nodes += nodes - self._nodes
        self._since, self._nodes = now, nodes
