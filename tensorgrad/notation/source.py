"""A text with its file name: from offsets to places, and the errors that show them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from tensorgrad.errors import NotationError, Place


@dataclass(frozen=True, eq=False)
class Source:
    """The text that offsets count in; `file` is empty for a text given directly."""

    text: str
    file: str = ""

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def place(self, start: int, end: int | None = None) -> Place:
        """The place of `text[start:end]`; a span over several lines is cut at the end of its first line."""
        line = bisect_right(self._starts, start) - 1
        first = self._starts[line]
        last = self._starts[line + 1] - 1 if line + 1 < len(self._starts) else len(self.text)
        shown = self.text[first:last].rstrip("\r")
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown.replace("\t", " "))
        length = max(1, min(end if end is not None else start + 1, last) - start)
        return Place(shown, start - first, length, self.file, line + 1)

    def error(self, message: str, start: int, end: int | None = None) -> NotationError:
        """A NotationError at `text[start:end]`."""
        return NotationError(message, self.place(start, end))


def near(name: str, known: Iterable[str]) -> str:
    """` (did you mean ...?)` when known names look like `name`, else nothing."""
    found = get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6) if len(name) <= 40 else []
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def listed(names: Iterable[str], none: str = "none") -> str:
    """Names in words, at most twelve."""
    found = list(names)
    return ", ".join(found[:12]) + (", ..." if len(found) > 12 else "") if found else none
