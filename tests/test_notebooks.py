"""The worked programs: every script runs top to bottom, and its notebook has the same cells and prints the same."""

from __future__ import annotations

import importlib.util
import io
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent / "notebooks"


def _make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebooks_make", ROOT / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make = _make()
SCRIPTS = make.scripts()


def printed(cell: Any) -> str:
    """What a stored cell printed."""
    return "".join(o["text"] for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


@pytest.mark.parametrize("script", SCRIPTS, ids=[s.stem for s in SCRIPTS])
def test_runs_and_prints_what_the_notebook_shows(script: Path) -> None:
    """Cells run in order in one namespace; a cell that is tagged `varies` prints what differs from run to run."""
    space: dict[str, Any] = {"__name__": "__main__"}
    stored = make.stored(script).cells
    for number, cell in enumerate(make.cells(script)):
        assert stored[number].cell_type == cell.cell_type and stored[number].source == cell.source, (
            f"cell {number} of {script.stem}.ipynb is not that of the script: python notebooks/make.py {script.stem}"
        )
        if cell.cell_type != "code":
            continue
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(cell.source, f"{script.name}, cell {number}", "exec"), space)  # noqa: S102
        if "varies" not in cell.metadata.get("tags", []):
            assert out.getvalue() == printed(stored[number])
    assert len(stored) == number + 1


@pytest.mark.parametrize("script", SCRIPTS, ids=[s.stem for s in SCRIPTS])
def test_is_an_article(script: Path) -> None:
    """It has a title, a picture, a check against torch at its end, and small outputs without errors."""
    notebook = make.stored(script)
    assert notebook.cells[0].source.startswith("# ")
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert all(o.output_type != "error" for o in outputs)
    assert any("<svg" in str(o.get("data", {})) for o in outputs)
    assert "torch.testing.assert_close" in notebook.cells[-1].source
    assert script.with_suffix(".ipynb").stat().st_size <= make.SIZE
