"""Source text made into functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def load(text: str, name: str, title: str) -> Callable[..., Any]:
    """The function `name` of a program's source; `title` is what tracebacks call the file."""
    space: dict[str, Any] = {}
    exec(compile(text, f"<tensorgrad {title}>", "exec"), space)  # noqa: S102  (our own text, built from parsed nodes)
    return space[name]
