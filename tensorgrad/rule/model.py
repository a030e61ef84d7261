"""Rules and rule sets: data, as they stand in a `.rules` file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePath

from tensorgrad.errors import Place, RuleError
from tensorgrad.notation import Claim, Condition, Scope
from tensorgrad.numeric.sample import condition_tensors, names_of
from tensorgrad.tensor import Fact, Tensor


@dataclass(frozen=True, eq=False)
class Rule:
    """`name [source] left => right if conditions`: under its facts both sides are defined on the same set and equal.

    A fact rule concludes a fact of `left` instead of an equal `right`: then `right` is None and `concludes` is set.
    Names are pattern variables; `scope` declares them. `directed` is false for an identity written with `=`.

    >>> from tensorgrad.rule import library
    >>> rule = library()["det-of-product"]
    >>> rule.name, rule.source, rule.directed, str(rule.left)
    ('det-of-product', 'tc:21', True, 'det(A @ B)')
    """

    name: str
    source: str
    left: Tensor
    right: Tensor | None
    directed: bool
    conditions: tuple[Condition, ...]
    scope: Scope
    place: Place
    text: str
    concludes: Condition | None = None

    @staticmethod
    def from_claim(claim: Claim) -> Rule:
        """A line of a rule file as a rule; RuleError for a goal with `!=` or `not`, which is no rule.

        >>> from tensorgrad.notation import parse_claim
        >>> Rule.from_claim(parse_claim("inv(inv(A)) => A", "A : n n", "")).directed
        True
        """
        if claim.relation in ("!=", "not"):
            wrong = f"a rule has =, => or concludes a fact; {claim.relation} is for goals"
            raise RuleError(f"{claim.name}: {wrong}\n  at {claim.place}")
        return Rule(
            claim.name,
            claim.source,
            claim.left,
            claim.right,
            claim.relation == "=>",
            claim.conditions,
            claim.scope,
            claim.place,
            claim.text,
            claim.concludes,
        )

    @cached_property
    def facts(self) -> tuple[tuple[Fact, Tensor], ...]:
        """All facts it needs: those declared of the variables that occur, then those of its conditions.

        >>> rule = RuleSet.from_text("let A : n n symmetric\\nr  A.T => A  if invertible(A)")["r"]
        >>> [(str(fact), str(t)) for fact, t in rule.facts]
        [('symmetric', 'A'), ('invertible', 'A')]
        """
        variables, _ = names_of(self.tensors)
        declared = [(fact, v) for v in variables for fact in v.facts]
        return (*declared, *((c.fact, c.tensor) for c in self.conditions if c.fact is not None))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Both sides and the expressions of the conditions.

        >>> rule = RuleSet.from_text("let A : n n\\nr  inv(inv(A)) => A  if invertible(A)")["r"]
        >>> list(map(str, rule.tensors))
        ['inv(inv(A))', 'A', 'A']
        """
        sides = (self.left,) if self.right is None else (self.left, self.right)
        return (*sides, *condition_tensors(self.conditions))

    @property
    def file(self) -> str:
        """The file's name without its folder; empty for a rule made from text.

        >>> from tensorgrad.rule import library
        >>> library()["det-of-product"].file
        'determinant.rules'
        """
        return PurePath(self.place.file).name

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The file's stem and the dotted prefixes of the name: `trace.cyclic.two` has `trace`, `trace.cyclic`.

        >>> text = "let A B : n n\\ntrace.cyclic.two  tr(A @ B) = tr(B @ A)"
        >>> RuleSet.from_text(text, "trace.rules")["trace.cyclic.two"].tags
        ('trace', 'trace.cyclic')
        """
        parts = self.name.split(".")
        prefixes = [".".join(parts[:k]) for k in range(1, len(parts))]
        return tuple(dict.fromkeys([*([PurePath(self.file).stem] if self.file else []), *prefixes]))

    @property
    def where(self) -> str:
        """`file:line` for messages, or "given in Python".

        >>> RuleSet.from_text("let A : n n\\nr  A.T.T => A", "transposes.rules")["r"].where
        'transposes.rules:2'
        """
        return f"{self.place.file}:{self.place.line}" if self.place.file else "given in Python"

    def __str__(self) -> str:
        source = f"  [{self.source}]" if self.source else ""
        return f"{self.name}{source}  {self.text}"

    def __repr__(self) -> str:
        return f"<Rule {self}>"


class RuleSet:
    """Rules in order, with unique names. A name stands once: two different rules of one name are a RuleError.

    >>> rules = RuleSet.from_text("let A B : n n\\ndet-product  det(A @ B) = det(A) * det(B)")
    >>> len(rules), rules["det-product"].directed
    (1, False)
    """

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules: dict[str, Rule] = {}
        for rule in rules:
            other = self._rules.setdefault(rule.name, rule)
            if other is not rule:
                raise RuleError(
                    f"two rules are called {rule.name}: {other.where} and {rule.where}; "
                    "rename one, or take one out with without()"
                )

    @staticmethod
    def from_file(path: str | Path) -> RuleSet:
        """The rules of a `.rules` file; the error of its first bad line is raised.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "own.rules"
        >>> path.write_text("let A : n n\\ntwice  A.T.T => A\\n", encoding="utf-8")
        30
        >>> RuleSet.from_file(path).names
        ('twice',)
        """
        from tensorgrad.rule.loader import load

        return load(path)

    @staticmethod
    def from_text(text: str, filename: str = "") -> RuleSet:
        """The rules of a text in the form of a `.rules` file.

        >>> RuleSet.from_text("let A : n n\\ntwice  A.T.T => A").names
        ('twice',)
        """
        from tensorgrad.rule.loader import load_text

        return load_text(text, filename)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order.

        >>> from tensorgrad.rule import library
        >>> library().names[:2]
        ('det-of-block', 'det-of-block-lower')
        """
        return tuple(self._rules)

    def select(self, *globs: str) -> RuleSet:
        """The rules whose name matches one of the globs: `select("det-*", "inv-product")`.

        >>> from tensorgrad.rule import library
        >>> library().select("block-*det").names
        ('block-det', 'block-logdet')
        """
        return self._filtered(lambda rule: _matches(rule.name, globs))

    def without(self, *globs: str) -> RuleSet:
        """The rules whose name matches none of the globs.

        >>> from tensorgrad.rule import library
        >>> rules = library()
        >>> len(rules.without("det-*")) + len(rules.select("det-*")) == len(rules)
        True
        """
        return self._filtered(lambda rule: not _matches(rule.name, globs))

    def by_file(self, name: str) -> RuleSet:
        """The rules of one file, `by_file("inverse.rules")` or `by_file("inverse")`.

        >>> from tensorgrad.rule import library
        >>> "det-of-product" in library().by_file("determinant"), "det-of-product" in library().by_file("inverse.rules")
        (True, False)
        """
        return self._filtered(lambda rule: name in (rule.file, PurePath(rule.file).stem, rule.place.file))

    def by_tag(self, tag: str) -> RuleSet:
        """The rules with a tag: the file's stem, or a dotted prefix of the name.

        >>> rules = RuleSet.from_text("let A B : n n\\ntrace.cyclic  tr(A @ B) = tr(B @ A)\\nother  A.T.T = A")
        >>> rules.by_tag("trace").names
        ('trace.cyclic',)
        """
        return self._filtered(lambda rule: tag in rule.tags)

    def _filtered(self, wanted: Callable[[Rule], bool]) -> RuleSet:
        return RuleSet(rule for rule in self if wanted(rule))

    def __add__(self, other: RuleSet | Rule | Iterable[Rule]) -> RuleSet:
        more = (other,) if isinstance(other, Rule) else tuple(other)
        return RuleSet((*self, *more))

    def __getitem__(self, name: str) -> Rule:
        if name not in self._rules:
            near = get_close_matches(name, self._rules, n=3, cutoff=0.5)
            hint = f"; near: {', '.join(near)}" if near else f"; there are {len(self)} rules"
            raise RuleError(f"no rule is called {name}{hint}")
        return self._rules[name]

    def __contains__(self, rule: object) -> bool:
        return rule in self._rules if isinstance(rule, str) else rule in self._rules.values()

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"RuleSet({len(self)} rules)"


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
