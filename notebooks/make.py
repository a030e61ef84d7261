"""Run the scripts of this folder and store them as notebooks: `python notebooks/make.py [NAME ...]`.

A script is the source, in percent format; its notebook has the same cells and small outputs. Needs the extra
`notebooks`. `tests/test_notebooks.py` runs the scripts and holds the notebooks in step with them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

HERE = Path(__file__).parent
SIZE = 200_000
"""Bytes that a stored notebook may have."""


def scripts() -> list[Path]:
    """The worked programs."""
    return [p for p in sorted(HERE.glob("*.py")) if p.name != Path(__file__).name]


def cells(script: Path) -> list[NotebookNode]:
    """The cells of a script."""
    return jupytext.read(script).cells


def stored(script: Path) -> NotebookNode:
    """The notebook of a script."""
    return nbformat.read(script.with_suffix(".ipynb"), as_version=4)


def make(script: Path) -> NotebookNode:
    """The notebook of a script, executed top to bottom."""
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=cells(script))
    # Streams in one piece: where a kernel flushes in between differs from run to run.
    resources = {"metadata": {"path": str(HERE)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources, coalesce_streams=True).execute()
    for number, cell in enumerate(notebook.cells):
        # Nothing that tells one run from the next: identifiers by position, no times.
        cell.id = f"cell-{number}"
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k == "tags"})
        for output in cell.get("outputs", []):
            smaller(output)
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        jupytext={"formats": "ipynb,py:percent"},
    )
    return notebook


def smaller(output: NotebookNode) -> None:
    """Of the pictures of a tensor keep the diagram, which GitHub shows too, and the text."""
    data: dict[str, Any] = output.get("data", {})
    if "image/svg+xml" in data:
        for kind in ("text/html", "text/latex"):
            data.pop(kind, None)


def main(names: list[str]) -> None:
    """Make the notebooks named, or all."""
    for script in scripts():
        if names and script.stem not in names:
            continue
        text = nbformat.writes(make(script)) + "\n"
        if len(text) > SIZE:
            raise SystemExit(f"{script.stem}.ipynb would have {len(text)} bytes, more than {SIZE}: show less")
        script.with_suffix(".ipynb").write_text(text, encoding="utf-8")
        print(f"{script.stem}.ipynb  {len(text)} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
