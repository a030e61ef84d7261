"""Names that people know from here; each is the same as in `tensorgrad` itself."""

from __future__ import annotations

from typing import Any

import tensorgrad

_NAMES = ("Expectation", "compile_to_callable", "evaluate", "to_index", "to_index_free", "to_latex", "to_tikz")


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'tensorgrad.extras' has no attribute {name!r}; it has {', '.join(_NAMES)}")
    return getattr(tensorgrad, name)


def __dir__() -> list[str]:
    return [name for name in _NAMES if hasattr(tensorgrad, name)]
