"""The import layers: a module imports rows at or below its own; heavy libraries stay in their homes."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tensorgrad"

LAYERS = (
    ("errors",),
    ("sizes",),
    ("meaning", "function", "tensor", "functions"),
    ("notation",),
    ("diagram",),
    ("numeric",),
    ("rule",),
    ("calculus",),
    ("equality",),
    ("derivation",),
    ("cost",),
    ("egraph", "extract"),
    ("runtime",),
    ("show",),
    ("api",),
    ("extras",),
    ("playground",),
    ("cli",),
    ("__main__",),
)
ROW = {name: row for row, names in enumerate(LAYERS) for name in names}

DEFERRED_IN_TENSOR = {"notation", "equality", "show", "api"}
"""Later rows that methods of Tensor reach, by one-line imports inside the method."""

DEFERRED = {"tensor": DEFERRED_IN_TENSOR, "derivation": {"show"}, "runtime": {"show"}, "egraph": {"show"}}
"""Modules with such methods: derivations, plans and e-graphs show themselves in a notebook."""

HOMES = {
    "egglog": {"egraph"},
    "torch": {"runtime"},
    "opt_einsum": {"cost", "runtime"},
    "click": {"cli"},
    "matplotlib": {"show"},
    "jax": {"runtime"},
    "starlette": {"playground"},
    "uvicorn": {"playground"},
    "jinja2": {"playground"},
}
"""Heavy libraries and the only rows that import them."""

FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The row's name that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int, bool]]:
    """(imported module, line, whether for type checkers only) for every import of a file."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in typing_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the layer"
            found.append((node.module or "", node.lineno, id(node) in typing_only))
    return found


def test_every_module_has_a_layer() -> None:
    assert {room(p) for p in FILES} - set(ROW) == {"__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = room(path)
    for module, line, typing_only in imports(path):
        parts = module.split(".")
        if parts[0] != "tensorgrad" or own in ("__init__", "__main__") or len(parts) == 1 or typing_only:
            continue
        if parts[1] in DEFERRED.get(own, ()):
            continue
        assert ROW[parts[1]] <= ROW[own], f"{path}:{line}: {own} imports {module}, which is above it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_libraries_stay_home(path: Path) -> None:
    for module, line, typing_only in imports(path):
        homes = HOMES.get(module.split(".")[0])
        assert typing_only or homes is None or room(path) in homes, f"{path}:{line} imports {module}"


def test_later_rows_are_deferred_in_tensor() -> None:
    top: set[str] = set()
    every: set[str] = set()
    for path in (PACKAGE / "tensor").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top |= {n.module for n in tree.body if isinstance(n, ast.ImportFrom) and n.module}
        every |= {m for m, _, typing_only in imports(path) if m.startswith("tensorgrad.") and not typing_only}
    rows = [{m.split(".")[1] for m in found if m.startswith("tensorgrad.")} for found in (top, every)]
    assert rows[0] == {"errors", "function", "sizes", "tensor"}
    assert rows[1] - rows[0] == DEFERRED_IN_TENSOR


@pytest.mark.parametrize(
    "program",
    [
        "import tensorgrad",
        "import tensorgrad.functions",
        "from tensorgrad import F",
        "import tensorgrad.cli",
        "import tensorgrad as tg; tg.parse('A @ x', let='A : n m ; x : m')",
    ],
)
def test_import_loads_nothing_heavy(program: str) -> None:
    heavy = (
        "[m for m in ('torch', 'egglog', 'opt_einsum', 'scipy.optimize', 'matplotlib', 'networkx') if m in sys.modules]"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {program}; print({heavy})"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_small(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            docstring = ast.get_docstring(node)
            assert lines - (len(docstring.splitlines()) if docstring else 0) <= 60, f"{path}:{node.lineno} {node.name}"
