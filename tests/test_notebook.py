"""The example notebook is what its source says, run."""

import importlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]
MOST = 150_000  # bytes


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """scripts/pictures.py."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("pictures")


def test_the_notebook_is_in_step_with_its_source_and_runs(maker: Any) -> None:
    """It is run here as `python scripts/pictures.py notebook` runs it: what is printed and shown is what is kept."""
    kept = nbformat.read(maker.NOTEBOOK, as_version=4)
    nbformat.validate(kept)
    assert maker.NOTEBOOK.stat().st_size < MOST
    made = maker.execute(maker.read(maker.SOURCE.read_text(encoding="utf-8")))
    assert kept.metadata == made.metadata
    assert [bare(cell) for cell in kept.cells] == [bare(cell) for cell in made.cells]
    shown = [kind for cell in kept.cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert (shown.count("image/png"), shown.count("text/html"), shown.count("text/plain")) == (3, 1, 1)


def bare(cell: Any) -> dict[str, Any]:
    """A cell, and of its outputs their kinds: pixels and last digits may differ from machine to machine."""
    outputs = [(output.output_type, sorted(output.get("data", {}))) for output in cell.get("outputs", [])]
    return {**cell, "outputs": outputs}


def test_a_cell_shows_what_it_prints_and_its_last_value_and_a_warning_ends_it(maker: Any) -> None:
    cells = ["# %% [markdown]\n# # Title", "# %%\nprint('a')\n2 + 3", "# %%\nimport warnings\nwarnings.warn('old')"]
    notebook = maker.read("\n\n".join(cells))
    with pytest.raises(CellExecutionError, match=r"(?s)UserWarning.*: old"):
        maker.execute(notebook)
    assert notebook.cells[0].source == "# Title"
    printed, value = notebook.cells[1].outputs
    assert (printed.text, value.data) == ("a\n", {"text/plain": "5"})
