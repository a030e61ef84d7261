"""Variables: named tensors, with the facts and equations that are declared of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.sizes import Poly, SizeLike, size
from tensorgrad.tensor.arithmetic import align
from tensorgrad.tensor.base import Fact, Tensor
from tensorgrad.tensor.edges import check_same_sizes, names_of


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Variable(Tensor):
    """A named tensor. `Variable("X", b, x)` names edges after symbols; `Variable("A", i="n", j=3)` names them.

    Args: name; symbols (an edge named after each); edge=size; facts, a text as in a declaration ("symmetric pd");
    edges={"name": n} for edge names that collide with parameters.
    Raises EdgeError for two edges of one name (say `i=n, j=n`) and for an integer without a name; SizeError for a
    variable called as one of its sizes.

    >>> Variable("A", i="n", j="m").edges
    ('i', 'j')
    """

    name: str
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]
    facts: tuple[Fact, ...]
    equations: tuple[tuple[Tensor, Tensor], ...]

    def __init__(
        self,
        name: str,
        *symbols: SizeLike,
        facts: str | Iterable[Fact] = (),
        edges: Mapping[str, SizeLike] | None = None,
        equations: Iterable[tuple[Tensor, Tensor]] = (),
        **named: SizeLike,
    ) -> None:
        if not name.isidentifier():
            raise EdgeError(f"{name!r} is not a variable name: use a Python identifier")
        for word, given in (("facts", facts), ("equations", equations)):
            if not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise EdgeError(
                    f"{word}={given!r} states no {word} of {name}; an edge of this name goes through "
                    f"edges={{{word!r}: {given!r}}}"
                )
        pairs: list[tuple[str, SizeLike]] = []
        for symbol in symbols:
            if isinstance(symbol, int):
                raise EdgeError(f"the size {symbol} of {name} needs an edge name: write i={symbol}")
            pairs.append((str(symbol), symbol))
        pairs += [*(edges or {}).items(), *named.items()]
        names = [edge for edge, _ in pairs]
        for edge in names:
            if names.count(edge) > 1:
                raise EdgeError(
                    f"{name} has two edges named {edge!r}: give them names, Variable({name!r}, i={edge}, j={edge})"
                )
        dims = tuple(size(s) for _, s in pairs)
        for edge, dim in zip(names, dims, strict=True):
            if name in dim.symbols:
                raise SizeError(
                    f"{name} is the name of the variable and a size of it ({edge}={dim}), and would mean two things in one "
                    "expression: rename one of the two"
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "edges", tuple(names))
        object.__setattr__(self, "dims", dims)
        if isinstance(facts, str):
            from tensorgrad.notation import parse_facts

            facts = parse_facts(facts, self.dims, name)
        object.__setattr__(self, "facts", tuple(facts))
        object.__setattr__(self, "equations", tuple(equations))

    def with_symmetries(self, groups: str) -> Variable:
        """The variable with edges that may be exchanged: `"i j, k l"` states i with j, and k with l.

        >>> Variable("T", i="n", j="n", k="m").with_symmetries("i j, k").symmetries == {frozenset("ij"), frozenset("k")}
        True
        """
        facts: list[Fact] = []
        for group in (text.split() for text in groups.split(",")):
            for edge in group:
                if edge not in self.edges:
                    raise EdgeError(f"{self.name} has no edge {edge!r}, it has {names_of(self.edges)}")
                if self.sizes[edge] is not self.sizes[group[0]]:
                    raise SizeError(
                        f"{self.name} cannot be symmetric in {names_of(group)}: their sizes are "
                        f"{', '.join(str(self.sizes[e]) for e in group)}"
                    )
            if len(group) > 1:
                facts.append(Fact("symmetric", tuple((self.edges.index(e),) for e in group)))
        return Variable(self.name, edges=dict(self.sizes), facts=(*self.facts, *facts), equations=self.equations)

    def with_eq_constraint(self, left: Tensor, right: Tensor) -> Variable:
        """The variable with an equation that it satisfies: known wherever an expression with it is simplified or proved.

        >>> from tensorgrad import Delta
        >>> Q = Variable("Q", i="n", j="n")
        >>> Q = Q.with_eq_constraint(Q @ Q.rename(j="k"), Delta("n", "j", "k"))
        >>> print((Q @ Q.rename(j="k")).simplify())
        I[n]
        """
        if not (left.depends_on(self) or right.depends_on(self)):
            raise EdgeError(f"an equation for {self.name} must contain it")
        if set(left.edges) != set(right.edges):
            raise EdgeError(
                f"the sides of an equation for {self.name} have the edges {names_of(left.edges)} and {names_of(right.edges)}"
            )
        check_same_sizes(left, right, "=")
        equations = (*self.equations, (left, align(right, left.edges)))
        return Variable(self.name, edges=dict(self.sizes), facts=self.facts, equations=equations)

    def has(self, fact: str) -> bool:
        """Whether a fact of this name is declared.

        >>> Variable("S", i="n", j="n", facts="symmetric pd").has("pd")
        True
        """
        return any(f.name == fact for f in self.facts)
