"""Reading rule files, and finding the library that comes with the package."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tensorgrad.errors import RuleError
from tensorgrad.notation import BadLine, Claim, parse_file
from tensorgrad.rule.model import Rule, RuleSet

REJECTED = "rejected.rules"
"""The file of wrong rules that the checker must refute: not part of the library."""


def read(path: str | Path, filename: str | None = None) -> list[Rule | BadLine]:
    """Every line of a rule file (or, with `filename`, of a text): a rule, or what is wrong with it.

    Raises RuleError for a path that cannot be read.
    """
    try:
        lines = parse_file(path, filename)
    except OSError as error:
        raise RuleError(f"cannot read the rule file {path}: {error.strerror or error}") from None
    return [_rule(line) for line in lines]


def _rule(line: Claim | BadLine) -> Rule | BadLine:
    if isinstance(line, BadLine):
        return line
    try:
        return Rule.from_claim(line)
    except RuleError as error:
        return BadLine(error, line.name, line.place)


def _rules(lines: list[Rule | BadLine]) -> RuleSet:
    for line in lines:
        if isinstance(line, BadLine):
            raise line.error
    return RuleSet(line for line in lines if isinstance(line, Rule))


def load(*paths: str | Path) -> RuleSet:
    """The rules of one or several files, in order; the error of the first bad line is raised."""
    return _rules([line for path in paths for line in read(path)])


def load_text(text: str, filename: str = "") -> RuleSet:
    """The rules of a text in the form of a rule file."""
    return _rules(read(text, filename))


@lru_cache(maxsize=1)
def directory() -> Path:
    """The folder of the packaged rules: inside the package (a wheel), or beside it (a checkout, an editable install).

    Raises RuleError when neither is there: a broken installation.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_rules", package.parent / "rules"):
        if folder.is_dir():
            return folder
    raise RuleError(
        f"the rule library is missing: neither {package / '_rules'} nor {package.parent / 'rules'} is a folder"
    )


def files() -> tuple[Path, ...]:
    """The files of the library, sorted by name, without `rejected.rules`."""
    return tuple(p for p in sorted(directory().glob("*.rules")) if p.name != REJECTED)


@lru_cache(maxsize=1)
def library() -> RuleSet:
    """All packaged rules, read once a process.

    >>> print(library()["det-of-product"])
    det-of-product  [tc:21]  det(A @ B) => det(A) * det(B)
    """
    return load(*files())
