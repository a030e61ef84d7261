"""Which theorems need which rule, kept in `theorems/needs.json`: without the rule the theorem is not proved, or its left side
does not become as short or as cheap, or not in the time.

`python -m tests.needs [RULE...]` finds them anew for these rules, or for those that are new (minutes). It prints the rules
without a theorem that needs them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from tensorgrad.calculus import expand
from tensorgrad.egraph import search
from tensorgrad.egraph.pricing import Pricing
from tensorgrad.errors import TensorgradError
from tensorgrad.extract import Extraction
from tensorgrad.notation import Claim, parse_file
from tensorgrad.rule import Rule, RuleSet, library

THEOREMS = Path(__file__).parent / "theorems"
NEEDS = THEOREMS / "needs.json"
KEPT = 2
"""Theorems kept for each rule."""
TRIED = 6
"""Theorems tried for each rule."""


@lru_cache(maxsize=1)
def goals() -> dict[str, Claim]:
    """Name -> equation or fact, of all theorem files."""
    lines = [line for path in sorted(THEOREMS.glob("*.theorems")) for line in parse_file(path)]
    return {g.name: g for g in lines if isinstance(g, Claim) and g.relation in ("=", "fact")}


def proved(claim: Claim, rules: RuleSet, seconds: float, used: dict[str, None] | None = None) -> bool:
    """Whether a goal is proved by these rules, leaf derivatives taken by them too; `used` notes what was at work."""
    used = {} if used is None else used
    if claim.right is None:
        return concluded(claim, rules, seconds, used)
    try:
        sides = [expand(t, rules, claim.conditions, used) for t in (claim.left, claim.right)]
        found = search.prove(*sides, conditions=claim.conditions, rules=rules, seconds=seconds, explain=False)
    except TensorgradError:
        return False
    used.update(dict.fromkeys(found.rules))
    used.update(dict.fromkeys(name for name, tally in found.graph.profile.tallies.items() if tally.matches))
    return found.proved


def concluded(claim: Claim, rules: RuleSet, seconds: float, used: dict[str, None]) -> bool:
    """Whether a goal that is a fact is proved by these rules."""
    assert claim.concludes is not None and claim.concludes.fact is not None
    t, fact = expand(claim.left, rules, claim.conditions, used), claim.concludes.fact
    found = search.conclude(t, fact, conditions=claim.conditions, rules=rules, seconds=seconds)
    used.update(dict.fromkeys(name for name, tally in found.graph.profile.tallies.items() if tally.matches))
    return found.proved


def simplest(
    claim: Claim, rules: RuleSet, seconds: float, dims: Mapping[str, int] | None = None
) -> tuple[int, int] | None:
    """The size of what the left side of a goal simplifies to, with sizes its operations; None where time runs out first."""
    try:
        left = expand(claim.left, rules, claim.conditions)
        found = search.simplify(left, conditions=claim.conditions, dims=dims, rules=rules, seconds=seconds)
    except TensorgradError:
        return None
    return None if found.stopped == "seconds" else Extraction(found.graph, found.refs, Pricing(found.graph, dims)).cost


def sizes(claim: Claim) -> dict[str, int]:
    """Numbers for the sizes of a goal, all different."""
    symbols = sorted({s for v in claim.left.variables for d in v.dims for s in d.symbols})
    return {symbol: 20 + k for k, symbol in enumerate(symbols)}


def needs(claim: Claim, rule: str, seconds: float = 2.0) -> bool:
    """Whether a goal needs the rule: to be proved, or for its left side to become as short or as cheap as it does."""
    others = library().without(rule)
    # Ample time with the rule: only what is found without it tells, and machines differ by a factor of two.
    if not proved(claim, library(), 10 * seconds):
        return False
    if not proved(claim, others, seconds):
        return True
    for dims in (None, sizes(claim)):
        near = simplest(claim, library(), 3 * seconds, dims)
        far = simplest(claim, others, 3 * seconds, dims) if near is not None else None
        if near is not None and (far is None or near < far):
            return True
    return False


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(re.findall(r"[a-z_]\w*", text))


def likely(rule: Rule, at_work: Mapping[str, list[str]]) -> Iterator[str]:
    """Theorems that may need a rule: where it was at work, the shortest first; then those that have its words."""
    seen = dict.fromkeys(sorted(at_work.get(rule.name, ()), key=lambda name: len(goals()[name].text)))
    yield from seen
    wanted = words(rule.text.replace(" if ", " ")) & KNOWN
    near = [n for n, g in goals().items() if n not in seen and wanted <= words(f"{g.scope} {g.text}")]
    yield from sorted(near, key=lambda name: len(goals()[name].text))


KNOWN = words(
    "inv det logdet tr pinv adj expm logm sqrtm matpow exp log sqrt sin cos tan sinh cosh tanh abs sign relu sigmoid "
    "softplus erf gelu step softmax logsumexp log_softmax max norm sum diag outer kron lc symmetric skew diagonal upper lower "
    "orthogonal orthonormal invertible psd pd idempotent positive nonnegative nonzero unit simplex onehot integer"
)


def stored() -> dict[str, list[str]]:
    """Rule -> theorems, as kept."""
    return json.loads(NEEDS.read_text(encoding="utf-8")) if NEEDS.exists() else {}


def main(asked: list[str]) -> int:
    """Find what is asked for, and keep it."""
    found = {name: kept for name, kept in stored().items() if name in library()}
    at_work: dict[str, list[str]] = {}
    for name, claim in goals().items():
        used: dict[str, None] = {}
        proved(claim, library(), 2.0, used)
        for rule in used:
            at_work.setdefault(rule, []).append(name)
    for rule in library():
        if rule.name not in asked and (asked or rule.name in found):
            continue
        kept: list[str] = []
        for number, name in enumerate(likely(rule, at_work)):
            if len(kept) == KEPT or number == TRIED:
                break
            if needs(goals()[name], rule.name):
                kept.append(name)
        found[rule.name] = kept
        print(rule.name, *kept, flush=True)
        NEEDS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    without = [name for name in library().names if not found.get(name)]
    print(f"{len(without)} rules without a theorem that needs them: {' '.join(without)}")
    return int(bool(without))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
